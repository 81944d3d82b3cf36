/** What carries bytes. Counterpart: `asyncio/transports.py`. */
import { NotImplementedError } from '../core/exceptions.ts';
import type { BaseEventLoop } from '../core/base-events.ts';
import { isBaseError } from '../core/exceptions.ts';
import type { Address } from './addresses.ts';
import type { BaseProtocol } from './protocols.ts';

function missing(): never {
  throw new NotImplementedError();
}

/**
 * What all transports have. The methods of the abstract classes throw NotImplementedError.
 *
 * Source: CPython 3.14 `asyncio.BaseTransport`.
 */
export abstract class BaseTransport {
  readonly #extra: Readonly<Record<string, unknown>>;

  constructor(extra?: Readonly<Record<string, unknown>> | null) {
    this.#extra = extra ?? {};
  }

  /**
   * Something about the connection: `peername`, `sockname`, `socket`; with TLS `peercert`, `cipher`, `sslcontext`,
   * `ssl_object`, `compression`; of pipes `pipe`; of processes `subprocess`.
   *
   * @returns null, or `defaultValue`, if it is not known.
   */
  getExtraInfo<T = unknown>(name: string, defaultValue?: T | null): T | null {
    const value = Object.hasOwn(this.#extra, name) ? this.#extra[name] : undefined;
    return (value as T | undefined) ?? defaultValue ?? null;
  }

  /** Whether it is closed, or about to be. */
  isClosing(): boolean {
    return missing();
  }

  /** Read no more, write what is waiting, then close. Again does nothing. */
  close(): void {
    missing();
  }

  /** Let `protocol` hear of it from now on. */
  setProtocol(_protocol: BaseProtocol): void {
    missing();
  }

  /** Who hears of it. */
  getProtocol(): BaseProtocol {
    return missing();
  }
}

/** Source: CPython 3.14 `asyncio.ReadTransport`. */
export abstract class ReadTransport extends BaseTransport {
  /** Whether it reads: neither paused nor closing. */
  isReading(): boolean {
    return missing();
  }

  /** Let no data through until `resumeReading`. Again does nothing. */
  pauseReading(): void {
    missing();
  }

  /** Let data through again. */
  resumeReading(): void {
    missing();
  }
}

/** Source: CPython 3.14 `asyncio.WriteTransport`. */
export abstract class WriteTransport extends BaseTransport {
  /** JavaScript has one base class: a `Transport` is one as well. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return this === WriteTransport && value instanceof Transport
      ? true
      : Function.prototype[Symbol.hasInstance].call(this, value);
  }

  /** @see Transport.setWriteBufferLimits */
  setWriteBufferLimits(_high?: number | null, _low?: number | null): void {
    missing();
  }

  /** The marks between which the protocol is paused. */
  getWriteBufferLimits(): [low: number, high: number] {
    return missing();
  }

  /** How many bytes wait to be written. */
  getWriteBufferSize(): number {
    return missing();
  }

  /** Write `data`, later if it cannot be done at once. Never waits. */
  write(_data: Uint8Array): void {
    missing();
  }

  /** Write them all in one go. */
  writelines(_data: Iterable<Uint8Array>): void {
    missing();
  }

  /** Write what is waiting, and then tell the peer that nothing more comes. */
  writeEof(): void {
    missing();
  }

  /** Whether `writeEof` can be done. */
  canWriteEof(): boolean {
    return missing();
  }

