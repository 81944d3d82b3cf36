/** Decompression of parts. Counterpart: `ZLibDecompressor` of `aiohttp/compression_utils.py`. */
import type { Transform } from 'node:stream';
import { fromPromise } from '../core/coroutines.ts';
import { RuntimeError } from '../core/exceptions.ts';
import type { Gen } from '../core/types.ts';
import { codecOf } from './content-encoding.ts';
import { ClientPayloadError } from './exceptions.ts';

/** So much is decompressed at a time: it may become a thousand times as much. */
const SLICE = 4096;
/** The longest piece. */
const PIECE = 2 ** 16;

/** A known encoding in lower case, or null for none. @throws RuntimeError for an unknown one. */
export function checkContentEncoding(encoding: string): 'gzip' | 'deflate' | null {
  const name = encoding.toLowerCase();
  if (name === 'gzip' || name === 'deflate') return name;
  if (name === 'identity') return null;
  throw new RuntimeError(`unknown content encoding: ${name}`);
}

/** All of `data`, decompressed at once, `limit` bytes at most. @throws ClientPayloadError if it cannot be. */
export function decompress(encoding: 'gzip' | 'deflate', data: Uint8Array, limit: number): Buffer {
  const options = { maxOutputLength: Math.min(Math.max(limit, 1), 2 ** 31 - 1) };
  try {
    return codecOf(encoding, data).decompressSync(data, options) as Buffer;
  } catch (cause) {
    throw failure(encoding, cause);
  }
}

function failure(encoding: string, cause: unknown): ClientPayloadError {
  return new ClientPayloadError(`Can not decode content-encoding: ${encoding}`, { cause });
}

/** Decompresses what comes in pieces, without keeping the loop busy and without much at a time. */
export class ContentDecoder {
  readonly #encoding: 'gzip' | 'deflate';
  #stream: Transform | null = null;
  #decoded: Buffer[] = [];
  #error: unknown = null;
  /** What is to be decompressed. */
  #waiting: Uint8Array = Buffer.alloc(0);

  constructor(encoding: 'gzip' | 'deflate') {
    this.#encoding = encoding;
  }

  /** Give it more; what it was given before must have been taken. */
  push(data: Uint8Array): void {
    this.#waiting = data;
  }

  /** The next bytes, or null if all that was given has been decompressed. */
  *next(): Gen<Buffer | null> {
    while (this.#decoded.length === 0) {
      if (this.#waiting.length === 0) return null;
      const slice = this.#waiting.subarray(0, SLICE);
      this.#waiting = this.#waiting.subarray(slice.length);
      const stream = (this.#stream ??= this.#open(slice));
      yield* this.#step((done) => stream.write(slice, done));
    }
    return this.#decoded.shift() as Buffer;
  }

  /** No more comes. @throws ClientPayloadError if something is missing. */
  *end(): Gen<void> {
    const stream = this.#stream;
    if (stream === null) return;
    yield* this.#step((done) => stream.once('end', done).end());
  }

  /** Let go of it. */
  close(): void {
    this.#stream?.destroy();
  }

  *#step(start: (done: () => void) => void): Gen<void> {
    if (this.#error === null) {
      yield* fromPromise(
        new Promise<void>((resolve) => {
          const done = (): void => {
            this.#stream?.off('error', done);
            resolve();
          };
          this.#stream?.once('error', done);
          start(done);
        }),
      );
    }
    if (this.#error !== null) throw failure(this.#encoding, this.#error);
  }

  #open(first: Uint8Array): Transform {
    return codecOf(this.#encoding, first)
      .decompress({ chunkSize: PIECE })
      .on('data', (chunk: Buffer) => this.#decoded.push(chunk))
      .on('error', (error) => {
        this.#error = error;
      });
  }
}
