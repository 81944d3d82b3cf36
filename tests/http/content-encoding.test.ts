import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { before, describe, it } from 'node:test';
import zlib, { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { createTask, run, sleep } from 'asyncio-ts';
import { ClientPayloadError, ClientSession, type RequestOptions, TooManyRedirects } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { type Bomb, bombs } from './bombs.ts';
import { serveRaw } from './servers.ts';

const { zstdCompressSync } = zlib as { zstdCompressSync?: (data: Uint8Array) => Buffer };

type Encode = (data: Buffer) => Buffer;

const ENCODINGS: [name: string, encode: Encode][] = [
  ['gzip', (data) => gzipSync(data)],
  ['deflate', (data) => deflateSync(data)],
  ['deflate', (data) => deflateRawSync(data)],
  ['br', (data) => brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
];
// That of Node 22 does not tell what was cut short, and is not used.
if (zstdCompressSync !== undefined && Number.parseInt(process.versions.node, 10) >= 24) {
  ENCODINGS.push(['zstd', zstdCompressSync]);
}

const head = (encoding: string, length: number, more = ''): string =>
  `HTTP/1.1 200 OK\r\nContent-Encoding: ${encoding}\r\nContent-Length: ${length}\r\n${more}\r\n`;

/** Fetch `body`, which is sent in pieces of `size` bytes, and give what `use` makes of it. */
function fetchEncoded(encoding: string, body: Buffer, options: RequestOptions = {}, size = body.length) {
  return run(async () => {
    await using site = await serveRaw((socket) => {
      socket.setNoDelay();
      void (async () => {
        socket.write(head(encoding, body.length));
        for (let i = 0; i < body.length; i += size) {
          socket.write(body.subarray(i, i + size));
          if (size < body.length) await new Promise((resolve) => setImmediate(resolve));
        }
      })();
    });
    await using session = new ClientSession();
    return await session.get(site.url, options).run(async (response) => {
      const data = await response.read();
      return { data, raw: response.content.totalRawBytes };
    });
  });
}

function cannotDecode(encoding: string): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof ClientPayloadError);
    assert.equal(error.message, `400, message:\n  Can not decode content-encoding: ${encoding}`);
    return true;
  };
}

