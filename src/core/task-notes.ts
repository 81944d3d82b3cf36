/**
 * What is noted about tasks beside their state: where they await, and where they were asked to cancel. No
 * counterpart in CPython, which has frames for the first, and nothing for the second.
 */
import { extractStack, formatPlace, isForeign, parseStack } from './format-helpers.ts';
import { logger } from './log.ts';
import { runningTask } from './running.ts';
import type { StackFrame } from './types.ts';

const awaiting = new WeakMap<object, StackFrame>();
const requests = new WeakMap<object, Error>();
const warned = new Set<string>();

/**
 * What is noted: requests not in production, where the host says so; the places of awaits once a loop that notes them
 * was made.
 */
export const notes = { requests: false, awaits: false };

// The place of a request costs microseconds, and only a swallowed request needs it: the first ones are noted.
const MAX_PLACES = 100;
let places = 0;

/** The code that runs now is where `task` awaits. */
export function noteAwait(task: object | null): void {
  if (task === null) return;
  const frame = extractStack(1)[0];
  if (frame !== undefined) awaiting.set(task, frame);
}

/**
 * Note the place where async code awaits `awaitable`. Its `then` is called from a microtask without a stack, but is
 * looked up at the very place: so the look-up is what tells.
 */
export function noteAtAwait(awaitable: object): void {
  const prototype = Object.getPrototypeOf(awaitable) as { then: unknown };
  Object.defineProperty(awaitable, 'then', {
    configurable: true,
    get() {
      noteAwait(runningTask());
      return prototype.then;
    },
  });
}

/** Where `task` awaits, if it was noted. */
export function awaitPlace(task: object): StackFrame | null {
  return awaiting.get(task) ?? null;
}

/** `target` (a task, a timeout) is asked to cancel. Returns whether that is noted. */
export function noteRequest(target: object): boolean {
  if (!notes.requests || places >= MAX_PLACES) return false;
  if (!requests.has(target)) {
    places++;
    requests.set(target, new Error('requested here'));
  }
  return true;
}

/** The requests of `target` were taken back. */
export function forgetRequest(target: object): void {
  requests.delete(target);
}

/**
 * `target` was asked to cancel and ended with a value: the CancelledError was swallowed, or could not be delivered
 * since the code sat in a foreign promise. CPython returns the value, and so do we; said once for each place.
 */
export function warnSwallowed(target: object, what: string): void {
  const request = requests.get(target);
  if (request === undefined) return;
  requests.delete(target);
  const place = formatPlace(parseStack(request.stack).filter(isForeign));
  const key = place ?? what;
  if (warned.has(key)) return;
  warned.add(key);
  const requested = place === null ? '' : ` (requested at ${place})`;
  logger.warning(
    `${what} was cancelled${requested} but ended with a value: the CancelledError was caught and not thrown again, ` +
      'or the code waited for a foreign promise, which fromPromise() makes cancellable',
  );
}
