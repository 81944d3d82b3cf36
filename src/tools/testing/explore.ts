/** Trying many schedules of one scenario: who runs first, what comes when, and where a cancellation strikes. */
import { setImmediate as macrotask } from 'node:timers/promises';
import { DeadlockError } from '../../core/deadlock.ts';
import { AssertionError, brand, describe, isCancelledError, RuntimeError } from '../../core/exceptions.ts';
import { repr } from '../../core/format-helpers.ts';
import { runningLoop } from '../../core/running.ts';
import { notes } from '../../core/task-notes.ts';
import { unawaited } from '../../core/unawaited.ts';
import { NodeHost } from '../../host/node.ts';
import { Attempt, type AttemptOptions, ExploringLoop, type Outcome, type Scenario } from './attempt.ts';
import {
  type Chooser,
  type Deviation,
  FixedChooser,
  fromReplayString,
  hashOf,
  type Mode,
  RandomChooser,
  toReplayString,
} from './schedule.ts';

/** Options of `explore`. */
export interface ExploreOptions {
  /**
   * What may be in another order. `faithful` (default): what comes from outside, that is answers (`sim.step`), events,
   * the time of timers, cancellations; ready callbacks run first come, first served, as the loop promises, so that every
   * failure can really happen. `robust`: ready callbacks, too.
   */
  mode?: Mode;
  /** Cancellations in one schedule, each at every possible place. Default 2. */
  cancels?: number;
  /** Deviations from the usual order in one schedule. Default 2. */
  deviations?: number;
  /** Cancellations and deviations together. Default 2. */
  together?: number;
  /** Random schedules after that. Default 1,000. */
  random?: number;
  /** Of the random schedules. Default 1. */
  seed?: number;
  /** The most schedules to run. Default 20,000. */
  schedules?: number;
  /** The most seconds to take. Default 10. */
  seconds?: number;
  /** Steps after which a schedule counts as endless. Default 10,000. */
  steps?: number;
  /** Let tasks start inside of `createTask`. Default false. */
  eager?: boolean;
  /** Run each schedule twice, to find what the explorer does not control: clocks, random numbers, real I/O. */
  twice?: boolean;
  /** Replay strings to run first: those of failures that were mended. */
  replay?: readonly string[];
  /** Called now and then, some times a second. */
  onProgress?: (progress: { schedules: number; seconds: number }) => void;
}

/** One part of an exploration. */
export interface Level {
  /** What its schedules have: as in `1 cancel, 1 deviation` or `random`. */
  readonly name: string;
  readonly schedules: number;
  /** Whether these were all that there are. */
  readonly isComplete: boolean;
}

/** What `explore` did. */
export interface Exploration {
  readonly schedules: number;
  readonly steps: number;
  /** Points at which there was something to choose, in all schedules. */
  readonly points: number;
  readonly seconds: number;
  readonly levels: readonly Level[];
}

/** A schedule under which a scenario fails. */
export class ExplorationError extends AssertionError {
  /** For `replay`. */
  readonly replay: string;
  /** What was not as usual, in words. */
  readonly deviations: readonly string[];
  /** The schedule step by step. */
  readonly timeline: string;
  /** How many schedules were run before. */
  readonly schedules: number;

  static {
    brand(this, 'ExplorationError');
  }

  /** @internal */
  constructor(failure: Error, replay: string, outcome: Outcome, schedules: number, hint: string) {
    const timeline = String(outcome.timeline ?? '');
    const deviations = outcome.timeline?.deviations ?? [];
    const usual = deviations.length === 0 ? ['none: it fails in the usual order'] : deviations;
    super(
      [
        `${failure.message || failure.name}${hint}`,
        '',
        `replay: ${replay}`,
        'deviations:',
        ...usual.map((line) => `  ${line}`),
        'timeline (* deviates, - comes from outside, ! is stuck):',
        outcome.timeline?.abridged() ?? '',
      ].join('\n'),
      { cause: failure },
    );
    this.replay = replay;
    this.deviations = deviations;
    this.timeline = timeline;
    this.schedules = schedules;
  }
}

/** Milliseconds of exploring between two turns of the process' own loop. */
const SLICE_MS = 20;

