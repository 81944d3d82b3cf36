/** Futures of executors, which belong to no loop. Counterpart: `concurrent/futures/_base.py`. */
import { toSeconds } from '../core/events.ts';
import { asError, RuntimeError, TimeoutError } from '../core/exceptions.ts';
import { formatError, typeName } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import type { Delay } from '../core/types.ts';
import { CancelledError, InvalidStateError } from './errors.ts';
import { LoopFree, type Outcome, Started } from './started.ts';
import { Timer } from './timer.ts';

/** What a future of an executor is at. */
export type FutureState = 'PENDING' | 'RUNNING' | 'CANCELLED' | 'CANCELLED_AND_NOTIFIED' | 'FINISHED';

let made = 0;

/** What the executor that runs a call does for its future, which is done when it is told. */
export interface CallControl {
  /** Ask the running call to stop. */
  abort(): void;
  /** The call was cancelled before it ran. */
  forget(): void;
  /** Of a call that was given to a worker: whether it has not begun there, as far as that is known. */
  isWaiting?(): boolean;
  /** Of a call that counts as running: whether it had not begun after all, and never will. */
  withdraw?(): boolean;
}

/**
 * The outcome of a call that another thread or process runs. `executor.submit` makes them.
 *
 * `await future` and `yield* future` give the call's result, inside and outside of event loops.
 *
 * Cancellation: cancelling a task that awaits the future cancels the call: one that waits never runs, one that runs is asked
 * to stop (`abort`). To wait without that, await `future.result()`.
 *
 * Source: CPython 3.14 `concurrent.futures.Future`.
 */
export class Future<T> extends LoopFree<T> {
  #state: FutureState = 'PENDING';
  #callbacks: ((future: this) => unknown)[] | null = null;
  #progressCallbacks: ((value: unknown) => unknown)[] | null = null;
  #id: number | null = null;
  /** @internal Set by the executor. */
  _control: CallControl | null = null;

  /** Whether it was cancelled. */
  cancelled(): boolean {
    return this.#state === 'CANCELLED' || this.#state === 'CANCELLED_AND_NOTIFIED';
  }

  /** Whether the call runs now. */
  running(): boolean {
    return this.#state === 'RUNNING' && this._control?.isWaiting?.() !== true;
  }

  /** Whether it is cancelled or finished. */
  done(): boolean {
    return this._outcome !== null;
  }

  /**
   * Cancel the call if it has not begun. It will never run.
   *
   * @returns whether it is cancelled; false while it runs and when it has finished.
   */
  cancel(): boolean {
    if (this.done()) return this.cancelled();
    const control = this._control;
    const isRunning = this.#state === 'RUNNING';
    if (isRunning && control?.withdraw?.() !== true) return false;
    this.#state = isRunning ? 'CANCELLED_AND_NOTIFIED' : 'CANCELLED';
    this._settle({ kind: 'cancelled' });
    control?.forget();
    return true;
  }

  /**
   * Cancel the call, also if it runs: then its task is cancelled over there, its `signal` aborts, and if it goes on for
   * longer than the executor's `cancelGrace`, its worker is ended. This future is cancelled at once, whatever the call does.
   *
   * @returns whether it is cancelled; false when it has finished.
   *
   * Source: asyncio-ts. In Python a running call cannot be stopped.
   */
  abort(): boolean {
    const control = this._control;
    if (this.cancel()) return true;
    if (this.done() || control === null) return false;
    this._endCancelled();
    control.abort();
    return true;
  }

