/** The connections of a connector, and who waits for one. In aiohttp a part of `BaseConnector`. */
import type { Duplex } from 'node:stream';
import type { BaseEventLoop } from '../core/base-events.ts';
import type { TimerHandle } from '../core/events.ts';
import { Future } from '../core/futures.ts';
import type { Gen } from '../core/types.ts';
import type { Channel } from './engine.ts';
import { ClientConnectionError } from './exceptions.ts';
import { sendTraces, type Trace } from './tracing.ts';

/** After so many seconds a connection that was to close is closed without further words. */
const CLEANUP_CLOSED_PERIOD = 2;

/** Somebody who waits for a place; `turn` counts up over all destinations. */
class Waiter extends Future<void> {
  readonly turn: number;

  constructor(loop: BaseEventLoop, turn: number) {
    super(loop._own);
    this.turn = turn;
  }

  override _className(): string {
    return 'Future';
  }
}

/** All that leads to one place: what `nameOf` tells apart. */
export class Destination {
  readonly name: string;
  /** Connections that nobody uses, the latest last. */
  readonly idle: Channel[] = [];
  /** Connections in use, and those that are being made. */
  taken = 0;
  readonly line = new Set<Waiter>();

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

/**
 * Keeps connections, and the limits of how many are in use: first come, first served. It knows nothing of its
 * connector, which can so be collected while sockets and timers still hold the pool.
 */
export class Pool {
  readonly loop: BaseEventLoop;
  isClosed = false;
  /** How to end the connections in use. */
  readonly used = new Set<{ _fail(error: ClientConnectionError): void }>();
  readonly #options: PoolOptions;
  readonly #destinations = new Map<string, Destination>();
  /** Those where somebody waits. */
  readonly #crowded = new Set<Destination>();
  #taken = 0;
  #turns = 0;
  /** All sockets that are not closed yet. */
  readonly #sockets = new Set<Duplex>();
  #expiry: TimerHandle | null = null;

  constructor(loop: BaseEventLoop, options: PoolOptions) {
    this.loop = loop;
    this.#options = options;
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

  /** Take a place if one is free. Nobody who waits could have it: free places are handed on when they are left. */
  take(destination: Destination): boolean {
    if (!this.#isFree(destination)) return false;
    this.#taken++;
    destination.taken++;
    return true;
  }

  /**
   * Wait for a place.
   *
   * Cancellation: leaves the line; a place that had been given already goes to the next.
   */
  *wait(destination: Destination, traces: readonly Trace[]): Gen<void> {
    const waiter = new Waiter(this.loop, this.#turns++);
    destination.line.add(waiter);
    this.#crowded.add(destination);
    let isTaken = false;
    try {
      if (traces.length > 0) yield* sendTraces(traces, 'onConnectionQueuedStart', {});
      yield* waiter;
      if (traces.length > 0) yield* sendTraces(traces, 'onConnectionQueuedEnd', {});
      isTaken = true;
    } finally {
      if (!isTaken) this.#giveUp(destination, waiter);
    }
  }

  #giveUp(destination: Destination, waiter: Waiter): void {
    if (waiter.cancel() || waiter.cancelled()) this.#unlink(destination, waiter);
    else if (waiter.exception() === null) this.leave(destination);
  }

  #unlink(destination: Destination, waiter: Waiter): void {
    destination.line.delete(waiter);
    if (destination.line.size > 0) return;
    this.#crowded.delete(destination);
    this.#tidy(destination);
  }

  /** Leave a place: who waits for it the longest has it at once, before anybody who comes now. */
  leave(destination: Destination): void {
    this.#taken--;
    destination.taken--;
    if (this.#crowded.size > 0) this.#handOn();
    if (destination.taken === 0) this.#tidy(destination);
  }

  #handOn(): void {
    let next: Waiter | null = null;
    let where: Destination | null = null;
    for (const destination of this.#crowded) {
      if (!this.#isFree(destination)) continue;
      const first = this.#firstOf(destination);
      if (first === null || (next !== null && next.turn < first.turn)) continue;
      next = first;
      where = destination;
    }
    if (next === null || where === null) return;
    this.#taken++;
    where.taken++;
    this.#unlink(where, next);
    next.setResult();
  }

  #firstOf(destination: Destination): Waiter | null {
    for (const waiter of destination.line) {
      if (!waiter.done()) return waiter;
      // Cancelled, and has not had its turn since.
      this.#unlink(destination, waiter);
    }
    return null;
  }

  #isFree({ taken }: Destination): boolean {
    const { limit, limitPerHost } = this.#options;
    return (limit === 0 || this.#taken < limit) && (limitPerHost === 0 || taken < limitPerHost);
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
    // Says goodbye first, as TLS wants it.
    socket.destroySoon();
    if (this.#options.enableCleanupClosed && !this.loop.isClosed()) {
      const timer = this.loop.callLater(CLEANUP_CLOSED_PERIOD, () => socket.destroy());
      socket.once('close', () => timer.cancel());
    }
  }

  /** Know of a socket until it is closed. */
  watch(socket: Duplex): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    // An error of a connection that nobody uses is its end, and no more.
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
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
    for (const { line } of this.#crowded) {
      for (const waiter of line) if (!waiter.done()) waiter.setException(connectorClosed());
    }
    for (const connection of this.used) connection._fail(connectorClosed());
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

  /** Wait until all sockets are closed. Cancellation: ends the wait. */
  *drained(): Gen<void> {
    while (this.#sockets.size > 0) {
      const gone = this.loop.createFuture<void>();
      const [socket] = this.#sockets as Iterable<Duplex> as [Duplex];
      socket.once('close', () => gone.done() || gone.setResult());
      this.loop._foreignWaits++;
      try {
        yield* gone;
      } finally {
        this.loop._foreignWaits--;
      }
    }
  }
}
