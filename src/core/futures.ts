/** Futures. Counterpart: `asyncio/futures.py` and `asyncio/base_futures.py`. */
import type { BaseEventLoop } from './base-events.ts';
import type { Context } from './contextvars.ts';
import { type AbstractEventLoop, getEventLoop, Handle } from './events.ts';
import { CancelledError, InvalidStateError, isCancelledError, RuntimeError } from './exceptions.ts';
import { extractStack, formatCallback, formatPlace, repr } from './format-helpers.ts';
import { CANCELLED, current, ERROR, PENDING, RESULT, RESUME, SUSPENDED, type Waiter } from './running.ts';
import { awaitFuture } from './strands.ts';
import { noteAtAwait, noteAwait } from './task-notes.ts';
import type { Awaitable, StackFrame, Suspend } from './types.ts';

/** An error was set and nobody retrieved it. */
const UNRETRIEVED = 1;
/** A cancelled task keeps the error that ended it, for the first who asks. */
const HAS_CANCELLED_ERROR = 2;
/** A cancellation waits for the task's next step. */
export const MUST_CANCEL = 4;
/** Made by the library for itself: nobody is told when it is still pending at the end. */
export const QUIET = 8;
/** `Unretrieved` watches it. */
const WATCHED = 16;

/** Messages of cancellations that were asked for by flag, of tasks that ended otherwise. */
export const lateMessages = new WeakMap<Future<any>, unknown>();

// Places of creation in debug mode; kept aside, since a future's size counts and debug mode is rare.
const creation = new WeakMap<object, StackFrame[]>();

/**
 * A value that comes later, or an error, or a cancellation. Prefer `loop.createFuture()`.
 *
 * `await future` and `yield* future` wait for it; a future that is done answers without suspending.
 *
 * Cancellation: cancelling a task cancels the future that it waits for.
 *
 * Source: CPython 3.14 `asyncio.Future`.
 */
export class Future<T> implements Awaitable<T> {
  // Declared only: V8 cannot inline `super()` where the base class has class fields.
  /** @internal */ declare _loop: BaseEventLoop;
  /** @internal */ declare _state: number;
  // The result or the error; of a cancelled future the message or the kept error; of a pending task that must be
  // cancelled the message (CPython keeps both messages in one field, too).
  /** @internal */ declare _value: unknown;
  /** @internal */ declare _waiters: Waiter | Waiter[] | null;
  /** @internal */ declare _flags: number;

  /**
   * @param options.loop - the loop that it belongs to; default `getEventLoop()`.
   * @throws RuntimeError without a loop.
   */
  constructor(options?: { loop?: AbstractEventLoop | null }) {
    this._loop = (options?.loop ?? getEventLoop()) as BaseEventLoop;
    this._state = PENDING;
    this._value = undefined;
    this._waiters = null;
    this._flags = 0;
    if (this._loop.getDebug()) creation.set(this, extractStack());
    if (this._loop._notesAwaits) noteAtAwait(this);
  }

  /** The loop that it belongs to. */
  getLoop(): AbstractEventLoop {
    return this._loop;
  }

  /** Whether it has a result, an error, or is cancelled. */
  done(): boolean {
    return this._state !== PENDING;
  }

  /** Whether it is cancelled. */
  cancelled(): boolean {
    return this._state === CANCELLED;
  }

  /**
   * The result.
   *
   * @throws the error that was set; CancelledError if it is cancelled; InvalidStateError while it is pending.
   */
  result(): T {
    if (this._state === RESULT) return this._value as T;
    if (this._state === PENDING) throw new InvalidStateError('Result is not set.');
    throw this._takeError();
  }

  /**
   * The error that was set, or null if there is a result.
   *
   * @throws CancelledError if it is cancelled; InvalidStateError while it is pending.
   */
  exception(): Error | null {
    if (this._state === RESULT) return null;
    if (this._state === PENDING) throw new InvalidStateError('Exception is not set.');
    if (this._state === CANCELLED) throw this._makeCancelledError();
    return this._takeError() as Error;
  }

  /**
   * Give it its result, and queue its callbacks.
   *
   * @throws InvalidStateError if it is done.
   */
  setResult(result: T): void {
    if (this._state !== PENDING) throw new InvalidStateError('invalid state');
    this._finish(RESULT, result);
  }

  /**
   * Give it an error (a class is instantiated), and queue its callbacks. Reported if nobody retrieves it.
   *
   * @throws InvalidStateError if it is done; TypeError if it is not an error.
   */
  setException(exception: Error | (new () => Error)): void {
    if (this._state !== PENDING) throw new InvalidStateError('invalid state');
    const error = typeof exception === 'function' ? new exception() : exception;
    if (!(error instanceof Error) && Object.prototype.toString.call(error) !== '[object Error]') {
      throw new TypeError(`invalid exception object, got ${repr(error)}: pass an Error`);
    }
    this._fail(error);
  }

