/** What a loop needs from the place it runs in. No counterpart in CPython, whose loops need a selector. */

/** Keeps a value with a line of asynchronous code, across its awaits: Node's `AsyncLocalStorage`. */
export interface ContextStorage {
  /** Run `fn` with `store` as the value, and all that it starts. */
  run<R>(store: unknown, fn: () => R): R;
  /** The value of the code that runs now, or `undefined`. */
  getStore(): unknown;
  /** The surroundings of this call: every storage's value of now. */
  snapshot(): Surroundings;
  /** The same, with ours empty. */
  emptySnapshot(): Surroundings;
}

/** The values that the storages of a host had somewhere. */
export interface Surroundings {
  /** Call `fn(...args)` with these values, and all that it starts. */
  run<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): R;
}

/** The ready queue, for a host that chooses. */
export interface ReadyEntries {
  /** The entry `place` behind the next one. */
  at(place: number): unknown;
  /** Let the entry at `place` be the next. */
  moveToFront(place: number): void;
}

/** A host that sees every step of its loop, and chooses the next: for tests that try many orders. */
export interface StepObserver {
  /**
   * An iteration is about to begin with the entries that are ready, `count` of them, and the timers that are due: the last
   * moment for events from outside to be part of it.
   */
  beforeIteration(count: number): void;
  /** The next of `ready` is about to run, one of `count` that are left of the iteration. */
  beforeStep(ready: ReadyEntries, count: number): void;
  /** A step is over, and so are the microtasks that it started. */
  afterStep(): void;
}

/** The side of a loop that its host calls. */
export interface HostedLoop {
  /** Run ready work. Called once for each `soon`, and when the time of `wait` has come. */
  turn(): void;
  /** Nothing in the process can wake this loop any more. */
  stuck(): void;
  /** The clock has been set forward within a turn. */
  timePassed(): void;
  /** Waits that only events outside the loop can end: foreign promises. */
  pendingOutside(): number;
  /** Whether work outside the loop will certainly answer, however long it takes: a process. */
  hasOutsideWork(): boolean;
  /** Whether somebody waits for the end of this run; not so while the loop only serves submissions. */
  isRunningMain(): boolean;
}

/** Gives the error that an interrupted program ends with; if nobody catches it, the process exits with its code. */
export type Interruption = () => Error;

/**
 * Time, wake-ups and outside events of one loop. All that can put the loop's work in an order comes through
 * here, so that a test can own it.
 */
export interface Host {
  /** Seconds of a clock that never goes back. */
  time(): number;
  /** Seconds within which two times of the clock cannot be told apart. */
  readonly clockResolution: number;
  /** Who sees every step; nobody, unless a test wants to. */
  readonly steps?: StepObserver;
  /** Where the host cannot tell whose code runs after a foreign promise, null. */
  readonly storage: ContextStorage | null;
  /** A run begins: `loop` is called from now on. */
  open(loop: HostedLoop): void;
  /** The run is over: nothing is called any more, and nothing keeps the process alive. */
  close(): void;
  /** What the host listens to during a run is let go; awaited at the end of `Runner.close`. */
  closed?(): Promise<void>;
  /** Call `turn` soon, after outside events had a chance to come in. */
  soon(): void;
  /** In a callback for an outside event: call `turn` when it is over, before the next event's. Else as `soon`. */
  promptly?(): void;
  /** Nothing is ready: call `turn` at `when` (seconds of the clock, `Infinity` for never) unless `soon` comes first. */
  wait(when: number): void;
  /** Call `next` when the microtask queue has drained, before any later macrotask. */
  drained(next: () => void): void;
  /**
   * Where there are interrupts (Ctrl-C, and SIGTERM if `handlesSigterm`): call `onInterrupt` at the first one. Returns
   * how to stop listening.
   */
  onInterrupt?(onInterrupt: (interruption: Interruption) => void, handlesSigterm?: boolean): () => void;
  /** Let `signal` have any number of listeners: one may stand for the end of a whole program. */
  allowListeners?(signal: AbortSignal): void;
  /** Call `report` every `seconds` of real time, without keeping the process alive. Returns how to stop. */
  every?(seconds: number, report: () => void): () => void;
}
