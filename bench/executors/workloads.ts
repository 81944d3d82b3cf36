/** What is measured; `programs/drive.ts` and `programs/executors.py` do it. */

export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly n: number;
  readonly quickN: number;
}

export const WORKLOADS: readonly Workload[] = [
  { name: 'start', title: 'start', n: 1, quickN: 1 },
  { name: 'in_flight', title: '64 in flight', n: 60_000, quickN: 20_000 },
  { name: 'one_at_a_time', title: 'one at a time', n: 12_000, quickN: 4000 },
  { name: 'clone', title: '10 MiB, cloned', n: 40, quickN: 12 },
  { name: 'transfer', title: '10 MiB, moved', n: 400, quickN: 100 },
];
