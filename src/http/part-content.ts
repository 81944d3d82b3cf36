/** The bytes of one part, up to the boundary. A part of `BodyPartReader` in aiohttp. */
import type { Gen } from '../core/types.ts';
import { type MultipartContent, type MultipartInput, PushbackInput } from './multipart-input.ts';

const CR = 13;
const CRLF: Buffer = Buffer.from('\r\n');
/** How many spaces there may be behind a boundary. */
const MAX_PADDING = 64;
const MALFORMED = 'Reader did not read all the data or it is malformed';

/**
 * Reads a part and nothing behind it: the boundary stays in the input. A part of several parts is the input of their
 * reader, so that they cannot reach beyond it, either.
 */
export class PartContent implements MultipartInput {
  readonly #input: MultipartInput;
  /** Line end and boundary. */
  readonly #delimiter: Buffer;
  /** Bytes that are to come by the length of the part, or null if the boundary tells. */
  #left: number | null;
  /** What was read and not taken. */
  #pieces: Buffer[] = [];
  /**
   * The begin of what may be the delimiter. The line end behind the headers may belong to it: an empty part has no
   * other.
   */
  #held: Buffer = CRLF;
  #isFirst = true;
  #isOver = false;
  /** The input ended before the part did. */
  #isBroken = false;

  /**
   * @param boundary - with its two hyphens.
   * @param length - of the part, or null.
   */
  constructor(input: MultipartInput, boundary: Buffer, length: number | null) {
    this.#input = input;
    this.#delimiter = Buffer.concat([CRLF, boundary]);
    // An empty part is found by its boundary as well, as in aiohttp.
    this.#left = length === 0 ? null : length;
  }

  /** Whether the boundary has been reached, and nothing is left. */
  atEof(): boolean {
    return this.#isOver && this.#pieces.length === 0;
  }

  unread(data: Buffer): void {
    if (data.length > 0) this.#pieces.unshift(data);
  }

  /**
   * Some bytes, `n` at most; none at the end. When the last of them are given, `atEof` says so.
   *
   * Cancellation: nothing is taken.
   */
  *read(n: number): Gen<Buffer> {
    while (!this.#isComplete(n)) yield* this.#fill(n);
    const [first] = this.#pieces;
    if (first === undefined) return Buffer.alloc(0);
    if (first.length > n) this.#pieces[0] = first.subarray(n);
    else this.#pieces.shift();
    return first.length > n ? first.subarray(0, n) : first;
  }

  /** As `read`, but `n` bytes unless the part ends before. */
  *readFully(n: number): Gen<Buffer> {
    let size = this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
    while (size <= n && !this.#isOver && !(this.#isBroken && size > 0)) {
      const before = this.#pieces.length;
      yield* this.#fill(n);
      for (const piece of this.#pieces.slice(before)) size += piece.length;
    }
    this.#pieces = size === 0 ? [] : [Buffer.concat(this.#pieces)];
    return yield* this.read(n);
  }

  /** Read the rest of it away. */
  *release(): Gen<void> {
    while (!this.#isOver) {
      this.#pieces = [];
      yield* this.#fill(2 ** 16);
    }
    this.#pieces = [];
  }

  /** Whether there is enough to give, and to know whether more will come. */
  #isComplete(n: number): boolean {
    const [first] = this.#pieces;
    if (first === undefined) return this.#isOver;
    return this.#isOver || this.#isBroken || this.#pieces.length > 1 || first.length > n;
  }

  /** Add a piece, or come to the end. */
  *#fill(n: number): Gen<void> {
    if (this.#left === 0) yield* this.#readLineEnd();
    else if (this.#left !== null) yield* this.#fillByLength(Math.min(n, this.#left));
    else yield* this.#fillByBoundary(Math.max(n, this.#delimiter.length));
  }

  *#fillByLength(n: number): Gen<void> {
    const piece = yield* this.#input.read(n);
    if (piece.length === 0) throw new RangeError(MALFORMED);
    this.#left = (this.#left as number) - piece.length;
    this.#pieces.push(piece);
  }

  *#readLineEnd(): Gen<void> {
    let found = yield* this.#input.read(2);
    if (found.length === 1) {
      try {
        found = Buffer.concat([found, yield* this.#input.read(1)]);
      } catch (error) {
        this.#input.unread(found);
        throw error;
      }
    }
    if (!found.equals(CRLF)) throw new RangeError(MALFORMED);
    this.#isOver = true;
    this.#left = null;
  }

  *#fillByBoundary(n: number): Gen<void> {
    if (this.#isBroken) throw new RangeError('Reading after EOF');
    for (;;) {
      const piece = yield* this.#input.read(n);
      const all = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
      const isLast = piece.length === 0;
      const place = this.#findDelimiter(all, isLast);
      if (place !== null) {
        this.#isOver = true;
        this.#input.unread(all.subarray(place + CRLF.length));
        this.#add(all.subarray(0, place));
        return;
      }
      if (isLast) {
        this.#isBroken = true;
        this.#add(all);
        if (this.#pieces.length > 0) return;
        throw new RangeError('Reading after EOF');
      }
      const end = this.#delimiterBegin(all);
      this.#held = all.subarray(end);
      if (end === 0) continue;
      this.#add(all.subarray(0, end));
      return;
    }
  }

  /** Where the delimiter is, if it is known that it is one: nothing follows on its line but the hyphens of the last one. */
  #findDelimiter(bytes: Buffer, isLast: boolean): number | null {
    for (let place = bytes.indexOf(this.#delimiter); place >= 0; ) {
      const line = bytes.toString(
        'latin1',
        place + this.#delimiter.length,
        place + this.#delimiter.length + MAX_PADDING,
      );
      if (/^(?:--)?[ \t]*\r?\n/.test(line) || (isLast && /^-{0,2}\s*$/.test(line))) return place;
      place = bytes.indexOf(this.#delimiter, place + 1);
    }
    return null;
  }

  /** Where the delimiter may begin, of which the rest has not come yet; else the length. */
  #delimiterBegin(bytes: Buffer): number {
    const { length } = this.#delimiter;
    const from = Math.max(bytes.length - length - MAX_PADDING, 0);
    for (let place = bytes.indexOf(CR, from); place >= 0; place = bytes.indexOf(CR, place + 1)) {
      const begin = bytes.subarray(place, place + length);
      const rest = bytes.toString('latin1', place + length);
      if (this.#delimiter.subarray(0, begin.length).equals(begin) && /^(?:-|(?:--)?[ \t]*\r?)$/.test(rest))
        return place;
    }
    return bytes.length;
  }

  #add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const piece = this.#isFirst ? bytes.subarray(CRLF.length) : bytes;
    this.#isFirst = false;
    if (piece.length > 0) this.#pieces.push(piece);
  }
}

/** The input of `content`, which may be one. */
export function inputOf(content: MultipartContent | MultipartInput): MultipartInput {
  return content instanceof PartContent || content instanceof PushbackInput
    ? content
    : new PushbackInput(content);
}
