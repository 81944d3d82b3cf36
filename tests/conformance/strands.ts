/**
 * Programs of async functions with several waits open at once, which CPython has no counterpart of. They run on
 * the virtual loop, and what happened is held to invariants: see `Watch.check` for the list.
 */

import * as asyncio from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import { quiet } from './quiet.ts';
import { Shared, type SharedCall, type SharedWait } from './strands-primitives.ts';

/** What an async function does, one after the other. */
export type Part = Op[];

export type Op =
  | { k: 'sleep'; d: number }
  /** A promise of somebody else's, bare or wrapped by `fromPromise`. */
  | { k: 'foreign'; by: Foreign; wrap: boolean }
  /** Calls of async functions side by side. */
  | { k: 'all' | 'allSettled' | 'race'; parts: Part[] }
  /** A call that is awaited when the rest of the part is over, or never. */
  | { k: 'spare'; part: Part; awaited: boolean }
  | { k: 'timeout' | 'waitFor'; d: number; part: Part }
  | { k: 'group'; children: Part[]; part: Part }
  | { k: 'try'; part: Part; swallow: boolean; cleanup: Part }
  | { k: 'held'; what: 'lock' | 'semaphore'; part: Part }
  | { k: 'condition'; notify: boolean }
  | { k: 'shared'; what: SharedWait }
  | { k: 'call'; what: SharedCall }
  | { k: 'task'; part: Part }
  /** Awaits a task that the main function made before this one. */
  | { k: 'join'; task: number }
  | { k: 'fail' };

export type Foreign = 'microtask' | 'tick' | 'immediate' | 'timer';

export interface StrandProgram {
  seed: number;
  /** Tasks of async functions, made by the main function in this order. */
  tasks: Part[];
  /** How many tasks of generators run beside them. */
  generators: number;
  /** When a task is cancelled from outside: some turns of the loop after a time. */
  cancels: { at: number; task: number; turns: number }[];
  /** When somebody outside uses the primitives. */
  wakes: { at: number; what: SharedCall; turns: number }[];
}

// What is known about a run

/** A task or a scope inside one, as the program sees it. */
interface Region {
  kind: 'task' | 'timeout' | 'group' | 'body';
  name: string;
  /** The region around it: null for a task. */
  outer: Region | null;
  /** The group that a child task belongs to. */
  group: Region | null;
  task: asyncio.Task<unknown> | null;
  deadline: number;
  /** When its body was over. */
  settled: number;
  /** When somebody asked it to stop: a cancel, or a failure in the group. */
  stopped: number;
  /** Waits of other regions for this task. */
  joins: Region[];
}

interface Wait {
  name: string;
  /** Where it was opened: the innermost region that was open then. */
  region: Region;
  /** The seconds of a sleep; null for foreign promises, which know no virtual time. */
  delay: number | null;
  opened: number;
  ended: number;
  outcome: 'open' | 'value' | 'cancelled' | 'error';
}

class Failure extends Error {
  override name = 'Failure';
}

/** Everything that a run shows, and what is wrong with it. */
class Watch {
  readonly problems: string[] = [];
  readonly waits: Wait[] = [];
  readonly regions: Region[] = [];
  readonly reported = new Map<unknown, number>();
  readonly loop: VirtualEventLoop;
  #names = 0;

  constructor(loop: VirtualEventLoop) {
    this.loop = loop;
  }

  problem(text: string): void {
    this.problems.push(`${this.loop.time()} ${text}`);
  }

  region(kind: Region['kind'], outer: Region | null, group: Region | null, deadline = Infinity): Region {
    const name = `${kind}${++this.#names}`;
    const region: Region = {
      kind,
      name,
      outer,
      group,
      task: null,
      deadline,
      settled: Infinity,
      stopped: Infinity,
      joins: [],
    };
    this.regions.push(region);
    return region;
  }

  /** Checks that the running code knows its task. */
  whoAmI(region: Region): void {
    const root = rootOf(region);
    const expected = root.task === null || root.task.done() ? null : root.task;
    // Before `createTask` has returned there is nothing to compare with.
    if (root.task === null) return;
    const actual = asyncio.currentTask(this.loop);
    if (actual !== expected) {
      this.problem(
        `currentTask() in ${region.name} is ${actual?.getName() ?? null}, not ${expected?.getName() ?? null}`,
      );
    }
  }

  /** Awaits a leaf: one wait of the library's, or a foreign promise. */
  async leaf(region: Region, delay: number | null, make: () => PromiseLike<unknown>): Promise<void> {
    const wait = this.open(region, delay);
    try {
      await make();
      this.end(wait, 'value');
    } catch (error) {
      this.end(wait, error instanceof asyncio.CancelledError ? 'cancelled' : 'error');
      throw error;
    } finally {
      this.whoAmI(region);
    }
  }

