/**
 * The same four children as processes, as threads and as tasks: when each of them began and ended, how long it took to
 * start it, and how much memory it cost.
 *
 *   --maxdelay N   keep the delays below N seconds (default 3)
 *   --svg FILE     draw the picture into a file as well
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { gather, isMain, run, sleep } from 'asyncio-ts';
import * as multiprocessing from 'asyncio-ts/multiprocessing';
import { queue, Thread } from 'asyncio-ts/threading';
import { children, randomDelay } from './child.ts';
import { type Span, textBars, toSvg, type Way } from './embedded/timeline.ts';

/** The wall clock, in seconds: the one that all processes share. */
function clock(): number {
  return (performance.timeOrigin + performance.now()) / 1000;
}

/** What a child tells of itself. */
interface Report {
  readonly num: number;
  readonly began: number;
  readonly ended: number;
  readonly rss: number;
}

/** Where it tells it: a queue between threads, between processes, or an array. */
interface Reports {
  put(report: Report): unknown;
}

export async function child(num: number, delay: number, reports: Reports): Promise<void> {
  const began = clock();
  await sleep(delay);
  await reports.put({ num, began, ended: clock(), rss: process.memoryUsage.rss() });
}

/** Starts the children, waits for them, and gives what they told. */
type Start = (delays: readonly number[]) => Promise<Report[]>;

async function asProcesses(delays: readonly number[]): Promise<Report[]> {
  const reports = new multiprocessing.Queue<Report>();
  const processes = delays.map(
    (delay, num) => new multiprocessing.Process({ target: child, args: [num, delay, reports] }),
  );
  for (const each of processes) each.start();
  const told: Report[] = [];
  for (const _ of delays) told.push(await reports.get());
  for (const each of processes) await each.join();
  return told;
}

async function asThreads(delays: readonly number[]): Promise<Report[]> {
  const reports = new queue.Queue<Report>();
  const threads = delays.map((delay, num) => new Thread({ target: child, args: [num, delay, reports] }));
  for (const each of threads) each.start();
  const told: Report[] = [];
  for (const _ of delays) told.push(await reports.get());
  for (const each of threads) await each.join();
  return told;
}

async function asTasks(delays: readonly number[]): Promise<Report[]> {
  const told: Report[] = [];
  const reports: Reports = { put: (report) => told.push(report) };
  await gather(delays.map((delay, num) => () => child(num, delay, reports)));
  return told;
}

async function measure(name: string, start: Start, delays: readonly number[]): Promise<Way> {
  const rssBefore = process.memoryUsage.rss();
  const origin = clock();
  const told = await start(delays);
  const spans: Span[] = told
    .map(({ num, began, ended }) => ({ num, began: began - origin, ended: ended - origin }))
    .sort((a, b) => a.num - b.num);
  // A process has memory of its own; threads and tasks take theirs from the one that they are in.
  const rss = told.map((report) => report.rss);
  const taken =
    name === 'processes'
      ? rss.reduce((sum, each) => sum + each, 0)
      : Math.max(0, Math.max(...rss) - rssBefore);
  return { name, spans, memoryEach: taken / told.length };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { maxdelay: { type: 'string' }, svg: { type: 'string' } } });
  const maxdelay = Number(values.maxdelay ?? 3);
  if (!(maxdelay >= 1)) throw new RangeError('--maxdelay needs a number of seconds, 1 or more');
  const delays = Array.from({ length: children }, () => 0.2 + randomDelay(maxdelay));
  const starts = { processes: asProcesses, threads: asThreads, tasks: asTasks };
  const ways: Way[] = [];
  for (const [name, start] of Object.entries(starts)) ways.push(await measure(name, start, delays));
  console.log(textBars(ways));
  if (values.svg !== undefined) {
    writeFileSync(values.svg, toSvg(ways));
    console.log(`The picture is in ${values.svg}`);
  }
}

if (isMain(import.meta)) await run(main);
