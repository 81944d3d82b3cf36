import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  coroutine,
  createTask,
  currentTask,
  fromPromise,
  type Future,
  gather,
  getRunningLoop,
  run,
  sleep,
  type Task,
  TaskGroup,
  timeout,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf, runProgram, runVirtually, textOf } from '../support/programs.ts';

const now = (): number => getRunningLoop().time();

/** What each of several strands ended with, `name: value` or `name: Error`. */
async function settled(strands: Record<string, PromiseLike<unknown>>): Promise<string[]> {
  const names = Object.keys(strands);
  const results = await Promise.allSettled(Object.values(strands));
  return results.map((result, i) =>
    result.status === 'fulfilled'
      ? `${names[i]}: ${String(result.value)}`
      : `${names[i]}: ${String(result.reason)}`,
  );
}

describe('several waits of one async function', () => {
  test('each resumes by itself: Promise.all, race, allSettled and any', async () => {
    await runVirtually(async () => {
      assert.deepEqual(await Promise.all([sleep(2, 'a'), sleep(1, 'b'), sleep(0, 'c')]), ['a', 'b', 'c']);
      assert.equal(now(), 2);
      assert.equal(await Promise.race([sleep(5, 'slow'), sleep(1, 'fast')]), 'fast');
      assert.equal(now(), 3);
      const fail = coroutine(async (delay: number) => {
        await sleep(delay);
        throw new RangeError('boom');
      });
      assert.equal(await Promise.any([fail(1), sleep(2, 'late')]), 'late');
      const results = await Promise.allSettled([fail(1), sleep(2, 'ok')]);
      assert.deepEqual(
        results.map((result) => result.status),
        ['rejected', 'fulfilled'],
      );
      assert.equal(await textOf(() => Promise.all([sleep(5), fail(1)])), 'RangeError: boom');
    });
  });

  test('a helper that is awaited later goes on meanwhile', async () => {
    await runVirtually(async () => {
      const order: string[] = [];
      const helper = async (): Promise<string> => {
        order.push('begun');
        await sleep(1);
        order.push('in the middle');
        await sleep(3);
        return 'helped';
      };
      const promise = helper();
      await sleep(2);
      order.push('main');
      assert.equal(await promise, 'helped');
      assert.equal(now(), 4);
      assert.deepEqual(order, ['begun', 'in the middle', 'main']);
    });
  });

  test('many at once: none is lost', async () => {
    await runVirtually(async () => {
      const delays = Array.from({ length: 500 }, (_, i) => (i * 7) % 50);
      assert.deepEqual(await Promise.all(delays.map((delay) => sleep(delay, delay))), delays);
      const future = getRunningLoop().createFuture<number>();
      const waits = Array.from({ length: 100 }, async () => await future);
      future.setResult(5);
      assert.deepEqual(await Promise.all(waits), new Array<number>(100).fill(5));
    });
  });

  test('the task knows itself in each of them', async () => {
    await runVirtually(async () => {
      const task: Task<void> = createTask(async () => {
        await Promise.all(
          [1, 2, 3].map(async (delay) => {
            await sleep(delay);
            assert.equal(currentTask(), task);
            await Promise.resolve();
            assert.equal(currentTask(), task);
          }),
        );
      });
      await task;
    });
  });
});

