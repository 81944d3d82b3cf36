/**
 * Who runs now. No counterpart in CPython, where the thread's state and the C implementation of tasks keep it.
 *
 * The fields hold while a handle runs, from its first line to its last, and nothing else can run meanwhile. Code
 * of async functions goes on in microtasks, after the handle: it is known by the store that the host's context
 * storage keeps for it (a `Scope`).
 */
import type { BaseEventLoop } from './base-events.ts';
import type { Context } from './contextvars.ts';
import type { Future } from './futures.ts';
import type { ContextStorage } from './host.ts';
import type { Scope } from './scopes.ts';
import type { CoroutineStrand } from './strands.ts';
import type { Task } from './tasks.ts';
import type { Suspend } from './types.ts';

/** What drives an iterator: a task its coroutine, a strand a coroutine that async code awaits. */
export type Driver = Task<any> | CoroutineStrand;

/** What has a context of its own: a task, a handle, an entered context. */
export interface ContextOwner {
  _context: Context | null;
  /** What `Context.run` was called from; null for async code, which is known by its store all the while. */
  readonly _within?: ContextOwner | null;
}

/** An entry of the ready queue. */
export interface Ready {
  /** Run it. Throws only errors that leave the loop (KeyboardInterrupt, SystemExit). */
  _run(): void;
}

/** An entry that waits for a future; the future puts it into the ready queue when it is done. */
export interface Waiter extends Ready {
  /** The future whose progress depends on this entry, for the call graph; null if it has none. */
  _awaiter(): Future<any> | null;
}

export const current: {
  /** The loop whose handle runs, until the microtasks that the handle started have drained. */
  loop: BaseEventLoop | null;
  /** What drives the generator that runs now; null in a plain callback and in async functions. */
  driver: Driver | null;
  /** Whose context variables the running handle sees; null outside of handles and in async functions. */
  owner: ContextOwner | null;
  /** The host's context storage, once an async function was used as a coroutine. */
  storage: ContextStorage | null;
  /** The scope of the async step that drains now, where the host has no context storage. */
  drainScope: Scope | null;
  /** Whether a host without a context storage has run async code. */
  isStorageMissing: boolean;
} = { loop: null, driver: null, owner: null, storage: null, drainScope: null, isStorageMissing: false };

/** The scope that the running async code was started in, or null in other code. */
export function storedScope(): Scope | null {
  const storage = current.storage;
  return storage === null ? current.drainScope : ((storage.getStore() as Scope | undefined) ?? null);
}

/** Whether a handle's own code runs: no async function's, and no foreign callback's. */
export function isSynchronous(): boolean {
  return current.owner !== null && current.owner._within !== null;
}

/** The task whose code runs now, or null. A task that is done counts as none. */
export function runningTask(): Task<any> | null {
  if (isSynchronous()) return current.driver === null ? null : current.driver._task;
  const scope = storedScope();
  if (scope === null) return null;
  const task = scope.root.task;
  return task === null || task.done() ? null : task;
}

/** The loop that the running code belongs to, or null outside of any. */
export function runningLoop(): BaseEventLoop | null {
  if (current.loop !== null) return current.loop;
  const scope = storedScope();
  return scope !== null && scope.root.loop.isRunning() ? scope.root.loop : null;
}

// States of a future.
export const PENDING = 0;
export const CANCELLED = 1;
export const RESULT = 2;
export const ERROR = 3;

/** What the scheduler sends into a generator when it resumes it; `yield*` hands it to what is awaited. */
export const RESUME: unique symbol = Symbol('resume');

/** What an awaitable yields to its driver: it has set the driver's `_waiter`, or wants its next turn. */
export const SUSPEND = Symbol('suspend') as unknown as Suspend;

/** What an async body yields to its driver: it will call the driver's `_resume` itself. */
export const PARK = Symbol('park') as unknown as Suspend;

export const SUSPENDED: IteratorYieldResult<Suspend> = Object.freeze({
  done: false as const,
  value: SUSPEND,
});
export const PARKED: IteratorYieldResult<Suspend> = Object.freeze({ done: false as const, value: PARK });
