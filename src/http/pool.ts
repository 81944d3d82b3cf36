/** The connections of a connector. In aiohttp a part of `BaseConnector`. */
import type { Duplex } from 'node:stream';
import type { BaseEventLoop } from '../core/base-events.ts';
import type { TimerHandle } from '../core/events.ts';
import type { Gen } from '../core/types.ts';
import type { Channel } from './engine.ts';
import { ClientConnectionError } from './exceptions.ts';
import { IntrusiveList, type Listed } from './intrusive-list.ts';
import { type Host, Places } from './places.ts';
import type { Trace } from './tracing.ts';

/** After so many seconds a goodbye is over, whether the peer has taken it or not. */
const GOODBYE_LIMIT = 2;

/** All that leads to one place: what `nameOf` tells apart. */
export class Destination implements Host {
  readonly name: string;
  /** Connections that nobody uses, the latest last. */
  readonly idle: Channel[] = [];
  /** Connections in use, and those that are being made. */
  taken = 0;
  readonly line: Host['line'] = new Set();
  /** What all its connections are told of where they lead; made with the first. */
  origin: URL | null = null;

  constructor(name: string) {
    this.name = name;
  }
}

/** Options of a pool, all given. */
export interface PoolOptions {
  readonly limit: number;
  readonly limitPerHost: number;
  readonly forceClose: boolean;
  /** Seconds; Infinity for no limit. */
  readonly keepaliveTimeout: number;
  readonly timeoutCeilThreshold: number;
  readonly enableCleanupClosed: boolean;
}

export const connectorClosed = (): ClientConnectionError => new ClientConnectionError('Connector is closed.');

/** A connection in use. */
interface Used extends Listed<Used> {
  _fail(error: ClientConnectionError): void;
}

/**
 * Keeps connections, and the limits of how many are in use. It knows nothing of its connector, which can so be collected
 * while sockets and timers still hold the pool.
 */
export class Pool {
  readonly loop: BaseEventLoop;
  isClosed = false;
  /** How to end the connections in use. */
  readonly used = new IntrusiveList<Used>();
  readonly #options: PoolOptions;
  readonly #places: Places;
  readonly #destinations = new Map<string, Destination>();
  /** All sockets that are not closed yet. */
  readonly #sockets = new Set<Duplex>();
  #expiry: TimerHandle | null = null;

  constructor(loop: BaseEventLoop, options: PoolOptions) {
    this.loop = loop;
    this.#options = options;
    this.#places = new Places(loop, options.limit, options.limitPerHost);
  }

  find(name: string): Destination | null {
    return this.#destinations.get(name) ?? null;
  }

  destination(name: string): Destination {
    let found = this.#destinations.get(name);
    if (found === undefined) {
      found = new Destination(name);
      this.#destinations.set(name, found);
    }
    return found;
  }

