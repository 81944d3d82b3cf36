/** What threads share, between real threads. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Barrier,
  BrokenBarrierError,
  Condition,
  Event,
  Lock,
  queue,
  RLock,
  Semaphore,
} from 'asyncio-ts/threading';
import '../support/leaks.ts';
import { runProgram } from '../support/programs.ts';
import { rounds } from '../support/rounds.ts';
import { allEnded, start } from './workers.ts';

const shared = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * length));
const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

async function acquireAll(semaphore: Semaphore, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await semaphore.acquire();
}

describe('locks between threads', () => {
  for (const makeLock of [() => new Lock(), () => new RLock()]) {
    test(`${makeLock().constructor.name}: no two threads are in the section at once`, async () => {
      const lock = makeLock();
      const counts = shared(1);
      await allEnded(times(4, () => start('addUnder', lock, counts, rounds(2000))));
      assert.equal(counts[0], 4 * rounds(2000));
      assert.equal(lock.locked(), false);
    });
  }

  test('Lock: waits that are cancelled take nothing along', async () => {
    const lock = new Lock();
    const counts = shared(2);
    await allEnded(times(3, (i) => start('lockCancelled', lock, counts, 300, i)));
    assert.ok((counts[1] as number) > 0);
    assert.equal(counts[0], counts[1]);
    assert.equal(lock.locked(), false);
  });

  test('RLock: another thread waits until the last release', async () => {
    const lock = new RLock();
    const counts = shared(1);
    await lock.acquire();
    await lock.acquire();
    const adder = start('addUnder', lock, counts, 1);
    await new Promise((resolve) => adder.worker.once('online', resolve));
    lock.release();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(counts[0], 0);
    lock.release();
    await adder.ended;
    assert.equal(counts[0], 1);
  });

  test('Semaphore: as many at once as there are permits, and they are all back', async () => {
    const semaphore = new Semaphore(3);
    const counts = shared(2);
    await allEnded(times(3, () => start('holdPermits', semaphore, counts, 100)));
    assert.equal(counts[0], 0);
    assert.ok((counts[1] as number) <= 3);
    await acquireAll(semaphore, 3);
    assert.equal(await semaphore.acquire(false), false);
  });

  test('Event: set() lets everyone through who waits, even if clear() follows at once', async () => {
    const event = new Event();
    const ready = new Semaphore(0);
    const counts = shared(1);
    const waiting = times(3, () => start('waitForEvent', event, ready, counts));
    await acquireAll(ready, 3);
    event.set();
    event.clear();
    await allEnded(waiting);
    assert.equal(counts[0], 6);
  });

  test('Barrier: nobody is through before all have come, round after round', async () => {
    const [parties, rounds] = [4, 200];
    const barrier = new Barrier(parties);
    const [sums, arrived] = [shared(rounds), shared(rounds)];
    await allEnded(times(parties, () => start('meet', barrier, sums, arrived, rounds)));
    // Each number once.
    assert.deepEqual(
      [...sums],
      times(rounds, () => 4 + 600),
    );
    assert.equal(barrier.nWaiting, 0);
  });

  test('Barrier: abort() reaches the other threads, reset() mends it', async () => {
    const barrier = new Barrier(2);
    const [sums, arrived] = [shared(1), shared(1)];
    const one = start('meet', barrier, sums, arrived, 1);
    while (barrier.nWaiting === 0) await new Promise(setImmediate);
    barrier.abort();
    await assert.rejects(one.ended, { name: 'BrokenBarrierError' });
    await assert.rejects(barrier.wait().toPromise(), BrokenBarrierError);
    barrier.reset();
    assert.deepEqual(await Promise.all([barrier.wait(), barrier.wait()]), [0, 1]);
  });

  for (const lock of [new Lock(), null]) {
    test(`Condition of ${lock === null ? 'an RLock' : 'a Lock'}: threads are notified in their order`, async () => {
      const condition = new Condition(lock);
      const inLine = new Semaphore(0);
      const order = new queue.Queue<string>();
      const waiting = [];
      for (const name of ['a', 'b', 'c', 'd']) {
        waiting.push(start('waitInLine', condition, name, inLine, order));
        await inLine.acquire();
      }
      const woken: string[] = [];
      for (const count of [1, 1]) {
        const guard = await condition.acquire();
        condition.notify(count);
        guard.release();
        woken.push(await order.get());
      }
      assert.deepEqual(woken, ['a', 'b']);
      const guard = await condition.acquire();
      condition.notifyAll();
      guard.release();
      assert.deepEqual([await order.get(), await order.get()].sort(), ['c', 'd']);
      await allEnded(waiting);
    });
  }
});

describe('queues between threads', () => {
  test('everything that is put is taken once, in each producer’s order, whatever is cancelled', async () => {
    for (const make of [
      () => new queue.Queue<[number, number]>(5),
      () => new queue.Queue<[number, number]>(),
    ]) {
      const items = make();
      const got = new queue.SimpleQueue<[number, number][]>();
      const count = rounds(500);
      const consumers = times(2, (i) => start('consumeCancelled', items, got, i));
      await allEnded(times(2, () => start('produce', items, count)));
      items.shutdown();
      await allEnded(consumers);
      const all = [...(await got.get()), ...(await got.get())];
      assert.equal(all.length, 2 * count);
      assert.equal(new Set(all.map(String)).size, 2 * count);
    }
  });

  test('one producer and one consumer: first in, first out', async () => {
    const items = new queue.Queue<[number, number]>(3);
    const producer = start('produce', items, 300);
    for (let i = 0; i < 300; i++) assert.equal((await items.get())[1], i);
    await producer.ended;
  });

  test('items cross as clones, and live objects as themselves', async () => {
    const [there, back] = [new queue.Queue<unknown>(), new queue.Queue<unknown>()];
    const values = [
      undefined,
      null,
      true,
      0,
      -0,
      Number.NaN,
      2n ** 70n,
      '',
      'häß\ud83d',
      [1, [2]],
      { a: new Date(5), b: new Map([[1, new Set(['x'])]]) },
      new Uint8Array([1, 2, 3]),
      new Float64Array([1.5]),
      Buffer.from('text'),
      'x'.repeat(100_000),
      new Uint8Array(3_000_000).fill(7),
    ];
    const echo = start('echo', there, back, values.length);
    for (const value of values) {
      there.putNowait(value);
      assert.deepEqual(await back.get(), value);
    }
    await echo.ended;
  });

  test('locks, queues and shared memory in items are shared', async () => {
    const items = new queue.Queue<[Lock, queue.Queue<string>, SharedArrayBuffer] | null>();
    const count = new SharedArrayBuffer(4);
    const answers = new queue.Queue<string>();
    const lock = new Lock();
    // Before the threads are there, and after.
    items.putNowait([lock, answers, count]);
    const workers = times(2, () => start('serve', items));
    assert.equal(await answers.get(), 'served');
    for (let i = 0; i < 20; i++) items.putNowait([lock, answers, count]);
    for (let i = 0; i < 20; i++) await answers.get();
    assert.equal(new Int32Array(count)[0], 21);
    workers.forEach(() => items.putNowait(null));
    await allEnded(workers);
    assert.throws(() => items.putNowait([new Int32Array(count)] as never), {
      name: 'TypeError',
      message:
        /^a typed array on a SharedArrayBuffer, unlike the buffer itself, cannot be in an item of a queue/,
    });
    assert.throws(() => items.putNowait({ call: () => 1 } as never), {
      name: 'TypeError',
      message: /^\(\) => 1 cannot be in an item of a queue between threads/,
    });
    assert.equal(items.qsize(), 0);
  });

  test('a worker that is terminated in the midst of it leaves the queue whole', async () => {
    for (const items of [new queue.Queue<unknown>(), new queue.PriorityQueue<unknown>()]) {
      // Comparable with all that is put.
      const isOrdered = items instanceof queue.PriorityQueue;
      const ready = new Semaphore(0);
      for (let round = 0; round < rounds(8); round++) {
        const running = times(2, () => start(isOrdered ? 'churnOrdered' : 'churn', items, ready));
        await acquireAll(ready, 2);
        await new Promise((resolve) => setTimeout(resolve, (round * 2.3) % 9));
        await Promise.all(running.map(({ worker }) => worker.terminate()));
        const size = items.qsize();
        assert.ok(size <= 2 * (round + 1), `${size} items are left`);
        items.putNowait([-1, 0]);
        for (let left = size + 1; left > 0; left--) items.getNowait();
        assert.throws(() => items.getNowait(), queue.Empty);
      }
    }
  });
});

describe('threads that wait and end', () => {
  test('who is terminated while it waits is not waited for', async () => {
    const ready = new Semaphore(0);
    const lock = new Lock();
    const items = new queue.Queue<unknown>();
    const guard = await lock.acquire();
    const dead = [start('waitForEver', lock, ready), start('waitForEver', items, ready)];
    await acquireAll(ready, 2);
    for (const { worker } of dead) await worker.terminate();
    const waiting = [lock.acquire(), items.get()] as const;
    guard.release();
    items.putNowait('item');
    assert.equal(await waiting[1], 'item');
    (await waiting[0]).release();
    const condition = new Condition(new Lock());
    const order = new queue.Queue<string>();
    const lost = start('waitInLine', condition, 'dead', ready, order);
    await ready.acquire();
    const alive = start('waitInLine', condition, 'alive', ready, order);
    await ready.acquire();
    await lost.worker.terminate();
    const held = await condition.acquire();
    condition.notify(1);
    held.release();
    assert.equal(await order.get(), 'alive');
    await alive.ended;
  });

  test('a program that waits for a thread stays, and ends by itself', async () => {
    const program = `
      import { Event } from 'asyncio-ts/threading';
      const event = new Event();
      event.wait().then(() => console.log('set'));
      setTimeout(() => event.set(), 50).unref();
    `;
    const { code, stdout, stderr } = await runProgram(program);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'set\n', stderr: '' });
  });
});
