/**
 * The parts of a task that can be cancelled by themselves. No counterpart in CPython, where a timeout cancels the task:
 * a task waits for one thing at a time there.
 *
 * With one open wait per task all this is CPython's algorithm to the letter: the requests of the scopes from the
 * innermost to the task, added up, are CPython's one counter.
 */
import type { BaseEventLoop } from './base-events.ts';
import type { Strand } from './strands.ts';
import type { Task } from './tasks.ts';

/** What can be cancelled by a timeout or a group, with a counter of requests: a task, or a scope in it. */
export interface CancelTarget {
  cancel(msg?: unknown): boolean;
  cancelling(): number;
  uncancel(): number;
}

/** A cancellation found nothing to cancel: the next wait in the scope takes it. */
const UNDELIVERED = 1;
/** No wait can be opened in the scope any more. */
const CLOSED = 2;
/** The task's driver waits for an async body. */
const PARKED_DRIVER = 4;

/** The part of a task that a timeout, a group or (the root) the task itself may cancel. */
export abstract class Scope implements CancelTarget {
  // Declared only, as in `Future`.
  declare protected state: number;

  constructor() {
    this.state = 0;
  }

  abstract get parent(): Scope | null;
  abstract get root(): RootScope;
  /** Cancellation requests of this scope that were not taken back. */
  abstract get requests(): number;
  abstract cancel(msg?: unknown): boolean;
  abstract uncancel(): number;

  get closed(): boolean {
    return (this.state & CLOSED) !== 0;
  }

  get undelivered(): boolean {
    return (this.state & UNDELIVERED) !== 0;
  }

  set undelivered(undelivered: boolean) {
    if (undelivered) this.state |= UNDELIVERED;
    else this.state &= ~UNDELIVERED;
  }

  /** Requests from here outward. */
  cancelling(): number {
    let count = 0;
    for (let scope: Scope | null = this; scope !== null; scope = scope.parent) count += scope.requests;
    return count;
  }

  isInside(outer: Scope): boolean {
    for (let scope: Scope | null = this; scope !== null; scope = scope.parent)
      if (scope === outer) return true;
    return false;
  }
}

/** The scope of a timeout or group. */
export class BodyScope extends Scope {
  readonly parent: Scope;
  readonly root: RootScope;
  requests = 0;

  constructor(parent: Scope) {
    super();
    this.parent = parent;
    this.root = parent.root;
  }

  /** Cancel what is open in this scope; if nothing is, what is opened next. */
  cancel(msg?: unknown): boolean {
    this.requests++;
    this.root.cancelInside(this, msg);
    return true;
  }

  /** Take one request back, this scope's own if it has one. At none left, what was not delivered is dropped. */
  uncancel(): number {
    if (this.requests > 0) this.requests--;
    else this.root.takeBackOutermost(this);
    const left = this.cancelling();
    if (left === 0) this.root.dropUndelivered(this);
    return left;
  }

  /** No wait can be opened here any more; what is open is cancelled, and what is not delivered moves outward. */
  close(): void {
    this.state |= CLOSED;
    this.root.cancelStrandsInside(this);
    this.root.removeScope(this);
    const { parent } = this;
    if (parent instanceof BodyScope) {
      parent.requests += this.requests;
      if (this.undelivered) parent.undelivered = true;
    } else {
      this.root.liveTask?._takeOver(this.requests, this.undelivered);
    }
    this.requests = 0;
    this.undelivered = false;
  }
}

/** The scope of a whole task, with all its open strands. */
export class RootScope extends Scope {
  readonly task: Task<any> | null;
  /** The open strands, newest first. */
  #first: Strand | null = null;
  /** The open scopes inside, outermost first; null for none, since most tasks have none for most of their time. */
  #scopes: Set<BodyScope> | null = null;
  /** The scope that the task's own generator is in. */
  driverScope: Scope = this;

  constructor(task: Task<any> | null) {
    super();
    this.task = task;
  }

  get loop(): BaseEventLoop {
    return (this.task as Task<any>)._loop;
  }

  get parent(): null {
    return null;
  }

  get root(): this {
    return this;
  }

  get requests(): number {
    return this.task?._cancelRequests ?? 0;
  }

  addScope(scope: BodyScope): void {
    this.#scopes ??= new Set();
    this.#scopes.add(scope);
  }

