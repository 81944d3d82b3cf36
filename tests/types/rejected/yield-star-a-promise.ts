import type { Gen } from 'asyncio-ts';

export function* main(): Gen<void> {
  // expect: must have a '[Symbol.iterator]()' method that returns an iterator
  yield* Promise.resolve(1);
}
