/** Threads that wait before they call. Counterpart: `Timer` of `threading.py`. */
import { toSeconds } from '../core/events.ts';
import { NotImplementedError } from '../core/exceptions.ts';
import type { Delay } from '../core/types.ts';
import { checkTarget, type Place, placeOf, type Target } from '../concurrent/targets.ts';
import { Event } from './event.ts';
import { runnerPlace } from './runners.ts';
import { Thread } from './thread.ts';

/**
 * A thread that calls a function once, after an interval. In a program with an event loop, `loop.callLater` costs no thread.
 *
 * @param interval - seconds from the start of the thread.
 * @param fn - a function that a module exports, or `{ target, module: import.meta.url }`.
 * @param args - its arguments; they are cloned.
 * @param kwargs - one more argument behind them.
 *
 * Source: CPython 3.14 `threading.Timer`.
 */
export class Timer<A extends unknown[] = any[]> extends Thread {
  /** @internal */ readonly _interval: number;
  /** @internal */ readonly _fn: Target<A, unknown>;
  /** @internal */ readonly _fnArgs: unknown[];
  /** @internal Set when it was cancelled or has called. */
  readonly _finished = new Event();

  constructor(
    interval: Delay,
    fn: Target<A, unknown>,
    args: Readonly<A> | null = null,
    kwargs: object | null = null,
  ) {
    super();
    checkTarget(fn, 'function');
    this._interval = toSeconds(interval, 'interval');
    this._fn = fn;
    this._fnArgs = [...(args ?? []), ...(kwargs === null ? [] : [kwargs])];
  }

  /** Do not call, if it has not called yet. */
  cancel(): void {
    this._finished.set();
  }

  /** @internal */
  override _work(): { place: Place; args: unknown[] } {
    if (this.run !== Thread.prototype.run) {
      throw new NotImplementedError(
        'a Timer that overrides run() cannot go to its thread: override run() of a Thread, and let it wait by an Event',
      );
    }
    return {
      place: runnerPlace('runTimer'),
      args: [this._finished, this._interval, placeOf(this._fn), this._fnArgs],
    };
  }
}
