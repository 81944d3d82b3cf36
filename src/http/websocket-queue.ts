/** Messages on their way to who receives them. Counterpart: `WebSocketDataQueue` in `aiohttp/_websocket/reader.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import type { Future } from '../core/futures.ts';
import type { Gen } from '../core/types.ts';
import { EofStream } from './data-queue.ts';
import { waitOutside } from './helpers.ts';
import type { AnyMessage } from './websocket-models.ts';

/** Bytes of messages that may wait to be received before the peer is held up, and when it may go on. */
const HIGH_WATER = 2 ** 17;
const LOW_WATER = 2 ** 16;
/** What a message counts besides its bytes, so that a flood of empty ones is held up, too. */
const MESSAGE_OVERHEAD = 64;

/** Messages that have come and were not received yet. */
export class WebSocketDataQueue {
  readonly #loop: BaseEventLoop;
  /** The messages from `#next` on are there to read. */
  #messages: AnyMessage[] = [];
  #next = 0;
  #size = 0;
  #isEof = false;
  #error: Error | null = null;
  #waiter: Future<void> | null = null;
  /** Called when messages are few again after `isFull` was true. */
  onRoom: (() => void) | null = null;
  isFull = false;

  constructor(loop: BaseEventLoop) {
    this.#loop = loop;
  }

  feedData(message: AnyMessage): void {
    if (this.#isEof) return;
    this.#messages.push(message);
    this.#size += sizeOf(message);
    if (this.#size > HIGH_WATER) this.isFull = true;
    this.#wake();
  }

  feedEof(): void {
    this.#isEof = true;
    this.#wake();
  }

  /** Comes after the messages that are there. The first counts. */
  setException(error: Error): void {
    this.#error ??= error;
    this.feedEof();
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null && !waiter.done()) waiter.setResult();
  }

  /**
   * The next message.
   *
   * @throws what `setException` was given, or EofStream, again and again.
   *
   * Cancellation: no message is lost.
   */
  *read(): Gen<AnyMessage> {
    if (this.#next === this.#messages.length && !this.#isEof) {
      const waiter = this.#loop.createFuture<void>();
      this.#waiter = waiter;
      try {
        yield* waitOutside(this.#loop, waiter);
      } finally {
        if (this.#waiter === waiter) this.#waiter = null;
      }
    }
    return this.#take();
  }

  #take(): AnyMessage {
    const message = this.#messages[this.#next];
    if (message === undefined) throw this.#error ?? new EofStream();
    this.#next++;
    if (this.#next === this.#messages.length) {
      this.#messages = [];
      this.#next = 0;
    } else if (this.#next === 1024) {
      this.#messages = this.#messages.slice(this.#next);
      this.#next = 0;
    }
    this.#size -= sizeOf(message);
    if (this.isFull && this.#size < LOW_WATER) {
      this.isFull = false;
      this.onRoom?.();
    }
    return message;
  }
}

const sizeOf = ({ data }: AnyMessage): number =>
  MESSAGE_OVERHEAD + (typeof data === 'string' || Buffer.isBuffer(data) ? data.length : 0);
