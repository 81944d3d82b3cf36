/** The session. Counterpart: `aiohttp/client.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { coroutine } from '../core/coroutines.ts';
import { type AbstractEventLoop, requireLoop } from '../core/events.ts';
import { CancelledError, RuntimeError } from '../core/exceptions.ts';
import type { Coroutine, Delay, Gen } from '../core/types.ts';
import type { BasicAuth } from './auth.ts';
import { ClientRequest, ClientResponse, stripAuthFromUrl } from './client-reqrep.ts';
import { ClientTimeout, DEFAULT_TIMEOUT, RequestTimer, toClientTimeout } from './client-timeout.ts';
import type { SslOption } from './connection-key.ts';
import type { BaseConnector } from './connector.ts';
import { ACCEPT_ENCODING } from './content-encoding.ts';
import {
  ClientConnectorError,
  ClientOSError,
  InvalidUrlClientError,
  InvalidUrlRedirectClientError,
  NonHttpUrlClientError,
  NonHttpUrlRedirectClientError,
  ServerDisconnectedError,
  TooManyRedirects,
} from './exceptions.ts';
import { type ContextBody, runBody } from './helpers.ts';
import { CIMultiDict, type LooseHeaders } from './multidict.ts';
import { encodeBody, type RequestData } from './payload.ts';
import { addQuery, type Query } from './query.ts';
import { TCPConnector } from './tcp-connector.ts';
import { checkSsl } from './tls.ts';

/** What to do about statuses from 400 on: throw, do nothing, or call a function with every response. */
export type RaiseForStatus = boolean | ((response: ClientResponse) => unknown);

/** Options of one request. */
export interface RequestOptions {
  /** Added to the query of the URL. */
  params?: Query | undefined;
  /** In place of the session's of the same names, and besides its others. */
  headers?: LooseHeaders | null | undefined;
  /** The body: text, bytes or a form. */
  data?: RequestData | null | undefined;
  /** The body as JSON. */
  json?: unknown;
  /** In place of the session's; a number is the seconds for the whole, null no limits. */
  timeout?: ClientTimeout | Delay | null | undefined;
  /** Cancels the request, or the reading of its body, when it aborts, with its reason as message. */
  signal?: AbortSignal | undefined;
  /** Follow redirects. Default true, for `head` false. */
  allowRedirects?: boolean | undefined;
  /** The redirect of this number is an error; 0 for no limit. Default 10. */
  maxRedirects?: number | undefined;
  /** In place of the session's. */
  raiseForStatus?: RaiseForStatus | null | undefined;
  /** Decompress the body. Default the session's. */
  autoDecompress?: boolean | undefined;
  /** How to do TLS. Default the connector's. */
  ssl?: SslOption | undefined;
  /** The name that the server's certificate must be for. Default the host of the URL. */
  serverHostname?: string | null | undefined;
  /** The proxy to go through. */
  proxy?: string | URL | null | undefined;
  /** The user and password for it. */
  proxyAuth?: BasicAuth | null | undefined;
  /** Headers for a proxy that is asked for a tunnel. */
  proxyHeaders?: LooseHeaders | null | undefined;
}

/** Options of a session. */
export interface SessionOptions {
  /** The pool of connections; default a `TCPConnector` of its own. */
  connector?: BaseConnector | null | undefined;
  /** Close the connector with the session. Default true. */
  connectorOwner?: boolean | undefined;
  /** Sent with every request. */
  headers?: LooseHeaders | null | undefined;
  /** Of every request; default a total of 300 s, and 30 s to connect. A number is the total, null no limits. */
  timeout?: ClientTimeout | Delay | null | undefined;
  /** Default false. */
  raiseForStatus?: RaiseForStatus | undefined;
  /** Decompress bodies. Default true. */
  autoDecompress?: boolean | undefined;
  /** Bytes of a body that may wait to be read before the server is held up (at twice as many). Default 64 KiB. */
  readBufsize?: number | undefined;
}

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

