/** Random programs with strands. */

import { Random } from './random.ts';
import type { Op, Part, StrandProgram } from './strands.ts';
import { SHARED_CALLS, SHARED_WAITS } from './strands-primitives.ts';

const DELAYS = [0, 1, 1, 2, 2, 3, 5];

export function generateStrands(seed: number): StrandProgram {
  const random = new Random(seed);
  let budget = 6 + random.below(30);
  const limit = (): number => random.pick([1, 1, 2, 3, 0]) + 0.5 * random.below(2);

  // Half of the programs are about primitives, too.
  const shared = random.chance(0.5) ? 1 : 0;
  /** Inside of what is held nothing is taken and no task awaited: it might wait for the same. */
  let held = 0;

  /** `quiet` parts fail only by cancellation: nobody may be there to see another error. */
  function part(depth: number, task: number, quiet: boolean): Part {
    const ops: Op[] = [];
    for (let i = 1 + random.below(3); i > 0 && budget > 0; i--) ops.push(op(depth, task, quiet));
    return ops;
  }

  function op(depth: number, task: number, quiet: boolean): Op {
    budget--;
    const free = held === 0 ? 1 : 0;
    const deep = depth > 0 ? 1 : 0;
    const loud = quiet ? 0 : 1;
    const parts = (): Part[] =>
      Array.from({ length: 2 + random.below(2) }, () => part(depth - 1, task, quiet));
    const kind = random.weighted({
      sleep: 6,
      foreign: 2,
      all: 2 * deep,
      allSettled: 2 * deep,
      race: 2 * deep,
      spare: 1.5 * deep,
      timeout: 2 * deep * loud,
      waitFor: 2 * deep * loud,
      group: 1.5 * deep * loud,
      try: 1.5 * deep,
      task: 0.5 * deep * loud,
      join: task > 0 ? 0.7 * loud * free : 0,
      fail: 0.3 * loud,
      held: 6 * shared * deep * free,
      condition: 2 * shared,
      shared: 5 * shared,
      call: 3 * shared,
    });
    switch (kind) {
      case 'sleep':
        return { k: 'sleep', d: random.pick(DELAYS) };
      case 'foreign':
        return {
          k: 'foreign',
          by: random.pick(['microtask', 'tick', 'immediate', 'timer']),
          wrap: random.chance(0.5),
        };
      case 'all':
      case 'allSettled':
      case 'race':
        return { k: kind, parts: parts() };
      case 'spare':
        return { k: 'spare', part: part(depth - 1, task, true), awaited: random.chance(0.6) };
      case 'timeout':
      case 'waitFor':
        return { k: kind, d: limit(), part: part(depth - 1, task, quiet) };
      case 'group': {
        const children = Array.from({ length: 1 + random.below(2) }, () => part(depth - 1, task, quiet));
        return { k: 'group', children, part: part(depth - 1, task, quiet) };
      }
      case 'try': {
        const cleanup = random.chance(0.5) ? part(0, task, true) : [];
        return { k: 'try', part: part(depth - 1, task, quiet), swallow: random.chance(0.3), cleanup };
      }
      case 'task':
        return { k: 'task', part: part(depth - 1, task, false) };
      case 'join':
        return { k: 'join', task: random.below(task) };
      case 'fail':
        return { k: 'fail' };
      case 'held': {
        held++;
        const inner = part(depth - 1, task, quiet);
        held--;
        return { k: 'held', what: random.pick(['lock', 'semaphore']), part: inner };
      }
      case 'condition':
        return { k: 'condition', notify: random.chance(0.5) };
      case 'shared':
        return { k: 'shared', what: random.pick(SHARED_WAITS) };
      case 'call':
        return { k: 'call', what: random.pick(SHARED_CALLS) };
    }
  }

  /** Strands that stand in the same lines and leave them at the same instants. */
  function crowd(): Part {
    const stand = (): Op => {
      const stay: Part = random.chance(0.7) ? [{ k: 'sleep', d: random.pick([0, 1, 1, 2]) }] : [];
      const op: Op = random.chance(0.5)
        ? { k: 'held', what: random.pick(['lock', 'semaphore']), part: stay }
        : { k: 'shared', what: random.pick(['get', 'get', 'put', 'put', 'barrier', 'event']) };
      return random.chance(0.2) ? { k: 'waitFor', d: 1, part: [op] } : op;
    };
    const parts = Array.from({ length: 2 + random.below(2) }, (): Part => [stand()]);
    return [{ k: random.pick(['all', 'allSettled', 'race']), parts }];
  }

  const tasks = Array.from({ length: 1 + random.below(3) }, (_, i) =>
    shared === 1 && random.chance(0.7) ? crowd() : part(3, i, false),
  );
  if (shared === 1) tasks.push(crowd());
  const turns = (): number => random.pick([0, 0, 0, 1, 2, 3]) * shared;
  const cancels = Array.from({ length: random.below(3 + 3 * shared) }, () => ({
    at: random.pick([0, 0.25, 0.5, 1, 1, 1.25, 2, 2.5, 3]),
    task: random.below(tasks.length),
    turns: turns(),
  }));
  const wakes = Array.from({ length: random.below(5) * shared }, () => ({
    at: random.pick([0, 1, 1, 2, 2, 3]),
    what: random.pick(SHARED_CALLS),
    turns: turns(),
  }));
  return { seed, tasks, generators: random.below(3), cancels, wakes };
}
