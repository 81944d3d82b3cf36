/** What holds for locks, events, conditions, semaphores, barriers and queues alike. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Barrier,
  BoundedSemaphore,
  Condition,
  type Coroutine,
  createTask,
  currentTask,
  DeadlockError,
  Event,
  getRunningLoop,
  LifoQueue,
  Lock,
  PriorityQueue,
  Queue,
  QueueIterator,
  Semaphore,
  sleep,
  type Task,
  timeout,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf, logOf, runVirtually, textOf } from '../support/programs.ts';
import { inBothStyles, on, type Steps, thrownBy, turns } from '../support/styles.ts';

const classes = {
  Lock,
  Event,
  Condition,
  Semaphore,
  BoundedSemaphore,
  Barrier,
  Queue,
  PriorityQueue,
  LifoQueue,
  QueueIterator,
};

/** An operation on a primitive. */
interface Scene {
  primitive: object;
  operate: () => Coroutine<unknown>;
}

/** A method that gives a coroutine. */
interface Checkpoint {
  /** A state in which it does not wait; null if it always does. */
  free: (() => Scene) | null;
  /** One in which it does; null if it never does. */
  busy: (() => Steps<Scene>) | null;
}

type Held = Lock | Condition | Semaphore;

/** For what is held: `acquire` and `run`. */
function heldCheckpoints(make: () => Held): Record<string, Checkpoint> {
  const checkpoint = (operate: (primitive: Held) => Coroutine<unknown>): Checkpoint => ({
    free: () => {
      const primitive = make();
      return { primitive, operate: () => operate(primitive) };
    },
    *busy() {
      const primitive = make();
      yield* on(primitive.acquire());
      return { primitive, operate: () => operate(primitive) };
    },
  });
  return {
    acquire: checkpoint((primitive) => primitive.acquire()),
    run: checkpoint((primitive) => primitive.run(() => 1)),
  };
}

function queueCheckpoints(make: () => Queue<number>): Record<string, Checkpoint> {
  const empty = (operate: (queue: Queue<number>) => Coroutine<unknown>): Scene => {
    const queue = make();
    return { primitive: queue, operate: () => operate(queue) };
  };
  const full = (operate: (queue: Queue<number>) => Coroutine<unknown>): Scene => {
    const queue = make();
    queue.putNowait(1);
    return { primitive: queue, operate: () => operate(queue) };
  };
  const get = (queue: Queue<number>): Coroutine<unknown> => queue.get();
  const put = (queue: Queue<number>): Coroutine<unknown> => queue.put(2);
  const join = (queue: Queue<number>): Coroutine<unknown> => queue.join();
  return {
    get: { free: () => full(get), busy: () => now(empty(get)) },
    put: { free: () => empty(put), busy: () => now(full(put)) },
    join: { free: () => empty(join), busy: () => now(full(join)) },
  };
}

/** Steps that take no time. */
function* now<T>(value: T): Steps<T> {
  return value;
}

function barrierCheckpoint(operate: (barrier: Barrier) => Coroutine<unknown>, canWait: boolean): Checkpoint {
  const at = (parties: number): Scene => {
    const barrier = new Barrier(parties);
    return { primitive: barrier, operate: () => operate(barrier) };
  };
  return { free: () => at(1), busy: canWait ? () => now(at(2)) : null };
}

function* heldCondition(operate: (condition: Condition) => Coroutine<unknown>): Steps<Scene> {
  const condition = new Condition();
  yield* on(condition.acquire());
  return { primitive: condition, operate: () => operate(condition) };
}

