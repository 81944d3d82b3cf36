import { Lock } from 'asyncio-ts';

async function work(): Promise<void> {}

// expect: No overload matches this call
await new Lock().run(work());
