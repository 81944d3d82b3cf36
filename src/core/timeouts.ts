/** Timeouts. Counterpart: `asyncio/timeouts.py`. */
import { bodyCoroutine, checkBody, coroutine } from './coroutines.ts';
import { type Handle, requireLoop, toSeconds } from './events.ts';
import { isCancelledError, RuntimeError, TimeoutError } from './exceptions.ts';
import { ScopeSignal } from './signals.ts';
import { type CancelTarget, Scope } from './scopes.ts';
import { enterScope, leaveScope } from './strands.ts';
import { noteRequest, warnSwallowed } from './task-notes.ts';
import { Task } from './tasks.ts';
import type { Coroutine, Delay, Gen, Suspend } from './types.ts';

/** The states of a timeout, as its text shows them. */
type State = 'created' | 'active' | 'expiring' | 'expired' | 'finished';

/**
 * A limit of time on a piece of code. Made by `timeout()` or `timeoutAt()`.
 *
 * Source: CPython 3.14 `asyncio.Timeout`.
 */
export class Timeout {
  #state: State = 'created';
  #when: number | null;
  #handle: Handle | null = null;
  #target: CancelTarget | null = null;
  #cancelling = 0;
  #signal: ScopeSignal | null = null;

  /** Use `timeout()` or `timeoutAt()`. */
  constructor(when: number | null) {
    this.#when = when;
  }

  /** The deadline, in seconds of the loop's clock, or null. */
  when(): number | null {
    return this.#when;
  }

