/** Tasks. Counterpart: the first half of `asyncio/tasks.py`; `waiting.ts` has the second. */
import { badYield } from './bad-yield.ts';
import type { BaseEventLoop } from './base-events.ts';
import { Context, copyContextOrNull } from './contextvars.ts';
import {
  coroutineName,
  FunctionCoroutine,
  fromPromise,
  iscoroutine,
  type Runnable,
  toCoroutine,
} from './coroutines.ts';
import { type AbstractEventLoop, getEventLoop, getRunningLoop, requireLoop } from './events.ts';
import { CancelledError, isBaseError, isCancelledError, RuntimeError } from './exceptions.ts';
import { formatStack, parseStack, repr } from './format-helpers.ts';
import type { Surroundings } from './host.ts';
import { Future, isfuture, lateMessages, MUST_CANCEL, QUIET } from './futures.ts';
import { CANCELLED, current, ERROR, PARK, PENDING, RESULT, RESUME, runningTask, SUSPEND } from './running.ts';
import { type CancelTarget, RootScope, type Scope } from './scopes.ts';
import { callerScope, throwInto, whyNotAwaitable } from './strands.ts';
import { awaitPlace, forgetRequest, noteRequest, warnSwallowed } from './task-notes.ts';
import type { AwaitableLike, Coroutine, CoroutineLike, Gen, StackFrame, Suspend } from './types.ts';

/** Options of everything that makes a task. */
export interface TaskOptions {
  /** @internal The first step waits for this future: a place in a group with a limit. */
  _slot?: Future<void>;
  /** Its name; default `Task-1`, `Task-2`, … Anything is turned into a string. */
  name?: unknown;
  /** The context to run in, as it is; default a copy of the current one. */
  context?: Context | null;
  /** Run the first step now, inside the call. */
  eagerStart?: boolean;
  /** Cancels the task when it aborts, with its reason as message. */
  signal?: AbortSignal;
}

/** What makes the tasks of a loop. */
export type TaskFactory = (
  loop: AbstractEventLoop,
  coro: CoroutineLike<any>,
  options?: TaskOptions,
) => Task<any>;

/** A class of tasks. */
export type TaskConstructor = new <T>(
  coro: CoroutineLike<T>,
  options?: TaskOptions & { loop?: AbstractEventLoop | null },
) => Task<T>;

let nameCounter = 0;

/** Somebody asked for `signal`. */
const HAS_SIGNAL = 64;
/** The first step waits for a place. */
const HAS_SLOT = 32;
/** A cancellation was asked for, and where is noted. */
const REQUEST_NOTED = 128;
/** `cancel` is on the stack. */
const IN_CANCEL = 256;

/** What hears of a task's cancellation requests: the signals of the scopes inside. */
export const cancelListeners = new WeakMap<object, (reason: CancelledError) => void>();
const controllers = new WeakMap<Task<any>, AbortController>();
const unfollow = new WeakMap<Task<any>, () => void>();

/**
 * A coroutine that runs by itself, side by side with others. Made by `createTask`.
 *
 * The loop holds it until it is done. An error that nobody retrieves is reported once.
 *
 * Source: CPython 3.14 `asyncio.Task`.
 */
export class Task<T> extends Future<T> implements CancelTarget {
  /** @internal */ _coro: Runnable<T> | null;
  // What it waits for: null while it runs, or is ready, or waits for an async body.
  /** @internal */ _waiter: Future<any> | null = null;
  /** @internal */ _context: Context | null;
  /** @internal */ _name: string | number;
  /** @internal */ _cancelRequests = 0;
  // Only tasks with async code in them have one.
  /** @internal */ _root: RootScope | null = null;
  // Neighbours in the loop's list of tasks.
  /** @internal */ _previous: Task<any> | null = null;
  /** @internal */ _next: Task<any> | null = null;

