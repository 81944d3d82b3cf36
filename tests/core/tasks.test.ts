import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  allTasks,
  Context,
  ContextVar,
  coroutine,
  createTask,
  currentTask,
  ensureFuture,
  type Gen,
  gather,
  getRunningLoop,
  iscoroutine,
  iscoroutinefunction,
  newEventLoop,
  Runner,
  run,
  sleep,
  Task,
  TaskGroup,
  timeout,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf, runProgram, runVirtually, textOf } from '../support/programs.ts';

const any = (value: unknown): any => value;

/** The same body in both styles; `step` is an await of `sleep(seconds)`. */
const styles = ['async', 'generator'] as const;

describe('cancel and uncancel (P1, P6)', () => {
  /** CPython's counter and flag, for a task that cancels and uncancels itself in one step, then awaits. */
  function model(actions: string[]): { results: unknown[]; ends: string } {
    let requests = 0;
    let mustCancel = false;
    let msg: string | undefined;
    const results: unknown[] = [];
    for (const action of actions) {
      if (action === 'uncancel') {
        if (requests > 0 && --requests === 0) mustCancel = false;
        results.push(requests);
      } else {
        requests++;
        mustCancel = true;
        msg = action === 'cancel' ? undefined : action;
        results.push(true);
      }
      results.push(requests);
    }
    return { results, ends: mustCancel ? `CancelledError: ${msg ?? ''}` : 'went on' };
  }

  const actions = fc.array(fc.constantFrom('cancel', 'uncancel', 'cancel', 'first', 'second'), {
    maxLength: 12,
  });

  for (const style of styles) {
    test(`of the task itself are CPython's counter and flag (${style})`, async () => {
      await fc.assert(
        fc.asyncProperty(actions, fc.boolean(), async (plan, awaits) => {
          const results: unknown[] = [];
          const act = (): void => {
            const task = currentTask() as Task<unknown>;
            for (const action of plan) {
              if (action === 'uncancel') results.push(task.uncancel());
              else results.push(task.cancel(...(action === 'cancel' ? [] : [action])));
              results.push(task.cancelling());
            }
          };
          const ends = await runVirtually(async () => {
            const body =
              style === 'async'
                ? async () => {
                    act();
                    if (awaits) await sleep(1);
                    return 'went on';
                  }
                : function* () {
                    act();
                    if (awaits) yield* sleep(1);
                    return 'went on';
                  };
            const task = createTask<string>(any(body));
            try {
              return await task;
            } catch (error) {
              assert.equal(task.cancelled(), true);
              return String(error).replace(/: $|(?<=Error)$/, ': ');
            }
          });
          const expected = model(plan);
          assert.deepEqual(results, expected.results);
          assert.equal(ends, expected.ends);
        }),
        { numRuns: 60 },
      );
    });

    test(`of a waiting task: the first message arrives, once, and the count stays (${style})`, async () => {
      await runVirtually(async () => {
        let caught: string[] = [];
        const body =
          style === 'async'
            ? async () => {
                for (let i = 0; i < 3; i++) {
                  try {
                    await sleep(10);
                  } catch (error) {
                    caught.push(String(error));
                  }
                }
                return 'done';
              }
            : function* () {
                for (let i = 0; i < 3; i++) {
                  try {
                    yield* sleep(10);
                  } catch (error) {
                    caught.push(String(error));
                  }
                }
                return 'done';
              };
        const task = createTask<string>(any(body));
        await sleep(1);
        assert.equal(task.cancel('first'), true);
        assert.equal(task.cancel('second'), true);
        assert.equal(task.cancelling(), 2);
        assert.match(String(task), /^<Task cancelling /);
        assert.equal(await task, 'done');
        assert.deepEqual(caught, ['CancelledError: first']);
        assert.equal(task.cancelling(), 2);
        assert.equal(task.cancelled(), false);
        assert.equal(task.cancel(), false);
        caught = [];
      });
    });

    test(`before the first step: not a line runs (P2, ${style})`, async () => {
      await runVirtually(async () => {
        let ran = false;
        const body =
          style === 'async'
            ? async () => {
                ran = true;
              }
            : function* () {
                ran = true;
              };
        const task = createTask(any(body));
        assert.equal(task.cancel('early'), true);
        assert.equal(await textOf(async () => await task), 'CancelledError: early');
        assert.equal(ran, false);
        assert.equal(task.cancelled(), true);
      });
    });

    test(`a cancelled task that still awaits in its clean-up may do so (F22, ${style})`, async () => {
      await runVirtually(async () => {
        const order: string[] = [];
        const body =
          style === 'async'
            ? async () => {
                try {
                  await sleep(10);
                } finally {
                  await sleep(1);
                  order.push('cleaned up');
                }
              }
            : function* () {
                try {
                  yield* sleep(10);
                } finally {
                  yield* sleep(1);
                  order.push('cleaned up');
                }
              };
        const task = createTask(any(body));
        await sleep(1);
        task.cancel();
        await errorOf(async () => await task);
        assert.deepEqual(order, ['cleaned up']);
        assert.equal(getRunningLoop().time(), 2);
        assert.equal(task.cancelled(), true);
      });
    });
  }

  test('a return in finally swallows the cancellation (F23)', async () => {
    await runVirtually(async () => {
      const task = createTask(async () => {
        try {
          await sleep(10);
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: this is what is tested
          return 'kept'; // oxlint-disable-line no-unsafe-finally
        }
      });
      await sleep(1);
      task.cancel();
      assert.equal(await task, 'kept');
    });
  });

  test('the error of a task that was cancelled is kept as it is', async () => {
    await runVirtually(async () => {
      const task = createTask(async () => {
        try {
          await sleep(10);
        } catch {
          throw new RangeError('in the clean-up');
        }
      });
      await sleep(1);
      task.cancel();
      assert.equal(await textOf(async () => await task), 'RangeError: in the clean-up');
      assert.equal(task.cancelled(), false);
    });
  });

  test('a storm of cancellations of nested tasks ends them all (F19)', async () => {
    await runVirtually(async () => {
      function* nest(depth: number): Gen<void> {
        if (depth === 0) yield* sleep(100);
        else yield* createTask(nest(depth - 1));
      }
      const tasks = Array.from({ length: 1000 }, () => createTask(() => sleep(100)));
      const deep = createTask(nest(1000));
      await sleep(1);
      for (const task of [...tasks, deep]) task.cancel();
      await sleep(1);
      assert.ok([...tasks, deep].every((task) => task.cancelled()));
      assert.equal(allTasks().size, 1);
    });
  });
});

