/** One run of a scenario under one schedule. */
import { BaseEventLoop } from '../../core/base-events.ts';
import { coroutine, inlineBody } from '../../core/coroutines.ts';
import { DeadlockError } from '../../core/deadlock.ts';
import { asError, AssertionError, describe } from '../../core/exceptions.ts';
import type { Host, ReadyEntries } from '../../core/host.ts';
import { current } from '../../core/running.ts';
import { notes } from '../../core/task-notes.ts';
import { eagerTaskFactory, type Task, type TaskOptions } from '../../core/tasks.ts';
import type { Body, CoroutineLike, ExceptionContext, Gen, Suspend } from '../../core/types.ts';
import type { Timed } from '../../core/timer-heap.ts';
import { takeUnawaited } from '../../core/unawaited.ts';
import { type Director, ExploringHost } from './exploring-host.ts';
import type { Chooser, Mode } from './schedule.ts';
import { type Check, type OutsideEvent, type Run, Simulation } from './simulation.ts';
import { Timeline } from './timeline.ts';

/** A program to explore: makes its tasks and says what must hold. Async, generator or plain. */
export type Scenario = (sim: Simulation) => Body<unknown> | void;

/** How to run it. */
export interface AttemptOptions {
  readonly mode: Mode;
  readonly eager: boolean;
  /** Steps after which it counts as endless. */
  readonly maxSteps: number;
  /** Whether to keep a timeline. */
  readonly isRecorded: boolean;
  /** Whether it has the places of awaits, which take ten times as long to note as a step to run. */
  readonly hasPlaces: boolean;
  /** Called before each step of a recorded run. */
  readonly onStep?: ((step: number) => void) | undefined;
}

/** What came of it. */
export interface Outcome {
  /** What does not hold, or null. */
  readonly failure: Error | null;
  readonly steps: number;
  /** For each point: how many other orders, and how many cancellations there were to choose from. */
  readonly orders: readonly number[];
  readonly cancels: readonly number[];
  readonly timeline: Timeline | null;
}

/** Turns of the real event loop that a promise of others gets before it counts as one that nobody settles. */
const FOREIGN_TURNS = 200;

const REAL_IO = '\n(an exploration does not wait for real timers or I/O: sim.step() stands for them)';

/** Numbers its tasks from 1, so that they have the same names in every run. */
export class ExploringLoop extends BaseEventLoop {
  #unnamed = 0;
  #timers: Timed[] = [];
  onTask: ((task: Task<any>) => unknown) | null = null;

  override createTask<T>(coro: CoroutineLike<T>, options?: TaskOptions): Task<T> {
    const name = options?.name ?? `Task-${++this.#unnamed}`;
    const task = super.createTask(coro, { ...options, name });
    this.onTask?.(task);
    return task;
  }

  /** @internal */
  override _schedule(timer: Timed): void {
    super._schedule(timer);
    this.#timers.push(timer);
  }

  /** The earliest deadline from `time` on, or `Infinity`. */
  firstDeadlineFrom(time: number): number {
    let first = Number.POSITIVE_INFINITY;
    this.#timers = this.#timers.filter((timer) => timer._place >= 0);
    for (const { _when: when } of this.#timers) if (when >= time && when < first) first = when;
    return first;
  }
}

export class Attempt implements Director, Run {
  readonly loop: ExploringLoop;
  readonly sim: Simulation;
  readonly #host: ExploringHost;
  readonly #chooser: Chooser;
  readonly #options: AttemptOptions;
  readonly #timeline: Timeline | null;
  readonly #orders: number[] = [];
  readonly #cancels: number[] = [];
  readonly #reports: ExceptionContext[] = [];
  #main: Task<unknown> | null = null;
  #steps = 0;
  #failure: Error | null = null;
  /** Since the last step. */
  #foreignTurns = 0;
  #isLooking = false;
  /** The next step is the first of its iteration. */
  #isFirstStep = false;
  /** The iteration has timers in it. */
  #hasDueTimers = false;
  /** What is left are the daemons, which are cancelled. */
  #isEnding = false;
  #isOver = false;
  readonly #notedAwaits: boolean;
  #onOver: () => void = () => {};

  constructor(chooser: Chooser, options: AttemptOptions, real: Host) {
    this.#chooser = chooser;
    this.#options = options;
    this.#host = new ExploringHost(real, this);
    this.loop = new ExploringLoop(this.#host);
    if (options.eager) this.loop.setTaskFactory(eagerTaskFactory);
    this.loop.setExceptionHandler((_loop, context) => this.#reports.push(context));
    this.#timeline = options.isRecorded ? new Timeline() : null;
    this.loop._notesAwaits = options.hasPlaces;
    this.sim = new Simulation(this);
    this.#notedAwaits = notes.awaits;
    notes.awaits = options.hasPlaces;
  }

  /** Run `scenario` to its end; at once if no async code is in it. */
  run(scenario: Scenario): Outcome | Promise<Outcome> {
    this.#host.start(() => {
      this.#main = this.loop.createTask(runScenario(scenario, this.sim), {
        name: 'scenario',
        eagerStart: false,
      });
      this.loop.runForever().then(
        () => {},
        (error: unknown) => this.#fail(asError(error)),
      );
    });
    if (this.#isOver) return this.#outcome();
    return new Promise((resolve) => {
      this.#onOver = () => resolve(this.#outcome());
    });
  }

