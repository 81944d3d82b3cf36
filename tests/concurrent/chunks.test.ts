/** `map` with a chunksize. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run, waitFor } from 'asyncio-ts';
import { ProcessPoolExecutor, ThreadPoolExecutor } from 'asyncio-ts/concurrent';
import '../support/leaks.ts';
import * as targets from './targets.ts';

function* upTo(n: number, read: number[] = []): Generator<number, void> {
  for (let i = 0; i < n; i++) {
    read.push(i);
    yield i;
  }
}

async function all<T>(results: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const result of results) list.push(result);
  return list;
}

test('map sends several calls as one, and gives their results one by one and in order', async () => {
  const pool = new ProcessPoolExecutor(2);
  const expected = Array.from({ length: 25 }, (_, i) => i + 100);
  const hundreds = Array.from({ length: 25 }, () => 100);
  for (const fn of [targets.add, targets.addLater, targets.addInSteps] as (typeof targets.addLater)[]) {
    const results = pool.map(fn, [upTo(25), hundreds], { chunksize: 10 });
    assert.equal([...results].length, 3, 'three calls');
    assert.deepEqual(await all(results), expected);
  }

  // The inputs are read as chunks are needed, and those that nobody wants are not.
  const read: number[] = [];
  const lazy = pool.map(targets.add, [upTo(1000, read), upTo(1000)], { chunksize: 5, buffersize: 2 });
  assert.equal(read.length, 10);
  assert.deepEqual(await lazy.next(), { done: false, value: 0 });
  assert.equal(read.length, 15);
  await lazy.return?.();
  assert.deepEqual(await lazy.next(), { done: true, value: undefined });
  assert.equal(read.length, 15);

  // Several waits at once, one of them given up.
  await run(async () => {
    const slow = pool.map(targets.sleepFor, [[30, 31, 32, 33]], { chunksize: 2 });
    await assert.rejects(async () => waitFor(slow.next(), 0.001), { name: 'TimeoutError' });
    const both = [slow.next(), slow.next(), slow.next()];
    assert.deepEqual(await Promise.all(both.map(async (next) => (await next).value)), [30, 31, 32]);
    assert.deepEqual(await all(slow), [33]);
  });

  assert.throws(() => pool.map(targets.add, [[], []], { chunksize: 0 }), {
    message: 'chunksize must be >= 1.',
  });
  assert.throws(
    () => pool.map(targets.add, [[], []], { chunksize: 1.5 }),
    /chunksize must be an integer, got 1\.5/,
  );
  await pool.shutdown();
});

test('an error of one is that of its chunk; those before are given', async () => {
  const pool = new ProcessPoolExecutor(1);
  const results = pool.map(targets.failAt, [upTo(9), Array.from({ length: 9 }, () => 4)], { chunksize: 3 });
  const seen: number[] = [];
  await assert.rejects(
    async () => {
      for await (const result of results) seen.push(result);
    },
    { name: 'RangeError', message: 'at 4' },
  );
  assert.deepEqual(seen, [0, 1, 2]);
  assert.deepEqual(await results.next(), { done: true, value: undefined });
  await pool.shutdown();
});

test('threads make no chunks, and take any chunksize, as in Python', async () => {
  const pool = new ThreadPoolExecutor(1);
  const results = pool.map(targets.add, [upTo(4), upTo(4)], { chunksize: -3 });
  assert.equal([...results].length, 4);
  assert.deepEqual(await all(results), [0, 2, 4, 6]);
  await pool.shutdown();
});
