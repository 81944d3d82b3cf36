/** What threads call that have no plain target. Workers import this module by itself. */
import { iscoroutine } from '../core/coroutines.ts';
import { createTask } from '../core/tasks.ts';
import { type Exports, functionAt, type Place } from '../concurrent/targets.ts';
import type { Event } from './event.ts';
import type { Thread } from './thread.ts';

/** One of these functions, as a target. */
export function runnerPlace(name: 'runSubclass' | 'runTimer' | 'doNothing'): Place {
  return { module: import.meta.url, name, text: null, isNamed: true };
}

/** What a function of any kind gave: a generator is a coroutine, and is run. */
async function settle(result: unknown): Promise<unknown> {
  return iscoroutine(result) ? createTask(result) : result;
}

async function find(place: Place): Promise<(...args: unknown[]) => unknown> {
  return functionAt(place, (await import(place.module)) as Exports);
}

/** Calls the `run` of an object made of the class at `place` and its fields, which may call the target in turn. */
export async function runSubclass(
  place: Place,
  fields: Record<string, unknown>,
  target: Place | null,
  args: unknown[],
): Promise<unknown> {
  const { prototype } = (await find(place)) as unknown as { prototype: Thread };
  const thread = Object.assign(Object.create(prototype) as Thread, fields, {
    _target: target === null ? null : await find(target),
    _args: args,
  });
  thread._becomeCurrent();
  return settle(thread.run());
}

/** Calls the function at `place` when `seconds` are over, unless `finished` is set before. */
export async function runTimer(
  finished: Event,
  seconds: number,
  place: Place,
  args: unknown[],
): Promise<unknown> {
  if (await finished.wait(seconds)) return null;
  try {
    return await settle((await find(place))(...args));
  } finally {
    finished.set();
  }
}

/** The target of those who have none. */
export function doNothing(): void {}
