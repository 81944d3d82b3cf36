import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { gather, run } from 'asyncio-ts';
import {
  BasicAuth,
  ClientConnectorCertificateError,
  ClientConnectorDNSError,
  ClientHttpProxyError,
  ClientProxyConnectionError,
  ClientResponseError,
  ClientSession,
  Fingerprint,
  ServerDisconnectedError,
  ServerFingerprintMismatch,
  TCPConnector,
} from 'asyncio-ts/http';
import { X509Certificate } from 'node:crypto';
import { WebSocketServer } from 'ws';
import '../support/leaks.ts';
import { cert, key } from './certificate.ts';
import { ProxyServer } from './proxy-server.ts';
import { RawServer } from './raw-server.ts';
import { type Echo, echo, serve, serveSecurely } from './servers.ts';

const json = async (session: ClientSession, url: string, options = {}): Promise<Echo> => {
  const answer = await session.get(url, options).run((response) => response.json<Echo>());
  assert(answer !== null);
  return answer;
};

/** A session that trusts the certificate of the tests. */
const trusting = (): ClientSession =>
  new ClientSession(null, { connector: new TCPConnector({ ssl: { ca: cert } }) });

const portOf = (url: string): string => new URL(url).port;
const basic = (text: string): string => `Basic ${Buffer.from(text, 'latin1').toString('base64')}`;

describe('a plain request through a proxy', () => {
  it('names the whole URL, without fragment', () =>
    run(async () => {
      await using site = await serve(echo);
      await using proxy = await ProxyServer.open();
      await using session = new ClientSession();
      const answer = await json(session, `${site.url}path?q=a b#part`, { proxy: proxy.url() });
      assert.equal(answer.url, '/path?q=a%20b');
      assert.equal(answer.headers['host'], new URL(site.url).host);
      assert.deepEqual(
        proxy.asked.map(({ method, target }) => [method, target]),
        [['GET', `${site.url}path?q=a%20b`]],
      );
    }));

  it('has the host in the letters that are sent', () =>
    run(async () => {
      await using site = await serve(echo);
      await using proxy = await ProxyServer.open({ port: Number(portOf(site.url)) });
      await using session = new ClientSession();
      await json(session, 'http://éé.com/', { proxy: proxy.url() });
      await json(session, 'http://[::1]:81/x', { proxy: proxy.url() });
      assert.deepEqual(
        proxy.asked.map(({ target, headers }) => [target, headers.host]),
        [
          ['http://xn--9caa.com/', 'xn--9caa.com'],
          ['http://[::1]:81/x', '[::1]:81'],
        ],
      );
    }));

  it('has the credentials given apart, or in the URL of the proxy', () =>
    run(async () => {
      await using site = await serve(echo);
      for (const [credentials, proxyAuth, expected] of [
        ['', new BasicAuth('user', 'pass'), basic('user:pass')],
        ['us%40er:p%3Ass', null, basic('us@er:p:ss')],
        ['user', null, basic('user:')],
        ['us%zzer:p', null, basic('us%zzer:p')],
        ['other:other', new BasicAuth('user', 'pass'), basic('user:pass')],
        ['', new BasicAuth('юзер', 'пасс', 'utf-8'), `Basic ${Buffer.from('юзер:пасс').toString('base64')}`],
      ] as const) {
        await using proxy = await ProxyServer.open({ authorization: expected });
        await using session = new ClientSession();
        // The second goes over the same connection.
        for (let i = 0; i < 2; i++) {
          const answer = await json(session, site.url, { proxy: proxy.url(credentials), proxyAuth });
          assert.doesNotMatch(JSON.stringify(answer), /proxy-authorization/i);
        }
        assert.equal(proxy.asked.length, 2);
        assert.equal(proxy.connections, 1);
      }
    }));

  it('is answered by the proxy itself where that refuses it', () =>
    run(async () => {
      await using proxy = await ProxyServer.open({ authorization: basic('a:b') });
      await using session = new ClientSession();
      const response = await session.get('http://example.com/', { proxy: proxy.url() });
      assert.equal(response.status, 407);
      assert.equal(response.headers.get('proxy-authenticate'), 'Basic');
      response.release();
    }));

  it('fails clearly where there is no proxy', () =>
    run(async () => {
      const gone = await ProxyServer.open();
      const { port } = gone;
      await gone[Symbol.asyncDispose]();
      await using session = new ClientSession();
      for (const url of ['http://example.com/', 'https://example.com/']) {
        await assert.rejects(
          async () => await session.get(url, { proxy: `http://u:secret@127.0.0.1:${port}` }),
          (error) => {
            assert(error instanceof ClientProxyConnectionError);
            assert.match(
              error.message,
              new RegExp(`^Cannot connect to host 127.0.0.1:${port} ssl:default \\[`),
            );
            assert.doesNotMatch(error.message, /secret/);
            assert.equal(error.code, 'ECONNREFUSED');
            assert.deepEqual([error.host, error.port], ['127.0.0.1', port]);
            return true;
          },
        );
      }
      // Not the proxy refuses, but its name is unknown.
      await assert.rejects(
        async () => await session.get('http://example.com/', { proxy: 'http://nowhere.invalid:1' }),
        { name: 'ClientConnectorDNSError', host: 'nowhere.invalid', port: 1 },
      );
      assert.notEqual(ClientConnectorDNSError, ClientProxyConnectionError);
    }));

  it('goes through a proxy that speaks TLS', () =>
    run(async () => {
      await using site = await serve(echo);
      await using proxy = await ProxyServer.open({ isSecure: true });
      await using session = trusting();
      assert.equal((await json(session, `${site.url}x`, { proxy: proxy.url() })).url, '/x');
      await using careful = new ClientSession();
      await assert.rejects(
        async () => await careful.get(site.url, { proxy: proxy.url() }),
        (error) => {
          assert(error instanceof ClientConnectorCertificateError);
          assert.equal(error.port, proxy.port);
          return true;
        },
      );
    }));
});

