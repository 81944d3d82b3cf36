import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  asCompleted,
  type Coroutine,
  Context,
  ContextVar,
  copyContext,
  coroutine,
  createTask,
  currentTask,
  ensureFuture,
  Future,
  type Gen,
  fromPromise,
  gather,
  getEventLoop,
  getRunningLoop,
  newEventLoop,
  Runner,
  run,
  setEventLoop,
  shield,
  sleep,
  Task,
  TaskGroup,
  timeout,
  timeoutAt,
  wait,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf, logOf, runVirtually, textOf } from '../support/programs.ts';

// Calls that the compiler refuses, as plain JavaScript makes them.
const any = (value: unknown): any => value;
const spent = 'RuntimeError: cannot reuse already awaited coroutine';

describe('a coroutine awaited twice', () => {
  const work = coroutine(async () => 1);
  const steps = coroutine(function* () {
    yield* sleep(0);
    return 1;
  });
  const kinds: [string, () => Coroutine<unknown>][] = [
    ['an async function', work],
    ['a generator function', steps],
    ['sleep', () => sleep(0.001)],
    ['waitFor', () => waitFor(work(), 1)],
  ];
  for (const [style, make] of kinds) {
    test(`fails at the second await (${style})`, async () => {
      await runVirtually(async () => {
        const coro = make();
        await coro;
        assert.equal(await textOf(() => coro), spent);
        assert.equal(await textOf(() => createTask(coro)), spent);
        assert.equal(await textOf(() => gather(coro)), spent);
        assert.equal(await textOf(() => waitFor(coro, 1)), spent);
        assert.equal(await textOf(() => coro.toPromise()), spent);
      });
    });

    test(`fails at the second yield* (${style})`, async () => {
      await runVirtually(function* () {
        const coro = make();
        yield* coro;
        let text = '';
        try {
          yield* coro;
        } catch (error) {
          text = String(error);
        }
        assert.equal(text, spent);
      });
    });
  }

  test('fails for a coroutine that a task has taken', async () => {
    await runVirtually(async () => {
      const coro = steps();
      const task = createTask(coro);
      assert.equal(await textOf(() => createTask(coro)), spent);
      assert.equal(await textOf(() => coro), spent);
      assert.equal(await task, 1);
    });
  });

  test('says so while the first await is still running', async () => {
    await runVirtually(async () => {
      const slow = coroutine(async () => {
        await sleep(1);
      });
      const coro = slow();
      const task = createTask(coro);
      await sleep(0.5);
      assert.equal(await textOf(() => coro), 'RuntimeError: coroutine is being awaited already');
      await task;
      assert.equal(await textOf(() => coro), spent);
    });
  });

  test('fails at once, in the caller, when it becomes a task', async () => {
    await runVirtually(async () => {
      const coro = work();
      await coro;
      assert.throws(() => createTask(coro), { name: 'RuntimeError' });
      assert.throws(() => new TaskGroup().createTask(coro), { name: 'RuntimeError' });
    });
  });

  test('a generator object cannot serve two tasks (F28)', async () => {
    await runVirtually(async () => {
      function* body(): Gen<number> {
        yield* sleep(1);
        return 5;
      }
      const generator = body();
      const task = createTask(generator);
      assert.throws(() => createTask(generator), { message: 'cannot reuse already awaited coroutine' });
      assert.equal(await task, 5);
      assert.throws(() => createTask(generator), { message: 'cannot reuse already awaited coroutine' });
    });
  });
});

