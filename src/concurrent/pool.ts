/**
 * The engine of the executors: calls wait in one line, workers take them from its head. Counterpart: the threads that
 * `concurrent/futures/thread.py` and `process.py` use for it.
 *
 * What makes it fast is that several calls travel in one message, and that calls of functions known to be fast wait in the
 * workers themselves. Such a function was fast at each of its last calls; if one turns out slow, the calls behind it are
 * called back and go to others.
 */
import { describe, RuntimeError } from '../core/exceptions.ts';
import { formatError } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import { unpack } from './crossing.ts';
import { type BrokenExecutor, ExecutorFull, type PicklingError } from './errors.ts';
import { Future } from './futures.ts';
import { isFast, type KnownPlace, PoolCall, type StreamSink } from './pool-call.ts';
import { PoolWorker } from './pool-worker.ts';
import { FromWorker, type FromWorkerEntry, ToWorker } from './protocol.ts';
import { unpackError } from './remote-errors.ts';
import { Started } from './started.ts';
import { exportsOf, type Place, placeOf, type Target } from './targets.ts';
import { Timer } from './timer.ts';
import type { Death, WorkerHandle, WorkerListener } from './workers.ts';

/** What a pool has to know. */
export interface PoolOptions {
  readonly maxWorkers: number;
  readonly initializer: Target<any, unknown> | null;
  readonly initargs: readonly unknown[];
  /** Calls that a worker takes before another takes its place; null for no limit. */
  readonly maxTasksPerChild: number | null;
  /** Calls that may wait; null for no limit. */
  readonly maxQueue: number | null;
  /** Calls that a worker runs at the same time. */
  readonly concurrency: number;
  /** Fast calls that may wait in a worker, beside the one that runs. */
  readonly prefetch: number;
  /** Seconds after which a worker whose call does not stop is ended; null for never. */
  readonly cancelGrace: number | null;
  start(listener: WorkerListener): WorkerHandle;
  /** The error of calls whose worker ended. */
  broken(message: string, cause?: unknown): BrokenExecutor;
  readonly initializerMessage: string;
  readonly deathMessage: string;
  /** Whether the end of one worker is the end of the pool. */
  readonly breaksTogether: boolean;
}

/** A call that runs for longer than this, in milliseconds, loses the calls that wait behind it. */
const RECALL_MS = 5;

/** Between two looks whether a worker that is to be ended runs nothing else, in seconds. */
const OTHERS_SECONDS = 0.05;

/** Workers and the calls for them. */
export class Pool {
  readonly options: PoolOptions;
  readonly #workers = new Set<PoolWorker>();
  #line: PoolCall[] = [];
  #head = 0;
  #nextId = 0;
  #isPumping = false;
  readonly #places = new Map<string, KnownPlace>();
  /** Most calls are of the same function as the one before. */
  #lastPlace: { place: Place; known: KnownPlace } | null = null;
  #broken: BrokenExecutor | null = null;
  #isShutDown = false;
  #shutdownWaits: Started<void>[] = [];
  #drainWaits: Started<void>[] = [];
  #recallTimer: Timer | null = null;
  /** Calls in line that were not cancelled there. */
  #waiting = 0;

  constructor(options: PoolOptions) {
    this.options = options;
  }

  /** How many workers there are. */
  get size(): number {
    return this.#workers.size;
  }