describe('a tunnel', () => {
  it('leads to the origin, with TLS from end to end', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using proxy = await ProxyServer.open();
      await using session = trusting();
      for (let i = 0; i < 3; i++) {
        const answer = await json(session, `${site.url}x?${i}`, { proxy: proxy.url() });
        assert.equal(answer.url, `/x?${i}`);
      }
      assert.deepEqual(
        proxy.asked.map(({ method, target, headers }) => [method, target, headers.host]),
        [['CONNECT', `127.0.0.1:${portOf(site.url)}`, `127.0.0.1:${portOf(site.url)}`]],
      );
      assert.doesNotMatch(proxy.tunnelled, /GET|HTTP/);
      assert.equal(site.connections, 1);
    }));

  it('is asked for with the port of https, brackets around IPv6, and one host', () =>
    run(async () => {
      await using proxy = await ProxyServer.open({ authorization: 'never' });
      await using session = new ClientSession();
      for (const url of ['https://example.com/', 'https://[::1]:8443/', 'https://münchen.de/']) {
        await assert.rejects(
          async () => await session.get(url, { proxy: proxy.url(), headers: { Host: 'other' } }),
          ClientHttpProxyError,
        );
      }
      const targets = ['example.com:443', '[::1]:8443', 'xn--mnchen-3ya.de:443'];
      assert.deepEqual(
        proxy.asked.map(({ target }) => target),
        targets,
      );
      for (const [i, { rawHeaders }] of proxy.asked.entries()) {
        const hosts = rawHeaders.filter((_, at) => rawHeaders[at - 1] === 'Host' && at % 2 === 1);
        assert.deepEqual(hosts, [targets[i]]);
      }
    }));

  it('takes the headers for the proxy, which the origin does not see', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using proxy = await ProxyServer.open({ authorization: basic('user:secret') });
      await using session = trusting();
      const answer = await json(session, site.url, {
        proxy: proxy.url('user:secret'),
        proxyHeaders: { 'X-For-Proxy': 'for-proxy' },
      });
      assert.equal(proxy.asked[0]?.headers['x-for-proxy'], 'for-proxy');
      assert.doesNotMatch(JSON.stringify(answer), /for-proxy|proxy-auth|secret/i);
    }));

  it('S14, CVE-2024-24758: no secret of the origin reaches the proxy, and none of the proxy the origin', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using proxy = await ProxyServer.open();
      await using session = new ClientSession(null, {
        connector: new TCPConnector({ ssl: { ca: cert } }),
        headers: { Authorization: 'Bearer origin-secret', 'X-Api-Key': 'origin-secret' },
      });
      const answer = await json(session, site.url, {
        proxy: proxy.url('user:proxy-secret'),
        headers: { Cookie: 'a=origin-secret' },
      });
      assert.equal(answer.headers['authorization'], 'Bearer origin-secret');
      assert.doesNotMatch(JSON.stringify(answer), /proxy/i);
      const [asked] = proxy.asked;
      assert.doesNotMatch(JSON.stringify(asked), /origin-secret/);
      assert.equal(asked?.headers['proxy-authorization'], basic('user:proxy-secret'));
      // What the caller meant for the proxy would go to the origin.
      await assert.rejects(
        async () =>
          await session.get(site.url, { proxy: proxy.url(), headers: { 'Proxy-Authorization': 'Basic x' } }),
        { name: 'RangeError', message: /Proxy-Authorization would be sent to the origin/ },
      );
    }));

  it('is refused with ClientHttpProxyError, which keeps the password to itself', () =>
    run(async () => {
      await using proxy = await ProxyServer.open({ authorization: 'never' });
      await using session = new ClientSession(null, { connector: new TCPConnector({ limit: 1 }) });
      for (let i = 0; i < 3; i++) {
        await assert.rejects(
          async () => await session.get('https://example.com/p?q', { proxy: proxy.url('user:secret') }),
          (error) => {
            assert(error instanceof ClientHttpProxyError);
            assert(error instanceof ClientResponseError);
            assert.equal(error.status, 407);
            assert.equal(error.reason, 'Proxy Authentication Required');
            assert.equal(error.headers?.get('proxy-authenticate'), 'Basic');
            assert.equal(error.requestInfo.method, 'CONNECT');
            assert.equal(error.requestInfo.url.href, 'https://example.com/p?q');
            assert.equal(
              error.message,
              `407, message='Proxy Authentication Required', url='http://127.0.0.1:${proxy.port}/'`,
            );
            return true;
          },
        );
      }
      // One more than there are places: each came back.
      assert.equal(proxy.asked.length, 3);
    }));

  for (const [what, words, check] of [
    ['hangs up', null, (error: unknown) => error instanceof ServerDisconnectedError],
    [
      'hangs up within its head',
      'HTTP/1.1 200 OK\r\nX',
      (e: unknown) => e instanceof ServerDisconnectedError,
    ],
    ['does not speak HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', (e: unknown) => e instanceof ClientHttpProxyError],
    [
      'has no end of headers',
      `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(1 << 20)}`,
      (e: unknown) => e instanceof ClientHttpProxyError,
    ],
    [
      'speaks in the name of the origin',
      'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
      (e: unknown) => e instanceof ServerDisconnectedError,
    ],
    [
      'answers with the wrong kind of success',
      'HTTP/1.1 204 No Content\r\n\r\n',
      (e: unknown) => e instanceof ClientHttpProxyError && e.status === 204,
    ],
  ] as const) {
    it(`fails clearly with a proxy that ${what}`, () =>
      run(async () => {
        await using peer = await RawServer.open((socket) => {
          if (words === null) socket.destroy();
          else socket.end(words, 'latin1');
        });
        await using session = new ClientSession(null, { connector: new TCPConnector({ limit: 1 }) });
        for (let i = 0; i < 2; i++) {
          await assert.rejects(
            async () => await session.get('https://example.com/', { proxy: peer.url('http') }),
            (error) => check(error) || assert.fail(String(error)),
          );
        }
        await peer.drained();
      }));
  }

  it('checks the certificate of the origin, and asks for its name', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using proxy = await ProxyServer.open({ port: Number(portOf(site.url)) });
      await using session = trusting();
      assert.equal((await json(session, 'https://localhost/x', { proxy: proxy.url() })).url, '/x');
      await assert.rejects(
        async () => await session.get('https://example.com/', { proxy: proxy.url() }),
        (error) => {
          assert(error instanceof ClientConnectorCertificateError);
          assert.deepEqual([error.host, error.port], ['example.com', 443]);
          return true;
        },
      );
      const named = { proxy: proxy.url(), serverHostname: 'localhost' };
      assert.equal((await json(session, 'https://example.com/y', named)).url, '/y');
    }));

  it('goes through a proxy that speaks TLS: TLS in TLS', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using proxy = await ProxyServer.open({ isSecure: true });
      await using session = trusting();
      for (let i = 0; i < 3; i++) {
        assert.equal((await json(session, `${site.url}${i}`, { proxy: proxy.url() })).url, `/${i}`);
      }
      assert.equal(proxy.asked.length, 1);
      const long = 'x'.repeat(300_000);
      const answer = await session
        .post(site.url, { data: long, proxy: proxy.url() })
        .run((response) => response.json<Echo>());
      assert.equal(answer?.body, long);
    }));

  it('holds the fingerprint against the origin, not against the proxy', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using proxy = await ProxyServer.open();
      await using session = new ClientSession();
      const sha256 = Buffer.from(new X509Certificate(cert).fingerprint256.replaceAll(':', ''), 'hex');
      const right = { proxy: proxy.url(), ssl: new Fingerprint(sha256) };
      assert.equal((await json(session, `${site.url}x`, right)).url, '/x');
      const wrong = { proxy: proxy.url(), ssl: new Fingerprint(Buffer.alloc(32)) };
      await assert.rejects(async () => await session.get(site.url, wrong), ServerFingerprintMismatch);
      // A proxy of its own certificate has to have one that is vouched for.
      await using secure = await ProxyServer.open({ isSecure: true });
      await assert.rejects(
        async () => await session.get(site.url, { ...right, proxy: secure.url() }),
        ClientConnectorCertificateError,
      );
    }));
});

