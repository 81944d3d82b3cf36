/** What a coroutine is told that yields what it should not. No counterpart file in CPython (`Task.__step`). */
import { RuntimeError } from './exceptions.ts';
import { repr } from './format-helpers.ts';
import type { Future } from './futures.ts';

/** The error to throw into a generator that yielded `value` where `yield*` on an awaitable was meant. */
export function badYield(value: unknown, task: Future<any> | null): RuntimeError {
  const kind = value as
    | { _asyncioFutureBlocking?: unknown; then?: unknown; next?: unknown }
    | null
    | undefined;
  if (kind?._asyncioFutureBlocking !== undefined) {
    return new RuntimeError(`yield was used instead of yield* in task ${task} with ${repr(value)}`);
  }
  if (typeof kind?.next === 'function') {
    return new RuntimeError(
      `yield was used instead of yield* for generator in task ${task} with ${repr(value)}`,
    );
  }
  const hint = typeof kind?.then === 'function' ? ': write yield* fromPromise(promise)' : '';
  return new RuntimeError(`Task got bad yield: ${repr(value)}${hint}`);
}
