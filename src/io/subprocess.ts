/** Processes for tasks. Counterpart: `asyncio/subprocess.py`. */
import { coroutine, methodCoroutine } from '../core/coroutines.ts';
import { type AbstractEventLoop, requireLoop } from '../core/events.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { gather } from '../core/waiting.ts';
import { logger } from '../core/log.ts';
import {
  DEVNULL,
  PIPE,
  type ProcessTransport,
  STDOUT,
  type StdioKind,
  type SubprocessOptions,
} from './base-subprocess.ts';
import type { NodeEventLoop } from './event-loop.ts';
import type { SubprocessProtocol } from './protocols.ts';
import { checkLimit, DEFAULT_LIMIT, StreamReader } from './stream-reader.ts';
import { CloseLine, FlowControlMixin, StreamWriter } from './streams.ts';
import type { BaseTransport, ReadTransport, SubprocessTransport, WriteTransport } from './transports.ts';

export { DEVNULL, PIPE, STDOUT, type StdioKind, type SubprocessOptions };

/** Options of `createSubprocessExec` and `createSubprocessShell`: standard streams are ours unless said otherwise. */
export interface ProcessOptions extends SubprocessOptions {
  /** How long a line of its output may be, in bytes; twice as much is buffered before it has to wait. Default 64 KiB. */
  limit?: number;
}

/**
 * Makes streams of the pipes of a process.
 *
 * @param limit - of the readers, in bytes.
 * @param loop - that the process belongs to.
 *
 * Source: CPython 3.14 `asyncio.subprocess.SubprocessStreamProtocol`.
 */
export class SubprocessStreamProtocol extends FlowControlMixin implements SubprocessProtocol {
  /** What the process reads; null unless that is a pipe. */
  stdin: StreamWriter | null = null;
  /** What it writes; null unless that is a pipe. */
  stdout: StreamReader | null = null;
  /** What it complains; null unless that is a pipe. */
  stderr: StreamReader | null = null;
  readonly #limit: number;
  #stdinClosed: CloseLine | null = null;
  #openPipes: number[] = [];
  #transport: SubprocessTransport | null = null;
  #hasExited = false;

  constructor(limit: number = DEFAULT_LIMIT, loop?: AbstractEventLoop | null) {
    super(loop);
    this.#limit = checkLimit(limit);
  }

  /** Makes the streams. */
  override connectionMade(transport: BaseTransport): void {
    const process = transport as SubprocessTransport;
    this.#transport = process;
    this.stdout = this.#reader(process, 1);
    this.stderr = this.#reader(process, 2);
    const stdin = process.getPipeTransport(0);
    if (stdin !== null) this.stdin = new StreamWriter(stdin as WriteTransport, this, null, this._loop);
  }

  #reader(process: SubprocessTransport, fd: number): StreamReader | null {
    const transport = process.getPipeTransport(fd);
    if (transport === null) return null;
    const reader = new StreamReader(this.#limit, this._loop);
    reader.setTransport(transport as ReadTransport);
    this.#openPipes.push(fd);
    return reader;
  }

  /** Feeds the reader. */
  pipeDataReceived(fd: number, data: Buffer): void {
    (fd === 1 ? this.stdout : this.stderr)?.feedData(data);
  }

  /** Ends or fails the stream. */
  pipeConnectionLost(fd: number, exc: Error | null): void {
    if (fd === 0) {
      this.stdin?.close();
      this.connectionLost(exc);
      this.#stdinClosing().close(exc);
      return;
    }
    const reader = fd === 1 ? this.stdout : this.stderr;
    if (exc === null) reader?.feedEof();
    else reader?.setException(exc);
    this.#openPipes = this.#openPipes.filter((open) => open !== fd);
    this.#maybeClose();
  }

  /** The process has ended. */
  processExited(): void {
    this.#hasExited = true;
    this.#maybeClose();
  }

  #maybeClose(): void {
    if (this.#openPipes.length > 0 || !this.#hasExited) return;
    this.#transport?.close();
    this.#transport = null;
  }

  /** @internal */
  override _getCloseWaiter(_stream: StreamWriter): CloseLine {
    return this.#stdinClosing();
  }

