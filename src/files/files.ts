/** Files, read and written without blocking the loop. Counterpart: aiofiles' `threadpool`. */
import { fromPromise, methodCoroutine } from '../core/coroutines.ts';
import { requireLoop } from '../core/events.ts';
import { repr, typeName } from '../core/format-helpers.ts';
import { Lock } from '../core/locks.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { buffer, os } from '../io/builtins.ts';
import type { BufferedFile } from './buffered.ts';
import type { Codec } from './codecs.ts';
import type { Mode, TextOptions } from './modes.ts';

const LF = 10;
const CR = 13;

/** An operation of a file as a coroutine; of any kind of file (`any`): what one reads, another may not write. */
function operation<A extends unknown[], T>(
  name: string,
  work: (file: BaseFile<any>, ...args: A) => Gen<T>,
): (file: BaseFile<any>, ...args: A) => Coroutine<T> {
  return methodCoroutine(`File.${name}`, function* (file: BaseFile<any>, ...args: A): Gen<T> {
    return yield* file._exclusively(() => work(file, ...args));
  });
}

/**
 * What files of text and of bytes have in common. The operations of one file run one after the other, whoever calls
 * them.
 *
 * A cancelled operation ends its wait and takes nothing: what was read for it is there for the next one. What the
 * system has begun goes on, and `close` waits for it.
 */
export abstract class BaseFile<T extends string | Buffer> implements AsyncIterable<T> {
  /** The path that it was opened with. */
  readonly name: unknown;
  /** The mode that it was opened in. */
  readonly mode: string;
  /** @internal */ readonly _buffered: BufferedFile;
  /** @internal */ readonly _mode: Mode;
  readonly #lock = new Lock();
  #isClosing = false;
  #hasBegunClosing = false;
  #begin: (closing: Promise<void>) => void = () => {};
  readonly #closed: Promise<void>;