describe('names, contexts and places', () => {
  test('names count up, and anything becomes a string', async () => {
    await runVirtually(async () => {
      const tasks = [createTask(async () => {}), createTask(async () => {})];
      const [a, b] = tasks.map((task) => Number(/^Task-(\d+)$/.exec(task.getName())?.[1]));
      assert.equal(b, (a as number) + 1);
      const named = createTask(async () => {}, { name: any(5) });
      assert.equal(named.getName(), '5');
      named.setName(null);
      assert.equal(named.getName(), 'null');
      named.setName('__proto__');
      assert.match(String(named), /name='__proto__'/);
      await gather(...tasks, named);
    });
  });

  test('the text tells name, state, coroutine and what it waits for', async () => {
    await runVirtually(async () => {
      async function worker(): Promise<number> {
        await future;
        return 5;
      }
      const future = getRunningLoop().createFuture<void>();
      const task = createTask(worker, { name: 'w' });
      assert.match(String(task), /^<Task pending name='w' coro=<worker\(\).*>>$/);
      await sleep(0);
      assert.match(String(task), /^<Task pending name='w' coro=<worker\(\)/);
      future.setResult();
      await task;
      assert.equal(String(task), "<Task finished name='w' coro=<worker()> result=5>");
      const generator = createTask(
        function* steps() {
          yield* sleep(1);
        },
        { name: 'g' },
      );
      await sleep(0);
      assert.match(
        String(generator),
        /^<Task pending name='g' coro=<steps\(\).*> wait_for=<Future pending cb=\[.*\]>>$/,
      );
      generator.cancel();
      assert.match(String(generator), /^<Task cancelling name='g'/);
      await errorOf(async () => await generator);
      assert.equal(String(generator), "<Task cancelled name='g' coro=<steps()>>");
    });
  });

  test('tasks that wait for each other in a circle can be printed', async () => {
    await assert.rejects(
      runVirtually(async () => {
        const tasks: Task<unknown>[] = [];
        for (const n of [0, 1]) {
          tasks.push(
            createTask(function* circle() {
              yield* sleep(0);
              return yield* tasks[1 - n] as Task<unknown>;
            }),
          );
        }
        await sleep(1);
        assert.match(String(tasks[0]), /<Task \.\.\.>/);
        await tasks[0];
      }),
      { name: 'DeadlockError' },
    );
  });

  test('a task runs in a copy of the context of its creation, or in the given one', async () => {
    const variable = new ContextVar<string>('v', { default: 'none' });
    await runVirtually(async () => {
      for (const style of styles) {
        variable.set('creator');
        const seen: string[] = [];
        const act = (): void => {
          seen.push(variable.get());
          variable.set('changed');
        };
        const body: any =
          style === 'async'
            ? async () => {
                act();
                await sleep(1);
                seen.push(variable.get());
              }
            : function* () {
                act();
                yield* sleep(1);
                seen.push(variable.get());
              };
        const task = createTask(body);
        variable.set('creator, later');
        const context = new Context();
        const shared = createTask(body, { context });
        assert.equal(shared.getContext(), context);
        await gather(task, shared);
        assert.deepEqual(seen, ['creator', 'none', 'changed', 'changed'], style);
        assert.equal(variable.get(), 'creator, later');
        assert.equal(context.get(variable), 'changed');
        assert.equal(task.getContext().get(variable), 'changed');
      }
    });
  });

  test('getStack and printStack tell where it waits, or what failed', async () => {
    await runVirtually(async () => {
      const print = (task: Task<any>): string => {
        let text = '';
        task.printStack({ file: { write: (part: string) => (text += part) } });
        return text;
      };
      const waiting = createTask(async function waits() {
        await sleep(5);
      });
      const failed = createTask(async function fails() {
        throw new RangeError('boom');
      });
      await sleep(1);
      assert.equal(waiting.getStack().length, 1);
      assert.match(waiting.getStack()[0]?.file ?? '', /tasks\.test/);
      assert.match(waiting.getStack()[0]?.functionName ?? '', /waits/);
      assert.match(
        print(waiting),
        /^Stack for <Task pending .*> \(most recent call last\):\n {2}File ".*tasks\.test.*", line \d+, in waits\n$/,
      );
      assert.match(failed.getStack().at(-1)?.functionName ?? '', /fails/);
      assert.equal(failed.getStack({ limit: 1 }).length, 1);
      assert.match(
        print(failed),
        /^Traceback for <Task finished .*> \(most recent call last\):\n[^]*in fails\nRangeError: boom\n$/,
      );
      await waiting;
      assert.deepEqual(waiting.getStack(), []);
      assert.match(print(waiting), /^No stack for <Task finished .*>\n$/);
      assert.throws(() => failed.result());
    });
  });

  test('getCoro gives the coroutine, and iscoroutine knows what can be one', async () => {
    await runVirtually(async () => {
      const work = coroutine(async () => {});
      const coro = work();
      const task = createTask(coro);
      assert.equal(task.getCoro(), coro);
      function* steps(): Gen<void> {}
      const generator = steps();
      assert.ok(iscoroutine(coro) && iscoroutine(generator) && iscoroutine(sleep(0)));
      assert.ok(
        !iscoroutine(work) && !iscoroutine(Promise.resolve()) && !iscoroutine(task) && !iscoroutine(null),
      );
      assert.ok(
        iscoroutinefunction(work) && iscoroutinefunction(steps) && iscoroutinefunction(async () => {}),
      );
      assert.ok(
        !iscoroutinefunction(() => {}) && !iscoroutinefunction(coro) && !iscoroutinefunction(undefined),
      );
      await task;
    });
  });
});

