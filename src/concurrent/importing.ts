/**
 * Importing the modules of calls. While a worker does so they must not start workers in turn: a main module that forgot
 * `isMain` would start processes without end.
 */
import type * as AsyncHooks from 'node:async_hooks';
import { RuntimeError } from '../core/exceptions.ts';
import { runningLoop } from '../core/running.ts';
import { currentTask } from '../core/tasks.ts';
import { mainModule } from '../host/is-main.ts';
import type { Exports } from './targets.ts';

let imports = 0;
let mainProgram: AsyncHooks.AsyncLocalStorage<boolean> | null = null;

/** Import a module in the name of who calls its functions. */
export async function importModule(url: string): Promise<Exports> {
  imports++;
  try {
    // What a main program begins goes on after its import: `run(main)` without `await`. It is known by its context.
    return url === mainModule() ? await ofMainProgram(() => import(url)) : await import(url);
  } finally {
    imports--;
  }
}

function ofMainProgram(load: () => Promise<Exports>): Promise<Exports> {
  const { AsyncLocalStorage } = process.getBuiltinModule('node:async_hooks');
  mainProgram ??= new AsyncLocalStorage<boolean>();
  return mainProgram.run(true, load);
}

function isInCall(): boolean {
  const loop = runningLoop();
  return loop !== null && currentTask(loop) !== null;
}

/** @internal @throws RuntimeError in a module that is imported for a call, and in what a main program has begun meanwhile. */
export function checkNotImporting(): void {
  // A call that runs beside the import may have pools of its own.
  const isImporting = imports > 0 && !isInCall();
  if (!isImporting && mainProgram?.getStore() !== true) return;
  throw new RuntimeError(
    'An attempt has been made to start a worker while a worker imports this module. The module is imported again in ' +
      'every worker that calls its functions: let only the main program start workers, by if (isMain(import.meta))',
  );
}
