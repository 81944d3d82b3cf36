/** The values of a generator that runs elsewhere, one by one. */
import type { Future } from './futures.ts';
import type { StreamSink } from './pool-call.ts';
import { STREAM_CREDIT } from './protocol.ts';
import { Started } from './started.ts';
import { asNext, type StartedIterator } from './waiting.ts';

type Next<T> = Started<IteratorResult<T, undefined>>;

/** Takes the values, and asks for more as they are used: the generator is never far ahead of the one who iterates. */
export class RemoteIterator<T> implements StreamSink, StartedIterator<T> {
  readonly #values: T[] = [];
  #waiting: Next<T>[] = [];
  #grant: ((n: number) => void) | null = null;
  #used = 0;
  #future: Future<unknown> | null = null;
  /** The last value was taken, and the end was told. */
  #hasEnded = false;
  /** Nobody iterates any more. */
  #isLeft = false;

  /** @internal The call; its end is the end of the values. */
  follow(future: Future<unknown>): this {
    this.#future = future;
    future.addDoneCallback(() => this.#serve());
    return this;
  }

  begin(grant: (n: number) => void): void {
    this.#grant = grant;
    grant(STREAM_CREDIT);
  }

  value(value: unknown): void {
    this.#values.push(value as T);
    this.#serve();
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0] as Next<T>;
      if (this.#isLeft) next._resolve({ done: true, value: undefined });
      else if (this.#values.length > 0) {
        next._resolve({ done: false, value: this.#values.shift() as T });
        this.#use();
      } else if (this.#hasEnded) next._resolve({ done: true, value: undefined });
      else if (this.#future?.done()) {
        this.#hasEnded = true;
        this.#future._whenEnded((outcome) => {
          if (outcome.kind === 'error') next._reject(outcome.error);
          else if (outcome.kind === 'cancelled')
            next._reject((this.#future as Future<unknown>)._cancelledError());
          else next._resolve({ done: true, value: undefined });
        });
      } else return;
      this.#waiting.shift();
    }
  }

  #use(): void {
    if (++this.#used < STREAM_CREDIT / 2) return;
    this.#grant?.(this.#used);
    this.#used = 0;
  }

  next(): Next<T> & Promise<IteratorResult<T, undefined>> {
    const next: Next<T> = new Started<IteratorResult<T, undefined>>('stream().next()', {
      withdraw: () => {
        this.#waiting = this.#waiting.filter((other) => other !== next);
      },
      giveBack: (result) => {
        if (!result.done) this.#values.unshift(result.value);
      },
    });
    this.#waiting.push(next);
    this.#serve();
    return asNext(next);
  }

  /** Leave: the generator is cancelled where it is, and its `finally` blocks run. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#isLeft = true;
    this.#future?.abort();
    this.#serve();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
