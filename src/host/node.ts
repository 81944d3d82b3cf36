/** The host on Node: its timers, its microtasks, its storages, its signals. Counterpart: `asyncio/unix_events.py`. */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';
import { isCancelledError } from '../core/exceptions.ts';
import type { ContextStorage, Host, HostedLoop, Interruption, Surroundings } from '../core/host.ts';
import { logger } from '../core/log.ts';
import { notes } from '../core/task-notes.ts';
import { unawaited } from '../core/unawaited.ts';
import { listenedSignal, onFirstSignal, watchReleases } from './signals.ts';

// Taken when the module is loaded, so that a test library's fake timers do not stop the loop. The global `process`,
// since importing 'node:process' opens the standard streams, which takes ten times as long as all of this package.
const { process, setImmediate, setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
const nextTick = process.nextTick.bind(process);
// Not `performance`: loading that takes a tenth of the time that a small program has.
const { hrtime } = process;
const settled = Promise.resolve();

/** Node's timers fire at once above this many milliseconds. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Resources that wait for others, as long as the process likes: nothing is pending because of them. */
const LISTENERS = new Set(['TCPServerWrap', 'TTYWrap', 'SignalWrap', 'FSEventWrap', 'MessagePort']);

/** `AsyncLocalStorage` as the core sees it. Nothing of it costs anything until the first `run`. */
class NodeStorage implements ContextStorage {
  readonly #storage = new AsyncLocalStorage<unknown>();

  run<R>(store: unknown, fn: () => R): R {
    return this.#storage.run(store, fn);
  }

  getStore(): unknown {
    return this.#storage.getStore();
  }

  snapshot(): Surroundings {
    return new NodeSurroundings();
  }

  /** The same without a task of ours. A storage that was never used is empty, and using it would slow every await. */
  emptySnapshot(): Surroundings {
    return this.getStore() === undefined ? this.snapshot() : this.run(undefined, () => this.snapshot());
  }
}

/** A resource costs a hundredth of `AsyncLocalStorage.snapshot()`, which makes one and binds a function to it. */
class NodeSurroundings implements Surroundings {
  readonly #resource = new AsyncResource('asyncio-ts', { requireManualDestroy: true });

  run<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): R {
    return this.#resource.runInAsyncScope(fn as (...args: unknown[]) => R, undefined, ...args);
  }
}

const storage = new NodeStorage();

