/** A part that is compressed or encoded on its way. Counterpart: `MultipartPayloadWriter` of `aiohttp/multipart.py`. */
import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { fromPromise, methodCoroutine } from '../core/coroutines.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { AbstractStreamWriter } from './abc.ts';
import { toBuffer } from './payload-bytes.ts';
import { encodeQuotedPrintable } from './transfer-encodings.ts';

/** Writes to another writer what is compressed first, and then written in an encoding. */
export class PartWriter implements AbstractStreamWriter {
  readonly #writer: AbstractStreamWriter;
  readonly #compressor: Transform | null;
  readonly #transferEncoding: string | null;
  #compressed: Buffer[] = [];
  /** Bytes that make no whole group of base64 yet. */
  #rest: Buffer = Buffer.alloc(0);

  /**
   * @param contentEncoding - `deflate` goes without the header of zlib, as in aiohttp.
   * @param transferEncoding - `base64`, `quoted-printable`, or null.
   */
  constructor(
    writer: AbstractStreamWriter,
    contentEncoding: 'gzip' | 'deflate' | null,
    transferEncoding: string | null,
  ) {
    this.#writer = writer;
    this.#transferEncoding = transferEncoding;
    this.#compressor = contentEncoding === null ? null : createCompressor(contentEncoding);
    this.#compressor?.on('data', (chunk: Buffer) => this.#compressed.push(chunk));
  }

  get outputSize(): number {
    return this.#writer.outputSize;
  }

  write(chunk: Uint8Array): Coroutine<void> {
    return write(this, chunk);
  }

  /** Write the end of the part; the writer beneath goes on. */
  writeEof(chunk?: Uint8Array): Coroutine<void> {
    return writeEof(this, chunk);
  }

  drain(): Coroutine<void> {
    return this.#writer.drain();
  }

  /** Let go of the compressor. */
  close(): void {
    this.#compressor?.destroy();
  }

  /** @internal */
  *_write(chunk: Uint8Array): Gen<void> {
    const compressor = this.#compressor;
    if (compressor === null) {
      yield* this.#encode(toBuffer(chunk));
      return;
    }
    const done = new Promise<void>((resolve, reject) => {
      compressor.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
    yield* fromPromise(done);
    yield* this.#passOn();
  }

  /** @internal */
  *_writeEof(chunk?: Uint8Array): Gen<void> {
    if (chunk !== undefined) yield* this._write(chunk);
    const compressor = this.#compressor;
    if (compressor !== null) {
      const ended = new Promise<void>((resolve, reject) => {
        compressor.once('end', resolve).once('error', reject);
      });
      compressor.end();
      yield* fromPromise(ended);
      yield* this.#passOn();
    }
    if (this.#rest.length > 0) yield* this.#writer.write(Buffer.from(this.#rest.toString('base64')));
  }

  *#passOn(): Gen<void> {
    const chunks = this.#compressed;
    if (chunks.length === 0) return;
    this.#compressed = [];
    yield* this.#encode(Buffer.concat(chunks));
  }

  *#encode(chunk: Buffer): Gen<void> {
    if (this.#transferEncoding === 'base64') {
      const all = Buffer.concat([this.#rest, chunk]);
      const end = all.length - (all.length % 3);
      this.#rest = all.subarray(end);
      if (end > 0) yield* this.#writer.write(Buffer.from(all.toString('base64', 0, end)));
    } else if (this.#transferEncoding === 'quoted-printable') {
      yield* this.#writer.write(encodeQuotedPrintable(chunk));
    } else {
      yield* this.#writer.write(chunk);
    }
  }
}

function createCompressor(encoding: 'gzip' | 'deflate'): Transform {
  return encoding === 'gzip' ? zlib.createGzip() : zlib.createDeflateRaw();
}

const write = /* @__PURE__ */ methodCoroutine(
  'PartWriter.write',
  function* (writer: PartWriter, chunk: Uint8Array): Gen<void> {
    yield* writer._write(chunk);
  },
);

const writeEof = /* @__PURE__ */ methodCoroutine(
  'PartWriter.writeEof',
  function* (writer: PartWriter, chunk: Uint8Array | undefined): Gen<void> {
    yield* writer._writeEof(chunk);
  },
);
