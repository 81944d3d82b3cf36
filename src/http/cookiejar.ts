/** Where a session keeps its cookies. Counterpart: `aiohttp/cookiejar.py`. */
import { isIP } from 'node:net';
import { AbstractCookieJar } from './abc.ts';
import { readCookies, writeCookies } from './cookie-file.ts';
import {
  hasControlCharacter,
  type LooseCookies,
  Morsel,
  pairsOf,
  quoteValue,
  SimpleCookie,
} from './cookies.ts';
import { optionNames, ownOptions } from './options.ts';
import { canonicalDomain, isPublicSuffix, MAX_NAME, parseExpires } from './rfc6265.ts';

/** Options of a `CookieJar`. */
export interface CookieJarOptions {
  /** Take cookies from hosts that are IP addresses, too. Default false. */
  unsafe?: boolean | undefined;
  /** Quote values with special characters when they are sent. Default true. */
  quoteCookie?: boolean | undefined;
  /** Origins of `http:` and `ws:` that get `Secure` cookies all the same. */
  treatAsSecureOrigin?: string | URL | readonly (string | URL)[] | null | undefined;
  /** How many cookies of hosts are kept; then the one least recently sent goes. 0 is no limit. Default 3000. */
  maxCookies?: number | undefined;
  /** The same for each domain. Default 180. */
  maxCookiesPerDomain?: number | undefined;
  /** Characters that name and value of a host's cookie may have together; longer ones are ignored. Default 4096. */
  maxCookieSize?: number | undefined;
}

const OPTIONS = /* @__PURE__ */ optionNames<CookieJarOptions>('CookieJar', {
  unsafe: true,
  quoteCookie: true,
  treatAsSecureOrigin: true,
  maxCookies: true,
  maxCookiesPerDomain: true,
  maxCookieSize: true,
});

/** Where a cookie goes. */
interface Scope {
  /** Empty for all hosts. */
  readonly domain: string;
  /** Not to subdomains. */
  readonly isHostOnly: boolean;
}

/** A cookie in the jar. */
interface Kept extends Scope {
  readonly name: string;
  /** With its domain and path filled in. */
  readonly morsel: Morsel;
  /** Decoded, and without slashes at its end. */
  readonly path: string;
  /** With those. */
  readonly pathLength: number;
  /** In milliseconds since 1970; `Infinity` for the life of the jar. */
  readonly expires: number;
  /** What is sent, without attributes; made when it is first sent. */
  sent: Morsel | null;
  /** Grows with each use: the smallest of all was unused for longest. */
  used: number;
}

/** Where cookies come from, or are going to. */
interface Place {
  /** Null if it is no host. */
  readonly host: string | null;
  readonly path: string;
  readonly isSecure: boolean;
}

/** The end of the year 9999, in seconds since 1970: as far as dates go. */
const MAX_TIME = 253_402_300_798;

/**
 * The cookies of a session, kept in memory by the rules of RFC 6265. A cookie that names a domain goes to its subdomains,
 * too; one that names none goes to the host that set it, and one that was given without a URL to all hosts.
 *
 * Of cookies of one name a request gets that of the most specific domain, and of that the one of the longest path. A
 * host that is not reached by TLS gets no `Secure` cookie, and cannot replace one. Nobody can set cookies for a domain
 * that belongs to nobody, such as `co.uk`.
 *
 * Source: aiohttp 3.14 `aiohttp.CookieJar`.
 */
export class CookieJar extends AbstractCookieJar {
  readonly unsafe: boolean;
  readonly quoteCookie: boolean;
  readonly #secureOrigins: ReadonlySet<string> | null;
  readonly #maxCookies: number;
  readonly #maxPerDomain: number;
  readonly #maxSize: number;
  /** By domain, path without slashes at its end, and name. */
  readonly #kept = new Map<string, Map<string, Map<string, Kept>>>();
  #size = 0;
  /** When the next cookie expires; it may have gone before. */
  #nextExpiry = Number.POSITIVE_INFINITY;
  #uses = 0;

  /** @throws TypeError for unknown options. */
  constructor(given: CookieJarOptions = {}) {
    super();
    const options = ownOptions(given, OPTIONS);
    this.unsafe = options.unsafe ?? false;
    this.quoteCookie = options.quoteCookie ?? true;
    this.#secureOrigins = originsOf(options.treatAsSecureOrigin ?? null);
    this.#maxCookies = limitOf(options.maxCookies, 3000);
    this.#maxPerDomain = limitOf(options.maxCookiesPerDomain, 180);
    this.#maxSize = limitOf(options.maxCookieSize, 4096);
  }

