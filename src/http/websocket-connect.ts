/** How a session opens a WebSocket. In aiohttp `ClientSession._ws_connect`. */
import { fromPromise } from '../core/coroutines.ts';
import { requireLoop, toSeconds } from '../core/events.ts';
import type { Delay, Gen } from '../core/types.ts';
import type { BasicAuth } from './auth.ts';
import type { ClientSession } from './client.ts';
import type { InternalRequestOptions } from './client-options.ts';
import type { ClientResponse } from './client-response.ts';
import { type ClientWebSocketResponse, ClientWSTimeout } from './client-ws.ts';
import type { SslOption } from './connector.ts';
import { contextManager, type RequestContextManager } from './helpers.ts';
import type { LooseHeaders } from './multidict.ts';
import { optionNames, ownOptions } from './options.ts';
import type { Query } from './query.ts';
import { createDeflate } from './websocket-deflate.ts';
import { checkAnswer, handshakeError, makeOffer, type WebSocketOffer } from './websocket-handshake.ts';
import { loadedLibrary, loadLibrary, type WsLibrary } from './websocket-library.ts';
import { WebSocketDataQueue } from './websocket-queue.ts';
import { WebSocketReader } from './websocket-reader.ts';
import { WebSocketWriter } from './websocket-writer.ts';

/** Options of `ClientSession.wsConnect`. */
export interface WSConnectOptions<DecodeText extends boolean = true> {
  /** Of the request. Default `GET`. */
  method?: string | undefined;
  /** Subprotocols to choose from, the best first. */
  protocols?: Iterable<string> | undefined;
  /** Limits of time once it is open; default 10 s for closing. The session's are for the handshake. */
  timeout?: ClientWSTimeout | undefined;
  /** Answer the peer's CLOSE, and close the connection. Default true. */
  autoclose?: boolean | undefined;
  /** Answer PINGs in `receive`, and keep them and PONGs from the caller. Default true. */
  autoping?: boolean | undefined;
  /** After so many seconds of silence ask whether the peer is there; it has half as many to answer. Default null. */
  heartbeat?: Delay | null | undefined;
  /** Send it as `Authorization`. */
  auth?: BasicAuth | null | undefined;
  /** The `Origin` header. */
  origin?: string | null | undefined;
  /** Added to the query of the URL. */
  params?: Query | undefined;
  headers?: LooseHeaders | null | undefined;
  /** The proxy to go through. */
  proxy?: string | URL | null | undefined;
  proxyAuth?: BasicAuth | null | undefined;
  proxyHeaders?: LooseHeaders | null | undefined;
  /** How to do TLS. Default the connector's. */
  ssl?: SslOption | undefined;
  /** The name that TLS asks for and checks, if it is not that of the URL. */
  serverHostname?: string | null | undefined;
  /** Offer compression, with a window of so many bits, 9 to 15; 0, the default, for none. */
  compress?: number | undefined;
  /** Bytes of a message, decompressed; a larger one ends the WebSocket. 0 for no limit. Default 4 MiB. */
  maxMsgSize?: number | undefined;
  /** Text comes as a string (default), or with false as a `Buffer` that nobody has checked for UTF-8. */
  decodeText?: DecodeText | undefined;
}

const OPTIONS = /* @__PURE__ */ optionNames<WSConnectOptions<boolean>>('ClientSession.wsConnect', {
  method: true,
  protocols: true,
  timeout: true,
  autoclose: true,
  autoping: true,
  heartbeat: true,
  auth: true,
  origin: true,
  params: true,
  headers: true,
  proxy: true,
  proxyAuth: true,
  proxyHeaders: true,
  ssl: true,
  serverHostname: true,
  compress: true,
  maxMsgSize: true,
  decodeText: true,
});

const DEFAULT_WS_CLIENT_TIMEOUT = new ClientWSTimeout();

/** Bytes of a message that the parser can count. */
const MAX_MSG_SIZE = 2 ** 31 - 1;

function* wsConnectTo(
  session: ClientSession,
  url: string | URL,
  given: WSConnectOptions<boolean>,
): Gen<ClientWebSocketResponse<boolean>> {
  const options = ownOptions(given, OPTIONS);
  const { method = 'GET', protocols = [], origin = null, compress = 0, headers } = options;
  const offer = makeOffer(headers, [...protocols], origin, compress);
  const library = loadedLibrary() ?? (yield* fromPromise(loadLibrary()));
  const { params, auth, proxy, proxyAuth, proxyHeaders, ssl, serverHostname } = options;
  const request: InternalRequestOptions = {
    params,
    auth,
    proxy,
    proxyAuth,
    proxyHeaders,
    ssl,
    serverHostname,
    headers: offer.headers,
    readUntilEof: false,
    _upgrade: 'websocket',
  };
  const response = yield* session.request(method, url, request);
  try {
    return open(session, library, response, offer, options);
  } catch (error) {
    response.close();
    throw error;
  }
}

function open(
  session: ClientSession,
  library: WsLibrary,
  response: ClientResponse,
  offer: WebSocketOffer,
  options: WSConnectOptions<boolean>,
): ClientWebSocketResponse<boolean> {
  const { protocol, deflate: params } = checkAnswer(response, offer);
  const socket = response._upgraded;
  if (socket === null) throw handshakeError(response, 'Invalid upgrade header');
  const {
    timeout = DEFAULT_WS_CLIENT_TIMEOUT,
    autoclose = true,
    autoping = true,
    heartbeat = null,
  } = options;
  const maxMsgSize = Math.min(options.maxMsgSize ?? 4 * 2 ** 20, MAX_MSG_SIZE);
  const loop = requireLoop();
  const deflate = params === null ? null : createDeflate(library, params, maxMsgSize);
  const queue = new WebSocketDataQueue(loop);
  const reader = new WebSocketReader(library, socket, queue, {
    maxMsgSize,
    decodeText: options.decodeText ?? true,
    deflate,
  });
  const writer = new WebSocketWriter(library, loop, socket, deflate);
  const { _wsResponseClass: Response } = session;
  return new Response(queue, writer, reader, response, loop, {
    protocol,
    timeout,
    autoclose,
    autoping,
    heartbeat: heartbeat === null ? null : toSeconds(heartbeat, 'heartbeat'),
    compress: params?.clientWindowBits ?? 0,
    clientNotakeover: params?.clientNotakeover ?? false,
  });
}

/** What `ClientSession.wsConnect` does. */
export const wsConnect = /* @__PURE__ */ contextManager(
  'ClientSession.wsConnect',
  wsConnectTo,
  function* (ws, body) {
    return yield* ws._run(body);
  },
) as unknown as <DecodeText extends boolean = true>(
  session: ClientSession,
  url: string | URL,
  options: WSConnectOptions<DecodeText>,
) => RequestContextManager<ClientWebSocketResponse<DecodeText>>;
