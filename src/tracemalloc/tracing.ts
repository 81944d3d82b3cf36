/** Tracing memory, on and off. Counterpart: the functions of `tracemalloc.py` and `_tracemalloc`. */
import { NotImplementedError, RuntimeError } from '../core/exceptions.ts';
import { repr, typeName } from '../core/format-helpers.ts';
import { tracesOf } from './profile.ts';
import { HeapSampler } from './sampler.ts';
import { Snapshot } from './snapshot.ts';
import { TracedMemory } from './traced-memory.ts';
import type { Traceback } from './traceback.ts';

const MAX_NFRAME = 65_535;

/** Bytes between two samples, on average. V8's own value. */
const DEFAULT_INTERVAL_BYTES = 32_768;

/** Bytes that V8 keeps for a sample outside of the heap: what a process grows by, measured with each object sampled. */
const BYTES_PER_SAMPLE = 130;

/** What runs from `start` to `stop`, or to `clearTraces`, which begins a new one. */
interface Tracing {
  readonly intervalBytes: number;
  /** Or why there is none. */
  readonly sampler: HeapSampler | NotImplementedError;
  readonly memory: TracedMemory;
}

let tracing: Tracing | null = null;
let tracebackLimit = 1;

/**
 * Start tracing the memory of this thread. Running already: nothing, and the limit stays as it is.
 *
 * Garbage is collected first, so that what lay about before does not count. Each thread and each process starts its own.
 *
 * @param nframe - the number of frames to keep of a traceback, from 1 to 65535; V8 has up to 128. Default: 1.
 * @throws RangeError for another number; TypeError for what is no integer; RangeError if the environment variable
 *   `TRACEMALLOC_SAMPLING_INTERVAL` (bytes between two samples, default 32768) is no positive integer.
 *
 * Source: CPython 3.14 `tracemalloc.start`.
 */
export function start(nframe = 1): void {
  checkNframe(nframe);
  if (tracing !== null) return;
  tracing = begin(samplingInterval());
  tracebackLimit = nframe;
}

/**
 * Stop tracing, and forget what was traced. Snapshots that were taken stay.
 *
 * Source: CPython 3.14 `tracemalloc.stop`.
 */
export function stop(): void {
  if (tracing === null) return;
  end(tracing);
  tracing = null;
}

/**
 * Whether the memory of this thread is being traced.
 *
 * Source: CPython 3.14 `tracemalloc.is_tracing`.
 */
export function isTracing(): boolean {
  return tracing !== null;
}

/**
 * How many bytes the heap of this thread has taken since `start`, and how many it had at most. `[0, 0]` when nothing is
 * traced.
 *
 * The heap is V8's, with what hangs on it outside (the bytes of a `Uint8Array` or `Buffer`). Garbage that has not been
 * collected counts. `takeSnapshot` collects it. See docs/tracemalloc.md.
 *
 * Source: CPython 3.14 `tracemalloc.get_traced_memory`.
 */
export function getTracedMemory(): [current: number, peak: number] {
  return tracing?.memory.read() ?? [0, 0];
}

/**
 * Let the peak begin anew: it becomes what is current.
 *
 * Source: CPython 3.14 `tracemalloc.reset_peak`.
 */
export function resetPeak(): void {
  tracing?.memory.resetPeak();
}

/**
 * Forget what was traced, as if tracing began now: garbage is collected, current and peak are 0.
 *
 * Source: CPython 3.14 `tracemalloc.clear_traces`.
 */
export function clearTraces(): void {
  if (tracing === null) return;
  end(tracing);
  tracing = begin(tracing.intervalBytes);
}

/**
 * The number of frames that a traceback keeps: that of the last `start`.
 *
 * Source: CPython 3.14 `tracemalloc.get_traceback_limit`.
 */
export function getTracebackLimit(): number {
  return tracebackLimit;
}

/**
 * How many bytes tracing takes itself, outside of the heap: an estimate from the number of samples that the traced
 * memory makes. 0 when nothing is traced.
 *
 * Source: CPython 3.14 `tracemalloc.get_tracemalloc_memory`.
 */
export function getTracemallocMemory(): number {
  if (tracing === null || tracing.sampler instanceof NotImplementedError) return 0;
  const [current] = tracing.memory.read();
  return Math.ceil(current / tracing.intervalBytes) * BYTES_PER_SAMPLE;
}

/**
 * What is in use now and was allocated since `start`. Collects garbage first.
 *
 * @throws RuntimeError if nothing is traced, or if another user of the inspector has stopped the sampler;
 *   NotImplementedError where the runtime has no heap sampler (Bun, Deno).
 *
 * Source: CPython 3.14 `tracemalloc.take_snapshot`.
 */
export function takeSnapshot(): Snapshot {
  if (tracing === null) {
    throw new RuntimeError('the tracemalloc module must be tracing memory allocations to take a snapshot');
  }
  const { sampler } = tracing;
  if (sampler instanceof NotImplementedError) throw sampler;
  return new Snapshot(tracesOf(sampler.profile(), tracebackLimit), tracebackLimit);
}

/**
 * Where an object was allocated: null, Python's answer for an object that was not traced. V8 keeps no such place for the
 * program; `takeSnapshot().statistics('traceback')` has the places of all.
 *
 * Source: CPython 3.14 `tracemalloc.get_object_traceback`.
 */
export function getObjectTraceback(_obj: object): Traceback | null {
  return null;
}

function begin(intervalBytes: number): Tracing {
  const sampler = openSampler(intervalBytes);
  return { intervalBytes, sampler, memory: new TracedMemory() };
}

function openSampler(intervalBytes: number): Tracing['sampler'] {
  try {
    return new HeapSampler(intervalBytes);
  } catch (error) {
    if (error instanceof NotImplementedError) return error;
    throw error;
  }
}

function end({ sampler, memory }: Tracing): void {
  memory.close();
  if (sampler instanceof HeapSampler) sampler.close();
}

function checkNframe(nframe: number): void {
  if (!Number.isInteger(nframe)) {
    const kind = typeof nframe === 'number' ? 'float' : typeName(nframe);
    throw new TypeError(`'${kind}' object cannot be interpreted as an integer`);
  }
  if (nframe < 1 || nframe > MAX_NFRAME) {
    throw new RangeError(`the number of frames must be in range [1; ${MAX_NFRAME}]`);
  }
}

function samplingInterval(): number {
  const text = process.env['TRACEMALLOC_SAMPLING_INTERVAL'];
  if (text === undefined || text === '') return DEFAULT_INTERVAL_BYTES;
  if (!/^0*[1-9]\d{0,15}$/.test(text)) {
    throw new RangeError(`TRACEMALLOC_SAMPLING_INTERVAL must be a positive integer, not ${repr(text)}`);
  }
  return Number(text);
}
