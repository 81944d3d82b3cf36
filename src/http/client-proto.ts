/** What the server sends, from undici's callbacks to futures of the loop. Counterpart: `aiohttp/client_proto.py`. */
import type { Dispatcher } from 'undici';
import type { BaseEventLoop } from '../core/base-events.ts';
import type { TimerHandle } from '../core/events.ts';
import type { Future } from '../core/futures.ts';
import type { RequestTimer } from './client-timeout.ts';
import { Decompressor, isDecodable } from './content-encoding.ts';
import {
  ClientConnectionError,
  ClientOSError,
  ClientPayloadError,
  ServerDisconnectedError,
  SocketTimeoutError,
} from './exceptions.ts';
import { quote } from './helpers.ts';
import { CIMultiDict } from './multidict.ts';
import { type FlowControl, StreamReader } from './streams.ts';

/** What the first part of a response says. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: CIMultiDict;
}

/** How a response is to be received. */
export interface ResponseParams {
  readonly loop: BaseEventLoop;
  readonly timer: RequestTimer;
  /** Seconds between two pieces of data, or null. */
  readonly sockRead: number | null;
  readonly autoDecompress: boolean;
  readonly readBufsize: number;
}

/**
 * Receives one response: `head` when its headers are there, then `payload`. Held up by the payload's reader, it
 * lets undici stop reading from the socket.
 */
export class ResponseHandler implements Dispatcher.DispatchHandler, FlowControl {
  readonly head: Future<ResponseHead>;
  readonly payload: StreamReader;
  /** Whether the server has sent everything. */
  isComplete = false;
  /** Called once, when the connection can serve the next request or has failed. */
  onEnd: (() => void) | null = null;
  readonly #params: ResponseParams;
  #controller: Dispatcher.DispatchController | null = null;
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

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#startReadTimer();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    reason = '',
  ): void {
    // What a server says before its answer proper (early hints) is of no use here.
    if (this.#isOver || status < 200) return;
    this.#startReadTimer();
    const headers = decodeHeaders(controller.rawHeaders as readonly Buffer[]);
    const encoding = (headers.get('content-encoding') ?? '').trim().toLowerCase();
    if (this.#params.autoDecompress && isDecodable(encoding)) this.#decompressor = this.#decompress(encoding);
    this.#head = { status, reason, headers };
    if (!this.head.done()) this.head.setResult(this.#head);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    this.#startReadTimer();
    this.#received += chunk.length;
    if (this.#decompressor === null) {
      this.payload.feedData(chunk);
    } else if (!this.#decompressor.write(chunk)) {
      this.#isDecompressorFull = true;
      this.#hold();
    }
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.isComplete = true;
    if (this.#decompressor === null) this.payload.feedEof();
    else this.#decompressor.end();
    this.#finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
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
    this.#controller?.pause();
  }

  #letGo(): void {
    if (this.#isOver || (this.#decompressor === null ? this.#isReaderFull : this.#isDecompressorFull)) return;
    if (this.#controller?.paused !== true) return;
    this.#startReadTimer();
    this.#controller.resume();
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

/** Bytes that are no HTTP. The response that could not be read becomes a `ClientResponseError` of status 400. */
export class BadHttpMessage extends Error {
  readonly status = 400;
}

const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? '';
const isBadMessage = (error: Error): boolean =>
  error.name === 'HTTPParserError' || codeOf(error) === 'UND_ERR_HEADERS_OVERFLOW';

/** Why no answer came. */
function headError(error: Error): Error {
  const code = codeOf(error);
  if (error instanceof ClientConnectionError) return error;
  if (isBadMessage(error)) return new BadHttpMessage(error.message, { cause: error });
  if (code === 'UND_ERR_INVALID_ARG') return new RangeError(error.message, { cause: error });
  if (code === '' || code.startsWith('UND_ERR_'))
    return new ServerDisconnectedError(undefined, { cause: error });
  return new ClientOSError(error);
}
