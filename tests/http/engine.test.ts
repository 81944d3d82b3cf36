import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { createTask, run, sleep, timeout, TimeoutError } from 'asyncio-ts';
import {
  ClientConnectionError,
  ClientSession,
  HttpVersion10,
  type RequestOptions,
  ServerDisconnectedError,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { RawServer } from './raw-server.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Answer each head that comes in, and what belongs to it, with `answer(number, socket)`. */
function answering(answer: (number: number, socket: Socket) => string): Promise<RawServer> {
  let number = 0;
  const seen = new WeakMap<Socket, string>();
  return RawServer.open((socket, data) => {
    let text = (seen.get(socket) ?? '') + data;
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      text = text.slice(end + 4);
      // What is no request line is the rest of a body.
      socket.write(answer(number++, socket));
    }
    seen.set(socket, text);
  });
}

/** Run `use` with a session for a server that answers when `isAll` says that all has come. */
async function withServer(
  isAll: (received: string) => boolean,
  use: (session: ClientSession, server: RawServer) => Promise<void>,
): Promise<void> {
  await run(async () => {
    await using server = await RawServer.open((socket) => {
      if (isAll(server.received)) socket.write(OK);
    });
    await using session = new ClientSession(server.url('http'));
    await use(session, server);
  });
}

/** A body of `pieces`, which notes how far it was asked and whether it was returned. */
class Source {
  asked = 0;
  isReturned = false;
  readonly #pieces: readonly (string | Buffer)[];

  constructor(pieces: readonly (string | Buffer)[]) {
    this.#pieces = pieces;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for (const piece of this.#pieces) {
        this.asked++;
        yield Buffer.from(piece);
      }
    } finally {
      this.isReturned = true;
    }
  }
}

const bodyOf = (received: string): string => received.slice(received.indexOf('\r\n\r\n') + 4);

/** What a chunked body says, however many chunks it took. */
function unchunk(body: string): string {
  let text = '';
  for (let rest = body; ; ) {
    const [size = ''] = rest.split('\r\n', 1);
    const length = Number.parseInt(size, 16);
    const start = size.length + 2;
    text += rest.slice(start, start + length);
    assert.equal(rest.slice(start + length, start + length + 2), '\r\n');
    if (length === 0) return text;
    rest = rest.slice(start + length + 2);
  }
}

