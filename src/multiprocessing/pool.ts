/** Pools of processes and of threads. Counterpart: `multiprocessing/pool.py`, on the engine of the executors. */
import { CancelledError, RuntimeError } from '../core/exceptions.ts';
import { asError } from '../core/exceptions.ts';
import { formatError, repr } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import type { Delay } from '../core/types.ts';
import { BrokenProcessPool, BrokenThreadPool } from '../concurrent/errors.ts';
import type { ResultOfCall } from '../concurrent/executor.ts';
import type { Future } from '../concurrent/futures.ts';
import { PoolExecutor, type PoolLimits } from '../concurrent/pool-executor.ts';
import { LoopFree, Started } from '../concurrent/started.ts';
import { checkTarget, isTarget, placeOf, type Target } from '../concurrent/targets.ts';
import { Timer } from '../concurrent/timer.ts';
import { asNext, type StartedIterator } from '../concurrent/waiting.ts';
import { startProcess, startThread, type WorkerHandle, type WorkerListener } from '../concurrent/workers.ts';
import { chunkPlace } from '../concurrent/chunks.ts';
import type { ChildNotes } from './child-handle.ts';
import { TimeoutError } from './errors.ts';
import { currentProcess, nextIdentity } from './process.ts';
import { nextAddress, secondsOf } from './shared.ts';

/** Options of `Pool`. */
export interface PoolOptions {
  /** How many workers at most. Default: the CPUs that this process may use. */
  processes?: number | null;
  /** Is called in each worker before its first job. */
  initializer?: Target<any, unknown> | null;
  initargs?: readonly unknown[];
  /** Jobs that a worker does before another takes its place; null for no limit. */
  maxtasksperchild?: number | null;
}

/** Seconds after which a worker is killed that was terminated and has not ended. */
const TERMINATE_GRACE = 5;

/** Inputs of `imap` that are taken ahead of the one who iterates, for each worker. */
const AHEAD = 2;

/** The workers; no limit of time for a job that is asked to stop, since nothing asks it. */
class Workers extends PoolExecutor {
  constructor(options: Required<PoolOptions>, kind: WorkerKind) {
    super({
      options: {
        maxWorkers: options.processes,
        initializer: options.initializer,
        initargs: options.initargs,
        maxTasksPerChild: options.maxtasksperchild,
        cancelGrace: null,
        // A worker that dies takes its own job with it, and none that waits.
        prefetch: 0,
      },
      defaultWorkers: 1,
      breaksTogether: false,
      ...kind,
    });
  }
}

interface WorkerKind {
  readonly deathMessage: string;
  readonly initializerMessage: string;
  start(listener: WorkerListener, limits: PoolLimits): WorkerHandle;
  broken(message: string, cause?: unknown): BrokenProcessPool | BrokenThreadPool;
}

const processKind: WorkerKind = {
  deathMessage: 'A process of the pool ended in the middle of its job.',
  initializerMessage: 'A process initializer failed, the pool is not usable anymore',
  start: (listener, limits) => {
    const identity = nextIdentity();
    const { name: parentName } = currentProcess();
    const notes: ChildNotes = {
      identity,
      daemon: true,
      parentName,
      parentPid: process.pid,
      argv: [],
      isSubclass: false,
    };
    return startProcess({ name: `SpawnPoolWorker-${identity.join(':')}`, ...limits, notes }, listener);
  },
  broken: (message, cause) => new BrokenProcessPool(message, { cause }),
};

let threads = 0;

const threadKind: WorkerKind = {
  deathMessage: 'A thread of the pool ended in the middle of its job.',
  initializerMessage: 'A thread initializer failed, the pool is not usable anymore',
  start: (listener, limits) => startThread({ name: `Thread-${++threads} (worker)`, ...limits }, listener),
  broken: (message, cause) => new BrokenThreadPool(message, { cause }),
};

type Outcome<T> = { readonly value: T } | { readonly error: Error };

/**
 * The result of a job, when it is there. `await result` and `yield* result` give it, as `get()` does.
 *
 * Source: CPython 3.14 `multiprocessing.pool.AsyncResult`.
 */
export class AsyncResult<R> extends LoopFree<R> {
  readonly #address = nextAddress();

  /** Whether it is there, or the job's error. */
  ready(): boolean {
    return this._outcome !== null;
  }

  /**
   * Whether the job ended without an error.
   *
   * @throws RangeError if it has not ended.
   */
  successful(): boolean {
    if (this._outcome === null) throw new RangeError(`${this} not ready`);
    return this._outcome.kind === 'result';
  }

