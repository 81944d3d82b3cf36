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
  type ContextOwner,
  type Driver,
  PARK,
  RESULT,
  RESUME,
  storedScope,
  SUSPEND,
  type Waiter,
} from './running.ts';
import { noteAwait } from './task-notes.ts';
import type { Task } from './tasks.ts';
import type { Suspend } from './types.ts';

type Settle = (value: any) => unknown;

/** What can be cancelled by a timeout or a group, with a counter of requests: a task, or a scope in it. */
export interface CancelTarget {
  cancel(msg?: unknown): boolean;
  cancelling(): number;
  uncancel(): number;
}

/** The part of a task that a timeout, a group or (the root) the task itself may cancel. */
export class Scope implements CancelTarget {
  readonly parent: Scope | null;
  readonly root: RootScope;
  /** Cancellation requests of this scope that were not taken back. */
  requests = 0;
  /** A cancellation found nothing to cancel: the next wait in this scope takes it. */
  mustCancel = false;
  closed = false;

  constructor(parent: Scope | null) {
    this.parent = parent;
    // Only a root has no parent, and it is its own root.
    this.root = parent === null ? (this as unknown as RootScope) : parent.root;
  }

  /** Cancel what is open in this scope; if nothing is, what is opened next. */
  cancel(msg?: unknown): boolean {
    this.requests++;
    this.root.cancelInside(this, msg);
    return true;
  }

  /** Requests from here outward. */
  cancelling(): number {
    let count = this.root.task?._cancelRequests ?? 0;
    for (let scope: Scope | null = this; scope !== null; scope = scope.parent) count += scope.requests;
    return count;
  }

  /** Take one request back, this scope's own if it has one. At none left, what was not delivered is dropped. */
  uncancel(): number {
    if (this.requests > 0) this.requests--;
    else this.root.takeBackOutermost(this);
    const left = this.cancelling();
    if (left === 0) this.root.dropUndelivered(this);
    return left;
  }

  /** No wait can be opened here any more; what is open is cancelled, and what is not delivered moves outward. */
  close(): void {
    this.closed = true;
    this.root.cancelStrandsInside(this);
    this.root.scopes?.delete(this);
    const outer = this.parent;
    if (outer === null) return;
    if (outer === this.root) {
      if (this.root.task !== null) this.root.task._takeOver(this.requests, this.mustCancel);
    } else {
      outer.requests += this.requests;
      outer.mustCancel ||= this.mustCancel;
    }
    this.requests = 0;
    this.mustCancel = false;
  }

  isInside(outer: Scope): boolean {
    for (let scope: Scope | null = this; scope !== null; scope = scope.parent)
      if (scope === outer) return true;
    return false;
  }
}

/** The scope of a whole task, with all its open strands; of strands without a task, one for each of their scopes. */
export class RootScope extends Scope {
  readonly task: Task<any> | null;
  readonly loop: BaseEventLoop;
  /** The open strands, newest first. */
  first: Strand | null = null;
  /** A strand that is not in use: most tasks wait for one thing after the other. */
  spare: Strand | null = null;
  /** The scope that the task's own generator is in. */
  driverScope: Scope;
  /** The open scopes inside, outermost first. */
  scopes: Set<Scope> | null = null;
  /** Whether the task's driver waits for an async body. */
  #parked = false;

  constructor(task: Task<any> | null, loop: BaseEventLoop) {
    super(null);
    this.task = task;
    this.loop = loop;
    this.driverScope = this;
  }

  get parked(): boolean {
    return this.#parked;
  }

