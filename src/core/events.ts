/** Handles, the abstract loop, and which loop is running or current. Counterpart: `asyncio/events.py`. */
import type { BaseEventLoop } from './base-events.ts';
import { type Context, copyContext, copyContextOrNull, unbind } from './contextvars.ts';
import { isBaseError, NotImplementedError, RuntimeError } from './exceptions.ts';
import { extractStack, formatCallback, formatPlace, repr, typeName } from './format-helpers.ts';
import type { Future } from './futures.ts';
import { current, runningLoop } from './running.ts';
import type { Task, TaskFactory, TaskOptions } from './tasks.ts';
import type {
  AwaitableLike,
  Coroutine,
  CoroutineLike,
  Delay,
  ExceptionContext,
  StackFrame,
} from './types.ts';

/** A function that a loop's exception handler may be. */
export type ExceptionHandler = (loop: AbstractEventLoop, context: ExceptionContext) => unknown;

/**
 * One entry of a loop's ready queue: a callback that will run once, unless it is cancelled.
 *
 * Source: CPython 3.14 `asyncio.Handle`.
 */
export class Handle {
  /** @internal */ _callback: ((...args: any[]) => unknown) | null;
  /** @internal */ _args: readonly unknown[];
  /** @internal */ _loop: BaseEventLoop;
  // null stands for an empty context that nobody has looked at: most handles never need the object.
  /** @internal */ _context: Context | null;
  /** @internal */ _cancelled = false;
  /** @internal */ _debug: { created: StackFrame[]; text: string | null } | null = null;

  /** @internal */
  constructor(
    callback: (...args: any[]) => unknown,
    args: readonly unknown[],
    loop: BaseEventLoop,
    context?: Context | null,
  ) {
    this._loop = loop;
    this._args = args;
    const bound = unbind(callback);
    if (bound === null) {
      this._callback = callback;
      this._context = context ?? copyContextOrNull();
    } else {
      this._callback = bound.fn;
      this._context = bound.context;
    }
    if (loop.getDebug()) this._debug = { created: extractStack(), text: null };
  }

  /** Keep it from running. Drops the callback and its arguments; again does nothing. */
  cancel(): void {
    if (this._cancelled) return;
    if (this._debug !== null) this._debug.text = this.describe(' cancelled');
    this._cancelled = true;
    this._callback = null;
    this._args = [];
  }

  /** Whether it was cancelled. */
  cancelled(): boolean {
    return this._cancelled;
  }

  /** The context that the callback runs in. */
  getContext(): Context {
    this._context ??= copyContext();
    return this._context;
  }

  /** @internal */
  _run(): void {
    const callback = this._callback;
    if (callback === null) return;
    current.driver = null;
    current.owner = this;
    const args = this._args;
    try {
      const result = args.length === 1 ? callback(args[0]) : callback(...args);
      // An async callback goes on in microtasks, which have the loop to themselves like any other step.
      if (result instanceof Promise) this.watch(result, callback, args);
    } catch (error) {
      if (isBaseError(error)) throw error;
      this.report(error, callback, args);
    }
  }

  private watch(promise: Promise<unknown>, callback: unknown, args: readonly unknown[]): void {
    this._loop._needDrain();
    promise.then(undefined, (error: unknown) => this.report(error, callback, args));
  }

  private report(error: unknown, callback: unknown, args: readonly unknown[]): void {
    const text = formatCallback(callback, args, this._loop.getDebug());
    const context: ExceptionContext = {
      message: `Exception in callback ${text}`,
      exception: error,
      handle: this,
    };
    if (this._debug !== null) context['sourceTraceback'] = this._debug.created;
    this._loop.callExceptionHandler(context);
  }

  /** @internal */
  _awaiter(): Future<any> | null {
    return null;
  }

  /** @internal What stands between the name and the callback. */
  _details(): string {
    return '';
  }

  private describe(state: string): string {
    const callback =
      this._callback === null ? '' : ` ${formatCallback(this._callback, this._args, this._debug !== null)}`;
    const place = formatPlace(this._debug?.created);
    return `<${this.constructor.name}${state}${this._details()}${callback}${place === null ? '' : ` created at ${place}`}>`;
  }

  toString(): string {
    return this._debug?.text ?? this.describe(this._cancelled ? ' cancelled' : '');
  }
}

/**
 * A handle that runs at a time. Timers run in order of (when, creation).
 *
 * Source: CPython 3.14 `asyncio.TimerHandle`.
 */
export class TimerHandle extends Handle {
  /** @internal */ readonly _when: number;
  /** @internal */ _sequence = 0;
  /** @internal */ _place = -1;

