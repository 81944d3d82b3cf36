import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { RequestListener, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { createTask, gather, run, RuntimeError, sleep } from 'asyncio-ts';
import {
  ClientConnectionError,
  ClientPayloadError,
  ClientResponseError,
  ClientSession,
  ContentTypeError,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serve } from './servers.ts';

function withSite(
  handler: RequestListener,
  body: (session: ClientSession) => Promise<void>,
): () => Promise<void> {
  return () =>
    run(async () => {
      await using site = await serve(handler);
      await using session = new ClientSession(site.url);
      await body(session);
    });
}

/** A server that gives the body `bodies[path]`, with the content type after a `|` of the path's query. */
function give(
  bodies: Record<string, string | Buffer>,
  headers: Record<string, string> = {},
): RequestListener {
  return (request, response) => {
    const url = new URL(request.url ?? '', 'http://host');
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    for (const [name, value] of url.searchParams) response.setHeader(name, value);
    response.end(bodies[url.pathname.slice(1)]);
  };
}

describe('run', () => {
  it(
    'gives the value of its body, be that what it may',
    withSite(give({ '': 'x' }), async (session) => {
      const list = [404, 'Not here'];
      const map = new Map([[1, 2]]);
      assert.equal(await session.get('').run(() => list), list);
      assert.equal(await (await session.get('')).run(() => map), map);
      assert.equal(await session.get('').run(() => 'text'), 'text');
      assert.equal(await session.get('').run(() => null), null);
      assert.equal(await session.get('').run(() => {}), undefined);
    }),
  );
});

describe('json', () => {
  const bodies = { value: '{"a": [1, 2]}', empty: ' ', broken: '{"a": ' };

  it(
    'reads what has a JSON type',
    withSite(give(bodies), async (session) => {
      for (const type of [
        'application/json',
        'application/json; charset=utf-8',
        'application/ld+json',
        'Application/JSON',
      ]) {
        const value = await session
          .get('value', { params: { 'content-type': type } })
          .run((response) => response.json<{ a: number[] }>());
        assert.deepEqual(value, { a: [1, 2] });
      }
    }),
  );

  it(
    'refuses another type, unless told to take it',
    withSite(give(bodies), async (session) => {
      const params = { 'content-type': 'text/html' };
      await assert.rejects(
        async () => await session.get('value', { params }).run((response) => response.json()),
        (error) => {
          assert(error instanceof ContentTypeError);
          assert(error instanceof ClientResponseError);
          assert.equal(error.status, 200);
          assert.equal(error.reason, 'Attempt to decode JSON with unexpected mimetype: text/html');
          assert.equal(error.headers?.get('content-type'), 'text/html');
          return true;
        },
      );
      const any = await session
        .get('value', { params })
        .run((response) => response.json({ contentType: null }));
      const html = await session
        .get('value', { params })
        .run((response) => response.json({ contentType: 'text/html' }));
      assert.deepEqual([any, html], [{ a: [1, 2] }, { a: [1, 2] }]);
    }),
  );

  it(
    'gives null for an empty body, and the error of a broken one',
    withSite(give(bodies, { 'content-type': 'application/json' }), async (session) => {
      assert.equal(await session.get('empty').run((response) => response.json()), null);
      await assert.rejects(
        async () => await session.get('broken').run((response) => response.json()),
        SyntaxError,
      );
      const own = await session
        .get('broken')
        .run((response) => response.json({ loads: (text) => text.length }));
      assert.equal(own, 6);
    }),
  );
});

describe('text', () => {
  const bodies = { latin: Buffer.from('gr\xfc\xdfe', 'latin1'), utf: Buffer.from('\ufeffgrüße') };

  it(
    'decodes with the charset of the response, else as UTF-8',
    withSite(give(bodies), async (session) => {
      const read = (path: string, type: string): Promise<string> =>
        session
          .get(path, { params: { 'content-type': type } })
          .run((response) => response.text())
          .toPromise();
      assert.equal(await read('latin', 'text/plain; charset="ISO-8859-1"'), 'grüße');
      assert.equal(await read('utf', 'text/plain'), '\ufeffgrüße');
      assert.equal(await read('utf', 'text/plain; charset=no-such-charset'), '\ufeffgrüße');
    }),
  );

  it(
    'is an error for wrong bytes, unless they are to be replaced',
    withSite(give(bodies), async (session) => {
      await assert.rejects(
        async () => await session.get('latin').run((response) => response.text()),
        RangeError,
      );
      assert.equal(await session.get('latin').run((response) => response.text(null, 'replace')), 'gr��e');
      assert.equal(await session.get('latin').run((response) => response.text('latin1')), 'grüße');
      await assert.rejects(
        async () => await session.get('utf').run((response) => response.text('nonsense')),
        { name: 'LookupError', message: 'unknown encoding: nonsense' },
      );
    }),
  );

  it(
    'knows its encoding only with the body, if the server does not tell',
    withSite(give(bodies), async (session) => {
      await using response = await session.get('utf');
      assert.throws(() => response.getEncoding(), RuntimeError);
      await response.read();
      assert.equal(response.getEncoding(), 'utf-8');
    }),
  );
});

describe('a body', () => {
  it(
    'can be read again, and not after a release',
    withSite(give({ x: 'text' }), async (session) => {
      const response = await session.get('x');
      const first = await response.read();
      assert.equal(first, await response.read());
      assert.equal(await response.text(), 'text');
      response.release();
      await assert.rejects(async () => await response.read(), ClientConnectionError);
      const unread = await session.get('x');
      unread.release();
      await assert.rejects(async () => await unread.read(), { message: 'Connection closed' });
    }),
  );

  /** A server that begins an answer, which the test goes on with. */
  function withBegun(
    body: (session: ClientSession, answers: ServerResponse[]) => Promise<void>,
  ): () => Promise<void> {
    const answers: ServerResponse[] = [];
    return withSite(
      (_request, response) => {
        response.write('one');
        answers.push(response);
      },
      (session) => body(session, answers),
    );
  }

  it(
    'comes piece by piece',
    withBegun(async (session, answers) => {
      await session.get('x').run(async ({ content }) => {
        assert.equal(String(await content.read(2)), 'on');
        assert.equal(String(await content.readany()), 'e');
        answers[0]?.end('two three');
        const pieces: string[] = [];
        for await (const piece of content.iterChunked(4)) pieces.push(String(piece));
        assert.deepEqual(pieces, ['two ', 'thre', 'e']);
        assert.equal(content.isEof(), true);
        assert.equal(content.atEof(), true);
        assert.equal((await content.read()).length, 0);
      });
      await createTask(function* () {
        const response = yield* session.get('x');
        const pieces = response.content.iterAny();
        const texts: string[] = [];
        for (let next = yield* pieces.next(); !next.done; next = yield* pieces.next()) {
          texts.push(String(next.value));
          if (texts.length === 1) answers[1]?.end('two');
        }
        assert.equal(texts.join(' '), 'one two');
      });
    }),
  );

  it(
    'has one reader at a time, and loses nothing when a read is cancelled',
    withBegun(async (session, answers) => {
      await session.get('x').run(async ({ content }) => {
        const task = createTask(content.read());
        // It has what is there, and waits for more.
        for (let i = 0; i < 20; i++) await sleep(0.001);
        await assert.rejects(async () => await content.read(), RuntimeError);
        task.cancel();
        await gather([task], { returnExceptions: true });
        answers[0]?.end('two');
        assert.equal(String(await content.read()), 'onetwo');
      });
    }),
  );
});

describe('decompression', () => {
  const text = 'a body that is worth it '.repeat(50_000);
  const encodings: Record<string, Buffer> = {
    gzip: gzipSync(text),
    deflate: deflateSync(text),
    br: brotliCompressSync(text),
    raw: deflateRawSync(text),
  };

  it(
    'is done for every encoding that was offered',
    withSite(give(encodings), async (session) => {
      for (const name of ['gzip', 'deflate', 'br', 'raw']) {
        const params = { 'content-encoding': name === 'raw' ? 'deflate' : name };
        await session.get(name, { params }).run(async (response) => {
          assert.equal(await response.text(), text);
          assert.equal(response.contentLength, encodings[name]?.length ?? 0);
        });
      }
    }),
  );

  it(
    'is left undone when switched off, for an unknown encoding and for a chain',
    withSite(give(encodings), async (session) => {
      const read = (encoding: string, autoDecompress: boolean): Promise<Buffer> =>
        session
          .get('gzip', { params: { 'content-encoding': encoding }, autoDecompress })
          .run((response) => response.read())
          .toPromise();
      assert.deepEqual(await read('gzip', false), encodings['gzip']);
      assert.deepEqual(await read('compress', true), encodings['gzip']);
      assert.deepEqual(await read('gzip, gzip', true), encodings['gzip']);
    }),
  );

  it(
    'fails clearly for what is not in the encoding, or cut short',
    withSite(
      give({ lie: 'plain text', cut: encodings['gzip']?.subarray(0, 2000) ?? '' }),
      async (session) => {
        for (const path of ['lie', 'cut']) {
          await assert.rejects(
            async () =>
              await session
                .get(path, { params: { 'content-encoding': 'gzip' } })
                .run((response) => response.read()),
            (error) => {
              assert(error instanceof ClientPayloadError);
              assert.match(error.message, /Can not decode content-encoding: gzip$/);
              return true;
            },
          );
        }
      },
    ),
  );

  it(
    'expects nothing of a response without a body',
    withSite(give({ none: '' }, { 'content-encoding': 'gzip' }), async (session) => {
      assert.equal(await session.get('none').run((response) => response.text()), '');
      assert.equal(await session.head('none').run((response) => response.text()), '');
    }),
  );
});

describe('a compressed body that nobody reads to its end', () => {
  it('is dropped with its response', () =>
    run(async () => {
      const piece = gzipSync(randomBytes(2 ** 20));
      await using site = await serve((_request, response) => {
        response.setHeader('content-encoding', 'gzip');
        const write = (): void =>
          void (response.write(piece) ? setImmediate(write) : response.once('drain', write));
        write();
        response.on('close', () => response.removeAllListeners('drain').destroy());
      });
      await using session = new ClientSession(site.url);
      await session.get('x').run(async ({ content }) => {
        assert.equal((await content.read(10)).length, 10);
      });
      await site.drained();
    }));
});

describe('backpressure', () => {
  const chunk = Buffer.alloc(2 ** 16, 'x');
  const total = 64 * 2 ** 20;
  let sent = 0;
  const flood =
    (compress: boolean): RequestListener =>
    (_request, response) => {
      sent = 0;
      if (compress) response.setHeader('content-encoding', 'gzip');
      const piece = compress ? gzipSync(Buffer.alloc(2 ** 20)) : chunk;
      const weight = compress ? 2 ** 20 : chunk.length;
      const write = (): void => {
        while (sent < total) {
          sent += weight;
          if (!response.write(piece)) {
            response.once('drain', write);
            return;
          }
        }
        response.end();
      };
      write();
    };

  /** Wait until the server has made no progress for a while. */
  async function untilHeldUp(): Promise<void> {
    for (let before = -1; before !== sent; ) {
      before = sent;
      await sleep(0.05);
    }
  }

  it(
    'holds up a server that sends more than is read',
    withSite(flood(false), async (session) => {
      await session.get('x').run(async ({ content }) => {
        await untilHeldUp();
        assert(sent < total / 2, `held up after ${sent} bytes`);
        let received = 0;
        for await (const piece of content.iterAny()) received += piece.length;
        assert.equal(received, total);
      });
    }),
  );

  it(
    'holds for decompressed bytes too',
    withSite(flood(true), async (session) => {
      await session.get('x').run(async ({ content }) => {
        await sleep(0.05);
        let received = 0;
        let most = 0;
        for await (const piece of content.iterAny()) {
          received += piece.length;
          most = Math.max(most, piece.length);
        }
        assert.equal(received, total);
        assert(most < 2 ** 20, `at most ${most} bytes were waiting`);
      });
    }),
  );
});