  // An async body that runs without a wait of ours open waits for something outside the loop.
  set parked(parked: boolean) {
    if (parked === this.#parked) return;
    this.#parked = parked;
    if (this.first === null) this.loop._foreignWaits += parked ? 1 : -1;
  }

  link(strand: Strand): void {
    const next = this.first;
    if (next === null) {
      if (this.#parked) this.loop._foreignWaits--;
    } else {
      next.previous = strand;
    }
    strand.next = next;
    this.first = strand;
  }

  unlink(strand: Strand): void {
    const { previous, next } = strand;
    if (previous !== null) previous.next = next;
    else this.first = next;
    if (next !== null) next.previous = previous;
    else if (previous === null && this.#parked) this.loop._foreignWaits++;
    strand.previous = null;
    strand.next = null;
  }

  /** `task.cancel()`: every open strand is cancelled. */
  cancelAll(msg: unknown): void {
    const task = this.task as Task<any>;
    const taken = this.#cancelStrands(this, msg);
    if (!this.#parked) {
      if (task._waiter === null || !task._waiter.cancel(msg)) task._requireCancel(msg);
    } else if (!taken) {
      task._requireCancel(msg);
      this.loop._cancelledInForeignWait(task);
    }
  }

  cancelInside(scope: Scope, msg: unknown): void {
    const { task } = this;
    let taken = this.#cancelStrands(scope, msg);
    const isDriverInside = task !== null && !this.#parked && this.driverScope.isInside(scope);
    if (isDriverInside && task._waiter !== null) {
      if (!task._waiter.cancel(msg)) task._requireCancel(msg);
      taken = true;
    }
    if (taken) return;
    scope.mustCancel = true;
    if (task !== null) {
      task._value = msg;
      if (this.#parked) this.loop._cancelledInForeignWait(task);
    }
  }

  /** The body of `scope` is over: what it left open is cancelled. */
  cancelStrandsInside(scope: Scope): void {
    if (this.first !== null) this.#cancelStrands(scope, undefined);
  }

  #cancelStrands(scope: Scope, msg: unknown): boolean {
    let taken = false;
    for (const strand of this.openStrands()) {
      // One cancellation may end another's wait, or open the way for code that does.
      if (!strand.isOpen || !(strand.scope as Scope).isInside(scope)) continue;
      strand.cancel(msg);
      taken = true;
    }
    return taken;
  }

  /** Oldest first. */
  openStrands(): Strand[] {
    const strands: Strand[] = [];
    for (let strand = this.first; strand !== null; strand = strand.next) strands.push(strand);
    return strands.reverse();
  }

  /** CPython's one counter does not know who asked: take a request back from whoever stands furthest out. */
  takeBackOutermost(from: Scope | null): void {
    if (this.task !== null && this.task._cancelRequests > 0) {
      this.task._cancelRequests--;
      return;
    }
    for (const scope of this.scopes ?? []) {
      if (scope.requests === 0 || (from !== null && !from.isInside(scope))) continue;
      scope.requests--;
      return;
    }
  }

  /** No request is left from `from` outward: cancellations that nobody was thrown are dropped. */
  dropUndelivered(from: Scope): void {
    this.task?._dropUndelivered();
    for (let scope: Scope | null = from; scope !== null; scope = scope.parent) scope.mustCancel = false;
    for (let strand = this.first; strand !== null; strand = strand.next) {
      if ((strand.scope as Scope).isInside(from)) strand.mustCancel = false;
    }
  }

  /** Requests of the scopes inside. */
  requestsInside(): number {
    let count = 0;
    for (const scope of this.scopes ?? []) count += scope.requests;
    return count;
  }
}

/** Whether a cancellation waits for the next wait in `scope`. */
function hasUndelivered(scope: Scope): boolean {
  if (scope.root.task?._mustCancel()) return true;
  for (let s: Scope | null = scope; s !== null; s = s.parent) if (s.mustCancel) return true;
  return false;
}

function markDelivered(scope: Scope): void {
  scope.root.task?._dropUndelivered();
  for (let s: Scope | null = scope; s !== null; s = s.parent) s.mustCancel = false;
}

/** The scope of the calling code: that of the running driver, or the one that its async function was started in. */
export function callerScope(): Scope | null {
  let scope: Scope | null;
  if (current.owner === null) scope = storedScope();
  else scope = current.driver === null ? null : scopeOf(current.driver);
  while (scope !== null && scope.closed) scope = scope.parent;
  return scope === null || scope.root.task?.done() ? null : scope;
}

/** The scope that a driver is in now. */
export function scopeOf(driver: Driver): Scope | null {
  return driver instanceof Strand ? driver.scope : driver._rootScope().driverScope;
}

/** One open wait of async code: for a future, or for a coroutine of the library that it drives meanwhile. */
export class Strand {
  /** @internal */ readonly _loop: BaseEventLoop;
  scope: Scope | null = null;
  /** @internal */ _waiter: Future<any> | null = null;
  /** @internal Without a task, the coroutine that it drives has a context of its own. */
  _context: Context | null = null;
  #coro: Iterator<Suspend, any, unknown> | null = null;
  #resolve: Settle | null = null;
  #reject: Settle | null = null;
  #chain: Chain | null = null;
  #thrown: { error: unknown } | null = null;
  isOpen = false;
  mustCancel = false;
  previous: Strand | null = null;
  next: Strand | null = null;

  constructor(loop: BaseEventLoop) {
    this._loop = loop;
  }

  /** @internal The task that it belongs to. */
  get _task(): Task<any> | null {
    const task = this.scope?.root.task ?? null;
    return task === null || task.done() ? null : task;
  }

  begin(
    scope: Scope | null,
    coro: Iterator<Suspend, any, unknown> | null,
    resolve: Settle,
    reject: Settle,
  ): Chain {
    this.scope = scope;
    this.#coro = coro;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#chain = new Chain();
    return this.#chain;
  }

  /** Wait for `future`, or with null for the next turn of the ready queue. */
  wait(future: Future<any> | null): void {
    const { scope } = this;
    this._waiter = future;
    this.isOpen = true;
    if (scope !== null) scope.root.link(this);
    if (future === null) {
      this._loop._push(this);
      return;
    }
    future._addWaiter(this);
    if (scope !== null && hasUndelivered(scope) && future.cancel(scope.root.task?._value))
      markDelivered(scope);
  }

  /** Cancel what it waits for; if that is over, its next step throws. */
  cancel(msg: unknown): void {
    if (this._waiter !== null && this._waiter.cancel(msg)) return;
    this.mustCancel = true;
    const task = this.scope?.root.task;
    if (task !== null && task !== undefined) task._value = msg;
  }

  /** @internal */
  _run(): void {
    current.driver = null;
    current.owner = null;
    const future = this._waiter;
    const { scope } = this;
    this._waiter = null;
    this.isOpen = false;
    let cancelled = this.mustCancel;
    if (scope !== null) {
      scope.root.unlink(this);
      if (hasUndelivered(scope)) {
        cancelled = true;
        markDelivered(scope);
      }
    }
    this.mustCancel = false;
    const error = cancelled ? this.#cancelledError(future) : null;
    if (this.#coro !== null) this.#step(error);
    else if (error !== null) this.#end(false, error);
    else if (future === null) this.#end(true, undefined);
    else if (future._state === RESULT) this.#end(true, future._value);
    else this.#end(false, future._takeError());
  }

  /** The CancelledError to throw in place of what `future` has, unless that is one itself. */
  #cancelledError(future: Future<any> | null): CancelledError | null {
    if (future !== null) {
      if (future._endedCancelled()) return null;
      future._markRetrieved();
    }
    const msg = this.scope?.root.task?._value;
    return msg === undefined || msg === null ? new CancelledError() : new CancelledError(msg);
  }

  /** Drive the coroutine from its start. */
  start(): void {
    this.#step(null);
  }

  /** @internal The async body that the coroutine waits for is over: go on at once, in this microtask. */
  _resume(): void {
    this.#step(null);
  }

  /** @internal Throw `error` into the coroutine, in a turn of the loop. */
  _throwSoon(error: unknown): void {
    this.#thrown = { error };
    this.wait(null);
  }

  #step(cancellation: CancelledError | null): void {
    const coro = this.#coro as Iterator<Suspend, any, unknown>;
    const { loop, driver, owner } = current;
    const thrown = this.#thrown;
    this.#thrown = null;
    current.loop = this._loop;
    current.driver = this;
    current.owner = this._task ?? this;
    let result: IteratorResult<Suspend, any>;
    try {
      const error = cancellation ?? thrown?.error;
      result = error === undefined ? coro.next(RESUME) : throwInto(coro, error);
    } catch (error) {
      current.loop = loop;
      current.driver = driver;
      current.owner = owner;
      this.#end(false, error);
      return;
    }
    current.loop = loop;
    current.driver = driver;
    current.owner = owner;
    if (result.done) this.#end(true, result.value);
    else if (result.value === SUSPEND) this.#suspend();
    else if (result.value !== PARK) this._throwSoon(badYield(result.value, this._task));
  }

  #suspend(): void {
    const future = this._waiter;
    const problem = future === null ? null : whyNotAwaitable(future, this._loop, this._task);
    if (problem === null) {
      this.wait(future);
    } else {
      this._waiter = null;
      this._throwSoon(problem);
    }
  }

  #end(isResult: boolean, value: unknown): void {
    const settle = (isResult ? this.#resolve : this.#reject) as Settle;
    const chain = this.#chain as Chain;
    const { scope } = this;
    this.#coro = null;
    this.#resolve = null;
    this.#reject = null;
    this.#chain = null;
    this._context = null;
    this.scope = null;
    this._loop._needDrain();
    if (scope !== null) {
      if (scope.root.spare === null) scope.root.spare = this;
      if (current.storage === null) current.drainScope = scope;
    }
    chain.settle(settle, value);
  }

  /** @internal */
  _awaiter(): Future<any> | null {
    return this._task;
  }
}

/** `coro.throw`, for iterators that have none, too. */
export function throwInto(
  coro: Iterator<Suspend, any, unknown>,
  error: unknown,
): IteratorResult<Suspend, any> {
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

/**
 * What `then` gives: light, since `await` throws it away; a promise as soon as something is chained to it.
 */
class Chain implements PromiseLike<any> {
  #promise: Promise<any> | null = null;
  #settled: ((promise: { resolve: Settle; reject: Settle }) => void) | null = null;
  #waiting: { resolve: Settle; reject: Settle } | null = null;

  settle(callback: Settle, value: unknown): void {
    let out: unknown;
    try {
      out = callback(value);
    } catch (error) {
      this.#settle(({ reject }) => reject(error), error);
      return;
    }
    if (out !== undefined || this.#waiting !== null) this.#settle(({ resolve }) => resolve(out));
  }

  #settle(how: (promise: { resolve: Settle; reject: Settle }) => void, error?: unknown): void {
    this.#settled = how;
    if (this.#waiting !== null) how(this.#waiting);
    // Nobody chained anything: a callback's error must not be lost.
    else if (error !== undefined) void Promise.reject(error);
  }

  #native(): Promise<any> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#settled?.(this.#waiting);
    });
    return this.#promise;
  }