  submit(
    target: Target<any, any>,
    args: unknown[],
    sink: StreamSink | null = null,
    cancelGrace = this.options.cancelGrace,
  ): Future<any> {
    if (this.#broken !== null) throw this.#broken;
    if (this.#isShutDown) throw new RuntimeError('cannot schedule new futures after shutdown');
    const { maxQueue } = this.options;
    if (maxQueue !== null && this.#waiting >= maxQueue) {
      throw new ExecutorFull(
        `${maxQueue} calls wait already (maxQueue): await executor.drain() before submitting more`,
      );
    }
    const future = new Future<any>();
    let place: KnownPlace;
    try {
      place = this.#know(placeOf(target));
    } catch (error) {
      future.setException(error as PicklingError);
      return future;
    }
    const call = new PoolCall(this.#nextId++, future, place, args, sink, cancelGrace);
    future._control = {
      abort: () => this.#abort(call),
      forget: () => this.#forget(call),
      isWaiting: () => call.worker === null || !call.worker.mayHaveBegun(call),
      withdraw: () => call.worker === null || call.worker.withdraw(call),
    };
    this.#line.push(call);
    this.#waiting++;
    this._pump();
    return future;
  }

  #know(place: Place): KnownPlace {
    const last = this.#lastPlace;
    if (last !== null && last.place === place) return last.known;
    const key = `${place.name} ${place.module} ${place.text}`;
    let known = this.#places.get(key);
    if (known === undefined) {
      known = { ...place, id: this.#places.size, fastCalls: 0 };
      this.#places.set(key, known);
    }
    this.#lastPlace = { place, known };
    return known;
  }

  /** Wait until there is a place in line. */
  drain(): Started<void> {
    const wait: Started<void> = new Started('Executor.drain()', {
      withdraw: () => {
        this.#drainWaits = this.#drainWaits.filter((other) => other !== wait);
      },
    });
    this.#drainWaits.push(wait);
    this.#serveDrain();
    return wait;
  }

  #serveDrain(): void {
    const { maxQueue } = this.options;
    if (maxQueue !== null && this.#waiting >= maxQueue && this.#broken === null) return;
    const waits = this.#drainWaits;
    this.#drainWaits = [];
    for (const wait of waits) wait._resolve();
  }

  /** A call was cancelled, and will not run. */
  #forget(call: PoolCall): void {
    if (call.isInLine) this.#waiting--;
    this._pump();
  }

  /** @internal Give calls to workers. */
  _pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      this.#distribute();
    } finally {
      this.#isPumping = false;
    }
    if (this.#drainWaits.length > 0) this.#serveDrain();
    this.#finishShutdown();
  }

  #distribute(): void {
    while (this.#head < this.#line.length) {
      const call = this.#line[this.#head] as PoolCall;
      if (call.future.done()) {
        call.future._notified();
        this.#shiftLine();
        continue;
      }
      const worker = this.#choose(call.place);
      if (worker === null) return;
      this.#shiftLine();
      call.isInLine = false;
      this.#waiting--;
      if (!call.isAnnounced) call.future.setRunningOrNotifyCancel();
      call.isAnnounced = true;
      worker.give(call);
    }
  }

  #shiftLine(): void {
    this.#head++;
    if (this.#head === this.#line.length) {
      this.#line = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#line.length) {
      this.#line = this.#line.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The worker for the next call: an idle one, a new one, or one where a fast call may wait. */
  #choose(place: KnownPlace): PoolWorker | null {
    const { concurrency, prefetch, maxWorkers } = this.options;
    const mayWait = isFast(place);
    let best: PoolWorker | null = null;
    let starting = 0;
    let active = 0;
    for (const worker of this.#workers) {
      // One that takes no more calls counts as long as it runs those that it has.
      if (!worker.isRetired || (worker.calls.size > 0 && !worker.isEnded)) active++;
      if (worker.isRetired) continue;
      if (!worker.isReady) {
        starting++;
        continue;
      }
      const load = worker.calls.size;
      const mayPrefetch = mayWait && worker.slowCalls === 0 && !worker.isRecalling;
      const limit = mayPrefetch ? concurrency + prefetch : concurrency;
      if (load < limit && (best === null || load < best.calls.size)) best = worker;
    }
    if (best !== null && best.calls.size < concurrency) return best;
    // As many are started as there are calls for them.
    if (active < maxWorkers && starting < this.#waiting) this.#startWorker();
    if (best !== null) this.#watchHeads();
    return best;
  }

  #startWorker(): void {
    const { initializer, initargs } = this.options;
    let worker: PoolWorker;
    try {
      worker = new PoolWorker(this);
    } catch (error) {
      // The system or the options do not allow it.
      this.#break(this.options.broken(`A worker could not be started: ${describe(error)}`, error));
      return;
    }
    this.#workers.add(worker);
    if (initializer === null) return;
    try {
      const place = this.#know(placeOf(initializer));
      worker.introduce(place);
      worker.send([ToWorker.INIT, place.id, initargs, 0]);
    } catch (error) {
      this._initializerFailed(error);
    }
  }

