/** Connections over TCP. Counterpart: `TCPConnector` of `aiohttp/connector.py`, with `aiohappyeyeballs`. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { coroutine } from '../core/coroutines.ts';
import { toSeconds } from '../core/events.ts';
import { TimeoutError } from '../core/exceptions.ts';
import type { Coroutine, Delay, Gen } from '../core/types.ts';
import { net } from '../io/builtins.ts';
import type { ResolvedAddress } from '../io/resolve.ts';
import { connectionError, inTurn, interleaved, staggered } from '../io/staggered.ts';
import type { AbstractResolver, ResolveResult } from './abc.ts';
import type { ClientRequest } from './client-request.ts';
import { type ClientTimeout, within } from './client-timeout.ts';
import type { SslOption } from './connection-key.ts';
import { BaseConnector, type BaseConnectorOptions, CONNECTOR_OPTIONS } from './connector.ts';
import { dnsError, socketError } from './connector-errors.ts';
import { LookUps } from './dns-cache.ts';
import { ClientConnectorError, ClientProxyConnectionError, ServerFingerprintMismatch } from './exceptions.ts';
import { Fingerprint } from './fingerprint.ts';
import { optionNames, ownOptions } from './options.ts';
import { connectorClosed } from './pool.ts';
import { openTunnel } from './proxy.ts';
import { DefaultResolver } from './resolver.ts';
import { openSocket, type SocketFactoryType, systemError } from './sockets.ts';
import { checkSsl, startTls, type TlsTarget } from './tls.ts';
import type { Trace } from './tracing.ts';

/** Options of `TCPConnector`. */
export interface TCPConnectorOptions extends BaseConnectorOptions {
  /** How to do TLS, for requests that do not say. Default true. */
  ssl?: SslOption | null | undefined;
  /** Remember the addresses of hosts. Default true. */
  useDnsCache?: boolean | undefined;
  /** Seconds that an address is remembered; null for ever. Default 10. */
  ttlDnsCache?: Delay | null | undefined;
  /** How many hosts are remembered. Default 1000. */
  dnsCacheMaxSize?: number | undefined;
  /** 4 or 6: addresses of that family only. Default 0: any. */
  family?: 0 | 4 | 6 | undefined;
  /** Where this end of the connections is to be: an address and a port, 0 for any. */
  localAddr?: readonly [host: string, port: number] | null | undefined;
  /** Finds the addresses of hosts. It is not closed with the connector. Default a `DefaultResolver`. */
  resolver?: AbstractResolver | null | undefined;
  /** Seconds after which the next address is tried beside one that does not answer; null: one at a time. Default 0.25. */
  happyEyeballsDelay?: Delay | null | undefined;
  /** How many addresses of the first family come before one of the other. Default 1 with `happyEyeballsDelay`. */
  interleave?: number | null | undefined;
  /** Makes the sockets, to be connected by the connector. */
  socketFactory?: SocketFactoryType | null | undefined;
}

const TCP_OPTIONS = /* @__PURE__ */ optionNames<TCPConnectorOptions>('TCPConnector', {
  ...CONNECTOR_OPTIONS,
  ssl: true,
  useDnsCache: true,
  ttlDnsCache: true,
  dnsCacheMaxSize: true,
  family: true,
  localAddr: true,
  resolver: true,
  happyEyeballsDelay: true,
  interleave: true,
  socketFactory: true,
});

/** Where a connection leads: the origin of a request, or its proxy. */
interface Target extends TlsTarget {
  readonly port: number;
  /** How to do TLS; null for none. */
  readonly ssl: SslOption | null;
  /** What to throw when no address answers. */
  readonly errorClass: typeof ClientConnectorError;
}

/**
 * Connections over TCP, with TLS or without, directly or through a proxy.
 *
 * @throws TypeError for what is no `ssl` option, and for unknown options; RuntimeError without a running loop.
 *
 * Source: aiohttp 3.14 `aiohttp.TCPConnector`.
 */
export class TCPConnector extends BaseConnector {
  /** How TLS is done, unless a request says otherwise. */
  readonly ssl: SslOption;
  readonly family: 0 | 4 | 6;
  readonly useDnsCache: boolean;
  readonly #lookUps: LookUps;
  /** To be closed with the connector. */
  readonly #ownResolver: AbstractResolver | null;
  readonly #localAddr: readonly [host: string, port: number] | null;
  readonly #happyEyeballsDelay: number | null;
  readonly #interleave: number | null;
  readonly #socketFactory: SocketFactoryType | null;

