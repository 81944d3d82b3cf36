/** Generator tasks that keep the stores of AsyncLocalStorage: what `asyncContext: true` costs per step. */
import * as asyncio from 'asyncio-ts';
import type { Clock, WorkloadModule } from './clock.ts';
import { programs } from './ours-generators.ts';

const options = { asyncContext: true };

export const workloads: WorkloadModule['workloads'] = {
  yield0: (n: number, clock: Clock) => asyncio.run(() => programs.yield0(n, clock), options),
  yield_many: (n: number, clock: Clock) => asyncio.run(() => programs.yield_many(n, clock), options),
};
