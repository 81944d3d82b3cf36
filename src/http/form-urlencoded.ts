/** Forms as text. Counterpart: `urlencode` and `parse_qsl` of Python's `urllib.parse`. */
import { repr, typeName } from '../core/format-helpers.ts';
import { decodeText } from './charsets.ts';
import { percentEncode } from './content-disposition.ts';

/** A field of a form. */
export type FormField = readonly [name: string, value: unknown];

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  throw notSerializable(value, null);
}

/** The error of a value that no field can have. */
export function notSerializable(
  value: unknown,
  contentType: string | null,
  options?: ErrorOptions,
): TypeError {
  const headers = contentType === null ? '{}' : `{ 'Content-Type': ${repr(contentType)} }`;
  return new TypeError(
    `Can not serialize value type: ${typeName(value)}\n headers: ${headers}\n value: ${repr(value)}\n ` +
      'The field of a form is text, a number, bytes or a file; JSON, which may be nested, is given as json: …',
    options,
  );
}

/** `a=1&b=x+y`; an array is several values of its name. @throws TypeError for what is neither text nor number. */
export function urlencode(fields: Iterable<FormField>, charset = 'utf-8'): string {
  const encode = (text: string): string => percentEncode(text, charset).replaceAll('%20', '+');
  const pairs: string[] = [];
  for (const [name, values] of fields) {
    for (const value of Array.isArray(values) ? (values as unknown[]) : [values]) {
      pairs.push(`${encode(name)}=${encode(textOf(value))}`);
    }
  }
  return pairs.join('&');
}

/** The pairs of such a text; what is no text in `charset` is replaced. */
export function parseForm(text: string, charset: string): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (const part of text.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    pairs.push([decodePlus(name, charset), equals < 0 ? '' : decodePlus(part.slice(equals + 1), charset)]);
  }
  return pairs;
}

function decodePlus(text: string, charset: string): string {
  return percentDecode(text.replaceAll('+', ' '), charset, 'replace');
}

/** The other way of `percentEncode`. A `%` that begins no code stays. @throws RangeError if `errors` is `strict`. */
export function percentDecode(text: string, charset: string, errors: string): string {
  // In some encodings a second byte is an ASCII character, so that the text between the codes is decoded with them.
  return text.replaceAll(/[^\x80-\uffff]+/g, (run) => {
    return run.includes('%') ? decodeText(codesToBytes(run), charset, errors) : run;
  });
}

function codesToBytes(text: string): Buffer {
  const bytes = text.replaceAll(/%([0-9a-fA-F]{2})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
  return Buffer.from(bytes, 'latin1');
}
