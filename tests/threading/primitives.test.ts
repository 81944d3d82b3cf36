/** What threads share, in one thread: errors, time-outs, cancellation, texts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gather, run, RuntimeError } from 'asyncio-ts';
import {
  Barrier,
  BoundedSemaphore,
  BrokenBarrierError,
  Condition,
  Event,
  local,
  Lock,
  queue,
  RLock,
  Semaphore,
  ThreadError,
  TIMEOUT_MAX,
} from 'asyncio-ts/threading';
import '../support/leaks.ts';
import { textOf } from '../support/programs.ts';
import { on, type Steps, type Style, stylesOf, thrownBy, turns } from '../support/styles.ts';
import { pack, unpack } from './workers.ts';

/** A test of `steps` in each style, on the loop of Node. */
function inBothStyles(name: string, steps: (style: Style) => Steps<void>): void {
  for (const style of stylesOf()) {
    test(`${name} (${style.name})`, () => run(style.fn(() => steps(style))));
  }
}

describe('locks', () => {
  test('errors have the texts of CPython', async () => {
    const lock = new Lock();
    const rlock = new RLock();
    const semaphore = new Semaphore(0);
    const bounded = new BoundedSemaphore(1);
    const condition = new Condition();
    const texts: [() => unknown, string][] = [
      [() => lock.release(), 'RuntimeError: release unlocked lock'],
      [() => lock.acquire(true, -2), 'RangeError: timeout value must be a non-negative number'],
      [() => lock.acquire(false, 1), "RangeError: can't specify a timeout for a non-blocking call"],
      [() => rlock.release(), 'RuntimeError: cannot release un-acquired lock'],
      [() => rlock.acquire(true, -2), 'RangeError: timeout value must be a non-negative number'],
      [() => condition.wait(), 'RuntimeError: cannot wait on un-acquired lock'],
      [() => condition.waitFor(() => false), 'RuntimeError: cannot wait on un-acquired lock'],
      [() => condition.notify(), 'RuntimeError: cannot notify on un-acquired lock'],
      [() => condition.notifyAll(), 'RuntimeError: cannot notify on un-acquired lock'],
      [() => condition.release(), 'RuntimeError: cannot release un-acquired lock'],
      [() => new Semaphore(-1), 'RangeError: semaphore initial value must be >= 0'],
      [() => semaphore.acquire(false, 1), "RangeError: can't specify timeout for non-blocking acquire"],
      [() => semaphore.release(0), 'RangeError: n must be one or more'],
      [() => bounded.release(), 'RangeError: Semaphore released too many times'],
      [() => bounded.release(0), 'RangeError: n must be one or more'],
      [() => new Barrier(0), 'RangeError: parties must be >= 1'],
    ];
    for (const [call, text] of texts) assert.equal(await textOf(call), text);
    assert.equal(await condition.waitFor(() => 'at once'), 'at once');
    assert.equal(ThreadError, RuntimeError);
    assert.equal(TIMEOUT_MAX, 2147483);
  });

  test('they tell their state', async () => {
    const lock = new Lock();
    const condition = new Condition(lock);
    assert.deepEqual([String(lock), lock.locked()], ['<unlocked Lock>', false]);
    const guard = await lock.acquire();
    assert.deepEqual([String(lock), lock.locked()], ['<locked Lock>', true]);
    assert.equal(String(condition), '<Condition(<locked Lock>, 0)>');
    guard.release();
    guard.release();
    assert.equal(lock.locked(), false);
    const rlock = new RLock();
    await rlock.acquire();
    await rlock.acquire();
    assert.equal(String(rlock), '<locked RLock owner=0 count=2>');
    rlock.release();
    rlock.release();
    assert.equal(String(rlock), '<unlocked RLock owner=null count=0>');
    assert.equal(String(new Semaphore(3)), '<Semaphore: value=3>');
    assert.equal(String(new BoundedSemaphore(3)), '<BoundedSemaphore: value=3/3>');
    assert.equal(String(new Event()), '<Event: unset>');
    assert.equal(String(new Barrier(2)), '<Barrier: waiters=0/2>');
  });

  inBothStyles('Lock: the guard releases its own acquisition alone; who waits gets it', function* (style) {
    const lock = new Lock();
    const first = yield* on(lock.acquire());
    assert.equal(yield* on(lock.acquire(false)), false);
    assert.equal(yield* on(lock.acquire(true, 0.01)), false);
    const waiting = style.task(function* () {
      return yield* on(lock.acquire());
    });
    yield* turns(2);
    lock.release();
    const second = yield* on(waiting);
    first.release();
    assert.equal(lock.locked(), true);
    second.release();
    assert.equal(lock.locked(), false);
  });

  inBothStyles(
    'a wait that is cancelled takes nothing, also in the moment in which it comes',
    function* (style) {
      for (const rounds of [0, 1, 2, 3]) {
        const lock = new Lock();
        const semaphore = new Semaphore(1);
        for (const held of [lock, semaphore]) {
          yield* on(held.acquire());
          const waiting = style.task(function* () {
            yield* on(held.acquire());
          });
          const next = held.acquire();
          yield* turns(2);
          held.release();
          yield* turns(rounds);
          waiting.cancel();
          const seen = yield* thrownBy(waiting);
          // It may have had it before it was cancelled; then it ended, and has it.
          if (seen === 'nothing') held.release();
          (yield* on(next)).release();
        }
        assert.equal(lock.locked(), false);
        assert.equal(String(semaphore), '<Semaphore: value=1>');
      }
    },
  );

  inBothStyles('run() holds it while the body runs, whatever comes of it', function* (style) {
    for (const held of [new Lock(), new RLock(), new Condition()]) {
      const body = style.fn(function* () {
        yield* turns();
        assert.equal(held.locked(), true);
        return 'value';
      });
      assert.equal(yield* on(held.run(body)), 'value');
      const fails = style.fn(function* (): Steps<void> {
        yield* turns();
        throw new RangeError('no');
      });
      assert.equal(yield* thrownBy(held.run(fails)), 'RangeError: no');
      assert.equal(held.locked(), false);
    }
  });

  inBothStyles('Condition: waiters wake in order; a cancelled one takes the lock again', function* (style) {
    const condition = new Condition(new Lock());
    const order: string[] = [];
    const waiter = (name: string) =>
      style.task(function* () {
        yield* on(
          condition.run(
            style.fn(function* () {
              try {
                order.push(`${name} ${yield* on(condition.wait())}`);
              } finally {
                order.push(`${name} ${condition.locked()}`);
              }
            }),
          ),
        );
      });
    const [a, b, c] = [waiter('a'), waiter('b'), waiter('c')];
    yield* turns(4);
    assert.equal(String(condition), '<Condition(<unlocked Lock>, 3)>');
    const guard = yield* on(condition.acquire());
    b.cancel();
    b.cancel();
    yield* turns(4);
    assert.deepEqual(order, []);
    condition.notify();
    guard.release();
    yield* on(a);
    assert.equal(yield* thrownBy(b), 'CancelledError');
    const told = order as readonly string[];
    assert.deepEqual(
      told.filter((text) => text.startsWith('a')),
      ['a true', 'a true'],
    );
    assert.deepEqual(
      told.filter((text) => text.startsWith('b')),
      ['b true'],
    );
    yield* on(condition.run(() => condition.notifyAll()));
    yield* on(c);
    assert.equal(condition.locked(), false);
  });

  inBothStyles(
    'Condition: a notification that came to one who is cancelled goes to the next',
    function* (style) {
      const condition = new Condition(new Lock());
      const woken: string[] = [];
      const waiter = (name: string) =>
        style.task(function* () {
          yield* on(
            condition.run(
              style.fn(function* () {
                yield* on(condition.wait());
                woken.push(name);
              }),
            ),
          );
        });
      const [first, second] = [waiter('first'), waiter('second')];
      yield* turns(4);
      const guard = yield* on(condition.acquire());
      condition.notify();
      first.cancel();
      guard.release();
      assert.equal(yield* thrownBy(first), 'CancelledError');
      yield* on(second);
      assert.deepEqual(woken, ['second']);
    },
  );

  inBothStyles('Condition: time-outs', function* () {
    for (const lock of [new Lock(), new RLock()]) {
      const condition = new Condition(lock);
      const guard = yield* on(condition.acquire());
      for (const timeout of [0, -1, 0.01]) {
        assert.equal(yield* on(condition.wait(timeout)), false);
        assert.equal(yield* on(condition.waitFor(() => 0, timeout)), 0);
        assert.equal(condition.locked(), true);
      }
      guard.release();
      assert.equal(condition.locked(), false);
    }
  });

  inBothStyles('Event and Barrier: time-outs and states', function* () {
    const event = new Event();
    assert.equal(yield* on(event.wait(0)), false);
    assert.equal(yield* on(event.wait({ milliseconds: 5 })), false);
    event.set();
    assert.equal(yield* on(event.wait()), true);
    event.clear();
    assert.equal(event.isSet(), false);
    const acted: number[] = [];
    const barrier = new Barrier(2, () => acted.push(barrier.nWaiting), 5);
    assert.deepEqual(yield* on(gather([barrier.wait(), barrier.wait()])), [0, 1]);
    assert.equal(acted.length, 1);
    assert.equal(yield* thrownBy(barrier.wait(0.01)), 'BrokenBarrierError');
    assert.deepEqual([barrier.broken, String(barrier)], [true, '<Barrier: broken>']);
    assert.equal(yield* thrownBy(barrier.wait()), 'BrokenBarrierError');
    barrier.reset();
    const failing = new Barrier(1, () => {
      throw new RangeError('action');
    });
    assert.equal(yield* thrownBy(failing.wait()), 'RangeError: action');
    assert.equal(failing.broken, true);
  });

  inBothStyles('Barrier: one who is cancelled counts no more, and each number comes once', function* (style) {
    const barrier = new Barrier(3);
    const party = () =>
      style.task(function* () {
        return yield* on(barrier.wait());
      });
    const gone = party();
    const stays = party();
    yield* turns(2);
    gone.cancel();
    yield* thrownBy(gone);
    assert.equal(barrier.nWaiting, 1);
    const numbers = yield* on(gather([stays, party(), party()]));
    assert.deepEqual(
      numbers.sort((x, y) => x - y),
      [0, 1, 2],
    );
  });

  test('a thread that takes it again and again lets others have their turn', async () => {
    const lock = new Lock();
    let turn = false;
    const other = (async () => {
      const guard = await lock.acquire();
      turn = true;
      guard.release();
    })();
    while (!turn) (await lock.acquire()).release();
    await other;
  });
});

