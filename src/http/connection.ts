/** A connection in the hands of one request. Counterpart: `Connection` of `aiohttp/connector.py`. */
import { extraInfo } from '../io/socket-transport.ts';
import { Transport } from '../io/transports.ts';
import type { ResponseHandler } from './client-proto.ts';
import type { BaseConnector } from './connector.ts';
import type { Channel, WireRequest } from './engine.ts';
import { ClientConnectionError } from './exceptions.ts';
import type { Listed } from './intrusive-list.ts';
import type { Destination } from './pool.ts';

/**
 * A connection in the hands of one request.
 *
 * Source: aiohttp 3.14 `aiohttp.connector.Connection`.
 */
export class Connection implements Listed<Connection> {
  /** Whether an earlier request used it: the server may have closed it since. */
  readonly isReused: boolean;
  // Who has a connection keeps its connector from being collected.
  readonly #connector: BaseConnector;
  readonly #destination: Destination;
  readonly #channel: Channel;
  #handler: ResponseHandler | null = null;
  #isOver = false;
  /** @internal */
  _previous: Connection | null = null;
  /** @internal */
  _next: Connection | null = null;

  /** @internal */
  constructor(connector: BaseConnector, destination: Destination, channel: Channel) {
    this.#connector = connector;
    this.#destination = destination;
    this.#channel = channel;
    this.isReused = channel.served > 0;
    connector._pool.used.add(this);
  }

  /** Whether it was given back or closed. */
  get closed(): boolean {
    return this.#isOver || this.#channel.socket.destroyed;
  }

  /** What is beneath, to ask it with `getExtraInfo` and to close it; null once it was given back or closed. */
  get transport(): Transport | null {
    return this.#isOver ? null : new ConnectionTransport(this, this.#channel.socket);
  }

  /** @internal */
  _send(request: WireRequest, handler: ResponseHandler): void {
    this.#handler = handler;
    this.#channel.send(request, handler);
  }

  /** Close it for good. Source: aiohttp 3.14 `Connection.close`. */
  close(): void {
    this._fail(new ClientConnectionError('Connection closed'));
  }

  /** @internal Close it with an error for whoever waits for its response. */
  _fail(error: ClientConnectionError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // A response that is there is read to its end, even if the connection cannot serve another request.
    if (this.#handler?.isComplete !== true) this.#handler?.fail(error);
    this.#channel.destroy(error);
    this.#leave();
  }

  /**
   * Give it back, for the next request; closes it if the response has not come in completely.
   *
   * Source: aiohttp 3.14 `Connection.release`.
   */
  release(): void {
    if (this.#isOver) return;
    if (this.#handler?.isComplete !== true) {
      this.close();
      return;
    }
    this.#isOver = true;
    this.#channel.served++;
    this.#connector._pool.keep(this.#destination, this.#channel);
    this.#leave();
  }

  #leave(): void {
    const { _pool: pool } = this.#connector;
    pool.used.delete(this);
    pool.leave(this.#destination);
  }

  toString(): string {
    return `Connection<${this.#destination.name}>`;
  }
}

/** What may be known of a connection's socket, and done to it: HTTP reads and writes there. */
class ConnectionTransport extends Transport {
  readonly #connection: Connection;
  readonly #socket: Channel['socket'];

  constructor(connection: Connection, socket: Channel['socket']) {
    super(extraInfo(socket, 'encrypted' in socket ? socket : null));
    this.#connection = connection;
    this.#socket = socket;
  }

  override isClosing(): boolean {
    return this.#connection.closed || !this.#socket.writable;
  }

  override close(): void {
    this.#connection.close();
  }

  override abort(): void {
    this.#connection.close();
  }
}
