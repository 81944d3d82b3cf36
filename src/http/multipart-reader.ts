/** Reading bodies of several parts. Counterpart: `MultipartReader` of `aiohttp/multipart.py`. */
import { methodCoroutine } from '../core/coroutines.ts';
import { AssertionError, RuntimeError } from '../core/exceptions.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { BodyPartReader } from './body-part-reader.ts';
import type { ClientResponse } from './client-response.ts';
import { parseMimetype, quote } from './helpers.ts';
import { quoteBytes } from './http-exceptions.ts';
import { CIMultiDict, CIMultiDictProxy, type LooseHeaders } from './multidict.ts';
import {
  type HeaderLimits,
  type MultipartContent,
  type MultipartInput,
  PushbackInput,
  readHeaders,
  readLine,
} from './multipart-input.ts';
import { inputOf, type PartContent } from './part-content.ts';

/** A line that is no header and no boundary. */
const MAX_LINE = 2 ** 16;

/** The longest name of an encoding has 19 characters; so many are none. */
const MAX_CHARSET = 32;

/** How much a reader takes. */
export interface MultipartReaderOptions {
  /** How many bytes a part may have. Default: any. */
  clientMaxSize?: number;
  /** How many bytes a header of a part may have. Default 8190. */
  maxFieldSize?: number;
  /** How many headers a part may have. Default 128. */
  maxHeaders?: number;
}

/**
 * Reads a multipart body part by part. A part that is such a body again has a reader of its own.
 *
 * ```ts
 * const reader = MultipartReader.fromResponse(response);
 * for await (const part of reader) {
 *   if (part instanceof BodyPartReader) console.log(part.filename, await part.read());
 * }
 * ```
 *
 * Source: aiohttp 3.14 `aiohttp.MultipartReader`.
 */
export class MultipartReader implements AsyncIterable<BodyPartReader | MultipartReader> {
  readonly headers: CIMultiDictProxy;
  readonly #input: MultipartInput;
  readonly #boundary: Buffer;
  readonly #subtype: string;
  readonly #limits: HeaderLimits;
  readonly #maxSize: number;
  #response: ClientResponse | null = null;
  #defaultCharset: string | null = null;
  /** The part that was given last, and has to be read to its end. */
  #last: PartContent | null = null;
  #isAtBegin = true;
  #isAtEof = false;
  /** The boundary was read; headers come. */
  #isBehindBoundary = false;

  /**
   * @param headers - of the body; its `Content-Type` names the boundary.
   * @param content - `response.content`.
   * @throws AssertionError for a type that is not multipart; RangeError for a boundary that is none.
   */
  constructor(
    headers: LooseHeaders,
    content: MultipartContent | MultipartInput,
    options: MultipartReaderOptions = {},
  ) {
    this.headers =
      headers instanceof CIMultiDictProxy ? headers : new CIMultiDictProxy(new CIMultiDict(headers));
    const type = this.headers.get('Content-Type') ?? '';
    const { essence, parameters } = parseMimetype(type);
    if (!essence.startsWith('multipart/')) throw new AssertionError('multipart/* content type expected');
    const boundary = parameters.get('boundary') ?? '';
    if (boundary === '') throw new RangeError(`boundary missed for Content-Type: ${type}`);
    if (boundary.length > 70) {
      throw new RangeError(`boundary ${quote(boundary)} is too long (70 chars max)`);
    }
    this.#subtype = essence.slice('multipart/'.length);
    this.#boundary = Buffer.from(`--${boundary}`);
    this.#input = inputOf(content);
    const { maxFieldSize = 8190, maxHeaders = 128 } = options;
    this.#limits = { maxFieldSize, maxHeaders };
    this.#maxSize = options.clientMaxSize ?? Number.POSITIVE_INFINITY;
  }

  /**
   * The reader of a response, which is released when the last part has been read.
   *
   * @throws as the constructor.
   *
   * Source: aiohttp 3.14 `MultipartReader.from_response`.
   */
  static fromResponse(response: ClientResponse, options?: MultipartReaderOptions): MultipartReader {
    const reader = new this(response.headers, response.content, options);
    reader.#response = response;
    return reader;
  }

  /** Whether the end was reached. */
  atEof(): boolean {
    return this.#isAtEof;
  }

  /**
   * The next part, after the rest of the one before has been read away.
   *
   * @returns the part, or null at the end.
   * @throws RangeError for what is no multipart body; BadHttpMessage for headers of a part that are wrong or too many.
   *
   * Cancellation: can be called again; nothing is lost.
   *
   * Source: aiohttp 3.14 `MultipartReader.next`.
   */
  next(): Coroutine<BodyPartReader | MultipartReader | null> {
    return next(this);
  }

  /** Read all parts away. */
  release(): Coroutine<void> {
    return release(this);
  }

