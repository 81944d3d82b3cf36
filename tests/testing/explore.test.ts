import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as asyncio from 'asyncio-ts';
import { Event, ExceptionGroup, Lock, Queue, Semaphore, sleep, TaskGroup } from 'asyncio-ts';
import {
  ExplorationError,
  type ExploreOptions,
  explore,
  replay,
  type Scenario,
  testAsync,
} from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { toScenario } from './explorations/run.ts';
import { scenarios } from './explorations/scenarios.ts';
import { STYLES } from './explorations/styles.ts';

/** The failure that `explore` finds. */
async function failureOf(scenario: Scenario, options?: ExploreOptions): Promise<ExplorationError> {
  try {
    await explore(scenario, options);
  } catch (error) {
    assert.ok(error instanceof ExplorationError, String(error));
    return error;
  }
  assert.fail('no schedule fails');
}

/** Two tasks that wait for a semaphore of one permit, which a broken program loses when one of them is cancelled. */
function losesPermit(sim: Parameters<Scenario>[0]): void {
  const semaphore = new Semaphore(1);
  sim.spawnAll(3, () => async () => {
    await semaphore.acquire();
    // The mistake: nothing gives the permit back if this is cancelled.
    await sim.step('work');
    semaphore.release();
  });
}

describe('the explorer on the primitives', () => {
  for (const scenario of scenarios) {
    for (const style of STYLES) {
      test(`${scenario.primitive}: ${scenario.name} (${style})`, async () => {
        const done = await explore(toScenario(scenario, asyncio, style), { schedules: 400, random: 100 });
        assert.ok(done.schedules > 20, String(done.schedules));
      });
    }
  }

  test('every part of a small program is tried, in robust mode as well', async () => {
    for (const scenario of scenarios.filter(({ primitive }) => primitive === 'Lock')) {
      const done = await explore(toScenario(scenario, asyncio, 'generators'), {
        mode: 'robust',
        cancels: 1,
        deviations: 1,
        random: 50,
      });
      assert.deepEqual(
        done.levels.map(({ name, isComplete }) => [name, isComplete]),
        [
          ['usual order', true],
          ['1 cancel', true],
          ['1 deviation', true],
          ['1 cancel, 1 deviation', true],
          ['random', false],
        ],
      );
    }
  });
});