/**
 * Makes requests, and keeps the connections between them. One per program rather than one per request; close it in
 * the end, by `run`, `await using` or `close`.
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
  readonly raiseForStatus: RaiseForStatus;
  readonly autoDecompress: boolean;
  readonly connectorOwner: boolean;
  /** @internal */ readonly _readBufsize: number;
  readonly #baseUrl: URL | null;
  readonly #loop: BaseEventLoop;
  #connector: BaseConnector | null;

  /**
   * @param baseUrl - what relative URLs are resolved against; its path must end in a slash.
   * @throws RuntimeError without a running loop, or if the connector is of another one; RangeError for a base URL
   *   without the slash.
   */
  constructor(baseUrl?: string | URL | null, options: SessionOptions = {}) {
    this.#loop = requireLoop();
    this.#baseUrl = baseUrl === null || baseUrl === undefined ? null : new URL(baseUrl);
    if (this.#baseUrl !== null && !this.#baseUrl.pathname.endsWith('/')) {
      throw new RangeError("baseUrl must have a trailing '/'");
    }
    this.headers = new CIMultiDict(options.headers);
    this.timeout = toClientTimeout(options.timeout, DEFAULT_TIMEOUT);
    this.raiseForStatus = options.raiseForStatus ?? false;
    this.autoDecompress = options.autoDecompress ?? true;
    this.connectorOwner = options.connectorOwner ?? true;
    this._readBufsize = options.readBufsize ?? 2 ** 16;
    this.#connector = options.connector ?? new TCPConnector();
    if (this.#connector._loop !== this.#loop) {
      throw new RuntimeError('Session and connector have to use same event loop');
    }
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
   * @throws (when awaited) RuntimeError if the session is closed; InvalidUrlClientError or NonHttpUrlClientError for a
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
    return makeRequest(this, method, url, options);
  }

  /** GET. Source: aiohttp 3.14 `ClientSession.get`. */
  get(url: string | URL, options?: RequestOptions): RequestContextManager<ClientResponse> {
    return this.request('GET', url, options);
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
   * Close the connections, those in use too: requests that run fail. Waits until the sockets are closed. Again:
   * nothing happens.
   *
   * Cancellation: they are closed all the same.
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
    let url: URL;
    try {
      url = this.#baseUrl === null ? new URL(given) : new URL(given, this.#baseUrl);
    } catch (cause) {
      throw new InvalidUrlClientError(given, null, { cause });
    }
    if (!isWeb(url)) throw new NonHttpUrlClientError(String(given));
    return url;
  }
}

const isWeb = ({ protocol }: URL): boolean => protocol === 'http:' || protocol === 'https:';

const closeSession = coroutine(function* close(session: ClientSession): Gen<void> {
  const { connector } = session;
  if (connector === null) return;
  session.detach();
  if (session.connectorOwner) yield* connector.close();
});

const runSession = coroutine(function* run(
  session: ClientSession,
  body: ContextBody<ClientSession, unknown>,
): Gen<unknown> {
  try {
    return yield* runBody(body, session);
  } finally {
    yield* session.close();
  }
});

function* request(
  session: ClientSession,
  method: string,
  url: string | URL,
  options: RequestOptions,
): Gen<ClientResponse> {
  const connector = session._openConnector();
  const { signal } = options;
  if (signal?.aborted) throw new CancelledError(signal.reason);
  const exchange = new Exchange(session, connector, method, url, options);
  return yield* exchange.run();
}

// What a call gives is the generator itself, so its `run` stands on the prototype of all of them.
Object.defineProperty(request.prototype, 'run', {
  value(this: Coroutine<ClientResponse>, body: ContextBody<ClientResponse, unknown>) {
    return runRequest(this, body);
  },
});
Object.defineProperty(request, 'name', { value: 'ClientSession.request' });

const makeRequest = coroutine(request) as (
  ...args: Parameters<typeof request>
) => RequestContextManager<ClientResponse>;