describe('crossing', () => {
  test('a plain clone fails, and so does the way to a process', async () => {
    const objects = [
      new Lock(),
      new RLock(),
      new Condition(),
      new Semaphore(),
      new BoundedSemaphore(),
      new Event(),
      new Barrier(2),
      new queue.Queue(),
      new queue.PriorityQueue(),
      new queue.LifoQueue(),
      new queue.SimpleQueue(),
    ];
    for (const object of objects) {
      const { name } = object.constructor;
      assert.throws(() => structuredClone(object), { name: 'DataCloneError' });
      assert.throws(() => pack([object], 'process'), {
        name: 'RuntimeError',
        message: `a threading ${name} works between the threads of one process: use multiprocessing's ${name}`,
      });
      const [other] = unpack(structuredClone(pack([object], 'thread').value)) as [object];
      assert.equal(other.constructor, object.constructor);
      assert.equal(String(other), String(object));
    }
    const data = new local<{ x: number }>();
    data.x = 1;
    assert.deepEqual(Object.keys(unpack(structuredClone(pack(data, 'thread').value)) as object), []);
    assert.throws(() => pack(new Barrier(2, () => {}), 'thread'), /a Barrier with an action cannot cross/);
    assert.equal(new BrokenBarrierError() instanceof RuntimeError, true);
  });
});

