import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  createTask,
  Event,
  gather,
  type Gen,
  getRunningLoop,
  LifoQueue,
  PriorityQueue,
  Queue,
  QueueEmpty,
  QueueFull,
  QueueShutDown,
  sleep,
  type Task,
  TaskGroup,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { runVirtually } from '../support/programs.ts';
import { inBothStyles, on, type Steps, thrownBy, turns } from '../support/styles.ts';

const classes = [Queue, LifoQueue, PriorityQueue] as const;

describe('Queue', () => {
  test('tells its items, its lines and its state', async () => {
    await runVirtually(async () => {
      const empty = new Queue<number>();
      assert.equal(String(empty), '<Queue maxsize=0>');
      const getting = createTask(() => empty.get());
      await sleep(0);
      assert.equal(String(empty), '<Queue maxsize=0 _getters[1]>');
      empty.putNowait(0);
      assert.equal(String(empty), '<Queue maxsize=0 _queue=[0] tasks=1>');
      assert.equal(await getting, 0);

      const full = new Queue<number>(1);
      full.putNowait(1);
      const putting = createTask(() => full.put(2));
      await sleep(0);
      assert.equal(String(full), '<Queue maxsize=1 _queue=[1] _putters[1] tasks=1>');
      full.getNowait();
      await putting;
      full.shutdown();
      assert.equal(String(full), '<Queue maxsize=1 _queue=[2] tasks=2 shutdown>');
      assert.equal(String(new LifoQueue(3)), '<LifoQueue maxsize=3>');
      class Jobs extends PriorityQueue<string> {}
      const jobs = new Jobs();
      jobs.putNowait('a');
      assert.equal(String(jobs), "<Jobs maxsize=0 _queue=['a'] tasks=1>");
    });
  });

  inBothStyles('is empty, or not', function* () {
    const queue = new Queue<number>();
    assert.equal(queue.empty(), true);
    yield* on(queue.put(1));
    assert.equal(queue.empty(), false);
    assert.equal(queue.qsize(), 1);
    assert.equal(yield* on(queue.get()), 1);
    assert.equal(queue.empty(), true);
    assert.equal(queue.qsize(), 0);
  });

  inBothStyles('is full when it holds maxsize items, and never without a limit', function* () {
    for (const maxsize of [0, -1, undefined, Number.POSITIVE_INFINITY]) {
      const queue = new Queue<number>(maxsize);
      for (let i = 0; i < 100; i++) yield* on(queue.put(i));
      assert.equal(queue.full(), false);
    }
    const queue = new Queue<number>(1);
    assert.equal(queue.maxsize, 1);
    assert.equal(queue.full(), false);
    yield* on(queue.put(1));
    assert.equal(queue.full(), true);
  });

  inBothStyles('a maxsize between two numbers is that of the higher', function* () {
    const queue = new Queue<number>(1.3);
    queue.putNowait(1);
    yield* on(queue.put(2));
    assert.equal(queue.full(), true);
    assert.throws(() => queue.putNowait(3), QueueFull);
  });

  test('refuses a maxsize that is no number', () => {
    for (const maxsize of ['3', Number.NaN, null, {}]) {
      assert.throws(() => new Queue(maxsize as number), {
        name: 'TypeError',
        message: /^maxsize must be a number, got /,
      });
    }
  });

  inBothStyles('gives items in the order in which they came', function* () {
    const queue = new Queue<number>();
    for (const item of [1, 3, 2]) yield* on(queue.put(item));
    assert.deepEqual([yield* on(queue.get()), yield* on(queue.get()), yield* on(queue.get())], [1, 3, 2]);
    // Many, in and out at different paces, through every growth of what keeps them.
    const taken: number[] = [];
    for (let i = 0; i < 3000; i++) {
      queue.putNowait(i);
      if (i % 3 > 0) taken.push(queue.getNowait());
    }
    while (!queue.empty()) taken.push(queue.getNowait());
    assert.deepEqual(
      taken,
      Array.from({ length: 3000 }, (_, i) => i),
    );
  });

  inBothStyles('takes any value as an item', function* () {
    const queue = new Queue<unknown>();
    const items = [undefined, null, 0, '', Number.NaN, queue, () => {}];
    for (const item of items) yield* on(queue.put(item));
    for (const item of items) assert.equal(yield* on(queue.get()), item);
  });
});

