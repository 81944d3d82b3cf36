/** What was allocated at a place. Counterpart: `Trace` of `tracemalloc.py`. */
import { formatSize } from './format-size.ts';
import type { Traceback } from './traceback.ts';

/**
 * One sample of the heap: some memory that is in use, and where it was allocated. Prints as `FILE:LINE: 32 KiB`.
 *
 * @param domain - 0: V8 has one kind of memory only.
 * @param size - bytes that the sample stands for.
 * @param traceback - where.
 *
 * Source: CPython 3.14 `tracemalloc.Trace`.
 */
export class Trace {
  readonly domain: number;
  readonly size: number;
  readonly traceback: Traceback;

  constructor(domain: number, size: number, traceback: Traceback) {
    this.domain = domain;
    this.size = size;
    this.traceback = traceback;
  }

  toString(): string {
    return `${this.traceback}: ${formatSize(this.size)}`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
