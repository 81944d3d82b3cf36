import { sleep } from 'asyncio-ts';

// expect: Argument of type 'string' is not assignable to parameter of type 'Delay'
await sleep('1');