  /** Read the headers that come next, and give their part. `next` does that, and what is needed before. */
  fetchNextPart(): Coroutine<BodyPartReader | MultipartReader> {
    return fetchNextPart(this);
  }

  /** The parts, one after the other. */
  async *[Symbol.asyncIterator](): AsyncGenerator<BodyPartReader | MultipartReader, undefined> {
    for (let part = await this.next(); part !== null; part = await this.next()) yield part;
  }

  /** @internal */
  *_next(): Gen<BodyPartReader | MultipartReader | null> {
    while (!this.#isAtEof) {
      if (!this.#isBehindBoundary) {
        yield* this.#readToBoundary();
        if (this.#isAtEof) break;
      }
      const part = yield* this._fetchNextPart();
      if (!this.#namesCharset(part)) return part;
      const charset = yield* part._content.readFully(MAX_CHARSET);
      if (charset.length >= MAX_CHARSET) throw new RuntimeError('Invalid default charset');
      this.#defaultCharset = charset.toString('latin1').trim();
    }
    return null;
  }

  *#readToBoundary(): Gen<void> {
    yield* this.#releaseLast();
    if (this.#isAtBegin) yield* this.#readFirstBoundary();
    else yield* this.#readBoundary();
    if (this.#isAtEof) yield* this.#finish();
    else this.#isBehindBoundary = true;
  }

  /** Whether it is the field of a form that names the encoding of the others (RFC 7578, 4.6). */
  #namesCharset(part: BodyPartReader | MultipartReader): part is BodyPartReader {
    return this.#subtype === 'form-data' && part instanceof BodyPartReader && part.name === '_charset_';
  }

  *#releaseLast(): Gen<void> {
    if (this.#last === null) return;
    yield* this.#last.release();
    this.#last = null;
  }

  /** @internal */
  *_fetchNextPart(): Gen<BodyPartReader | MultipartReader> {
    const headers = yield* readHeaders(this.#input, this.#limits);
    this.#isBehindBoundary = false;
    const part = new BodyPartReader(this.#boundary, headers, this.#input, {
      subtype: this.#subtype,
      defaultCharset: this.#defaultCharset,
      clientMaxSize: this.#maxSize,
    });
    this.#last = part._content;
    const { essence } = parseMimetype(headers.get('Content-Type') ?? '');
    if (!essence.startsWith('multipart/')) return part;
    const reader = this.constructor as typeof MultipartReader;
    return new reader(headers, part._content, { ...this.#limits, clientMaxSize: this.#maxSize });
  }

  /** What comes before the first boundary is not meant for anybody. */
  *#readFirstBoundary(): Gen<void> {
    for (;;) {
      const line = yield* readLine(this.#input, MAX_LINE);
      if (line.length === 0) {
        throw new RangeError(`Could not find starting boundary ${quoteBytes(this.#boundary)}`);
      }
      if (this.#isBoundary(line)) break;
    }
    this.#isAtBegin = false;
  }

  *#readBoundary(): Gen<void> {
    const line = yield* readLine(this.#input, MAX_LINE);
    if (this.#isBoundary(line)) return;
    const found = Buffer.from(line.toString('latin1').trimEnd(), 'latin1');
    throw new RangeError(`Invalid boundary ${quoteBytes(found)}, expected ${quoteBytes(this.#boundary)}`);
  }

  /** Whether it is a boundary, and if so, whether it is the last one. */
  #isBoundary(line: Buffer): boolean {
    const { length } = this.#boundary;
    if (!line.subarray(0, length).equals(this.#boundary)) return false;
    const rest = line.toString('latin1', length).trimEnd();
    if (rest === '--') this.#isAtEof = true;
    return rest === '--' || rest === '';
  }

  *#finish(): Gen<void> {
    if (this.#input instanceof PushbackInput) this.#input.giveBack();
    const response = this.#response;
    if (response === null) return;
    // What may follow has no meaning. Some of it is read, so that the connection can be used again.
    for (let i = 0; i < 2 && !response.content.atEof(); i++) yield* response.content.read(MAX_LINE);
    response.release();
  }
}

const next = /* @__PURE__ */ methodCoroutine('MultipartReader.next', function* (reader: MultipartReader): Gen<
  BodyPartReader | MultipartReader | null
> {
  return yield* reader._next();
});

const release = /* @__PURE__ */ methodCoroutine(
  'MultipartReader.release',
  function* (reader: MultipartReader): Gen<void> {
    while ((yield* reader._next()) !== null);
  },
);

const fetchNextPart = /* @__PURE__ */ methodCoroutine(
  'MultipartReader.fetchNextPart',
  function* (reader: MultipartReader): Gen<BodyPartReader | MultipartReader> {
    return yield* reader._fetchNextPart();
  },
);