const checkpoints: Record<string, Record<string, Checkpoint>> = {
  Lock: heldCheckpoints(() => new Lock()),
  Semaphore: heldCheckpoints(() => new Semaphore(1)),
  BoundedSemaphore: heldCheckpoints(() => new BoundedSemaphore(1)),
  Event: {
    wait: {
      free: () => {
        const event = new Event();
        event.set();
        return { primitive: event, operate: () => event.wait() };
      },
      *busy() {
        const event = new Event();
        return { primitive: event, operate: () => event.wait() };
      },
    },
  },
  Condition: {
    ...heldCheckpoints(() => new Condition()),
    wait: { free: null, busy: () => heldCondition((condition) => condition.wait()) },
    waitFor: {
      free: () => {
        const condition = new Condition();
        return { primitive: condition, operate: () => condition.waitFor(() => true) };
      },
      busy: () => heldCondition((condition) => condition.waitFor(() => false)),
    },
  },
  Barrier: {
    wait: barrierCheckpoint((barrier) => barrier.wait(), true),
    run: barrierCheckpoint((barrier) => barrier.run(() => 1), true),
    // Nobody holds the lock inside of a barrier over a wait.
    reset: barrierCheckpoint((barrier) => barrier.reset(), false),
    abort: barrierCheckpoint((barrier) => barrier.abort(), false),
  },
  Queue: queueCheckpoints(() => new Queue(1)),
  PriorityQueue: queueCheckpoints(() => new PriorityQueue(1)),
  LifoQueue: queueCheckpoints(() => new LifoQueue(1)),
  QueueIterator: {
    next: {
      free: () => {
        const queue = new Queue<number>();
        queue.putNowait(1);
        return { primitive: queue, operate: () => queue[Symbol.asyncIterator]().next() };
      },
      *busy() {
        const queue = new Queue<number>();
        return { primitive: queue, operate: () => queue[Symbol.asyncIterator]().next() };
      },
    },
  },
};

/** Those that never wait. */
const immediate = new Set(
  (
    'locked release toString isSet set clear notify notifyAll qsize empty full putNowait getNowait taskDone shutdown ' +
    'value nWaiting broken constructor'
  ).split(' '),
);

describe('P3: the table of checkpoints', () => {
  test('has every method that gives a coroutine', () => {
    for (const [name, each] of Object.entries(classes)) {
      const methods = new Set<string>();
      for (
        let prototype = each.prototype as object;
        prototype !== Object.prototype;
        prototype = Object.getPrototypeOf(prototype) as object
      ) {
        for (const key of Object.getOwnPropertyNames(prototype)) methods.add(key);
      }
      const found = [...methods].filter((method) => !method.startsWith('_') && !immediate.has(method));
      assert.deepEqual(found.sort(), Object.keys(checkpoints[name] ?? {}).sort(), name);
    }
  });

  for (const [name, methods] of Object.entries(checkpoints)) {
    for (const [method, { free, busy }] of Object.entries(methods)) {
      if (free !== null) {
        inBothStyles(
          `${name}.${method} does not suspend where it need not, cancelled or not`,
          function* (style) {
            let hasTurned = false;
            getRunningLoop().callSoon(() => {
              hasTurned = true;
            });
            yield* on(free().operate());
            assert.equal(hasTurned, false);
            const task: Task<string> = style.task(function* () {
              task.cancel();
              yield* on(free().operate());
              // What was asked for comes at the next suspension.
              const text = yield* thrownBy(sleep(0));
              task.uncancel();
              return text;
            });
            assert.equal(yield* on(task), 'CancelledError');
          },
        );
      }

      if (busy !== null) {
        inBothStyles(`${name}.${method} is cancelled while it waits, and changes nothing`, function* (style) {
          const { primitive, operate } = yield* busy();
          const before = String(primitive);
          const task = style.task(() => on(operate()));
          yield* turns();
          assert.equal(task.done(), false);
          task.cancel('enough');
          assert.equal(yield* thrownBy(task), 'CancelledError: enough');
          assert.equal(String(primitive), before);
        });
      }
    }
  }
});

/** Something that one waits for and another hands over, and how to find it again. */
interface Handover {
  wait(): Coroutine<unknown>;
  handOver(): void;
  /** Whether what was handed over is there for somebody else. */
  isFree(): boolean;
}

