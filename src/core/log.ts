/** The logger of the library. Counterpart: `asyncio/log.py`. */

/** Where warnings and errors of the library go. `setLogger` puts another in its place. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warning(message: string): void;
  error(message: string): void;
}

const nothing = (): void => {};
const toConsole: Logger = {
  debug: nothing,
  info: nothing,
  warning: (message) => console.error(message),
  error: (message) => console.error(message),
};

let chosen: Logger = toConsole;

/** The logger in use. */
export const logger: Logger = {
  debug: (message) => chosen.debug(message),
  info: (message) => chosen.info(message),
  warning: (message) => chosen.warning(message),
  error: (message) => chosen.error(message),
};

const METHODS = ['debug', 'info', 'warning', 'error'] as const;

/**
 * Send what the library reports to `logger`, or with null to standard error (warnings and errors only).
 *
 * Source: CPython 3.14 `logging.getLogger('asyncio')`.
 */
export function setLogger(next: Logger | null): void {
  const missing = METHODS.find((method) => next !== null && typeof next?.[method] !== 'function');
  if (missing !== undefined)
    throw new TypeError(`a logger needs debug, info, warning and error, this has no ${missing}()`);
  chosen = next ?? toConsole;
}
