/** Connections and their pool. Counterpart: `aiohttp/connector.py`. */
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { BaseEventLoop } from '../core/base-events.ts';
import { coroutine, fromPromise } from '../core/coroutines.ts';
import { requireLoop, toSeconds } from '../core/events.ts';
import { TimeoutError } from '../core/exceptions.ts';
import type { Future } from '../core/futures.ts';
import type { Coroutine, Delay, Gen } from '../core/types.ts';
import type { ResponseHandler } from './client-proto.ts';
import { type ClientTimeout, within } from './client-timeout.ts';
import type { Channel, Engine, WireRequest } from './engine.ts';
import {
  ClientConnectionError,
  ClientConnectorCertificateError,
  ClientConnectorDNSError,
  ClientConnectorError,
  ClientConnectorSSLError,
  ConnectionTimeoutError,
  ServerDisconnectedError,
} from './exceptions.ts';
import { waitOutside } from './helpers.ts';
import { Places } from './places.ts';

/**
 * How to do TLS: `true` checks the server's certificate, `false` does not, and options are those of Node's
 * `tls.connect` (`ca`, `cert`, `key`, `minVersion`, …).
 */
export type SslOption = boolean | ConnectionOptions;

/** What a connection leads to. Requests of equal keys can share one. */
export interface ConnectionKey {
  readonly host: string;
  readonly port: number | null;
  readonly isSsl: boolean;
  readonly ssl: SslOption;
}

/** Options of all connectors. */
export interface BaseConnectorOptions {
  /** Seconds that an idle connection is kept for the next request; null for no limit. Default 15. */
  keepaliveTimeout?: Delay | null | undefined;
  /** Close each connection after its request. Default false. */
  forceClose?: boolean | undefined;
  /** Connections in use at once, in total; 0 for no limit. Default 100. */
  limit?: number | undefined;
  /** Connections in use at once to one host, port and kind of TLS; 0 for no limit. Default 0. */
  limitPerHost?: number | undefined;
}

/** Loaded at the first connection: undici takes 50 ms. */
let engine: Engine | null = null;

/**
 * A connection in the hands of one request.
 *
 * Source: aiohttp 3.14 `aiohttp.connector.Connection`.
 */
export class Connection {
  readonly #connector: BaseConnector;
  readonly #key: ConnectionKey;
  readonly #channel: Channel;
  #handler: ResponseHandler | null = null;
  #isOver = false;

  /** @internal */
  constructor(connector: BaseConnector, key: ConnectionKey, channel: Channel) {
    this.#connector = connector;
    this.#key = key;
    this.#channel = channel;
  }

  /** Whether it was given back or closed. */
  get closed(): boolean {
    return this.#isOver;
  }

  /** Whether an earlier request used it: the server may have closed it since. */
  get isReused(): boolean {
    return this.#channel.served > 0;
  }

  /** @internal */
  _send(request: WireRequest, handler: ResponseHandler): void {
    this.#handler = handler;
    this.#channel.send(request, handler);
  }

  /** Close it for good. */
  close(): void {
    this._fail(new ClientConnectionError('Connection closed'));
  }

  /** @internal Close it with an error for whoever waits for its response. */
  _fail(error: ClientConnectionError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handler?.fail(error);
    this.#channel.destroy(error);
    this.#connector._release(this, this.#key, null);
  }

  /** Give it back, for the next request; closes it if the response has not come in completely. */
  release(): void {
    if (this.#isOver) return;
    if (this.#handler?.isComplete !== true) {
      this.close();
      return;
    }
    this.#isOver = true;
    this.#channel.served++;
    this.#connector._release(this, this.#key, this.#channel);
  }
}

const connectorClosed = (): ClientConnectionError => new ClientConnectionError('Connector is closed.');

/**
 * A pool of connections, with limits on how many are in use.
 *
 * Source: aiohttp 3.14 `aiohttp.BaseConnector`.
 */
export abstract class BaseConnector {
  /** Connections in use at once; 0 for no limit. */
  readonly limit: number;
  /** The same for each host; 0 for no limit. */
  readonly limitPerHost: number;
  /** Whether connections serve one request only. */
  readonly forceClose: boolean;
  readonly #keepaliveTimeout: number;
  readonly #loop: BaseEventLoop;
  #isClosed = false;
  readonly #places: Places;
  readonly #idle = new Map<string, Channel[]>();
  readonly #used = new Set<Connection>();
  /** All sockets that are not closed yet. */
  readonly #sockets = new Set<Socket>();
  /** Set when the last socket of a closed connector is gone. */
  readonly #gone: Future<void>[] = [];

