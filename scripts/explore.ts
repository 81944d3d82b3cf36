/** Schedules of the library's own primitives, as many as wanted: `npm run explore -- --help`. */
import { parseArgs } from 'node:util';
import * as asyncio from 'asyncio-ts';
import { ExplorationError, explore, type Mode } from 'asyncio-ts/testing';
import { mutants } from '../tests/testing/explorations/mutants.ts';
import { findMutant, toScenario } from '../tests/testing/explorations/run.ts';
import { scenarios } from '../tests/testing/explorations/scenarios.ts';
import { STYLES } from '../tests/testing/explorations/styles.ts';

const HELP = `Usage: npm run explore -- [options]

Runs the scenarios of each primitive under many schedules, as generators and as async functions.
Ends with code 1 at the first schedule that fails, which is printed.

  --schedules N  schedules of all primitives together (default: 20000)
  --mode M       faithful (default) or robust: ready callbacks in any order, too
  --only WORD    the primitives with this word in their name
  --seed N       of the random schedules (default: 1)
  --faults       put known faults into a copy of the library, and tell which schedule finds each
  --help         this text
`;

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

interface Row {
  readonly primitive: string;
  scenarios: number;
  schedules: number;
  points: number;
  seconds: number;
}

function print({ primitive, scenarios: count, schedules, points, seconds }: Row): void {
  const cells = [
    primitive.padEnd(18),
    String(count).padStart(9),
    schedules.toLocaleString('en').padStart(11),
    (points / schedules).toFixed(1).padStart(8),
    Math.round(schedules / seconds)
      .toLocaleString('en')
      .padStart(10),
  ];
  console.log(cells.join(' '));
}

async function exploreAll(schedules: number, mode: Mode, only: string, seed: number): Promise<void> {
  const chosen = scenarios.filter(({ primitive }) => primitive.toLowerCase().includes(only.toLowerCase()));
  if (chosen.length === 0) throw new RangeError(`no primitive has '${only}' in its name`);
  const each = Math.ceil(schedules / chosen.length / STYLES.length);
  console.log('primitive          scenarios   schedules  choices  per second');
  const rows = new Map<string, Row>();
  const total: Row = { primitive: 'together', scenarios: 0, schedules: 0, points: 0, seconds: 0 };
  for (const [i, scenario] of chosen.entries()) {
    const { primitive } = scenario;
    const row = rows.get(primitive) ?? { primitive, scenarios: 0, schedules: 0, points: 0, seconds: 0 };
    rows.set(primitive, row);
    row.scenarios++;
    total.scenarios++;
    for (const style of STYLES) {
      const done = await explore(toScenario(scenario, asyncio, style), {
        mode,
        seed,
        schedules: each,
        random: each,
        seconds: Number.POSITIVE_INFINITY,
        onProgress: (now) => progress(`${primitive}, ${scenario.name}: ${now.schedules} of ${each}`),
      });
      for (const sum of [row, total]) {
        sum.schedules += done.schedules;
        sum.points += done.points;
        sum.seconds += done.seconds;
      }
    }
    if (chosen[i + 1]?.primitive === primitive) continue;
    progress('');
    print(row);
  }
  print(total);
}

async function findFaults(): Promise<void> {
  let missed = 0;
  for (const mutant of mutants) {
    progress(mutant.name);
    const finding = await findMutant(mutant);
    progress('');
    if (finding === null) {
      missed++;
      console.log(`MISSED  ${mutant.name}`);
      continue;
    }
    const { scenario, style, error, schedules } = finding;
    console.log(`found   ${mutant.name}`);
    console.log(
      `        ${scenario.primitive}, ${scenario.name} (${style}), schedule ${schedules + 1}: ${error.deviations.join('; ') || 'in the usual order'}`,
    );
  }
  console.log(`${mutants.length - missed} of ${mutants.length} faults found`);
  if (missed > 0) process.exitCode = 1;
}

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '20000' },
    mode: { type: 'string', default: 'faithful' },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    faults: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP.trimEnd());
} else if (values.faults) {
  await findFaults();
} else {
  try {
    await exploreAll(Number(values.schedules), values.mode as Mode, values.only, Number(values.seed));
  } catch (error) {
    if (!(error instanceof ExplorationError)) throw error;
    console.log(`\n${error.message}`);
    process.exitCode = 1;
  }
}