  /**
   * Cancel it, and queue its callbacks.
   *
   * @param msg - becomes the message of the CancelledError.
   * @returns false if it was done already.
   */
  cancel(msg?: unknown): boolean {
    if (this._flags !== 0) this._markRetrieved();
    if (this._state !== PENDING) return false;
    this._finish(CANCELLED, msg);
    return true;
  }

  /**
   * Call `fn(future)` when it is done, through the loop: never at once, and in order of registration.
   *
   * @param options.context - to run it in; default a copy of the current one.
   */
  addDoneCallback(fn: (future: this) => unknown, options?: { context?: Context | null }): void {
    if (typeof fn !== 'function') {
      throw new TypeError(`a callable object was expected by addDoneCallback(), got ${repr(fn)}`);
    }
    this._addWaiter(new Handle(fn, [this], this._loop, options?.context));
  }

  /** Take back every registration of `fn` that is not queued yet. Returns how many there were. */
  removeDoneCallback(fn: (future: this) => unknown): number {
    return this._removeWaiters((waiter) => waiter instanceof Handle && waiter._callback === fn);
  }

  /** Wait for it. Both callbacks as `await` gives them: the wait belongs to the running task, and ends with it. */
  // biome-ignore lint/suspicious/noThenProperty: futures are awaitable
  then<R1 = T, R2 = never>(
    onResult?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onError?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    if (typeof onResult === 'function' && typeof onError === 'function') {
      return awaitFuture(this, onResult, onError) as PromiseLike<R1 | R2>;
    }
    // One callback: promise code that watches, and takes no part in the task's cancellation.
    return this.toPromise().then(onResult, onError);
  }

  /** As a promise's `catch`. */
  catch<R = never>(onError?: ((error: unknown) => R | PromiseLike<R>) | null): Promise<T | R> {
    return this.toPromise().catch(onError);
  }

  /** As a promise's `finally`. */
  finally(onEnd?: (() => void) | null): Promise<T> {
    return this.toPromise().finally(onEnd);
  }

  /** A native promise that follows the future. Waiting for it takes no part in the cancellation of any task. */
  toPromise(): Promise<T> {
    return new Promise((resolve, reject) => this._addWaiter(new PromiseRelay(this, resolve, reject)));
  }

  /** For `yield*`. */
  [Symbol.iterator](): Iterator<Suspend, T, unknown> {
    return this;
  }

  // A future is its own iterator, without a state of its own: `yield*` calls `next()` first, the scheduler's
  // RESUME comes later.
  /** @internal */
  next(sent?: unknown): IteratorResult<Suspend, T> {
    if (this._state === RESULT) return { done: true, value: this._value as T };
    if (this._state !== PENDING) throw this._takeError();
    if (sent === RESUME) throw new RuntimeError("await wasn't used with future");
    if (current.driver === null) throw new RuntimeError('no running event loop');
    if (this._loop._notesAwaits) noteAwait(current.driver._task);
    current.driver._waiter = this;
    return SUSPENDED;
  }

  /** @internal */
  throw(error: unknown): never {
    throw error;
  }

  /** @internal */
  return(value: T): IteratorReturnResult<T> {
    return { done: true, value };
  }

  /** @internal */
  _finish(state: number, value: unknown): void {
    this._state = state;
    this._value = value;
    const waiters = this._waiters;
    if (waiters === null) return;
    this._waiters = null;
    const loop = this._loop;
    if (!(waiters instanceof Array)) loop._push(waiters);
    else for (const waiter of waiters) loop._push(waiter);
  }

  /** @internal */
  _fail(error: unknown): void {
    this._flags |= UNRETRIEVED;
    this._finish(ERROR, error);
    this._loop._unretrieved.add(this);
  }

  /** @internal End as cancelled by `error`, which the first who asks will get. */
  _endCancelled(error: CancelledError): void {
    this._markRetrieved();
    this._flags |= HAS_CANCELLED_ERROR;
    this._finish(CANCELLED, error);
  }

  /** @internal The error or CancelledError of a done future; counts as retrieving it. */
  _takeError(): unknown {
    if (this._state === CANCELLED) return this._makeCancelledError();
    this._markRetrieved();
    return this._value;
  }

  /** @internal */
  _makeCancelledError(): CancelledError {
    if (this._flags & HAS_CANCELLED_ERROR) {
      const error = this._value as CancelledError;
      this._flags &= ~HAS_CANCELLED_ERROR;
      this._value = undefined;
      return error;
    }
    return new CancelledError(this._value ?? undefined);
  }

  /** @internal The message of a cancelled future, without taking the kept error. */
  _cancelMessage(): unknown {
    return this._state === CANCELLED && !(this._flags & HAS_CANCELLED_ERROR) ? this._value : undefined;
  }

  /** @internal Whether waiting for it throws a CancelledError. */
  _endedCancelled(): boolean {
    return this._state === CANCELLED || (this._state === ERROR && isCancelledError(this._value));
  }