  #outcome(): Outcome {
    return {
      failure: this.#failure,
      steps: this.#steps,
      orders: this.#orders,
      cancels: this.#cancels,
      timeline: this.#timeline,
    };
  }

  get mode(): Mode {
    return this.#options.mode;
  }

  // Director

  beforeIteration(count: number): void {
    if (this.#isOver || this.#isEnding) return;
    const timers = this.loop._timers;
    for (;;) {
      const end = this.#host.time() + this.#host.clockResolution;
      this.#hasDueTimers = timers.firstWhen < end;
      // Nothing to run: `idle` is called.
      if (count === 0 && !this.#hasDueTimers) return;
      const events = this.#events();
      const next = this.loop.firstDeadlineFrom(end);
      const orders = events + (next === Number.POSITIVE_INFINITY ? 0 : 1);
      const choice = this.#choose(orders, this.#liveTargets());
      if (choice === 0) break;
      if (choice <= events) this.#deliver(choice - 1, true);
      else if (choice <= orders) this.#jump(next, true);
      else this.#cancel(choice - orders - 1);
      if (this.#isOver) return;
    }
    this.#isFirstStep = true;
  }

  beforeStep(ready: ReadyEntries, count: number): void {
    if (this.#isOver) return;
    this.#foreignTurns = 0;
    if (++this.#steps > this.#options.maxSteps) {
      this.#fail(new AssertionError(`it does not end: ${this.#options.maxSteps} steps`));
      return;
    }
    if (!this.#isEnding) this.#decideBefore(ready, count);
    if (this.#isOver || this.#timeline === null) return;
    this.#timeline.begin(this.#steps, this.loop.time(), ready.at(0));
    this.#options.onStep?.(this.#steps);
  }

  #decideBefore(ready: ReadyEntries, count: number): void {
    // Before the first step is where the iteration begins, unless timers have come in between.
    const mayCancel = !this.#isFirstStep || this.#hasDueTimers;
    this.#isFirstStep = false;
    const others = this.#options.mode === 'robust' ? count - 1 : 0;
    for (;;) {
      const choice = this.#choose(others, mayCancel ? this.#liveTargets() : 0);
      if (choice === 0) return;
      if (choice <= others) {
        this.#timeline?.deviation(`${this.#timeline.nameOf(ready.at(choice))} goes first`);
        ready.moveToFront(choice);
        return;
      }
      this.#cancel(choice - others - 1);
      if (this.#isOver) return;
    }
  }

  afterStep(): void {
    if (this.#isOver) return;
    this.#timeline?.end();
    this.#checkInvariants();
  }

  #checkInvariants(): void {
    for (const { name, check } of this.sim._invariants) {
      const failure = whyNot(check, `the invariant does not hold: ${name}`);
      if (failure === null) continue;
      this.#fail(failure);
      return;
    }
  }

  idle(when: number): boolean {
    if (this.#isOver) return false;
    const events = this.#events();
    const ways = events + (when === Number.POSITIVE_INFINITY ? 0 : 1);
    if (ways === 0) return this.#quiesce();
    const choice = this.#isEnding ? 0 : this.#choose(ways - 1, this.#liveTargets());
    if (choice >= ways) this.#cancel(choice - ways);
    else if (choice < events) this.#deliver(choice, choice > 0);
    else this.#jump(when, choice > 0);
    return !this.#isOver;
  }

  // Choices

  #choose(orders: number, cancels: number): number {
    if (orders + cancels === 0) return 0;
    const point = this.#orders.length;
    this.#orders.push(orders);
    this.#cancels.push(cancels);
    return this.#chooser.choose(point, orders, cancels);
  }

  #liveTargets(): number {
    let count = 0;
    for (const task of this.sim._targets) if (!task.done()) count++;
    return count;
  }

  #cancel(place: number): void {
    const task = this.sim._targets.filter((target) => !target.done())[place] as Task<any>;
    this.#timeline?.deviation(`cancel ${this.#timeline.nameOf(task)}`);
    // As a callback of the loop would do it.
    this.#act(this.loop, () => task.cancel());
  }

  /** How many events may come; those that nobody waits for any more are dropped. */
  #events(): number {
    const events = this.sim._events;
    for (let i = events.length - 1; i >= 0; i--)
      if ((events[i] as OutsideEvent).isOver()) events.splice(i, 1);
    return events.length;
  }

  #deliver(place: number, isDeviation: boolean): void {
    const [event] = this.sim._events.splice(place, 1) as [OutsideEvent];
    this.#timeline?.event(event.label, isDeviation);
    this.#act(null, () => event.deliver());
  }

  #jump(when: number, isDeviation: boolean): void {
    this.#timeline?.event(`time passes: ${when} s`, isDeviation);
    this.#host.setTime(when);
  }

  /** Do what comes between two steps: it belongs to no task, and the invariants hold after it as well. */
  #act(loop: BaseEventLoop | null, action: () => void): void {
    const { loop: running, driver, owner } = current;
    current.loop = loop;
    current.driver = null;
    current.owner = null;
    try {
      action();
    } catch (error) {
      this.#fail(asError(error));
    } finally {
      current.loop = running;
      current.driver = driver;
      current.owner = owner;
    }
    if (!this.#isOver) this.#checkInvariants();
  }

  decide(label: string): boolean {
    if (this.#isOver || this.#isEnding || this.#choose(1, 0) === 0) return false;
    this.#timeline?.deviation(label);
    return true;
  }

  onTask(callback: (task: Task<any>) => unknown): void {
    this.loop.onTask = callback;
  }

  log(text: string): void {
    if (!this.#isOver) this.#timeline?.note(text);
  }

  // The end

  /** Nothing can happen any more: is that right? */
  #quiesce(): boolean {
    if (this.loop.pendingOutside() > 0 && this.#foreignTurns < FOREIGN_TURNS) {
      if (this.#isLooking) return false;
      this.#isLooking = true;
      this.#foreignTurns++;
      setImmediate(() => {
        this.#isLooking = false;
        this.#host.lookAgain();
      });
      return false;
    }
    if (this.#isEnding) {
      this.#finish();
      return false;
    }
    const choice = this.#choose(0, this.#liveTargets());
    if (choice > 0) {
      this.#cancel(choice - 1);
      return !this.#isOver;
    }
    const failure = this.#whatIsWrong();
    if (failure !== null) {
      this.#fail(failure);
      return false;
    }
    this.#isEnding = true;
    for (const task of this.loop._tasks) this.#act(this.loop, () => task.cancel());
    if (this.loop._tasks.size === 0) this.#finish();
    return !this.#isOver;
  }

  #whatIsWrong(): Error | null {
    const main = this.#main as Task<unknown>;
    if (main.cancelled()) return new AssertionError('the scenario itself was cancelled');
    const error = main.done() ? main.exception() : null;
    if (error !== null) return asError(error);
    const stuck = [...this.loop._tasks].filter((task) => !this.sim._daemons.has(task));
    if (stuck.length > 0) return this.#deadlock(stuck, '');
    for (const check of this.sim._finalChecks) {
      const failure = whyNot(check, `does not hold at the end: ${check}`);
      if (failure !== null) return failure;
    }
    return null;
  }

  #deadlock(stuck: readonly Task<any>[], what: string): Error {
    for (const task of stuck) this.#timeline?.stuck(task);
    const error = new DeadlockError(stuck);
    const hint = this.loop.pendingOutside() > 0 ? REAL_IO : '';
    error.message = `${what}${error.message}${hint}`;
    return error;
  }

  /** The loop has nothing left: what it tells at its end must not be news. */
  #finish(): void {
    const left = [...this.loop._tasks];
    if (left.length > 0)
      this.#failure ??= this.#deadlock(left, 'a daemon does not end when it is cancelled: ');
    this.loop._unretrieved.flush();
    this.#failure ??= this.#whatWasReported();
    this.#failure ??= whyNot(() => this.sim._checkErrors(), '');
    this.#over();
  }

  #whatWasReported(): Error | null {
    for (const { message, exception } of this.#reports) {
      if (!this.sim._seen(exception)) {
        return new AssertionError(`${message}: ${describe(exception)}`, { cause: exception });
      }
    }
    const forgotten = takeUnawaited();
    return forgotten.length === 0 ? null : new AssertionError(forgotten.join('\n'));
  }

  #fail(failure: Error): void {
    if (this.#isOver) return;
    this.#failure = failure;
    this.#over();
    // The pump may be in the middle of an iteration, or of a program that does not end.
    this.loop._leave(failure);
  }

  /** The run ends here; what is left of the loop is garbage. */
  #over(): void {
    this.#isOver = true;
    takeUnawaited();
    // Lets go of what the loop watches.
    this.loop._unretrieved.flush();
    notes.awaits = this.#notedAwaits;
    this.#host.close();
    this.#onOver();
  }
}

const runScenario = coroutine(function* run(scenario: Scenario, sim: Simulation): Gen<unknown> {
  return yield* inlineBody(scenario, sim) as Iterable<Suspend, unknown>;
});

/** Why `check` does not hold, or null. */
function whyNot(check: Check, message: string): Error | null {
  try {
    const result = check();
    if (result instanceof Promise)
      return new TypeError('a check must be a plain function: it gave a promise');
    return result === false ? new AssertionError(message) : null;
  } catch (error) {
    return asError(error);
  }
}
