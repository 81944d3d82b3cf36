/** What all executors have. Counterpart: `Executor` of `concurrent/futures/_base.py`. */
import { toSeconds } from '../core/events.ts';
import { TimeoutError } from '../core/exceptions.ts';
import type { Delay } from '../core/types.ts';
import { ChunkedResults } from './chunked-results.ts';
import { chunkPlace } from './chunks.ts';
import { CancelledError } from './errors.ts';
import type { Future } from './futures.ts';
import { type Outcome, Started } from './started.ts';
import { placeOf, type Target } from './targets.ts';
import { Timer } from './timer.ts';
import { asNext, type StartedIterator } from './waiting.ts';

/** What a call gives: what is awaited of an async function, what a generator coroutine returns. */
export type ResultOfCall<R> = R extends Generator<any, infer T, any> ? T : Awaited<R>;

/** What a generator gives one by one. */
export type ValueOf<R> = R extends AsyncIterable<infer T> ? T : R extends Iterable<infer T> ? T : never;

/** The values of the inputs of `map`, place by place. */
type Items<I extends readonly Iterable<unknown>[]> = {
  -readonly [K in keyof I]: I[K] extends Iterable<infer T> ? T : never;
};

/** Options of `Executor.map`. */
export interface MapOptions {
  /** Seconds from the call until the iteration gives up; null for no limit. */
  timeout?: Delay | null;
  /**
   * Calls that are sent to a process as one, which is worth it for many very short ones: an error of one is the error of all
   * that are in its chunk. Threads make none. Default 1.
   */
  chunksize?: number;
  /** Results that may be under way or waiting to be looked at; the inputs are read as they are needed. Default: all. */
  buffersize?: number | null;
}

/** The results of `map`, in the order of the inputs. */
export interface MapResults<R> extends StartedIterator<R> {
  /** The calls that have been submitted and not been iterated over; with a `chunksize`, the chunks. */
  [Symbol.iterator](): Iterator<Future<R> | Future<R[]>>;
}

/**
 * Runs calls somewhere else. `await using executor = …` shuts it down at the end of the block.
 *
 * Source: CPython 3.14 `concurrent.futures.Executor`.
 */
export abstract class Executor implements AsyncDisposable {
  /**
   * Have `fn(...args)` called. It begins as soon as a worker is free.
   *
   * @param fn - a function that a module exports (sync, async or generator coroutine), or `{ target, module }`.
   * @param args - are cloned; `transfer(buffer)` moves, and live objects such as a `threading.Lock` are shared.
   * @returns the call's future. PicklingError comes through it for what cannot be sent.
   * @throws RuntimeError after `shutdown`; BrokenExecutor; ExecutorFull.
   */
  abstract submit<A extends unknown[], R>(fn: Target<A, R>, ...args: A): Future<ResultOfCall<R>>;

  /**
   * Call a generator function, and have its values one by one as they come. It is at most 16 values ahead.
   * Leaving the iteration early cancels it: its `finally` blocks run.
   *
   * @param fn - an async generator, or a generator of plain values; also a function that gives something iterable.
   *
   * Source: asyncio-ts.
   */
  abstract stream<A extends unknown[], R>(fn: Target<A, R>, ...args: A): StartedIterator<ValueOf<R>>;

  /**
   * No new calls; wait for those that run or wait.
   *
   * @param wait - false: do not wait for them. They are run all the same.
   * @param options.cancelFutures - cancel the calls that have not begun.
   *
   * Cancellation: ends the wait only.
   */
  abstract shutdown(wait?: boolean, options?: { cancelFutures?: boolean }): Started<void>;

  /**
   * Wait until a call can be submitted without ExecutorFull; at once without a `maxQueue`.
   *
   * Source: asyncio-ts.
   */
  abstract drain(): Started<void>;

  /**
   * Call `fn` with the items of `iterables`, side by side, and iterate over the results in the order of the items.
   * All calls are submitted now, unless there is a `buffersize`. Leaving early cancels the rest.
   *
   * @param iterables - one for each parameter of `fn`; the shortest ends it.
   * @throws at the iteration: a call's error, TimeoutError, `concurrent.CancelledError`.
   */
  map<I extends readonly Iterable<unknown>[], R>(
    fn: Target<Items<I>, R>,
    iterables: readonly [...I],
    options: MapOptions = {},
  ): MapResults<ResultOfCall<R>> {
    const { chunksize = 1, ...rest } = options;
    if (!this._makesChunks(chunksize)) {
      return new MapIterator<ResultOfCall<R>>(this, fn as Target<any, any>, iterables, rest);
    }
    const chunks = batches(zip(iterables), chunksize);
    const inputs = [repeat(placeOf(fn as Target<any, any>)), chunks, repeat(true)];
    return new ChunkedResults(new MapIterator<ResultOfCall<R>[]>(this, chunkPlace(), inputs, rest));
  }

  /** @internal Whether `map` sends several calls as one. */
  _makesChunks(_chunksize: number): boolean {
    return false;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown(true).toPromise();
  }
}

function checkBuffersize(buffersize: number | null): void {
  if (buffersize === null) return;
  if (!Number.isInteger(buffersize)) throw new TypeError('buffersize must be an integer or None');
  if (buffersize < 1) throw new RangeError('buffersize must be None or > 0');
}

