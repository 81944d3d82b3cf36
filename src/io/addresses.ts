/** Where sockets are. CPython uses the tuples of the `socket` module. */

/** `[host, port]`, for IPv6 `[host, port, flowinfo, scopeId]`, or the path of a Unix socket. */
export type Address = readonly [host: string, port: number, flowinfo?: number, scopeId?: number] | string;
