/** A server for tests of clients. Counterpart: `TestServer` and `TestClient` of `aiohttp/test_utils.py`. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, isIPv6, type Socket } from 'node:net';
import { coroutine, fromPromise, inlineBody } from '../../core/coroutines.ts';
import { RuntimeError } from '../../core/exceptions.ts';
import type { Coroutine, Gen } from '../../core/types.ts';
import { ClientSession } from '../../http/client.ts';
import type { SessionOptions } from '../../http/client-options.ts';
import { TCPConnector } from '../../http/tcp-connector.ts';
import { CookieJar } from '../../http/cookiejar.ts';
import type { ContextBody } from '../../http/helpers.ts';
import { Answerer, type Handler } from './answerer.ts';
import { type Certificate, makeCertificate } from './certificate.ts';
import { RecordedAnswers } from './recorded-answers.ts';
import type { ServedRequest } from './served-request.ts';

/** Options of a test server. */
export interface TestServerOptions {
  /** Where it listens. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 0, which takes a free one. */
  readonly port?: number | undefined;
  /** Speak TLS: with a certificate of its own, or with this one. Default false. */
  readonly ssl?: boolean | Certificate | undefined;
}

/**
 * A real server on a free port of the own machine, for tests of code that makes requests.
 *
 * ```ts
 * await using server = await new TestServer((request) => ({ json: { path: request.path } })).startServer();
 * await using session = server.session();
 * await session.get('users/1').run((response) => response.json());
 * ```
 *
 * A handler that throws gives an answer of 500, and the error goes to the loop's exception handler: in `testAsync` the test
 * fails. Handlers run as tasks, which are cancelled when the client goes or the server is closed.
 *
 * Source: aiohttp 3.14 `aiohttp.test_utils.TestServer`, whose handlers are those of aiohttp's own server.
 */
export class TestServer implements AsyncDisposable {
  /** The requests that came, oldest first. Of a listener's server nothing is kept. */
  readonly requests: ServedRequest[] = [];
  /** How many connections were opened to it. */
  connections = 0;
  /** Node's own server, for what is not a request: an `upgrade`, `connect`, `checkContinue`. */
  readonly server: Server;
  readonly #host: string;
  readonly #port: number;
  readonly #certificate: Certificate | null;
  readonly #sockets = new Set<Socket>();
  #answerer: Answerer | null = null;
  readonly #handler: Handler | null;
  #url: URL | null = null;
  #isClosed = false;

  /** @param handler - gives the answers; null for a server whose events are handled by the caller. */
  constructor(handler: Handler | RecordedAnswers | null, options: TestServerOptions = {}) {
    const { host = '127.0.0.1', port = 0, ssl = false } = options;
    this.#handler = handler instanceof RecordedAnswers ? (request) => handler._answer(request) : handler;
    this.#host = host;
    this.#port = port;
    this.#certificate =
      ssl === true ? makeCertificate([...new Set(['localhost', '127.0.0.1', '::1', host])]) : ssl || null;
    this.server = this.#certificate === null ? createServer() : createSecureServer(this.#certificate);
    this.server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
    });
  }

  /** A server that hands its requests to a listener of `node:http`. */
  static fromListener(listener: RequestListener, options?: TestServerOptions): TestServer {
    const server = new TestServer(null, options);
    server.server.on('request', listener);
    return server;
  }

  /** Whether it listens, or did. */
  get started(): boolean {
    return this.#url !== null;
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  /** Where it is, with a slash at the end. @throws RuntimeError before `startServer`. */
  get url(): URL {
    if (this.#url === null) throw new RuntimeError('The server is not started');
    return new URL(this.#url);
  }

  get host(): string {
    return this.#host;
  }

  /** The one it listens on. @throws RuntimeError before `startServer`. */
  get port(): number {
    return Number(this.url.port);
  }

  get scheme(): 'http' | 'https' {
    return this.#certificate === null ? 'http' : 'https';
  }

  /** What clients trust it with, an option of requests and connectors: its certificate, or just `true`. */
  get ssl(): true | { ca: string } {
    return this.#certificate === null ? true : { ca: this.#certificate.cert };
  }

  /**
   * Listen.
   *
   * @returns itself.
   *
   * Source: aiohttp 3.14 `BaseTestServer.start_server`.
   */
  startServer(): Coroutine<this> {
    return startServer(this) as Coroutine<this>;
  }

  /** @internal */
  *_start(): Gen<void> {
    if (this.#url !== null) return;
    if (this.#handler !== null) {
      this.#answerer = new Answerer(this.server, this.#handler, this.requests, ({ socket }) => ({
        origin: this.url.origin,
        fail: () => socket.destroy(),
      }));
    }
    this.server.listen(this.#port, this.#host);
    yield* fromPromise(once(this.server, 'listening'));
    const { port } = this.server.address() as AddressInfo;
    const host = isIPv6(this.#host) ? `[${this.#host}]` : this.#host;
    this.#url = new URL(`${this.scheme}://${host}:${port}/`);
  }

  /**
   * The URL of a path.
   *
   * @throws RangeError for a URL that leads elsewhere.
   *
   * Source: aiohttp 3.14 `BaseTestServer.make_url`.
   */
  makeUrl(path: string): URL {
    const url = new URL(path, this.url);
    if (url.origin !== this.url.origin) throw new RangeError(`${path} is not a path on ${this.url}`);
    return url;
  }

  /**
   * A session for this server: paths are enough for its requests, its certificate is trusted, and cookies of addresses
   * are kept. The caller closes it.
   *
   * @param options - of the session, in place of these.
   *
   * Source: aiohttp 3.14 `aiohttp.test_utils.TestClient`.
   */
  session(options: SessionOptions = {}): ClientSession {
    return new ClientSession(this.url, {
      cookieJar: new CookieJar({ unsafe: true }),
      ...options,
      connector: options.connector ?? new TCPConnector({ ssl: this.ssl }),
    });
  }

  /**
   * End all connections and handlers. Again: nothing happens.
   *
   * Source: aiohttp 3.14 `BaseTestServer.close`.
   */
  close(): Coroutine<void> {
    return closeServer(this);
  }

  /** @internal */
  *_close(): Gen<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#answerer?.cancel();
    if (this.#url === null) return;
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
    yield* fromPromise(closed);
  }

  /** Listen, run `body(this)`, close, and give the body's value. */
  run<T>(body: (it: this) => Gen<T>): Coroutine<T>;
  run<T>(body: (it: this) => T | PromiseLike<T>): Coroutine<T>;
  run(body: ContextBody<this, unknown>): Coroutine<unknown> {
    return runServer(this, body as ContextBody<TestServer, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const startServer = coroutine(function* startServer(server: TestServer): Gen<TestServer> {
  yield* server._start();
  return server;
});

const closeServer = coroutine(function* close(server: TestServer): Gen<void> {
  yield* server._close();
});

const runServer = coroutine(function* run(
  server: TestServer,
  body: ContextBody<TestServer, unknown>,
): Gen<unknown> {
  try {
    yield* server._start();
    return yield* inlineBody(body, server);
  } finally {
    yield* server._close();
  }
});
