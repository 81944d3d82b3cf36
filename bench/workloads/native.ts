/**
 * The workloads as plain promise code, with one setImmediate per yield. What plain promises have no counterpart
 * for (a task that starts later, cancellation) is left out.
 */
import { check, type Clock, deadlines, MANY, type WorkloadModule } from './clock.ts';

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
};
