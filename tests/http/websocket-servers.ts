/** WebSocket servers on 127.0.0.1 that send what a test wants, frame by frame. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Awaitable } from 'asyncio-ts';
import {
  ClientSession,
  type ClientWebSocketResponse,
  ClientWSTimeout,
  type WSConnectOptions,
} from 'asyncio-ts/http';
import { WebSocketServer, type ServerOptions, type WebSocket } from 'ws';
import { run } from './clock.ts';

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** How a frame differs from one that is proper, whole and unmasked. */
export interface FrameOptions {
  fin?: boolean;
  /** The three reserved bits, 4 for the first of them. */
  rsv?: number;
  mask?: Buffer;
  /** What the header says, in place of the length of the payload. */
  length?: number | bigint;
}

/** The bytes of a frame. */
export function frame(opcode: number, payload: Buffer | string = '', options: FrameOptions = {}): Buffer {
  const { fin = true, rsv = 0, mask } = options;
  const body = Buffer.from(payload);
  const head = Buffer.concat([
    Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode]),
    lengthField(options.length ?? body.length, mask !== undefined),
  ]);
  if (mask === undefined) return Buffer.concat([head, body]);
  for (const [i, byte] of body.entries()) body[i] = byte ^ (mask[i % 4] as number);
  return Buffer.concat([head, mask, body]);
}

function lengthField(length: number | bigint, isMasked: boolean): Buffer {
  const bit = isMasked ? 0x80 : 0;
  if (length < 126) return Buffer.from([bit | Number(length)]);
  const field = Buffer.alloc(length < 65_536 ? 3 : 9);
  if (length < 65_536) {
    field[0] = bit | 126;
    field.writeUInt16BE(Number(length), 1);
  } else {
    field[0] = bit | 127;
    field.writeBigUInt64BE(BigInt(length), 1);
  }
  return field;
}

/** The payload of a CLOSE. */
export function closing(code: number, reason: Buffer | string = ''): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return Buffer.concat([head, Buffer.from(reason)]);
}

/** A frame as it came from the client. */
export interface Frame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly payload: Buffer;
  /** The code of a CLOSE, 0 for none. */
  readonly code: number;
}

/** One connection, on the server's side. */
export class Peer {
  readonly socket: Socket;
  /** The request, line by line. */
  readonly head: string;
  #chunks: Buffer[] = [];
  #size = 0;
  /** So many bytes make a frame. */
  #awaited = 6;
  #bytes: Buffer = Buffer.alloc(0);
  readonly #frames: Frame[] = [];
  #isEnded = false;
  #wake: () => void = () => {};
  /** When the client has closed the connection. */
  readonly closed: Promise<void>;

  constructor(socket: Socket, head: string) {
    this.socket = socket;
    this.head = head;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket
      .on('data', (chunk: Buffer) => {
        this.#chunks.push(chunk);
        this.#size += chunk.length;
        if (this.#size < this.#awaited) return;
        this.#bytes = Buffer.concat(this.#chunks);
        for (let one = this.#parse(); one !== null; one = this.#parse()) this.#frames.push(one);
        this.#chunks = [this.#bytes];
        this.#size = this.#bytes.length;
        this.#wake();
      })
      .on('close', () => {
        this.#isEnded = true;
        this.#wake();
      });
  }

  send(...parts: Buffer[]): void {
    for (const part of parts) this.socket.write(part);
  }

  /** The next frame of the client; null when there will be none. */
  async next(): Promise<Frame | null> {
    while (this.#frames.length === 0 && !this.#isEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift() ?? null;
  }

  #parse(): Frame | null {
    const bytes = this.#bytes;
    this.#awaited = 6;
    if (bytes.length < 6) return null;
    const [first = 0, second = 0] = bytes;
    if (second < 0x80) throw new Error('a frame of the client without a mask');
    let length = second & 0x7f;
    let start = 2;
    if (length === 126) {
      length = bytes.readUInt16BE(2);
      start = 4;
    } else if (length === 127) {
      this.#awaited = 10;
      if (bytes.length < 10) return null;
      length = Number(bytes.readBigUInt64BE(2));
      start = 10;
    }
    this.#awaited = start + 4 + length;
    if (bytes.length < this.#awaited) return null;
    const mask = bytes.subarray(start, start + 4);
    const payload = Buffer.from(bytes.subarray(start + 4, start + 4 + length));
    for (let i = 0; i < length; i++) payload[i] = (payload[i] as number) ^ (mask[i & 3] as number);
    this.#bytes = bytes.subarray(start + 4 + length);
    const opcode = first & 0xf;
    const code = opcode === CLOSE && length >= 2 ? payload.readUInt16BE() : 0;
    return { fin: first >= 0x80, rsv: (first >> 4) & 7, opcode, payload, code };
  }
}

/** A server that is listening. `await using` ends it. */
export interface WsSite extends AsyncDisposable {
  readonly url: string;
  /** The connections so far, whose handshake is done. */
  readonly peers: readonly Peer[];
}

/** The value of a header in the head of a request. */
export const headerOf = (head: string, name: string): string | null =>
  new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim() ?? null;

/** The answer to the key of a request. */
export const acceptOf = (head: string): string =>
  createHash('sha1')
    .update(`${headerOf(head, 'sec-websocket-key')}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');

/** The response that opens a WebSocket. */
export const switching = (head: string, extra: readonly string[] = []): string =>
  [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptOf(head)}`,
    ...extra,
    '\r\n',
  ].join('\r\n');

/**
 * A server that opens a WebSocket to whoever asks, and then does what `onPeer` does.
 *
 * @param answer - the response, in place of a proper one.
 */
export async function servePeer(
  onPeer: (peer: Peer) => void | Promise<void>,
  answer: (head: string) => string = switching,
): Promise<WsSite> {
  const peers: Peer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let head = '';
    const read = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read);
      const peer = new Peer(socket, head);
      peers.push(peer);
      socket.write(answer(head), 'latin1');
      void onPeer(peer);
    };
    socket
      .setNoDelay()
      .on('data', read)
      .on('error', () => {})
      .on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    peers,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The server of the package `ws`, a proper one. */
export async function serveWs(
  onConnection: (socket: WebSocket) => void,
  options: ServerOptions = {},
): Promise<AsyncDisposable & { readonly url: string; readonly server: WebSocketServer }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    server,
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

/** `serveWs` whose connections send back what comes. */
export const serveEcho = (options: ServerOptions = {}): ReturnType<typeof serveWs> =>
  serveWs((socket) => {
    socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
  }, options);

/** Run `body` with a WebSocket to `url`, of a session of its own, and close it without waiting for long. */
export function withWebSocket<T, DecodeText extends boolean = true>(
  url: string,
  options: WSConnectOptions<DecodeText>,
  body: (ws: ClientWebSocketResponse<DecodeText>) => Promise<T>,
): Promise<T> {
  return run(async () => {
    await using session = new ClientSession();
    const timeout = new ClientWSTimeout({ wsClose: 0.2 });
    return await session.wsConnect(url, { timeout, ...options }).run(body);
  });
}

/** The error that something awaited ends with. */
export async function failureOf(awaited: Awaitable<unknown> | Promise<unknown>): Promise<Error> {
  try {
    await awaited;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}
