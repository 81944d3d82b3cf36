/** What the primitives of synchronisation share. Counterpart: `asyncio/mixins.py`. */
import type { BaseEventLoop } from './base-events.ts';
import { requireLoop } from './events.ts';
import { RuntimeError } from './exceptions.ts';

/** Bound to a loop by the first operation that has to wait. */
export abstract class LoopBound {
  /** @internal */ _loop: BaseEventLoop | null = null;
  /** @internal What it is a part of; reports name that. */
  _whole: { toString(): string } | null = null;

  /**
   * @internal The running loop.
   * @throws RuntimeError if this is bound to another one.
   */
  _getLoop(): BaseEventLoop {
    const loop = requireLoop();
    this._loop ??= loop;
    if (loop !== this._loop)
      throw new RuntimeError(`${this._whole ?? this} is bound to a different event loop`);
    return loop;
  }

  /** @internal What a task that waits here waits for, in reports. */
  _waitText(): string {
    return String(this._whole ?? this);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
