/** A server that sees every byte, and says what a test wants. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** A listening server. `await using` ends it, with all its connections. */
export class RawServer {
  /** All that has come in, over all connections, one character for each byte. */
  received = '';
  readonly sockets = new Set<Socket>();
  connections = 0;
  readonly #server: Server;

  private constructor(onData: (socket: Socket, data: string) => void) {
    this.#server = createServer((socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
      socket.on('data', (chunk) => {
        const data = chunk.toString('latin1');
        this.received += data;
        onData(socket, data);
      });
    });
  }

  static async open(
    onData: (socket: Socket, data: string) => void,
    host = '127.0.0.1',
    port = 0,
  ): Promise<RawServer> {
    const self = new RawServer(onData);
    self.#server.listen(port, host);
    await once(self.#server, 'listening');
    return self;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(scheme: string): string {
    const { address } = this.#server.address() as AddressInfo;
    return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${this.port}/`;
  }

  /** Resolves when the server sees the end of all its connections. */
  async drained(): Promise<void> {
    while (this.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
