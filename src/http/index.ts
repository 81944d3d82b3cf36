/** An HTTP client as aiohttp's, on Node. */
export {
  ClientSession,
  type RaiseForStatus,
  type RequestContextManager,
  type RequestOptions,
  type SessionOptions,
} from './client.ts';
export { ClientRequest, ClientResponse, type RequestInfo } from './client-reqrep.ts';
export { ClientTimeout } from './client-timeout.ts';
export {
  BaseConnector,
  type BaseConnectorOptions,
  type Connection,
  type SslOption,
  TCPConnector,
} from './connector.ts';
export {
  ClientConnectionError,
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
} from './exceptions.ts';
export { CIMultiDict, type LooseHeaders } from './multidict.ts';
export type { RequestData } from './payload.ts';
export type { Query, QueryValue } from './query.ts';
export type { BodyIterator, StreamReader } from './streams.ts';
