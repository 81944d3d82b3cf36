/** Random programs of each style. `npm run fuzz` runs any number. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokenInvariants, compare, describe, run } from './compare.ts';
import { generate } from './generate.ts';
import type { Style } from './interpreter.ts';
import { show } from './print.ts';
import { shrink } from './shrink.ts';
import { runStrands } from './strands.ts';
import { generateStrands } from './strands-generate.ts';
import { showStrands } from './strands-print.ts';
import { shrinkStrands } from './strands-shrink.ts';

/** How many programs of each style: enough to find what is broken often, few enough to be run all the time. */
const COUNT = 150;

const seeds = Array.from({ length: COUNT }, (_, i) => i + 1);

const STYLES: { name: string; eager: boolean; style: Style }[] = [
  { name: 'generators', eager: false, style: { kind: 'generators', noise: false } },
  { name: 'async functions', eager: false, style: { kind: 'async', noise: false } },
  {
    name: 'async functions with awaits of finished promises',
    eager: false,
    style: { kind: 'async', noise: true },
  },
  { name: 'generators and async functions mixed', eager: false, style: { kind: 'mixed', noise: false } },
  { name: 'generators with eager tasks', eager: true, style: { kind: 'generators', noise: false } },
];

for (const { name, eager, style } of STYLES) {
  test(`random programs have CPython's traces: ${name}`, async () => {
    const differences = await compare(
      seeds.map((seed) => generate(seed, { eager })),
      style,
    );
    const [first] = differences;
    if (first === undefined) return;
    assert.fail(
      `${differences.length} of ${COUNT} programs differ; one of them, made small:\n${describe(await shrink(first))}`,
    );
  });
}

test('random programs with eager tasks as async functions keep the invariants', async () => {
  for (const seed of seeds) {
    const program = generate(seed, { eager: true });
    for (const kind of ['async', 'mixed'] as const) {
      const problems = brokenInvariants(await run(program, { kind, noise: seed % 2 === 0 }));
      assert.deepEqual(problems, [], `seed ${seed}, ${kind}\n${show(program)}`);
    }
  }
});

test('random strands keep the invariants', async (t) => {
  // The runner takes every unhandled rejection for a failure of its own, also those that the library sees to.
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  t.after(() => others.forEach((listener) => process.on('unhandledRejection', listener)));
  for (const seed of seeds) {
    const program = generateStrands(seed);
    const problems = await runStrands(program);
    if (problems.length === 0) continue;
    const [small, smallProblems] = await shrinkStrands(program);
    assert.fail(`seed ${seed}\n${showStrands(small)}\n\n${smallProblems.join('\n')}`);
  }
});
