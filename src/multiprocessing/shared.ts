/** What several processes use: it lives in the process that made it, and the others ask that one. */
import { toSeconds } from '../core/events.ts';
import { RuntimeError } from '../core/exceptions.ts';
import type { Delay } from '../core/types.ts';
import { type Crossing, crossTo, type Parcel, type Way } from '../concurrent/crossing.ts';
import type { Link } from '../concurrent/link.ts';
import { Started } from '../concurrent/started.ts';

/**
 * Who asks, as the way to it from the process where the thing lives: empty for that process itself, `3.` for its child with
 * the third link, `3.1.` for a child of that one.
 */
export type Client = string;

/** A shared thing, where it lives or on the way there. What goes in and out can be cloned. */
export interface Shared {
  /** Begin an operation. Cancelling what it gives takes it back, at every moment. */
  call(op: string, args: readonly unknown[], client: Client): Started<any>;
  /** What `op` gave to `client`, nobody has seen. */
  giveBack(op: string, value: unknown, client: Client): void;
  /** The clients whose way begins with `prefix` are gone. `isClean`: as they should, not by an error or a signal. */
  gone(prefix: Client, isClean: boolean): void;
}

/** Operations that take something, which must not get lost on the way: whoever gets it says that it has come. */
export const TAKING: ReadonlySet<string> = new Set(['get', 'recv', 'acquire']);

/** Operations that only wait. A process that ends gives them up; what it has given away, it sees through. */
export const WAITING: ReadonlySet<string> = new Set([...TAKING, 'wait', 'poll', 'join']);

/** Puts a shared thing on a link, and says under which number the other side finds it. Set by `peer.ts`, which needs this. */
export const exporter: { put: (shared: Shared, link: Link) => number } = {
  put: () => 0,
};

/** What the parcel of a shared object has in it. */
export interface SharedData {
  readonly id: number;
}

/** The object that a program has in its hands. */
export abstract class SharedObject implements Crossing {
  /** @internal */
  readonly _shared: Shared;

  /** @internal A structured clone would be a lifeless copy; by this it fails. */
  readonly clone = (): string => 'pass this as an argument of a process';

  /** @internal */
  constructor(shared: Shared) {
    this._shared = shared;
  }

  /** @internal What the other process needs to make its own. */
  protected _describe(): object {
    return {};
  }

  /** @internal The module that registers its kind. */
  protected abstract _module(): string;

  /** How it goes to another process. */
  [crossTo](_way: Way, link: Link | null): Parcel {
    const kind = this._kind();
    if (link === null) {
      throw new RuntimeError(`${kind} objects should only be shared between processes through inheritance`);
    }
    const data: SharedData = { ...this._describe(), id: exporter.put(this._shared, link) };
    return { kind: `multiprocessing.${kind}`, module: this._module(), data };
  }

  /** @internal */
  protected _kind(): string {
    return this.constructor.name;
  }

  /** @internal Ask where it lives. */
  protected _call<T>(op: string, ...args: unknown[]): Started<T> {
    return this._shared.call(op, args, '');
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * What comes of `source`, converted by `convert`; cancelled and given back with it.
 *
 * @param takes - whether the value was taken, and has to go back if nobody sees it.
 */
export function derive<A, B>(
  what: string,
  source: Started<A>,
  convert: (value: A) => B,
  takes = false,
): Started<B> {
  let raw: A;
  const derived = new Started<B>(what, {
    withdraw: () => source.cancel(),
    ...(takes && { giveBack: () => void source._giveBack(raw) }),
  });
  source._whenEnded((outcome) => {
    if (outcome.kind === 'error') derived._reject(outcome.error);
    else if (outcome.kind === 'cancelled') derived.cancel();
    else {
      raw = outcome.value;
      try {
        derived._resolve(convert(raw));
      } catch (error) {
        derived._reject(error);
      }
    }
  });
  return derived;
}

/** A time-out in seconds; null: none. What is negative is over at once. */
export function secondsOf(timeout: Delay | null | undefined): number | null {
  return timeout === null || timeout === undefined ? null : Math.max(0, toSeconds(timeout, 'timeout'));
}

/** How long a call with `block` and `timeout` waits; null: without limit. */
export function patience(block: boolean, timeout: Delay | null | undefined): number | null {
  return block ? secondsOf(timeout) : 0;
}

let lastAddress = 0;

/** An address as CPython prints it, where there is none: objects of this process are numbered. */
export function nextAddress(): string {
  return `0x${(++lastAddress).toString(16)}`;
}
