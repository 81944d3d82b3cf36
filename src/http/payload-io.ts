/** Bodies that are read from files, blobs and streams. Counterpart: a part of `aiohttp/payload.py`. */
import type { FileHandle } from 'node:fs/promises';
import { fromPromise, iscoroutine, methodCoroutine } from '../core/coroutines.ts';
import { requireLoop } from '../core/events.ts';
import { BaseException } from '../core/exceptions.ts';
import { typeName } from '../core/format-helpers.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { BinaryFile, TextFile } from '../files/files.ts';
import type { AbstractStreamWriter } from './abc.ts';
import { type ByteSource, guessFilename, isBlob, isFileHandle, sourceOf } from './byte-sources.ts';
import { decodeText, encodeText } from './charsets.ts';
import { Payload, type PayloadOptions } from './payload-base.ts';
import { type BytesLike, isBytesLike, textOptions, toBuffer, toBytes } from './payload-bytes.ts';

/** How much is read at once. */
const READ_SIZE = 2 ** 18;

/**
 * What can be read: a readable stream of Node, a `FileHandle`, a `Blob` or `File`, a file of `asyncio-ts/files`.
 * Files, and blobs, can be sent again; streams once.
 *
 * A `File`, and a stream or a file that was opened by its path, bring their name along, and with it their type.
 *
 * Cancellation of `write`: the iterator of a stream is closed, and with it the stream.
 *
 * Source: aiohttp 3.14 `aiohttp.IOBasePayload`.
 */
export class IOBasePayload extends Payload {
  readonly #source: ByteSource;
  #isConsumed = false;
  #isClosed = false;

  /** @throws TypeError for what cannot be read. */
  constructor(value: unknown, options: PayloadOptions = {}) {
    const source = sourceOf(value, options.encoding ?? 'utf-8');
    const filename = options.filename === undefined ? guessFilename(value) : options.filename;
    // A blob knows its type.
    const contentType = options.contentType ?? (isBlob(value) && value.type !== '' ? value.type : null);
    super(value, { ...options, filename, contentType });
    this.#source = source;
    const { disposition = 'attachment' } = options;
    if (filename !== null && disposition !== null && !this.headers.has('Content-Disposition')) {
      this.setContentDisposition(disposition, { filename });
    }
  }

  override get size(): number | null {
    return this.#source.size;
  }

  override get consumed(): boolean {
    return this.#isConsumed;
  }

  override get autoclose(): boolean {
    return this.#source.close === undefined;
  }

  /** Always throws: it would have to be read first, by `asBytes`. */
  override decode(_encoding?: string, _errors?: string): string {
    throw new TypeError('Unable to decode a body that has to be read. Call asBytes() instead.');
  }

  override write(writer: AbstractStreamWriter): Coroutine<void> {
    return this.writeWithLength(writer, null);
  }

  override writeWithLength(writer: AbstractStreamWriter, contentLength: number | null): Coroutine<void> {
    return writeSource(this, writer, contentLength);
  }

  /** All of it, in memory. */
  override asBytes(_encoding?: string, _errors?: string): Coroutine<Buffer> {
    return readSource(this);
  }

  /** Close the file or stream, without waiting for it. */
  override close(): Coroutine<void> {
    return closeSource(this);
  }

  /** @internal */
  *_writeTo(writer: AbstractStreamWriter, contentLength: number | null): Gen<void> {
    yield* this.#forEach(contentLength, (chunk) => writer.write(chunk) as unknown as Gen<void>);
  }

