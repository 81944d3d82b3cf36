/** Reading one part. Counterpart: `BodyPartReader` of `aiohttp/multipart.py`. */
import { methodCoroutine } from '../core/coroutines.ts';
import { RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { BodyPartReaderPayload } from './body-part-payload.ts';
import { decodeText } from './charsets.ts';
import { checkContentEncoding, decompress } from './content-decoder.ts';
import { DecodedIterator } from './decoded-iterator.ts';
import { parseForm } from './form-urlencoded.ts';
import { parseMimetype } from './helpers.ts';
import { CIMultiDict, CIMultiDictProxy, type LooseHeaders } from './multidict.ts';
import { type MultipartContent, type MultipartInput, PushbackInput, readLine } from './multipart-input.ts';
import { contentDispositionFilename, parseContentDisposition } from './parse-content-disposition.ts';
import { inputOf, PartContent } from './part-content.ts';
import { payloadType } from './payload.ts';
import { toBuffer } from './payload-bytes.ts';
import { base64End, decodeBase64, decodeQuotedPrintable, quotedPrintableEnd } from './transfer-encodings.ts';

/** How much `readChunk` gives. */
const CHUNK_SIZE = 8192;

/** What the reader of all parts tells the reader of one. */
export interface BodyPartOptions {
  /** Of the whole body: `form-data` has no encodings and no lengths in its parts. Default `mixed`. */
  subtype?: string;
  /** The encoding of text that names none. */
  defaultCharset?: string | null;
  /** How many bytes a part may have, decoded ones included. Default: any. */
  clientMaxSize?: number;
}

/**
 * One part of a multipart body.
 *
 * Source: aiohttp 3.14 `aiohttp.BodyPartReader`.
 */
export class BodyPartReader implements AsyncIterable<Buffer> {
  readonly headers: CIMultiDictProxy;
  /** @internal */ readonly _content: PartContent;
  /** The input that this reader has made itself. */
  readonly #ownInput: PushbackInput | null;
  readonly #isFormData: boolean;
  readonly #defaultCharset: string | null;
  /** @internal */ readonly _maxSize: number;
  #parameters: Record<string, string> | null = null;

  /**
   * @param boundary - with its two hyphens.
   * @throws RangeError for a `Content-Length` that is none.
   */
  constructor(
    boundary: Uint8Array | string,
    headers: LooseHeaders,
    content: MultipartContent | MultipartInput,
    {
      subtype = 'mixed',
      defaultCharset = null,
      clientMaxSize = Number.POSITIVE_INFINITY,
    }: BodyPartOptions = {},
  ) {
    this.headers =
      headers instanceof CIMultiDictProxy ? headers : new CIMultiDictProxy(new CIMultiDict(headers));
    this.#isFormData = subtype === 'form-data';
    this.#defaultCharset = defaultCharset;
    this._maxSize = clientMaxSize;
    const separator = typeof boundary === 'string' ? Buffer.from(boundary) : toBuffer(boundary);
    const input = inputOf(content);
    this.#ownInput = input !== content && input instanceof PushbackInput ? input : null;
    this._content = new PartContent(input, separator, this.#length());
  }

  /** RFC 7578, 4.8: parts of forms have no length. */
  #length(): number | null {
    const length = this.#isFormData ? null : this.headers.get('Content-Length');
    if (length === null) return null;
    if (!/^\d+$/.test(length)) throw new RangeError(`invalid Content-Length: ${repr(length)}`);
    return Number(length);
  }

  /** The name of the field, or null. */
  get name(): string | null {
    return contentDispositionFilename(this.#disposition, 'name');
  }

  /** The name of the file, or null. */
  get filename(): string | null {
    return contentDispositionFilename(this.#disposition);
  }

  get #disposition(): Record<string, string> {
    this.#parameters ??= parseContentDisposition(this.headers.get('Content-Disposition'))[1];
    return this.#parameters;
  }

  /** Whether the end of the part was reached. */
  atEof(): boolean {
    return this._content.atEof();
  }

  /**
   * Read all that is left.
   *
   * @param options.decode - decode it by its `Content-Transfer-Encoding` and `Content-Encoding`. Default false.
   * @returns the bytes; none at the end.
   * @throws RangeError if it has no end, or more than `clientMaxSize` bytes, or cannot be decoded; RuntimeError for an
   *   unknown encoding; ClientPayloadError if it cannot be decompressed.
   *
   * Cancellation: what was read is lost.
   *
   * Source: aiohttp 3.14 `BodyPartReader.read`.
   */
  read({ decode = false }: { decode?: boolean } = {}): Coroutine<Buffer> {
    return read(this, decode);
  }

  /**
   * Read some of it. A part in base64 is cut between its groups, so that `decode` can decode each chunk.
   *
   * @param size - how many bytes at most. Default 8192.
   * @returns the bytes; none at the end. `atEof` is true as soon as the last ones have been given.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `BodyPartReader.read_chunk`.
   */
  readChunk(size = CHUNK_SIZE): Coroutine<Buffer> {
    return readChunk(this, size);
  }

  /**
   * Read a line, with its end.
   *
   * @returns the line; empty at the end.
   *
   * Cancellation: nothing is lost.
   *
   * Source: aiohttp 3.14 `BodyPartReader.readline`.
   */
  readline(): Coroutine<Buffer> {
    return readline(this);
  }

  /** Read the rest of it away. */
  release(): Coroutine<void> {
    return release(this);
  }

  /**
   * Read all of it as text, decoded.
   *
   * @param options.encoding - default: the charset of the part, or of the form, or UTF-8.
   * @throws RangeError for bytes that are no such text; LookupError for an unknown encoding; and as `read`.
   */
  text({ encoding = null }: { encoding?: string | null } = {}): Coroutine<string> {
    return text(this, encoding);
  }

  /** Read all of it as JSON; null if it is empty. @throws SyntaxError for what is none; and as `text`. */
  json<T = unknown>({ encoding = null }: { encoding?: string | null } = {}): Coroutine<T | null> {
    return json(this, encoding) as Coroutine<T | null>;
  }

  /** Read all of it as a form that is URL-encoded. @throws as `text`. */
  form({ encoding = null }: { encoding?: string | null } = {}): Coroutine<[name: string, value: string][]> {
    return form(this, encoding);
  }

  /**
   * Decode what was read, at once.
   *
   * @throws RuntimeError for an unknown encoding; RangeError or ClientPayloadError for what cannot be decoded.
   */
  decode(data: Uint8Array): Buffer {
    const decoded = this._transferDecode(data);
    const encoding = this._contentEncoding;
    return encoding === null ? decoded : decompress(encoding, decoded, this._maxSize);
  }

  /**
   * Decode what was read, piece by piece and while other work goes on.
   *
   * @returns the pieces, none longer than 64 KiB.
   * @throws (when iterated) as `decode`.
   */
  decodeIter(data: Uint8Array): DecodedIterator {
    return new DecodedIterator(this, data);
  }

  /** The charset of its type, or that of the form, or `defaultValue`. */
  getCharset(defaultValue: string): string {
    const { parameters } = parseMimetype(this.headers.get('Content-Type') ?? '');
    return parameters.get('charset') ?? this.#defaultCharset ?? defaultValue;
  }

  /** All that is left, in one piece, as in aiohttp; `readChunk` gives smaller ones. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, undefined> {
    for (let data = await this.read(); data.length > 0; data = await this.read()) yield data;
  }

  /** @internal The compression to undo, or null. RFC 7578, 4.8: parts of forms have none. */
  get _contentEncoding(): 'gzip' | 'deflate' | null {
    const encoding = this.#isFormData ? null : this.headers.get('Content-Encoding');
    return encoding === null ? null : checkContentEncoding(encoding);
  }

  get #transferEncoding(): string | null {
    return this.headers.get('Content-Transfer-Encoding')?.toLowerCase() ?? null;
  }

  /** @internal Undo the `Content-Transfer-Encoding`. */
  _transferDecode(data: Uint8Array): Buffer {
    const encoding = this.#transferEncoding;
    switch (encoding) {
      case 'base64':
        return decodeBase64(data);
      case 'quoted-printable':
        return decodeQuotedPrintable(data);
      case null:
      case 'binary':
      case '8bit':
      case '7bit':
        return toBuffer(data);
      default:
        throw new RuntimeError(`unknown content transfer encoding: ${encoding}`);
    }
  }

  /** @internal */
  *_readChunk(size: number): Gen<Buffer> {
    if (!Number.isInteger(size) || size < 1)
      throw new RangeError(`size must be a positive integer, not ${repr(size)}`);
    const content = this._content;
    const encoding = this.#transferEncoding;
    const endOf =
      encoding === 'base64' ? base64End : encoding === 'quoted-printable' ? quotedPrintableEnd : null;
    if (endOf === null) {
      const chunk = yield* content.read(size);
      this._giveBack();
      return chunk;
    }
    const chunk = yield* content.readFully(size);
    const end = content.atEof() ? chunk.length : endOf(chunk);
    this._giveBack();
    // No whole group: it is given as it is, so that whoever reads comes to the end.
    if (end === 0 || end === chunk.length) return chunk;
    content.unread(chunk.subarray(end));
    return chunk.subarray(0, end);
  }

  /** @internal */
  *_read(isDecoded: boolean): Gen<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    while (!this._content.atEof()) {
      const chunk = yield* this._content.read(2 ** 16);
      size += chunk.length;
      this._checkSize(size);
      chunks.push(chunk);
    }
    this._giveBack();
    const data = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    if (!isDecoded || data.length === 0) return data;
    if (this._contentEncoding === null) return this._transferDecode(data);
    const pieces: Buffer[] = [];
    const decoded = this.decodeIter(data);
    try {
      for (let piece = yield* decoded._next(); piece !== null; piece = yield* decoded._next())
        pieces.push(piece);
    } finally {
      decoded._close();
    }
    return Buffer.concat(pieces);
  }

  /** @internal At the end, what is behind is for whoever reads on. */
  _giveBack(): void {
    if (this._content.atEof()) this.#ownInput?.giveBack();
  }

  /** @internal */
  _checkSize(size: number): void {
    if (size > this._maxSize) throw new RangeError(`Maximum size of ${this._maxSize} bytes exceeded`);
  }
}

