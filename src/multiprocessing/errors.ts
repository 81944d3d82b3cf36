/** The errors of this package. Counterpart: the exceptions of `multiprocessing/context.py`. */
import { brand, define } from '../core/exceptions.ts';

/**
 * The base of this package's errors.
 *
 * Source: CPython 3.14 `multiprocessing.ProcessError`.
 */
export class ProcessError extends Error {
  static {
    brand(this, 'ProcessError');
  }
}

/**
 * A message is longer than the buffer for it.
 *
 * Source: CPython 3.14 `multiprocessing.BufferTooShort`.
 */
export class BufferTooShort extends ProcessError {
  /** The message, `[bytes]`. */
  readonly args: readonly [message: Uint8Array];

  constructor(message: Uint8Array) {
    super(`the message has ${message.length} bytes`);
    this.args = [message];
  }

  static {
    brand(this, 'BufferTooShort');
  }
}

/**
 * The time for a result of a `Pool` is over. Not asyncio's class of that name.
 *
 * Source: CPython 3.14 `multiprocessing.TimeoutError`.
 */
export class TimeoutError extends ProcessError {
  static {
    brand(this, 'multiprocessing.TimeoutError');
    define(this.prototype, 'name', 'TimeoutError');
  }
}

/** An error of the system, as Node's own: known by its code. */
export function systemError(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
