/** Awaitables in the order in which they end. Counterpart: `as_completed` in `asyncio/tasks.py`. */
import type { BaseEventLoop } from './base-events.ts';
import { coroutine, iscoroutine } from './coroutines.ts';
import { getEventLoop, toSeconds } from './events.ts';
import { TimeoutError } from './exceptions.ts';
import { repr, typeName } from './format-helpers.ts';
import { type Future, isfuture } from './futures.ts';
import { runningTask } from './running.ts';
import { ensureFuture } from './tasks.ts';
import type { AwaitableLike, Coroutine, Delay, Gen, ResultOf } from './types.ts';
import { distinct, isIterable, WaitWaiter } from './waiting.ts';

/**
 * A future that is done, as `for await` gives it. It has no `then` for the compiler, which would take the result for
 * the future; it is the future itself.
 */
export type DoneFuture<T> = Omit<Future<T>, 'then'>;

/**
 * Futures in the order in which they end. See `asCompleted`.
 *
 * Source: CPython 3.14 `asyncio.as_completed`.
 */
export class AsCompleted<T> implements Iterable<Coroutine<T>>, AsyncIterable<DoneFuture<T>> {
  readonly #loop: BaseEventLoop;
  readonly #todo: Set<Future<T>>;
  /** Null stands for a future that was not done in time. */
  readonly #done: (Future<T> | null)[] = [];
  readonly #getters: Future<void>[] = [];
  readonly #waiters: WaitWaiter[];
  #left: number;

  /** @internal */
  constructor(aws: Iterable<AwaitableLike<T>>, timeout: number | null) {
    this.#loop = getEventLoop() as BaseEventLoop;
    this.#todo = new Set(distinct(aws).map((aw) => ensureFuture(aw, { loop: this.#loop })));
    const timer =
      timeout !== null && this.#todo.size > 0 ? this.#loop.callLater(timeout, () => this.onTimeout()) : null;
    const onDone = (future: Future<any>): void => {
      if (!this.#todo.delete(future)) return;
      this.put(future);
      if (this.#todo.size === 0) timer?.cancel();
    };
    const task = runningTask();
    this.#waiters = [...this.#todo].map((future) => new WaitWaiter(future, onDone, task));
    for (const waiter of this.#waiters) waiter.future._addWaiter(waiter);
    this.#left = this.#todo.size;
  }

  private onTimeout(): void {
    for (const waiter of this.#waiters) waiter.future._removeWaiters((other) => other === waiter);
    const late = this.#todo.size;
    this.#todo.clear();
    for (let i = 0; i < late; i++) this.put(null);
  }

  private put(future: Future<T> | null): void {
    this.#done.push(future);
    this.wakeNext();
  }

  // A woken getter owns nothing: who comes first takes what is there.
  private wakeNext(): void {
    for (;;) {
      const getter = this.#getters.shift();
      if (getter === undefined) return;
      if (getter.done()) continue;
      getter.setResult();
      return;
    }
  }

  *#take(): Gen<Future<T>> {
    while (this.#done.length === 0) {
      const getter = this.#loop.createFuture<void>();
      this.#getters.push(getter);
      try {
        yield* getter;
      } catch (error) {
        getter.cancel();
        const place = this.#getters.indexOf(getter);
        if (place >= 0) this.#getters.splice(place, 1);
        if (this.#done.length > 0 && !getter.cancelled()) this.wakeNext();
        throw error;
      }
    }
    const future = this.#done.shift() as Future<T> | null;
    if (future === null) throw new TimeoutError();
    return future;
  }

  /** A coroutine for each future: it gives the result of the next one to end, or throws its error. */
  [Symbol.iterator](): IterableIterator<Coroutine<T>> {
    const next = (): IteratorResult<Coroutine<T>> => {
      if (this.#left === 0) return { done: true, value: undefined };
      this.#left--;
      return { done: false, value: take(() => this.#waitForResult()) };
    };
    const iterator: IterableIterator<Coroutine<T>> = { next, [Symbol.iterator]: () => iterator };
    return iterator;
  }

  [Symbol.asyncIterator](): AsyncIterator<DoneFuture<T>, undefined> {
    return this as AsyncIterator<DoneFuture<T>, undefined>;
  }

  /** The next future to end, as `{ value, done }`: the very object that was passed in, if it was a future. */
  next(): Coroutine<IteratorResult<DoneFuture<T>, undefined>> &
    Promise<IteratorResult<DoneFuture<T>, undefined>> {
    return take(() => this.#waitForNext()) as Coroutine<any> & Promise<any>;
  }

  *#waitForResult(): Gen<T> {
    return (yield* this.#take()).result();
  }

  *#waitForNext(): Gen<IteratorResult<Future<T>>> {
    if (this.#left === 0) return { done: true, value: undefined };
    this.#left--;
    return { done: false, value: yield* this.#take() };
  }
}

const take = /* @__PURE__ */ coroutine(function* asCompleted<T>(wait: () => Gen<T>): Gen<T> {
  return yield* wait();
});

/**
 * Awaitables in the order in which they end. All are scheduled at the call; duplicates are taken once.
 *
 * `for await (const future of asCompleted(aws))` gives the futures, done; `for (const aw of asCompleted(aws))` gives
 * coroutines, each with the result of the next one to end.
 *
 * @param aws - an iterable of awaitables.
 * @param options.timeout - seconds for all together; what is not done then raises TimeoutError. Nothing is cancelled.
 * @throws TypeError if a single awaitable is given.
 *
 * Source: CPython 3.14 `asyncio.as_completed`.
 */
export function asCompleted<A extends AwaitableLike<unknown>>(
  aws: Iterable<A>,
  options?: { timeout?: Delay | null },
): AsCompleted<ResultOf<A>> {
  if (isfuture(aws) || iscoroutine(aws) || !isIterable(aws)) {
    const name = iscoroutine(aws) ? 'coroutine' : typeof aws === 'object' ? typeName(aws) : repr(aws);
    throw new TypeError(`expects an iterable of awaitables, not ${name}: asCompleted([a, b])`);
  }
  const timeout = options?.timeout ?? null;
  return new AsCompleted<ResultOf<A>>(
    aws as Iterable<AwaitableLike<ResultOf<A>>>,
    timeout === null ? null : toSeconds(timeout, 'timeout'),
  );
}
