/** Snapshots as text. Counterpart: pickles of `tracemalloc.Snapshot`. */
import { Trace } from './trace.ts';
import { Frame, Traceback } from './traceback.ts';

const FORMAT = 'asyncio-ts tracemalloc 1';

/** What a file has. Each traceback stands in it once; traces point to it. */
interface SnapshotFile {
  readonly format: typeof FORMAT;
  readonly tracebackLimit: number;
  /** Frames from the newest to the oldest, and how many there were before the limit. */
  readonly tracebacks: { frames: [filename: string, lineno: number][]; totalNframe: number | null }[];
  readonly traces: [domain: number, size: number, traceback: number][];
}

export function encodeSnapshot(traces: readonly Trace[], tracebackLimit: number): string {
  const numbers = new Map<Traceback, number>();
  const rows = traces.map(({ domain, size, traceback }): SnapshotFile['traces'][number] => {
    const number = numbers.get(traceback) ?? numbers.size;
    numbers.set(traceback, number);
    return [domain, size, number];
  });
  const tracebacks = [...numbers.keys()].map(({ _frames, totalNframe }) => ({
    frames: _frames.toReversed().map(({ filename, lineno }): [string, number] => [filename, lineno]),
    totalNframe,
  }));
  const file: SnapshotFile = { format: FORMAT, tracebackLimit, tracebacks, traces: rows };
  return JSON.stringify(file);
}

/** @throws RangeError for any other text. */
export function decodeSnapshot(text: string): { traces: Trace[]; tracebackLimit: number } {
  const file = parse(text);
  if (file?.format !== FORMAT) throw new RangeError('not a snapshot that dump() of this version wrote');
  const tracebacks = file.tracebacks.map(
    ({ frames, totalNframe }) =>
      new Traceback(
        frames.map(([name, line]) => new Frame(name, line)),
        totalNframe,
      ),
  );
  const traces = file.traces.map(
    ([domain, size, number]) => new Trace(domain, size, tracebacks[number] as Traceback),
  );
  return { traces, tracebackLimit: file.tracebackLimit };
}

function parse(text: string): SnapshotFile | null {
  try {
    return JSON.parse(text) as SnapshotFile | null;
  } catch {
    return null;
  }
}
