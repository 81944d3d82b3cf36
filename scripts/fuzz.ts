/** Random programs, as many as wanted: `npm run fuzz -- --help`. */

import { parseArgs } from 'node:util';
import { brokenInvariants, compare, describe, run } from '../tests/conformance/compare.ts';
import { type GenerateOptions, generate } from '../tests/conformance/generate.ts';
import { PRIMITIVES } from '../tests/conformance/generate-primitives.ts';
import type { Style } from '../tests/conformance/interpreter.ts';
import { show } from '../tests/conformance/print.ts';
import { shrink } from '../tests/conformance/shrink.ts';
import { runStrands } from '../tests/conformance/strands.ts';
import { generateStrands } from '../tests/conformance/strands-generate.ts';
import { showStrands } from '../tests/conformance/strands-print.ts';
import { shrinkStrands } from '../tests/conformance/strands-shrink.ts';

const HELP = `Usage: npm run fuzz -- [options]

Runs random programs with the library and compares each with CPython, step by step.
Ends with code 1 at the first difference, which is made small and printed.

  --style S   generators  every coroutine a generator (default: all styles in turn)
              async       every coroutine an async function
              mixed       a coin tossed for every block
              eager       tasks that start at their creation: generators compared with CPython,
                          async functions held to invariants
              strands     async functions with several waits open at once, held to invariants
  --seed N    the first seed (default: 1)
  --count N   how many programs per style (default: 1000)
  --primitives L
              only programs about these, separated by commas: lock, event, condition, semaphore, barrier, queue
              (or all); otherwise every second program has some of them
  --print     print the programs instead of running them
  --go-on     don't stop at a difference
  --help      this text
`;

const STYLES = ['generators', 'async', 'mixed', 'eager', 'strands'] as const;
type StyleName = (typeof STYLES)[number];

/** So many programs go to CPython in one call. */
const BATCH = 100;

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${text}`);
}

function* seeds(first: number, count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield first + i;
}

async function fuzzStrands(first: number, count: number, goOn: boolean): Promise<number> {
  let bad = 0;
  for (const seed of seeds(first, count)) {
    const program = generateStrands(seed);
    const problems = await runStrands(program);
    progress(`strands: ${seed - first + 1} of ${count}`);
    if (problems.length === 0) continue;
    const [small, smallProblems] = await shrinkStrands(program);
    console.log(`\nstrands, seed ${seed}\n${showStrands(small)}\n\n${smallProblems.join('\n')}`);
    bad++;
    if (!goOn) break;
  }
  return bad;
}

async function fuzz(
  name: Exclude<StyleName, 'strands'>,
  first: number,
  count: number,
  goOn: boolean,
  primitives: GenerateOptions['primitives'],
): Promise<number> {
  const eager = name === 'eager';
  let bad = 0;
  for (let at = 0; at < count; at += BATCH) {
    const programs = [...seeds(first + at, Math.min(BATCH, count - at))].map((seed) =>
      generate(seed, { eager, primitives }),
    );
    // Async functions: every second seed with awaits of finished promises strewn in.
    const isAsync = name === 'async' || name === 'mixed';
    for (const noise of isAsync ? [false, true] : [false]) {
      const style: Style = { kind: eager ? 'generators' : name, noise };
      const some = programs.filter(({ seed }) => !isAsync || (seed % 2 === 1) === noise);
      for (const difference of await compare(some, style)) {
        console.log(`\n${name}${noise ? ' with noise' : ''}, ${describe(await shrink(difference))}`);
        bad++;
        if (!goOn) return bad;
      }
    }
    for (const program of eager ? programs : []) {
      const problems = brokenInvariants(await run(program, { kind: 'async', noise: program.seed % 2 === 1 }));
      if (problems.length === 0) continue;
      console.log(
        `\neager as async functions, seed ${program.seed}\n${show(program)}\n\n${problems.join('\n')}`,
      );
      bad++;
      if (!goOn) return bad;
    }
    progress(`${name}: ${Math.min(at + BATCH, count)} of ${count}`);
  }
  return bad;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      style: { type: 'string' },
      seed: { type: 'string', default: '1' },
      primitives: { type: 'string' },
      count: { type: 'string', default: '1000' },
      print: { type: 'boolean', default: false },
      'go-on': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const listed = values.primitives === 'all' ? PRIMITIVES : values.primitives?.split(',');
  const primitives = listed && PRIMITIVES.filter((name) => listed.some((word) => word === name));
  const [seed, count] = [Number(values.seed), Number(values.count)];
  const chosen = STYLES.filter((name) => values.style === undefined || values.style === name);
  if (
    chosen.length === 0 ||
    primitives?.length !== listed?.length ||
    !Number.isInteger(seed) ||
    !Number.isInteger(count)
  ) {
    process.stderr.write(HELP);
    return 2;
  }
  let bad = 0;
  for (const style of chosen) {
    if (values.print) {
      for (const s of seeds(seed, count)) {
        const text =
          style === 'strands'
            ? showStrands(generateStrands(s))
            : show(generate(s, { eager: style === 'eager', primitives }));
        console.log(`# ${style}, seed ${s}\n${text}\n`);
      }
      continue;
    }
    bad +=
      style === 'strands'
        ? await fuzzStrands(seed, count, values['go-on'])
        : await fuzz(style, seed, count, values['go-on'], primitives);
    progress('');
    if (bad > 0 && !values['go-on']) return 1;
    console.log(`${style}: ${count} programs from seed ${seed}`);
  }
  return bad === 0 ? 0 : 1;
}

process.exitCode = await main();
