/** What workers call for a chunk: the program's function, for several items. Workers import this module by itself. */
import { iscoroutine } from '../core/coroutines.ts';
import { createTask } from '../core/tasks.ts';
import { importModule } from './importing.ts';
import { functionAt, type ModuleTarget, type Place } from './targets.ts';

/** `runChunk` as a target. */
export function chunkPlace(): ModuleTarget<[Place, readonly unknown[], boolean], Promise<unknown[]>> {
  return { module: import.meta.url, name: 'runChunk' };
}

/**
 * Call the function at `place` for each of `items`, one after the other. The first error ends it.
 *
 * @param isStar - whether the items are arrays of arguments.
 */
export async function runChunk(place: Place, items: readonly unknown[], isStar: boolean): Promise<unknown[]> {
  const fn = functionAt(place, await importModule(place.module));
  const results: unknown[] = [];
  for (const item of items) {
    const result = isStar ? fn(...(item as unknown[])) : fn(item);
    results.push(iscoroutine(result) ? await createTask(result) : await result);
  }
  return results;
}
