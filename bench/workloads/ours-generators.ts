/** The workloads as generator functions of this library. */
import * as asyncio from 'asyncio-ts';
import { check, type Clock, CONTENDERS, deadlines, MANY, PEERS, ROOM, type WorkloadModule } from './clock.ts';

function* yields(times: number) {
  for (let i = 0; i < times; i++) yield* asyncio.sleep(0);
  return times;
}

// An explicit type, since the function calls itself.
type Nested = ReturnType<typeof yields>;

function* nested(levels: number): Nested {
  if (levels > 1) return (yield* nested(levels - 1)) + 1;
  yield* asyncio.sleep(0);
  return 1;
}

function* nothing() {
  return 1;
}

function* parked(gate: asyncio.Future<null>) {
  return yield* gate;
}

function* sleeper(seconds: number) {
  yield* asyncio.sleep(seconds);
  return 1;
}

function* cancelAll(tasks: asyncio.Task<unknown>[]) {
  let cancelled = 0;
  for (const task of tasks) task.cancel();
  for (const task of tasks) {
    try {
      yield* task;
    } catch (error) {
      if (!(error instanceof asyncio.CancelledError)) throw error;
      cancelled++;
    }
  }
  return cancelled;
}

function* contend(lock: asyncio.Lock, times: number) {
  for (let i = 0; i < times; i++) {
    yield* lock.acquire();
    try {
      yield* asyncio.sleep(0);
    } finally {
      lock.release();
    }
  }
  return times;
}

function* produce(queue: asyncio.Queue<number>, items: number) {
  for (let i = 0; i < items; i++) yield* queue.put(1);
}

function* consume(queue: asyncio.Queue<number>, items: number) {
  let sum = 0;
  for (let i = 0; i < items; i++) sum += yield* queue.get();
  return sum;
}

// Whoever is cancelled in line never holds it.
function* standInLine(lock: asyncio.Lock) {
  yield* lock.acquire();
}

export const programs = {
  *yield0(n: number, clock: Clock) {
    clock.start();
    check(yield* yields(n), n);
    clock.stop();
  },

  *yield_many(n: number, clock: Clock) {
    clock.start();
    const tasks = Array.from({ length: MANY }, () => asyncio.createTask(yields(n / MANY)));
    let sum = 0;
    for (const task of tasks) sum += yield* task;
    clock.stop();
    check(sum, n);
  },

  *deep10(n: number, clock: Clock) {
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) sum += yield* nested(10);
    clock.stop();
    check(sum, 10 * n);
  },

  *spawn_join(n: number, clock: Clock) {
    let sum = 0;
    clock.start();
    const tasks = Array.from({ length: n }, () => asyncio.createTask(nothing()));
    for (const task of tasks) sum += yield* task;
    clock.stop();
    check(sum, n);
  },

  *spawn_yield_seq(n: number, clock: Clock) {
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) sum += yield* asyncio.createTask(yields(1));
    clock.stop();
    check(sum, n);
  },

  *gather10k(n: number, clock: Clock) {
    clock.start();
    const results = yield* asyncio.gather(Array.from({ length: n }, () => yields(10)));
    clock.stop();
    check(
      results.reduce((sum, x) => sum + x, 0),
      10 * n,
    );
  },

  *timers(n: number, clock: Clock) {
    const delays = deadlines(n);
    let sum = 0;
    clock.start();
    const tasks = Array.from({ length: n }, (_, i) => asyncio.createTask(sleeper(delays[i]!)));
    for (const task of tasks) sum += yield* task;
    clock.stop();
    check(sum, n);
  },

  *cancel(n: number, clock: Clock) {
    const loop = asyncio.getRunningLoop();
    const tasks = Array.from({ length: n }, () => asyncio.createTask(parked(loop.createFuture())));
    yield* yields(2);
    clock.start();
    const cancelled = yield* cancelAll(tasks);
    clock.stop();
    check(cancelled, n);
  },

  *cancel_sleep(n: number, clock: Clock) {
    const tasks = Array.from({ length: n }, () => asyncio.createTask(sleeper(3600)));
    yield* yields(2);
    clock.start();
    const cancelled = yield* cancelAll(tasks);
    clock.stop();
    check(cancelled, n);
  },

  *lock(n: number, clock: Clock) {
    const lock = new asyncio.Lock();
    let sum = 0;
    clock.start();
    const tasks = Array.from({ length: CONTENDERS }, () => asyncio.createTask(contend(lock, n / CONTENDERS)));
    for (const task of tasks) sum += yield* task;
    clock.stop();
    check(sum, n);
  },

  *queue(n: number, clock: Clock) {
    const queue = new asyncio.Queue<number>(ROOM);
    clock.start();
    const producer = asyncio.createTask(produce(queue, n));
    const consumer = asyncio.createTask(consume(queue, n));
    yield* producer;
    const sum = yield* consumer;
    clock.stop();
    check(sum, n);
  },

  *queue_many(n: number, clock: Clock) {
    const queue = new asyncio.Queue<number>(ROOM);
    let sum = 0;
    clock.start();
    const producers = Array.from({ length: PEERS }, () => asyncio.createTask(produce(queue, n / PEERS)));
    const consumers = Array.from({ length: PEERS }, () => asyncio.createTask(consume(queue, n / PEERS)));
    for (const producer of producers) yield* producer;
    for (const consumer of consumers) sum += yield* consumer;
    clock.stop();
    check(sum, n);
  },

  *cancel_waiters(n: number, clock: Clock) {
    const lock = new asyncio.Lock();
    yield* lock.acquire();
    const tasks = Array.from({ length: n }, () => asyncio.createTask(standInLine(lock)));
    yield* yields(2);
    clock.start();
    const cancelled = yield* cancelAll(tasks);
    clock.stop();
    check(cancelled, n);
  },

  *cancel_waiters_1m(n: number, clock: Clock) {
    yield* programs.cancel_waiters(n, clock);
  },

  *memory(n: number, clock: Clock) {
    const loop = asyncio.getRunningLoop();
    const gates = new Array<asyncio.Future<null>>(n);
    clock.start();
    for (let i = 0; i < n; i++) asyncio.createTask(parked((gates[i] = loop.createFuture<null>())));
    yield* yields(2);
    clock.stop();
    for (const gate of gates) gate.setResult(null);
    yield* yields(3);
  },
};

export const workloads: WorkloadModule['workloads'] = Object.fromEntries(
  Object.entries(programs).map(([name, program]) => [
    name,
    (n: number, clock: Clock) => asyncio.run(() => program(n, clock)),
  ]),
);
