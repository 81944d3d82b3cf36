import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTask, EventLoop, ExceptionGroup, getRunningLoop, sleep, waitFor } from 'asyncio-ts';
import { type TestOptions, testAsync } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { errorOf, runProgram } from '../support/programs.ts';

type Body = Parameters<typeof testAsync>[1];

/** What a test registered with `testAsync` fails with, or null; as the `test` of any runner would see it. */
async function failureOf(body: Body, options: TestOptions = {}): Promise<Error | null> {
  let registered: (() => Promise<void>) | undefined;
  let given = '';
  testAsync('its name', body, {
    ...options,
    test: (name, fn) => {
      given = name;
      registered = fn;
    },
  });
  assert.equal(given, 'its name');
  try {
    await registered?.();
  } catch (error) {
    return error as Error;
  }
  return null;
}

describe('testAsync', () => {
  test('lets a test pass that ends well, in both styles, in virtual time', async () => {
    assert.equal(
      await failureOf(async () => {
        assert.equal(getRunningLoop().time(), 0);
        await sleep(3600);
        assert.equal(getRunningLoop().time(), 3600);
      }),
      null,
    );
    assert.equal(
      await failureOf(function* () {
        yield* sleep(3600);
      }),
      null,
    );
  });

  test('fails with the error of the test itself', async () => {
    const error = await failureOf(async () => {
      await sleep(1);
      assert.equal(1, 2);
    });
    assert.equal(error?.name, 'AssertionError');
    assert.match(error?.message ?? '', /1 !== 2/);
  });

  test('fails for a task that is left running, with its name and place', async () => {
    const error = await failureOf(async () => {
      createTask(
        async function worker() {
          await sleep(100);
        },
        { name: 'leaked' },
      );
      await sleep(1);
    });
    assert.match(
      error?.message ?? '',
      /^left running: <Task pending name='leaked' coro=<worker\(\) running at .*test-async\.test\.\w+:\d+>/,
    );
  });

  test('fails for a deadlock, with the report', async () => {
    const error = await failureOf(async function main() {
      await getRunningLoop().createFuture();
    });
    assert.equal(error?.name, 'DeadlockError');
    assert.match(
      error?.message ?? '',
      /^deadlock: 1 task waits .*\n {2}\* 'Task-\d+' main\(\)\n {6}waits for <Future pending/,
    );
  });

  test('fails for an error that nobody retrieved', async () => {
    const error = await failureOf(async () => {
      createTask(async () => {
        throw new RangeError('unseen');
      });
      await sleep(1);
    });
    assert.equal(String(error), 'RangeError: unseen');
  });

  test('fails for an error in a callback', async () => {
    const error = await failureOf(async () => {
      getRunningLoop().callSoon(() => {
        throw new RangeError('in a callback');
      });
      await sleep(1);
    });
    assert.equal(String(error), 'RangeError: in a callback');
  });

  test('tells all of several failures', async () => {
    const error = await failureOf(async () => {
      createTask(() => sleep(100), { name: 'leaked' });
      createTask(async () => {
        throw new RangeError('unseen');
      });
      await sleep(1);
    });
    assert.ok(error instanceof ExceptionGroup);
    assert.equal(error.errors.length, 2);
    assert.match(error.errors.map(String).join(), /left running: <Task pending name='leaked'/);
    assert.match(error.errors.map(String).join(), /RangeError: unseen/);
  });

  test('tells of a thrown null, and of what is no error', async () => {
    for (const value of [null, undefined, 'text']) {
      const error = await failureOf(async () => {
        createTask(async () => {
          throw value;
        });
        createTask(() => sleep(100));
        await sleep(1);
      });
      assert.ok(error instanceof ExceptionGroup || error instanceof Error);
    }
  });

  test('takes another loop, and debug mode', async () => {
    assert.equal(
      await failureOf(
        async () => {
          assert.ok(getRunningLoop() instanceof EventLoop);
          assert.equal(getRunningLoop().getDebug(), true);
          await waitFor(sleep(0.001), 5);
        },
        { loopFactory: () => new EventLoop(), debug: true },
      ),
      null,
    );
  });

  test('registers with node:test, and with a global test', async () => {
    const code = `
      import { testAsync } from 'asyncio-ts/testing';
      if (process.env.GLOBAL_TEST) globalThis.test = (name, fn) => fn().then(() => console.log('global', name));
      testAsync('passes', async () => { await asyncio.sleep(60); });
      if (!process.env.GLOBAL_TEST) testAsync('fails', function* () { yield* asyncio.sleep(60); throw new RangeError('boom'); });
    `;
    const own = await runProgram(code);
    assert.match(own.stdout, /(ok 1 -|✔) passes[^]*(not ok 2 -|✖) fails[^]*boom/);
    assert.equal(own.code, 1);
    const other = await runProgram(code, { env: { GLOBAL_TEST: '1' } });
    assert.equal(other.stdout, 'global passes\n');
    assert.equal(other.code, 0);
  });

  test('registers with a global it, and not with a runner that is not running', async () => {
    const code = `
      import { testAsync } from 'asyncio-ts/testing';
      if (!process.env.VITEST) globalThis.it = (name, fn) => fn().then(() => console.log('global', name));
      try {
        testAsync('passes', async () => {});
      } catch (error) {
        console.log(String(error));
      }
    `;
    assert.equal((await runProgram(code)).stdout, 'global passes\n');
    assert.equal(
      (await runProgram(code, { env: { VITEST: 'true' } })).stdout,
      "RuntimeError: testAsync() finds no global test: pass { test }, imported from 'vitest'\n",
    );
  });

  test('a failing test leaves nothing for the next one', async () => {
    assert.notEqual(await failureOf(async () => Promise.reject(new Error('boom'))), null);
    assert.equal(await failureOf(async () => await sleep(1)), null);
    assert.equal((await errorOf(() => Promise.reject(new Error('outside')))).message, 'outside');
  });
});
