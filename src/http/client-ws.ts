/** WebSockets of a session. Counterpart: `aiohttp/client_ws.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { inlineBody, methodCoroutine } from '../core/coroutines.ts';
import { toSeconds } from '../core/events.ts';
import { CancelledError, RuntimeError } from '../core/exceptions.ts';
import type { Future } from '../core/futures.ts';
import { timeout as timeoutAfter } from '../core/timeouts.ts';
import type { Coroutine, Delay, Gen } from '../core/types.ts';
import type { ClientResponse } from './client-response.ts';
import { explain } from './client-timeout.ts';
import { EofStream } from './data-queue.ts';
import { ClientConnectionResetError, WebSocketError, WSMessageTypeError } from './exceptions.ts';
import type { ContextBody } from './helpers.ts';
import { checkOptions, type OptionNames, optionNames } from './options.ts';
import { checkBytes, checkReason, checkText } from './websocket-checks.ts';
import { Heartbeat } from './websocket-heartbeat.ts';
import {
  type AnyMessage,
  CLOSED_MESSAGE,
  CLOSING_MESSAGE,
  describe,
  errorMessage,
  WSCloseCode,
  type WSMessage,
  WSMsgType,
} from './websocket-models.ts';
import type { WebSocketDataQueue } from './websocket-queue.ts';
import type { WebSocketReader } from './websocket-reader.ts';
import type { WebSocketWriter } from './websocket-writer.ts';

interface WSLimits {
  wsReceive?: Delay | null | undefined;
  wsClose?: Delay | null | undefined;
}

const LIMITS = /* @__PURE__ */ optionNames<WSLimits>('ClientWSTimeout', { wsReceive: true, wsClose: true });

interface ReceiveOptions {
  timeout?: Delay | null | undefined;
}

interface ReceiveJsonOptions<Text, T> extends ReceiveOptions {
  loads?: ((text: Text) => T) | undefined;
}

interface CloseOptions {
  code?: number | undefined;
  message?: Uint8Array | string | undefined;
}

interface DumpsOptions {
  dumps?: ((value: unknown) => string) | undefined;
}

const ofMethod = <T extends object>(
  name: string,
  names: { readonly [K in keyof T]-?: true },
): OptionNames<T> => optionNames(`ClientWebSocketResponse.${name}`, names);
const SEND_JSON_OPTIONS = /* @__PURE__ */ ofMethod<DumpsOptions>('sendJson', { dumps: true });
const SEND_JSON_BYTES_OPTIONS = /* @__PURE__ */ ofMethod<{ dumps: unknown }>('sendJsonBytes', {
  dumps: true,
});
const CLOSE_OPTIONS = /* @__PURE__ */ ofMethod<CloseOptions>('close', { code: true, message: true });
const RECEIVE_STR_OPTIONS = /* @__PURE__ */ ofMethod<ReceiveOptions>('receiveStr', { timeout: true });
const RECEIVE_BYTES_OPTIONS = /* @__PURE__ */ ofMethod<ReceiveOptions>('receiveBytes', { timeout: true });
const RECEIVE_JSON_OPTIONS = /* @__PURE__ */ ofMethod<ReceiveJsonOptions<never, unknown>>('receiveJson', {
  timeout: true,
  loads: true,
});

/**
 * Limits of time for a WebSocket, in seconds (or a `Delay`); null is no limit.
 *
 * @param options.wsReceive - for each `receive`. Default null.
 * @param options.wsClose - for the closing handshake. Default 10.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientWSTimeout`.
 */
export class ClientWSTimeout {
  readonly wsReceive: number | null;
  readonly wsClose: number | null;

  constructor(options: WSLimits = {}) {
    checkOptions(options, LIMITS);
    const { wsReceive = null, wsClose = 10 } = options;
    this.wsReceive = wsReceive === null ? null : toSeconds(wsReceive, 'wsReceive');
    this.wsClose = wsClose === null ? null : toSeconds(wsClose, 'wsClose');
    Object.freeze(this);
  }

  toString(): string {
    return `ClientWSTimeout(wsReceive=${this.wsReceive}, wsClose=${this.wsClose})`;
  }
}

