/** Tests that are written once and run in both styles: as generators with `yield*`, as async functions with `await`. */
import { test } from 'node:test';
import { type Awaitable, createTask, type Gen, sleep, type Task } from 'asyncio-ts';
import { runVirtually } from './programs.ts';

/** Code of a test: a generator that waits by `yield* on(awaitable)`. */
export type Steps<T> = Generator<PromiseLike<unknown>, T, unknown>;

/** What a test may do in its style. */
export interface Style {
  readonly name: 'generators' | 'async functions';
  /** A function that runs `steps` in this style: what a user would write. */
  fn<A extends unknown[], T>(steps: (...args: A) => Steps<T>): (...args: A) => Gen<T>;
  /** A task of `steps`. */
  task<T>(steps: () => Steps<T>, name?: string): Task<T>;
}

/** Wait for `awaitable`: by `yield*` or by `await`. */
export function* on<T>(awaitable: PromiseLike<T>): Steps<T> {
  return (yield awaitable) as T;
}

/** Let the others have `count` turns of the loop. */
export function* turns(count = 1): Steps<void> {
  for (let i = 0; i < count; i++) yield* on(sleep(0));
}

/** What `awaitable` throws, as `TypeError: text`; `nothing` if it does not. */
export function* thrownBy(awaitable: PromiseLike<unknown>): Steps<string> {
  try {
    yield* on(awaitable);
    return 'nothing';
  } catch (error) {
    return String(error);
  }
}

type Advance = { error: unknown } | { value: unknown };

function advance<T>(steps: Steps<T>, by: Advance): IteratorResult<PromiseLike<unknown>, T> {
  return 'error' in by ? steps.throw(by.error) : steps.next(by.value);
}

function generators<A extends unknown[], T>(make: (...args: A) => Steps<T>): (...args: A) => Gen<T> {
  return function* steps(...args: A): Gen<T> {
    const steps = make(...args);
    for (let by: Advance = { value: undefined }; ; ) {
      const { done, value }: IteratorResult<PromiseLike<unknown>, T> = advance(steps, by);
      if (done) return value;
      try {
        by = { value: yield* value as Awaitable<unknown> };
      } catch (error) {
        by = { error };
      }
    }
  };
}

function asyncFunctions<A extends unknown[], T>(make: (...args: A) => Steps<T>): (...args: A) => Promise<T> {
  return async function steps(...args: A): Promise<T> {
    const steps = make(...args);
    for (let by: Advance = { value: undefined }; ; ) {
      const { done, value }: IteratorResult<PromiseLike<unknown>, T> = advance(steps, by);
      if (done) return value;
      try {
        by = { value: await value };
      } catch (error) {
        by = { error };
      }
    }
  };
}

/** Both. Seen by the compiler as generator functions, so that a test has one type. */
export const styles: Style[] = [
  { name: 'generators', fn: generators },
  { name: 'async functions', fn: asyncFunctions as unknown as Style['fn'] },
].map((style) => ({
  ...style,
  name: style.name as Style['name'],
  task: (steps, name) => createTask(style.fn(steps), { name: name ?? null }),
}));

/** A test of `steps` in virtual time for each style. */
export function inBothStyles(name: string, steps: (style: Style) => Steps<void>): void {
  for (const style of styles) {
    test(`${name} (${style.name})`, async () => {
      await runVirtually(style.fn(() => steps(style)));
    });
  }
}

/** Both styles, for tests that run otherwise than in virtual time. */
export const stylesOf = (): readonly Style[] => styles;
