// The workloads in Effection. Runs as a copy beside the installed package (see ../peers.ts). Effection has no
// "yield to the others" of its own, and its sleep(0) takes a whole millisecond: here it is an action with one
// setImmediate, as a user would write it.
import { action, all, run, sleep, spawn, withResolvers } from 'effection';
import { check, deadlines, MANY } from './clock.js';

function tick() {
  return action((resolve) => {
    const immediate = setImmediate(resolve);
    return () => clearImmediate(immediate);
  });
}

function* yields(times) {
  for (let i = 0; i < times; i++) yield* tick();
  return times;
}

function* nested(levels) {
  if (levels > 1) return (yield* nested(levels - 1)) + 1;
  yield* tick();
  return 1;
}

function* nothing() {
  return 1;
}

function* sleeper(seconds) {
  yield* sleep(seconds * 1000);
  return 1;
}

function parked(gate) {
  return function* () {
    return yield* gate.operation;
  };
}

const programs = {
  *yield0(n, clock) {
    clock.start();
    check(yield* yields(n), n);
    clock.stop();
  },

  *yield_many(n, clock) {
    const tasks = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < MANY; i++) tasks.push(yield* spawn(() => yields(n / MANY)));
    for (const task of tasks) sum += yield* task;
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
    const tasks = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) tasks.push(yield* spawn(nothing));
    for (const task of tasks) sum += yield* task;
    clock.stop();
    check(sum, n);
  },

  *spawn_yield_seq(n, clock) {
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) sum += yield* yield* spawn(() => yields(1));
    clock.stop();
    check(sum, n);
  },

  *gather10k(n, clock) {
    clock.start();
    const results = yield* all(Array.from({ length: n }, () => yields(10)));
    clock.stop();
    check(
      results.reduce((sum, x) => sum + x, 0),
      10 * n,
    );
  },

  *timers(n, clock) {
    const delays = deadlines(n);
    const tasks = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < n; i++) tasks.push(yield* spawn(() => sleeper(delays[i])));
    for (const task of tasks) sum += yield* task;
    clock.stop();
    check(sum, n);
  },

  *cancel(n, clock) {
    const tasks = [];
    for (let i = 0; i < n; i++) tasks.push(yield* spawn(parked(withResolvers())));
    yield* yields(2);
    clock.start();
    for (const task of tasks) yield* task.halt();
    clock.stop();
    check(tasks.length, n);
  },

  *cancel_sleep(n, clock) {
    const tasks = [];
    for (let i = 0; i < n; i++) tasks.push(yield* spawn(() => sleeper(3600)));
    yield* yields(2);
    clock.start();
    for (const task of tasks) yield* task.halt();
    clock.stop();
    check(tasks.length, n);
  },

  *memory(n, clock) {
    const gates = new Array(n);
    clock.start();
    for (let i = 0; i < n; i++) yield* spawn(parked((gates[i] = withResolvers())));
    yield* yields(2);
    clock.stop();
    for (const gate of gates) gate.resolve(null);
    yield* yields(3);
  },
};

export const workloads = Object.fromEntries(
  Object.entries(programs).map(([name, program]) => [name, (n, clock) => run(() => program(n, clock))]),
);
