/** The hard programs about locks and queues as generators. */

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

export const primitivesGenerators: HardPrograms = {
  '04-lock': (io) => {
    function* use(lock: Lock, n: string) {
      try {
        yield* lock.run(function* () {
          io.say(n, 'in');
          yield* sleep(1);
        });
      } catch (e) {
        if (e instanceof CancelledError) io.say(n, 'cancelled, locked', lock.locked());
        throw e;
      }
    }
    return {
      *main() {
        const lock = new Lock();
        yield* lock.acquire();
        const [b, c, d] = 'bcd'.split('').map((n) => createTask(() => use(lock, n))) as [
          Task<void>,
          Task<void>,
          Task<void>,
        ];
        yield* sleep(1);
        lock.release();
        io.say('released', lock.locked());
        b.cancel();
        const e = createTask(() => use(lock, 'e'));
        yield* wait([b, c, d, e]);
        yield* lock.acquire();
        const x = createTask(() => use(lock, 'x'));
        yield* sleep(0);
        x.cancel();
        lock.release();
        yield* io.end(lock.acquire(), 'all waiters cancelled: at once');
        yield* sleep(0);
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
    function* use(s: Semaphore, n: string) {
      try {
        yield* s.acquire();
        io.say(n, 'has a unit', s.locked());
      } catch (e) {
        if (e instanceof CancelledError) io.say(n, 'cancelled');
        throw e;
      }
    }
    return {
      *main() {
        const s = new Semaphore(0);
        const [a, b, c] = 'abc'.split('').map((n) => createTask(() => use(s, n))) as [
          Task<void>,
          Task<void>,
          Task<void>,
        ];
        yield* sleep(1);
        s.release();
        io.say('locked after release', s.locked(), s.value);
        a.cancel();
        const d = createTask(() => use(s, 'd'));
        yield* sleep(1);
        s.release();
        s.release();
        const b2 = createTask(() => use(s, 'e'));
        yield* sleep(1);
        io.say(
          s.value,
          s.locked(),
          [a, b, c, d, b2].map((t) => t.done()),
        );
        s.release();
        yield* b2;
        const z = new BoundedSemaphore(1);
        yield* z.acquire();
        const w = createTask(() => use(z, 'w'));
        yield* sleep(0);
        z.release();
        io.say('handed over', z.value);
        yield* w;
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
    function* waiter(c: Condition, n: string) {
      yield* c.run(function* () {
        try {
          yield* c.wait();
          io.say(n, 'woken');
        } catch (e) {
          if (e instanceof CancelledError) io.say(n, args(e), 'lock held', c.locked());
          throw e;
        }
      });
    }
    return {
      *main() {
        const c = new Condition();
        const [a, b] = [createTask(() => waiter(c, 'a')), createTask(() => waiter(c, 'b'))];
        yield* sleep(1);
        yield* c.acquire();
        c.notify();
        yield* sleep(1);
        a.cancel('one');
        yield* sleep(1);
        a.cancel('two');
        yield* sleep(1);
        io.say('a done', a.done(), 'cancelling', a.cancelling());
        c.release();
        yield* io.end(a, 'a');
        yield* io.end(waitFor(b, 1), 'b');
        try {
          c.notify();
        } catch (e) {
          io.say((e as Error).message);
        }
        yield* io.end(c.wait(), 'without the lock');
      },
    };
  },

  '14-queue': (io) => {
    function* get(q: Queue<number>, n: string) {
      try {
        io.say(n, 'got', yield* q.get());
      } catch (e) {
        io.say(n, (e as Error).name);
        throw e;
      }
    }
    return {
      *main() {
        const q = new Queue<number>(2);
        const [a, b, c] = 'abc'.split('').map((n) => createTask(() => get(q, n))) as [
          Task<void>,
          Task<void>,
          Task<void>,
        ];
        yield* sleep(1);
        q.putNowait(1);
        io.say('stolen', q.getNowait());
        yield* sleep(1);
        q.putNowait(2);
        yield* sleep(1);
        q.putNowait(3);
        c.cancel();
        yield* sleep(1);
        io.say(q, a.done(), b.done());
        for (const i of [4, 5]) yield* q.put(i);
        createTask(() => io.end(q.put(6), 'blocked put'));
        const j = createTask(() => io.end(q.join(), 'join'));
        yield* sleep(1);
        q.shutdown();
        yield* sleep(1);
        io.say(q);
        yield* io.end(q.put(7), 'put');
        yield* io.end(q.get(), 'get');
        q.shutdown(true);
        yield* sleep(1);
        io.say(q.qsize(), 'unfinished', Number(/tasks=(\d+)/.exec(String(q))?.[1]), j.done());
        for (let i = 0; i < 4; i++) q.taskDone();
        yield* io.end(q.get(), 'get');
        yield* j;
        try {
          q.taskDone();
        } catch (e) {
          io.say((e as Error).message);
        }
      },
    };
  },

  '18-barrier': (io) => {
    function* party(b: Barrier, n: string) {
      try {
        io.say(n, 'index', yield* b.wait());
      } catch (e) {
        if (!(e instanceof BrokenBarrierError || e instanceof CancelledError)) throw e;
        io.say(n, e.name, args(e));
      }
    }
    return {
      *main() {
        const b = new Barrier(3);
        const start = (names: string) => names.split('').map((n) => createTask(() => party(b, n)));
        const [first, second] = start('AB') as [Task<void>, Task<void>];
        yield* sleep(1);
        io.say(b.nWaiting);
        first.cancel();
        yield* sleep(1);
        io.say(b.nWaiting);
        yield* gather(
          () => party(b, 'C'),
          () => party(b, 'D'),
          second,
        );
        io.say(b.nWaiting, b.broken);
        start('EF');
        yield* sleep(1);
        yield* b.reset();
        yield* sleep(1);
        start('GH');
        yield* sleep(1);
        yield* b.abort();
        yield* sleep(1);
        io.say(b.broken);
        yield* party(b, 'I');
        yield* b.reset();
        io.say(b.broken);
        yield* gather(...'JKLMNO'.split('').map((n) => () => party(b, n)));
      },
    };
  },
};
