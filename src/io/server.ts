/** Servers. Counterpart: `Server` of `asyncio/base_events.py`, and the servers of `asyncio/unix_events.py`. */
import type { Server as NetServer, Socket } from 'node:net';
import type { BaseEventLoop } from '../core/base-events.ts';
import { Context, copyContextOrNull } from '../core/contextvars.ts';
import { coroutine, inlineBody, methodCoroutine } from '../core/coroutines.ts';
import type { AbstractEventLoop } from '../core/events.ts';
import { isCancelledError, RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import { Future } from '../core/futures.ts';
import { logger } from '../core/log.ts';
import { PENDING } from '../core/running.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { sleep } from '../core/waiting.ts';
import { type Address, toAddress } from './addresses.ts';
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
  /** Several sockets may listen on one port, where the system can. */
  reusePort?: boolean;
  /** Probe connections that are silent. */
  keepAlive?: boolean;
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
  abstract serveForever(): Coroutine<never>;
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
  #listeners: readonly NetServer[] | null;
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
    listeners: readonly NetServer[],
    protocolFactory: () => BaseProtocol,
    tls: TlsSettings | null,
    backlog: number,
  ) {
    super();
    this.#loop = loop;
    this.#listeners = listeners;
    this.#protocolFactory = protocolFactory;
    this.#tls = tls;
    this.#backlog = backlog;
    for (const listener of listeners) {
      listener.on('connection', (socket) => this.#onConnection(socket));
      listener.on('error', (error) => this.#onError(error, listener));
    }
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
   * @throws RuntimeError if it is closed, or if somebody does this already.
   *
   * Cancellation: closes the server, waits for its connections, and throws the CancelledError.
   *
   * Source: CPython 3.14 `asyncio.Server.serve_forever`.
   */
  override serveForever(): Coroutine<never> {
    return serveForever(this);
  }

  /**
   * Wait until it is closed and its last connection is gone.
   *
   * Cancellation: ends the wait.
   */
  override waitClosed(): Coroutine<void> {
    return waitClosed(this);
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
  *_serveForever(): Gen<never> {
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
    // A peer that gives up, or speaks no TLS, is its own affair.
    if ((error as NodeJS.ErrnoException).code !== undefined && !this.#loop.getDebug()) return;
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

const startServing = /* @__PURE__ */ methodCoroutine(
  'Server.startServing',
  function* (server: Server): Gen<void> {
    server._startServing();
    yield* sleep(0);
  },
);

const serveForever = /* @__PURE__ */ methodCoroutine(
  'Server.serveForever',
  function* (server: Server): Gen<never> {
    return yield* server._serveForever();
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

/** Waits for a server to listen. Cancelling it closes the server. */
class ListenFuture extends Future<void> {
  readonly #server: NetServer;

  constructor(loop: BaseEventLoop, server: NetServer) {
    super(loop._own);
    this.#server = server;
    const onListening = (): void => {
      server.off('error', onError);
      if (this._state === PENDING) this.setResult();
    };
    const onError = (error: Error): void => {
      server.off('listening', onListening);
      if (this._state === PENDING) this._fail(error);
    };
    server.once('listening', onListening).once('error', onError);
  }

  override cancel(msg?: unknown): boolean {
    if (!super.cancel(msg)) return false;
    this.#server.close();
    return true;
  }
}

function newListener(options: ServerOptions): NetServer {
  const { keepAlive = false } = options;
  return net().createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive });
}

/** Listen on every address; if one fails, on none. */
function* listenOnAll(
  loop: BaseEventLoop,
  addresses: readonly ResolvedAddress[],
  options: ServerOptions,
): Gen<NetServer[]> {
  const { backlog = BACKLOG, reusePort } = options;
  const listeners: NetServer[] = [];
  let isComplete = false;
  try {
    for (const { host, port, family } of addresses) {
      const listener = newListener(options);
      listeners.push(listener);
      const listening = new ListenFuture(loop, listener);
      listener.listen({
        host,
        port,
        backlog,
        ipv6Only: family === 6,
        ...(reusePort !== undefined && { reusePort }),
      });
      try {
        yield* listening;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (isCancelledError(error) || code === undefined) throw error;
        // The family is not there.
        if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') {
          listeners.pop();
          continue;
        }
        const text = `error while attempting to bind on address ${repr(toAddress(host, port, family))}: ${message}`;
        throw Object.assign(new Error(text, { cause: error }), { code });
      }
    }
    if (listeners.length === 0) {
      const all = addresses.map((each) => toAddress(each.host, each.port, each.family));
      throw Object.assign(new Error(`could not bind on any address out of ${repr(all)}`), {
        code: 'EADDRNOTAVAIL',
      });
    }
    isComplete = true;
    return listeners;
  } finally {
    if (!isComplete) for (const listener of listeners) listener.close();
  }
}

function serverTls(options: UnixServerOptions): TlsSettings | null {
  const { ssl = null } = options;
  if (typeof ssl === 'boolean')
    throw new TypeError('ssl argument must be a tls.SecureContext, the options that make one, or null');
  if (ssl !== null) return tlsSettings(checkContext(ssl, 'ssl'), true, null, options);
  for (const name of ['sslHandshakeTimeout', 'sslShutdownTimeout'] as const) {
    if ((options[name] ?? null) !== null) throw new RangeError(`${name} is only meaningful with ssl`);
  }
  return null;
}

function* finish(server: Server, options: UnixServerOptions): Gen<Server> {
  if (options.startServing ?? true) {
    server._startServing();
    yield* sleep(0);
  }
  return server;
}

/** A server of Node that somebody else has made. */
function* adopt(loop: BaseEventLoop, sock: NetServer): Gen<NetServer> {
  if (!(sock instanceof net().Server))
    throw new RangeError(`A Stream Socket was expected, got ${repr(sock)}`);
  if (!sock.listening) {
    const listening = new ListenFuture(loop, sock);
    sock.listen();
    yield* listening;
  }
  return sock;
}

export const createServer = /* @__PURE__ */ coroutine(function* createServer(
  loop: BaseEventLoop,
  protocolFactory: () => BaseProtocol,
  host: string | readonly string[] | null,
  port: number | null,
  options: ServerOptions,
): Gen<Server> {
  const { sock = null, family = 0, backlog = BACKLOG } = options;
  const tls = serverTls(options);
  if (host === null && port === null) {
    if (sock === null) throw new RangeError('Neither host/port nor sock were specified');
    return yield* finish(
      new Server(loop, [yield* adopt(loop, sock)], protocolFactory, tls, backlog),
      options,
    );
  }
  if (sock !== null) throw new RangeError('host/port and sock can not be specified at the same time');
  const hosts = typeof host === 'string' || host === null ? [host] : [...host];
  const addresses = new Map<string, ResolvedAddress>();
  for (const each of hosts) {
    for (const address of yield* resolve(loop, each, port, family, true))
      addresses.set(`${address.family} ${address.host}`, address);
  }
  const listeners = yield* listenOnAll(loop, [...addresses.values()], options);
  return yield* finish(new Server(loop, listeners, protocolFactory, tls, backlog), options);
});

export const createUnixServer = /* @__PURE__ */ coroutine(function* createUnixServer(
  loop: BaseEventLoop,
  protocolFactory: () => BaseProtocol,
  path: string | null,
  options: UnixServerOptions,
): Gen<Server> {
  const { sock = null, backlog = BACKLOG, cleanupSocket = true } = options;
  const tls = serverTls(options);
  if (path === null) {
    if (sock === null) throw new RangeError('path was not specified, and no sock specified');
    return yield* finish(
      new Server(loop, [yield* adopt(loop, sock)], protocolFactory, tls, backlog),
      options,
    );
  }
  if (sock !== null) throw new RangeError('path and sock can not be specified at the same time');
  removeStale(path);
  const listener = newListener({});
  const listening = new ListenFuture(loop, listener);
  listener.listen({ path, backlog });
  try {
    yield* listening;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const text = `Address '${path}' is already in use`;
    throw Object.assign(new Error(text, { cause: error }), { code: 'EADDRINUSE' });
  }
  keepForeignFile(path, listener, cleanupSocket);
  return yield* finish(new Server(loop, [listener], protocolFactory, tls, backlog), options);
});

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
  const { ino } = fs().statSync(path);
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
