/**
 * What the children of the programs `processes`, `threads` and `tasks` do: nothing, for some seconds, which is what waiting
 * for a disk or a network looks like. Each tells when, and what memory its own heap has taken since it began.
 */
import { sleep } from 'asyncio-ts';
import * as tracemalloc from 'asyncio-ts/tracemalloc';

/** How many there are. */
export const children = 4;

/** In each process, and in each thread: they have a heap of their own. */
tracemalloc.start();

function now(): string {
  const time = new Date();
  const two = (value: number): string => String(value).padStart(2, '0');
  const micros = Math.floor(((performance.timeOrigin + performance.now()) % 1000) * 1000);
  const seconds = `${two(time.getSeconds())}.${String(micros).padStart(6, '0')}`;
  return `${two(time.getHours())}:${two(time.getMinutes())}:${seconds}`;
}

/** The time, and the memory: now and at most. */
export function status(): string {
  return `Time: ${now()}\t Malloc, Peak: (${tracemalloc.getTracedMemory().join(', ')})`;
}

/** A random number of whole seconds, less than `maxdelay`. */
export function randomDelay(maxdelay: number): number {
  return Math.floor(Math.random() * maxdelay);
}

/** Wait for some seconds. `maxdelay` is what they stay below. */
export async function child(num: number, maxdelay: number): Promise<void> {
  const delay = randomDelay(maxdelay);
  console.log(`${status()}\t\tProcess ${num}, PID: ${process.pid}, Delay: ${delay} seconds...`);
  await sleep(delay);
  console.log(`${status()}\t\tProcess ${num}: Done.`);
}

/** The seconds that the children stay below: `--maxdelay N`, else 6. */
export function maxdelayOf(args: readonly string[]): number {
  const place = args.indexOf('--maxdelay');
  if (place < 0) return 6;
  const maxdelay = Number(args[place + 1]);
  if (Number.isInteger(maxdelay) && maxdelay > 0) return maxdelay;
  throw new RangeError(
    `--maxdelay needs a number of seconds, 1 or more, got ${args[place + 1] ?? 'nothing'}`,
  );
}
