/** The event loop, apart from the place it runs in. Counterpart: `asyncio/base_events.py`. */
import {
  MAX_SLICE_HANDLES,
  MIN_SLICE_HANDLES,
  READY_RING_SIZE,
  SLICE_SECONDS,
  SLOW_CALLBACK_SECONDS,
} from './constants.ts';
import type { Context } from './contextvars.ts';
import { coroutine, iscoroutine, iscoroutinefunction, isAsyncFunction } from './coroutines.ts';
import { DeadlockError } from './deadlock.ts';
import { AbstractEventLoop, type ExceptionHandler, Handle, TimerHandle, toSeconds } from './events.ts';
import { isBaseError, RuntimeError } from './exceptions.ts';
import { formatError, formatStack, repr } from './format-helpers.ts';
import { Future, isfuture } from './futures.ts';
import type { Host, StepObserver } from './host.ts';
import { logger } from './log.ts';
import { Ring } from './ring.ts';
import { current, type Ready, runningLoop } from './running.ts';
import { notes } from './task-notes.ts';
import {
  checkOptions,
  ensureFuture,
  SurroundedTask,
  Task,
  type TaskFactory,
  TaskList,
  type TaskOptions,
} from './tasks.ts';
import { type Timed, TimerHeap } from './timer-heap.ts';
import type {
  AwaitableLike,
  Coroutine,
  CoroutineLike,
  Delay,
  ExceptionContext,
  Gen,
  StackFrame,
} from './types.ts';
import { releaseClaimed, reportUnawaited, unawaited } from './unawaited.ts';
import { Unretrieved } from './unretrieved.ts';

/** A step has let async code go on: the next handle waits until the microtasks have drained. */
const DRAIN = 1;
/** An error leaves the loop. */
const LEAVE = 2;

/** What ends a run. */
interface Run {
  /** Started by a submission: there is no main task, and an idle loop is no deadlock. */
  readonly isServing: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * An event loop on a host. `EventLoop` is one on the host of the platform.
 *
 * Source: CPython 3.14 `asyncio.BaseEventLoop`.
 */
export abstract class BaseEventLoop extends AbstractEventLoop {
  /** Seconds from which on debug mode reports a callback as slow. */
  slowCallbackDuration = SLOW_CALLBACK_SECONDS;

  /** @internal */ readonly _host: Host;
  /** @internal */ readonly _timers = new TimerHeap();
  /** @internal */ readonly _tasks = new TaskList();
  /** @internal */ readonly _unretrieved: Unretrieved = new Unretrieved(this);
  /** @internal Set by `trackAsyncgen`, so that only programs that use it load it. */
  _closeAsyncgens: (() => Coroutine<void>) | null = null;
  /** @internal The options of everything that belongs to this loop. */
  readonly _own: { readonly loop: BaseEventLoop } = { loop: this };
  /** @internal Waits that only events outside the loop can end. */
  _foreignWaits = 0;
  /** @internal Work outside of the loop that will certainly answer: processes. */
  _outsideWork = 0;
  /** @internal What `Runner.close` ends beside the tasks. Set by what has started it, so that only such programs load it. */
  _endOutsideWork: (() => Coroutine<void>) | null = null;
  /** @internal Whether the steps of generator tasks see the storages' values of the code that made them. */
  _keepsAsyncContext = false;
  /** @internal Whether the place of each await is noted. */
  _notesAwaits = false;

  readonly #ready = new Ring<Ready>(READY_RING_SIZE);
  #iterationEnd = 0;
  /** What the pump has to look at after a handle. */
  #attention = 0;
  #failure: { error: unknown } | null = null;
  /** Handles that the present slice may still run, and what the next one may. */
  #left = 0;
  #budget = 256;
  #sliceStart = 0;
  /** Time may have passed the first deadline: set at the start of a slice and by each new first timer. */
  #looksAtTimers = true;
  /** Somebody has called the host, or runs: new handles need not wake it. */
  #isAwake = false;
  #run: Run | null = null;
  #hasIterated = false;
  #isStopping = false;
  #isClosed = false;
  #debug = false;
  /** Whether somebody looks at every step: debug mode, or the host. */
  #isObserved: boolean;
  readonly #steps: StepObserver | undefined;
  #currentHandle: Ready | null = null;
  #stepStart = 0;
  #taskFactory: TaskFactory | null = null;
  #exceptionHandler: ExceptionHandler | null = null;
  readonly #continue = (): void => {
    if (this.#isObserved) this.#afterStep();
    this.#enter();
  };