  open(region: Region, delay: number | null): Wait {
    this.whoAmI(region);
    const now = this.loop.time();
    const name = `wait${++this.#names} in ${region.name}`;
    const wait: Wait = {
      name,
      region: nearestOpen(region),
      delay,
      opened: now,
      ended: Infinity,
      outcome: 'open',
    };
    this.waits.push(wait);
    return wait;
  }

  end(wait: Wait, outcome: Wait['outcome']): void {
    if (wait.outcome !== 'open') this.problem(`${wait.name} ended twice`);
    wait.outcome = outcome;
    wait.ended = this.loop.time();
    if (outcome === 'cancelled' && !mayBeCancelled(wait.region, wait.ended)) {
      this.problem(`${wait.name} was cancelled, and nobody asked for it`);
    }
    if (outcome === 'value' && wait.delay !== null && wait.ended !== wait.opened + Math.max(0, wait.delay)) {
      this.problem(`${wait.name} slept from ${wait.opened} to ${wait.ended}, not for ${wait.delay}`);
    }
    if (outcome === 'error') this.problem(`${wait.name} failed`);
  }

  #outlasts(wait: Wait, region: Region, what: string, time: number): void {
    if (wait.opened >= time || time >= wait.ended || time > region.settled) return;
    this.problem(
      `${wait.name} was open from ${wait.opened} to ${wait.ended}, but ${region.name} ${what} at ${time}`,
    );
  }

  /**
   * What must hold when everything is over:
   * - each wait has ended, once;
   * - a wait was cancelled only if its task, or a timeout or group around it, was over or asked to stop;
   * - a request to stop reached each wait that was open: none outlasts its task, its scopes, or their deadlines;
   * - in every strand, at every point, `currentTask()` was the task that the strand was started in;
   * - no timer is left, no task, no unhandled rejection, and no error was reported twice;
   * - of the primitives, what `Shared.check` says.
   */
  check(): string[] {
    for (const wait of this.waits) {
      if (wait.outcome === 'open') {
        this.problem(`${wait.name} never ended`);
        continue;
      }
      for (let region: Region | null = wait.region; region !== null; region = region.outer) {
        this.#outlasts(wait, region, 'was over', region.settled);
        this.#outlasts(wait, region, 'was stopped', region.stopped);
        this.#outlasts(wait, region, 'timed out', region.deadline);
        // A failure in a group stops its children at once; a timeout around it only once the body has cleaned up.
        // What a strand opens after the end of its task is nobody's, and no group's either.
        if (region.group !== null && wait.opened < region.settled) {
          this.#outlasts(wait, region.group, 'was stopped', region.group.stopped);
        }
      }
    }
    for (const [error, times] of this.reported) {
      if (times > 1) this.problem(`${String(error)} was reported ${times} times`);
    }
    const left = [...asyncio.allTasks(this.loop)];
    if (left.length > 0) this.problem(`tasks are left: ${left.map((task) => task.getName()).join(' ')}`);
    return this.problems;
  }
}

function rootOf(region: Region): Region {
  let root = region;
  while (root.outer !== null) root = root.outer;
  return root;
}

/** A wait that is opened under a closed scope belongs to the nearest open one outward. */
function nearestOpen(region: Region): Region {
  let at = region;
  while (at.settled < Infinity && at.outer !== null) at = at.outer;
  return at;
}

/** Whether somebody had a reason to cancel what is open in `region`. */
function mayBeCancelled(region: Region, now: number): boolean {
  for (let at: Region | null = region; at !== null; at = at.outer) {
    if (at.settled <= now || at.stopped <= now || at.deadline <= now) return true;
    if (at.group !== null && mayBeCancelled(at.group, now)) return true;
    if (at.joins.some((joiner) => mayBeCancelled(joiner, now))) return true;
  }
  return false;
}

// The run

/** A run that takes longer than this in real time has lost a wake-up. */
const HANGS_AFTER = 3000;

