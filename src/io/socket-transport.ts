/** Transports on the sockets of Node. Counterpart: `_SelectorSocketTransport` of `asyncio/selector_events.py`. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { BaseEventLoop } from '../core/base-events.ts';
import { type Context, copyContextOrNull } from '../core/contextvars.ts';
import { asError, isBaseError, NotImplementedError, RuntimeError } from '../core/exceptions.ts';
import { typeName } from '../core/format-helpers.ts';
import type { Future } from '../core/futures.ts';
import { logger } from '../core/log.ts';
import { current } from '../core/running.ts';
import { peerAddress, socketAddress } from './addresses.ts';
import type { NodeEventLoop } from './event-loop.ts';
import { type BaseProtocol, BufferedProtocol, type Protocol } from './protocols.ts';
import { Transport, WriteFlow } from './transports.ts';

/** Writes to a lost connection that pass in silence. CPython's value. */
const SILENT_WRITES = 5;

/** Who wants to know how many connections there are: a server. */
export interface ConnectionOwner {
  _attach(transport: SocketTransport): void;
  _detach(transport: SocketTransport): void;
}

/** What a socket transport is made with. */
export interface SocketTransportOptions {
  readonly server?: ConnectionOwner | null;
  /** What the socket is encrypted with, for `getExtraInfo`. */
  readonly sslcontext?: unknown;
  /** Seconds that the goodbye of TLS may take. */
  readonly sslShutdownTimeout?: number;
  /** Set when the protocol knows of the connection; without it, the protocol knows already. */
  readonly waiter?: Future<void> | null;
}

/**
 * A connection. What Node tells of its socket, in events of its own, becomes calls of the protocol in handles of the loop:
 * the transport stands in the ready queue itself, and delivers there what has come in meanwhile.
 */
export class SocketTransport extends Transport {
  readonly #loop: BaseEventLoop;
  readonly #socket: Socket;
  readonly #server: ConnectionOwner | null;
  readonly #flow: WriteFlow;
  readonly #isTls: boolean;
  readonly #shutdownTimeout: number;
  /** @internal */ readonly _context: Context | null;
  #protocol: BaseProtocol;
  #isBuffered = false;
  /** What has come in and was not delivered yet. */
  #chunks: Buffer[] = [];
  #hasEnded = false;
  #isEndDelivered = false;
  #isQueued = false;
  #hasStarted = false;
  #isPaused = false;
  #isClosing = false;
  #isLost = false;
  #isReleased = false;
  #hasWrittenEof = false;
  #failure: Error | null = null;
  #lateWrites = 0;
  readonly #onFlushed = (): void => {
    if (this.#flow.isPaused) this.#queue();
  };

  constructor(
    loop: BaseEventLoop,
    socket: Socket,
    protocol: BaseProtocol,
    options: SocketTransportOptions = {},
  ) {
    const { server = null, sslcontext = null, sslShutdownTimeout = 0, waiter = null } = options;
    super(extraInfo(socket, sslcontext));
    this.#loop = loop;
    this.#socket = socket;
    this.#server = server;
    this.#isTls = sslcontext !== null;
    this.#shutdownTimeout = sslShutdownTimeout;
    this.#flow = new WriteFlow(loop, this);
    this.#protocol = protocol;
    this._context = copyContextOrNull();
    this.setProtocol(protocol);
    this.#listen();
    server?._attach(this);
    (loop as Partial<NodeEventLoop>)._resources?.add(this);
    if (waiter === null) {
      loop.callSoon(() => this.#start());
      return;
    }
    loop.callSoon(() => protocol.connectionMade(this));
    loop.callSoon(() => this.#start());
    loop.callSoon(() => {
      if (!waiter.done()) waiter.setResult();
    });
  }

  #listen(): void {
    const socket = this.#socket;
    socket.pause();
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isClosing) return;
    this.#chunks.push(chunk);
    if (!this.#isPaused) this.#queue();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    if (!this.#isPaused) this.#queue();
  };

  readonly #onError = (error: Error): void => {
    this.#failure ??= error;
    if (this.#loop.getDebug()) logger.debug(`${this}: ${error}`);
  };

  readonly #onClose = (): void => {
    this.#isLost = true;
    this.#isClosing = true;
    this.#queue();
  };

