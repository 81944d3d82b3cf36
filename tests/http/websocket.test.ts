import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { CancelledError, createTask, gather, RuntimeError, sleep, TimeoutError } from 'asyncio-ts';
import {
  ClientConnectionError,
  ClientConnectionResetError,
  ClientSession,
  ClientTimeout,
  ClientWebSocketResponse,
  ClientWSTimeout,
  ServerTimeoutError,
  WebSocketError,
  WSCloseCode,
  type WSMessage,
  WSMessageTypeError,
  WSMsgType,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { jump, run } from './clock.ts';
import {
  BINARY,
  CLOSE,
  closing,
  failureOf,
  frame,
  PING,
  PONG,
  type Peer,
  serveEcho,
  servePeer,
  TEXT,
  withWebSocket,
} from './websocket-servers.ts';

/** Type, data and extra of a message. */
const parts = ({ type, data, extra }: WSMessage<string | Buffer>): unknown[] => [type, data, extra];

/** A server that answers a CLOSE, and nothing else. */
const courteous = async (peer: Peer): Promise<void> => {
  for (let one = await peer.next(); one !== null; one = await peer.next()) {
    if (one.opcode === CLOSE) peer.send(frame(CLOSE, one.payload));
  }
};

describe('ClientSession.wsConnect', () => {
  it('gives an open WebSocket, which run closes with 1000', async () => {
    await using site = await servePeer(courteous);
    await withWebSocket(site.url, {}, async (ws) => {
      assert(ws instanceof ClientWebSocketResponse);
      assert.deepEqual(
        [ws.closed, ws.closeCode, ws.protocol, ws.compress, ws.clientNotakeover, ws.exception()],
        [false, null, null, 0, false, null],
      );
    });
    assert.match((site.peers[0] as Peer).head, /^GET \/ HTTP\/1\.1\r\n/);
  });

  it('can be awaited, and the WebSocket run or disposed of', async () => {
    await using site = await serveEcho();
    const codes: unknown[] = [];
    site.server.on('connection', (socket) => socket.on('close', (code) => codes.push(code)));
    await run(async () => {
      await using session = new ClientSession(site.url);
      const first = await session.wsConnect('a');
      assert.equal(await first.run(async (ws) => [ws === first, await ws.close()].join()), 'true,true');
      {
        await using second = await session.wsConnect('b');
        await second.sendStr('x');
        assert.equal(await second.receiveStr(), 'x');
      }
      assert.equal(first.closed, true);
    });
    while (codes.length < 2) await turn();
    assert.deepEqual(codes, [1000, 1000]);
  });

  it('works from generators', async () => {
    await using site = await serveEcho();
    const seen = await run(function* () {
      const session = new ClientSession(site.url);
      return yield* session.run(function* () {
        return yield* session.wsConnect('').run(function* (ws) {
          yield* ws.sendStr('one');
          yield* ws.sendJson({ two: 2 });
          const all: unknown[] = [yield* ws.receiveStr(), yield* ws.receiveJson()];
          yield* ws.close();
          const { done } = yield* ws[Symbol.asyncIterator]().next();
          return [...all, done, ws.closeCode];
        });
      });
    });
    assert.deepEqual(seen, ['one', { two: 2 }, true, 1000]);
  });

  it('closes the WebSocket when the body fails', async () => {
    await using site = await servePeer(courteous);
    const problem = new Error('mine');
    const error = await failureOf(
      withWebSocket(site.url, {}, async () => {
        throw problem;
      }),
    );
    assert.equal(error, problem);
    await (site.peers[0] as Peer).closed;
  });

  it('is closed with its session', async () => {
    await using site = await servePeer(() => {});
    await run(async () => {
      const session = new ClientSession();
      const ws = await session.wsConnect(site.url);
      const receiving = createTask(ws.receive());
      await sleep(0);
      await session.close();
      assert.deepEqual(parts(await receiving), [WSMsgType.CLOSED, null, null]);
      assert.deepEqual([ws.closed, ws.closeCode], [true, 1006]);
    });
  });
});

describe('sending', () => {
  it('sends text, bytes, JSON and frames, masked and whole', async () => {
    await using site = await servePeer(async (peer) => {
      const seen: unknown[] = [];
      for (let one = await peer.next(); one !== null && one.opcode !== CLOSE; one = await peer.next()) {
        seen.push([one.opcode, one.fin, one.rsv, one.payload.toString()]);
      }
      peer.send(frame(TEXT, JSON.stringify(seen)), frame(CLOSE, closing(1000)));
    });
    const seen = await withWebSocket(site.url, {}, async (ws) => {
      await ws.sendStr('Grüße');
      await ws.sendBytes(Buffer.from('bytes'));
      await ws.sendBytes(new Uint8Array([104, 105]));
      await ws.sendJson({ a: [1, null] });
      await ws.sendJson('x', null, { dumps: (value) => `<${String(value)}>` });
      await ws.sendJsonBytes(1, null, { dumps: (value) => Buffer.from(`${String(value)}!`) });
      await ws.sendFrame(Buffer.from('raw'), WSMsgType.TEXT);
      await ws.ping();
      await ws.ping('p');
      await ws.pong(Buffer.from('q'));
      await ws.sendFrame(Buffer.from('r'), WSMsgType.PING);
      await ws.sendStr('');
      const closed = createTask(ws.close());
      await closed;
      return await ws.receive();
    });
    assert.equal(seen.type, WSMsgType.CLOSED);
    const sent: unknown[] = [];
    await using echo = await servePeer(async (peer) => {
      for (let i = 0; i < 3; i++) {
        const one = await peer.next();
        sent.push([one?.opcode, one?.fin, one?.rsv, one?.payload.toString()]);
      }
      peer.send(frame(CLOSE, closing(1000)));
    });
    await withWebSocket(echo.url, {}, async (ws) => {
      await ws.sendStr('Grüße');
      await ws.sendFrame(Buffer.from('raw'), WSMsgType.BINARY);
      await ws.pong('q');
      await ws.receive();
    });
    assert.deepEqual(sent, [
      [TEXT, true, 0, 'Grüße'],
      [BINARY, true, 0, 'raw'],
      [PONG, true, 0, 'q'],
    ]);
  });

  for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, 2_000_000]) {
    it(`sends and receives ${size} bytes`, async () => {
      await using site = await serveEcho();
      await withWebSocket(site.url, {}, async (ws) => {
        const data = Buffer.alloc(size, 'abc');
        const before = Buffer.from(data);
        await ws.sendBytes(data);
        assert.deepEqual(data, before);
        assert(before.equals(await ws.receiveBytes()));
        await ws.sendStr(data.toString());
        assert.equal(await ws.receiveStr(), before.toString());
      });
    });
  }

  it('refuses what is no text, no bytes, no frame, too long for a control frame', async () => {
    await using site = await servePeer(courteous);
    await withWebSocket(site.url, {}, async (ws) => {
      const wrong = ws as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
      const cases: [string, unknown[], RegExp][] = [
        ['sendStr', [Buffer.from('x')], /^TypeError: data argument must be str \(Buffer\)$/],
        ['sendStr', [null], /^TypeError: data argument must be str \(null\)$/],
        ['sendBytes', ['x'], /^TypeError: data argument must be byte-ish \(string\)$/],
        ['sendFrame', ['x', 1], /^TypeError: data argument must be byte-ish \(string\)$/],
        ['sendFrame', [Buffer.alloc(0), 3], /^RangeError: Unexpected opcode=3$/],
        ['sendFrame', [Buffer.alloc(0), WSMsgType.CLOSE], /^RangeError: Unexpected opcode=8$/],
        ['ping', ['x'.repeat(126)], /^RangeError: Control frame payload cannot be larger than 125 bytes$/],
        ['pong', [5], /^TypeError: data argument must be byte-ish \(number\)$/],
        ['close', [{ code: 1006 }], /^RangeError: Invalid close code: 1006$/],
        ['close', [{ code: 99_999 }], /^RangeError: Invalid close code: 99999$/],
        ['close', [{ message: 'x'.repeat(124) }], /^RangeError: Control frame payload cannot be larger/],
        ['receive', [Number.NaN], /^RangeError/],
      ];
      for (const [method, args, expected] of cases) {
        const { name, message } = await failureOf(
          (async () => await (wrong[method] as () => Promise<unknown>).apply(ws, args as []))(),
        );
        assert.match(`${name}: ${message}`, expected);
      }
      assert.deepEqual([ws.closed, ws.exception()], [false, null]);
    });
  });

  it('fails once it is closed', async () => {
    await using site = await servePeer(courteous);
    await withWebSocket(site.url, {}, async (ws) => {
      await ws.close();
      for (const again of [
        ws.sendStr('x'),
        ws.sendBytes(Buffer.alloc(1)),
        ws.ping(),
        ws.pong(),
        ws.sendJson(1),
      ]) {
        const error = await failureOf(again);
        assert(error instanceof ClientConnectionResetError);
        assert.equal(error.message, 'Cannot write to closing transport');
        assert.equal(error.code, 'ECONNRESET');
      }
    });
  });

  it('fails once the connection is lost', async () => {
    await using site = await servePeer((peer) => void peer.socket.end());
    await withWebSocket(site.url, {}, async (ws) => {
      assert.equal((await ws.receive()).type, WSMsgType.CLOSED);
      assert((await failureOf(ws.sendStr('x'))) instanceof ClientConnectionResetError);
    });
  });

  it('keeps the order of what several tasks send', async () => {
    await using site = await serveEcho({ perMessageDeflate: true });
    await withWebSocket(site.url, { compress: 15 }, async (ws) => {
      const texts = Array.from({ length: 50 }, (_, i) => `${i}`.repeat(i % 3 === 0 ? 20_000 : 1));
      await gather(texts.map((text, i) => ws.sendStr(text, i % 5 === 0 ? 0 : null)));
      for (const text of texts) assert.equal(await ws.receiveStr(), text);
    });
  });

  it('waits while the peer does not read, and a cancelled send goes out', async () => {
    let resume = (): void => {};
    await using site = await servePeer((peer) => {
      peer.socket.pause();
      resume = () => void peer.socket.resume();
    });
    await withWebSocket(site.url, { timeout: new ClientWSTimeout({ wsClose: 0.001 }) }, async (ws) => {
      const data = Buffer.alloc(2 ** 20);
      let sent = 0;
      const sending = createTask(async () => {
        for (;;) {
          await ws.sendBytes(data);
          sent++;
        }
      });
      // Sockets of the system take some of it.
      for (let last = -1; last !== sent || sent === 0; await delay(50)) last = sent;
      assert(sent < 64, `${sent} MiB were taken`);
      sending.cancel();
      assert((await failureOf(sending)) instanceof CancelledError);
      const peer = site.peers[0] as Peer;
      resume();
      let received = 0;
      for (; received <= sent; received++) assert.equal((await peer.next())?.payload.length, data.length);
      assert.equal(received, sent + 1);
    });
  });
});

