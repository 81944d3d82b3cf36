/** A part that was received, sent on. Counterpart: `BodyPartReaderPayload` of `aiohttp/multipart.py`. */
import { methodCoroutine } from '../core/coroutines.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { AbstractStreamWriter } from './abc.ts';
import type { BodyPartReader } from './body-part-reader.ts';
import { ContentDecoder } from './content-decoder.ts';
import { Payload, type PayloadOptions } from './payload-base.ts';

/** How much is read at once. */
const READ_SIZE = 2 ** 18;

/** The decoded bytes of a part, while they come. They can be sent once. */
export class BodyPartReaderPayload extends Payload {
  declare protected readonly value: BodyPartReader;
  #isConsumed = false;

  constructor(value: BodyPartReader, options?: PayloadOptions) {
    super(value, options);
    const { name, filename } = value;
    const params = {
      ...(name === null ? null : { name }),
      ...(filename === null ? null : { filename }),
    };
    if (name !== null || filename !== null) this.setContentDisposition('attachment', params);
  }

  override get consumed(): boolean {
    return this.#isConsumed;
  }

  override decode(_encoding?: string, _errors?: string): string {
    throw new TypeError('Unable to decode.');
  }

  /** Always throws: a part may be larger than the memory. */
  override asBytes(_encoding?: string, _errors?: string): Coroutine<Buffer> {
    return refuse();
  }

  override write(writer: AbstractStreamWriter): Coroutine<void> {
    return writePart(this, writer);
  }

  /** @internal */
  *_writeTo(writer: AbstractStreamWriter): Gen<void> {
    this.#isConsumed = true;
    const part = this.value;
    const encoding = part._contentEncoding;
    const decoder = encoding === null ? null : new ContentDecoder(encoding);
    try {
      for (;;) {
        const chunk = yield* part._readChunk(READ_SIZE);
        if (chunk.length === 0) break;
        const data = part._transferDecode(chunk);
        if (decoder === null) {
          if (data.length > 0) yield* writer.write(data);
        } else {
          decoder.push(data);
          yield* passOn(decoder, writer);
        }
      }
      if (decoder === null) return;
      yield* decoder.end();
      yield* passOn(decoder, writer);
    } finally {
      decoder?.close();
    }
  }
}

function* passOn(decoder: ContentDecoder, writer: AbstractStreamWriter): Gen<void> {
  for (let piece = yield* decoder.next(); piece !== null; piece = yield* decoder.next()) {
    yield* writer.write(piece);
  }
}

const writePart = /* @__PURE__ */ methodCoroutine(
  'BodyPartReaderPayload.write',
  function* (payload: BodyPartReaderPayload, writer: AbstractStreamWriter): Gen<void> {
    yield* payload._writeTo(writer);
  },
);

const refuse = /* @__PURE__ */ methodCoroutine('BodyPartReaderPayload.asBytes', function* (): Gen<Buffer> {
  throw new TypeError('Unable to read body part as bytes. Use write() to consume.');
});
