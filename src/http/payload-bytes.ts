/** Bodies that are bytes or text at hand. Counterpart: a part of `aiohttp/payload.py`. */
import { methodCoroutine } from '../core/coroutines.ts';
import { typeName } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import { runningLoop } from '../core/running.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { AbstractStreamWriter } from './abc.ts';
import { decodeText, encodeText } from './charsets.ts';
import { parseMimetype } from './helpers.ts';
import { Payload, type PayloadOptions } from './payload-base.ts';

/** Bytes of any kind. */
export type BytesLike = ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

/** One piece of so many bytes keeps other work waiting while it is sent. */
const TOO_LARGE_BYTES_BODY = 2 ** 20;

/** Whether `value` is bytes. */
export function isBytesLike(value: unknown): value is BytesLike {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

/** The same memory as bytes. */
export function toBytes(value: BytesLike): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (!ArrayBuffer.isView(value)) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Bytes. They are sent in one piece, so that in debug mode more than 1 MiB is warned about: a `BytesIOPayload` lets
 * other work go on in between.
 *
 * Source: aiohttp 3.14 `aiohttp.BytesPayload`.
 */
export class BytesPayload extends Payload {
  declare protected readonly value: Uint8Array;

  /** @throws TypeError for what is not bytes. */
  constructor(value: BytesLike, options: PayloadOptions = {}) {
    if (!isBytesLike(value)) throw new TypeError(`value argument must be byte-ish, not ${typeName(value)}`);
    super(toBytes(value), { ...options, contentType: options.contentType ?? 'application/octet-stream' });
    if (this.size > TOO_LARGE_BYTES_BODY && runningLoop()?.getDebug() === true) {
      logger.warning(
        'ResourceWarning: Sending a large body directly with raw bytes might lock the event loop. ' +
          'You should probably pass a BytesIOPayload object instead',
      );
    }
  }

  override get size(): number {
    return this.value.byteLength;
  }

  override get autoclose(): boolean {
    return true;
  }

  override decode(encoding = 'utf-8', errors = 'strict'): string {
    return decodeText(this.value, encoding, errors);
  }

  override write(writer: AbstractStreamWriter): Coroutine<void> {
    return this.writeWithLength(writer, null) as Coroutine<void>;
  }

  override writeWithLength(
    writer: AbstractStreamWriter,
    contentLength: number | null,
  ): Coroutine<void> | PromiseLike<void> {
    return writer.write(contentLength === null ? this.value : this.value.subarray(0, contentLength));
  }

  /** Whether no subclass writes it in another way. */
  get #isOwnWriter(): boolean {
    const own = BytesPayload.prototype as unknown as Record<string, unknown>;
    const { write, writeWithLength } = this as unknown as Record<string, unknown>;
    return write === own['write'] && writeWithLength === own['writeWithLength'];
  }

  override asBytes(_encoding?: string, _errors?: string): Coroutine<Buffer> {
    return whole(this.value);
  }

  /** @internal */
  override _bytes(): Uint8Array | null {
    return this.#isOwnWriter ? this.value : null;
  }
}

const whole = /* @__PURE__ */ methodCoroutine('Payload.asBytes', function* (value: Uint8Array): Gen<Buffer> {
  return toBuffer(value);
});

/** What the text of a payload is encoded in, and what its type says of that. */
export function textOptions({ encoding, contentType }: PayloadOptions): {
  encoding: string;
  contentType: string;
} {
  if (typeof encoding === 'string') {
    return { encoding, contentType: contentType ?? `text/plain; charset=${encoding}` };
  }
  if (typeof contentType !== 'string') {
    return { encoding: 'utf-8', contentType: 'text/plain; charset=utf-8' };
  }
  return { encoding: parseMimetype(contentType).parameters.get('charset') ?? 'utf-8', contentType };
}

/**
 * Text. Its encoding is the one given, or the charset of the content type, or UTF-8.
 *
 * Source: aiohttp 3.14 `aiohttp.StringPayload`.
 */
export class StringPayload extends BytesPayload {
  declare readonly encoding: string;

  /** @throws RangeError for a character that the encoding does not have; LookupError for an unknown encoding. */
  constructor(value: string, options: PayloadOptions = {}) {
    if (typeof value !== 'string')
      throw new TypeError(`value argument must be a string, not ${typeName(value)}`);
    const { encoding, contentType } = textOptions(options);
    super(encodeText(value, encoding), { ...options, encoding, contentType });
  }
}

/** Options of a `JsonPayload`. */
export interface JsonPayloadOptions extends PayloadOptions {
  /** Makes the text. Default `JSON.stringify`. */
  dumps?: (value: unknown) => string;
}

/**
 * JSON.
 *
 * Source: aiohttp 3.14 `aiohttp.JsonPayload`.
 */
export class JsonPayload extends BytesPayload {
  /** @throws TypeError for what is no JSON: undefined, a function, a bigint, a circle. */
  constructor(value: unknown, options: JsonPayloadOptions = {}) {
    const { dumps = JSON.stringify, encoding, contentType } = options;
    const text = dumps(value) as string | undefined;
    if (typeof text !== 'string')
      throw new TypeError(`Object of type ${typeName(value)} is not JSON serializable`);
    const actual = encoding ?? 'utf-8';
    super(encodeText(text, actual), {
      ...options,
      encoding: actual,
      contentType: contentType ?? 'application/json',
    });
  }
}

/**
 * JSON by a serializer that gives bytes.
 *
 * Source: aiohttp 3.14 `aiohttp.payload.JsonBytesPayload`.
 */
export class JsonBytesPayload extends BytesPayload {
  constructor(value: unknown, options: PayloadOptions & { dumps: (value: unknown) => BytesLike }) {
    super(options.dumps(value), { ...options, contentType: options.contentType ?? 'application/json' });
  }
}
