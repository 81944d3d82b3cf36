/**
 * HTTP/1.1 on one socket, by undici. No counterpart in aiohttp, whose parser is its own. The only module that runs
 * undici: another engine needs these two functions, too.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Dispatcher } from 'undici';
import Client from 'undici/lib/dispatcher/client.js';
import type { ResponseHandler } from './client-proto.ts';
import type { ConnectionKey } from './connector.ts';
import { ServerDisconnectedError } from './exceptions.ts';

/** What this module offers. */
export interface Engine {
  openSocket(key: ConnectionKey): Socket;
  createChannel(socket: Socket, key: ConnectionKey, keepaliveTimeout: number): Channel;
}

/** A request as it goes to the server. */
export interface WireRequest {
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
  readonly method: string;
  readonly headers: Iterable<[name: string, value: string]>;
  readonly body: Uint8Array | null;
}

/** Node's timers take no more milliseconds. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** A socket to the host of `key`, on its way; for TLS with the handshake. */
export function openSocket(key: ConnectionKey): Socket {
  const { host, isSsl, ssl } = key;
  const port = key.port ?? (isSsl ? 443 : 80);
  if (!isSsl) return connectTcp({ host, port, noDelay: true, keepAlive: true });
  const options = typeof ssl === 'object' ? ssl : { rejectUnauthorized: ssl };
  // Without ALPN some servers take it for a client of HTTP/2.
  return connectTls({
    host,
    port,
    ALPNProtocols: ['http/1.1'],
    ...serverName(host),
    ...options,
  }).setNoDelay();
}

/** The name to ask for, which must not be an address. */
function serverName(host: string): { servername?: string } {
  return /^[\d.]+$|:/.test(host) ? {} : { servername: host };
}

/** One socket, and the undici client that speaks HTTP on it and on no other. */
export class Channel {
  readonly socket: Socket;
  served = 0;
  readonly #client: Client;

  constructor(socket: Socket, origin: string, keepaliveTimeout: number) {
    this.socket = socket;
    let isTaken = false;
    this.#client = new Client(origin, {
      // The limits of time are the loop's; undici's own run on another clock, of half a second.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: Math.max(1, Math.min(Math.ceil(keepaliveTimeout * 1000), MAX_TIMEOUT_MS)),
      keepAliveMaxTimeout: Math.max(1, Math.min(Math.ceil(keepaliveTimeout * 1000), MAX_TIMEOUT_MS)),
      connect(_options, callback) {
        // Later, as undici's own would; and once: when the socket is gone, so is this channel.
        if (isTaken) queueMicrotask(() => callback(new ServerDisconnectedError(), null));
        else queueMicrotask(() => callback(null, socket));
        isTaken = true;
      },
    });
  }

  send(request: WireRequest, handler: ResponseHandler): void {
    const options: Dispatcher.DispatchOptions = {
      origin: request.origin,
      path: request.path,
      method: request.method,
      headers: request.headers,
      body: request.body,
    };
    this.#client.dispatch(options, handler);
  }

  destroy(error: Error): void {
    this.#client.destroy(error, () => {});
    this.socket.destroy();
  }
}

export function createChannel(socket: Socket, key: ConnectionKey, keepaliveTimeout: number): Channel {
  const { host, port, isSsl } = key;
  const name = host.includes(':') ? `[${host}]` : host;
  return new Channel(socket, `${isSsl ? 'https' : 'http'}://${name}:${port}`, keepaliveTimeout);
}
