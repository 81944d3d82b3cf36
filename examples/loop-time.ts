/**
 * The clock of the loop. A coroutine that works until a deadline asks `loop.time()`, which counts seconds, never goes
 * back and starts anywhere: only differences mean something.
 *
 * With `--virtual` the same program runs on a loop whose time jumps to the next deadline as soon as everybody waits.
 * It prints the same and takes no time, which is how programs like this one are tested.
 */
import { getRunningLoop, run, sleep } from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';

async function countDown(seconds: number): Promise<void> {
  const loop = getRunningLoop();
  const end = loop.time() + seconds;
  do {
    console.log('Blocking...');
    await sleep(1);
  } while (loop.time() < end);
  console.log('Done.');
}

const isVirtual = process.argv.includes('--virtual');
await run(() => countDown(3), isVirtual ? { loopFactory: () => new VirtualEventLoop() } : {});
