/**
 * Groups of errors, and how errors print. Counterpart: the interpreter's `ExceptionGroup` and `traceback`. A module of
 * its own, so that a program without task groups does not load it.
 */
import { BaseException, brand, define, describe, isError, messageOf, nonErrorText } from './exceptions.ts';

/** Lets node:util, Bun and Deno print a group in its nested form. A registered symbol, so that nothing is imported. */
const inspectCustom = Symbol.for('nodejs.util.inspect.custom');

/** A class of errors, as `split` and `subgroup` take it. */
export type ErrorClass<E extends Error = Error> = abstract new (...args: never[]) => E;

/** What `split` and `subgroup` ask of each error. */
type Condition = ErrorClass | readonly ErrorClass[] | ((error: Error) => boolean);
type Group = ExceptionGroup | BaseExceptionGroup;

/**
 * Several errors as one, with the nesting of the groups that they came in. It has no base errors in it.
 *
 * `toString()`, the stack and `console.log` show the number of errors, `message` is the text alone. A list of
 * strings in `notes` is printed under the heading.
 *
 * @param message - the text.
 * @param exceptions - the errors, at least one.
 * @param options.cause - the error or value that led to this one.
 * @throws TypeError if `exceptions` is not iterable or holds a `BaseException`.
 * @throws RangeError if it is empty or holds something that is no error.
 *
 * Source: CPython 3.14 `builtins.ExceptionGroup`.
 */
export class ExceptionGroup extends AggregateError {
  /** The same frozen array as `exceptions`, under the name that JavaScript's `AggregateError` gives it. */
  declare readonly errors: Error[];
  /** Lines to print under the heading; parts get a copy. */
  declare notes?: string[];

  constructor(message: string, exceptions: Iterable<Error>, options?: ErrorOptions) {
    const members = checkMembers(message, exceptions);
    if (members.some(isBaseException)) {
      const where = new.target === ExceptionGroup ? 'an ExceptionGroup' : `'${new.target.name}'`;
      throw new TypeError(`Cannot nest BaseExceptions in ${where}`);
    }
    super([], headline(message, members.length), options);
    initGroup(this, message, members);
  }

  /** The errors and groups that it was made of, in that order. */
  get exceptions(): readonly Error[] {
    return this.errors;
  }

  /**
   * Give the part that matches, with the nesting, cause, stack and notes kept.
   *
   * A group that matches as a whole is taken as it is, without a look at its members.
   *
   * @param condition - an error class, an array of them, or a function that is asked about groups as well as
   * their members.
   * @returns the group of what matches (this one itself, if it does), or `null` if nothing does.
   * @throws TypeError for another condition, or if `derive` gives something that is no group.
   *
   * Source: CPython 3.14 `builtins.BaseExceptionGroup.subgroup`.
   */
  subgroup(condition: Condition): ExceptionGroup | null {
    return splitGroup(this, condition, false)[0];
  }

  /**
   * Give the part that matches and the part that does not, each as `subgroup` would.
   *
   * @param condition - as for `subgroup`.
   * @returns `[match, rest]`, with `null` for a part that is empty.
   * @throws TypeError for another condition, or if `derive` gives something that is no group.
   *
   * Source: CPython 3.14 `builtins.BaseExceptionGroup.split`.
   */
  split(condition: Condition): [match: ExceptionGroup | null, rest: ExceptionGroup | null] {
    return splitGroup(this, condition, true);
  }

  /**
   * Make a group of the same message; `split` and `subgroup` make their parts with it. A subclass overrides it to
   * keep its class and its own fields.
   *
   * @param exceptions - the errors of the part.
   * @returns an `ExceptionGroup`, or a `BaseExceptionGroup` if one of them is a `BaseException`.
   *
   * Source: CPython 3.14 `builtins.BaseExceptionGroup.derive`.
   */
  derive(exceptions: Iterable<Error>): ExceptionGroup {
    return new BaseExceptionGroup(this.message, exceptions);
  }

  /** Give the heading that printing shows: name, message and number of errors. */
  override toString(): string {
    return titleOf(this);
  }

