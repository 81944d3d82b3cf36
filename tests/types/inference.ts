/** What the compiler infers. Nothing here runs: the file passes when it compiles. */
import {
  type Awaitable,
  Barrier,
  Condition,
  type Coroutine,
  coroutine,
  createTask,
  ensureFuture,
  type Future,
  fromPromise,
  gather,
  type Gen,
  type Guard,
  LifoQueue,
  Lock,
  PriorityQueue,
  Queue,
  type QueueIterator,
  run,
  Semaphore,
  shield,
  sleep,
  type Task,
  TaskGroup,
  timeout,
  wait,
  waitFor,
} from 'asyncio-ts';

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;

/** `exactly<T>()(value)` compiles only if the type of the value is `T`, not merely assignable to it. */
const exactly =
  <Expected>() =>
  <Actual>(_value: Actual, ..._different: Equal<Actual, Expected> extends true ? [] : [never]): void => {};

const asyncNumber = async (): Promise<number> => 1;
function* generatedText(): Gen<string> {
  yield* sleep(0);
  return 'text';
}
const lazyNumber = coroutine(asyncNumber);
const lazyText = coroutine(generatedText);

export function coroutineFunctions(): void {
  exactly<() => Coroutine<number>>()(lazyNumber);
  exactly<() => Coroutine<string>>()(lazyText);

  const page = coroutine(
    async (url: string, options?: { retries: number }) => [url, options?.retries] as const,
  );
  exactly<(url: string, options?: { retries: number }) => Coroutine<readonly [string, number | undefined]>>()(
    page,
  );

  const rest = coroutine(function* (...words: string[]): Gen<number> {
    yield* sleep(0);
    return words.length;
  });
  exactly<(...words: string[]) => Coroutine<number>>()(rest);
}

export function genericsSurvive(): void {
  const first = coroutine(async <T>(items: readonly T[]): Promise<T | null> => items[0] ?? null);
  exactly<Coroutine<number | null>>()(first([1, 2]));
  exactly<Coroutine<string | null>>()(first(['a']));

  const twice = coroutine(function* <T extends object>(item: T): Gen<[T, T]> {
    yield* sleep(0);
    return [item, item];
  });
  exactly<Coroutine<[string[], string[]]>>()(twice(['a']));
}

export class Counter {
  count = 0;

  add = coroutine(async (by: number): Promise<number> => (this.count += by));

  static readonly reset = coroutine(function* (this: Counter): Gen<void> {
    yield* sleep(0);
    this.count = 0;
  });
}

export function thisSurvives(counter: Counter): void {
  exactly<(this: Counter) => Coroutine<void>>()(Counter.reset);
  exactly<Coroutine<void>>()(Counter.reset.call(counter));
  exactly<Coroutine<number>>()(counter.add(2));
}

export async function awaitInAsyncFunctions(): Promise<void> {
  exactly<number>()(await lazyNumber());
  exactly<string>()(await createTask(lazyText()));
  exactly<void>()(await sleep(1));
  exactly<'value'>()(await sleep<'value'>({ milliseconds: 250 }, 'value'));
  exactly<Response>()(await fromPromise((signal) => fetch('about:blank', { signal })));
  exactly<number>()(await ensureFuture(asyncNumber()));
}

export function* yieldInGenerators(): Gen<void> {
  exactly<number>()(yield* lazyNumber());
  exactly<string>()(yield* lazyText());
  exactly<string>()(yield* generatedText());
  exactly<string>()(yield* createTask(generatedText()));
  exactly<void>()(yield* sleep(1));
  exactly<number>()(yield* fromPromise(asyncNumber()));
  exactly<[number, string]>()(yield* gather(lazyNumber(), generatedText()));
  exactly<boolean>()(yield* waitFor(async () => true, 1));
}

export function tasks(): void {
  exactly<Task<number>>()(createTask(asyncNumber));
  exactly<Task<string>>()(createTask(generatedText));
  exactly<Task<string>>()(createTask(generatedText()));
  exactly<Task<number>>()(createTask(lazyNumber()));
  exactly<Task<number>>()(createTask(lazyNumber, { name: 'first' }));
  exactly<Promise<number>>()(run(asyncNumber));
  exactly<Promise<string>>()(run(generatedText));
  exactly<Promise<string>>()(run(generatedText()));
  exactly<Promise<number>>()(run(lazyNumber()));
  const asFuture: Future<number> = createTask(asyncNumber);
  const asAwaitable: Awaitable<number> = asFuture;
  const asPromiseLike: PromiseLike<number> = asAwaitable;
  exactly<Promise<number>>()(asFuture.toPromise());
  void asPromiseLike;
}