  // biome-ignore lint/suspicious/noThenProperty: it stands for a promise
  then<R1 = any, R2 = never>(
    onResult?: ((value: any) => R1 | PromiseLike<R1>) | null,
    onError?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): Promise<R1 | R2> {
    return this.#native().then(onResult, onError);
  }

  catch<R = never>(onError?: ((error: unknown) => R | PromiseLike<R>) | null): Promise<any> {
    return this.#native().catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<any> {
    return this.#native().finally(onEnd);
  }
}

function takeStrand(loop: BaseEventLoop, scope: Scope | null): Strand {
  const spare = scope === null ? null : scope.root.spare;
  if (spare === null) return new Strand(loop);
  (scope as Scope).root.spare = null;
  return spare;
}

/** `await future` in async code: at once if it is done, else a strand of the running task. */
export function awaitFuture(future: Future<any>, resolve: Settle, reject: Settle): PromiseLike<any> {
  const scope = callerScope();
  const loop = scope?.root.loop ?? future._loop;
  const chain = takeChain(future, scope, resolve, reject);
  if (chain !== null) return chain;
  if (loop._notesAwaits) noteAwait(scope?.root.task ?? null);
  const strand = takeStrand(loop, scope);
  const open = strand.begin(scope, null, resolve, reject);
  strand.wait(future);
  return open;
}

