/**
 * Coroutines that nobody awaited. No counterpart file in CPython, whose coroutine objects warn when they are freed.
 *
 * A lazy coroutine that is forgotten does nothing: `queue.put(x)` without `await` must not pass in silence. Nearly
 * every coroutine is awaited in the statement that makes it, so new ones are kept in a short list, which costs a few
 * nanoseconds each; only what is still waiting when the list is full is watched by a FinalizationRegistry.
 */
import { UNAWAITED_NURSERY } from './constants.ts';
import { extractStack, formatStack } from './format-helpers.ts';
import { logger } from './log.ts';
import type { StackFrame } from './types.ts';

/** What can be forgotten. */
export interface Forgettable {
  readonly name: string;
  /** Whether somebody awaits it, made a task of it, or closed it. */
  _isClaimed(): boolean;
}

interface Watched {
  readonly ref: WeakRef<Forgettable>;
  readonly name: string;
  readonly created: StackFrame[] | null;
}

/** Whether coroutines are watched: not in production, where the host says so; always in debug mode. */
export const unawaited = { enabled: false, debug: false };

/** New ones, and those that were not claimed when the list was looked through the last time. */
// A list of fixed length that is filled by place: `push` would cost as much as the coroutine.
// Renewed when it is full: to note a new object in an old one costs the collector several times as much as in a new one.
let nursery = newNursery();
let nurserySize = 0;
let survivors: Forgettable[] = [];
const places = new WeakMap<Forgettable, StackFrame[]>();
const watched = new Map<WeakRef<Forgettable>, Watched>();
const entries = new WeakMap<Forgettable, Watched>();
const collected = new FinalizationRegistry<Watched>((entry) => {
  // One that was claimed meanwhile has taken itself out.
  if (watched.delete(entry.ref)) logger.warning(describe(entry));
});

/** `coro` was made. */
export function trackUnawaited(coro: Forgettable): void {
  if (unawaited.debug) places.set(coro, extractStack());
  nursery[nurserySize++] = coro;
  if (nurserySize === UNAWAITED_NURSERY) sweep();
}

/** `coro` is awaited after all. Asked of every coroutine, so the usual answer comes first. */
export function forgetUnawaited(coro: Forgettable): void {
  if (watched.size === 0) return;
  const entry = entries.get(coro);
  if (entry !== undefined) watched.delete(entry.ref);
}

/** Let go of what was claimed, and of all that it holds. Called when a loop has nothing to do. */
export function releaseClaimed(): void {
  const size = nurserySize;
  nurserySize = 0;
  for (let i = 0; i < size; i++) {
    const coro = nursery[i] as Forgettable;
    nursery[i] = null;
    if (!coro._isClaimed()) nursery[nurserySize++] = coro;
  }
}

function newNursery(): (Forgettable | null)[] {
  return new Array<Forgettable | null>(UNAWAITED_NURSERY).fill(null);
}

function sweep(): void {
  for (const coro of survivors) if (!coro._isClaimed()) watch(coro);
  survivors = [];
  for (let i = 0; i < nurserySize; i++) {
    const coro = nursery[i] as Forgettable;
    if (!coro._isClaimed()) survivors.push(coro);
  }
  if (nurserySize === UNAWAITED_NURSERY) nursery = newNursery();
  else nursery.fill(null, 0, nurserySize);
  nurserySize = 0;
}

function watch(coro: Forgettable): void {
  const entry: Watched = { ref: new WeakRef(coro), name: coro.name, created: places.get(coro) ?? null };
  watched.set(entry.ref, entry);
  entries.set(coro, entry);
  collected.register(coro, entry);
}

/** A run is over: warn about every coroutine that nobody awaited until now. */
export function reportUnawaited(): void {
  for (const text of takeUnawaited()) logger.warning(text);
}

/** What is to be said of every coroutine that nobody awaited until now; it will not be said again. */
export function takeUnawaited(): string[] {
  // Twice: once from the new ones to the survivors, once from those.
  sweep();
  sweep();
  const texts = [...watched.values()].map(describe);
  watched.clear();
  return texts;
}

function describe(entry: Watched): string {
  const place =
    entry.created === null
      ? ''
      : `\nCoroutine created at (most recent call last)\n${formatStack(entry.created)}`;
  return `RuntimeWarning: coroutine '${entry.name}' was never awaited${place}`;
}
