import { createTask } from 'asyncio-ts';

// expect: Argument of type 'Promise<number>' is not assignable to parameter of type
createTask(Promise.resolve(1));