  static {
    brand(this, 'ExceptionGroup');
    // In Python every ExceptionGroup is a BaseExceptionGroup, too. This mark is all of the inheritance there is.
    define(this.prototype, Symbol.for('asyncio-ts.BaseExceptionGroup'), true);
    define(this.prototype, inspectCustom, inspectGroup);
  }
}

/**
 * Several errors as one, base errors among them. `TaskGroup` raises it.
 *
 * `new BaseExceptionGroup(…)` gives an `ExceptionGroup` if no member is a `BaseException`, and `instanceof
 * BaseExceptionGroup` takes both.
 *
 * @param message - the text.
 * @param exceptions - the errors, at least one.
 * @param options.cause - the error or value that led to this one.
 * @throws TypeError if `exceptions` is not iterable.
 * @throws RangeError if it is empty or holds something that is no error.
 *
 * Source: CPython 3.14 `builtins.BaseExceptionGroup`.
 */
export class BaseExceptionGroup extends BaseException {
  /** The same frozen array as `exceptions`, under the name that JavaScript's `AggregateError` gives it. */
  declare readonly errors: Error[];
  /** Lines to print under the heading; parts get a copy. */
  declare notes?: string[];

  constructor(message: string, exceptions: Iterable<Error>, options?: ErrorOptions) {
    const members = checkMembers(message, exceptions);
    if (new.target === BaseExceptionGroup && !members.some(isBaseException)) {
      return new ExceptionGroup(message, members, options);
    }
    super(headline(message, members.length), options);
    initGroup(this, message, members);
  }

  /** The errors and groups that it was made of, in that order. */
  get exceptions(): readonly Error[] {
    return this.errors;
  }

  /**
   * Give the part that matches, as {@link ExceptionGroup.subgroup} does.
   *
   * @param condition - an error class, an array of them, or a function that is asked about groups as well as
   * their members.
   * @returns the group of what matches (this one itself, if it does), or `null` if nothing does; it is an
   * `ExceptionGroup` if no `BaseException` is in it.
   * @throws TypeError for another condition, or if `derive` gives something that is no group.
   *
   * Source: CPython 3.14 `builtins.BaseExceptionGroup.subgroup`.
   */
  subgroup(condition: Condition): BaseExceptionGroup | null {
    return splitGroup(this, condition, false)[0];
  }

  /**
   * Give the part that matches and the part that does not, each as `subgroup` would.
   *
   * @param condition - as for `subgroup`.
   * @returns `[match, rest]`, with `null` for a part that is empty.
   * @throws TypeError for another condition, or if `derive` gives something that is no group.
   *
   * Source: CPython 3.14 `builtins.BaseExceptionGroup.split`.
   */
  split(condition: Condition): [match: BaseExceptionGroup | null, rest: BaseExceptionGroup | null] {
    return splitGroup(this, condition, true);
  }

  /**
   * Make a group of the same message; `split` and `subgroup` make their parts with it. A subclass overrides it to
   * keep its class and its own fields.
   *
   * @param exceptions - the errors of the part.
   * @returns a `BaseExceptionGroup`, or an `ExceptionGroup` if none of them is a `BaseException`.
   *
   * Source: CPython 3.14 `builtins.BaseExceptionGroup.derive`.
   */
  derive(exceptions: Iterable<Error>): BaseExceptionGroup {
    return new BaseExceptionGroup(this.message, exceptions);
  }

  /** Give the heading that printing shows: name, message and number of errors. */
  override toString(): string {
    return titleOf(this);
  }

  static {
    brand(this, 'BaseExceptionGroup');
    define(this.prototype, inspectCustom, inspectGroup);
  }
}

function inspectGroup(this: unknown): string {
  return formatException(this);
}

function isBaseException(e: unknown): boolean {
  return e instanceof BaseException;
}

function checkMembers(message: unknown, exceptions: unknown): Error[] {
  if (typeof message !== 'string') {
    const came = message === null ? 'null' : typeof message;
    throw new TypeError(`BaseExceptionGroup() argument 1 must be string, not ${came}`);
  }
  if (!isIterable(exceptions)) throw new TypeError('second argument (exceptions) must be a sequence');
  const members = [...exceptions];
  if (members.length === 0) {
    throw new RangeError('second argument (exceptions) must be a non-empty sequence');
  }
  const wrong = members.findIndex((member) => !isError(member));
  if (wrong >= 0) throw new RangeError(`Item ${wrong} of second argument (exceptions) is not an exception`);
  return members as Error[];
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return value !== undefined && value !== null && typeof Object(value)[Symbol.iterator] === 'function';
}

