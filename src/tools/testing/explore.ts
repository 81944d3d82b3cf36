/** Trying many schedules of one scenario: who runs first, what comes when, and where a cancellation strikes. */
import { setImmediate as macrotask } from 'node:timers/promises';
import { AssertionError, brand, isCancelledError, RuntimeError } from '../../core/exceptions.ts';
import { repr } from '../../core/format-helpers.ts';
import { runningLoop } from '../../core/running.ts';
import { notes } from '../../core/task-notes.ts';
import { NodeHost } from '../../host/node.ts';
import { Attempt, type AttemptOptions, type Outcome, type Scenario } from './attempt.ts';
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
 * ones, until a limit is reached.
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
  checkOutside('explore');
  const explorer = new Explorer(scenario, { ...DEFAULTS, ...withoutUndefined(options) });
  return await explorer.run();
}

function checkOutside(name: string): void {
  if (runningLoop() === null) return;
  throw new RuntimeError(
    `${name}() cannot be called from a running event loop: it makes its own for each schedule. Call it outside of ` +
      'run(), or write testAsync(name, scenario, { explore: true })',
  );
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
  checkOutside('replay');
  const recording = fromReplayString(text);
  const { onStep, breakAt } = options;
  const chooser = new FixedChooser(recording.deviations);
  const outcome = await attempt(scenario, chooser, {
    mode: recording.mode,
    eager: recording.eager,
    maxSteps: options.steps ?? DEFAULTS.steps,
    isRecorded: true,
    onStep: (step) => {
      onStep?.(step);
      // oxlint-disable-next-line no-debugger -- what the option is for
      if (step === breakAt) debugger;
    },
  });
  const hasChanged = recording.hash !== hashOf(String(scenario));
  if (outcome.failure !== null) {
    const hint = hasChanged ? ' (the scenario has changed since the replay string was made)' : '';
    throw new ExplorationError(outcome.failure, text, outcome, 0, hint);
  }
  return {
    steps: outcome.steps,
    timeline: String(outcome.timeline),
    isStale: hasChanged || chooser.left > 0,
  };
}

const real = new NodeHost();

/** Explorations that go on, and what was rejected meanwhile. */
let active = 0;
let rejections: unknown[] = [];
let notedRequests = false;
let listeners: NodeJS.UnhandledRejectionListener[] = [];

function onRejection(error: unknown): void {
  // Of a strand that nobody holds any more.
  if (!isCancelledError(error)) rejections.push(error);
}

function beginWatch(): void {
  if (active++ > 0) return;
  // A test runner would fail the whole test for each, those of cancelled strands included: here they are the
  // schedule's.
  listeners = process.listeners('unhandledRejection');
  for (const listener of listeners) process.off('unhandledRejection', listener);
  process.on('unhandledRejection', onRejection);
  // A cancellation that is swallowed is what some scenarios are about.
  notedRequests = notes.requests;
  notes.requests = false;
}

function endWatch(): void {
  if (--active > 0) return;
  process.off('unhandledRejection', onRejection);
  for (const listener of listeners) process.on('unhandledRejection', listener);
  notes.requests = notedRequests;
  // Those of nobody's schedule are somebody else's, and told as they would have been.
  for (const error of rejections) void Promise.reject(error);
  rejections = [];
}

async function attempt(scenario: Scenario, chooser: Chooser, options: AttemptOptions): Promise<Outcome> {
  beginWatch();
  try {
    return await settle(new Attempt(chooser, options, real).run(scenario));
  } finally {
    endWatch();
  }
}

/** Node tells of rejections that nobody handles after a turn of its own. */
async function settle(outcome: Outcome | Promise<Outcome>): Promise<Outcome> {
  const settled = await outcome;
  if (!settled.usesMicrotasks) return settled;
  await macrotask();
  if (rejections.length === 0) return settled;
  const [error] = rejections;
  rejections = [];
  const failure = new AssertionError(`an unhandled rejection: ${String(error)}`, { cause: error });
  return { ...settled, failure: settled.failure ?? failure };
}

/** A limit of the exploration is reached. */
class Exhausted extends Error {}

class Explorer {
  readonly #scenario: Scenario;
  readonly #options: Required<ExploreOptions>;
  readonly #attempt: AttemptOptions;
  readonly #levels: Level[] = [];
  readonly #start = performance.now();
  #sliceEnd = 0;
  #schedules = 0;
  #steps = 0;
  #points = 0;

