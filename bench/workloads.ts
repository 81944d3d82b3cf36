/**
 * What is measured: one entry per row of the table. Every runtime does the same work with the same `n`; the
 * programs themselves are in `workloads/`, one file per runtime.
 */

export interface Workload {
  readonly name: string;
  readonly about: string;
  /** What the figure counts: wall time, CPU time or live heap per operation, or milliseconds of one start. */
  readonly measures: 'wall' | 'cpu' | 'bytes' | 'start' | 'import';
  /** Size of one repetition; a figure is per operation, of which a repetition has `n * opsPerN`. */
  readonly n: number;
  readonly quickN: number;
  readonly opsPerN?: number;
}

export const WORKLOADS: readonly Workload[] = [
  { name: 'yield0', about: 'one task, n times sleep(0)', measures: 'wall', n: 200_000, quickN: 100_000 },
  {
    name: 'yield_many',
    about: '1,000 tasks, n times sleep(0) in all',
    measures: 'wall',
    n: 200_000,
    quickN: 100_000,
  },
  {
    name: 'deep10',
    about: 'enter ten nested coroutines, one sleep(0) at the bottom, leave',
    measures: 'wall',
    n: 50_000,
    quickN: 20_000,
  },
  {
    name: 'spawn_join',
    about: 'create n tasks, then join them',
    measures: 'wall',
    n: 100_000,
    quickN: 20_000,
  },
  {
    name: 'spawn_yield_seq',
    about: 'create a task that yields once, await it, next',
    measures: 'wall',
    n: 30_000,
    quickN: 10_000,
  },
  {
    name: 'gather10k',
    about: 'gather of n coroutines with 10 yields each, per yield',
    measures: 'wall',
    n: 10_000,
    quickN: 10_000,
    opsPerN: 10,
  },
  {
    name: 'timers',
    about: 'n sleeps of random deadlines at once, CPU time',
    measures: 'cpu',
    n: 200_000,
    quickN: 20_000,
  },
  {
    name: 'cancel',
    about: 'cancel n tasks, parked on a future each, and await them',
    measures: 'wall',
    n: 100_000,
    quickN: 20_000,
  },
  {
    name: 'cancel_sleep',
    about: 'cancel n sleeping tasks and await them',
    measures: 'wall',
    n: 50_000,
    quickN: 20_000,
  },
  {
    name: 'lock',
    about: '100 tasks contend for one lock, sleep(0) while it is held, n times in all',
    measures: 'wall',
    n: 50_000,
    quickN: 20_000,
  },
  {
    name: 'queue',
    about: 'n items from one producer to one consumer, with room for 10',
    measures: 'wall',
    n: 100_000,
    quickN: 40_000,
  },
  {
    name: 'queue_many',
    about: 'n items from 8 producers to 8 consumers, with room for 10',
    measures: 'wall',
    n: 100_000,
    quickN: 40_000,
  },
  {
    name: 'cancel_waiters',
    about: 'cancel n tasks in line for one lock, and await them',
    measures: 'wall',
    n: 100_000,
    quickN: 20_000,
  },
  {
    name: 'cancel_waiters_1m',
    about: 'the same with more of them: it must not cost more per task',
    measures: 'wall',
    n: 1_000_000,
    quickN: 100_000,
  },
  {
    name: 'memory',
    about: 'live heap per parked task, with the future that it awaits',
    measures: 'bytes',
    n: 100_000,
    quickN: 20_000,
  },
  { name: 'hello', about: 'hello world, start to exit of the process', measures: 'start', n: 5, quickN: 3 },
  { name: 'import', about: 'import of the main entry', measures: 'import', n: 5, quickN: 3 },
];
