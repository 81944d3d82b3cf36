/**
 * Lines of await. No counterpart in CPython, where a task waits for one thing at a time.
 *
 * An async function can have several waits open at once (`Promise.all([a(), b()])`, a helper that nobody awaits
 * yet). Each is a *strand*: it is resumed by itself. Each strand is opened in a *scope*: the task's own, or that of
 * the `timeout` or `TaskGroup` around it, which can cancel what was opened inside it and nothing else. With one
 * strand per task all this is CPython's algorithm to the letter: the requests of the scopes from the innermost to
 * the task, added up, are CPython's one counter.
 */
import type { BaseEventLoop } from './base-events.ts';
import type { Context } from './contextvars.ts';
import { CancelledError, RuntimeError } from './exceptions.ts';
import { badYield } from './bad-yield.ts';
import type { Future } from './futures.ts';
import {
  current,
  isSynchronous,
  type Driver,
  PARK,
  RESULT,
  RESUME,
  runningLoop,
  storedScope,
  SUSPEND,
} from './running.ts';
import {
  BodyScope,
  DetachedScope,
  hasUndelivered,
  markDelivered,
  type CancelTarget,
  type Scope,
} from './scopes.ts';
import { noteAwait } from './task-notes.ts';
import type { Task } from './tasks.ts';
import type { Suspend } from './types.ts';

/** One of the two functions of a `then`. `any`, since it takes the result of its own awaitable, whatever that is. */
type Settle = (value: any) => unknown;

/** The scope of the calling code: that of the running driver, or the one that its async function was started in. */
export function callerScope(): Scope | null {
  let scope: Scope | null;
  if (!isSynchronous()) scope = storedScope();
  else scope = current.driver === null ? null : scopeOf(current.driver);
  while (scope !== null && scope.closed) scope = scope.parent;
  // A timeout or group that a strand of a task is in outlives the task, and can still cancel.
  return scope === null || (scope === scope.root && scope.root.task?.done()) ? null : scope;
}

/** The scope that a driver is in now. */
export function scopeOf(driver: Driver): Scope {
  return driver instanceof CoroutineStrand ? driver.scope : driver._rootScope().driverScope;
}

/** Bits of a strand's state. */
const OPEN = 1;
const MUST_CANCEL = 2;
const SETTLED = 4;

/**
 * One open wait of async code for a future, or for its next turn.
 *
 * It is also what `then` gives: `await` throws that away, but promise code may chain to it.
 */
export class Strand {
  // Declared only, as in `Future`.
  declare scope: Scope;
  /** @internal */ declare _waiter: Future<any> | null;
  declare private resolve: Settle | null;
  declare private reject: Settle | null;
  declare private chain: Chain | null;
  declare private state: number;
  declare previous: Strand | null;
  declare next: Strand | null;

  constructor(scope: Scope, resolve: Settle, reject: Settle) {
    this.scope = scope;
    this._waiter = null;
    this.resolve = resolve;
    this.reject = reject;
    this.chain = null;
    this.state = 0;
    this.previous = null;
    this.next = null;
  }

  get isOpen(): boolean {
    return (this.state & OPEN) !== 0;
  }

  /** @internal */
  get _loop(): BaseEventLoop {
    return this.scope.root.loop;
  }

  /** @internal The task that it belongs to. */
  get _task(): Task<any> | null {
    return this.scope.root.liveTask;
  }

  /** Wait for `future`, or with null for the next turn of the ready queue. */
  wait(future: Future<any> | null): void {
    const { scope } = this;
    this._waiter = future;
    this.state |= OPEN;
    scope.root.link(this);
    if (future === null) {
      scope.root.loop._push(this);
      return;
    }
    future._addWaiter(this);
    if (hasUndelivered(scope) && future.cancel(scope.root.liveTask?._value)) markDelivered(scope);
  }

  /** Cancel what it waits for; if that is over, its next step throws. */
  cancel(msg: unknown): void {
    if (this._waiter !== null && this._waiter.cancel(msg)) return;
    this.state |= MUST_CANCEL;
    const { liveTask } = this.scope.root;
    if (liveTask !== null) liveTask._value = msg;
  }

  dropUndelivered(): void {
    this.state &= ~MUST_CANCEL;
  }

  /** @internal */
  _run(): void {
    current.driver = null;
    current.owner = null;
    const future = this._waiter;
    const { scope } = this;
    this._waiter = null;
    let mustCancel = (this.state & MUST_CANCEL) !== 0;
    this.state = 0;
    scope.root.unlink(this);
    if (hasUndelivered(scope)) {
      mustCancel = true;
      markDelivered(scope);
    }
    this.proceed(future, mustCancel ? cancelledError(scope, future) : null);
  }

