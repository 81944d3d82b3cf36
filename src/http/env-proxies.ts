/** The proxies that the environment names. Counterpart: `urllib/request.py`, as `aiohttp/helpers.py` uses it. */
import { BlockList, isIP } from 'node:net';
import { logger } from '../core/log.ts';
import { BasicAuth } from './auth.ts';
import { netrcAuth } from './netrc.ts';

/** A proxy, and who we are to it. */
export interface EnvProxy {
  /** Without credentials. */
  readonly proxy: URL;
  readonly proxyAuth: BasicAuth | null;
}

/**
 * The proxy for a URL: of the variable `http_proxy`, `https_proxy`, `ws_proxy` or `wss_proxy`, as its scheme is, or
 * `all_proxy`, unless `no_proxy` has its host. Names in lower case outrank those in capitals, even if they are empty.
 * Credentials come from the proxy's URL, else from `.netrc`.
 *
 * @returns null if it needs none. A proxy that cannot be used makes a warning in the log, and is none.
 *
 * Source: aiohttp 3.14 `get_env_proxy_for_url`.
 */
export function getEnvProxyForUrl(url: URL): EnvProxy | null {
  return withNetrc(findEnvProxy(url), netrcAuth);
}

/** The same as the environment has it; credentials that it lacks are asked for with `withNetrc`. */
export function findEnvProxy(url: URL): EnvProxy | null {
  const text = fromEnv(url.protocol.slice(0, -1)) ?? fromEnv('all');
  if (text === null || isBypassed(url, fromEnv('no') ?? '')) return null;
  const proxy = parseProxy(text);
  if (proxy === null) return null;
  const proxyAuth = BasicAuth.fromUrl(proxy);
  proxy.username = '';
  proxy.password = '';
  return { proxy, proxyAuth };
}

/** A proxy with the credentials of its host, if it has none of its own. */
export function withNetrc(
  found: EnvProxy | null,
  authOf: (host: string) => BasicAuth | null,
): EnvProxy | null {
  if (found === null || found.proxyAuth !== null) return found;
  return { proxy: found.proxy, proxyAuth: authOf(plainHost(found.proxy.hostname)) };
}

function fromEnv(name: string): string | null {
  const { env } = process;
  const value = env[`${name}_proxy`];
  if (value !== undefined) return value || null;
  // A web server gives its CGI scripts the header `Proxy` of a request under this name (CVE-2016-1000110).
  if (name === 'http' && env['REQUEST_METHOD'] !== undefined) return null;
  return env[`${name.toUpperCase()}_PROXY`] || null;
}

function parseProxy(text: string): URL | null {
  const full = text.includes('://') ? text : `http://${text}`;
  // What it is must not be told: it may have a password.
  if (!URL.canParse(full)) {
    logger.warning('A proxy of the environment is no URL, ignoring');
    return null;
  }
  const proxy = new URL(full);
  if (proxy.protocol === 'http:') return proxy;
  logger.warning(
    `${proxy.protocol.slice(0, -1).toUpperCase()} proxies ${proxy.protocol}//${proxy.host} are not supported, ignoring`,
  );
  return null;
}

/**
 * Whether `noProxy`, a list with commas, has the host of a URL: by its name or a domain above it (with or without a dot
 * or `*.` in front), by its address or a network (`10.0.0.0/8`), and with or without a port. `*` has all.
 */
function isBypassed(url: URL, noProxy: string): boolean {
  const host = plainHost(url.hostname);
  const port = url.port || (url.protocol === 'https:' || url.protocol === 'wss:' ? '443' : '80');
  return noProxy.split(',').some((entry) => {
    const name = entry.trim().toLowerCase();
    if (name === '*') return true;
    if (name.includes('/')) return isInNetwork(host, name);
    const [, bare = '', ofPort = port] = /^(.*?)(?::(\d+))?$/.exec(name) ?? [];
    // The colons of a bare IPv6 address part no port.
    const isAddress = isIP(name) !== 0;
    const domain = plainHost((isAddress ? name : bare).replace(/^\*?\.+/, ''));
    if (domain === '' || (!isAddress && ofPort !== port)) return false;
    return host === domain || host.endsWith(`.${domain}`);
  });
}

function isInNetwork(host: string, network: string): boolean {
  const [address = '', bits = ''] = network.split('/');
  const version = isIP(address);
  if (version === 0 || isIP(host) !== version || !/^\d+$/.test(bits)) return false;
  if (Number(bits) > (version === 4 ? 32 : 128)) return false;
  const networks = new BlockList();
  networks.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  return networks.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

/** Hosts as they are compared. An IPv4 address that is written as one of IPv6 is that IPv4 address. */
function plainHost(host: string): string {
  const plain = host.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  if (isIP(plain) !== 6) return plain;
  const { hostname } = new URL(`http://[${plain}]`);
  const mapped = /^\[::ffff:([\da-f]+):([\da-f]+)\]$/.exec(hostname);
  if (mapped === null) return hostname.slice(1, -1);
  const [high, low] = mapped.slice(1).map((part) => Number.parseInt(part, 16)) as [number, number];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
