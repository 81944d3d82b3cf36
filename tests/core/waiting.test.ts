import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ALL_COMPLETED,
  AsCompleted,
  asCompleted,
  CancelledError,
  createTask,
  FIRST_COMPLETED,
  FIRST_EXCEPTION,
  type Future,
  gather,
  getRunningLoop,
  shield,
  sleep,
  type Task,
  timeout,
  TimeoutError,
  wait,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf, logOf, runVirtually, textOf } from '../support/programs.ts';

const now = (): number => getRunningLoop().time();
const future = <T = void>(): Future<T> => getRunningLoop().createFuture<T>();
const fail = async (): Promise<never> => {
  throw new RangeError('boom');
};

/** Whether somebody still waits for `f`. */
const callbacks = (f: Future<any>): string => /cb=\[.*\]/.exec(String(f))?.[0] ?? 'none';

describe('no callback is left behind (P27, H19, H21)', () => {
  test('by wait: result, timeout, first completed, error, cancellation', async () => {
    await runVirtually(async () => {
      const long = future();
      await wait([long], { timeout: 1 });
      assert.equal(callbacks(long), 'none');
      await wait([long, createTask(() => sleep(1))], { returnWhen: FIRST_COMPLETED });
      assert.equal(callbacks(long), 'none');
      const failing = createTask(fail);
      await wait([long, failing], { returnWhen: FIRST_EXCEPTION });
      assert.equal(callbacks(long), 'none');
      failing.exception();
      const waiting = createTask(async () => await wait([long], { timeout: 9 }));
      await sleep(1);
      assert.notEqual(callbacks(long), 'none');
      waiting.cancel();
      await errorOf(async () => await waiting);
      assert.equal(callbacks(long), 'none');
      assert.equal(long.done(), false);
    });
  });

  test('by shield, after its outer future was cancelled, but the one that reports', async () => {
    await runVirtually(async () => {
      const inner = future();
      for (let i = 0; i < 100; i++) {
        const outer = shield(inner);
        outer.cancel();
        await sleep(0);
      }
      assert.match(callbacks(inner), /^cb=\[[^,]*\]$/);
      inner.setResult();
    });
  });

  test('by asCompleted, after its timeout', async () => {
    await runVirtually(async () => {
      const long = future();
      await errorOf(async () => {
        for await (const _ of asCompleted([long], { timeout: 1 }));
      });
      assert.equal(callbacks(long), 'none');
    });
  });

  test('by waitFor: result, timeout, cancellation', async () => {
    await runVirtually(async () => {
      const long = createTask(() => sleep(100));
      const shielded = shield(long);
      assert.equal(await textOf(() => waitFor(shielded, 1)), 'TimeoutError: ');
      await sleep(0);
      assert.match(callbacks(long), /^(none|cb=\[[^,]*\])$/);
      assert.equal(long.done(), false);
      long.cancel();
      await errorOf(async () => await long);
    });
  });

  test('and no timer (H8)', async () => {
    await runVirtually(async () => {
      await waitFor(sleep(0), 1000);
      await wait([createTask(async () => {})], { timeout: 1000 });
      for await (const _ of asCompleted([async () => {}], { timeout: 1000 }));
      await timeout(1000).run(async () => {});
      await errorOf(() => waitFor(fail, 1000));
    });
    // An hour's timer that was left would be the next to come.
    let end = 0;
    await runVirtually(async () => {
      await waitFor(sleep(1), 3600);
      await sleep(1);
      end = now();
    });
    assert.equal(end, 2);
  });
});