const handovers: Record<string, () => Steps<Handover>> = {
  *'the turn of a Lock'() {
    const lock = new Lock();
    yield* on(lock.acquire());
    return { wait: () => lock.acquire(), handOver: () => lock.release(), isFree: () => !lock.locked() };
  },
  *'the permit of a Semaphore'() {
    const semaphore = new Semaphore(0);
    return {
      wait: () => semaphore.acquire(),
      handOver: () => semaphore.release(),
      isFree: () => semaphore.value === 1 && !semaphore.locked(),
    };
  },
  *'the item of a Queue'() {
    const queue = new Queue<number>();
    return { wait: () => queue.get(), handOver: () => queue.putNowait(1), isFree: () => queue.qsize() === 1 };
  },
  *'the room of a Queue'() {
    const queue = new Queue<number>(1);
    queue.putNowait(1);
    return {
      wait: () => queue.put(2),
      handOver: () => void queue.getNowait(),
      isFree: () => queue.qsize() === 0,
    };
  },
  *'the notice of a Condition'() {
    const condition = new Condition();
    let isThere = false;
    const take = (): boolean => {
      const was = isThere;
      isThere = false;
      return was;
    };
    return {
      wait: () => condition.run(() => condition.waitFor(take)),
      handOver: () => {
        // The lock is free, so that this takes it without a wait.
        condition.acquire()[Symbol.iterator]().next();
        isThere = true;
        condition.notify();
        condition.release();
      },
      isFree: () => isThere && !condition.locked(),
    };
  },
};

describe('P5: a result and a cancellation in one turn', () => {
  for (const [name, make] of Object.entries(handovers)) {
    for (const order of ['result first', 'cancellation first']) {
      inBothStyles(`${name}, ${order}: the cancellation wins, nothing is lost (P4)`, function* (style) {
        const { wait, handOver, isFree } = yield* make();
        const task = style.task(() => on(wait()));
        yield* turns();
        const acts = [handOver, () => void task.cancel()];
        if (order !== 'result first') acts.reverse();
        for (const act of acts) act();
        assert.equal(yield* thrownBy(task), 'CancelledError');
        assert.equal(isFree(), true);
      });

      inBothStyles(`${name}, ${order}: by a timeout it is there or given back`, function* (style) {
        const { wait, handOver, isFree } = yield* make();
        const give = (): void => void getRunningLoop().callAt(1, handOver);
        if (order === 'result first') give();
        const task = style.task(() => thrownBy(waitFor(wait(), 1)));
        yield* turns();
        if (order !== 'result first') give();
        const text = yield* on(task);
        assert.equal(text, 'TimeoutError');
        assert.equal(isFree(), true);
      });
    }

    inBothStyles(
      `${name}: one who has it already keeps it, and is cancelled at its next wait`,
      function* (style) {
        const { wait, handOver, isFree } = yield* make();
        let got = false;
        const task = style.task(function* () {
          yield* on(wait());
          got = true;
          yield* on(sleep(1));
        });
        yield* turns();
        handOver();
        yield* turns(3);
        assert.equal(got, true);
        task.cancel();
        assert.equal(yield* thrownBy(task), 'CancelledError');
        assert.equal(isFree(), false);
      },
    );
  }
});

