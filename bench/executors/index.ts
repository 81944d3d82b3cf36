/**
 * The benchmark of executors: `npm run bench:executors`.
 *
 * Every measurement is made in a process of its own, the runtimes in turn, so that a slow minute of the machine hits all of
 * them. A figure is the best of all rounds.
 */
import { spawnSync } from 'node:child_process';
import { readOptions } from '../options.ts';
import { finish, measureRounds, print, printFloors, printHead } from '../report.ts';
import { formatFigure, formatRatio, formatTable, paint } from '../table.ts';
import { describeVerdict, judge } from './floors.ts';
import { findRuntimes, type Runtime, RUNTIME_NAMES } from './runtimes.ts';
import { type Workload, WORKLOADS } from './workloads.ts';

const TIMEOUT_MS = 120_000;

const options = readOptions({
  usage: 'npm run bench:executors',
  summary: "Measures executors beside other pools and CPython's, in one interleaved run.",
  workloads: WORKLOADS.map(({ name }) => name),
  runtimes: RUNTIME_NAMES,
  quick: 'less than a minute',
  python: 'CPython to compare with',
  peers: 'piscina, tinypool and workerpool',
});
const notes: string[] = [];
const runtimes = findRuntimes(options, (text) => notes.push(text));
const workloads = WORKLOADS.filter(({ name }) => options.only === null || options.only.includes(name));
const rounds = new Map<string, number[]>();
const errors = new Map<string, string>();

function figure(runtime: string, workload: string): number | undefined {
  const figures = rounds.get(`${workload} ${runtime}`);
  return figures === undefined ? undefined : Math.min(...figures);
}

function measure(runtime: Runtime, workload: Workload): void {
  const key = `${workload.name} ${runtime.name}`;
  if (!runtime.workloads.includes(workload.name) || errors.has(key)) return;
  const n = Math.ceil((options.quick ? workload.quickN : workload.n) / (runtime.isSlow ? 4 : 1));
  const args = [...runtime.args, workload.name, String(n)];
  const ended = spawnSync(runtime.file, args, { encoding: 'utf8', timeout: TIMEOUT_MS });
  const value = Number(ended.stdout);
  if (ended.status === 0 && value > 0) rounds.set(key, [...(rounds.get(key) ?? []), value]);
  else errors.set(key, ended.stderr.trim().split('\n').at(-1) || `exit code ${ended.status}`);
}

function printTable(title: string, cell: (runtime: Runtime, workload: Workload) => string | null): void {
  const rows = workloads.map((workload) => [workload.title, ...runtimes.map((it) => cell(it, workload))]);
  print(`\n${paint('bold', title)}`);
  for (const line of formatTable(['', ...runtimes.map((runtime) => runtime.title)], rows)) print(line);
}

await measureRounds(options, runtimes, workloads, measure);
printHead(runtimes, `best of ${options.rounds} interleaved round(s)`);
printTable('Time per operation', ({ name }, workload) => {
  const value = figure(name, workload.name);
  return value === undefined ? null : formatFigure('wall', value);
});
printTable('Operations per second', ({ name }, workload) => {
  const value = figure(name, workload.name);
  return value === undefined ? null : `${(1e9 / value).toFixed(0)}/s`;
});
for (const [kind, title] of [
  ['threads', 'Times the rate of our threads'],
  ['processes', 'Times the rate of our processes'],
] as const) {
  printTable(title, ({ name }, workload) => {
    const [own, other] = [figure(kind, workload.name), figure(name, workload.name)];
    return own === undefined || other === undefined ? null : formatRatio(own / other);
  });
}
const kept = printFloors(options, judge(figure), describeVerdict);
finish(options, runtimes, rounds, { notes, errors, kept, summary: (all) => ({ best: Math.min(...all) }) });