  /** @internal */
  constructor(
    when: number,
    callback: (...args: any[]) => unknown,
    args: readonly unknown[],
    loop: BaseEventLoop,
  ) {
    super(callback, args, loop);
    this._when = when;
  }

  /** When it is due, in seconds of the loop's clock. */
  when(): number {
    return this._when;
  }

  override cancel(): void {
    super.cancel();
    this._loop._timers.remove(this);
  }

  /** @internal */
  override _details(): string {
    return ` when=${this._when}`;
  }
}

/** @internal Give a class methods of these names, each of which throws NotImplementedError with what `reason` says. */
export function refuse(
  { prototype }: { prototype: object },
  names: string,
  reason: (name: string) => string,
): void {
  for (const name of names.split(' ')) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      writable: true,
      value() {
        throw new NotImplementedError(reason(name));
      },
    });
  }
}

/**
 * The interface of event loops. Each method throws NotImplementedError until a subclass offers it; those of sockets,
 * pipes, processes and signals are offered by the loop on Node.
 *
 * Source: CPython 3.14 `asyncio.AbstractEventLoop`.
 */
// What it declares below is made by lists of names: as many methods would take twice the bytes.
// oxlint-disable-next-line no-unsafe-declaration-merging
export abstract class AbstractEventLoop {
  static {
    refuse(
      this,
      'runForever runUntilComplete stop isRunning isClosed close shutdownAsyncgens shutdownDefaultExecutor ' +
        'time getDebug setDebug callSoon callSoonThreadsafe callLater callAt createFuture createTask ' +
        'setTaskFactory getTaskFactory runInExecutor setDefaultExecutor setExceptionHandler ' +
        'getExceptionHandler defaultExceptionHandler callExceptionHandler',
      (name) => `${name}() is not implemented by this event loop`,
    );
  }
}

export interface AbstractEventLoop {
  runForever(): Promise<void>;
  runUntilComplete<T>(future: AwaitableLike<T>): Promise<T>;
  stop(): void;
  isRunning(): boolean;
  isClosed(): boolean;
  close(): void;
  shutdownAsyncgens(): Coroutine<void>;
  shutdownDefaultExecutor(timeout?: Delay | null): Coroutine<void>;
  time(): number;
  getDebug(): boolean;
  setDebug(enabled: boolean): void;
  callSoon<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): Handle;
  callSoonThreadsafe<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): Handle;
  callLater<A extends unknown[]>(delay: Delay, callback: (...args: A) => unknown, ...args: A): TimerHandle;
  callAt<A extends unknown[]>(when: number, callback: (...args: A) => unknown, ...args: A): TimerHandle;
  createFuture<T>(): Future<T>;
  createTask<T>(coro: CoroutineLike<T>, options?: TaskOptions): Task<T>;
  setTaskFactory(factory: TaskFactory | null): void;
  getTaskFactory(): TaskFactory | null;
  runInExecutor(...args: never[]): Future<unknown>;
  setDefaultExecutor(...args: never[]): void;
  setExceptionHandler(handler: ExceptionHandler | null): void;
  getExceptionHandler(): ExceptionHandler | null;
  defaultExceptionHandler(context: ExceptionContext): void;
  callExceptionHandler(context: ExceptionContext): void;

  // Made by unsupported.ts. No call of them passes the compiler on a loop that does not say more of them.
  getaddrinfo(...args: never[]): Coroutine<unknown>;
  getnameinfo(...args: never[]): Coroutine<unknown>;
  createConnection(...args: never[]): Coroutine<unknown>;
  createServer(...args: never[]): Coroutine<unknown>;
  createUnixConnection(...args: never[]): Coroutine<unknown>;
  createUnixServer(...args: never[]): Coroutine<unknown>;
  createDatagramEndpoint(...args: never[]): Coroutine<unknown>;
  connectAcceptedSocket(...args: never[]): Coroutine<unknown>;
  startTls(...args: never[]): Coroutine<unknown>;
  sendfile(...args: never[]): Coroutine<unknown>;
  connectReadPipe(...args: never[]): Coroutine<unknown>;
  connectWritePipe(...args: never[]): Coroutine<unknown>;
  subprocessExec(...args: never[]): Coroutine<unknown>;
  subprocessShell(...args: never[]): Coroutine<unknown>;
  addSignalHandler(...args: never[]): void;
  removeSignalHandler(...args: never[]): boolean;
  addReader(...args: never[]): void;
  removeReader(...args: never[]): boolean;
  addWriter(...args: never[]): void;
  removeWriter(...args: never[]): boolean;
  sockRecv(...args: never[]): Coroutine<unknown>;
  sockRecvInto(...args: never[]): Coroutine<unknown>;
  sockRecvfrom(...args: never[]): Coroutine<unknown>;
  sockRecvfromInto(...args: never[]): Coroutine<unknown>;
  sockSendall(...args: never[]): Coroutine<unknown>;
  sockSendto(...args: never[]): Coroutine<unknown>;
  sockConnect(...args: never[]): Coroutine<unknown>;
  sockAccept(...args: never[]): Coroutine<unknown>;
  sockSendfile(...args: never[]): Coroutine<unknown>;
}