describe('Queue.get', () => {
  inBothStyles('gives an item that is there at once', function* () {
    const queue = new Queue<number>();
    queue.putNowait(1);
    let hasTurned = false;
    getRunningLoop().callSoon(() => {
      hasTurned = true;
    });
    assert.equal(yield* on(queue.get()), 1);
    assert.equal(hasTurned, false);
  });

  inBothStyles('waits for one', function* (style) {
    const queue = new Queue<number>();
    const started = new Event();
    let hasFinished = false;
    const task = style.task(function* () {
      started.set();
      const item = yield* on(queue.get());
      hasFinished = true;
      return item;
    });
    yield* on(started.wait());
    assert.equal(hasFinished, false);
    getRunningLoop().callLater(0.01, () => queue.putNowait(1));
    assert.equal(yield* on(task), 1);
    assert.equal(hasFinished, true);
    assert.equal(getRunningLoop().time(), 0.01);
  });

  test('getNowait gives an item or throws QueueEmpty', () => {
    const queue = new Queue<number>();
    queue.putNowait(1);
    assert.equal(queue.getNowait(), 1);
    assert.throws(() => queue.getNowait(), QueueEmpty);
  });

  inBothStyles('makes room for those who wait to put', function* (style) {
    const queue = new Queue<string>(1);
    const tasks = ['a', 'b', 'c'].map((item) => style.task(() => on(queue.put(item))));
    yield* turns();
    assert.equal(String(queue), "<Queue maxsize=1 _queue=['a'] _putters[2] tasks=1>");
    for (const item of ['a', 'b', 'c']) assert.equal(yield* on(queue.get()), item);
    for (const task of tasks) task.result();
  });

  inBothStyles('of several goes in the order of arrival', function* (style) {
    const queue = new Queue<number>();
    const tasks = [0, 1, 2].map(() => style.task(() => on(queue.get())));
    yield* turns();
    for (let i = 0; i < 3; i++) queue.putNowait(i);
    assert.deepEqual(yield* on(gather(tasks)), [0, 1, 2]);
  });

  inBothStyles('P34: the item of a cancelled get goes to another', function* (style) {
    const queue = new Queue<string>();
    const [first, second] = [style.task(() => on(queue.get())), style.task(() => on(queue.get()))];
    yield* turns();
    first.cancel();
    yield* turns();
    assert.equal(first.cancelled(), true);
    yield* on(queue.put('a'));
    assert.equal(yield* on(second), 'a');
  });

  inBothStyles('P34: one that is woken and then cancelled drops nothing', function* (style) {
    const queue = new Queue<number>();
    const reader = style.task(() => on(queue.get()));
    yield* turns();
    queue.putNowait(1);
    queue.putNowait(2);
    reader.cancel();
    assert.equal(yield* thrownBy(reader), 'CancelledError');
    assert.deepEqual([yield* on(queue.get()), yield* on(queue.get())], [1, 2]);
  });

  inBothStyles('P15: one that is woken and then cancelled wakes the next', function* (style) {
    const queue = new Queue<number>();
    const readers = [0, 1, 2].map(() => style.task(() => on(queue.get())));
    yield* turns();
    queue.putNowait(1);
    queue.putNowait(2);
    readers[0]?.cancel();
    const results = yield* on(gather(readers, { returnExceptions: true }));
    assert.deepEqual(new Set(results.slice(1)), new Set([1, 2]));
  });

  inBothStyles('P15: but not if the item is gone: the next keeps its place', function* (style) {
    const queue = new Queue<number>();
    const readers = [0, 1, 2].map(() => style.task(() => on(queue.get())));
    yield* turns();
    queue.putNowait(0);
    assert.equal(queue.getNowait(), 0);
    readers[0]?.cancel();
    yield* turns(3);
    assert.equal(String(queue), '<Queue maxsize=0 _getters[2] tasks=1>');
    queue.putNowait(1);
    queue.putNowait(2);
    yield* turns();
    assert.deepEqual(
      readers.slice(1).map((task) => task.result()),
      [1, 2],
    );
  });

  inBothStyles('one that is woken too late goes to the end of the line', function* (style) {
    const queue = new Queue<string>();
    const order: string[] = [];
    const reader = (name: string): Task<void> =>
      style.task(function* () {
        const item = yield* on(queue.get());
        order.push(`${name}: ${item}`);
      });
    reader('a');
    reader('b');
    yield* turns();
    queue.putNowait('stolen');
    assert.equal(queue.getNowait(), 'stolen');
    yield* turns();
    queue.putNowait('1');
    queue.putNowait('2');
    yield* turns(2);
    assert.deepEqual(order, ['b: 1', 'a: 2']);
  });

  inBothStyles('a cancelled one does not stay in the line', function* () {
    const queue = new Queue<number>(5);
    assert.equal(yield* thrownBy(waitFor(queue.get(), 0.1)), 'TimeoutError');
    assert.equal(String(queue), '<Queue maxsize=5>');
  });

  inBothStyles('a producer and a consumer with one place between them', function* (style) {
    const queue = new Queue<number>(1);
    const taken: number[] = [];
    yield* on(
      new TaskGroup().run((group) => {
        group.createTask(
          style.fn(function* () {
            for (let i = 0; i < 5; i++) yield* on(queue.put(i));
          }),
        );
        group.createTask(
          style.fn(function* () {
            for (let i = 0; i < 5; i++) taken.push(yield* on(queue.get()));
          }),
        );
      }),
    );
    assert.deepEqual(taken, [0, 1, 2, 3, 4]);
  });

  inBothStyles('a getNowait that fails in a subclass leaves those in line awake', function* (style) {
    let isBroken = true;
    class Fragile extends Queue<number> {
      protected override _get(): number {
        if (isBroken) throw new RangeError('broken');
        return super._get();
      }
    }
    const queue = new Fragile();
    const readers = [0, 1].map(() => style.task(() => thrownBy(queue.get())));
    yield* turns();
    queue.putNowait(1);
    getRunningLoop().callSoon(() => {
      isBroken = false;
    });
    yield* turns(3);
    // There is an item, so somebody has to have been woken for it.
    assert.deepEqual(
      readers.map((task) => task.done()),
      [true, true],
    );
    assert.equal(readers[0]?.result(), 'RangeError: broken');
  });
});

