/** The event loop on Node, with all that it can wait for. Counterpart: `asyncio/unix_events.py`. */
import { BaseEventLoop } from '../core/base-events.ts';
import { setPlatformLoop } from '../core/events.ts';
import type { Host } from '../core/host.ts';
import { NodeHost } from '../host/node.ts';

/**
 * A loop that runs on Node and knows its sockets, processes and signals.
 *
 * Source: CPython 3.14 `asyncio.selector_events.BaseSelectorEventLoop`.
 */
export class NodeEventLoop extends BaseEventLoop {}

/**
 * The event loop on Node.
 *
 * Source: CPython 3.14 `asyncio.EventLoop`.
 */
export class EventLoop extends NodeEventLoop {
  /** @param host - in place of Node's own clock and wake-ups. */
  constructor(host: Host = new NodeHost()) {
    super(host);
    if (process.env['PYTHONASYNCIODEBUG']) this.setDebug(true);
  }
}

/** The same class, for programs that choose it by this name. Source: CPython 3.14 `asyncio.SelectorEventLoop`. */
export const SelectorEventLoop = EventLoop;

setPlatformLoop(() => new EventLoop());
