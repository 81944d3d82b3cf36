/** An executor without workers, for tests and for programs that choose at run time. No counterpart in CPython. */
import { copyContext } from '../core/contextvars.ts';
import { iscoroutinefunction } from '../core/coroutines.ts';
import { asError, isCancelledError, RuntimeError } from '../core/exceptions.ts';
import { Runner } from '../core/runners.ts';
import type { CoroutineLike } from '../core/types.ts';
import { Executor, type ResultOfCall, type ValueOf } from './executor.ts';
import { Future } from './futures.ts';
import { Started } from './started.ts';
import { progressListener } from './progress.ts';
import { RemoteIterator } from './stream.ts';
import { checkTarget, type Target } from './targets.ts';
import { wait as waitFor, type StartedIterator } from './waiting.ts';

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
  readonly #pending = new Set<Future<any>>();
  #isShutDown = false;

  override submit<A extends unknown[], R>(fn: Target<A, R>, ...args: A): Future<ResultOfCall<R>> {
    const future = new Future<any>();
    this.#begin(future, () => functionOf(fn)(...args), fn);
    return future;
  }

  override stream<A extends unknown[], R>(fn: Target<A, R>, ...args: A): StartedIterator<ValueOf<R>> {
    const values = new RemoteIterator<ValueOf<R>>();
    const future = new Future<any>();
    let credit = 0;
    let more: (() => void) | null = null;
    values.begin((n) => {
      credit += n;
      more?.();
    });
    this.#begin(future, async () => {
      for await (const value of (await functionOf(fn)(...args)) as AsyncIterable<unknown>) {
        while (credit === 0) await new Promise<void>((resolve) => (more = resolve));
        if (future.done()) return;
        credit--;
        values.value(value);
      }
    });
    return values.follow(future);
  }

  #begin(future: Future<any>, call: () => unknown, fn?: Target<any, any>): void {
    if (this.#isShutDown) throw new RuntimeError('cannot schedule new futures after shutdown');
    future.setRunningOrNotifyCancel();
    const abort = new AbortController();
    this.#pending.add(future);
    future.addDoneCallback(() => this.#pending.delete(future));
    const token = progressListener.set((value) => future._progress(value));
    const context = copyContext();
    future._control = { abort: () => context.run(() => abort.abort()), forget: () => {} };
    try {
      const needsLoop = fn === undefined || iscoroutinefunction(functionOf(fn));
      const result = needsLoop ? this.#run(call, abort.signal) : call();
      if (typeof (result as PromiseLike<unknown> | null)?.then === 'function') {
        follow(future, result as PromiseLike<unknown>);
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

  override shutdown(wait = true, _options: { cancelFutures?: boolean } = {}): Started<void> {
    this.#isShutDown = true;
    const end = async (): Promise<void> => {
      await waitFor(this.#pending);
      await this.#runner.close();
    };
    const ended = Started._from<void>('Executor.shutdown()', end());
    return wait ? ended : Started._of<void>('Executor.shutdown()', undefined);
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
