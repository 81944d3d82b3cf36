/** Names and passwords. Counterpart: `BasicAuth` of `aiohttp/helpers.py`. */
import { LookupError } from '../core/exceptions.ts';
import { quote } from './helpers.ts';

const IN_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The value of an `Authorization` header that tells a name and a password (RFC 7617).
 *
 * @param encoding - `utf-8`, the default, or `latin1`.
 * @throws RangeError for a login with a colon, or a character that is not in the encoding; LookupError for another
 *   encoding.
 *
 * Source: aiohttp 3.14 `aiohttp.encode_basic_auth`.
 */
export function encodeBasicAuth(login: string, password = '', encoding = 'utf-8'): string {
  if (login.includes(':')) throw new RangeError('A ":" is not allowed in login (RFC 7617#section-2)');
  return `Basic ${encode(`${login}:${password}`, encoding).toString('base64')}`;
}

/**
 * A name and a password, which is shown to nobody: `toString`, `util.inspect` and `JSON.stringify` say `***`.
 *
 * Source: aiohttp 3.14 `aiohttp.BasicAuth`.
 */
export class BasicAuth {
  readonly login: string;
  readonly password: string;
  readonly encoding: string;

  /**
   * @param encoding - of what is sent: `latin1`, the default, or `utf-8`.
   * @throws RangeError for a login with a colon, or null in place of a text.
   */
  constructor(login: string, password = '', encoding = 'latin1') {
    if ((login as string | null) === null) throw new RangeError('None is not allowed as login value');
    if ((password as string | null) === null) throw new RangeError('None is not allowed as password value');
    if (login.includes(':')) {
      throw new RangeError('A ":" is not allowed in login (RFC 1945#section-11.1)');
    }
    this.login = login;
    this.password = password;
    this.encoding = encoding;
  }

  /**
   * What a header says.
   *
   * @throws RangeError if it is no such header; LookupError for an unknown encoding.
   *
   * Source: aiohttp 3.14 `BasicAuth.decode`.
   */
  static decode(authHeader: string, encoding = 'latin1'): BasicAuth {
    const space = authHeader.indexOf(' ');
    if (space < 0) throw new RangeError('Could not parse authorization header.');
    const method = authHeader.slice(0, space);
    if (method.toLowerCase() !== 'basic') throw new RangeError(`Unknown authorization method ${method}`);
    const text = authHeader.slice(space + 1);
    if (!IN_BASE64.test(text)) throw new RangeError('Invalid base64 encoding.');
    const decoded = decode(Buffer.from(text, 'base64'), encoding);
    const colon = decoded.indexOf(':');
    if (colon < 0) throw new RangeError('Invalid credentials.');
    return new BasicAuth(decoded.slice(0, colon), decoded.slice(colon + 1), encoding);
  }

  /**
   * The user and the password of a URL; null if it has none.
   *
   * @throws TypeError for what is no `URL`; RangeError for a user with a colon.
   *
   * Source: aiohttp 3.14 `BasicAuth.from_url`.
   */
  static fromUrl(url: URL, options: { encoding?: string | undefined } = {}): BasicAuth | null {
    if (!(url instanceof URL)) throw new TypeError('url should be a URL instance');
    const { username, password } = url;
    if (username === '' && password === '') return null;
    return new BasicAuth(decodePercents(username), decodePercents(password), options.encoding);
  }

  /**
   * The value of the header: `Basic …`.
   *
   * @throws RangeError for a character that is not in the encoding; LookupError for an unknown encoding.
   *
   * Source: aiohttp 3.14 `BasicAuth.encode`.
   */
  encode(): string {
    return encodeBasicAuth(this.login, this.password, this.encoding);
  }

  /** Without the password: what is printed is written down somewhere. */
  toString(): string {
    return `BasicAuth(login=${quote(this.login)}, password='***', encoding=${quote(this.encoding)})`;
  }

  /** Likewise: to keep credentials, write the fields. */
  toJSON(): { login: string; password: string; encoding: string } {
    return { login: this.login, password: '***', encoding: this.encoding };
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** The names that Python gives to the encodings that headers may have. */
function codecOf(encoding: string): 'latin1' | 'utf-8' {
  const name = encoding.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  if (name === 'utf8') return 'utf-8';
  if (name === 'latin1' || name === 'iso88591') return 'latin1';
  throw new LookupError(`unknown encoding: ${encoding}`);
}

function encode(text: string, encoding: string): Buffer {
  const codec = codecOf(encoding);
  if (codec === 'utf-8') return Buffer.from(text);
  const position = text.search(/[^\0-\xff]/);
  if (position >= 0) {
    const character = quote(String.fromCodePoint(text.codePointAt(position) as number));
    const problem = `can't encode character ${character} in position ${position}`;
    throw new RangeError(`'latin-1' codec ${problem}: ordinal not in range(256)`);
  }
  return Buffer.from(text, 'latin1');
}

function decode(bytes: Buffer, encoding: string): string {
  if (codecOf(encoding) === 'latin1') return bytes.toString('latin1');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new RangeError("'utf-8' codec can't decode the credentials", { cause });
  }
}

/** What is not UTF-8 between percent signs stays as it is. */
function decodePercents(text: string): string {
  return text.replaceAll(/(?:%[\da-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}
