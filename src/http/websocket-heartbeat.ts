/** Whether the peer of a silent WebSocket is still there. Counterpart: parts of `aiohttp/client_ws.py`. */
import type { BaseEventLoop } from '../core/base-events.ts';
import type { TimerHandle } from '../core/events.ts';
import { ServerTimeoutError } from './exceptions.ts';

/** Seconds from which on times are full seconds of the loop's clock, so that many timers end together. */
const CEIL_THRESHOLD = 5;

/** What a heartbeat is to do. */
export interface HeartbeatActions {
  ping(): void;
  /** Nothing has come since the ping. */
  lost(error: Error): void;
  /** Whether we keep the peer from sending: its silence then says nothing. */
  isHeldUp(): boolean;
}

/** Sends a ping after so many seconds of silence; when half as many bring nothing in, the peer is lost. */
export class Heartbeat {
  readonly #loop: BaseEventLoop;
  readonly #interval: number;
  readonly #actions: HeartbeatActions;
  #when = 0;
  #timer: TimerHandle | null = null;
  #pongTimer: TimerHandle | null = null;
  #isStopped = false;

  constructor(loop: BaseEventLoop, interval: number, actions: HeartbeatActions) {
    this.#loop = loop;
    this.#interval = interval;
    this.#actions = actions;
    this.onData();
  }

  /** Something has come. The timer stays where it is, and looks at `#when` when it fires: data may come often. */
  onData(): void {
    if (this.#isStopped) return;
    this.#pongTimer?.cancel();
    this.#pongTimer = null;
    this.#when = this.#after(this.#interval);
    this.#timer ??= this.#loop.callAt(this.#when, () => this.#beat());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#pongTimer?.cancel();
    this.#timer = null;
    this.#pongTimer = null;
  }

  #after(seconds: number): number {
    const when = this.#loop.time() + seconds;
    return seconds > CEIL_THRESHOLD ? Math.ceil(when) : when;
  }

  #beat(): void {
    this.#timer = null;
    if (this.#loop.time() < this.#when) {
      this.#timer = this.#loop.callAt(this.#when, () => this.#beat());
      return;
    }
    this.#awaitPong();
    try {
      this.#actions.ping();
    } catch (error) {
      this.#actions.lost(error as Error);
    }
  }

  #awaitPong(): void {
    this.#pongTimer = this.#loop.callAt(this.#after(this.#interval / 2), () => this.#onSilence());
  }

  #onSilence(): void {
    if (this.#actions.isHeldUp()) {
      this.#awaitPong();
      return;
    }
    this.#pongTimer = null;
    const seconds = this.#interval / 2;
    const text = Number.isInteger(seconds) ? seconds.toFixed(1) : String(seconds);
    this.#actions.lost(new ServerTimeoutError(`No PONG received after ${text} seconds`));
  }
}
