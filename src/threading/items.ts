/** Items of queues between threads, as bytes. */
import { DefaultSerializer, deserialize } from 'node:v8';
import { pack, unpack } from '../concurrent/crossing.ts';
import { attach, detach } from './attachments.ts';

/** How the bytes of an item are to be read. */
const CLONE = 0;
const CLONE_WITH_PARCELS = 1;
const NUMBER = 2;
const STRING = 3;
/** Before the clone stands the key of the shared memory that belongs to it. */
const CLONE_WITH_MEMORY = 4;

/** An item on its way. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly kind: number;
  /** Empty what was marked as moved, once the item is in the queue. */
  readonly empty: (() => void) | null;
  /** The item does not get into the queue. */
  readonly discard: (() => void) | null;
}

function unfit(what: string, cause?: unknown): TypeError {
  return new TypeError(
    `${what} cannot be in an item of a queue between threads: items are cloned. Pass it as an argument of the thread`,
    { cause },
  );
}

/** What V8 asks, beyond the declared. */
interface Delegate {
  _writeHostObject(object: object): unknown;
}

class Serializer extends DefaultSerializer {
  _writeHostObject(object: object): unknown {
    if (ArrayBuffer.isView(object) && object.buffer instanceof SharedArrayBuffer) {
      throw unfit('a typed array on a SharedArrayBuffer, unlike the buffer itself,');
    }
    return (DefaultSerializer.prototype as unknown as Delegate)._writeHostObject.call(this, object);
  }
}

/** Stands for shared memory in a clone, with its number in the list. */
const MEMORY = '\u0000asyncio-ts memory';

/** `value` with others in the place of the objects for which `change` gives one; what contains them is copied. */
function replace(value: unknown, change: (item: object) => unknown): unknown {
  const seen = new Map<object, unknown>();
  function step(item: unknown): unknown {
    if (typeof item !== 'object' || item === null) return item;
    if (seen.has(item)) return seen.get(item);
    const other = change(item);
    if (other !== undefined) return other;
    if (Array.isArray(item)) {
      const made: unknown[] = [];
      seen.set(item, made);
      for (const each of item) made.push(step(each));
      return made;
    }
    if (item instanceof Map) {
      const made = new Map<unknown, unknown>();
      seen.set(item, made);
      for (const [key, each] of item) made.set(step(key), step(each));
      return made;
    }
    if (item instanceof Set) {
      const made = new Set<unknown>();
      seen.set(item, made);
      for (const each of item) made.add(step(each));
      return made;
    }
    const prototype: unknown = Object.getPrototypeOf(item);
    if (prototype !== Object.prototype && prototype !== null) return item;
    const made = {};
    seen.set(item, made);
    // Not by assignment, which a key `__proto__` would turn into something else.
    for (const [key, each] of Object.entries(item)) {
      Object.defineProperty(made, key, {
        value: step(each),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    return made;
  }
  return step(value);
}

/** `value` without its shared memory, which is added to `memory`. */
function takeMemoryOut(value: unknown, memory: SharedArrayBuffer[]): unknown {
  return replace(value, (item) => {
    if (!(item instanceof SharedArrayBuffer)) return undefined;
    const known = memory.indexOf(item);
    return { [MEMORY]: known >= 0 ? known : memory.push(item) - 1 };
  });
}

function putMemoryIn(value: unknown, memory: readonly SharedArrayBuffer[]): unknown {
  return replace(value, (item) => {
    const number = (item as { [MEMORY]?: number })[MEMORY];
    return number === undefined ? undefined : memory[number];
  });
}

function serialize(value: unknown): Uint8Array {
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

/**
 * The bytes of `item`: a structured clone, but a shorter way for what is put most.
 *
 * @throws TypeError, naming it, if there is something in it that cannot be cloned.
 */
export function encode(item: unknown): Encoded {
  // Of two bytes a character, which keeps halves of surrogate pairs.
  if (typeof item === 'string') return plain(Buffer.from(item, 'utf16le'), STRING);
  if (typeof item === 'number') return plain(new Uint8Array(new Float64Array([item]).buffer), NUMBER);
  const { value, hasParcels, transfer } = pack(item, 'thread');
  for (const each of transfer) {
    if (!(each instanceof ArrayBuffer)) throw unfit(`a ${each.constructor.name}`);
  }
  const memory: SharedArrayBuffer[] = [];
  // What is live has some; else there rarely is any.
  let sent = hasParcels || value instanceof SharedArrayBuffer ? takeMemoryOut(value, memory) : value;
  let bytes: Uint8Array;
  try {
    try {
      bytes = serialize(sent);
    } catch (error) {
      if (sent !== value || !(error as Error).message.includes('SharedArrayBuffer')) throw error;
      sent = takeMemoryOut(value, memory);
      bytes = serialize(sent);
    }
  } catch (error) {
    const { message } = error as Error;
    if (!message.endsWith(' could not be cloned.')) throw error;
    throw unfit(message.replace(/ could not be cloned\.$/, ''), error);
  }
  const empty =
    transfer.length === 0 ? null : () => void structuredClone(null, { transfer: [...transfer] as never });
  if (memory.length === 0) {
    return { bytes, kind: hasParcels ? CLONE_WITH_PARCELS : CLONE, empty, discard: null };
  }
  const key = attach(memory);
  const head = Buffer.from([key.length, ...Buffer.from(key, 'latin1')]);
  return {
    bytes: Buffer.concat([head, bytes]),
    kind: CLONE_WITH_MEMORY,
    empty,
    discard: () => detach(key),
  };
}

function plain(bytes: Uint8Array, kind: number): Encoded {
  return { bytes, kind, empty: null, discard: null };
}

/** The key of the shared memory of an item; null if it has none. */
export function memoryKey(bytes: Uint8Array, kind: number): string | null {
  if (kind !== CLONE_WITH_MEMORY) return null;
  return Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes[0]).toString('latin1');
}

/** What the bytes stand for. They become part of it. */
export function decode(bytes: Uint8Array, kind: number, memory: readonly SharedArrayBuffer[] = []): unknown {
  switch (kind) {
    case NUMBER:
      return new Float64Array(bytes.buffer)[0];
    case STRING:
      return Buffer.from(bytes.buffer).toString('utf16le');
    case CLONE:
      return deserialize(bytes);
    case CLONE_WITH_PARCELS:
      return unpack(deserialize(bytes));
    default:
      return unpack(putMemoryIn(deserialize(withoutKey(bytes)), memory));
  }
}

function withoutKey(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(1 + (bytes[0] as number));
}

/** As `decode`, to compare it and no more: live objects in it remain parcels, without their memory. */
export function decodeForOrder(bytes: Uint8Array, kind: number): unknown {
  if (kind === NUMBER || kind === STRING) return decode(bytes, kind);
  return deserialize(kind === CLONE_WITH_MEMORY ? withoutKey(bytes) : bytes);
}
