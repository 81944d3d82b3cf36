/** A program that ends at once, with a thread that does not: `daemon` as its argument says what becomes of it. */
import { sleep } from 'asyncio-ts';
import { Thread } from 'asyncio-ts/threading';
import { isMainThread } from 'node:worker_threads';

export async function child(): Promise<void> {
  console.log('child runs');
  await sleep(process.argv.includes('daemon') ? 3600 : 0.2);
  console.log('child has ended');
}

if (isMainThread) {
  const thread = new Thread({ target: child, daemon: process.argv.includes('daemon') });
  thread.start();
  await thread.started;
  if (process.argv.includes('joined')) await thread.join(0.1);
  console.log('main has ended');
}
