/**
 * Waiting for time. `sleep` suspends the coroutine that awaits it, and nothing else: whatever else the loop has to do
 * goes on meanwhile.
 *
 * Shows `run`, the way from ordinary code into the loop, and `sleep`, whose argument is in seconds.
 */
import { run, sleep } from 'asyncio-ts';

async function main(): Promise<void> {
  console.log('Sleep now.');
  await sleep(1.5);
  console.log('OK, wake up!');
}

await run(main);
