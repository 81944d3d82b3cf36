/** How long a request may take. Counterpart: the timers of `aiohttp/client.py` and `aiohttp/helpers.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { requireLoop, type TimerHandle, toSeconds } from '../core/events.ts';
import { CancelledError, TimeoutError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Future } from '../core/futures.ts';
import { timeoutAt } from '../core/timeouts.ts';
import type { Delay, Gen } from '../core/types.ts';
import { followAbort } from './abort.ts';
import { waitOutside } from './helpers.ts';
import { IntrusiveList, type Listed } from './intrusive-list.ts';
import { checkOptions, optionNames } from './options.ts';

function limit(delay: Delay | null | undefined, name: string): number | null {
  return delay === null || delay === undefined ? null : toSeconds(delay, name);
}

interface Limits {
  total?: Delay | null | undefined;
  connect?: Delay | null | undefined;
  sockConnect?: Delay | null | undefined;
  sockRead?: Delay | null | undefined;
  ceilThreshold?: number | undefined;
}

const LIMITS = /* @__PURE__ */ optionNames<Limits>('ClientTimeout', {
  total: true,
  connect: true,
  sockConnect: true,
  sockRead: true,
  ceilThreshold: true,
});

/**
 * Limits of time for the parts of a request. Each is in seconds (or a `Delay`), and null, the default, is no limit.
 *
 * @param options.total - the whole operation: redirects and the reading of the body, too.
 * @param options.connect - getting a connection, with the wait for a free place in the pool.
 * @param options.sockConnect - connecting to the server alone, name look-up and TLS included.
 * @param options.sockRead - between two pieces of data from the server.
 * @param options.ceilThreshold - a `total` of so many seconds or more ends on a full second of the loop's clock, so
 *   that the timers of many requests end together. Default 5.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientTimeout`.
 */
export class ClientTimeout {
  readonly total: number | null;
  readonly connect: number | null;
  readonly sockConnect: number | null;
  readonly sockRead: number | null;
  readonly ceilThreshold: number;

  /** @throws TypeError for what is no object of limits, and for unknown limits. */
  constructor(options: Limits = {}) {
    if (typeof options !== 'object' || options === null) {
      throw new TypeError(`limits must be an object such as { total: 5 }, got ${repr(options)}`);
    }
    checkOptions(options, LIMITS);
    this.total = limit(options.total, 'total');
    this.connect = limit(options.connect, 'connect');
    this.sockConnect = limit(options.sockConnect, 'sockConnect');
    this.sockRead = limit(options.sockRead, 'sockRead');
    this.ceilThreshold = options.ceilThreshold ?? 5;
    Object.freeze(this);
  }

  toString(): string {
    const { total, connect, sockConnect, sockRead, ceilThreshold } = this;
    return (
      `ClientTimeout(total=${total}, connect=${connect}, sockRead=${sockRead}, sockConnect=${sockConnect}, ` +
      `ceilThreshold=${ceilThreshold})`
    );
  }
}

/** The limits of a session that is given none. */
export const DEFAULT_TIMEOUT = new ClientTimeout({ total: 300, sockConnect: 30 });

/** What a `timeout` option takes: a `ClientTimeout`, a number of seconds for the total, null for no limits. */
export function toClientTimeout(
  value: ClientTimeout | Delay | null | undefined,
  inherited: ClientTimeout,
): ClientTimeout {
  if (value === undefined) return inherited;
  if (value === null) return new ClientTimeout();
  if (value instanceof ClientTimeout) return value;
  if (typeof value === 'object' && Object.keys(value).some((name) => LIMITS.names.has(name))) {
    throw new TypeError('limits for parts of a request are given as timeout: new ClientTimeout({ … })');
  }
  return new ClientTimeout({ total: value });
}

/**
 * Run `body` for at most so many seconds; null, 0 and less are no limit. A limit of more than `ceilThreshold` seconds
 * ends on a full second of the loop's clock.
 */
export function* within<T>(seconds: number | null, ceilThreshold: number, body: () => Gen<T>): Gen<T> {
  if (seconds === null || seconds <= 0) return yield* body();
  const when = requireLoop().time() + seconds;
  return yield* timeoutAt(seconds > ceilThreshold ? Math.ceil(when) : when).run(function* () {
    return yield* body();
  });
}

/**
 * What a signal that has aborted does to a request. One that is a limit of time, as of `AbortSignal.timeout`, is an error
 * that a task group passes on; any other cancels.
 */
export function abortError({ reason }: AbortSignal): Error {
  return isTimeout(reason) ? new TimeoutError(reason.message, { cause: reason }) : new CancelledError(reason);
}

function isTimeout(reason: unknown): reason is Error {
  return reason instanceof Error && reason.name === 'TimeoutError';
}

function abort(future: Future<unknown>, signal: AbortSignal): void {
  if (!isTimeout(signal.reason)) future.cancel(signal.reason);
  else if (!future.done()) future.setException(abortError(signal));
}

/** What a time-out that says nothing is to say; another error stays as it is. */
export function explain(error: unknown, text: string): unknown {
  const isBare = error instanceof TimeoutError && error.constructor === TimeoutError && error.message === '';
  return isBare ? new TimeoutError(text, { cause: error.cause }) : error;
}