  /** What it waited for is there, or it is cancelled. */
  protected proceed(future: Future<any> | null, cancellation: CancelledError | null): void {
    if (cancellation !== null) this.end(false, cancellation);
    else if (future === null) this.end(true, undefined);
    else if (future._state === RESULT) this.end(true, future._value);
    else this.end(false, future._takeError());
  }

  /** Let the async code go on. */
  end(isResult: boolean, value: unknown): void {
    const settle = (isResult ? this.resolve : this.reject) as Settle;
    this.resolve = null;
    this.reject = null;
    this.state = SETTLED;
    this._loop._needDrain();
    if (current.storage === null) current.drainScope = this.scope;
    let out: unknown;
    try {
      out = settle(value);
    } catch (error) {
      this.chain ??= new Chain();
      this.chain.reject(error);
      return;
    }
    // The functions that `await` gives return nothing.
    if (out === undefined && this.chain === null) return;
    this.chain ??= new Chain();
    this.chain.resolve(out);
  }

  // As a getter, since a private method would cost each strand a field.
  private get chained(): Promise<any> {
    if (this.chain === null) {
      this.chain = new Chain();
      if (this.state & SETTLED) this.chain.resolve(undefined);
    }
    return this.chain.promise;
  }

  // biome-ignore lint/suspicious/noThenProperty: it stands for a promise
  then<R1 = any, R2 = never>(
    onResult?: ((value: any) => R1 | PromiseLike<R1>) | null,
    onError?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): Promise<R1 | R2> {
    return this.chained.then(onResult, onError);
  }

  catch<R = never>(onError?: ((error: unknown) => R | PromiseLike<R>) | null): Promise<any> {
    return this.chained.catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<any> {
    return this.chained.finally(onEnd);
  }

  /** @internal */
  _awaiter(): Future<any> | null {
    return this._task;
  }
}

/** The CancelledError to throw in place of what `future` has, unless that is one itself. */
function cancelledError(scope: Scope, future: Future<any> | null): CancelledError | null {
  if (future !== null) {
    if (future._endedCancelled()) return null;
    future._markRetrieved();
  }
  const msg = scope.root.liveTask?._value;
  return new CancelledError(msg ?? undefined);
}

/** What promise code has chained to a strand. */
class Chain {
  resolve!: (value: unknown) => void;
  reject!: (error: unknown) => void;
  readonly promise = new Promise<any>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

/** A strand that drives a coroutine of the library, which async code awaits. */
export class CoroutineStrand extends Strand {
  /** @internal Without a task, the coroutine has a context of its own. */
  _context: Context | null = null;
  readonly #coro: Iterator<Suspend, unknown, unknown>;
  #thrown: { error: unknown } | null = null;

  constructor(scope: Scope, coro: Iterator<Suspend, unknown, unknown>, resolve: Settle, reject: Settle) {
    super(scope, resolve, reject);
    this.#coro = coro;
  }

  protected override proceed(_future: Future<any> | null, cancellation: CancelledError | null): void {
    this.step(cancellation);
  }

  /** @internal The async body that the coroutine waits for is over: go on at once, in this microtask. */
  _resume(): void {
    this.step(null);
  }

  /** @internal Only tasks have a coroutine of their own. */
  _isMain(): boolean {
    return false;
  }

  // No private methods: they would cost each strand a field.
  /** Throw `error` into the coroutine, in a turn of the loop. */
  private throwSoon(error: unknown): void {
    this.#thrown = { error };
    this.wait(null);
  }

  /** Run the coroutine up to its next suspension. */
  step(cancellation: CancelledError | null): void {
    const coro = this.#coro;
    const { loop, driver, owner } = current;
    const thrown = this.#thrown;
    this.#thrown = null;
    current.loop = this._loop;
    current.driver = this;
    current.owner = this._task ?? this;
    let result: IteratorResult<Suspend, unknown>;
    try {
      const error = cancellation ?? thrown?.error;
      result = error === undefined ? coro.next(RESUME) : throwInto(coro, error);
    } catch (error) {
      current.loop = loop;
      current.driver = driver;
      current.owner = owner;
      this.end(false, error);
      return;
    }
    current.loop = loop;
    current.driver = driver;
    current.owner = owner;
    if (result.done) this.end(true, result.value);
    else if (result.value === SUSPEND) this.suspend();
    else if (result.value !== PARK) this.throwSoon(badYield(result.value, this._task));
  }