describe('receiving', () => {
  it('gives messages with their types', async () => {
    await using site = await servePeer((peer) =>
      peer.send(
        frame(TEXT, 'text'),
        frame(BINARY, 'bytes'),
        frame(TEXT, '{"a":1}'),
        frame(CLOSE, closing(1001, 'bye')),
      ),
    );
    await withWebSocket(site.url, {}, async (ws) => {
      const text = await ws.receive();
      assert.deepEqual(parts(text), [WSMsgType.TEXT, 'text', '']);
      assert.deepEqual(parts(await ws.receive()), [WSMsgType.BINARY, Buffer.from('bytes'), '']);
      const json = await ws.receive();
      assert.deepEqual(json.json(), { a: 1 });
      assert.equal(json.type === WSMsgType.TEXT && json.json({ loads: (data) => data.length }), 7);
      assert.deepEqual([ws.closed, ws.closeCode], [false, null]);
      assert.deepEqual(parts(await ws.receive()), [WSMsgType.CLOSE, 1001, 'bye']);
      assert.deepEqual([ws.closed, ws.closeCode, ws.exception()], [true, 1001, null]);
      for (let i = 0; i < 3; i++) assert.deepEqual(parts(await ws.receive()), [WSMsgType.CLOSED, null, null]);
    });
  });

  it('prints messages with the name of their type', async () => {
    await using site = await servePeer((peer) =>
      peer.send(frame(TEXT, "it's"), frame(BINARY, 'b\0\xff'), frame(CLOSE, closing(1000, 'bye'))),
    );
    await withWebSocket(site.url, {}, async (ws) => {
      const texts: string[] = [];
      for (let i = 0; i < 4; i++) {
        const message = await ws.receive();
        assert.equal(inspect(message), String(message));
        texts.push(`${message}`);
      }
      assert.deepEqual(texts, [
        "WSMessage(type=<WSMsgType.TEXT: 1>, data=\"it's\", extra='')",
        "WSMessage(type=<WSMsgType.BINARY: 2>, data=b'b\\x00\\xc3\\xbf', extra='')",
        "WSMessage(type=<WSMsgType.CLOSE: 8>, data=1000, extra='bye')",
        'WSMessage(type=<WSMsgType.CLOSED: 257>, data=null, extra=null)',
      ]);
    });
  });

  it('has names for types and codes', () => {
    const type: WSMsgType = WSMsgType.TEXT;
    const name: string = WSMsgType[type];
    assert.equal(name, 'TEXT');
    const code: WSCloseCode = 1001;
    assert.equal(WSCloseCode[code], 'GOING_AWAY');
    const unknown: string | undefined = WSCloseCode[4000];
    assert.equal(unknown, undefined);
    // @ts-expect-error -- a name is no type
    const wrong: WSMsgType = 'TEXT';
    assert.equal(WSMsgType[wrong], 1);
    assert.deepEqual(Object.keys(WSCloseCode).slice(0, 2), ['OK', 'GOING_AWAY']);
    assert.equal(Object.values(WSMsgType).length, 9);
    assert.equal(JSON.stringify(WSMsgType).includes('"1"'), false);
  });

  it('refuses messages of another type', async () => {
    await using site = await servePeer((peer) =>
      peer.send(frame(BINARY, 'b\0'), frame(TEXT, "it's"), frame(BINARY)),
    );
    await withWebSocket(site.url, {}, async (ws) => {
      const texts: string[] = [];
      for (const next of [ws.receiveStr(), ws.receiveBytes(), ws.receiveJson()]) {
        const error = await failureOf(next);
        assert(error instanceof WSMessageTypeError && error instanceof TypeError);
        texts.push(error.message);
      }
      assert.deepEqual(texts, [
        "Received message 2:b'b\\x00' is not WSMsgType.TEXT",
        'Received message 1:"it\'s" is not WSMsgType.BINARY',
        "Received message 2:b'' is not WSMsgType.TEXT",
      ]);
      (site.peers[0] as Peer).send(frame(CLOSE, closing(1000)));
      assert.match(
        (await failureOf(ws.receiveStr())).message,
        /^Received message 8:1000 is not WSMsgType\.TEXT$/,
      );
      assert.match(
        (await failureOf(ws.receiveBytes())).message,
        /^Received message 257:null is not WSMsgType/,
      );
    });
  });

  it('parses JSON with JSON.parse or with loads', async () => {
    await using site = await servePeer((peer) =>
      peer.send(...['[1]', '2', '{'].map((text) => frame(TEXT, text))),
    );
    await withWebSocket(site.url, {}, async (ws) => {
      assert.deepEqual(await ws.receiveJson(), [1]);
      assert.equal(await ws.receiveJson({ loads: (text) => `${text}!` }), '2!');
      assert((await failureOf(ws.receiveJson())) instanceof SyntaxError);
    });
  });

  it('gives text as bytes, unchecked, with decodeText false', async () => {
    await using site = await servePeer((peer) =>
      peer.send(
        frame(TEXT, 'Grüße'),
        frame(TEXT, Buffer.from([0xff])),
        frame(TEXT, '{"a":1}'),
        frame(TEXT, '[2]'),
      ),
    );
    await withWebSocket(site.url, { decodeText: false }, async (ws) => {
      assert.deepEqual(parts(await ws.receive()), [WSMsgType.TEXT, Buffer.from('Grüße'), '']);
      const bytes: Buffer = await ws.receiveStr();
      assert.deepEqual(bytes, Buffer.from([0xff]));
      assert.deepEqual(await ws.receiveJson({ loads: (data) => data.length }), 7);
      assert.deepEqual((await ws.receive()).json(), [2]);
    });
  });

  it('must not be done by two tasks', async () => {
    await using site = await servePeer(courteous);
    await withWebSocket(site.url, {}, async (ws) => {
      const first = createTask(ws.receive());
      await sleep(0);
      const error = await failureOf(ws.receive());
      assert(error instanceof RuntimeError);
      assert.equal(error.message, 'Concurrent call to receive() is not allowed');
      assert.equal(await ws.close(), true);
      assert.equal((await first).type, WSMsgType.CLOSING);
    });
  });

  it('has a limit of time: of the call, else of the WebSocket; nothing is closed by it', async () => {
    await using site = await servePeer(() => {});
    const timeout = new ClientWSTimeout({ wsReceive: 60, wsClose: 0 });
    await withWebSocket(site.url, { timeout }, async (ws) => {
      for (const [given, wait] of [
        [5, 5],
        [{ minutes: 1 }, 60],
        [null, 60],
        [0, 60],
      ] as const) {
        const task = createTask(ws.receive(given));
        await turn();
        await jump(wait - 1);
        assert.equal(task.done(), false);
        await jump(2);
        const error = await failureOf(task);
        assert(error instanceof TimeoutError);
        assert.match(error.message, /^No message received within \d+ s$/);
        assert.deepEqual([ws.closed, ws.closeCode], [false, 1006]);
      }
      (site.peers[0] as Peer).send(frame(TEXT, 'late'));
      assert.equal(await ws.receiveStr({ timeout: 5 }), 'late');
    });
  });

  it('P4: loses no message when it is cancelled', async () => {
    await using site = await servePeer(courteous);
    await withWebSocket(site.url, {}, async (ws) => {
      const peer = site.peers[0] as Peer;
      for (let i = 0; i < 20; i++) {
        const task = createTask(ws.receiveStr());
        if (i % 2 === 0) await turn();
        peer.send(frame(TEXT, `${i}`));
        if (i % 4 < 2) await turn();
        task.cancel();
        const got = await task.catch((error: unknown) => error);
        if (got instanceof CancelledError) assert.equal(await ws.receiveStr(), `${i}`);
        else assert.equal(got, `${i}`);
      }
      assert.equal(ws.closed, false);
    });
  });
});

