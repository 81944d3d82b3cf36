import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Coroutine, Event, getRunningLoop, type Guard, Lock, sleep, type Task } from 'asyncio-ts';
import { Random } from '../conformance/random.ts';
import '../support/leaks.ts';
import { runVirtually } from '../support/programs.ts';
import { inBothStyles, on, type Steps, type Style, thrownBy, turns } from '../support/styles.ts';

/** Tasks that acquire `lock`, each telling `order` its name when it has it. */
function acquirers(style: Style, lock: Lock, order: string[], names: string[]): Task<Guard>[] {
  return names.map((name) =>
    style.task(function* () {
      const guard = yield* on(lock.acquire());
      order.push(name);
      return guard;
    }, name),
  );
}

/** How many turns of the loop pass until `awaitable` answers. */
function* turnsOf(awaitable: Coroutine<unknown>): Steps<number> {
  let count = 0;
  let isOver = false;
  const tick = (): void => {
    if (isOver) return;
    count++;
    getRunningLoop().callSoon(tick);
  };
  getRunningLoop().callSoon(tick);
  yield* on(awaitable);
  isOver = true;
  return count;
}

describe('Lock', () => {
  test('tells its state and who waits', async () => {
    await runVirtually(async () => {
      const lock = new Lock();
      assert.equal(String(lock), '<Lock [unlocked]>');
      await lock.acquire();
      assert.equal(String(lock), '<Lock [locked]>');
      const waiting = [lock.acquire(), lock.acquire()].map((coro) => coro.toPromise());
      assert.equal(String(lock), '<Lock [locked, waiters:2]>');
      lock.release();
      // The first was woken, and stands in the line until it runs.
      assert.equal(String(lock), '<Lock [unlocked, waiters:2]>');
      await waiting[0];
      assert.equal(String(lock), '<Lock [locked, waiters:1]>');
      lock.release();
      await Promise.all(waiting);
      class Named extends Lock {}
      assert.equal(String(new Named()), '<Named [unlocked]>');
    });
  });

  test('is no awaitable and takes no arguments', async () => {
    const lock = new Lock();
    assert.equal('then' in lock, false);
    assert.equal(Symbol.iterator in lock, false);
    assert.equal(Lock.length, 0);
  });

  inBothStyles('is taken at once while it is free', function* () {
    const lock = new Lock();
    assert.equal(lock.locked(), false);
    assert.equal(yield* turnsOf(lock.acquire()), 0);
    assert.equal(lock.locked(), true);
    lock.release();
    assert.equal(lock.locked(), false);
  });

  inBothStyles('goes to those who wait in the order of arrival', function* (style) {
    const lock = new Lock();
    const order: string[] = [];
    yield* on(lock.acquire());
    const [a, b] = acquirers(style, lock, order, ['a', 'b']);
    yield* turns();
    assert.deepEqual(order, []);
    lock.release();
    yield* turns();
    assert.deepEqual(order, ['a']);
    yield* turns();
    assert.deepEqual(order, ['a']);
    const [c] = acquirers(style, lock, order, ['c']);
    lock.release();
    yield* turns();
    assert.deepEqual(order, ['a', 'b']);
    lock.release();
    yield* turns();
    assert.deepEqual(order, ['a', 'b', 'c']);
    for (const task of [a, b, c]) assert.ok(task?.result());
  });

  inBothStyles('P14: a newcomer does not overtake one that is woken but has not run', function* (style) {
    const lock = new Lock();
    const order: string[] = [];
    yield* on(lock.acquire());
    const [first] = acquirers(style, lock, order, ['first']);
    yield* turns();
    lock.release();
    assert.equal(lock.locked(), false);
    // It is free, but not for us.
    getRunningLoop().callSoon(() => getRunningLoop().callSoon(() => lock.release()));
    yield* on(lock.acquire());
    assert.deepEqual(order, ['first']);
    assert.equal(first?.done(), true);
  });

  inBothStyles('P14: keeps the order of 1,000 waiters when 10 % are cancelled at random', function* (style) {
    const random = new Random(14);
    const lock = new Lock();
    const order: string[] = [];
    yield* on(lock.acquire());
    const names = Array.from({ length: 1000 }, (_, i) => `${i}`);
    const tasks = names.map((name) =>
      style.task(function* () {
        yield* on(lock.acquire());
        order.push(name);
        yield* turns(random.below(3));
        lock.release();
      }),
    );
    yield* turns();
    const cancelled = new Set<string>();
    lock.release();
    while (cancelled.size < 100) {
      const i = random.below(1000);
      if (tasks[i]?.done() === false && !order.includes(`${i}`) && tasks[i]?.cancel()) cancelled.add(`${i}`);
      if (random.chance(0.2)) yield* turns();
    }
    yield* on(sleep(1));
    assert.deepEqual(
      order,
      names.filter((name) => !cancelled.has(name)),
    );
    assert.equal(String(lock), '<Lock [unlocked]>');
  });

  inBothStyles('a cancelled waiter leaves the line', function* (style) {
    const lock = new Lock();
    yield* on(lock.acquire());
    const [task] = acquirers(style, lock, [], ['a']) as [Task<Guard>];
    getRunningLoop().callSoon(() => task.cancel('away'));
    assert.equal(yield* thrownBy(task), 'CancelledError: away');
    assert.equal(String(lock), '<Lock [locked]>');
  });

  inBothStyles('a free lock whose waiters are all cancelled is taken at once', function* (style) {
    const lock = new Lock();
    yield* on(lock.acquire());
    const tasks = acquirers(style, lock, [], ['a', 'b']);
    yield* turns();
    for (const task of tasks) task.cancel();
    lock.release();
    // Both still stand in the line.
    assert.equal(String(lock), '<Lock [unlocked, waiters:2]>');
    assert.equal(yield* turnsOf(lock.acquire()), 0);
    yield* turns();
    assert.equal(String(lock), '<Lock [locked]>');
    assert.ok(tasks.every((task) => task.cancelled()));
  });

  inBothStyles('P15: a release that meets a cancelled head goes to the next', function* (style) {
    const lock = new Lock();
    const order: string[] = [];
    yield* on(lock.acquire());
    const [b, c] = acquirers(style, lock, order, ['b', 'c']);
    yield* turns();
    b?.cancel();
    lock.release();
    yield* turns(2);
    assert.deepEqual(order, ['c']);
    assert.equal(b?.cancelled(), true);
    assert.equal(c?.done(), true);
  });

  inBothStyles('H25: a waiter that was woken and then cancelled wakes the next', function* (style) {
    const lock = new Lock();
    const order: string[] = [];
    yield* on(lock.acquire());
    const [b, c] = acquirers(style, lock, order, ['b', 'c']);
    yield* turns();
    lock.release();
    b?.cancel();
    yield* turns(2);
    assert.equal(b?.cancelled(), true);
    assert.equal(c?.done(), true);
    assert.deepEqual(order, ['c']);
    assert.equal(String(lock), '<Lock [locked]>');
  });

  inBothStyles('H26: a cancellation and a release in one turn let one in', function* (style) {
    const lock = new Lock();
    const order: string[] = [];
    yield* on(lock.acquire());
    const tasks = acquirers(style, lock, order, ['a', 'b', 'c']);
    yield* turns();
    getRunningLoop().callSoon(() => {
      tasks[0]?.cancel();
      lock.release();
    });
    yield* turns(4);
    assert.deepEqual(order, ['b']);
    assert.deepEqual(
      tasks.map((task) => task.done()),
      [true, true, false],
    );
  });

  inBothStyles('P13: a cancelled waiter behind the woken one wakes nobody else', function* (style) {
    const lock = new Lock();
    const order: string[] = [];
    yield* on(lock.acquire());
    const tasks = acquirers(style, lock, order, ['a', 'b', 'c']);
    yield* turns();
    tasks[1]?.cancel();
    lock.release();
    yield* turns(3);
    assert.deepEqual(order, ['a']);
    assert.equal(String(lock), '<Lock [locked, waiters:1]>');
  });

  inBothStyles('P7: two cancellations of one waiter take it out once', function* (style) {
    const lock = new Lock();
    yield* on(lock.acquire());
    const order: string[] = [];
    const task = style.task(function* () {
      try {
        yield* on(lock.acquire());
      } finally {
        yield* on(lock.acquire());
      }
    });
    acquirers(style, lock, order, ['next']);
    yield* turns();
    task.cancel();
    yield* turns();
    assert.equal(String(lock), '<Lock [locked, waiters:2]>');
    task.cancel();
    yield* turns();
    assert.equal(task.cancelled(), true);
    assert.equal(String(lock), '<Lock [locked, waiters:1]>');
    lock.release();
    yield* turns();
    assert.deepEqual(order, ['next']);
  });

  test('P19: a release without an acquisition throws and changes nothing', () => {
    const lock = new Lock();
    assert.throws(() => lock.release(), { name: 'RuntimeError', message: 'Lock is not acquired.' });
    assert.equal(String(lock), '<Lock [unlocked]>');
  });

  inBothStyles('P19: a second release before the woken waiter runs throws, too', function* (style) {
    const lock = new Lock();
    yield* on(lock.acquire());
    const [task] = acquirers(style, lock, [], ['a']);
    yield* turns();
    lock.release();
    assert.throws(() => lock.release(), { message: 'Lock is not acquired.' });
    yield* turns();
    assert.equal(task?.done(), true);
  });

  inBothStyles('anyone may release it', function* (style) {
    const lock = new Lock();
    yield* on(lock.acquire());
    const other = style.task(function* () {
      lock.release();
    });
    yield* on(other);
    assert.equal(lock.locked(), false);
  });

  inBothStyles('is not re-entrant: who acquires it twice waits', function* () {
    const lock = new Lock();
    yield* on(lock.acquire());
    let isOver = false;
    getRunningLoop().callLater(5, () => {
      isOver = true;
      lock.release();
    });
    yield* on(lock.acquire());
    assert.equal(isOver, true);
  });

  test('a wait that is resumed by hand fails and leaves nobody in the line', async () => {
    await runVirtually(async () => {
      const lock = new Lock();
      await lock.acquire();
      // A callback is no task: nobody could be woken.
      const error = await new Promise((resolve) => {
        getRunningLoop().callSoon(() => {
          try {
            lock.acquire()[Symbol.iterator]().next();
          } catch (thrown) {
            resolve(thrown);
          }
        });
      });
      assert.equal(String(error), 'RuntimeError: no running event loop');
      assert.equal(String(lock), '<Lock [locked]>');
    });
  });
});

