/** Bodies on their way out. Counterpart: `aiohttp/http_writer.py`. */

/** A version of HTTP. Source: aiohttp 3.14 `aiohttp.HttpVersion`. */
export interface HttpVersion {
  readonly major: number;
  readonly minor: number;
}

/** HTTP/1.0. */
export const HttpVersion10: HttpVersion = Object.freeze({ major: 1, minor: 0 });
/** HTTP/1.1. */
export const HttpVersion11: HttpVersion = Object.freeze({ major: 1, minor: 1 });
