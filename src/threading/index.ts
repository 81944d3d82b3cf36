/** What threads share, as Python's `threading`. */
export { Barrier, BrokenBarrierError } from './barrier.ts';
export { Condition } from './condition.ts';
export { Event } from './event.ts';
export { local } from './local.ts';
export { Lock, RLock } from './lock.ts';
export { BoundedSemaphore, Semaphore } from './semaphore.ts';
export { ThreadError, TIMEOUT_MAX } from './timeouts.ts';
export * as queue from './queue.ts';
/** @internal For workers that are made by hand: what their `workerData` may hold. */
export { pack as _pack, unpack as _unpack } from '../concurrent/crossing.ts';
export { type ExceptHookArgs, excepthook, setExcepthook } from './excepthook.ts';
export {
  getNativeId,
  getprofile,
  gettrace,
  setprofile,
  setprofileAllThreads,
  settrace,
  settraceAllThreads,
} from './impossible.ts';
export { stackSize } from './stack-size.ts';
export {
  activeCount,
  currentThread,
  enumerate,
  getIdent,
  mainThread,
  Thread,
  type ThreadOptions,
} from './thread.ts';
export { Timer } from './timer.ts';
