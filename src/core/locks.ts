/** Locks, events, conditions, semaphores and barriers. Counterpart: `asyncio/locks.py`. */
import { checkBody, disregard, inlineBody, iscoroutine, methodCoroutine, tracked } from './coroutines.ts';
import { BrokenBarrierError, isCancelledError, RuntimeError } from './exceptions.ts';
import { repr } from './format-helpers.ts';
import { LoopBound } from './mixins.ts';
import { PENDING, runningTask } from './running.ts';
import { notes } from './task-notes.ts';
import type { Task } from './tasks.ts';
import type { Coroutine, Gen, Suspend } from './types.ts';
import { type LineWaiter, Passage, WaiterLine } from './waiter-line.ts';

/**
 * What `acquire` gives: it releases what was acquired, once. `using held = await lock.acquire()` does so at the end
 * of the block.
 */
export interface Guard extends Disposable {
  /**
   * Release what was acquired, if that was not done here already. The guard of a lock knows also of the lock's own
   * `release`, whoever called it; permits of a semaphore cannot be told apart.
   */
  release(this: Guard): void;
}

/** What `run` holds while its body runs. */
export interface Held {
  acquire(): Iterable<Suspend, unknown, unknown>;
  release(): void;
}

/** `run` of what is held while a body runs. */
export function heldRunner(name: string): (held: Held, body: () => unknown) => Coroutine<unknown> {
  return methodCoroutine(name, function* (held: Held, body: () => unknown): Gen<unknown> {
    yield* held.acquire();
    try {
      return yield* inlineBody(body, undefined);
    } finally {
      held.release();
    }
  });
}

const runLocked = /* @__PURE__ */ heldRunner('Lock.run');
const runInCondition = /* @__PURE__ */ heldRunner('Condition.run');
const runWithPermit = /* @__PURE__ */ heldRunner('Semaphore.run');

/** The right to be in a section of one `Lock`. */
class LockGuard implements Guard {
  readonly #lock: Lock;
  readonly #holder: Task<any> | null;

  constructor(lock: Lock) {
    this.#lock = lock;
    this.#holder = notes.awaits ? runningTask() : null;
  }

  /** Who took it, where the report of a deadlock may ask. */
  get holder(): Task<any> | null {
    return this.#holder;
  }

  release(): void {
    this.#lock._releaseBy(this);
  }

  [Symbol.dispose](): void {
    this.#lock._releaseBy(this);
  }
}

/**
 * Mutual exclusion between tasks of one loop, first come, first served. It belongs to no task, and is not re-entrant:
 * who acquires it twice waits for itself.
 *
 * ```ts
 * await lock.run(async () => { … });
 * using held = await lock.acquire();
 * ```
 *
 * Source: CPython 3.14 `asyncio.Lock`.
 */
export class Lock extends LoopBound {
  /** Null while it is free. */
  #guard: LockGuard | null = null;
  readonly #line = new WaiterLine(this);

  /** Whether it is held. Right after a `release` it is not, even if somebody waits: the waiter takes it in its step. */
  locked(): boolean {
    return this.#guard !== null;
  }

  /**
   * Take it, or wait in line for it. Does not suspend if it is free and nobody waits.
   *
   * @returns a guard whose `release()` or disposal releases this acquisition, and no later one.
   * @throws RuntimeError if it is bound to another loop.
   *
   * Cancellation: ends the wait; a turn that had come already goes to the next in line.
   *
   * Source: CPython 3.14 `asyncio.Lock.acquire`, whose result is True.
   */
  acquire(): Coroutine<Guard> {
    return tracked(new Passage(this, undefined));
  }

