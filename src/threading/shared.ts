/** What the objects of this package share that several threads have: memory, and a way from thread to thread. */
import { RuntimeError } from '../core/exceptions.ts';
import { type Crossing, crossTo, type Parcel, type Way } from '../concurrent/crossing.ts';

/**
 * An object whose state is in shared memory. Threads that have it, have each an object of their own on the same state.
 *
 * It goes to a thread as an argument of the thread, or as an item of a queue: those who send it `pack` it. A plain
 * structured clone would make a lifeless copy in silence; the own property that cannot be cloned makes it fail.
 */
export abstract class SharedObject implements Crossing {
  /** @internal */
  readonly clone = (): string => 'pass this as an argument of the thread';

  /** @internal From what the other thread makes its own. */
  protected abstract _parcel(): Parcel;

  /** How it goes to another thread. @throws RuntimeError on the way to a process. */
  [crossTo](way: Way): Parcel {
    if (way === 'thread') return this._parcel();
    const { name } = this.constructor;
    throw new RuntimeError(
      `a threading ${name} works between the threads of one process: use multiprocessing's ${name}`,
    );
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** A few words of shared memory: those of `memory`, or new ones, all 0. */
export function sharedWords(count: number, memory?: SharedArrayBuffer | null): Int32Array {
  return new Int32Array(memory ?? new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
}

/** Shared memory that grows in place. The language's type, which the compiler's library for Node 20 does not know. */
export interface GrowableMemory extends SharedArrayBuffer {
  readonly maxByteLength: number;
  grow(bytes: number): void;
}

const Growable = SharedArrayBuffer as unknown as new (
  bytes: number,
  options: { maxByteLength: number },
) => GrowableMemory;

/**
 * Memory of `bytes` bytes that can grow to `most`, for which address space alone is set aside; to less, where there is
 * not so much.
 */
export function growableMemory(bytes: number, most: number): GrowableMemory {
  try {
    return new Growable(bytes, { maxByteLength: most });
  } catch (error) {
    if (most / 4 < bytes) throw error;
    return growableMemory(bytes, most / 4);
  }
}