describe('the asynchronous iterator', () => {
  it('ends with the WebSocket', async () => {
    await using site = await servePeer((peer) =>
      peer.send(frame(TEXT, 'a'), frame(BINARY, 'b'), frame(CLOSE, closing(4000, 'enough'))),
    );
    await withWebSocket(site.url, {}, async (ws) => {
      const seen: unknown[] = [];
      for await (const message of ws) seen.push(message.data);
      assert.deepEqual(seen, ['a', Buffer.from('b')]);
      assert.deepEqual([ws.closed, ws.closeCode], [true, 4000]);
      for await (const message of ws) assert.fail(String(message.data));
    });
  });

  it('can be left, which closes nothing, and gone on with', async () => {
    await using site = await servePeer((peer) => peer.send(frame(TEXT, 'a'), frame(TEXT, 'b')));
    await withWebSocket(site.url, { timeout: new ClientWSTimeout({ wsClose: 0 }) }, async (ws) => {
      for await (const message of ws) {
        assert.equal(message.data, 'a');
        break;
      }
      assert.equal(ws.closed, false);
      for await (const message of ws) {
        assert.equal(message.data, 'b');
        break;
      }
    });
  });

  it('gives an error as a message, and ends then', async () => {
    await using site = await servePeer((peer) => peer.send(frame(TEXT, 'a'), frame(3)));
    await withWebSocket(site.url, {}, async (ws) => {
      const seen: unknown[] = [];
      for await (const { type, data } of ws) seen.push(type, data);
      assert.deepEqual(seen.slice(0, 3), [WSMsgType.TEXT, 'a', WSMsgType.ERROR]);
      assert(seen[3] instanceof WebSocketError);
      assert.equal(seen.length, 4);
    });
  });

  it('ends when the connection is lost', async () => {
    await using site = await servePeer((peer) => {
      peer.send(frame(TEXT, 'last'));
      peer.socket.end();
    });
    await withWebSocket(site.url, {}, async (ws) => {
      const seen: unknown[] = [];
      for await (const message of ws) seen.push(message.data);
      assert.deepEqual(seen, ['last']);
      assert.equal(ws.closeCode, 1006);
    });
  });
});

