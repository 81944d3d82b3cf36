/** Dictionaries of many values per name. Counterpart: the package `multidict` that aiohttp uses. */
import { typeName } from '../core/format-helpers.ts';
import { quote } from './helpers.ts';

/** What the client takes as headers: an object, a `Map`, a `Headers`, pairs, or a `CIMultiDict`. */
export type LooseHeaders =
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

/** What a `MultiDict` is made of: pairs, or an object of values. */
export type LoosePairs<V> = Iterable<readonly [name: string, value: V]> | Readonly<Record<string, V>>;

/** Never changed, only replaced: copies share them. */
interface Entry<V> {
  readonly name: string;
  /** The form of the name by which it is found. */
  readonly key: string;
  readonly value: V;
}

/** What dictionaries and their read-only views have in common. */
abstract class MultiMapping<V> implements Iterable<[name: string, value: V]> {
  /** @internal One array for the life of a dictionary, so that views of it may hold it, too. */
  readonly _entries: Entry<V>[];

  constructor(entries: Entry<V>[]) {
    this._entries = entries;
  }

  /** @internal The form of a name by which it is found. */
  _key(name: string): string {
    return name;
  }

  /** How many entries there are; a name counts once for each of its values. */
  get size(): number {
    return this._entries.length;
  }

  /** The first value of a name, or `defaultValue`. */
  get(name: string): V | null;
  get<D>(name: string, defaultValue: D): V | D;
  get(name: string, defaultValue: unknown = null): unknown {
    const key = this._key(name);
    for (const entry of this._entries) if (entry.key === key) return entry.value;
    return defaultValue;
  }

  /** All values of a name, in order; none gives `[]`. */
  getall(name: string): V[] {
    const key = this._key(name);
    const values: V[] = [];
    for (const entry of this._entries) if (entry.key === key) values.push(entry.value);
    return values;
  }

  has(name: string): boolean {
    const key = this._key(name);
    for (const entry of this._entries) if (entry.key === key) return true;
    return false;
  }

  /** The entries that there are now. */
  entries(): IterableIterator<[name: string, value: V]> {
    return this._entries.map(({ name, value }): [string, V] => [name, value]).values();
  }

  /** The names, as they were given; one that has several values is there several times. */
  keys(): IterableIterator<string> {
    return this._entries.map(({ name }) => name).values();
  }

  values(): IterableIterator<V> {
    return this._entries.map(({ value }) => value).values();
  }

  forEach(callback: (value: V, name: string, self: this) => void): void {
    for (const [name, value] of this.entries()) callback(value, name, this);
  }

  [Symbol.iterator](): IterableIterator<[name: string, value: V]> {
    return this.entries();
  }

  /** Credentials in it are shown as `***`. */
  toString(): string {
    const entries = this._entries.map((entry) => {
      const value = shown(entry);
      return `${quote(entry.name)}: ${typeof value === 'string' ? quote(value) : String(value)}`;
    });
    return `<${this.constructor.name}(${entries.join(', ')})>`;
  }

  /** The pairs, with credentials as `***`. */
  toJSON(): [name: string, value: V | string][] {
    return this._entries.map((entry) => [entry.name, shown(entry)]);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

const SECRET = new Set(['authorization', 'proxy-authorization']);

/** A value for the eyes of others: of credentials the scheme alone. */
function shown<V>({ key, value }: Entry<V>): V | string {
  return typeof value === 'string' && SECRET.has(key) ? value.replace(/^(\S+\s+)?[^]*$/, '$1***') : value;
}

/**
 * An ordered dictionary with several values per name.
 *
 * Source: `multidict.MultiDict`.
 */
export class MultiDict<V = string> extends MultiMapping<V> {
  constructor(init?: LoosePairs<V> | null) {
    super([]);
    if (init !== undefined && init !== null) this._extend(init);
  }

  /** Append a value; those that the name has stay. */
  add(name: string, value: V): void {
    this._entries.push({ name, key: this._key(name), value });
  }

  /** Give a name this one value. The first entry of the name keeps its place. */
  set(name: string, value: V): void {
    const key = this._key(name);
    const place = this.#place(key, 0);
    if (place < 0) {
      this._entries.push({ name, key, value });
      return;
    }
    this._entries[place] = { name, key, value };
    this.#remove(key, place + 1);
  }

  /** The first value of a name; a name that has none gets `value`. */
  setdefault(name: string, value: V): V {
    const key = this._key(name);
    const place = this.#place(key, 0);
    if (place >= 0) return (this._entries[place] as Entry<V>).value;
    this._entries.push({ name, key, value });
    return value;
  }

  /** Take all values of a name away. Returns whether there were any. */
  delete(name: string): boolean {
    return this.#remove(this._key(name), 0);
  }

  /** Take the first value of a name away, and give it; null if there is none. */
  pop(name: string): V | null {
    const place = this.#place(this._key(name), 0);
    return place < 0 ? null : (this._entries.splice(place, 1)[0] as Entry<V>).value;
  }

  /** Take all values of a name away, and give them; none gives `[]`. */
  popall(name: string): V[] {
    const values = this.getall(name);
    if (values.length > 0) this.delete(name);
    return values;
  }

  clear(): void {
    this._entries.length = 0;
  }

  /** Append all entries of `others`. */
  extend(others: LoosePairs<V>): void {
    this._extend(others);
  }

  /** Append the entries of `others` whose names are not here yet. */
  merge(others: LoosePairs<V>): void {
    const pairs = [...pairsOf(others)].filter(([name]) => !this.has(name));
    for (const [name, value] of pairs) this.add(name, value);
  }

  /** Let the names of `others` have the values that they have there, and no more. Names keep their places. */
  update(others: LoosePairs<V>): void {
    /** How far each name has been replaced. */
    const ends = new Map<string, number>();
    for (const [name, value] of pairsOf(others)) {
      const key = this._key(name);
      const place = this.#place(key, ends.get(key) ?? 0);
      const entry = { name, key, value };
      if (place < 0) this._entries.push(entry);
      else this._entries[place] = entry;
      ends.set(key, place < 0 ? this._entries.length : place + 1);
    }
    // From the back, so that the places of the others stay as they are.
    for (const [key, end] of [...ends].sort(([, a], [, b]) => b - a)) this.#remove(key, end);
  }

  /** @internal */
  _extend(others: LoosePairs<V>): void {
    for (const [name, value] of pairsOf(others)) this.add(name, value);
  }

  #place(key: string, from: number): number {
    const { _entries: entries } = this;
    for (let i = from; i < entries.length; i++) if (entries[i]?.key === key) return i;
    return -1;
  }

  /** Take the entries of a key away that stand at `from` or behind. */
  #remove(key: string, from: number): boolean {
    const { _entries: entries } = this;
    let end = from;
    for (let i = from; i < entries.length; i++) {
      const entry = entries[i] as Entry<V>;
      if (entry.key !== key) entries[end++] = entry;
    }
    const removed = entries.length > end;
    entries.length = end;
    return removed;
  }
}