describe('a primitive and its loop', () => {
  /** Each with an operation that waits, and how others end that. */
  const waits: Record<string, () => { primitive: object; wait: () => Coroutine<unknown>; end: () => void }> =
    {
      Lock: () => {
        const lock = new Lock();
        return { primitive: lock, wait: () => lock.acquire(), end: () => lock.release() };
      },
      Semaphore: () => {
        const semaphore = new Semaphore(1);
        return { primitive: semaphore, wait: () => semaphore.acquire(), end: () => semaphore.release() };
      },
      Event: () => {
        const event = new Event();
        return { primitive: event, wait: () => event.wait(), end: () => event.set() };
      },
      Queue: () => {
        const queue = new Queue<number>();
        return { primitive: queue, wait: () => queue.get(), end: () => queue.putNowait(1) };
      },
    };

  test('it is made before any loop, and an operation that does not wait binds it to none', async () => {
    const lock = new Lock();
    const semaphore = new Semaphore(1);
    const event = new Event();
    const condition = new Condition();
    const barrier = new Barrier(1);
    const queue = new Queue<number>(1);
    for (let run = 0; run < 3; run++) {
      await runVirtually(async () => {
        await lock.run(async () => await sleep(1));
        await semaphore.run(async () => await sleep(1));
        event.set();
        await event.wait();
        await condition.run(() => condition.waitFor(() => true));
        assert.equal(await barrier.wait(), 0);
        await queue.put(1);
        assert.equal(await queue.get(), 1);
        queue.taskDone();
        await queue.join();
      });
    }
  });

  for (const [name, make] of Object.entries(waits)) {
    test(`a ${name} that somebody waited for belongs to that loop`, async () => {
      const { primitive, wait, end } = make();
      await runVirtually(async () => {
        if ('acquire' in primitive) await wait();
        const waiting = createTask(wait);
        await sleep(1);
        end();
        await waiting;
        if (primitive instanceof Event) primitive.clear();
      });
      const before = String(primitive);
      await runVirtually(async () => {
        assert.equal(await textOf(wait), `RuntimeError: ${before} is bound to a different event loop`);
        assert.equal(String(primitive), before);
        end();
        // What need not wait goes on.
        await wait();
      });
    });
  }

  test('a Condition, a Barrier and the join of a Queue say their own name', async () => {
    const condition = new Condition();
    const barrier = new Barrier(2);
    const queue = new Queue<number>();
    await runVirtually(async () => {
      for (const wait of [
        () => condition.run(() => condition.wait()),
        () => barrier.wait(),
        () => queue.put(1),
        () => queue.join(),
      ]) {
        await waitFor<unknown>(wait(), 1)
          .toPromise()
          .catch(() => {});
      }
    });
    await runVirtually(async () => {
      const bound = 'is bound to a different event loop';
      assert.equal(
        await textOf(() => condition.run(() => condition.wait())),
        `RuntimeError: <Condition [locked]> ${bound}`,
      );
      assert.equal(condition.locked(), false);
      assert.equal(
        await textOf(() => barrier.wait()),
        `RuntimeError: <Barrier [filling, waiters:1/2]> ${bound}`,
      );
      assert.equal(String(barrier), '<Barrier [filling, waiters:0/2]>');
      assert.equal(
        await textOf(() => queue.join()),
        `RuntimeError: <Queue maxsize=0 _queue=[1] tasks=1> ${bound}`,
      );
    });
  });

  test('a lock of another loop inside of a condition', async () => {
    const lock = new Lock();
    await runVirtually(async () => {
      await lock.acquire();
      const waiting = createTask(() => lock.acquire());
      await sleep(1);
      lock.release();
      await waiting;
    });
    await runVirtually(async () => {
      const condition = new Condition(lock);
      assert.equal(
        await textOf(() => condition.acquire()),
        'RuntimeError: <Lock [locked]> is bound to a different event loop',
      );
      // It waits for the notice, and only then needs the lock.
      const waiting = createTask(() => condition.wait());
      await sleep(1);
      assert.equal(String(condition), '<Condition [unlocked, waiters:1]>');
      waiting.cancel();
      assert.equal(await textOf(async () => await waiting), 'CancelledError: ');
    });
  });

  test('outside of every loop an operation that waits fails, and nobody stands in the line', async () => {
    const queue = new Queue<number>();
    assert.match(await textOf(() => queue.get()), /^RuntimeError: no running event loop/);
    assert.equal(String(queue), '<Queue maxsize=0>');
  });
});

