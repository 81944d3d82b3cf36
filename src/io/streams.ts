/** Streams of bytes for tasks. Counterpart: `asyncio/streams.py`, whose reader is in `stream-reader.ts`. */
import type { Writable } from 'node:stream';
import type { WritableStream } from 'node:stream/web';
import type { BaseEventLoop } from '../core/base-events.ts';
import { callCoroutine, methodCoroutine, coroutine, tracked } from '../core/coroutines.ts';
import { type AbstractEventLoop, getEventLoop, requireLoop } from '../core/events.ts';
import { AssertionError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import type { Task } from '../core/tasks.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { type Gate, type LineWaiter, Passage, TurnWaiter, WaiterLine } from '../core/waiter-line.ts';
import { Protocol } from './protocols.ts';
import { SocketTransport } from './socket-transport.ts';
import { writerToNode, writerToWeb } from './stream-interop.ts';
import { checkLimit, DEFAULT_LIMIT, type StreamOptions, StreamReader } from './stream-reader.ts';
import type {
  Connection as LoopConnection,
  ConnectionOptions,
  UnixConnectionOptions,
} from './connections.ts';
import type { NodeEventLoop } from './event-loop.ts';
import type { Server, ServerOptions, UnixServerOptions } from './server.ts';
import type { TlsContext, TlsOptions } from './tls.ts';
import type { BaseTransport, Transport, WriteTransport } from './transports.ts';

/** The error of whoever writes to a connection that is gone. */
function connectionLost(): Error {
  return Object.assign(new Error('Connection lost'), { code: 'ECONNRESET' });
}

/** Those who wait until a transport has room. */
class DrainLine extends WaiterLine implements Gate<void, void> {
  declare readonly owner: FlowControlMixin;

  get _operation(): string {
    return 'FlowControlMixin._drainHelper';
  }

  _attempt(woken: LineWaiter | null): void | LineWaiter {
    if (woken !== null) {
      this.leave(woken);
      if (!(woken instanceof TurnWaiter)) return;
    }
    if (this.owner._connectionLost) throw connectionLost();
    if (this.owner._paused) return this.join(this.owner._loop);
  }

  _giveUp(waiter: LineWaiter): void {
    this.leave(waiter);
  }
}

/** Those who wait until something is closed, each for itself. */
export class CloseLine extends WaiterLine implements Gate<void, void> {
  readonly #loop: BaseEventLoop;
  #isClosed = false;
  #error: Error | null = null;

  constructor(owner: FlowControlMixin, loop: BaseEventLoop) {
    super(owner);
    this.#loop = loop;
  }

  get _operation(): string {
    return 'StreamWriter.waitClosed';
  }

  /** It is closed, by an error or without one. */
  close(error: Error | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error = error;
    this.wakeAll();
  }

  _attempt(woken: LineWaiter | null): void | LineWaiter {
    if (woken !== null) this.leave(woken);
    if (!this.#isClosed) return this.join(this.#loop);
    if (this.#error !== null) throw this.#error;
  }

  _giveUp(waiter: LineWaiter): void {
    this.leave(waiter);
  }
}

/**
 * A protocol that lets writers wait while the transport has no room. Who overrides its methods calls those of the base.
 *
 * Source: CPython 3.14 `asyncio.streams.FlowControlMixin`.
 */
export abstract class FlowControlMixin extends Protocol {
  /** @internal */ readonly _loop: BaseEventLoop;
  /** @internal */ _paused = false;
  /** @internal */ _connectionLost = false;
  /** @internal */ readonly _drainLine: DrainLine = new DrainLine(this);

  /** @param loop - default `getEventLoop()`. */
  constructor(loop?: AbstractEventLoop | null) {
    super();
    this._loop = (loop ?? getEventLoop()) as BaseEventLoop;
  }

  override pauseWriting(): void {
    if (this._paused) throw new AssertionError('pauseWriting() of a protocol that is paused');
    this._paused = true;
    if (this._loop.getDebug()) logger.debug(`${this} pauses writing`);
  }

  override resumeWriting(): void {
    if (!this._paused) throw new AssertionError('resumeWriting() of a protocol that is not paused');
    this._paused = false;
    if (this._loop.getDebug()) logger.debug(`${this} resumes writing`);
    this._drainLine.wakeAll();
  }

  override connectionLost(exc: Error | null): void {
    this._connectionLost = true;
    if (!this._paused) return;
    if (exc === null) this._drainLine.wakeAll();
    else this._drainLine.failAll(exc);
  }

  /** @internal Wait until there is room. */
  _drainHelper(): Coroutine<void> {
    return tracked(new Passage(this._drainLine, undefined));
  }

  /** @internal Those who wait until `stream` is closed. */
  abstract _getCloseWaiter(stream: StreamWriter): CloseLine;

  /** @internal What a task that waits in `drain` waits for, in reports. */
  _waitText(): string {
    return this.toString();
  }

  override toString(): string {
    return `<${this.constructor.name}${this._paused ? ' paused' : ''}>`;
  }
}

/** Called with the streams of each client: an async function, a generator function, or a plain function. */
export type ClientConnectedCb = (
  reader: StreamReader,
  writer: StreamWriter,
) => Gen<unknown> | PromiseLike<unknown> | void;

/**
 * Feeds a reader, and lets writers wait.
 *
 * @param clientConnectedCb - called in a task of its own when the connection is there.
 * @param loop - default `getEventLoop()`.
 *
 * Source: CPython 3.14 `asyncio.StreamReaderProtocol`.
 */
export class StreamReaderProtocol extends FlowControlMixin {
  /** @internal */ _clientConnectedCb: ClientConnectedCb | null;
  /** @internal Null once the connection is lost. */ _streamReader: StreamReader | null;
  /** @internal */ _transport: Transport | null = null;
  /** @internal The task of the callback. */ _task: Task<unknown> | null = null;
  #isOverTls = false;
  readonly #closing: CloseLine;

  constructor(
    streamReader: StreamReader | null,
    clientConnectedCb?: ClientConnectedCb | null,
    loop?: AbstractEventLoop | null,
  ) {
    super(loop);
    this._streamReader = streamReader;
    this._clientConnectedCb = clientConnectedCb ?? null;
    this.#closing = new CloseLine(this, this._loop);
  }

  /** @internal The connection goes on by another transport: that of `startTls`. */
  _replaceTransport(transport: Transport): void {
    this.#adopt(transport);
    this._streamReader?._replaceTransport(transport);
  }

  #adopt(transport: Transport): void {
    this._transport = transport;
    this.#isOverTls = transport.getExtraInfo('sslcontext') !== null;
  }

  override connectionMade(transport: BaseTransport): void {
    this.#adopt(transport as Transport);
    const reader = this._streamReader;
    reader?.setTransport(transport as Transport);
    const callback = this._clientConnectedCb;
    if (callback === null || reader === null) return;
    const writer = new StreamWriter(transport as Transport, this, reader, this._loop);
    const task = this._loop.createTask(
      callCoroutine<[StreamReader, StreamWriter], unknown>(callback, reader, writer),
    );
    this._task = task;
    task.addDoneCallback((ended) => this.#callbackEnded(ended, transport));
  }

  #callbackEnded(task: Task<unknown>, transport: BaseTransport): void {
    if (task.cancelled()) {
      transport.close();
      return;
    }
    const exception = task.exception();
    if (exception === null) return;
    this._loop.callExceptionHandler({
      message: 'Unhandled exception in clientConnectedCb',
      exception,
      transport,
    });
    transport.close();
  }

  override connectionLost(exc: Error | null): void {
    if (exc === null) this._streamReader?.feedEof();
    else this._streamReader?.setException(exc);
    this.#closing.close(exc);
    super.connectionLost(exc);
    this._streamReader = null;
    this._task = null;
    this._transport = null;
  }

  override dataReceived(data: Buffer): void {
    this._streamReader?.feedData(data);
  }

  override eofReceived(): boolean {
    this._streamReader?.feedEof();
    // TLS cannot be closed by halves.
    return !this.#isOverTls;
  }

  /** @internal */
  override _getCloseWaiter(_stream: StreamWriter): CloseLine {
    return this.#closing;
  }
}

/** What a writer has; the registry of those that are collected holds it in their place. */
interface Connection {
  transport: Transport;
  readonly protocol: FlowControlMixin;
  readonly reader: StreamReader | null;
  readonly loop: BaseEventLoop;
}

const abandoned = /* @__PURE__ */ new FinalizationRegistry<Connection>((connection) => {
  if (connection.transport.isClosing()) return;
  if (connection.loop.isClosed()) {
    logger.warning('ResourceWarning: loop is closed');
    return;
  }
  connection.transport.close();
  logger.warning(`ResourceWarning: unclosed ${writerText('StreamWriter', connection)}`);
});

function writerText(name: string, { transport, reader }: Connection): string {
  const parts = [name, `transport=${repr(transport)}`];
  if (reader !== null) parts.push(`reader=${reader}`);
  return `<${parts.join(' ')}>`;
}

class DrainGate implements Gate<void, void> {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get _operation(): string {
    return 'StreamWriter.drain';
  }

  _attempt(woken: LineWaiter | null): void | LineWaiter {
    const { transport, protocol, reader, loop } = this.#connection;
    if (woken === null) {
      const error = reader === null ? null : reader.exception();
      if (error !== null) throw error;
      // A turn in which the protocol may hear that the connection is lost: who writes and drains in a circle would
      // never know.
      if (transport.isClosing()) return new TurnWaiter(loop, protocol._drainLine);
    }
    return protocol._drainLine._attempt(woken);
  }

  _giveUp(waiter: LineWaiter): void {
    this.#connection.protocol._drainLine._giveUp(waiter);
  }
}

/** The codes of the errors that a connection may end with (Python: `ConnectionError`, `TimeoutError`). */
const CONNECTION_ERRORS = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ESHUTDOWN',
  'ENOTCONN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENETRESET',
]);

