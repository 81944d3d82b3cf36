/** The figures that the library promises on Node 24. `index.ts` prints the promises that a run did not keep. */

export interface Floor {
  readonly workload: string;
  readonly figure: 'rate' | 'bytes';
  readonly runtime: string;
  readonly against: string;
  /** Of rates at least so many times the other's, of bytes at most. */
  readonly limit: number;
}

const STYLES = ['generators', 'async-functions'];

const atLeast = (workload: string, against: string, limit: number): Floor[] =>
  STYLES.map((runtime) => ({ workload, figure: 'rate', runtime, against, limit }));

export const FLOORS: readonly Floor[] = [
  ...atLeast('json_64', 'aiohttp', 4),
  ...atLeast('json_64', 'aiohttp-uvloop', 3),
  ...atLeast('json_64', 'undici-request', 0.75),
  ...atLeast('json_64', 'fetch', 3),
  ...atLeast('mib_1', 'undici-request', 0.9),
  ...atLeast('mib_64', 'undici-request', 0.9),
  ...STYLES.map((runtime): Floor => {
    return { workload: 'memory', figure: 'bytes', runtime, against: 'undici-request', limit: 1.5 };
  }),
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
  return FLOORS.flatMap((floor) => {
    const own = lookup(floor.runtime, floor.workload, floor.figure);
    const other = lookup(floor.against, floor.workload, floor.figure);
    if (own === undefined || other === undefined) return [];
    const reached = own / other;
    return [
      { floor, reached, holds: floor.figure === 'rate' ? reached >= floor.limit : reached <= floor.limit },
    ];
  });
}

/** One line about one promise. */
export function describeVerdict({ floor, reached, holds }: Verdict): string {
  const { workload, figure, runtime, against, limit } = floor;
  const bound = figure === 'rate' ? 'at least' : 'at most';
  return `${holds ? 'holds ' : 'MISSED'}  ${workload.padEnd(10)}${runtime.padEnd(16)}${reached.toFixed(2)}x ${against}, ${bound} ${limit}`;
}