describe('Queue.put', () => {
  inBothStyles('does not wait where there is room', function* () {
    const queue = new Queue<number>();
    let hasTurned = false;
    getRunningLoop().callSoon(() => {
      hasTurned = true;
    });
    assert.equal(yield* on(queue.put(1)), undefined);
    assert.equal(hasTurned, false);
    assert.equal(yield* on(queue.get()), 1);
  });

  inBothStyles('waits for room', function* (style) {
    const queue = new Queue<number>(2);
    const put: number[] = [];
    const task = style.task(function* () {
      for (let i = 0; i < 3; i++) {
        yield* on(queue.put(i));
        put.push(i);
      }
      return true;
    });
    yield* turns(2);
    assert.deepEqual(put, [0, 1]);
    assert.equal(yield* on(queue.get()), 0);
    yield* turns();
    assert.deepEqual(put, [0, 1, 2]);
    assert.deepEqual([queue.getNowait(), queue.getNowait()], [1, 2]);
    assert.equal(task.result(), true);
  });

  test('putNowait puts or throws QueueFull', () => {
    const queue = new Queue<number>(1);
    queue.putNowait(1);
    assert.throws(() => queue.putNowait(2), QueueFull);
    assert.equal(queue.qsize(), 1);
    assert.equal(queue.getNowait(), 1);
  });

  inBothStyles('gives its item to one who waits', function* (style) {
    const queue = new Queue<string>();
    const task = style.task(() => on(queue.get()));
    yield* turns();
    yield* on(queue.put('a'));
    assert.equal(yield* on(task), 'a');
  });

  inBothStyles('P34: a cancelled one puts nothing', function* (style) {
    const queue = new Queue<string>(1);
    const [a, b, x] = ['a', 'b', 'X'].map((item) => style.task(() => on(queue.put(item))));
    yield* turns();
    assert.deepEqual([a?.done(), b?.done()], [true, false]);
    x?.cancel();
    yield* turns();
    assert.equal(x?.cancelled(), true);
    assert.equal(queue.getNowait(), 'a');
    yield* turns();
    assert.equal(queue.getNowait(), 'b');
    yield* turns();
    assert.equal(String(queue), '<Queue maxsize=1 tasks=2>');
  });

  inBothStyles(
    'P34: one that is woken and then cancelled puts nothing, and may try again',
    function* (style) {
      const queue = new Queue<number>(1);
      queue.putNowait(1);
      const writer = style.task(() => on(queue.put(2)));
      yield* turns();
      assert.equal(queue.getNowait(), 1);
      writer.cancel();
      assert.equal(yield* thrownBy(writer), 'CancelledError');
      assert.equal(queue.qsize(), 0);
      yield* on(queue.put(2));
      assert.equal(queue.getNowait(), 2);
    },
  );

  inBothStyles('P15: one that is woken and then cancelled lets the next put', function* (style) {
    const queue = new Queue<string>(1);
    queue.putNowait('first');
    const [a, b] = ['a', 'b'].map((item) => style.task(() => on(queue.put(item))));
    yield* turns();
    queue.getNowait();
    a?.cancel();
    yield* turns(2);
    assert.equal(a?.cancelled(), true);
    assert.equal(b?.done(), true);
    assert.equal(queue.getNowait(), 'b');
  });

  inBothStyles('P15: but not if the room is gone: the next keeps its place', function* (style) {
    const queue = new Queue<string>(1);
    queue.putNowait('first');
    const [a] = ['a', 'b', 'c'].map((item) => style.task(() => on(queue.put(item))));
    yield* turns();
    queue.getNowait();
    queue.putNowait('quicker');
    a?.cancel();
    yield* turns(3);
    const taken: string[] = [];
    for (let i = 0; i < 3; i++) taken.push(yield* on(queue.get()));
    assert.deepEqual(taken, ['quicker', 'b', 'c']);
  });

  inBothStyles('one that is woken too late goes to the end of the line', function* (style) {
    const queue = new Queue<string>(1);
    queue.putNowait('first');
    for (const item of ['a', 'b']) style.task(() => on(queue.put(item)));
    yield* turns();
    queue.getNowait();
    queue.putNowait('quicker');
    yield* turns();
    const taken: string[] = [];
    for (let i = 0; i < 3; i++) taken.push(yield* on(queue.get()));
    assert.deepEqual(taken, ['quicker', 'b', 'a']);
  });

  inBothStyles('several wait, and room for all comes at once', function* (style) {
    const queue = new Queue<number>(2);
    yield* on(
      new TaskGroup().run((group) => {
        group.createTask(
          style.fn(function* () {
            yield* turns();
            for (let left = queue.qsize(); left > 0; left--) queue.getNowait();
          }),
        );
        for (let i = 0; i < 4; i++) group.createTask(style.fn(() => on(queue.put(i))));
      }),
    );
    assert.deepEqual([queue.getNowait(), queue.getNowait()], [2, 3]);
  });

  inBothStyles('a cancelled one does not stay in the line', function* (style) {
    const queue = new Queue<number>(1);
    queue.putNowait(1);
    const task = style.task(() => on(queue.put(1)));
    yield* turns();
    assert.match(String(queue), /_putters\[1\]/);
    task.cancel();
    assert.equal(yield* thrownBy(task), 'CancelledError');
    assert.equal(String(queue), '<Queue maxsize=1 _queue=[1] tasks=1>');
  });

  inBothStyles('P13: one that fails when its room comes leaves the room to the next', function* (style) {
    class Checked extends Queue<number> {
      protected override _put(item: number): void {
        if (item < 0) throw new RangeError('negative');
        super._put(item);
      }
    }
    const queue = new Checked(1);
    queue.putNowait(1);
    const bad = style.task(() => thrownBy(queue.put(-1)));
    const good = style.task(() => on(queue.put(2)));
    yield* turns();
    assert.equal(queue.getNowait(), 1);
    assert.equal(yield* on(queue.get()), 2);
    assert.equal(bad.result(), 'RangeError: negative');
    assert.equal(good.done(), true);
    assert.equal(String(queue), '<Checked maxsize=1 tasks=2>');
  });
});

