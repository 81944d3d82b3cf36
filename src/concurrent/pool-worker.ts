/** One worker of a pool, and what it was given. */
import type { Transferable } from 'node:worker_threads';
import { needsPacking } from './crossing.ts';
import type { Pool } from './pool.ts';
import { isFast, type KnownPlace, type PoolCall } from './pool-call.ts';
import { CallFlag, type FromWorkerEntry, ToWorker, type ToWorkerEntry } from './protocol.ts';
import { asPicklingError, packArgs } from './sending.ts';
import { Timer } from './timer.ts';
import type { Death, WorkerHandle, WorkerListener } from './workers.ts';

// Taken when the module is loaded, so that a test library's fake timers do not stop a call.
const { setImmediate } = globalThis;

/** Seconds that a worker that was told to end may take. */
const CLOSE_SECONDS = 10;

/** All workers of all pools. */
const present = new Set<PoolWorker>();

/** The program has nothing to do any more: its idle workers end as well, and what they have printed comes out first. */
function closeAll(): void {
  for (const worker of present) worker.close();
}

/** The program ends in the midst of its calls: a process that computes would not see it before its call is over. */
function terminateAll(): void {
  for (const { handle } of present) if (handle.way === 'process') handle.terminate();
}

function enter(worker: PoolWorker): void {
  if (present.size === 0) process.on('beforeExit', closeAll).on('exit', terminateAll);
  present.add(worker);
}

function leave(worker: PoolWorker): void {
  present.delete(worker);
  if (present.size === 0) process.off('beforeExit', closeAll).off('exit', terminateAll);
}

/** A worker with the calls that were sent to it. */
export class PoolWorker implements WorkerListener {
  readonly pool: Pool;
  readonly handle: WorkerHandle;
  /** What it was given and has not ended, in that order. */
  readonly calls = new Map<number, PoolCall>();
  /** How many of them nothing may wait behind. */
  slowCalls = 0;
  readonly #places = new Set<number>();
  #outbox: ToWorkerEntry[] = [];
  /** When what is to be sent will be: with all else of this turn, or soon. */
  #flushing: 'no' | 'turn' | 'soon' = 'no';
  #isReferenced = true;
  /** It has told that it can take calls. */
  isReady = false;
  /** It takes no more calls. */
  isRetired = false;
  /** It was ended on purpose. */
  isEnded = false;
  #taken = 0;
  /** When the oldest of its calls became the oldest. */
  headSince = 0;
  /** It was asked for the calls that it has not begun. */
  isRecalling = false;
  #closeTimer: Timer | null = null;

  constructor(pool: Pool) {
    this.pool = pool;
    this.handle = pool.options.start(this);
    enter(this);
  }

  /** It was told to end when it has done its calls. */
  get isClosing(): boolean {
    return this.#closeTimer !== null;
  }

  onMessage(entries: readonly FromWorkerEntry[]): void {
    const { size } = this.calls;
    for (const entry of entries) this.pool._onEntry(this, entry);
    if (this.calls.size < size) this.headSince = performance.now();
    this.pool._pump();
    this.updateRef();
  }

  onExit(death: Death): void {
    this.#closeTimer?.cancel();
    leave(this);
    this.pool._onExit(this, death);
  }