/** Time, wake-ups and outside events of a loop, from Node's own loop. */
export class NodeHost implements Host {
  readonly clockResolution = 1e-6;
  readonly storage: ContextStorage = storage;
  #loop: HostedLoop | null = null;
  /** Those of the code that started the run, with no task of ours. */
  #around: Surroundings | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerWhen = Number.POSITIVE_INFINITY;
  #next: () => void = () => {};
  #closed: Promise<void> = settled;
  readonly #turn = (): void => this.#loop?.turn();
  readonly #turnAround = (): void => this.#around?.run(this.#turn);
  /** Node counts a timer as active until its callback has returned. */
  #isInTimer = false;
  readonly #onTimer = (): void => {
    this.#timer = null;
    this.#isInTimer = true;
    this.#turnAround();
    this.#isInTimer = false;
  };
  // Two hops: the microtask queue is empty when Node goes over to the next-tick queue.
  readonly #hop = (): void => nextTick(this.#next);
  readonly #hopToTurn = (): void => nextTick(this.#turnAround);

  time(): number {
    const [seconds, nanoseconds] = hrtime();
    return seconds + nanoseconds * 1e-9;
  }

  open(loop: HostedLoop): void {
    this.#loop = loop;
    this.#around = storage.emptySnapshot();
    keepWatch(loop);
  }

  close(): void {
    this.#disarm();
    if (this.#loop !== null) running.delete(this.#loop);
    this.#loop = null;
    idle.delete(this);
    // Node tells of the rejections of this tick when it is over.
    this.#closed = new Promise((resolve) => {
      setImmediate(() => {
        endWatch();
        resolve();
      });
    });
  }

  closed(): Promise<void> {
    return this.#closed;
  }

  soon(): void {
    idle.delete(this);
    setImmediate(this.#turnAround);
  }

  promptly(): void {
    idle.delete(this);
    void settled.then(this.#hopToTurn);
  }

  wait(when: number): void {
    idle.add(this);
    if (this.#timer !== null && when === this.#timerWhen) return;
    this.#disarm();
    if (when === Number.POSITIVE_INFINITY) return;
    const ms = Math.ceil((when - this.time()) * 1000);
    this.#timerWhen = when;
    this.#timer = setTimeout(this.#onTimer, Math.min(Math.max(ms, 1), MAX_TIMEOUT_MS));
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  drained(next: () => void): void {
    this.#next = next;
    // `then` of a settled promise costs less than `queueMicrotask`, which makes an AsyncResource on Node 20.
    void settled.then(this.#hop);
  }

  /** Nothing in the process can wake the loop. */
  stuck(): void {
    this.#loop?.stuck();
  }

  /** Resources that keep the process alive, without our own. */
  activeResources(): number {
    // Made at their first use, they count from then on when they are pipes.
    void process.stdout;
    void process.stderr;
    const active = process.getActiveResourcesInfo().filter((kind) => !LISTENERS.has(kind));
    return active.length - (this.#isInTimer ? 1 : 0) - (this.#timer === null ? 0 : 1);
  }

  onInterrupt(onInterrupt: (interruption: Interruption) => void, handlesSigterm?: boolean): () => void {
    return onFirstSignal(handlesSigterm ? ['SIGINT', 'SIGTERM'] : ['SIGINT'], onInterrupt);
  }

  allowListeners(signal: AbortSignal): void {
    setMaxListeners(0, signal);
  }

  every(seconds: number, report: () => void): () => void {
    const interval = setInterval(report, seconds * 1000);
    interval.unref();
    return () => clearInterval(interval);
  }
}

/** Hosts that wait for something from outside. */
const idle = new Set<NodeHost>();
const running = new Set<HostedLoop>();
let keepAlive: NodeJS.Timeout | null = null;

/** Runs that are open, or were in this tick. */
let watches = 0;

function keepWatch(loop: HostedLoop): void {
  running.add(loop);
  if (watches++ > 0) return;
  process.on('beforeExit', onBeforeExit);
  process.on('unhandledRejection', onUnhandledRejection);
  watchReleases(stopKeepingAlive);
}

function endWatch(): void {
  if (--watches > 0) return;
  process.off('beforeExit', onBeforeExit);
  process.off('unhandledRejection', onUnhandledRejection);
  watchReleases(null);
  stopKeepingAlive();
}

// Node is about to leave since nothing in the process is active: a loop that waits will never be woken.
function onBeforeExit(): void {
  const signal = listenedSignal();
  if (signal === null) {
    // A copy: what is told leaves the set.
    Array.from(idle).forEach((host) => host.stuck());
  } else if (keepAlive === null && [...running].some((loop) => loop.isRunningMain())) {
    if (!signal.isHandled) {
      logger.warning(`every task waits, and only a ${signal.name} can wake the event loop: waiting for it`);
    }
    keepAlive = setInterval(() => {}, MAX_TIMEOUT_MS);
  }
}

/** Let Node look again whether anything is active. */
function stopKeepingAlive(): void {
  if (keepAlive !== null) clearInterval(keepAlive);
  keepAlive = null;
}

// A strand that nobody holds any more must not end the process when it is cancelled. Anything else keeps Node's own
// behaviour, which this listener switches off: so it steps aside and lets Node see the rejection again.
function onUnhandledRejection(reason: unknown, promise: Promise<unknown>): void {
  if (isCancelledError(reason)) {
    logger.debug(`a cancelled wait was not awaited by anyone: ${promise}`);
    return;
  }
  if (process.listenerCount('unhandledRejection') > 1) return;
  process.off('unhandledRejection', onUnhandledRejection);
  void Promise.reject(reason);
  setImmediate(() => {
    if (watches > 0) process.on('unhandledRejection', onUnhandledRejection);
  });
}

const isProduction = process.env['NODE_ENV'] === 'production';
unawaited.enabled = !isProduction;
notes.requests = !isProduction;
