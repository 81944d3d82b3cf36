/** What a workload gets and gives. The programs of the runtimes differ in nothing but the runtime. */

export interface Clock {
  /** The measured part begins: called inside the main task, after whatever has to be prepared. */
  start(): void;
  stop(): void;
}

export interface WorkloadModule {
  readonly workloads: Readonly<Record<string, ((n: number, clock: Clock) => Promise<unknown>) | undefined>>;
}

/** Number of tasks of `yield_many`. */
export const MANY = 1000;

/** Tasks that contend in `lock`. */
export const CONTENDERS = 100;

/** Room in the queue of `queue` and `queue_many`, and what each side of the latter has. */
export const ROOM = 10;
export const PEERS = 8;

/** Throw unless the work was really done; also keeps results alive, so that no compiler drops the work. */
export function check(actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`expected ${expected}, got ${actual}`);
}

/** `n` deadlines in seconds, 200 per millisecond on average whatever `n` is; the same list for every runtime. */
export function deadlines(n: number): Float64Array {
  const list = new Float64Array(n);
  let state = 12345;
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    list[i] = 0.001 + (state / 0x7fffffff) * (n / 200_000);
  }
  return list;
}
