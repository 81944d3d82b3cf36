import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  BoundedSemaphore,
  Condition,
  createTask,
  fromPromise,
  type Guard,
  Lock,
  Semaphore,
  sleep,
  type Task,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { runVirtually } from '../support/programs.ts';
import { inBothStyles, on, thrownBy, turns } from '../support/styles.ts';

/** Everything that is held and released. */
const held = [Lock, Condition, Semaphore, BoundedSemaphore];

describe('Guard', () => {
  for (const Held of held) {
    test(`of a ${Held.name} releases at the end of a using block, also when it throws`, async () => {
      await runVirtually(async () => {
        const primitive = new Held();
        {
          using guard = await primitive.acquire();
          assert.ok(guard);
          assert.equal(primitive.locked(), true);
        }
        assert.equal(primitive.locked(), false);
        await assert.rejects(async () => {
          using _ = await primitive.acquire();
          throw new RangeError('boom');
        }, /boom/);
        assert.equal(primitive.locked(), false);
      });
    });

    test(`of a ${Held.name} works with using in generators`, async () => {
      await runVirtually(function* () {
        const primitive = new Held();
        {
          using _ = yield* primitive.acquire();
          if (!primitive.locked()) throw new Error('not held');
          yield* sleep(1);
        }
        if (primitive.locked()) throw new Error('still held');
      });
    });

    inBothStyles(`of a ${Held.name} releases once, however often it is asked`, function* () {
      const primitive = new Held();
      const guard = yield* on(primitive.acquire());
      guard.release();
      guard.release();
      guard[Symbol.dispose]();
      assert.equal(primitive.locked(), false);
      yield* on(primitive.acquire());
      assert.equal(primitive.locked(), true);
      guard.release();
      assert.equal(primitive.locked(), true);
    });
  }

  inBothStyles('of a Lock is stale after any release, and never ends a later acquisition', function* (style) {
    const lock = new Lock();
    const stale = yield* on(lock.acquire());
    lock.release();
    const current = yield* on(lock.acquire());
    stale.release();
    assert.equal(lock.locked(), true);
    const waiting = style.task(() => on(lock.acquire()));
    yield* turns();
    current.release();
    // On the way to the one who waits.
    current.release();
    stale.release();
    yield* turns();
    assert.ok(waiting.result());
    current.release();
    assert.equal(lock.locked(), true);
    waiting.result().release();
    assert.equal(lock.locked(), false);
  });

  inBothStyles('of a Semaphore gives back its own permit, whichever other was given back', function* () {
    const semaphore = new Semaphore(2);
    const [a, b] = [yield* on(semaphore.acquire()), yield* on(semaphore.acquire())];
    a.release();
    a.release();
    assert.equal(semaphore.value, 1);
    b.release();
    assert.equal(semaphore.value, 2);
  });

  test('of a BoundedSemaphore complains if its permit was given back behind its back', async () => {
    await runVirtually(async () => {
      const semaphore = new BoundedSemaphore(1);
      const guard = await semaphore.acquire();
      semaphore.release();
      assert.throws(() => guard.release(), { message: 'BoundedSemaphore released too many times' });
      guard.release();
      assert.equal(semaphore.value, 1);
    });
  });

  inBothStyles('is given to one who waited, too', function* (style) {
    for (const Held of held) {
      const primitive = new Held();
      const first = yield* on(primitive.acquire());
      const second: Task<Guard> = style.task(() => on(primitive.acquire()));
      yield* turns();
      first.release();
      yield* turns();
      assert.equal(primitive.locked(), true);
      second.result()[Symbol.dispose]();
      assert.equal(primitive.locked(), false);
    }
  });
});