const DEFAULTS = {
  mode: 'faithful',
  cancels: 2,
  deviations: 2,
  together: 2,
  random: 1000,
  seed: 1,
  schedules: 20_000,
  seconds: 10,
  steps: 10_000,
  eager: false,
  twice: false,
  replay: [],
  onProgress: () => {},
} satisfies Required<ExploreOptions>;

/**
 * Run `scenario` under many schedules, and fail with the first that breaks something: a check of the scenario, a task
 * that waits for ever, an error that nobody takes, a coroutine that nobody awaits, a run without end.
 *
 * First come the schedules next to the usual order, completely: none, one, two cancellations or deviations. Then random
 * ones. Half of what the limits allow is kept for these.
 *
 * The scenario runs once for each schedule, on a loop of its own in virtual time. It must do the same each time when the
 * choices are the same: what is outside comes through `sim`.
 *
 * @param scenario - an async, generator or plain function of the simulation.
 * @returns what was tried.
 * @throws ExplorationError with a replay string and a timeline; RuntimeError in a task: its loops are its own.
 *
 * ```ts
 * await explore((sim) => {
 *   const cache = new Cache(() => sim.step('load', 42));
 *   sim.spawnAll(2, () => () => cache.get('key'));
 *   sim.atQuiescence(() => cache.loads === 1);
 * });
 * ```
 */
export async function explore(scenario: Scenario, options: ExploreOptions = {}): Promise<Exploration> {
  checkScenario('explore', scenario);
  const all = { ...DEFAULTS, ...withoutUndefined(options) };
  checkOptions(all);
  return await alone(() => new Explorer(scenario, all).run());
}

/** Options of `replay`. */
export interface ReplayOptions {
  /** Called before each step, with its number: the place for a breakpoint. */
  onStep?: (step: number) => void;
  /** Stop in the debugger before this step. */
  breakAt?: number;
  /** As for `explore`. */
  steps?: number;
}

/** What `replay` saw, if nothing failed. */
export interface Replay {
  readonly steps: number;
  /** The schedule step by step. */
  readonly timeline: string;
  /**
   * Whether this is another program than that of the replay string: the source of the scenario has changed, or the run
   * did not come to all deviations.
   */
  readonly isStale: boolean;
  /** How many of the deviations could not be taken any more. */
  readonly missed: number;
}

/**
 * Run one schedule again, step by step.
 *
 * @param text - the replay string of an ExplorationError.
 * @param scenario - the one that failed.
 * @returns its timeline, if nothing fails any more.
 * @throws ExplorationError if it fails; RangeError if `text` is no replay string.
 */
export async function replay(text: string, scenario: Scenario, options: ReplayOptions = {}): Promise<Replay> {
  checkScenario('replay', scenario);
  return await alone(() => rerun(text, scenario, options));
}

async function rerun(text: string, scenario: Scenario, options: ReplayOptions): Promise<Replay> {
  const recording = fromReplayString(text);
  const { onStep, breakAt } = options;
  const chooser = new FixedChooser(recording.deviations);
  const run = new Attempt(
    chooser,
    {
      mode: recording.mode,
      eager: recording.eager,
      maxSteps: options.steps ?? DEFAULTS.steps,
      isRecorded: true,
      hasPlaces: true,
      onStep: (step) => {
        onStep?.(step);
        // oxlint-disable-next-line no-debugger -- what the option is for
        if (step === breakAt) debugger;
      },
    },
    real,
  );
  const outcome = await settle(run.run(scenario));
  const isStale = recording.hash !== hashOf(String(scenario));
  if (outcome.failure !== null) {
    const hint = isStale ? ' (the scenario has changed since the replay string was made)' : '';
    throw new ExplorationError(outcome.failure, text, outcome, 0, hint);
  }
  const { missed } = chooser;
  return { steps: outcome.steps, timeline: String(outcome.timeline), isStale: isStale || missed > 0, missed };
}

const real = new NodeHost();

/** The exploration before: what is left behind by one must not be taken for another's. */
let previous: Promise<unknown> = Promise.resolve();

