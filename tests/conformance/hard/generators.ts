/** The hard programs as generators. */

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
  eagerTaskFactory,
  ExceptionGroup,
  FIRST_COMPLETED,
  FIRST_EXCEPTION,
  type Future,
  gather,
  Lock,
  Queue,
  type Gen,
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
import { args, type HardPrograms, type Io, KeyError } from './support.ts';

const me = (): Task<unknown> => currentTask() as Task<unknown>;

export const generators: HardPrograms = {
  '01-gather-cancelled': (io) => {
    function* child(n: string, d: number) {
      try {
        yield* sleep(100);
      } finally {
        yield* sleep(d);
        io.say('child', n, 'cleaned up');
      }
    }
    return {
      *main() {
        for (const flag of [false, true]) {
          const g = gather([child('a', 1), child('b', 5)], { returnExceptions: flag });
          io.at(io.loop.time() + 1, (msg) => g.cancel(msg), 'stop');
          yield* io.end(g, `gather ${flag}`);
          io.say('cancelled()', g.cancelled(), 'again', g.cancel());
          yield* sleep(10);
        }
        function* stubborn() {
          try {
            yield* sleep(100);
          } catch (e) {
            if (!(e instanceof CancelledError)) throw e;
          }
          return 'no';
        }
        const g = gather([stubborn(), stubborn()], { returnExceptions: true });
        yield* sleep(1);
        io.say(g.cancel('x'));
        yield* io.end(g, 'stubborn children');
      },
    };
  },

  '02-cancel-messages': (io) => {
    function* victim() {
      try {
        yield* sleep(9);
      } catch (e) {
        io.say('victim sees', args(e), me().cancelling());
        throw e;
      }
    }
    return {
      *main() {
        const t = createTask(victim());
        yield* sleep(1);
        io.say(t.cancel('first'), t.cancel('second'), t.cancelling());
        for (const i of [1, 2]) yield* io.end(t, `task, look ${i}`);
        const f = io.loop.createFuture();
        f.cancel('f');
        for (const i of [1, 2]) yield* io.end(f, `future, look ${i}`);
        function* chain(x: Task<unknown>) {
          yield* x;
        }
        const deep = createTask(victim());
        const top = createTask(chain(createTask(chain(deep))));
        yield* sleep(1);
        top.cancel('down');
        yield* io.end(top, 'top');
        io.say(top.cancelling(), deep.cancelling(), top.cancelled(), t.cancel('late'), t.cancelling());
      },
    };
  },

  '03-wait-for-deadline': (io) => ({
    *main() {
      const f = io.loop.createFuture<string>();
      io.at(1, () => f.setResult('R'));
      yield* io.end(waitFor(f, 1), 'future');
      io.say(f);
      const q = new Queue<string>();
      io.at(2, () => q.putNowait('item'));
      yield* io.end(waitFor(q.get(), 1), 'queue');
      io.say('left in the queue', q.qsize());
      const lock = new Lock();
      yield* lock.acquire();
      io.at(3, () => lock.release());
      yield* io.end(waitFor(lock.acquire(), 1), 'lock');
      io.say('locked', lock.locked());
      function* late() {
        try {
          yield* sleep(9);
        } catch (e) {
          if (!(e instanceof CancelledError)) throw e;
          yield* sleep(2);
        }
        return 'answer to the cancel';
      }
      yield* io.end(waitFor(late(), 1), 'swallowed');
      function* inner(): Gen<void> {
        io.say('a line of inner');
      }
      yield* io.end(waitFor(inner(), 0), 'zero');
      yield* io.end(waitFor(f, -1), 'done future, -1');
    },
  }),

  '07-group-error-and-cancel': (io) => {
    function* boom(t: number): Gen<void> {
      yield* sleep(t);
      throw new RangeError(String(t));
    }
    function* body(n: string) {
      try {
        yield* new TaskGroup().run(function* (tg) {
          tg.createTask(boom(1));
          tg.createTask(boom(1));
          yield* sleep(9);
        });
      } catch (g) {
        if (!(g instanceof ExceptionGroup)) throw g;
        io.say(n, g.exceptions.map(args), 'cancelling', me().cancelling());
      }
      try {
        yield* sleep(1);
        io.say(n, 'went on');
      } catch (e) {
        if (e instanceof CancelledError) io.say(n, 'cancelled at its next await', args(e));
        throw e;
      }
    }
    return {
      *main() {
        yield* io.end(createTask(body('alone')), 'alone');
        for (const [n, passes] of [
          ['cancel before the errors', 0],
          ['cancel after the errors', 2],
        ] as const) {
          const t = createTask(body(n));
          for (let i = 0; i < passes; i++) yield* sleep(0);
          io.at(io.loop.time() + 1, () => t.cancel('foreign'));
          yield* io.end(t, n);
          io.say(t.cancelling());
        }
        function* swallower() {
          yield* new TaskGroup().run(function* (tg) {
            tg.createTask(boom(1));
            try {
              yield* sleep(9);
            } catch (e) {
              if (!(e instanceof CancelledError)) throw e;
              io.say('swallowed', tg, me().cancelling());
              yield* sleep(1);
            }
            try {
              tg.createTask(sleep(1));
            } catch (e) {
              io.say((e as Error).message);
            }
          });
        }
        try {
          yield* swallower();
        } catch (g) {
          if (!(g instanceof ExceptionGroup)) throw g;
          io.say('thrown all the same', me().cancelling());
        }
      },
    };
  },

  '08-group-cancelled-while-waiting': (io) => {
    function* slow() {
      try {
        yield* sleep(99);
      } finally {
        try {
          yield* sleep(3);
          io.say('child clean');
        } catch (e) {
          if (e instanceof CancelledError) io.say('cleanup interrupted');
          // oxlint-disable-next-line no-unsafe-finally -- as in Python, the later error replaces the first
          throw e;
        }
      }
    }
    function* body() {
      const tg = new TaskGroup();
      let child: Task<unknown> | undefined;
      try {
        yield* tg.run(function* (): Gen<void> {
          tg.createTask(slow());
          child = tg.createTask(slow());
        });
      } catch (e) {
        if (e instanceof CancelledError) io.say('body', args(e), tg, child?.cancelling());
        throw e;
      }
    }
    return {
      *main() {
        const t = createTask(body());
        yield* sleep(1);
        t.cancel('one');
        yield* sleep(1);
        t.cancel('two');
        yield* io.end(t, 'task');
        io.say(t.cancelling());
        const tg = new TaskGroup();
        yield* tg.run(function* () {
          tg.createTask(sleep(5)).cancel();
          tg.createTask(sleep(2));
          yield* sleep(1);
          io.say(tg);
          function* grow() {
            yield* sleep(2);
            tg.createTask(sleep(1));
            io.say('a child makes a child');
          }
          tg.createTask(grow());
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
    function* nest(outer: number, inner: number) {
      yield* timeout(outer).run(function* (o) {
        const i = timeout(inner);
        try {
          yield* i.run(() => sleep(9));
        } catch (e) {
          if (e instanceof TimeoutError) {
            io.say('inner', o.expired(), i.expired(), me().cancelling());
            yield* sleep(9);
          } else {
            io.say('through inner', o.expired(), i.expired(), me().cancelling());
            throw e;
          }
        }
      });
    }
    function* swallow() {
      const cm = timeout(1);
      yield* cm.run(function* () {
        try {
          yield* sleep(9);
        } catch (e) {
          if (!(e instanceof CancelledError)) throw e;
          io.say(cm.expired(), cm);
          yield* sleep(1);
        }
      });
      return [cm.expired(), me().cancelling()];
    }
    function* past(n: number) {
      return yield* timeout(-1).run(function* (cm) {
        io.say('body runs', cm.when());
        for (let i = 0; i < n; i++) yield* sleep(0);
        return 'no suspension, no error';
      });
    }
    return {
      *main() {
        for (const [o, i] of [
          [1, 2],
          [2, 1],
          [1, 1],
        ] as const) {
          yield* io.end(coroutine(nest)(o, i), `outer ${o} inner ${i}`);
        }
        yield* io.end(coroutine(swallow)(), 'swallow');
        const cm = timeout(1);
        yield* cm.run(function* () {
          io.at(io.loop.time() + 1, () => cm.reschedule(null));
          cm.reschedule(cm.when());
          yield* sleep(2);
        });
        io.say(cm, cm.when(), me().cancelling());
        yield* io.end(coroutine(past)(0), 'past');
        yield* io.end(coroutine(past)(1), 'past');
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
    function* body() {
      try {
        yield* timeout(1).run(() => sleep(9));
      } catch (e) {
        if (!(e instanceof TimeoutError)) throw e;
        return 'timed out';
      }
      return null;
    }
    return {
      *main() {
        io.at(1, () => t.cancel('foreign'));
        let t: Task<unknown> = createTask(body());
        yield* io.end(t, 'cancel, then deadline');
        io.say(t.cancelling());
        t = createTask(body());
        yield* sleep(0);
        io.at(2, (msg) => t.cancel(msg), 'foreign');
        yield* io.end(t, 'deadline, then cancel');
        io.say(t.cancelling());
        function* late() {
          try {
            yield* body();
          } finally {
            io.say('in finally', me().cancelling());
          }
        }
        t = createTask(late());
        yield* sleep(2);
        io.say(t.done(), t.cancel('too late'));
        function* before() {
          me().cancel('pending');
          yield* timeout(1).run(() => sleep(9));
        }
        yield* io.end(createTask(before()), 'cancel pending at entry');
      },
    };
  },

  '11-shield': (io) => {
    function* fail(): Gen<void> {
      yield* sleep(3);
      throw new KeyError('k');
    }
    return {
      main: () =>
        coroutine(function* main() {
          io.loop.setExceptionHandler((_loop, c) => io.say('HANDLER', c.message, c.exception));
          const task = createTask(fail());
          const outers = [shield(task), shield(task), shield(task)] as const;
          const waiter = createTask(io.end(outers[2], 'third waiter'));
          yield* sleep(1);
          io.say([outers[0].cancel('m'), outers[1].cancel('m')], outers[0].cancel());
          yield* io.end(outers[0], 'first waiter');
          yield* waiter;
          io.say(shield(task) === task);
          const inner = createTask(sleep(9));
          const o = shield(inner);
          yield* sleep(0);
          inner.cancel('in');
          yield* io.end(o, 'inner cancelled');
          function* caller() {
            yield* shield(sleep(2, 'kept'));
          }
          const t = createTask(caller());
          yield* sleep(1);
          t.cancel('caller');
          yield* io.end(t, 'caller');
          yield* sleep(2);
          io.say([...allTasks()].map((x) => (x.getCoro() as Coroutine<unknown>).name).toSorted());
        })(),
    };
  },

  '12-iterations': (io) => ({
    *main() {
      const { loop } = io;
      let n = 0;
      const tick = (): void => {
        if (++n < 7) loop.callSoon(tick);
      };
      const p = (...values: unknown[]): void => io.print('pass', n, ...values);
      function* task(k: string) {
        p(k, 'step 1');
        yield* sleep(0);
        p(k, 'step 2');
        yield* f;
        p(k, 'woken');
        return k;
      }
      const f: Future<number> = loop.createFuture();
      loop.callLater(0, p, 'timer 0');
      loop.callSoon(tick);
      const a = createTask(task('a'));
      const b = createTask(task('b'));
      f.addDoneCallback(() => p('callback of f, registered first'));
      a.addDoneCallback(() => p('a is done'));
      loop.callSoon(() => loop.callSoon(p, 'queued by a handle'));
      const h = loop.callSoon(p, 'never');
      loop.callSoon(() => h.cancel());
      h.cancel();
      yield* sleep(0);
      yield* sleep(0);
      p('main sets f');
      f.setResult(1);
      f.addDoneCallback(() => p('callback of f, registered last'));
      p('gathered', yield* gather(a, b));
      p(yield* f, 'no pass for a done future');
      yield* wait([a, b], { returnWhen: FIRST_COMPLETED });
      p('wait');
      p('end');
    },
  }),

  '13-cancel-chain': (io) => {
    const nothing = io.loop.createFuture<null>();
    nothing.setResult(null);
    function* below(kind: string) {
      try {
        yield* sleep(9);
      } catch (e) {
        if (!(e instanceof CancelledError)) throw e;
        if (kind === 'refuses') return 'refused';
        if (kind === 'other') throw new RangeError('instead');
        yield* sleep(2);
        throw e;
      }
      return null;
    }
    function* above(kind: string) {
      return yield* createTask(below(kind));
    }
    function* selfcancel(un: boolean, pause: boolean) {
      const t = me();
      t.cancel('self');
      if (un) io.say('uncancel', t.uncancel());
      yield* nothing;
      io.say('a done future delivers no cancel');
      if (pause) yield* sleep(0);
      return 'end';
    }
    return {
      *main() {
        for (const k of ['refuses', 'other', 'slow']) {
          const t = createTask(above(k));
          yield* sleep(1);
          t.cancel(k);
          yield* io.end(t, k);
          io.say(t.cancelled(), t.cancelling());
        }
        for (const un of [false, true]) {
          for (const w of [false, true])
            yield* io.end(createTask(selfcancel(un, w)), `uncancel ${un} await ${w}`);
        }
        const f = io.loop.createFuture<string>();
        let t: Task<unknown> = createTask(waitFor(f, null));
        yield* sleep(0);
        f.setResult('R');
        io.say(t.cancel('after the result'));
        yield* io.end(t, 'woken, then cancelled');
        io.say(f.result());
        t = createTask(below('slow'));
        yield* sleep(0);
        t.cancel('a');
        yield* sleep(1);
        t.cancel('b');
        yield* io.end(t, 'cancelled in its cleanup');
      },
    };
  },

  '15-run-shutdown': (io) => {
    let late: Task<unknown> | undefined;
    let keep: Task<unknown>[] = [];
    function* keeper(n: string, d: number) {
      try {
        yield* sleep(99);
      } catch (e) {
        if (!(e instanceof CancelledError)) throw e;
        io.say(n, 'cancelled', args(e));
        yield* sleep(d);
        io.say(n, 'ends');
        late = createTask(sleep(9));
      }
    }
    function* fails(): Gen<void> {
      try {
        yield* sleep(99);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- that is what the program is about
        throw new RangeError('in cleanup');
      }
    }
    return {
      *main() {
        handleQuietly(io);
        keep = [keeper('k1', 2), keeper('k2', 1), fails()].map((coro) => createTask<unknown>(coro));
        const g = trackAsyncgen(agen(io));
        io.say((yield* fromNext(g)).value);
        yield* sleep(1);
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
    function* child(n: string, pause: boolean, fail = false) {
      io.say(n, v.get());
      v.set(n);
      if (pause) {
        yield* sleep(0);
        io.say(n, 'again', v.get());
      }
      if (fail) throw new RangeError(n);
      return n;
    }
    return {
      *main() {
        v.set('main');
        const lazy = createTask(child('lazy', true), { name: 'L' });
        v.set('changed');
        const e = createTask(child('eager', false), { name: 'E', eagerStart: true });
        io.say(e.getName(), e.done(), e.getCoro(), v.get());
        io.loop.callSoon(() => {
          io.say('callback 1', v.get());
          v.set('cb');
        });
        io.loop.callSoon(() => io.say('callback 2', v.get()));
        yield* lazy;
        io.say(v.get());
        const ctx: Context = copyContext();
        yield* createTask(child('shared', false), { context: ctx });
        io.say(v.get(), ctx.get(v));
        yield* child('inline', false);
        io.say(v.get());
        io.loop.setTaskFactory(eagerTaskFactory);
        io.say(gather(child('x', false), child('y', false)).done());
        try {
          yield* new TaskGroup().run(function* (tg) {
            tg.createTask(child('f', false, true));
            io.say('not yet');
            yield* sleep(0);
            yield* sleep(0);
            io.say('never');
          });
        } catch (g) {
          if (!(g instanceof ExceptionGroup)) throw g;
          io.say(g.exceptions);
        }
      },
    };
  },

  '17-wait-and-as-completed': (io) => {
    function* child(n: string, t: number, how?: string) {
      yield* sleep(t);
      if (how === 'cancel') {
        me().cancel(n);
        yield* sleep(0);
      }
      if (how !== undefined) throw new RangeError(n);
      return n;
    }
    return {
      *main() {
        const a = createTask(child('a', 1, 'cancel'));
        const b = createTask(child('b', 2, 'fail'));
        const c = createTask(child('c', 3));
        let [done, pending] = yield* wait([a, b, c], { returnWhen: FIRST_EXCEPTION });
        io.say(done.size, pending.size, done.has(b));
        [done, pending] = yield* wait(new Set([c]), { timeout: 0.5 });
        io.say(done.size, pending.size, c.done());
        const w = createTask(wait([c]));
        yield* sleep(0);
        w.cancel();
        yield* io.end(w, 'wait cancelled');
        io.say(c.cancelling());
        for (const aw of asCompleted([a, b, c, c])) yield* io.end(aw, 'plain');
        const d = createTask(child('d', 1));
        const e = createTask(child('e', 9));
        try {
          const completed = asCompleted([e, d], { timeout: 2 });
          for (let next = yield* completed.next(); next.done !== true; next = yield* completed.next()) {
            io.say(next.value === d, next.value.result());
          }
        } catch (error) {
          if (!(error instanceof TimeoutError)) throw error;
          io.say('TimeoutError from the loop', e.done(), e.cancelling());
        }
        for (const aw of asCompleted([e, child('x', 9)], { timeout: 1 })) yield* io.end(aw, 'late');
      },
    };
  },
};

/** Shutdown prints the errors that it finds, without the time. */
export function handleQuietly(io: Io): void {
  io.loop.setExceptionHandler((_loop, c) => {
    // CPython reports a task that never ends when it is collected, which its program does not wait for.
    if (!c.message.includes('was destroyed')) io.print('HANDLER', c.message, c.exception);
  });
}

export async function* agen(io: Io): AsyncGenerator<number, void, void> {
  try {
    yield 1;
    yield 2;
  } finally {
    await sleep(1);
    io.say('agen closed');
  }
}

const fromNext = coroutine((g: AsyncGenerator<number, void, void>) => g.next());
