/**
 * Sections of code that one thread at a time is in, for a moment, and that nothing can tear.
 *
 * A thread can be terminated at any time, which no `finally` sees. V8 does so where a function is called, be it one of
 * the language's own, before it runs, and where a loop turns (measured on Node 20 to 26: of some hundred threads
 * terminated in a section with calls of `Atomics` a third left it locked; without calls none did). So a section calls
 * nothing and has no loop: from the `compareExchange` that enters it to the store that leaves it there are plain loads
 * and stores alone, and it is written out in full wherever there is one:
 *
 * ```ts
 * const me = ticket();
 * for (let tries = 0; Atomics.compareExchange(words, place, OUTSIDE, me) !== OUTSIDE; tries++) rest(words, place, tries);
 * … // no call, not even `array.length`
 * if (STORES_IN_ORDER) words[place] = OUTSIDE;
 * else Atomics.store(words, place, OUTSIDE);
 * ```
 *
 * Where plain stores may become visible out of order, the last one has to be a call. A section that its thread has left
 * locked there is whole, and after a second of the others' time they go on.
 */
import { threadId } from 'node:worker_threads';

export const OUTSIDE = 0;

/** Whether other threads see plain stores in the order of the program. */
export const STORES_IN_ORDER = process.arch === 'x64' || process.arch === 'ia32';

const SPINS = 100;
const NAP_MS = 0.1;
/** So many naps, with nobody else coming in or out: whoever is inside has ended. */
const NAPS_UNTIL_DEAD = 8000;

const bed = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
let lastTicket = 0;
let seen = OUTSIDE;
let naps = 0;

/** A number for one stay in a section; no other thread has it. */
export function ticket(): number {
  lastTicket = (lastTicket + 1) & 0xffff;
  return ((threadId + 1) << 16) | lastTicket || 1;
}

/** What one does who did not get in. */
export function rest(words: Int32Array, place: number, tries: number): void {
  if (tries < SPINS) return;
  // Whoever is inside has lost its processor, perhaps to this thread.
  Atomics.wait(bed, 0, 0, NAP_MS);
  const inside = Atomics.load(words, place);
  if (inside !== seen || tries === SPINS) {
    seen = inside;
    naps = 0;
  } else if (++naps >= NAPS_UNTIL_DEAD && inside !== OUTSIDE) {
    naps = 0;
    Atomics.compareExchange(words, place, inside, OUTSIDE);
  }
}
