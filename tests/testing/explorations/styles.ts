/** Programs that are written once and run in both styles. */
import type { Body, CoroutineLike } from 'asyncio-ts';

export type Style = 'generators' | 'async';
export const STYLES: readonly Style[] = ['generators', 'async'];

/**
 * A program that yields what it waits for, and gets what comes of it. `any`, since what comes depends on the place,
 * which the type of a generator cannot say.
 */
export type Program<T = void> = () => Generator<PromiseLike<unknown>, T, any>;

/** `program` as a generator function or as an async function of this name. */
export function inStyle<T>(style: Style, program: Program<T>, name = program.name): () => Body<T> {
  const fn = style === 'async' ? async () => await driveAsync(program()) : () => driveGenerator(program());
  const body = style === 'async' ? fn : asGeneratorFunction(fn as () => Body<T>);
  Object.defineProperty(body, 'name', { value: name });
  return body as () => Body<T>;
}

async function driveAsync<T>(steps: ReturnType<Program<T>>): Promise<T> {
  for (let result = steps.next(); ; ) {
    if (result.done) return result.value;
    let value: unknown;
    try {
      value = await result.value;
    } catch (error) {
      result = steps.throw(error);
      continue;
    }
    result = steps.next(value);
  }
}

function* driveGenerator<T>(steps: ReturnType<Program<T>>): Generator<any, T, unknown> {
  for (let result = steps.next(); ; ) {
    if (result.done) return result.value;
    let value: unknown;
    try {
      value = yield* result.value as unknown as Iterable<never>;
    } catch (error) {
      result = steps.throw(error);
      continue;
    }
    result = steps.next(value);
  }
}

// The library knows a generator function by its kind.
function asGeneratorFunction<T>(fn: () => Body<T>): CoroutineLike<T> {
  return function* () {
    return yield* fn() as Generator<never, T, unknown>;
  };
}
