// The workloads in Effect. Runs as a copy beside the installed package (see ../peers.ts).
import { Deferred, Effect, Exit, Fiber } from 'effect';
import { check, deadlines, MANY } from './clock.js';

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
