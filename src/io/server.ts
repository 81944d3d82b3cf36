/** Servers. Counterpart: `Server` of `asyncio/base_events.py`, and the servers of `asyncio/unix_events.py`. */
import type { ListenOptions, Server as NetServer, Socket } from 'node:net';
import type { BaseEventLoop } from '../core/base-events.ts';
import { Context, copyContextOrNull } from '../core/contextvars.ts';
import { coroutine, inlineBody, methodCoroutine } from '../core/coroutines.ts';
import type { AbstractEventLoop } from '../core/events.ts';
import { isCancelledError, RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Future } from '../core/futures.ts';
import { logger } from '../core/log.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { sleep } from '../core/waiting.ts';
import { type Address, checkReusePort, checkUnixPath, toAddress } from './addresses.ts';
import { fs, net } from './builtins.ts';
import { makeTransport } from './connections.ts';
import type { BaseProtocol } from './protocols.ts';
import { type ResolvedAddress, resolve } from './resolve.ts';
import { closed, opened } from './open-resources.ts';
import { ignore, type SocketTransport } from './socket-transport.ts';
import { checkContext, type TlsContext, type TlsOptions, type TlsSettings, tlsSettings } from './tls.ts';

/** Connections that the system keeps until they are accepted. CPython's value. */
const BACKLOG = 100;

/** Seconds between two reports that the system has no more descriptors or memory. CPython's value. */
const ACCEPT_RETRY_DELAY = 1;
const SHORTAGES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/** Options that all servers take. */
export interface UnixServerOptions extends TlsOptions {
  /** A server of Node that listens or is to listen, in place of an address. */
  sock?: NetServer | null;
  /** Connections that may wait to be accepted. Default 100. */
  backlog?: number;
  /** Encrypt: Node's `tls.SecureContext`, or the options that make one, with `key` and `cert`. */
  ssl?: TlsContext | null;
  /** False: connections wait until `startServing` or `serveForever`. Default true. */
  startServing?: boolean;
  /** Remove the socket file at the end, if it is still ours. Unix sockets only. Default true. */
  cleanupSocket?: boolean;
}

/** Options of `loop.createServer`. */
export interface ServerOptions extends Omit<UnixServerOptions, 'cleanupSocket'> {
  /** 4 or 6: addresses of that family only. Default 0: both. */
  family?: 0 | 4 | 6;
  /** Several sockets may listen on one port, where the system can. Needs a Node that can: 22.12 or newer. */
  reusePort?: boolean;
  /** Probe connections that are silent. */
  keepAlive?: boolean;
}

/** Options of `serveForever`. */
export interface ServeForeverOptions {
  /**
   * When it is cancelled, close the connections, too, so that a client that says nothing does not keep the server. Their
   * tasks read the end of the data. Default false, as in CPython: it waits until the clients leave.
   */
  closeClients?: boolean;
}

/** A listening socket, as `server.sockets` shows it. */
export class TransportSocket {
  readonly #server: NetServer;

  /** @internal */
  constructor(server: NetServer) {
    this.#server = server;
  }

  /** `[host, port]`, for IPv6 with flow and scope; of a Unix socket its path, which is `getsockname<string>()`. */
  getsockname<A extends Address = Exclude<Address, string>>(): A {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') return (address ?? '') as A;
    return toAddress(address.address, address.port, address.family) as A;
  }

  /** Node does not tell it. */
  get fd(): null {
    return null;
  }

  toString(): string {
    return `<TransportSocket ${repr(this.getsockname())}>`;
  }
}

/**
 * What servers offer.
 *
 * Source: CPython 3.14 `asyncio.AbstractServer`.
 */
export abstract class AbstractServer implements AsyncDisposable {
  abstract close(): void;
  abstract closeClients(): void;
  abstract abortClients(): void;
  abstract getLoop(): AbstractEventLoop;
  abstract isServing(): boolean;
  abstract startServing(): Coroutine<void>;
  abstract serveForever(options?: ServeForeverOptions): Coroutine<never>;
  abstract waitClosed(): Coroutine<void>;

