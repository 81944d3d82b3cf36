/** The figures that the library promises on Node 24. `index.ts` prints the promises that a run did not keep. */

export interface Floor {
  readonly workload: string;
  readonly figure: string;
  readonly runtime: string;
  /** The runtime to compare with; null for a limit on the figure itself. */
  readonly against: string | null;
  /** At most so many times the other's figure, or so much. */
  readonly limit: number;
}

const STREAMS = ['generators', 'async-functions'];
const MIB = 1024 * 1024;

export const FLOORS: readonly Floor[] = [
  ...['echo_1', 'echo_10', 'echo_100'].flatMap((workload) => [
    { workload, figure: 'cpu', runtime: 'generators', against: 'native', limit: 1.25 },
    { workload, figure: 'cpu', runtime: 'async-functions', against: 'native', limit: 1.4 },
    { workload, figure: 'cpu', runtime: 'generators', against: 'asyncio', limit: 1 },
    { workload, figure: 'cpu', runtime: 'async-functions', against: 'asyncio', limit: 1 },
  ]),
  ...[...STREAMS, 'protocol'].map((runtime) => ({
    workload: 'connections',
    figure: 'left',
    runtime,
    against: null,
    limit: 0,
  })),
  ...STREAMS.flatMap((runtime) => [
    { workload: 'bulk', figure: 'time', runtime, against: 'native', limit: 1 / 0.9 },
    { workload: 'bulk_slow', figure: 'sender', runtime, against: null, limit: 8 * MIB },
    { workload: 'bulk_slow', figure: 'receiver', runtime, against: null, limit: 8 * MIB },
    { workload: 'spawn', figure: 'time', runtime, against: 'native', limit: 1 / 0.95 },
    { workload: 'spawn_10', figure: 'time', runtime, against: 'native', limit: 1 / 0.95 },
  ]),
];

export interface Verdict {
  readonly floor: Floor;
  readonly reached: number;
  readonly holds: boolean;
}

/** What gives a figure of a cell; undefined if there is none. */
export type Lookup = (runtime: string, workload: string, figure: string) => number | undefined;

/** Compare every promise whose cells were measured. */
export function judge(lookup: Lookup): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const floor of FLOORS) {
    const own = lookup(floor.runtime, floor.workload, floor.figure);
    const other = floor.against === null ? 1 : lookup(floor.against, floor.workload, floor.figure);
    if (own === undefined || other === undefined) continue;
    const reached = own / other;
    verdicts.push({ floor, reached, holds: reached <= floor.limit });
  }
  return verdicts;
}

/** One line about one promise. */
export function describeVerdict({ floor, reached, holds }: Verdict): string {
  const { workload, figure, runtime, against, limit } = floor;
  const isBytes = against === null && figure !== 'left';
  const text = (value: number): string =>
    isBytes ? `${(value / MIB).toFixed(1)} MiB` : value.toFixed(against === null ? 0 : 2);
  const unit = against === null ? (isBytes ? '' : ' descriptors') : `x ${against}`;
  return `${holds ? 'holds ' : 'MISSED'}  ${workload.padEnd(12)}${figure.padEnd(9)}${runtime.padEnd(16)}${text(reached)}${unit}, at most ${text(limit)}`;
}