/** What text messages hold, by the option `decodeText`. */
type TextOf<DecodeText extends boolean> = DecodeText extends true ? string : Buffer;

/** An asynchronous iterator whose `next` can be used with `await` and with `yield*`. */
export interface WSMessageIterator<Text extends string | Buffer>
  extends AsyncIterableIterator<WSMessage<Text>> {
  next(): Coroutine<IteratorResult<WSMessage<Text>, undefined>> &
    Promise<IteratorResult<WSMessage<Text>, undefined>>;
}

/** How a WebSocket behaves. */
export interface ClientWebSocketSettings {
  readonly protocol: string | null;
  readonly timeout: ClientWSTimeout;
  readonly autoclose: boolean;
  readonly autoping: boolean;
  readonly heartbeat: number | null;
  readonly compress: number;
  readonly clientNotakeover: boolean;
}

/**
 * A WebSocket, as `ClientSession.wsConnect` gives it. One task receives; any number may send. Close it in the end, by
 * `run`, `await using` or `close`.
 *
 * ```ts
 * await session.wsConnect('wss://example.com/chat').run(async (ws) => {
 *   await ws.sendStr('hello');
 *   for await (const message of ws) {
 *     if (message.type === WSMsgType.TEXT) console.log(message.data);
 *     else if (message.type === WSMsgType.ERROR) throw message.data;
 *   }
 * });
 * ```
 *
 * Source: aiohttp 3.14 `aiohttp.ClientWebSocketResponse`.
 */
