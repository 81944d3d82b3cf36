/** What all bodies have in common. Counterpart: `Payload` of `aiohttp/payload.py`. */
import { callCoroutine, methodCoroutine } from '../core/coroutines.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { AbstractStreamWriter } from './abc.ts';
import { encodeText } from './charsets.ts';
import { contentDispositionHeader, type DispositionOptions, safeHeader } from './content-disposition.ts';
import { guessFileType } from './mimetypes.ts';
import { CIMultiDict, type LooseHeaders } from './multidict.ts';
import { ownOptions } from './options.ts';

/** What is known of a body beside its value. */
export interface PayloadOptions {
  /** Headers of a part. They outrank the others. */
  headers?: LooseHeaders | null | undefined;
  /** Default: by the file name, or that of the kind of payload. */
  contentType?: string | null | undefined;
  /** What the receiver is to call it. */
  filename?: string | null | undefined;
  /** The encoding of text. */
  encoding?: string | null | undefined;
  /** Of a file: the type of its `Content-Disposition`. Default `attachment`; null for no such header. */
  disposition?: string | null | undefined;
}

const OCTET_STREAM = 'application/octet-stream';

/**
 * What the `data` of a request becomes, or a part of a multipart body. A class of one's own needs `write` and
 * `decode`, and a `size` if it is known; `payloadType` registers it.
 *
 * Source: aiohttp 3.14 `aiohttp.Payload`.
 */
export abstract class Payload {
  /** The headers of a part; a request takes those over that it does not have. */
  readonly headers: CIMultiDict = new CIMultiDict();
  /** The encoding of text, or null. */
  readonly encoding: string | null;
  /** What the receiver is to call it, or null. */
  readonly filename: string | null;
  protected readonly value: unknown;

  /** @throws RangeError for a content type with control characters. */
  constructor(value: unknown, options: PayloadOptions = {}) {
    const { contentType, filename, encoding, headers } = ownOptions(options);
    this.value = value;
    this.encoding = encoding ?? null;
    this.filename = filename ?? null;
    const type = contentType ?? (typeof filename === 'string' ? guessFileType(filename) : null);
    this.headers.add('Content-Type', safeHeader(type ?? OCTET_STREAM));
    if (headers !== undefined && headers !== null) this.headers.update(headers);
  }

  /** How many bytes will be written, or null if that is not known. */
  get size(): number | null {
    return null;
  }

  get contentType(): string {
    return this.headers.get('Content-Type') ?? OCTET_STREAM;
  }

  /** Whether it cannot be sent again, as for a redirect. */
  get consumed(): boolean {
    return false;
  }

  /** Whether it holds nothing that has to be closed. */
  get autoclose(): boolean {
    return false;
  }

  /**
   * Name a part: set its `Content-Disposition`.
   *
   * @param disptype - `form-data`, `attachment` or `inline`.
   * @throws RangeError for a type or a parameter that is no token, and for values that could end the header.
   */
  setContentDisposition(
    disptype: string,
    params: Readonly<Record<string, string>> = {},
    options?: DispositionOptions,
  ): void {
    this.headers.set('Content-Disposition', contentDispositionHeader(disptype, params, options));
  }

  /**
   * The text of it.
   *
   * @throws TypeError if it would have to be read first.
   */
  abstract decode(encoding?: string, errors?: string): string;

  /** Write all of it. */
  abstract write(writer: AbstractStreamWriter): Coroutine<void> | PromiseLike<void>;

  /**
   * Write it, but no more than `contentLength` bytes.
   *
   * @param contentLength - null for all. A class that has `write` alone writes all in any case.
   */
  writeWithLength(
    writer: AbstractStreamWriter,
    _contentLength: number | null,
  ): Coroutine<void> | PromiseLike<void> {
    return this.write(writer);
  }

  /** @internal `writeWithLength` in the calling task, whatever kind of function it is. */
  *_write(writer: AbstractStreamWriter, contentLength: number | null): Gen<void> {
    yield* callCoroutine(() => this.writeWithLength(writer, contentLength));
  }

  /** @internal All of it, if it is at hand and can be sent in one piece. */
  _bytes(): Uint8Array | null {
    return null;
  }

  /**
   * All of it.
   *
   * @param encoding - of text that has none of its own. Default `utf-8`.
   */
  asBytes(encoding = 'utf-8', errors = 'strict'): Coroutine<Buffer> {
    return asBytes(this, encoding, errors);
  }

  /** Close what it holds, such as a file. Waits for nothing that might take long. */
  close(): Coroutine<void> {
    return closed();
  }

  /** @internal The headers of a part as they are written. @throws RangeError for one that could begin another. */
  get _binaryHeaders(): Buffer {
    let text = '';
    for (const [name, value] of this.headers) text += `${safeHeader(name)}: ${safeHeader(value)}\r\n`;
    return Buffer.from(`${text}\r\n`);
  }
}

const asBytes = /* @__PURE__ */ methodCoroutine(
  'Payload.asBytes',
  function* (payload: Payload, encoding: string, errors: string): Gen<Buffer> {
    const actual = payload.encoding ?? encoding;
    return encodeText(payload.decode(actual, errors), actual);
  },
);

const closed = /* @__PURE__ */ methodCoroutine('Payload.close', function* (): Gen<void> {});
