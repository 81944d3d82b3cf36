import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { runInThisContext } from 'node:vm';
import { RuntimeError } from 'asyncio-ts';
import {
  clearTraces,
  Filter,
  Snapshot,
  type Statistic,
  start,
  stop,
  takeSnapshot,
} from 'asyncio-ts/tracemalloc';
import '../support/leaks.ts';

/** What the tests retain; the last reference is here. */
let kept: unknown = null;

const INTERVAL = 'TRACEMALLOC_SAMPLING_INTERVAL';

afterEach(() => {
  kept = null;
  delete process.env[INTERVAL];
  stop();
});

function retainObjects(count: number): unknown[] {
  const objects: unknown[] = [];
  for (let i = 0; i < count; i++) objects.push({ first: [i], second: [i] });
  return objects;
}

function retainFlatObjects(count: number): unknown[] {
  const objects: unknown[] = [];
  for (let i = 0; i < count; i++) objects.push({ first: i });
  return objects;
}

function retainByNative(count: number): unknown[] {
  return Array.from({ length: count }).fill(0).concat([kept]);
}

function atDepth(depth: number, make: () => unknown): unknown {
  return depth === 0 ? make() : [atDepth(depth - 1, make)];
}

/** The line of the source where the newest frame of a statistic begins. */
const sourceOf = ({ traceback }: Statistic): string => traceback.format(1)[1]?.trim() ?? '';

const topOf = (snapshot: Snapshot): Statistic => {
  const [largest] = snapshot.statistics('lineno');
  assert.ok(largest !== undefined, 'the snapshot is empty');
  return largest;
};

describe('takeSnapshot', () => {
  test('has the function that retains most on top, with file, line and size', () => {
    start();
    kept = retainObjects(100_000); // 112 bytes each: two arrays with an element, an object with two fields
    const top = topOf(takeSnapshot());
    assert.equal(sourceOf(top), 'function retainObjects(count: number): unknown[] {');
    assert.ok(path.isAbsolute(top.traceback.at(-1)?.filename ?? ''));
    assert.ok(top.size > 6e6 && top.size < 30e6, `${top.size}`);
    assert.ok(top.count > 100, `${top.count}`);
  });

  test('has nothing of memory that was freed', () => {
    start();
    kept = retainObjects(100_000);
    const full = takeSnapshot();
    kept = null;
    const [change] = takeSnapshot().compareTo(full, 'lineno');
    assert.ok(change !== undefined);
    assert.equal(sourceOf(change), 'function retainObjects(count: number): unknown[] {');
    assert.ok(change.sizeDiff < -6e6, `${change.sizeDiff}`);
  });

  test('has nothing from before the start, nor from before clearTraces', () => {
    const early = retainObjects(50_000);
    start();
    const late = retainObjects(50_000);
    clearTraces();
    kept = [early, late];
    const own = takeSnapshot().filterTraces([new Filter(true, '*snapshots.test.*')]);
    const sum = own.traces.reduce((total, { size }) => total + size, 0);
    assert.ok(sum < 1e6, `${sum}`);
  });

  test('counts what native code allocates for its caller', () => {
    start();
    kept = retainByNative(1_000_000);
    assert.match(sourceOf(topOf(takeSnapshot())), /^function retainByNative/);
  });

  test('keeps as many frames as start was told, and knows how many there were', () => {
    start(3);
    kept = atDepth(10, () => retainObjects(50_000));
    const snapshot = takeSnapshot();
    assert.equal(snapshot.tracebackLimit, 3);
    const [top] = snapshot.statistics('traceback');
    assert.ok(top !== undefined);
    assert.equal(top.traceback.length, 3);
    assert.match(sourceOf(top), /^function retainObjects/);
    assert.match(top.traceback.format(-2)[1] ?? '', /^ {4}function atDepth/);
    const place = String(top.traceback.at(-1));
    const trace = snapshot.traces.find(({ traceback }) => String(traceback.at(-1)) === place);
    assert.equal(trace?.traceback.length, 3);
    assert.ok((trace.traceback.totalNframe ?? 0) > 10);
  });

  test('survives calls that are deeper than V8 notes', () => {
    start(65_535);
    kept = atDepth(3000, () => retainObjects(50_000));
    const deepest = Math.max(...takeSnapshot().traces.map(({ traceback }) => traceback.length));
    assert.ok(deepest > 100 && deepest <= 128, `${deepest}`);
  });

  test('leaves out what V8 samples while it writes the profile', () => {
    start();
    // Long names, which V8 copies for the profile: that makes it take samples. Their calls, to `takeSnapshot`, stand
    // before those to the scripts, which are younger, and have been written by then.
    const scripts: unknown[] = [];
    for (let i = 0; i < 200; i++) {
      const filename = `/${`x${i}`.repeat(2000)}.js`;
      const make = runInThisContext('(n) => Array.from({ length: n }, (_, i) => ({ i, b: [i] }))', {
        filename,
      });
      scripts.push((make as (n: number) => unknown)(3000));
    }
    kept = scripts;
    const snapshot = takeSnapshot();
    const sum = snapshot.traces.reduce((total, { size }) => total + size, 0);
    const [top, ...others] = snapshot.statistics('filename');
    assert.match(top?.traceback.at(-1)?.filename ?? '', /^\/x\d/);
    assert.equal(
      others.reduce((total, { size }) => total + size, top?.size ?? 0),
      sum,
    );
  });

  test('has frames with a name for all that it has', () => {
    start(100);
    kept = [
      retainObjects(20_000),
      JSON.parse(JSON.stringify(retainObjects(20_000))),
      new Function('return Array(1e6).fill({})')(),
    ];
    const frames = takeSnapshot().traces.flatMap(({ traceback }) => [...traceback]);
    assert.deepEqual(
      frames.filter(({ filename, lineno }) => filename === '' || (lineno < 1 && filename !== '<unknown>')),
      [],
    );
    assert.ok(frames.some(({ filename }) => filename === '<string>'));
  });

  test('takes every object when the interval is one byte', () => {
    process.env[INTERVAL] = '1';
    start();
    kept = retainFlatObjects(1000);
    const top = topOf(takeSnapshot().filterTraces([new Filter(true, '*snapshots.test.*')]));
    assert.match(sourceOf(top), /^function retainFlatObjects/);
    assert.ok(top.count >= 1000 && top.count < 1100, `${top.count}`);
  });

  for (const wrong of ['0', '-5', '1.5', 'many']) {
    test(`refuses ${wrong} as sampling interval`, () => {
      process.env[INTERVAL] = wrong;
      assert.throws(() => start(), {
        name: 'RangeError',
        message: `TRACEMALLOC_SAMPLING_INTERVAL must be a positive integer, not '${wrong}'`,
      });
    });
  }
});

