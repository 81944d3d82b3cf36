/**
 * Four tasks, each with a delay of its own: the children of `processes` and `threads` once more, on one event loop, in one
 * thread, with one heap. Nothing has to be started, and none of them waits for another.
 *
 * `--maxdelay N` keeps the delays below N seconds.
 */
import { gather, run } from 'asyncio-ts';
import { child, children, maxdelayOf } from './child.ts';

async function main(): Promise<void> {
  const maxdelay = maxdelayOf(process.argv);
  console.log(`Parent PID: ${process.pid}`);
  await gather(Array.from({ length: children }, (_, i) => () => child(i, maxdelay)));
}

await run(main);
