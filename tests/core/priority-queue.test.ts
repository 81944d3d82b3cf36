import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Gen, PriorityQueue, Queue, sleep } from 'asyncio-ts';
import '../support/leaks.ts';
import { runVirtually } from '../support/programs.ts';
import { inBothStyles, on, thrownBy, turns } from '../support/styles.ts';

/** The items in the order in which a queue gives them. */
function sorted<T>(items: readonly T[], compare?: (a: T, b: T) => number): T[] {
  const queue = new PriorityQueue<T>(0, compare === undefined ? undefined : { compare });
  for (const item of items) queue.putNowait(item);
  return drain(queue);
}

function drain<T>(queue: Queue<T>): T[] {
  const items: T[] = [];
  while (!queue.empty()) items.push(queue.getNowait());
  return items;
}

/** The text of the error of comparing two items. */
function refusal(...items: unknown[]): string {
  try {
    sorted(items);
  } catch (error) {
    return String(error);
  }
  return 'comparable';
}

describe('PriorityQueue', () => {
  inBothStyles('gives the smallest item first', function* () {
    const queue = new PriorityQueue<number>();
    for (const item of [1, 3, 2]) yield* on(queue.put(item));
    assert.deepEqual([yield* on(queue.get()), yield* on(queue.get()), yield* on(queue.get())], [1, 2, 3]);
  });

  test('sorts whatever it gets, in and out mixed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(fc.integer(), { nil: null })), async (steps) => {
        const queue = new PriorityQueue<number>();
        const model: number[] = [];
        for (const step of steps) {
          if (step !== null) {
            queue.putNowait(step);
            model.push(step);
            model.sort((a, b) => a - b);
          } else if (model.length > 0) {
            assert.equal(queue.getNowait(), model.shift());
          }
        }
        assert.deepEqual(drain(queue), model);
      }),
      { seed: 1 },
    );
  });

  inBothStyles('waits like any queue: a full one for room, an empty one for an item', function* (style) {
    const queue = new PriorityQueue<number>(2);
    const putting = style.task(function* () {
      for (const item of [5, 4, 3, 2, 1]) yield* on(queue.put(item));
    });
    yield* turns();
    const taken: number[] = [];
    for (let i = 0; i < 5; i++) {
      taken.push(yield* on(queue.get()));
      yield* turns();
    }
    yield* on(putting);
    assert.deepEqual(taken, [4, 3, 2, 1, 5]);
  });
});