export class ClientWebSocketResponse<DecodeText extends boolean = true>
  implements AsyncDisposable, AsyncIterable<WSMessage<TextOf<DecodeText>>>
{
  readonly #reader: WebSocketDataQueue;
  readonly #writer: WebSocketWriter;
  readonly #response: ClientResponse;
  readonly #loop: BaseEventLoop;
  readonly #settings: ClientWebSocketSettings;
  readonly #heartbeat: Heartbeat | null;
  #isClosed = false;
  /** The peer has begun to close it, or `close` has while a `receive` was waiting. */
  #isClosing = false;
  #isWaiting = false;
  #closeWait: Future<void> | null = null;
  #closeCode: number | null = null;
  #exception: Error | null = null;

  /** WebSockets come from a session. */
  constructor(
    reader: WebSocketDataQueue,
    writer: WebSocketWriter,
    source: WebSocketReader,
    response: ClientResponse,
    loop: BaseEventLoop,
    settings: ClientWebSocketSettings,
  ) {
    this.#reader = reader;
    this.#writer = writer;
    this.#response = response;
    this.#loop = loop;
    this.#settings = settings;
    this.#heartbeat = this.#startHeartbeat(source);
  }

  #startHeartbeat(source: WebSocketReader): Heartbeat | null {
    const { heartbeat: interval } = this.#settings;
    if (interval === null) return null;
    const heartbeat = new Heartbeat(this.#loop, interval, {
      ping: () => this.#writer.write('', WSMsgType.PING),
      lost: (error) => this.#onLost(error),
      isHeldUp: () => source.isHeldUp,
    });
    source.onData = () => heartbeat.onData();
    return heartbeat;
  }

  #onLost(error: Error): void {
    if (this.#isClosed) return;
    this.#setClosed();
    this.#closeCode = WSCloseCode.ABNORMAL_CLOSURE;
    this.#exception = error;
    if (this.#isWaiting && !this.#isClosing) this.#reader.feedData(errorMessage(error));
    this.#response.close();
  }

  #setClosed(): void {
    this.#isClosed = true;
    this.#heartbeat?.stop();
  }

  #setClosing(): void {
    this.#isClosing = true;
    this.#heartbeat?.stop();
  }

  /** Whether it is closed, or this side has begun to. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /**
   * The code that it was closed with, the peer's if it sent one (0 for a CLOSE without); 1006 if the connection was
   * lost, or a `receive` was cancelled or timed out. Null while it is open.
   */
  get closeCode(): number | null {
    return this.#closeCode;
  }

  /** The subprotocol that the server chose, or null. */
  get protocol(): string | null {
    return this.#settings.protocol;
  }

  /** The bits of the window that messages are compressed with, or 0. */
  get compress(): number {
    return this.#settings.compress;
  }

  /** Whether each message is compressed by itself, without those before. */
  get clientNotakeover(): boolean {
    return this.#settings.clientNotakeover;
  }

  /**
   * What the transport knows: `peername`, `sockname`, `socket`, for TLS `ssl_object` and others.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.get_extra_info`.
   */
  getExtraInfo<T = unknown>(name: string, defaultValue: T | null = null): T | null {
    const transport = this.#response.connection?.transport ?? null;
    return transport === null ? defaultValue : transport.getExtraInfo<T | null>(name, defaultValue);
  }

  /** The error that ended it, or null. Source: aiohttp 3.14 `ClientWebSocketResponse.exception`. */
  exception(): Error | null {
    return this.#exception;
  }

  /**
   * Send a PING.
   *
   * @param message - at most 125 bytes, which the peer sends back.
   * @throws ClientConnectionResetError if it is closed; RangeError for more bytes.
   *
   * Cancellation: it is sent all the same.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.ping`.
   */
  ping(message: Uint8Array | string = ''): Coroutine<void> {
    return sendControl(this.#writer, message, WSMsgType.PING);
  }

  /** Send a PONG that nobody asked for. As `ping`. Source: aiohttp 3.14 `ClientWebSocketResponse.pong`. */
  pong(message: Uint8Array | string = ''): Coroutine<void> {
    return sendControl(this.#writer, message, WSMsgType.PONG);
  }

  /**
   * Send text. Waits while the peer does not keep up.
   *
   * @param compress - 0: do not compress this one, if compression was agreed on. Otherwise it is compressed.
   * @throws TypeError if it is no string; ClientConnectionResetError if the WebSocket is closed.
   *
   * Cancellation: it is sent all the same.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.send_str`.
   */
  sendStr(data: string, compress: number | null = null): Coroutine<void> {
    return sendText(this.#writer, data, compress);
  }

  /** Send bytes. As `sendStr`. Source: aiohttp 3.14 `ClientWebSocketResponse.send_bytes`. */
  sendBytes(data: Uint8Array, compress: number | null = null): Coroutine<void> {
    return sendBytes(this.#writer, data, WSMsgType.BINARY, compress);
  }

  /**
   * Send a value as JSON, in a text message.
   *
   * @param options.dumps - makes the text. Default `JSON.stringify`.
   * @throws the errors of `dumps`, and as `sendStr`.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.send_json`.
   */
  sendJson(data: unknown, compress: number | null = null, options: DumpsOptions = {}): Coroutine<void> {
    checkOptions(options, SEND_JSON_OPTIONS);
    const { dumps = JSON.stringify } = options;
    return sendText(this.#writer, () => dumps(data), compress);
  }

  /**
   * Send a value as JSON, in a binary message.
   *
   * @param options.dumps - makes the bytes.
   * @throws the errors of `dumps`, and as `sendBytes`.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.send_json_bytes`.
   */
  sendJsonBytes(
    data: unknown,
    compress: number | null | undefined,
    options: { dumps: (value: unknown) => Uint8Array },
  ): Coroutine<void> {
    checkOptions(options, SEND_JSON_BYTES_OPTIONS);
    return sendBytes(this.#writer, () => options.dumps(data), WSMsgType.BINARY, compress ?? null);
  }

  /**
   * Send one frame, a whole message.
   *
   * @param opcode - TEXT, BINARY, PING or PONG; `close` sends a CLOSE.
   * @throws RangeError for other opcodes, and as `sendStr`.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.send_frame`.
   */
  sendFrame(message: Uint8Array, opcode: WSMsgType, compress: number | null = null): Coroutine<void> {
    return sendBytes(this.#writer, message, opcode, compress);
  }

  /**
   * Close it: say so to the peer, wait for its answer, and close the connection. Messages that come meanwhile are
   * dropped. A `receive` that waits ends with CLOSING. After the peer's CLOSE this is the answer to it.
   *
   * @param options.code - why; 0 sends none. Default 1000.
   * @param options.message - more about it, at most 123 bytes.
   * @returns whether this call closed it.
   * @throws RangeError for a code or message that cannot be sent. That the peer does not answer is in `exception()`,
   *   and `closeCode` is 1006.
   *
   * Cancellation: the connection is closed at once.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.close`.
   */
  close(options: CloseOptions = {}): Coroutine<boolean> {
    checkOptions(options, CLOSE_OPTIONS);
    const { code = WSCloseCode.OK, message = '' } = options;
    return close(this, code, message);
  }

  /** @internal */
  *_close(code: number, reason: Uint8Array): Gen<boolean> {
    // Another task is receiving: it has to end before the peer's answer can be read here.
    if (this.#isWaiting && !this.#isClosing) {
      this.#closeWait = this.#loop.createFuture<void>();
      this.#setClosing();
      this.#reader.feedData(CLOSING_MESSAGE);
      try {
        yield* this.#closeWait;
      } catch (error) {
        this.#setClosed();
        this.#closeCode = WSCloseCode.ABNORMAL_CLOSURE;
        this.#response.close();
        throw error;
      }
    }
    if (this.#isClosed) return false;
    this.#setClosed();
    try {
      const shakeHands = (): Gen<void> => this.#shakeHands(code, reason);
      yield* timeoutAfter(this.#settings.timeout.wsClose).run(function* () {
        yield* shakeHands();
      });
    } catch (error) {
      this.#closeCode = WSCloseCode.ABNORMAL_CLOSURE;
      if (error instanceof CancelledError) throw error;
      this.#exception = explain(
        error,
        `No answer to close within ${this.#settings.timeout.wsClose} s`,
      ) as Error;
    } finally {
      this.#response.close();
    }
    return true;
  }

  *#shakeHands(code: number, reason: Uint8Array): Gen<void> {
    yield* this.#writer.close(code, reason);
    // The peer's CLOSE is there already, or will never come.
    if (this.#closeCode !== null) return;
    for (;;) {
      const message = yield* this.#reader.read();
      if (message.type !== WSMsgType.CLOSE) continue;
      this.#closeCode = message.data;
      return;
    }
  }

  /**
   * Receive the next message.
   *
   * @param timeout - seconds to wait, or a `Delay`; null, the default, for the `wsReceive` of the WebSocket.
   * @returns TEXT and BINARY as they come. CLOSE when the peer closes it (answered by then, see `autoclose`), CLOSING
   *   when this side does, ERROR when the peer broke the protocol or did not answer a heartbeat. From then on CLOSED.
   * @throws TimeoutError; RuntimeError if another task is receiving.
   *
   * Cancellation: no message is lost. `closeCode` becomes 1006, yet the WebSocket stays open.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.receive`.
   */
  receive(timeout: Delay | null = null): Coroutine<WSMessage<TextOf<DecodeText>>> {
    return receive(this, timeout) as Coroutine<WSMessage<TextOf<DecodeText>>>;
  }

  /** @internal */
  *_receive(timeout: Delay | null): Gen<AnyMessage> {
    const limit = (timeout === null ? 0 : toSeconds(timeout, 'timeout')) || this.#settings.timeout.wsReceive;
    for (;;) {
      if (this.#isWaiting) throw new RuntimeError('Concurrent call to receive() is not allowed');
      if (this.#isClosed) return CLOSED_MESSAGE;
      if (this.#isClosing) {
        yield* this._close(WSCloseCode.OK, NOTHING);
        return CLOSED_MESSAGE;
      }
      let message: AnyMessage;
      try {
        message = yield* this.#read(limit);
      } catch (error) {
        return yield* this.#onReadError(error);
      }
      if (message.type === WSMsgType.PING && this.#settings.autoping) {
        yield* this.#answerPing(message.data);
      } else if (message.type !== WSMsgType.PONG || !this.#settings.autoping) {
        yield* this.#onMessage(message);
        return message;
      }
    }
  }

  *#answerPing(payload: Buffer): Gen<void> {
    try {
      yield* this.#writer.sendFrame(payload, WSMsgType.PONG);
    } catch (error) {
      // The peer is gone. What it sent before is still there to be received, and then its end.
      if (!(error instanceof ClientConnectionResetError)) throw error;
    }
  }

  *#read(limit: number | null): Gen<AnyMessage> {
    this.#isWaiting = true;
    try {
      if (!limit) return yield* this.#reader.read();
      const reader = this.#reader;
      return yield* timeoutAfter(limit).run(function* () {
        return yield* reader.read();
      });
    } catch (error) {
      throw explain(error, `No message received within ${limit} s`);
    } finally {
      this.#isWaiting = false;
      const waiter = this.#closeWait;
      this.#closeWait = null;
      if (waiter !== null && !waiter.done()) waiter.setResult();
    }
  }

  *#onReadError(error: unknown): Gen<AnyMessage> {
    if (error instanceof WebSocketError) {
      this.#closeCode = error.code;
      yield* this._close(error.code, NOTHING);
      return errorMessage(error);
    }
    this.#closeCode = WSCloseCode.ABNORMAL_CLOSURE;
    if (!(error instanceof EofStream)) throw error;
    yield* this._close(WSCloseCode.OK, NOTHING);
    return CLOSED_MESSAGE;
  }

  *#onMessage(message: AnyMessage): Gen<void> {
    if (message.type === WSMsgType.CLOSING) {
      this.#setClosing();
    } else if (message.type === WSMsgType.CLOSE) {
      this.#setClosing();
      this.#closeCode = message.data;
      if (!this.#isClosed && this.#settings.autoclose) yield* this._close(WSCloseCode.OK, NOTHING);
    }
  }

  /**
   * Receive a text message.
   *
   * @returns the text; a `Buffer` with `decodeText: false`.
   * @throws WSMessageTypeError if another message comes, which is lost; and as `receive`.
   *
   * Cancellation: as `receive`.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.receive_str`.
   */
  receiveStr(options: ReceiveOptions = {}): Coroutine<TextOf<DecodeText>> {
    checkOptions(options, RECEIVE_STR_OPTIONS);
    const received = receiveData(this, 'TEXT', options.timeout ?? null);
    return received as Coroutine<TextOf<DecodeText>>;
  }

  /** Receive a binary message. As `receiveStr`. Source: aiohttp 3.14 `ClientWebSocketResponse.receive_bytes`. */
  receiveBytes(options: ReceiveOptions = {}): Coroutine<Buffer> {
    checkOptions(options, RECEIVE_BYTES_OPTIONS);
    return receiveData(this, 'BINARY', options.timeout ?? null) as Coroutine<Buffer>;
  }

  /**
   * Receive a text message, and parse it as JSON.
   *
   * @param options.loads - makes a value of the text. Default `JSON.parse`.
   * @throws the errors of `loads`, and as `receiveStr`.
   *
   * Cancellation: as `receive`.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.receive_json`.
   */
  receiveJson<T = unknown>(options: ReceiveJsonOptions<TextOf<DecodeText>, T> = {}): Coroutine<T> {
    checkOptions(options, RECEIVE_JSON_OPTIONS);
    const loads = (options.loads ?? parseJson) as (text: unknown) => unknown;
    return receiveJson(this, loads, options.timeout ?? null) as Coroutine<T>;
  }

  /**
   * The messages up to the end, which CLOSE, CLOSING and CLOSED are; an ERROR is given like a message. To leave the
   * loop before closes nothing.
   *
   * Source: aiohttp 3.14 `ClientWebSocketResponse.__anext__`.
   */
  [Symbol.asyncIterator](): WSMessageIterator<TextOf<DecodeText>> {
    const iterator = {
      next: () => receiveNext(this),
      [Symbol.asyncIterator]: () => iterator,
    } as unknown as WSMessageIterator<TextOf<DecodeText>>;
    return iterator;
  }

  /** Run `body(this)`, then close it, and give the body's value. Source: aiohttp 3.14 `async with ws`. */
  run<T>(body: (it: this) => Gen<T>): Coroutine<T>;
  run<T>(body: (it: this) => T | PromiseLike<T>): Coroutine<T>;
  run(body: ContextBody<this, unknown>): Coroutine<unknown> {
    return runWebSocket(this, body as never);
  }

  /** @internal */
  *_run(body: ContextBody<this, unknown>): Gen<unknown> {
    try {
      return yield* inlineBody(body, this);
    } finally {
      yield* this._close(WSCloseCode.OK, NOTHING);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** `ClientWebSocketResponse`, or what is derived from it. */
export type WebSocketClass = new (
  ...args: ConstructorParameters<typeof ClientWebSocketResponse>
) => ClientWebSocketResponse;

const NOTHING = new Uint8Array(0);

const parseJson = (text: string | Buffer): unknown => JSON.parse(text.toString());

/** Any of them: whether text is decoded is a matter of types. */
type Receiving = ClientWebSocketResponse<boolean>;

/** What to send, or what makes it when the time has come. */
const valueOf = <T extends string | Uint8Array>(data: T | (() => T)): T =>
  typeof data === 'function' ? data() : data;

const sendText = /* @__PURE__ */ methodCoroutine(
  'ClientWebSocketResponse.sendStr',
  function* (writer: WebSocketWriter, data: string | (() => string), compress: number | null): Gen<void> {
    yield* writer.sendFrame(checkText(valueOf(data)), WSMsgType.TEXT, compress);
  },
);

const sendBytes = /* @__PURE__ */ methodCoroutine(
  'ClientWebSocketResponse.sendBytes',
  function* (
    writer: WebSocketWriter,
    data: Uint8Array | (() => Uint8Array),
    opcode: WSMsgType,
    compress: number | null,
  ): Gen<void> {
    yield* writer.sendFrame(checkBytes(valueOf(data)), opcode, compress);
  },
);

const sendControl = /* @__PURE__ */ methodCoroutine(
  'ClientWebSocketResponse.ping',
  function* (writer: WebSocketWriter, data: string | Uint8Array, opcode: WSMsgType): Gen<void> {
    yield* writer.sendFrame(typeof data === 'string' ? data : checkBytes(data), opcode);
  },
);

const close = /* @__PURE__ */ methodCoroutine(
  'ClientWebSocketResponse.close',
  function* (ws: Pick<Receiving, '_close'>, code: number, message: Uint8Array | string): Gen<boolean> {
    return yield* ws._close(code, checkReason(code, message));
  },
);

const receive = /* @__PURE__ */ methodCoroutine(
  'ClientWebSocketResponse.receive',
  function* (ws: Receiving, timeout: Delay | null): Gen<AnyMessage> {
    return yield* ws._receive(timeout);
  },
);

function* receiveOfType(ws: Receiving, name: 'TEXT' | 'BINARY', timeout: Delay | null): Gen<string | Buffer> {
  const message = yield* ws._receive(timeout);
  if (message.type === WSMsgType[name]) return message.data;
  throw new WSMessageTypeError(
    `Received message ${message.type}:${describe(message.data)} is not WSMsgType.${name}`,
  );
}

const receiveData = /* @__PURE__ */ methodCoroutine('ClientWebSocketResponse.receiveStr', receiveOfType);

const receiveJson = /* @__PURE__ */ methodCoroutine(
  'ClientWebSocketResponse.receiveJson',
  function* (ws: Receiving, loads: (text: unknown) => unknown, timeout: Delay | null): Gen<unknown> {
    return loads(yield* receiveOfType(ws, 'TEXT', timeout));
  },
);

const receiveNext = /* @__PURE__ */ methodCoroutine(
  'ClientWebSocketResponse.next',
  function* (ws: Receiving): Gen<IteratorResult<AnyMessage, undefined>> {
    const message = yield* ws._receive(null);
    const { type } = message;
    const isEnd = type === WSMsgType.CLOSE || type === WSMsgType.CLOSING || type === WSMsgType.CLOSED;
    return isEnd ? { done: true, value: undefined } : { done: false, value: message };
  },
);

/** What a message holds, as Python prints it. */
const runWebSocket = /* @__PURE__ */ methodCoroutine(
  'ClientWebSocketResponse.run',
  function* (ws: Receiving, body: ContextBody<Receiving, unknown>): Gen<unknown> {
    return yield* ws._run(body);
  },
);