  /**
   * Free it, and wake the first in line. Anyone may.
   *
   * @throws RuntimeError if it is not locked.
   *
   * Source: CPython 3.14 `asyncio.Lock.release`.
   */
  release(): void {
    if (this.#guard === null) throw new RuntimeError('Lock is not acquired.');
    this.#guard = null;
    this.#wakeFirst();
  }

  /**
   * Acquire, run `body`, and release on every way out.
   *
   * @param body - an async, generator or plain function; it runs inline, in the calling task.
   * @returns what the body gives.
   *
   * Source: CPython 3.14 `async with lock`.
   */
  run<T>(body: () => Gen<T>): Coroutine<T>;
  run<T>(body: () => T | PromiseLike<T>): Coroutine<T>;
  run(body: () => unknown): Coroutine<unknown> {
    checkBody(body, 'Lock', '');
    return runLocked(this, body);
  }

  /** @internal */
  get _operation(): string {
    return 'Lock.acquire';
  }

  /** @internal */
  _attempt(woken: LineWaiter | null): Guard | LineWaiter {
    if (woken !== null) this.#line.leave(woken);
    // Nobody overtakes: a free lock with somebody in line is not taken.
    else if (this.#guard !== null || this.#line.live > 0) return this.#line.join(this._getLoop());
    this.#guard = new LockGuard(this);
    return this.#guard;
  }

  /** @internal */
  _giveUp(waiter: LineWaiter): void {
    this.#line.leave(waiter);
    if (this.#guard === null) this.#wakeFirst();
  }

  /** @internal */
  _releaseBy(guard: LockGuard): void {
    if (this.#guard === guard) this.release();
  }

  /** @internal The guard that holds it; null while it is free. */
  get _heldBy(): LockGuard | null {
    return this.#guard;
  }

  /** @internal It is held, and by `guard` again, which had given it up for a while. */
  _giveBackTo(guard: LockGuard | null): void {
    this.#guard = guard;
  }

  // Only the head: if it is woken or cancelled already, its own step sees to what comes next.
  #wakeFirst(): void {
    const { first } = this.#line;
    if (first !== null && first._state === PENDING) first.wake();
  }

  /** @internal */
  override _waitText(): string {
    const holder = this.#guard?.holder ?? null;
    return holder === null ? super._waitText() : `${super._waitText()}, taken by ${repr(holder.getName())}`;
  }

  override toString(): string {
    return `<${this.constructor.name} [${this.locked() ? 'locked' : 'unlocked'}${this.#line}]>`;
  }
}

/**
 * A flag that tasks wait for. Not set at first.
 *
 * Source: CPython 3.14 `asyncio.Event`.
 */
export class Event extends LoopBound {
  #isSet = false;
  readonly #line = new WaiterLine(this);

  /** Whether the flag is set. */
  isSet(): boolean {
    return this.#isSet;
  }

  /** Set the flag, and wake everyone who waits, in order. Nothing happens if it is set already. */
  set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    this.#line.wakeAll();
  }

  /** Take the flag down. Who was woken stays awake. */
  clear(): void {
    this.#isSet = false;
  }

  /**
   * Wait until the flag is set; does not suspend if it is. Always true.
   *
   * Cancellation: ends the wait.
   *
   * Source: CPython 3.14 `asyncio.Event.wait`.
   */
  wait(): Coroutine<true> {
    return tracked(new Passage(this, undefined));
  }

  /** @internal */
  get _operation(): string {
    return 'Event.wait';
  }

  /** @internal Whoever was woken does not look at the flag again. */
  _attempt(woken: LineWaiter | null): true | LineWaiter {
    if (woken !== null) this.#line.leave(woken);
    else if (!this.#isSet) return this.#line.join(this._getLoop());
    return true;
  }

  /** @internal */
  _giveUp(waiter: LineWaiter): void {
    this.#line.leave(waiter);
  }

  override toString(): string {
    return `<${this.constructor.name} [${this.#isSet ? 'set' : 'unset'}${this.#line}]>`;
  }
}

/**
 * Waiting for a state that others change, with the lock that guards the state.
 *
 * ```ts
 * await condition.run(async () => {
 *   await condition.waitFor(() => jobs.length > 0);
 *   return jobs.shift();
 * });
 * ```
 *
 * @param lock - several conditions may share one; default an own one.
 *
 * Source: CPython 3.14 `asyncio.Condition`.
 */
export class Condition extends LoopBound {
  readonly #lock: Lock;
  readonly #line = new WaiterLine(this);

  constructor(lock?: Lock | null) {
    super();
    if (lock !== undefined && lock !== null && !(lock instanceof Lock)) {
      throw new TypeError(`lock must be a Lock, got ${repr(lock)}`);
    }
    this.#lock = lock ?? new Lock();
  }

  /** The lock's `acquire`. Its guard releases the lock also after a `wait`, which gives it up for a while. */
  acquire(): Coroutine<Guard> {
    return this.#lock.acquire();
  }

  /** The lock's `release`. */
  release(): void {
    this.#lock.release();
  }

  /** The lock's `locked`. */
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
   * Release the lock, wait to be notified, and take the lock again. Always true. It may wake without a cause: look at
   * the state again, or use `waitFor`.
   *
   * @throws RuntimeError if the lock is not held.
   *
   * Cancellation: takes the lock again first, however often it is cancelled meanwhile, and then throws the latest
   * CancelledError. A notification that had come already goes to another waiter.
   *
   * Source: CPython 3.14 `asyncio.Condition.wait`.
   */
  wait(): Coroutine<true> {
    return waitForNotice(this, this.#lock, this.#line);
  }

  /**
   * Wait until `predicate()` is truthy. It is called first of all, and after each notification, with the lock held.
   *
   * @param predicate - a plain function.
   * @returns its last value.
   * @throws as `wait`; what the predicate throws; TypeError if it is asynchronous.
   *
   * Cancellation: as `wait`.
   *
   * Source: CPython 3.14 `asyncio.Condition.wait_for`.
   */
  waitFor<T>(predicate: () => T): Coroutine<T> {
    if (typeof predicate !== 'function')
      throw new TypeError(`waitFor() wants a function that looks at the state, got ${repr(predicate)}`);
    return waitForState(this, predicate);
  }

  /**
   * Wake up to `n` waiters, in order. They go on when they get the lock.
   *
   * @throws RuntimeError if the lock is not held, TypeError if `n` is no number of waiters.
   *
   * Source: CPython 3.14 `asyncio.Condition.notify`.
   */
  notify(n = 1): void {
    if (!this.locked()) throw new RuntimeError('cannot notify on un-acquired lock');
    checkCount(n, 'n');
    wakeUpTo(n, this.#line);
  }

  /**
   * Wake all waiters.
   *
   * @throws RuntimeError if the lock is not held.
   *
   * Source: CPython 3.14 `asyncio.Condition.notify_all`.
   */
  notifyAll(): void {
    this.notify(this.#line.standing);
  }

  override toString(): string {
    return `<${this.constructor.name} [${this.locked() ? 'locked' : 'unlocked'}${this.#line}]>`;
  }
}

function wakeUpTo(n: number, line: WaiterLine): void {
  for (let left = n; left > 0 && line.wakeNext(); left--);
}

const waitForNotice = /* @__PURE__ */ methodCoroutine(
  'Condition.wait',
  function* (condition: Condition, lock: Lock, line: WaiterLine): Gen<true> {
    if (!lock.locked()) throw new RuntimeError('cannot wait on un-acquired lock');
    const loop = condition._getLoop();
    // Whoever has this guard is to release the lock after the wait as well.
    const guard = lock._heldBy;
    lock.release();
    const waiter = line.join(loop);
    let hasSucceeded = false;
    try {
      try {
        yield* waiter;
      } finally {
        line.leave(waiter);
        yield* acquireAgain(lock, guard);
      }
      hasSucceeded = true;
      return true;
    } finally {
      // Whatever went wrong may have come after a notification, which then is another's. One too many does no harm.
      if (!hasSucceeded) wakeUpTo(1, line);
    }
  },
);

/** Take `lock` for `guard`, however often the task is cancelled meanwhile; then throw the latest CancelledError. */
function* acquireAgain(lock: Lock, guard: LockGuard | null): Gen<void> {
  let cancellation: { error: unknown } | null = null;
  for (;;) {
    try {
      yield* lock.acquire();
      break;
    } catch (error) {
      if (!isCancelledError(error)) throw error;
      cancellation = { error };
    }
  }
  lock._giveBackTo(guard);
  if (cancellation !== null) throw cancellation.error;
}

const waitForState = /* @__PURE__ */ methodCoroutine('Condition.waitFor', function* <
  T,
>(condition: Condition, predicate: () => T): Gen<T> {
  for (;;) {
    const state = predicate();
    if (state instanceof Promise || iscoroutine(state)) {
      if (state instanceof Promise) disregard(state);
      // A plain generator has no `close`, and nobody misses it.
      else (state as Partial<Coroutine<unknown>>).close?.();
      throw new TypeError(
        'the predicate of waitFor() gave a promise or coroutine, which is always truthy: pass a plain function',
      );
    }
    if (state) return state;
    yield* condition.wait();
  }
});

/** One unit of a `Semaphore`. */
class SemaphoreGuard implements Guard {
  #semaphore: Semaphore | null;

  constructor(semaphore: Semaphore) {
    this.#semaphore = semaphore;
  }

  release(): void {
    const semaphore = this.#semaphore;
    this.#semaphore = null;
    semaphore?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * A number of permits: `acquire` takes one or waits for one, `release` gives one back. First come, first served.
 *
 * ```ts
 * const atMostTen = new Semaphore(10);
 * await atMostTen.run(() => fetchPage(url));
 * ```
 *
 * @param value - how many permits there are at first; an integer, or `Infinity`. Default 1.
 * @throws RangeError if it is negative, TypeError if it is no such number.
 *
 * Source: CPython 3.14 `asyncio.Semaphore`.
 */
export class Semaphore extends LoopBound {
  #value: number;
  readonly #line = new WaiterLine(this);

  constructor(value = 1) {
    super();
    checkCount(value, 'value');
    if (value < 0) throw new RangeError('Semaphore initial value must be >= 0');
    this.#value = value;
  }

  /** Permits that nobody holds, and that were not handed to a waiter either. Not in CPython. */
  get value(): number {
    return this.#value;
  }

  /** Whether `acquire` would have to wait: there is no permit, or somebody waits already. */
  locked(): boolean {
    return this.#value === 0 || this.#line.live > 0;
  }

  /**
   * Take a permit, or wait in line for one. Does not suspend unless `locked()`.
   *
   * @returns a guard whose `release()` or disposal gives the permit back, once.
   * @throws RuntimeError if it is bound to another loop.
   *
   * Cancellation: ends the wait; a permit that was handed over already goes to the next in line.
   *
   * Source: CPython 3.14 `asyncio.Semaphore.acquire`, whose result is True.
   */
  acquire(): Coroutine<Guard> {
    return tracked(new Passage(this, undefined));
  }

  /**
   * Give a permit back, or add one, and hand it to the first in line.
   *
   * Source: CPython 3.14 `asyncio.Semaphore.release`.
   */
  release(): void {
    this.#value++;
    this.#handOver();
  }

  /**
   * Acquire, run `body`, and release on every way out.
   *
   * @param body - an async, generator or plain function; it runs inline, in the calling task.
   * @returns what the body gives.
   *
   * Source: CPython 3.14 `async with semaphore`.
   */
  run<T>(body: () => Gen<T>): Coroutine<T>;
  run<T>(body: () => T | PromiseLike<T>): Coroutine<T>;
  run(body: () => unknown): Coroutine<unknown> {
    checkBody(body, 'Semaphore', '');
    return runWithPermit(this, body);
  }

  /** @internal */
  get _operation(): string {
    return 'Semaphore.acquire';
  }

  /** @internal */
  _attempt(woken: LineWaiter | null): Guard | LineWaiter {
    if (woken !== null) {
      this.#line.leave(woken);
      this.#handOverAll();
    } else {
      if (this.locked()) return this.#line.join(this._getLoop());
      this.#value--;
    }
    return new SemaphoreGuard(this);
  }

  /** @internal */
  _giveUp(waiter: LineWaiter): void {
    this.#line.leave(waiter);
    if (waiter.done() && !waiter.cancelled()) this.#value++;
    this.#handOverAll();
  }

  #handOver(): boolean {
    // First, since the one that wakes may look.
    this.#value--;
    if (this.#line.wakeNext()) return true;
    this.#value++;
    return false;
  }

  // Permits may have come in while somebody stood at the head of the line.
  #handOverAll(): void {
    while (this.#value > 0 && this.#handOver());
  }

  override toString(): string {
    const state = this.locked() ? 'locked' : `unlocked, value:${this.#value}`;
    return `<${this.constructor.name} [${state}${this.#line}]>`;
  }
}

/** Refuse what is no number of things. */
function checkCount(value: unknown, name: string): void {
  if (Number.isInteger(value) || value === Number.POSITIVE_INFINITY) return;
  throw new TypeError(`${name} must be an integer, got ${repr(value)}`);
}

/**
 * A semaphore that refuses to have more permits than at first: a `release` too many is an error.
 *
 * Source: CPython 3.14 `asyncio.BoundedSemaphore`.
 */
export class BoundedSemaphore extends Semaphore {
  readonly #bound: number;

  constructor(value = 1) {
    super(value);
    this.#bound = value;
  }

  /**
   * As `Semaphore.release`.
   *
   * @throws RangeError if all permits are back already.
   *
   * Source: CPython 3.14 `asyncio.BoundedSemaphore.release`.
   */
  override release(): void {
    if (this.value >= this.#bound) throw new RangeError('BoundedSemaphore released too many times');
    super.release();
  }
}

/** The states of a barrier. The words are those of its text. */
type BarrierState = 'filling' | 'draining' | 'resetting' | 'broken';

/** Somebody who waits at a barrier, and the number that the release gives. */
interface Party {
  position: number;
}

/**
 * A meeting point: `wait` lets nobody through until `parties` tasks wait, and then all.
 *
 * @param parties - how many tasks meet.
 * @throws RangeError if that is less than one.
 *
 * Source: CPython 3.14 `asyncio.Barrier`.
 */
export class Barrier {
  /** How many tasks meet. */
  readonly parties: number;
  #state: BarrierState = 'filling';
  /** Who is at the barrier, in order of arrival. */
  readonly #inside = new Set<Party>();
  /** Notified of every change of state. */
  readonly #condition = new Condition();

  constructor(parties: number) {
    if (!Number.isInteger(parties)) throw new TypeError(`parties must be an integer, got ${repr(parties)}`);
    if (parties < 1) throw new RangeError('parties must be >= 1');
    this.parties = parties;
    this.#condition._whole = this;
  }

  /** How many wait now; 0 unless it is filling. */
  get nWaiting(): number {
    return this.#state === 'filling' ? this.#inside.size : 0;
  }

  /** Whether it was aborted, and not reset since. */
  get broken(): boolean {
    return this.#state === 'broken';
  }

  /**
   * Wait until `parties` tasks wait. While those of the last round still leave, newcomers wait before they count.
   *
   * @returns 0 to `parties - 1`, in order of arrival: each number once. (CPython repeats one after a party was
   *   cancelled.)
   * @throws BrokenBarrierError if it is broken, or is aborted or reset meanwhile.
   *
   * Cancellation: one party less waits; the barrier does not break.
   *
   * Source: CPython 3.14 `asyncio.Barrier.wait`.
   */
  wait(): Coroutine<number> {
    return waitAtBarrier(this);
  }

  /**
   * Wait, then run `body(position)`. Nothing happens at its end.
   *
   * Source: CPython 3.14 `async with barrier as position`.
   */
  run<T>(body: (position: number) => Gen<T>): Coroutine<T>;
  run<T>(body: (position: number) => T | PromiseLike<T>): Coroutine<T>;
  run(body: (position: number) => unknown): Coroutine<unknown> {
    checkBody(body, 'Barrier', 'position');
    return runAtBarrier(this, body);
  }

  /**
   * Send everyone who waits away with a BrokenBarrierError, and begin anew; mends a broken barrier.
   *
   * Source: CPython 3.14 `asyncio.Barrier.reset`.
   */
  reset(): Coroutine<void> {
    return resetBarrier(this);
  }

  /**
   * Break it: who waits, and who comes later, gets a BrokenBarrierError, until `reset`.
   *
   * Source: CPython 3.14 `asyncio.Barrier.abort`.
   */
  abort(): Coroutine<void> {
    return abortBarrier(this);
  }

  /** @internal */
  *_wait(): Gen<number> {
    const condition = this.#condition;
    yield* condition.acquire();
    try {
      yield* condition.waitFor(() => this.#state !== 'draining' && this.#state !== 'resetting');
      if (this.#state === 'broken') throw new BrokenBarrierError('Barrier aborted');
      const party: Party = { position: 0 };
      this.#inside.add(party);
      try {
        if (this.#inside.size === this.parties) this.#open();
        else yield* this.#waitForRelease();
        return party.position;
      } finally {
        this.#inside.delete(party);
        this.#letIn();
      }
    } finally {
      condition.release();
    }
  }

  // Numbered only now, so that a party that was cancelled leaves no gap and no number twice.
  #open(): void {
    let position = 0;
    for (const party of this.#inside) party.position = position++;
    this.#state = 'draining';
    this.#condition.notifyAll();
  }

  *#waitForRelease(): Gen<void> {
    yield* this.#condition.waitFor(() => this.#state !== 'filling');
    if (this.#state === 'broken' || this.#state === 'resetting')
      throw new BrokenBarrierError('Abort or reset of barrier');
  }

  // The last one to leave opens the barrier for those who wait outside.
  #letIn(): void {
    if (this.#inside.size > 0) return;
    if (this.#state === 'resetting' || this.#state === 'draining') this.#state = 'filling';
    this.#condition.notifyAll();
  }

  /** @internal */
  *_changeTo(state: 'resetting' | 'broken'): Gen<void> {
    const condition = this.#condition;
    yield* condition.acquire();
    try {
      this.#state = state === 'resetting' && this.#inside.size === 0 ? 'filling' : state;
      condition.notifyAll();
    } finally {
      condition.release();
    }
  }

  toString(): string {
    const waiters = this.broken ? '' : `, waiters:${this.nWaiting}/${this.parties}`;
    return `<${this.constructor.name} [${this.#state}${waiters}]>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

const waitAtBarrier = /* @__PURE__ */ methodCoroutine(
  'Barrier.wait',
  function* (barrier: Barrier): Gen<number> {
    return yield* barrier._wait();
  },
);

const runAtBarrier = /* @__PURE__ */ methodCoroutine(
  'Barrier.run',
  function* (barrier: Barrier, body: (position: number) => unknown): Gen<unknown> {
    return yield* inlineBody(body, yield* barrier.wait());
  },
);

const resetBarrier = /* @__PURE__ */ methodCoroutine(
  'Barrier.reset',
  function* (barrier: Barrier): Gen<void> {
    yield* barrier._changeTo('resetting');
  },
);

const abortBarrier = /* @__PURE__ */ methodCoroutine(
  'Barrier.abort',
  function* (barrier: Barrier): Gen<void> {
    yield* barrier._changeTo('broken');
  },
);
