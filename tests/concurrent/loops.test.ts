/** Executors and event loops. The names of the tests begin with what they prove. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CancelledError,
  createTask,
  gather,
  getRunningLoop,
  InvalidStateError,
  newEventLoop,
  type NodeEventLoop,
  Runner,
  run,
  runCoroutineThreadsafe,
  sleep,
  timeout,
  TimeoutError,
  toThread,
  waitFor,
  wrapFuture,
} from 'asyncio-ts';
import * as concurrent from 'asyncio-ts/concurrent';
import '../support/leaks.ts';
import { eventually } from '../support/processes.ts';
import { errorOf, logOf, textOf } from '../support/programs.ts';
import { on, type Steps, styles } from '../support/styles.ts';
import * as targets from './targets.ts';

const shared = (words: number): Int32Array<SharedArrayBuffer> =>
  new Int32Array(new SharedArrayBuffer(words * 4));

function inRealTime(name: string, steps: () => Steps<void>): void {
  for (const style of styles) test(`${name} (${style.name})`, () => run(style.fn(steps)));
}

inRealTime('runInExecutor and toThread: results, errors, several at once', function* () {
  const loop = getRunningLoop();
  const executor = new concurrent.ThreadPoolExecutor(1);
  assert.equal(yield* on(loop.runInExecutor(null, targets.add, 1, 2)), 3);
  assert.equal(yield* on(loop.runInExecutor(executor, targets.addLater, 3, 4)), 7);
  assert.equal(yield* on(toThread(targets.addInSteps, 5, 6)), 11);
  const results = yield* on(gather(...[1, 2, 3].map((n) => toThread(targets.add, n, n))));
  assert.deepEqual(results, [2, 4, 6]);
  let caught: unknown;
  try {
    yield* on(toThread(targets.fail, 'custom'));
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof targets.CustomError);
  yield* on(executor.shutdown());
});

test('toThread is lazy, runInExecutor is not', () =>
  run(async () => {
    const state = shared(1);
    const lazy = toThread(targets.note, state);
    const begun = getRunningLoop().runInExecutor(null, targets.note, state);
    await begun;
    assert.equal(state[0], 1);
    await lazy;
    assert.equal(state[0], 2);
  }));

test('context variables go to threads by toThread and runInExecutor', () =>
  run(async () => {
    targets.user.set('ann');
    assert.equal(await toThread(targets.whoAmI), 'ann');
    assert.equal(await getRunningLoop().runInExecutor(null, targets.whoAmI), 'ann');
  }));

inRealTime('P65 H62 cancelling a wait frees the waiter at once, and the function hears of it', function* () {
  const state = shared(2);
  const task = createTask(() => toThread(targets.noteCancellation, state));
  while (Atomics.load(state, 0) === 0) yield* on(sleep(0.005));
  task.cancel();
  let text = '';
  try {
    yield* on(task);
  } catch (error) {
    text = String(error);
  }
  assert.equal(text, 'CancelledError');
  while (Atomics.load(state, 1) === 0) yield* on(sleep(0.005));

  // The same by a time-out.
  const other = shared(2);
  const late = createTask(() => toThread(targets.noteCancellation, other));
  while (Atomics.load(other, 0) === 0) yield* on(sleep(0.005));
  try {
    yield* on(waitFor(late, 0.01));
  } catch (error) {
    assert.ok(error instanceof TimeoutError);
  }
  while (Atomics.load(other, 1) === 0) yield* on(sleep(0.005));
});

test('P65 awaiting a future of an executor: cancelling the task cancels the call; result() does not', async () => {
  await using executor = new concurrent.ThreadPoolExecutor(1);
  await run(async () => {
    const state = shared(2);
    const call = executor.submit(targets.blockUntil, state);
    while (Atomics.load(state, 0) === 0) await sleep(0.005);
    assert.ok(
      (await errorOf(() => timeout(0.01).run(async () => void (await call.result())))) instanceof
        TimeoutError,
    );
    await assert.rejects(async () => void (await call.result(0.01)), TimeoutError);
    assert.equal(call.done(), false);
    const waiting = executor.submit(targets.add, 1, 2);
    assert.ok(
      (await errorOf(() => timeout(0.01).run(async () => void (await waiting)))) instanceof TimeoutError,
    );
    assert.ok(waiting.cancelled());
    Atomics.store(state, 1, 1);
    Atomics.notify(state, 1);
    assert.equal(await call, 'released');
  });
});

test('a call that never returns, and a default executor that never ends it: the end of run waits, and says so', async () => {
  const executor = new concurrent.ThreadPoolExecutor({ maxWorkers: 1, cancelGrace: null });
  const log = await logOf(async () => {
    const runner = new Runner();
    await runner.run(async () => {
      const loop = getRunningLoop();
      loop.setDefaultExecutor(executor);
      const state = shared(1);
      const call = loop.runInExecutor(null, targets.note, state, 3_600_000);
      while (Atomics.load(state, 0) === 0) await sleep(0.005);
      call.cancel();
      await loop.shutdownDefaultExecutor(0.05);
    });
    executor.killWorkers();
    await runner.close();
  });
  assert.match(
    log.join('\n'),
    /RuntimeWarning: The executor did not finishing joining its threads within 0.05 seconds./,
  );
  await executor.shutdown();
});

test('setDefaultExecutor, shutdownDefaultExecutor: what they refuse, and the closed loop', async () => {
  const runner = new Runner();
  await runner.run(async () => {
    const loop = getRunningLoop();
    assert.throws(() => loop.setDefaultExecutor(5 as never), {
      name: 'TypeError',
      message: /^executor must be ThreadPoolExecutor instance/,
    });
    const processes = new concurrent.ProcessPoolExecutor(1);
    assert.throws(() => loop.setDefaultExecutor(processes), TypeError);
    await processes.shutdown();
    const own = new concurrent.ThreadPoolExecutor(1, 'own');
    loop.setDefaultExecutor(own);
    assert.equal(await toThread(targets.add, 1, 2), 3);
    await loop.shutdownDefaultExecutor();
    assert.equal(
      await textOf(() => loop.runInExecutor(null, targets.add, 1, 2)),
      'RuntimeError: Executor shutdown has been called',
    );
    assert.throws(() => own.submit(targets.add, 1, 2), /cannot schedule new futures after shutdown/);
    await using other = new concurrent.ThreadPoolExecutor(1);
    assert.equal(await loop.runInExecutor(other, targets.add, 1, 2), 3);
  });
  const loop = runner.getLoop() as NodeEventLoop;
  await runner.close();
  assert.throws(() => loop.runInExecutor(null, targets.add, 1, 2), {
    name: 'RuntimeError',
    message: 'Event loop is closed',
  });
});

test('H61 P67 a call that ends after its loop was closed harms nobody', async () => {
  await using executor = new concurrent.ThreadPoolExecutor(1);
  const log = await logOf(async () => {
    const calls = await run(async () => [
      getRunningLoop().runInExecutor(executor, targets.sleepFor, 30),
      getRunningLoop().runInExecutor(executor, targets.failLater, 'late'),
    ]);
    await executor.submit(targets.add, 1, 2);
    await delay(10);
    assert.equal(calls.length, 2);
  });
  assert.deepEqual(log, []);
});

test('wrapFuture: both ways, and what it converts', () =>
  run(async () => {
    const loop = getRunningLoop();
    const own = loop.createFuture();
    assert.strictEqual(wrapFuture(own), own);
    own.cancel();
    assert.throws(() => wrapFuture(5 as never), {
      name: 'AssertionError',
      message: 'concurrent.futures.Future is expected, got 5',
    });

    const make = () => {
      const source = new concurrent.Future<number>();
      source.setRunningOrNotifyCancel();
      return { source, wrapped: wrapFuture(source) };
    };
    const good = make();
    good.source.setResult(5);
    assert.equal(good.wrapped.done(), false);
    assert.equal(await good.wrapped, 5);
    const bad = make();
    bad.source.setException(new RangeError('bad'));
    assert.equal(await textOf(() => bad.wrapped), 'RangeError: bad');
    const state = make();
    state.source.setException(new concurrent.InvalidStateError('state'));
    assert.ok((await errorOf(() => state.wrapped)) instanceof InvalidStateError);
    const other = make();
    other.source.setException(new concurrent.CancelledError('other'));
    assert.ok((await errorOf(() => other.wrapped)) instanceof CancelledError);

    const pending = new concurrent.Future<number>();
    const wrapped = wrapFuture(pending);
    pending.cancel();
    assert.ok((await errorOf(() => wrapped)) instanceof CancelledError);
    const back = new concurrent.Future<number>();
    wrapFuture(back).cancel();
    assert.ok(back.cancelled());
  }));

test('wrapFuture of a future whose executor cannot stop the call: cancelling it frees the waiter', () =>
  run(async () => {
    const source = new concurrent.Future<number>();
    source.setRunningOrNotifyCancel();
    const wrapped = wrapFuture(source);
    assert.equal(wrapped.cancel(), true);
    assert.equal(source.cancelled(), false);
    source.setResult(1);
    await sleep(0);
    assert.ok(wrapped.cancelled());
  }));

test('runCoroutineThreadsafe: results, errors, cancellation in both directions', async () => {
  const loop = newEventLoop();
  const running = loop.runForever();
  try {
    const from = <T>(coro: () => Promise<T>) => runCoroutineThreadsafe(coro, loop);
    assert.equal(await from(async () => (await sleep(0.001), 5)), 5);
    assert.equal(
      await textOf(() => from(async () => Promise.reject(new RangeError('bad')))),
      'RangeError: bad',
    );
    assert.throws(() => runCoroutineThreadsafe(5 as never, loop), {
      name: 'TypeError',
      message: 'A coroutine object is required',
    });

    let seen = '';
    const sleeping = from(async () => {
      seen += 'begun ';
      await sleep(1000).catch((error: unknown) => {
        seen += (error as Error).name;
        throw error;
      });
    });
    await eventually(() => seen === 'begun ', 'it has begun');
    assert.equal(sleeping.running(), false);
    assert.equal(sleeping.cancel(), true);
    await eventually(() => seen === 'begun CancelledError', 'the task is cancelled');
    const early = from(async () => void (seen = 'never'));
    assert.equal(early.cancel(), true);
    const own = from(async () => {
      throw new CancelledError('own');
    });
    assert.ok((await errorOf(() => own)) instanceof concurrent.CancelledError);
    assert.equal(await textOf(() => from(async () => (await sleep(1), 1)).result(0.01)), 'TimeoutError: ');
    assert.notEqual(seen, 'never');
  } finally {
    loop.stop();
    await running;
    loop.close();
  }
});

test('from one loop to another', async () => {
  const other = newEventLoop();
  const running = other.runForever();
  await run(async () => {
    const future = runCoroutineThreadsafe(async () => getRunningLoop() === other, other);
    assert.equal(await wrapFuture(future), true);
  });
  other.stop();
  await running;
  other.close();
});
