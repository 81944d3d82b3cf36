/**
 * Waits that belong to no loop. What blocks a thread in Python (`join`, `acquire`, `get`, `result`) is a `Started` here: it
 * begins at the call, and can be awaited by a task of any loop and by promise code alike.
 */
import { requireLoop } from '../core/events.ts';
import { CancelledError } from '../core/exceptions.ts';
import { Future as LoopFuture } from '../core/futures.ts';
import type { BaseEventLoop } from '../core/base-events.ts';
import { runningLoop } from '../core/running.ts';
import type { Awaitable, Suspend } from '../core/types.ts';
import { type Failure, retrieved, watchFailure } from './unretrieved.ts';

/** How a wait ended. */
export type Outcome<T> =
  | { readonly kind: 'result'; readonly value: T }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'cancelled' };

const CANCELLED: Outcome<never> = { kind: 'cancelled' };

/** Something that ends once, whatever thread or process decides it, and can be awaited inside and outside of loops. */
export abstract class LoopFree<T> implements Awaitable<T> {
  #listeners: ((outcome: Outcome<T>) => void)[] = [];
  #outcome: Outcome<T> | null = null;
  #failure: Failure | null = null;

  /** @internal How it ended; null while it has not. */
  get _outcome(): Outcome<T> | null {
    return this.#outcome;
  }

  /** @internal End it, and tell those who wait. */
  protected _settle(outcome: Outcome<T>): void {
    this.#outcome = outcome;
    if (outcome.kind === 'error' && this.#listeners.length === 0) {
      this.#failure = watchFailure(this, this._what(), outcome.error);
    }
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(outcome);
  }

  /** @internal Call `listener` with the outcome: at once if it is there. Counts as retrieving an error. */
  _whenEnded(listener: (outcome: Outcome<T>) => void): void {
    this._markRetrieved();
    if (this.#outcome !== null) listener(this.#outcome);
    else this.#listeners.push(listener);
  }

  /** @internal */
  _markRetrieved(): void {
    if (this.#failure !== null) retrieved(this.#failure);
    this.#failure = null;
  }

  /** @internal A task that waits for it was cancelled. */
  abstract _abandon(): void;

  /** @internal The error for promise code that waits for something cancelled. */
  abstract _cancelledError(): Error;

  /** @internal What it is, for the report of an error that nobody retrieved. */
  abstract _what(): string;

  /** Wait for it. In a task the wait is cancelled with the task; elsewhere it is a promise's. */
  // biome-ignore lint/suspicious/noThenProperty: it is awaitable
  then<R1 = T, R2 = never>(
    onResult?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onError?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    const isAwait = typeof onResult === 'function' && typeof onError === 'function';
    const loop = isAwait ? runningLoop() : null;
    return (loop === null ? this.toPromise() : follow(this, loop)).then(onResult, onError);
  }

  /** As a promise's `catch`. */
  catch<R = never>(onError?: ((error: unknown) => R | PromiseLike<R>) | null): Promise<T | R> {
    return this.toPromise().catch(onError);
  }

  /** As a promise's `finally`. */
  finally(onEnd?: (() => void) | null): Promise<T> {
    return this.toPromise().finally(onEnd);
  }

  /** A native promise of its result. Waiting for it takes no part in the cancellation of any task. */
  toPromise(): Promise<T> {
    return new Promise((resolve, reject) => {
      this._whenEnded((outcome) => {
        if (outcome.kind === 'result') resolve(outcome.value);
        else reject(outcome.kind === 'error' ? outcome.error : this._cancelledError());
      });
    });
  }

  /** For `yield*`. */
  [Symbol.iterator](): Iterator<Suspend, T, unknown> {
    return follow(this, requireLoop())[Symbol.iterator]();
  }

  toString(): string {
    return `<${this._what()}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** A future of `loop` that ends as `source` does; cancelling it abandons `source`. */
export function follow<T>(source: LoopFree<T>, loop: BaseEventLoop): LoopFuture<T> {
  const future = new LoopFuture<T>({ loop });
  if (source._outcome !== null) {
    source._whenEnded((outcome) => copyOutcome(outcome, future));
    return future;
  }
  // Virtual time must not pass by what another thread or process does, and nobody is in a deadlock because of it.
  loop._outsideWork++;
  source._whenEnded((outcome) => {
    if (!loop.isClosed()) loop.callSoonThreadsafe(copyOutcome<T>, outcome, future);
  });
  future.addDoneCallback(() => {
    loop._outsideWork--;
    if (future.cancelled() && source._outcome === null) source._abandon();
  });
  return future;
}

function copyOutcome<T>(outcome: Outcome<T>, future: LoopFuture<T>): void {
  if (future.done()) return;
  if (outcome.kind === 'result') future.setResult(outcome.value);
  else if (outcome.kind === 'cancelled') future.cancel();
  else future._fail(outcome.error);
}

/**
 * A wait that began at the call which gave it, as a call that blocks begins in Python: `queue.put(x)` puts, awaited or
 * not. An error of a wait that nobody looks at is reported once.
 *
 * Cancellation: cancelling a task that awaits it, or `cancel()`, ends the wait and leaves nothing half taken.
 */
export class Started<T> extends LoopFree<T> {
  readonly #what: string;
  readonly #onCancel: (() => void) | null;

  /**
   * @internal
   * @param what - the call, for reports: `Queue.put()`.
   * @param onCancel - takes back what was asked for; without it the work goes on.
   */
  constructor(what: string, onCancel: (() => void) | null = null) {
    super();
    this.#what = what;
    this.#onCancel = onCancel;
  }

  /** @internal A wait that is over. */
  static _of<T>(what: string, value: T): Started<T> {
    const started = new Started<T>(what);
    started._resolve(value);
    return started;
  }

  /** @internal A wait that has failed. */
  static _failed<T>(what: string, error: unknown): Started<T> {
    const started = new Started<T>(what);
    started._reject(error);
    return started;
  }

  /** @internal What a promise brings. */
  static _from<T>(what: string, promise: PromiseLike<T>, onCancel: (() => void) | null = null): Started<T> {
    const started = new Started<T>(what, onCancel);
    promise.then(
      (value) => started._resolve(value),
      (error: unknown) => started._reject(error),
    );
    return started;
  }

  /** @internal */
  _resolve(value: T): void {
    if (this._outcome === null) this._settle({ kind: 'result', value });
  }

  /** @internal */
  _reject(error: unknown): void {
    if (this._outcome === null) this._settle({ kind: 'error', error });
  }

  /** Whether it has a result, an error, or is cancelled. */
  done(): boolean {
    return this._outcome !== null;
  }

  /**
   * Wait no longer: whoever awaits it gets a CancelledError.
   *
   * @returns false if it was over already.
   */
  cancel(): boolean {
    if (this._outcome !== null) return false;
    this._settle(CANCELLED);
    this.#onCancel?.();
    return true;
  }

  /** @internal */
  _abandon(): void {
    this.cancel();
  }

  /** @internal */
  _cancelledError(): Error {
    return new CancelledError();
  }

  /** @internal */
  _what(): string {
    return this.#what;
  }
}
