/** The worker's side of a pool: it runs the calls that are sent, on an event loop of its own. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { type Context, ContextVar, copyContext } from '../core/contextvars.ts';
import { fromPromise } from '../core/coroutines.ts';
import type { AbstractEventLoop } from '../core/events.ts';
import { describe, isBaseError, isCancelledError } from '../core/exceptions.ts';
import { typeName } from '../core/format-helpers.ts';
import { isGeneratorFunction } from '../core/strands.ts';
import { Runner } from '../core/runners.ts';
import type { Task } from '../core/tasks.ts';
import type { Gen } from '../core/types.ts';
import type { Claims } from './claims.ts';
import { missingModules, needsPacking, pack, unpack, type Way } from './crossing.ts';
import { PicklingError } from './errors.ts';
import { importModule } from './importing.ts';
import { Link } from './link.ts';
import {
  CallFlag,
  FAST_CALL_MS,
  FromWorker,
  type FromWorkerEntry,
  ToWorker,
  type ToWorkerEntry,
  type Variables,
} from './protocol.ts';
import { progressListener } from './progress.ts';
import { type PackedError, packError } from './remote-errors.ts';
import { functionAt, type Place } from './targets.ts';
import { whenIdle } from './workers.ts';
import type { Transferable } from 'node:worker_threads';

/** How a worker and its pool hear of each other. */
export interface Channel {
  readonly way: Way;
  /** @throws the host's error if something in `entries` cannot be cloned. */
  send(entries: readonly FromWorkerEntry[], transfer: readonly Transferable[]): void;
  /** Whether `value` could be sent. */
  canBeSent(value: unknown): boolean;
  /** End this worker. */
  exit(code: number): void;
}

type AnyFunction = (...args: unknown[]) => unknown;

/** A function that calls name by its number. */
interface CallPlace {
  readonly name: string;
  /** Null until its module is loaded. */
  fn: AnyFunction | null;
  /** Whether it gave something to wait for: such a call is run as async code from its beginning. */
  isAsync: boolean;
  readonly loading: Promise<void>;
}

const AsyncFunction = Object.getPrototypeOf(async () => {}) as object;

function isAsyncFunction(fn: AnyFunction): boolean {
  return Object.getPrototypeOf(fn) === AsyncFunction;
}

/** A call that was sent. */
class Call {
  readonly id: number;
  readonly place: CallPlace;
  args: unknown;
  readonly flags: number;
  readonly variables: Variables | null;
  /** Its slot in `Claims`, or -1. */
  readonly slot: number;
  task: Task<unknown> | null = null;
  /** Of the task. */
  context: Context | null = null;
  isCancelled = false;
  beganAt = 0;
  /** Values that a stream may send; who waits for more. */
  credit = 0;
  onCredit: (() => void) | null = null;

  constructor(
    id: number,
    place: CallPlace,
    args: unknown,
    flags: number,
    variables: Variables | null,
    slot: number,
  ) {
    this.id = id;
    this.place = place;
    this.args = args;
    this.flags = flags;
    this.variables = variables;
    this.slot = slot;
  }
}

/** Runs what the pool sends: `concurrency` calls at a time, in order. */
export class WorkerCalls {
  readonly #channel: Channel;
  readonly #concurrency: number;
  readonly #claims: Claims | null;
  readonly #runner: Runner;
  #loop: BaseEventLoop | null = null;
  /** The run of the loop. */
  #serving: Promise<void> = Promise.resolve();
  readonly #places = new Map<number, CallPlace>();
  readonly #calls = new Map<number, Call>();
  #waiting: Call[] = [];
  #running = 0;
  #isReady = true;
  #isClosing = false;
  readonly #link = new Link((messages) => void this.#send([FromWorker.LINK, messages]));
  /** The context variables of this worker's modules; of two with one name the newer. */
  readonly #variables = new Map<string, ContextVar<unknown>>();

