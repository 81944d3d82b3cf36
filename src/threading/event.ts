/** A flag between threads. Counterpart: `Event` of `threading.py`. */
import type { Delay } from '../core/types.ts';
import { type Parcel, registerKind } from '../concurrent/crossing.ts';
import type { Started } from '../concurrent/started.ts';
import { SharedObject, sharedWords } from './shared.ts';
import { secondsOf } from './timeouts.ts';
import { NOT_YET, type Terms, Watch } from './watch.ts';

// One word: the lowest bit is the flag, those above count how often it was set, so that who was woken by a `set` knows
// of it even if a `clear` has followed.
const FLAG = 1;
const ONE_SET = 2;

const TERMS: Terms<boolean> = { what: 'Event.wait()', onTimeout: () => false };

/**
 * A flag that threads wait for. Not set at first.
 *
 * Source: CPython 3.14 `threading.Event`.
 */
export class Event extends SharedObject {
  readonly #words: Int32Array;
  readonly #watch: Watch;

  constructor();
  /** @internal */
  constructor(memory: SharedArrayBuffer);
  constructor(memory?: SharedArrayBuffer) {
    super();
    const words = sharedWords(1, memory);
    this.#words = words;
    this.#watch = new Watch({ words, place: 0, idle: () => Atomics.load(words, 0), isForAll: true });
  }

  /**
   * Whether the flag is set.
   *
   * Source: CPython 3.14 `threading.Event.is_set`.
   */
  isSet(): boolean {
    return (Atomics.load(this.#words, 0) & FLAG) !== 0;
  }

  /**
   * Set the flag, and wake everyone who waits.
   *
   * Source: CPython 3.14 `threading.Event.set`.
   */
  set(): void {
    for (let state = Atomics.load(this.#words, 0); (state & FLAG) === 0; ) {
      const seen = Atomics.compareExchange(this.#words, 0, state, (state + ONE_SET) | FLAG);
      if (seen === state) {
        Atomics.notify(this.#words, 0);
        return;
      }
      state = seen;
    }
  }

  /**
   * Take the flag down. Who was woken stays awake.
   *
   * Source: CPython 3.14 `threading.Event.clear`.
   */
  clear(): void {
    Atomics.and(this.#words, 0, ~FLAG);
  }

  /**
   * Wait until the flag is set.
   *
   * @param timeout - how long, in seconds; null, the default: for ever.
   * @returns false if the time was over before.
   *
   * Cancellation: ends the wait.
   *
   * Source: CPython 3.14 `threading.Event.wait`.
   */
  wait(timeout?: Delay | null): Started<boolean> {
    const seconds = secondsOf(timeout);
    const before = Atomics.load(this.#words, 0);
    const attempt = (): true | typeof NOT_YET => {
      const state = Atomics.load(this.#words, 0);
      return (state & FLAG) !== 0 || (state ^ before) >> 1 !== 0 ? true : NOT_YET;
    };
    return this.#watch.wait<boolean>(attempt, seconds, TERMS);
  }

  /** @internal */
  protected _parcel(): Parcel {
    return { kind: 'threading.Event', module: import.meta.url, data: this.#words.buffer };
  }

  override toString(): string {
    return `<${this.constructor.name}: ${this.isSet() ? 'set' : 'unset'}>`;
  }
}

registerKind('threading.Event', (memory: SharedArrayBuffer) => new Event(memory));
