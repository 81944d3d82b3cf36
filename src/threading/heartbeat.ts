/**
 * What keeps a thread alive while it waits for others, and looks after its waits.
 *
 * `Atomics.waitAsync` does not keep the event loop of its thread alive, so an interval does. Its turns are the safety
 * net as well: a wake-up can be lost with a thread that was terminated on its way to pass it on, and then each thread
 * that waits finds out by itself.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Timer } from '../concurrent/timer.ts';

// Taken when the module is loaded, so that a test library's fake timers stop no thread.
const { clearInterval, setInterval } = globalThis;

const PERIOD_MS = 1000;

/** Run what belongs to no task: it would keep the task that came first in memory, and run in its name. */
export const detached = AsyncLocalStorage.snapshot();

/** Something that waits, or has waited. */
export interface Patient {
  /** @internal Once in a while: look whether there is something to do. Returns whether to come again. */
  _look(): boolean;
}

const patients = new Set<Patient>();
let waits = 0;
let timer: NodeJS.Timeout | null = null;

function look(): void {
  for (const patient of patients) if (!patient._look()) patients.delete(patient);
  if (patients.size > 0 || waits > 0 || timer === null) return;
  clearInterval(timer);
  timer = null;
}

function start(): NodeJS.Timeout {
  return detached(() => setInterval(look, PERIOD_MS).unref());
}

/** Look after `patient` until it wants no more. */
export function lookAfter(patient: Patient): void {
  patients.add(patient);
  timer ??= start();
}

/** A wait begins: the thread stays alive. */
export function beginWait(): void {
  timer ??= start();
  if (waits++ === 0) timer.ref();
}

/** It is over. */
export function endWait(): void {
  if (--waits === 0) timer?.unref();
}

/** A timer that keeps the thread alive. */
export function startAlarm(seconds: number, ring: () => void): Timer {
  return detached(() => new Timer(seconds, ring));
}
