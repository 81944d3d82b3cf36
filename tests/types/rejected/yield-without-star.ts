import { type Gen, sleep } from 'asyncio-ts';

export function* main(): Gen<void> {
  // expect: Property '[suspend]' is missing in type 'Coroutine<void>'
  yield sleep(1);
}
