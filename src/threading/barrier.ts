/** A meeting point of threads. Counterpart: `Barrier` of `threading.py`. */
import { brand, define, RuntimeError } from '../core/exceptions.ts';
import { iscoroutine } from '../core/coroutines.ts';
import { repr } from '../core/format-helpers.ts';
import type { Delay } from '../core/types.ts';
import { type Parcel, registerKind } from '../concurrent/crossing.ts';
import { Started } from '../concurrent/started.ts';
import { OUTSIDE, rest, STORES_IN_ORDER, ticket } from './section.ts';
import { SharedObject, sharedWords } from './shared.ts';
import { secondsOf } from './timeouts.ts';
import { NOT_YET, type NotYet, Watch } from './watch.ts';

/**
 * The barrier was broken: by `abort`, `reset`, a time-out or an error of its action. Not asyncio's class of that name.
 *
 * Source: CPython 3.14 `threading.BrokenBarrierError`.
 */
export class BrokenBarrierError extends RuntimeError {
  static {
    brand(this, 'threading.BrokenBarrierError');
    define(this.prototype, 'name', 'BrokenBarrierError');
  }
}

const SECTION = 0;
/** The number of the round, which ends when all have come or it is broken. */
const ROUND = 1;
const STATE = 2;
/** How many have come in this round, and wait. */
const COUNT = 3;
/** Whether one who had come has gone, so that numbers by arrival would come twice. */
const HAS_GAPS = 4;
const PARTIES = 5;
/** How rounds ended, the latest of them: for those who were asleep. */
const ENDS = 8;
const ENDS_LENGTH = 1024;
/** How many have drawn a number since the end of a round. */
const DRAWN = ENDS + ENDS_LENGTH;
const WORDS = DRAWN + ENDS_LENGTH;

const FILLING = 0;
const BROKEN = 1;

const FULL_IN_ORDER = 1;
const FULL_WITH_GAPS = 2;
const FAILED = 3;

/**
 * `wait` lets nobody through until `parties` tasks of any threads wait, and then all.
 *
 * @param parties - how many meet.
 * @param action - called by the last one to come, before anybody goes on; a plain function. It cannot cross to other
 *   threads, so a barrier with an action is for the tasks of one thread.
 * @param timeout - of every `wait` that has none of its own, in seconds; null, the default: none.
 * @throws RangeError if `parties` is less than one.
 *
 * Source: CPython 3.14 `threading.Barrier`.
 */
export class Barrier extends SharedObject {
  readonly #words: Int32Array;
  readonly #watch: Watch;
  readonly #action: (() => unknown) | null;
  readonly #timeout: number | null;

