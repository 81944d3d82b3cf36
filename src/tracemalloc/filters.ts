/** Which traces to keep. Counterpart: `BaseFilter` and `Filter` of `tracemalloc.py`. */
import { typeName } from '../core/format-helpers.ts';
import { compilePattern, normcase } from './fnmatch.ts';
import type { Trace } from './trace.ts';
import type { Frame } from './traceback.ts';

/**
 * The base of filters.
 *
 * @param inclusive - true: keep what matches; false: leave it out.
 *
 * Source: CPython 3.14 `tracemalloc.BaseFilter`.
 */
export abstract class BaseFilter {
  readonly inclusive: boolean;

  constructor(inclusive: boolean) {
    this.inclusive = inclusive;
  }

  /** @internal Whether the trace may stay: it matches, or with an excluding filter it does not. */
  abstract _match(trace: Trace): boolean;
}

/**
 * A filter by file and line.
 *
 * ```ts
 * snapshot.filterTraces([
 *   new Filter(false, 'node:*'), // not what Node itself allocated
 *   new Filter(false, '*node_modules*'),
 * ]);
 * ```
 *
 * @param inclusive - true: keep what matches; false: leave it out.
 * @param filenamePattern - `*` anything, slashes too; `?` one character; `[a-z]`, `[!a-z]` one of some. On Windows
 *   large and small letters are alike, and `/` is `\`.
 * @param lineno - only this line, where a function begins. Default: null, any.
 * @param allFrames - look at all frames of a traceback and match if one of them does. Default: false, the newest one.
 * @param domain - only traces of this domain; V8 has but 0. Default: null, any.
 * @throws TypeError if the pattern is no string.
 *
 * Source: CPython 3.14 `tracemalloc.Filter`.
 */
export class Filter extends BaseFilter {
  readonly filenamePattern: string;
  readonly lineno: number | null;
  readonly allFrames: boolean;
  readonly domain: number | null;
  readonly #pattern: RegExp;

  constructor(
    inclusive: boolean,
    filenamePattern: string,
    lineno: number | null = null,
    allFrames = false,
    domain: number | null = null,
  ) {
    super(inclusive);
    if (typeof filenamePattern !== 'string') {
      throw new TypeError(`expected str, bytes or os.PathLike object, not ${typeName(filenamePattern)}`);
    }
    this.filenamePattern = normcase(filenamePattern);
    this.lineno = lineno;
    this.allFrames = allFrames;
    this.domain = domain;
    this.#pattern = compilePattern(this.filenamePattern);
  }

  /** @internal */
  override _match({ domain, traceback }: Trace): boolean {
    const frames = this.allFrames ? traceback._frames : traceback._frames.slice(-1);
    const matches =
      (this.domain === null || domain === this.domain) && frames.some((frame) => this.#matchesFrame(frame));
    return matches === this.inclusive;
  }

  #matchesFrame({ filename, lineno }: Frame): boolean {
    return this.#pattern.test(normcase(filename)) && (this.lineno === null || lineno === this.lineno);
  }
}
