/** A clock that jumps, so that no test of a limit has to wait for it, and none fails on a busy machine. */
import { mock } from 'node:test';
import { sleep } from 'asyncio-ts';

const now = performance.now.bind(performance);
let offset = 0;

mock.method(performance, 'now', () => now() + offset);

/** Let so many seconds pass. The loop notices when it next looks at its clock. */
export function pass(seconds: number): void {
  offset += seconds * 1000;
}

/** Let so many seconds pass for the running loop, and its timers that are due then. */
export async function jump(seconds: number): Promise<void> {
  pass(seconds);
  await sleep(0);
}
