/** Queues between threads. Counterpart: `queue.py`. */
import { isLess } from '../core/comparing.ts';
import { RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Delay } from '../core/types.ts';
import { type Parcel, registerKind } from '../concurrent/crossing.ts';
import { Empty, Full, ShutDown } from '../concurrent/queue-errors.ts';
import { Started } from '../concurrent/started.ts';
import { ask, attached, detach, listen, stopAsking } from './attachments.ts';
import { startAlarm } from './heartbeat.ts';
import { decode, decodeForOrder, encode, memoryKey } from './items.ts';
import { SharedObject } from './shared.ts';
import { DONE, DONES, FULL, GETS, PUTS, SHUT_DOWN, Store, type StoreMemory, type Taken } from './store.ts';
import { secondsOf } from './timeouts.ts';
import { NOT_YET, type NotYet, type Terms, Watch } from './watch.ts';

export { Empty, Full, ShutDown };

/** How long others have time to answer, and how often they are asked. */
const QUESTION_SECONDS = 0.5;
const MOST_QUESTIONS = 10;

/** What all queues are: shared memory, and those of this thread who wait for it. */
abstract class BaseQueue<T> extends SharedObject {
  /** @internal */ readonly _store: Store;
  readonly #getters: Watch;
  readonly #putters: Watch;
  #takeTerms: Terms<T> | null = null;
  /** The key of shared memory that is asked for; until it comes, nothing is taken here. */
  #awaited: string | null = null;
  #questions = 0;

  constructor(store: Store) {
    super();
    this._store = store;
    // The words that are watched stay where they are when the memory grows.
    const { words } = store;
    this.#getters = new Watch({ words, place: PUTS, idle: () => Atomics.load(words, PUTS) });
    this.#putters = new Watch({ words, place: GETS, idle: () => Atomics.load(words, GETS) });
  }

  /** @internal Put a filled slot into the queue. */
  protected _link(slot: number, _item: unknown, isBack: boolean): number {
    return this._store.link(slot, isBack ? 'first' : 'last', isBack);
  }

  /** An item on its way in. */
  #prepare(item: T): { readonly attempt: () => void | NotYet; readonly discard: () => void } {
    const store = this._store;
    const { bytes, kind, empty, discard: forget } = encode(item);
    let slot = store.fill(bytes, kind);
    const discard = (): void => {
      if (slot !== 0) store.free(slot);
      slot = 0;
      forget?.();
    };
    const attempt = (): void | NotYet => {
      let outcome: number;
      try {
        outcome = this._link(slot, item, false);
        if (outcome === SHUT_DOWN) throw new ShutDown();
      } catch (error) {
        discard();
        throw error;
      }
      if (outcome === FULL) return NOT_YET;
      slot = 0;
      empty?.();
    };
    return { attempt, discard };
  }

  /** @internal */
  protected _put(item: T, timeout: number | null): Started<void> {
    const { attempt, discard } = this.#prepare(item);
    return this.#putters.wait<void>(attempt, timeout, {
      what: `${this.constructor.name}.put()`,
      onTimeout: () => {
        discard();
        throw new Full();
      },
      onWithdraw: discard,
    });
  }

  /** @internal */
  protected _putNow(item: T): void {
    const { attempt, discard } = this.#prepare(item);
    if (attempt() !== NOT_YET) return;
    discard();
    throw new Full();
  }

  readonly #take = (): T | NotYet => {
    if (this.#awaited !== null) return NOT_YET;
    const taken = this._store.take();
    if (taken === null) {
      if (this._store.outcome === SHUT_DOWN) throw new ShutDown();
      return NOT_YET;
    }
    const { bytes, kind } = taken;
    const key = memoryKey(bytes, kind);
    if (key === null) return decode(bytes, kind) as T;
    const memory = attached(key);
    if (memory === undefined) {
      this.#await(key, taken);
      return NOT_YET;
    }
    this.#questions = 0;
    detach(key);
    return decode(bytes, kind, memory) as T;
  };

  /**
   * This thread has not heard of the shared memory of an item, since it came to the queue later. The item goes back, and
   * whoever has the memory is asked for it.
   */
  #await(key: string, { bytes, kind }: Taken): void {
    if (++this.#questions > MOST_QUESTIONS) {
      this.#questions = 0;
      throw new RuntimeError(
        'the thread that put this item has ended, and the shared memory in it went along',
      );
    }
    const slot = this._store.fill(bytes, kind);
    if (this._link(slot, decodeForOrder(bytes, kind), true) !== DONE) this._store.free(slot);
    this.#awaited = key;
    const goOn = (): void => {
      alarm.cancel();
      stopAsking(key);
      this.#awaited = null;
      this.#getters.poll();
    };
    const alarm = startAlarm(QUESTION_SECONDS, goOn);
    ask(key, goOn);
  }

  /** @internal */
  protected _get(timeout: number | null): Started<T> {
    this.#takeTerms ??= {
      what: `${this.constructor.name}.get()`,
      onTimeout: () => {
        throw new Empty();
      },
      giveBack: (item) => this.#putBack(item),
    };
    return this.#getters.wait(this.#take, timeout, this.#takeTerms);
  }

  /** @internal An item that was taken, and nobody has seen. */
  #putBack(item: T): void {
    const { bytes, kind, discard } = encode(item);
    const slot = this._store.fill(bytes, kind);
    if (this._link(slot, item, true) === DONE) return;
    discard?.();
    // The items were dropped meanwhile: this one is, too.
    this._store.free(slot);
    this._store.finish();
  }

  /** @internal */
  protected _getNow(): T {
    const item = this.#take();
    if (item === NOT_YET) throw new Empty();
    return item;
  }

  /**
   * How many items are in it. Other threads put and get meanwhile.
   *
   * Source: CPython 3.14 `queue.Queue.qsize`.
   */
  qsize(): number {
    return this._store.size;
  }

  /**
   * Whether there is no item. Other threads put and get meanwhile.
   *
   * Source: CPython 3.14 `queue.Queue.empty`.
   */
  empty(): boolean {
    return this._store.size === 0;
  }

  override toString(): string {
    return `<${this.constructor.name} size=${this.qsize()}>`;
  }
}