  /**
   * Prefer `createTask`.
   *
   * @throws TypeError if `coro` is no coroutine.
   */
  constructor(coro: CoroutineLike<T>, options?: TaskOptions & { loop?: AbstractEventLoop | null }) {
    super(options);
    if (options !== undefined) checkOptions(options);
    if (options?.signal !== undefined) checkSignal(options.signal);
    this._coro = toCoroutine(coro);
    const name = options?.name;
    this._name = name === undefined || name === null ? ++nameCounter : String(name);
    const context = options?.context;
    if (context !== undefined && context !== null && !(context instanceof Context)) {
      throw new TypeError(`context must be a Context, got ${repr(context)}`);
    }
    this._context = context ?? copyContextOrNull();
    // Async code keeps the storages' values of the code that made its task; in a step of ours there are none.
    const { storage } = current;
    if (storage !== null && this._coro instanceof FunctionCoroutine && storage.getStore() !== undefined) {
      this._coro._surroundings = storage.snapshot();
    }
    const loop = this._loop;
    loop._tasks.add(this);
    if (options?._slot !== undefined) this.startAfter(options._slot);
    else if (options?.eagerStart && loop.isRunning()) this.startNow();
    else loop._push(this);
    if (options?.signal !== undefined) this.follow(options.signal);
  }

  /** @internal */
  get _task(): this {
    return this;
  }

  /** @internal Whether `coro` is the task's own coroutine, and its root scope the context of that. */
  _isMain(coro: object): boolean {
    return this._coro === coro;
  }

  /** Its name. */
  getName(): string {
    return typeof this._name === 'number' ? `Task-${this._name}` : this._name;
  }

  /** Give it another name; anything is turned into a string. */
  setName(value: unknown): void {
    this._name = String(value);
  }

  /** Its coroutine; null for a task that finished in its eager start. */
  getCoro(): Coroutine<T> | Gen<T> | null {
    return this._coro as unknown as Coroutine<T> | null;
  }

  /** The context of its steps. */
  getContext(): Context {
    this._context ??= new Context();
    return this._context;
  }

  /**
   * Ask it to stop: a CancelledError is thrown into its coroutine at the next step. The coroutine may clean up, or
   * refuse; whether the task was cancelled is known when it is done. What the task waits for is cancelled as well.
   *
   * @param msg - becomes the message of the CancelledError.
   * @returns false if it was done already.
   */
  override cancel(msg?: unknown): boolean {
    this._markRetrieved();
    if (this._state !== PENDING) return false;
    this._cancelRequests++;
    if (noteRequest(this)) this._flags |= REQUEST_NOTED;
    if (this._flags & HAS_SIGNAL) this.abortSignals(msg);
    this.cancelWaits(msg);
    return true;
  }

  private cancelWaits(msg: unknown): void {
    // Tasks that wait for each other in a circle would go round for ever.
    if (this._flags & IN_CANCEL) return;
    this._flags |= IN_CANCEL;
    if (this._root !== null) this._root.cancelInside(this._root, msg);
    else if (this._waiter === null || !this._waiter.cancel(msg)) this._requireCancel(msg);
    this._flags &= ~IN_CANCEL;
  }

  /** @internal `cancel()` on behalf of a timeout or group in the task's own generator: the signals are theirs. */
  _cancelInside(): void {
    this._markRetrieved();
    if (this._state !== PENDING) return;
    this._cancelRequests++;
    this.cancelWaits(undefined);
  }

  /** How many cancellation requests were not taken back, those of the timeouts and groups inside included. */
  cancelling(): number {
    const root = this._root;
    if (root === null) return this._cancelRequests;
    const scope = this.ownScope(root);
    return scope === null ? this._cancelRequests + root.requestsInside() : scope.cancelling();
  }

