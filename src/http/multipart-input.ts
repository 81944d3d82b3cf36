/** What parts are read from. A part of `aiohttp/multipart.py`. */
import type { Coroutine, Gen } from '../core/types.ts';
import { BadHttpMessage, InvalidHeader, LineTooLong } from './http-exceptions.ts';
import { CONTROL } from './content-disposition.ts';
import { isToken } from './helpers.ts';
import { CIMultiDict, CIMultiDictProxy } from './multidict.ts';

const LF = 10;

/** The body that a reader reads: `response.content`, or anything that can do as much. */
export interface MultipartContent {
  /** The next bytes, `n` at most; none at the end. */
  read(n: number): Coroutine<Buffer> | Gen<Buffer>;
  /** Put bytes back: they are read next. */
  unreadData?(data: Uint8Array): void;
  /** Whether the end has come in and nothing is left. */
  atEof(): boolean;
}

/** Where a reader reads, and puts back what it does not need. */
export interface MultipartInput {
  read(n: number): Gen<Buffer>;
  unread(data: Buffer): void;
  atEof(): boolean;
}

/** The input of a content that may have no way to put something back. */
export class PushbackInput implements MultipartInput {
  readonly #content: MultipartContent;
  /** What was put back, the next last. Nothing is joined: that would copy all of it for every line. */
  readonly #unread: Buffer[] = [];

  constructor(content: MultipartContent) {
    this.#content = content;
  }

  *read(n: number): Gen<Buffer> {
    const next = this.#unread.pop();
    if (next === undefined) return yield* this.#content.read(n);
    this.unread(next.subarray(n));
    return next.subarray(0, n);
  }

  unread(data: Buffer): void {
    if (data.length > 0) this.#unread.push(data);
  }

  atEof(): boolean {
    return this.#unread.length === 0 && this.#content.atEof();
  }

  /** The reader is done: what it has put back is for whoever reads on. */
  giveBack(): void {
    if (this.#unread.length === 0 || this.#content.unreadData === undefined) return;
    this.#content.unreadData(Buffer.concat(this.#unread.reverse()));
    this.#unread.length = 0;
  }
}

/**
 * A line with its end; the last may have none, and after it comes an empty one.
 *
 * @throws LineTooLong for more than `limit` bytes.
 *
 * Cancellation: nothing is taken.
 */
export function* readLine(input: MultipartInput, limit: number): Gen<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    while (size <= limit) {
      const piece = yield* input.read(limit + 1 - size);
      const end = piece.indexOf(LF) + 1;
      const isOver = end > 0 || piece.length === 0;
      if (isOver && end < piece.length) input.unread(piece.subarray(end));
      pieces.push(isOver ? piece.subarray(0, end) : piece);
      size += end || piece.length;
      if (isOver && size <= limit) return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    }
  } catch (error) {
    if (size > 0) input.unread(Buffer.concat(pieces));
    throw error;
  }
  throw new LineTooLong(Buffer.concat(pieces), limit);
}

/** Headers that a part may have once. */
const SINGLETONS = new Set([
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'etag',
  'host',
  'max-forwards',
  'server',
  'transfer-encoding',
  'user-agent',
]);

/** How much the headers of a part may be. */
export interface HeaderLimits {
  /** Bytes of a line. */
  readonly maxFieldSize: number;
  readonly maxHeaders: number;
}

/**
 * The headers of a part, up to the empty line behind them.
 *
 * @throws BadHttpMessage for what is no header, and for headers beyond the limits.
 *
 * Cancellation: nothing is taken.
 */
export function* readHeaders(
  input: MultipartInput,
  { maxFieldSize, maxHeaders }: HeaderLimits,
): Gen<CIMultiDictProxy> {
  const lines: Buffer[] = [];
  try {
    for (;;) {
      const line = yield* readLine(input, maxFieldSize);
      lines.push(line);
      if (line.length === 0 || line[0] === LF || (line.length === 2 && line[0] === 13)) break;
      if (lines.length > maxHeaders) throw new BadHttpMessage('Too many headers received');
    }
  } catch (error) {
    if (!(error instanceof BadHttpMessage) && lines.length > 0) input.unread(Buffer.concat(lines));
    throw error;
  }
  const headers = new CIMultiDict();
  for (const line of lines.slice(0, -1)) addHeader(headers, line);
  return new CIMultiDictProxy(headers);
}

function addHeader(headers: CIMultiDict, line: Buffer): void {
  const text = line.toString('utf8');
  const colon = text.indexOf(':');
  const name = text.slice(0, colon);
  const value = text
    .slice(colon + 1)
    .replace(/^[ \t]+/, '')
    .trimEnd();
  if (colon <= 0 || !isToken(name) || CONTROL.test(value)) throw new InvalidHeader(line);
  if (headers.has(name) && SINGLETONS.has(name.toLowerCase())) {
    throw new BadHttpMessage(`Duplicate '${name}' header found.`);
  }
  headers.add(name, value);
}