function headline(message: string, count: number): string {
  return `${message} (${count} sub-exception${count === 1 ? '' : 's'})`;
}

function initGroup(group: Group, message: string, members: Error[]): void {
  // Node writes the heading of a stack when it is first read: do so while the message has the count in it.
  read(group, 'stack');
  group.message = message;
  Object.defineProperty(group, 'errors', {
    value: Object.freeze(members),
    writable: false,
    configurable: true,
    enumerable: false,
  });
}

function splitGroup(group: Group, condition: Condition, wantRest: boolean): [Group | null, Group | null] {
  // What is no leaf of the recursion is a group, or null.
  return splitError(group, matcherOf(condition), wantRest) as [Group | null, Group | null];
}

/** CPython `Objects/exceptions.c`, `exceptiongroup_split_recursive`. */
function splitError(
  error: Error,
  matches: (error: Error) => boolean,
  wantRest: boolean,
): [match: Error | null, rest: Error | null] {
  if (matches(error)) return [error, null];
  if (!(error instanceof BaseExceptionGroup)) return [null, wantRest ? error : null];
  const matched: Error[] = [];
  const others: Error[] = [];
  for (const member of error.exceptions) {
    const [match, rest] = splitError(member, matches, wantRest);
    if (match !== null) matched.push(match);
    if (rest !== null) others.push(rest);
  }
  return [partOf(error, matched), partOf(error, others)];
}

function partOf(group: Group, members: Error[]): Group | null {
  if (members.length === 0) return null;
  const part: unknown = group.derive(members);
  if (!(part instanceof BaseExceptionGroup)) {
    throw new TypeError('derive must return an instance of BaseExceptionGroup');
  }
  if (part === group) return part;
  if (Object.hasOwn(group, 'cause')) define(part, 'cause', group.cause);
  // A copy, so that a note added to one part does not show up in the other.
  if (Array.isArray(group.notes)) define(part, 'notes', [...group.notes]);
  // Where the error came from is where the whole did; the heading has the part's own count.
  const stack = read(group, 'stack');
  const heading = stackHeadingOf(group);
  const isHeaded = typeof stack === 'string' && stack.startsWith(heading);
  define(part, 'stack', isHeaded ? stackHeadingOf(part) + stack.slice(heading.length) : stack);
  return part;
}

function stackHeadingOf(group: Group): string {
  return `${group.name}: ${headline(group.message, group.exceptions.length)}`;
}

function matcherOf(condition: unknown): (error: Error) => boolean {
  if (isErrorClass(condition)) return (error) => isOfClass(error, condition);
  if (Array.isArray(condition)) {
    if (condition.every(isErrorClass)) return (error) => condition.some((type) => isOfClass(error, type));
  } else if (typeof condition === 'function' && !isClass(condition)) {
    return (error) => Boolean(condition(error));
  }
  throw new TypeError(
    'expected an exception type, a tuple of exception types, or a callable (other than a class)',
  );
}

function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === 'function' && (value === Error || value.prototype instanceof Error);
}

/** A function whose `prototype` cannot be written is a class or a constructor of the language, nothing else is. */
function isClass(value: object): boolean {
  return Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false;
}

function isOfClass(error: Error, type: ErrorClass): boolean {
  // Members are errors by construction; one of another realm (Node's own, under Jest) is no instance of this Error.
  return type === Error || error instanceof type;
}

// --- Printing -----------------------------------------------------------------------------------------------
// CPython's `traceback.TracebackException`: everything is read first, once, then laid out. So a getter that throws,
// or that answers differently each time, cannot spoil a report that is half written.

/** CPython `Lib/traceback.py`, `TracebackException.__init__`. */
const maxGroupWidth = 15;
const maxGroupDepth = 10;
/** A bound that CPython lacks: causes that a getter makes anew each time, or groups in groups 15 wide, never end. */
const maxErrors = 1000;

