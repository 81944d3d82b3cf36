/** The errors of the library and of Python's builtins, apart from groups. Counterpart: `asyncio/exceptions.py`. */
const ordinaryHasInstance = Function.prototype[Symbol.hasInstance];

/** What the classes below are to {@link brand}. */
interface Brandable {
  readonly prototype: Error;
}

type Branded = Readonly<Record<symbol, unknown>>;

export function define(target: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: false });
}

/**
 * Give an error class its name and make `instanceof` hold across two loaded copies of the package: an instance is
 * what carries the registered symbol, from whichever copy its prototype is. A subclass inherits this test but not
 * its meaning, since every instance of its base carries the base's mark; it gets the language's own test.
 */
export function brand(type: Brandable, name: string): void {
  const mark = Symbol.for(`asyncio-ts.${name}`);
  define(type.prototype, mark, true);
  // On the prototype, as in the language's own errors: an instance costs nothing and can still set its own.
  define(type.prototype, 'name', name);
  define(type, Symbol.hasInstance, function hasInstance(this: unknown, value: unknown): boolean {
    if (this !== type) return ordinaryHasInstance.call(this as () => void, value);
    return carries(value, mark);
  });
}

function carries(value: unknown, mark: symbol): boolean {
  try {
    return value !== null && typeof value === 'object' && (value as Branded)[mark] === true;
  } catch {
    return false; // a revoked proxy: anything can be thrown, and the loop asks this about everything
  }
}

/**
 * The base of errors that a handler for ordinary errors must let pass: `CancelledError`, `KeyboardInterrupt`,
 * `SystemExit` and `BaseExceptionGroup`.
 *
 * JavaScript's `catch` sees every error, so a clause that handles them all begins with
 * `if (e instanceof BaseException) throw e`. In Python this is the base of all errors; here of those four alone.
 *
 * @param message - the text. Default: empty.
 * @param options.cause - the error or value that led to this one.
 *
 * Source: CPython 3.14 `builtins.BaseException`.
 */
export class BaseException extends Error {
  static {
    brand(this, 'BaseException');
  }
}

const noArgs: readonly unknown[] = Object.freeze([]);

// Not of the language: V8 and JavaScriptCore have it.
const stackSettings = Error as { stackTraceLimit?: unknown };

function cancelTextOf(message: unknown): string | undefined {
  if (message === undefined || message === null) return undefined;
  return isError(message) ? messageOf(message) : describe(message);
}

/** False where the setting cannot be written (`node --frozen-intrinsics`). */
function setStackTraceLimit(limit: unknown): boolean {
  try {
    stackSettings.stackTraceLimit = limit;
    return true;
  } catch {
    return false;
  }
}

/**
 * The task or future was cancelled. Clean up, then throw it again.
 *
 * It carries no stack: its place says nothing (the loop throws it), and a stack costs ten times the error.
 *
 * @param message - what was given to `cancel`. Its text is the error's `message`, empty for `null`, `undefined` or
 * no argument; an `Error` is also kept as `cause`, and its own message is the text.
 *
 * Source: CPython 3.14 `asyncio.exceptions.CancelledError`.
 */
export class CancelledError extends BaseException {
  /** The argument as it was given, `[message]`; `[]` if there was none. */
  declare readonly args: readonly unknown[];

  constructor(message?: unknown) {
    const text = cancelTextOf(message);
    const options = isError(message) ? { cause: message } : undefined;
    const limit = stackSettings.stackTraceLimit;
    // Where there is no such setting none is made: it would stay behind on the global Error.
    const lowered = limit !== undefined && setStackTraceLimit(0);
    try {
      super(text, options);
    } finally {
      if (lowered) setStackTraceLimit(limit);
    }
    if (message !== undefined) define(this, 'args', [message]);
  }

  static {
    brand(this, 'CancelledError');
    define(this.prototype, 'args', noArgs);
  }
}

const cancelledMark = Symbol.for('asyncio-ts.CancelledError');
const keyboardInterruptMark = Symbol.for('asyncio-ts.KeyboardInterrupt');
const systemExitMark = Symbol.for('asyncio-ts.SystemExit');

