/** What sessions and requests can be told. In aiohttp the keyword arguments in `aiohttp/client.py`. */
import type { Delay } from '../core/types.ts';
import type { AbstractCookieJar } from './abc.ts';
import type { BasicAuth } from './auth.ts';
import type { ClientMiddlewareType } from './client-middlewares.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';
import type { ClientTimeout } from './client-timeout.ts';
import type { SslOption } from './connection-key.ts';
import type { WebSocketClass } from './client-ws.ts';
import type { BaseConnector } from './connector.ts';
import type { LooseCookies } from './cookies.ts';
import type { HttpVersion } from './http-writer.ts';
import type { LooseHeaders } from './multidict.ts';
import { optionNames } from './options.ts';
import type { Query } from './query.ts';
import type { AnyTraceConfig } from './tracing.ts';

/** What to do about statuses from 400 on: throw, do nothing, or call a function with every response. */
export type RaiseForStatus = boolean | ((response: ClientResponse) => unknown);

/** What a session sets for all of its requests, and a request for itself. */
interface CommonOptions {
  /** Limits of time; a number is the seconds for the whole, null no limits. Default 300 s, and 30 s to connect. */
  timeout?: ClientTimeout | Delay | null | undefined;
  /** Names of the headers that are not to be added: `Accept`, `Accept-Encoding`, `User-Agent`, `Content-Type`. */
  skipAutoHeaders?: Iterable<string> | null | undefined;
  /** Send it as `Authorization`. Not to another origin than that of the base URL, if there is one. */
  auth?: BasicAuth | null | undefined;
  /** The proxy to go through. */
  proxy?: string | URL | null | undefined;
  /** Send it to the proxy as `Proxy-Authorization`. */
  proxyAuth?: BasicAuth | null | undefined;
  /** Decompress bodies. Default true. */
  autoDecompress?: boolean | undefined;
  /** Bytes of a body that may wait to be read before the server is held up (at twice as many). Default 64 KiB. */
  readBufsize?: number | undefined;
  /**
   * Bytes that the body of a response may have when it is decompressed; reading a larger one fails with
   * ClientPayloadError, and its connection is closed. Default null: any number. aiohttp has no such option.
   */
  maxBodySize?: number | null | undefined;
  /** Bytes of the reason phrase. Default 8190. */
  maxLineSize?: number | undefined;
  /** Bytes of a header's name and value. Default 8190. */
  maxFieldSize?: number | undefined;
  /** Headers and trailers of a response. Default 128. */
  maxHeaders?: number | undefined;
}

/** Options of one request. Those that a session has, too, are in place of the session's. */
export interface RequestOptions extends CommonOptions {
  /** Added to the query of the URL. */
  params?: Query | undefined;
  /**
   * The body: text, bytes, a form (an object, pairs, `FormData`, `URLSearchParams`), a file, a `Blob`, a stream, an
   * async iterable of bytes, or any `Payload`.
   */
  data?: unknown;
  /** The body as JSON. */
  json?: unknown;
  /** Sent besides those of the jar, and not to another origin. */
  cookies?: LooseCookies | null | undefined;
  /** In place of the session's of the same names, and besides its others. */
  headers?: LooseHeaders | null | undefined;
  /** Follow redirects. Default true, for `head` false. */
  allowRedirects?: boolean | undefined;
  /** The redirect of this number is an error; 0 for no limit. Default 10. */
  maxRedirects?: number | undefined;
  /** Compress the body: `gzip`, `deflate`, `br`, `zstd` (where Node has it), or true for `deflate`. */
  compress?: string | boolean | null | undefined;
  /** Send the body in chunks, without its length. */
  chunked?: boolean | null | undefined;
  /** Send the body when the server has said that it wants it. Default false. */
  expect100?: boolean | undefined;
  /** In place of the session's. */
  raiseForStatus?: RaiseForStatus | null | undefined;
  /** Read a body without a length up to the end of the connection. Default true. */
  readUntilEof?: boolean | undefined;
  /** Headers for the proxy. */
  proxyHeaders?: LooseHeaders | null | undefined;
  /** How to do TLS. Default the connector's. */
  ssl?: SslOption | undefined;
  /** The name that TLS asks for and checks, if it is not that of the URL. */
  serverHostname?: string | null | undefined;
  /** For the callbacks of `traceConfigs`. */
  traceRequestCtx?: unknown;
  /** In place of the session's. */
  middlewares?: readonly ClientMiddlewareType[] | undefined;
  /** Cancels the request, or the reading of its body, when it aborts, with its reason as message. */
  signal?: AbortSignal | undefined;
}

