/** No counterpart in aiohttp, which has sets. */

/** What can be in one list at a time. */
export interface Listed<T> {
  /** @internal Its neighbours. */
  _previous: T | null;
  /** @internal */
  _next: T | null;
}

/**
 * What comes and goes with every request, in the order of coming.
 *
 * No `Set`: under such a change V8 makes a new table every so often, and one that has grown old keeps the next alive, that
 * the one after it, with all that was ever in them, until the next full collection. Here who leaves knows nobody any more.
 */
export class IntrusiveList<T extends Listed<T>> {
  first: T | null = null;
  #last: T | null = null;

  add(item: T): void {
    const last = this.#last;
    item._previous = last;
    this.#last = item;
    if (last === null) this.first = item;
    else last._next = item;
  }

  delete(item: T): void {
    const { _previous: previous, _next: next } = item;
    if (previous === null) this.first = next;
    else previous._next = next;
    if (next === null) this.#last = previous;
    else next._previous = previous;
    item._previous = null;
    item._next = null;
  }
}
