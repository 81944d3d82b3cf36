/** Waiting for time and for others. Counterpart: the second half of `asyncio/tasks.py`. */
import {
  BaseCoroutine,
  claim,
  coroutine,
  FunctionCoroutine,
  fromPromise,
  iscoroutine,
  type Runnable,
  tracked,
} from './coroutines.ts';
import type { BaseEventLoop } from './base-events.ts';
import { _getRunningLoop, getEventLoop, Handle, requireLoop, toSeconds } from './events.ts';
import {
  AssertionError,
  CancelledError,
  InvalidStateError,
  isCancelledError,
  TimeoutError,
} from './exceptions.ts';
import { repr, typeName } from './format-helpers.ts';
import { Future, isfuture } from './futures.ts';
import { logger } from './log.ts';
import {
  ERROR,
  PENDING,
  RESULT,
  RESUME,
  runningLoop,
  runningTask,
  SUSPENDED,
  type Waiter,
} from './running.ts';
import { awaitFuture, awaitTurn, isGeneratorFunction } from './strands.ts';
import { notes } from './task-notes.ts';
import { checkSignal, ensureFuture, Task } from './tasks.ts';
import type { Timed } from './timer-heap.ts';
import { Timeout } from './timeouts.ts';
import type { AwaitableLike, Coroutine, Delay, Gen, ResultOf, Results, Suspend } from './types.ts';

/** A future that its loop's timers set: the waiter of a `sleep` and its timer in one object. */
class TimerFuture extends Future<any> implements Timed {
  readonly _when: number;
  _sequence = 0;
  _place = -1;
  readonly #result: unknown;

  constructor(loop: BaseEventLoop, delay: number, result: unknown) {
    super(loop._own);
    this._when = loop.time() + delay;
    this.#result = result;
    loop._schedule(this);
  }

  _run(): void {
    if (this._state === PENDING) this._finish(RESULT, this.#result);
  }

  override _className(): string {
    return 'Future';
  }

  override cancel(msg?: unknown): boolean {
    if (!super.cancel(msg)) return false;
    this._loop._timers.remove(this);
    return true;
  }
}

class Sleep<T> extends BaseCoroutine<T> {
  readonly #delay: number;
  readonly #result: T;
  #timer: TimerFuture | null = null;
  #hadTurn = false;

  constructor(delay: number, result: T) {
    super();
    this.#delay = delay;
    this.#result = result;
  }

  get name(): string {
    return 'sleep';
  }

