/** In which order the calls of an executor are run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProcessPoolExecutor, ThreadPoolExecutor } from 'asyncio-ts/concurrent';
import '../support/leaks.ts';
import * as targets from './order-targets.ts';

for (const Pool of [ThreadPoolExecutor, ProcessPoolExecutor]) {
  test(`${Pool.name}: one worker keeps the order of submission, also around calls that are slow once`, async () => {
    const pool = new Pool(1);
    // Fast at first, so that many wait in the worker itself. Then one in twelve takes about as long as it takes until those
    // behind it are called back, which so happens at every moment of its end.
    const count = 1500;
    for (let i = 0; i < count; i++) {
      void pool.submit(targets.remember, i, i > 20 && i % 12 === 0 ? 4 + (i % 32) / 8 : 0);
    }
    const seen = await pool.submit(targets.remembered);
    assert.deepEqual(
      seen,
      Array.from({ length: count }, (_, i) => i),
    );
    await pool.shutdown();
  });
}
