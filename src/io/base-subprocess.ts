/** Child processes. Counterpart: `asyncio/base_subprocess.py`. */
import type { ChildProcess, IOType, SpawnOptions } from 'node:child_process';
import type { Readable, Stream, Writable } from 'node:stream';
import type { BaseEventLoop } from '../core/base-events.ts';
import { methodCoroutine, tracked } from '../core/coroutines.ts';
import { toSeconds } from '../core/events.ts';
import { repr, typeName } from '../core/format-helpers.ts';
import type { Future } from '../core/futures.ts';
import { logger } from '../core/log.ts';
import type { Coroutine, Delay, Gen } from '../core/types.ts';
import { type Gate, type LineWaiter, Passage, WaiterLine } from '../core/waiter-line.ts';
import { childProcess, fs, os } from './builtins.ts';
import { endWithRun, opening } from './open-resources.ts';
import { ReadPipeTransport, WritePipeTransport } from './pipes.ts';
import { BaseProtocol, type SubprocessProtocol } from './protocols.ts';
import { closeSharedPipe, openSharedPipe, type SharedPipe } from './shared-pipe.ts';
import { SubprocessTransport } from './transports.ts';

// Taken when the module is loaded, so that a test library's fake timers do not keep a child alive.
const { setTimeout, clearTimeout } = globalThis;

/**
 * A pipe between the child and this program.
 *
 * Source: CPython 3.14 `asyncio.subprocess.PIPE`.
 */
export const PIPE: unique symbol = Symbol('PIPE');

/**
 * Of standard error: where standard output goes, in the order of the child's writes.
 *
 * Source: CPython 3.14 `asyncio.subprocess.STDOUT`.
 */
export const STDOUT: unique symbol = Symbol('STDOUT');

/**
 * Nothing: reads end at once, what is written is lost.
 *
 * Source: CPython 3.14 `asyncio.subprocess.DEVNULL`.
 */
export const DEVNULL: unique symbol = Symbol('DEVNULL');

/** What a standard stream of a child is: `PIPE`, `DEVNULL`, a descriptor or a stream that has one, null: ours. */
export type StdioKind = typeof PIPE | typeof DEVNULL | number | Stream | null;

/** How a child is started. Not in Node: `preexec_fn`, `close_fds`, `pass_fds`, `umask`. */
export interface SubprocessOptions {
  stdin?: StdioKind | undefined;
  stdout?: StdioKind | undefined;
  stderr?: StdioKind | typeof STDOUT | undefined;
  /** The working directory; default ours. */
  cwd?: string | URL | null;
  /** The whole environment; default ours. */
  env?: Readonly<Record<string, string | undefined>> | null;
  uid?: number;
  gid?: number;
  /** Make it the leader of a session of its own: Python's `start_new_session`. Ctrl-C does not reach it. */
  detached?: boolean;
  /**
   * Its own children end with it: it leads a process group, which signals go to, and what is left of the group when it
   * has ended is killed. Not on Windows. Default false.
   */
  killTree?: boolean;
  /** How long it may take to end after SIGTERM, before SIGKILL, when its end is wanted. Default 1 second. */
  killGrace?: Delay;
  /**
   * How long others (its own children) may hold its pipes after it has ended; then they are closed. Default null:
   * as long as they like, and `communicate` gives what they write, too.
   */
  pipeGrace?: Delay | null;
}

const KILL_GRACE = 1;

/** One pipe of a child, and whether it is still there. */
class PipeProtocol extends BaseProtocol {
  readonly #process: ProcessTransport;
  readonly #fd: number;
  isDisconnected = false;

  constructor(process: ProcessTransport, fd: number) {
    super();
    this.#process = process;
    this.#fd = fd;
  }

  override connectionLost(error: Error | null): void {
    this.isDisconnected = true;
    this.#process._pipeLost(this.#fd, error);
  }

  override pauseWriting(): void {
    this.#process.getProtocol().pauseWriting();
  }

  override resumeWriting(): void {
    this.#process.getProtocol().resumeWriting();
  }

  dataReceived(data: Buffer): void {
    this.#process._call((protocol) => protocol.pipeDataReceived(this.#fd, data));
  }

  eofReceived(): void {}
}

interface ConnectedPipe {
  readonly fd: number;
  readonly transport: ReadPipeTransport | WritePipeTransport;
  readonly protocol: PipeProtocol;
}

/** Whether signals go to the process and its own children. Windows has no such groups: a signal to one finds nobody. */
function leadsGroup({ killTree = false }: SubprocessOptions): boolean {
  return killTree && process.platform !== 'win32';
}

