/** A child process as its parent has it. Counterpart: `multiprocessing/popen_spawn_posix.py`. */
import { FromWorker, type FromWorkerEntry, ToWorker, type ToWorkerEntry } from '../concurrent/protocol.ts';
import { asPicklingError, packArgs } from '../concurrent/sending.ts';
import { Started } from '../concurrent/started.ts';
import type { Place } from '../concurrent/targets.ts';
import { type Death, type ProcessHandle, startProcess, type WorkerListener } from '../concurrent/workers.ts';
import { addDaemon, deleteDaemon } from './keep-alive.ts';

/** What a child is told of itself. */
export interface ChildNotes {
  readonly identity: readonly number[];
  readonly daemon: boolean;
  readonly parentName: string;
  readonly parentPid: number;
  /** The arguments of the program. */
  readonly argv: readonly string[];
  /** Whether its target is a subclass of `Process`, whose `run` is to be called. */
  readonly isSubclass: boolean;
}

export interface ChildOptions {
  readonly name: string;
  readonly notes: ChildNotes;
  readonly executable: string | undefined;
  onExit(exitcode: number): void;
}

/** The exit code of what could not be started. */
const NOT_STARTED = 255;

/** The running process. */
export class Child implements WorkerListener {
  readonly #options: ChildOptions;
  readonly #handle: ProcessHandle;
  #holds = 0;
  #isConnected = false;
  #failure: unknown = null;
  #connectWaits: Started<void>[] = [];
  /** Null while it runs. */
  exitcode: number | null = null;
  /** As texts give it: a signal by its name. */
  exitText: string | null = null;

  constructor(options: ChildOptions) {
    this.#options = options;
    const { name, notes, executable } = options;
    const { daemon } = notes;
    this.#handle = startProcess({ name, concurrency: 1, daemon, role: 'main', notes, executable }, this);
    if (!daemon) return;
    this.#handle.unref();
    addDaemon(this);
  }

  /** @throws PicklingError if the arguments cannot be sent; then no process is left. */
  run(place: Place | null, args: unknown[]): void {
    try {
      const packed = packArgs(args, 0, this.#handle);
      const entries: ToWorkerEntry[] = [[ToWorker.CALL, 0, 0, packed.args, packed.flags, null]];
      if (place !== null) entries.unshift([ToWorker.PLACE, 0, place]);
      this.#handle.post(entries);
    } catch (error) {
      this.#handle.kill();
      throw asPicklingError(`${this.#options.name}: ${place?.name}()`, args, this.#handle, error);
    }
  }

  get pid(): number | null {
    return this.#handle.ident;
  }

  /** Ends when it runs, or has ended before. */
  whenConnected(): Started<void> {
    const started = new Started<void>('Process.start()');
    if (this.#failure !== null) started._reject(this.#failure);
    else if (this.#isConnected) started._resolve();
    else {
      this.#connectWaits.push(started);
      this.hold();
      started._whenEnded(() => this.release());
    }
    return started;
  }

  onMessage(entries: readonly FromWorkerEntry[]): void {
    for (const entry of entries) {
      if (entry[0] === FromWorker.LINK) this.#handle.link.receive(entry[1]);
      else if (entry[0] === FromWorker.READY) this.#connected();
    }
  }

  #connected(): void {
    this.#isConnected = true;
    for (const wait of this.#connectWaits.splice(0)) wait._resolve();
  }

  onExit({ code, signal, error }: Death): void {
    if (signal !== null) {
      const { signals } = process.getBuiltinModule('node:os').constants;
      this.exitcode = -signals[signal as NodeJS.Signals];
      this.exitText = `-${signal}`;
    } else {
      this.exitcode = code ?? NOT_STARTED;
      this.exitText = String(this.exitcode);
    }
    if (error !== undefined) {
      this.#failure = error;
      for (const wait of this.#connectWaits.splice(0)) wait._reject(error);
    }
    this.#connected();
    deleteDaemon(this);
    this.#options.onExit(this.exitcode);
  }

  /** Keep this process alive even for a daemon, until `release`. */
  hold(): void {
    if (this.#holds++ === 0) this.#handle.ref();
  }

  release(): void {
    if (--this.#holds === 0 && this.#options.notes.daemon) this.#handle.unref();
  }

  interrupt(): void {
    this.#handle.interrupt();
  }

  terminate(): void {
    this.#handle.terminate();
  }

  kill(): void {
    this.#handle.kill();
  }
}