describe('items of a PriorityQueue compare', () => {
  test('by their value: numbers, bigints and booleans, strings, dates', () => {
    assert.deepEqual(sorted([2, -1, 0.5, Number.POSITIVE_INFINITY, -0]), [
      -1,
      -0,
      0.5,
      2,
      Number.POSITIVE_INFINITY,
    ]);
    assert.deepEqual(sorted<unknown>([2n, true, 10n, 1.5, false]), [false, true, 1.5, 2n, 10n]);
    assert.deepEqual(sorted(['b', 'B', '', 'a', 'aa']), ['', 'B', 'a', 'aa', 'b']);
    const dates = [2026, 1999, 2010].map((year) => new Date(Date.UTC(year)));
    assert.deepEqual(
      sorted(dates).map((date) => date.getUTCFullYear()),
      [1999, 2010, 2026],
    );
  });

  test('arrays element by element, the shorter first where one begins like the other', () => {
    assert.deepEqual(sorted([[2, 'a'], [1, 'b'], [1, 'a', 0], [1, 'a'], []]), [
      [],
      [1, 'a'],
      [1, 'a', 0],
      [1, 'b'],
      [2, 'a'],
    ]);
    assert.deepEqual(
      sorted([
        [1, [2, 3]],
        [1, [2]],
        [0, [9]],
      ]),
      [
        [0, [9]],
        [1, [2]],
        [1, [2, 3]],
      ],
    );
    // What decides comes first, and what follows is not looked at.
    const data = { no: 'order' };
    assert.deepEqual(
      sorted([
        [2, data],
        [1, data],
      ]),
      [
        [1, data],
        [2, data],
      ],
    );
    // The very same is equal, whether it has an order or not; numbers are equal in any form.
    assert.deepEqual(
      sorted<unknown[]>([
        [data, 2],
        [data, 1],
      ]),
      [
        [data, 1],
        [data, 2],
      ],
    );
    assert.deepEqual(
      sorted<unknown[]>([
        [1n, 2],
        [1, 1],
        [true, 0],
      ]),
      [
        [true, 0],
        [1, 1],
        [1n, 2],
      ],
    );
    assert.deepEqual(
      sorted<unknown[]>([
        [Number.NaN, 2],
        [Number.NaN, 1],
      ])[0],
      [Number.NaN, 1],
    );
  });

  test('objects by the static compare of their class, or of one that both come from', () => {
    class Job {
      readonly rank: number;
      readonly name: string;
      constructor(rank: number, name: string) {
        this.rank = rank;
        this.name = name;
      }
      static compare(a: Job, b: Job): number {
        return a.rank - b.rank;
      }
    }
    class Mail extends Job {}
    class Call extends Job {}
    const jobs = [new Mail(3, 'c'), new Job(1, 'a'), new Call(2, 'b'), new Mail(0, 'z')];
    assert.equal(
      sorted(jobs)
        .map((job) => job.name)
        .join(''),
      'zabc',
    );
    const tagged = [
      [new Mail(1, 'x'), 2],
      [new Call(1, 'y'), 1],
    ] as const;
    assert.equal(sorted<readonly unknown[]>(tagged)[0], tagged[1]);
  });

  test('objects by what their valueOf gives', () => {
    class Money {
      readonly cents: number;
      readonly of: string;
      constructor(cents: number, of: string) {
        this.cents = cents;
        this.of = of;
      }
      valueOf(): number {
        return this.cents;
      }
    }
    class Coin extends Money {}
    class Note extends Money {}
    const money = [new Note(500, 'b'), new Coin(50, 'a'), new Money(999, 'c')];
    assert.equal(
      sorted(money)
        .map((each) => each.of)
        .join(''),
      'abc',
    );
    const plain = [3, 1, 2].map((n) => ({ n, valueOf: () => n }));
    assert.deepEqual(
      sorted(plain).map((each) => each.n),
      [1, 2, 3],
    );
  });

  test('by a function that is given', () => {
    const byLength = (a: string, b: string): number => a.length - b.length;
    assert.deepEqual(sorted(['ccc', 'a', 'bb'], byLength), ['a', 'bb', 'ccc']);
    assert.deepEqual(
      sorted([1, 3, 2], (a, b) => b - a),
      [3, 2, 1],
    );
    assert.throws(() => new PriorityQueue(0, { compare: 'size' as unknown as () => number }), {
      name: 'TypeError',
      message: "compare must be a function, got 'size'",
    });
    assert.throws(() => new PriorityQueue({ compare: byLength } as unknown as number), {
      name: 'TypeError',
      message: 'the options come after maxsize: new PriorityQueue(0, { compare })',
    });
    assert.throws(() => new PriorityQueue(byLength as unknown as number), {
      name: 'TypeError',
      message: 'the options come after maxsize: new PriorityQueue(0, { compare })',
    });
    assert.throws(() => new PriorityQueue<string>(0, byLength as object), {
      name: 'TypeError',
      message: 'the function belongs into an object: new PriorityQueue(0, { compare })',
    });
  });

  test('not with other kinds, nor where there is no order', () => {
    const hint = ': give the PriorityQueue a { compare } function';
    const between = (a: string, b: string): string =>
      `TypeError: '<' not supported between instances of '${a}' and '${b}'${hint}`;
    assert.equal(refusal(1, 'a'), between('string', 'number'));
    assert.equal(refusal('a', 1n), between('bigint', 'string'));
    assert.equal(refusal([1], 1), between('number', 'Array'));
    assert.equal(refusal([1, 'a'], [1, 2]), between('number', 'string'));
    assert.equal(refusal({ a: 1 }, { a: 2 }), between('Object', 'Object'));
    assert.equal(refusal(null, undefined), between('undefined', 'null'));
    assert.equal(refusal(new Date(), 5), between('number', 'Date'));
    assert.equal(refusal(Object.create(null), {}), between('Object', 'object'));
    assert.equal(
      refusal(() => {}, Symbol.iterator),
      between('symbol', 'function'),
    );
    class Other {
      valueOf(): number {
        return 1;
      }
    }
    assert.equal(refusal(new Date(), new Other()), between('Other', 'Date'));
    assert.equal(refusal({ valueOf: () => 1 }, new Other()), between('Other', 'Object'));
    assert.equal(refusal(new Map(), new Map()), between('Map', 'Map'));
    assert.equal(refusal([{}, 1], [{}, 2]), between('Object', 'Object'));
  });

  test('a comparison that gives no number is refused, wherever it comes from', () => {
    const expected =
      'compare must give a number, less than 0 if its first argument goes first; got undefined';
    assert.throws(() => sorted([1, 2], (() => {}) as unknown as () => number), {
      name: 'TypeError',
      message: expected,
    });
    class Careless extends Date {
      static compare(): void {}
    }
    assert.throws(() => sorted([new Careless(), new Careless()]), { name: 'TypeError', message: expected });
  });
});