/** Processes that a loop has started and that are not over, or whose pipes are still open. */
const children = new WeakMap<BaseEventLoop, Set<ProcessTransport>>();

function childrenOf(loop: BaseEventLoop): Set<ProcessTransport> {
  let set = children.get(loop);
  if (set === undefined) {
    set = new Set();
    children.set(loop, set);
    endWithRun(loop, () => endAll(loop));
  }
  return set;
}

/** The end of a run: no child goes on after it. */
const endAll = /* @__PURE__ */ methodCoroutine('endProcesses', function* (loop: BaseEventLoop): Gen<void> {
  const left = [...childrenOf(loop)];
  // All at once, so that one bound holds for all.
  for (const child of left) child._beginEnd();
  for (const child of left) yield* child._end();
});

/** The loop is closed: children that are left are nobody's, and do not keep the process alive. */
export function disownChildren(loop: BaseEventLoop): void {
  for (const child of children.get(loop) ?? []) child._disown();
}

/** Those who wait for the end of a process. */
class ExitLine extends WaiterLine implements Gate<number, void> {
  declare readonly owner: ProcessTransport;

  get _operation(): string {
    return 'SubprocessTransport.wait';
  }

  _attempt(woken: LineWaiter | null): number | LineWaiter {
    if (woken !== null) this.leave(woken);
    return this.owner.getReturncode() ?? this.join(this.owner._loop);
  }

  _giveUp(waiter: LineWaiter): void {
    this.leave(waiter);
  }
}

