/** The errors of executors and of what they run. Counterpart: the classes of `concurrent/futures/_base.py`. */
import { brand, define, RuntimeError } from '../core/exceptions.ts';

/** As `brand`, for a class that has its name in common with one of asyncio's and is another. */
function own(type: { readonly prototype: Error }, name: string): void {
  brand(type, `concurrent.${name}`);
  define(type.prototype, 'name', name);
}

/**
 * A future of an executor was cancelled. Not asyncio's class of that name: an ordinary error.
 *
 * Source: CPython 3.14 `concurrent.futures.CancelledError`.
 */
export class CancelledError extends Error {
  static {
    own(this, 'CancelledError');
  }
}

/**
 * A future of an executor is not in the state that this needs.
 *
 * Source: CPython 3.14 `concurrent.futures.InvalidStateError`.
 */
export class InvalidStateError extends Error {
  static {
    own(this, 'InvalidStateError');
  }
}

/**
 * An executor lost what it needs to work, and takes no more calls.
 *
 * Source: CPython 3.14 `concurrent.futures.BrokenExecutor`.
 */
export class BrokenExecutor extends RuntimeError {
  static {
    brand(this, 'BrokenExecutor');
  }
}

/**
 * A worker thread ended in the middle of a call, or its initializer failed.
 *
 * Source: CPython 3.14 `concurrent.futures.thread.BrokenThreadPool`.
 */
export class BrokenThreadPool extends BrokenExecutor {
  static {
    brand(this, 'BrokenThreadPool');
  }
}

/**
 * As `BrokenThreadPool`, of an `InterpreterPoolExecutor`.
 *
 * Source: CPython 3.14 `concurrent.futures.interpreter.BrokenInterpreterPool`.
 */
export class BrokenInterpreterPool extends BrokenThreadPool {
  static {
    brand(this, 'BrokenInterpreterPool');
  }
}

/**
 * A worker process ended in the middle of a call, or its initializer failed.
 *
 * Source: CPython 3.14 `concurrent.futures.process.BrokenProcessPool`.
 */
export class BrokenProcessPool extends BrokenExecutor {
  static {
    brand(this, 'BrokenProcessPool');
  }
}

/**
 * Something cannot be sent to another thread or process: a function that no module exports, an argument or a result that
 * cannot be cloned. The message names it and says what can be done.
 *
 * Source: CPython 3.14 `pickle.PicklingError`.
 */
export class PicklingError extends Error {
  static {
    brand(this, 'PicklingError');
  }
}

/**
 * The bounded queue of an executor has no place. `await executor.drain()` waits for one.
 *
 * Source: asyncio-ts; the counterpart of `queue.Full`.
 */
export class ExecutorFull extends Error {
  static {
    brand(this, 'ExecutorFull');
  }
}