describe('a limit around one of several waits', () => {
  test('J1: two limits side by side in one task', async () => {
    await runVirtually(async () => {
      assert.deepEqual(await settled({ a: waitFor(sleep(9), 1), b: waitFor(sleep(2, 'ok'), 5) }), [
        'a: TimeoutError',
        'b: ok',
      ]);
      assert.equal(now(), 2);
      assert.equal(currentTask()?.cancelling(), 0);
    });
  });

  test('a timeout cancels what was opened inside it, and nothing else', async () => {
    await runVirtually(async () => {
      const order: string[] = [];
      const log = async (name: string, delay: number): Promise<void> => {
        try {
          await sleep(delay);
          order.push(`${name} ended`);
        } catch (error) {
          order.push(`${name} ${String(error)}`);
          throw error;
        }
      };
      const outside = log('outside', 3);
      const limited = timeout(1).run(async () => {
        await Promise.all([log('in a', 5), log('in b', 0.5), (async () => await log('in c', 5))()]);
      });
      assert.equal(await textOf(() => limited), 'TimeoutError: ');
      await outside;
      assert.deepEqual(order, ['in b ended', 'in a CancelledError', 'in c CancelledError', 'outside ended']);
    });
  });

  test('nested limits, the outer one first and the inner one first', async () => {
    await runVirtually(async () => {
      const nested = async (outer: number, inner: number): Promise<string> =>
        await textOf(() =>
          timeout(outer).run(async () => {
            const text = await textOf(() =>
              timeout(inner).run(async () => await Promise.all([sleep(9), sleep(8)])),
            );
            throw new Error(`inner ${text}`);
          }),
        );
      assert.deepEqual(await Promise.all([nested(1, 2), nested(2, 1), nested(1, 3)]), [
        'Error: inner CancelledError: ',
        'Error: inner TimeoutError: ',
        'Error: inner CancelledError: ',
      ]);
    });
  });

  test('a limit that comes when its wait is over in the same turn does not strike elsewhere', async () => {
    await runVirtually(async () => {
      const results = await settled({
        a: waitFor(sleep(1, 'a'), 1),
        b: waitFor(sleep(1, 'b'), 1.5),
        c: sleep(2, 'c'),
      });
      // The limit's timer is the older one of two for the same instant.
      assert.deepEqual(results, ['a: TimeoutError', 'b: b', 'c: c']);
      await sleep(1);
      assert.equal(currentTask()?.cancelling(), 0);
    });
  });

  test('a group in a strand fails alone', async () => {
    await runVirtually(async () => {
      const failing = new TaskGroup().run(async (tg) => {
        tg.createTask(async () => {
          await sleep(1);
          throw new RangeError('boom');
        });
        await sleep(9);
      });
      const fine = new TaskGroup().run(async (tg) => {
        const task = tg.createTask(() => sleep(3, 'child'));
        return await task;
      });
      assert.deepEqual(await settled({ failing, fine, alone: sleep(2, 'alone') }), [
        'failing: ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)',
        'fine: child',
        'alone: alone',
      ]);
      assert.equal(now(), 3);
      assert.equal(currentTask()?.cancelling(), 0);
      await sleep(1);
    });
  });

  test('a group whose body has several waits cancels them all', async () => {
    await runVirtually(async () => {
      const ended: string[] = [];
      const error = await errorOf(() =>
        new TaskGroup().run(async (tg) => {
          tg.createTask(async () => {
            await sleep(1);
            throw new RangeError('boom');
          });
          await Promise.allSettled(
            [5, 6].map(async (delay) => {
              try {
                await sleep(delay);
              } catch (e) {
                ended.push(String(e));
                throw e;
              }
            }),
          );
        }),
      );
      assert.equal(error.name, 'ExceptionGroup');
      assert.deepEqual(ended, ['CancelledError', 'CancelledError']);
      assert.equal(now(), 1);
    });
  });

  test('J3: code of foreign events that inherits the store of main', async () => {
    await run(async () => {
      const future = getRunningLoop().createFuture<string>();
      setTimeout(async () => {
        try {
          await waitFor(sleep(9), 0.005);
        } catch (error) {
          future.setResult(String(error));
        }
      }, 1);
      assert.equal(await future, 'TimeoutError');
      assert.equal(currentTask()?.cancelling(), 0);
    });
  });
});

