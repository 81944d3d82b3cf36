/** Bodies of requests. Counterpart: `aiohttp/payload.py`. */

/** What can be sent: text as UTF-8, bytes, or a form. */
export type RequestData = string | Uint8Array | URLSearchParams;

/** A body as it goes to the server. */
export interface EncodedBody {
  readonly body: Uint8Array | null;
  /** The type to name unless the caller names one. */
  readonly contentType: string | null;
}

/** @throws RangeError if both are given. */
export function encodeBody(data: RequestData | null, json: unknown): EncodedBody {
  if (json !== undefined && json !== null) {
    if (data !== null) throw new RangeError('data and json parameters can not be used at the same time');
    return { body: Buffer.from(JSON.stringify(json)), contentType: 'application/json' };
  }
  if (data === null) return { body: null, contentType: null };
  if (typeof data === 'string') return { body: Buffer.from(data), contentType: 'text/plain; charset=utf-8' };
  if (data instanceof URLSearchParams) {
    return { body: Buffer.from(data.toString()), contentType: 'application/x-www-form-urlencoded' };
  }
  if (data instanceof Uint8Array) return { body: data, contentType: 'application/octet-stream' };
  throw new TypeError('data must be a string, bytes or URLSearchParams');
}
