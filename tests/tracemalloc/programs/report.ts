/** Traces itself, retains some memory, and says what it sees, as JSON: to its parent if it has one, else by printing. */
import { isMainThread, parentPort } from 'node:worker_threads';
import { getTracedMemory, start, takeSnapshot } from 'asyncio-ts/tracemalloc';

/** What it says. */
export interface Report {
  readonly traced: [current: number, peak: number];
  readonly file: string;
  readonly lineno: number;
  readonly size: number;
  /** The line of the source. */
  readonly source: string | undefined;
}

const kept: unknown[] = [];

function retainSmallObjects(count: number): void {
  for (let i = 0; i < count; i++) kept.push({ first: [i], second: [i] });
}

function retainOne(i: number): void {
  kept.push({ first: [i], second: [i] });
}

start();
if (process.argv[2] === 'one by one') for (let i = 0; i < 200_000; i++) retainOne(i);
else retainSmallObjects(80_000);
const [largest] = takeSnapshot().statistics('lineno');
const frame = largest?.traceback.at(-1);
const report: Report = {
  traced: getTracedMemory(),
  file: frame?.filename ?? '',
  lineno: frame?.lineno ?? 0,
  size: largest?.size ?? 0,
  source: largest?.traceback.format()[1]?.trim(),
};
if (!isMainThread) parentPort?.postMessage(report);
else if (process.send !== undefined) process.send(report, () => process.disconnect());
else console.log(JSON.stringify(report));
if (kept.length === 0) throw new Error('nothing is kept');
// Tracing goes on: it must not keep the program from ending.
