/** An executor without workers, for tests and for programs that choose at run time. No counterpart in CPython. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { copyContext } from '../core/contextvars.ts';
import { iscoroutinefunction } from '../core/coroutines.ts';
import { asError, isCancelledError, RuntimeError } from '../core/exceptions.ts';
import { Semaphore } from '../core/locks.ts';
import { Runner } from '../core/runners.ts';
import type { CoroutineLike } from '../core/types.ts';
import { Executor, type ResultOfCall, type ValueOf } from './executor.ts';
import { Future } from './futures.ts';
import { Started } from './started.ts';
import { progressListener } from './progress.ts';
import { RemoteIterator } from './stream.ts';
import { checkTarget, type Target } from './targets.ts';
import type { StartedIterator } from './waiting.ts';

// Taken when the module is loaded, so that a test library's fake timers do not stop it.
const { setImmediate } = globalThis;

type AnyFunction = (...args: any[]) => unknown;

/**
 * Runs each call where and when it is submitted, in this thread: what a function of a worker does can be followed by a
 * debugger, and tests start no threads. Async functions and generators run beside each other on a loop of the executor's
 * own. Nothing is cloned, so functions need not be exported.
 *
 * Source: asyncio-ts.
 */
export class InlineExecutor extends Executor {
  readonly #runner = new Runner();
  /** What runs on the loop; also for some turns after its future was aborted. */
  readonly #running = new Set<PromiseLike<unknown>>();
  #isShutDown = false;
  #ended: Promise<void> | null = null;

  override submit<A extends unknown[], R>(fn: Target<A, R>, ...args: A): Future<ResultOfCall<R>> {
    const future = new Future<any>();
    this.#begin(future, () => functionOf(fn)(...args), fn);
    return future;
  }

  override stream<A extends unknown[], R>(fn: Target<A, R>, ...args: A): StartedIterator<ValueOf<R>> {
    const values = new RemoteIterator<ValueOf<R>>();
    const future = new Future<any>();
    const credit = new Semaphore(0);
    values.begin((n) => {
      for (let i = 0; i < n; i++) credit.release();
    });
    this.#begin(future, async () => {
      for await (const value of (await functionOf(fn)(...args)) as AsyncIterable<unknown>) {
        // Here it is cancelled when nobody takes its values any more.
        await credit.acquire();
        values.value(value);
      }
    });
    return values.follow(future);
  }

  #begin(future: Future<any>, call: () => unknown, fn?: Target<any, any>): void {
    if (this.#isShutDown) throw new RuntimeError('cannot schedule new futures after shutdown');
    future.setRunningOrNotifyCancel();
    const abort = new AbortController();
    const token = progressListener.set((value) => future._progress(value));
    const context = copyContext();
    future._control = { abort: () => context.run(() => abort.abort()), forget: () => {} };
    try {
      const needsLoop = fn === undefined || iscoroutinefunction(functionOf(fn));
      const result = needsLoop ? this.#run(call, abort.signal) : call();
      if (typeof (result as PromiseLike<unknown> | null)?.then === 'function') {
        this.#follow(future, result as PromiseLike<unknown>);
      } else future.setResult(result);
    } catch (error) {
      future.setException(asError(error));
    } finally {
      progressListener.reset(token);
    }
  }

  #run(call: () => unknown, signal: AbortSignal): Promise<unknown> {
    return this.#runner.submit(call as CoroutineLike<unknown>, { signal });
  }

  // `any`: the types of the future and of the result were one where the call was made.
  #follow(future: Future<any>, result: PromiseLike<unknown>): void {
    this.#running.add(result);
    const forget = (): void => void this.#running.delete(result);
    result.then(forget, forget);
    follow(future, result);
  }

  override shutdown(wait = true, _options: { cancelFutures?: boolean } = {}): Started<void> {
    this.#isShutDown = true;
    const ended = Started._from<void>('Executor.shutdown()', (this.#ended ??= this.#end()));
    return wait ? ended : Started._of<void>('Executor.shutdown()', undefined);
  }

  async #end(): Promise<void> {
    // The runner would cancel what is left.
    await Promise.allSettled(this.#running);
    const close = async (): Promise<void> => {
      await new Promise<void>((resolve) => setImmediate(resolve));
      await this.#runner.close();
    };
    const { storage } = (this.#runner.getLoop() as BaseEventLoop)._host;
    // It runs its loop to the end, which nobody may within another loop: and the caller may be a task, in its turn.
    await (storage === null ? close() : storage.emptySnapshot().run(close));
  }

  override drain(): Started<void> {
    return Started._of<void>('Executor.drain()', undefined);
  }
}

function functionOf(target: Target<any, any>): AnyFunction {
  checkTarget(target, 'the function of an executor');
  const fn = typeof target === 'function' ? target : target.target;
  if (fn === undefined)
    throw new TypeError('an InlineExecutor needs the function itself: { target, module }');
  return fn;
}

function follow(future: Future<any>, result: PromiseLike<unknown>): void {
  result.then(
    (value) => {
      if (!future.done()) future.setResult(value);
    },
    (error: unknown) => {
      if (future.done()) return;
      if (isCancelledError(error)) future._endCancelled();
      else future.setException(asError(error));
    },
  );
}
