import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { describe, test } from 'node:test';
import {
  Context,
  ContextVar,
  createTask,
  DeadlockError,
  type Gen,
  getRunningLoop,
  Lock,
  Runner,
  run,
  sleep,
  trackAsyncgen,
} from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { errorOf, logOf, runProgram, runVirtually, textOf } from '../support/programs.ts';

const virtual = { loopFactory: () => new VirtualEventLoop() };

describe('run', () => {
  test('gives the result of main, or throws its error, in both styles', async () => {
    assert.equal(await run(async () => 5), 5);
    assert.equal(
      await run(function* () {
        yield* sleep(0);
        return 6;
      }),
      6,
    );
    assert.equal(await run(sleep(0, 7)), 7);
    assert.equal(
      await textOf(() => run(async () => Promise.reject(new RangeError('boom')))),
      'RangeError: boom',
    );
  });

  test('shuts down in order: cancels what is left, waits, reports, closes generators, closes the loop', async () => {
    const order: string[] = [];
    const contexts: any[] = [];
    let loop: any;
    async function* numbers(): AsyncGenerator<number, void, undefined> {
      try {
        yield 1;
      } finally {
        order.push('generator closed');
      }
    }
    await runVirtually(async () => {
      loop = getRunningLoop();
      loop.setExceptionHandler((_loop: unknown, context: any) => contexts.push(context));
      const child = (name: string, fails: boolean) => async (): Promise<void> => {
        try {
          await sleep(100);
        } catch (error) {
          order.push(`${name} ${String(error)}`);
          await sleep(1);
          order.push(`${name} cleaned up`);
          if (fails) throw new RangeError(name);
          throw error;
        }
      };
      createTask(child('a', false));
      createTask(child('b', true), { name: 'b' });
      createTask(async () => {
        try {
          await sleep(100);
        } catch {
          createTask(async () => order.push('born late'));
        }
      });
      await trackAsyncgen(numbers()).next();
      await sleep(1);
      order.push('main ends');
    });
    assert.deepEqual(order.slice(0, 3), ['main ends', 'a CancelledError', 'b CancelledError']);
    assert.equal(order.at(-1), 'generator closed');
    assert.ok(order.includes('a cleaned up') && order.includes('b cleaned up'));
    assert.equal(loop.isClosed(), true);
    assert.equal(contexts.length, 1);
    assert.equal(contexts[0].message, 'unhandled exception during asyncio.run() shutdown');
    assert.equal(String(contexts[0].exception), 'RangeError: b');
    assert.equal(contexts[0].task.getName(), 'b');
  });

  test('shuts down after an error as well, and throws it afterwards', async () => {
    const order: string[] = [];
    const text = await textOf(() =>
      runVirtually(async () => {
        createTask(async () => {
          try {
            await sleep(100);
          } finally {
            await sleep(1);
            order.push('cleaned up');
          }
        });
        await sleep(1);
        throw new RangeError('boom');
      }),
    );
    assert.equal(text, 'RangeError: boom');
    assert.deepEqual(order, ['cleaned up']);
  });

  test('shutdownGrace goes on without those that go on', async () => {
    const contexts: any[] = [];
    const result = await run(
      async () => {
        getRunningLoop().setExceptionHandler((_loop, context) => contexts.push(context));
        createTask(
          async () => {
            for (;;) {
              try {
                await sleep(100);
              } catch {}
            }
          },
          { name: 'stubborn' },
        );
        await sleep(1);
        return 'main ended';
      },
      { ...virtual, shutdownGrace: 2 },
    );
    assert.equal(result, 'main ended');
    assert.deepEqual(
      contexts.map((context) => `${context.message} ${context.task.getName()}`),
      ['Task was destroyed but it is pending! stubborn'],
    );
  });

  test('closes an async generator that fails with a report', async () => {
    const contexts: any[] = [];
    async function* failing(): AsyncGenerator<number, void, undefined> {
      try {
        yield 1;
      } finally {
        throw new RangeError('while closing'); // oxlint-disable-line no-unsafe-finally
      }
    }
    await runVirtually(async () => {
      getRunningLoop().setExceptionHandler((_loop, context) => contexts.push(context));
      await trackAsyncgen(failing()).next();
    });
    assert.equal(contexts.length, 1);
    assert.match(contexts[0].message, /^an error occurred during closing of asynchronous generator /);
    assert.deepEqual(Object.keys(contexts[0]).sort(), ['asyncgen', 'exception', 'message']);
  });

  test('several programs side by side keep apart', async () => {
    const results = await Promise.all(
      [1, 2, 3].map((n) =>
        run(async () => {
          const loop = getRunningLoop();
          await sleep(0.002);
          assert.equal(getRunningLoop(), loop);
          return n;
        }),
      ),
    );
    assert.deepEqual(results, [1, 2, 3]);
  });
});

