import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Barrier,
  Condition,
  coroutine,
  createTask,
  Lock,
  Queue,
  Semaphore,
  sleep,
  type Task,
  timeout,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { logOf, runProgram, runVirtually } from '../support/programs.ts';

describe('what is forgotten or swallowed is warned about', () => {
  test('a coroutine that nobody awaited, by name, once', async () => {
    const fetchPage = coroutine(async function fetchPage() {});
    const steps = coroutine(function* steps() {});
    const log = await logOf(() =>
      runVirtually(async () => {
        fetchPage();
        steps();
        sleep(1);
        waitFor(sleep(0), 1);
        const kept = fetchPage();
        await kept;
        fetchPage().close();
        createTask(fetchPage());
      }),
    );
    assert.deepEqual(log, [
      "warning: RuntimeWarning: coroutine 'fetchPage' was never awaited",
      "warning: RuntimeWarning: coroutine 'steps' was never awaited",
      "warning: RuntimeWarning: coroutine 'sleep' was never awaited",
      "warning: RuntimeWarning: coroutine 'waitFor' was never awaited",
    ]);
  });

  test('with the class of a method', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        const [condition, barrier] = [new Condition(), new Barrier(2)];
        const coroutines = [
          new Lock().run(() => {}),
          condition.run(() => {}),
          condition.wait(),
          condition.waitFor(() => true),
          new Semaphore().run(() => {}),
          barrier.wait(),
          barrier.run(() => {}),
          barrier.reset(),
          barrier.abort(),
          new Queue().get(),
          new Queue().join(),
        ];
        assert.equal(String(coroutines[0]), '<coroutine object Lock.run>');
      }),
    );
    const names = log.map((line) => line.split("'")[1]);
    assert.deepEqual(names, [
      'Lock.run',
      'Condition.run',
      'Condition.wait',
      'Condition.waitFor',
      'Semaphore.run',
      'Barrier.wait',
      'Barrier.run',
      'Barrier.reset',
      'Barrier.abort',
      'Queue.get',
      'Queue.join',
    ]);
  });

  test('with the place of its creation in debug mode, and not in production', async () => {
    const code = `
      import { run, coroutine } from 'asyncio-ts';
      const work = coroutine(async function work() {});
      await run(async () => { work(); }, { debug: process.argv.includes('debug') || process.env.DEBUGGING === '1' });
    `;
    const debug = await runProgram(code, { env: { DEBUGGING: '1' } });
    assert.match(
      debug.stderr,
      /^RuntimeWarning: coroutine 'work' was never awaited\nCoroutine created at \(most recent call last\)\n {2}File ".*eval1.*", line \d+, in /m,
    );
    const production = await runProgram(code, { env: { NODE_ENV: 'production' } });
    assert.equal(production.stderr, '');
    const development = await runProgram(code);
    assert.equal(development.stderr, "RuntimeWarning: coroutine 'work' was never awaited\n");
  });

  test('a swallowed cancellation, once for each place of the request', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        const tasks = Array.from({ length: 3 }, (_, i) =>
          createTask(
            async () => {
              try {
                await sleep(10);
              } catch {}
              return 'value';
            },
            { name: `swallows-${i}` },
          ),
        );
        await sleep(1);
        for (const task of tasks) task.cancel();
        for (const task of tasks) assert.equal(await task, 'value');
      }),
    );
    assert.equal(log.length, 1);
    assert.match(
      log[0] ?? '',
      /^warning: Task 'swallows-0' was cancelled \(requested at .*warnings\.test\.\w+:\d+\) but ended with a value: /,
    );
  });

  test('a swallowed timeout', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        const cm = timeout(1);
        await cm.run(async () => {
          try {
            await sleep(10);
          } catch {}
        });
        assert.equal(cm.expired(), true);
      }),
    );
    assert.equal(log.length, 1);
    assert.match(log[0] ?? '', /^warning: the body of a timeout was cancelled.* but ended with a value: /);
  });

  test('but not one that was taken back, and not in production', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        const task: Task<string> = createTask(async () => {
          try {
            await sleep(10);
          } catch {
            task.uncancel();
          }
          return 'value';
        });
        await sleep(1);
        task.cancel();
        assert.equal(await task, 'value');
      }),
    );
    assert.deepEqual(log, []);
    const { stderr } = await runProgram(
      `
      await asyncio.run(async () => {
        const task = asyncio.createTask(async () => { try { await asyncio.sleep(10); } catch {} });
        await asyncio.sleep(0);
        await asyncio.sleep(0);
        task.cancel();
        await task;
      });
    `,
      { env: { NODE_ENV: 'production' } },
    );
    assert.equal(stderr, '');
  });
});
