/** A queue of messages with an end. Counterpart: `DataQueue` of `aiohttp/streams.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { methodCoroutine } from '../core/coroutines.ts';
import type { AbstractEventLoop } from '../core/events.ts';
import { RuntimeError } from '../core/exceptions.ts';
import type { Future } from '../core/futures.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { BodyIterator } from './body-iterator.ts';
import { waitOutside } from './helpers.ts';

/**
 * The end of a `DataQueue`.
 *
 * Source: aiohttp 3.14 `aiohttp.EofStream`.
 */
export class EofStream extends Error {
  override get name(): string {
    return 'EofStream';
  }
}

/**
 * Messages for one reader, with an end or an error behind the last one. `for await` goes up to the end.
 *
 * Source: aiohttp 3.14 `aiohttp.DataQueue`.
 */
export class DataQueue<T> implements AsyncIterable<T> {
  readonly #loop: BaseEventLoop;
  #messages: T[] = [];
  /** Which is the first that is left. */
  #first = 0;
  #isEof = false;
  #error: Error | null = null;
  #waiter: Future<void> | null = null;

  constructor(loop: AbstractEventLoop) {
    this.#loop = loop as BaseEventLoop;
  }

  /** How many messages wait. */
  get size(): number {
    return this.#messages.length - this.#first;
  }

  /** Whether the end has come in; messages may be left to read. */
  isEof(): boolean {
    return this.#isEof;
  }

  /** Whether the end has come in and nothing is left to read. */
  atEof(): boolean {
    return this.#isEof && this.size === 0;
  }

  /** The error that it ended with, or null. */
  exception(): Error | null {
    return this.#error;
  }

  /** Put a message in. */
  feedData(message: T): void {
    this.#messages.push(message);
    this.#wake();
  }

  /** No more come. */
  feedEof(): void {
    this.#isEof = true;
    this.#wake();
  }

  /** No more come, and who reads past the last one gets `error`. */
  setException(error: Error): void {
    this.#isEof = true;
    this.#error = error;
    this.#wake();
  }

  /**
   * Take the next message, as soon as there is one.
   *
   * @throws EofStream at the end, or the error in its place; RuntimeError while somebody else waits.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `DataQueue.read`.
   */
  read(): Coroutine<T> {
    return read(this) as Coroutine<T>;
  }

  [Symbol.asyncIterator](): BodyIterator<T> {
    const iterator = {
      next: () => next(this),
      [Symbol.asyncIterator]: () => iterator,
    } as unknown as BodyIterator<T>;
    return iterator;
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null && !waiter.done()) waiter.setResult();
  }

  /** @internal */
  *_read(): Gen<T> {
    while (this.size === 0 && !this.#isEof) yield* this.#wait();
    if (this.size > 0) return this.#take();
    throw this.#error ?? new EofStream();
  }

  *#wait(): Gen<void> {
    if (this.#waiter !== null) {
      throw new RuntimeError('read() called while another coroutine is already waiting for incoming data');
    }
    const waiter = this.#loop.createFuture<void>();
    this.#waiter = waiter;
    try {
      yield* waitOutside(this.#loop, waiter);
    } finally {
      if (this.#waiter === waiter) this.#waiter = null;
    }
  }

  #take(): T {
    const message = this.#messages[this.#first] as T;
    this.#first++;
    // Each is moved once for every time that it was passed by.
    if (this.#first * 2 >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#first);
      this.#first = 0;
    }
    return message;
  }
}

const read = /* @__PURE__ */ methodCoroutine(
  'DataQueue.read',
  function* (queue: DataQueue<unknown>): Gen<unknown> {
    return yield* queue._read();
  },
);

const next = /* @__PURE__ */ methodCoroutine('DataQueue.next', function* (queue: DataQueue<unknown>): Gen<
  IteratorResult<unknown, undefined>
> {
  try {
    return { done: false, value: yield* queue._read() };
  } catch (error) {
    if (!(error instanceof EofStream)) throw error;
    return { done: true, value: undefined };
  }
});
