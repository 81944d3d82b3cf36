/** The body of a response as a stream. Counterpart: `aiohttp/streams.py`. */
import type { ReadableStream } from 'node:stream/web';
import type { BaseEventLoop } from '../core/base-events.ts';
import { methodCoroutine } from '../core/coroutines.ts';
import { IncompleteReadError, LimitOverrunError, RuntimeError } from '../core/exceptions.ts';
import type { Future } from '../core/futures.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { ByteBuffer, EMPTY } from '../io/byte-buffer.ts';
import { type BodyIterator, iterate } from './body-iterator.ts';
import type { RequestTimer } from './client-timeout.ts';
import { ClientConnectionError } from './exceptions.ts';
import { LineTooLong } from './http-exceptions.ts';

/** The sender, who can be asked to wait. */
export interface FlowControl {
  /** Bytes that have come, before they were decompressed. */
  readonly received: number;
  /** Somebody begins to read. */
  begin(): void;
  pause(): void;
  resume(): void;
  /** Nobody will read what is left. */
  drop(): void;
}

/** A piece of a body, and whether the server's chunk ends with it. */
export type HttpChunk = [data: Buffer, endOfHttpChunk: boolean];

/**
 * The bytes of a body, while they come. When twice `limit` bytes are waiting to be read, the sender is held up until
 * fewer than `limit` are; who asks for more at once moves the limit. One reads at a time.
 *
 * `for await` gives the lines, each with its newline. A loop that is left early has lost nothing: what it did not give
 * can still be read.
 *
 * All that read throw ClientPayloadError if the body is broken, TimeoutError if the request's time is over,
 * SocketTimeoutError if nothing has come for too long, and ClientConnectionError once the response was released; what had
 * come in by then is lost.
 *
 * Source: aiohttp 3.14 `aiohttp.StreamReader`.
 */
export class StreamReader implements AsyncIterable<Buffer> {
  readonly #loop: BaseEventLoop;
  readonly #flow: FlowControl;
  readonly #timer: RequestTimer;
  #lowWater: number;
  readonly #buffer: ByteBuffer = new ByteBuffer();
  #isEof = false;
  #isPaused = false;
  #isReleased = false;
  /** Somebody reads all: nobody else has to be woken before the end, and the sender never waits. */
  #isCollecting = false;
  #error: Error | null = null;
  #waiter: Future<void> | null = null;
  #eofWaiter: Future<void> | null = null;
  /** Bytes that have come in. */
  #fed = 0;
  /** After how many of them the server's chunks end, as far as they are not read. */
  #chunkEnds: number[] = [];

  /** @internal */
  constructor(loop: BaseEventLoop, flow: FlowControl, timer: RequestTimer, limit: number) {
    this.#loop = loop;
    this.#flow = flow;
    this.#timer = timer;
    this.#lowWater = limit;
  }

  /** How many bytes have come, before they were decompressed. Source: aiohttp 3.14 `StreamReader.total_raw_bytes`. */
  get totalRawBytes(): number {
    return this.#flow.received;
  }

  /** The error that the body ended with, or null. */
  exception(): Error | null {
    return this.#error;
  }

  /** Whether the end has come in; bytes may be left to read. */
  isEof(): boolean {
    return this.#isEof;
  }

  /** Whether the end has come in and nothing is left to read. */
  atEof(): boolean {
    return this.#isEof && this.#buffer.length === 0;
  }

