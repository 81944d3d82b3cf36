/** Why no connection could be made. Counterpart: the `except` clauses of `aiohttp/connector.py`. */
import { TimeoutError } from '../core/exceptions.ts';
import type { ConnectionKey } from './connection-key.ts';
import {
  ClientConnectorCertificateError,
  ClientConnectorDNSError,
  ClientConnectorError,
  ClientConnectorSSLError,
} from './exceptions.ts';

// The codes that Node takes from OpenSSL's list of reasons not to trust a certificate.
const CERTIFICATE_CODES =
  /CERT|CRL|ERR_TLS_CERT|UNABLE_TO_|PATH_LENGTH|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)/;

/** Whether an error is the system's: anything else is a mistake of the program, and stays what it is. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || error instanceof TimeoutError) return false;
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && !(error instanceof TypeError) && !(error instanceof RangeError);
}

/** What a resolver has thrown. */
export function dnsError(key: ConnectionKey, error: unknown): unknown {
  return isSystemError(error) ? new ClientConnectorDNSError(key, error) : error;
}

/** What a socket has, while it was connected: `make` gives the error for it. */
export function socketError(error: unknown, make: (osError: Error) => ClientConnectorError): unknown {
  return isSystemError(error) ? make(error) : error;
}

/** What TLS has found. */
export function tlsError(key: ConnectionKey, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || typeof code !== 'string') return error;
  if (CERTIFICATE_CODES.test(code)) return new ClientConnectorCertificateError(key, error);
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) return new ClientConnectorSSLError(key, error);
  return socketError(error, (osError) => new ClientConnectorError(key, osError));
}