describe('Runner', () => {
  const variable = new ContextVar<string>('v', { default: 'none' });

  test('runs share the context itself, and one loop', async () => {
    await using runner = new Runner(virtual);
    const loop = runner.getLoop();
    await runner.run(async () => {
      variable.set('first run');
      assert.equal(getRunningLoop(), loop);
    });
    assert.equal(await runner.run(async () => variable.get()), 'first run');
    assert.equal(await runner.run(async () => variable.get(), { context: new Context() }), 'none');
    assert.equal(variable.get(), 'none');
    assert.equal(
      await runner.run(function* () {
        return variable.get();
      }),
      'first run',
    );
  });

  test('goes on after a run that failed', async () => {
    await using runner = new Runner(virtual);
    await errorOf(() => runner.run(async () => Promise.reject(new Error('boom'))));
    assert.equal(await runner.run(async () => 5), 5);
  });

  test('a task that outlives its run goes on in the next, and is cancelled by close', async () => {
    const order: string[] = [];
    const runner = new Runner(virtual);
    await runner.run(async () => {
      createTask(async () => {
        try {
          await sleep(5);
          order.push('went on');
          await sleep(100);
        } finally {
          order.push('ended');
        }
      });
      await sleep(1);
    });
    await runner.run(() => sleep(10));
    assert.deepEqual(order, ['went on']);
    await runner.close();
    assert.deepEqual(order, ['went on', 'ended']);
  });

  test('takes a future of its loop', async () => {
    await using runner = new Runner(virtual);
    const future = runner.getLoop().createFuture<number>();
    runner.getLoop().callLater(5, () => future.setResult(3));
    assert.equal(await runner.run(future), 3);
  });

  test('submit runs many side by side, each with its result or error', async () => {
    await using runner = new Runner();
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) =>
        runner.submit(async () => {
          await sleep(i % 3 === 0 ? 0 : 0.001);
          if (i % 10 === 9) throw new RangeError(String(i));
          return i;
        }),
      ),
    );
    results.forEach((result, i) => {
      assert.equal(result.status, i % 10 === 9 ? 'rejected' : 'fulfilled');
      if (result.status === 'fulfilled') assert.equal(result.value, i);
    });
    assert.equal(
      await runner.submit(function* (): Gen<string> {
        yield* sleep(0);
        return 'generator';
      }),
      'generator',
    );
  });

  test('submit gives each a copy of the context', async () => {
    await using runner = new Runner();
    await runner.submit(async () => variable.set('mine'));
    assert.equal(await runner.submit(async () => variable.get()), 'none');
  });

  test('submit, and submit again after the loop was idle', async () => {
    await using runner = new Runner();
    assert.equal(await runner.submit(async () => 1), 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(await runner.submit(() => sleep(0.001, 2)), 2);
  });

  test('run beside submissions, and submit within a run', async () => {
    await using runner = new Runner();
    const submitted = runner.submit(() => sleep(0.005, 'submitted'));
    assert.equal(await runner.run(async () => 'run'), 'run');
    assert.equal(await submitted, 'submitted');
    const other = new Runner();
    assert.equal(await other.run(async () => await other.submit(async () => 'inner')), 'inner');
    await other.close();
  });

  test('run after somebody stopped the serving loop does not hang', async () => {
    const runner = new Runner();
    await runner.submit(async () => {});
    runner.getLoop().stop();
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(await runner.run(async () => 'ran'), 'ran');
    await runner.close();
  });

  test('close cancels what was submitted', async () => {
    const runner = new Runner();
    const submitted = runner.submit(() => sleep(100));
    await runner.submit(() => sleep(0));
    const text = textOf(() => submitted);
    await runner.close();
    assert.equal(await text, 'CancelledError: ');
    assert.equal(await textOf(() => runner.submit(async () => {})), 'RuntimeError: Runner is closed');
  });

  test('an idle runner lets the process exit; a working one is waited for', async () => {
    const { stdout, code, stderr } = await runProgram(`
      const runner = new asyncio.Runner();
      runner.submit(async () => { await asyncio.sleep(0.01); console.log('worked'); });
    `);
    assert.deepEqual({ stdout, code, stderr }, { stdout: 'worked\n', code: 0, stderr: '' });
  });
});

