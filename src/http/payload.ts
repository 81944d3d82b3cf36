/** What bodies are made of. Counterpart: `aiohttp/payload.py`. */
import { BaseFile, BinaryFile, TextFile } from '../files/files.ts';
import { isFileHandle, isSource } from './byte-sources.ts';
import type { Payload, PayloadOptions } from './payload-base.ts';
import { BytesPayload, StringPayload } from './payload-bytes.ts';
import { BufferedReaderPayload, IOBasePayload, TextIOPayload } from './payload-io.ts';
import { AsyncIterablePayload, AsyncIterableType } from './payload-iterable.ts';
import { type Order, type PayloadClass, PayloadRegistry, type PayloadTarget } from './payload-registry.ts';
import { StreamReader } from './streams.ts';

export { LookupError } from '../core/exceptions.ts';
export { Payload, type PayloadOptions } from './payload-base.ts';
export {
  type BytesLike,
  BytesPayload,
  JsonBytesPayload,
  JsonPayload,
  type JsonPayloadOptions,
  StringPayload,
} from './payload-bytes.ts';
export {
  BufferedReaderPayload,
  BytesIOPayload,
  IOBasePayload,
  StringIOPayload,
  TextIOPayload,
} from './payload-io.ts';
export { AsyncIterablePayload } from './payload-iterable.ts';
export { Order, type PayloadClass, PayloadRegistry, type PayloadTarget } from './payload-registry.ts';

/** The body of a response, sent on. */
class StreamReaderPayload extends AsyncIterablePayload {
  constructor(value: StreamReader, options?: PayloadOptions) {
    super(value.iterAny(), options);
  }
}

/** The payloads that `data` is looked up in. Source: aiohttp 3.14 `aiohttp.PAYLOAD_REGISTRY`. */
export const PAYLOAD_REGISTRY: PayloadRegistry = /* @__PURE__ */ createRegistry();

function createRegistry(): PayloadRegistry {
  const registry = new PayloadRegistry();
  const bytes = { [Symbol.hasInstance]: (value: unknown) => ArrayBuffer.isView(value) };
  registry.register(BytesPayload, [Buffer, Uint8Array, ArrayBuffer, SharedArrayBuffer, bytes]);
  registry.register(StringPayload, String);
  registry.register(TextIOPayload, TextFile);
  registry.register(BufferedReaderPayload, [BinaryFile, { [Symbol.hasInstance]: isFileHandle }]);
  registry.register(IOBasePayload, [BaseFile, { [Symbol.hasInstance]: isSource }]);
  registry.register(StreamReaderPayload, StreamReader);
  // After those that are for a particular kind of async iterables.
  registry.register(AsyncIterablePayload, AsyncIterableType, { order: 'try_last' });
  return registry;
}

/**
 * The payload of `data`.
 *
 * @param options - what is known of it beside its value; a payload keeps its own.
 * @throws LookupError if there is none; TypeError or RangeError if it cannot be made.
 *
 * Source: aiohttp 3.14 `aiohttp.get_payload`.
 */
export function getPayload(data: unknown, options?: PayloadOptions): Payload {
  return PAYLOAD_REGISTRY.get(data, options);
}

/**
 * Register a class of payloads, as a decorator or a plain call.
 *
 * ```ts
 * payloadType(Invoice)(InvoicePayload);
 * ```
 *
 * @param type - what it is for: a class or several, or anything else that stands on the right of `instanceof`.
 * @param options.order - when it is asked for: `try_first`, `normal` (default) or `try_last`.
 *
 * Source: aiohttp 3.14 `aiohttp.payload_type`.
 */
export function payloadType(
  type: PayloadTarget | readonly PayloadTarget[],
  options?: { order?: Order },
): <C extends PayloadClass>(payloadClass: C) => C {
  return (payloadClass) => {
    PAYLOAD_REGISTRY.register(payloadClass, type, options);
    return payloadClass;
  };
}
