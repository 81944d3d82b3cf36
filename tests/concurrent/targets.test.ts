/** How functions are found that run elsewhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InlineExecutor, ThreadPoolExecutor, wait } from 'asyncio-ts/concurrent';
import { Timer } from 'asyncio-ts/threading';
import '../support/leaks.ts';
import * as targets from './targets.ts';

/** What the library does when a task is cancelled that has not seen its value. */
interface Giver {
  _giveBack(result: IteratorResult<number>): boolean;
}

test('a function of a module that was named is found by its text when a bundler has given it another name', async () => {
  const pool = new ThreadPoolExecutor(1);
  const module = new URL('./targets.js', import.meta.url);
  const renamed = targets.add;
  Object.defineProperty(renamed, 'name', { value: 'k', configurable: true });
  try {
    assert.equal(await pool.submit({ target: renamed, module }, 1, 2), 3);
    assert.equal(await pool.submit({ module, name: 'add' }, ...([3, 4] as never)), 7);
  } finally {
    Object.defineProperty(renamed, 'name', { value: 'add', configurable: true });
    await pool.shutdown();
  }
});

test('a path that is relative to nobody knows what is refused with what to write', async () => {
  const pool = new ThreadPoolExecutor(1);
  await assert.rejects(
    async () => pool.submit({ target: targets.add, module: './targets.js' }, 1, 2),
    /module must be a URL, got '\.\/targets\.js': write new URL\('\.\/targets\.js', import\.meta\.url\)/,
  );
  await pool.shutdown();
});

test('a time-out that is none is refused before anything is waited for', () => {
  assert.throws(() => wait([], Number.NaN), RangeError);
});

test('a value of a stream that is given back is still there when the stream has ended', async () => {
  const executor = new InlineExecutor();
  const values = executor.stream(targets.count, 1);
  const first = values.next();
  const second = values.next();
  assert.deepEqual(await second, { done: true, value: undefined });
  assert.equal((first as unknown as Giver)._giveBack({ done: false, value: 7 }), true);
  assert.deepEqual(await values.next(), { done: false, value: 7 });
  assert.deepEqual(await values.next(), { done: true, value: undefined });
  await executor.shutdown();
});

test('a Timer that overrides run says that it cannot', () => {
  class Repeating extends Timer {
    override run(): void {}
  }
  const timer = new Repeating(1, targets.add, [1, 2]);
  assert.throws(() => timer.start(), /NotImplementedError: a Timer that overrides run\(\)/);
});
