/** Several maps as one. In aiohttp a part of `helpers.py`. */

/**
 * A view of several maps, in which a key has the value of the first map that knows it.
 *
 * Source: aiohttp 3.14 `aiohttp.helpers.ChainMapProxy`.
 */
export class ChainMapProxy<V = unknown> implements ReadonlyMap<string, V> {
  readonly #maps: readonly ReadonlyMap<string, V>[];

  constructor(maps: Iterable<ReadonlyMap<string, V>>) {
    this.#maps = [...maps];
  }

  get size(): number {
    return this.#joined().size;
  }

  get(key: string): V | undefined {
    return this.#maps.find((map) => map.has(key))?.get(key);
  }

  has(key: string): boolean {
    return this.#maps.some((map) => map.has(key));
  }

  entries(): MapIterator<[string, V]> {
    return this.#joined().entries();
  }

  keys(): MapIterator<string> {
    return this.#joined().keys();
  }

  values(): MapIterator<V> {
    return this.#joined().values();
  }

  forEach(callback: (value: V, key: string, map: ReadonlyMap<string, V>) => void): void {
    for (const [key, value] of this) callback(value, key, this);
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }

  /** Keys of the last map first, as Python has them. */
  #joined(): Map<string, V> {
    return new Map(this.#maps.toReversed().flatMap((map) => [...map]));
  }
}
