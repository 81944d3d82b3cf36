/** Connections and their pool. Counterpart: `BaseConnector` of `aiohttp/connector.py`. */
import type { Duplex } from 'node:stream';
import type { BaseEventLoop } from '../core/base-events.ts';
import { coroutine, fromPromise } from '../core/coroutines.ts';
import { requireLoop, toSeconds } from '../core/events.ts';
import { TimeoutError } from '../core/exceptions.ts';
import { extractStack } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import type { Coroutine, Delay, ExceptionContext, Gen } from '../core/types.ts';
import type { ClientRequest } from './client-request.ts';
import { type ClientTimeout, within } from './client-timeout.ts';
import { Connection } from './connection.ts';
import { type ConnectionKey, nameOf, type SslOption } from './connection-key.ts';
import type { Channel, Engine } from './engine.ts';
import { ConnectionTimeoutError } from './exceptions.ts';
import { checkOptions, optionNames, ownOptions } from './options.ts';
import { connectorClosed, type Destination, Pool } from './pool.ts';
import { authorizeForProxy } from './proxy.ts';
import { sendTraces, type Trace } from './tracing.ts';

export { Connection, type ConnectionKey, type SslOption };

/** Options of all connectors. */
export interface BaseConnectorOptions {
  /** Seconds that an idle connection is kept for the next request; null for no limit. Default 15. */
  keepaliveTimeout?: Delay | null | undefined;
  /** Close each connection after its request. Default false. */
  forceClose?: boolean | undefined;
  /** Connections in use at once, in total; 0 for no limit. Default 100. */
  limit?: number | undefined;
  /** Connections in use at once to one host, port, kind of TLS and proxy; 0 for no limit. Default 0. */
  limitPerHost?: number | undefined;
  /** Close an encrypted connection the hard way when its goodbye takes more than 2 seconds. Default false. */
  enableCleanupClosed?: boolean | undefined;
  /** A `keepaliveTimeout` of more seconds than this ends on a full second of the loop's clock. Default 5. */
  timeoutCeilThreshold?: number | undefined;
}

/** What all connectors take. */
export const CONNECTOR_OPTIONS = {
  keepaliveTimeout: true,
  forceClose: true,
  limit: true,
  limitPerHost: true,
  enableCleanupClosed: true,
  timeoutCeilThreshold: true,
} as const;

interface CloseOptions {
  abortSsl?: boolean | undefined;
}

const CLOSE_OPTIONS = /* @__PURE__ */ optionNames<CloseOptions>('BaseConnector.close', { abortSsl: true });

/** Loaded at the first connection: undici takes 50 ms. */
let engine: Engine | null = null;

/** What the registry of collected connectors holds in their place. */
interface Remains {
  readonly name: string;
  readonly pool: Pool;
  readonly created: ReturnType<typeof extractStack> | null;
}

const abandoned = /* @__PURE__ */ new FinalizationRegistry<Remains>(({ name, pool, created }) => {
  if (pool.isClosed || !pool.hasIdle) return;
  const connections = pool.describeIdle();
  pool.close(false);
  logger.warning(`ResourceWarning: Unclosed connector ${name}`);
  const context: ExceptionContext = { message: 'Unclosed connector', connector: name, connections };
  if (created !== null) context['sourceTraceback'] = created;
  pool.loop.callExceptionHandler(context);
});