describe('cancelling a task with several waits', () => {
  test('reaches all of them, each once', async () => {
    await runVirtually(async () => {
      const caught: string[] = [];
      const wait = async (name: string, aw: () => PromiseLike<unknown>): Promise<void> => {
        try {
          await aw();
        } catch (error) {
          caught.push(`${name} ${String(error)}`);
          throw error;
        }
      };
      const steps = coroutine(function* () {
        try {
          yield* sleep(9);
        } catch (error) {
          caught.push(`steps ${String(error)}`);
          throw error;
        }
      });
      const future = getRunningLoop().createFuture<void>();
      const child = createTask(() => sleep(9));
      const task = createTask(async () => {
        await Promise.all([
          wait('sleep', () => sleep(9)),
          wait('future', () => future),
          wait('task', () => child),
          wait('steps', () => steps()),
          wait('gather', () => gather(sleep(9), sleep(8))),
          wait('promise', () => fromPromise(new Promise(() => {}))),
          wait('timeout', () => timeout(20).run(() => sleep(9))),
        ]);
      });
      await sleep(1);
      assert.equal(task.cancel('all'), true);
      assert.equal(await textOf(async () => await task), 'CancelledError: all');
      await sleep(1);
      assert.deepEqual(caught.sort(), [
        'future CancelledError: all',
        'gather CancelledError: all',
        'promise CancelledError: all',
        'sleep CancelledError: all',
        'steps CancelledError: all',
        'steps CancelledError: all',
        'task CancelledError: all',
        'timeout CancelledError: all',
      ]);
      assert.ok(future.cancelled() && child.cancelled());
    });
  });

  test('gives the CancelledError to whoever waits for the task, however many waits it had', async () => {
    await runVirtually(async () => {
      for (const count of [1, 2, 5]) {
        const task = createTask(async () => await Promise.all(Array.from({ length: count }, () => sleep(9))));
        await sleep(1);
        task.cancel('enough');
        assert.equal(await textOf(async () => await task), 'CancelledError: enough');
      }
    });
  });

  test('the result of a task is its own, whatever waits are over or cancelled at its end', async () => {
    await runVirtually(async () => {
      const future = getRunningLoop().createFuture<number>();
      const left: string[] = [];
      const done = createTask(async () => {
        void (async () => await future)().catch((error: unknown) => left.push(String(error)));
        await sleep(1);
        future.setResult(1);
        return 'result';
      });
      assert.equal(await done, 'result');
      await sleep(0);
      // Cancelled by the end of its task; the message has nothing to do with the result.
      assert.ok(
        left.every((text) => text === 'CancelledError'),
        left.join(),
      );
      const late = createTask(async () => {
        void sleep(0).then(
          () => {},
          () => {},
        );
        return 'result';
      });
      assert.equal(await late, 'result');
      const failed = createTask(async () => {
        await Promise.all([
          sleep(1),
          (async () => {
            await sleep(1);
            throw new RangeError('boom');
          })(),
          sleep(1),
          sleep(1),
        ]);
      });
      assert.equal(await textOf(async () => await failed), 'RangeError: boom');
      assert.equal(failed.exception()?.message, 'boom');
    });
  });

  test('what is still open when the function ends is cancelled', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      const left: Future<void> = loop.createFuture<void>();
      const caught: string[] = [];
      const task = createTask(async () => {
        void (async () => {
          try {
            await left;
          } catch (error) {
            caught.push(String(error));
          }
        })();
        await sleep(1);
        return 'done';
      });
      assert.equal(await task, 'done');
      assert.equal(left.cancelled(), true);
      await sleep(0);
      assert.deepEqual(caught, ['CancelledError']);
    });
  });

  test('what is still open when a scope ends is cancelled', async () => {
    await runVirtually(async () => {
      const left = getRunningLoop().createFuture<void>();
      await timeout(5).run(async () => {
        (async () => await left)().catch(() => {});
        await sleep(1);
      });
      assert.equal(left.cancelled(), true);
      assert.equal(currentTask()?.cancelling(), 0);
      await sleep(1);
    });
  });

  test('clean-up of a strand after the end of its task may still await and use limits', async () => {
    await runVirtually(async () => {
      const order: string[] = [];
      await createTask(async () => {
        (async () => {
          try {
            await sleep(9);
          } finally {
            assert.equal(currentTask(), null);
            await sleep(1);
            order.push('awaited');
            order.push(await textOf(() => waitFor(sleep(9), 1)));
            await new TaskGroup().run(async (tg) => {
              tg.createTask(async () => order.push('child'));
            });
          }
        })().catch(() => {});
        await sleep(1);
      });
      await sleep(9);
      assert.deepEqual(order, ['awaited', 'TimeoutError: ', 'child']);
    });
  });

  test('a callback without a task may await, and cannot be cancelled', async () => {
    await runVirtually(async () => {
      const future = getRunningLoop().createFuture<number>();
      getRunningLoop().callSoon(async () => {
        assert.equal(currentTask(), null);
        await sleep(1);
        assert.equal(currentTask(), null);
        future.setResult(await waitFor(sleep(1, 7), 5));
      });
      assert.equal(await future, 7);
      assert.equal(now(), 2);
    });
  });
});