let chosenLoop: AbstractEventLoop | null = null;
let platformLoop: (() => AbstractEventLoop) | null = null;

/** @internal A host says what `newEventLoop` makes; a fallback only where no better one has. */
export function setPlatformLoop(factory: () => AbstractEventLoop, isFallback = false): void {
  if (!isFallback || platformLoop === null) platformLoop = factory;
}

/**
 * The loop that the calling code runs in.
 *
 * @throws RuntimeError outside of every loop.
 *
 * Source: CPython 3.14 `asyncio.get_running_loop`.
 */
export function getRunningLoop(): AbstractEventLoop {
  return requireLoop();
}

/** @internal The same, as the class that the library itself works with. */
export function requireLoop(): BaseEventLoop {
  const loop = runningLoop();
  if (loop === null) throw new RuntimeError('no running event loop');
  return loop;
}

/**
 * The running loop, else the one that `setEventLoop` chose. Never makes one.
 *
 * @throws RuntimeError if there is neither.
 *
 * Source: CPython 3.14 `asyncio.get_event_loop`.
 */
export function getEventLoop(): AbstractEventLoop {
  const loop = runningLoop() ?? chosenLoop;
  if (loop === null) throw new RuntimeError("There is no current event loop in thread 'MainThread'.");
  return loop;
}

/**
 * Choose the loop that `getEventLoop` gives outside of running loops; null for none.
 *
 * Source: CPython 3.14 `asyncio.set_event_loop`.
 */
export function setEventLoop(loop: AbstractEventLoop | null): void {
  if (loop !== null && !(loop instanceof AbstractEventLoop)) {
    throw new TypeError(`loop must be an instance of AbstractEventLoop or None, not '${typeName(loop)}'`);
  }
  chosenLoop = loop;
}

/**
 * A fresh loop of the kind made for this platform.
 *
 * Source: CPython 3.14 `asyncio.new_event_loop`.
 */
export function newEventLoop(): AbstractEventLoop {
  if (platformLoop === null) {
    throw new RuntimeError(
      "no event loop for this platform: import 'asyncio-ts' (Node) or 'asyncio-ts/core' (web)",
    );
  }
  return platformLoop();
}

/**
 * The running loop, or null outside of every loop.
 *
 * Source: CPython 3.14 `asyncio._get_running_loop`.
 */
export function _getRunningLoop(): AbstractEventLoop | null {
  return runningLoop();
}

/**
 * Make `loop` the running one. For implementations of loops.
 *
 * Source: CPython 3.14 `asyncio._set_running_loop`.
 */
export function _setRunningLoop(loop: AbstractEventLoop | null): void {
  current.loop = loop as BaseEventLoop | null;
}

const UNITS: Readonly<Record<string, number>> = { hours: 3600, minutes: 60, seconds: 1, milliseconds: 0.001 };

/** @internal A time span in seconds. NaN and what is no span are refused; `Infinity` means never. */
export function toSeconds(delay: Delay, name = 'delay'): number {
  if (typeof delay === 'number') {
    if (Number.isNaN(delay)) throw new RangeError(`Invalid ${name}: NaN (not a number)`);
    return delay;
  }
  if (delay === null || delay === undefined) throw new TypeError(`${name} must not be None`);
  if (typeof delay === 'object') {
    const parts = Object.entries(delay);
    const unknown = parts.find(([unit]) => !Object.hasOwn(UNITS, unit))?.[0];
    if (unknown !== undefined && Object.getPrototypeOf(delay) === Object.prototype) {
      throw new TypeError(
        `${name} has no part '${unknown}': use hours, minutes, seconds, milliseconds, as in { milliseconds: 250 }`,
      );
    }
    if (!Array.isArray(delay) && parts.length > 0 && parts.every(([, value]) => typeof value === 'number')) {
      const seconds = parts.reduce((sum, [unit, value]) => sum + value * (UNITS[unit] as number), 0);
      return toSeconds(seconds, name);
    }
  }
  throw new TypeError(
    `${name} must be a number of seconds or an object such as { milliseconds: 250 }, got ${repr(delay)}`,
  );
}
