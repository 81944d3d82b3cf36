/** Headers as a dictionary of many values. Counterpart: the package `multidict` that aiohttp uses. */

/** What the client takes as headers: an object, a `Map`, a `Headers`, pairs, or a `CIMultiDict`. */
export type LooseHeaders =
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

interface Entry {
  readonly name: string;
  /** The name in lower case, by which it is found. */
  readonly key: string;
  readonly value: string;
}

/**
 * An ordered dictionary with several values per name, whose names are found in any case and keep their own.
 *
 * Source: `multidict.CIMultiDict`, aiohttp's headers.
 */
export class CIMultiDict implements Iterable<[name: string, value: string]> {
  #entries: Entry[] = [];

  /** @param init - of an object, a value that is an array is several headers, and null or undefined is none. */
  constructor(init?: LooseHeaders | null) {
    if (init !== undefined && init !== null) for (const [name, value] of pairsOf(init)) this.add(name, value);
  }

  /** How many entries there are. */
  get size(): number {
    return this.#entries.length;
  }

  /** The first value of a name, or null. */
  get(name: string): string | null {
    const key = name.toLowerCase();
    return this.#entries.find((entry) => entry.key === key)?.value ?? null;
  }

  /** All values of a name, in order. */
  getall(name: string): string[] {
    const key = name.toLowerCase();
    return this.#entries.filter((entry) => entry.key === key).map((entry) => entry.value);
  }

  has(name: string): boolean {
    const key = name.toLowerCase();
    return this.#entries.some((entry) => entry.key === key);
  }

  /** Append a value; those that the name has stay. */
  add(name: string, value: string): void {
    this.#entries.push({ name, key: name.toLowerCase(), value });
  }

  /** Give a name this one value. The first entry of the name keeps its place. */
  set(name: string, value: string): void {
    const key = name.toLowerCase();
    const place = this.#entries.findIndex((entry) => entry.key === key);
    if (place < 0) {
      this.add(name, value);
      return;
    }
    this.#entries[place] = { name, key, value };
    this.#entries = this.#entries.filter((entry, i) => i <= place || entry.key !== key);
  }

  /** Take all values of a name away. Returns whether there were any. */
  delete(name: string): boolean {
    const key = name.toLowerCase();
    const before = this.#entries.length;
    this.#entries = this.#entries.filter((entry) => entry.key !== key);
    return this.#entries.length < before;
  }

  /** Let the names of `others` have the values that they have there, and no more. */
  update(others: LooseHeaders): void {
    const added = new Set<string>();
    for (const [name, value] of pairsOf(others)) {
      const key = name.toLowerCase();
      if (added.has(key)) this.add(name, value);
      else this.set(name, value);
      added.add(key);
    }
  }

  *entries(): IterableIterator<[name: string, value: string]> {
    for (const { name, value } of this.#entries) yield [name, value];
  }

  *keys(): IterableIterator<string> {
    for (const { name } of this.#entries) yield name;
  }

  *values(): IterableIterator<string> {
    for (const { value } of this.#entries) yield value;
  }

  [Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    return this.entries();
  }

  toString(): string {
    return `<CIMultiDict(${this.#entries.map(({ name, value }) => `'${name}': '${value}'`).join(', ')})>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

function* pairsOf(headers: LooseHeaders): Iterable<readonly [string, string]> {
  if (Symbol.iterator in headers) {
    yield* headers as Iterable<readonly [string, string]>;
    return;
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value === null || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) yield [name, String(one)];
  }
}
