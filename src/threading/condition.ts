/** Waiting for a state that other threads change. Counterpart: `Condition` of `threading.py`. */
import { checkBody, iscoroutine, methodCoroutine } from '../core/coroutines.ts';
import { isCancelledError, RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import { type Guard, heldRunner } from '../core/locks.ts';
import { runningLoop } from '../core/running.ts';
import type { Coroutine, Delay, Gen, Suspend } from '../core/types.ts';
import { crossTo, type Parcel, registerKind } from '../concurrent/crossing.ts';
import { Started } from '../concurrent/started.ts';
import type { Timer } from '../concurrent/timer.ts';
import { startAlarm, beginWait, detached, endWait, lookAfter, type Patient } from './heartbeat.ts';
import { type ConditionLock, Lock, RLock } from './lock.ts';
import { type GrowableMemory, growableMemory, SharedObject } from './shared.ts';
import { secondsOf } from './timeouts.ts';
import { waitAsync } from './watch.ts';

// The line of those who wait: a ring of cells, one for each, with the number of its wait, or 0 once it was notified or
// has gone. Whoever joins or notifies holds the lock of the condition, so that nobody else moves the ends; only leaving
// takes no lock. The memory grows with the line, and begins anew whenever the line is empty.
const HEAD = 0;
const TAIL = 1;
const LAST_NUMBER = 2;
const CELLS = 3;
/** A power of 2. So many may wait, and address space, not memory, is set aside for them. */
const MOST_CELLS = 2 ** 20;
const BYTES = Int32Array.BYTES_PER_ELEMENT;
const FIRST_BYTES = 64 * BYTES;
const MOST_BYTES = (CELLS + MOST_CELLS) * BYTES;

class Line {
  readonly memory: GrowableMemory;
  #words: Int32Array;

  constructor(memory: GrowableMemory | null) {
    this.memory = memory ?? growableMemory(FIRST_BYTES, MOST_BYTES);
    this.#words = this.#view();
  }

  // Of a fixed length: those that grow with their memory are slow.
  #view(): Int32Array {
    return new Int32Array(this.memory, 0, this.memory.byteLength / BYTES);
  }

  #cell(position: number): number {
    const place = CELLS + (position & (MOST_CELLS - 1));
    if (place >= this.#words.length) {
      const bytes = (place + 1) * BYTES;
      if (bytes > this.memory.byteLength) this.memory.grow(Math.min(2 * bytes, MOST_BYTES));
      this.#words = this.#view();
    }
    return place;
  }

  /** How many stand in it, among them some who have left. */
  get length(): number {
    return (Atomics.load(this.#words, TAIL) - Atomics.load(this.#words, HEAD)) | 0;
  }

  /** How many wait. */
  get waiting(): number {
    let count = 0;
    const head = Atomics.load(this.#words, HEAD);
    for (let i = this.length - 1; i >= 0; i--) {
      if (Atomics.load(this.#words, this.#cell(head + i)) !== 0) count++;
    }
    return count;
  }

  #trim(): void {
    let head = Atomics.load(this.#words, HEAD);
    const tail = Atomics.load(this.#words, TAIL);
    while (head !== tail && Atomics.load(this.#words, this.#cell(head)) === 0) head = (head + 1) | 0;
    if (head === tail) {
      head = 0;
      Atomics.store(this.#words, TAIL, 0);
    }
    Atomics.store(this.#words, HEAD, head);
  }

  /** Stand at the end. The lock is held. */
  join(): { words: Int32Array; place: number; number: number } {
    this.#trim();
    // Very many have come and left behind one who still waits. Waking it without a cause makes room.
    if (this.length >= MOST_CELLS) this.wake(1);
    const tail = Atomics.load(this.#words, TAIL);
    const place = this.#cell(tail);
    const words = this.#words;
    const number = (Atomics.add(words, LAST_NUMBER, 1) + 1) | 0 || Atomics.add(words, LAST_NUMBER, 1) + 1;
    Atomics.store(words, place, number);
    Atomics.store(words, TAIL, (tail + 1) | 0);
    return { words, place, number };
  }

  /** Wake the first `count`. The lock is held. */
  wake(count: number): void {
    let left = count;
    for (this.#trim(); left > 0 && this.length > 0; this.#trim()) {
      const head = Atomics.load(this.#words, HEAD);
      const place = this.#cell(head);
      const number = Atomics.load(this.#words, place);
      // A thread that has ended is not there to be woken, and does not count.
      const isWoken =
        number !== 0 &&
        Atomics.compareExchange(this.#words, place, number, 0) === number &&
        Atomics.notify(this.#words, place, 1) > 0;
      if (isWoken) left--;
    }
  }
}

/** The place of one wait in the line. */
class Place implements Patient {
  readonly #words: Int32Array;
  readonly #place: number;
  readonly #number: number;
  readonly #onNotified: () => void;
  #isOver = false;

  constructor(line: Line, onNotified: () => void) {
    const { words, place, number } = line.join();
    this.#words = words;
    this.#place = place;
    this.#number = number;
    this.#onNotified = onNotified;
    const result = waitAsync(words, place, number);
    if (result.async) detached(() => void result.value.then(() => this._look()));
    lookAfter(this);
    beginWait();
  }

  /** Leave the line. Returns whether that was in time: else it has been notified. */
  leave(): boolean {
    if (this.#isOver) return false;
    this.#end();
    if (Atomics.compareExchange(this.#words, this.#place, this.#number, 0) !== this.#number) return false;
    // Only for the memory that the wait takes up.
    Atomics.notify(this.#words, this.#place, 1);
    return true;
  }

  #end(): void {
    this.#isOver = true;
    endWait();
  }

  /** @internal */
  _look(): boolean {
    if (this.#isOver) return false;
    if (Atomics.load(this.#words, this.#place) === this.#number) return true;
    this.#end();
    this.#onNotified();
    return false;
  }
}

/** What a wait has of its condition. */
interface Parts {
  readonly lock: ConditionLock;
  readonly line: Line;
}

/**
 * A `wait` or a `waitFor`. Before it ends, whichever way, it takes the lock again: so a task that is cancelled in it
 * still waits for that, and `cancel` has its effect only then.
 */
class ConditionWait<T> extends Started<T> {
  readonly #parts: Parts;
  readonly #predicate: (() => T) | null;
  readonly #timeout: number | null;
  readonly #end: number;
  #place: Place | null = null;
  #alarm: Timer | null = null;
  #held = 0;
  #isCancelled = false;

  constructor(what: string, parts: Parts, predicate: (() => T) | null, timeout: number | null) {
    super(what);
    this.#parts = parts;
    this.#predicate = predicate;
    this.#timeout = timeout;
    this.#end = timeout === null ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000;
    if (predicate === null) this.#wait();
    else this.#look(false);
  }

  #wait(): void {
    const { lock, line } = this.#parts;
    if (!lock._isOwned()) throw new RuntimeError('cannot wait on un-acquired lock');
    this.#place = new Place(line, () => this.#goBack(true));
    this.#held = lock._giveUp();
    if (this.#timeout === null) return;
    const left = (this.#end - performance.now()) / 1000;
    if (left <= 0) this.#timeOut();
    else this.#alarm = startAlarm(left, () => this.#timeOut());
  }

  #timeOut(): void {
    const isNotified = this.#place?.leave() === false;
    this.#goBack(isNotified);
  }

  #goBack(isNotified: boolean): void {
    this.#place = null;
    this.#alarm?.cancel();
    this.#parts.lock._takeAgain(this.#held)._whenEnded(() => this.#arrive(isNotified));
  }

  #arrive(isNotified: boolean): void {
    if (this.#isCancelled) {
      if (isNotified) this.#parts.line.wake(1);
      this._settle({ kind: 'cancelled' });
    } else if (this.#predicate === null) this._resolve(isNotified as T);
    else this.#look(performance.now() >= this.#end);
  }

  #look(isLast: boolean): void {
    let state: T;
    try {
      state = (this.#predicate as () => T)();
      if (state instanceof Promise || iscoroutine(state)) {
        if (state instanceof Promise) state.catch(() => {});
        throw new TypeError(
          'the predicate of waitFor() gave a promise or coroutine, which is always truthy: pass a plain function',
        );
      }
    } catch (error) {
      this._reject(error);
      return;
    }
    if (state || isLast) this._resolve(state);
    else this.#wait();
  }

  override cancel(): boolean {
    if (this.done()) return false;
    if (this.#isCancelled) return true;
    this.#isCancelled = true;
    // Else it has been notified and takes the lock already.
    if (this.#place !== null) this.#goBack(!this.#place.leave());
    return true;
  }

  /** @internal The lock is held, and stays so; the notification is another's. */
  override _giveBack(value: T): boolean {
    if (this.#predicate === null && value !== false) this.#parts.line.wake(1);
    return true;
  }

  /** @internal As it is awaited where it can be cancelled at any time. */
  _plainly(): Iterable<Suspend, T, unknown> {
    return { [Symbol.iterator]: () => super[Symbol.iterator]() };
  }

  override then<R1 = T, R2 = never>(
    onResult?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onError?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    const isAwait = typeof onResult === 'function' && typeof onError === 'function';
    if (!isAwait || this.done() || runningLoop() === null) return super.then(onResult, onError);
    return waitWithLock<T>(this).then(onResult, onError);
  }

  override [Symbol.iterator](): Iterator<Suspend, T, unknown> {
    return waitWithLock<T>(this)[Symbol.iterator]();
  }
}

/** Wait for the end, however often the task is cancelled meanwhile; then throw the latest CancelledError. */
const waitWithLock: <T>(wait: ConditionWait<T>) => Coroutine<T> = /* @__PURE__ */ methodCoroutine(
  'Condition.wait',
  function* (wait: ConditionWait<any>): Gen<any> {
    let cancellation: { error: unknown } | null = null;
    for (;;) {
      try {
        return yield* wait._plainly();
      } catch (error) {
        const isOver = wait.done();
        if (!isOver || cancellation === null) cancellation = { error };
        if (isOver || !isCancelledError(error)) throw cancellation.error;
      }
    }
  },
);

const runInCondition = /* @__PURE__ */ heldRunner('Condition.run');

/**
 * Waiting for a state that threads share and change, with the lock that guards the state.
 *
 * ```ts
 * await condition.run(async () => {
 *   await condition.waitFor(() => Atomics.load(counts, 0) > 0);
 * });
 * ```
 *
 * @param lock - several conditions may share one; default an `RLock`. Where several tasks of one thread use the
 *   condition, give it a `Lock`: an `RLock` does not keep them apart.
 *
 * Source: CPython 3.14 `threading.Condition`.
 */
export class Condition extends SharedObject {
  readonly #lock: Lock | RLock;
  readonly #line: Line;

  constructor(lock?: Lock | RLock | null);
  /** @internal */
  constructor(lock: Lock | RLock, memory: GrowableMemory);
  constructor(lock?: Lock | RLock | null, memory: GrowableMemory | null = null) {
    super();
    if (lock !== undefined && lock !== null && !(lock instanceof Lock || lock instanceof RLock))
      throw new TypeError(`lock must be a Lock or an RLock of threads, got ${repr(lock)}`);
    this.#lock = lock ?? new RLock();
    this.#line = new Line(memory);
  }

  /**
   * The lock's `acquire`. The guard of a `Lock` releases it also after a `wait`, which gives it up for a while.
   *
   * Source: CPython 3.14 `threading.Condition.acquire`.
   */
  acquire(): Started<Guard>;
  acquire(blocking: boolean, timeout?: Delay | null): Started<Guard | false>;
  acquire(blocking = true, timeout?: Delay | null): Started<any> {
    return this.#lock.acquire(blocking, timeout);
  }

  /**
   * The lock's `release`.
   *
   * Source: CPython 3.14 `threading.Condition.release`.
   */
  release(): void {
    this.#lock.release();
  }

  /**
   * The lock's `locked`.
   *
   * Source: CPython 3.14 `threading.Condition.locked`.
   */
  locked(): boolean {
    return this.#lock.locked();
  }

  /** As `Lock.run`. */
  run<T>(body: () => Gen<T>): Coroutine<T>;
  run<T>(body: () => T | PromiseLike<T>): Coroutine<T>;
  run(body: () => unknown): Coroutine<unknown> {
    checkBody(body, 'Condition', '');
    return runInCondition(this, body);
  }

  /**
   * Release the lock, wait to be notified, and take the lock again. It may wake without a cause: look at the state
   * again, or use `waitFor`.
   *
   * @param timeout - how long to wait, in seconds; null, the default: for ever.
   * @returns false if the time was over before a notification came.
   * @throws RuntimeError if the lock is not held.
   *
   * Cancellation: takes the lock again first, however often it is cancelled meanwhile, and then throws the latest
   * CancelledError. A notification that had come already goes to another waiter.
   *
   * Source: CPython 3.14 `threading.Condition.wait`.
   */
  wait(timeout?: Delay | null): Started<boolean> {
    return this.#begin<boolean>('Condition.wait()', null, timeout);
  }

  /**
   * Wait until `predicate()` is truthy. It is called first of all, and after each notification, with the lock held.
   *
   * @param predicate - a plain function; it runs in no task.
   * @param timeout - how long to wait, in seconds; null, the default: for ever.
   * @returns its last value, a falsy one if the time is over.
   * @throws as `wait`, unless the predicate is truthy at once; what the predicate throws; TypeError if it is asynchronous.
   *
   * Cancellation: as `wait`.
   *
   * Source: CPython 3.14 `threading.Condition.wait_for`.
   */
  waitFor<T>(predicate: () => T, timeout?: Delay | null): Started<T> {
    if (typeof predicate !== 'function')
      throw new TypeError(`waitFor() wants a function that looks at the state, got ${repr(predicate)}`);
    return this.#begin('Condition.waitFor()', predicate, timeout);
  }

  #begin<T>(what: string, predicate: (() => T) | null, timeout?: Delay | null): Started<T> {
    const seconds = secondsOf(timeout);
    return new ConditionWait<T>(what, { lock: this.#lock, line: this.#line }, predicate, seconds);
  }

  /**
   * Wake up to `n` waiters, in order. They go on when they get the lock.
   *
   * @throws RuntimeError if the lock is not held.
   *
   * Source: CPython 3.14 `threading.Condition.notify`.
   */
  notify(n = 1): void {
    if (!this.#lock._isOwned()) throw new RuntimeError('cannot notify on un-acquired lock');
    if (typeof n !== 'number' || Number.isNaN(n)) throw new TypeError(`n must be an integer, got ${repr(n)}`);
    this.#line.wake(n);
  }

  /**
   * Wake all waiters.
   *
   * @throws RuntimeError if the lock is not held.
   *
   * Source: CPython 3.14 `threading.Condition.notify_all`.
   */
  notifyAll(): void {
    this.notify(Number.POSITIVE_INFINITY);
  }

  /** @internal */
  protected _parcel(): Parcel {
    const lock = this.#lock[crossTo]('thread');
    return {
      kind: 'threading.Condition',
      module: import.meta.url,
      data: { lock: lock.data, isReentrant: this.#lock instanceof RLock, line: this.#line.memory },
    };
  }

  override toString(): string {
    return `<${this.constructor.name}(${this.#lock}, ${this.#line.waiting})>`;
  }
}

interface Data {
  readonly lock: SharedArrayBuffer;
  readonly isReentrant: boolean;
  readonly line: GrowableMemory;
}

registerKind('threading.Condition', ({ lock, isReentrant, line }: Data) => {
  return new Condition(isReentrant ? new RLock(lock) : new Lock(lock), line);
});
