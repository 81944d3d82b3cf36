import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { run, setLogger, sleep, waitFor } from 'asyncio-ts';
import { ProcessPoolExecutor, ThreadPoolExecutor } from 'asyncio-ts/concurrent';
import {
  BoundedSemaphore,
  Empty,
  Event,
  Full,
  JoinableQueue,
  Lock,
  Process,
  Queue,
  RLock,
  Semaphore,
  SimpleQueue,
} from 'asyncio-ts/multiprocessing';
import '../support/leaks.ts';
import { leavesNoProcess } from '../support/processes.ts';
import { on, stylesOf } from '../support/styles.ts';
import * as targets from './targets.ts';

type AnyTarget = (...args: any[]) => unknown;

function start(target: AnyTarget, ...args: unknown[]): Process {
  const child = new Process({ target, args });
  void child.start();
  return child;
}

/** Waits for all to end, which they must as they should. */
async function join(...children: Process[]): Promise<void> {
  for (const child of children) {
    await child.join();
    assert.equal(child.exitcode, 0, String(child));
  }
}

/** What is logged while `body` runs. */
async function logged(body: () => Promise<void>): Promise<string[]> {
  const lines: string[] = [];
  const add = (line: string): void => void lines.push(line);
  setLogger({ debug: add, info: add, warning: add, error: add });
  try {
    await body();
  } finally {
    setLogger(null);
  }
  return lines;
}

const getAll = async <T>(queue: Queue<T> | SimpleQueue<T>, count: number): Promise<T[]> => {
  const items: T[] = [];
  while (items.length < count) items.push(await queue.get());
  return items;
};

