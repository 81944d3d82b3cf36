/** Requests and responses. Counterpart: `aiohttp/client_reqrep.py`. */
import { coroutine } from '../core/coroutines.ts';
import { RuntimeError } from '../core/exceptions.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { BasicAuth } from './auth.ts';
import { BadHttpMessage, ResponseHandler, type ResponseHead, type ResponseParams } from './client-proto.ts';
import type { Connection } from './connection.ts';
import type { ConnectionKey, SslOption } from './connection-key.ts';
import { ClientConnectionError, ClientResponseError, ContentTypeError } from './exceptions.ts';
import {
  basicAuth,
  checkHeader,
  checkMethod,
  type ContextBody,
  isExpectedContentType,
  parseMimetype,
  runBody,
} from './helpers.ts';
import { CIMultiDict } from './multidict.ts';
import type { StreamReader } from './streams.ts';

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

/** What a request needs besides its method and URL. */
export interface RequestParts {
  readonly headers: CIMultiDict;
  readonly body: Uint8Array | null;
  readonly ssl: SslOption;
  readonly serverHostname?: string | null | undefined;
  readonly proxy?: URL | null | undefined;
  readonly proxyAuth?: BasicAuth | null | undefined;
  readonly proxyHeaders?: CIMultiDict | null | undefined;
}

/**
 * One request, which a redirect or a second try follows with another one.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientRequest`.
 */
export class ClientRequest {
  readonly method: string;
  /** Without credentials and fragment. */
  readonly url: URL;
  readonly originalUrl: URL;
  readonly headers: CIMultiDict;
  readonly body: Uint8Array | null;
  readonly ssl: SslOption;
  /** The name that the server's certificate must be for; null for the host of the URL. */
  readonly serverHostname: string | null;
  readonly proxy: URL | null;
  readonly proxyAuth: BasicAuth | null;
  readonly proxyHeaders: CIMultiDict | null;

  /** @throws RangeError for a method or header that could smuggle something in. */
  constructor(method: string, url: URL, parts: RequestParts) {
    const { headers, body, ssl } = parts;
    checkMethod(method);
    for (const [name, value] of headers) checkHeader(name, value);
    this.method = method;
    this.originalUrl = url;
    this.url = withoutFragment(url);
    this.headers = headers;
    this.body = body;
    this.ssl = ssl;
    this.serverHostname = parts.serverHostname ?? null;
    this.proxy = parts.proxy ?? null;
    this.proxyAuth = parts.proxyAuth ?? null;
    this.proxyHeaders = parts.proxyHeaders ?? null;
  }

  /** Whether it goes over TLS. */
  isSsl(): boolean {
    return this.url.protocol === 'https:' || this.url.protocol === 'wss:';
  }

  get requestInfo(): RequestInfo {
    return { url: this.url, method: this.method, headers: this.headers, realUrl: this.originalUrl };
  }

  /** @internal Which connections it can use. */
  get _connectionKey(): ConnectionKey {
    const { hostname, port } = this.url;
    const { ssl, serverHostname, proxy, proxyAuth, proxyHeaders } = this;
    const isSsl = this.isSsl();
    return {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (isSsl ? 443 : 80) : Number(port),
      isSsl,
      ssl,
      serverHostname,
      proxy,
      proxyAuth,
      proxyHeaders,
    };
  }

  // A proxy that reads the request wants to know where it goes.
  #target(): string {
    const { origin, pathname, search } = this.url;
    return this.proxy !== null && !this.isSsl() ? origin + pathname + search : pathname + search;
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
    const handler = new ResponseHandler(params);
    try {
      connection._send(
        {
          origin: this.url.origin,
          path: this.#target(),
          method: this.method,
          headers: [...this.headers].flat(),
          body: this.body,
        },
        handler,
      );
      const head = yield* params.timer.wait(handler.head);
      return new ClientResponse(this, head, handler, connection, history);
    } catch (error) {
      connection.close();
      if (!(error instanceof BadHttpMessage)) throw error;
      const { status, message } = error;
      throw new ClientResponseError(this.requestInfo, history, { status, message, cause: error });
    }
  }
}

function withoutFragment(url: URL): URL {
  if (url.hash === '') return url;
  const plain = new URL(url);
  plain.hash = '';
  return plain;
}

/**
 * Take the credentials out of a URL.
 *
 * @returns the URL without them, and the `Authorization` header that they make, or null.
 */
export function stripAuthFromUrl(url: URL): [url: URL, authorization: string | null] {
  if (url.username === '' && url.password === '') return [url, null];
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return [plain, basicAuth(decodeURIComponent(url.username), decodeURIComponent(url.password))];
}

