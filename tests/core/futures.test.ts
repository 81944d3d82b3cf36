import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, test } from 'node:test';
import {
  Context,
  ContextVar,
  createTask,
  Future,
  getRunningLoop,
  isfuture,
  newEventLoop,
  run,
  sleep,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf, logOf, runProgram, runVirtually } from '../support/programs.ts';

const any = (value: unknown): any => value;
const future = <T>(): Future<T> => getRunningLoop().createFuture<T>();

describe('the callbacks of a future', () => {
  test('are called with it, through the loop, in order of registration', async () => {
    await runVirtually(async () => {
      const order: unknown[] = [];
      const f = future<number>();
      f.addDoneCallback((done) => order.push(1, done === f));
      f.addDoneCallback(() => order.push(2));
      f.setResult(5);
      f.addDoneCallback(() => order.push(3));
      assert.deepEqual(order, []);
      await sleep(0);
      assert.deepEqual(order, [1, true, 2, 3]);
    });
  });

  test('registered twice run twice, and go together', async () => {
    await runVirtually(async () => {
      let count = 0;
      const add = (): void => void count++;
      const f = future<void>();
      f.addDoneCallback(add);
      f.addDoneCallback(() => {});
      f.addDoneCallback(add);
      assert.equal(f.removeDoneCallback(add), 2);
      assert.equal(f.removeDoneCallback(add), 0);
      f.addDoneCallback(add);
      f.addDoneCallback(add);
      f.setResult();
      await sleep(0);
      assert.equal(count, 2);
    });
  });

  test('may add and remove callbacks, which changes nothing that is queued (H66)', async () => {
    await runVirtually(async () => {
      const order: string[] = [];
      const f = future<void>();
      const b = (): void => void order.push('b');
      f.addDoneCallback(() => {
        order.push('a');
        assert.equal(f.removeDoneCallback(b), 0);
        f.addDoneCallback(() => order.push('d'));
      });
      f.addDoneCallback(b);
      f.addDoneCallback(() => order.push('c'));
      f.setResult();
      await sleep(0);
      await sleep(0);
      assert.deepEqual(order, ['a', 'b', 'c', 'd']);
    });
  });

  test('that are evil objects in every other respect do no harm (F27)', async () => {
    await runVirtually(async () => {
      const f = future<void>();
      let calls = 0;
      const evil = new Proxy(() => calls++, {
        get(target, key) {
          if (key === 'name') throw new Error('no name');
          if (key === Symbol.toPrimitive || key === 'valueOf' || key === 'toString') f.cancel();
          return Reflect.get(target, key);
        },
        has() {
          throw new Error('no question');
        },
      });
      f.addDoneCallback(evil);
      assert.equal(
        f.removeDoneCallback(() => {}),
        0,
      );
      assert.match(String(f), /^<Future pending/);
      assert.equal(f.done(), false);
      f.setResult();
      await sleep(0);
      assert.equal(calls, 1);
    });
  });

  test('run in a copy of the context of their registration, or in the given one', async () => {
    const variable = new ContextVar<string>('v', { default: 'none' });
    await runVirtually(async () => {
      const f = future<void>();
      const seen: string[] = [];
      const given = new Context();
      given.run(() => variable.set('given'));
      variable.set('at registration');
      f.addDoneCallback(() => {
        seen.push(variable.get());
        variable.set('changed');
      });
      f.addDoneCallback(() => seen.push(variable.get()));
      f.addDoneCallback(
        () => {
          seen.push(variable.get());
          variable.set('changed');
        },
        { context: given },
      );
      variable.set('later');
      f.setResult();
      await sleep(0);
      assert.deepEqual(seen, ['at registration', 'at registration', 'given']);
      assert.equal(given.get(variable), 'changed');
      assert.equal(variable.get(), 'later');
    });
  });
});

