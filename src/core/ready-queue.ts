/** The ready queue of a loop: a ring that grows. No counterpart in CPython, which uses a deque. */
import { READY_RING_SIZE } from './constants.ts';
import type { Ready } from './running.ts';

/** First in, first out. Positions only grow; they are masked to find a slot. */
export class ReadyQueue {
  #slots: (Ready | undefined)[] = new Array<Ready | undefined>(READY_RING_SIZE).fill(undefined);
  #mask = READY_RING_SIZE - 1;
  /** Position of the next entry to run. */
  head = 0;
  /** Position behind the last entry. */
  tail = 0;

  push(entry: Ready): void {
    const tail = this.tail;
    this.#slots[tail & this.#mask] = entry;
    this.tail = tail + 1;
    if (tail + 1 - this.head > this.#mask) this.#grow();
  }

  shift(): Ready {
    const place = this.head & this.#mask;
    const entry = this.#slots[place] as Ready;
    // An entry that ran must not be kept alive by the ring.
    this.#slots[place] = undefined;
    this.head++;
    return entry;
  }

  clear(): void {
    this.#slots = new Array<Ready | undefined>(READY_RING_SIZE).fill(undefined);
    this.#mask = READY_RING_SIZE - 1;
    this.head = 0;
    this.tail = 0;
  }

  #grow(): void {
    const size = this.tail - this.head;
    const slots = new Array<Ready | undefined>((this.#mask + 1) * 2).fill(undefined);
    for (let i = 0; i < size; i++) slots[i] = this.#slots[(this.head + i) & this.#mask];
    this.#slots = slots;
    this.#mask = slots.length - 1;
    this.head = 0;
    this.tail = size;
  }
}
