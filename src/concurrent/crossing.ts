/**
 * What crosses to another thread or process. Values are cloned (structured clone). Live objects of the library, such as a
 * lock, cross by a description of themselves, from which the other side makes its end of the same thing; buffers can be
 * moved instead of copied.
 */
import { RuntimeError } from '../core/exceptions.ts';
import type { Transferable } from 'node:worker_threads';
import type { Link } from './link.ts';

/** What a value crosses to. */
export type Way = 'thread' | 'process';

/** A live object on its way. */
export interface Parcel {
  /** The name under which its class is known to `registerKind`. */
  readonly kind: string;
  /** The module that registers the class: `import.meta.url`. */
  readonly module: string;
  /** From what the other side makes it; can be cloned. */
  readonly data: unknown;
  /** What of `data` is moved. */
  readonly transfer?: readonly Transferable[];
}

/** The method of a live object that describes it. Throws if it cannot cross this way. */
export const crossTo: unique symbol = Symbol('asyncio-ts: cross to');

/**
 * An object that can be an argument of calls in other threads or processes. One of its own properties must be a function, or
 * something else that cannot be cloned: that it stands deep in an argument is seen by the clone's failure.
 */
export interface Crossing {
  /** @param link - the line to the other side; null if the object would be a result or an item, not an argument. */
  [crossTo](way: Way, link: Link | null): Parcel;
}

/** Makes a live object from the data of its parcel, which came over `link`. `any`: each kind knows its own data. */
export type Revive = (data: any, link: Link | null) => object;

const kinds = new Map<string, Revive>();

/** @internal `revive` makes objects of `kind`. */
export function registerKind(kind: string, revive: Revive): void {
  kinds.set(kind, revive);
}

const MOVED: unique symbol = Symbol('moved');

/** A value with what of it is to be moved. */
class Moved {
  readonly [MOVED]: readonly Transferable[];
  readonly value: unknown;
  /** As `Crossing` demands. */
  readonly unclonable = (): void => {};

  constructor(value: unknown, list: readonly Transferable[]) {
    this[MOVED] = list;
    this.value = value;
  }
}

/** The memory of `value`. That of a small Buffer is shared by all small Buffers, and stays. */
function memoryOf(value: unknown): readonly Transferable[] {
  if (!ArrayBuffer.isView(value)) return [value as Transferable];
  const isShared = Buffer.isBuffer(value) && value.byteLength < value.buffer.byteLength;
  return isShared ? [] : [value.buffer as ArrayBuffer];
}

/**
 * Mark an argument, a result or an item so that its memory is moved to the other thread, in no time, and is empty here
 * afterwards. Between processes it is copied all the same.
 *
 * @param value - an ArrayBuffer, a typed array, a MessagePort, …; or anything, with the list of what in it is to be moved.
 * @returns the mark, in the place of `value`; the other side gets the value itself.
 */
export function transfer<T>(value: T, list?: readonly Transferable[]): T {
  return new Moved(value, list ?? memoryOf(value)) as unknown as T;
}

/** Not every Node notices before it is too late. */
function checkMemory(item: Transferable): void {
  if (!(item instanceof ArrayBuffer) || item.byteLength > 0) return;
  try {
    new Uint8Array(item);
  } catch {
    throw new TypeError('its memory was moved elsewhere before');
  }
}

/** A value that can be sent. */
export interface Packed {
  readonly value: unknown;
  /** Whether there are parcels in it. */
  readonly hasParcels: boolean;
  readonly transfer: readonly Transferable[];
}

const NOTHING: readonly Transferable[] = [];
/** The key of a parcel among plain data; nobody else uses it. */
const PARCEL = '\u0000asyncio-ts parcel';

function isSpecial(value: unknown): value is object {
  return typeof value === 'object' && value !== null && (crossTo in value || MOVED in value);
}

/** Whether `value` itself is live or marked; what stands deeper in it is found by `pack` alone. */
export function needsPacking(values: readonly unknown[]): boolean {
  return values.some(isSpecial);
}

