/**
 * Daemons do not keep this process alive, unless somebody here waits for what they may do: for an item, a lock, an event.
 */

/** A daemon. */
export interface Holdable {
  hold(): void;
  release(): void;
}

const daemons = new Set<Holdable>();
let waiting = 0;

/** A daemon was started. */
export function addDaemon(daemon: Holdable): void {
  daemons.add(daemon);
  if (waiting > 0) daemon.hold();
}

/** It has ended. */
export function deleteDaemon(daemon: Holdable): void {
  if (daemons.delete(daemon) && waiting > 0) daemon.release();
}

/** Somebody waits. */
export function beginWait(): void {
  if (++waiting === 1) for (const daemon of daemons) daemon.hold();
}

/** The wait is over. */
export function endWait(): void {
  if (--waiting === 0) for (const daemon of daemons) daemon.release();
}