describe('a subclass of Queue', () => {
  test('keeps its items as it likes, by _init, _get and _put', async () => {
    await runVirtually(async () => {
      const log: string[] = [];
      /** Each item once. */
      class SetQueue extends Queue<string> {
        declare protected _queue: Set<string> & { readonly length: number };
        protected override _init(maxsize: number): void {
          log.push(`init ${maxsize}`);
          this._queue = Object.defineProperty(new Set<string>(), 'length', {
            get(this: Set<string>) {
              return this.size;
            },
          }) as SetQueue['_queue'];
        }
        protected override _put(item: string): void {
          log.push(`put ${item}`);
          this._queue.add(item);
        }
        protected override _get(): string {
          const [item] = this._queue as Iterable<string>;
          this._queue.delete(item as string);
          return item as string;
        }
      }
      const queue = new SetQueue(2);
      for (const item of ['a', 'a', 'b']) await queue.put(item);
      assert.deepEqual(log, ['init 2', 'put a', 'put a', 'put b']);
      assert.equal(String(queue), "<SetQueue maxsize=2 _queue=['a', 'b'] tasks=3>");
      assert.equal(queue.full(), true);
      assert.deepEqual([await queue.get(), await queue.get()], ['a', 'b']);
      await queue.put('c');
      queue.shutdown(true);
      assert.equal(queue.empty(), true);
    });
  });

  test('whose _put fails has put nothing', async () => {
    await runVirtually(async () => {
      class Broken extends Queue<number> {
        protected override _put(): never {
          throw new RangeError('broken');
        }
      }
      const queue = new Broken();
      await assert.rejects(async () => await queue.put(1), /broken/);
      assert.equal(String(queue), '<Broken maxsize=0>');
      await queue.join();
    });
  });
});

