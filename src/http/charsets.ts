/** Text in any encoding that the host can decode. Counterpart: Python's `codecs`. */
import { isAscii, isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { LookupError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';

/** The characters of an encoding, with their bytes. */
type Table = ReadonlyMap<string, readonly number[]>;

const REPLACEMENT = '\ufffd';
const loneSurrogate = /\p{Surrogate}/u;
const tables = new Map<string, Table>();

/** `UTF_8` as `utf-8`: Python and the web write the names of encodings in several ways. */
function normalize(encoding: string): string {
  const name = encoding.trim().toLowerCase().replaceAll(/[_ ]/g, '-');
  if (/^(?:utf-?8|u8)$/.test(name)) return 'utf-8';
  if (/^(?:latin-?1|l1|iso-?8859-?1)$/.test(name)) return 'latin-1';
  if (/^(?:us-?)?ascii$/.test(name)) return 'ascii';
  return name.replace(/^utf-?16-?(le|be)$/, 'utf-16$1').replace(/^utf16$/, 'utf-16');
}

/** What to do about bytes that are not in the encoding. */
export type TextErrors = 'strict' | 'ignore' | 'replace';

/** The name of an encoding that can be decoded; null if there is none of this name. */
export function encodingNamed(name: string): string | null {
  const normal = normalize(name);
  if (normal === 'latin-1' || normal === 'ascii') return normal;
  try {
    return new TextDecoder(normal).encoding;
  } catch {
    return null;
  }
}

function decoderOf(encoding: string, isStrict: boolean): TextDecoder {
  try {
    // As Python's `decode`: a byte order mark stays, but for UTF-16, whose byte order it tells.
    return new TextDecoder(encoding, { fatal: isStrict, ignoreBOM: encoding !== 'utf-16' });
  } catch (cause) {
    throw new LookupError(`unknown encoding: ${encoding}`, { cause });
  }
}

function cannotEncode(encoding: string, text: string, place: number): RangeError {
  const code = (text.codePointAt(place) ?? 0).toString(16).padStart(4, '0');
  return new RangeError(`'${encoding}' codec can't encode character '\\u${code}' in position ${place}`);
}

/**
 * The bytes of `text`.
 *
 * @param encoding - one that the host's `TextDecoder` knows, by a name of Python or of the web. `utf-16` begins with a
 *   byte order mark, as in Python.
 * @throws RangeError for a character that the encoding does not have; LookupError for an unknown encoding.
 */
export function encodeText(text: string, encoding = 'utf-8'): Buffer {
  const name = encoding === 'utf-8' ? encoding : normalize(encoding);
  switch (name) {
    case 'utf-8':
    case 'utf-16':
    case 'utf-16le':
    case 'utf-16be': {
      if (!isWellFormed(text)) throw cannotEncode(name, text, text.search(loneSurrogate));
      if (name === 'utf-8') return Buffer.from(text);
      const bytes = Buffer.from(name === 'utf-16' ? `\ufeff${text}` : text, 'utf16le');
      return name === 'utf-16be' ? bytes.swap16() : bytes;
    }
    case 'latin-1':
    case 'ascii': {
      const place = text.search(name === 'ascii' ? /[^\0-\x7f]/ : /[^\0-\xff]/);
      if (place >= 0) throw cannotEncode(name, text, place);
      return Buffer.from(text, 'latin1');
    }
    default:
      return encodeByTable(text, name);
  }
}

/** Whether `text` has no half of a character. The language knows it; the types of its older versions do not. */
function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}

function encodeByTable(text: string, encoding: string): Buffer {
  const table = tableOf(encoding);
  const bytes: number[] = [];
  let place = 0;
  for (const character of text) {
    const found = table.get(character);
    if (found === undefined) throw cannotEncode(encoding, text, place);
    bytes.push(...found);
    place += character.length;
  }
  return Buffer.from(bytes);
}

/** The host decodes every encoding and encodes none, so that the way back is found by decoding all there is. */
function tableOf(encoding: string): Table {
  const known = tables.get(encoding);
  if (known !== undefined) return known;
  const decoder = decoderOf(encoding, false);
  const table = new Map<string, readonly number[]>();
  const add = (...bytes: number[]): boolean => {
    const text = decoder.decode(Uint8Array.from(bytes));
    const isCharacter = /^.$/su.test(text) && text !== REPLACEMENT;
    // Where two codes mean one character, the first is the usual one.
    if (isCharacter && !table.has(text)) table.set(text, bytes);
    return isCharacter;
  };
  for (let lead = 0; lead < 256; lead++) {
    if (add(lead)) continue;
    for (let trail = 0x30; trail < 256; trail++) add(lead, trail);
  }
  tables.set(encoding, table);
  return table;
}

/**
 * The text of `bytes`.
 *
 * @param errors - `strict` (default): throw for wrong bytes; `replace` them; or `ignore` them.
 * @throws RangeError for wrong bytes; LookupError for an unknown encoding or error handler.
 */
export function decodeText(bytes: Uint8Array, encoding = 'utf-8', errors = 'strict'): string {
  // Nearly all bodies, and much faster than a decoder.
  if (encoding === 'utf-8' && bytes instanceof Buffer && isUtf8(bytes)) return bytes.toString('utf8');
  if (!['strict', 'replace', 'ignore'].includes(errors)) {
    throw new LookupError(`unknown error handler name ${repr(errors)}`);
  }
  const name = normalize(encoding);
  let text: string;
  if (name === 'latin-1') return latin1(bytes);
  if (name === 'ascii') {
    if (errors === 'strict' && !isAscii(bytes)) throw new RangeError(cannotDecode(name));
    text = latin1(bytes).replaceAll(/[^\0-\x7f]/g, REPLACEMENT);
  } else {
    const decoder = decoderOf(name, errors === 'strict');
    try {
      text = decoder.decode(bytes);
    } catch (cause) {
      throw new RangeError(cannotDecode(name), { cause });
    }
  }
  return errors === 'ignore' ? text.replaceAll(REPLACEMENT, '') : text;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function cannotDecode(encoding: string): string {
  return `'${encoding}' codec can't decode the bytes: they are no text in it`;
}
