/** Decompression of bodies. Counterpart: `aiohttp/compression_utils.py` and `DeflateBuffer`. */
import type { Transform } from 'node:stream';
import zlib, { type ZlibOptions } from 'node:zlib';
import { ContentEncodingError } from './http-exceptions.ts';

/** How Node decompresses an encoding. */
interface Codec {
  decompress(options: ZlibOptions): Transform;
  /** All at once: a `Buffer`, or with `info` an object that says how much it has used, too. */
  decompressSync(data: Uint8Array, options: ZlibOptions): unknown;
}

/** Nothing, as zstd, but for the last byte. */
const CUT_ZSTD = Buffer.from('28b52ffd20000100', 'hex');

function tellsTruncation(decompressSync: Codec['decompressSync']): boolean {
  try {
    decompressSync(CUT_ZSTD, {});
    return false;
  } catch {
    return true;
  }
}

const codecs = new Map<string, Codec>([
  ['gzip', { decompress: zlib.createGunzip, decompressSync: zlib.gunzipSync }],
  ['deflate', { decompress: zlib.createInflate, decompressSync: zlib.inflateSync }],
  ['br', { decompress: zlib.createBrotliDecompress, decompressSync: zlib.brotliDecompressSync }],
]);
// Node has it from 22.15 on, and its types for Node 20 do not.
if ('createZstdDecompress' in zlib) {
  const { createZstdDecompress, zstdDecompressSync } = zlib as unknown as {
    createZstdDecompress: Codec['decompress'];
    zstdDecompressSync: Codec['decompressSync'];
  };
  // Node 22 takes what is cut short for the whole, without a word: better no zstd than half of a body.
  if (tellsTruncation(zstdDecompressSync)) {
    codecs.set('zstd', { decompress: createZstdDecompress, decompressSync: zstdDecompressSync });
  }
}

/** The encodings that a response may have, as `Accept-Encoding` names them. */
export const ACCEPT_ENCODING: string = [...codecs.keys()].join(', ');

/**
 * Whether bodies of this `Content-Encoding` are decompressed. A chain of several is left as it is, as in aiohttp: nobody
 * sends one but to make the receiver inflate it.
 */
export function isDecodable(encoding: string): boolean {
  return codecs.has(encoding);
}

const rawDeflate: Codec = {
  decompress: zlib.createInflateRaw,
  decompressSync: zlib.inflateRawSync,
};

/**
 * What decompresses data that begin with `first`, at least one byte. Many send deflate without the header of zlib that
 * belongs to it, in which the method is always 8; as in aiohttp the first byte decides, since no more may have come yet.
 *
 * @param encoding - one that `isDecodable` knows.
 */
export function codecOf(encoding: string, first: Uint8Array): Codec {
  if (encoding === 'deflate' && ((first[0] as number) & 0x0f) !== 8) return rawDeflate;
  return codecs.get(encoding) as Codec;
}

/** Where the decompressed bytes go. */
export interface Sink {
  data(chunk: Buffer): void;
  end(): void;
  fail(error: Error): void;
  /** More compressed bytes are welcome, after `write` had said they were not. */
  drained(): void;
}

/** Compressed bytes that may wait. */
const HIGH_WATER = 2 ** 16;
/** Bytes of output at a time: each has its way through a thread. */
const CHUNK_SIZE = 2 ** 16;
/** A body of at most so many compressed bytes is decompressed in place, if it makes no more than so many. */
const SMALL_INPUT = 2 ** 14;
const SMALL_OUTPUT = 2 ** 18;
/** Parts of a body that are compressed each by itself; each costs the making of a decompressor. As in aiohttp. */
const MAX_MEMBERS = 1024;

/**
 * A decompressor for one body. Nothing is decompressed before `start`, and no more than the sink wants: a body that nobody
 * reads stays as it came.
 */
export class Decompressor {
  readonly #encoding: string;
  readonly #sink: Sink;
  readonly #waiting: Buffer[] = [];
  #waitingSize = 0;
  #stream: Transform | null = null;
  /** What the stream has been given. */
  #given = 0;
  #members = 0;
  /** What it has in hands. */
  #current: Buffer | null = null;
  #isStarted = false;
  #isPaused = false;
  #isComplete = false;
  #isOver = false;

  constructor(encoding: string, sink: Sink) {
    this.#encoding = encoding;
    this.#sink = sink;
  }

