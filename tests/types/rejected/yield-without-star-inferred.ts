import { run, sleep } from 'asyncio-ts';

await run(
  // expect: is not assignable to parameter of type
  function* () {
    yield sleep(1);
  },
);
