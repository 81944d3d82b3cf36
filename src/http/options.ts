/** Objects of options, which stand for Python's keyword arguments. Unknown names are refused, as Python does. */
import { typeName } from '../core/format-helpers.ts';

/** Which options a function takes. */
export interface OptionNames<T extends object> {
  /** What the function is called in errors. */
  readonly of: string;
  readonly names: ReadonlySet<string>;
  /** For the checker of types alone. */
  readonly _options?: T;
}

/** The names of all options of a type, and of nothing else. */
export function optionNames<T extends object>(
  of: string,
  names: { readonly [K in keyof T]-?: true },
): OptionNames<T> {
  return { of, names: new Set(Object.keys(names)) };
}

/** Objects without anything inherited, which V8 lays out as it does other instances. */
const Bare = function () {} as unknown as new <T>() => T;
Bare.prototype = Object.create(null) as object;

/**
 * The options that are an object's own: what somebody puts into `Object.prototype` is none.
 *
 * @throws TypeError for what is no object, and for a name that is not among `known`, whatever its value.
 */
export function ownOptions<T extends object>(options: T, known?: OptionNames<T>): T {
  if (known === undefined) checkObject(options);
  else checkOptions(options, known);
  return Object.assign(new Bare<T>(), options);
}

/**
 * Refuse options that a function does not have.
 *
 * @throws TypeError as `ownOptions`.
 */
export function checkOptions<T extends object>(options: T | undefined, known: OptionNames<T>): void {
  if (options === undefined || options === null) return;
  checkObject(options);
  for (const name of Object.keys(options)) if (!known.names.has(name)) throw unexpected(name, known);
}

// A body in their place would not be sent.
function checkObject(options: object): void {
  if (typeof options === 'object') return;
  throw new TypeError(`options must be an object such as { timeout: 5 }, got ${typeName(options)}`);
}

function unexpected(name: string, { of, names }: OptionNames<object>): TypeError {
  const close = closest(name, names);
  const hint = close === null ? '' : `. Did you mean '${close}'?`;
  return new TypeError(`${of}() got an unexpected keyword argument '${name}'${hint}`);
}

/** Python's and HTTP's ways to write a name count as the same: `allow_redirects`, `allow-redirects`. */
const plain = (name: string): string => name.replaceAll(/[^a-zA-Z0-9]/g, '').toLowerCase();

/** The name that was meant, if one is so close that a third of it at most is wrong. */
function closest(wrong: string, names: ReadonlySet<string>): string | null {
  const text = plain(wrong);
  let best: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const name of names) {
    // What begins so is none that others may use.
    if (name.startsWith('_')) continue;
    const distance = editDistance(text, plain(name));
    if (distance < least && distance <= (text.length + name.length + 3) / 6) {
      best = name;
      least = distance;
    }
  }
  return best;
}

/** How many characters have to be added, left out or replaced. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
