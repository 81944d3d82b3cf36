/** Errors on their way from one thread or process to another: class, message, stack, code and cause arrive. */
import { BaseExceptionGroup, ExceptionGroup } from '../core/exception-groups.ts';
import * as exceptions from '../core/exceptions.ts';
import { isError } from '../core/exceptions.ts';
import * as executorErrors from './errors.ts';

/** An error as plain data. */
export interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** The names of its class and of the classes above it, the nearest first. */
  readonly classes: readonly string[];
  readonly props: Readonly<Record<string, unknown>>;
  readonly cause?: PackedValue;
  readonly errors?: readonly PackedValue[];
}

type PackedValue = { readonly error: PackedError } | { readonly value: unknown };

/** How deep causes are followed: one may lead to itself. */
const MAX_DEPTH = 10;

/** @internal `thrown` as plain data; what is no error goes as text and as value, if it can be cloned. */
export function packError(thrown: unknown, canBeSent: (value: unknown) => boolean): PackedError {
  try {
    return packDeep(exceptions.asError(thrown), canBeSent, 0);
  } catch (problem) {
    // A getter of the error's own has thrown, say.
    const message = `an error that cannot be read: ${exceptions.describe(problem)}`;
    return { name: 'Error', message, stack: undefined, classes: ['Error'], props: {} };
  }
}

function packDeep(error: Error, canBeSent: (value: unknown) => boolean, depth: number): PackedError {
  const props: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(error)) {
    if (key !== 'cause' && key !== 'errors' && canBeSent(value)) props[key] = value;
  }
  const { cause, errors } = error as { cause?: unknown; errors?: unknown };
  const packValue = (value: unknown): PackedValue => {
    if (isError(value) && depth < MAX_DEPTH) return { error: packDeep(value, canBeSent, depth + 1) };
    // An error whose causes lead back to it would arrive, and could not be read there.
    return { value: !isError(value) && canBeSent(value) ? value : exceptions.describe(value) };
  };
  return {
    // A program may have made it anything.
    name: `${error.name as unknown}`,
    message: exceptions.messageOf(error),
    stack: typeof error.stack === 'string' ? error.stack : undefined,
    classes: classNames(error),
    props,
    ...(cause !== undefined && { cause: packValue(cause) }),
    ...(Array.isArray(errors) && { errors: errors.map(packValue) }),
  };
}

function classNames(error: Error): string[] {
  const names: string[] = [];
  for (
    let type = Object.getPrototypeOf(error) as object | null;
    type !== null;
    type = Object.getPrototypeOf(type)
  ) {
    const { name } = type.constructor as { name?: unknown };
    if (typeof name === 'string' && type !== Object.prototype) names.push(name);
  }
  return names;
}

type ErrorType = { readonly prototype: Error };

/** The classes that are known on both sides. */
const shared = new Map<string, ErrorType>(
  [
    Error,
    TypeError,
    RangeError,
    SyntaxError,
    ReferenceError,
    EvalError,
    URIError,
    AggregateError,
    // Executors' own come last: those that asyncio has by the same name stand for the program's.
    ...Object.values(executorErrors).filter((type) => !(type.name in exceptions)),
    ...Object.values(exceptions).filter(isErrorType),
  ].map((type) => [(type as unknown as { name: string }).name, type]),
);

function isErrorType(value: unknown): value is ErrorType {
  return typeof value === 'function' && (value as { prototype?: unknown }).prototype instanceof Error;
}

/**
 * @internal The error again. A class that is not known here becomes `Error`, or the nearest known one above it, with its name.
 *
 * @param exports - the module that the call was made of: errors may be of classes that it exports.
 */
export function unpackError(packed: PackedError, exports: Readonly<Record<string, unknown>> = {}): Error {
  const { name, message, stack, classes, props, cause, errors } = packed;
  const value = (item: PackedValue): unknown =>
    'error' in item ? unpackError(item.error, exports) : item.value;
  const members = errors?.map(value);
  let error: Error;
  if (members !== undefined && classes.includes('ExceptionGroup'))
    error = new ExceptionGroup(message, members as Error[]);
  else if (members !== undefined && classes.includes('BaseExceptionGroup')) {
    error = new BaseExceptionGroup(message, members as Error[]);
  } else {
    error = members === undefined ? new Error(message) : new AggregateError(members, message);
    const type = nearestType(classes, exports);
    if (type !== null) Object.setPrototypeOf(error, type.prototype);
    if (error.name !== name) define(error, 'name', name);
  }
  for (const [key, item] of Object.entries(props)) define(error, key, item, true);
  if (cause !== undefined) define(error, 'cause', value(cause));
  if (stack !== undefined) define(error, 'stack', stack);
  return error;
}

function nearestType(
  classes: readonly string[],
  exports: Readonly<Record<string, unknown>>,
): ErrorType | null {
  for (const name of classes) {
    const own = exports[name];
    if (isErrorType(own)) return own;
    const type = shared.get(name);
    if (type !== undefined) return type;
  }
  return null;
}

function define(error: Error, key: string, value: unknown, enumerable = false): void {
  Object.defineProperty(error, key, { value, writable: true, enumerable, configurable: true });
}
