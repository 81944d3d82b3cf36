/** The workloads as generator functions of this library. */
import * as asyncio from 'asyncio-ts';
import { check, type Clock, deadlines, MANY, type WorkloadModule } from './clock.ts';

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
