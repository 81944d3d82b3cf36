/** Encrypted connections. Counterpart: the parts of `aiohttp/connector.py` that deal with `ssl`. */
import type { Socket } from 'node:net';
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls';
import { repr } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import type { Gen } from '../core/types.ts';
import { net, tls } from '../io/builtins.ts';
import { isSecureContext, type TlsContext } from '../io/tls.ts';
import type { ConnectionKey, SslOption } from './connection-key.ts';
import { tlsError } from './connector-errors.ts';
import { Fingerprint } from './fingerprint.ts';
import { waitOutside } from './helpers.ts';
import { connectorClosed, type Pool } from './pool.ts';
import { systemError } from './sockets.ts';

/** @throws TypeError for what is no `ssl` option. */
export function checkSsl(ssl: unknown): SslOption {
  if (ssl === null || ssl === undefined) return true;
  if (typeof ssl === 'boolean') return ssl;
  if (typeof ssl === 'object' && !Array.isArray(ssl)) return ssl;
  throw new TypeError(`ssl should be SSLContext, bool, Fingerprint or None, got ${repr(ssl)} instead.`);
}

// Made once each: Node would read the authorities anew for every connection.
let checking: ConnectionOptions | null = null;
let trusting: ConnectionOptions | null = null;
const ofObjects = new WeakMap<object, ConnectionOptions>();
let hasWarned = false;

/** The options of `tls.connect` for an `ssl` option. */
function connectOptions(ssl: SslOption): ConnectionOptions {
  if (ssl === true) return (checking ??= settle({}));
  if (ssl === false) {
    warnOnce();
    return unchecked();
  }
  // The fingerprint says more than any authority.
  if (ssl instanceof Fingerprint) return unchecked();
  let options = ofObjects.get(ssl);
  if (options === undefined) {
    options = settle(
      isSecureContext(ssl as TlsContext)
        ? { secureContext: ssl as SecureContext }
        : (ssl as ConnectionOptions),
    );
    ofObjects.set(ssl, options);
  }
  if (options.rejectUnauthorized === false) warnOnce();
  return options;
}

function unchecked(): ConnectionOptions {
  trusting ??= settle({ rejectUnauthorized: false });
  return trusting;
}

function settle(options: ConnectionOptions): ConnectionOptions {
  // What somebody may have put into Object.prototype is no option.
  const given: ConnectionOptions = Object.assign(Object.create(null), options);
  const { secureContext, minVersion, secureProtocol } = given;
  // Neither the environment nor Node's options make it weaker than this; only who says so here.
  const least = secureProtocol === undefined ? { minVersion: minVersion ?? 'TLSv1.2' } : {};
  return {
    // Without it some servers take the client for one of HTTP/2.
    ALPNProtocols: ['http/1.1'],
    ...given,
    rejectUnauthorized: given.rejectUnauthorized !== false,
    secureContext: secureContext ?? tls().createSecureContext({ ...given, ...(least as object) }),
  };
}

function warnOnce(): void {
  if (hasWarned) return;
  hasWarned = true;
  logger.warning('certificates of servers are not checked: anybody may pass for them (ssl: false)');
}

// Certificates have no names with a dot at the end. None but the first of a row begins a match, as in the connector.
const withoutDots = (host: string): string => host.replace(/(?<!\.)\.+$/, '');

/** What TLS is to make sure of. */
export interface TlsTarget {
  /** For the errors. */
  readonly key: ConnectionKey;
  /** Where the connection leads. */
  readonly host: string;
  /** The name that the certificate must be for, if it is not `host`. */
  readonly serverHostname: string | null;
  /** The certificate that it must be, or null. */
  readonly fingerprint: Fingerprint | null;
}

/**
 * Begin TLS on a connected socket, which may be encrypted itself. What comes of it stands for that socket in the pool.
 *
 * @throws ClientConnectorCertificateError, ClientConnectorSSLError, ClientConnectorError, ServerFingerprintMismatch.
 *
 * Cancellation: the connection is closed.
 */
export function* startTls(pool: Pool, socket: Socket, ssl: SslOption, target: TlsTarget): Gen<TLSSocket> {
  const future = pool.loop.createFuture<void>();
  const fail = (error: Error): void => {
    if (!future.done()) future.setException(error);
  };
  const end = (): void => fail(pool.isClosed ? connectorClosed() : hangUp());
  let secured: TLSSocket | null = null;
  let isDone = false;
  try {
    secured = begin(socket, ssl, target);
    secured.once('secureConnect', () => future.done() || future.setResult());
    secured.on('error', fail).on('close', end);
    yield* waitOutside(pool.loop, future);
    target.fingerprint?.check(secured);
    // Closes the socket beneath when it is closed.
    pool.watch(secured);
    pool.unwatch(socket);
    secured.off('error', fail).off('close', end);
    isDone = true;
    return secured;
  } catch (error) {
    throw tlsError(target.key, error);
  } finally {
    if (!isDone) {
      future.cancel();
      secured?.destroy();
      socket.destroy();
    }
  }
}

function begin(socket: Socket, ssl: SslOption, { host, serverHostname }: TlsTarget): TLSSocket {
  const options = connectOptions(ssl);
  const name = withoutDots(serverHostname ?? options.servername ?? host);
  return tls().connect({
    ...options,
    socket,
    host: name,
    // An address is no name to ask for.
    servername: net().isIP(name) === 0 ? name : '',
  });
}

/** As Node reports a server that hangs up in the handshake. */
function hangUp(): Error {
  const text = 'Client network socket disconnected before secure TLS connection was established';
  return systemError('ECONNRESET', text);
}