describe('gather', () => {
  test('gives the results in argument order, of everything that can be awaited', async () => {
    await runVirtually(async () => {
      const f = future<number>();
      f.setResult(3);
      const results = await gather(
        sleep(3, 'a'),
        async () => 1,
        function* () {
          yield* sleep(1);
          return true;
        },
        f,
        Promise.resolve(4n),
      );
      // The types survive.
      const [a, b, c, d, e]: [string, number, boolean, number, bigint] = results;
      assert.deepEqual([a, b, c, d, e], ['a', 1, true, 3, 4n]);
      assert.deepEqual(await gather(), []);
      assert.deepEqual(await gather([]), []);
    });
  });

  test('awaits what is given twice once, but two sleeps are two', async () => {
    await runVirtually(async () => {
      const task = createTask(async () => ({}));
      const [a, b] = await gather(task, task);
      assert.equal(a, b);
      assert.deepEqual(await gather(sleep(0), sleep(0)), [undefined, undefined]);
    });
  });

  test('with returnExceptions errors and cancellations are results', async () => {
    await runVirtually(async () => {
      const cancelled = createTask(() => sleep(9));
      cancelled.cancel('no');
      const results = await gather([fail, cancelled, async () => 1], { returnExceptions: true });
      assert.deepEqual(results.map(String), ['RangeError: boom', 'CancelledError', '1']);
      assert.ok(results[1] instanceof CancelledError);
    });
  });

  test('the first error goes out, the others go on, and their errors are dropped', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        let done = 0;
        const other = async (): Promise<void> => {
          await sleep(2);
          done++;
        };
        const late = async (): Promise<never> => {
          await sleep(1);
          throw new Error('late');
        };
        assert.equal(await textOf(() => gather(fail, other, late)), 'RangeError: boom');
        assert.equal(now(), 0);
        await sleep(3);
        assert.equal(done, 1);
      }),
    );
    assert.deepEqual(log, []);
  });

  test('a promise is only watched, and the first one warns', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        await gather(Promise.resolve(1), Promise.resolve(2));
        await gather(Promise.resolve(1));
      }),
    );
    assert.ok(log.length <= 1);
    for (const line of log)
      assert.match(line, /^warning: gather\(\) got a promise: .*gather\(\(\) => work\(\)\)/);
  });
});

describe('wait', () => {
  test('gives two sets of the very futures, in the order of the arguments', async () => {
    await runVirtually(async () => {
      const tasks = [3, 1, 2].map((delay) => createTask(() => sleep(delay, delay)));
      const [done, pending] = await wait(tasks, { timeout: 2.5 });
      assert.deepEqual([...done], [tasks[1], tasks[2]]);
      assert.deepEqual([...pending], [tasks[0]]);
      const [all, none] = await wait(new Set(tasks), { returnWhen: ALL_COMPLETED });
      assert.equal(all.size, 3);
      assert.equal(none.size, 0);
    });
  });

  test('an iterator, a promise and duplicates are taken', async () => {
    await runVirtually(async () => {
      const task = createTask(async () => 1);
      const promise = Promise.resolve(2);
      const [done] = await wait<number>([task, task, promise].values());
      assert.deepEqual(
        [...done].map((f) => f.result()),
        [1, 2],
      );
    });
  });
});

describe('asCompleted', () => {
  test('gives coroutines in a plain loop, futures in an asynchronous one', async () => {
    await runVirtually(async () => {
      const work = (): Task<number>[] => [3, 1, 2].map((delay) => createTask(() => sleep(delay, delay)));
      const results: number[] = [];
      for (const next of asCompleted(work())) results.push(await next);
      assert.deepEqual(results, [1, 2, 3]);
      const tasks = work();
      const order: unknown[] = [];
      for await (const done of asCompleted(tasks)) {
        assert.ok(done.done());
        order.push(tasks.indexOf(done as Task<number>));
      }
      assert.deepEqual(order, [1, 2, 0]);
    });
  });

  test('works in generators, by next()', async () => {
    await runVirtually(function* () {
      const results: number[] = [];
      for (const next of asCompleted([sleep(2, 2), sleep(1, 1)])) results.push(yield* next);
      const stream: AsCompleted<number> = asCompleted([sleep(2, 4), sleep(1, 3)]);
      for (;;) {
        const { value, done } = yield* stream.next();
        if (done) break;
        results.push((value as Future<number>).result());
      }
      if (results.join() !== '1,2,3,4') throw new Error(results.join());
    });
  });

  test('the timeout strikes what is left, in both ways, and cancels nothing', async () => {
    await runVirtually(async () => {
      const tasks = [1, 5, 6].map((delay) => createTask(() => sleep(delay, delay)));
      const texts: string[] = [];
      for (const next of asCompleted(tasks, { timeout: 2 })) {
        try {
          texts.push(String(await next));
        } catch (error) {
          texts.push(String(error));
        }
      }
      assert.deepEqual(texts, ['1', 'TimeoutError', 'TimeoutError']);
      const error = await errorOf(async () => {
        for await (const _ of asCompleted(tasks, { timeout: 1 }));
      });
      assert.ok(error instanceof TimeoutError);
      assert.deepEqual(
        tasks.map((task) => task.cancelled()),
        [false, false, false],
      );
      await gather(...tasks);
    });
  });

  test('two sleeps are two, a future given twice is one, and nothing is no turn', async () => {
    await runVirtually(async () => {
      const count = async (aws: any): Promise<number> => {
        let turns = 0;
        for await (const _ of asCompleted(aws)) turns++;
        return turns;
      };
      const task = createTask(async () => {});
      assert.equal(await count([task, task]), 1);
      assert.equal(await count([]), 0);
      assert.equal(await count([sleep(0), sleep(0)]), 2);
      assert.equal(await count(new Set([sleep(1), sleep(1)])), 2);
    });
  });
});