  #stdinClosing(): CloseLine {
    this.#stdinClosed ??= new CloseLine(this, this._loop);
    return this.#stdinClosed;
  }

  override toString(): string {
    const parts = [this.constructor.name];
    if (this.stdin !== null) parts.push(`stdin=${this.stdin}`);
    if (this.stdout !== null) parts.push(`stdout=${this.stdout}`);
    if (this.stderr !== null) parts.push(`stderr=${this.stderr}`);
    return `<${parts.join(' ')}>`;
  }
}

/**
 * A process that was started by `createSubprocessExec` or `createSubprocessShell`.
 *
 * `await using process = …` ends it at the end of the block. The end of `run` does so, too.
 *
 * Source: CPython 3.14 `asyncio.subprocess.Process`.
 */
export class Process implements AsyncDisposable {
  /** Its number; with `createSubprocessShell` that of the shell. */
  readonly pid: number;
  /** What it reads; null unless it was made with `PIPE`. */
  readonly stdin: StreamWriter | null;
  /** What it writes; null unless it was made with `PIPE`. */
  readonly stdout: StreamReader | null;
  /** What it complains; null unless it was made with `PIPE`. */
  readonly stderr: StreamReader | null;
  /** @internal */ readonly _transport: ProcessTransport;
  /** @internal What `communicate` has read to the end and not given to anybody yet. */
  readonly _read: [stdout: Buffer | null, stderr: Buffer | null] = [null, null];

  /** @internal */
  constructor(transport: ProcessTransport, protocol: SubprocessStreamProtocol) {
    this._transport = transport;
    this.pid = transport.getPid();
    this.stdin = protocol.stdin;
    this.stdout = protocol.stdout;
    this.stderr = protocol.stderr;
  }

  /** Its exit code; minus the signal that ended it; null while it runs. */
  get returncode(): number | null {
    return this._transport.getReturncode();
  }

  /**
   * Wait until it ends, whoever still holds its pipes. Many may wait.
   *
   * A child that fills a pipe which nobody reads does not end: use `communicate`.
   *
   * @returns the return code.
   *
   * Cancellation: ends the wait; the process goes on.
   *
   * Source: CPython 3.14 `asyncio.subprocess.Process.wait`.
   */
  wait(): Coroutine<number> {
    return this._transport._wait();
  }

  /**
   * Write `input` to its stdin and close that, read all that it writes, and wait until it ends. It may end without
   * having read the input.
   *
   * @returns what came from stdout and from stderr; null for what is no pipe.
   * @throws the error of a pipe that could not be read.
   *
   * Cancellation: ends the wait; the process goes on, and the next call (without input) gives also what this one read.
   *
   * Source: CPython 3.14 `asyncio.subprocess.Process.communicate`.
   */
  communicate(input?: Uint8Array | null): Coroutine<[stdout: Buffer | null, stderr: Buffer | null]> {
    return communicate(this, input ?? null);
  }

  /**
   * Send it a signal, by name or number; with `killTree`, to its own children as well.
   *
   * @throws an error with code ESRCH if it has ended.
   *
   * Source: CPython 3.14 `asyncio.subprocess.Process.send_signal`.
   */
  sendSignal(signal: NodeJS.Signals | number): void {
    this._transport.sendSignal(signal);
  }

  /**
   * Send it SIGTERM; on Windows, end it.
   *
   * @throws an error with code ESRCH if it has ended.
   *
   * Source: CPython 3.14 `asyncio.subprocess.Process.terminate`.
   */
  terminate(): void {
    this._transport.terminate();
  }

  /**
   * Send it SIGKILL; on Windows, end it.
   *
   * @throws an error with code ESRCH if it has ended.
   *
   * Source: CPython 3.14 `asyncio.subprocess.Process.kill`.
   */
  kill(): void {
    this._transport.kill();
  }

  /**
   * End it (SIGTERM, then SIGKILL after `killGrace`), wait until it is gone, and close its pipes.
   *
   * Cancellation: it is killed at once.
   */
  [Symbol.asyncDispose](): Coroutine<void> {
    return this._transport._end();
  }

