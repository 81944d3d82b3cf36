/** Waiting for several futures of executors. Counterpart: `wait` and `as_completed` of `concurrent/futures/_base.py`. */
import { toSeconds } from '../core/events.ts';
import { TimeoutError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Delay } from '../core/types.ts';
import { ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, type ReturnWhen } from '../core/waiting.ts';
import type { Future } from './futures.ts';
import { Started } from './started.ts';
import { Timer } from './timer.ts';

/**
 * The futures that are done, and those that are not. Can be taken apart as an object and as an array.
 *
 * Source: CPython 3.14 `concurrent.futures.DoneAndNotDoneFutures`.
 */
export interface DoneAndNotDoneFutures<F> extends Iterable<Set<F>> {
  readonly done: Set<F>;
  readonly notDone: Set<F>;
}

function divide<F extends Future<any>>(futures: Iterable<F>): DoneAndNotDoneFutures<F> {
  const done = new Set<F>();
  const notDone = new Set<F>();
  for (const future of futures) (future.done() ? done : notDone).add(future);
  return { done, notDone, [Symbol.iterator]: () => [done, notDone].values() };
}

function secondsOf(timeout: Delay | null | undefined): number | null {
  return timeout === null || timeout === undefined ? null : toSeconds(timeout, 'timeout');
}

function startTimer(seconds: number | null, expire: () => void): Timer | undefined {
  return seconds === null ? undefined : new Timer(seconds, expire);
}

/**
 * Wait for futures of executors. Never throws their errors, never cancels them.
 *
 * @param fs - any futures of executors; none at all is fine.
 * @param timeout - seconds to wait at most; null for no limit.
 * @param returnWhen - `FIRST_COMPLETED`, `FIRST_EXCEPTION` (a cancellation is none) or `ALL_COMPLETED`.
 *
 * Cancellation: ends the wait only.
 *
 * Source: CPython 3.14 `concurrent.futures.wait`.
 */
export function wait<F extends Future<any>>(
  fs: Iterable<F>,
  timeout?: Delay | null,
  returnWhen: ReturnWhen = ALL_COMPLETED,
): Started<DoneAndNotDoneFutures<F>> {
  const futures = new Set(fs);
  if (![FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED].includes(returnWhen)) {
    throw new RangeError(`Invalid return condition: ${repr(returnWhen)}`);
  }
  const seconds = secondsOf(timeout);
  let timer: Timer | undefined;
  const leave = (): void => {
    timer?.cancel();
    // A long call may be waited for again and again.
    for (const future of futures) future._removeDoneCallback(count);
  };
  const started = new Started<DoneAndNotDoneFutures<F>>('wait()', { withdraw: leave });
  const end = (): void => {
    leave();
    started._resolve(divide(futures));
  };
  let left = futures.size;
  const isEnough = (future: Future<any>): boolean =>
    left === 0 ||
    returnWhen === FIRST_COMPLETED ||
    (returnWhen === FIRST_EXCEPTION && future._outcome?.kind === 'error');
  const count = (future: Future<any>): void => {
    left--;
    if (isEnough(future)) end();
  };
  for (const future of futures) {
    if (started.done()) break;
    future.addDoneCallback(count);
  }
  if (futures.size === 0) end();
  if (!started.done()) timer = startTimer(seconds, end);
  return started;
}

/** An asynchronous iterator whose `next()` can be awaited in both styles. */
export interface StartedIterator<T> extends AsyncIterableIterator<T> {
  next(): Started<IteratorResult<T, undefined>> & Promise<IteratorResult<T, undefined>>;
}

/** @internal A wait, typed as the promise that `AsyncIterator` demands: it has all of a promise's methods. */
export function asNext<T>(started: Started<IteratorResult<T, undefined>>) {
  return started as Started<IteratorResult<T, undefined>> & Promise<IteratorResult<T, undefined>>;
}

/**
 * A future that is done, as `for await` gives it. It has no `then` for the compiler, which would take the result for
 * the future; it is the future itself.
 */
export type DoneFuture<F extends Future<any>> = Omit<F, 'then'>;

/**
 * The futures in the order in which they end, those that are done first; each once.
 *
 * @param timeout - seconds from the call.
 * @throws TimeoutError from the iteration, when the time is over and some are not done.
 *
 * Source: CPython 3.14 `concurrent.futures.as_completed`.
 */
export function asCompleted<F extends Future<any>>(
  fs: Iterable<F>,
  timeout?: Delay | null,
): StartedIterator<DoneFuture<F>> {
  const pending = new Set(fs);
  const total = pending.size;
  const ended: DoneFuture<F>[] = [];
  let given = 0;
  let expired = false;
  const waiting: Started<IteratorResult<DoneFuture<F>, undefined>>[] = [];
  const timer = startTimer(secondsOf(timeout), () => {
    expired = true;
    serve();
  });
  // Only who iterates waits: the timer alone keeps no process alive.
  timer?.unref();

  function serve(): void {
    while (waiting.length > 0) {
      const next = waiting[0] as Started<IteratorResult<DoneFuture<F>, undefined>>;
      if (ended.length > 0) {
        given++;
        next._resolve({ done: false, value: ended.shift() as DoneFuture<F> });
      } else if (given === total) next._resolve({ done: true, value: undefined });
      else if (expired) next._reject(new TimeoutError(`${total - given} (of ${total}) futures unfinished`));
      else break;
      waiting.shift();
    }
    if (waiting.length > 0) timer?.ref();
    else timer?.unref();
    if (given === total) timer?.cancel();
  }

  const take = (future: F): void => {
    ended.push(future);
    serve();
  };
  for (const future of pending) future.addDoneCallback(take);
  return {
    next: () => {
      const next = new Started<IteratorResult<DoneFuture<F>, undefined>>('asCompleted().next()', {
        withdraw: () => waiting.splice(waiting.indexOf(next), 1),
        giveBack: (result) => {
          if (result.done) return;
          given--;
          ended.unshift(result.value);
        },
      });
      waiting.push(next);
      serve();
      return asNext(next);
    },
    return: () => {
      timer?.cancel();
      for (const future of pending) future._removeDoneCallback(take);
      ended.length = 0;
      given = total;
      serve();
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
