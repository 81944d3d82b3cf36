/** Sockets on their way to an address. Counterpart: `aiohappyeyeballs`, for what is not in `io/staggered.ts`. */
import type { Socket } from 'node:net';
import type { Gen } from '../core/types.ts';
import { net } from '../io/builtins.ts';
import type { AddrInfo } from '../io/names.ts';
import type { ResolvedAddress } from '../io/resolve.ts';
import { waitOutside } from './helpers.ts';
import { connectorClosed, type Pool } from './pool.ts';

/** Where a socket is to be connected to: `[family, type, proto, canonname, sockaddr]`, as of `loop.getaddrinfo`. */
export type AddrInfoType = Readonly<AddrInfo>;

/**
 * Makes a socket for a connector, which connects it.
 *
 * Source: aiohttp 3.14 `aiohttp.SocketFactoryType`.
 */
export type SocketFactoryType = (addr: AddrInfoType) => Socket;

// As the system has them.
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;

function toAddrInfo({ host, port, family }: ResolvedAddress): AddrInfoType {
  return [family, SOCK_STREAM, IPPROTO_TCP, '', family === 6 ? [host, port, 0, 0] : [host, port]];
}

/** A system error with a code. */
export function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/**
 * Connect to one address.
 *
 * @param local - where this end is to be, null for anywhere.
 *
 * Cancellation: the socket is closed.
 */
export function* openSocket(
  pool: Pool,
  address: ResolvedAddress,
  local: readonly [host: string, port: number] | null,
  factory: SocketFactoryType | null,
): Gen<Socket> {
  const { host, port, family } = address;
  if (local !== null && net().isIP(local[0]) !== family) {
    throw systemError('EADDRNOTAVAIL', `no matching local address with family=${family} found`);
  }
  const socket = factory === null ? new (net().Socket)() : factory(toAddrInfo(address));
  return yield* connected(pool, socket, () =>
    socket.connect({
      host,
      port,
      family,
      autoSelectFamily: false,
      ...(local !== null && { localAddress: local[0], localPort: local[1] }),
    }),
  );
}

/** Let `begin` connect a socket, and wait until it is. Cancellation: it is closed. */
export function* connected(pool: Pool, socket: Socket, begin: () => void): Gen<Socket> {
  const future = pool.loop.createFuture<void>();
  const fail = (error: Error): void => {
    if (!future.done()) future.setException(error);
  };
  const end = (): void =>
    fail(pool.isClosed ? connectorClosed() : systemError('ECONNABORTED', 'the socket was closed'));
  let isConnected = false;
  try {
    socket.once('connect', () => future.done() || future.setResult());
    socket.on('error', fail).on('close', end);
    pool.watch(socket);
    begin();
    yield* waitOutside(pool.loop, future);
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    socket.off('error', fail).off('close', end);
    isConnected = true;
    return socket;
  } finally {
    if (!isConnected) {
      future.cancel();
      socket.destroy();
    }
  }
}