  /** @internal For a cancellation that outlives the future's own end: CPython keeps the message of the request. */
  _makeLateCancelledError(): CancelledError {
    if (this._state === CANCELLED) return this._makeCancelledError();
    return new CancelledError(lateMessages.get(this) ?? undefined);
  }

  /** @internal */
  _isUnretrieved(): boolean {
    return (this._flags & UNRETRIEVED) !== 0;
  }

  /** @internal */
  _markRetrieved(): void {
    if (this._flags & WATCHED) this._loop._unretrieved.retrieved(this);
    this._flags &= ~(UNRETRIEVED | WATCHED);
  }

  /** @internal A future that prints the same, to report when this one is gone. From now on it is watched. */
  _standIn(): Future<T> {
    this._flags |= WATCHED;
    // Until its text is read, V8's stack of an error holds the objects whose methods are on it: this future above all.
    forceStack(this._value);
    return Object.assign(Object.create(Object.getPrototypeOf(this) as object) as this, this, {
      _waiters: null,
    });
  }

  /** @internal */
  _created(): StackFrame[] | undefined {
    return creation.get(this);
  }

  /** @internal */
  _addWaiter(waiter: Waiter): void {
    if (this._state !== PENDING) this._loop._push(waiter);
    else if (this._waiters === null) this._waiters = waiter;
    else if (this._waiters instanceof Array) this._waiters.push(waiter);
    else this._waiters = [this._waiters, waiter];
  }

  /** @internal */
  _removeWaiters(matches: (waiter: Waiter) => boolean): number {
    const before = this._waiterList();
    const left = before.filter((waiter) => !matches(waiter));
    if (left.length < before.length) {
      this._waiters = left.length === 0 ? null : left.length === 1 ? (left[0] as Waiter) : left;
    }
    return before.length - left.length;
  }

  /** @internal */
  _waiterList(): Waiter[] {
    return this._waiters === null ? [] : this._waiters instanceof Array ? this._waiters : [this._waiters];
  }

  /** @internal What somebody who waits for it waits for, in reports. */
  _waitText(): string {
    return this.toString();
  }

  /** @internal The class that it prints as. */
  _className(): string {
    return this.constructor.name;
  }

  /** @internal What stands between the brackets of its text. */
  _details(): string[] {
    const details = [['pending', 'cancelled', 'finished', 'finished'][this._state] as string];
    if (this._state === RESULT) details.push(`result=${repr(this._value)}`);
    if (this._state === ERROR) details.push(`exception=${repr(this._value)}`);
    const callbacks = this._waiterList().map(formatWaiter);
    if (callbacks.length > 2) callbacks.splice(1, callbacks.length - 2, `<${callbacks.length - 2} more>`);
    if (callbacks.length > 0) details.push(`cb=[${callbacks.join(', ')}]`);
    const place = formatPlace(creation.get(this));
    if (place !== null) details.push(`created at ${place}`);
    return details;
  }

  toString(): string {
    if (printing.has(this)) return `<${this._className()} ...>`;
    printing.add(this);
    try {
      return `<${this._className()} ${this._details().join(' ')}>`;
    } finally {
      printing.delete(this);
    }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

function forceStack(error: unknown): void {
  try {
    void (error as Error | undefined)?.stack;
  } catch {
    // Whoever throws from a getter has no stack to force.
  }
}

// Futures that are being printed: a task that waits for itself in a circle must not print for ever.
const printing = new Set<Future<any>>();

// Duck types advertise themselves by this property, as in CPython.
Object.defineProperty(Future.prototype, '_asyncioFutureBlocking', {
  value: false,
  writable: true,
  configurable: true,
});

function formatWaiter(waiter: Waiter): string {
  if (waiter instanceof Handle) return formatCallback(waiter._callback, [], false);
  const awaiter = waiter._awaiter();
  return awaiter === null ? `${waiter.constructor.name}()` : `${waiter.constructor.name}.wakeup()`;
}

/** Hands the outcome of a future to a native promise, in a turn of the loop. */
class PromiseRelay implements Waiter {
  readonly #future: Future<any>;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(future: Future<any>, resolve: (value: any) => void, reject: (error: unknown) => void) {
    this.#future = future;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  _run(): void {
    current.driver = null;
    current.owner = null;
    this.#future._loop._needDrain();
    // Whoever waits is promise code, of no task. The pump sets the loop again when the microtasks have drained.
    if (current.storage !== null) current.loop = null;
    if (this.#future._state === RESULT) this.#resolve(this.#future._value);
    else this.#reject(this.#future._takeError());
  }

  _awaiter(): null {
    return null;
  }
}

/**
 * Whether `obj` is a future: a `Future`, a `Task`, or a duck type that has `_asyncioFutureBlocking`. Not a promise.
 *
 * Source: CPython 3.14 `asyncio.isfuture`.
 */
export function isfuture(obj: unknown): obj is Future<unknown> {
  if (obj instanceof Future) return true;
  const mark = (obj as { _asyncioFutureBlocking?: unknown } | null | undefined)?._asyncioFutureBlocking;
  return mark !== undefined && mark !== null;
}
