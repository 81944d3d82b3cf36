/** Items of queues between threads, as bytes. */
import { deserialize, serialize } from 'node:v8';
import { pack, unpack } from '../concurrent/crossing.ts';

/** How the bytes of an item are to be read. */
const CLONE = 0;
const CLONE_WITH_PARCELS = 1;
const NUMBER = 2;
const STRING = 3;

/** An item on its way. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly kind: number;
  /** Empty what was marked as moved, once the item is in the queue. */
  readonly empty: (() => void) | null;
}

/**
 * The bytes of `item`: a structured clone, but a shorter way for what is put most.
 *
 * @throws TypeError, naming it, if there is something in it that cannot be cloned.
 */
export function encode(item: unknown): Encoded {
  // Of two bytes a character, which keeps halves of surrogate pairs.
  if (typeof item === 'string') return { bytes: Buffer.from(item, 'utf16le'), kind: STRING, empty: null };
  if (typeof item === 'number') {
    return { bytes: new Uint8Array(new Float64Array([item]).buffer), kind: NUMBER, empty: null };
  }
  const { value, hasParcels, transfer } = pack(item, 'thread');
  for (const each of transfer) {
    if (!(each instanceof ArrayBuffer)) throw unfit(`a ${each.constructor.name}`);
  }
  let bytes: Uint8Array;
  try {
    bytes = serialize(value);
  } catch (error) {
    throw unfit((error as Error).message.replace(/ could not be cloned\.$/, ''), error);
  }
  const empty =
    transfer.length === 0 ? null : () => void structuredClone(null, { transfer: [...transfer] as any });
  return { bytes, kind: hasParcels ? CLONE_WITH_PARCELS : CLONE, empty };
}

function unfit(what: string, cause?: unknown): TypeError {
  return new TypeError(
    `${what} cannot be in an item of a queue between threads: items are cloned. Pass it as an argument of the thread`,
    { cause },
  );
}

/** What the bytes stand for. They become part of it. */
export function decode(bytes: Uint8Array, kind: number): unknown {
  switch (kind) {
    case NUMBER:
      return new Float64Array(bytes.buffer)[0];
    case STRING:
      return Buffer.from(bytes.buffer).toString('utf16le');
    case CLONE_WITH_PARCELS:
      return unpack(deserialize(bytes));
    default:
      return deserialize(bytes);
  }
}

/** As `decode`, to compare it and no more: live objects in it remain parcels. */
export function decodeForOrder(bytes: Uint8Array, kind: number): unknown {
  return decode(bytes, kind === CLONE_WITH_PARCELS ? CLONE : kind);
}
