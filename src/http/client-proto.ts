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
  ClientError,
  ClientOSError,
  ClientPayloadError,
  ServerDisconnectedError,
  SocketTimeoutError,
} from './exceptions.ts';
import {
  BadHttpMessage,
  ContentLengthError,
  InvalidHeader,
  TransferEncodingError,
} from './http-exceptions.ts';
import { ResponseHead } from './response-head.ts';
import { type FlowControl, StreamReader } from './streams.ts';

export { BadHttpMessage, type ResponseHead };

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
  /** How many bytes the body may have, decompressed; null for any number. */
  readonly maxBodySize?: number | null | undefined;
}

/**
 * Receives one response: `head` when its headers are there, then `payload`. Held up by the payload's reader, it lets the
 * engine stop reading from the socket.
 */
export class ResponseHandler implements WireHandler, FlowControl {
  readonly head: Future<ResponseHead>;
  /** Whether the server has sent everything. */
  isComplete = false;
  /** Whether any byte of the request may have reached the server: a second try could do the work twice. */
  isSent = false;
  /** Whether any byte of an answer has come: then the server has begun to work on the request. */
  isStarted = false;
  /** Whether the body is chunked. */
  isChunked = false;
  /** Bytes of the body, as they were sent. */
  received = 0;
  /** Called once, when the connection can serve the next request or has failed. */
  onEnd: (() => void) | null = null;
  #payload: StreamReader | null = null;
  readonly #params: ResponseParams;
  #wire: Wire | null = null;
  /** Lets the engine go on that was told to wait. */
  #resume: (() => void) | null = null;
  #isHeld = false;
  /** Whether the engine has been told so. */
  #isPaused = false;
  #decompressor: Decompressor | null = null;
  /** Who wants the sender to wait: the reader of the payload, the decompressor. */
  #isReaderFull = false;
  #isDecompressorFull = false;
  #readTimer: TimerHandle | null = null;
  /** When too much time will have passed since the last byte; null while nothing is waited for. */
  #deadline: number | null = null;
  #isOver = false;
  #head: ResponseHead | null = null;
  /** Bytes of the body, decompressed. */
  #size = 0;

  constructor(params: ResponseParams) {
    this.#params = params;
    this.head = params.loop.createFuture<ResponseHead>();
  }

  /** The body; made when there is one, since a request may be open for long before. */
  get payload(): StreamReader {
    const { loop, timer, readBufsize } = this.#params;
    this.#payload ??= new StreamReader(loop, this, timer, readBufsize);
    return this.#payload;
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
    if (!this.#isOver && !this.#isHeld) this.#awaitData();
  }

  onResponseStarted(): void {
    this.isStarted = true;
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    if (this.#isOver) return true;
    this.#awaitData();
    // What a server says before its answer proper (early hints) is of no use here.
    if (status < 200 && status !== 101) return true;
    this.#resume = resume;
    this.#setHead(status, reason, rawHeaders, null);
    return !this.#mustPause();
  }

  onUpgrade(status: number, rawHeaders: Buffer[], socket: Duplex): void {
    if (this.#isOver) {
      socket.destroy();
      return;
    }
    this.#isOver = true;
    this.#forgetTimer();
    this.#setHead(status, this.#wire?.reason ?? '', rawHeaders, socket);
    this.payload.feedEof();
  }

  #setHead(status: number, reason: string, rawHeaders: Buffer[], upgraded: Duplex | null): void {
    const { version } = this.#wire as Wire;
    const head = new ResponseHead(status, reason, version, rawHeaders, upgraded);
    const error = this.#examine(head);
    if (error !== null) {
      this.fail(error);
      this.#wire?.destroy(error);
      return;
    }
    this.#head = head;
    if (!this.head.done()) this.head.setResult(head);
  }

  /** Look for the few headers that matter here. Returns what must not be. */
  #examine(head: ResponseHead): Error | null {
    const wrong = head.findNul();
    if (wrong !== null) return new InvalidHeader(wrong);
    const transferEncodings = head.getall('transfer-encoding').filter((value) => CHUNKED.test(value));
    if (transferEncodings.length > 1)
      return new BadHttpMessage("Duplicate 'Transfer-Encoding' header found.");
    this.isChunked = transferEncodings.length === 1;
    if (head.upgraded !== null) return null;
    // Two of them are a chain, too.
    const encodings = this.#params.autoDecompress ? head.getall('content-encoding') : [];
    if (encodings.length > 0) {
      const encoding = encodings.join(', ').trim().toLowerCase();
      if (isDecodable(encoding)) this.#decompressor = this.#decompress(encoding);
    }
    // A 101 that leads nowhere is an answer without body, too, and the end of the connection.
    if (head.status === 101 || (!this.#params.readUntilEof && !this.#isFramed(head))) this.#endWithoutBody();
    return null;
  }

  #isFramed({ status, headers }: ResponseHead): boolean {
    return this.isChunked || status === 204 || status === 304 || headers.has('content-length');
  }

  #endWithoutBody(): void {
    this.isComplete = true;
    this.payload.feedEof();
    this.#finish();
    this.#wire?.destroy(new ClientConnectionError('Connection closed'));
  }

