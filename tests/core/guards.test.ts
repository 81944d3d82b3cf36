/** What `acquire` gives, and what it releases. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Condition, createTask, Lock, run, Semaphore, sleep } from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';

const virtual = { loopFactory: () => new VirtualEventLoop() };

describe('Guard', () => {
  it('of a lock releases one acquisition and no later one', async () => {
    await run(async () => {
      const lock = new Lock();
      const first = await lock.acquire();
      first.release();
      using second = await lock.acquire();
      first.release();
      assert(lock.locked(), 'the first guard is spent');
      lock.release();
      second.release();
      assert(!lock.locked());
    }, virtual);
  });

  it('of a semaphore gives one permit back, once', async () => {
    await run(async () => {
      const semaphore = new Semaphore(2);
      const guard = await semaphore.acquire();
      guard.release();
      guard.release();
      assert.equal(semaphore.value, 2);
    }, virtual);
  });

  it('of a condition releases the lock after a wait, which had given it up', async () => {
    await run(async () => {
      const condition = new Condition();
      createTask(() => condition.run(() => condition.notify()));
      {
        using _held = await condition.acquire();
        await condition.wait();
        assert(condition.locked());
      }
      assert(!condition.locked());
    }, virtual);
  });

  it('of a condition releases the lock after a wait that was cancelled', async () => {
    await run(async () => {
      const condition = new Condition();
      const task = createTask(async () => {
        using _held = await condition.acquire();
        await condition.wait();
      });
      await sleep(1);
      task.cancel();
      await assert.rejects(async () => await task, { name: 'CancelledError' });
      assert(!condition.locked());
    }, virtual);
  });

  it('of a condition does nothing while its holder waits', async () => {
    await run(async () => {
      const condition = new Condition();
      const guard = await condition.acquire();
      createTask(async () => {
        using _other = await condition.acquire();
        guard.release();
        assert(condition.locked(), 'another one has it now');
        condition.notify();
      });
      await condition.wait();
      assert(condition.locked());
      guard.release();
      assert(!condition.locked());
    }, virtual);
  });
});
