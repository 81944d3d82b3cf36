/** Transports on Node's streams. Counterpart: the pipe transports of `asyncio/unix_events.py`. */
import type { Stats } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { BaseEventLoop } from '../core/base-events.ts';
import { type Context, copyContextOrNull } from '../core/contextvars.ts';
import { methodCoroutine } from '../core/coroutines.ts';
import { asError, isBaseError, RuntimeError } from '../core/exceptions.ts';
import { repr, typeName } from '../core/format-helpers.ts';
import type { Future } from '../core/futures.ts';
import { logger } from '../core/log.ts';
import { type ContextOwner, current, type Ready } from '../core/running.ts';
import type { Gen } from '../core/types.ts';
import { fs } from './builtins.ts';
import type { BaseProtocol, Protocol } from './protocols.ts';
import { ReadTransport, WriteFlow, WriteTransport } from './transports.ts';

/** Writes to a lost pipe that pass in silence. CPython's value. */
const SILENT_WRITES = 5;

/** Bytes that may wait for their handle until no more is read. CPython reads so much at a time. */
const MAX_WAITING = 256 * 1024;

/**
 * The steps of a transport, each a handle of the loop. Node tells of its streams at any time; protocols hear of it only
 * in these.
 */
class Steps implements Ready, ContextOwner {
  readonly _context: Context | null = copyContextOrNull();
  readonly #loop: BaseEventLoop;
  readonly #onError: (error: unknown) => void;
  readonly #steps: (() => unknown)[] = [];

  constructor(loop: BaseEventLoop, onError: (error: unknown) => void) {
    this.#loop = loop;
    this.#onError = onError;
  }

