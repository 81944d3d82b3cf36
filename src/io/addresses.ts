/** Where sockets are. CPython uses the tuples of the `socket` module. */
import type { Socket } from 'node:net';

/** `[host, port]`, for IPv6 `[host, port, flowinfo, scopeId]`, or the path of a Unix socket. */
export type Address = readonly [host: string, port: number, flowinfo?: number, scopeId?: number] | string;

/** `[host, port]`, with flow and scope for IPv6. */
export function toAddress(host: string, port: number, family: string | number | undefined): Address {
  if (family !== 'IPv6' && family !== 6) return [host, port];
  const [address = host, scope] = host.split('%');
  // A scope may be a name, which has no number here.
  return [address, port, 0, Number(scope ?? 0) || 0];
}

/** Where the peer of a connection is; of a Unix socket an empty path. */
export function peerAddress(socket: Socket): Address {
  if (socket.remoteAddress === undefined || socket.remotePort === undefined) return '';
  return toAddress(socket.remoteAddress, socket.remotePort, socket.remoteFamily);
}

/** Where this end of a connection is. */
export function socketAddress(socket: Socket): Address {
  if (socket.localAddress === undefined || socket.localPort === undefined) return '';
  return toAddress(socket.localAddress, socket.localPort, socket.localFamily);
}

/** What the system has room for, in bytes with the 0 at the end. */
const PATH_ROOM = process.platform === 'linux' ? 108 : 104;

/** @throws Error of code `EINVAL` if a path is too long for a Unix socket: Node before 24 would cut it. */
export function checkUnixPath(path: string): void {
  if (process.platform === 'win32') return; // a named pipe
  const room = path.startsWith('\0') ? PATH_ROOM : PATH_ROOM - 1;
  if (Buffer.byteLength(path) <= room) return;
  throw Object.assign(new Error(`AF_UNIX path too long: '${path}'`), { code: 'EINVAL', path });
}

/** @throws RangeError if several sockets are to share a port and this Node cannot do that: it would say nothing. */
export function checkReusePort(reusePort: boolean | null | undefined): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (reusePort && (major < 22 || (major === 22 && minor < 12)))
    throw new RangeError('reusePort not supported by this version of Node');
}
