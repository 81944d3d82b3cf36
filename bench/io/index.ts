/**
 * The benchmark of sockets and processes: `npm run bench:io`.
 *
 * Every measurement is made in processes of its own, the runtimes in turn, so that a slow minute of the machine hits all
 * of them. A figure is the best of all rounds.
 */
import { readOptions } from '../options.ts';
import { finish, measureRounds, print, printFloors, printHead } from '../report.ts';
import { formatFigure, formatRatio, formatTable, paint } from '../table.ts';
import { describeVerdict, judge } from './floors.ts';
import { findRuntimes, type Runtime, RUNTIME_NAMES } from './runtimes.ts';
import { type Figures, type Workload, WORKLOADS } from './workloads.ts';

const options = readOptions({
  usage: 'npm run bench:io',
  summary:
    "Measures sockets and processes beside plain Node, CPython's asyncio and uvloop in one interleaved run.",
  workloads: WORKLOADS.map(({ name }) => name),
  runtimes: RUNTIME_NAMES,
  quick: 'about a minute',
  python: 'CPython to compare with, which may have uvloop',
  peers: null,
});
const notes: string[] = [];
const runtimes = findRuntimes(options, (text) => notes.push(text));
const workloads = WORKLOADS.filter(({ name }) => options.only === null || options.only.includes(name));

const rounds = new Map<string, Figures[]>();
const errors = new Map<string, string>();

function lookup(runtime: string, workload: string, figure: string): number | undefined {
  const figures = rounds.get(`${workload} ${runtime}`)?.flatMap((round) => round[figure] ?? []);
  if (figures === undefined || figures.length === 0) return undefined;
  // Of what must not grow, the worst.
  return ['rate', 'left', 'sender', 'receiver'].includes(figure)
    ? Math.max(...figures)
    : Math.min(...figures);
}

async function measure(runtime: Runtime, workload: Workload): Promise<void> {
  const key = `${workload.name} ${runtime.name}`;
  if (!runtime.parts.includes(workload.part) || errors.has(key)) return;
  try {
    rounds.set(key, [...(rounds.get(key) ?? []), await workload.measure(runtime, options)]);
  } catch (error) {
    errors.set(key, (error as Error).message);
  }
}

interface Row {
  readonly title: string;
  readonly workload: string;
  readonly figure: string;
  readonly format: (value: number) => string;
}

const time = (value: number): string => formatFigure('wall', value);
const perSecond = (value: number): string => `${(1e9 / value).toFixed(0)}/s`;
const mibPerSecond = (value: number): string => `${(1e9 / value).toFixed(0)} MiB/s`;
const rate = (value: number): string => `${value.toFixed(0)}/s`;
const mib = (value: number): string => `${(value / 1024 / 1024).toFixed(1)} MiB`;

const echoes = ['echo_1', 'echo_10', 'echo_100'];
const accepting = [...echoes, 'connections'];
const moving = ['bulk', 'bulk_slow'];
const spawning = ['spawn', 'spawn_10'];

function rowsOf(names: string[], figure: string, format: (value: number) => string, text = ''): Row[] {
  return names.map((workload) => ({ title: `${workload}${text}`, workload, figure, format }));
}

const TABLES: readonly (readonly [title: string, rows: readonly Row[], ratios: boolean])[] = [
  ["The server's CPU time per message, or per connection", rowsOf(accepting, 'cpu', time), true],
  ['Messages or connections per second', rowsOf(accepting, 'rate', rate), false],
  ['Descriptors left', rowsOf(['connections'], 'left', String), false],
  [
    'Bulk: rate, CPU time per MiB on both sides, growth of memory',
    [
      ...rowsOf(['bulk'], 'time', mibPerSecond),
      ...rowsOf(['bulk'], 'cpu', time, ', CPU'),
      ...rowsOf(moving, 'sender', mib, ', sender'),
      ...rowsOf(moving, 'receiver', mib, ', receiver'),
    ],
    false,
  ],
  [
    'Processes: rate, own CPU time for each',
    [...rowsOf(spawning, 'time', perSecond), ...rowsOf(spawning, 'cpu', time, ', CPU')],
    false,
  ],
];

function printTable(
  title: string,
  rows: readonly Row[],
  cell: (runtime: Runtime, row: Row) => string | null,
) {
  const lines = rows.map((row) => runtimes.map((runtime) => cell(runtime, row)));
  const columns = runtimes.map((_, column) => lines.some((line) => line[column] !== null));
  const kept = <T>(list: readonly T[]): T[] => list.filter((_, column) => columns[column]);
  const full = lines.flatMap((line, index) =>
    line.some((text) => text !== null) ? [[rows[index]!.title, ...kept(line)]] : [],
  );
  if (full.length === 0) return;
  print(`\n${paint('bold', title)}`);
  for (const line of formatTable(['', ...kept(runtimes.map((runtime) => runtime.title))], full)) print(line);
}

function printTables(): void {
  for (const [title, rows, ratios] of TABLES) {
    printTable(title, rows, ({ name }, { workload, figure, format }) => {
      const value = lookup(name, workload, figure);
      return value === undefined ? null : format(value);
    });
    if (!ratios) continue;
    printTable('The same, times that of native', rows, ({ name }, { workload, figure }) => {
      const own = lookup(name, workload, figure);
      const other = lookup('native', workload, figure);
      return own === undefined || other === undefined ? null : formatRatio(own / other);
    });
  }
}

await measureRounds(options, runtimes, workloads, measure);
printHead(runtimes, `best of ${options.rounds} interleaved round(s)`);
printTables();
const kept = printFloors(options, judge(lookup), describeVerdict);
finish(options, runtimes, rounds, { notes, errors, kept, summary: () => ({}) });