const runRequest = coroutine(function* run(
  coro: Coroutine<ClientResponse>,
  body: ContextBody<ClientResponse, unknown>,
): Gen<unknown> {
  const response = yield* coro;
  return yield* response._run(body);
});

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Methods that may be sent twice (RFC 9110, 9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** Headers that another origin must not see: who the caller is, and what it has from this one. */
const PRIVATE_HEADERS = [
  'authorization',
  'cookie',
  'proxy-authorization',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range',
];

/** A request with its redirects and second tries. */
class Exchange {
  readonly timer: RequestTimer;
  readonly #session: ClientSession;
  readonly #connector: BaseConnector;
  readonly #options: RequestOptions;
  readonly #limits: ClientTimeout;
  #headers: CIMultiDict;
  readonly #history: ClientResponse[] = [];
  #method: string;
  #url: URL;
  #body: Uint8Array | null;

  constructor(
    session: ClientSession,
    connector: BaseConnector,
    method: string,
    url: string | URL,
    options: RequestOptions,
  ) {
    this.#session = session;
    this.#connector = connector;
    this.#options = options;
    this.#limits = toClientTimeout(options.timeout, session.timeout);
    this.timer = new RequestTimer(connector._loop, this.#limits, options.signal);
    this.#method = method.toUpperCase();
    this.#headers = new CIMultiDict(session.headers);
    if (options.headers) this.#headers.update(options.headers);
    this.#url = this.#authorize(addQuery(session._resolveUrl(url), options.params));
    const { body, contentType } = encodeBody(options.data ?? null, options.json);
    this.#body = body;
    this.#setDefaultHeaders(contentType);
  }

  /** Credentials in the URL become a header. */
  #authorize(given: URL): URL {
    const [url, authorization] = stripAuthFromUrl(given);
    if (authorization === null) return url;
    if (this.#history.length === 0 && this.#headers.has('authorization')) {
      throw new RangeError(
        'Cannot combine AUTHORIZATION header with AUTH argument or credentials encoded in URL',
      );
    }
    this.#headers.set('Authorization', authorization);
    return url;
  }

  #setDefaultHeaders(contentType: string | null): void {
    const defaults: [string, string | null][] = [
      ['Accept', '*/*'],
      ['Accept-Encoding', ACCEPT_ENCODING],
      ['User-Agent', USER_AGENT],
      ['Content-Type', contentType],
    ];
    for (const [name, value] of defaults) {
      if (value !== null && !this.#headers.has(name)) this.#headers.set(name, value);
    }
  }

  *run(): Gen<ClientResponse> {
    const { allowRedirects = true } = this.#options;
    for (;;) {
      const response = yield* this.#sendTwice();
      const isRedirect = REDIRECTS.has(response.status) && allowRedirects;
      if (!isRedirect || !this.#follow(response)) {
        yield* this.#checkStatus(response);
        return response;
      }
    }
  }

  /** A connection that an earlier request has used may be closed by now: try a second time, on another one. */
  *#sendTwice(): Gen<ClientResponse> {
    for (;;) {
      const { timer } = this;
      const { _loop: loop } = this.#connector;
      const { ssl = true, serverHostname, proxy, proxyAuth, proxyHeaders } = this.#options;
      const parts = {
        headers: this.#headers,
        body: this.#body,
        ssl: checkSsl(ssl),
        serverHostname,
        proxy: proxy ? new URL(proxy) : null,
        proxyAuth,
        proxyHeaders: proxyHeaders ? new CIMultiDict(proxyHeaders) : null,
      };
      const request = new ClientRequest(this.#method, this.#url, parts);
      const connection =
        this.#connector._reuse(request) ??
        (yield* timer.run(() => this.#connector._connect(request, [], this.#limits)));
      const { isReused } = connection;
      try {
        return yield* request._send(
          connection,
          {
            loop,
            timer,
            sockRead: this.#limits.sockRead,
            autoDecompress: this.#options.autoDecompress ?? this.#session.autoDecompress,
            readBufsize: this.#session._readBufsize,
            maxLineSize: 8190,
            maxFieldSize: 8190,
            maxHeaders: 128,
            readUntilEof: true,
          },
          [...this.#history],
        );
      } catch (error) {
        const isLost = error instanceof ServerDisconnectedError || error instanceof ClientOSError;
        if (!isReused || !isLost || error instanceof ClientConnectorError || !IDEMPOTENT.has(this.#method))
          throw error;
      }
    }
  }

  /** Prepare the request that a redirect asks for. False: it names no place, and is itself the result. */
  #follow(response: ClientResponse): boolean {
    this.#history.push(response);
    const { maxRedirects = 10 } = this.#options;
    if (maxRedirects > 0 && this.#history.length >= maxRedirects) {
      response.close();
      const [first] = this.#history as [ClientResponse];
      throw new TooManyRedirects(first.requestInfo, [...this.#history]);
    }
    const location = response.headers.get('location') ?? response.headers.get('uri');
    if (location === null) {
      this.#history.pop();
      return false;
    }
    response.release();
    // The request before keeps what it was sent with.
    this.#headers = new CIMultiDict(this.#headers);
    this.#changeMethod(response);
    const url = resolveRedirect(location, this.#url);
    if (url.origin !== this.#url.origin) for (const name of PRIVATE_HEADERS) this.#headers.delete(name);
    this.#url = this.#authorize(url);
    return true;
  }

  // What browsers have always done on 301 and 302, and what 303 is for.
  #changeMethod({ status }: ClientResponse): void {
    const isSeeOther = status === 303 && this.#method !== 'HEAD';
    const isMovedPost = (status === 301 || status === 302) && this.#method === 'POST';
    if (!isSeeOther && !isMovedPost) return;
    this.#method = 'GET';
    if (this.#body !== null) this.#headers.delete('content-type');
    this.#headers.delete('content-length');
    this.#body = null;
  }

  *#checkStatus(response: ClientResponse): Gen<void> {
    const check = this.#options.raiseForStatus ?? this.#session.raiseForStatus;
    if (check === true) response.raiseForStatus();
    if (typeof check !== 'function') return;
    try {
      yield* runBody(check as ContextBody<ClientResponse, unknown>, response);
    } catch (error) {
      response.close();
      throw error;
    }
  }
}

function resolveRedirect(location: string, base: URL): URL {
  let url: URL;
  try {
    url = new URL(location, base);
  } catch (cause) {
    const text = 'Server attempted redirecting to a location that does not look like a URL';
    throw new InvalidUrlRedirectClientError(location, text, { cause });
  }
  if (!isWeb(url)) throw new NonHttpUrlRedirectClientError(location);
  return url;
}

const USER_AGENT = `asyncio-ts Node.js/${process.versions.node}`;
