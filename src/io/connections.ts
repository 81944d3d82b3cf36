/** Connecting. Counterpart: the connections of `asyncio/base_events.py`. */
import type { Socket } from 'node:net';
import type { BaseEventLoop } from '../core/base-events.ts';
import { coroutine } from '../core/coroutines.ts';
import { toSeconds } from '../core/events.ts';
import { asError, isBaseError, isCancelledError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import { Future } from '../core/futures.ts';
import { PENDING } from '../core/running.ts';
import type { Delay, Gen } from '../core/types.ts';
import { type Address, checkUnixPath } from './addresses.ts';
import { net } from './builtins.ts';
import { Inlet, inlets } from './inlet.ts';
import { closed, opened, type OpenResource } from './open-resources.ts';
import { type ResolvedAddress, resolve } from './resolve.ts';
import { type Connect, connectionError, inTurn, interleaved, staggered } from './staggered.ts';
import type { BaseProtocol } from './protocols.ts';
import { type ConnectionOwner, ignore, SocketTransport } from './socket-transport.ts';
import {
  checkContext,
  checksNames,
  handshake,
  servernameOf,
  systemError,
  type TlsContext,
  type TlsOptions,
  type TlsSettings,
  tlsSettings,
} from './tls.ts';
import type { Transport } from './transports.ts';

/** Options of `loop.createConnection`. */
export interface ConnectionOptions extends TlsOptions {
  /** Encrypt: Node's `tls.SecureContext`, the options of `tls.connect`, or true for its defaults. */
  ssl?: TlsContext | boolean | null;
  /** 4 or 6: addresses of that family only. Default 0: any. */
  family?: 0 | 4 | 6;
  /** A connected socket, in place of host and port. */
  sock?: Socket | null;
  /** Where this end is to be. */
  localAddr?: Address | null;
  /** The name that the certificate must be for; default the host; empty: any. */
  serverHostname?: string | null;
  /** Seconds after which the next address is tried beside one that does not answer (RFC 8305). */
  happyEyeballsDelay?: Delay | null;
  /** How many addresses of the first family come before one of the other; default 1 with `happyEyeballsDelay`. */
  interleave?: number | null;
  /** Throw an ExceptionGroup with the errors of all addresses. */
  allErrors?: boolean;
}

/** Options of `loop.createUnixConnection`. */
export interface UnixConnectionOptions extends TlsOptions {
  /** As for `createConnection`. */
  ssl?: TlsContext | boolean | null;
  /** A connected socket, in place of the path. */
  sock?: Socket | null;
  /** The name that the certificate must be for; empty: any. Needed with `ssl`. */
  serverHostname?: string | null;
}

/** A connection and who hears of it. */
export type Connection<P> = [transport: Transport, protocol: P];

/** Waits for a socket to be connected. Cancelling it closes the socket. */
class ConnectFuture extends Future<Socket> implements OpenResource {
  readonly #socket: Socket;

  constructor(loop: BaseEventLoop, socket: Socket) {
    super(loop._own);
    this.#socket = socket;
    const onConnect = (): void => {
      socket.off('error', onError);
      if (this._state === PENDING) this.setResult(socket);
    };
    const onError = (error: Error): void => {
      socket.off('connect', onConnect);
      if (this._state === PENDING) this._fail(error);
    };
    // The first hears what comes before there is a transport, and what nobody wants to know.
    socket.on('error', ignore).once('connect', onConnect).once('error', onError);
  }

  override cancel(msg?: unknown): boolean {
    if (!super.cancel(msg)) return false;
    this._dispose();
    return true;
  }

  /** @internal Nobody wants the connection any more. */
  _dispose(): void {
    this.#socket.destroy();
  }
}

/** Wait for a connection; what comes of one that is given up is closed. */
function* connect(loop: BaseEventLoop, options: Record<string, unknown>): Gen<Socket> {
  const inlet = new Inlet();
  const socket = net().connect({ ...options, allowHalfOpen: true, onread: inlet } as unknown as {
    port: number;
  });
  inlets.set(socket, inlet);
  // Nothing is read before somebody wants it.
  socket.pause();
  const connected = new ConnectFuture(loop, socket);
  opened(loop, connected);
  try {
    return yield* connected;
  } catch (error) {
    connected._dispose();
    throw error;
  } finally {
    closed(loop, connected);
  }
}

function* connectTo(
  loop: BaseEventLoop,
  { host, port, family }: ResolvedAddress,
  locals: readonly ResolvedAddress[] | null,
): Gen<Socket> {
  const local = locals?.find((each) => each.family === family);
  if (locals !== null && local === undefined) {
    throw new Error(`no matching local address with family=${family} found`);
  }
  return yield* connect(loop, {
    host,
    port,
    family,
    noDelay: true,
    autoSelectFamily: false,
    ...(local !== undefined && { localAddress: local.host, localPort: local.port }),
  });
}

/** The addresses of a host; an error if there are none. */
function* resolved(
  loop: BaseEventLoop,
  host: string | null,
  port: number | string | null,
  family: number,
): Gen<readonly ResolvedAddress[]> {
  const addresses = yield* resolve(loop, host, port, family);
  if (addresses.length === 0) throw new Error('getaddrinfo() returned empty list');
  return addresses;
}

function checkTls(
  ssl: TlsContext | boolean | null,
  serverHostname: string | null,
  options: TlsOptions,
): void {
  const isOff = ssl === null || ssl === false;
  if (isOff && serverHostname !== null) throw new RangeError('serverHostname is only meaningful with ssl');
  for (const name of ['sslHandshakeTimeout', 'sslShutdownTimeout'] as const) {
    if (isOff && (options[name] ?? null) !== null)
      throw new RangeError(`${name} is only meaningful with ssl`);
  }
}

/** @throws RangeError for what is no socket of Node; TypeError for one that is encrypted already. */
export function checkSocket(sock: unknown): Socket {
  if (!(sock instanceof net().Socket))
    throw new RangeError(`A Stream Socket was expected, got ${repr(sock)}`);
  if ('encrypted' in sock) throw new TypeError('Socket cannot be of type TLSSocket');
  return sock;
}

/** The protocol and the transport of a connected socket, once the protocol knows of it. */
export function* makeTransport<P extends BaseProtocol>(
  loop: BaseEventLoop,
  socket: Socket,
  protocolFactory: () => P,
  tls: TlsSettings | null,
  server: ConnectionOwner | null = null,
): Gen<Connection<P>> {
  let carrier = socket;
  let transport: SocketTransport | null = null;
  socket.on('error', ignore);
  // Those that others have made, too; of ours it is known already.
  socket.setNoDelay(true);
  try {
    const protocol = protocolFactory();
    if (tls !== null) carrier = yield* handshake(loop, socket, tls);
    const waiter = loop.createFuture<void>();
    transport = new SocketTransport(loop, carrier, protocol, {
      server,
      waiter,
      ...(tls !== null && { sslcontext: tls.context, sslShutdownTimeout: tls.shutdownTimeout }),
    });
    yield* waiter;
    return [transport, protocol];
  } catch (error) {
    if (transport === null) {
      carrier.destroy();
      socket.destroy();
    } else {
      transport.close();
    }
    throw error;
  }
}

export const createConnection = /* @__PURE__ */ coroutine(function* createConnection<P extends BaseProtocol>(
  loop: BaseEventLoop,
  protocolFactory: () => P,
  host: string | null,
  port: number | string | null,
  options: ConnectionOptions,
): Gen<Connection<P>> {
  const { ssl = null, sock = null, localAddr = null, family = 0, allErrors = false } = options;
  const { serverHostname: givenName = null, happyEyeballsDelay = null } = options;
  checkTls(ssl, givenName, options);
  let tls: TlsSettings | null = null;
  if (ssl !== null && ssl !== false) {
    const name = givenName ?? servernameOf(ssl) ?? host;
    if (name === null || (name === '' && givenName === null))
      throw new RangeError('You must set serverHostname when using ssl without a host');
    tls = tlsSettings(ssl, false, name, options);
  }
  let socket: Socket | null = sock;
  if (host !== null || port !== null) {
    if (sock !== null) throw new RangeError('host/port and sock can not be specified at the same time');
    if (localAddr !== null && typeof localAddr === 'string')
      throw new TypeError(`localAddr must be [host, port], got ${repr(localAddr)}`);
    let addresses = yield* resolved(loop, host, port, family);
    const locals = localAddr === null ? null : yield* resolved(loop, localAddr[0], localAddr[1], family);
    const interleave = options.interleave ?? (happyEyeballsDelay === null ? 0 : 1);
    if (interleave > 0) addresses = interleaved(addresses, interleave);
    const errors: Error[] = [];
    const connectOne: Connect = (address) => connectTo(loop, address, locals);
    socket =
      happyEyeballsDelay === null
        ? yield* inTurn(addresses, connectOne, errors)
        : yield* staggered(
            loop,
            addresses,
            connectOne,
            errors,
            toSeconds(happyEyeballsDelay, 'happyEyeballsDelay'),
          );
    if (socket === null) throw connectionError(errors, allErrors);
  } else if (socket === null) {
    throw new RangeError('host and port was not specified and no sock specified');
  }
  return yield* makeTransport(loop, checkSocket(socket), protocolFactory, tls);
});

export const createUnixConnection = /* @__PURE__ */ coroutine(function* createUnixConnection<
  P extends BaseProtocol,
>(
  loop: BaseEventLoop,
  protocolFactory: () => P,
  path: string | null,
  options: UnixConnectionOptions,
): Gen<Connection<P>> {
  const { ssl = null, sock = null, serverHostname = null } = options;
  checkTls(ssl, serverHostname, options);
  let tls: TlsSettings | null = null;
  if (ssl !== null && ssl !== false) {
    const name = serverHostname ?? servernameOf(ssl);
    if (name === null) throw new RangeError('you have to pass serverHostname when using ssl');
    tls = tlsSettings(ssl, false, name, options);
  }
  let socket = sock;
  if (path !== null) {
    if (sock !== null) throw new RangeError('path and sock can not be specified at the same time');
    checkUnixPath(path);
    socket = yield* connect(loop, { path });
  } else if (socket === null) {
    throw new RangeError('no path and sock were specified');
  }
  return yield* makeTransport(loop, checkSocket(socket), protocolFactory, tls);
});

export const connectAcceptedSocket = /* @__PURE__ */ coroutine(function* connectAcceptedSocket<
  P extends BaseProtocol,
>(
  loop: BaseEventLoop,
  protocolFactory: () => P,
  sock: Socket,
  options: TlsOptions & { ssl?: TlsContext | null },
): Gen<Connection<P>> {
  const { ssl = null } = options;
  checkTls(ssl, null, options);
  const tls = ssl === null ? null : tlsSettings(checkContext(ssl, 'ssl'), true, null, options);
  return yield* makeTransport(loop, checkSocket(sock), protocolFactory, tls);
});

/** Options of `loop.startTls`. */
export interface StartTlsOptions extends TlsOptions {
  /** This end is the server of the handshake. Default false. */
  serverSide?: boolean;
  /** The name that the certificate must be for; empty: any. A client has to say. */
  serverHostname?: string | null;
}

export const startTls = /* @__PURE__ */ coroutine(function* startTls(
  loop: BaseEventLoop,
  transport: Transport,
  protocol: BaseProtocol,
  sslcontext: TlsContext,
  options: StartTlsOptions,
): Gen<Transport> {
  const { serverSide = false, serverHostname = null } = options;
  checkContext(sslcontext, 'sslcontext');
  const name = serverHostname ?? servernameOf(sslcontext);
  const settings = tlsSettings(sslcontext, serverSide, name, options);
  if (!serverSide && name === null && checksNames(sslcontext)) {
    throw new RangeError(
      'You must set serverHostname when using startTls() as a client: the name that the certificate must be for (empty: any)',
    );
  }
  if (!(transport instanceof SocketTransport) || transport.getExtraInfo('sslcontext') !== null) {
    throw new TypeError(`transport ${transport} is not supported by startTls()`);
  }
  yield* written(loop, transport);
  if (transport.isClosing())
    throw systemError('the connection was closed before the handshake of TLS', 'ECONNRESET');
  const { _owner: owner } = transport;
  const socket = transport._release();
  try {
    const secured = yield* handshake(loop, socket, settings);
    return new SocketTransport(loop, secured, protocol, {
      server: owner,
      sslcontext: settings.context,
      sslShutdownTimeout: settings.shutdownTimeout,
    });
  } catch (error) {
    socket.destroy();
    if (isBaseError(error)) throw error;
    const reason = isCancelledError(error) ? null : asError(error);
    loop.callSoon(() => protocol.connectionLost(reason));
    throw error;
  } finally {
    transport._released();
  }
});

/** Wait until the last plain byte is out: what TLS writes goes past Node's buffer. */
function* written(loop: BaseEventLoop, transport: SocketTransport): Gen<void> {
  transport.pauseReading();
  const future = loop.createFuture<void>();
  if (!transport._whenWritten(() => future.done() || future.setResult())) return;
  try {
    yield* future;
  } catch (error) {
    transport.close();
    throw error;
  }
}
