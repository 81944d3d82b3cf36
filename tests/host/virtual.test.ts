import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, mock, test } from 'node:test';
import {
  createTask,
  DeadlockError,
  fromPromise,
  gather,
  getRunningLoop,
  run,
  sleep,
  waitFor,
} from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import { takeWarnings } from '../support/leaks.ts';
import { errorOf, runProgram, runVirtually } from '../support/programs.ts';

const now = (): number => getRunningLoop().time();

describe('virtual time', () => {
  test('starts at 0, or where it is told, and jumps from deadline to deadline', async () => {
    await runVirtually(async () => {
      assert.equal(now(), 0);
      await gather(sleep(3600), sleep({ hours: 24 }), sleep(0.001));
      assert.equal(now(), 86_400);
    });
    await run(
      async () => {
        assert.equal(now(), 1000);
        await sleep(1);
        assert.equal(now(), 1001);
      },
      { loopFactory: () => new VirtualEventLoop({ start: 1000 }) },
    );
  });

  test('stands still while anything is ready', async () => {
    await runVirtually(async () => {
      const timer = createTask(() => sleep(1));
      for (let i = 0; i < 20_000; i++) await sleep(0);
      assert.equal(now(), 0);
      await timer;
      assert.equal(now(), 1);
    });
  });

  test('gives the same order every time', async () => {
    const traces = new Set<string>();
    for (let round = 0; round < 5; round++) {
      const trace: string[] = [];
      await runVirtually(async () => {
        await gather(
          ...Array.from({ length: 20 }, (_, i) => async () => {
            for (let k = 0; k < 3; k++) {
              await sleep((i * 7 + k * 3) % 5);
              trace.push(`${i}@${now()}`);
            }
          }),
        );
      });
      traces.add(trace.join());
    }
    assert.equal(traces.size, 1);
  });

  test('waits for real I/O: files, in both styles, again and again', async () => {
    await runVirtually(async () => {
      const timer = createTask(() => sleep(1));
      for (let i = 0; i < 3; i++) {
        assert.ok((await readFile(import.meta.filename ?? new URL(import.meta.url))).length > 0);
        assert.equal(now(), 0);
        assert.ok((await fromPromise(readFile(new URL(import.meta.url)))).length > 0);
        assert.equal(now(), 0);
      }
      await timer;
      assert.equal(now(), 1);
      await sleep(1);
      assert.equal(now(), 2);
    });
    await runVirtually(function* () {
      const text = yield* fromPromise(readFile(new URL(import.meta.url)));
      assert.ok(text.length > 0);
      assert.equal(now(), 0);
      yield* sleep(5);
      assert.equal(now(), 5);
    });
  });

  test('waits for real timers of others', async () => {
    await runVirtually(async () => {
      assert.equal(await new Promise((resolve) => setTimeout(resolve, 5, 'later')), 'later');
      assert.equal(now(), 0);
      assert.equal(await fromPromise(new Promise((resolve) => setTimeout(resolve, 5, 'again'))), 'again');
      assert.equal(now(), 0);
      await sleep(1);
      assert.equal(now(), 1);
    });
  });

  test('waits for a real server and its client', async () => {
    await runVirtually(async () => {
      const server = createServer((_request, response) => response.end('hello'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const text = await fromPromise(
        new Promise<string>((resolve, reject) => {
          get({ port, host: '127.0.0.1', agent: false }, (response) => {
            let body = '';
            response.setEncoding('utf8').on('data', (part: string) => {
              body += part;
            });
            response.on('end', () => resolve(body));
          }).on('error', reject);
        }),
      );
      assert.equal(text, 'hello');
      assert.equal(now(), 0);
      await fromPromise(new Promise((resolve) => server.close(resolve)));
      await sleep(1);
      assert.equal(now(), 1);
    });
  });

  test('goes on for a promise that another task settles after a sleep', async () => {
    await runVirtually(async () => {
      let open: (value: string) => void = () => {};
      const gate = new Promise<string>((resolve) => {
        open = resolve;
      });
      const opener = createTask(async () => {
        await sleep(5);
        open('opened');
      });
      assert.equal(await gate, 'opened');
      assert.equal(now(), 5);
      await opener;
      const task = createTask(() => sleep(1, 'done'));
      assert.equal(await task.toPromise(), 'done');
      assert.equal(await Promise.race([sleep(1, 'a'), task.finally(() => {})]), 'done');
      assert.equal(await Promise.all([sleep(2), sleep(3)]).then(() => now()), 9);
    });
  });

  test('a limit on a promise that never answers strikes', async () => {
    await runVirtually(async () => {
      const error = await errorOf(() => waitFor(new Promise(() => {}), 30));
      assert.equal(error.name, 'TimeoutError');
      assert.equal(now(), 30);
    });
  });

  test('a deadlock is an error at once, also one on a foreign promise', async () => {
    for (const main of [
      async () => {
        await getRunningLoop().createFuture();
      },
      async () => {
        await sleep(5);
        await new Promise(() => {});
      },
      async () => {
        await fromPromise(new Promise(() => {}));
      },
    ]) {
      assert.ok((await errorOf(() => runVirtually<unknown>(main))) instanceof DeadlockError);
    }
  });

  test("fake timers of node:test don't stop a loop, in virtual time or in real (F16)", async () => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] });
    try {
      for (const options of [{}, { loopFactory: () => new VirtualEventLoop() }]) {
        const value = await run(async () => {
          await sleep(0.002);
          await sleep(0);
          return await createTask(() => sleep(0.001, 'went on'));
        }, options);
        assert.equal(value, 'went on');
      }
    } finally {
      mock.timers.reset();
      // The one that says that mocked timers are experimental, on Node 20.
      await new Promise((resolve) => setImmediate(resolve));
      takeWarnings();
    }
  });

  test('nor does a clock of theirs', async () => {
    const { stdout, code } = await runProgram(`
      const guard = setTimeout(() => process.exit(9), 3000);
      performance.now = () => 5;
      for (const name of ['setTimeout', 'setImmediate', 'setInterval', 'clearTimeout', 'queueMicrotask']) {
        globalThis['real ' + name] = globalThis[name];
        globalThis[name] = () => { throw new Error(name); };
      }
      process.nextTick = () => {};
      await asyncio.run(async () => {
        await asyncio.sleep(0.002);
        await asyncio.sleep(0);
        console.log(await asyncio.createTask(() => asyncio.sleep(0.001, 'went on')));
      });
      globalThis['real clearTimeout'](guard);
    `);
    assert.deepEqual({ stdout, code }, { stdout: 'went on\n', code: 0 });
  });
});
