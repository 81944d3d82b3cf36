/** Who listens to the signals of the process. Counterpart: parts of `asyncio/unix_events.py` and `asyncio/runners.py`. */
import { KeyboardInterrupt, SystemExit } from '../core/exceptions.ts';
import type { Interruption } from '../core/host.ts';

const { process } = globalThis;

/** What a shell expects of a program that a signal has ended: this plus the number of the signal, and no stack. */
const interruptions = {
  SIGINT: { code: 130, make: () => new KeyboardInterrupt() },
  SIGTERM: { code: 143, make: () => new SystemExit(143) },
};

type Interrupt = keyof typeof interruptions;

/** How many listeners of each signal are the runs' own. */
const own = new Map<string, number>();

/** How many handlers the loops have for each signal. */
const handlers = new Map<string, number>();

/** Called when a handler of a loop is gone. */
let onRelease: (() => void) | null = null;

function count(counts: Map<string, number>, name: string, change: number): void {
  counts.set(name, (counts.get(name) ?? 0) + change);
}

/** A loop has a handler for the signal `name`, which goes before what runs do at it. */
export function claimSignal(name: string): void {
  count(handlers, name, 1);
}

/** The handler is gone. */
export function releaseSignal(name: string): void {
  count(handlers, name, -1);
  onRelease?.();
}

/** Call `listener` when a handler of a loop is gone. */
export function watchReleases(listener: (() => void) | null): void {
  onRelease = listener;
}

/** A signal that somebody listens to, apart from the runs' own listeners; and whether a loop has a handler for it. */
export function listenedSignal(): { name: string; isHandled: boolean } | null {
  const found = process
    .eventNames()
    .filter((name) => typeof name === 'string' && /^SIG[A-Z0-9]+$/.test(name))
    .map((name) => ({ name: name as string, isHandled: (handlers.get(name as string) ?? 0) > 0 }))
    .filter(({ name }) => process.listenerCount(name) > (own.get(name) ?? 0));
  return found.find(({ isHandled }) => isHandled) ?? found[0] ?? null;
}

/**
 * Call `onInterrupt` at the first of these signals, and listen to none of them any more, so that the second has the
 * system's effect. As in CPython, only to those that nobody else has a say in. Returns how to stop listening.
 */
export function onFirstSignal(
  names: readonly Interrupt[],
  onInterrupt: (interruption: Interruption) => void,
): () => void {
  const listeners = new Map<Interrupt, () => void>();
  const stop = (): void => {
    for (const [name, listener] of listeners) {
      process.off(name, listener);
      count(own, name, -1);
    }
    listeners.clear();
  };
  for (const name of names) {
    if (process.listenerCount(name) > (own.get(name) ?? 0)) continue;
    const listener = (): void => {
      if ((handlers.get(name) ?? 0) > 0) return;
      stop();
      onInterrupt(() => leaveBy(name));
    };
    listeners.set(name, listener);
    process.on(name, listener);
    count(own, name, 1);
  }
  return stop;
}

/** The error of a program that a signal has ended. If nobody catches it, the process exits with the signal's code. */
function leaveBy(name: Interrupt): Error {
  const { code, make } = interruptions[name];
  // At the very end, and only in place of what Node says of an error that nobody has caught.
  process.once('exit', (actual) => {
    if (actual === 1) process.exitCode = code;
  });
  const error = make();
  error.stack = String(error);
  return error;
}
