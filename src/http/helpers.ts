/** Small things that several modules of the client need. Counterpart: `aiohttp/helpers.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { coroutine, methodCoroutine } from '../core/coroutines.ts';
import type { Future } from '../core/futures.ts';
import type { Coroutine, Gen } from '../core/types.ts';

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const UNPRINTABLE = /[\\\0-\x1f\x7f-\xa0\xad]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A text between quotes, as Python prints it. */
export function quote(text: string): string {
  const escaped = text.replaceAll(UNPRINTABLE, (character) => {
    return ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  if (escaped.includes("'") && !escaped.includes('"')) return `"${escaped}"`;
  return `'${escaped.replaceAll("'", "\\'")}'`;
}

/** The body of a context manager: `cm.run(body)`. */
export type ContextBody<X, T> = (it: X) => Gen<T> | T | PromiseLike<T>;

/**
 * A request that can be awaited for its response, or run with it: `session.get(url).run(body)` releases the response
 * after the body, as `async with session.get(url) as response` does in Python. Nothing is sent before.
 *
 * Source: aiohttp 3.14, what `ClientSession.get` gives.
 */
export interface RequestContextManager<R> extends Coroutine<R> {
  run<T>(body: (it: R) => Gen<T>): Coroutine<T>;
  run<T>(body: (it: R) => T | PromiseLike<T>): Coroutine<T>;
}

/** A function whose calls can be awaited for what the generator function `open` gives, or run with it by `use`. */
export function contextManager<A extends unknown[], R>(
  name: string,
  open: (...args: A) => Gen<R>,
  use: (it: R, body: ContextBody<R, unknown>) => Gen<unknown>,
): (...args: A) => RequestContextManager<R> {
  const run = methodCoroutine(
    `${name}.run`,
    function* (coro: Coroutine<R>, body: ContextBody<R, unknown>): Gen<unknown> {
      return yield* use(yield* coro, body);
    },
  );
  Object.defineProperty(open, 'name', { value: name });
  // What a call gives is the generator itself, so its `run` stands on the prototype of all of them.
  Object.defineProperty(open.prototype, 'run', {
    value(this: Coroutine<R>, body: ContextBody<R, unknown>) {
      return run(this, body);
    },
  });
  return coroutine(open) as (...args: A) => RequestContextManager<R>;
}

/** The value of an `ETag` header, without its quotes. Source: aiohttp 3.14 `aiohttp.ETag`. */
export interface ETag {
  readonly value: string;
  /** Whether it stands for what means the same, rather than for the same bytes. */
  readonly isWeak: boolean;
}

/** Whether `value` is an object of no class. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || prototype === Object.prototype;
}

/** Whether it can be asked for over HTTP, at least to begin with. */
export function isWeb({ protocol }: URL): boolean {
  return protocol === 'http:' || protocol === 'https:' || protocol === 'ws:' || protocol === 'wss:';
}

/** How the client calls itself. */
export const USER_AGENT = `asyncio-ts Node.js/${process.versions.node}`;

/** Wait for what an event outside of the loop will end: where time is virtual, it must not pass by meanwhile. */
export function* waitOutside<T>(loop: BaseEventLoop, wait: Future<T> | Gen<T>): Gen<T> {
  loop._foreignWaits++;
  try {
    return yield* wait;
  } finally {
    loop._foreignWaits--;
  }
}

/** A content type, taken apart. */
export interface MimeType {
  /** Type and subtype, in lower case; empty if there is none. */
  readonly essence: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Take a `Content-Type` apart, as far as it can be read. The first of two equal parameters counts. */
export function parseMimetype(text: string): MimeType {
  const [essence = '', ...rest] = splitOutsideQuotes(text);
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    const value = equals < 0 ? '' : unquote(part.slice(equals + 1).trim());
    if (name !== '' && !parameters.has(name)) parameters.set(name, value);
  }
  return { essence: essence.trim().toLowerCase(), parameters };
}

function splitOutsideQuotes(text: string): string[] {
  return text.match(/(?:"(?:\\.|[^"\\])*"?|[^;"])+/g) ?? [];
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  return text.replace(/^"|"$/g, '').replaceAll(/\\(.)/g, '$1');
}

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json$/;

/** Whether a response of the type `essence` is what the caller expects: any JSON for `application/json`. */
export function isExpectedContentType(essence: string, expected: string): boolean {
  return expected === 'application/json' ? JSON_TYPE.test(essence) : essence.includes(expected.toLowerCase());
}

const NOT_A_TOKEN = /[^-!#$%&'*+.^_`|~0-9a-zA-Z]/;
/** Whether `text` is a token of HTTP. */
export function isToken(text: string): boolean {
  return text !== '' && !NOT_A_TOKEN.test(text);
}

const BREAKS_A_HEADER = /[\r\n\0]/;

/** @throws RangeError for a method that could smuggle something into the request. */
export function checkMethod(method: string): void {
  const found = NOT_A_TOKEN.exec(method);
  if (found === null && method !== '') return;
  throw new RangeError(
    `Method cannot contain non-token characters ${quote(method)} (found at least ${quote(found?.[0] ?? '')})`,
  );
}

/** @throws RangeError for a header that could smuggle another one into the request. */
export function checkHeader(name: string, value: string): void {
  if (!isToken(name)) throw new RangeError(`Invalid header name: ${quote(name)}`);
  if (!BREAKS_A_HEADER.test(value)) return;
  throw new RangeError(`Newline, carriage return, or null byte detected in the value of the header ${name}`);
}
