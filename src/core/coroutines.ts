/** Coroutines in both styles. Counterpart: `asyncio/coroutines.py`, and the interpreter's coroutine objects. */
import type { BaseEventLoop } from './base-events.ts';
import { CancelledError, RuntimeError, unwrapAbort } from './exceptions.ts';
import { repr } from './format-helpers.ts';
import { Future, isfuture } from './futures.ts';
import type { Surroundings } from './host.ts';
import { requireLoop } from './events.ts';
import { current, type Driver, ERROR, PARKED, PENDING, RESULT, storedScope } from './running.ts';
import { type Scope } from './scopes.ts';
import { awaitCoroutine, isGeneratorFunction, scopeOf, throwInto } from './strands.ts';
import type { Body, Coroutine, CoroutineLike, Gen, Suspend } from './types.ts';
import { noteAtAwait, notes } from './task-notes.ts';
import { type Forgettable, forgetUnawaited, trackUnawaited, unawaited } from './unawaited.ts';

const AsyncFunction = Object.getPrototypeOf(async () => {}) as object;
const generatorPrototype = (Object.getPrototypeOf(function* () {}) as { prototype: object }).prototype;

/** On a generator object: somebody awaits it or made a task of it. */
const CLAIMED: unique symbol = Symbol('claimed');

/** An iterator that a driver can run, once. */
export type Runnable<T> = Iterator<Suspend, T, unknown>;

/**
 * A lazy coroutine that is no generator. It is its own iterator; a driver takes it by `_claim`, or `yield*` by
 * `[Symbol.iterator]`.
 */
export abstract class BaseCoroutine<T> implements Coroutine<T> {
  declare private claimed: boolean;

  constructor() {
    this.claimed = false;
  }

  abstract get name(): string;
  abstract next(sent?: unknown): IteratorResult<Suspend, T>;
  abstract throw(error: unknown): IteratorResult<Suspend, T>;
  abstract close(): void;

  return(value: T): IteratorReturnResult<T> {
    this.close();
    return { done: true, value };
  }

  /** @internal */
  _isClaimed(): boolean {
    return this.claimed;
  }

  /** @internal Mark it as awaited. Only one may. */
  _claim(): Runnable<T> {
    if (this.claimed) throw new RuntimeError(this._spentMessage());
    this.claimed = true;
    forgetUnawaited(this);
    return this;
  }

  /** @internal Nobody will await it, and that is right. */
  _disown(): void {
    this.claimed = true;
    forgetUnawaited(this);
  }

  /** @internal */
  _spentMessage(): string {
    return 'cannot reuse already awaited coroutine';
  }

  [Symbol.iterator](): Runnable<T> {
    return this._claim();
  }

  // biome-ignore lint/suspicious/noThenProperty: coroutines are awaitable
  then<R1 = T, R2 = never>(
    onResult?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onError?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    return awaitClaimed(this, onResult, onError);
  }

