/** Transports on the sockets of Node. Counterpart: `_SelectorSocketTransport` of `asyncio/selector_events.py`. */
import type { Socket } from 'node:net';
import type { CipherNameAndProtocol, TLSSocket } from 'node:tls';
import type { BaseEventLoop } from '../core/base-events.ts';
import { type Context, copyContextOrNull } from '../core/contextvars.ts';
import type { TimerHandle } from '../core/events.ts';
import { asError, isBaseError, NotImplementedError, RuntimeError, TimeoutError } from '../core/exceptions.ts';
import { typeName } from '../core/format-helpers.ts';
import type { Future } from '../core/futures.ts';
import { logger } from '../core/log.ts';
import { current } from '../core/running.ts';
import { peerAddress, socketAddress } from './addresses.ts';
import { inlets } from './inlet.ts';
import { closed, opened } from './open-resources.ts';
import { type BaseProtocol, BufferedProtocol, type Protocol } from './protocols.ts';
import { Transport, WriteFlow } from './transports.ts';

/** The high mark of an encrypted connection, in bytes. CPython's value. */
const TLS_HIGH_MARK = 512 * 1024;

/** From this write to a lost connection on, each is warned about. CPython's value. */
const WARNED_WRITES = 5;

/** Listens to errors that are of no interest, since an 'error' that nobody hears ends the process. */
export function ignore(): void {}

