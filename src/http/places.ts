/** Limits on how many connections are in use. In aiohttp a part of `BaseConnector`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import type { Future } from '../core/futures.ts';
import type { Gen } from '../core/types.ts';

/** Somebody who waits for a place. */
interface Waiter {
  readonly host: string;
  readonly place: Future<void>;
}

/** Places for so many at once, in total and for each host (a name); 0 is no limit. First come, first served. */
export class Places {
  readonly #loop: BaseEventLoop;
  readonly #limit: number;
  readonly #limitPerHost: number;
  #taken = 0;
  readonly #takenOf = new Map<string, number>();
  readonly #line: Waiter[] = [];

  constructor(loop: BaseEventLoop, limit: number, limitPerHost: number) {
    this.#loop = loop;
    this.#limit = limit;
    this.#limitPerHost = limitPerHost;
  }

  /**
   * Take a place, as soon as there is one.
   *
   * Cancellation: leaves the line; a place that had been given already goes to the next.
   */
  *take(host: string): Gen<void> {
    if (this.#isFree(host)) {
      this.#count(host, 1);
      return;
    }
    const place = this.#loop.createFuture<void>();
    this.#line.push({ host, place });
    try {
      yield* place;
    } catch (error) {
      const index = this.#line.findIndex((waiter) => waiter.place === place);
      if (index >= 0) this.#line.splice(index, 1);
      else if (place.done() && !place.cancelled() && place.exception() === null) this.leave(host);
      throw error;
    }
  }

  /** Leave a place: the first in line who may have it, does, before anybody who comes now. */
  leave(host: string): void {
    this.#count(host, -1);
    for (const [i, waiter] of this.#line.entries()) {
      if (waiter.place.done() || !this.#isFree(waiter.host)) continue;
      this.#line.splice(i, 1);
      this.#count(waiter.host, 1);
      waiter.place.setResult();
      return;
    }
  }

  /** Send everybody in line away with an error. */
  close(error: Error): void {
    for (const { place } of this.#line.splice(0)) if (!place.done()) place.setException(error);
  }

  #isFree(host: string): boolean {
    if (this.#limit > 0 && this.#taken >= this.#limit) return false;
    return this.#limitPerHost === 0 || (this.#takenOf.get(host) ?? 0) < this.#limitPerHost;
  }

  #count(host: string, change: 1 | -1): void {
    this.#taken += change;
    const taken = (this.#takenOf.get(host) ?? 0) + change;
    if (taken === 0) this.#takenOf.delete(host);
    else this.#takenOf.set(host, taken);
  }
}