  removeScope(scope: BodyScope): void {
    this.#scopes?.delete(scope);
    if (this.#scopes?.size === 0) this.#scopes = null;
  }

  /** The task, while it runs: what is left of its strands afterwards belongs to nobody. */
  get liveTask(): Task<any> | null {
    return this.task === null || this.task.done() ? null : this.task;
  }

  get isParked(): boolean {
    return (this.state & PARKED_DRIVER) !== 0;
  }

  // An async body that runs without a wait of ours open waits for something outside the loop.
  set isParked(isParked: boolean) {
    if (isParked === this.isParked) return;
    this.state ^= PARKED_DRIVER;
    if (this.#first !== null) return;
    if (isParked) this.loop._foreignWaits++;
    else this.loop._endForeignWait();
  }

  get hasOpenStrands(): boolean {
    return this.#first !== null;
  }

  link(strand: Strand): void {
    const next = this.#first;
    if (next !== null) next.previous = strand;
    else if (this.isParked) this.loop._endForeignWait();
    strand.next = next;
    this.#first = strand;
  }

  unlink(strand: Strand): void {
    const { previous, next } = strand;
    if (previous !== null) previous.next = next;
    else this.#first = next;
    if (next !== null) next.previous = previous;
    else if (previous === null && this.isParked) this.loop._foreignWaits++;
    strand.previous = null;
    strand.next = null;
  }

  cancel(msg?: unknown): boolean {
    if (this.task !== null) return this.task.cancel(msg);
    this.cancelInside(this, msg);
    return true;
  }

  uncancel(): number {
    return this.task === null ? 0 : this.task.uncancel();
  }

  close(): void {
    this.state |= CLOSED;
    this.cancelStrandsInside(this);
  }

  /** Cancel every open strand in `scope`, and the task's own generator if it is there; else what comes next. */
  cancelInside(scope: Scope, msg: unknown): void {
    const { liveTask: task } = this;
    const taken = this.cancelStrandsInside(scope, msg);
    if (task === null) {
      if (!taken) scope.undelivered = true;
    } else if (!this.isParked && this.driverScope.isInside(scope)) {
      if (task._waiter === null || !task._waiter.cancel(msg)) task._requireCancel(msg);
    } else if (!taken) {
      if (scope === this) task._requireCancel(msg);
      else scope.undelivered = true;
      task._value = msg;
      this.loop._cancelledInForeignWait(task);
    }
  }

  /** Cancel every open strand in `scope`. Returns whether there was one. */
  cancelStrandsInside(scope: Scope, msg?: unknown): boolean {
    let taken = false;
    for (const strand of this.openStrands()) {
      // One cancellation may end another's wait, or open the way for code that does.
      if (!strand.isOpen || !strand.scope.isInside(scope)) continue;
      strand.cancel(msg);
      taken = true;
    }
    return taken;
  }

  /** Oldest first. */
  openStrands(): Strand[] {
    const strands: Strand[] = [];
    for (let strand = this.#first; strand !== null; strand = strand.next) strands.push(strand);
    return strands.reverse();
  }

  /** CPython's one counter does not know who asked: take a request back from whoever stands furthest out. */
  takeBackOutermost(from: Scope | null): void {
    if (this.task !== null && this.task._cancelRequests > 0) {
      this.task._cancelRequests--;
      return;
    }
    for (const scope of this.#scopes ?? []) {
      if (scope.requests === 0 || (from !== null && !from.isInside(scope))) continue;
      scope.requests--;
      return;
    }
  }

  /** No request is left from `from` outward: cancellations that nobody was thrown are dropped. */
  dropUndelivered(from: Scope): void {
    markDelivered(from);
    for (let strand = this.#first; strand !== null; strand = strand.next) {
      if (strand.scope.isInside(from)) strand.dropUndelivered();
    }
  }

  /** Requests of the scopes inside. */
  requestsInside(): number {
    let count = 0;
    for (const scope of this.#scopes ?? []) count += scope.requests;
    return count;
  }
}

/** The scope of async code without a task: clean-up after the end of one, a callback. */
export class DetachedScope extends RootScope {
  readonly #loop: BaseEventLoop;

  constructor(loop: BaseEventLoop) {
    super(null);
    this.#loop = loop;
  }

  override get loop(): BaseEventLoop {
    return this.#loop;
  }
}

/** Whether a cancellation waits for the next wait in `scope`. */
export function hasUndelivered(scope: Scope): boolean {
  if (scope.root.liveTask?._mustCancel()) return true;
  for (let s: Scope | null = scope; s !== null; s = s.parent) if (s.undelivered) return true;
  return false;
}

export function markDelivered(scope: Scope): void {
  scope.root.task?._dropUndelivered();
  for (let s: Scope | null = scope; s !== null; s = s.parent) s.undelivered = false;
}
