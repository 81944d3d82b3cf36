/** Connections over a socket in the file system. Counterpart: the last two classes of `aiohttp/connector.py`. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { coroutine } from '../core/coroutines.ts';
import { RuntimeError } from '../core/exceptions.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { checkUnixPath } from '../io/addresses.ts';
import { net } from '../io/builtins.ts';
import type { ClientRequest } from './client-request.ts';
import { type ClientTimeout, within } from './client-timeout.ts';
import type { ConnectionKey } from './connection-key.ts';
import { BaseConnector, type BaseConnectorOptions } from './connector.ts';
import { socketError } from './connector-errors.ts';
import { ClientConnectorError, UnixClientConnectorError } from './exceptions.ts';
import { Fingerprint } from './fingerprint.ts';
import { connected } from './sockets.ts';
import { startTls } from './tls.ts';
import type { Trace } from './tracing.ts';

/** All connections lead to one path, whatever host a request names. */
abstract class PathConnector extends BaseConnector {
  /** Where the server listens. */
  readonly path: string;

  constructor(path: string, options?: BaseConnectorOptions) {
    super(options);
    this.path = path;
  }

  /** @internal There is no host that a proxy could be asked for. */
  override get _takesProxies(): boolean {
    return false;
  }

  override _createConnection(
    request: ClientRequest,
    _traces: readonly Trace[],
    timeout: ClientTimeout,
  ): Coroutine<Duplex> {
    return connectToPath(this, request, timeout);
  }

  /** @internal What to throw when nobody answers. */
  abstract _error(key: ConnectionKey, osError: Error): ClientConnectorError;

  /** @internal */
  *_open(request: ClientRequest): Gen<Duplex> {
    const { path, _pool: pool } = this;
    const key = request._connectionKey;
    let socket: Socket;
    try {
      checkUnixPath(path);
      const plain = new (net().Socket)();
      socket = yield* connected(pool, plain, () => plain.connect({ path }));
    } catch (error) {
      throw socketError(error, (osError) => this._error(key, osError));
    }
    if (!request.isSsl()) return socket;
    const { ssl, serverHostname } = request;
    const fingerprint = ssl instanceof Fingerprint ? ssl : null;
    return yield* startTls(pool, socket, ssl, { key, host: key.host, serverHostname, fingerprint });
  }
}

const connectToPath = coroutine(function* createConnection(
  connector: PathConnector,
  request: ClientRequest,
  timeout: ClientTimeout,
): Gen<Duplex> {
  return yield* within(timeout.sockConnect, timeout.ceilThreshold, () => connector._open(request));
});

/**
 * Connections over one Unix socket: `new UnixConnector('/run/docker.sock')`. The host of a URL is told to the server and
 * is otherwise of no account; with `https` the connection is encrypted. There are no proxies: those of the environment are
 * passed over.
 *
 * @throws (when used) UnixClientConnectorError if nobody answers at the path.
 *
 * Source: aiohttp 3.14 `aiohttp.UnixConnector`.
 */
export class UnixConnector extends PathConnector {
  /** @internal */
  override _error(key: ConnectionKey, osError: Error): ClientConnectorError {
    return new UnixClientConnectorError(this.path, key, osError);
  }
}

/**
 * Connections over one named pipe of Windows: `new NamedPipeConnector('\\\\.\\pipe\\docker_engine')`.
 *
 * @throws RuntimeError on other systems; (when used) ClientConnectorError if nobody answers at the path.
 *
 * Source: aiohttp 3.14 `aiohttp.NamedPipeConnector`.
 */
export class NamedPipeConnector extends PathConnector {
  constructor(path: string, options?: BaseConnectorOptions) {
    if (process.platform !== 'win32') {
      throw new RuntimeError('Named Pipes only available in proactor loop under windows');
    }
    super(path, options);
  }

  /** @internal */
  override _error(key: ConnectionKey, osError: Error): ClientConnectorError {
    return new ClientConnectorError(key, osError);
  }
}
