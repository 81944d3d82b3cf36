/** Responses. Counterpart: the second half of `aiohttp/client_reqrep.py`. */
import type { Duplex } from 'node:stream';
import { inlineBody, methodCoroutine } from '../core/coroutines.ts';
import type { BaseEventLoop } from '../core/base-events.ts';
import { RuntimeError } from '../core/exceptions.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { decodeText, encodingNamed, type TextErrors } from './charsets.ts';
import type { ResponseHandler, ResponseHead } from './client-proto.ts';
import type { ClientRequest, RequestInfo } from './client-request.ts';
import type { ClientSession } from './client.ts';
import type { Connection } from './connection.ts';
import { parseSetCookieHeaders } from './cookie-helpers.ts';
import { SimpleCookie } from './cookies.ts';
import { ClientConnectionError, ClientResponseError, ContentTypeError } from './exceptions.ts';
import { type ContextBody, isExpectedContentType, type MimeType, parseMimetype } from './helpers.ts';
import type { HttpVersion } from './http-writer.ts';
import { type Links, parseLinks } from './links.ts';
import { CIMultiDictProxy } from './multidict.ts';
import { checkOptions, optionNames } from './options.ts';
import { contentDispositionFilename, parseContentDisposition } from './parse-content-disposition.ts';
import type { StreamReader } from './streams.ts';
import { sendTraces, type Trace } from './tracing.ts';
import type { Upload } from './upload.ts';

/** How the body is to be saved. Source: aiohttp 3.14 `aiohttp.ContentDisposition`. */
export interface ContentDisposition {
  /** As `attachment`; null if it could not be read. */
  readonly type: string | null;
  readonly parameters: ReadonlyMap<string, string>;
  readonly filename: string | null;
}

/** What a response knows besides its head and its body. */
export interface ResponseContext {
  readonly loop: BaseEventLoop;
  /** The body of the request, if it is still being sent. */
  readonly upload: Upload | null;
  readonly history: readonly ClientResponse[];
  readonly traces: readonly Trace[];
}

/** What holds the connection. Apart from the response, which may be collected while its body comes in. */
interface Hold {
  readonly loop: BaseEventLoop;
  connection: Connection | null;
  upload: Upload | null;
  isClosed: boolean;
}

