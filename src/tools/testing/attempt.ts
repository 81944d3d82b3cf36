/** One run of a scenario under one schedule. */
import { BaseEventLoop } from '../../core/base-events.ts';
import { coroutine, inlineBody } from '../../core/coroutines.ts';
import { DeadlockError } from '../../core/deadlock.ts';
import { asError, AssertionError } from '../../core/exceptions.ts';
import type { Host, ReadyEntries } from '../../core/host.ts';
import { notes } from '../../core/task-notes.ts';
import { eagerTaskFactory, type Task, type TaskOptions } from '../../core/tasks.ts';
import type { Body, CoroutineLike, ExceptionContext, Gen, Suspend } from '../../core/types.ts';
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
  /** Who ran, as far as two runs of one schedule must agree on it. */
  readonly trace: number;
  readonly timeline: Timeline | null;
  /** Whether async code ran: what it rejects is known only when the process has had a turn. */
  readonly usesMicrotasks: boolean;
}

/** Turns of the real event loop that a promise of others gets before it counts as one that nobody settles. */
const FOREIGN_TURNS = 200;

const FOREIGN_HINT = '\n  nobody waits for real I/O in a scenario: take sim.step() in place of it';

/** Numbers its tasks from 1, so that they have the same names in every run. */
class ExploringLoop extends BaseEventLoop {
  #unnamed = 0;

  override createTask<T>(coro: CoroutineLike<T>, options?: TaskOptions): Task<T> {
    const name = options?.name ?? `Task-${++this.#unnamed}`;
    return super.createTask(coro, { ...options, name });
  }
}