  /**
   * Move the deadline; null takes it away.
   *
   * @throws RuntimeError before the body has begun, and once the deadline was hit or the body is over.
   */
  reschedule(when: number | null): void {
    if (this.#state === 'created') throw new RuntimeError('Timeout has not been entered');
    if (this.#state !== 'active') throw new RuntimeError(`Cannot change state of ${this.#state} Timeout`);
    this.#when = when === null || when === undefined ? null : toSeconds(when, 'when');
    this.#handle?.cancel();
    this.#handle = null;
    if (this.#when === null) return;
    const loop = requireLoop();
    const expire = (): void => this.#expire();
    this.#handle = this.#when <= loop.time() ? loop.callSoon(expire) : loop.callAt(this.#when, expire);
  }

  /** Whether the deadline was hit; known already in the `finally` blocks of the body. */
  expired(): boolean {
    return this.#state === 'expiring' || this.#state === 'expired';
  }

  /** Aborts with the CancelledError when the body is cancelled, by this deadline or from outside. */
  get signal(): AbortSignal {
    if (this.#signal === null) throw new RuntimeError('Timeout has not been entered');
    return this.#signal.signal;
  }

  /**
   * Run `body(this)` under the limit, and give its result. A body that does not suspend is not interrupted.
   *
   * @param body - an async or generator function; it runs inline, in the calling task.
   * @throws TimeoutError if the deadline ended it, with the CancelledError as cause; any other error of the body as
   *   it is. RuntimeError if it was entered before.
   *
   * Cancellation: a cancellation from outside goes through the body and on, also if the deadline was hit meanwhile.
   *
   * Source: CPython 3.14 `async with asyncio.timeout()`.
   */
  run<T>(body: (cm: Timeout) => Gen<T>): Coroutine<T>;
  run<T>(body: (cm: Timeout) => T | PromiseLike<T>): Coroutine<T>;
  run(body: (cm: Timeout) => unknown): Coroutine<unknown> {
    checkBody(body, 'Timeout', 'cm');
    return runTimeout(this, body, undefined);
  }

  /** @internal With a signal that cancels the body, too. */
  _runWith<T>(body: (cm: Timeout) => Gen<T>, signal: AbortSignal | undefined): Coroutine<T> {
    return runTimeout(this, body, signal) as Coroutine<T>;
  }

  /** @internal */
  _enter(target: CancelTarget): void {
    this.#state = 'active';
    this.#target = target;
    this.#cancelling = target.cancelling();
    this.#signal = new ScopeSignal(target);
    this.reschedule(this.#when);
  }

  /** @internal */
  _checkNew(): void {
    if (this.#state !== 'created') throw new RuntimeError('Timeout has already been entered');
  }

  /** @internal The body is over, with `failure` or without; gives the error to throw in its place. */
  _exit(failure: { error: unknown } | null): unknown {
    this.#handle?.cancel();
    this.#handle = null;
    this.#signal?.close();
    const target = this.#target as CancelTarget;
    this.#target = null;
    if (this.#state !== 'expiring') {
      this.#state = 'finished';
      return failure?.error;
    }
    this.#state = 'expired';
    const isOurs = target.uncancel() <= this.#cancelling;
    if (failure === null) {
      warnSwallowed(this, 'the body of a timeout');
      return undefined;
    }
    if (!isOurs) return failure.error;
    if (isCancelledError(failure.error)) return new TimeoutError(undefined, { cause: failure.error });
    insertTimeoutError(failure.error);
    return failure.error;
  }

  #expire(): void {
    const target = this.#target as CancelTarget;
    noteRequest(this);
    this.#signal?.abort();
    if (target instanceof Task) target._cancelInside();
    else target.cancel();
    this.#state = 'expiring';
    this.#handle = null;
  }

  toString(): string {
    const when = this.#when === null ? null : Math.round(this.#when * 1000) / 1000;
    return `<Timeout [${this.#state}]${this.#state === 'active' ? ` when=${when}` : ''}>`;
  }
}

const runTimeout = /* @__PURE__ */ coroutine(function* timeout(
  cm: Timeout,
  body: (cm: Timeout) => unknown,
  signal: AbortSignal | undefined,
): Gen<unknown> {
  cm._checkNew();
  const target = enterScope(body);
  let failure: { error: unknown } | null = null;
  let result: unknown;
  let unfollow: (() => void) | null = null;
  try {
    cm._enter(target);
    if (signal !== undefined) unfollow = followSignal(signal, target);
    result = yield* bodyCoroutine(body, cm, target instanceof Scope ? target : null) as Iterable<
      Suspend,
      unknown
    >;
  } catch (error) {
    failure = { error };
  } finally {
    // Here and not below, since a generator that is closed in the body comes only through here.
    unfollow?.();
    const error = cm._exit(failure);
    if (failure !== null) failure = { error };
    leaveScope(target);
  }
  if (failure !== null) throw failure.error;
  return result;
});

/** Cancel the scope when `signal` aborts. Gives the function that ends it, and takes the request back. */
function followSignal(signal: AbortSignal, target: CancelTarget): () => void {
  let requested = false;
  const cancel = (): void => {
    requested = true;
    target.cancel(signal.reason);
  };
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  return () => {
    signal.removeEventListener('abort', cancel);
    if (requested) target.uncancel();
  };
}

/**
 * JavaScript has no implicit context of errors: where the CancelledError of the deadline stands in an error's chain
 * of causes, the TimeoutError takes its place, in the members of a group too.
 */
function insertTimeoutError(error: unknown): void {
  const members = error instanceof AggregateError ? error.errors : [];
  const seen = new Set<unknown>();
  for (const failed of [error, ...members]) {
    for (let link: unknown = failed; link instanceof Error && !seen.has(link); link = link.cause) {
      seen.add(link);
      if (!isCancelledError(link.cause)) continue;
      // A frozen error stays as it is.
      Reflect.set(link, 'cause', new TimeoutError(undefined, { cause: link.cause }));
      break;
    }
  }
}

/**
 * A limit of `delay` seconds from now on the body of its `run`. null means no limit; 0 or less lets the body run up
 * to its first suspension.
 *
 * ```ts
 * const page = await timeout(10).run(async () => { … });
 * ```
 *
 * @throws RuntimeError without a running loop; RangeError or TypeError for what is no time span.
 *
 * Source: CPython 3.14 `asyncio.timeout`.
 */
export function timeout(delay: Delay | null): Timeout {
  const loop = requireLoop();
  return new Timeout(delay === null || delay === undefined ? null : loop.time() + toSeconds(delay));
}

/**
 * As `timeout`, with a deadline in seconds of the loop's clock.
 *
 * Source: CPython 3.14 `asyncio.timeout_at`.
 */
export function timeoutAt(when: number | null): Timeout {
  return new Timeout(when === null || when === undefined ? null : toSeconds(when, 'when'));
}
