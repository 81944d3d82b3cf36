// The workloads in Effect. Runs as a copy beside the installed package (see ../peers.ts).
import { Deferred, Effect, Exit, Fiber, Queue, Semaphore } from 'effect';
import { check, CONTENDERS, deadlines, MANY, PEERS, ROOM } from './clock.js';

const yields = Effect.fnUntraced(function* (times) {
  for (let i = 0; i < times; i++) yield* Effect.yieldNow;
  return times;
});

const nested = Effect.fnUntraced(function* (levels) {
  if (levels > 1) return (yield* nested(levels - 1)) + 1;
  yield* Effect.yieldNow;
  return 1;
});

const nothing = Effect.fnUntraced(function* () {
  return 1;
});

const sleeper = Effect.fnUntraced(function* (seconds) {
  yield* Effect.sleep(seconds * 1000);
  return 1;
});

const parked = Effect.fnUntraced(function* (gate) {
  return yield* Deferred.await(gate);
});

const countCancelled = Effect.fnUntraced(function* (fibers) {
  let cancelled = 0;
  for (const fiber of fibers) if (Exit.isFailure(yield* Fiber.await(fiber))) cancelled++;
  return cancelled;
});

const contend = Effect.fnUntraced(function* (lock, times) {
  for (let i = 0; i < times; i++) yield* lock.withPermits(1)(Effect.yieldNow);
  return times;
});

const produce = Effect.fnUntraced(function* (queue, items) {
  for (let i = 0; i < items; i++) yield* Queue.offer(queue, 1);
});

const consume = Effect.fnUntraced(function* (queue, items) {
  let sum = 0;
  for (let i = 0; i < items; i++) sum += yield* Queue.take(queue);
  return sum;
});

const programs = {
  *yield0(n, clock) {
    clock.start();
    check(yield* yields(n), n);
    clock.stop();
  },

  *yield_many(n, clock) {
    const fibers = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < MANY; i++) fibers.push(yield* Effect.forkChild(yields(n / MANY)));
    for (const fiber of fibers) sum += yield* Fiber.join(fiber);
    clock.stop();
    check(sum, n);
  },

  *deep10(n, clock) {
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) sum += yield* nested(10);
    clock.stop();
    check(sum, 10 * n);
  },

  *spawn_join(n, clock) {
    const fibers = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(nothing()));
    for (const fiber of fibers) sum += yield* Fiber.join(fiber);
    clock.stop();
    check(sum, n);
  },

  *spawn_yield_seq(n, clock) {
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) sum += yield* Fiber.join(yield* Effect.forkChild(yields(1)));
    clock.stop();
    check(sum, n);
  },

  *gather10k(n, clock) {
    clock.start();
    const results = yield* Effect.all(
      Array.from({ length: n }, () => yields(10)),
      { concurrency: 'unbounded' },
    );
    clock.stop();
    check(
      results.reduce((sum, x) => sum + x, 0),
      10 * n,
    );
  },

  *timers(n, clock) {
    const delays = deadlines(n);
    const fibers = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(sleeper(delays[i])));
    for (const fiber of fibers) sum += yield* Fiber.join(fiber);
    clock.stop();
    check(sum, n);
  },

  *cancel(n, clock) {
    const fibers = [];
    for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(parked(Deferred.makeUnsafe())));
    yield* yields(2);
    clock.start();
    yield* Fiber.interruptAll(fibers);
    clock.stop();
    check(yield* countCancelled(fibers), n);
  },

  *cancel_sleep(n, clock) {
    const fibers = [];
    for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(sleeper(3600)));
    yield* yields(2);
    clock.start();
    yield* Fiber.interruptAll(fibers);
    clock.stop();
    check(yield* countCancelled(fibers), n);
  },

  *lock(n, clock) {
    const lock = yield* Semaphore.make(1);
    const fibers = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < CONTENDERS; i++) fibers.push(yield* Effect.forkChild(contend(lock, n / CONTENDERS)));
    for (const fiber of fibers) sum += yield* Fiber.join(fiber);
    clock.stop();
    check(sum, n);
  },

  *queue(n, clock) {
    const queue = yield* Queue.bounded(ROOM);
    clock.start();
    const producer = yield* Effect.forkChild(produce(queue, n));
    const consumer = yield* Effect.forkChild(consume(queue, n));
    yield* Fiber.join(producer);
    const sum = yield* Fiber.join(consumer);
    clock.stop();
    check(sum, n);
  },

  *queue_many(n, clock) {
    const queue = yield* Queue.bounded(ROOM);
    const producers = [];
    const consumers = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < PEERS; i++) producers.push(yield* Effect.forkChild(produce(queue, n / PEERS)));
    for (let i = 0; i < PEERS; i++) consumers.push(yield* Effect.forkChild(consume(queue, n / PEERS)));
    for (const producer of producers) yield* Fiber.join(producer);
    for (const consumer of consumers) sum += yield* Fiber.join(consumer);
    clock.stop();
    check(sum, n);
  },

  *cancel_waiters(n, clock) {
    const lock = yield* Semaphore.make(1);
    yield* lock.take(1);
    const fibers = [];
    for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(lock.take(1)));
    yield* yields(2);
    clock.start();
    yield* Fiber.interruptAll(fibers);
    clock.stop();
    check(yield* countCancelled(fibers), n);
  },

  *memory(n, clock) {
    const gates = new Array(n);
    clock.start();
    for (let i = 0; i < n; i++) yield* Effect.forkChild(parked((gates[i] = Deferred.makeUnsafe())));
    yield* yields(2);
    clock.stop();
    for (const gate of gates) Deferred.doneUnsafe(gate, Exit.succeed(null));
    yield* yields(3);
  },
};

export const workloads = Object.fromEntries(
  Object.entries(programs).map(([name, program]) => [
    name,
    (n, clock) => Effect.runPromise(Effect.gen(() => program(n, clock))),
  ]),
);
