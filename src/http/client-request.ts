/** Requests. Counterpart: the first half of `aiohttp/client_reqrep.py`. */
import { methodCoroutine } from '../core/coroutines.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { BasicAuth } from './auth.ts';
import { BadHttpMessage, ResponseHandler, type ResponseParams } from './client-proto.ts';
import type { ClientResponse } from './client-response.ts';
import type { ClientSession } from './client.ts';
import type { Connection } from './connection.ts';
import type { ConnectionKey, SslOption } from './connection-key.ts';
import { isEncodable } from './compressors.ts';
import { ACCEPT_ENCODING } from './content-encoding.ts';
import { parseCookieHeader } from './cookie-helpers.ts';
import { SimpleCookie } from './cookies.ts';
import type { WireRequest } from './engine.ts';
import { ClientResponseError, InvalidURL } from './exceptions.ts';
import { FormData } from './formdata.ts';
import { checkHeader, checkMethod, quote, USER_AGENT } from './helpers.ts';
import { type HttpVersion, HttpVersion10 } from './http-writer.ts';
import { CIMultiDict } from './multidict.ts';
import { getPayload, LookupError, Payload } from './payload.ts';
import { sendTraces, type Trace } from './tracing.ts';
import { Upload } from './upload.ts';

/** What a request says of this client, unless it says otherwise. */
const DEFAULT_HEADERS = /* @__PURE__ */ new CIMultiDict([
  ['Accept', '*/*'],
  ['Accept-Encoding', ACCEPT_ENCODING],
  ['User-Agent', USER_AGENT],
]);
const NOT_ASCII = /[\x80-\uffff]/;

/** What was sent. Source: aiohttp 3.14 `aiohttp.RequestInfo`. */
export interface RequestInfo {
  /** Without fragment. */
  readonly url: URL;
  readonly method: string;
  /** As they were sent. */
  readonly headers: CIMultiDict;
  /** With fragment. */
  readonly realUrl: URL;
}

/** What a request is made of, besides its method and URL. */
export interface ClientRequestOptions {
  readonly session: ClientSession;
  readonly responseClass: typeof ClientResponse;
  readonly headers: CIMultiDict;
  /** In lower case. */
  readonly skipAutoHeaders: ReadonlySet<string>;
  /** Anything that can be a body, or null. */
  readonly data: unknown;
  readonly cookies: SimpleCookie | null;
  readonly auth: BasicAuth | null;
  readonly version: HttpVersion;
  readonly compress: string | boolean | null;
  readonly chunked: boolean | null;
  readonly expect100: boolean;
  readonly proxy: URL | null;
  readonly proxyAuth: BasicAuth | null;
  readonly proxyHeaders: CIMultiDict | null;
  readonly ssl: SslOption;
  readonly serverHostname: string | null;
  readonly traces: readonly Trace[];
  /** A protocol to change to, as `websocket`. */
  readonly upgrade: string | null;
}

/** How far a request came. */
export interface Attempt {
  /** Over a connection that an earlier request had used. */
  readonly isReused: boolean;
  /** Something of it may have reached the server. */
  readonly isSent: boolean;
  /** The server has begun to answer. */
  readonly isAnswered: boolean;
}

/** Methods without a body, unless they are given one. */
const GET_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
/** Methods whose body has a type, even if there is none. */
const POST_METHODS = new Set(['PATCH', 'POST', 'PUT']);

/**
 * One request, as middlewares see it; a redirect or a second try is another one. A subclass can be given to a session
 * as `requestClass`.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientRequest`.
 */
export class ClientRequest {
  readonly method: string;
  /** Without credentials and fragment. */
  readonly url: URL;
  /** With fragment. */
  readonly originalUrl: URL;
  /** As they will be sent; changeable. */
  readonly headers: CIMultiDict;
  /** The session that makes the request. A middleware that makes others with it gives them `middlewares: []`. */
  readonly session: ClientSession;
  readonly ssl: SslOption;
  /** The name that TLS asks for and checks, if it is not that of the URL. */
  readonly serverHostname: string | null;
  readonly proxy: URL | null;
  readonly proxyAuth: BasicAuth | null;
  readonly proxyHeaders: CIMultiDict | null;
  version: HttpVersion;
  /** Whether the body is sent in chunks, without a length; null where nobody has said. */
  chunked: boolean | null;
  /** The `Content-Encoding` that the body gets on its way, or null. */
  compress: string | null;
  responseClass: typeof ClientResponse;
  readonly #skipAutoHeaders: ReadonlySet<string>;
  readonly #traces: readonly Trace[];
  readonly #upgrade: string | null;
  #expect100: boolean;
  #body: Payload | null = null;
  /** @internal Use no connection that an earlier request has used. */
  _isFresh = false;
  /** @internal How far it came before it failed; null without a connection. */
  _attempt: Attempt | null = null;

