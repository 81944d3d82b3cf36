/**
 * Cancelling tasks, and asking them how they ended.
 *
 * `cancel` is a request: in its next turn the task gets a `CancelledError` from the await it is waiting in. There it
 * can clean up, and should throw the error on. A task that is done by then is not touched: `cancel` says so by
 * returning false.
 */
import { CancelledError, createTask, run, sleep, type Task } from 'asyncio-ts';

async function brew(minutes: number): Promise<string> {
  try {
    await sleep(minutes / 100);
    return `tea, brewed for ${minutes} minutes`;
  } catch (error) {
    if (error instanceof CancelledError) console.log('  (the water is poured away)');
    throw error;
  }
}

function describe(task: Task<string>): string {
  if (!task.done()) return `${task.getName()}: not done yet`;
  if (task.cancelled()) return `${task.getName()}: done, cancelled`;
  return `${task.getName()}: done, with ${task.result()}`;
}

async function main(): Promise<void> {
  const quick = createTask(() => brew(3), { name: 'quick' });
  const slow = createTask(() => brew(60), { name: 'slow' });
  await sleep(0.1);
  console.log(describe(quick));
  console.log(describe(slow));

  console.log(`cancelling quick: ${quick.cancel()}`);
  console.log(`cancelling slow: ${slow.cancel()}`);
  // Nothing has happened to it yet: its turn comes when this one is over.
  console.log(describe(slow));

  try {
    await slow;
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
  }
  console.log(describe(quick));
  console.log(describe(slow));
}

await run(main);
