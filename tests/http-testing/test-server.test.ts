import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { getRunningLoop, run, sleep } from 'asyncio-ts';
import { ClientConnectorCertificateError, ClientSession, ServerDisconnectedError } from 'asyncio-ts/http';
import { makeCertificate, TestServer, unusedPort } from 'asyncio-ts/http/testing';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';

describe('TestServer', () => {
  it('answers with what its handler gives', () =>
    run(async () => {
      await using server = await new TestServer(async (request) => {
        await sleep(0.01);
        return { status: 201, headers: { 'X-Path': request.path }, json: request.json() };
      }).startServer();
      await using session = server.session();
      await session.post('echo', { json: [1] }).run(async (response) => {
        assert.equal(response.status, 201);
        assert.equal(response.headers.get('X-Path'), '/echo');
        assert.deepEqual(await response.json(), [1]);
      });
      assert.deepEqual(server.requests.map(String), [`<ServedRequest POST ${server.url}echo>`]);
      assert.equal(server.connections, 1);
    }));

  it('is started and closed by run, which gives the value of its body', () =>
    run(function* () {
      const server = new TestServer(() => ({ body: 'x' }));
      assert.equal(server.started, false);
      assert.throws(() => server.url, { name: 'RuntimeError', message: 'The server is not started' });
      const text = yield* server.run(function* (it) {
        assert.equal(it.started, true);
        const session = it.session();
        try {
          return yield* session.get('').run(function* (response) {
            return yield* response.text();
          });
        } finally {
          yield* session.close();
        }
      });
      assert.equal(text, 'x');
      assert.equal(server.closed, true);
      yield* server.close();
    }));

  it('makes URLs of paths alone', () =>
    run(async () => {
      await using server = await new TestServer(() => {}).startServer();
      assert.equal(server.makeUrl('/a?b=c').href, `http://127.0.0.1:${server.port}/a?b=c`);
      assert.throws(() => server.makeUrl('http://example.com/'), RangeError);
      assert.equal(server.host, '127.0.0.1');
      assert.equal(server.scheme, 'http');
      assert.equal(server.ssl, true);
    }));

  it('listens on the port that is wanted, and on IPv6', () =>
    run(async () => {
      const port = await unusedPort();
      await using first = await new TestServer(() => ({ body: '4' }), { port }).startServer();
      assert.equal(first.port, port);
      await using second = await new TestServer(() => ({ body: '6' }), { host: '::1' }).startServer();
      await using session = new ClientSession();
      assert.equal(await session.get(first.url).run((response) => response.text()), '4');
      assert.equal(await session.get(second.url).run((response) => response.text()), '6');
      await assert.rejects(async () => await new TestServer(null, { port }).startServer(), {
        code: 'EADDRINUSE',
      });
    }));

  it('speaks TLS with a certificate of its own, which its sessions trust and no others', () =>
    run(async () => {
      await using server = await new TestServer(() => ({ body: 'secret' }), { ssl: true }).startServer();
      assert.equal(server.scheme, 'https');
      await using session = server.session();
      assert.equal(await session.get('').run((response) => response.text()), 'secret');
      const named = `https://localhost:${server.port}/`;
      assert.equal(
        await session.get(named, { ssl: server.ssl }).run((response) => response.text()),
        'secret',
      );
      await using stranger = new ClientSession();
      await assert.rejects(async () => await stranger.get(server.url), ClientConnectorCertificateError);
    }));

  it('speaks TLS with a given certificate', () =>
    run(async () => {
      const ssl = makeCertificate(['127.0.0.1']);
      await using server = await new TestServer(() => {}, { ssl }).startServer();
      assert.deepEqual(server.ssl, { ca: ssl.cert });
      await using session = server.session();
      assert.equal(await session.get('').run((response) => response.status), 200);
    }));

  it('keeps cookies, though its host is an address', () =>
    run(async () => {
      await using server = await new TestServer(({ headers, path }) =>
        path === '/set' ? { headers: { 'Set-Cookie': 'a=1; Path=/' } } : { json: headers.get('Cookie') },
      ).startServer();
      await using session = server.session();
      await session.get('set');
      assert.equal(await session.get('get').run((response) => response.json()), 'a=1');
    }));

  it('hands requests and upgrades to listeners of node:http', () =>
    run(async () => {
      await using server = await TestServer.fromListener((request, response) => {
        response.setHeader('X-Method', request.method ?? '');
        response.end('by Node');
      }).startServer();
      server.server.on('upgrade', (_request, socket) =>
        socket.end('HTTP/1.1 418 No\r\nContent-Length: 0\r\n\r\n'),
      );
      await using session = server.session();
      await session.put('').run(async (response) => {
        assert.equal(response.headers.get('X-Method'), 'PUT');
        assert.equal(await response.text(), 'by Node');
      });
    }));

  it('closes connections on demand', () =>
    run(async () => {
      await using server = await new TestServer(() => ({ disconnect: true })).startServer();
      await using session = server.session();
      await assert.rejects(async () => await session.post(''), ServerDisconnectedError);
    }));

  it('reports a handler that fails, and answers 500', () =>
    run(async () => {
      const reported: unknown[] = [];
      getRunningLoop().setExceptionHandler((_loop, { exception }) => reported.push(exception));
      const mistake = new Error('a mistake');
      await using server = await new TestServer(() => {
        throw mistake;
      }).startServer();
      await using session = server.session();
      assert.equal(await session.get('').run((response) => response.status), 500);
      assert.deepEqual(reported, [mistake]);
    }));

  it('cancels handlers whose client goes, and all when it is closed', () =>
    run(async () => {
      const ends: string[] = [];
      await using server = await new TestServer(async ({ path }) => {
        try {
          await sleep(100);
        } finally {
          ends.push(path);
        }
      }).startServer();
      await using session = server.session();
      const gone = getRunningLoop().createTask(async () => await session.get('gone'));
      while (server.requests.length < 1) await sleep(0.001);
      gone.cancel();
      await assert.rejects(async () => await gone, { name: 'CancelledError' });
      while (ends.length < 1) await sleep(0.001);
      const request = getRunningLoop().createTask(async () => await session.get('closed'));
      while (server.requests.length < 2) await sleep(0.001);
      await server.close();
      await assert.rejects(async () => await request, ServerDisconnectedError);
      assert.deepEqual(ends, ['/gone', '/closed']);
    }));

  it('takes no time where time is virtual', () =>
    run(
      async () => {
        await using server = await new TestServer(() => ({
          delay: 3600,
          body: 'an hour later',
        })).startServer();
        await using session = server.session({ timeout: null });
        assert.equal(await session.get('').run((response) => response.text()), 'an hour later');
        assert.equal(getRunningLoop().time(), 3600);
      },
      { loopFactory: () => new VirtualEventLoop() },
    ));
});

describe('makeCertificate', () => {
  it('is for the hosts that it is asked for', () => {
    const hosts = ['localhost', '*.example.com', '127.0.0.1', '::1', '2001:db8::8:800:200c:417a'];
    const { cert } = makeCertificate(hosts);
    const certificate = new X509Certificate(cert);
    for (const host of ['localhost', 'a.example.com'])
      assert.equal(certificate.checkHost(host) !== undefined, true);
    for (const address of hosts.slice(2)) assert.notEqual(certificate.checkIP(address), undefined, address);
    assert.equal(certificate.checkHost('example.org'), undefined);
    assert.equal(certificate.checkIP('127.0.0.2'), undefined);
    assert.equal(certificate.ca, true);
    assert.equal(certificate.verify(certificate.publicKey), true);
    assert(Date.parse(certificate.validFrom) < Date.now() && Date.now() < Date.parse(certificate.validTo));
  });
});

describe('unusedPort', () => {
  it('gives one that can be listened on', () =>
    run(async () => {
      const port = await unusedPort();
      await using server = await new TestServer(null, { port }).startServer();
      assert.equal(server.port, port);
    }));
});
