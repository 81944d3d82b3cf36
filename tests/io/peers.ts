/** What the tests of connections share: protocols that note what they hear, raw peers, programs run on a real loop. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server as RawServer, type Socket } from 'node:net';
import { test } from 'node:test';
import {
  type BaseTransport,
  EventLoop,
  type Future,
  fromPromise,
  getRunningLoop,
  Protocol,
  run,
  sleep,
  type Transport,
} from 'asyncio-ts';
import { on, type Steps, type Style, styles } from '../support/styles.ts';
import { watched } from './protocol-grammar.ts';

/** Milliseconds that a test may take. */
const TEST_MS = 60_000;

/** The running loop, with its connections. */
export function net(): EventLoop {
  return getRunningLoop();
}

/** A test of `steps` on a real loop for each style. */
export function ioTest(name: string, steps: (style: Style) => Steps<void>): void {
  for (const style of styles) {
    test(`${name} (${style.name})`, { timeout: TEST_MS }, async () => {
      await run(
        style.fn(() => steps(style)),
        { loopFactory: () => new EventLoop() },
      );
    });
  }
}

/** Wait for a promise of Node. */
export function from<T>(promise: Promise<T>): Steps<T> {
  return on(fromPromise(promise));
}

/** Notes all that it hears, and checks it. */
export class Recorder extends Protocol {
  readonly events: string[] = [];
  readonly made: Future<Transport> = getRunningLoop().createFuture();
  readonly ended: Future<void> = getRunningLoop().createFuture();
  readonly lost: Future<Error | null> = getRunningLoop().createFuture();
  readonly keepOpen: boolean;
  transport!: Transport;
  data = Buffer.alloc(0);
  #wanted: { size: number; future: Future<void> } | null = null;

  constructor({ keepOpen = false, isMade = false } = {}) {
    super();
    this.keepOpen = keepOpen;
    watched(this, { isMade });
  }

  override connectionMade(transport: BaseTransport): void {
    this.events.push('made');
    this.transport = transport as Transport;
    this.made.setResult(this.transport);
  }

  override dataReceived(data: Buffer): void {
    if (this.events.at(-1) !== 'data') this.events.push('data');
    this.data = Buffer.concat([this.data, data]);
    if (this.#wanted !== null && this.data.length >= this.#wanted.size) this.#wanted.future.setResult();
    if (this.#wanted?.future.done()) this.#wanted = null;
  }

  override eofReceived(): boolean {
    this.events.push('eof');
    this.ended.setResult();
    return this.keepOpen;
  }

  override connectionLost(exc: Error | null): void {
    this.events.push(exc === null ? 'lost' : `lost: ${(exc as NodeJS.ErrnoException).code ?? exc.message}`);
    this.lost.setResult(exc);
  }

  override pauseWriting(): void {
    this.events.push('pause');
  }

  override resumeWriting(): void {
    this.events.push('resume');
  }

  /** Wait until so many bytes are there. */
  got(size: number): Future<void> {
    const future = getRunningLoop().createFuture<void>();
    if (this.data.length >= size) future.setResult();
    else this.#wanted = { size, future };
    return future;
  }

  get text(): string {
    return this.data.toString('latin1');
  }
}

/** A server of Node's own that does with its connections what a test wants. */
export class RawPeer implements AsyncDisposable {
  readonly server: RawServer;
  readonly sockets: Socket[] = [];
  readonly #first: Promise<Socket>;

  constructor(server: RawServer) {
    this.server = server;
    this.#first = new Promise((resolve) => server.once('connection', resolve));
    server.on('connection', (socket: Socket) => {
      this.sockets.push(socket);
      socket.on('error', () => {});
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The first connection. */
  accepted(): Promise<Socket> {
    return this.#first;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

/** A raw peer that listens. */
export async function listenRaw(onSocket?: (socket: Socket) => void, host = '127.0.0.1'): Promise<RawPeer> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  if (onSocket !== undefined) server.on('connection', onSocket);
  const peer = new RawPeer(server);
  server.listen(0, host);
  await once(server, 'listening');
  return peer;
}

/** A raw connection. */
export async function connectRaw(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** All that a raw connection gets until its end, or until it is gone. */
export async function drain(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.resume();
  if (!socket.readableEnded && !socket.destroyed)
    await new Promise<void>((resolve) => socket.once('end', resolve).once('close', () => resolve()));
  return text;
}

/** A connection of the library and its raw peer. */
export function* pair(
  options: { keepOpen?: boolean } = {},
): Steps<{ protocol: Recorder; transport: Transport; socket: Socket; peer: RawPeer }> {
  const peer = yield* from(listenRaw());
  const [transport, protocol] = yield* on(
    net().createConnection(() => new Recorder(options), '127.0.0.1', peer.port),
  );
  const socket = yield* from(peer.accepted());
  return { protocol, transport, socket, peer };
}

/** End what `pair` has made. */
export function* unpair({ transport, peer }: { transport: Transport; peer: RawPeer }): Steps<void> {
  transport.abort();
  yield* from(peer[Symbol.asyncDispose]());
}

/** Open sockets of the process. */
export function openSockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => /TCP|Pipe|TLS/.test(kind)).length;
}

/** Descriptors of the process. */
export function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Wait until as many are open as `before`. What `peer` has accepted, be it late, is closed. */
export function* untilDescriptors(
  before: number,
  peer: { sockets: Socket[] } = { sockets: [] },
): Steps<void> {
  while (descriptors() !== before) {
    for (const socket of peer.sockets) socket.destroy();
    yield* on(sleep(0.01));
  }
}
