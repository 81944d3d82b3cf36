/**
 * The line to another thread or process, for live objects that are used there and live here: a queue, a lock. It carries
 * plain messages over the channel that carries the calls, and knows nothing of what they mean.
 */

/** Who uses a link. */
export interface LinkUser {
  /** What the other side has sent, in order. `any`: a user knows what its counterpart sends. */
  receive(message: any): void;
  /** Nothing will come any more. `isClean`: the other side has ended as it should. */
  close(isClean: boolean): void;
  /** Until the other side has taken what was given to it. */
  drain(): Promise<void>;
}

/** One end of a line. */
export class Link {
  readonly #post: (messages: readonly unknown[]) => void;
  #outbox: unknown[] = [];
  #user: LinkUser | null = null;
  #isClosed = false;

  /** @param post - sends a batch of messages to the other end; what is sent can always be cloned. */
  constructor(post: (messages: readonly unknown[]) => void) {
    this.#post = post;
  }

  /** The user of this end, which `make` makes at the first time. */
  use<U extends LinkUser>(make: (link: Link) => U): U {
    this.#user ??= make(this);
    return this.#user as U;
  }

  /** Whether the other side is gone. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Send something. What is sent in one go travels together. */
  send(message: unknown): void {
    if (this.#isClosed) return;
    if (this.#outbox.push(message) === 1) queueMicrotask(() => this.flush());
  }

  /** Send now what waits. */
  flush(): void {
    if (this.#outbox.length === 0) return;
    const messages = this.#outbox;
    this.#outbox = [];
    this.#post(messages);
  }

  /** Messages of the other end. */
  receive(messages: readonly unknown[]): void {
    for (const message of messages) this.#user?.receive(message);
  }

  /** Until the other side has taken what was given to it, and this one may end. */
  async drain(): Promise<void> {
    await this.#user?.drain();
  }

  /** The other side has ended. */
  close(isClean: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outbox = [];
    this.#user?.close(isClean);
  }
}
