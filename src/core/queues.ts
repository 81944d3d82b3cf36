/** Queues. Counterpart: `asyncio/queues.py`. */
import { checkOrder, isLess } from './comparing.ts';
import { QUEUE_RING_SIZE } from './constants.ts';
import { methodCoroutine, tracked } from './coroutines.ts';
import { QueueEmpty, QueueFull, QueueShutDown } from './exceptions.ts';
import { repr } from './format-helpers.ts';
import { heappop, heappush, type IsLess } from './heapq.ts';
import { Event } from './locks.ts';
import { LoopBound } from './mixins.ts';
import { Ring } from './ring.ts';
import type { Coroutine, Gen } from './types.ts';
import { type Gate, type LineWaiter, Passage, WaiterLine } from './waiter-line.ts';

/** One side of a queue: whoever waits to put, or to get. */
abstract class Side<T> extends WaiterLine {
  declare readonly owner: Queue<T>;

  protected stand(): LineWaiter {
    if (this.owner._isShutDown()) throw new QueueShutDown();
    return this.join(this.owner._getLoop());
  }

  /** Somebody was woken and does not come: the next one may. */
  protected passOn(waiter: LineWaiter, mayPass: boolean): void {
    this.unlink(waiter);
    if (mayPass && waiter.done() && !waiter.cancelled()) this.wakeNext();
  }
}

class PutLine<T> extends Side<T> implements Gate<void, T> {
  get _operation(): string {
    return 'Queue.put';
  }

  _attempt(woken: LineWaiter | null, item: T): void | LineWaiter {
    if (this.owner.full()) return this.stand();
    try {
      this.owner.putNowait(item);
    } catch (error) {
      // An item that cannot be compared: the room that it was woken for is still there.
      if (woken !== null && !this.owner.full()) this.wakeNext();
      throw error;
    }
  }

  _giveUp(waiter: LineWaiter): void {
    this.passOn(waiter, !this.owner.full());
  }
}

class GetLine<T> extends Side<T> implements Gate<T, void> {
  get _operation(): string {
    return 'Queue.get';
  }

  // Whoever was woken owns nothing: if somebody else was quicker, it waits at the end of the line.
  _attempt(woken: LineWaiter | null): T | LineWaiter {
    if (this.owner.empty()) return this.stand();
    try {
      return this.owner.getNowait();
    } catch (error) {
      if (woken !== null && !this.owner.empty()) this.wakeNext();
      throw error;
    }
  }

  _giveUp(waiter: LineWaiter): void {
    this.passOn(waiter, !this.owner.empty());
  }
}

/** The items of a plain queue. */
class Items<T> extends Ring<T> implements Iterable<T> {
  *[Symbol.iterator](): IterableIterator<T> {
    for (let place = 0; place < this.length; place++) yield this.at(place);
  }
}

/** What a queue keeps its items in. */
export type QueueStore<T> = Iterable<T> & { readonly length: number };

/**
 * Hands items from producers to consumers, first in, first out. Async iterable: `for await (const item of queue)`
 * takes items until the queue is shut down and empty.
 *
 * ```ts
 * const jobs = new Queue<Job>(10);
 * for await (const job of jobs) await work(job); // each worker
 * await jobs.put(job); // a producer, which waits while ten are in line
 * jobs.shutdown(); // no more: the workers end when it is empty
 * ```
 *
 * A subclass may keep its items otherwise: `_init(maxsize)` sets `_queue`, `_put(item)` and `_get()` work on it.
 *
 * @param maxsize - how many items there is room for; 0 or less: no limit. Default 0.
 *
 * Source: CPython 3.14 `asyncio.Queue`.
 */
export class Queue<T> extends LoopBound implements AsyncIterable<T> {
  /** How many items there is room for; 0 or less: no limit. */
  readonly maxsize: number;
  /** The items. For subclasses. */
  protected _queue!: QueueStore<T>;
  readonly #getters = new GetLine<T>(this);
  readonly #putters = new PutLine<T>(this);
  #unfinished = 0;
  readonly #finished = new Event();
  #isShutDown = false;

  constructor(maxsize = 0) {
    super();
    if (typeof maxsize !== 'number' || Number.isNaN(maxsize))
      throw new TypeError(`maxsize must be a number, got ${repr(maxsize)}`);
    this.maxsize = maxsize;
    this.#finished._whole = this;
    this.#finished.set();
    this._init(maxsize);
  }

