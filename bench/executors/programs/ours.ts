/** Our executors, and tasks for comparison. */
import { createTask, Runner } from 'asyncio-ts';
import { ProcessPoolExecutor, ThreadPoolExecutor, transfer } from 'asyncio-ts/concurrent';
import { drive, type Pool } from './drive.js';
import { add, bounce, bounceMoved } from './targets.js';

function ours(executor: ThreadPoolExecutor | ProcessPoolExecutor): Pool {
  return {
    add: () => executor.submit(add, 1, 2),
    bounce: (buffer, isMoved) =>
      isMoved ? executor.submit(bounceMoved, transfer(buffer)) : executor.submit(bounce, buffer),
    close: () => executor.shutdown(),
  };
}

async function tasks(): Promise<Pool> {
  const runner = new Runner();
  return {
    add: () => runner.submit(async () => await createTask(async () => add(1, 2))),
    bounce: (buffer) => runner.submit(async () => bounce(buffer)),
    close: () => runner.close(),
  };
}

await drive({
  threads: { open: (workers) => ours(new ThreadPoolExecutor(workers)) },
  processes: { open: (workers) => ours(new ProcessPoolExecutor(workers)) },
  tasks: { open: tasks },
});
