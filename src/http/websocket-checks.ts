/** What callers may send. In aiohttp in `aiohttp/client_ws.py`. */
import { typeName } from '../core/format-helpers.ts';

export function checkText(data: string): string {
  if (typeof data === 'string') return data;
  throw new TypeError(`data argument must be str (${typeName(data)})`);
}

export function checkBytes(data: Uint8Array): Uint8Array {
  if (data instanceof Uint8Array) return data;
  throw new TypeError(`data argument must be byte-ish (${typeName(data)})`);
}

/** Codes that may be sent (RFC 6455, 7.4), and 0 for none. */
function isSendable(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000) return code < 5000;
  return code === 0 || (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006));
}

export function checkReason(code: number, message: Uint8Array | string): Uint8Array {
  if (!isSendable(code)) throw new RangeError(`Invalid close code: ${code}`);
  const reason = typeof message === 'string' ? Buffer.from(message) : checkBytes(message);
  if (reason.length > 123) {
    throw new RangeError('Control frame payload cannot be larger than 125 bytes');
  }
  return reason;
}
