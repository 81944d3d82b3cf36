/** Writing bodies of several parts. Counterpart: `MultipartWriter` of `aiohttp/multipart.py`. */
import { randomBytes } from 'node:crypto';
import { methodCoroutine } from '../core/coroutines.ts';
import { AssertionError, LookupError, RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { AbstractStreamWriter } from './abc.ts';
import { decodeText } from './charsets.ts';
import { checkContentEncoding } from './content-decoder.ts';
import { CONTROL } from './content-disposition.ts';
import { type FormField, urlencode } from './form-urlencoded.ts';
import { isToken } from './helpers.ts';
import { PartWriter } from './part-writer.ts';
import type { LooseHeaders } from './multidict.ts';
import { getPayload, JsonPayload, Payload, StringPayload } from './payload.ts';

/** Up to so many bytes are sent in one piece. */
const SMALL = 2 ** 16;

/** A part, and what is done to its bytes on their way. */
interface Part {
  readonly payload: Payload;
  readonly contentEncoding: 'gzip' | 'deflate' | null;
  readonly transferEncoding: string | null;
}

/**
 * A body of several parts, each of which is a payload with headers of its own; a part may be such a body again.
 *
 * ```ts
 * const writer = new MultipartWriter('mixed');
 * writer.append('some text');
 * writer.appendJson({ answer: 42 });
 * await session.post(url, { data: writer });
 * ```
 *
 * Source: aiohttp 3.14 `aiohttp.MultipartWriter`.
 */
export class MultipartWriter extends Payload implements Iterable<Payload> {
  /** What separates the parts. */
  readonly boundary: string;
  readonly #parts: Part[] = [];
  readonly #isFormData: boolean;
  #isClosed = false;

  /**
   * @param subtype - `mixed` (default), `form-data`, `related`, …
   * @param boundary - default: a random one.
   * @throws RangeError for a boundary that cannot be one.
   */
  constructor(subtype = 'mixed', boundary: string | null = null) {
    const separator = boundary ?? randomBytes(16).toString('hex');
    super(null, { contentType: `multipart/${subtype}; boundary=${boundaryValue(separator)}` });
    this.boundary = separator;
    this.#isFormData = subtype === 'form-data';
  }

  /** How many parts there are. */
  get length(): number {
    return this.#parts.length;
  }

  /** The parts. */
  *[Symbol.iterator](): IterableIterator<Payload> {
    for (const { payload } of this.#parts) yield payload;
  }

  override get consumed(): boolean {
    return this.#isClosed || this.#parts.some(({ payload }) => payload.consumed);
  }

  override get autoclose(): boolean {
    return this.#parts.every(({ payload }) => payload.autoclose);
  }

  override get size(): number | null {
    let total = 0;
    for (const { payload, contentEncoding, transferEncoding } of this.#parts) {
      const { size } = payload;
      if (size === null || contentEncoding !== null || transferEncoding !== null) return null;
      total += this.#opening.length + payload._binaryHeaders.length + size + 2;
    }
    return total + this.#closing.length;
  }

  get #opening(): string {
    return `--${this.boundary}\r\n`;
  }

  get #closing(): string {
    return `--${this.boundary}--\r\n`;
  }

  /**
   * Add a part.
   *
   * @param obj - a payload, or anything that one can be made of.
   * @param headers - of the part, beside those of the payload.
   * @returns its payload.
   * @throws TypeError for what no payload can be made of, and as `appendPayload`.
   */
  append(obj: unknown, headers: LooseHeaders | null = null): Payload {
    if (obj instanceof Payload) {
      if (headers !== null) obj.headers.update(headers);
      return this.appendPayload(obj);
    }
    let payload: Payload;
    try {
      payload = getPayload(obj, { headers });
    } catch (cause) {
      if (!(cause instanceof LookupError)) throw cause;
      throw new TypeError(`Cannot create payload from ${repr(obj)}`, { cause });
    }
    return this.appendPayload(payload);
  }

  /**
   * Add a part. Its `Content-Encoding` (`gzip`, `deflate`) and `Content-Transfer-Encoding` (`base64`,
   * `quoted-printable`) are applied when it is written.
   *
   * @throws RuntimeError for an encoding that is not known; AssertionError for one in a form, where none may be.
   */
  appendPayload(payload: Payload): Payload {
    const { headers } = payload;
    if (this.#isFormData) {
      // RFC 7578 has no such headers in its parts (4.7, 4.8).
      for (const name of ['Content-Encoding', 'Content-Length', 'Content-Transfer-Encoding']) {
        if (headers.has(name)) throw new AssertionError(`a part of a form has no ${name}`);
      }
      if (!headers.has('Content-Disposition')) {
        payload.setContentDisposition('form-data', { name: `section-${this.#parts.length}` });
      }
      this.#parts.push({ payload, contentEncoding: null, transferEncoding: null });
      return payload;
    }
    const contentEncoding = checkContentEncoding(headers.get('Content-Encoding') || 'identity');
    const transferEncoding = (headers.get('Content-Transfer-Encoding') ?? '').toLowerCase();
    if (!['', 'base64', 'quoted-printable', 'binary'].includes(transferEncoding)) {
      throw new RuntimeError(`unknown content transfer encoding: ${transferEncoding}`);
    }
    const part = {
      payload,
      contentEncoding,
      transferEncoding: ['', 'binary'].includes(transferEncoding) ? null : transferEncoding,
    };
    const { size } = payload;
    if (size !== null && part.contentEncoding === null && part.transferEncoding === null) {
      headers.set('Content-Length', String(size));
    }
    this.#parts.push(part);
    return payload;
  }

  /** Add a part of JSON. @throws TypeError for what is no JSON. */
  appendJson(obj: unknown, headers: LooseHeaders | null = null): Payload {
    return this.appendPayload(new JsonPayload(obj, { headers }));
  }

  /** Add a part that is a form as text. */
  appendForm(
    obj: Readonly<Record<string, unknown>> | Iterable<FormField>,
    headers: LooseHeaders | null = null,
  ): Payload {
    const isPairs = typeof obj === 'object' && obj !== null && Symbol.iterator in obj;
    if (typeof obj !== 'object' || obj === null) {
      throw new TypeError(`a form is an object or pairs, not ${repr(obj)}`);
    }
    const text = urlencode(isPairs ? obj : Object.entries(obj));
    const contentType = 'application/x-www-form-urlencoded';
    return this.appendPayload(new StringPayload(text, { headers, contentType }));
  }

  /** The text of it, as it is written. @throws TypeError if a part has to be read first, or is encoded. */
  override decode(encoding = 'utf-8', errors = 'strict'): string {
    const parts = this.#parts.map(({ payload, contentEncoding, transferEncoding }) => {
      if (contentEncoding !== null || transferEncoding !== null) {
        throw new TypeError('Unable to decode a body with encoded parts. Call asBytes() instead.');
      }
      return `${this.#opening}${decodeText(payload._binaryHeaders, encoding, errors)}${payload.decode(encoding, errors)}\r\n`;
    });
    return parts.join('') + this.#closing;
  }

  /**
   * Write all parts.
   *
   * @param closeBoundary - whether to write the end. Default true.
   */
  override write(writer: AbstractStreamWriter, closeBoundary = true): Coroutine<void> {
    return writeParts(this, writer, closeBoundary);
  }

  /** All of it, as it is written. */
  override asBytes(_encoding?: string, _errors?: string): Coroutine<Buffer> {
    return readParts(this);
  }

  /** Close the payloads of all parts. An error is logged. */
  override close(): Coroutine<void> {
    return closeParts(this);
  }

  /** @internal */
  override _bytes(): Uint8Array | null {
    const { size } = this;
    if (size === null || size > SMALL) return null;
    const pieces: Uint8Array[] = [];
    for (const { payload } of this.#parts) {
      const bytes = payload._bytes();
      if (bytes === null) return null;
      this.#checkName(payload);
      pieces.push(Buffer.from(this.#opening), payload._binaryHeaders, bytes, Buffer.from('\r\n'));
    }
    return Buffer.concat([...pieces, Buffer.from(this.#closing)]);
  }

  /** @internal */
  *_writeTo(writer: AbstractStreamWriter, closeBoundary: boolean): Gen<void> {
    for (const { payload, contentEncoding, transferEncoding } of this.#parts) {
      this.#checkName(payload);
      yield* writer.write(Buffer.from(this.#opening));
      yield* writer.write(payload._binaryHeaders);
      if (contentEncoding === null && transferEncoding === null) {
        yield* payload._write(writer, null);
      } else {
        const encoded = new PartWriter(writer, contentEncoding, transferEncoding);
        try {
          yield* payload._write(encoded, null);
          yield* encoded.writeEof();
        } finally {
          encoded.close();
        }
      }
      yield* writer.write(Buffer.from('\r\n'));
    }
    if (closeBoundary) yield* writer.write(Buffer.from(this.#closing));
  }

  /** A part of a form has a name (RFC 7578, 4.2). */
  #checkName({ headers }: Payload): void {
    if (!this.#isFormData || headers.get('Content-Disposition')?.includes('name=') === true) return;
    if (headers.get('Content-Disposition')?.includes('name*=') === true) return;
    throw new AssertionError('a part of a form needs a Content-Disposition with a name');
  }

  /** @internal */
  *_close(): Gen<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const [index, { payload }] of this.#parts.entries()) {
      if (payload.autoclose) continue;
      try {
        yield* payload.close();
      } catch (error) {
        logger.error(`Failed to close multipart part ${index}: ${error}`);
      }
    }
  }
}

/** The boundary as a parameter of the content type: in quotes if it is no token. */
function boundaryValue(boundary: string): string {
  if (/[^\0-\x7f]/.test(boundary)) throw new RangeError('boundary should contain ASCII only chars');
  if (isToken(boundary)) return boundary;
  if (CONTROL.test(boundary)) throw new RangeError('boundary value contains invalid characters');
  return `"${boundary.replaceAll(/[\\"]/g, '\\$&')}"`;
}

const writeParts = /* @__PURE__ */ methodCoroutine(
  'MultipartWriter.write',
  function* (payload: MultipartWriter, writer: AbstractStreamWriter, closeBoundary: boolean): Gen<void> {
    yield* payload._writeTo(writer, closeBoundary);
  },
);

const readParts = /* @__PURE__ */ methodCoroutine(
  'MultipartWriter.asBytes',
  function* (payload: MultipartWriter): Gen<Buffer> {
    const chunks: Uint8Array[] = [];
    const collect = methodCoroutine('write', function* (chunk: Uint8Array): Gen<void> {
      chunks.push(chunk);
    });
    const nothing = methodCoroutine('drain', function* (): Gen<void> {});
    yield* payload._writeTo({ outputSize: 0, write: collect, writeEof: nothing, drain: nothing }, true);
    return Buffer.concat(chunks);
  },
);

const closeParts = /* @__PURE__ */ methodCoroutine(
  'MultipartWriter.close',
  function* (payload: MultipartWriter): Gen<void> {
    yield* payload._close();
  },
);
