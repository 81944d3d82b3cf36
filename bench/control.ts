/** What the programs that are measured have in common: they say what they have used whenever they are asked. */
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Bytes of one write, and of one read at most. */
export const BLOCK: number = 64 * 1024;

/** How long a slow reader rests after each read, in milliseconds. */
export const REST_MS = 1;

/** How often memory is looked at, in milliseconds. */
const LOOK_MS = 10;

/** What a process has used up to now. */
export interface Usage {
  /** CPU time in microseconds, of all its threads. */
  readonly cpu: number;
  /** Memory since the last question, in bytes: now, and at its highest. */
  readonly rss: number;
  readonly peak: number;
  /** Open descriptors; 0 where the system does not tell. */
  readonly fds: number;
}

export function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

let peak = 0;

// Where memory is what matters, the collector is at hand: garbage is not counted.
function look(): void {
  globalThis.gc?.();
  peak = Math.max(peak, process.memoryUsage.rss());
}

function descriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

function usage(): Usage {
  look();
  const { user, system } = process.cpuUsage();
  const rss = process.memoryUsage.rss();
  const known = { cpu: user + system, rss, peak, fds: descriptors() };
  peak = rss;
  return known;
}

/**
 * Answer each line of standard input by `say`; without `answer` by what the process has used. Exit at its end, or with
 * the first error.
 */
export function obey(answer: (line: string) => Promise<object> | object = usage): void {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    try {
      say(line === 'usage' ? usage() : await answer(line));
    } catch (error) {
      process.stderr.write(`${error}\n`);
      process.exit(1);
    }
  });
  lines.on('close', () => process.exit());
}

/** Watch the memory between two questions. */
export function watchMemory(): void {
  setInterval(look, LOOK_MS).unref();
}

/** CPU and wall time of `work`. */
export async function timed(work: () => PromiseLike<unknown>): Promise<{ seconds: number; cpu: number }> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpu: user + system };
}
