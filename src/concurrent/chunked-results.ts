/** The results of `Executor.map` where several calls make one chunk. */
import type { MapResults } from './executor.ts';
import type { Future } from './futures.ts';
import { Started } from './started.ts';
import { asNext, type StartedIterator } from './waiting.ts';

/** The chunks, and the calls for them. */
type Chunks<R> = StartedIterator<R[]> & Iterable<Future<R[]>>;

type Next<R> = Started<IteratorResult<R, undefined>>;

/** Gives the results of chunks one by one, in order. */
export class ChunkedResults<R> implements MapResults<R> {
  readonly #chunks: Chunks<R>;
  /** Of the chunk that is being given out. */
  #results: R[] = [];
  #waiting: Next<R>[] = [];
  #isAsking = false;
  #hasEnded = false;

  constructor(chunks: Chunks<R>) {
    this.#chunks = chunks;
  }

  next(): Next<R> & Promise<IteratorResult<R, undefined>> {
    const next: Next<R> = new Started<IteratorResult<R, undefined>>('map().next()', {
      withdraw: () => {
        this.#waiting = this.#waiting.filter((other) => other !== next);
      },
      giveBack: (result) => {
        if (result.done !== true) this.#results.unshift(result.value);
        this.#serve();
      },
    });
    this.#waiting.push(next);
    this.#serve();
    return asNext(next);
  }

  #serve(): void {
    while (this.#waiting.length > 0 && (this.#results.length > 0 || this.#hasEnded)) {
      const next = this.#waiting.shift() as Next<R>;
      if (this.#results.length > 0) next._resolve({ done: false, value: this.#results.shift() as R });
      else next._resolve({ done: true, value: undefined });
    }
    if (this.#waiting.length > 0 && !this.#isAsking) this.#ask();
  }

  /** Wait for the next chunk, which stays here if nobody waits for it any more. */
  #ask(): void {
    this.#isAsking = true;
    this.#chunks.next()._whenEnded((outcome) => {
      this.#isAsking = false;
      if (outcome.kind === 'result' && outcome.value.done !== true) this.#results = outcome.value.value;
      else {
        this.#hasEnded = true;
        if (outcome.kind === 'error') this.#waiting.shift()?._reject(outcome.error);
      }
      this.#serve();
    });
  }

  return(): Promise<IteratorResult<R, undefined>> {
    this.#hasEnded = true;
    this.#results = [];
    this.#serve();
    return this.#chunks.return?.().then(() => ({ done: true, value: undefined })) as Promise<
      IteratorResult<R, undefined>
    >;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.iterator](): Iterator<Future<R[]>> {
    return this.#chunks[Symbol.iterator]();
  }
}