/** What needs no strand: a future that is done, or one that cannot be waited for here. */
function takeChain(future: Future<any>, scope: Scope | null, resolve: Settle, reject: Settle): Chain | null {
  const problem = scope === null ? null : whyNotAwaitable(future, scope.root.loop, scope.root.task);
  if (problem === null && !future.done()) return null;
  const chain = new Chain();
  if (problem !== null) chain.settle(reject, problem);
  else if (future._state === RESULT) chain.settle(resolve, future._value);
  else chain.settle(reject, future._takeError());
  return chain;
}

/** `await coroutine` in async code: it is driven inline, as a strand of the running task. */
export function awaitCoroutine(
  coro: Iterator<Suspend, any, unknown>,
  resolve: Settle,
  reject: Settle,
): PromiseLike<any> {
  const scope = callerScope();
  const loop = scope?.root.loop ?? current.loop;
  if (loop === null) {
    const chain = new Chain();
    chain.settle(reject, noLoop());
    return chain;
  }
  const strand = takeStrand(loop, scope);
  const chain = strand.begin(scope, coro, resolve, reject);
  strand.start();
  return chain;
}

/** `await sleep(0)` in async code: a strand that only wants its next turn. */
export function awaitTurn(resolve: Settle, reject: Settle): PromiseLike<any> {
  const scope = callerScope();
  const loop = scope?.root.loop ?? current.loop;
  if (loop === null) {
    const chain = new Chain();
    chain.settle(reject, noLoop());
    return chain;
  }
  const strand = takeStrand(loop, scope);
  const chain = strand.begin(scope, null, resolve, reject);
  strand.wait(null);
  return chain;
}

