/** Decompression of bodies while they come. Counterpart: `aiohttp/compression_utils.py` and `DeflateBuffer`. */
import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { ClientPayloadError } from './exceptions.ts';

// Node has it from 22.15 on, and its types for Node 20 do not.
const { createZstdCompress, createZstdDecompress } = zlib as {
  createZstdCompress?: () => Transform;
  createZstdDecompress?: () => Transform;
};
const hasZstd = createZstdDecompress !== undefined;

/** The encodings that a response may have, as `Accept-Encoding` names them. */
export const ACCEPT_ENCODING = hasZstd ? 'gzip, deflate, br, zstd' : 'gzip, deflate, br';

/** Where the decompressed bytes go. */
export interface Sink {
  data(chunk: Buffer): void;
  end(): void;
  fail(error: Error): void;
  /** More compressed bytes are welcome, after `write` had said they were not. */
  drained(): void;
}

/** Whether bodies of this `Content-Encoding` are decompressed. A chain of several is left as it is, as in aiohttp. */
export function isDecodable(encoding: string): boolean {
  return ['gzip', 'deflate', 'br'].includes(encoding) || (encoding === 'zstd' && hasZstd);
}

/** Whether a body can be sent with this `Content-Encoding`. */
export function isEncodable(encoding: string): boolean {
  return isDecodable(encoding);
}

/** A compressor for one body. The encoding must be one that `isEncodable` knows. */
export function createCompressor(encoding: string): Transform {
  switch (encoding) {
    case 'gzip':
      return zlib.createGzip();
    case 'br':
      return zlib.createBrotliCompress();
    case 'zstd':
      return (createZstdCompress as () => Transform)();
    default:
      return zlib.createDeflate();
  }
}

/**
 * A decompressor for one body. It is made when the first byte comes, since a response may name an encoding and have
 * no body.
 */
export class Decompressor {
  readonly #encoding: string;
  readonly #sink: Sink;
  #stream: Transform | null = null;
  #isPaused = false;

  constructor(encoding: string, sink: Sink) {
    this.#encoding = encoding;
    this.#sink = sink;
  }

  /** Take compressed bytes. False: wait for `drained` before the next ones. */
  write(chunk: Buffer): boolean {
    if (chunk.length === 0) return true;
    this.#stream ??= this.#open(chunk);
    return this.#stream.write(chunk);
  }

  /** No more bytes come. */
  end(): void {
    if (this.#stream === null) this.#sink.end();
    else this.#stream.end();
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
    this.#stream?.destroy();
  }

  #open(first: Buffer): Transform {
    const stream = this.#create(first);
    stream
      .on('data', (chunk: Buffer) => this.#sink.data(chunk))
      .on('end', () => this.#sink.end())
      .on('drain', () => this.#sink.drained())
      .on('error', (cause) => {
        const text = `400, message:\n  Can not decode content-encoding: ${this.#encoding}`;
        this.#sink.fail(new ClientPayloadError(text, { cause }));
      });
    if (this.#isPaused) stream.pause();
    return stream;
  }

  #create(first: Buffer): Transform {
    switch (this.#encoding) {
      case 'gzip':
        return zlib.createGunzip();
      case 'br':
        return zlib.createBrotliDecompress();
      case 'zstd':
        return (createZstdDecompress as () => Transform)();
      default:
        // Some servers send deflate without the zlib header that belongs to it; the method in it is always 8.
        return ((first[0] as number) & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw();
    }
  }
}