describe('explore', () => {
  test('tells what it has tried', async () => {
    const progress: number[] = [];
    const done = await explore(
      (sim) => {
        sim.spawn(() => sim.step('a').toPromise());
        sim.spawn(function* b() {
          yield* sim.step('b');
        });
      },
      { random: 10, onProgress: ({ schedules }) => progress.push(schedules) },
    );
    assert.equal(
      done.schedules,
      done.levels.reduce((sum, level) => sum + level.schedules, 0),
    );
    assert.deepEqual(done.levels[0], { name: 'usual order', schedules: 1, isComplete: true });
    assert.deepEqual(
      done.levels.map(({ name }) => name),
      [
        'usual order',
        '1 cancel',
        '1 deviation',
        '2 cancels',
        '1 cancel, 1 deviation',
        '2 deviations',
        'random',
      ],
    );
    assert.ok(done.points > 0 && done.steps > done.schedules && done.seconds > 0);
    assert.deepEqual(progress[0], 0);
  });

  test('finds a cancellation that loses a permit, and says how in few words', async () => {
    const error = await failureOf(losesPermit);
    assert.match(error.message, /^deadlock: 2 tasks wait/);
    assert.match(error.message, /waits for <Semaphore \[locked, waiters:2\]>/);
    assert.deepEqual(error.deviations, ['before step 3: cancel task 1']);
    assert.equal(error.name, 'ExplorationError');
    assert.equal((error.cause as Error).name, 'DeadlockError');
    assert.ok(error.schedules < 10);
  });

  test('the failure has a timeline of the schedule', async () => {
    const { timeline, message } = await failureOf(losesPermit);
    const lines = timeline.split('\n').map((line) => line.replace(/ at \S+:\d+/, ' at FILE'));
    assert.deepEqual(lines, [
      'time 0',
      '    1  scenario           ends',
      "    2  task 1             waits for 'work' at FILE",
      '    *  cancel task 1',
      '    3  task 2             waits for <Semaphore [locked, waiters:1]> at FILE',
      '    4  task 3             waits for <Semaphore [locked, waiters:2]> at FILE',
      '    5  task 1             is cancelled',
      '    !  task 2 waits for <Semaphore [locked, waiters:2]> at FILE, for ever',
      '    !  task 3 waits for <Semaphore [locked, waiters:2]> at FILE, for ever',
    ]);
    assert.ok(message.includes(timeline));
  });

  test('answers from outside come in every order', async () => {
    const orders = new Set<string>();
    await explore((sim) => {
      const seen: string[] = [];
      for (const name of ['a', 'b', 'c']) {
        sim.spawn(
          async () => {
            seen.push(await sim.step(name, name));
          },
          { name, cancellable: false },
        );
      }
      sim.atQuiescence(() => {
        orders.add(seen.join(''));
      });
    });
    assert.deepEqual([...orders].toSorted(), ['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
  });

  test('time may pass while work is ready', async () => {
    const outcomes = new Set<string>();
    await explore((sim) => {
      sim.spawn(
        async function limited() {
          try {
            await asyncio.waitFor(sim.step('answer'), 1);
            outcomes.add('answer');
          } catch (error) {
            assert.ok(error instanceof asyncio.TimeoutError);
            outcomes.add('timeout');
          }
        },
        { cancellable: false },
      );
    });
    assert.deepEqual([...outcomes].toSorted(), ['answer', 'timeout']);
  });

  test('events from outside come at any time', async () => {
    const seen = new Set<number>();
    await explore((sim) => {
      let steps = 0;
      sim.outside('signal', () => seen.add(steps));
      sim.spawn(
        function* counter() {
          for (; steps < 3; steps++) yield* sleep(0);
        },
        { cancellable: false },
      );
    });
    assert.deepEqual(
      [...seen].toSorted((a, b) => a - b),
      [0, 1, 2, 3],
    );
  });

  test('children of a group can be cancelled, if all tasks can', async () => {
    const scenario =
      (isAll: boolean): Scenario =>
      (sim) => {
        if (isAll) sim.cancellable('all');
        const lock = new Lock();
        sim.watch(lock);
        sim.spawn(
          async function parent() {
            await new TaskGroup().run((tg) => {
              for (const name of ['a', 'b']) {
                tg.createTask(
                  async () => {
                    await lock.acquire();
                    await sim.step('work');
                    lock.release();
                  },
                  { name },
                );
              }
            });
          },
          { cancellable: false },
        );
      };
    const error = await failureOf(scenario(true));
    assert.deepEqual(error.deviations, ['before step 4: cancel a']);
    assert.equal((await explore(scenario(false))).points, 0);
  });

  test('a fault happens in some schedules, and not in the usual one', async () => {
    const seen: boolean[] = [];
    await explore(
      (sim) => {
        sim.spawn(function* () {
          yield* sleep(0);
          const fails = sim.fault('the disk is full');
          if (!fails || !seen.includes(fails)) seen.push(fails);
        });
      },
      { random: 0 },
    );
    assert.equal(seen[0], false);
    assert.ok(seen.includes(true));
  });

  test('faithful mode keeps the order of what is ready, robust mode does not', async () => {
    const orders = async (mode: 'faithful' | 'robust'): Promise<string[]> => {
      const seen = new Set<string>();
      await explore(
        (sim) => {
          let order = '';
          for (const name of ['a', 'b']) {
            const add = function* () {
              order += name;
            };
            sim.spawn(add, { name, cancellable: false });
          }
          sim.atQuiescence(() => {
            seen.add(order);
          });
        },
        { mode },
      );
      return [...seen].toSorted();
    };
    assert.deepEqual(await orders('faithful'), ['ab']);
    assert.deepEqual(await orders('robust'), ['ab', 'ba']);
  });

  test('eager tasks begin inside of their creation', async () => {
    const first = async (eager: boolean): Promise<string> => {
      let order = '';
      await explore(
        (sim) => {
          order = '';
          sim.spawn(function* () {
            order += 'task ';
          });
          order += 'scenario ';
        },
        { eager, random: 0, cancels: 0 },
      );
      return order;
    };
    assert.equal(await first(false), 'scenario task ');
    assert.equal(await first(true), 'task scenario ');
  });

  test('a scenario may be async, a generator or plain, and its own error fails it', async () => {
    const fail = (): never => {
      throw new RangeError('wrong');
    };
    for (const scenario of [
      async () => fail(),
      function* () {
        fail();
      },
      () => fail(),
    ] as Scenario[]) {
      const error = await failureOf(scenario);
      assert.match(error.message, /^wrong\n/);
      assert.ok(error.cause instanceof RangeError);
      assert.deepEqual(error.deviations, []);
      assert.match(error.message, /none: it fails in the usual order/);
    }
  });

  test('an invariant is looked at after every step', async () => {
    const error = await failureOf((sim) => {
      let n = 0;
      sim.invariant('n stays small', () => n < 2);
      sim.spawn(async () => {
        for (; n < 5; n++) await sleep(0);
      });
    });
    assert.match(error.message, /^the invariant does not hold: n stays small\n/);
  });

  test('a check that gives a promise is refused', async () => {
    const error = await failureOf((sim) => sim.atQuiescence(async () => true));
    assert.match(error.message, /a check must be a plain function/);
  });

  test('a check at the end that fails is shown', async () => {
    const loads = 3;
    const error = await failureOf((sim) => sim.atQuiescence(() => loads < 2));
    assert.match(error.message, /^does not hold at the end: \(\) => loads < 2\n/);
  });

  test('watched primitives must be as they were', async () => {
    const held = await failureOf((sim) => {
      const lock = new Lock();
      sim.watch(lock);
      sim.spawn(function* () {
        yield* lock.acquire();
      });
    });
    assert.match(held.message, /^<Lock \[locked\]> is still held/);
    const lost = await failureOf((sim) => {
      const semaphore = new Semaphore(2);
      sim.watch(semaphore);
      sim.spawn(function* () {
        yield* semaphore.acquire();
      });
    });
    assert.match(lost.message, /^<Semaphore \[unlocked, value:1\]> has lost a permit/);
    const many = await failureOf((sim) => {
      const semaphore = new Semaphore(0);
      sim.watch(semaphore);
      sim.spawn(function* () {
        semaphore.release();
      });
    });
    assert.match(many.message, /^the invariant does not hold: <Semaphore \[locked\]> has no permit too many/);
    class Sleepy extends Queue<number> {
      // The mistake: an item that nobody is woken for.
      smuggle(item: number): void {
        this._put(item);
      }
    }
    const stuck = await failureOf((sim) => {
      const queue = new Sleepy();
      sim.watch(queue);
      sim.spawn(() => queue.get().toPromise(), { daemon: true });
      sim.spawn(function* () {
        yield* sleep(1);
        queue.smuggle(1);
      });
    });
    assert.match(stuck.message, /^<Sleepy .*> lets somebody wait for what is there/);
    const wrong = await failureOf((sim) => sim.watch(new Event() as never));
    assert.match(wrong.message, /^watch\(\) knows locks, semaphores and queues, got <Event \[unset\]>/);
  });

  test('a ledger tells of items that are lost, and of those that are there twice', async () => {
    const lost = await failureOf((sim) => {
      sim.ledger<string>('letters').made('x');
    });
    assert.match(lost.message, /^letters: 'x' is lost/);
    const twice = await failureOf((sim) => {
      const ledger = sim.ledger<number>('numbers', () => [1, 2]);
      for (const item of [1, 2]) ledger.made(item);
      ledger.taken(2);
    });
    assert.match(twice.message, /^numbers: 2 is there twice/);
  });

  test('an error that nobody takes fails the schedule', async () => {
    const error = await failureOf((sim) => {
      sim.spawn(async () => {
        await sleep(1);
        throw new RangeError('lost');
      });
    });
    assert.match(error.message, /^Task exception was never retrieved: RangeError: lost/);
    assert.ok((error.cause as Error).cause instanceof RangeError);
  });

  test('a raised error is to be seen once, be it in a group or by the loop', async () => {
    const group = (handle: (sim: Parameters<Scenario>[0], error: unknown) => void): Scenario => {
      return (sim) => {
        sim.spawn(
          async () => {
            try {
              await new TaskGroup().run((tg) => {
                tg.createTask(async () => sim.raise('child'));
              });
            } catch (error) {
              assert.ok(error instanceof ExceptionGroup);
              handle(sim, error);
            }
          },
          { cancellable: false },
        );
      };
    };
    await explore(group((sim, error) => sim.handled(error)));
    const never = await failureOf(group(() => {}));
    assert.match(never.message, /^the error 'child' was seen by nobody/);
    const twice = await failureOf(
      group((sim, error) => {
        sim.handled(error);
        sim.handled(error);
      }),
    );
    assert.match(twice.message, /^the error 'child' was seen 2 times/);
    // The loop's report counts.
    await explore((sim) => {
      sim.spawn(async () => sim.raise('reported'));
    });
  });

  test('what is not raised by the simulation is thrown on by handled()', async () => {
    const error = await failureOf((sim) => sim.handled(new RangeError('other')));
    assert.ok(error.cause instanceof RangeError);
  });

  test('a coroutine that nobody awaits fails the schedule', async () => {
    const error = await failureOf((sim) => {
      const queue = new Queue<number>();
      sim.spawn(async function forgetful() {
        void queue.put(1);
        await sleep(0);
      });
    });
    assert.match(error.message, /^RuntimeWarning: coroutine '\S*put' was never awaited/);
  });

  test('a rejection that nobody handles fails the schedule', async () => {
    const error = await failureOf((sim) => {
      sim.spawn(async () => {
        void Promise.reject(new RangeError('dropped'));
        await sleep(0);
      });
    });
    assert.match(error.message, /^an unhandled rejection: RangeError: dropped/);
  });

  test('a run without end fails', async () => {
    const error = await failureOf(
      (sim) => {
        sim.spawn(async () => {
          for (;;) await sleep(0);
        });
      },
      { steps: 100 },
    );
    assert.match(error.message, /^it does not end: 100 steps/);
  });

  test('a long timeline is shown by its two ends', async () => {
    const error = await failureOf((sim) => {
      sim.spawn(async function spin() {
        for (;;) await sleep(0);
      });
    });
    assert.match(error.message, /\n {3}59 {2}.*\n {4}… {2}\d+ lines more in error\.timeline\n/);
    assert.ok(error.message.split('\n').length < 120);
    assert.ok(error.timeline.split('\n').length > 1000);
  });

  test('tasks without a name are called the same in every run, and wherever they are named', async () => {
    const error = await failureOf((sim) => {
      sim.spawn(function* parent() {
        yield* asyncio.createTask(function* () {
          yield* sim.step('answer');
          throw new Error('lost');
        });
      });
    });
    assert.match(error.timeline, /parent +waits for <Task pending name='Task-1' /);
    assert.match(error.timeline, /\d {2}Task-1 /);
  });

  test('a daemon may wait for ever, and cleans up at the end', async () => {
    let cleaned = 0;
    let runs = 0;
    await explore(
      (sim) => {
        runs++;
        const event = new Event();
        sim.spawn(
          async function server() {
            try {
              await event.wait();
            } finally {
              cleaned++;
            }
          },
          { daemon: true, cancellable: false },
        );
      },
      { random: 3 },
    );
    assert.equal(cleaned, runs);
    assert.ok(runs > 0);
  });

  test('a promise that no one settles is a deadlock, too', async () => {
    const error = await failureOf((sim) => {
      sim.spawn(async () => {
        await new Promise(() => {});
      });
    });
    assert.match(error.message, /^deadlock: 1 task waits/);
    assert.match(error.message, /waits for a promise that is not the library's/);
    assert.match(
      error.message,
      /an exploration does not wait for real timers or I\/O: sim\.step\(\) stands for them/,
    );
  });

  test('some turns of the real loop are waited for', async () => {
    await explore(
      (sim) => {
        sim.spawn(async () => {
          for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
        });
      },
      { random: 2 },
    );
  });

  test('promises of others between tasks are no obstacle', async () => {
    await explore((sim) => {
      let resolve = (): void => {};
      const promise = new Promise<void>((r) => {
        resolve = r;
      });
      sim.spawn(async () => await promise, { cancellable: false });
      sim.spawn(
        async () => {
          await sim.step();
          resolve();
        },
        { cancellable: false },
      );
    });
  });

  test('what differs from run to run is found by running twice', async () => {
    let runs = 0;
    const scenario: Scenario = (sim) => {
      const turns = runs++ % 2;
      sim.spawn(function* () {
        for (let i = 0; i <= turns; i++) yield* sleep(0);
      });
    };
    const error = await failureOf(scenario, { twice: true });
    assert.match(error.message, /^the scenario is not the same in every run/);
    const later = await failureOf(scenario, { twice: true, cancels: 0, deviations: 0, random: 5 });
    assert.match(later.message, /^the scenario is not the same in every run/);
  });

  test('a failure that does not come again is told all the same', async () => {
    let runs = 0;
    const error = await failureOf((sim) => {
      const isWrong = ++runs === 2;
      sim.spawn(async () => {
        await sim.step();
        if (isWrong) throw new Error('once in a while');
      });
    });
    assert.match(error.message, /^the scenario is not the same .*\. Once it failed: .*once in a while/);
    assert.match(String((error.cause as Error).cause), /once in a while/);
  });

  test('a rejection of other code is not laid to the next exploration', async () => {
    const seen: unknown[] = [];
    const listeners = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', (error) => seen.push(error));
    try {
      const generators: Scenario = (sim) => {
        sim.spawn(function* () {
          yield* sim.step();
        });
      };
      const lost = new Error('of other code');
      await explore(generators, { onProgress: () => void Promise.reject(lost), random: 10 });
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(seen.length > 0 && seen.every((error) => error === lost));
      await explore((sim) => {
        sim.spawn(async () => {
          await sim.step();
        });
      });
    } finally {
      process.removeAllListeners('unhandledRejection');
      for (const listener of listeners) process.on('unhandledRejection', listener);
    }
  });

  test('limits of schedules and time are kept', async () => {
    const scenario: Scenario = (sim) => {
      sim.spawnAll(
        4,
        () =>
          function* () {
            yield* sim.step();
          },
      );
    };
    assert.equal((await explore(scenario, { schedules: 50 })).schedules, 50);
    const timed = await explore(scenario, { seconds: 0, random: 1_000_000 });
    assert.ok(timed.schedules < 1_000_000);
    assert.equal(timed.levels.at(-1)?.isComplete, false);
  });

  test('random schedules are those of their seed, and are made small when they fail', async () => {
    const scenario: Scenario = (sim) => {
      const seen: string[] = [];
      for (const name of ['a', 'b', 'c', 'd']) {
        sim.spawn(
          async () => {
            await sim.step(name);
            seen.push(name);
          },
          { name, cancellable: false },
        );
      }
      sim.atQuiescence(() => seen.join('') !== 'dcba');
    };
    const options = { cancels: 0, deviations: 0, random: 5000, seed: 3 };
    const first = await failureOf(scenario, options);
    assert.equal((await failureOf(scenario, options)).replay, first.replay);
    assert.equal(first.deviations.length, 3);
  });

  test('wrong arguments are refused', async () => {
    await assert.rejects(
      explore('scenario' as never),
      /explore\(\) wants a function of the simulation, got 'scenario'/,
    );
    await assert.rejects(
      explore(() => {}, { mode: 'wild' as never }),
      /mode must be 'faithful' or 'robust', got 'wild'/,
    );
    await assert.rejects(
      explore(() => {}, { cancels: -1 }),
      /cancels must be 0 or more, got -1/,
    );
    await assert.rejects(
      explore(() => {}, { schedules: Number.NaN }),
      /schedules must be 0 or more, got NaN/,
    );
    const notAFunction = 'idle' as never;
    const mistakes: Scenario[] = [
      (sim) => sim.invariant('idle', notAFunction),
      (sim) => sim.atQuiescence(notAFunction),
      (sim) => sim.outside('idle', notAFunction),
    ];
    for (const mistake of mistakes) {
      const error = await failureOf(mistake);
      assert.match(error.message, /^sim\.\w+\(.*\) wants a function, got 'idle'/);
    }
  });
});

/** What the schedules of `scenario` leave in `seen`. */
async function seenBy(
  scenario: (sim: Parameters<Scenario>[0], note: (what: string) => void) => void,
  options?: ExploreOptions,
): Promise<string[]> {
  const seen = new Set<string>();
  await explore(
    (sim) => {
      const notes: string[] = [];
      scenario(sim, (what) => notes.push(what));
      sim.atQuiescence(() => {
        seen.add(notes.join(' '));
      });
    },
    { deviations: 3, together: 3, ...options },
  );
  return [...seen].toSorted();
}

/** A callback that notes itself and, in the next iteration, what it has queued. */
function twoParts(name: string, note: (what: string) => void): () => void {
  return () => {
    note(name);
    asyncio.getRunningLoop().callSoon(() => note(`${name}'`));
  };
}

describe('the schedules of the explorer', () => {
  test('are all that there are, each once', async () => {
    const levels = async (scenario: Scenario): Promise<[string, number][]> => {
      const done = await explore(scenario, { random: 0 });
      assert.ok(done.levels.slice(0, -1).every(({ isComplete }) => isComplete));
      return done.levels.map(({ name, schedules }) => [name, schedules]);
    };
    // Cancelled before its first step, while it waits, or when it is woken; and once more before the step that ends it.
    const one = await levels((sim) => {
      sim.spawn(function* () {
        yield* sim.step();
      });
    });
    assert.deepEqual(one, [
      ['usual order', 1],
      ['1 cancel', 3],
      ['1 deviation', 0],
      ['2 cancels', 3],
      ['1 cancel, 1 deviation', 0],
      ['2 deviations', 0],
      ['random', 0],
    ]);
    // b before a; b together with a, in the order ab or ba.
    const two = await levels((sim) => {
      for (const name of ['a', 'b']) {
        sim.spawn(
          function* () {
            yield* sim.step(name);
          },
          { cancellable: false },
        );
      }
    });
    assert.deepEqual(
      two.map(([, count]) => count),
      [1, 0, 2, 0, 0, 1, 0],
    );
    // A fault is no cancellation; and who is cancelled before its first step does not come to it.
    const fault = await levels((sim) => {
      sim.spawn(function* () {
        sim.fault('broken');
      });
    });
    assert.deepEqual(
      fault.map(([, count]) => count),
      [1, 1, 1, 1, 0, 0, 0],
    );
  });

  test('have I/O and a timer in one iteration, I/O first', async () => {
    const orders = await seenBy((sim, note) => {
      sim.step('answer').addDoneCallback(twoParts('io', note));
      asyncio.getRunningLoop().callLater(1, twoParts('timer', note));
    });
    // Not `timer io timer'`: timers are looked at last, when the events are there.
    assert.deepEqual(orders, ["io io' timer timer'", "io timer io' timer'", "timer timer' io io'"]);
  });

  test('have a clock that passes several deadlines at once', async () => {
    const orders = await seenBy((_sim, note) => {
      for (const when of [1, 2, 3]) asyncio.getRunningLoop().callLater(when, twoParts(String(when), note));
    });
    assert.deepEqual(orders, ["1 1' 2 2' 3 3'", "1 1' 2 3 2' 3'", "1 2 1' 2' 3 3'", "1 2 3 1' 2' 3'"]);
  });

  test('have a cancellation together with a timer, before and after it', async () => {
    const orders = await seenBy((sim, note) => {
      sim.spawn(function* () {
        try {
          yield* sim.step('answer');
        } finally {
          note('end');
        }
      });
      asyncio.getRunningLoop().callLater(1, twoParts('timer', note));
    });
    assert.ok(orders.includes("end timer timer'"));
    assert.ok(orders.includes("timer end timer'"));
    assert.ok(orders.includes("timer timer' end"));
  });

  test('cancel also what waits at the end', async () => {
    const ends = await seenBy(
      (sim, note) => {
        const event = new Event();
        const waiter = sim.spawn(
          async () => {
            await event.wait();
          },
          { daemon: true },
        );
        sim.spawn(
          async () => {
            await sleep(1);
            waiter.addDoneCallback(() => note('cancelled at the end'));
          },
          { cancellable: false },
        );
      },
      { random: 0 },
    );
    assert.deepEqual(ends, ['', 'cancelled at the end']);
  });

  test('tell their mode', async () => {
    for (const mode of ['faithful', 'robust'] as const)
      assert.deepEqual(await seenBy((sim, note) => note(sim.mode), { mode }), [mode]);
  });

  test('what comes from outside belongs to no task and no loop', async () => {
    const seen = await seenBy((sim, note) => {
      sim.outside('signal', () => note(`loop ${asyncio._getRunningLoop()}`));
      sim.spawn(
        function* () {
          yield* sleep(0);
        },
        { cancellable: false },
      );
    });
    assert.deepEqual(seen, ['loop null']);
  });

  test('a cancellation is asked for by no task', async () => {
    const seen = await seenBy((sim, note) => {
      const target = sim.spawn(async () => {
        await sim.step();
      });
      target.signal.addEventListener('abort', () => note(String(asyncio.currentTask())));
      sim.spawnAll(
        2,
        () =>
          function* () {
            yield* sleep(0);
          },
        { cancellable: false },
      );
    });
    assert.deepEqual(seen, ['', 'null']);
  });

  test('random ones get their part when there are too many others', async () => {
    const { levels } = await explore(
      (sim) => {
        sim.spawnAll(4, () => async () => {
          await sim.step();
        });
      },
      { schedules: 60, random: 20 },
    );
    assert.equal(levels.at(-1)?.schedules, 20);
  });

  test('random ones cancel late as well', async () => {
    const places = new Set<number>();
    await explore(
      (sim) => {
        let steps = 0;
        sim.spawn(async () => {
          try {
            for (; steps < 100; steps++) await sleep(0);
          } finally {
            places.add(Math.floor(steps / 20));
          }
        });
      },
      { cancels: 1, deviations: 0, schedules: 400, random: 400, seconds: 60, replay: [] },
    );
    assert.equal(places.size, 6);
  });
});

describe('what the explorer sees', () => {
  test('a rejection in a program of generators, and the schedule that it comes from', async () => {
    const scenario: Scenario = (sim) => {
      sim.spawn(
        function* () {
          const first = yield* sim.step('a', 'a');
          if (sim.fault('broken')) void Promise.reject(new RangeError(`dropped after ${first}`));
        },
        { cancellable: false },
      );
    };
    const error = await failureOf(scenario);
    assert.match(error.message, /^an unhandled rejection: RangeError: dropped after a\n/);
    assert.deepEqual(error.deviations, ['in step 3: broken']);
  });

  test('an invariant that an event breaks for a moment', async () => {
    const error = await failureOf((sim) => {
      let isBroken = false;
      sim.invariant('whole', () => !isBroken);
      sim.outside('hammer', () => {
        isBroken = true;
      });
      sim.spawn(
        function* () {
          isBroken = false;
          yield* sleep(0);
          isBroken = false;
        },
        { cancellable: false },
      );
    });
    assert.match(error.message, /^the invariant does not hold: whole\n/);
  });

  test('an error of an event', async () => {
    const error = await failureOf((sim) => {
      sim.outside('signal', () => {
        throw new RangeError('wrong');
      });
    });
    assert.match(error.message, /^wrong\n/);
  });

  test('errors that leave the loop', async () => {
    for (const body of [
      function* () {
        yield* sleep(0);
        throw new asyncio.SystemExit('out');
      },
      async () => {
        await sleep(0);
        throw new asyncio.KeyboardInterrupt('out');
      },
    ]) {
      const error = await failureOf((sim) => void sim.spawn(body));
      assert.match(error.message, /^out\n/);
    }
  });

  test('an error of a callback, and of a daemon that is cancelled at the end', async () => {
    const callback = await failureOf(() => {
      asyncio.getRunningLoop().callSoon(() => {
        throw new RangeError('in a callback');
      });
    });
    assert.match(callback.message, /RangeError: in a callback/);
    const daemon = await failureOf((sim) => {
      sim.spawn(
        async () => {
          await new Event().wait().catch(() => {
            throw new RangeError('in cleanup');
          });
        },
        { daemon: true, cancellable: false },
      );
    });
    assert.match(daemon.message, /^Task exception was never retrieved: RangeError: in cleanup/);
  });

  test('a daemon may need an answer to end, and must end', async () => {
    let cleaned = 0;
    const { schedules } = await explore(
      (sim) => {
        sim.spawn(
          async () => {
            try {
              await new Event().wait();
            } finally {
              await sim.step('goodbye');
              cleaned++;
            }
          },
          { daemon: true, cancellable: false },
        );
      },
      { random: 10 },
    );
    assert.ok(cleaned >= schedules);
    const error = await failureOf((sim) => {
      sim.spawn(
        async function stubborn() {
          for (;;) await new Event().wait().catch(() => {});
        },
        { daemon: true, cancellable: false },
      );
    });
    assert.match(error.message, /^a daemon does not end when it is cancelled: deadlock: 1 task waits/);
  });

  test('a task that somebody else has made and left', async () => {
    const error = await failureOf(() => {
      asyncio.createTask(
        async () => {
          await new Event().wait();
        },
        { name: 'left' },
      );
    });
    assert.match(error.message, /^deadlock: 1 task waits[^]*'left'/);
  });

  test('real timers and I/O are not waited for, and the failure says so', async () => {
    const error = await failureOf((sim) => {
      sim.spawn(async () => {
        await new Promise((resolve) => setTimeout(resolve, 30));
      });
    });
    assert.match(error.message, /an exploration does not wait for real timers or I\/O: sim\.step\(\)/);
    // A promise that needs a turn of the process is none.
    await explore(
      (sim) => {
        sim.spawn(
          async () => {
            for (let i = 0; i < 10; i++) {
              await new Promise((resolve) => setImmediate(resolve));
              await sleep(0);
            }
          },
          { cancellable: false },
        );
      },
      { random: 3 },
    );
  });

  test('nothing runs after a failure', async () => {
    const after: number[] = [];
    let runs = 0;
    await failureOf((sim) => {
      const run = runs++;
      let failed = false;
      sim.invariant('fine', () => !failed);
      sim.spawn(function* () {
        failed = true;
      });
      sim.spawn(function* () {
        after.push(run);
      });
    });
    assert.deepEqual(after, []);
  });

  test('two runs in which others run, in random schedules as well', async () => {
    let runs = 0;
    const scenario: Scenario = (sim) => {
      const events = [new Event(), new Event()];
      for (const [i, event] of events.entries()) {
        sim.spawn(
          function* () {
            yield* event.wait();
          },
          { name: `waiter ${i}`, daemon: true, cancellable: false },
        );
      }
      const next = events[runs++ % 2];
      sim.spawn(
        function* () {
          next?.set();
        },
        { cancellable: false },
      );
    };
    const error = await failureOf(scenario, { twice: true });
    assert.match(error.message, /^the scenario is not the same in every run/);
    runs = 0;
    let isWild = false;
    const late = await failureOf(
      (sim) => {
        if (isWild) scenario(sim);
      },
      {
        twice: true,
        cancels: 0,
        deviations: 0,
        seconds: 60,
        onProgress: ({ schedules }) => {
          isWild = schedules > 0;
        },
        random: 1_000_000,
        schedules: 1_000_000,
      },
    );
    assert.match(late.message, /^the scenario is not the same in every run/);
  });

  test('what an earlier schedule has left behind', async () => {
    let runs = 0;
    const error = await failureOf((sim) => {
      const steps = runs++ % 2 === 0 ? 1 : 3;
      sim.spawn(function* () {
        for (let i = 0; i < steps; i++) yield* sleep(0);
      });
    });
    assert.match(error.message, /^the scenario is not the same in every run/);
  });

  test('a failure that does not come again is told all the same', async () => {
    let runs = 0;
    const error = await failureOf(() => {
      if (runs++ === 2) throw new RangeError('once');
    });
    assert.match(error.message, /^the scenario is not the same in every run[^]*Once it failed: once\n/);
    assert.ok((error.cause as Error).cause instanceof RangeError);
  });

  test('a failure that is made small stays what it is', async () => {
    const scenario: Scenario = (sim) => {
      const seen: string[] = [];
      for (const name of ['a', 'b', 'c', 'd']) {
        sim.spawn(
          async () => {
            await sim.step(name);
            seen.push(name);
          },
          { name, cancellable: false },
        );
      }
      sim.atQuiescence(() => {
        const order = seen.join('');
        if (order === 'dcba') throw new Error('all wrong');
        // On the way to it, when something is left out.
        if (['dabc', 'dcab', 'cdba', 'adcb', 'bdca', 'abdc'].includes(order) && isStrict)
          throw new Error('another failure');
      });
    };
    let isStrict = false;
    const options = { cancels: 0, deviations: 0, random: 5000, seed: 3 };
    const found = await failureOf(scenario, options);
    assert.match(found.message, /^all wrong/);
    isStrict = true;
    await assert.rejects(replay(found.replay, scenario), /^ExplorationError: all wrong/);
  });
});

describe('explorations among others', () => {
  const quiet: Scenario = (sim) => {
    sim.spawn(async () => {
      await sim.step();
    });
  };

  test('run within a task, in both styles', async () => {
    const viaAsync = await asyncio.run(async () => {
      const done = await explore(quiet, { random: 5 });
      assert.ok(asyncio.currentTask());
      return done.schedules;
    });
    const viaGenerator = await asyncio.run(function* () {
      const done = yield* asyncio.fromPromise(explore(quiet, { random: 5 }));
      assert.ok(asyncio.currentTask());
      return done.schedules;
    });
    assert.equal(viaAsync, viaGenerator);
  });

  test('wait for each other, and do not take the failures of others for theirs', async () => {
    const bad: Scenario = (sim) => {
      sim.spawn(async () => {
        void Promise.reject(new RangeError('of the other'));
        await sim.step();
      });
    };
    const [first, second, third] = await Promise.allSettled([
      explore(quiet, { random: 200 }),
      explore(bad),
      explore(quiet, { random: 200 }),
    ]);
    assert.equal(first.status, 'fulfilled');
    assert.equal(second.status, 'rejected');
    assert.equal(third.status, 'fulfilled');
  });

  test('are refused within a scenario', async () => {
    const error = await failureOf((sim) => {
      sim.spawn(async () => {
        await explore(quiet);
      });
    });
    assert.match(error.message, /a scenario cannot be explored or replayed within another one/);
  });

  test('leave the listeners of the process as they were', async () => {
    const listener = (): void => {};
    process.once('unhandledRejection', listener);
    const before = process.rawListeners('unhandledRejection');
    await explore(quiet, { random: 5 });
    await failureOf((sim) => sim.atQuiescence(() => false));
    assert.deepEqual(process.rawListeners('unhandledRejection'), before);
    process.off('unhandledRejection', listener);
  });
});

describe('replay', () => {
  test('runs the schedule again, step by step', async () => {
    const found = await failureOf(losesPermit);
    const steps: number[] = [];
    await assert.rejects(
      replay(found.replay, losesPermit, { onStep: (step) => steps.push(step) }),
      (error: ExplorationError) => error.timeline === found.timeline && error.replay === found.replay,
    );
    assert.deepEqual(steps, [1, 2, 3, 4, 5]);
  });

  test('gives the timeline when nothing fails any more, and tells of a changed scenario', async () => {
    const found = await failureOf(losesPermit);
    const mended: Scenario = (sim) => {
      const semaphore = new Semaphore(1);
      sim.spawnAll(3, () => async () => {
        await semaphore.run(() => sim.step('work'));
      });
    };
    const again = await replay(found.replay, mended);
    assert.equal(again.isStale, true);
    assert.match(again.timeline, /\* {2}cancel task 1/);
  });

  test('a deviation that the run does not come to makes it stale', async () => {
    let turns = 3;
    const scenario: Scenario = (sim) => {
      let turn = 0;
      sim.spawn(async () => {
        for (; turn < turns; turn++) await sim.step('work');
      });
      sim.atQuiescence(() => turn !== 2);
    };
    const { replay: text } = await failureOf(scenario);
    turns = 1;
    assert.equal((await replay(text, scenario)).isStale, true);
  });

  test('the replay strings of mended failures can be run first', async () => {
    const found = await failureOf(losesPermit);
    await assert.rejects(
      explore(losesPermit, { replay: [found.replay], cancels: 0, deviations: 0, random: 0 }),
      ExplorationError,
    );
  });

  test('keeps the mode and the start of tasks', async () => {
    const scenario: Scenario = (sim) => {
      let order = '';
      for (const name of ['a', 'b']) {
        sim.spawn(
          function* () {
            yield* sleep(0);
            order += name;
          },
          { name, cancellable: false },
        );
      }
      sim.atQuiescence(() => order !== 'ba');
    };
    const found = await failureOf(scenario, { mode: 'robust', eager: true });
    assert.match(found.replay, /^x1\.robust\.eager\./);
    await assert.rejects(replay(found.replay, scenario), ExplorationError);
  });

  test('refuses what is no replay string', async () => {
    await assert.rejects(
      replay('nonsense', () => {}),
      /this is no replay string: "nonsense"/,
    );
    for (const text of [
      'x1.faithful.lazy.1b2c3d4e.A',
      'x1.faithful.lazy.1b2c3d4e.AgE.',
      'x1.faithful.late.1b2c3d4e.AgE',
      'x1.faithful.lazy.1b2c3d4e.AgEC',
      'x1.faithful.lazy.1b2c3d4e.gA',
      'x1.faithful.lazy.1b2c3d4e.A*gE',
    ])
      await assert.rejects(
        replay(text, () => {}),
        RangeError,
        text,
      );
    await assert.rejects(
      replay('x1.faithful.lazy.1b2c3d4e.', 'scenario' as never),
      /replay\(\) wants a function/,
    );
  });

  test('counts the deviations that the program has no place for any more', async () => {
    const found = await failureOf(losesPermit);
    const again = await replay(found.replay, () => {});
    assert.equal(again.missed, 1);
  });
});

describe('testAsync with explore', () => {
  test('runs the body under many schedules', async () => {
    let body: (() => Promise<void>) | undefined;
    const register = (_name: string, fn: () => Promise<void>): void => {
      body = fn;
    };
    let runs = 0;
    testAsync(
      'name',
      async (sim) => {
        runs++;
        const lock = new Lock();
        sim.spawn(() => lock.run(() => sim.step()));
      },
      { test: register, explore: { random: 20 } },
    );
    await body?.();
    assert.ok(runs > 20);
    testAsync('name', async () => {}, { test: register, explore: true });
    await assert.rejects(body?.() ?? Promise.resolve(), {
      name: 'AssertionError',
      message: /^there was nothing to choose, so every schedule was the same: .*sim.cancellable\('all'\)/,
    });
    testAsync('name', losesPermit, { test: register, explore: true });
    await assert.rejects(body?.() ?? Promise.resolve(), ExplorationError);
  });
});
