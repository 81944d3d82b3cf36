/** Which payload is made of what. Counterpart: `PayloadRegistry` of `aiohttp/payload.py`. */
import { LookupError } from '../core/exceptions.ts';
import { repr, typeName } from '../core/format-helpers.ts';
import { Payload, type PayloadOptions } from './payload-base.ts';

/** What a payload is made for: a class, or anything else that stands on the right of `instanceof`. */
export type PayloadTarget = Function | { [Symbol.hasInstance](value: unknown): boolean };

/** A class of payloads. What values it takes depends on what it is registered for (`any`). */
export type PayloadClass = new (value: any, options?: PayloadOptions) => Payload;

/** When a payload is asked for: before the others, among them, or after them. */
export type Order = 'normal' | 'try_first' | 'try_last';

/** The values of `Order`. Source: aiohttp 3.14 `aiohttp.payload.Order`. */
export const Order = Object.freeze({ normal: 'normal', tryFirst: 'try_first', tryLast: 'try_last' });

type Entry = readonly [payloadClass: PayloadClass, target: PayloadTarget];

function isOf(value: unknown, target: PayloadTarget): boolean {
  return target === String ? typeof value === 'string' : value instanceof (target as Function);
}

/**
 * Classes of payloads, and what they are for.
 *
 * Source: aiohttp 3.14 `aiohttp.payload.PayloadRegistry`.
 */
export class PayloadRegistry {
  readonly #first: Entry[] = [];
  readonly #normal: Entry[] = [];
  readonly #last: Entry[] = [];
  /** By the class itself: found at once, and the last one that was registered counts. */
  readonly #exact = new Map<unknown, PayloadClass>();

  /**
   * The payload of `data`; a payload is its own.
   *
   * @throws LookupError if there is none for it.
   */
  get(data: unknown, options?: PayloadOptions): Payload {
    for (const [payloadClass, target] of this.#first) {
      if (isOf(data, target)) return new payloadClass(data, options);
    }
    const exact = this.#exact.get((data as { constructor?: unknown } | null | undefined)?.constructor);
    if (exact !== undefined) return new exact(data, options);
    if (data instanceof Payload) return data;
    for (const entries of [this.#normal, this.#last]) {
      for (const [payloadClass, target] of entries) {
        if (isOf(data, target)) return new payloadClass(data, options);
      }
    }
    throw new LookupError(`there is no payload for ${typeName(data)}`);
  }

  /**
   * Let `payloadClass` be made of what is an instance of `type`, or of one of several.
   *
   * @throws RangeError for an order that is none.
   */
  register(
    payloadClass: PayloadClass,
    type: PayloadTarget | readonly PayloadTarget[],
    { order = 'normal' }: { order?: Order } = {},
  ): void {
    const targets = Array.isArray(type) ? (type as readonly PayloadTarget[]) : [type as PayloadTarget];
    const entries = this.#entriesOf(order);
    for (const target of targets) {
      entries.push([payloadClass, target]);
      if (entries === this.#normal) this.#exact.set(target, payloadClass);
    }
  }

  #entriesOf(order: Order): Entry[] {
    switch (order) {
      case 'try_first':
        return this.#first;
      case 'normal':
        return this.#normal;
      case 'try_last':
        return this.#last;
      default:
        throw new RangeError(`Unsupported order ${repr(order)}`);
    }
  }
}
