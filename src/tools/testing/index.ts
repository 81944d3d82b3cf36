/** Deterministic tests: virtual time, deadlocks and leaks that fail. */
export { DeadlockError } from '../../core/deadlock.ts';
export { type TestOptions, testAsync } from './test-async.ts';
export { VirtualEventLoop } from './virtual-event-loop.ts';
