/** Encrypted connections. Counterpart: `asyncio/sslproto.py`; here the work is Node's. */
import type { Socket } from 'node:net';
import type {
  ConnectionOptions,
  SecureContext,
  SecureContextOptions,
  TLSSocket,
  TLSSocketOptions,
} from 'node:tls';
import type { BaseEventLoop } from '../core/base-events.ts';
import { toSeconds } from '../core/events.ts';
import { repr } from '../core/format-helpers.ts';
import { Future } from '../core/futures.ts';
import { PENDING } from '../core/running.ts';
import type { Delay, Gen } from '../core/types.ts';
import { net, tls } from './builtins.ts';
import { closed, opened, type OpenResource } from './open-resources.ts';
import { ignore } from './socket-transport.ts';

/** Node's `tls.SecureContext`, or the options of `tls.connect` or `tls.TLSSocket`: `ca`, `cert`, `key`, `rejectUnauthorized`, … */
export type TlsContext = SecureContext | Readonly<Record<string, unknown>>;

/** Seconds. CPython's values. */
const HANDSHAKE_TIMEOUT = 60;
const SHUTDOWN_TIMEOUT = 30;

/** How a connection is to be encrypted. */
export interface TlsSettings {
  /** As the caller gave it. */
  readonly context: TlsContext;
  /** What Node makes of it. */
  readonly options: TLSSocketOptions & Pick<ConnectionOptions, 'checkServerIdentity'>;
  readonly isServer: boolean;
  /** The name that the certificate must be for; empty: any. */
  readonly serverHostname: string;
  readonly handshakeTimeout: number;
  readonly shutdownTimeout: number;
}

/** Options of TLS that several calls take. */
export interface TlsOptions {
  /** Seconds that the handshake may take. Default 60. */
  sslHandshakeTimeout?: Delay | null;
  /** Seconds that the goodbye may take. Default 30. */
  sslShutdownTimeout?: Delay | null;
}

export function tlsSettings(
  context: TlsContext | true,
  isServer: boolean,
  serverHostname: string | null,
  options: TlsOptions,
): TlsSettings {
  const given = context === true ? {} : checkContext(context, 'ssl');
  const socketOptions: TLSSocketOptions = isSecureContext(given) ? { secureContext: given } : { ...given };
  // Made once for all connections of a server, and what is wrong with it is told here.
  if (isServer) socketOptions.secureContext ??= tls().createSecureContext(given as SecureContextOptions);
  return {
    context: given,
    options: socketOptions,
    isServer,
    serverHostname: serverHostname ?? '',
    handshakeTimeout: positive(options.sslHandshakeTimeout, HANDSHAKE_TIMEOUT, 'sslHandshakeTimeout'),
    shutdownTimeout: positive(options.sslShutdownTimeout, SHUTDOWN_TIMEOUT, 'sslShutdownTimeout'),
  };
}

function positive(value: Delay | null | undefined, otherwise: number, name: string): number {
  if (value === null || value === undefined) return otherwise;
  const seconds = toSeconds(value, name);
  if (seconds <= 0) throw new RangeError(`${name} should be a positive number, got ${seconds}`);
  return seconds;
}

/** @throws TypeError for what is no context. */
export function checkContext(context: unknown, name: string): TlsContext {
  if (typeof context === 'object' && context !== null && !Array.isArray(context))
    return context as TlsContext;
  throw new TypeError(
    `${name} is expected to be a tls.SecureContext or the options that make one, got ${repr(context)}`,
  );
}

/** The name that the options of `tls.connect` ask for; null if they ask for none. */
export function servernameOf(context: TlsContext | true): string | null {
  const { servername = null } = context === true ? {} : (context as ConnectionOptions);
  return servername;
}

/** Whether the name in a certificate counts: unless the options trust everybody, or look at it themselves. */
export function checksNames(context: TlsContext): boolean {
  const { rejectUnauthorized, checkServerIdentity } = context as ConnectionOptions;
  return rejectUnauthorized !== false && checkServerIdentity === undefined;
}

/** Waits for the handshake. Cancelling it closes the connection. */
class HandshakeFuture extends Future<TLSSocket> implements OpenResource {
  readonly #socket: TLSSocket;

