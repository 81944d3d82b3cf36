/** The program that worker threads and child processes run. */
import type { MessagePort } from 'node:worker_threads';
import { Claims } from './concurrent/claims.ts';
import { FromWorker, type ToWorkerEntry } from './concurrent/protocol.ts';
import { type Channel, WorkerCalls } from './concurrent/worker-calls.ts';
import type { WorkerData } from './concurrent/workers.ts';
import { beWorker } from './host/is-main.ts';
import { EventLoop } from './io/event-loop.ts';

const newLoop = (): EventLoop => new EventLoop();
const threads = process.getBuiltinModule('node:worker_threads');
const v8 = process.getBuiltinModule('node:v8');

function threadChannel(port: MessagePort): Channel {
  return {
    way: 'thread',
    send: (entries, transfer) => port.postMessage(entries, transfer),
    canBeSent: (value) => succeeds(() => structuredClone(value)),
    exit: (code) => process.exit(code),
  };
}

function processChannel(): Channel {
  let unsent = 0;
  let exitCode: number | null = null;
  const sent = (): void => {
    if (--unsent === 0 && exitCode !== null) process.exit(exitCode);
  };
  return {
    way: 'process',
    send: (entries) => {
      // Without a parent there is nobody to work for.
      if (!process.connected) return;
      process.send?.(entries, undefined, undefined, sent);
      unsent++;
    },
    canBeSent: (value) => succeeds(() => v8.serialize(value)),
    // What was sent and printed last is on its way, and would be lost with the process.
    exit: (code) => {
      exitCode = code;
      for (const stream of [process.stdout, process.stderr]) {
        if (!(stream.writableLength > 0)) continue;
        unsent++;
        stream.write('', sent);
      }
      if (unsent === 0) process.exit(code);
    },
  };
}

function succeeds(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

/** Who takes what the parent sends: the calls of a pool, or the one program that this process was started for. */
function receiverFor(channel: Channel, data: WorkerData): (entries: readonly ToWorkerEntry[]) => void {
  beWorker(data);
  if (data.asyncioTs === 'pool') {
    const claims = data.claims ? new Claims(data.claims) : null;
    const calls = new WorkerCalls(channel, data.concurrency, claims, newLoop);
    return (entries) => calls.receive(entries);
  }
  // Pools have no use for it, and start sooner without.
  const child = import('./multiprocessing/child.ts').then(
    ({ ChildProgram }) => new ChildProgram(channel, data),
  );
  return (entries) => void child.then((it) => it.receive(entries));
}

const { parentPort, workerData } = threads;
if (parentPort !== null) {
  const channel = threadChannel(parentPort);
  const receive = receiverFor(channel, workerData as WorkerData);
  parentPort.on('message', receive);
  parentPort.on('messageerror', (error) => {
    throw error;
  });
  channel.send([[FromWorker.READY]], []);
} else {
  const data = JSON.parse(process.argv[2] as string) as WorkerData;
  process.title = data.name;
  const channel = processChannel();
  const receive = receiverFor(channel, data);
  process.on('message', (entries) => receive(entries as []));
  // Without a parent there is nobody to work for.
  process.on('disconnect', () => process.exit(1));
  // Ctrl-C in a terminal goes to the whole group. The parent decides what becomes of the workers of its pools.
  if (data.asyncioTs === 'pool') process.on('SIGINT', () => {});
  channel.send([[FromWorker.READY]], []);
}