  /** @internal */
  constructor(name: unknown, mode: Mode, buffered: BufferedFile) {
    this.name = name;
    this.mode = mode.text;
    this._mode = mode;
    this._buffered = buffered;
    this.#closed = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  /** @internal Take so many bytes of the buffer. */
  abstract _take(size: number): T;
  /** @internal Where the line ends that begins in the buffer, searched from `from` on; -1 if it is not known yet. */
  abstract _lineEnd(from: number, isAtEnd: boolean): number;
  /** @internal The bytes of `data`. */
  abstract _encode(data: T): Uint8Array;
  /** @internal Read `size` bytes or characters. */
  abstract _read(size: number): Gen<T>;
  /** @internal Refuse places that cannot be gone to. */
  abstract _checkSeek(offset: number, whence: number): void;

  /** Whether it is closed, or about to be. */
  get closed(): boolean {
    return this.#isClosing;
  }

  /** Whether it can be read. */
  readable(): boolean {
    this._checkOpen();
    return this._mode.canRead;
  }

  /** Whether it can be written. */
  writable(): boolean {
    this._checkOpen();
    return this._mode.canWrite;
  }

  /** Whether it has positions. A pipe or a terminal has none. */
  seekable(): boolean {
    this._checkOpen();
    return this._buffered.isSeekable;
  }

  /** The number of its descriptor. */
  fileno(): number {
    this._checkOpen();
    return this._buffered.fd;
  }

  /**
   * Read.
   *
   * @param size - characters (of text) or bytes; less only at the end. Default, null or negative: all that is left.
   * @returns what was read; empty at the end.
   * @throws RangeError if it is closed, not readable, or not in its encoding; Node's error with its code.
   *
   * Cancellation: nothing is taken.
   *
   * Source: aiofiles 24 `read`.
   */
  read(size: number | null = -1): Coroutine<T> {
    return read(this, size ?? -1) as Coroutine<T>;
  }

  /**
   * Read a line, with its end.
   *
   * @returns the line; empty at the end.
   *
   * Errors and cancellation as for `read`.
   *
   * Source: aiofiles 24 `readline`.
   */
  readline(): Coroutine<T> {
    return readline(this) as Coroutine<T>;
  }

  /** Read all lines that are left. A large file is better iterated. Source: aiofiles 24 `readlines`. */
  readlines(): Coroutine<T[]> {
    return readlines(this) as Coroutine<T[]>;
  }

  /** The lines, one after the other; no more of the file is in memory than a part of some 64 KiB. */
  [Symbol.asyncIterator](): LineIterator<T> {
    return new LineIterator(this);
  }

  /**
   * Write. What is written is gathered, and goes to the file in larger pieces, at `flush`, `seek` or `close`.
   *
   * @returns how many characters or bytes were written: all.
   * @throws RangeError if it is closed, not writable, or not to be had in its encoding; TypeError for bytes to a text
   *   file and the other way round. An error of the system, with its code, may come with a later operation.
   *
   * Cancellation: nothing is written of it.
   *
   * Source: aiofiles 24 `write`.
   */
  write(data: T extends string ? string : Uint8Array): Coroutine<number> {
    return write(this, data);
  }

  /** Write several; no line ends are added. As `write`. Source: aiofiles 24 `writelines`. */
  writelines(lines: Iterable<T extends string ? string : Uint8Array>): Coroutine<void> {
    return writelines(this, lines);
  }

  /** Hand all that was written to the system. Source: aiofiles 24 `flush`. */
  flush(): Coroutine<void> {
    return flush(this);
  }

  /** The position, in bytes. @throws an error with code ESPIPE if it has none. Source: aiofiles 24 `tell`. */
  tell(): Coroutine<number> {
    return tell(this);
  }

  /**
   * Go to a position.
   *
   * @param offset - in bytes. In text a position that `tell` gave, or 0.
   * @param whence - from where: 0 the begin (default), 1 the position, 2 the end.
   * @returns the position, from the begin.
   *
   * Source: aiofiles 24 `seek`.
   */
  seek(offset: number, whence: 0 | 1 | 2 = 0): Coroutine<number> {
    return seek(this, offset, whence);
  }

  /**
   * Make it so many bytes long, by cutting it off or adding zeros. The position stays.
   *
   * @param size - default the position.
   * @returns the size.
   *
   * Source: aiofiles 24 `truncate`.
   */
  truncate(size: number | null = null): Coroutine<number> {
    return truncate(this, size);
  }

  /**
   * Write what is left and close it, after the operation that runs. Others that wait are refused. Again is fine.
   *
   * @throws Node's error with its code if what is left cannot be written; it is closed nevertheless.
   *
   * Cancellation: ends the wait; the file is closed nevertheless.
   *
   * Source: aiofiles 24 `close`.
   */
  close(): Coroutine<void> {
    return close(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().toPromise();
  }

  /** @internal */
  _checkOpen(): void {
    if (this.#isClosing) throw new RangeError('I/O operation on closed file.');
  }

  /** @internal */
  _checkReadable(): void {
    if (!this._mode.canRead) throw new RangeError('not readable');
  }

  /** @internal */
  _checkWritable(): void {
    if (!this._mode.canWrite) throw new RangeError('not writable');
  }

  /** @internal */
  _checkSeekable(): void {
    if (this._buffered.isSeekable) return;
    throw Object.assign(new Error('ESPIPE: illegal seek, lseek'), {
      code: 'ESPIPE',
      errno: -29,
      syscall: 'lseek',
    });
  }

  /** @internal Do something while nobody else does anything with the file. */
  *_exclusively<R>(work: () => Gen<R>): Gen<R> {
    this._checkOpen();
    yield* this.#lock.acquire();
    try {
      this._checkOpen();
      yield* this._settled();
      return yield* work();
    } finally {
      this.#lock.release();
      if (this.#isClosing) this.#startClosing();
    }
  }

  /** @internal Wait for what runs. */
  *_settled(): Gen<void> {
    const buffered = this._buffered;
    for (let { running } = buffered; running !== null; running = buffered.running)
      yield* fromPromise(running);
    buffered.check();
  }

  /** @internal Be ready to read: what was written before has to be in the file. */
  *_forReading(): Gen<void> {
    this._checkReadable();
    if (this._buffered.hasWritten) yield* this._flushed();
  }

  /** @internal */
  *_flushed(): Gen<void> {
    this._buffered.flush();
    yield* this._settled();
  }

  /** @internal Read more; whether there may be more still. */
  *_fill(isAllWanted = false): Gen<boolean> {
    this._buffered.fill(isAllWanted);
    yield* this._settled();
    return !this._buffered.isAtEnd;
  }

  /** @internal The next line, if it is there and nobody else does anything. */
  _lineAtHand(): T | null {
    const { running, start, hasWritten, hasFailed } = this._buffered;
    if (running !== null || hasWritten || hasFailed || this.#isClosing || this.#lock.locked()) return null;
    const end = this._lineEnd(start, false);
    return end < 0 ? null : this._take(end - start);
  }

  /** @internal */
  *_line(): Gen<T> {
    const buffered = this._buffered;
    for (let searched = 0; ; ) {
      const end = this._lineEnd(buffered.start + searched, false);
      if (end >= 0) return this._take(end - buffered.start);
      // The last byte may be the first of a line end of two.
      searched = Math.max(buffered.end - buffered.start - 1, 0);
      if (yield* this._fill()) continue;
      const last = this._lineEnd(buffered.start + searched, true);
      return this._take((last < 0 ? buffered.end : last) - buffered.start);
    }
  }

  /** @internal */
  *_all(): Gen<T> {
    while (yield* this._fill(true));
    return this._take(this._buffered.end - this._buffered.start);
  }

  /** @internal */
  _write(data: T): number {
    const bytes = this._encode(data);
    this._buffered.gather(bytes);
    return data.length;
  }

  /** @internal */
  *_close(): Gen<void> {
    this.#isClosing = true;
    if (!this.#lock.locked()) this.#startClosing();
    try {
      yield* fromPromise(this.#closed);
    } catch (error) {
      const loop = requireLoop();
      this.#closed.catch((exception: unknown) => {
        if (exception === error) return;
        loop.callExceptionHandler({ message: `closing ${this} failed, and nobody waited`, exception });
      });
      throw error;
    }
  }

  #startClosing(): void {
    if (this.#hasBegunClosing) return;
    this.#hasBegunClosing = true;
    this.#begin(this._buffered.close());
  }

  toString(): string {
    return `<${this.constructor.name} name=${repr(this.name)} mode=${repr(this.mode)}${this.#isClosing ? ' closed' : ''}>`;
  }
}

const read = /* @__PURE__ */ operation('read', function* (file, size: number): Gen<unknown> {
  if (!Number.isInteger(size)) throw new TypeError(`size must be an integer, not ${repr(size)}`);
  yield* file._forReading();
  return size < 0 ? yield* file._all() : yield* file._read(size);
});

const readlineSlowly = /* @__PURE__ */ operation('readline', function* (file): Gen<unknown> {
  yield* file._forReading();
  return yield* file._line();
});

const readline = /* @__PURE__ */ methodCoroutine(
  'File.readline',
  function* (file: BaseFile<any>): Gen<unknown> {
    return file._lineAtHand() ?? (yield* readlineSlowly(file));
  },
);

const readlines = /* @__PURE__ */ operation('readlines', function* (file): Gen<unknown[]> {
  yield* file._forReading();
  const lines: unknown[] = [];
  for (;;) {
    const line: { length: number } = yield* file._line();
    if (line.length === 0) return lines;
    lines.push(line);
  }
});

const write = /* @__PURE__ */ operation('write', function* (file, data: unknown): Gen<number> {
  file._checkWritable();
  const count = file._write(data);
  // Nobody waits for it now: the next operation does.
  if (file._buffered.isFull) file._buffered.flush();
  return count;
});

const writelines = /* @__PURE__ */ operation(
  'writelines',
  function* (file, lines: Iterable<unknown>): Gen<void> {
    file._checkWritable();
    for (const line of lines) {
      file._write(line);
      if (file._buffered.isFull) yield* file._flushed();
    }
  },
);

const flush = /* @__PURE__ */ operation('flush', function* (file): Gen<void> {
  if (file._buffered.hasWritten) yield* file._flushed();
});

const tell = /* @__PURE__ */ operation('tell', function* (file): Gen<number> {
  file._checkSeekable();
  return file._buffered.position;
});

const seek = /* @__PURE__ */ operation('seek', function* (file, offset: number, whence: number): Gen<number> {
  if (!Number.isInteger(offset)) throw new TypeError(`offset must be an integer, not ${repr(offset)}`);
  if (![0, 1, 2].includes(whence)) throw new RangeError(`invalid whence (${whence}, should be 0, 1 or 2)`);
  file._checkSeekable();
  file._checkSeek(offset, whence);
  const buffered = file._buffered;
  if (buffered.hasWritten) yield* file._flushed();
  let position = offset;
  if (whence === 1) position += buffered.position;
  if (whence === 2) {
    buffered.measure();
    yield* file._settled();
    position += buffered.size;
  }
  if (position < 0) throw new RangeError(`negative seek position ${position}`);
  buffered.moveTo(position);
  return position;
});

const truncate = /* @__PURE__ */ operation('truncate', function* (file, size: number | null): Gen<number> {
  file._checkWritable();
  const buffered = file._buffered;
  if (buffered.hasWritten) yield* file._flushed();
  const length = size ?? buffered.position;
  if (!Number.isInteger(length) || length < 0) throw new RangeError(`negative size value ${length}`);
  // What was read ahead may be cut off.
  buffered.forget();
  buffered.truncate(length);
  yield* file._settled();
  return length;
});

const close = /* @__PURE__ */ methodCoroutine('File.close', (file: BaseFile<any>) => file._close());

/**
 * A file of text.
 *
 * Source: aiofiles 24 `AsyncTextIOWrapper`.
 */
export class TextFile extends BaseFile<string> {
  /** How the text is written as bytes. */
  readonly encoding: string;
  readonly #codec: Codec;
  readonly #newline: TextOptions['newline'];
  /** What `\n` is written as. */
  readonly #lineEnd: string;
  /** What `#look` has seen, and of which bytes. */
  #version = -1;
  #isAscii = false;
  /** No `\r` is before, among what is not taken. */
  #cr = Number.POSITIVE_INFINITY;

  /** @internal */
  constructor(name: unknown, mode: Mode, buffered: BufferedFile, codec: Codec, options: TextOptions) {
    super(name, mode, buffered);
    this.encoding = options.encoding ?? 'utf8';
    this.#codec = codec;
    this.#newline = options.newline ?? null;
    this.#lineEnd = this.#newline === null ? os().EOL : this.#newline || '\n';
  }

  /** @internal */
  override _take(size: number): string {
    const buffered = this._buffered;
    const { bytes, start } = buffered;
    const end = start + size;
    this.#look();
    const text = this.#isAscii
      ? bytes.toString('latin1', start, end)
      : this.#codec.decode(bytes.subarray(start, end));
    buffered.start = end;
    return this.#newline === null && this.#cr < end ? text.replaceAll(/\r\n?/g, '\n') : text;
  }

  /** Look through what was read, once: most text is ASCII, and most has no `\r`. */
  #look(): void {
    const { version, bytes, start, end } = this._buffered;
    if (version === this.#version) return;
    this.#version = version;
    const view = bytes.subarray(start, end);
    this.#isAscii = buffer().isAscii(view);
    const cr = view.indexOf(CR);
    this.#cr = cr < 0 ? Number.POSITIVE_INFINITY : start + cr;
  }

  /** Where the first `\r` is from `from` on. */
  #nextCr(from: number): number {
    this.#look();
    if (this.#cr < from) {
      const cr = this._buffered.bytes.indexOf(CR, from);
      this.#cr = cr < 0 ? Number.POSITIVE_INFINITY : cr;
    }
    return this.#cr;
  }

  /** @internal */
  override _lineEnd(from: number, isAtEnd: boolean): number {
    const { bytes, end } = this._buffered;
    const newline = this.#newline;
    if (newline) {
      const i = bytes.indexOf(newline, from);
      return i < 0 || i + newline.length > end ? -1 : i + newline.length;
    }
    const found = bytes.indexOf(LF, from);
    const lf = found < 0 || found >= end ? -1 : found;
    const limit = lf < 0 ? end : lf;
    const cr = this.#nextCr(from);
    if (cr >= limit || (cr === limit - 1 && lf >= 0)) return lf < 0 ? -1 : lf + 1;
    return cr + 1 < end || isAtEnd ? cr + 1 : -1;
  }

  /** @internal */
  override *_read(size: number): Gen<string> {
    const buffered = this._buffered;
    const pairs = this.#newline === null;
    let isAtEnd = false;
    for (let offset = 0, count = 0; ; ) {
      const { bytes, start, end } = buffered;
      let i = start + offset;
      for (; count < size && i < end; count++) {
        const byte = bytes[i] as number;
        const length = pairs && byte === CR ? 2 : this.#codec.lengthOf(byte);
        if (i + length > end && !isAtEnd) break;
        i += pairs && byte === CR && bytes[i + 1] !== LF ? 1 : Math.min(length, end - i);
      }
      offset = i - start;
      if (count === size || isAtEnd) return this._take(offset);
      isAtEnd = !(yield* this._fill());
    }
  }

  /** @internal */
  override _encode(text: string): Uint8Array {
    if (typeof text !== 'string') throw new TypeError(`write() argument must be str, not ${typeName(text)}`);
    const isSame = this.#lineEnd === '\n' || !text.includes('\n');
    return this.#codec.encode(isSame ? text : text.replaceAll('\n', this.#lineEnd));
  }

  /** @internal */
  override _checkSeek(offset: number, whence: number): void {
    if (whence === 0 || offset === 0) return;
    throw new RangeError(`can't do nonzero ${whence === 1 ? 'cur' : 'end'}-relative seeks`);
  }
}

/**
 * A file of bytes.
 *
 * Source: aiofiles 24 `AsyncBufferedIOBase`.
 */
export class BinaryFile extends BaseFile<Buffer> {
  /** @internal */
  override _take(size: number): Buffer {
    return this._buffered.take(size);
  }

  /** @internal */
  override _lineEnd(from: number): number {
    const { bytes, end } = this._buffered;
    const i = bytes.indexOf(LF, from);
    return i < 0 || i >= end ? -1 : i + 1;
  }

  /** @internal */
  override *_read(size: number): Gen<Buffer> {
    const buffered = this._buffered;
    while (buffered.end - buffered.start < size && (yield* this._fill()));
    return this._take(Math.min(size, buffered.end - buffered.start));
  }

  /** @internal */
  override _encode(data: Uint8Array): Uint8Array {
    if (!(data instanceof Uint8Array)) {
      throw new TypeError(`a bytes-like object is required, not '${typeName(data)}'`);
    }
    return Buffer.from(data);
  }

  /** @internal */
  override _checkSeek(): void {}
}

/**
 * The lines of a file, for `for await`, or by `next()` also for `yield*`.
 *
 * Not in aiofiles.
 */
export class LineIterator<T extends string | Buffer> implements AsyncIterableIterator<T, undefined> {
  readonly #file: BaseFile<T>;

  /** @internal */
  constructor(file: BaseFile<T>) {
    this.#file = file;
  }

  /** The next line as `{ value, done }`. */
  next(): Coroutine<IteratorResult<T, undefined>> & Promise<IteratorResult<T, undefined>> {
    return nextLine(this.#file) as ReturnType<LineIterator<T>['next']>;
  }

  /** Itself, as the iterators of the language give. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

const nextLine = /* @__PURE__ */ methodCoroutine('LineIterator.next', function* (file: BaseFile<any>): Gen<
  IteratorResult<unknown, undefined>
> {
  const line = file._lineAtHand() ?? (yield* readlineSlowly(file));
  return (line as string).length === 0 ? { done: true, value: undefined } : { done: false, value: line };
});
