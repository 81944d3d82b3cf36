/** A server that takes no connection: its thread sleeps, and its line of those that wait is full. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

const PROGRAM = `
const { createServer } = require('node:net');
const { parentPort, workerData } = require('node:worker_threads');
const server = createServer();
server.listen({ port: workerData.port, host: workerData.host, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  Atomics.wait(workerData.end, 0, 0);
  process.exit();
});
`;

/** More than fit into a line of 1, as systems count. */
const FILLING = 8;

/** Where connections begin and never come about. `await using` ends it. */
export class BlackHole {
  readonly host: string;
  readonly port: number;
  readonly #worker: Worker;
  readonly #end: Int32Array;
  readonly #fillers: Socket[];

  private constructor(worker: Worker, end: Int32Array, host: string, port: number, fillers: Socket[]) {
    this.#worker = worker;
    this.#end = end;
    this.#fillers = fillers;
    this.host = host;
    this.port = port;
  }

  /** @param port - 0 for any. */
  static async open(host = '127.0.0.1', port = 0): Promise<BlackHole> {
    const end = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(PROGRAM, { eval: true, workerData: { host, port, end } });
    const [bound] = (await once(worker, 'message')) as [number];
    const fillers = Array.from({ length: FILLING }, () =>
      connect({ host, port: bound }).on('error', () => {}),
    );
    await once(fillers[0] as Socket, 'connect');
    return new BlackHole(worker, end, host, bound, fillers);
  }

  get url(): string {
    return `http://${this.host}:${this.port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#fillers) socket.destroy();
    const exit = once(this.#worker, 'exit');
    Atomics.store(this.#end, 0, 1);
    Atomics.notify(this.#end, 0);
    await exit;
  }
}
