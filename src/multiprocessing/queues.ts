/** Queues between processes. Counterpart: `multiprocessing/queues.py`. */
import { AssertionError } from '../core/exceptions.ts';
import { Ring } from '../core/ring.ts';
import type { Delay } from '../core/types.ts';
import { registerKind } from '../concurrent/crossing.ts';
import { Empty, Full } from '../concurrent/queue-errors.ts';
import { Started } from '../concurrent/started.ts';
import { systemError } from './errors.ts';
import { decode, encode } from './items.ts';
import { Line } from './line.ts';
import { RemoteShared, revive } from './peer.ts';
import {
  type Client,
  derive,
  nextAddress,
  patience,
  type Shared,
  type SharedData,
  SharedObject,
} from './shared.ts';

function beFull(started: Started<void>): void {
  started._reject(new Full());
}

function beEmpty(started: Started<Uint8Array>): void {
  started._reject(new Empty());
}

/** The items and those who wait, in the process that made the queue. */
class Store implements Shared {
  readonly #max: number;
  readonly #items = new Ring<Uint8Array>(16);
  /** Items that came back, the next one last. */
  readonly #returned: Uint8Array[] = [];
  readonly #getters = new Line<Uint8Array>();
  readonly #putters = new Line<void, Uint8Array>();
  #unfinished = 0;
  readonly #joins = new Line<void>();

  constructor(max: number) {
    this.#max = max > 0 ? max : Number.POSITIVE_INFINITY;
  }

