/** Functions that the tests have called in other threads and processes. */
import { ContextVar, currentTask, type Gen, sleep, SystemExit } from 'asyncio-ts';
import { InlineExecutor, reportProgress, ThreadPoolExecutor, transfer } from 'asyncio-ts/concurrent';
import type { Event, Lock } from 'asyncio-ts/threading';
import { isMainThread, threadId } from 'node:worker_threads';

export function add(a: number, b: number): number {
  return a + b;
}

export async function addLater(a: number, b: number): Promise<number> {
  await sleep(0.001);
  return a + b;
}

export function* addInSteps(a: number, b: number): Gen<number> {
  yield* sleep(0.001);
  return a + b;
}

export function echo<T>(value: T): T {
  return value;
}

/** Process and thread of the caller. */
export function place(): string {
  return `${process.pid}/${isMainThread ? 'main' : threadId}`;
}

export function pid(): number {
  return process.pid;
}

/** Takes `ms` of the thread's time. */
export function burn(ms: number): number {
  for (const end = performance.now() + ms; performance.now() < end; );
  return ms;
}

export async function sleepFor(ms: number): Promise<number> {
  await sleep({ milliseconds: ms });
  return ms;
}

/** Adds a word to a shared array of words, each a number, and what it is told to do. */
export function note(notes: Int32Array, ms = 0): void {
  Atomics.add(notes, 0, 1);
  Atomics.notify(notes, 0);
  burn(ms);
}

/** Runs until it is told by shared memory to end: begun is noted at 0, the permission to end at 1. */
export function blockUntil(state: Int32Array): string {
  Atomics.add(state, 0, 1);
  Atomics.notify(state, 0);
  Atomics.wait(state, 1, 0);
  return 'released';
}

export function forever(): never {
  for (;;);
}

/** Sleeps until it is cancelled, and tells what it has seen by its progress. */
export async function sleepForever(): Promise<void> {
  const { signal } = currentTask()!;
  signal.addEventListener('abort', () => reportProgress('signal'));
  reportProgress('begun');
  try {
    await sleep(1000);
  } finally {
    reportProgress('finally');
  }
}

/** Notes at 0 that it has begun, at 1 that it was cancelled. */
export async function noteCancellation(state: Int32Array): Promise<void> {
  Atomics.add(state, 0, 1);
  Atomics.notify(state, 0);
  try {
    await sleep(1000);
  } finally {
    Atomics.add(state, 1, 1);
    Atomics.notify(state, 1);
  }
}

/** Goes on in spite of its cancellation. */
export async function stubborn(): Promise<void> {
  for (;;) await sleep(0.01).catch(() => {});
}

export const user = new ContextVar<string>('tests: user', { default: 'nobody' });

export function whoAmI(): string {
  return user.get();
}

export async function changeUser(name: string): Promise<string> {
  user.set(name);
  await sleep(0);
  return user.get();
}

export class CustomError extends Error {
  override name = 'CustomError';
  readonly detail: unknown;

  constructor(message: string, detail: unknown) {
    super(message);
    this.detail = detail;
  }
}

export function fail(kind: string): never {
  switch (kind) {
    case 'custom':
      throw new CustomError('custom', { code: 7 });
    case 'cause':
      throw new TypeError('outer', { cause: new RangeError('inner', { cause: 'text' }) });
    case 'group':
      throw new AggregateError([new TypeError('one'), new RangeError('two')], 'both');
    case 'code':
      throw Object.assign(new Error('no such file'), { code: 'ENOENT', errno: -2 });
    case 'text':
      throw 'just text';
    case 'undefined':
      throw undefined;
    case 'function':
      throw Object.assign(new Error('with a function'), { fn: () => {}, ok: 1 });
    case 'getter':
      throw Object.defineProperty(new Error('x'), 'bad', {
        enumerable: true,
        get: () => {
          throw new Error('a getter that throws');
        },
      });
    case 'loop': {
      const error = new Error('goes round');
      error.cause = error;
      throw error;
    }
    case 'exit':
      throw new SystemExit(3);
    default:
      throw new Error(kind);
  }
}

export async function failLater(kind: string): Promise<never> {
  await sleep(0);
  fail(kind);
}

