import { run } from 'asyncio-ts';

async function main(): Promise<void> {}

// expect: Argument of type 'Promise<void>' is not assignable to parameter of type
await run(main());