describe('a promise that runs already', () => {
  test('is refused by createTask, with the cure', async () => {
    await runVirtually(async () => {
      assert.equal(
        await textOf(() => createTask(any(Promise.resolve(1)))),
        'TypeError: a coroutine was expected, got <Promise>: its work runs already; pass the function that starts it, ' +
          'as in createTask(() => work()), or make the function a coroutine: const work = coroutine(async () => { ... })',
      );
      await new TaskGroup().run(async (tg) => {
        assert.match(
          await textOf(() => tg.createTask(any(Promise.resolve(1)))),
          /createTask\(\(\) => work\(\)\)/,
        );
      });
    });
  });

  test('is refused by run, Runner.run and submit, with the cure', async () => {
    const text =
      'TypeError: An asyncio.Future, a coroutine or an awaitable is required, got <Promise>: the work of a promise ' +
      'runs already, outside of the loop; pass the function, run(main) in place of run(main())';
    assert.equal(await textOf(() => run(any(Promise.resolve(1)))), text);
    await using runner = new Runner();
    assert.equal(await textOf(() => runner.run(any(Promise.resolve(1)))), text);
    assert.equal(await textOf(() => runner.submit(any(Promise.resolve(1)))), text);
  });

  test('a task or future is refused by createTask, with the cure', async () => {
    await runVirtually(async () => {
      const task = createTask(() => sleep(0));
      assert.match(
        await textOf(() => createTask(any(task))),
        /^TypeError: a coroutine was expected, got <Task .*>: it runs already; await it, or pass it to gather\(\)/,
      );
      await task;
    });
  });

  test('what is nothing to run is refused', async () => {
    await runVirtually(async () => {
      for (const [value, shown] of [
        [5, '5'],
        ['main', "'main'"],
        [null, 'null'],
        [undefined, 'undefined'],
        [{}, '{}'],
        [[], '[]'],
      ] as const) {
        assert.equal(
          await textOf(() => createTask(any(value))),
          `TypeError: a coroutine was expected, got ${shown}`,
        );
      }
    });
    for (const value of [5, null, undefined, {}, []]) {
      assert.match(
        await textOf(() => run(any(value))),
        /^TypeError: An asyncio.Future, a coroutine or an awaitable is required, got /,
      );
    }
  });

  test('a function that gives neither promise nor generator is named', async () => {
    const text = 'TypeError: a coroutine was expected, got 5: main() gave no promise or generator';
    function main(): number {
      return 5;
    }
    assert.equal(await textOf(() => run(any(main))), text);
    await runVirtually(async () => {
      assert.equal(await textOf(() => createTask(any(main))), text);
      assert.equal(
        await textOf(() => createTask(any(() => {}))),
        'TypeError: a coroutine was expected, got undefined: <anonymous>() gave no promise or generator',
      );
    });
  });

  test('coroutine() wants a function', async () => {
    assert.equal(
      await textOf(() => coroutine(any(5))),
      'TypeError: coroutine() wants an async or generator function, got 5',
    );
  });
});

describe('a yield where yield* was meant', () => {
  async function yielding(value: () => unknown): Promise<string> {
    return await runVirtually(function* (): Gen<string> {
      currentTask()?.setName('main');
      try {
        yield any(value());
      } catch (error) {
        return String(error);
      }
      return 'nothing was thrown';
    });
  }

  test('of a number, a string, an object', async () => {
    assert.equal(await yielding(() => 5), 'RuntimeError: Task got bad yield: 5');
    assert.equal(await yielding(() => 'x'), "RuntimeError: Task got bad yield: 'x'");
    assert.equal(await yielding(() => ({})), 'RuntimeError: Task got bad yield: {}');
    assert.equal(await yielding(() => null), 'RuntimeError: Task got bad yield: null');
  });

  test('of a promise names fromPromise', async () => {
    assert.equal(
      await yielding(() => Promise.resolve(1)),
      'RuntimeError: Task got bad yield: <Promise>: write yield* fromPromise(promise)',
    );
  });

  test('of a future, task, coroutine or generator names yield*', async () => {
    const loop = (): Future<void> => getRunningLoop().createFuture<void>();
    assert.match(
      await yielding(loop),
      /^RuntimeError: yield was used instead of yield\* in task <Task pending name='main' .*> with <Future pending>$/,
    );
    assert.match(
      await yielding(() => sleep(1)),
      /^RuntimeError: yield was used instead of yield\* for generator in task <Task .*> with <coroutine object sleep>$/,
    );
    function* helper(): Gen<void> {}
    assert.match(
      await yielding(helper),
      /^RuntimeError: yield was used instead of yield\* for generator in task /,
    );
  });

  test('the coroutine can go on after it', async () => {
    const result = await runVirtually(function* (): Gen<number> {
      try {
        yield any(5);
      } catch {
        yield* sleep(1);
      }
      return getRunningLoop().time();
    });
    assert.equal(result, 1);
  });

  test('is found in a coroutine that async code awaits, too', async () => {
    const helper = coroutine(function* (): Gen<void> {
      yield any(5);
    });
    await runVirtually(async () => {
      assert.equal(await textOf(() => helper()), 'RuntimeError: Task got bad yield: 5');
    });
  });

  test('a bare yield means one turn', async () => {
    const turns = await runVirtually(function* (): Gen<number> {
      let count = 0;
      getRunningLoop().callSoon(() => count++);
      yield any(undefined);
      return count;
    });
    assert.equal(turns, 1);
  });
});