  /** Take one cancellation request back. At none left, a cancellation that was not thrown yet is dropped. */
  uncancel(): number {
    const root = this._root;
    if (root !== null) {
      const scope = this.ownScope(root);
      root.takeBackOutermost(scope);
      if (this.cancelling() === 0) root.dropUndelivered(scope ?? root);
    } else if (this._cancelRequests > 0 && --this._cancelRequests === 0) {
      this._dropUndelivered();
    }
    if (this._cancelRequests === 0) {
      if (this._flags & HAS_SIGNAL) this.renewSignal();
      if (this._flags & REQUEST_NOTED) forgetRequest(this);
    }
    return this.cancelling();
  }

  // The scope that the calling code is in, if it is this task's code.
  private ownScope(root: RootScope): Scope | null {
    const scope = callerScope();
    return scope !== null && scope.root === root ? scope : null;
  }

  /** Not for tasks: their coroutine gives the result. */
  override setResult(_result: T): never {
    throw new RuntimeError('Task does not support setResult operation');
  }

  /** Not for tasks: their coroutine throws the error. */
  override setException(_exception: unknown): never {
    throw new RuntimeError('Task does not support setException operation');
  }

  /** An AbortSignal that aborts when the task is asked to cancel; a fresh one after `uncancel()` reached 0. */
  get signal(): AbortSignal {
    let controller = controllers.get(this);
    if (controller === undefined) {
      controller = new AbortController();
      controllers.set(this, controller);
      this._flags |= HAS_SIGNAL;
      if (this._cancelRequests > 0) controller.abort(new CancelledError());
    }
    return controller.signal;
  }

  /** @internal A scope inside has a signal, which a request aborts. */
  _hasSignals(): void {
    this._flags |= HAS_SIGNAL;
  }

  private abortSignals(msg: unknown): void {
    const reason = new CancelledError(msg ?? undefined);
    controllers.get(this)?.abort(reason);
    cancelListeners.get(this)?.(reason);
  }

  private renewSignal(): void {
    if (controllers.get(this)?.signal.aborted) controllers.delete(this);
  }

  private follow(signal: AbortSignal): void {
    if (this._state !== PENDING) return;
    const abort = (): void => {
      this.cancel(signal.reason);
    };
    if (signal.aborted) {
      abort();
    } else {
      this._loop._host.allowListeners?.(signal);
      signal.addEventListener('abort', abort, { once: true });
      unfollow.set(this, () => signal.removeEventListener('abort', abort));
      this.addDoneCallback(() => unfollow.get(this)?.());
    }
  }

  /**
   * Where it is: of a suspended task the place of its last await, if debug mode or a test loop noted it; of a failed
   * one the frames of its error, oldest first; of any other nothing.
   *
   * @param options.limit - keep the newest frames of a stack, the oldest of an error.
   */
  getStack(options?: { limit?: number | null }): StackFrame[] {
    const limit = Math.max(0, options?.limit ?? Number.POSITIVE_INFINITY);
    if (this._state === ERROR) {
      return parseStack((this._value as Error | undefined)?.stack)
        .reverse()
        .slice(0, limit);
    }
    if (this._state !== PENDING || limit === 0 || this._coro === null) return [];
    const functionName = coroutineName(this._coro);
    return [awaitPlace(this) ?? { file: '<unknown>', line: 0, column: 0, functionName }];
  }

  /** Print `getStack` under a heading, to standard error or `file`. */
  printStack(options?: { limit?: number | null; file?: { write(text: string): unknown } | null }): void {
    const frames = this.getStack(options);
    const failed = this._state === ERROR;
    const kind = frames.length === 0 ? 'No stack' : failed ? 'Traceback' : 'Stack';
    const lines = [`${kind} for ${this}${frames.length === 0 ? '' : ' (most recent call last):'}`];
    if (frames.length > 0) lines.push(formatStack([...frames].reverse()));
    if (failed) {
      const error = this._value;
      lines.push(error instanceof Error ? `${error.name}: ${error.message}` : repr(error));
    }
    const text = `${lines.join('\n')}\n`;
    if (options?.file) options.file.write(text);
    else console.error(text.trimEnd());
  }

