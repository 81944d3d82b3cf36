/** Bodies that come in pieces. Counterpart: `AsyncIterablePayload` of `aiohttp/payload.py`. */
import type { ReadableStream } from 'node:stream/web';
import { fromPromise, methodCoroutine } from '../core/coroutines.ts';
import { requireLoop } from '../core/events.ts';
import { BaseException } from '../core/exceptions.ts';
import { typeName } from '../core/format-helpers.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { AbstractStreamWriter } from './abc.ts';
import { decodeText } from './charsets.ts';
import { Payload, type PayloadOptions } from './payload-base.ts';
import { isBytesLike, toBytes } from './payload-bytes.ts';

/** What stands for everything that `for await` takes, on the right of `instanceof`. */
export const AsyncIterableType = {
  [Symbol.hasInstance]: (value: unknown): value is AsyncIterable<unknown> =>
    typeof (value as Partial<AsyncIterable<unknown>> | null | undefined)?.[Symbol.asyncIterator] ===
    'function',
};

/** A piece of a body as bytes; text as UTF-8. @throws TypeError for anything else. */
export function chunkToBytes(chunk: unknown): Uint8Array {
  if (isBytesLike(chunk)) return toBytes(chunk);
  if (typeof chunk === 'string') return Buffer.from(chunk);
  throw new TypeError(`a stream of bytes was expected, got a chunk of ${typeName(chunk)}`);
}

/** The next piece in the calling task, whichever kind of iterator it is; null at the end. */
export function* nextChunk(iterator: AsyncIterator<unknown>): Gen<Uint8Array | null> {
  // An async function, so that what an async generator awaits belongs to this task, and is cancelled with it.
  const result = yield* fromPromise(async () => iterator.next());
  return result.done === true ? null : chunkToBytes(result.value);
}

/**
 * Tell an iterator that nobody wants more of it. Nobody waits for what it does then: it may be in the midst of
 * something that cannot be interrupted.
 */
export function abandon(iterator: AsyncIterator<unknown>): void {
  if (iterator.return === undefined) return;
  const loop = requireLoop();
  loop.createTask(function* closeIterator(): Gen<void> {
    try {
      yield* fromPromise(async () => iterator.return?.());
    } catch (exception) {
      if (exception instanceof BaseException) throw exception;
      loop.callExceptionHandler({ message: 'closing the iterator of a body failed', exception });
    }
  });
}

function isWebStream(value: object): value is ReadableStream<unknown> {
  return typeof (value as Partial<ReadableStream>).getReader === 'function';
}

/** The iterator of a web stream would wait for a chunk before it returns. */
function readerOf(stream: ReadableStream<unknown>): AsyncIterator<unknown> {
  const reader = stream.getReader();
  return {
    next: () => reader.read() as Promise<IteratorResult<unknown>>,
    return: async () => {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
}

/**
 * The pieces of an async iterable: an async generator, a web `ReadableStream`, one of the library's streams. A piece is
 * bytes, or text, which is sent as UTF-8. It can be sent once, unless `asBytes` has read it before.
 *
 * Cancellation of `write`: the iterator's `return` is called.
 *
 * Source: aiohttp 3.14 `aiohttp.AsyncIterablePayload`.
 */
export class AsyncIterablePayload extends Payload {
  #iterator: AsyncIterator<unknown> | null;
  #cached: Buffer | null = null;
  #isConsumed = false;

  /** @throws TypeError for what is no async iterable. */
  constructor(value: AsyncIterable<unknown>, options: PayloadOptions = {}) {
    if (!AsyncIterableType[Symbol.hasInstance](value)) {
      throw new TypeError(
        `value argument must support collections.abc.AsyncIterable interface, got ${typeName(value)}`,
      );
    }
    super(value, { ...options, contentType: options.contentType ?? 'application/octet-stream' });
    this.#iterator = isWebStream(value) ? readerOf(value) : value[Symbol.asyncIterator]();
  }

  override get consumed(): boolean {
    return this.#isConsumed;
  }

  override get autoclose(): boolean {
    return true;
  }

  override decode(encoding = 'utf-8', errors = 'strict'): string {
    if (this.#cached !== null) return decodeText(this.#cached, encoding, errors);
    throw new TypeError('Unable to decode - content not cached. Call asBytes() first.');
  }

  override write(writer: AbstractStreamWriter): Coroutine<void> {
    return this.writeWithLength(writer, null);
  }

  override writeWithLength(writer: AbstractStreamWriter, contentLength: number | null): Coroutine<void> {
    return writeIterable(this, writer, contentLength);
  }

  /** All of it, which it keeps, so that it can be sent several times. */
  override asBytes(_encoding?: string, _errors?: string): Coroutine<Buffer> {
    return readIterable(this);
  }

  /** @internal */
  override _bytes(): Uint8Array | null {
    return this.#cached;
  }

  /** @internal */
  *_writeTo(writer: AbstractStreamWriter, contentLength: number | null): Gen<void> {
    const limit = contentLength ?? Number.POSITIVE_INFINITY;
    if (this.#cached !== null) {
      yield* writer.write(this.#cached.subarray(0, limit));
      return;
    }
    if (this.#iterator === null) return;
    // From here on a piece may be gone, even if it was not written.
    this.#isConsumed = true;
    let left = limit;
    // Beyond the limit as well: the iterator may hold something until its end.
    yield* this.#forEach(function* (chunk) {
      if (left > 0) yield* writer.write(chunk.length > left ? chunk.subarray(0, left) : chunk);
      left -= chunk.length;
    });
  }

  /** @internal */
  *_readAll(): Gen<Buffer> {
    if (this.#cached !== null) return this.#cached;
    const chunks: Uint8Array[] = [];
    yield* this.#forEach(function* (chunk): Gen<void> {
      chunks.push(chunk);
    });
    const all = Buffer.concat(chunks);
    if (!this.#isConsumed) this.#cached = all;
    return all;
  }

  *#forEach(body: (chunk: Uint8Array) => Gen<void>): Gen<void> {
    const iterator = this.#iterator;
    if (iterator === null) return;
    try {
      for (;;) {
        const chunk = yield* nextChunk(iterator);
        if (chunk === null) break;
        yield* body(chunk);
      }
    } catch (error) {
      this.#iterator = null;
      this.#isConsumed = true;
      abandon(iterator);
      throw error;
    }
    this.#iterator = null;
  }
}

const writeIterable = /* @__PURE__ */ methodCoroutine(
  'AsyncIterablePayload.write',
  function* (
    payload: AsyncIterablePayload,
    writer: AbstractStreamWriter,
    contentLength: number | null,
  ): Gen<void> {
    yield* payload._writeTo(writer, contentLength);
  },
);

const readIterable = /* @__PURE__ */ methodCoroutine(
  'AsyncIterablePayload.asBytes',
  function* (payload: AsyncIterablePayload): Gen<Buffer> {
    return yield* payload._readAll();
  },
);
