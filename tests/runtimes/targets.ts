/** What the threads and processes of the smoke test run. */
import { sleep } from 'asyncio-ts';
import type { queue } from 'asyncio-ts/threading';

export async function add(a: number, b: number): Promise<number> {
  await sleep(0.01);
  return a + b;
}

export async function answer(answers: queue.Queue<string>): Promise<void> {
  await answers.put('from a thread');
}

export function nothing(): void {}
