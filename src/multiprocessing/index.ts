/** Processes, and what they share. Counterpart: `multiprocessing`. */
import { checkMethod } from './context.ts';
import * as multiprocessing from './package.ts';

export * from './package.ts';

/** What `getContext` gives: the functions and classes of this package. */
export type BaseContext = typeof multiprocessing;

/**
 * The package for one start method; since there is one method, the package.
 *
 * @throws RangeError for a method that does not exist here.
 *
 * Source: CPython 3.14 `multiprocessing.get_context`.
 */
export function getContext(method?: string | null): BaseContext {
  if (method !== null && method !== undefined) checkMethod(method);
  return multiprocessing;
}
