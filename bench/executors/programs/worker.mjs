// What the workers of the other pools run. Each finds the functions in its own way.
import { isMainThread } from 'node:worker_threads';

export const add = ({ a, b }) => a + b;

/** Piscina's and tinypool's mark is given by the caller's module, which a worker has as well. */
export const bounce = (buffer) => buffer;

export async function bounceMoved({ buffer, move }) {
  const { [move]: pool } = await import(move).then((module) => ({ [move]: module.default ?? module }));
  return pool.move(buffer);
}

// workerpool wants to be told.
if (process.argv.includes('workerpool') || process.env['BENCH_WORKERPOOL'] !== undefined) {
  const { default: workerpool } = await import('workerpool');
  workerpool.worker({
    add: (a, b) => a + b,
    bounce: (buffer) => buffer,
    bounceMoved: (buffer) => (isMainThread ? buffer : new workerpool.Transfer(buffer, [buffer.buffer])),
  });
}