describe('outside of any loop', () => {
  const text = 'RuntimeError: no running event loop';

  test('what needs the running loop says that there is none', async () => {
    assert.equal(await textOf(() => getRunningLoop()), text);
    assert.equal(await textOf(() => createTask(async () => {})), text);
    assert.equal(await textOf(() => currentTask()), text);
    assert.equal(await textOf(() => timeout(1)), text);
    assert.equal(await textOf(() => timeout(null)), text);
    assert.equal(await textOf(() => fromPromise(Promise.resolve())), text);
  });

  test('an await of a coroutine says where it would work', async () => {
    const cure = `${text}: await it in a task (asyncio.run, createTask)`;
    await run(async () => {});
    const work = coroutine(async () => {});
    const steps = coroutine(function* () {});
    for (const make of [
      () => sleep(0),
      () => sleep(1),
      () => work(),
      () => steps(),
      () => waitFor(work, 1),
    ]) {
      assert.equal(await textOf(async () => await make()), cure);
    }
    assert.equal(await textOf(() => new TaskGroup().run(async () => {})), cure);
    assert.equal(await textOf(() => timeoutAt(5).run(async () => {})), cure);
  });

  test('what would make a task or a future says that there is no current loop', async () => {
    const noCurrent = "RuntimeError: There is no current event loop in thread 'MainThread'.";
    assert.equal(await textOf(() => getEventLoop()), noCurrent);
    assert.equal(await textOf(() => new Future()), noCurrent);
    assert.equal(await textOf(() => gather()), noCurrent);
    assert.equal(await textOf(() => gather(async () => {})), noCurrent);
    assert.equal(await textOf(() => shield(async () => {})), noCurrent);
    assert.equal(await textOf(() => ensureFuture(async () => {})), noCurrent);
    assert.equal(await textOf(() => asCompleted([async () => {}])), noCurrent);
    assert.equal(await textOf(() => new Task(async () => {})), noCurrent);
  });

  test('setEventLoop takes only loops', async () => {
    assert.equal(
      await textOf(() => setEventLoop(any(5))),
      "TypeError: loop must be an instance of AbstractEventLoop or None, not 'number'",
    );
  });

  test('with a loop that was set, futures and tasks can be made for it', async () => {
    const loop = newEventLoop();
    setEventLoop(loop);
    try {
      const both = gather([async () => 1, new Future()]);
      assert.equal(both.getLoop(), loop);
      both.cancel();
      await loop.runUntilComplete(async () => {
        await assert.rejects(async () => await both, { name: 'CancelledError' });
      });
    } finally {
      setEventLoop(null);
      loop.close();
    }
  });
});

describe('run inside of a running loop (P29, F25)', () => {
  const text = 'RuntimeError: asyncio.run() cannot be called from a running event loop';

  test('is refused, and its main does not run a line', async () => {
    let ran = false;
    const main = async (): Promise<void> => {
      ran = true;
    };
    await run(async () => {
      assert.equal(await textOf(() => run(main)), text);
      await sleep(0);
      assert.equal(await textOf(() => run(main)), text);
    });
    await run(function* () {
      const refused = run(main);
      getRunningLoop().callSoon(() => {});
      yield* ensureFuture(async () => {
        assert.equal(await textOf(() => refused), text);
      });
    });
    assert.equal(ran, false);
  });

  test('the same holds for Runner.run, runUntilComplete and runForever', async () => {
    await using runner = new Runner();
    const loop = runner.getLoop();
    const other = newEventLoop();
    await runner.run(async () => {
      assert.equal(
        await textOf(() => runner.run(async () => {})),
        'RuntimeError: Runner.run() cannot be called from a running event loop',
      );
      assert.equal(await textOf(() => loop.runForever()), 'RuntimeError: This event loop is already running');
      assert.equal(
        await textOf(() => loop.runUntilComplete(async () => {})),
        'RuntimeError: This event loop is already running',
      );
      const text = 'RuntimeError: Cannot run the event loop while another loop is running';
      assert.equal(await textOf(() => other.runForever()), text);
      assert.equal(await textOf(() => other.runUntilComplete(async () => {})), text);
      assert.equal(await textOf(() => loop.close()), 'RuntimeError: Cannot close a running event loop');
      assert.equal(getRunningLoop(), loop);
    });
    other.close();
  });
});

