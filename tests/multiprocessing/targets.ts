/** What the processes of these tests call. */
import { type Gen, sleep, SystemExit } from 'asyncio-ts';
import {
  type BoundedSemaphore,
  type Connection,
  type Event,
  type JoinableQueue,
  type Lock,
  type Queue,
  type RLock,
  type SimpleQueue,
  Process,
  connection,
  currentProcess,
  parentProcess,
} from 'asyncio-ts/multiprocessing';

export function nothing(): void {}

export async function put(queue: Queue, ...items: unknown[]): Promise<void> {
  for (const item of items) await queue.put(item);
}

export function* putAsGenerator(queue: Queue, item: unknown): Gen<void> {
  yield* sleep(0);
  yield* queue.put(item);
}

/** Puts without waiting, and ends. */
export function putAndLeave(queue: Queue, count: number): void {
  for (let i = 0; i < count; i++) void queue.put(i);
}

export async function describeSelf(queue: Queue, options?: object): Promise<void> {
  const parent = parentProcess();
  const inner = new Process({ target: nothing });
  await queue.put({
    text: String(currentProcess()),
    pid: process.pid,
    parent: [parent?.name, parent?.pid, parent?.isAlive()],
    inner: inner.name,
    argv: process.argv.slice(2),
    options,
  });
}

/** The ways to end. */
export function end(way: string): void {
  switch (way) {
    case 'throw':
      throw new TypeError('thrown on purpose');
    case 'SystemExit':
      throw new SystemExit(3);
    case 'SystemExit text':
      throw new SystemExit('a last word');
    case 'SystemExit null':
      throw new SystemExit();
    case 'exit':
      process.exit(4);
      break;
    case 'exitCode':
      process.exitCode = 5;
      break;
    case 'abort':
      process.abort();
      break;
    case 'SIGKILL':
      process.kill(process.pid, 'SIGKILL');
      break;
    case 'out of memory': {
      const hoard: unknown[] = [];
      for (;;) hoard.push(new Array(10_000).fill(hoard.length));
    }
  }
}

/** Does not end by SIGTERM. */
export async function stubborn(ready: Event): Promise<void> {
  process.on('SIGTERM', () => {});
  await ready.set();
  await sleep(3600);
}

export async function waitForever(ready?: Event): Promise<void> {
  await ready?.set();
  await sleep(3600);
}

export class Counter extends Process {
  queue: Queue;
  first: number;

  constructor(queue: Queue, first: number) {
    super({ name: 'counter' });
    this.queue = queue;
    this.first = first;
  }

  override async run(): Promise<void> {
    await this.queue.put([this === currentProcess(), this.name, this.first + 1]);
  }
}

/** Adds one to what is in the queue, `count` times, so that without the lock it would go wrong. */
export async function increment(lock: Lock, cell: Queue<number>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await lock.run(async () => {
      const value = await cell.get();
      await cell.put(value + 1);
    });
  }
}

/** Holds the lock until it is killed. */
export async function holdForever(lock: Lock | RLock, ready: Event): Promise<void> {
  await lock.acquire();
  await ready.set();
  await sleep(3600);
}

/** Acquires and ends as it should, without releasing. */
export async function acquireAndEnd(lock: Lock): Promise<void> {
  await lock.acquire();
}

export async function lockTwice(lock: RLock, answers: Queue): Promise<void> {
  await lock.acquire();
  await lock.acquire();
  await answers.put(await lock.locked());
  await lock.release();
  await lock.release();
  try {
    await lock.release();
  } catch (error) {
    await answers.put(String(error));
  }
}

/** Takes items until it is killed, and says so. */
export async function take(queue: Queue, taken: Queue): Promise<void> {
  for (;;) await taken.put(await queue.get());
}

/** Asks for an item, then says so. */
export async function askAndTell(queue: Queue, answers: Queue): Promise<void> {
  const item = queue.get();
  await answers.put('asked');
  await item;
}

export async function takeSome(queue: Queue, count: number, answers: Queue): Promise<void> {
  const items: unknown[] = [];
  for (let i = 0; i < count; i++) items.push(await queue.get());
  await answers.put(items);
}