  /**
   * @throws RangeError for a method or header that could smuggle something in, and for options that contradict each
   *   other; TypeError for data that cannot be a body.
   */
  constructor(method: string, url: URL, options: ClientRequestOptions) {
    checkMethod(method);
    if (url.hostname === '') throw new InvalidURL(url);
    this.method = method;
    this.originalUrl = url;
    this.url = withoutFragment(url);
    this.session = options.session;
    this.responseClass = options.responseClass;
    this.version = options.version;
    this.ssl = options.ssl;
    this.serverHostname = options.serverHostname;
    this.proxy = options.proxy;
    this.proxyAuth = options.proxyAuth;
    this.proxyHeaders = options.proxyHeaders;
    this.chunked = options.chunked;
    this.#skipAutoHeaders = options.skipAutoHeaders;
    this.#traces = options.traces;
    this.#upgrade = options.upgrade;
    this.headers = this.#allHeaders(options.headers);
    if (options.cookies !== null && options.cookies.size > 0) this.#addCookies(options.cookies);
    this.compress = this.#contentEncoding(options.data, options.compress);
    this.#setAuth(options.auth);
    this.#setBody(options.data);
    this.#expect100 = this.#expectContinue(options.expect100);
  }

  /** What is sent, and to where. */
  get requestInfo(): RequestInfo {
    return { url: this.url, method: this.method, headers: this.headers, realUrl: this.originalUrl };
  }

  /** Whether the URL asks for TLS. */
  isSsl(): boolean {
    return this.url.protocol === 'https:' || this.url.protocol === 'wss:';
  }

  get host(): string {
    return this.url.hostname;
  }

  /** The port of the URL, or that of its scheme. */
  get port(): number {
    const { port } = this.url;
    if (port !== '') return Number(port);
    return this.isSsl() ? 443 : 80;
  }

  /** The body, or null. `updateBody` changes it. */
  get body(): Payload | null {
    return this.#body;
  }

  /**
   * Send another body: close the one before, and set the headers that belong to it.
   *
   * @param body - anything that `data` takes; null for none.
   *
   * Source: aiohttp 3.14 `ClientRequest.update_body`.
   */
  updateBody(body: unknown): Coroutine<void> {
    return updateBody(this, body);
  }

  /** @internal */
  *_updateBody(body: unknown): Gen<void> {
    if (this.#body !== null) yield* this.#body.close();
    this.headers.delete('content-length');
    if (this.chunked) this.headers.delete('transfer-encoding');
    this.#setBody(body);
  }

  /** @internal Which connections it can use. */
  get _connectionKey(): ConnectionKey {
    return {
      host: this.host.replace(/^\[|\]$/g, ''),
      port: this.port,
      isSsl: this.isSsl(),
      ssl: this.ssl,
      serverHostname: this.serverHostname,
      proxy: this.proxy,
      proxyAuth: this.proxyAuth,
      proxyHeaders: this.proxyHeaders,
    };
  }

  #allHeaders(given: CIMultiDict): CIMultiDict {
    const headers = new CIMultiDict();
    headers.add('Host', this.url.host);
    for (const [name, value] of given) {
      if (name.length === 4 && name.toLowerCase() === 'host') headers.set(name, value);
      else headers.add(name, value);
    }
    // All requests share these entries, if they may.
    if (given.size === 0 && this.#skipAutoHeaders.size === 0) headers.extend(DEFAULT_HEADERS);
    else for (const [name, value] of DEFAULT_HEADERS) this.#setDefault(headers, name, value);
    return headers;
  }

  #setDefault(headers: CIMultiDict, name: string, value: string): void {
    if (headers.has(name)) return;
    if (this.#skipAutoHeaders.size > 0 && this.#skipAutoHeaders.has(name.toLowerCase())) return;
    headers.add(name, value);
  }

  #addCookies(cookies: SimpleCookie): void {
    const all = new SimpleCookie();
    for (const [name, morsel] of parseCookieHeader(this.headers.getall('cookie').join('; ')))
      all.set(name, morsel);
    for (const [name, morsel] of cookies) all.set(name, morsel);
    this.headers.set('Cookie', all.output([], '', ';').trim());
  }

