/** Limits on how many connections are in use, and the line of those who wait. In aiohttp a part of `BaseConnector`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { Future } from '../core/futures.ts';
import type { Gen } from '../core/types.ts';
import { sendTraces, type Trace } from './tracing.ts';

/** Somebody who waits for a place. */
class Waiter extends Future<void> {
  readonly host: Host;

  constructor(loop: BaseEventLoop, host: Host) {
    super(loop._own);
    this.host = host;
  }

  override _className(): string {
    return 'Future';
  }
}

/** What has a limit of its own. */
export interface Host {
  /** Places in use. */
  taken: number;
  /** Who waits, in order. */
  readonly line: Set<Waiter>;
}

/** Places for so many at once, in total and for each host; 0 is no limit. First come, first served. */
export class Places {
  readonly #loop: BaseEventLoop;
  readonly #limit: number;
  readonly #limitPerHost: number;
  #taken = 0;
  /** Who waits, for any host, in order. */
  readonly #line = new Set<Waiter>();

  constructor(loop: BaseEventLoop, limit: number, limitPerHost: number) {
    this.#loop = loop;
    this.#limit = limit;
    this.#limitPerHost = limitPerHost;
  }

  /** Take a place if one is free. Nobody who waits could have it: free places are handed on when they are left. */
  take(host: Host): boolean {
    if (this.#isFull() || this.#isHostFull(host)) return false;
    this.#taken++;
    host.taken++;
    return true;
  }

  /**
   * Wait for a place.
   *
   * Cancellation: leaves the line; a place that had been given already goes to the next.
   */
  *wait(host: Host, traces: readonly Trace[]): Gen<void> {
    const waiter = new Waiter(this.#loop, host);
    host.line.add(waiter);
    this.#line.add(waiter);
    let isTaken = false;
    try {
      if (traces.length > 0) yield* sendTraces(traces, 'onConnectionQueuedStart', {});
      yield* waiter;
      if (traces.length > 0) yield* sendTraces(traces, 'onConnectionQueuedEnd', {});
      isTaken = true;
    } finally {
      if (!isTaken) this.#giveUp(waiter);
    }
  }

  #giveUp(waiter: Waiter): void {
    if (waiter.cancel() || waiter.cancelled()) this.#unlink(waiter);
    else if (waiter.exception() === null) this.leave(waiter.host);
  }

  #unlink(waiter: Waiter): void {
    waiter.host.line.delete(waiter);
    this.#line.delete(waiter);
  }

  /** Leave a place: who waits for it the longest has it at once, before anybody who comes now. */
  leave(host: Host): void {
    const wasFull = this.#isFull();
    this.#taken--;
    host.taken--;
    if (this.#line.size === 0) return;
    // While there were places left, all who waited did so for their host.
    const next = this.#firstOf(wasFull ? this.#line : host.line);
    if (next === null) return;
    this.#unlink(next);
    this.#taken++;
    next.host.taken++;
    next.setResult();
  }

  #firstOf(line: Set<Waiter>): Waiter | null {
    for (const waiter of line) {
      // Cancelled, and has not had its turn since.
      if (waiter.done()) this.#unlink(waiter);
      else if (!this.#isHostFull(waiter.host)) return waiter;
    }
    return null;
  }

  #isFull(): boolean {
    return this.#limit > 0 && this.#taken >= this.#limit;
  }

  #isHostFull({ taken }: Host): boolean {
    return this.#limitPerHost > 0 && taken >= this.#limitPerHost;
  }

  /** Send everybody in line away with an error. */
  close(error: Error): void {
    for (const waiter of this.#line) if (!waiter.done()) waiter.setException(error);
  }
}