  constructor(host: Host) {
    super();
    this._host = host;
    this.#steps = host.steps;
    this.#isObserved = host.steps !== undefined;
  }

  /**
   * Run until `stop()`.
   *
   * @throws (by rejection) RuntimeError if the loop is closed or runs already, or if called within another loop.
   */
  override runForever(): Promise<void> {
    return this.#start(false);
  }

  /** @internal Run for whoever submits something: nobody waits for the end of this run. */
  _serve(): Promise<void> {
    return this.#start(true);
  }

  #start(isServing: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#checkClosed();
      if (isServing && this.#run !== null) throw new RuntimeError('This event loop is already running');
      if (!isServing) this.#checkRunning();
      this.#run = { resolve, reject, isServing };
      this.#hasIterated = false;
      this.#failure = null;
      this._host.open(this);
      this.#wake();
    });
  }

  /**
   * Run until `future` is done; a coroutine becomes a task.
   *
   * @returns its result.
   * @throws (by rejection) its error; RuntimeError if the loop is stopped first, and as for `runForever`.
   */
  override async runUntilComplete<T>(future: AwaitableLike<T>): Promise<T> {
    this.#checkClosed();
    this.#checkRunning();
    const isNew = !isfuture(future);
    const target = ensureFuture(future, { loop: this });
    if (isNew && target instanceof Task) target._beQuiet();
    target.addDoneCallback(stopUnlessLeaving);
    try {
      await this.runForever();
    } catch (error) {
      // What has left the loop is known to the caller.
      if (target.done()) target._markRetrieved();
      throw error;
    } finally {
      target.removeDoneCallback(stopUnlessLeaving);
    }
    if (!target.done()) throw new RuntimeError('Event loop stopped before Future completed.');
    return target.result();
  }

  /** End the run after the present iteration; before a run, let it do one iteration only. */
  override stop(): void {
    this.#isStopping = true;
    if (this.#run !== null) this.#wake();
  }

  /** Whether it is between the start and the end of a run. */
  override isRunning(): boolean {
    return this.#run !== null;
  }

  /** Whether `close` was called. */
  override isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Drop what is queued and timed; report the tasks that are still pending and the errors that nobody retrieved.
   *
   * @throws RuntimeError while it runs.
   */
  override close(): void {
    if (this.#run !== null) throw new RuntimeError('Cannot close a running event loop');
    if (this.#isClosed) return;
    if (this.#debug) logger.debug(`Close ${this}`);
    this.#isClosed = true;
    this.#ready.clear();
    this.#iterationEnd = 0;
    this._timers.clear();
    for (const task of this._tasks) this.#reportPending(task);
    this._unretrieved.flush();
    if (this.#debug) unawaited.debug = false;
    if (unawaited.enabled) reportUnawaited();
  }

  #reportPending(task: Task<any>): void {
    if (task._isQuiet()) return;
    const context: ExceptionContext = { message: 'Task was destroyed but it is pending!', task };
    const created = task._created();
    if (created !== undefined) context['sourceTraceback'] = created;
    this.callExceptionHandler(context);
  }

  /** Close the async generators that the loop knows (`trackAsyncgen`), all at once. */
  override shutdownAsyncgens(): Coroutine<void> {
    return this._closeAsyncgens === null ? nothing() : this._closeAsyncgens();
  }

  /** End the default executor; without one there is nothing to do. */
  override shutdownDefaultExecutor(_timeout?: Delay | null): Coroutine<void> {
    return nothing();
  }

  /** Seconds of the loop's clock, which never goes back and starts anywhere. */
  override time(): number {
    return this._host.time();
  }

  override getDebug(): boolean {
    return this.#debug;
  }

  /** Debug mode: places of creation and of awaits, slow callbacks, cancellations that cannot be delivered. */
  override setDebug(enabled: boolean): void {
    this.#debug = enabled;
    this.#isObserved = enabled || this.#steps !== undefined;
    this._notesAwaits = enabled;
    if (enabled) notes.awaits = true;
    unawaited.debug = enabled;
  }

  /**
   * Queue `callback(...args)` for the next iteration: first in, first out, each exactly once. Legal from any code of
   * this thread; wakes the loop.
   *
   * @throws RuntimeError if the loop is closed; TypeError if `callback` is no function.
   */
  override callSoon<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): Handle {
    return this.#queue('callSoon', callback, args);
  }

  /** `callSoon` for code outside of the loop. In this thread they are the same; a worker uses its own channel. */
  override callSoonThreadsafe<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): Handle {
    return this.#queue('callSoonThreadsafe', callback, args);
  }

  #queue(name: string, callback: (...args: any[]) => unknown, args: readonly unknown[]): Handle {
    this.#checkClosed();
    checkCallback(callback, name);
    const handle = new Handle(callback, args, this);
    this._push(handle);
    return handle;
  }

  /**
   * Call `callback(...args)` in `delay` seconds. Equal deadlines run in order of creation; `Infinity` means never.
   *
   * @throws TypeError or RangeError for a `delay` that is no time span.
   */
  override callLater<A extends unknown[]>(
    delay: Delay,
    callback: (...args: A) => unknown,
    ...args: A
  ): TimerHandle {
    return this.callAt(this.time() + toSeconds(delay), callback, ...args);
  }

  /** Call `callback(...args)` at `when`, in seconds of the loop's clock. */
  override callAt<A extends unknown[]>(
    when: number,
    callback: (...args: A) => unknown,
    ...args: A
  ): TimerHandle {
    if (when === null || when === undefined) throw new TypeError('when cannot be None');
    this.#checkClosed();
    checkCallback(callback, 'callAt');
    const timer = new TimerHandle(toSeconds(when, 'when'), callback, args, this);
    this._schedule(timer);
    return timer;
  }

  /** A future of this loop. */
  override createFuture<T>(): Future<T> {
    return new Future<T>(this._own);
  }

  /**
   * Make a task, by the task factory if there is one. As the function `createTask`.
   *
   * @throws RuntimeError if the loop is closed; TypeError if `coro` is no coroutine.
   */
  override createTask<T>(coro: CoroutineLike<T>, options?: TaskOptions): Task<T> {
    this.#checkClosed();
    if (this.#taskFactory !== null) return this.#taskFactory(this, coro, options);
    if (options !== undefined) checkOptions(options);
    const own = options === undefined ? this._own : { ...options, loop: this };
    return this._keepsAsyncContext ? new SurroundedTask<T>(coro, own) : new Task<T>(coro, own);
  }

  /** Let `factory(loop, coro, options)` make the tasks from now on; null for the default. */
  override setTaskFactory(factory: TaskFactory | null): void {
    if (factory !== null && typeof factory !== 'function') {
      throw new TypeError('task factory must be a callable or None');
    }
    this.#taskFactory = factory;
  }

  override getTaskFactory(): TaskFactory | null {
    return this.#taskFactory;
  }

  /** Let `handler(loop, context)` know of errors that nobody else can; null for the default, which logs them. */
  override setExceptionHandler(handler: ExceptionHandler | null): void {
    if (handler !== null && typeof handler !== 'function') {
      throw new TypeError(`A callable object or None is expected, got ${repr(handler)}`);
    }
    this.#exceptionHandler = handler;
  }

  override getExceptionHandler(): ExceptionHandler | null {
    return this.#exceptionHandler;
  }

  /** Log an error: its message, a line for each other key of the context, and the error with its stack. */
  override defaultExceptionHandler(context: ExceptionContext): void {
    const shown: Record<string, unknown> = { ...context };
    const handle = this.#currentHandle;
    if (shown['sourceTraceback'] === undefined && handle instanceof Handle && handle._debug !== null) {
      shown['handleTraceback'] = handle._debug.created;
    }
    const lines = [context.message || 'Unhandled exception in event loop'];
    for (const key of Object.keys(shown).sort()) {
      if (key !== 'message' && key !== 'exception')
        lines.push(`${key}: ${formatContextValue(key, shown[key])}`);
    }
    if ('exception' in context) lines.push(formatError(context.exception));
    logger.error(lines.join('\n'));
  }

  /** Tell the exception handler; errors of the handler itself are told to the default one. */
  override callExceptionHandler(context: ExceptionContext): void {
    const handler = this.#exceptionHandler;
    if (handler === null) {
      this.#guard(() => this.defaultExceptionHandler(context), 'Exception in default exception handler');
      return;
    }
    try {
      const place = contextOf(context);
      if (place === null || place._isEntered()) handler(this, context);
      else place.run(handler, this, context);
    } catch (error) {
      if (isBaseError(error)) throw error;
      const report = { message: 'Unhandled error in exception handler', exception: error, context };
      this.#guard(
        () => this.defaultExceptionHandler(report),
        'Exception in default exception handler while handling an unexpected error in custom exception handler',
      );
    }
  }

  #guard(fn: () => void, message: string): void {
    try {
      fn();
    } catch (error) {
      if (isBaseError(error)) throw error;
      logger.error(`${message}\n${formatError(error)}`);
    }
  }

  override toString(): string {
    return `<${this.constructor.name} running=${this.isRunning()} closed=${this.#isClosed} debug=${this.#debug}>`;
  }

  #checkClosed(): void {
    if (this.#isClosed) throw new RuntimeError('Event loop is closed');
  }

  #checkRunning(): void {
    if (this.#run !== null) throw new RuntimeError('This event loop is already running');
    if (runningLoop() !== null)
      throw new RuntimeError('Cannot run the event loop while another loop is running');
  }

  /** @internal How many entries are ready. */
  _readyCount(): number {
    return this.#ready.length;
  }

  /** @internal Append an entry to the ready queue. */
  _push(entry: Ready): void {
    this.#ready.push(entry);
    if (!this.#isAwake) this.#wake();
  }

  /** @internal As `_push`, for what an outside event has brought: the next event waits until that is done. */
  _pushPromptly(entry: Ready): void {
    this.#ready.push(entry);
    this.#wake(true);
  }

  /** @internal Add a timer. */
  _schedule(timer: Timed): void {
    this._timers.push(timer);
    if (timer._place !== 0) return;
    this.#looksAtTimers = true;
    if (!this.#isAwake) this.#wake();
  }

  /** @internal A wait for something outside is over, and perhaps with it the reason for virtual time to stand still. */
  _endForeignWait(): void {
    this._foreignWaits--;
    if (!this.#isAwake) this.#wake();
  }

  /** @internal The running handle has let async code go on. */
  _needDrain(): void {
    this.#attention |= DRAIN;
  }

  /** @internal `error` leaves the loop, from code that is not called by the pump. */
  _leave(error: unknown): void {
    this.#failure = { error };
    this.#attention |= LEAVE;
    if (!this.#isAwake) this.#wake();
  }

  /** @internal A cancellation found a task in the await of a foreign promise. */
  _cancelledInForeignWait(task: Task<any>): void {
    if (!this.#debug) return;
    logger.warning(
      `${task} was asked to cancel while it waits for a promise that is not the library's: the CancelledError comes ` +
        'at its next await of one that is. fromPromise() makes the wait cancellable',
    );
  }

  #wake(isPrompt = false): void {
    if (this.#run === null || this.#isAwake) return;
    this.#isAwake = true;
    const host = this._host;
    ((isPrompt && host.promptly) || host.soon).call(host);
  }

  /** @internal The host calls: run what is ready. */
  turn(): void {
    if (this.#run === null) return;
    this.#isAwake = true;
    this.#sliceStart = this._host.time();
    this.#left = this.#budget;
    this.#looksAtTimers = true;
    this.#enter();
  }

  /** @internal */
  stuck(): void {
    if (this.#run === null) return;
    const error = new DeadlockError(this._tasks);
    if (!this.#run.isServing) this.#end(error);
    else if (this._tasks.size > 0) logger.warning(error.message);
  }

  /** @internal */
  timePassed(): void {
    this.#looksAtTimers = true;
  }

  /** @internal */
  pendingOutside(): number {
    return this._foreignWaits;
  }

  /** @internal */
  hasOutsideWork(): boolean {
    return this._outsideWork > 0;
  }

  /** @internal */
  isRunningMain(): boolean {
    return this.#run !== null && !this.#run.isServing;
  }

  #enter(): void {
    if (this.#run === null) return;
    current.loop = this;
    current.drainScope = null;
    // Async code has got as far as it can: what it has let go on in these microtasks, too.
    this.#attention &= LEAVE;
    try {
      this.#pump();
    } catch (error) {
      this.#end(error);
    }
  }

  // The only place where handles run. An iteration runs those that were ready when it began, and no others: what
  // they queue waits for the next one, after the timers that are due then.
  #pump(): void {
    const ready = this.#ready;
    if (this.#attention & LEAVE) throw this.#takeFailure();
    for (;;) {
      if (ready.head === this.#iterationEnd && !this.#beginIteration()) return;
      if (this.#isObserved) {
        this.#beforeStep();
        if (this.#attention & LEAVE) throw this.#takeFailure();
      }
      const handle = ready.shift();
      this.#left--;
      handle._run();
      if (this.#attention !== 0) {
        if (this.#attention & LEAVE) throw this.#takeFailure();
        this.#attention = 0;
        current.driver = null;
        current.owner = null;
        this._host.drained(this.#continue);
        return;
      }
      if (this.#isObserved) this.#afterStep();
    }
  }

  /** Whether there is an iteration to run now; if not, the pump leaves, and has seen to its return. */
  #beginIteration(): boolean {
    current.driver = null;
    current.owner = null;
    if (this.#hasIterated && this.#isStopping) {
      this.#end(null);
      return false;
    }
    // Between iterations, never within one: the handles of an iteration belong together.
    if (this.#left <= 0) {
      this.#adaptBudget();
      current.loop = null;
      this._host.soon();
      return false;
    }
    const ready = this.#ready;
    this.#steps?.beforeIteration(ready.length);
    if (this._timers.size > 0 && (this.#looksAtTimers || ready.head === ready.tail)) this.#moveDueTimers();
    this.#hasIterated = true;
    if (ready.head === ready.tail) {
      if (this.#isStopping) this.#end(null);
      else this.#idle();
      return false;
    }
    this.#iterationEnd = ready.tail;
    return true;
  }

  #moveDueTimers(): void {
    this.#looksAtTimers = false;
    const timers = this._timers;
    const end = this._host.time() + this._host.clockResolution;
    while (timers.firstWhen < end) this.#ready.push(timers.shift() as Timed);
  }

  #idle(): void {
    this._unretrieved.sweep();
    releaseClaimed();
    this.#ready.clear();
    this.#iterationEnd = 0;
    this.#isAwake = false;
    current.loop = null;
    current.drainScope = null;
    this._host.wait(this._timers.firstWhen);
  }

  // One look at the clock for a whole slice: the number of handles adapts to how long they take.
  #adaptBudget(): void {
    const seconds = this._host.time() - this.#sliceStart;
    let budget = this.#budget;
    if (seconds < SLICE_SECONDS / 2) budget *= 2;
    else if (seconds > SLICE_SECONDS) budget = Math.trunc((budget * SLICE_SECONDS) / seconds);
    this.#budget = Math.min(Math.max(budget, MIN_SLICE_HANDLES), MAX_SLICE_HANDLES);
    this._unretrieved.sweep();
  }

  #takeFailure(): unknown {
    const failure = this.#failure as { error: unknown };
    this.#failure = null;
    this.#attention = 0;
    return failure.error;
  }

  /** The run is over: with null as `stop` wanted it, else by an error. */
  #end(error: unknown): void {
    const run = this.#run as Run;
    this.#run = null;
    this.#isStopping = false;
    this.#isAwake = false;
    this.#attention = 0;
    this.#currentHandle = null;
    current.driver = null;
    current.owner = null;
    current.loop = null;
    current.drainScope = null;
    // What this iteration did not run stays for the next run, which begins an iteration of its own.
    this.#iterationEnd = this.#ready.head;
    this._host.close();
    if (error === null) run.resolve();
    else run.reject(error);
  }

  #beforeStep(): void {
    const ready = this.#ready;
    this.#steps?.beforeStep(ready, this.#iterationEnd - ready.head);
    if (!this.#debug) return;
    this.#currentHandle = ready.at(0);
    this.#stepStart = this._host.time();
  }

  #afterStep(): void {
    const handle = this.#currentHandle;
    this.#currentHandle = null;
    if (handle !== null) {
      const seconds = this._host.time() - this.#stepStart;
      if (seconds >= this.slowCallbackDuration) {
        logger.warning(`Executing ${handle} took ${seconds.toFixed(3)} seconds`);
      }
    }
    this.#steps?.afterStep();
  }
}

const nothing = /* @__PURE__ */ coroutine(function* shutdown(): Gen<void> {});

function stopUnlessLeaving(future: Future<any>): void {
  // A KeyboardInterrupt or SystemExit has left the loop already.
  if (!future.cancelled() && isBaseError(future._value)) return;
  future._loop.stop();
}

function checkCallback(callback: unknown, name: string): void {
  if (typeof callback === 'function' && (isAsyncFunction(callback) || !iscoroutinefunction(callback))) return;
  if (iscoroutine(callback) || typeof callback === 'function') {
    throw new TypeError(`coroutines cannot be used with ${name}()`);
  }
  throw new TypeError(`a callable object was expected by ${name}(), got ${repr(callback)}`);
}

/** The context that an exception handler runs in: that of the task, the future (if a task) or the handle. */
function contextOf(context: ExceptionContext): Context | null {
  const thing = context['task'] ?? context['future'] ?? context['handle'];
  return thing instanceof Task || thing instanceof Handle ? thing.getContext() : null;
}

function formatContextValue(key: string, value: unknown): string {
  if (key === 'sourceTraceback')
    return `Object created at (most recent call last):\n${formatStack(value as StackFrame[])}`;
  if (key === 'handleTraceback')
    return `Handle created at (most recent call last):\n${formatStack(value as StackFrame[])}`;
  return repr(value);
}