  /**
   * Run `body(this)`, then close the server and wait for its connections.
   *
   * Source: CPython 3.14 `async with server`.
   */
  run<T>(body: (server: this) => Gen<T>): Coroutine<T>;
  run<T>(body: (server: this) => T | PromiseLike<T>): Coroutine<T>;
  run(body: (server: this) => unknown): Coroutine<unknown> {
    if (typeof body !== 'function')
      throw new TypeError(`${this.constructor.name}.run() wants a function, got ${repr(body)}`);
    return runServer(this, body as (server: AbstractServer) => unknown);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.waitClosed();
  }
}

/**
 * Listens, and makes a protocol for each connection. Made by `loop.createServer` and its like.
 *
 * Source: CPython 3.14 `asyncio.Server`.
 */
export class Server extends AbstractServer {
  readonly #loop: BaseEventLoop;
  /** Null once it is closed. */
  #listeners: NetServer[] | null = [];
  readonly #protocolFactory: () => BaseProtocol;
  readonly #tls: TlsSettings | null;
  readonly #clients = new Set<SocketTransport>();
  /** Connections whose transport is not made yet: held back, or in the handshake of TLS. */
  readonly #early = new Set<Socket>();
  readonly #backlog: number;
  readonly #held: Socket[] = [];
  /** What connections are accepted in: that of whoever has started it. */
  #context: Context | null = null;
  /** When a lack of resources may be reported again. */
  #reportsAgainAt = 0;
  #waiters: Future<void>[] | null = [];
  #isServing = false;
  #forever: Future<never> | null = null;

  /** @internal */
  constructor(
    loop: BaseEventLoop,
    protocolFactory: () => BaseProtocol,
    tls: TlsSettings | null,
    backlog: number,
  ) {
    super();
    this.#loop = loop;
    this.#protocolFactory = protocolFactory;
    this.#tls = tls;
    this.#backlog = backlog;
    opened(loop, this);
  }

  /** The loop that it belongs to. */
  override getLoop(): AbstractEventLoop {
    return this.#loop;
  }

  /** Whether it accepts connections. */
  override isServing(): boolean {
    return this.#isServing;
  }

