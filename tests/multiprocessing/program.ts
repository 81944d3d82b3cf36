/** A program with a child; its argument says which. Its targets stand in it, so the children import it again. */
import { createTask, isMain, sleep } from 'asyncio-ts';
import { ProcessPoolExecutor } from 'asyncio-ts/concurrent';
import { currentProcess, type Event, Event as NewEvent, Process, Queue } from 'asyncio-ts/multiprocessing';

export async function child(seconds: number): Promise<void> {
  console.log('child runs, with', process.argv[2]);
  await sleep(seconds);
  console.log('child has ended');
}

export async function answer(queue: Queue): Promise<void> {
  await sleep(0.05);
  await queue.put('an answer');
  await sleep(3600);
}

export async function fail(): Promise<void> {
  await sleep(0);
  throw new TypeError('on purpose');
}

export function print(): void {
  for (let i = 0; i < 20_000; i++) console.log(i);
}

export async function leaveBehind(): Promise<void> {
  createTask(async () => {
    try {
      await sleep(3600);
    } finally {
      console.log('cancelled');
    }
  });
  await sleep(0);
  console.log('begun');
}

export async function computeForever(ready: Event): Promise<void> {
  await ready.set();
  for (;;);
}

/** Says its pid, and stays. */
export async function stay(ready: Event): Promise<void> {
  process.on('SIGTERM', () => {});
  console.log(process.pid);
  if (currentProcess().name === 'Process-1') await new Process({ target: stay, args: [ready] }).start();
  else await ready.set();
  await sleep(3600);
}

if (isMain(import.meta)) {
  switch (process.argv[2]) {
    case 'child':
      void new Process({ target: child, args: [0.1] }).start();
      console.log('main has ended');
      break;
    case 'daemon': {
      const process = new Process({ target: child, args: [3600], daemon: true });
      await process.start();
      await process.join(0.3);
      console.log('main has ended');
      break;
    }
    case 'print':
      await new Process({ target: print }).start();
      break;
    case 'print in a pool':
    case 'left behind': {
      const executor = new ProcessPoolExecutor(1);
      await executor.submit(process.argv[2] === 'left behind' ? leaveBehind : print);
      await executor.shutdown();
      break;
    }
    case 'exit in the midst': {
      const ready = new NewEvent();
      void new ProcessPoolExecutor(1).submit(computeForever, ready);
      await ready.wait();
      process.exit(5);
      break;
    }
    case 'answer': {
      const queue = new Queue();
      void new Process({ target: answer, args: [queue], daemon: true }).start();
      console.log(await queue.get());
      break;
    }
    case 'fail': {
      const process = new Process({ target: fail });
      await process.start();
      await process.join();
      console.log(process.exitcode);
      break;
    }
    case 'stay': {
      const ready = new NewEvent();
      await new Process({ target: stay, args: [ready] }).start();
      await ready.wait();
      console.log('ready');
      break;
    }
  }
}
