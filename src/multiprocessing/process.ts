/** Processes. Counterpart: `multiprocessing/process.py` and `context.py`, for the start method `spawn`. */
import { AssertionError, CancelledError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Delay } from '../core/types.ts';
import { workerInfo } from '../host/is-main.ts';
import { checkNotImporting } from '../concurrent/importing.ts';
import { LoopFree, Started } from '../concurrent/started.ts';
import { checkTarget, type Place, placeOf, type Target } from '../concurrent/targets.ts';
import { Timer } from '../concurrent/timer.ts';
import { Child, type ChildNotes } from './child-handle.ts';
import { setCurrentName } from './names.ts';
import { secondsOf } from './shared.ts';

/** Options of `Process`. */
export interface ProcessOptions<A extends unknown[]> {
  /** What the process calls: a function that a module exports, or `{ target, module: import.meta.url }`. */
  target?: Target<A, unknown> | null;
  /** Default: `Process-1`, with a number; for a child's own children `Process-1:1`. */
  name?: string | null;
  /** Its arguments; they are cloned. Queues, locks and the like are shared. */
  args?: Readonly<A>;
  /** One more argument behind the others: what a Python function takes by keywords. */
  kwargs?: object | null;
  /** Whether it is terminated when this process ends, instead of keeping it alive. Default: as this process. */
  daemon?: boolean | null;
}

/** Ends with its process. No task that waits for it can cancel it for the others. */
class Sentinel extends LoopFree<number> {
  readonly #name: string;
  readonly #child: Child;

  constructor(name: string, child: Child) {
    super();
    this.#name = name;
    this.#child = child;
  }

  // Outside of a loop nothing else keeps this process alive until then.
  override toPromise(): Promise<number> {
    this.#child.hold();
    return super.toPromise().finally(() => this.#child.release());
  }

  end(exitcode: number): void {
    this._settle({ kind: 'result', value: exitcode });
  }

  _abandon(): void {}

  _cancelledError(): Error {
    return new CancelledError();
  }

  _what(): string {
    return `sentinel of ${this.#name}`;
  }
}

/** What a process object knows; in one place, so that the fields of a subclass are the program's own. */
interface Own {
  readonly identity: readonly number[];
  readonly parentPid: number | null;
  name: string;
  daemon: boolean;
  target: Target<any, unknown> | null;
  args: unknown[];
  isClosed: boolean;
  child: Child | null;
  sentinel: Sentinel | null;
  /** The pid of a process that was not started here. */
  readonly pid: number | null;
}

const OWN = '_own';

function check(condition: boolean, message: string): void {
  if (!condition) throw new AssertionError(message);
}

/** How many processes were made here. */
let made = 0;

/** The live children. */
const children = new Set<Process>();

let executable: string | undefined;

/**
 * A process. It begins with `start()`: a new Node that imports the module of its target, calls it under `asyncio.run`, and
 * ends. Its exit code is 0, or 1 after an error, which it prints.
 *
 * ```ts
 * export function child(n: number) { … }
 * if (isMain(import.meta)) {
 *   const p = new Process({ target: child, args: [3] });
 *   await p.start();
 *   await p.join();
 * }
 * ```
 *
 * A target in the main module makes the child import that module again: guard what it does by `isMain(import.meta)`.
 *
 * A subclass may override `run`. It must be exported by its module, its fields be public and such as can be cloned: the
 * child makes the object from them, without the constructor.
 *
 * When this process ends, it waits for its children; daemons are terminated. When it is killed, they end as well.
 *
 * @throws TypeError for a target that is no function; AssertionError for `group`.
 *
 * Source: CPython 3.14 `multiprocessing.Process`.
 */
export class Process<A extends unknown[] = any[]> {
  /** @internal */ readonly [OWN]: Own;

