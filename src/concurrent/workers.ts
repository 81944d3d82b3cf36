/** A worker thread or a worker process, as its pool sees it. */
import type { ChildProcess, ForkOptions } from 'node:child_process';
import type { MessagePort, ResourceLimits, Transferable, Worker } from 'node:worker_threads';
import type * as ChildProcessModule from 'node:child_process';
import type * as V8 from 'node:v8';
import type * as WorkerThreads from 'node:worker_threads';
import { RuntimeError } from '../core/exceptions.ts';
import { mainModule, workerInfo } from '../host/is-main.ts';
import { Claims } from './claims.ts';
import type { Way } from './crossing.ts';
import { Link } from './link.ts';
import { ToWorker } from './protocol.ts';

const load = (name: string): unknown => process.getBuiltinModule(name);
const threads = (): typeof WorkerThreads => load('node:worker_threads') as typeof WorkerThreads;
const children = (): typeof ChildProcessModule => load('node:child_process') as typeof ChildProcessModule;

/** The program that every worker runs; it stands beside this module in the package. */
const program = new URL('./worker.js', import.meta.url);

/** What a worker is told at its start. */
export interface WorkerData {
  /** Marks workers of ours: those of a pool run calls, the other runs one function and ends. */
  readonly asyncioTs: 'pool' | 'main';
  readonly name: string;
  readonly concurrency: number;
  /** The memory of `Claims`, for a thread of a pool. */
  readonly claims?: SharedArrayBuffer | null;
  readonly mainModule: string | null;
  /** Whether it ends with the process instead of keeping it alive. */
  readonly daemon?: boolean;
  /** What a higher layer tells its counterpart there; plain JSON. */
  readonly notes?: unknown;
}

/** Who hears of a worker. */
export interface WorkerListener {
  /** Entries of the protocol that its program speaks: `any`, as each listener knows only its own. */
  onMessage(entries: any): void;
  /** It has ended, and all that it sent has been heard. */
  onExit(death: Death): void;
}

/** How a worker ended. */
export interface Death {
  readonly code: number | null;
  readonly signal: string | null;
  /** What it threw and did not catch. */
  readonly error: unknown;
}

export interface WorkerOptions {
  readonly name: string;
  readonly concurrency: number;
  readonly daemon?: boolean | undefined;
  /** How many calls may be there at once. */
  readonly slots?: number;
  readonly role?: WorkerData['asyncioTs'];
  readonly notes?: unknown;
  readonly resourceLimits?: ResourceLimits | undefined;
  readonly execArgv?: readonly string[] | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly executable?: string | undefined;
}

/** One worker. */
export interface WorkerHandle {
  readonly way: Way;
  /** For live objects: what comes for it is the listener's to hand on. */
  readonly link: Link;
  /** The thread's or process's id. */
  readonly ident: number | null;
  /** Which of its calls have begun; null where no memory can be shared. */
  readonly claims: Claims | null;
  /** @throws the host's error if something in `entries` cannot be cloned. */
  post(entries: readonly unknown[], transfer: readonly Transferable[]): void;
  /** Whether `value` could be posted. */
  canBeSent(value: unknown): boolean;
  /** Keep this process alive, or do not. */
  ref(): void;
  unref(): void;
  /** End it politely (SIGTERM), or at once; threads know only the latter. */
  terminate(): void;
  kill(): void;
}

/** Start a worker thread. */
export function startThread(options: WorkerOptions, listener: WorkerListener): WorkerHandle {
  return new ThreadHandle(options, listener);
}

/** Start a worker process. */
export function startProcess(options: WorkerOptions, listener: WorkerListener): ProcessHandle {
  return new ProcessHandle(options, listener);
}

/** The workers that keep this process alive. */
const needed = new Set<WorkerHandle>();
let waits: (() => void)[] = [];

function forget(handle: WorkerHandle): void {
  needed.delete(handle);
  if (needed.size > 0) return;
  for (const wait of waits.splice(0)) wait();
}

/** Until no worker keeps this process alive: threads have ended, and executors have no calls that run or wait. */
export async function whenIdle(): Promise<void> {
  if (needed.size > 0) await new Promise<void>((resolve) => waits.push(resolve));
}

function dataOf({ name, concurrency, daemon = false, role = 'pool', notes }: WorkerOptions): WorkerData {
  return { asyncioTs: role, name, concurrency, daemon, mainModule: mainModule(), notes };
}

/** A program that was bundled into one file has lost the program of its workers. */
function explained(error: Error): Error {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND' || existsSync(program)) return error;
  return new RuntimeError(
    `${program.href} is missing, which the threads of asyncio-ts run: leave the package out of the bundle`,
    { cause: error },
  );
}

function existsSync(file: URL): boolean {
  return process.getBuiltinModule('node:fs').existsSync(file);
}

/** What is told of in one turn; then other events get theirs. */
const MOST_AT_ONCE = 1000;

class ThreadHandle implements WorkerHandle {
  readonly way = 'thread';
  readonly link = new Link((messages) => this.post([[ToWorker.LINK, messages]], []));
  readonly ident: number;
  readonly claims: Claims;
  readonly #worker: Worker;
  /** A port of our own: unlike the worker's, it can be asked for what else has come, which costs a third of an event. */
  readonly #port: MessagePort;

