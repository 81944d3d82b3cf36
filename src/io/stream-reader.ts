/** Reading from a connection. Counterpart: `StreamReader` of `asyncio/streams.py`. */
import type { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { BaseEventLoop } from '../core/base-events.ts';
import { tracked } from '../core/coroutines.ts';
import { type AbstractEventLoop, getEventLoop } from '../core/events.ts';
import {
  AssertionError,
  IncompleteReadError,
  LimitOverrunError,
  NotImplementedError,
  RuntimeError,
} from '../core/exceptions.ts';
import { repr, reprError, typeName } from '../core/format-helpers.ts';
import type { Coroutine } from '../core/types.ts';
import { type Gate, LineWaiter, Passage, WaiterLine } from '../core/waiter-line.ts';
import { asBuffer, ByteBuffer, EMPTY } from './byte-buffer.ts';
import { fetchFrom, readerToNode, readerToWeb } from './stream-interop.ts';
import type { ReadTransport } from './transports.ts';

/** The default limit of a reader, in bytes: of a line, and half of what it buffers. CPython's value. */
export const DEFAULT_LIMIT: number = 64 * 1024;

/** The option of streams, beside those of the connection. */
export interface StreamOptions {
  /** How long a line may be, in bytes; twice as much is buffered before the peer has to wait. Default 64 KiB. */
  limit?: number;
}

const NEWLINE = 10;

/** What ends a `readuntil`: bytes, or a string, which stands for its UTF-8. */
export type Separator = Uint8Array | string;

/** Where in a connection's bytes a `readuntil` looks. */
interface Search {
  readonly separator: Separator | readonly Separator[];
  /** The separators, shortest first; null before the search has begun. */
  separators: Buffer[] | null;
  /** Up to here nothing was found. Counted from the beginning of the stream, as `ByteBuffer.taken`. */
  scanned: number;
}

// Separators are written as literals: each is encoded once.
const encoded = new Map<string, Buffer>();
const MAX_ENCODED = 64;

function encode(separator: string): Buffer {
  let bytes = encoded.get(separator);
  if (bytes === undefined) {
    bytes = Buffer.from(separator);
    if (encoded.size < MAX_ENCODED) encoded.set(separator, bytes);
  }
  return bytes;
}

function toSeparators(given: Separator | readonly Separator[]): Buffer[] {
  const list = typeof given === 'string' || given instanceof Uint8Array ? [given] : [...given];
  const separators = list.map((separator) => {
    if (typeof separator === 'string') return encode(separator);
    if (separator instanceof Uint8Array) return asBuffer(separator);
    throw new TypeError(`a separator must be a Uint8Array or a string, got ${repr(separator)}`);
  });
  // The shortest match wins, so the shortest separator is looked for first.
  separators.sort((a, b) => a.length - b.length);
  const [shortest] = separators;
  if (shortest === undefined) throw new RangeError('Separator should contain at least one element');
  if (shortest.length === 0) throw new RangeError('Separator should be at least one-byte string');
  return separators;
}

/** One of the operations of a reader. It goes through when its bytes are there. */
abstract class ReadGate<T, A> implements Gate<T, A> {
  protected readonly reader: StreamReader;
  abstract readonly _operation: string;

  constructor(reader: StreamReader) {
    this.reader = reader;
  }

  abstract _attempt(woken: LineWaiter | null, argument: A): T | LineWaiter;

  /** Every attempt begins so. An error that came while it waited does not hide bytes that came before. */
  protected begin(woken: LineWaiter | null): void {
    const { reader } = this;
    if (woken !== null) reader._line.leave(woken);
    else if (reader._exception !== null) throw reader._exception;
  }

  _giveUp(waiter: LineWaiter): void {
    this.reader._line.leave(waiter);
  }
}

class SomeGate extends ReadGate<Buffer, number> {
  get _operation(): string {
    return 'StreamReader.read';
  }

  _attempt(woken: LineWaiter | null, n: number): Buffer | LineWaiter {
    this.begin(woken);
    if (n === 0) return EMPTY;
    const { reader } = this;
    const buffer = reader._buffer;
    if (buffer.length === 0) return reader._eof ? EMPTY : reader._waitForData('read');
    const data = buffer.take(Math.min(n, buffer.length));
    reader._maybeResume();
    return data;
  }
}

/** A `read` to the end. What it has collected goes back if it is cancelled. */
class AllGate extends ReadGate<Buffer, void> {
  // Aside, since the transport would be paused if the reader's own buffer grew.
  readonly #collected = new ByteBuffer();

  get _operation(): string {
    return 'StreamReader.read';
  }

  _attempt(woken: LineWaiter | null): Buffer | LineWaiter {
    this.begin(woken);
    const { reader } = this;
    reader._buffer.moveTo(this.#collected);
    reader._maybeResume();
    if (reader._eof && reader._exception === null) return this.#collected.takeAll();
    try {
      return reader._waitForData('read');
    } catch (error) {
      reader._putBack(this.#collected);
      throw error;
    }
  }

  override _giveUp(waiter: LineWaiter): void {
    super._giveUp(waiter);
    this.reader._putBack(this.#collected);
  }
}

class ExactGate extends ReadGate<Buffer, number> {
  get _operation(): string {
    return 'StreamReader.readexactly';
  }

  _attempt(woken: LineWaiter | null, n: number): Buffer | LineWaiter {
    if (n < 0) throw new RangeError('readexactly size can not be less than zero');
    this.begin(woken);
    if (n === 0) return EMPTY;
    const { reader } = this;
    const buffer = reader._buffer;
    if (buffer.length >= n) {
      const data = buffer.take(n);
      reader._maybeResume();
      return data;
    }
    if (reader._eof) throw new IncompleteReadError(buffer.takeAll(), n);
    return reader._waitForData('readexactly');
  }
}

class LineGate extends ReadGate<Buffer, void> {
  /** Up to here there is no newline: one line is waited for by many reads if they have deadlines. */
  #scanned = 0;

  get _operation(): string {
    return 'StreamReader.readline';
  }

  _attempt(woken: LineWaiter | null): Buffer | LineWaiter {
    this.begin(woken);
    const { reader } = this;
    const buffer = reader._buffer;
    const end = buffer.indexOf(NEWLINE, Math.max(0, this.#scanned - buffer.taken));
    if (end > reader._limit) {
      buffer.skip(end + 1);
      throw this.overrun('Separator is found, but chunk is longer than limit', end);
    }
    if (end !== -1) {
      const line = buffer.take(end + 1);
      reader._maybeResume();
      return line;
    }
    const { length } = buffer;
    if (length > reader._limit) {
      buffer.clear();
      throw this.overrun('Separator is not found, and chunk exceed the limit', length);
    }
    this.#scanned = buffer.taken + length;
    if (reader._eof) return buffer.takeAll();
    return reader._waitForData('readuntil');
  }

  private overrun(text: string, consumed: number): RangeError {
    const { reader } = this;
    reader._maybeResume();
    return new RangeError(
      `${text} of ${reader._limit} bytes: pass { limit } to openConnection() or startServer() for longer lines`,
      { cause: new LimitOverrunError(text, consumed) },
    );
  }
}

class UntilGate extends ReadGate<Buffer, Search> {
  get _operation(): string {
    return 'StreamReader.readuntil';
  }

  _attempt(woken: LineWaiter | null, search: Search): Buffer | LineWaiter {
    if (search.separators === null) search.separators = toSeparators(search.separator);
    this.begin(woken);
    const { separators } = search;
    const { reader } = this;
    const buffer = reader._buffer;
    const from = Math.max(0, search.scanned - buffer.taken);
    let start = 0;
    let end = -1;
    for (const separator of separators) {
      // What ends first wins; at the same place, the shorter one.
      const found = buffer.indexOf(separator, from, end === -1 ? buffer.length : end - 1);
      if (found === -1) continue;
      start = found;
      end = found + separator.length;
    }
    if (end !== -1) {
      if (start > reader._limit) {
        throw new LimitOverrunError('Separator is found, but chunk is longer than limit', start);
      }
      const data = buffer.take(end);
      reader._maybeResume();
      return data;
    }
    // The longest separator may have begun.
    const longest = (separators.at(-1) as Buffer).length;
    const scanned = Math.max(0, buffer.length + 1 - longest);
    if (scanned > reader._limit) {
      throw new LimitOverrunError('Separator is not found, and chunk exceed the limit', scanned);
    }
    search.scanned = buffer.taken + scanned;
    if (reader._eof) throw new IncompleteReadError(buffer.takeAll(), null);
    return reader._waitForData('readuntil');
  }
}

/** The lines of `for await`. */
class NextGate extends ReadGate<IteratorResult<Buffer, undefined>, void> {
  readonly #lines: LineGate;

  constructor(reader: StreamReader, lines: LineGate) {
    super(reader);
    this.#lines = lines;
  }

  get _operation(): string {
    return 'StreamReaderIterator.next';
  }

  _attempt(woken: LineWaiter | null): IteratorResult<Buffer, undefined> | LineWaiter {
    const line = this.#lines._attempt(woken);
    if (line instanceof LineWaiter) return line;
    return line.length === 0 ? { done: true, value: undefined } : { done: false, value: line };
  }
}

/** A size in bytes as Python would take it: a number without a fraction. */
function checkSize(n: unknown): number {
  if (Number.isInteger(n) || n === Number.POSITIVE_INFINITY) return n as number;
  throw new TypeError(`a number of bytes was expected, got ${repr(n)}`);
}

/** @throws TypeError or RangeError for what is no limit of a reader. */
export function checkLimit(limit: unknown): number {
  if (typeof limit !== 'number' || Number.isNaN(limit))
    throw new TypeError(`limit must be a number of bytes, got ${repr(limit)}`);
  if (limit <= 0) throw new RangeError('Limit cannot be <= 0');
  return limit;
}

/**
 * Reads what a connection sends, as it comes: bytes, lines, messages. Async iterable by lines:
 *
 * ```ts
 * for await (const line of reader) console.log(line.toString());
 * ```
 *
 * What is read may share its memory with what is read before and after it; the bytes are yours all the same. Keep a copy
 * (`Buffer.from(data)`) of a small part that is to live long: the part keeps the whole chunk alive.
 *
 * One task reads at a time.
 *
 * @param limit - how long a line may be, in bytes; twice as much is buffered before the peer has to wait. Default 64 KiB.
 * @param loop - default `getEventLoop()`.
 * @throws RangeError unless `limit` is more than 0.
 *
 * Source: CPython 3.14 `asyncio.StreamReader`.
 */
export class StreamReader implements AsyncIterable<Buffer> {
  /** @internal */ readonly _limit: number;
  /** @internal */ readonly _loop: BaseEventLoop;
  /** @internal */ readonly _buffer: ByteBuffer = new ByteBuffer();
  /** @internal Where the one operation stands that waits. */
  readonly _line: WaiterLine = new WaiterLine(this);
  /** @internal The end was fed. */ _eof = false;
  /** @internal */ _exception: Error | null = null;
  /** @internal Fetches data for whoever waits, if no transport feeds it. */
  _fetch: (() => void) | null = null;
  #transport: ReadTransport | null = null;
  #isPaused = false;
  readonly #some = new SomeGate(this);
  readonly #exact = new ExactGate(this);
  readonly #lines = new LineGate(this);
  readonly #until = new UntilGate(this);

  constructor(limit: number = DEFAULT_LIMIT, loop?: AbstractEventLoop | null) {
    this._limit = checkLimit(limit);
    this._loop = (loop ?? getEventLoop()) as BaseEventLoop;
  }

  /**
   * Read what is there, or wait for something. Does not suspend if there is something.
   *
   * @param n - at most so many bytes; less than 0, the default: everything up to the end.
   * @returns no bytes at the end, or if `n` is 0.
   * @throws the error that the connection ended with; RuntimeError if another task waits for data.
   *
   * Cancellation: no byte is lost, also of those that a read to the end has collected.
   *
   * Source: CPython 3.14 `asyncio.StreamReader.read`.
   */
  read(n = -1): Coroutine<Buffer> {
    if (checkSize(n) < 0) return tracked(new Passage(new AllGate(this), undefined));
    return tracked(new Passage(this.#some, n));
  }

  /**
   * Read a line, with its `\n`; at the end what is left, maybe nothing. Does not suspend if a line is there.
   *
   * @throws RangeError if the line is longer than the limit: it is dropped, or what is buffered if its end has not come
   *   yet. Else as `read`.
   *
   * Cancellation: no byte is lost.
   *
   * Source: CPython 3.14 `asyncio.StreamReader.readline`.
   */
  readline(): Coroutine<Buffer> {
    return tracked(new Passage(this.#lines, undefined));
  }

  /**
   * Read `n` bytes. Does not suspend if they are there. The limit does not count.
   *
   * @throws IncompleteReadError with what there was, if the end comes first; RangeError if `n` is less than 0. Else as
   *   `read`.
   *
   * Cancellation: no byte is lost.
   *
   * Source: CPython 3.14 `asyncio.StreamReader.readexactly`.
   */
  readexactly(n: number): Coroutine<Buffer> {
    return tracked(new Passage(this.#exact, checkSize(n)));
  }

  /**
   * Read up to a separator, and with it. Does not suspend if it is there.
   *
   * @param separator - bytes or a string; of several, the one that ends first. Default: a newline.
   * @throws LimitOverrunError if there are more bytes than the limit before it: they stay, and can be read otherwise;
   *   IncompleteReadError with what there was, if the end comes first; RangeError for an empty separator. Else as `read`.
   *
   * Cancellation: no byte is lost.
   *
   * Source: CPython 3.14 `asyncio.StreamReader.readuntil`.
   */
  readuntil(separator: Separator | readonly Separator[] = '\n'): Coroutine<Buffer> {
    return tracked(new Passage(this.#until, { separator, separators: null, scanned: 0 }));
  }

  /** Whether the end was fed and nothing is left to read. */
  atEof(): boolean {
    return this._eof && this._buffer.length === 0;
  }

  /** The error that the connection ended with, or null. */
  exception(): Error | null {
    return this._exception;
  }

  /** End the stream with an error, which every read throws from now on. For protocols. */
  setException(exc: Error): void {
    this._exception = exc;
    this._line.failAll(exc);
  }

  /** Say what is to be paused when too much is waiting to be read. For protocols; once. */
  setTransport(transport: ReadTransport): void {
    if (this.#transport !== null) throw new AssertionError('Transport already set');
    this.#transport = transport;
  }

  /** @internal The connection goes on by another transport, which reads. */
  _replaceTransport(transport: ReadTransport): void {
    this.#transport = transport;
    this.#isPaused = false;
  }

  /**
   * Append bytes, which belong to the reader from now on: they are not copied. For protocols.
   *
   * @throws AssertionError after `feedEof`.
   */
  feedData(data: Uint8Array): void {
    if (this._eof) throw new AssertionError('feedData after feedEof');
    if (!(data instanceof Uint8Array))
      throw new TypeError(`data argument must be a Uint8Array, not '${typeName(data)}'`);
    if (data.length === 0) return;
    this._buffer.push(asBuffer(data));
    this.#wake();
    if (this.#transport === null || this.#isPaused || this._buffer.length <= 2 * this._limit) return;
    try {
      this.#transport.pauseReading();
      this.#isPaused = true;
    } catch (error) {
      if (!(error instanceof NotImplementedError)) throw error;
      // It cannot be paused: everything is buffered, and it is not asked again.
      this.#transport = null;
    }
  }

  /** Say that no more bytes come. For protocols. */
  feedEof(): void {
    this._eof = true;
    this.#wake();
  }

  #wake(): void {
    if (this._line.first !== null) this._line.wakeAll();
  }

  /** @internal */
  _maybeResume(): void {
    if (!this.#isPaused || this._buffer.length > this._limit) return;
    this.#isPaused = false;
    (this.#transport as ReadTransport).resumeReading();
  }

  /** @internal Stand in line until something is fed. */
  _waitForData(name: string): LineWaiter {
    if (this._exception !== null) throw this._exception;
    if (this._line.first !== null) {
      throw new RuntimeError(`${name}() called while another coroutine is already waiting for incoming data`);
    }
    // To wait for data while it is paused would be to wait for ever: more than the limit may be wanted.
    if (this.#isPaused) {
      this.#isPaused = false;
      (this.#transport as ReadTransport).resumeReading();
    }
    this._fetch?.();
    return this._line.join(this._loop);
  }

  /** @internal Bytes that were taken out and not read after all. */
  _putBack(bytes: ByteBuffer): void {
    this._buffer.putBack(bytes);
    this.#wake();
  }

  /**
   * A reader of a web stream, of which a chunk is taken whenever a read has to wait.
   *
   * @param options.limit - as the constructor's.
   *
   * Not in CPython.
   */
  static fromWeb(readable: ReadableStream<Uint8Array | string>, options: StreamOptions = {}): StreamReader {
    const reader = new StreamReader(options.limit);
    fetchFrom(reader, readable[Symbol.asyncIterator]());
    return reader;
  }

  /**
   * A reader of a stream of Node, of which a chunk is taken whenever a read has to wait.
   *
   * @param options.limit - as the constructor's.
   *
   * Not in CPython.
   */
  static fromNode(readable: Readable, options: StreamOptions = {}): StreamReader {
    const reader = new StreamReader(options.limit);
    fetchFrom(reader, readable[Symbol.asyncIterator]());
    return reader;
  }

  /** A web stream of what is read from now on. To cancel it closes nothing. Not in CPython. */
  toWeb(): ReadableStream<Uint8Array> {
    return readerToWeb(this);
  }

  /** A stream of Node of what is read from now on. To destroy it closes nothing. Not in CPython. */
  toNode(): Readable {
    return readerToNode(this);
  }

  /** Lines until the end. Nothing is closed when the loop is left. */
  [Symbol.asyncIterator](): StreamReaderIterator {
    return new StreamReaderIterator(new NextGate(this, this.#lines));
  }

  /** @internal */
  _waitText(): string {
    return this.toString();
  }

  toString(): string {
    const parts = [this.constructor.name];
    if (this._buffer.length > 0) parts.push(`${this._buffer.length} bytes`);
    if (this._eof) parts.push('eof');
    if (this._limit !== DEFAULT_LIMIT) parts.push(`limit=${this._limit}`);
    if (this._line.first !== null) parts.push(`waiter=${this._line.first}`);
    if (this._exception !== null) parts.push(`exception=${reprError(this._exception)}`);
    if (this.#transport !== null) parts.push(`transport=${repr(this.#transport)}`);
    if (this.#isPaused) parts.push('paused');
    return `<${parts.join(' ')}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * The lines of a reader, for `for await`, or by `next()` also for `yield*`.
 *
 * Source: CPython 3.14 `asyncio.StreamReader.__anext__`.
 */
export class StreamReaderIterator implements AsyncIterableIterator<Buffer, undefined> {
  readonly #gate: Gate<IteratorResult<Buffer, undefined>, void>;

  /** @internal */
  constructor(gate: Gate<IteratorResult<Buffer, undefined>, void>) {
    this.#gate = gate;
  }

  /** The next line as `{ value, done }`; done at the end. */
  next(): Coroutine<IteratorResult<Buffer, undefined>> & Promise<IteratorResult<Buffer, undefined>> {
    return tracked(new Passage(this.#gate, undefined)) as unknown as ReturnType<StreamReaderIterator['next']>;
  }

  /** Itself, as the iterators of the language give. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}
