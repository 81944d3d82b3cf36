/** A host whose time passes only when everybody waits: for tests and simulations. No counterpart in CPython. */
import type { ContextStorage, Host, HostedLoop } from '../core/host.ts';

/** A real host under a virtual one: it runs the turns, and says whether the world outside may still answer. */
export interface RealHost extends Host {
  /** How many resources keep the process alive; without it, only foreign promises count as pending. */
  activeResources?(): number;
}

/** Seconds between two looks at whether the world outside is done. */
const POLL_SECONDS = 0.001;

/** Turns that code gets which nobody waits for: it may be between two promises that are queued already. */
const IDLE_TURNS = 2;

/**
 * Looks, a poll apart, that a foreign promise gets when nothing new is active in the process. Mostly nobody but a
 * sleeping task will settle it, but an older socket could; before a deadlock is declared, it gets a second.
 */
const FOREIGN_LOOKS = 5;
const LAST_LOOKS = 1000;

/**
 * Time starts at 0 and jumps to the next deadline when nothing is ready and nothing outside is pending. If nothing
 * is timed either, the loop is stuck: a deadlock.
 */
export class VirtualHost implements Host, HostedLoop {
  readonly clockResolution = 1e-9;
  readonly #real: RealHost;
  #loop: HostedLoop | null = null;
  #now: number;
  /** What is active in a process that waits for nothing of ours; looked at in the first turn. */
  #restingResources: number | null = null;
  #waitsUntil = Number.POSITIVE_INFINITY;
  #isWaiting = false;
  /** Looks at the world outside since the loop became idle. */
  #looks = 0;

  constructor(real: RealHost, start = 0) {
    this.#real = real;
    this.#now = start;
  }

  get storage(): ContextStorage | null {
    return this.#real.storage;
  }

  time(): number {
    return this.#now;
  }

  open(loop: HostedLoop): void {
    this.#loop = loop;
    this.#restingResources = null;
    this.#real.open(this);
  }

  close(): void {
    this.#isWaiting = false;
    this.#loop = null;
    this.#real.close();
  }

  async closed(): Promise<void> {
    await this.#real.closed?.();
  }

  soon(): void {
    this.#isWaiting = false;
    this.#real.soon();
  }

  drained(next: () => void): void {
    this.#real.drained(next);
  }

  wait(when: number): void {
    this.#waitsUntil = when;
    this.#isWaiting = true;
    this.#looks = 0;
    this.#advance();
  }

  /** The real host calls: a turn that was asked for, or time to look again at the world outside. */
  turn(): void {
    this.#restingResources ??= this.#activeResources();
    if (this.#isWaiting) this.#advance();
    else this.#loop?.turn();
  }

  /** The real host calls: nothing outside can answer any more. */
  stuck(): void {
    if (this.#isWaiting) this.#jump();
  }

  timePassed(): void {
    this.#loop?.timePassed();
  }

  pendingOutside(): number {
    return this.#loop?.pendingOutside() ?? 0;
  }

  hasOutsideWork(): boolean {
    return this.#loop?.hasOutsideWork() ?? false;
  }

  isRunningMain(): boolean {
    return this.#loop?.isRunningMain() ?? false;
  }

  #advance(): void {
    this.#looks++;
    const active = this.#activeResources();
    // One of them may have ended; the next that is active is not it.
    const resting = Math.min(active, this.#restingResources ?? 0);
    this.#restingResources = resting;
    const isActive = active > resting;
    const patience = this.#waitsUntil === Number.POSITIVE_INFINITY ? LAST_LOOKS : FOREIGN_LOOKS;
    // A resource may end without a word to us, so look again; a foreign promise wakes the loop when it answers.
    if (this.hasOutsideWork()) this.#poll();
    else if (isActive && this.#looks <= LAST_LOOKS) this.#poll();
    else if (this.#looks <= IDLE_TURNS) this.#real.soon();
    else if (this.pendingOutside() > 0 && this.#looks <= IDLE_TURNS + patience) this.#poll();
    else this.#jump();
  }

  #poll(): void {
    this.#real.wait(this.#real.time() + POLL_SECONDS);
  }

  #activeResources(): number {
    return this.#real.activeResources?.() ?? 0;
  }

  #jump(): void {
    if (this.#waitsUntil === Number.POSITIVE_INFINITY) {
      this.#loop?.stuck();
      return;
    }
    this.#now = Math.max(this.#now, this.#waitsUntil);
    this.soon();
  }
}