function checkTimeout(block: boolean, timeout: Delay | null | undefined): number | null {
  if (!block) return 0;
  const seconds = secondsOf(timeout);
  if (seconds !== null && seconds < 0) throw new RangeError("'timeout' must be a non-negative number");
  return seconds;
}

/** How many items a queue takes, as the memory has it: 0 for no limit. */
function limit(maxsize: number): number {
  if (typeof maxsize !== 'number' || Number.isNaN(maxsize))
    throw new TypeError(`maxsize must be a number, got ${repr(maxsize)}`);
  return maxsize <= 0 || maxsize >= 2 ** 31 ? 0 : Math.ceil(maxsize);
}

/**
 * Hands items from thread to thread, first in, first out. Every thread that has it can put and get.
 *
 * Items are cloned, as arguments of threads are: plain data, dates, maps, sets, errors, buffers. Locks, queues and the
 * like of this package, and `SharedArrayBuffer`s, are shared. Functions, `MessagePort`s and other objects of the host
 * cannot be items, nor typed arrays on a `SharedArrayBuffer`: send the buffer.
 *
 * ```ts
 * const jobs = new queue.Queue<Job>(10);
 * await jobs.put(job);        // waits while ten are in line
 * const job = await jobs.get();
 * jobs.taskDone();
 * ```
 *
 * Async iterable: `for await (const job of jobs)` takes items until the queue is shut down and empty.
 *
 * The memory that items have taken at the most stays with the queue, up to 1 GiB.
 *
 * @param maxsize - how many items there is room for; 0 or less: no limit. Default 0.
 *
 * Source: CPython 3.14 `queue.Queue`.
 */
export class Queue<T> extends BaseQueue<T> implements AsyncIterable<T> {
  /** How many items there is room for; 0 or less: no limit. */
  readonly maxsize: number;
  readonly #joiners: Watch;

