import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CancelledError,
  Condition,
  coroutine,
  createTask,
  getRunningLoop,
  Lock,
  sleep,
  type Task,
  timeout,
  waitFor,
} from 'asyncio-ts';
import { Random } from '../conformance/random.ts';
import '../support/leaks.ts';
import { runVirtually, textOf } from '../support/programs.ts';
import { inBothStyles, on, type Steps, type Style, thrownBy, turns } from '../support/styles.ts';

/** Tasks that take the condition, wait for it and say so, and keep the lock if `keep` says so. */
function waiters(
  style: Style,
  condition: Condition,
  order: string[],
  names: string[],
  keep = false,
): Task<void>[] {
  return names.map((name) =>
    style.task(function* () {
      yield* on(condition.acquire());
      try {
        assert.equal(yield* on(condition.wait()), true);
        order.push(name);
      } finally {
        assert.equal(condition.locked(), true);
        if (!keep) condition.release();
      }
    }, name),
  );
}

/** Notify as somebody who holds the lock meanwhile. */
function* notify(condition: Condition, n: number): Steps<void> {
  yield* on(condition.acquire());
  condition.notify(n);
  condition.release();
}

describe('Condition', () => {
  test('tells its state and who waits', async () => {
    await runVirtually(async () => {
      const condition = new Condition();
      assert.equal(String(condition), '<Condition [unlocked]>');
      const waiting = [1, 2].map(() => condition.run(() => condition.wait()).toPromise());
      assert.equal(String(condition), '<Condition [unlocked, waiters:2]>');
      await condition.run(() => {
        assert.equal(String(condition), '<Condition [locked, waiters:2]>');
        condition.notifyAll();
      });
      await Promise.all(waiting);
      assert.equal(String(condition), '<Condition [unlocked]>');
    });
  });

  inBothStyles('one who is notified goes on when it gets the lock, in order', function* (style) {
    const condition = new Condition();
    const order: string[] = [];
    const tasks = waiters(style, condition, order, ['a', 'b', 'c'], true);
    yield* turns();
    assert.deepEqual(order, []);
    assert.equal(condition.locked(), false);

    yield* on(condition.acquire());
    condition.notify();
    yield* turns();
    assert.deepEqual(order, []);
    assert.equal(condition.locked(), true);

    condition.release();
    yield* turns();
    assert.deepEqual(order, ['a']);
    assert.equal(condition.locked(), true);

    condition.notify(2);
    yield* turns();
    assert.deepEqual(order, ['a']);

    condition.release();
    yield* turns();
    assert.deepEqual(order, ['a', 'b']);
    condition.release();
    yield* turns();
    assert.deepEqual(order, ['a', 'b', 'c']);
    assert.equal(condition.locked(), true);
    for (const task of tasks) task.result();
  });

  inBothStyles('notify wakes as many as it says, or as there are', function* (style) {
    const condition = new Condition();
    const order: string[] = [];
    waiters(style, condition, order, ['a', 'b', 'c', 'd']);
    yield* turns();
    yield* notify(condition, 0);
    yield* notify(condition, -1);
    yield* turns(3);
    assert.deepEqual(order, []);
    yield* notify(condition, 1);
    yield* turns(2);
    assert.deepEqual(order, ['a']);
    yield* on(condition.acquire());
    condition.notify(1);
    condition.notify(2048);
    condition.release();
    yield* turns(4);
    assert.deepEqual(order, ['a', 'b', 'c', 'd']);
  });

  inBothStyles('notifyAll wakes all who wait now', function* (style) {
    const condition = new Condition();
    const order: string[] = [];
    waiters(style, condition, order, ['a', 'b']);
    yield* turns();
    yield* on(condition.acquire());
    condition.notifyAll();
    condition.release();
    waiters(style, condition, order, ['late']);
    yield* turns(5);
    assert.deepEqual(order, ['a', 'b']);
    assert.equal(String(condition), '<Condition [unlocked, waiters:1]>');
  });

  inBothStyles('P19: wait, notify and release need the lock, and change nothing without it', function* () {
    const condition = new Condition();
    assert.equal(yield* thrownBy(condition.wait()), 'RuntimeError: cannot wait on un-acquired lock');
    assert.throws(() => condition.notify(), {
      name: 'RuntimeError',
      message: 'cannot notify on un-acquired lock',
    });
    assert.throws(() => condition.notifyAll(), { message: 'cannot notify on un-acquired lock' });
    assert.throws(() => condition.release(), { message: 'Lock is not acquired.' });
    assert.equal(String(condition), '<Condition [unlocked]>');
  });

  inBothStyles('a cancelled wait ends with the lock taken again', function* (style) {
    const condition = new Condition();
    yield* on(condition.acquire());
    const waiting = style.task(() => on(condition.wait()));
    getRunningLoop().callSoon(() => waiting.cancel());
    assert.equal(yield* thrownBy(waiting), 'CancelledError');
    assert.equal(String(condition), '<Condition [locked]>');
  });

  inBothStyles('P17: a cancelled wait whose lock is taken ends when it got the lock', function* (style) {
    const condition = new Condition();
    const order: string[] = [];
    const [task] = waiters(style, condition, order, ['a']) as [Task<void>];
    yield* turns();
    yield* on(condition.acquire());
    task.cancel();
    yield* turns(3);
    assert.equal(task.done(), false);
    condition.release();
    yield* turns();
    assert.equal(task.cancelled(), true);
    assert.equal(String(condition), '<Condition [unlocked]>');
  });

  inBothStyles('P17: a cancellation in the turn of the release keeps the lock held', function* (style) {
    const condition = new Condition();
    yield* on(condition.acquire());
    const waiting = style.task(() => on(condition.wait()));
    yield* turns();
    assert.equal(condition.locked(), false);
    yield* on(condition.acquire());
    condition.notify();
    getRunningLoop().callSoon(() => waiting.cancel());
    getRunningLoop().callSoon(() => condition.release());
    yield* thrownBy(waiting);
    assert.equal(condition.locked(), true);
  });

  inBothStyles('H29: a cancellation after the notification, while the lock is taken', function* (style) {
    const condition = new Condition();
    const order: string[] = [];
    const [task] = waiters(style, condition, order, ['a']) as [Task<void>];
    yield* turns();
    yield* on(condition.acquire());
    condition.notify();
    yield* turns();
    task.cancel();
    yield* turns();
    condition.release();
    yield* turns();
    assert.equal(task.cancelled(), true);
    assert.deepEqual(order, []);
    assert.equal(condition.locked(), false);
  });

  inBothStyles('the CancelledError of a wait is the one that comes out (H28)', function* (style) {
    for (const isWoken of [false, true]) {
      const condition = new Condition();
      let isReady = false;
      let raised: unknown = null;
      const task = style.task(() =>
        on(
          condition.run(
            style.fn(function* () {
              try {
                yield* on(condition.waitFor(() => isReady));
              } catch (error) {
                raised = error;
                throw error;
              }
            }),
          ),
        ),
      );
      yield* turns();
      if (isWoken) {
        yield* on(condition.acquire());
        isReady = true;
        condition.notify();
        yield* turns();
        // It waits for the lock now.
        task.cancel('foo');
        condition.release();
      } else {
        task.cancel('foo');
      }
      let seen: unknown = null;
      try {
        yield* on(task);
      } catch (error) {
        seen = error;
      }
      assert.ok(seen instanceof CancelledError);
      assert.equal(seen.message, 'foo');
      assert.equal(seen, raised);
    }
  });

  inBothStyles(
    'however often it is cancelled, it takes the lock, and the latest error wins',
    function* (style) {
      const condition = new Condition();
      const [task] = waiters(style, condition, [], ['a']) as [Task<void>];
      yield* turns();
      yield* on(condition.acquire());
      for (const message of ['first', 'second', 'third']) {
        task.cancel(message);
        yield* turns(2);
        assert.equal(task.done(), false);
      }
      condition.release();
      assert.equal(yield* thrownBy(task), 'CancelledError: third');
      assert.equal(String(condition), '<Condition [unlocked]>');
    },
  );

  for (const when of ['before it wakes', 'while it waits for the lock']) {
    inBothStyles(`P15, H28: one notified and then cancelled ${when} passes it on`, function* (style) {
      const condition = new Condition();
      let state = 0;
      const consumer = (): Task<void> =>
        style.task(() =>
          on(
            condition.run(
              style.fn(function* () {
                for (;;) {
                  yield* on(condition.waitFor(() => state !== 0));
                  if (state < 0) return;
                  state--;
                }
              }),
            ),
          ),
        );
      const [first, second] = [consumer(), consumer()];
      yield* turns();
      yield* on(condition.acquire());
      state++;
      condition.notify(1);
      if (when !== 'before it wakes') yield* turns();
      first.cancel();
      yield* thrownBy(
        waitFor(
          condition.waitFor(() => state === 0),
          0.01,
        ),
      );
      assert.equal(state, 0);
      state = -1;
      condition.notifyAll();
      condition.release();
      yield* on(second);
      assert.equal(first.cancelled(), true);
    });
  }

  inBothStyles('P15: the one who gets a passed-on notification is the next in line', function* (style) {
    const condition = new Condition();
    const order: string[] = [];
    const tasks = waiters(style, condition, order, ['a', 'b', 'c']);
    yield* turns();
    yield* notify(condition, 1);
    tasks[0]?.cancel();
    yield* turns(4);
    assert.deepEqual(order, ['b']);
    assert.equal(tasks[2]?.done(), false);
  });

  inBothStyles('P14: 1,000 waiters keep their order when 10 % are cancelled at random', function* (style) {
    const random = new Random(1414);
    const condition = new Condition();
    const order: string[] = [];
    const names = Array.from({ length: 1000 }, (_, i) => `${i}`);
    const tasks = waiters(style, condition, order, names);
    yield* turns();
    const cancelled = new Set<number>();
    while (cancelled.size < 100) cancelled.add(random.below(1000));
    for (const i of cancelled) tasks[i]?.cancel();
    yield* notify(condition, 2000);
    yield* on(sleep(1));
    assert.deepEqual(
      order,
      names.filter((_, i) => !cancelled.has(i)),
    );
    assert.equal(String(condition), '<Condition [unlocked]>');
  });

  inBothStyles('a limit in the block: the lock is held when it strikes (H5, H6)', function* (style) {
    const condition = new Condition();
    yield* on(
      condition.run(
        style.fn(function* () {
          assert.equal(yield* thrownBy(waitFor(condition.wait(), 0.5)), 'TimeoutError');
          assert.equal(condition.locked(), true);
          assert.equal(
            yield* thrownBy(timeout(0.5).run(style.fn(() => on(condition.wait())))),
            'TimeoutError',
          );
          assert.equal(condition.locked(), true);
        }),
      ),
    );
    assert.equal(String(condition), '<Condition [unlocked]>');
  });

  inBothStyles('several share a lock, which is the same for all', function* (style) {
    const lock = new Lock();
    const [full, empty] = [new Condition(lock), new Condition(lock)];
    assert.equal(full.locked(), false);
    yield* on(
      full.run(
        style.fn(function* () {
          assert.deepEqual([lock.locked(), full.locked(), empty.locked()], [true, true, true]);
          yield* turns();
        }),
      ),
    );
    yield* on(lock.acquire());
    assert.deepEqual([full.locked(), empty.locked()], [true, true]);
    empty.notify();
    lock.release();
    const order: string[] = [];
    waiters(style, full, order, ['full']);
    waiters(style, empty, order, ['empty']);
    yield* turns();
    yield* notify(empty, 5);
    yield* turns(3);
    assert.deepEqual(order, ['empty']);
  });

  test('takes null for an own lock, and nothing else', () => {
    assert.equal(String(new Condition(null)), '<Condition [unlocked]>');
    assert.throws(() => new Condition({} as Lock), {
      name: 'TypeError',
      message: 'lock must be a Lock, got {}',
    });
  });

  inBothStyles('notify refuses what is no number of waiters', function* () {
    const condition = new Condition();
    yield* on(condition.acquire());
    for (const n of ['2', Number.NaN, 1.5, null]) {
      assert.throws(() => condition.notify(n as number), {
        name: 'TypeError',
        message: /^n must be an integer/,
      });
    }
    condition.notify(Number.POSITIVE_INFINITY);
  });
});

