/** The stack of threads that are made later. */
import { repr } from '../core/format-helpers.ts';

/** Node keeps 192 KiB of it for itself, and needs about as much to start: with less it crashes. */
const MIN_BYTES = 512 * 1024;
const MEGABYTE = 2 ** 20;

let bytes = 0;

/**
 * The size of the stack that threads made from now on get. 0 is the host's own default.
 *
 * @param size - bytes, at least 512 KiB, or 0; left out, nothing is changed.
 * @returns the size until now.
 * @throws RangeError for a size that makes no sense.
 *
 * Source: CPython 3.14 `threading.stack_size`.
 */
export function stackSize(size?: number): number {
  const before = bytes;
  if (size !== undefined) {
    if (!Number.isInteger(size)) throw new TypeError(`size must be an integer, got ${repr(size)}`);
    if (size < 0) throw new RangeError('size must be 0 or a positive value');
    if (size > 0 && size < MIN_BYTES) throw new RangeError(`size not valid: ${size} bytes`);
    bytes = size;
  }
  return before;
}

/** The same in megabytes, or null for the default. */
export function stackSizeMb(): number | null {
  return bytes === 0 ? null : bytes / MEGABYTE;
}
