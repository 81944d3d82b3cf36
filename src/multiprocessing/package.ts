/** All that a context of this package has. */
export { Empty, Full } from '../concurrent/queue-errors.ts';
export { isMain } from '../host/is-main.ts';
export { type Connection, Pipe } from './connection.ts';
export * as connection from './connection.ts';
export {
  cpuCount,
  freezeSupport,
  getAllStartMethods,
  getStartMethod,
  setStartMethod,
  type StartMethod,
} from './context.ts';
export { BufferTooShort, ProcessError, TimeoutError } from './errors.ts';
export { Event } from './event.ts';
export { AsyncResult, Pool, type PoolOptions, type PoolResults, ThreadPool } from './pool.ts';
export {
  activeChildren,
  currentProcess,
  parentProcess,
  Process,
  type ProcessOptions,
  setExecutable,
} from './process.ts';
export { JoinableQueue, Queue, SimpleQueue } from './queues.ts';
export { BoundedSemaphore, Lock, RLock, Semaphore } from './semaphores.ts';
