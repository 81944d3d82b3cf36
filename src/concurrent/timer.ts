/** One-shot timers of any length, for waits that belong to no loop. */

// Taken when the module is loaded, so that a test library's fake timers do not stop a wait.
const { setTimeout, clearTimeout } = globalThis;

/** Node's timers fire at once above this many milliseconds. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Calls a function once, later. Keeps the process alive until then. */
export class Timer {
  #handle: NodeJS.Timeout | null = null;
  #isReferenced = true;

  /**
   * @param seconds - `Infinity` for never; what is not positive is due at once.
   * @param fn - is called when they are over.
   */
  constructor(seconds: number, fn: () => void) {
    if (seconds === Number.POSITIVE_INFINITY) return;
    const end = performance.now() + seconds * 1000;
    const wait = (left: number): void => {
      this.#handle = setTimeout(look, Math.min(Math.max(left, 0), MAX_TIMEOUT_MS));
      if (!this.#isReferenced) this.#handle.unref();
    };
    const look = (): void => {
      // Rounded up: not before it is time.
      const left = Math.ceil(end - performance.now());
      if (left > 0) wait(left);
      else fn();
    };
    wait(Math.ceil(seconds * 1000));
  }

  /** Do not call it. */
  cancel(): void {
    if (this.#handle !== null) clearTimeout(this.#handle);
    this.#handle = null;
  }

  /** Keep the process alive again. */
  ref(): void {
    this.#isReferenced = true;
    this.#handle?.ref();
  }

  /** Do not keep the process alive. */
  unref(): void {
    this.#isReferenced = false;
    this.#handle?.unref();
  }
}
