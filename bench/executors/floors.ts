/**
 * The ratios that the library promises on Node 24. `index.ts` prints the promises that a run did not keep. CPython's threads
 * are called from its event loop, as ours are; without a loop they need not cross to another CPU for a short call.
 */

export interface Floor {
  readonly workload: string;
  readonly runtime: string;
  readonly against: string;
  /** At least so many times the other's rate. */
  readonly limit: number;
}

const FLOORS: readonly Floor[] = [
  { workload: 'in_flight', runtime: 'threads', against: 'asyncio-threads', limit: 1.5 },
  { workload: 'in_flight', runtime: 'threads', against: 'piscina', limit: 3 },
  { workload: 'in_flight', runtime: 'processes', against: 'python-processes', limit: 4 },
  { workload: 'in_flight', runtime: 'processes', against: 'workerpool-processes', limit: 2.5 },
  { workload: 'one_at_a_time', runtime: 'threads', against: 'asyncio-threads', limit: 1.5 },
  { workload: 'one_at_a_time', runtime: 'processes', against: 'python-processes', limit: 2 },
];

export interface Verdict {
  readonly floor: Floor;
  readonly reached: number;
  readonly holds: boolean;
}

/** Compare every promise whose cells were measured. */
export function judge(figure: (runtime: string, workload: string) => number | undefined): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const floor of FLOORS) {
    const own = figure(floor.runtime, floor.workload);
    const other = figure(floor.against, floor.workload);
    if (own === undefined || other === undefined) continue;
    verdicts.push({ floor, reached: other / own, holds: other / own >= floor.limit });
  }
  return verdicts;
}

/** One line about one promise. */
export function describeVerdict({ floor, reached, holds }: Verdict): string {
  const { workload, runtime, against, limit } = floor;
  return `${holds ? 'holds ' : 'MISSED'}  ${workload.padEnd(14)}${runtime.padEnd(10)}${reached.toFixed(2)} x ${against}, at least ${limit}`;
}
