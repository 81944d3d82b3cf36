/**
 * The public types that several modules share.
 *
 * Where a future or a task of any result is meant, the library writes `Future<any>` and `Task<any>`: with callbacks that
 * take the future itself, `Future<T>` is no `Future<unknown>`. So it is with coroutines,
 * with the context variables, and with callbacks, `(...args: any[]) => unknown`: whether arguments fit was checked where
 * they were given.
 */

declare const suspend: unique symbol;

/** What a coroutine written as a generator yields to the loop. Nobody makes one: `yield*` an awaitable. */
export interface Suspend {
  readonly [suspend]: true;
}

/** A generator that a task can run: every `yield*` in it is on one of the library's awaitables. */
export type Gen<T> = Generator<Suspend, T, unknown>;

/** Anything of the library's that can be waited for, by `await x` and by `yield* x` alike. */
export interface Awaitable<T> extends PromiseLike<T> {
  [Symbol.iterator](): Iterator<Suspend, T, unknown>;
}

/** What the function of a task returns: a promise (async function) or a generator. */
export type Body<T> = PromiseLike<T> | Gen<T>;

/**
 * A coroutine: an awaitable that does nothing until it is awaited or made a task, and only once.
 *
 * Source: CPython's coroutine objects.
 */
export interface Coroutine<T> extends Awaitable<T> {
  /** The name of the function that made it. */
  readonly name: string;
  /** End it without running it further: silently if it has not begun, through `finally` blocks if it waits. */
  close(): void;
  /** As a promise's `catch`: awaits the coroutine in the current task. */
  catch<R = never>(onError?: ((error: unknown) => R | PromiseLike<R>) | null): Promise<T | R>;
  /** As a promise's `finally`: awaits the coroutine in the current task. */
  finally(onEnd?: (() => void) | null): Promise<T>;
  /** A native promise of its result; awaits the coroutine in the current task. */
  toPromise(): Promise<T>;
}

/** What can become a task: a coroutine, a generator, or a function of no arguments (async or generator). */
export type CoroutineLike<T> = Coroutine<T> | Gen<T> | (() => Body<T>);

/** What `gather`, `wait_for` and their like take: anything that can become a task, and anything awaitable. */
export type AwaitableLike<T> = CoroutineLike<T> | Awaitable<T> | PromiseLike<T>;

/** A time span in seconds, or spelled out with units; the parts are added up. */
export type Delay = number | { hours?: number; minutes?: number; seconds?: number; milliseconds?: number };

/** The result type of an awaitable, coroutine or coroutine function. */
export type ResultOf<A> = A extends (...args: never[]) => infer R
  ? ResultOf<R>
  : A extends Generator<Suspend, infer T, unknown>
    ? T
    : A extends PromiseLike<infer T>
      ? T
      : never;

/** The result types of a tuple of awaitables, place by place. */
export type Results<A extends readonly unknown[]> = { -readonly [K in keyof A]: ResultOf<A[K]> };

/** One position in a source file. Lines and columns count from 1. */
export interface StackFrame {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly functionName: string;
}

/**
 * What an exception handler is told. `message` is always there; the other keys depend on what went wrong:
 * `exception`, `future`, `task`, `handle`, `asyncgen`, `sourceTraceback`, `handleTraceback`.
 */
export interface ExceptionContext {
  message: string;
  exception?: unknown;
  [key: string]: unknown;
}
