import { PriorityQueue, Queue } from 'asyncio-ts';

const queue = new Queue<string>();
// expect: Argument of type 'number' is not assignable to parameter of type 'string'
await queue.put(1);
// expect: Argument of type 'number' is not assignable to parameter of type 'string'
queue.putNowait(1);
// expect: Type 'string' is not assignable to type 'number'
export const item: number = await queue.get();
// expect: Type 'string' is not assignable to type 'number'
export const byLength = new PriorityQueue<string>(0, { compare: (a, b) => a });
