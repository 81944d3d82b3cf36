/** How much memory the heap of this thread has taken. Counterpart: `traced_memory` of `_tracemalloc`. */
import { GCProfiler } from 'node:v8';

/** Milliseconds between two looks at the log of collections, which grows by some kilobytes with each. */
const LOOK_INTERVAL_MS = 100;

// Taken now, so that the fake timers of a test library don't stop it.
const { setInterval, clearInterval } = globalThis;

/**
 * Bytes in use since its creation, until `close`.
 *
 * In use is V8's heap with what hangs on it outside, such as the bytes of a `Uint8Array`. It only falls when garbage is
 * collected, so its highest points are those before a collection, which V8 logs, and that of now: no peak is missed.
 */
export class TracedMemory {
  /** Bytes that were there before, or less: at most what the heap had at its lowest point since. */
  #untraced = bytesInUse();
  #peak = 0;
  #collections = startedLog();
  readonly #timer = setInterval(() => this.read(), LOOK_INTERVAL_MS).unref();

  /** Current and peak. */
  read(): [current: number, peak: number] {
    const { statistics } = this.#collections.stop();
    this.#collections = startedLog();
    for (const { beforeGC, afterGC } of statistics) {
      this.#note(bytesOf(beforeGC.heapStatistics));
      this.#note(bytesOf(afterGC.heapStatistics));
    }
    const current = this.#note(bytesInUse());
    return [current, this.#peak];
  }

  /** The peak becomes what is current. */
  resetPeak(): void {
    const [current] = this.read();
    this.#peak = current;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#collections.stop();
  }

  #note(bytes: number): number {
    // Lower than ever: some of what was there before has been freed, and does not hide what is new.
    this.#untraced = Math.min(this.#untraced, bytes);
    const current = bytes - this.#untraced;
    this.#peak = Math.max(this.#peak, current);
    return current;
  }
}

function startedLog(): GCProfiler {
  const log = new GCProfiler();
  log.start();
  return log;
}

function bytesInUse(): number {
  // What a background thread has freed of other array buffers is subtracted when the next one is made.
  void new ArrayBuffer(1);
  // V8's own figures, as `getHeapStatistics` has them; that walks the heap on Bun, which takes it milliseconds.
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function bytesOf({ usedHeapSize, externalMemory }: { usedHeapSize: number; externalMemory: number }): number {
  return usedHeapSize + externalMemory;
}
