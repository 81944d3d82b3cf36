/** The event loop on Node, with all that it can wait for. Counterpart: `asyncio/unix_events.py`. */
import type { Socket } from 'node:net';
import { BaseEventLoop } from '../core/base-events.ts';
import { setPlatformLoop } from '../core/events.ts';
import type { Host } from '../core/host.ts';
import type { Coroutine } from '../core/types.ts';
import { NodeHost } from '../host/node.ts';
import {
  type Connection,
  type ConnectionOptions,
  connectAcceptedSocket,
  createConnection,
  createUnixConnection,
  type StartTlsOptions,
  startTls,
  type UnixConnectionOptions,
} from './connections.ts';
import { closeAll } from './open-resources.ts';
import type { BaseProtocol } from './protocols.ts';
import {
  createServer,
  createUnixServer,
  type Server,
  type ServerOptions,
  type UnixServerOptions,
} from './server.ts';
import type { TlsContext, TlsOptions } from './tls.ts';
import type { Transport } from './transports.ts';

/**
 * A loop that runs on Node and knows its sockets, processes and signals.
 *
 * Source: CPython 3.14 `asyncio.selector_events.BaseSelectorEventLoop`.
 */
export class NodeEventLoop extends BaseEventLoop {
  /** As `BaseEventLoop.close`; closes the connections and servers of this loop that are still open, too. */
  override close(): void {
    super.close();
    closeAll(this);
  }

  /**
   * Connect to a host. The addresses of its name are tried in order; then `protocolFactory` makes the protocol, which
   * hears `connectionMade` before this is over.
   *
   * @param host - a name or an address; null for this machine.
   * @param port - a number.
   * @returns the transport and the protocol.
   * @throws the system's error if no address answers; of several with different texts, one that names them all, or with
   *   `allErrors` an ExceptionGroup. RangeError for options that do not go together.
   *
   * Cancellation: closes what was opened.
   *
   * Source: CPython 3.14 `asyncio.loop.create_connection`.
   */
  createConnection<P extends BaseProtocol>(
    protocolFactory: () => P,
    host?: string | null,
    port?: number | string | null,
    options: ConnectionOptions = {},
  ): Coroutine<Connection<P>> {
    return createConnection(this, protocolFactory, host ?? null, port ?? null, options);
  }

  /**
   * Connect to a Unix socket; on Windows to a named pipe. As `createConnection`.
   *
   * Source: CPython 3.14 `asyncio.loop.create_unix_connection`.
   */
  createUnixConnection<P extends BaseProtocol>(
    protocolFactory: () => P,
    path?: string | null,
    options: UnixConnectionOptions = {},
  ): Coroutine<Connection<P>> {
    return createUnixConnection(this, protocolFactory, path ?? null, options);
  }

  /**
   * Listen at a host and port; `protocolFactory` makes a protocol for each connection.
   *
   * @param host - a name, an address, or several; null or empty: all interfaces.
   * @param port - 0 or null: any that is free, one for each family.
   * @throws the system's error, with the address, if one of the addresses is taken: then it listens on none.
   *
   * Cancellation: closes what was opened.
   *
   * Source: CPython 3.14 `asyncio.loop.create_server`.
   */
  createServer(
    protocolFactory: () => BaseProtocol,
    host?: string | readonly string[] | null,
    port?: number | null,
    options: ServerOptions = {},
  ): Coroutine<Server> {
    return createServer(this, protocolFactory, host ?? null, port ?? null, options);
  }

  /**
   * Listen at a Unix socket; on Windows at a named pipe. A socket file that is there already is removed first.
   *
   * Source: CPython 3.14 `asyncio.loop.create_unix_server`.
   */
  createUnixServer(
    protocolFactory: () => BaseProtocol,
    path?: string | null,
    options: UnixServerOptions = {},
  ): Coroutine<Server> {
    return createUnixServer(this, protocolFactory, path ?? null, options);
  }

  /**
   * A transport for a connection that something else has accepted; the server's side of TLS.
   *
   * Source: CPython 3.14 `asyncio.loop.connect_accepted_socket`.
   */
  connectAcceptedSocket<P extends BaseProtocol>(
    protocolFactory: () => P,
    sock: Socket,
    options: TlsOptions & { ssl?: TlsContext | null } = {},
  ): Coroutine<Connection<P>> {
    return connectAcceptedSocket(this, protocolFactory, sock, options);
  }

  /**
   * Encrypt a connection from now on. The transport that it gives takes the place of the old one, which must not be used
   * any more; the protocol stays, and hears no second `connectionMade`.
   *
   * @throws TypeError for a transport that is no plain connection; the error of the handshake, after which the
   *   connection is closed.
   *
   * Cancellation: closes the connection.
   *
   * Source: CPython 3.14 `asyncio.loop.start_tls`.
   */
  startTls(
    transport: Transport,
    protocol: BaseProtocol,
    sslcontext: TlsContext,
    options: StartTlsOptions = {},
  ): Coroutine<Transport> {
    return startTls(this, transport, protocol, sslcontext, options);
  }
}

/**
 * The event loop on Node.
 *
 * Source: CPython 3.14 `asyncio.EventLoop`.
 */
export class EventLoop extends NodeEventLoop {
  /** @param host - in place of Node's own clock and wake-ups. */
  constructor(host: Host = new NodeHost()) {
    super(host);
    if (process.env['PYTHONASYNCIODEBUG']) this.setDebug(true);
  }
}

/** The same class, for programs that choose it by this name. Source: CPython 3.14 `asyncio.SelectorEventLoop`. */
export const SelectorEventLoop = EventLoop;

setPlatformLoop(() => new EventLoop());
