/** Pipes between processes. Counterpart: `multiprocessing/connection.py`. */
import { EOFError } from '../core/exceptions.ts';
import { Ring } from '../core/ring.ts';
import type { Delay } from '../core/types.ts';
import { registerKind } from '../concurrent/crossing.ts';
import { LoopFree, Started } from '../concurrent/started.ts';
import { Timer } from '../concurrent/timer.ts';
import { NotImplementedError } from '../core/exceptions.ts';
import { BufferTooShort, systemError } from './errors.ts';
import { decode, encode } from './items.ts';
import { beFalse, Line } from './line.ts';
import { revive } from './peer.ts';
import {
  type Client,
  derive,
  nextAddress,
  secondsOf,
  type Shared,
  type SharedData,
  SharedObject,
} from './shared.ts';

/** One end of a pipe, in the process that made it: what has come for it and who has it. */
class End implements Shared {
  /** The other end. */
  other: End = this;
  readonly #messages = new Ring<Uint8Array>(16);
  /** Messages that came back, the next one last. */
  readonly #returned: Uint8Array[] = [];
  readonly #readers = new Line<Uint8Array>();
  readonly #pollers = new Line<boolean>();
  /** Who has this end open. */
  readonly #holders = new Set<Client>(['']);

  get isClosed(): boolean {
    return this.#holders.size === 0;
  }

  get #hasMore(): boolean {
    return this.#messages.length + this.#returned.length > 0;
  }

  call(op: string, args: readonly unknown[], client: Client): Started<any> {
    const what = `Connection.${op}()`;
    switch (op) {
      case 'open':
        // An end that nobody had any more stays closed.
        if (!this.isClosed) this.#holders.add(client);
        return Started._of(what, undefined);
      case 'close':
        this.#close(client);
        return Started._of(what, undefined);
      case 'send':
        if (this.other.isClosed) return Started._failed(what, systemError('write EPIPE', 'EPIPE'));
        this.other.#arrive(args[0] as Uint8Array);
        return Started._of(what, undefined);
      case 'recv':
        return this.#receive(what, client);
      default:
        return this.#poll(what, args[0] as number | null, client);
    }
  }

  #arrive(message: Uint8Array): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.started._resolve(message);
      return;
    }
    this.#messages.push(message);
    this.#pollers.release(true);
  }

  #receive(what: string, client: Client): Started<Uint8Array> {
    const giveBack = (message: Uint8Array): void => this.giveBack('recv', message);
    if (this.#hasMore) {
      const started = new Started<Uint8Array>(what, { giveBack });
      started._resolve(this.#returned.pop() ?? this.#messages.shift());
      return started;
    }
    if (this.other.isClosed) return Started._failed(what, new EOFError());
    return this.#readers.join({ what, client, timeout: null, onTimeout: () => {}, giveBack }, undefined);
  }

  #poll(what: string, timeout: number | null, client: Client): Started<boolean> {
    if (this.#hasMore || this.other.isClosed) return Started._of(what, true);
    if (timeout === 0) return Started._of(what, false);
    return this.#pollers.join({ what, client, timeout, onTimeout: beFalse }, undefined);
  }

  #close(client: Client): void {
    if (!this.#holders.delete(client) || !this.isClosed) return;
    const { other } = this;
    for (let reader = other.#readers.shift(); reader !== undefined; reader = other.#readers.shift()) {
      reader.started._reject(new EOFError());
    }
    other.#pollers.release(true);
  }

  giveBack(_op: string, value: unknown): void {
    const message = value as Uint8Array;
    const reader = this.#readers.shift();
    if (reader !== undefined) reader.started._resolve(message);
    else {
      this.#returned.push(message);
      this.#pollers.release(true);
    }
  }

  gone(prefix: Client): void {
    for (const client of this.#holders) if (client.startsWith(prefix)) this.#close(client);
  }
}

interface ConnectionData extends SharedData {
  readonly readable: boolean;
  readonly writable: boolean;
}

/**
 * One end of a pipe. It goes to another process as an argument; then both have it, and the pipe ends for the other side
 * when both have closed it or ended. So who passes an end on closes its own.
 *
 * Messages are cloned at the call of `send`, and come in order.
 *
 * Source: CPython 3.14 `multiprocessing.connection.Connection`.
 */