describe('several strands of one task', () => {
  test('stand in line each for itself', async () => {
    await runVirtually(async () => {
      const lock = new Lock();
      const order: number[] = [];
      await lock.acquire();
      getRunningLoop().callLater(1, () => lock.release());
      await Promise.all(
        [0, 1, 2].map(async (i) => {
          using _ = await lock.acquire();
          order.push(i);
          await sleep(1);
        }),
      );
      assert.deepEqual(order, [0, 1, 2]);
      assert.equal(getRunningLoop().time(), 4);
      assert.equal(lock.locked(), false);
    });
  });

  test('one that its own limit takes out leaves the others in line', async () => {
    await runVirtually(async () => {
      for (const limited of [
        (lock: Lock) => waitFor(lock.acquire(), 1),
        (lock: Lock) => timeout(1).run(async () => await lock.acquire()),
      ]) {
        const lock = new Lock();
        const guard = await lock.acquire();
        const results = Promise.allSettled([lock.acquire(), limited(lock), lock.acquire()]);
        await sleep(0.5);
        assert.equal(String(lock), '<Lock [locked, waiters:3]>');
        await sleep(1);
        assert.equal(String(lock), '<Lock [locked, waiters:2]>');
        guard.release();
        await sleep(0);
        lock.release();
        assert.deepEqual(
          (await results).map((result) => result.status),
          ['fulfilled', 'rejected', 'fulfilled'],
        );
        assert.equal(currentTask()?.cancelling(), 0);
      }
    });
  });

  test('a limit that strikes as the turn comes passes the turn to the next strand', async () => {
    await runVirtually(async () => {
      for (const isReleasedFirst of [true, false]) {
        const start = getRunningLoop().time();
        const lock = new Lock();
        await lock.acquire();
        const release = (): void => void getRunningLoop().callAt(start + 1, () => lock.release());
        if (isReleasedFirst) release();
        const limited = waitFor(lock.acquire(), 1).toPromise().catch(String);
        const other = lock.acquire().toPromise();
        if (!isReleasedFirst) release();
        assert.equal(await limited, 'TimeoutError');
        (await other).release();
        assert.equal(String(lock), '<Lock [unlocked]>');
      }
    });
  });

  test('a cancellation of the task ends the waits of all', async () => {
    await runVirtually(async () => {
      const lock = new Lock();
      const queue = new Queue<number>();
      const event = new Event();
      await lock.acquire();
      const task = createTask(async () => {
        await Promise.all([lock.acquire(), queue.get(), event.wait(), lock.run(async () => {})]);
      });
      await sleep(1);
      assert.equal(String(lock), '<Lock [locked, waiters:2]>');
      task.cancel();
      assert.equal(await textOf(async () => await task), 'CancelledError: ');
      assert.equal(String(lock), '<Lock [locked]>');
      assert.equal(String(queue), '<Queue maxsize=0>');
      assert.equal(String(event), '<Event [unset]>');
    });
  });

  test('the loser of a race stays in line until the function ends, and then leaves it', async () => {
    await runVirtually(async () => {
      const queue = new Queue<number>();
      const condition = new Condition();
      const loser = async (): Promise<unknown> => await condition.run(async () => await condition.wait());
      const task = createTask(async () => {
        const lost = loser().catch(String);
        await Promise.race([queue.get().toPromise().catch(String), lost, sleep(1)]);
        assert.equal(String(queue), '<Queue maxsize=0 _getters[1]>');
        assert.equal(String(condition), '<Condition [unlocked, waiters:1]>');
      });
      await task;
      await sleep(1);
      assert.equal(String(queue), '<Queue maxsize=0>');
      // The condition was taken again, and released.
      assert.equal(String(condition), '<Condition [unlocked]>');
      queue.putNowait(1);
      assert.equal(queue.getNowait(), 1);
    });
  });

  test('one that waits for what another strand does', async () => {
    await runVirtually(async () => {
      const queue = new Queue<number>(1);
      const barrier = new Barrier(3);
      const [taken, , positions] = await Promise.all([
        (async () => {
          const items: number[] = [];
          for await (const item of queue) items.push(item);
          return items;
        })(),
        (async () => {
          for (let i = 0; i < 4; i++) await queue.put(i);
          queue.shutdown();
        })(),
        Promise.all([barrier.wait(), barrier.wait(), barrier.wait()]),
      ]);
      assert.deepEqual(taken, [0, 1, 2, 3]);
      assert.deepEqual(positions, [0, 1, 2]);
    });
  });
});

