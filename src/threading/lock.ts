/** Locks between threads. Counterpart: `Lock` and `RLock` of `threading.py`. */
import { threadId } from 'node:worker_threads';
import { checkBody } from '../core/coroutines.ts';
import { RuntimeError } from '../core/exceptions.ts';
import { type Guard, heldRunner } from '../core/locks.ts';
import type { Coroutine, Delay, Gen } from '../core/types.ts';
import { type Parcel, registerKind } from '../concurrent/crossing.ts';
import type { Started } from '../concurrent/started.ts';
import { Mutex } from './mutex.ts';
import { SharedObject, sharedWords } from './shared.ts';
import { lockSeconds } from './timeouts.ts';
import { NOT_YET, type NotYet, type Terms } from './watch.ts';

const runLocked = /* @__PURE__ */ heldRunner('Lock.run');
const runRLocked = /* @__PURE__ */ heldRunner('RLock.run');

/** What `Condition` needs of a lock. */
export interface ConditionLock {
  acquire(): Started<Guard>;
  acquire(blocking: boolean, timeout?: Delay | null): Started<Guard | false>;
  release(): void;
  locked(): boolean;
  /** @internal Whether the one who asks holds it, as far as can be told. */
  _isOwned(): boolean;
  /** @internal Free it altogether. Returns what `_takeAgain` needs. */
  _giveUp(): number;
  /** @internal Take it as it was before `_giveUp`. */
  _takeAgain(state: number): Started<void>;
}

function returned(this: void): void {}

const AGAIN: Terms<void> = { what: 'Condition.wait()', onTimeout: returned };

/** The right to be in a section of one `Lock`. */
class LockGuard implements Guard {
  readonly #lock: Lock;
  readonly #holder: number;

  constructor(lock: Lock, holder: number) {
    this.#lock = lock;
    this.#holder = holder;
  }