/** A process, from its start to its end. */
class ProcessTransport extends SubprocessTransport {
  readonly #loop: BaseEventLoop;
  readonly #child: ChildProcess;
  readonly #program: string;
  readonly #isTree: boolean;
  readonly #killGrace: number;
  readonly #pipeGrace: number | null;
  readonly #pipes: ConnectedPipe[] = [];
  readonly #exit: ExitLine = new ExitLine(this);
  #finishWaiters: Future<void>[] = [];
  #protocol: SubprocessProtocol;
  #returncode: number | null = null;
  #isClosed = false;
  #isEnding = false;
  #isFinished = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    loop: BaseEventLoop,
    child: ChildProcess,
    program: string,
    protocol: SubprocessProtocol,
    shared: SharedPipe | null,
    options: SubprocessOptions,
  ) {
    super({ subprocess: child });
    this.#loop = loop;
    this.#child = child;
    this.#program = program;
    this.#protocol = protocol;
    this.#isTree = leadsGroup(options);
    this.#killGrace = toSeconds(options.killGrace ?? KILL_GRACE, 'killGrace');
    this.#pipeGrace = toGrace(options.pipeGrace);
    childrenOf(loop).add(this);
    loop._outsideWork++;
    child.once('exit', this.#onExit);
    // Nothing that we do makes one; without a listener it would end the program.
    child.on('error', (error) => logger.debug(`${this}: ${error}`));
    this.#connect(0, child.stdin);
    this.#connect(1, shared === null ? child.stdout : shared.ours);
    this.#connect(2, child.stderr);
    if (loop.getDebug()) logger.debug(`process ${repr(program)} created: pid ${child.pid}`);
    loop.callSoon(() => protocol.connectionMade(this));
  }

  #connect(fd: number, stream: Readable | Writable | null): void {
    if (stream === null) return;
    const protocol = new PipeProtocol(this, fd);
    const transport =
      fd === 0
        ? new WritePipeTransport(this.#loop, stream as Writable, protocol)
        : new ReadPipeTransport(this.#loop, stream as Readable, protocol);
    this.#pipes.push({ fd, transport, protocol });
  }

  override getPid(): number {
    return this.#child.pid as number;
  }

  override getReturncode(): number | null {
    return this.#returncode;
  }

  override getPipeTransport(fd: number): ReadPipeTransport | WritePipeTransport | null {
    return this.#pipes.find((pipe) => pipe.fd === fd)?.transport ?? null;
  }

  override setProtocol(protocol: SubprocessProtocol): void {
    this.#protocol = protocol;
  }

  override getProtocol(): SubprocessProtocol {
    return this.#protocol;
  }

  override isClosing(): boolean {
    return this.#isClosed;
  }

  override sendSignal(signal: NodeJS.Signals | number): void {
    // Its number may be another's by now: no signal leaves this program.
    if (this.#returncode !== null) throw noSuchProcess(this.getPid(), signal);
    try {
      process.kill(this.#isTree ? -this.getPid() : this.getPid(), signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  override terminate(): void {
    this.sendSignal('SIGTERM');
  }

  override kill(): void {
    this.sendSignal('SIGKILL');
  }

  override close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { transport } of this.#pipes) closePipe(transport);
    if (this.#returncode !== null) return;
    if (this.#loop.getDebug()) logger.warning(`Close running child process: kill ${this}`);
    this.#signalQuietly('SIGKILL');
  }

  /** @internal Wait for the end of the process, whoever holds its pipes. */
  _wait(): Coroutine<number> {
    return tracked(new Passage(this.#exit, undefined));
  }

  /** @internal Its end is wanted: SIGTERM, and SIGKILL if that is not enough. */
  _beginEnd(): void {
    if (this.#isEnding || this.#returncode !== null) return;
    this.#isEnding = true;
    this.#signalQuietly('SIGTERM');
    // Real time: the child knows no other.
    if (this.#killGrace === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#signalQuietly('SIGKILL'), this.#killGrace * 1000);
  }

  /** @internal End it, wait until it is gone, and close its pipes. */
  _end(): Coroutine<void> {
    return endProcess(this);
  }

  /** @internal */
  _disown(): void {
    this.#child.unref();
    this.#stopTimer();
    for (const stream of this.#child.stdio) (stream as { unref?(): void } | null)?.unref?.();
    for (const { transport } of this.#pipes) transport.getExtraInfo<{ unref?(): void }>('pipe')?.unref?.();
  }

  /** @internal */
  get _loop(): BaseEventLoop {
    return this.#loop;
  }

  /** @internal What a task waits for that waits for its end, in reports. */
  _waitText(): string {
    return this.toString();
  }

  /** @internal Done when the protocol has heard of everything; null if it has. */
  _untilFinished(): Future<void> | null {
    if (this.#isFinished) return null;
    const waiter = this.#loop.createFuture<void>();
    this.#finishWaiters.push(waiter);
    return waiter;
  }

  /** @internal Call the protocol in a handle of its own. */
  _call(method: (protocol: SubprocessProtocol) => unknown): void {
    if (!this.#loop.isClosed()) this.#loop.callSoon(() => method(this.#protocol));
  }

  /** @internal */
  _pipeLost(fd: number, error: Error | null): void {
    this._call((protocol) => protocol.pipeConnectionLost(fd, error));
    this.#tryFinish();
  }

  readonly #onExit = (code: number | null, signal: NodeJS.Signals | null): void => {
    // It is reaped by now: whatever is asked from here on is not asked of the system.
    this.#returncode = signal === null ? (code as number) : -os().constants.signals[signal];
    this.#stopTimer();
    if (this.#isTree) killGroup(this.getPid());
    const loop = this.#loop;
    loop._outsideWork--;
    if (loop.isClosed()) return;
    loop.callSoon(() => this.#exited());
    if (this.#pipeGrace !== null && !this.#arePipesLost())
      this.#timer = setTimeout(() => this.#dropPipes(), this.#pipeGrace * 1000);
  };

  #exited(): void {
    const returncode = this.#returncode as number;
    if (this.#loop.getDebug()) logger.info(`${this} exited with return code ${returncode}`);
    this._call((protocol) => protocol.processExited());
    this.#exit.wakeAll();
    this.#tryFinish();
  }

  #arePipesLost(): boolean {
    return this.#pipes.every(({ protocol }) => protocol.isDisconnected);
  }

  #dropPipes(): void {
    for (const { transport } of this.#pipes) closePipe(transport);
  }

  #tryFinish(): void {
    if (this.#isFinished || this.#returncode === null || !this.#arePipesLost()) return;
    this.#isFinished = true;
    this.#stopTimer();
    childrenOf(this.#loop).delete(this);
    this._call((protocol) => {
      try {
        protocol.connectionLost(null);
      } finally {
        for (const waiter of this.#finishWaiters) if (!waiter.done()) waiter.setResult(undefined);
        this.#finishWaiters = [];
      }
    });
  }

  #signalQuietly(signal: NodeJS.Signals): void {
    if (this.#returncode !== null) return;
    try {
      this.sendSignal(signal);
    } catch (error) {
      // It may have become another user's.
      logger.debug(`${this}: ${error}`);
    }
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  override toString(): string {
    const parts = ['SubprocessTransport'];
    if (this.#isClosed) parts.push('closed');
    parts.push(`pid=${this.getPid()}`);
    parts.push(this.#returncode === null ? 'running' : `returncode=${this.#returncode}`);
    for (const [fd, name] of [[0, 'stdin'] as const, [1, 'stdout'] as const, [2, 'stderr'] as const]) {
      const transport = this.getPipeTransport(fd);
      if (transport !== null) parts.push(`${name}=${transport}`);
    }
    return `<${parts.join(' ')}>`;
  }

  /** @internal What it runs. */
  get _program(): string {
    return this.#program;
  }
}

export type { ProcessTransport };

const endProcess = /* @__PURE__ */ methodCoroutine(
  'SubprocessTransport.end',
  function* (transport: ProcessTransport): Gen<void> {
    try {
      transport._beginEnd();
      yield* transport._wait();
    } finally {
      // Cancelled before the bound: then at once.
      transport.close();
    }
    const finished = transport._untilFinished();
    if (finished !== null) yield* finished;
  },
);

function closePipe(transport: ReadPipeTransport | WritePipeTransport): void {
  // What the child has not read by now it never will.
  if (transport instanceof WritePipeTransport) transport.abort();
  else transport.close();
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}

function noSuchProcess(pid: number, signal: NodeJS.Signals | number): Error {
  const message = `kill ESRCH: process ${pid} has ended, and gets no ${signal}`;
  return Object.assign(new Error(message), { code: 'ESRCH', errno: -3, syscall: 'kill' });
}

function toGrace(grace: Delay | null | undefined): number | null {
  return grace === null || grace === undefined ? null : toSeconds(grace, 'pipeGrace');
}

/** Options of Python's that would make text of the bytes: refused, as there. */
const TEXT_OPTIONS = /* @__PURE__ */ Object.entries({
  universalNewlines: false,
  bufsize: 0,
  text: false,
  encoding: null,
  errors: null,
});

function checkOptions(options: object, shell: boolean): void {
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`the options of a process must be an object, got ${repr(options)}`);
  const given = options as Record<string, unknown>;
  if (Object.hasOwn(given, 'shell') && Boolean(given['shell']) !== shell)
    throw new RangeError(`shell must be ${shell ? 'True' : 'False'}`);
  for (const [name, wanted] of TEXT_OPTIONS) {
    if (!Object.hasOwn(given, name)) continue;
    const value = given[name];
    if (value === undefined || value === null || value === wanted) continue;
    const text = wanted === null ? 'None' : wanted === false ? 'False' : String(wanted);
    throw new RangeError(`${name} must be ${text}`);
  }
}

function toStdio(kind: StdioKind | typeof STDOUT, fd: number): IOType | number | Stream {
  if (kind === null) return fd;
  if (kind === PIPE) return 'pipe';
  if (kind === DEVNULL) return 'ignore';
  if (kind === STDOUT) throw new RangeError('STDOUT can only be used for stderr');
  if (typeof kind === 'number' || (typeof kind === 'object' && kind !== null)) return kind;
  throw new TypeError(
    `a standard stream of a process is PIPE, DEVNULL, a descriptor, a stream or null, got ${repr(kind)}`,
  );
}

/** @internal `NodeEventLoop.subprocessExec`. */
export const subprocessExec = /* @__PURE__ */ methodCoroutine('NodeEventLoop.subprocessExec', function* <
  P extends SubprocessProtocol,
>(loop: BaseEventLoop, protocolFactory: () => P, program: string, args: readonly string[], options: SubprocessOptions): Gen<
  [ProcessTransport, P]
> {
  checkOptions(options, false);
  if (typeof program !== 'string')
    throw new TypeError(`program must be a string, not '${typeName(program)}'`);
  if (!Array.isArray(args))
    throw new TypeError(`the arguments of a program are an array of strings, got ${repr(args)}`);
  return yield* start(loop, protocolFactory, program, args, options, false);
});

/** @internal `NodeEventLoop.subprocessShell`. */
export const subprocessShell = /* @__PURE__ */ methodCoroutine('NodeEventLoop.subprocessShell', function* <
  P extends SubprocessProtocol,
>(loop: BaseEventLoop, protocolFactory: () => P, cmd: string, options: SubprocessOptions): Gen<
  [ProcessTransport, P]
> {
  checkOptions(options, true);
  if (typeof cmd !== 'string') throw new RangeError('cmd must be a string');
  return yield* start(loop, protocolFactory, cmd, [], options, true);
});

function* start<P extends SubprocessProtocol>(
  loop: BaseEventLoop,
  protocolFactory: () => P,
  program: string,
  args: readonly string[],
  options: SubprocessOptions,
  shell: boolean,
): Gen<[ProcessTransport, P]> {
  const { stdin = PIPE, stdout = PIPE, stderr = PIPE } = options;
  const isShared = stdout === PIPE && stderr === STDOUT;
  const stdio = [toStdio(stdin, 0), toStdio(stdout, 1)];
  stdio.push(stderr === STDOUT ? (stdio[1] as number) : toStdio(stderr, 2));
  // Looked at before there is a child that could be left behind.
  toSeconds(options.killGrace ?? KILL_GRACE, 'killGrace');
  toGrace(options.pipeGrace);
  const protocol = protocolFactory();
  const what = loop.getDebug() ? `${shell ? 'run shell command' : 'execute program'} ${repr(program)}` : null;
  if (what !== null) logger.debug(what);
  let shared: SharedPipe | null = null;
  let child: ChildProcess;
  try {
    if (isShared) {
      shared = yield* opening(openSharedPipe(), closeSharedPipe);
      stdio.splice(1, 2, shared.theirs, shared.theirs);
    }
    child = childProcess().spawn(program, args, spawnOptions(options, stdio, shell));
    if (child.pid === undefined) throw yield* failure(loop, child);
  } catch (error) {
    shared?.ours.destroy();
    throw explain(error, program, args, options);
  } finally {
    shared?.theirs.destroy();
  }
  const transport = new ProcessTransport(loop, child, program, protocol, shared, options);
  const connected = loop.createFuture<void>();
  loop.callSoon(() => {
    if (!connected.done()) connected.setResult(undefined);
  });
  try {
    yield* connected;
  } catch (error) {
    // Nobody gets to know of the child: it ends.
    yield* transport._end();
    throw error;
  }
  if (what !== null) logger.info(`${what}: ${transport}`);
  return [transport, protocol];
}

function spawnOptions(
  options: SubprocessOptions,
  stdio: (IOType | number | Stream)[],
  shell: boolean,
): SpawnOptions {
  const { cwd, env, uid, gid, detached = false } = options;
  return {
    stdio,
    shell,
    cwd: cwd ?? undefined,
    env: env ?? ownEnvironment(),
    uid,
    gid,
    detached: detached || leadsGroup(options),
    windowsHide: true,
  };
}

/** Node would copy it, too, and ask the system for each variable three times. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const { env } = process;
  const copy: NodeJS.ProcessEnv = {};
  for (const name of Object.getOwnPropertyNames(env)) copy[name] = env[name];
  return copy;
}

/** Why there is no child. Node tells it later. */
function* failure(loop: BaseEventLoop, child: ChildProcess): Gen<Error> {
  const told = loop.createFuture<Error>();
  child.on('error', (error) => {
    for (const stream of child.stdio ?? []) stream?.destroy();
    if (!told.done() && !loop.isClosed()) told.setResult(error);
  });
  return yield* told;
}

/** The error of a failed start, which also says what to look at. */
function explain(
  error: unknown,
  program: string,
  args: readonly string[],
  options: SubprocessOptions,
): unknown {
  const hint = hintFor(error as NodeJS.ErrnoException, program, args, options);
  if (hint === null || !(error instanceof Error)) return error;
  const { message } = error;
  error.message = `${message}: ${hint}`;
  // The text of the stack was made before.
  if (error.stack !== undefined) error.stack = error.stack.replace(message, () => error.message);
  return error;
}

function hintFor(
  error: NodeJS.ErrnoException,
  program: string,
  args: readonly string[],
  options: SubprocessOptions,
): string | null {
  const { cwd = null, env = null } = options;
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EACCES': {
      if (cwd !== null && !isFolder(cwd)) return `the working directory ${repr(String(cwd))} is not there`;
      if (error.code === 'EACCES') return 'it is no program, or may not be run by this user';
      if (!program.includes('/')) return 'no program of that name is on the PATH';
      return fs().existsSync(program)
        ? 'the program that its first line (#!) names is not there'
        : 'no such file';
    }
    case 'EMFILE':
    case 'ENFILE':
      return 'too many files are open; "ulimit -n" shows how many may be';
    case 'EAGAIN':
      return 'too many processes; "ulimit -u" shows how many may be';
    case 'E2BIG': {
      const variables = Object.entries(env ?? process.env).map(([name, value]) => `${name}=${value}`);
      return `arguments of ${sizeOf(args)} bytes and an environment of ${sizeOf(variables)}: pass data through stdin or a file`;
    }
    case 'EPERM':
      return 'this user may not take another uid or gid';
    default:
      return null;
  }
}

function sizeOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
}

function isFolder(path: string | URL): boolean {
  try {
    return fs().statSync(path).isDirectory();
  } catch {
    return false;
  }
}
