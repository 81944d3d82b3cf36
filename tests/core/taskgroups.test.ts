import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  allTasks,
  createTask,
  currentTask,
  eagerTaskFactory,
  ExceptionGroup,
  type Gen,
  getRunningLoop,
  sleep,
  SystemExit,
  type Task,
  TaskGroup,
  timeout,
  TimeoutError,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf, runVirtually, textOf } from '../support/programs.ts';

const any = (value: unknown): any => value;
const now = (): number => getRunningLoop().time();

/** A group with the given body in one of both styles. */
type Style = 'async' | 'generator';
const styles: Style[] = ['async', 'generator'];

/** `tg.run` of a body that waits `seconds` after `act`; gives the value of the run. */
function group(
  style: Style,
  tg: TaskGroup,
  act: (tg: TaskGroup) => void,
  seconds: number,
): PromiseLike<unknown> {
  if (style === 'async') {
    return tg.run(async () => {
      act(tg);
      await sleep(seconds);
      return 'value';
    });
  }
  return createTask(function* () {
    return yield* tg.run(function* () {
      act(tg);
      yield* sleep(seconds);
      return 'value';
    });
  });
}

describe('TaskGroup.cancel, of CPython 3.15', () => {
  for (const style of styles) {
    test(`from a child ends the body and the siblings without an error (${style})`, async () => {
      await runVirtually(async () => {
        const ended: string[] = [];
        const child = (name: string) => async (): Promise<void> => {
          try {
            await sleep(10);
          } catch (error) {
            ended.push(`${name} ${String(error)}`);
            throw error;
          }
        };
        const result = await group(
          style,
          new TaskGroup(),
          (tg) => {
            tg.createTask(child('a'));
            tg.createTask(child('b'));
            tg.createTask(async () => {
              await sleep(1);
              tg.cancel();
            });
          },
          20,
        );
        assert.equal(result, undefined);
        assert.equal(now(), 1);
        assert.deepEqual(ended, ['a CancelledError', 'b CancelledError']);
        assert.equal(currentTask()?.cancelling(), 0);
        await sleep(1);
      });
    });

    test(`before the entry takes effect at the first wait (${style})`, async () => {
      await runVirtually(async () => {
        const tg = new TaskGroup();
        tg.cancel();
        let begun = false;
        const result = await group(
          style,
          tg,
          () => {
            begun = true;
          },
          5,
        );
        assert.equal(result, undefined);
        assert.equal(begun, true);
        assert.equal(now(), 0);
        assert.match(await textOf(() => tg.createTask(async () => {})), /is finished$/);
      });
    });

    test(`in the body strikes at its next wait; a body that does not wait gives its value (${style})`, async () => {
      await runVirtually(async () => {
        assert.equal(await group(style, new TaskGroup(), (tg) => tg.cancel(), 5), undefined);
        assert.equal(now(), 0);
      });
    });

    test(`with a cancellation from outside: that one comes through, with its message (${style}, gh-155433)`, async () => {
      await runVirtually(async () => {
        for (const order of ['group first', 'outside first']) {
          const tg = new TaskGroup();
          const outer: Task<unknown> = createTask(async () => {
            await group(style, tg, () => {}, 20);
          });
          await sleep(1);
          if (order === 'group first') tg.cancel();
          outer.cancel('from outside');
          if (order === 'outside first') tg.cancel();
          assert.match(await textOf(async () => await outer), /^CancelledError: /, order);
          assert.equal(outer.cancelled(), true);
        }
      });
    });

    test(`errors of a child or of the body come through (${style})`, async () => {
      await runVirtually(async () => {
        const error = (await errorOf(() =>
          group(
            style,
            new TaskGroup(),
            (tg) => {
              tg.createTask(async () => {
                try {
                  await sleep(9);
                } finally {
                  throw new RangeError('in the clean-up'); // oxlint-disable-line no-unsafe-finally
                }
              });
              tg.createTask(async () => {
                await sleep(1);
                tg.cancel();
              });
            },
            20,
          ),
        )) as ExceptionGroup;
        assert.deepEqual(error.errors.map(String), ['RangeError: in the clean-up']);
      });
    });

    test(`again, or when the group is over, does nothing (${style})`, async () => {
      await runVirtually(async () => {
        const tg = new TaskGroup();
        await group(
          style,
          tg,
          () => {
            tg.cancel();
            tg.cancel();
          },
          5,
        );
        tg.cancel();
        assert.equal(String(tg), '<TaskGroup cancelling>');
        assert.equal(currentTask()?.cancelling(), 0);
        await sleep(1);
      });
    });
  }

  test('a child that starts eagerly and cancels the group is cancelled itself (gh-155418)', async () => {
    await runVirtually(async () => {
      for (const body of [
        (tg: TaskGroup) => async () => {
          tg.cancel();
          await sleep(9);
        },
        (tg: TaskGroup) =>
          function* () {
            tg.cancel();
            yield* sleep(9);
          },
      ]) {
        let child: Task<unknown> | undefined;
        const before = now();
        await new TaskGroup().run(async (tg) => {
          child = tg.createTask<unknown>(any(body(tg)), { eagerStart: true });
          await sleep(5);
        });
        assert.equal(child?.cancelled(), true);
        assert.equal(now(), before);
      }
    });
  });

  test('while the exit waits ends the children', async () => {
    await runVirtually(async () => {
      const tg = new TaskGroup();
      getRunningLoop().callLater(1, () => tg.cancel());
      const value = await tg.run(async () => {
        tg.createTask(() => sleep(9));
        return 'value';
      });
      assert.equal(value, 'value');
      assert.equal(now(), 1);
    });
  });
});

