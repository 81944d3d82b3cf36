/** A program that ends at once, with a thread that does not: `daemon` as its argument says what becomes of it. */
import { sleep } from 'asyncio-ts';
import { Event, Thread } from 'asyncio-ts/threading';
import { isMainThread } from 'node:worker_threads';

export async function child(runs: Event): Promise<void> {
  console.log('child runs');
  runs.set();
  await sleep(process.argv.includes('daemon') ? 3600 : 0.2);
  console.log('child has ended');
}

if (isMainThread) {
  const runs = new Event();
  const thread = new Thread({ target: child, args: [runs], daemon: process.argv.includes('daemon') });
  thread.start();
  await runs.wait();
  if (process.argv.includes('joined')) await thread.join(0.1);
  console.log('main has ended');
}