/** Say what `e instanceof CancelledError` says, at the price of a property lookup: each step of a task asks it. */
export function isCancelledError(e: unknown): e is CancelledError {
  return carries(e, cancelledMark);
}

/**
 * Is it an error that leaves the event loop: a `KeyboardInterrupt` or a `SystemExit`?
 *
 * Source: CPython 3.14, the clauses `except (KeyboardInterrupt, SystemExit)` of `asyncio.events` and `asyncio.tasks`.
 */
export function isBaseError(e: unknown): e is KeyboardInterrupt | SystemExit {
  return carries(e, keyboardInterruptMark) || carries(e, systemExitMark);
}

/**
 * The operation is not allowed in this state: a result that is not there yet, or is there already.
 *
 * Source: CPython 3.14 `asyncio.exceptions.InvalidStateError`.
 */
export class InvalidStateError extends Error {
  static {
    brand(this, 'InvalidStateError');
  }
}

/**
 * The operation has exceeded its deadline. One class for timeouts of asyncio, executors and sockets.
 *
 * @param message - the text. Default: empty.
 * @param options.cause - what was cut off; `timeout` puts its `CancelledError` here.
 *
 * Source: CPython 3.14 `builtins.TimeoutError`, which `asyncio.TimeoutError` is.
 */
export class TimeoutError extends Error {
  /** The code of system timeouts, so that code made for Node's errors recognises this one. */
  readonly code = 'ETIMEDOUT';

  static {
    brand(this, 'TimeoutError');
  }
}

/**
 * A misuse or a failure that has no class of its own.
 *
 * Source: CPython 3.14 `builtins.RuntimeError`.
 */
export class RuntimeError extends Error {
  static {
    brand(this, 'RuntimeError');
  }
}

/**
 * A method that a subclass has to write, or what cannot exist on this host; the message says why.
 *
 * Source: CPython 3.14 `builtins.NotImplementedError`.
 */
export class NotImplementedError extends RuntimeError {
  static {
    brand(this, 'NotImplementedError');
  }
}

/**
 * The user interrupted the program (Ctrl-C). It leaves the event loop.
 *
 * Source: CPython 3.14 `builtins.KeyboardInterrupt`.
 */
export class KeyboardInterrupt extends BaseException {
  static {
    brand(this, 'KeyboardInterrupt');
  }
}

/**
 * Thrown to end the program. It leaves the event loop.
 *
 * @param code - the exit status; a string is a message and means status 1; `null` (the default) means status 0.
 *
 * Source: CPython 3.14 `builtins.SystemExit`.
 */
export class SystemExit extends BaseException {
  /** What the constructor was given. */
  readonly code: number | string | null;

  constructor(code: number | string | null = null) {
    super(code === null ? undefined : String(code));
    this.code = code;
  }

  static {
    brand(this, 'SystemExit');
  }
}

/**
 * The input ended where more was needed.
 *
 * Source: CPython 3.14 `builtins.EOFError`.
 */
export class EOFError extends Error {
  static {
    brand(this, 'EOFError');
  }
}

/**
 * A stream ended before a read was complete.
 *
 * @param partial - the bytes that did come.
 * @param expected - how many were wanted; `null` if it was a separator that did not come.
 *
 * Source: CPython 3.14 `asyncio.exceptions.IncompleteReadError`.
 */
export class IncompleteReadError extends EOFError {
  /** The bytes that were read before the end. */
  readonly partial: Uint8Array;
  /** How many bytes were wanted, `null` if unknown. */
  readonly expected: number | null;

  constructor(partial: Uint8Array, expected: number | null) {
    super(
      `${partial.length} bytes read on a total of ${expected === null ? 'undefined' : expected} expected bytes`,
    );
    this.partial = partial;
    this.expected = expected;
  }

  static {
    brand(this, 'IncompleteReadError');
  }
}

/**
 * The buffer limit was reached while a separator was looked for.
 *
 * @param message - the text.
 * @param consumed - how many bytes can be read without cutting a separator.
 *
 * Source: CPython 3.14 `asyncio.exceptions.LimitOverrunError`.
 */