describe('a limit', () => {
  test('starts the children in order, never more than that many at once', async () => {
    await runVirtually(async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 5 }),
          fc.array(fc.record({ delay: fc.integer({ min: 0, max: 5 }), generator: fc.boolean() }), {
            maxLength: 25,
          }),
          fc.boolean(),
          async (limit, children, eager) => {
            let running = 0;
            let most = 0;
            const started: number[] = [];
            if (eager) getRunningLoop().setTaskFactory(eagerTaskFactory);
            await new TaskGroup({ limit }).run(async (tg) => {
              children.forEach(({ delay, generator }, i) => {
                const begin = (): void => {
                  started.push(i);
                  most = Math.max(most, ++running);
                };
                if (generator) {
                  tg.createTask(function* (): Gen<void> {
                    begin();
                    yield* sleep(delay);
                    running--;
                  });
                } else {
                  tg.createTask(async () => {
                    begin();
                    await sleep(delay);
                    running--;
                  });
                }
              });
            });
            getRunningLoop().setTaskFactory(null);
            assert.deepEqual(
              started,
              children.map((_, i) => i),
            );
            assert.ok(most <= limit);
            assert.equal(most, Math.min(limit, children.length));
            assert.equal(running, 0);
          },
        ),
        { numRuns: 40 },
      );
    });
  });

  test('one that is cancelled in line never runs a line, and gives its turn to the next', async () => {
    await runVirtually(async () => {
      const started: string[] = [];
      await new TaskGroup({ limit: 1 }).run(async (tg) => {
        const child = (name: string): Task<void> =>
          tg.createTask(async () => {
            started.push(name);
            await sleep(1);
          });
        child('a');
        const b = child('b');
        const c = child('c');
        child('d');
        await sleep(0.5);
        b.cancel('no');
        assert.equal(await textOf(async () => await b), 'CancelledError: no');
        c.cancel();
      });
      assert.deepEqual(started, ['a', 'd']);
      assert.equal(now(), 2);
    });
  });

  test('one that is cancelled in the turn in which its place comes, never runs either', async () => {
    await runVirtually(async () => {
      const started: string[] = [];
      await new TaskGroup({ limit: 1 }).run(async (tg) => {
        const a = tg.createTask(() => sleep(1));
        const b = tg.createTask(async () => {
          started.push('b');
        });
        tg.createTask(async () => {
          started.push('c');
        });
        a.addDoneCallback(() => {
          getRunningLoop().callSoon(() => b.cancel());
        });
      });
      assert.ok(started.includes('c'));
    });
  });

  test('those in line do not start when the group fails, and the group ends', async () => {
    await runVirtually(async () => {
      const started: string[] = [];
      const error = (await errorOf(() =>
        new TaskGroup({ limit: 2 }).run(async (tg) => {
          for (const name of ['a', 'b', 'c', 'd']) {
            tg.createTask(async () => {
              started.push(name);
              await sleep(1);
              throw new RangeError(name);
            });
          }
        }),
      )) as ExceptionGroup;
      assert.deepEqual(started, ['a', 'b']);
      assert.deepEqual(error.errors.map(String), ['RangeError: a', 'RangeError: b']);
      assert.equal(allTasks().size, 1);
    });
  });

  test('cancels those in line with the group', async () => {
    await runVirtually(async () => {
      const started: number[] = [];
      await new TaskGroup({ limit: 1 }).run(async (tg) => {
        for (let i = 0; i < 5; i++) {
          tg.createTask(async () => {
            started.push(i);
            await sleep(1);
          });
        }
        await sleep(1.5);
        tg.cancel();
      });
      assert.deepEqual(started, [0, 1]);
    });
  });
});