  /** Whether there are connections that nobody uses. */
  get hasIdle(): boolean {
    for (const { idle } of this.#destinations.values()) if (idle.length > 0) return true;
    return false;
  }

  /** A text for each connection that nobody uses. */
  describeIdle(): string[] {
    return [...this.#destinations.values()].flatMap(({ name, idle }) => idle.map(() => name));
  }

  /** Take a place if one is free. */
  take(destination: Destination): boolean {
    return this.#places.take(destination);
  }

  /** Wait for a place. Cancellation: the next in line has it. */
  *wait(destination: Destination, traces: readonly Trace[]): Gen<void> {
    try {
      yield* this.#places.wait(destination, traces);
    } finally {
      this.#tidy(destination);
    }
  }

  /** Leave a place to the next in line. */
  leave(destination: Destination): void {
    this.#places.leave(destination);
    this.#tidy(destination);
  }

  #tidy(destination: Destination): void {
    const { name, taken, idle, line } = destination;
    if (taken > 0 || idle.length > 0 || line.size > 0) return;
    // By now there may be another one of this name.
    if (this.#destinations.get(name) === destination) this.#destinations.delete(name);
  }

  /** A connection that nobody uses, the latest first: those that are too many grow old. */
  takeIdle(destination: Destination): Channel | null {
    const { idle } = destination;
    if (idle.length === 0) return null;
    const oldest = this.loop.time() - this.#options.keepaliveTimeout;
    for (let channel = idle.pop(); channel !== undefined; channel = idle.pop()) {
      const { socket } = channel;
      if (socket.writableLength > 0) {
        // The server answered without having read all: what comes next would wait behind that.
        channel.destroy(new ClientConnectionError('Connection closed'));
        continue;
      }
      if (!socket.destroyed && socket.writable && channel.idleSince >= oldest) return channel;
      this.#close(channel);
    }
    return null;
  }

  /** Keep a connection for the next who wants one. */
  keep(destination: Destination, channel: Channel): void {
    if (this.isClosed || this.#options.forceClose || channel.socket.destroyed) {
      this.#close(channel);
      return;
    }
    channel.idleSince = this.loop.time();
    destination.idle.push(channel);
    if (this.#expiry === null && this.#options.keepaliveTimeout !== Number.POSITIVE_INFINITY) {
      this.#expireAt(channel.idleSince + this.#options.keepaliveTimeout);
    }
  }

  #expireAt(when: number): void {
    if (this.loop.isClosed()) return;
    const { keepaliveTimeout, timeoutCeilThreshold } = this.#options;
    const rounded = keepaliveTimeout > timeoutCeilThreshold ? Math.ceil(when) : when;
    this.#expiry = this.loop.callAt(rounded, () => this.#expire());
  }

  /** Close the connections that nobody has used for too long. */
  #expire(): void {
    this.#expiry = null;
    const oldest = this.loop.time() - this.#options.keepaliveTimeout;
    let since = Number.POSITIVE_INFINITY;
    for (const destination of this.#destinations.values()) {
      const { idle } = destination;
      const kept = idle.findIndex(({ idleSince }) => idleSince > oldest);
      for (const channel of idle.splice(0, kept < 0 ? idle.length : kept)) this.#close(channel);
      if (idle[0] !== undefined) since = Math.min(since, idle[0].idleSince);
      this.#tidy(destination);
    }
    if (since !== Number.POSITIVE_INFINITY) this.#expireAt(since + this.#options.keepaliveTimeout);
  }

  #close(channel: Channel, abortSsl = false): void {
    const socket = channel.socket as Duplex & { encrypted?: boolean; destroySoon?: () => void };
    const isPolite = socket.encrypted === true && !abortSsl && !socket.destroyed;
    if (!isPolite || socket.destroySoon === undefined) {
      channel.destroy(new ClientConnectionError('Connection closed'));
      return;
    }
    // Says goodbye first, as TLS wants it. It waits for what was written before, which the peer may never take.
    socket.destroySoon();
    // Who closes the pool waits for the end.
    if ((this.isClosed || this.#options.enableCleanupClosed) && !this.loop.isClosed()) {
      const timer = this.loop.callLater(GOODBYE_LIMIT, () => socket.destroy());
      socket.once('close', () => timer.cancel());
    }
  }

  /** Know of a socket until it is closed. */
  watch(socket: Duplex): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    // An error of a connection that nobody uses is its end, and no more.
    socket.on('error', () => {});
    // Not `once`, which makes two more objects: there is one end.
    socket.on('close', () => this.#sockets.delete(socket));
    if (socket.destroyed) this.#sockets.delete(socket);
  }

  /** Another socket stands for this one, and closes it. */
  unwatch(socket: Duplex): void {
    this.#sockets.delete(socket);
  }

  /** Take a connection out of those that nobody uses. */
  forget(destination: Destination, channel: Channel): void {
    const place = destination.idle.indexOf(channel);
    if (place < 0) return;
    destination.idle.splice(place, 1);
    this.#tidy(destination);
  }

  /** Close everything. */
  close(abortSsl: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#expiry?.cancel();
    this.#expiry = null;
    this.#places.close(connectorClosed());
    // Each leaves at once.
    while (this.used.first !== null) this.used.first._fail(connectorClosed());
    const polite = new Set<Duplex>();
    for (const { idle } of this.#destinations.values()) {
      for (const channel of idle.splice(0)) {
        this.#close(channel, abortSsl);
        polite.add(channel.socket);
      }
    }
    // Those on their way.
    for (const socket of this.#sockets) if (!polite.has(socket)) socket.destroy();
  }

  /** Wait until all sockets are closed. Cancellation: closes them at once. */
  *drained(): Gen<void> {
    while (this.#sockets.size > 0) {
      const gone = this.loop.createFuture<void>();
      const [socket] = this.#sockets as Iterable<Duplex> as [Duplex];
      socket.once('close', () => gone.done() || gone.setResult());
      this.loop._foreignWaits++;
      try {
        yield* gone;
      } catch (error) {
        for (const left of this.#sockets) left.destroy();
        throw error;
      } finally {
        this.loop._foreignWaits--;
      }
    }
  }
}
