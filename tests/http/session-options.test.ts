import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { describe, it } from 'node:test';
import { run, RuntimeError, sleep } from 'asyncio-ts';
import {
  BasicAuth,
  ClientRequest,
  ClientResponse,
  ClientSession,
  CookieJar,
  DummyCookieJar,
  FormData,
  HttpVersion11,
  request,
  type SessionOptions,
  TCPConnector,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { type Echo, echo, serve } from './servers.ts';

function withEcho(
  options: SessionOptions,
  body: (session: ClientSession, url: string) => Promise<void>,
): () => Promise<void> {
  return () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url, options);
      await body(session, site.url);
    });
}

async function ask(session: ClientSession, ...args: Parameters<ClientSession['request']>): Promise<Echo> {
  return (await session.request(...args).run((response) => response.json<Echo>())) as Echo;
}

describe('the options of a session', () => {
  it(
    'have defaults that can be looked up',
    withEcho({}, async (session) => {
      assert.ok(session.connector instanceof TCPConnector);
      assert.ok(session.cookieJar instanceof CookieJar);
      assert.equal(session.auth, null);
      assert.equal(session.jsonSerialize({ a: 1 }), '{"a":1}');
      assert.equal(session.connectorOwner, true);
      assert.equal(session.raiseForStatus, false);
      assert.equal(session.autoDecompress, true);
      assert.equal(session.trustEnv, false);
      assert.equal(session.requoteRedirectUrl, true);
      assert.equal(session.version, HttpVersion11);
      assert.deepEqual([...session.skipAutoHeaders], []);
      assert.deepEqual(session.traceConfigs, []);
      await sleep(0);
    }),
  );

  it(
    'jsonSerialize and jsonSerializeBytes make the text of json',
    withEcho({ jsonSerialize: (value) => `<${JSON.stringify(value)}>` }, async (session, url) => {
      const text = await ask(session, 'POST', '', { json: { a: 1 } });
      assert.equal(text.body, '<{"a":1}>');
      assert.equal(text.headers['content-type'], 'application/json');
      await using other = new ClientSession(url, {
        jsonSerialize: () => 'not this one',
        jsonSerializeBytes: (value) => Buffer.from(`bytes ${JSON.stringify(value)}`),
      });
      const bytes = await ask(other, 'POST', '', { json: [1] });
      assert.equal(bytes.body, 'bytes [1]');
      assert.equal(bytes.headers['content-type'], 'application/json');
    }),
  );

  it(
    'skipAutoHeaders leaves headers out, for the session and besides for a request',
    withEcho({ skipAutoHeaders: ['user-AGENT'] }, async (session) => {
      assert.deepEqual([...session.skipAutoHeaders], ['user-agent']);
      const first = await ask(session, 'GET', '');
      assert.equal(first.headers['user-agent'], undefined);
      assert.equal(first.headers['accept'], '*/*');
      const second = await ask(session, 'POST', '', {
        skipAutoHeaders: ['Accept', 'Content-Type'],
        data: 'x',
      });
      assert.equal(second.headers['user-agent'], undefined);
      assert.equal(second.headers['accept'], undefined);
      assert.equal(second.headers['content-type'], undefined);
      assert.equal(second.body, 'x');
    }),
  );

  it(
    'cookies go with every request, those of a request besides',
    withEcho({ cookies: { a: '1' } }, async (session) => {
      assert.equal((await ask(session, 'GET', '')).headers['cookie'], 'a=1');
      assert.equal((await ask(session, 'GET', '', { cookies: { b: '2' } })).headers['cookie'], 'a=1; b=2');
      assert.equal((await ask(session, 'GET', '')).headers['cookie'], 'a=1');
      const both = await ask(session, 'GET', '', { cookies: { b: '2' }, headers: { Cookie: 'c=3' } });
      assert.equal(both.headers['cookie'], 'a=1; b=2; c=3');
    }),
  );

  it('cookieJar keeps what servers set', () =>
    run(async () => {
      await using site = await serve((incoming, response) => {
        response.setHeader('Set-Cookie', ['a=1; Path=/', 'b=2; Max-Age=0']);
        response.end(incoming.headers.cookie ?? 'none');
      });
      const jar = new CookieJar({ unsafe: true });
      await using session = new ClientSession(site.url, { cookieJar: jar });
      assert.equal(session.cookieJar, jar);
      const cookies = await session.get('').run(async (response) => {
        assert.equal(await response.text(), 'none');
        return response.cookies;
      });
      assert.deepEqual([...cookies.keys()], ['a', 'b']);
      assert.equal(cookies.get('a')?.value, '1');
      assert.equal(await session.get('').run((response) => response.text()), 'a=1');
      await using forgetful = new ClientSession(site.url, { cookieJar: new DummyCookieJar() });
      await forgetful.get('').run((response) => response.text());
      assert.equal(await forgetful.get('').run((response) => response.text()), 'none');
    }));

  it('auth is sent to the origin of the base URL alone', () =>
    run(async () => {
      await using site = await serve(echo);
      await using other = await serve(echo);
      await using session = new ClientSession(site.url, { auth: new BasicAuth('me', 'secret') });
      const expected = `Basic ${Buffer.from('me:secret').toString('base64')}`;
      assert.equal((await ask(session, 'GET', 'x')).headers['authorization'], expected);
      assert.equal((await ask(session, 'GET', other.url)).headers['authorization'], undefined);
      await using everywhere = new ClientSession(null, { auth: new BasicAuth('me', 'secret') });
      assert.equal((await ask(everywhere, 'GET', other.url)).headers['authorization'], expected);
      const own = await ask(session, 'GET', 'x', { auth: new BasicAuth('you') });
      assert.equal(own.headers['authorization'], `Basic ${Buffer.from('you:').toString('base64')}`);
    }));

  it(
    'credentials from two places are an error',
    withEcho({}, async (session, url) => {
      const auth = new BasicAuth('me');
      const withUser = new URL(url);
      withUser.username = 'user';
      await assert.rejects(async () => await session.get(withUser, { auth }), {
        name: 'RangeError',
        message: 'Cannot combine AUTH argument with credentials encoded in URL',
      });
      await assert.rejects(async () => await session.get('', { auth, headers: { authorization: 'x' } }), {
        name: 'RangeError',
        message: 'Cannot combine AUTHORIZATION header with AUTH argument or credentials encoded in URL',
      });
    }),
  );

  it('requestClass and responseClass stand in for the classes of the client', () =>
    run(async () => {
      await using site = await serve(echo);
      class Request extends ClientRequest {
        override toString(): string {
          return `my ${super.toString()}`;
        }
      }
      class Response extends ClientResponse {
        get half(): number {
          return this.status / 2;
        }
      }
      const seen: string[] = [];
      await using session = new ClientSession(site.url, {
        requestClass: Request,
        responseClass: Response,
        middlewares: [
          (one, handler) => {
            seen.push(String(one));
            return handler(one);
          },
        ],
      });
      await using response = await session.get('a#b');
      assert.ok(response instanceof Response);
      assert.equal(response.half, 100);
      assert.deepEqual(seen, [`my <ClientRequest GET ${site.url}a>`]);
    }));

  it('fallbackCharsetResolver says how a text without a charset is to be read', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end(Buffer.from([0xe9])));
      await using session = new ClientSession(site.url, {
        fallbackCharsetResolver: (response, body) => (response.ok && body.length === 1 ? 'latin-1' : 'utf-8'),
      });
      assert.equal(await session.get('').run((response) => response.text()), 'é');
    }));

  it('raiseForStatus may be a function, and a request outranks it', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.writeHead(404).end());
      const seen: number[] = [];
      await using session = new ClientSession(site.url, {
        raiseForStatus: async (response) => {
          await sleep(0);
          seen.push(response.status);
          if (!response.ok) throw new Error('mine');
        },
      });
      await assert.rejects(async () => await session.get(''), { message: 'mine' });
      await session.get('', { raiseForStatus: false }).run(() => {});
      await assert.rejects(async () => await session.get('', { raiseForStatus: true }), {
        name: 'ClientResponseError',
      });
      assert.deepEqual(seen, [404]);
    }));

  it(
    'a base URL resolves relative ones as RFC 3986 says',
    withEcho({}, async (session, url) => {
      assert.throws(() => new ClientSession('http://host/path'), {
        name: 'RangeError',
        message: "baseUrl must have a trailing '/'",
      });
      await using nested = new ClientSession(`${url}a/b/`, {
        connector: session.connector,
        connectorOwner: false,
      });
      const paths = await Promise.all(
        ['c', '../c', '/c', '?q=1'].map(async (path) => (await ask(nested, 'GET', path)).url),
      );
      assert.deepEqual(paths, ['/a/b/c', '/a/c', '/c', '/a/b/?q=1']);
    }),
  );
});

