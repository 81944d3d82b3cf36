/**
 * The memory of a queue between threads: the items as bytes, their order, and the counts. All threads work on it
 * directly. A thread that serves the others (as a queue of messages needs) could be busy, or have ended.
 *
 * The state changes in sections that one thread at a time is in, for moments (`section.ts`). Bytes are written and read
 * outside of them, in slots that belong to one thread then: a slot is allocated, filled and linked; or unlinked, read and
 * freed. A thread that is
 * terminated on the way leaves no more behind than a slot that nobody uses.
 */
import { OUTSIDE, rest, STORES_IN_ORDER, ticket } from './section.ts';
import { type GrowableMemory, growableMemory } from './shared.ts';

const SECTION = 0;
const SIZE = 1;
const MAXSIZE = 2;
const UNFINISHED = 3;
const SHUTDOWN = 4;
const FIRST = 5;
const LAST = 6;
/** Where memory begins that was never used. */
const BREAK = 7;
/** Changes with every item that comes: those who get wait for it. */
export const PUTS = 8;
/** Changes with every item that goes: those who put wait for it. */
export const GETS = 9;
/** Changes whenever all work is done: those who join wait for it. */
export const DONES = 10;
/** Changes with every item that comes between others. */
const INSERTS = 11;
const LAST_NUMBER = 12;
/** Slots to use again, for each size a list. */
const FREE = 16;
const HEADER_WORDS = 64;

/** A slot: the next one of its list, the number of the item, its length in bytes, its kind and the slot's size. */
const NEXT = 0;
const NUMBER = 1;
const LENGTH = 2;
const KIND = 3;
const SIZE_CLASS = 4;
const SLOT_HEADER_BYTES = 24;

const BYTES = Int32Array.BYTES_PER_ELEMENT;
const HEADER_BYTES = HEADER_WORDS * BYTES;
const FIRST_BYTES = 4096;
/** Address space, not memory, is set aside for so much. */
const MOST_BYTES = 2 ** 30;

/** What became of an attempt. */
export const DONE = 0;
export const FULL = 1;
export const EMPTY = 2;
export const SHUT_DOWN = 3;
const NO_ROOM = 4;
const CHANGED = 5;

/** Whether the queue takes and gives: no more puts; not even gets. */
const NO_PUTS = 1;
const NO_ITEMS = 2;

/** The memory, to send it to another thread. */
export interface StoreMemory {
  readonly items: GrowableMemory;
  /** The order of the items, where it is not that of coming. */
  readonly order: GrowableMemory | null;
}

/** An item that was taken out. */
export interface Taken {
  readonly bytes: Uint8Array;
  readonly kind: number;
}

/** Where an item is put. */
export type End = 'last' | 'first';

/** Whether an item that is being put belongs before another one, which is in the queue. */
export type GoesBefore = (bytes: Uint8Array, kind: number, number: number) => boolean;

function sizeClass(bytes: number): number {
  return 32 - Math.clz32(bytes - 1);
}

export class Store {
  readonly memory: StoreMemory;
  #words: Int32Array;
  #bytes: Uint8Array;
  #order: Int32Array | null;
  #outcome = DONE;

  /** @param isOrdered - whether items come between others: with a memory of its own for the order. */
  constructor(memory: StoreMemory | null, maxsize: number, isOrdered: boolean) {
    this.memory = memory ?? {
      items: growableMemory(FIRST_BYTES, MOST_BYTES),
      order: isOrdered ? growableMemory(FIRST_BYTES, MOST_BYTES / 4) : null,
    };
    const { items, order } = this.memory;
    this.#words = new Int32Array(items, 0, items.byteLength / BYTES);
    this.#bytes = new Uint8Array(items, 0, items.byteLength);
    this.#order = order === null ? null : new Int32Array(order, 0, order.byteLength / BYTES);
    if (memory === null) {
      this.#words[MAXSIZE] = maxsize;
      this.#words[BREAK] = HEADER_BYTES;
    }
  }

  /** The words that can be watched. */
  get words(): Int32Array {
    return this.#words;
  }