/**
 * Replace the live and marked objects in `value`, at any depth of plain objects, arrays, maps and sets.
 *
 * @param link - the line to where arguments go; null for all else.
 */
export function pack(value: unknown, way: Way, link: Link | null = null): Packed {
  const moved: Transferable[] = [];
  let hasParcels = false;
  const seen = new Map<object, unknown>();

  function copy(item: unknown): unknown {
    if (typeof item !== 'object' || item === null) return item;
    if (MOVED in item) {
      const list = (item as Moved)[MOVED];
      list.forEach(checkMemory);
      if (way === 'thread') moved.push(...list);
      return copy((item as Moved).value);
    }
    if (crossTo in item) {
      const { kind, module, data, transfer: list } = (item as Crossing)[crossTo](way, link);
      hasParcels = true;
      if (list !== undefined) moved.push(...list);
      return { [PARCEL]: [kind, module, data] };
    }
    const done = seen.get(item);
    if (done !== undefined) return done;
    if (Array.isArray(item))
      return rebuild<unknown[]>(item, [], (array) => item.forEach((each) => array.push(copy(each))));
    if (item instanceof Map) {
      return rebuild(item, new Map<unknown, unknown>(), (map) =>
        item.forEach((each, key) => map.set(copy(key), copy(each))),
      );
    }
    if (item instanceof Set) {
      return rebuild(item, new Set<unknown>(), (set) => item.forEach((each) => set.add(copy(each))));
    }
    const prototype: unknown = Object.getPrototypeOf(item);
    if (prototype !== Object.prototype && prototype !== null) return item;
    return rebuild<Record<string, unknown>>(item, {}, (object) => {
      for (const [key, each] of Object.entries(item)) define(object, key, copy(each));
    });
  }

  function rebuild<C extends object>(item: object, made: C, fill: (made: C) => void): C {
    seen.set(item, made);
    fill(made);
    return made;
  }

  return { value: copy(value), hasParcels, transfer: moved.length === 0 ? NOTHING : moved };
}

// Not by assignment, which a key `__proto__` would turn into something else.
function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

type ParcelData = [kind: string, module: string, data: unknown];

function parcelOf(item: object): ParcelData | undefined {
  return (item as { [PARCEL]?: ParcelData })[PARCEL];
}

/** The modules that `unpack` needs and that are not loaded here. */
export function missingModules(value: unknown): Set<string> {
  const missing = new Set<string>();
  walk(value, (item) => {
    const parcel = parcelOf(item);
    if (parcel !== undefined && !kinds.has(parcel[0])) missing.add(parcel[1]);
    return undefined;
  });
  return missing;
}

/** Make the live objects of a value that `pack` has packed. The value is the receiver's own, and changed in place. */
export function unpack(value: unknown, link: Link | null = null): unknown {
  return walk(value, (item) => {
    const parcel = parcelOf(item);
    if (parcel === undefined) return undefined;
    const revive = kinds.get(parcel[0]);
    if (revive === undefined) throw new RuntimeError(`nothing here knows what a ${parcel[0]} is`);
    return revive(parcel[2], link);
  });
}

/** Replace each object for which `visit` gives another, from the outside to the inside. */
function walk(value: unknown, visit: (item: object) => object | undefined): unknown {
  const seen = new Set<object>();
  function step(item: unknown): unknown {
    if (typeof item !== 'object' || item === null || seen.has(item)) return item;
    const replaced = visit(item);
    if (replaced !== undefined) return replaced;
    if (parcelOf(item) !== undefined) return item;
    seen.add(item);
    if (Array.isArray(item)) item.forEach((each, i) => (item[i] = step(each)));
    else if (item instanceof Map) {
      const entries = [...item].map(([key, each]) => [step(key), step(each)] as const);
      item.clear();
      for (const [key, each] of entries) item.set(key, each);
    } else if (item instanceof Set) {
      const items = [...item].map(step);
      item.clear();
      for (const each of items) item.add(each);
    } else if (Object.getPrototypeOf(item) === Object.prototype) {
      for (const [key, each] of Object.entries(item)) define(item, key, step(each));
    }
    return item;
  }
  return step(value);
}