  /** @internal One step: everything between two suspensions. */
  _run(): void {
    const waiter = this._waiter;
    this._waiter = null;
    current.driver = this;
    current.owner = this;
    let result: IteratorResult<Suspend, T>;
    try {
      const coro = this._coro as Runnable<T>;
      result = this._flags & (MUST_CANCEL | HAS_SLOT) ? this.stepWithFlags(coro, waiter) : coro.next(RESUME);
    } catch (error) {
      this.threw(error);
      return;
    }
    if (result.done) this.returned(result.value);
    else this.suspended(result.value);
  }

  private stepWithFlags(coro: Runnable<T>, waiter: Future<any> | null): IteratorResult<Suspend, T> {
    const hadSlot = (this._flags & HAS_SLOT) !== 0;
    this._flags &= ~HAS_SLOT;
    // Cancelled in line: the coroutine does not run a line.
    if (hadSlot && waiter !== null && waiter.cancelled()) {
      this._flags &= ~MUST_CANCEL;
      return throwInto(coro, waiter._makeCancelledError());
    }
    return this._flags & MUST_CANCEL ? this.throwCancellation(coro, waiter) : coro.next(RESUME);
  }

  private throwCancellation(coro: Runnable<T>, waiter: Future<any> | null): IteratorResult<Suspend, T> {
    this._flags &= ~MUST_CANCEL;
    // A CancelledError that is on its way is not replaced: the future throws it.
    if (waiter?._endedCancelled()) return coro.next(RESUME);
    waiter?._markRetrieved();
    return throwInto(coro, this._makeCancelledError());
  }

  /** @internal The async body that the coroutine waits for is over: go on at once, in this microtask. */
  _resume(): void {
    (this._root as RootScope).isParked = false;
    if (this._state !== PENDING) return;
    try {
      this.stepInside();
    } catch (leaving) {
      this._loop._leave(leaving);
    }
  }

  private startAfter(slot: Future<void>): void {
    this._flags |= HAS_SLOT;
    this._waiter = slot;
    slot._addWaiter(this);
  }

  // KeyboardInterrupt and SystemExit go out of `createTask`, as in CPython.
  private startNow(): void {
    this.stepInside();
    if (this._state !== PENDING) {
      this._coro = null;
      return;
    }
    // Registered when it suspends: after the tasks that its first step has made.
    const { _tasks: tasks } = this._loop;
    tasks.delete(this);
    tasks.add(this);
  }

  // A step within other code: what runs there goes on afterwards.
  private stepInside(): void {
    const { loop, driver, owner } = current;
    current.loop = this._loop;
    try {
      this.advance();
    } finally {
      current.loop = loop;
      current.driver = driver;
      current.owner = owner;
    }
  }

  // No step begins here: a cancellation that waits for one goes on waiting.
  private advance(): void {
    current.driver = this;
    current.owner = this;
    let result: IteratorResult<Suspend, T>;
    try {
      result = (this._coro as Runnable<T>).next(RESUME);
    } catch (error) {
      this.threw(error);
      return;
    }
    if (result.done) this.returned(result.value);
    else this.suspended(result.value);
  }

  private throwStep(error: unknown): void {
    current.driver = this;
    current.owner = this;
    const coro = this._coro as Runnable<T>;
    let result: IteratorResult<Suspend, T>;
    try {
      result =
        this._flags & MUST_CANCEL && !isCancelledError(error)
          ? this.throwCancellation(coro, null)
          : throwInto(coro, error);
    } catch (thrown) {
      this.threw(thrown);
      return;
    }
    if (result.done) this.returned(result.value);
    else this.suspended(result.value);
  }

  /** @internal Throw `error` into the coroutine, in a turn of the loop. */
  _throwSoon(error: unknown): void {
    this._loop._push({ _run: () => this.throwStep(error) });
  }

