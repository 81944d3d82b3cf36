/** A proxy for tests: takes requests and CONNECT, notes what it was told, and leads wherever the test wants. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as forward, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { cert, key } from './certificate.ts';

/** What a proxy was asked for. */
export interface Asked {
  readonly method: string;
  /** An absolute URL; for CONNECT a host and a port. */
  readonly target: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
}

/** How a proxy behaves. */
export interface ProxyOptions {
  /** Speak TLS, with the certificate of the tests. */
  readonly isSecure?: boolean;
  /** The header that it wants to see. */
  readonly authorization?: string;
  /** Where everything leads, whatever was asked for. */
  readonly port?: number;
}

/** A proxy that is listening. `await using` ends it, with all its connections. */
export class ProxyServer {
  readonly asked: Asked[] = [];
  /** All that went through tunnels from the client, one character for each byte. */
  tunnelled = '';
  connections = 0;
  readonly sockets = new Set<Duplex>();
  readonly #server: Server;
  readonly #options: ProxyOptions;

  private constructor(options: ProxyOptions) {
    this.#options = options;
    this.#server = options.isSecure ? createSecureServer({ key, cert }) : createServer();
    this.#server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#watch(socket);
    });
    this.#server.on('request', (request, response) => {
      if (!this.#isWelcome(request)) {
        response.writeHead(407, 'Proxy Authentication Required', { 'Proxy-Authenticate': 'Basic' }).end();
        return;
      }
      const url = new URL(request.url as string);
      const { port = Number(url.port) } = this.#options;
      const headers = { ...request.headers };
      delete headers['proxy-authorization'];
      const path = url.pathname + url.search;
      const onward = forward({ host: '127.0.0.1', port, path, method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.writeHead(502, 'Bad Gateway').end());
      request.pipe(onward);
    });
    this.#server.on('connect', (request, socket, head) => this.#tunnel(request, socket, head));
  }

  static async open(options: ProxyOptions = {}): Promise<ProxyServer> {
    const self = new ProxyServer(options);
    self.#server.listen(0, '127.0.0.1');
    await once(self.#server, 'listening');
    return self;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Its address, with a user and password if wanted. */
  url(credentials = ''): string {
    const scheme = this.#options.isSecure ? 'https' : 'http';
    return `${scheme}://${credentials === '' ? '' : `${credentials}@`}127.0.0.1:${this.port}/`;
  }

  #watch(socket: Duplex): void {
    this.sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
  }

  #isWelcome({ method = '', url: target = '', headers, rawHeaders }: IncomingMessage): boolean {
    this.asked.push({ method, target, headers, rawHeaders });
    const { authorization } = this.#options;
    return authorization === undefined || headers['proxy-authorization'] === authorization;
  }

  #tunnel(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!this.#isWelcome(request)) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n');
      return;
    }
    const { port = Number(request.url?.split(':').at(-1)) } = this.#options;
    const onward = connect({ host: '127.0.0.1', port });
    this.#watch(onward);
    onward.once('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      socket.on('data', (chunk: Buffer) => {
        this.tunnelled += chunk.toString('latin1');
      });
      socket.pipe(onward).pipe(socket);
    });
    onward.once('close', () => socket.destroy());
    socket.once('close', () => onward.destroy());
  }

  /** Resolves when all its connections have ended. */
  async drained(): Promise<void> {
    while (this.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