  /** The listening sockets; none once it is closed. */
  get sockets(): readonly TransportSocket[] {
    return (this.#listeners ?? []).map((listener) => new TransportSocket(listener));
  }

  /** Stop listening. Connections stay. Again does nothing. */
  override close(): void {
    const listeners = this.#listeners;
    if (listeners === null) return;
    this.#listeners = null;
    this.#isServing = false;
    closed(this.#loop, this);
    for (const listener of listeners) listener.close();
    for (const socket of this.#held.splice(0)) socket.destroy();
    this.#forever?.cancel();
    this.#forever = null;
    this.#maybeWake();
  }

  /** Close every connection, after what is waiting was written. */
  override closeClients(): void {
    for (const transport of this.#clients) transport.close();
    for (const socket of this.#early) socket.destroy();
  }

  /** Close every connection at once. */
  override abortClients(): void {
    for (const transport of this.#clients) transport.abort();
    for (const socket of this.#early) socket.destroy();
  }

  /**
   * Accept connections, if it does not yet.
   *
   * @throws RuntimeError if it is closed.
   */
  override startServing(): Coroutine<void> {
    return startServing(this);
  }

  /**
   * Accept connections until it is cancelled; then close, and wait for the connections to end.
   *
   * @param options.closeClients - close the connections, too, in place of waiting until the clients leave.
   * @throws RuntimeError if it is closed, or if somebody does this already.
   *
   * Cancellation: closes the server, waits for its connections, and throws the CancelledError.
   *
   * Source: CPython 3.14 `asyncio.Server.serve_forever`; `closeClients` is not in CPython.
   */
  override serveForever(options: ServeForeverOptions = {}): Coroutine<never> {
    return serveForever(this, options);
  }

  /**
   * Wait until it is closed and its last connection is gone.
   *
   * Cancellation: ends the wait.
   */
  override waitClosed(): Coroutine<void> {
    return waitClosed(this);
  }

  /** @internal Listen by `listener`, which may not be ready yet. What comes before it serves is held. */
  _add(listener: NetServer): void {
    const onListening = (): void => {
      // Node goes on to listen if it was closed while it looked the address up.
      if (this.#listeners === null) listener.close();
      else listener.on('error', (error) => this.#onError(error, listener));
    };
    this.#listeners?.push(listener);
    listener.on('connection', (socket) => this.#onConnection(socket));
    if (listener.listening) onListening();
    else listener.once('listening', onListening);
  }

  /** @internal `listener` cannot listen. */
  _remove(listener: NetServer): void {
    this.#listeners = this.#listeners?.filter((each) => each !== listener) ?? null;
  }

  /** @internal */
  _startServing(): void {
    if (this.#listeners === null) throw new RuntimeError(`server ${this} is closed`);
    if (this.#isServing) return;
    this.#isServing = true;
    this.#context = copyContextOrNull();
    for (const socket of this.#held.splice(0)) this.#accept(socket);
  }

  /** @internal */
  *_serveForever({ closeClients = false }: ServeForeverOptions): Gen<never> {
    if (this.#forever !== null)
      throw new RuntimeError(`server ${this} is already being awaited on serveForever()`);
    this._startServing();
    const forever = this.#loop.createFuture<never>();
    this.#forever = forever;
    try {
      return yield* forever;
    } catch (error) {
      if (isCancelledError(error)) {
        this.close();
        if (closeClients) this.closeClients();
        yield* this._waitClosed();
      }
      throw error;
    } finally {
      this.#forever = null;
    }
  }

  /** @internal */
  *_waitClosed(): Gen<void> {
    if (this.#waiters === null) return;
    const waiter = this.#loop.createFuture<void>();
    this.#waiters.push(waiter);
    yield* waiter;
  }

  /** @internal */
  _attach(transport: SocketTransport): void {
    this.#clients.add(transport);
  }

  /** @internal */
  _detach(transport: SocketTransport): void {
    this.#clients.delete(transport);
    this.#maybeWake();
  }

  #maybeWake(): void {
    if (this.#listeners !== null || this.#clients.size + this.#early.size > 0) return;
    const waiters = this.#waiters ?? [];
    this.#waiters = null;
    for (const waiter of waiters) if (!waiter.done()) waiter.setResult();
  }

  /** @internal */
  _dispose(): void {
    this.close();
    for (const socket of this.#early) socket.destroy();
  }

  #onConnection(socket: Socket): void {
    // An error before there is a transport: the connection is gone, and that is all.
    socket.on('error', ignore);
    if (this.#isServing) this.#accept(socket);
    else if (this.#listeners === null || this.#held.length >= this.#backlog) socket.destroy();
    else this.#held.push(socket);
  }

  #accept(socket: Socket): void {
    if (this.#loop.isClosed()) {
      socket.destroy();
      return;
    }
    this.#early.add(socket);
    const accept = () => makeTransport(this.#loop, socket, this.#protocolFactory, this.#tls, this);
    const context = this.#context?.copy() ?? new Context();
    const task = this.#loop.createTask(accept, { name: 'accept', context });
    task.addDoneCallback(() => {
      this.#early.delete(socket);
      const error = task.cancelled() ? null : task.exception();
      // A task that was cancelled before its first step has seen nothing of the connection.
      if (task.cancelled()) socket.destroy();
      if (error !== null) this.#reportAccept(error);
      this.#maybeWake();
    });
  }

  #reportAccept(error: Error): void {
    if (isPeersAffair(error) && !this.#loop.getDebug()) return;
    this.#loop.callExceptionHandler({
      message: 'Error on transport creation for incoming connection',
      exception: error,
    });
  }

  #onError(error: NodeJS.ErrnoException, listener: NetServer): void {
    const isShort = SHORTAGES.has(error.code ?? '');
    // Node tries again by itself, and may fail each time.
    if (isShort && this.#loop.time() < this.#reportsAgainAt) return;
    if (isShort) this.#reportsAgainAt = this.#loop.time() + ACCEPT_RETRY_DELAY;
    this.#loop.callExceptionHandler({
      message: isShort ? 'socket.accept() out of system resource' : 'socket.accept() failed',
      exception: error,
      socket: new TransportSocket(listener),
    });
  }

  override toString(): string {
    return `<${this.constructor.name} sockets=[${this.sockets.join(', ')}]>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** A peer that gives up, speaks no TLS or is not who it should be. A mistake of the program has none of these codes. */
function isPeersAffair({ code }: NodeJS.ErrnoException): boolean {
  return typeof code === 'string' && (!code.startsWith('ERR_') || /^ERR_(SSL|TLS)_/.test(code));
}

const startServing = /* @__PURE__ */ methodCoroutine(
  'Server.startServing',
  function* (server: Server): Gen<void> {
    server._startServing();
    yield* sleep(0);
  },
);

const serveForever = /* @__PURE__ */ methodCoroutine(
  'Server.serveForever',
  function* (server: Server, options: ServeForeverOptions): Gen<never> {
    return yield* server._serveForever(options);
  },
);

const waitClosed = /* @__PURE__ */ methodCoroutine(
  'Server.waitClosed',
  function* (server: Server): Gen<void> {
    yield* server._waitClosed();
  },
);

const runServer = /* @__PURE__ */ methodCoroutine(
  'Server.run',
  function* (server: AbstractServer, body: (server: AbstractServer) => unknown): Gen<unknown> {
    try {
      return yield* inlineBody(body, server);
    } finally {
      server.close();
      yield* server.waitClosed();
    }
  },
);

/** Make `server` listen by `listener`. */
function* listenBy(
  loop: BaseEventLoop,
  server: Server,
  listener: NetServer,
  where?: ListenOptions,
): Gen<void> {
  server._add(listener);
  if (listener.listening) return;
  const listening = loop.createFuture<void>();
  const settle = (error: Error | null): void => {
    listener.off('listening', onListening).off('error', settle);
    if (listening.done()) return;
    if (error === null) listening.setResult();
    else listening.setException(error);
  };
  const onListening = (): void => settle(null);
  listener.on('listening', onListening).on('error', settle);
  listener.listen(where);
  yield* listening;
}

function newListener({ keepAlive = false }: ServerOptions): NetServer {
  return net().createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive });
}

/** Listen on every address. */
function* listenOnAll(
  loop: BaseEventLoop,
  server: Server,
  addresses: readonly ResolvedAddress[],
  options: ServerOptions,
): Gen<void> {
  const { backlog = BACKLOG, reusePort } = options;
  for (const { host, port, family } of addresses) {
    const listener = newListener(options);
    try {
      yield* listenBy(loop, server, listener, {
        host,
        port,
        backlog,
        ipv6Only: family === 6,
        ...(reusePort !== undefined && { reusePort }),
      });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (isCancelledError(error) || code === undefined) throw error;
      if (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT') {
        const text = `error while attempting to bind on address ${repr(toAddress(host, port, family))}: ${message}`;
        throw Object.assign(new Error(text, { cause: error }), { code });
      }
      // The family is not there.
      server._remove(listener);
    }
  }
  if (server.sockets.length > 0) return;
  const all = addresses.map((each) => toAddress(each.host, each.port, each.family));
  throw Object.assign(new Error(`could not bind on any address out of ${repr(all)}`), {
    code: 'EADDRNOTAVAIL',
  });
}

/** What the options of a server show its clients who it is by; `context` is what a SecureContext has. */
const IDENTITIES = ['cert', 'pfx', 'SNICallback', 'pskCallback', 'secureContext', 'context'];

function serverTls(options: UnixServerOptions): TlsSettings | null {
  const { ssl = null } = options;
  if (typeof ssl === 'boolean')
    throw new TypeError('ssl argument must be a tls.SecureContext, the options that make one, or null');
  if (ssl !== null) {
    const settings = tlsSettings(checkContext(ssl, 'ssl'), true, null, options);
    if (!IDENTITIES.some((name) => name in ssl))
      throw new RangeError(
        'ssl of a server needs a certificate: give { key, cert }, or a tls.SecureContext with them',
      );
    return settings;
  }
  for (const name of ['sslHandshakeTimeout', 'sslShutdownTimeout'] as const) {
    if ((options[name] ?? null) !== null) throw new RangeError(`${name} is only meaningful with ssl`);
  }
  return null;
}

/** A server once it listens, and serves unless it is not to. What goes wrong closes it. */
function* started(
  loop: BaseEventLoop,
  protocolFactory: () => BaseProtocol,
  tls: TlsSettings | null,
  { backlog = BACKLOG, startServing = true }: UnixServerOptions,
  listen: (server: Server) => Gen<void>,
): Gen<Server> {
  if (!Number.isInteger(backlog)) throw new TypeError(`backlog must be an integer, got ${repr(backlog)}`);
  const server = new Server(loop, protocolFactory, tls, backlog);
  try {
    yield* listen(server);
    if (startServing) {
      server._startServing();
      yield* sleep(0);
    }
    return server;
  } catch (error) {
    server.close();
    throw error;
  }
}

/** A server of Node that somebody else has made. */
function checkListener(sock: NetServer | null, problem: string): NetServer {
  if (sock === null) throw new RangeError(problem);
  if (!(sock instanceof net().Server))
    throw new RangeError(`A Stream Socket was expected, got ${repr(sock)}`);
  return sock;
}

export const createServer = /* @__PURE__ */ coroutine(function* createServer(
  loop: BaseEventLoop,
  protocolFactory: () => BaseProtocol,
  host: string | readonly string[] | null,
  port: number | null,
  options: ServerOptions,
): Gen<Server> {
  const { sock = null, family = 0 } = options;
  const tls = serverTls(options);
  checkReusePort(options.reusePort);
  if (host === null && port === null) {
    const listener = checkListener(sock, 'Neither host/port nor sock were specified');
    return yield* started(loop, protocolFactory, tls, options, (server) => listenBy(loop, server, listener));
  }
  if (sock !== null) throw new RangeError('host/port and sock can not be specified at the same time');
  const hosts = typeof host === 'string' || host === null ? [host] : [...host];
  const addresses = new Map<string, ResolvedAddress>();
  for (const each of hosts) {
    for (const address of yield* resolve(loop, each, port, family, true))
      addresses.set(`${address.family} ${address.host}`, address);
  }
  return yield* started(loop, protocolFactory, tls, options, (server) =>
    listenOnAll(loop, server, [...addresses.values()], options),
  );
});

export const createUnixServer = /* @__PURE__ */ coroutine(function* createUnixServer(
  loop: BaseEventLoop,
  protocolFactory: () => BaseProtocol,
  path: string | null,
  options: UnixServerOptions,
): Gen<Server> {
  const { sock = null } = options;
  const tls = serverTls(options);
  if (path === null) {
    const listener = checkListener(sock, 'path was not specified, and no sock specified');
    return yield* started(loop, protocolFactory, tls, options, (server) => listenBy(loop, server, listener));
  }
  if (sock !== null) throw new RangeError('path and sock can not be specified at the same time');
  return yield* started(loop, protocolFactory, tls, options, (server) =>
    listenAt(loop, server, path, options),
  );
});

/** Listen at a path. */
function* listenAt(
  loop: BaseEventLoop,
  server: Server,
  path: string,
  { backlog = BACKLOG, cleanupSocket = true }: UnixServerOptions,
): Gen<void> {
  checkUnixPath(path);
  removeStale(path);
  const listener = newListener({});
  try {
    yield* listenBy(loop, server, listener, { path, backlog });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      const text = `Address '${path}' is already in use`;
      throw Object.assign(new Error(text, { cause: error }), { code });
    }
    // Node says so of a folder that is not there.
    if (code === 'EACCES' && !fs().existsSync(folderOf(path))) {
      const text = `listen ENOENT: no such folder, for the socket '${path}'`;
      throw Object.assign(new Error(text, { cause: error }), { code: 'ENOENT' });
    }
    throw error;
  }
  keepForeignFile(path, listener, cleanupSocket);
}

function folderOf(path: string): string {
  const end = path.lastIndexOf('/');
  return end < 0 ? '.' : path.slice(0, end + 1);
}

/** A socket file that nobody listens on any more is in the way. */
function removeStale(path: string): void {
  if (path.startsWith('\0')) return;
  try {
    if (fs().statSync(path).isSocket()) fs().unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    logger.error(`Unable to check or remove stale UNIX socket '${path}': ${String(error)}`);
  }
}

/** Node removes the file of a server that closes, whoever's it is by then: what is to stay is put aside meanwhile. */
function keepForeignFile(path: string, listener: NetServer, cleanupSocket: boolean): void {
  if (path.startsWith('\0')) return;
  const ino = fs().statSync(path, { throwIfNoEntry: false })?.ino;
  const close = listener.close.bind(listener);
  listener.close = (onClosed) => {
    const stays = fs().statSync(path, { throwIfNoEntry: false });
    if (stays === undefined || (cleanupSocket && stays.ino === ino)) return close(onClosed);
    const aside = `${path}.${process.pid}.kept`;
    fs().renameSync(path, aside);
    try {
      return close(onClosed);
    } finally {
      fs().renameSync(aside, path);
    }
  };
}