  /** Close at once; what was not written is lost. */
  abort(): void {
    missing();
  }
}

/**
 * Reads and writes.
 *
 * Source: CPython 3.14 `asyncio.Transport`.
 */
export abstract class Transport extends ReadTransport implements WriteTransport {
  /**
   * The marks of the write buffer, in bytes: above `high` the protocol is paused, at `low` or below it is resumed.
   *
   * @param high - default 64 KiB, or four times `low`.
   * @param low - default a quarter of `high`.
   * @throws RangeError unless high >= low >= 0.
   */
  setWriteBufferLimits(_high?: number | null, _low?: number | null): void {
    missing();
  }
  getWriteBufferLimits(): [low: number, high: number] {
    return missing();
  }
  getWriteBufferSize(): number {
    return missing();
  }
  write(_data: Uint8Array): void {
    missing();
  }
  writelines(_data: Iterable<Uint8Array>): void {
    missing();
  }
  writeEof(): void {
    missing();
  }
  canWriteEof(): boolean {
    return missing();
  }
  abort(): void {
    missing();
  }
}

/** Source: CPython 3.14 `asyncio.DatagramTransport`. */
export abstract class DatagramTransport extends BaseTransport {
  /** Send one datagram. Errors go to `errorReceived` of the protocol. */
  sendto(_data: Uint8Array, _addr?: Address | null): void {
    missing();
  }

  /** Close at once; what was not sent is lost. */
  abort(): void {
    missing();
  }
}

/** Source: CPython 3.14 `asyncio.SubprocessTransport`. */
export abstract class SubprocessTransport extends BaseTransport {
  /** The id of the process. */
  getPid(): number {
    return missing();
  }

  /** The exit code; minus the signal that ended it; null while it runs. */
  getReturncode(): number | null {
    return missing();
  }

  /** The transport of its descriptor 0, 1 or 2; null if that is no pipe. */
  getPipeTransport(_fd: number): BaseTransport | null {
    return missing();
  }

  /** Send it a signal. @throws an error with code ESRCH if it has ended. */
  sendSignal(_signal: NodeJS.Signals | number): void {
    missing();
  }

  /** Send it SIGTERM. */
  terminate(): void {
    missing();
  }

  /** Send it SIGKILL. */
  kill(): void {
    missing();
  }
}

/** The default high mark of a write buffer, in bytes. CPython's value. */
const HIGH_MARK = 64 * 1024;

/** What flow control has to know of a transport. */
export type FlowingTransport = Pick<WriteTransport, 'getWriteBufferSize' | 'getProtocol'>;

/**
 * The flow control of a transport that writes: pauses its protocol above the high mark, and resumes it at the low one.
 * CPython: `_FlowControlMixin`.
 */
export class WriteFlow {
  readonly #loop: BaseEventLoop;
  readonly #transport: FlowingTransport;
  readonly #defaultHigh: number;
  high: number;
  low: number;
  isPaused = false;

  constructor(loop: BaseEventLoop, transport: FlowingTransport, defaultHigh = HIGH_MARK) {
    this.#loop = loop;
    this.#transport = transport;
    this.#defaultHigh = defaultHigh;
    this.high = defaultHigh;
    this.low = Math.trunc(defaultHigh / 4);
  }

  setLimits(high: number | null | undefined, low: number | null | undefined): void {
    const newHigh = high ?? (low === null || low === undefined ? this.#defaultHigh : 4 * low);
    const newLow = low ?? Math.trunc(newHigh / 4);
    if (!(newHigh >= newLow && newLow >= 0))
      throw new RangeError(`high (${newHigh}) must be >= low (${newLow}) must be >= 0`);
    this.high = newHigh;
    this.low = newLow;
  }

  /** The buffer has grown. */
  maybePause(): void {
    if (this.isPaused || this.#transport.getWriteBufferSize() <= this.high) return;
    this.isPaused = true;
    this.#tell('pauseWriting');
  }

  /** The buffer has shrunk. */
  maybeResume(): void {
    if (!this.isPaused || this.#transport.getWriteBufferSize() > this.low) return;
    this.isPaused = false;
    this.#tell('resumeWriting');
  }

  #tell(method: 'pauseWriting' | 'resumeWriting'): void {
    const protocol = this.#transport.getProtocol();
    try {
      protocol[method]();
    } catch (error) {
      if (isBaseError(error)) throw error;
      this.#loop.callExceptionHandler({
        message: `protocol.${method}() failed`,
        exception: error,
        transport: this.#transport,
        protocol,
      });
    }
  }
}