  /** How many cookies there are, those that have expired since the last use included. */
  get size(): number {
    return this.#size;
  }

  get cookies(): ReadonlyMap<string, SimpleCookie> {
    const cookies = new Map<string, SimpleCookie>();
    for (const [domain, paths] of this.#kept) {
      for (const [path, named] of paths) {
        const there = new SimpleCookie();
        for (const { name, morsel } of named.values()) there.set(name, morsel);
        cookies.set(`${domain}|${path}`, there);
      }
    }
    return cookies;
  }

  get hostOnlyCookies(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { domain, name, isHostOnly } of this.#all()) if (isHostOnly) names.add(`${domain}|${name}`);
    return names;
  }

  *[Symbol.iterator](): Iterator<Morsel> {
    this.#expire();
    for (const { morsel } of this.#all()) yield morsel;
  }

  /**
   * Take cookies.
   *
   * @param responseUrl - where they come from; without it they were given by hand. What that host may not set is
   *   ignored.
   * @throws CookieError for a name that is none.
   *
   * Source: aiohttp 3.14 `CookieJar.update_cookies`.
   */
  updateCookies(cookies: LooseCookies, responseUrl?: URL): void {
    const from = this.#placeOf(responseUrl);
    if (!this.unsafe && from.host !== null && isIpAddress(from.host)) return;
    const grown = new Set<string>();
    for (const [name, value] of pairsOf(cookies)) {
      const morsel = value instanceof Morsel ? value.copy() : toMorsel(name, value);
      this.#take(name, morsel, from, null, grown);
    }
    this.#evict(grown);
  }

  /**
   * The cookies that go with a request.
   *
   * @param requestUrl - without it: those that go to all hosts.
   *
   * Source: aiohttp 3.14 `CookieJar.filter_cookies`.
   */
  filterCookies(requestUrl?: URL): SimpleCookie {
    const cookies = new SimpleCookie();
    if (this.#size === 0) return cookies;
    this.#expire();
    const to = this.#placeOf(requestUrl);
    this.#collect('', to, cookies);
    const { host } = to;
    if (host === null) return cookies;
    if (isIpAddress(host)) {
      if (this.unsafe) this.#collect(host, to, cookies);
      return cookies;
    }
    // com, example.com, www.example.com: the later ones replace those of the same name.
    // A server may have sent us to a host of thousands of labels: nobody has a domain of that many.
    const first = Math.max(host.length - MAX_NAME - 1, 1);
    for (let dot = host.lastIndexOf('.'); dot >= first; dot = host.lastIndexOf('.', dot - 1)) {
      if (dot < host.length - 1) this.#collect(host.slice(dot + 1), to, cookies);
    }
    this.#collect(host, to, cookies);
    return cookies;
  }

  /**
   * Forget all cookies, or those of which `predicate` says so, and those that have expired.
   *
   * Source: aiohttp 3.14 `CookieJar.clear`.
   */
  clear(predicate?: ((cookie: Morsel) => boolean) | null): void {
    if (predicate === undefined || predicate === null) {
      this.#kept.clear();
      this.#size = 0;
      this.#nextExpiry = Number.POSITIVE_INFINITY;
      return;
    }
    const now = Date.now();
    for (const kept of this.#all()) {
      if (kept.expires <= now || predicate(kept.morsel)) this.#remove(kept);
    }
  }

  clearDomain(domain: string): void {
    this.clear(({ attributes }) => isDomainMatch(domain, String(attributes.get('domain') ?? '')));
  }

  /**
   * Write the cookies to a file, which its owner alone can read. aiohttp can load it, and the other way around.
   *
   * @throws a system error if it cannot be written.
   *
   * Source: aiohttp 3.14 `CookieJar.save`.
   */
  override save(filePath: string | URL): void {
    writeCookies(filePath, this.#all());
  }

  /**
   * Put the cookies of a file in place of those that there are. They have to pass the same rules as any others.
   *
   * @throws RangeError if it is no file of cookies, a system error if it cannot be read; then the jar stays as it was.
   *
   * Source: aiohttp 3.14 `CookieJar.load`.
   */
  override load(filePath: string | URL): void {
    const entries = readCookies(filePath);
    this.clear();
    const grown = new Set<string>();
    for (const { domain, name, morsel, expires } of entries) {
      if (!this.unsafe && isIpAddress(domain)) continue;
      this.#take(name, morsel, { host: domain || null, path: '/', isSecure: true }, expires, grown);
    }
    this.#evict(grown);
  }

  #placeOf(url: URL | undefined): Place {
    if (url === undefined) return { host: null, path: '/', isSecure: false };
    const { protocol } = url;
    const isSecure =
      protocol === 'https:' || protocol === 'wss:' || this.#secureOrigins?.has(url.origin) === true;
    return { host: hostOf(url), path: decodePath(url.pathname), isSecure };
  }

  /**
   * Keep a cookie that `from` has set, if it may.
   *
   * @param expires - when, if that is known.
   * @param grown - gets the domain if a host has one more there now; then `#evict` is due.
   */
  #take(name: string, morsel: Morsel, from: Place, expires: number | null, grown: Set<string>): void {
    const { host } = from;
    if (host !== null && name.length + morsel.codedValue.length > this.#maxSize) return;
    const { attributes } = morsel;
    const scope = scopeOf(canonicalDomain(String(attributes.get('domain') ?? '')), host);
    if (scope === null) return;
    attributes.set('domain', scope.domain);
    let path = String(attributes.get('path') ?? '');
    if (!path.startsWith('/')) {
      path = from.path.slice(0, from.path.lastIndexOf('/')) || '/';
      attributes.set('path', path);
    }
    const kept: Kept = {
      ...scope,
      name,
      morsel,
      path: withoutSlashes(decodePath(path)),
      pathLength: decodePath(path).length,
      expires: expires ?? expiryOf(morsel),
      sent: null,
      used: ++this.#uses,
    };
    if (this.#put(kept, from.isSecure || host === null) && host !== null) grown.add(scope.domain);
  }

  /** Returns whether there is one more now. */
  #put(kept: Kept, isSecure: boolean): boolean {
    const paths = getOrMake(this.#kept, kept.domain);
    const named = getOrMake(paths, kept.path);
    const old = named.get(kept.name);
    if (old?.morsel.attributes.has('secure') && !isSecure) return false;
    named.set(kept.name, kept);
    this.#nextExpiry = Math.min(this.#nextExpiry, kept.expires);
    if (old === undefined) this.#size++;
    return old === undefined;
  }

  /**
   * Let go of the cookies that have expired, and of those that are too many: of each domain in `grown`, and in all. After
   * all that came at once, since a look at each cookie of a domain for each that comes is thousands of times as much.
   */
  #evict(grown: ReadonlySet<string>): void {
    this.#expire();
    for (const domain of grown) this.#trim(this.#all(domain), this.#maxPerDomain);
    if (grown.size === 0 || this.#size <= this.#maxCookies) return;
    this.#trim(
      [...this.#all()].filter((kept) => kept.domain !== ''),
      this.#maxCookies,
    );
  }

  /** Let those go that were unused for longest, but for `most`. */
  #trim(cookies: Iterable<Kept>, most: number): void {
    const there = [...cookies];
    if (there.length <= most) return;
    there.sort((a, b) => a.used - b.used);
    for (const kept of there.slice(0, there.length - most)) this.#remove(kept);
  }

  #remove({ domain, path, name }: Kept): void {
    const paths = this.#kept.get(domain);
    const named = paths?.get(path);
    if (paths === undefined || !named?.delete(name)) return;
    this.#size--;
    if (named.size === 0) paths.delete(path);
    if (paths.size === 0) this.#kept.delete(domain);
  }

  #expire(): void {
    const now = Date.now();
    if (now < this.#nextExpiry) return;
    this.#nextExpiry = Number.POSITIVE_INFINITY;
    for (const kept of this.#all()) {
      if (kept.expires <= now) this.#remove(kept);
      else this.#nextExpiry = Math.min(this.#nextExpiry, kept.expires);
    }
  }

  *#all(domain?: string): IterableIterator<Kept> {
    const domains = domain === undefined ? this.#kept.values() : [this.#kept.get(domain) ?? []];
    for (const paths of domains) for (const named of paths.values()) yield* named.values();
  }