describe('Condition.waitFor', () => {
  inBothStyles('waits until the predicate holds, and looks with the lock held', function* (style) {
    const condition = new Condition();
    let value: number[] | null = null;
    const task = style.task(() =>
      on(
        condition.run(() =>
          condition.waitFor(() => {
            assert.equal(condition.locked(), true);
            return value;
          }),
        ),
      ),
    );
    yield* turns();
    yield* notify(condition, 1);
    yield* turns(2);
    assert.equal(task.done(), false);
    value = [5];
    yield* notify(condition, 1);
    yield* turns(2);
    assert.equal(task.result(), value);
  });

  inBothStyles('a predicate that holds already needs no lock; another does', function* () {
    const condition = new Condition();
    assert.deepEqual(yield* on(condition.waitFor(() => [1, 2, 3])), [1, 2, 3]);
    assert.equal(
      yield* thrownBy(condition.waitFor(() => false)),
      'RuntimeError: cannot wait on un-acquired lock',
    );
  });

  inBothStyles('what the predicate throws comes out, with the lock held', function* (style) {
    const condition = new Condition();
    let calls = 0;
    const task = style.task(function* () {
      yield* on(condition.acquire());
      return yield* thrownBy(
        condition.waitFor(() => {
          if (++calls === 2) throw new RangeError('boom');
          return false;
        }),
      );
    });
    yield* turns();
    yield* notify(condition, 1);
    assert.equal(yield* on(task), 'RangeError: boom');
    assert.equal(String(condition), '<Condition [locked]>');
  });

  test('refuses a predicate that is asynchronous, which would always hold', async () => {
    const expected =
      'TypeError: the predicate of waitFor() gave a promise or coroutine, which is always truthy: pass a plain function';
    const lazy = coroutine(async () => false);
    const predicates: (() => unknown)[] = [
      async () => false,
      // What becomes of it must not be reported in place of the mistake.
      () => Promise.reject(new Error('hidden')),
      function* () {
        yield* sleep(0);
        return false;
      },
      () => lazy(),
    ];
    await runVirtually(async () => {
      const condition = new Condition();
      await condition.acquire();
      for (const predicate of predicates) {
        assert.equal(await textOf(() => condition.waitFor(predicate)), expected);
      }
      assert.equal(String(condition), '<Condition [locked]>');
    });
  });

  test('refuses at the call what is no function', async () => {
    await runVirtually(async () => {
      const condition = new Condition();
      assert.throws(() => condition.waitFor(true as unknown as () => boolean), {
        name: 'TypeError',
        message: 'waitFor() wants a function that looks at the state, got true',
      });
    });
  });

  test('hands jobs from a producer to consumers, each once', async () => {
    await runVirtually(async () => {
      const condition = new Condition();
      const jobs: number[] = [];
      const taken: number[] = [];
      const consumers = Array.from({ length: 3 }, () =>
        createTask(async () => {
          for (;;) {
            const job = await condition.run(async () => {
              await condition.waitFor(() => jobs.length > 0);
              return jobs.shift() as number;
            });
            if (job < 0) return;
            taken.push(job);
            await sleep(0.5);
          }
        }),
      );
      for (const job of [0, 1, 2, 3, 4, 5, 6, -1, -1, -1]) {
        await condition.run(() => {
          jobs.push(job);
          condition.notify();
        });
        if (job % 2) await sleep(1);
      }
      await Promise.all(consumers);
      assert.deepEqual(taken, [0, 1, 2, 3, 4, 5, 6]);
    });
  });
});
