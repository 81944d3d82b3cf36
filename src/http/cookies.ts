/** Cookies by name. Counterpart: Python's `http/cookies.py`. */
import { brand } from '../core/exceptions.ts';
import { typeName } from '../core/format-helpers.ts';
import { quote } from './helpers.ts';

/** What is taken as cookies: pairs, an object, a `Map` or a `SimpleCookie`. */
export type LooseCookies =
  | Iterable<readonly [name: string, value: string | number | Morsel]>
  | Readonly<Record<string, string | number | Morsel>>;

/**
 * A cookie that would not be one any more where it is sent, or an attribute that there is none of.
 *
 * Source: CPython 3.14 `http.cookies.CookieError`.
 */
export class CookieError extends Error {
  static {
    brand(this, 'CookieError');
  }
}

/** The attributes, and how they are spelled in a header. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ['expires', 'expires'],
  ['path', 'Path'],
  ['comment', 'Comment'],
  ['domain', 'Domain'],
  ['max-age', 'Max-Age'],
  ['secure', 'Secure'],
  ['httponly', 'HttpOnly'],
  ['version', 'Version'],
  ['samesite', 'SameSite'],
  ['partitioned', 'Partitioned'],
]);
/** Attributes that are there or not, and have no value. */
const FLAGS: ReadonlySet<string> = new Set(['secure', 'httponly', 'partitioned']);

/** Whether it is the name of an attribute. */
export function isAttribute(name: string): boolean {
  return RESERVED.has(name.toLowerCase());
}

/** Whether it is the name of an attribute that has no value. */
export function isFlag(name: string): boolean {
  return FLAGS.has(name.toLowerCase());
}

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL_CHARACTER = /[\0-\x1f\x7f]/;

/** Whether a text, written into a header, could end it or be cut short. */
export function hasControlCharacter(text: string): boolean {
  return CONTROL_CHARACTER.test(text);
}

/**
 * The attributes of a cookie, found in any case: `path`, `domain`, `expires`, `max-age`, `secure`, `httponly`,
 * `samesite`, `partitioned`, `comment` and `version`. Those that are not set are absent.
 */
export class CookieAttributes extends Map<string, string | true> {
  override get(name: string): string | true | undefined {
    return super.get(name.toLowerCase());
  }

  override has(name: string): boolean {
    return super.has(name.toLowerCase());
  }

  /**
   * @param value - a number is meant for `max-age`, a `Date` for `expires`; `false` and an empty text take the
   *   attribute away.
   * @throws CookieError for the name of no attribute, and for a value that could smuggle in another one.
   */
  override set(name: string, value: string | number | boolean | Date): this {
    const key = name.toLowerCase();
    if (!RESERVED.has(key)) throw new CookieError(`Invalid attribute ${quote(key)}`);
    if (value === false || value === '') {
      super.delete(key);
      return this;
    }
    if (value === true || FLAGS.has(key)) return super.set(key, true);
    const text = value instanceof Date ? value.toUTCString() : String(value);
    if (hasControlCharacter(text) || (text.includes(';') && key !== 'comment')) {
      throw new CookieError(`Illegal value ${quote(text)} of the attribute ${quote(key)}`);
    }
    return super.set(key, text);
  }

  override delete(name: string): boolean {
    return super.delete(name.toLowerCase());
  }
}

/**
 * One cookie: its name, its value, the value as it goes over the wire, and its attributes.
 *
 * ```ts
 * const morsel = new Morsel();
 * morsel.set('sid', 'a b', '"a b"');
 * morsel.attributes.set('path', '/shop');
 * ```
 *
 * Source: CPython 3.14 `http.cookies.Morsel`.
 */
export class Morsel {
  readonly attributes: CookieAttributes = new CookieAttributes();
  #key = '';
  #value = '';
  #codedValue = '';

  get key(): string {
    return this.#key;
  }

  get value(): string {
    return this.#value;
  }

  /** The value as it goes over the wire. */
  get codedValue(): string {
    return this.#codedValue;
  }

