/**
 * A blocking read of a URL, which Node does not have: a worker thread fetches, and the calling thread sleeps until the
 * answer is there. Nothing else runs in the calling thread meanwhile, as with any blocking read.
 */
import { once } from 'node:events';
import { get } from 'node:http';
import { isMainThread, MessageChannel, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

interface Shared {
  /** Goes from 0 to 1 when the answer is there. */
  readonly flag: Int32Array;
  readonly port: MessagePort;
}

/** What the worker answers. */
interface Reply {
  readonly text?: string;
  readonly error?: string;
}

/** Reads URLs, one after the other, and blocks the thread until each is there. */
export class BlockingReader implements AsyncDisposable {
  readonly #flag = new Int32Array(new SharedArrayBuffer(4));
  readonly #port: MessagePort;
  readonly #worker: Worker;

  private constructor(port: MessagePort, far: MessagePort) {
    this.#port = port;
    const shared: Shared = { flag: this.#flag, port: far };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: shared, transferList: [far] });
  }

  /** Start the worker; it is ready when this resolves. */
  static async start(): Promise<BlockingReader> {
    const { port1, port2 } = new MessageChannel();
    const reader = new BlockingReader(port1, port2);
    await once(reader.#worker, 'online');
    return reader;
  }

  /** @throws Error with the worker's message if the URL cannot be read. */
  read(url: string): string {
    Atomics.store(this.#flag, 0, 0);
    this.#port.postMessage(url);
    Atomics.wait(this.#flag, 0, 0);
    const { message } = receiveMessageOnPort(this.#port) as { message: Reply };
    const { text, error } = message;
    if (text === undefined) throw new Error(error);
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#port.close();
    await this.#worker.terminate();
  }
}

function serve({ flag, port }: Shared): void {
  const reply = (message: Reply): void => {
    port.postMessage(message);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
  };
  port.on('message', (url: string) => {
    get(url, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk)).on('end', () => reply({ text }));
    }).on('error', (error) => reply({ error: error.message }));
  });
}

if (!isMainThread) serve(workerData as Shared);
