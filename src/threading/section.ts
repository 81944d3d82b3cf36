/**
 * Sections of code that one thread at a time runs, for moments.
 *
 * A thread can be terminated, which V8 does where a function is called or a loop turns, and which no `finally` sees. So
 * a section calls no function of JavaScript and has no loop: it is entered, and then it ends. Functions of the
 * language that are not written in JavaScript (`Atomics`, the methods of typed arrays) may be called.
 *
 * ```ts
 * enter(words, place);
 * … // straight on
 * Atomics.store(words, place, OUTSIDE);
 * ```
 */
export const OUTSIDE = 0;
const INSIDE = 1;

const SPINS = 200;
const NAP_MS = 0.05;
const bed = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** Wait until nobody is in the section of this word, and be in it. */
export function enter(words: Int32Array, place: number): void {
  for (let spins = 0; Atomics.compareExchange(words, place, OUTSIDE, INSIDE) !== OUTSIDE; spins++) {
    // Whoever is inside has lost its processor, perhaps to this thread.
    if (spins >= SPINS) Atomics.wait(bed, 0, 0, NAP_MS);
  }
}
