/**
 * A barrier: tasks that wait for each other. Nobody goes through until all have come, and then all do; the barrier is
 * ready for the next round at once. Written as generator functions.
 *
 * Five tasks own a cell each of a ring of metal, the middle one of which was heated. In every step a cell takes the mean
 * of itself and its neighbours. So all have to have read before the first one writes, and to have written before the
 * first one reads again, however different their speeds are.
 */
import { Barrier, gather, type Gen, run, sleep } from 'asyncio-ts';

const STEPS = 4;
const cells = [0, 0, 90, 0, 0];
const barrier = new Barrier(cells.length);

function show(label: string): void {
  console.log(`${label}${cells.map((degrees) => degrees.toFixed(0).padStart(4)).join('')}`);
}

function at(i: number): number {
  return cells.at(i % cells.length) as number;
}

function* keep(own: number): Gen<void> {
  for (let step = 1; step <= STEPS; step++) {
    const mean = (at(own - 1) + at(own) + at(own + 1)) / 3;
    // Some are slow.
    yield* sleep(own / 200);
    yield* barrier.wait();
    cells[own] = mean;
    const position = yield* barrier.wait();
    // Each gets a number at each round: one of them speaks for all.
    if (position === 0) show(`step ${step}:`);
  }
}

function* main(): Gen<void> {
  show('before:');
  yield* gather(cells.map((_, i) => () => keep(i)));
}

await run(main);
