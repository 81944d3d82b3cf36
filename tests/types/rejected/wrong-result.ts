import { createTask, type Task } from 'asyncio-ts';

async function one(): Promise<number> {
  return 1;
}

// expect: Type 'Task<number>' is not assignable to type 'Task<string>'
export const task: Task<string> = createTask(one);