describe('waitFor and timeout', () => {
  test('the TimeoutError has the CancelledError as cause, and code ETIMEDOUT', async () => {
    await runVirtually(async () => {
      for (const error of [
        await errorOf(() => waitFor(sleep(9), 1)),
        await errorOf(() => waitFor(sleep(9), 0)),
        await errorOf(() => timeout(1).run(() => sleep(9))),
      ]) {
        assert.ok(error instanceof TimeoutError);
        assert.equal(error.message, '');
        assert.equal((error as { code?: string }).code, 'ETIMEDOUT');
        assert.ok(error.cause instanceof CancelledError);
        assert.match(error.stack ?? '', /^TimeoutError/);
      }
    });
  });

  test('an error of the clean-up whose cause is the CancelledError gets the TimeoutError between', async () => {
    await runVirtually(async () => {
      const error = await errorOf(() =>
        timeout(1).run(async () => {
          try {
            await sleep(9);
          } catch (cause) {
            throw new RangeError('clean-up failed', { cause });
          }
        }),
      );
      assert.equal(String(error), 'RangeError: clean-up failed');
      assert.ok(error.cause instanceof TimeoutError);
      assert.ok(error.cause.cause instanceof CancelledError);
    });
  });

  test('a cause that is a circle or frozen does no harm', async () => {
    await runVirtually(async () => {
      for (const spoil of [
        (error: Error) => {
          error.cause = error;
        },
        (error: Error) => {
          Object.freeze(error);
        },
      ]) {
        const thrown = new RangeError('clean-up failed');
        const error = await errorOf(() =>
          timeout(1).run(async () => {
            try {
              await sleep(9);
            } catch (cause) {
              thrown.cause = cause;
              spoil(thrown);
              throw thrown;
            }
          }),
        );
        assert.equal(error, thrown);
      }
    });
  });

  test('delays in other units, null, and a deadline in the past', async () => {
    await runVirtually(async () => {
      assert.equal(await waitFor(sleep(1, 'x'), { minutes: 1 }), 'x');
      assert.equal(await waitFor(sleep(1, 'x'), null), 'x');
      assert.equal(await textOf(() => waitFor(sleep(1), { milliseconds: 500 })), 'TimeoutError: ');
      assert.equal(now(), 2.5);
      let ran = false;
      assert.equal(
        await textOf(() =>
          waitFor(async () => {
            ran = true;
          }, -1),
        ),
        'TimeoutError: ',
      );
      assert.equal(ran, false);
      assert.equal(await timeout(-1).run(async () => 'no suspension'), 'no suspension');
      const f = future<number>();
      f.setResult(5);
      assert.equal(await waitFor(f, 0), 5);
    });
  });

  test('reschedule moves the deadline, when() tells it', async () => {
    await runVirtually(async () => {
      const cm = timeout(1);
      assert.equal(cm.when(), 1);
      await cm.run(async () => {
        await sleep(0.5);
        cm.reschedule(now() + 5);
        await sleep(4);
        cm.reschedule(null);
        assert.equal(cm.when(), null);
        await sleep(100);
      });
      assert.equal(cm.expired(), false);
      assert.match(String(cm), /^<Timeout \[finished\]/);
    });
  });

  test('an error and a value of the body pass unchanged', async () => {
    await runVirtually(async () => {
      assert.equal(await timeout(1).run(() => 5), 5);
      assert.equal(await textOf(() => timeout(1).run(fail)), 'RangeError: boom');
      assert.equal(await textOf(() => waitFor(fail, 1)), 'RangeError: boom');
    });
  });
});

describe('shield', () => {
  test('keeps the inner running; its error after a cancellation is reported once', async () => {
    const contexts: any[] = [];
    await runVirtually(async () => {
      getRunningLoop().setExceptionHandler((_loop, context) => contexts.push(context));
      const inner = createTask(async () => {
        await sleep(1);
        throw new RangeError('boom');
      });
      for (const _ of [1, 2, 3]) shield(inner).cancel();
      await sleep(2);
    });
    assert.equal(contexts.length, 1);
    assert.equal(contexts[0].message, 'RangeError exception in shielded future');
    assert.deepEqual(Object.keys(contexts[0]).sort(), ['exception', 'future', 'message']);
  });

  test('gives what is done already as it is', async () => {
    await runVirtually(async () => {
      const f = future<number>();
      f.setResult(1);
      assert.equal(shield(f), f);
    });
  });
});