  /** @param claims - tells which calls the pool has taken back; null where it cannot take any without being told. */
  constructor(
    channel: Channel,
    concurrency: number,
    claims: Claims | null,
    loopFactory: () => AbstractEventLoop,
  ) {
    this.#channel = channel;
    this.#concurrency = concurrency;
    this.#claims = claims;
    this.#runner = new Runner({ loopFactory });
    ContextVar._onNew = (variable) => this.#variables.set(variable.name, variable);
  }

  /** What the pool has sent. */
  receive(entries: readonly ToWorkerEntry[]): void {
    for (const entry of entries) this.#handle(entry);
    this.#pump();
  }

  #handle(entry: ToWorkerEntry): void {
    switch (entry[0]) {
      case ToWorker.PLACE:
        this.#places.set(entry[1], this.#load(entry[2]));
        break;
      case ToWorker.CALL: {
        const [, id, placeId, args, flags, variables, slot = -1] = entry;
        const place = this.#places.get(placeId) as CallPlace;
        const call = new Call(id, place, args, flags, variables, slot);
        this.#calls.set(id, call);
        this.#waiting.push(call);
        break;
      }
      case ToWorker.CANCEL:
        this.#cancel(entry[1]);
        break;
      case ToWorker.RECALL: {
        const ids = this.#waiting.map(({ id }) => id);
        for (const id of ids) this.#calls.delete(id);
        this.#waiting = [];
        this.#send([FromWorker.RECALLED, ids]);
        break;
      }
      case ToWorker.CREDIT: {
        const call = this.#calls.get(entry[1]);
        if (call === undefined) break;
        call.credit += entry[2];
        call.onCredit?.();
        break;
      }
      case ToWorker.INIT:
        void this.#initialize(entry);
        break;
      case ToWorker.CLOSE:
        this.#isClosing = true;
        break;
      case ToWorker.LINK:
        this.#link.receive(entry[1]);
        break;
    }
  }

  #load(where: Place): CallPlace {
    const load = async (): Promise<void> => {
      place.fn = functionAt(where, await importModule(where.module));
      place.isAsync = isAsyncFunction(place.fn);
    };
    const place: CallPlace = {
      name: where.name,
      fn: null,
      isAsync: false,
      loading: Promise.resolve().then(load),
    };
    // Each call of it tells its caller.
    place.loading.catch(() => {});
    return place;
  }

  async #initialize([, placeId, args, flags]: ToWorkerEntry & { 0: typeof ToWorker.INIT }): Promise<void> {
    this.#isReady = false;
    const call = new Call(-1, this.#places.get(placeId) as CallPlace, args, flags, null, -1);
    try {
      await this.#prepare(call);
      await this.#createTask(call).toPromise();
      this.#isReady = true;
      this.#pump();
    } catch (error) {
      this.#send([FromWorker.INIT_FAILED, this.#pack(error)]);
      this.#channel.exit(1);
    }
  }

  #cancel(id: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    call.isCancelled = true;
    // Who hears of it may report progress.
    call.context?.run(() => call.task?.cancel());
    const index = this.#waiting.indexOf(call);
    // Else it runs, or what it needs is being loaded: it tells its end when that is over.
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    this.#calls.delete(id);
    this.#send([FromWorker.CANCELLED, id]);
  }

  #pump(): void {
    while (this.#isReady && this.#running < this.#concurrency && this.#waiting.length > 0) {
      const call = this.#waiting.shift() as Call;
      if (call.slot >= 0 && this.#claims?.begin(call.slot, call.id) === false) {
        // The pool has taken it back.
        this.#calls.delete(call.id);
        continue;
      }
      this.#running++;
      if (call.place.fn !== null && !(call.flags & CallFlag.PACKED)) this.#start(call);
      else {
        this.#prepare(call).then(
          () => this.#start(call),
          (error: unknown) => this.#end(call, [FromWorker.ERROR, call.id, this.#pack(error)]),
        );
      }
    }
    if (this.#isClosing && this.#running === 0 && this.#waiting.length === 0) {
      this.#isClosing = false;
      void this.#close();
    }
  }

  /** Load what the call needs. */
  async #prepare(call: Call): Promise<void> {
    await call.place.loading;
    if (!(call.flags & CallFlag.PACKED)) return;
    for (const module of missingModules(call.args)) await import(module);
    call.args = unpack(call.args, this.#link);
  }

  #start(call: Call): void {
    if (call.isCancelled) {
      this.#end(call, [FromWorker.CANCELLED, call.id]);
      return;
    }
    call.beganAt = performance.now();
    call.task = this.#createTask(call);
    call.task.addDoneCallback((task) => this.#end(call, this.#outcome(call, task)));
  }

  #createTask(call: Call): Task<unknown> {
    const context = copyContext();
    call.context = context;
    context.run(() => {
      progressListener.set((value) => this.#progress(call, value));
      for (const [name, value] of call.variables ?? []) this.#variables.get(name)?.set(value);
    });
    const fn = call.place.fn as AnyFunction;
    const args = call.args as unknown[];
    const options = { context, name: call.place.name };
    const loop = this.#startLoop();
    if (call.flags & CallFlag.STREAM) return loop.createTask(() => this.#stream(call, fn, args), options);
    if (isGeneratorFunction(fn)) return loop.createTask(generatorCall(fn, args), options);
    if (call.place.isAsync) return loop.createTask(() => asyncCall(fn, args), options);
    return loop.createTask(plainCall(call.place, fn, args), options);
  }

  /** The loop runs from the first call on. */
  #startLoop(): BaseEventLoop {
    if (this.#loop === null) {
      this.#loop = this.#runner.getLoop() as BaseEventLoop;
      this.#serving = this.#loop._serve().catch((error: unknown) => {
        // SystemExit and KeyboardInterrupt leave a loop, and end the worker as they end a process.
        const { code } = error as { code?: unknown };
        this.#channel.exit(typeof code === 'number' ? code : 1);
      });
    }
    return this.#loop;
  }

  async #stream(call: Call, fn: AnyFunction, args: unknown[]): Promise<undefined> {
    const values = (await fn(...args)) as Iterable<unknown> & AsyncIterable<unknown>;
    if (
      typeof values?.[Symbol.asyncIterator] !== 'function' &&
      typeof values?.[Symbol.iterator] !== 'function'
    ) {
      throw new TypeError(`stream() needs a generator, ${call.place.name}() gave ${typeName(values)}`);
    }
    const loop = this.#startLoop();
    for await (const value of values) {
      while (call.credit === 0) {
        const more = loop.createFuture<void>();
        call.onCredit = () => {
          if (!more.done()) more.setResult();
        };
        await more;
      }
      call.credit--;
      this.#value(call, value);
    }
    return undefined;
  }

  /** How a task has ended, as an entry. */
  #outcome(call: Call, task: Task<unknown>): FromWorkerEntry {
    if (task.cancelled()) return [FromWorker.CANCELLED, call.id];
    const error = task.exception();
    if (error !== null) {
      return isCancelledError(error)
        ? [FromWorker.CANCELLED, call.id]
        : [FromWorker.ERROR, call.id, this.#pack(error)];
    }
    const result = task.result();
    if (result instanceof Left) return [FromWorker.ERROR, call.id, this.#pack(result.error)];
    const isFast = performance.now() - call.beganAt < FAST_CALL_MS;
    return [FromWorker.RESULT, call.id, result, isFast, false];
  }

  /** Tell how the call has ended, before another begins: its result must not wait for that one, or be lost with it. */
  #end(call: Call, entry: FromWorkerEntry): void {
    this.#running--;
    this.#calls.delete(call.id);
    // What the call has sent to live objects comes before its result.
    this.#link.flush();
    const problem = this.#send(entry);
    if (problem !== null) {
      const error = new PicklingError(
        `the result of ${call.place.name}() cannot be sent back: ${messageOf(problem)}. Return plain data: no functions, ` +
          'sockets, or objects that belong to this worker',
        { cause: problem },
      );
      this.#send([FromWorker.ERROR, call.id, this.#pack(error)]);
    }
    this.#pump();
  }

  #pack(error: unknown): PackedError {
    return packError(error, (value) => this.#channel.canBeSent(value));
  }

  #progress(call: Call, value: unknown): void {
    this.#sendOwn([FromWorker.PROGRESS, call.id, value, false], 'the value of reportProgress()');
  }

  #value(call: Call, value: unknown): void {
    this.#sendOwn([FromWorker.VALUE, call.id, value, false], `a value of ${call.place.name}()`);
  }

  /** Send something that the call gives before its end. The call hears of it if that cannot be done. */
  #sendOwn(entry: FromWorkerEntry, what: string): void {
    const problem = this.#send(entry);
    if (problem === null) return;
    throw new PicklingError(`${what} cannot be sent: ${messageOf(problem)}`, { cause: problem });
  }

  /** Returns why it could not be sent, or null. */
  #send(entry: FromWorkerEntry): unknown {
    try {
      if (!hasValue(entry)) this.#channel.send([entry], []);
      else if (needsPacking([entry[2]])) this.#sendPacked(entry);
      else this.#sendValue(entry);
      return null;
    } catch (error) {
      return error;
    }
  }

  #sendValue(entry: ValueEntry): void {
    try {
      this.#channel.send([entry], []);
    } catch {
      // There may be something in it that can be sent in another way.
      this.#sendPacked(entry);
    }
  }

  #sendPacked(entry: ValueEntry): void {
    const { value, hasParcels, transfer } = pack(entry[2], this.#channel.way);
    const packed: FromWorkerEntry =
      entry[0] === FromWorker.RESULT
        ? [entry[0], entry[1], value, entry[3], hasParcels]
        : [entry[0], entry[1], value, hasParcels];
    this.#channel.send([packed], transfer);
  }

  async #close(): Promise<void> {
    try {
      this.#loop?.stop();
      await this.#serving;
      // Tasks that calls have left behind are cancelled, and end.
      await this.#runner.close();
      // Threads and processes that a call has started go on.
      await whenIdle();
      await this.#link.drain();
    } finally {
      this.#channel.exit(0);
    }
  }
}

