/** Calls in other threads, from a loop. Counterpart: `asyncio/threads.py`, and the executor of `asyncio/base_events.py`. */
import { createRequire } from 'node:module';
import type { BaseEventLoop } from '../core/base-events.ts';
import { coroutine } from '../core/coroutines.ts';
import { requireLoop, toSeconds } from '../core/events.ts';
import { RuntimeError, TimeoutError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Future } from '../core/futures.ts';
import { logger } from '../core/log.ts';
import { timeout } from '../core/timeouts.ts';
import type { Coroutine, Delay, Gen } from '../core/types.ts';
import type { Executor, ResultOfCall } from '../concurrent/executor.ts';
import { wrapFuture } from '../concurrent/loop-futures.ts';
import type { Target } from '../concurrent/targets.ts';
import type { ThreadPoolExecutor } from '../concurrent/thread.ts';

type Concurrent = typeof import('../concurrent/index.ts');

/** Executors are loaded when the first is needed: few programs do. `require`, since a call begins at once. */
function load(): Concurrent {
  return createRequire(import.meta.url)('./concurrent/index.js') as Concurrent;
}

/** The executor of a loop for those who name none. */
export class DefaultExecutor {
  #executor: ThreadPoolExecutor | null = null;
  #isShutDown = false;

  /** Have `fn` called by `executor`, or with null by this one. */
  run<A extends unknown[], R>(
    loop: BaseEventLoop,
    executor: Executor | null,
    fn: Target<A, R>,
    args: A,
  ): Future<ResultOfCall<R>> {
    return wrapFuture((executor ?? this.#get()).submit(fn, ...args), { loop });
  }

  #get(): ThreadPoolExecutor {
    if (this.#isShutDown) throw new RuntimeError('Executor shutdown has been called');
    // Its calls are asked to stop when they are cancelled, but never made to, as in Python.
    this.#executor ??= new (load().ThreadPoolExecutor)({ threadNamePrefix: 'asyncio', cancelGrace: null });
    return this.#executor;
  }

  set(executor: ThreadPoolExecutor): void {
    if (!(executor instanceof load().ThreadPoolExecutor)) {
      throw new TypeError(`executor must be ThreadPoolExecutor instance, got ${repr(executor)}`);
    }
    this.#executor = executor;
  }

  /** Wait for its calls, for `seconds` at most. */
  *shutdown(seconds: Delay | null): Gen<void> {
    this.#isShutDown = true;
    const executor = this.#executor;
    if (executor === null) return;
    try {
      yield* timeout(seconds).run(function* () {
        yield* executor.shutdown();
      });
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      logger.warning(
        `RuntimeWarning: The executor did not finishing joining its threads within ${toSeconds(seconds as Delay, 'timeout')} seconds.`,
      );
      executor.shutdown(false);
    }
  }

  /** The loop is closed: nobody waits any more. */
  close(): void {
    this.#isShutDown = true;
    this.#executor?.shutdown(false);
    this.#executor = null;
  }
}

/** @internal `executor.shutdown(seconds)`, as a coroutine. */
export const shutdownExecutor = coroutine(function* shutdownDefaultExecutor(
  executor: DefaultExecutor,
  seconds: Delay | null,
): Gen<void> {
  yield* executor.shutdown(seconds);
});

/**
 * Have a function called in another thread, by the loop's default executor. It sees copies of the context variables whose
 * values can be cloned.
 *
 * @param func - a function that a module exports, or `{ target, module: import.meta.url }`: sync, async or generator.
 * @param args - are cloned; `transfer(buffer)` moves.
 * @returns its result.
 *
 * Cancellation: the waiter is free at once, and the call is asked to stop: its task is cancelled, its signal aborts. It is
 * never made to.
 *
 * Source: CPython 3.14 `asyncio.to_thread`.
 */
export function toThread<A extends unknown[], R>(func: Target<A, R>, ...args: A): Coroutine<ResultOfCall<R>> {
  return callInThread(func as Target<any, any>, args) as Coroutine<ResultOfCall<R>>;
}

const callInThread = coroutine(function* toThread(func: Target<any, any>, args: unknown[]): Gen<unknown> {
  const loop = requireLoop() as BaseEventLoop & { runInExecutor: RunInExecutor };
  return yield* loop.runInExecutor(null, func, ...args);
});

type RunInExecutor = (executor: null, fn: Target<any, any>, ...args: unknown[]) => Future<unknown>;