describe('what is no time span', () => {
  test('is refused by sleep at once, before the await', () => {
    assert.throws(() => sleep(Number.NaN), {
      name: 'RangeError',
      message: 'Invalid delay: NaN (not a number)',
    });
    assert.throws(() => sleep(any('5')), {
      name: 'TypeError',
      message: "delay must be a number of seconds or an object such as { milliseconds: 250 }, got '5'",
    });
    assert.throws(() => sleep(any(null)), { name: 'TypeError', message: 'delay must not be None' });
    assert.throws(() => sleep(any(undefined)), { name: 'TypeError', message: 'delay must not be None' });
    assert.throws(() => sleep(any(5n)), { name: 'TypeError' });
    assert.throws(() => sleep(any(new Date())), { name: 'TypeError' });
  });

  test('a wrong unit is named, with those that there are', () => {
    assert.throws(() => sleep(any({ ms: 5 })), {
      name: 'TypeError',
      message:
        "delay has no part 'ms': use hours, minutes, seconds, milliseconds, as in { milliseconds: 250 }",
    });
    assert.throws(() => sleep(any({ seconds: '5' })), { name: 'TypeError' });
    assert.throws(() => sleep({ seconds: Number.NaN }), { name: 'RangeError' });
    assert.throws(() => sleep({}), { name: 'TypeError' });
  });

  test('is refused by callLater, callAt, timeout, waitFor, wait and asCompleted', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      const nothing = (): void => {};
      assert.equal(
        await textOf(() => loop.callLater(any(null), nothing)),
        'TypeError: delay must not be None',
      );
      assert.equal(await textOf(() => loop.callAt(any(null), nothing)), 'TypeError: when cannot be None');
      assert.equal(
        await textOf(() => loop.callLater(Number.NaN, nothing)),
        'RangeError: Invalid delay: NaN (not a number)',
      );
      assert.equal(
        await textOf(() => loop.callAt(Number.NaN, nothing)),
        'RangeError: Invalid when: NaN (not a number)',
      );
      assert.match(
        await textOf(() => loop.callLater(any('5'), nothing)),
        /^TypeError: delay must be a number of seconds/,
      );
      assert.match(
        await textOf(() => loop.callAt(any('5'), nothing)),
        /^TypeError: when must be a number of seconds/,
      );
      assert.match(await textOf(() => timeout(any('5'))), /^TypeError: delay must be a number/);
      assert.match(await textOf(() => timeout(Number.NaN)), /^RangeError/);
      assert.match(await textOf(() => timeoutAt(Number.NaN)), /^RangeError/);
      assert.match(
        await textOf(() => waitFor(async () => {}, any('5'))),
        /^TypeError: timeout must be a number/,
      );
      assert.match(await textOf(() => waitFor(async () => {}, Number.NaN)), /^RangeError/);
      assert.match(
        await textOf(() => asCompleted([], { timeout: any('5') })),
        /^TypeError: (timeout|delay) must be a number/,
      );
      const task = createTask(async () => {});
      assert.match(
        await textOf(() => wait([task], { timeout: any('5') })),
        /^TypeError: (timeout|delay) must be a number/,
      );
      await timeout(null).run(async (cm) => {
        assert.match(await textOf(() => cm.reschedule(Number.NaN)), /^RangeError/);
        assert.match(await textOf(() => cm.reschedule(any('5'))), /^TypeError/);
        assert.equal(cm.when(), null);
      });
    });
  });
});