  catch<R = never>(onError?: ((error: unknown) => R | PromiseLike<R>) | null): Promise<T | R> {
    return this.toPromise().catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<T> {
    return this.toPromise().finally(onEnd);
  }

  toPromise(): Promise<T> {
    return new Promise((resolve, reject) => awaitClaimed(this, resolve, reject));
  }

  toString(): string {
    return `<coroutine object ${this.name}>`;
  }
}

/** The `then` of a coroutine. Its types are `any` as in `Settle`: the public signature is that of `Coroutine<T>`. */
function awaitClaimed(
  coro: object,
  onResult?: ((value: any) => any) | null,
  onError?: ((error: unknown) => any) | null,
): PromiseLike<any> {
  if (typeof onResult !== 'function' || typeof onError !== 'function') {
    return new Promise((resolve, reject) => awaitClaimed(coro, resolve, reject)).then(onResult, onError);
  }
  let runnable: Runnable<unknown>;
  try {
    runnable = claim(coro as Coroutine<unknown>);
  } catch (error) {
    return Promise.reject(error).then(onResult, onError);
  }
  return awaitCoroutine(runnable, onResult, onError);
}

/** What the generator objects of `coroutine` functions inherit: they are coroutines without another object. */
const generatorCoroutine: object = Object.create(generatorPrototype, {
  [Symbol.iterator]: method(function (this: object) {
    return claim(this as Gen<unknown>);
  }),
  // biome-ignore lint/suspicious/noThenProperty: coroutines are awaitable
  then: method(function (this: object, onResult: any, onError: any) {
    return awaitClaimed(this, onResult, onError);
  }),
  catch: method(function (this: object, onError: any) {
    return toPromise(this).catch(onError);
  }),
  finally: method(function (this: object, onEnd: any) {
    return toPromise(this).finally(onEnd);
  }),
  toPromise: method(function (this: object) {
    return toPromise(this);
  }),
  close: method(function (this: Gen<unknown>) {
    closeGenerator(this);
  }),
  _isClaimed: method(function (this: { [CLAIMED]?: boolean }) {
    return this[CLAIMED] === true;
  }),
  toString: method(function (this: { name: string }) {
    return `<coroutine object ${this.name}>`;
  }),
});

function method(value: Function): PropertyDescriptor {
  return { value, writable: true, configurable: true };
}

function toPromise(coro: object): Promise<any> {
  return new Promise((resolve, reject) => awaitClaimed(coro, resolve, reject));
}

function closeGenerator(generator: Gen<unknown>): void {
  (generator as { [CLAIMED]?: boolean })[CLAIMED] = true;
  forgetUnawaited(generator as unknown as Forgettable);
  const result = generator.return(undefined);
  if (!result.done) throw new RuntimeError('coroutine ignored GeneratorExit');
}

/** The states of a `FunctionCoroutine`; the later ones are those of a future. */
const UNSTARTED = -1;

/** A call of an async function, or of a function of unknown kind, as a coroutine. */
export class FunctionCoroutine<T> extends BaseCoroutine<T> {
  readonly #fn: Function;
  /** The call with its arguments; null calls the function as it is. */
  readonly #call: (() => unknown) | null;
  #driver: Driver | null = null;
  #state: number = UNSTARTED;
  /** The outcome; before that what the function gave, if it is driven like this coroutine: a generator, a future. */
  #value: unknown = null;
  /** @internal Those of the code that made the task. */
  _surroundings: Surroundings | null = null;

  constructor(fn: Function, call: (() => unknown) | null) {
    super();
    this.#fn = fn;
    this.#call = call;
  }

  /** The scope of a timeout or group whose body this is; null for other coroutines. */
  protected get scope(): Scope | null {
    return null;
  }

  /** Whether it is the body of something, which may be a plain function. */
  protected get isBody(): boolean {
    return false;
  }

  get name(): string {
    return this.#fn.name || '<anonymous>';
  }