  /** @internal */
  feedData(chunk: Buffer): void {
    if (chunk.length === 0 || this.#isEof || this.#error !== null || this.#isReleased) return;
    this.#buffer.push(chunk);
    this.#fed += chunk.length;
    if (this.#isCollecting) return;
    if (this.#waiter !== null) this.#wake();
    this.#maybePause();
  }

  /** @internal */
  endHttpChunk(): void {
    const ends = this.#chunkEnds;
    // Compressed bytes may have made none yet.
    if (this.#isReleased || this.#fed === (ends.at(-1) ?? 0)) return;
    ends.push(this.#fed);
    if (this.#isCollecting) return;
    if (this.#waiter !== null) this.#wake();
    this.#maybePause();
  }

  /** @internal */
  feedEof(): void {
    this.#isEof = true;
    this.#wake();
    this.#wakeAtEof();
  }

  /** @internal The first error counts; what has come in before it is lost, as in aiohttp. */
  setException(error: Error): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#clear();
  }

  /** @internal The response was released: what is left is not to be read any more. */
  _release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#flow.drop();
    this.#clear();
  }

  #clear(): void {
    this.#buffer.clear();
    this.#chunkEnds = [];
    this.#wake();
    this.#wakeAtEof();
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null && !waiter.done()) waiter.setResult();
  }

  #wakeAtEof(): void {
    const waiter = this.#eofWaiter;
    this.#eofWaiter = null;
    if (waiter !== null && !waiter.done()) waiter.setResult();
  }

  // The ends of chunks take memory, too, and there may be as many as bytes.
  get #mostEnds(): number {
    return Math.max(4, this.#lowWater >> 4);
  }

  #maybePause(): void {
    if (this.#isPaused) return;
    if (this.#buffer.length <= 2 * this.#lowWater && this.#chunkEnds.length <= this.#mostEnds) return;
    this.#isPaused = true;
    this.#flow.pause();
  }

  #maybeResume(): void {
    if (!this.#isPaused) return;
    if (!this.#isCollecting) {
      const isLow = this.#buffer.length < this.#lowWater && this.#chunkEnds.length < this.#mostEnds / 2;
      if (!isLow) return;
    }
    this.#isPaused = false;
    this.#flow.resume();
  }

  /**
   * Read up to `n` bytes, or all up to the end.
   *
   * @param n - -1, the default: up to the end. Otherwise at most so many, as soon as there is one.
   * @returns the bytes; none at the end.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `StreamReader.read`.
   */
  read(n = -1): Coroutine<Buffer> {
    return read(this, n);
  }

  /**
   * Read what is there, at least one byte; nothing at the end.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `StreamReader.readany`.
   */
  readany(): Coroutine<Buffer> {
    return readany(this);
  }

  /**
   * Read `n` bytes.
   *
   * @throws IncompleteReadError if the body ends before, with what there was as `partial`.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `StreamReader.readexactly`.
   */
  readexactly(n: number): Coroutine<Buffer> {
    return readexactly(this, n);
  }

  /**
   * Read a line, with its newline; the last one may have none, and at the end there is nothing.
   *
   * @param options.maxLineLength - how long it may be. Default twice the limit of the stream.
   * @throws LimitOverrunError for a longer one, whose beginning is lost.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `StreamReader.readline`.
   */
  readline(options: { maxLineLength?: number | null | undefined } = {}): Coroutine<Buffer> {
    return readuntil(this, NEWLINE, options.maxLineLength ?? null);
  }

  /**
   * Read up to a separator, and that with it, or up to the end.
   *
   * @param separator - bytes, or text as UTF-8. Default a newline.
   * @param options.maxSize - how many bytes it may be. Default twice the limit of the stream.
   * @throws RangeError for an empty separator; LimitOverrunError if more has come without one, which is lost then.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `StreamReader.readuntil`.
   */
  readuntil(
    separator: Uint8Array | string = NEWLINE,
    options: { maxSize?: number | null | undefined } = {},
  ): Coroutine<Buffer> {
    const bytes = typeof separator === 'string' ? Buffer.from(separator) : separator;
    return readuntil(this, bytes, options.maxSize ?? null);
  }

  /**
   * Read a piece of what the server sent as one chunk.
   *
   * @returns the bytes, and whether the chunk ends with them; that may be told only later, with no bytes. No bytes and
   *   false: the end of the body. A body that is not chunked, or that is decompressed, has no ends of chunks.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `StreamReader.readchunk`.
   */
  readchunk(): Coroutine<HttpChunk> {
    return readchunk(this);
  }

  /**
   * Give what is there, at most `n` bytes; -1, the default, for all.
   *
   * @throws RuntimeError while somebody waits for data.
   *
   * Source: aiohttp 3.14 `StreamReader.read_nowait`.
   */
  readNowait(n = -1): Buffer {
    this.#check();
    if (this.#waiter !== null) {
      throw new RuntimeError('Called while some coroutine is waiting for incoming data.');
    }
    this.#flow.begin();
    return this.#take(n < 0 ? Number.POSITIVE_INFINITY : n);
  }

  /**
   * Put bytes back, to be read again.
   *
   * @deprecated As in aiohttp, where it will be removed.
   *
   * Source: aiohttp 3.14 `StreamReader.unread_data`.
   */
  unreadData(data: Uint8Array): void {
    if (data.length === 0) return;
    const before = new ByteBuffer();
    // A copy: what is in the buffer may be freed.
    before.push(Buffer.from(data));
    this.#buffer.putBack(before);
    this.#wake();
  }

  /**
   * Wait for the end. What comes before it has to be read meanwhile, unless it is little.
   *
   * @throws the error that the body ends with.
   *
   * Source: aiohttp 3.14 `StreamReader.wait_eof`.
   */
  waitEof(): Coroutine<void> {
    return waitEof(this);
  }

  /** The body in pieces as they come. Source: aiohttp 3.14 `StreamReader.iter_any`. */
  iterAny(): BodyIterator<Buffer> {
    return iterate(() => this.readany(), isEmpty);
  }

  /** The body in pieces of at most `n` bytes. Source: aiohttp 3.14 `StreamReader.iter_chunked`. */
  iterChunked(n: number): BodyIterator<Buffer> {
    return iterate(() => this.read(n), isEmpty);
  }

  /** The body in pieces as `readchunk` gives them. Source: aiohttp 3.14 `StreamReader.iter_chunks`. */
  iterChunks(): BodyIterator<HttpChunk> {
    return iterate(
      () => this.readchunk(),
      ([data, isEnd]) => data.length === 0 && !isEnd,
    );
  }

  /** The lines. */
  [Symbol.asyncIterator](): BodyIterator<Buffer> {
    return iterate(() => this.readline(), isEmpty);
  }

  /**
   * @internal As a stream of the web, which reads when it is read from. Each read is a task of its own.
   *
   * @param onCancel - nobody wants the rest.
   */
  _toWeb(onCancel: () => void): ReadableStream<Uint8Array> {
    const source = {
      pull: async (controller: { enqueue(data: Uint8Array): void; close(): void }): Promise<void> => {
        const data = await this.#loop.createTask(this.readany()).toPromise();
        if (data.length === 0) controller.close();
        else controller.enqueue(data);
      },
      cancel: onCancel,
    };
    return new ReadableStreamOfHost(source, { highWaterMark: 0 });
  }

  /** @internal */
  *_read(n: number): Gen<Buffer> {
    this.#check();
    if (n === 0) return EMPTY;
    if (n < 0) return yield* this.#readAll();
    if (n > this.#lowWater && n !== Number.POSITIVE_INFINITY) this.#lowWater = n;
    while (this.#buffer.length === 0 && !this.#isEof) yield* this.#wait('read');
    return this.#take(n);
  }

  *#readAll(): Gen<Buffer> {
    while (!this.#isEof) {
      this.#isCollecting = true;
      this.#maybeResume();
      try {
        // It may come to the end at once.
        if (!this.#isEof) yield* this.#wait('read');
      } finally {
        this.#isCollecting = false;
      }
    }
    return this.#take(Number.POSITIVE_INFINITY);
  }

  /** @internal */
  *_readexactly(n: number): Gen<Buffer> {
    this.#check();
    if (n <= 0) return EMPTY;
    if (n > this.#lowWater) this.#lowWater = n;
    while (this.#buffer.length < n && !this.#isEof) {
      this.#maybeResume();
      if (!this.#isEof) yield* this.#wait('readexactly');
    }
    if (this.#buffer.length >= n) return this.#take(n);
    throw new IncompleteReadError(this.#take(Number.POSITIVE_INFINITY), n);
  }

  /** @internal */
  *_readuntil(separator: Uint8Array, maxSize: number | null): Gen<Buffer> {
    if (separator.length === 0) throw new RangeError('Separator should be at least one-byte string');
    this.#check();
    const buffer = this.#buffer;
    const most = maxSize || 2 * this.#lowWater;
    if (most > 2 * this.#lowWater) this.#lowWater = most;
    for (let scanned = 0; ; ) {
      const found = buffer.indexOf(separator, scanned);
      const size = found < 0 ? buffer.length : found + separator.length;
      if (size > most) throw this.#tooLong(size, most);
      if (found >= 0 || this.#isEof) return this.#take(size);
      // The separator may have begun.
      const seen = Math.max(0, buffer.length + 1 - separator.length);
      const { taken } = buffer;
      yield* this.#wait('readuntil');
      scanned = buffer.taken === taken ? seen : 0;
    }
  }

  #tooLong(size: number, limit: number): LimitOverrunError {
    const { message } = new LineTooLong(this.#take(size), limit);
    return new LimitOverrunError(`400, message: ${message}`, 0);
  }

  /** @internal */
  *_readchunk(): Gen<HttpChunk> {
    for (;;) {
      this.#check();
      const here = this.#fed - this.#buffer.length;
      const end = this.#chunkEnds.shift();
      if (end !== undefined) return [this.#take(end - here), true];
      if (this.#buffer.length > 0) return [this.#take(this.#buffer.firstSize), false];
      if (this.#isEof) return [EMPTY, false];
      yield* this.#wait('readchunk');
    }
  }

  /** @internal */
  *_waitEof(): Gen<void> {
    this.#flow.begin();
    if (!this.#isEof && this.#error === null && !this.#isReleased) {
      if (this.#eofWaiter !== null) throw busy('waitEof');
      const waiter = this.#loop.createFuture<void>();
      this.#eofWaiter = waiter;
      try {
        yield* this.#timer.wait(waiter);
      } finally {
        if (this.#eofWaiter === waiter) this.#eofWaiter = null;
      }
    }
    if (!this.#isEof) this.#check();
    else if (this.#error !== null) throw this.#error;
  }

  #check(): void {
    if (this.#error !== null) throw this.#error;
    if (this.#isReleased) throw new ClientConnectionError('Connection closed');
  }

  /** Wait for bytes, or the end of them or of a chunk. */
  *#wait(name: string): Gen<void> {
    if (this.#waiter !== null) throw busy(name);
    this.#flow.begin();
    // Little that was compressed is all there at once.
    if (!this.#isEof && this.#error === null) {
      const waiter = this.#loop.createFuture<void>();
      this.#waiter = waiter;
      try {
        yield* this.#timer.wait(waiter);
      } finally {
        if (this.#waiter === waiter) this.#waiter = null;
      }
    }
    this.#check();
  }

  #take(n: number): Buffer {
    const buffer = this.#buffer;
    const count = Math.min(n, buffer.length);
    const data = count === buffer.length ? buffer.drain() : buffer.take(count);
    const ends = this.#chunkEnds;
    if (ends.length > 0) {
      const here = this.#fed - buffer.length;
      const left = ends.findIndex((end) => end >= here);
      if (left !== 0) ends.splice(0, left < 0 ? ends.length : left);
    }
    this.#maybeResume();
    return data;
  }

  toString(): string {
    const parts = ['StreamReader'];
    if (this.#buffer.length > 0) parts.push(`${this.#buffer.length} bytes`);
    if (this.#isEof) parts.push('eof');
    if (this.#waiter !== null) parts.push(`w=${this.#waiter}`);
    if (this.#error !== null) parts.push(`e=${this.#error}`);
    return `<${parts.join(' ')}>`;
  }
}

const { ReadableStream: ReadableStreamOfHost } = globalThis as unknown as {
  ReadableStream: typeof ReadableStream;
};

const NEWLINE: Buffer = Buffer.from('\n');

const isEmpty = (data: Buffer): boolean => data.length === 0;

const busy = (name: string): RuntimeError =>
  new RuntimeError(`${name}() called while another coroutine is already waiting for incoming data`);

const read = /* @__PURE__ */ methodCoroutine(
  'StreamReader.read',
  function* (stream: StreamReader, n: number): Gen<Buffer> {
    return yield* stream._read(n);
  },
);

const readany = /* @__PURE__ */ methodCoroutine(
  'StreamReader.readany',
  function* (stream: StreamReader): Gen<Buffer> {
    return yield* stream._read(Number.POSITIVE_INFINITY);
  },
);

const readexactly = /* @__PURE__ */ methodCoroutine(
  'StreamReader.readexactly',
  function* (stream: StreamReader, n: number): Gen<Buffer> {
    return yield* stream._readexactly(n);
  },
);

const readuntil = /* @__PURE__ */ methodCoroutine(
  'StreamReader.readuntil',
  function* (stream: StreamReader, separator: Uint8Array, maxSize: number | null): Gen<Buffer> {
    return yield* stream._readuntil(separator, maxSize);
  },
);

const readchunk = /* @__PURE__ */ methodCoroutine(
  'StreamReader.readchunk',
  function* (stream: StreamReader): Gen<HttpChunk> {
    return yield* stream._readchunk();
  },
);

const waitEof = /* @__PURE__ */ methodCoroutine(
  'StreamReader.waitEof',
  function* (stream: StreamReader): Gen<void> {
    yield* stream._waitEof();
  },
);

/** The body of a response that has none. */
class EmptyStreamReader extends StreamReader {
  constructor() {
    super(NOBODY, NO_FLOW, NOBODY, 0);
    this.feedEof();
  }

  override setException(): void {}
  override _release(): void {}

  override toString(): string {
    return '<EmptyStreamReader>';
  }
}

/** No bytes are waited for, and nothing is held up. */
const NOBODY = null as never;
const NO_FLOW: FlowControl = { received: 0, begin() {}, pause() {}, resume() {}, drop() {} };

/** An empty body. Source: aiohttp 3.14 `aiohttp.EMPTY_PAYLOAD`. */
export const EMPTY_PAYLOAD: StreamReader = new EmptyStreamReader();
