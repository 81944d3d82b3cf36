/** The body of a response as a stream. Counterpart: `aiohttp/streams.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { coroutine } from '../core/coroutines.ts';
import { RuntimeError } from '../core/exceptions.ts';
import type { Future } from '../core/futures.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { RequestTimer } from './client-timeout.ts';
import { ClientConnectionError } from './exceptions.ts';

const EMPTY: Buffer = Buffer.alloc(0);

/** The sender, who can be asked to wait. */
export interface FlowControl {
  pause(): void;
  resume(): void;
  /** Nobody will read what is left. */
  drop(): void;
}

/** An asynchronous iterator whose `next` can be used with `await` and with `yield*`. */
export interface BodyIterator extends AsyncIterableIterator<Buffer> {
  next(): Coroutine<IteratorResult<Buffer, undefined>> & Promise<IteratorResult<Buffer, undefined>>;
}

/**
 * The bytes of a body, while they come. When twice `limit` bytes are waiting to be read, the sender is held up until
 * fewer than `limit` are.
 *
 * Source: aiohttp 3.14 `aiohttp.StreamReader`.
 */
export class StreamReader {
  readonly #loop: BaseEventLoop;
  readonly #flow: FlowControl;
  readonly #timer: RequestTimer;
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #size = 0;
  #isEof = false;
  #isPaused = false;
  #error: Error | null = null;
  #isReleased = false;
  #waiter: Future<void> | null = null;

  /** @internal */
  constructor(loop: BaseEventLoop, flow: FlowControl, timer: RequestTimer, limit: number) {
    this.#loop = loop;
    this.#flow = flow;
    this.#timer = timer;
    this.#limit = limit;
  }

  /** The error that the body ended with, or null. */
  exception(): Error | null {
    return this.#error;
  }

  /** Whether the end has come in; bytes may be left to read. */
  isEof(): boolean {
    return this.#isEof;
  }

  /** Whether the end has come in and nothing is left to read. */
  atEof(): boolean {
    return this.#isEof && this.#size === 0;
  }

  /** @internal */
  feedData(chunk: Buffer): void {
    if (chunk.length === 0 || this.#isEof || this.#error !== null || this.#isReleased) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    this.#wake();
    if (this.#size <= 2 * this.#limit || this.#isPaused) return;
    this.#isPaused = true;
    this.#flow.pause();
  }

  /** @internal */
  feedEof(): void {
    this.#isEof = true;
    this.#wake();
  }

  /** @internal The first error counts; what has come in before it is lost, as in aiohttp. */
  setException(error: Error): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#chunks = [];
    this.#size = 0;
    this.#wake();
  }

  /** @internal The response was released: what is left is not to be read any more. */
  _release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#flow.drop();
    this.#chunks = [];
    this.#size = 0;
    this.#wake();
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null && !waiter.done()) waiter.setResult();
  }

  /**
   * Read up to `n` bytes, or all up to the end.
   *
   * @param n - -1, the default: up to the end. Otherwise at most so many, as soon as there is one.
   * @returns the bytes; none at the end.
   * @throws ClientPayloadError if the body is broken; TimeoutError if the request's time is over.
   *
   * Cancellation: what a `read(-1)` has collected is put back.
   *
   * Source: aiohttp 3.14 `StreamReader.read`.
   */
  read(n = -1): Coroutine<Buffer> {
    return read(this, n);
  }

  /**
   * Read what is there, at least one byte; nothing at the end.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `StreamReader.readany`.
   */
  readany(): Coroutine<Buffer> {
    return read(this, Number.POSITIVE_INFINITY);
  }

  /** The body in pieces as they come. Source: aiohttp 3.14 `StreamReader.iter_any`. */
  iterAny(): BodyIterator {
    return iterate(() => this.readany());
  }

  /** The body in pieces of at most `n` bytes. Source: aiohttp 3.14 `StreamReader.iter_chunked`. */
  iterChunked(n: number): BodyIterator {
    return iterate(() => this.read(n));
  }

  /** @internal */
  *_read(n: number): Gen<Buffer> {
    this.#check();
    if (n === 0) return EMPTY;
    const isThere = this.#isEof || (n > 0 && this.#size > 0);
    if (!isThere) return yield* n < 0 ? this.#readAll() : this.#readSome(n);
    return this.#take(n < 0 ? Number.POSITIVE_INFINITY : n);
  }

  *#readSome(n: number): Gen<Buffer> {
    while (this.#size === 0 && !this.#isEof) yield* this.#wait();
    return this.#take(n);
  }

  *#readAll(): Gen<Buffer> {
    const collected: Buffer[] = [];
    try {
      while (!this.#isEof) {
        // Taking lets the sender go on, and it may come to the end at once.
        if (this.#size > 0) collected.push(this.#take(Number.POSITIVE_INFINITY));
        else yield* this.#wait();
      }
    } catch (error) {
      if (this.#error === null && !this.#isReleased) this.#putBack(collected);
      throw error;
    }
    if (collected.length === 0) return this.#take(Number.POSITIVE_INFINITY);
    return Buffer.concat([...collected, this.#take(Number.POSITIVE_INFINITY)]);
  }

  #check(): void {
    if (this.#error !== null) throw this.#error;
    if (this.#isReleased) throw new ClientConnectionError('Connection closed');
  }

  /** Wait for bytes, or the end. */
  *#wait(): Gen<void> {
    if (this.#waiter !== null) {
      throw new RuntimeError('read() called while another coroutine is already waiting for incoming data');
    }
    const waiter = this.#loop.createFuture<void>();
    this.#waiter = waiter;
    try {
      yield* this.#timer.wait(waiter);
    } finally {
      if (this.#waiter === waiter) this.#waiter = null;
    }
    this.#check();
  }

  #take(n: number): Buffer {
    if (this.#size === 0) return EMPTY;
    const taken = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    const rest = taken.length > n ? taken.subarray(n) : null;
    this.#chunks = rest === null ? [] : [rest];
    this.#size = rest?.length ?? 0;
    if (this.#isPaused && this.#size < this.#limit) {
      this.#isPaused = false;
      this.#flow.resume();
    }
    return rest === null ? taken : taken.subarray(0, n);
  }

  #putBack(chunks: Buffer[]): void {
    this.#chunks.unshift(...chunks);
    for (const chunk of chunks) this.#size += chunk.length;
  }
}

const read = coroutine(function* read(stream: StreamReader, n: number): Gen<Buffer> {
  return yield* stream._read(n);
});

/** `readNext` up to the empty buffer that stands for the end. */
function iterate(readNext: () => Coroutine<Buffer>): BodyIterator {
  const next = coroutine(function* next(): Gen<IteratorResult<Buffer, undefined>> {
    const value = yield* readNext();
    return value.length === 0 ? { done: true, value: undefined } : { done: false, value };
  });
  const iterator = { next, [Symbol.asyncIterator]: () => iterator } as unknown as BodyIterator;
  return iterator;
}
