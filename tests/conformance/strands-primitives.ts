/** The primitives that the tasks of a program with strands share, and the books about what goes through them. */

import * as asyncio from 'asyncio-ts';
import type { VirtualEventLoop } from 'asyncio-ts/testing';

/** Operations that may wait, one wait each. */
export const SHARED_WAITS = ['put', 'get', 'event', 'barrier'] as const;
export type SharedWait = (typeof SHARED_WAITS)[number];

/** What wakes those who wait. */
export const SHARED_CALLS = ['putNowait', 'getNowait', 'pulse'] as const;
export type SharedCall = (typeof SHARED_CALLS)[number];

const PERMITS = 2;
/** When those who would wait for ever are let go for the first time, and how often after that. */
const LET_GO = 50;
const LET_GO_TIMES = 20;

export class Shared {
  readonly lock = new asyncio.Lock();
  readonly semaphore = new asyncio.Semaphore(PERMITS);
  readonly condition = new asyncio.Condition();
  readonly #event = new asyncio.Event();
  readonly #barrier = new asyncio.Barrier(2);
  readonly #queue = new asyncio.Queue<number>(1);
  readonly #loop: VirtualEventLoop;
  readonly #problem: (text: string) => void;
  readonly #inside = { lock: 0, semaphore: 0 };
  #items = 0;
  /** Items whose `put` was no error, and those that somebody got. */
  readonly #put = new Set<number>();
  readonly #got = new Set<number>();
  #times = 0;

  constructor(loop: VirtualEventLoop, problem: (text: string) => void) {
    this.#loop = loop;
    this.#problem = problem;
  }

  start(): void {
    this.#loop.callAt(LET_GO, () => this.#letGo());
  }

  #letGo(): void {
    if (this.#times === 0) this.#checkWakes();
    this.#event.set();
    this.#queue.shutdown();
    this.#loop.createTask(this.#barrier.abort());
    this.#loop.createTask(this.condition.run(() => this.condition.notifyAll()));
    if (++this.#times < LET_GO_TIMES) this.#loop.callLater(10, () => this.#letGo());
  }

  /** The clock moves only when nothing is ready: whoever waits now has been woken by nobody. */
  #checkWakes(): void {
    const text = String(this.#queue);
    if (this.#queue.empty() ? text.includes('_putters') : text.includes('_getters'))
      this.#problem(`nobody woke those in the line of ${text}`);
    if (!this.lock.locked() && String(this.lock).includes('waiters'))
      this.#problem(`nobody woke those in the line of ${this.lock}`);
  }

  /** The body of `lock.run` or `semaphore.run`: not too many at once. */
  async within(what: 'lock' | 'semaphore', body: () => Promise<void>): Promise<void> {
    const most = what === 'lock' ? 1 : PERMITS;
    if (++this.#inside[what] > most) this.#problem(`${this.#inside[what]} are inside of the ${what}`);
    try {
      await body();
    } finally {
      this.#inside[what]--;
    }
  }

  async wait(what: SharedWait): Promise<void> {
    try {
      if (what === 'event') await this.#event.wait();
      else if (what === 'barrier') await this.#barrier.wait();
      else if (what === 'get') this.#receive(await this.#queue.get());
      else {
        const item = ++this.#items;
        await this.#queue.put(item);
        this.#put.add(item);
      }
    } catch (error) {
      if (!(error instanceof asyncio.QueueShutDown || error instanceof asyncio.BrokenBarrierError))
        throw error;
    }
  }

  call(what: SharedCall): void {
    if (what === 'pulse') {
      // Once those who wait for ever are let go, it stays up.
      this.#event.set();
      if (this.#times === 0) this.#event.clear();
    } else if (what === 'getNowait') {
      if (!this.#queue.empty()) this.#receive(this.#queue.getNowait());
    } else if (!this.#queue.full() && this.#times === 0) {
      const item = ++this.#items;
      this.#queue.putNowait(item);
      this.#put.add(item);
    }
  }

  #receive(item: number): void {
    if (this.#got.has(item)) this.#problem(`item ${item} came twice`);
    this.#got.add(item);
  }

  /**
   * What must hold at the end: nobody is in a line, everything is given back, and each item that was put was got by
   * one or is still there.
   */
  check(): void {
    const expected = {
      lock: '<Lock [unlocked]>',
      semaphore: `<Semaphore [unlocked, value:${PERMITS}]>`,
      condition: '<Condition [unlocked]>',
    };
    for (const [name, text] of Object.entries(expected)) {
      const actual = String(this[name as keyof typeof expected]);
      if (actual !== text) this.#problem(`left behind: ${actual}`);
    }
    for (const text of [this.#event, this.#barrier, this.#queue].map(String)) {
      if (/waiters:[1-9]|_getters|_putters/.test(text) && !text.includes('waiters:0/'))
        this.#problem(`somebody waits for ever: ${text}`);
    }
    while (!this.#queue.empty()) this.#receive(this.#queue.getNowait());
    for (const item of this.#put) if (!this.#got.has(item)) this.#problem(`item ${item} is lost`);
    for (const item of this.#got)
      if (!this.#put.has(item)) this.#problem(`item ${item} came of a put that failed`);
  }
}
