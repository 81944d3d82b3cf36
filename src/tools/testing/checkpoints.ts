/** Putting tasks of a test into an order, and looking where they stop. Modelled on Trio's testing tools. */
import { coroutine, inlineBody } from '../../core/coroutines.ts';
import { type AbstractEventLoop, requireLoop } from '../../core/events.ts';
import { AssertionError, RuntimeError } from '../../core/exceptions.ts';
import { repr } from '../../core/format-helpers.ts';
import { Event } from '../../core/locks.ts';
import { runningTask } from '../../core/running.ts';
import type { Task } from '../../core/tasks.ts';
import type { Coroutine, CoroutineLike, Gen, Suspend } from '../../core/types.ts';
import { sleep } from '../../core/waiting.ts';

/**
 * Wait until every other task of the loop is blocked: nothing is ready to run, and what happens next has to come from a
 * timer, from outside, or from the caller.
 *
 * ```ts
 * const getter = createTask(() => queue.get());
 * await waitAllTasksBlocked(); // it stands in line now
 * queue.putNowait(1);
 * ```
 *
 * Cancellation: ends the wait.
 *
 * Source: Trio `trio.testing.wait_all_tasks_blocked`.
 */
export function waitAllTasksBlocked(): Coroutine<void> {
  return waitUntilIdle();
}

/** How many wait so on each loop. */
const idleWaiters = new WeakMap<AbstractEventLoop, number>();

function countIdleWaiters(loop: AbstractEventLoop, change: number): number {
  const count = (idleWaiters.get(loop) ?? 0) + change;
  idleWaiters.set(loop, count);
  return count;
}

const waitUntilIdle = coroutine(function* waitAllTasksBlocked(): Gen<void> {
  const loop = requireLoop();
  countIdleWaiters(loop, 1);
  try {
    // Whoever ran before us in this iteration has queued what it wants; whoever runs after us is still there. Others
    // who wait so have one entry each.
    do yield* sleep(0);
    while (loop._readyCount() >= countIdleWaiters(loop, 0));
  } finally {
    countIdleWaiters(loop, -1);
  }
});

/**
 * Blocks of code that run in a given order, whichever task they are in.
 *
 * ```ts
 * const seq = new Sequencer();
 * createTask(() => seq.run(1, () => log('second')));
 * await seq.run(0, () => log('first'));
 * ```
 *
 * Source: Trio `trio.testing.Sequencer`.
 */
export class Sequencer {
  readonly #turns = new Map<number, Event>();
  readonly #taken = new Set<number>();
  #isBroken = false;

  /**
   * Wait until the blocks 0 to `position - 1` are over, and run `body`.
   *
   * @param position - an integer from 0; each is for one block.
   * @param body - an async, generator or plain function; it runs inline, in the calling task.
   * @returns what the body gives.
   * @throws RuntimeError if the position was taken, or if another block was cancelled while it waited for its turn:
   *   nobody behind it would ever have one.
   *
   * Cancellation: ends the wait, and breaks the sequence.
   */
  run<T>(position: number, body: () => Gen<T>): Coroutine<T>;
  run<T>(position: number, body: () => T | PromiseLike<T>): Coroutine<T>;
  run(position: number, body: () => unknown): Coroutine<unknown> {
    if (!Number.isInteger(position) || position < 0)
      throw new RangeError(`a position is an integer from 0, got ${repr(position)}`);
    if (typeof body !== 'function')
      throw new TypeError(`Sequencer.run() wants a function, got ${repr(body)}`);
    return runInTurn(this, position, body);
  }

  /** @internal */
  *_run(position: number, body: () => unknown): Gen<unknown> {
    if (this.#taken.has(position))
      throw new RuntimeError(`the position ${position} of a sequence was taken already`);
    this.#taken.add(position);
    if (position > 0) yield* this.#waitFor(position);
    try {
      return yield* inlineBody(body, undefined);
    } finally {
      this.#turn(position + 1).set();
    }
  }

  *#waitFor(position: number): Gen<void> {
    let isMyTurn = false;
    try {
      if (!this.#isBroken) yield* this.#turn(position).wait();
      if (this.#isBroken)
        throw new RuntimeError('the sequence is broken: a block was cancelled before its turn');
      isMyTurn = true;
    } finally {
      if (!isMyTurn) {
        this.#isBroken = true;
        for (const turn of this.#turns.values()) turn.set();
      }
    }
  }

  #turn(position: number): Event {
    let turn = this.#turns.get(position);
    if (turn === undefined) {
      turn = new Event();
      this.#turns.set(position, turn);
    }
    return turn;
  }
}

const runInTurn = coroutine(function* run(
  sequencer: Sequencer,
  position: number,
  body: () => unknown,
): Gen<unknown> {
  return yield* sequencer._run(position, body);
});

/**
 * Run `operation`, and make sure that it is a checkpoint: it lets others run at least once, and a task that is cancelled
 * in it gets its CancelledError there.
 *
 * @param operation - makes what is awaited, as in `() => queue.join()`. It is made once; what it does is done.
 * @returns its result.
 * @throws AssertionError if it goes through without letting anybody run; its own errors.
 *
 * Source: Trio `trio.testing.assert_checkpoints`.
 */
export function assertCheckpoint<T>(operation: CoroutineLike<T>): Coroutine<T> {
  return checkSuspends(operation, true);
}

/**
 * Run `operation`, and make sure that it is no checkpoint: nobody else runs before it is over.
 *
 * @throws AssertionError if somebody could; its own errors.
 *
 * Source: Trio `trio.testing.assert_no_checkpoints`.
 */
export function assertNoCheckpoint<T>(operation: CoroutineLike<T>): Coroutine<T> {
  return checkSuspends(operation, false);
}

const checkSuspends = coroutine(function* check<T>(operation: CoroutineLike<T>, wanted: boolean): Gen<T> {
  const name = wanted ? 'assertCheckpoint' : 'assertNoCheckpoint';
  if (typeof operation !== 'function' && !(Symbol.iterator in Object(operation)))
    throw new TypeError(`${name}() wants a function, got ${repr(operation)}: write ${name}(() => ...)`);
  const loop = requireLoop();
  const task = runningTask();
  let suspension: 'none' | 'ours' | 'foreign' = 'none';
  // First come, first served: this runs before anything that the operation waits for.
  const marker = loop.callSoon(() => {
    suspension = isInForeignWait(task) ? 'foreign' : 'ours';
  });
  let result: T;
  try {
    result = yield* typeof operation === 'function'
      ? inlineBody(operation as () => Gen<T>, undefined)
      : (operation as Iterable<Suspend, T, unknown>);
  } finally {
    marker.cancel();
  }
  const seen = suspension as 'none' | 'ours' | 'foreign';
  if (!wanted && seen !== 'none')
    throw new AssertionError('it is a checkpoint: others ran before it was over');
  if (wanted && seen === 'none') throw new AssertionError('it is no checkpoint: it went through at once');
  if (wanted && seen === 'foreign') {
    throw new AssertionError(
      "it lets others run, but cannot be cancelled: it waits for a promise that is not the library's (see fromPromise)",
    );
  }
  return result;
});

function isInForeignWait(task: Task<any> | null): boolean {
  const root = task?._root ?? null;
  return root !== null && root.isParked && !root.hasOpenStrands;
}
