/** Whether a module is the program that was started. Counterpart: `if __name__ == '__main__'`. */
import type * as Fs from 'node:fs';
import type * as Module from 'node:module';
import type * as Url from 'node:url';
import type * as WorkerThreads from 'node:worker_threads';

/** What a worker thread or process of the library knows of itself. */
export interface WorkerInfo {
  readonly name: string;
  /** The URL of the program's main module, or null. */
  readonly mainModule: string | null;
  /** What `asyncio-ts/multiprocessing` has told it; its threads hear it, too. */
  readonly notes?: unknown;
}

/** Where a worker keeps it: each copy of the package that is loaded there finds it. */
const WORKER = Symbol.for('asyncio-ts: worker');

const globals = globalThis as { [WORKER]?: WorkerInfo };

/** @internal What this worker of the library was told at its start; null in other threads and processes. */
export function workerInfo<T extends WorkerInfo>(): T | null {
  return (globals[WORKER] as T | undefined) ?? null;
}

/** @internal This is a worker of the library. */
export function beWorker(info: WorkerInfo): void {
  globals[WORKER] = info;
}

// Not `host/node`'s own: it is loaded with each program, these when they are asked for.
function builtin<T>(name: string): T {
  return process.getBuiltinModule(name) as T;
}

let found: string | null | undefined;

/** @internal The URL of the program's main module; in a worker, that of the program which started it. */
export function mainModule(): string | null {
  const worker = workerInfo();
  if (worker !== null) return worker.mainModule;
  return (found ??= findMain());
}

function findMain(): string | null {
  const script = process.argv[1];
  if (script === undefined) return null;
  try {
    // It may have been named without its extension, or by its folder; a module's own URL is that of the real file.
    const { createRequire } = builtin<typeof Module>('node:module');
    const file = builtin<typeof Fs>('node:fs').realpathSync(createRequire(script).resolve(script));
    return builtin<typeof Url>('node:url').pathToFileURL(file).href;
  } catch {
    return null; // not a file: `node -e`, an address
  }
}

/**
 * Whether a module is the program itself, in its main thread: not imported, not in a worker, not in a child process.
 *
 * What starts threads and processes must be asked this, since they import the module of their function again:
 *
 * ```ts
 * if (isMain(import.meta)) await run(main);
 * ```
 *
 * @param meta - the module's `import.meta`.
 *
 * Source: CPython 3.14, the idiom `if __name__ == '__main__'`.
 */
export function isMain(meta: { readonly url: string; readonly main?: boolean }): boolean {
  if (workerInfo() !== null) return false;
  if (!builtin<typeof WorkerThreads>('node:worker_threads').isMainThread) return false;
  return meta.main ?? meta.url === mainModule();
}
