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
 * Quoted-printable, with line ends as they are. Lines get no longer than 76 characters.
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
      out.push(lineEnd);
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
