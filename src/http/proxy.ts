/** Proxies: credentials and tunnels. Counterpart: `_create_proxy_connection` of `aiohttp/connector.py`. */
import type { ClientRequest as NodeRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { fromPromise } from '../core/coroutines.ts';
import type { Gen } from '../core/types.ts';
import { BasicAuth } from './auth.ts';
import type { ClientRequest, RequestInfo } from './client-request.ts';
import { ClientHttpProxyError, ClientOSError, ServerDisconnectedError } from './exceptions.ts';
import { waitOutside } from './helpers.ts';
import { CIMultiDict, CIMultiDictProxy } from './multidict.ts';
import type { Pool } from './pool.ts';

/** Who we are, for the proxy: as `Authorization` in the headers for it, given apart, or in its URL. */
function proxyAuthorization({ proxy, proxyAuth, proxyHeaders }: ClientRequest): string | null {
  if (proxyAuth !== null) return proxyAuth.encode();
  const ofUrl = proxy === null ? null : BasicAuth.fromUrl(proxy);
  if (ofUrl !== null) return ofUrl.encode();
  return proxyHeaders?.get('proxy-authorization') ?? proxyHeaders?.get('authorization') ?? null;
}

/**
 * Give the proxy its credentials with a request that it reads itself. One that goes through a tunnel is read by the
 * origin, which must not see them.
 *
 * @throws RangeError for a request through a tunnel that carries them in its own headers.
 */
export function authorizeForProxy(request: ClientRequest): void {
  if (request._isTunnelled) {
    if (!request.headers.has('proxy-authorization')) return;
    throw new RangeError(
      'Proxy-Authorization would be sent to the origin: give it as proxyAuth or in proxyHeaders',
    );
  }
  const authorization = proxyAuthorization(request);
  if (authorization !== null) request.headers.set('Proxy-Authorization', authorization);
}

/** Host and port as `CONNECT` wants them. */
function authorityOf(request: ClientRequest): string {
  const { hostname, port } = request.url;
  return `${hostname}:${port === '' ? (request.isSsl() ? 443 : 80) : port}`;
}

function tunnelHeaders(request: ClientRequest): CIMultiDict {
  const headers = new CIMultiDict({ Host: authorityOf(request) });
  const agent = request.headers.get('user-agent');
  if (agent !== null) headers.set('User-Agent', agent);
  for (const [name, value] of request.proxyHeaders ?? []) {
    if (name.toLowerCase() !== 'authorization') headers.add(name, value);
  }
  const authorization = proxyAuthorization(request);
  if (authorization !== null) headers.set('Proxy-Authorization', authorization);
  return headers;
}

/**
 * Ask a proxy for a tunnel to the origin of `request`.
 *
 * @param socket - a connection to the proxy. What the origin says comes from it afterwards.
 * @throws ClientHttpProxyError if the proxy answers otherwise than with 200; ServerDisconnectedError and ClientOSError
 *   if it does not answer. The connection is closed then.
 *
 * Cancellation: the connection is closed.
 */
export function* openTunnel({ loop }: Pool, socket: Socket, request: ClientRequest): Gen<void> {
  const { request: send } = yield* fromPromise(import('node:http'));
  const headers = tunnelHeaders(request);
  const answer = loop.createFuture<void>();
  const fail = (error: Error): void => {
    if (!answer.done()) answer.setException(error);
  };
  let asked: NodeRequest | null = null;
  let isOpen = false;
  try {
    asked = send({
      method: 'CONNECT',
      path: authorityOf(request),
      setHost: false,
      createConnection: () => socket,
    });
    asked.on('error', (error) => fail(failure(request, headers, error)));
    for (const [name, value] of headers) asked.appendHeader(name, value);
    // Node would write one of its own.
    asked.removeHeader('connection');
    asked.on('connect', (response, _socket, early) => {
      if (response.statusCode !== 200) fail(refusal(request, headers, response));
      // The origin waits for our first word: who speaks before is not the origin.
      else if (early.length > 0)
        fail(new ServerDisconnectedError('The proxy sent data before the tunnel was used'));
      else if (!answer.done()) answer.setResult();
    });
    asked.end();
    yield* waitOutside(loop, answer);
    isOpen = true;
  } finally {
    if (!isOpen) {
      answer.cancel();
      asked?.destroy();
      socket.destroy();
    }
  }
}

function refusal(request: ClientRequest, headers: CIMultiDict, response: IncomingMessage): Error {
  const { statusCode = 0, statusMessage = '', rawHeaders } = response;
  const received = new CIMultiDict();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    received.add(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  }
  const details = { status: statusCode, message: statusMessage, headers: new CIMultiDictProxy(received) };
  return new ClientHttpProxyError(infoOf(request, headers), [], details);
}

function failure(request: ClientRequest, headers: CIMultiDict, error: NodeJS.ErrnoException): Error {
  const { code = '', message } = error;
  if (code.startsWith('HPE_')) {
    return new ClientHttpProxyError(infoOf(request, headers), [], { status: 400, message, cause: error });
  }
  // Node's word for a peer that hangs up.
  if (message === 'socket hang up') return new ServerDisconnectedError(undefined, { cause: error });
  return new ClientOSError(error);
}

// Without the credentials of the proxy, which have no place in the text of an error.
function infoOf(request: ClientRequest, headers: CIMultiDict): RequestInfo {
  const proxy = new URL(request.proxy as URL);
  proxy.username = '';
  proxy.password = '';
  return { url: request.url, method: 'CONNECT', headers, realUrl: proxy };
}
