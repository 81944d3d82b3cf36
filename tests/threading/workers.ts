/** Worker threads made by hand, each of which runs one of the functions in `jobs.ts`. */
import { Worker } from 'node:worker_threads';
import * as threading from 'asyncio-ts/threading';
import type * as jobs from './jobs.ts';

interface Packed {
  readonly value: unknown;
  readonly transfer: any[];
}

/** What the package keeps to itself: how its objects cross. */
export const { _pack: pack, _unpack: unpack } = threading as unknown as {
  _pack(value: unknown, way: 'thread' | 'process'): Packed;
  _unpack(value: unknown): unknown;
};

type Jobs = typeof jobs;

/** A thread, and how it ends. */
export interface Running {
  readonly worker: Worker;
  /** Its exit code, or its error. */
  readonly ended: Promise<number>;
}

/** Run a job in a thread of its own. */
export function start<J extends keyof Jobs>(job: J, ...args: Parameters<Jobs[J]>): Running {
  const { value, transfer } = pack({ job, args }, 'thread');
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: value,
    transferList: transfer,
  });
  const ended = new Promise<number>((resolve, reject) => {
    worker.once('exit', resolve);
    worker.once('error', reject);
  });
  ended.catch(() => {}); // looked at later
  return { worker, ended };
}

/** Wait until all have ended by themselves. */
export async function allEnded(running: readonly Running[]): Promise<void> {
  await Promise.all(running.map(({ ended }) => ended));
}
