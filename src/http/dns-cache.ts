/** Addresses that are known already. Counterpart: `_DNSCacheTable` of `aiohttp/connector.py`, and who uses it. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { fromPromise } from '../core/coroutines.ts';
import { isBaseError, isCancelledError } from '../core/exceptions.ts';
import type { Future } from '../core/futures.ts';
import type { Task } from '../core/tasks.ts';
import type { Gen } from '../core/types.ts';
import { wait } from '../core/waiting.ts';
import type { AbstractResolver, ResolveResult } from './abc.ts';
import { sendTraces, type Trace } from './tracing.ts';

interface Entry {
  /** In the order of the next answer. */
  addresses: ResolveResult[];
  readonly since: number;
}

/** The latest answers, of which the one that was not used for the longest time goes first. */
class DnsCacheTable {
  readonly #entries = new Map<string, Entry>();
  readonly #ttl: number | null;
  readonly #maxSize: number;

  constructor(ttl: number | null, maxSize: number) {
    this.#ttl = ttl;
    this.#maxSize = maxSize;
  }

  /** What is known of a host, null for nothing. Each answer begins with another address. */
  next(name: string, now: number): readonly ResolveResult[] | null {
    const entry = this.#entries.get(name);
    if (entry === undefined || (this.#ttl !== null && entry.since + this.#ttl < now)) return null;
    const { addresses } = entry;
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    const [first, ...others] = addresses;
    if (first !== undefined) entry.addresses = [...others, first];
    return addresses;
  }

  add(name: string, addresses: readonly ResolveResult[], now: number): void {
    this.#entries.delete(name);
    this.#entries.set(name, { addresses: [...addresses], since: now });
    if (this.#entries.size <= this.#maxSize) return;
    const [oldest] = this.#entries.keys();
    this.#entries.delete(oldest as string);
  }

  remove(name: string): void {
    this.#entries.delete(name);
  }

  clear(): void {
    this.#entries.clear();
  }

  toMap(): Map<string, ResolveResult[]> {
    return new Map([...this.#entries].map(([name, { addresses }]) => [name, [...addresses]]));
  }
}

/** A question that is on its way, for all who ask the same. */
interface Question {
  readonly waiters: Set<Future<readonly ResolveResult[]>>;
  task: Task<void> | null;
}

const nameOf = (host: string, port: number): string => `${host}:${port}`;

function fail(waiter: Future<unknown>, error: unknown): void {
  if (waiter.done()) return;
  if (isCancelledError(error)) {
    waiter.cancel();
  } else {
    waiter.setException(error as Error);
    // Who asked may be busy with an error of its own.
    waiter.exception();
  }
}

/** The look-ups of one connector. */
export class LookUps {
  readonly #loop: BaseEventLoop;
  readonly #resolver: AbstractResolver;
  readonly #family: 0 | 4 | 6;
  readonly #table: DnsCacheTable | null;
  /** By host and port; those of a connector without a cache have a name of their own. */
  readonly #questions = new Map<unknown, Question>();

  /** @param cache - null for none. */
  constructor(
    loop: BaseEventLoop,
    resolver: AbstractResolver,
    family: 0 | 4 | 6,
    cache: { readonly ttl: number | null; readonly maxSize: number } | null,
  ) {
    this.#loop = loop;
    this.#resolver = resolver;
    this.#family = family;
    this.#table = cache === null ? null : new DnsCacheTable(cache.ttl, cache.maxSize);
  }

  /** What is known, by `host:port`. */
  get cachedHosts(): ReadonlyMap<string, ResolveResult[]> {
    return this.#table?.toMap() ?? new Map();
  }

  /** Forget one host, or all. */
  forget(host: string | null, port: number | null): void {
    if (host !== null && port !== null) this.#table?.remove(nameOf(host, port));
    else if (host === null && port === null) this.#table?.clear();
    else throw new RangeError('either both host and port or none of them are allowed');
  }

  /**
   * The addresses of a host. Who asks while the same question is on its way waits for that answer.
   *
   * Cancellation: the others still get their answer.
   */
  *resolve(host: string, port: number, traces: readonly Trace[]): Gen<readonly ResolveResult[]> {
    if (this.#table === null) return yield* this.#ask(Symbol(host), host, port, traces);
    const name = nameOf(host, port);
    // Taken before anybody is told, which may take time.
    const known = this.#table.next(name, this.#loop.time());
    if (known !== null) {
      if (traces.length > 0) yield* sendTraces(traces, 'onDnsCacheHit', { host });
      return known;
    }
    const question = this.#questions.get(name);
    if (question === undefined) return yield* this.#ask(name, host, port, traces);
    const waiter = this.#join(question);
    try {
      if (traces.length > 0) yield* sendTraces(traces, 'onDnsCacheHit', { host });
      return yield* waiter;
    } finally {
      question.waiters.delete(waiter);
    }
  }

  /** Fail who waits, and end the questions. */
  *close(error: Error): Gen<void> {
    const tasks: Task<void>[] = [];
    for (const { waiters, task } of this.#questions.values()) {
      for (const waiter of waiters) fail(waiter, error);
      if (task === null) continue;
      task.cancel();
      tasks.push(task);
    }
    if (tasks.length > 0) yield* wait(tasks);
  }

  // The question is a task of its own: it goes on for the others when the first who asked is cancelled.
  *#ask(name: unknown, host: string, port: number, traces: readonly Trace[]): Gen<readonly ResolveResult[]> {
    const question: Question = { waiters: new Set(), task: null };
    this.#questions.set(name, question);
    const waiter = this.#join(question);
    question.task = this.#loop.createTask(() => this.#answer(name, question, host, port, traces));
    try {
      return yield* waiter;
    } finally {
      question.waiters.delete(waiter);
    }
  }

  #join(question: Question): Future<readonly ResolveResult[]> {
    const waiter = this.#loop.createFuture<readonly ResolveResult[]>();
    question.waiters.add(waiter);
    return waiter;
  }

  *#answer(
    name: unknown,
    question: Question,
    host: string,
    port: number,
    traces: readonly Trace[],
  ): Gen<void> {
    try {
      if (traces.length > 0) {
        if (this.#table !== null) yield* sendTraces(traces, 'onDnsCacheMiss', { host });
        yield* sendTraces(traces, 'onDnsResolvehostStart', { host });
      }
      const found = yield* this.#resolve(host, port);
      if (traces.length > 0) yield* sendTraces(traces, 'onDnsResolvehostEnd', { host });
      if (typeof name === 'string') this.#table?.add(name, found, this.#loop.time());
      for (const waiter of question.waiters) {
        const addresses = typeof name === 'string' ? this.#table?.next(name, this.#loop.time()) : null;
        if (!waiter.done()) waiter.setResult(addresses ?? found);
      }
    } catch (error) {
      for (const waiter of question.waiters) fail(waiter, error);
      if (isCancelledError(error) || isBaseError(error)) throw error;
    } finally {
      this.#questions.delete(name);
    }
  }

  *#resolve(host: string, port: number): Gen<readonly ResolveResult[]> {
    const answer = this.#resolver.resolve(host, port, this.#family);
    return yield* Symbol.iterator in answer ? answer : fromPromise(answer);
  }
}