describe('a WebSocket', () => {
  for (const scheme of ['ws', 'wss']) {
    it(`goes through a proxy: ${scheme}`, () =>
      run(async () => {
        const server = scheme === 'wss' ? createSecureServer({ key, cert }) : createServer();
        const heads: unknown[] = [];
        new WebSocketServer({ server }).on('connection', (socket, { headers }) => {
          heads.push(headers);
          socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
        });
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        const { port } = server.address() as AddressInfo;
        await using proxy = await ProxyServer.open();
        await using session = trusting();
        const url = `${scheme}://127.0.0.1:${port}/chat`;
        await session.wsConnect(url, { proxy: proxy.url('user:secret') }).run(async (socket) => {
          await socket.sendStr('through');
          assert.equal(await socket.receiveStr(), 'through');
        });
        assert.deepEqual(
          proxy.asked.map(({ method, target, headers }) => [method, target, headers['proxy-authorization']]),
          [['CONNECT', `127.0.0.1:${port}`, basic('user:secret')]],
        );
        assert.doesNotMatch(JSON.stringify(heads), /proxy/i);
        await new Promise((resolve) => server.close(resolve));
      }));
  }
});

describe('proxies of the environment', () => {
  it('are used by a session that trusts it, with their credentials', () =>
    run(async () => {
      await using plain = await serve(echo);
      await using secure = await serveSecurely(echo, { key, cert });
      await using proxy = await ProxyServer.open({ authorization: basic('user:pass') });
      const names = {
        http_proxy: proxy.url('user:pass'),
        https_proxy: proxy.url('user:pass'),
        no_proxy: 'localhost',
      };
      Object.assign(process.env, names);
      try {
        const connector = new TCPConnector({ ssl: { ca: cert } });
        await using session = new ClientSession(null, { connector, trustEnv: true });
        for (const { url } of [plain, secure]) {
          const answer = await json(session, url);
          assert.doesNotMatch(JSON.stringify(answer), /proxy/i);
          await json(session, url.replace('127.0.0.1', 'localhost'));
        }
        assert.deepEqual(
          proxy.asked.map(({ method }) => method),
          ['GET', 'CONNECT'],
        );
        await using careless = new ClientSession(null, { connector: new TCPConnector() });
        await json(careless, plain.url);
        assert.equal(proxy.asked.length, 2);
      } finally {
        for (const name of Object.keys(names)) delete process.env[name];
      }
    }));
});