  constructor(options: ProcessOptions<A> = {}) {
    const { target = null, name = null, args = [], kwargs = null, daemon = null } = options;
    check(
      typeof options !== 'function',
      'group argument must be None for now: pass the function as { target, args }',
    );
    check(!('group' in options) || options.group === null, 'group argument must be None for now');
    if (target !== null) checkTarget(target, 'target');
    if (typeof (args as Iterable<unknown>)[Symbol.iterator] !== 'function') {
      throw new TypeError(`args must be an array, got ${repr(args)}`);
    }
    const identity = [...current[OWN].identity, ++made];
    this[OWN] = own({
      identity,
      parentPid: process.pid,
      name: name ?? `${this.constructor.name}-${identity.join(':')}`,
      daemon: daemon ?? current.daemon,
      target,
      args: kwargs === null ? [...args] : [...args, kwargs],
    });
    // Not a field: those are what the child gets.
    Object.defineProperty(this, OWN, { enumerable: false });
  }

  /**
   * Begin: the new process is there at the return.
   *
   * @returns a wait for its being connected, some tens of milliseconds later.
   * @throws at once AssertionError the second time, for the object of another process, and in a daemon; RuntimeError in a
   *   module that a worker imports; PicklingError for a target or arguments that cannot be sent. By the wait: the
   *   system's error if Node could not be started.
   *
   * Cancellation: ends the wait only.
   */
  start(): Started<void> {
    checkOpen(this);
    const own = this[OWN];
    check(own.child === null, 'cannot start a process twice');
    check(
      own.parentPid === process.pid && this !== current,
      'can only start a process object created by current process',
    );
    check(!current.daemon, 'daemonic processes are not allowed to have children');
    checkNotImporting();
    const { name, daemon, identity } = own;
    const notes: ChildNotes = {
      identity,
      daemon,
      parentName: current.name,
      parentPid: process.pid,
      argv: process.argv.slice(1),
      isSubclass: hasOwnRun(this),
    };
    const child = new Child({ name, notes, executable, onExit: (exitcode) => ended(this, exitcode) });
    child.run(...workOf(this));
    own.child = child;
    own.sentinel = new Sentinel(name, child);
    own.target = null;
    own.args = [];
    children.add(this);
    if (daemon) daemons.add(this);
    return child.whenConnected();
  }

  /** What the process does: call the target. Called by hand, it runs in the process of the caller. */
  run(): unknown {
    const { target, args } = this[OWN];
    const fn = typeof target === 'object' ? target?.target : target;
    return fn?.(...args);
  }

  /**
   * Wait until it has ended. Its error is not thrown here: ask `exitcode`.
   *
   * @param timeout - seconds to wait at most; null for no limit.
   * @throws AssertionError if it was not started, or by another process.
   *
   * Cancellation: ends the wait only.
   */
  join(timeout?: Delay | null): Started<void> {
    checkOpen(this);
    const { child, parentPid } = this[OWN];
    check(parentPid === process.pid, 'can only join a child process');
    if (child === null) throw new AssertionError('can only join a started process');
    const seconds = secondsOf(timeout);
    if (child.exitcode !== null) return Started._of<void>('Process.join()', undefined);
    child.hold();
    let timer: Timer | null = null;
    const release = (): void => {
      timer?.cancel();
      child.release();
    };
    const wait = new Started<void>('Process.join()', { withdraw: release });
    if (seconds !== null) {
      timer = new Timer(seconds, () => {
        release();
        wait._resolve();
      });
    }
    this.sentinel._whenEnded(() => {
      if (wait.done()) return;
      release();
      wait._resolve();
    });
    return wait;
  }

  /** Whether it was started and has not ended. @throws AssertionError for the object of another process. */
  isAlive(): boolean {
    checkOpen(this);
    if (this === current) return true;
    const { child, parentPid } = this[OWN];
    check(parentPid === process.pid, 'can only test a child process');
    return child !== null && child.exitcode === null;
  }

  /** Send it SIGINT, as Ctrl-C: its main task is cancelled. */
  interrupt(): void {
    startedChild(this, 'interrupt').interrupt();
  }

