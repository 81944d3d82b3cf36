/** Calls on threads and processes. The names of the tests begin with what they prove. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Context, copyContext, getRunningLoop, run, SystemExit } from 'asyncio-ts';
import {
  asCompleted,
  CancelledError,
  type Executor,
  ExecutorFull,
  type Future,
  InlineExecutor,
  InterpreterPoolExecutor,
  ProcessPoolExecutor,
  type PoolExecutorOptions,
  ThreadPoolExecutor,
  transfer,
  wait,
} from 'asyncio-ts/concurrent';
import { Event, Lock } from 'asyncio-ts/threading';
import '../support/leaks.ts';
import { childPids, eventually, isAlive } from '../support/processes.ts';
import { errorOf, textOf } from '../support/programs.ts';
import { rounds } from '../support/rounds.ts';
import { closures } from './closures.ts';
import * as targets from './targets.ts';

type Pool = ThreadPoolExecutor | ProcessPoolExecutor;

const KINDS: Record<string, (options: PoolExecutorOptions) => Pool> = {
  threads: (options) => new ThreadPoolExecutor(options),
  processes: (options) => new ProcessPoolExecutor(options),
};

/** A test on threads, and one on processes. */
function onBoth(
  name: string,
  options: PoolExecutorOptions,
  body: (executor: Pool, kind: string) => Promise<void>,
) {
  for (const [kind, make] of Object.entries(KINDS)) {
    test(`${name} (${kind})`, async () => {
      const executor = make(options);
      try {
        await body(executor, kind);
      } finally {
        await executor.shutdown(true, { cancelFutures: true });
      }
      assert.deepEqual(childPids(), []);
    });
  }
}

const shared = (words: number): Int32Array<SharedArrayBuffer> =>
  new Int32Array(new SharedArrayBuffer(words * 4));

/** Resolves when `state[index]` is `value`. */
async function until(state: Int32Array, index: number, value: number): Promise<void> {
  await eventually(() => Atomics.load(state, index) === value, `state[${index}] is ${value}`);
}

const all = <T>(calls: Iterable<T | PromiseLike<T>>): Promise<Awaited<T>[]> => Promise.all(calls);

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
}

/** Make `target` known as fast: its calls may wait in busy workers from now on. */
async function warmUp(executor: Executor, workers: number): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await all(Array.from({ length: workers }, () => executor.submit(targets.note, shared(1))));
  }
}

onBoth(
  'sync, async and generator functions, in order, beside each other',
  { maxWorkers: 2 },
  async (executor) => {
    const calls = [1, 2, 3].flatMap((n) => [
      executor.submit(targets.add, n, 10),
      executor.submit(targets.addLater, n, 20),
      executor.submit(targets.addInSteps, n, 30),
    ]);
    assert.deepEqual(await all(calls), [11, 21, 31, 12, 22, 32, 13, 23, 33]);
    assert.equal(
      await executor.submit({ target: targets.add, module: new URL('targets.js', import.meta.url) }, 1, 2),
      3,
    );
    assert.equal(await executor.submit({ module: new URL('targets.js', import.meta.url) }), 'default');
    assert.equal(await executor.submit(targets.default), 'default');
    assert.equal(
      await executor.submit({ module: new URL('targets.js', import.meta.url).href, name: 'add' }, 3, 4),
      7,
    );
  },
);

onBoth('values cross as clones', { maxWorkers: 1 }, async (executor, kind) => {
  const error = new RangeError('r', { cause: 5 });
  const round = {
    a: [1, 2n, null, undefined, 'ü', new Date(5), /x/g, Number.NaN, -0],
    self: null as unknown,
  };
  round.self = round;
  const values = [
    undefined,
    null,
    new Map([[{ k: 1 }, new Set([1])]]),
    new Uint16Array([1, 2]),
    error,
    round,
  ];
  for (const value of values) {
    const back = await executor.submit(targets.echo, value);
    assert.notStrictEqual(back ?? 0, value);
    assert.deepEqual(back, value);
  }
  const proto = JSON.parse('{"__proto__": {"bad": 1}, "constructor": 2}') as object;
  assert.deepEqual(Object.keys((await executor.submit(targets.echo, proto)) as object), [
    '__proto__',
    'constructor',
  ]);
  const bytes = await executor.submit(targets.echo, Buffer.from('abc'));
  assert.equal(Buffer.from(bytes as Uint8Array).toString(), 'abc');
  assert.equal(Buffer.isBuffer(bytes), kind === 'processes');
});

