/** The host in browsers and other places with the web's APIs. Counterpart: none in CPython. */
import { BaseEventLoop } from '../core/base-events.ts';
import { setPlatformLoop } from '../core/events.ts';
import type { ContextStorage, Host, HostedLoop } from '../core/host.ts';

// Taken when the module is loaded, so that a test library's fake timers do not stop the loop.
const { setTimeout, clearTimeout, setInterval, clearInterval, performance, MessageChannel } = globalThis;
const now = performance.now.bind(performance);
// Not of the web, but where it is, it is a macrotask for certain: Deno delivers messages between microtasks.
const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };

/** Timers fire at once above this many milliseconds. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Time and wake-ups of a loop, from the web's APIs. A macrotask is a message to ourselves: a timer would take
 * milliseconds, and a microtask would keep the page from painting.
 */
export class WebHost implements Host {
  readonly clockResolution = 1e-6;
  // The web has no context storage yet: code after a foreign promise is not known to belong to a task.
  readonly storage: ContextStorage | null = null;
  #loop: HostedLoop | null = null;
  #channel: InstanceType<typeof MessageChannel> | null = null;
  #pending: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #turn = (): void => this.#loop?.turn();

  time(): number {
    return now() / 1000;
  }

  open(loop: HostedLoop): void {
    this.#loop = loop;
    if (setImmediate !== undefined) return;
    this.#channel = new MessageChannel();
    // By property, since `addEventListener` would not start the port.
    (this.#channel.port1 as unknown as { onmessage: (() => void) | null }).onmessage = () =>
      this.#pending.shift()?.();
  }

  close(): void {
    this.#disarm();
    // An open port keeps some hosts alive.
    this.#channel?.port1.close();
    this.#channel = null;
    this.#pending = [];
    this.#loop = null;
  }

  soon(): void {
    this.#post(this.#turn);
  }

  drained(next: () => void): void {
    this.#post(next);
  }

  wait(when: number): void {
    this.#disarm();
    if (when === Number.POSITIVE_INFINITY) return;
    const ms = Math.min(Math.max(Math.ceil((when - this.time()) * 1000), 1), MAX_TIMEOUT_MS);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#turn();
    }, ms);
  }

  every(seconds: number, report: () => void): () => void {
    const interval = setInterval(report, seconds * 1000);
    return () => clearInterval(interval);
  }

  #post(callback: () => void): void {
    if (setImmediate !== undefined) {
      setImmediate(callback);
      return;
    }
    this.#pending.push(callback);
    this.#channel?.port2.postMessage(null);
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** The event loop in browsers. */
export class EventLoop extends BaseEventLoop {
  /** @param host - in place of the web's own clock and wake-ups. */
  constructor(host: Host = new WebHost()) {
    super(host);
  }
}

setPlatformLoop(() => new EventLoop(), true);
