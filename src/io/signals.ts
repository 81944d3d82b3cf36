/** Handlers of signals. Counterpart: `asyncio/unix_events.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { iscoroutine, iscoroutinefunction } from '../core/coroutines.ts';
import { Handle } from '../core/events.ts';
import { RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import { claimSignal, releaseSignal } from '../host/signals.ts';
import { os, workerThreads } from './builtins.ts';

interface Handler {
  handle: Handle;
  readonly listener: () => void;
}

const UNCATCHABLE = new Set<string>(['SIGKILL', 'SIGSTOP']);

/** The name of a signal, which may be given by its number. */
function toName(sig: NodeJS.Signals | number): NodeJS.Signals {
  const { signals } = os().constants;
  if (typeof sig === 'string') {
    if (!Object.hasOwn(signals, sig)) throw new RangeError(`invalid signal ${repr(sig)}`);
    // Some have two names.
    return nameOf(signals[sig]) ?? sig;
  }
  if (!Number.isInteger(sig)) throw new TypeError(`sig must be a signal's name or an int, not ${repr(sig)}`);
  const name = nameOf(sig);
  if (name === undefined) throw new RangeError(`invalid signal number ${sig}`);
  return name;
}

function nameOf(number: number): NodeJS.Signals | undefined {
  const entries = Object.entries(os().constants.signals) as [NodeJS.Signals, number][];
  return entries.find(([, value]) => value === number)?.[0];
}

/** The handlers of one loop. Listeners that are not its own are left alone. */
export class SignalHandlers {
  readonly #loop: BaseEventLoop;
  readonly #handlers = new Map<NodeJS.Signals, Handler>();

  constructor(loop: BaseEventLoop) {
    this.#loop = loop;
  }

  add(sig: NodeJS.Signals | number, callback: (...args: never[]) => unknown, args: readonly unknown[]): void {
    if (iscoroutine(callback) || iscoroutinefunction(callback)) {
      throw new TypeError('coroutines cannot be used with addSignalHandler()');
    }
    if (typeof callback !== 'function') {
      throw new TypeError(`a callable object was expected by addSignalHandler(), got ${repr(callback)}`);
    }
    const name = toName(sig);
    if (this.#loop.isClosed()) throw new RuntimeError('Event loop is closed');
    if (UNCATCHABLE.has(name)) throw new RuntimeError(`sig ${os().constants.signals[name]} cannot be caught`);
    if (!workerThreads().isMainThread) {
      throw new RuntimeError('addSignalHandler() only works in the main thread: workers get no signals');
    }
    const handle = new Handle(callback, args, this.#loop);
    const known = this.#handlers.get(name);
    if (known !== undefined) {
      known.handle = handle;
      return;
    }
    const handler: Handler = {
      handle,
      listener: () => this.#loop._push(handler.handle),
    };
    process.on(name, handler.listener);
    claimSignal(name);
    this.#handlers.set(name, handler);
  }

  remove(sig: NodeJS.Signals | number): boolean {
    const name = toName(sig);
    const handler = this.#handlers.get(name);
    if (handler === undefined) return false;
    this.#handlers.delete(name);
    process.off(name, handler.listener);
    releaseSignal(name);
    return true;
  }

  /** Remove them all. */
  clear(): void {
    for (const name of this.#handlers.keys()) this.remove(name);
  }
}
