/** Lines of many waiters: what is quadratic here would take minutes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Barrier,
  Condition,
  type Coroutine,
  createTask,
  Event,
  type Gen,
  Lock,
  Queue,
  Semaphore,
  sleep,
  type Task,
} from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { runVirtually } from '../support/programs.ts';

const COUNT = 100_000;

interface Crowd {
  primitive: object;
  wait: () => Coroutine<unknown>;
}

/** Each in a state in which everyone has to wait. */
const crowds: Record<string, () => Gen<Crowd>> = {
  *Lock() {
    const lock = new Lock();
    yield* lock.acquire();
    return { primitive: lock, wait: () => lock.acquire() };
  },
  *Semaphore() {
    const semaphore = new Semaphore(0);
    return { primitive: semaphore, wait: () => semaphore.acquire() };
  },
  *Event() {
    const event = new Event();
    return { primitive: event, wait: () => event.wait() };
  },
  *Condition() {
    const condition = new Condition();
    return { primitive: condition, wait: () => condition.run(() => condition.wait()) };
  },
  *'Barrier of more'() {
    const barrier = new Barrier(COUNT + 1);
    return { primitive: barrier, wait: () => barrier.wait() };
  },
  *'Queue that is empty'() {
    const queue = new Queue<number>();
    return { primitive: queue, wait: () => queue.get() };
  },
  *'Queue that is full'() {
    const queue = new Queue<number>(1);
    queue.putNowait(1);
    return { primitive: queue, wait: () => queue.put(2) };
  },
};

/** Without notes of where each one waits, which would cost more than the waits. */
const quick = { loopFactory: () => new VirtualEventLoop({ places: false }) };

describe(`a line of ${COUNT} waiters`, () => {
  for (const [name, make] of Object.entries(crowds)) {
    test(`at a ${name} is cancelled, and nobody is left`, async () => {
      await runVirtually(function* (): Gen<void> {
        const { primitive, wait } = yield* make();
        const before = String(primitive);
        const tasks: Task<unknown>[] = [];
        for (let i = 0; i < COUNT; i++) tasks.push(createTask(wait()));
        yield* sleep(0);
        assert.match(String(primitive), new RegExp(`\\b${COUNT}\\b`));
        // Here from the front, there from the back.
        const half = COUNT / 2;
        for (let i = 0; i < half; i++) {
          tasks[i]?.cancel();
          tasks[COUNT - 1 - i]?.cancel();
        }
        yield* sleep(1);
        assert.ok(tasks.every((task) => task.cancelled()));
        assert.equal(String(primitive), before);
      }, quick);
    });
  }

  test('is served in order', async () => {
    await runVirtually(function* (): Gen<void> {
      const lock = new Lock();
      const order: number[] = [];
      const queue = new Queue<number>();
      const taken: number[] = [];
      for (let i = 0; i < COUNT; i++) {
        createTask(function* () {
          yield* lock.run(() => void order.push(i));
          taken[yield* queue.get()] = i;
        });
      }
      yield* sleep(1);
      for (let i = 0; i < COUNT; i++) queue.putNowait(i);
      yield* sleep(1);
      const expected = Array.from({ length: COUNT }, (_, i) => i);
      assert.deepEqual(order, expected);
      assert.deepEqual(taken, expected);
    }, quick);
  });
});
