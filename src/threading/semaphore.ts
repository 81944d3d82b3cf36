/** Semaphores between threads. Counterpart: `Semaphore` and `BoundedSemaphore` of `threading.py`. */
import { checkBody } from '../core/coroutines.ts';
import { repr } from '../core/format-helpers.ts';
import { type Guard, heldRunner } from '../core/locks.ts';
import type { Coroutine, Delay, Gen } from '../core/types.ts';
import { type Parcel, registerKind } from '../concurrent/crossing.ts';
import type { Started } from '../concurrent/started.ts';
import { acquireTerms, OnceGuard } from './lock.ts';
import { SharedObject, sharedWords } from './shared.ts';
import { secondsOf } from './timeouts.ts';
import { NOT_YET, type NotYet, Watch } from './watch.ts';

const VALUE = 0;
/** The most that there may be. */
const BOUND = 1;
const WORDS = 2;
const MOST = 2 ** 31 - 1;

const runWithPermit = /* @__PURE__ */ heldRunner('Semaphore.run');

function checkCount(value: unknown, name: string): void {
  if (!Number.isInteger(value)) throw new TypeError(`${name} must be an integer, got ${repr(value)}`);
  if ((value as number) > MOST) throw new RangeError(`${name} must be at most ${MOST}`);
}

/**
 * A number of permits that threads share: `acquire` takes one or waits for one, `release` gives one back. Who waits
 * longest is woken first, but whoever comes when there is a permit takes it.
 *
 * @param value - how many permits there are at first; an integer. Default 1.
 * @throws RangeError if it is negative.
 *
 * Source: CPython 3.14 `threading.Semaphore`.
 */
export class Semaphore extends SharedObject {
  readonly #words: Int32Array;
  readonly #watch: Watch;
  readonly #terms = acquireTerms('Semaphore.acquire()');

  constructor(value?: number);
  /** @internal */
  constructor(value: number, memory: SharedArrayBuffer | null, bound?: number);
  constructor(value = 1, memory: SharedArrayBuffer | null = null, bound = MOST) {
    super();
    const words = sharedWords(WORDS, memory);
    if (memory === null) {
      checkCount(value, 'value');
      if (value < 0) throw new RangeError('semaphore initial value must be >= 0');
      words[VALUE] = value;
      words[BOUND] = bound;
    }
    this.#words = words;
    this.#watch = new Watch({ words, place: VALUE, idle: () => 0 });
  }

  readonly #take = (): Guard | NotYet => {
    for (let value = Atomics.load(this.#words, VALUE); value > 0; ) {
      const seen = Atomics.compareExchange(this.#words, VALUE, value, value - 1);
      if (seen === value) return new OnceGuard(this);
      value = seen;
    }
    return NOT_YET;
  };

  /**
   * Take a permit, or wait for one.
   *
   * @param blocking - false: do not wait. Default true.
   * @param timeout - how long to wait, in seconds; null, the default: for ever.
   * @returns a guard whose `release()` or disposal gives the permit back, once; false if there was none.
   * @throws RangeError for a time-out of a call that does not wait.
   *
   * Cancellation: ends the wait; a permit that had come already goes back.
   *
   * Source: CPython 3.14 `threading.Semaphore.acquire`, whose result is a boolean.
   */
  acquire(): Started<Guard>;
  acquire(blocking: boolean, timeout?: Delay | null): Started<Guard | false>;
  acquire(blocking = true, timeout?: Delay | null): Started<any> {
    const seconds = secondsOf(timeout);
    if (!blocking && seconds !== null) throw new RangeError("can't specify timeout for non-blocking acquire");
    return this.#watch.wait<Guard | false>(this.#take, blocking ? seconds : 0, this.#terms);
  }

  /**
   * Give back `n` permits, or add some.
   *
   * @throws RangeError if `n` is less than 1.
   *
   * Source: CPython 3.14 `threading.Semaphore.release`.
   */
  release(n = 1): void {
    checkCount(n, 'n');
    if (n < 1) throw new RangeError('n must be one or more');
    for (let value = Atomics.load(this.#words, VALUE); ; ) {
      if (value + n > (this.#words[BOUND] as number))
        throw new RangeError('Semaphore released too many times');
      const seen = Atomics.compareExchange(this.#words, VALUE, value, value + n);
      if (seen === value) break;
      value = seen;
    }
    Atomics.notify(this.#words, VALUE, n);
  }

  /**
   * Acquire, run `body`, and release on every way out.
   *
   * @param body - an async, generator or plain function; it runs inline, in the calling task.
   * @returns what the body gives.
   *
   * Source: CPython 3.14 `with semaphore`.
   */
  run<T>(body: () => Gen<T>): Coroutine<T>;
  run<T>(body: () => T | PromiseLike<T>): Coroutine<T>;
  run(body: () => unknown): Coroutine<unknown> {
    checkBody(body, 'Semaphore', '');
    return runWithPermit(this, body);
  }

  /** @internal */
  protected _parcel(): Parcel {
    return { kind: 'threading.Semaphore', module: import.meta.url, data: this.#words.buffer };
  }

  override toString(): string {
    const [value, bound] = [Atomics.load(this.#words, VALUE), this.#words[BOUND]];
    return `<${this.constructor.name}: value=${value}${bound === MOST ? '' : `/${bound}`}>`;
  }
}

/**
 * A semaphore that refuses to have more permits than at first: a `release` too many is a RangeError.
 *
 * Source: CPython 3.14 `threading.BoundedSemaphore`.
 */
export class BoundedSemaphore extends Semaphore {
  constructor(value?: number);
  /** @internal */
  constructor(value: number, memory: SharedArrayBuffer | null);
  constructor(value = 1, memory: SharedArrayBuffer | null = null) {
    super(value, memory, value);
  }

  /** @internal */
  protected override _parcel(): Parcel {
    return { ...super._parcel(), kind: 'threading.BoundedSemaphore' };
  }
}

registerKind('threading.Semaphore', (memory: SharedArrayBuffer) => new Semaphore(0, memory));
registerKind('threading.BoundedSemaphore', (memory: SharedArrayBuffer) => new BoundedSemaphore(0, memory));