  constructor(parties: number, action?: (() => unknown) | null, timeout?: Delay | null);
  /** @internal */
  constructor(parties: number, action: null, timeout: Delay | null, memory: SharedArrayBuffer);
  constructor(
    parties: number,
    action?: (() => unknown) | null,
    timeout?: Delay | null,
    memory: SharedArrayBuffer | null = null,
  ) {
    super();
    const words = sharedWords(WORDS, memory);
    if (memory === null) {
      if (!Number.isInteger(parties)) throw new TypeError(`parties must be an integer, got ${repr(parties)}`);
      if (parties < 1) throw new RangeError('parties must be >= 1');
      if (parties >= 2 ** 31) throw new RangeError('parties must be at most 2147483647');
      words[PARTIES] = parties;
    }
    if (action !== undefined && action !== null && typeof action !== 'function')
      throw new TypeError(`action must be a function, got ${repr(action)}`);
    this.#words = words;
    this.#action = action ?? null;
    this.#timeout = secondsOf(timeout);
    this.#watch = new Watch({
      words,
      place: ROUND,
      idle: () => Atomics.load(words, ROUND),
      isForAll: true,
    });
  }

  /**
   * How many meet.
   *
   * Source: CPython 3.14 `threading.Barrier.parties`.
   */
  get parties(): number {
    return this.#words[PARTIES] as number;
  }

  /**
   * How many wait now.
   *
   * Source: CPython 3.14 `threading.Barrier.n_waiting`.
   */
  get nWaiting(): number {
    return Atomics.load(this.#words, COUNT);
  }

  /**
   * Whether it is broken, and was not reset since.
   *
   * Source: CPython 3.14 `threading.Barrier.broken`.
   */
  get broken(): boolean {
    return Atomics.load(this.#words, STATE) === BROKEN;
  }

  /**
   * Wait until `parties` wait.
   *
   * @param timeout - how long, in seconds; null, the default: as the constructor says. It breaks the barrier.
   * @returns 0 to `parties - 1`, each number once; in order of arrival, unless somebody was cancelled.
   * @throws BrokenBarrierError if it is broken, or breaks or is reset meanwhile; in the last one, what the action throws.
   *
   * Cancellation: one party less waits; the barrier does not break. (In CPython no wait can be cancelled.)
   *
   * Source: CPython 3.14 `threading.Barrier.wait`.
   */
  wait(timeout?: Delay | null): Started<number> {
    const what = 'Barrier.wait()';
    const seconds = secondsOf(timeout) ?? this.#timeout;
    const words = this.#words;
    const me = ticket();
    for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
      rest(words, SECTION, tries);
    }
    const isBroken = words[STATE] === BROKEN;
    const round = words[ROUND] as number;
    const index = words[COUNT] as number;
    const parties = words[PARTIES] as number;
    if (!isBroken && index < parties) words[COUNT] = index + 1;
    if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
    else Atomics.store(words, SECTION, OUTSIDE);

    if (isBroken) return Started._failed(what, new BrokenBarrierError());
    if (index >= parties) throw new RuntimeError('the action of a barrier cannot wait at the barrier');
    if (index + 1 === parties) return this.#complete(what, round, index);
    const attempt = (): number | NotYet =>
      Atomics.load(words, ROUND) === round ? NOT_YET : this.#leave(round, index);
    return this.#watch.wait<number>(attempt, seconds, {
      what,
      onTimeout: () => {
        this.#end(round, FAILED, BROKEN);
        return this.#leave(round, index);
      },
      onWithdraw: () => this.#withdraw(round, index),
    });
  }

  /** All have come. */
  #complete(what: string, round: number, index: number): Started<number> {
    try {
      const result: unknown = this.#action?.();
      if (result instanceof Promise || iscoroutine(result)) {
        if (result instanceof Promise) result.catch(() => {});
        throw new TypeError('the action of a barrier gave a promise or coroutine: pass a plain function');
      }
      this.#end(round, FULL_IN_ORDER, FILLING);
      return Started._of(what, this.#leave(round, index));
    } catch (error) {
      this.#end(round, FAILED, BROKEN);
      return Started._failed(what, error);
    }
  }

  /** What the wait of one who had come as number `index` gives, now that its round has ended. */
  #leave(round: number, index: number): number {
    const words = this.#words;
    const place = round & (ENDS_LENGTH - 1);
    const age = (Atomics.load(words, ROUND) - round) | 0;
    // Nobody knows any more how a round ended that a thread has slept through for so long.
    const end = age > ENDS_LENGTH ? FAILED : Atomics.load(words, ENDS + place);
    if (end === FAILED) throw new BrokenBarrierError();
    return end === FULL_IN_ORDER ? index : Atomics.add(words, DRAWN + place, 1);
  }

  /** End a round, if nobody else has. */
  #end(round: number, how: number, state: number): void {
    const words = this.#words;
    const place = round & (ENDS_LENGTH - 1);
    const me = ticket();
    for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
      rest(words, SECTION, tries);
    }
    const isNow = words[ROUND] === round;
    if (isNow) {
      words[ENDS + place] = how === FULL_IN_ORDER && words[HAS_GAPS] === 1 ? FULL_WITH_GAPS : how;
      words[DRAWN + place] = 0;
      words[COUNT] = 0;
      words[HAS_GAPS] = 0;
      words[STATE] = state;
      words[ROUND] = (round + 1) | 0;
    }
    if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
    else Atomics.store(words, SECTION, OUTSIDE);
    if (isNow) Atomics.notify(words, ROUND);
  }

  #withdraw(round: number, index: number): void {
    const words = this.#words;
    const me = ticket();
    for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
      rest(words, SECTION, tries);
    }
    if (words[ROUND] === round) {
      const count = (words[COUNT] as number) - 1;
      words[COUNT] = count;
      words[HAS_GAPS] = count === 0 ? 0 : index === count ? (words[HAS_GAPS] as number) : 1;
    }
    if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
    else Atomics.store(words, SECTION, OUTSIDE);
  }

  /**
   * Send everyone who waits away with a BrokenBarrierError, and begin anew; mends a broken barrier.
   *
   * Source: CPython 3.14 `threading.Barrier.reset`.
   */
  reset(): void {
    this.#end(Atomics.load(this.#words, ROUND), FAILED, FILLING);
  }

  /**
   * Break it: who waits, and who comes later, gets a BrokenBarrierError, until `reset`.
   *
   * Source: CPython 3.14 `threading.Barrier.abort`.
   */
  abort(): void {
    this.#end(Atomics.load(this.#words, ROUND), FAILED, BROKEN);
  }

  /** @internal */
  protected _parcel(): Parcel {
    if (this.#action !== null) {
      throw new RuntimeError(
        'a Barrier with an action cannot cross to another thread: the function belongs to this one. ' +
          'Let the party that gets the number 0 do its work',
      );
    }
    return {
      kind: 'threading.Barrier',
      module: import.meta.url,
      data: { memory: this.#words.buffer, timeout: this.#timeout },
    };
  }

  override toString(): string {
    const state = this.broken ? 'broken' : `waiters=${this.nWaiting}/${this.parties}`;
    return `<${this.constructor.name}: ${state}>`;
  }
}

interface Data {
  readonly memory: SharedArrayBuffer;
  readonly timeout: number | null;
}

registerKind('threading.Barrier', ({ memory, timeout }: Data) => new Barrier(0, null, timeout, memory));
