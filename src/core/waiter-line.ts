/**
 * Lines of waiters, and operations that stand in them. CPython keeps a deque of futures and searches it for the one
 * that is cancelled; here each waiter knows its neighbours, so that a million are cancelled in linear time.
 */
import type { BaseEventLoop } from './base-events.ts';
import { BaseCoroutine } from './coroutines.ts';
import { RuntimeError } from './exceptions.ts';
import { Future } from './futures.ts';
import { current, PENDING, RESULT, SUSPENDED } from './running.ts';
import type { Scope } from './scopes.ts';
import { callerScope, CoroutineStrand } from './strands.ts';
import type { Suspend } from './types.ts';

/** A place in a line: a future that is set when its turn has come. */
export class LineWaiter extends Future<void> {
  readonly line: WaiterLine;
  before: LineWaiter | null = null;
  after: LineWaiter | null = null;
  isLinked = true;

  constructor(loop: BaseEventLoop, line: WaiterLine) {
    super(loop._own);
    this.line = line;
  }

  wake(): void {
    this._finish(RESULT, undefined);
  }

  override cancel(msg?: unknown): boolean {
    if (!super.cancel(msg)) return false;
    this.line.live--;
    return true;
  }

  override _className(): string {
    return 'Future';
  }

  /** @internal */
  override _waitText(): string {
    return this.line.owner._waitText();
  }
}

/** A waiter that only wants the next turn of the loop, as `sleep(0)` does. */
export class TurnWaiter extends LineWaiter {
  constructor(loop: BaseEventLoop, line: WaiterLine) {
    super(loop, line);
    this.isLinked = false;
    line.standing++;
    line.live++;
    this.wake();
  }

  // It is done, and yet suspends: a driver that waits for what is done goes on in its next turn.
  override next(): IteratorResult<Suspend, void> {
    if (current.driver === null) throw new RuntimeError('no running event loop');
    current.driver._waiter = this;
    return SUSPENDED;
  }
}

/** What a line of waiters is a part of. */
export interface Waited {
  /** What a task that waits there waits for, in reports. */
  _waitText(): string;
}

/** First come, first served. A waiter stands in the line until its own next step, whatever becomes of it. */
export class WaiterLine {
  readonly owner: Waited;
  first: LineWaiter | null = null;
  #last: LineWaiter | null = null;
  /** Waiters that are linked, so that somebody may wake them. */
  length = 0;
  /** Waiters that have joined and not left. */
  standing = 0;
  /** Those of them that are not cancelled. */
  live = 0;

  /** @param owner - what the waiters wait for, in reports. */
  constructor(owner: Waited) {
    this.owner = owner;
  }

  join(loop: BaseEventLoop): LineWaiter {
    const waiter = new LineWaiter(loop, this);
    const last = this.#last;
    waiter.before = last;
    if (last === null) this.first = waiter;
    else last.after = waiter;
    this.#last = waiter;
    this.length++;
    this.standing++;
    this.live++;
    return waiter;
  }

  /** It is over for `waiter`, which was woken, cancelled, or gives up. */
  leave(waiter: LineWaiter): void {
    this.unlink(waiter);
    this.standing--;
    if (!waiter.cancelled()) this.live--;
  }

  unlink(waiter: LineWaiter): void {
    if (!waiter.isLinked) return;
    waiter.isLinked = false;
    const { before, after } = waiter;
    if (before === null) this.first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    waiter.before = null;
    waiter.after = null;
    this.length--;
  }

  /** The first waiter that is neither woken nor cancelled; those before it are unlinked. */
  firstPending(): LineWaiter | null {
    for (let waiter = this.first; waiter !== null; waiter = this.first) {
      if (waiter._state === PENDING) return waiter;
      this.unlink(waiter);
    }
    return null;
  }

  /** Wake the first waiter that still sleeps. Returns whether there was one. */
  wakeNext(): boolean {
    const waiter = this.firstPending();
    if (waiter === null) return false;
    this.unlink(waiter);
    waiter.wake();
    return true;
  }

  wakeAll(): void {
    while (this.wakeNext());
  }

  /** End all waits with `error`. */
  failAll(error: Error): void {
    for (let waiter = this.firstPending(); waiter !== null; waiter = this.firstPending()) {
      this.unlink(waiter);
      waiter._fail(error);
    }
  }

  /** `, waiters:2`, for the text of what owns the line. */
  toString(): string {
    return this.standing === 0 ? '' : `, waiters:${this.standing}`;
  }
}