describe('connections through proxies', () => {
  it('S14, GHSA-hm92-r4w5-c3mj: are shared by no other origin, proxy, user or headers for the proxy', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      const { port } = new URL(site.url);
      await using first = await ProxyServer.open({ port: Number(port) });
      await using second = await ProxyServer.open({ port: Number(port) });
      await using session = trusting();
      const uses = [
        ['https://localhost/', first.url(), {}],
        ['https://localhost:444/', first.url(), {}],
        ['https://127.0.0.1/', first.url(), {}],
        ['https://localhost/', second.url(), {}],
        ['https://localhost/', first.url('a:b'), {}],
        ['https://localhost/', first.url(), { proxyAuth: new BasicAuth('c', 'd') }],
        ['https://localhost/', first.url(), { proxyHeaders: { 'X-Tenant': '1' } }],
        ['https://localhost/', first.url(), { proxyHeaders: { 'X-Tenant': '2' } }],
        ['https://localhost/', first.url(), { ssl: false }],
        ['https://localhost/', first.url(), { serverHostname: '127.0.0.1' }],
      ] as const;
      for (const [url, proxy, options] of uses) await json(session, url, { ...options, proxy });
      assert.equal(first.asked.length + second.asked.length, uses.length);
      // And each is found again by who asks for the same.
      for (const [url, proxy, options] of uses) await json(session, url, { ...options, proxy });
      assert.equal(first.asked.length + second.asked.length, uses.length);
    }));

  it('keep the limits', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using proxy = await ProxyServer.open();
      const connector = new TCPConnector({ ssl: { ca: cert }, limit: 2 });
      await using session = new ClientSession(null, { connector });
      await gather(
        Array.from({ length: 20 }, (_, i) => () => json(session, `${site.url}${i}`, { proxy: proxy.url() })),
      );
      assert(proxy.asked.length <= 2);
    }));
});