  /** Returns false if the loop is closed: nobody hears of anything any more. */
  push(step: () => unknown): boolean {
    if (this.#loop.isClosed()) return false;
    this.#steps.push(step);
    this.#loop._push(this);
    return true;
  }

  _run(): void {
    const step = this.#steps.shift() as () => unknown;
    current.driver = null;
    current.owner = this;
    try {
      const result = step();
      if (!(result instanceof Promise)) return;
      this.#loop._needDrain();
      result.then(undefined, this.#onError);
    } catch (error) {
      if (isBaseError(error)) throw error;
      this.#onError(error);
    }
  }
}

function connect(steps: Steps, made: () => void, start: () => void, waiter: Future<void> | null): void {
  steps.push(made);
  // Nothing comes before `connectionMade`, and the caller goes on after it.
  steps.push(start);
  if (waiter === null) return;
  steps.push(() => {
    if (!waiter.done()) waiter.setResult(undefined);
  });
}

/** What reads from a Node stream. */
export class ReadPipeTransport extends ReadTransport {
  readonly #loop: BaseEventLoop;
  readonly #pipe: Readable;
  readonly #steps: Steps;
  #protocol: BaseProtocol;
  /** What Node has given and the protocol has not heard of yet. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isAtEnd = false;
  #hasStarted = false;
  #isPaused = false;
  #isClosing = false;
  #isLost = false;

  constructor(
    loop: BaseEventLoop,
    pipe: Readable,
    protocol: BaseProtocol,
    waiter: Future<void> | null = null,
  ) {
    super({ pipe });
    this.#loop = loop;
    this.#pipe = pipe;
    this.#protocol = protocol;
    this.#steps = new Steps(loop, this.#onProtocolError);
    pipe.on('error', this.#onError);
    pipe.on('end', this.#onEnd);
    pipe.on('close', this.#onClose);
    connect(
      this.#steps,
      () => this.#protocol.connectionMade(this),
      () => this.#start(),
      waiter,
    );
  }

  override isReading(): boolean {
    return !this.#isPaused && !this.#isClosing;
  }

  override pauseReading(): void {
    if (!this.isReading()) return;
    this.#isPaused = true;
    if (this.#hasStarted) this.#pipe.pause();
    if (this.#loop.getDebug()) logger.debug(`${this} pauses reading`);
  }

  override resumeReading(): void {
    if (this.#isClosing || !this.#isPaused) return;
    this.#isPaused = false;
    // What Node had read ahead comes first.
    for (let i = 0; i < this.#waiting.length; i++) this.#steps.push(this.#deliver);
    if (this.#isAtEnd) this.#steps.push(this.#finish);
    else if (this.#hasStarted && this.#waitingBytes <= MAX_WAITING) this.#pipe.resume();
    if (this.#loop.getDebug()) logger.debug(`${this} resumes reading`);
  }

  override setProtocol(protocol: BaseProtocol): void {
    this.#protocol = protocol;
  }

  override getProtocol(): BaseProtocol {
    return this.#protocol;
  }

  override isClosing(): boolean {
    return this.#isClosing;
  }

  override close(): void {
    if (!this.#isClosing) this.#lose(null);
  }

  #start(): void {
    this.#hasStarted = true;
    if (this.#isClosing) return;
    this.#pipe.on('data', this.#onData);
    // Not by the listener alone: a stream that was paused before stays so.
    if (this.#isPaused) this.#pipe.pause();
    else this.#pipe.resume();
  }

  readonly #onData = (chunk: Buffer | string): void => {
    if (this.#isClosing) return;
    const data = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    // Node itself resumes the pipes of a process that has ended.
    if (this.#isPaused || this.#waitingBytes > MAX_WAITING) this.#pipe.pause();
    if (!this.#isPaused) this.#steps.push(this.#deliver);
  };

  readonly #onEnd = (): void => {
    this.#isAtEnd = true;
    if (!this.#isPaused) this.#steps.push(this.#finish);
  };

  readonly #onError = (error: Error): void => {
    if (this.#isClosing) return;
    const message = 'Fatal read error on pipe transport';
    // Its other side is gone: how a terminal ends.
    if ((error as NodeJS.ErrnoException).code !== 'EIO') this.#report(message, error);
    else if (this.#loop.getDebug()) logger.debug(`${this}: ${message}: ${error}`);
    this.#lose(error);
  };

  // Without an end or an error before it, somebody else has closed the stream.
  readonly #onClose = (): void => {
    if (!this.#isClosing && !this.#isAtEnd) this.#lose(null);
  };

  readonly #deliver = (): unknown => {
    if (!this.isReading()) return undefined;
    const data = this.#waiting.shift();
    if (data === undefined) return undefined;
    this.#waitingBytes -= data.length;
    if (this.#waitingBytes <= MAX_WAITING && !this.#isAtEnd && this.#pipe.isPaused()) this.#pipe.resume();
    return (this.#protocol as Protocol).dataReceived(data);
  };

  readonly #finish = (): unknown => {
    if (!this.isReading() || this.#waiting.length > 0) return undefined;
    if (this.#loop.getDebug()) logger.info(`${this} was closed by peer`);
    this.#isClosing = true;
    const result = (this.#protocol as Protocol).eofReceived();
    this.#steps.push(() => this.#callConnectionLost(null));
    return result;
  };

  #lose(error: Error | null): void {
    this.#isClosing = true;
    this.#waiting = [];
    this.#pipe.pause();
    if (!this.#steps.push(() => this.#callConnectionLost(error))) this.#pipe.destroy();
  }

  #callConnectionLost(error: Error | null): void {
    if (this.#isLost) return;
    this.#isLost = true;
    try {
      this.#protocol.connectionLost(error);
    } finally {
      this.#pipe.destroy();
    }
  }

  readonly #onProtocolError = (error: unknown): void => {
    this.#report('Fatal error: a method of the protocol failed', error);
    if (this.#isLost) return;
    this.#lose(asError(error));
  };

  #report(message: string, exception: unknown): void {
    this.#loop.callExceptionHandler({ message, exception, transport: this, protocol: this.#protocol });
  }

  override toString(): string {
    const state = this.#isLost ? 'closed' : this.#isClosing ? 'closing' : this.#isPaused ? 'paused' : 'open';
    return `<${this.constructor.name} ${state}>`;
  }
}

/** What writes to a Node stream. */
export class WritePipeTransport extends WriteTransport {
  readonly #loop: BaseEventLoop;
  readonly #pipe: Writable;
  readonly #steps: Steps;
  readonly #flow: WriteFlow;
  #protocol: BaseProtocol;
  #isClosing = false;
  #isLost = false;
  #isFailing = false;
  /** By us: a socket whose peer has closed ends by itself. */
  #hasEnded = false;
  /** Writes that nobody can get any more. */
  #lateWrites = 0;

  constructor(
    loop: BaseEventLoop,
    pipe: Writable,
    protocol: BaseProtocol,
    waiter: Future<void> | null = null,
  ) {
    super({ pipe });
    this.#loop = loop;
    this.#pipe = pipe;
    this.#protocol = protocol;
    this.#flow = new WriteFlow(loop, this);
    this.#steps = new Steps(loop, this.#onProtocolError);
    pipe.on('error', this.#onError);
    pipe.on('close', this.#onClose);
    connect(
      this.#steps,
      () => this.#protocol.connectionMade(this),
      () => {},
      waiter,
    );
  }

  override setWriteBufferLimits(high?: number | null, low?: number | null): void {
    this.#flow.setLimits(high, low);
    this.#flow.maybePause();
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return [this.#flow.low, this.#flow.high];
  }

  override getWriteBufferSize(): number {
    return this.#isLost ? 0 : this.#pipe.writableLength;
  }

  override write(data: Uint8Array): void {
    if (!(data instanceof Uint8Array)) {
      throw new TypeError(
        `data argument must be a bytes, bytearray, or memoryview object, not '${typeName(data)}'`,
      );
    }
    if (data.length === 0) return;
    if (this.#isClosing) {
      if (this.#lateWrites++ >= SILENT_WRITES)
        logger.warning('pipe closed by peer or os.write(pipe, data) raised exception.');
      return;
    }
    // A copy: the caller may go on to fill his buffer.
    this.#pipe.write(Buffer.from(data), this.#onWritten);
    // Known at once, told of later: whoever drains now has to see it.
    const error = this.#pipe.errored;
    if (error === null) this.#flow.maybePause();
    else this.#onError(error);
  }

  override writelines(data: Iterable<Uint8Array>): void {
    this.write(Buffer.concat([...data]));
  }

  override writeEof(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#hasEnded = true;
    // What waits is written before; then the stream tells whoever reads that nothing more comes.
    this.#pipe.once('finish', () => this.#steps.push(() => this.#callConnectionLost(null)));
    this.#pipe.end();
  }

  override canWriteEof(): boolean {
    return true;
  }

  override setProtocol(protocol: BaseProtocol): void {
    this.#protocol = protocol;
  }

  override getProtocol(): BaseProtocol {
    return this.#protocol;
  }

  override isClosing(): boolean {
    return this.#isClosing;
  }

  override close(): void {
    this.writeEof();
  }

  override abort(): void {
    this.#lose(null);
  }

  // A write that has failed makes no room: its error comes next.
  readonly #onWritten = (error?: Error | null): void => {
    if (!error && this.#flow.isPaused) this.#steps.push(this.#resume);
  };

  readonly #resume = (): void => {
    if (!this.#isLost) this.#flow.maybeResume();
  };

  readonly #onError = (error: Error): void => {
    if (this.#isFailing) return;
    this.#isFailing = true;
    if (this.#loop.getDebug()) logger.debug(`${this}: Fatal write error on pipe transport: ${error}`);
    this.#lose(error);
  };

  // Before the end was written: whoever reads is gone.
  readonly #onClose = (): void => {
    if (this.#isLost || (this.#hasEnded && this.#pipe.writableFinished)) return;
    this.#lose(this.#pipe.writableLength > 0 ? brokenPipe() : null);
  };

  #lose(error: Error | null): void {
    this.#isClosing = true;
    this.#steps.push(() => this.#callConnectionLost(error));
    this.#pipe.destroy();
  }

  #callConnectionLost(error: Error | null): void {
    if (this.#isLost) return;
    this.#isLost = true;
    try {
      this.#protocol.connectionLost(error);
    } finally {
      this.#pipe.destroy();
    }
  }

  readonly #onProtocolError = (error: unknown): void => {
    this.#loop.callExceptionHandler({
      message: 'Fatal error: a method of the protocol failed',
      exception: error,
      transport: this,
      protocol: this.#protocol,
    });
    if (!this.#isLost) this.#lose(asError(error));
  };

  override toString(): string {
    const state = this.#isLost ? 'closed' : this.#isClosing ? 'closing' : 'open';
    return `<${this.constructor.name} ${state} bufsize=${this.getWriteBufferSize()}>`;
  }
}

/** What Node says of a write that nobody can read. */
function brokenPipe(): Error {
  return Object.assign(new Error('write EPIPE'), { code: 'EPIPE', errno: -32, syscall: 'write' });
}

/** What a stream stands for, where that is known: one of a file bears its descriptor or its path. */
function statOf(pipe: { fd?: unknown; path?: unknown }): Stats | null {
  try {
    if (typeof pipe.fd === 'number' && pipe.fd >= 0) return fs().fstatSync(pipe.fd);
    if (typeof pipe.path === 'string') return fs().statSync(pipe.path);
  } catch {
    // The stream will tell of it.
  }
  return null;
}

function checkPipe(pipe: unknown, method: 'pipe' | 'write', name: string, text: string): void {
  if (typeof (pipe as { [key: string]: unknown } | null)?.[method] !== 'function')
    throw new TypeError(`${name}() wants a stream of Node, got ${repr(pipe)}`);
  if (statOf(pipe as { fd?: unknown })?.isFile()) throw new RangeError(text);
  if ((pipe as Readable).destroyed) throw new RuntimeError(`${name}(): the stream is closed`);
}

/** @internal `NodeEventLoop.connectReadPipe`. */
export const connectReadPipe = /* @__PURE__ */ methodCoroutine('NodeEventLoop.connectReadPipe', function* <
  P extends Protocol,
>(loop: BaseEventLoop, protocolFactory: () => P, pipe: Readable): Gen<[ReadTransport, P]> {
  checkPipe(pipe, 'pipe', 'connectReadPipe', 'Pipe transport is for pipes/sockets only.');
  const protocol = protocolFactory();
  const waiter = loop.createFuture<void>();
  const transport = new ReadPipeTransport(loop, pipe, protocol, waiter);
  yield* untilConnected(waiter, transport);
  return [transport, protocol];
});

/** @internal `NodeEventLoop.connectWritePipe`. */
export const connectWritePipe = /* @__PURE__ */ methodCoroutine('NodeEventLoop.connectWritePipe', function* <
  P extends BaseProtocol,
>(loop: BaseEventLoop, protocolFactory: () => P, pipe: Writable): Gen<[WriteTransport, P]> {
  const text = 'Pipe transport is only for pipes, sockets and character devices';
  checkPipe(pipe, 'write', 'connectWritePipe', text);
  const protocol = protocolFactory();
  const waiter = loop.createFuture<void>();
  const transport = new WritePipeTransport(loop, pipe, protocol, waiter);
  yield* untilConnected(waiter, transport);
  return [transport, protocol];
});

function* untilConnected(waiter: Future<void>, transport: ReadTransport | WriteTransport): Gen<void> {
  try {
    yield* waiter;
  } catch (error) {
    transport.close();
    throw error;
  }
}
