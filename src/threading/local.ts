/** What each thread has of its own. Counterpart: `_thread._local`. */
import { crossTo, type Crossing, type Parcel, registerKind, type Way } from '../concurrent/crossing.ts';

class ThreadLocal implements Crossing {
  /** The other thread gets an empty one. */
  [crossTo](_way: Way): Parcel {
    return { kind: 'threading.local', module: import.meta.url, data: null };
  }
}

/** An object of `local`: the attributes are optional, since each thread begins with none. */
export type local<T extends object> = Partial<T>;

/**
 * Attributes that each thread has for itself. A thread of JavaScript shares no variables with others in any case, so
 * this is an empty object; passing it to a thread gives an empty one there.
 *
 * ```ts
 * const data = new local<{ connection: Connection }>();
 * data.connection ??= connect();
 * ```
 *
 * Source: CPython 3.14 `threading.local`.
 */
export const local = ThreadLocal as unknown as new <T extends object>() => local<T>;
Object.defineProperty(ThreadLocal, 'name', { value: 'local' });

registerKind('threading.local', () => new ThreadLocal());
