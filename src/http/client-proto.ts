/** What the server sends, from the engine's callbacks to futures of the loop. Counterpart: `aiohttp/client_proto.py`. */
import type { Duplex } from 'node:stream';
import type { BaseEventLoop } from '../core/base-events.ts';
import type { TimerHandle } from '../core/events.ts';
import type { Future } from '../core/futures.ts';
import type { RequestTimer } from './client-timeout.ts';
import { Decompressor, isDecodable } from './content-encoding.ts';
import type { Wire, WireHandler, WireLimits } from './engine.ts';
import {
  ClientConnectionError,
  ClientOSError,
  ClientPayloadError,
  ServerDisconnectedError,
  SocketTimeoutError,
} from './exceptions.ts';
import { quote } from './helpers.ts';
import { BadHttpMessage } from './http-exceptions.ts';
import type { HttpVersion } from './http-writer.ts';
import { CIMultiDict } from './multidict.ts';
import { type FlowControl, StreamReader } from './streams.ts';

/** What the first part of a response says. */
export class ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly version: HttpVersion;
  /** Name, value, name, value, … as they came. */
  readonly rawHeaders: readonly Buffer[];
  /** The socket after the change to another protocol, which `connection.close` closes. */
  readonly upgraded: Duplex | null;
  #headers: CIMultiDict | null = null;

  constructor(
    status: number,
    reason: string,
    version: HttpVersion,
    rawHeaders: readonly Buffer[],
    upgraded: Duplex | null,
  ) {
    this.status = status;
    this.reason = reason;
    this.version = version;
    this.rawHeaders = rawHeaders;
    this.upgraded = upgraded;
  }

  /** Decoded when somebody asks. */
  get headers(): CIMultiDict {
    this.#headers ??= decodeHeaders(this.rawHeaders);
    return this.#headers;
  }
}

/** How a response is to be received. */
export interface ResponseParams extends WireLimits {
  readonly loop: BaseEventLoop;
  readonly timer: RequestTimer;
  /** Seconds between two pieces of data, or null. */
  readonly sockRead: number | null;
  readonly autoDecompress: boolean;
  readonly readBufsize: number;
  /** Without a length and chunks, the body is what comes until the server closes; false: there is none. */
  readonly readUntilEof: boolean;
}

/**
 * Receives one response: `head` when its headers are there, then `payload`. Held up by the payload's reader, it lets the
 * engine stop reading from the socket.
 */
export class ResponseHandler implements WireHandler, FlowControl {
  readonly head: Future<ResponseHead>;
  readonly payload: StreamReader;
  /** Whether the server has sent everything. */
  isComplete = false;
  /** Whether any byte of the request may have reached the server. */
  isSent = false;
  /** Whether any byte of a response has come. */
  isStarted = false;
  /** Called once, when the connection can serve the next request or has failed. */
  onEnd: (() => void) | null = null;
  readonly #params: ResponseParams;
  #wire: Wire | null = null;
  /** Lets the engine go on, if it was told to wait. */
  #resume: (() => void) | null = null;
  #isHeld = false;
  #decompressor: Decompressor | null = null;
  /** Who wants the sender to wait: the reader of the payload, the decompressor. */
  #isReaderFull = false;
  #isDecompressorFull = false;
  #readTimer: TimerHandle | null = null;
  #isOver = false;
  #head: ResponseHead | null = null;
  /** Bytes of the body, as sent. */
  #received = 0;

  constructor(params: ResponseParams) {
    this.#params = params;
    this.head = params.loop.createFuture<ResponseHead>();
    this.payload = new StreamReader(params.loop, this, params.timer, params.readBufsize);
  }

  get limits(): WireLimits {
    return this.#params;
  }

  attach(wire: Wire): void {
    this.#wire = wire;
  }

  onConnect(): void {
    this.isSent = true;
  }

