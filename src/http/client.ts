/** The session. Counterpart: `aiohttp/client.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { inlineBody, methodCoroutine } from '../core/coroutines.ts';
import { type AbstractEventLoop, requireLoop } from '../core/events.ts';
import { RuntimeError } from '../core/exceptions.ts';
import { typeName } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { AbstractCookieJar } from './abc.ts';
import type { BasicAuth } from './auth.ts';
import { keepErrors } from './byte-sources.ts';
import { Exchange } from './client-exchange.ts';
import type { ClientMiddlewareType } from './client-middlewares.ts';
import {
  type RaiseForStatus,
  type RequestOptions,
  SESSION_OPTIONS,
  type SessionOptions,
  SINGLE_REQUEST_OPTIONS,
  type SingleRequestOptions,
} from './client-options.ts';
import { ClientRequest } from './client-request.ts';
import { ClientResponse } from './client-response.ts';
import { type ClientTimeout, DEFAULT_TIMEOUT, toClientTimeout } from './client-timeout.ts';
import { ClientWebSocketResponse, type WebSocketClass } from './client-ws.ts';
import type { BaseConnector } from './connector.ts';
import { TCPConnector } from './tcp-connector.ts';
import { CookieJar } from './cookiejar.ts';
import { InvalidUrlClientError, NonHttpUrlClientError } from './exceptions.ts';
import { contextManager, type ContextBody, isWeb, type RequestContextManager } from './helpers.ts';
import { type HttpVersion, HttpVersion11 } from './http-writer.ts';
import { CIMultiDict, type LooseHeaders } from './multidict.ts';
import { ownOptions } from './options.ts';
import type { AnyTraceConfig } from './tracing.ts';
import { type WSConnectOptions, wsConnect } from './websocket-connect.ts';

/**
 * Makes requests, and keeps the connections and cookies between them. One per program rather than one per request;
 * close it in the end, by `run`, `await using` or `close`.
 *
 * ```ts
 * await using session = new ClientSession();
 * const page = await session.get('https://example.com/').run((response) => response.text());
 * ```
 *
 * Source: aiohttp 3.14 `aiohttp.ClientSession`.
 */
export class ClientSession {
  /** Default headers; changes take effect. */
  readonly headers: CIMultiDict;
  /** Default limits of time. */
  readonly timeout: ClientTimeout;
  /** Credentials for all requests, or for those to the origin of the base URL; null for none. */
  readonly auth: BasicAuth | null;
  readonly cookieJar: AbstractCookieJar;
  readonly jsonSerialize: (value: unknown) => string;
  readonly jsonSerializeBytes: ((value: unknown) => Uint8Array) | null;
  readonly raiseForStatus: RaiseForStatus;
  readonly autoDecompress: boolean;
  readonly connectorOwner: boolean;
  readonly trustEnv: boolean;
  readonly version: HttpVersion;
  /** Names in lower case. */
  readonly skipAutoHeaders: ReadonlySet<string>;
  readonly traceConfigs: readonly AnyTraceConfig[];
  /** Kept for parity: URLs quote themselves here, and only what has to be. */
  requoteRedirectUrl: boolean;
  /** @internal */ readonly _middlewares: readonly ClientMiddlewareType[];
  /** @internal */ readonly _requestClass: typeof ClientRequest;
  /** @internal */ readonly _responseClass: typeof ClientResponse;
  /** @internal */ readonly _wsResponseClass: WebSocketClass;
  /** @internal */ readonly _proxy: string | URL | null;
  /** @internal */ readonly _proxyAuth: BasicAuth | null;
  /** @internal */ readonly _readBufsize: number;
  /** @internal */ readonly _maxBodySize: number | null;
  /** @internal */ readonly _maxLineSize: number;
  /** @internal */ readonly _maxFieldSize: number;
  /** @internal */ readonly _maxHeaders: number;
  /** @internal */ readonly _fallbackCharset: (response: ClientResponse, body: Uint8Array) => string;
  readonly #baseUrl: URL | null;
  readonly #loop: BaseEventLoop;
  #connector: BaseConnector | null;