  /** @internal */
  *_readAll(): Gen<Buffer> {
    const chunks: Uint8Array[] = [];
    yield* this.#forEach(null, function* (chunk): Gen<void> {
      chunks.push(chunk);
    });
    const [first] = chunks;
    return chunks.length === 1 ? toBuffer(first as Uint8Array) : Buffer.concat(chunks);
  }

  *#forEach(limit: number | null, body: (chunk: Uint8Array) => Gen<void>): Gen<void> {
    const source = this.#source;
    yield* source.rewind();
    // A piece of what comes once may be gone from here on, even if it was not written.
    if (!source.canRewind) this.#isConsumed = true;
    let left = Math.min(limit ?? Number.POSITIVE_INFINITY, source.size ?? Number.POSITIVE_INFINITY);
    try {
      while (left > 0) {
        const chunk = yield* source.read(Math.min(READ_SIZE, left));
        if (chunk.length === 0) return;
        yield* body(chunk.length > left ? chunk.subarray(0, left) : chunk);
        left -= chunk.length;
      }
    } catch (error) {
      source.abandon?.();
      throw error;
    }
  }

  /** @internal */
  _closeSource(): void {
    if (this.#isClosed || this.#source.close === undefined) return;
    this.#isClosed = true;
    this.#isConsumed = true;
    const closing = this.#source.close();
    if (closing === undefined) return;
    const loop = requireLoop();
    loop.createTask(function* closeFile(): Gen<void> {
      try {
        if (iscoroutine(closing)) yield* closing;
        else yield* fromPromise(closing);
      } catch (exception) {
        if (exception instanceof BaseException) throw exception;
        loop.callExceptionHandler({ message: 'closing the file of a body failed', exception });
      }
    });
  }
}

const writeSource = /* @__PURE__ */ methodCoroutine(
  'IOBasePayload.write',
  function* (payload: IOBasePayload, writer: AbstractStreamWriter, contentLength: number | null): Gen<void> {
    yield* payload._writeTo(writer, contentLength);
  },
);

const readSource = /* @__PURE__ */ methodCoroutine(
  'IOBasePayload.asBytes',
  function* (payload: IOBasePayload): Gen<Buffer> {
    return yield* payload._readAll();
  },
);

const closeSource = /* @__PURE__ */ methodCoroutine(
  'IOBasePayload.close',
  function* (payload: IOBasePayload): Gen<void> {
    payload._closeSource();
  },
);

/**
 * A file: a `FileHandle` of Node, or a file of bytes of `asyncio-ts/files`. That is sent from where it stands on; a
 * handle, which does not tell that, from its begin.
 *
 * Source: aiohttp 3.14 `aiohttp.BufferedReaderPayload`.
 */
export class BufferedReaderPayload extends IOBasePayload {
  constructor(value: FileHandle | BinaryFile, options?: PayloadOptions) {
    if (!isFileHandle(value) && !(value instanceof BinaryFile)) {
      throw new TypeError(`value argument must be a FileHandle or a file of bytes, not ${typeName(value)}`);
    }
    super(value, options);
  }
}

/**
 * Bytes in memory that are sent in pieces, so that other work goes on in between.
 *
 * Source: aiohttp 3.14 `aiohttp.BytesIOPayload`.
 */
export class BytesIOPayload extends IOBasePayload {
  declare protected readonly value: Uint8Array;

  /** @throws TypeError for what is not bytes. */
  constructor(value: BytesLike, options?: PayloadOptions) {
    if (!isBytesLike(value)) throw new TypeError(`value argument must be byte-ish, not ${typeName(value)}`);
    super(toBytes(value), options);
  }

  override decode(encoding = 'utf-8', errors = 'strict'): string {
    return decodeText(this.value, encoding, errors);
  }

  /** @internal */
  override _bytes(): Uint8Array | null {
    return this.value.length <= READ_SIZE ? this.value : null;
  }
}

/**
 * Text in memory that is sent in pieces, so that other work goes on in between.
 *
 * Source: aiohttp 3.14 `aiohttp.StringIOPayload`.
 */
export class StringIOPayload extends BytesIOPayload {
  declare readonly encoding: string;

  /** @throws RangeError for a character that the encoding does not have; LookupError for an unknown encoding. */
  constructor(value: string, options: PayloadOptions = {}) {
    if (typeof value !== 'string')
      throw new TypeError(`value argument must be a string, not ${typeName(value)}`);
    const { encoding, contentType } = textOptions(options);
    super(encodeText(value, encoding), { ...options, encoding, contentType });
  }
}

/**
 * A file of text of `asyncio-ts/files`, or a stream of text: decoded, and sent in the encoding of the payload, UTF-8
 * as a rule. Its length is not known before.
 *
 * Source: aiohttp 3.14 `aiohttp.TextIOPayload`.
 */
export class TextIOPayload extends IOBasePayload {
  declare readonly encoding: string;

  constructor(value: TextFile, options: PayloadOptions = {}) {
    if (!(value instanceof TextFile)) {
      throw new TypeError(`value argument must be a file of text, not ${typeName(value)}`);
    }
    super(value, { ...options, ...textOptions(options) });
  }
}
