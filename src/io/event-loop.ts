/** The event loop on Node, with all that it can wait for. Counterpart: `asyncio/unix_events.py`. */
import type { FileHandle } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { BaseEventLoop } from '../core/base-events.ts';
import {
  getEventLoop as getAnyEventLoop,
  getRunningLoop as getAnyRunningLoop,
  newEventLoop as newAnyEventLoop,
  setPlatformLoop,
} from '../core/events.ts';
import type { Host } from '../core/host.ts';
import { RuntimeError } from '../core/exceptions.ts';
import type { Future } from '../core/futures.ts';
import type { Coroutine, Delay } from '../core/types.ts';
import type { Executor, ResultOfCall } from '../concurrent/executor.ts';
import type { Target } from '../concurrent/targets.ts';
import type { ThreadPoolExecutor } from '../concurrent/thread.ts';
import { DefaultExecutor, shutdownExecutor } from './threads.ts';
import { NodeHost } from '../host/node.ts';
import {
  disownChildren,
  subprocessExec,
  subprocessShell,
  type SubprocessOptions,
} from './base-subprocess.ts';
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
import {
  createServer,
  createUnixServer,
  type Server,
  type ServerOptions,
  type UnixServerOptions,
} from './server.ts';
import type { TlsContext, TlsOptions } from './tls.ts';
import { sendfile } from './sendfile.ts';
import type { ReadTransport, SubprocessTransport, Transport, WriteTransport } from './transports.ts';
import type { Address } from './addresses.ts';
import { createDatagramEndpoint, type DatagramOptions, type UdpTransport } from './datagram.ts';
import { type AddrInfo, type AddrInfoOptions, getaddrinfo, getnameinfo } from './names.ts';
import { impossible } from './impossible.ts';
import { connectReadPipe, connectWritePipe } from './pipes.ts';
import type { BaseProtocol, DatagramProtocol, Protocol, SubprocessProtocol } from './protocols.ts';
import { SignalHandlers } from './signals.ts';

/**
 * A loop that runs on Node and knows its sockets, processes and signals.
 *
 * Source: CPython 3.14 `asyncio.selector_events.BaseSelectorEventLoop`.
 */