  /** Add to `cookies` those of one domain that go to the place `to`. */
  #collect(domain: string, to: Place, cookies: SimpleCookie): void {
    const paths = this.#kept.get(domain);
    if (paths === undefined) return;
    const matching = [...paths].filter(([path]) => isPathMatch(path, to.path));
    // The longer ones replace those of the same name.
    if (matching.length > 1) matching.sort(([a], [b]) => a.length - b.length);
    for (const [, named] of matching) {
      for (const kept of named.values()) {
        if (kept.isHostOnly && domain !== to.host) continue;
        // A path with a slash at its end does not match one without.
        if (kept.pathLength > to.path.length) continue;
        if (!to.isSecure && kept.morsel.attributes.has('secure')) continue;
        kept.used = ++this.#uses;
        kept.sent ??= this.#toSend(kept.morsel);
        cookies.set(kept.name, kept.sent);
      }
    }
  }

  #toSend({ key, value, codedValue }: Morsel): Morsel {
    // What came with quotes goes back as it came.
    if (this.quoteCookie) {
      return new Morsel()._restore(key, value, codedValue.startsWith('"') ? codedValue : quoteValue(value));
    }
    return new Morsel()._restore(key, value, hasControlCharacter(value) ? codedValue : value);
  }
}

/**
 * Keeps no cookies.
 *
 * Source: aiohttp 3.14 `aiohttp.DummyCookieJar`.
 */
