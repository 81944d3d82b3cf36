/** A connection within the process: what is written to one end is read at the other. */
import { Duplex } from 'node:stream';

/** One of the ends. It behaves as a socket does: who destroys it ends the other side, too. */
class End extends Duplex {
  peer!: End;
  /** Called when the other side wants more. */
  #proceed: (() => void) | null = null;

  constructor() {
    super({ allowHalfOpen: false });
  }

  override _read(): void {
    this.peer.#go();
  }

  #go(): void {
    const proceed = this.#proceed;
    this.#proceed = null;
    proceed?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.peer.destroyed)
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }));
    else if (this.peer.push(chunk)) done();
    else this.#proceed = done;
  }

  override _final(done: () => void): void {
    if (!this.peer.destroyed) this.peer.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { peer } = this;
    this.#go();
    if (!peer.destroyed && !peer.readableEnded) {
      peer.push(null);
      // Its end is seen by who reads; who does not is told all the same.
      peer.resume();
    }
    done(error);
  }
}

/** Both ends of a new connection. */
export function openLine(): [near: Duplex, far: Duplex] {
  const near = new End();
  const far = new End();
  near.peer = far;
  far.peer = near;
  return [near, far];
}
