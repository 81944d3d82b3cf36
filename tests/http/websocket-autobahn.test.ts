import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { PerMessageDeflateOptions, WebSocket } from 'ws';
import { type ClientWebSocketResponse, ClientWSTimeout, WSMsgType } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { type Case, CASES, type Expected } from './autobahn-cases.ts';
import { CLOSE, type Peer, servePeer, serveWs, withWebSocket } from './websocket-servers.ts';

const CATEGORIES = new Map([
  ['1', 'framing'],
  ['2', 'pings and pongs'],
  ['3', 'reserved bits'],
  ['4', 'opcodes'],
  ['5', 'fragmentation'],
  ['6', 'UTF-8'],
  ['7', 'closing'],
  ['9', 'limits'],
  ['10', 'automatic fragmentation'],
]);

const timeout = new ClientWSTimeout({ wsReceive: 20, wsClose: 1 });

/** What the suite's client does: messages go back as they came, up to the end. */
async function echo(ws: ClientWebSocketResponse): Promise<void> {
  for await (const { type, data } of ws) {
    if (type === WSMsgType.TEXT) await ws.sendStr(data);
    else if (type === WSMsgType.BINARY) await ws.sendBytes(data);
  }
}

async function send(peer: Peer, { frames, chop }: Case): Promise<void> {
  if (chop === 0) {
    peer.send(...frames);
    return;
  }
  const bytes = Buffer.concat(frames);
  for (let at = 0; at < bytes.length && !peer.socket.destroyed; at += chop) {
    peer.send(bytes.subarray(at, at + chop));
    await turn();
  }
}

async function play(one: Case): Promise<{ received: Expected[]; close: number | null }> {
  const received: Expected[] = [];
  let close: number | null = null;
  await using site = await servePeer(async (peer) => {
    void send(peer, one);
    for (let frame = await peer.next(); frame !== null; frame = await peer.next()) {
      assert.deepEqual([frame.fin, frame.rsv], [true, 0]);
      if (frame.opcode === CLOSE) close = frame.code;
      else received.push([frame.opcode, frame.payload]);
    }
  });
  await withWebSocket(site.url, { timeout, maxMsgSize: one.maxMsgSize }, echo);
  await (site.peers[0] as Peer).closed;
  return { received, close };
}

const isSame = (a: readonly Expected[], b: readonly Expected[]): boolean =>
  a.length === b.length && a.every(([opcode, data], i) => opcode === b[i]?.[0] && data.equals(b[i][1]));

for (const [category, name] of CATEGORIES) {
  describe(`P81: Autobahn ${category}, ${name}`, () => {
    for (const one of CASES) {
      if (one.id.split('.')[0] !== category) continue;
      it(`${one.id}: ${one.about}`, async () => {
        const { received, close } = await play(one);
        assert.equal(close, one.close);
        assert(isSame(received, one.expected), `${received.length} frames of ${one.expected.length}`);
      });
    }
  });
}

/** What the suite compresses: text with structure, prose, noise, one byte, and something of each. */
const CORPORA: readonly ((size: number) => Buffer)[] = [
  (size) =>
    Buffer.alloc(size, JSON.stringify({ id: 17, name: 'Grüße', tags: ['a', 'b'], nested: { ok: true } })),
  (size) => Buffer.alloc(size, 'The quick brown fox jumps over the lazy dog. '),
  (size) => randomBytes(size),
  (size) => Buffer.alloc(size),
  (size) => Buffer.concat([randomBytes(size / 2), Buffer.alloc(size / 2, 'half and half ')]),
];

/** Sizes of messages, and of their parts, 0 for whole ones: the 18 cases of each group. */
const LOADS: readonly (readonly [size: number, part: number])[] = [
  ...[16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072].map((size) => [size, 0] as const),
  ...[8192, 16_384, 32_768, 65_536, 131_072].map((size) => [size, 256] as const),
  ...[1024, 4096, 32_768].map((part) => [131_072, part] as const),
];

/** Send a message in compressed parts. */
function sendParts(socket: WebSocket, data: Buffer, part: number): void {
  if (part === 0) return socket.send(data);
  for (let at = 0; at < data.length; at += part) {
    socket.send(data.subarray(at, at + part), {
      binary: true,
      compress: true,
      fin: at + part >= data.length,
    });
  }
}

/** A server sends messages, and compares what comes back. */
async function exchange(
  messages: readonly Buffer[],
  part: number,
  compress: number,
  options: PerMessageDeflateOptions,
): Promise<void> {
  let wrong = 0;
  let returned = 0;
  await using site = await serveWs(
    (socket) => {
      socket.on('message', (data: Buffer) => {
        if (!data.equals(messages[returned++] as Buffer)) wrong++;
        if (returned === messages.length) socket.close(1000);
      });
      for (const one of messages) sendParts(socket, one, part);
    },
    { perMessageDeflate: { threshold: 0, ...options } },
  );
  await withWebSocket(site.url, { timeout, compress }, async (ws) => {
    assert.notEqual(ws.compress, 0);
    await echo(ws);
    assert.deepEqual([ws.closeCode, ws.exception()], [1000, null]);
  });
  assert.deepEqual([returned, wrong], [messages.length, 0]);
}

describe('P81: Autobahn 12, compression of different data', () => {
  for (const [corpus, make] of CORPORA.entries()) {
    for (const [i, [size, part]] of LOADS.entries()) {
      it(`12.${corpus + 1}.${i + 1}: messages of ${size} bytes${part === 0 ? '' : ` in parts of ${part}`}`, async () => {
        const count = part === 0 ? 6 : 1;
        await exchange(
          Array.from({ length: count }, () => make(size)),
          part,
          15,
          {},
        );
      });
    }
  }
});

const PARAMETERS: readonly (readonly [about: string, compress: number, options: PerMessageDeflateOptions])[] =
  [
    ['the defaults', 15, {}],
    ['no context is taken over', 15, { serverNoContextTakeover: true, clientNoContextTakeover: true }],
    ['windows of 9 bits', 9, { serverMaxWindowBits: 9, clientMaxWindowBits: 9 }],
    ['windows of 15 bits', 15, { serverMaxWindowBits: 15, clientMaxWindowBits: 15 }],
    [
      'windows of 9 bits without context',
      9,
      { serverNoContextTakeover: true, clientNoContextTakeover: true, clientMaxWindowBits: 9 },
    ],
    [
      'windows of 15 bits, the client without context',
      15,
      { clientNoContextTakeover: true, serverMaxWindowBits: 15 },
    ],
    [
      'windows of 12 bits, the server without context',
      12,
      { serverNoContextTakeover: true, clientMaxWindowBits: 10 },
    ],
  ];

describe('P81: Autobahn 13, parameters of compression', () => {
  for (const [group, [about, compress, options]] of PARAMETERS.entries()) {
    for (const [i, [size, part]] of LOADS.entries()) {
      it(`13.${group + 1}.${i + 1}: ${about}, ${size} bytes${part === 0 ? '' : ` in parts of ${part}`}`, async () => {
        const make = CORPORA[i % 2 === 0 ? 0 : 4] as (size: number) => Buffer;
        await exchange(
          Array.from({ length: part === 0 ? 3 : 1 }, () => make(size)),
          part,
          compress,
          options,
        );
      });
    }
  }
});
