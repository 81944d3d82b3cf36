/** The errors of the HTTP client. Counterpart: `aiohttp/client_exceptions.py`. */
import { quote } from './helpers.ts';
import type { CIMultiDictProxy } from './multidict.ts';
import type { RequestInfo } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';
import type { ConnectionKey, SslOption } from './connection-key.ts';

const ordinaryHasInstance = Function.prototype[Symbol.hasInstance];

type Marked = Readonly<Record<symbol, unknown>>;

const timeoutMark = Symbol.for('asyncio-ts.TimeoutError');
const markOf = (name: string): symbol => Symbol.for(`asyncio-ts.http.${name}`);

function define(target: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: false });
}

/**
 * Leave what has secrets out where an error is printed: Node prints all properties of one that nobody catches, and logs
 * keep that.
 */
function hide(error: Error, ...names: string[]): void {
  for (const name of names) Object.defineProperty(error, name, { enumerable: false });
}

/**
 * Give an error class its name, and a mark on its prototype that `instanceof` looks for: the test then holds across
 * two copies of the package, and for a second base that JavaScript's inheritance cannot express (`also`).
 */
function brand(type: { readonly prototype: Error }, name: string, ...also: symbol[]): void {
  const mark = markOf(name);
  for (const one of [mark, ...also]) define(type.prototype, one, true);
  define(type.prototype, 'name', name);
  define(type, Symbol.hasInstance, function hasInstance(this: unknown, value: unknown): boolean {
    // A class that somebody derives from this one inherits the test, but not its meaning.
    if (this !== type) return ordinaryHasInstance.call(this as () => void, value);
    return typeof value === 'object' && value !== null && (value as Marked)[mark] === true;
  });
}

/**
 * The base of all errors of the client.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientError`.
 */
export class ClientError extends Error {
  static {
    brand(this, 'ClientError');
  }
}

/**
 * The connection failed.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientConnectionError`.
 */
export class ClientConnectionError extends ClientError {
  static {
    brand(this, 'ClientConnectionError');
  }
}

/**
 * The connection is closing: nothing can be written to it any more.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientConnectionResetError`.
 */
export class ClientConnectionResetError extends ClientConnectionError {
  readonly code = 'ECONNRESET';

  static {
    brand(this, 'ClientConnectionResetError');
  }
}

/**
 * The operating system reported an error on the connection: `cause` is that error, `code` and `errno` are its own.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientOSError`.
 */
export class ClientOSError extends ClientConnectionError {
  /** The system's name of the error, such as `ECONNRESET`; null if it has none. */
  readonly code: string | null;
  /** The system's number of the error, or null. */
  readonly errno: number | null;

  constructor(osError: Error, message: string = textOf(osError)) {
    super(message, { cause: osError });
    const { code, errno } = osError as NodeJS.ErrnoException;
    this.code = code ?? null;
    this.errno = errno ?? null;
  }

  static {
    brand(this, 'ClientOSError');
  }
}

/** The text of a system error. One that tried several addresses keeps their errors and has no text of its own. */
function textOf(error: Error): string {
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError) return error.errors.map((one) => (one as Error).message).join(', ');
  return (error as NodeJS.ErrnoException).code ?? error.name;
}

/**
 * No connection could be made.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientConnectorError`.
 */
export class ClientConnectorError extends ClientOSError {
  readonly host: string;
  readonly port: number | null;
  /** How TLS was to be done. */
  readonly ssl: SslOption;

  constructor(
    key: ConnectionKey,
    osError: Error,
    message = `Cannot connect to host ${key.host}:${key.port} ssl:${nameOfSsl(key.ssl)} [${textOf(osError)}]`,
  ) {
    super(osError, message);
    this.host = key.host;
    this.port = key.port;
    this.ssl = key.ssl;
    hide(this, 'ssl');
  }

  /** The error beneath, which is also the `cause`. */
  get osError(): Error {
    return this.cause as Error;
  }

  static {
    brand(this, 'ClientConnectorError');
  }
}

function nameOfSsl(ssl: SslOption): string {
  if (ssl === true) return 'default';
  return ssl === false ? 'false' : 'options';
}

/**
 * The host's name was not found.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientConnectorDNSError`.
 */
export class ClientConnectorDNSError extends ClientConnectorError {
  static {
    brand(this, 'ClientConnectorDNSError');
  }
}

/**
 * The proxy cannot be reached.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientProxyConnectionError`.
 */
export class ClientProxyConnectionError extends ClientConnectorError {
  static {
    brand(this, 'ClientProxyConnectionError');
  }
}

/**
 * No connection could be made to a Unix socket or named pipe.
 *
 * Source: aiohttp 3.14 `aiohttp.UnixClientConnectorError`.
 */
export class UnixClientConnectorError extends ClientConnectorError {
  /** The path of the socket. */
  readonly path: string;

