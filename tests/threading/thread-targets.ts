/** What the threads of the tests run. */
import { ContextVar, currentTask, type Gen, sleep, SystemExit } from 'asyncio-ts';
import {
  currentThread,
  enumerate,
  type Event,
  getIdent,
  mainThread,
  type queue,
  Thread,
} from 'asyncio-ts/threading';

export const request = new ContextVar<string>('request', { default: 'none' });

type Answers = queue.SimpleQueue<unknown>;

export function plain(answers: Answers, ...args: unknown[]): void {
  void answers.put(args);
}

export async function asynchronous(answers: Answers): Promise<void> {
  await sleep(0);
  await answers.put(`${currentTask()?.getName()} has slept`);
}

export function* generator(answers: Answers): Gen<void> {
  yield* sleep(0);
  yield* answers.put('a generator has slept');
}

export function self(answers: Answers): void {
  let joined = 'nothing';
  try {
    void currentThread().join();
  } catch (error) {
    joined = String(error);
  }
  const threads = enumerate().map(({ name }) => name);
  const { name, daemon } = currentThread();
  void answers.put({ name, daemon, ident: getIdent(), main: String(mainThread()), threads, joined });
}

export function variable(answers: Answers): void {
  void answers.put(request.get());
}

export class OwnError extends Error {}

export function fails(): never {
  throw new OwnError('failed over there');
}

export function exits(): never {
  throw new SystemExit(3);
}

export function exitsTheProcess(): never {
  process.exit(3);
}

export function failsLater(): Promise<never> {
  setTimeout(() => {
    throw new RangeError('too late to catch');
  });
  return new Promise(() => {});
}

export async function waits(until: Event): Promise<void> {
  await until.wait();
}

/** How deep calls can go. */
export function depth(answers: Answers): void {
  let reached = 0;
  const dive = (): void => {
    reached++;
    dive();
  };
  try {
    dive();
  } catch {
    void answers.put(reached);
  }
}

/** A thread of its own kind. */
export class Greeter extends Thread {
  readonly whom: string;
  readonly answers: Answers;

  constructor(whom: string, answers: Answers) {
    super({ name: 'greeter' });
    this.whom = whom;
    this.answers = answers;
  }

  override async run(): Promise<void> {
    await sleep(0);
    await this.answers.put(`${this.name} greets ${this.whom}`);
  }
}