  /**
   * Wait until it is there; its error is not thrown.
   *
   * @param timeout - seconds to wait at most; null for no limit.
   *
   * Cancellation: ends the wait only.
   */
  wait(timeout?: Delay | null): Started<void> {
    return this.#follow<void>('AsyncResult.wait()', timeout, {
      onEnd: (wait) => wait._resolve(),
      onTimeout: (wait) => wait._resolve(),
    });
  }

  /**
   * The result.
   *
   * @param timeout - seconds to wait at most; null for no limit.
   * @throws the job's error; `multiprocessing.TimeoutError`, after which the job goes on.
   *
   * Cancellation: ends the wait only. A job of a pool cannot be cancelled: take an executor for that.
   */
  get(timeout?: Delay | null): Started<R> {
    return this.#follow<R>('AsyncResult.get()', timeout, {
      onEnd: (wait, outcome) => {
        if ('value' in outcome) wait._resolve(outcome.value);
        else wait._reject(outcome.error);
      },
      onTimeout: (wait) => wait._reject(new TimeoutError()),
    });
  }

  #follow<T>(
    what: string,
    timeout: Delay | null | undefined,
    end: { onEnd(wait: Started<T>, outcome: Outcome<R>): void; onTimeout(wait: Started<T>): void },
  ): Started<T> {
    const seconds = secondsOf(timeout);
    let timer: Timer | null = null;
    const wait = new Started<T>(what, { withdraw: () => timer?.cancel() });
    this._whenEnded((outcome) => {
      timer?.cancel();
      end.onEnd(wait, outcome as Outcome<R>);
    });
    if (seconds !== null && !wait.done()) timer = new Timer(seconds, () => end.onTimeout(wait));
    return wait;
  }

  /** @internal */
  _end(outcome: Outcome<R>): void {
    if ('value' in outcome) this._settle({ kind: 'result', value: outcome.value });
    else this._settle({ kind: 'error', error: outcome.error });
  }

  /** @internal */
  _abandon(): void {}

  /** @internal */
  _cancelledError(): Error {
    return new CancelledError();
  }

  /** @internal */
  _what(): string {
    return `multiprocessing.pool.ApplyResult object at ${this.#address}`;
  }
}

/** The results of `imap`: an item's error is thrown at its turn, and `next()` can go on behind it. */
export interface PoolResults<R> extends StartedIterator<R> {
  /** @param timeout - seconds to wait at most; then `multiprocessing.TimeoutError`, and the result is the next one's. */
  next(timeout?: Delay | null): Started<IteratorResult<R, undefined>> & Promise<IteratorResult<R, undefined>>;
}

type Callback<T> = ((value: T) => unknown) | null | undefined;

/**
 * A pool of processes that do jobs, several at a time. `await using pool = new Pool(4)` terminates it at the end of the
 * block.
 *
 * The workers are started one by one, as jobs need them. One that dies in the middle of a job makes it fail with
 * BrokenProcessPool, and is replaced; in Python nobody ever hears of that job again.
 *
 * @param processes - how many at most. Default: the CPUs that this process may use.
 * @param initializer - is called in each with `initargs`; if it fails, so do the jobs.
 * @param maxtasksperchild - jobs that a worker does before another takes its place.
 * @throws RangeError, TypeError for options that make no sense.
 *
 * Source: CPython 3.14 `multiprocessing.Pool`.
 */
export class Pool implements AsyncDisposable {
  readonly #workers: Workers;
  readonly #size: number;
  #state: 'RUN' | 'CLOSE' | 'TERMINATE' = 'RUN';
  #killer: Timer | null = null;
  readonly #streams = new Set<InputReader<any>>();

