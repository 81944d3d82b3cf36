/** What comes from the peer of a WebSocket. Counterpart: `aiohttp/_websocket/reader.py`. */
import { isUtf8 } from 'node:buffer';
import type { Duplex, Writable } from 'node:stream';
import type { BaseEventLoop } from '../core/base-events.ts';
import type { Future } from '../core/futures.ts';
import type { Gen } from '../core/types.ts';
import { EofStream } from './data-queue.ts';
import { WebSocketError } from './exceptions.ts';
import { waitOutside } from './helpers.ts';
import { DEFLATE } from './websocket-deflate.ts';
import type { WsDeflate, WsLibrary } from './websocket-library.ts';
import {
  type AnyMessage,
  binaryMessage,
  closeMessage,
  pingMessage,
  pongMessage,
  textMessage,
  WSCloseCode,
} from './websocket-models.ts';

/** Bytes of messages that may wait to be received before the peer is held up, and when it may go on. */
const HIGH_WATER = 2 ** 17;
const LOW_WATER = 2 ** 16;
/** What a message counts besides its bytes, so that a flood of empty ones is held up, too. */
const MESSAGE_OVERHEAD = 64;
/** Pieces of one message, frames or reads of the socket, that its size allows: one for so many bytes, at least 1024. */
const BYTES_PER_PIECE = 64;
const MIN_PIECES = 1024;

/** Messages that have come and were not received yet. */
export class WebSocketDataQueue {
  readonly #loop: BaseEventLoop;
  /** The messages from `#next` on are there to read. */
  #messages: AnyMessage[] = [];
  #next = 0;
  #size = 0;
  #isEof = false;
  #error: Error | null = null;
  #waiter: Future<void> | null = null;
  /** Called when messages are few again after `isFull` was true. */
  onRoom: (() => void) | null = null;
  isFull = false;

  constructor(loop: BaseEventLoop) {
    this.#loop = loop;
  }

  feedData(message: AnyMessage): void {
    if (this.#isEof) return;
    this.#messages.push(message);
    this.#size += sizeOf(message);
    if (this.#size > HIGH_WATER) this.isFull = true;
    this.#wake();
  }

  feedEof(): void {
    this.#isEof = true;
    this.#wake();
  }

  /** Comes after the messages that are there. The first counts. */
  setException(error: Error): void {
    this.#error ??= error;
    this.feedEof();
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null && !waiter.done()) waiter.setResult();
  }

  /**
   * The next message.
   *
   * @throws what `setException` was given, or EofStream, again and again.
   *
   * Cancellation: no message is lost.
   */
  *read(): Gen<AnyMessage> {
    if (this.#next === this.#messages.length && !this.#isEof) {
      const waiter = this.#loop.createFuture<void>();
      this.#waiter = waiter;
      try {
        yield* waitOutside(this.#loop, waiter);
      } finally {
        if (this.#waiter === waiter) this.#waiter = null;
      }
    }
    return this.#take();
  }

  #take(): AnyMessage {
    const message = this.#messages[this.#next];
    if (message === undefined) throw this.#error ?? new EofStream();
    this.#next++;
    if (this.#next === this.#messages.length) {
      this.#messages = [];
      this.#next = 0;
    } else if (this.#next === 1024) {
      this.#messages = this.#messages.slice(this.#next);
      this.#next = 0;
    }
    this.#size -= sizeOf(message);
    if (this.isFull && this.#size < LOW_WATER) {
      this.isFull = false;
      this.onRoom?.();
    }
    return message;
  }
}

const sizeOf = ({ data }: AnyMessage): number =>
  MESSAGE_OVERHEAD + (typeof data === 'string' || Buffer.isBuffer(data) ? data.length : 0);

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

/** What is wrong with the peer's frames, by the codes of `ws`: the close code to send, and aiohttp's words. */
const VIOLATIONS = new Map<string, readonly [code: number, text: string | null]>([
  ['WS_ERR_UNEXPECTED_RSV_1', [WSCloseCode.PROTOCOL_ERROR, 'Received frame with non-zero reserved bits']],
  ['WS_ERR_UNEXPECTED_RSV_2_3', [WSCloseCode.PROTOCOL_ERROR, 'Received frame with non-zero reserved bits']],
  ['WS_ERR_EXPECTED_FIN', [WSCloseCode.PROTOCOL_ERROR, 'Received fragmented control frame']],
  ['WS_ERR_UNEXPECTED_MASK', [WSCloseCode.PROTOCOL_ERROR, 'Received masked frame from the server']],
  ['WS_ERR_INVALID_OPCODE', [WSCloseCode.PROTOCOL_ERROR, null]],
  ['WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', [WSCloseCode.PROTOCOL_ERROR, null]],
  ['WS_ERR_INVALID_CLOSE_CODE', [WSCloseCode.PROTOCOL_ERROR, null]],
  ['WS_ERR_INVALID_UTF8', [WSCloseCode.INVALID_TEXT, 'Invalid UTF-8 text message']],
  ['WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', [WSCloseCode.MESSAGE_TOO_BIG, 'Message size exceeds limit']],
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', [WSCloseCode.MESSAGE_TOO_BIG, 'Message size exceeds limit']],
  ['WS_ERR_TOO_MANY_BUFFERED_PARTS', [WSCloseCode.POLICY_VIOLATION, 'Message in too many pieces']],
]);

function toWebSocketError(error: Error, maxMsgSize: number): WebSocketError {
  const name = (error as NodeJS.ErrnoException).code ?? '';
  const violation = VIOLATIONS.get(name);
  // What is left are errors of zlib.
  if (violation === undefined) {
    return new WebSocketError(WSCloseCode.INVALID_TEXT, `Invalid compressed message: ${error.message}`, {
      cause: error,
    });
  }
  const [code, known] = violation;
  let text = known ?? describe(name, error.message);
  if (code === WSCloseCode.MESSAGE_TOO_BIG) text += ` ${maxMsgSize}`;
  return new WebSocketError(code, text, { cause: error });
}

/** Where `ws` names the number that is wrong. */
function describe(name: string, message: string): string {
  const number = /\d+/.exec(message)?.[0] ?? '';
  if (name === 'WS_ERR_INVALID_CLOSE_CODE') return `Invalid close code: ${number}`;
  if (name === 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH') {
    return number === '1'
      ? 'Invalid close frame: one byte'
      : 'Control frame payload cannot be larger than 125 bytes';
  }
  if (number === '0') return 'Continuation frame for non started message';
  if (number !== '1' && number !== '2') return `Unexpected opcode=${number}`;
  return `The opcode in non-fin frame is expected to be zero, got ${number}`;
}
