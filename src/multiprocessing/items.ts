/** Items of queues and messages of connections, as bytes: what is put is copied at the call, and only those who get it unpack it. */
import type * as V8 from 'node:v8';
import { describe, messageOf, isError, RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import { pack } from '../concurrent/crossing.ts';
import { PicklingError } from '../concurrent/errors.ts';

const v8 = (): typeof V8 => process.getBuiltinModule('node:v8');

/**
 * @throws RuntimeError for live objects of the library, which go to processes as arguments alone; PicklingError for what
 *   cannot be cloned.
 */
export function encode(item: unknown): Uint8Array {
  try {
    return v8().serialize(typeof item === 'object' && item !== null ? pack(item, 'process').value : item);
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    const reason = isError(error) ? messageOf(error) : describe(error);
    throw new PicklingError(`Can't pickle ${repr(item)}: ${reason}`, { cause: error });
  }
}

export function decode(bytes: Uint8Array): any {
  return v8().deserialize(bytes);
}
