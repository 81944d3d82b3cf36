/**
 * Compression of small messages in place: to hand a message to a thread of zlib's and to hear of its end takes ten times as
 * long. Counterpart: `compress_sync` and `decompress_sync` of `aiohttp/compression_utils.py`.
 */
import zlib, { constants, type Zlib, type ZlibReset } from 'node:zlib';
import type { Inflated, WsDeflate } from './websocket-library.ts';

/** Bytes that zlib takes about as long for as it takes to wake a thread. */
const SMALL = 4096;
/** What a sender leaves out at the end of each message. */
const TRAILER: Buffer = Buffer.from([0, 0, 0xff, 0xff]);

/** Parts of Node's streams of zlib that it does not document, and keeps: npm unpacks all its packages by them. */
interface InPlace extends Zlib, ZlibReset, NodeJS.EventEmitter {
  _handle: { close(): void } | null;
  /** Returns what comes out, in memory that is used again, and closes the handle. Throws what zlib finds wrong. */
  _processChunk(data: Uint8Array, flush: number): Buffer;
}

/** Put bytes through a stream that is not at work, and that goes on. One that throws is of no use any more. */
function putThrough(stream: InPlace, data: Uint8Array): Buffer {
  const handle = stream._handle as { close(): void };
  const listeners = stream.listeners('error') as (() => void)[];
  // An error is thrown, and told once more in a later turn.
  stream.removeAllListeners('error').on('error', () => {});
  // With its handle a stream would lose what later messages refer to.
  handle.close = () => {};
  try {
    const out = Buffer.from(stream._processChunk(data, constants.Z_SYNC_FLUSH));
    stream._handle = handle;
    stream.removeAllListeners('error');
    for (const listener of listeners) stream.on('error', listener);
    return out;
  } finally {
    Reflect.deleteProperty(handle, 'close');
    if (stream._handle === null) handle.close();
  }
}

let isPossible: boolean | null = null;

/** Whether this version of Node still has them: two messages go through, the second by what the first has left. */
function canPutThrough(): boolean {
  isPossible ??= tryToPutThrough();
  return isPossible;
}

function tryToPutThrough(): boolean {
  const deflate = zlib.createDeflateRaw() as unknown as InPlace;
  const inflate = zlib.createInflateRaw() as unknown as InPlace;
  try {
    const text = Buffer.from('asyncio');
    const first = putThrough(deflate, text);
    const second = putThrough(deflate, text);
    return (
      second.length < first.length &&
      putThrough(inflate, first).equals(text) &&
      putThrough(inflate, second).equals(text)
    );
  } catch {
    return false;
  } finally {
    deflate.close();
    inflate.close();
  }
}

/** What `ws` keeps: the streams of a WebSocket, from its first message on. */
interface Streams {
  _deflate?: InPlace | null;
  _inflate?: InPlace | null;
}

/**
 * Let `deflate` do small messages in place, where Node allows that; `ws` still does large ones, the parts of one, and the
 * first. Messages larger than the `maxOutputLength` that it was made with are errors.
 *
 * @param forgets - whether nothing is kept from one message to the next, of what is sent and of what comes.
 */
export function doSmallInPlace(
  deflate: WsDeflate,
  forgets: { readonly sent: boolean; readonly received: boolean },
): void {
  if (!canPutThrough()) return;
  const streams = deflate as Streams;
  const compress = deflate.compress.bind(deflate);
  const decompress = deflate.decompress.bind(deflate);
  // Results are given in a turn of their own: whoever gets one goes on with the next message, and there may be thousands.
  deflate.compress = (data, fin, callback) => {
    const stream = streams._deflate;
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    // Of nothing zlib makes nothing, not even a trailer.
    if (!stream || !fin || bytes.length === 0 || bytes.length > SMALL) {
      compress(bytes, fin, callback);
      return;
    }
    const out = putThrough(stream, bytes);
    if (forgets.sent) stream.reset();
    process.nextTick(callback, null, out.subarray(0, -TRAILER.length));
  };
  let isInMidst = false;
  deflate.decompress = (data, fin, callback) => {
    const stream = streams._inflate;
    const isPart = isInMidst || !fin;
    isInMidst = !fin;
    if (!stream || isPart || data.length > SMALL) decompress(data, fin, callback);
    else process.nextTick(callback, ...inflate(streams, stream, data, forgets.received));
  };
}

function inflate(streams: Streams, stream: InPlace, data: Buffer, forgets: boolean): Parameters<Inflated> {
  const input = Buffer.concat([data, TRAILER]);
  try {
    const out = putThrough(stream, input);
    // Bytes are left where the sender has ended its own stream: what comes next is of a new one.
    if (forgets || stream.bytesWritten < input.length) stream.reset();
    return [null, out];
  } catch (error) {
    streams._inflate = null;
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') return [error as Error];
    const tooLarge = new RangeError('Max payload size exceeded', { cause: error });
    return [Object.assign(tooLarge, { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' })];
  }
}