describe('LifoQueue', () => {
  inBothStyles('gives the latest item first', function* () {
    const queue = new LifoQueue<number>();
    for (const item of [1, 3, 2]) yield* on(queue.put(item));
    assert.deepEqual([yield* on(queue.get()), yield* on(queue.get()), yield* on(queue.get())], [2, 3, 1]);
  });
});

describe('Queue.join', () => {
  for (const QueueClass of classes) {
    inBothStyles(`of an untouched ${QueueClass.name} does not wait`, function* () {
      const queue = new QueueClass<number>();
      yield* on(queue.join());
      yield* on(queue.join());
      assert.throws(() => queue.taskDone(), {
        name: 'RangeError',
        message: 'taskDone() called too many times',
      });
      assert.equal(String(queue), `<${QueueClass.name} maxsize=0>`);
    });

    inBothStyles(`of a ${QueueClass.name} waits until all is done`, function* (style) {
      const queue = new QueueClass<number>();
      for (let i = 0; i < 100; i++) queue.putNowait(i);
      let sum = 0;
      let isRunning = true;
      const worker = style.fn(function* () {
        while (isRunning) {
          sum += yield* on(queue.get());
          yield* on(sleep(0.1));
          queue.taskDone();
        }
      });
      yield* on(
        new TaskGroup().run(
          style.fn(function* (group: TaskGroup) {
            for (let i = 0; i < 2; i++) group.createTask(worker);
            yield* on(queue.join());
            assert.equal(sum, 4950);
            isRunning = false;
            for (let i = 0; i < 2; i++) queue.putNowait(0);
          }),
        ),
      );
    });

    test(`P35: of a ${QueueClass.name} returns exactly when nothing is unfinished`, async () => {
      const action = fc.constantFrom('put', 'get', 'done', 'join', 'turn');
      await fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
          await runVirtually(function* (): Gen<void> {
            const queue = new QueueClass<number>();
            let unfinished = 0;
            const joins: Task<void>[] = [];
            const join = function* (): Gen<void> {
              yield* queue.join();
            };
            for (const kind of actions) {
              if (kind === 'put') {
                queue.putNowait(unfinished++);
              } else if (kind === 'get') {
                if (!queue.empty()) queue.getNowait();
              } else if (kind === 'done' && unfinished === 0) {
                assert.throws(() => queue.taskDone(), { name: 'RangeError' });
              } else if (kind === 'done') {
                queue.taskDone();
                // Whoever waits ends now, even if something is put before it runs.
                if (--unfinished === 0) {
                  yield* sleep(0);
                  yield* sleep(0);
                  assert.ok(joins.every((task) => task.done()));
                }
              } else if (kind === 'join') {
                joins.push(createTask(join));
                yield* sleep(0);
                assert.equal(joins.at(-1)?.done(), unfinished === 0);
              } else {
                const before = joins.map((task) => task.done());
                yield* sleep(0);
                if (unfinished > 0) {
                  assert.deepEqual(
                    joins.map((task) => task.done()),
                    before,
                  );
                }
              }
            }
            assert.match(String(queue), unfinished === 0 ? />$/ : new RegExp(`tasks=${unfinished}>$`));
          });
        }),
        { numRuns: 100, seed: 35 },
      );
    });
  }

  inBothStyles('a cancelled one ends, and the others go on', function* (style) {
    const queue = new Queue<number>();
    queue.putNowait(1);
    const [first, second] = [style.task(() => on(queue.join())), style.task(() => on(queue.join()))];
    yield* turns();
    first.cancel();
    yield* turns();
    assert.equal(first.cancelled(), true);
    queue.taskDone();
    yield* on(second);
  });
});

