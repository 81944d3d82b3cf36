/** Between the futures of executors and those of loops. Counterpart: `wrap_future` of `asyncio/futures.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { type AbstractEventLoop, getEventLoop } from '../core/events.ts';
import {
  asError,
  AssertionError,
  CancelledError as LoopCancelledError,
  InvalidStateError as LoopInvalidStateError,
  isCancelledError,
} from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import { Future as LoopFuture } from '../core/futures.ts';
import { iscoroutine } from '../core/coroutines.ts';
import { ensureFuture } from '../core/tasks.ts';
import type { CoroutineLike } from '../core/types.ts';
import { CancelledError, InvalidStateError } from './errors.ts';
import { Future } from './futures.ts';

/** The error as those who wait in a loop know it. */
function converted(error: unknown): Error {
  if (error instanceof InvalidStateError) return new LoopInvalidStateError(error.message);
  if (error instanceof CancelledError) return new LoopCancelledError(error.message);
  return asError(error);
}

/** Ends as `source` does; cancelling it aborts the call. */
class WrappedFuture<T> extends LoopFuture<T> {
  readonly #source: Future<T>;

  constructor(source: Future<T>, loop: BaseEventLoop) {
    super({ loop });
    this.#source = source;
    loop._outsideWork++;
    source._whenEnded(() => {
      if (!loop.isClosed()) loop.callSoonThreadsafe(() => this.#copy());
    });
  }

  #copy(): void {
    const outcome = this.#source._outcome;
    if (this.done() || outcome === null) return;
    if (outcome.kind === 'result') this.setResult(outcome.value);
    else if (outcome.kind === 'cancelled') this.cancel();
    else this._fail(converted(outcome.error));
  }

  override cancel(msg?: unknown): boolean {
    const isCancelled = super.cancel(msg);
    if (isCancelled) this.#source.abort();
    return isCancelled;
  }

  override _finish(state: number, value: unknown): void {
    this._loop._outsideWork--;
    super._finish(state, value);
  }

  override _className(): string {
    return 'Future';
  }
}

/**
 * A future of a loop that ends as a future of an executor does. One of a loop is given back unchanged.
 *
 * @param options.loop - default: the running one.
 *
 * Cancellation: cancelling it cancels the call; one that runs is asked to stop.
 *
 * Source: CPython 3.14 `asyncio.wrap_future`.
 */
export function wrapFuture<T>(
  future: Future<T> | LoopFuture<T>,
  options?: { loop?: AbstractEventLoop | null },
): LoopFuture<T> {
  if (future instanceof LoopFuture) return future;
  if (!(future instanceof Future)) {
    throw new AssertionError(`concurrent.futures.Future is expected, got ${repr(future)}`);
  }
  return new WrappedFuture(future, (options?.loop ?? getEventLoop()) as BaseEventLoop);
}

/**
 * Make a task of `loop` from code that does not run in it: another loop's, or a callback's.
 *
 * @returns a future that belongs to no loop. Cancelling it cancels the task.
 * @throws TypeError if it is no coroutine.
 *
 * Within a worker it reaches the loops of that worker: a coroutine cannot go to another thread. What another thread shall run
 * is a function of a module: `executor.submit`.
 *
 * Source: CPython 3.14 `asyncio.run_coroutine_threadsafe`.
 */
export function runCoroutineThreadsafe<T>(coro: CoroutineLike<T>, loop: AbstractEventLoop): Future<T> {
  if (typeof coro !== 'function' && !iscoroutine(coro)) throw new TypeError('A coroutine object is required');
  const future = new Future<T>();
  let task: LoopFuture<T> | null = null;
  // It counts as pending until its task ends, as in CPython, so that it can be cancelled at any time.
  const cancel = (): void => {
    if (!loop.isClosed()) loop.callSoonThreadsafe(() => task?.cancel());
  };
  future._control = { abort: cancel, forget: cancel };
  loop.callSoonThreadsafe(() => {
    if (!future.done()) task = start(coro, loop, future);
  });
  return future;
}

function start<T>(coro: CoroutineLike<T>, loop: AbstractEventLoop, future: Future<T>): LoopFuture<T> {
  try {
    const task = ensureFuture(coro, { loop });
    task.addDoneCallback(() => copyOutcome(task, future));
    return task;
  } catch (error) {
    if (future.setRunningOrNotifyCancel()) future.setException(asError(error));
    throw error;
  }
}

function copyOutcome<T>(task: LoopFuture<T>, future: Future<T>): void {
  if (task.cancelled()) future.cancel();
  if (future.done()) return;
  future.setRunningOrNotifyCancel();
  const error = task.exception();
  if (error === null) future.setResult(task.result());
  else if (isCancelledError(error)) future._endCancelled();
  else future.setException(error);
}
