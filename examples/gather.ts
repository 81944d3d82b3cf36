/**
 * Gathering: several coroutines side by side, and one wait for all of them.
 *
 * The results come in the order of the arguments, however the coroutines end. One of the gathered tasks can be
 * cancelled without the others, and cancelling the gathering cancels them all.
 */
import { CancelledError, createTask, gather, run, sleep } from 'asyncio-ts';

async function visit(city: string, hours: number): Promise<string> {
  try {
    await sleep(hours / 20);
    console.log(`  back from ${city}`);
    return city;
  } catch (error) {
    if (error instanceof CancelledError) console.log(`  called back from ${city}`);
    throw error;
  }
}

async function inOrder(): Promise<void> {
  console.log('Three trips, the longest first:');
  const cities = await gather(
    () => visit('Aleppo', 3),
    () => visit('Bergen', 1),
    () => visit('Cusco', 2),
  );
  console.log(`  results: ${cities.join(', ')}`);
}

async function oneLess(): Promise<void> {
  console.log('Three trips, one of them cancelled:');
  const bergen = createTask(() => visit('Bergen', 3));
  const trips = gather([() => visit('Aleppo', 1), bergen, () => visit('Cusco', 2)], {
    returnExceptions: true,
  });
  await sleep(0);
  bergen.cancel();
  const results = await trips;
  console.log(
    `  results: ${results.map((result) => (result instanceof Error ? result.name : result)).join(', ')}`,
  );
}

async function noneAtAll(): Promise<void> {
  console.log('Two trips, cancelled together:');
  const trips = gather(
    () => visit('Aleppo', 1),
    () => visit('Bergen', 2),
  );
  await sleep(0);
  trips.cancel();
  try {
    await trips;
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
    console.log('  the gathering is cancelled');
  }
}

async function main(): Promise<void> {
  await inOrder();
  await oneLess();
  await noneAtAll();
}

await run(main);
