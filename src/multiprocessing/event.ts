/** Events between processes. Counterpart: `Event` of `multiprocessing/synchronize.py`. */
import type { Delay } from '../core/types.ts';
import { registerKind } from '../concurrent/crossing.ts';
import { Started } from '../concurrent/started.ts';
import { beFalse, Line } from './line.ts';
import { revive } from './peer.ts';
import { type Client, nextAddress, secondsOf, type Shared, type SharedData, SharedObject } from './shared.ts';

/** A flag and those who wait for it. */
class Flag implements Shared {
  isSet = false;
  readonly #line = new Line<boolean>();

  call(op: string, [timeout]: readonly unknown[], client: Client): Started<any> {
    const what = `Event.${op}()`;
    switch (op) {
      case 'set':
        this.isSet = true;
        this.#line.release(true);
        return Started._of(what, undefined);
      case 'clear':
        this.isSet = false;
        return Started._of(what, undefined);
      case 'isSet':
        return Started._of(what, this.isSet);
      case 'wait': {
        if (this.isSet) return Started._of(what, true);
        return this.#line.join(
          { what, client, timeout: timeout as number | null, onTimeout: beFalse },
          undefined,
        );
      }
      default:
        return Started._of(what, undefined);
    }
  }

  giveBack(): void {}

  gone(): void {}
}

/**
 * A flag that processes wait for.
 *
 * Source: CPython 3.14 `multiprocessing.Event`.
 */
export class Event extends SharedObject {
  readonly #address = nextAddress();

  constructor();
  /** @internal */
  constructor(shared: Shared);
  constructor(shared?: Shared) {
    super(shared ?? new Flag());
  }

  /** Whether it is set. */
  isSet(): Started<boolean> {
    return this._call('isSet');
  }

  /** Set it: all who wait go on. */
  set(): Started<void> {
    return this._call('set');
  }

  /** Reset it. */
  clear(): Started<void> {
    return this._call('clear');
  }

  /**
   * Wait until it is set.
   *
   * @param timeout - seconds to wait at most; null for no limit.
   * @returns false when they are over.
   *
   * Cancellation: ends the wait.
   *
   * Source: CPython 3.14 `multiprocessing.Event.wait`.
   */
  wait(timeout?: Delay | null): Started<boolean> {
    return this._call('wait', secondsOf(timeout));
  }

  /** @internal */
  protected _module(): string {
    return import.meta.url;
  }

  override toString(): string {
    const state = this._shared instanceof Flag ? (this._shared.isSet ? 'set' : 'unset') : 'unknown';
    return `<${this.constructor.name} at ${this.#address} ${state}>`;
  }
}

registerKind('multiprocessing.Event', (data: SharedData, link) =>
  revive(link, data.id, (shared) => new Event(shared)),
);
