/** How much memory a program takes, and where: Python's `tracemalloc` for V8. */
export { BaseFilter, Filter } from './filters.ts';
export { type KeyType, Snapshot } from './snapshot.ts';
export { Statistic, StatisticDiff } from './statistics.ts';
export { Trace } from './trace.ts';
export { Frame, Traceback } from './traceback.ts';
export {
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
} from './tracing.ts';
