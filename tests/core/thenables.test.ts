import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import {
  asCompleted,
  createTask,
  ensureFuture,
  ExceptionGroup,
  fromPromise,
  gather,
  getRunningLoop,
  run,
  setLogger,
  shield,
  sleep,
  TaskGroup,
  wait,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { logOf, runProgram, runVirtually } from '../support/programs.ts';

type Resolve = (value: unknown) => void;
const any = (value: unknown): any => value;

class Derived<T> extends Promise<T> {}
class EvilSpecies<T> extends Promise<T> {
  static override get [Symbol.species](): PromiseConstructor {
    throw new RangeError('evil species');
  }
}

/** Makes a thenable anew for each use. */
const kinds: Record<string, () => unknown> = {
  'a promise': () => Promise.resolve('value'),
  'a rejected promise': () => Promise.reject(new RangeError('rejected')),
  'a promise that resolves later': () => new Promise((resolve) => setImmediate(resolve, 'later')),
  'a Promise subclass': () => Derived.resolve('derived'),
  'a Promise subclass that rejects': () => Derived.reject(new RangeError('derived')),
  'a Promise subclass with an evil species': () => new EvilSpecies((resolve) => resolve('species')),
  'a promise of another realm': () => runInNewContext('Promise.resolve("abroad")'),
  'a rejected promise of another realm': () => runInNewContext('Promise.reject(new Error("abroad"))'),
  'a thenable that settles synchronously': () => ({ then: (r: Resolve) => r('now') }),
  'a thenable that rejects synchronously': () => ({
    then: (_: Resolve, e: Resolve) => e(new RangeError('now')),
  }),
  'a thenable that settles twice': () => ({
    then(resolve: Resolve, reject: Resolve) {
      resolve('first');
      resolve('second');
      reject(new Error('third'));
    },
  }),
  'a thenable that settles and throws': () => ({
    then(resolve: Resolve) {
      resolve('first');
      throw new Error('after');
    },
  }),
  'a thenable that throws': () => ({
    then() {
      throw new RangeError('in then');
    },
  }),
  'a thenable that throws no error': () => ({
    then() {
      throw 'text';
    },
  }),
  'a thenable that gives a thenable': () => ({
    then: (r: Resolve) => r({ then: (inner: Resolve) => inner('inner') }),
  }),
  'a thenable that gives a rejected promise': () => ({
    then: (r: Resolve) => r(Promise.reject(new RangeError('inner'))),
  }),
  'a promise that resolves itself': () => {
    let resolve: Resolve = () => {};
    const promise = new Promise((r) => {
      resolve = r;
    });
    resolve(promise);
    return promise;
  },
  'a proxy of a promise': () => new Proxy(Promise.resolve(1), {}),
  'a proxy of a thenable': () => new Proxy({ then: (r: Resolve) => r('proxied') }, {}),
  'a frozen thenable': () => Object.freeze({ then: (r: Resolve) => r('frozen') }),
  'a thenable with next()': () => ({ next: () => ({ done: true }), then: (r: Resolve) => r('cursor') }),
  'a thenable without a prototype': () =>
    Object.assign(Object.create(null), { then: (r: Resolve) => r('bare') }),
  'a thenable that calls back later': () => ({ then: (r: Resolve) => void setImmediate(r, 'late') }),
};

/** Each way in, as a task would use it. */
const ways: Record<string, (thenable: any) => PromiseLike<unknown>> = {
  'await in an async function': async (thenable) => await thenable,
  fromPromise: async (thenable) => await fromPromise(thenable),
  'fromPromise with a function': async (thenable) => await fromPromise(() => thenable),
  ensureFuture: async (thenable) => await ensureFuture(thenable),
  gather: async (thenable) => (await gather<any[]>(thenable))[0],
  shield: async (thenable) => await shield(thenable),
  waitFor: async (thenable) => await waitFor(thenable, 1),
  'waitFor without a limit': async (thenable) => await waitFor(thenable, null),
  wait: async (thenable) => {
    const [done] = await wait<unknown>([thenable]);
    return [...done][0]?.result();
  },
  asCompleted: async (thenable) => {
    const [next] = asCompleted([thenable]);
    return await next;
  },
  'a task of a function': async (thenable) => await createTask(() => thenable),
  'the body of a group': (thenable) => new TaskGroup().run(() => thenable),
};

async function outcome(settle: () => PromiseLike<unknown>): Promise<string> {
  try {
    return `gives ${String(await settle())}`;
  } catch (error) {
    const inner = error instanceof ExceptionGroup ? error.errors[0] : error;
    // What is no error is wrapped in a group, and only there.
    const { cause } = inner as Error;
    const thrown = error instanceof ExceptionGroup && typeof cause === 'string' ? cause : inner;
    return `throws ${String(thrown)}`;
  }
}

describe('a thenable (F26)', () => {
  for (const [kind, make] of Object.entries(kinds)) {
    test(`${kind} is taken as native await takes it, whichever way it comes in`, async () => {
      const expected = await outcome(async () => await make());
      for (const [way, settle] of Object.entries(ways)) {
        const got = await run(async () => await outcome(() => settle(make())));
        assert.equal(got, expected, `${kind} through ${way}`);
      }
    });
  }

  test('a getter that throws rejects, or throws at the call, and leaves nothing behind', async () => {
    const make = (): any => ({
      get then(): never {
        throw new RangeError('in the getter');
      },
    });
    for (const [way, settle] of Object.entries(ways)) {
      await run(async () => {
        assert.equal(await outcome(() => settle(make())), 'throws RangeError: in the getter', way);
      });
    }
  });

  test('one that never settles can be cancelled wherever the library waits for it', async () => {
    const make = (): any => ({ then() {} });
    const { 'await in an async function': _, 'a task of a function': __, ...cancellable } = ways;
    for (const name of ['ensureFuture', 'shield', 'wait', 'gather', 'asCompleted', 'the body of a group'])
      delete cancellable[name];
    for (const [way, settle] of Object.entries(cancellable)) {
      await run(async () => {
        const task = createTask(async () => await settle(make()));
        await sleep(0.001);
        task.cancel();
        await assert.rejects(async () => await task, { name: 'CancelledError' }, way);
      });
    }
  });

  test('a proxy that throws at every look is refused or thrown as it is, and the loop goes on', async () => {
    const evil = new Proxy(
      {},
      {
        get() {
          throw new RangeError('do not look');
        },
        getPrototypeOf() {
          throw new RangeError('do not look');
        },
      },
    );
    await runVirtually(async () => {
      for (const use of [createTask, gather, ensureFuture, shield, fromPromise]) {
        assert.throws(() => any(use)(evil), Error);
      }
      await sleep(1);
    });
  });

  test('one that throws leaves no wait behind for which virtual time would stand still', async () => {
    const { stdout, code } = await runProgram(`
      // A process that has something else to do, so that nobody finds out that the loop waits for nothing.
      const other = setTimeout(() => process.exit(9), 5000);
      class Evil extends Promise { static get [Symbol.species]() { throw new Error('evil'); } }
      const bad = [
        { then() { throw new Error('in then'); } },
        { get then() { throw new Error('in the getter'); } },
        new Evil((resolve) => resolve()),
        () => {},
        () => { throw new Error('at the start'); },
      ];
      await asyncio.run(async () => {
        for (const thenable of bad) {
          try { await asyncio.fromPromise(thenable); } catch {}
        }
        await asyncio.sleep(60);
        console.log(asyncio.getRunningLoop().time());
      }, { loopFactory: () => new VirtualEventLoop() });
      clearTimeout(other);
    `);
    assert.deepEqual({ stdout, code }, { stdout: '60\n', code: 0 });
  });

  test('the result of fromPromise is flattened, as the promise itself would be', async () => {
    await runVirtually(async () => {
      const future = fromPromise<unknown>(any({ then: (r: Resolve) => r({ then: (s: Resolve) => s(7) }) }));
      await future;
      assert.equal(future.result(), 7);
    });
  });

  test('a function given to fromPromise must give a promise, and its own error is thrown', async () => {
    await runVirtually(async () => {
      assert.throws(() => fromPromise(any(() => {})), { name: 'TypeError', message: /promise/ });
      assert.throws(() => fromPromise(any(5)), {
        name: 'TypeError',
        message: 'a promise or a function that gives one was expected, got 5',
      });
      const failing = (): never => {
        throw new RangeError('at the start');
      };
      await assert.rejects(async () => await fromPromise(failing), { message: 'at the start' });
    });
  });

  test('what a promise does after its wait was cancelled is ignored', async () => {
    await run(async () => {
      let reject: (error: unknown) => void = () => {};
      const promise = new Promise<never>((_, r) => {
        reject = r;
      });
      const future = fromPromise(promise);
      future.cancel('enough');
      await assert.rejects(async () => await future, { name: 'CancelledError', message: 'enough' });
      reject(new Error('late'));
      await sleep(0.001);
      assert.equal(future.cancelled(), true);
    });
  });

  test('cancelling fromPromise aborts the signal with the CancelledError as reason', async () => {
    await runVirtually(async () => {
      let seen: AbortSignal | undefined;
      const future = fromPromise((signal) => {
        seen = signal;
        return new Promise(() => {});
      });
      assert.equal(seen?.aborted, false);
      future.cancel('enough');
      assert.equal(seen?.aborted, true);
      assert.equal(String(seen?.reason), 'CancelledError: enough');
      await assert.rejects(async () => await future, { name: 'CancelledError' });
    });
  });
});

describe('what is thrown but is no error (P32, F24)', () => {
  const frozen = Object.freeze({ code: 5 });
  const proxy = new Proxy(
    {},
    {
      get() {
        throw new Error('do not look');
      },
    },
  );
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const thrown: Record<string, unknown> = {
    null: null,
    undefined: undefined,
    'a string': 'text',
    'an empty string': '',
    'a number': 0,
    NaN: Number.NaN,
    false: false,
    'a bigint': 5n,
    'a symbol': Symbol('thrown'),
    'a function': () => {},
    'a frozen object': frozen,
    'a proxy': proxy,
    'a revoked proxy': revoked.proxy,
  };

  for (const [kind, value] of Object.entries(thrown)) {
    const fail = async (): Promise<never> => {
      throw value;
    };
    function* failGen(): Generator<never, never, unknown> {
      throw value;
    }
    const same = async (use: () => unknown): Promise<boolean> => {
      try {
        await use();
      } catch (error) {
        return Object.is(error, value);
      }
      return false;
    };

    test(`${kind} goes through tasks, gather, shield, waitFor and timeouts unchanged`, async () => {
      await runVirtually(async () => {
        for (const work of [fail, failGen]) {
          const body = any(work);
          assert.ok(await same(async () => await createTask(body)), 'a task');
          assert.ok(await same(async () => await gather(body)), 'gather');
          assert.ok(await same(async () => await shield(body)), 'shield');
          assert.ok(await same(async () => await waitFor(body, 1)), 'waitFor');
          assert.ok(await same(async () => await fromPromise(fail())), 'fromPromise');
          const results = (await gather([body, sleep(1, 2)], { returnExceptions: true })) as unknown[];
          assert.ok(Object.is(results[0], value), 'returnExceptions');
          assert.equal(results[1], 2);
          const task = createTask(body);
          const [done] = await wait([task]);
          assert.ok(done.has(task));
          assert.ok(await same(() => task.result()), 'result()');
          for (const next of asCompleted([body]))
            assert.ok(await same(async () => await next), 'asCompleted');
        }
      });
    });

    test(`${kind} goes through run unchanged`, async () => {
      assert.ok(await same(() => run(fail)));
      assert.ok(await same(() => run(any(failGen))));
    });

    test(`${kind} stands in a group as the cause of an error`, async () => {
      await runVirtually(async () => {
        const error = await new TaskGroup()
          .run(async (tg) => {
            tg.createTask(fail);
            await sleep(1);
          })
          .catch((e: unknown) => e);
        assert.ok(error instanceof ExceptionGroup);
        assert.equal(error.errors.length, 1);
        const [inner] = error.errors;
        assert.ok(inner instanceof Error);
        assert.ok('cause' in inner);
        assert.ok(Object.is(inner.cause, value));
      });
    });

    test(`${kind} out of a callback reaches the exception handler, and the loop goes on`, async () => {
      const reported: unknown[] = [];
      await runVirtually(async () => {
        const loop = getRunningLoop();
        loop.setExceptionHandler((_loop, context) => {
          assert.ok('exception' in context);
          reported.push(context.exception);
          throw value;
        });
        const order: number[] = [];
        loop.callSoon(() => {
          throw value;
        });
        loop.callSoon(() => order.push(1));
        const future = loop.createFuture<void>();
        future.addDoneCallback(() => {
          throw value;
        });
        future.addDoneCallback(() => order.push(2));
        future.setResult();
        // The default handler, which is told what the handler threw, must be able to print it.
        const lines: string[] = [];
        const add = (line: string): void => void lines.push(line);
        setLogger({ debug: add, info: add, warning: add, error: add });
        await sleep(1);
        setLogger(null);
        assert.deepEqual(order, [1, 2]);
        assert.equal(lines.length, 2);
        assert.match(lines[0] ?? '', /^Unhandled error in exception handler/);
      });
      assert.equal(reported.length, 2);
      assert.ok(reported.every((error) => Object.is(error, value)));
    });
  }

  test('the text of a report shows what was thrown, whatever it is', async () => {
    for (const [value, shown] of [
      [null, /null/],
      [undefined, /undefined/],
      ['text', /text/],
      [5, /5/],
      [Symbol('sign'), /Symbol\(sign\)/],
    ] as const) {
      const lines = await logOf(() =>
        runVirtually(async () => {
          getRunningLoop().callSoon(() => {
            throw value;
          });
          await sleep(1);
        }),
      );
      assert.equal(lines.length, 1);
      assert.match(
        (lines[0] ?? '')
          .split('\n')
          .slice(1)
          .join('\n')
          .replace(/^handle:.*$/m, ''),
        shown,
      );
    }
  });
});