  onRequestSent(): void {
    if (!this.#isOver && !this.#isHeld) this.#startReadTimer();
  }

  onResponseStarted(): void {
    this.isStarted = true;
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    // What a server says before its answer proper (early hints) is of no use here.
    if (this.#isOver || (status < 200 && status !== 101)) return true;
    this.#startReadTimer();
    this.#resume = resume;
    const head = this.#setHead(status, reason, rawHeaders, null);
    const encoding = (head.headers.get('content-encoding') ?? '').trim().toLowerCase();
    if (this.#params.autoDecompress && isDecodable(encoding)) this.#decompressor = this.#decompress(encoding);
    return !this.#isHeld;
  }

  onUpgrade(status: number, rawHeaders: Buffer[], socket: Duplex): void {
    this.#setHead(status, this.#wire?.reason ?? '', rawHeaders, socket);
    this.payload.feedEof();
    this.#stopReadTimer();
    this.#isOver = true;
  }

  #setHead(status: number, reason: string, rawHeaders: Buffer[], upgraded: Duplex | null): ResponseHead {
    const { version } = this.#wire as Wire;
    this.#head = new ResponseHead(status, reason, version, rawHeaders, upgraded);
    if (!this.head.done()) this.head.setResult(this.#head);
    return this.#head;
  }

  onData(chunk: Buffer): boolean {
    if (this.#isOver) return true;
    this.#startReadTimer();
    this.#received += chunk.length;
    if (this.#decompressor === null) {
      this.payload.feedData(chunk);
    } else if (!this.#decompressor.write(chunk)) {
      this.#isDecompressorFull = true;
      this.#hold();
    }
    return !this.#isHeld;
  }

  onComplete(): void {
    if (this.#isOver) return;
    this.isComplete = true;
    if (this.#decompressor === null) this.payload.feedEof();
    else this.#decompressor.end();
    this.#finish();
  }

  onError(error: Error): void {
    if (this.#isOver) return;
    this.fail(this.#head === null ? headError(error) : this.#payloadError(error));
  }

  /** Why the body is not complete. */
  #payloadError(error: Error): Error {
    if (error instanceof ClientConnectionError) return error;
    const length = this.#head?.headers.get('content-length') ?? null;
    const text =
      length === null
        ? "<TransferEncodingError: 400, message='Not enough data to satisfy transfer length header.'>"
        : "<ContentLengthError: 400, message='Not enough data to satisfy content length header " +
          `(received ${this.#received} of ${length} bytes).'>`;
    const code = codeOf(error);
    const detail = isBadMessage(error)
      ? `<TransferEncodingError: 400, message=${quote(error.message)}>`
      : text;
    // What closed the connection is worth a word, unless that was its regular end.
    const isRegular = code === '' || code.startsWith('UND_ERR_') || isBadMessage(error);
    const reason = isRegular ? '' : `. ${error.message}`;
    return new ClientPayloadError(`Response payload is not completed: ${detail}${reason}`, { cause: error });
  }

  /** End it with an error for whoever waits. */
  fail(error: Error): void {
    if (!this.head.done()) {
      this.head.setException(error);
      // Nobody may be waiting any more, and that is no news.
      this.head.exception();
    }
    this.payload.setException(error);
    this.#decompressor?.destroy();
    if (!this.#isOver) this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.#stopReadTimer();
    this.onEnd?.();
    this.onEnd = null;
  }

  pause(): void {
    this.#isReaderFull = true;
    this.#decompressor?.pause();
    this.#hold();
  }

  resume(): void {
    this.#isReaderFull = false;
    this.#decompressor?.resume();
    this.#letGo();
  }

  drop(): void {
    this.#decompressor?.destroy();
  }

  // Behind a decompressor only that one holds up the sender: it still takes bytes while the reader is full.
  #hold(): void {
    if (this.#isOver || (this.#decompressor !== null && !this.#isDecompressorFull)) return;
    this.#stopReadTimer();
    this.#isHeld = true;
  }

  #letGo(): void {
    if (this.#isOver || (this.#decompressor === null ? this.#isReaderFull : this.#isDecompressorFull)) return;
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#startReadTimer();
    this.#resume?.();
  }

  #decompress(encoding: string): Decompressor {
    return new Decompressor(encoding, {
      data: (chunk) => this.payload.feedData(chunk),
      end: () => this.payload.feedEof(),
      fail: (error) => this.payload.setException(error),
      drained: () => {
        this.#isDecompressorFull = false;
        this.#letGo();
      },
    });
  }

  #startReadTimer(): void {
    const { loop, sockRead } = this.#params;
    if (sockRead === null || sockRead <= 0 || loop.isClosed()) return;
    this.#readTimer?.cancel();
    this.#readTimer = loop.callLater(sockRead, () => this.#onReadTimeout());
  }

  #stopReadTimer(): void {
    this.#readTimer?.cancel();
    this.#readTimer = null;
  }

  #onReadTimeout(): void {
    this.fail(new SocketTimeoutError('Timeout on reading data from socket'));
  }
}

/** Names and values as they came, in order. */
function decodeHeaders(raw: readonly Buffer[]): CIMultiDict {
  const headers = new CIMultiDict();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    headers.add((raw[i] as Buffer).toString('latin1'), (raw[i + 1] as Buffer).toString('utf8'));
  }
  return headers;
}

export { BadHttpMessage };

const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? '';
const isBadMessage = (error: Error): boolean =>
  error instanceof BadHttpMessage ||
  error.name === 'HTTPParserError' ||
  codeOf(error) === 'UND_ERR_HEADERS_OVERFLOW';

/** Why no answer came. */
function headError(error: Error): Error {
  const code = codeOf(error);
  if (error instanceof ClientConnectionError) return error;
  if (error instanceof BadHttpMessage) return error;
  if (isBadMessage(error)) return new BadHttpMessage(error.message, { cause: error });
  if (code === 'UND_ERR_INVALID_ARG') return new RangeError(error.message, { cause: error });
  if (code === '' || code.startsWith('UND_ERR_'))
    return new ServerDisconnectedError(undefined, { cause: error });
  return new ClientOSError(error);
}
