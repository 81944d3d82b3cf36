/**
 * Waits for what other threads do with a word of shared memory: the futex of Linux, with `Atomics.waitAsync`.
 *
 * Measured on Node 20 to 26: a wake-up takes as long as a message through a MessagePort, also of a thread that does
 * nothing else; those of a thread that was terminated are taken out of the line by V8. What has to be done here: keep
 * the event loop alive (`heartbeat.ts`), and time out and withdraw, since a `waitAsync` cannot be taken back. For that
 * each thread has one `waitAsync` per word for all who wait in it, and leaves it there for the next one; the heartbeat
 * takes it out when nobody came.
 */
import { Started } from '../concurrent/started.ts';
import type { Timer } from '../concurrent/timer.ts';
import { startAlarm, beginWait, detached, endWait, lookAfter, type Patient } from './heartbeat.ts';

/** What an attempt gives when there is nothing to be had yet. */
export const NOT_YET: unique symbol = Symbol('not yet');
export type NotYet = typeof NOT_YET;

/** The word that is watched. */
export interface Watched {
  readonly words: Int32Array;
  readonly place: number;
  /**
   * The value of the word while there may be something to wait for. Asked before the attempts: if the word has another
   * value after them, they are made again.
   */
  readonly idle: () => number;
  /** Whether one who can't go on says nothing about those behind it. */
  readonly isForAll?: boolean;
}

/** How a wait goes on. */
export interface Terms<T> {
  /** The call, for reports. */
  readonly what: string;
  /** The result once the time is over; may throw. */
  readonly onTimeout: () => T;
  /** It is cancelled, and took nothing. */
  readonly onWithdraw?: () => void;
  /** It got something that nobody will see. */
  readonly giveBack?: (value: T) => void;
}

interface WaitAsync {
  (
    words: Int32Array,
    place: number,
    value: number,
  ): { async: true; value: Promise<string> } | { async: false; value: string };
}
export const waitAsync = (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync;

/** One wait. */
class Waiter<T> {
  readonly started: Started<T>;
  readonly attempt: () => T | NotYet;
  alarm: Timer | null = null;

  constructor(started: Started<T>, attempt: () => T | NotYet) {
    this.started = started;
    this.attempt = attempt;
  }
}

function settle<T>(started: Started<T>, work: () => T): void {
  let value: T;
  try {
    value = work();
  } catch (error) {
    started._reject(error);
    return;
  }
  started._resolve(value);
}

/** All waits of this thread for one word, first come, first served. */
export class Watch implements Patient {
  readonly #watched: Watched;
  readonly #waiters = new Set<Waiter<any>>();
  #isArmed = false;
  #holdBack: Timer | null = null;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** How many wait here, in this thread. */
  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Wait until `attempt` gives something.
   *
   * @param timeout - seconds; null: for ever. With 0 or less it is tried once.
   */
  wait<T>(attempt: () => T | NotYet, timeout: number | null, terms: Terms<T>): Started<T> {
    const { what, giveBack } = terms;
    // Most go through at once.
    if (this.#holdBack === null || (timeout !== null && timeout <= 0)) {
      let value: T | NotYet;
      try {
        value = attempt();
        if (value === NOT_YET && timeout !== null && timeout <= 0) value = terms.onTimeout();
      } catch (error) {
        return Started._failed(what, error);
      }
      if (value !== NOT_YET) {
        const started = new Started<T>(what, giveBack === undefined ? undefined : { giveBack });
        started._resolve(value);
        return started;
      }
    }
    const started: Started<T> = new Started<T>(what, {
      withdraw: () => {
        this.#leave(waiter);
        terms.onWithdraw?.();
      },
      ...(giveBack === undefined ? {} : { giveBack }),
    });
    const waiter = new Waiter(started, attempt);
    this.#waiters.add(waiter);
    beginWait();
    if (timeout !== null) waiter.alarm = startAlarm(timeout, () => this.#timeOut(waiter, terms));
    if (this.#holdBack === null) this.#arm();
    return started;
  }

  /** Let others go first, for `seconds`: who comes meanwhile does not even try. */
  letOthersFirst(seconds: number): void {
    this.#holdBack ??= startAlarm(seconds, () => {
      this.#holdBack = null;
      this.#arm();
    });
  }

  /** Try again: something may have changed. */
  poll(): void {
    if (!this.#isArmed) {
      this.#arm();
      return;
    }
    this.#watched.idle();
    this.#attemptAll();
  }

  #leave(waiter: Waiter<any>): void {
    if (!this.#waiters.delete(waiter)) return;
    waiter.alarm?.cancel();
    endWait();
  }

  #timeOut<T>(waiter: Waiter<T>, terms: Terms<T>): void {
    this.#attemptAll(); // what comes in the last moment
    if (!this.#waiters.has(waiter)) return;
    this.#leave(waiter);
    settle(waiter.started, terms.onTimeout);
  }

  #attemptAll(): void {
    for (const waiter of this.#waiters) {
      let value: unknown;
      try {
        value = waiter.attempt();
      } catch (error) {
        this.#leave(waiter);
        waiter.started._reject(error);
        continue;
      }
      if (value !== NOT_YET) {
        this.#leave(waiter);
        waiter.started._resolve(value);
      } else if (!this.#watched.isForAll) return;
    }
  }

  #arm(): void {
    const { words, place, idle } = this.#watched;
    while (!this.#isArmed && this.#waiters.size > 0) {
      const value = idle();
      this.#attemptAll();
      if (this.#waiters.size === 0) return;
      const result = waitAsync(words, place, value);
      if (!result.async) continue;
      this.#isArmed = true;
      lookAfter(this);
      detached(() => void result.value.then(this.#onWake));
    }
  }

  readonly #onWake = (): void => {
    this.#isArmed = false;
    // Whoever it was for has gone; it may be another thread's turn.
    if (this.#waiters.size === 0) Atomics.notify(this.#watched.words, this.#watched.place, 1);
    else this.#arm();
  };

  /** As the heartbeat asks. */
  _look(): boolean {
    if (this.#waiters.size > 0) this.poll();
    // Others that this wakes look and go on waiting; there is no waking oneself alone.
    else if (this.#isArmed) Atomics.notify(this.#watched.words, this.#watched.place);
    return this.#isArmed;
  }
}
