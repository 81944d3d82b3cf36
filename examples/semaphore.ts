/**
 * A semaphore: at most so many at once. Every request goes through `run`, which waits for a permit, runs the body and
 * gives the permit back on every way out. Who is cancelled in line leaves it.
 *
 * Each line of the output shows which requests are under way, and which wait.
 */
import { createTask, gather, run, Semaphore, sleep } from 'asyncio-ts';

const AT_ONCE = 3;
const PAGES = [1, 2, 3, 4, 5, 6, 7];
const SECONDS = [0.1, 0.35, 0.2, 0.2, 0.1, 0.2, 0.1];

const permits = new Semaphore(AT_ONCE);
const waiting = new Set(PAGES);
const underWay = new Set<number>();

function show(event: string): void {
  const inside = [...underWay].join(' ').padEnd(7);
  console.log(`  ${event.padEnd(12)} under way: ${inside}waiting: ${[...waiting].join(' ') || '-'}`);
}

/** Stands for a request. */
async function request(page: number): Promise<number> {
  waiting.delete(page);
  underWay.add(page);
  show(`page ${page}`);
  try {
    await sleep(SECONDS[page - 1] ?? 0);
    return page * 1000;
  } finally {
    underWay.delete(page);
  }
}

async function main(): Promise<void> {
  console.log(`${PAGES.length} pages, ${AT_ONCE} at once:`);
  const tasks = PAGES.map((page) => createTask(permits.run(() => request(page))));
  await sleep(0.05);
  // It stands in line, and leaves it.
  tasks[4]?.cancel();
  waiting.delete(5);
  show('5 gives up');
  const results = await gather(tasks, { returnExceptions: true });
  const sizes = results.map((result) => (result instanceof Error ? result.name : result));
  console.log(`sizes: ${sizes.join(', ')}`);
  console.log(`permits left: ${permits.value}`);
}

await run(main);
