/** What tells connections apart. Counterpart: `ConnectionKey` of `aiohttp/client_reqrep.py`. */
import type { ConnectionOptions, SecureContext } from 'node:tls';
import type { BasicAuth } from './auth.ts';
import type { ClientRequest } from './client-request.ts';
import type { Fingerprint } from './fingerprint.ts';
import type { CIMultiDict } from './multidict.ts';

/**
 * How to do TLS: `true` checks the server's certificate, `false` does not, a `Fingerprint` wants one certificate and no
 * other; and a `tls.SecureContext` or the options of Node's `tls.connect` (`ca`, `cert`, `key`, `minVersion`, …) say the
 * rest. Options are read once: change a copy.
 */
export type SslOption = boolean | ConnectionOptions | SecureContext | Fingerprint;

/** What a connection leads to. Requests of equal keys can share one. */
export interface ConnectionKey {
  readonly host: string;
  readonly port: number | null;
  readonly isSsl: boolean;
  readonly ssl: SslOption;
  readonly serverHostname: string | null;
  readonly proxy: URL | null;
  readonly proxyAuth: BasicAuth | null;
  readonly proxyHeaders: CIMultiDict | null;
}

const objectNumbers = new WeakMap<object, number>();
let lastNumber = 0;

/** Objects are told apart by identity: two equal sets of options may have functions that differ. */
function numberOf(object: object): number {
  let number = objectNumbers.get(object);
  if (number === undefined) {
    number = ++lastNumber;
    objectNumbers.set(object, number);
  }
  return number;
}

/**
 * A text that is equal for requests that can share a connection. Asked for at each request, so what most requests are
 * told apart by comes first.
 */
export function nameOf(request: ClientRequest): string {
  const { url, ssl, serverHostname, proxy } = request;
  const { origin } = url;
  if (serverHostname === null && proxy === null) {
    if (ssl === true) return origin;
    // Neither has a space.
    return `${origin} ${typeof ssl === 'object' ? numberOf(ssl) : ssl}`;
  }
  const { proxyAuth, proxyHeaders } = request;
  // As JSON, in which no part can pass for another.
  return JSON.stringify([
    origin,
    typeof ssl === 'object' ? numberOf(ssl) : ssl,
    serverHostname,
    proxy,
    request._isTunnelled,
    proxyAuth === null ? null : proxyAuth.encode(),
    proxyHeaders === null ? null : [...proxyHeaders],
  ]);
}