  constructor(loop: BaseEventLoop, socket: TLSSocket, settings: TlsSettings) {
    super(loop._own);
    this.#socket = socket;
    const { isServer, handshakeTimeout } = settings;
    const timer = loop.callLater(handshakeTimeout, () =>
      fail(
        systemError(
          `SSL handshake is taking longer than ${handshakeTimeout} seconds: aborting the connection`,
          'ECONNABORTED',
        ),
      ),
    );
    const settle = (): boolean => {
      timer.cancel();
      socket
        .off('error', fail)
        .off('_tlsError', fail)
        .off('close', onClose)
        .off('secure', onSecure)
        .off('secureConnect', onSecure);
      return this._state === PENDING;
    };
    const fail = (error: Error): void => {
      const isPending = settle();
      socket.destroy();
      if (isPending) this._fail(error);
    };
    const onClose = (): void =>
      fail(systemError('the connection was closed during the handshake of TLS', 'ECONNRESET'));
    const onSecure = (): void => {
      const refusal = isServer ? verifyPeer(socket, settings.options) : null;
      if (refusal !== null) fail(refusal);
      else if (settle()) this.setResult(socket);
    };
    socket
      .on('error', ignore)
      .on('error', fail)
      .on('_tlsError', fail)
      .on('close', onClose)
      .on(isServer ? 'secure' : 'secureConnect', onSecure);
  }

  override cancel(msg?: unknown): boolean {
    if (!super.cancel(msg)) return false;
    this._dispose();
    return true;
  }

  /** @internal */
  _dispose(): void {
    this.#socket.destroy();
  }
}

/** An error as those of the system: with a code. */
export function systemError(message: string, code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}

/** The server's side of a TLSSocket that no `tls.Server` has made: what that one does with it. */
interface ServedSocket {
  readonly ssl: { verifyError(): NodeJS.ErrnoException | null | undefined };
  authorized: boolean;
  authorizationError: unknown;
  /** From now on its errors are its own, and no longer events for its server. */
  _releaseControl(): boolean;
}

/** Whether the client is who it has to be; if not, why. */
function verifyPeer(secured: TLSSocket, options: TLSSocketOptions): Error | null {
  const socket = secured as unknown as ServedSocket;
  socket._releaseControl();
  if (!options.requestCert) return null;
  const error = socket.ssl.verifyError();
  if (!error) {
    socket.authorized = true;
    return null;
  }
  socket.authorizationError = error.code;
  return options.rejectUnauthorized === false ? null : error;
}

/** Encrypt a connection. If that fails or is cancelled, the connection is closed. */
export function* handshake(loop: BaseEventLoop, socket: Socket, settings: TlsSettings): Gen<TLSSocket> {
  socket.on('error', ignore);
  let shaken: HandshakeFuture | null = null;
  try {
    if (socket.destroyed)
      throw systemError('the connection was closed before the handshake of TLS', 'ECONNRESET');
    const secured = settings.isServer ? accept(socket, settings) : connect(socket, settings);
    secured.allowHalfOpen = false;
    shaken = new HandshakeFuture(loop, secured, settings);
    opened(loop, shaken);
    return yield* shaken;
  } catch (error) {
    shaken?._dispose();
    socket.destroy();
    throw error;
  } finally {
    if (shaken !== null) closed(loop, shaken);
  }
}

function accept(socket: Socket, { options }: TlsSettings): TLSSocket {
  const { TLSSocket } = tls();
  // As a server of Node has it: who asks for a certificate wants a valid one.
  const rejectUnauthorized = options.rejectUnauthorized !== false;
  return new TLSSocket(socket, { ...options, rejectUnauthorized, isServer: true });
}

function connect(socket: Socket, { options, serverHostname }: TlsSettings): TLSSocket {
  const isName = serverHostname !== '' && net().isIP(serverHostname) === 0;
  return tls().connect({
    ...options,
    socket,
    ...(isName && { servername: serverHostname }),
    // Without a name there is nothing that the certificate could be for; but who checks it himself does so.
    ...(serverHostname === ''
      ? { checkServerIdentity: options.checkServerIdentity ?? (() => undefined) }
      : { host: serverHostname }),
  });
}

/** Whether it is Node's own object, and not options. */
export function isSecureContext(context: TlsContext): context is SecureContext {
  return 'context' in context && typeof context['context'] === 'object';
}