/**
 * A pool of connections, with limits on how many are in use. One that is collected without having been closed closes
 * its connections, warns, and tells the loop's exception handler.
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
  /** @internal */ readonly _pool: Pool;

  /** @throws RuntimeError without a running loop; RangeError for options that contradict each other; TypeError for unknown ones. */
  constructor(given: BaseConnectorOptions = {}) {
    const options = ownOptions(given, optionNames<BaseConnectorOptions>(new.target.name, CONNECTOR_OPTIONS));
    const { keepaliveTimeout, forceClose = false, limit = 100, limitPerHost = 0 } = options;
    if (forceClose && keepaliveTimeout !== undefined && keepaliveTimeout !== null) {
      throw new RangeError('keepaliveTimeout cannot be set if forceClose is true');
    }
    const loop = requireLoop();
    this.limit = limit;
    this.limitPerHost = limitPerHost;
    this.forceClose = forceClose;
    this._pool = new Pool(loop, {
      limit,
      limitPerHost,
      forceClose,
      keepaliveTimeout:
        keepaliveTimeout === null
          ? Number.POSITIVE_INFINITY
          : toSeconds(keepaliveTimeout ?? 15, 'keepaliveTimeout'),
      timeoutCeilThreshold: options.timeoutCeilThreshold ?? 5,
      enableCleanupClosed: options.enableCleanupClosed ?? false,
    });
    const name = `<${this.constructor.name}>`;
    abandoned.register(this, { name, pool: this._pool, created: loop.getDebug() ? extractStack() : null });
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this._pool.isClosed;
  }

  /** @internal Whether it can go through a proxy. */
  get _takesProxies(): boolean {
    return true;
  }

  /** @internal */
  get _loop(): BaseEventLoop {
    return this._pool.loop;
  }

  /**
   * Make a connection: what a connector of one's own has to do.
   *
   * @param request - what the connection is for: its `url`, `ssl`, `serverHostname` and `proxy` say where it leads.
   * @param traces - whom to tell.
   * @param timeout - its `sockConnect` is the limit for this.
   * @returns a stream that is connected, with TLS if the request asks for it (`request.isSsl()`).
   *
   * Cancellation: nothing may stay open.
   *
   * Source: aiohttp 3.14 `BaseConnector._create_connection`, which gives a protocol.
   */
  abstract _createConnection(
    request: ClientRequest,
    traces: readonly Trace[],
    timeout: ClientTimeout,
  ): Coroutine<Duplex> | Gen<Duplex> | PromiseLike<Duplex>;

  /**
   * Close all connections, those in use too; requests that wait for one fail.
   *
   * Waits until the sockets are closed. The goodbye of TLS, to a peer that does not read, takes 2 seconds at most.
   *
   * @param options.abortSsl - close encrypted connections without the goodbye. Default false.
   *
   * Cancellation: they are closed at once.
   *
   * Source: aiohttp 3.14 `BaseConnector.close`.
   */
  close(options: CloseOptions = {}): Coroutine<void> {
    checkOptions(options, CLOSE_OPTIONS);
    return closeConnector(this, options.abortSsl ?? false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @internal */
  *_close(abortSsl: boolean): Gen<void> {
    this._pool.close(abortSsl);
    yield* this._pool.drained();
  }

  /**
   * Get a connection: an idle one, else a new one, as soon as the limits allow. In order of the calls.
   *
   * @throws ClientConnectorError, or one of its subclasses, if no connection can be made; ConnectionTimeoutError;
   *   ClientConnectionError if the connector is closed.
   *
   * Cancellation: the place goes to the next in line, and a socket on its way is closed.
   *
   * Source: aiohttp 3.14 `BaseConnector.connect`.
   */
  connect(request: ClientRequest, traces: readonly Trace[], timeout: ClientTimeout): Coroutine<Connection> {
    return connect(this, request, traces, timeout);
  }

  /** @internal The way to a connection that nobody has to wait for, or to be told of; null: take the long one. */
  _reuse(request: ClientRequest): Connection | null {
    const { _pool: pool } = this;
    if (pool.isClosed || request.proxy !== null || request._isFresh) return null;
    const destination = pool.find(nameOf(request));
    if (destination === null || destination.idle.length === 0 || !pool.take(destination)) return null;
    const channel = pool.takeIdle(destination);
    if (channel !== null) return new Connection(this, destination, channel);
    pool.leave(destination);
    return null;
  }

  /** @internal */
  *_connect(request: ClientRequest, traces: readonly Trace[], limits: ClientTimeout): Gen<Connection> {
    const { _pool: pool } = this;
    if (pool.isClosed) throw connectorClosed();
    if (request.proxy !== null) authorizeForProxy(request);
    const destination = pool.destination(nameOf(request));
    const hasPlace = pool.take(destination);
    if (hasPlace) {
      const connection = yield* this.#takeIdle(destination, request, traces);
      if (connection !== null) return connection;
    }
    try {
      return yield* within(limits.connect, limits.ceilThreshold, () =>
        this.#waitOrCreate(destination, hasPlace, request, traces, limits),
      );
    } catch (error) {
      if (!(error instanceof TimeoutError) || error instanceof ConnectionTimeoutError) throw error;
      throw new ConnectionTimeoutError(`Connection timeout to host ${request.url}`, { cause: error });
    }
  }

  /** An idle connection, for who has a place; an error costs the place. */
  *#takeIdle(
    destination: Destination,
    request: ClientRequest,
    traces: readonly Trace[],
  ): Gen<Connection | null> {
    const channel = request._isFresh ? null : this._pool.takeIdle(destination);
    if (channel === null) return null;
    const connection = new Connection(this, destination, channel);
    if (traces.length === 0) return connection;
    let isTold = false;
    try {
      yield* sendTraces(traces, 'onConnectionReuseconn', {});
      if (this._pool.isClosed) throw connectorClosed();
      isTold = true;
    } finally {
      if (!isTold) connection.close();
    }
    return connection;
  }

  *#waitOrCreate(
    destination: Destination,
    hasPlace: boolean,
    request: ClientRequest,
    traces: readonly Trace[],
    limits: ClientTimeout,
  ): Gen<Connection> {
    const { _pool: pool } = this;
    if (!hasPlace) {
      yield* pool.wait(destination, traces);
      const connection = yield* this.#takeIdle(destination, request, traces);
      if (connection !== null) return connection;
    }
    let channel: Channel | null = null;
    let isMade = false;
    try {
      if (traces.length > 0) yield* sendTraces(traces, 'onConnectionCreateStart', {});
      channel = yield* this.#create(destination, request, traces, limits);
      if (traces.length > 0) yield* sendTraces(traces, 'onConnectionCreateEnd', {});
      if (pool.isClosed) throw connectorClosed();
      isMade = true;
    } finally {
      if (!isMade) {
        channel?.destroy(connectorClosed());
        pool.leave(destination);
      }
    }
    return new Connection(this, destination, channel);
  }

  *#create(
    destination: Destination,
    request: ClientRequest,
    traces: readonly Trace[],
    limits: ClientTimeout,
  ): Gen<Channel> {
    const { _pool: pool } = this;
    engine ??= yield* fromPromise(import('./engine.ts'));
    if (pool.isClosed) throw connectorClosed();
    const making = this._createConnection(request, traces, limits);
    const socket = yield* Symbol.iterator in making ? making : fromPromise(making);
    pool.watch(socket);
    if (pool.isClosed) {
      socket.destroy();
      throw connectorClosed();
    }
    destination.origin ??= new URL(request.url.origin);
    const channel = engine.createChannel(socket, destination.origin);
    socket.on('close', () => pool.forget(destination, channel));
    return channel;
  }
}

const connect = coroutine(function* connect(
  connector: BaseConnector,
  request: ClientRequest,
  traces: readonly Trace[],
  timeout: ClientTimeout,
): Gen<Connection> {
  return yield* connector._connect(request, traces, timeout);
});

const closeConnector = coroutine(function* close(connector: BaseConnector, abortSsl: boolean): Gen<void> {
  yield* connector._close(abortSsl);
});
