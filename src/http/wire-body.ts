/** A body that is asked for piece by piece. No counterpart in aiohttp, whose writer is a task. */
import type { Socket } from 'node:net';
import { ClientConnectionError, ClientError } from './exceptions.ts';

/** Ends the wait of whoever sends the body. */
const gone = (): Error => new ClientConnectionError('Connection closed');

/**
 * A body for the engine: that of the caller, which is returned when the socket closes before its end, even while its next
 * piece is on the way or before the first was asked for.
 */
export class WireBody implements AsyncIterable<Uint8Array> {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #socket: Socket;
  readonly #onClose = (): void => this.#stop();
  #isOver = false;
  #fail: ((error: Error) => void) | null = null;

  constructor(body: AsyncIterable<Uint8Array>, socket: Socket) {
    this.#iterator = body[Symbol.asyncIterator]();
    this.#socket = socket;
    if (socket.closed) this.#stop();
    else socket.once('close', this.#onClose);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        this.#stop();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#isOver) return Promise.reject(gone());
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#iterator.next().then(
        ({ done, value }) => {
          if (done !== true) {
            resolve({ done: false, value });
            return;
          }
          this.#finish();
          resolve({ done: true, value: undefined });
        },
        (error: unknown) => {
          this.#finish();
          reject(sendError(error));
        },
      );
    });
  }

  #finish(): void {
    this.#isOver = true;
    this.#fail = null;
    this.#socket.off('close', this.#onClose);
  }

  #stop(): void {
    if (this.#isOver) return;
    const fail = this.#fail;
    this.#finish();
    fail?.(gone());
    // What it says at its end is no news any more.
    void Promise.resolve(this.#iterator.return?.()).catch(() => {});
  }
}

function sendError(error: unknown): Error {
  if (error instanceof ClientError) return error;
  const text = `Failed to send bytes into the underlying connection: ${String(error)}`;
  return new ClientConnectionError(text, { cause: error });
}
