/** Statistics, filters and texts of `asyncio-ts/tracemalloc` beside those of CPython's `tracemalloc.py`. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Filter, Frame, Snapshot, Statistic, StatisticDiff, Trace, Traceback } from 'asyncio-ts/tracemalloc';
import { oracle } from './oracle.ts';
import { Random } from './random.ts';

type FrameRow = readonly [filename: string, lineno: number];
type TraceRow = readonly [domain: number, size: number, frames: readonly FrameRow[], totalNframe: number];
type FilterRow = [
  inclusive: boolean,
  pattern: string,
  lineno: number | null,
  allFrames: boolean,
  domain: number | null,
];

const KEY_TYPES = ['filename', 'lineno', 'traceback'] as const;

const tracebackOf = (frames: readonly FrameRow[], total: number | null = null): Traceback =>
  new Traceback(
    frames.map(([filename, lineno]) => new Frame(filename, lineno)),
    total,
  );

const snapshotOf = (rows: readonly TraceRow[]): Snapshot =>
  new Snapshot(
    rows.map(([domain, size, frames, total]) => new Trace(domain, size, tracebackOf(frames, total))),
    5,
  );

/** What CPython prints for each of the inputs, which `print_all(inputs)` of the program does. */
async function printedByPython(inputs: unknown, program: string): Promise<string[]> {
  const python = await oracle();
  return python.source(`
import json, tracemalloc
from tracemalloc import *

${program}

async def main():
    print_all(json.loads(${JSON.stringify(JSON.stringify(inputs))}))
`);
}

/** Numbers that come out alike (ties in the order), and at the borders of the units. */
function sizeOf(random: Random): number {
  const borders = [0, 1, 99, 100, 1023, 1024, 10_239, 10_240, 10_496, 102_400, 1_048_576, 104_857_600];
  if (random.chance(0.5)) return random.pick(borders);
  return random.below(2 ** random.below(40));
}

function traceRows(random: Random, count: number): TraceRow[] {
  return Array.from({ length: count }, () => {
    const frames = Array.from(
      { length: 1 + random.below(4) },
      (): FrameRow => [`/app/${'abc'[random.below(3)]}.ts`, random.below(3)],
    );
    return [random.below(2), sizeOf(random), frames, frames.length + random.below(2)];
  });
}

test('statistics and differences come in the order and with the texts of CPython', async () => {
  const random = new Random(314);
  const inputs = Array.from({ length: 80 }, () => [
    traceRows(random, random.below(30)),
    traceRows(random, random.below(30)),
  ]);
  const expected = await printedByPython(
    inputs,
    `
def snapshot(rows):
    return Snapshot([(d, s, tuple(map(tuple, f)), t) for d, s, f, t in rows], 5)

def print_all(inputs):
    for rows in inputs:
        new, old = map(snapshot, rows)
        for trace in new.traces:
            print(trace, trace.traceback.total_nframe, len(trace.traceback))
        for key in ('filename', 'lineno', 'traceback'):
            for cumulative in (False, True)[:1 if key == 'traceback' else 2]:
                for stat in new.statistics(key, cumulative):
                    print(stat, *stat.traceback)
                for diff in new.compare_to(old, key, cumulative):
                    print(diff, *diff.traceback)
`,
  );
  const actual: string[] = [];
  for (const [newer = [], older = []] of inputs) {
    const snapshot = snapshotOf(newer);
    for (const trace of snapshot.traces) {
      actual.push(`${trace} ${trace.traceback.totalNframe} ${trace.traceback.length}`);
    }
    for (const key of KEY_TYPES) {
      for (const cumulative of key === 'traceback' ? [false] : [false, true]) {
        const statistics = [
          ...snapshot.statistics(key, cumulative),
          ...snapshot.compareTo(snapshotOf(older), key, cumulative),
        ];
        for (const each of statistics) actual.push([each, ...each.traceback].join(' '));
      }
    }
  }
  assert.ok(expected.length > 5000);
  assert.deepEqual(actual, expected);
});

test('sizes, differences and averages are rounded as CPython rounds them', async () => {
  const random = new Random(42);
  const halves = Array.from({ length: 200 }, (_, i) => [
    10_240 + 64 * i,
    10_496 * i - 1_000_000,
    1 + (i % 8),
  ]);
  const inputs = [
    ...halves,
    ...Array.from({ length: 2000 }, () => [
      sizeOf(random),
      random.chance(0.5) ? sizeOf(random) : -sizeOf(random),
      random.below(9),
    ]),
    [1e15, -1e15, 3],
    [5e17, 1e18, 1],
  ];
  const expected = await printedByPython(
    inputs,
    `
def print_all(inputs):
    place = Traceback((('a', 1),))
    for size, diff, count in inputs:
        size, diff = int(size), int(diff)
        print(Statistic(place, size, count))
        print(StatisticDiff(place, size, diff, count, count - 4))
`,
  );
  const place = tracebackOf([['a', 1]]);
  const actual = inputs.flatMap(([size = 0, diff = 0, count = 0]) => [
    `${new Statistic(place, size, count)}`,
    `${new StatisticDiff(place, size, diff, count, count - 4)}`,
  ]);
  assert.deepEqual(actual, expected);
});