/**
 * Writes to a connection. `write` never waits; `drain` after it waits while the peer is slower than you:
 *
 * ```ts
 * for (const row of rows) {
 *   writer.write(row);
 *   await writer.drain();
 * }
 * ```
 *
 * `await using writer = …` closes it at the end of the block.
 *
 * Source: CPython 3.14 `asyncio.StreamWriter`.
 */
export class StreamWriter implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #drain: DrainGate;

  constructor(
    transport: WriteTransport,
    protocol: FlowControlMixin,
    reader: StreamReader | null,
    loop: AbstractEventLoop,
  ) {
    if (reader !== null && !(reader instanceof StreamReader))
      throw new AssertionError(`a StreamReader or null was expected, got ${repr(reader)}`);
    this.#connection = {
      transport: transport as Transport,
      protocol,
      reader,
      loop: loop as BaseEventLoop,
    };
    this.#drain = new DrainGate(this.#connection);
    abandoned.register(this, this.#connection);
  }

  /** What it writes to. */
  get transport(): WriteTransport {
    return this.#connection.transport;
  }

  /** Write `data`, later if it cannot be done at once. Never waits. */
  write(data: Uint8Array): void {
    this.#connection.transport.write(data);
  }

  /** Write them all in one go. */
  writelines(data: Iterable<Uint8Array>): void {
    this.#connection.transport.writelines(data);
  }

  /** Write what is waiting, and then tell the peer that nothing more comes. */
  writeEof(): void {
    this.#connection.transport.writeEof();
  }

  /** Whether `writeEof` can be done. Not over TLS. */
  canWriteEof(): boolean {
    return this.#connection.transport.canWriteEof();
  }

  /** Read no more, write what is waiting, then close. `waitClosed` waits for it. */
  close(): void {
    this.#connection.transport.close();
  }

  /** Whether it is closed, or about to be. */
  isClosing(): boolean {
    return this.#connection.transport.isClosing();
  }

  /**
   * Wait until the connection is closed. Does not suspend if it is.
   *
   * @throws the error that it ended with.
   *
   * Cancellation: ends this wait, and no other one's.
   *
   * Source: CPython 3.14 `asyncio.StreamWriter.wait_closed`.
   */
  waitClosed(): Coroutine<void> {
    return tracked(new Passage(this.#connection.protocol._getCloseWaiter(this), undefined));
  }

  /** Something about the connection, as `BaseTransport.getExtraInfo`. */
  getExtraInfo<T = unknown>(name: string, defaultValue?: T | null): T | null {
    return this.#connection.transport.getExtraInfo(name, defaultValue);
  }

  /**
   * Wait while more is waiting to be written than the transport wants. Does not suspend if there is room, and says nothing
   * of what the peer has received.
   *
   * @throws the error that the connection ended with; one with code ECONNRESET if it is closed.
   *
   * Cancellation: ends the wait; nothing that was written is lost.
   *
   * Source: CPython 3.14 `asyncio.StreamWriter.drain`.
   */
  drain(): Coroutine<void> {
    return tracked(new Passage(this.#drain, undefined));
  }

  /**
   * Go on with TLS, as the server if a server accepted the connection. Reader, writer and protocol stay.
   *
   * @param sslcontext - as the `ssl` option of `openConnection`.
   *
   * Cancellation: the connection cannot be used any more.
   *
   * Source: CPython 3.14 `asyncio.StreamWriter.start_tls`.
   */
  startTls(sslcontext: TlsContext, options: StreamTlsOptions = {}): Coroutine<void> {
    return upgrade(this, this.#connection, sslcontext, options);
  }

  /**
   * A web stream that writes here. Its end is the end of what the peer gets (where the transport cannot do that, the
   * connection is closed); the connection stays yours to close. To abort it aborts the connection. Not in CPython.
   */
  toWeb(): WritableStream<Uint8Array> {
    return writerToWeb(this);
  }

  /** The same as a stream of Node; to destroy it with an error aborts the connection. Not in CPython. */
  toNode(): Writable {
    return writerToNode(this);
  }

  /** @internal */
  get _loop(): BaseEventLoop {
    return this.#connection.loop;
  }

  /** @internal Whether `drain` would wait or throw. */
  _mustDrain(): boolean {
    const { transport, protocol, reader } = this.#connection;
    return (
      protocol._paused ||
      protocol._connectionLost ||
      transport.isClosing() ||
      (reader !== null && reader._exception !== null)
    );
  }

  /** Close it and wait until it is closed; errors of a connection that breaks meanwhile don't matter. */
  [Symbol.asyncDispose](): Coroutine<void> {
    return dispose(this);
  }

  toString(): string {
    return writerText(this.constructor.name, this.#connection);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

const upgrade = /* @__PURE__ */ methodCoroutine(
  'StreamWriter.startTls',
  function* (
    writer: StreamWriter,
    connection: Connection,
    sslcontext: TlsContext,
    options: StreamTlsOptions,
  ): Gen<void> {
    const protocol = connection.protocol as StreamReaderProtocol;
    const serverSide = protocol._clientConnectedCb !== null;
    yield* writer.drain();
    const loop = connection.loop as NodeEventLoop;
    returnBytes(connection);
    const transport = yield* loop.startTls(connection.transport, protocol, sslcontext, {
      ...options,
      serverSide,
    });
    connection.transport = transport;
    protocol._replaceTransport(transport);
  },
);

/** What the reader has got and nobody has read is the beginning of the handshake. */
function returnBytes({ transport, reader }: Connection): void {
  if (!(transport instanceof SocketTransport) || reader === null || reader._buffer.length === 0) return;
  transport.pauseReading();
  transport._unread(reader._buffer.takeAll());
}

const dispose = /* @__PURE__ */ methodCoroutine(
  'StreamWriter[Symbol.asyncDispose]',
  function* (writer: StreamWriter): Gen<void> {
    writer.close();
    try {
      yield* writer.waitClosed();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (!CONNECTION_ERRORS.has(code as string)) throw error;
    }
  },
);

/** Options of `startTls` of a stream. */
export interface StreamTlsOptions extends TlsOptions {
  /** The name that the peer's certificate must be for; empty: any. A client has to say. */
  serverHostname?: string | null;
}

/** What both kinds of client do: `begin` calls the loop's method. */
function* connect<O>(
  options: StreamOptions & O,
  begin: (
    loop: NodeEventLoop,
    factory: () => StreamReaderProtocol,
    options: O,
  ) => Coroutine<LoopConnection<StreamReaderProtocol>>,
): Gen<[StreamReader, StreamWriter]> {
  const { limit, ...rest } = options;
  const loop = requireLoop() as NodeEventLoop;
  const reader = new StreamReader(limit, loop);
  const protocol = new StreamReaderProtocol(reader, null, loop);
  const [transport] = yield* begin(loop, () => protocol, rest as O);
  return [reader, new StreamWriter(transport, protocol, reader, loop)];
}

/** What both kinds of server do. */
function* serve<O>(
  callback: ClientConnectedCb,
  options: StreamOptions & O,
  begin: (loop: NodeEventLoop, factory: () => StreamReaderProtocol, options: O) => Coroutine<Server>,
): Gen<Server> {
  if (typeof callback !== 'function')
    throw new TypeError(`clientConnectedCb must be a function, got ${repr(callback)}`);
  const { limit = DEFAULT_LIMIT, ...rest } = options;
  // Not at the first client, who could do nothing about it.
  checkLimit(limit);
  const loop = requireLoop() as NodeEventLoop;
  const factory = (): StreamReaderProtocol =>
    new StreamReaderProtocol(new StreamReader(limit, loop), callback, loop);
  return yield* begin(loop, factory, rest as O);
}

/**
 * Connect by TCP.
 *
 * ```ts
 * const [reader, writer] = await openConnection('example.org', 80);
 * ```
 *
 * @param options - of `loop.createConnection`, and `limit`.
 *
 * Cancellation: nothing is left open.
 *
 * Source: CPython 3.14 `asyncio.open_connection`.
 */
export const openConnection: (
  host?: string | null,
  port?: number | string | null,
  options?: StreamOptions & ConnectionOptions,
) => Coroutine<[StreamReader, StreamWriter]> = /* @__PURE__ */ coroutine(function* openConnection(
  host: string | null = null,
  port: number | string | null = null,
  options: StreamOptions & ConnectionOptions = {},
): Gen<[StreamReader, StreamWriter]> {
  return yield* connect(options, (loop, factory, rest) => loop.createConnection(factory, host, port, rest));
});

/**
 * Listen by TCP, and call `clientConnectedCb` for each client, in a task of its own.
 *
 * ```ts
 * const server = await startServer(async (reader, writer) => {
 *   await using _ = writer;
 *   for await (const line of reader) writer.write(line);
 * }, '127.0.0.1', 8888);
 * ```
 *
 * An error of the callback goes to the loop's exception handler and closes the connection. Its normal end does not.
 *
 * @param options - of `loop.createServer`, and `limit`.
 *
 * Source: CPython 3.14 `asyncio.start_server`.
 */
export const startServer: (
  clientConnectedCb: ClientConnectedCb,
  host?: string | readonly string[] | null,
  port?: number | null,
  options?: StreamOptions & ServerOptions,
) => Coroutine<Server> = /* @__PURE__ */ coroutine(function* startServer(
  clientConnectedCb: ClientConnectedCb,
  host: string | readonly string[] | null = null,
  port: number | null = null,
  options: StreamOptions & ServerOptions = {},
): Gen<Server> {
  return yield* serve(clientConnectedCb, options, (loop, factory, rest) =>
    loop.createServer(factory, host, port, rest),
  );
});

/**
 * Connect to a Unix socket; on Windows, to a named pipe.
 *
 * @param options - of `loop.createUnixConnection`, and `limit`.
 *
 * Cancellation: nothing is left open.
 *
 * Source: CPython 3.14 `asyncio.open_unix_connection`.
 */
export const openUnixConnection: (
  path?: string | null,
  options?: StreamOptions & UnixConnectionOptions,
) => Coroutine<[StreamReader, StreamWriter]> = /* @__PURE__ */ coroutine(function* openUnixConnection(
  path: string | null = null,
  options: StreamOptions & UnixConnectionOptions = {},
): Gen<[StreamReader, StreamWriter]> {
  return yield* connect(options, (loop, factory, rest) => loop.createUnixConnection(factory, path, rest));
});

/**
 * Listen at a Unix socket; on Windows, at a named pipe. As `startServer`.
 *
 * @param options - of `loop.createUnixServer`, and `limit`.
 *
 * Source: CPython 3.14 `asyncio.start_unix_server`.
 */
export const startUnixServer: (
  clientConnectedCb: ClientConnectedCb,
  path?: string | null,
  options?: StreamOptions & UnixServerOptions,
) => Coroutine<Server> = /* @__PURE__ */ coroutine(function* startUnixServer(
  clientConnectedCb: ClientConnectedCb,
  path: string | null = null,
  options: StreamOptions & UnixServerOptions = {},
): Gen<Server> {
  return yield* serve(clientConnectedCb, options, (loop, factory, rest) =>
    loop.createUnixServer(factory, path, rest),
  );
});
