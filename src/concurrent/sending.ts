/** What is sent with a call: its arguments and the context variables. */
import { copyContextOrNull } from '../core/contextvars.ts';
import { describe, RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Transferable } from 'node:worker_threads';
import { pack } from './crossing.ts';
import { PicklingError } from './errors.ts';
import { CallFlag, type Variables } from './protocol.ts';
import { progressListener } from './progress.ts';
import type { WorkerHandle } from './workers.ts';

/** The variables of the current context, or null if there are none. */
export function currentVariables(): Variables | null {
  const context = copyContextOrNull();
  if (context === null) return null;
  // That of the call around, if there is one, is its own affair, and could not be sent.
  const variables = [...context.items()].filter(([variable]) => variable !== progressListener);
  return variables.map(([variable, value]) => [variable.name, value] as const);
}

/** The arguments as they are sent, with the flags of the call. */
export function packArgs(
  args: unknown,
  flags: number,
  handle: WorkerHandle,
): { args: unknown; flags: number; transfer: readonly Transferable[] } {
  const { value, hasParcels, transfer } = pack(args, handle.way, handle.link);
  return { args: value, flags: flags | (hasParcels ? CallFlag.PACKED : 0), transfer };
}

/** The error for a call that could not be sent: which of its arguments is the reason, and what to do instead. */
export function asPicklingError(
  what: string,
  args: readonly unknown[],
  handle: WorkerHandle,
  problem: unknown,
): PicklingError {
  if (problem instanceof RuntimeError) return new PicklingError(problem.message, { cause: problem });
  const index = args.findIndex((arg) => !canBePacked(arg, handle));
  const which = index < 0 ? 'its arguments' : `argument ${index + 1}, ${repr(args[index])},`;
  return new PicklingError(
    `${what}: ${which} cannot be sent to another ${handle.way} ` +
      `(${problem instanceof Error ? problem.message : describe(problem)}). Pass plain data, and let the function make what ` +
      'cannot be sent: connections, sockets, functions',
    { cause: problem },
  );
}

function canBePacked(value: unknown, handle: WorkerHandle): boolean {
  try {
    // What is to be moved is looked at without being moved.
    const { value: plain, transfer } = pack(value, handle.way, handle.link);
    return transfer.length > 0 || handle.canBeSent(plain);
  } catch {
    return false;
  }
}
