/** What comes from the peer of a WebSocket. Counterpart: `aiohttp/_websocket/reader.py`. */
import { isUtf8 } from 'node:buffer';
import type { Duplex, Writable } from 'node:stream';
import { WebSocketError } from './exceptions.ts';
import { DEFLATE } from './websocket-deflate.ts';
import type { WsDeflate, WsLibrary } from './websocket-library.ts';
import {
  binaryMessage,
  closeMessage,
  pingMessage,
  pongMessage,
  textMessage,
  WSCloseCode,
} from './websocket-models.ts';
import type { WebSocketDataQueue } from './websocket-queue.ts';
import { toWebSocketError } from './websocket-violations.ts';

/** Pieces of one message, frames or reads of the socket, that its size allows: one for so many bytes, at least 1024. */
const BYTES_PER_PIECE = 64;
const MIN_PIECES = 1024;

/** How messages are to be read. */
export interface WebSocketReaderOptions {
  /** Bytes of a message, decompressed; 0 for no limit. */
  readonly maxMsgSize: number;
  /** Text becomes a string, and wrong UTF-8 an error. */
  readonly decodeText: boolean;
  readonly deflate: WsDeflate | null;
}

/** Feeds a queue from a socket, which has to wait while the queue is full. */
export class WebSocketReader {
  readonly #socket: Duplex;
  readonly #queue: WebSocketDataQueue;
  readonly #receiver: Writable;
  readonly #deflate: WsDeflate | null;
  readonly #options: WebSocketReaderOptions;
  /** Called when bytes have come. */
  onData: (() => void) | null = null;
  #isReceiverFull = false;
  /** Nothing more is to be read. */
  #isOver = false;
  /** The socket is closed. */
  #isLost = false;
  /** A message that waits for room in the queue to be decompressed. */
  #held: (() => void) | null = null;
  #isInflating = false;

  constructor(
    library: WsLibrary,
    socket: Duplex,
    queue: WebSocketDataQueue,
    options: WebSocketReaderOptions,
  ) {
    const { maxMsgSize, decodeText, deflate } = options;
    this.#socket = socket;
    this.#queue = queue;
    this.#deflate = deflate;
    this.#options = options;
    const maxPieces = maxMsgSize === 0 ? 0 : Math.max(MIN_PIECES, Math.ceil(maxMsgSize / BYTES_PER_PIECE));
    this.#receiver = new library.Receiver({
      extensions: deflate === null ? {} : { [DEFLATE]: deflate },
      isServer: false,
      maxPayload: maxMsgSize,
      maxFragments: maxPieces,
      maxBufferedChunks: maxPieces,
      skipUTF8Validation: !decodeText,
    });
    if (deflate !== null) this.#guard(deflate);
    queue.onRoom = () => this.#onRoom();
    this.#listen();
  }

  /** Whether the peer has to wait for us. */
  get isHeldUp(): boolean {
    return this.#isReceiverFull || this.#queue.isFull;
  }

  #listen(): void {
    const queue = this.#queue;
    this.#receiver
      .on('message', (data: Buffer, isBinary: boolean) => this.#onMessage(data, isBinary))
      .on('ping', (data: Buffer) => queue.feedData(pingMessage(data)))
      .on('pong', (data: Buffer) => queue.feedData(pongMessage(data)))
      .on('conclude', (code: number, reason: Buffer) => this.#onClose(code, reason))
      .on('drain', () => {
        this.#isReceiverFull = false;
        this.#letFlow();
      })
      .on('error', (error: Error) => this.#fail(toWebSocketError(error, this.#options.maxMsgSize)))
      .on('finish', () => this.#end());
    this.#socket
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('close', this.#onLost)
      .on('error', () => {});
    // It may have been lost since the response came.
    if (this.#socket.destroyed) this.#onLost();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.onData?.();
    // What it takes at once is no reason to wait, however much it is.
    if (!this.#receiver.write(chunk) && this.#receiver.writableLength > 0) this.#isReceiverFull = true;
    if (this.isHeldUp) this.#socket.pause();
  };

  readonly #onEnd = (): void => {
    this.#socket.end();
    this.#receiver.end();
  };

  readonly #onLost = (): void => {
    this.#isLost = true;
    if (this.#isOver) {
      this.#cleanup();
      return;
    }
    if (this.#receiver.writableEnded) return;
    // Bytes that came before the loss, while we were held up.
    const rest = this.#socket.read() as Buffer | null;
    if (rest !== null) this.#receiver.write(rest);
    this.#receiver.end();
  };

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (isBinary) this.#queue.feedData(binaryMessage(data));
    else this.#queue.feedData(textMessage(this.#options.decodeText ? data.toString() : data));
  }

  #onClose(code: number, reason: Buffer): void {
    if (!isUtf8(reason)) {
      this.#fail(new WebSocketError(WSCloseCode.INVALID_TEXT, 'Invalid UTF-8 text message'));
      return;
    }
    // 1005 stands for "no code was sent".
    this.#queue.feedData(closeMessage(code === 1005 ? 0 : code, reason.toString()));
    this.#end();
  }

  #fail(error: Error): void {
    this.#queue.setException(error);
    this.#end();
  }

  /** Nothing more is to come, or to be looked at. */
  #end(): void {
    this.#queue.feedEof();
    this.stop();
  }

  #onRoom(): void {
    const held = this.#held;
    this.#held = null;
    held?.();
    this.#letFlow();
  }

  #letFlow(): void {
    if (this.#isOver || this.isHeldUp) return;
    // Until now the peer could not show that it is there.
    if (this.#socket.isPaused()) this.onData?.();
    this.#socket.resume();
  }

  /**
   * A small message can become a large one, and a piece of what the socket gave may hold many: none is decompressed
   * before there is room for it.
   */
  #guard(deflate: WsDeflate): void {
    const decompress = deflate.decompress.bind(deflate);
    deflate.decompress = (data, fin, callback) => {
      const start = (): void => {
        this.#isInflating = true;
        decompress(data, fin, (error, result) => {
          this.#isInflating = false;
          if (this.#isOver) this.#cleanup();
          else callback(error, result);
        });
      };
      if (this.#isOver) return;
      if (this.#queue.isFull) this.#held = start;
      else start();
    };
  }

  /** Read no more: the connection is being closed. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#held = null;
    this.#socket.off('data', this.#onData).pause();
    this.#cleanup();
  }

  /** Free zlib's memory when it is used for neither direction any more. */
  #cleanup(): void {
    if (this.#isLost && !this.#isInflating) this.#deflate?.cleanup();
  }
}