describe('a callback that is no function', () => {
  test('is refused at once by callSoon, callLater and callAt', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      for (const [value, shown] of [
        [5, '5'],
        [null, 'null'],
        [undefined, 'undefined'],
        [{}, '{}'],
      ] as const) {
        const text = (name: string): string =>
          `TypeError: a callable object was expected by ${name}(), got ${shown}`;
        assert.equal(await textOf(() => loop.callSoon(any(value))), text('callSoon'));
        assert.equal(await textOf(() => loop.callSoonThreadsafe(any(value))), text('callSoonThreadsafe'));
        assert.equal(await textOf(() => loop.callAt(1, any(value))), text('callAt'));
        assert.match(
          await textOf(() => loop.callLater(1, any(value))),
          /^TypeError: a callable object was expected by call(At|Later)\(\), got/,
        );
      }
    });
  });

  test('a coroutine, or a function whose call would do nothing, is refused', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      const text = 'TypeError: coroutines cannot be used with callSoon()';
      const work = coroutine(async () => {});
      const coro = work();
      assert.equal(await textOf(() => loop.callSoon(any(coro))), text);
      assert.equal(await textOf(() => loop.callSoon(work)), text);
      assert.equal(await textOf(() => loop.callSoon(function* () {})), text);
      await coro;
    });
  });

  test('is refused at once by addDoneCallback', async () => {
    await runVirtually(async () => {
      const future = getRunningLoop().createFuture<void>();
      for (const value of [5, null, undefined, {}, 'f']) {
        assert.match(
          await textOf(() => future.addDoneCallback(any(value))),
          /^TypeError: a callable object was expected by addDoneCallback\(\), got /,
        );
      }
    });
  });

  test('is refused by setExceptionHandler and setTaskFactory', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      assert.equal(
        await textOf(() => loop.setExceptionHandler(any(5))),
        'TypeError: A callable object or None is expected, got 5',
      );
      assert.equal(
        await textOf(() => loop.setTaskFactory(any(5))),
        'TypeError: task factory must be a callable or None',
      );
    });
  });
});

describe('a future that is done', () => {
  test('takes no second result or error', async () => {
    await runVirtually(async () => {
      const invalid = 'InvalidStateError: invalid state';
      for (const finish of [
        (future: Future<number>) => future.setResult(1),
        (future: Future<number>) => future.setException(new Error('no')),
        (future: Future<number>) => future.cancel(),
      ]) {
        const future = getRunningLoop().createFuture<number>();
        finish(future);
        assert.equal(await textOf(() => future.setResult(2)), invalid);
        assert.equal(await textOf(() => future.setException(new Error('late'))), invalid);
        assert.equal(future.cancel(), false);
      }
    });
  });

  test('has neither result nor error before', async () => {
    await runVirtually(async () => {
      const future = getRunningLoop().createFuture<number>();
      assert.equal(await textOf(() => future.result()), 'InvalidStateError: Result is not set.');
      assert.equal(await textOf(() => future.exception()), 'InvalidStateError: Exception is not set.');
    });
  });

  test('takes only errors as an error; a class is instantiated', async () => {
    await runVirtually(async () => {
      for (const value of [5, 'boom', null, undefined, {}]) {
        const future = getRunningLoop().createFuture<number>();
        assert.equal(
          (await textOf(() => future.setException(any(value)))).startsWith(
            'TypeError: invalid exception object',
          ),
          true,
        );
        assert.equal(future.done(), false);
      }
      const future = getRunningLoop().createFuture<number>();
      future.setException(RangeError);
      assert.ok(future.exception() instanceof RangeError);
    });
  });

  test('a class that makes no error is refused, and leaves the future as it was', async () => {
    await runVirtually(async () => {
      const future = getRunningLoop().createFuture<number>();
      assert.match(await textOf(() => future.setException(any(Map))), /^TypeError: invalid exception object/);
      assert.match(await textOf(() => future.setException(any(() => {}))), /^TypeError/);
      assert.equal(future.done(), false);
    });
  });

  test('a task takes none at all', async () => {
    await runVirtually(async () => {
      const task = createTask(async () => 1);
      assert.equal(
        await textOf(() => task.setResult(1)),
        'RuntimeError: Task does not support setResult operation',
      );
      assert.equal(
        await textOf(() => task.setException(new Error())),
        'RuntimeError: Task does not support setException operation',
      );
      await task;
    });
  });
});