export class LimitOverrunError extends Error {
  /** How many bytes of the buffer can safely be read. */
  readonly consumed: number;

  constructor(message: string, consumed: number) {
    super(message);
    this.consumed = consumed;
  }

  static {
    brand(this, 'LimitOverrunError');
  }
}

/**
 * The system's own `sendfile` is not available for this file or socket.
 *
 * Source: CPython 3.14 `asyncio.exceptions.SendfileNotAvailableError`.
 */
export class SendfileNotAvailableError extends RuntimeError {
  static {
    brand(this, 'SendfileNotAvailableError');
  }
}

/**
 * The barrier was aborted, or reset while tasks waited at it.
 *
 * Source: CPython 3.14 `asyncio.exceptions.BrokenBarrierError`.
 */
export class BrokenBarrierError extends RuntimeError {
  static {
    brand(this, 'BrokenBarrierError');
  }
}

/**
 * `getNowait` found the queue empty.
 *
 * Source: CPython 3.14 `asyncio.queues.QueueEmpty`.
 */
export class QueueEmpty extends Error {
  static {
    brand(this, 'QueueEmpty');
  }
}

/**
 * `putNowait` found the queue full.
 *
 * Source: CPython 3.14 `asyncio.queues.QueueFull`.
 */
export class QueueFull extends Error {
  static {
    brand(this, 'QueueFull');
  }
}

/**
 * The queue has been shut down and takes, or has, no more items.
 *
 * Source: CPython 3.14 `asyncio.queues.QueueShutDown`.
 */
export class QueueShutDown extends Error {
  static {
    brand(this, 'QueueShutDown');
  }
}

/**
 * A lookup found nothing: `ContextVar.get` of a variable without value and default.
 *
 * Source: CPython 3.14 `builtins.LookupError`.
 */
export class LookupError extends Error {
  static {
    brand(this, 'LookupError');
  }
}

/**
 * A public contract was broken, where CPython asserts it.
 *
 * A class of its own, since the core imports nothing of the host; not `node:assert`'s, whose `code` it carries.
 *
 * Source: CPython 3.14 `builtins.AssertionError`.
 */
export class AssertionError extends Error {
  /** The code of `node:assert`'s errors. */
  readonly code = 'ERR_ASSERTION';

  static {
    brand(this, 'AssertionError');
  }
}

const nativeIsError = (Error as { isError?: (value: unknown) => boolean }).isError;
const errorTags = new Set(['[object Error]', '[object DOMException]']);

export function isError(value: unknown): value is Error {
  try {
    if (value instanceof Error) return true;
    if (value === null || typeof value !== 'object') return false;
    return nativeIsError === undefined ? errorTags.has(tagOf(value)) : nativeIsError(value);
  } catch {
    return false;
  }
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}

/**
 * Give what was thrown as an error: an `Error` (of any realm) as it is, anything else wrapped in one, as its `cause`.
 * A caught value goes through here before it is stored where an error is promised.
 */
export function asError(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(nonErrorText(thrown), { cause: thrown });
}

export function nonErrorText(thrown: unknown): string {
  return `non-error thrown: ${describe(thrown)}`;
}

/** `String(value)` for values whose `toString` is missing or throws. */
export function describe(value: unknown): string {
  try {
    // A function's text is its source.
    return typeof value === 'function' ? `function ${value.name}` : String(value);
  } catch {
    try {
      return tagOf(value);
    } catch {
      return '<str() failed>';
    }
  }
}

export function messageOf(error: Error): string {
  try {
    const { message } = error as { message: unknown };
    return typeof message === 'string' ? message : describe(message ?? '');
  } catch {
    return '<exception str() failed>';
  }
}

/**
 * The CancelledError behind an AbortError: what Node's own functions throw when a signal of ours aborts. `fetch` throws
 * the signal's reason itself.
 */
export function unwrapAbort(error: unknown): unknown {
  try {
    const { name, cause } = (error ?? {}) as { name?: unknown; cause?: unknown };
    return name === 'AbortError' && isCancelledError(cause) ? cause : error;
  } catch {
    return error; // a getter that throws
  }
}