describe('a compressed body', () => {
  const small = Buffer.from('The quick brown fox. '.repeat(20));
  const large = Buffer.concat([randomBytes(100_000), Buffer.alloc(300_000, 'abc')]);

  for (const [i, [encoding, encode]] of ENCODINGS.entries()) {
    it(`${encoding} (${i}) is decompressed, at once or piece by piece, and its bytes on the wire are counted`, async () => {
      for (const plain of [small, large]) {
        const body = encode(plain);
        for (const size of [body.length, Math.ceil(body.length / 7)]) {
          const { data, raw } = await fetchEncoded(encoding, body, {}, size);
          assert(data.equals(plain));
          assert.equal(raw, body.length);
        }
      }
    });

    it(`${encoding} (${i}) that is cut short is broken`, async () => {
      for (const plain of [small, large]) {
        const body = encode(plain);
        await assert.rejects(
          () => fetchEncoded(encoding, body.subarray(0, body.length - 1)),
          cannotDecode(encoding),
        );
        await assert.rejects(
          () => fetchEncoded(encoding, body.subarray(0, body.length >> 1), {}, plain === small ? 11 : 5000),
          cannotDecode(encoding),
        );
      }
    });

    it(`${encoding} (${i}) with bytes behind its end is broken`, async () => {
      for (const plain of [small, large]) {
        const body = Buffer.concat([encode(plain), Buffer.from('garbage, and more')]);
        await assert.rejects(() => fetchEncoded(encoding, body), cannotDecode(encoding));
        await assert.rejects(
          () => fetchEncoded(encoding, body, {}, body.length - 17),
          cannotDecode(encoding),
        );
      }
    });

    it(`${encoding} (${i}) that is none is broken, and left alone if it is not to be decompressed`, async () => {
      const body = Buffer.from('This is no compressed body at all.');
      await assert.rejects(() => fetchEncoded(encoding, body), cannotDecode(encoding));
      const { data } = await fetchEncoded(encoding, body, { autoDecompress: false });
      assert.equal(data.toString(), body.toString());
    });
  }

  for (const [encoding, encode] of ENCODINGS) {
    if (encoding === 'br') continue;
    it(`${encoding} may have several members, in one piece or in many`, async () => {
      const body = Buffer.concat([encode(Buffer.from('one ')), encode(Buffer.from('two ')), encode(large)]);
      for (const size of [body.length, 5000]) {
        const { data } = await fetchEncoded(encoding, body, {}, size);
        assert(data.equals(Buffer.concat([Buffer.from('one two '), large])));
      }
    });
  }

  it('in chunks of a byte goes to zlib in few pieces, each of which has its way through a thread', async () => {
    const data = randomBytes(30_000);
    const chunks = [...gzipSync(data)].map((byte) => Buffer.of(0x31, 13, 10, byte, 13, 10));
    const streams = new Set<number>();
    let pieces = 0;
    const hook = createHook({
      init: (id, type) => void (type === 'ZLIB' && streams.add(id)),
      before: (id) => void (streams.has(id) && pieces++),
    }).enable();
    try {
      await run(async () => {
        await using site = await serveRaw((socket) => {
          socket.write('HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n');
          socket.write(Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]));
        });
        await using session = new ClientSession();
        const received = await session.get(site.url).run((response) => response.read());
        assert(received.equals(data));
      });
    } finally {
      hook.disable();
    }
    assert.ok(pieces > 0 && pieces < 1000, `${pieces} of ${chunks.length}`);
  });

  it('CVE-2025-69223: of very many members is refused, since each costs a decompressor', async () => {
    const member = deflateSync(Buffer.from('x'));
    await assert.rejects(
      () => fetchEncoded('deflate', Buffer.concat(Array.from({ length: 3000 }, () => member))),
      cannotDecode('deflate'),
    );
  });

  it('without a byte is empty', async () => {
    assert.equal((await fetchEncoded('gzip', Buffer.alloc(0))).data.length, 0);
  });

  it('in a chain of encodings is left as it is (GHSA-gm62-xv2j-4w53), however deep', async () => {
    let nested = Buffer.alloc(2 ** 20);
    for (let i = 0; i < 6; i++) nested = gzipSync(nested);
    for (const encoding of [
      'gzip, gzip',
      Array.from({ length: 6 }, () => 'gzip').join(', '),
      'gzip\r\nContent-Encoding: gzip',
    ]) {
      const { data } = await fetchEncoded(encoding, nested);
      assert(data.equals(nested), encoding);
    }
  });
});

