/** What a scenario of the explorer works with. */
import type { BaseEventLoop } from '../../core/base-events.ts';
import { AssertionError } from '../../core/exceptions.ts';
import { repr } from '../../core/format-helpers.ts';
import { Future } from '../../core/futures.ts';
import { Lock, Semaphore } from '../../core/locks.ts';
import { Queue } from '../../core/queues.ts';
import type { Task } from '../../core/tasks.ts';
import type { CoroutineLike } from '../../core/types.ts';
import type { Mode } from './schedule.ts';

/** Something that comes from outside of the loop, at any time from now on. */
export interface OutsideEvent {
  readonly label: string;
  /** Whether nobody waits for it any more. */
  isOver(): boolean;
  deliver(): void;
}

/** Something that must hold: fails by throwing, or by giving false. */
export type Check = () => unknown;

/** Options of `sim.spawn`. */
export interface SpawnOptions {
  /** Its name in timelines and reports; default the function's name, or `task 1`, `task 2`, … */
  name?: string;
  /** It may wait for ever: a server, a worker in a loop. Default false. */
  daemon?: boolean;
  /** Whether schedules may cancel it. Default true. */
  cancellable?: boolean;
}

/** What the simulation asks of the run that it is part of. */
export interface Run {
  readonly loop: BaseEventLoop;
  readonly mode: Mode;
  /** Whether to take the unusual way here. */
  decide(label: string): boolean;
  /** Call `callback` with each task that is made from now on. */
  onTask(callback: (task: Task<any>) => unknown): void;
  /** A line for the timeline. */
  log(text: string): void;
}

/**
 * The world of one schedule. A scenario gets it as its argument, makes its tasks with it, and says what must hold.
 *
 * ```ts
 * await explore(async (sim) => {
 *   const lock = new Lock();
 *   let inside = 0;
 *   sim.invariant('one at a time', () => inside <= 1);
 *   sim.spawnAll(3, () => async () => {
 *     await lock.run(async () => {
 *       inside++;
 *       await sim.step('work');
 *       inside--;
 *     });
 *   });
 * });
 * ```
 */
export class Simulation {
  readonly #run: Run;
  /** @internal */ readonly _events: OutsideEvent[] = [];
  /** @internal */ readonly _targets: Task<any>[] = [];
  /** @internal */ readonly _daemons = new Set<Task<any>>();
  /** @internal */ readonly _invariants: { name: string; check: Check }[] = [];
  /** @internal */ readonly _finalChecks: Check[] = [];
  readonly #raised = new Map<Error, number>();
  #spawned = 0;
  #isSpawning = false;

  /** @internal */
  constructor(run: Run) {
    this.#run = run;
  }

  /** The mode of the exploration. Who goes first among those that are ready is only to be checked in `faithful`. */
  get mode(): Mode {
    return this.#run.mode;
  }

  /**
   * Start a task that schedules may cancel at each of its steps. It must end before the schedule is over; its error, if
   * nobody takes it, fails the schedule.
   *
   * @throws TypeError if `coro` is no coroutine.
   */
  spawn<T>(coro: CoroutineLike<T>, options: SpawnOptions = {}): Task<T> {
    this.#spawned++;
    const own = typeof coro === 'function' ? coro.name : '';
    const name = options.name ?? (own === '' ? `task ${this.#spawned}` : own);
    this.#isSpawning = true;
    let task: Task<T>;
    try {
      task = this.#run.loop.createTask(coro, { name });
    } finally {
      this.#isSpawning = false;
    }
    if (options.cancellable ?? true) this.cancellable(task);
    if (options.daemon) this._daemons.add(task);
    return task;
  }

  /** Start `count` tasks; `make(i)` gives the coroutine of number `i`, from 0. */
  spawnAll<T>(count: number, make: (i: number) => CoroutineLike<T>, options: SpawnOptions = {}): Task<T>[] {
    return Array.from({ length: count }, (_, i) => {
      const coro = make(i);
      const own = typeof coro === 'function' ? coro.name : '';
      const name = `${options.name ?? (own === '' ? 'task' : own)} ${i + 1}`;
      return this.spawn(coro, { ...options, name });
    });
  }

  /**
   * Let schedules cancel `task`, which something else has made: `createTask`, a group; with `'all'`, every task that
   * is made from now on, but for those that `spawn` is told to spare.
   */
  cancellable(task: Task<any> | 'all'): void {
    if (task !== 'all') this._targets.push(task);
    else this.#run.onTask((made) => !this.#isSpawning && this._targets.push(made));
  }

