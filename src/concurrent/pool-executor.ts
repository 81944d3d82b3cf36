/** What the executors with workers have in common. */
import { toSeconds } from '../core/events.ts';
import { repr } from '../core/format-helpers.ts';
import type { Delay } from '../core/types.ts';
import type { BrokenExecutor } from './errors.ts';
import { Executor, type ResultOfCall, type ValueOf } from './executor.ts';
import type { Future } from './futures.ts';
import { checkNotImporting } from './importing.ts';
import { Pool } from './pool.ts';
import type { Started } from './started.ts';
import { RemoteIterator } from './stream.ts';
import { checkTarget, isTarget, type ModuleTarget, type Target } from './targets.ts';
import type { StartedIterator } from './waiting.ts';
import type { WorkerHandle, WorkerListener } from './workers.ts';

/** Options of every executor with workers. */
export interface PoolExecutorOptions {
  /** How many workers at most. They are started one by one, as calls need them. */
  maxWorkers?: number | null;
  /** Is called in each worker before its first call; if it fails, so does the executor. */
  initializer?: Target<any, unknown> | null;
  initargs?: readonly unknown[];
  /** Calls that a worker runs before another takes its place; null for no limit. */
  maxTasksPerChild?: number | null;
  /** Calls that may wait. With as many, `submit` throws ExecutorFull; `await executor.drain()` waits. Default: no limit. */
  maxQueue?: number | null;
  /** Calls that one worker runs side by side: more than one is of use to async functions alone. Default 1. */
  concurrency?: number;
  /**
   * Calls of fast functions (half a millisecond at most) that may be sent to a worker that is busy, which makes many short
   * calls several times faster. If one turns out slow, those behind it go to other workers; a process, however, can give
   * them back only when its event loop turns. 0: a call is sent when its worker is free. Default 32.
   */
  prefetch?: number;
  /**
   * Seconds that a running call has to end after it was asked to stop. Then its worker is ended, and another takes its
   * place. null: never. Default 5.
   */
  cancelGrace?: Delay | null;
}

/** A function with what its calls need. */
export interface CallTarget<A extends unknown[], R> extends Partial<ModuleTarget<A, R>> {
  readonly target: (...args: A) => R;
  /** As the executor's option, for this call. */
  readonly cancelGrace?: Delay | null;
}

const DEFAULT_GRACE = 5;
const DEFAULT_PREFETCH = 32;

function positive(value: number | null | undefined, message: string): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw new TypeError(`${message}, got ${repr(value)}`);
  if (value < 1) throw new RangeError(message);
  return value;
}

function grace(value: Delay | null | undefined, fallback: number | null): number | null {
  if (value === undefined) return fallback;
  return value === null ? null : toSeconds(value, 'cancelGrace');
}

/** How many calls a worker runs at once, and how many it may have. */
export interface PoolLimits {
  readonly concurrency: number;
  readonly slots: number;
}

/** What the kinds of executors differ in. */
export interface PoolKind {
  readonly options: PoolExecutorOptions;
  readonly defaultWorkers: number;
  readonly deathMessage: string;
  readonly initializerMessage: string;
  readonly breaksTogether: boolean;
  readonly start: (listener: WorkerListener, limits: PoolLimits) => WorkerHandle;
  broken(message: string, cause?: unknown): BrokenExecutor;
}

/** An executor with workers. */
export abstract class PoolExecutor extends Executor {
  /** @internal */ readonly _pool: Pool;

  /** @internal */
  constructor({ options, defaultWorkers, start, ...rest }: PoolKind) {
    super();
    const { initializer = null, initargs = [], maxQueue = null, prefetch = DEFAULT_PREFETCH } = options;
    const maxWorkers = options.maxWorkers ?? defaultWorkers;
    if (!(maxWorkers > 0)) throw new RangeError('max_workers must be greater than 0');
    if (!Number.isInteger(maxWorkers))
      throw new TypeError(`maxWorkers must be an integer, got ${repr(maxWorkers)}`);
    if (initializer !== null && !isTarget(initializer)) throw new TypeError('initializer must be a callable');
    if (!Number.isInteger(prefetch) || prefetch < 0) throw new RangeError('prefetch must be 0 or more');
    const maxTasksPerChild = positive(options.maxTasksPerChild, 'max_tasks_per_child must be >= 1');
    const concurrency = positive(options.concurrency, 'concurrency must be >= 1') ?? 1;
    checkNotImporting();
    this._pool = new Pool({
      ...rest,
      maxWorkers,
      initializer,
      initargs,
      maxTasksPerChild,
      maxQueue: positive(maxQueue, 'maxQueue must be >= 1'),
      concurrency,
      prefetch,
      cancelGrace: grace(options.cancelGrace, DEFAULT_GRACE),
      start: (listener) => start(listener, { concurrency, slots: concurrency + prefetch }),
    });
  }

  /** As `Executor.submit`; `{ target, cancelGrace }` sets the grace of one call. */
  override submit<A extends unknown[], R>(
    fn: Target<A, R> | CallTarget<A, R>,
    ...args: A
  ): Future<ResultOfCall<R>> {
    const target = plainTarget(fn);
    checkTarget(target, 'the function of submit()');
    return this._pool.submit(target, args, null, graceOf(fn, this._pool.options.cancelGrace));
  }

  override stream<A extends unknown[], R>(
    fn: Target<A, R> | CallTarget<A, R>,
    ...args: A
  ): StartedIterator<ValueOf<R>> {
    const target = plainTarget(fn);
    checkTarget(target, 'the function of stream()');
    const values = new RemoteIterator<ValueOf<R>>();
    const grace = graceOf(fn, this._pool.options.cancelGrace);
    return values.follow(this._pool.submit(target, args, values, grace));
  }

  override shutdown(wait = true, { cancelFutures = false }: { cancelFutures?: boolean } = {}): Started<void> {
    return this._pool.shutdown(wait, cancelFutures);
  }

  override drain(): Started<void> {
    return this._pool.drain();
  }

  /**
   * End all workers at once: what runs is lost, its futures fail; what waits is cancelled. No new calls.
   *
   * Source: CPython 3.14 `concurrent.futures.ProcessPoolExecutor.kill_workers`.
   */
  killWorkers(): void {
    this._pool.endWorkers(false);
  }

  /**
   * As `killWorkers`, by SIGTERM; threads know no difference.
   *
   * Source: CPython 3.14 `concurrent.futures.ProcessPoolExecutor.terminate_workers`.
   */
  terminateWorkers(): void {
    this._pool.endWorkers(true);
  }
}

function plainTarget<A extends unknown[], R>(fn: Target<A, R> | CallTarget<A, R>): Target<A, R> {
  if (typeof fn !== 'object' || fn === null || 'module' in fn) return fn as Target<A, R>;
  return fn.target;
}

function graceOf(fn: object, fallback: number | null): number | null {
  return grace((fn as { cancelGrace?: Delay | null }).cancelGrace, fallback);
}
