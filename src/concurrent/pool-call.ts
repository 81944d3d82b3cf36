/** A call on its way through a pool. */
import type { Future } from './futures.ts';
import type { PoolWorker } from './pool-worker.ts';
import type { Variables } from './protocol.ts';
import { currentVariables } from './sending.ts';
import type { Place } from './targets.ts';
import type { Timer } from './timer.ts';

/** What is remembered of a function that was called. */
export interface KnownPlace extends Place {
  readonly id: number;
  /** Fast calls since the last slow one. */
  fastCalls: number;
}

/** So many fast calls in a row make a function fast. */
const FAST_STREAK = 8;

/** Whether calls of the function may be expected to be over in no time. */
export function isFast(place: KnownPlace): boolean {
  return place.fastCalls >= FAST_STREAK;
}

/** What hears of a stream's values. */
export interface StreamSink {
  /** The call is under way: by `grant(n)` it may send `n` more values. */
  begin(grant: (n: number) => void): void;
  value(value: unknown): void;
}

/** A call on its way through a pool. */
export class PoolCall {
  readonly id: number;
  readonly future: Future<any>;
  readonly place: KnownPlace;
  readonly args: unknown[];
  readonly sink: StreamSink | null;
  readonly variables: Variables | null;
  readonly cancelGrace: number | null;
  /** Where it was sent. */
  worker: PoolWorker | null = null;
  /** Its future was told that it is given to a worker. */
  isAnnounced = false;
  /** It waits in the pool. */
  isInLine = true;
  /** Its slot in the worker's `Claims`, or -1. */
  slot = -1;
  /** Memory was moved with it: it cannot be sent again. */
  isMoved = false;
  /** Nothing may wait behind it: it is not known to be fast. */
  isSlow = false;
  /** It was asked to stop while it ran. */
  isAborted = false;
  /** Ends its worker if it does not stop. */
  grace: Timer | null = null;

  constructor(
    id: number,
    future: Future<any>,
    place: KnownPlace,
    args: unknown[],
    sink: StreamSink | null,
    cancelGrace: number | null,
  ) {
    this.id = id;
    this.future = future;
    this.place = place;
    this.args = args;
    this.sink = sink;
    this.cancelGrace = cancelGrace;
    this.variables = currentVariables();
  }
}