/** The transport that the last bytes came to. */
let lastToRead: SocketTransport | null = null;

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
  readonly #chunks: Buffer[] = [];
  #hasEnded = false;
  #isEndDelivered = false;
  #isQueued = false;
  #hasStarted = false;
  #isPaused = false;
  #isClosing = false;
  /** Nothing can be written any more. */
  #isLost = false;
  /** The protocol has heard its last word, or the socket belongs to another transport. */
  #isReleased = false;
  /** TLS takes the socket over, and this one is what can still end it. */
  #isHandingOver = false;
  #hasWrittenEof = false;
  #isSendingFile = false;
  #failure: Error | null = null;
  #lateWrites = 0;
  /** Runs until TLS has said goodbye. */
  #goodbye: TimerHandle | null = null;
  #whenWritten: (() => void) | null = null;
  // A write that has failed has flushed nothing: the loss comes next.
  readonly #onFlushed = (error?: Error | null): void => {
    if (error) return;
    if (this.#flow.isPaused || this.#isClosing || this.#whenWritten !== null) this.#flushed();
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
    this.#flow = new WriteFlow(loop, this, this.#isTls ? TLS_HIGH_MARK : undefined);
    this.#protocol = protocol;
    this._context = copyContextOrNull();
    this.setProtocol(protocol);
    this.#listen();
    opened(loop, this);
    server?._attach(this);
    if (waiter === null) {
      loop.callSoon(() => this.#start());
      return;
    }
    loop.callSoon(protocol.connectionMade.bind(protocol), this);
    loop.callSoon(() => this.#start());
    loop.callSoon(() => {
      if (!waiter.done()) waiter.setResult();
    });
  }

  #listen(): void {
    const socket = this.#socket;
    // Sockets that others have made end themselves with their peer.
    if (!this.#isTls) socket.allowHalfOpen = true;
    socket.pause();
    const inlet = inlets.get(socket);
    if (inlet !== undefined) inlet.receive = this.#onData;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    if (socket.destroyed) {
      // Gone before anybody listened.
      this.#failure = socket.errored;
      this.#isLost = true;
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isClosing) return;
    this.#chunks.push(chunk);
    if (this.#isPaused) return;
    if (lastToRead !== this) {
      lastToRead = this;
      this.#queue();
      return;
    }
    if (this.#isQueued || this.#loop.isClosed()) return;
    this.#isQueued = true;
    // It is the only one that reads now. At once, since Node reads on, up to two megabytes, until it is told to pause;
    // of several connections, one turn serves all.
    this.#loop._pushPromptly(this);
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
    if (lastToRead === this) lastToRead = null;
    this.#goodbye?.cancel();
    // Node closes what has ended both ways; here that is the protocol's to do.
    if (this.#hasWrittenEof && this.#hasEnded && this.#failure === null && !this.#isClosing) return;
    this.#lose(null);
  };

  #start(): void {
    this.#hasStarted = true;
    if (this.isReading()) this.#socket.resume();
    if (this.#chunks.length > 0 || this.#hasEnded || this.#isLost) this.#queue();
  }

  #queue(): void {
    if (this.#isQueued || this.#isReleased || this.#loop.isClosed()) return;
    this.#isQueued = true;
    this.#loop._push(this);
  }

  /** Something was written. */
  #flushed(): void {
    const isEmpty = this.#socket.writableLength === 0;
    if (isEmpty) this.#whenWritten?.();
    if (isEmpty && this.#isClosing && !this.#isTls) this.#lose(null);
    else if (this.#flow.isPaused) this.#queue();
  }

  /** @internal One handle: tell the protocol what has happened since the last one. */
  _run(): void {
    current.driver = null;
    current.owner = this;
    this.#isQueued = false;
    if (this.#isReleased || !this.#hasStarted) return;
    if (this.#chunks.length > 0) this.#deliver();
    if (this.#hasEnded && !this.#isEndDelivered) this.#deliverEnd();
    if (this.#flow.isPaused && !this.#isLost) this.#flow.maybeResume();
    if (this.#isLost && !this.#holdsLoss()) this.#deliverLoss();
  }

  /**
   * A loss is held back as long as the protocol wants no data and some came before it, as a loop that does not look at
   * the socket would not know of it; unless a writer has to know.
   */
  #holdsLoss(): boolean {
    return (
      this.#isPaused &&
      !this.#isClosing &&
      (this.#chunks.length > 0 || (this.#hasEnded && !this.#isEndDelivered)) &&
      !this.#flow.isPaused &&
      this.#lateWrites === 0
    );
  }

  #deliver(): void {
    const chunks = this.#chunks;
    try {
      // Each call may pause, close, or change the protocol.
      while (this.isReading()) {
        const chunk = chunks.shift();
        if (chunk === undefined) return;
        if (this.#isBuffered) this.#fill(chunk);
        else (this.#protocol as Protocol).dataReceived(chunk);
      }
    } catch (error) {
      this.#fatal(error, 'dataReceived');
    }
  }

  /** Put as much of `chunk` into the protocol's buffer as there is room; the rest comes next. */
  #fill(chunk: Buffer): void {
    const protocol = this.#protocol as BufferedProtocol;
    let buffer: Uint8Array;
    try {
      buffer = protocol.getBuffer(-1);
      if (buffer.length === 0) throw new RuntimeError('getBuffer() returned an empty buffer');
    } catch (error) {
      this.#fatal(error, 'getBuffer');
      return;
    }
    const size = Math.min(chunk.length, buffer.length);
    buffer.set(size === chunk.length ? chunk : chunk.subarray(0, size));
    if (size < chunk.length) this.#chunks.unshift(chunk.subarray(size));
    try {
      protocol.bufferUpdated(size);
    } catch (error) {
      this.#fatal(error, 'bufferUpdated');
    }
  }

  #deliverEnd(): void {
    if (this.#chunks.length > 0 || !this.isReading()) return;
    this.#isEndDelivered = true;
    if (this.#loop.getDebug()) logger.debug(`${this} received EOF`);
    try {
      const keepOpen = (this.#protocol as Protocol).eofReceived?.();
      if (keepOpen && !this.#isTls) return;
      if (keepOpen) logger.warning('returning true from eofReceived() has no effect when using ssl');
      this.close();
    } catch (error) {
      this.#fatal(error, 'eofReceived');
    }
  }

  #deliverLoss(): void {
    this.#isReleased = true;
    this.#isClosing = true;
    this.#chunks.length = 0;
    try {
      this.#protocol.connectionLost(this.#failure);
    } catch (error) {
      if (isBaseError(error)) throw error;
      this.#report(error, `Exception in callback ${this.#protocol.constructor.name}.connectionLost()`);
    } finally {
      this.#forget();
    }
  }

  #forget(): void {
    closed(this.#loop, this);
    this.#server?._detach(this);
  }

  /** A method of the protocol has thrown: the connection ends. An error of the system is nobody's mistake. */
  #fatal(error: unknown, method: string): void {
    if (isBaseError(error)) throw error;
    const message = `Fatal error: protocol.${method}() call failed.`;
    if (!isSystemError(error)) this.#report(error, message);
    else if (this.#loop.getDebug()) logger.debug(`${this}: ${message}: ${error}`);
    this.#isClosing = true;
    this.#chunks.length = 0;
    this.#lose(asError(error));
  }

  #report(error: unknown, message: string): void {
    const protocol = this.#protocol;
    this.#loop.callExceptionHandler({ message, exception: error, transport: this, protocol });
  }

  /** The connection is over: the protocol hears of it in the next iteration. */
  #lose(error: Error | null): void {
    this.#failure ??= error;
    this.#isLost = true;
    this.#socket.destroy();
    this.#whenWritten?.();
    this.#queue();
  }

  /** @internal Give the socket back, with what was read and not delivered, for another transport. */
  _release(): Socket {
    const socket = this.#socket;
    this.#isReleased = true;
    this.#isHandingOver = true;
    socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onError)
      .off('close', this.#onClose)
      .on('error', ignore);
    socket.pause();
    if (lastToRead === this) lastToRead = null;
    // What comes after the end would not be heard; there is nothing to be had from it.
    if (this.#hasEnded) socket.destroy();
    else for (const chunk of this.#chunks.reverse()) socket.unshift(chunk);
    this.#chunks.length = 0;
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

  /** @internal The socket has found its other transport, or is gone. */
  _released(): void {
    this.#isHandingOver = false;
    this.#isClosing = true;
    this.#isLost = true;
    this.#forget();
  }

  /** @internal */
  _dispose(): void {
    this.#isReleased = true;
    this.#isClosing = true;
    this.#isLost = true;
    this.#socket.destroy();
  }

  /** @internal */
  get _owner(): ConnectionOwner | null {
    return this.#server;
  }

  /** @internal Call back when nothing waits to be written any more, or nothing can be; false if that is so already. */
  _whenWritten(callback: () => void): boolean {
    if (this.#isLost || this.#socket.writableLength === 0) return false;
    this.#whenWritten = callback;
    return true;
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
    if (this.#isHandingOver) this.#socket.destroy();
    if (this.#isClosing || this.#isReleased) return;
    this.#isClosing = true;
    this.#chunks.length = 0;
    const socket = this.#socket;
    if (this.#isTls && !this.#isLost) {
      // The peer answers the goodbye. Leaving before that resets the connection, and with it what it has not read yet.
      this.#goodbye = this.#loop.callLater(this.#shutdownTimeout, () =>
        this.#lose(new TimeoutError('SSL shutdown timed out')),
      );
      socket.resume();
      socket.end();
      return;
    }
    if (this.#isLost || socket.writableLength === 0) this.#lose(null);
    else socket.pause();
  }

  override abort(): void {
    if (this.#isHandingOver) this.#socket.destroy();
    if (this.#isReleased) return;
    this.#isClosing = true;
    this.#chunks.length = 0;
    this.#lose(null);
  }

  override isReading(): boolean {
    return !this.#isPaused && !this.#isClosing;
  }

  override pauseReading(): void {
    if (!this.isReading() || this.#isReleased) return;
    this.#isPaused = true;
    this.#socket.pause();
    if (this.#loop.getDebug()) logger.debug(`${this} pauses reading`);
  }

  override resumeReading(): void {
    if (!this.#isPaused || this.#isClosing || this.#isReleased) return;
    this.#isPaused = false;
    if (this.#loop.getDebug()) logger.debug(`${this} resumes reading`);
    if (!this.#hasStarted) return;
    this.#socket.resume();
    if (this.#chunks.length > 0 || this.#hasEnded || this.#isLost) this.#queue();
  }

  override write(data: Uint8Array): void {
    checkBytes(data);
    this.#checkNoFile();
    this._write(data);
  }

  /** @internal What `write` does, for a file that is being sent. */
  _write(data: Uint8Array): void {
    if (this.#hasWrittenEof) throw new RuntimeError('Cannot call write() after writeEof()');
    if (data.length === 0 || !this.#canWrite()) return;
    this.#socket.write(data, this.#onFlushed);
    this.#flow.maybePause();
  }

  override writelines(data: Iterable<Uint8Array>): void {
    this.#checkNoFile();
    if (this.#hasWrittenEof) throw new RuntimeError('Cannot call writelines() after writeEof()');
    const chunks = [...data];
    for (const chunk of chunks) checkBytes(chunk);
    if (chunks.length === 0 || !this.#canWrite()) return;
    const socket = this.#socket;
    socket.cork();
    for (const chunk of chunks) if (chunk.length > 0) socket.write(chunk, this.#onFlushed);
    socket.uncork();
    this.#flow.maybePause();
  }

  /** @internal A file is sent: nobody else may write, nor send another. */
  _beginFile(): void {
    this.#checkNoFile();
    this.#isSendingFile = true;
  }

  /** @internal */
  _endFile(): void {
    this.#isSendingFile = false;
  }

  #checkNoFile(): void {
    if (this.#isSendingFile) throw new RuntimeError('unable to write; sendfile is in progress');
  }

  #canWrite(): boolean {
    this.#checkNotHandingOver();
    // TLS ends what it writes when it is closed; else what is waiting may still grow.
    if (!this.#isLost && !this.#socket.destroyed && !(this.#isClosing && this.#isTls)) return true;
    if (++this.#lateWrites >= WARNED_WRITES)
      logger.warning(this.#isTls ? 'SSL connection is closed' : 'socket.send() raised exception.');
    // A loss that was held back is one no more.
    if (this.#isLost && !this.#isReleased) this.#queue();
    return false;
  }

  #checkNotHandingOver(): void {
    // It would go out in the clear, and into the handshake.
    if (this.#isHandingOver)
      throw new RuntimeError('Cannot write while startTls() is under way: await it first');
  }

  override writeEof(): void {
    this.#checkNotHandingOver();
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
    const details: string[] = [this.constructor.name];
    if (this.#isReleased) details.push('closed');
    else if (this.#isClosing) details.push('closing');
    if (!this.#isReleased) {
      const size = this.getWriteBufferSize();
      details.push(`read=${this.isReading() ? 'polling' : 'idle'}`);
      details.push(`write=<${size > 0 ? 'polling' : 'idle'}, bufsize=${size}>`);
    }
    return `<${details.join(' ')}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

function checkBytes(data: unknown): void {
  if (data instanceof Uint8Array) return;
  throw new TypeError(
    `data argument must be a bytes-like object, not '${typeName(data)}': give a Buffer or Uint8Array, as in Buffer.from(text)`,
  );
}

/** What CPython calls an OSError: an error of a call of the system. */
function isSystemError(error: unknown): boolean {
  return typeof (error as Partial<NodeJS.ErrnoException> | null)?.syscall === 'string';
}

/** What `getExtraInfo` of a socket's transport tells. */
export function extraInfo(socket: Socket, sslcontext: unknown): Record<string, unknown> {
  const extra: Record<string, unknown> = {
    socket,
    peername: peerAddress(socket),
    sockname: socketAddress(socket),
  };
  if (sslcontext === null) return extra;
  const tls = socket as TLSSocket;
  const cipher = tls.getCipher() as CipherNameAndProtocol | null;
  return {
    ...extra,
    sslcontext,
    ssl_object: tls,
    cipher: cipher === null ? null : [cipher.standardName || cipher.name, cipher.version, null],
    compression: null,
    peercert: emptyToNull(tls.getPeerCertificate()),
  };
}

function emptyToNull(certificate: object | null): object | null {
  return certificate === null || Object.keys(certificate).length === 0 ? null : certificate;
}
