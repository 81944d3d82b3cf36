import { coroutine, type Gen, sleep } from 'asyncio-ts';

const reset = coroutine(function* (this: { count: number }): Gen<void> {
  yield* sleep(0);
  this.count = 0;
});

// expect: The 'this' context of type 'void' is not assignable
reset();
