/** Names of slots for random programs. */

import type { Random } from './random.ts';

/**
 * Tasks, futures, awaitables, timeouts (managers), groups, handles, contexts, tokens; locks, events, conditions (of
 * notifications), semaphores, barriers, queues.
 */
export type Kind = 't' | 'f' | 'a' | 'm' | 'g' | 'h' | 'c' | 'k' | 'l' | 'e' | 'n' | 's' | 'b' | 'q';

/** A slot is called by its kind and a number, so that its name says what it may hold. */
export class Names {
  readonly made: Record<Kind, number> = {
    t: 0,
    f: 0,
    a: 0,
    m: 0,
    g: 0,
    h: 0,
    c: 0,
    k: 0,
    l: 0,
    e: 0,
    n: 0,
    s: 0,
    b: 0,
    q: 0,
  };
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  new(kind: Kind): string {
    return `${kind}${++this.made[kind]}`;
  }

  /** A slot of a kind that may have been made already; the first of it if there is none. */
  old(kind: Kind): string {
    const made = this.made[kind];
    return made === 0 ? `${kind}1` : `${kind}${1 + this.#random.below(made)}`;
  }
}