describe('pings', () => {
  it('are answered while receiving, and neither they nor pongs are given', async () => {
    await using site = await servePeer(async (peer) => {
      peer.send(frame(PING, 'are you there'), frame(PONG, 'unasked'), frame(TEXT, 'x'));
      const answer = await peer.next();
      peer.send(frame(TEXT, `${answer?.opcode} ${String(answer?.payload)}`));
      await courteous(peer);
    });
    await withWebSocket(site.url, {}, async (ws) => {
      assert.equal(await ws.receiveStr(), 'x');
      assert.equal(await ws.receiveStr(), `${PONG} are you there`);
    });
  });

  it('are given like messages with autoping false', async () => {
    await using site = await servePeer(async (peer) => {
      peer.send(frame(PING, 'p'), frame(PONG, 'q'));
      const answer = await peer.next();
      peer.send(frame(TEXT, `${answer?.opcode} ${String(answer?.payload)}`));
      await courteous(peer);
    });
    await withWebSocket(site.url, { autoping: false }, async (ws) => {
      assert.deepEqual(parts(await ws.receive()), [WSMsgType.PING, Buffer.from('p'), '']);
      assert.deepEqual(parts(await ws.receive()), [WSMsgType.PONG, Buffer.from('q'), '']);
      await ws.pong('mine');
      assert.equal(await ws.receiveStr(), `${PONG} mine`);
    });
  });
});

