/** The report of a deadlock. No counterpart in CPython, which waits for ever. */
import { coroutineName } from './coroutines.ts';
import { RuntimeError } from './exceptions.ts';
import { repr } from './format-helpers.ts';
import { awaitPlace } from './task-notes.ts';
import type { Task } from './tasks.ts';

const MAX_TASKS = 50;

/**
 * Nothing is ready, no timer runs and nothing outside can wake the loop: the tasks wait for each other, or for
 * something that nobody will do. The message names each waiting task, what it waits for, and where, if the loop
 * notes that (debug mode, or a `VirtualEventLoop`).
 */
export class DeadlockError extends RuntimeError {
  /** The tasks that wait. */
  declare readonly tasks: readonly Task<any>[];

  /** @internal */
  constructor(tasks: Iterable<Task<any>>) {
    super(report([...tasks]));
    // Not enumerable: the message says what is to be said of them, and printing the error must not print them all.
    Object.defineProperty(this, 'tasks', { value: [...tasks] });
  }

  static {
    Object.defineProperty(this.prototype, 'name', {
      value: 'DeadlockError',
      configurable: true,
      writable: true,
    });
  }
}

function report(tasks: readonly Task<any>[]): string {
  if (tasks.length === 0)
    return 'nothing can wake the event loop any more, and no task is left: call loop.stop()';
  const count = tasks.length === 1 ? '1 task waits' : `${tasks.length} tasks wait`;
  const lines = [`deadlock: ${count} and nothing can wake the event loop any more`];
  for (const task of tasks.slice(0, MAX_TASKS)) lines.push(...describe(task));
  if (tasks.length > MAX_TASKS) lines.push(`  and ${tasks.length - MAX_TASKS} more`);
  return lines.join('\n');
}

function describe(task: Task<any>): string[] {
  const coro = task._coro === null ? '' : ` ${coroutineName(task._coro)}()`;
  const frame = awaitPlace(task);
  const place =
    frame === null ? '' : `\n      at ${frame.functionName} (${frame.file}:${frame.line}:${frame.column})`;
  const waits = waitsOf(task).map((what) => `\n      waits for ${what}`);
  return [`  * ${repr(task.getName())}${coro}${waits.join('')}${place}`];
}

/** What `task` waits for, as texts; nothing if it runs or is ready. */
export function waitsOf(task: Task<any>): string[] {
  const waits = task._waiter === null ? [] : [task._waiter._waitText()];
  const root = task._root;
  if (root === null) return waits;
  const strands = root.openStrands().map((strand) => strand._waiter?._waitText() ?? 'its next turn');
  return waits.length + strands.length === 0
    ? ["a promise that is not the library's"]
    : [...waits, ...strands];
}
