/** The hard programs as async functions, line for line those of generators.ts. */

import {
  allTasks,
  asCompleted,
  CancelledError,
  type Context,
  ContextVar,
  copyContext,
  type Coroutine,
  coroutine,
  createTask,
  currentTask,
  ExceptionGroup,
  FIRST_COMPLETED,
  FIRST_EXCEPTION,
  type Future,
  gather,
  Lock,
  Queue,
  shield,
  sleep,
  type Task,
  TaskGroup,
  timeout,
  TimeoutError,
  trackAsyncgen,
  wait,
  waitFor,
} from 'asyncio-ts';
import { agen, handleQuietly } from './generators.ts';
import { args, type HardPrograms, KeyError } from './support.ts';

const me = (): Task<unknown> => currentTask() as Task<unknown>;

export const asyncFunctions: HardPrograms = {
  '01-gather-cancelled': (io) => {
    async function child(n: string, d: number) {
      try {
        await sleep(100);
      } finally {
        await sleep(d);
        io.say('child', n, 'cleaned up');
      }
    }
    return {
      main: () => async () => {
        for (const flag of [false, true]) {
          const g = gather([() => child('a', 1), () => child('b', 5)], { returnExceptions: flag });
          io.at(io.loop.time() + 1, (msg) => g.cancel(msg), 'stop');
          await io.endAsync(g, `gather ${flag}`);
          io.say('cancelled()', g.cancelled(), 'again', g.cancel());
          await sleep(10);
        }
        async function stubborn() {
          try {
            await sleep(100);
          } catch (e) {
            if (!(e instanceof CancelledError)) throw e;
          }
          return 'no';
        }
        const g = gather([() => stubborn(), () => stubborn()], { returnExceptions: true });
        await sleep(1);
        io.say(g.cancel('x'));
        await io.endAsync(g, 'stubborn children');
      },
    };
  },

  '02-cancel-messages': (io) => {
    async function victim() {
      try {
        await sleep(9);
      } catch (e) {
        io.say('victim sees', args(e), me().cancelling());
        throw e;
      }
    }
    return {
      main: () => async () => {
        const t = createTask(() => victim());
        await sleep(1);
        io.say(t.cancel('first'), t.cancel('second'), t.cancelling());
        for (const i of [1, 2]) await io.endAsync(t, `task, look ${i}`);
        const f = io.loop.createFuture();
        f.cancel('f');
        for (const i of [1, 2]) await io.endAsync(f, `future, look ${i}`);
        async function chain(x: Task<unknown>) {
          await x;
        }
        const deep = createTask(() => victim());
        const top = createTask(() => chain(createTask(() => chain(deep))));
        await sleep(1);
        top.cancel('down');
        await io.endAsync(top, 'top');
        io.say(top.cancelling(), deep.cancelling(), top.cancelled(), t.cancel('late'), t.cancelling());
      },
    };
  },

  '03-wait-for-deadline': (io) => ({
    main: () => async () => {
      const f = io.loop.createFuture<string>();
      io.at(1, () => f.setResult('R'));
      await io.endAsync(waitFor(f, 1), 'future');
      io.say(f);
      const q = new Queue<string>();
      io.at(2, () => q.putNowait('item'));
      await io.endAsync(waitFor(q.get(), 1), 'queue');
      io.say('left in the queue', q.qsize());
      const lock = new Lock();
      await lock.acquire();
      io.at(3, () => lock.release());
      await io.endAsync(waitFor(lock.acquire(), 1), 'lock');
      io.say('locked', lock.locked());
      async function late() {
        try {
          await sleep(9);
        } catch (e) {
          if (!(e instanceof CancelledError)) throw e;
          await sleep(2);
        }
        return 'answer to the cancel';
      }
      await io.endAsync(
        waitFor(() => late(), 1),
        'swallowed',
      );
      async function inner() {
        io.say('a line of inner');
      }
      await io.endAsync(
        waitFor(() => inner(), 0),
        'zero',
      );
      await io.endAsync(waitFor(f, -1), 'done future, -1');
    },
  }),

  '07-group-error-and-cancel': (io) => {
    async function boom(t: number) {
      await sleep(t);
      throw new RangeError(String(t));
    }
    async function body(n: string) {
      try {
        await new TaskGroup().run(async (tg) => {
          tg.createTask(() => boom(1));
          tg.createTask(() => boom(1));
          await sleep(9);
        });
      } catch (g) {
        if (!(g instanceof ExceptionGroup)) throw g;
        io.say(n, g.exceptions.map(args), 'cancelling', me().cancelling());
      }
      try {
        await sleep(1);
        io.say(n, 'went on');
      } catch (e) {
        if (e instanceof CancelledError) io.say(n, 'cancelled at its next await', args(e));
        throw e;
      }
    }
    return {
      main: () => async () => {
        await io.endAsync(
          createTask(() => body('alone')),
          'alone',
        );
        for (const [n, passes] of [
          ['cancel before the errors', 0],
          ['cancel after the errors', 2],
        ] as const) {
          const t = createTask(() => body(n));
          for (let i = 0; i < passes; i++) await sleep(0);
          io.at(io.loop.time() + 1, () => t.cancel('foreign'));
          await io.endAsync(t, n);
          io.say(t.cancelling());
        }
        async function swallower() {
          await new TaskGroup().run(async (tg) => {
            tg.createTask(() => boom(1));
            try {
              await sleep(9);
            } catch (e) {
              if (!(e instanceof CancelledError)) throw e;
              io.say('swallowed', tg, me().cancelling());
              await sleep(1);
            }
            try {
              tg.createTask(sleep(1));
            } catch (e) {
              io.say((e as Error).message);
            }
          });
        }
        try {
          await swallower();
        } catch (g) {
          if (!(g instanceof ExceptionGroup)) throw g;
          io.say('thrown all the same', me().cancelling());
        }
      },
    };
  },

  '08-group-cancelled-while-waiting': (io) => {
    async function slow() {
      try {
        await sleep(99);
      } finally {
        try {
          await sleep(3);
          io.say('child clean');
        } catch (e) {
          if (e instanceof CancelledError) io.say('cleanup interrupted');
          // oxlint-disable-next-line no-unsafe-finally -- as in Python, the later error replaces the first
          throw e;
        }
      }
    }
    async function body() {
      const tg = new TaskGroup();
      let child: Task<unknown> | undefined;
      try {
        await tg.run(async () => {
          tg.createTask(() => slow());
          child = tg.createTask(() => slow());
        });
      } catch (e) {
        if (e instanceof CancelledError) io.say('body', args(e), tg, child?.cancelling());
        throw e;
      }
    }
    return {
      main: () => async () => {
        const t = createTask(() => body());
        await sleep(1);
        t.cancel('one');
        await sleep(1);
        t.cancel('two');
        await io.endAsync(t, 'task');
        io.say(t.cancelling());
        const tg = new TaskGroup();
        await tg.run(async () => {
          tg.createTask(sleep(5)).cancel();
          tg.createTask(sleep(2));
          await sleep(1);
          io.say(tg);
          async function grow() {
            await sleep(2);
            tg.createTask(sleep(1));
            io.say('a child makes a child');
          }
          tg.createTask(() => grow());
        });
        io.say(tg);
        try {
          tg.createTask(sleep(1));
        } catch (e) {
          io.say((e as Error).message);
        }
      },
    };
  },

  '09-timeout-deadlines': (io) => {
    async function nest(outer: number, inner: number) {
      await timeout(outer).run(async (o) => {
        const i = timeout(inner);
        try {
          await i.run(async () => sleep(9));
        } catch (e) {
          if (e instanceof TimeoutError) {
            io.say('inner', o.expired(), i.expired(), me().cancelling());
            await sleep(9);
          } else {
            io.say('through inner', o.expired(), i.expired(), me().cancelling());
            throw e;
          }
        }
      });
    }
    async function swallow() {
      const cm = timeout(1);
      await cm.run(async () => {
        try {
          await sleep(9);
        } catch (e) {
          if (!(e instanceof CancelledError)) throw e;
          io.say(cm.expired(), cm);
          await sleep(1);
        }
      });
      return [cm.expired(), me().cancelling()];
    }
    async function past(n: number) {
      return await timeout(-1).run(async (cm) => {
        io.say('body runs', cm.when());
        for (let i = 0; i < n; i++) await sleep(0);
        return 'no suspension, no error';
      });
    }
    return {
      main: () => async () => {
        for (const [o, i] of [
          [1, 2],
          [2, 1],
          [1, 1],
        ] as const) {
          await io.endAsync(nest(o, i), `outer ${o} inner ${i}`);
        }
        await io.endAsync(swallow(), 'swallow');
        const cm = timeout(1);
        await cm.run(async () => {
          io.at(io.loop.time() + 1, () => cm.reschedule(null));
          cm.reschedule(cm.when());
          await sleep(2);
        });
        io.say(cm, cm.when(), me().cancelling());
        await io.endAsync(past(0), 'past');
        await io.endAsync(past(1), 'past');
        io.say(me().cancelling());
        try {
          cm.reschedule(1);
        } catch (e) {
          io.say((e as Error).message);
        }
      },
    };
  },

  '10-timeout-against-cancel': (io) => {
    async function body() {
      try {
        await timeout(1).run(async () => sleep(9));
      } catch (e) {
        if (!(e instanceof TimeoutError)) throw e;
        return 'timed out';
      }
      return null;
    }
    return {
      main: () => async () => {
        io.at(1, () => t.cancel('foreign'));
        let t: Task<unknown> = createTask(() => body());
        await io.endAsync(t, 'cancel, then deadline');
        io.say(t.cancelling());
        t = createTask(() => body());
        await sleep(0);
        io.at(2, (msg) => t.cancel(msg), 'foreign');
        await io.endAsync(t, 'deadline, then cancel');
        io.say(t.cancelling());
        async function late() {
          try {
            await body();
          } finally {
            io.say('in finally', me().cancelling());
          }
        }
        t = createTask(() => late());
        await sleep(2);
        io.say(t.done(), t.cancel('too late'));
        async function before() {
          me().cancel('pending');
          await timeout(1).run(async () => sleep(9));
        }
        await io.endAsync(
          createTask(() => before()),
          'cancel pending at entry',
        );
      },
    };
  },

  '11-shield': (io) => {
    async function fail() {
      await sleep(3);
      throw new KeyError('k');
    }
    return {
      main: () =>
        coroutine(async function main() {
          io.loop.setExceptionHandler((_loop, c) => io.say('HANDLER', c.message, c.exception));
          const task = createTask(() => fail());
          const outers = [shield(task), shield(task), shield(task)] as const;
          const waiter = createTask(() => io.endAsync(outers[2], 'third waiter'));
          await sleep(1);
          io.say([outers[0].cancel('m'), outers[1].cancel('m')], outers[0].cancel());
          await io.endAsync(outers[0], 'first waiter');
          await waiter;
          io.say(shield(task) === task);
          const inner = createTask(sleep(9));
          const o = shield(inner);
          await sleep(0);
          inner.cancel('in');
          await io.endAsync(o, 'inner cancelled');
          async function caller() {
            await shield(sleep(2, 'kept'));
          }
          const t = createTask(() => caller());
          await sleep(1);
          t.cancel('caller');
          await io.endAsync(t, 'caller');
          await sleep(2);
          io.say([...allTasks()].map((x) => (x.getCoro() as Coroutine<unknown>).name).toSorted());
        })(),
    };
  },

  '12-iterations': (io) => ({
    main: () => async () => {
      const { loop } = io;
      let n = 0;
      const tick = (): void => {
        if (++n < 7) loop.callSoon(tick);
      };
      const p = (...values: unknown[]): void => io.print('pass', n, ...values);
      async function task(k: string) {
        p(k, 'step 1');
        await sleep(0);
        p(k, 'step 2');
        await f;
        p(k, 'woken');
        return k;
      }
      const f: Future<number> = loop.createFuture();
      loop.callLater(0, p, 'timer 0');
      loop.callSoon(tick);
      const a = createTask(() => task('a'));
      const b = createTask(() => task('b'));
      f.addDoneCallback(() => p('callback of f, registered first'));
      a.addDoneCallback(() => p('a is done'));
      loop.callSoon(() => loop.callSoon(p, 'queued by a handle'));
      const h = loop.callSoon(p, 'never');
      loop.callSoon(() => h.cancel());
      h.cancel();
      await sleep(0);
      await sleep(0);
      p('main sets f');
      f.setResult(1);
      f.addDoneCallback(() => p('callback of f, registered last'));
      p('gathered', await gather(a, b));
      p(await f, 'no pass for a done future');
      await wait([a, b], { returnWhen: FIRST_COMPLETED });
      p('wait');
      p('end');
    },
  }),

  '13-cancel-chain': (io) => {
    const nothing = io.loop.createFuture<null>();
    nothing.setResult(null);
    async function below(kind: string) {
      try {
        await sleep(9);
      } catch (e) {
        if (!(e instanceof CancelledError)) throw e;
        if (kind === 'refuses') return 'refused';
        if (kind === 'other') throw new RangeError('instead');
        await sleep(2);
        throw e;
      }
      return null;
    }
    async function above(kind: string) {
      return await createTask(() => below(kind));
    }
    async function selfcancel(un: boolean, pause: boolean) {
      const t = me();
      t.cancel('self');
      if (un) io.say('uncancel', t.uncancel());
      await nothing;
      io.say('a done future delivers no cancel');
      if (pause) await sleep(0);
      return 'end';
    }
    return {
      main: () => async () => {
        for (const k of ['refuses', 'other', 'slow']) {
          const t = createTask(() => above(k));
          await sleep(1);
          t.cancel(k);
          await io.endAsync(t, k);
          io.say(t.cancelled(), t.cancelling());
        }
        for (const un of [false, true]) {
          for (const w of [false, true])
            await io.endAsync(
              createTask(() => selfcancel(un, w)),
              `uncancel ${un} await ${w}`,
            );
        }
        const f = io.loop.createFuture<string>();
        let t: Task<unknown> = createTask(waitFor(f, null));
        await sleep(0);
        f.setResult('R');
        io.say(t.cancel('after the result'));
        await io.endAsync(t, 'woken, then cancelled');
        io.say(f.result());
        t = createTask(() => below('slow'));
        await sleep(0);
        t.cancel('a');
        await sleep(1);
        t.cancel('b');
        await io.endAsync(t, 'cancelled in its cleanup');
      },
    };
  },

  '15-run-shutdown': (io) => {
    let late: Task<unknown> | undefined;
    let keep: Task<unknown>[] = [];
    async function keeper(n: string, d: number) {
      try {
        await sleep(99);
      } catch (e) {
        if (!(e instanceof CancelledError)) throw e;
        io.say(n, 'cancelled', args(e));
        await sleep(d);
        io.say(n, 'ends');
        late = createTask(sleep(9));
      }
    }
    async function fails() {
      try {
        await sleep(99);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- that is what the program is about
        throw new RangeError('in cleanup');
      }
    }
    return {
      main: () => async () => {
        handleQuietly(io);
        keep = [() => keeper('k1', 2), () => keeper('k2', 1), fails].map((fn) => createTask<unknown>(fn));
        const g = trackAsyncgen(agen(io));
        io.say((await g.next()).value);
        await sleep(1);
        me().cancel('me');
        io.say('main goes on');
        return 'dropped, since the flag is set';
      },
      after: () =>
        io.print(
          'late birth done:',
          late?.done(),
          keep.map((t) => t.cancelled()),
        ),
    };
  },

  '16-eager-and-context': (io) => {
    const v = new ContextVar('v', { default: '-' });
    async function child(n: string, pause: boolean) {
      io.say(n, v.get());
      v.set(n);
      if (pause) {
        await sleep(0);
        io.say(n, 'again', v.get());
      }
      return n;
    }
    return {
      main: () => async () => {
        v.set('main');
        const lazy = createTask(() => child('lazy', true), { name: 'L' });
        v.set('changed');
        io.loop.callSoon(() => {
          io.say('callback 1', v.get());
          v.set('cb');
        });
        io.loop.callSoon(() => io.say('callback 2', v.get()));
        await lazy;
        io.say(v.get());
        const ctx: Context = copyContext();
        await createTask(() => child('shared', false), { context: ctx });
        io.say(v.get(), ctx.get(v));
        await child('inline', false);
        io.say(v.get());
      },
    };
  },

  '17-wait-and-as-completed': (io) => {
    async function child(n: string, t: number, how?: string) {
      await sleep(t);
      if (how === 'cancel') {
        me().cancel(n);
        await sleep(0);
      }
      if (how !== undefined) throw new RangeError(n);
      return n;
    }
    return {
      main: () => async () => {
        const a = createTask(() => child('a', 1, 'cancel'));
        const b = createTask(() => child('b', 2, 'fail'));
        const c = createTask(() => child('c', 3));
        let [done, pending] = await wait([a, b, c], { returnWhen: FIRST_EXCEPTION });
        io.say(done.size, pending.size, done.has(b));
        [done, pending] = await wait(new Set([c]), { timeout: 0.5 });
        io.say(done.size, pending.size, c.done());
        const w = createTask(wait([c]));
        await sleep(0);
        w.cancel();
        await io.endAsync(w, 'wait cancelled');
        io.say(c.cancelling());
        for (const aw of asCompleted([a, b, c, c])) await io.endAsync(aw, 'plain');
        const d = createTask(() => child('d', 1));
        const e = createTask(() => child('e', 9));
        try {
          for await (const f of asCompleted([e, d], { timeout: 2 })) {
            // The loop hands out the futures themselves; TypeScript takes them for awaited.
            const task = f as unknown as Task<string>;
            io.say(task === d, task.result());
          }
        } catch (error) {
          if (!(error instanceof TimeoutError)) throw error;
          io.say('TimeoutError from the loop', e.done(), e.cancelling());
        }
        for (const aw of asCompleted([e, () => child('x', 9)], { timeout: 1 })) await io.endAsync(aw, 'late');
      },
    };
  },
};
