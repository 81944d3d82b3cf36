/** What goes to the peer of a WebSocket. Counterpart: `aiohttp/_websocket/writer.py`. */
import type { Duplex } from 'node:stream';
import type { BaseEventLoop } from '../core/base-events.ts';
import type { Future } from '../core/futures.ts';
import type { Gen } from '../core/types.ts';
import { ClientConnectionResetError } from './exceptions.ts';
import { waitOutside } from './helpers.ts';
import { DEFLATE } from './websocket-deflate.ts';
import type { WsDeflate, WsLibrary, WsSender } from './websocket-library.ts';
import { WSMsgType } from './websocket-models.ts';

/** Bytes that may wait for the socket to take them before a sender has to wait, and when it may go on. */
const HIGH_WATER = 2 ** 16;
const LOW_WATER = 2 ** 14;
/** Bytes of a control frame, by the protocol. */
const MAX_CONTROL_SIZE = 125;

/** Writes frames to a socket, in the order of the calls. */
export class WebSocketWriter {
  readonly #loop: BaseEventLoop;
  readonly #socket: Duplex;
  readonly #sender: WsSender;
  readonly #isCompressing: boolean;
  /** Bytes that were sent and have not gone out. */
  #pending = 0;
  #waiters: Future<void>[] = [];
  #isClosing = false;

  constructor(library: WsLibrary, loop: BaseEventLoop, socket: Duplex, deflate: WsDeflate | null) {
    this.#loop = loop;
    this.#socket = socket;
    this.#isCompressing = deflate !== null;
    this.#sender = new library.Sender(socket, deflate === null ? {} : { [DEFLATE]: deflate });
  }

  /**
   * Send a frame, and wait while the socket has too much of what was sent.
   *
   * @throws ClientConnectionResetError if the connection is closed, RangeError for a frame that cannot be.
   *
   * Cancellation: ends the waiting. The frame goes out.
   */
  *sendFrame(data: string | Uint8Array, opcode: number, compress: number | null = null): Gen<void> {
    this.write(data, opcode, compress);
    if (this.#pending > HIGH_WATER) yield* this.#drain();
  }

  /** The same without waiting. */
  write(data: string | Uint8Array, opcode: number, compress: number | null = null): void {
    this.#check();
    const size = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
    if (opcode === WSMsgType.TEXT || opcode === WSMsgType.BINARY) {
      const isCompressed = this.#isCompressing && compress !== 0;
      // It may be compressed later, and in another thread, while the caller has gone on to change it.
      const kept = isCompressed && typeof data !== 'string' ? Buffer.from(data) : data;
      this.#sender.send(
        kept,
        { binary: opcode === WSMsgType.BINARY, compress: isCompressed, fin: true, mask: true },
        this.#count(size),
      );
      return;
    }
    if (opcode !== WSMsgType.PING && opcode !== WSMsgType.PONG) {
      throw new RangeError(`Unexpected opcode=${opcode}`);
    }
    if (size > MAX_CONTROL_SIZE) {
      throw new RangeError(`Control frame payload cannot be larger than ${MAX_CONTROL_SIZE} bytes`);
    }
    if (opcode === WSMsgType.PING) this.#sender.ping(data, true, this.#count(size));
    else this.#sender.pong(data, true, this.#count(size));
  }

  /** Send the close frame, the last one, and wait until the socket has taken it. Code 0 stands for none. */
  *close(code: number, reason: Uint8Array): Gen<void> {
    this.#check();
    this.#isClosing = true;
    const sent = this.#loop.createFuture<void>();
    this.#sender.close(code === 0 ? undefined : code, reason, true, (error) => {
      if (sent.done()) return;
      if (error) sent.setException(connectionLost(error));
      else sent.setResult();
    });
    yield* waitOutside(this.#loop, sent);
  }

  #check(): void {
    if (this.#isClosing || !this.#socket.writable) {
      throw new ClientConnectionResetError('Cannot write to closing transport', {
        cause: this.#socket.errored ?? undefined,
      });
    }
  }

  #count(size: number): () => void {
    this.#pending += size;
    return () => {
      this.#pending -= size;
      if (this.#waiters.length === 0 || this.#pending > LOW_WATER) return;
      for (const waiter of this.#waiters.splice(0)) if (!waiter.done()) waiter.setResult();
    };
  }

  *#drain(): Gen<void> {
    const waiter = this.#loop.createFuture<void>();
    this.#waiters.push(waiter);
    yield* waitOutside(this.#loop, waiter);
    if (this.#socket.destroyed) throw connectionLost(this.#socket.errored);
  }
}

const connectionLost = (cause: Error | null): ClientConnectionResetError =>
  new ClientConnectionResetError('Connection lost', { cause: cause ?? undefined });
