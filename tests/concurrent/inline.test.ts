/** The end of an InlineExecutor, in a loop and outside. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run, sleep } from 'asyncio-ts';
import { InlineExecutor } from 'asyncio-ts/concurrent';
import '../support/leaks.ts';

const settings: readonly [string, (body: () => Promise<void>) => Promise<void>][] = [
  ['in a loop', (body) => run(body)],
  ['outside of loops', (body) => body()],
];

for (const [where, within] of settings) {
  test(`a stream that is left early runs its finally, ${where}`, async () => {
    const events: string[] = [];
    async function* endless(): AsyncGenerator<number> {
      try {
        for (let n = 0; ; n++) {
          await sleep(0);
          yield n;
        }
      } finally {
        events.push('finally');
      }
    }
    await within(async () => {
      {
        await using executor = new InlineExecutor();
        const values: number[] = [];
        for await (const value of executor.stream(endless)) {
          values.push(value);
          if (value === 40) break;
        }
        assert.equal(values.length, 41);
        events.push('left');
      }
      events.push('down');
      {
        await using executor = new InlineExecutor();
        const stream = executor.stream(endless);
        assert.deepEqual(await stream.next(), { done: false, value: 0 });
        // The generator has gone as far ahead as it may.
        await new Promise((resolve) => setTimeout(resolve, 20));
        await stream.return?.();
      }
      events.push('down');
    });
    assert.deepEqual(events, ['left', 'finally', 'down', 'finally', 'down']);
  });

  test(`an aborted call comes to its end before the shutdown does, ${where}`, async () => {
    const events: string[] = [];
    await within(async () => {
      const executor = new InlineExecutor();
      let hasBegun = false;
      const call = executor.submit(async () => {
        hasBegun = true;
        try {
          await sleep(3600);
        } finally {
          await sleep(0.01);
          events.push('finally');
        }
      });
      while (!hasBegun) await new Promise((resolve) => setTimeout(resolve, 1));
      assert.equal(call.abort(), true);
      const promised = executor.submit(() => Promise.resolve(3));
      await executor.shutdown();
      assert.equal(await promised, 3);
      events.push('down');
    });
    assert.deepEqual(events, ['finally', 'down']);
  });
}