/** What the client itself may ask of a request. */
export interface InternalRequestOptions extends RequestOptions {
  /** A protocol to change to, as `websocket`. */
  _upgrade?: string | undefined;
}

/** Options of a session. */
export interface SessionOptions extends CommonOptions {
  /** The pool of connections; default a `TCPConnector` of its own. */
  connector?: BaseConnector | null | undefined;
  /** Close the connector with the session. Default true. */
  connectorOwner?: boolean | undefined;
  /** Sent with every request. */
  headers?: LooseHeaders | null | undefined;
  /** Put into the jar: sent with every request, to any host. */
  cookies?: LooseCookies | null | undefined;
  /** Where cookies are kept; default a `CookieJar`. */
  cookieJar?: AbstractCookieJar | null | undefined;
  /** Makes the text of `json`. Default `JSON.stringify`. */
  jsonSerialize?: ((value: unknown) => string) | undefined;
  /** The same as bytes; goes before `jsonSerialize`. */
  jsonSerializeBytes?: ((value: unknown) => Uint8Array) | null | undefined;
  /** What requests are made of. */
  requestClass?: typeof ClientRequest | undefined;
  /** What responses are made of. */
  responseClass?: typeof ClientResponse | undefined;
  /** What WebSockets are made of. */
  wsResponseClass?: WebSocketClass | undefined;
  /** Default 1.1. */
  version?: HttpVersion | undefined;
  /** Default false. */
  raiseForStatus?: RaiseForStatus | undefined;
  /** Take proxies and credentials from `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` and `.netrc`. Default false. */
  trustEnv?: boolean | undefined;
  /** Kept for parity: URLs quote themselves here, and only what has to be. Default true. */
  requoteRedirectUrl?: boolean | undefined;
  /** Callbacks for what goes on. */
  traceConfigs?: readonly AnyTraceConfig[] | null | undefined;
  /** What stands between the session and its requests. */
  middlewares?: readonly ClientMiddlewareType[] | undefined;
  /** The encoding of a text whose type names none. Default UTF-8. */
  fallbackCharsetResolver?: ((response: ClientResponse, body: Uint8Array) => string) | undefined;
}

/** Options of a request without a session. */
export interface SingleRequestOptions extends RequestOptions {
  /** Stays open. */
  connector?: BaseConnector | null | undefined;
  /** Default 1.1. */
  version?: HttpVersion | undefined;
}

const COMMON = {
  timeout: true,
  skipAutoHeaders: true,
  auth: true,
  proxy: true,
  proxyAuth: true,
  autoDecompress: true,
  readBufsize: true,
  maxBodySize: true,
  maxLineSize: true,
  maxFieldSize: true,
  maxHeaders: true,
} as const;

const OF_REQUESTS = {
  ...COMMON,
  params: true,
  data: true,
  json: true,
  cookies: true,
  headers: true,
  allowRedirects: true,
  maxRedirects: true,
  compress: true,
  chunked: true,
  expect100: true,
  raiseForStatus: true,
  readUntilEof: true,
  proxyHeaders: true,
  ssl: true,
  serverHostname: true,
  traceRequestCtx: true,
  middlewares: true,
  signal: true,
} as const;

/** What `ClientSession` takes. */
export const SESSION_OPTIONS = /* @__PURE__ */ optionNames<SessionOptions>('ClientSession', {
  ...COMMON,
  connector: true,
  connectorOwner: true,
  headers: true,
  cookies: true,
  cookieJar: true,
  jsonSerialize: true,
  jsonSerializeBytes: true,
  requestClass: true,
  responseClass: true,
  wsResponseClass: true,
  version: true,
  raiseForStatus: true,
  trustEnv: true,
  requoteRedirectUrl: true,
  traceConfigs: true,
  middlewares: true,
  fallbackCharsetResolver: true,
});

/** What `ClientSession.request` takes. */
export const REQUEST_OPTIONS = /* @__PURE__ */ optionNames<InternalRequestOptions>('ClientSession.request', {
  ...OF_REQUESTS,
  _upgrade: true,
});

/** What `request` takes. */
export const SINGLE_REQUEST_OPTIONS = /* @__PURE__ */ optionNames<SingleRequestOptions>('request', {
  ...OF_REQUESTS,
  connector: true,
  version: true,
});
