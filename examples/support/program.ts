/** What the examples that take arguments have in common: how they end, and what they say when they are used wrongly. */
import { type CoroutineLike, KeyboardInterrupt, run } from 'asyncio-ts';

/** A mistake in the arguments. */
export class UsageError extends Error {}

/**
 * Run a program and set its exit code: the one that `main` gives, 130 after Ctrl-C, and 2 after a mistake in the
 * arguments, which is explained by `usage`.
 */
export async function runProgram(name: string, usage: string, main: CoroutineLike<number>): Promise<void> {
  process.stdout.on('error', leaveQuietly);
  try {
    process.exitCode = await run(main);
  } catch (error) {
    if (error instanceof KeyboardInterrupt) {
      process.exitCode = 130;
    } else if (isUsageError(error)) {
      console.error(`${name}: ${error.message}\n\n${usage}`);
      process.exitCode = 2;
    } else {
      throw error;
    }
  }
}

/** A number that an option or argument gives, or its default. */
export function numberOf(option: string, text: string | undefined, fallback: number, least = 0): number {
  if (text === undefined) return fallback;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= least && value !== Number.POSITIVE_INFINITY) return value;
  throw new UsageError(`${option} takes a number from ${least} on, not '${text}'`);
}

/** The same for whole numbers. */
export function countOf(option: string, text: string | undefined, fallback: number, least = 0): number {
  const value = numberOf(option, text, fallback, least);
  if (Number.isSafeInteger(value)) return value;
  throw new UsageError(`${option} takes a whole number from ${least} on, not '${text}'`);
}

function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return (error as NodeJS.ErrnoException | null)?.code?.startsWith('ERR_PARSE_ARGS') ?? false;
}

// The reader of a pipe, such as `head`, has seen enough.
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
}
