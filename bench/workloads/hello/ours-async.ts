import * as asyncio from 'asyncio-ts';

await asyncio.run(async () => {
  await asyncio.sleep(0);
  console.log('hello');
});