  private suspended(yielded: Suspend): void {
    const loop = this._loop;
    if (yielded === SUSPEND) {
      const waiter = this._waiter;
      if (waiter === null) {
        loop._push(this);
      } else if (waiter._loop === loop && waiter !== this) {
        waiter._addWaiter(this);
        if (this._flags & MUST_CANCEL && waiter.cancel(this._value)) this._flags &= ~MUST_CANCEL;
      } else {
        this._waiter = null;
        this._throwSoon(whyNotAwaitable(waiter, loop, this));
      }
    } else if (yielded === PARK) {
      this._rootScope().isParked = true;
    } else if (yielded === undefined) {
      loop._push(this);
    } else {
      this._throwSoon(badYield(yielded, this));
    }
  }

  private returned(value: T): void {
    if (this._flags & MUST_CANCEL) {
      // Cancelled right before the coroutine stopped.
      this._flags &= ~MUST_CANCEL;
      this._finish(CANCELLED, this._value);
    } else {
      if (this._flags & REQUEST_NOTED && this._cancelRequests > 0)
        warnSwallowed(this, `Task ${repr(this.getName())}`);
      if (this._value !== undefined) lateMessages.set(this, this._value);
      this._finish(RESULT, value);
    }
    this.leave();
  }

  private threw(error: unknown): void {
    if (isCancelledError(error)) this._endCancelled(error);
    else {
      if (this._value !== undefined) lateMessages.set(this, this._value);
      this._fail(error);
    }
    this.leave();
    if (isBaseError(error)) throw error;
  }

  private leave(): void {
    this._loop._tasks.delete(this);
    if (this._root !== null) this._root.close();
  }

  /** @internal */
  _rootScope(): RootScope {
    this._root ??= new RootScope(this);
    return this._root;
  }

  /** @internal The next step throws a CancelledError. */
  _requireCancel(msg: unknown): void {
    this._flags |= MUST_CANCEL;
    this._value = msg;
  }

  /** @internal */
  _mustCancel(): boolean {
    return (this._flags & MUST_CANCEL) !== 0;
  }

  /** @internal */
  _dropUndelivered(): void {
    this._flags &= ~MUST_CANCEL;
  }

  /** @internal A scope inside has ended with requests of its own left. */
  _takeOver(requests: number, mustCancel: boolean): void {
    this._cancelRequests += requests;
    if (mustCancel) this._flags |= MUST_CANCEL;
  }

  /** @internal Who waits for what this task waits for: the task itself. */
  _awaiter(): this {
    return this;
  }

  /** @internal */
  override _makeCancelledError(): CancelledError {
    // While it is pending, the field holds the message of the request.
    if (this._state !== PENDING) return super._makeCancelledError();
    return new CancelledError(this._value ?? undefined);
  }

  /** @internal */
  override _standIn(): Future<T> {
    const standIn = super._standIn() as Task<T>;
    standIn._coro = { name: this._coro === null ? '' : coroutineName(this._coro) } as unknown as Runnable<T>;
    standIn._root = null;
    return standIn;
  }

  /** @internal Nobody is told when it is pending at the end: the library made it for itself. */
  _beQuiet(): void {
    this._flags |= QUIET;
  }

  /** @internal */
  _isQuiet(): boolean {
    return (this._flags & QUIET) !== 0;
  }

  /** @internal */
  override _details(): string[] {
    const details = super._details();
    if (this._state === PENDING && this.cancelling() > 0) details[0] = 'cancelling';
    const more = [`name=${repr(this.getName())}`];
    if (this._coro !== null) more.push(`coro=<${coroutineName(this._coro)}()${this.place()}>`);
    if (this._waiter !== null) more.push(`wait_for=${this._waiter}`);
    details.splice(1, 0, ...more);
    return details;
  }

  private place(): string {
    const frame = this._state === PENDING ? awaitPlace(this) : null;
    return frame === null ? '' : ` running at ${frame.file}:${frame.line}`;
  }
}

/** Refuse what is no options object, such as a name in its place. */
export function checkOptions(options: unknown): void {
  if (typeof options === 'object' && options !== null) return;
  throw new TypeError(`options must be an object such as { name: 'x' }, got ${repr(options)}`);
}

