/** Operations of locks and queues as promise code uses them: they go through at once, or wait, and chain alike. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ContextVar, currentTask, Lock, Queue, QueueShutDown, run, RuntimeError, sleep } from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf } from '../support/programs.ts';

/** Calls `then` as promise code does, and gives what its promise comes to. */
async function chained(operation: PromiseLike<unknown>, onResult: (value: any) => unknown): Promise<unknown> {
  const after = operation.then(onResult, (error: unknown) => Promise.reject(error));
  return await new Promise((resolve, reject) => after.then(resolve, reject));
}

/** Both ways through a gate: an item that is there, and one that comes later. */
async function both(check: (get: () => PromiseLike<string>) => Promise<void>): Promise<void> {
  await run(async () => {
    const queue = new Queue<string>();
    await check(() => {
      queue.putNowait('item');
      return queue.get();
    });
    await check(() => {
      const operation = queue.get();
      queueMicrotask(() => queue.putNowait('item'));
      return operation;
    });
  });
}

describe('then of an operation', () => {
  test('chains what the callback returns', () =>
    both(async (get) => {
      assert.equal(await chained(get(), (item) => `${item}!`), 'item!');
      assert.equal(await chained(get(), () => undefined), undefined);
      assert.equal(await chained(get(), (item) => Promise.resolve(`${item}, later`)), 'item, later');
    }));

  test('rejects with what the callback throws', () =>
    both(async (get) => {
      const fail = () => {
        throw new RangeError('in the callback');
      };
      assert.equal(await errorOf(() => chained(get(), fail)).then(String), 'RangeError: in the callback');
    }));

  test('calls the second callback with the error', () =>
    run(async () => {
      const queue = new Queue<string>();
      queue.shutdown();
      const caught = queue.get().then(
        () => 'no error',
        (error: unknown) => error,
      );
      assert.ok((await caught) instanceof QueueShutDown);
    }));

  test('gives what has catch and finally', () =>
    run(async () => {
      const chain = new Lock().acquire().then(
        () => {},
        () => {},
      ) as Promise<void>;
      let ended = false;
      assert.equal(await chain.catch(() => 'caught'), undefined);
      await chain.finally(() => {
        ended = true;
      });
      assert.ok(ended);
    }));

  test('takes one callback, too', () =>
    both(async (get) => {
      assert.equal(await get().then((item) => item.length), 4);
      assert.equal(await get().then(), 'item');
    }));

  test('is for one use', () =>
    run(async () => {
      const operation = new Lock().acquire();
      await operation;
      const error = await errorOf(async () => await operation);
      assert.ok(error instanceof RuntimeError);
      assert.equal(error.message, 'cannot reuse already awaited coroutine');
    }));
});

test('a hook of a queue runs as code of the task that puts', async () => {
  const variable = new ContextVar('variable', { default: 'none' });
  const seen: string[] = [];
  class Watched extends Queue<string> {
    protected override _put(item: string): void {
      seen.push(`${item}: ${currentTask()?.getName()}, ${variable.get()}`);
      super._put(item);
    }
  }
  await run(async () => {
    const queue = new Watched(1);
    currentTask()?.setName('main');
    variable.set('set');
    await queue.put('at once');
    await Promise.all([queue.put('waits'), sleep(0).then(() => queue.getNowait())]);
  });
  assert.deepEqual(seen, ['at once: main, set', 'waits: main, set']);
});
