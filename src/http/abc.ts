/** What a session can be given in place of its own parts. Counterpart: `aiohttp/abc.py`. */
import { NotImplementedError } from '../core/exceptions.ts';
import type { Coroutine } from '../core/types.ts';
import { parseSetCookieHeaders } from './cookie-helpers.ts';
import type { LooseCookies, Morsel, SimpleCookie } from './cookies.ts';

/** One address of a host. Source: aiohttp 3.14 `aiohttp.abc.ResolveResult`. */
export interface ResolveResult {
  /** The name that was asked for. */
  readonly hostname: string;
  /** The address. */
  readonly host: string;
  readonly port: number;
  readonly family: 4 | 6;
  /** Kept for parity; always 0. */
  readonly proto: number;
  /** Kept for parity; always 0. */
  readonly flags: number;
}

/**
 * Own name resolution, for `TCPConnector({ resolver })`.
 *
 * Source: aiohttp 3.14 `aiohttp.abc.AbstractResolver`.
 */
export interface AbstractResolver {
  /**
   * @param family - 4 or 6 for addresses of that family alone, 0 (the default) for both.
   * @throws an error with a `code`, as Node's `dns` does, if there is no such host.
   */
  resolve(
    host: string,
    port?: number,
    family?: 0 | 4 | 6,
  ): Coroutine<ResolveResult[]> | PromiseLike<ResolveResult[]>;
  /** Let go of what it holds. */
  close(): Coroutine<void> | PromiseLike<void>;
}

/**
 * Where a session keeps its cookies.
 *
 * Source: aiohttp 3.14 `aiohttp.abc.AbstractCookieJar`.
 */
export abstract class AbstractCookieJar implements Iterable<Morsel> {
  /** Whether cookies are taken from, and sent to, hosts that are IP addresses. */
  abstract readonly unsafe: boolean;
  /** Whether values with special characters are quoted when they are sent. */
  abstract readonly quoteCookie: boolean;
  /** The cookies by `domain|path`, as they are now. */
  abstract readonly cookies: ReadonlyMap<string, SimpleCookie>;
  /** Those that go to no subdomain, as `domain|name`. */
  abstract readonly hostOnlyCookies: ReadonlySet<string>;
  /** How many cookies there are. */
  abstract readonly size: number;
  abstract [Symbol.iterator](): Iterator<Morsel>;
  /** Forget all cookies, or those of which `predicate` says so. */
  abstract clear(predicate?: ((cookie: Morsel) => boolean) | null): void;
  /** Forget the cookies of a domain and of its subdomains. */
  abstract clearDomain(domain: string): void;
  /** Take cookies that came from `responseUrl`; without it they go with every request. */
  abstract updateCookies(cookies: LooseCookies, responseUrl?: URL): void;
  /** Take `Set-Cookie` headers as they came. */
  updateCookiesFromHeaders(headers: readonly string[], responseUrl: URL): void {
    const cookies = parseSetCookieHeaders(headers);
    if (cookies.length > 0) this.updateCookies(cookies, responseUrl);
  }

  /** The cookies that go with a request to `requestUrl`. */
  abstract filterCookies(requestUrl?: URL): SimpleCookie;

  /**
   * Write the cookies to a file. In aiohttp `CookieJar` alone has this; here whoever has a session can save its jar.
   *
   * @throws NotImplementedError unless the class of the jar has its own.
   */
  save(_filePath: string | URL): void {
    throw new NotImplementedError(`a ${this.constructor.name} cannot be saved: a CookieJar can`);
  }

  /**
   * Put the cookies of a file in place of those that there are. As `save`.
   *
   * @throws NotImplementedError unless the class of the jar has its own.
   */
  load(_filePath: string | URL): void {
    throw new NotImplementedError(`a ${this.constructor.name} cannot be loaded: a CookieJar can`);
  }
}

/**
 * Where a payload writes itself.
 *
 * Source: aiohttp 3.14 `aiohttp.abc.AbstractStreamWriter`.
 */
export interface AbstractStreamWriter {
  /** Bytes written so far, after compression. */
  readonly outputSize: number;
  /** Write a piece, and wait while the receiver is slow. Cancellation: the piece may have been sent. */
  write(chunk: Uint8Array): Coroutine<void>;
  /** Write the last piece, if any, and the end. */
  writeEof(chunk?: Uint8Array): Coroutine<void>;
  /** Wait until what was written has been taken. */
  drain(): Coroutine<void>;
}