  constructor(path: string, key: ConnectionKey, osError: Error) {
    super(
      key,
      osError,
      `Cannot connect to unix socket ${path} ssl:${nameOfSsl(key.ssl)} [${textOf(osError)}]`,
    );
    this.path = path;
  }

  static {
    brand(this, 'UnixClientConnectorError');
  }
}

/**
 * The base of errors of TLS.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientSSLError`.
 */
export class ClientSSLError extends ClientConnectorError {
  static {
    brand(this, 'ClientSSLError');
  }
}

/**
 * The TLS handshake failed.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientConnectorSSLError`.
 */
export class ClientConnectorSSLError extends ClientSSLError {
  static {
    brand(this, 'ClientConnectorSSLError');
  }
}

/**
 * The server's certificate is not to be trusted.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientConnectorCertificateError`.
 */
export class ClientConnectorCertificateError extends ClientSSLError {
  /** What is wrong with it. */
  get certificateError(): Error {
    return this.osError;
  }

  static {
    brand(this, 'ClientConnectorCertificateError');
  }
}

/**
 * The server did something wrong with the connection.
 *
 * Source: aiohttp 3.14 `aiohttp.ServerConnectionError`.
 */
export class ServerConnectionError extends ClientConnectionError {
  static {
    brand(this, 'ServerConnectionError');
  }
}

/**
 * The server closed the connection before it answered.
 *
 * Source: aiohttp 3.14 `aiohttp.ServerDisconnectedError`.
 */
export class ServerDisconnectedError extends ServerConnectionError {
  constructor(message = 'Server disconnected', options?: ErrorOptions) {
    super(message, options);
  }

  static {
    brand(this, 'ServerDisconnectedError');
  }
}

/**
 * The server took too long. Also a `TimeoutError`.
 *
 * Source: aiohttp 3.14 `aiohttp.ServerTimeoutError`.
 */
export class ServerTimeoutError extends ServerConnectionError {
  /** As `TimeoutError` has it. */
  readonly code = 'ETIMEDOUT';

  static {
    brand(this, 'ServerTimeoutError', timeoutMark);
  }
}

/**
 * Connecting took too long (`ClientTimeout` fields `connect` and `sockConnect`). Also a `TimeoutError`.
 *
 * Source: aiohttp 3.14 `aiohttp.ConnectionTimeoutError`.
 */
export class ConnectionTimeoutError extends ServerTimeoutError {
  static {
    brand(this, 'ConnectionTimeoutError');
  }
}

/**
 * Nothing came from the server for too long (`ClientTimeout` field `sockRead`). Also a `TimeoutError`.
 *
 * Source: aiohttp 3.14 `aiohttp.SocketTimeoutError`.
 */
export class SocketTimeoutError extends ServerTimeoutError {
  static {
    brand(this, 'SocketTimeoutError');
  }
}

/**
 * The server's certificate is not the one of the `Fingerprint`.
 *
 * Source: aiohttp 3.14 `aiohttp.ServerFingerprintMismatch`.
 */
export class ServerFingerprintMismatch extends ServerConnectionError {
  /** The SHA-256 that was asked for. */
  readonly expected: Uint8Array;
  /** The SHA-256 of the certificate that came. */
  readonly got: Uint8Array;
  /** The address of the server. */
  readonly host: string;
  readonly port: number;

  constructor(expected: Uint8Array, got: Uint8Array, host: string, port: number) {
    super(`expected=${hex(expected)} got=${hex(got)} host=${quote(host)} port=${port}`);
    this.expected = expected;
    this.got = got;
    this.host = host;
    this.port = port;
  }