describe('other users of the inspector', () => {
  /** What V8 answers to a session of the test's own. */
  function answerTo(method: 'getSamplingProfile' | 'stopSampling'): Error | null {
    const session = new Session();
    session.connect();
    let answer: Error | null = null;
    session.post(`HeapProfiler.${method}`, (error: Error | null) => {
      answer = error;
    });
    session.disconnect();
    return answer;
  }

  test('find the sampler running while memory is traced, and not after stop', () => {
    start();
    assert.equal(answerTo('getSamplingProfile'), null);
    stop();
    assert.match(String(answerTo('getSamplingProfile')), /was not started/);
  });

  test('can stop the sampler, and then the snapshot says what to do', () => {
    start();
    assert.equal(answerTo('stopSampling'), null);
    assert.throws(takeSnapshot, (error) => {
      assert.ok(error instanceof RuntimeError);
      assert.match(error.message, /has stopped the sampler; clearTraces\(\) starts it again$/);
      return true;
    });
    clearTraces();
    kept = retainObjects(50_000);
    assert.match(sourceOf(topOf(takeSnapshot())), /^function retainObjects/);
  });
});

describe('Snapshot.dump and Snapshot.load', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tracemalloc-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'snapshot.json');

  test('give the same snapshot back', () => {
    start(5);
    kept = retainObjects(50_000);
    const snapshot = takeSnapshot();
    snapshot.dump(file);
    const loaded = Snapshot.load(file);
    assert.ok(loaded instanceof Snapshot);
    assert.equal(loaded.tracebackLimit, 5);
    assert.deepEqual(
      loaded.traces.map(({ domain, size, traceback }) => [
        domain,
        size,
        [...traceback],
        traceback.totalNframe,
      ]),
      snapshot.traces.map(({ domain, size, traceback }) => [
        domain,
        size,
        [...traceback],
        traceback.totalNframe,
      ]),
    );
    assert.deepEqual(
      loaded.compareTo(snapshot, 'traceback').filter(({ sizeDiff }) => sizeDiff !== 0),
      [],
    );
  });

  test('tell a file that is no snapshot, or not there', () => {
    for (const text of ['', '{}', 'null', '[1]']) {
      writeFileSync(file, text);
      assert.throws(() => Snapshot.load(file), {
        name: 'RangeError',
        message: 'not a snapshot that dump() of this version wrote',
      });
    }
    assert.throws(() => Snapshot.load(path.join(folder, 'missing')), { code: 'ENOENT' });
    assert.throws(() => Snapshot.prototype.dump.call(new Snapshot([], 1), folder), { code: 'EISDIR' });
  });
});