  private suspend(): void {
    const future = this._waiter;
    const problem = future === null ? null : whyNotAwaitable(future, this._loop, this._task);
    if (problem === null) {
      this.wait(future);
    } else {
      this._waiter = null;
      this.throwSoon(problem);
    }
  }
}

/** `coro.throw`, for iterators that have none, too. */
export function throwInto<T>(
  coro: Iterator<Suspend, T, unknown>,
  error: unknown,
): IteratorResult<Suspend, T> {
  if (typeof coro.throw !== 'function') throw error;
  return coro.throw(error);
}

/** Why a driver of `loop` and `task` cannot wait for `future`: an error to throw into its coroutine, or null. */
export function whyNotAwaitable(
  future: Future<any>,
  loop: BaseEventLoop,
  task: Task<any> | null,
): Error | null {
  if (future._loop !== loop)
    return new RuntimeError(`Task ${task} got Future ${future} attached to a different loop`);
  if (future === task) return new RuntimeError(`Task cannot await on itself: ${task}`);
  return null;
}

/** `await future` in async code: at once if it is done, else a strand of the running task. */
export function awaitFuture(future: Future<any>, resolve: Settle, reject: Settle): PromiseLike<any> {
  const scope = callerScope() ?? new DetachedScope(future._loop);
  const strand = new Strand(scope, resolve, reject);
  const problem = whyNotAwaitable(future, scope.root.loop, scope.root.liveTask);
  if (problem !== null) {
    strand.end(false, problem);
  } else if (future.done()) {
    if (future._state === RESULT) strand.end(true, future._value);
    else strand.end(false, future._takeError());
  } else {
    if (future._loop._notesAwaits) noteAwait(scope.root.task);
    strand.wait(future);
  }
  return strand;
}

/** `await coroutine` in async code: it is driven inline, as a strand of the running task. */
export function awaitCoroutine(
  coro: Iterator<Suspend, unknown, unknown>,
  resolve: Settle,
  reject: Settle,
): PromiseLike<any> {
  const scope = callerScope() ?? detachedScope();
  if (scope === null) return Promise.reject(noLoop()).then(resolve, reject);
  const strand = new CoroutineStrand(scope, coro, resolve, reject);
  strand.step(null);
  return strand;
}

/** `await sleep(0)` in async code: a strand that only wants its next turn. */
export function awaitTurn(resolve: Settle, reject: Settle): PromiseLike<any> {
  const scope = callerScope() ?? detachedScope();
  if (scope === null) return Promise.reject(noLoop()).then(resolve, reject);
  const strand = new Strand(scope, resolve, reject);
  strand.wait(null);
  return strand;
}

// Code of a callback of the running loop, or clean-up that a task has left behind.
function detachedScope(): Scope | null {
  const loop = runningLoop();
  return loop === null ? null : new DetachedScope(loop);
}

function noLoop(): RuntimeError {
  const hint = current.isStorageMissing
    ? '; where the host cannot follow async functions, wait for a foreign promise through fromPromise'
    : '';
  return new RuntimeError(`no running event loop: await it in a task (asyncio.run, createTask)${hint}`);
}

/**
 * Enter a scope for the body of a timeout or group, on behalf of the running driver.
 *
 * A task's own generator with a generator as body needs none: it has one strand, and the task itself is cancelled,
 * which is CPython's algorithm.
 */
export function enterScope(body: Function): CancelTarget {
  const { driver } = current;
  if (driver === null) throw noLoop();
  if (!(driver instanceof CoroutineStrand) && isGeneratorFunction(body)) return driver;
  const scope = new BodyScope(scopeOf(driver));
  scope.root.addScope(scope);
  setScope(driver, scope);
  return scope;
}

/** Leave what `enterScope` gave; the driver is in the scope around it again. */
export function leaveScope(target: CancelTarget): void {
  if (!(target instanceof BodyScope)) return;
  target.close();
  const { driver } = current;
  if (driver !== null) setScope(driver, target.parent);
}

function setScope(driver: Driver, scope: Scope): void {
  if (driver instanceof CoroutineStrand) driver.scope = scope;
  else driver._rootScope().driverScope = scope;
}

const GeneratorFunction = Object.getPrototypeOf(function* () {}) as object;

/** Whether calling `fn` gives a generator, without a line of it run. */
export function isGeneratorFunction(fn: unknown): boolean {
  return typeof fn === 'function' && Object.getPrototypeOf(fn) === GeneratorFunction;
}
