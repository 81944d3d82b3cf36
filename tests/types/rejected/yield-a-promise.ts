import type { Gen } from 'asyncio-ts';

export function* main(): Gen<void> {
  // expect: Property '[suspend]' is missing in type 'Promise<number>'
  yield Promise.resolve(1);
}