describe('a loop or runner that is closed', () => {
  test('refuses everything', async () => {
    const loop = newEventLoop();
    loop.close();
    loop.close();
    const closed = 'RuntimeError: Event loop is closed';
    assert.equal(await textOf(() => loop.callSoon(() => {})), closed);
    assert.equal(await textOf(() => loop.callSoonThreadsafe(() => {})), closed);
    assert.equal(await textOf(() => loop.callLater(1, () => {})), closed);
    assert.equal(await textOf(() => loop.callAt(1, () => {})), closed);
    assert.equal(await textOf(() => loop.createTask(async () => {})), closed);
    assert.equal(await textOf(() => loop.runForever()), closed);
    assert.equal(await textOf(() => loop.runUntilComplete(async () => {})), closed);
    assert.equal(loop.isClosed(), true);
  });

  test('a runner refuses run, submit and getLoop', async () => {
    const runner = new Runner();
    await runner.run(async () => {});
    await runner.close();
    await runner.close();
    const closed = 'RuntimeError: Runner is closed';
    assert.equal(await textOf(() => runner.run(async () => {})), closed);
    assert.equal(await textOf(() => runner.submit(async () => {})), closed);
    assert.equal(await textOf(() => runner.getLoop()), closed);
  });

  test('a runner that was never used is not closed by close', async () => {
    const runner = new Runner();
    await runner.close();
    assert.equal(await runner.run(async () => 5), 5);
    await runner.close();
  });

  test('a coroutine that a closed loop refuses is not reported as forgotten', async () => {
    const log = await logOf(async () => {
      const loop = newEventLoop();
      loop.close();
      const work = coroutine(async () => {});
      await errorOf(() => loop.runUntilComplete(work()));
      await run(async () => {});
    });
    assert.deepEqual(log.filter((line) => line.includes('work')).length <= 1, true);
  });
});

describe('a group or timeout used at the wrong time (P29)', () => {
  test('a group refuses tasks before and after its body, and closes their coroutines (P26)', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        const work = coroutine(async () => {});
        const tg = new TaskGroup();
        assert.equal(
          await textOf(() => tg.createTask(work())),
          'RuntimeError: TaskGroup <TaskGroup> has not been entered',
        );
        assert.equal(
          await textOf(() => tg.signal),
          'RuntimeError: TaskGroup <TaskGroup> has not been entered',
        );
        await tg.run(async () => {});
        assert.equal(
          await textOf(() => tg.createTask(work())),
          'RuntimeError: TaskGroup <TaskGroup entered> is finished',
        );
        const failing = new TaskGroup();
        await errorOf(() =>
          failing.run(async () => {
            failing.createTask(async () => {
              throw new Error('boom');
            });
            failing.createTask(async () => {
              try {
                await sleep(1);
              } finally {
                assert.match(
                  await textOf(() => failing.createTask(work())),
                  /^RuntimeError: TaskGroup <TaskGroup tasks=1 errors=1 cancelling> is shutting down$/,
                );
              }
            });
          }),
        );
        assert.equal(
          await textOf(() => failing.createTask(work())),
          'RuntimeError: TaskGroup <TaskGroup cancelling> is finished',
        );
      }),
    );
    assert.deepEqual(log, []);
  });

  test('a generator that a group refuses is closed, and gives no warning', async () => {
    await runVirtually(async () => {
      function* body(): Gen<void> {}
      const generator = body();
      await errorOf(() => new TaskGroup().createTask(generator));
      assert.deepEqual(generator.next(), { value: undefined, done: true });
    });
  });

  test('a group is entered once', async () => {
    await runVirtually(async () => {
      const tg = new TaskGroup();
      await tg.run(async () => {
        assert.equal(
          await textOf(() => tg.run(async () => {})),
          'RuntimeError: TaskGroup <TaskGroup entered> has already been entered',
        );
        // The refused one has not spoilt the first.
        tg.createTask(async () => {});
      });
      assert.equal(
        await textOf(() => tg.run(async () => {})),
        'RuntimeError: TaskGroup <TaskGroup entered> has already been entered',
      );
    });
  });

  test('a timeout is entered once, and moved only while it is active', async () => {
    await runVirtually(async () => {
      const cm = timeout(1);
      assert.equal(await textOf(() => cm.reschedule(2)), 'RuntimeError: Timeout has not been entered');
      assert.equal(await textOf(() => cm.signal), 'RuntimeError: Timeout has not been entered');
      await cm.run(async () => {
        assert.equal(
          await textOf(() => cm.run(async () => {})),
          'RuntimeError: Timeout has already been entered',
        );
      });
      assert.equal(
        await textOf(() => cm.run(async () => {})),
        'RuntimeError: Timeout has already been entered',
      );
      assert.equal(
        await textOf(() => cm.reschedule(2)),
        'RuntimeError: Cannot change state of finished Timeout',
      );
      const late = timeout(1);
      await errorOf(() =>
        late.run(async () => {
          try {
            await sleep(2);
          } finally {
            assert.equal(
              await textOf(() => late.reschedule(5)),
              'RuntimeError: Cannot change state of expiring Timeout',
            );
          }
        }),
      );
      assert.equal(
        await textOf(() => late.reschedule(2)),
        'RuntimeError: Cannot change state of expired Timeout',
      );
    });
  });

  test('a body that is no function is refused, with what was expected', async () => {
    await runVirtually(async () => {
      for (const value of [5, null, undefined, sleep(0), Promise.resolve()]) {
        assert.match(await textOf(() => new TaskGroup().run(any(value))), /^TypeError: .*function.*, got /);
        assert.match(await textOf(() => timeout(1).run(any(value))), /^TypeError: .*function.*, got /);
      }
    });
  });

  test('a limit that is no number of at least 1 is refused', async () => {
    for (const limit of [0, -1, Number.NaN, '2', {}]) {
      assert.match(
        await textOf(() => new TaskGroup({ limit: any(limit) })),
        /^(RangeError|TypeError): limit must be at least 1 or null, got /,
      );
    }
    new TaskGroup({ limit: null });
    new TaskGroup({ limit: 1 });
  });
});