export class Connection<T = any> extends SharedObject implements Disposable {
  readonly #address = nextAddress();
  #isClosed = false;
  #readable: boolean;
  readonly #writable: boolean;

  /** @internal */
  constructor(shared: Shared, { readable, writable }: { readable: boolean; writable: boolean }) {
    super(shared);
    this.#readable = readable;
    this.#writable = writable;
  }

  /** Whether this process has closed it. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** Whether it receives. */
  get readable(): boolean {
    return this.#readable;
  }

  /** Whether it sends. */
  get writable(): boolean {
    return this.#writable;
  }

  #checkReadable(): void {
    this.#checkOpen();
    if (!this.#readable) throw systemError('connection is write-only', 'EBADF');
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (!this.#writable) throw systemError('connection is read-only', 'EBADF');
  }

  #checkOpen(): void {
    if (this.#isClosed) throw systemError('handle is closed', 'EBADF');
  }

  /**
   * Send a message. It is sent whether this is awaited or not.
   *
   * @throws at once the system's error (`EBADF`) for a closed or read-only connection, PicklingError for what cannot be
   *   cloned; by the wait `EPIPE` when the other side has closed.
   *
   * Source: CPython 3.14 `multiprocessing.connection.Connection.send`.
   */
  send(obj: T): Started<void> {
    this.#checkWritable();
    return this._call('send', encode(obj));
  }

  /**
   * Send bytes, which `recvBytes` gets as they are.
   *
   * @param offset - where they begin in `buf`; `size` how many they are, default: all that follow.
   * @throws as `send`; RangeError for places outside of the buffer.
   *
   * Source: CPython 3.14 `multiprocessing.connection.Connection.send_bytes`.
   */
  sendBytes(buf: Uint8Array, offset = 0, size?: number | null): Started<void> {
    this.#checkWritable();
    if (offset < 0) throw new RangeError('offset is negative');
    if (buf.byteLength < offset) throw new RangeError('buffer length < offset');
    const count = size ?? buf.byteLength - offset;
    if (count < 0) throw new RangeError('size is negative');
    if (offset + count > buf.byteLength) throw new RangeError('buffer length < offset + size');
    const bytes = new Uint8Array(buf.buffer, buf.byteOffset + offset, count);
    return this._call('send', Uint8Array.from(bytes));
  }

  /**
   * The next message, when it has come.
   *
   * @throws by the wait EOFError when the other side has closed and nothing is left; at once `EBADF` as `send`.
   *
   * Cancellation: nothing is taken; a message that was on its way is the next one again.
   *
   * Source: CPython 3.14 `multiprocessing.connection.Connection.recv`.
   */
  recv(): Started<T> {
    this.#checkReadable();
    return derive('Connection.recv()', this._call<Uint8Array>('recv'), decode, true);
  }

  /**
   * As `recv`, for bytes.
   *
   * @param maxlength - a longer message is an error (`bad message length`), after which this end receives no more.
   *
   * Source: CPython 3.14 `multiprocessing.connection.Connection.recv_bytes`.
   */
  recvBytes(maxlength?: number | null): Started<Buffer> {
    this.#checkReadable();
    if (typeof maxlength === 'number' && maxlength < 0) throw new RangeError('negative maxlength');
    const check = (bytes: Uint8Array): Buffer => {
      if (typeof maxlength === 'number' && bytes.length > maxlength) {
        if (this.#writable) this.#readable = false;
        else this.close();
        throw systemError('bad message length', 'EMSGSIZE');
      }
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    };
    return derive('Connection.recvBytes()', this._call<Uint8Array>('recv'), check, true);
  }

  /**
   * Receive bytes into `buf`, from `offset` on.
   *
   * @returns how many they were.
   * @throws by the wait BufferTooShort, which has the message.
   *
   * Source: CPython 3.14 `multiprocessing.connection.Connection.recv_bytes_into`.
   */
  recvBytesInto(buf: Uint8Array, offset = 0): Started<number> {
    this.#checkReadable();
    if (offset < 0) throw new RangeError('negative offset');
    if (offset > buf.byteLength) throw new RangeError('offset too large');
    const write = (bytes: Uint8Array): number => {
      if (buf.byteLength < offset + bytes.length) throw new BufferTooShort(bytes);
      buf.set(bytes, offset);
      return bytes.length;
    };
    return derive('Connection.recvBytesInto()', this._call<Uint8Array>('recv'), write, true);
  }

  /**
   * Whether a message is there, or the end.
   *
   * @param timeout - seconds to wait for one; null for no limit. Default 0.
   *
   * Source: CPython 3.14 `multiprocessing.connection.Connection.poll`.
   */
  poll(timeout: Delay | null = 0): Started<boolean> {
    this.#checkReadable();
    return this._call('poll', secondsOf(timeout));
  }

  /**
   * Close this end for this process. Closing it again does nothing.
   *
   * Source: CPython 3.14 `multiprocessing.connection.Connection.close`.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this._call('close')._markRetrieved();
  }

  /** Not possible on this host. @throws NotImplementedError always. */
  fileno(): never {
    throw new NotImplementedError(
      'a connection has no file descriptor that the program can read: pass the connection itself to connection.wait()',
    );
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  protected override _describe(): object {
    this.#checkOpen();
    return { readable: this.#readable, writable: this.#writable };
  }

  /** @internal */
  protected _module(): string {
    return import.meta.url;
  }

  override toString(): string {
    return `<multiprocessing.connection.Connection object at ${this.#address}>`;
  }
}

/**
 * A pipe: what is sent at one end is received at the other. The process that makes it hands on what goes through.
 *
 * @param duplex - false: the first end only receives, the second only sends. Default true.
 *
 * Source: CPython 3.14 `multiprocessing.Pipe`.
 */
export function Pipe<A = any, B = A>(duplex = true): [Connection<A>, Connection<B>] {
  const [first, second] = [new End(), new End()];
  first.other = second;
  second.other = first;
  return [
    new Connection<A>(first, { readable: true, writable: duplex }),
    new Connection<B>(second, { readable: duplex, writable: true }),
  ];
}

/** What `wait` waits for: connections that have something to receive, and whatever can be awaited. */
export type Waitable = Connection<any> | PromiseLike<unknown>;

/**
 * Wait until one of `objects` is ready: a connection by a message or its end, the `sentinel` of a process by its end, an
 * awaitable by its result or error.
 *
 * @param timeout - seconds to wait at most; null for no limit.
 * @returns those that are ready, in their order; none when the time is over.
 *
 * Cancellation: ends the wait; nothing is taken.
 *
 * Source: CPython 3.14 `multiprocessing.connection.wait`.
 */
export function wait<W extends Waitable>(objects: Iterable<W>, timeout?: Delay | null): Started<W[]> {
  const ready = new Set<W>();
  const polls: Started<boolean>[] = [];
  let timer: Timer | null = null;
  let isEnding = false;
  const all = [...objects];
  const stop = (): void => {
    timer?.cancel();
    for (const poll of polls) poll.cancel();
  };
  const started = new Started<W[]>('connection.wait()', { withdraw: stop });
  const end = (): void => {
    if (isEnding || started.done()) return;
    isEnding = true;
    // Others may be ready in the same moment.
    setImmediate(() => {
      stop();
      started._resolve(all.filter((object) => ready.has(object)));
    });
  };
  const see = (object: W): void => {
    if (isEnding && started.done()) return;
    ready.add(object);
    end();
  };
  for (const object of all) {
    if (object instanceof Connection) {
      const poll = object.poll(null);
      polls.push(poll);
      poll._whenEnded((outcome) => {
        if (outcome.kind !== 'cancelled') see(object);
      });
    } else if (object instanceof LoopFree) object._whenEnded(() => see(object));
    else
      object.then(
        () => see(object),
        () => see(object),
      );
  }
  const seconds = secondsOf(timeout);
  if (seconds !== null) timer = new Timer(seconds, end);
  return started;
}

registerKind('multiprocessing.Connection', (data: ConnectionData, link) =>
  revive(
    link,
    data.id,
    (shared) => new Connection(shared, data),
    (connection) => !connection.closed,
  ),
);
