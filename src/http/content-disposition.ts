/** Writing the `Content-Disposition` of parts. Counterpart: a part of `aiohttp/helpers.py`. */
import { encodeText } from './charsets.ts';
import { isToken, quote } from './helpers.ts';

/** Control characters of ASCII other than the tab. */
export const CONTROL = /[^\P{Cc}\t\x80-\x9f]/u;
/** What RFC 5322 allows in a quoted string. */
const QUOTABLE = /^[\t\x20-\x7e]*$/;

/**
 * `text`, which is to be written into a header.
 *
 * @throws RangeError if it could end the header, and begin another one.
 */
export function safeHeader(text: string): string {
  if (!CONTROL.test(text)) return text;
  throw new RangeError('Forbidden control character detected in headers. Potential header injection attack.');
}

/** `text` as `%D1%8F`; letters, digits, `_`, `.`, `-` and `~` stay. Counterpart: Python's `urllib.parse.quote`. */
export function percentEncode(text: string, charset: string): string {
  let encoded = '';
  for (const byte of encodeText(text, charset)) {
    const character = String.fromCharCode(byte);
    encoded += /[\w.~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** How the values of a `Content-Disposition` are written. */
export interface DispositionOptions {
  /** Write them in ASCII. False: as they are, for servers that take 8 bits. Default true. */
  quoteFields?: boolean;
  /** The encoding of what is not ASCII. Default `utf-8`. */
  charset?: string;
}

/**
 * The value of a `Content-Disposition` header of a part.
 *
 * @param params - `name` and `filename`, as a rule; in this order.
 * @throws RangeError for a type or a name that is no token, and for a value that could end the header.
 *
 * Source: aiohttp 3.14 `aiohttp.helpers.content_disposition_header`.
 */
export function contentDispositionHeader(
  disptype: string,
  params: Readonly<Record<string, string>>,
  { quoteFields = true, charset = 'utf-8' }: DispositionOptions = {},
): string {
  if (!isToken(disptype)) throw new RangeError(`bad content disposition type ${quote(disptype)}`);
  let header = disptype;
  for (const [name, value] of Object.entries(params)) {
    if (!isToken(name)) {
      throw new RangeError(`bad content disposition parameter ${quote(name)}=${quote(value)}`);
    }
    header += `; ${quoteFields ? parameter(name, value, charset) : `${name}="${escape(safeHeader(value))}"`}`;
  }
  return header;
}

function parameter(name: string, value: string, charset: string): string {
  if (name.toLowerCase() === 'filename') return `${name}="${percentEncode(value, charset)}"`;
  if (QUOTABLE.test(value)) return `${name}="${value.replaceAll(/[^!#-[\]-~]/g, '\\$&')}"`;
  return `${name}*=${charset}''${percentEncode(value, charset)}`;
}

function escape(value: string): string {
  return value.replaceAll(/[\\"]/g, '\\$&');
}