describe('a deadlock', () => {
  const deadlocked = `
    async function main() {
      const future = asyncio.getRunningLoop().createFuture();
      asyncio.createTask(function* worker() { yield* future; }, { name: 'worker 1' });
      await future;
    }
  `;

  test('on the real clock is an error that names the tasks and what they wait for; exit code 1', async () => {
    for (const way of [
      'await asyncio.run(main);',
      'asyncio.run(main);',
      'asyncio.run(main).then(() => {});',
    ]) {
      const { stderr, code } = await runProgram(deadlocked + way);
      assert.equal(code, 1, way);
      assert.match(
        stderr,
        /DeadlockError: deadlock: 2 tasks wait and nothing can wake the event loop any more/,
      );
      assert.match(stderr, /\n {2}\* 'Task-1' main\(\)\n {6}waits for <Future pending cb=\[/);
      assert.match(stderr, /\n {2}\* 'worker 1' worker\(\)\n {6}waits for <Future pending cb=\[/);
    }
  });

  test('at the end of a run that failed is logged: the error of the program goes before it', async () => {
    let error: Error | undefined;
    const lines = await logOf(async () => {
      error = await errorOf(() =>
        runVirtually(async function main() {
          const lock = new Lock();
          createTask(
            async function stubborn() {
              try {
                await sleep(60);
              } finally {
                await lock.acquire();
              }
            },
            { name: 'stubborn' },
          );
          await lock.acquire();
          await sleep(1);
          throw new RangeError('why it ended');
        }),
      );
    });
    assert.equal(String(error), 'RangeError: why it ended');
    assert.match(lines.join('\n'), /^error: deadlock: 1 task waits .*'stubborn'/s);
  });

  test('in virtual time has the places, too', async () => {
    const error = await errorOf(() =>
      runVirtually(async function main() {
        const future = getRunningLoop().createFuture<void>();
        createTask(
          function* worker() {
            yield* future;
          },
          { name: 'worker 1' },
        );
        await sleep(60);
        await future;
      }),
    );
    assert.ok(error instanceof DeadlockError);
    assert.equal(error.tasks.length, 2);
    assert.match(error.message, /^deadlock: 2 tasks wait and nothing can wake the event loop any more\n/);
    assert.match(
      error.message,
      /'Task-\d+' main\(\)\n {6}waits for <Future pending cb=\[.*\]>\n {6}at main \(.*runners\.test\.\w+:\d+:\d+\)/,
    );
    assert.match(
      error.message,
      /'worker 1' worker\(\)\n {6}waits for <Future pending cb=\[.*\]>\n {6}at worker \(.*runners\.test/,
    );
  });

  test('names a foreign promise as what it is', async () => {
    const { stderr, code } = await runProgram(`
      await asyncio.run(async function main() { await new Promise(() => {}); });
    `);
    assert.equal(code, 1);
    assert.match(stderr, /'Task-1' main\(\)\n {6}waits for a promise that is not the library's/);
  });

  test('is none while something outside can still answer', async () => {
    const { stdout, code } = await runProgram(`
      await asyncio.run(async () => {
        const future = asyncio.getRunningLoop().createFuture();
        setTimeout(() => future.setResult('timer'), 20);
        console.log(await future);
        const { readFile } = await import('node:fs/promises');
        console.log((await readFile('package.json')).length > 0);
        console.log((await asyncio.fromPromise(readFile('package.json'))).length > 0);
      });
    `);
    assert.deepEqual({ stdout, code }, { stdout: 'timer\ntrue\ntrue\n', code: 0 });
  });

  test('is none while a signal is listened to: it waits and says so', async () => {
    const { stdout, stderr, code } = await runProgram(
      `
      await asyncio.run(async () => {
        const future = asyncio.getRunningLoop().createFuture();
        process.once('SIGUSR2', () => future.setResult('signal'));
        console.log('waits');
        console.log(await future);
      });
    `,
      {
        onOutput: (output, child) => {
          if (output === 'waits\n') setTimeout(() => child.kill('SIGUSR2'), 100);
        },
      },
    );
    assert.equal(stdout, 'waits\nsignal\n');
    assert.equal(code, 0);
    assert.match(stderr, /^every task waits, and only a SIGUSR2 can wake the event loop/);
  });

  test('of the shutdown is one, too', async () => {
    const { stderr, code } = await runProgram(`
      await asyncio.run(async () => {
        asyncio.createTask(async function refuses() {
          try { await asyncio.sleep(100); } catch {}
          await asyncio.getRunningLoop().createFuture();
        });
        await asyncio.sleep(0.001);
      });
    `);
    assert.equal(code, 1);
    assert.match(stderr, /refuses\(\)/);
  });
});

describe('the end of the process (P62)', () => {
  test('comes by itself, whatever was left running', async () => {
    const { stdout, code, stderr } = await runProgram(`
      await asyncio.run(async () => {
        asyncio.createTask(() => asyncio.sleep(3600));
        asyncio.getRunningLoop().callLater(3600, () => {});
        asyncio.createTask(function* () { yield* asyncio.sleep(3600); });
        await asyncio.sleep(0.001);
      });
      console.log('ended', process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);
    `);
    assert.deepEqual({ stdout, code, stderr }, { stdout: 'ended 0\n', code: 0, stderr: '' });
  });

  test('the process lives as long as main runs', async () => {
    const { stdout, code } = await runProgram(`
      asyncio.run(async () => { await asyncio.sleep(0.05); console.log('slept'); });
    `);
    assert.deepEqual({ stdout, code }, { stdout: 'slept\n', code: 0 });
  });

  test('an error of main ends it with 1', async () => {
    for (const form of ['await asyncio.run(main)', 'asyncio.run(main)']) {
      const failed = await runProgram(
        `const main = async () => { throw new RangeError('boom'); };\n${form};`,
      );
      assert.equal(failed.code, 1);
      assert.match(failed.stderr, /RangeError: boom/);
    }
  });
});

/** Sends SIGINT when the program has printed `line`; at most once each. */
function interruptAt(...lines: string[]): (output: string, child: ChildProcess) => void {
  const left = [...lines];
  return (output, child) => {
    while (left.length > 0 && output.includes(`${left[0]}\n`)) {
      left.shift();
      child.kill('SIGINT');
    }
  };
}

describe('Ctrl-C', () => {
  test('cancels main; after the clean-up run throws KeyboardInterrupt and the process ends with 130 (P58)', async () => {
    for (const form of ['await asyncio.run(main);', 'asyncio.run(main);']) {
      const { stdout, code, signal } = await runProgram(
        `
        const main = async () => {
          try {
            console.log('ready');
            await asyncio.sleep(60);
          } catch (e) {
            console.log(e.name);
            await asyncio.sleep(0.01);
            console.log('cleaned up');
            throw e;
          }
        };
        ${form}
      `,
        { onOutput: interruptAt('ready') },
      );
      assert.equal(stdout, 'ready\nCancelledError\ncleaned up\n', form);
      assert.deepEqual({ code, signal }, { code: 130, signal: null }, form);
    }
  });

  test('can be caught as KeyboardInterrupt, and then the process ends as it likes', async () => {
    const { stdout, code } = await runProgram(
      `
      try {
        await asyncio.run(async () => { console.log('ready'); await asyncio.sleep(60); });
      } catch (e) {
        console.log(e.name, e instanceof asyncio.KeyboardInterrupt);
      }
    `,
      { onOutput: interruptAt('ready') },
    );
    assert.equal(stdout, 'ready\nKeyboardInterrupt true\n');
    assert.equal(code, 0);
  });

  test('wakes a generator main and one in a foreign promise, too', async () => {
    const { stdout, code } = await runProgram(
      `
      const main = function* () {
        try {
          console.log('ready');
          yield* asyncio.fromPromise(new Promise((resolve) => setTimeout(resolve, 20000)));
        } finally {
          console.log('cleaned up');
        }
      };
      try { await asyncio.run(main); } catch (e) { console.log(e.name); process.exit(0); }
    `,
      { onOutput: interruptAt('ready') },
    );
    assert.equal(stdout, 'ready\ncleaned up\nKeyboardInterrupt\n');
    assert.equal(code, 0);
  });

  test('a second one kills by the signal while the clean-up hangs (P59)', async () => {
    const { stdout, code, signal } = await runProgram(
      `
      await asyncio.run(async () => {
        try {
          console.log('first');
          await asyncio.sleep(60);
        } finally {
          console.log('second');
          await asyncio.sleep(60);
        }
      });
    `,
      { onOutput: interruptAt('first', 'second') },
    );
    assert.equal(stdout, 'first\nsecond\n');
    assert.deepEqual({ code, signal }, { code: null, signal: 'SIGINT' });
  });

  test('a main that swallows it returns normally', async () => {
    const { stdout, code } = await runProgram(
      `
      const value = await asyncio.run(async () => {
        try { console.log('ready'); await asyncio.sleep(60); } catch {}
        return 'swallowed';
      });
      console.log(value, process.listenerCount('SIGINT'));
    `,
      { onOutput: interruptAt('ready') },
    );
    assert.equal(stdout, 'ready\nswallowed 0\n');
    assert.equal(code, 0);
  });

  test("never replaces a listener of the user's (P61)", async () => {
    const { stdout, code } = await runProgram(
      `
      const heard = new Promise((resolve) => {
        process.on('SIGINT', () => { console.log('mine'); resolve(); });
      });
      await asyncio.run(async () => {
        console.log('ready', process.listenerCount('SIGINT'));
        const watch = setInterval(() => {}, 1000);
        await asyncio.fromPromise(heard);
        clearInterval(watch);
        await asyncio.sleep(0.001);
        console.log('not cancelled');
      });
      console.log(process.listenerCount('SIGINT'));
    `,
      { onOutput: interruptAt('ready 1') },
    );
    assert.equal(stdout, 'ready 1\nmine\nnot cancelled\n1\n');
    assert.equal(code, 0);
  });

  test('to a busy loop is delivered between two callbacks (P60)', async () => {
    const { stdout, code } = await runProgram(
      `
      await asyncio.run(async () => {
        console.log('ready');
        for (;;) await asyncio.sleep(0);
      });
    `,
      { onOutput: interruptAt('ready') },
    );
    assert.equal(stdout, 'ready\n');
    assert.equal(code, 130);
  });

  test('to code that does not give way is delivered when it does', async () => {
    const { signal, code } = await runProgram(
      `
      await asyncio.run(async () => {
        const end = performance.now() + 400;
        console.log('ready');
        while (performance.now() < end);
        console.log('over');
        await asyncio.sleep(0);
        for (;;) await asyncio.sleep(0.01);
      });
    `,
      { onOutput: interruptAt('ready') },
    );
    assert.deepEqual({ signal, code }, { signal: null, code: 130 });
  });

  test('with another cancellation stays a CancelledError', async () => {
    const { stdout } = await runProgram(
      `
      try {
        await asyncio.run(async () => {
          const task = asyncio.currentTask();
          process.on('exit', () => {});
          try { console.log('ready'); await asyncio.sleep(60); } catch (e) { task.cancel(); throw e; }
        });
      } catch (e) { console.log(e.name); process.exit(0); }
    `,
      { onOutput: interruptAt('ready') },
    );
    assert.equal(stdout, 'ready\nCancelledError\n');
  });
});

describe('shutdown that waits', () => {
  test('names after 5 seconds the tasks that go on, and where, and shutdownGrace', async () => {
    const { stderr, code, stdout } = await runProgram(`
      await asyncio.run(async () => {
        asyncio.createTask(async function stubborn() {
          try { await asyncio.sleep(100); } catch {}
          await asyncio.sleep(5.3);
        }, { name: 'worker' });
        await asyncio.sleep(0.001);
      });
      console.log('ended');
    `);
    assert.equal(stdout, 'ended\n');
    assert.equal(code, 0);
    assert.match(
      stderr,
      /shutdown waits: 1 task goes on after the cancellation \(the shutdownGrace option, in seconds, goes on without\)\n {2}<Task cancelling name='worker' coro=<stubborn\(\)/,
    );
  });
});

test('a warning of a run does not reach the next logger', async () => {
  assert.deepEqual(await logOf(() => run(async () => {})), []);
});
