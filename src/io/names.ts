/** Names and addresses. Counterpart: parts of `asyncio/base_events.py`, and `socket.getaddrinfo`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import { fromPromise, methodCoroutine } from '../core/coroutines.ts';
import { repr } from '../core/format-helpers.ts';
import { logger } from '../core/log.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import type { Address } from './addresses.ts';
import { dns, fs, net } from './builtins.ts';
import { resolverError } from './resolve.ts';

/** Kinds of sockets. Linux' numbers, which macOS and Windows share. */
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;

/** The kinds of sockets with their protocols, in the order of the system's resolver. */
const KINDS = [
  { type: SOCK_STREAM, proto: 6 },
  { type: SOCK_DGRAM, proto: 17 },
  { type: 3, proto: 0 },
];

const AI_PASSIVE = 1;
const AI_NUMERICHOST = 4;
const NI_NUMERICHOST = 1;
const NI_NUMERICSERV = 2;
const NI_NAMEREQD = 8;
const NI_DGRAM = 16;

/** What a name was resolved to: `[family, type, proto, canonname, sockaddr]`. */
export type AddrInfo = [family: 4 | 6, type: number, proto: number, canonname: string, sockaddr: Address];

/** Options of `getaddrinfo`. */
export interface AddrInfoOptions {
  /** 4 or 6; 0 (default) for both. */
  family?: 0 | 4 | 6;
  /** 1 for streams, 2 for datagrams; 0 (default) for all. */
  type?: number;
  /** 6 for TCP, 17 for UDP; 0 (default) for all. */
  proto?: number;
  /** Those of the `dns` module, `ADDRCONFIG`, `V4MAPPED` and `ALL`; 1: without a host all addresses; 4: no look-up. */
  flags?: number;
}

interface Found {
  readonly address: string;
  readonly family: number;
}

/** What needs no resolver: no host, or an address. Null for a name. */
function withoutLookup(host: string | null, flags: number): readonly Found[] | null {
  if (host === null) {
    const [four, six] = [
      { address: flags & AI_PASSIVE ? '0.0.0.0' : '127.0.0.1', family: 4 },
      { address: flags & AI_PASSIVE ? '::' : '::1', family: 6 },
    ];
    return flags & AI_PASSIVE ? [four, six] : [six, four];
  }
  const family = net().isIP(host);
  if (family !== 0) return [{ address: host, family }];
  if (flags & AI_NUMERICHOST) throw resolverError('ENOTFOUND', host, host);
  return null;
}

function* lookUp(host: string, family: number, flags: number): Gen<readonly Found[]> {
  const { ADDRCONFIG, V4MAPPED, ALL, lookup } = dns();
  const hints = flags & (ADDRCONFIG | V4MAPPED | ALL);
  return yield* fromPromise(
    new Promise<readonly Found[]>((resolve, reject) => {
      lookup(host, { all: true, verbatim: true, family, hints }, (error, found) => {
        if (error === null) resolve(found);
        else reject(error);
      });
    }),
  );
}

/** The number of a port: given, or that of a service by the system's list. */
function* toPort(port: number | string | null, proto: number): Gen<number> {
  if (port === null) return 0;
  const number =
    typeof port === 'number' || /^\d+$/.test(port) ? Number(port) : yield* servicePort(port, proto);
  if (!Number.isInteger(number) || number < 0 || number > 65535) {
    throw new RangeError(`port must be 0-65535, got ${repr(port)}`);
  }
  return number;
}

