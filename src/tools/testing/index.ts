/** Deterministic tests: virtual time, deadlocks and leaks that fail. */
export { DeadlockError } from '../../core/deadlock.ts';
export { type Scenario } from './attempt.ts';
export { assertCheckpoint, assertNoCheckpoint, Sequencer, waitAllTasksBlocked } from './checkpoints.ts';
export {
  type Exploration,
  ExplorationError,
  explore,
  type ExploreOptions,
  type Level,
  type Replay,
  replay,
  type ReplayOptions,
} from './explore.ts';
export { type Mode } from './schedule.ts';
export { Ledger, Simulation, type SpawnOptions } from './simulation.ts';
export { type ExploredTestOptions, type TestOptions, testAsync } from './test-async.ts';
export { VirtualEventLoop } from './virtual-event-loop.ts';
