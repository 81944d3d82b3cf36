/** A body that is sent piece by piece, while the answer may be on its way. A part of `ClientRequest` in aiohttp. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { coroutine } from '../core/coroutines.ts';
import { isCancelledError } from '../core/exceptions.ts';
import type { Task } from '../core/tasks.ts';
import type { Gen } from '../core/types.ts';
import { ClientConnectionError, ClientOSError } from './exceptions.ts';
import { StreamWriter, type StreamWriterOptions } from './http-writer.ts';
import type { Payload } from './payload.ts';

/** How to send a body. */
export interface UploadOptions extends StreamWriterOptions {
  readonly url: URL;
  /** Bytes to send at most; null for all. */
  readonly contentLength: number | null;
  /** Touch the body only when the engine asks for it: the server may not want it. */
  readonly waits: boolean;
  /** Hears of the error that ended it. */
  readonly onFail: (error: Error) => void;
}

/** The task that writes a body, and the writer that the engine reads from. */
export class Upload {
  readonly writer: StreamWriter;
  /** Whether the body is closed when it was written. */
  closesBody = false;
  readonly #task: Task<void>;

  constructor(loop: BaseEventLoop, body: Payload, options: UploadOptions) {
    this.writer = new StreamWriter(loop, options);
    this.#task = loop.createTask<void>(write(this, body, options));
  }

  /** Whether nothing is written any more. */
  get isOver(): boolean {
    return this.#task.done();
  }

  /** Whether all of it has been taken. */
  get isComplete(): boolean {
    return this.writer.isComplete;
  }

  /** Stop writing. */
  cancel(): void {
    this.writer._close();
    if (!this.#task.done()) this.#task.cancel();
  }

  /** Wait until the task is over. */
  *wait(): Gen<void> {
    if (this.#task.done()) return;
    const loop = this.#task.getLoop();
    const over = loop.createFuture();
    this.#task.addDoneCallback(() => {
      if (!over.done()) over.setResult(undefined);
    });
    yield* over;
  }
}

const write = /* @__PURE__ */ coroutine(function* writeBody(
  upload: Upload,
  body: Payload,
  { contentLength, url, waits, onFail }: UploadOptions,
): Gen<void> {
  const { writer } = upload;
  try {
    if (waits) yield* writer._asked();
    yield* body._write(writer, contentLength);
    yield* writer._writeEof();
  } catch (error) {
    // Whoever has closed the writer knows why. A body can be cancelled by itself, too, as by a task that it waits for:
    // the server must not wait for the rest of it.
    if (!writer.isClosed) onFail(uploadError(error, url));
    if (isCancelledError(error)) throw error;
  } finally {
    if (upload.closesBody) yield* body.close();
  }
});

function uploadError(error: unknown, url: URL): Error {
  if (error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string') {
    return new ClientOSError(error, `Can not write request body for ${url}`);
  }
  return new ClientConnectionError(`Failed to send bytes into the underlying connection: ${String(error)}`, {
    cause: error,
  });
}