function noLoop(): RuntimeError {
  const hint =
    current.storage === null && current.drainScope === null
      ? ': await it in a task (asyncio.run, createTask); where the host cannot follow async functions, wait for a ' +
        'foreign promise through fromPromise'
      : ': await it in a task (asyncio.run, createTask)';
  return new RuntimeError(`no running event loop${hint}`);
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
  if (!(driver instanceof Strand) && isGeneratorFunction(body)) return driver;
  // A strand without a task (clean-up after its end, a callback) has scopes all the same.
  const parent = scopeOf(driver) ?? new RootScope(null, driver._loop);
  const scope = new Scope(parent);
  (scope.root.scopes ??= new Set()).add(scope);
  setScope(driver, scope);
  return scope;
}

/** Leave what `enterScope` gave; the driver is in the scope around it again. */
export function leaveScope(target: CancelTarget): void {
  if (!(target instanceof Scope)) return;
  target.close();
  const { driver } = current;
  if (driver !== null) setScope(driver, target.parent);
}

function setScope(driver: Driver, scope: Scope | null): void {
  if (driver instanceof Strand)
    driver.scope = scope?.root.task === null && scope.parent === null ? null : scope;
  else driver._rootScope().driverScope = scope as Scope;
}

const GeneratorFunction = Object.getPrototypeOf(function* () {}) as object;

/** Whether calling `fn` gives a generator, without a line of it run. */
export function isGeneratorFunction(fn: unknown): boolean {
  return typeof fn === 'function' && Object.getPrototypeOf(fn) === GeneratorFunction;
}