/** Run `body` when no other exploration goes on, in surroundings without a task. */
function alone<T>(body: () => Promise<T>): Promise<T> {
  if (runningLoop() instanceof ExploringLoop)
    throw new RuntimeError('a scenario cannot be explored or replayed within another one');
  const before = previous;
  const turn = async (): Promise<T> => {
    await before;
    // Not within a step of a loop that the caller may run on.
    await macrotask();
    const end = beginWatch();
    try {
      return await body();
    } finally {
      end();
    }
  };
  const result = real.storage.emptySnapshot().run(turn);
  previous = result.catch(() => {});
  return result;
}

/** What was rejected and handled by nobody. */
let rejections: unknown[] = [];

/** Of these, what no schedule has done: to be told at the end as it would have been without an exploration. */
let foreign: unknown[] = [];

function onRejection(error: unknown): void {
  // Of a strand that nobody holds any more.
  if (!isCancelledError(error)) rejections.push(error);
}

/** Returns how to end it. */
function beginWatch(): () => void {
  rejections = [];
  // A test runner would fail the whole test for each, those of cancelled strands included: here they are the
  // schedule's.
  const listeners = process.rawListeners('unhandledRejection') as NodeJS.UnhandledRejectionListener[];
  for (const listener of listeners) process.off('unhandledRejection', listener);
  process.on('unhandledRejection', onRejection);
  const { requests } = notes;
  const { enabled } = unawaited;
  // A cancellation that is swallowed is what some scenarios are about.
  notes.requests = false;
  unawaited.enabled = true;
  return () => {
    process.off('unhandledRejection', onRejection);
    for (const listener of listeners) process.on('unhandledRejection', listener);
    notes.requests = requests;
    unawaited.enabled = enabled;
    for (const error of foreign) void Promise.reject(error);
    foreign = [];
  };
}

/** Node tells of rejections that nobody handles after a turn of its own. */
async function settle(started: Outcome | Promise<Outcome>): Promise<Outcome> {
  const outcome = await started;
  await macrotask();
  if (rejections.length === 0) return outcome;
  const [error] = rejections;
  rejections = [];
  const failure = new AssertionError(`an unhandled rejection: ${describe(error)}`, { cause: error });
  return { ...outcome, failure: outcome.failure ?? failure };
}

/** A limit of the exploration is reached. */
class Exhausted extends Error {}

class Explorer {
  readonly #scenario: Scenario;
  readonly #options: Required<ExploreOptions>;
  readonly #attempt: AttemptOptions;
  readonly #levels: Level[] = [];
  readonly #start = performance.now();
  /** Limits of the present level. */
  #maxSchedules = 0;
  #maxSeconds = 0;
  #sliceEnd = 0;
  /** Schedules of this slice that may have rejected something of which Node has not told yet. */
  #unsettled: (readonly Deviation[])[] = [];
  #schedules = 0;
  #steps = 0;
  #points = 0;

  constructor(scenario: Scenario, options: Required<ExploreOptions>) {
    this.#scenario = scenario;
    this.#options = options;
    const { mode, eager, steps, twice } = options;
    this.#attempt = { mode, eager, maxSteps: steps, isRecorded: twice, hasPlaces: false };
  }

  async run(): Promise<Exploration> {
    const { random, schedules, seconds } = this.#options;
    for (const text of this.#options.replay) await rerun(text, this.#scenario, {});
    // What is left out of a level are its late points, and random walks get there.
    this.#maxSchedules = Math.max(schedules - random, Math.ceil(schedules / 2));
    this.#maxSeconds = random === 0 ? seconds : seconds / 2;
    for (const [cancels, deviations] of this.#plan()) {
      await this.#level(levelName(cancels, deviations), () => this.#neighbours([], 0, cancels, deviations));
    }
    this.#maxSchedules = schedules;
    this.#maxSeconds = seconds;
    await this.#level('random', () => this.#walks());
    await this.#settleSlice();
    return {
      schedules: this.#schedules,
      steps: this.#steps,
      points: this.#points,
      seconds: this.#seconds(),
      levels: this.#levels,
    };
  }

  /** Fewest departures from the usual order first. */
  #plan(): [cancels: number, deviations: number][] {
    const { cancels, deviations, together } = this.#options;
    const plan: [number, number][] = [];
    for (let sum = 0; sum <= Math.max(cancels, deviations, together); sum++) {
      for (let c = Math.min(sum, cancels); c >= 0; c--) {
        const d = sum - c;
        if (d <= deviations && (c === 0 || d === 0 || sum <= together)) plan.push([c, d]);
      }
    }
    return plan;
  }