test('filters keep the traces that CPython keeps', async () => {
  const random = new Random(7);
  const rows = traceRows(random, 12);
  const patterns = ['*', '*a.ts', '/app/[ab].ts', '/app/[!a].ts', '?app*', 'app', '/app/b.ts'];
  const filterRow = (): FilterRow => [
    random.chance(0.5),
    random.pick(patterns),
    random.chance(0.6) ? null : random.below(3),
    random.chance(0.5),
    random.chance(0.6) ? null : random.below(2),
  ];
  const filters = Array.from({ length: 400 }, () => Array.from({ length: random.below(4) }, filterRow));
  const expected = await printedByPython(
    [rows, filters],
    `
def print_all(inputs):
    rows, lists = inputs
    snapshot = Snapshot([(d, s, tuple(map(tuple, f)), t) for d, s, f, t in rows], 5)
    for filters in lists:
        kept = snapshot.filter_traces([Filter(*each) for each in filters])
        print(len(kept.traces), *(trace.size for trace in kept.traces))
`,
  );
  const actual = filters.map((list) => {
    const kept = snapshotOf(rows).filterTraces(list.map((each) => new Filter(...each)));
    return [kept.traces.length, ...kept.traces.map(({ size }) => size)].join(' ');
  });
  assert.ok(new Set(expected).size > 20);
  assert.deepEqual(actual, expected);
});

test('patterns match what those of fnmatch match', async () => {
  const random = new Random(99);
  const letters = ['a', 'b', 'c', '/', '.', '-', '*', '?', '[', ']', '!', '^', '\\', '\n', 'é', '😀'];
  const word = (length: number): string => Array.from({ length }, () => random.pick(letters)).join('');
  const inputs = Array.from({ length: 4000 }, () => {
    const name = word(random.below(5));
    return [name, random.chance(0.2) ? name : word(random.below(8))] as const;
  });
  const classes = [
    '[a-c]',
    '[c-a]',
    '[!c-a]',
    '[]a]',
    '[!]a]',
    '[a-]',
    '[-a]',
    '[a-c-b]',
    '[^a]',
    '[--/]',
    '[!-a]',
    '[]',
    '[!]',
    '[[]',
    '[\\]',
  ];
  for (const pattern of classes) {
    for (const name of ['', ...letters, 'ab']) inputs.push([name, pattern], [`x${name}y`, `x${pattern}*`]);
  }
  const expected = await printedByPython(
    inputs,
    `
def print_all(inputs):
    for name, pattern in inputs:
        print(Filter(True, pattern)._match((0, 1, ((name, 1),), 1)))
`,
  );
  const actual = inputs.map(([name, pattern]) => {
    const { traces } = snapshotOf([[0, 1, [[name, 1]], 1]]).filterTraces([new Filter(true, pattern)]);
    return traces.length === 1 ? 'True' : 'False';
  });
  assert.ok(expected.filter((answer) => answer === 'True').length > 300);
  const different = inputs.filter((_, i) => actual[i] !== expected[i]);
  assert.deepEqual(different, []);
});

test('tracebacks print the frames that CPython prints', async () => {
  const inputs = Array.from({ length: 5 }, (_, count) =>
    [null, -9, -2, -1, 0, 1, 2, 9].flatMap((limit) => [
      [count, limit, false],
      [count, limit, true],
    ]),
  ).flat() as [count: number, limit: number | null, mostRecentFirst: boolean][];
  const expected = await printedByPython(
    inputs,
    `
def print_all(inputs):
    for count, limit, first in inputs:
        place = Traceback(tuple((f'/none/{i}.ts', i) for i in range(count)))
        print(json.dumps(place.format(limit, first)))
`,
  );
  const actual = inputs.map(([count, limit, mostRecentFirst]) => {
    const place = tracebackOf(Array.from({ length: count }, (_, i) => [`/none/${i}.ts`, i]));
    return place.format(limit, mostRecentFirst);
  });
  assert.deepEqual(
    actual,
    expected.map((line) => JSON.parse(line) as string[]),
  );
});

test('what cannot be grouped or filtered is refused with the texts of CPython', async () => {
  const expected = await printedByPython(
    null,
    `
def print_all(_):
    for attempt in (
        lambda: Snapshot([], 1).statistics('x'),
        lambda: Snapshot([], 1).statistics('traceback', True),
        lambda: Snapshot([], 1).compare_to(Snapshot([], 1), 'traceback', True),
    ):
        try: attempt()
        except ValueError as error: print(error)
`,
  );
  const empty = new Snapshot([], 1);
  const attempts = [
    () => empty.statistics('x' as 'lineno'),
    () => empty.statistics('traceback', true),
    () => empty.compareTo(empty, 'traceback', true),
  ];
  assert.equal(expected.length, attempts.length);
  for (const [i, attempt] of attempts.entries()) {
    assert.throws(attempt, { name: 'RangeError', message: expected[i] });
  }
  assert.throws(() => empty.filterTraces(5 as unknown as Filter[]), {
    name: 'TypeError',
    message: 'filters must be a list of filters, not number',
  });
  assert.throws(() => new Filter(true, 5 as unknown as string), {
    name: 'TypeError',
    message: 'expected str, bytes or os.PathLike object, not number',
  });
});