describe('Queue', () => {
  leavesNoProcess();

  it('in one process: order, limits, time-outs, states', async () => {
    const queue = new Queue<number>(2);
    assert.match(String(queue), /^<multiprocessing\.queues\.Queue object at 0x\w+>$/);
    await queue.put(1);
    const second = queue.put(2);
    const third = queue.put(3);
    assert.deepEqual([second.done(), third.done()], [true, false]);
    await assert.rejects(queue.put(4, true, 0.001).toPromise(), (e) => e instanceof Full && e.message === '');
    await assert.rejects(queue.putNowait(4).toPromise(), Full);
    assert.deepEqual([await queue.full(), await queue.empty(), await queue.qsize()], [true, false, 2]);
    assert.deepEqual([await queue.get(), await queue.get(), await queue.get()], [1, 2, 3]);
    await assert.rejects(queue.get(true, 0.001).toPromise(), (e) => e instanceof Empty && e.message === '');
    await assert.rejects(queue.get(true, -1).toPromise(), Empty);
    await assert.rejects(queue.getNowait().toPromise(), Empty);
    assert.throws(() => queue.joinThread(), { name: 'AssertionError', message: `Queue ${queue} not closed` });
    queue.close();
    await queue.joinThread();
    const closed = { name: 'RangeError', message: `Queue ${queue} is closed` };
    assert.throws(() => queue.put(1), closed);
    assert.throws(() => queue.get(), closed);
  });

  it('clones at the put', async () => {
    const queue = new Queue();
    const item = { list: [1], date: new Date(0), bytes: new Uint8Array([1, 2]) };
    void queue.put(item);
    item.list.push(2);
    assert.deepEqual(await queue.get(), { list: [1], date: new Date(0), bytes: new Uint8Array([1, 2]) });
  });

  it('H58 takes no item that cannot be cloned, and goes on', async () => {
    const queue = new Queue();
    assert.throws(() => queue.put(() => 0), { name: 'PicklingError' });
    assert.throws(() => queue.put({ lock: new Lock() }), {
      name: 'RuntimeError',
      message: 'Lock objects should only be shared between processes through inheritance',
    });
    assert.throws(() => queue.put(queue), {
      message: 'Queue objects should only be shared between processes through inheritance',
    });
    await queue.put(1);
    assert.equal(await queue.get(), 1);
  });

  for (const style of stylesOf()) {
    it(`a wait that is cancelled takes nothing and loses nothing (${style.name})`, async () => {
      await run(
        style.fn(function* () {
          const queue = new Queue<number>(1);
          const names: string[] = [];
          const waiting = style.task(function* () {
            yield* on(queue.get());
          });
          yield* on(sleep(0));
          // It has come, and the task is cancelled before it sees it.
          yield* on(queue.put(1));
          waiting.cancel();
          try {
            yield* on(waiting);
          } catch (error) {
            names.push((error as Error).name);
          }
          assert.deepEqual(names, ['CancelledError']);
          assert.equal(yield* on(queue.qsize()), 1);
          try {
            yield* on(waitFor(() => queue.put(2), 0.001));
          } catch (error) {
            names.push((error as Error).name);
          }
          assert.deepEqual(names, ['CancelledError', 'TimeoutError']);
          assert.equal(yield* on(queue.get()), 1);
          assert.equal(yield* on(queue.empty()), true);
        }),
      );
    });
  }

  it('carries items both ways, between children as well, in order', async () => {
    const [there, back] = [new Queue<number>(), new Queue()];
    const items = [1, 'two', { three: [3] }, null, undefined, 4n, new Map([[5, 6]])];
    const first = start(targets.put, back, ...items);
    assert.deepEqual(await getAll(back, items.length), items);
    const second = start(targets.putAsGenerator, there, 7);
    const third = start(targets.takeSome, there, 1, back);
    assert.deepEqual(await back.get(), [7]);
    await join(first, second, third);
  });

  it('10,000 items of four children that do not wait for their puts: none is lost, none comes twice', async () => {
    const queue = new Queue<number>(100);
    const counts = [0, 1, 2, 3].map(() => 2500);
    const children = counts.map((count) => start(targets.putAndLeave, queue, count));
    const items = await getAll(queue, 10_000);
    await join(...children);
    assert.equal(await queue.empty(), true);
    const seen = new Map<number, number>();
    for (const item of items) seen.set(item, (seen.get(item) ?? 0) + 1);
    assert.equal(seen.size, 2500);
    assert.ok([...seen.values()].every((times) => times === 4));
  });

  it('waits cancelled in a child, at any moment, lose nothing and keep the order', async () => {
    const [queue, answers] = [new Queue<number>(), new Queue<number[]>()];
    const child = start(targets.takeHesitating, queue, 200, answers);
    await answers.put([]);
    await answers.get();
    for (let i = 0; i < 200; i++) {
      void queue.put(i);
      if (i % 7 === 0) await delay(1);
    }
    assert.deepEqual(
      await answers.get(),
      Array.from({ length: 200 }, (_, i) => i),
    );
    await join(child);
    assert.equal(await queue.empty(), true);
  });

  it('a child that is killed while it waits takes nothing with it', async () => {
    const [queue, taken] = [new Queue<number>(), new Queue<number>()];
    const child = start(targets.take, queue, taken);
    for (let i = 0; i < 5; i++) {
      await queue.put(i);
      assert.equal(await taken.get(), i);
    }
    child.kill();
    await child.join();
    await queue.put(5);
    assert.equal(await queue.getNowait(), 5);
  });

  it('what was on its way to a child that dies goes back to the head of the queue', async () => {
    const [queue, answers] = [new Queue<number>(), new Queue<string>()];
    const child = start(targets.askAndTell, queue, answers);
    try {
      assert.equal(await answers.get(), 'asked');
      // It has asked for an item, and reads nothing any more.
      process.kill(child.pid as number, 'SIGSTOP');
      for (const item of [1, 2, 3]) await queue.put(item);
      assert.equal(await queue.qsize(), 2);
    } finally {
      child.kill();
      await child.join();
    }
    assert.deepEqual(await getAll(queue, 3), [1, 2, 3]);
  });

  it('JoinableQueue and SimpleQueue: jobs, results, and the end of all jobs', async () => {
    const [jobs, results] = [new JoinableQueue<number>(), new SimpleQueue<number>()];
    const children = [start(targets.work, jobs, results), start(targets.work, jobs, results)];
    for (let i = 0; i < 20; i++) await jobs.put(i);
    await jobs.join();
    assert.equal(await results.empty(), false);
    const sorted = (await getAll(results, 20)).sort((a, b) => a - b);
    assert.deepEqual(
      sorted,
      Array.from({ length: 20 }, (_, i) => 2 * i),
    );
    for (const _ of children) await jobs.put(-1);
    await join(...children);
    const extra = new JoinableQueue();
    await assert.rejects(extra.taskDone().toPromise(), { message: 'task_done() called too many times' });
    results.close();
    assert.throws(() => results.put(1), { message: 'handle is closed', code: 'EBADF' });
  });

  it('goes through a child to its own child', async () => {
    const [queue, lock, ready] = [new Queue(), new Lock(), new Event()];
    const held = await lock.acquire();
    const child = start(targets.relay, queue, lock, ready);
    assert.equal(await queue.get(), `${child.name}:1`);
    await ready.set();
    await delay(50);
    assert.equal(await queue.empty(), true);
    held.release();
    assert.deepEqual(await queue.get(), ['relayed', true]);
    assert.deepEqual(await queue.get(), ['grandchild', 0]);
    await join(child);
  });

  it('goes to the calls of executors, on processes and on threads', async () => {
    const queue = new Queue();
    for (const executor of [new ProcessPoolExecutor(1), new ThreadPoolExecutor(1)]) {
      await executor.submit(targets.putOne, queue, executor.constructor.name);
      await executor.submit(targets.put, queue, 1, 2);
      await executor.shutdown();
      assert.deepEqual(await getAll(queue, 3), [executor.constructor.name, 1, 2]);
    }
  });
});