/**
 * What ends a request from above: its total limit, and the signal of the caller. One for the request and its body;
 * it interrupts all that wait under it.
 */
export class RequestTimer {
  /** Where the request is at, without credentials; for the error. */
  url: URL | null = null;
  readonly #loop: BaseEventLoop;
  readonly #total: number | null;
  readonly #when: number | null;
  readonly #signal: AbortSignal | undefined;

  constructor(loop: BaseEventLoop, { total, ceilThreshold }: ClientTimeout, signal?: AbortSignal) {
    this.#loop = loop;
    this.#total = total;
    this.#signal = signal;
    if (total === null || total <= 0) {
      this.#when = null;
    } else {
      const when = loop.time() + total;
      this.#when = total >= ceilThreshold ? Math.ceil(when) : when;
    }
  }

  /** Wait for a future of the client's own, which an event outside of the loop sets. Cancellation: cancels it. */
  wait<T>(future: Future<T>): Gen<T> {
    const isLimited = this.#when !== null || this.#signal !== undefined;
    return isLimited ? this.#waitInTime(future) : waitOutside(this.#loop, future);
  }

  *#waitInTime<T>(future: Future<T>): Gen<T> {
    this.#check();
    const signal = this.#signal;
    const wait = this.#when === null ? null : join(this.#loop, this.#when, future, this);
    const unfollow = signal === undefined ? null : followAbort(signal, () => abort(future, signal));
    // As `waitOutside` does, without another generator.
    this.#loop._foreignWaits++;
    try {
      return yield* future;
    } finally {
      this.#loop._foreignWaits--;
      wait?.leave();
      unfollow?.();
    }
  }

  /** Run `body`, which may wait for anything. */
  *run<T>(body: () => Gen<T>): Gen<T> {
    const signal = this.#signal;
    if (this.#when === null && signal === undefined) return yield* body();
    this.#check();
    const aborter = signal === undefined ? undefined : new AbortController();
    const unfollow = signal === undefined ? null : followAbort(signal, () => aborter?.abort(signal.reason));
    const limit = timeoutAt(this.#when);
    try {
      return yield* limit._runWith(function* () {
        return yield* body();
      }, aborter?.signal);
    } catch (error) {
      const isAbort = error instanceof CancelledError && error.args[0] === signal?.reason;
      if (isAbort && signal?.aborted) throw abortError(signal);
      throw limit.expired() ? explain(error, this.#text) : error;
    } finally {
      unfollow?.();
    }
  }

  #check(): void {
    if (this.#signal?.aborted) throw abortError(this.#signal);
    if (this.#when !== null && this.#loop.time() >= this.#when) throw this.error();
  }

  /** What to throw when the time is over. */
  error(): TimeoutError {
    return new TimeoutError(this.#text);
  }

  get #text(): string {
    return `Total timeout of ${this.#total} s for ${this.url}`;
  }
}

/** A wait that has an end. A request has several where several tasks read, or send it twice. */
class LimitedWait implements Listed<LimitedWait> {
  readonly future: Future<unknown>;
  readonly timer: RequestTimer;
  readonly #deadline: Deadline;
  _previous: LimitedWait | null = null;
  _next: LimitedWait | null = null;

  constructor(future: Future<unknown>, timer: RequestTimer, deadline: Deadline) {
    this.future = future;
    this.timer = timer;
    this.#deadline = deadline;
    deadline.waits.add(this);
  }

  leave(): void {
    this.#deadline.waits.delete(this);
    this.#deadline.tidy();
  }
}

/** The waits that have to end at the same time. */
class Deadline {
  readonly waits = new IntrusiveList<LimitedWait>();
  readonly #deadlines: Map<number, Deadline>;
  readonly #when: number;
  readonly #handle: TimerHandle;

  constructor(loop: BaseEventLoop, deadlines: Map<number, Deadline>, when: number) {
    this.#deadlines = deadlines;
    this.#when = when;
    this.#handle = loop.callAt(when, () => this.#expire());
  }

  tidy(): void {
    if (this.waits.first !== null) return;
    this.#handle.cancel();
    if (this.#deadlines.get(this.#when) === this) this.#deadlines.delete(this.#when);
  }

  #expire(): void {
    this.#deadlines.delete(this.#when);
    // Who waits leaves in a later turn.
    for (let wait = this.waits.first; wait !== null; wait = wait._next) {
      if (!wait.future.done()) wait.future.setException(wait.timer.error());
    }
  }
}

const deadlines = new WeakMap<BaseEventLoop, Map<number, Deadline>>();

// Most requests have a total of minutes, and so end on a full second: they share a timer.
function join(loop: BaseEventLoop, when: number, future: Future<unknown>, timer: RequestTimer): LimitedWait {
  let ofLoop = deadlines.get(loop);
  if (ofLoop === undefined) {
    ofLoop = new Map();
    deadlines.set(loop, ofLoop);
  }
  let deadline = ofLoop.get(when);
  if (deadline === undefined) {
    deadline = new Deadline(loop, ofLoop, when);
    ofLoop.set(when, deadline);
  }
  return new LimitedWait(future, timer, deadline);
}