function* servicePort(name: string, proto: number): Gen<number> {
  const reading = fs().promises.readFile('/etc/services', 'utf8');
  const list = yield* fromPromise(reading.catch(() => ''));
  for (const line of list.split('\n')) {
    const [service, port = '', ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (service !== name && !aliases.includes(name)) continue;
    const [number, kind] = port.split('/');
    if (proto === 0 || kind === (proto === 17 ? 'udp' : 'tcp')) return Number(number);
  }
  throw resolverError('EAI_SERVICE', `no service '${name}' is known`, null);
}

function toSockaddr({ address, family }: Found, port: number): Address {
  return family === 6 ? [address, port, 0, 0] : [address, port];
}

function* resolve(
  host: string | null,
  port: number | string | null,
  { family = 0, type = 0, proto = 0, flags = 0 }: AddrInfoOptions,
): Gen<AddrInfo[]> {
  if (host !== null && typeof host !== 'string') {
    throw new TypeError('getaddrinfo() argument 1 must be string or None');
  }
  const kinds = KINDS.filter(
    (kind) => (type === 0 || kind.type === type) && (proto === 0 || kind.proto === proto || kind.proto === 0),
  );
  if (kinds.length === 0) throw resolverError('EAI_SOCKTYPE', `type ${type} with protocol ${proto}`, host);
  const number = yield* toPort(port, proto || (kinds.length === 1 ? (kinds[0]?.proto ?? 0) : 0));
  const all = withoutLookup(host, flags) ?? (yield* lookUp(host as string, family, flags));
  const found = all.filter((one) => family === 0 || one.family === family);
  // As the system does for an address of the other family.
  if (found.length === 0) throw resolverError('EAI_ADDRFAMILY', String(host), host);
  return found.flatMap((one) =>
    kinds.map(
      (kind): AddrInfo => [one.family as 4 | 6, kind.type, kind.proto || proto, '', toSockaddr(one, number)],
    ),
  );
}

/** The addresses of `host` and `port`: `loop.getaddrinfo`. */
export const getaddrinfo: (
  loop: BaseEventLoop,
  host: string | null,
  port: number | string | null,
  options?: AddrInfoOptions,
) => Coroutine<AddrInfo[]> = /* @__PURE__ */ methodCoroutine('EventLoop.getaddrinfo', getInfo);

function* getInfo(
  loop: BaseEventLoop,
  host: string | null,
  port: number | string | null,
  options: AddrInfoOptions = {},
): Gen<AddrInfo[]> {
  if (!loop.getDebug()) return yield* resolve(host, port, options);
  const given = Object.entries(options).filter(([, value]) => value);
  const what = [`${host}:${repr(port)}`, ...given.map(([name, value]) => `${name}=${value}`)].join(', ');
  logger.debug(`Get address info ${what}`);
  const start = loop.time();
  const infos = yield* resolve(host, port, options);
  const seconds = loop.time() - start;
  const text = `Getting address info ${what} took ${(seconds * 1e3).toFixed(3)}ms: ${repr(infos)}`;
  if (seconds >= loop.slowCallbackDuration) logger.info(text);
  else logger.debug(text);
  return infos;
}

/** The name and the service of an address: `loop.getnameinfo`. */
export const getnameinfo: (sockaddr: Address, flags?: number) => Coroutine<[host: string, service: string]> =
  /* @__PURE__ */ methodCoroutine('EventLoop.getnameinfo', function* (sockaddr: Address, flags = 0): Gen<
    [string, string]
  > {
    if (!Array.isArray(sockaddr)) throw new TypeError('getnameinfo() argument 1 must be a tuple');
    const [host, port] = sockaddr as Exclude<Address, string>;
    const numeric: [string, string] = [host, String(port)];
    const hasNumericHost = (flags & NI_NUMERICHOST) !== 0;
    // The host's resolver knows services of TCP alone.
    const hasNumericService = (flags & (NI_NUMERICSERV | NI_DGRAM)) !== 0;
    if (hasNumericHost && hasNumericService) return numeric;
    const names = yield* fromPromise(lookUpService(host, port, (flags & NI_NAMEREQD) !== 0));
    return names === null
      ? numeric
      : [hasNumericHost ? numeric[0] : names[0], hasNumericService ? numeric[1] : names[1]];
  });

function lookUpService(
  host: string,
  port: number,
  isNameRequired: boolean,
): Promise<[host: string, service: string] | null> {
  return new Promise((resolve, reject) => {
    dns().lookupService(host, port, (error, hostname, service) => {
      if (error === null) resolve([hostname, service]);
      else if (error.code === 'ENOTFOUND' && !isNameRequired) resolve(null);
      else reject(error);
    });
  });
}