  constructor(maxsize?: number);
  /** @internal */
  constructor(maxsize: number, memory: StoreMemory | null, isOrdered?: boolean);
  constructor(maxsize = 0, memory: StoreMemory | null = null, isOrdered = false) {
    super(new Store(memory, limit(maxsize), isOrdered));
    this.maxsize = maxsize;
    const { words } = this._store;
    this.#joiners = new Watch({
      words,
      place: DONES,
      idle: () => Atomics.load(words, DONES),
      isForAll: true,
    });
  }

  /**
   * Whether there is no room. Other threads put and get meanwhile.
   *
   * Source: CPython 3.14 `queue.Queue.full`.
   */
  full(): boolean {
    return this.maxsize > 0 && this.qsize() >= this.maxsize;
  }

  /**
   * Put an item in, or wait until there is room. It is cloned at the call.
   *
   * @param block - false: do not wait. Default true.
   * @param timeout - how long to wait, in seconds; null, the default: for ever.
   * @throws Full if there is no room in time; ShutDown if the queue is shut down, also while it waits; RangeError for a
   *   negative time-out; TypeError if something in the item cannot be cloned.
   *
   * Cancellation: ends the wait, and the item is not put; unless it got in just before.
   *
   * Source: CPython 3.14 `queue.Queue.put`.
   */
  put(item: T, block = true, timeout?: Delay | null): Started<void> {
    // As in CPython: where there is always room, nobody looks at the time-out.
    const isLimited = this.maxsize > 0 && !this._store.isShutDown;
    return this._put(item, isLimited ? checkTimeout(block, timeout) : 0);
  }

  /**
   * Put an item in.
   *
   * @throws Full if there is no room; ShutDown if the queue is shut down; TypeError if something in the item cannot be
   *   cloned.
   *
   * Source: CPython 3.14 `queue.Queue.put_nowait`.
   */
  putNowait(item: T): void {
    this._putNow(item);
  }

  /**
   * Take the next item, or wait for one.
   *
   * @param block - false: do not wait. Default true.
   * @param timeout - how long to wait, in seconds; null, the default: for ever.
   * @throws Empty if there is none in time; ShutDown if the queue is shut down and empty, also while it waits; RangeError
   *   for a negative time-out.
   *
   * Cancellation: an item that had come already goes back to its place.
   *
   * Source: CPython 3.14 `queue.Queue.get`.
   */
  get(block = true, timeout?: Delay | null): Started<T> {
    return this._get(checkTimeout(block, timeout));
  }

  /**
   * Take the next item.
   *
   * @throws Empty if there is none; ShutDown if there will be none.
   *
   * Source: CPython 3.14 `queue.Queue.get_nowait`.
   */
  getNowait(): T {
    return this._getNow();
  }

  /**
   * Say that the work on one item is done, whichever it is. The last one ends `join`.
   *
   * @throws RangeError if it is called more often than there were items.
   *
   * Source: CPython 3.14 `queue.Queue.task_done`.
   */
  taskDone(): void {
    if (!this._store.finish()) throw new RangeError('taskDone() called too many times');
  }

  /**
   * Wait until `taskDone` was called for every item that was put in.
   *
   * Cancellation: ends the wait.
   *
   * Source: CPython 3.14 `queue.Queue.join`.
   */
  join(): Started<void> {
    const attempt = (): void | NotYet => (this._store.unfinished === 0 ? undefined : NOT_YET);
    return this.#joiners.wait<void>(attempt, null, {
      what: `${this.constructor.name}.join()`,
      onTimeout: () => {},
    });
  }

  /**
   * Shut it down: from now on `put` throws ShutDown, and so does `get` once the queue is empty. Everybody who waits wakes
   * and finds out. Again is fine.
   *
   * @param immediate - drop the items that are in it; they count as done. `join` still waits for those taken out before.
   *
   * Source: CPython 3.14 `queue.Queue.shutdown`.
   */
  shutdown(immediate = false): void {
    this._store.shutDown(immediate);
  }

  /** Items until the queue is shut down and empty. `taskDone` is yours to call. */
  [Symbol.asyncIterator](): QueueIterator<T> {
    return new QueueIterator(this);
  }

  /** @internal */
  protected _parcel(): Parcel {
    listen();
    return {
      kind: 'queue.Queue',
      module: import.meta.url,
      data: { maxsize: this.maxsize, memory: this._store.memory },
    };
  }

  override toString(): string {
    const state = this._store.isShutDown ? ' shutdown' : '';
    return `<${this.constructor.name} maxsize=${this.maxsize} size=${this.qsize()}${state}>`;
  }
}

/**
 * The items of a queue, for `for await`, or by `next()` also for `yield*`.
 *
 * Not in CPython.
 */
export class QueueIterator<T> implements AsyncIterableIterator<T, undefined> {
  readonly #queue: Queue<T>;

  /** @internal */
  constructor(queue: Queue<T>) {
    this.#queue = queue;
  }

  /** The next item as `{ value, done }`; done when the queue is shut down and empty. */
  next(): Started<IteratorResult<T, undefined>> & Promise<IteratorResult<T, undefined>> {
    const got = this.#queue.get();
    const next = new Started<IteratorResult<T, undefined>>('QueueIterator.next()', {
      withdraw: () => void got.cancel(),
      giveBack: (result) => {
        if (result.done !== true) got._giveBack(result.value);
      },
    });
    got._whenEnded((outcome) => {
      if (outcome.kind === 'result') next._resolve({ done: false, value: outcome.value });
      else if (outcome.kind === 'cancelled') next.cancel();
      else if (outcome.error instanceof ShutDown) next._resolve({ done: true, value: undefined });
      else next._reject(outcome.error);
    });
    return next as ReturnType<QueueIterator<T>['next']>;
  }

