/** The memory that a connection of ours is received into. No counterpart in CPython, where each read makes bytes of its own. */
import type { OnReadOpts, Socket } from 'node:net';

/** Bytes that there is room for at least, whenever something comes. What Node takes. */
const ROOM = 64 * 1024;

/** The room of a connection that fills it: what the default limit of a reader lets come in at once. */
const LARGE_ROOM = 128 * 1024;

/** What is no longer is copied into memory of its own, and the room is used again. */
const SMALL = 16 * 1024;

/**
 * Takes what a socket receives, in place of its stream: in larger pieces, and without memory of its own for each little
 * one.
 */
export class Inlet implements OnReadOpts {
  /** Who gets it. Nothing comes before somebody resumes the socket. */
  receive: (chunk: Buffer) => void = () => {};
  #room: Buffer = Buffer.allocUnsafeSlow(ROOM);

  /** For Node: where to put what comes next. */
  readonly buffer = (): Uint8Array => this.#room;

  /** For Node: so much has come. */
  readonly callback = (size: number): boolean => {
    const room = this.#room;
    if (size <= SMALL) {
      this.receive(Buffer.from(room.subarray(0, size)));
      return true;
    }
    if (room.length - size < ROOM)
      this.#room = Buffer.allocUnsafeSlow(size === room.length ? LARGE_ROOM : ROOM);
    else this.#room = room.subarray(size);
    this.receive(room.subarray(0, size));
    return true;
  };
}

/** Those of the sockets that were made with one. */
export const inlets: WeakMap<Socket, Inlet> = new WeakMap();