  /** @throws RuntimeError without a running loop. */
  constructor(options: BaseConnectorOptions = {}) {
    const { keepaliveTimeout, forceClose = false, limit = 100, limitPerHost = 0 } = options;
    if (forceClose && keepaliveTimeout !== undefined && keepaliveTimeout !== null) {
      throw new RangeError('keepaliveTimeout cannot be set if forceClose is true');
    }
    this.#loop = requireLoop();
    this.limit = limit;
    this.limitPerHost = limitPerHost;
    this.forceClose = forceClose;
    this.#places = new Places(this.#loop, limit, limitPerHost);
    this.#keepaliveTimeout =
      keepaliveTimeout === null
        ? Number.POSITIVE_INFINITY
        : toSeconds(keepaliveTimeout ?? 15, 'keepaliveTimeout');
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** @internal */
  get _loop(): BaseEventLoop {
    return this.#loop;
  }

  /** @internal A socket to the host of `key`, on its way. */
  abstract _open(key: ConnectionKey, engine: Engine): Socket;

  /**
   * Close all connections, those in use too; requests that wait for one fail.
   *
   * Waits until the sockets are closed.
   *
   * Cancellation: they are closed all the same.
   *
   * Source: aiohttp 3.14 `BaseConnector.close`.
   */
  close(): Coroutine<void> {
    return closeConnector(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @internal */
  *_close(): Gen<void> {
    this.#isClosed = true;
    this.#places.close(connectorClosed());
    for (const connection of this.#used) connection._fail(connectorClosed());
    for (const channels of this.#idle.values()) {
      for (const channel of channels) channel.destroy(connectorClosed());
    }
    this.#idle.clear();
    // Those on their way.
    for (const socket of this.#sockets) socket.destroy();
    if (this.#sockets.size === 0) return;
    const gone = this.#loop.createFuture<void>();
    this.#gone.push(gone);
    yield* waitOutside(this.#loop, gone);
  }

  /**
   * @internal A connection: an idle one, else a new one, as soon as the limits allow. In order of the calls.
   *
   * Cancellation: the place goes to the next in line, and a socket on its way is closed.
   */
  *_connect(key: ConnectionKey, limits: ClientTimeout, url: URL): Gen<Connection> {
    try {
      return yield* within(limits.connect, () => this.#acquire(key, limits));
    } catch (error) {
      if (!(error instanceof TimeoutError) || error instanceof ConnectionTimeoutError) throw error;
      throw new ConnectionTimeoutError(`Connection timeout to host ${url}`, { cause: error });
    }
  }

  *#acquire(key: ConnectionKey, limits: ClientTimeout): Gen<Connection> {
    const name = nameOf(key);
    yield* this.#places.take(name);
    try {
      if (this.#isClosed) throw connectorClosed();
      const channel = this.#takeIdle(name) ?? (yield* this.#create(key, limits));
      const connection = new Connection(this, key, channel);
      this.#used.add(connection);
      return connection;
    } catch (error) {
      this.#places.leave(name);
      throw error;
    }
  }

  *#create(key: ConnectionKey, limits: ClientTimeout): Gen<Channel> {
    engine ??= yield* fromPromise(import('./engine.ts'));
    // Closed meanwhile.
    if (this.#isClosed) throw connectorClosed();
    const socket = this._open(key, engine);
    this.#watch(socket);
    try {
      yield* within(limits.sockConnect, () => this.#untilConnected(key, socket));
      const channel = engine.createChannel(socket, key, this.#keepaliveTimeout);
      socket.once('close', () => this.#forget(nameOf(key), channel));
      return channel;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  *#untilConnected(key: ConnectionKey, socket: Socket): Gen<void> {
    const connected = this.#loop.createFuture<void>();
    socket.once(key.isSsl ? 'secureConnect' : 'connect', () => {
      if (!connected.done()) connected.setResult();
    });
    socket.once('error', (error) => {
      if (!connected.done()) connected.setException(connectorError(key, error));
    });
    socket.once('close', () => {
      if (connected.done()) return;
      // Without a word: shut down here, or refused by a server that wants no TLS.
      connected.setException(this.#isClosed ? connectorClosed() : new ServerDisconnectedError());
    });
    yield* waitOutside(this.#loop, connected);
  }

  #watch(socket: Socket): void {
    this.#sockets.add(socket);
    // An error of an idle connection is its end, and no more.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size > 0) return;
      for (const gone of this.#gone.splice(0)) if (!gone.done()) gone.setResult();
    });
  }

  #takeIdle(name: string): Channel | null {
    const channels = this.#idle.get(name) ?? [];
    for (let channel = channels.pop(); channel !== undefined; channel = channels.pop()) {
      if (!channel.socket.destroyed && channel.socket.writable) return channel;
    }
    this.#idle.delete(name);
    return null;
  }

  /** @internal A request is done with its connection; null if that is closed. */
  _release(connection: Connection, key: ConnectionKey, channel: Channel | null): void {
    const name = nameOf(key);
    this.#used.delete(connection);
    if (channel !== null) this.#keep(name, channel);
    this.#places.leave(name);
  }

  #keep(name: string, channel: Channel): void {
    const { socket } = channel;
    if (this.#isClosed || this.forceClose || socket.destroyed) {
      channel.destroy(new ClientConnectionError('Connection closed'));
      return;
    }
    const channels = this.#idle.get(name);
    if (channels === undefined) this.#idle.set(name, [channel]);
    else channels.push(channel);
  }

  #forget(name: string, channel: Channel): void {
    const channels = this.#idle.get(name);
    const place = channels?.indexOf(channel) ?? -1;
    if (channels === undefined || place < 0) return;
    channels.splice(place, 1);
    if (channels.length === 0) this.#idle.delete(name);
  }
}

const closeConnector = coroutine(function* close(connector: BaseConnector): Gen<void> {
  yield* connector._close();
});

/**
 * Connections over TCP, with TLS or without.
 *
 * @param options.ssl - how to do TLS. Default true.
 *
 * Source: aiohttp 3.14 `aiohttp.TCPConnector`.
 */
export class TCPConnector extends BaseConnector {
  /** How TLS is done, unless a request says otherwise. */
  readonly ssl: SslOption;

  constructor(options: BaseConnectorOptions & { ssl?: SslOption | undefined } = {}) {
    super(options);
    this.ssl = options.ssl ?? true;
  }

  /** @internal */
  override _open(key: ConnectionKey, engine: Engine): Socket {
    return engine.openSocket(key);
  }
}

const optionNames = new WeakMap<object, number>();
let lastOptionName = 0;

/** Equal for keys whose requests can share a connection. TLS options are told apart by identity. */
function nameOf({ host, port, isSsl, ssl }: ConnectionKey): string {
  let how = String(ssl);
  if (typeof ssl === 'object') {
    if (!optionNames.has(ssl)) optionNames.set(ssl, ++lastOptionName);
    how = `options ${optionNames.get(ssl)}`;
  }
  return `${host} ${port} ${isSsl ? how : ''}`;
}

// The codes that Node takes from OpenSSL's list of reasons not to trust a certificate.
const CERTIFICATE_CODES = /CERT|CRL|ERR_TLS_|UNABLE_TO_|PATH_LENGTH|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)/;

function connectorError(key: ConnectionKey, error: Error): ClientConnectorError {
  const { code = '', syscall } = error as NodeJS.ErrnoException;
  if (syscall === 'getaddrinfo') return new ClientConnectorDNSError(key, error);
  if (!key.isSsl || syscall === 'connect') return new ClientConnectorError(key, error);
  if (CERTIFICATE_CODES.test(code)) return new ClientConnectorCertificateError(key, error);
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) return new ClientConnectorSSLError(key, error);
  return new ClientConnectorError(key, error);
}
