/**
 * Coroutines as generator functions: `function*` in place of `async function`, `yield*` in place of `await`.
 *
 * Both kinds run as the same tasks, and everything of the library can be waited for by both. Generators are for
 * programs that need every turn of the loop to be exact, or many small steps to be fast: no promise takes part, and
 * every `yield*` is a place where a cancellation can arrive.
 */
import { coroutine, createTask, gather, getRunningLoop, run, sleep, timeout, TimeoutError } from 'asyncio-ts';
import type { Gen } from 'asyncio-ts';

function* nap(): Gen<void> {
  console.log('Sleep now.');
  yield* sleep(0.3);
  console.log('OK, wake up!');
}

function* countDown(seconds: number): Gen<void> {
  const loop = getRunningLoop();
  const end = loop.time() + seconds;
  do {
    console.log('Blocking...');
    yield* sleep(0.1);
  } while (loop.time() < end);
  console.log('Done.');
}

// Wrapped by `coroutine`, a function can be called with arguments and still does nothing until it is awaited.
const square = coroutine(function* (n: number) {
  yield* sleep((5 - n) / 50);
  console.log(`${n} is done`);
  return n * n;
});

// The two kinds can be mixed: an async function awaits what a generator function returns, and the other way round.
const twice = coroutine(async (n: number) => 2 * (await square(n)));

function* main(): Gen<void> {
  yield* nap();
  yield* countDown(0.3);

  const task = createTask(square(4));
  console.log(`16 is ${yield* task}`);

  const results = yield* gather(square(1), square(2), twice(3));
  console.log(`gathered: ${results.join(' ')}`);

  try {
    yield* timeout(0.1).run(function* () {
      yield* sleep(10);
    });
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    console.log('ten seconds were too long');
  }
}

await run(main);