  /** While calls wait in workers, see to it that none waits behind a slow one. */
  #watchHeads(): void {
    if (this.#recallTimer !== null) return;
    this.#recallTimer = new Timer(RECALL_MS / 1000, () => {
      this.#recallTimer = null;
      const now = performance.now();
      for (const worker of this.#workers) {
        if (worker.calls.size <= this.options.concurrency || worker.isRecalling) continue;
        this.#watchHeads();
        if (now - worker.headSince >= RECALL_MS) this.#recall(worker);
      }
      this._pump();
    });
    this.#recallTimer.unref();
  }

  /** Take the calls that have not begun from a worker that is busy with another. */
  #recall(worker: PoolWorker): void {
    for (const call of worker.calls.values()) if (worker.mayHaveBegun(call)) worker.slowDown(call);
    this.#requeue(worker.takeBack());
    if (worker.handle.claims !== null) return;
    worker.isRecalling = true;
    worker.send([ToWorker.RECALL]);
  }

  /** @internal Whether calls wait for a worker that is not ready. */
  _isWaitingFor(worker: PoolWorker): boolean {
    return !worker.isReady && this.#waiting > 0;
  }

  /** @internal What a worker has sent. */
  _onEntry(worker: PoolWorker, entry: FromWorkerEntry): void {
    switch (entry[0]) {
      case FromWorker.READY:
        worker.isReady = true;
        break;
      case FromWorker.RESULT: {
        const [, id, value, wasFast, hasParcels] = entry;
        const call = this.#take(worker, id);
        if (call === null) break;
        call.place.fastCalls = wasFast ? call.place.fastCalls + 1 : 0;
        if (!call.future.done()) call.future.setResult(hasParcels ? unpack(value) : value);
        break;
      }
      case FromWorker.ERROR: {
        const call = this.#take(worker, entry[1]);
        if (call === null || call.future.done()) break;
        call.future.setException(unpackError(entry[2], exportsOf(call.place.module)));
        break;
      }
      case FromWorker.CANCELLED: {
        const call = this.#take(worker, entry[1]);
        // The function cancelled itself: nobody here asked for it.
        if (call !== null && !call.future.done()) call.future._endCancelled();
        break;
      }
      case FromWorker.RECALLED:
        this.#returned(worker, entry[1]);
        break;
      case FromWorker.PROGRESS: {
        const call = worker.calls.get(entry[1]);
        if (call !== undefined && !call.isAborted)
          call.future._progress(entry[3] ? unpack(entry[2], worker.handle.link) : entry[2]);
        break;
      }
      case FromWorker.VALUE: {
        const call = worker.calls.get(entry[1]);
        if (call !== undefined && !call.isAborted)
          call.sink?.value(entry[3] ? unpack(entry[2], worker.handle.link) : entry[2]);
        break;
      }
      case FromWorker.LINK:
        worker.handle.link.receive(entry[1]);
        break;
      case FromWorker.INIT_FAILED:
        this._initializerFailed(unpackError(entry[1]));
        break;
    }
  }

  #take(worker: PoolWorker, id: number): PoolCall | null {
    const call = worker.calls.get(id);
    if (call === undefined) return null;
    worker.take(call);
    worker.closeIfDone();
    return call;
  }

  /** Calls that have not begun come back to the head of the line. */
  #returned(worker: PoolWorker, ids: readonly number[]): void {
    worker.isRecalling = false;
    const calls: PoolCall[] = [];
    for (const id of ids) {
      const call = worker.calls.get(id);
      if (call === undefined) continue;
      worker.take(call);
      calls.push(call);
    }
    this.#requeue(calls);
    worker.closeIfDone();
  }

  #requeue(calls: readonly PoolCall[]): void {
    const left = calls.filter((call) => !call.future.done());
    if (left.length === 0) return;
    for (const call of left) call.isInLine = true;
    this.#line = [...left, ...this.#line.slice(this.#head)];
    this.#head = 0;
    this.#waiting += left.length;
  }

  #abort(call: PoolCall): void {
    const { worker } = call;
    call.isAborted = true;
    if (worker === null) return;
    worker.slowDown(call);
    worker.send([ToWorker.CANCEL, call.id]);
    if (call.cancelGrace !== null) this.#endLater(call, call.cancelGrace);
  }

  #endLater(call: PoolCall, seconds: number): void {
    call.grace = new Timer(seconds, () => this.#endWorkerOf(call));
  }

  /** The function goes on in spite of its cancellation: its worker is ended, and another takes its place. */
  #endWorkerOf(call: PoolCall): void {
    const { worker } = call;
    if (worker === null || worker.isEnded) return;
    if (!worker.mayHaveBegun(call)) {
      // Another runs before it, of a process that has not heard of the cancellation. That one is not to suffer.
      this.#endLater(call, Math.max(call.cancelGrace ?? 0, OTHERS_SECONDS));
      return;
    }
    worker.isRetired = true;
    this.#recall(worker);
    const isInnocent = (other: PoolCall): boolean => !other.isAborted && worker.mayHaveBegun(other);
    if ([...worker.calls.values()].some(isInnocent)) {
      // They run beside it, and end first.
      this.#endLater(call, OTHERS_SECONDS);
    } else worker.end(false);
    this._pump();
  }

  /** @internal */
  _initializerFailed(error: unknown): void {
    logger.error(`Exception in initializer:\n${formatError(error)}`);
    this.#break(this.options.broken(this.options.initializerMessage, error));
  }

  /** @internal */
  _onExit(worker: PoolWorker, { code, signal, error }: Death): void {
    const isExpected = worker.isEnded || worker.isClosing;
    worker.isEnded = true;
    worker.isRetired = true;
    const how = signal !== null ? `it was ended by ${signal}` : `its exit code is ${code}`;
    const text = `${this.options.deathMessage} (${error === undefined ? how : `it threw ${describe(error)}`})`;
    const problem = this.options.broken(text, error);
    // One that ends before it is ready ends always.
    if (!isExpected && (this.options.breaksTogether || !worker.isReady)) this.#break(problem);
    if (!isExpected && worker.calls.size === 0 && error !== undefined) {
      logger.error(`Exception in an idle worker:\n${formatError(error)}`);
    }
    this.#requeue(worker.takeBack());
    this.#fail(worker.takeAll(), problem);
    this.#workers.delete(worker);
    this._pump();
    this.#finishShutdown();
  }

  #fail(calls: Iterable<PoolCall>, error: Error): void {
    for (const call of calls) {
      if (!call.future.done()) call.future.setException(error);
    }
  }

  /** The pool takes no more calls, and those that it has fail. */
  #break(error: BrokenExecutor): void {
    if (this.#broken !== null) return;
    this.#broken = error;
    const calls = this.#line.slice(this.#head);
    this.#line = [];
    this.#head = 0;
    this.#waiting = 0;
    for (const worker of this.#workers) {
      calls.push(...worker.takeAll());
      if (!worker.isEnded) worker.end(true);
    }
    this.#fail(calls, error);
    this.#serveDrain();
    this.#finishShutdown();
  }

  shutdown(wait: boolean, cancelFutures: boolean): Started<void> {
    this.#isShutDown = true;
    if (cancelFutures) {
      const sent = [...this.#workers].flatMap((worker) => [...worker.calls.values()]);
      for (const { future } of [...this.#line.slice(this.#head), ...sent]) future.cancel();
    }
    const started = new Started<void>('Executor.shutdown()');
    if (wait) this.#shutdownWaits.push(started);
    else started._resolve();
    this._pump();
    this.#finishShutdown();
    return started;
  }

  #finishShutdown(): void {
    if (!this.#isShutDown && this.#broken === null) return;
    if (this.#head < this.#line.length) return;
    for (const worker of this.#workers) if (worker.calls.size === 0) worker.close();
    if (this.#workers.size > 0) return;
    const waits = this.#shutdownWaits;
    this.#shutdownWaits = [];
    for (const wait of waits) wait._resolve();
  }

  /** End all workers now: what runs is lost, what waits is cancelled. */
  endWorkers(politely: boolean): void {
    this.#isShutDown = true;
    const calls = this.#line.slice(this.#head);
    this.#line = [];
    this.#head = 0;
    for (const call of calls) call.future.cancel();
    this.#waiting = 0;
    const running: PoolCall[] = [];
    for (const worker of this.#workers) {
      running.push(...worker.takeAll());
      worker.end(politely);
    }
    if (running.length > 0) this.#fail(running, this.options.broken(this.options.deathMessage));
    this.#serveDrain();
    this.#finishShutdown();
  }
}
