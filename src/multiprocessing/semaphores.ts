/** Locks and semaphores between processes. Counterpart: `multiprocessing/synchronize.py` and `_multiprocessing.SemLock`. */
import { checkBody } from '../core/coroutines.ts';
import { AssertionError } from '../core/exceptions.ts';
import { type Guard, heldRunner } from '../core/locks.ts';
import { logger } from '../core/log.ts';
import type { Coroutine, Delay, Gen } from '../core/types.ts';
import { registerKind } from '../concurrent/crossing.ts';
import type { Link } from '../concurrent/link.ts';
import { Started } from '../concurrent/started.ts';
import { beFalse, Line } from './line.ts';
import { revive } from './peer.ts';
import { currentName } from './names.ts';
import { type Client, derive, patience, type Shared, type SharedData, SharedObject } from './shared.ts';

const RECURSIVE = 0;
const PLAIN = 1;

type Kind = typeof RECURSIVE | typeof PLAIN;

const NO_LIMIT = 2 ** 31 - 1;

/** The state of a lock or semaphore, in the process that made it. */
class SemLock implements Shared {
  readonly name: string;
  readonly kind: Kind;
  readonly max: number;
  readonly #first: number;
  value: number;
  readonly #line = new Line<boolean>();
  /** What each client has acquired and not released. */
  readonly #held = new Map<Client, number>();
  /** Who acquired it last, of a lock: its owner. */
  owner: Client | null = null;
  count = 0;

  constructor(name: string, kind: Kind, value: number, max: number) {
    this.name = name;
    this.kind = kind;
    this.value = value;
    this.#first = value;
    this.max = max;
  }

  call(op: string, args: readonly unknown[], client: Client): Started<any> {
    const what = `${this.name}.${op}()`;
    switch (op) {
      case 'acquire':
        return this.#acquire(what, args[0] as number | null, client);
      case 'release':
        this.#release(client);
        return Started._of(what, undefined);
      case 'locked':
        return Started._of(what, this.value === 0);
      case 'getValue':
        return Started._of(what, this.value);
      default:
        return Started._of(what, undefined);
    }
  }

