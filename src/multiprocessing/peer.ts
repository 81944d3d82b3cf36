/**
 * The other end of a link, for shared things: those that it uses of ours, and those that we use of it. An operation is one
 * message and its answer one. What was taken and has not come by the time the other side ends, goes back.
 */
import { type Link, type LinkUser } from '../concurrent/link.ts';
import { packError, type PackedError, unpackError } from '../concurrent/remote-errors.ts';
import { Started } from '../concurrent/started.ts';
import { RuntimeError } from '../core/exceptions.ts';
import { type Client, exporter, type Shared, TAKING, WAITING } from './shared.ts';

/** The first element of a message. */
const Message = {
  /** `[CALL, request, id, op, args, client]` */
  CALL: 0,
  /** `[CANCEL, request]`: whatever has become of it, it did not come. */
  CANCEL: 1,
  /** `[SEEN, request]`: what was taken has come. */
  SEEN: 2,
  /** `[BACK, id, op, value, client]`: it has come, and nobody saw it. */
  BACK: 3,
  /** `[GONE, id, prefix, isClean]` */
  GONE: 4,
  /** `[DROP, id, uses]`: nobody there has it any more. */
  DROP: 5,
  /** `[RESULT, request, value]` */
  RESULT: 6,
  /** `[ERROR, request, error]` */
  ERROR: 7,
} as const;

type PeerMessage =
  | readonly [
      op: typeof Message.CALL,
      request: number,
      id: number,
      op: string,
      args: unknown[],
      client: Client,
    ]
  | readonly [op: typeof Message.CANCEL | typeof Message.SEEN, request: number]
  | readonly [op: typeof Message.BACK, id: number, op: string, value: unknown, client: Client]
  | readonly [op: typeof Message.GONE, id: number, prefix: Client, isClean: boolean]
  | readonly [op: typeof Message.DROP, id: number, uses: number]
  | readonly [op: typeof Message.RESULT, request: number, value: unknown]
  | readonly [op: typeof Message.ERROR, request: number, error: PackedError];

interface Exported {
  readonly shared: Shared;
  /** How often it was sent there. */
  uses: number;
}

/** What is known of a thing of the other side, beyond the life of the object for it. */
interface ImportState {
  /** How often it has come. */
  uses: number;
  /** What is given to it may get lost at the end of this process. */
  isNeglected: boolean;
}

interface Imported {
  readonly remote: WeakRef<RemoteShared>;
  readonly state: ImportState;
}

interface Request {
  readonly started: Started<unknown>;
  readonly op: string;
  readonly remote: RemoteShared;
}

let peers = 0;

/** The other side of one link. */
export class Peer implements LinkUser {
  readonly #link: Link;
  /** What the other side's clients are called here. */
  readonly #prefix: Client = `${++peers}.`;

  // What the other side uses of ours.
  readonly #exports = new Map<number, Exported>();
  readonly #numbers = new Map<Shared, number>();
  #lastId = 0;
  readonly #running = new Map<number, Started<unknown>>();
  readonly #delivered = new Map<number, { readonly started: Started<unknown>; readonly value: unknown }>();

