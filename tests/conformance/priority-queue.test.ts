/** The order of a `PriorityQueue` beside that of CPython's heap and of its `<`. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PriorityQueue } from 'asyncio-ts';
import { oracle } from './oracle.ts';
import { Random } from './random.ts';

test('gives equal items in the order of CPython', async () => {
  const python = await oracle();
  const random = new Random(2026);
  const runs = Array.from({ length: 60 }, () =>
    Array.from({ length: 1 + random.below(60) }, (_, i) =>
      random.chance(0.35) ? null : ([random.below(6), i] as const),
    ),
  );
  const program = `
import asyncio, json

class Item:
    def __init__(self, key, name):
        self.key, self.name = key, name
    def __lt__(self, other):
        return self.key < other.key

async def main():
    for steps in json.loads('${JSON.stringify(runs)}'):
        queue = asyncio.PriorityQueue()
        names = []
        for step in steps:
            if step is not None:
                queue.put_nowait(Item(*step))
            elif not queue.empty():
                names.append(queue.get_nowait().name)
        while not queue.empty():
            names.append(queue.get_nowait().name)
        print(json.dumps(names))
`;
  const expected = python.source(program).map((line) => JSON.parse(line) as number[]);
  const actual = runs.map((steps) => {
    const compare = (a: readonly number[], b: readonly number[]): number =>
      (a[0] as number) - (b[0] as number);
    const queue = new PriorityQueue<readonly [number, number]>(0, { compare });
    const names: number[] = [];
    for (const step of steps) {
      if (step !== null) queue.putNowait(step);
      else if (!queue.empty()) names.push(queue.getNowait()[1]);
    }
    while (!queue.empty()) names.push(queue.getNowait()[1]);
    return names;
  });
  assert.ok(actual.flat().length > 500);
  assert.deepEqual(actual, expected);
});

test('compares lists as CPython does', async () => {
  const python = await oracle();
  const random = new Random(77);
  const value = (depth: number): unknown =>
    depth < 3 && random.chance(0.3)
      ? Array.from({ length: random.below(4) }, () => value(depth + 1))
      : random.below(3);
  const list = (): unknown[] => Array.from({ length: random.below(4) }, () => value(1));
  const pairs = Array.from({ length: 300 }, () => [list(), list()] as const);
  const program = `
import json

async def main():
    for a, b in json.loads('${JSON.stringify(pairs)}'):
        try:
            print(a < b)
        except TypeError as error:
            print('TypeError')
`;
  const expected = python.source(program);
  const actual = pairs.map(([a, b]) => {
    const queue = new PriorityQueue<unknown>();
    // The first item goes up if it is less than what is there.
    queue.putNowait(b);
    try {
      queue.putNowait(a);
    } catch {
      return 'TypeError';
    }
    return queue.getNowait() === a ? 'True' : 'False';
  });
  assert.deepEqual(actual, expected);
  assert.deepEqual(new Set(expected), new Set(['True', 'False', 'TypeError']));
});
