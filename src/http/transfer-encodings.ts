/** How the bytes of a part may be written. Counterpart: Python's `binascii`. */

const MAX_LINE = 76;
const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const DOT = 46;
const EQUALS = 61;

function hex(byte: number): string {
  return `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/**
 * Quoted-printable, with line ends as they are (CPython writes all of them as the first). Lines get no longer than 76
 * characters.
 *
 * Source: CPython 3.14 `binascii.b2a_qp`.
 */
export function encodeQuotedPrintable(data: Uint8Array): Buffer {
  const firstLf = data.indexOf(LF);
  const lineEnd = firstLf > 0 && data[firstLf - 1] === CR ? '\r\n' : '\n';
  const out: string[] = [];
  let length = 0;
  for (let i = 0; i < data.length; i++) {
    const byte = data[i] as number;
    const next = data[i + 1];
    if (mustQuote(byte, next, length === 0)) {
      if (length + 3 >= MAX_LINE) {
        out.push('=', lineEnd);
        length = 0;
      }
      out.push(hex(byte));
      length += 3;
    } else if (byte === LF || (byte === CR && next === LF)) {
      // A space at the end of a line might get lost.
      const last = out.at(-1);
      if (last === ' ' || last === '\t') out[out.length - 1] = hex(last.charCodeAt(0));
      out.push(byte === CR ? '\r\n' : '\n');
      length = 0;
      if (byte === CR) i++;
    } else {
      if (next !== undefined && next !== LF && length + 1 >= MAX_LINE) {
        out.push('=', lineEnd);
        length = 0;
      }
      out.push(String.fromCharCode(byte));
      length++;
    }
  }
  return Buffer.from(out.join(''), 'latin1');
}

function mustQuote(byte: number, next: number | undefined, isFirst: boolean): boolean {
  if (byte > 126 || byte === EQUALS) return true;
  // A line of one dot ends a mail.
  if (byte === DOT) return isFirst && (next === undefined || next === LF || next === CR || next === 0);
  if (byte === TAB || byte === SPACE) return next === undefined;
  return byte < 33 && byte !== CR && byte !== LF;
}

/**
 * The bytes of quoted-printable; what is none stays.
 *
 * Source: CPython 3.14 `binascii.a2b_qp`.
 */
export function decodeQuotedPrintable(data: Uint8Array): Buffer {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
  const decoded = text.replaceAll(
    /=(?:([0-9a-fA-F]{2})|[ \t]*\r?\n|=|$)/g,
    (whole, code: string | undefined) => {
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
      return whole === '==' ? '=' : '';
    },
  );
  return Buffer.from(decoded, 'latin1');
}

/**
 * The bytes of base64. Characters that do not belong to it are left out.
 *
 * @throws RangeError if there are too few characters.
 *
 * Source: CPython 3.14 `base64.b64decode`.
 */
export function decodeBase64(data: Uint8Array): Buffer {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    .toString('latin1')
    .replaceAll(/[^A-Za-z0-9+/=]/g, '');
  let characters = '';
  for (const [, run = '', pads = ''] of text.matchAll(/([^=]+)(=*)/g)) {
    characters += run;
    const rest = characters.length % 4;
    // What comes behind a whole group with its padding is no part of it any more.
    if (rest >= 2 && rest + pads.length >= 4) return Buffer.from(characters, 'base64');
  }
  const { length } = characters;
  if (length % 4 === 0) return Buffer.from(characters, 'base64');
  if (length % 4 !== 1) throw new RangeError('Incorrect padding');
  throw new RangeError(
    `Invalid base64-encoded string: number of data characters (${length}) cannot be 1 more than a multiple of 4`,
  );
}

/** How much of `chunk` are whole groups of base64: what is behind belongs to the next chunk. 0 if there is none. */
export function base64End(chunk: Buffer): number {
  let count = 0;
  for (const byte of chunk) if (isBase64(byte)) count++;
  let left = count % 4;
  let end = chunk.length;
  while (left > 0) if (isBase64(chunk[--end] as number)) left--;
  return end;
}

function isBase64(byte: number): boolean {
  return (
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x2b && byte <= 0x39 && byte !== 0x2c && byte !== 0x2d && byte !== 0x2e) ||
    byte === EQUALS
  );
}

/** How much of `chunk` can be decoded alone: it may end in the midst of a code. */
export function quotedPrintableEnd(chunk: Buffer): number {
  const tail = chunk.subarray(Math.max(chunk.length - MAX_LINE, 0)).toString('latin1');
  return chunk.length - (/=(?:[0-9a-fA-F]|[ \t]*\r?)?$/.exec(tail)?.[0].length ?? 0);
}