describe('wait, asCompleted and gather of the wrong things', () => {
  test('wait wants an iterable of futures', async () => {
    await runVirtually(async () => {
      const work = coroutine(async () => {});
      const task = createTask(work());
      assert.equal(
        await textOf(() => wait(any(task))),
        'TypeError: expect a list of futures, not Task: wait([a, b])',
      );
      const coro = work();
      assert.match(await textOf(() => wait(any(coro))), /^TypeError: expect a list of futures, not /);
      const forbidden = 'TypeError: Passing coroutines is forbidden, use tasks explicitly.';
      assert.equal(await textOf(() => wait(any([coro]))), forbidden);
      assert.equal(await textOf(() => wait(any([task, async () => {}]))), forbidden);
      await coro;
      assert.equal(await textOf(() => wait([])), 'RangeError: Set of Tasks/Futures is empty.');
      assert.equal(
        await textOf(() => wait(new Set<Future<void>>())),
        'RangeError: Set of Tasks/Futures is empty.',
      );
      assert.equal(
        await textOf(() => wait([][Symbol.iterator]())),
        'AssertionError: Set of Futures is empty.',
      );
      assert.equal(
        await textOf(() => wait([task], { returnWhen: any('LAST') })),
        'RangeError: Invalid returnWhen value: LAST',
      );
      assert.match(await textOf(() => wait(any(5))), /^TypeError: /);
      assert.match(await textOf(() => wait(any(null))), /^TypeError: /);
      assert.match(
        await textOf(() => wait(any([5]))),
        /^TypeError: An asyncio.Future, a coroutine or an awaitable is required, got 5/,
      );
    });
  });

  test('asCompleted wants an iterable, no single awaitable', async () => {
    await runVirtually(async () => {
      const work = coroutine(async () => {});
      const coro = work();
      const task = createTask(work());
      const text = 'TypeError: expects an iterable of awaitables, not';
      assert.equal(await textOf(() => asCompleted(any(coro))), `${text} coroutine: asCompleted([a, b])`);
      assert.equal(await textOf(() => asCompleted(any(task))), `${text} Task: asCompleted([a, b])`);
      assert.equal(
        await textOf(() => asCompleted(any(Promise.resolve()))),
        `${text} Promise: asCompleted([a, b])`,
      );
      assert.match(await textOf(() => asCompleted(any(5))), /^TypeError: .*5/);
      assert.match(await textOf(() => asCompleted(any(null))), /^TypeError: .*null/);
      await gather(coro, task);
    });
  });

  test('gather names what it cannot wait for', async () => {
    await runVirtually(async () => {
      const text = 'TypeError: An asyncio.Future, a coroutine or an awaitable is required, got';
      for (const [value, shown] of [
        [5, '5'],
        ['x', "'x'"],
        [null, 'null'],
        [undefined, 'undefined'],
        [{}, '{}'],
        [Symbol('s'), 'Symbol(s)'],
      ] as const) {
        assert.equal(await textOf(() => gather(any(value))), `${text} ${shown}`);
        assert.equal(await textOf(() => gather([any(value)])), `${text} ${shown}`);
        assert.equal(await textOf(() => shield(any(value))), `${text} ${shown}`);
        assert.equal(await textOf(() => waitFor(any(value), 1)), `${text} ${shown}`);
        assert.equal(await textOf(() => ensureFuture(any(value))), `${text} ${shown}`);
      }
      assert.match(await textOf(() => gather(any(new Set([async () => {}])))), /got Set/);
    });
  });

  test('gather does not take a second array for its options', async () => {
    await runVirtually(async () => {
      const future = getRunningLoop().createFuture<void>();
      assert.match(await textOf(() => gather([future], any([future]))), /^TypeError: /);
    });
  });

  test('futures of another loop are refused', async () => {
    const other = newEventLoop();
    const foreign = other.createFuture<void>();
    const text =
      'RangeError: The future belongs to a different loop than the one specified as the loop argument';
    await runVirtually(async () => {
      assert.equal(
        await textOf(() =>
          gather(
            foreign,
            createTask(async () => {}),
          ),
        ),
        text,
      );
      assert.equal(await textOf(() => ensureFuture(foreign, { loop: getRunningLoop() })), text);
      assert.match(
        await textOf(async () => await foreign),
        /^RuntimeError: Task <Task .*> got Future <Future pending> attached to a different loop$/,
      );
    });
    await runVirtually(function* () {
      let text = '';
      try {
        yield* foreign;
      } catch (error) {
        text = String(error);
      }
      assert.match(
        text,
        /^RuntimeError: Task <Task .*> got Future <Future pending> attached to a different loop$/,
      );
    });
    other.close();
  });

  test('a task cannot await itself', async () => {
    await runVirtually(async () => {
      const self = currentTask() as Task<void>;
      assert.match(
        await textOf(async () => await self),
        /^RuntimeError: Task cannot await on itself: <Task /,
      );
    });
    await runVirtually(function* () {
      const self = currentTask() as Task<void>;
      let text = '';
      try {
        yield* self;
      } catch (error) {
        text = String(error);
      }
      assert.match(text, /^RuntimeError: Task cannot await on itself: <Task /);
    });
  });
});