  constructor(scenario: Scenario, options: Required<ExploreOptions>) {
    if (typeof scenario !== 'function')
      throw new TypeError(`explore() wants a function of the simulation, got ${repr(scenario)}`);
    checkOptions(options);
    this.#scenario = scenario;
    this.#options = options;
    const { mode, eager, steps } = options;
    this.#attempt = { mode, eager, maxSteps: steps, isRecorded: false };
  }

  async run(): Promise<Exploration> {
    beginWatch();
    try {
      for (const text of this.#options.replay) await replay(text, this.#scenario);
      for (const [cancels, deviations] of this.#plan()) {
        await this.#level(levelName(cancels, deviations), () => this.#neighbours([], 0, cancels, deviations));
      }
      await this.#level('random', () => this.#walks());
    } finally {
      endWatch();
    }
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
    for (let i = 0; i < random; i++) {
      const chooser = new RandomChooser(seed * 0x10000 + i, cancels);
      const outcome = await this.#run(chooser);
      if (outcome.failure !== null) await this.#fail(await this.#shrink(chooser.deviations), outcome.failure);
      await this.#compare(outcome, chooser.deviations);
    }
    return false;
  }

  async #fixed(deviations: readonly Deviation[], isNew: boolean): Promise<Outcome> {
    const outcome = await this.#run(new FixedChooser(deviations), isNew);
    if (outcome.failure !== null) await this.#fail(deviations, outcome.failure);
    await this.#compare(outcome, deviations);
    return outcome;
  }

  /** If that is wanted, run the schedule again and see whether it is the same. */
  async #compare(outcome: Outcome, deviations: readonly Deviation[]): Promise<void> {
    if (!this.#options.twice) return;
    const again = await this.#run(new FixedChooser(deviations), false);
    if (again.trace !== outcome.trace) await this.#fail(deviations, null);
  }

  async #run(chooser: Chooser, isNew = true): Promise<Outcome> {
    if (performance.now() > this.#sliceEnd) await this.#giveWay();
    if (isNew && this.#schedules >= this.#options.schedules) throw new Exhausted();
    const started = new Attempt(chooser, this.#attempt, real).run(this.#scenario);
    const outcome = started instanceof Promise ? await settle(started) : started;
    if (isNew) this.#schedules++;
    this.#steps += outcome.steps;
    this.#points += outcome.orders.length;
    return outcome;
  }

  // Timers, signals and the test runner get their turn.
  async #giveWay(): Promise<void> {
    const seconds = this.#seconds();
    if (seconds > this.#options.seconds) throw new Exhausted();
    this.#options.onProgress({ schedules: this.#schedules, seconds });
    await macrotask();
    this.#sliceEnd = performance.now() + SLICE_MS;
  }

  #seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Leave out what the failure does not need. */
  async #shrink(deviations: readonly Deviation[]): Promise<readonly Deviation[]> {
    let best = deviations;
    for (let i = best.length - 1; i >= 0; i--) {
      const fewer = best.filter((_, place) => place !== i);
      const outcome = await settle(
        new Attempt(new FixedChooser(fewer), this.#attempt, real).run(this.#scenario),
      );
      if (outcome.failure !== null) best = fewer;
    }
    return best;
  }

  /** Run it once more, with a timeline. `seen` is how it failed; null: it was another run than the one before. */
  async #fail(deviations: readonly Deviation[], seen: Error | null): Promise<never> {
    const { mode, eager } = this.#options;
    const recorded = { ...this.#attempt, isRecorded: true };
    const outcome = await attempt(this.#scenario, new FixedChooser(deviations), recorded);
    const hash = hashOf(String(this.#scenario));
    const text = toReplayString({ mode, eager, hash, deviations });
    const again = seen === null ? null : outcome.failure;
    throw new ExplorationError(again ?? uncontrolled(seen), text, outcome, this.#schedules, '');
  }
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
    'schedules',
    'seconds',
    'steps',
  ] as const) {
    const value: unknown = options[name];
    if (typeof value !== 'number' || !(value >= 0))
      throw new RangeError(`${name} must be 0 or more, got ${repr(value)}`);
  }
}

/** What to say if a schedule is not the same again; `seen` is how it failed before, and now does not. */
function uncontrolled(seen: Error | null): AssertionError {
  const text =
    'the scenario is not the same in every run: something in it depends on a clock, a random number, real I/O, ' +
    'or on what an earlier run left behind';
  if (seen === null) return new AssertionError(text);
  return new AssertionError(`${text}. The run before failed: ${seen.message || seen.name}`, { cause: seen });
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
