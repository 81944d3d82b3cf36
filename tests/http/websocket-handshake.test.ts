import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { type Coroutine, createTask, TimeoutError } from 'asyncio-ts';
import {
  BasicAuth,
  ClientConnectorError,
  ClientResponseError,
  ClientSession,
  ClientWebSocketResponse,
  ClientWSTimeout,
  CookieJar,
  NonHttpUrlClientError,
  ServerDisconnectedError,
  TCPConnector,
  TraceConfig,
  UnixConnector,
  type WSConnectOptions,
  WSServerHandshakeError,
} from 'asyncio-ts/http';
import { WebSocketServer } from 'ws';
import '../support/leaks.ts';
import { cert, key } from './certificate.ts';
import { jump, run } from './clock.ts';
import { ProxyServer } from './proxy-server.ts';
import {
  acceptOf,
  closing,
  failureOf,
  frame,
  headerOf,
  type Peer,
  serveEcho,
  servePeer,
  switching,
  TEXT,
  withWebSocket,
  type WsSite,
} from './websocket-servers.ts';

/** A server that closes what it opens, with `extra` headers in the response. */
const serveClosing = (...extra: string[]): Promise<WsSite> =>
  servePeer(
    (peer) => peer.send(frame(8, closing(1000))),
    (head) => switching(head, extra),
  );

/** The head of the request that `options` make. */
async function headFor(options: WSConnectOptions, path = ''): Promise<string> {
  await using site = await serveClosing();
  await withWebSocket(site.url + path, options, async (ws) => void (await ws.receive()));
  return (site.peers[0] as Peer).head;
}

describe('the handshake', () => {
  it('asks for a WebSocket of version 13, with a key of 16 random bytes', async () => {
    const heads = [await headFor({}, 'path?q=1'), await headFor({})];
    const [head = ''] = heads;
    assert.match(head, /^GET \/path\?q=1 HTTP\/1\.1\r\n/);
    assert.equal(headerOf(head, 'upgrade')?.toLowerCase(), 'websocket');
    assert.equal(headerOf(head, 'connection')?.toLowerCase(), 'upgrade');
    assert.equal(headerOf(head, 'sec-websocket-version'), '13');
    const keys = heads.map((one) => headerOf(one, 'sec-websocket-key') ?? '');
    for (const one of keys) assert.equal(Buffer.from(one, 'base64').length, 16);
    assert.notEqual(keys[0], keys[1]);
    for (const name of ['origin', 'sec-websocket-protocol', 'sec-websocket-extensions', 'content-length']) {
      assert.equal(headerOf(head, name), null, name);
    }
  });

  it('takes method, parameters, headers and an origin', async () => {
    const head = await headFor(
      {
        params: { a: '1', b: 'ä' },
        headers: { 'X-Mine': 'yes', 'sec-websocket-version': '8', 'Sec-WebSocket-Key': 'not this' },
        origin: 'https://example.com',
      },
      'x',
    );
    assert.match(head, /^GET \/x\?a=1&b=%C3%A4 /);
    assert.equal(headerOf(head, 'x-mine'), 'yes');
    assert.equal(headerOf(head, 'sec-websocket-version'), '8');
    assert.notEqual(headerOf(head, 'sec-websocket-key'), 'not this');
    assert.equal(headerOf(head, 'origin'), 'https://example.com');
  });

  it('takes what comes right behind the response for the first frames', async () => {
    await using site = await servePeer(
      () => {},
      (head) => switching(head) + frame(TEXT, 'early').toString('latin1'),
    );
    await withWebSocket(site.url, {}, async (ws) => assert.equal(await ws.receiveStr(), 'early'));
  });

  it('P78: lets nothing into the headers that is not theirs', async () => {
    await using site = await serveClosing();
    await run(async () => {
      await using session = new ClientSession();
      for (const options of [
        { origin: 'x\r\nEvil: 1' },
        { protocols: ['x\r\nEvil: 1'] },
        { headers: { 'X-A': 'x\nEvil: 1' } },
        { headers: { Upgrade: 'x\r\nEvil: 1' } },
        { method: 'GET / HTTP/1.1\r\nEvil: 1' },
      ]) {
        const error = await failureOf(session.wsConnect(site.url, options));
        assert(error instanceof RangeError, String(error));
      }
    });
    assert.equal(site.peers.length, 0);
  });
});

