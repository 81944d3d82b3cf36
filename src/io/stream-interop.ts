/**
 * Streams of the web and of Node, made of ours and the other way round. No counterpart in CPython. Whoever is slower
 * makes the other wait, in both directions.
 */
import type { Readable, Writable } from 'node:stream';
import type { ReadableStream, WritableStream } from 'node:stream/web';
import { asError } from '../core/exceptions.ts';
import { typeName } from '../core/format-helpers.ts';
import type { Task } from '../core/tasks.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { stream, webStreams } from './builtins.ts';
import type { StreamReader } from './stream-reader.ts';
import type { StreamWriter } from './streams.ts';

/** How much is read at a time if nothing is there yet. */
const CHUNK = 64 * 1024;

/** Let `reader` fetch from `source`, a chunk at a time, whenever somebody waits for data. */
export function fetchFrom(reader: StreamReader, source: AsyncIterator<unknown>): void {
  const loop = reader._loop;
  let isFetching = false;
  const settle = (feed: () => void): void => {
    isFetching = false;
    loop._endForeignWait();
    if (loop.isClosed()) return;
    feed();
    // A chunk may be empty.
    if (reader._line.first !== null) fetch();
  };
  const fetch = (): void => {
    if (isFetching || reader._eof || reader._exception !== null) return;
    isFetching = true;
    // What it waits for is outside of the loop: virtual time must not pass it by.
    loop._foreignWaits++;
    loop._needDrain();
    new Promise<IteratorResult<unknown>>((resolve) => resolve(source.next() as never)).then(
      ({ done, value }) => settle(() => (done ? reader.feedEof() : feedChunk(reader, value))),
      (error) => settle(() => reader.setException(asError(error))),
    );
  };
  reader._fetch = fetch;
}

function feedChunk(reader: StreamReader, chunk: unknown): void {
  if (typeof chunk === 'string') reader.feedData(Buffer.from(chunk));
  else if (chunk instanceof Uint8Array) reader.feedData(chunk);
  else
    reader.setException(new TypeError(`a stream of bytes was expected, got a chunk of ${typeName(chunk)}`));
}

/** The reads of a foreign stream: one at a time, each in a task of its own. */
class Reading {
  readonly #reader: StreamReader;
  #task: Task<Buffer> | null = null;

  constructor(reader: StreamReader) {
    this.#reader = reader;
  }

  /** The next chunk, empty at the end. */
  async next(): Promise<Buffer> {
    const reader = this.#reader;
    // As it came, so that nothing is copied.
    const size = reader._buffer.firstSize || CHUNK;
    this.#task = reader._loop.createTask(() => reader.read(size));
    try {
      return await this.#task.toPromise();
    } finally {
      this.#task = null;
    }
  }

  stop(): void {
    this.#task?.cancel();
  }
}

export function readerToWeb(reader: StreamReader): ReadableStream<Uint8Array> {
  const reading = new Reading(reader);
  const source = {
    async pull(controller: { enqueue(data: Uint8Array): void; close(): void }): Promise<void> {
      const data = await reading.next();
      if (data.length === 0) controller.close();
      else controller.enqueue(data);
    },
    cancel: () => reading.stop(),
  };
  return new (webStreams().ReadableStream)<Uint8Array>(source, { highWaterMark: 0 });
}

export function readerToNode(reader: StreamReader): Readable {
  const reading = new Reading(reader);
  return new (stream().Readable)({
    read() {
      reading.next().then(
        (data) => void this.push(data.length === 0 ? null : data),
        (error) => void this.destroy(asError(error)),
      );
    },
    destroy(error, callback) {
      reading.stop();
      callback(error);
    },
  });
}

/** Wait in a task of its own. */
function inTask(writer: StreamWriter, wait: () => Coroutine<void> | Gen<void>): Promise<void> {
  return writer._loop.createTask(wait).toPromise();
}

/** Undefined if there is room. */
function drained(writer: StreamWriter): Promise<void> | undefined {
  return writer._mustDrain() ? inTask(writer, () => writer.drain()) : undefined;
}

/** No more will be written: half-close it, or close it where that cannot be. */
function* finish(writer: StreamWriter): Gen<void> {
  if (writer.canWriteEof()) {
    writer.writeEof();
    yield* writer.drain();
  } else {
    writer.close();
    yield* writer.waitClosed();
  }
}

export function writerToWeb(writer: StreamWriter): WritableStream<Uint8Array> {
  return new (webStreams().WritableStream)<Uint8Array>({
    write(chunk) {
      writer.write(chunk);
      return drained(writer);
    },
    close: () => inTask(writer, () => finish(writer)),
    abort: () => writer.transport.abort(),
  });
}

type Callback = (error?: Error | null) => void;

/** Call `callback` when `act` has ended: at once if it has nothing to wait for. */
function report(act: () => Promise<void> | undefined, callback: Callback): void {
  let done: Promise<void> | undefined;
  try {
    done = act();
  } catch (error) {
    callback(asError(error));
    return;
  }
  if (done === undefined) callback();
  else {
    done.then(
      () => callback(),
      (error) => callback(asError(error)),
    );
  }
}

export function writerToNode(writer: StreamWriter): Writable {
  return new (stream().Writable)({
    write(chunk: Buffer, _encoding, callback) {
      report(() => {
        writer.write(chunk);
        return drained(writer);
      }, callback);
    },
    writev(chunks, callback) {
      report(() => {
        writer.writelines(chunks.map(({ chunk }) => chunk as Buffer));
        return drained(writer);
      }, callback);
    },
    final: (callback) => report(() => inTask(writer, () => finish(writer)), callback),
    destroy(error, callback) {
      if (error !== null) writer.transport.abort();
      callback(error);
    },
  });
}