describe('P34: nothing is lost and nothing comes twice', () => {
  for (const QueueClass of classes) {
    for (const count of [1, 2, 8]) {
      test(`with ${count} producers and consumers of a ${QueueClass.name}, cancelled at random`, async () => {
        const step = fc.record({
          kind: fc.constantFrom('put', 'get', 'cancel', 'turn', 'putNowait', 'getNowait'),
          which: fc.nat(),
        });
        await fc.assert(
          fc.asyncProperty(
            fc.integer({ min: 0, max: 3 }),
            fc.array(step, { maxLength: 60 }),
            async (maxsize, steps) => {
              await runVirtually(function* (): Gen<void> {
                const queue = new QueueClass<number>(maxsize);
                let next = 0;
                const put: number[] = [];
                const got: number[] = [];
                const tasks: Task<void>[] = [];
                const producer = function* (): Gen<void> {
                  const item = next++;
                  yield* queue.put(item);
                  put.push(item);
                };
                const consumer = function* (): Gen<void> {
                  got.push(yield* queue.get());
                };
                for (const { kind, which } of steps) {
                  const alive = tasks.filter((task) => !task.done());
                  if (kind === 'put' && alive.length < 2 * count) tasks.push(createTask(producer));
                  else if (kind === 'get' && alive.length < 2 * count) tasks.push(createTask(consumer));
                  else if (kind === 'cancel') alive[which % (alive.length || 1)]?.cancel();
                  else if (kind === 'turn') yield* sleep(0);
                  else if (kind === 'putNowait' && !queue.full()) {
                    put.push(next);
                    queue.putNowait(next++);
                  } else if (kind === 'getNowait' && !queue.empty()) got.push(queue.getNowait());
                  assert.equal(put.length, got.length + queue.qsize());
                }
                yield* sleep(1);
                // No lost wakeup: at rest nobody waits for what is there.
                if (!queue.empty()) assert.doesNotMatch(String(queue), /_getters/);
                if (!queue.full()) assert.doesNotMatch(String(queue), /_putters/);
                while (!queue.empty()) {
                  got.push(queue.getNowait());
                  yield* sleep(1);
                }
                assert.deepEqual(
                  got.sort((a, b) => a - b),
                  put.sort((a, b) => a - b),
                );
              });
            },
          ),
          { numRuns: 100, seed: 34 },
        );
      });
    }
  }
});

