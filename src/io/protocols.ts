/** What is told of a connection. Counterpart: `asyncio/protocols.py`. */
import type { Address } from './addresses.ts';
import type { BaseTransport } from './transports.ts';

/**
 * What all protocols hear. Every method does nothing: override what you need. The loop calls them in handles of its own,
 * apart from `pauseWriting`, which comes inside of `write`.
 *
 * Source: CPython 3.14 `asyncio.BaseProtocol`.
 */
export class BaseProtocol {
  /** The connection is there. Once, before anything else. */
  connectionMade(_transport: BaseTransport): void {}

  /** The connection is gone. Once, last; null after `close`, `abort` or the end of the data. */
  connectionLost(_exc: Error | null): void {}

  /** More is waiting to be written than the high mark allows: stop writing. */
  pauseWriting(): void {}

  /** The low mark is reached: go on writing. */
  resumeWriting(): void {}
}

/**
 * Hears of a stream of bytes.
 *
 * Source: CPython 3.14 `asyncio.Protocol`.
 */
export class Protocol extends BaseProtocol {
  /** Some bytes, at least one. */
  dataReceived(_data: Buffer): void {}

  /** The peer sends no more. True keeps the connection open for writing; else it is closed. */
  eofReceived(): boolean | void {}
}

/**
 * Hears of a stream of bytes, which are put into buffers of its own.
 *
 * Source: CPython 3.14 `asyncio.BufferedProtocol`.
 */
export class BufferedProtocol extends BaseProtocol {
  /** A buffer to put bytes into, not empty. `sizehint` is the recommended size, -1 for any. */
  getBuffer(_sizehint: number): Uint8Array {
    throw new TypeError(`${this.constructor.name} has no getBuffer()`);
  }

  /** So many bytes were put into the buffer that `getBuffer` gave. */
  bufferUpdated(_nbytes: number): void {}

  /** As in `Protocol`. */
  eofReceived(): boolean | void {}
}

/**
 * Hears of datagrams.
 *
 * Source: CPython 3.14 `asyncio.DatagramProtocol`.
 */
export class DatagramProtocol extends BaseProtocol {
  /** One datagram, and who has sent it. */
  datagramReceived(_data: Buffer, _addr: Address): void {}

  /** A send or a receive has failed; the endpoint lives on. */
  errorReceived(_exc: Error): void {}
}

/**
 * Hears of a child process.
 *
 * Source: CPython 3.14 `asyncio.SubprocessProtocol`.
 */
export class SubprocessProtocol extends BaseProtocol {
  /** The child has written to its descriptor `fd`: 1 or 2. */
  pipeDataReceived(_fd: number, _data: Buffer): void {}

  /** A pipe is closed. */
  pipeConnectionLost(_fd: number, _exc: Error | null): void {}

  /** The child has ended; its pipes may close before or after. */
  processExited(): void {}
}
