/** What streams ask of the loop that they run on. No counterpart in CPython, whose loops all have it. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { requireLoop } from '../core/events.ts';
import type { Coroutine, Delay } from '../core/types.ts';
import type { BaseProtocol } from './protocols.ts';
import type { BaseTransport, Transport } from './transports.ts';

/** The options of the loop's method that makes the connection or the server. */
export type ConnectionOptions = Record<string, unknown>;

/** What listens for connections. */
export interface Server {
  close(): void;
  waitClosed(): Coroutine<void>;
}

/** The options of `startTls` of a stream. */
export interface StreamTlsOptions {
  /** The name that the peer's certificate has to bear. Default: the host that was connected to. */
  serverHostname?: string | null;
  /** How long the handshake may take. Default 60 s. */
  sslHandshakeTimeout?: Delay | null;
  /** How long the end of TLS may take. Default 30 s. */
  sslShutdownTimeout?: Delay | null;
}

/** A loop that has connections. */
export interface StreamLoop extends BaseEventLoop {
  createConnection<P extends BaseProtocol>(
    factory: () => P,
    host?: string | null,
    port?: number | string | null,
    options?: ConnectionOptions,
  ): Coroutine<[Transport, P]>;
  createServer(
    factory: () => BaseProtocol,
    host?: string | readonly string[] | null,
    port?: number | string | null,
    options?: ConnectionOptions,
  ): Coroutine<Server>;
  createUnixConnection<P extends BaseProtocol>(
    factory: () => P,
    path?: string | null,
    options?: ConnectionOptions,
  ): Coroutine<[Transport, P]>;
  createUnixServer(
    factory: () => BaseProtocol,
    path?: string | null,
    options?: ConnectionOptions,
  ): Coroutine<Server>;
  startTls(
    transport: BaseTransport,
    protocol: BaseProtocol,
    sslcontext: unknown,
    options: StreamTlsOptions & { serverSide: boolean },
  ): Coroutine<Transport>;
}

/** The running loop. */
export function streamLoop(): StreamLoop {
  return requireLoop() as StreamLoop;
}
