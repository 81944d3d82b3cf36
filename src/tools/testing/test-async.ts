/** Tests of asynchronous code, for any test runner. */
import type { BaseEventLoop } from '../../core/base-events.ts';
import { ExceptionGroup } from '../../core/exception-groups.ts';
import { asError, AssertionError, RuntimeError } from '../../core/exceptions.ts';
import { Runner } from '../../core/runners.ts';
import { allTasks, type Task } from '../../core/tasks.ts';
import type { CoroutineLike, ExceptionContext } from '../../core/types.ts';
import { takeUnawaited } from '../../core/unawaited.ts';
import type { Scenario } from './attempt.ts';
import { explore, type ExploreOptions } from './explore.ts';
import { VirtualEventLoop } from './virtual-event-loop.ts';

/** Options of `testAsync`. */
export interface TestOptions {
  /** The runner's function that registers a test; default a global `test` or `it`, or else that of node:test. */
  test?: (name: string, fn: () => Promise<void>) => unknown;
  /** Makes the loop; default a `VirtualEventLoop`. */
  loopFactory?: () => BaseEventLoop;
  /** Debug mode of the loop. Default false. */
  debug?: boolean;
}

/** Jest and Vitest end a test after five seconds. */
const EXPLORE_SECONDS = 4;

/** Options of a test under many schedules. */
export interface ExploredTestOptions extends Pick<TestOptions, 'test'> {
  /**
   * Run the body under many schedules, as `explore` does: it gets the simulation as its argument, and runs on loops of
   * the explorer's own, for 4 seconds at most. `true` stands for the other defaults of `explore`.
   */
  explore: true | ExploreOptions;
}

/**
 * Register a test that runs in virtual time. It fails, apart from its own errors, if a task is still running when it
 * ends, if everybody waits for each other (`DeadlockError`), if an error was retrieved by nobody, or if a coroutine was
 * made and not awaited.
 *
 * ```ts
 * testAsync('a slow answer is a timeout', async () => {
 *   await assert.rejects(async () => { await waitFor(sleep(60), 5); }, TimeoutError);
 * });
 * ```
 *
 * @param name - of the test.
 * @param fn - an async or generator function; with `explore`, of the simulation.
 * @throws RuntimeError in Vitest without globals, where nobody would run it.
 */
export function testAsync(name: string, fn: Scenario, options: ExploredTestOptions): void;
export function testAsync(name: string, fn: () => CoroutineBody, options?: TestOptions): void;
export function testAsync(
  name: string,
  fn: Scenario,
  options: TestOptions & Partial<ExploredTestOptions> = {},
): void {
  const globals = globalThis as { test?: TestOptions['test']; it?: TestOptions['test'] };
  const register = options.test ?? globals.test ?? globals.it;
  const { explore: schedules } = options;
  const body =
    schedules === undefined
      ? () => runTest(fn as () => CoroutineBody, options)
      : () => exploreTest(fn, schedules === true ? {} : schedules);
  // node:test has no global; loaded only where it is used, since other runners may not have it.
  if (register === undefined) registerWithNode(name, body);
  else register(name, body);
}

async function exploreTest(scenario: Scenario, options: ExploreOptions): Promise<void> {
  const { points } = await explore(scenario, { seconds: EXPLORE_SECONDS, ...options });
  if (points > 0) return;
  throw new AssertionError(
    'there was nothing to choose, so every schedule was the same: make the tasks by sim.spawn() or call ' +
      "sim.cancellable('all'), and let sim.step() stand for what comes from outside",
  );
}

type CoroutineBody = ReturnType<Extract<CoroutineLike<unknown>, () => unknown>>;

function registerWithNode(name: string, fn: () => Promise<void>): void {
  if (process.env['VITEST'] !== undefined)
    throw new RuntimeError("testAsync() finds no global test: pass { test }, imported from 'vitest'");
  const { test } = process.getBuiltinModule('node:test');
  void test(name, fn);
}

async function runTest(fn: () => CoroutineBody, options: TestOptions): Promise<void> {
  const loop = (options.loopFactory ?? (() => new VirtualEventLoop()))();
  const runner = new Runner({ loopFactory: () => loop, debug: options.debug ?? null });
  const reported: ExceptionContext[] = [];
  runner.getLoop().setExceptionHandler((_loop, context) => reported.push(context));
  const failures: unknown[] = [];
  let leaked: Task<unknown>[] = [];
  try {
    await runner.run(fn);
    leaked = [...allTasks(loop)];
  } catch (error) {
    failures.push(error);
  }
  const forgotten = takeUnawaited();
  const leaks = leaked.map((task) => String(task));
  try {
    await runner.close();
  } catch (error) {
    failures.push(error);
  }
  for (const text of forgotten) failures.push(new AssertionError(text));
  if (leaks.length > 0) failures.push(new AssertionError(`left running: ${leaks.join(', ')}`));
  for (const context of reported) failures.push(context.exception ?? new AssertionError(context.message));
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new ExceptionGroup('the test failed in several ways', failures.map(asError));
}