describe('currentTask', () => {
  test('is the task whose code runs, in every position', async () => {
    await runVirtually(async () => {
      const main = currentTask();
      assert.notEqual(main, null);
      const checked: string[] = [];
      const check = (where: string, expected: unknown): void => {
        assert.equal(currentTask(), expected, where);
        checked.push(where);
      };
      const task: Task<void> = createTask(async () => {
        check('before the first await', task);
        await sleep(1);
        check('after an await of ours', task);
        await Promise.resolve();
        check('after an await of a promise', task);
        await new Promise((resolve) => setImmediate(resolve));
        check('after an await of the outside', task);
        await Promise.all([
          sleep(1).then(() => {}),
          (async () => {
            await sleep(1);
            check('in a strand', task);
          })(),
        ]);
        await (async () => check('in a helper', task))();
        getRunningLoop().callSoon(() => check('in a callback', null));
        await coroutine(async () => check('in a coroutine', task))();
        await coroutine(function* () {
          check('in a generator coroutine', task);
          yield* sleep(1);
          check('in a generator coroutine, later', task);
        })();
        await timeout(5).run(async () => {
          await sleep(1);
          check('in a timeout', task);
        });
        await waitFor(async () => check('in waitFor', task), 5);
        await new TaskGroup().run(async (tg) => {
          check('in a group', task);
          const child: Task<void> = tg.createTask(async () => {
            await sleep(1);
            check('in a child', child);
          });
        });
        try {
          await sleep(1);
        } finally {
          check('in finally', task);
        }
        for (const value of [1]) {
          await sleep(value);
          check('in a loop', task);
        }
      });
      await task;
      const generator: Task<void> = createTask(function* (): Gen<void> {
        check('in a generator', generator);
        yield* sleep(1);
        check('in a generator, later', generator);
        const inner: Task<void> = createTask(async () => {
          await sleep(1);
          check('in an async task of a generator', inner);
        });
        yield* inner;
        check('in a generator, after an async task', generator);
      });
      await generator;
      check('in main', main);
      const future = getRunningLoop().createFuture<void>();
      future.addDoneCallback(() => check('in a done callback', null));
      future.setResult();
      await sleep(1);
      assert.equal(checked.length, 22);
    });
  });

  test('of a task that settles what another awaits is not confused', async () => {
    await runVirtually(async () => {
      let open: () => void = () => {};
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      const a: Task<string> = createTask(async () => {
        await gate;
        assert.equal(currentTask(), a);
        await sleep(1);
        assert.equal(currentTask(), a);
        return 'a';
      });
      const b: Task<string> = createTask(async () => {
        await sleep(1);
        open();
        assert.equal(currentTask(), b);
        await sleep(5);
        return 'b';
      });
      assert.deepEqual(await gather(a, b), ['a', 'b']);
    });
  });

  test('wants a loop, or takes the given one', async () => {
    const loop = newEventLoop();
    assert.equal(currentTask(loop), null);
    assert.equal(allTasks(loop).size, 0);
    const task = loop.createTask(async () => 1);
    assert.deepEqual([...allTasks(loop)], [task]);
    await loop.runUntilComplete(task);
    loop.close();
  });
});

