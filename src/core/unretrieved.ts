/**
 * Errors that nobody retrieved, each reported once. No counterpart in CPython, where `Future.__del__` does it.
 *
 * A failed future waits here for a sweep: most are retrieved an iteration later, by the task that awaits them.
 * What is left is watched by a FinalizationRegistry, which is slow to register with and must not keep the future
 * alive, and is reported when the future is collected, at the latest when its loop closes.
 */
import type { BaseEventLoop } from './base-events.ts';
import type { Future } from './futures.ts';
import type { ExceptionContext, StackFrame } from './types.ts';

interface Watched {
  readonly ref: WeakRef<Future<any>>;
  readonly owner: Unretrieved;
  // Stands for the future after its collection: the same class, state and name.
  readonly standIn: Future<any>;
  readonly created: StackFrame[] | undefined;
}

const collected = new FinalizationRegistry<Watched>((watched) => watched.owner._collected(watched));

/** The failed futures of one loop. */
export class Unretrieved {
  readonly #loop: BaseEventLoop;
  #fresh: Future<any>[] = [];
  readonly #watched = new Map<WeakRef<Future<any>>, Watched>();

  constructor(loop: BaseEventLoop) {
    this.#loop = loop;
  }

  /** `future` has failed just now. */
  add(future: Future<any>): void {
    this.#fresh.push(future);
  }

  /** Forget what was retrieved meanwhile, and watch the rest. */
  sweep(): void {
    if (this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const future of fresh) {
      if (!future._isUnretrieved()) continue;
      const watched: Watched = {
        ref: new WeakRef(future),
        owner: this,
        standIn: future._standIn(),
        created: future._created(),
      };
      this.#watched.set(watched.ref, watched);
      collected.register(future, watched, watched);
    }
  }

  /** Report what nobody retrieved until now. */
  flush(): void {
    this.sweep();
    for (const watched of this.#watched.values()) {
      // The registry holds the loop: if that leads to the future again, neither would ever be collected.
      collected.unregister(watched);
      const future = watched.ref.deref();
      if (future !== undefined && !future._isUnretrieved()) continue;
      future?._markRetrieved();
      this.#report(future ?? watched.standIn, watched.created);
    }
    this.#watched.clear();
  }

  _collected(watched: Watched): void {
    // The mark went with the future, but it is copied to the stand-in when it is cleared.
    if (this.#watched.delete(watched.ref) && watched.standIn._isUnretrieved()) {
      this.#report(watched.standIn, watched.created);
    }
  }

  /** `future` was retrieved after all. */
  retrieved(future: Future<any>): void {
    for (const watched of this.#watched.values()) {
      if (watched.ref.deref() === future) {
        this.#watched.delete(watched.ref);
        collected.unregister(watched);
        return;
      }
    }
  }

  #report(future: Future<any>, created: StackFrame[] | undefined): void {
    const context: ExceptionContext = {
      message: `${future._className()} exception was never retrieved`,
      exception: future._value,
      future,
    };
    if (created !== undefined) context['sourceTraceback'] = created;
    this.#loop.callExceptionHandler(context);
  }
}
