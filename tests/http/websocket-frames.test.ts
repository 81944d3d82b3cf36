/** What a server may send, what it may not, and how much of it. */
import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { constants, deflateRawSync } from 'node:zlib';
import { sleep } from 'asyncio-ts';
import { ClientWSTimeout, WebSocketError, type WSConnectOptions, WSMsgType } from 'asyncio-ts/http';
import '../support/leaks.ts';
import {
  BINARY,
  CLOSE,
  closing,
  CONTINUATION,
  frame,
  type Peer,
  PING,
  PONG,
  serveEcho,
  servePeer,
  switching,
  TEXT,
  withWebSocket,
} from './websocket-servers.ts';

const DEFLATED = 'Sec-WebSocket-Extensions: permessage-deflate';

/** A payload as permessage-deflate has it. */
function deflate(data: Buffer | string, finishFlush = constants.Z_SYNC_FLUSH): Buffer {
  const raw = deflateRawSync(data, { finishFlush });
  return finishFlush === constants.Z_SYNC_FLUSH ? raw.subarray(0, -4) : raw;
}

/** A payload that refers to what was never sent. */
function farBack(): Buffer {
  const dictionary = Buffer.from('something that the other side has never seen');
  return deflateRawSync(dictionary, { dictionary, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

interface Outcome {
  /** Data of TEXT and BINARY, up to the end. */
  readonly messages: unknown[];
  /** Code and text of an ERROR, code and reason of a CLOSE; null when the connection was lost. */
  readonly end: readonly [code: number, text: string] | null;
  readonly closeCode: number | null;
  /** The code that the server was told. */
  readonly sent: number | null;
}

/** What the client makes of `bytes`. */
async function receiveAll(
  bytes: Buffer[],
  options: WSConnectOptions = {},
  isDeflated = false,
): Promise<Outcome> {
  const sent: (number | null)[] = [];
  await using site = await servePeer(
    async (peer) => {
      peer.send(...bytes);
      for (let one = await peer.next(); one !== null; one = await peer.next()) {
        if (one.opcode === CLOSE) sent.push(one.code);
      }
    },
    (head) => switching(head, isDeflated ? [DEFLATED] : []),
  );
  const compress = isDeflated ? { compress: 15 } : {};
  const timeout = new ClientWSTimeout({ wsReceive: 10, wsClose: 1 });
  return await withWebSocket(site.url, { timeout, ...options, ...compress }, async (ws) => {
    const messages: unknown[] = [];
    let end: Outcome['end'] = null;
    for (;;) {
      const message = await ws.receive();
      if (message.type === WSMsgType.CLOSED) break;
      if (message.type === WSMsgType.CLOSE) end = [message.data, message.extra];
      else if (message.type !== WSMsgType.ERROR) messages.push(message.data);
      else if (message.data instanceof WebSocketError) end = [message.data.code, message.data.message];
    }
    await (site.peers[0] as Peer).closed;
    return { messages, end, closeCode: ws.closeCode, sent: sent[0] ?? null };
  });
}

describe('P81: frames that break the protocol', () => {
  const RESERVED = 'Received frame with non-zero reserved bits';
  const LARGE_CONTROL = 'Control frame payload cannot be larger than 125 bytes';
  const violations: [name: string, frames: Buffer[], code: number, text: string][] = [
    [
      'CVE-2026-59881: the first reserved bit without compression',
      [frame(TEXT, 'x', { rsv: 4 })],
      1002,
      RESERVED,
    ],
    ['the second reserved bit', [frame(TEXT, 'x', { rsv: 2 })], 1002, RESERVED],
    ['the third reserved bit', [frame(BINARY, '', { rsv: 1 })], 1002, RESERVED],
    ['a reserved bit of a control frame', [frame(PING, '', { rsv: 4 })], 1002, RESERVED],
    [
      'a masked frame',
      [frame(TEXT, 'x', { mask: Buffer.from('abcd') })],
      1002,
      'Received masked frame from the server',
    ],
    [
      'a frame with an empty mask',
      [frame(TEXT, 'x', { mask: Buffer.alloc(4) })],
      1002,
      'Received masked frame from the server',
    ],
    ['a data opcode of no meaning', [frame(3)], 1002, 'Unexpected opcode=3'],
    ['a control opcode of no meaning', [frame(11)], 1002, 'Unexpected opcode=11'],
    ['the highest opcode', [frame(15, 'x')], 1002, 'Unexpected opcode=15'],
    [
      'a continuation of nothing',
      [frame(CONTINUATION, 'x')],
      1002,
      'Continuation frame for non started message',
    ],
    [
      'a message inside of another',
      [frame(TEXT, 'a', { fin: false }), frame(TEXT, 'b')],
      1002,
      'The opcode in non-fin frame is expected to be zero, got 1',
    ],
    [
      'a binary message inside of a text',
      [frame(TEXT, 'a', { fin: false }), frame(BINARY, 'b', { fin: false })],
      1002,
      'The opcode in non-fin frame is expected to be zero, got 2',
    ],
    ['a ping in parts', [frame(PING, 'a', { fin: false })], 1002, 'Received fragmented control frame'],
    [
      'a close in parts',
      [frame(CLOSE, closing(1000), { fin: false })],
      1002,
      'Received fragmented control frame',
    ],
    ['a ping of 126 bytes', [frame(PING, 'a'.repeat(126))], 1002, LARGE_CONTROL],
    ['a pong of 65,536 bytes', [frame(PONG, 'a'.repeat(65_536))], 1002, LARGE_CONTROL],
    ['a close of one byte', [frame(CLOSE, 'a')], 1002, 'Invalid close frame: one byte'],
    ['a close code of none', [frame(CLOSE, closing(1005))], 1002, 'Invalid close code: 1005'],
    ['a close code for lost connections', [frame(CLOSE, closing(1006))], 1002, 'Invalid close code: 1006'],
    [
      'a close reason that is no UTF-8',
      [frame(CLOSE, closing(1000, Buffer.from([0xff])))],
      1007,
      'Invalid UTF-8 text message',
    ],
    ['a text that is no UTF-8', [frame(TEXT, Buffer.from([0xc3, 0x28]))], 1007, 'Invalid UTF-8 text message'],
    [
      'CVE-2026-1528: a length of 2^64 - 1',
      [frame(BINARY, 'x', { length: 2n ** 64n - 1n })],
      1009,
      'Message size exceeds limit 4194304',
    ],
    [
      'a length of 2^63',
      [frame(BINARY, 'x', { length: 2n ** 63n })],
      1009,
      'Message size exceeds limit 4194304',
    ],
    [
      'a length of 2^53',
      [frame(TEXT, 'x', { length: 2n ** 53n })],
      1009,
      'Message size exceeds limit 4194304',
    ],
    [
      'a length just above 4 MiB',
      [frame(TEXT, 'x', { length: 2 ** 22 + 1 })],
      1009,
      'Message size exceeds limit 4194304',
    ],
  ];
  for (const [name, frames, code, text] of violations) {
    it(`${name}: ERROR ${code}, the server is told, and nothing behind it counts`, async () => {
      const bytes = [frame(TEXT, 'before'), ...frames, frame(TEXT, 'behind'), frame(CLOSE, closing(1000))];
      const outcome = await receiveAll(bytes);
      assert.deepEqual(outcome, { messages: ['before'], end: [code, text], closeCode: code, sent: code });
    });
  }

  it('a reason is checked for UTF-8 when text is not', async () => {
    await using site = await servePeer((peer) => peer.send(frame(CLOSE, closing(1000, Buffer.from([0xff])))));
    await withWebSocket(site.url, { decodeText: false }, async (ws) => {
      const { type, data } = await ws.receive();
      assert.equal(type, WSMsgType.ERROR);
      assert(data instanceof WebSocketError && data.code === 1007);
    });
  });
});

describe('messages in parts', () => {
  it('are put together, pings between them', async () => {
    const bytes = [
      frame(TEXT, 'one ', { fin: false }),
      frame(PING, 'p'),
      frame(CONTINUATION, '', { fin: false }),
      frame(PONG),
      frame(CONTINUATION, 'two'),
      frame(BINARY, '', { fin: false }),
      frame(CONTINUATION, ''),
      frame(CLOSE, closing(1000)),
    ];
    const { messages, end } = await receiveAll(bytes);
    assert.deepEqual(messages, ['one two', Buffer.alloc(0)]);
    assert.deepEqual(end, [1000, '']);
  });

  it('may be cut anywhere, characters too', async () => {
    const text = 'Ωκεανός 🌊';
    const parts = [...Buffer.from(text)].map((byte, i, all) =>
      frame(i === 0 ? TEXT : CONTINUATION, Buffer.from([byte]), { fin: i === all.length - 1 }),
    );
    assert.deepEqual((await receiveAll([...parts, frame(CLOSE)])).messages, [text]);
  });

  it('are left off by a close', async () => {
    const bytes = [frame(TEXT, 'a', { fin: false }), frame(CLOSE, closing(4000, 'no time'))];
    assert.deepEqual(await receiveAll(bytes), {
      messages: [],
      end: [4000, 'no time'],
      closeCode: 4000,
      sent: 1000,
    });
  });

  it('come byte by byte as well as at once', async () => {
    const bytes = Buffer.concat([
      frame(TEXT, 'short'),
      frame(BINARY, Buffer.alloc(300, 7)),
      frame(TEXT, 'in ', { fin: false }),
      frame(PING, 'ping'),
      frame(CONTINUATION, 'parts'),
      frame(CLOSE, closing(1001, 'bye')),
    ]);
    const expected = {
      messages: ['short', Buffer.alloc(300, 7), 'in parts'],
      end: [1001, 'bye'],
      closeCode: 1001,
      sent: 1000,
    };
    assert.deepEqual(await receiveAll([bytes]), expected);
    const sent: (number | null)[] = [];
    await using site = await servePeer(async (peer) => {
      for (const byte of bytes) {
        peer.send(Buffer.from([byte]));
        await turn();
      }
      for (let one = await peer.next(); one !== null; one = await peer.next()) sent.push(one.opcode);
    });
    await withWebSocket(site.url, {}, async (ws) => {
      const messages: unknown[] = [];
      for await (const { data } of ws) messages.push(data);
      assert.deepEqual(messages, expected.messages);
      await (site.peers[0] as Peer).closed;
    });
    assert.deepEqual(sent, [PONG, CLOSE]);
  });
});

describe('P81: limits', () => {
  const large = (limit: number): readonly [number, string] => [1009, `Message size exceeds limit ${limit}`];

  it('maxMsgSize is the size that is still taken: −1, 0, +1', async () => {
    for (const [size, isTaken] of [
      [999, true],
      [1000, true],
      [1001, false],
    ] as const) {
      const data = Buffer.alloc(size, 'a');
      const { messages, end } = await receiveAll([frame(BINARY, data), frame(CLOSE, closing(1000))], {
        maxMsgSize: 1000,
      });
      assert.deepEqual([messages, end], isTaken ? [[data], [1000, '']] : [[], large(1000)]);
    }
  });

  it('maxMsgSize counts the parts of a message together, and refuses what a header announces', async () => {
    const part = (fin: boolean): Buffer => frame(CONTINUATION, 'a'.repeat(400), { fin });
    const bytes = [frame(TEXT, 'a'.repeat(400), { fin: false }), part(false), part(false)];
    assert.deepEqual((await receiveAll(bytes, { maxMsgSize: 1000 })).end, large(1000));
    const announced = [
      frame(TEXT, 'a'.repeat(600), { fin: false }),
      frame(CONTINUATION, '', { length: 500 }),
    ];
    assert.deepEqual((await receiveAll(announced, { maxMsgSize: 1000 })).end, large(1000));
  });

  it('counts each message anew', async () => {
    const bytes = Array.from({ length: 20 }, () => frame(BINARY, Buffer.alloc(900)));
    const { messages, end } = await receiveAll([...bytes, frame(CLOSE, closing(1000))], { maxMsgSize: 1000 });
    assert.deepEqual([messages.length, end], [20, [1000, '']]);
  });

  it('maxMsgSize 0 is none', async () => {
    const data = Buffer.alloc(5 * 2 ** 20, 1);
    const { messages } = await receiveAll([frame(BINARY, data), frame(CLOSE)], { maxMsgSize: 0 });
    assert(data.equals(messages[0] as Buffer));
    assert.deepEqual((await receiveAll([frame(BINARY, data)])).end, large(4_194_304));
  });

  it('CVE-2026-12151: a message has at most one part for 64 bytes of the limit, and 1024 are fine', async () => {
    const parts = (count: number): Buffer[] => [
      Buffer.concat([
        frame(TEXT, 'a', { fin: false }),
        ...Array.from({ length: count - 2 }, () => frame(CONTINUATION, '', { fin: false })),
        frame(CONTINUATION, 'b'),
        frame(CLOSE, closing(1000)),
      ]),
    ];
    assert.deepEqual((await receiveAll(parts(1024), { maxMsgSize: 1000 })).messages, ['ab']);
    const tooMany = [1008, 'Message in too many pieces'];
    assert.deepEqual((await receiveAll(parts(1025), { maxMsgSize: 1000 })).end, tooMany);
    assert.deepEqual((await receiveAll(parts(65_536))).messages, ['ab']);
    assert.deepEqual((await receiveAll(parts(65_537))).end, tooMany);
    assert.deepEqual((await receiveAll(parts(70_000), { maxMsgSize: 0 })).messages, ['ab']);
  });

  it('a frame that comes in too many pieces is refused before it costs more than it is worth', async () => {
    await using site = await servePeer(async (peer) => {
      peer.send(frame(BINARY, '', { length: 30_000 }));
      for (let i = 0; i < 1200 && !peer.socket.destroyed; i++) {
        peer.send(Buffer.from([i]));
        await turn();
      }
    });
    await withWebSocket(site.url, { maxMsgSize: 60_000 }, async (ws) => {
      const { data } = await ws.receive();
      assert(data instanceof WebSocketError);
      assert.deepEqual([data.code, data.message], [1008, 'Message in too many pieces']);
    });
  });

  it('P81: a server that floods while nobody receives has to wait, and nothing is lost', async () => {
    let written = 0;
    let isBlocked = false;
    const total = 2000;
    await using site = await servePeer(async (peer) => {
      for (let i = 0; i < total; i++) {
        const payload = Buffer.alloc(50_000);
        payload.writeUInt32BE(i);
        written++;
        if (peer.socket.write(frame(BINARY, payload))) continue;
        isBlocked = true;
        await new Promise((resolve) => peer.socket.once('drain', resolve));
        isBlocked = false;
      }
    });
    await withWebSocket(site.url, {}, async (ws) => {
      // The buffers of the system take some MB.
      for (let last = -1; last !== written || !isBlocked; await delay(50)) last = written;
      assert(written < total / 2, `${written * 50_000} bytes were taken`);
      for (let i = 0; i < total; i++) assert.equal((await ws.receiveBytes()).readUInt32BE(), i);
    });
  });

  it('P81: so has one that floods with empty messages and pings', async () => {
    let written = 0;
    let isBlocked = false;
    const batch = Buffer.concat(
      Array.from({ length: 5000 }, (_, i) => frame(i % 3 === 0 ? PING : i % 3 === 1 ? TEXT : PONG)),
    );
    const total = 10_000;
    await using site = await servePeer(async (peer) => {
      for (let i = 0; i < total && !peer.socket.destroyed; i++) {
        written++;
        if (peer.socket.write(batch)) continue;
        isBlocked = true;
        await new Promise((resolve) => peer.socket.once('drain', resolve).once('close', resolve));
        isBlocked = false;
      }
    });
    await withWebSocket(site.url, {}, async (ws) => {
      for (let last = -1; last !== written || !isBlocked; await delay(50)) last = written;
      assert(written < total / 2, `${written} batches were taken`);
      assert.equal(await ws.receiveStr(), '');
    });
  });
});

describe('compressed messages', () => {
  it('come back from a server as they were sent, with every kind of window', async () => {
    const texts = [
      '',
      'x',
      'a'.repeat(100_000),
      JSON.stringify(Array.from({ length: 3000 }, (_, i) => i * i)),
    ];
    for (const serverOptions of [
      {},
      { clientNoContextTakeover: true, serverNoContextTakeover: true },
      { clientMaxWindowBits: 9, serverMaxWindowBits: 9 },
    ]) {
      await using site = await serveEcho({ perMessageDeflate: { threshold: 0, ...serverOptions } });
      for (const compress of [15, 12, 9]) {
        await withWebSocket(site.url, { compress }, async (ws) => {
          assert.equal(ws.compress, serverOptions.clientMaxWindowBits ?? 15);
          assert.equal(ws.clientNotakeover, serverOptions.clientNoContextTakeover ?? false);
          for (const text of [...texts, ...texts]) {
            await ws.sendStr(text);
            await ws.sendBytes(Buffer.from(text));
            assert.equal(await ws.receiveStr(), text);
            assert((await ws.receiveBytes()).equals(Buffer.from(text)));
          }
        });
      }
    }
  });

  it('have the first reserved bit, unless the message is not to be compressed', async () => {
    const bits: unknown[] = [];
    await using site = await servePeer(
      async (peer) => {
        for (let one = await peer.next(); one !== null; one = await peer.next())
          bits.push([one.opcode, one.rsv]);
      },
      (head) => switching(head, [DEFLATED]),
    );
    await withWebSocket(site.url, { compress: 15 }, async (ws) => {
      await ws.sendStr('x');
      await ws.sendStr('x', 0);
      await ws.sendBytes(Buffer.from('x'), 9);
      await ws.ping();
    });
    await (site.peers[0] as Peer).closed;
    assert.deepEqual(bits, [
      [TEXT, 4],
      [TEXT, 0],
      [BINARY, 4],
      [PING, 0],
      [CLOSE, 0],
    ]);
  });

  it('are sent plain where nothing was agreed on, whatever the call says', async () => {
    await using site = await serveEcho();
    await withWebSocket(site.url, { compress: 15 }, async (ws) => {
      assert.equal(ws.compress, 0);
      await ws.sendStr('x', 15);
      assert.equal(await ws.receiveStr(), 'x');
    });
  });

  it('may be changed by the sender while they are being sent', async () => {
    await using site = await serveEcho({ perMessageDeflate: { threshold: 0 } });
    await withWebSocket(site.url, { compress: 15 }, async (ws) => {
      const data = Buffer.alloc(30_000, 'a');
      await ws.sendBytes(data);
      data.fill('b');
      assert((await ws.receiveBytes()).equals(Buffer.alloc(30_000, 'a')));
    });
  });

  it('come in parts, with control frames between, and beside plain ones', async () => {
    const payload = deflate('compressed');
    const bytes = [
      frame(TEXT, payload.subarray(0, 3), { rsv: 4, fin: false }),
      frame(PING, 'p'),
      frame(CONTINUATION, payload.subarray(3), { fin: true }),
      frame(TEXT, 'plain'),
      frame(BINARY, deflate(''), { rsv: 4 }),
      frame(CLOSE, closing(1000)),
    ];
    assert.deepEqual((await receiveAll(bytes, {}, true)).messages, ['compressed', 'plain', Buffer.alloc(0)]);
  });

  it('come as a stream that has ended, too', async () => {
    const ended = frame(TEXT, deflate('ended', constants.Z_FINISH), { rsv: 4 });
    const next = frame(TEXT, deflate('next'), { rsv: 4 });
    const bytes = [ended, next, ended, ended, next, next, frame(CLOSE, closing(1000))];
    const { messages } = await receiveAll(bytes, {}, true);
    assert.deepEqual(messages, ['ended', 'next', 'ended', 'ended', 'next', 'next']);
  });

  const violations: [name: string, frames: Buffer[], code: number, text: RegExp][] = [
    [
      'the bit on a part',
      [frame(TEXT, 'a', { fin: false }), frame(CONTINUATION, '', { rsv: 4 })],
      1002,
      /reserved bits/,
    ],
    ['the bit on a ping', [frame(PING, deflate('x'), { rsv: 4 })], 1002, /reserved bits/],
    ['the bit on a close', [frame(CLOSE, closing(1000), { rsv: 4 })], 1002, /reserved bits/],
    ['the second bit', [frame(TEXT, deflate('x'), { rsv: 6 })], 1002, /reserved bits/],
    [
      'what is not deflated',
      [frame(TEXT, Buffer.from([0xff, 0xff, 0xff]), { rsv: 4 })],
      1007,
      /^Invalid compressed message: /,
    ],
    [
      'text that is no UTF-8',
      [frame(TEXT, deflate(Buffer.from([0xff])), { rsv: 4 })],
      1007,
      /^Invalid UTF-8 text message$/,
    ],
    [
      'a distance that leads nowhere',
      [frame(TEXT, farBack(), { rsv: 4 })],
      1007,
      /^Invalid compressed message: invalid distance too far back$/,
    ],
  ];
  const fine = frame(TEXT, deflate('fine'), { rsv: 4 });
  for (const [name, frames, code, text] of violations) {
    it(`P81: ${name}: ERROR ${code}`, async () => {
      // The first message makes the stream, from then on small ones are decompressed in place.
      for (const before of [[], [fine], [fine, fine]]) {
        const outcome = await receiveAll([...before, ...frames], {}, true);
        assert.deepEqual([outcome.messages, outcome.end?.[0]], [before.map(() => 'fine'), code]);
        assert.equal(outcome.sent, code);
        assert.match(outcome.end?.[1] ?? '', text);
      }
    });
  }

  it('large and small ones refer to those before them, of either size', async () => {
    const random = randomBytes(8000).toString('latin1');
    const texts = [random.slice(0, 100), random, random.slice(3000, 3100), random, '', random.slice(7000)];
    const sizes: number[] = [];
    await using site = await servePeer(
      async (peer) => {
        for (let one = await peer.next(); one !== null && one.opcode === TEXT; one = await peer.next()) {
          sizes.push(one.payload.length);
          peer.send(frame(TEXT, one.payload, { rsv: 4 }));
        }
      },
      (head) => switching(head, [DEFLATED]),
    );
    await withWebSocket(site.url, { compress: 15 }, async (ws) => {
      for (const text of texts) {
        await ws.sendStr(text);
        assert.equal(await ws.receiveStr(), text);
      }
    });
    assert.deepEqual(
      sizes.map((size) => size > 1000),
      [false, true, false, false, false, false],
    );
  });

  it('that are small are done in place, but for the first: no thread tells of them', async () => {
    const streams = new Set<number>();
    let told = 0;
    const hook = createHook({
      init: (id, type) => void (type === 'ZLIB' && streams.add(id)),
      before: (id) => void (streams.has(id) && told++),
    }).enable();
    try {
      await using site = await servePeer(
        async (peer) => {
          for (let one = await peer.next(); one !== null && one.opcode === TEXT; one = await peer.next())
            peer.send(frame(TEXT, one.payload, { rsv: 4 }));
        },
        (head) => switching(head, [DEFLATED]),
      );
      await withWebSocket(site.url, { compress: 15 }, async (ws) => {
        const counts: number[] = [];
        for (const text of ['first', 'second', 'x'.repeat(4096), 'y'.repeat(4097)]) {
          await ws.sendStr(text);
          assert.equal(await ws.receiveStr(), text);
          counts.push(told);
        }
        const [first = 0, second, small, large = 0] = counts;
        assert.ok(first > 0);
        assert.deepEqual([second, small, large > first], [first, first, true]);
      });
    } finally {
      hook.disable();
    }
  });

  it('are sent and received in order, whatever their size, thousands at a time', async () => {
    await using site = await serveEcho({ perMessageDeflate: { threshold: 0 } });
    await withWebSocket(site.url, { compress: 15 }, async (ws) => {
      const texts = Array.from({ length: 5000 }, (_, i) => (i % 500 === 0 ? 'x'.repeat(10_000) : '') + i);
      const sent = Promise.all(texts.map((text) => ws.sendStr(text).toPromise()));
      for (const text of texts) assert.equal(await ws.receiveStr(), text);
      await sent;
    });
  });

  it('maxMsgSize is that of the message: −1, 0, +1', async () => {
    for (const [size, isTaken] of [
      [99_999, true],
      [100_000, true],
      [100_001, false],
    ] as const) {
      const one = frame(BINARY, deflate(Buffer.alloc(size, 'a')), { rsv: 4 });
      for (const before of [[], [fine], [fine, fine]]) {
        const bytes = [...before, one, frame(CLOSE, closing(1000))];
        const { messages, end } = await receiveAll(bytes, { maxMsgSize: 100_000 }, true);
        assert.equal(messages.length - before.length, isTaken ? 1 : 0);
        assert.deepEqual(end, isTaken ? [1000, ''] : [1009, 'Message size exceeds limit 100000']);
      }
    }
  });

  it('CVE-2026-1526: a bomb is cut at the limit, whole or in parts', async () => {
    // 1 GiB, in 1 MiB.
    const block = deflate(Buffer.alloc(2 ** 26));
    const bomb = Buffer.concat(
      Array.from({ length: 16 }, () => Buffer.concat([block, Buffer.from([0, 0, 0xff, 0xff])])),
    );
    assert(bomb.length < 2 ** 21);
    const before = process.memoryUsage.rss();
    const whole = await receiveAll([frame(BINARY, bomb, { rsv: 4 })], {}, true);
    assert.deepEqual([whole.messages, whole.end], [[], [1009, 'Message size exceeds limit 4194304']]);
    const slice = deflateRawSync(Buffer.alloc(2 ** 20), { finishFlush: constants.Z_SYNC_FLUSH });
    const parts = Array.from({ length: 16 }, (_, i) =>
      frame(i === 0 ? BINARY : CONTINUATION, slice, { fin: false, rsv: i === 0 ? 4 : 0 }),
    );
    const cut = await receiveAll(parts, {}, true);
    assert.deepEqual([cut.messages, cut.end?.[0]], [[], 1009]);
    assert(process.memoryUsage.rss() - before < 2 ** 28, 'it was blown up');
  });

  it('P81: many small ones that become large are not blown up before they are received', async () => {
    const small = frame(BINARY, deflate(Buffer.alloc(2 ** 22)), { rsv: 4 });
    const count = 40;
    await using site = await servePeer(
      (peer) => peer.send(Buffer.concat(Array.from({ length: count }, () => small))),
      (head) => switching(head, [`${DEFLATED}; server_no_context_takeover`]),
    );
    await withWebSocket(site.url, { compress: 15 }, async (ws) => {
      const before = process.memoryUsage().arrayBuffers;
      await delay(200);
      const used = process.memoryUsage().arrayBuffers - before;
      assert(used < 2 ** 25, `${used} bytes are waiting`);
      for (let i = 0; i < count; i++) assert.equal((await ws.receiveBytes()).length, 2 ** 22);
    });
  });

  it('are freed with the connection while they wait for that, and while they are decompressed', async () => {
    const small = frame(BINARY, deflate(Buffer.alloc(2 ** 22)), { rsv: 4 });
    await using site = await servePeer(
      (peer) => peer.send(small, small, small),
      (head) => switching(head, [`${DEFLATED}; server_no_context_takeover`]),
    );
    const timeout = new ClientWSTimeout({ wsClose: 0.01 });
    for (let turns = 0; turns < 16; turns++) {
      await withWebSocket(site.url, { compress: 15, timeout }, async (ws) => {
        void ws.sendStr('x'.repeat(100_000)).catch(() => {});
        for (let i = 0; i < turns; i++) await sleep(0.0005);
        if (turns % 2 === 1) (site.peers.at(-1) as Peer).socket.resetAndDestroy();
      });
    }
  });
});