describe('a session that is over', () => {
  it('makes no more requests, and is closed once', () =>
    run(async () => {
      const session = new ClientSession();
      const { connector } = session;
      await session.close();
      await session.close();
      assert.equal(session.closed, true);
      assert.equal(session.connector, null);
      assert.equal(connector?.closed, true);
      await assert.rejects(
        async () => await session.get('http://127.0.0.1/'),
        (error) => {
          return error instanceof RuntimeError && error.message === 'Session is closed';
        },
      );
    }));

  it('leaves a connector open that it does not own, or that was detached', () =>
    run(async () => {
      await using connector = new TCPConnector();
      const borrower = new ClientSession(null, { connector, connectorOwner: false });
      await borrower.close();
      assert.equal(connector.closed, false);
      const detached = new ClientSession(null, { connector });
      detached.detach();
      assert.equal(detached.closed, true);
      await detached.close();
      assert.equal(connector.closed, false);
    }));
});

describe('request() without a session', () => {
  it('closes its connection with the response', () =>
    run(async () => {
      await using site = await serve(echo);
      const answer = await request('PUT', site.url, { data: 'x', cookies: { a: '1' } }).run((response) =>
        response.json<Echo>(),
      );
      assert.equal(answer?.method, 'PUT');
      assert.equal(answer?.body, 'x');
      assert.equal(answer?.headers['connection'], 'close');
      assert.equal(answer?.headers['cookie'], 'a=1');
      await site.drained();
      const response = await request('GET', site.url);
      await response.read();
      await site.drained();
      assert.equal(site.connections, 2);
    }));

  it('leaves a given connector open, and nothing behind an error', () =>
    run(async () => {
      await using site = await serve(echo);
      await using connector = new TCPConnector();
      for (let i = 0; i < 2; i++) {
        await request('GET', site.url, { connector }).run((response) => response.read());
      }
      assert.equal(site.connections, 1);
      assert.equal(connector.closed, false);
      const closed = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => closed.once('listening', resolve));
      const { port } = closed.address() as { port: number };
      await new Promise((resolve) => closed.close(resolve));
      await assert.rejects(async () => await request('GET', `http://127.0.0.1:${port}/`), {
        name: 'ClientConnectorError',
      });
    }));
});

