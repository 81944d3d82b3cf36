/** Forms. Counterpart: `aiohttp/formdata.py`. */
import { repr } from '../core/format-helpers.ts';
import { guessFilename, isSource, keepErrors } from './byte-sources.ts';
import { type DispositionOptions, safeHeader } from './content-disposition.ts';
import { notSerializable, urlencode } from './form-urlencoded.ts';
import { isPlainObject } from './helpers.ts';
import { MultipartWriter } from './multipart-writer.ts';
import { checkOptions, optionNames } from './options.ts';
import { BytesPayload, getPayload, Payload } from './payload.ts';
import { isBytesLike } from './payload-bytes.ts';
import { AsyncIterableType } from './payload-iterable.ts';

/** What is known of a field beside its name and value. */
export interface FieldOptions {
  /** Default: by the value. */
  contentType?: string | null;
  /** What the server is to call it. Default: the name of a file, if the value is one. */
  filename?: string | null;
  /** Makes the form multipart, and has no other effect. Deprecated in aiohttp. */
  contentTransferEncoding?: string | null;
}

const FIELD_OPTIONS = /* @__PURE__ */ optionNames<FieldOptions>('FormData.addField', {
  contentType: true,
  filename: true,
  contentTransferEncoding: true,
});

interface FormOptions {
  defaultToMultipart?: boolean;
}

const FORM_OPTIONS = /* @__PURE__ */ optionNames<FormOptions>('FormData', { defaultToMultipart: true });

interface Field {
  readonly name: string;
  readonly filename: string | null;
  readonly contentType: string | null;
  readonly value: unknown;
}

/**
 * The fields of a form. It is sent URL-encoded, or as `multipart/form-data` once a file, a content type or a file name
 * is among them.
 *
 * ```ts
 * const form = new FormData({ user: 'me' });
 * form.addField('report', await open('report.csv', 'rb'), { contentType: 'text/csv' });
 * await session.post(url, { data: form });
 * ```
 *
 * Source: aiohttp 3.14 `aiohttp.FormData`.
 */
export class FormData {
  readonly #quoteFields: boolean;
  readonly #charset: string | null;
  readonly #writer = new MultipartWriter('form-data');
  #fields: Field[] = [];
  #isMultipart: boolean;

  /**
   * @param fields - an object, pairs, a `Map`, `URLSearchParams`, the host's own `FormData`, or a file.
   * @param quoteFields - write names and file names in ASCII. False: as they are, for servers that take 8 bits.
   * @param charset - the encoding of text. Default UTF-8.
   * @param options.defaultToMultipart - be multipart in any case.
   * @throws TypeError for fields that are none.
   */
  constructor(
    fields: unknown = [],
    quoteFields = true,
    charset: string | null = null,
    options: FormOptions = {},
  ) {
    checkOptions(options, FORM_OPTIONS);
    this.#quoteFields = quoteFields;
    this.#charset = charset;
    this.#isMultipart = options.defaultToMultipart ?? false;
    if (Array.isArray(fields)) this.addFields(...(fields as unknown[]));
    else if (isPlainObject(fields)) this.addFields(...Object.entries(fields));
    else this.addFields(fields);
  }

  /** Whether it will be sent as `multipart/form-data`. */
  get isMultipart(): boolean {
    return this.#isMultipart;
  }