describe('task.signal', () => {
  test('is one signal, aborted by a request, with the CancelledError as reason', async () => {
    await runVirtually(async () => {
      const task = createTask(() => sleep(10));
      const { signal } = task;
      assert.equal(task.signal, signal);
      assert.equal(signal.aborted, false);
      await sleep(1);
      task.cancel('enough');
      assert.equal(signal.aborted, true);
      assert.equal(String(signal.reason), 'CancelledError: enough');
      await errorOf(async () => await task);
    });
  });

  test('asked for late, it is aborted already', async () => {
    await runVirtually(async () => {
      const task = createTask(() => sleep(10));
      task.cancel('enough');
      assert.equal(task.signal.aborted, true);
      assert.equal((task.signal.reason as Error).name, 'CancelledError');
      await errorOf(async () => await task);
    });
  });

  test('is a fresh one after uncancel reached 0', async () => {
    await runVirtually(async () => {
      const task: Task<void> = createTask(async () => {
        const first = task.signal;
        try {
          await sleep(10);
        } catch {
          assert.equal(first.aborted, true);
          assert.equal(task.uncancel(), 1);
          assert.equal(task.signal, first);
          assert.equal(task.uncancel(), 0);
          assert.notEqual(task.signal, first);
          assert.equal(task.signal.aborted, false);
        }
        await sleep(1);
      });
      await sleep(1);
      task.cancel();
      task.cancel();
      await task;
    });
  });

  test('is not aborted by a timeout or group inside', async () => {
    await runVirtually(async () => {
      for (const inner of [
        async () => await timeout(1).run(() => sleep(5)),
        async () =>
          await new TaskGroup().run(async (tg) => {
            tg.createTask(async () => {
              throw new Error('boom');
            });
            await sleep(5);
          }),
        function* () {
          return yield* timeout(1).run(function* () {
            yield* sleep(5);
          });
        },
      ]) {
        const task = createTask<unknown>(any(inner));
        const { signal } = task;
        await errorOf(async () => await task);
        assert.equal(signal.aborted, false);
      }
    });
  });
});