export class NodeEventLoop extends BaseEventLoop {
  #signals: SignalHandlers | null = null;
  readonly #executor = new DefaultExecutor();

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
  override createConnection<P extends BaseProtocol>(
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
  override createUnixConnection<P extends BaseProtocol>(
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
  override createServer(
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
  override createUnixServer(
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
  override connectAcceptedSocket<P extends BaseProtocol>(
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
  override startTls(
    transport: Transport,
    protocol: BaseProtocol,
    sslcontext: TlsContext,
    options: StartTlsOptions = {},
  ): Coroutine<Transport> {
    return startTls(this, transport, protocol, sslcontext, options);
  }

  /**
   * Send a file over a connection. Nothing is read from it meanwhile, and nothing else may be written.
   *
   * @param file - a `FileHandle`, or a path.
   * @param offset - where to begin, in bytes. Default 0.
   * @param count - how many bytes; default null: up to the end.
   * @param options.fallback - Node has no system call for it, and reads and writes in its place; false refuses that.
   * @returns how many bytes were sent.
   * @throws RuntimeError if the connection is closing, or sends a file already; SendfileNotAvailableError without
   *   `fallback`; the error of the file or of the connection.
   *
   * Cancellation: stops after the block that is being read.
   *
   * Source: CPython 3.14 `asyncio.loop.sendfile`.
   */
  override sendfile(
    transport: WriteTransport,
    file: FileHandle | string,
    offset = 0,
    count: number | null = null,
    options: { fallback?: boolean } = {},
  ): Coroutine<number> {
    return sendfile(this, transport, file, offset, count, options.fallback ?? true);
  }

  /**
   * Have `func(...args)` called by an executor: it begins at this call. Async functions and generators are run there by an
   * event loop of the worker's own.
   *
   * @param executor - null for the default one: threads of the loop, started as they are needed.
   * @param func - a function that a module exports, or `{ target, module: import.meta.url }`.
   * @param args - are cloned; `transfer(buffer)` moves.
   * @returns a future of this loop.
   * @throws RuntimeError if the loop is closed, or the executor is shut down.
   *
   * Cancellation: the waiter is free at once. A call that waits never runs; one that runs is asked to stop, and its worker is
   * ended after the executor's `cancelGrace`: never, for the default one.
   *
   * Source: CPython 3.14 `asyncio.loop.run_in_executor`.
   */
  override runInExecutor<A extends unknown[], R>(
    executor: Executor | null,
    func: Target<A, R>,
    ...args: A
  ): Future<ResultOfCall<R>> {
    if (this.isClosed()) throw new RuntimeError('Event loop is closed');
    return this.#executor.run(this, executor, func, args);
  }

  /**
   * The executor for `runInExecutor(null, …)` and `toThread`.
   *
   * @throws TypeError if it is no ThreadPoolExecutor.
   *
   * Source: CPython 3.14 `asyncio.loop.set_default_executor`.
   */
  override setDefaultExecutor(executor: ThreadPoolExecutor): void {
    this.#executor.set(executor);
  }

  /**
   * Wait for the calls of the default executor, which takes no more.
   *
   * @param timeout - seconds to wait at most; then a warning is logged, and it goes on without waiting.
   *
   * Source: CPython 3.14 `asyncio.loop.shutdown_default_executor`.
   */
  override shutdownDefaultExecutor(timeout: Delay | null = null): Coroutine<void> {
    return shutdownExecutor(this.#executor, timeout);
  }

  /** As `BaseEventLoop.close`; also closes what is open, and removes the handlers of signals. */
  override close(): void {
    super.close();
    this.#executor.close();
    disownChildren(this);
    this.#signals?.clear();
    closeAll(this);
  }

  /**
   * Let a protocol hear of what comes from a stream of Node: standard input, a FIFO, the output of a process. The
   * transport takes the stream over, and closes it at the end.
   *
   * @returns the transport, and the protocol that the factory has made; `connectionMade` was called.
   * @throws RangeError for a regular file, RuntimeError for a stream that is closed.
   *
   * Cancellation: the stream is closed.
   *
   * Source: CPython 3.14 `asyncio.loop.connect_read_pipe`.
   */
  override connectReadPipe<P extends Protocol>(
    protocolFactory: () => P,
    pipe: Readable,
  ): Coroutine<[transport: ReadTransport, protocol: P]> {
    return connectReadPipe(this, protocolFactory, pipe);
  }

  /**
   * Write to a stream of Node through a transport, which takes it over and ends it by `close`.
   *
   * @returns the transport, and the protocol that the factory has made; `connectionMade` was called.
   * @throws RangeError for a regular file, RuntimeError for a stream that is closed.
   *
   * Cancellation: the stream is closed.
   *
   * Source: CPython 3.14 `asyncio.loop.connect_write_pipe`.
   */
  override connectWritePipe<P extends BaseProtocol>(
    protocolFactory: () => P,
    pipe: Writable,
  ): Coroutine<[transport: WriteTransport, protocol: P]> {
    return connectWritePipe(this, protocolFactory, pipe);
  }

  /**
   * Start a program. Its standard streams are pipes unless the options say otherwise.
   *
   * @throws the system's error if it cannot be started (code `ENOENT` if there is none), which says what to look at;
   *   RangeError for options that would make text of its bytes.
   *
   * Cancellation: ends the child (SIGTERM, then SIGKILL), and waits for that.
   *
   * Source: CPython 3.14 `asyncio.loop.subprocess_exec`.
   */
  override subprocessExec<P extends SubprocessProtocol>(
    protocolFactory: () => P,
    program: string,
    args: readonly string[] = [],
    options: SubprocessOptions = {},
  ): Coroutine<[transport: SubprocessTransport, protocol: P]> {
    return subprocessExec(this, protocolFactory, program, args, options);
  }

  /**
   * Start a command in the system's shell. As `subprocessExec`; the process is that of the shell.
   *
   * @throws as `subprocessExec`; RangeError if `cmd` is no string.
   *
   * Cancellation: ends the child (SIGTERM, then SIGKILL), and waits for that.
   *
   * Source: CPython 3.14 `asyncio.loop.subprocess_shell`.
   */
  override subprocessShell<P extends SubprocessProtocol>(
    protocolFactory: () => P,
    cmd: string,
    options: SubprocessOptions = {},
  ): Coroutine<[transport: SubprocessTransport, protocol: P]> {
    return subprocessShell(this, protocolFactory, cmd, options);
  }

  /**
   * Open a UDP endpoint: a socket that sends and receives datagrams, and the protocol that hears of them.
   *
   * @param protocolFactory - makes the protocol, once the socket is there.
   * @param localAddr - `[host, port]` to receive at; default any free port.
   * @param remoteAddr - `[host, port]` of the only one to talk to: the socket is connected to it, and hears when it
   *   refuses.
   * @returns the transport and the protocol, after `connectionMade`.
   * @throws RangeError or TypeError for arguments that do not go together; Node's error, with its code, if an address
   *   cannot be resolved, bound or connected to; NotImplementedError for the path of a Unix socket.
   *
   * Cancellation: closes the socket.
   *
   * Source: CPython 3.14 `asyncio.loop.create_datagram_endpoint`.
   */
  override createDatagramEndpoint<P extends DatagramProtocol>(
    protocolFactory: () => P,
    localAddr: Address | null = null,
    remoteAddr: Address | null = null,
    options: DatagramOptions = {},
  ): Coroutine<[transport: UdpTransport, protocol: P]> {
    return createDatagramEndpoint(this, protocolFactory, localAddr, remoteAddr, options);
  }

  /**
   * The addresses of a host and port, in the order of the system's resolver.
   *
   * @param host - a name or an address; null for this machine's loopback addresses.
   * @param port - a number, or the name of a service.
   * @throws Node's error with its code, such as ENOTFOUND.
   *
   * Cancellation: ends the wait; the resolver's answer is ignored.
   *
   * Source: CPython 3.14 `asyncio.loop.getaddrinfo`.
   */
  override getaddrinfo(
    host: string | null,
    port: number | string | null,
    options?: AddrInfoOptions,
  ): Coroutine<AddrInfo[]> {
    return getaddrinfo(this, host, port, options);
  }

  /**
   * The name of a host and of a service by their numbers.
   *
   * @param flags - 1: the host, 2: the service as a number; 8: throw if the host has no name; 16: of datagrams.
   * @throws Node's error with its code.
   *
   * Cancellation: ends the wait; the resolver's answer is ignored.
   *
   * Source: CPython 3.14 `asyncio.loop.getnameinfo`.
   */
  override getnameinfo(sockaddr: Address, flags?: number): Coroutine<[host: string, service: string]> {
    return getnameinfo(sockaddr, flags);
  }

  /**
   * Call `callback(...args)` in the loop at each signal `sig`, in place of a handler that was there. For SIGINT it goes
   * before the cancellation that Ctrl-C otherwise is. Listeners of the program's own are left alone. Ends with `close`.
   *
   * @param sig - its name or number.
   * @throws TypeError for a coroutine function; RangeError for an unknown signal; RuntimeError for one that cannot be
   *   caught, outside of the main thread, and if the loop is closed.
   *
   * Source: CPython 3.14 `asyncio.loop.add_signal_handler`.
   */
  override addSignalHandler<A extends unknown[]>(
    sig: NodeJS.Signals | number,
    callback: (...args: A) => unknown,
    ...args: A
  ): void {
    this.#signals ??= new SignalHandlers(this);
    this.#signals.add(sig, callback, args);
  }

  /**
   * Remove the handler of a signal, which then does what it does by default.
   *
   * @returns whether there was one.
   *
   * Source: CPython 3.14 `asyncio.loop.remove_signal_handler`.
   */
  override removeSignalHandler(sig: NodeJS.Signals | number): boolean {
    this.#signals ??= new SignalHandlers(this);
    return this.#signals.remove(sig);
  }

  // What cannot be done here, each with its reason and what comes nearest.

  /** Throws: Node tells nobody when a descriptor is readable. Source: CPython 3.14 `asyncio.loop.add_reader`. */
  override addReader(_fd: unknown, _callback: (...args: never[]) => unknown, ..._args: unknown[]): never {
    return impossible('addReader');
  }

  /** Throws, as `addReader`. Source: CPython 3.14 `asyncio.loop.remove_reader`. */
  override removeReader(_fd: unknown): never {
    return impossible('removeReader');
  }

  /** Throws: Node tells nobody when a descriptor is writable. Source: CPython 3.14 `asyncio.loop.add_writer`. */
  override addWriter(_fd: unknown, _callback: (...args: never[]) => unknown, ..._args: unknown[]): never {
    return impossible('addWriter');
  }

  /** Throws, as `addWriter`. Source: CPython 3.14 `asyncio.loop.remove_writer`. */
  override removeWriter(_fd: unknown): never {
    return impossible('removeWriter');
  }

  /** Throws: `reader.read(n)` comes nearest. Source: CPython 3.14 `asyncio.loop.sock_recv`. */
  override sockRecv(_sock: unknown, _nbytes: number): never {
    return impossible('sockRecv');
  }

  /** Throws: `BufferedProtocol` comes nearest. Source: CPython 3.14 `asyncio.loop.sock_recv_into`. */
  override sockRecvInto(_sock: unknown, _buf: Uint8Array): never {
    return impossible('sockRecvInto');
  }

  /** Throws: a datagram endpoint comes nearest. Source: CPython 3.14 `asyncio.loop.sock_recvfrom`. */
  override sockRecvfrom(_sock: unknown, _bufsize: number): never {
    return impossible('sockRecvfrom');
  }

  /** Throws: a datagram endpoint comes nearest. Source: CPython 3.14 `asyncio.loop.sock_recvfrom_into`. */
  override sockRecvfromInto(_sock: unknown, _buf: Uint8Array, _nbytes?: number): never {
    return impossible('sockRecvfromInto');
  }

  /** Throws: `writer.write` and `drain` come nearest. Source: CPython 3.14 `asyncio.loop.sock_sendall`. */
  override sockSendall(_sock: unknown, _data: Uint8Array): never {
    return impossible('sockSendall');
  }

  /** Throws: `transport.sendto` comes nearest. Source: CPython 3.14 `asyncio.loop.sock_sendto`. */
  override sockSendto(_sock: unknown, _data: Uint8Array, _address: Address): never {
    return impossible('sockSendto');
  }

  /** Throws: `createConnection` comes nearest. Source: CPython 3.14 `asyncio.loop.sock_connect`. */
  override sockConnect(_sock: unknown, _address: Address): never {
    return impossible('sockConnect');
  }

  /** Throws: `createServer` comes nearest. Source: CPython 3.14 `asyncio.loop.sock_accept`. */
  override sockAccept(_sock: unknown): never {
    return impossible('sockAccept');
  }

  /** Throws: `sendfile` of a transport comes nearest. Source: CPython 3.14 `asyncio.loop.sock_sendfile`. */
  override sockSendfile(_sock: unknown, _file: unknown, _offset?: number, _count?: number | null): never {
    return impossible('sockSendfile');
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

// The functions of the core, which on Node give loops that know Node.

/** The loop that the calling code runs in. @throws RuntimeError outside of every loop. */
export const getRunningLoop = getAnyRunningLoop as () => NodeEventLoop;

/** The running loop, else the one that `setEventLoop` chose. @throws RuntimeError if there is neither. */
export const getEventLoop = getAnyEventLoop as () => NodeEventLoop;

/** A fresh loop of the kind made for Node. */
export const newEventLoop = newAnyEventLoop as () => NodeEventLoop;