export class Attempt implements Director, Run {
  readonly loop: BaseEventLoop;
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
  #trace = 0;
  #failure: Error | null = null;
  #foreignTurns = 0;
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
    this.loop._notesAwaits = options.isRecorded;
    this.sim = new Simulation(this);
    // Noting places takes ten times as long as running a step.
    this.#notedAwaits = notes.awaits;
    notes.awaits = options.isRecorded;
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
      trace: this.#trace,
      timeline: this.#timeline,
      usesMicrotasks: this.#host.usesMicrotasks,
    };
  }

  // Director

  beforeStep(ready: ReadyEntries, count: number, isFirst: boolean): void {
    if (this.#isOver) return;
    this.#foreignTurns = 0;
    if (++this.#steps > this.#options.maxSteps) {
      this.#fail(new AssertionError(`it does not end: ${this.#options.maxSteps} steps`));
      return;
    }
    if (!this.#isEnding) this.#decideBefore(ready, count, isFirst);
    const entry = ready.at(0);
    this.#trace = (Math.imul(this.#trace, 31) + count + (isFirst ? 7 : 0)) | 0;
    if (this.#timeline === null) return;
    this.#timeline.begin(this.#steps, this.loop.time(), entry);
    this.#options.onStep?.(this.#steps);
  }

  #decideBefore(ready: ReadyEntries, count: number, isFirst: boolean): void {
    for (;;) {
      const others = this.#options.mode === 'robust' ? count - 1 : 0;
      // What comes from outside finds the loop between two iterations.
      const events = isFirst ? this.#events() : 0;
      const timers = isFirst && this.loop._timers.size > 0 ? 1 : 0;
      const choice = this.#choose(others + events + timers);
      if (choice === 0) return;
      if (choice <= others) {
        this.#timeline?.deviation(`${this.#timeline.nameOf(ready.at(choice))} goes first`);
        ready.moveToFront(choice);
        return;
      }
      if (choice <= others + events) this.#deliver(choice - others - 1, true);
      else if (choice <= others + events + timers) this.#jump(this.loop._timers.firstWhen, true);
      else this.#cancel(choice - others - events - timers - 1);
    }
  }

  afterStep(): void {
    if (this.#isOver) return;
    this.#timeline?.end();
    for (const { name, check } of this.sim._invariants) {
      const failure = whyNot(check, `the invariant does not hold: ${name}`);
      if (failure === null) continue;
      this.#fail(failure);
      return;
    }
  }

  idle(when: number): boolean {
    if (this.#isOver) return false;
    const events = this.#isEnding ? 0 : this.#events();
    const timers = when === Number.POSITIVE_INFINITY ? 0 : 1;
    if (events + timers === 0) return this.#quiesce();
    const choice = this.#choose(events + timers - 1);
    if (choice > events + timers - 1) this.#cancel(choice - events - timers);
    else if (choice < events) this.#deliver(choice, choice > 0);
    else this.#jump(when, choice > 0);
    return true;
  }

  // Choices

  #choose(orders: number): number {
    const cancels = this.#isEnding ? 0 : this.#liveTargets();
    if (orders + cancels === 0) return 0;
    const point = this.#orders.length;
    this.#orders.push(orders);
    this.#cancels.push(cancels);
    const choice = this.#chooser.choose(point, orders, cancels);
    this.#trace = (Math.imul(this.#trace, 31) + orders * 64 + cancels) | 0;
    return choice;
  }

  #liveTargets(): number {
    let count = 0;
    for (const task of this.sim._targets) if (!task.done()) count++;
    return count;
  }

  #cancel(place: number): void {
    let left = place;
    for (const task of this.sim._targets) {
      if (task.done() || left-- > 0) continue;
      this.#timeline?.deviation(`cancel ${this.#timeline.nameOf(task)}`);
      task.cancel();
      return;
    }
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
    try {
      event.deliver();
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  #jump(when: number, isDeviation: boolean): void {
    this.#timeline?.event(`time passes: ${when} s`, isDeviation);
    this.#host.setTime(when);
  }

  decide(label: string): boolean {
    if (this.#isEnding || this.#choose(1) === 0) return false;
    this.#timeline?.deviation(label);
    return true;
  }

  log(text: string): void {
    this.#timeline?.note(text);
  }

  // The end

  /** Nothing can happen any more: is that right? */
  #quiesce(): boolean {
    if (this.loop.pendingOutside() > 0 && this.#foreignTurns < FOREIGN_TURNS) {
      this.#foreignTurns++;
      setImmediate(() => this.#host.lookAgain());
      return false;
    }
    if (!this.#isEnding) {
      const failure = this.#whatIsWrong();
      if (failure !== null) {
        this.#fail(failure);
        return false;
      }
      this.#isEnding = true;
      for (const task of this.loop._tasks) task.cancel();
      if (this.loop._tasks.size > 0) return true;
    }
    this.#finish();
    return false;
  }

  #whatIsWrong(): Error | null {
    const main = this.#main as Task<unknown>;
    if (main.cancelled()) return new AssertionError('the scenario itself was cancelled');
    const error = main.done() ? main.exception() : null;
    if (error !== null) return asError(error);
    const stuck = [...this.loop._tasks].filter((task) => !this.sim._daemons.has(task));
    if (stuck.length > 0) {
      for (const task of stuck) this.#timeline?.stuck(task);
      const error = new DeadlockError(stuck);
      if (this.loop.pendingOutside() > 0) error.message += FOREIGN_HINT;
      return error;
    }
    for (const check of this.sim._finalChecks) {
      const failure = whyNot(check, `does not hold at the end: ${check}`);
      if (failure !== null) return failure;
    }
    return null;
  }

  /** The loop has nothing left: what it tells at its end must not be news. */
  #finish(): void {
    this.loop._unretrieved.flush();
    this.#failure ??= this.#whatWasReported();
    this.#failure ??= whyNot(() => this.sim._checkErrors(), '');
    this.#over();
  }

  #whatWasReported(): Error | null {
    for (const { message, exception } of this.#reports) {
      if (!this.sim._seen(exception)) {
        return new AssertionError(`${message}: ${String(exception)}`, { cause: exception });
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