  /**
   * Wait for an answer from outside, as of a server or a disk: it comes when the schedule says, in any order with other
   * answers.
   *
   * @param label - what it is, for the timeline.
   * @param result - what it gives.
   */
  step(label?: string): Future<void>;
  step<T>(label: string, result: T): Future<T>;
  step(label = 'step', result?: unknown): Future<unknown> {
    const future = new Answer(this.#run.loop, label);
    this._events.push({
      label,
      isOver: () => future.done(),
      deliver: () => future.setResult(result),
    });
    return future;
  }

  /** Call `callback` from outside of every task, once, at any time from now on: a signal, a message. */
  outside(label: string, callback: () => void): void {
    checkFunction(callback, 'outside(label, callback)');
    this._events.push({ label, isOver: () => false, deliver: callback });
  }

  /** Whether something goes wrong here: false in the usual order, true in some of the others. */
  fault(label: string): boolean {
    return this.#run.decide(label);
  }

  /** `check` holds after every step. */
  invariant(name: string, check: Check): void {
    checkFunction(check, 'invariant(name, check)');
    this._invariants.push({ name, check });
  }

  /** `check` holds when nothing is left to do. */
  atQuiescence(check: Check): void {
    checkFunction(check, 'atQuiescence(check)');
    this._finalChecks.push(check);
  }

  /**
   * Watch primitives: a lock is free at the end; a semaphore has never more permits than now, and all of them at the
   * end; nobody is left waiting at a queue that has an item, or room, for it.
   */
  watch(...primitives: (Lock | Semaphore | Queue<any>)[]): void {
    for (const primitive of primitives) {
      if (primitive instanceof Lock) {
        this.#endsWith(primitive, 'is still held', () => !primitive.locked());
      } else if (primitive instanceof Semaphore) {
        const { value } = primitive;
        this.invariant(`${primitive} has no permit too many`, () => primitive.value <= value);
        this.#endsWith(primitive, 'has lost a permit', () => primitive.value === value);
      } else if (primitive instanceof Queue) {
        this.#endsWith(primitive, 'lets somebody wait for what is there', () => !primitive._isStuck());
      } else {
        throw new TypeError(`watch() knows locks, semaphores and queues, got ${repr(primitive)}`);
      }
    }
  }

  #endsWith(primitive: object, what: string, check: () => boolean): void {
    this.atQuiescence(() => {
      if (!check()) throw new AssertionError(`${primitive} ${what}`);
    });
  }

  /**
   * Items that must not get lost or be there twice. `made` and `taken` are called by the scenario; at the end, what was
   * made is what was taken and what is left.
   *
   * @param name - of the items, for the report.
   * @param left - gives those that were made and not taken; default none.
   */
  ledger<T>(name: string, left: () => Iterable<T> = () => []): Ledger<T> {
    const ledger = new Ledger<T>();
    this.atQuiescence(() => ledger.check(name, left()));
    return ledger;
  }

  /** Throw an error of which the simulation knows: it must be seen exactly once, by `handled` or by the loop's report. */
  raise(message: string): never {
    const error = new Error(message);
    this.#raised.set(error, 0);
    throw error;
  }

  /** Somebody has caught `error`: one that `raise` threw, or a group with such. Anything else is thrown on. */
  handled(error: unknown): void {
    if (!this._seen(error)) throw error;
  }

  /** @internal Count `error`, and the members of a group. Returns whether it was one of `raise`. */
  _seen(error: unknown): boolean {
    if (error instanceof AggregateError) return error.errors.every((member) => this._seen(member));
    const count = this.#raised.get(error as Error);
    if (count === undefined) return false;
    this.#raised.set(error as Error, count + 1);
    return true;
  }

  /** @internal Each raised error was seen once. */
  _checkErrors(): void {
    for (const [error, count] of this.#raised) {
      if (count === 1) continue;
      const how = count === 0 ? 'seen by nobody' : `seen ${count} times`;
      throw new AssertionError(`the error ${repr(error.message)} was ${how}`, { cause: error });
    }
  }

  /** Write a line into the timeline. */
  log(...values: unknown[]): void {
    this.#run.log(values.map((value) => (typeof value === 'string' ? value : repr(value))).join(' '));
  }
}

function checkFunction(value: unknown, where: string): void {
  if (typeof value !== 'function') throw new TypeError(`sim.${where} wants a function, got ${repr(value)}`);
}

/** What a task waits for in `step`. */
class Answer extends Future<unknown> {
  readonly #label: string;

  constructor(loop: BaseEventLoop, label: string) {
    super(loop._own);
    this.#label = label;
  }

  override _className(): string {
    return 'Future';
  }

  /** @internal */
  override _waitText(): string {
    return repr(this.#label);
  }
}

/** See `Simulation.ledger`. */
export class Ledger<T> {
  readonly #counts = new Map<T, number>();

  /** `item` exists from now on. */
  made(item: T): void {
    this.#add(item, 1);
  }

  /** Somebody has got `item`, for good. */
  taken(item: T): void {
    this.#add(item, -1);
  }

  #add(item: T, count: number): void {
    this.#counts.set(item, (this.#counts.get(item) ?? 0) + count);
  }

  /** @internal */
  check(name: string, left: Iterable<T>): void {
    const counts = new Map(this.#counts);
    for (const item of left) counts.set(item, (counts.get(item) ?? 0) - 1);
    for (const [item, count] of counts) {
      if (count > 0) throw new AssertionError(`${name}: ${repr(item)} is lost`);
      if (count < 0) throw new AssertionError(`${name}: ${repr(item)} is there twice`);
    }
  }
}
