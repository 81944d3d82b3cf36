/** Errors that leave a thread. Counterpart: `excepthook` of `threading.py`. */
import { SystemExit } from '../core/exceptions.ts';
import type { ErrorClass } from '../core/exception-groups.ts';
import type { Thread } from './thread.ts';

/**
 * What an excepthook is told.
 *
 * Source: CPython 3.14 `threading.ExceptHookArgs`.
 */
export interface ExceptHookArgs {
  readonly excType: ErrorClass;
  readonly excValue: Error | null;
  /** The error's stack as text. */
  readonly excTraceback: string | null;
  readonly thread: Thread | null;
}

/**
 * Write an error that left a thread to standard error. SystemExit is passed over: it is how a thread ends itself.
 *
 * Source: CPython 3.14 `threading.excepthook`.
 */
export function excepthook({ excValue, excTraceback, thread }: ExceptHookArgs): void {
  if (excValue instanceof SystemExit) return;
  const name = thread === null ? '' : ` in thread ${thread.name}`;
  process.stderr.write(`Exception${name}:\n${excTraceback ?? String(excValue)}\n`);
}

let hook: (args: ExceptHookArgs) => void = excepthook;

/**
 * Choose who hears of errors that leave the threads made here; null for `excepthook`.
 *
 * Source: CPython 3.14: assigning to `threading.excepthook`.
 */
export function setExcepthook(next: ((args: ExceptHookArgs) => void) | null): void {
  hook = next ?? excepthook;
}

/** An error has left `thread`. */
export function reportThreadError(error: Error, thread: Thread): void {
  const args: ExceptHookArgs = {
    excType: error.constructor as ErrorClass,
    excValue: error,
    excTraceback: error.stack ?? null,
    thread,
  };
  try {
    hook(args);
  } catch (problem) {
    process.stderr.write(
      `Exception in threading.excepthook:\n${(problem as Error)?.stack ?? String(problem)}\n`,
    );
    excepthook(args);
  }
}