  /**
   * Give it a name and a value.
   *
   * @throws CookieError for a name that is none, or that of an attribute, and for control characters.
   *
   * Source: CPython 3.14 `http.cookies.Morsel.set`.
   */
  set(key: string, value: string, codedValue: string): void {
    if (isAttribute(key)) throw new CookieError(`Attempt to set a reserved key ${quote(key)}`);
    if (!LEGAL_KEY.test(key)) throw new CookieError(`Illegal key ${quote(key)}`);
    this._restore(key, value, codedValue);
  }

  /**
   * @internal Give it the name and the value that a server chose, which may be ones that `set` refuses.
   *
   * @throws CookieError for control characters.
   */
  _restore(key: string, value: string, codedValue: string): this {
    if (hasControlCharacter(key) || hasControlCharacter(codedValue)) {
      throw new CookieError(
        `Control characters are not allowed in cookies ${quote(key)} ${quote(codedValue)}`,
      );
    }
    this.#key = key;
    this.#value = value;
    this.#codedValue = codedValue;
    return this;
  }

  /** Whether it is the name of an attribute, in any case. */
  isReservedKey(name: string): boolean {
    return isAttribute(name);
  }

  /** A cookie of its own with the same contents. */
  copy(): Morsel {
    const copy = new Morsel()._restore(this.#key, this.#value, this.#codedValue);
    for (const [name, value] of this.attributes) copy.attributes.set(name, value);
    return copy;
  }

  /** A line of a header; default `Set-Cookie: …`. @param attrs - the attributes to name; default all. */
  output(attrs?: Iterable<string> | null, header = 'Set-Cookie:'): string {
    return `${header} ${this.OutputString(attrs)}`;
  }

  /** The value of that header: `sid=1; Path=/; Secure`. Source: CPython 3.14 `http.cookies.Morsel.OutputString`. */
  OutputString(attrs?: Iterable<string> | null): string {
    const named = attrs === null || attrs === undefined ? null : new Set(attrs);
    const parts = [`${this.#key}=${this.#codedValue}`];
    for (const [name, value] of [...this.attributes].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (named !== null && !named.has(name)) continue;
      const text = RESERVED.get(name) as string;
      if (value === true) parts.push(text);
      else parts.push(`${text}=${name === 'comment' ? quoteValue(value) : value}`);
    }
    return parts.join('; ');
  }

  toString(): string {
    return `<Morsel: ${this.OutputString()}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * Cookies by name, one of each.
 *
 * ```ts
 * const cookies = new SimpleCookie({ sid: '1' });
 * cookies.set('lang', 'en').get('lang')?.attributes.set('path', '/');
 * ```
 *
 * Source: CPython 3.14 `http.cookies.SimpleCookie`.
 */
export class SimpleCookie extends Map<string, Morsel> {
  /** @param input - as for `load`. */
  constructor(input?: string | LooseCookies | null) {
    super();
    if (input !== undefined && input !== null) this.load(input);
  }

  /**
   * Give a name a value, which is quoted if need be, or a whole cookie. With a value, a cookie that is there keeps its
   * attributes.
   *
   * @throws CookieError for a name that is none.
   */
  override set(name: string, value: string | number | Morsel): this {
    if (value instanceof Morsel) return super.set(name, value);
    const text = String(value);
    const morsel = this.get(name) ?? new Morsel();
    morsel.set(name, text, quoteValue(text));
    return super.set(name, morsel);
  }

  /**
   * Add cookies.
   *
   * @param input - cookies, or a text as of a header, attributes included: `a=1; Path=/; b=2`. Of a text that is broken
   *   nothing is taken.
   *
   * Source: CPython 3.14 `http.cookies.BaseCookie.load`.
   */
  load(input: string | LooseCookies): void {
    if (typeof input === 'string') {
      for (const morsel of parse(input)) super.set(morsel.key, morsel);
    } else {
      for (const [name, value] of pairsOf(input)) this.set(name, value);
    }
  }

  /** Lines of headers, sorted by name. @param attrs - the attributes to name; default all. */
  output(attrs?: Iterable<string> | null, header = 'Set-Cookie:', sep = '\r\n'): string {
    return this.#sorted()
      .map((morsel) => morsel.output(attrs, header))
      .join(sep);
  }

  #sorted(): Morsel[] {
    return [...this].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, morsel]) => morsel);
  }

  override toString(): string {
    const parts = this.#sorted().map(({ key, value }) => ` ${key}=${quote(value)}`);
    return `<SimpleCookie:${parts.join('') || ' '}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** The cookies that somebody gave us, one by one. */
export function pairsOf(
  cookies: LooseCookies,
): Iterable<readonly [name: string, value: string | number | Morsel]> {
  if (typeof cookies !== 'object') {
    throw new TypeError(`cookies must be an object such as { name: 'value' }, got ${typeName(cookies)}`);
  }
  if (Symbol.iterator in cookies) return cookies as Iterable<readonly [string, string | number | Morsel]>;
  return Object.entries(cookies);
}

const LEGAL_KEY = /^[\w!#$%&'*+\-.^`|~:]+$/;
const TO_ESCAPE = /[^\w!#$%&'*+\-.^`|~: ()/<=>?@[\]{}\u0100-\uffff]/g;

/** A value as it goes over the wire: between quotes if it has special characters. */
export function quoteValue(value: string): string {
  return LEGAL_KEY.test(value) ? value : `"${value.replaceAll(TO_ESCAPE, escaped)}"`;
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`;
}

/** The value that came over the wire, without its quotes. */
export function unquoteValue(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  return text
    .slice(1, -1)
    .replaceAll(/\\(?:([0-3][0-7][0-7])|([^\n]))/g, (_all, octal: string | undefined, character: string) => {
      return octal === undefined ? character : String.fromCharCode(Number.parseInt(octal, 8));
    });
}

/** The characters of a key but for the equals sign, which may be in one as well. */
const KEY = String.raw`\w!#%&'~${'`'}><@,:/$*+\-.^|)(?}{`;

/**
 * One `key` or `key=value`, and what parts it from the next. White space is Python's in ASCII.
 *
 * A key is the shortest that leaves something that can be read, as in Python's pattern, which tries one length after the
 * other. Only two can be it, and to try the rest takes the square of a long text's time: the key up to the first equals
 * sign, and the one up to a value in quotes.
 */
const PAIR = new RegExp(
  String.raw`[ \t-\r]*(?<key>[${KEY}=][${KEY}]*|[${KEY}=]+(?=="))` +
    String.raw`(?:[ \t-\r]*=[ \t-\r]*(?<value>` +
    [
      String.raw`"(?:[^\\"]|\\[^\n])*"`,
      String.raw`\w{3},[ \t-\r][\w \t-\r-]{9,11}[ \t-\r][\d:]{8}[ \t-\r]GMT`,
      String.raw`[${KEY}=[\]]*`,
    ].join('|') +
    String.raw`))?[ \t-\r]*(?:[ \t-\r]+|;|$)`,
  'y',
);

/** The cookies of a text, as Python takes it: all, or none if it is broken. */
function parse(text: string): Morsel[] {
  const cookies = new Map<string, Morsel>();
  let morsel: Morsel | null = null;
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < text.length) {
    const groups = PAIR.exec(text)?.groups;
    if (groups === undefined) break;
    const { key = '', value } = groups;
    const isDollar = key.startsWith('$');
    if (isDollar && morsel === null) continue;
    if (isDollar || isAttribute(key)) {
      if (morsel === null || (value === undefined && !isFlag(key))) return [];
      const attribute = isDollar ? key.slice(1) : key;
      morsel.attributes.set(attribute, value === undefined || isFlag(attribute) ? true : unquoteValue(value));
    } else {
      if (value === undefined) return [];
      morsel = cookies.get(key) ?? new Morsel();
      morsel.set(key, unquoteValue(value), value);
      cookies.set(key, morsel);
    }
  }
  return [...cookies.values()];
}
