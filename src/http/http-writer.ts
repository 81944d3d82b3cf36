/** Bodies on their way out. Counterpart: `aiohttp/http_writer.py`. */
import type { Transform } from 'node:stream';
import type { BaseEventLoop } from '../core/base-events.ts';
import { fromPromise, methodCoroutine } from '../core/coroutines.ts';
import type { Future } from '../core/futures.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { AbstractStreamWriter } from './abc.ts';
import { createCompressor } from './compressors.ts';
import { ClientConnectionResetError } from './exceptions.ts';
import { waitOutside } from './helpers.ts';

/** A version of HTTP. Source: aiohttp 3.14 `aiohttp.HttpVersion`. */
export interface HttpVersion {
  readonly major: number;
  readonly minor: number;
}

/** HTTP/1.0. */
export const HttpVersion10: HttpVersion = Object.freeze({ major: 1, minor: 0 });
/** HTTP/1.1. */
export const HttpVersion11: HttpVersion = Object.freeze({ major: 1, minor: 1 });

/** Bytes that may wait for the socket before a writer has to wait. */
const HIGH_WATER = 2 ** 16;

/** What a writer does besides passing on. */
export interface StreamWriterOptions {
  /** The `Content-Encoding` to apply. */
  readonly encoding: string | null;
  /** Hears of each piece before it is compressed. */
  readonly onChunkSent: ((chunk: Uint8Array) => Gen<void>) | null;
}

/**
 * Takes a body piece by piece from a payload, and gives it to the engine, which iterates over it as the socket takes
 * it. One of each.
 *
 * Source: aiohttp 3.14 `aiohttp.http_writer.StreamWriter`.
 */
export class StreamWriter implements AbstractStreamWriter, AsyncIterable<Uint8Array> {
  /** Bytes of the body so far, after compression. */
  outputSize = 0;
  readonly #loop: BaseEventLoop;
  readonly #onChunkSent: StreamWriterOptions['onChunkSent'];
  readonly #compressor: Transform | null;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #isEof = false;
  #isClosed = false;
  /** It was closed before the engine had taken everything. */
  #isCut = false;
  /** The engine waits for a piece. */
  #wanted: ((result: IteratorResult<Uint8Array, undefined>) => void) | null = null;
  /** A writer waits for the engine. */
  #drained: Future<void> | null = null;

  constructor(loop: BaseEventLoop, { encoding, onChunkSent }: StreamWriterOptions) {
    this.#loop = loop;
    this.#onChunkSent = onChunkSent;
    this.#compressor = encoding === null ? null : createCompressor(encoding);
    this.#compressor?.on('data', (chunk: Buffer) => this.#put(chunk));
    // Of a body that was given up; `write` hears of others.
    this.#compressor?.on('error', () => {});
  }

  /** Whether the engine has taken everything. */
  get isComplete(): boolean {
    return this.#isEof && !this.#isCut && this.#size === 0 && this.#wanted === null;
  }

  /** Whether nobody takes what is written any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Write a piece, and wait while too many bytes are ahead of the socket.
   *
   * @throws ClientConnectionResetError once the connection is gone.
   *
   * Cancellation: the piece may have been sent.
   */
  write(chunk: Uint8Array): Coroutine<void> {
    return write(this, chunk);
  }

  /** Write the last piece, if any, and the end. */
  writeEof(chunk?: Uint8Array): Coroutine<void> {
    return writeEof(this, chunk);
  }

  /** Wait until the socket has taken what was written. */
  drain(): Coroutine<void> {
    return drain(this);
  }

  /** @internal */
  *_write(chunk: Uint8Array): Gen<void> {
    if (this.#isClosed) throw new ClientConnectionResetError('Cannot write to closing transport');
    if (chunk.length === 0) return;
    if (this.#onChunkSent !== null) yield* this.#onChunkSent(chunk);
    if (this.#compressor === null) this.#put(chunk);
    else yield* this.#compress(this.#compressor, chunk);
    if (this.#size > HIGH_WATER) yield* this._drain();
  }

  /** @internal */
  *_writeEof(chunk?: Uint8Array): Gen<void> {
    if (this.#isEof) return;
    if (chunk !== undefined) yield* this._write(chunk);
    if (this.#compressor !== null && !this.#isClosed) yield* this.#finish(this.#compressor);
    this.#isEof = true;
    if (this.#wanted !== null && this.#size === 0) this.#give({ done: true, value: undefined });
  }

  /** @internal */
  *_drain(): Gen<void> {
    while (this.#size > 0 && !this.#isClosed) {
      this.#drained ??= this.#loop.createFuture<void>();
      yield* waitOutside(this.#loop, this.#drained);
    }
  }

  *#compress(compressor: Transform, chunk: Uint8Array): Gen<void> {
    const done = new Promise<void>((resolve, reject) => {
      compressor.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
    yield* fromPromise(done);
  }

  *#finish(compressor: Transform): Gen<void> {
    const ended = new Promise<void>((resolve, reject) => {
      compressor.once('end', resolve).once('error', reject).once('close', resolve);
    });
    compressor.end();
    yield* fromPromise(ended);
  }

  #put(chunk: Uint8Array): void {
    this.outputSize += chunk.length;
    if (this.#wanted !== null) {
      this.#give({ done: false, value: chunk });
      return;
    }
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  #give(result: IteratorResult<Uint8Array, undefined>): void {
    const wanted = this.#wanted;
    this.#wanted = null;
    wanted?.(result);
  }

  /** For the engine, once. Left early, it closes the writer. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        this._close();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const [first] = this.#chunks;
    if (first !== undefined) {
      const all = this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
      this.#chunks = [];
      this.#size = 0;
      this.#wake();
      return Promise.resolve({ done: false, value: all });
    }
    if (this.#isEof || this.#isClosed) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#wanted = resolve;
      this.#wake();
    });
  }

  /** @internal Wait until the engine asks for the first piece. */
  *_asked(): Gen<void> {
    while (this.#wanted === null && !this.#isClosed) {
      this.#drained ??= this.#loop.createFuture<void>();
      yield* waitOutside(this.#loop, this.#drained);
    }
  }

  /** @internal Nobody takes what is written any more. */
  _close(): void {
    if (this.#isClosed) return;
    this.#isCut = !this.isComplete;
    this.#isClosed = true;
    this.#chunks = [];
    this.#size = 0;
    this.#compressor?.destroy();
    this.#give({ done: true, value: undefined });
    this.#wake();
  }

  #wake(): void {
    const drained = this.#drained;
    this.#drained = null;
    if (drained !== null && !drained.done()) drained.setResult();
  }
}

const write = /* @__PURE__ */ methodCoroutine(
  'StreamWriter.write',
  function* (writer: StreamWriter, chunk: Uint8Array): Gen<void> {
    yield* writer._write(chunk);
  },
);

const writeEof = /* @__PURE__ */ methodCoroutine(
  'StreamWriter.writeEof',
  function* (writer: StreamWriter, chunk: Uint8Array | undefined): Gen<void> {
    yield* writer._writeEof(chunk);
  },
);

const drain = /* @__PURE__ */ methodCoroutine(
  'StreamWriter.drain',
  function* (writer: StreamWriter): Gen<void> {
    yield* writer._drain();
  },
);