describe('for await of a queue', () => {
  test('takes items until it is shut down and empty', async () => {
    await runVirtually(async () => {
      const queue = new Queue<number>(2);
      const producer = createTask(async () => {
        for (let i = 0; i < 5; i++) await queue.put(i);
        queue.shutdown();
      });
      const taken: number[] = [];
      for await (const item of queue) taken.push(item);
      assert.deepEqual(taken, [0, 1, 2, 3, 4]);
      await producer;
      for await (const _ of queue) assert.fail();
    });
  });

  test('leaves the rest where it breaks off, and the unfinished count to its user', async () => {
    await runVirtually(async () => {
      const queue = new LifoQueue<number>();
      for (let i = 0; i < 3; i++) queue.putNowait(i);
      for await (const item of queue) {
        assert.equal(item, 2);
        break;
      }
      assert.equal(String(queue), '<LifoQueue maxsize=0 _queue=[0, 1] tasks=3>');
    });
  });

  inBothStyles('by next(): an item at a time, and then done', function* (style) {
    const queue = new Queue<string>();
    const iterator = queue[Symbol.asyncIterator]();
    queue.putNowait('a');
    assert.deepEqual(yield* on(iterator.next()), { done: false, value: 'a' });
    const waiting = style.task(() => on(iterator.next()));
    yield* turns();
    queue.putNowait('b');
    assert.deepEqual(yield* on(waiting), { done: false, value: 'b' });
    queue.shutdown();
    for (let i = 0; i < 2; i++)
      assert.deepEqual(yield* on(iterator.next()), { done: true, value: undefined });
  });

  test('several consumers share the items', async () => {
    await runVirtually(async () => {
      const queue = new Queue<number>();
      const taken: number[][] = [[], [], []];
      const consumers = taken.map((mine) =>
        createTask(async () => {
          for await (const item of queue) {
            mine.push(item);
            await sleep(0.1);
          }
        }),
      );
      for (let i = 0; i < 9; i++) await queue.put(i);
      queue.shutdown();
      await gather(consumers);
      assert.deepEqual(
        taken.flat().sort((a, b) => a - b),
        Array.from({ length: 9 }, (_, i) => i),
      );
      assert.ok(taken.every((mine) => mine.length === 3));
    });
  });

  test('a cancellation comes out of it', async () => {
    await runVirtually(async () => {
      const queue = new Queue<number>();
      const task = createTask(async () => {
        for await (const _ of queue);
      });
      await sleep(1);
      task.cancel();
      await assert.rejects(async () => await task, { name: 'CancelledError' });
      assert.equal(String(queue), '<Queue maxsize=0>');
    });
  });

  test('its iterator is iterable itself, as the iterators of the language are', async () => {
    await runVirtually(async () => {
      const queue = new Queue<number>();
      queue.putNowait(1);
      queue.putNowait(2);
      queue.shutdown();
      const iterator = queue[Symbol.asyncIterator]();
      await iterator.next();
      for await (const item of iterator) assert.equal(item, 2);
      assert.equal(queue.empty(), true);
    });
  });
});

/** That nothing goes in or out any more. */
function* assertClosed(queue: Queue<string>): Steps<void> {
  assert.equal(yield* thrownBy(queue.put('data')), 'QueueShutDown');
  assert.throws(() => queue.putNowait('data'), QueueShutDown);
  assert.equal(yield* thrownBy(queue.get()), 'QueueShutDown');
  assert.throws(() => queue.getNowait(), QueueShutDown);
}

