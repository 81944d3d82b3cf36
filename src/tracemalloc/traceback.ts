/** Places in the source, and the calls that led to them. Counterpart: `Frame` and `Traceback` of `tracemalloc.py`. */
import { readFileSync } from 'node:fs';

/**
 * One place in a traceback. Prints as `FILE:LINE`.
 *
 * @param filename - the path of the file; a URL such as `node:internal/timers` for what is none; `<string>` for code
 *   of `eval`, `<unknown>` where no JavaScript was running.
 * @param lineno - the line, counted from 1. V8 notes functions, not calls: it is the line where the function begins. 0
 *   in statistics by file, and where nothing is known.
 *
 * Source: CPython 3.14 `tracemalloc.Frame`.
 */
export class Frame {
  readonly filename: string;
  readonly lineno: number;

  constructor(filename: string, lineno: number) {
    this.filename = filename;
    this.lineno = lineno;
  }

  /** Less than 0 if `a` goes before `b`: by file, then by line. */
  static compare(a: Frame, b: Frame): number {
    if (a.filename !== b.filename) return a.filename < b.filename ? -1 : 1;
    return a.lineno - b.lineno;
  }

  toString(): string {
    return `${this.filename}:${this.lineno}`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * The calls that led to an allocation, from the oldest frame to the newest. Iterable; prints as its oldest frame.
 *
 * @param frames - from the newest frame to the oldest, as in Python; the object has them the other way round.
 * @param totalNframe - how many there were before they were cut to the limit of `start`. Default: null, not known.
 *
 * Source: CPython 3.14 `tracemalloc.Traceback`.
 */
export class Traceback implements Iterable<Frame> {
  readonly totalNframe: number | null;
  /** @internal Oldest first. */
  readonly _frames: readonly Frame[];
  #key: string | null = null;

  constructor(frames: Iterable<Frame>, totalNframe: number | null = null) {
    this._frames = [...frames].reverse();
    this.totalNframe = totalNframe;
  }

  /** Less than 0 if `a` goes before `b`: frame by frame, the oldest first. */
  static compare(a: Traceback, b: Traceback): number {
    const length = Math.min(a.length, b.length);
    for (let i = 0; i < length; i++) {
      const order = Frame.compare(a._frames[i] as Frame, b._frames[i] as Frame);
      if (order !== 0) return order;
    }
    return a.length - b.length;
  }

  get length(): number {
    return this._frames.length;
  }

  /** The frame at a position; negative positions count from the newest, -1. */
  at(index: number): Frame | undefined {
    return this._frames.at(index);
  }

  /** Whether a frame with the same file and line is among them. */
  includes(frame: Frame): boolean {
    return this._frames.some((own) => Frame.compare(own, frame) === 0);
  }

  [Symbol.iterator](): Iterator<Frame> {
    return this._frames[Symbol.iterator]();
  }

  /**
   * The lines of a printed traceback: `  File "x.ts", line 3`, and after it the line of the source, if it can be read.
   *
   * @param limit - so many of the newest frames; negative: without so many of the newest. Default: all.
   * @param mostRecentFirst - begin with the newest frame. Default: false.
   *
   * Source: CPython 3.14 `tracemalloc.Traceback.format`.
   */
  format(limit?: number | null, mostRecentFirst = false): string[] {
    const frames = limited(this._frames, limit ?? null);
    return (mostRecentFirst ? frames.toReversed() : frames).flatMap(({ filename, lineno }) => {
      const source = sourceLine(filename, lineno);
      const place = `  File "${filename}", line ${lineno}`;
      return source === '' ? [place] : [place, `    ${source}`];
    });
  }

  toString(): string {
    return String(this._frames[0] ?? '<no frame>');
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  /** @internal The same text for equal frames. */
  get _key(): string {
    this.#key ??= this._frames.map(({ filename, lineno }) => `${filename}\0${lineno}`).join('\0');
    return this.#key;
  }
}

function limited(frames: readonly Frame[], limit: number | null): readonly Frame[] {
  if (limit === null) return frames;
  return limit > 0 ? frames.slice(-limit) : frames.slice(0, limit);
}

/** A line of a file without the space around it; empty if there is none. Counterpart: `linecache.getline`. */
function sourceLine(filename: string, lineno: number): string {
  try {
    const lines = readFileSync(filename, 'utf8').split(/\r\n|\r|\n/);
    return lines[lineno - 1]?.trim() ?? '';
  } catch {
    return ''; // no file, or no longer
  }
}