/** Refuse what is no AbortSignal, an AbortController above all. */
export function checkSignal(signal: unknown): void {
  if (typeof (signal as AbortSignal | null | undefined)?.addEventListener === 'function') return;
  const hint = signal instanceof AbortController ? ': pass controller.signal' : '';
  throw new TypeError(`signal must be an AbortSignal, got ${repr(signal)}${hint}`);
}

/** A task whose steps run in the surroundings of the code that made it (`asyncContext: true`). */
export class SurroundedTask<T> extends Task<T> {
  // Undefined during an eager start, which is in these surroundings anyway.
  #around: Surroundings | undefined;

  constructor(coro: CoroutineLike<T>, options?: TaskOptions & { loop?: AbstractEventLoop | null }) {
    super(coro, options);
    const { storage } = this._loop._host;
    if (storage !== null) this.#around = storage.emptySnapshot();
  }

  /** @internal */
  override _className(): string {
    return 'Task';
  }

  /** @internal */
  override _run(): void {
    if (#around in this && this.#around !== undefined) this.#around.run(() => super._run());
    else super._run();
  }
}

/**
 * Run a coroutine as a task, side by side with the code that goes on. Its first step comes in the loop's next
 * iteration.
 *
 * @param coro - a coroutine, a generator, or a function of no arguments (async or generator).
 * @throws RuntimeError without a running loop; TypeError for anything that is no coroutine, such as a promise, whose
 *   work runs already.
 *
 * Source: CPython 3.14 `asyncio.create_task`.
 */
export function createTask<T>(coro: CoroutineLike<T>, options?: TaskOptions): Task<T> {
  return requireLoop().createTask(coro, options);
}

/**
 * The task whose code runs now, or null in a plain callback.
 *
 * @throws RuntimeError without a running loop, if none is given.
 *
 * Source: CPython 3.14 `asyncio.current_task`.
 */
export function currentTask(loop?: AbstractEventLoop | null): Task<any> | null {
  const wanted = loop ?? getRunningLoop();
  const task = runningTask();
  return task !== null && task._loop === wanted ? task : null;
}

/**
 * The tasks of the loop that are not done, in order of creation.
 *
 * @throws RuntimeError without a running loop, if none is given.
 *
 * Source: CPython 3.14 `asyncio.all_tasks`.
 */
export function allTasks(loop?: AbstractEventLoop | null): Set<Task<any>> {
  return new Set(((loop ?? getRunningLoop()) as BaseEventLoop)._tasks);
}

/**
 * A future for anything awaitable: a future as it is, a coroutine as a task, a promise in a task that awaits it.
 *
 * @throws TypeError for anything else; RangeError for a future of another loop than `options.loop`.
 *
 * Source: CPython 3.14 `asyncio.ensure_future`.
 */
export function ensureFuture<T>(
  coroOrFuture: AwaitableLike<T>,
  options?: { loop?: AbstractEventLoop | null },
): Future<T> {
  const loop = options?.loop ?? null;
  if (isfuture(coroOrFuture)) {
    if (loop !== null && (coroOrFuture as Future<T>).getLoop() !== loop) {
      throw new RangeError(
        'The future belongs to a different loop than the one specified as the loop argument',
      );
    }
    return coroOrFuture as Future<T>;
  }
  const target = loop ?? getEventLoop();
  return target.createTask(asCoroutine(coroOrFuture));
}

/** A coroutine for what `run` and `ensureFuture` take: a promise is awaited in one. */
export function asCoroutine<T>(obj: AwaitableLike<T>): CoroutineLike<T> {
  if (typeof obj === 'function') return obj;
  if (iscoroutine(obj)) return obj;
  if (typeof (obj as PromiseLike<T> | null | undefined)?.then !== 'function') {
    const hint =
      (obj as { returnExceptions?: unknown } | null | undefined)?.returnExceptions === undefined
        ? ''
        : ': options follow an array, gather([a, b], { returnExceptions: true })';
    throw new TypeError(
      `An asyncio.Future, a coroutine or an awaitable is required, got ${repr(obj)}${hint}`,
    );
  }
  // A started promise that fails before its task begins must not count as unhandled.
  if (obj instanceof Promise) obj.catch(() => {});
  // A generator, so that the wait for the promise can be cancelled.
  return function* wrapAwaitable(): Gen<T> {
    return yield* isfuture(obj) ? (obj as Future<T>) : fromPromise(obj as PromiseLike<T>);
  };
}

/**
 * A factory for `loop.setTaskFactory` that makes tasks of `customTaskConstructor`, started eagerly unless the call
 * says otherwise.
 *
 * Source: CPython 3.14 `asyncio.create_eager_task_factory`.
 */
export function createEagerTaskFactory(customTaskConstructor: TaskConstructor): TaskFactory {
  return (loop, coro, options) => new customTaskConstructor(coro, { eagerStart: true, ...options, loop });
}

/**
 * The factory of eager tasks: the first step of a coroutine runs inside `createTask`. A generator that never
 * suspends gives a task that is done already; of an async function only the start is certain.
 *
 * Source: CPython 3.14 `asyncio.eager_task_factory`.
 */
export const eagerTaskFactory: TaskFactory = /* @__PURE__ */ createEagerTaskFactory(Task);

/**
 * For other classes of tasks: make `task` the current one.
 *
 * @throws RuntimeError if another one is.
 *
 * Source: CPython 3.14 `asyncio._enter_task`.
 */
export function _enterTask(_loop: AbstractEventLoop, task: Task<any>): void {
  if (current.driver !== null) {
    throw new RuntimeError(
      `Cannot enter into task ${task} while another task ${current.driver._task} is being executed.`,
    );
  }
  current.driver = task;
}

/**
 * For other classes of tasks: the opposite of `_enterTask`.
 *
 * @throws RuntimeError if another task is the current one.
 *
 * Source: CPython 3.14 `asyncio._leave_task`.
 */
export function _leaveTask(_loop: AbstractEventLoop, task: Task<any>): void {
  if (current.driver !== task) {
    throw new RuntimeError(
      `Leaving task ${task} does not match the current task ${current.driver?._task ?? null}.`,
    );
  }
  current.driver = null;
}

/**
 * For other classes of tasks: `allTasks` knows it from now on.
 *
 * Source: CPython 3.14 `asyncio._register_task`.
 */
export function _registerTask(task: Task<any>): void {
  task._loop._tasks.add(task);
}

/**
 * For other classes of tasks: `allTasks` forgets it.
 *
 * Source: CPython 3.14 `asyncio._unregister_task`.
 */
export function _unregisterTask(task: Task<any>): void {
  task._loop._tasks.delete(task);
}

/** The tasks of a loop that are not done, linked in order of creation: a `Set` would cost three times as much. */
export class TaskList implements Iterable<Task<any>> {
  #first: Task<any> | null = null;
  #last: Task<any> | null = null;
  size = 0;

  add(task: Task<any>): void {
    if (this.holds(task)) return;
    task._previous = this.#last;
    if (this.#last === null) this.#first = task;
    else this.#last._next = task;
    this.#last = task;
    this.size++;
  }

  delete(task: Task<any>): void {
    if (!this.holds(task)) return;
    const { _previous: previous, _next: next } = task;
    if (previous === null) this.#first = next;
    else previous._next = next;
    if (next === null) this.#last = previous;
    else next._previous = previous;
    task._previous = null;
    task._next = null;
    this.size--;
  }

  private holds(task: Task<any>): boolean {
    return task._previous !== null || this.#first === task;
  }

  *[Symbol.iterator](): Iterator<Task<any>> {
    for (let task = this.#first; task !== null; task = task._next) yield task;
  }
}
