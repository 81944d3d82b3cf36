/**
 * The AbortSignals of timeouts and groups. No counterpart in CPython.
 *
 * A signal aborts when its scope is cancelled, or a scope around it, or the task; with the CancelledError as reason,
 * so that `fetch(url, { signal })` rejects with what becomes the TimeoutError.
 */
import { CancelledError } from './exceptions.ts';
import { type CancelTarget, Scope } from './scopes.ts';
import { cancelListeners, Task } from './tasks.ts';

let entries = 0;

const live = new WeakMap<object, Set<ScopeSignal>>();

/** All scopes of one task share a registry. */
function registryKey(target: CancelTarget): object {
  return target instanceof Scope ? (target.root.task ?? target.root) : target;
}

/** The signal of one timeout or group. */
export class ScopeSignal {
  readonly #target: CancelTarget;
  // In a generator task all scopes have the task as target: what was entered later is inside.
  readonly #order = entries++;
  #controller: AbortController | null = null;

  constructor(target: CancelTarget) {
    this.#target = target;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      const key = registryKey(this.#target);
      const signals = live.get(key) ?? new Set();
      live.set(key, signals.add(this));
      if (key instanceof Task) {
        key._hasSignals();
        cancelListeners.set(key, (reason) => signals.forEach((signal) => signal.abortWith(reason)));
      }
      if (this.#target.cancelling() > 0) this.abortWith(new CancelledError());
    }
    return this.#controller.signal;
  }

  /** The scope is cancelled. */
  abort(): void {
    const reason = new CancelledError();
    for (const other of live.get(registryKey(this.#target)) ?? [])
      if (other.#isInside(this)) other.abortWith(reason);
  }

  abortWith(reason: CancelledError): void {
    this.#controller?.abort(reason);
  }

  /** The scope has ended. */
  close(): void {
    if (this.#controller !== null) live.get(registryKey(this.#target))?.delete(this);
  }

  #isInside(outer: ScopeSignal): boolean {
    if (this.#target instanceof Scope && outer.#target instanceof Scope)
      return this.#target.isInside(outer.#target);
    return this.#order >= outer.#order;
  }
}
