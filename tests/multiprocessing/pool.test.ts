import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { run, setLogger } from 'asyncio-ts';
import { BrokenExecutor, BrokenProcessPool } from 'asyncio-ts/concurrent';
import {
  activeChildren,
  Pool,
  Process,
  ProcessError,
  Queue,
  ThreadPool,
  TimeoutError,
} from 'asyncio-ts/multiprocessing';
import '../support/leaks.ts';
import { leavesNoProcess } from '../support/processes.ts';
import * as targets from './targets.ts';

/** Runs `body` with a pool, and ends the pool. */
async function withPool(pool: Pool, body: (pool: Pool) => Promise<void>): Promise<void> {
  try {
    await body(pool);
  } finally {
    await pool[Symbol.asyncDispose]();
  }
}

const errorOf = (thenable: PromiseLike<unknown>): Promise<any> =>
  Promise.resolve(thenable).then(
    (value) => assert.fail(`no error, but ${String(value)}`),
    (error: unknown) => error,
  );

const numbers = Array.from({ length: 10 }, (_, i) => i);
const squares = numbers.map((x) => x * x);

describe('Pool', () => {
  leavesNoProcess();

  it('refuses what makes no sense', () => {
    assert.throws(() => new Pool(0), {
      name: 'RangeError',
      message: 'Number of processes must be at least 1',
    });
    assert.throws(() => new Pool({ maxtasksperchild: 0 }), {
      message: 'maxtasksperchild must be a positive int or None',
    });
    assert.throws(() => new Pool(1, 3 as any), {
      name: 'TypeError',
      message: 'initializer must be a callable',
    });
  });

  for (const kind of [Pool, ThreadPool]) {
    it(`${kind.name}: every way to call`, async () => {
      await withPool(new kind(2), async (pool) => {
        assert.match(
          String(pool),
          new RegExp(`^<multiprocessing\\.pool\\.${kind.name} state=RUN pool_size=\\d>$`),
        );
        assert.equal(await pool.apply(targets.square, [3]), 9);
        assert.equal(await pool.apply(targets.add, [1, 2], { times: 2 }), 6);
        assert.deepEqual(await pool.map(targets.square, numbers), squares);
        assert.deepEqual(await pool.map(targets.squareSlowly, [1, 2, 3], 1), [1, 4, 9]);
        assert.deepEqual(await pool.map(targets.squareAsGenerator, numbers, 4), squares);
        assert.deepEqual(await pool.map(targets.square, []), []);
        assert.deepEqual(
          await pool.starmap(
            targets.add,
            numbers.map((x): [number, number] => [x, 1]),
          ),
          numbers.map((x) => x + 1),
        );
        const values: number[] = [];
        for await (const value of pool.imap(targets.squareSlowly, [1, 2, 3])) values.push(value);
        assert.deepEqual(values, [1, 4, 9]);
        for await (const value of pool.imapUnordered(targets.squareSlowly, numbers, 3)) values.push(value);
        assert.deepEqual(
          values.sort((a, b) => a - b),
          [1, 4, 9, ...squares].sort((a, b) => a - b),
        );
        await run(function* () {
          assert.equal(yield* pool.apply(targets.square, [4]), 16);
          assert.equal(yield* pool.applyAsync(targets.square, [5]), 25);
        });
        assert.throws(() => pool.map(targets.square, [1], 0), { message: 'Chunksize must be 1+, not 0' });
        assert.throws(() => pool.imap(targets.square, [1], 0), { message: 'Chunksize must be 1+, not 0' });
      });
    });
  }

  it('results are objects, with callbacks', async () => {
    await withPool(new Pool(1), async (pool) => {
      const told: unknown[] = [];
      const tell = (value: unknown): void => void told.push(value);
      const slow = pool.applyAsync(targets.processOf, [0.05], null, tell, tell);
      assert.equal(slow.ready(), false);
      assert.throws(() => slow.successful(), {
        name: 'RangeError',
        message: /^<multiprocessing\.pool\.ApplyResult object at 0x\w+> not ready$/,
      });
      const late = await errorOf(slow.get(0.001));
      assert.ok(late instanceof TimeoutError && late instanceof ProcessError);
      assert.equal(late.name, 'TimeoutError');
      await slow.wait();
      assert.deepEqual([slow.ready(), slow.successful(), told], [true, true, [await slow]]);
      const failed = pool.mapAsync(targets.square, [12, 13, 14], 1, tell, tell);
      await failed.wait();
      assert.deepEqual([failed.successful(), String(told[1])], [false, 'RangeError: 13 is not squared']);
      assert.ok((await errorOf(failed.get())) instanceof RangeError);
    });
  });

  it('H58 errors and results that cannot be cloned become errors, and the pool goes on', async () => {
    await withPool(new Pool(1), async (pool) => {
      const own = await errorOf(pool.apply(targets.fail, ['own']));
      assert.ok(own instanceof targets.OwnError && own.code === 17);
      const partly = await errorOf(pool.apply(targets.fail, ['uncloneable']));
      assert.deepEqual(
        [partly.message, partly.kept, partly.secret],
        ['with what cannot be cloned', 1, undefined],
      );
      assert.equal((await errorOf(pool.apply(targets.fail, ['result']))).name, 'PicklingError');
      assert.equal(
        (await errorOf(pool.apply(targets.square, [(() => 0) as unknown as number]))).name,
        'PicklingError',
      );
      assert.equal((await errorOf(pool.map(targets.notExported(), [1, 2]))).name, 'PicklingError');
      assert.equal(await pool.apply(targets.square, [2]), 4);
    });
  });

  it('an error in the middle: map throws the first one, imap at its turn and goes on behind it', async () => {
    await withPool(new Pool(2), async (pool) => {
      const error = await errorOf(pool.map(targets.square, [11, 12, 13, 14], 2));
      assert.equal(String(error), 'RangeError: 13 is not squared');
      const results = pool.imap(targets.square, [12, 13, 14]);
      assert.deepEqual(await results.next(), { done: false, value: 144 });
      await assert.rejects(results.next().toPromise(), { message: '13 is not squared' });
      assert.deepEqual(await results.next(), { done: false, value: 196 });
      assert.deepEqual(await results.next(), { done: true, value: undefined });
    });
  });

  it('imap takes its inputs as they are needed, from asynchronous ones as well, and says where they fail', async () => {
    await withPool(new Pool(1), async (pool) => {
      let taken = 0;
      let isClosed = false;
      function* inputs(): Generator<number> {
        try {
          for (;;) yield taken++;
        } finally {
          isClosed = true;
        }
      }
      const seen: number[] = [];
      for await (const value of pool.imap(targets.square, inputs())) {
        seen.push(value);
        assert.ok(taken <= seen.length + 3, `${taken} taken for ${seen.length}`);
        if (seen.length === 5) break;
      }
      assert.deepEqual([seen, isClosed], [[0, 1, 4, 9, 16], true]);
      async function* failing(): AsyncGenerator<number> {
        yield 1;
        await delay(1);
        throw new TypeError('no more');
      }
      const results = pool.imap(targets.square, failing());
      assert.deepEqual(await results.next(), { done: false, value: 1 });
      await assert.rejects(results.next().toPromise(), { name: 'TypeError', message: 'no more' });
      assert.deepEqual(await results.next(), { done: true, value: undefined });
      const slow = pool.imap(targets.processOf, [0.05]);
      await assert.rejects(slow.next(0.001).toPromise(), TimeoutError);
      assert.equal(typeof (await slow.next()).value, 'number');
    });
  });

  it('P66 imap: jobs whose results nobody takes are done before join ends', async () => {
    const pool = new Pool(2);
    let taken = 0;
    function* counted(): Generator<number> {
      for (const x of numbers) {
        taken++;
        yield x;
      }
    }
    const results = pool.imapUnordered(targets.square, counted());
    pool.close();
    await pool.join();
    assert.equal(taken, numbers.length);
    const values: number[] = [];
    for await (const value of results) values.push(value);
    assert.deepEqual(
      values.sort((a, b) => a - b),
      squares,
    );
  });

  it('who leaves imap does not wait for an input that was asked for ahead', async () => {
    await withPool(new Pool(1), async (pool) => {
      async function* inputs(): AsyncGenerator<number> {
        yield 3;
        await new Promise(() => {});
      }
      for await (const value of pool.imap(targets.square, inputs())) {
        assert.equal(value, 9);
        break;
      }
    });
  });

  it('P64 a worker that dies makes its own job fail, and no other', async () => {
    await withPool(new Pool(2), async (pool) => {
      const jobs = [
        pool.applyAsync(targets.fail, ['kill']),
        pool.applyAsync(targets.processOf, [0.05]),
        pool.applyAsync(targets.fail, ['exit']),
        pool.applyAsync(targets.square, [4]),
      ] as const;
      assert.match((await errorOf(jobs[0])).message, /it was ended by SIGKILL/);
      assert.equal(typeof (await jobs[1]), 'number');
      const exited = await errorOf(jobs[2]);
      assert.ok(exited instanceof BrokenProcessPool && exited instanceof BrokenExecutor);
      assert.match(exited.message, /its exit code is 0/);
      assert.equal(await jobs[3], 16);
    });
  });

  it('initializes each worker, and replaces it after its jobs', async () => {
    await withPool(new Pool(1, targets.initialize, ['ready'], 2), async (pool) => {
      assert.equal(await pool.apply(targets.whatIsInitialized), 'ready');
      const pids = await pool.map(targets.processOf, [0, 0, 0], 1);
      assert.equal(new Set(pids).size, 2);
      assert.equal(await pool.apply(targets.whatIsInitialized), 'ready');
    });
    const lines: string[] = [];
    const add = (line: string): void => void lines.push(line);
    setLogger({ debug: add, info: add, warning: add, error: add });
    try {
      await withPool(new Pool(1, targets.badInitialize), async (pool) => {
        assert.ok((await errorOf(pool.apply(targets.square, [1]))) instanceof BrokenProcessPool);
      });
    } finally {
      setLogger(null);
    }
    assert.match(lines[0] ?? '', /Exception in initializer/);
  });

  it('its workers are daemons with names of their own, and may have no children', async () => {
    await withPool(new Pool(1), async (pool) => {
      const [name, isDaemon] = await pool.apply(targets.selfText);
      assert.match(name, /^SpawnPoolWorker-\d+$/);
      assert.equal(isDaemon, true);
      assert.match(
        await pool.apply(targets.startChild),
        /daemonic processes are not allowed to have children/,
      );
      assert.deepEqual(activeChildren(), []);
    });
  });

  it('takes queues as arguments', async () => {
    const queue = new Queue();
    await withPool(new Pool(2), async (pool) => {
      await pool.starmap(targets.putOne, [
        [queue, 1],
        [queue, 2],
      ]);
      assert.deepEqual(new Set([await queue.get(), await queue.get()]), new Set([1, 2]));
    });
  });

  it('P66 close and join: all that was begun is done', async () => {
    const pool = new Pool(2);
    assert.throws(() => pool.join(), { name: 'RangeError', message: 'Pool is still running' });
    const results = pool.mapAsync(targets.squareSlowly, [1, 2, 3, 4], 1);
    const stream = pool.imap(targets.square, numbers);
    pool.close();
    assert.throws(() => pool.apply(targets.square, [1]), { name: 'RangeError', message: 'Pool not running' });
    const joined = pool.join();
    const values: number[] = [];
    for await (const value of stream) values.push(value);
    await joined;
    assert.deepEqual([await results, values], [[1, 4, 9, 16], squares]);
    await pool.join();
  });

  it('H57 H60 H77 terminate: what runs and what waits fails at once, and nobody is left', async () => {
    const pool = new Pool(1);
    const running = pool.applyAsync(targets.processOf, [3600]);
    const waiting = pool.mapAsync(targets.square, numbers);
    const stream = pool.imap(targets.square, numbers);
    const next = stream.next();
    const first = await pool.imap(targets.square, [1]).return?.();
    assert.equal(first?.done, true);
    pool.terminate();
    for (const wait of [running, waiting, next]) {
      const error = await errorOf(wait);
      assert.equal(String(error), 'RuntimeError: Pool not running');
    }
    await pool.join();
    pool.terminate();
    assert.match(String(pool), / state=TERMINATE pool_size=0>$/);
  });

  it('P70 one that is idle and one that was never used keep nothing', async () => {
    assert.match(String(new Pool(4)), / pool_size=0>$/);
    const child = new Process({ target: targets.nothing });
    await child.start();
    await child.join();
  });
});