type ValueEntry = Extract<
  FromWorkerEntry,
  { 0: typeof FromWorker.RESULT | typeof FromWorker.PROGRESS | typeof FromWorker.VALUE }
>;

function hasValue(entry: FromWorkerEntry): entry is ValueEntry {
  return entry[0] === FromWorker.RESULT || entry[0] === FromWorker.PROGRESS || entry[0] === FromWorker.VALUE;
}

/**
 * What a call has thrown that would leave the event loop and end the worker: SystemExit, KeyboardInterrupt. As in Python, it
 * is the call's error, and the worker goes on.
 */
class Left {
  readonly error: unknown;

  constructor(error: unknown) {
    if (!isBaseError(error)) throw error;
    this.error = error;
  }
}

function* generatorCall(fn: AnyFunction, args: unknown[]): Gen<unknown> {
  try {
    return yield* fn(...args) as Gen<unknown>;
  } catch (error) {
    return new Left(error);
  }
}

async function asyncCall(fn: AnyFunction, args: unknown[]): Promise<unknown> {
  try {
    return await fn(...args);
  } catch (error) {
    return new Left(error);
  }
}

/** A call of a function that is no coroutine function by its looks. */
function* plainCall(place: CallPlace, fn: AnyFunction, args: unknown[]): Gen<unknown> {
  try {
    const result = fn(...args);
    if (typeof (result as PromiseLike<unknown> | null)?.then !== 'function') return result;
    place.isAsync = true;
    return yield* fromPromise(result as PromiseLike<unknown>);
  } catch (error) {
    return new Left(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : describe(error);
}
