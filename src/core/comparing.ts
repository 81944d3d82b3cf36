/** Python's `<` for the values of JavaScript. No counterpart in asyncio: the interpreter does it. */
import { repr, typeName } from './format-helpers.ts';

/**
 * Whether `a` is less than `b`: numbers (booleans and bigints among them) and strings as they are, dates by their
 * time, arrays element by element, and objects by the static `compare` of the class that they share, or else by what
 * their `valueOf` gives.
 *
 * @throws TypeError, with Python's text, for anything else and for two of different kinds.
 */
export function isLess(a: unknown, b: unknown): boolean {
  // The usual kinds first.
  if (typeof a === 'number' && typeof b === 'number') return a < b;
  if (Array.isArray(a) && Array.isArray(b)) return isArrayLess(a, b);
  return compareSimple(a, b, true);
}

function isArrayLess(a: readonly unknown[], b: readonly unknown[]): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (!isEqual(a[i], b[i])) return isLess(a[i], b[i]);
  return a.length < b.length;
}

function isEqual(a: unknown, b: unknown): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => isEqual(item, b[i]));
  }
  return compareSimple(a, b, false);
}

/** `a < b`, or with `isOrder` false `a == b`, where the kinds of things that cannot be compared are unequal. */
function compareSimple(a: unknown, b: unknown, isOrder: boolean): boolean {
  if ((isNumeric(a) && isNumeric(b)) || (typeof a === 'string' && typeof b === 'string')) {
    // biome-ignore lint/suspicious/noDoubleEquals: 1n equals 1
    return isOrder ? a < b : a == b;
  }
  const compare = sharedCompare(a, b);
  if (compare !== null) return isOrder ? compare(a, b) < 0 : compare(a, b) === 0;
  if (!isOrder) return false;
  throw new TypeError(
    `'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}': ` +
      'give the PriorityQueue a { compare } function',
  );
}

function isNumeric(value: unknown): value is number {
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';
}

type Compare = (a: unknown, b: unknown) => number;

/** How two objects of one class compare, or null. */
function sharedCompare(a: unknown, b: unknown): Compare | null {
  if (!isObject(a) || !isObject(b)) return null;
  const kind = commonClass(a, b);
  if (kind === null) return null;
  if (typeof kind.compare === 'function') return (x, y) => checkOrder(kind.compare?.(x, y));
  const [left, right] = [a.valueOf(), b.valueOf()];
  if (isObject(left) || isObject(right)) return null;
  return () => (isLess(left, right) ? -1 : isEqual(left, right) ? 0 : 1);
}

/** What a function that compares gave, if it is a number. */
export function checkOrder(order: unknown): number {
  if (typeof order === 'number' && !Number.isNaN(order)) return order;
  throw new TypeError(
    `compare must give a number, less than 0 if its first argument goes first; got ${repr(order)}`,
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

type Class = (new (...args: never[]) => object) & { compare?: Compare };

/** The nearest class that both are of. Every object is an `Object`: only for two plain ones that says something. */
function commonClass(a: object, b: object): Class | null {
  let shared = Object.getPrototypeOf(a) as object | null;
  while (shared !== null && !Object.prototype.isPrototypeOf.call(shared, b))
    shared = Object.getPrototypeOf(shared) as object | null;
  if (shared === null) return null;
  if (
    shared === Object.prototype &&
    (Object.getPrototypeOf(a) !== shared || Object.getPrototypeOf(b) !== shared)
  )
    return null;
  return typeof shared.constructor === 'function' ? (shared.constructor as Class) : null;
}