/** A result that cannot be sent. */
export function badResult(kind: string): unknown {
  switch (kind) {
    case 'function':
      return () => {};
    case 'nested':
      return { deep: [new Map([['key', () => {}]])] };
    case 'symbol':
      return Symbol('s');
    default:
      return new WeakMap();
  }
}

export function* count(n: number): Generator<number, void> {
  for (let i = 0; i < n; i++) yield i;
}

/** Notes at 0 how far it is, at 1 that it was left. */
export async function* countSlowly(n: number, state: Int32Array): AsyncGenerator<number, void> {
  try {
    for (let i = 0; i < n; i++) {
      Atomics.store(state, 0, i + 1);
      yield i;
      await sleep(0);
    }
  } finally {
    Atomics.add(state, 1, 1);
    Atomics.notify(state, 1);
  }
}

export async function* failAfter(n: number): AsyncGenerator<number, void> {
  for (let i = 0; i < n; i++) yield i;
  throw new CustomError('after all', n);
}

export async function* badValues(): AsyncGenerator<unknown, void> {
  yield 1;
  yield () => {};
}

export function withProgress(n: number): string {
  for (let i = 0; i < n; i++) reportProgress(i);
  return 'done';
}

export function badProgress(): void {
  reportProgress(() => {});
}

/** The size of a buffer that has arrived, and the buffer again. */
export function bounce(buffer: Uint8Array): Uint8Array {
  return transfer(buffer);
}

export function bounceNested(what: { buffer: ArrayBuffer }): { back: ArrayBuffer } {
  return { back: transfer(what.buffer) };
}

export function makeBuffers(): { list: Uint8Array[] } {
  return { list: [transfer(new Uint8Array(1000).fill(1)), new Uint8Array(3)] };
}

export async function* bufferStream(n: number): AsyncGenerator<Uint8Array, void> {
  for (let i = 0; i < n; i++) yield transfer(new Uint8Array(4).fill(i));
}

// Deaths.

export type Death = 'SIGKILL' | 'exit 0' | 'exit 1' | 'abort' | 'memory' | 'throw';

export function die(how: Death): void {
  switch (how) {
    case 'SIGKILL':
      process.kill(process.pid, 'SIGKILL');
      return burn(1000) as never;
    case 'exit 0':
      return process.exit(0);
    case 'exit 1':
      return process.exit(1);
    case 'abort':
      return process.abort();
    case 'throw':
      setImmediate(() => {
        throw new Error('outside of any call');
      });
      return;
    case 'memory': {
      const hog: number[][] = [];
      for (;;) hog.push(Array.from({ length: 10_000 }, (_, i) => i * 1.5));
    }
  }
}

export async function dieMidway(how: Death): Promise<void> {
  await sleep(0.005);
  die(how);
  await sleep(10);
}

/** Dies once its result is on its way. */
export function dieAfterReply(how: Death): string {
  setImmediate(() => die(how));
  return 'replied';
}

export function dieLater(how: Death, ms: number): string {
  setTimeout(die, ms, how);
  return 'idle';
}

export function rejectOutside(): string {
  void Promise.reject(new Error('rejected outside of any call'));
  return 'done';
}

// Initializers.

let initialized: unknown = 'not initialized';

export function initialize(value: unknown): void {
  initialized = value;
}

export async function initializeLater(value: unknown): Promise<void> {
  await sleep(0.005);
  initialized = value;
}

export function whatInitialized(): unknown {
  return initialized;
}

export function failToInitialize(): never {
  throw new TypeError('no initialization');
}

// Pools in workers.

export async function addInPool(a: number, b: number): Promise<number> {
  await using executor = new ThreadPoolExecutor(1);
  return await executor.submit(add, a, b);
}

export async function addInline(a: number, b: number): Promise<number> {
  await using executor = new InlineExecutor();
  return await executor.submit(add, a, b);
}

/** Prints, and returns at once. */
export function print(text: string): void {
  console.log(text);
}

export const bound = add.bind(null, 1, 2);
export default function theDefault(): string {
  return 'default';
}

export async function setEvent(what: { deep: Event[] }, lock: Lock): Promise<void> {
  await lock.acquire();
  what.deep[0]!.set();
}

export function failAt(n: number, bad: number): number {
  if (n === bad) throw new RangeError(`at ${n}`);
  return n;
}
