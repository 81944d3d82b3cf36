/** The figures that the library promises on Node 24. `index.ts` prints the promises that a run did not keep. */

export interface Floor {
  readonly workload: string;
  readonly runtime: string;
  /** The runtime to compare with; null for a limit on the figure itself. */
  readonly against: string | null;
  /** "at least so many times better" with `against`, "at most" otherwise or when `atMost` is set. */
  readonly limit: number;
  readonly atMost?: boolean;
}

function betterThanCPython(workload: string, generators: number, asyncFunctions: number): Floor[] {
  return [
    { workload, runtime: 'generators', against: 'asyncio', limit: generators },
    { workload, runtime: 'async-functions', against: 'asyncio', limit: asyncFunctions },
  ];
}

export const FLOORS: readonly Floor[] = [
  ...betterThanCPython('yield0', 30, 3),
  ...betterThanCPython('deep10', 4.5, 1.6),
  ...betterThanCPython('spawn_join', 7, 3.5),
  ...betterThanCPython('spawn_yield_seq', 25, 3.5),
  ...betterThanCPython('gather10k', 9, 1.2),
  ...betterThanCPython('timers', 5, 1.6),
  ...betterThanCPython('cancel', 1, 1.2),
  ...betterThanCPython('lock', 25, 4.5),
  ...betterThanCPython('queue', 10, 1.8),
  { workload: 'yield0', runtime: 'generators', against: 'effect', limit: 10 },
  { workload: 'gather10k', runtime: 'generators', against: 'effect', limit: 10 },
  { workload: 'lock', runtime: 'generators', against: 'effect', limit: 10 },
  { workload: 'queue', runtime: 'generators', against: 'effect', limit: 10 },
  ...['yield0', 'deep10', 'spawn_yield_seq', 'gather10k'].map((workload) => ({
    workload,
    runtime: 'async-functions',
    against: 'native',
    limit: 1,
  })),
  { workload: 'memory', runtime: 'generators', against: null, limit: 450 },
  { workload: 'memory', runtime: 'async-functions', against: null, limit: 1250 },
  { workload: 'hello', runtime: 'generators', against: 'native', limit: 1.25, atMost: true },
  { workload: 'hello', runtime: 'async-functions', against: 'native', limit: 1.25, atMost: true },
  { workload: 'import', runtime: 'generators', against: null, limit: 25 },
];

export interface Verdict {
  readonly floor: Floor;
  readonly reached: number;
  readonly holds: boolean;
}

/** Compare every promise whose cells were measured. `figure` gives a cell's figure, undefined if there is none. */
export function judge(figure: (runtime: string, workload: string) => number | undefined): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const floor of FLOORS) {
    const own = figure(floor.runtime, floor.workload);
    const other = floor.against === null ? 1 : figure(floor.against, floor.workload);
    if (own === undefined || other === undefined) continue;
    const isCeiling = floor.against === null || floor.atMost === true;
    const reached = isCeiling ? own / other : other / own;
    verdicts.push({ floor, reached, holds: isCeiling ? reached <= floor.limit : reached >= floor.limit });
  }
  return verdicts;
}

/** One line about one promise. */
export function describeVerdict({ floor, reached, holds }: Verdict): string {
  const unit = floor.against !== null ? `x ${floor.against}` : floor.workload === 'memory' ? ' B' : ' ms';
  const bound = floor.against === null || floor.atMost === true ? 'at most' : 'at least';
  const digits = reached < 100 ? 2 : 0;
  return `${holds ? 'holds ' : 'MISSED'}  ${floor.workload.padEnd(16)}${floor.runtime.padEnd(16)}${reached.toFixed(digits)}${unit}, ${bound} ${floor.limit}`;
}