export async function runStrands(program: StrandProgram): Promise<string[]> {
  quiet();
  const loop = new VirtualEventLoop();
  const watch = new Watch(loop);
  loop.setExceptionHandler((_loop, context) => {
    if (context.exception === undefined) watch.problem(context.message);
    else watch.reported.set(context.exception, (watch.reported.get(context.exception) ?? 0) + 1);
  });
  const onRejection = (error: unknown): void => {
    // A strand that nobody holds any more was cancelled: the library has a listener of its own for that.
    const isHandled =
      error instanceof asyncio.CancelledError && process.listenerCount('unhandledRejection') > 1;
    if (!isHandled) watch.problem(`unhandled rejection ${String(error)}`);
  };
  process.on('unhandledRejection', onRejection);
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise<void>((resolve) => {
    timer = setTimeout(() => resolve(watch.problem('hangs')), HANGS_AFTER);
  });
  try {
    await Promise.race([
      asyncio.run(() => new Runner(program, watch).main(), { loopFactory: () => loop }),
      hangs,
    ]);
  } catch (error) {
    watch.problem(`run failed: ${error instanceof Error ? error.stack : String(error)}`);
  }
  clearTimeout(timer);
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onRejection);
  return watch.check();
}

/** What a loop keeps for itself and a finished program must have left empty. */
interface Internals {
  readonly _timers: { readonly size: number };
  readonly _foreignWaits: number;
}

class Runner {
  readonly #program: StrandProgram;
  readonly #watch: Watch;
  readonly #roots: Region[] = [];
  readonly #all: asyncio.Task<unknown>[] = [];
  readonly #shared: Shared;

  constructor(program: StrandProgram, watch: Watch) {
    this.#program = program;
    this.#watch = watch;
    this.#shared = new Shared(watch.loop, (text) => watch.problem(text));
  }

