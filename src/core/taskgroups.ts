/** Task groups. Counterpart: `asyncio/taskgroups.py`. */
import type { BaseEventLoop } from './base-events.ts';
import { bodyCoroutine, checkBody, coroutine, iscoroutine } from './coroutines.ts';
import { requireLoop } from './events.ts';
import { BaseExceptionGroup } from './exception-groups.ts';
import { asError, isBaseError, isCancelledError, RuntimeError } from './exceptions.ts';
import { repr } from './format-helpers.ts';
import { Future } from './futures.ts';
import { current, ERROR, type Waiter } from './running.ts';
import { ScopeSignal } from './signals.ts';
import { type CancelTarget, Scope } from './scopes.ts';
import { enterScope, leaveScope } from './strands.ts';
import { checkOptions, Task, type TaskOptions } from './tasks.ts';
import type { Coroutine, CoroutineLike, Gen, Suspend } from './types.ts';

/** A child's part in its group. */
class ChildWaiter implements Waiter {
  readonly #onDone: (task: Task<any>) => void;
  readonly #child: Task<any>;
  readonly #parent: Task<any> | null;

  constructor(child: Task<any>, parent: Task<any> | null, onDone: (task: Task<any>) => void) {
    this.#child = child;
    this.#parent = parent;
    this.#onDone = onDone;
  }

  _run(): void {
    this.#onDone(this.#child);
  }

  _awaiter(): Task<any> | null {
    return this.#parent;
  }
}

/** What a child waits for beyond the limit; it says so in reports. */
class Place extends Future<void> {
  override _className(): string {
    return 'Place in TaskGroup';
  }
}

/** Where a group stands. The words are those of its text and its errors. */
type State = 'new' | 'entered' | 'exiting' | 'finished';

/**
 * Tasks that end together: `run` returns when all of them are done, and the first failure cancels the others.
 *
 * ```ts
 * await new TaskGroup().run(async (tg) => {
 *   tg.createTask(() => fetchPage(1));
 *   tg.createTask(() => fetchPage(2));
 * });
 * ```
 *
 * @param options.limit - at most that many children run at once; the others start in order. Default null: no limit.
 *
 * Source: CPython 3.14 `asyncio.TaskGroup`; `cancel` is CPython 3.15's.
 */
export class TaskGroup {
  #state: State = 'new';
  #isAborting = false;
  /** The group has asked its own body to stop, and takes the request back at the end. */
  #hasCancelledBody = false;
  /** `cancel()` was called: ending early is no error. */
  #isCancelled = false;
  readonly #limit: number;
  #loop: BaseEventLoop | null = null;
  #parent: Task<any> | null = null;
  #target: CancelTarget | null = null;
  #signal: ScopeSignal | null = null;
  readonly #tasks = new Set<Task<any>>();
  /** The places of children that wait for the limit, in order. */
  readonly #line: Future<void>[] = [];
  #running = 0;
  #errors: unknown[] = [];
  #baseError: { error: unknown } | null = null;
  #allDone: Future<void> | null = null;

