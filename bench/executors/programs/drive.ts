/** The load: the same for every pool. */

/** A pool, as the load sees it. */
export interface Subject {
  /** One that runs calls on so many workers. */
  open(workers: number): Pool | Promise<Pool>;
}

export interface Pool {
  /** Has 1 and 2 added over there. */
  add(): PromiseLike<number>;
  /** Sends a buffer there and gets it back; moves it if there is a way. */
  bounce(buffer: Uint8Array, isMoved: boolean): PromiseLike<Uint8Array>;
  close(): PromiseLike<unknown>;
}

export const WORKERS = 2;
export const IN_FLIGHT = 64;
const MIB = 1024 * 1024;
const BUFFER = 10 * MIB;

/** Calls of `add`, `inFlight` at a time. */
async function calls(pool: Pool, n: number, inFlight: number): Promise<void> {
  let left = n;
  const one = async (): Promise<void> => {
    while (left-- > 0) if ((await pool.add()) !== 3) throw new Error('a wrong result');
  };
  await Promise.all(Array.from({ length: inFlight }, one));
}

async function bounces(pool: Pool, n: number, isMoved: boolean): Promise<void> {
  let buffer: Uint8Array = new Uint8Array(BUFFER);
  for (let i = 0; i < n; i++) {
    buffer = await pool.bounce(buffer, isMoved);
    if (buffer.byteLength !== BUFFER) throw new Error('a wrong buffer');
  }
}

/** Nanoseconds of one operation. */
async function measure({ open }: Subject, workload: string, n: number): Promise<number> {
  if (workload === 'start') {
    const begin = performance.now();
    const pool = await open(1);
    await calls(pool, 1, 1);
    const time = performance.now() - begin;
    await pool.close();
    return time * 1e6;
  }
  const load: Record<string, (pool: Pool, n: number) => Promise<void>> = {
    in_flight: (pool, count) => calls(pool, count, IN_FLIGHT),
    one_at_a_time: (pool, count) => calls(pool, count, 1),
    clone: (pool, count) => bounces(pool, count, false),
    transfer: (pool, count) => bounces(pool, count, true),
  };
  const run = load[workload];
  if (run === undefined) throw new Error(`no workload ${workload}`);
  const pool = await open(WORKERS);
  await run(pool, Math.ceil(n / 4));
  const begin = performance.now();
  await run(pool, n);
  const time = performance.now() - begin;
  await pool.close();
  return (time * 1e6) / n;
}

/** Measure what the command line asks for, and print it. */
export async function drive(subjects: Readonly<Record<string, Subject>>): Promise<void> {
  const [name = '', workload = '', n = ''] = process.argv.slice(2);
  console.log(await measure(subjects[name] as Subject, workload, Number(n)));
  process.exit();
}