  release(): void {
    this.#lock._releaseBy(this.#holder);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** One of the acquisitions of an `RLock`, or a unit of a `Semaphore`: they cannot be told apart. */
export class OnceGuard implements Guard {
  #held: { release(): void } | null;

  constructor(held: { release(): void }) {
    this.#held = held;
  }

  release(): void {
    const held = this.#held;
    this.#held = null;
    held?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** What a call of `acquire` gives that cannot wait any longer, and what becomes of a guard that nobody sees. */
export function acquireTerms(what: string): Terms<Guard | false> {
  return {
    what,
    onTimeout: () => false,
    giveBack: (guard) => {
      if (guard !== false) guard.release();
    },
  };
}

const STATE = 0;
/** The number of the acquisition that holds it; 0 while it is free. */
const HOLDER = 1;
const LAST_HOLDER = 2;
const LOCK_WORDS = 3;

/**
 * Mutual exclusion between threads. It belongs to nobody: any thread, and any task of it, may release it. Not
 * re-entrant: who acquires it twice waits for itself.
 *
 * ```ts
 * using guard = await lock.acquire();
 * await lock.run(async () => { … });
 * ```
 *
 * A thread gets it as an argument. Whoever comes when it is free takes it, also before those who wait already; a
 * thread that has done so for a millisecond lets others first.
 *
 * A thread that is terminated while it holds the lock leaves it locked, as in Python.
 *
 * Source: CPython 3.14 `threading.Lock`.
 */
export class Lock extends SharedObject implements ConditionLock {
  readonly #words: Int32Array;
  readonly #mutex: Mutex;
  readonly #terms = acquireTerms('Lock.acquire()');

  constructor();
  /** @internal */
  constructor(memory: SharedArrayBuffer);
  constructor(memory?: SharedArrayBuffer) {
    super();
    this.#words = sharedWords(LOCK_WORDS, memory);
    this.#mutex = new Mutex(this.#words, STATE);
  }

  readonly #take = (): Guard | NotYet => {
    if (!this.#mutex.take()) return NOT_YET;
    const holder = Atomics.add(this.#words, LAST_HOLDER, 1) + 1;
    Atomics.store(this.#words, HOLDER, holder);
    return new LockGuard(this, holder);
  };

  /**
   * Take it, or wait for it.
   *
   * @param blocking - false: do not wait. Default true.
   * @param timeout - how long to wait, in seconds; -1, the default: for ever.
   * @returns a guard whose `release()` or disposal releases this acquisition, and no later one; false if the lock was
   *   not to be had.
   * @throws RangeError for a time-out that is negative, or given to a call that does not wait.
   *
   * Cancellation: ends the wait; a lock that had come already is released.
   *
   * Source: CPython 3.14 `threading.Lock.acquire`, whose result is a boolean.
   */
  acquire(): Started<Guard>;
  acquire(blocking: boolean, timeout?: Delay | null): Started<Guard | false>;
  acquire(blocking = true, timeout?: Delay | null): Started<any> {
    return this.#mutex.wait<Guard | false>(this.#take, lockSeconds(blocking, timeout), this.#terms);
  }

  /**
   * Free it. Anyone may, in any thread.
   *
   * @throws RuntimeError if it is not locked.
   *
   * Source: CPython 3.14 `threading.Lock.release`.
   */
  release(): void {
    Atomics.store(this.#words, HOLDER, 0);
    if (!this.#mutex.free()) throw new RuntimeError('release unlocked lock');
  }

  /**
   * Whether it is held.
   *
   * Source: CPython 3.14 `threading.Lock.locked`.
   */
  locked(): boolean {
    return this.#mutex.isHeld();
  }

  /**
   * Acquire, run `body`, and release on every way out.
   *
   * @param body - an async, generator or plain function; it runs inline, in the calling task.
   * @returns what the body gives.
   *
   * Source: CPython 3.14 `with lock`.
   */
  run<T>(body: () => Gen<T>): Coroutine<T>;
  run<T>(body: () => T | PromiseLike<T>): Coroutine<T>;
  run(body: () => unknown): Coroutine<unknown> {
    checkBody(body, 'Lock', '');
    return runLocked(this, body);
  }

  /** @internal */
  _releaseBy(holder: number): void {
    if (Atomics.load(this.#words, HOLDER) === holder) this.release();
  }

  /** @internal */
  _isOwned(): boolean {
    return this.locked();
  }

  /** @internal */
  _giveUp(): number {
    const holder = Atomics.load(this.#words, HOLDER);
    this.release();
    return holder;
  }

  /** @internal */
  _takeAgain(holder: number): Started<void> {
    const take = (): void | NotYet => {
      if (!this.#mutex.take()) return NOT_YET;
      // The guard from before the wait is to release it.
      Atomics.store(this.#words, HOLDER, holder);
    };
    return this.#mutex.wait<void>(take, null, AGAIN);
  }

  /** @internal */
  protected _parcel(): Parcel {
    return { kind: 'threading.Lock', module: import.meta.url, data: this.#words.buffer };
  }

  override toString(): string {
    return `<${this.locked() ? 'locked' : 'unlocked'} ${this.constructor.name}>`;
  }
}

/** The thread that holds it, by its `threadId` plus 1; 0: none. */
const OWNER = 1;
const COUNT = 2;
const RLOCK_WORDS = 3;
const ME = threadId + 1;

/**
 * A lock that belongs to a thread: who holds it may acquire it again, and releases it as often.
 *
 * The owner is the thread. Tasks of one thread do not exclude each other by it: all pass while one of them holds it;
 * between tasks take an `asyncio.Lock`, or a `Lock` if other threads have part in it.
 *
 * Source: CPython 3.14 `threading.RLock`.
 */
export class RLock extends SharedObject implements ConditionLock {
  readonly #words: Int32Array;
  readonly #mutex: Mutex;
  readonly #terms = acquireTerms('RLock.acquire()');

  constructor();
  /** @internal */
  constructor(memory: SharedArrayBuffer);
  constructor(memory?: SharedArrayBuffer) {
    super();
    this.#words = sharedWords(RLOCK_WORDS, memory);
    this.#mutex = new Mutex(this.#words, STATE);
  }

  readonly #take = (): Guard | NotYet => {
    if (!this._isOwned()) {
      if (!this.#mutex.take()) return NOT_YET;
      Atomics.store(this.#words, OWNER, ME);
    }
    Atomics.add(this.#words, COUNT, 1);
    return new OnceGuard(this);
  };

  /**
   * Take it, once more if this thread holds it, or wait for it.
   *
   * @param blocking - false: do not wait. Default true.
   * @param timeout - how long to wait, in seconds; -1, the default: for ever.
   * @returns a guard whose `release()` or disposal releases it, once; false if the lock was not to be had.
   * @throws RangeError for a time-out that is negative, or given to a call that does not wait.
   *
   * Cancellation: ends the wait; a lock that had come already is released.
   *
   * Source: CPython 3.14 `threading.RLock.acquire`.
   */
  acquire(): Started<Guard>;
  acquire(blocking: boolean, timeout?: Delay | null): Started<Guard | false>;
  acquire(blocking = true, timeout?: Delay | null): Started<any> {
    return this.#mutex.wait<Guard | false>(this.#take, lockSeconds(blocking, timeout), this.#terms);
  }

  /**
   * Undo one `acquire` of this thread; the last one frees the lock.
   *
   * @throws RuntimeError if this thread does not hold it.
   *
   * Source: CPython 3.14 `threading.RLock.release`.
   */
  release(): void {
    if (!this._isOwned()) throw new RuntimeError('cannot release un-acquired lock');
    if (Atomics.sub(this.#words, COUNT, 1) === 1) this.#free();
  }

  #free(): void {
    Atomics.store(this.#words, OWNER, 0);
    this.#mutex.free();
  }

  /**
   * Whether a thread holds it.
   *
   * Source: CPython 3.14 `threading.RLock.locked`.
   */
  locked(): boolean {
    return this.#mutex.isHeld();
  }

  /** As `Lock.run`. */
  run<T>(body: () => Gen<T>): Coroutine<T>;
  run<T>(body: () => T | PromiseLike<T>): Coroutine<T>;
  run(body: () => unknown): Coroutine<unknown> {
    checkBody(body, 'RLock', '');
    return runRLocked(this, body);
  }

  /** @internal */
  _isOwned(): boolean {
    return Atomics.load(this.#words, OWNER) === ME;
  }

  /** @internal */
  _giveUp(): number {
    const count = Atomics.exchange(this.#words, COUNT, 0);
    this.#free();
    return count;
  }

  /** @internal */
  _takeAgain(count: number): Started<void> {
    const take = (): void | NotYet => {
      // Another task of this thread may have it.
      if (!this._isOwned()) {
        if (!this.#mutex.take()) return NOT_YET;
        Atomics.store(this.#words, OWNER, ME);
      }
      Atomics.add(this.#words, COUNT, count);
    };
    return this.#mutex.wait<void>(take, null, AGAIN);
  }

  /** @internal */
  protected _parcel(): Parcel {
    return { kind: 'threading.RLock', module: import.meta.url, data: this.#words.buffer };
  }

  override toString(): string {
    const [owner, count] = [Atomics.load(this.#words, OWNER) - 1, Atomics.load(this.#words, COUNT)];
    const holder = this.locked() ? `owner=${owner} count=${count}` : 'owner=null count=0';
    return `<${this.locked() ? 'locked' : 'unlocked'} ${this.constructor.name} ${holder}>`;
  }
}

registerKind('threading.Lock', (memory: SharedArrayBuffer) => new Lock(memory));
registerKind('threading.RLock', (memory: SharedArrayBuffer) => new RLock(memory));
