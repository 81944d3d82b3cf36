/**
 * Threads. Counterpart: `Thread` of `threading.py`.
 *
 * A thread here is a worker thread of the host: it has a heap and an event loop of its own and runs truly beside the
 * others, where Python's threads share one heap and take turns. What threads share is passed to them: typed arrays on a
 * `SharedArrayBuffer`, the locks and queues of this package, messages.
 */
import { Context } from '../core/contextvars.ts';
import { NotImplementedError, RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Delay } from '../core/types.ts';
import { PicklingError } from '../concurrent/errors.ts';
import { checkNotImporting } from '../concurrent/importing.ts';
import { Started } from '../concurrent/started.ts';
import { checkTarget, type Place, placeOf, type Target, targetName } from '../concurrent/targets.ts';
import { Timer as HostTimer } from '../concurrent/timer.ts';
import { reportThreadError } from './excepthook.ts';
import { classOfThis, nameOfThis, threadIdOfThis, isDaemonThis, isMain } from './identity.ts';
import { runnerPlace } from './runners.ts';
import { ThreadRun } from './thread-run.ts';
import { secondsOf } from './timeouts.ts';

/** Options of `Thread`. */
export interface ThreadOptions<A extends unknown[]> {
  /** What the thread calls: a function that a module exports, or `{ target, module: import.meta.url }`. */
  target?: Target<A, unknown> | null;
  /** Default: `Thread-1 (child)`, with a number and the name of the target. */
  name?: string | null;
  /** Its arguments; they are cloned. */
  args?: Readonly<A>;
  /** One more argument behind the others: what a Python function takes by keywords. */
  kwargs?: object | null;
  /** Whether the thread ends with the process instead of keeping it alive. Default: as the thread that makes it. */
  daemon?: boolean | null;
  /** Its context variables. Default: none. */
  context?: Context | null;
}

let made = 0;

/** The threads that were started here and have not ended. */
const live = new Set<Thread>();

/** What a subclass has set on itself, for the thread that calls its `run`. */
const OWN_FIELDS = new Set(['_target', '_args', '_context', '_run', '_whenStarted', '_whenEnded']);

/**
 * A thread. It begins with `start()` and ends when its target returns; an error that leaves the target goes to
 * `excepthook`, and to nobody else.
 *
 * A subclass may override `run`: it must be exported by its module, and its fields must be such as can be cloned.
 *
 * @throws RuntimeError for `group`; TypeError for a target that is no function.
 *
 * Source: CPython 3.14 `threading.Thread`.
 */
export class Thread<A extends unknown[] = any[]> {
  // No private fields: the thread itself gets a copy of the object.
  /** @internal */ readonly _target: Target<A, unknown> | null;
  /** @internal */ readonly _args: unknown[];
  /** @internal */ readonly _context: Context | null;
  /** @internal */ _name: string;
  /** @internal */ _daemon: boolean;
  /** @internal */ _state: 'initial' | 'started' | 'stopped' = 'initial';
  /** @internal */ _ident: number | null = null;
  /** @internal */ _run: ThreadRun | null = null;
  /** @internal */ _whenStarted = new Started<void>('Thread.started');
  /** @internal */ readonly _whenEnded = new Started<void>('Thread.join()');

  constructor(options: ThreadOptions<A> = {}) {
    if (typeof options !== 'object') {
      throw new TypeError(`Thread takes an object, { target, args }, got ${repr(options)}`);
    }
    const { target = null, name = null, args = [], kwargs = null, daemon = null, context = null } = options;
    if ('group' in options && options.group !== null) {
      throw new RuntimeError('group argument must be None for now');
    }
    if (target !== null) checkTarget(target, 'target');
    if (typeof (args as Iterable<unknown>)[Symbol.iterator] !== 'function') {
      throw new TypeError(`args must be an array, got ${repr(args)}`);
    }
    this._target = target;
    this._args = kwargs === null ? [...args] : [...args, kwargs];
    this._context = context;
    this._name = name ?? `Thread-${++made}${target === null ? '' : ` (${targetName(target)})`}`;
    this._daemon = daemon ?? isDaemonThis();
  }

  /** Its name: for people, and not unique. */
  get name(): string {
    return this._name;
  }

  set name(name: string) {
    this._name = name;
  }

  /** The worker's id, 0 for the main thread; null before `start`. */
  get ident(): number | null {
    return this._ident;
  }

  /** null: the host does not tell the kernel's id of a thread. */
  get nativeId(): null {
    return null;
  }

  /** Whether it ends with the process. @throws RuntimeError when it is set after `start`. */
  get daemon(): boolean {
    return this._daemon;
  }

  set daemon(daemon: boolean) {
    if (this._state !== 'initial') throw new RuntimeError('cannot set daemon status of active thread');
    this._daemon = daemon;
  }

  /** Ends when the thread runs, which is some milliseconds after `start()`. Source: asyncio-ts. */
  get started(): Started<void> {
    return this._waitUntil('Thread.started', this._whenStarted, null);
  }

  /**
   * Begin. Returns at once.
   *
   * @throws RuntimeError the second time; PicklingError for a target or arguments that cannot be sent.
   */
  start(): void {
    if (this._state !== 'initial') throw new RuntimeError('threads can only be started once');
    checkNotImporting();
    const { place, args } = this._work();
    const context = this._context ?? new Context();
    const run = context.run(() => new ThreadRun(this, place, args));
    this._run = run;
    this._state = 'started';
    this._ident = run.ident;
    live.add(this);
  }

