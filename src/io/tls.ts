/** Encrypted connections. Counterpart: `asyncio/sslproto.py`; here the work is Node's. */
import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket, TLSSocketOptions } from 'node:tls';
import type { BaseEventLoop } from '../core/base-events.ts';
import { toSeconds } from '../core/events.ts';
import { repr } from '../core/format-helpers.ts';
import { Future } from '../core/futures.ts';
import { PENDING } from '../core/running.ts';
import type { Delay } from '../core/types.ts';
import { net, tls } from './builtins.ts';

/** Node's `tls.SecureContext`, or the options of `tls.connect` or `tls.TLSSocket`: `ca`, `cert`, `key`, `rejectUnauthorized`, … */
export type TlsContext = SecureContext | Readonly<Record<string, unknown>>;

/** Seconds. CPython's values. */
const HANDSHAKE_TIMEOUT = 60;
const SHUTDOWN_TIMEOUT = 30;

/** How a connection is to be encrypted. */
export interface TlsSettings {
  readonly context: TlsContext;
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
  return {
    context: context === true ? {} : checkContext(context, 'ssl'),
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

/** Waits for the handshake. Cancelling it closes the connection. */
class HandshakeFuture extends Future<TLSSocket> {
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
      socket.off('error', fail).off('close', onClose).off('secure', onSecure).off('secureConnect', onSecure);
      return this._state === PENDING;
    };
    const fail = (error: Error): void => {
      const isPending = settle();
      // What comes later is of no interest to anybody.
      socket.on('error', () => {});
      socket.destroy();
      if (isPending) this._fail(error);
    };
    const onClose = (): void =>
      fail(systemError('the connection was closed during the handshake of TLS', 'ECONNRESET'));
    const onSecure = (): void => {
      if (settle()) this.setResult(socket);
    };
    socket
      .on('error', fail)
      .on('close', onClose)
      .on(isServer ? 'secure' : 'secureConnect', onSecure);
  }

  override cancel(msg?: unknown): boolean {
    if (!super.cancel(msg)) return false;
    this.#socket.destroy();
    return true;
  }
}

/** An error as those of the system: with a code. */
export function systemError(message: string, code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}

/** Begin the handshake on a connection. */
export function handshake(loop: BaseEventLoop, socket: Socket, settings: TlsSettings): Future<TLSSocket> {
  const { context, isServer, serverHostname } = settings;
  const options: TLSSocketOptions = isSecureContext(context) ? { secureContext: context } : { ...context };
  const { TLSSocket, connect, createSecureContext } = tls();
  let secured: TLSSocket;
  if (isServer) {
    options.secureContext ??= createSecureContext(options);
    secured = new TLSSocket(socket, { ...options, isServer: true });
  } else {
    const isName = serverHostname !== '' && net().isIP(serverHostname) === 0;
    secured = connect({
      ...options,
      socket,
      ...(isName && { servername: serverHostname }),
      // Without a name there is nothing that the certificate could be for, as with CPython's check_hostname=False.
      ...(serverHostname === '' ? { checkServerIdentity: () => undefined } : { host: serverHostname }),
    });
  }
  secured.allowHalfOpen = false;
  return new HandshakeFuture(loop, secured, settings);
}

function isSecureContext(context: TlsContext): context is SecureContext {
  return 'context' in context && typeof context['context'] === 'object';
}