describe('errors of a group', () => {
  test('come as an ExceptionGroup of the errors in order of failure, the own one of the body last', async () => {
    await runVirtually(async () => {
      const error = (await errorOf(() =>
        new TaskGroup().run(async (tg) => {
          for (const delay of [2, 1, 1]) {
            tg.createTask(async () => {
              try {
                await sleep(delay);
              } finally {
                throw new RangeError(String(delay)); // oxlint-disable-line no-unsafe-finally
              }
            });
          }
          try {
            await sleep(9);
          } catch {
            throw new TypeError('body');
          }
        }),
      )) as ExceptionGroup;
      assert.ok(error instanceof ExceptionGroup && error instanceof AggregateError);
      assert.equal(error.message, 'unhandled errors in a TaskGroup');
      assert.deepEqual(error.errors.map(String), [
        'RangeError: 1',
        'RangeError: 1',
        'RangeError: 2',
        'TypeError: body',
      ]);
      assert.equal(error.cause, undefined);
    });
  });

  test('SystemExit of a child is thrown bare', async () => {
    await assert.rejects(
      runVirtually(async () => {
        await new TaskGroup().run(async (tg) => {
          tg.createTask(async () => {
            throw new SystemExit(3);
          });
          await sleep(9);
        });
      }),
      { name: 'SystemExit' },
    );
  });

  test('of a child that fails after the end of its parent task are reported', async () => {
    const contexts: any[] = [];
    await runVirtually(async () => {
      getRunningLoop().setExceptionHandler((_loop, context) => contexts.push(context));
      let leaked: TaskGroup | undefined;
      const gate = getRunningLoop().createFuture<void>();
      const parent = createTask(function* (): Gen<void> {
        const coro = any(
          new TaskGroup().run(function* (tg): Gen<void> {
            leaked = tg;
            tg.createTask(async () => {
              await gate;
              throw new RangeError('late');
            });
            yield* sleep(0);
          }),
        );
        // Started, but never finished: what nobody should do.
        coro[Symbol.iterator]().next();
        yield* sleep(1);
      });
      await parent;
      gate.setResult();
      await sleep(1);
      assert.notEqual(leaked, undefined);
    });
    assert.equal(contexts.length, 1);
    assert.match(
      contexts[0].message,
      /^Task <Task finished .*> has errored out but its parent task <Task finished .*> is already completed$/,
    );
    assert.deepEqual(Object.keys(contexts[0]).sort(), ['exception', 'message', 'task']);
  });

  test('the value of the body is the value of the run', async () => {
    await runVirtually(async () => {
      assert.equal(await new TaskGroup().run(async () => 5), 5);
      assert.equal(await new TaskGroup().run(() => 6), 6);
      assert.equal(
        await createTask(function* () {
          return yield* new TaskGroup().run(function* () {
            return 7;
          });
        }),
        7,
      );
    });
  });
});

describe('tg.signal and cm.signal', () => {
  /** Work as `fetch` does it: ends by its signal only. */
  function request(signal: AbortSignal): Promise<string> {
    return new Promise((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  test('of a group stop the work of its body when a child fails', async () => {
    await runVirtually(async () => {
      let seen: AbortSignal | undefined;
      const error = (await errorOf(() =>
        new TaskGroup().run(async (tg) => {
          seen = tg.signal;
          assert.equal(tg.signal, seen);
          tg.createTask(async () => {
            await sleep(0);
            throw new RangeError('boom');
          });
          await request(tg.signal);
        }),
      )) as ExceptionGroup;
      assert.deepEqual(error.errors.map(String), ['RangeError: boom']);
      assert.equal(seen?.aborted, true);
      assert.equal((seen?.reason as Error | undefined)?.name, 'CancelledError');
    });
  });

  test('of a timeout turn the work of its body into a TimeoutError', async () => {
    await runVirtually(async () => {
      const watchdog = createTask(() => sleep(5));
      const error = await errorOf(() => timeout(0).run(async (cm) => await request(cm.signal)));
      assert.ok(error instanceof TimeoutError);
      assert.equal((error.cause as Error).name, 'CancelledError');
      watchdog.cancel();
    });
  });

  test('are aborted by a cancellation from outside, and not by a scope inside', async () => {
    await runVirtually(async () => {
      const signals: AbortSignal[] = [];
      const task = createTask(async () => {
        await timeout(20).run(async (outer) => {
          signals.push(outer.signal);
          await timeout(1)
            .run(async (inner) => {
              signals.push(inner.signal);
              await sleep(5);
            })
            .catch(() => {});
          await sleep(10);
        });
      });
      await sleep(2);
      assert.deepEqual(
        signals.map((signal) => signal.aborted),
        [false, true],
      );
      task.cancel('enough');
      assert.equal(signals[0]?.aborted, true);
      assert.equal(String(signals[0]?.reason), 'CancelledError: enough');
      assert.equal(await textOf(async () => await task), 'CancelledError: enough');
    });
  });

  test('the same in generators', async () => {
    await runVirtually(async () => {
      const signals: AbortSignal[] = [];
      const task = createTask(function* (): Gen<void> {
        yield* timeout(20).run(function* (outer): Gen<void> {
          signals.push(outer.signal);
          try {
            yield* timeout(1).run(function* (inner): Gen<void> {
              signals.push(inner.signal);
              yield* sleep(5);
            });
          } catch {}
          yield* sleep(10);
        });
      });
      await sleep(2);
      assert.deepEqual(
        signals.map((signal) => signal.aborted),
        [false, true],
      );
      task.cancel('enough');
      assert.equal(String(signals[0]?.reason), 'CancelledError: enough');
      await errorOf(async () => await task);
    });
  });
});
