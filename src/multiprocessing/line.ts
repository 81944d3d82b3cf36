/** Those who wait for something that several processes share, first come, first served. */
import { Started, type Undo } from '../concurrent/started.ts';
import { Timer } from '../concurrent/timer.ts';
import { beginWait, endWait } from './keep-alive.ts';
import type { Client } from './shared.ts';

/** One who waits. */
export interface Waiting<T, N> {
  readonly started: Started<T>;
  readonly client: Client;
  /** What it came with. */
  readonly note: N;
}

/** How a wait in line ends otherwise. */
export interface Terms<T> {
  readonly what: string;
  readonly client: Client;
  /** Seconds; null: no limit. */
  readonly timeout: number | null;
  readonly onTimeout: (started: Started<T>) => void;
  readonly giveBack?: (value: T) => void;
}

/** The end of a wait whose answer is whether it came. */
export function beFalse(started: Started<boolean>): void {
  started._resolve(false);
}

/** The line. */
export class Line<T, N = undefined> {
  readonly #waiting = new Set<Waiting<T, N> & { timer: Timer | null }>();

  get length(): number {
    return this.#waiting.size;
  }

  /** Go to its end. */
  join(terms: Terms<T>, note: N): Started<T> {
    const { what, client, timeout, giveBack } = terms;
    const leave = (): void => this.#leave(waiting);
    const undo: Undo<T> = { withdraw: leave, ...(giveBack && { giveBack }) };
    const waiting = { started: new Started<T>(what, undo), client, note, timer: null as Timer | null };
    this.#waiting.add(waiting);
    if (client === '') beginWait();
    if (timeout !== null) {
      waiting.timer = new Timer(timeout, () => {
        leave();
        terms.onTimeout(waiting.started);
      });
    }
    return waiting.started;
  }

  #leave(waiting: Waiting<T, N> & { timer: Timer | null }): void {
    if (!this.#waiting.delete(waiting)) return;
    waiting.timer?.cancel();
    if (waiting.client === '') endWait();
  }

  /** Who is first leaves the line; undefined if nobody waits. */
  shift(): Waiting<T, N> | undefined {
    const [first] = this.#waiting;
    if (first !== undefined) this.#leave(first);
    return first;
  }

  /** All leave, and get `value`. */
  release(value: T): void {
    for (let waiting = this.shift(); waiting !== undefined; waiting = this.shift())
      waiting.started._resolve(value);
  }
}