const read = /* @__PURE__ */ methodCoroutine(
  'BodyPartReader.read',
  function* (part: BodyPartReader, isDecoded: boolean): Gen<Buffer> {
    return yield* part._read(isDecoded);
  },
);

const readChunk = /* @__PURE__ */ methodCoroutine(
  'BodyPartReader.readChunk',
  function* (part: BodyPartReader, size: number): Gen<Buffer> {
    return yield* part._readChunk(size);
  },
);

const readline = /* @__PURE__ */ methodCoroutine(
  'BodyPartReader.readline',
  function* (part: BodyPartReader): Gen<Buffer> {
    const line = yield* readLine(part._content, Number.MAX_SAFE_INTEGER - 1);
    part._giveBack();
    return line;
  },
);

const release = /* @__PURE__ */ methodCoroutine(
  'BodyPartReader.release',
  function* (part: BodyPartReader): Gen<void> {
    yield* part._content.release();
    part._giveBack();
  },
);

const text = /* @__PURE__ */ methodCoroutine(
  'BodyPartReader.text',
  function* (part: BodyPartReader, encoding: string | null): Gen<string> {
    const data = yield* part._read(true);
    return decodeText(data, encoding ?? part.getCharset('utf-8'));
  },
);

const json = /* @__PURE__ */ methodCoroutine(
  'BodyPartReader.json',
  function* (part: BodyPartReader, encoding: string | null): Gen<unknown> {
    const data = yield* part._read(true);
    return data.length === 0 ? null : JSON.parse(decodeText(data, encoding ?? part.getCharset('utf-8')));
  },
);

const form = /* @__PURE__ */ methodCoroutine(
  'BodyPartReader.form',
  function* (part: BodyPartReader, encoding: string | null): Gen<[name: string, value: string][]> {
    const data = yield* part._read(true);
    if (data.length === 0) return [];
    const charset = encoding ?? part.getCharset('utf-8');
    let fields: string;
    try {
      fields = decodeText(data, charset).trimEnd();
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new RangeError(`data cannot be decoded with ${charset} encoding`, { cause });
    }
    return parseForm(fields, charset);
  },
);

payloadType(BodyPartReader, { order: 'try_first' })(BodyPartReaderPayload);
