/** What the heap held at one time. Counterpart: `Snapshot` of `tracemalloc.py`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { repr, typeName } from '../core/format-helpers.ts';
import type { BaseFilter } from './filters.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot-file.ts';
import { sortDiffs, sortStatistics, Statistic, StatisticDiff } from './statistics.ts';
import type { Trace } from './trace.ts';
import { Frame, Traceback } from './traceback.ts';

/** What statistics are made for: each file, each line where a function begins, or each chain of calls. */
export type KeyType = 'filename' | 'lineno' | 'traceback';

/**
 * The traces of one time, made by `takeSnapshot`.
 *
 * @param traces - all of them.
 * @param tracebackLimit - the number of frames that they were cut to.
 *
 * Source: CPython 3.14 `tracemalloc.Snapshot`.
 */
export class Snapshot {
  readonly traces: readonly Trace[];
  readonly tracebackLimit: number;

  constructor(traces: Iterable<Trace>, tracebackLimit: number) {
    this.traces = [...traces];
    this.tracebackLimit = tracebackLimit;
  }

  /**
   * The memory of each place, the largest first.
   *
   * @param keyType - `'filename'`, `'lineno'` or `'traceback'`: what counts as one place.
   * @param cumulative - count a trace for all frames of its traceback, not for the newest alone. Default: false.
   * @throws RangeError for another key type, and for cumulative statistics by traceback.
   *
   * Source: CPython 3.14 `tracemalloc.Snapshot.statistics`.
   */
  statistics(keyType: KeyType, cumulative = false): Statistic[] {
    return sortStatistics([...this.#grouped(keyType, cumulative).values()]);
  }

  /**
   * How the memory of each place has changed since an older snapshot, the largest change first.
   *
   * @param old - the older snapshot.
   * @param keyType - as for `statistics`.
   * @param cumulative - as for `statistics`.
   * @throws RangeError as `statistics` does.
   *
   * Source: CPython 3.14 `tracemalloc.Snapshot.compare_to`.
   */
  compareTo(old: Snapshot, keyType: KeyType, cumulative = false): StatisticDiff[] {
    const newer = this.#grouped(keyType, cumulative);
    const older = old.#grouped(keyType, cumulative);
    const diffs = [...newer].map(([key, { traceback, size, count }]) => {
      const before = older.get(key);
      older.delete(key);
      return new StatisticDiff(
        traceback,
        size,
        size - (before?.size ?? 0),
        count,
        count - (before?.count ?? 0),
      );
    });
    const gone = [...older.values()].map(
      ({ traceback, size, count }) => new StatisticDiff(traceback, 0, -size, 0, -count),
    );
    return sortDiffs([...diffs, ...gone]);
  }

  /**
   * A snapshot of those traces that at least one of the including filters matches, if there are any, and none of
   * the excluding ones.
   *
   * @param filters - none: a copy.
   * @throws TypeError if they are not iterable.
   *
   * Source: CPython 3.14 `tracemalloc.Snapshot.filter_traces`.
   */
  filterTraces(filters: Iterable<BaseFilter>): Snapshot {
    if (typeof (filters as Partial<Iterable<BaseFilter>> | null)?.[Symbol.iterator] !== 'function') {
      throw new TypeError(`filters must be a list of filters, not ${typeName(filters)}`);
    }
    const all = [...filters];
    const including = all.filter(({ inclusive }) => inclusive);
    const excluding = all.filter(({ inclusive }) => !inclusive);
    const kept = this.traces.filter(
      (trace) =>
        (including.length === 0 || including.some((filter) => filter._match(trace))) &&
        excluding.every((filter) => filter._match(trace)),
    );
    return new Snapshot(kept, this.tracebackLimit);
  }

  /**
   * Write the snapshot into a file, as JSON, to be read by `Snapshot.load`.
   *
   * @throws Node's error with its code if the file cannot be written.
   *
   * Source: CPython 3.14 `tracemalloc.Snapshot.dump`.
   */
  dump(filename: string): void {
    writeFileSync(filename, encodeSnapshot(this.traces, this.tracebackLimit));
  }

  /**
   * Read a snapshot that `dump` wrote.
   *
   * @throws Node's error with its code if the file cannot be read; RangeError if it is something else.
   *
   * Source: CPython 3.14 `tracemalloc.Snapshot.load`.
   */
  static load(filename: string): Snapshot {
    const { traces, tracebackLimit } = decodeSnapshot(readFileSync(filename, 'utf8'));
    return new Snapshot(traces, tracebackLimit);
  }

  #grouped(keyType: KeyType, cumulative: boolean): Map<string, Statistic> {
    checkKeyType(keyType, cumulative);
    const sums = new Map<string, Statistic>();
    // Many samples share one traceback.
    const places = new Map<Traceback, Traceback[]>();
    for (const { traceback, size } of this.traces) {
      const shared = places.get(traceback) ?? placesOf(traceback, keyType, cumulative);
      places.set(traceback, shared);
      for (const place of shared) {
        const sum = sums.get(place._key);
        sums.set(
          place._key,
          new Statistic(sum?.traceback ?? place, size + (sum?.size ?? 0), 1 + (sum?.count ?? 0)),
        );
      }
    }
    return sums;
  }
}

function checkKeyType(keyType: KeyType, cumulative: boolean): void {
  if (keyType !== 'traceback' && keyType !== 'filename' && keyType !== 'lineno') {
    throw new RangeError(`unknown key_type: ${repr(keyType)}`);
  }
  if (cumulative && keyType === 'traceback') {
    throw new RangeError(`cumulative mode cannot by used with key type ${repr(keyType)}`);
  }
}

/** The places that a trace counts for. */
function placesOf(traceback: Traceback, keyType: KeyType, cumulative: boolean): Traceback[] {
  // Without the number of frames that were cut off, as in Python: it is no part of a place.
  if (keyType === 'traceback') return [new Traceback(traceback._frames.toReversed())];
  const frames = cumulative ? traceback._frames : traceback._frames.slice(-1);
  return frames.map((frame) => new Traceback([keyType === 'lineno' ? frame : new Frame(frame.filename, 0)]));
}
