/**
 * Waits that belong to no loop. What blocks a thread in Python (`join`, `acquire`, `get`, `result`) is a `Started` here: it
 * begins at the call, and can be awaited by a task of any loop and by promise code alike.
 */
import { futureIn } from '../core/coroutines.ts';
import { requireLoop } from '../core/events.ts';
import { CancelledError } from '../core/exceptions.ts';
import { Future as LoopFuture } from '../core/futures.ts';
import type { BaseEventLoop } from '../core/base-events.ts';
import { CANCELLED, RESULT, runningLoop, runningTask } from '../core/running.ts';
import type { Awaitable, Suspend } from '../core/types.ts';
import { type Failure, retrieved, watchFailure } from './unretrieved.ts';

/** How a wait ended. */
export type Outcome<T> =
  | { readonly kind: 'result'; readonly value: T }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'cancelled' };

/** How the work of a wait is undone. */
export interface Undo<T> {
  /** Take back what was asked for. Without it, the work goes on when nobody waits any more. */
  readonly withdraw?: () => void;
  /** Put back what has come, and nobody will see. */
  readonly giveBack?: (value: T) => void;
}

/** Something that ends once, whatever thread or process decides it, and can be awaited inside and outside of loops. */
export abstract class LoopFree<T> implements Awaitable<T> {
  #listeners: ((outcome: Outcome<T>) => void)[] | null = null;
  #outcome: Outcome<T> | null = null;
  #failure: Failure | null = null;

  /** @internal How it ended; null while it has not. */
  get _outcome(): Outcome<T> | null {
    return this.#outcome;
  }

  /** @internal End it, and tell those who wait. */
  protected _settle(outcome: Outcome<T>): void {
    this.#outcome = outcome;
    const listeners = this.#listeners;
    this.#listeners = null;
    if (listeners !== null) for (const listener of listeners) listener(outcome);
    else if (outcome.kind === 'error') this.#failure = watchFailure(this, this._what(), outcome.error);
  }

  /** @internal Call `listener` with the outcome: at once if it is there. Counts as retrieving an error. */
  _whenEnded(listener: (outcome: Outcome<T>) => void): void {
    this._markRetrieved();
    if (this.#outcome !== null) listener(this.#outcome);
    else (this.#listeners ??= []).push(listener);
  }

  /** @internal Do not call `listener`: nobody waits behind it any more. */
  _unlisten(listener: (outcome: Outcome<T>) => void): void {
    const index = this.#listeners?.indexOf(listener) ?? -1;
    if (index >= 0) this.#listeners?.splice(index, 1);
    if (this.#listeners?.length === 0) this.#listeners = null;
  }

  /** @internal */
  _markRetrieved(): void {
    if (this.#failure !== null) retrieved(this.#failure);
    this.#failure = null;
  }

  /** @internal A task that waits for it was cancelled. */
  abstract _abandon(): void;

  /** @internal A task was cancelled before it saw `value`. Returns whether it could be given back. */
  _giveBack(_value: T): boolean {
    return false;
  }

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
    // A task's code may run in the turn of another loop, which has settled what it awaited.
    const loop = isAwait ? (runningTask()?._loop ?? runningLoop()) : null;
    return (loop === null ? this.toPromise() : new Follower(this, loop)).then(onResult, onError);
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

  /** @internal For the core, which knows by it that this is no foreign promise. */
  [futureIn](loop: BaseEventLoop): LoopFuture<T> {
    return new Follower(this, loop);
  }

  /** For `yield*`. */
  [Symbol.iterator](): Iterator<Suspend, T, unknown> {
    return new Follower(this, requireLoop())[Symbol.iterator]();
  }

  toString(): string {
    return `<${this._what()}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** A future of a loop that ends as its source does. Only `await` and `yield*` make one, and only their task cancels it. */
class Follower<T> extends LoopFuture<T> {
  readonly #source: LoopFree<T>;

  constructor(source: LoopFree<T>, loop: BaseEventLoop) {
    super({ loop });
    this.#source = source;
    // Virtual time must not pass by what another thread or process does, and nobody is in a deadlock because of it.
    loop._outsideWork++;
    source._whenEnded((outcome) => this.#end(outcome));
  }

  #end(outcome: Outcome<T>): void {
    if (this.done() || this._loop.isClosed()) return;
    if (outcome.kind === 'result') this.setResult(outcome.value);
    else if (outcome.kind === 'cancelled') super.cancel();
    else this._fail(outcome.error);
  }

  override cancel(msg?: unknown): boolean {
    if (super.cancel(msg)) {
      this.#source._abandon();
      return true;
    }
    // It has come, but the task will not see it any more: what was taken goes back.
    if (this._state !== RESULT || !this.#source._giveBack(this._value as T)) return false;
    this._state = CANCELLED;
    this._value = msg;
    return true;
  }

  override _finish(state: number, value: unknown): void {
    this._loop._outsideWork--;
    super._finish(state, value);
  }
}

/**
 * A wait that began at the call which gave it, as a call that blocks begins in Python: `queue.put(x)` puts, awaited or
 * not. An error of a wait that nobody looks at is reported once.
 *
 * Cancellation: cancelling a task that awaits it, or `cancel()`, ends the wait and leaves nothing half taken.
 */
export class Started<T> extends LoopFree<T> {
  readonly #what: string;
  readonly #undo: Undo<T>;

  /**
   * @internal
   * @param what - the call, for reports: `Queue.put()`.
   */
  constructor(what: string, undo: Undo<T> = {}) {
    super();
    this.#what = what;
    this.#undo = undo;
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
  static _from<T>(what: string, promise: PromiseLike<T>, undo: Undo<T> = {}): Started<T> {
    const started = new Started<T>(what, undo);
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
    this._settle({ kind: 'cancelled' });
    this.#undo.withdraw?.();
    return true;
  }

  /** @internal */
  _abandon(): void {
    this.cancel();
  }

  /** @internal */
  override _giveBack(value: T): boolean {
    this.#undo.giveBack?.(value);
    return this.#undo.giveBack !== undefined;
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