  static {
    brand(this, 'ServerFingerprintMismatch');
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/**
 * The body of the response is broken: cut short, or not in the encoding that its headers name.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientPayloadError`.
 */
export class ClientPayloadError extends ClientError {
  static {
    brand(this, 'ClientPayloadError');
  }
}

/**
 * An error that follows from what the server answered.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientResponseError`.
 */
export class ClientResponseError extends ClientError {
  /** What was sent. */
  readonly requestInfo: RequestInfo;
  /** The redirects before, oldest first. */
  readonly history: readonly ClientResponse[];
  /** The status code; 0 if there is none. */
  readonly status: number;
  /** What is wrong, aiohttp's `message`: often the reason phrase. The error's own `message` is the full text. */
  readonly reason: string;
  /** The headers of the response, or null. */
  readonly headers: CIMultiDictProxy | null;

  constructor(
    requestInfo: RequestInfo,
    history: readonly ClientResponse[],
    options: {
      status?: number | null;
      message?: string;
      headers?: CIMultiDictProxy | null;
      cause?: unknown;
    } = {},
  ) {
    const { status, message = '', headers = null, cause } = options;
    const url = quote(String(requestInfo.realUrl));
    super(
      `${status ?? 0}, message=${quote(message)}, url=${url}`,
      cause === undefined ? undefined : { cause },
    );
    this.requestInfo = requestInfo;
    this.history = history;
    this.status = status ?? 0;
    this.reason = message;
    this.headers = headers;
    hide(this, 'requestInfo', 'history', 'headers');
  }

  static {
    brand(this, 'ClientResponseError');
  }
}

/**
 * `json()` found another content type than the one it expects.
 *
 * Source: aiohttp 3.14 `aiohttp.ContentTypeError`.
 */
export class ContentTypeError extends ClientResponseError {
  static {
    brand(this, 'ContentTypeError');
  }
}

/**
 * A proxy has not answered `CONNECT` with 200: it opens no tunnel.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientHttpProxyError`.
 */
export class ClientHttpProxyError extends ClientResponseError {
  static {
    brand(this, 'ClientHttpProxyError');
  }
}

/**
 * The redirects reached `maxRedirects`; they are in `history`.
 *
 * Source: aiohttp 3.14 `aiohttp.TooManyRedirects`.
 */
export class TooManyRedirects extends ClientResponseError {
  static {
    brand(this, 'TooManyRedirects');
  }
}

/**
 * What was given is no URL. A `RangeError`, too, as it is a `ValueError` in Python.
 *
 * Source: aiohttp 3.14 `aiohttp.InvalidURL`.
 */
export class InvalidURL extends RangeError {
  /** As it was given. One with credentials is not printed with the error, whose text has `***` in their place. */
  readonly url: string | URL;
  /** More about what is wrong, or null. */
  readonly description: string | null;

  constructor(url: string | URL, description: string | null = null, options?: ErrorOptions) {
    const shown = withoutCredentials(String(url));
    const isSecret = shown !== String(url);
    // The host's own error has the URL as a property.
    super(description === null ? shown : `${shown} - ${description}`, isSecret ? undefined : options);
    this.url = url;
    if (isSecret) Object.defineProperty(this, 'url', { enumerable: false });
    this.description = description;
  }

  static {
    brand(this, 'InvalidURL', markOf('ClientError'));
  }
}

/** A URL, or what is none, for an error: with `***` in place of name and password. */
function withoutCredentials(text: string): string {
  if (!text.includes('@')) return text;
  if (!URL.canParse(text)) return text.replace(/^([a-z][\w+.-]*:\/\/)?[^]*@/i, '$1***@');
  const { username, password } = new URL(text);
  return username === '' && password === '' ? text : text.replace(/^([^/]*\/*)[^/?#]*@/, '$1***@');
}

/**
 * The URL of a call is none.
 *
 * Source: aiohttp 3.14 `aiohttp.InvalidUrlClientError`.
 */
export class InvalidUrlClientError extends InvalidURL {
  static {
    brand(this, 'InvalidUrlClientError');
  }
}

/**
 * A redirect that cannot be followed.
 *
 * Source: aiohttp 3.14 `aiohttp.RedirectClientError`.
 */
export class RedirectClientError extends ClientError {
  static {
    brand(this, 'RedirectClientError');
  }
}

/**
 * A redirect leads to what is no URL. Also a `RedirectClientError`.
 *
 * Source: aiohttp 3.14 `aiohttp.InvalidUrlRedirectClientError`.
 */
export class InvalidUrlRedirectClientError extends InvalidUrlClientError {
  static {
    brand(this, 'InvalidUrlRedirectClientError', markOf('RedirectClientError'));
  }
}

/**
 * The URL of a call has another scheme than http or https.
 *
 * Source: aiohttp 3.14 `aiohttp.NonHttpUrlClientError`.
 */
export class NonHttpUrlClientError extends ClientError {
  constructor(url: string, options?: ErrorOptions) {
    super(withoutCredentials(url), options);
  }

  static {
    brand(this, 'NonHttpUrlClientError');
  }
}

/**
 * A redirect leads to another scheme than http or https. Also a `RedirectClientError`.
 *
 * Source: aiohttp 3.14 `aiohttp.NonHttpUrlRedirectClientError`.
 */
export class NonHttpUrlRedirectClientError extends NonHttpUrlClientError {
  static {
    brand(this, 'NonHttpUrlRedirectClientError', markOf('RedirectClientError'));
  }
}

/**
 * A server refused to speak WebSocket, or answered the handshake wrongly; `reason` says how.
 *
 * Source: aiohttp 3.14 `aiohttp.WSServerHandshakeError`.
 */
export class WSServerHandshakeError extends ClientResponseError {
  static {
    brand(this, 'WSServerHandshakeError');
  }
}

/**
 * A WebSocket message of another type came than the one that was asked for.
 *
 * Source: aiohttp 3.14 `aiohttp.WSMessageTypeError`.
 */
export class WSMessageTypeError extends TypeError {
  static {
    brand(this, 'WSMessageTypeError');
  }
}

/**
 * The peer of a WebSocket broke the protocol. It is the `data` of an ERROR message.
 *
 * Source: aiohttp 3.14 `aiohttp.WebSocketError`.
 */
export class WebSocketError extends Error {
  /** The close code that the peer is told, of `WSCloseCode`. */
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  static {
    brand(this, 'WebSocketError');
  }
}
