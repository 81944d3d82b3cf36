/** Calls on worker threads. Counterpart: `concurrent/futures/thread.py` and `interpreter.py`. */
import type { ResourceLimits } from 'node:worker_threads';
import { BrokenInterpreterPool, BrokenThreadPool, type BrokenExecutor } from './errors.ts';
import { PoolExecutor, type PoolExecutorOptions } from './pool-executor.ts';
import type { Target } from './targets.ts';
import { startThread } from './workers.ts';

/** Options of `ThreadPoolExecutor`. */
export interface ThreadPoolOptions extends PoolExecutorOptions {
  /** The threads are named `prefix_0`, `prefix_1`, …. Default `ThreadPoolExecutor-0`, with a number of its own. */
  threadNamePrefix?: string;
  /** Limits of each thread's memory, in megabytes; a thread that goes beyond is ended. */
  resourceLimits?: ResourceLimits;
}

interface ThreadKind {
  readonly className: string;
  count: number;
  readonly Broken: new (message: string, options?: ErrorOptions) => BrokenExecutor;
}

const threadKind: ThreadKind = { className: 'ThreadPoolExecutor', count: 0, Broken: BrokenThreadPool };
const interpreterKind: ThreadKind = {
  className: 'InterpreterPoolExecutor',
  count: 0,
  Broken: BrokenInterpreterPool,
};

function cpus(): number {
  return process.getBuiltinModule('node:os').availableParallelism();
}

/**
 * Runs calls on a pool of worker threads. A thread has a heap and an event loop of its own, and runs truly beside the
 * others: unlike Python's it shares no objects, and arguments and results are cloned.
 *
 * @param maxWorkers - how many threads at most. Default: the number of CPUs plus 4, at most 32.
 * @param threadNamePrefix - of the threads' names.
 * @param initializer - is called in each thread before its first call, with `initargs`.
 * @throws RangeError, TypeError for options that make no sense.
 *
 * Source: CPython 3.14 `concurrent.futures.ThreadPoolExecutor`.
 */
export class ThreadPoolExecutor extends PoolExecutor {
  constructor(
    maxWorkers?: number | null,
    threadNamePrefix?: string,
    initializer?: Target<any, unknown> | null,
    initargs?: readonly unknown[],
  );
  constructor(options: ThreadPoolOptions);
  constructor(
    first?: number | null | ThreadPoolOptions,
    threadNamePrefix = '',
    initializer: Target<any, unknown> | null = null,
    initargs: readonly unknown[] = [],
    kind: ThreadKind = threadKind,
  ) {
    const options: ThreadPoolOptions =
      typeof first === 'object' && first !== null
        ? first
        : { maxWorkers: first ?? null, threadNamePrefix, initializer, initargs };
    const { threadNamePrefix: given, resourceLimits } = options;
    const prefix = given === undefined || given === '' ? `${kind.className}-${kind.count++}` : given;
    let started = 0;
    super({
      options,
      defaultWorkers: Math.min(32, cpus() + 4),
      deathMessage: 'A thread of the pool ended in the middle of the call.',
      // Also of interpreters, as in CPython.
      initializerMessage: 'A thread initializer failed, the thread pool is not usable anymore',
      breaksTogether: false,
      start: (listener, limits) =>
        startThread({ name: `${prefix}_${started++}`, ...limits, resourceLimits }, listener),
      broken: (message, cause) => new kind.Broken(message, { cause }),
    });
  }
}

/**
 * Runs calls in interpreters of their own, which is what a worker thread has anyway: the engine of `ThreadPoolExecutor`.
 *
 * Source: CPython 3.14 `concurrent.futures.InterpreterPoolExecutor`.
 */
export class InterpreterPoolExecutor extends ThreadPoolExecutor {
  constructor(
    maxWorkers?: number | null,
    threadNamePrefix?: string,
    initializer?: Target<any, unknown> | null,
    initargs?: readonly unknown[],
  );
  constructor(options: ThreadPoolOptions);
  constructor(first?: any, threadNamePrefix?: any, initializer?: any, initargs?: any) {
    // The signature of the base that takes the kind is the class's own affair.
    super(...([first, threadNamePrefix, initializer, initargs, interpreterKind] as unknown as [number]));
  }

  /** As `Executor.submit`. @throws TypeError for a text: scripts are not supported. */
  override submit: ThreadPoolExecutor['submit'] = (fn, ...args) => {
    if (typeof fn === 'string') throw new TypeError('scripts not supported');
    return super.submit(fn, ...args);
  };
}
