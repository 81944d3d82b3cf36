/** A loop in virtual time. */
import { notes } from '../../core/task-notes.ts';
import { NodeHost } from '../../host/node.ts';
import { VirtualHost } from '../../host/virtual.ts';
import { NodeEventLoop } from '../../io/event-loop.ts';

/**
 * A loop whose time starts at 0 and jumps to the next deadline when nothing is ready: an hour's `sleep` takes no
 * time, and the order of events is the same in every run. If nothing can go on, the run ends with a `DeadlockError`
 * that names each waiting task and where it waits.
 *
 * Real I/O works: while something outside is pending, time stands still.
 *
 * ```ts
 * await run(main, { loopFactory: () => new VirtualEventLoop() });
 * ```
 *
 * @param options.start - the first time, in seconds. Default 0.
 * @param options.places - note where each task awaits, for the report of a deadlock. Costs some microseconds per
 *   await. Default true.
 */
export class VirtualEventLoop extends NodeEventLoop {
  constructor(options: { start?: number; places?: boolean } = {}) {
    super(new VirtualHost(new NodeHost(), options.start ?? 0));
    this._notesAwaits = options.places ?? true;
    if (this._notesAwaits) notes.awaits = true;
  }
}