  /** Itself, as the iterators of the language give. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** So many items are kept for the next comparisons. */
const MOST_REMEMBERED = 1000;

/**
 * A queue whose smallest item comes first; of equal ones, the one that came first.
 *
 * Items compare as in Python: numbers, strings, dates; arrays element by element, as in `[priority, data]`. They are
 * compared as clones, which have lost their classes. A `put` of what cannot be compared throws a TypeError and leaves the
 * queue as it was.
 *
 * @param maxsize - how many items there is room for; 0 or less: no limit. Default 0.
 *
 * Source: CPython 3.14 `queue.PriorityQueue`.
 */
export class PriorityQueue<T> extends Queue<T> {
  /** Items of the queue by their numbers, as they were compared. */
  readonly #remembered = new Map<number, unknown>();

  constructor(maxsize?: number);
  /** @internal */
  constructor(maxsize: number, memory: StoreMemory | null);
  constructor(maxsize = 0, memory: StoreMemory | null = null) {
    super(maxsize, memory, true);
  }

  /** @internal */
  protected override _link(slot: number, item: unknown, isBack: boolean): number {
    return this._store.insert(
      slot,
      (bytes, kind, number) => {
        const other = this.#recall(bytes, kind, number);
        // One that comes back goes before its equals, among which it was.
        return isBack ? !isBefore(other, item) : isBefore(item, other);
      },
      isBack,
    );
  }

  #recall(bytes: Uint8Array, kind: number, number: number): unknown {
    if (this.#remembered.has(number)) return this.#remembered.get(number);
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
    const item = decodeForOrder(bytes, kind);
    this.#remembered.set(number, item);
    return item;
  }

  /** @internal */
  protected override _parcel(): Parcel {
    return { ...super._parcel(), kind: 'queue.PriorityQueue' };
  }
}

function isBefore(a: unknown, b: unknown): boolean {
  try {
    return isLess(a, b);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const [text] = error.message.split(':');
    throw new TypeError(`${text}: let the items be arrays that begin with what orders them, [1, data]`, {
      cause: error,
    });
  }
}

/**
 * A queue whose latest item comes first.
 *
 * Source: CPython 3.14 `queue.LifoQueue`.
 */
export class LifoQueue<T> extends Queue<T> {
  /** @internal */
  protected override _link(slot: number, _item: unknown, isBack: boolean): number {
    return this._store.link(slot, 'first', isBack);
  }

  /** @internal */
  protected override _parcel(): Parcel {
    return { ...super._parcel(), kind: 'queue.LifoQueue' };
  }
}

/**
 * A queue without limit, tasks or shutdown. Items as in `Queue`.
 *
 * Source: CPython 3.14 `queue.SimpleQueue`.
 */
export class SimpleQueue<T> extends BaseQueue<T> {
  constructor();
  /** @internal */
  constructor(memory: StoreMemory);
  constructor(memory: StoreMemory | null = null) {
    super(new Store(memory, 0, false));
  }

  /**
   * Put an item in. Never waits: the other arguments are there for the sake of `Queue`.
   *
   * @throws TypeError if something in the item cannot be cloned.
   *
   * Source: CPython 3.14 `queue.SimpleQueue.put`.
   */
  put(item: T, _block = true, _timeout?: Delay | null): Started<void> {
    return this._put(item, 0);
  }

  /**
   * Put an item in.
   *
   * Source: CPython 3.14 `queue.SimpleQueue.put_nowait`.
   */
  putNowait(item: T): void {
    this._putNow(item);
  }

  /**
   * As `Queue.get`.
   *
   * Source: CPython 3.14 `queue.SimpleQueue.get`.
   */
  get(block = true, timeout?: Delay | null): Started<T> {
    return this._get(checkTimeout(block, timeout));
  }

  /**
   * Take the next item.
   *
   * @throws Empty if there is none.
   *
   * Source: CPython 3.14 `queue.SimpleQueue.get_nowait`.
   */
  getNowait(): T {
    return this._getNow();
  }

  /** @internal */
  protected _parcel(): Parcel {
    listen();
    return {
      kind: 'queue.SimpleQueue',
      module: import.meta.url,
      data: { maxsize: 0, memory: this._store.memory },
    };
  }
}

interface Data {
  readonly maxsize: number;
  readonly memory: StoreMemory;
}

function register(kind: string, revive: (data: Data) => object): void {
  registerKind(kind, (data: Data) => {
    listen();
    return revive(data);
  });
}

register('queue.Queue', ({ maxsize, memory }) => new Queue(maxsize, memory));
register('queue.PriorityQueue', ({ maxsize, memory }) => new PriorityQueue(maxsize, memory));
register('queue.LifoQueue', ({ maxsize, memory }) => new LifoQueue(maxsize, memory));
register('queue.SimpleQueue', ({ memory }) => new SimpleQueue(memory));