  /** Send it SIGTERM. No `finally` of it runs, unless it handles the signal. */
  terminate(): void {
    startedChild(this, 'terminate').terminate();
  }

  /** Send it SIGKILL. */
  kill(): void {
    startedChild(this, 'kill').kill();
  }

  /**
   * Be done with the object: nothing can be asked of it any more.
   *
   * @throws RangeError while the process runs.
   */
  close(): void {
    const own = this[OWN];
    if (own.child !== null && own.child.exitcode === null) {
      throw new RangeError(
        'Cannot close a process while it is still running. You should first call join() or terminate().',
      );
    }
    own.child = null;
    own.isClosed = true;
  }

  /** Its name: for people, and not unique. */
  get name(): string {
    return this[OWN].name;
  }

  set name(name: string) {
    check(typeof name === 'string', 'name must be a string');
    this[OWN].name = name;
  }

  /** Whether it is terminated when its parent ends. @throws AssertionError when it is set after `start`. */
  get daemon(): boolean {
    return this[OWN].daemon;
  }

  set daemon(daemon: boolean) {
    check(this[OWN].child === null, 'process has already started');
    this[OWN].daemon = daemon;
  }

  /** Its process id; null before `start`. */
  get pid(): number | null {
    checkOpen(this);
    const { child, pid } = this[OWN];
    return this === current ? process.pid : (child?.pid ?? pid);
  }

  /** The same as `pid`. */
  get ident(): number | null {
    return this.pid;
  }

  /**
   * How it ended: 0; 1 after an error; n after `SystemExit(n)` or `process.exit(n)`; -N by the signal N. null while it
   * runs.
   */
  get exitcode(): number | null {
    checkOpen(this);
    return this[OWN].child?.exitcode ?? null;
  }

  /**
   * Ends when the process does, with its exit code: for `await`, `connection.wait` and the like.
   *
   * @throws RangeError before `start`.
   */
  get sentinel(): LoopFree<number> {
    checkOpen(this);
    const { sentinel } = this[OWN];
    if (sentinel === null) throw new RangeError('process not started');
    return sentinel;
  }

  /** @internal What it prints as. */
  _className(): string {
    return this.constructor.name;
  }