  constructor(options: TCPConnectorOptions = {}) {
    const {
      ssl: givenSsl,
      useDnsCache = true,
      ttlDnsCache = 10,
      dnsCacheMaxSize = 1000,
      family = 0,
      localAddr,
      resolver: givenResolver,
      happyEyeballsDelay = 0.25,
      interleave,
      socketFactory,
      ...ofAll
    } = ownOptions(options, TCP_OPTIONS);
    const ssl = checkSsl(givenSsl);
    super(ofAll);
    this.ssl = ssl;
    this.family = family;
    this.useDnsCache = useDnsCache;
    const ttl = ttlDnsCache === null ? null : toSeconds(ttlDnsCache, 'ttlDnsCache');
    const cache = useDnsCache ? { ttl, maxSize: dnsCacheMaxSize } : null;
    const resolver = givenResolver ?? new DefaultResolver();
    this.#ownResolver = resolver === givenResolver ? null : resolver;
    this.#lookUps = new LookUps(this._loop, resolver, family, cache);
    this.#localAddr = localAddr ?? null;
    this.#happyEyeballsDelay =
      happyEyeballsDelay === null ? null : toSeconds(happyEyeballsDelay, 'happyEyeballsDelay');
    this.#interleave = interleave ?? null;
    this.#socketFactory = socketFactory ?? null;
  }

  /** The addresses that are remembered, by `host:port`. A copy. */
  get cachedHosts(): ReadonlyMap<string, ResolveResult[]> {
    return this.#lookUps.cachedHosts;
  }

  /**
   * Forget the addresses of one host, or of all.
   *
   * @throws RangeError for a host without a port, or the reverse.
   *
   * Source: aiohttp 3.14 `TCPConnector.clear_dns_cache`.
   */
  clearDnsCache(host?: string | null, port?: number | null): void {
    this.#lookUps.forget(host ?? null, port ?? null);
  }

  /** @internal */
  override *_close(abortSsl: boolean): Gen<void> {
    this._pool.close(abortSsl);
    yield* this.#lookUps.close(connectorClosed());
    yield* this._pool.drained();
    if (this.#ownResolver !== null) yield* this.#ownResolver.close() as Coroutine<void>;
  }

  override _createConnection(
    request: ClientRequest,
    traces: readonly Trace[],
    timeout: ClientTimeout,
  ): Coroutine<Duplex> {
    return createConnection(this, request, traces, timeout);
  }

  /** @internal */
  *_create(request: ClientRequest, traces: readonly Trace[], limits: ClientTimeout): Gen<Duplex> {
    const origin = this.#origin(request);
    if (request.proxy === null) return yield* this.#connect(origin, traces, limits);
    const socket = yield* this.#connect(this.#proxy(request, request.proxy), [], limits);
    if (!request._isTunnelled) return socket;
    yield* openTunnel(this._pool, socket, request);
    const { ssl } = origin;
    if (ssl === null) return socket;
    return yield* within(limits.sockConnect, limits.ceilThreshold, () =>
      startTls(this._pool, socket, ssl, origin),
    );
  }

  #origin(request: ClientRequest): Target {
    const key = request._connectionKey;
    const isSsl = request.isSsl();
    return {
      key,
      host: key.host,
      port: key.port ?? (isSsl ? 443 : 80),
      ssl: isSsl ? this.#sslOf(request) : null,
      serverHostname: request.serverHostname,
      fingerprint: isSsl ? this.#fingerprintOf(request) : null,
      errorClass: ClientConnectorError,
    };
  }

