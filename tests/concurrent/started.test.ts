/** Waits that belong to no loop, where there are several. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Runner, run, sleep } from 'asyncio-ts';
import { Lock } from 'asyncio-ts/threading';
import '../support/leaks.ts';

test('a task that another loop has woken waits in its own', async () => {
  const runner = new Runner();
  let wake = (): void => {};
  const woken = new Promise<void>((resolve) => (wake = resolve));
  const lock = new Lock();
  await lock.acquire();
  const main = run(async () => {
    await woken;
    using _ = await lock.acquire();
    return 'has it';
  });
  await runner.submit(async () => {
    await sleep(0);
    wake();
  });
  lock.release();
  assert.equal(await main, 'has it');
  await runner.close();
});
