/**
 * Four processes, each with a delay of its own. The child imports this module, too, to find what it runs: only the program
 * that was started by hand starts processes, which `isMain` tells.
 *
 * `--maxdelay N` keeps the delays below N seconds.
 */
import { isMain } from 'asyncio-ts';
import { Process } from 'asyncio-ts/multiprocessing';
import { child, children, maxdelayOf } from './child.ts';

if (isMain(import.meta)) {
  const maxdelay = maxdelayOf(process.argv);
  console.log(`Parent PID: ${process.pid}`);
  for (let i = 0; i < children; i++) {
    new Process({ target: child, args: [i, maxdelay] }).start();
  }
}
