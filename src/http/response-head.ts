/** The first part of a response. Counterpart: `RawResponseMessage` of `aiohttp/http_parser.py`. */
import type { Duplex } from 'node:stream';
import type { HttpVersion } from './http-writer.ts';
import { CIMultiDict } from './multidict.ts';

/** What the first part of a response says. */
export class ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly version: HttpVersion;
  /** Name, value, name, value, … as they came. */
  readonly rawHeaders: readonly Buffer[];
  /** The socket after the change to another protocol, which `connection.close` closes. */
  readonly upgraded: Duplex | null;
  /** The same as text. Values that are not ASCII still are bytes. */
  readonly #fields: readonly string[];
  readonly #maybeNul: boolean;
  #headers: CIMultiDict | null = null;

  constructor(
    status: number,
    reason: string,
    version: HttpVersion,
    rawHeaders: readonly Buffer[],
    upgraded: Duplex | null,
  ) {
    this.status = status;
    this.reason = decodeUtf8(reason);
    this.version = version;
    this.rawHeaders = rawHeaders;
    this.upgraded = upgraded;
    const region = decodeRegion(rawHeaders);
    this.#fields =
      region === '' ? rawHeaders.map((part) => part.toString('latin1')) : cut(rawHeaders, region);
    this.#maybeNul = region === '' || region.includes('\0');
  }

  /** All of them, put together when somebody asks. */
  get headers(): CIMultiDict {
    if (this.#headers !== null) return this.#headers;
    const headers = new CIMultiDict();
    const fields = this.#fields;
    for (let i = 0; i + 1 < fields.length; i += 2) headers.add(fields[i] as string, this.#valueAt(i));
    this.#headers = headers;
    return headers;
  }

  /** The values of one header, whose name is given in lower case; the others are not looked at. */
  getall(name: string): readonly string[] {
    const fields = this.#fields;
    const first = name.charCodeAt(0);
    let values = NONE;
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const field = fields[i] as string;
      // Nearly all differ in this much, which costs least to see; 0x20 makes a letter small.
      if (field.length !== name.length || (field.charCodeAt(0) | 0x20) !== first) continue;
      if (field.toLowerCase() !== name) continue;
      if (values === NONE) values = [this.#valueAt(i)];
      else values.push(this.#valueAt(i));
    }
    return values;
  }

  // The parser leaves out white space before the value, but not after it.
  #valueAt(place: number): string {
    const value = this.#fields[place + 1] as string;
    // No regular expression: one that looks for the end takes the square of a long value's time.
    let { length } = value;
    while (length > 0 && isBlank(value.charCodeAt(length - 1))) length--;
    return decodeUtf8(length < value.length ? value.slice(0, length) : value);
  }

  /** The first value with a NUL, which the lenient parser lets through; or null. */
  findNul(): Buffer | null {
    if (!this.#maybeNul) return null;
    const place = this.#fields.findIndex((text) => text.includes('\0'));
    return place < 0 ? null : (this.rawHeaders[place] as Buffer);
  }
}

const NONE: string[] = [];

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

const NOT_ASCII = /[\x80-\xff]/;

/** UTF-8 that was taken for Latin-1. */
function decodeUtf8(text: string): string {
  return NOT_ASCII.test(text) ? Buffer.from(text, 'latin1').toString() : text;
}

/** As a rule the headers lie in one input, one behind the other: all of that as text, or nothing. */
function decodeRegion(parts: readonly Buffer[]): string {
  const first = parts[0];
  const last = parts[parts.length - 1];
  if (first === undefined || last === undefined) return '';
  const { buffer, byteOffset } = first;
  let end = byteOffset;
  for (const part of parts) {
    if (part.buffer !== buffer || part.byteOffset < end) return '';
    end = part.byteOffset + part.length;
  }
  return Buffer.from(buffer, byteOffset, end - byteOffset).toString('latin1');
}

function cut(parts: readonly Buffer[], region: string): string[] {
  const start = (parts[0] as Buffer).byteOffset;
  return parts.map(({ byteOffset, length }) => region.slice(byteOffset - start, byteOffset - start + length));
}
