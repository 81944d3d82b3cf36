/**
 * Failures of waits that belong to no loop, each reported once if nobody retrieves it. The counterpart of the core's
 * `unretrieved.ts`, whose futures report through their loop's exception handler; these have the logger alone.
 */
import { logger } from '../core/log.ts';

/** A failure that nobody has asked for yet. */
export interface Failure {
  /** What failed, as it prints itself. */
  readonly text: string;
  readonly error: unknown;
  retrieved: boolean;
}

const waiting = new Set<Failure>();

function reportAll(): void {
  waiting.forEach(report);
}

// Nothing is listened to while there is nothing to report.
function add(failure: Failure): void {
  if (waiting.size === 0) process.on('exit', reportAll);
  waiting.add(failure);
}

function remove(failure: Failure): boolean {
  const isKnown = waiting.delete(failure);
  if (isKnown && waiting.size === 0) process.off('exit', reportAll);
  return isKnown;
}

function report(failure: Failure): void {
  if (!remove(failure) || failure.retrieved) return;
  const { error } = failure;
  const trace = error instanceof Error ? (error.stack ?? String(error)) : String(error);
  logger.error(`${failure.text}: the error was never retrieved\n${trace}`);
}

const collected = new FinalizationRegistry<Failure>(report);

/** `owner` has failed. Its error is reported when it is collected, at the latest at the end of the process. */
export function watchFailure(owner: object, text: string, error: unknown): Failure {
  const failure: Failure = { text, error, retrieved: false };
  // Until its text is read, the stack of an error holds the objects whose methods are on it: `owner` among them.
  if (error instanceof Error) void error.stack;
  add(failure);
  collected.register(owner, failure, failure);
  return failure;
}

/** Somebody has asked for it. */
export function retrieved(failure: Failure): void {
  failure.retrieved = true;
  remove(failure);
  collected.unregister(failure);
}
