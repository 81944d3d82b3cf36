/** How much memory which place holds. Counterpart: `Statistic` and `StatisticDiff` of `tracemalloc.py`. */
import { formatSize, formatSizeDiff } from './format-size.ts';
import { Traceback } from './traceback.ts';

/**
 * The memory that was allocated at one place. Prints as `FILE:LINE: size=1.2 MiB, count=39, average=32.0 KiB`.
 *
 * @param traceback - the place.
 * @param size - bytes: an estimate, from samples.
 * @param count - how many samples there were. Not the number of objects, unless every one is sampled.
 *
 * Source: CPython 3.14 `tracemalloc.Statistic`.
 */
export class Statistic {
  readonly traceback: Traceback;
  readonly size: number;
  readonly count: number;

  constructor(traceback: Traceback, size: number, count: number) {
    this.traceback = traceback;
    this.size = size;
    this.count = count;
  }

  toString(): string {
    const text = `${this.traceback}: size=${formatSize(this.size)}, count=${this.count}`;
    return text + averageOf(this);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * How the memory of one place has changed between two snapshots. Prints as
 * `FILE:LINE: size=1.2 MiB (+400 KiB), count=39 (+12), average=32.0 KiB`.
 *
 * @param traceback - the place.
 * @param size - bytes in the newer snapshot; 0 if the place is only in the older one.
 * @param sizeDiff - how many more these are than in the older one.
 * @param count - samples in the newer snapshot.
 * @param countDiff - how many more.
 *
 * Source: CPython 3.14 `tracemalloc.StatisticDiff`.
 */
export class StatisticDiff extends Statistic {
  readonly sizeDiff: number;
  readonly countDiff: number;

  constructor(traceback: Traceback, size: number, sizeDiff: number, count: number, countDiff: number) {
    super(traceback, size, count);
    this.sizeDiff = sizeDiff;
    this.countDiff = countDiff;
  }

  override toString(): string {
    const size = `size=${formatSize(this.size)} (${formatSizeDiff(this.sizeDiff)})`;
    const count = `count=${this.count} (${this.countDiff < 0 ? '' : '+'}${this.countDiff})`;
    return `${this.traceback}: ${size}, ${count}${averageOf(this)}`;
  }
}

function averageOf({ size, count }: Statistic): string {
  return count === 0 ? '' : `, average=${formatSize(size / count)}`;
}

/** Largest first: by size, count and place. */
export function sortStatistics(statistics: Statistic[]): Statistic[] {
  return statistics.sort(
    (a, b) => b.size - a.size || b.count - a.count || Traceback.compare(b.traceback, a.traceback),
  );
}

/** Largest change first, whichever its sign; then by size, change of count, count and place. */
export function sortDiffs(diffs: StatisticDiff[]): StatisticDiff[] {
  return diffs.sort(
    (a, b) =>
      Math.abs(b.sizeDiff) - Math.abs(a.sizeDiff) ||
      b.size - a.size ||
      Math.abs(b.countDiff) - Math.abs(a.countDiff) ||
      b.count - a.count ||
      Traceback.compare(b.traceback, a.traceback),
  );
}
