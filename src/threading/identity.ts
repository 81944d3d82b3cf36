/** Which thread this is. */
import type { WorkerData } from '../concurrent/workers.ts';

const { isMainThread, threadId, workerData } = process.getBuiltinModule('node:worker_threads');
const data = isMainThread ? null : (workerData as Partial<WorkerData> | null);

/** Whether this is the thread that the process began with. */
export function isMain(): boolean {
  return isMainThread;
}

/** The worker's id; 0 for the main thread. */
export function threadIdOfThis(): number {
  return threadId;
}

/** Its name; a worker that somebody else has made is a dummy. */
export function nameOfThis(): string {
  if (isMainThread) return 'MainThread';
  return data?.asyncioTs === undefined ? 'Dummy-1' : (data.name as string);
}

/** Whether it ends with the process. */
export function isDaemonThis(): boolean {
  return data?.daemon ?? false;
}

/** The class that CPython would make for it. */
export function classOfThis(): string {
  if (isMainThread) return '_MainThread';
  return data?.asyncioTs === undefined ? '_DummyThread' : 'Thread';
}