  constructor(
    processes?: number | null,
    initializer?: Target<any, unknown> | null,
    initargs?: readonly unknown[],
    maxtasksperchild?: number | null,
  );
  constructor(options: PoolOptions);
  /** @internal */
  constructor(options: PoolOptions, kind: WorkerKind);
  constructor(
    first?: number | null | PoolOptions,
    second?: Target<any, unknown> | WorkerKind | null,
    initargs: readonly unknown[] = [],
    maxtasksperchild: number | null = null,
  ) {
    const isOptions = typeof first === 'object' && first !== null;
    const given: PoolOptions = isOptions
      ? first
      : {
          processes: first ?? null,
          initializer: (second ?? null) as Target<any, unknown> | null,
          initargs,
          maxtasksperchild,
        };
    const kind = isOptions ? ((second as WorkerKind | undefined) ?? processKind) : processKind;
    const options = { processes: null, initializer: null, initargs: [], maxtasksperchild: null, ...given };
    const { availableParallelism } = process.getBuiltinModule('node:os');
    const size = options.processes ?? availableParallelism();
    if (!(size >= 1)) throw new RangeError('Number of processes must be at least 1');
    const { maxtasksperchild: most, initializer } = options;
    if (most !== null && (!Number.isInteger(most) || most <= 0)) {
      throw new RangeError('maxtasksperchild must be a positive int or None');
    }
    if (initializer !== null && !isTarget(initializer)) throw new TypeError('initializer must be a callable');
    this.#size = size;
    this.#workers = new Workers({ ...options, processes: size }, kind);
  }

  #checkRunning(): void {
    if (this.#state !== 'RUN') throw new RangeError('Pool not running');
  }

  /**
   * Have `func(...args)` called in a worker.
   *
   * @param func - a function that a module exports (sync, async or generator coroutine), or `{ target, module }`.
   * @param kwds - one more argument behind the others.
   * @throws at once RangeError if the pool is closed; by the wait the function's error, PicklingError,
   *   BrokenProcessPool, RuntimeError if the pool is terminated.
   *
   * Cancellation: ends the wait only.
   *
   * Source: CPython 3.14 `multiprocessing.pool.Pool.apply`.
   */
  apply<A extends unknown[], R>(
    func: Target<A, R>,
    args?: A,
    kwds?: object | null,
  ): Started<ResultOfCall<R>> {
    return this.applyAsync(func, args, kwds).get();
  }

