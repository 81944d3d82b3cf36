/** Which of the calls that wait in a worker thread have begun: known on both sides at any time, also while it is busy. */

/** A slot whose call has begun. Others hold 0, or the id of a call that has not, plus one. */
const BEGUN = -1;

/** Ids are compared by so many bits. */
const ID_MASK = 0x3fff_ffff;

/**
 * One slot of shared memory for each call that a thread may have. A call is either begun by the thread or taken back by its
 * pool, never both.
 */
export class Claims {
  readonly memory: SharedArrayBuffer;
  readonly #slots: Int32Array;
  readonly #free: number[];

  /** @param memory - that of the other side, or the number of slots. */
  constructor(memory: SharedArrayBuffer | number) {
    this.memory = typeof memory === 'number' ? new SharedArrayBuffer(memory * 4) : memory;
    this.#slots = new Int32Array(this.memory);
    this.#free = Array.from(this.#slots, (_, slot) => slot);
  }

  /** For the pool: a slot for a call that is about to be sent. */
  offer(id: number): number {
    const slot = this.#free.pop() as number;
    Atomics.store(this.#slots, slot, (id & ID_MASK) + 1);
    return slot;
  }

  /** For the pool: whether the call has begun. */
  hasBegun(slot: number): boolean {
    return Atomics.load(this.#slots, slot) === BEGUN;
  }

  /** For the pool: the call has ended. */
  release(slot: number): void {
    Atomics.store(this.#slots, slot, 0);
    this.#free.push(slot);
  }

  /** For the pool: whether the call had not begun, and now never will. */
  takeBack(slot: number, id: number): boolean {
    return this.#exchange(slot, id, 0);
  }

  /** For the thread: whether the call may begin. */
  begin(slot: number, id: number): boolean {
    return this.#exchange(slot, id, BEGUN);
  }

  #exchange(slot: number, id: number, state: number): boolean {
    const waiting = (id & ID_MASK) + 1;
    return Atomics.compareExchange(this.#slots, slot, waiting, state) === waiting;
  }
}