/** Where an operation goes through at once or stands in line. */
export interface Gate<T, A> {
  /** The name of the operation. */
  readonly _operation: string;
  /**
   * Go through, or stand in line.
   *
   * @param woken - the waiter whose turn has come; null at the first attempt.
   * @param argument - of the operation.
   * @returns the result, or the waiter to wait for.
   */
  _attempt(woken: LineWaiter | null, argument: A): T | LineWaiter;
  /** The wait of `waiter` is over without the operation: hand on what it may have got. */
  _giveUp(waiter: LineWaiter): void;
}

/**
 * One passage through a gate: a coroutine written by hand, since a generator object and its steps would cost as much
 * as the operation itself.
 */
export class Passage<T, A> extends BaseCoroutine<T> {
  readonly #gate: Gate<T, A>;
  readonly #argument: A;
  #waiter: LineWaiter | null;

  constructor(gate: Gate<T, A>, argument: A) {
    super();
    this.#gate = gate;
    this.#argument = argument;
    this.#waiter = null;
  }

  get name(): string {
    return this.#gate._operation;
  }

  next(sent?: unknown): IteratorResult<Suspend, T> {
    const waiter = this.#waiter;
    if (waiter !== null && waiter._state !== RESULT) {
      if (waiter._state === PENDING) return this.suspend(waiter, sent);
      return this.throw(waiter._takeError());
    }
    this.#waiter = null;
    const result = this.#gate._attempt(waiter, this.#argument);
    if (!(result instanceof LineWaiter)) return { done: true, value: result };
    this.#waiter = result;
    return this.suspend(result, undefined);
  }

  private suspend(waiter: LineWaiter, sent: unknown): IteratorYieldResult<Suspend> {
    try {
      return waiter.next(sent) as IteratorYieldResult<Suspend>;
    } catch (error) {
      // Somebody runs this by hand, outside of a task: a waiter that nobody resumes would hold up the line for ever.
      return this.throw(error);
    }
  }

  /**
   * As any coroutine's; but where async code of a task goes through at once, as it mostly does, no strand is made for
   * it.
   */
  // biome-ignore lint/suspicious/noThenProperty: coroutines are awaitable
  override then<R1 = T, R2 = never>(
    onResult?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onError?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    const scope = current.owner === null ? callerScope() : null;
    if (
      scope === null ||
      scope.root.liveTask === null ||
      scope.root.loop !== current.loop ||
      scope.root.loop._notesAwaits ||
      this._isClaimed() ||
      typeof onResult !== 'function' ||
      typeof onError !== 'function'
    ) {
      return super.then(onResult, onError);
    }
    this._claim();
    let result: T | LineWaiter;
    try {
      result = this.#gate._attempt(null, this.#argument);
    } catch (error) {
      return settleNow(scope, onError, error);
    }
    if (!(result instanceof LineWaiter)) return settleNow(scope, onResult, result);
    this.#waiter = result;
    const strand = new CoroutineStrand(scope, this, onResult, onError);
    strand.wait(result);
    return strand;
  }

  throw(error: unknown): never {
    this.stop();
    throw error;
  }

  close(): void {
    this._disown();
    this.stop();
  }

  // No private methods: they would cost each passage a field.
  private stop(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null) this.#gate._giveUp(waiter);
  }
}

/** Let async code in `scope` go on in this microtask: what `Strand.end` does, for a wait that never was. */
function settleNow<R>(
  scope: Scope,
  settle: (value: never) => R | PromiseLike<R>,
  value: unknown,
): PromiseLike<R> {
  scope.root.loop._needDrain();
  if (current.storage === null) current.drainScope = scope;
  try {
    const out = settle(value as never);
    // `await` gives functions that return nothing, and looks at no promise.
    return out === undefined
      ? (GONE_ON as PromiseLike<unknown> as PromiseLike<R>)
      : new Promise((resolve) => resolve(out));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Stands for a promise of undefined, which is made for whoever chains to it. */
const GONE_ON: PromiseLike<void> & Pick<Promise<void>, 'catch' | 'finally'> = {
  // biome-ignore lint/suspicious/noThenProperty: it stands for a promise
  then: (onResult, onError) => Promise.resolve().then(onResult, onError),
  catch: (onError) => Promise.resolve().catch(onError),
  finally: (onEnd) => Promise.resolve().finally(onEnd),
};
