// The workloads in Effection. Runs as a copy beside the installed package (see ../peers.ts). Effection has no
// "yield to the others" of its own, and its sleep(0) takes a whole millisecond: here it is an action with one
// setImmediate, as a user would write it.
import { action, all, run, sleep, spawn, withResolvers } from 'effection';
import { check, CONTENDERS, deadlines, MANY, PEERS, ROOM } from './clock.js';

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

// Effection has neither a lock nor a queue with limited room: these are as its users would write them, each wait an
// operation of its own that is taken out of the line when it is halted.
function createLine() {
  const line = new Set();
  return {
    *wait() {
      const turn = withResolvers();
      line.add(turn);
      try {
        yield* turn.operation;
      } finally {
        line.delete(turn);
      }
    },
    wakeNext() {
      for (const turn of line) {
        line.delete(turn);
        turn.resolve();
        return true;
      }
      return false;
    },
  };
}

function createLock() {
  const line = createLine();
  let held = false;
  return {
    *acquire() {
      if (held) yield* line.wait();
      held = true;
    },
    release() {
      if (!line.wakeNext()) held = false;
    },
  };
}

function createQueue() {
  const items = [];
  const getters = createLine();
  const putters = createLine();
  return {
    *put(item) {
      while (items.length >= ROOM) yield* putters.wait();
      items.push(item);
      getters.wakeNext();
    },
    *get() {
      while (items.length === 0) yield* getters.wait();
      putters.wakeNext();
      return items.shift();
    },
  };
}

function* contend(lock, times) {
  for (let i = 0; i < times; i++) {
    yield* lock.acquire();
    try {
      yield* tick();
    } finally {
      lock.release();
    }
  }
  return times;
}

function* produce(queue, items) {
  for (let i = 0; i < items; i++) yield* queue.put(1);
}

function* consume(queue, items) {
  let sum = 0;
  for (let i = 0; i < items; i++) sum += yield* queue.get();
  return sum;
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

  *lock(n, clock) {
    const lock = createLock();
    const tasks = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < CONTENDERS; i++) tasks.push(yield* spawn(() => contend(lock, n / CONTENDERS)));
    for (const task of tasks) sum += yield* task;
    clock.stop();
    check(sum, n);
  },

  *queue(n, clock) {
    const queue = createQueue();
    clock.start();
    const producer = yield* spawn(() => produce(queue, n));
    const consumer = yield* spawn(() => consume(queue, n));
    yield* producer;
    const sum = yield* consumer;
    clock.stop();
    check(sum, n);
  },

  *queue_many(n, clock) {
    const queue = createQueue();
    const producers = [];
    const consumers = [];
    let sum = 0;
    clock.start();
    for (let i = 0; i < PEERS; i++) producers.push(yield* spawn(() => produce(queue, n / PEERS)));
    for (let i = 0; i < PEERS; i++) consumers.push(yield* spawn(() => consume(queue, n / PEERS)));
    for (const producer of producers) yield* producer;
    for (const consumer of consumers) sum += yield* consumer;
    clock.stop();
    check(sum, n);
  },

  *cancel_waiters(n, clock) {
    const lock = createLock();
    yield* lock.acquire();
    const tasks = [];
    for (let i = 0; i < n; i++) tasks.push(yield* spawn(() => lock.acquire()));
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
