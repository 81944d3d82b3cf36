/** Signals that many requests share. No counterpart in aiohttp. */

const followers = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Call `onAbort` when `signal` aborts. All callbacks of a signal are behind one listener, so that a signal for a whole
 * program is not taken for a leak.
 *
 * @returns ends it.
 */
export function followAbort(signal: AbortSignal, onAbort: () => void): () => void {
  let callbacks = followers.get(signal);
  if (callbacks === undefined) {
    callbacks = new Set();
    followers.set(signal, callbacks);
  }
  if (callbacks.size === 0) signal.addEventListener('abort', tell);
  callbacks.add(onAbort);
  return () => {
    callbacks.delete(onAbort);
    if (callbacks.size === 0) signal.removeEventListener('abort', tell);
  };
}

function tell(this: AbortSignal): void {
  for (const callback of followers.get(this) ?? []) callback();
}
