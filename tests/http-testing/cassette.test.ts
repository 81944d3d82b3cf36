import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { run } from 'asyncio-ts';
import { ClientConnectorError, ClientSession, CookieJar, TCPConnector } from 'asyncio-ts/http';
import { Cassette, type CassetteOptions, TestServer, UnexpectedRequestError } from 'asyncio-ts/http/testing';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { errorOf } from '../support/programs.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'asyncio-ts-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const newFile = (): string => path.join(folder, `${count++}`, 'cassette.json');

/** Use a cassette with a session, and close both. */
async function use<T>(
  file: string,
  options: CassetteOptions,
  body: (session: ClientSession, cassette: Cassette) => Promise<T>,
): Promise<T> {
  await using cassette = await Cassette.open(file, options);
  await using session = cassette.session(null, { cookieJar: new CookieJar({ unsafe: true }) });
  return await body(session, cassette);
}

const textOf = async (session: ClientSession, url: string | URL): Promise<string> =>
  await session.get(url).run((response) => response.text());

describe('Cassette', () => {
  it('records once, and replays without a network', () =>
    run(async () => {
      const file = newFile();
      let url = '';
      const ask = async (session: ClientSession): Promise<unknown[]> => [
        await session.get(`${url}json`).run((response) => response.json()),
        await session.post(`${url}form`, { data: { a: '1' } }).run((response) => response.text()),
        await session.get(`${url}bytes`).run(async (response) => [...(await response.read())]),
        await session.get(`${url}none`).run((response) => [response.status, response.reason]),
      ];
      const recorded = await new TestServer((request) => {
        if (request.path === '/json') return { json: { list: [1, 'ä'] } };
        if (request.path === '/bytes') return { body: Uint8Array.of(0, 255, 128) };
        if (request.path === '/none') return { status: 404, reason: 'Not here' };
        return { body: `${request.method} ${request.text()}` };
      }).run(async (server) => {
        url = String(server.url);
        return await use(file, {}, async (session, cassette) => {
          assert.equal(cassette.records, true);
          return await ask(session);
        });
      });
      assert.deepEqual(recorded, [{ list: [1, 'ä'] }, 'POST a=1', [0, 255, 128], [404, 'Not here']]);
      // The server is gone.
      await use(file, {}, async (session, cassette) => {
        assert.equal(cassette.records, false);
        assert.deepEqual(await ask(session), recorded);
        assert.equal(cassette.requests.length, 4);
      });
      assert.deepEqual(readdirSync(path.dirname(file)), ['cassette.json']);
    }));

  it('writes what a person can read and change', () =>
    run(async () => {
      const file = newFile();
      await new TestServer(() => ({
        headers: { 'Content-Encoding': 'br', 'Content-Type': 'application/json' },
        body: brotliCompressSync('{"a":1}'),
      })).run(async (server) => {
        await use(file, {}, async (session) => {
          assert.deepEqual(await session.get(server.url).run((response) => response.json()), { a: 1 });
        });
      });
      const { version, exchanges } = JSON.parse(readFileSync(file, 'utf8'));
      assert.equal(version, 1);
      assert.deepEqual(exchanges[0].response, {
        status: 200,
        reason: 'OK',
        headers: [['Content-Type', 'application/json']],
        body: { json: { a: 1 } },
      });
      exchanges[0].response.body = { json: { a: 2 } };
      writeFileSync(file, JSON.stringify({ version, exchanges }));
      await use(file, { mode: 'replay' }, async (session) => {
        const value = await session.get(exchanges[0].request.url).run((response) => response.json());
        assert.deepEqual(value, { a: 2 });
      });
    }));

  it('keeps redirects and cookies as they were, hop by hop', () =>
    run(async () => {
      const file = newFile();
      let url = '';
      const ask = async (session: ClientSession): Promise<unknown> =>
        await session
          .get(`${url}start`)
          .run(async (response) => [response.history.map(({ status }) => status), await response.text()]);
      await new TestServer(({ path, headers }) => {
        if (path === '/start')
          return { status: 302, headers: { Location: '/end', 'Set-Cookie': 'sid=s3cret; Path=/' } };
        return { body: headers.has('Cookie') ? 'known' : 'unknown' };
      }).run(async (server) => {
        url = String(server.url);
        assert.deepEqual(await use(file, {}, ask), [[302], 'known']);
      });
      assert.deepEqual(await use(file, {}, ask), [[302], 'known']);
      const written = readFileSync(file, 'utf8');
      assert.doesNotMatch(written, /s3cret/);
      assert.match(written, /sid=REDACTED; Path=\//);
    }));

  it('writes no secrets', () =>
    run(async () => {
      const file = newFile();
      const options: CassetteOptions = {
        redactHeaders: ['X-Mine'],
        redactParams: ['token'],
        beforeRecord: (exchange) =>
          JSON.parse(JSON.stringify(exchange).replaceAll('canary-body', 'harmless')),
      };
      let url = '';
      const ask = async (session: ClientSession): Promise<string> =>
        await session
          .post(`${url}login?token=canary-param&page=1`, {
            headers: {
              Authorization: 'Bearer canary-bearer',
              'X-API-Key': 'canary-key',
              'x-mine': 'canary-mine',
              Cookie: 'a=canary-one; b=canary-two',
            },
          })
          .run((response) => response.text());
      await new TestServer(({ query, headers }) => ({
        headers: { 'Set-Cookie': 'sid=canary-cookie; HttpOnly' },
        body: `canary-body for ${query.get('token')} ${headers.get('Authorization')?.length}`,
      })).run(async (server) => {
        url = String(server.url);
        assert.equal(await use(file, options, ask), 'canary-body for canary-param 20');
      });
      const written = readFileSync(file, 'utf8').replaceAll('canary-param 20', '');
      assert.doesNotMatch(written, /canary/);
      assert.equal(await use(file, { ...options, mode: 'replay' }, ask), 'harmless for canary-param 20');
    }));

  it('tells requests apart by method, parameters and body, and replays equal ones in order', () =>
    run(async () => {
      const file = newFile();
      let number = 0;
      let url = '';
      await new TestServer(({ method }) => ({ body: `${method} ${number++}` })).run(async (server) => {
        url = String(server.url);
        await use(file, {}, async (session) => {
          assert.equal(await textOf(session, url), 'GET 0');
          assert.equal(await textOf(session, `${url}?a=1`), 'GET 1');
          assert.equal(await textOf(session, url), 'GET 2');
          for (const data of ['x', 'y']) await session.post(url, { data });
        });
      });
      await use(file, {}, async (session) => {
        const post = async (data: string): Promise<string> =>
          await session.post(url, { data }).run((response) => response.text());
        assert.equal(await post('y'), 'POST 4');
        assert.equal(await post('x'), 'POST 3');
        assert.equal(await textOf(session, `${url}?a=1`), 'GET 1');
        assert.equal(await textOf(session, url), 'GET 0');
        assert.equal(await textOf(session, url), 'GET 2');
        assert.equal(await textOf(session, url), 'GET 2');
        const error = await errorOf(async () => await post('z'));
        assert(error instanceof UnexpectedRequestError);
        assert.match(
          error.message,
          /^No recorded answer for POST .*\nThere are:\n {2}GET .*\n {2}GET .*\?a=1\n/,
        );
      });
    }));

  it('knows a form again whose boundary is another', () =>
    run(async () => {
      const file = newFile();
      const post = async (session: ClientSession): Promise<number> => {
        const data = new FormData();
        data.append('file', new Blob(['content']), 'a.txt');
        return await session.post(url, { data }).run((response) => response.status);
      };
      let url = '';
      await new TestServer(() => ({ status: 201 })).run(async (server) => {
        url = String(server.url);
        assert.equal(await use(file, {}, post), 201);
      });
      assert.equal(await use(file, { mode: 'replay' }, post), 201);
    }));

  it('asks match whether a recorded request stands for one', () =>
    run(async () => {
      const file = newFile();
      let url = '';
      await new TestServer(() => ({ body: 'x' })).run(async (server) => {
        url = String(server.url);
        await use(file, {}, async (session) => await textOf(session, `${url}?time=1`));
      });
      const options: CassetteOptions = {
        match: (request, recorded) => new URL(recorded.url).pathname === request.url.pathname,
      };
      assert.equal(await use(file, options, async (session) => await textOf(session, `${url}?time=2`)), 'x');
    }));

  it('update records what is not there, record begins anew', () =>
    run(async () => {
      const file = newFile();
      let number = 0;
      await new TestServer(() => ({ body: String(number++) })).run(async (server) => {
        const [a, b] = [server.makeUrl('a'), server.makeUrl('b')];
        await use(file, { mode: 'update' }, async (session) => {
          assert.equal(await textOf(session, a), '0');
        });
        await use(file, { mode: 'update' }, async (session) => {
          assert.equal(await textOf(session, a), '0');
          assert.equal(await textOf(session, b), '1');
        });
        await use(file, { mode: 'replay' }, async (session) => {
          assert.equal(await textOf(session, b), '1');
        });
        await use(file, { mode: 'record' }, async (session) => {
          assert.equal(await textOf(session, b), '2');
        });
        await use(file, { mode: 'replay' }, async (session) => {
          assert.equal(await textOf(session, b), '2');
          await assert.rejects(async () => await textOf(session, a), UnexpectedRequestError);
        });
      });
    }));

  it('has to be there to be replayed, and to be a cassette', async () => {
    await assert.rejects(Cassette.open(newFile(), { mode: 'replay' }), { code: 'ENOENT' });
    const file = path.join(folder, 'other.json');
    writeFileSync(file, '{"version":2,"exchanges":[]}');
    await assert.rejects(Cassette.open(file), {
      name: 'RuntimeError',
      message: /is not a cassette of this version$/,
    });
    writeFileSync(file, '{');
    await assert.rejects(Cassette.open(file), SyntaxError);
  });

  it('passes errors of the network on, and records none', () =>
    run(async () => {
      const file = newFile();
      await using server = await new TestServer(null).startServer();
      const { url } = server;
      await server.close();
      await use(file, {}, async (session) => {
        await assert.rejects(async () => await session.get(url), ClientConnectorError);
      });
      assert.throws(() => readFileSync(file), { code: 'ENOENT' });
    }));

  it('asks the real servers by a session of the caller’s making', () =>
    run(async () => {
      const file = newFile();
      await new TestServer(() => ({ body: 'over TLS' }), { ssl: true }).run(async (server) => {
        const upstream = () => new ClientSession(null, { connector: new TCPConnector({ ssl: server.ssl }) });
        assert.equal(
          await use(file, { upstream }, async (session) => await textOf(session, server.url)),
          'over TLS',
        );
      });
    }));

  it('replays in virtual time', () =>
    run(
      async () => {
        const file = path.join(folder, 'virtual.json');
        const request = { method: 'GET', url: 'https://example.com/', headers: [] };
        const response = { status: 200, reason: 'OK', headers: [], body: { text: 'from the file' } };
        writeFileSync(file, JSON.stringify({ version: 1, exchanges: [{ request, response }] }));
        assert.equal(
          await use(file, {}, async (session) => await textOf(session, 'https://example.com/')),
          'from the file',
        );
      },
      { loopFactory: () => new VirtualEventLoop() },
    ));
});