  /** Take compressed bytes. False: wait for `drained` before the next ones. */
  write(chunk: Buffer): boolean {
    if (chunk.length === 0 || this.#isOver) return true;
    this.#waiting.push(chunk);
    this.#waitingSize += chunk.length;
    if (this.#isStarted && this.#current === null) this.#next();
    return this.#waitingSize < HIGH_WATER;
  }

  /** No more bytes come. */
  end(): void {
    this.#isComplete = true;
    if (this.#waitingSize === 0 && this.#stream === null) this.#finish();
    else if (this.#isStarted && this.#current === null) this.#next();
  }

  /** Somebody wants to read. */
  start(): void {
    if (this.#isStarted || this.#isOver) return;
    this.#isStarted = true;
    if (this.#isComplete && this.#waitingSize <= SMALL_INPUT && this.#decompressAtOnce()) return;
    this.#next();
  }

  /** The reader has enough for now. */
  pause(): void {
    this.#isPaused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#stream?.resume();
  }

  /** Nobody will read what comes. */
  destroy(): void {
    this.#isOver = true;
    this.#waiting.length = 0;
    this.#waitingSize = 0;
    this.#stream?.destroy();
    this.#stream = null;
  }

  #finish(): void {
    this.#isOver = true;
    this.#sink.end();
  }

  #fail(cause?: unknown): void {
    if (this.#isOver) return;
    this.destroy();
    const text = `Can not decode content-encoding: ${this.#encoding}`;
    this.#sink.fail(new ContentEncodingError(text, { cause }));
  }

  // A stream takes several turns and a thread for it. False if it is not that easy; errors are the stream's to find, too.
  #decompressAtOnce(): boolean {
    const input = this.#join();
    try {
      const result = codecOf(this.#encoding, input).decompressSync(input, INFO);
      const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
      if (engine.bytesWritten < input.length) return false;
      this.#waiting.length = 0;
      this.#waitingSize = 0;
      this.#sink.data(buffer);
    } catch {
      return false;
    }
    this.#finish();
    return true;
  }

  // Each has its way through a thread, and a server may send a byte at a time.
  #join(): Buffer {
    if (this.#waiting.length > 1) this.#waiting.splice(0, this.#waiting.length, Buffer.concat(this.#waiting));
    return this.#waiting[0] as Buffer;
  }

  /** Give the stream what is waiting, or the end. */
  #next(): void {
    if (this.#waiting.length === 0) {
      if (this.#isComplete) this.#stream?.end();
      return;
    }
    const chunk = this.#join();
    this.#waiting.length = 0;
    const stream = (this.#stream ??= this.#open(chunk));
    this.#current = chunk;
    this.#given += chunk.length;
    stream.write(chunk, (error) => {
      if (error || stream !== this.#stream) return;
      // It has come to its end within the chunk; gunzip says so only if it is told that no more comes.
      if (restOf(stream, this.#given) > 0) stream.end();
      else this.#take(chunk.length);
    });
  }

  /** So many bytes of those that waited are done with. */
  #take(size: number): void {
    this.#current = null;
    const wasFull = this.#waitingSize >= HIGH_WATER;
    this.#waitingSize -= size;
    if (wasFull && this.#waitingSize < HIGH_WATER) this.#sink.drained();
    if (!this.#isOver && this.#current === null) this.#next();
  }

  // What is left of the last chunk may be compressed by itself, or does not belong here.
  #onEnd(stream: Transform): void {
    if (this.#isOver) return;
    const rest = restOf(stream, this.#given);
    const chunk = this.#current;
    if (rest === 0 || chunk === null) {
      this.#finish();
      return;
    }
    this.#stream = null;
    this.#given = 0;
    this.#waiting.unshift(chunk.subarray(chunk.length - rest));
    this.#take(chunk.length - rest);
  }

  #open(first: Buffer): Transform {
    this.#members++;
    const stream = codecOf(this.#encoding, first).decompress({ chunkSize: CHUNK_SIZE });
    if (this.#members > MAX_MEMBERS) {
      stream.destroy(new Error(`Compressed stream has more than ${MAX_MEMBERS} members`));
    }
    stream
      .on('data', (chunk: Buffer) => this.#sink.data(chunk))
      .on('end', () => this.#onEnd(stream))
      .on('error', (error) => this.#fail(error));
    if (this.#isPaused) stream.pause();
    return stream;
  }
}

/** How many of `given` bytes a stream has left over. */
function restOf(stream: Transform, given: number): number {
  return given - (stream as Transform & { bytesWritten: number }).bytesWritten;
}

const INFO = { info: true, maxOutputLength: SMALL_OUTPUT };