  /**
   * Add a field.
   *
   * @param value - text, a number, bytes, a file, a stream or anything else that a payload can be made of; an array of
   *   them is several fields of the name. Bytes and what is read are sent as a file.
   * @throws TypeError for options that are no text; RangeError for texts with control characters.
   *
   * Source: aiohttp 3.14 `FormData.add_field`.
   */
  addField(name: string, value: unknown, options: FieldOptions = {}): void {
    if (typeof name !== 'string') throw new TypeError(`name must be an instance of str. Got: ${repr(name)}`);
    checkOptions(options, FIELD_OPTIONS);
    const contentType = checkText(options.contentType, 'contentType');
    const given = checkText(options.filename, 'filename');
    const transferEncoding = checkText(options.contentTransferEncoding, 'contentTransferEncoding');
    safeHeader(name);
    let filename = given;
    keepErrors(value);
    if (Array.isArray(value) && value.some(isSource)) {
      for (const one of value as unknown[]) this.addField(name, one, options);
      return;
    }
    if (isSource(value)) {
      this.#isMultipart = true;
      filename ??= guessFilename(value) ?? name;
    } else if (isBytesLike(value) && transferEncoding === null) {
      filename ??= name;
    } else if (value instanceof Payload || AsyncIterableType[Symbol.hasInstance](value)) {
      // No text: aiohttp would send what they print.
      this.#isMultipart = true;
    }
    if (filename !== null) safeHeader(filename);
    if (contentType !== null) safeHeader(contentType);
    if (filename !== null || contentType !== null || transferEncoding !== null) this.#isMultipart = true;
    this.#fields.push({ name, filename, contentType, value });
  }

  /**
   * Add fields.
   *
   * @param fields - files, `[name, value]` pairs, and collections of pairs: maps, dictionaries of several values,
   *   `URLSearchParams`, the host's own `FormData`.
   * @throws TypeError for anything else.
   *
   * Source: aiohttp 3.14 `FormData.add_fields`.
   */
  addFields(...fields: unknown[]): void {
    // Those of collections come after the others, as in aiohttp.
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i];
      if (isSource(field)) {
        this.addField(guessFilename(field) ?? 'unknown', field);
      } else if (Array.isArray(field) && field.length === 2) {
        this.addField(field[0] as string, field[1]);
      } else if (isCollection(field)) {
        if (isHostForm(field)) this.#isMultipart = true;
        fields.push(...field);
      } else {
        throw new TypeError(
          'Only io.IOBase, multidict and (name, file) pairs allowed, use .addField() for passing ' +
            `more complex parameters, got ${repr(field)}; JSON is given as json: …`,
        );
      }
    }
  }

  /** @internal What is sent. Again: the same, with the fields that were added since. */
  _toPayload(): Payload {
    return this.#isMultipart ? this.#toMultipart() : this.#toUrlencoded();
  }

  #toUrlencoded(): Payload {
    const charset = this.#charset ?? 'utf-8';
    const contentType = 'application/x-www-form-urlencoded';
    const pairs = this.#fields.map(({ name, value }) => [name, value] as const);
    return new BytesPayload(Buffer.from(urlencode(pairs, charset)), {
      contentType: charset === 'utf-8' ? contentType : `${contentType}; charset=${charset}`,
    });
  }

  #toMultipart(): Payload {
    const options: DispositionOptions = { quoteFields: this.#quoteFields };
    const fields = this.#fields;
    this.#fields = [];
    for (const { name, filename, contentType, value } of fields) {
      for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
        const part = this.#toPart(one, contentType);
        part.setContentDisposition('form-data', filename === null ? { name } : { name, filename }, options);
        part.headers.delete('Content-Length');
        this.#writer.appendPayload(part);
      }
    }
    return this.#writer;
  }

  #toPart(value: unknown, contentType: string | null): Payload {
    try {
      const data = isNumeric(value) ? String(value) : value;
      return getPayload(data, { contentType, encoding: this.#charset });
    } catch (cause) {
      throw notSerializable(value, contentType, { cause });
    }
  }
}

function checkText(value: unknown, name: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string')
    throw new TypeError(`${name} must be an instance of str. Got: ${repr(value)}`);
  return value;
}

function isNumeric(value: unknown): value is number | bigint | boolean {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
}

/** Whether `value` is iterable, and neither text nor bytes nor an array. */
function isCollection(value: unknown): value is Iterable<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !isBytesLike(value) &&
    Symbol.iterator in value
  );
}

function isHostForm(value: object): boolean {
  return (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'FormData';
}