  #contentEncoding(data: unknown, compress: string | boolean | null): string | null {
    const isEmpty = data === null || data === undefined || data === '';
    if (isEmpty || compress === null || compress === false || compress === '') return null;
    if (this.headers.get('content-encoding')) {
      throw new RangeError('compress can not be set if Content-Encoding header is set');
    }
    const encoding = compress === true ? 'deflate' : compress;
    if (!isEncodable(encoding)) {
      throw new RangeError(
        `compress can be gzip, deflate, br or zstd (where Node has it), got ${quote(encoding)}`,
      );
    }
    this.headers.set('Content-Encoding', encoding);
    // The length is not known before it is compressed.
    this.chunked = true;
    return encoding;
  }

  #setAuth(auth: BasicAuth | null): void {
    if (auth === null) return;
    if (!(auth instanceof BasicAuth)) throw new TypeError('auth must be a BasicAuth');
    this.headers.set('Authorization', auth.encode());
  }

  #setBody(data: unknown): void {
    const hasData = data !== null && data !== undefined;
    this.#body = hasData ? toPayload(data) : null;
    const { headers } = this;
    if (headers.has('content-length') || headers.has('transfer-encoding')) checkFraming(headers);
    if (!hasData && GET_METHODS.has(this.method)) return;
    this.#setFraming();
    for (const [name, value] of this.#body?.headers ?? []) this.#setDefault(headers, name, value);
  }

  /** Say how long the body is, or that it comes in chunks. */
  #setFraming(): void {
    const { headers } = this;
    const hasLength = headers.has('content-length');
    if (headers.has('transfer-encoding')) {
      if (this.chunked) {
        throw new RangeError('chunked can not be set if "Transfer-Encoding: chunked" header is set');
      }
      this.chunked = true;
    } else if (this.chunked) {
      if (hasLength) throw new RangeError('chunked can not be set if Content-Length header is set');
      headers.set('Transfer-Encoding', 'chunked');
    } else if (!hasLength) {
      const size = this.#body === null ? 0 : this.#body.size;
      this.chunked = size === null;
      if (size === null) headers.set('Transfer-Encoding', 'chunked');
      else headers.set('Content-Length', String(size));
    }
  }

  #expectContinue(isWanted: boolean): boolean {
    if (isWanted) this.headers.set('Expect', '100-continue');
    return isWanted || this.headers.get('expect')?.toLowerCase() === '100-continue';
  }

  /**
   * @internal Send it, and wait for the headers of its response.
   *
   * Cancellation: closes the connection.
   */
  *_send(
    connection: Connection,
    params: ResponseParams,
    history: readonly ClientResponse[],
  ): Gen<ClientResponse> {
    this.#setLastHeaders();
    const handler = new ResponseHandler(params);
    let upload: Upload | null = null;
    try {
      const body = this.#bodyInOnePiece();
      if (body === undefined) upload = this.#startUpload(connection, handler, params);
      if (this.#traces.length > 0) yield* this.#traceSent(body ?? null);
      connection._send(this.#wireRequest(body === undefined ? (upload as Upload).writer : body), handler);
      const head = yield* params.timer.wait(handler.head);
      return new this.responseClass(this, head, handler, connection, {
        loop: params.loop,
        upload,
        history,
        traces: this.#traces,
      });
    } catch (error) {
      this._attempt = {
        isReused: connection.isReused,
        isSent: handler.isSent,
        isAnswered: handler.isStarted,
      };
      upload?.cancel();
      connection.close();
      if (!(error instanceof BadHttpMessage)) throw error;
      const { status, message } = error;
      throw new ClientResponseError(this.requestInfo, history, { status, message, cause: error });
    }
  }

  #setLastHeaders(): void {
    const { headers } = this;
    if (POST_METHODS.has(this.method)) this.#setDefault(headers, 'Content-Type', 'application/octet-stream');
    if (this.session.connector?.forceClose) this.#setDefault(headers, 'Connection', 'close');
    else if (this.version === HttpVersion10) this.#setDefault(headers, 'Connection', 'keep-alive');
  }

  /** The body if all of it is there, null if there is none; undefined: it has to be written by a task. */
  #bodyInOnePiece(): Uint8Array | null | undefined {
    if (this.#body === null) return null;
    if (this.chunked) return undefined;
    return this.#body._bytes() ?? undefined;
  }

  #startUpload(connection: Connection, handler: ResponseHandler, { loop }: ResponseParams): Upload {
    const { method, url } = this;
    const traces = this.#traces;
    const length = this.headers.get('content-length');
    return new Upload(loop, this.#body as Payload, {
      url,
      encoding: this.compress,
      contentLength: length === null ? null : Number(length),
      waits: this.#expect100,
      onChunkSent:
        traces.length === 0
          ? null
          : (chunk) => sendTraces(traces, 'onRequestChunkSent', { method, url, chunk }),
      onFail: (error) => {
        handler.fail(error);
        connection.close();
      },
    });
  }

  /**
   * @internal Whether a proxy is asked for a tunnel: for TLS, and for other protocols than HTTP (RFC 6455, 4.1), of which
   * most proxies understand nothing.
   */
  get _isTunnelled(): boolean {
    return this.proxy !== null && (this.isSsl() || this.#upgrade !== null);
  }

  /** Path and query. A proxy that reads the request is told the whole URL. */
  get #target(): string {
    const { origin, pathname, search } = this.url;
    return this.proxy !== null && !this._isTunnelled ? origin + pathname + search : pathname + search;
  }

  #wireRequest(body: WireRequest['body']): WireRequest {
    const { url, headers } = this;
    const flat = headers._flat();
    for (let i = 0; i < flat.length; i += 2) {
      const value = flat[i + 1] as string;
      checkHeader(flat[i] as string, value);
      // The engines write a byte for each character; values go out in UTF-8.
      if (NOT_ASCII.test(value)) flat[i + 1] = Buffer.from(value).toString('latin1');
    }
    return {
      origin: url.origin,
      path: this.#target,
      method: this.method,
      headers: flat,
      body,
      expect100: this.#expect100,
      upgrade: this.#upgrade,
      version: this.version,
    };
  }

  *#traceSent(body: Uint8Array | null): Gen<void> {
    const { method, url, headers } = this;
    yield* sendTraces(this.#traces, 'onRequestHeadersSent', { method, url, headers });
    if (body !== null) yield* sendTraces(this.#traces, 'onRequestChunkSent', { method, url, chunk: body });
  }

  /** @internal Bytes of the request line and the headers. */
  get _headSize(): number {
    const line = `${this.method} ${this.#target} HTTP/1.1`;
    let size = line.length + 4;
    for (const [name, value] of this.headers) size += name.length + Buffer.byteLength(value) + 4;
    // What the engine adds.
    return this.headers.has('connection') ? size : size + 'connection: keep-alive\r\n'.length;
  }

  toString(): string {
    return `<ClientRequest ${this.method} ${this.url}>`;
  }

  /** What is logged has none of its credentials. */
  toJSON(): string {
    return this.toString();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * What a caller says of the framing must leave no doubt where the body ends: what follows could be taken for a request.
 *
 * @throws RangeError
 */
function checkFraming(headers: CIMultiDict): void {
  const lengths = headers.getall('content-length');
  const codings = headers.getall('transfer-encoding');
  if (lengths.length + codings.length > 1) {
    throw new RangeError('Content-Length and Transfer-Encoding can be set once, and not both');
  }
  if (lengths.length > 0 && !/^\d+$/.test(lengths[0] as string)) {
    throw new RangeError(`Content-Length must be a number of bytes, got ${quote(lengths[0] as string)}`);
  }
  if (codings.length > 0 && !/(^|,)\s*chunked\s*$/i.test(codings[0] as string)) {
    throw new RangeError(`Transfer-Encoding must end with chunked, got ${quote(codings[0] as string)}`);
  }
}

const updateBody = /* @__PURE__ */ methodCoroutine(
  'ClientRequest.updateBody',
  function* (request: ClientRequest, body: unknown): Gen<void> {
    yield* request._updateBody(body);
  },
);

function toPayload(data: unknown): Payload {
  if (data instanceof Payload) return data;
  if (data instanceof FormData) return data._toPayload();
  try {
    // The names of files are for parts; a request has none.
    return getPayload(data, { disposition: null });
  } catch (error) {
    if (!(error instanceof LookupError)) throw error;
    return new FormData(data)._toPayload();
  }
}

function withoutFragment(url: URL): URL {
  if (url.hash === '') return url;
  const plain = new URL(url);
  plain.hash = '';
  return plain;
}