describe('P77: a bomb of ten gigabytes', () => {
  const GIB_10 = 640;
  let all: Bomb[];
  before(async () => {
    all = await bombs();
  });

  /** Serve a bomb at any path but `/redirect`, which sends it with a redirect to itself. */
  async function serveBomb({ encoding, head: start, block }: Bomb) {
    const length = start.length + GIB_10 * block.length;
    return serveRaw((socket, request) => {
      const isRedirect = request.startsWith('GET /redirect');
      const status = isRedirect ? '302 Found' : request.startsWith('GET /error') ? '500 Oops' : '200 OK';
      socket.write(
        `HTTP/1.1 ${status}\r\nContent-Encoding: ${encoding}\r\nContent-Length: ${length}\r\n` +
          `${isRedirect ? 'Location: /redirect\r\n' : ''}\r\n`,
      );
      socket.write(start);
      void send(socket, block);
    });
  }

  async function send(socket: Socket, block: Buffer): Promise<void> {
    for (let i = 0; i < GIB_10 && !socket.destroyed; i++) {
      if (socket.write(block)) continue;
      await new Promise<void>((resolve) => {
        socket.once('drain', resolve).once('close', resolve);
      });
    }
  }

  /** Run `use` with a session, for each bomb, and check that memory hardly grows meanwhile. */
  async function within64MiB(use: (session: ClientSession) => Promise<void>): Promise<void> {
    for (const bomb of all) {
      await run(async () => {
        await using site = await serveBomb(bomb);
        await using session = new ClientSession(site.url);
        const start = process.memoryUsage.rss();
        let most = start;
        const sample = (): void => {
          most = Math.max(most, process.memoryUsage.rss());
        };
        const timer = setInterval(sample, 2);
        try {
          await use(session);
          sample();
        } finally {
          clearInterval(timer);
        }
        const growth = (most - start) / 2 ** 20;
        assert(growth < 64, `${bomb.encoding}: ${growth.toFixed(1)} MiB`);
      });
    }
  }

  it('is held up while it is read slowly, and its end is left away', () =>
    within64MiB(async (session) => {
      await session.get('bomb').run(async (response) => {
        let size = 0;
        for await (const chunk of response.content.iterChunked(2 ** 16)) {
          assert(chunk.length <= 2 ** 16);
          size += chunk.length;
          if (size % 2 ** 23 === 0) await sleep(0.001);
          if (size >= 2 ** 26) break;
        }
      });
    }));

  it('CVE-2026-54278: is not inflated when nobody reads it: released, closed, raised for, or just left alone', () =>
    within64MiB(async (session) => {
      const released = await session.get('bomb');
      await sleep(0.01);
      assert(released.content.totalRawBytes > 0);
      released.release();
      const closed = await session.get('bomb');
      closed.close();
      const failed = await session.get('error');
      assert.throws(() => failed.raiseForStatus());
      const ignored = await session.get('bomb');
      await sleep(0.05);
      assert(!ignored.content.isEof());
      ignored.close();
    }));

  it('GHSA-38jv-5279-wg99: is not inflated when it comes with a redirect', () =>
    within64MiB(async (session) => {
      await assert.rejects(async () => {
        await session.get('redirect');
      }, TooManyRedirects);
    }));

  it('CVE-2025-69223: is not read beyond maxBodySize', () =>
    within64MiB(async (session) => {
      for (const options of [{ maxBodySize: 2 ** 20 }, { maxBodySize: 100 }]) {
        await assert.rejects(
          async () => {
            await session.get('bomb', options).run((response) => response.read());
          },
          (error) => {
            assert(error instanceof ClientPayloadError);
            assert.equal(
              error.message,
              `Response body is larger than maxBodySize (${options.maxBodySize} bytes)`,
            );
            return true;
          },
        );
      }
    }));
});

describe('maxBodySize', () => {
  it('takes a body of that size and refuses one of a byte more, of a session and of a request', () =>
    run(async () => {
      await using site = await serveRaw((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789');
      });
      await using session = new ClientSession(site.url, { maxBodySize: 9 });
      await assert.rejects(async () => {
        await session.get('').run((response) => response.read());
      }, ClientPayloadError);
      for (const maxBodySize of [10, null]) {
        const body = await session.get('', { maxBodySize }).run((response) => response.read());
        assert.equal(body.length, 10);
      }
    }));

  it('ends no other request, which may have the connection by now', () =>
    run(async () => {
      const body = gzipSync(Buffer.alloc(1000));
      let answer: Socket | null = null;
      await using site = await serveRaw((socket, request) => {
        if (request.startsWith('GET /second')) {
          answer = socket;
          return;
        }
        socket.write(head('gzip', body.length));
        socket.write(body);
      });
      await using session = new ClientSession(site.url, { maxBodySize: 100 });
      const first = await session.get('first');
      while (!first.closed) await sleep(0);
      const second = createTask(session.get('second').run((response) => response.text()));
      while (answer === null) await sleep(0);
      await assert.rejects(async () => await first.read(), ClientPayloadError);
      (answer as Socket).write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      assert.equal(await second, 'ok');
      assert.equal(site.connections, 1);
    }));
});
