/**
 * Shared memory in items of queues: that of a lock, or of another queue. Bytes in memory cannot hold it, only messages
 * can, so it is told to all threads at once, beside the item. A thread that came later asks for it.
 */
import { BroadcastChannel, receiveMessageOnPort, threadId } from 'node:worker_threads';
import { detached } from './heartbeat.ts';

/** What threads tell each other. */
type Message =
  | { readonly kind: 'here'; readonly key: string; readonly memory: readonly SharedArrayBuffer[] }
  | { readonly kind: 'asked'; readonly key: string }
  | { readonly kind: 'taken'; readonly key: string };

/** The memory of items that are in queues. Who has put them keeps it, and all who have heard. */
const kept = new Map<string, readonly SharedArrayBuffer[]>();
const asking = new Map<string, () => void>();
let channel: BroadcastChannel | null = null;
let last = 0;

function hear(message: Message): void {
  const { key } = message;
  if (message.kind === 'here') {
    kept.set(key, message.memory);
    asking.get(key)?.();
  } else if (message.kind === 'taken') kept.delete(key);
  else {
    const memory = kept.get(key);
    if (memory !== undefined) tell({ kind: 'here', key, memory });
  }
}

function tell(message: Message): void {
  channel?.postMessage(message);
}

/** From now on there are other threads to talk to: a queue has come from one, or goes to one. */
export function listen(): void {
  channel ??= detached(() => {
    const opened = new BroadcastChannel('asyncio-ts threading');
    opened.onmessage = (event) => hear((event as unknown as { data: Message }).data);
    // Listening alone keeps no thread alive.
    opened.unref();
    return opened;
  });
}

/** Keep `memory` for an item that is about to be put. Returns its key. */
export function attach(memory: readonly SharedArrayBuffer[]): string {
  const key = `${threadId}:${++last}`;
  kept.set(key, memory);
  tell({ kind: 'here', key, memory });
  return key;
}

/** The memory of an item that is being taken; undefined if this thread has not heard of it. */
export function attached(key: string): readonly SharedArrayBuffer[] | undefined {
  // It was told before the item was put: it may be on its way through this very thread.
  while (!kept.has(key) && channel !== null) {
    const received: { message: Message } | undefined = receiveMessageOnPort(channel as never);
    if (received === undefined) break;
    hear(received.message);
  }
  return kept.get(key);
}

/** Ask the other threads, and call `onCome` when it comes. */
export function ask(key: string, onCome: () => void): void {
  asking.set(key, () => {
    asking.delete(key);
    onCome();
  });
  tell({ kind: 'asked', key });
}

/** It is asked for no longer. */
export function stopAsking(key: string): void {
  asking.delete(key);
}

/** The item was taken, or thrown away: nobody needs its memory here. */
export function detach(key: string): void {
  if (kept.delete(key)) tell({ kind: 'taken', key });
}
