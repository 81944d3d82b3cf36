/** A program that forgot `isMain`, and does not even wait for its `run`. */
import { run } from 'asyncio-ts';
import { Process } from 'asyncio-ts/multiprocessing';

export function child(): void {
  console.log('child runs');
}

void run(async () => {
  const process = new Process({ target: child });
  await process.start();
  await process.join();
  console.log(`exit code ${process.exitcode}`);
});