describe('close', () => {
  it('tells the peer code and reason, drops what comes before its answer, and says true once', async () => {
    const seen: unknown[] = [];
    await using site = await servePeer(async (peer) => {
      const one = await peer.next();
      seen.push(one?.opcode, one?.code, one?.payload.subarray(2).toString());
      peer.send(frame(TEXT, 'dropped'), frame(PING), frame(CLOSE, closing(4001)));
    });
    await withWebSocket(site.url, {}, async (ws) => {
      assert.equal(await ws.close({ code: 4000, message: 'why not' }), true);
      assert.equal(await ws.close(), false);
      assert.deepEqual([ws.closed, ws.closeCode, ws.exception()], [true, 4001, null]);
    });
    assert.deepEqual(seen, [CLOSE, 4000, 'why not']);
    await (site.peers[0] as Peer).closed;
  });

  it('sends 1000, and code 0 as none', async () => {
    const seen: unknown[] = [];
    await using site = await servePeer(async (peer) => {
      seen.push((await peer.next())?.payload);
      peer.send(frame(CLOSE));
    });
    await withWebSocket(site.url, {}, (ws) => ws.close().toPromise());
    await withWebSocket(site.url, {}, async (ws) => {
      await ws.close({ code: 0 });
      assert.equal(ws.closeCode, 0);
    });
    assert.deepEqual(seen, [closing(1000), Buffer.alloc(0)]);
  });

  it('gives up after wsClose, which messages do not prolong: 1006, and a TimeoutError', async () => {
    await using site = await servePeer(async (peer) => {
      await peer.next();
      peer.send(frame(TEXT, 'still talking'));
    });
    await withWebSocket(site.url, { timeout: new ClientWSTimeout({ wsClose: 20 }) }, async (ws) => {
      const task = createTask(ws.close());
      await turn();
      await jump(15);
      (site.peers[0] as Peer).send(frame(TEXT, 'and talking'));
      await delay(5);
      assert.equal(task.done(), false);
      await jump(6);
      assert.equal(await task, true);
      assert.deepEqual([ws.closed, ws.closeCode], [true, 1006]);
      assert(ws.exception() instanceof TimeoutError);
      assert.equal(ws.exception()?.message, 'No answer to close within 20 s');
      await (site.peers[0] as Peer).closed;
    });
  });

  it('is 1006 if the peer just goes', async () => {
    await using site = await servePeer(async (peer) => {
      await peer.next();
      peer.socket.end();
    });
    await withWebSocket(site.url, {}, async (ws) => {
      assert.equal(await ws.close(), true);
      assert.equal(ws.closeCode, 1006);
      assert.equal(ws.exception()?.name, 'EofStream');
    });
  });

  it('closes the connection at once when cancelled', async () => {
    await using site = await servePeer(() => {});
    await withWebSocket(site.url, {}, async (ws) => {
      const task = createTask(ws.close());
      await turn();
      task.cancel();
      assert((await failureOf(task)) instanceof CancelledError);
      assert.deepEqual([ws.closed, ws.closeCode], [true, 1006]);
      await (site.peers[0] as Peer).closed;
    });
  });

  it('closes the connection at once when cancelled before a receive has ended', async () => {
    await using site = await servePeer(() => {});
    await withWebSocket(site.url, {}, async (ws) => {
      const receiving = createTask(ws.receive());
      const closing = createTask(ws.close());
      await sleep(0);
      closing.cancel();
      assert((await failureOf(closing)) instanceof CancelledError);
      assert.deepEqual([ws.closed, ws.closeCode], [true, 1006]);
      assert.equal((await receiving).type, WSMsgType.CLOSING);
      await (site.peers[0] as Peer).closed;
    });
  });

  it('does not wait for an answer after a receive was cancelled', async () => {
    await using site = await servePeer(() => {});
    await withWebSocket(site.url, {}, async (ws) => {
      const task = createTask(ws.receive());
      await turn();
      task.cancel();
      assert((await failureOf(task)) instanceof CancelledError);
      assert.deepEqual([ws.closed, ws.closeCode], [false, 1006]);
      assert.equal(await ws.close(), true);
      assert.equal(ws.closeCode, 1006);
      assert.equal((await (site.peers[0] as Peer).next())?.code, 1000);
    });
  });

  it('by several tasks at once is done by one of them', async () => {
    await using site = await servePeer(courteous);
    await withWebSocket(site.url, { timeout: new ClientWSTimeout() }, async (ws) => {
      const receiving = createTask(ws.receive());
      await sleep(0);
      const answers = await gather([ws.close(), ws.close(), ws.close()]);
      assert.equal(answers.filter(Boolean).length, 1);
      assert.equal((await receiving).type, WSMsgType.CLOSING);
      assert.equal((await ws.receive()).type, WSMsgType.CLOSED);
      assert.equal(ws.closeCode, 1000);
    });
  });

  it('of the peer is answered with 1000 by autoclose, and left to the caller without', async () => {
    const seen: unknown[] = [];
    await using site = await servePeer(async (peer) => {
      peer.send(frame(CLOSE, closing(1012, 'restart')));
      seen.push((await peer.next())?.code);
    });
    await withWebSocket(site.url, {}, async (ws) => {
      assert.equal((await ws.receive()).data, WSCloseCode.SERVICE_RESTART);
      assert.equal(ws.closed, true);
      assert.equal(await ws.close(), false);
    });
    await withWebSocket(site.url, { autoclose: false }, async (ws) => {
      assert.deepEqual(parts(await ws.receive()), [WSMsgType.CLOSE, 1012, 'restart']);
      assert.deepEqual([ws.closed, ws.closeCode], [false, 1012]);
      assert.equal(await ws.close({ code: 3000 }), true);
      assert.deepEqual([ws.closed, ws.closeCode], [true, 1012]);
    });
    for (const peer of site.peers) await peer.closed;
    assert.deepEqual(seen, [1000, 3000]);
  });

  it('of the peer, unanswered by the caller, is answered by the next receive', async () => {
    await using site = await servePeer((peer) => peer.send(frame(CLOSE, closing(1001))));
    await withWebSocket(site.url, { autoclose: false }, async (ws) => {
      await ws.receive();
      assert.equal((await ws.receive()).type, WSMsgType.CLOSED);
      assert.equal(ws.closed, true);
    });
    assert.equal((await (site.peers[0] as Peer).next())?.code, 1000);
  });

  it('of the peer without a code is 0', async () => {
    await using site = await servePeer((peer) => peer.send(frame(CLOSE)));
    await withWebSocket(site.url, {}, async (ws) => {
      assert.deepEqual(parts(await ws.receive()), [WSMsgType.CLOSE, 0, '']);
      assert.deepEqual([ws.closed, ws.closeCode, ws.exception()], [true, 0, null]);
    });
  });
});

