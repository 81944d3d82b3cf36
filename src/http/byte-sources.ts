/** Where the bytes of files, blobs and streams come from. No counterpart: in Python all of them are `io.IOBase`. */
import { fstatSync, type ReadStream, statSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { fromPromise } from '../core/coroutines.ts';
import { typeName } from '../core/format-helpers.ts';
import type { Gen } from '../core/types.ts';
import { sleep } from '../core/waiting.ts';
import { BaseFile, BinaryFile, TextFile } from '../files/files.ts';
import { encodeText } from './charsets.ts';
import { isPlainObject } from './helpers.ts';
import { isBytesLike, toBytes } from './payload-bytes.ts';
import { nextChunk } from './payload-iterable.ts';

/** Something that bytes can be read from. */
export interface ByteSource {
  /** How many bytes there are from its begin, or null. */
  readonly size: number | null;
  /** Whether it can be read several times. */
  readonly canRewind: boolean;
  /** Be ready to read from the begin, which is where it was at first. */
  rewind(): Gen<void>;
  /** The next bytes, `n` at most if that can be chosen; none at the end. */
  read(n: number): Gen<Uint8Array>;
  /** The reader was interrupted. */
  abandon?(): void;
  /** Let go of it; absent where there is nothing to let go of. */
  close?(): PromiseLike<unknown> | void;
}

/** The size of an open file if it is one, and no pipe or terminal. */
function sizeOfFile(fd: number): number | null {
  try {
    const stats = fstatSync(fd);
    return stats.isFile() ? stats.size : null;
  } catch {
    return null;
  }
}

/** A blob or file as browsers have it, also of another implementation than Node's. */
export interface BlobLike {
  readonly size: number;
  readonly type: string;
  slice(start: number, end: number): BlobLike;
  arrayBuffer(): PromiseLike<ArrayBuffer>;
}

export function isBlob(value: unknown): value is BlobLike {
  if (typeof value !== 'object' || value === null) return false;
  const { size, slice, arrayBuffer } = value as Partial<BlobLike>;
  return typeof size === 'number' && typeof slice === 'function' && typeof arrayBuffer === 'function';
}

export function isFileHandle(value: unknown): value is FileHandle {
  if (typeof value !== 'object' || value === null) return false;
  const { fd, read, stat, close } = value as Partial<FileHandle>;
  return [read, stat, close].every((method) => typeof method === 'function') && typeof fd === 'number';
}

export function isReadable(value: unknown): value is Readable {
  if (value instanceof Readable) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { pipe, read, destroy } = value as Partial<Readable>;
  return (
    [pipe, read, destroy].every((method) => typeof method === 'function') && Symbol.asyncIterator in value
  );
}

class BlobSource implements ByteSource {
  readonly #blob: BlobLike;
  #position = 0;

  constructor(blob: BlobLike) {
    this.#blob = blob;
  }

  get size(): number {
    return this.#blob.size;
  }

  get canRewind(): boolean {
    return true;
  }

  *rewind(): Gen<void> {
    this.#position = 0;
  }

  *read(n: number): Gen<Uint8Array> {
    const piece = this.#blob.slice(this.#position, this.#position + n);
    const bytes = new Uint8Array(yield* fromPromise(piece.arrayBuffer()));
    this.#position += bytes.length;
    return bytes;
  }
}

/** Bytes at hand, in pieces, with a turn for others in between. */
class MemorySource implements ByteSource {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  get canRewind(): boolean {
    return true;
  }

  *rewind(): Gen<void> {
    this.#position = 0;
  }

  *read(n: number): Gen<Uint8Array> {
    if (this.#position > 0) yield* sleep(0);
    const piece = this.#bytes.subarray(this.#position, this.#position + n);
    this.#position += piece.length;
    return piece;
  }
}

/** Node's handle has no way to tell where it stands, so that a file is read from its begin. */
class HandleSource implements ByteSource {
  readonly #handle: FileHandle;
  readonly size: number | null;
  #position = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
    this.size = sizeOfFile(handle.fd);
  }

  get canRewind(): boolean {
    return this.size !== null;
  }

  *rewind(): Gen<void> {
    this.#position = 0;
  }

  *read(n: number): Gen<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(n);
    const place = this.size === null ? null : this.#position;
    const { bytesRead } = yield* fromPromise(this.#handle.read(buffer, 0, n, place));
    this.#position += bytesRead;
    return buffer.subarray(0, bytesRead);
  }

  close(): PromiseLike<unknown> {
    return this.#handle.close();
  }
}

/** A file of `asyncio-ts/files`. */
class FileSource implements ByteSource {
  readonly #file: BaseFile<any>; // text or bytes
  readonly #encoding: string;
  #isAtBegin = true;
  readonly #begin: number | null;

  constructor(file: BinaryFile | TextFile, encoding: string) {
    this.#file = file;
    this.#encoding = encoding;
    this.#begin = file.seekable() ? file._buffered.position : null;
  }

  get size(): number | null {
    // Text is read and encoded anew, and may have another length then.
    if (this.#begin === null || this.#file instanceof TextFile || this.#file.closed) return null;
    const size = sizeOfFile(this.#file.fileno());
    return size === null ? null : Math.max(size - this.#begin, 0);
  }

  get canRewind(): boolean {
    return this.#begin !== null;
  }

  *rewind(): Gen<void> {
    this.#isAtBegin = true;
    if (this.#begin !== null) yield* this.#file.seek(this.#begin);
  }

  *read(n: number): Gen<Uint8Array> {
    const piece = (yield* this.#file.read(n)) as string | Buffer;
    if (typeof piece !== 'string') return piece;
    const bytes = encodeText(piece, this.#encoding);
    // A byte order mark comes before the first piece only.
    const hasMark = !this.#isAtBegin && /^utf[-_]?16$/i.test(this.#encoding);
    this.#isAtBegin = false;
    return hasMark ? bytes.subarray(2) : bytes;
  }

  close(): PromiseLike<unknown> {
    return this.#file.close();
  }
}

/** Streams that are looked after, and what they failed with before somebody read them. */
const kept = new WeakMap<Readable, Error | null>();

/**
 * Keep the error of a stream for who will read it: it may fail before, as that of a file that is not there, and an
 * error that nobody listens for ends the process.
 */
function keepError(stream: Readable): void {
  if (kept.has(stream)) return;
  kept.set(stream, null);
  stream.on('error', (error: Error) => kept.set(stream, error));
}

/**
 * Keep the errors of the streams in `data` until they are read: a stream, or a form of them that is no form yet
 * (`{ file: stream }`, `[['file', [stream, stream]]]`).
 */
export function keepErrors(data: unknown, depth = 3): void {
  if (typeof data !== 'object' || data === null || isBytesLike(data)) return;
  if (isReadable(data)) keepError(data);
  else if (depth > 0) for (const one of entriesOf(data)) keepErrors(one, depth - 1);
}

function entriesOf(data: object): Iterable<unknown> {
  if (data instanceof Map) return data.values() as Iterable<unknown>;
  return Array.isArray(data) || isPlainObject(data) ? (Object.values(data) as unknown[]) : [];
}

/** A readable stream of Node. */
class ReadableSource implements ByteSource {
  readonly #stream: Readable;
  readonly size: number | null;
  #iterator: AsyncIterator<unknown> | null = null;

  constructor(stream: Readable) {
    this.#stream = stream;
    this.size = sizeOfReadStream(stream);
    keepError(stream);
  }

  get canRewind(): boolean {
    return false;
  }

  *rewind(): Gen<void> {
    if (this.#iterator !== null) return;
    // Streams of other makers than Node end, once they have failed, as if that were all.
    const error = kept.get(this.#stream) ?? null;
    if (error !== null) throw error;
    this.#iterator = this.#stream[Symbol.asyncIterator]();
  }

  *read(): Gen<Uint8Array> {
    for (;;) {
      const chunk = yield* nextChunk(this.#iterator as AsyncIterator<unknown>);
      if (chunk === null) return new Uint8Array(0);
      if (chunk.length > 0) return chunk;
    }
  }

  abandon(): void {
    // Its iterator would wait for a chunk before it returns.
    this.#stream.destroy();
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** What streams of `fs.createReadStream` have beside what their type says. */
type OpenedStream = Readable & {
  readonly path?: ReadStream['path'];
  readonly bytesRead?: number;
  readonly fd?: number | null;
  readonly start?: number;
  readonly end?: number;
};

/** What a stream that `fs.createReadStream` has made will give: its range of the file. One of a descriptor has no path. */
function sizeOfReadStream({
  path: place,
  bytesRead,
  readableEncoding,
  fd,
  start,
  end,
}: OpenedStream): number | null {
  if (place === undefined || bytesRead !== 0 || readableEncoding !== null) return null;
  try {
    const stats = typeof fd === 'number' ? fstatSync(fd) : statSync(place);
    if (!stats.isFile()) return null;
    return Math.max(Math.min(stats.size, (end ?? Number.POSITIVE_INFINITY) + 1) - (start ?? 0), 0);
  } catch {
    return null;
  }
}

/** Whether `value` can be read: a file, a blob or a stream of Node. */
export function isSource(value: unknown): boolean {
  return isBlob(value) || isFileHandle(value) || value instanceof BaseFile || isReadable(value);
}

/**
 * How to read `value`.
 *
 * @param encoding - of text, which is encoded anew.
 * @throws TypeError if it cannot be read.
 */
export function sourceOf(value: unknown, encoding: string): ByteSource {
  if (isBlob(value)) return new BlobSource(value);
  if (isBytesLike(value)) return new MemorySource(toBytes(value));
  if (isFileHandle(value)) return new HandleSource(value);
  if (value instanceof BinaryFile || value instanceof TextFile) return new FileSource(value, encoding);
  if (isReadable(value)) return new ReadableSource(value);
  throw new TypeError(
    `value argument must be a Readable, a FileHandle, a Blob or a file, not ${typeName(value)}`,
  );
}

/** The name of a file without its directories, or null: `name` of a `File`, `path` of a stream of Node. */
export function guessFilename(value: unknown): string | null {
  const { name, path: place } = value as { name?: unknown; path?: unknown };
  const text = [name, place].find((found) => typeof found === 'string' || found instanceof URL);
  if (text === undefined) return null;
  const whole = text instanceof URL ? decodeURIComponent(text.pathname) : text;
  if (whole.startsWith('<') || whole.endsWith('>')) return null;
  return path.basename(whole) || null;
}