describe('context variables used wrongly', () => {
  test('a name that is no string', async () => {
    assert.equal(
      await textOf(() => new ContextVar(any(5))),
      'TypeError: context variable name must be a str, got 5',
    );
  });

  test('no value at all names the variable', async () => {
    const variable = new ContextVar<number>('request');
    assert.match(await textOf(() => variable.get()), /^LookupError: <ContextVar name='request'/);
  });

  test('a token used twice, for another variable, in another context', async () => {
    const variable = new ContextVar<number>('a', { default: 0 });
    const other = new ContextVar<number>('b');
    copyContext().run(() => {
      const token = variable.set(1);
      assert.throws(() => other.reset(any(token)), {
        name: 'RangeError',
        message: /^<Token var=<ContextVar name='a'.*>> was created by a different ContextVar$/,
      });
      copyContext().run(() => {
        assert.throws(() => variable.reset(token), {
          name: 'RangeError',
          message: /^<Token var=<ContextVar name='a'.*>> was created in a different Context$/,
        });
      });
      variable.reset(token);
      assert.throws(() => variable.reset(token), {
        name: 'RuntimeError',
        message: /^<Token used var=<ContextVar name='a'.*>> has already been used once$/,
      });
      assert.throws(() => variable.reset(any(5)), { name: 'TypeError', message: /Token.*5/ });
    });
  });

  test('a context entered twice', () => {
    const context = new Context();
    context.run(() => {
      assert.throws(() => context.run(() => {}), {
        name: 'RuntimeError',
        message: /^cannot enter context: <Context object.*> is already entered$/,
      });
    });
    context.run(() => {});
  });

  test('Context.run and bind want a function', async () => {
    assert.match(await textOf(() => new Context().run(any(5))), /^TypeError/);
    assert.match(await textOf(() => new Context().bind(any(5))), /^TypeError/);
  });
});