  /** Make the store. For subclasses; called by the constructor, before the subclass' own fields are there. */
  protected _init(_maxsize: number): void {
    this._queue = new Items<T>(QUEUE_RING_SIZE);
  }

  /** Take the next item out of the store, which is not empty. For subclasses. */
  protected _get(): T {
    return (this._queue as Items<T>).shift();
  }

  /** Put an item into the store. For subclasses. */
  protected _put(item: T): void {
    (this._queue as Items<T>).push(item);
  }

  /** How many items are in it. */
  qsize(): number {
    return this._queue.length;
  }

  /** Whether there is no item. */
  empty(): boolean {
    return this._queue.length === 0;
  }

  /** Whether there is no room. Never without a limit. */
  full(): boolean {
    return this.maxsize > 0 && this.qsize() >= this.maxsize;
  }

  /**
   * Put an item in, or wait until there is room. Does not suspend if there is.
   *
   * @throws QueueShutDown if the queue is shut down, also while it waits.
   *
   * Cancellation: the item is not in the queue; room that had come already is another's.
   *
   * Source: CPython 3.14 `asyncio.Queue.put`.
   */
  put(item: T): Coroutine<void> {
    return tracked(new Passage(this.#putters, item));
  }

  /**
   * Put an item in.
   *
   * @throws QueueShutDown if the queue is shut down; QueueFull if there is no room.
   *
   * Source: CPython 3.14 `asyncio.Queue.put_nowait`.
   */
  putNowait(item: T): void {
    if (this.#isShutDown) throw new QueueShutDown();
    if (this.full()) throw new QueueFull();
    this._put(item);
    if (this.#unfinished++ === 0) this.#finished.clear();
    this.#getters.wakeNext();
  }

  /**
   * Take the next item, or wait for one. Does not suspend if there is one.
   *
   * @throws QueueShutDown if the queue is shut down and empty, also while it waits.
   *
   * Cancellation: no item is taken; one that had come already is another's.
   *
   * Source: CPython 3.14 `asyncio.Queue.get`.
   */
  get(): Coroutine<T> {
    return tracked(new Passage(this.#getters, undefined));
  }

  /**
   * Take the next item.
   *
   * @throws QueueEmpty if there is none; QueueShutDown if there will be none.
   *
   * Source: CPython 3.14 `asyncio.Queue.get_nowait`.
   */
  getNowait(): T {
    if (this.empty()) {
      if (this.#isShutDown) throw new QueueShutDown();
      throw new QueueEmpty();
    }
    const item = this._get();
    this.#putters.wakeNext();
    return item;
  }

  /**
   * Say that the work on one item is done, whichever it is. The last one ends `join`.
   *
   * @throws RangeError if it is called more often than there were items.
   *
   * Source: CPython 3.14 `asyncio.Queue.task_done`.
   */
  taskDone(): void {
    if (this.#unfinished <= 0) throw new RangeError('taskDone() called too many times');
    if (--this.#unfinished === 0) this.#finished.set();
  }

  /**
   * Wait until `taskDone` was called for every item that was put in. Does not suspend if it was.
   *
   * Cancellation: ends the wait.
   *
   * Source: CPython 3.14 `asyncio.Queue.join`.
   */
  join(): Coroutine<void> {
    return waitUntilFinished(this.#finished);
  }

  /**
   * Shut it down: from now on `put` throws QueueShutDown, and so does `get` once the queue is empty. Everybody who
   * waits wakes and finds out. Again is fine.
   *
   * @param immediate - drop the items that are in it; they count as done. `join` still waits for those taken out before.
   *
   * Source: CPython 3.14 `asyncio.Queue.shutdown`.
   */
  shutdown(immediate = false): void {
    this.#isShutDown = true;
    try {
      if (immediate) this.#drop();
    } finally {
      this.#getters.wakeAll();
      this.#putters.wakeAll();
    }
  }

  #drop(): void {
    while (!this.empty()) {
      this._get();
      if (this.#unfinished > 0) this.#unfinished--;
    }
    if (this.#unfinished === 0) this.#finished.set();
  }

  /** Items until the queue is shut down and empty. `taskDone` is yours to call. */
  [Symbol.asyncIterator](): QueueIterator<T> {
    return new QueueIterator(this);
  }

  /** @internal Whether somebody sleeps beside what it waits for: a wake-up got lost, if nobody is on the way. */
  _isStuck(): boolean {
    if (!this.empty() && this.#getters.firstPending() !== null) return true;
    return !this.full() && this.#putters.firstPending() !== null;
  }

  /** @internal */
  _isShutDown(): boolean {
    return this.#isShutDown;
  }

  override toString(): string {
    const parts = [`maxsize=${this.maxsize}`];
    if (this._queue.length > 0) parts.push(`_queue=${repr([...this._queue])}`);
    if (this.#getters.length > 0) parts.push(`_getters[${this.#getters.length}]`);
    if (this.#putters.length > 0) parts.push(`_putters[${this.#putters.length}]`);
    if (this.#unfinished > 0) parts.push(`tasks=${this.#unfinished}`);
    if (this.#isShutDown) parts.push('shutdown');
    return `<${this.constructor.name} ${parts.join(' ')}>`;
  }
}

const waitUntilFinished = /* @__PURE__ */ methodCoroutine(
  'Queue.join',
  function* (finished: Event): Gen<void> {
    // The flag is down exactly while there is unfinished work.
    yield* finished.wait();
  },
);

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
  next(): Coroutine<IteratorResult<T, undefined>> & Promise<IteratorResult<T, undefined>> {
    return nextItem(this.#queue) as ReturnType<QueueIterator<T>['next']>;
  }

  /** Itself, as the iterators of the language give. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

const nextItem = /* @__PURE__ */ methodCoroutine('QueueIterator.next', function* <T>(queue: Queue<T>): Gen<
  IteratorResult<T, undefined>
> {
  try {
    return { done: false, value: yield* queue.get() };
  } catch (error) {
    if (error instanceof QueueShutDown) return { done: true, value: undefined };
    throw error;
  }
});

/** How a `PriorityQueue` orders its items. */
export interface PriorityQueueOptions<T> {
  /** Less than 0 if `a` goes before `b`. Default: as Python's `<`. */
  compare?: (a: T, b: T) => number;
}

/**
 * A queue whose smallest item comes first.
 *
 * Items compare as in Python: numbers, strings, dates; arrays element by element, as in `[priority, data]`; objects by
 * the static `compare` of the class that they share, or by their `valueOf`; anything by a function of yours. Equal
 * items come out in no particular order: `[priority, counter, data]` keeps that of arrival.
 *
 * A `put` of what cannot be compared throws a TypeError and leaves the queue as it was.
 *
 * @param maxsize - how many items there is room for; 0 or less: no limit. Default 0.
 * @param options.compare - less than 0 if its first argument goes first.
 *
 * Source: CPython 3.14 `asyncio.PriorityQueue`.
 */
export class PriorityQueue<T> extends Queue<T> {
  #isLess: IsLess<T> = isLess;

  constructor(maxsize = 0, options?: PriorityQueueOptions<T>) {
    if ((typeof maxsize === 'object' && maxsize !== null) || typeof maxsize === 'function')
      throw new TypeError('the options come after maxsize: new PriorityQueue(0, { compare })');
    super(maxsize);
    if (typeof options === 'function')
      throw new TypeError('the function belongs into an object: new PriorityQueue(0, { compare })');
    const compare = options?.compare;
    if (compare === undefined) return;
    if (typeof compare !== 'function')
      throw new TypeError(`compare must be a function, got ${repr(compare)}`);
    this.#isLess = (a, b) => checkOrder(compare(a, b)) < 0;
  }

  protected override _init(_maxsize: number): void {
    this._queue = [];
  }

  protected override _get(): T {
    return heappop(this._queue as unknown as T[], this.#isLess);
  }

  protected override _put(item: T): void {
    heappush(this._queue as unknown as T[], item, this.#isLess);
  }
}

/**
 * A queue whose latest item comes first.
 *
 * Source: CPython 3.14 `asyncio.LifoQueue`.
 */
export class LifoQueue<T> extends Queue<T> {
  protected override _init(_maxsize: number): void {
    this._queue = [];
  }

  protected override _get(): T {
    return (this._queue as unknown as T[]).pop() as T;
  }

  protected override _put(item: T): void {
    (this._queue as unknown as T[]).push(item);
  }
}
