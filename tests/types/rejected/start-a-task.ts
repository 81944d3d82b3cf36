import { createTask, type Task } from 'asyncio-ts';

export function again(task: Task<number>): void {
  // expect: Argument of type 'Task<number>' is not assignable to parameter of type
  createTask(task);
}