describe('a lost connection', () => {
  for (const [how, lose] of [
    ['at an end', (peer: Peer) => void peer.socket.end()],
    ['at a reset', (peer: Peer) => void peer.socket.resetAndDestroy()],
    [
      'inside of a frame',
      (peer: Peer) => {
        peer.send(frame(TEXT, 'cut').subarray(0, 3));
        peer.socket.end();
      },
    ],
  ] as const) {
    it(`${how} is CLOSED with 1006, after the messages that came`, async () => {
      await using site = await servePeer(async (peer) => {
        peer.send(frame(TEXT, 'one'));
        await peer.next();
        lose(peer);
      });
      await withWebSocket(site.url, {}, async (ws) => {
        assert.equal(await ws.receiveStr(), 'one');
        await ws.sendStr('go');
        assert.deepEqual(parts(await ws.receive()), [WSMsgType.CLOSED, null, null]);
        assert.deepEqual([ws.closed, ws.closeCode], [true, 1006]);
        assert(ws.exception() instanceof ClientConnectionResetError);
        assert.equal(await ws.close(), false);
      });
    });
  }

  it('is noticed when it came before anybody could listen', async () => {
    await using site = await servePeer((peer) => void peer.socket.resetAndDestroy());
    await run(async () => {
      await using session = new ClientSession(site.url, {
        middlewares: [
          async (request, handler) => {
            const response = await handler(request);
            await (site.peers[0] as Peer).closed;
            await delay(20);
            return response;
          },
        ],
      });
      const ended = session.wsConnect('').run((ws) => ws.receive().toPromise());
      const result = await ended.catch((error: unknown) => error);
      // Where the loss is, before or behind the response, is up to the system.
      if (result instanceof Error) assert(result instanceof ClientConnectionError, String(result));
      else assert.equal((result as WSMessage).type, WSMsgType.CLOSED);
    });
  });

  it('ends a receive that waits', async () => {
    await using site = await servePeer(() => {});
    await withWebSocket(site.url, {}, async (ws) => {
      const task = createTask(ws.receive());
      await turn();
      (site.peers[0] as Peer).socket.resetAndDestroy();
      assert.equal((await task).type, WSMsgType.CLOSED);
    });
  });
});