  /**
   * As `apply`, with the result as an object.
   *
   * @param callback - is called with the result, `errorCallback` with the error, as soon as it is there. What they throw
   *   is logged.
   *
   * Source: CPython 3.14 `multiprocessing.pool.Pool.apply_async`.
   */
  applyAsync<A extends unknown[], R>(
    func: Target<A, R>,
    args?: A,
    kwds?: object | null,
    callback?: Callback<ResultOfCall<R>>,
    errorCallback?: Callback<Error>,
  ): AsyncResult<ResultOfCall<R>> {
    this.#checkRunning();
    checkTarget(func, 'func');
    const all = [...(args ?? []), ...(kwds && Object.keys(kwds).length > 0 ? [kwds] : [])];
    const result = new AsyncResult<ResultOfCall<R>>();
    this.#submit(func, all, (outcome) => {
      tell(outcome, callback, errorCallback);
      result._end(outcome);
    });
    return result;
  }

  #submit(func: Target<any, any>, args: unknown[], onEnd: (outcome: Outcome<any>) => void): void {
    const future = this.#workers.submit(func, ...args) as Future<unknown>;
    future._whenEnded((outcome) => {
      if (outcome.kind === 'result') onEnd({ value: outcome.value });
      else if (this.#state === 'TERMINATE') onEnd({ error: new RuntimeError('Pool not running') });
      else if (outcome.kind === 'error') onEnd({ error: asError(outcome.error) });
      // The function cancelled itself.
      else onEnd({ error: new CancelledError() });
    });
  }

  /**
   * Call `func` with each item, and give the results in the order of the items. The first error is thrown, when all
   * jobs have ended.
   *
   * @param chunksize - items that make one job. Default: so many that each worker gets four jobs.
   * @throws as `apply`.
   *
   * Source: CPython 3.14 `multiprocessing.pool.Pool.map`.
   */
  map<T, R>(
    func: Target<[T], R>,
    iterable: Iterable<T>,
    chunksize?: number | null,
  ): Started<ResultOfCall<R>[]> {
    return this.mapAsync(func, iterable, chunksize).get();
  }

  /** As `map`, with the results as an object. */
  mapAsync<T, R>(
    func: Target<[T], R>,
    iterable: Iterable<T>,
    chunksize?: number | null,
    callback?: Callback<ResultOfCall<R>[]>,
    errorCallback?: Callback<Error>,
  ): AsyncResult<ResultOfCall<R>[]> {
    return this.#mapAsync(func, iterable, chunksize, false, callback, errorCallback);
  }

  /** As `map`, of items that are arrays of arguments. */
  starmap<A extends unknown[], R>(
    func: Target<A, R>,
    iterable: Iterable<A>,
    chunksize?: number | null,
  ): Started<ResultOfCall<R>[]> {
    return this.starmapAsync(func, iterable, chunksize).get();
  }

  /** As `starmap`, with the results as an object. */
  starmapAsync<A extends unknown[], R>(
    func: Target<A, R>,
    iterable: Iterable<A>,
    chunksize?: number | null,
    callback?: Callback<ResultOfCall<R>[]>,
    errorCallback?: Callback<Error>,
  ): AsyncResult<ResultOfCall<R>[]> {
    return this.#mapAsync(func, iterable, chunksize, true, callback, errorCallback);
  }

  #mapAsync<R>(
    func: Target<any, R>,
    iterable: Iterable<unknown>,
    chunksize: number | null | undefined,
    isStar: boolean,
    callback: Callback<ResultOfCall<R>[]>,
    errorCallback: Callback<Error>,
  ): AsyncResult<ResultOfCall<R>[]> {
    this.#checkRunning();
    checkTarget(func, 'func');
    const items = [...iterable];
    const size = chunksize ?? Math.max(1, Math.ceil(items.length / (this.#size * 4)));
    if (items.length > 0) checkChunksize(size);
    const values = new Array<ResultOfCall<R>>(items.length);
    const result = new AsyncResult<ResultOfCall<R>[]>();
    let failure: Error | null = null;
    let left = Math.ceil(items.length / size);
    const end = (): void => {
      const outcome = failure === null ? { value: values } : { error: failure };
      tell(outcome, callback, errorCallback);
      result._end(outcome);
    };
    for (let begin = 0; begin < items.length; begin += size) {
      this.#submitChunk(func, items.slice(begin, begin + size), isStar, (outcome) => {
        if ('error' in outcome) failure ??= outcome.error;
        else outcome.value.forEach((value, i) => (values[begin + i] = value as ResultOfCall<R>));
        if (--left === 0) end();
      });
    }
    if (items.length === 0) result._end({ value: [] });
    return result;
  }

  #submitChunk(
    func: Target<any, any>,
    items: readonly unknown[],
    isStar: boolean,
    onEnd: (outcome: Outcome<unknown[]>) => void,
  ): void {
    if (items.length === 1) {
      // One item needs nothing around it: errors of the program's own classes come with their class.
      const args = isStar ? (items[0] as unknown[]) : [items[0]];
      this.#submit(func, [...args], (outcome) =>
        onEnd('value' in outcome ? { value: [outcome.value] } : outcome),
      );
      return;
    }
    let place: ReturnType<typeof placeOf>;
    try {
      place = placeOf(func);
    } catch (error) {
      queueMicrotask(() => onEnd({ error: asError(error) }));
      return;
    }
    this.#submit(chunkPlace(), [place, items, isStar], onEnd);
  }

  /**
   * As `map`, one result after the other in the order of the items, as they are asked for. The items are taken as they are
   * needed, a few ahead of the results that were taken; in Python all at once.
   *
   * @param iterable - also an asynchronous one.
   * @param chunksize - items that make one job. Default 1.
   *
   * Source: CPython 3.14 `multiprocessing.pool.Pool.imap`.
   */
  imap<T, R>(
    func: Target<[T], R>,
    iterable: Iterable<T> | AsyncIterable<T>,
    chunksize = 1,
  ): PoolResults<ResultOfCall<R>> {
    return this.#imap(func, iterable, chunksize, true);
  }

  /** As `imap`, in the order in which the results come. */
  imapUnordered<T, R>(
    func: Target<[T], R>,
    iterable: Iterable<T> | AsyncIterable<T>,
    chunksize = 1,
  ): PoolResults<ResultOfCall<R>> {
    return this.#imap(func, iterable, chunksize, false);
  }

  #imap<T, R>(
    func: Target<[T], R>,
    iterable: Iterable<T> | AsyncIterable<T>,
    chunksize: number,
    isOrdered: boolean,
  ): PoolResults<ResultOfCall<R>> {
    this.#checkRunning();
    checkTarget(func, 'func');
    checkChunksize(chunksize);
    const reader: InputReader<ResultOfCall<R>> = new InputReader<ResultOfCall<R>>({
      inputs: iterable,
      chunksize,
      isOrdered,
      ahead: this.#size * AHEAD,
      submit: (items, onEnd) => this.#submitChunk(func, items, false, onEnd),
      onDone: () => this.#streams.delete(reader),
    });
    this.#streams.add(reader);
    reader.begin();
    return reader;
  }

  /** No more jobs. Those that there are, are done, and the workers end. */
  close(): void {
    if (this.#state !== 'RUN') return;
    this.#state = 'CLOSE';
    void this.#finish();
  }

  /** Iterations take their inputs to the end before the workers go. */
  async #finish(): Promise<void> {
    await Promise.all([...this.#streams].map((stream) => stream.whenRead));
    if (this.#state === 'CLOSE') void this.#workers.shutdown(false);
  }

  /**
   * End the workers at once, by SIGTERM and five seconds later by SIGKILL. Results that are awaited fail with RuntimeError;
   * in Python they never come.
   */
  terminate(): void {
    if (this.#state === 'TERMINATE') return;
    this.#state = 'TERMINATE';
    for (const stream of this.#streams) stream.stop(new RuntimeError('Pool not running'));
    this.#workers.terminateWorkers();
    this.#killer = new Timer(TERMINATE_GRACE, () => this.#workers.killWorkers());
    this.#workers.shutdown(true)._whenEnded(() => this.#killer?.cancel());
  }

  /**
   * Wait until the workers have ended.
   *
   * @throws RangeError before `close` or `terminate`.
   *
   * Cancellation: ends the wait only.
   */
  join(): Started<void> {
    if (this.#state === 'RUN') throw new RangeError('Pool is still running');
    const wait = new Started<void>('Pool.join()');
    // Nobody may iterate any more: jobs are done all the same, as in Python.
    for (const stream of this.#streams) stream.readAll();
    void Promise.all([...this.#streams].map((stream) => stream.whenRead)).then(() => {
      this.#workers.shutdown(true)._whenEnded(() => wait._resolve());
    });
    return wait;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.terminate();
    await this.join();
  }

  toString(): string {
    return `<multiprocessing.pool.${this.constructor.name} state=${this.#state} pool_size=${this.#workers._pool.size}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * A `Pool` of threads.
 *
 * Source: CPython 3.14 `multiprocessing.pool.ThreadPool`.
 */
export class ThreadPool extends Pool {
  constructor(
    processes?: number | null,
    initializer?: Target<any, unknown> | null,
    initargs?: readonly unknown[],
  );
  constructor(options: Omit<PoolOptions, 'maxtasksperchild'>);
  constructor(
    first?: number | null | PoolOptions,
    initializer: Target<any, unknown> | null = null,
    initargs: readonly unknown[] = [],
  ) {
    const options =
      typeof first === 'object' && first !== null
        ? first
        : { processes: first ?? null, initializer, initargs };
    super(options, threadKind);
  }
}

function checkChunksize(chunksize: number): void {
  if (!(chunksize >= 1)) throw new RangeError(`Chunksize must be 1+, not ${repr(chunksize)}`);
  if (!Number.isInteger(chunksize))
    throw new TypeError(`chunksize must be an integer, got ${repr(chunksize)}`);
}

function tell<T>(outcome: Outcome<T>, callback: Callback<T>, errorCallback: Callback<Error>): void {
  try {
    if ('value' in outcome) callback?.(outcome.value);
    else errorCallback?.(outcome.error);
  } catch (error) {
    logger.error(`exception in a callback of a pool\n${formatError(error)}`);
  }
}

type Next<R> = Started<IteratorResult<R, undefined>>;

interface ReaderOptions {
  readonly inputs: Iterable<unknown> | AsyncIterable<unknown>;
  readonly chunksize: number;
  readonly isOrdered: boolean;
  /** Chunks that may be under way or waiting to be taken. */
  readonly ahead: number;
  submit(items: readonly unknown[], onEnd: (outcome: Outcome<unknown[]>) => void): void;
  onDone(): void;
}

/** Reads the inputs of `imap` as its results are taken. */
class InputReader<R> implements PoolResults<R> {
  readonly #options: ReaderOptions;
  readonly #inputs: Iterator<unknown> | AsyncIterator<unknown>;
  /** The results in order; null: not there. Those of one chunk stand together. */
  readonly #chunks: { outcomes: Outcome<R>[] | null }[] = [];
  readonly #waiting: { next: Next<R>; timer: Timer | null }[] = [];
  /** Chunks that may be under way or waiting to be taken. */
  #ahead: number;
  #isReading = false;
  #isRead = false;
  #done: () => void = () => {};
  /** When no more inputs are taken. */
  readonly whenRead = new Promise<void>((resolve) => (this.#done = resolve));

  constructor(options: ReaderOptions) {
    this.#options = options;
    const { inputs, ahead } = options;
    this.#ahead = ahead;
    this.#inputs =
      Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
  }

  begin(): void {
    void this.#read();
  }

  async #read(): Promise<void> {
    if (this.#isReading || this.#isRead) return;
    this.#isReading = true;
    try {
      while (!this.#isRead && this.#chunks.length < this.#ahead) {
        const items = await this.#take();
        // Inputs that are there at once, and perhaps without end, must not hold up all else.
        if (this.#chunks.length >= this.#options.ahead) await new Promise((resolve) => setImmediate(resolve));
        if (this.#isRead) break;
        if (items.length > 0) this.#send(items);
        if (items.length < this.#options.chunksize) this.#finish();
      }
    } catch (error) {
      // Its turn is behind the results of what came before it.
      this.#chunks.push({ outcomes: [{ error: asError(error) }] });
      this.#finish();
    } finally {
      this.#isReading = false;
    }
    this.#serve();
  }

  async #take(): Promise<unknown[]> {
    const items: unknown[] = [];
    while (items.length < this.#options.chunksize) {
      const { done, value } = await this.#inputs.next();
      if (done) break;
      items.push(value);
    }
    return items;
  }

  #send(items: readonly unknown[]): void {
    const chunk: { outcomes: Outcome<R>[] | null } = { outcomes: null };
    this.#chunks.push(chunk);
    this.#options.submit(items, (outcome) => {
      chunk.outcomes = 'value' in outcome ? outcome.value.map((value) => ({ value: value as R })) : [outcome];
      if (!this.#options.isOrdered) {
        // It goes before those that are not there.
        this.#chunks.splice(this.#chunks.indexOf(chunk), 1);
        const place = this.#chunks.findIndex(({ outcomes }) => outcomes === null);
        this.#chunks.splice(place < 0 ? this.#chunks.length : place, 0, chunk);
      }
      this.#serve();
    });
  }

  #finish(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    this.#options.onDone();
    this.#done();
  }

  /** Take the inputs without waiting until results are taken. */
  readAll(): void {
    this.#ahead = Number.POSITIVE_INFINITY;
    this.begin();
  }

  /** The pool is terminated. */
  stop(error: Error): void {
    const isEnd = this.#isRead;
    this.#finish();
    if (!isEnd) this.#chunks.push({ outcomes: [{ error }] });
    this.#serve();
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const first = this.#chunks[0];
      if (first === undefined && !this.#isRead) break;
      if (first !== undefined && first.outcomes === null) break;
      const outcome = first?.outcomes?.shift();
      if (first?.outcomes?.length === 0) this.#chunks.shift();
      if (outcome === undefined && first !== undefined) continue;
      const { next, timer } = this.#waiting.shift() as { next: Next<R>; timer: Timer | null };
      timer?.cancel();
      if (outcome === undefined) next._resolve({ done: true, value: undefined });
      else if ('error' in outcome) next._reject(outcome.error);
      else next._resolve({ done: false, value: outcome.value });
    }
    if (!this.#isRead && this.#chunks.length < this.#ahead) void this.#read();
  }

  next(timeout?: Delay | null): Next<R> & Promise<IteratorResult<R, undefined>> {
    const seconds = secondsOf(timeout);
    const leave = (): void => {
      entry.timer?.cancel();
      const place = this.#waiting.indexOf(entry);
      if (place >= 0) this.#waiting.splice(place, 1);
    };
    const next: Next<R> = new Started<IteratorResult<R, undefined>>('imap().next()', {
      withdraw: leave,
      giveBack: (result) => {
        if (result.done) return;
        this.#chunks.unshift({ outcomes: [{ value: result.value }] });
        this.#serve();
      },
    });
    const entry = { next, timer: null as Timer | null };
    this.#waiting.push(entry);
    this.#serve();
    if (seconds !== null && !next.done()) {
      entry.timer = new Timer(seconds, () => {
        leave();
        next._reject(new TimeoutError());
      });
    }
    return asNext(next);
  }

  /** Leave: no more inputs are taken. Jobs that were given to the pool are done all the same. */
  async return(): Promise<IteratorResult<R, undefined>> {
    this.#finish();
    this.#chunks.length = 0;
    this.#serve();
    const left = this.#inputs.return?.();
    // An input that was asked for ahead may never come; who leaves does not wait for it.
    if (this.#isReading) Promise.resolve(left).catch(() => {});
    else await left;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
