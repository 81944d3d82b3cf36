/** Context variables. Counterpart: `contextvars` (PEP 567). */
import { LookupError, RuntimeError } from './exceptions.ts';
import { repr } from './format-helpers.ts';
import { type ContextOwner, current, storedScope } from './running.ts';

type Values = ReadonlyMap<ContextVar<any>, unknown>;

const NOTHING: Values = new Map();
const MISSING: unique symbol = Symbol('<Token.MISSING>');
const NO_DEFAULT: unique symbol = Symbol('no default');

/** A function made by `Context.bind`, as the loop recognises it. */
interface Bound {
  [boundContext]?: Context;
  [boundFunction]?: (...args: any[]) => unknown;
}
const boundContext: unique symbol = Symbol('context');
const boundFunction: unique symbol = Symbol('function');

/**
 * A mapping of context variables to values. Every task and every callback runs in one of its own.
 *
 * Source: CPython 3.14 `contextvars.Context`.
 */
export class Context {
  // Immutable: a copy of a context shares it, and a change replaces it.
  /** @internal */ _values: Values = NOTHING;
  /** @internal */ _entered = false;

  /** @internal Whether code runs in it: `run`'s, or that of a task or callback whose own it is. */
  _isEntered(): boolean {
    return this._entered || owner()._context === this;
  }

  /** How many variables have a value here. */
  get size(): number {
    return this._values.size;
  }

  /**
   * Run `fn(...args)` with this context as the current one; changes of variables stay in it.
   *
   * An async function is in it up to its first `await`: what follows belongs to the task.
   *
   * @throws RuntimeError if it is entered already.
   *
   * Source: CPython 3.14 `contextvars.Context.run`.
   */
  run<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): R {
    // The code of a task or callback is in its context already.
    if (this._isEntered()) throw new RuntimeError(`cannot enter context: ${this} is already entered`);
    const before = current.owner;
    this._entered = true;
    current.owner = { _context: this, _within: before };
    try {
      return fn(...args);
    } finally {
      current.owner = before;
      this._entered = false;
    }
  }

  /**
   * `fn`, made to run in this context. `callSoon`, `callLater`, `callAt` and `callSoonThreadsafe` recognise such
   * a function and give its handle this very context, as `context=` does in Python.
   */
  bind<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
    if (typeof fn !== 'function')
      throw new TypeError(`a callable object was expected by bind(), got ${repr(fn)}`);
    const bound = (...args: A): R => this.run(fn, ...args);
    Object.assign(bound, { [boundContext]: this, [boundFunction]: fn });
    return bound;
  }

  /** A context with the same values; costs nothing until one of the two changes. */
  copy(): Context {
    const copy = new Context();
    copy._values = this._values;
    return copy;
  }

  /** The value of `variable` here, else `defaultValue`, else null. Does not enter the context. */
  get<T>(variable: ContextVar<T>, defaultValue: T | null = null): T | null {
    return this._values.has(variable) ? (this._values.get(variable) as T) : defaultValue;
  }

  /** Whether `variable` has a value here. */
  has(variable: ContextVar<any>): boolean {
    return this._values.has(variable);
  }

  /** The variables that have a value here. */
  keys(): Iterable<ContextVar<any>> {
    return this._values.keys();
  }

  /** The values. */
  values(): Iterable<unknown> {
    return this._values.values();
  }

  /** Pairs of variable and value. */
  items(): Iterable<[ContextVar<any>, unknown]> {
    return this._values.entries();
  }

  [Symbol.iterator](): Iterator<ContextVar<any>> {
    return this._values.keys();
  }

  toString(): string {
    return `<Context object with ${this.size} variable${this.size === 1 ? '' : 's'}>`;
  }
}

/** What code outside of every task and callback sees. */
const thread: ContextOwner = { _context: new Context() };

function owner(): ContextOwner {
  if (current.owner !== null) return current.owner;
  const scope = storedScope();
  return scope?.root.task ?? thread;
}

function currentContext(): Context {
  const holder = owner();
  let context = holder._context;
  if (context === null) holder._context = context = new Context();
  return context;
}