  toString(): string {
    const { name, parentPid, daemon, child } = this[OWN];
    const info = [
      this._className(),
      `name=${repr(name)}`,
      ...(child === null ? [] : [`pid=${child.pid}`]),
      `parent=${parentPid ?? 'None'}`,
      statusOf(this),
      ...(child?.exitText == null ? [] : [`exitcode=${child.exitText}`]),
      ...(daemon ? ['daemon'] : []),
    ];
    return `<${info.join(' ')}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

// Functions, not private methods: the object of a child is made without the constructor, and has none.

function checkOpen(it: Process): void {
  if (it[OWN].isClosed) throw new RangeError('process object is closed');
}

function hasOwnRun(it: Process): boolean {
  return it.run !== Process.prototype.run;
}

/** What its child calls: where that is found, and the arguments. */
function workOf(it: Process): [place: Place | null, args: unknown[]] {
  const { target, args } = it[OWN];
  if (!hasOwnRun(it)) return [target === null ? null : placeOf(target), args];
  return [placeOf(it.constructor as Target<any, any>), [Object.fromEntries(Object.entries(it))]];
}

function ended(it: Process, exitcode: number): void {
  children.delete(it);
  daemons.delete(it);
  it[OWN].sentinel?.end(exitcode);
}

function startedChild(it: Process, what: string): Child {
  checkOpen(it);
  const { child } = it[OWN];
  if (child === null) throw new AssertionError(`can only ${what} a started process`);
  return child;
}

function statusOf(it: Process): string {
  const { isClosed, parentPid, child } = it[OWN];
  if (it === current) return 'started';
  if (isClosed) return 'closed';
  if (parentPid !== process.pid) return 'unknown';
  if (child === null) return 'initial';
  return child.exitcode === null ? 'started' : 'stopped';
}

function own(known: Partial<Own>): Own {
  return {
    identity: [],
    parentPid: null,
    name: 'MainProcess',
    daemon: false,
    target: null,
    args: [],
    isClosed: false,
    child: null,
    sentinel: null,
    pid: null,
    ...known,
  };
}

/** A process that was not made by `new Process` here: an object of `prototype` that knows what `known` says. */
function existing(prototype: object, known: Partial<Own>): Process {
  const made = Object.create(prototype) as Process;
  return Object.defineProperty(made, OWN, { value: own(known) });
}

/** @internal The program's first process. */
class MainProcess extends Process {
  override _className(): string {
    return '_MainProcess';
  }

  override close(): void {}
}

/** @internal The process that started this one. */
class ParentProcess extends Process {
  override _className(): string {
    return '_ParentProcess';
  }

  // This process ends with its parent.
  override isAlive(): boolean {
    return process.connected;
  }

  override join(timeout?: Delay | null): Started<void> {
    const seconds = secondsOf(timeout);
    const wait = new Started<void>('Process.join()', { withdraw: () => timer?.cancel() });
    const timer = seconds === null ? null : new Timer(seconds, () => wait._resolve());
    return wait;
  }
}

function describeCurrent(): { current: Process; parent: Process | null } {
  const info = workerInfo();
  const notes = info?.notes as ChildNotes | undefined;
  const isChild = typeof process.send === 'function' && info !== null;
  // A thread of the main process is in that process.
  if (info === null || (notes === undefined && !isChild)) {
    return { current: existing(MainProcess.prototype, { pid: process.pid }), parent: null };
  }
  const {
    parentName: name = 'MainProcess',
    parentPid = process.ppid,
    daemon = false,
    identity = [],
  } = notes ?? {};
  return {
    current: existing(Process.prototype, { name: info.name, parentPid, daemon, identity, pid: process.pid }),
    parent: existing(ParentProcess.prototype, { name, pid: parentPid }),
  };
}

let current: Process;
const described = describeCurrent();
current = described.current;
setCurrentName(() => current.name);

/**
 * @internal This process is the run of `target`, or of an object of the class `target` with `fields`.
 *
 * @returns the current process.
 */
export function becomeCurrent(
  target: ((...args: any[]) => unknown) | null,
  args: unknown[],
  isSubclass: boolean,
): Process {
  const known = current[OWN];
  if (isSubclass) {
    current = existing((target as { prototype: object }).prototype, known);
    Object.assign(current, args[0]);
  } else {
    known.target = target;
    known.args = args;
  }
  return current;
}

/**
 * The process that the calling code runs in.
 *
 * Source: CPython 3.14 `multiprocessing.current_process`.
 */
export function currentProcess(): Process {
  return current;
}

/**
 * The process that started this one, which ends with it; null in the main one.
 *
 * Source: CPython 3.14 `multiprocessing.parent_process`.
 */
export function parentProcess(): Process | null {
  return described.parent;
}

/**
 * The live children of this process.
 *
 * Source: CPython 3.14 `multiprocessing.active_children`.
 */
export function activeChildren(): Process[] {
  return [...children];
}

/**
 * Which Node the children run on.
 *
 * Source: CPython 3.14 `multiprocessing.set_executable`.
 */
export function setExecutable(path: string): void {
  executable = path;
}

/** @internal The number for the next process. */
export function nextIdentity(): readonly number[] {
  return [...current[OWN].identity, ++made];
}

/** The daemons: terminated at the end of this process. */
const daemons = {
  live: new Set<Process>(),

  add(daemon: Process): void {
    this.live.add(daemon);
    if (this.live.size === 1) process.on('exit', terminateDaemons);
  },

  delete(daemon: Process): void {
    if (this.live.delete(daemon) && this.live.size === 0) process.off('exit', terminateDaemons);
  },
};

function terminateDaemons(): void {
  for (const daemon of daemons.live) daemon.terminate();
}
