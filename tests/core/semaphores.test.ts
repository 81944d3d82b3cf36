import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  BoundedSemaphore,
  createTask,
  type Gen,
  gather,
  getRunningLoop,
  type Guard,
  Semaphore,
  sleep,
  type Task,
  TaskGroup,
  waitFor,
} from 'asyncio-ts';
import { Random } from '../conformance/random.ts';
import '../support/leaks.ts';
import { runVirtually } from '../support/programs.ts';
import { inBothStyles, on, type Style, thrownBy, turns } from '../support/styles.ts';

function acquirers(style: Style, semaphore: Semaphore, order: string[], names: string[]): Task<Guard>[] {
  return names.map((name) =>
    style.task(function* () {
      const guard = yield* on(semaphore.acquire());
      order.push(name);
      return guard;
    }, name),
  );
}

describe('Semaphore', () => {
  test('tells its state and who waits', async () => {
    await runVirtually(async () => {
      const semaphore = new Semaphore();
      assert.equal(String(semaphore), '<Semaphore [unlocked, value:1]>');
      await semaphore.acquire();
      assert.equal(String(semaphore), '<Semaphore [locked]>');
      const waiting = [1, 2].map(() => semaphore.acquire().toPromise());
      assert.equal(String(semaphore), '<Semaphore [locked, waiters:2]>');
      semaphore.release();
      semaphore.release();
      await Promise.all(waiting);
      assert.equal(String(new BoundedSemaphore(2)), '<BoundedSemaphore [unlocked, value:2]>');
    });
  });

  test('has a number of permits that is not negative', () => {
    assert.equal(new Semaphore().value, 1);
    assert.equal(new Semaphore(0).locked(), true);
    assert.equal(new Semaphore(Number.POSITIVE_INFINITY).locked(), false);
    const negative = { name: 'RangeError', message: 'Semaphore initial value must be >= 0' };
    assert.throws(() => new Semaphore(-1), negative);
    assert.throws(() => new BoundedSemaphore(-1), negative);
    for (const value of [1.5, Number.NaN, '2', null, {}]) {
      assert.throws(() => new Semaphore(value as number), {
        name: 'TypeError',
        message: /^value must be an integer, got /,
      });
    }
  });

  test('is no awaitable', () => {
    const semaphore = new Semaphore();
    assert.equal('then' in semaphore, false);
    assert.equal(Symbol.iterator in semaphore, false);
  });

  inBothStyles('hands permits over in the order of arrival', function* (style) {
    const semaphore = new Semaphore(3);
    const order: string[] = [];
    yield* on(semaphore.acquire());
    yield* on(semaphore.acquire());
    assert.equal(semaphore.locked(), false);
    const tasks = acquirers(style, semaphore, order, ['a', 'b', 'c']);
    yield* turns();
    assert.deepEqual(order, ['a']);
    assert.equal(String(semaphore), '<Semaphore [locked, waiters:2]>');
    tasks.push(...acquirers(style, semaphore, order, ['d']));
    semaphore.release();
    semaphore.release();
    // Handed over, so nobody can take them in between.
    assert.equal(semaphore.value, 0);
    yield* turns();
    assert.deepEqual(order, ['a', 'b', 'c']);
    assert.equal(String(semaphore), '<Semaphore [locked, waiters:1]>');
    semaphore.release();
    yield* on(gather(tasks));
    assert.deepEqual(order, ['a', 'b', 'c', 'd']);
  });

  inBothStyles('a released permit that nobody waits for is free', function* () {
    const semaphore = new Semaphore();
    yield* on(semaphore.acquire());
    assert.equal(semaphore.locked(), true);
    semaphore.release();
    assert.equal(semaphore.locked(), false);
    semaphore.release();
    assert.equal(semaphore.value, 2);
  });

  inBothStyles('a cancelled waiter leaves the line', function* (style) {
    const semaphore = new Semaphore();
    yield* on(semaphore.acquire());
    const [task] = acquirers(style, semaphore, [], ['a']) as [Task<Guard>];
    getRunningLoop().callSoon(() => task.cancel());
    assert.equal(yield* thrownBy(task), 'CancelledError');
    assert.equal(String(semaphore), '<Semaphore [locked]>');
    semaphore.release();
    assert.equal(semaphore.value, 1);
  });

  inBothStyles('H27: a release behind cancelled waiters goes to the first live one', function* (style) {
    const semaphore = new Semaphore(0);
    const order: string[] = [];
    const tasks = acquirers(style, semaphore, order, ['a', 'b', 'c', 'd']);
    yield* turns();
    tasks[0]?.cancel();
    tasks[1]?.cancel();
    semaphore.release();
    yield* turns(2);
    assert.deepEqual(order, ['c']);
    assert.equal(tasks[3]?.done(), false);
  });

  inBothStyles('H27: a cancelled head does not make the next hang', function* (style) {
    const semaphore = new Semaphore(0);
    const [first, second] = acquirers(style, semaphore, [], ['a', 'b']);
    yield* turns();
    first?.cancel();
    semaphore.release();
    yield* turns(2);
    assert.equal(semaphore.locked(), true);
    assert.equal(second?.done(), true);
  });

  inBothStyles('P13: one that is cancelled after it got its permit gives it back', function* (style) {
    const semaphore = new Semaphore(1);
    let second: Task<void> | null = null;
    const first = style.task(function* () {
      yield* on(semaphore.run(style.fn(() => turns())));
      second?.cancel();
    });
    second = style.task(function* () {
      yield* on(semaphore.run(() => assert.fail('it was cancelled')));
    });
    const [a, b] = yield* on(gather([first, second], { returnExceptions: true }));
    assert.equal(a, undefined);
    assert.equal(String(b), 'CancelledError');
    yield* on(waitFor(semaphore.acquire(), 1));
  });

  inBothStyles('P15: the permit of a woken and cancelled waiter goes to the next', function* (style) {
    const semaphore = new Semaphore(0);
    const order: string[] = [];
    const tasks = acquirers(style, semaphore, order, ['a', 'b', 'c']);
    yield* turns();
    semaphore.release();
    tasks[0]?.cancel();
    yield* turns(2);
    assert.deepEqual(order, ['b']);
    assert.equal(String(semaphore), '<Semaphore [locked, waiters:1]>');
  });

  inBothStyles('P14: who acquires again stands at the end of the line', function* (style) {
    const semaphore = new Semaphore(1);
    const order: string[] = [];
    const worker = (name: string) =>
      style.fn(function* () {
        for (const round of [1, 2]) {
          yield* on(semaphore.acquire());
          order.push(`${name}${round}`);
          yield* on(sleep(0.01));
          semaphore.release();
        }
      });
    yield* on(
      new TaskGroup().run((group) => {
        for (const name of ['a', 'b', 'c']) group.createTask(worker(name));
      }),
    );
    assert.deepEqual(order, ['a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
  });

  inBothStyles('P14: a release does not let its own task overtake', function* (style) {
    const semaphore = new Semaphore(1);
    const order: number[] = [];
    const simple = (n: number): Task<void> =>
      style.task(function* () {
        yield* on(semaphore.acquire());
        order.push(n);
      });
    const tasks = [
      simple(1),
      style.task(function* () {
        yield* on(semaphore.acquire());
        order.push(2);
        semaphore.release();
        yield* on(semaphore.acquire());
        order.push(4);
      }),
      simple(3),
    ];
    yield* turns();
    semaphore.release();
    semaphore.release();
    yield* on(gather(tasks));
    assert.deepEqual(order, [1, 2, 3, 4]);
  });

  inBothStyles('P14: the order stays when the first is cancelled', function* (style) {
    const semaphore = new Semaphore(0);
    const order: string[] = [];
    const tasks = acquirers(style, semaphore, order, ['a', 'b', 'c']);
    yield* turns();
    tasks[0]?.cancel();
    yield* turns();
    semaphore.release();
    semaphore.release();
    yield* on(gather(tasks, { returnExceptions: true }));
    assert.deepEqual(order, ['b', 'c']);
  });

  inBothStyles('P14: one that gets through wakes all for whom there are permits', function* (style) {
    const semaphore = new Semaphore(0);
    const order: number[] = [];
    let last: Task<void> | null = null;
    const tasks = [
      style.task(function* () {
        assert.equal(semaphore.value, 0);
        yield* on(semaphore.acquire());
        assert.equal(semaphore.value, 0);
        last = style.task(function* () {
          order.push(4);
        });
        order.push(1);
      }),
      style.task(function* () {
        for (let i = 0; i < 3; i++) semaphore.release();
        assert.equal(semaphore.value, 2);
        // The first has not run yet.
        assert.equal(semaphore.locked(), true);
        yield* on(semaphore.acquire());
        order.push(2);
      }),
      style.task(function* () {
        yield* on(semaphore.acquire());
        assert.equal(semaphore.locked(), true);
        order.push(3);
      }),
    ];
    yield* turns();
    assert.equal(String(semaphore), '<Semaphore [locked, waiters:3]>');
    yield* on(gather(tasks));
    assert.ok(last);
    yield* on(last as Task<void>);
    assert.deepEqual(order, [1, 2, 3, 4]);
  });

  inBothStyles('P14: 1,000 waiters keep their order when 10 % are cancelled at random', function* (style) {
    const random = new Random(141);
    const semaphore = new Semaphore(3);
    const order: string[] = [];
    const names = Array.from({ length: 1000 }, (_, i) => `${i}`);
    const tasks = names.map((name) =>
      style.task(function* () {
        yield* on(semaphore.acquire());
        order.push(name);
        yield* turns(random.below(3));
        semaphore.release();
      }),
    );
    const cancelled = new Set<string>();
    while (cancelled.size < 100) {
      const i = random.below(1000);
      if (!order.includes(`${i}`) && tasks[i]?.cancel()) cancelled.add(`${i}`);
      if (random.chance(0.2)) yield* turns();
    }
    yield* on(sleep(1));
    assert.deepEqual(
      order,
      names.filter((name) => !cancelled.has(name)),
    );
    assert.equal(String(semaphore), '<Semaphore [unlocked, value:3]>');
  });

  test('P16: permits are conserved, whatever is cancelled when', async () => {
    const action = fc.record({
      kind: fc.constantFrom('start', 'cancel', 'turn', 'release extra'),
      which: fc.nat(20),
    });
    await fc.assert(
      fc.asyncProperty(fc.nat(3), fc.array(action, { maxLength: 40 }), async (permits, actions) => {
        await runVirtually(function* () {
          const semaphore = new Semaphore(permits);
          let total = permits;
          let held = 0;
          const tasks: Task<void>[] = [];
          const task = function* (): Gen<void> {
            yield* semaphore.acquire();
            held++;
            try {
              yield* sleep(0);
            } finally {
              held--;
              semaphore.release();
            }
          };
          for (const { kind, which } of actions) {
            if (kind === 'start') tasks.push(createTask(task));
            else if (kind === 'cancel') tasks[which % Math.max(tasks.length, 1)]?.cancel();
            else if (kind === 'turn') yield* sleep(0);
            else {
              semaphore.release();
              total++;
            }
            // Held, free, or on the way to somebody.
            assert.ok(held + semaphore.value <= total);
          }
          yield* sleep(1);
          assert.ok(total === 0 || tasks.every((each) => each.done()));
          assert.equal(semaphore.value, total);
          assert.equal(held, 0);
        });
      }),
      { numRuns: 300, seed: 16 },
    );
  });
});

describe('BoundedSemaphore', () => {
  inBothStyles('P19: refuses a release beyond its bound, and stays as it was', function* () {
    const semaphore = new BoundedSemaphore(2);
    const tooMany = { name: 'RangeError', message: 'BoundedSemaphore released too many times' };
    assert.throws(() => semaphore.release(), tooMany);
    assert.equal(semaphore.value, 2);
    yield* on(semaphore.acquire());
    semaphore.release();
    assert.throws(() => semaphore.release(), tooMany);
  });

  inBothStyles('a permit that is handed to a waiter counts as taken', function* (style) {
    const semaphore = new BoundedSemaphore(1);
    yield* on(semaphore.acquire());
    const [task] = acquirers(style, semaphore, [], ['a']);
    yield* turns();
    semaphore.release();
    // In CPython, too: who releases what is under way to another takes the permit for its own.
    semaphore.release();
    assert.equal(semaphore.value, 1);
    assert.throws(() => semaphore.release(), { name: 'RangeError' });
    yield* turns();
    assert.equal(task?.done(), true);
  });

  inBothStyles('a cancelled waiter gives its permit back without a complaint', function* (style) {
    const semaphore = new BoundedSemaphore(1);
    yield* on(semaphore.acquire());
    const [task] = acquirers(style, semaphore, [], ['a']);
    yield* turns();
    semaphore.release();
    task?.cancel();
    yield* turns();
    assert.equal(task?.cancelled(), true);
    assert.equal(String(semaphore), '<BoundedSemaphore [unlocked, value:1]>');
  });
});