describe('Event', () => {
  test('tells its state and who waits', async () => {
    await runVirtually(async () => {
      const event = new Event();
      assert.equal(String(event), '<Event [unset]>');
      const waiting = event.wait().toPromise();
      assert.equal(String(event), '<Event [unset, waiters:1]>');
      event.set();
      assert.equal(String(event), '<Event [set, waiters:1]>');
      await waiting;
      assert.equal(String(event), '<Event [set]>');
    });
  });

  inBothStyles('set wakes everyone in order; one that comes after it does not wait', function* (style) {
    const event = new Event();
    assert.equal(event.isSet(), false);
    const order: string[] = [];
    const waiter = (name: string): Task<void> =>
      style.task(function* () {
        assert.equal(yield* on(event.wait()), true);
        order.push(name);
      });
    waiter('a');
    waiter('b');
    yield* turns();
    assert.deepEqual(order, []);
    waiter('c');
    event.set();
    event.set();
    yield* turns();
    assert.deepEqual(order, ['c', 'a', 'b']);
    assert.equal(yield* turnsOf(event.wait()), 0);
  });

  inBothStyles('a cancelled waiter leaves, and the others go on', function* (style) {
    const event = new Event();
    const task = style.task(() => on(event.wait()));
    const other = style.task(() => on(event.wait()));
    getRunningLoop().callSoon(() => task.cancel());
    assert.equal(yield* thrownBy(task), 'CancelledError');
    assert.equal(String(event), '<Event [unset, waiters:1]>');
    event.set();
    assert.equal(yield* on(other), true);
  });

  test('clear takes the flag down', () => {
    const event = new Event();
    event.set();
    assert.equal(event.isSet(), true);
    event.clear();
    assert.equal(event.isSet(), false);
  });

  inBothStyles('clear right after set lets those through who waited', function* (style) {
    const event = new Event();
    const early = style.task(() => on(event.wait()));
    yield* turns();
    event.set();
    event.clear();
    assert.equal(event.isSet(), false);
    const late = style.task(() => on(event.wait()));
    yield* turns();
    assert.equal(early.result(), true);
    assert.equal(late.done(), false);
    assert.equal(String(event), '<Event [unset, waiters:1]>');
    event.set();
    event.set();
    yield* turns();
    assert.equal(late.result(), true);
  });

  inBothStyles('a waiter that is cancelled in the turn in which it is woken is cancelled', function* (style) {
    const event = new Event();
    const task = style.task(() => on(event.wait()));
    yield* turns();
    event.set();
    task.cancel();
    assert.equal(yield* thrownBy(task), 'CancelledError');
    assert.equal(String(event), '<Event [set]>');
  });
});
