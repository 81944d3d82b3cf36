/** Running a program. Counterpart: `asyncio/runners.py`. */
import type { BaseEventLoop } from './base-events.ts';
import { SHUTDOWN_REPORT_SECONDS, THREAD_JOIN_TIMEOUT } from './constants.ts';
import { type Context, copyContext } from './contextvars.ts';
import { disregard, iscoroutine } from './coroutines.ts';
import { DeadlockError } from './deadlock.ts';
import { AbstractEventLoop, newEventLoop, setEventLoop, toSeconds } from './events.ts';
import { isCancelledError, RuntimeError } from './exceptions.ts';
import { repr } from './format-helpers.ts';
import { Future, isfuture } from './futures.ts';
import type { Interruption } from './host.ts';
import { logger } from './log.ts';
import { ERROR, PENDING, RESULT, runningLoop, type Waiter } from './running.ts';
import { allTasks, asCoroutine, checkOptions, Task } from './tasks.ts';
import type { Awaitable, CoroutineLike } from './types.ts';

/** Options of `run` and `Runner`. */
export interface RunnerOptions {
  /** Debug mode; null (default) leaves the environment's choice (`PYTHONASYNCIODEBUG`). */
  debug?: boolean | null;
  /** Makes the loop; default `newEventLoop`. */
  loopFactory?: (() => AbstractEventLoop) | null;
  /**
   * Seconds that shutdown waits for tasks that go on after their cancellation; then it goes on without them, and they
   * are reported. Default null: without limit, and they are named every 5 seconds.
   */
  shutdownGrace?: number | null;
  /**
   * Let the steps of generator tasks see the values that `AsyncLocalStorage`s had where the task was made, as those of
   * async functions do. Costs 50 to 200 ns per step. Default false.
   */
  asyncContext?: boolean;
  /**
   * Let SIGTERM, by which service managers ask a program to end, cancel the main task as Ctrl-C does. If that ends it,
   * SystemExit(143) is thrown. A second signal ends the process. Default false.
   */
  handleSigterm?: boolean;
}

/**
 * Runs coroutines one after the other on one loop and in one context.
 *
 * `await using runner = new Runner()` closes it.
 *
 * Source: CPython 3.14 `asyncio.Runner`.
 */
export class Runner {
  readonly #options: RunnerOptions;
  #state: 'created' | 'initialized' | 'closed' = 'created';
  #loop: BaseEventLoop | null = null;
  #context: Context | null = null;
  #hasSetLoop = false;
  /** The run of the loop that `submit` has started. */
  #serving: Promise<void> | null = null;

  constructor(options: RunnerOptions = {}) {
    checkOptions(options);
    const { shutdownGrace = null } = options;
    if (shutdownGrace !== null) toSeconds(shutdownGrace, 'shutdownGrace');
    this.#options = options;
  }

  /** The loop; made now if needed. */
  getLoop(): AbstractEventLoop {
    return this.#initialize();
  }