  next(sent?: unknown): IteratorResult<Suspend, T> {
    if (this.#state === UNSTARTED) return this.start();
    if (this.#state === RESULT) return { done: true, value: this.#value as T };
    if (this.#state === ERROR) throw this.#value;
    if (this.#value !== null) return (this.#value as Runnable<T>).next(sent);
    throw new RuntimeError('coroutine is being awaited already');
  }

  throw(error: unknown): IteratorResult<Suspend, T> {
    if (this.#state === PENDING && this.#value !== null) return throwInto(this.#value as Runnable<T>, error);
    this.#state = ERROR;
    this.#value = error;
    throw error;
  }

  close(): void {
    if (this.#state === PENDING) {
      if (this.#value === null) {
        throw new RuntimeError(
          `an async function that runs cannot be closed: cancel the task of ${this.name}() instead`,
        );
      }
      closeGenerator(this.#value as Gen<unknown>);
    }
    this._disown();
    this.#state = RESULT;
    this.#value = undefined;
  }

  /** @internal */
  override _spentMessage(): string {
    return this.#state === PENDING ? 'coroutine is being awaited already' : super._spentMessage();
  }

  private start(): IteratorResult<Suspend, T> {
    const { driver } = current;
    if (driver === null) throw new RuntimeError('no running event loop');
    this.#state = PENDING;
    this.#driver = driver;
    const scope = this.scope ?? scopeOf(driver);
    starting = this;
    const around = this._surroundings;
    this._surroundings = null;
    let result: unknown;
    if (around === null) result = runInScope(scope, FunctionCoroutine.#begin);
    else result = around.run(runInScope, scope, FunctionCoroutine.#begin);
    if (result instanceof Promise) return PARKED;
    return this.adopt(result);
  }

  // Within the scope's context. A function without a closure: it is called for every async task.
  static #begin(this: void): unknown {
    const coro = starting as FunctionCoroutine<any>;
    // Not called as a method: stacks would name this class.
    const call = coro.#call ?? (coro.#fn as () => unknown);
    const result = call();
    if (!(result instanceof Promise)) return result;
    const driver = coro.#driver as Driver;
    driver._loop._needDrain();
    // Both callbacks in the same turn as the call, so that an error is never an unhandled rejection. The main
    // function of a task is known by the context in which they run, and needs none of its own.
    if (current.storage !== null && driver._isMain(coro)) result.then(mainReturned, mainThrew);
    else coro.follow(result);
    return result;
  }

  /** What is no promise: one of our awaitables, which is driven in place of this, or another thenable, or a value. */
  private adopt(given: unknown): IteratorResult<Suspend, T> {
    const result = inLoop(given, (this.#driver as Driver)._loop);
    if (isOurs(result)) {
      const runnable =
        isGenerator(result) || result instanceof BaseCoroutine ? claim(result) : result[Symbol.iterator]();
      this.#value = runnable;
      return runnable.next(undefined);
    }
    if (typeof (result as PromiseLike<T> | null | undefined)?.then === 'function') {
      (this.#driver as Driver)._loop._needDrain();
      this.follow(Promise.resolve(result as PromiseLike<T>));
      return PARKED;
    }
    if (this.isBody) return { done: true, value: result as T };
    const isAsyncGenerator = typeof (result as { next?: unknown } | null | undefined)?.next === 'function';
    throw new TypeError(
      `a coroutine was expected, got ${repr(result)}: ${this.name}() gave no promise or generator` +
        (isAsyncGenerator ? '; an async generator is iterated, by for await' : ''),
    );
  }

  private follow(promise: Promise<any>): void {
    promise.then(
      (value) => this._settle(RESULT, value),
      (error) => this._settle(ERROR, unwrapAbort(error)),
    );
  }

  /** @internal */
  _settle(state: number, value: unknown): void {
    if (this.#state !== PENDING) return;
    this.#state = state;
    this.#value = value;
    if (this.scope !== null) this.scope.root.cancelStrandsInside(this.scope);
    const driver = this.#driver as Driver;
    this.#driver = null;
    driver._resume();
  }
}

/** The body of something that cannot be cancelled by itself: a lock that is held meanwhile. */
class InlineCoroutine<T> extends FunctionCoroutine<T> {
  protected override get isBody(): boolean {
    return true;
  }
}

/** The body of a timeout or group. */
class BodyCoroutine<T> extends InlineCoroutine<T> {
  readonly #scope: Scope;

  constructor(fn: Function, call: () => unknown, scope: Scope) {
    super(fn, call);
    this.#scope = scope;
  }

  protected override get scope(): Scope {
    return this.#scope;
  }
}

let starting: FunctionCoroutine<any> | null = null;

function mainReturned(value: unknown): void {
  mainCoroutine()._settle(RESULT, value);
}

function mainThrew(error: unknown): void {
  mainCoroutine()._settle(ERROR, unwrapAbort(error));
}

/** The coroutine of the task whose context this is. */
function mainCoroutine(): FunctionCoroutine<any> {
  return storedScope()?.root.task?._coro as unknown as FunctionCoroutine<any>;
}

/** Call `fn` so that the async code it starts is known to belong to `scope`. */
export function runInScope<R>(scope: Scope, fn: () => R): R {
  current.storage ??= scope.root.loop._host.storage;
  if (current.storage !== null) return current.storage.run(scope, fn);
  const before = current.drainScope;
  current.drainScope = scope;
  current.isStorageMissing = true;
  const result = fn();
  // Code that goes on in microtasks is known by the scope that was entered last; a generator does not go on there.
  if (!(result instanceof Promise)) current.drainScope = before;
  return result;
}

/** Refuse at the call of `run` what is no function: a promise or a generator would be of code that runs outside. */
export function checkBody(body: unknown, name: string, argument: string): void {
  if (typeof body === 'function') return;
  throw new TypeError(
    `${name}.run() wants a function, got ${repr(body)}: write run(async (${argument}) => { ... })`,
  );
}

/** The body of a timeout or group, called with `argument` and driven inline. */
export function bodyCoroutine<X, T>(
  body: (x: X) => Gen<T> | T | PromiseLike<T>,
  argument: X,
  scope: Scope | null,
): Iterable<Suspend, T, unknown> {
  if (scope === null) return body(argument) as Gen<T>;
  return new BodyCoroutine<T>(body, () => body(argument), scope);
}

/** The body of a lock or its like, called with `argument` and driven inline. */
export function inlineBody<X, T>(
  body: (x: X) => Gen<T> | T | PromiseLike<T>,
  argument: X,
): Iterable<Suspend, T, unknown> {
  if (isGeneratorFunction(body)) return body(argument) as Gen<T>;
  return new InlineCoroutine<T>(body, () => body(argument));
}

/** A call of `fn`, be it async, a generator or plain, as a coroutine. */
export function callCoroutine<A extends unknown[], T>(
  fn: (...args: A) => Gen<T> | T | PromiseLike<T>,
  ...args: A
): Coroutine<T> {
  return new InlineCoroutine<T>(fn, () => fn(...args));
}

// `instanceof` is the fastest question there is, so it gets something to ask.
const GeneratorObject = function () {} as unknown as abstract new () => object;
Object.defineProperty(GeneratorObject, 'prototype', { value: generatorPrototype });

/** A plain generator object, or one of a `coroutine` function. */
export function isGenerator(obj: unknown): obj is Gen<unknown> {
  // By its tag, one of another realm.
  return obj instanceof GeneratorObject || Object.prototype.toString.call(obj) === '[object Generator]';
}

function isOurs(obj: unknown): obj is Iterable<Suspend, unknown, unknown> {
  if (typeof obj !== 'object' || obj === null) return false;
  return obj instanceof BaseCoroutine || obj instanceof Future || isGenerator(obj);
}

/** The method of awaitables that belong to no loop: gives a future of `loop` that ends as they do, and passes cancellation on. */
export const futureIn: unique symbol = Symbol('asyncio-ts: future in');

/** What stands for `obj` in `loop`. */
function inLoop(obj: unknown, loop: BaseEventLoop): unknown {
  const follow = (obj as { [futureIn]?: (loop: BaseEventLoop) => Future<any> } | null | undefined)?.[
    futureIn
  ];
  return follow === undefined ? obj : follow.call(obj, loop);
}

/** Take a coroutine or generator object for a driver: nobody else may run it. */
export function claim<T>(coro: Coroutine<T> | Gen<T>): Runnable<T> {
  if (coro instanceof BaseCoroutine) return coro._claim();
  const generator = coro as Gen<T> & { [CLAIMED]?: boolean };
  if (generator[CLAIMED] === true) throw new RuntimeError('cannot reuse already awaited coroutine');
  generator[CLAIMED] = true;
  forgetUnawaited(generator as unknown as Forgettable);
  return generator;
}

/** The coroutine of a `CoroutineLike`, taken for a task; an error that says what to do for anything else. */
export function toCoroutine<T>(obj: CoroutineLike<T>): Runnable<T> {
  if (typeof obj === 'function') {
    if (!isGeneratorFunction(obj)) return new FunctionCoroutine<T>(obj, null)._claim();
    nameGenerators(obj);
    return claim((obj as () => Gen<T>)());
  }
  if (obj instanceof BaseCoroutine || isGenerator(obj)) return claim(obj as Coroutine<T>);
  const text = `a coroutine was expected, got ${repr(obj)}`;
  if (isfuture(obj))
    throw new TypeError(`${text}: it runs already; await it, or pass it to gather() or ensureFuture()`);
  if (typeof (obj as PromiseLike<T> | null | undefined)?.then === 'function') {
    disregard(obj);
    throw new TypeError(
      `${text}: its work runs already; pass the function that starts it, as in createTask(() => work()), ` +
        'or make the function a coroutine: const work = coroutine(async () => { ... })',
    );
  }
  throw new TypeError(text);
}

/** A promise is refused: what becomes of it must not hide the error that says so. */
export function disregard(promise: PromiseLike<unknown>): void {
  promise.then(undefined, () => {});
}

/** The name of a coroutine, for texts. */
export function coroutineName(coro: object): string {
  const name = (coro as { name?: unknown }).name;
  return typeof name === 'string' && name !== '' ? name : 'generator';
}

// A generator object knows its function's `prototype`, but not the function. A bound function has none.
function nameGenerators(fn: Function): void {
  const prototype = (fn as { prototype?: object }).prototype;
  if (prototype !== undefined && !Object.hasOwn(prototype, 'name')) {
    Object.defineProperty(prototype, 'name', { value: fn.name || '<anonymous>', configurable: true });
  }
}

/**
 * Make an async or generator function a coroutine function: a call gives a lazy `Coroutine`. Nothing runs until it
 * is awaited (inline, in the awaiting task) or made a task.
 *
 * ```ts
 * const fetchPage = coroutine(async (page: number) => { … });
 * await gather(fetchPage(1), fetchPage(2));
 * ```
 *
 * @throws RuntimeError when one coroutine is awaited twice.
 *
 * Source: `async def` of Python.
 */
export function coroutine<This, A extends unknown[], T>(
  fn: (this: This, ...args: A) => Body<T>,
): (this: This, ...args: A) => Coroutine<T> {
  if (typeof fn !== 'function')
    throw new TypeError(`coroutine() wants an async or generator function, got ${repr(fn)}`);
  const call = isGeneratorFunction(fn) ? generatorCall(fn) : functionCall(fn);
  Object.defineProperty(call, 'name', { value: fn.name, configurable: true });
  coroutineFunctions.add(call);
  return call as (this: This, ...args: A) => Coroutine<T>;
}

/** `coroutine` of a method, whose name no identifier can be: a warning about `wait` alone says too little. */
export function methodCoroutine<A extends unknown[], T>(
  name: string,
  fn: (...args: A) => Gen<T>,
): (...args: A) => Coroutine<T> {
  return coroutine(Object.defineProperty(fn, 'name', { value: name, configurable: true }));
}

const coroutineFunctions = new WeakSet<Function>();

/** `coro`, which somebody should await. */
export function tracked<C extends Forgettable>(coro: C): C {
  if (unawaited.enabled || unawaited.debug) trackUnawaited(coro);
  if (notes.awaits) noteAtAwait(coro);
  return coro;
}

function functionCall(fn: Function): Function {
  return function (this: unknown, ...args: unknown[]) {
    return tracked(new FunctionCoroutine(fn, () => Reflect.apply(fn, this, args)));
  };
}

function generatorCall(fn: Function): Function {
  nameGenerators(fn);
  return function (this: unknown, ...args: unknown[]) {
    const generator = Reflect.apply(fn, this, args) as Gen<unknown> & Forgettable;
    // The objects of one function share a prototype, which becomes a coroutine's at the first call.
    const shared = Object.getPrototypeOf(generator) as object;
    if (Object.getPrototypeOf(shared) !== generatorCoroutine)
      Object.setPrototypeOf(shared, generatorCoroutine);
    return tracked(generator);
  };
}

/**
 * Whether `obj` is a coroutine: what a `coroutine` function or the library gives, or a generator object. Not a
 * future, promise or function.
 *
 * Source: CPython 3.14 `asyncio.iscoroutine`.
 */
export function iscoroutine(obj: unknown): obj is Coroutine<unknown> {
  return obj instanceof BaseCoroutine || isGenerator(obj);
}

/**
 * Whether `func` is an async function, a generator function, or made by `coroutine`.
 *
 * Source: CPython 3.14 `asyncio.iscoroutinefunction`.
 */
export function iscoroutinefunction(func: unknown): boolean {
  if (typeof func !== 'function') return false;
  return isGeneratorFunction(func) || isAsyncFunction(func) || coroutineFunctions.has(func);
}

/** Whether `func` is a native async function. */
export function isAsyncFunction(func: unknown): boolean {
  return typeof func === 'function' && Object.getPrototypeOf(func) === AsyncFunction;
}

/** A future that follows a promise, and aborts the work behind it when it is cancelled. */
class PromiseFuture<T> extends Future<T> {
  #controller: AbortController | null = null;

  /** Follow what `start` gives; the signal is aborted when the future is cancelled. */
  start(start: (signal: AbortSignal) => PromiseLike<T>): void {
    this.#controller = new AbortController();
    const { signal } = this.#controller;
    const { driver } = current;
    const promise =
      driver !== null && isAsyncFunction(start)
        ? runInScope(scopeOf(driver), () => start(signal))
        : start(signal);
    if (typeof (promise as PromiseLike<T> | null | undefined)?.then !== 'function') {
      throw new TypeError(
        `the function given to fromPromise() gave ${repr(promise)} in place of a promise: is a return missing?`,
      );
    }
    this.follow(promise);
  }

  follow(thenable: PromiseLike<T>): void {
    const loop = this._loop;
    // What is no native promise is taken as `await` would take it.
    const promise = Promise.resolve(thenable);
    // What the promise waits for is outside of the loop: virtual time must not pass it by.
    loop._foreignWaits++;
    loop._needDrain();
    const settle = (state: number, value: unknown): void => {
      loop._endForeignWait();
      if (this._state !== PENDING || loop.isClosed()) return;
      if (state === RESULT) this._finish(RESULT, value);
      else this._fail(value);
    };
    promise.then(
      (value) => settle(RESULT, value),
      (error) => settle(ERROR, unwrapAbort(error)),
    );
  }

  override cancel(msg?: unknown): boolean {
    if (!super.cancel(msg)) return false;
    this.#controller?.abort(new CancelledError(msg ?? undefined));
    return true;
  }
}

/**
 * A future that follows a promise, so that waiting for it can be cancelled.
 *
 * @param promise - a promise, or a function of an AbortSignal that starts the work and gives its promise.
 * @returns a future with the promise's outcome.
 * @throws RuntimeError outside of every loop.
 *
 * Cancellation: ends the wait at once and aborts the signal with the CancelledError as reason; what the promise does
 * later is ignored. Without the function form the work itself goes on.
 *
 * ```ts
 * const response = await fromPromise((signal) => fetch(url, { signal }));
 * ```
 */
export function fromPromise<T>(
  promise: PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T>),
): Future<T> {
  const loop = requireLoop();
  const own = inLoop(promise, loop);
  if (own !== promise) return own as Future<T>;
  const future = new PromiseFuture<T>(loop._own);
  if (typeof promise === 'function') {
    future.start(promise);
  } else if (typeof (promise as PromiseLike<T> | null | undefined)?.then === 'function') {
    future.follow(promise);
  } else {
    throw new TypeError(`a promise or a function that gives one was expected, got ${repr(promise)}`);
  }
  return future;
}
