/**
 * The timers of a loop, by (when, sequence). No counterpart in CPython, which keeps a `heapq` of handles.
 *
 * A four-way heap whose deadlines lie in a typed array: sifting compares numbers side by side in memory and looks
 * at an object only for equal deadlines. Every timer knows its place, so that a cancelled one leaves at once and
 * is garbage: code full of `timeout()` cancels nearly every timer that it makes.
 */
import type { Ready } from './running.ts';

/** What the heap keeps: something that runs at a time. */
export interface Timed extends Ready {
  /** Seconds of the loop's clock. */
  readonly _when: number;
  /** Order of creation among equal deadlines. */
  _sequence: number;
  /** Place in the heap, or -1 outside of it. */
  _place: number;
}

export class TimerHeap {
  #whens = new Float64Array(16);
  #timers: Timed[] = [];
  #sequence = 0;

  get size(): number {
    return this.#timers.length;
  }

  /** The earliest deadline, or `Infinity`. */
  get firstWhen(): number {
    return this.#timers.length === 0 ? Number.POSITIVE_INFINITY : (this.#whens[0] as number);
  }

  push(timer: Timed): void {
    const place = this.#timers.length;
    if (place === this.#whens.length) this.#resize(place * 2);
    timer._sequence = this.#sequence++;
    this.#timers.push(timer);
    this.#up(place, timer, timer._when);
  }

  /** Take the earliest timer out. */
  shift(): Timed | undefined {
    const first = this.#timers[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Take `timer` out, wherever it is. Nothing happens if it is not in the heap. */
  remove(timer: Timed): void {
    const place = timer._place;
    if (place < 0) return;
    timer._place = -1;
    const timers = this.#timers;
    const last = timers.pop() as Timed;
    if (last !== timer) {
      const when = last._when;
      const parent = (place - 1) >> 2;
      if (place > 0 && this.#isBefore(when, last, parent)) this.#up(place, last, when);
      else this.#down(place, last, when);
    }
    if (timers.length * 4 < this.#whens.length && this.#whens.length > 1024)
      this.#resize(this.#whens.length / 2);
  }

  clear(): void {
    for (const timer of this.#timers) timer._place = -1;
    this.#timers = [];
    this.#whens = new Float64Array(16);
  }

  #isBefore(when: number, timer: Timed, place: number): boolean {
    const other = this.#whens[place] as number;
    return when < other || (when === other && timer._sequence < (this.#timers[place] as Timed)._sequence);
  }

  #put(place: number, timer: Timed, when: number): void {
    this.#timers[place] = timer;
    this.#whens[place] = when;
    timer._place = place;
  }

  #up(from: number, timer: Timed, when: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 2;
      if (!this.#isBefore(when, timer, parent)) break;
      this.#put(place, this.#timers[parent] as Timed, this.#whens[parent] as number);
      place = parent;
    }
    this.#put(place, timer, when);
  }

  #down(from: number, timer: Timed, when: number): void {
    const size = this.#timers.length;
    let place = from;
    for (;;) {
      const first = place * 4 + 1;
      if (first >= size) break;
      let best = first;
      let bestWhen = this.#whens[first] as number;
      const end = Math.min(first + 4, size);
      for (let child = first + 1; child < end; child++) {
        const childWhen = this.#whens[child] as number;
        if (childWhen > bestWhen) continue;
        if (childWhen < bestWhen || this.#comesFirst(child, best)) {
          best = child;
          bestWhen = childWhen;
        }
      }
      if (this.#isBefore(when, timer, best)) break;
      this.#put(place, this.#timers[best] as Timed, bestWhen);
      place = best;
    }
    this.#put(place, timer, when);
  }

  #comesFirst(a: number, b: number): boolean {
    return (this.#timers[a] as Timed)._sequence < (this.#timers[b] as Timed)._sequence;
  }

  #resize(length: number): void {
    const next = new Float64Array(length);
    next.set(this.#whens.subarray(0, Math.min(length, this.#whens.length)));
    this.#whens = next;
  }
}