/**
 * The answer to a request. Its body is read later, by `read`, `text`, `json` or piece by piece from `content`; until
 * then it holds a connection, which `release`, `close` or the end of `run` or `await using` gives back.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientResponse`.
 */
export class ClientResponse {
  /** The status code. */
  readonly status: number;
  /** What the server calls the status; may be empty. */
  readonly reason: string;
  readonly headers: CIMultiDict;
  /** The method of the request; after a redirect that of the last one. */
  readonly method: string;
  /** Of the last request, without fragment. */
  readonly url: URL;
  /** With fragment. */
  readonly realUrl: URL;
  readonly requestInfo: RequestInfo;
  /** The redirects before this response, oldest first. */
  readonly history: readonly ClientResponse[];
  /** The body as a stream. */
  readonly content: StreamReader;
  #connection: Connection | null;
  #isClosed = false;
  #isReleased = false;
  #isInContext = false;
  #body: Buffer | null = null;

  /** @internal */
  constructor(
    request: ClientRequest,
    head: ResponseHead,
    handler: ResponseHandler,
    connection: Connection,
    history: readonly ClientResponse[],
  ) {
    this.status = head.status;
    this.reason = head.reason;
    this.headers = head.headers;
    this.method = request.method;
    this.url = request.url;
    this.realUrl = request.originalUrl;
    this.requestInfo = request.requestInfo;
    this.history = history;
    this.content = handler.payload;
    this.#connection = connection;
    // All is here: the next request may have the connection, before anybody has read the body.
    if (handler.isComplete) this.#letGo();
    else handler.onEnd = () => this.#letGo();
  }

  /** Whether the status is below 400. Redirects count, unlike in `fetch`. */
  get ok(): boolean {
    return this.status < 400;
  }

  /** The connection; null once it was given back. */
  get connection(): Connection | null {
    return this.#connection;
  }

  /** Whether the response holds no connection any more. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** The host name of the URL. */
  get host(): string {
    return this.url.hostname;
  }

  /** The type of the body without parameters, in lower case; `application/octet-stream` if the server names none. */
  get contentType(): string {
    return parseMimetype(this.headers.get('content-type') ?? '').essence || 'application/octet-stream';
  }

  /** The `charset` parameter of the content type, or null. */
  get charset(): string | null {
    return parseMimetype(this.headers.get('content-type') ?? '').parameters.get('charset') ?? null;
  }

  /** The `Content-Length` header, which counts the bytes as sent; null without one. */
  get contentLength(): number | null {
    const text = this.headers.get('content-length');
    return text === null ? null : Number(text);
  }

  /**
   * Read the whole body. It is kept: later calls give it again.
   *
   * @throws ClientPayloadError if it is broken; TimeoutError if the request's time is over; ClientConnectionError if
   *   the response was released before.
   *
   * Cancellation: closes the connection.
   *
   * Source: aiohttp 3.14 `ClientResponse.read`.
   */
  read(): Coroutine<Buffer> {
    return readBody(this);
  }

  /**
   * Read the body as text.
   *
   * @param encoding - null, the default: as `getEncoding` says.
   * @param errors - what to do about bytes that are not in the encoding: `strict`, the default, is an error,
   *   `replace` puts U+FFFD in their place.
   * @throws TypeError for wrong bytes, RangeError for an unknown encoding, and as `read`.
   *
   * Cancellation: closes the connection.
   *
   * Source: aiohttp 3.14 `ClientResponse.text`.
   */
  text(encoding?: string | null, errors: 'strict' | 'replace' = 'strict'): Coroutine<string> {
    return readText(this, encoding ?? null, errors);
  }

  /**
   * Read the body as JSON.
   *
   * @param options.encoding - as for `text`.
   * @param options.loads - makes a value of the text. Default `JSON.parse`.
   * @param options.contentType - the type that the response must have; the default, `application/json`, takes
   *   `application/…+json`, too, and null takes any.
   * @returns the value; null for an empty body.
   * @throws ContentTypeError for another type, after the body was read; the errors of `loads`; and as `text`.
   *
   * Cancellation: closes the connection.
   *
   * Source: aiohttp 3.14 `ClientResponse.json`.
   */
  json<T = unknown>(
    options: {
      encoding?: string | null | undefined;
      loads?: ((text: string) => T) | undefined;
      contentType?: string | null | undefined;
    } = {},
  ): Coroutine<T | null> {
    return readJson(this, options) as Coroutine<T | null>;
  }

