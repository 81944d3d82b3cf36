/** The client behind tinyproxy. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gather, run } from 'asyncio-ts';
import {
  BasicAuth,
  ClientHttpProxyError,
  ClientProxyConnectionError,
  ClientSession,
  ClientConnectorCertificateError,
} from 'asyncio-ts/http';
import { TestServer, unusedPort } from 'asyncio-ts/http/testing';
import '../support/leaks.ts';
import type { ProgramServer } from '../support/program-server.ts';
import { startTinyproxy, urlOf } from './peers.ts';

const login = { user: 'ada', password: 'secret' };
const right = new BasicAuth(login.user, login.password);

/** A server that says what came, and over TLS the same. */
const newServer = (ssl = false): TestServer =>
  new TestServer(
    ({ method, headers, body, path }) => ({
      json: { method, path, size: body.length, headers: Object.fromEntries(headers) },
    }),
    { ssl },
  );

interface Said {
  method: string;
  path: string;
  size: number;
  headers: Record<string, string>;
}

describe('the client behind tinyproxy', () => {
  let open: ProgramServer;
  let guarded: ProgramServer;
  before(async () => {
    [open, guarded] = await Promise.all([startTinyproxy(), startTinyproxy(login)]);
  });
  after(async () => {
    await open[Symbol.asyncDispose]();
    await guarded[Symbol.asyncDispose]();
  });

  for (const ssl of [false, true]) {
    const scheme = ssl ? 'https' : 'http';

    it(`asks a server by ${scheme}`, () =>
      run(async () => {
        await using server = await newServer(ssl).startServer();
        await using session = new ClientSession(server.url, { proxy: urlOf(open) });
        for (let round = 0; round < 3; round++) {
          await session.get(`path?round=${round}`, { ssl: server.ssl }).run(async (response) => {
            const said = (await response.json<Said>())!;
            assert.equal(response.status, 200);
            assert.equal(said.path, `/path?round=${round}`);
            assert.equal(said.headers['Host'] ?? said.headers['host'], server.url.host);
            assert.equal(/tinyproxy/i.test(said.headers['Via'] ?? said.headers['via'] ?? ''), !ssl);
          });
        }
        const data = Buffer.alloc(3 * 1024 * 1024, 'x');
        const said = await session
          .post('', { data, ssl: server.ssl })
          .run((response) => response.json<Said>());
        assert.equal(said?.size, data.length);
      }));

    it(`proves who it is to the proxy alone, by ${scheme}`, () =>
      run(async () => {
        await using server = await newServer(ssl).startServer();
        await using session = new ClientSession(server.url);
        const options = { proxy: urlOf(guarded), proxyAuth: right, ssl: server.ssl };
        const said = await session.get('', options).run((response) => response.json<Said>());
        const names = Object.keys(said?.headers ?? {}).map((name) => name.toLowerCase());
        assert.equal(names.includes('proxy-authorization'), false);
        const inUrl = urlOf(guarded).replace('://', '://ada:secret@');
        const { status } = await session.get('', { proxy: inUrl, ssl: server.ssl });
        assert.equal(status, 200);
      }));

    it(`is refused without credentials, by ${scheme}`, () =>
      run(async () => {
        await using server = await newServer(ssl).startServer();
        await using session = new ClientSession(server.url, { proxy: urlOf(guarded) });
        for (const proxyAuth of [null, new BasicAuth('ada', 'wrong')]) {
          const ask = async (): Promise<number> =>
            await session.get('', { proxyAuth }).run(({ status }) => status);
          if (!ssl) {
            const status = await ask();
            assert(status === 401 || status === 407, String(status));
          } else {
            await assert.rejects(ask, (error) => {
              assert(error instanceof ClientHttpProxyError);
              assert(error.status === 401 || error.status === 407, String(error.status));
              return true;
            });
          }
        }
        assert.equal(server.requests.length, 0);
      }));
  }

  it('checks the certificate behind the tunnel', () =>
    run(async () => {
      await using server = await newServer(true).startServer();
      await using session = new ClientSession(server.url, { proxy: urlOf(open) });
      await assert.rejects(async () => await session.get(''), ClientConnectorCertificateError);
    }));

  it('asks many at once', () =>
    run(async () => {
      await using plain = await newServer().startServer();
      await using secured = await newServer(true).startServer();
      await using session = new ClientSession(null, { proxy: urlOf(open) });
      const statuses = await gather(
        Array.from({ length: 40 }, (_, index) => async () => {
          const server = index % 2 === 0 ? plain : secured;
          return await session
            .get(server.makeUrl(`/${index}`), { ssl: server.ssl })
            .run(({ status }) => status);
        }),
      );
      assert.deepEqual(new Set(statuses), new Set([200]));
      assert.equal(plain.requests.length + secured.requests.length, 40);
    }));

  it('says clearly that the proxy is not there, or the server behind it', () =>
    run(async () => {
      const nowhere = `http://127.0.0.1:${await unusedPort()}/`;
      await using session = new ClientSession();
      await assert.rejects(
        async () => await session.get('http://example.com/', { proxy: nowhere }),
        ClientProxyConnectionError,
      );
      const { status } = await session.get(nowhere, { proxy: urlOf(open) });
      assert.equal(status, 500);
      await assert.rejects(
        async () => await session.get(nowhere.replace('http', 'https'), { proxy: urlOf(open) }),
        ClientHttpProxyError,
      );
    }));
});
