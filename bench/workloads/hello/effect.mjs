import { Effect } from 'effect';

await Effect.runPromise(
  Effect.gen(function* () {
    yield* Effect.yieldNow;
    console.log('hello');
  }),
);
