/** Cancellation that travels through Node's own functions, and promises that are refused. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  asCompleted,
  CancelledError,
  createTask,
  currentTask,
  ExceptionGroup,
  fromPromise,
  run,
  Runner,
  sleep,
  TaskGroup,
  TimeoutError,
  timeout,
} from 'asyncio-ts';
import '../support/leaks.ts';

describe("the AbortError of Node's functions, of which a CancelledError is the cause,", () => {
  test('becomes the TimeoutError of the timeout whose signal it was', async () => {
    await run(async () => {
      await assert.rejects(
        async () => await timeout(0.01).run((cm) => once(new EventEmitter(), 'never', { signal: cm.signal })),
        TimeoutError,
      );
    });
  });

  test('ends a task as cancelled', async () => {
    await run(async () => {
      const task = createTask(async () => {
        const { signal } = currentTask() as NonNullable<ReturnType<typeof currentTask>>;
        await delay(60_000, null, { signal });
      });
      await sleep(0);
      task.cancel('enough');
      await assert.rejects(async () => await task, { name: 'CancelledError', message: 'enough' });
      assert.equal(task.cancelled(), true);
    });
  });

  test('is no error of a group', async () => {
    await run(async () => {
      const failing = new TaskGroup().run(async (tg) => {
        tg.createTask(() => delay(60_000, null, { signal: tg.signal }));
        tg.createTask(async () => {
          throw new RangeError('the only one');
        });
      });
      await assert.rejects(
        async () => await failing,
        (error) => error instanceof ExceptionGroup && String(error.exceptions) === 'RangeError: the only one',
      );
    });
  });

  test('comes out of fromPromise as the CancelledError', async () => {
    await run(async () => {
      const task = createTask(function* () {
        yield* fromPromise((signal) => delay(60_000, null, { signal }));
      });
      await sleep(0);
      task.cancel();
      await assert.rejects(async () => await task, CancelledError);
    });
  });
});

describe('a promise that is refused', () => {
  test('does not end the process by what becomes of it', async () => {
    const failing = async (): Promise<void> => {
      await null;
      throw new Error('of its own');
    };
    const refused = { name: 'TypeError', message: /runs already/ };
    await assert.rejects(async () => await run(failing() as never), refused);
    await run(async () => {
      assert.throws(() => createTask(failing() as never), refused);
      await sleep(0);
    });
    const runner = new Runner();
    await assert.rejects(runner.submit(failing() as never), refused);
    await runner.close();
  });
});

test('one signal may end any number of tasks, without a warning', async () => {
  const controller = new AbortController();
  await run(async () => {
    const tasks = Array.from({ length: 50 }, () =>
      createTask(() => sleep(60), { signal: controller.signal }),
    );
    await sleep(0);
    controller.abort();
    let cancelled = 0;
    for await (const task of asCompleted(tasks)) if (task.cancelled()) cancelled++;
    assert.equal(cancelled, 50);
  });
});
