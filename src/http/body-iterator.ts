/** `for await` over what a coroutine gives. Counterpart: `AsyncStreamIterator` of `aiohttp/streams.py`. */
import { methodCoroutine } from '../core/coroutines.ts';
import type { Coroutine, Gen } from '../core/types.ts';

/** An asynchronous iterator whose `next` can be used with `await` and with `yield*`. */
export interface BodyIterator<T> extends AsyncIterableIterator<T, undefined> {
  next(): Coroutine<IteratorResult<T, undefined>> & Promise<IteratorResult<T, undefined>>;
}

/** What `readNext` gives, up to what `isEnd` says is the end. Left early, it has taken no more than it gave. */
export function iterate<T>(readNext: () => Coroutine<T>, isEnd: (value: T) => boolean): BodyIterator<T> {
  const iterator = {
    next: () => next(readNext, isEnd as (value: unknown) => boolean),
    [Symbol.asyncIterator]: () => iterator,
  } as unknown as BodyIterator<T>;
  return iterator;
}

const next = /* @__PURE__ */ methodCoroutine(
  'BodyIterator.next',
  function* (
    readNext: () => Coroutine<unknown>,
    isEnd: (value: unknown) => boolean,
  ): Gen<IteratorResult<unknown, undefined>> {
    const value = yield* readNext();
    return isEnd(value) ? { done: true, value: undefined } : { done: false, value };
  },
);