describe('the text of a future', () => {
  test('tells state, outcome and callbacks', async () => {
    await runVirtually(async () => {
      const f = future<unknown>();
      assert.equal(String(f), '<Future pending>');
      assert.equal(inspect(f), '<Future pending>');
      function first(): void {}
      f.addDoneCallback(first);
      assert.equal(String(f), '<Future pending cb=[first()]>');
      f.addDoneCallback(first);
      f.addDoneCallback(first);
      f.addDoneCallback(first);
      assert.equal(String(f), '<Future pending cb=[first(), <2 more>, first()]>');
      f.setResult('x');
      assert.equal(String(f), "<Future finished result='x'>");
      const failed = future();
      failed.setException(new RangeError('boom'));
      assert.equal(String(failed), "<Future finished exception=RangeError('boom')>");
      failed.exception();
      const cancelled = future();
      cancelled.cancel();
      assert.equal(String(cancelled), '<Future cancelled>');
    });
  });

  test('shortens what is long, nested or evil', async () => {
    await runVirtually(async () => {
      const text = (value: unknown): string => {
        const f = future<unknown>();
        f.setResult(value);
        return String(f);
      };
      assert.equal(text('x'.repeat(100)).length < 70, true);
      assert.equal(
        text(Array.from({ length: 100 }, (_, i) => i)),
        '<Future finished result=[0, 1, 2, 3, 4, 5, ...]>',
      );
      const circular: unknown[] = [];
      circular.push(circular);
      assert.match(text(circular), /^<Future finished result=\[\[\[/);
      assert.equal(
        text({
          toString() {
            throw new Error('no');
          },
        }),
        '<Future finished result=<unprintable object>>',
      );
      assert.equal(text(Object.create(null)), '<Future finished result={}>');
      const self = future<unknown>();
      self.setResult(self);
      assert.equal(String(self), '<Future finished result=<Future ...>>');
      assert.equal(text(new Map([[1, 2]])), '<Future finished result=<Map object>>');
      assert.equal(text(Symbol('s')), '<Future finished result=Symbol(s)>');
      assert.equal(text(-0), '<Future finished result=0>');
      assert.equal(text('a\nb'), "<Future finished result='a\\nb'>");
    });
  });

  test('shows a waiting task by its name', async () => {
    await runVirtually(async () => {
      const f = future<void>();
      const tasks = [
        createTask(async () => await f),
        createTask(function* () {
          yield* f;
        }),
      ];
      await sleep(0);
      assert.match(String(f), /^<Future pending cb=\[.*wakeup\(\), .*wakeup\(\)\]>$/);
      f.setResult();
      for (const task of tasks) await task;
    });
  });
});

describe('a future as a promise', () => {
  test('then, catch, finally and toPromise follow it', async () => {
    await run(async () => {
      const f = future<number>();
      const all = [
        f.then((value) => value + 1),
        f.toPromise(),
        f.catch(() => 0),
        f.finally(() => {}),
        f.then(undefined, () => 0),
        f.then(
          (value) => value,
          () => 0,
        ),
        (async () => await f)(),
      ];
      f.setResult(5);
      assert.deepEqual(await Promise.all(all), [6, 5, 5, 5, 5, 5, 5]);
      assert.ok(f.toPromise() instanceof Promise);
    });
  });

  test('an error goes to whoever follows it, and counts as retrieved', async () => {
    const log = await logOf(() =>
      run(async () => {
        const f = future<number>();
        const boom = new Error('boom');
        const results = [
          f.then((x) => x).then(undefined, (e: unknown) => e),
          f.catch((e: unknown) => e),
          f.finally(() => {}).catch((e: unknown) => e),
        ];
        f.setException(boom);
        assert.deepEqual(await Promise.all(results), [boom, boom, boom]);
      }),
    );
    assert.deepEqual(log, []);
  });

  test('watching it takes no part in the cancellation of the task', async () => {
    await runVirtually(async () => {
      const f = future<number>();
      const task = createTask(async () => await f.toPromise());
      await sleep(1);
      task.cancel();
      await sleep(1);
      assert.equal(f.cancelled(), false);
      f.setResult(1);
      // The request found nothing to cancel, and the task awaits nothing any more.
      await assert.rejects(async () => await task, { name: 'CancelledError' });
    });
  });

  test('a throwing onResult rejects what then gave', async () => {
    await run(async () => {
      const f = future<number>();
      const chained = f.then(
        () => {
          throw new RangeError('in onResult');
        },
        () => {},
      );
      f.setResult(1);
      await assert.rejects(async () => await chained, { message: 'in onResult' });
    });
  });

  test('one that is done answers without a turn of the loop', async () => {
    await runVirtually(async () => {
      const f = future<number>();
      f.setResult(1);
      let turned = false;
      getRunningLoop().callSoon(() => {
        turned = true;
      });
      assert.equal(await f, 1);
      assert.equal(turned, false);
      await sleep(0);
    });
  });

  test('isfuture takes futures, tasks and duck types, no promises', async () => {
    await run(async () => {
      const task = createTask(async () => {});
      assert.ok(isfuture(task) && isfuture(future()) && isfuture({ _asyncioFutureBlocking: false }));
      for (const value of [Promise.resolve(), sleep(0), null, undefined, 5, {}, () => {}])
        assert.ok(!isfuture(value));
      await task;
    });
  });

  test('of another loop can be settled from a callback of this one', async () => {
    const other = newEventLoop();
    const f = other.createFuture<number>();
    setTimeout(() => f.setResult(3), 1);
    assert.equal(await other.runUntilComplete(f), 3);
    other.close();
  });
});

describe('cancelling a future', () => {
  test('keeps the message, and an error as its cause', async () => {
    await runVirtually(async () => {
      const cases: [unknown, string, unknown][] = [
        [undefined, '', undefined],
        [null, '', undefined],
        ['enough', 'enough', undefined],
        [5, '5', undefined],
        [new RangeError('why'), 'why', RangeError],
      ];
      for (const [msg, message, cause] of cases) {
        const f = future<void>();
        assert.equal(f.cancel(msg), true);
        assert.equal(f.cancel('again'), false);
        const error = await errorOf(async () => await f);
        assert.equal(`${error.name}: ${error.message}`, `CancelledError: ${message}`);
        if (cause !== undefined) assert.ok(error.cause instanceof RangeError);
        assert.throws(() => f.result(), { name: 'CancelledError', message });
        assert.throws(() => f.exception(), { name: 'CancelledError', message });
      }
    });
  });

  test('no message of any kind can break the error', async () => {
    await runVirtually(async () => {
      for (const msg of [Symbol('s'), {}, Object.create(null), () => {}, Number.NaN, '']) {
        const f = future<void>();
        f.cancel(msg);
        const error = await errorOf(async () => await f);
        assert.equal(error.name, 'CancelledError');
        assert.equal(typeof error.message, 'string');
        assert.ok(Object.is(any(error).args[0], msg));
      }
    });
  });
});

describe('an error that nobody retrieved (P31)', () => {
  test('is reported once when the loop ends, with the keys of CPython', async () => {
    const contexts: any[] = [];
    await runVirtually(async () => {
      getRunningLoop().setExceptionHandler((_loop, context) => contexts.push(context));
      future().setException(new RangeError('of a future'));
      createTask(
        async () => {
          throw new RangeError('of a task');
        },
        { name: 'failed' },
      );
      createTask(function* () {
        throw new RangeError('of a generator');
      });
      await sleep(1);
    });
    assert.deepEqual(
      contexts.map((context) => `${context.message}: ${String(context.exception)}`),
      [
        'Future exception was never retrieved: RangeError: of a future',
        'Task exception was never retrieved: RangeError: of a task',
        'Task exception was never retrieved: RangeError: of a generator',
      ],
    );
    assert.deepEqual(Object.keys(contexts[1]).sort(), ['exception', 'future', 'message']);
    assert.match(
      String(contexts[1].future),
      /^<Task finished name='failed' coro=<.*> exception=RangeError\('of a task'\)>$/,
    );
  });

  test('is not reported when somebody asked, awaited, or cancelled', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        const fail = async (): Promise<never> => {
          throw new Error('boom');
        };
        const tasks = [createTask(fail), createTask(fail), createTask(fail), createTask(fail)];
        await sleep(1);
        tasks[0]?.exception();
        await errorOf(async () => await tasks[1]);
        tasks[2]?.cancel();
        await errorOf(() => tasks[3]?.result());
      }),
    );
    assert.deepEqual(log, []);
  });

  test('is retrieved in time even after a sweep has looked at it', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        const f = future<void>();
        f.setException(new Error('boom'));
        await sleep(5);
        await sleep(5);
        f.exception();
      }),
    );
    assert.deepEqual(log, []);
  });

  test('never becomes an unhandledRejection, and never twice', async () => {
    const { stdout, stderr, code } = await runProgram(`
      process.on('unhandledRejection', (e) => console.log('unhandled', e));
      await asyncio.run(async () => {
        asyncio.createTask(async () => { throw new Error('one'); });
        asyncio.createTask(function* () { throw new Error('two'); });
        asyncio.getRunningLoop().createFuture().setException(new Error('three'));
        const g = asyncio.gather([async () => { throw new Error('four'); }, async () => { throw new Error('dropped'); }]);
        await asyncio.sleep(0.01);
      });
      console.log('ended');
    `);
    assert.equal(stdout, 'ended\n');
    assert.equal(code, 0);
    for (const word of ['one', 'two', 'three', 'four']) {
      assert.equal(stderr.split(`Error: ${word}`).length - 1, 1, `${word} in ${stderr}`);
    }
    assert.ok(!stderr.includes('dropped'));
  });

  test('is reported when the future is collected', async () => {
    const { stdout, code } = await runProgram(
      `
      await asyncio.run(async () => {
        const seen = [];
        asyncio.getRunningLoop().setExceptionHandler((_, c) => seen.push(c.message + ' ' + c.exception.message + ' ' + c.future));
        asyncio.createTask(async () => { throw new Error('boom'); }, { name: 't' });
        for (let i = 0; i < 50 && seen.length === 0; i++) { await asyncio.sleep(0.005); globalThis.gc(); }
        console.log(seen.join());
      });
    `,
      { flags: ['--expose-gc'] },
    );
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^Task exception was never retrieved boom <Task finished name='t' coro=<.*> exception=Error\('boom'\)>\n$/,
    );
  });

  test('a loop is collected though its exception handler holds the failed task', async () => {
    const { code, stdout } = await runProgram(
      `
      let collected = false;
      const registry = new FinalizationRegistry(() => { collected = true; });
      async function once() {
        const held = [];
        await asyncio.run(async () => {
          const loop = asyncio.getRunningLoop();
          registry.register(loop, null);
          loop.setExceptionHandler(() => held);
          held.push(asyncio.createTask(async () => { throw new Error('boom'); }));
          await asyncio.sleep(0.005);
        });
      }
      // What runs last may stay.
      for (let i = 0; i < 3; i++) await once();
      for (let i = 0; i < 50 && !collected; i++) { await new Promise((r) => setTimeout(r, 5)); globalThis.gc(); }
      console.log(collected);
    `,
      { flags: ['--expose-gc'] },
    );
    assert.deepEqual([code, stdout], [0, 'true\n']);
  });
});
