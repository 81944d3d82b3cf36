/**
 * Four threads, each with a delay of its own. The same as `processes`, with `Thread` in the place of `Process`: everything
 * happens in one process. Unlike Python's threads, these have a heap each and run truly at the same time.
 *
 * `--maxdelay N` keeps the delays below N seconds.
 */
import { isMain } from 'asyncio-ts';
import { Thread } from 'asyncio-ts/threading';
import { child, children, maxdelayOf } from './child.ts';

if (isMain(import.meta)) {
  const maxdelay = maxdelayOf(process.argv);
  console.log(`Parent PID: ${process.pid}`);
  for (let i = 0; i < children; i++) {
    new Thread({ target: child, args: [i, maxdelay] }).start();
  }
}