/** @internal A copy of the current context, or null for an empty one, which its owner makes at first use. */
export function copyContextOrNull(): Context | null {
  const context = owner()._context;
  return context === null || context._values.size === 0 ? null : context.copy();
}

/** @internal The context that `callback` was bound to and the function itself, or null. */
export function unbind(callback: Function): { context: Context; fn: (...args: any[]) => unknown } | null {
  const { [boundContext]: context, [boundFunction]: fn } = callback as Bound;
  return context === undefined || fn === undefined ? null : { context, fn };
}

/**
 * A copy of the current context.
 *
 * Source: CPython 3.14 `contextvars.copy_context`.
 */
export function copyContext(): Context {
  return copyContextOrNull() ?? new Context();
}

/**
 * A variable with a value of its own in every task. Make it at module level.
 *
 * @param name - for texts.
 * @param options.default - the value where none was set.
 *
 * Source: CPython 3.14 `contextvars.ContextVar`.
 */
export class ContextVar<T> {
  /** @internal Hears of every new one: executors' workers know them by their names. */
  static _onNew: ((variable: ContextVar<any>) => void) | null = null;
  readonly name: string;
  readonly #default: T | typeof NO_DEFAULT;

  constructor(name: string, options?: { default: T }) {
    if (typeof name !== 'string')
      throw new TypeError(`context variable name must be a str, got ${repr(name)}`);
    this.name = name;
    this.#default = options !== undefined && 'default' in options ? options.default : NO_DEFAULT;
    ContextVar._onNew?.(this);
  }

  /**
   * The value in the current context, else `defaultValue`, else the variable's default.
   *
   * @throws LookupError if there is none of them.
   */
  get(): T;
  get<D>(defaultValue: D): T | D;
  get(...defaultValue: unknown[]): unknown {
    const values = owner()._context?._values;
    if (values?.has(this)) return values.get(this);
    if (defaultValue.length > 0) return defaultValue[0];
    if (this.#default !== NO_DEFAULT) return this.#default;
    throw new LookupError(String(this));
  }

  /** Set the value in the current context. The token resets it, also with `using`. */
  set(value: T): Token<T> {
    const context = currentContext();
    const token = new Token<T>(
      this,
      context._values.has(this) ? (context._values.get(this) as T) : MISSING,
      context,
    );
    context._values = new Map(context._values).set(this, value);
    return token;
  }

  /**
   * Go back to the value before the `set` that gave `token`.
   *
   * @throws RuntimeError if it was used already; RangeError if it is another variable's or another context's.
   */
  reset(token: Token<T>): void {
    if (!(token instanceof Token)) throw new TypeError(`expected an instance of Token, got ${repr(token)}`);
    if (token._used) throw new RuntimeError(`${token} has already been used once`);
    if (token.var !== this) throw new RangeError(`${token} was created by a different ContextVar`);
    const context = currentContext();
    if (token._madeIn !== context) throw new RangeError(`${token} was created in a different Context`);
    token._used = true;
    const values = new Map(context._values);
    if (token.oldValue === MISSING) values.delete(this);
    else values.set(this, token.oldValue);
    context._values = values;
  }

  toString(): string {
    const shown = this.#default === NO_DEFAULT ? '' : ` default=${repr(this.#default)}`;
    return `<ContextVar name=${repr(this.name)}${shown}>`;
  }
}

/**
 * What `ContextVar.set` gives: the way back.
 *
 * Source: CPython 3.14 `contextvars.Token`.
 */
export class Token<T> implements Disposable {
  /** Stands for "there was no value". */
  static readonly MISSING: typeof MISSING = MISSING;
  readonly var: ContextVar<T>;
  /** The value before, or `Token.MISSING`. */
  readonly oldValue: T | typeof MISSING;
  /** @internal */ readonly _madeIn: Context;
  /** @internal */ _used = false;

  /** @internal */
  constructor(variable: ContextVar<T>, oldValue: T | typeof MISSING, madeIn: Context) {
    this.var = variable;
    this.oldValue = oldValue;
    this._madeIn = madeIn;
  }

  [Symbol.dispose](): void {
    this.var.reset(this);
  }

  toString(): string {
    return `<Token ${this._used ? 'used ' : ''}var=${this.var}>`;
  }
}