describe('a forgotten await', () => {
  test('is warned about, by the name of the operation', async () => {
    const log = await logOf(() =>
      runVirtually(async () => {
        const queue = new Queue<number>();
        queue.put(1);
        queue.get();
        queue.join();
        new Lock().acquire();
        new Semaphore().acquire();
        new Event().wait();
        const condition = new Condition();
        condition.wait();
        condition.run(() => {});
        new Barrier(1).wait();
        await sleep(0);
        assert.equal(queue.qsize(), 0);
      }),
    );
    const names = log.map(
      (line) => /^warning: RuntimeWarning: coroutine '(.*)' was never awaited$/.exec(line)?.[1],
    );
    assert.deepEqual(names, [
      'Queue.put',
      'Queue.get',
      'Queue.join',
      'Lock.acquire',
      'Semaphore.acquire',
      'Event.wait',
      'Condition.wait',
      'Condition.run',
      'Barrier.wait',
    ]);
  });

  test('and a second await is refused', async () => {
    await runVirtually(async () => {
      const lock = new Lock();
      const acquiring = lock.acquire();
      await acquiring;
      assert.equal(
        await textOf(async () => await acquiring),
        'RuntimeError: cannot reuse already awaited coroutine',
      );
      const closed = lock.acquire();
      closed.close();
      assert.match(await textOf(async () => await closed), /^RuntimeError: cannot reuse/);
    });
  });
});

describe('a deadlock', () => {
  /** What the report says that the tasks wait for. */
  const waitsOf = async (main: () => Promise<unknown>): Promise<string[]> => {
    const error = await errorOf(() => runVirtually(main));
    assert.ok(error instanceof DeadlockError);
    return [...error.message.matchAll(/waits for (.*)/g)].map(([, text]) => text as string);
  };

  test('over a lock names the lock and who took it', async () => {
    const lock = new Lock();
    const waits = await waitsOf(async () => {
      await createTask(() => lock.acquire(), { name: 'holder' });
      await lock.acquire();
    });
    assert.deepEqual(waits, ["<Lock [locked, waiters:1]>, taken by 'holder'"]);
  });

  test('of two who take two locks in different order names both', async () => {
    const [left, right] = [new Lock(), new Lock()];
    const take = async (first: Lock, second: Lock): Promise<void> => {
      await first.run(async () => {
        await sleep(1);
        await second.run(() => {});
      });
    };
    const waits = await waitsOf(async () => {
      const tasks = [
        createTask(() => take(left, right), { name: 'a' }),
        createTask(() => take(right, left), { name: 'b' }),
      ];
      for (const task of tasks) await task;
    });
    assert.ok(waits.includes("<Lock [locked, waiters:1]>, taken by 'b'"));
    assert.ok(waits.includes("<Lock [locked, waiters:1]>, taken by 'a'"));
  });

  test('names what else one waits for', async () => {
    const full = (): Queue<string> => {
      const queue = new Queue<string>(1);
      queue.putNowait('a');
      return queue;
    };
    const waitInCondition = (): PromiseLike<unknown> => {
      const condition = new Condition();
      return condition.run(() => condition.wait());
    };
    const cases: [() => PromiseLike<unknown>, string][] = [
      [() => new Queue().get(), '<Queue maxsize=0 _getters[1]>'],
      [() => full().put('b'), "<Queue maxsize=1 _queue=['a'] _putters[1] tasks=1>"],
      [() => full().join(), "<Queue maxsize=1 _queue=['a'] tasks=1>"],
      [() => new Barrier(2).wait(), '<Barrier [filling, waiters:1/2]>'],
      [waitInCondition, '<Condition [unlocked, waiters:1]>'],
      [() => new Semaphore(0).acquire(), '<Semaphore [locked, waiters:1]>'],
      [() => new Event().wait(), '<Event [unset, waiters:1]>'],
    ];
    for (const [wait, text] of cases) assert.deepEqual(await waitsOf(async () => await wait()), [text]);
  });
});
