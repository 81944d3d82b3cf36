/** The lock inside of `Lock` and `RLock`. */
import type { Started } from '../concurrent/started.ts';
import { type NotYet, type Terms, Watch } from './watch.ts';

const FREE = 0;
const HELD = 1;
/** Held, and somebody may be waiting: who frees it has to wake. */
const CONTENDED = 2;

/** How long a thread may take the lock again and again before those whom it woke. CPython's `PyMutex` has the same. */
const FAIR_MS = 1;

/**
 * A lock on one word. Whoever comes when it is free takes it, also before those who were woken for it: handing it over
 * would cost a wake-up each time. So that none starves, a thread that has done so for a millisecond lets others first.
 */
export class Mutex {
  readonly #words: Int32Array;
  readonly #place: number;
  readonly #watch: Watch;
  #isAheadSince = 0;

  constructor(words: Int32Array, place: number) {
    this.#words = words;
    this.#place = place;
    this.#watch = new Watch({ words, place, idle: this.#markContended });
  }

  readonly #markContended = (): number => {
    Atomics.compareExchange(this.#words, this.#place, HELD, CONTENDED);
    return CONTENDED;
  };

  isHeld(): boolean {
    return Atomics.load(this.#words, this.#place) !== FREE;
  }

  /** Take it if it is free. */
  take(): boolean {
    // Who was woken does not know whether others sleep.
    const held = this.#watch.size > 0 ? CONTENDED : HELD;
    return Atomics.compareExchange(this.#words, this.#place, FREE, held) === FREE;
  }

  /** As `Watch.wait`, for an `attempt` that calls `take`. */
  wait<T>(attempt: () => T | NotYet, timeout: number | null, terms: Terms<T>): Started<T> {
    return this.#watch.wait(attempt, timeout, terms);
  }

  /** Free it. Returns whether it was held. */
  free(): boolean {
    const state = Atomics.exchange(this.#words, this.#place, FREE);
    if (state === CONTENDED && Atomics.notify(this.#words, this.#place, 1) > 0) this.#countLead();
    else this.#isAheadSince = 0;
    return state !== FREE;
  }

  #countLead(): void {
    const now = performance.now();
    if (this.#isAheadSince === 0) this.#isAheadSince = now;
    else if (now - this.#isAheadSince > FAIR_MS) {
      this.#isAheadSince = 0;
      this.#watch.letOthersFirst(FAIR_MS / 1000);
    }
  }
}