// A response that nobody holds any more cannot be read: its connection is closed.
const forgotten = new FinalizationRegistry<Hold>((hold) => {
  const { loop } = hold;
  if (hold.connection === null || loop.isClosed()) return;
  if (loop.getDebug()) loop.callExceptionHandler({ message: 'Unclosed response' });
  close(hold);
});

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
  /** The version of HTTP that the server speaks. */
  readonly version: HttpVersion;
  /** The method of the request; after a redirect that of the last one. */
  readonly method: string;
  /** Of the last request, without fragment. */
  readonly url: URL;
  /** With fragment. */
  readonly realUrl: URL;
  /** The redirects before this response, oldest first. */
  readonly history: readonly ClientResponse[];
  /** The body as a stream. */
  readonly content: StreamReader;
  /** @internal The socket, after a change of protocol. */
  readonly _upgraded: Duplex | null;
  readonly #request: ClientRequest;
  readonly #head: ResponseHead;
  readonly #session: ClientSession;
  readonly #traces: readonly Trace[];
  readonly #upload: Upload | null;
  readonly #hold: Hold;
  #headers: CIMultiDictProxy | null = null;
  #mimetype: MimeType | null = null;
  #cookies: SimpleCookie | null = null;
  #isReleased = false;
  #isInContext = false;
  #body: Buffer | null = null;

  /** Responses come from a session. */
  constructor(
    request: ClientRequest,
    head: ResponseHead,
    handler: ResponseHandler,
    connection: Connection,
    { loop, upload, history, traces }: ResponseContext,
  ) {
    this.status = head.status;
    this.reason = head.reason;
    this.version = head.version;
    this.method = request.method;
    this.url = request.url;
    this.realUrl = request.originalUrl;
    this.history = history;
    this.content = handler.payload;
    this._upgraded = head.upgraded;
    this.#request = request;
    this.#head = head;
    this.#session = request.session;
    this.#traces = traces;
    this.#upload = upload;
    const hold: Hold = { loop, connection, upload, isClosed: false };
    this.#hold = hold;
    if (head.upgraded !== null) return;
    // All is here: the next request may have the connection, before anybody has read the body.
    if (handler.isComplete) {
      letGo(hold);
    } else {
      handler.onEnd = () => letGo(hold);
      forgotten.register(this, hold, hold);
    }
  }

  /** The headers, as they came. */
  get headers(): CIMultiDictProxy {
    this.#headers ??= new CIMultiDictProxy(this.#head.headers);
    return this.#headers;
  }

  /** @internal The values of one header, whose name is given in lower case; the others are not looked at. */
  _headersOf(name: string): readonly string[] {
    return this.#head.getall(name);
  }

  /** The headers as bytes. */
  get rawHeaders(): readonly (readonly [name: Buffer, value: Buffer])[] {
    const { rawHeaders } = this.#head;
    const pairs: [Buffer, Buffer][] = [];
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      pairs.push([rawHeaders[i] as Buffer, rawHeaders[i + 1] as Buffer]);
    }
    return pairs;
  }

  /** What was sent. */
  get requestInfo(): RequestInfo {
    return this.#request.requestInfo;
  }

  /** Whether the status is below 400. Redirects count, unlike in `fetch`. */
  get ok(): boolean {
    return this.status < 400;
  }

  /** The connection; null once it was given back. */
  get connection(): Connection | null {
    return this.#hold.connection;
  }

  /** Whether the response holds no connection any more. */
  get closed(): boolean {
    return this.#hold.isClosed;
  }

  /** The host name of the URL. */
  get host(): string {
    return this.url.hostname;
  }

  /** The cookies that the server sets. */
  get cookies(): SimpleCookie {
    this.#cookies ??= new SimpleCookie(parseSetCookieHeaders(this.headers.getall('set-cookie')));
    return this.#cookies;
  }

  /** The `Link` headers, by their `rel`, or by the URL of those that have none. Each has its `url`, resolved. */
  get links(): Links {
    return parseLinks(this.headers.getall('link'), this.url);
  }

  /** The type of the body without parameters, in lower case; `application/octet-stream` if the server names none. */
  get contentType(): string {
    return this.#contentType.essence || 'application/octet-stream';
  }

  /** The `charset` parameter of the content type, or null. */
  get charset(): string | null {
    return this.#contentType.parameters.get('charset') ?? null;
  }

  /** The `Content-Disposition` header, taken apart as far as it can be read; null if there is none. */
  get contentDisposition(): ContentDisposition | null {
    const header = this.headers.get('content-disposition');
    if (header === null) return null;
    const [type, params] = parseContentDisposition(header);
    return {
      type,
      parameters: new Map(Object.entries(params)),
      filename: contentDispositionFilename(params),
    };
  }

  get #contentType(): MimeType {
    this.#mimetype ??= parseMimetype(this.#head.getall('content-type')[0] ?? '');
    return this.#mimetype;
  }

  /** The `Content-Length` header, which counts the bytes as sent; null without one. */
  get contentLength(): number | null {
    const text = this.#head.getall('content-length')[0] ?? null;
    return text === null ? null : Number(text);
  }

  /** Bytes of the request that were sent so far, its head included, the marks of chunks not. */
  get outputSize(): number {
    const body = this.#upload?.writer.outputSize ?? this.#request.body?.size ?? 0;
    return this.#request._headSize + body;
  }

  /** Whether the request was sent completely. */
  get uploadComplete(): boolean {
    return this.#upload?.isComplete ?? true;
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
   *   `replace` puts U+FFFD in their place, `ignore` leaves them out.
   * @throws RangeError for wrong bytes, LookupError for an unknown encoding, and as `read`.
   *
   * Cancellation: closes the connection.
   *
   * Source: aiohttp 3.14 `ClientResponse.text`.
   */
  text(encoding?: string | null, errors: TextErrors = 'strict'): Coroutine<string> {
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
  json<T = unknown>(options: JsonOptions<T> = {}): Coroutine<T | null> {
    return readJson(this, options) as Coroutine<T | null>;
  }

  /**
   * The encoding that `text` uses: the charset of the content type if there is such an encoding, else UTF-8 for JSON,
   * else what the session's `fallbackCharsetResolver` says, which is UTF-8 by default.
   *
   * @throws RuntimeError if the resolver has to see the body, and it was not read yet.
   *
   * Source: aiohttp 3.14 `ClientResponse.get_encoding`.
   */
  getEncoding(): string {
    const { charset } = this;
    const known = charset === null ? null : encodingNamed(charset);
    if (known !== null) return known;
    if (isExpectedContentType(this.contentType, 'application/json')) return 'utf-8';
    if (this.#body === null) {
      throw new RuntimeError('Cannot compute fallback encoding of a not yet read body');
    }
    return this.#session._fallbackCharset(this, this.#body);
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
    letGo(this.#hold);
  }

  /**
   * Close the connection.
   *
   * Source: aiohttp 3.14 `ClientResponse.close`.
   */
  close(): void {
    this.#drop();
    close(this.#hold);
  }

  /**
   * Wait until the request was sent completely, then release the response.
   *
   * Source: aiohttp 3.14 `ClientResponse.wait_for_close`.
   */
  waitForClose(): Coroutine<void> {
    return waitForClose(this);
  }

  /**
   * The response as one of the web, with its body as a stream. Ours, not aiohttp's.
   *
   * @returns a `Response` that is read in place of this one: the connection is given back at the end of its body, or
   *   when that is cancelled.
   * @throws TypeError if the body was read already, or the response released; RangeError for a status above 599, which
   *   no response of the web has.
   */
  toWeb(): Response {
    if (this.#isReleased || this.#body !== null) throw new TypeError('the body was read already');
    const { status, reason: statusText, url, history } = this;
    const isBodiless = status === 204 || status === 205 || status === 304 || this.method === 'HEAD';
    // Those of the web are bytes, one for each character.
    const headers = this.rawHeaders.map(([name, value]): [string, string] => [
      name.toString('latin1'),
      value.toString('latin1'),
    ]);
    const body = isBodiless ? null : this.content._toWeb(() => this.close());
    const response = new Response(body, { status, statusText, headers });
    // What only `fetch` can set otherwise.
    Object.defineProperty(response, 'url', { value: url.href });
    Object.defineProperty(response, 'redirected', { value: history.length > 0 });
    return response;
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
      return yield* inlineBody(body, this);
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
      const body = yield* this.content._read(-1);
      this.#body = body;
      const { method, url } = this;
      const traces = this.#traces;
      if (traces.length > 0)
        yield* sendTraces(traces, 'onResponseChunkReceived', { method, url, chunk: body });
      return body;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** @internal Close the request's body when it is sent; false: it is. */
  _closeAfterUpload(): boolean {
    const upload = this.#upload;
    if (upload === null || upload.isOver) return false;
    upload.closesBody = true;
    return true;
  }

  /** @internal */
  *_waitForClose(): Gen<void> {
    if (this.#upload !== null) yield* this.#upload.wait();
    this.release();
  }

  /** @internal Why the response has a body that JSON cannot be read from, if so. */
  _checkContentType(expected: string): void {
    if (isExpectedContentType(this.contentType, expected)) return;
    const { status, headers } = this;
    const message = `Attempt to decode JSON with unexpected mimetype: ${this.headers.get('content-type') ?? ''}`;
    throw new ContentTypeError(this.requestInfo, this.history, { status, message, headers });
  }

  #drop(): void {
    this.#isReleased = true;
    this.content._release();
  }

  toString(): string {
    return `<ClientResponse(${this.url}) [${this.status} ${this.reason || 'None'}]>\n${this.headers}`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** Options of `ClientResponse.json`. */
export interface JsonOptions<T> {
  encoding?: string | null | undefined;
  loads?: ((text: string) => T) | undefined;
  contentType?: string | null | undefined;
}

const JSON_OPTIONS = /* @__PURE__ */ optionNames<JsonOptions<unknown>>('ClientResponse.json', {
  encoding: true,
  loads: true,
  contentType: true,
});

/** The response is over: its connection can serve the next request, if the body of this one was sent. */
function letGo(hold: Hold): void {
  const { connection, upload } = hold;
  if (upload !== null && !upload.isComplete) {
    close(hold);
    return;
  }
  hold.isClosed = true;
  if (connection === null) return;
  hold.connection = null;
  forgotten.unregister(hold);
  connection.release();
}

function close(hold: Hold): void {
  const { connection, upload } = hold;
  hold.isClosed = true;
  upload?.cancel();
  if (connection === null) return;
  hold.connection = null;
  forgotten.unregister(hold);
  connection.close();
}

const runResponse = /* @__PURE__ */ methodCoroutine(
  'ClientResponse.run',
  function* (response: ClientResponse, body: ContextBody<ClientResponse, unknown>): Gen<unknown> {
    return yield* response._run(body);
  },
);

const readBody = /* @__PURE__ */ methodCoroutine(
  'ClientResponse.read',
  function* (response: ClientResponse): Gen<Buffer> {
    return yield* response._read();
  },
);

const readText = /* @__PURE__ */ methodCoroutine(
  'ClientResponse.text',
  function* (response: ClientResponse, encoding: string | null, errors: TextErrors): Gen<string> {
    const body = yield* response._read();
    return decodeText(body, encoding ?? response.getEncoding(), errors);
  },
);

const readJson = /* @__PURE__ */ methodCoroutine(
  'ClientResponse.json',
  function* (response: ClientResponse, options: JsonOptions<unknown>): Gen<unknown> {
    checkOptions(options, JSON_OPTIONS);
    const { loads = JSON.parse, contentType = 'application/json' } = options;
    const body = yield* response._read();
    if (contentType !== null) response._checkContentType(contentType);
    const text = decodeText(body, options.encoding ?? response.getEncoding(), 'strict');
    return text.trim() === '' ? null : loads(text);
  },
);

const waitForClose = /* @__PURE__ */ methodCoroutine(
  'ClientResponse.waitForClose',
  function* (response: ClientResponse): Gen<void> {
    yield* response._waitForClose();
  },
);