  get size(): number {
    return Atomics.load(this.#words, SIZE);
  }

  get unfinished(): number {
    return Atomics.load(this.#words, UNFINISHED);
  }

  get isShutDown(): boolean {
    return Atomics.load(this.#words, SHUTDOWN) !== 0;
  }

  /** Look at all of the memory, and have `bytes` of it. */
  #grow(bytes: number): void {
    const { items } = this.memory;
    grow(items, bytes);
    if (this.#bytes.length === items.byteLength) return;
    this.#words = new Int32Array(items, 0, items.byteLength / BYTES);
    this.#bytes = new Uint8Array(items, 0, items.byteLength);
  }

  /** A slot that holds an item, and is not in the queue yet. */
  fill(item: Uint8Array, kind: number): number {
    const size = sizeClass(item.length + SLOT_HEADER_BYTES);
    const room = 2 ** size;
    if (size > 30)
      throw new RangeError(`an item of ${item.length} bytes is too large for a queue between threads`);
    for (;;) {
      const words = this.#words;
      const seen = this.#bytes.length;
      const me = ticket();
      for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
        rest(words, SECTION, tries);
      }
      let slot = words[FREE + size] as number;
      const isNew = slot === 0;
      if (isNew) slot = words[BREAK] as number;
      const end = isNew ? slot + room : (words[BREAK] as number);
      const fits = end <= seen;
      if (fits && isNew) words[BREAK] = end;
      if (fits && !isNew) words[FREE + size] = words[slot / BYTES + NEXT] as number;
      if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
      else Atomics.store(words, SECTION, OUTSIDE);
      if (fits) {
        const place = slot / BYTES;
        words[place + NUMBER] = Atomics.add(words, LAST_NUMBER, 1) + 1;
        words[place + LENGTH] = item.length;
        words[place + KIND] = kind;
        words[place + SIZE_CLASS] = size;
        this.#bytes.set(item, slot + SLOT_HEADER_BYTES);
        return slot;
      }
      this.#grow(end);
    }
  }

  /** The slot is no longer used. */
  free(slot: number): void {
    const words = this.#words;
    const place = slot / BYTES;
    const list = FREE + (words[place + SIZE_CLASS] as number);
    const me = ticket();
    for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
      rest(words, SECTION, tries);
    }
    words[place + NEXT] = words[list] as number;
    words[list] = slot;
    if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
    else Atomics.store(words, SECTION, OUTSIDE);
  }

  /**
   * Put a filled slot into the queue.
   *
   * @param isBack - it was there before, and nobody has seen it: it finds room, and is no new work.
   * @returns `DONE`, `FULL` or `SHUT_DOWN`.
   */
  link(slot: number, end: End, isBack = false): number {
    const isLast = end === 'last';
    for (;;) {
      const words = this.#words;
      const place = slot / BYTES;
      const seen = this.#bytes.length;
      let outcome = DONE;
      const me = ticket();
      for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
        rest(words, SECTION, tries);
      }
      const size = words[SIZE] as number;
      const maxsize = words[MAXSIZE] as number;
      const last = words[LAST] as number;
      const shutdown = words[SHUTDOWN] as number;
      if (shutdown === NO_ITEMS || (shutdown !== 0 && !isBack)) outcome = SHUT_DOWN;
      else if (maxsize > 0 && size >= maxsize && !isBack) outcome = FULL;
      else if ((words[BREAK] as number) > seen) outcome = NO_ROOM;
      else {
        words[place + NEXT] = isLast || size === 0 ? 0 : (words[FIRST] as number);
        if (isLast && size > 0) words[last / BYTES + NEXT] = slot;
        if (!isLast || size === 0) words[FIRST] = slot;
        if (isLast || size === 0) words[LAST] = slot;
        words[SIZE] = size + 1;
        if (!isBack) words[UNFINISHED] = (words[UNFINISHED] as number) + 1;
        words[PUTS] = ((words[PUTS] as number) + 1) | 0;
      }
      if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
      else Atomics.store(words, SECTION, OUTSIDE);
      if (outcome === DONE) Atomics.notify(words, PUTS, 1);
      if (outcome !== NO_ROOM) return outcome;
      this.#grow(0);
    }
  }