  #start(): void {
    this.#hasStarted = true;
    if (!this.#isPaused && !this.#isClosing) this.#socket.resume();
    if (this.#chunks.length > 0 || this.#hasEnded || this.#isLost) this.#queue();
  }

  #queue(): void {
    if (this.#isQueued || this.#isReleased || this.#loop.isClosed()) return;
    this.#isQueued = true;
    this.#loop._push(this);
  }

  /** @internal One handle: tell the protocol what has happened since the last one. */
  _run(): void {
    current.driver = null;
    current.owner = this;
    this.#isQueued = false;
    if (this.#isReleased || !this.#hasStarted) return;
    try {
      this.#deliver();
      if (this.#hasEnded && !this.#isPaused && this.#chunks.length === 0) this.#deliverEnd();
      if (!this.#isLost) this.#flow.maybeResume();
    } catch (error) {
      if (isBaseError(error)) throw error;
      this.#fatal(error, 'Fatal error: protocol.dataReceived() call failed.');
    }
    if (this.#isLost) this.#deliverLoss();
  }

  #deliver(): void {
    while (this.#chunks.length > 0 && !this.#isPaused && !(this.#isClosing && !this.#isLost)) {
      const chunk = this.#chunks.shift() as Buffer;
      if (this.#isBuffered) this.#fill(this.#protocol as BufferedProtocol, chunk);
      else (this.#protocol as Protocol).dataReceived(chunk);
    }
  }

  #fill(protocol: BufferedProtocol, chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      const buffer = protocol.getBuffer(-1);
      if (buffer.length === 0) throw new RuntimeError('getBuffer() returned an empty buffer');
      const size = Math.min(rest.length, buffer.length);
      buffer.set(rest.subarray(0, size));
      protocol.bufferUpdated(size);
      rest = rest.subarray(size);
    }
  }

  #deliverEnd(): void {
    if (this.#isEndDelivered || (this.#isClosing && !this.#isLost)) return;
    this.#isEndDelivered = true;
    const keepOpen = (this.#protocol as Protocol).eofReceived?.();
    if (!keepOpen || this.#isTls) this.close();
  }

  #deliverLoss(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    (this.#loop as Partial<NodeEventLoop>)._resources?.delete(this);
    this.#chunks = [];
    try {
      this.#protocol.connectionLost(this.#failure);
    } catch (error) {
      if (isBaseError(error)) throw error;
      this.#report(error, 'protocol.connectionLost() failed');
    } finally {
      this.#server?._detach(this);
    }
  }

  /** A protocol method has thrown: it is told, and the connection closed. */
  #fatal(error: unknown, message: string): void {
    this.#report(error, message);
    this.#forceClose(asError(error));
  }

  #report(error: unknown, message: string): void {
    const protocol = this.#protocol;
    this.#loop.callExceptionHandler({ message, exception: error, transport: this, protocol });
  }

  #forceClose(error: Error | null): void {
    this.#isClosing = true;
    this.#chunks = [];
    this.#failure ??= error;
    this.#socket.destroy();
  }

  /** @internal The loop is closed. What a connection that closes has to write goes out if the peer takes it. */
  _abandon(): void {
    if (this.#isClosing) this.#socket.unref();
    else this.#socket.destroy();
    this.#isClosing = true;
  }

  /** @internal Give the socket back, with what was read and not delivered, for another transport. */
  _release(): Socket {
    const socket = this.#socket;
    this.#isReleased = true;
    this.#isClosing = true;
    (this.#loop as Partial<NodeEventLoop>)._resources?.delete(this);
    socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onError)
      .off('close', this.#onClose);
    socket.pause();
    for (const chunk of this.#chunks.reverse()) socket.unshift(chunk);
    this.#chunks = [];
    this.#server?._detach(this);
    return socket;
  }

  /** @internal Put data that the protocol has got already in front of what comes next. */
  _unread(chunk: Buffer): void {
    this.#chunks.unshift(chunk);
  }

  /** @internal Whether the protocol was told to write no more. */
  _isWritingPaused(): boolean {
    return this.#flow.isPaused;
  }

  /** @internal */
  get _owner(): ConnectionOwner | null {
    return this.#server;
  }

  override getProtocol(): BaseProtocol {
    return this.#protocol;
  }

  override setProtocol(protocol: BaseProtocol): void {
    this.#protocol = protocol;
    this.#isBuffered =
      protocol instanceof BufferedProtocol ||
      typeof (protocol as Partial<BufferedProtocol>).getBuffer === 'function';
  }

  override isClosing(): boolean {
    return this.#isClosing;
  }

  override close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#chunks = [];
    const socket = this.#socket;
    if (this.#isTls) this.#limitGoodbye();
    // Reads on, so that an end or a reset of the peer is seen; what comes is dropped.
    if (socket.writableLength === 0 && !this.#isTls) socket.destroy();
    else socket.destroySoon();
  }

  /** A peer that does not read must not keep a closed connection for ever. */
  #limitGoodbye(): void {
    const timer = this.#loop.callLater(this.#shutdownTimeout, () => this.#socket.destroy());
    this.#socket.once('close', () => timer.cancel());
  }

  override abort(): void {
    if (!this.#isLost) this.#forceClose(null);
  }

  override isReading(): boolean {
    return !this.#isPaused && !this.#isClosing;
  }

  override pauseReading(): void {
    if (!this.isReading()) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  override resumeReading(): void {
    if (!this.#isPaused || this.#isClosing) return;
    this.#isPaused = false;
    if (this.#hasStarted) this.#socket.resume();
    if (this.#chunks.length > 0 || this.#hasEnded) this.#queue();
  }

  override write(data: Uint8Array): void {
    if (!(data instanceof Uint8Array)) {
      throw new TypeError(
        `data argument must be a bytes-like object, not '${typeName(data)}': give a Buffer or Uint8Array, as in Buffer.from(text)`,
      );
    }
    if (this.#hasWrittenEof) throw new RuntimeError('Cannot call write() after writeEof()');
    if (data.length === 0) return;
    const socket = this.#socket;
    if (this.#isLost || socket.destroyed) {
      if (this.#lateWrites++ >= SILENT_WRITES) logger.warning('socket.send() raised exception.');
      return;
    }
    // The rest of a connection that closes is its buffer.
    if (this.#isClosing) return;
    if (socket.writableLength + data.length <= this.#flow.low) {
      socket.write(data);
      return;
    }
    socket.write(data, this.#onFlushed);
    this.#flow.maybePause();
  }

  override writelines(data: Iterable<Uint8Array>): void {
    if (this.#hasWrittenEof) throw new RuntimeError('Cannot call writelines() after writeEof()');
    const socket = this.#socket;
    socket.cork();
    try {
      for (const chunk of data) this.write(chunk);
    } finally {
      socket.uncork();
    }
    this.#flow.maybePause();
  }

  override writeEof(): void {
    if (this.#isTls) throw new NotImplementedError('TLS cannot close one direction: use close()');
    if (this.#isClosing || this.#hasWrittenEof) return;
    this.#hasWrittenEof = true;
    this.#socket.end();
  }

  override canWriteEof(): boolean {
    return !this.#isTls;
  }

  override setWriteBufferLimits(high?: number | null, low?: number | null): void {
    this.#flow.setLimits(high, low);
    this.#flow.maybePause();
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return [this.#flow.low, this.#flow.high];
  }

  override getWriteBufferSize(): number {
    return this.#isLost ? 0 : this.#socket.writableLength;
  }

  override toString(): string {
    const state = this.#isReleased ? 'closed' : this.#isClosing ? 'closing' : 'open';
    const details = [state];
    if (!this.#isReleased) {
      details.push(this.isReading() ? 'reading' : 'idle');
      details.push(`bufsize=${this.getWriteBufferSize()}`);
    }
    return `<${this.constructor.name} ${details.join(' ')}>`;
  }
}

function extraInfo(socket: Socket, sslcontext: unknown): Record<string, unknown> {
  const extra: Record<string, unknown> = {
    socket,
    peername: peerAddress(socket),
    sockname: socketAddress(socket),
  };
  if (sslcontext === null) return extra;
  const tls = socket as TLSSocket;
  const { name, version, standardName } = tls.getCipher();
  return {
    ...extra,
    sslcontext,
    ssl_object: tls,
    cipher: [standardName || name, version, null],
    compression: null,
    peercert: emptyToNull(tls.getPeerCertificate()),
  };
}

function emptyToNull(certificate: object | null): object | null {
  return certificate === null || Object.keys(certificate).length === 0 ? null : certificate;
}