  /** @internal What the worker calls. */
  _work(): { place: Place; args: unknown[] } {
    // What has its own `run` is called by it: the object goes there by its class and its fields.
    if (this.run !== Thread.prototype.run) {
      if (Object.hasOwn(this, 'run')) {
        throw new PicklingError(
          `Can't pickle ${this._className()}.run: it is a field, and functions cannot be sent to another thread. Make it a ` +
            'method of the class',
        );
      }
      const fields = Object.entries(this).filter(([key]) => !OWN_FIELDS.has(key));
      const type = this.constructor as Target<any, any>;
      const target = this._target === null ? null : placeOf(this._target);
      return {
        place: runnerPlace('runSubclass'),
        args: [placeOf(type), Object.fromEntries(fields), target, this._args],
      };
    }
    if (this._target === null) return { place: runnerPlace('doNothing'), args: [] };
    return { place: placeOf(this._target), args: this._args };
  }

  /** What the thread does: call the target. Called by hand, it runs in the thread of the caller. */
  run(): unknown {
    const target = this._target;
    const fn = typeof target === 'object' ? target?.target : target;
    return fn?.(...(this._args as A));
  }

  /**
   * Wait until it has ended. Its error is not thrown here.
   *
   * @param timeout - seconds to wait at most; ask `isAlive()` then. null: no limit.
   * @throws RuntimeError if it was not started, or waits for itself.
   *
   * Cancellation: ends the wait only.
   */
  join(timeout?: Delay | null): Started<void> {
    if (this._state === 'initial') throw new RuntimeError('cannot join thread before it is started');
    if (this === ownThread) throw new RuntimeError('cannot join current thread');
    const seconds = secondsOf(timeout);
    if (this._state === 'stopped') return Started._of<void>('Thread.join()', undefined);
    return this._waitUntil('Thread.join()', this._whenEnded, seconds);
  }

  /** @internal Wait until `event`, for `seconds` at most. */
  _waitUntil(what: string, event: Started<void>, seconds: number | null): Started<void> {
    // A daemon by itself does not keep the process alive; who waits for it does.
    this._run?.hold();
    const end = (): void => wait._resolve();
    const timer = seconds === null ? null : new HostTimer(seconds, end);
    const release = (): void => {
      timer?.cancel();
      // A long thread may be waited for again and again.
      event._unlisten(end);
      this._run?.release();
    };
    const wait: Started<void> = new Started<void>(what, { withdraw: release });
    event._whenEnded(end);
    wait._whenEnded((outcome) => {
      if (outcome.kind !== 'cancelled') release();
    });
    return wait;
  }

  /** Whether it was started and has not ended. */
  isAlive(): boolean {
    return this._state === 'started';
  }

  /** @internal This copy of it, in the thread itself, is what `currentThread()` gives there. */
  _becomeCurrent(): void {
    this._state = 'started';
    this._ident = threadIdOfThis();
    this._whenStarted = Started._of<void>('Thread.started', undefined);
    ownThread = this;
  }

  /** @internal Its worker runs. */
  _began(): void {
    this._whenStarted._resolve();
  }

  /** @internal It has ended. */
  _ended(): void {
    this._state = 'stopped';
    live.delete(this);
    this._whenStarted._resolve();
    this._whenEnded._resolve();
  }

  /** @internal */
  _failed(error: Error): void {
    reportThreadError(error, this);
  }

  /** @internal What it prints as. */
  _className(): string {
    return this.constructor.name;
  }

  toString(): string {
    const status = [
      this._state,
      ...(this._daemon ? ['daemon'] : []),
      ...(this._ident === null ? [] : [this._ident]),
    ];
    return `<${this._className()}(${this._name}, ${status.join(' ')})>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** A thread that runs already and was not made by `new Thread` here: this one, and the main one seen from another. */
class RunningThread extends Thread {
  readonly #className: string;

  constructor(className: string, name: string, ident: number, daemon: boolean) {
    super({ name, daemon });
    this.#className = className;
    this._state = 'started';
    this._ident = ident;
    this._began();
  }

  override join(timeout?: Delay | null): Started<void> {
    if (this === ownThread) return super.join(timeout);
    throw new NotImplementedError(
      'join(): the main thread of Node ends after all others: let it set an Event, and wait for that',
    );
  }

  override _className(): string {
    return this.#className;
  }
}

let ownThread: Thread = new RunningThread(classOfThis(), nameOfThis(), threadIdOfThis(), isDaemonThis());
const main: Thread = isMain() ? ownThread : new RunningThread('_MainThread', 'MainThread', 0, false);

/**
 * The thread that the calling code runs in.
 *
 * Source: CPython 3.14 `threading.current_thread`.
 */
export function currentThread(): Thread {
  return ownThread;
}

/**
 * The thread that the process began with. In another thread it knows its name and ident only, and cannot be joined: it ends
 * after all others.
 *
 * Source: CPython 3.14 `threading.main_thread`.
 */
export function mainThread(): Thread {
  return main;
}

/**
 * The live threads that this one knows: itself, the main one, and those that it has started.
 *
 * Source: CPython 3.14 `threading.enumerate`.
 */
export function enumerate(): Thread[] {
  return [...new Set([main, ownThread, ...live])];
}

/** How many threads `enumerate` gives. Source: CPython 3.14 `threading.active_count`. */
export function activeCount(): number {
  return enumerate().length;
}

/** The `ident` of the calling thread. Source: CPython 3.14 `threading.get_ident`. */
export function getIdent(): number {
  return ownThread._ident as number;
}