  async main(): Promise<void> {
    const { tasks, generators, cancels, wakes } = this.#program;
    this.#shared.start();
    for (const part of tasks) this.#start(part, null, (body) => asyncio.createTask(body));
    for (let i = 0; i < generators; i++) this.#generator(i);
    for (const { at, task, turns } of cancels) {
      this.#at(at, turns, () => {
        const region = this.#roots[task] as Region;
        if (region.task?.cancel('from outside') === true) stop(region, this.#watch.loop.time());
      });
    }
    for (const { at, what, turns } of wakes) this.#at(at, turns, () => this.#shared.call(what));
    // Tasks make tasks.
    for (let i = 0; i < this.#all.length; i++) {
      const task = this.#all[i] as asyncio.Task<unknown>;
      await asyncio.wait([task]);
      if (!task.cancelled()) task.exception();
    }
    // Strands may clean up after their task is done. A foreign promise that such a strand awaits does not stop time.
    for (let i = 0; i < 4; i++) await asyncio.sleep(100);
    this.#shared.check();
    const { _timers: timers, _foreignWaits: foreignWaits } = this.#watch.loop as unknown as Internals;
    // The main function itself waits for nothing at this point: its own step counts as outside.
    if (timers.size > 0) this.#watch.problem(`${timers.size} timers are left`);
    if (foreignWaits > 1) this.#watch.problem(`${foreignWaits} foreign waits are left`);
  }

  /** Calls it `turns` turns of the loop after the time. */
  #at(time: number, turns: number, action: () => void): void {
    const { loop } = this.#watch;
    const turn = (left: number): void => void (left === 0 ? action() : loop.callSoon(turn, left - 1));
    loop.callAt(time, turn, turns);
  }

  #start(
    part: Part,
    group: Region | null,
    create: (body: () => Promise<void>) => asyncio.Task<unknown>,
  ): asyncio.Task<unknown> {
    const region = this.#watch.region('task', null, group);
    this.#roots.push(region);
    const task = create(async () => {
      try {
        await this.#part(part, region);
      } catch (error) {
        if (group !== null && !(error instanceof asyncio.CancelledError))
          stop(group, this.#watch.loop.time());
        throw error;
      } finally {
        region.settled = this.#watch.loop.time();
      }
    });
    region.task = task;
    this.#all.push(task);
    return task;
  }

  /** A generator sees its own task only, whatever the async functions around it do. */
  #generator(i: number): void {
    const watch = this.#watch;
    const region = watch.region('task', null, null);
    const task = asyncio.createTask(function* () {
      for (let n = 0; n < 4; n++) {
        watch.whoAmI(region);
        yield* asyncio.sleep(n % 2 === 0 ? 0 : 0.5 + i);
      }
      watch.whoAmI(region);
    });
    region.task = task;
    this.#all.push(task);
  }

  async #part(part: Part, region: Region): Promise<void> {
    const spare: Promise<void>[] = [];
    for (const op of part) await this.#op(op, region, spare);
    for (const promise of spare) await promise;
  }

  async #op(op: Op, region: Region, spare: Promise<void>[]): Promise<void> {
    const watch = this.#watch;
    watch.whoAmI(region);
    switch (op.k) {
      case 'sleep':
        return watch.leaf(region, op.d, () => asyncio.sleep(op.d));
      case 'foreign':
        if (op.wrap) await watch.leaf(region, null, () => asyncio.fromPromise(foreign(op.by)));
        else await foreign(op.by);
        return watch.whoAmI(region);
      case 'all':
        await Promise.all(op.parts.map((part) => this.#part(part, region)));
        return;
      case 'allSettled':
        await Promise.allSettled(op.parts.map((part) => this.#part(part, region)));
        return;
      case 'race':
        await Promise.race(op.parts.map((part) => this.#part(part, region)));
        return;
      case 'spare': {
        const promise = this.#part(op.part, region);
        if (op.awaited) spare.push(promise);
        return;
      }
      case 'timeout':
      case 'waitFor':
        return this.#limited(op, region);
      case 'group':
        return this.#group(op, region);
      case 'try':
        try {
          await this.#part(op.part, region);
        } catch (error) {
          if (!op.swallow || !(error instanceof asyncio.CancelledError)) throw error;
        } finally {
          await this.#part(op.cleanup, region);
        }
        return;
      case 'task':
        this.#start(op.part, null, (body) => asyncio.createTask(body));
        return;
      case 'join': {
        const target = this.#roots[op.task] as Region;
        if (target.task === null || target === rootOf(region)) return;
        target.joins.push(region);
        await target.task;
        return;
      }
      case 'fail':
        throw new Failure(`of ${region.name}`);
      case 'held':
        return this.#held(op, region);
      case 'condition': {
        const { condition } = this.#shared;
        return watch.leaf(region, null, () =>
          condition.run(async () => void (op.notify ? condition.notify() : await condition.wait())),
        );
      }
      case 'shared':
        return watch.leaf(region, null, () => this.#shared.wait(op.what));
      case 'call':
        return this.#shared.call(op.what);
    }
  }

  async #held(op: Extract<Op, { k: 'held' }>, region: Region): Promise<void> {
    const watch = this.#watch;
    const wait = watch.open(region, null);
    try {
      await this.#shared[op.what].run(() => {
        watch.end(wait, 'value');
        return this.#shared.within(op.what, () => this.#part(op.part, region));
      });
    } catch (error) {
      if (wait.outcome === 'open')
        watch.end(wait, error instanceof asyncio.CancelledError ? 'cancelled' : 'error');
      throw error;
    } finally {
      watch.whoAmI(region);
    }
  }

  async #limited(op: Extract<Op, { k: 'timeout' | 'waitFor' }>, outer: Region): Promise<void> {
    const watch = this.#watch;
    const region = watch.region('timeout', outer, null, watch.loop.time() + op.d);
    const body = async (): Promise<void> => {
      try {
        await this.#part(op.part, region);
      } finally {
        region.settled = watch.loop.time();
      }
    };
    try {
      if (op.k === 'timeout') await asyncio.timeout(op.d).run(body);
      else await asyncio.waitFor(body, op.d);
    } catch (error) {
      if (!(error instanceof asyncio.TimeoutError)) throw error;
      if (watch.loop.time() < region.deadline)
        watch.problem(`${region.name} timed out before ${region.deadline}`);
    } finally {
      region.settled = Math.min(region.settled, watch.loop.time());
      watch.whoAmI(outer);
    }
  }

  async #group(op: Extract<Op, { k: 'group' }>, outer: Region): Promise<void> {
    const watch = this.#watch;
    const region = watch.region('group', outer, null);
    // What is open in the body is cancelled when the body is over, the children are not.
    const body = watch.region('body', region, null);
    try {
      await new asyncio.TaskGroup().run(async (group) => {
        for (const child of op.children) this.#start(child, region, (coro) => group.createTask(coro));
        try {
          await this.#part(op.part, body);
        } catch (error) {
          stop(region, watch.loop.time());
          throw error;
        } finally {
          body.settled = watch.loop.time();
        }
      });
    } catch (error) {
      // The errors of the children and of the body, wherever they came from, end here.
      if (!(error instanceof asyncio.ExceptionGroup)) throw error;
    } finally {
      region.settled = watch.loop.time();
      watch.whoAmI(outer);
    }
  }
}

function stop(region: Region, now: number): void {
  region.stopped = Math.min(region.stopped, now);
}

function foreign(by: Foreign): Promise<void> {
  return new Promise((resolve) => {
    switch (by) {
      case 'microtask':
        return queueMicrotask(resolve);
      case 'tick':
        return process.nextTick(resolve);
      case 'immediate':
        return void setImmediate(resolve);
      case 'timer':
        return void setTimeout(resolve, 1);
    }
  });
}