  /**
   * Run a coroutine to its end. Ctrl-C cancels it; if that ends it, KeyboardInterrupt is thrown. A second Ctrl-C ends
   * the process. With `handleSigterm` the same holds for SIGTERM and SystemExit.
   *
   * @param coro - a coroutine, a generator, or a function of no arguments; also a future of the runner's loop.
   * @param options.context - to run in; default the runner's own, so that variables set in one run are seen in the next.
   * @param options.signal - cancels it when it aborts, with its reason as message.
   * @returns its result.
   * @throws (by rejection) its error; RuntimeError within a running loop or after `close`; TypeError for a promise,
   *   whose work runs already; DeadlockError if nothing can wake the loop any more.
   */
  async run<T>(
    coro: CoroutineLike<T> | Awaitable<T>,
    options?: { context?: Context | null; signal?: AbortSignal },
  ): Promise<T> {
    if (runningLoop() !== null) {
      throw new RuntimeError('Runner.run() cannot be called from a running event loop');
    }
    const loop = this.#initialize();
    const main = checkMain(coro);
    const context = options?.context ?? this.#context;
    const task = loop.createTask(main, { context, ...(options?.signal && { signal: options.signal }) });
    let interruption: Interruption | undefined;
    let stopReporting: (() => void) | undefined;
    const stopListening = loop._host.onInterrupt?.((leave) => {
      interruption = leave;
      task.cancel();
      stopReporting = loop._host.every?.(SHUTDOWN_REPORT_SECONDS, () =>
        logger.warning(`interrupted, but it goes on (a second signal ends it)\n  ${task}`),
      );
    }, this.#options.handleSigterm);
    try {
      return await (this.#serving === null ? loop.runUntilComplete(task) : task.toPromise());
    } catch (error) {
      if (isCancelledError(error) && interruption !== undefined && task.uncancel() === 0)
        throw interruption();
      throw error;
    } finally {
      stopListening?.();
      stopReporting?.();
    }
  }

  /**
   * Run a coroutine beside others: the way in for web handlers, event emitters and queue consumers. Starts the loop
   * if it does not run; an idle loop does not keep the process alive.
   *
   * @param options.signal - cancels the coroutine when it aborts, with its reason as message.
   * @returns its result.
   * @throws (by rejection) its error; RuntimeError after `close`.
   */
  async submit<T>(coro: CoroutineLike<T>, options?: { signal?: AbortSignal }): Promise<T> {
    const loop = this.#initialize();
    const main = checkMain(coro);
    if (!loop.isRunning()) {
      this.#serving = loop._serve();
      // Stopped, or left by an error, which has gone to the submitter of its task as well.
      const ended = (): void => {
        this.#serving = null;
      };
      this.#serving.then(ended, ended);
    }
    const task = loop.createTask(main, {
      context: (this.#context as Context).copy(),
      ...(options?.signal && { signal: options.signal }),
    });
    return task.toPromise();
  }

  /**
   * Cancel all tasks and wait for them, end the processes that they have left, close async generators and the default
   * executor, then close the loop. Nothing
   * happens to a runner that was never used or is closed.
   */
  async close(): Promise<void> {
    if (this.#state !== 'initialized') return;
    const loop = this.#loop as BaseEventLoop;
    try {
      await this.#stopServing(loop);
      await this.#cancelAllTasks(loop);
      if (loop._endOutsideWork !== null) await loop.runUntilComplete(loop._endOutsideWork());
      await loop.runUntilComplete(loop.shutdownAsyncgens());
      await loop.runUntilComplete(loop.shutdownDefaultExecutor(THREAD_JOIN_TIMEOUT));
    } finally {
      if (this.#hasSetLoop) setEventLoop(null);
      loop.close();
      this.#loop = null;
      this.#state = 'closed';
      await loop._host.closed?.();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #initialize(): BaseEventLoop {
    if (this.#state === 'closed') throw new RuntimeError('Runner is closed');
    if (this.#loop !== null) return this.#loop;
    const { loopFactory = null, debug = null, asyncContext = false } = this.#options;
    const loop = (loopFactory ?? newEventLoop)() as BaseEventLoop;
    if (!(loop instanceof AbstractEventLoop)) {
      throw new TypeError(`loopFactory must give an event loop, got ${repr(loop)}`);
    }
    if (loopFactory === null) {
      setEventLoop(loop);
      this.#hasSetLoop = true;
    }
    if (debug !== null) loop.setDebug(debug);
    loop._keepsAsyncContext = asyncContext;
    this.#loop = loop;
    this.#context = copyContext();
    this.#state = 'initialized';
    return loop;
  }

  async #stopServing(loop: BaseEventLoop): Promise<void> {
    if (this.#serving === null) return;
    loop.stop();
    await this.#serving.catch(() => {});
    this.#serving = null;
  }

  async #cancelAllTasks(loop: BaseEventLoop): Promise<void> {
    const tasks = [...allTasks(loop)];
    if (tasks.length === 0) return;
    for (const task of tasks) task.cancel();
    const stopReporting = loop._host.every?.(SHUTDOWN_REPORT_SECONDS, () => reportStubborn(tasks));
    try {
      const { shutdownGrace = null } = this.#options;
      const ended = new AllEnded(loop, tasks);
      if (shutdownGrace !== null) loop.callLater(shutdownGrace, () => ended.release());
      await loop.runUntilComplete(ended);
    } catch (error) {
      // Tasks that nobody can wake are told of by the error alone.
      if (isDeadlock(error)) for (const task of tasks) task._beQuiet();
      throw error;
    } finally {
      stopReporting?.();
    }
    for (const task of tasks) {
      if (task._state !== ERROR) continue;
      loop.callExceptionHandler({
        message: 'unhandled exception during asyncio.run() shutdown',
        exception: task._takeError(),
        task,
      });
    }
  }
}

/**
 * Done when all tasks are: `gather` with `returnExceptions`, in the same turns, without the rest of it that a small
 * program does not need.
 */
class AllEnded extends Future<void> {
  #left: number;

  constructor(loop: BaseEventLoop, tasks: readonly Task<any>[]) {
    super(loop._own);
    this.#left = tasks.length;
    const waiter: Waiter = {
      _run: () => {
        if (--this.#left === 0) this.release();
      },
      _awaiter: () => null,
    };
    for (const task of tasks) task._addWaiter(waiter);
  }

  release(): void {
    if (this._state === PENDING) this._finish(RESULT, undefined);
  }
}

function reportStubborn(tasks: readonly Task<any>[]): void {
  const left = tasks.filter((task) => !task.done());
  if (left.length === 0) return;
  const list = left.map((task) => `\n  ${task}`).join('');
  const subject = left.length === 1 ? '1 task goes' : `${left.length} tasks go`;
  logger.warning(
    `shutdown waits: ${subject} on after the cancellation (the shutdownGrace option, in seconds, goes on without)${list}`,
  );
}

function isDeadlock(error: unknown): error is DeadlockError {
  try {
    return error instanceof DeadlockError;
  } catch {
    return false; // a revoked proxy
  }
}

function checkMain<T>(coro: CoroutineLike<T> | Awaitable<T>): CoroutineLike<T> {
  if (typeof coro === 'function' || iscoroutine(coro)) return coro;
  const required = 'An asyncio.Future, a coroutine or an awaitable is required';
  if (isfuture(coro)) return asCoroutine(coro) as CoroutineLike<T>;
  if (typeof (coro as PromiseLike<T> | null | undefined)?.then === 'function') {
    disregard(coro as PromiseLike<T>);
    throw new TypeError(
      `${required}, got ${repr(coro)}: the work of a promise runs already, outside of the loop; pass the function, ` +
        'run(main) in place of run(main())',
    );
  }
  throw new TypeError(`${required}, got ${repr(coro)}`);
}

/**
 * Run a program: `main` in a new loop, then the shutdown (the tasks that are left are cancelled and waited for, their
 * errors reported), then the end of the loop.
 *
 * ```ts
 * await run(async () => {
 *   await sleep(1);
 *   console.log('hello');
 * });
 * ```
 *
 * @param main - a coroutine, a generator, or a function of no arguments (async or generator).
 * @param options.signal - cancels it when it aborts, with its reason as message.
 * @returns the result of `main`.
 * @throws (by rejection) the error of `main`; KeyboardInterrupt if Ctrl-C ended it, SystemExit if SIGTERM did
 *   (`handleSigterm`); RuntimeError within a running loop; TypeError for a promise, whose work runs already;
 *   DeadlockError if nothing can wake the loop any more.
 *
 * Source: CPython 3.14 `asyncio.run`.
 */
export async function run<T>(
  main: CoroutineLike<T> | Awaitable<T>,
  options: RunnerOptions & { signal?: AbortSignal } = {},
): Promise<T> {
  if (runningLoop() !== null) {
    throw new RuntimeError('asyncio.run() cannot be called from a running event loop');
  }
  checkOptions(options);
  const { signal, ...runnerOptions } = options;
  const runner = new Runner(runnerOptions);
  let failure: { error: unknown } | null = null;
  try {
    return await runner.run(main, signal === undefined ? undefined : { signal });
  } catch (error) {
    failure = { error };
    throw error;
  } finally {
    await runner.close().catch((error: unknown) => {
      // What could not be woken cannot be cancelled either: the first report says more than the second.
      if (isDeadlock(failure?.error)) throw failure.error;
      if (failure === null || !isDeadlock(error)) throw error;
      // The program's own error is what has led here.
      logger.error(error.message);
      throw failure.error;
    });
  }
}
