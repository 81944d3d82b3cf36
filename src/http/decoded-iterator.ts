/** What `BodyPartReader.decodeIter` gives. A part of `aiohttp/multipart.py`. */
import { methodCoroutine } from '../core/coroutines.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { BodyPartReader } from './body-part-reader.ts';
import { ContentDecoder } from './content-decoder.ts';
import { toBuffer } from './payload-bytes.ts';

/** The pieces of decoded data: for `for await`, or by `next()` also for `yield*`. */
export class DecodedIterator implements AsyncIterableIterator<Buffer, undefined> {
  readonly #part: BodyPartReader;
  #data: Buffer | null;
  #decoder: ContentDecoder | null = null;
  #isStarted = false;
  #size = 0;

  /** @internal */
  constructor(part: BodyPartReader, data: Uint8Array) {
    this.#part = part;
    this.#data = toBuffer(data);
  }

  next(): Coroutine<IteratorResult<Buffer, undefined>> & Promise<IteratorResult<Buffer, undefined>> {
    return nextDecoded(this) as ReturnType<DecodedIterator['next']>;
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this._close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @internal The next piece, or null. */
  *_next(): Gen<Buffer | null> {
    if (!this.#isStarted) this.#start();
    const decoder = this.#decoder;
    if (decoder === null) {
      const data = this.#data;
      this.#data = null;
      return data;
    }
    try {
      let piece = yield* decoder.next();
      if (piece === null) {
        yield* decoder.end();
        piece = yield* decoder.next();
      }
      if (piece === null) {
        this._close();
        return null;
      }
      this.#size += piece.length;
      this.#part._checkSize(this.#size);
      return piece;
    } catch (error) {
      this._close();
      throw error;
    }
  }

  #start(): void {
    this.#isStarted = true;
    const encoding = this.#part._contentEncoding;
    const data = this.#part._transferDecode(this.#data as Buffer);
    this.#data = data;
    if (encoding === null) return;
    this.#data = null;
    this.#decoder = new ContentDecoder(encoding);
    this.#decoder.push(data);
  }

  /** @internal */
  _close(): void {
    this.#isStarted = true;
    this.#data = null;
    this.#decoder?.close();
    this.#decoder = null;
  }
}

const nextDecoded = /* @__PURE__ */ methodCoroutine(
  'DecodedIterator.next',
  function* (iterator: DecodedIterator): Gen<IteratorResult<Buffer, undefined>> {
    const value = yield* iterator._next();
    return value === null ? { done: true, value: undefined } : { done: false, value };
  },
);
