/**
 * The workloads as plain promise code, with one setImmediate per yield. What plain promises have no counterpart
 * for (a task that starts later, cancellation) is left out.
 */
import { check, type Clock, CONTENDERS, deadlines, MANY, PEERS, ROOM, type WorkloadModule } from './clock.ts';

function tick(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
}

async function yields(times: number): Promise<number> {
  for (let i = 0; i < times; i++) await tick();
  return times;
}

async function nested(levels: number): Promise<number> {
  if (levels > 1) return (await nested(levels - 1)) + 1;
  await tick();
  return 1;
}

function sum(list: number[]): number {
  return list.reduce((total, x) => total + x, 0);
}

/** A lock as promise code has it: who comes while it is held leaves its `resolve`. */
class Lock {
  #held = false;
  readonly #line: (() => void)[] = [];

  async acquire(): Promise<void> {
    if (this.#held) await new Promise<void>((resolve) => this.#line.push(resolve));
    this.#held = true;
  }

  release(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#held = false;
    else next();
  }
}

class Queue<T> {
  readonly #items: T[] = [];
  readonly #getters: (() => void)[] = [];
  readonly #putters: (() => void)[] = [];

  async put(item: T): Promise<void> {
    while (this.#items.length >= ROOM) await new Promise<void>((resolve) => this.#putters.push(resolve));
    this.#items.push(item);
    this.#getters.shift()?.();
  }

  async get(): Promise<T> {
    while (this.#items.length === 0) await new Promise<void>((resolve) => this.#getters.push(resolve));
    const item = this.#items.shift() as T;
    this.#putters.shift()?.();
    return item;
  }
}

async function contend(lock: Lock, times: number): Promise<number> {
  for (let i = 0; i < times; i++) {
    await lock.acquire();
    try {
      await tick();
    } finally {
      lock.release();
    }
  }
  return times;
}

async function produce(queue: Queue<number>, items: number): Promise<void> {
  for (let i = 0; i < items; i++) await queue.put(1);
}

async function consume(queue: Queue<number>, items: number): Promise<number> {
  let total = 0;
  for (let i = 0; i < items; i++) total += await queue.get();
  return total;
}

export const workloads: WorkloadModule['workloads'] = {
  async yield0(n: number, clock: Clock) {
    clock.start();
    check(await yields(n), n);
    clock.stop();
  },

  async yield_many(n: number, clock: Clock) {
    clock.start();
    const results = await Promise.all(Array.from({ length: MANY }, () => yields(n / MANY)));
    clock.stop();
    check(sum(results), n);
  },

  async deep10(n: number, clock: Clock) {
    let total = 0;
    clock.start();
    for (let i = 0; i < n; i++) total += await nested(10);
    clock.stop();
    check(total, 10 * n);
  },

  async spawn_yield_seq(n: number, clock: Clock) {
    let total = 0;
    clock.start();
    for (let i = 0; i < n; i++) total += await yields(1);
    clock.stop();
    check(total, n);
  },

  async gather10k(n: number, clock: Clock) {
    clock.start();
    const results = await Promise.all(Array.from({ length: n }, () => yields(10)));
    clock.stop();
    check(sum(results), 10 * n);
  },

  async timers(n: number, clock: Clock) {
    const delays = deadlines(n);
    clock.start();
    const results = await Promise.all(
      Array.from({ length: n }, async (_, i) => {
        await sleep(delays[i]!);
        return 1;
      }),
    );
    clock.stop();
    check(sum(results), n);
  },

  async lock(n: number, clock: Clock) {
    const lock = new Lock();
    clock.start();
    const results = await Promise.all(
      Array.from({ length: CONTENDERS }, () => contend(lock, n / CONTENDERS)),
    );
    clock.stop();
    check(sum(results), n);
  },

  async queue(n: number, clock: Clock) {
    const queue = new Queue<number>();
    clock.start();
    const [total] = await Promise.all([consume(queue, n), produce(queue, n)]);
    clock.stop();
    check(total, n);
  },

  async queue_many(n: number, clock: Clock) {
    const queue = new Queue<number>();
    clock.start();
    const producers = Array.from({ length: PEERS }, () => produce(queue, n / PEERS));
    const consumers = Array.from({ length: PEERS }, () => consume(queue, n / PEERS));
    await Promise.all(producers);
    const results = await Promise.all(consumers);
    clock.stop();
    check(sum(results), n);
  },
};
