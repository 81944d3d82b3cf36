/**
 * Which address to connect to. Counterpart: `asyncio/staggered.py`, with the parts of `create_connection` that choose
 * an address. The HTTP client connects in this way, too.
 */
import type { Socket } from 'node:net';
import type { BaseEventLoop } from '../core/base-events.ts';
import { ExceptionGroup } from '../core/exception-groups.ts';
import { asError, isBaseError, isCancelledError, TimeoutError } from '../core/exceptions.ts';
import type { Future } from '../core/futures.ts';
import { RESULT } from '../core/running.ts';
import type { Task } from '../core/tasks.ts';
import type { Gen } from '../core/types.ts';
import { FIRST_COMPLETED, wait } from '../core/waiting.ts';
import type { ResolvedAddress } from './resolve.ts';

/** Connects to one address. */
export type Connect = (address: ResolvedAddress) => Gen<Socket>;

/** Addresses of both families in turns. */
export function interleaved(
  addresses: readonly ResolvedAddress[],
  firstFamilyCount: number,
): ResolvedAddress[] {
  const families = new Map<number, ResolvedAddress[]>();
  for (const address of addresses) {
    const list = families.get(address.family);
    if (list === undefined) families.set(address.family, [address]);
    else list.push(address);
  }
  const [first = [], ...others] = families.values();
  const result = first.splice(0, firstFamilyCount - 1);
  const lists = [first, ...others];
  for (let i = 0; lists.some((list) => i < list.length); i++) {
    for (const list of lists) if (i < list.length) result.push(list[i] as ResolvedAddress);
  }
  return result;
}

/** Try one address after the other. */
export function* inTurn(
  addresses: readonly ResolvedAddress[],
  connect: Connect,
  errors: Error[],
): Gen<Socket | null> {
  for (const address of addresses) {
    try {
      return yield* connect(address);
    } catch (error) {
      if (isCancelledError(error) || isBaseError(error)) throw error;
      errors.push(asError(error));
    }
  }
  return null;
}

/**
 * Try an address each `delay` seconds, or as soon as the one before has failed; the first that answers wins, and the
 * others are closed. Errors are noted in the order of the addresses. Counterpart: `staggered_race`.
 */
export function* staggered(
  loop: BaseEventLoop,
  addresses: readonly ResolvedAddress[],
  connect: Connect,
  errors: Error[],
  delay: number,
): Gen<Socket | null> {
  const tasks: Task<Socket>[] = [];
  const running = new Set<Task<Socket>>();
  let winner: Task<Socket> | null = null;
  try {
    while (winner === null && (tasks.length < addresses.length || running.size > 0)) {
      const next = addresses[tasks.length];
      if (next !== undefined) {
        const task = loop.createTask(() => connect(next));
        tasks.push(task);
        running.add(task);
      }
      winner = yield* nextWinner(loop, running, tasks, tasks.length < addresses.length ? delay : null);
    }
    if (winner !== null) running.delete(winner);
    yield* giveUp(running);
  } catch (error) {
    if (winner !== null) discardSocket(winner);
    yield* giveUp(running);
    throw error;
  }
  if (winner !== null) return winner.result();
  for (const task of tasks) errors.push(asError(task.exception()));
  return null;
}

/** End these attempts. Who has connected all the same is closed, also if nobody waits for it here. */
function* giveUp(running: ReadonlySet<Task<Socket>>): Gen<void> {
  for (const task of running) {
    task.addDoneCallback(discardSocket);
    task.cancel();
  }
  if (running.size > 0) yield* wait(running);
}

/** Wait until one has connected, the newest has failed, or `delay` seconds are over. */
function* nextWinner(
  loop: BaseEventLoop,
  running: Set<Task<Socket>>,
  tasks: readonly Task<Socket>[],
  delay: number | null,
): Gen<Task<Socket> | null> {
  const newest = tasks[tasks.length - 1] as Task<Socket>;
  const deadline = delay === null ? null : loop.time() + delay;
  while (running.size > 0) {
    const timeout = deadline === null ? null : Math.max(deadline - loop.time(), 0);
    const [done] = yield* wait(running, { timeout, returnWhen: FIRST_COMPLETED });
    for (const task of done) {
      if (task._state === RESULT) return task;
      running.delete(task);
      // Known, even if nobody asks for it in the end.
      if (!task.cancelled()) task.exception();
    }
    if (newest.done() || done.size === 0) return null;
  }
  return null;
}

function discardSocket(task: Future<Socket>): void {
  if (task._state === RESULT) task.result().destroy();
  else if (!task.cancelled()) task.exception();
}

/** What to throw when no address has answered. */
export function connectionError(errors: readonly Error[], allErrors: boolean): Error {
  const [first] = errors;
  if (allErrors) return new ExceptionGroup('create_connection failed', [...errors]);
  if (first === undefined) return new TimeoutError('create_connection failed');
  if (errors.every((error) => error.message === first.message)) return first;
  const text = errors.map((error) => error.message).join(', ');
  const combined = Object.assign(new Error(`Multiple exceptions: ${text}`), {
    code: (first as NodeJS.ErrnoException).code,
    errors: [...errors],
  });
  return combined;
}
