/** Calls on processes. Counterpart: `concurrent/futures/process.py`. */
import { repr } from '../core/format-helpers.ts';
import { BrokenProcessPool } from './errors.ts';
import { PoolExecutor, type PoolExecutorOptions } from './pool-executor.ts';
import type { Target } from './targets.ts';
import { startProcess } from './workers.ts';

/** Options of `ProcessPoolExecutor`. */
export interface ProcessPoolOptions extends PoolExecutorOptions {
  /** The environment of the processes. Default: this one's. */
  env?: NodeJS.ProcessEnv;
  /** Options of Node for the processes, such as `--max-old-space-size=512`. Default: this one's. */
  execArgv?: readonly string[];
}

const MAX_WINDOWS_WORKERS = 61;

/**
 * Runs calls on a pool of processes: each has its own memory, and a crash of one leaves this process alone.
 *
 * A process that ends in the middle of a call ends the executor: all its calls fail with BrokenProcessPool.
 *
 * @param maxWorkers - how many processes at most. Default: the CPUs that this process may use.
 * @param mpContext - for the sake of ported programs; processes are always spawned.
 * @param initializer - is called in each process before its first call, with `initargs`.
 * @param options.maxTasksPerChild - calls that a process takes before another takes its place.
 * @throws RangeError, TypeError for options that make no sense.
 *
 * Source: CPython 3.14 `concurrent.futures.ProcessPoolExecutor`.
 */
export class ProcessPoolExecutor extends PoolExecutor {
  constructor(
    maxWorkers?: number | null,
    mpContext?: unknown,
    initializer?: Target<any, unknown> | null,
    initargs?: readonly unknown[],
    options?: { maxTasksPerChild?: number | null },
  );
  constructor(options: ProcessPoolOptions);
  constructor(
    first?: number | null | ProcessPoolOptions,
    _mpContext: unknown = null,
    initializer: Target<any, unknown> | null = null,
    initargs: readonly unknown[] = [],
    more: { maxTasksPerChild?: number | null } = {},
  ) {
    const options: ProcessPoolOptions =
      typeof first === 'object' && first !== null
        ? first
        : { maxWorkers: first ?? null, initializer, initargs, ...more };
    const { maxWorkers = null, maxTasksPerChild = null, env, execArgv } = options;
    if (process.platform === 'win32' && maxWorkers !== null && maxWorkers > MAX_WINDOWS_WORKERS) {
      throw new RangeError(`max_workers must be <= ${MAX_WINDOWS_WORKERS}`);
    }
    if (maxTasksPerChild !== null && !Number.isInteger(maxTasksPerChild)) {
      throw new TypeError(`max_tasks_per_child must be an integer, got ${repr(maxTasksPerChild)}`);
    }
    let started = 0;
    super({
      options,
      defaultWorkers: process.getBuiltinModule('node:os').availableParallelism(),
      deathMessage:
        'A process in the process pool was terminated abruptly while the future was running or pending.',
      initializerMessage: 'A process initializer failed, the process pool is not usable anymore',
      breaksTogether: true,
      start: (listener, limits) =>
        startProcess({ name: `ProcessPoolExecutor_${started++}`, ...limits, env, execArgv }, listener),
      broken: (message, cause) => new BrokenProcessPool(message, { cause }),
    });
  }

  /** @internal */
  override _makesChunks(chunksize: number): boolean {
    if (!(chunksize >= 1)) throw new RangeError('chunksize must be >= 1.');
    if (!Number.isInteger(chunksize))
      throw new TypeError(`chunksize must be an integer, got ${repr(chunksize)}`);
    return chunksize > 1;
  }
}