describe('the heartbeat', () => {
  const noPong = 'No PONG received after 5.0 seconds';

  /** Let so many seconds pass, and the timers run that are due then. */
  const pass = async (seconds: number): Promise<void> => {
    await jump(seconds);
    await turn();
  };

  it('asks after silence, and goes on when the peer answers', async () => {
    await using site = await servePeer(async (peer) => {
      for (let one = await peer.next(); one !== null; one = await peer.next()) {
        if (one.opcode === PING) peer.send(frame(PONG, one.payload), frame(TEXT, 'pinged'));
        if (one.opcode === CLOSE) peer.send(frame(CLOSE, one.payload));
      }
    });
    await withWebSocket(site.url, { heartbeat: 10 }, async (ws) => {
      for (let i = 0; i < 3; i++) {
        const task = createTask(ws.receiveStr());
        await pass(11);
        assert.equal(await task, 'pinged');
      }
      assert.equal(ws.closed, false);
    });
  });

  it('ends the WebSocket when nothing comes for half as long, with an ERROR for who waits', async () => {
    await using site = await servePeer(() => {});
    await withWebSocket(site.url, { heartbeat: 10 }, async (ws) => {
      const task = createTask(ws.receive());
      await turn();
      await pass(11);
      assert.equal((await (site.peers[0] as Peer).next())?.opcode, PING);
      assert.equal(ws.closed, false);
      await pass(6);
      const { type, data } = await task;
      assert.equal(type, WSMsgType.ERROR);
      assert(data instanceof ServerTimeoutError && data instanceof TimeoutError);
      assert.equal(data.message, noPong);
      assert.deepEqual([ws.closed, ws.closeCode, ws.exception()], [true, 1006, data]);
      assert.equal((await ws.receive()).type, WSMsgType.CLOSED);
      await (site.peers[0] as Peer).closed;
    });
  });

  it('does so when nobody receives, too', async () => {
    await using site = await servePeer(() => {});
    await withWebSocket(site.url, { heartbeat: 10 }, async (ws) => {
      await pass(11);
      await pass(6);
      assert.deepEqual([ws.closed, ws.closeCode, ws.exception()?.message], [true, 1006, noPong]);
      assert.equal((await ws.receive()).type, WSMsgType.CLOSED);
      assert((await failureOf(ws.ping())) instanceof ClientConnectionResetError);
    });
  });

  it('is kept off by any data: messages, and parts of a large frame', async () => {
    await using site = await servePeer(courteous);
    await withWebSocket(site.url, { heartbeat: 10 }, async (ws) => {
      const peer = site.peers[0] as Peer;
      const task = createTask(ws.receiveBytes());
      const bytes = frame(BINARY, Buffer.alloc(100_000));
      for (let i = 0; i < 5; i++) {
        peer.send(bytes.subarray(i * 20_000, i === 4 ? undefined : (i + 1) * 20_000));
        await delay(5);
        await pass(8);
      }
      assert.equal((await task).length, 100_000);
      assert.equal(ws.closed, false);
      await ws.close();
      assert.equal(ws.closeCode, 1000);
    });
  });

  it('stops with the WebSocket, also between ping and pong', async () => {
    await using site = await servePeer(courteous);
    await withWebSocket(site.url, { heartbeat: 10 }, async (ws) => {
      await pass(11);
      await ws.close();
      await pass(20);
      assert.deepEqual([ws.closeCode, ws.exception()], [1000, null]);
    });
  });

  it('does not take a peer for lost that we keep from sending', async () => {
    await using site = await servePeer(async (peer) => {
      for (let i = 0; i < 10; i++) peer.send(frame(BINARY, Buffer.alloc(100_000, i)));
      for (let one = await peer.next(); one !== null; one = await peer.next()) {
        if (one.opcode === PING) peer.send(frame(PONG, one.payload));
        if (one.opcode === CLOSE) peer.send(frame(CLOSE, one.payload));
      }
    });
    await withWebSocket(site.url, { heartbeat: 10 }, async (ws) => {
      await delay(20);
      for (let i = 0; i < 5; i++) await pass(12);
      assert.equal(ws.closed, false);
      for (let i = 0; i < 10; i++) assert.equal((await ws.receiveBytes())[0], i);
    });
  });

  it('prints halves of seconds, too', async () => {
    await using site = await servePeer(() => {});
    await withWebSocket(site.url, { heartbeat: { milliseconds: 3500 } }, async (ws) => {
      await pass(4);
      await pass(2);
      assert.equal(ws.exception()?.message, 'No PONG received after 1.75 seconds');
    });
  });
});

