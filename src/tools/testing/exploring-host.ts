/** A host whose time, events and order of steps belong to a test. No counterpart in CPython. */
import type { ContextStorage, Host, HostedLoop, StepObserver } from '../../core/host.ts';

/** Who decides what happens on an `ExploringHost`. */
export interface Director extends StepObserver {
  /**
   * Nothing is ready. Makes something ready, sets the clock forward to `when`, or ends the run.
   *
   * @param when - of the first timer; `Infinity` without one.
   * @returns whether something happened; if not, somebody outside has to call `soon`.
   */
  idle(when: number): boolean;
}

/**
 * Runs the turns of its loop one after the other, without going back to the real host between them: a schedule of
 * generators is over before `start` returns.
 */
export class ExploringHost implements Host {
  readonly clockResolution = 1e-9;
  readonly steps: Director;
  readonly #real: Host;
  #loop: HostedLoop | null = null;
  #now = 0;
  #isTurnDue = false;
  #idleUntil: number | null = null;
  #isDriving = false;
  #next: () => void = () => {};
  readonly #continue = (): void => {
    this.#isDriving = true;
    this.#next();
    this.#isDriving = false;
    this.#drive();
  };

  /** @param real - runs microtasks, and knows whose code runs. */
  constructor(real: Host, director: Director) {
    this.#real = real;
    this.steps = director;
  }

  get storage(): ContextStorage | null {
    return this.#real.storage;
  }

  time(): number {
    return this.#now;
  }

  /** Set the clock forward. */
  setTime(now: number): void {
    this.#now = Math.max(this.#now, now);
    this.#loop?.timePassed();
  }

  open(loop: HostedLoop): void {
    this.#loop = loop;
  }

  close(): void {
    this.#loop = null;
  }

  /** Call `begin`, which starts the loop, and let it run until it waits for microtasks, or is over. */
  start(begin: () => void): void {
    this.#isDriving = true;
    begin();
    this.#isDriving = false;
    this.#drive();
  }

  soon(): void {
    this.#isTurnDue = true;
    this.#idleUntil = null;
    // From outside: a promise that is not the library's has woken the loop.
    if (!this.#isDriving) setImmediate(() => this.#drive());
  }

  /** Something outside had a chance to answer. */
  lookAgain(): void {
    this.#drive();
  }

  wait(when: number): void {
    this.#idleUntil = when;
  }

  drained(next: () => void): void {
    this.#next = next;
    this.#real.drained(this.#continue);
  }

  #drive(): void {
    if (this.#isDriving) return;
    this.#isDriving = true;
    while (this.#loop !== null) {
      if (!this.#isTurnDue && (this.#idleUntil === null || !this.steps.idle(this.#idleUntil))) break;
      this.#isTurnDue = false;
      this.#idleUntil = null;
      this.#loop.turn();
    }
    this.#isDriving = false;
  }
}