describe('run', () => {
  for (const Held of held) {
    inBothStyles(`of a ${Held.name} holds it while the body runs, and gives its value`, function* (style) {
      const primitive = new Held();
      const value = yield* on(
        primitive.run(
          style.fn(function* () {
            assert.equal(primitive.locked(), true);
            yield* on(sleep(1));
            assert.equal(primitive.locked(), true);
            return 'value';
          }),
        ),
      );
      assert.equal(value, 'value');
      assert.equal(primitive.locked(), false);
      // A plain function.
      assert.equal(yield* on(primitive.run(() => primitive.locked())), true);
      assert.equal(primitive.locked(), false);
      // One that gives a coroutine, a task, a promise.
      assert.equal(yield* on(primitive.run(() => sleep(1, 'slept'))), 'slept');
      assert.equal(yield* on(primitive.run(() => createTask(() => sleep(1, 'task')))), 'task');
      assert.equal(yield* on(primitive.run(() => Promise.resolve('promise'))), 'promise');
      assert.equal(primitive.locked(), false);
    });

    inBothStyles(`of a ${Held.name} releases when the body throws`, function* (style) {
      const primitive = new Held();
      const fail = (): never => {
        throw new RangeError('boom');
      };
      const late = style.fn(function* () {
        yield* on(sleep(1));
        fail();
      });
      for (const body of [fail, late, () => Promise.reject(new RangeError('boom'))]) {
        assert.equal(yield* thrownBy(primitive.run(body)), 'RangeError: boom');
        assert.equal(primitive.locked(), false);
      }
    });

    inBothStyles(`of a ${Held.name} releases when it is cancelled in the body or in line`, function* (style) {
      const primitive = new Held();
      const holder = style.task(() => on(primitive.run(style.fn(() => on(sleep(9))))));
      const waiting = style.task(() => on(primitive.run(() => assert.fail('it was cancelled'))));
      yield* turns();
      waiting.cancel();
      yield* turns();
      assert.equal(waiting.cancelled(), true);
      assert.equal(primitive.locked(), true);
      holder.cancel();
      yield* turns(2);
      assert.equal(holder.cancelled(), true);
      assert.equal(primitive.locked(), false);
    });

    test(`of a ${Held.name} refuses at the call what is no function`, async () => {
      await runVirtually(async () => {
        const primitive = new Held();
        const promise = Promise.resolve();
        assert.throws(() => primitive.run(promise as unknown as () => void), {
          name: 'TypeError',
          message: /\.run\(\) wants a function, got <Promise>: write run\(async \(\) => \{ \.\.\. \}\)$/,
        });
        assert.equal(primitive.locked(), false);
      });
    });
  }

  test('holds a lock until an async body has really ended, even if it is deaf to its cancellation', async () => {
    await runVirtually(async () => {
      const lock = new Lock();
      let hasEnded = false;
      const holder = createTask(async () => {
        await lock.run(async () => {
          // A foreign promise cannot be interrupted.
          await new Promise((resolve) => setTimeout(resolve, 20));
          hasEnded = true;
          await sleep(0);
        });
      });
      await sleep(0);
      holder.cancel();
      await sleep(0);
      assert.equal(lock.locked(), true);
      while (!holder.done()) await fromPromise(new Promise((resolve) => setTimeout(resolve, 1)));
      assert.equal(hasEnded, true);
      assert.equal(holder.cancelled(), true);
      assert.equal(lock.locked(), false);
    });
  });

  inBothStyles('lets one in after the other', function* (style) {
    const lock = new Lock();
    let inside = 0;
    let most = 0;
    const tasks = Array.from({ length: 20 }, () =>
      style.task(() =>
        on(
          lock.run(
            style.fn(function* () {
              most = Math.max(most, ++inside);
              yield* on(sleep(0.1));
              inside--;
            }),
          ),
        ),
      ),
    );
    for (const task of tasks) yield* on(task);
    assert.equal(most, 1);
  });

  inBothStyles('under a limit: the lock is free again when the limit struck', function* (style) {
    const lock = new Lock();
    assert.equal(yield* thrownBy(waitFor(lock.run(style.fn(() => on(sleep(9)))), 1)), 'TimeoutError');
    assert.equal(lock.locked(), false);
  });

  inBothStyles('of a lock that the body released by itself complains', function* () {
    const lock = new Lock();
    assert.equal(yield* thrownBy(lock.run(() => lock.release())), 'RuntimeError: Lock is not acquired.');
  });
});

describe('Guard of a condition', () => {
  test('releases the lock after a wait, which had given it up', async () => {
    await runVirtually(async () => {
      const condition = new Condition();
      createTask(() => condition.run(() => condition.notify()));
      {
        using _held = await condition.acquire();
        await condition.wait();
        assert.ok(condition.locked());
      }
      assert.ok(!condition.locked());
    });
  });

  test('releases the lock after a wait that was cancelled', async () => {
    await runVirtually(async () => {
      const condition = new Condition();
      const task = createTask(async () => {
        using _held = await condition.acquire();
        await condition.wait();
      });
      await sleep(1);
      task.cancel();
      await assert.rejects(async () => await task, { name: 'CancelledError' });
      assert.ok(!condition.locked());
    });
  });

  test('does nothing while its holder waits', async () => {
    await runVirtually(async () => {
      const condition = new Condition();
      const guard = await condition.acquire();
      createTask(async () => {
        using _other = await condition.acquire();
        guard.release();
        assert.ok(condition.locked(), 'another one has it now');
        condition.notify();
      });
      await condition.wait();
      assert.ok(condition.locked());
      guard.release();
      assert.ok(!condition.locked());
    });
  });
});