describe('ClientWebSocketResponse', () => {
  it('keeps the socket, its addresses in reach', async () => {
    await using site = await servePeer(courteous);
    await withWebSocket(site.url, {}, async (ws) => {
      const peer = site.peers[0] as Peer;
      const [host, port] = ws.getExtraInfo<[string, number]>('sockname') ?? [];
      assert.deepEqual([host, port], ['127.0.0.1', peer.socket.remotePort]);
      assert.equal(ws.getExtraInfo('nothing of that name'), null);
      assert.equal(ws.getExtraInfo('nothing of that name', 7), 7);
      await ws.close();
      assert.equal(ws.getExtraInfo('sockname', 'gone'), 'gone');
    });
  });

  it('outlives the limits of the session, which are for the handshake', async () => {
    await using site = await serveEcho();
    await run(async () => {
      await using session = new ClientSession(null, {
        timeout: new ClientTimeout({ total: 5, sockRead: 2 }),
      });
      await session.wsConnect(site.url).run(async (ws) => {
        await jump(100);
        await ws.sendStr('still here');
        assert.equal(await ws.receiveStr(), 'still here');
      });
    });
  });

  it('P72: is closed when its task is cancelled', async () => {
    await using site = await servePeer(() => {});
    await run(async () => {
      await using session = new ClientSession();
      const task = createTask(
        session
          .wsConnect(site.url, { timeout: new ClientWSTimeout({ wsClose: 0 }) })
          .run((ws) => ws.receive().toPromise()),
      );
      while (site.peers.length === 0) await turn();
      await delay(5);
      task.cancel();
      assert((await failureOf(task)) instanceof CancelledError);
      await (site.peers[0] as Peer).closed;
    });
  });
});

describe('ClientWSTimeout', () => {
  it('has 10 s for closing, none for receiving; is frozen, and prints itself', () => {
    const limits = new ClientWSTimeout();
    assert.deepEqual([limits.wsReceive, limits.wsClose], [null, 10]);
    assert(Object.isFrozen(limits));
    const others = new ClientWSTimeout({ wsReceive: { minutes: 1 }, wsClose: null });
    assert.equal(String(others), 'ClientWSTimeout(wsReceive=60, wsClose=null)');
    assert.throws(() => new ClientWSTimeout({ wsClose: Number.NaN }), RangeError);
  });
});

describe('WSMsgType and WSCloseCode', () => {
  it('have the numbers of the protocol', () => {
    assert.deepEqual(WSMsgType, {
      CONTINUATION: 0,
      TEXT: 1,
      BINARY: 2,
      CLOSE: 8,
      PING: 9,
      PONG: 10,
      CLOSING: 256,
      CLOSED: 257,
      ERROR: 258,
    });
    assert.deepEqual(
      Object.values(WSCloseCode),
      [1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014],
    );
    assert.throws(() => Object.assign(WSMsgType, { TEXT: 7 }), TypeError);
  });
});
