/** A request with its redirects and second tries. In aiohttp `ClientSession._request`. */
import { inlineBody } from '../core/coroutines.ts';
import { typeName } from '../core/format-helpers.ts';
import { checkSignal } from '../core/tasks.ts';
import type { Gen } from '../core/types.ts';
import { BasicAuth } from './auth.ts';
import type { ClientSession } from './client.ts';
import { buildClientMiddlewares, type ClientMiddlewareType } from './client-middlewares.ts';
import { type InternalRequestOptions, type RaiseForStatus, REQUEST_OPTIONS } from './client-options.ts';
import type { ResponseParams } from './client-proto.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';
import { abortError, type ClientTimeout, RequestTimer, toClientTimeout } from './client-timeout.ts';
import type { Connection } from './connection.ts';
import type { BaseConnector } from './connector.ts';
import type { SimpleCookie } from './cookies.ts';
import { CookieJar } from './cookiejar.ts';
import { type EnvProxy, findEnvProxy, withNetrc } from './env-proxies.ts';
import {
  ClientOSError,
  ClientPayloadError,
  InvalidURL,
  InvalidUrlRedirectClientError,
  NonHttpUrlRedirectClientError,
  ServerDisconnectedError,
  TooManyRedirects,
} from './exceptions.ts';
import { CIMultiDict } from './multidict.ts';
import { authIn, readNetrc } from './netrc.ts';
import { JsonBytesPayload, JsonPayload, type Payload } from './payload.ts';
import { ownOptions } from './options.ts';
import { addQuery } from './query.ts';
import { checkSsl } from './tls.ts';
import { sendTraces, Trace } from './tracing.ts';

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Methods that may be sent twice (RFC 9110, 9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** Headers that another origin must not see: who the caller is, whom it means, and what it has from this one. */
const PRIVATE_HEADERS = [
  'host',
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
/** Headers of a body that a redirect leaves behind. */
const BODY_HEADERS = ['content-length', 'content-type', 'content-encoding', 'transfer-encoding'];
const NO_TRACES: readonly Trace[] = [];
const NO_HISTORY: readonly ClientResponse[] = Object.freeze([]);

/** What the environment says of a request. */
interface Environment {
  readonly auth: BasicAuth | null;
  readonly proxy: EnvProxy | null;
}

/** One call of `ClientSession.request`. */
export class Exchange {
  readonly #session: ClientSession;
  readonly #connector: BaseConnector;
  readonly #options: InternalRequestOptions;
  readonly #limits: ClientTimeout;
  readonly #timer: RequestTimer;
  readonly #skipAutoHeaders: ReadonlySet<string>;
  #history: readonly ClientResponse[] = NO_HISTORY;
  readonly #proxy: URL | null;
  readonly #proxyHeaders: CIMultiDict | null;
  #traces: readonly Trace[] = NO_TRACES;
  #headers: CIMultiDict;
  #method: string;
  #url: URL;
  #auth: BasicAuth | null;
  #cookies: InternalRequestOptions['cookies'];
  #data: unknown;
  #request: ClientRequest | null = null;
  /** For a session that trusts it. */
  #environment: Environment | null = null;
  /** A redirect has led to another origin. */
  #isElsewhere = false;

  constructor(session: ClientSession, method: string, url: string | URL, given: InternalRequestOptions) {
    const options = ownOptions(given, REQUEST_OPTIONS);
    this.#session = session;
    this.#connector = session._openConnector();
    if (options.signal) checkSignal(options.signal);
    if (options.signal?.aborted) throw abortError(options.signal);
    this.#options = options;
    this.#method = method.toUpperCase();
    this.#data = bodyOf(session, options);
    this.#headers = session._mergeHeaders(options.headers);
    this.#url = addQuery(session._resolveUrl(url), options.params);
    this.#auth = options.auth ?? null;
    this.#cookies = options.cookies;
    this.#skipAutoHeaders = session._mergeSkipped(options.skipAutoHeaders);
    const proxy = options.proxy ?? session._proxy;
    this.#proxy = proxy === null ? null : parseProxy(proxy);
    if (proxy !== null && !this.#connector._takesProxies) throw proxyless(this.#connector);
    // None of the session's, which are for the origins: the proxy must not learn their secrets.
    this.#proxyHeaders = options.proxyHeaders ? new CIMultiDict(options.proxyHeaders) : null;
    this.#limits = toClientTimeout(options.timeout, session.timeout);
    this.#timer = new RequestTimer(this.#connector._loop, this.#limits, options.signal);
  }

  // Each generator that stands between a task and what it waits for costs memory while it waits, and time when it goes
  // on: what need not be one is a function that gives one.
  run(): Gen<ClientResponse> {
    return this.#session.traceConfigs.length === 0 ? this.#runUntraced() : this.#runTraced();
  }

  *#runTraced(): Gen<ClientResponse> {
    const context = this.#options.traceRequestCtx ?? null;
    this.#traces = this.#session.traceConfigs.map((config) => new Trace(this.#session, config, context));
    const { method, url, headers } = this.#place();
    yield* sendTraces(this.#traces, 'onRequestStart', { method, url, headers });
    let response: ClientResponse | null = null;
    try {
      response = yield* this.#runUntraced();
      yield* sendTraces(this.#traces, 'onRequestEnd', { ...this.#place(), response });
      return response;
    } catch (error) {
      response?.close();
      yield* sendTraces(this.#traces, 'onRequestException', { ...this.#place(), exception: error as Error });
      throw error;
    }
  }

  /** What traces are told of the request as it is now. */
  #place(): { method: string; url: URL; headers: CIMultiDict } {
    return { method: this.#method, url: this.#url, headers: this.#headers };
  }

  *#runUntraced(): Gen<ClientResponse> {
    let response: ClientResponse | null = null;
    try {
      response = yield* this.#follow();
      const check = this.#options.raiseForStatus ?? this.#session.raiseForStatus;
      if (check !== false) yield* this.#checkStatus(response, check);
      if (this.#openBody !== null) yield* this.#closeBody(response);
      return response;
    } catch (error) {
      // Nobody will have it: its place would be taken until it is collected.
      response?.close();
      if (this.#openBody !== null) yield* this.#closeBody(response);
      throw error;
    }
  }

  /** The body, if there is something to close. */
  get #openBody(): Payload | null {
    const body = this.#request?.body ?? null;
    return body?.autoclose === true ? null : body;
  }

  *#closeBody(response: ClientResponse | null): Gen<void> {
    // A server may answer before it has all of the body.
    if (response?._closeAfterUpload() !== true) yield* (this.#openBody as Payload).close();
  }

  *#follow(): Gen<ClientResponse> {
    const { allowRedirects = true } = this.#options;
    for (;;) {
      if (this.#session.trustEnv) yield* this.#askEnvironment();
      const request = this.#makeRequest();
      this.#request = request;
      let response: ClientResponse;
      try {
        // The usual way, without further generators.
        const connection =
          this.#middlewares.length > 0 ? null : (this.#reuse(request) ?? (yield* this.#connect(request)));
        response = yield* connection === null
          ? this.#sendThroughMiddlewares(request)
          : this.#sendOver(connection, request);
      } catch (error) {
        if (!this.#mayTryAgain(request, error)) throw error;
        response = yield* this.#sendAgain(request);
      }
      try {
        const cookies = response._headersOf('set-cookie');
        if (cookies.length > 0) this.#session.cookieJar.updateCookiesFromHeaders(cookies, response.url);
        if (!allowRedirects || !REDIRECTS.has(response.status)) return response;
        if (this.#traces.length > 0) {
          yield* sendTraces(this.#traces, 'onRequestRedirect', { ...this.#place(), response });
        }
        if (!this.#redirect(response)) return response;
        // The body stays behind.
        if (this.#data === null && this.#openBody !== null) yield* this.#closeBody(null);
      } catch (error) {
        response.close();
        throw error;
      }
    }
  }

  /** A connection that an earlier request has used may be closed by now: try a second time, on a new one. */
  #sendAgain({ body }: ClientRequest): Gen<ClientResponse> {
    this.#data = body;
    const again = this.#makeRequest();
    again._isFresh = true;
    this.#request = again;
    return this.#middlewares.length === 0 ? this.#send(again) : this.#sendThroughMiddlewares(again);
  }

  #mayTryAgain(request: ClientRequest, error: unknown): boolean {
    const isLost = error instanceof ServerDisconnectedError || error instanceof ClientOSError;
    const { _attempt: attempt } = request;
    if (!isLost || attempt === null || !attempt.isReused || attempt.isAnswered) return false;
    if (request.body?.consumed) return false;
    return IDEMPOTENT.has(request.method) || !attempt.isSent;
  }

  /** Learn what the environment knows of where the request goes now. */
  *#askEnvironment(): Gen<void> {
    const wantsAuth = this.#authorize() === null && !this.#headers.has('authorization');
    const isDirect = this.#proxy === null && this.#connector._takesProxies;
    const proxy = isDirect ? findEnvProxy(this.#url) : null;
    const wantsProxyAuth = proxy !== null && proxy.proxyAuth === null;
    this.#timer.url = this.#url;
    const netrc = wantsAuth || wantsProxyAuth ? yield* this.#timer.run(readNetrc) : null;
    this.#environment = {
      auth: wantsAuth ? authIn(netrc, this.#url.hostname) : null,
      proxy: withNetrc(proxy, (host) => authIn(netrc, host)),
    };
  }

  #makeRequest(): ClientRequest {
    const session = this.#session;
    const options = this.#options;
    const auth = this.#authorize() ?? this.#environment?.auth ?? null;
    this.#timer.url = this.#url;
    const cookies = this.#allCookies();
    let proxy = this.#proxy;
    let proxyAuth = options.proxyAuth ?? session._proxyAuth;
    if (proxy === null) {
      proxy = this.#environment?.proxy?.proxy ?? null;
      proxyAuth = this.#environment?.proxy?.proxyAuth ?? null;
    }
    return new session._requestClass(this.#method, this.#url, {
      session,
      responseClass: session._responseClass,
      headers: this.#headers,
      skipAutoHeaders: this.#skipAutoHeaders,
      data: this.#data,
      cookies,
      auth,
      version: session.version,
      compress: options.compress ?? null,
      chunked: options.chunked ?? null,
      expect100: options.expect100 ?? false,
      proxy,
      proxyAuth: proxy === null ? null : proxyAuth,
      proxyHeaders: proxy === null ? null : this.#proxyHeaders,
      ssl: checkSsl(options.ssl),
      serverHostname: options.serverHostname ?? null,
      traces: this.#traces,
      upgrade: options._upgrade ?? null,
    });
  }

  /** Credentials in the URL go before those of the caller, once it is a redirect's. */
  #authorize(): BasicAuth | null {
    const session = this.#session;
    const fromUrl = BasicAuth.fromUrl(this.#url);
    const isFirst = this.#history.length === 0;
    if (fromUrl !== null) {
      if (isFirst && this.#auth !== null) {
        throw new RangeError('Cannot combine AUTH argument with credentials encoded in URL');
      }
      this.#url = withoutCredentials(this.#url);
      this.#auth = fromUrl;
    }
    // A server must not be able to send the session's credentials elsewhere.
    const auth = this.#auth ?? (this.#isElsewhere ? null : session._authFor(this.#url));
    if (isFirst && auth !== null && this.#headers.has('authorization')) {
      throw new RangeError(
        'Cannot combine AUTHORIZATION header with AUTH argument or credentials encoded in URL',
      );
    }
    return auth;
  }

  #allCookies(): SimpleCookie | null {
    const { cookieJar } = this.#session;
    const kept = cookieJar.size === 0 ? null : cookieJar.filterCookies(this.#url);
    if (this.#cookies === null || this.#cookies === undefined) return kept;
    const own = new CookieJar({ unsafe: true, quoteCookie: cookieJar.quoteCookie });
    own.updateCookies(this.#cookies);
    const cookies = own.filterCookies(this.#url);
    if (kept === null) return cookies;
    for (const [name, cookie] of cookies) kept.set(name, cookie);
    return kept;
  }

  get #middlewares(): readonly ClientMiddlewareType[] {
    const middlewares = this.#options.middlewares ?? this.#session._middlewares;
    if (Array.isArray(middlewares)) return middlewares;
    throw new TypeError(`middlewares must be an array, got ${typeName(middlewares)}`);
  }

  *#sendThroughMiddlewares(request: ClientRequest): Gen<ClientResponse> {
    const send = (one: ClientRequest): Gen<ClientResponse> => this.#send(one);
    const handler = buildClientMiddlewares(send, this.#middlewares);
    const response = yield* this.#timer.run(
      () => handler(request) as unknown as Gen<ClientResponse | undefined>,
    );
    if (response) return response;
    throw new TypeError(
      `a middleware gave ${response}, no response: does it \`return await handler(request)\`?`,
    );
  }

  *#send(request: ClientRequest): Gen<ClientResponse> {
    const connection = this.#reuse(request) ?? (yield* this.#connect(request));
    return yield* this.#sendOver(connection, request);
  }

  /** A connection that nobody has to wait for, or be told of. */
  #reuse(request: ClientRequest): Connection | null {
    return this.#traces.length === 0 ? this.#connector._reuse(request) : null;
  }

  #connect(request: ClientRequest): Gen<Connection> {
    return this.#timer.run(() => this.#connector._connect(request, this.#traces, this.#limits));
  }

  #sendOver(connection: Connection, request: ClientRequest): Gen<ClientResponse> {
    return request._send(connection, this.#responseParams(), this.#history);
  }

  #responseParams(): ResponseParams {
    const options = this.#options;
    const session = this.#session;
    return {
      loop: this.#connector._loop,
      timer: this.#timer,
      sockRead: this.#limits.sockRead,
      autoDecompress: options.autoDecompress ?? session.autoDecompress,
      readBufsize: options.readBufsize ?? session._readBufsize,
      maxBodySize: options.maxBodySize === undefined ? session._maxBodySize : options.maxBodySize,
      maxLineSize: options.maxLineSize ?? session._maxLineSize,
      maxFieldSize: options.maxFieldSize ?? session._maxFieldSize,
      maxHeaders: options.maxHeaders ?? session._maxHeaders,
      readUntilEof: options.readUntilEof ?? true,
    };
  }

  /** Prepare the request that a redirect asks for. False: it names no place, and is itself the result. */
  #redirect(response: ClientResponse): boolean {
    const before = this.#history;
    this.#history = [...before, response];
    const { maxRedirects = 10 } = this.#options;
    if (maxRedirects > 0 && this.#history.length >= maxRedirects) {
      const [first] = this.#history as readonly [ClientResponse];
      throw new TooManyRedirects(first.requestInfo, this.#history);
    }
    this.#changeMethod(response);
    const location = response.headers.get('location') ?? response.headers.get('uri');
    if (location === null) {
      this.#history = before;
      return false;
    }
    response.release();
    const url = resolveRedirect(location, this.#url);
    if (url.origin !== this.#url.origin) this.#forgetPrivate();
    this.#url = url;
    return true;
  }

  // What browsers have always done on 301 and 302, and what 303 is for.
  #changeMethod(response: ClientResponse): void {
    const { status } = response;
    const isSeeOther = status === 303 && this.#method !== 'HEAD';
    const isMovedPost = (status === 301 || status === 302) && this.#method === 'POST';
    // The requests before keep what they were sent with.
    this.#headers = new CIMultiDict(this.#headers);
    if (isSeeOther || isMovedPost) {
      this.#method = 'GET';
      this.#data = null;
      for (const name of BODY_HEADERS) this.#headers.delete(name);
      return;
    }
    const body: Payload | null = this.#request?.body ?? null;
    if (body?.consumed) {
      throw new ClientPayloadError(
        'Cannot follow redirect with a consumed request body. Use bytes, a seekable file-like object, ' +
          'or set allowRedirects: false.',
      );
    }
    this.#data = body;
  }

  #forgetPrivate(): void {
    this.#isElsewhere = true;
    this.#auth = null;
    this.#cookies = null;
    for (const name of PRIVATE_HEADERS) this.#headers.delete(name);
  }

  *#checkStatus(response: ClientResponse, check: Exclude<RaiseForStatus, false>): Gen<void> {
    if (check === true) response.raiseForStatus();
    else yield* inlineBody(check, response);
  }
}

function bodyOf(session: ClientSession, { data, json }: InternalRequestOptions): unknown {
  if (json === null || json === undefined) return data ?? null;
  if (data !== null && data !== undefined) {
    throw new RangeError('data and json parameters can not be used at the same time');
  }
  const { jsonSerialize, jsonSerializeBytes } = session;
  if (jsonSerializeBytes !== null) return new JsonBytesPayload(json, { dumps: jsonSerializeBytes });
  return new JsonPayload(json, { dumps: jsonSerialize });
}

function parseProxy(proxy: string | URL): URL {
  let url: URL;
  try {
    url = new URL(proxy);
  } catch (cause) {
    throw new InvalidURL(proxy, null, { cause });
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  // Its password is nobody else's business; without a scheme its name is taken for one.
  const shown = String(proxy).replace(/[^/]*@/, '');
  throw new InvalidURL(shown, 'a proxy is spoken to over http or https, as in http://host:3128');
}

function proxyless({ constructor: { name } }: BaseConnector): RangeError {
  return new RangeError(`a ${name} reaches its server by a path: proxy cannot be set`);
}

function withoutCredentials(url: URL): URL {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return plain;
}

function resolveRedirect(location: string, base: URL): URL {
  let url: URL;
  try {
    url = new URL(location, base);
  } catch (cause) {
    const text = 'Server attempted redirecting to a location that does not look like a URL';
    throw new InvalidUrlRedirectClientError(location, text, { cause });
  }
  if (!/^https?:$/.test(url.protocol)) throw new NonHttpUrlRedirectClientError(location);
  return url;
}
