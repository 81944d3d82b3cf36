/** The errors of the queues between threads and between processes. Counterpart: those of `queue.py`. */
import { brand } from '../core/exceptions.ts';

/**
 * There is no item.
 *
 * Source: CPython 3.14 `queue.Empty`.
 */
export class Empty extends Error {
  static {
    brand(this, 'Empty');
  }
}

/**
 * There is no room.
 *
 * Source: CPython 3.14 `queue.Full`.
 */
export class Full extends Error {
  static {
    brand(this, 'Full');
  }
}

/**
 * The queue was shut down.
 *
 * Source: CPython 3.14 `queue.ShutDown`.
 */
export class ShutDown extends Error {
  static {
    brand(this, 'ShutDown');
  }
}
