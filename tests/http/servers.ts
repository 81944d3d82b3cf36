/** Servers on 127.0.0.1 for the tests of the HTTP client: a proper one, and one that sends what a test wants. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { TlsOptions } from 'node:tls';
import {
  type AddressInfo,
  createServer as createRawServer,
  type Server as RawServer,
  type Socket,
} from 'node:net';

/** A server that is listening. `await using` ends it, with all its connections. */
export class Site {
  readonly url: string;
  /** The connections that are open now. */
  readonly sockets = new Set<Socket>();
  /** How many connections there have been. */
  connections = 0;
  readonly #server: Server | RawServer;

  constructor(server: Server | RawServer, scheme: string) {
    this.#server = server;
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.on('connection', (socket: Socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
    });
  }

  /** After so many milliseconds the server closes an idle connection. */
  set keepAliveTimeout(ms: number) {
    (this.#server as Server).keepAliveTimeout = ms;
  }

  /** Resolves when the server sees the end of all its connections. */
  async drained(): Promise<void> {
    await Promise.all(
      [...this.sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

async function listen(server: Server | RawServer, scheme: string): Promise<Site> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new Site(server, scheme);
}

/** A server that answers with `handler`. */
export function serve(handler: RequestListener): Promise<Site> {
  return listen(createServer(handler), 'http');
}

/** The same with TLS. */
export function serveSecurely(handler: RequestListener, tls: TlsOptions): Promise<Site> {
  return listen(createSecureServer(tls, handler), 'https');
}

/** A server that calls `onRequest` for each request that comes in, to write what it likes. */
export function serveRaw(onRequest: (socket: Socket, head: string) => void): Promise<Site> {
  const server = createRawServer((socket) => {
    let head = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      head += text;
      for (let end = head.indexOf('\r\n\r\n'); end >= 0; end = head.indexOf('\r\n\r\n')) {
        const request = head.slice(0, end);
        head = head.slice(end + 4);
        onRequest(socket, request);
      }
    });
  });
  return listen(server, 'http');
}

/** A handler that answers with what it was asked, as JSON. */
export const echo: RequestListener = (request, response) => {
  const answer = (body: string): void => {
    const { method, url, rawHeaders } = request;
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ method, url, headers: request.headers, rawHeaders, body }));
  };
  // A client may go before it has sent all.
  void bodyOf(request).then(answer, () => response.destroy());
};

/** What `echo` answers. */
export interface Echo {
  method: string;
  url: string;
  headers: Record<string, string | undefined>;
  rawHeaders: string[];
  body: string;
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
