import * as asyncio from 'asyncio-ts';

await asyncio.run(function* () {
  yield* asyncio.sleep(0);
  console.log('hello');
});