interface Report {
  readonly heading: string;
  readonly notes: readonly string[];
  /** Lines of the stack under the heading, possibly `''`. */
  readonly frames: string;
  cause: Report | null;
  /** Null for an error that is no group. */
  members: Report[] | null;
  memberCount: number;
  cut: boolean;
}

/**
 * Print an error as CPython's traceback does: its stack, before it the causes that led to it, and under it, indented
 * and numbered, the members of a group. Never throws, whatever was thrown; no newline at the end.
 *
 * Source: CPython 3.14 `traceback.format_exception`; frames are the host's, most recent call first.
 */
export function formatException(e: unknown): string {
  const layout = new Layout();
  layout.addChain(readReport(e));
  return layout.lines.join('\n');
}

function readReport(error: unknown): Report {
  const top = readOne(error);
  const seen = new Set<unknown>([error]);
  const queue: [Report, unknown, level: number][] = [[top, error, 1]];
  let count = 1;
  // From the end, as CPython does: it decides which of two errors with one cause shows it.
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    const [report, value, level] = entry;
    const cause = causeOf(value);
    const hasCause = cause !== undefined && cause !== null && !(isError(cause) && seen.has(cause));
    const members = membersOf(value);
    if (count >= maxErrors) {
      report.cut = hasCause || members !== null;
      continue;
    }
    if (hasCause) {
      seen.add(cause);
      report.cause = readOne(cause);
      queue.push([report.cause, cause, level]);
      count++;
    }
    if (members === null) continue;
    report.members = [];
    report.memberCount = members.count;
    if (level > maxGroupDepth) continue;
    for (const member of members.shown) {
      seen.add(member);
      const one = readOne(member);
      report.members.push(one);
      queue.push([one, member, level + 1]);
      count++;
    }
  }
  return top;
}

function readOne(value: unknown): Report {
  const rest = { cause: null, members: null, memberCount: 0, cut: false };
  try {
    if (isError(value)) return { ...partsOfStack(value), notes: notesOf(value), ...rest };
  } catch {
    // a proxy with a trap that throws
  }
  return { heading: describe(value), notes: [], frames: '', ...rest };
}

function read(value: unknown, key: PropertyKey): unknown {
  try {
    return (value as Record<PropertyKey, unknown>)[key];
  } catch {
    return undefined;
  }
}

function causeOf(value: unknown): unknown {
  if (!isError(value)) return undefined;
  const cause = read(value, 'cause');
  // What `asError` wrapped is told by the wrapper's message already.
  return !isError(cause) && read(value, 'message') === nonErrorText(cause) ? undefined : cause;
}

/** Members of our groups and of any `AggregateError`: that of `Promise.any` says nothing without them. */
function membersOf(value: unknown): { count: number; shown: unknown[] } | null {
  try {
    if (!(value instanceof AggregateError || value instanceof BaseExceptionGroup)) return null;
    const errors: unknown = value.errors;
    return Array.isArray(errors) ? { count: errors.length, shown: firstOf(errors, maxGroupWidth) } : null;
  } catch {
    return null;
  }
}

/** A plain copy by index, since an array can have methods of its own. */
function firstOf(array: readonly unknown[], limit: number): unknown[] {
  return Array.from({ length: Math.min(array.length, limit) }, (_, i) => array[i]);
}

function notesOf(error: Error): string[] {
  try {
    const { notes } = error as { notes?: unknown };
    return Array.isArray(notes) ? firstOf(notes, maxErrors).map(describe) : [];
  } catch {
    return [];
  }
}

/** Message as printed: a group's has the count. */
function textOf(error: Error): string {
  const message = messageOf(error);
  const members = error instanceof BaseExceptionGroup ? membersOf(error) : null;
  return members === null ? message : headline(message, members.count);
}

function typeNameOf(error: Error): string {
  const name = read(error, 'name');
  const given = typeof name === 'string' && name !== '' ? name : 'Error';
  try {
    const prototype: object | null = Object.getPrototypeOf(error);
    if (Object.hasOwn(error, 'name') || prototype === null || Object.hasOwn(prototype, 'name')) return given;
    // `class Refused extends Error {}` inherits the name `Error`; Python would print the class.
    const type: unknown = error.constructor;
    return typeof type === 'function' && typeof type.name === 'string' && type.name !== ''
      ? type.name
      : given;
  } catch {
    return given;
  }
}

