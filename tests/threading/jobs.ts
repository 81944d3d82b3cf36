/** What the threads of the tests do. */
import { threadId } from 'node:worker_threads';
import { CancelledError, gather, run, sleep, type Task } from 'asyncio-ts';
import type { Barrier, Condition, Event, Lock, queue, RLock, Semaphore } from 'asyncio-ts/threading';
import { Random } from '../conformance/random.ts';
import { on, type Steps, type Style, styles } from '../support/styles.ts';

type Counts = Int32Array;

/** Add to a count that only a lock keeps right: it is read, and written later. */
export async function addUnder(lock: Lock | RLock, counts: Counts, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const guard = await lock.acquire();
    const before = counts[0] as number;
    if (i % 100 === 0) await new Promise(setImmediate);
    counts[0] = before + 1;
    guard.release();
  }
}

/** Hold permits, and note how many are held at once. */
export async function holdPermits(semaphore: Semaphore, counts: Counts, times: number): Promise<void> {
  await run(async () => {
    const hold = async (): Promise<void> => {
      for (let i = 0; i < times; i++) {
        await semaphore.run(async () => {
          const now = Atomics.add(counts, 0, 1) + 1;
          for (let most = Atomics.load(counts, 1); now > most; most = Atomics.load(counts, 1)) {
            Atomics.compareExchange(counts, 1, most, now);
          }
          await sleep(0);
          Atomics.sub(counts, 0, 1);
        });
      }
    };
    await gather([hold, hold]);
  });
}

/** Count those whom an event lets through. */
export async function waitForEvent(event: Event, ready: Semaphore, counts: Counts): Promise<void> {
  const waits = [event.wait(), event.wait()];
  ready.release();
  for (const wait of waits) if (await wait) Atomics.add(counts, 0, 1);
}

/** Meet again and again; the sum of the numbers of each round is noted. */
export async function meet(barrier: Barrier, sums: Counts, arrived: Counts, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    Atomics.add(arrived, round, 1);
    const number = await barrier.wait();
    // Whoever is through finds that all have come.
    if (Atomics.load(arrived, round) !== barrier.parties) throw new Error(`round ${round}: too early`);
    Atomics.add(sums, round, 1 + number * 100);
  }
}

/** Wait for a condition in one thread after the other, and say in which order they woke. */
export async function waitInLine(
  condition: Condition,
  name: string,
  inLine: Semaphore,
  order: queue.Queue<string>,
): Promise<void> {
  const guard = await condition.acquire();
  const wait = condition.wait();
  inLine.release();
  await wait;
  order.putNowait(name);
  guard.release();
}

/** Wait for ever. */
export async function waitForEver(what: Lock | queue.Queue<unknown>, ready: Semaphore): Promise<void> {
  const wait: PromiseLike<unknown> = 'get' in what ? what.get() : what.acquire();
  ready.release();
  await wait;
}

/** Put numbers of one's own. */
export async function produce(
  items: queue.Queue<[thread: number, number: number]>,
  count: number,
): Promise<void> {
  for (let i = 0; i < count; i++) await items.put([threadId, i]);
}

/** Take items in many tasks of both styles, some of which are cancelled while they wait. Gives back what came. */
export async function consumeCancelled(
  items: queue.Queue<[number, number]>,
  got: queue.SimpleQueue<[number, number][]>,
  seed: number,
): Promise<void> {
  const random = new Random(seed);
  const mine: [number, number][] = [];
  await run(async () => {
    await gather(
      [0, 1, 2, 3].map((n) => async () => {
        const style = styles[n % styles.length] as Style;
        for (;;) {
          const task = style.task(function* take(): Steps<void> {
            const item = yield* on(items.get());
            mine.push(item);
          });
          if (random.below(4) === 0) {
            await sleep(random.below(3) / 1000);
            task.cancel();
          }
          try {
            await task;
          } catch (error) {
            if (error instanceof CancelledError) continue;
            return; // shut down
          }
        }
      }),
    );
  });
  got.putNowait(mine);
}

/** Count under the lock in tasks that are cancelled while they wait for it, and sometimes while they hold it. */
export async function lockCancelled(lock: Lock, counts: Counts, times: number, seed: number): Promise<void> {
  const random = new Random(seed);
  let mine = 0;
  const add = (style: Style): Task<void> =>
    style.task(function* add(): Steps<void> {
      const guard = yield* on(lock.acquire());
      const before = counts[0] as number;
      try {
        if (random.below(8) === 0) yield* on(sleep(0));
      } finally {
        counts[0] = before + 1;
        mine++;
        guard.release();
      }
    });
  await run(async () => {
    await gather(
      [0, 1, 2, 3].map((n) => async () => {
        for (let i = 0; i < times; i++) {
          const task = add(styles[n % styles.length] as Style);
          if (random.below(3) === 0) {
            for (let turns = random.below(3); turns > 0; turns--) await sleep(0);
            task.cancel();
          }
          await gather([task], { returnExceptions: true });
        }
      }),
    );
  });
  Atomics.add(counts, 1, mine);
}

/** Use a queue without end, until the thread is terminated. */
export async function churn(items: queue.Queue<unknown>, ready: Semaphore): Promise<void> {
  ready.release();
  for (let i = 0; ; i++) {
    items.putNowait(i % 7 === 0 ? { number: i, text: 'x'.repeat(i % 900) } : [i % 10, i]);
    if (i % 50 === 0) await new Promise(setImmediate);
    items.getNowait();
  }
}

/** As `churn`, with items that can be compared. */
export async function churnOrdered(items: queue.Queue<unknown>, ready: Semaphore): Promise<void> {
  ready.release();
  for (let i = 0; ; i++) {
    items.putNowait([i % 10, 'x'.repeat(i % 300)]);
    if (i % 50 === 0) await new Promise(setImmediate);
    items.getNowait();
  }
}

/** Send what comes back. */
export async function echo(
  from: queue.Queue<unknown>,
  to: queue.Queue<unknown>,
  count: number,
): Promise<void> {
  for (let i = 0; i < count; i++) await to.put(await from.get());
}

/** Do what an item says with what came in it. */
export async function serve(
  items: queue.Queue<[Lock, queue.Queue<string>, SharedArrayBuffer] | null>,
): Promise<void> {
  for (;;) {
    const item = await items.get();
    if (item === null) return;
    const [lock, answers, memory] = item;
    const counts = new Int32Array(memory);
    const guard = await lock.acquire();
    const before = counts[0] as number;
    await new Promise(setImmediate);
    counts[0] = before + 1;
    guard.release();
    answers.putNowait('served');
  }
}
