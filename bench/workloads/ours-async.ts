/** The workloads as async functions of this library. */
import * as asyncio from 'asyncio-ts';
import { check, type Clock, CONTENDERS, deadlines, MANY, PEERS, ROOM, type WorkloadModule } from './clock.ts';

async function yields(times: number): Promise<number> {
  for (let i = 0; i < times; i++) await asyncio.sleep(0);
  return times;
}

async function nested(levels: number): Promise<number> {
  if (levels > 1) return (await nested(levels - 1)) + 1;
  await asyncio.sleep(0);
  return 1;
}

async function nothing(): Promise<number> {
  return 1;
}

async function yieldOnce(): Promise<number> {
  await asyncio.sleep(0);
  return 1;
}

function parked(gate: asyncio.Future<null>) {
  return async () => await gate;
}

function sleeper(seconds: number) {
  return async () => {
    await asyncio.sleep(seconds);
    return 1;
  };
}

async function cancelAll(tasks: asyncio.Task<unknown>[]): Promise<number> {
  let cancelled = 0;
  for (const task of tasks) task.cancel();
  for (const task of tasks) {
    try {
      await task;
    } catch (error) {
      if (!(error instanceof asyncio.CancelledError)) throw error;
      cancelled++;
    }
  }
  return cancelled;
}

async function contend(lock: asyncio.Lock, times: number): Promise<number> {
  for (let i = 0; i < times; i++) {
    await lock.acquire();
    try {
      await asyncio.sleep(0);
    } finally {
      lock.release();
    }
  }
  return times;
}

async function produce(queue: asyncio.Queue<number>, items: number): Promise<void> {
  for (let i = 0; i < items; i++) await queue.put(1);
}

async function consume(queue: asyncio.Queue<number>, items: number): Promise<number> {
  let sum = 0;
  for (let i = 0; i < items; i++) sum += await queue.get();
  return sum;
}

// Whoever is cancelled in line never holds it.
function standInLine(lock: asyncio.Lock) {
  return async () => {
    await lock.acquire();
  };
}

const programs = {
  async yield0(n: number, clock: Clock) {
    clock.start();
    check(await yields(n), n);
    clock.stop();
  },

  async yield_many(n: number, clock: Clock) {
    clock.start();
    const tasks = Array.from({ length: MANY }, () => asyncio.createTask(() => yields(n / MANY)));
    let sum = 0;
    for (const task of tasks) sum += await task;
    clock.stop();
    check(sum, n);
  },

  async deep10(n: number, clock: Clock) {
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) sum += await nested(10);
    clock.stop();
    check(sum, 10 * n);
  },

  async spawn_join(n: number, clock: Clock) {
    let sum = 0;
    clock.start();
    const tasks = Array.from({ length: n }, () => asyncio.createTask(nothing));
    for (const task of tasks) sum += await task;
    clock.stop();
    check(sum, n);
  },

  async spawn_yield_seq(n: number, clock: Clock) {
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) sum += await asyncio.createTask(yieldOnce);
    clock.stop();
    check(sum, n);
  },

  async gather10k(n: number, clock: Clock) {
    clock.start();
    const results = await asyncio.gather(Array.from({ length: n }, () => () => yields(10)));
    clock.stop();
    check(
      results.reduce((sum, x) => sum + x, 0),
      10 * n,
    );
  },

  async timers(n: number, clock: Clock) {
    const delays = deadlines(n);
    let sum = 0;
    clock.start();
    const tasks = Array.from({ length: n }, (_, i) => asyncio.createTask(sleeper(delays[i]!)));
    for (const task of tasks) sum += await task;
    clock.stop();
    check(sum, n);
  },

  async cancel(n: number, clock: Clock) {
    const loop = asyncio.getRunningLoop();
    const tasks = Array.from({ length: n }, () => asyncio.createTask(parked(loop.createFuture())));
    await yields(2);
    clock.start();
    const cancelled = await cancelAll(tasks);
    clock.stop();
    check(cancelled, n);
  },

  async cancel_sleep(n: number, clock: Clock) {
    const tasks = Array.from({ length: n }, () => asyncio.createTask(sleeper(3600)));
    await yields(2);
    clock.start();
    const cancelled = await cancelAll(tasks);
    clock.stop();
    check(cancelled, n);
  },

  async lock(n: number, clock: Clock) {
    const lock = new asyncio.Lock();
    let sum = 0;
    clock.start();
    const tasks = Array.from({ length: CONTENDERS }, () =>
      asyncio.createTask(() => contend(lock, n / CONTENDERS)),
    );
    for (const task of tasks) sum += await task;
    clock.stop();
    check(sum, n);
  },

  async queue(n: number, clock: Clock) {
    const queue = new asyncio.Queue<number>(ROOM);
    clock.start();
    const producer = asyncio.createTask(() => produce(queue, n));
    const consumer = asyncio.createTask(() => consume(queue, n));
    await producer;
    const sum = await consumer;
    clock.stop();
    check(sum, n);
  },

  async queue_many(n: number, clock: Clock) {
    const queue = new asyncio.Queue<number>(ROOM);
    let sum = 0;
    clock.start();
    const producers = Array.from({ length: PEERS }, () =>
      asyncio.createTask(() => produce(queue, n / PEERS)),
    );
    const consumers = Array.from({ length: PEERS }, () =>
      asyncio.createTask(() => consume(queue, n / PEERS)),
    );
    for (const producer of producers) await producer;
    for (const consumer of consumers) sum += await consumer;
    clock.stop();
    check(sum, n);
  },

  async cancel_waiters(n: number, clock: Clock) {
    const lock = new asyncio.Lock();
    await lock.acquire();
    const tasks = Array.from({ length: n }, () => asyncio.createTask(standInLine(lock)));
    await yields(2);
    clock.start();
    const cancelled = await cancelAll(tasks);
    clock.stop();
    check(cancelled, n);
  },

  async cancel_waiters_1m(n: number, clock: Clock) {
    await programs.cancel_waiters(n, clock);
  },

  async memory(n: number, clock: Clock) {
    const loop = asyncio.getRunningLoop();
    const gates = new Array<asyncio.Future<null>>(n);
    clock.start();
    for (let i = 0; i < n; i++) asyncio.createTask(parked((gates[i] = loop.createFuture<null>())));
    await yields(2);
    clock.stop();
    for (const gate of gates) gate.setResult(null);
    await yields(3);
  },
};

export const workloads: WorkloadModule['workloads'] = Object.fromEntries(
  Object.entries(programs).map(([name, program]) => [
    name,
    (n: number, clock: Clock) => asyncio.run(() => program(n, clock)),
  ]),
);