describe('queues', () => {
  test('errors are those of CPython', async () => {
    const items = new queue.Queue<unknown>(1);
    assert.equal(
      await textOf(() => items.get(true, -1)),
      "RangeError: 'timeout' must be a non-negative number",
    );
    assert.equal(
      await textOf(() => items.put(1, true, -1)),
      "RangeError: 'timeout' must be a non-negative number",
    );
    assert.equal(await textOf(() => items.getNowait()), 'Empty: ');
    assert.equal(await textOf(() => items.get(false)), 'Empty: ');
    assert.equal(await textOf(() => items.get(true, 0.01)), 'Empty: ');
    items.putNowait(1);
    assert.deepEqual([items.full(), items.empty(), items.qsize()], [true, false, 1]);
    assert.equal(await textOf(() => items.putNowait(2)), 'Full: ');
    assert.equal(await textOf(() => items.put(2, false)), 'Full: ');
    assert.equal(await textOf(() => items.put(2, true, 0.01)), 'Full: ');
    items.taskDone();
    assert.equal(await textOf(() => items.taskDone()), 'RangeError: taskDone() called too many times');
    const full = items.put(2);
    items.shutdown();
    assert.equal(await textOf(() => full), 'ShutDown: ');
    assert.equal(await textOf(() => items.put(1, true, -1)), 'ShutDown: ');
    assert.equal(await items.get(), 1);
    assert.equal(await textOf(() => items.getNowait()), 'ShutDown: ');
    assert.equal(String(items), '<Queue maxsize=1 size=0 shutdown>');
    assert.equal(
      await textOf(() => new queue.SimpleQueue().get(true, -1)),
      "RangeError: 'timeout' must be a non-negative number",
    );
  });

  test('shutdown(true) drops what is in it, and join ends', async () => {
    for (const make of [
      () => new queue.Queue(),
      () => new queue.PriorityQueue(),
      () => new queue.LifoQueue(),
    ]) {
      const items = make();
      for (let i = 0; i < 5; i++) items.putNowait(i);
      items.getNowait();
      const joined = items.join();
      const waits = items.get();
      await waits;
      items.shutdown(true);
      assert.equal(joined.done(), false);
      assert.equal(await textOf(() => items.get()), 'ShutDown: ');
      items.taskDone();
      items.taskDone();
      await joined;
      assert.equal(await textOf(() => items.taskDone()), 'RangeError: taskDone() called too many times');
    }
  });

  test('their orders', () => {
    const priority = new queue.PriorityQueue<[number, number]>();
    const last = new queue.LifoQueue<number>();
    const places = [5, 3, 9, 3, 1, 7, 3, 9];
    places.forEach((place, i) => {
      priority.putNowait([place, i]);
      last.putNowait(i);
    });
    const expected = places
      .map((place, i) => [place, i])
      .sort(([a = 0, i = 0], [b = 0, j = 0]) => a - b || i - j);
    assert.deepEqual(
      places.map(() => priority.getNowait()),
      expected,
    );
    assert.deepEqual(
      places.map(() => last.getNowait()),
      [7, 6, 5, 4, 3, 2, 1, 0],
    );
    const mixed = new queue.PriorityQueue<unknown>();
    mixed.putNowait(1);
    assert.throws(
      () => mixed.putNowait('a'),
      /^TypeError: '<' not supported between instances of 'string' and 'number'/,
    );
    assert.equal(mixed.qsize(), 1);
  });

  inBothStyles('an item that came to one who is cancelled goes back to its place', function* (style) {
    for (const make of [
      () => new queue.Queue<number>(),
      () => new queue.PriorityQueue<number>(),
      () => new queue.SimpleQueue<number>(),
    ]) {
      for (const rounds of [0, 1, 2, 3]) {
        const items = make();
        const got: number[] = [];
        const waiting = style.task(function* () {
          got.push(yield* on(items.get()));
        });
        yield* turns(2);
        items.putNowait(1);
        items.putNowait(2);
        yield* turns(rounds);
        waiting.cancel();
        yield* thrownBy(waiting);
        while (!items.empty()) got.push(items.getNowait());
        assert.deepEqual(got, [1, 2]);
      }
    }
  });

  test('for await takes items until the queue is shut down and empty', async () => {
    const items = new queue.Queue<number>(2);
    const got: number[] = [];
    const taking = (async () => {
      for await (const item of items) got.push(item);
    })();
    for (const i of [1, 2, 3, 4, 5]) await items.put(i);
    items.shutdown();
    await taking;
    assert.deepEqual(got, [1, 2, 3, 4, 5]);
  });

  test('a large queue: memory grows, and is used again', () => {
    const items = new queue.Queue<string>();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 20_000; i++) items.putNowait(`item ${i}`);
      for (let i = 0; i < 20_000; i++) assert.equal(items.getNowait(), `item ${i}`);
    }
    const priority = new queue.PriorityQueue<number>();
    for (let i = 0; i < 3000; i++) priority.putNowait((i * 7919) % 3000);
    for (let i = 0; i < 3000; i++) assert.equal(priority.getNowait(), i);
  });
});