describe('a strand that nobody holds does not end the process', () => {
  test('J2: a helper left un-awaited when the cancel comes', async () => {
    const { stdout, stderr, code } = await runProgram(`
      const helper = async () => { await asyncio.sleep(9); };
      await asyncio.run(async () => {
        const t = asyncio.createTask(async () => { const p = helper(); await asyncio.sleep(5); await p; });
        await asyncio.sleep(0.01); t.cancel();
        try { await t; } catch (e) { console.log(e.name); }
      });
    `);
    assert.deepEqual({ stdout, stderr, code }, { stdout: 'CancelledError\n', stderr: '', code: 0 });
  });

  test('J4: a limit around work that takes the signal', async () => {
    await run(async () => {
      let stopped = false;
      const text = await textOf(() =>
        timeout(0.005).run(
          (cm) =>
            new Promise<void>((_resolve, reject) => {
              cm.signal.addEventListener('abort', () => {
                stopped = true;
                reject(cm.signal.reason);
              });
            }),
        ),
      );
      assert.equal(text, 'TimeoutError: ');
      assert.equal(stopped, true);
    });
  });

  const rejecting = `
    await asyncio.run(async () => {
      const helper = async () => { await asyncio.sleep(0); throw new RangeError('lost'); };
      helper();
      // Turns of Node, so that the order does not depend on the time.
      for (let i = 0; i < 10; i++) await asyncio.fromPromise(new Promise((resolve) => setImmediate(resolve)));
      console.log('went on');
    });
    console.log('ended');
  `;

  test("any other error of it is Node's own affair: by default the process ends", async () => {
    const { stdout, stderr, code } = await runProgram(rejecting);
    assert.equal(stdout, '');
    assert.equal(code, 1);
    assert.match(stderr, /RangeError: lost/);
  });

  for (const [mode, expected] of [
    ['throw', { stdout: '', code: 1 }],
    ['strict', { stdout: '', code: 1 }],
    ['warn', { stdout: 'went on\nended\n', code: 0 }],
    ['none', { stdout: 'went on\nended\n', code: 0 }],
    ['warn-with-error-code', { stdout: 'went on\nended\n', code: 1 }],
  ] as const) {
    test(`--unhandled-rejections=${mode} is honoured, on the command line and in NODE_OPTIONS`, async () => {
      for (const options of [
        { flags: [`--unhandled-rejections=${mode}`] },
        { flags: ['--unhandled-rejections', mode] },
        { env: { NODE_OPTIONS: `--unhandled-rejections=${mode}` } },
      ]) {
        const { stdout, stderr, code } = await runProgram(rejecting, options);
        assert.deepEqual({ stdout, code }, expected, JSON.stringify(options));
        assert.equal(stderr.includes('RangeError: lost'), mode !== 'none', stderr);
      }
    });
  }

  test("somebody else's listener hears of it, alone, and stays", async () => {
    const { stdout, code } = await runProgram(`
      const mine = (e) => console.log('mine', e.message);
      process.on('unhandledRejection', mine);
      ${rejecting}
      console.log(process.listeners('unhandledRejection').length, process.listeners('unhandledRejection')[0] === mine);
    `);
    assert.equal(stdout, 'mine lost\nwent on\nended\n1 true\n');
    assert.equal(code, 0);
  });

  test('an uncaughtException listener hears of it as of an unhandled rejection', async () => {
    const { stdout, code } = await runProgram(`
      process.on('uncaughtException', (e, origin) => console.log(origin, e.message));
      ${rejecting}
    `);
    assert.equal(stdout, 'unhandledRejection lost\nwent on\nended\n');
    assert.equal(code, 0);
  });

  test('after the run there is no listener of ours', async () => {
    const { stdout } = await runProgram(`
      const count = () => ['unhandledRejection', 'beforeExit', 'SIGINT'].map((e) => process.listenerCount(e)).join();
      const before = count();
      await asyncio.run(async () => { await asyncio.sleep(0.001); });
      await Promise.all([asyncio.run(() => asyncio.sleep(0.001)), asyncio.run(() => asyncio.sleep(0.002))]);
      await asyncio.run(async () => { throw 1; }).catch(() => {});
      console.log(before === count(), count());
    `);
    assert.equal(stdout, 'true 0,0,0\n');
  });
});
