/**
 * Tasks. A coroutine that is awaited runs as a part of its caller; made a task, it runs beside it.
 *
 * `createTask` does not wait and does not run anything yet: the task takes its first step when the caller awaits
 * something, whatever that is. Awaiting the task itself waits for its end, or not at all if it is over.
 */
import { createTask, run } from 'asyncio-ts';

async function answer(n: number): Promise<void> {
  console.log(`The answer is ${n}.`);
}

async function main(): Promise<void> {
  const task = createTask(() => answer(42));
  await task;
}

await run(main);