function* repeat<T>(value: T): Generator<T, never> {
  for (;;) yield value;
}

/** So many items at a time. */
function* batches<T>(items: Iterable<T>, size: number): Generator<T[], void> {
  let batch: T[] = [];
  for (const item of items) {
    if (batch.push(item) < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Runs through several iterables at once. */
function* zip(iterables: readonly Iterable<unknown>[]): Generator<unknown[], void> {
  const iterators = iterables.map((iterable) => iterable[Symbol.iterator]());
  if (iterators.length === 0) return;
  for (;;) {
    const items: unknown[] = [];
    for (const iterator of iterators) {
      const { done, value } = iterator.next();
      if (done) return;
      items.push(value);
    }
    yield items;
  }
}

type Next<R> = Started<IteratorResult<R, undefined>>;

/** An iteration that waits for its result. */
interface Waiter<R> {
  readonly future: Future<R>;
  readonly next: Next<R>;
  readonly leave: () => void;
}

class MapIterator<R> implements MapResults<R> {
  readonly #executor: Executor;
  readonly #fn: Target<any, any>;
  readonly #inputs: Iterator<unknown[]>;
  readonly #isBuffered: boolean;
  /** From `#head` on those that nobody has asked for: a long array is slow to shift. */
  #futures: Future<R>[] = [];
  #head = 0;
  readonly #waiting = new Set<Waiter<R>>();
  readonly #timer: Timer | null;
  #isExpired = false;
  #isClosed = false;

  constructor(
    executor: Executor,
    fn: Target<any, any>,
    iterables: readonly Iterable<unknown>[],
    { timeout = null, buffersize = null }: MapOptions,
  ) {
    checkBuffersize(buffersize);
    const seconds = timeout === null ? null : toSeconds(timeout, 'timeout');
    this.#executor = executor;
    this.#fn = fn;
    this.#inputs = zip(iterables);
    this.#isBuffered = buffersize !== null;
    let left = buffersize ?? Number.POSITIVE_INFINITY;
    try {
      while (left-- > 0 && this.#submitNext());
    } catch (error) {
      this.#close();
      throw error;
    }
    this.#timer = seconds === null ? null : new Timer(seconds, () => this.#expire());
    this.#timer?.unref();
  }

  #submitNext(): boolean {
    const { done, value } = this.#inputs.next();
    if (!done) this.#futures.push(this.#executor.submit(this.#fn, ...value) as Future<R>);
    return !done;
  }

  next(): Next<R> & Promise<IteratorResult<R, undefined>> {
    if (this.#isClosed || this.#head === this.#futures.length) return asNext(this.#ended());
    try {
      // As in Python, before the wait: then the workers have something to do in the meantime.
      if (this.#isBuffered) this.#submitNext();
    } catch (error) {
      this.#close();
      return asNext(Started._failed('map().next()', error));
    }
    return asNext(this.#wait(this.#take()));
  }

  #take(): Future<R> {
    const future = this.#futures[this.#head++] as Future<R>;
    if (this.#head > 1024 && this.#head * 2 > this.#futures.length) {
      this.#futures = this.#futures.slice(this.#head);
      this.#head = 0;
    }
    return future;
  }

  #ended(): Next<R> {
    this.#close();
    return Started._of<IteratorResult<R, undefined>>('map().next()', { done: true, value: undefined });
  }

  #wait(future: Future<R>): Next<R> {
    const giveBack = (): void => {
      if (this.#head === 0) this.#futures.unshift(future);
      else this.#futures[--this.#head] = future;
    };
    const leave = (): void => {
      future._unlisten(end);
      this.#waiting.delete(waiter);
      if (this.#waiting.size === 0) this.#timer?.unref();
    };
    const withdraw = (): void => {
      leave();
      giveBack();
    };
    const next: Next<R> = new Started<IteratorResult<R, undefined>>('map().next()', { withdraw, giveBack });
    const end = (outcome: Outcome<R>): void => {
      leave();
      if (outcome.kind === 'result') return next._resolve({ done: false, value: outcome.value });
      this.#close();
      next._reject(outcome.kind === 'error' ? outcome.error : new CancelledError());
    };
    const waiter: Waiter<R> = { future, next, leave };
    this.#waiting.add(waiter);
    // Only who iterates waits for the time-out.
    this.#timer?.ref();
    future._whenEnded(end);
    if (this.#isExpired) this.#expire();
    return next;
  }

  #expire(): void {
    this.#isExpired = true;
    const [first] = this.#waiting;
    if (first === undefined) return;
    first.leave();
    first.future.cancel();
    this.#close();
    first.next._reject(new TimeoutError());
  }

  /** The rest is not wanted any more. */
  #close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const { next, leave, future } of this.#waiting) {
      leave();
      future.cancel();
      next._resolve({ done: true, value: undefined });
    }
    for (const future of this.#futures.splice(this.#head)) future.cancel();
  }

  return(): Promise<IteratorResult<R, undefined>> {
    this.#close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.iterator](): Iterator<Future<R>> {
    return this.#futures.slice(this.#head).values();
  }
}