  /**
   * @param baseUrl - what relative URLs are resolved against; its path must end in a slash.
   * @throws RuntimeError without a running loop, or if the connector is of another one; RangeError for a base URL
   *   that is not absolute, or without the slash; TypeError for an unknown option.
   */
  constructor(baseUrl?: string | URL | null, given: SessionOptions = {}) {
    const options = ownOptions(given, SESSION_OPTIONS);
    this.#loop = requireLoop();
    this.#baseUrl = baseUrl === null || baseUrl === undefined ? null : parseBaseUrl(baseUrl);
    this.headers = new CIMultiDict(options.headers);
    this.timeout = toClientTimeout(options.timeout, DEFAULT_TIMEOUT);
    this.auth = options.auth ?? null;
    this.jsonSerialize = options.jsonSerialize ?? JSON.stringify;
    this.jsonSerializeBytes = options.jsonSerializeBytes ?? null;
    this.raiseForStatus = options.raiseForStatus ?? false;
    this.autoDecompress = options.autoDecompress ?? true;
    this.connectorOwner = options.connectorOwner ?? true;
    this.trustEnv = options.trustEnv ?? false;
    this.version = options.version ?? HttpVersion11;
    this.skipAutoHeaders = lowerCase(options.skipAutoHeaders);
    this.requoteRedirectUrl = options.requoteRedirectUrl ?? true;
    this.traceConfigs = Object.freeze([...(options.traceConfigs ?? [])]);
    for (const config of this.traceConfigs) config.freeze();
    this._middlewares = options.middlewares ?? [];
    this._requestClass = options.requestClass ?? ClientRequest;
    this._responseClass = options.responseClass ?? ClientResponse;
    this._wsResponseClass = options.wsResponseClass ?? ClientWebSocketResponse;
    this._proxy = options.proxy ?? null;
    this._proxyAuth = options.proxyAuth ?? null;
    this._readBufsize = options.readBufsize ?? 2 ** 16;
    this._maxBodySize = options.maxBodySize ?? null;
    this._maxLineSize = options.maxLineSize ?? 8190;
    this._maxFieldSize = options.maxFieldSize ?? 8190;
    this._maxHeaders = options.maxHeaders ?? 128;
    this._fallbackCharset = options.fallbackCharsetResolver ?? (() => 'utf-8');
    this.#connector = options.connector ?? new TCPConnector();
    if (this.#connector._loop !== this.#loop) {
      throw new RuntimeError('Session and connector have to use same event loop');
    }
    this.cookieJar = options.cookieJar ?? new CookieJar();
    if (options.cookies) this.cookieJar.updateCookies(options.cookies);
    unclosed.register(this, this.#loop, this);
  }

  /** The pool of connections; null after `detach` and `close`. */
  get connector(): BaseConnector | null {
    return this.#connector;
  }

  /** Whether it can make no more requests. */
  get closed(): boolean {
    return this.#connector === null || this.#connector.closed;
  }

  /** The loop it was made in. */
  get loop(): AbstractEventLoop {
    return this.#loop;
  }

  /**
   * Make a request. Awaiting it gives the response when its headers are there; the body is read from that.
   *
   * @throws (when awaited) RuntimeError if the session is closed; TypeError for an unknown option; InvalidUrlClientError or NonHttpUrlClientError for a
   *   URL that is none, or not of the web; ClientConnectorError if no connection can be made; ServerDisconnectedError
   *   or ClientOSError if it is lost; TooManyRedirects; TimeoutError (ConnectionTimeoutError, SocketTimeoutError).
   *
   * Cancellation: the connection is closed.
   *
   * Source: aiohttp 3.14 `ClientSession.request`.
   */
  request(
    method: string,
    url: string | URL,
    options: RequestOptions = {},
  ): RequestContextManager<ClientResponse> {
    // It may be long until it is awaited, or has its turn.
    if (options?.data) keepErrors(options.data);
    return makeRequest(this, method, url, options);
  }

  /** GET. Source: aiohttp 3.14 `ClientSession.get`. */
  get(url: string | URL, options?: RequestOptions): RequestContextManager<ClientResponse> {
    return this.request('GET', url, options);
  }

  /**
   * Open a WebSocket. What the session has for requests holds for the handshake: headers, cookies, credentials, proxies,
   * redirects, middlewares, limits of time.
   *
   * @throws (when awaited) WSServerHandshakeError if the server does not agree; RangeError for a `compress` that is no
   *   size of a window; and as `request`.
   *
   * Cancellation: the connection is closed.
   *
   * Source: aiohttp 3.14 `ClientSession.ws_connect`.
   */
  wsConnect<DecodeText extends boolean = true>(
    url: string | URL,
    options: WSConnectOptions<DecodeText> = {},
  ): RequestContextManager<ClientWebSocketResponse<DecodeText>> {
    return wsConnect(this, url, options);
  }

  /** OPTIONS. Source: aiohttp 3.14 `ClientSession.options`. */
  options(url: string | URL, options?: RequestOptions): RequestContextManager<ClientResponse> {
    return this.request('OPTIONS', url, options);
  }

  /** HEAD; does not follow redirects unless told so. Source: aiohttp 3.14 `ClientSession.head`. */
  head(url: string | URL, options?: RequestOptions): RequestContextManager<ClientResponse> {
    return this.request('HEAD', url, { allowRedirects: false, ...options });
  }

  /** POST. Source: aiohttp 3.14 `ClientSession.post`. */
  post(url: string | URL, options?: RequestOptions): RequestContextManager<ClientResponse> {
    return this.request('POST', url, options);
  }

  /** PUT. Source: aiohttp 3.14 `ClientSession.put`. */
  put(url: string | URL, options?: RequestOptions): RequestContextManager<ClientResponse> {
    return this.request('PUT', url, options);
  }

  /** PATCH. Source: aiohttp 3.14 `ClientSession.patch`. */
  patch(url: string | URL, options?: RequestOptions): RequestContextManager<ClientResponse> {
    return this.request('PATCH', url, options);
  }

  /** DELETE. Source: aiohttp 3.14 `ClientSession.delete`. */
  delete(url: string | URL, options?: RequestOptions): RequestContextManager<ClientResponse> {
    return this.request('DELETE', url, options);
  }

  /**
   * Close the connections, those in use too: requests that run fail. Waits until the sockets are closed; for a peer that
   * does not read, 2 seconds at most. Again: nothing happens.
   *
   * Cancellation: they are closed at once.
   *
   * Source: aiohttp 3.14 `ClientSession.close`.
   */
  close(): Coroutine<void> {
    return closeSession(this);
  }

  /**
   * Give the connector up without closing it. The session is closed then.
   *
   * Source: aiohttp 3.14 `ClientSession.detach`.
   */
  detach(): void {
    this.#connector = null;
    unclosed.unregister(this);
  }

  /** Run `body(this)`, then close the session, and give the body's value. Source: aiohttp 3.14 `async with session`. */
  run<T>(body: (it: this) => Gen<T>): Coroutine<T>;
  run<T>(body: (it: this) => T | PromiseLike<T>): Coroutine<T>;
  run(body: ContextBody<this, unknown>): Coroutine<unknown> {
    return runSession(this, body as ContextBody<ClientSession, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  toString(): string {
    return `<ClientSession${this.closed ? ' [closed]' : ''}>`;
  }

  /** What is logged has none of its credentials. */
  toJSON(): string {
    return this.toString();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  /** @internal The connector, for a request in the running loop. */
  _openConnector(): BaseConnector {
    if (this.#connector === null || this.#connector.closed) throw new RuntimeError('Session is closed');
    if (requireLoop() !== this.#loop) {
      throw new RuntimeError('Session and connector have to use same event loop');
    }
    return this.#connector;
  }

  /** @internal */
  _resolveUrl(given: string | URL): URL {
    // The host would ask for `/undefined`.
    if (!isUrl(given)) throw new TypeError(`url must be a string or a URL, got ${typeName(given)}`);
    let url: URL;
    try {
      url = this.#baseUrl === null ? new URL(given) : new URL(given, this.#baseUrl);
    } catch (cause) {
      throw new InvalidUrlClientError(given, null, { cause });
    }
    if (!isWeb(url)) throw new NonHttpUrlClientError(String(given));
    // The schemes of WebSockets are HTTP's by other names.
    if (url.protocol.startsWith('ws')) url.protocol = url.protocol.replace('ws', 'http');
    return url;
  }

  /** @internal The session's credentials, if they are for `url`. */
  _authFor(url: URL): BasicAuth | null {
    if (this.auth === null) return null;
    return this.#baseUrl === null || this.#baseUrl.origin === url.origin ? this.auth : null;
  }

  /** @internal The session's headers, with those of a request. */
  _mergeHeaders(headers: LooseHeaders | null | undefined): CIMultiDict {
    const merged = new CIMultiDict(this.headers);
    if (headers !== null && headers !== undefined) merged.update(headers);
    return merged;
  }

  /** @internal */
  _mergeSkipped(names: Iterable<string> | null | undefined): ReadonlySet<string> {
    if (names === null || names === undefined) return this.skipAutoHeaders;
    return new Set([...this.skipAutoHeaders, ...lowerCase(names)]);
  }
}

// What is left of a session that nobody holds any more is its loop; its connector says itself that it is open.
const unclosed = new FinalizationRegistry<BaseEventLoop>((loop) => {
  const message = 'Unclosed client session';
  if (loop.isClosed()) logger.warning(message);
  else loop.callExceptionHandler({ message });
});

function parseBaseUrl(given: string | URL): URL {
  if (!isUrl(given)) {
    throw new TypeError(
      `baseUrl must be a URL, or null where only options are given, got ${typeName(given)}`,
    );
  }
  const url = URL.canParse(String(given)) ? new URL(given) : null;
  if (url === null || !isWeb(url)) {
    throw new RangeError("baseUrl must be an absolute URL, such as 'https://example.com/api/'");
  }
  if (!url.pathname.endsWith('/')) throw new RangeError("baseUrl must have a trailing '/'");
  return url;
}

/** Whether `value` is a string, or a URL of any realm. */
function isUrl(value: unknown): boolean {
  return typeof value === 'string' || typeof (value as URL | null | undefined)?.href === 'string';
}

function lowerCase(names: Iterable<string> | null | undefined): ReadonlySet<string> {
  const lower = new Set<string>();
  for (const name of names ?? []) lower.add(name.toLowerCase());
  return lower;
}

const closeSession = /* @__PURE__ */ methodCoroutine(
  'ClientSession.close',
  function* (session: ClientSession): Gen<void> {
    const { connector } = session;
    if (connector === null) return;
    session.detach();
    if (session.connectorOwner) yield* connector.close();
  },
);

const runSession = /* @__PURE__ */ methodCoroutine(
  'ClientSession.run',
  function* (session: ClientSession, body: ContextBody<ClientSession, unknown>): Gen<unknown> {
    try {
      return yield* inlineBody(body, session);
    } finally {
      yield* session.close();
    }
  },
);

const makeRequest = /* @__PURE__ */ contextManager(
  'ClientSession.request',
  function* (session: ClientSession, method: string, url: string | URL, options: RequestOptions) {
    return yield* new Exchange(session, method, url, options).run();
  },
  (response, body) => response._run(body),
);

/**
 * Make one request, with a session of its own that is closed with the response. Programs that make several are better
 * off with a session, which keeps connections and cookies.
 *
 * ```ts
 * const text = await request('GET', 'https://example.com/').run((response) => response.text());
 * ```
 *
 * @throws as `ClientSession.request`.
 *
 * Cancellation: the connection is closed.
 *
 * Source: aiohttp 3.14 `aiohttp.request`.
 */
export function request(
  method: string,
  url: string | URL,
  options: SingleRequestOptions = {},
): RequestContextManager<ClientResponse> {
  if (options?.data) keepErrors(options.data);
  return requestOnce(method, url, options);
}

const requestOnce = /* @__PURE__ */ contextManager(
  'request',
  function* (method: string, url: string | URL, options: SingleRequestOptions): Gen<ClientResponse> {
    const { connector = null, version, ...rest } = ownOptions(options, SINGLE_REQUEST_OPTIONS);
    const session = new ClientSession(null, {
      // It keeps nothing, so that nothing is left when the response is closed.
      connector: connector ?? new TCPConnector({ forceClose: true }),
      connectorOwner: connector === null,
      version,
    });
    try {
      const response = yield* session.request(method, url, rest);
      session.detach();
      return response;
    } finally {
      yield* session.close();
    }
  },
  (response, body) => response._run(body),
);