  #acquire(what: string, timeout: number | null, client: Client): Started<boolean> {
    if (this.kind === RECURSIVE && this.owner === client) {
      this.count++;
      return this.#given(what, client);
    }
    if (this.value > 0) {
      this.#take(client);
      return this.#given(what, client);
    }
    if (timeout === 0) return Started._of(what, false);
    const giveBack = (isTaken: boolean): void => this.giveBack('acquire', isTaken, client);
    return this.#line.join({ what, client, timeout, onTimeout: beFalse, giveBack }, undefined);
  }

  /** What is there at once goes back as well if nobody sees it. */
  #given(what: string, client: Client): Started<boolean> {
    const started = new Started<boolean>(what, {
      giveBack: (isTaken) => this.giveBack('acquire', isTaken, client),
    });
    started._resolve(true);
    return started;
  }

  #take(client: Client): void {
    this.value--;
    this.owner = client;
    this.count = 1;
    this.#held.set(client, (this.#held.get(client) ?? 0) + 1);
  }

  #release(client: Client): void {
    if (this.kind === RECURSIVE) {
      if (this.owner !== client) {
        throw new AssertionError('attempt to release recursive lock not owned by thread');
      }
      if (--this.count > 0) return;
    } else if (this.value >= this.max) {
      throw new RangeError('semaphore or lock released too many times');
    }
    // Who releases a lock that another holds, ends the other's holding.
    this.#forget(this.max === 1 ? (this.owner as Client) : client);
    this.#free();
  }

  #forget(client: Client): void {
    const held = this.#held.get(client) ?? 0;
    if (held > 1) this.#held.set(client, held - 1);
    else this.#held.delete(client);
  }

  #free(): void {
    this.value++;
    if (this.max === 1) this.owner = null;
    const next = this.#line.shift();
    if (next === undefined) return;
    this.#take(next.client);
    next.started._resolve(true);
  }

  giveBack(_op: string, isTaken: unknown, client: Client): void {
    // Another process may have released it meanwhile.
    if (isTaken === true && this.#held.has(client) && this.value < this.max) this.#release(client);
  }

  gone(prefix: Client, isClean: boolean): void {
    for (const [client, held] of this.#held) {
      // After a proper end it stays as it was left, as in Python: it may be another's turn to release it.
      if (isClean || !client.startsWith(prefix)) continue;
      this.#held.delete(client);
      // A semaphore that counts events is never raised above what it began with.
      const missing = Math.max(0, Math.min(held, this.#first - this.value));
      if (missing === 0) continue;
      logger.warning(`a process ended while it held a ${this.name}: it is released`);
      for (let i = 0; i < missing; i++) this.#free();
    }
  }
}

const runLocked = /* @__PURE__ */ heldRunner('Lock.run');

/** One acquisition; releases it once. */
class SemGuard implements Guard {
  #held: SemObject | null;

  constructor(held: SemObject) {
    this.#held = held;
  }

  release(): void {
    const held = this.#held;
    this.#held = null;
    void held?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** What locks and semaphores have in common. */
abstract class SemObject extends SharedObject {
  /**
   * Take it, or wait for it: first come, first served.
   *
   * @param block - false: do not wait. Default true.
   * @param timeout - seconds to wait at most; null, the default: for ever. What is negative counts as 0.
   * @returns a guard whose `release()` or disposal releases it, once; false if it was not to be had.
   *
   * Cancellation: ends the wait; what had come already is released.
   *
   * Source: CPython 3.14 `multiprocessing.Lock.acquire`, whose result is a boolean.
   */
  acquire(): Started<Guard>;
  acquire(block: boolean, timeout?: Delay | null): Started<Guard | false>;
  acquire(block = true, timeout?: Delay | null): Started<any> {
    const { name } = this.constructor;
    const taken = this._call<boolean>('acquire', patience(block, timeout));
    return derive(`${name}.acquire()`, taken, (isTaken) => isTaken && new SemGuard(this), true);
  }

  /**
   * Give it back; the first in line gets it. Begins at the call, as all operations here: the await is for its errors.
   *
   * @throws by the wait: RangeError if it is released more often than it was acquired; of an `RLock` AssertionError if
   *   this process does not hold it.
   *
   * Source: CPython 3.14 `multiprocessing.Lock.release`.
   */
  release(): Started<void> {
    return this.#asked('release');
  }

  /**
   * Whether nothing is left to acquire.
   *
   * Source: CPython 3.14 `multiprocessing.Lock.locked`.
   */
  locked(): Started<boolean> {
    return this.#asked('locked');
  }

  // A misuse is told by the wait, wherever the lock lives.
  #asked<T>(op: string): Started<T> {
    try {
      return this._call<T>(op);
    } catch (error) {
      return Started._failed(`${this.constructor.name}.${op}()`, error);
    }
  }

  /**
   * Acquire, run `body`, and release on every way out.
   *
   * @param body - an async, generator or plain function; it runs inline, in the calling task.
   * @returns what the body gives.
   *
   * Source: CPython 3.14 `with lock`.
   */
  run<T>(body: () => Gen<T>): Coroutine<T>;
  run<T>(body: () => T | PromiseLike<T>): Coroutine<T>;
  run(body: () => unknown): Coroutine<unknown> {
    checkBody(body, this.constructor.name, '');
    return runLocked(this, body);
  }

  /** @internal The state, if it is in this process. */
  protected get _local(): SemLock | null {
    return this._shared instanceof SemLock ? this._shared : null;
  }

  /** @internal As CPython's text says who has it. */
  protected _owner(): string {
    const state = this._local;
    if (state === null) return 'unknown';
    if (state.owner === '') return currentName();
    return state.owner === null ? 'None' : 'SomeOtherProcess';
  }

  /** @internal */
  protected _module(): string {
    return import.meta.url;
  }
}

/**
 * Mutual exclusion between processes. It belongs to nobody: any process may release it. Not re-entrant.
 *
 * ```ts
 * using guard = await lock.acquire();
 * await lock.run(async () => { … });
 * ```
 *
 * It lives in the process that made it, and goes to others as an argument of a `Process` or a call. A process that dies by
 * a signal or an error while it holds the lock releases it, which is logged; in Python the lock stays locked for ever.
 *
 * Source: CPython 3.14 `multiprocessing.Lock`.
 */
export class Lock extends SemObject {
  constructor();
  /** @internal */
  constructor(shared: Shared);
  constructor(shared?: Shared) {
    super(shared ?? new SemLock('Lock', PLAIN, 1, 1));
  }

  override toString(): string {
    return `<${this.constructor.name}(owner=${this._owner()})>`;
  }
}

/**
 * A lock that belongs to a process (and there to a thread): who holds it may acquire it again, and releases it as often.
 * Tasks of one process do not exclude each other by it.
 *
 * Source: CPython 3.14 `multiprocessing.RLock`.
 */
export class RLock extends SemObject {
  constructor();
  /** @internal */
  constructor(shared: Shared);
  constructor(shared?: Shared) {
    super(shared ?? new SemLock('RLock', RECURSIVE, 1, 1));
  }

  override toString(): string {
    const owner = this._owner();
    const { value = 1, count = 0 } = this._local ?? {};
    const counts: Record<string, string | number> = {
      None: 0,
      SomeOtherProcess: 'nonzero',
      unknown: 'unknown',
    };
    return `<${this.constructor.name}(${owner}, ${counts[owner] ?? (value === 0 ? count : 0)})>`;
  }
}

/**
 * A number of permits that processes share.
 *
 * What a process held that dies by a signal or an error is released, as far as the value does not rise above the first
 * one: a semaphore that counts events is not raised by it.
 *
 * @param value - permits to begin with.
 * @throws RangeError for what is no possible value.
 *
 * Source: CPython 3.14 `multiprocessing.Semaphore`.
 */
export class Semaphore extends SemObject {
  constructor(value?: number);
  /** @internal */
  constructor(shared: Shared);
  constructor(value: number | Shared = 1) {
    super(typeof value === 'number' ? new SemLock('Semaphore', PLAIN, checked(value), NO_LIMIT) : value);
  }

  /**
   * How many permits are left.
   *
   * Source: CPython 3.14 `multiprocessing.Semaphore.get_value`.
   */
  getValue(): Started<number> {
    return this._call('getValue');
  }

  override toString(): string {
    return `<${this.constructor.name}(value=${this._local?.value ?? 'unknown'})>`;
  }
}

/**
 * A semaphore whose value never rises above the first one: `release` fails then.
 *
 * Source: CPython 3.14 `multiprocessing.BoundedSemaphore`.
 */
export class BoundedSemaphore extends Semaphore {
  readonly #max: number;

  constructor(value?: number);
  /** @internal */
  constructor(shared: Shared, max: number);
  constructor(value: number | Shared = 1, max = 0) {
    super(
      typeof value === 'number'
        ? new SemLock('BoundedSemaphore', PLAIN, checked(value), value)
        : (value as any),
    );
    this.#max = typeof value === 'number' ? value : max;
  }

  /** @internal */
  protected override _describe(): object {
    return { max: this.#max };
  }

  override toString(): string {
    return `<${this.constructor.name}(value=${this._local?.value ?? 'unknown'}, maxvalue=${this.#max})>`;
  }
}

function checked(value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= NO_LIMIT) return value;
  const error = new RangeError(
    'Invalid argument: the value of a semaphore is an integer from 0 to 2147483647',
  );
  throw Object.assign(error, { code: 'EINVAL' });
}

type Data = SharedData & { readonly max: number };

function register(kind: string, make: (shared: Shared, data: Data) => object): void {
  registerKind(`multiprocessing.${kind}`, (data: Data, link: Link | null) =>
    revive(link, data.id, (shared) => make(shared, data)),
  );
}

register('Lock', (shared) => new Lock(shared));
register('RLock', (shared) => new RLock(shared));
register('Semaphore', (shared) => new Semaphore(shared));
register('BoundedSemaphore', (shared, { max }) => new BoundedSemaphore(shared, max));