  constructor(options: WorkerOptions, listener: WorkerListener) {
    const { name, slots = 1, resourceLimits, execArgv, env } = options;
    this.claims = new Claims(slots);
    const { port1, port2 } = new (threads().MessageChannel)();
    this.#port = port1;
    this.#worker = new (threads().Worker)(program, {
      // A thread is of the process that it is in.
      workerData: {
        ...dataOf({ notes: workerInfo()?.notes, ...options }),
        claims: this.claims.memory,
        port: port2,
      },
      transferList: [port2],
      name,
      ...(resourceLimits && { resourceLimits }),
      ...(execArgv && { execArgv: [...execArgv] }),
      ...(env && { env }),
    });
    this.ident = this.#worker.threadId;
    needed.add(this);
    let thrown: unknown;
    const unreadable = (error: unknown): void => {
      // Something that it has sent cannot be read here: its call would never end.
      thrown = error;
      this.kill();
    };
    const receive = threads().receiveMessageOnPort;
    const drain = (entries: unknown[]): void => {
      try {
        for (let message = receive(port1); message !== undefined; message = receive(port1)) {
          entries.push(...(message.message as unknown[]));
          if (entries.length >= MOST_AT_ONCE) break;
        }
      } catch (error) {
        unreadable(error);
      }
      if (entries.length > 0) listener.onMessage(entries);
    };
    port1.on('message', drain);
    port1.on('messageerror', unreadable);
    this.#worker.on('error', (error) => {
      thrown = explained(error);
    });
    this.#worker.on('exit', (code) => {
      drain([]);
      port1.close();
      this.link.close(code === 0);
      listener.onExit({ code, signal: null, error: thrown });
      forget(this);
    });
  }

  post(entries: readonly unknown[], transfer: readonly Transferable[]): void {
    this.#port.postMessage(entries, transfer);
  }

  canBeSent(value: unknown): boolean {
    try {
      structuredClone(value);
      return true;
    } catch {
      return false;
    }
  }

  ref(): void {
    needed.add(this);
    this.#worker.ref();
    this.#port.ref();
  }

  unref(): void {
    this.#worker.unref();
    this.#port.unref();
    forget(this);
  }

  terminate(): void {
    void this.#worker.terminate();
  }

  kill(): void {
    void this.#worker.terminate();
  }
}

/** What only the parent's debugger, test runner or `-e` is meant by is not for its children. */
const NOT_INHERITED =
  /^(--(inspect|debug|test(?!-)|watch|input-type|eval|print|check|interactive)|-[epic]|-pe)/;
/** Those of them that take the next argument, too. */
const WITH_CODE = /^(--eval|--print|-e|-p|-pe)$/;

/** The options of this process that its workers get. */
function inheritedOptions(): string[] {
  return process.execArgv.filter((flag, i, all) => {
    const isCode = i > 0 && WITH_CODE.test(all[i - 1] as string) && !flag.startsWith('-');
    return !isCode && !NOT_INHERITED.test(flag);
  });
}

export class ProcessHandle implements WorkerHandle {
  readonly way = 'process';
  readonly claims = null;
  readonly link = new Link((messages) => this.post([[ToWorker.LINK, messages]]));
  readonly #child: ChildProcess;
  readonly #serialize: (value: unknown) => Buffer;
  #hasExited = false;

  constructor(options: WorkerOptions, listener: WorkerListener) {
    const { execArgv, env, executable } = options;
    const forkOptions: ForkOptions = {
      serialization: 'advanced',
      // It must not read what is typed for this one.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [...(execArgv ?? inheritedOptions())],
      ...(env && { env }),
      ...(executable !== undefined && { execPath: executable }),
    };
    this.#serialize = (load('node:v8') as typeof V8).serialize;
    this.#child = children().fork(program, [JSON.stringify(dataOf(options))], forkOptions);
    needed.add(this);
    let death: Death | null = null;
    let isDisconnected = false;
    const end = (): void => {
      if (death === null || !isDisconnected || this.#hasExited) return;
      this.#hasExited = true;
      this.link.close(death.code === 0);
      listener.onExit(death);
      forget(this);
    };
    this.#child.on('message', (entries) => listener.onMessage(entries));
    // Its last messages may come after its end, and are read before the channel says that it is closed.
    this.#child.on('disconnect', () => {
      isDisconnected = true;
      end();
    });
    this.#child.on('exit', (code, signal) => {
      death = { code, signal, error: undefined };
      isDisconnected ||= !this.#child.connected;
      end();
    });
    this.#child.on('error', (error) => {
      // It did not start, or a message did not reach it; in the latter case its end is told as well.
      if (this.#child.pid !== undefined) return;
      death = { code: null, signal: null, error };
      isDisconnected = true;
      end();
    });
  }

  get ident(): number | null {
    return this.#child.pid ?? null;
  }

  post(entries: readonly unknown[]): void {
    if (!this.#child.connected) return;
    // Errors of the channel are those of the process, whose end is told.
    this.#child.send(entries, () => {});
  }

  canBeSent(value: unknown): boolean {
    try {
      this.#serialize(value);
      return true;
    } catch {
      return false;
    }
  }

  /** Bun's has no methods. */
  get #channel(): Partial<Pick<NonNullable<ChildProcess['channel']>, 'ref' | 'unref'>> | null | undefined {
    return this.#child.channel;
  }

  ref(): void {
    if (this.#hasExited) return;
    needed.add(this);
    this.#child.ref();
    this.#channel?.ref?.();
  }

  unref(): void {
    this.#child.unref();
    this.#channel?.unref?.();
    forget(this);
  }

  /** As Ctrl-C. */
  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  terminate(): void {
    this.#child.kill('SIGTERM');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
