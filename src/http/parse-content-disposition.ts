/** Reading `Content-Disposition`. Counterpart: a part of `aiohttp/multipart.py`. */
import { logger } from '../core/log.ts';
import { isToken } from './helpers.ts';
import { percentDecode } from './form-urlencoded.ts';

/** What a warning about a header says that cannot be read. Source: aiohttp 3.14 `BadContentDispositionHeader`. */
export class BadContentDispositionHeader extends Error {
  override readonly name: string = 'BadContentDispositionHeader';
}

/** What a warning about a parameter says that is left out. Source: aiohttp 3.14 `BadContentDispositionParam`. */
export class BadContentDispositionParam extends Error {
  override readonly name: string = 'BadContentDispositionParam';
}

/** Each text once, as Python warns, and no more: a server must not be able to fill the log. */
const MAX_WARNINGS = 100;
const warned = new Set<string>();

function warn(Warning: new (text: string) => Error, about: string): void {
  if (warned.size >= MAX_WARNINGS) return;
  // A header may be nothing but one mistake, and an error is dear to make.
  const key = `${Warning.name}: ${about}`;
  if (warned.has(key)) return;
  warned.add(key);
  logger.warning(String(new Warning(about)));
}

/** A header as it was understood. */
type Parsed = [type: string | null, parameters: Record<string, string>];

function bad(header: string): Parsed {
  warn(BadContentDispositionHeader, header);
  return [null, noParameters()];
}

/** Without a prototype: the sender chooses the names. */
function noParameters(): Record<string, string> {
  return Object.create(null) as Record<string, string>;
}

function isQuoted(text: string): boolean {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"');
}

function unescape(text: string): string {
  return text.replaceAll(/\\([^\x80-\uffff])/g, '$1');
}

/** What is between the quotes, without the slashes of a path before it. */
function unquote(text: string): string {
  return unescape(text.slice(1, -1).replace(/^[\\/]+/, ''));
}

/** `filename*0`, `filename*1*`: a part of a value (RFC 2231). */
function isContinuation(name: string): boolean {
  return /^[^*]*\*\d+\*?$/.test(name);
}

/** The text of `charset'language'%C3%A9`; null if it is none (RFC 5987). */
function decodeExtended(value: string): string | null {
  const parts = value.split("'");
  return parts.length === 3 ? decodeOrNull(parts[2] as string, parts[0] as string) : null;
}

function decodeOrNull(text: string, charset: string): string | null {
  try {
    return percentDecode(text, charset || 'utf-8', 'strict');
  } catch {
    // The sender chooses the charset and the bytes.
    return null;
  }
}

/**
 * Take a `Content-Disposition` apart, as far as it can be read. A header that cannot be is warned about and gives
 * `[null, {}]`; a parameter that cannot be is warned about and left out.
 *
 * @returns the type in lower case, and the parameters by their names in lower case; extended ones
 *   (`filename*=UTF-8''…`) are decoded and keep their `*`.
 *
 * Source: aiohttp 3.14 `aiohttp.parse_content_disposition`.
 */
export function parseContentDisposition(header: string | null): Parsed {
  if (header === null || header === '') return [null, noParameters()];
  const [first = '', ...items] = header.split(';');
  const type = first.trim();
  if (!isToken(type)) return bad(header);
  const parameters = noParameters();
  let isEmptySeen = false;
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as string;
    if (item === '') {
      // Once, since each time would cost as much as the header is long.
      if (!isEmptySeen) warn(BadContentDispositionHeader, header);
      isEmptySeen = true;
      continue;
    }
    const equals = item.indexOf('=');
    if (equals < 0) return bad(header);
    const name = item.slice(0, equals).trim().toLowerCase();
    const value = item.slice(equals + 1).trimStart();
    if (Object.hasOwn(parameters, name)) return bad(header);
    let text: string | null;
    if (!isToken(name)) {
      text = null;
    } else if (isContinuation(name)) {
      text = isQuoted(value) ? unescape(value.slice(1, -1)) : isToken(value) ? value : null;
    } else if (name.endsWith('*')) {
      text = isToken(value) ? decodeExtended(value) : null;
    } else {
      const trimmed = value.trimEnd();
      // A semicolon within quotes: one is put up with, as in aiohttp.
      const joined = `${value};${items[i + 1] ?? ''}`;
      if (isQuoted(trimmed)) {
        text = unquote(trimmed);
      } else if (isToken(value)) {
        text = value;
      } else if (i + 1 < items.length && isQuoted(joined)) {
        text = unquote(joined);
        i++;
      } else {
        return bad(header);
      }
    }
    if (text === null) warn(BadContentDispositionParam, item);
    else parameters[name] = text;
  }
  return [type.toLowerCase(), parameters];
}

/**
 * The file name of parameters that `parseContentDisposition` gave, or null: the extended one if there is one, the plain
 * one, or the one that its parts make together.
 *
 * @param name - of the parameter. Default `filename`.
 *
 * Source: aiohttp 3.14 `aiohttp.content_disposition_filename`.
 */
export function contentDispositionFilename(
  params: Readonly<Record<string, string>>,
  name = 'filename',
): string | null {
  const extended = `${name}*`;
  if (Object.hasOwn(params, extended)) return params[extended] as string;
  if (Object.hasOwn(params, name)) return params[name] as string;
  let value = '';
  for (let i = 0; ; i++) {
    const part = [`${extended}${i}`, `${extended}${i}*`].find((key) => Object.hasOwn(params, key));
    if (part === undefined) {
      if (i === 0) return null;
      break;
    }
    value += params[part];
  }
  if (!value.includes("'")) return value;
  const [charset = '', , ...rest] = value.split("'");
  return rest.length === 0 ? null : decodeOrNull(rest.join("'"), charset);
}