describe('Queue.shutdown', () => {
  for (const QueueClass of classes) {
    const { name } = QueueClass;

    inBothStyles(`P36: of an empty ${name} wakes those who wait to get`, function* (style) {
      const queue = new QueueClass<string>();
      const getting = [0, 1].map(() => style.task(() => thrownBy(queue.get())));
      yield* turns();
      queue.shutdown();
      assert.equal(String(queue), `<${name} maxsize=0 shutdown>`);
      yield* on(queue.join());
      yield* turns();
      assert.deepEqual(
        getting.map((task) => task.result()),
        ['QueueShutDown', 'QueueShutDown'],
      );
      yield* assertClosed(queue);
    });

    inBothStyles(
      `P36: of a full ${name} wakes those who wait to put, and leaves the items`,
      function* (style) {
        const queue = new QueueClass<string>(1);
        queue.putNowait('data');
        const joining = style.task(() => on(queue.join()));
        const putting = style.task(() => thrownBy(queue.put('more')));
        yield* turns();
        assert.equal(putting.done(), false);
        queue.shutdown(false);
        assert.equal(queue.qsize(), 1);
        yield* turns();
        assert.equal(putting.result(), 'QueueShutDown');
        assert.throws(() => queue.putNowait('full and shut down'), QueueShutDown);
        assert.equal(yield* on(queue.get()), 'data');
        yield* turns();
        assert.equal(joining.done(), false);
        yield* assertClosed(queue);
        queue.taskDone();
        yield* turns();
        joining.result();
        assert.throws(() => queue.taskDone(), RangeError);
      },
    );

    inBothStyles(`P36: at once drops the items of a ${name} and ends join`, function* (style) {
      const queue = new QueueClass<string>();
      queue.putNowait('data');
      queue.putNowait('data');
      const joining = style.task(() => on(queue.join()));
      yield* turns();
      queue.shutdown(true);
      assert.equal(queue.qsize(), 0);
      yield* turns();
      joining.result();
      yield* assertClosed(queue);
      assert.throws(() => queue.taskDone(), RangeError);
    });

    inBothStyles(`P36: at once leaves what was taken out of a ${name} unfinished`, function* (style) {
      const queue = new QueueClass<string>();
      queue.putNowait('data');
      queue.putNowait('data');
      const joining = style.task(() => on(queue.join()));
      assert.equal(yield* on(queue.get()), 'data');
      queue.shutdown(true);
      assert.equal(String(queue), `<${name} maxsize=0 tasks=1 shutdown>`);
      yield* turns();
      assert.equal(joining.done(), false);
      yield* assertClosed(queue);
      queue.taskDone();
      assert.throws(() => queue.taskDone(), RangeError);
      yield* turns();
      joining.result();
    });

    inBothStyles(`of a ${name} may be repeated, also at once after gently`, function* () {
      const queue = new QueueClass<string>();
      queue.putNowait('data');
      queue.shutdown();
      queue.shutdown();
      assert.equal(queue.qsize(), 1);
      queue.shutdown(true);
      assert.equal(String(queue), `<${name} maxsize=0 shutdown>`);
      yield* on(queue.join());
    });
  }

  inBothStyles('meets a putter that was woken already: it puts nothing', function* (style) {
    const queue = new Queue<string>(1);
    queue.putNowait('a');
    const putting = style.task(() => thrownBy(queue.put('b')));
    yield* turns();
    assert.equal(queue.getNowait(), 'a');
    queue.shutdown();
    assert.equal(yield* on(putting), 'QueueShutDown');
    assert.equal(queue.empty(), true);
  });

  inBothStyles('meets a getter that was woken already: it gets its item', function* (style) {
    const queue = new Queue<string>();
    const [first, second] = [0, 1].map(() => style.task(() => thrownBy(queue.get())));
    yield* turns();
    queue.putNowait('a');
    queue.shutdown();
    assert.equal(yield* on(first as Task<string>), 'nothing');
    assert.equal(yield* on(second as Task<string>), 'QueueShutDown');
  });

  inBothStyles('that cannot take an item out wakes everyone all the same', function* (style) {
    class Broken extends Queue<number> {
      protected override _get(): never {
        throw new RangeError('broken');
      }
    }
    const queue = new Broken(1);
    queue.putNowait(1);
    const putting = style.task(() => thrownBy(queue.put(2)));
    yield* turns();
    assert.throws(() => queue.shutdown(true), /broken/);
    assert.equal(yield* on(putting), 'QueueShutDown');
  });
});