  toString(): string {
    return `<${this.constructor.name} ${this.pid}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

const communicate = /* @__PURE__ */ methodCoroutine(
  'Process.communicate',
  function* (
    process: Process,
    input: Uint8Array | null,
  ): Gen<[stdout: Buffer | null, stderr: Buffer | null]> {
    const parts: Coroutine<void>[] = [];
    if (process.stdin !== null) parts.push(feed(process, process.stdin, input));
    if (process.stdout !== null) parts.push(readToEnd(process, process.stdout, 1));
    if (process.stderr !== null) parts.push(readToEnd(process, process.stderr, 2));
    yield* gather(parts);
    yield* process.wait();
    const [stdout, stderr] = process._read;
    process._read.fill(null);
    return [stdout, stderr];
  },
);

const feed = /* @__PURE__ */ methodCoroutine(
  'Process.communicate: feed stdin',
  function* (process: Process, stdin: StreamWriter, input: Uint8Array | null): Gen<void> {
    try {
      if (input !== null) stdin.write(input);
      yield* stdin.drain();
    } catch (error) {
      // The process has ended, or wants no more.
      const { code } = error as { code?: unknown };
      if (code !== 'EPIPE' && code !== 'ECONNRESET') throw error;
      logger.debug(`${process} communicate: stdin got ${error}`);
    }
    stdin.close();
  },
);

const readToEnd = /* @__PURE__ */ methodCoroutine(
  'Process.communicate: read',
  function* (process: Process, reader: StreamReader, fd: 1 | 2): Gen<void> {
    const data = yield* reader.read();
    // Kept, since another part of `communicate` may still be cancelled.
    const before = process._read[fd - 1];
    process._read[fd - 1] = before ? Buffer.concat([before, data]) : data;
    process._transport.getPipeTransport(fd)?.close();
  },
);

/**
 * Start a program.
 *
 * ```ts
 * const git = await createSubprocessExec('git', ['status', '--short'], { stdout: PIPE });
 * const [changes] = await git.communicate();
 * ```
 *
 * @param args - its arguments, without its name.
 * @throws the system's error if it cannot be started (code `ENOENT` if there is none), which says what to look at.
 *
 * Cancellation: the child, if there is one already, is ended and waited for.
 *
 * Source: CPython 3.14 `asyncio.create_subprocess_exec`.
 */
export const createSubprocessExec: (
  program: string,
  args?: readonly string[],
  options?: ProcessOptions,
) => Coroutine<Process> = /* @__PURE__ */ coroutine(function* createSubprocessExec(
  program: string,
  args: readonly string[] = [],
  options: ProcessOptions = {},
): Gen<Process> {
  const loop = requireLoop() as NodeEventLoop;
  const factory = (): SubprocessStreamProtocol => new SubprocessStreamProtocol(options.limit, loop);
  const [transport, protocol] = yield* loop.subprocessExec(factory, program, args, inheriting(options));
  return new Process(transport as ProcessTransport, protocol);
});

/**
 * Start a command in the system's shell. Never put into it what somebody else has typed: use `createSubprocessExec`.
 *
 * ```ts
 * const process = await createSubprocessShell('sort | uniq -c', { stdin: PIPE, stdout: PIPE });
 * const [counts] = await process.communicate(Buffer.from('b\na\nb\n'));
 * ```
 *
 * @throws the system's error if the shell cannot be started.
 *
 * Cancellation: the child, if there is one already, is ended and waited for.
 *
 * Source: CPython 3.14 `asyncio.create_subprocess_shell`.
 */
export const createSubprocessShell: (cmd: string, options?: ProcessOptions) => Coroutine<Process> =
  /* @__PURE__ */ coroutine(function* createSubprocessShell(
    cmd: string,
    options: ProcessOptions = {},
  ): Gen<Process> {
    const loop = requireLoop() as NodeEventLoop;
    const factory = (): SubprocessStreamProtocol => new SubprocessStreamProtocol(options.limit, loop);
    const [transport, protocol] = yield* loop.subprocessShell(factory, cmd, inheriting(options));
    return new Process(transport as ProcessTransport, protocol);
  });

/** The loop's methods make pipes where nothing is said; here the child's streams are ours. */
function inheriting(options: ProcessOptions): SubprocessOptions {
  const { stdin = null, stdout = null, stderr = null } = options ?? {};
  return { ...options, stdin, stdout, stderr };
}