  constructor(options?: { limit?: number | null }) {
    if (options !== undefined) checkOptions(options);
    const limit = options?.limit ?? null;
    if (limit !== null && !(typeof limit === 'number' && limit >= 1))
      throw new RangeError(`limit must be at least 1 or null, got ${repr(limit)}`);
    this.#limit = limit ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Start a task in the group. Never waits; beyond the limit, the task's first step does.
   *
   * @throws RuntimeError before `run`, after it, and while the group is aborting; the coroutine is closed then.
   *
   * Source: CPython 3.14 `asyncio.TaskGroup.create_task`.
   */
  createTask<T>(coro: CoroutineLike<T>, options?: TaskOptions): Task<T> {
    if (this.#state === 'new') return this.#refuse(coro, 'has not been entered');
    if (this.#state === 'finished' || (this.#state === 'exiting' && this.#tasks.size === 0)) {
      return this.#refuse(coro, 'is finished');
    }
    if (this.#isAborting) return this.#refuse(coro, 'is shutting down');
    const loop = this.#loop as BaseEventLoop;
    const isWaiting = this.#running >= this.#limit;
    const slot = isWaiting ? new Place(loop._own) : null;
    const task = loop.createTask(coro, slot === null ? options : { ...options, _slot: slot });
    if (slot === null) this.#running++;
    else this.#line.push(slot);
    this.#tasks.add(task);
    // Through the loop even for a task that has finished eagerly: its failure must not strike inside this call.
    task._addWaiter(new ChildWaiter(task, this.#parent, (child) => this.#childDone(child, slot)));
    // A child that cancelled the group in its eager first step belongs to the group it cancelled.
    if (this.#isAborting && !task.done()) task.cancel();
    return task;
  }

  #refuse(coro: CoroutineLike<any>, why: string): never {
    if (iscoroutine(coro)) {
      // A plain generator object has no close().
      if (typeof coro.close === 'function') coro.close();
      else (coro as unknown as Gen<unknown>).return(undefined);
    }
    throw new RuntimeError(`TaskGroup ${this} ${why}`);
  }

  /**
   * End the group early and without an error: its tasks and, once, its body are cancelled. Before `run` it takes
   * effect at once on entry; while the group is aborting or over it does nothing.
   *
   * Source: CPython 3.15 `asyncio.TaskGroup.cancel`.
   */
  cancel(): void {
    if (this.#isAborting || this.#state === 'finished') return;
    if (this.#state === 'exiting' && this.#tasks.size === 0) return;
    this.#isCancelled = true;
    if (this.#state !== 'new') this.#abortAll();
  }

  /** Aborts with the CancelledError when the group's body is cancelled, by the group or from outside. */
  get signal(): AbortSignal {
    if (this.#signal === null) throw new RuntimeError(`TaskGroup ${this} has not been entered`);
    return this.#signal.signal;
  }

  /**
   * Run `body(this)`, then wait for all tasks of the group, and give the body's value; `undefined` if `cancel()`
   * ended the body.
   *
   * @param body - an async or generator function; it runs inline, in the calling task.
   * @throws ExceptionGroup of the errors of the children, in order of failure, and of the body (BaseExceptionGroup if
   *   a base error is among them); KeyboardInterrupt and SystemExit bare. RuntimeError if it was entered before.
   *
   * Cancellation: cancels every child and waits for all of them; then the CancelledError is thrown on. Errors go
   * before it: the group of errors is thrown, and the cancellation strikes at the next await.
   *
   * Source: CPython 3.14 `async with asyncio.TaskGroup()`.
   */
  run<T>(body: (tg: TaskGroup) => Gen<T>): Coroutine<T>;
  run<T>(body: (tg: TaskGroup) => T | PromiseLike<T>): Coroutine<T>;
  run(body: (tg: TaskGroup) => unknown): Coroutine<unknown> {
    checkBody(body, 'TaskGroup', 'tg');
    return runGroup(this, body);
  }

  /** @internal */
  _checkNew(): void {
    if (this.#state !== 'new') throw new RuntimeError(`TaskGroup ${this} has already been entered`);
  }

  /** @internal */
  _enter(target: CancelTarget): void {
    this.#state = 'entered';
    this.#loop = requireLoop();
    this.#parent = current.driver?._task ?? null;
    this.#target = target;
    this.#signal = new ScopeSignal(target);
    if (this.#isCancelled) this.#abortAll();
  }

  /** @internal The body is over: wait for the children, then say what to throw, or null. */
  *_exit(failure: { error: unknown } | null): Gen<{ error: unknown } | null> {
    this.#state = 'exiting';
    takeUndelivered(this.#target as CancelTarget);
    let cancellation = failure !== null && isCancelledError(failure.error) ? failure : null;
    if (failure !== null) {
      if (isBaseError(failure.error)) this.#baseError ??= failure;
      if (!this.#isAborting) this.#abort();
    }
    while (this.#tasks.size > 0) {
      this.#allDone ??= (this.#loop as BaseEventLoop).createFuture<void>();
      try {
        yield* this.#allDone;
      } catch (error) {
        if (!isCancelledError(error)) throw error;
        // Cancelled from outside, once or again: the children know already, and are waited for all the same.
        if (!this.#isAborting) {
          cancellation = { error };
          this.#abort();
        } else if (this.#isCancelled && error.args.length > 0) {
          cancellation = { error };
        }
      }
      this.#allDone = null;
    }
    return this.#verdict(failure, cancellation);
  }

  #verdict(
    failure: { error: unknown } | null,
    cancelled: { error: unknown } | null,
  ): { error: unknown } | null {
    let cancellation = cancelled;
    const target = this.#target as CancelTarget;
    if (this.#baseError !== null) return this.#baseError;
    if (this.#hasCancelledBody && target.uncancel() === 0) cancellation = null;
    if (cancellation !== null && this.#errors.length === 0) return cancellation;
    if (failure !== null && !isCancelledError(failure.error)) this.#errors.push(failure.error);
    if (this.#errors.length === 0) return null;
    return { error: new BaseExceptionGroup('unhandled errors in a TaskGroup', this.#errors.map(asError)) };
  }

  /** @internal The scope is left. */
  _leave(hasErrors: boolean): void {
    const target = this.#target as CancelTarget;
    this.#signal?.close();
    leaveScope(target);
    // Errors go before a cancellation from outside, which must not be lost for that: it strikes at the next await.
    // CPython uncancels and cancels again; here no other strand around the group may take it. An error that ends the
    // program goes alone: whoever catches it is not struck again.
    if (hasErrors && this.#baseError === null) strikeNext(target);
    this.#state = 'finished';
    this.#parent = null;
    this.#target = null;
    this.#errors = [];
    this.#baseError = null;
  }

  #abort(): void {
    this.#isAborting = true;
    for (const task of this.#tasks) if (!task.done()) task.cancel();
  }

  #abortAll(): void {
    this.#abort();
    if (this.#hasCancelledBody) return;
    this.#hasCancelledBody = true;
    this.#signal?.abort();
    const target = this.#target as CancelTarget;
    if (target instanceof Task) target._cancelInside();
    else target.cancel();
  }

  #childDone(task: Task<any>, slot: Future<void> | null): void {
    this.#tasks.delete(task);
    this.#passOn(slot);
    if (this.#allDone !== null && this.#tasks.size === 0 && !this.#allDone.done()) this.#allDone.setResult();
    if (task._state !== ERROR) return;
    const error = task._takeError();
    this.#errors.push(error);
    if (isBaseError(error)) this.#baseError ??= { error };
    // A strand may outlive its task, and then still waits for the group.
    if (this.#parent?.done() && !(this.#target instanceof Scope)) {
      (this.#loop as BaseEventLoop).callExceptionHandler({
        message: `Task ${task} has errored out but its parent task ${this.#parent} is already completed`,
        exception: error,
        task,
      });
      return;
    }
    if (!this.#isAborting && !this.#hasCancelledBody) this.#abortAll();
  }

  /** A child has ended: the next in line has its place. */
  #passOn(slot: Future<void> | null): void {
    // Cancelled in line, it never had a place.
    if (slot?.cancelled()) return;
    this.#running--;
    while (this.#line.length > 0 && this.#running < this.#limit) {
      const next = this.#line.shift() as Future<void>;
      if (next.done()) continue;
      this.#running++;
      next.setResult();
    }
  }

  toString(): string {
    const details = [];
    if (this.#tasks.size > 0) details.push(`tasks=${this.#tasks.size}`);
    if (this.#errors.length > 0) details.push(`errors=${this.#errors.length}`);
    if (this.#isAborting) details.push('cancelling');
    else if (this.#state !== 'new') details.push('entered');
    return `<TaskGroup${details.map((detail) => ` ${detail}`).join('')}>`;
  }
}

/** What async code in the body has left for the next wait is for the task's own generator, which waits there now. */
function takeUndelivered(target: CancelTarget): void {
  const { driver } = current;
  if (!(driver instanceof Task) || !(target instanceof Scope) || !target.undelivered) return;
  target.undelivered = false;
  driver._requireCancel(undefined);
}

function strikeNext(target: CancelTarget): void {
  const outer = target instanceof Scope ? target.parent : target;
  if (outer === null || outer.cancelling() === 0) return;
  const { driver } = current;
  // A task's own generator looks at the task alone, whatever scope it is in.
  if (driver instanceof Task) {
    driver._requireCancel(undefined);
  } else if (outer instanceof Scope) {
    const { liveTask } = outer.root;
    if (liveTask !== null) liveTask._value = undefined;
    if (outer.parent !== null) outer.undelivered = true;
    else liveTask?._requireCancel(undefined);
  }
}

const runGroup = /* @__PURE__ */ coroutine(function* taskGroup(
  group: TaskGroup,
  body: (tg: TaskGroup) => unknown,
): Gen<unknown> {
  group._checkNew();
  const target = enterScope(body);
  let failure: { error: unknown } | null = null;
  let verdict: { error: unknown } | null = null;
  let result: unknown;
  try {
    group._enter(target);
    try {
      result = yield* bodyCoroutine(body, group, target instanceof Scope ? target : null) as Iterable<
        Suspend,
        unknown
      >;
    } catch (error) {
      failure = { error };
    }
    verdict = yield* group._exit(failure);
  } finally {
    group._leave(verdict !== null && !isCancelledError(verdict.error));
  }
  if (verdict !== null) throw verdict.error;
  return failure === null ? result : undefined;
});