  /**
   * Put a filled slot between the others: behind all that it does not go before. The last in memory is the first to go.
   *
   * @returns `DONE`, `FULL` or `SHUT_DOWN`.
   */
  insert(slot: number, goesBefore: GoesBefore, isBack = false): number {
    for (;;) {
      const words = this.#words;
      const inserts = Atomics.load(words, INSERTS);
      const found = this.#search(inserts, goesBefore);
      if (found < 0) continue;
      const order = this.#order as Int32Array;
      const orderSeen = order.length;
      let outcome = DONE;
      const me = ticket();
      for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
        rest(words, SECTION, tries);
      }
      const size = words[SIZE] as number;
      const maxsize = words[MAXSIZE] as number;
      const shutdown = words[SHUTDOWN] as number;
      if (shutdown === NO_ITEMS || (shutdown !== 0 && !isBack)) outcome = SHUT_DOWN;
      else if (maxsize > 0 && size >= maxsize && !isBack) outcome = FULL;
      else if (words[INSERTS] !== inserts) outcome = CHANGED;
      else if (size >= orderSeen) outcome = NO_ROOM;
      else {
        // Those that have gone meanwhile went before it.
        const position = found > size ? size : found;
        // The one call in a section: without it a loop would be here. Terminated before it, nothing has changed.
        if (position < size) order.copyWithin(position + 1, position, size);
        order[position] = slot;
        words[SIZE] = size + 1;
        if (!isBack) words[UNFINISHED] = (words[UNFINISHED] as number) + 1;
        words[INSERTS] = (inserts + 1) | 0;
        words[PUTS] = ((words[PUTS] as number) + 1) | 0;
      }
      if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
      else Atomics.store(words, SECTION, OUTSIDE);
      if (outcome === DONE) Atomics.notify(words, PUTS, 1);
      if (outcome < NO_ROOM) return outcome;
      if (outcome === NO_ROOM) this.#growOrder(size + 1);
    }
  }

  #growOrder(length: number): void {
    const order = this.memory.order as GrowableMemory;
    grow(order, length * BYTES);
    this.#order = new Int32Array(order, 0, order.byteLength / BYTES);
  }

  /** How many items of the order stay before a new one; less than 0 if the items have changed meanwhile. */
  #search(inserts: number, goesBefore: GoesBefore): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      const answer = this.#asks(middle, inserts, goesBefore);
      if (answer === null) return -1;
      if (answer) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether a new item goes before that at `position`; null if that cannot be said any more. */
  #asks(position: number, inserts: number, goesBefore: GoesBefore): boolean | null {
    const words = this.#words;
    const order = this.#order as Int32Array;
    const seen = this.#bytes.length;
    const orderSeen = order.length;
    const me = ticket();
    for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
      rest(words, SECTION, tries);
    }
    const size = words[SIZE] as number;
    const isSeen = (words[BREAK] as number) <= seen && size <= orderSeen;
    const slot = isSeen && position < size ? (order[position] as number) : 0;
    const isSame = words[INSERTS] === inserts;
    const gets = words[GETS];
    if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
    else Atomics.store(words, SECTION, OUTSIDE);
    if (!isSeen) {
      this.#grow(0);
      this.#growOrder(size);
      return null;
    }
    if (!isSame || slot === 0) return null;
    const number = this.#words[slot / BYTES + NUMBER] as number;
    const { bytes, kind } = this.#read(slot);
    // Taken meanwhile, the slot may already be filled with another one.
    if (Atomics.load(words, GETS) !== gets) return null;
    return goesBefore(bytes, kind, number);
  }

  #read(slot: number): Taken {
    const place = slot / BYTES;
    const start = slot + SLOT_HEADER_BYTES;
    const length = this.#words[place + LENGTH] as number;
    return { bytes: this.#bytes.slice(start, start + length), kind: this.#words[place + KIND] as number };
  }

  /** Take the next item out. Returns null, and `outcome` says why, if there is none. */
  take(): Taken | null {
    const slot = this.#unlink();
    if (slot === 0) return null;
    const taken = this.#read(slot);
    this.free(slot);
    return taken;
  }

  /** Why `take` gave nothing: `EMPTY` or `SHUT_DOWN`. */
  get outcome(): number {
    return this.#outcome;
  }

  #unlink(): number {
    for (;;) {
      const words = this.#words;
      const order = this.#order;
      const seen = this.#bytes.length;
      const orderSeen = order === null ? 0 : order.length;
      let slot = 0;
      let outcome = DONE;
      const me = ticket();
      for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
        rest(words, SECTION, tries);
      }
      const size = words[SIZE] as number;
      if (size === 0) outcome = words[SHUTDOWN] === 0 ? EMPTY : SHUT_DOWN;
      else if ((words[BREAK] as number) > seen) outcome = NO_ROOM;
      else if (order !== null && size > orderSeen) outcome = NO_ROOM;
      else {
        slot = (order === null ? words[FIRST] : order[size - 1]) as number;
        if (order === null) words[FIRST] = words[slot / BYTES + NEXT] as number;
        words[SIZE] = size - 1;
        words[GETS] = ((words[GETS] as number) + 1) | 0;
      }
      const maxsize = words[MAXSIZE] as number;
      if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
      else Atomics.store(words, SECTION, OUTSIDE);
      if (outcome === NO_ROOM) {
        this.#grow(0);
        if (order !== null) this.#growOrder(size);
        continue;
      }
      this.#outcome = outcome;
      if (outcome === DONE && maxsize > 0) Atomics.notify(words, GETS, 1);
      return slot;
    }
  }

  /** The work on one item is done. Returns whether there was one. */
  finish(count = 1): boolean {
    const words = this.#words;
    const me = ticket();
    for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
      rest(words, SECTION, tries);
    }
    const unfinished = words[UNFINISHED] as number;
    const isRight = unfinished >= count;
    if (isRight) words[UNFINISHED] = unfinished - count;
    const isDone = isRight && unfinished === count;
    if (isDone) words[DONES] = ((words[DONES] as number) + 1) | 0;
    if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
    else Atomics.store(words, SECTION, OUTSIDE);
    if (isDone) Atomics.notify(words, DONES);
    return isRight;
  }

  /** No more items come; with `immediate` those that are there are dropped. */
  shutDown(immediate: boolean): void {
    const words = this.#words;
    const me = ticket();
    for (let tries = 0; Atomics.compareExchange(words, SECTION, OUTSIDE, me) !== OUTSIDE; tries++) {
      rest(words, SECTION, tries);
    }
    const size = words[SIZE] as number;
    const first = words[FIRST] as number;
    const unfinished = words[UNFINISHED] as number;
    if (words[SHUTDOWN] !== NO_ITEMS) words[SHUTDOWN] = immediate ? NO_ITEMS : NO_PUTS;
    if (immediate) {
      words[SIZE] = 0;
      words[UNFINISHED] = unfinished > size ? unfinished - size : 0;
      words[DONES] = ((words[DONES] as number) + 1) | 0;
    }
    words[PUTS] = ((words[PUTS] as number) + 1) | 0;
    words[GETS] = ((words[GETS] as number) + 1) | 0;
    if (STORES_IN_ORDER) words[SECTION] = OUTSIDE;
    else Atomics.store(words, SECTION, OUTSIDE);
    Atomics.notify(words, PUTS);
    Atomics.notify(words, GETS);
    Atomics.notify(words, DONES);
    if (immediate) this.#drop(first, size);
  }

  /** Free slots that have left the queue. Nothing comes in any more that would need their places in the order. */
  #drop(first: number, size: number): void {
    this.#grow(0);
    if (this.#order !== null) this.#growOrder(size);
    for (let i = 0, slot = first; i < size; i++) {
      if (this.#order !== null) slot = this.#order[i] as number;
      const next = this.#words[slot / BYTES + NEXT] as number;
      this.free(slot);
      slot = next;
    }
  }
}

/** Make `memory` at least so large, whoever else does so. */
function grow(memory: GrowableMemory, bytes: number): void {
  if (bytes <= memory.byteLength) return;
  if (bytes > memory.maxByteLength) {
    throw new RangeError(`the queue is full of memory: its items may take ${memory.maxByteLength} bytes`);
  }
  try {
    memory.grow(Math.min(2 ** Math.ceil(Math.log2(bytes)), memory.maxByteLength));
  } catch (error) {
    if (memory.byteLength < bytes) throw error;
  }
}
