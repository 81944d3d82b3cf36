/** What a child process does: it runs one target, and ends. Counterpart: `multiprocessing/spawn.py` and `Process._bootstrap`. */
import { iscoroutine } from '../core/coroutines.ts';
import { KeyboardInterrupt, SystemExit } from '../core/exceptions.ts';
import { formatError } from '../core/format-helpers.ts';
import { run } from '../core/runners.ts';
import { isGeneratorFunction } from '../core/strands.ts';
import { createTask } from '../core/tasks.ts';
import type { Gen } from '../core/types.ts';
import { missingModules, unpack } from '../concurrent/crossing.ts';
import { importModule } from '../concurrent/importing.ts';
import { Link } from '../concurrent/link.ts';
import { CallFlag, FromWorker, ToWorker, type ToWorkerEntry } from '../concurrent/protocol.ts';
import { functionAt, type Place } from '../concurrent/targets.ts';
import type { Channel } from '../concurrent/worker-calls.ts';
import { whenIdle, type WorkerData } from '../concurrent/workers.ts';
import type { ChildNotes } from './child-handle.ts';
import { activeChildren, becomeCurrent, currentProcess, type Process } from './process.ts';

/** The child's side of a `Process`. */
export class ChildProgram {
  readonly #channel: Channel;
  readonly #notes: ChildNotes;
  #place: Place | null = null;
  readonly #link = new Link((messages) => this.#channel.send([[FromWorker.LINK, messages]], []));

  constructor(channel: Channel, data: WorkerData) {
    this.#channel = channel;
    this.#notes = data.notes as ChildNotes;
    process.argv = [process.argv[0] as string, ...this.#notes.argv];
    // `process.exit()` ends it in the midst of a turn.
    process.on('exit', () => this.#link.flush());
  }

  receive(entries: readonly ToWorkerEntry[]): void {
    for (const entry of entries) {
      if (entry[0] === ToWorker.LINK) this.#link.receive(entry[1]);
      else if (entry[0] === ToWorker.PLACE) this.#place = entry[2];
      else if (entry[0] === ToWorker.CALL) void this.#main(entry[3], entry[4]);
    }
  }

  async #main(packed: unknown, flags: number): Promise<void> {
    let code = 0;
    try {
      await execute(await this.#prepare(packed, flags));
    } catch (error) {
      code = report(error);
    }
    for (const child of activeChildren()) if (child.daemon) child.terminate();
    // As Python: threads, other children and what executors have to do come to their end.
    await whenIdle();
    await this.#link.drain();
    this.#channel.exit(typeof process.exitCode === 'number' ? process.exitCode : code);
  }

  async #prepare(packed: unknown, flags: number): Promise<Process> {
    const place = this.#place;
    const target = place === null ? null : functionAt(place, await importModule(place.module));
    let args = packed as unknown[];
    if (flags & CallFlag.PACKED) {
      for (const module of missingModules(args)) await import(module);
      args = unpack(args, this.#link) as unknown[];
    }
    return becomeCurrent(target, args, this.#notes.isSubclass);
  }
}

/** Run it as a main program. */
async function execute(program: Process): Promise<void> {
  const { target, args } = program._own;
  if (typeof target === 'function' && isGeneratorFunction(target)) {
    await run(target(...args) as Gen<unknown>);
    return;
  }
  await run(async () => {
    const result = program.run();
    return iscoroutine(result) ? createTask(result) : result;
  });
}

/** Say what has ended it. Returns the exit code. */
function report(error: unknown): number {
  if (error instanceof SystemExit) {
    if (error.code === null) return 0;
    if (typeof error.code === 'number') return error.code;
    process.stderr.write(`${error.code}\n`);
    return 1;
  }
  // The run has set what a shell expects; a parent expects what Python's has.
  if (error instanceof KeyboardInterrupt) process.once('exit', () => (process.exitCode = 1));
  process.stderr.write(`Process ${currentProcess().name}:\n${formatError(error)}\n`);
  return 1;
}