describe('D3: a put of what cannot be compared', () => {
  inBothStyles('leaves the queue as it was', function* () {
    const queue = new PriorityQueue<unknown>();
    for (const item of [5, 1, 3]) queue.putNowait(item);
    const before = String(queue);
    // CPython keeps the item in its heap, and does not count it.
    assert.throws(() => queue.putNowait('text'), TypeError);
    assert.match(yield* thrownBy(queue.put(null)), /^TypeError/);
    assert.equal(String(queue), before);
    assert.equal(queue.qsize(), 3);
    assert.deepEqual(drain(queue), [1, 3, 5]);
    for (let i = 0; i < 3; i++) queue.taskDone();
    assert.throws(() => queue.taskDone(), RangeError);
    yield* on(queue.join());
  });

  inBothStyles('wakes nobody who waits to get', function* (style) {
    let isBroken = false;
    const compare = (a: number, b: number): number => {
      if (isBroken) throw new RangeError('broken');
      return a - b;
    };
    const queue = new PriorityQueue<number>(0, { compare });
    queue.putNowait(1);
    isBroken = true;
    assert.throws(() => queue.putNowait(2), { message: 'broken' });
    assert.equal(queue.getNowait(), 1);
    const getting = style.task(() => on(queue.get()));
    yield* turns(3);
    assert.equal(getting.done(), false);
  });

  inBothStyles('after it had waited for room leaves the room to the next', function* (style) {
    const queue = new PriorityQueue<unknown>(2);
    queue.putNowait(1);
    queue.putNowait(2);
    const bad = style.task(() => thrownBy(queue.put('text')));
    const good = style.task(() => on(queue.put(3)));
    yield* turns();
    assert.equal(queue.getNowait(), 1);
    yield* turns(2);
    assert.match(bad.result(), /^TypeError/);
    assert.equal(good.done(), true);
    assert.equal(String(queue), '<PriorityQueue maxsize=2 _queue=[2, 3] tasks=3>');
  });

  test('wherever the comparison fails: size, order and count are as before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 9 })), fc.nat(20), async (items, failing) => {
        let left = Number.POSITIVE_INFINITY;
        const compare = (a: number, b: number): number => {
          if (left-- <= 0) throw new RangeError('boom');
          return a - b;
        };
        const queue = new PriorityQueue<number>(0, { compare });
        for (const item of items) queue.putNowait(item);
        const before = String(queue);
        left = failing;
        let hasFailed = false;
        try {
          queue.putNowait(4);
        } catch {
          hasFailed = true;
        }
        if (hasFailed) assert.equal(String(queue), before);
        left = failing;
        let got: number | null = null;
        try {
          if (!queue.empty()) got = queue.getNowait();
        } catch {
          got = null;
        }
        left = Number.POSITIVE_INFINITY;
        const all = [...items, ...(hasFailed ? [] : [4])].sort((a, b) => a - b);
        if (got !== null) assert.equal(got, all.shift());
        assert.deepEqual(drain(queue), all);
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  inBothStyles('P13: a get whose comparison fails leaves the item to the next', function* (style) {
    let isBroken = false;
    const compare = (a: number, b: number): number => {
      if (isBroken) throw new RangeError('broken');
      return a - b;
    };
    const queue = new PriorityQueue<number>(0, { compare });
    const readers = [0, 1].map(() =>
      style.task(function* () {
        const text = yield* thrownBy(queue.get());
        isBroken = false;
        return text;
      }),
    );
    yield* turns();
    queue.putNowait(1);
    queue.putNowait(2);
    queue.putNowait(3);
    isBroken = true;
    yield* turns(2);
    assert.deepEqual(
      readers.map((task) => task.result()),
      ['RangeError: broken', 'nothing'],
    );
    assert.deepEqual(drain(queue), [2, 3]);
  });

  test('in a program of several tasks disturbs nobody', async () => {
    await runVirtually(function* (): Gen<void> {
      const queue = new PriorityQueue<unknown>(3);
      const taken: unknown[] = [];
      for (const item of [1, 'x', 2, {}, 3]) {
        try {
          yield* queue.put(item);
        } catch (error) {
          assert.ok(error instanceof TypeError);
        }
      }
      yield* sleep(0);
      while (!queue.empty()) taken.push(yield* queue.get());
      assert.deepEqual(taken, [1, 2, 3]);
    });
  });
});