  /**
   * The encoding that `text` uses: the charset of the content type if there is such an encoding, else UTF-8.
   *
   * Source: aiohttp 3.14 `ClientResponse.get_encoding`.
   */
  getEncoding(): string {
    const { charset } = this;
    if (charset !== null) {
      try {
        return new TextDecoder(charset).encoding;
      } catch {
        // Not a name of an encoding.
      }
    }
    const isJson = isExpectedContentType(this.contentType, 'application/json');
    if (this.#body === null && !isJson) {
      throw new RuntimeError('Cannot compute fallback encoding of a not yet read body');
    }
    return 'utf-8';
  }

  /**
   * Throw if the status is 400 or above.
   *
   * @throws ClientResponseError with the status, and the reason phrase as `reason`. Outside of `run` and `await
   *   using` the response is released, too.
   *
   * Source: aiohttp 3.14 `ClientResponse.raise_for_status`.
   */
  raiseForStatus(): void {
    if (this.ok) return;
    const { status, reason, headers } = this;
    if (!this.#isInContext) this.release();
    throw new ClientResponseError(this.requestInfo, this.history, { status, message: reason, headers });
  }

  /**
   * Give the connection back; if the body has not come in completely, close it. The body cannot be read any more,
   * unless `read` has done so.
   *
   * Source: aiohttp 3.14 `ClientResponse.release`.
   */
  release(): void {
    this.#drop();
    this.#connection?.release();
    this.#connection = null;
  }

  /**
   * Close the connection.
   *
   * Source: aiohttp 3.14 `ClientResponse.close`.
   */
  close(): void {
    this.#drop();
    this.#connection?.close();
    this.#connection = null;
  }

  /**
   * Run `body(this)`, then release the response, and give the body's value.
   *
   * Source: aiohttp 3.14 `async with response`.
   */
  run<T>(body: (it: this) => Gen<T>): Coroutine<T>;
  run<T>(body: (it: this) => T | PromiseLike<T>): Coroutine<T>;
  run(body: ContextBody<this, unknown>): Coroutine<unknown> {
    return runResponse(this, body as ContextBody<ClientResponse, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }

  /** @internal */
  *_run<T>(body: ContextBody<ClientResponse, T>): Gen<T> {
    this.#isInContext = true;
    try {
      return yield* runBody(body, this);
    } finally {
      this.#isInContext = false;
      this.release();
    }
  }

  /** @internal */
  *_read(): Gen<Buffer> {
    if (this.#body !== null) {
      if (this.#isReleased) throw new ClientConnectionError('Connection closed');
      return this.#body;
    }
    try {
      this.#body = yield* this.content.read();
    } catch (error) {
      this.close();
      throw error;
    }
    return this.#body;
  }

  #drop(): void {
    this.content._release();
    this.#isReleased = true;
    this.#isClosed = true;
  }

  // The server has sent all, or the connection has failed.
  #letGo(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection?.release();
    this.#connection = null;
  }

  toString(): string {
    return `<ClientResponse(${this.url}) [${this.status} ${this.reason || 'None'}]>\n${this.headers}`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

const runResponse = coroutine(function* run(
  response: ClientResponse,
  body: ContextBody<ClientResponse, unknown>,
): Gen<unknown> {
  return yield* response._run(body);
});

const readBody = coroutine(function* read(response: ClientResponse): Gen<Buffer> {
  return yield* response._read();
});

const readText = coroutine(function* text(
  response: ClientResponse,
  encoding: string | null,
  errors: 'strict' | 'replace',
): Gen<string> {
  const body = yield* response._read();
  return decode(body, encoding ?? response.getEncoding(), errors === 'strict');
});

const readJson = coroutine(function* json(
  response: ClientResponse,
  options: {
    encoding?: string | null | undefined;
    loads?: ((text: string) => unknown) | undefined;
    contentType?: string | null | undefined;
  },
): Gen<unknown> {
  const { loads = JSON.parse, contentType = 'application/json' } = options;
  const body = yield* response._read();
  if (contentType !== null && !isExpectedContentType(response.contentType, contentType)) {
    const { status, headers } = response;
    const message = `Attempt to decode JSON with unexpected mimetype: ${response.contentType}`;
    throw new ContentTypeError(response.requestInfo, response.history, { status, message, headers });
  }
  const text = decode(body, options.encoding ?? response.getEncoding(), true);
  return text.trim() === '' ? null : loads(text);
});

// As Python's `decode`: a byte order mark stays.
function decode(bytes: Uint8Array, encoding: string, isStrict: boolean): string {
  return new TextDecoder(encoding, { fatal: isStrict, ignoreBOM: true }).decode(bytes);
}
