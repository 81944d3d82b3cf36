/** From names of hosts to addresses. Counterpart: `_ensure_resolved` of `asyncio/base_events.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { repr } from '../core/format-helpers.ts';
import { Future } from '../core/futures.ts';
import { PENDING } from '../core/running.ts';
import type { Gen } from '../core/types.ts';
import { dns, net } from './builtins.ts';

/** Where to connect or listen. */
export interface ResolvedAddress {
  readonly host: string;
  readonly port: number;
  readonly family: 4 | 6;
}

/** An error as Node's resolver has them. */
export function resolverError(code: string, detail: string, hostname: string | null): Error {
  return Object.assign(new Error(`getaddrinfo ${code} ${detail}`), {
    code,
    syscall: 'getaddrinfo',
    hostname,
  });
}

/** A port as a number. Node has no table of services. */
export function checkPort(port: number | string | null | undefined): number {
  const value = port === null || port === undefined ? 0 : typeof port === 'string' ? Number(port) : port;
  if (Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  if (typeof port === 'string') {
    throw new RangeError(`Servname not supported: port must be a number from 0 to 65535, got ${repr(port)}`);
  }
  throw new RangeError(`port must be 0-65535, got ${repr(port)}`);
}

/**
 * The addresses of `host`, in the order of the system's resolver; of null those of this machine: the loopback, or, to
 * listen on, all interfaces. Throws Node's error if the name is not known.
 */
export function* resolve(
  loop: BaseEventLoop,
  host: string | null,
  port: number | string | null,
  family: number,
  isPassive = false,
): Gen<ResolvedAddress[]> {
  const number = checkPort(port);
  if (family !== 0 && family !== 4 && family !== 6)
    throw new RangeError(`family must be 0, 4 or 6, got ${repr(family)}`);
  if (host === null || host === '') {
    const hosts = isPassive ? (['0.0.0.0', '::'] as const) : (['127.0.0.1', '::1'] as const);
    return hosts
      .map((each) => ({ host: each, port: number, family: familyOf(each) }))
      .filter((each) => family === 0 || each.family === family);
  }
  if (typeof host !== 'string') throw new TypeError(`host must be a string or null, got ${repr(host)}`);
  if (net().isIP(host) !== 0) {
    if (family !== 0 && family !== familyOf(host)) throw resolverError('EAI_ADDRFAMILY', host, host);
    return [{ host, port: number, family: familyOf(host) }];
  }
  const found = yield* lookup(loop, host, family);
  return found.map((address) => ({ host: address.address, port: number, family: familyOf(address.address) }));
}

function familyOf(host: string): 4 | 6 {
  return net().isIPv6(host) ? 6 : 4;
}

/** The system's answer. Cancelling ends the wait; the question itself cannot be taken back. */
function lookup(loop: BaseEventLoop, host: string, family: number): Future<{ address: string }[]> {
  const future = new Future<{ address: string }[]>(loop._own);
  dns().lookup(host, { all: true, family, verbatim: true }, (error, addresses) => {
    if (future._state !== PENDING || loop.isClosed()) return;
    if (error === null) future.setResult(addresses);
    else future._fail(error);
  });
  return future;
}