  get #size(): number {
    return this.#items.length + this.#returned.length;
  }

  call(op: string, args: readonly unknown[], client: Client): Started<any> {
    const what = `Queue.${op}()`;
    switch (op) {
      case 'put':
        return this.#put(what, args[0] as Uint8Array, args[1] as number | null, client);
      case 'get':
        return this.#get(what, args[0] as number | null, client);
      case 'qsize':
        return Started._of(what, this.#size);
      case 'empty':
        return Started._of(what, this.#size === 0);
      case 'full':
        return Started._of(what, this.#size >= this.#max);
      case 'taskDone':
        if (this.#unfinished === 0)
          return Started._failed(what, new RangeError('task_done() called too many times'));
        if (--this.#unfinished === 0) this.#joins.release(undefined);
        return Started._of(what, undefined);
      case 'join':
        if (this.#unfinished === 0) return Started._of(what, undefined);
        return this.#joins.join({ what, client, timeout: null, onTimeout: () => {} }, undefined);
      default:
        return Started._of(what, undefined);
    }
  }

  #put(what: string, item: Uint8Array, timeout: number | null, client: Client): Started<void> {
    if (this.#size < this.#max) {
      this.#add(item);
      return Started._of<void>(what, undefined);
    }
    if (timeout === 0) return Started._failed(what, new Full());
    return this.#putters.join({ what, client, timeout, onTimeout: beFull }, item);
  }

  #add(item: Uint8Array): void {
    this.#unfinished++;
    const getter = this.#getters.shift();
    if (getter === undefined) this.#items.push(item);
    else getter.started._resolve(item);
  }

  #get(what: string, timeout: number | null, client: Client): Started<Uint8Array> {
    const giveBack = (item: Uint8Array): void => this.giveBack('get', item);
    if (this.#size > 0) {
      const started = new Started<Uint8Array>(what, { giveBack });
      started._resolve(this.#take());
      return started;
    }
    if (timeout === 0) return Started._failed(what, new Empty());
    return this.#getters.join({ what, client, timeout, onTimeout: beEmpty, giveBack }, undefined);
  }

  #take(): Uint8Array {
    const item = this.#returned.pop() ?? this.#items.shift();
    // There may be more of them than there is room, if some came back.
    if (this.#size < this.#max) {
      const putter = this.#putters.shift();
      if (putter !== undefined) {
        this.#add(putter.note);
        putter.started._resolve();
      }
    }
    return item;
  }

  giveBack(_op: string, value: unknown): void {
    const item = value as Uint8Array;
    const getter = this.#getters.shift();
    if (getter === undefined) this.#returned.push(item);
    else getter.started._resolve(item);
  }

  gone(): void {}
}

/** What the queues have in common. */
abstract class AnyQueue<T> extends SharedObject {
  readonly #address = nextAddress();
  #isClosed = false;

  /** @internal */
  get _isClosed(): boolean {
    return this.#isClosed;
  }

  /** @internal @throws if this process has closed it. */
  protected abstract _check(): void;

  /**
   * Take the next item, or wait for it: first come, first served.
   *
   * Cancellation: nothing is taken; an item that was on its way goes back to the head of the queue.
   */
  protected _take(timeout: number | null): Started<T> {
    this._check();
    const bytes = this._call<Uint8Array>('get', timeout);
    return derive(`${this.constructor.name}.get()`, bytes, decode, true);
  }

  /** @internal */
  protected _give(item: T, timeout: number | null): Started<void> {
    this._check();
    return this._call<void>('put', encode(item), timeout);
  }

  /**
   * Whether there is nothing in it. True only for the moment of the answer.
   */
  empty(): Started<boolean> {
    return this._call('empty');
  }

  /** This process uses it no more. */
  close(): void {
    this.#isClosed = true;
  }

  /** @internal */
  protected _module(): string {
    return import.meta.url;
  }

  override toString(): string {
    return `<multiprocessing.queues.${this.constructor.name} object at ${this.#address}>`;
  }
}

/**
 * A queue between processes: first in, first out.
 *
 * It lives in the process that made it, and goes to others as an argument of a `Process` or a call. Items are cloned at
 * the call of `put`. They are never lost, except with a process that dies when it has got them.
 *
 * @param maxsize - items that it holds at most; 0, the default: no limit.
 *
 * Source: CPython 3.14 `multiprocessing.Queue`.
 */
export class Queue<T = any> extends AnyQueue<T> {
  readonly #puts = new Set<Started<void>>();

  constructor(maxsize?: number);
  /** @internal */
  constructor(shared: Shared);
  constructor(from: number | Shared = 0) {
    super(typeof from === 'number' ? new Store(from) : from);
  }

  protected override _check(): void {
    if (this._isClosed) throw new RangeError(`Queue ${this} is closed`);
  }

  /**
   * Put `item` into it, or wait until there is room. It is put whether this is awaited or not.
   *
   * @param block - false: do not wait. Default true.
   * @param timeout - seconds to wait at most; null for no limit.
   * @throws by the wait Full; at once RangeError if this process has closed the queue, PicklingError for what cannot be
   *   cloned, RuntimeError for a queue, a lock and the like.
   *
   * Cancellation: it is not put, unless there was room already.
   *
   * Source: CPython 3.14 `multiprocessing.Queue.put`.
   */
  put(item: T, block = true, timeout?: Delay | null): Started<void> {
    const put = this._give(item, patience(block, timeout));
    if (!put.done()) {
      this.#puts.add(put);
      put._whenEnded(() => this.#puts.delete(put));
    }
    return put;
  }

  /**
   * Take the next item, or wait for it: first come, first served.
   *
   * @param block - false: do not wait. Default true.
   * @param timeout - seconds to wait at most; null for no limit.
   * @throws by the wait Empty; at once RangeError if this process has closed the queue.
   *
   * Cancellation: nothing is taken; an item that was on its way goes back to the head of the queue.
   *
   * Source: CPython 3.14 `multiprocessing.Queue.get`.
   */
  get(block = true, timeout?: Delay | null): Started<T> {
    return this._take(patience(block, timeout));
  }

  /** `put(item, false)`. */
  putNowait(item: T): Started<void> {
    return this.put(item, false);
  }

  /** `get(false)`. */
  getNowait(): Started<T> {
    return this.get(false);
  }

  /** How many items there are at the moment of the answer. */
  qsize(): Started<number> {
    return this._call('qsize');
  }

  /** Whether there is no room at the moment of the answer. */
  full(): Started<boolean> {
    return this._call('full');
  }

  /**
   * After `close`: wait until all that this process has put is in the queue. A child does so by itself at its end.
   *
   * @throws AssertionError if it is not closed.
   *
   * Source: CPython 3.14 `multiprocessing.Queue.join_thread`.
   */
  joinThread(): Started<void> {
    if (!this._isClosed) throw new AssertionError(`Queue ${this} not closed`);
    const puts = [...this.#puts].map((put) => put.toPromise().catch(() => {}));
    const all = Promise.all(puts).then(() => {});
    return Started._from('Queue.joinThread()', all);
  }

  /**
   * Let this process end before all that it has put is in the queue. What is not there is lost.
   *
   * Source: CPython 3.14 `multiprocessing.Queue.cancel_join_thread`.
   */
  cancelJoinThread(): void {
    if (this._shared instanceof RemoteShared) this._shared.state.isNeglected = true;
  }

  /** The items as they come, without end; `break` leaves them. Source: asyncio-ts. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) yield await this.get();
  }
}

/**
 * A queue that knows which of its items are done with.
 *
 * Source: CPython 3.14 `multiprocessing.JoinableQueue`.
 */
export class JoinableQueue<T = any> extends Queue<T> {
  /**
   * An item that was got is done with.
   *
   * @throws by the wait: RangeError if there were not so many.
   *
   * Source: CPython 3.14 `multiprocessing.JoinableQueue.task_done`.
   */
  taskDone(): Started<void> {
    return this._call('taskDone');
  }

  /**
   * Wait until all that was put is done with.
   *
   * Cancellation: ends the wait only.
   *
   * Source: CPython 3.14 `multiprocessing.JoinableQueue.join`.
   */
  join(): Started<void> {
    return this._call('join');
  }
}

/**
 * A queue of `put` and `get` alone.
 *
 * Source: CPython 3.14 `multiprocessing.SimpleQueue`.
 */
export class SimpleQueue<T = any> extends AnyQueue<T> {
  constructor();
  /** @internal */
  constructor(shared: Shared);
  constructor(shared?: Shared) {
    super(shared ?? new Store(0));
  }

  protected override _check(): void {
    if (this._isClosed) throw systemError('handle is closed', 'EBADF');
  }

  /** As `Queue.put`, without limits. */
  put(item: T): Started<void> {
    return this._give(item, null);
  }

  /** As `Queue.get`, without time-outs. */
  get(): Started<T> {
    return this._take(null);
  }
}

// Closed means closed for this process; who sends it once more means it to be used.
function isOpen(queue: AnyQueue<any>): boolean {
  return !queue._isClosed;
}

function register(kind: string, make: (shared: Shared) => AnyQueue<any>): void {
  registerKind(`multiprocessing.${kind}`, (data: SharedData, link) => revive(link, data.id, make, isOpen));
}

register('Queue', (shared) => new Queue(shared));
register('JoinableQueue', (shared) => new JoinableQueue(shared));
register('SimpleQueue', (shared) => new SimpleQueue(shared));
