/**
 * The benchmark of the core: `npm run bench`.
 *
 * Every cell (runtime, workload) runs in a process of its own, the runtimes in turn (A B C A B C ...), so that a
 * slow minute of the machine hits all of them. A figure is the best round of the medians of each process.
 */
import { runCell } from './cell.ts';
import { describeVerdict, judge } from './floors.ts';
import { readOptions } from './options.ts';
import { finish, measureRounds, print, printFloors, printHead } from './report.ts';
import { findRuntimes, type Runtime, RUNTIME_NAMES } from './runtimes.ts';
import { formatFigure, formatRatio, formatTable, paint } from './table.ts';
import { type Workload, WORKLOADS } from './workloads.ts';

/** A cell that takes longer than this is measured in the first round only. */
const SLOW_CELL_MS = 6000;
/** How long a process goes on repeating a short workload. */
const FILL_MS = { full: 250, quick: 100 };

const options = readOptions({
  usage: 'npm run bench',
  summary: "Measures the core beside other libraries and CPython's asyncio in one interleaved run.",
  workloads: WORKLOADS.map(({ name }) => name),
  runtimes: RUNTIME_NAMES,
  quick: 'one to two minutes',
  python: 'CPython to compare with',
  peers: 'effect and effection',
});
const notes: string[] = [];
const runtimes = findRuntimes(options, (text) => notes.push(text));
const workloads = WORKLOADS.filter(({ name }) => options.only === null || options.only.includes(name));

const rounds = new Map<string, number[]>();
const errors = new Map<string, string>();
const done = new Set<string>();

function keyOf(runtime: string, workload: string): string {
  return `${workload} ${runtime}`;
}

function figure(runtime: string, workload: string): number | undefined {
  const figures = rounds.get(keyOf(runtime, workload));
  return figures === undefined ? undefined : Math.min(...figures);
}

function measure(runtime: Runtime, workload: Workload, round: number): void {
  const key = keyOf(runtime.name, workload.name);
  const n = Math.ceil((options.quick ? workload.quickN : workload.n) / runtime.divisor(workload));
  const command = runtime.command(workload, n, options.quick ? FILL_MS.quick : FILL_MS.full);
  if (command === undefined || done.has(key)) return;
  const start = performance.now();
  try {
    const value = runCell(workload, command, n);
    if (value === null) done.add(key);
    else rounds.set(key, [...(rounds.get(key) ?? []), value]);
  } catch (error) {
    errors.set(key, (error as Error).message);
    done.add(key);
  }
  if (workload.measures === 'bytes') done.add(key); // the same in every round
  if (performance.now() - start > SLOW_CELL_MS && round < options.rounds && !done.has(key)) {
    done.add(key);
    notes.push(`${runtime.title} ${workload.name}: one round, it takes long`);
  }
}

function printTables(): void {
  const header = ['', ...runtimes.map(({ title }) => title)];
  const rowsOf = (cell: (runtime: Runtime, workload: Workload) => string | null) =>
    workloads.map((workload) => [workload.name, ...runtimes.map((runtime) => cell(runtime, workload))]);

  print(
    `\n${paint('bold', 'Time per operation')} (timers: CPU time; memory: bytes per parked task; hello, import: whole)`,
  );
  const figures = rowsOf((runtime, workload) => {
    const value = figure(runtime.name, workload.name);
    return value === undefined ? null : formatFigure(workload.measures, value);
  });
  for (const line of formatTable(header, figures)) print(line);

  for (const [base, title] of [
    ['asyncio', 'Times better than CPython asyncio'],
    ['native', 'Times better than plain promises with setImmediate'],
  ] as const) {
    const ratios = rowsOf((runtime, workload) => {
      const own = figure(runtime.name, workload.name);
      const other = figure(base, workload.name);
      return own === undefined || other === undefined ? null : formatRatio(other / own);
    }).filter((row) => row.slice(1).some((cell) => cell !== null));
    if (ratios.length === 0) continue;
    print(`\n${paint('bold', title)}`);
    for (const line of formatTable(header, ratios)) print(line);
  }
}

await measureRounds(options, runtimes, workloads, measure);
printHead(runtimes, `best of ${options.rounds} interleaved round(s), each the median of one process`);
printTables();
const kept = printFloors(options, judge(figure), describeVerdict);
const summary = (figures: readonly number[]) => ({ best: Math.min(...figures) });
finish(options, runtimes, rounds, { notes, errors, kept, summary });