  /**
   * The result, when it is there.
   *
   * @param timeout - seconds to wait at most; null for no limit. The call goes on when they are over.
   * @throws the call's error; TimeoutError; `concurrent.CancelledError` if it was cancelled.
   *
   * Cancellation: ends the wait only.
   */
  result(timeout?: Delay | null): Started<T> {
    return this.#wait('Future.result()', timeout, (outcome, wait) => {
      if (outcome.kind === 'result') wait._resolve(outcome.value);
      else wait._reject(outcome.kind === 'error' ? outcome.error : new CancelledError());
    });
  }

  /**
   * The error that the call ended with, or null. As `result` otherwise.
   *
   * @throws TimeoutError; `concurrent.CancelledError` if it was cancelled.
   */
  exception(timeout?: Delay | null): Started<Error | null> {
    return this.#wait('Future.exception()', timeout, (outcome, wait) => {
      if (outcome.kind === 'cancelled') wait._reject(new CancelledError());
      else wait._resolve(outcome.kind === 'error' ? asError(outcome.error) : null);
    });
  }

  #wait<R>(
    what: string,
    timeout: Delay | null | undefined,
    end: (outcome: Outcome<T>, wait: Started<R>) => void,
  ): Started<R> {
    const seconds = timeout === null || timeout === undefined ? null : toSeconds(timeout, 'timeout');
    let timer: Timer | null = null;
    const leave = (): void => {
      timer?.cancel();
      this._unlisten(listener);
    };
    const wait = new Started<R>(what, { withdraw: leave });
    const listener = (outcome: Outcome<T>): void => {
      timer?.cancel();
      end(outcome, wait);
    };
    this._whenEnded(listener);
    if (seconds === null || wait.done()) return wait;
    timer = new Timer(seconds, () => {
      leave();
      wait._reject(new TimeoutError());
    });
    return wait;
  }

  /**
   * Call `fn(future)` when it is done: by whoever ends it, or at once if it is done already. Its errors are logged.
   */
  addDoneCallback(fn: (future: this) => unknown): void {
    if (this.done()) this.#call(fn);
    else (this.#callbacks ??= []).push(fn);
  }

  /** @internal Undo `addDoneCallback(fn)`. */
  _removeDoneCallback(fn: (future: this) => unknown): void {
    const index = this.#callbacks?.indexOf(fn) ?? -1;
    if (index >= 0) this.#callbacks?.splice(index, 1);
  }

  /**
   * Call `fn(value)` for each value that the call reports by `reportProgress`, as they come. Its errors are logged.
   *
   * Source: asyncio-ts.
   */
  addProgressCallback(fn: (value: unknown) => unknown): void {
    (this.#progressCallbacks ??= []).push(fn);
  }

  /**
   * For executors: the call is about to run.
   *
   * @returns false if it was cancelled, and must not run.
   */
  setRunningOrNotifyCancel(): boolean {
    if (this.#state === 'CANCELLED') {
      this.#state = 'CANCELLED_AND_NOTIFIED';
      return false;
    }
    if (this.#state !== 'PENDING') {
      logger.error(`Future ${this} in unexpected state: ${this.#state}`);
      throw new RuntimeError('Future in unexpected state');
    }
    this.#state = 'RUNNING';
    return true;
  }

  /** For executors: the call's result. @throws InvalidStateError if it is done. */
  setResult(result: T): void {
    this.#finish({ kind: 'result', value: result });
  }

  /** For executors: the call's error. @throws InvalidStateError if it is done. */
  setException(exception: Error): void {
    this.#finish({ kind: 'error', error: exception });
  }

  #finish(outcome: Outcome<T>): void {
    if (this.done()) throw new InvalidStateError(`${this.#state}: ${this}`);
    this.#state = 'FINISHED';
    this._settle(outcome);
  }

  protected override _settle(outcome: Outcome<T>): void {
    super._settle(outcome);
    const callbacks = this.#callbacks;
    this.#callbacks = null;
    this._control = null;
    if (callbacks !== null) for (const callback of callbacks) this.#call(callback);
  }

  #call(callback: (future: this) => unknown): void {
    guarded(callback, this, this);
  }

  /** @internal The executor has seen that it is cancelled. */
  _notified(): void {
    if (this.#state === 'CANCELLED') this.#state = 'CANCELLED_AND_NOTIFIED';
  }

  /** @internal The call ended by a cancellation of its own. */
  _endCancelled(): void {
    this.#state = 'CANCELLED_AND_NOTIFIED';
    this._settle({ kind: 'cancelled' });
  }

  /** @internal */
  _progress(value: unknown): void {
    for (const callback of this.#progressCallbacks ?? []) guarded(callback, value, this);
  }

  /** @internal */
  _abandon(): void {
    this.abort();
  }

  /** @internal */
  _cancelledError(): Error {
    return new CancelledError();
  }

  /** @internal */
  _what(): string {
    const outcome = this._outcome;
    let state = this.#state === 'CANCELLED_AND_NOTIFIED' ? 'CANCELLED' : this.#state;
    if (state === 'RUNNING' && !this.running()) state = 'PENDING';
    let text = `Future at 0x${((this.#id ??= ++made)).toString(16)} state=${state.toLowerCase()}`;
    if (outcome?.kind === 'result') text += ` returned ${typeName(outcome.value)}`;
    if (outcome?.kind === 'error') text += ` raised ${typeName(outcome.error)}`;
    return text;
  }
}

function guarded<V>(callback: (value: V) => unknown, value: V, future: Future<any>): void {
  try {
    callback(value);
  } catch (error) {
    logger.error(`exception calling callback for ${future}\n${formatError(error)}`);
  }
}