describe('the body of a request', () => {
  const bytes = Buffer.from('some bytes');

  it(
    'may be anything that can be sent',
    withEcho({}, async (session) => {
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('one ');
        await sleep(0);
        yield Buffer.from('two');
      }
      const form = new FormData();
      form.addField('a', '1');
      const cases: [data: unknown, body: string, type: string, isChunked: boolean][] = [
        ['text', 'text', 'text/plain; charset=utf-8', false],
        [bytes, 'some bytes', 'application/octet-stream', false],
        [{ a: '1', b: '2 3' }, 'a=1&b=2+3', 'application/x-www-form-urlencoded', false],
        [new URLSearchParams('x=y'), 'x=y', 'application/x-www-form-urlencoded', false],
        [form, 'a=1', 'application/x-www-form-urlencoded', false],
        [pieces(), 'one two', 'application/octet-stream', true],
        [new Blob(['blob'], { type: 'text/x-blob' }), 'blob', 'text/x-blob', false],
      ];
      for (const [data, body, type, isChunked] of cases) {
        const answer = await ask(session, 'POST', '', { data });
        assert.equal(answer.body, body);
        assert.equal(answer.headers['content-type'], type);
        assert.equal(answer.headers['transfer-encoding'], isChunked ? 'chunked' : undefined);
        assert.equal(answer.headers['content-length'], isChunked ? undefined : String(body.length));
      }
    }),
  );

  it('is compressed or sent in chunks when asked to', () =>
    run(async () => {
      const { gunzipSync, inflateSync, brotliDecompressSync } = await import('node:zlib');
      const decoders = new Map<string, (body: Buffer) => Buffer>([
        ['gzip', gunzipSync],
        ['deflate', inflateSync],
        ['br', brotliDecompressSync],
      ]);
      await using site = await serve((incoming, response) => {
        const chunks: Buffer[] = [];
        incoming
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('end', () => {
            const encoding = incoming.headers['content-encoding'] ?? '';
            const body = Buffer.concat(chunks);
            const plain = decoders.get(encoding)?.(body) ?? body;
            response.end(
              JSON.stringify([encoding, incoming.headers['transfer-encoding'] ?? null, plain.toString()]),
            );
          });
      });
      await using session = new ClientSession(site.url);
      const tell = async (options: Parameters<ClientSession['post']>[1]): Promise<unknown> =>
        JSON.parse(await session.post('', options).run((response) => response.text()));
      const long = 'x'.repeat(100_000);
      assert.deepEqual(await tell({ data: long, compress: 'gzip' }), ['gzip', 'chunked', long]);
      assert.deepEqual(await tell({ data: long, compress: true }), ['deflate', 'chunked', long]);
      assert.deepEqual(await tell({ data: bytes, compress: 'br' }), ['br', 'chunked', 'some bytes']);
      assert.deepEqual(await tell({ data: bytes, chunked: true }), ['', 'chunked', 'some bytes']);
      assert.deepEqual(await tell({ data: bytes, headers: { 'Transfer-Encoding': 'chunked' } }), [
        '',
        'chunked',
        'some bytes',
      ]);
      assert.deepEqual(await tell({ compress: 'gzip' }), ['', null, '']);
    }));

  it(
    'has options that contradict each other',
    withEcho({}, async (session) => {
      const cases: [Parameters<ClientSession['post']>[1], string][] = [
        [{ data: 'x', json: 1 }, 'data and json parameters can not be used at the same time'],
        [
          { data: 'x', compress: true, headers: { 'Content-Encoding': 'gzip' } },
          'compress can not be set if Content-Encoding header is set',
        ],
        [
          { data: 'x', chunked: true, headers: { 'Content-Length': '1' } },
          'chunked can not be set if Content-Length header is set',
        ],
        [
          { data: 'x', chunked: true, headers: { 'Transfer-Encoding': 'chunked' } },
          'chunked can not be set if "Transfer-Encoding: chunked" header is set',
        ],
        [
          { data: 'x', compress: 'lzma' },
          "compress can be gzip, deflate, br or zstd (where Node has it), got 'lzma'",
        ],
      ];
      for (const [options, message] of cases) {
        await assert.rejects(async () => await session.post('', options), { name: 'RangeError', message });
      }
    }),
  );

  it('is told about while it is sent', () =>
    run(async () => {
      let goOn = (): void => {};
      await using site = await serve((incoming, response) => {
        response.writeHead(200).flushHeaders();
        incoming.resume().on('end', () => response.end('done'));
      });
      async function* slow(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('12345');
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
        yield Buffer.from('678');
      }
      await using session = new ClientSession(site.url);
      await using response = await session.post('', { data: slow() });
      assert.equal(response.uploadComplete, false);
      const head = response.outputSize - 5;
      assert.ok(head > 100);
      goOn();
      assert.equal(await response.text(), 'done');
      assert.equal(response.uploadComplete, true);
      assert.equal(response.outputSize, head + 8);
      await response.waitForClose();
      assert.equal(response.closed, true);
    }));

  it(
    'that fails is the error of the request, with its cause',
    withEcho({}, async (session) => {
      const cause = new Error('no more');
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('x');
        throw cause;
      }
      await assert.rejects(
        async () => await session.post('', { data: broken() }),
        (error: Error) => {
          assert.equal(error.name, 'ClientConnectionError');
          assert.equal(error.message, 'Failed to send bytes into the underlying connection: Error: no more');
          assert.equal(error.cause, cause);
          return true;
        },
      );
    }),
  );
});
