/** Certificates that are known beforehand. Counterpart: `Fingerprint` of `aiohttp/client_reqrep.py`. */
import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { ServerFingerprintMismatch } from './exceptions.ts';

/** Bytes of a SHA-256, and of what is no longer good enough. */
const SHA256_LENGTH = 32;
const INSECURE_LENGTHS = [16, 20];

/**
 * The SHA-256 of the one certificate that a server may have: `new TCPConnector({ ssl: new Fingerprint(sha256) })`. No
 * authority has to vouch for it.
 *
 * @throws RangeError for bytes that are no SHA-256.
 *
 * Source: aiohttp 3.14 `aiohttp.Fingerprint`.
 */
export class Fingerprint {
  readonly #fingerprint: Uint8Array;

  constructor(fingerprint: Uint8Array) {
    if (INSECURE_LENGTHS.includes(fingerprint.length)) {
      throw new RangeError('md5 and sha1 are insecure and not supported. Use sha256.');
    }
    if (fingerprint.length !== SHA256_LENGTH) throw new RangeError('fingerprint has invalid length');
    this.#fingerprint = fingerprint;
  }

  /** As it was given. */
  get fingerprint(): Uint8Array {
    return this.#fingerprint;
  }

  /**
   * Look at the certificate of a connection.
   *
   * @throws ServerFingerprintMismatch if it is another one.
   *
   * Source: aiohttp 3.14 `Fingerprint.check`.
   */
  check(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate();
    const got = createHash('sha256')
      .update(certificate?.raw ?? '')
      .digest();
    if (got.equals(this.#fingerprint)) return;
    const { remoteAddress = '', remotePort = 0 } = socket;
    throw new ServerFingerprintMismatch(this.#fingerprint, got, remoteAddress, remotePort);
  }
}
