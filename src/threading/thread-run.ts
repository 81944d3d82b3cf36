/** A started thread: its worker, and the one call that it runs. */
import { RuntimeError, SystemExit } from '../core/exceptions.ts';
import { FromWorker, type FromWorkerEntry, ToWorker, type ToWorkerEntry } from '../concurrent/protocol.ts';
import { unpackError } from '../concurrent/remote-errors.ts';
import { asPicklingError, currentVariables, packArgs } from '../concurrent/sending.ts';
import { exportsOf, type Place } from '../concurrent/targets.ts';
import { type Death, startThread, type WorkerHandle, type WorkerListener } from '../concurrent/workers.ts';
import { stackSizeMb } from './stack-size.ts';

/** What a run tells. */
export interface RunOwner {
  readonly name: string;
  readonly daemon: boolean;
  _began(): void;
  _failed(error: Error): void;
  _ended(): void;
}

/** The run of a thread. */
export class ThreadRun implements WorkerListener {
  readonly #owner: RunOwner;
  readonly #place: Place;
  readonly #handle: WorkerHandle;
  /** How many wait for a daemon. */
  #holds = 0;

  /** @throws PicklingError if the arguments cannot be sent; then no thread is left. */
  constructor(owner: RunOwner, place: Place, args: readonly unknown[]) {
    this.#owner = owner;
    this.#place = place;
    const { name, daemon } = owner;
    const stackSize = stackSizeMb();
    const resourceLimits = stackSize === null ? undefined : { stackSizeMb: stackSize };
    this.#handle = startThread({ name, concurrency: 1, daemon, resourceLimits }, this);
    if (daemon) this.#handle.unref();
    try {
      this.#send(args);
    } catch (error) {
      this.#handle.kill();
      throw asPicklingError(`${name}: ${place.name}()`, args, this.#handle, error);
    }
  }

  #send(args: readonly unknown[]): void {
    const packed = packArgs(args, 0, this.#handle);
    const variables = currentVariables()?.filter(([, value]) => this.#handle.canBeSent(value)) ?? null;
    const entries: ToWorkerEntry[] = [
      [ToWorker.PLACE, 0, this.#place],
      [ToWorker.CALL, 0, 0, packed.args, packed.flags, variables],
      [ToWorker.CLOSE],
    ];
    this.#handle.post(entries, packed.transfer);
  }

  get ident(): number | null {
    return this.#handle.ident;
  }

  /** Keep the process alive even for a daemon, until `release`. */
  hold(): void {
    if (this.#holds++ === 0) this.#handle.ref();
  }

  release(): void {
    if (--this.#holds === 0 && this.#owner.daemon) this.#handle.unref();
  }

  onMessage(entries: readonly FromWorkerEntry[]): void {
    for (const entry of entries) {
      if (entry[0] === FromWorker.READY) this.#owner._began();
      else if (entry[0] === FromWorker.LINK) this.#handle.link.receive(entry[1]);
      else if (entry[0] === FromWorker.ERROR) {
        const error = unpackError(entry[2], exportsOf(this.#place.module));
        // It ends the thread, and is no failure.
        if (!(error instanceof SystemExit)) this.#owner._failed(error);
      }
    }
  }

  onExit({ error }: Death): void {
    // Without one, the thread has ended itself: by `process.exit()`, which is `SystemExit` there.
    if (error !== undefined)
      this.#owner._failed(error instanceof Error ? error : new RuntimeError(String(error)));
    this.#owner._ended();
  }
}