export async function work(jobs: JoinableQueue<number>, results: SimpleQueue<number>): Promise<void> {
  for (;;) {
    const job = await jobs.get();
    if (job < 0) break;
    await results.put(job * 2);
    await jobs.taskDone();
  }
}

/** Cancels its gets, each time a little later, until one has come before. */
export async function takeHesitating(queue: Queue<number>, count: number, answers: Queue): Promise<void> {
  const items: number[] = [];
  let patience = 0;
  while (items.length < count) {
    const get = queue.get();
    await sleep(patience);
    patience += 0.0003;
    if (get.cancel()) continue;
    items.push(await get);
    patience = 0;
  }
  await answers.put(items);
}

export async function echo(end: Connection): Promise<void> {
  try {
    for (;;) await end.send(await end.recv());
  } catch (error) {
    if ((error as Error).name !== 'EOFError') throw error;
  }
}

export async function sendBytes(end: Connection, bytes: Uint8Array): Promise<void> {
  await end.sendBytes(bytes);
}

export async function tryEverything(limits: BoundedSemaphore, answers: Queue): Promise<void> {
  const said: unknown[] = [await limits.acquire(false), await limits.acquire(true, 0.01)].map(Boolean);
  said.push(await limits.getValue());
  await limits.release();
  said.push(await limits.release().then(() => 'released', String));
  await answers.put(said);
}

/** Hands what it got on to a child of its own. */
export async function relay(queue: Queue, lock: Lock, ready: Event): Promise<void> {
  const grandchild = new Process({ target: relayed, args: [queue, lock, ready] });
  await grandchild.start();
  await queue.put(grandchild.name);
  await grandchild.join();
  await queue.put(['grandchild', grandchild.exitcode]);
}

export async function relayed(queue: Queue, lock: Lock, ready: Event): Promise<void> {
  await ready.wait();
  await lock.run(() => queue.put(['relayed', parentProcess()?.pid === process.ppid]));
}

/** Dies with a lock that its grandparent owns. */
export async function relayHolder(lock: Lock, ready: Event): Promise<void> {
  const grandchild = new Process({ target: holdForever, args: [lock, ready] });
  await grandchild.start();
  await ready.wait();
  grandchild.kill();
  await grandchild.join();
}

export async function answerReady(first: Connection, second: Connection): Promise<void> {
  const [ready] = await connection.wait([first, second]);
  await ready?.send([ready === second, await ready.recv()]);
}

// For pools.

export function square(x: number): number {
  if (x === 13) throw new RangeError('13 is not squared');
  return x * x;
}

export async function squareSlowly(x: number): Promise<number> {
  await sleep(0.005 * (5 - x));
  return x * x;
}

export function* squareAsGenerator(x: number): Gen<number> {
  yield* sleep(0);
  return x * x;
}

export function add(a: number, b: number, options?: { times?: number }): number {
  return (a + b) * (options?.times ?? 1);
}

export class OwnError extends Error {
  override name = 'OwnError';
  code = 17;
}

export function fail(how: string): unknown {
  switch (how) {
    case 'own':
      throw new OwnError('of a class of its own');
    case 'uncloneable':
      throw Object.assign(new Error('with what cannot be cloned'), { secret: () => 0, kept: 1 });
    case 'result':
      return () => 0;
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      return sleep(10);
    default:
      process.exit(0);
  }
}

let initialized = '';

export function initialize(text: string): void {
  initialized = text;
}

export function badInitialize(): void {
  throw new Error('no way to begin');
}

export function whatIsInitialized(): string {
  return initialized;
}

export async function processOf(seconds = 0): Promise<number> {
  await sleep(seconds);
  return process.pid;
}

export function selfText(): [string, boolean] {
  return [currentProcess().name, currentProcess().daemon];
}

export function startChild(): string {
  try {
    new Process({ target: nothing }).start();
    return 'started';
  } catch (error) {
    return String(error);
  }
}

export async function putOne(queue: Queue, item: unknown): Promise<void> {
  await queue.put(item);
}

export function notExported(): (x: number) => number {
  return (x) => x;
}
