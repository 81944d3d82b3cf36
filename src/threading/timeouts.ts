/** The time-outs of this package's calls. */
import { RuntimeError } from '../core/exceptions.ts';
import { toSeconds } from '../core/events.ts';
import type { Delay } from '../core/types.ts';

/**
 * The largest time-out that one timer of the host can keep, in seconds. Larger ones are waited for by several timers
 * one after the other, so this refuses nothing.
 *
 * Source: CPython 3.14 `threading.TIMEOUT_MAX`, which is 9223372036.
 */
export const TIMEOUT_MAX = 2147483;

/**
 * What the lowest-level operations throw: the class `RuntimeError`.
 *
 * Source: CPython 3.14 `threading.ThreadError`.
 */
export const ThreadError: typeof RuntimeError = RuntimeError;

/** Seconds, or null for ever. */
export function secondsOf(timeout: Delay | null | undefined): number | null {
  return timeout === null || timeout === undefined ? null : toSeconds(timeout, 'timeout');
}

/** The time-out of a lock, where -1 is for ever. */
export function lockSeconds(blocking: boolean, timeout: Delay | null | undefined): number | null {
  const seconds = secondsOf(timeout) ?? -1;
  if (!blocking) {
    if (seconds !== -1) throw new RangeError("can't specify a timeout for a non-blocking call");
    return 0;
  }
  if (seconds === -1) return null;
  if (seconds < 0) throw new RangeError('timeout value must be a non-negative number');
  return seconds;
}