describe('a body that is iterated over', () => {
  it('goes in chunks', () =>
    withServer(
      (received) => received.endsWith('0\r\n\r\n'),
      async (session, server) => {
        const response = await session.post('', { data: new Source(['one', 'two, three', '']) });
        assert.equal(await response.text(), 'ok');
        assert.match(server.received, /^POST \/ HTTP\/1\.1\r\n/);
        assert.match(server.received, /\r\ntransfer-encoding: chunked\r\n/i);
        assert.doesNotMatch(server.received, /content-length/i);
        assert.equal(unchunk(bodyOf(server.received)), 'onetwo, three');
      },
    ));

  it('goes as it is if its length is given', () =>
    withServer(
      (received) => bodyOf(received).length === 6,
      async (session, server) => {
        const headers = { 'Content-Length': '6' };
        const response = await session.put('', { data: new Source(['one', 'two']), headers });
        assert.equal(await response.text(), 'ok');
        assert.equal(bodyOf(server.received), 'onetwo');
        assert.match(server.received, /\r\ncontent-length: 6\r\n/i);
        assert.doesNotMatch(server.received, /transfer-encoding/i);
      },
    ));

  it('waits while the server does not read, and goes on when it does', () =>
    run(async () => {
      const piece = Buffer.alloc(2 ** 16);
      let total = 0;
      let resume = (): void => {};
      await using server = await RawServer.open((socket, data) => {
        if (total === 0) {
          socket.pause();
          resume = () => socket.resume();
        }
        total += data.length;
        if (data.endsWith('0\r\n\r\n')) socket.write(OK);
      });
      await using session = new ClientSession(server.url('http'));
      const source = new Source(Array.from({ length: 1000 }, () => piece));
      const task = createTask(session.post('', { data: source }));
      let before = -1;
      // Until it stands still.
      while (source.asked === 0 || source.asked !== before) {
        before = source.asked;
        await sleep(0.05);
      }
      assert(source.asked < 900, `${source.asked} pieces are on their way`);
      resume();
      const response = await task;
      assert.equal(await response.text(), 'ok');
      assert.equal(source.asked, 1000);
      assert(total > 1000 * 2 ** 16);
    }));

  it('P79: that a server never reads ends with the time for the request', () =>
    run(async () => {
      let isReading = false;
      await using server = await RawServer.open((socket) => {
        if (!isReading) socket.pause();
      });
      await using session = new ClientSession(server.url('http'));
      const source = new Source(Array.from({ length: 1000 }, () => Buffer.alloc(2 ** 16)));
      await assert.rejects(async () => {
        await session.post('', { data: source, timeout: 0.05 });
      }, TimeoutError);
      isReading = true;
      for (const socket of server.sockets) socket.resume();
      await server.drained();
      // Nothing was asked for when the time was over before the connection was there.
      while (source.asked > 0 && !source.isReturned) await sleep(0.001);
      assert(!server.received.endsWith('0\r\n\r\n'));
    }));

  it('that fails closes the connection without its end, and the caller hears why', () =>
    withServer(
      () => false,
      async (session, server) => {
        const reason = new Error('no more paper');
        const data = (async function* () {
          yield Buffer.from('first');
          await new Promise((resolve) => setTimeout(resolve, 5));
          throw reason;
        })();
        await assert.rejects(
          async () => {
            await session.post('', { data });
          },
          (error) => {
            assert(error instanceof ClientConnectionError);
            assert.match(
              error.message,
              /^Failed to send bytes into the underlying connection.*no more paper/,
            );
            assert.equal(error.cause, reason);
            return true;
          },
        );
        await server.drained();
        assert.match(bodyOf(server.received), /^5\r\nfirst(\r\n)?$/);
      },
    ));

  it('that is shorter than the length that was given closes the connection', () =>
    withServer(
      () => false,
      async (session, server) => {
        const headers = { 'Content-Length': '10' };
        await assert.rejects(async () => {
          await session.post('', { data: new Source(['short']), headers });
        }, ClientConnectionError);
        await server.drained();
        assert.equal(bodyOf(server.received), 'short');
      },
    ));

  it('H73: is returned, and its connection closed, when the request is cancelled', () =>
    withServer(
      () => false,
      async (session, server) => {
        const source = new Source(Array.from({ length: 1000 }, () => Buffer.alloc(2 ** 16)));
        const task = createTask(session.post('', { data: source }));
        while (source.asked < 2) await sleep(0.001);
        task.cancel();
        await assert.rejects(task.toPromise(), { name: 'CancelledError' });
        await server.drained();
        while (!source.isReturned) await sleep(0.001);
      },
    ));

  it('is left when the answer is there before it is sent, and its connection is not used again', () =>
    run(async () => {
      await using server = await RawServer.open((socket, data) => {
        if (data.startsWith('POST')) socket.write(OK);
        if (data.startsWith('GET')) socket.write(OK);
      });
      await using session = new ClientSession(server.url('http'));
      let isReturned = false;
      const data = (async function* () {
        try {
          for (;;) {
            yield Buffer.alloc(2 ** 10);
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
        } finally {
          isReturned = true;
        }
      })();
      const response = await session.post('', { data });
      assert.equal(await response.text(), 'ok');
      response.release();
      const other = await session.get('');
      assert.equal(await other.text(), 'ok');
      assert.equal(server.connections, 2);
      while (!isReturned) await sleep(0.001);
    }));
});

describe('expect100', () => {
  async function withContinue(
    answers: string[],
    use: (session: ClientSession, server: RawServer & { before: string }) => Promise<void>,
  ): Promise<void> {
    await run(async () => {
      let before = '';
      await using server = await RawServer.open((socket) => {
        before ||= server.received;
        const answer = answers.shift();
        // Time enough for a body that does not wait.
        if (answer !== undefined) setTimeout(() => socket.write(answer), 5);
      });
      await using session = new ClientSession(server.url('http'));
      await use(
        session,
        Object.defineProperty(server, 'before', { get: () => before }) as RawServer & { before: string },
      );
    });
  }

  for (const [what, data] of [
    ['bytes', 'the body'],
    ['iterable', new Source(['the ', 'body'])],
  ] as const) {
    it(`sends a body of ${what} after 100 Continue`, () =>
      withContinue(['HTTP/1.1 100 Continue\r\n\r\n', OK, ''], async (session, server) => {
        const response = await session.post('', { data, expect100: true });
        assert.equal(await response.text(), 'ok');
        assert.match(server.received, /\r\nExpect: 100-continue\r\n/i);
        // When it answered, only the head was there.
        assert.match(server.before, /\r\n\r\n$/);
        while (!/body/.test(server.received)) await sleep(0.001);
        assert.match(bodyOf(server.received), what === 'bytes' ? /^the body$/ : /the [\s\S]*body/);
      }));
  }

  it('takes an answer in place of it: the body stays here, and the connection is not used again', () =>
    withContinue(
      ['HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno', OK],
      async (session, server) => {
        const response = await session.post('', { data: 'the body', expect100: true });
        assert.equal(response.status, 417);
        assert.equal(await response.text(), 'no');
        response.release();
        const next = await session.get('');
        assert.equal(await next.text(), 'ok');
        assert.equal(server.connections, 2);
        assert.doesNotMatch(server.received, /the body/);
      },
    ));

  it('shares a connection with other requests, before and after it', () =>
    run(async () => {
      await using server = await RawServer.open((socket, data) => {
        if (/expect: 100/i.test(data)) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        else socket.write(OK);
      });
      await using session = new ClientSession(server.url('http'));
      for (const options of [
        {},
        { data: 'body', expect100: true },
        {},
        { data: 'body', expect100: true },
        {},
      ]) {
        const response = await session.post('', options);
        assert.equal(await response.text(), 'ok');
      }
      assert.equal(server.connections, 1);
    }));

  it('gives up when its time is over', () =>
    withContinue([], async (session, server) => {
      await assert.rejects(async () => {
        await timeout(0.03).run(async () => {
          await session.post('', { data: 'body', expect100: true });
        });
      }, TimeoutError);
      await server.drained();
      assert.equal(bodyOf(server.received), '');
    }));
});

describe('a request on the wire', () => {
  async function sent(options: RequestOptions, method = 'GET', version = {}): Promise<string[]> {
    let received = '';
    await run(async () => {
      await using server = await answering(() => OK);
      await using session = new ClientSession(server.url('http'), {
        skipAutoHeaders: ['Accept', 'Accept-Encoding', 'User-Agent'],
        ...version,
      });
      const response = await session.request(method, '', options);
      await response.read();
      received = server.received;
    });
    return received.split('\r\n');
  }

  it('has its headers in their order and case, with all their values', async () => {
    const headers: [string, string][] = [
      ['X-Zulu', '1'],
      ['x-alpha', '2'],
      ['X-ZULU', '3'],
      ['X-Latin', 'grün'],
    ];
    const lines = await sent({ headers });
    const own = lines.filter((line) => /^x-/i.test(line));
    assert.deepEqual(own, [
      'X-Zulu: 1',
      'x-alpha: 2',
      'X-ZULU: 3',
      `X-Latin: ${Buffer.from('grün').toString('latin1')}`,
    ]);
  });

  it('may have headers that undici keeps to itself', async () => {
    for (const [name, value] of [
      ['Connection', 'TE, keep-alive'],
      ['Upgrade', 'h2c'],
      ['Keep-Alive', 'timeout=5'],
    ] as const) {
      const lines = await sent({ headers: { [name]: value, 'X-Other': 'y' } });
      assert(lines.includes(`${name}: ${value}`), lines.join('|'));
      assert(lines.includes('X-Other: y'));
    }
  });

  it('is of HTTP/1.0 if that is asked for', async () => {
    const lines = await sent({}, 'GET', { version: HttpVersion10 });
    assert.equal(lines[0], 'GET / HTTP/1.0');
    const post = await sent({ data: 'body' }, 'POST', { version: HttpVersion10 });
    assert.equal(post[0], 'POST / HTTP/1.0');
    assert.equal(post.at(-1), 'body');
    assert(post.some((line) => /^content-length: 4$/i.test(line)));
  });

  it('CVE-2023-23936, CVE-2026-1527: has no line that a header smuggled in', async () => {
    for (const headers of [
      { Host: 'example.com\r\nX-Evil: 1' },
      { Upgrade: 'websocket\r\nX-Evil: 1' },
      { Connection: 'upgrade\r\nX-Evil: 1' },
      { 'X-A\r\nX-Evil': '1' },
      { 'X-A': 'a\nX-Evil: 1' },
      { 'X-A': 'a\0b' },
    ]) {
      await run(async () => {
        await using server = await answering(() => OK);
        await using session = new ClientSession(server.url('http'));
        await assert.rejects(async () => {
          await session.get('', { headers });
        }, RangeError);
        assert.equal(server.received, '');
      });
    }
  });
});

describe('a connection', () => {
  const plain: RequestOptions = {};
  // Sent by node:http.
  const unusual: RequestOptions = { headers: { 'Keep-Alive': 'timeout=50' } };

  for (const [engine, options] of [
    ['undici', plain],
    ['node:http', unusual],
  ] as const) {
    it(`of ${engine} serves one request after the other: HEAD, a GET with a body, 204 and 304`, () =>
      run(async () => {
        const answers = [
          'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n',
          OK,
          'HTTP/1.1 204 No Content\r\n\r\n',
          'HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n',
          OK,
        ];
        await using server = await answering((number) => answers[number] ?? OK);
        await using session = new ClientSession(server.url('http'));
        const head = await session.head('', options);
        assert.equal((await head.read()).length, 0);
        const get = await session.get('', { ...options, data: 'a body' });
        assert.equal(await get.text(), 'ok');
        assert.equal((await session.get('', options)).status, 204);
        assert.equal((await session.get('', options)).status, 304);
        await sleep(0);
        assert.equal(await (await session.get('', options)).text(), 'ok');
        assert.equal(server.connections, 1);
      }));

    it(`GHSA-35p6-xmwp-9g52, P73: of ${engine} on which a second answer came is not used again`, () =>
      run(async () => {
        await using server = await answering((number) =>
          number === 0 ? `${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison` : OK,
        );
        await using session = new ClientSession(server.url('http'));
        for (let i = 0; i < 3; i++) {
          assert.equal(await (await session.get('', options)).text(), 'ok');
        }
        assert.equal(server.connections, 2);
      }));

    it(`P73: of ${engine} on which anything comes while it is idle is not used again`, () =>
      run(async () => {
        for (const act of [
          (socket: Socket) => socket.write('x'),
          (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'),
          (socket: Socket) => socket.end(),
          (socket: Socket) => socket.resetAndDestroy(),
        ]) {
          await using server = await answering(() => OK);
          await using session = new ClientSession(server.url('http'));
          assert.equal(await (await session.get('', options)).text(), 'ok');
          const [socket] = server.sockets;
          act(socket as Socket);
          // It is on its way, and not even here yet, when the next request begins.
          assert.equal(await (await session.get('', options)).text(), 'ok');
          await sleep(0.01);
          assert.equal(await (await session.get('', options)).text(), 'ok');
          assert.equal(server.connections, 2);
        }
      }));

    it(`P74: of ${engine} that was kept and is lost before an answer: what may be sent twice is`, () =>
      run(async () => {
        await using server = await answering((number, socket) => {
          if (number === 1) {
            socket.resetAndDestroy();
            return '';
          }
          return OK;
        });
        await using session = new ClientSession(server.url('http'));
        assert.equal(await (await session.get('', options)).text(), 'ok');
        assert.equal(await (await session.get('', options)).text(), 'ok');
        assert.equal(server.connections, 2);
      }));

    it(`P74: of ${engine} that is lost within an answer: nothing is sent twice`, () =>
      run(async () => {
        await using server = await answering((number, socket) => {
          if (number === 0) return OK;
          socket.end('HTTP/1.1 2');
          return '';
        });
        await using session = new ClientSession(server.url('http'));
        assert.equal(await (await session.get('', options)).text(), 'ok');
        await assert.rejects(async () => {
          await session.get('', options);
        }, ServerDisconnectedError);
        assert.equal(server.connections, 1);
      }));
  }

  it('goes from one engine to the other and keeps its socket', () =>
    run(async () => {
      await using server = await answering(() => OK);
      await using session = new ClientSession(server.url('http'));
      for (const options of [plain, plain, unusual, plain, unusual]) {
        assert.equal(await (await session.get('', options)).text(), 'ok');
        await sleep(0);
      }
      assert.equal(server.connections, 1);
    }));
});
