/**
 * The benchmark of sockets and processes: `npm run bench:io`.
 *
 * Every measurement is made in processes of its own, the runtimes in turn, so that a slow minute of the machine hits all
 * of them. A figure is the best of all rounds.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { formatFigure, formatRatio, formatTable, paint } from '../table.ts';
import { describeVerdict, judge } from './floors.ts';
import { readOptions } from './options.ts';
import { findRuntimes, type Runtime, RUNTIME_NAMES } from './runtimes.ts';
import { type Figures, type Workload, WORKLOADS } from './workloads.ts';

const options = readOptions(
  WORKLOADS.map(({ name }) => name),
  RUNTIME_NAMES,
);
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

async function measure(runtime: Runtime, workload: Workload, round: number): Promise<void> {
  const key = `${workload.name} ${runtime.name}`;
  if (!runtime.parts.includes(workload.part) || errors.has(key)) return;
  progress(`round ${round}/${options.rounds}  ${workload.name}  ${runtime.name}`);
  try {
    rounds.set(key, [...(rounds.get(key) ?? []), await workload.measure(runtime, options)]);
  } catch (error) {
    errors.set(key, (error as Error).message);
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function print(line = ''): void {
  process.stdout.write(`${line}\n`);
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

function printFloors(): boolean {
  const verdicts = judge(lookup);
  const missed = verdicts.filter(({ holds }) => !holds);
  if (verdicts.length === 0) return true;
  print(
    `\n${paint('bold', 'Floors on Node 24')}: ${verdicts.length - missed.length} of ${verdicts.length} hold`,
  );
  for (const verdict of options.floors ? verdicts : missed) {
    print(verdict.holds ? describeVerdict(verdict) : paint('red', describeVerdict(verdict)));
  }
  return missed.length === 0;
}

const started = performance.now();
for (let round = 1; round <= options.rounds; round++) {
  if (!process.stderr.isTTY) process.stderr.write(`round ${round}/${options.rounds}\n`);
  for (const workload of workloads) for (const runtime of runtimes) await measure(runtime, workload, round);
}
progress('');

print(`${cpus().length} x ${cpus()[0]?.model ?? 'unknown CPU'}; ${process.platform} ${process.arch}`);
print(runtimes.map(({ title, version }) => `${title} ${version}`).join(', '));
const seconds = ((performance.now() - started) / 1000).toFixed(0);
print(paint('dim', `best of ${options.rounds} interleaved round(s); ${seconds} s`));
printTables();
const kept = printFloors();
for (const text of notes) print(`note: ${text}`);
for (const [key, text] of errors) print(paint('red', `failed: ${key}: ${text}`));

if (options.json !== null) {
  const versions = Object.fromEntries(runtimes.map(({ name, version }) => [name, version]));
  const cells = [...rounds].map(([key, figures]) => {
    const [workload, runtime] = key.split(' ');
    return { workload, runtime, rounds: figures };
  });
  const report = { date: new Date().toISOString(), versions, cells, errors: Object.fromEntries(errors) };
  writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
}
if (errors.size > 0 || (options.floors && !kept)) process.exitCode = 1;