function titleOf(error: Error): string {
  const text = textOf(error);
  return text === '' ? typeNameOf(error) : `${typeNameOf(error)}: ${text}`;
}

/** The stack as heading and frames, with the heading put right where the host's lacks the class, text or count. */
function partsOfStack(error: Error): { heading: string; frames: string } {
  const title = titleOf(error);
  const stack = read(error, 'stack');
  if (typeof stack !== 'string') return { heading: title, frames: '' };
  const name = read(error, 'name');
  const text = textOf(error);
  for (const known of [title, text === '' ? describe(name) : `${describe(name)}: ${text}`]) {
    if (stack === known) return { heading: title, frames: '' };
    if (stack.startsWith(`${known}\n`)) return { heading: title, frames: stack.slice(known.length + 1) };
  }
  const start = stack.search(/^[ \t]+at /m);
  if (start >= 0) {
    // Node writes `TypeError [ERR_X]: …`, which tells more than the title; but a text or name set later is not in it.
    const own = stack.slice(0, start).trimEnd();
    const kept =
      own.includes(typeNameOf(error)) && own.includes(text) && !(error instanceof BaseExceptionGroup);
    return { heading: kept ? own : title, frames: stack.slice(start) };
  }
  // SpiderMonkey and JavaScriptCore: frames alone, `f@file:1:2`.
  return { heading: title, frames: stack.replace(/^(?=.)/gm, '    ') };
}

/** CPython `Lib/traceback.py`, `TracebackException.format` and `_ExceptionPrintContext`. */
class Layout {
  readonly lines: string[] = [];
  #depth = 0;
  /** Whether the member being printed has to draw the closing line, or a group at its end has done so. */
  #needClose = false;

  addChain(last: Report): void {
    const chain: Report[] = [];
    for (let one: Report | null = last; one !== null; one = one.cause) chain.push(one);
    for (const one of chain.toReversed()) {
      if (one.cause !== null) {
        this.#add('\nThe above exception was the direct cause of the following exception:\n');
      }
      if (one.members === null) this.#addOne(one);
      else if (this.#depth > maxGroupDepth) this.#add(`... (max_group_depth is ${maxGroupDepth})`);
      else this.#addGroup(one, one.members);
      if (one.cut) this.#add(`... (more than ${maxErrors} errors)`);
    }
  }

  #addOne({ heading, notes, frames }: Report): void {
    this.#add(heading);
    for (const note of notes) this.#add(note);
    if (frames !== '') this.#add(frames);
  }

  #addGroup(group: Report, members: readonly Report[]): void {
    const isToplevel = this.#depth === 0;
    if (isToplevel) this.#depth = 1;
    if (group.frames !== '') {
      this.#add('Exception Group Traceback (most recent call first):', isToplevel ? '+' : '|');
    }
    this.#addOne(group);
    const truncated = group.memberCount - members.length;
    const count = members.length + (truncated > 0 ? 1 : 0);
    this.#needClose = false;
    for (let i = 0; i < count; i++) {
      const isLast = i === count - 1;
      // The closing line may be drawn by a group inside.
      if (isLast) this.#needClose = true;
      const member = members[i];
      const number = member === undefined ? '...' : `${i + 1}`;
      this.lines.push(
        `${this.#indent()}${i === 0 ? '+-' : '  '}+---------------- ${number} ----------------`,
      );
      this.#depth++;
      if (member !== undefined) this.addChain(member);
      else this.#add(`and ${truncated} more exception${truncated > 1 ? 's' : ''}`);
      if (isLast && this.#needClose) {
        this.lines.push(`${this.#indent()}+------------------------------------`);
        this.#needClose = false;
      }
      this.#depth--;
    }
    if (isToplevel) this.#depth = 0;
  }

  #indent(): string {
    return '  '.repeat(this.#depth);
  }

  #add(text: string, margin = '|'): void {
    const prefix = this.#depth === 0 ? '' : `${this.#indent()}${margin} `;
    for (const line of text.split('\n')) this.lines.push(prefix + line);
  }
}
