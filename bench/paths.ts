/** Where things are, seen from the compiled command in `build/bench`. */
import { fileURLToPath } from 'node:url';

export const ROOT = new URL('../../', import.meta.url);
/** The Python programs and the peers' programs are not compiled: they run from the sources. */
export const SOURCES = new URL('bench/', ROOT);
export const BUILT = new URL('./', import.meta.url);
export const CACHE = new URL('.cache/bench/', ROOT);
export const EXECUTORS_CACHE = new URL('.cache/bench-executors/', ROOT);
export const HTTP_CACHE = new URL('.cache/bench-http/', ROOT);

export function pathOf(relative: string, base: URL): string {
  return fileURLToPath(new URL(relative, base));
}
