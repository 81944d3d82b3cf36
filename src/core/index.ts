/** The face of the core: all of asyncio that needs no particular host. */
export { AsCompleted, asCompleted, type DoneFuture } from './as-completed.ts';
export { trackAsyncgen } from './asyncgens.ts';
export { BaseEventLoop } from './base-events.ts';
export { Context, ContextVar, copyContext, Token } from './contextvars.ts';
export { coroutine, fromPromise, iscoroutine, iscoroutinefunction } from './coroutines.ts';
export { DeadlockError } from './deadlock.ts';
export {
  _getRunningLoop,
  _setRunningLoop,
  AbstractEventLoop,
  type ExceptionHandler,
  getEventLoop,
  getRunningLoop,
  Handle,
  newEventLoop,
  setEventLoop,
  TimerHandle,
} from './events.ts';
export { BaseExceptionGroup, type ErrorClass, ExceptionGroup } from './exception-groups.ts';
export {
  AssertionError,
  BaseException,
  BrokenBarrierError,
  CancelledError,
  EOFError,
  IncompleteReadError,
  InvalidStateError,
  KeyboardInterrupt,
  LimitOverrunError,
  LookupError,
  NotImplementedError,
  QueueEmpty,
  QueueFull,
  QueueShutDown,
  RuntimeError,
  SendfileNotAvailableError,
  SystemExit,
  TimeoutError,
} from './exceptions.ts';
export { Future, isfuture } from './futures.ts';
export {
  captureCallGraph,
  FrameCallGraphEntry,
  formatCallGraph,
  FutureCallGraph,
  futureAddToAwaitedBy,
  futureDiscardFromAwaitedBy,
  printCallGraph,
} from './graph.ts';
export type { ContextStorage, Host, HostedLoop } from './host.ts';
export { Barrier, BoundedSemaphore, Condition, Event, type Guard, Lock, Semaphore } from './locks.ts';
export { type Logger, setLogger } from './log.ts';
export { LifoQueue, PriorityQueue, type PriorityQueueOptions, Queue, QueueIterator } from './queues.ts';
export { Runner, type RunnerOptions, run } from './runners.ts';
export { TaskGroup } from './taskgroups.ts';
export {
  _enterTask,
  _leaveTask,
  _registerTask,
  _unregisterTask,
  allTasks,
  createEagerTaskFactory,
  createTask,
  currentTask,
  eagerTaskFactory,
  ensureFuture,
  Task,
  type TaskConstructor,
  type TaskFactory,
  type TaskOptions,
} from './tasks.ts';
export { Timeout, timeout, timeoutAt } from './timeouts.ts';
export type {
  Awaitable,
  AwaitableLike,
  Body,
  Coroutine,
  CoroutineLike,
  Delay,
  ExceptionContext,
  Gen,
  ResultOf,
  Results,
  StackFrame,
  Suspend,
} from './types.ts';
export {
  ALL_COMPLETED,
  FIRST_COMPLETED,
  FIRST_EXCEPTION,
  gather,
  type ReturnWhen,
  shield,
  sleep,
  wait,
  type WaitOptions,
  waitFor,
} from './waiting.ts';