  /** Send it soon: with all else that this code has for the worker. */
  send(entry: ToWorkerEntry): void {
    this.#outbox.push(entry);
    if (this.#flushing === 'soon') return;
    this.#flushing = 'soon';
    queueMicrotask(() => this.#flush());
  }

  /** Send it at the end of this turn, with all else that the turn has for the worker, which is busy until then. */
  #sendInTurn(entry: ToWorkerEntry): void {
    this.#outbox.push(entry);
    if (this.#flushing !== 'no') return;
    this.#flushing = 'turn';
    setImmediate(() => this.#flush());
  }

  /** Send it a call. */
  give(call: PoolCall): void {
    const { place } = call;
    this.introduce(place);
    call.worker = this;
    call.isSlow = !isFast(place) || call.sink !== null;
    if (call.isSlow) this.slowCalls++;
    if (this.calls.size === 0) this.headSince = performance.now();
    this.calls.set(call.id, call);
    this.#taken++;
    const { maxTasksPerChild } = this.pool.options;
    if (maxTasksPerChild !== null && this.#taken >= maxTasksPerChild) this.isRetired = true;
    const flags = call.sink === null ? 0 : CallFlag.STREAM;
    call.slot = this.handle.claims?.offer(call.id) ?? -1;
    const entry: ToWorkerEntry = [
      ToWorker.CALL,
      call.id,
      place.id,
      call.args,
      flags,
      call.variables,
      call.slot,
    ];
    if (this.calls.size > 1) this.#sendInTurn(entry);
    else this.send(entry);
    call.sink?.begin((n) => {
      if (this.calls.has(call.id)) this.send([ToWorker.CREDIT, call.id, n]);
    });
    this.updateRef();
  }

  /** Take a call from it that has ended, in whatever way. */
  take(call: PoolCall): void {
    if (!this.calls.delete(call.id)) return;
    if (call.isSlow) this.slowCalls--;
    if (call.slot >= 0) this.handle.claims?.release(call.slot);
    call.slot = -1;
    call.worker = null;
    call.grace?.cancel();
  }

  /** Take back a call. Returns whether it had not begun: now it never will. */
  withdraw(call: PoolCall): boolean {
    const unsent = this.#outbox.findIndex((entry) => entry[0] === ToWorker.CALL && entry[1] === call.id);
    if (unsent >= 0) this.#outbox.splice(unsent, 1);
    else if (call.slot < 0 || this.handle.claims?.takeBack(call.slot, call.id) !== true) return false;
    this.take(call);
    this.closeIfDone();
    this.updateRef();
    return true;
  }

  /** Whether the call may have begun. */
  mayHaveBegun(call: PoolCall): boolean {
    if (call.slot >= 0) return this.handle.claims?.hasBegun(call.slot) === true;
    let position = 0;
    for (const other of this.calls.values()) {
      if (other === call) return position < this.pool.options.concurrency;
      position++;
    }
    return false;
  }

  /**
   * Take back the calls that have not begun, if they can be sent again, in the order of their submission. Of a process that is
   * known at its end only: what was behind those that it ran.
   */
  takeBack(): PoolCall[] {
    const isProcess = this.handle.claims === null;
    const calls = [...this.calls.values()].filter(
      (call) => !call.isMoved && !(isProcess && this.mayHaveBegun(call)),
    );
    // The last ones first: what a thread begins meanwhile is then older than all that comes back, and one worker keeps the order.
    if (!isProcess || !this.isEnded)
      return calls
        .reverse()
        .filter((call) => this.withdraw(call))
        .reverse();
    for (const call of calls) this.take(call);
    return calls;
  }

  /** Take all calls from it. */
  takeAll(): PoolCall[] {
    const calls = [...this.calls.values()];
    for (const call of calls) this.take(call);
    return calls;
  }

  /** Nothing more may wait behind this call. */
  slowDown(call: PoolCall): void {
    if (!call.isSlow) this.slowCalls++;
    call.isSlow = true;
  }

  /** Tell it where a function is. */
  introduce(place: KnownPlace): void {
    if (this.#places.has(place.id)) return;
    this.#places.add(place.id);
    const { id, module, name, text, isNamed } = place;
    this.send([ToWorker.PLACE, id, { module, name, text, isNamed }]);
  }

  #flush(): void {
    this.#flushing = 'no';
    const entries = this.#outbox;
    this.#outbox = [];
    if (this.isEnded || entries.length === 0) return;
    if (!entries.some((entry) => entry[0] === ToWorker.CALL && needsPacking(entry[3] as unknown[]))) {
      try {
        this.handle.post(entries, []);
        return;
      } catch {
        // One of them cannot be cloned as it is.
      }
    }
    for (const entry of entries) this.#postAlone(entry);
  }

  #postAlone(entry: ToWorkerEntry): void {
    if (entry[0] !== ToWorker.CALL && entry[0] !== ToWorker.INIT) {
      this.handle.post([entry], []);
      return;
    }
    try {
      const { entry: packed, transfer } = this.#pack(entry);
      const call = entry[0] === ToWorker.CALL ? this.calls.get(entry[1]) : undefined;
      if (call !== undefined) call.isMoved = transfer.length > 0;
      this.handle.post([packed], transfer);
    } catch (problem) {
      if (entry[0] === ToWorker.CALL) this.#refuse(entry[1], problem);
      else
        this.pool._initializerFailed(
          asPicklingError('initargs', this.pool.options.initargs, this.handle, problem),
        );
    }
  }

  #pack(entry: ToWorkerEntry): { entry: ToWorkerEntry; transfer: readonly Transferable[] } {
    if (entry[0] === ToWorker.CALL) {
      const [op, id, placeId, args, flags, variables, slot = -1] = entry;
      const packed = packArgs(args, flags, this.handle);
      const sendable = variables?.filter(([, each]) => this.handle.canBeSent(each)) ?? null;
      return {
        entry: [op, id, placeId, packed.args, packed.flags, sendable, slot],
        transfer: packed.transfer,
      };
    }
    const [op, placeId, args, flags] = entry as Extract<ToWorkerEntry, { 0: typeof ToWorker.INIT }>;
    const packed = packArgs(args, flags, this.handle);
    return { entry: [op, placeId, packed.args, packed.flags], transfer: packed.transfer };
  }

  #refuse(id: number, problem: unknown): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    this.take(call);
    this.closeIfDone();
    const what = `${call.place.name || 'the function'}()`;
    if (!call.future.done()) call.future.setException(asPicklingError(what, call.args, this.handle, problem));
    this.pool._pump();
    this.updateRef();
  }

  /** A worker with work keeps the process alive. */
  updateRef(): void {
    // Whoever ends a worker may wait until it is gone.
    const isEnding = this.isEnded || this.#closeTimer !== null;
    const isNeeded = this.calls.size > 0 || isEnding || this.pool._isWaitingFor(this);
    if (isNeeded === this.#isReferenced) return;
    this.#isReferenced = isNeeded;
    if (isNeeded) this.handle.ref();
    else this.handle.unref();
  }

  /** One that takes no more calls ends with the last that it has. */
  closeIfDone(): void {
    if (this.isRetired && this.calls.size === 0) this.close();
  }

  /** Let it end when it has done its calls. */
  close(): void {
    if (this.#closeTimer !== null || this.isEnded) return;
    this.isRetired = true;
    this.send([ToWorker.CLOSE]);
    this.#closeTimer = new Timer(CLOSE_SECONDS, () => this.handle.kill());
    this.updateRef();
  }

  /** End it, whatever it does. */
  end(politely: boolean): void {
    this.isRetired = true;
    this.isEnded = true;
    this.updateRef();
    if (politely) this.handle.terminate();
    else this.handle.kill();
  }
}