  onData(chunk: Buffer): boolean {
    if (this.#isOver) return true;
    this.#awaitData();
    this.received += chunk.length;
    if (this.#decompressor === null) {
      this.#feed(chunk);
    } else if (!this.#decompressor.write(chunk)) {
      this.#isDecompressorFull = true;
      this.#hold();
    }
    return !this.#mustPause();
  }

  #feed(chunk: Buffer): void {
    const { maxBodySize } = this.#params;
    this.#size += chunk.length;
    if (typeof maxBodySize === 'number' && this.#size > maxBodySize) {
      const error = new ClientPayloadError(`Response body is larger than maxBodySize (${maxBodySize} bytes)`);
      // What came in completely is decompressed later: by then the connection may be another request's.
      const wire = this.#isOver ? null : this.#wire;
      this.#stop(error);
      wire?.destroy(error);
      return;
    }
    this.payload.feedData(chunk);
  }

  onChunkEnd(): void {
    if (!this.#isOver && this.#decompressor === null) this.payload.endHttpChunk();
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
    if (error instanceof ClientError) return error;
    const what = isBadMessage(error) ? new TransferEncodingError(error.message) : this.#missing();
    // What closed the connection is worth a word, unless that was its regular end.
    const code = codeOf(error);
    const isRegular = code === '' || code.startsWith('UND_ERR_') || isBadMessage(error);
    const reason = isRegular ? '' : `. ${error.message}`;
    return new ClientPayloadError(`Response payload is not completed: ${what}${reason}`, { cause: error });
  }

  #missing(): BadHttpMessage {
    const length = this.#head?.headers.get('content-length') ?? null;
    return length === null
      ? new TransferEncodingError('Not enough data to satisfy transfer length header.')
      : new ContentLengthError(
          `Not enough data to satisfy content length header (received ${this.received} of ${length} bytes).`,
        );
  }

  /** End it with an error for whoever waits. What is complete stays so. */
  fail(error: Error): void {
    if (!this.isComplete) this.#stop(error);
  }

  #stop(error: Error): void {
    if (!this.head.done()) {
      this.head.setException(error);
      // Nobody may be waiting any more, and that is no news.
      this.head.exception();
    }
    // Without a head nobody will ask for it.
    if (this.#head !== null) this.payload.setException(error);
    this.#decompressor?.destroy();
    if (!this.#isOver) this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.#forgetTimer();
    this.onEnd?.();
    this.onEnd = null;
  }

  begin(): void {
    this.#decompressor?.start();
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
    this.#deadline = null;
    this.#isHeld = true;
  }

  #letGo(): void {
    if (this.#isOver || (this.#decompressor === null ? this.#isReaderFull : this.#isDecompressorFull)) return;
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#awaitData();
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#resume?.();
  }

  #mustPause(): boolean {
    if (this.#isHeld) this.#isPaused = true;
    return this.#isHeld;
  }

  #decompress(encoding: string): Decompressor {
    return new Decompressor(encoding, {
      data: (chunk) => this.#feed(chunk),
      end: () => this.payload.feedEof(),
      fail: (error) => {
        // As Python prints it.
        const text = `400, message:\n  ${error.message}`;
        this.payload.setException(new ClientPayloadError(text, { cause: error }));
      },
      drained: () => {
        this.#isDecompressorFull = false;
        this.#letGo();
      },
    });
  }

  /** The time for the next byte begins now. */
  #awaitData(): void {
    const { loop, sockRead } = this.#params;
    if (sockRead === null || sockRead <= 0 || loop.isClosed()) return;
    this.#deadline = loop.time() + sockRead;
    this.#readTimer ??= loop.callAt(this.#deadline, () => this.#onReadTimer());
  }

  // One timer for all pieces: it looks when the last one came, and waits for the rest of its time.
  #onReadTimer(): void {
    const { loop } = this.#params;
    this.#readTimer = null;
    if (this.#deadline === null) return;
    if (loop.time() < this.#deadline) {
      this.#readTimer = loop.callAt(this.#deadline, () => this.#onReadTimer());
      return;
    }
    const error = new SocketTimeoutError('Timeout on reading data from socket');
    this.fail(error);
    this.#wire?.destroy(error);
  }

  #forgetTimer(): void {
    this.#deadline = null;
    this.#readTimer?.cancel();
    this.#readTimer = null;
  }
}

/** The last of the codings of a body. */
const CHUNKED = /(^|,)\s*chunked\s*$/i;

const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? '';
const isBadMessage = (error: Error): boolean =>
  error instanceof BadHttpMessage || error.name === 'HTTPParserError';

/** Codes of undici for requests that it does not send. */
const REFUSED = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED']);
/** Codes of the engines for bodies of another length than was announced. */
const MISMATCH = new Set(['ERR_HTTP_CONTENT_LENGTH_MISMATCH', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH']);

/** Why no answer came. */
function headError(error: Error): Error {
  const code = codeOf(error);
  if (error instanceof ClientError || error instanceof BadHttpMessage) return error;
  if (isBadMessage(error)) return new BadHttpMessage(error.message, { cause: error });
  if (MISMATCH.has(code)) return new ClientConnectionError(error.message, { cause: error });
  if (REFUSED.has(code)) {
    return new RangeError(error.message, { cause: error });
  }
  if (code === '' || code.startsWith('UND_ERR_')) {
    return new ServerDisconnectedError(undefined, { cause: error });
  }
  return new ClientOSError(error);
}