describe('an answer that is none', () => {
  const answers: [name: string, text: string, answer: (head: string) => string][] = [
    [
      'another status',
      'Invalid response status',
      () => 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
    ],
    [
      'an error',
      'Invalid response status',
      () => 'HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'another protocol',
      'Invalid upgrade header',
      (head) => switching(head).replace('Upgrade: websocket', 'Upgrade: h2c'),
    ],
    [
      'another key',
      'Invalid challenge response',
      (head) => switching(head).replace(/Accept: .*/, `Accept: ${Buffer.alloc(20).toString('base64')}`),
    ],
    [
      'no key',
      'Invalid challenge response',
      (head) => switching(head).replace(/Sec-WebSocket-Accept: .*\r\n/, ''),
    ],
    ['no upgrade', 'Invalid upgrade header', (head) => switching(head).replace('Upgrade: websocket\r\n', '')],
    [
      'no connection',
      'Invalid connection header',
      (head) => switching(head).replace('Connection: Upgrade\r\n', ''),
    ],
    [
      'another connection',
      'Invalid connection header',
      (head) => switching(head).replace('Connection: Upgrade', 'Connection: keep-alive'),
    ],
  ];
  for (const [name, text, answer] of answers) {
    it(`with ${name} is a WSServerHandshakeError, '${text}'`, async () => {
      await using site = await servePeer(() => {}, answer);
      await run(async () => {
        const connector = new TCPConnector({ limit: 1 });
        await using session = new ClientSession(null, { connector });
        // The connection is not kept: with a limit of one the second call could never begin.
        for (let i = 0; i < 2; i++) {
          const error = await failureOf(session.wsConnect(site.url, { headers: { 'X-A': '1' } }));
          assert(
            error instanceof WSServerHandshakeError && error instanceof ClientResponseError,
            String(error),
          );
          assert.equal(error.reason, text);
          assert.equal(error.requestInfo.headers.get('x-a'), '1');
          assert.equal(error.status, name === 'another status' ? 200 : name === 'an error' ? 403 : 101);
          assert.equal(error.message, `${error.status}, message='${text}', url='${site.url}'`);
        }
        for (const peer of site.peers) await peer.closed;
      });
    });
  }

  it('may name upgrade among other tokens of Connection, in any case', async () => {
    await using site = await servePeer(
      (peer) => peer.send(frame(TEXT, 'x')),
      (head) =>
        switching(head)
          .replace('Upgrade: websocket', 'upgrade: WebSocket')
          .replace('Connection: Upgrade', 'connection: keep-alive, UPGRADE'),
    );
    await withWebSocket(site.url, {}, async (ws) => assert.equal(await ws.receiveStr(), 'x'));
  });

  it('that never comes is ended by the limits of the session', async () => {
    await using site = await servePeer(
      () => {},
      () => 'HTTP/1.1 101 ',
    );
    await run(async () => {
      await using session = new ClientSession(null, { timeout: 4 });
      const task = createTask(session.wsConnect(site.url));
      while (site.peers.length === 0) await new Promise((resolve) => setImmediate(resolve));
      await jump(5);
      assert((await failureOf(task)) instanceof TimeoutError);
      await (site.peers[0] as Peer).closed;
    });
  });

  it('but a closed connection is a ServerDisconnectedError, no server a ClientConnectorError', async () => {
    const site = await servePeer(
      (peer) => void peer.socket.destroy(),
      () => '',
    );
    await run(async () => {
      await using session = new ClientSession();
      assert((await failureOf(session.wsConnect(site.url))) instanceof ServerDisconnectedError);
      await site[Symbol.asyncDispose]();
      assert((await failureOf(session.wsConnect(site.url))) instanceof ClientConnectorError);
      assert((await failureOf(session.wsConnect('ftp://127.0.0.1/'))) instanceof NonHttpUrlClientError);
    });
  });

  it('CVE-2025-69243: an upgrade that nobody asked for is no response, and its bytes are none either', async () => {
    await using site = await servePeer(
      (peer) => peer.send(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen')),
      (head) => `HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n${head && ''}`,
    );
    await run(async () => {
      await using session = new ClientSession();
      const error = await failureOf(session.get(site.url).run((response) => response.text()));
      assert(error instanceof Error);
      // Nor does a refused WebSocket leave a connection that the next request could take.
      await failureOf(session.wsConnect(site.url));
      for (const peer of site.peers) await peer.closed;
    });
  });
});

describe('subprotocols', () => {
  const protocolOf = async (
    protocols: string[],
    ...extra: string[]
  ): Promise<[string | null, string | null]> => {
    await using site = await serveClosing(...extra);
    const chosen = await withWebSocket(site.url, { protocols }, async (ws) => ws.protocol);
    return [headerOf((site.peers[0] as Peer).head, 'sec-websocket-protocol'), chosen];
  };

  it('are offered in order, and the first of the answer that is one of them counts', async () => {
    assert.deepEqual(await protocolOf(['chat', 'superchat'], 'Sec-WebSocket-Protocol: superchat'), [
      'chat,superchat',
      'superchat',
    ]);
    assert.deepEqual((await protocolOf(['a', 'b'], 'Sec-WebSocket-Protocol: x, b, a'))[1], 'b');
  });

  it('that are unknown, or not asked for, are null', async () => {
    assert.deepEqual((await protocolOf(['a'], 'Sec-WebSocket-Protocol: b'))[1], null);
    assert.deepEqual((await protocolOf(['a']))[1], null);
    assert.deepEqual(await protocolOf([], 'Sec-WebSocket-Protocol: b'), [null, null]);
  });

  it('are agreed on with a server that knows one', async () => {
    await using site = await serveEcho({ handleProtocols: (offered) => [...offered][1] ?? false });
    const chosen = await withWebSocket(
      site.url,
      { protocols: new Set(['a', 'b']) },
      async (ws) => ws.protocol,
    );
    assert.equal(chosen, 'b');
  });
});

describe('compression', () => {
  const offer = async (compress: number): Promise<string | null> =>
    headerOf(await headFor({ compress }), 'sec-websocket-extensions');

  it('is offered as asked for', async () => {
    assert.equal(await offer(0), null);
    assert.equal(await offer(15), 'permessage-deflate; client_max_window_bits');
    assert.equal(await offer(9), 'permessage-deflate; client_max_window_bits; server_max_window_bits=9');
  });

  it('has windows of 9 to 15 bits', async () => {
    await run(async () => {
      await using session = new ClientSession();
      for (const compress of [8, 16, 1, -1, 9.5]) {
        const error = await failureOf(session.wsConnect('http://127.0.0.1:9/', { compress }));
        assert(error instanceof RangeError);
        assert.equal(error.message, 'Compress wbits must between 9 and 15, zlib does not support wbits=8');
      }
    });
  });

  const answers: [extensions: string, compress: number, isFresh: boolean][] = [
    ['permessage-deflate', 15, false],
    ['permessage-deflate; client_no_context_takeover', 15, true],
    ['permessage-deflate; server_no_context_takeover', 15, false],
    ['permessage-deflate; client_max_window_bits=10', 10, false],
    ['permessage-deflate; client_max_window_bits="11"; client_no_context_takeover', 11, true],
    ['permessage-deflate;client_max_window_bits=9;server_max_window_bits=8', 9, false],
    ['permessage-deflate; client_max_window_bits', 15, false],
    ['permessage-deflate; server_max_window_bits=15', 15, false],
    ['x-other; a=1, permessage-deflate; client_max_window_bits=12', 12, false],
    ['permessage-deflate, permessage-deflate; client_max_window_bits=9', 15, false],
    ['x-other', 0, false],
  ];
  for (const [extensions, compress, isFresh] of answers) {
    it(`is agreed on by '${extensions}'`, async () => {
      await using site = await serveClosing(`Sec-WebSocket-Extensions: ${extensions}`);
      const agreed = await withWebSocket(site.url, { compress: 15 }, async (ws) => [
        ws.compress,
        ws.clientNotakeover,
      ]);
      assert.deepEqual(agreed, [compress, isFresh]);
    });
  }

  it('is off if the server does not say so, or was not asked', async () => {
    await using silent = await serveClosing();
    assert.equal(await withWebSocket(silent.url, { compress: 15 }, async (ws) => ws.compress), 0);
    await using eager = await serveClosing('Sec-WebSocket-Extensions: permessage-deflate');
    assert.equal(await withWebSocket(eager.url, {}, async (ws) => ws.compress), 0);
  });

  const refused: [extensions: string, text: string][] = [
    ['client_max_window_bits=8', 'Invalid window size'],
    ['client_max_window_bits=16', 'Invalid window size'],
    ['client_max_window_bits=010', 'Invalid window size'],
    ['server_max_window_bits=7', 'Invalid window size'],
    ['server_max_window_bits=99999999999999999999', 'Invalid window size'],
    ['server_max_window_bits=0', 'Invalid window size'],
    ['server_max_window_bits', 'Extension for deflate not supported; server_max_window_bits'],
    ['server_max_window_bits=-15', 'Extension for deflate not supported; server_max_window_bits=-15'],
    ['server_max_window_bits=1e1', 'Extension for deflate not supported; server_max_window_bits=1e1'],
    ['client_max_window_bits=abc', 'Extension for deflate not supported; client_max_window_bits=abc'],
    ['client_no_context_takeover=1', 'Extension for deflate not supported; client_no_context_takeover=1'],
    ['some_no_context_takeover', 'Extension for deflate not supported; some_no_context_takeover'],
    ['bad; worse', 'Extension for deflate not supported; bad; worse'],
    ['__proto__=15', 'Extension for deflate not supported; __proto__=15'],
    [
      'client_max_window_bits=10; client_max_window_bits=12',
      'Extension for deflate not supported; client_max_window_bits=10; client_max_window_bits=12',
    ],
  ];
  for (const [extensions, text] of refused) {
    it(`CVE-2026-2229: '${extensions}' is a WSServerHandshakeError`, async () => {
      await using site = await serveClosing(`Sec-WebSocket-Extensions: permessage-deflate; ${extensions}`);
      const error = await failureOf(withWebSocket(site.url, { compress: 15 }, async () => {}));
      assert(error instanceof WSServerHandshakeError);
      assert.deepEqual([error.status, error.reason], [101, text]);
      await (site.peers[0] as Peer).closed;
    });
  }
});

describe('what the session has for requests', () => {
  it('sends its headers and credentials', async () => {
    await using site = await serveClosing();
    await run(async () => {
      await using session = new ClientSession(site.url, {
        headers: { 'X-Session': 'yes', Authorization: 'Bearer 1' },
      });
      await session.wsConnect('a').run(async (ws) => void (await ws.receive()));
    });
    const { head } = site.peers[0] as Peer;
    assert.deepEqual([headerOf(head, 'x-session'), headerOf(head, 'authorization')], ['yes', 'Bearer 1']);
  });

  it('follows redirects, with the key of the first request', async () => {
    await using site = await servePeer(
      (peer) => peer.send(frame(TEXT, 'arrived')),
      (head) =>
        head.startsWith('GET /old')
          ? 'HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
          : switching(head),
    );
    await withWebSocket(`${site.url}old`, {}, async (ws) => assert.equal(await ws.receiveStr(), 'arrived'));
    const [first, second] = site.peers.map(({ head }) => head);
    assert.equal(acceptOf(first ?? ''), acceptOf(second ?? ''));
  });

  it('raises for a status if it is to', async () => {
    await using site = await servePeer(
      () => {},
      () => 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
    );
    await run(async () => {
      await using session = new ClientSession(null, { raiseForStatus: true });
      const error = await failureOf(session.wsConnect(site.url));
      assert(error instanceof ClientResponseError && !(error instanceof WSServerHandshakeError));
      assert.equal(error.status, 404);
    });
  });

  it('opens them over TLS, and closes them properly', async () => {
    const server = createSecureServer({ key, cert });
    const sockets = new WebSocketServer({ server });
    const codes: unknown[] = [];
    sockets.on('connection', (socket) => {
      socket.on('message', (data) => socket.send(data as Buffer, { binary: false }));
      socket.on('close', (code) => codes.push(code));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `wss://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await run(async () => {
      await using session = new ClientSession();
      assert((await failureOf(session.wsConnect(url))) instanceof ClientConnectorError);
      for (let i = 0; i < 10; i++) {
        await session.wsConnect(url, { ssl: { ca: cert } }).run(async (ws) => {
          await ws.sendStr('x'.repeat(300_000));
          assert.equal((await ws.receiveStr()).length, 300_000);
        });
      }
    });
    server.close();
    await once(server, 'close');
    assert.deepEqual(
      codes,
      Array.from({ length: 10 }, () => 1000),
    );
  });

  it('sends its cookies, and keeps those of the answer', async () => {
    await using site = await serveClosing('Set-Cookie: seen=1');
    await run(async () => {
      const cookieJar = new CookieJar({ unsafe: true });
      await using session = new ClientSession(site.url, { cookieJar, cookies: { mine: 'x' } });
      for (let i = 0; i < 2; i++) await session.wsConnect('').run(async (ws) => void (await ws.receive()));
    });
    assert.deepEqual(
      site.peers.map(({ head }) => headerOf(head, 'cookie')),
      ['mine=x', 'mine=x; seen=1'],
    );
  });

  it('P75: tells another origin no secrets when it is redirected there', async () => {
    await using other = await serveClosing();
    await using site = await servePeer(
      () => {},
      () => `HTTP/1.1 307 Temporary Redirect\r\nLocation: ${other.url}\r\nContent-Length: 0\r\n\r\n`,
    );
    await run(async () => {
      await using session = new ClientSession(null, { headers: { Cookie: 'secret=1' } });
      const options = { auth: new BasicAuth('me', 'secret'), headers: { 'X-Plain': 'yes' } };
      await session.wsConnect(site.url, options).run(async (ws) => void (await ws.receive()));
    });
    const heads = [site, other].map(({ peers }) => (peers[0] as Peer).head);
    assert.deepEqual(
      heads.map((head) => [
        headerOf(head, 'authorization'),
        headerOf(head, 'cookie'),
        headerOf(head, 'x-plain'),
      ]),
      [
        ['Basic bWU6c2VjcmV0', 'secret=1', 'yes'],
        [null, null, 'yes'],
      ],
    );
  });

  it('puts its middlewares around the handshake, and tells its traces', async () => {
    await using site = await serveClosing();
    const log: unknown[] = [];
    const trace = new TraceConfig();
    trace.onRequestStart.append((_session, _context, { method }) => void log.push(`start ${method}`));
    trace.onRequestEnd.append((_session, _context, { response }) => void log.push(`end ${response.status}`));
    await run(async () => {
      await using session = new ClientSession(site.url, {
        traceConfigs: [trace],
        middlewares: [
          async (request, handler) => {
            request.headers.set('X-Middleware', 'yes');
            const response = await handler(request);
            log.push(`middleware ${response.status}`);
            return response;
          },
        ],
      });
      await session.wsConnect('').run(async (ws) => void (await ws.receive()));
    });
    assert.deepEqual(log, ['start GET', 'middleware 101', 'end 101']);
    assert.equal(headerOf((site.peers[0] as Peer).head, 'x-middleware'), 'yes');
  });

  it('goes through its proxy', async () => {
    const server = createSecureServer({ key, cert });
    new WebSocketServer({ server }).on('connection', (socket) => {
      socket.on('message', (data) => socket.send(data as Buffer, { binary: false }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await run(async () => {
      await using proxy = await ProxyServer.open();
      await using session = new ClientSession(null, { proxy: proxy.url() });
      await session.wsConnect(`wss://127.0.0.1:${port}/`, { ssl: { ca: cert } }).run(async (ws) => {
        await ws.sendStr('secret');
        assert.equal(await ws.receiveStr(), 'secret');
      });
      assert.deepEqual(
        proxy.asked.map(({ method, target }) => `${method} ${target}`),
        [`CONNECT 127.0.0.1:${port}`],
      );
      assert(!proxy.tunnelled.includes('secret'));
    });
    server.close();
    await once(server, 'close');
  });

  it('goes over Unix sockets', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'asyncio-'));
    const server = createServer();
    new WebSocketServer({ server }).on('connection', (socket) => socket.send('unix'));
    server.listen(path.join(folder, 'socket'));
    await once(server, 'listening');
    await run(async () => {
      const connector = new UnixConnector(path.join(folder, 'socket'));
      await using session = new ClientSession('http://any/', { connector });
      await session.wsConnect('').run(async (ws) => assert.equal(await ws.receiveStr(), 'unix'));
    });
    server.close();
    await once(server, 'close');
    rmSync(folder, { recursive: true });
  });

  it('works with headers that only node:http sends', async () => {
    await using site = await servePeer(
      (peer) => peer.send(frame(TEXT, 'second')),
      (head) => switching(head) + frame(TEXT, 'early').toString('latin1'),
    );
    await withWebSocket(site.url, { headers: { 'Keep-Alive': 'timeout=5' } }, async (ws) => {
      assert.equal(await ws.receiveStr(), 'early');
      assert.equal(await ws.receiveStr(), 'second');
    });
    assert.equal(headerOf((site.peers[0] as Peer).head, 'keep-alive'), 'timeout=5');
    await using refusing = await servePeer(
      () => {},
      () => 'HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    );
    const error = await failureOf(
      withWebSocket(refusing.url, { headers: { 'Keep-Alive': '5' } }, async () => {}),
    );
    assert(error instanceof WSServerHandshakeError && error.status === 403);
  });

  it('makes them of its own class', async () => {
    class Chat extends ClientWebSocketResponse {
      say(text: string): Coroutine<void> {
        return this.sendStr(`me: ${text}`);
      }
    }
    await using site = await serveEcho();
    await run(async () => {
      await using session = new ClientSession(site.url, { wsResponseClass: Chat });
      await session.wsConnect('').run(async (ws) => {
        assert(ws instanceof Chat);
        await ws.say('hi');
        assert.equal(await ws.receiveStr(), 'me: hi');
      });
    });
  });

  it('takes ws: for http:', async () => {
    await using site = await serveEcho();
    await withWebSocket(site.url.replace('http:', 'ws:'), {}, async (ws) => {
      await ws.sendStr('x');
      assert.equal(await ws.receiveStr(), 'x');
    });
  });

  it('counts a WebSocket as a connection in use until it is closed', async () => {
    await using site = await serveEcho();
    await run(async () => {
      const connector = new TCPConnector({ limit: 1 });
      await using session = new ClientSession(null, { connector });
      const first = await session.wsConnect(site.url);
      const second = createTask(session.wsConnect(site.url));
      await first.sendStr('x');
      await first.receiveStr();
      assert.equal(second.done(), false);
      await first.close();
      const ws = await second;
      await ws.sendStr('y');
      assert.equal(await ws.receiveStr(), 'y');
      await ws.close();
    });
  });

  it('keeps plain requests apart from it', async () => {
    const server = createServer((_request, response) => response.end('page'));
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket) => socket.send('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await run(async () => {
      await using session = new ClientSession(url, {});
      const timeout = new ClientWSTimeout({ wsClose: 5 });
      for (let i = 0; i < 3; i++) {
        assert.equal(await session.get('').run((response) => response.text()), 'page');
        await session
          .wsConnect('', { timeout })
          .run(async (ws) => assert.equal(await ws.receiveStr(), 'hello'));
      }
    });
    server.close();
    await once(server, 'close');
  });
});