export class DummyCookieJar extends AbstractCookieJar {
  readonly unsafe = false;
  readonly quoteCookie = true;
  readonly size = 0;
  readonly cookies: ReadonlyMap<string, SimpleCookie> = new Map();
  readonly hostOnlyCookies: ReadonlySet<string> = new Set();

  [Symbol.iterator](): Iterator<Morsel> {
    return [].values();
  }

  clear(): void {}

  clearDomain(): void {}

  updateCookies(): void {}

  override updateCookiesFromHeaders(): void {}

  filterCookies(): SimpleCookie {
    return new SimpleCookie();
  }
}

function limitOf(given: number | undefined, standard: number): number {
  return given === 0 ? Number.POSITIVE_INFINITY : (given ?? standard);
}

function originsOf(given: string | URL | readonly (string | URL)[] | null): ReadonlySet<string> | null {
  if (given === null) return null;
  const urls = typeof given === 'string' || given instanceof URL ? [given] : given;
  return new Set(urls.map((url) => new URL(url).origin));
}

function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

const isIpAddress = (host: string): boolean => isIP(host) !== 0;

function toMorsel(name: string, value: string | number): Morsel {
  return new SimpleCookie().set(name, value).get(name) as Morsel;
}

/** Where a cookie goes that `host` has set with the domain `given`; null if it may not. */
function scopeOf(given: string, host: string | null): Scope | null {
  if (host === null) return { domain: given, isHostOnly: false };
  if (given === '') return { domain: host, isHostOnly: true };
  if (!isDomainMatch(given, host)) return null;
  if (isIpAddress(host) || !isPublicSuffix(given)) return { domain: given, isHostOnly: false };
  // Whoever has the public suffix itself as name may use it, for itself alone.
  return given === host ? { domain: host, isHostOnly: true } : null;
}

/** Whether `host` is `domain` or below it (RFC 6265, 5.1.3). */
function isDomainMatch(domain: string, host: string): boolean {
  return host === domain || (domain !== '' && host.endsWith(`.${domain}`) && !isIpAddress(host));
}

/** Whether `path` is `prefix`, which has no slash at its end, or below it (RFC 6265, 5.1.4). */
function isPathMatch(prefix: string, path: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/');
}

/** A path as people write it. Slashes and percent signs that are encoded stay so. */
function decodePath(path: string): string {
  if (!path.includes('%')) return path;
  return path.replaceAll(/(?:%(?!2[5f])[\da-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

function withoutSlashes(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === '/') end--;
  return path.slice(0, end);
}

/** When a cookie that came just now expires. An attribute that cannot be read is taken away. */
function expiryOf({ attributes }: Morsel): number {
  const maxAge = attributes.get('max-age');
  if (maxAge !== undefined) {
    if (/^[+-]?\d+$/.test(String(maxAge)))
      return Math.min(Date.now() / 1000 + Number(maxAge), MAX_TIME) * 1000;
    attributes.delete('max-age');
    return Number.POSITIVE_INFINITY;
  }
  const expires = attributes.get('expires');
  const time = expires === undefined ? null : parseExpires(String(expires));
  if (time === null) attributes.delete('expires');
  return time ?? Number.POSITIVE_INFINITY;
}

function getOrMake<V>(map: Map<string, Map<string, V>>, key: string): Map<string, V> {
  let made = map.get(key);
  if (made === undefined) {
    made = new Map();
    map.set(key, made);
  }
  return made;
}
