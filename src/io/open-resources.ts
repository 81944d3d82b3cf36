/**
 * What a loop has opened, so that nothing of it outlives the loop. No counterpart in CPython, where a transport that
 * nobody holds any more is closed by its destructor, and sockets do not keep the process alive.
 */
import type { BaseEventLoop } from '../core/base-events.ts';
import { fromPromise, methodCoroutine } from '../core/coroutines.ts';
import { logger } from '../core/log.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { BaseTransport } from './transports.ts';

/** Something that keeps the process alive until it is closed. */
export interface OpenResource {
  /** Give it back at once: its loop is closed, and nobody will hear of it any more. */
  _dispose(): void;
}

const resources = new WeakMap<BaseEventLoop, Set<OpenResource>>();

/** `resource` is open, and belongs to `loop`. */
export function opened(loop: BaseEventLoop, resource: OpenResource): void {
  const open = resources.get(loop);
  if (open === undefined) resources.set(loop, new Set([resource]));
  else open.add(resource);
}

/** `resource` is closed. */
export function closed(loop: BaseEventLoop, resource: OpenResource): void {
  resources.get(loop)?.delete(resource);
}

/** Close what a loop that is closed itself has left open. Debug mode names it. */
export function closeAll(loop: BaseEventLoop): void {
  const open = resources.get(loop);
  if (open === undefined) return;
  resources.delete(loop);
  for (const resource of open) {
    const kind = resource instanceof BaseTransport ? 'transport ' : '';
    if (loop.getDebug()) logger.warning(`unclosed ${kind}${String(resource)}`);
    resource._dispose();
  }
}

/** Wait for what is being opened. If the wait is given up, what opens nevertheless is closed. */
export function* opening<T>(promise: Promise<T>, close: (late: T) => unknown): Gen<T> {
  try {
    return yield* fromPromise(promise);
  } catch (error) {
    promise.then(close).catch(() => {});
    throw error;
  }
}

/** Let `end` run when a run of `loop` ends, after what others have left to do there. */
export function endWithRun(loop: BaseEventLoop, end: () => Coroutine<void>): void {
  const before = loop._endOutsideWork;
  loop._endOutsideWork = before === null ? end : () => inTurn(before, end);
}

const inTurn = /* @__PURE__ */ methodCoroutine(
  'endWithRun',
  function* (first: () => Coroutine<void>, second: () => Coroutine<void>): Gen<void> {
    yield* first();
    yield* second();
  },
);
