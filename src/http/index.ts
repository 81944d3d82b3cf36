/** An HTTP client as aiohttp's, on Node. */
export {
  AbstractCookieJar,
  type AbstractResolver,
  type AbstractStreamWriter,
  type ResolveResult,
} from './abc.ts';
export { BasicAuth, encodeBasicAuth } from './auth.ts';
export type { BodyIterator } from './body-iterator.ts';
export { type BodyPartOptions, BodyPartReader } from './body-part-reader.ts';
export { ChainMapProxy } from './chain-map-proxy.ts';
export { ClientSession, request } from './client.ts';
export { DigestAuthMiddleware } from './client-middleware-digest-auth.ts';
export { type RetryInfo, RetryMiddleware, type RetryOptions } from './client-middleware-retry.ts';
export type { ClientHandlerType, ClientMiddleware, ClientMiddlewareType } from './client-middlewares.ts';
export type {
  RaiseForStatus,
  RequestOptions,
  SessionOptions,
  SingleRequestOptions,
} from './client-options.ts';
export { ClientRequest, type ClientRequestOptions, type RequestInfo } from './client-request.ts';
export {
  ClientResponse,
  type ContentDisposition,
  type JsonOptions,
  type ResponseContext,
} from './client-response.ts';
export { ClientTimeout } from './client-timeout.ts';
export { ClientWebSocketResponse, ClientWSTimeout, type WSMessageIterator } from './client-ws.ts';
export {
  BaseConnector,
  type BaseConnectorOptions,
  Connection,
  type ConnectionKey,
  type SslOption,
} from './connector.ts';
export { parseCookieHeader, parseSetCookieHeaders } from './cookie-helpers.ts';
export { CookieJar, type CookieJarOptions, DummyCookieJar } from './cookiejar.ts';
export {
  type CookieAttributes,
  CookieError,
  type LooseCookies,
  Morsel,
  SimpleCookie,
} from './cookies.ts';
export { DataQueue, EofStream } from './data-queue.ts';
export type { DecodedIterator } from './decoded-iterator.ts';
export { type EnvProxy, getEnvProxyForUrl } from './env-proxies.ts';
export {
  ClientConnectionError,
  ClientConnectionResetError,
  ClientConnectorCertificateError,
  ClientConnectorDNSError,
  ClientConnectorError,
  ClientConnectorSSLError,
  ClientError,
  ClientHttpProxyError,
  ClientOSError,
  ClientPayloadError,
  ClientProxyConnectionError,
  ClientResponseError,
  ClientSSLError,
  ConnectionTimeoutError,
  ContentTypeError,
  InvalidURL,
  InvalidUrlClientError,
  InvalidUrlRedirectClientError,
  NonHttpUrlClientError,
  NonHttpUrlRedirectClientError,
  RedirectClientError,
  ServerConnectionError,
  ServerDisconnectedError,
  ServerFingerprintMismatch,
  ServerTimeoutError,
  SocketTimeoutError,
  TooManyRedirects,
  UnixClientConnectorError,
  WebSocketError,
  WSMessageTypeError,
  WSServerHandshakeError,
} from './exceptions.ts';
export { Fingerprint } from './fingerprint.ts';
export { type FieldOptions, FormData } from './formdata.ts';
export { type Links, parseLinks } from './links.ts';
export * as hdrs from './hdrs.ts';
export type { ContextBody, ETag, RequestContextManager } from './helpers.ts';
export { type HttpVersion, HttpVersion10, HttpVersion11 } from './http-writer.ts';
export {
  CIMultiDict,
  CIMultiDictProxy,
  type LooseHeaders,
  type LoosePairs,
  MultiDict,
  MultiDictProxy,
} from './multidict.ts';
export type { MultipartContent } from './multipart-input.ts';
export { MultipartReader, type MultipartReaderOptions } from './multipart-reader.ts';
export { MultipartWriter } from './multipart-writer.ts';
export { netrcAuth } from './netrc.ts';
export {
  BadContentDispositionHeader,
  BadContentDispositionParam,
  contentDispositionFilename,
  parseContentDisposition,
} from './parse-content-disposition.ts';
export {
  AsyncIterablePayload,
  BufferedReaderPayload,
  BytesIOPayload,
  type BytesLike,
  BytesPayload,
  getPayload,
  IOBasePayload,
  JsonBytesPayload,
  JsonPayload,
  type JsonPayloadOptions,
  Order,
  Payload,
  PAYLOAD_REGISTRY,
  type PayloadClass,
  type PayloadOptions,
  PayloadRegistry,
  type PayloadTarget,
  payloadType,
  StringIOPayload,
  StringPayload,
  TextIOPayload,
} from './payload.ts';
export type { Query, QueryValue } from './query.ts';
export { AsyncResolver, type AsyncResolverOptions, DefaultResolver, ThreadedResolver } from './resolver.ts';
export type { AddrInfoType, SocketFactoryType } from './sockets.ts';
export { EMPTY_PAYLOAD, type HttpChunk, StreamReader } from './streams.ts';
export { TCPConnector, type TCPConnectorOptions } from './tcp-connector.ts';
export { NamedPipeConnector, UnixConnector } from './unix-connector.ts';
export {
  Signal,
  type Trace,
  type TraceCallback,
  TraceConfig,
  type TraceConnectionCreateEndParams,
  type TraceConnectionCreateStartParams,
  type TraceConnectionQueuedEndParams,
  type TraceConnectionQueuedStartParams,
  type TraceConnectionReuseconnParams,
  type TraceDnsCacheHitParams,
  type TraceDnsCacheMissParams,
  type TraceDnsResolveHostEndParams,
  type TraceDnsResolveHostStartParams,
  type TraceEvents,
  type TraceRequestChunkSentParams,
  type TraceRequestEndParams,
  type TraceRequestExceptionParams,
  type TraceRequestHeadersSentParams,
  type TraceRequestRedirectParams,
  type TraceRequestStartParams,
  type TraceResponseChunkReceivedParams,
} from './tracing.ts';
export type { WSConnectOptions } from './websocket-connect.ts';
export { WSCloseCode, type WSMessage, WSMsgType } from './websocket-models.ts';