describe('locks between processes', () => {
  leavesNoProcess();

  it('in one process: texts, misuse, time-outs', async () => {
    const [lock, rlock] = [new Lock(), new RLock()];
    assert.deepEqual([String(lock), String(rlock)], ['<Lock(owner=None)>', '<RLock(None, 0)>']);
    const guard = await lock.acquire();
    assert.equal(String(lock), '<Lock(owner=MainProcess)>');
    assert.deepEqual(
      [await lock.locked(), await lock.acquire(false), await lock.acquire(true, 0.001)],
      [true, false, false],
    );
    guard.release();
    guard.release();
    assert.equal(await lock.locked(), false);
    const tooMany = { name: 'RangeError', message: 'semaphore or lock released too many times' };
    await assert.rejects(lock.release().toPromise(), tooMany);
    await rlock.acquire();
    await rlock.acquire();
    assert.equal(String(rlock), '<RLock(MainProcess, 2)>');
    await rlock.release();
    await rlock.release();
    await assert.rejects(rlock.release().toPromise(), {
      name: 'AssertionError',
      message: 'attempt to release recursive lock not owned by thread',
    });
    const [semaphore, bounded] = [new Semaphore(2), new BoundedSemaphore(2)];
    assert.deepEqual(
      [String(semaphore), String(bounded)],
      ['<Semaphore(value=2)>', '<BoundedSemaphore(value=2, maxvalue=2)>'],
    );
    await semaphore.release();
    assert.equal(await semaphore.getValue(), 3);
    await assert.rejects(bounded.release().toPromise(), tooMany);
    assert.throws(() => new Semaphore(-1), { code: 'EINVAL' });
  });

  it('exclude: read, add, write in four children', async () => {
    const [lock, cell] = [new Lock(), new Queue<number>()];
    await cell.put(0);
    await join(...[0, 1, 2, 3].map(() => start(targets.increment, lock, cell, 25)));
    assert.equal(await cell.get(), 100);
    assert.equal(String(lock), '<Lock(owner=None)>');
  });

  it('H64 one that a killed child held is released, which is logged', async () => {
    for (const lock of [new Lock(), new RLock(), new BoundedSemaphore(1), new Semaphore(1)]) {
      const ready = new Event();
      const lines = await logged(async () => {
        const child = start(targets.holdForever, lock, ready);
        await ready.wait();
        assert.equal(await lock.acquire(false), false);
        const next = lock.acquire();
        child.kill();
        (await next).release();
        await child.join();
      });
      assert.deepEqual(lines, [`a process ended while it held a ${lock.constructor.name}: it is released`]);
      assert.equal(await lock.locked(), false);
    }
  });

  it('one that a grandchild held is released as well', async () => {
    const [lock, ready] = [new Lock(), new Event()];
    const lines = await logged(async () => {
      await join(start(targets.relayHolder, lock, ready));
      await lock.acquire();
    });
    assert.equal(lines.length, 1);
  });

  it('one that a child has left locked at its proper end stays so, as in Python', async () => {
    const lock = new Lock();
    await join(start(targets.acquireAndEnd, lock));
    assert.equal(String(lock), '<Lock(owner=SomeOtherProcess)>');
    await lock.release();
    assert.equal(await lock.locked(), false);
  });

  it('a semaphore that counts events is not raised by the death of who has waited for them', async () => {
    const [semaphore, ready] = [new Semaphore(0), new Event()];
    await semaphore.release();
    const child = start(targets.holdForever, semaphore, ready);
    await ready.wait();
    child.kill();
    await child.join();
    assert.equal(await semaphore.getValue(), 0);
  });

  it('RLock counts for a process; a bounded semaphore knows its bound there', async () => {
    const [rlock, limits, answers] = [new RLock(), new BoundedSemaphore(1), new Queue()];
    await join(start(targets.lockTwice, rlock, answers));
    assert.deepEqual(await getAll(answers, 2), [
      true,
      'AssertionError: attempt to release recursive lock not owned by thread',
    ]);
    await join(start(targets.tryEverything, limits, answers));
    assert.deepEqual(await answers.get(), [
      true,
      false,
      0,
      'RangeError: semaphore or lock released too many times',
    ]);
  });

  for (const style of stylesOf()) {
    it(`a cancelled acquire leaves it free (${style.name})`, async () => {
      await run(
        style.fn(function* () {
          const lock = new Lock();
          const guard = yield* on(lock.acquire());
          const waiting = style.task(function* () {
            yield* on(lock.acquire());
          });
          yield* on(sleep(0));
          guard.release();
          waiting.cancel();
          try {
            yield* on(waiting);
          } catch {}
          assert.equal(yield* on(lock.locked()), false);
          yield* on(lock.run(() => {}));
        }),
      );
    });
  }
});

describe('Event between processes', () => {
  leavesNoProcess();

  it('is set, cleared and waited for', async () => {
    const event = new Event();
    assert.match(String(event), /^<Event at 0x\w+ unset>$/);
    assert.deepEqual([await event.isSet(), await event.wait(0.001)], [false, false]);
    await event.set();
    assert.deepEqual([await event.isSet(), await event.wait()], [true, true]);
    assert.match(String(event), / set>$/);
    await event.clear();
    assert.equal(await event.isSet(), false);
  });
});