export async function gathering(): Promise<void> {
  exactly<Future<[number, string, boolean]>>()(gather(asyncNumber, generatedText(), Promise.resolve(true)));
  exactly<Future<[number, string]>>()(gather([lazyNumber(), createTask(lazyText())]));
  exactly<Future<[]>>()(gather());
  exactly<Future<[]>>()(gather([]));

  const many: Coroutine<number>[] = [lazyNumber(), lazyNumber()];
  exactly<Future<number[]>>()(gather(many));
  exactly<number[]>()(await gather(...many));

  const [number, text] = await gather([lazyNumber(), lazyText()], { returnExceptions: true });
  exactly<number | Error>()(number);
  exactly<string | Error>()(text);
}

export async function waiting(): Promise<void> {
  exactly<Coroutine<number>>()(waitFor(lazyNumber(), 1));
  exactly<Coroutine<number>>()(waitFor(asyncNumber(), null));
  exactly<Future<string>>()(shield(generatedText()));
  const [done, pending] = await wait([createTask(asyncNumber)]);
  exactly<Set<Task<number>>>()(done);
  exactly<Set<Task<number>>>()(pending);
}

export async function contextManagers(): Promise<void> {
  exactly<number>()(await timeout(1).run(async () => 1));
  exactly<string>()(await timeout(null).run(() => generatedText()));
  exactly<string>()(await new TaskGroup().run(() => 'no await in it'));

  let seen = 0;
  exactly<void>()(
    await new TaskGroup().run((group) => {
      exactly<TaskGroup>()(group);
      exactly<Task<string>>()(group.createTask(generatedText()));
      seen++;
    }),
  );
  exactly<number>()(
    await new TaskGroup().run(function* (group) {
      const task = group.createTask(lazyNumber());
      return yield* task;
    }),
  );
  void seen;
}

export async function locks(): Promise<void> {
  const lock = new Lock();
  exactly<Coroutine<Guard>>()(lock.acquire());
  const disposable: Disposable = await lock.acquire();
  using held = await lock.acquire();
  exactly<Guard>()(held);
  exactly<void>()(held.release());
  exactly<Coroutine<number>>()(lock.run(async () => 1));
  exactly<Coroutine<string>>()(lock.run(generatedText));
  exactly<Coroutine<boolean>>()(lock.run(() => true));
  exactly<Coroutine<string>>()(lock.run(() => generatedText()));
  let count = 0;
  exactly<Coroutine<void>>()(
    new Semaphore(2).run(() => {
      count++;
    }),
  );
  exactly<number>()(new Semaphore().value);
  void [disposable, count];
}

export function* conditions(): Gen<void> {
  const condition = new Condition();
  exactly<true>()(yield* condition.wait());
  const jobs: string[] = [];
  exactly<string | undefined>()(yield* condition.waitFor(() => jobs[0]));
  exactly<number>()(yield* condition.run(() => jobs.length));
}

export async function barriers(): Promise<void> {
  const barrier = new Barrier(2);
  exactly<number>()(await barrier.wait());
  exactly<string>()(
    await barrier.run(async (position) => {
      exactly<number>()(position);
      return 'through';
    }),
  );
  exactly<number>()(
    await barrier.run(function* (position) {
      yield* sleep(0);
      return position;
    }),
  );
}

export async function queues(): Promise<void> {
  const queue = new Queue<string>(3);
  exactly<Coroutine<void>>()(queue.put('a'));
  exactly<Coroutine<string>>()(queue.get());
  exactly<string>()(queue.getNowait());
  for await (const item of queue) exactly<string>()(item);
  for await (const item of queue[Symbol.asyncIterator]()) exactly<string>()(item);
  const iterator: AsyncIterator<string> = queue[Symbol.asyncIterator]();
  exactly<QueueIterator<string>>()(queue[Symbol.asyncIterator]());
  const result = await queue[Symbol.asyncIterator]().next();
  if (result.done) exactly<undefined>()(result.value);
  else exactly<string>()(result.value);
  void iterator;

  const jobs = new PriorityQueue<[number, string]>(0, {
    compare: (a, b) => {
      exactly<[number, string]>()(a);
      return a[0] - b[0];
    },
  });
  exactly<[number, string]>()(await jobs.get());
  const asQueue: Queue<[number, string]> = jobs;
  exactly<[number, string]>()(await asQueue.get());
  exactly<Date>()(new LifoQueue<Date>().getNowait());
}

export function* queuesInGenerators(): Gen<void> {
  const queue = new Queue<number>();
  exactly<number>()(yield* queue.get());
  exactly<void>()(yield* queue.put(1));
  const { done, value } = yield* queue[Symbol.asyncIterator]().next();
  exactly<boolean | undefined>()(done);
  exactly<number | undefined>()(value);
}

/** A subclass that keeps its items otherwise. */
export class Latest extends Queue<number> {
  declare protected _queue: number[];

  protected override _init(maxsize: number): void {
    exactly<number>()(maxsize);
    this._queue = [];
  }

  protected override _put(item: number): void {
    this._queue = [item];
  }

  protected override _get(): number {
    return this._queue.pop() as number;
  }
}