  // What we use of the other side's.
  readonly #imports = new Map<number, Imported>();
  readonly #requests = new Map<number, Request>();
  #lastRequest = 0;
  readonly #collected = new FinalizationRegistry<number>((id) => {
    const imported = this.#imports.get(id);
    // It may have come once more meanwhile.
    if (imported === undefined || imported.remote.deref() !== undefined) return;
    this.#imports.delete(id);
    this.#send([Message.DROP, id, imported.state.uses]);
  });

  constructor(link: Link) {
    this.#link = link;
  }

  /** The one of a link. */
  static of(link: Link): Peer {
    return link.use((it) => new Peer(it));
  }

  #send(message: PeerMessage): void {
    this.#link.send(message);
  }

  /** Let the other side use `shared`. */
  put(shared: Shared): number {
    let id = this.#numbers.get(shared);
    if (id === undefined) {
      id = ++this.#lastId;
      this.#numbers.set(shared, id);
      this.#exports.set(id, { shared, uses: 0 });
    }
    (this.#exports.get(id) as Exported).uses++;
    // An end of a pipe is open there from now on, and not only when the parcel is unpacked.
    shared.call('open', [], this.#prefix);
    return id;
  }

  /** What the other side has put under `id`. */
  get(id: number): RemoteShared {
    const known = this.#imports.get(id);
    const state = known?.state ?? { uses: 0, isNeglected: false };
    state.uses++;
    let remote = known?.remote.deref();
    if (remote === undefined) {
      remote = new RemoteShared(this, id, state);
      this.#imports.set(id, { remote: new WeakRef(remote), state });
      this.#collected.register(remote, id);
    }
    return remote;
  }

  /** Ask the other side. */
  ask(remote: RemoteShared, op: string, args: readonly unknown[], client: Client): Started<unknown> {
    const request = ++this.#lastRequest;
    const started = new Started<unknown>(`${op}()`, {
      withdraw: () => {
        this.#requests.delete(request);
        this.#send([Message.CANCEL, request]);
      },
      ...(TAKING.has(op) && { giveBack: (value: unknown) => this.giveBack(remote.id, op, value, client) }),
    });
    if (this.#link.isClosed) {
      started._reject(new RuntimeError('the process that this belongs to has ended'));
      return started;
    }
    this.#requests.set(request, { started, op, remote });
    this.#send([Message.CALL, request, remote.id, op, [...args], client]);
    return started;
  }

  giveBack(id: number, op: string, value: unknown, client: Client): void {
    this.#send([Message.BACK, id, op, value, client]);
  }

  gone(id: number, prefix: Client, isClean: boolean): void {
    this.#send([Message.GONE, id, prefix, isClean]);
  }

  receive(message: PeerMessage): void {
    switch (message[0]) {
      case Message.CALL:
        this.#run(message);
        break;
      case Message.CANCEL: {
        this.#running.get(message[1])?.cancel();
        this.#running.delete(message[1]);
        const lost = this.#delivered.get(message[1]);
        this.#delivered.delete(message[1]);
        lost?.started._giveBack(lost.value);
        break;
      }
      case Message.SEEN:
        this.#delivered.delete(message[1]);
        break;
      case Message.BACK: {
        const [, id, op, value, client] = message;
        this.#exports.get(id)?.shared.giveBack(op, value, this.#prefix + client);
        break;
      }
      case Message.GONE: {
        const [, id, prefix, isClean] = message;
        this.#exports.get(id)?.shared.gone(this.#prefix + prefix, isClean);
        break;
      }
      case Message.DROP:
        this.#drop(message[1], message[2]);
        break;
      case Message.RESULT: {
        const request = this.#take(message[1]);
        if (request === undefined) break;
        if (TAKING.has(request.op)) this.#send([Message.SEEN, message[1]]);
        request.started._resolve(message[2]);
        break;
      }
      case Message.ERROR:
        this.#take(message[1])?.started._reject(unpackError(message[2]));
        break;
    }
  }

  #take(request: number): Request | undefined {
    const found = this.#requests.get(request);
    this.#requests.delete(request);
    return found;
  }

  #run([, request, id, op, args, client]: PeerMessage & { 0: typeof Message.CALL }): void {
    const exported = this.#exports.get(id) as Exported;
    let started: Started<unknown>;
    try {
      started = exported.shared.call(op, args, this.#prefix + client);
    } catch (error) {
      started = Started._failed(op, error);
    }
    this.#running.set(request, started);
    started._whenEnded((outcome) => {
      this.#running.delete(request);
      if (outcome.kind === 'cancelled') return;
      if (outcome.kind === 'error') {
        this.#send([Message.ERROR, request, packError(outcome.error, isCloneable)]);
        return;
      }
      if (TAKING.has(op)) this.#delivered.set(request, { started, value: outcome.value });
      this.#send([Message.RESULT, request, outcome.value]);
    });
  }

  #drop(id: number, uses: number): void {
    const exported = this.#exports.get(id);
    // It may have been sent once more meanwhile.
    if (exported === undefined || exported.uses !== uses) return;
    this.#exports.delete(id);
    this.#numbers.delete(exported.shared);
    exported.shared.gone(this.#prefix, true);
  }

  /** The other side has ended: what it waited for is withdrawn, what it did not get goes back, what it held is freed. */
  close(isClean: boolean): void {
    for (const started of this.#running.values()) started.cancel();
    this.#running.clear();
    // The last one first, so that they stand in their order again.
    for (const { started, value } of [...this.#delivered.values()].reverse()) started._giveBack(value);
    this.#delivered.clear();
    for (const { shared } of this.#exports.values()) shared.gone(this.#prefix, isClean);
    this.#exports.clear();
    this.#numbers.clear();
  }

  /** This process is about to end. */
  async drain(): Promise<void> {
    const left: Promise<unknown>[] = [];
    for (const { started, op, remote } of this.#requests.values()) {
      if (WAITING.has(op)) started.cancel();
      else if (!remote.state.isNeglected) left.push(started.toPromise().catch(() => {}));
    }
    await Promise.all(left);
    this.#link.flush();
  }
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** A shared thing that lives beyond a link. */
export class RemoteShared implements Shared {
  readonly id: number;
  readonly state: ImportState;
  readonly #peer: Peer;
  /** The object on it that the program has. */
  face: object | null = null;

  constructor(peer: Peer, id: number, state: ImportState) {
    this.#peer = peer;
    this.id = id;
    this.state = state;
  }

  call(op: string, args: readonly unknown[], client: Client): Started<any> {
    return this.#peer.ask(this, op, args, client);
  }

  giveBack(op: string, value: unknown, client: Client): void {
    this.#peer.giveBack(this.id, op, value, client);
  }

  gone(prefix: Client, isClean: boolean): void {
    this.#peer.gone(this.id, prefix, isClean);
  }
}

exporter.put = (shared, link) => Peer.of(link).put(shared);

/** The object for what was put under `id` on `link`: one for each thing, made by `make` at the first time. */
export function revive<T extends object>(
  link: Link | null,
  id: number,
  make: (shared: Shared) => T,
  isUsable: (face: T) => boolean = () => true,
): T {
  if (link === null) throw new RuntimeError('it can only be shared between processes through inheritance');
  const remote = Peer.of(link).get(id);
  if (remote.face === null || !isUsable(remote.face as T)) remote.face = make(remote);
  return remote.face as T;
}
