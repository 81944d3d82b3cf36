/** Digest authentication (RFC 7616). Counterpart: `aiohttp/client_middleware_digest_auth.py`. */
import { createHash, randomBytes } from 'node:crypto';
import type { Gen } from '../core/types.ts';
import { type Challenge, parseChallenges } from './challenges.ts';
import type { ClientHandlerType, ClientMiddleware } from './client-middlewares.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';
import { ClientError } from './exceptions.ts';
import { checkOptions, optionNames } from './options.ts';
import type { Payload } from './payload.ts';

/** What `node:crypto` calls the hash of an algorithm; those that end in `-SESS` have the same. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['MD5', 'md5'],
  ['SHA', 'sha1'],
  ['SHA256', 'sha256'],
  ['SHA-256', 'sha256'],
  ['SHA512', 'sha512'],
  ['SHA-512', 'sha512'],
  ['SHA-512-256', 'sha512-256'],
]);
const SUPPORTED = [...HASHES.keys()].flatMap((name) => [name, `${name}-SESS`]).sort();

/** What the credentials are proved with, until the server gives another one. */
interface Nonce {
  readonly parameters: ReadonlyMap<string, string>;
  readonly value: string;
  /** How often it has been used. */
  uses: number;
}

/** A part of the web that takes the same credentials. */
interface Space {
  readonly origin: string;
  readonly path: string;
}

interface DigestOptions {
  preemptive?: boolean | undefined;
}

const OPTIONS = /* @__PURE__ */ optionNames<DigestOptions>('DigestAuthMiddleware', { preemptive: true });

/**
 * A middleware that proves to a server that it knows a password, without telling it (RFC 7616): with MD5, SHA-1,
 * SHA-256, SHA-512 or their session forms, and with `auth` or `auth-int` as quality of protection. A request that is
 * refused for want of a proof is sent again with one, unless its body cannot be sent again.
 *
 * The credentials are for the origin of the first request; requests to others pass as they are, unless that origin
 * names them in its `domain`.
 *
 * ```ts
 * const digest = new DigestAuthMiddleware('Mufasa', 'Circle of Life');
 * await using session = new ClientSession(null, { middlewares: [digest] });
 * ```
 *
 * Source: aiohttp 3.14 `aiohttp.DigestAuthMiddleware`.
 */
export class DigestAuthMiddleware implements ClientMiddleware {
  readonly #login: string;
  readonly #password: string;
  readonly #preemptive: boolean;
  #origin: string | null = null;
  #nonce: Nonce | null = null;
  #spaces: readonly Space[] = [];

  /**
   * @param options.preemptive - once the server has asked, give the proof without being asked again. Default true.
   * @throws RangeError for a login with a colon, or null in place of a text.
   */
  constructor(login: string, password: string, options: DigestOptions = {}) {
    checkOptions(options, OPTIONS);
    if ((login as string | null) === null) throw new RangeError('None is not allowed as login value');
    if ((password as string | null) === null) throw new RangeError('None is not allowed as password value');
    if (login.includes(':')) {
      throw new RangeError('A ":" is not allowed in username (RFC 1945#section-11.1)');
    }
    this.#login = login;
    this.#password = password;
    this.#preemptive = options.preemptive ?? true;
  }

  /**
   * Send a request, and once more with a proof if the server wants one.
   *
   * @throws ClientError for a challenge that cannot be met, and as the request does.
   */
  *handle(request: ClientRequest, handler: ClientHandlerType): Gen<ClientResponse> {
    const { url } = request;
    this.#origin ??= url.origin;
    if (url.origin !== this.#origin && !this.#isInSpace(url)) return yield* handler(request);

    let nonce = this.#preemptive && this.#isInSpace(url) ? this.#nonce : null;
    for (let sent = 1; ; sent++) {
      if (nonce !== null) request.headers.set('Authorization', yield* this.#prove(nonce, request));
      const response = yield* handler(request);
      nonce = this.#learn(request, response);
      // A second refusal is for the password, unless the nonce has only grown old.
      const isWanted = sent === 1 || (sent === 2 && nonce?.parameters.get('stale')?.toLowerCase() === 'true');
      if (nonce === null || !isWanted || request.body?.consumed === true) return response;
      response.release();
    }
  }

  /** The nonce to try again with; null if the server wants none, or nothing that we have. */
  #learn(request: ClientRequest, response: ClientResponse): Nonce | null {
    if (response.status !== 401) {
      this.#takeNextNonce(response);
      return null;
    }
    const challenge = chooseChallenge(parseChallenges(response.headers.getall('www-authenticate')));
    if (challenge === null) return null;
    const { parameters } = challenge;
    const value = parameters.get('nonce') ?? '';
    // A server may challenge with a nonce that we know: its count goes on.
    const uses = this.#nonce?.value === value ? this.#nonce.uses : 0;
    this.#nonce = { parameters, value, uses };
    if (request.url.origin === this.#origin) this.#spaces = spacesOf(parameters, this.#origin);
    return this.#nonce;
  }

  /** The server may tell with an answer what the next request has to use (RFC 7616, 3.5). */
  #takeNextNonce(response: ClientResponse): void {
    const info = response.headers.get('authentication-info');
    if (info === null || this.#nonce === null) return;
    const value = parseChallenges([`digest ${info}`])[0]?.parameters.get('nextnonce');
    if (value && value !== this.#nonce.value) this.#nonce = { ...this.#nonce, value, uses: 0 };
  }

  #isInSpace({ origin, pathname }: URL): boolean {
    return this.#spaces.some(({ origin: ofSpace, path }) => {
      if (origin !== ofSpace || !pathname.startsWith(path)) return false;
      return path.endsWith('/') || pathname.length === path.length || pathname[path.length] === '/';
    });
  }

