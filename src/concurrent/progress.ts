/** What a call tells its caller while it runs. */
import { ContextVar } from '../core/contextvars.ts';
import { RuntimeError } from '../core/exceptions.ts';

/** @internal Who hears of the progress of the call that runs in this context. */
export const progressListener = new ContextVar<((value: unknown) => void) | null>('asyncio-ts: progress', {
  default: null,
});

/**
 * In a call that an executor runs: tell its caller how far it is. `future.addProgressCallback` hears of it, in order and
 * before the result.
 *
 * @param value - anything that can be cloned.
 * @throws RuntimeError outside of such a call; PicklingError if the value cannot be cloned.
 *
 * Source: asyncio-ts.
 */
export function reportProgress(value: unknown): void {
  const listener = progressListener.get();
  if (listener === null) throw new RuntimeError('reportProgress() is for calls that an executor runs');
  listener(value);
}