onBoth(
  'errors arrive with class, message, stack, code, cause and properties',
  { maxWorkers: 1 },
  async (executor) => {
    const fails = (kind: string): Promise<any> => errorOf(() => executor.submit(targets.fail, kind));
    const custom = await fails('custom');
    assert.ok(custom instanceof targets.CustomError);
    assert.deepEqual([custom.name, custom.message, custom.detail], ['CustomError', 'custom', { code: 7 }]);
    assert.match(custom.stack as string, /targets\.(js|ts)/);
    const cause = await fails('cause');
    assert.ok(cause instanceof TypeError && cause.cause instanceof RangeError);
    assert.equal(cause.cause.cause, 'text');
    const group = await fails('group');
    assert.ok(group instanceof AggregateError && group.errors[0] instanceof TypeError);
    assert.deepEqual({ ...(await fails('code')) }, { code: 'ENOENT', errno: -2 });
    assert.match(String(await fails('text')), /just text/);
    assert.ok((await fails('undefined')) instanceof Error);
    assert.deepEqual({ ...(await fails('function')) }, { ok: 1 });
    assert.match(String(await fails('getter')), /an error that cannot be read: .*a getter that throws/);
    assert.equal((await fails('loop')).cause.cause.message, 'goes round');
    assert.match(String(await errorOf(() => executor.submit(targets.failLater, 'later'))), /later/);
    // As in Python, it is the call's error, and the worker goes on.
    const exit = await fails('exit');
    assert.ok(exit instanceof SystemExit);
    assert.equal(exit.code, 3);
    assert.equal(await executor.submit(targets.add, 1, 2), 3);
  },
);