  next(sent?: unknown): IteratorResult<Suspend, T> {
    if (this.#timer !== null) return this.#timer.next(sent);
    if (this.#delay > 0) {
      this.#timer = new TimerFuture(requireLoop(), this.#delay, this.#result);
      return this.#timer.next(undefined);
    }
    if (this.#hadTurn) return { done: true, value: this.#result };
    this.#hadTurn = true;
    return SUSPENDED;
  }

  throw(error: unknown): never {
    this.close();
    throw error;
  }

  close(): void {
    this._disown();
    this.#timer?.cancel();
  }

  // `yield*` waits for the timer itself, and this object is garbage.
  override [Symbol.iterator](): Runnable<T> {
    this._claim();
    if (this.#delay <= 0) return this;
    return new TimerFuture(requireLoop(), this.#delay, this.#result);
  }

  // The timer itself is what async code waits for: nothing has to be driven.
  // biome-ignore lint/suspicious/noThenProperty: coroutines are awaitable
  override then<R1 = T, R2 = never>(
    onResult?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onError?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    const loop = runningLoop();
    if (loop === null || this.#delay <= 0 || this._isClaimed() || !onResult || !onError) {
      return super.then(onResult, onError);
    }
    this._claim();
    return awaitFuture(new TimerFuture(loop, this.#delay, this.#result), onResult, onError) as PromiseLike<
      R1 | R2
    >;
  }
}

/** `sleep(0)`: one object for all, without a state. What is sent tells the first `next` from the second. */
class Turn extends BaseCoroutine<unknown> {
  get name(): string {
    return 'sleep';
  }

  next(sent?: unknown): IteratorResult<Suspend, unknown> {
    return sent === RESUME ? { done: true, value: undefined } : SUSPENDED;
  }

  throw(error: unknown): never {
    throw error;
  }

  close(): void {}

  override [Symbol.iterator](): Runnable<unknown> {
    return this;
  }

  /** @internal A driver of its own needs one with a state. */
  override _claim(): Runnable<unknown> {
    return new Sleep(0, undefined)._claim();
  }

  // `any`: a turn has no result, so the generic signature that this overrides would say nothing.
  // biome-ignore lint/suspicious/noThenProperty: coroutines are awaitable
  override then(onResult?: any, onError?: any): PromiseLike<any> {
    if (typeof onResult === 'function' && typeof onError === 'function') return awaitTurn(onResult, onError);
    return super.then(onResult, onError);
  }
}

const turn = new Turn();

/** A function makes a coroutine each time, and all `sleep(0)` are one object but not one coroutine. */
function isMaker(aw: unknown): boolean {
  return typeof aw === 'function' || aw === turn;
}

/** Without duplicates: a future or coroutine that is given twice is one. */
export function distinct<T>(aws: Iterable<T>): T[] {
  const seen = new Set<T>();
  return [...aws].filter((aw) => isMaker(aw) || (!seen.has(aw) && seen.add(aw)));
}

/**
 * Wait for `delay` seconds, then give `result`.
 *
 * @param delay - seconds, or `{ milliseconds: 250 }`. 0 or less waits one iteration of the loop, so that everything
 *   that is ready now runs first; `Infinity` waits until it is cancelled.
 * @throws RangeError for NaN, TypeError for what is no time span.
 *
 * Cancellation: the timer is gone at once.
 *
 * Source: CPython 3.14 `asyncio.sleep`.
 */
export function sleep(delay: Delay): Coroutine<void>;
export function sleep<T>(delay: Delay, result: T): Coroutine<T>;
export function sleep(delay: Delay, result?: unknown): Coroutine<unknown> {
  if (delay === 0 && result === undefined) return turn;
  return tracked(new Sleep(toSeconds(delay), result));
}

/** One child's part in a `gather`. */
class GatherWaiter implements Waiter {
  readonly #outer: GatheringFuture;
  readonly #child: Future<any>;

  constructor(outer: GatheringFuture, child: Future<any>) {
    this.#outer = outer;
    this.#child = child;
  }

  _run(): void {
    this.#outer.childDone(this.#child);
  }

  _awaiter(): Task<any> | null {
    return this.#outer.awaiter;
  }
}

class GatheringFuture extends Future<any[]> {
  readonly #children: Future<any>[] = [];
  readonly #returnExceptions: boolean;
  /** Children that were done when they came. */
  readonly #done: Future<any>[] = [];
  #isComplete = false;
  #count = 0;
  #finished = 0;
  #cancelRequested = false;
  readonly awaiter: Task<any> | null;

  constructor(loop: BaseEventLoop, returnExceptions: boolean) {
    super(loop._own);
    this.#returnExceptions = returnExceptions;
    this.awaiter = runningTask();
  }

  // CPython's name, which its texts show.
  override _className(): string {
    return '_GatheringFuture';
  }

  /** Watch a child, as soon as it is made: one that starts eagerly may end those before it. */
  watch(child: Future<any>): void {
    this.#count++;
    if (child.done()) this.#done.push(child);
    else child._addWaiter(new GatherWaiter(this, child));
  }

  /** All children are there, in the order of the arguments; some may stand in it twice. */
  complete(children: readonly Future<any>[]): void {
    this.#children.push(...children);
    this.#isComplete = true;
    for (const child of this.#done) this.childDone(child);
  }

  childDone(child: Future<any>): void {
    this.#finished++;
    if (!this.#isComplete || this._state !== PENDING) {
      // The outcome is known, or a wrong argument was the end of it; a later error is dropped, as in CPython.
      if (!child.cancelled()) child._markRetrieved();
      return;
    }
    if (!this.#returnExceptions) {
      if (child.cancelled()) {
        this._fail(child._makeCancelledError());
        return;
      }
      if (child._state === ERROR) {
        this._fail(child._takeError());
        return;
      }
    }
    if (this.#finished === this.#count) this.conclude();
  }

  private conclude(): void {
    const results = this.#children.map(outcome);
    if (!this.#cancelRequested) this._finish(RESULT, results);
    // The error is made from the last argument, whoever ended last, as in CPython.
    else this._fail((this.#children.at(-1) as Future<any>)._makeLateCancelledError());
  }

  // Like a task's: the outer ends when its children have.
  override cancel(msg?: unknown): boolean {
    if (this._state !== PENDING) return false;
    let taken = false;
    for (const child of this.#children) if (child.cancel(msg)) taken = true;
    if (taken) this.#cancelRequested = true;
    return taken;
  }
}

function outcome(child: Future<any>): unknown {
  if (child.cancelled()) return new CancelledError(child._cancelMessage() ?? '');
  return child._state === RESULT ? child._value : child._takeError();
}

/**
 * Run awaitables side by side and give their results in argument order.
 *
 * A coroutine becomes a task at the call; a future given twice is awaited once and fills both places. A promise is
 * only watched: its work cannot be cancelled.
 *
 * @param aws - coroutines, functions, tasks, futures or promises, one by one or as one array; none gives `[]`.
 * @param options.returnExceptions - put errors, cancellations included, in the list in place of results.
 * @returns a future of one array, as long as `aws`.
 * @throws the first error that an element raised; the others go on, and their errors are dropped. TypeError for what
 *   cannot be awaited; RangeError for futures of different loops.
 *
 * Cancellation: cancelling the returned future cancels every element that is not done; it ends with the first of
 * them that is cancelled, with `returnExceptions` when all have ended. A cancelled element counts as one that raised
 * `CancelledError`; its siblings go on.
 *
 * Source: CPython 3.14 `asyncio.gather`.
 */
export function gather<const A extends readonly AwaitableLike<unknown>[]>(
  aws: A,
  options: { returnExceptions: true },
): Future<{ -readonly [K in keyof A]: ResultOf<A[K]> | Error }>;
export function gather<const A extends readonly AwaitableLike<unknown>[]>(
  aws: A,
  options?: { returnExceptions?: boolean },
): Future<Results<A>>;
export function gather<A extends readonly AwaitableLike<unknown>[]>(...aws: A): Future<Results<A>>;
export function gather(...args: unknown[]): Future<any> {
  const [first, second] = args;
  const isList = Array.isArray(first);
  if (isList && second !== undefined && !isOptions(second)) {
    throw new TypeError(
      `gather() takes one array and then options such as { returnExceptions: true }, got ${repr(second)}`,
    );
  }
  const aws = (isList ? first : args) as AwaitableLike<unknown>[];
  const returnExceptions =
    isList && (second as { returnExceptions?: boolean } | undefined)?.returnExceptions === true;
  if (aws.length === 0) {
    const outer = new Future<unknown[]>({ loop: getEventLoop() });
    outer.setResult([]);
    return outer;
  }
  let loop = _getRunningLoop() as BaseEventLoop | null;
  const futures = new Map<unknown, Future<any>>();
  const places: Future<any>[] = [];
  let outer: GatheringFuture | null = null;
  for (const aw of aws) {
    let future = isMaker(aw) ? undefined : futures.get(aw);
    if (future === undefined) {
      warnStarted(aw, 'gather');
      future = ensureFuture(aw, { loop });
      loop ??= future._loop;
      if ((future as unknown) !== aw && future instanceof Task) future._beQuiet();
      futures.set(aw, future);
      outer ??= new GatheringFuture(loop, returnExceptions);
      outer.watch(future);
    }
    places.push(future);
  }
  const gathering = outer as GatheringFuture;
  gathering.complete(places);
  return gathering;
}

function isOptions(obj: unknown): boolean {
  if (typeof obj !== 'object' || obj === null || Array.isArray(obj)) return false;
  return !isfuture(obj) && !iscoroutine(obj) && typeof (obj as { then?: unknown }).then !== 'function';
}

let warnedStarted = false;

// The commonest surprise of promise code: what runs already cannot be cancelled by anyone.
function warnStarted(aw: unknown, name: string): void {
  if (warnedStarted || !notes.requests || !(aw instanceof Promise)) return;
  warnedStarted = true;
  logger.warning(
    `${name}() got a promise: its work runs already and cannot be cancelled. Pass the function, ${name}(() => work()), ` +
      'or make it a coroutine: const work = coroutine(async () => { ... })',
  );
}

/** `wait` returns when any future is done. */
export const FIRST_COMPLETED = 'FIRST_COMPLETED';
/** `wait` returns when any future ended with an error; a cancelled one does not count. */
export const FIRST_EXCEPTION = 'FIRST_EXCEPTION';
/** `wait` returns when all futures are done. */
export const ALL_COMPLETED = 'ALL_COMPLETED';

/** Options of `wait`. */
export interface WaitOptions {
  /** Seconds after which to return all the same; null (default) waits without limit. */
  timeout?: Delay | null;
  /** Default `ALL_COMPLETED`. */
  returnWhen?: ReturnWhen;
}

/** When `wait` returns. */
export type ReturnWhen = typeof FIRST_COMPLETED | typeof FIRST_EXCEPTION | typeof ALL_COMPLETED;

/**
 * Wait until the futures are done, or as `returnWhen` says.
 *
 * @param aws - an iterable of tasks, futures or promises; coroutines are refused.
 * @param options.timeout - seconds after which to return all the same; null waits without limit.
 * @param options.returnWhen - `ALL_COMPLETED` (default), `FIRST_COMPLETED` or `FIRST_EXCEPTION`.
 * @returns two sets, the done and the pending futures. Never throws their errors.
 * @throws TypeError for coroutines, RangeError for nothing to wait for or an unknown `returnWhen`.
 *
 * Cancellation: only the wait ends; nothing in it is cancelled.
 *
 * Source: CPython 3.14 `asyncio.wait`.
 */
export function wait<F extends Future<any>>(
  aws: Iterable<F>,
  options?: WaitOptions,
): Coroutine<[done: Set<F>, pending: Set<F>]>;
export function wait<T>(
  aws: Iterable<Future<T> | PromiseLike<T>>,
  options?: WaitOptions,
): Coroutine<[done: Set<Future<T>>, pending: Set<Future<T>>]>;
export function wait(
  aws: Iterable<unknown>,
  options?: WaitOptions,
): Coroutine<[done: Set<Future<any>>, pending: Set<Future<any>>]> {
  return waitCoroutine(aws, options);
}

const waitCoroutine = /* @__PURE__ */ coroutine(function* wait(
  aws: Iterable<unknown>,
  options?: WaitOptions,
): Gen<[Set<Future<any>>, Set<Future<any>>]> {
  if (isfuture(aws) || iscoroutine(aws) || !isIterable(aws)) {
    throw new TypeError(
      `expect a list of futures, not ${typeof aws === 'object' ? typeName(aws) : repr(aws)}: wait([a, b])`,
    );
  }
  const size = (aws as { size?: number }).size ?? (aws as { length?: number }).length;
  if (size === 0) throw new RangeError('Set of Tasks/Futures is empty.');
  const returnWhen = options?.returnWhen ?? ALL_COMPLETED;
  if (returnWhen !== FIRST_COMPLETED && returnWhen !== FIRST_EXCEPTION && returnWhen !== ALL_COMPLETED) {
    throw new RangeError(`Invalid return_when value: ${returnWhen}`.replace('return_when', 'returnWhen'));
  }
  const items = new Set<unknown>(aws);
  for (const item of items) {
    if (iscoroutine(item) || typeof item === 'function') {
      throw new TypeError('Passing coroutines is forbidden, use tasks explicitly.');
    }
  }
  const futures = new Set(
    [...items].map((item) => ensureFuture(item as AwaitableLike<any>, { loop: requireLoop() })),
  );
  if (futures.size === 0) throw new AssertionError('Set of Futures is empty.');
  yield* waitUntil(futures, options?.timeout ?? null, returnWhen);
  const done = new Set<Future<any>>();
  const pending = new Set<Future<any>>();
  for (const future of futures) (future.done() ? done : pending).add(future);
  return [done, pending];
});

export function isIterable(obj: unknown): boolean {
  return typeof (obj as Iterable<unknown> | null | undefined)?.[Symbol.iterator] === 'function';
}

/** One future's part in a `wait`. */
export class WaitWaiter implements Waiter {
  readonly future: Future<any>;
  readonly #onDone: (future: Future<any>) => void;
  readonly #awaiter: Task<any> | null;

  constructor(future: Future<any>, onDone: (future: Future<any>) => void, awaiter: Task<any> | null) {
    this.future = future;
    this.#onDone = onDone;
    this.#awaiter = awaiter;
  }

  _run(): void {
    this.#onDone(this.future);
  }

  _awaiter(): Task<any> | null {
    return this.#awaiter;
  }
}

function* waitUntil(futures: Set<Future<any>>, timeout: Delay | null, returnWhen: ReturnWhen): Gen<void> {
  const loop = requireLoop();
  const waiter = loop.createFuture<void>();
  const release = (): void => {
    if (!waiter.done()) waiter.setResult();
  };
  const timer = timeout === null ? null : loop.callLater(timeout, release);
  let left = futures.size;
  const onDone = (future: Future<any>): void => {
    left--;
    // CPython looks at the error only if it must, and looking is retrieving.
    const endsByError = left > 0 && returnWhen === FIRST_EXCEPTION && future._state === ERROR;
    if (endsByError) future._markRetrieved();
    if (left > 0 && returnWhen !== FIRST_COMPLETED && !endsByError) return;
    timer?.cancel();
    release();
  };
  const task = runningTask();
  const waiters = [...futures].map((future) => new WaitWaiter(future, onDone, task));
  for (const entry of waiters) entry.future._addWaiter(entry);
  try {
    yield* waiter;
  } finally {
    timer?.cancel();
    for (const entry of waiters) entry.future._removeWaiters((other) => other === entry);
  }
}

/**
 * Wait for one awaitable, for at most `timeout` seconds.
 *
 * A coroutine runs inline, without a task of its own.
 *
 * @param timeout - seconds; null for no limit. 0 or less gives the result of a future that is done, and otherwise
 *   cancels at once: a coroutine does not run a line.
 * @param options.signal - cancels the wait when it aborts, with its reason as message.
 * @returns its result; if it answers the cancellation with a value, that value.
 * @throws TimeoutError after it was cancelled for the timeout and has ended, with the CancelledError as cause; any
 *   other error as it is.
 *
 * Cancellation: the awaitable is cancelled, too. A promise goes on, since nobody can stop it.
 *
 * Source: CPython 3.14 `asyncio.wait_for`.
 */
export function waitFor<T>(
  aw: AwaitableLike<T>,
  timeout: Delay | null,
  options?: { signal?: AbortSignal },
): Coroutine<T> {
  warnStarted(aw, 'waitFor');
  if (options?.signal !== undefined) checkSignal(options.signal);
  if (timeout === undefined) throw new TypeError('timeout is missing: give seconds, or null for no limit');
  const seconds = timeout === null ? null : toSeconds(timeout, 'timeout');
  return waitForCoroutine(aw, seconds, options?.signal) as Coroutine<T>;
}

const waitForCoroutine = /* @__PURE__ */ coroutine(function* waitFor(
  aw: AwaitableLike<any>,
  timeout: number | null,
  signal: AbortSignal | undefined,
): Gen<any> {
  if (timeout !== null && timeout <= 0) return yield* cancelAtOnce(ensureFuture(aw));
  const loop = requireLoop();
  const limit = new Timeout(timeout === null ? null : loop.time() + timeout);
  return yield* limit._runWith(function* () {
    return yield* inline(aw);
  }, signal);
});

function* cancelAtOnce(future: Future<any>): Gen<any> {
  if (future.done()) return future.result();
  const waiter = future._loop.createFuture<void>();
  const release = (): void => {
    if (!waiter.done()) waiter.setResult();
  };
  future.addDoneCallback(release);
  try {
    future.cancel();
    // Not on the future itself, so that this wait can be cancelled whatever the future does.
    yield* waiter;
  } finally {
    future.removeDoneCallback(release);
  }
  try {
    return future.result();
  } catch (error) {
    if (isCancelledError(error)) throw new TimeoutError(undefined, { cause: error });
    throw error;
  }
}

/** What `await aw` is in Python, for anything that can be awaited. */
export function inline<T>(aw: AwaitableLike<T>): Iterable<Suspend, T, unknown> {
  if (typeof aw === 'function') {
    return isGeneratorFunction(aw) ? (aw() as Gen<T>) : new FunctionCoroutine<T>(aw, null);
  }
  if (aw instanceof BaseCoroutine || aw instanceof Future) return aw;
  if (iscoroutine(aw)) return { [Symbol.iterator]: () => claim(aw) };
  if (typeof (aw as PromiseLike<T> | null | undefined)?.then === 'function')
    return fromPromise(aw as PromiseLike<T>);
  return ensureFuture(aw);
}

/**
 * Follow an awaitable without passing cancellation on to it.
 *
 * @returns a future with its outcome; the awaitable itself if it is done.
 *
 * Cancellation: cancelling the returned future leaves the awaitable running; an error of it is then told to the
 * loop's exception handler, once. If the awaitable is cancelled, so is the returned future.
 *
 * Source: CPython 3.14 `asyncio.shield`.
 */
export function shield<T>(aw: AwaitableLike<T>): Future<T> {
  warnStarted(aw, 'shield');
  const inner = ensureFuture(aw);
  if (inner.done()) return inner;
  const outer = inner._loop.createFuture<T>();
  const follow = new Follower(inner, outer, runningTask());
  inner._addWaiter(follow);
  outer.addDoneCallback(() => {
    if (inner.done()) return;
    inner._removeWaiters((waiter) => waiter === follow);
    // One report, however many were cancelled.
    inner.removeDoneCallback(logShielded);
    inner.addDoneCallback(logShielded);
  });
  return outer;
}

/** Hands the outcome of a shielded future on. */
class Follower extends Handle {
  readonly #waiting: Task<any> | null;

  constructor(inner: Future<any>, outer: Future<any>, waiting: Task<any> | null) {
    super(follow, [inner, outer], inner._loop);
    this.#waiting = waiting;
  }

  override _awaiter(): Task<any> | null {
    return this.#waiting;
  }
}

function follow(inner: Future<any>, outer: Future<any>): void {
  if (outer.cancelled()) return;
  if (inner.cancelled()) {
    outer.cancel();
    return;
  }
  inner._markRetrieved();
  if (outer.done()) throw new InvalidStateError('invalid state');
  if (inner._state === ERROR) outer._fail(inner._value);
  else outer._finish(RESULT, inner._value);
}

function logShielded(future: Future<any>): void {
  if (future._state !== ERROR) return;
  const error = future._takeError();
  const name = error instanceof Error ? error.name : typeName(error);
  future._loop.callExceptionHandler({
    message: `${name} exception in shielded future`,
    exception: error,
    future,
  });
}
