import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { RuntimeError } from 'asyncio-ts';
import {
  clearTraces,
  getObjectTraceback,
  getTracebackLimit,
  getTracedMemory,
  getTracemallocMemory,
  isTracing,
  resetPeak,
  start,
  stop,
  takeSnapshot,
} from 'asyncio-ts/tracemalloc';
import '../support/leaks.ts';
import { eventually } from '../support/processes.ts';

const MB = 1e6;

/** What the tests retain; the last reference is here. */
let kept: unknown = null;

afterEach(() => {
  kept = null;
  stop();
});

function currentBytes(): number {
  const [current] = getTracedMemory();
  return current;
}

/** What `make` gives is retained. In a call of its own, so that nothing else in the test can hold it. */
function retain(make: () => unknown): void {
  kept = make();
}

/** Collects until `current` is less than `bytes`: the bytes of arrays are freed by a thread in the background. */
async function collectBelow(bytes: number): Promise<void> {
  kept = null;
  await eventually(() => {
    takeSnapshot();
    return currentBytes() < bytes;
  }, `current below ${bytes}`);
}

describe('start and stop', () => {
  test('nothing is traced at first', () => {
    assert.equal(isTracing(), false);
    assert.deepEqual(getTracedMemory(), [0, 0]);
    assert.equal(getTracebackLimit(), 1);
    assert.equal(getTracemallocMemory(), 0);
  });

  test('what needs no tracing does nothing without it', () => {
    resetPeak();
    clearTraces();
    stop();
    assert.equal(isTracing(), false);
    assert.deepEqual(getTracedMemory(), [0, 0]);
  });

  test('a second start changes nothing, and the limit outlives stop', () => {
    start(5);
    start(7);
    assert.equal(isTracing(), true);
    assert.equal(getTracebackLimit(), 5);
    stop();
    assert.equal(isTracing(), false);
    assert.equal(getTracebackLimit(), 5);
    start();
    assert.equal(getTracebackLimit(), 1);
  });

  for (const wrong of [0, -1, 65_536, 10 ** 30]) {
    test(`refuses ${wrong} frames`, () => {
      const refusal = { name: 'RangeError', message: 'the number of frames must be in range [1; 65535]' };
      assert.throws(() => start(wrong), refusal);
      start();
      assert.throws(() => start(wrong), refusal);
    });
  }

  for (const [wrong, kind] of [
    ['1', 'string'],
    [1.5, 'float'],
    [Number.NaN, 'float'],
    [null, 'null'],
  ] as const) {
    test(`refuses ${JSON.stringify(wrong)} (${kind}) as a number of frames`, () => {
      assert.throws(() => start(wrong as number), {
        name: 'TypeError',
        message: `'${kind}' object cannot be interpreted as an integer`,
      });
      assert.equal(isTracing(), false);
    });
  }

  test('a snapshot needs tracing', () => {
    assert.throws(takeSnapshot, (error) => {
      assert.ok(error instanceof RuntimeError);
      assert.equal(
        error.message,
        'the tracemalloc module must be tracing memory allocations to take a snapshot',
      );
      return true;
    });
  });

  test('the place of a single object is not known', () => {
    start();
    assert.equal(getObjectTraceback({}), null);
  });
});

describe('getTracedMemory', () => {
  const makers: Record<string, { make: () => unknown; bytes: number }> = {
    'a typed array': { make: () => new Uint8Array(20 * MB), bytes: 20 * MB },
    'a buffer': { make: () => Buffer.alloc(20 * MB), bytes: 20 * MB },
    // Two fields beside the three words of the object itself.
    'small objects': {
      make: () => Array.from({ length: 400_000 }, (_, i) => ({ a: i, b: i })),
      bytes: 19 * MB,
    },
    numbers: { make: () => Array.from({ length: 2_000_000 }, (_, i) => i + 0.5), bytes: 16 * MB },
    text: { make: () => JSON.stringify('x'.repeat(20 * MB)), bytes: 20 * MB },
  };

  for (const [name, { make, bytes }] of Object.entries(makers)) {
    test(`grows by the bytes of ${name}, and falls when they are freed, while the peak stays`, async () => {
      start();
      retain(make);
      takeSnapshot(); // collects what was needed on the way
      const current = currentBytes();
      assert.ok(current > 0.95 * bytes && current < bytes + 8 * MB, `${current} of ${bytes}`);
      await collectBelow(0.3 * bytes);
      const [, peak] = getTracedMemory();
      assert.ok(peak >= current, `${peak} after ${current}`);
    });
  }

  test('the peak is what is current after resetPeak', async () => {
    start();
    retain(() => new Uint8Array(20 * MB));
    await collectBelow(6 * MB);
    resetPeak();
    const [, peak] = getTracedMemory();
    assert.ok(peak < 12 * MB, `${peak}`);
  });

  test('sees a peak that came and went between two looks', async () => {
    start();
    retain(() => new Uint8Array(20 * MB).length);
    // The garbage is still there, or a collection before which it was there has been logged.
    const [, peak] = getTracedMemory();
    assert.ok(peak > 19 * MB, `${peak}`);
    await collectBelow(6 * MB);
  });

  test('sees a peak of which only the log of collections tells', () => {
    start();
    retain(() => Array.from({ length: 400_000 }, (_, i) => ({ a: i, b: i })));
    kept = null;
    takeSnapshot(); // the first look is after the collection
    const [current, peak] = getTracedMemory();
    assert.ok(current < 8 * MB && peak > 18 * MB, `${current}, ${peak}`);
  });

  test('is not hidden by memory from before that is freed', async () => {
    retain(() => new Uint8Array(40 * MB));
    const { external } = process.memoryUsage();
    start();
    kept = null;
    await eventually(() => {
      takeSnapshot();
      getTracedMemory();
      return process.memoryUsage().external < external - 39 * MB;
    }, 'the old memory is freed');
    assert.ok(currentBytes() < 6 * MB);
    retain(() => new Uint8Array(20 * MB));
    assert.ok(currentBytes() > 19 * MB);
  });

  test('the peak is never less than what is current', () => {
    start();
    const seen = Array.from({ length: 200 }, (_, i) => {
      retain(() => new Uint8Array((i % 7) * 100_000));
      if (i % 20 === 0) resetPeak();
      return getTracedMemory();
    });
    assert.deepEqual(
      seen.filter(([current, peak]) => peak < current || current < 0),
      [],
    );
  });

  test('begins anew after clearTraces, though memory is retained', () => {
    start();
    retain(() => new Uint8Array(20 * MB));
    clearTraces();
    const [current, peak] = getTracedMemory();
    assert.ok(current < 5 * MB && peak < 5 * MB, `${current}, ${peak}`);
    const earlier = kept;
    retain(() => [earlier, new Uint8Array(10 * MB)]);
    assert.ok(currentBytes() > 9 * MB);
  });

  test('is zero again after stop', () => {
    start();
    retain(() => new Uint8Array(MB));
    stop();
    assert.deepEqual(getTracedMemory(), [0, 0]);
  });
});

test('the cost of tracing grows with what is traced', () => {
  start();
  const before = getTracemallocMemory();
  retain(() => Array.from({ length: 400_000 }, (_, i) => ({ a: i })));
  assert.ok(getTracemallocMemory() > before);
});
