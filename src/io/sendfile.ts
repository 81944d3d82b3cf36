/** Sending files. Counterpart: `sendfile` of `asyncio/base_events.py`. */
import type { FileHandle } from 'node:fs/promises';
import type { BaseEventLoop } from '../core/base-events.ts';
import { coroutine, fromPromise } from '../core/coroutines.ts';
import { RuntimeError, SendfileNotAvailableError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Future } from '../core/futures.ts';
import type { Gen } from '../core/types.ts';
import { fsPromises } from './builtins.ts';
import { opening } from './open-resources.ts';
import { type BaseProtocol, Protocol } from './protocols.ts';
import { SocketTransport } from './socket-transport.ts';
import { systemError } from './tls.ts';
import type { WriteTransport } from './transports.ts';

/** Bytes that are read at once: four times CPython's, which reads in a thread of its own. */
const BLOCK_SIZE = 64 * 1024;

/** Takes the place of the transport's protocol while a file is sent: nothing is read, and writing is paced. */
class SendfileProtocol extends Protocol {
  readonly #loop: BaseEventLoop;
  readonly #transport: SocketTransport;
  readonly #protocol: BaseProtocol;
  readonly #wasReading: boolean;
  readonly #wasPaused: boolean;
  #ready: Future<void> | null = null;

  constructor(loop: BaseEventLoop, transport: SocketTransport) {
    super();
    this.#loop = loop;
    this.#transport = transport;
    this.#protocol = transport.getProtocol();
    this.#wasReading = transport.isReading();
    this.#wasPaused = transport._isWritingPaused();
    if (this.#wasPaused) this.pauseWriting();
    transport.pauseReading();
    transport.setProtocol(this);
  }

  *drain(): Gen<void> {
    if (this.#transport.isClosing()) throw systemError('Connection closed by peer', 'ECONNRESET');
    if (this.#ready !== null) yield* this.#ready;
  }

  override pauseWriting(): void {
    this.#ready ??= this.#loop.createFuture<void>();
  }

  override resumeWriting(): void {
    const ready = this.#ready;
    this.#ready = null;
    if (ready !== null && !ready.done()) ready.setResult();
  }

  override connectionLost(exc: Error | null): void {
    const ready = this.#ready;
    if (ready !== null && !ready.done())
      ready.setException(exc ?? systemError('Connection is closed by peer', 'ECONNRESET'));
    this.#protocol.connectionLost(exc);
  }

  restore(): void {
    this.#transport.setProtocol(this.#protocol);
    if (this.#wasReading) this.#transport.resumeReading();
    this.#ready?.cancel();
    if (this.#wasPaused && !this.#transport._isWritingPaused()) this.#protocol.resumeWriting();
  }
}

export const sendfile = /* @__PURE__ */ coroutine(function* sendfile(
  loop: BaseEventLoop,
  transport: WriteTransport,
  file: FileHandle | string,
  offset: number,
  count: number | null,
  fallback: boolean,
): Gen<number> {
  if (transport.isClosing()) throw new RuntimeError('Transport is closing');
  if (!(transport instanceof SocketTransport))
    throw new RuntimeError(`sendfile is not supported for transport ${transport}`);
  if (!fallback) {
    if (transport.getExtraInfo('sslcontext') === null)
      throw new SendfileNotAvailableError('sendfile syscall is not supported');
    throw new RuntimeError(
      `fallback is disabled and native sendfile is not supported for transport ${transport}`,
    );
  }
  if (!Number.isInteger(offset) || offset < 0)
    throw new RangeError(`offset must be a non-negative integer, got ${repr(offset)}`);
  if (count !== null && !(Number.isInteger(count) && count > 0))
    throw new RangeError(`count must be a positive integer, got ${repr(count)}`);
  transport._beginFile();
  let handle: FileHandle | null = null;
  let protocol: SendfileProtocol | null = null;
  try {
    handle =
      typeof file === 'string' ? yield* opening(fsPromises().open(file), (late) => late.close()) : file;
    protocol = new SendfileProtocol(loop, transport);
    return yield* copy(transport, protocol, handle, offset, count);
  } finally {
    transport._endFile();
    protocol?.restore();
    if (typeof file === 'string' && handle !== null) yield* fromPromise(handle.close());
  }
});

function* copy(
  transport: SocketTransport,
  protocol: SendfileProtocol,
  handle: FileHandle,
  offset: number,
  count: number | null,
): Gen<number> {
  let sent = 0;
  for (;;) {
    const size = Math.min(BLOCK_SIZE, (count ?? Number.POSITIVE_INFINITY) - sent);
    if (size === 0) return sent;
    // A block of its own each time: what is written is not copied.
    const block = Buffer.allocUnsafe(size);
    const { bytesRead } = yield* fromPromise(handle.read(block, 0, size, offset + sent));
    if (bytesRead === 0) return sent;
    transport._write(block.subarray(0, bytesRead));
    yield* protocol.drain();
    sent += bytesRead;
  }
}
