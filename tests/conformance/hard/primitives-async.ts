/** The hard programs about locks and queues as async functions, line for line those of primitives-generators.ts. */

import {
  Barrier,
  BoundedSemaphore,
  BrokenBarrierError,
  CancelledError,
  Condition,
  createTask,
  gather,
  Lock,
  Queue,
  Semaphore,
  sleep,
  type Task,
  wait,
  waitFor,
} from 'asyncio-ts';
import { args, type HardPrograms } from './support.ts';

export const primitivesAsync: HardPrograms = {
  '04-lock': (io) => {
    async function use(lock: Lock, n: string) {
      try {
        await lock.run(async () => {
          io.say(n, 'in');
          await sleep(1);
        });
      } catch (e) {
        if (e instanceof CancelledError) io.say(n, 'cancelled, locked', lock.locked());
        throw e;
      }
    }
    return {
      main: () => async () => {
        const lock = new Lock();
        await lock.acquire();
        const [b, c, d] = 'bcd'.split('').map((n) => createTask(() => use(lock, n))) as [
          Task<void>,
          Task<void>,
          Task<void>,
        ];
        await sleep(1);
        lock.release();
        io.say('released', lock.locked());
        b.cancel();
        const e = createTask(() => use(lock, 'e'));
        await wait([b, c, d, e]);
        await lock.acquire();
        const x = createTask(() => use(lock, 'x'));
        await sleep(0);
        x.cancel();
        lock.release();
        await io.endAsync(lock.acquire(), 'all waiters cancelled: at once');
        await sleep(0);
        try {
          lock.release();
          lock.release();
        } catch (err) {
          io.say((err as Error).message);
        }
      },
    };
  },

  '05-semaphore': (io) => {
    async function use(s: Semaphore, n: string) {
      try {
        await s.acquire();
        io.say(n, 'has a unit', s.locked());
      } catch (e) {
        if (e instanceof CancelledError) io.say(n, 'cancelled');
        throw e;
      }
    }
    return {
      main: () => async () => {
        const s = new Semaphore(0);
        const [a, b, c] = 'abc'.split('').map((n) => createTask(() => use(s, n))) as [
          Task<void>,
          Task<void>,
          Task<void>,
        ];
        await sleep(1);
        s.release();
        io.say('locked after release', s.locked(), s.value);
        a.cancel();
        const d = createTask(() => use(s, 'd'));
        await sleep(1);
        s.release();
        s.release();
        const b2 = createTask(() => use(s, 'e'));
        await sleep(1);
        io.say(
          s.value,
          s.locked(),
          [a, b, c, d, b2].map((t) => t.done()),
        );
        s.release();
        await b2;
        const z = new BoundedSemaphore(1);
        await z.acquire();
        const w = createTask(() => use(z, 'w'));
        await sleep(0);
        z.release();
        io.say('handed over', z.value);
        await w;
        z.release();
        try {
          z.release();
        } catch (err) {
          io.say((err as Error).message);
        }
      },
    };
  },

  '06-condition': (io) => {
    async function waiter(c: Condition, n: string) {
      await c.run(async () => {
        try {
          await c.wait();
          io.say(n, 'woken');
        } catch (e) {
          if (e instanceof CancelledError) io.say(n, args(e), 'lock held', c.locked());
          throw e;
        }
      });
    }
    return {
      main: () => async () => {
        const c = new Condition();
        const [a, b] = [createTask(() => waiter(c, 'a')), createTask(() => waiter(c, 'b'))];
        await sleep(1);
        await c.acquire();
        c.notify();
        await sleep(1);
        a.cancel('one');
        await sleep(1);
        a.cancel('two');
        await sleep(1);
        io.say('a done', a.done(), 'cancelling', a.cancelling());
        c.release();
        await io.endAsync(a, 'a');
        await io.endAsync(waitFor(b, 1), 'b');
        try {
          c.notify();
        } catch (e) {
          io.say((e as Error).message);
        }
        await io.endAsync(c.wait(), 'without the lock');
      },
    };
  },

  '14-queue': (io) => {
    async function get(q: Queue<number>, n: string) {
      try {
        io.say(n, 'got', await q.get());
      } catch (e) {
        io.say(n, (e as Error).name);
        throw e;
      }
    }
    return {
      main: () => async () => {
        const q = new Queue<number>(2);
        const [a, b, c] = 'abc'.split('').map((n) => createTask(() => get(q, n))) as [
          Task<void>,
          Task<void>,
          Task<void>,
        ];
        await sleep(1);
        q.putNowait(1);
        io.say('stolen', q.getNowait());
        await sleep(1);
        q.putNowait(2);
        await sleep(1);
        q.putNowait(3);
        c.cancel();
        await sleep(1);
        io.say(q, a.done(), b.done());
        for (const i of [4, 5]) await q.put(i);
        createTask(() => io.endAsync(q.put(6), 'blocked put'));
        const j = createTask(() => io.endAsync(q.join(), 'join'));
        await sleep(1);
        q.shutdown();
        await sleep(1);
        io.say(q);
        await io.endAsync(q.put(7), 'put');
        await io.endAsync(q.get(), 'get');
        q.shutdown(true);
        await sleep(1);
        io.say(q.qsize(), 'unfinished', Number(/tasks=(\d+)/.exec(String(q))?.[1]), j.done());
        for (let i = 0; i < 4; i++) q.taskDone();
        await io.endAsync(q.get(), 'get');
        await j;
        try {
          q.taskDone();
        } catch (e) {
          io.say((e as Error).message);
        }
      },
    };
  },

  '18-barrier': (io) => {
    async function party(b: Barrier, n: string) {
      try {
        io.say(n, 'index', await b.wait());
      } catch (e) {
        if (!(e instanceof BrokenBarrierError || e instanceof CancelledError)) throw e;
        io.say(n, e.name, args(e));
      }
    }
    return {
      main: () => async () => {
        const b = new Barrier(3);
        const start = (names: string) => names.split('').map((n) => createTask(() => party(b, n)));
        const [first, second] = start('AB') as [Task<void>, Task<void>];
        await sleep(1);
        io.say(b.nWaiting);
        first.cancel();
        await sleep(1);
        io.say(b.nWaiting);
        await gather(
          () => party(b, 'C'),
          () => party(b, 'D'),
          second,
        );
        io.say(b.nWaiting, b.broken);
        start('EF');
        await sleep(1);
        await b.reset();
        await sleep(1);
        start('GH');
        await sleep(1);
        await b.abort();
        await sleep(1);
        io.say(b.broken);
        await party(b, 'I');
        await b.reset();
        io.say(b.broken);
        await gather(...'JKLMNO'.split('').map((n) => () => party(b, n)));
      },
    };
  },
};