/**
 * An ordered dictionary with several values per name, whose names are found in any case and keep their own.
 *
 * Source: `multidict.CIMultiDict`, aiohttp's headers.
 */
export class CIMultiDict extends MultiDict<string> {
  /** @param init - of an object, a value that is an array is several headers, and null or undefined is none. */
  constructor(init?: LooseHeaders | null) {
    super();
    if (init !== undefined && init !== null) this._extend(init);
  }

  override _key(name: string): string {
    return name.toLowerCase();
  }

  override extend(others: LooseHeaders): void {
    this._extend(others);
  }

  override merge(others: LooseHeaders): void {
    super.merge(headersOf(others));
  }

  override update(others: LooseHeaders): void {
    super.update(headersOf(others));
  }

  override _extend(others: LooseHeaders): void {
    if (others instanceof CIMultiDict || others instanceof CIMultiDictProxy) {
      const { _entries: entries } = others;
      for (let i = 0, { length } = entries; i < length; i++) this._entries.push(entries[i] as Entry<string>);
      return;
    }
    for (const [name, value] of headersOf(others)) this.add(name, value);
  }

  /** @internal Name, value, name, value … */
  _flat(): string[] {
    const { _entries: entries } = this;
    // Of the right size at once: one that grows takes more than it needs, and each open request has one.
    const flat = new Array<string>(2 * entries.length);
    for (let i = 0; i < entries.length; i++) {
      const { name, value } = entries[i] as Entry<string>;
      flat[2 * i] = name;
      flat[2 * i + 1] = value;
    }
    return flat;
  }
}

/**
 * A view of a `MultiDict` that shows its changes and makes none.
 *
 * Source: `multidict.MultiDictProxy`.
 */
export class MultiDictProxy<V = string> extends MultiMapping<V> {
  /** @throws TypeError for what is no `MultiDict` and no view of one. */
  constructor(dict: MultiDict<V> | MultiDictProxy<V>) {
    if (!(dict instanceof MultiDict || dict instanceof MultiDictProxy)) {
      throw new TypeError(`ctor requires MultiDict or MultiDictProxy instance, not ${typeName(dict)}`);
    }
    super(dict._entries);
  }

  /** A dictionary of its own. */
  copy(): MultiDict<V> {
    return new MultiDict(this);
  }
}

/**
 * A view of a `CIMultiDict` that shows its changes and makes none: the headers of a response.
 *
 * Source: `multidict.CIMultiDictProxy`.
 */
export class CIMultiDictProxy extends MultiDictProxy<string> {
  /** @throws TypeError for what is no `CIMultiDict` and no view of one. */
  constructor(dict: CIMultiDict | CIMultiDictProxy) {
    if (!(dict instanceof CIMultiDict || dict instanceof CIMultiDictProxy)) {
      throw new TypeError(`ctor requires CIMultiDict or CIMultiDictProxy instance, not ${typeName(dict)}`);
    }
    super(dict);
  }

  override _key(name: string): string {
    return name.toLowerCase();
  }

  override copy(): CIMultiDict {
    return new CIMultiDict(this);
  }
}

function pairsOf<V>(from: LoosePairs<V>): Iterable<readonly [string, V]> {
  return Symbol.iterator in from ? (from as Iterable<readonly [string, V]>) : Object.entries(from);
}

function headersOf(from: LooseHeaders): Iterable<readonly [string, string]> {
  if (Symbol.iterator in from) return from as Iterable<readonly [string, string]>;
  const headers: [string, string][] = [];
  for (const [name, value] of Object.entries(from)) {
    if (value === null || value === undefined) continue;
    if (Array.isArray(value)) for (const one of value) headers.push([name, String(one)]);
    else headers.push([name, String(value)]);
  }
  return headers;
}
