/** The client beside httpbin, which answers with what it was asked. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createTask, gather, run, sleep, timeout, TimeoutError } from 'asyncio-ts';
import {
  BasicAuth,
  ClientResponseError,
  ClientSession,
  ClientTimeout,
  CookieJar,
  DigestAuthMiddleware,
  FormData,
  type SessionOptions,
  SocketTimeoutError,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import type { ProgramServer } from '../support/program-server.ts';
import { startHttpbin, urlOf } from './peers.ts';

/** What httpbin says of a request. */
interface Said {
  method: string;
  url: string;
  args: Record<string, string | string[]>;
  headers: Record<string, string>;
  form: Record<string, string | string[]>;
  files: Record<string, string>;
  data: string;
  json: unknown;
  cookies: Record<string, string>;
}

describe('the client and httpbin', () => {
  let httpbin: ProgramServer;
  before(async () => {
    httpbin = await startHttpbin();
  });
  after(() => httpbin[Symbol.asyncDispose]());

  function test(
    name: string,
    body: (session: ClientSession) => Promise<void>,
    makeOptions: () => SessionOptions = () => ({}),
  ): void {
    it(name, () =>
      run(async () => {
        const options = { cookieJar: new CookieJar({ unsafe: true }), ...makeOptions() };
        await using session = new ClientSession(urlOf(httpbin), options);
        await body(session);
      }),
    );
  }

  const jsonAt = async <T = Said>(session: ClientSession, url: string): Promise<T> =>
    (await session.get(url).run((response) => response.json<T>())) as T;

  describe('methods', () => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      test(`${method}, with parameters and headers`, async (session) => {
        const options = { params: { a: 'ä', b: [1, 2] }, headers: { 'X-Mine': 'yes' } };
        await session.request(method.toLowerCase(), 'anything/of.it', options).run(async (response) => {
          const said = (await response.json<Said>())!;
          assert.equal(said.method, method);
          assert.deepEqual(said.args, { a: 'ä', b: ['1', '2'] });
          assert.equal(said.headers['X-Mine'], 'yes');
          assert.equal(said.headers['Accept'], '*/*');
          assert.match(said.headers['User-Agent'] as string, /^asyncio-ts/);
          assert.equal(said.url, `${urlOf(httpbin)}anything/of.it?a=ä&b=1&b=2`);
        });
      });
    }

    test('HEAD has no body, OPTIONS a list', async (session) => {
      await session.head('get').run(async (response) => {
        assert.equal(response.status, 200);
        assert.equal(await response.text(), '');
      });
      await session.options('get').run(({ headers }) => {
        assert.deepEqual(headers.get('Allow')?.split(', ').sort(), ['GET', 'HEAD', 'OPTIONS']);
      });
    });
  });

  describe('bodies', () => {
    const posted = async (session: ClientSession, options: object): Promise<Said> =>
      (await session.post('post', options).run((response) => response.json<Said>())) as Said;

    test('as JSON, text and bytes', async (session) => {
      assert.deepEqual((await posted(session, { json: { a: [1, null, 'ä'] } })).json, { a: [1, null, 'ä'] });
      const text = await posted(session, { data: 'grüße' });
      assert.equal(text.data, 'grüße');
      assert.equal(text.headers['Content-Type'], 'text/plain; charset=utf-8');
      const bytes = await posted(session, { data: Uint8Array.of(1, 2, 255) });
      assert.equal(bytes.headers['Content-Type'], 'application/octet-stream');
      assert.equal(bytes.headers['Content-Length'], '3');
    });

    test('as a form, in either encoding', async (session) => {
      const urlencoded = await posted(session, { data: { a: '1', b: 'ä &=' } });
      assert.deepEqual(urlencoded.form, { a: '1', b: 'ä &=' });
      assert.equal(urlencoded.headers['Content-Type'], 'application/x-www-form-urlencoded');
      const form = new FormData();
      form.addField('field', 'välue');
      form.addField('file', Buffer.from('content of it'), { filename: 'a ü.txt', contentType: 'text/plain' });
      const multipart = await posted(session, { data: form });
      assert.match(multipart.headers['Content-Type'] as string, /^multipart\/form-data; boundary=/);
      assert.deepEqual(multipart.form, { field: 'välue' });
      assert.deepEqual(multipart.files, { file: 'content of it' });
      const native = new globalThis.FormData();
      native.append('x', 'y');
      native.append('blob', new Blob(['in a blob']), 'blob.txt');
      const second = await posted(session, { data: native });
      assert.deepEqual([second.form, second.files], [{ x: 'y' }, { blob: 'in a blob' }]);
    });
  });

  describe('responses', () => {
    test('of every status', async (session) => {
      for (const status of [200, 201, 204, 304, 400, 404, 418, 429, 500, 503]) {
        await session.get(`status/${status}`, { allowRedirects: false }).run(async (response) => {
          assert.equal(response.status, status);
          assert.equal(response.ok, status < 400);
          await response.read();
        });
      }
      await assert.rejects(
        async () => await session.get('status/418', { raiseForStatus: true }),
        (error) => error instanceof ClientResponseError && error.status === 418,
      );
    });

    for (const encoding of ['gzip', 'deflate', 'brotli']) {
      test(`in ${encoding}`, async (session) => {
        await session.get(encoding).run(async (response) => {
          assert.equal(response.headers.get('Content-Encoding'), encoding === 'brotli' ? 'br' : encoding);
          const said = (await response.json<Record<string, unknown>>())!;
          assert.equal(
            said[encoding === 'gzip' ? 'gzipped' : encoding === 'deflate' ? 'deflated' : 'brotli'],
            true,
          );
        });
      });
    }

    test('that are streams of lines', async (session) => {
      const ids: number[] = [];
      await session.get('stream/20').run(async ({ content }) => {
        for await (const line of content) ids.push((JSON.parse(line.toString()) as { id: number }).id);
      });
      assert.deepEqual(
        ids,
        Array.from({ length: 20 }, (_, id) => id),
      );
    });

    test('of bytes, whole, in chunks and in parts', async (session) => {
      const whole = await session.get('bytes/100000?seed=7').run((response) => response.read());
      assert.equal(whole.length, 100_000);
      const chunks: Buffer[] = [];
      await session.get('stream-bytes/100000?seed=7&chunk_size=1000').run(async ({ content }) => {
        for await (const [data] of content.iterChunks()) chunks.push(data);
      });
      assert(Buffer.concat(chunks).equals(whole));
      await session.get('range/100', { headers: { Range: 'bytes=10-19' } }).run(async (response) => {
        assert.equal(response.status, 206);
        assert.equal(await response.text(), 'klmnopqrst');
      });
    });

    test('that are no JSON', async (session) => {
      await session.get('xml').run(async (response) => {
        assert.equal(response.contentType, 'application/xml');
        await assert.rejects(async () => await response.json(), { name: 'ContentTypeError' });
      });
    });

    test('with headers of one name', async (session) => {
      await session.get('response-headers?X-Many=1&X-Many=2').run(({ headers }) => {
        assert.deepEqual(headers.getall('x-many'), ['1', '2']);
      });
    });

    test('that are known already', async (session) => {
      const headers = { 'If-None-Match': '"tag"' };
      assert.equal(await session.get('etag/tag', { headers }).run(({ status }) => status), 304);
      assert.equal(await session.get('etag/tag').run((response) => response.headers.get('ETag')), 'tag');
    });
  });

  describe('redirects', () => {
    for (const kind of ['redirect', 'relative-redirect', 'absolute-redirect']) {
      test(`by ${kind}`, async (session) => {
        await session.get(`${kind}/3`).run((response) => {
          assert.equal(response.url.pathname, '/get');
          assert.deepEqual(
            response.history.map(({ status }) => status),
            [302, 302, 302],
          );
        });
      });
    }

    test('too many of them', async (session) => {
      await assert.rejects(async () => await session.get('redirect/10'), { name: 'TooManyRedirects' });
      assert.equal(await session.get('redirect/10', { maxRedirects: 11 }).run(({ status }) => status), 200);
    });

    test('P75: to another origin leave credentials behind', async (session) => {
      const port = Number(new URL(urlOf(httpbin)).port);
      const elsewhere = `http://localhost:${port}/headers`;
      const options = {
        params: { url: elsewhere },
        headers: { Authorization: 'canary', Cookie: 'a=canary' },
      };
      const said = await session.get('redirect-to', options).run((response) => response.json<Said>());
      assert.doesNotMatch(JSON.stringify(said), /canary/);
    });
  });

  describe('cookies', () => {
    test('are kept, sent, changed and deleted', async (session) => {
      const cookies = async (path = 'cookies'): Promise<unknown> => (await jsonAt(session, path)).cookies;
      assert.deepEqual(await cookies(), {});
      assert.deepEqual(await cookies('cookies/set?a=1&b=2'), { a: '1', b: '2' });
      assert.deepEqual(await cookies('cookies/set/a/3'), { a: '3', b: '2' });
      assert.deepEqual(await cookies('cookies/delete?b='), { a: '3' });
      const own = await session
        .get('cookies', { cookies: { mine: 'x' } })
        .run((response) => response.json<Said>());
      assert.deepEqual(own?.cookies, { a: '3', mine: 'x' });
      assert.deepEqual(await cookies(), { a: '3' });
    });
  });

  describe('authentication', () => {
    test('by basic credentials', async (session) => {
      const auth = new BasicAuth('user', 'pass word');
      await session.get('basic-auth/user/pass%20word', { auth }).run(async (response) => {
        assert.deepEqual(await response.json(), { authenticated: true, user: 'user' });
      });
      assert.equal(await session.get('basic-auth/user/other', { auth }).run(({ status }) => status), 401);
      const withUser = urlOf(httpbin).replace('://', '://user:pass%20word@');
      assert.equal(
        await session.get(`${withUser}basic-auth/user/pass%20word`).run(({ status }) => status),
        200,
      );
    });

    test('by a token', async (session) => {
      const headers = { Authorization: 'Bearer XYZ' };
      assert.deepEqual(await session.get('bearer', { headers }).run((response) => response.json()), {
        authenticated: true,
        token: 'XYZ',
      });
    });

    for (const qop of ['auth', 'auth-int', 'none']) {
      for (const algorithm of ['MD5', 'SHA-256', 'SHA-512']) {
        test(
          `by digest, ${qop} with ${algorithm}`,
          async (session) => {
            for (let round = 0; round < 2; round++) {
              await session.get(`digest-auth/${qop}/ada/secret/${algorithm}`).run(async (response) => {
                assert.equal(response.status, 200);
                assert.deepEqual(await response.json(), { authenticated: true, user: 'ada' });
              });
            }
            assert.equal(
              await session.get(`digest-auth/${qop}/ada/other/${algorithm}`).run(({ status }) => status),
              401,
            );
          },
          () => ({ middlewares: [new DigestAuthMiddleware('ada', 'secret')] }),
        );
      }
    }

    test(
      'by digest, when the nonce has become stale',
      async (session) => {
        for (let round = 0; round < 4; round++) {
          const { status } = await session.get('digest-auth/auth/ada/secret/MD5/1');
          assert.equal(status, 200);
        }
      },
      () => ({ middlewares: [new DigestAuthMiddleware('ada', 'secret')] }),
    );
  });

  describe('limits of time', () => {
    test('P79: of the whole, between pieces, and of a scope', async (session) => {
      await assert.rejects(async () => await session.get('delay/5', { timeout: 0.2 }), TimeoutError);
      const sockRead = new ClientTimeout({ sockRead: 0.2 });
      await assert.rejects(
        async () => await session.get('delay/5', { timeout: sockRead }),
        SocketTimeoutError,
      );
      const dripping = 'drip?duration=10&numbytes=5&delay=0';
      await assert.rejects(
        async () => await session.get(dripping, { timeout: sockRead }).run((response) => response.read()),
        SocketTimeoutError,
      );
      await assert.rejects(
        async () => await timeout(0.2).run(async () => await session.get('delay/5')),
        TimeoutError,
      );
      assert.equal(await session.get('get').run(({ status }) => status), 200);
    });

    test('are kept to by what comes slowly but in time', async (session) => {
      const body = await session
        .get('drip?duration=0.5&numbytes=5&delay=0.1', { timeout: new ClientTimeout({ sockRead: 5 }) })
        .run((response) => response.text());
      assert.equal(body, '*****');
    });

    test('P72: a cancelled request ends, and others go on', async (session) => {
      const slow = createTask(async () => await session.get('delay/5'));
      const fast = createTask(async () => await session.get('delay/0.3').run(({ status }) => status));
      await sleep(0.1);
      slow.cancel();
      await assert.rejects(async () => await slow, { name: 'CancelledError' });
      assert.equal(await fast, 200);
    });
  });

  test('many requests at once', async (session) => {
    const ids = await gather(
      Array.from({ length: 100 }, (_, id) => async () => (await jsonAt(session, `get?id=${id}`)).args['id']),
    );
    assert.deepEqual(
      ids,
      Array.from({ length: 100 }, (_, id) => String(id)),
    );
  });
});
