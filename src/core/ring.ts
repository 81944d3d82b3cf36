/** A queue in a ring that grows: the ready queue of a loop, the items of a `Queue`. CPython uses a deque. */

/** First in, first out, both in constant time. Positions only grow; they are masked to find a slot. */
export class Ring<T> {
  readonly #firstSize: number;
  #slots: (T | undefined)[];
  #mask: number;
  /** Position of the next entry. */
  head = 0;
  /** Position behind the last entry. */
  tail = 0;

  /** @param size - slots to begin with: a power of two. */
  constructor(size: number) {
    this.#firstSize = size;
    this.#slots = emptySlots(size);
    this.#mask = size - 1;
  }

  get length(): number {
    return this.tail - this.head;
  }

  push(entry: T): void {
    const tail = this.tail;
    this.#slots[tail & this.#mask] = entry;
    this.tail = tail + 1;
    if (tail + 1 - this.head > this.#mask) this.#grow();
  }

  /** The next entry, which must be there. */
  shift(): T {
    const place = this.head & this.#mask;
    const entry = this.#slots[place] as T;
    // An entry that is gone must not be kept alive by the ring.
    this.#slots[place] = undefined;
    this.head++;
    return entry;
  }

  /** The entry `place` behind the next one. */
  at(place: number): T {
    return this.#slots[(this.head + place) & this.#mask] as T;
  }

  /** Let the entry at `place` be the next; the order of the others stays. */
  moveToFront(place: number): void {
    const entry = this.at(place);
    for (let i = place; i > 0; i--) this.#slots[(this.head + i) & this.#mask] = this.at(i - 1);
    this.#slots[this.head & this.#mask] = entry;
  }

  clear(): void {
    if (this.#mask < this.#firstSize) {
      this.#slots.fill(undefined);
    } else {
      this.#slots = emptySlots(this.#firstSize);
      this.#mask = this.#firstSize - 1;
    }
    this.head = 0;
    this.tail = 0;
  }

  // Positions stay what they are: a loop has noted one, as the end of its iteration.
  #grow(): void {
    const mask = this.#mask * 2 + 1;
    const slots = emptySlots<T>(mask + 1);
    for (let place = this.head; place < this.tail; place++)
      slots[place & mask] = this.#slots[place & this.#mask];
    this.#slots = slots;
    this.#mask = mask;
  }
}

function emptySlots<T>(size: number): (T | undefined)[] {
  return new Array<T | undefined>(size).fill(undefined);
}