  async #level(name: string, body: () => Promise<boolean>): Promise<void> {
    const before = this.#schedules;
    let isComplete = false;
    try {
      isComplete = await body();
    } catch (error) {
      if (!(error instanceof Exhausted)) throw error;
    }
    this.#levels.push({ name, schedules: this.#schedules - before, isComplete });
  }

  /** All schedules that go on from `prefix` with so many more departures, at points from `from` on. */
  async #neighbours(
    prefix: readonly Deviation[],
    from: number,
    cancels: number,
    deviations: number,
  ): Promise<boolean> {
    const outcome = await this.#fixed(prefix, cancels + deviations === 0);
    if (cancels + deviations === 0) return true;
    const { orders, cancels: targets } = outcome;
    for (let point = from; point < orders.length; point++) {
      const others = orders[point] as number;
      const all = others + (targets[point] as number);
      for (let choice = 1; choice <= all; choice++) {
        const isCancel = choice > others;
        if (isCancel ? cancels === 0 : deviations === 0) continue;
        await this.#neighbours(
          [...prefix, { point, choice }],
          point + 1,
          isCancel ? cancels - 1 : cancels,
          isCancel ? deviations : deviations - 1,
        );
      }
    }
    return true;
  }

  async #walks(): Promise<boolean> {
    const { random, seed, cancels } = this.#options;
    for (let walk = 0; walk < random; walk++) {
      const chooser = new RandomChooser(seed, walk, cancels);
      const { failure } = await this.#run(chooser, true);
      if (failure !== null) await this.#fail(await this.#shrink(chooser.deviations, failure), failure);
    }
    return false;
  }

  async #fixed(deviations: readonly Deviation[], isNew: boolean): Promise<Outcome> {
    const chooser = new FixedChooser(deviations);
    const outcome = await this.#run(chooser, isNew);
    if (outcome.failure !== null) await this.#fail(deviations, outcome.failure);
    if (chooser.missed > 0) await this.#failUncontrolled(deviations);
    return outcome;
  }

  async #run(chooser: Chooser, isNew: boolean): Promise<Outcome> {
    if (performance.now() > this.#sliceEnd) await this.#giveWay();
    if (isNew && this.#schedules >= this.#maxSchedules) throw new Exhausted();
    const outcome = await this.#once(chooser);
    if (isNew) this.#schedules++;
    this.#steps += outcome.steps;
    this.#points += outcome.orders.length;
    if (this.#options.twice) {
      const again = await this.#once(new FixedChooser(chooser.deviations));
      if (traceOf(again) !== traceOf(outcome)) await this.#failUncontrolled(chooser.deviations);
    }
    return outcome;
  }

  async #once(chooser: Chooser): Promise<Outcome> {
    const started = new Attempt(chooser, this.#attempt, real).run(this.#scenario);
    if (started instanceof Promise) return await settle(started);
    this.#unsettled.push(chooser.deviations);
    return started;
  }

  // Timers, signals and the test runner get their turn.
  async #giveWay(): Promise<void> {
    const seconds = this.#seconds();
    if (seconds > this.#maxSeconds) throw new Exhausted();
    this.#options.onProgress({ schedules: this.#schedules, seconds });
    await this.#settleSlice();
    this.#sliceEnd = performance.now() + SLICE_MS;
  }

  /** Hear of the rejections of this slice, and find the schedule that they come from. */
  async #settleSlice(): Promise<void> {
    await macrotask();
    const suspects = this.#unsettled;
    this.#unsettled = [];
    if (rejections.length === 0) return;
    const heard = rejections;
    rejections = [];
    for (const deviations of suspects) {
      const { failure } = await this.#settled(deviations);
      if (failure !== null) await this.#fail(deviations, failure);
    }
    // Of none of the schedules: they are somebody else's.
    foreign.push(...heard);
  }

  #seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  async #settled(deviations: readonly Deviation[], attempt = this.#attempt): Promise<Outcome> {
    return await settle(new Attempt(new FixedChooser(deviations), attempt, real).run(this.#scenario));
  }

  /** Leave out what the failure does not need: first many deviations at once, then one by one. */
  async #shrink(deviations: readonly Deviation[], failure: Error): Promise<readonly Deviation[]> {
    const kind = kindOf(failure);
    let best = deviations;
    for (let size = best.length; size >= 1; ) {
      const before = best.length;
      for (let end = best.length; end > 0; end -= size) {
        const fewer = best.filter((_, place) => place < end - size || place >= end);
        const outcome = await this.#settled(fewer);
        if (outcome.failure !== null && kindOf(outcome.failure) === kind) best = fewer;
      }
      // What was needed by a deviation that is gone may be gone as well.
      if (size > 1 || best.length === before) size = Math.floor(size / 2);
    }
    return best;
  }

  /** Run it once more, with a timeline. */
  async #fail(deviations: readonly Deviation[], failure: Error): Promise<never> {
    const outcome = await this.#settled(deviations, { ...this.#attempt, isRecorded: true, hasPlaces: true });
    if (outcome.failure === null) throw this.#error(uncontrolled(failure), deviations, outcome);
    throw this.#error(outcome.failure, deviations, outcome);
  }

  async #failUncontrolled(deviations: readonly Deviation[], failure: Error | null = null): Promise<never> {
    const outcome = await this.#settled(deviations, { ...this.#attempt, isRecorded: true, hasPlaces: true });
    throw this.#error(uncontrolled(failure ?? outcome.failure), deviations, outcome);
  }

  #error(failure: Error, deviations: readonly Deviation[], outcome: Outcome): ExplorationError {
    const { mode, eager } = this.#options;
    const text = toReplayString({ mode, eager, hash: hashOf(String(this.#scenario)), deviations });
    return new ExplorationError(failure, text, outcome, this.#schedules, '');
  }
}

function checkScenario(name: string, scenario: unknown): void {
  if (typeof scenario !== 'function')
    throw new TypeError(`${name}() wants a function of the simulation, got ${repr(scenario)}`);
}

function checkOptions(options: Required<ExploreOptions>): void {
  const { mode } = options;
  if (mode !== 'faithful' && mode !== 'robust')
    throw new TypeError(`mode must be 'faithful' or 'robust', got ${repr(mode)}`);
  for (const name of [
    'cancels',
    'deviations',
    'together',
    'random',
    'seed',
    'schedules',
    'seconds',
    'steps',
  ] as const) {
    const value: unknown = options[name];
    if (typeof value !== 'number' || !(value >= 0))
      throw new RangeError(`${name} must be 0 or more, got ${repr(value)}`);
  }
  if (!Array.isArray(options.replay))
    throw new TypeError(`replay must be an array of replay strings, got ${repr(options.replay)}`);
}

/** What two runs of one schedule must agree on. Tasks without a name are numbered through the whole process. */
function traceOf({ timeline, orders, cancels, failure }: Outcome): string {
  return [timeline, orders, cancels, failure?.message].join('\n').replaceAll(/\bTask-\d+/g, 'Task');
}

/** What one failure has in common with others of the same mistake. */
function kindOf(failure: Error): string {
  if (failure instanceof DeadlockError) return failure.name;
  const [line] = failure.message.split('\n', 1) as [string];
  return `${failure.name}: ${line.replaceAll(/\d+/g, 'N')}`;
}

const UNCONTROLLED =
  'the scenario is not the same in every run: something in it depends on a clock, a random number, real I/O, ' +
  'or on what an earlier run left behind';

function uncontrolled(failure: Error | null): Error {
  const once = failure === null ? '' : `. Once it failed: ${failure.message}`;
  return new AssertionError(UNCONTROLLED + once, failure === null ? undefined : { cause: failure });
}

function levelName(cancels: number, deviations: number): string {
  const parts = [];
  if (cancels > 0) parts.push(cancels === 1 ? '1 cancel' : `${cancels} cancels`);
  if (deviations > 0) parts.push(deviations === 1 ? '1 deviation' : `${deviations} deviations`);
  return parts.length === 0 ? 'usual order' : parts.join(', ');
}

function withoutUndefined(options: ExploreOptions): ExploreOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
