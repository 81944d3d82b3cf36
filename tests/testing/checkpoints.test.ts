import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  AssertionError,
  CancelledError,
  createTask,
  Event,
  gather,
  getRunningLoop,
  Queue,
  RuntimeError,
  run,
  sleep,
} from 'asyncio-ts';
import {
  assertCheckpoint,
  assertNoCheckpoint,
  Sequencer,
  VirtualEventLoop,
  waitAllTasksBlocked,
} from 'asyncio-ts/testing';
import '../support/leaks.ts';

const virtual = { loopFactory: () => new VirtualEventLoop() };

describe('waitAllTasksBlocked', () => {
  test('returns when everybody else waits, however many steps that takes', async () => {
    const log: string[] = [];
    await run(async () => {
      const event = new Event();
      const worker = createTask(async () => {
        for (let i = 0; i < 5; i++) {
          log.push(`step ${i}`);
          await sleep(0);
        }
        await event.wait();
        log.push('event');
      });
      await waitAllTasksBlocked();
      log.push('all blocked');
      event.set();
      await worker;
    }, virtual);
    assert.deepEqual(log, ['step 0', 'step 1', 'step 2', 'step 3', 'step 4', 'all blocked', 'event']);
  });

  test('works in generators, and waits for what others wake', async () => {
    const log: string[] = [];
    await run(function* () {
      const queue = new Queue<number>();
      const second = createTask(function* () {
        log.push(`second got ${yield* queue.get()}`);
      });
      const first = createTask(function* () {
        yield* sleep(0);
        queue.putNowait(1);
        yield* getRunningLoop().createFuture();
      });
      yield* waitAllTasksBlocked();
      log.push('all blocked');
      first.cancel();
      yield* gather([first, second], { returnExceptions: true });
    }, virtual);
    assert.deepEqual(log, ['second got 1', 'all blocked']);
  });

  test('a task that sleeps counts as blocked: time does not pass', async () => {
    await run(async () => {
      const sleeper = createTask(sleep(3600));
      await waitAllTasksBlocked();
      assert.equal(getRunningLoop().time(), 0);
      sleeper.cancel();
    }, virtual);
  });

  test('several who wait so do not wait for each other', async () => {
    const log: string[] = [];
    await run(async () => {
      const wait = (name: string) => async () => {
        await waitAllTasksBlocked();
        log.push(name);
      };
      const busy = createTask(async () => {
        await sleep(0);
        await sleep(0);
        log.push('busy');
      });
      await gather([wait('a'), wait('b'), busy]);
    }, virtual);
    assert.deepEqual(log, ['busy', 'a', 'b']);
  });

  test('can be cancelled', async () => {
    await run(async () => {
      const busy = createTask(async () => {
        for (;;) await sleep(0);
      });
      const waiter = createTask(waitAllTasksBlocked());
      await sleep(0);
      waiter.cancel();
      await assert.rejects(waiter.toPromise(), CancelledError);
      // Nobody counts it any more.
      busy.cancel();
      await waitAllTasksBlocked();
      assert.ok(busy.cancelled());
    }, virtual);
  });
});

describe('Sequencer', () => {
  test('runs blocks of several tasks in the given order, in both styles', async () => {
    const log: number[] = [];
    await run(async () => {
      const seq = new Sequencer();
      const odd = createTask(async () => {
        for (const n of [1, 3, 5]) await seq.run(n, async () => void log.push(n));
      });
      const even = createTask(function* () {
        for (const n of [0, 2, 4]) {
          yield* seq.run(n, function* () {
            yield* sleep(1);
            log.push(n);
          });
        }
      });
      await gather(odd, even);
      assert.equal(await seq.run(6, () => 'value'), 'value');
    }, virtual);
    assert.deepEqual(log, [0, 1, 2, 3, 4, 5]);
  });

  test('a position is for one block', async () => {
    await run(async () => {
      const seq = new Sequencer();
      await seq.run(0, () => {});
      await assert.rejects(
        seq.run(0, () => {}).toPromise(),
        (error) =>
          error instanceof RuntimeError &&
          /the position 0 of a sequence was taken already/.test(error.message),
      );
    }, virtual);
  });

  test('a block that is cancelled before its turn breaks the sequence for all behind it', async () => {
    await run(async () => {
      const seq = new Sequencer();
      const [first, second] = [1, 2].map((n) => createTask(seq.run(n, () => {})));
      await waitAllTasksBlocked();
      first?.cancel();
      await assert.rejects(first?.toPromise() ?? Promise.resolve(), CancelledError);
      for (const late of [second, createTask(seq.run(3, () => {}))]) {
        await assert.rejects(late?.toPromise() ?? Promise.resolve(), /the sequence is broken/);
      }
    }, virtual);
  });

  test('the next block runs after one that failed', async () => {
    await run(async () => {
      const seq = new Sequencer();
      const failing = seq.run(0, () => {
        throw new RangeError('wrong');
      });
      await assert.rejects(failing.toPromise(), /wrong/);
      assert.equal(await seq.run(1, () => 1), 1);
    }, virtual);
  });

  test('wrong arguments are refused', () => {
    const seq = new Sequencer();
    assert.throws(() => seq.run(-1, () => {}), /a position is an integer from 0, got -1/);
    assert.throws(() => seq.run(0.5, () => {}), RangeError);
    assert.throws(() => seq.run(0, 1 as never), /Sequencer.run\(\) wants a function, got 1/);
  });
});

describe('assertCheckpoint and assertNoCheckpoint', () => {
  test('tell an operation that waits from one that goes through, and give its result', async () => {
    await run(async () => {
      const queue = new Queue<number>();
      await assertNoCheckpoint(() => queue.put(1));
      assert.equal(await assertNoCheckpoint(queue.get()), 1);
      await assert.rejects(
        assertCheckpoint(() => queue.put(2)).toPromise(),
        (error) => error instanceof AssertionError && /it is no checkpoint/.test(error.message),
      );
      assert.equal(await assertCheckpoint(sleep(0, 'turn')), 'turn');
      assert.equal(await assertCheckpoint(async () => await sleep(1, 'async')), 'async');
      await assert.rejects(assertNoCheckpoint(sleep(1)).toPromise(), /it is a checkpoint/);
    }, virtual);
  });

  test('work in generators', async () => {
    await run(function* () {
      yield* assertCheckpoint(sleep(0));
      yield* assertNoCheckpoint(function* () {});
      const queue = new Queue<number>();
      queue.putNowait(3);
      assert.equal(yield* assertNoCheckpoint(() => queue.get()), 3);
    }, virtual);
  });

  test('a wait for a foreign promise is none, since it cannot be cancelled', async () => {
    await run(async () => {
      const turn = async () => await new Promise((resolve) => setImmediate(resolve));
      await assert.rejects(assertCheckpoint(turn).toPromise(), /it lets others run, but cannot be cancelled/);
    }, virtual);
  });

  test('errors of the operation come through', async () => {
    await run(async () => {
      const failing = async () => {
        throw new RangeError('wrong');
      };
      await assert.rejects(assertCheckpoint(failing).toPromise(), /wrong/);
      await assert.rejects(assertNoCheckpoint(failing).toPromise(), /wrong/);
    }, virtual);
  });

  test('a promise, which runs already, is refused', async () => {
    await run(async () => {
      const running = Promise.resolve() as never;
      await assert.rejects(assertCheckpoint(running).toPromise(), {
        name: 'TypeError',
        message: 'assertCheckpoint() wants a function, got <Promise>: write assertCheckpoint(() => ...)',
      });
    }, virtual);
  });
});