onBoth(
  'targets that nobody can import get an error with the way out',
  { maxWorkers: 1 },
  async (executor) => {
    const text = (target: any, ...args: unknown[]) => textOf(() => executor.submit(target, ...args));
    assert.match(
      await text(closures.arrow),
      /^PicklingError: Can't pickle an anonymous function: it is not exported by file:.*export the function/,
    );
    assert.match(
      await text(closures.named),
      /^PicklingError: Can't pickle function named: it is not exported by/,
    );
    assert.match(
      await text(targets.bound),
      /^PicklingError: Can't pickle function bound add: .*\{ target, module/,
    );
    assert.match(await text(Math.max), /^PicklingError: Can't pickle function max: .*\{ target, module/);
    assert.match(
      await text({ module: new URL('targets.js', import.meta.url), name: 'nothing' }),
      /^PicklingError: Can't pickle function nothing: it is not exported by/,
    );
    assert.match(await text({ module: new URL('missing.js', import.meta.url), name: 'x' }), /missing\.js/);
    assert.match(
      await text({ module: new URL('bad-module.js', import.meta.url), name: 'x' }),
      /^RangeError: this module cannot be imported/,
    );
    assert.match(
      await text({ module: new URL('targets.js', import.meta.url), name: 'user' }),
      /^PicklingError/,
    );
    assert.throws(() => executor.submit(5 as never), {
      name: 'TypeError',
      message:
        'the function of submit() must be a function that a module exports, or { target, module: import.meta.url }, got 5',
    });
    assert.throws(() => executor.submit('add' as never), TypeError);
    assert.throws(() => executor.stream(null as never), TypeError);
    assert.equal(await executor.submit(targets.add, 1, 2), 3);
  },
);

onBoth(
  'P65 a call in line that is cancelled never runs',
  { maxWorkers: 1, prefetch: 0 },
  async (executor) => {
    const first = executor.submit(targets.sleepFor, 20);
    await eventually(() => first.running(), 'it runs');
    const calls = [1, 2, 3].map((n) =>
      executor.submit(targets.die, n === 2 ? 'exit 1' : ('nothing' as never)),
    );
    const [before, cancelled, after] = calls as [Future<void>, Future<void>, Future<void>];
    assert.equal(cancelled.cancel(), true);
    assert.equal(cancelled.cancel(), true);
    assert.ok(cancelled.cancelled() && cancelled.done() && !cancelled.running());
    assert.ok((await errorOf(() => cancelled)) instanceof CancelledError);
    assert.ok((await errorOf(() => cancelled.result())) instanceof CancelledError);
    await Promise.all([first, before, after]);
  },
);

onBoth(
  'P65 a running call is asked to stop; its waiter is free at once; others are untouched',
  { maxWorkers: 1, concurrency: 2 },
  async (executor) => {
    const heard: unknown[] = [];
    const call = executor.submit(targets.sleepForever);
    const other = executor.submit(targets.sleepFor, 50);
    call.addProgressCallback((value) => heard.push(value));
    await eventually(() => heard.length > 0, 'it has begun');
    assert.equal(call.cancel(), false);
    assert.equal(call.abort(), true);
    assert.ok(call.cancelled());
    assert.ok((await errorOf(() => call)) instanceof CancelledError);
    assert.equal(await other, 50);
    assert.equal(await executor.submit(targets.add, 1, 2), 3);
    // What it reports after that is dropped.
    assert.deepEqual(heard, ['begun']);
  },
);

test('P65 the function sees its cancellation: its signal, its finally blocks', async () => {
  await using executor = new ThreadPoolExecutor(1);
  const state = shared(2);
  const call = executor.submit(targets.noteCancellation, state);
  await until(state, 0, 1);
  call.abort();
  await until(state, 1, 1);
});

onBoth(
  'P65 H77 a call that does not stop loses its worker after the grace, and nobody else does',
  { maxWorkers: 2, cancelGrace: 0.05 },
  async (executor, kind) => {
    await warmUp(executor, 2).catch((error) => {
      if (kind === 'threads') throw error;
    });
    const [one, two] = await all([executor.submit(targets.place), executor.submit(targets.place)]);
    assert.ok(one && two);
    for (const target of [targets.forever, targets.stubborn]) {
      const stuck = executor.submit<[], unknown>(target);
      await eventually(() => stuck.running(), 'it runs');
      const others = Array.from({ length: 20 }, (_, i) => executor.submit(targets.addLater, i, i));
      await delay(20);
      assert.equal(stuck.abort(), true);
      assert.deepEqual(
        await all(others),
        others.map((_, i) => 2 * i),
      );
      assert.equal(await executor.submit(targets.add, 1, 2), 3);
    }
  },
);

test('P65 with no grace a call is never ended: its worker is busy until it ends by itself', async () => {
  const executor = new ThreadPoolExecutor({ maxWorkers: 1, cancelGrace: null });
  const state = shared(2);
  const call = executor.submit(targets.blockUntil, state);
  await until(state, 0, 1);
  assert.equal(call.abort(), true);
  const next = executor.submit(targets.add, 1, 2);
  await delay(50);
  assert.equal(next.done(), false);
  Atomics.store(state, 1, 1);
  Atomics.notify(state, 1);
  assert.equal(await next, 3);
  // As an option of one call.
  const gone = executor.submit({ target: targets.forever, cancelGrace: 0 });
  await eventually(() => gone.running(), 'it runs');
  gone.abort();
  assert.equal(await executor.submit(targets.add, 1, 2), 3);
  await executor.shutdown();
});

test('P65 fast calls do not wait behind one that turns out slow, nor are their results held up by it', async () => {
  await using executor = new ThreadPoolExecutor({ maxWorkers: 2 });
  await warmUp(executor, 2);
  const notes = shared(1);
  const gate = shared(2);
  // Of the same function, so that all are expected to be fast; in one turn, so that they travel together.
  const before = [executor.submit(targets.note, notes), executor.submit(targets.note, notes)];
  const slow = executor.submit(targets.note, notes, 400);
  const slower = executor.submit(targets.note, notes, 400);
  const behind = Array.from({ length: 30 }, () => executor.submit(targets.note, notes));
  await all(before);
  assert.ok(!slow.done() && !slower.done());
  await all(behind);
  await all([slow, slower]);
  assert.equal(notes[0], 34);
  assert.equal(gate[0], 0);
});

test('P65 fast calls that wait behind a stuck one can be cancelled, and the rest runs once', async () => {
  await using executor = new ThreadPoolExecutor({ maxWorkers: 1, cancelGrace: 0.05 });
  await warmUp(executor, 1);
  const notes = shared(1);
  const stuck = executor.submit(targets.note, notes, 3600_000);
  const behind = Array.from({ length: 20 }, () => executor.submit(targets.note, notes));
  await until(notes, 0, 1);
  assert.ok(behind.every((call) => !call.done()));
  assert.equal(behind[3]!.cancel(), true);
  assert.equal(behind[4]!.abort(), true);
  await delay(20);
  assert.equal(stuck.abort(), true);
  const done = await wait(behind);
  assert.equal(done.notDone.size, 0);
  assert.equal(behind.filter((call) => call.cancelled()).length, 2);
  assert.equal(notes[0], 19);
});

onBoth(
  'P67 the late result of a cancelled call is dropped',
  { maxWorkers: 1, cancelGrace: null },
  async (executor) => {
    const calls = Array.from({ length: 20 }, () => executor.submit(targets.burn, 2));
    for (const [i, call] of calls.entries()) {
      await delay(1);
      if (i % 2) call.abort();
    }
    const { done } = await wait(calls);
    for (const call of done) assert.ok(call.cancelled() || (await call) === 2);
    assert.equal(await executor.submit(targets.add, 1, 2), 3);
  },
);

onBoth(
  'P66 H57 H59 shutdown: waiting calls run, or are cancelled and everybody hears of it',
  { maxWorkers: 1 },
  async (executor) => {
    const running = executor.submit(targets.sleepFor, 30);
    await eventually(() => running.running(), 'it runs');
    const waiting = [executor.submit(targets.add, 1, 2), executor.submit(targets.add, 3, 4)];
    waiting[0]!.cancel();
    const ended = asCompleted([running, ...waiting]);
    const shutdown = executor.shutdown(true, { cancelFutures: true });
    assert.throws(() => executor.submit(targets.add, 1, 2), {
      name: 'RuntimeError',
      message: 'cannot schedule new futures after shutdown',
    });
    await shutdown;
    await executor.shutdown();
    await executor.shutdown(false);
    assert.deepEqual((await collect(ended)).length, 3);
    assert.deepEqual(
      waiting.map((call) => call.cancelled()),
      [true, true],
    );
    assert.equal(await running, 30);
  },
);

onBoth('P66 killWorkers ends what runs, cancels what waits', { maxWorkers: 1 }, async (executor) => {
  for (const [i, method] of (['killWorkers', 'terminateWorkers'] as const).entries()) {
    const own =
      i === 0
        ? executor
        : KINDS[executor instanceof ThreadPoolExecutor ? 'threads' : 'processes']!({ maxWorkers: 1 });
    const running = own.submit(targets.forever);
    await eventually(() => running.running(), 'it runs');
    const waiting = own.submit(targets.add, 1, 2);
    own[method]();
    assert.match(await textOf(() => running), /^Broken(Thread|Process)Pool/);
    assert.ok(waiting.cancelled());
    assert.throws(() => own.submit(targets.add, 1, 2), /cannot schedule new futures after shutdown/);
    await own.shutdown();
  }
});

test('P66 H64 many pools of threads come and go, at every stage of their calls, and leave nothing', async () => {
  for (let round = 0; round < rounds(4); round++) {
    await all(
      Array.from({ length: 10 }, async (_, i) => {
        const executor = new ThreadPoolExecutor(1 + (i % 2));
        const calls = Array.from({ length: i }, () => executor.submit(targets.add, 1, 2));
        if (i % 3 === 1) await calls[0];
        const cancelFutures = i % 2 === 0;
        if (i % 4 === 3) executor.killWorkers();
        await executor.shutdown(true, { cancelFutures });
        const { notDone } = await wait(calls);
        assert.equal(notDone.size, 0);
        for (const call of calls) await call.exception().catch(() => null);
      }),
    );
  }
});

test('P66 a pool is shut down a thousand times, with calls or none', async () => {
  for (let i = 0; i < rounds(1000); i++) {
    const executor = new ThreadPoolExecutor(1);
    if (i % 100 === 0) executor.submit(targets.add, 1, 2);
    void executor.shutdown(i % 2 === 0);
    await executor.shutdown();
  }
});

onBoth(
  'streams: the values of generators as they come, not far ahead',
  { maxWorkers: 1 },
  async (executor, kind) => {
    assert.deepEqual(
      await collect(executor.stream(targets.count, 50)),
      Array.from({ length: 50 }, (_, i) => i),
    );
    const values: number[] = [];
    const error = await errorOf(async () => {
      for await (const value of executor.stream(targets.failAfter, 3)) values.push(value);
    });
    assert.deepEqual(values, [0, 1, 2]);
    assert.ok(error instanceof targets.CustomError);
    assert.match(
      await textOf(() => collect(executor.stream(targets.badValues))),
      /^PicklingError: a value of badValues\(\) cannot be sent/,
    );
    assert.match(
      await textOf(() => collect(executor.stream(targets.add as never, 1, 2))),
      /^TypeError: stream\(\) needs a generator, add\(\) gave number/,
    );
    assert.deepEqual(
      (await collect(executor.stream(targets.bufferStream, 3))).map((bytes) => [...bytes]),
      [0, 1, 2].map((n) => [n, n, n, n]),
    );
    if (kind === 'processes') return;
    const state = shared(2);
    const stream = executor.stream(targets.countSlowly, 1000, state);
    assert.deepEqual(await stream.next(), { done: false, value: 0 });
    await delay(50);
    assert.ok(state[0]! <= 18, `${state[0]} values ahead`);
    for await (const value of stream) if (value === 30) break;
    await until(state, 1, 1);
    assert.deepEqual(await stream.next(), { done: true, value: undefined });
    assert.equal(await executor.submit(targets.add, 1, 2), 3);
  },
);

test('streams: a wait that is cancelled takes no value', async () => {
  await using executor = new ThreadPoolExecutor(1);
  const stream = executor.stream(targets.count, 3);
  const first = stream.next();
  first.cancel();
  assert.deepEqual(await collect(stream), [0, 1, 2]);
});

onBoth('progress comes in order and before the result', { maxWorkers: 1 }, async (executor) => {
  const heard: unknown[] = [];
  const call = executor.submit(targets.withProgress, 5);
  call.addProgressCallback((value) => heard.push(value));
  call.addDoneCallback(() => heard.push('end'));
  assert.equal(await call, 'done');
  assert.deepEqual(heard, [0, 1, 2, 3, 4, 'end']);
  assert.match(
    await textOf(() => executor.submit(targets.badProgress)),
    /^PicklingError: the value of reportProgress\(\) cannot be sent/,
  );
});

test('transfer moves memory: arguments, results, values, at any depth', async () => {
  await using executor = new ThreadPoolExecutor(1);
  const big = new Uint8Array(10 * 2 ** 20).fill(7);
  const back = await executor.submit(targets.bounce, transfer(big));
  assert.equal(big.byteLength, 0);
  assert.deepEqual([back.byteLength, back[0]], [10 * 2 ** 20, 7]);
  const nested = { buffer: transfer(new ArrayBuffer(100)) };
  assert.equal((await executor.submit(targets.bounceNested, nested)).back.byteLength, 100);
  assert.deepEqual(
    (await executor.submit(targets.makeBuffers)).list.map((each) => each.byteLength),
    [1000, 3],
  );
  // A small Buffer lies in memory that it shares with others, which must stay.
  const small = Buffer.from('small');
  assert.equal(Buffer.from(await executor.submit(targets.bounce, transfer(small))).toString(), 'small');
  assert.equal(small.toString(), 'small');
  const list = new ArrayBuffer(8);
  assert.equal((await executor.submit(targets.bounce, transfer(new Uint8Array(list), [list]))).byteLength, 8);
  // Moved already.
  assert.match(await textOf(() => executor.submit(targets.bounce, transfer(big))), /PicklingError/);
  assert.equal(await executor.submit(targets.add, 1, 2), 3);
});

test('transfer between processes is a copy', async () => {
  await using executor = new ProcessPoolExecutor(1);
  const bytes = new Uint8Array(1000).fill(7);
  const back = await executor.submit(targets.bounce, transfer(bytes));
  assert.deepEqual([bytes.byteLength, back.byteLength, back[999]], [1000, 1000, 7]);
  assert.equal(
    (await executor.submit(targets.bounceNested, { buffer: transfer(new ArrayBuffer(9)) })).back.byteLength,
    9,
  );
});

onBoth('context variables cross by their names; changes stay there', { maxWorkers: 1 }, async (executor) => {
  await executor.submit(targets.add, 1, 1);
  const context = copyContext();
  const inside = context.run(() => {
    targets.user.set('ann');
    return [
      executor.submit(targets.whoAmI),
      executor.submit(targets.changeUser, 'bob'),
      executor.submit(targets.whoAmI),
    ];
  });
  assert.deepEqual(await all(inside), ['ann', 'bob', 'ann']);
  assert.equal(await new Context().run(() => executor.submit(targets.whoAmI)), 'nobody');
  // One whose value cannot be cloned stays at home, and does no harm.
  const other = copyContext();
  const call = other.run(() => {
    targets.user.set((() => {}) as never);
    return executor.submit(targets.whoAmI);
  });
  assert.equal(await call, 'nobody');
});

onBoth(
  'an initializer runs in each worker before its first call',
  { maxWorkers: 2, initializer: targets.initializeLater, initargs: [{ a: 1 }] },
  async (executor) => {
    const calls = Array.from({ length: 10 }, () => executor.submit(targets.whatInitialized));
    for (const value of await all(calls)) assert.deepEqual(value, { a: 1 });
  },
);

onBoth(
  'maxTasksPerChild: a worker is replaced after so many calls',
  { maxWorkers: 1, maxTasksPerChild: 3 },
  async (executor) => {
    const places: string[] = [];
    for (let i = 0; i < 7; i++) places.push(await executor.submit(targets.place));
    assert.deepEqual(
      places.map((place) => places.indexOf(place)),
      [0, 0, 0, 3, 3, 3, 6],
    );
    const many = await all(Array.from({ length: 9 }, () => executor.submit(targets.place)));
    assert.ok(new Set(many).size >= 3);
  },
);

/** How many workers there are. */
const sizeOf = (executor: Pool): number => (executor as unknown as { _pool: { size: number } })._pool.size;

onBoth(
  'P66 maxTasksPerChild: there are never more workers with calls than maxWorkers',
  { maxWorkers: 2, maxTasksPerChild: 1 },
  async (executor) => {
    let most = 0;
    const look = setInterval(() => (most = Math.max(most, sizeOf(executor))), 1);
    await all(Array.from({ length: 8 }, () => executor.submit(targets.sleepFor, 150)));
    clearInterval(look);
    // One that has done its call may be ending while the next begins.
    assert.ok(most <= 4, `${most} workers`);
  },
);

onBoth(
  'P66 maxTasksPerChild: a worker whose last call is taken back or refused ends',
  { maxWorkers: 1, maxTasksPerChild: 2 },
  async (executor) => {
    for (let i = 0; i < 4; i++) {
      assert.equal(await executor.submit(targets.add, i, 1), i + 1);
      if (i % 2 === 0) assert.ok(executor.submit(targets.add, 1, 1).cancel());
      else
        await assert.rejects(executor.submit(targets.echo, () => {}).toPromise(), { name: 'PicklingError' });
      await eventually(() => sizeOf(executor) === 0, 'the worker has ended');
    }
  },
);

onBoth('backpressure: a bounded queue', { maxWorkers: 1, maxQueue: 2, prefetch: 0 }, async (executor) => {
  const first = executor.submit(targets.sleepFor, 20);
  await eventually(() => first.running(), 'it runs');
  const queued = [executor.submit(targets.add, 1, 1), executor.submit(targets.add, 2, 2)];
  assert.throws(
    () => executor.submit(targets.add, 3, 3),
    (error) => error instanceof ExecutorFull && /drain\(\)/.test(error.message),
  );
  const drained = executor.drain();
  assert.equal(drained.done(), false);
  queued[1]!.cancel();
  await drained;
  queued.push(executor.submit(targets.add, 4, 4));
  await all([first, queued[0]!, queued[2]!]);
  for (let i = 0; i < 20; i++) {
    await executor.drain();
    queued.push(executor.submit(targets.add, i, i));
  }
  await all(queued.slice(2));
  // Those that were submitted by a map that did not fit are cancelled.
  assert.throws(() => executor.map(targets.sleepFor, [[1, 1, 1, 1, 1, 1]]), ExecutorFull);
  assert.deepEqual(
    await collect(
      executor.map(
        targets.add,
        [
          [1, 2, 3, 4, 5],
          [1, 1, 1, 1, 1],
        ],
        { buffersize: 1 },
      ),
    ),
    [2, 3, 4, 5, 6],
  );
});

onBoth('pools in workers, and inline ones', { maxWorkers: 1 }, async (executor) => {
  assert.equal(await executor.submit(targets.addInPool, 1, 2), 3);
  assert.equal(await executor.submit(targets.addInline, 1, 2), 3);
});

test('live objects of threading go to the threads of a pool', async () => {
  await using executor = new ThreadPoolExecutor(1);
  const event = new Event();
  const lock = new Lock();
  await executor.submit(targets.setEvent, { deep: [event] }, lock);
  assert.ok(event.isSet());
  assert.ok(lock.locked());
  await using processes = new ProcessPoolExecutor(1);
  assert.match(
    await textOf(() => processes.submit(targets.setEvent, { deep: [event] }, lock)),
    /^PicklingError: a threading Event works between the threads of one process/,
  );
});

test('H58 many pools at once, and many calls in each', async () => {
  const executors = Array.from({ length: 8 }, () => new ThreadPoolExecutor(1));
  const sums = await all(
    executors.map(async (executor) => {
      const results = await all(Array.from({ length: 500 }, (_, i) => executor.submit(targets.add, i, 1)));
      return results.reduce((a, b) => a + b);
    }),
  );
  assert.deepEqual(new Set(sums), new Set([125_250]));
  await all(executors.map((executor) => executor.shutdown()));
});

test('names, kinds and options of executors', async () => {
  for (const [make, text] of [
    [() => new ThreadPoolExecutor(0), 'RangeError: max_workers must be greater than 0'],
    [() => new ProcessPoolExecutor(-1), 'RangeError: max_workers must be greater than 0'],
    [() => new ThreadPoolExecutor(1.5), 'TypeError: maxWorkers must be an integer, got 1.5'],
    [() => new ThreadPoolExecutor(1, '', 5 as never), 'TypeError: initializer must be a callable'],
    [() => new ProcessPoolExecutor(1, null, 'x' as never), 'TypeError: initializer must be a callable'],
    [
      () => new ProcessPoolExecutor(1, null, null, [], { maxTasksPerChild: 0 }),
      'RangeError: max_tasks_per_child must be >= 1',
    ],
    [
      () => new ProcessPoolExecutor({ maxTasksPerChild: 'x' as never }),
      /^TypeError: max_tasks_per_child must be an integer/,
    ],
    [() => new ThreadPoolExecutor({ prefetch: -1 }), 'RangeError: prefetch must be 0 or more'],
    [() => new ThreadPoolExecutor({ concurrency: 0 }), 'RangeError: concurrency must be >= 1'],
    [() => new ThreadPoolExecutor({ maxQueue: 0 }), 'RangeError: maxQueue must be >= 1'],
    [() => new ThreadPoolExecutor({ cancelGrace: 'x' as never }), /^TypeError/],
  ] as const) {
    const actual = await textOf(make);
    if (typeof text === 'string') assert.equal(actual, text);
    else assert.match(actual, text);
  }
  await using interpreters = new InterpreterPoolExecutor(1);
  assert.ok(interpreters instanceof ThreadPoolExecutor);
  assert.throws(() => interpreters.submit('print(1)' as never), {
    name: 'TypeError',
    message: 'scripts not supported',
  });
  assert.equal(await interpreters.submit(targets.add, 1, 2), 3);
});

test('InlineExecutor: here, at once, with the same futures', async () => {
  await using executor = new InlineExecutor();
  const offset = 5;
  const call = executor.submit((n: number) => n + offset, 1);
  assert.ok(call.done());
  assert.equal(await call, 6);
  assert.equal(await executor.submit(targets.addLater, 1, 2), 3);
  assert.equal(await executor.submit(targets.addInSteps, 1, 2), 3);
  assert.ok((await errorOf(() => executor.submit(targets.fail, 'custom'))) instanceof targets.CustomError);
  assert.deepEqual(
    await collect(executor.stream(targets.count, 40)),
    Array.from({ length: 40 }, (_, i) => i),
  );
  assert.deepEqual(
    await collect(
      executor.map(targets.add, [
        [1, 2],
        [3, 4],
      ]),
    ),
    [4, 6],
  );
  const heard: unknown[] = [];
  const stuck = executor.submit(targets.sleepForever);
  stuck.addProgressCallback((value) => heard.push(value));
  await delay(5);
  assert.equal(stuck.abort(), true);
  assert.ok((await errorOf(() => stuck)) instanceof CancelledError);
  assert.equal(await run(async () => executor.submit(targets.addLater, 3, 4)), 7);
});

test('P70 an idle pool costs no CPU', async () => {
  await using threads = new ThreadPoolExecutor(2);
  await all([threads.submit(targets.add, 1, 2), threads.submit(targets.add, 1, 2)]);
  const processes = new ProcessPoolExecutor(1);
  const pid = await processes.submit(targets.pid);
  await delay(50);
  const before = process.cpuUsage();
  await delay(500);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 100_000, `${(user + system) / 1000} ms of CPU in 500 ms`);
  assert.ok(isAlive(pid));
  await processes.shutdown();
  assert.equal(isAlive(pid), false);
});

test('a call is awaited inside and outside of loops', async () => {
  await using executor = new ThreadPoolExecutor(1);
  assert.equal(await executor.submit(targets.add, 1, 2), 3);
  assert.equal(
    await run(function* () {
      return yield* executor.submit(targets.add, 3, 4);
    }),
    7,
  );
  assert.equal(await run(async () => (getRunningLoop(), await executor.submit(targets.add, 5, 6))), 11);
});