  #proxy(request: ClientRequest, proxy: URL): Target {
    const isSsl = proxy.protocol === 'https:';
    const host = proxy.hostname.replace(/^\[|\]$/g, '');
    const port = proxy.port === '' ? (isSsl ? 443 : 80) : Number(proxy.port);
    // A fingerprint is the origin's where there is a tunnel: the proxy then has to have a certificate like any other.
    const isForOrigin = this.#fingerprintOf(request) !== null && request.isSsl();
    return {
      key: { ...request._connectionKey, host, port, isSsl },
      host,
      port,
      ssl: isSsl ? isForOrigin || this.#sslOf(request) : null,
      serverHostname: host,
      fingerprint: isSsl && !isForOrigin ? this.#fingerprintOf(request) : null,
      errorClass: ClientProxyConnectionError,
    };
  }

  /** What a request says counts for more than what the connector says. */
  #sslOf({ ssl }: ClientRequest): SslOption {
    return ssl === true ? this.ssl : ssl;
  }

  #fingerprintOf({ ssl }: ClientRequest): Fingerprint | null {
    if (ssl instanceof Fingerprint) return ssl;
    return this.ssl instanceof Fingerprint ? this.ssl : null;
  }

  /** Connect to the target. Where TLS fails, or all takes too long, another address may do better. */
  *#connect(target: Target, traces: readonly Trace[], limits: ClientTimeout): Gen<Socket> {
    const addresses = yield* this.#addressesOf(target, traces);
    for (;;) {
      try {
        return yield* within(limits.sockConnect, limits.ceilThreshold, () => this.#reach(target, addresses));
      } catch (error) {
        if (!isWorthAnotherAddress(error)) throw error;
        if (!(error instanceof ServerFingerprintMismatch)) dropFirst(addresses, this.#interleave ?? 1);
        if (addresses.length === 0) throw error;
      }
    }
  }

  *#addressesOf({ key, host, port }: Target, traces: readonly Trace[]): Gen<ResolvedAddress[]> {
    const ipFamily = net().isIP(host);
    let found: ResolvedAddress[];
    if (ipFamily !== 0) {
      found = [{ host, port, family: ipFamily as 4 | 6 }];
    } else {
      try {
        const answer = yield* this.#lookUps.resolve(withoutDoubleDots(host), port, traces);
        found = answer.map((one) => ({
          host: one.host,
          port: one.port,
          family: one.host.includes(':') ? 6 : 4,
        }));
      } catch (error) {
        throw dnsError(key, error);
      }
    }
    const fitting = found.filter(({ family }) => this.family === 0 || this.family === family);
    if (fitting.length > 0) return fitting;
    throw dnsError(key, systemError('ENOTFOUND', `no address of ${host} fits`));
  }

  /** Connect to the first address that answers, with TLS; what cannot be reached is taken out of `addresses`. */
  *#reach(target: Target, addresses: ResolvedAddress[]): Gen<Socket> {
    const { key, ssl, errorClass } = target;
    const errors: Error[] = [];
    const socket = yield* this.#race(addresses, errors);
    if (socket === null) {
      addresses.length = 0;
      throw socketError(connectionError(errors, false), (osError) => new errorClass(key, osError));
    }
    if (ssl === null) return socket;
    const { remoteAddress } = socket;
    try {
      return yield* startTls(this._pool, socket, ssl, target);
    } catch (error) {
      if (error instanceof ServerFingerprintMismatch) {
        const others = addresses.filter(({ host }) => host !== remoteAddress);
        addresses.splice(0, addresses.length, ...others);
      }
      throw error;
    }
  }

  *#race(addresses: readonly ResolvedAddress[], errors: Error[]): Gen<Socket | null> {
    const delay = this.#happyEyeballsDelay;
    const connect = (address: ResolvedAddress): Gen<Socket> =>
      openSocket(this._pool, address, this.#localAddr, this.#socketFactory);
    const interleave = this.#interleave ?? (delay === null ? 0 : 1);
    const ordered = interleave > 0 ? interleaved(addresses, interleave) : addresses;
    if (delay === null || ordered.length === 1) return yield* inTurn(ordered, connect, errors);
    return yield* staggered(this._loop, ordered, connect, errors, delay);
  }
}

const createConnection = coroutine(function* createConnection(
  connector: TCPConnector,
  request: ClientRequest,
  traces: readonly Trace[],
  timeout: ClientTimeout,
): Gen<Duplex> {
  return yield* connector._create(request, traces, timeout);
});

// Names may end in one dot, which says that they are complete. A server may send us to a name of thousands of dots: none
// but the first of a row begins a match.
const withoutDoubleDots = (host: string): string => host.replace(/(?<!\.)\.{2,}$/, '.');

function isWorthAnotherAddress(error: unknown): boolean {
  return (
    error instanceof ClientConnectorError ||
    error instanceof TimeoutError ||
    error instanceof ServerFingerprintMismatch
  );
}

/** Take out the first addresses of each family. */
function dropFirst(addresses: ResolvedAddress[], count: number): void {
  const seen = new Map<number, number>();
  const others = addresses.filter(({ family }) => {
    const before = seen.get(family) ?? 0;
    seen.set(family, before + 1);
    return before >= count;
  });
  addresses.splice(0, addresses.length, ...others);
}
