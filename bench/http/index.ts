/**
 * The benchmark of the HTTP client: `npm run bench:http`.
 *
 * One nginx answers all. Each client is a process that has warmed up; they take turns, so that a slow minute of the machine
 * hits all of them. A figure is the best of all rounds.
 */
import { readOptions } from '../options.ts';
import { finish, measureRounds, print, printFloors, printHead } from '../report.ts';
import { formatFigure, formatRatio, formatTable, paint } from '../table.ts';
import { describeVerdict, judge } from './floors.ts';
import { findRuntimes, type Runtime, RUNTIME_NAMES } from './runtimes.ts';
import { startServer } from './server.ts';
import { Clients, type Figures, type Workload, WORKLOADS } from './workloads.ts';

const options = readOptions({
  usage: 'npm run bench:http',
  summary:
    'Measures the HTTP client beside those of Node, other libraries and aiohttp in one interleaved run.',
  workloads: WORKLOADS.map(({ name }) => name),
  runtimes: RUNTIME_NAMES,
  quick: 'about three minutes',
  python: 'CPython with aiohttp to compare with, which may have uvloop',
  peers: 'got and axios',
});
const notes: string[] = [];
const runtimes = findRuntimes(options, (text) => notes.push(text));
const workloads = WORKLOADS.filter(({ name }) => options.only === null || options.only.includes(name));

const rounds = new Map<string, Figures[]>();
const errors = new Map<string, string>();

function lookup(runtime: string, workload: string, figure: string): number | undefined {
  const figures = rounds.get(`${workload} ${runtime}`)?.flatMap((round) => round[figure] ?? []);
  if (figures === undefined || figures.length === 0) return undefined;
  return figure === 'rate' ? Math.max(...figures) : Math.min(...figures);
}

const rate = (value: number): string => `${value.toFixed(0)}/s`;
const time = (value: number): string => formatFigure('wall', value);
const kib = (value: number): string => `${(value / 1024).toFixed(1)} KiB`;

/** A line for each client, a column for each workload that has the figure. */
function printTable(title: string, cell: (runtime: string, workload: string) => string | null): void {
  const columns = workloads.filter(({ name }) =>
    runtimes.some((runtime) => cell(runtime.name, name) !== null),
  );
  if (columns.length === 0) return;
  const rows = runtimes.map(({ name, title }) => [
    title,
    ...columns.map((column) => cell(name, column.name)),
  ]);
  print(`\n${paint('bold', title)}`);
  for (const line of formatTable(['', ...columns.map(({ name }) => name)], rows)) print(line);
}

function printFigure(title: string, figure: string, format: (value: number) => string): void {
  printTable(title, (runtime, workload) => {
    const value = lookup(runtime, workload, figure);
    return value === undefined ? null : format(value);
  });
}

function printRatio(title: string, figure: string, against: string): void {
  printTable(title, (runtime, workload) => {
    const [own, other] = [lookup(runtime, workload, figure), lookup(against, workload, figure)];
    return own === undefined || other === undefined ? null : formatRatio(own / other);
  });
}

await using server = await startServer();
await using clients = new Clients();
const setting = { ...options, clients, url: `http://127.0.0.1:${server.ports[0]}/` };

async function measure(runtime: Runtime, workload: Workload): Promise<void> {
  const key = `${workload.name} ${runtime.name}`;
  if (errors.has(key)) return;
  try {
    rounds.set(key, [...(rounds.get(key) ?? []), await workload.measure(runtime, setting)]);
  } catch (error) {
    errors.set(key, (error as Error).message);
  }
}

await measureRounds(options, runtimes, workloads, measure);
printHead(runtimes, `best of ${options.rounds} interleaved round(s)`);
printFigure('Requests per second', 'rate', rate);
printRatio("Times the rate of undici's request", 'rate', 'undici-request');
printRatio('Times the rate of aiohttp', 'rate', 'aiohttp');
printFigure("The client's CPU time per request", 'cpu', time);
printFigure('Memory of an open request', 'bytes', kib);
printRatio("Times that of undici's request", 'bytes', 'undici-request');
const kept = printFloors(options, judge(lookup), describeVerdict);
finish(options, runtimes, rounds, { notes, errors, kept, summary: () => ({}) });