describe('the signal option', () => {
  test('cancels the task with the reason as message, and leaves no listener (P82)', async () => {
    await runVirtually(async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const finished = createTask(async () => 5, { signal });
      assert.equal(getEventListeners(signal, 'abort').length, 1);
      assert.equal(await finished, 5);
      await sleep(0);
      assert.equal(getEventListeners(signal, 'abort').length, 0);
      const task = createTask(() => sleep(10), { signal });
      await sleep(1);
      controller.abort('stop it');
      assert.equal(await textOf(async () => await task), 'CancelledError: stop it');
      await sleep(0);
      assert.equal(getEventListeners(signal, 'abort').length, 0);
    });
  });

  test('an error as reason is the cause', async () => {
    await runVirtually(async () => {
      const controller = new AbortController();
      const task = createTask(() => sleep(10), { signal: controller.signal });
      await sleep(1);
      controller.abort();
      const error = await errorOf(async () => await task);
      assert.equal(error.message, 'This operation was aborted');
      assert.equal((error.cause as Error).name, 'AbortError');
    });
  });

  test('aborted already: not a line runs, of createTask, run, submit and waitFor', async () => {
    const signal = AbortSignal.abort('too late');
    let ran = 0;
    const body = async (): Promise<void> => {
      ran++;
      await sleep(1);
    };
    await runVirtually(async () => {
      assert.equal(await textOf(async () => await createTask(body, { signal })), 'CancelledError: too late');
      assert.equal(
        await textOf(() =>
          new TaskGroup().run(async (tg) => {
            await tg.createTask(body, { signal });
          }),
        ),
        'CancelledError: too late',
      );
    });
    assert.equal(await textOf(() => run(body, { signal })), 'CancelledError: too late');
    await using runner = new Runner();
    assert.equal(await textOf(() => runner.run(body, { signal })), 'CancelledError: too late');
    assert.equal(await textOf(() => runner.submit(body, { signal })), 'CancelledError: too late');
    assert.equal(ran, 0);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  test('of run, submit and waitFor cancels, and leaves no listener', async () => {
    const signals: AbortSignal[] = [];
    const ending = (): AbortSignal => {
      const controller = new AbortController();
      setImmediate(() => controller.abort('enough'));
      signals.push(controller.signal);
      return controller.signal;
    };
    assert.equal(await textOf(() => run(() => sleep(9), { signal: ending() })), 'CancelledError: enough');
    await using runner = new Runner();
    assert.equal(
      await textOf(() => runner.submit(() => sleep(9), { signal: ending() })),
      'CancelledError: enough',
    );
    await runner.submit(async () => {
      for (const limit of [5, null]) {
        assert.equal(
          await textOf(() => waitFor(sleep(9), limit, { signal: ending() })),
          'CancelledError: enough',
        );
      }
      const { signal } = new AbortController();
      signals.push(signal);
      assert.equal(await waitFor(sleep(0, 5), 1, { signal }), 5);
      assert.equal(currentTask()?.cancelling(), 0);
    });
    for (const signal of signals) assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  test('that is no signal is refused with a clear text', async () => {
    await runVirtually(async () => {
      assert.match(
        await textOf(() => createTask(async () => {}, { signal: any(5) })),
        /^TypeError: .*AbortSignal.*5/,
      );
      assert.match(
        await textOf(() => createTask(async () => {}, { signal: any(new AbortController()) })),
        /^TypeError: .*AbortSignal/,
      );
      let ran = false;
      await textOf(() => createTask(async () => (ran = true), { signal: any(5) }));
      assert.equal(allTasks().size, 1, 'no task is left behind');
      await sleep(0);
      assert.equal(ran, false);
    });
  });
});

describe('a running task', () => {
  test('is held until it is done (P23, H65)', async () => {
    const { stdout } = await runProgram(
      `
      await asyncio.run(async () => {
        const ended = [];
        const start = () => {
          asyncio.createTask(async () => { await asyncio.sleep(0.02); ended.push('async'); });
          asyncio.createTask(function* () { yield* asyncio.sleep(0.02); ended.push('generator'); });
          asyncio.createTask(async () => { await asyncio.fromPromise(new Promise((r) => setTimeout(r, 20))); ended.push('promise'); });
        };
        start();
        for (let i = 0; i < 5; i++) { globalThis.gc(); await asyncio.sleep(0.001); globalThis.gc(); }
        while (ended.length < 3) await asyncio.sleep(0.005);
        console.log(ended.sort().join());
      });
    `,
      { flags: ['--expose-gc'] },
    );
    assert.equal(stdout, 'async,generator,promise\n');
  });

  test('is garbage once it is done', async () => {
    const { stdout } = await runProgram(
      `
      await asyncio.run(async () => {
        const refs = [];
        const start = async () => {
          for (let i = 0; i < 20; i++) {
            const task = asyncio.createTask(i % 2 ? async () => { await asyncio.sleep(0.001); } : function* () { yield* asyncio.sleep(0.001); });
            refs.push(new WeakRef(task));
            await task;
          }
        };
        await asyncio.createTask(start);
        for (let i = 0; i < 20; i++) { await asyncio.sleep(0.002); globalThis.gc(); }
        // The last ones may still be in registers or in the inner machinery of promises.
        console.log(refs.filter((ref) => ref.deref() !== undefined).length <= 2);
      });
    `,
      { flags: ['--expose-gc'] },
    );
    assert.equal(stdout, 'true\n');
  });
});

describe('AsyncLocalStorage of the caller (P33)', () => {
  const storage = new AsyncLocalStorage<string>();

  test('reaches async tasks and what they start, and does not leak', async () => {
    await storage.run('outside', () =>
      run(async () => {
        assert.equal(storage.getStore(), 'outside');
        const seen: unknown[] = [];
        const body = (name: string) => async () => {
          seen.push([name, storage.getStore()]);
          await sleep(0.001);
          seen.push([name, storage.getStore()]);
          await storage.run(`${name} inner`, async () => {
            await sleep(0.001);
            seen.push([name, storage.getStore()]);
          });
          seen.push([name, storage.getStore()]);
        };
        const tasks = ['a', 'b'].map((name) => storage.run(name, () => createTask(body(name))));
        for (const task of tasks) await task;
        assert.equal(storage.getStore(), 'outside');
        for (const name of ['a', 'b']) {
          assert.deepEqual(
            seen.filter((entry) => (entry as string[])[0] === name),
            [
              [name, name],
              [name, name],
              [name, `${name} inner`],
              [name, name],
            ],
          );
        }
      }),
    );
    assert.equal(storage.getStore(), undefined);
  });

  test('reaches generator tasks with asyncContext: true, and none leaks into another', async () => {
    const seen: unknown[] = [];
    await storage.run('outside', () =>
      run(
        async () => {
          function* body(name: string): Gen<void> {
            for (let i = 0; i < 3; i++) {
              seen.push([name, storage.getStore()]);
              yield* sleep(0);
            }
          }
          const tasks = ['a', 'b'].map((name) => storage.run(name, () => createTask(body(name))));
          const none = storage.exit(() => createTask(body('none')));
          await gather(...tasks, none);
        },
        { asyncContext: true },
      ),
    );
    assert.equal(seen.length, 9);
    for (const [name, store] of seen as string[][]) assert.equal(store, name === 'none' ? undefined : name);
  });

  test('of one async task is not seen by a generator task or callback', async () => {
    await storage.run('outside', () =>
      run(async () => {
        const seen: unknown[] = [];
        await storage.run('mine', async () => {
          getRunningLoop().callSoon(() => seen.push(storage.getStore()));
          await sleep(0);
          await createTask(function* (): Gen<void> {
            seen.push(storage.getStore());
            yield* sleep(0);
            seen.push(storage.getStore());
          });
        });
        assert.ok(!seen.includes('mine'), String(seen));
      }),
    );
  });

  test('a run in main does not stay after it', async () => {
    await storage.run('outer', async () => {
      await run(async () => {
        storage.enterWith('entered in main');
        await sleep(0);
        assert.equal(storage.getStore(), 'entered in main');
      });
      assert.equal(storage.getStore(), 'outer');
    });
  });
});

test('ensureFuture gives a future as it is, and a task for the rest', async () => {
  await runVirtually(async () => {
    const future = getRunningLoop().createFuture<number>();
    assert.equal(ensureFuture(future), future);
    future.setResult(1);
    const task = ensureFuture(async () => 2);
    assert.ok(task instanceof Task);
    assert.equal(await task, 2);
    assert.equal(await ensureFuture(Promise.resolve(3)), 3);
  });
});