  /** The `Authorization` header of a request. */
  *#prove(nonce: Nonce, request: ClientRequest): Gen<string> {
    const { parameters } = nonce;
    const realm = parameters.get('realm');
    if (realm === undefined) throw malformed('realm');
    if (!parameters.has('nonce')) throw malformed('nonce');
    if (nonce.value === '') {
      throw new ClientError("Security issue: Digest auth challenge contains empty 'nonce' value");
    }
    const qop = chooseQop(parameters.get('qop') ?? '', request);
    const algorithm = parameters.get('algorithm') ?? 'MD5';
    const hash = hashOf(algorithm);
    const { method, url, body } = request;
    const uri = url.pathname + url.search;
    const entity = qop === 'auth-int' ? `:${hash(yield* bytesOf(body))}` : '';

    const isUtf8 = parameters.get('charset')?.toLowerCase() === 'utf-8';
    const login = isUtf8 ? this.#login.normalize('NFC') : this.#login;
    const password = isUtf8 ? this.#password.normalize('NFC') : this.#password;
    const isHashed = parameters.get('userhash')?.toLowerCase() === 'true';

    const nc = (++nonce.uses).toString(16).padStart(8, '0');
    const cnonce = randomBytes(8).toString('hex');
    let secret = hash(`${login}:${realm}:${password}`);
    if (isSession(algorithm)) secret = hash(`${secret}:${nonce.value}:${cnonce}`);
    const what = hash(`${method}:${uri}${entity}`);
    const middle = qop === null ? nonce.value : `${nonce.value}:${nc}:${cnonce}:${qop}`;

    const fields = [
      isHashed ? quoted('username', hash(`${login}:${realm}`)) : usernameField(login, isUtf8),
      quoted('realm', realm),
      quoted('nonce', nonce.value),
      quoted('uri', uri),
      quoted('response', hash(`${secret}:${middle}:${what}`)),
      `algorithm=${algorithm}`,
    ];
    const opaque = parameters.get('opaque');
    if (opaque) fields.push(quoted('opaque', opaque));
    if (qop !== null) fields.push(`qop=${qop}`, `nc=${nc}`);
    // A session is of no use to a server that does not know what it was made with.
    if (qop !== null || isSession(algorithm)) fields.push(quoted('cnonce', cnonce));
    if (isHashed) fields.push('userhash=true');
    return `Digest ${fields.join(', ')}`;
  }
}

/** The first that we can meet, as the server likes that best; else the first at all, to tell what is wrong with it. */
function chooseChallenge(challenges: readonly Challenge[]): Challenge | null {
  const digests = challenges.filter(({ scheme, parameters }) => scheme === 'digest' && parameters.size > 0);
  const known = digests.find(
    ({ parameters }) => hashNameOf(parameters.get('algorithm') ?? 'MD5') !== undefined,
  );
  return known ?? digests[0] ?? null;
}

/**
 * The quality of protection; null for servers that are older than that. `auth-int` goes over the body, too: one that
 * would have to be gathered first is left out if it may be.
 */
function chooseQop(offered: string, { body, compress }: ClientRequest): 'auth' | 'auth-int' | null {
  if (offered === '') return null;
  const names = new Set(offered.split(',').map((name) => name.trim()));
  const isAtHand = body === null || (compress === null && body._bytes() !== null);
  if (names.has('auth-int') && (isAtHand || !names.has('auth'))) return 'auth-int';
  if (names.has('auth')) return 'auth';
  throw new ClientError(`Digest auth error: Unsupported Quality of Protection (qop) value(s): ${offered}`);
}

const isSession = (algorithm: string): boolean => algorithm.toUpperCase().endsWith('-SESS');

function hashNameOf(algorithm: string): string | undefined {
  return HASHES.get(algorithm.toUpperCase().replace(/-SESS$/, ''));
}

/** @throws ClientError if there is none. */
function hashOf(algorithm: string): (data: string | Uint8Array) => string {
  const name = hashNameOf(algorithm);
  if (name === undefined) {
    throw new ClientError(
      `Digest auth error: Unsupported hash algorithm: ${algorithm.toUpperCase()}. ` +
        `Supported algorithms: ${SUPPORTED.join(', ')}`,
    );
  }
  return (data) => createHash(name).update(data).digest('hex');
}

function* bytesOf(body: Payload | null): Gen<Uint8Array> {
  if (body === null) return new Uint8Array();
  return body._bytes() ?? (yield* body.asBytes());
}

/** Where the credentials go without being asked for: to all of the origin, unless the challenge says otherwise. */
function spacesOf(parameters: ReadonlyMap<string, string>, origin: string): readonly Space[] {
  const spaces: Space[] = [];
  for (const text of (parameters.get('domain') ?? '').split(/\s+/)) {
    const uri = text.replaceAll('"', '');
    if (uri === '' || !URL.canParse(uri, origin)) continue;
    const url = new URL(uri, origin);
    spaces.push({ origin: url.origin, path: url.pathname });
  }
  return spaces.length > 0 ? spaces : [{ origin, path: '/' }];
}

function malformed(name: string): ClientError {
  return new ClientError(`Malformed Digest auth challenge: Missing '${name}' parameter`);
}

function quoted(name: string, value: string): string {
  return `${name}="${value.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** Where the server says that it knows UTF-8, a name with other characters than ASCII goes as RFC 8187 has it. */
function usernameField(login: string, isUtf8: boolean): string {
  if (!isUtf8 || !/[^\0-\x7f]/.test(login)) return quoted('username', login);
  return `username*=UTF-8''${encodeURIComponent(login).replaceAll(/['()*]/g, percent)}`;
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
