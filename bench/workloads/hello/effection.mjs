import { run, sleep } from 'effection';

await run(function* () {
  yield* sleep(0);
  console.log('hello');
});
