/** Executors: calls on threads and processes. Counterpart: `concurrent.futures`. */
export { TimeoutError } from '../core/exceptions.ts';
export { ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, type ReturnWhen } from '../core/waiting.ts';
export { transfer } from './crossing.ts';
export {
  BrokenExecutor,
  BrokenInterpreterPool,
  BrokenProcessPool,
  BrokenThreadPool,
  CancelledError,
  ExecutorFull,
  InvalidStateError,
  PicklingError,
} from './errors.ts';
export { Executor, type MapOptions, type MapResults, type ResultOfCall, type ValueOf } from './executor.ts';
export { Future } from './futures.ts';
export { InlineExecutor } from './inline.ts';
export { type CallTarget, type PoolExecutorOptions } from './pool-executor.ts';
export { ProcessPoolExecutor, type ProcessPoolOptions } from './process.ts';
export { Started } from './started.ts';
export type { ModuleTarget, Target, TargetFunction } from './targets.ts';
export { InterpreterPoolExecutor, ThreadPoolExecutor, type ThreadPoolOptions } from './thread.ts';
export {
  asCompleted,
  type DoneAndNotDoneFutures,
  type DoneFuture,
  type StartedIterator,
  wait,
} from './waiting.ts';
export { reportProgress } from './progress.ts';
