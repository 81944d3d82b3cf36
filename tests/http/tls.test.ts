import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { createSecureContext, createServer, type SecureVersion, type Server, type TLSSocket } from 'node:tls';
import { CancelledError, createTask, run, sleep } from 'asyncio-ts';
import {
  type AbstractResolver,
  ClientConnectorCertificateError,
  ClientConnectorError,
  ClientConnectorSSLError,
  ClientSession,
  ClientSSLError,
  Fingerprint,
  ServerFingerprintMismatch,
  type SslOption,
  TCPConnector,
} from 'asyncio-ts/http';
import { takeWarnings } from '../support/leaks.ts';
import { cert, key } from './certificate.ts';
import { ProxyServer } from './proxy-server.ts';
import { type Echo, echo, serve, serveSecurely, Site } from './servers.ts';

describe('TLS', () => {
  it('refuses a certificate that nobody vouches for', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using session = new ClientSession(site.url);
      await assert.rejects(
        async () => await session.get('x'),
        (error) => {
          assert(error instanceof ClientConnectorCertificateError);
          assert(error instanceof ClientSSLError);
          assert(error instanceof ClientConnectorError);
          assert.equal(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
          assert.equal(error.certificateError, error.cause);
          assert.match(
            error.message,
            /^Cannot connect to host 127\.0\.0\.1:\d+ ssl:default \[self-signed certificate/,
          );
          return true;
        },
      );
    }));

  it('refuses a certificate of another host', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using session = new ClientSession(site.url, {
        connector: new TCPConnector({ ssl: { ca: cert, servername: 'example.com' } }),
      });
      await assert.rejects(async () => await session.get('x'), {
        name: 'ClientConnectorCertificateError',
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
    }));

  it('takes it with the right authority, or unchecked, for a session or a request', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      for (const ssl of [{ ca: cert }, false]) {
        await using session = new ClientSession(site.url, { connector: new TCPConnector({ ssl }) });
        assert.equal(await session.get('x').run((response) => response.status), 200);
      }
      await using session = new ClientSession(site.url);
      assert.equal(await session.get('x', { ssl: { ca: cert } }).run((response) => response.status), 200);
      // A connection that was made without a check serves no request that wants one.
      assert.equal(await session.get('x', { ssl: false }).run((response) => response.status), 200);
      await assert.rejects(async () => await session.get('x'), ClientConnectorCertificateError);
    }));

  it('fails clearly with a server that speaks none', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession();
      await assert.rejects(
        async () => await session.get(site.url.replace('http', 'https')),
        (error) => {
          assert(error instanceof ClientConnectorSSLError || error instanceof ClientConnectorError);
          return true;
        },
      );
    }));

  it('is left by a redirect without what is private', () =>
    run(async () => {
      await using plain = await serve(echo);
      await using site = await serveSecurely(
        (_request, response) => void response.writeHead(302, { Location: `${plain.url}end` }).end(),
        { key, cert },
      );
      await using session = new ClientSession(site.url, {
        connector: new TCPConnector({ ssl: { ca: cert } }),
      });
      const headers = { Authorization: 'Bearer secret', Cookie: 'secret=1' };
      const answer = await session.get('x', { headers }).run((response) => response.json<Echo>());
      assert.equal(answer?.url, '/end');
      assert.doesNotMatch(JSON.stringify(answer), /secret/);
    }));
});

/** The names that clients ask for, and the versions that they speak. */
async function serveTls(versions: { minVersion?: SecureVersion; maxVersion?: SecureVersion } = {}) {
  const asked: (string | false | null)[] = [];
  const site = await serveSecurely(
    (request, response) => {
      const { servername, alpnProtocol } = request.socket as TLSSocket & { servername: string | false };
      asked.push(servername);
      response.end(`${(request.socket as TLSSocket).getProtocol()} ${alpnProtocol}`);
    },
    { key, cert, ...versions },
  );
  return { site, asked };
}

const text = (session: ClientSession, url: string, options = {}): Promise<string> =>
  session
    .get(url, options)
    .run((response) => response.text())
    .toPromise();

describe('the ssl option', () => {
  it('takes a SecureContext', () =>
    run(async () => {
      const { site } = await serveTls();
      await using _ = site;
      const ssl = createSecureContext({ ca: cert });
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ ssl }) });
      assert.equal(await text(session, 'x'), 'TLSv1.3 http/1.1');
      await using other = new ClientSession(site.url);
      assert.equal(await text(other, 'x', { ssl }), 'TLSv1.3 http/1.1');
      await assert.rejects(async () => await other.get('x', { ssl: createSecureContext() }), ClientSSLError);
    }));

  it('of a request counts for more than that of the connector', () =>
    run(async () => {
      const { site } = await serveTls();
      await using _ = site;
      const connector = new TCPConnector({ ssl: false });
      assert.equal(connector.ssl, false);
      await using session = new ClientSession(site.url, { connector });
      await text(session, 'x');
      await assert.rejects(
        async () => await session.get('x', { ssl: createSecureContext() }),
        ClientConnectorCertificateError,
      );
    }));

  it('is refused for what is none of its forms', () =>
    run(async () => {
      for (const [wrong, shown] of [
        [123, '123'],
        ['yes', "'yes'"],
        [[], '[]'],
      ]) {
        const message = `ssl should be SSLContext, bool, Fingerprint or None, got ${shown} instead.`;
        assert.throws(() => new TCPConnector({ ssl: wrong as unknown as SslOption }), {
          name: 'TypeError',
          message,
        });
        await using session = new ClientSession();
        await assert.rejects(
          async () => await session.get('https://localhost/', { ssl: wrong as unknown as SslOption }),
          { name: 'TypeError', message },
        );
      }
      await using connector = new TCPConnector({ ssl: null });
      assert.equal(connector.ssl, true);
    }));

  it('S16: speaks TLS 1.2 at least, unless it says otherwise', () =>
    run(async () => {
      // Its ciphers are too weak for OpenSSL's default.
      const old = {
        minVersion: 'TLSv1' as const,
        maxVersion: 'TLSv1.1' as const,
        ciphers: 'DEFAULT@SECLEVEL=0',
      };
      const { site } = await serveTls(old);
      await using _ = site;
      await using session = new ClientSession(site.url);
      for (const ssl of [false, { ca: cert }, { ca: cert, minVersion: 'TLSv1.2' as const }]) {
        await assert.rejects(async () => await session.get('x', { ssl }), ClientSSLError);
      }
      const weak = { ca: cert, minVersion: 'TLSv1' as const, ciphers: 'DEFAULT@SECLEVEL=0' };
      assert.equal(await text(session, 'x', { ssl: weak }), 'TLSv1.1 http/1.1');
    }));

  it('S16: no variable of the environment switches the check off', () =>
    run(async () => {
      const { site } = await serveTls();
      await using _ = site;
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
      try {
        await using session = new ClientSession(site.url);
        for (const ssl of [true, {}, { rejectUnauthorized: undefined }, createSecureContext()]) {
          await assert.rejects(
            async () => await session.get('x', { ssl: ssl as SslOption }),
            ClientConnectorCertificateError,
          );
        }
      } finally {
        delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
        // Node's own, about the variable.
        for (const { message } of takeWarnings()) assert.match(message, /NODE_TLS_REJECT_UNAUTHORIZED/);
      }
    }));

  it('S17: is not what somebody has put into Object.prototype', () =>
    run(async () => {
      const { site } = await serveTls();
      await using _ = site;
      const poisoned = Object.prototype as { rejectUnauthorized?: boolean; minVersion?: string };
      poisoned.rejectUnauthorized = false;
      poisoned.minVersion = 'TLSv1';
      try {
        await using session = new ClientSession(site.url);
        for (const ssl of [true, { ca: [] }, createSecureContext()]) {
          await assert.rejects(async () => await session.get('x', { ssl }), ClientConnectorCertificateError);
        }
      } finally {
        delete poisoned.rejectUnauthorized;
        delete poisoned.minVersion;
      }
    }));

  it('S14, GHSA-vmh5-mc38-953g: of one request is never another’s', () =>
    run(async () => {
      const { site } = await serveTls();
      await using _ = site;
      await using session = new ClientSession(site.url);
      const trusting = { ca: cert };
      const alike = { ca: cert };
      for (const ssl of [trusting, alike, false, trusting, alike, false]) await text(session, 'x', { ssl });
      assert.equal(site.connections, 3);
      await assert.rejects(async () => await session.get('x'), ClientConnectorCertificateError);
      await assert.rejects(
        async () => await session.get('x', { ssl: { ca: [] } }),
        ClientConnectorCertificateError,
      );
      // Each option that Node knows has its effect.
      const refusing = {
        ca: cert,
        checkServerIdentity: () => Object.assign(new Error('no'), { code: 'CERT_NO' }),
      };
      await assert.rejects(async () => await session.get('x', { ssl: refusing }), { code: 'CERT_NO' });
      const version = { ca: cert, maxVersion: 'TLSv1.2' as const };
      assert.equal(await text(session, 'x', { ssl: version }), 'TLSv1.2 http/1.1');
    }));

  it('leads nowhere else by what it says of host, port and socket', () =>
    run(async () => {
      const { site } = await serveTls();
      await using _ = site;
      await using session = new ClientSession(site.url);
      const ssl = { ca: cert, host: 'example.com', port: 1, path: '/nowhere', socket: undefined };
      assert.match(await text(session, 'x', { ssl }), /TLS/);
    }));
});

describe('the name in the handshake', () => {
  it('is the host’s, and never an address', () =>
    run(async () => {
      const { site, asked } = await serveTls();
      await using _ = site;
      const resolver: AbstractResolver = {
        resolve: async (hostname, port = 0) => [
          { hostname, host: '127.0.0.1', port, family: 4, proto: 0, flags: 0 },
        ],
        close: async () => {},
      };
      const connector = new TCPConnector({ ssl: { ca: cert }, resolver });
      await using session = new ClientSession(null, { connector });
      const { port } = new URL(site.url);
      await text(session, `https://localhost:${port}/`);
      await text(session, `https://localhost.:${port}/`);
      await text(session, `https://127.0.0.1:${port}/`);
      await text(session, `https://127.0.0.1:${port}/`, { serverHostname: 'localhost' });
      assert.deepEqual(asked, ['localhost', 'localhost', false, 'localhost']);
    }));

  it('serverHostname is what the certificate must be for', () =>
    run(async () => {
      const { site, asked } = await serveTls();
      await using _ = site;
      await using session = new ClientSession(site.url, {
        connector: new TCPConnector({ ssl: { ca: cert } }),
      });
      await assert.rejects(async () => await session.get('x', { serverHostname: 'example.com' }), {
        name: 'ClientConnectorCertificateError',
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
      assert.equal(asked.length, 0);
      // That of the options is overruled by that of the request.
      const ssl = { ca: cert, servername: 'example.com' };
      await text(session, 'x', { ssl, serverHostname: 'localhost' });
      assert.deepEqual(asked, ['localhost']);
    }));
});

describe('Fingerprint', () => {
  const sha256 = createHash('sha256').update(new X509Certificate(cert).raw).digest();

  it('is a SHA-256', () => {
    assert.equal(new Fingerprint(sha256).fingerprint, sha256);
    for (const length of [16, 20]) {
      assert.throws(() => new Fingerprint(Buffer.alloc(length)), {
        name: 'RangeError',
        message: 'md5 and sha1 are insecure and not supported. Use sha256.',
      });
    }
    for (const length of [0, 31, 33, 64]) {
      assert.throws(() => new Fingerprint(Buffer.alloc(length)), {
        name: 'RangeError',
        message: 'fingerprint has invalid length',
      });
    }
  });

  it('lets one certificate through, vouched for or not, for a session or a request', () =>
    run(async () => {
      const { site } = await serveTls();
      await using _ = site;
      const right = new Fingerprint(sha256);
      const wrong = new Fingerprint(createHash('sha256').digest());
      await using session = new ClientSession(site.url);
      assert.match(await text(session, 'x', { ssl: right }), /TLS/);
      await using pinned = new ClientSession(site.url, { connector: new TCPConnector({ ssl: wrong }) });
      await assert.rejects(async () => await pinned.get('x'), ServerFingerprintMismatch);
      assert.match(await text(pinned, 'x', { ssl: right }), /TLS/);
      // A request that does not check certificates is held to the connector's fingerprint all the same.
      await assert.rejects(async () => await pinned.get('x', { ssl: false }), ServerFingerprintMismatch);
      await assert.rejects(
        async () => await session.get('x', { ssl: wrong }),
        (error) => {
          assert(error instanceof ServerFingerprintMismatch);
          assert.deepEqual(Buffer.from(error.got), sha256);
          assert.equal(error.host, '127.0.0.1');
          return true;
        },
      );
    }));

  it('asks nothing of a server without TLS', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url);
      assert.match(await text(session, 'x', { ssl: new Fingerprint(Buffer.alloc(32)) }), /GET/);
    }));
});

describe('the goodbye of TLS', () => {
  /** The head of an alert, which TLS 1.2 leaves readable. */
  const ALERT = '\x15\x03\x03';

  for (const abortSsl of [false, true]) {
    it(`is ${abortSsl ? 'left out by close({ abortSsl: true })' : 'said by close'}`, () =>
      run(async () => {
        const { site } = await serveTls();
        await using _ = site;
        await using proxy = await ProxyServer.open();
        const connector = new TCPConnector({
          ssl: { ca: cert, maxVersion: 'TLSv1.2' },
          enableCleanupClosed: true,
        });
        await using session = new ClientSession(site.url, { connector });
        await text(session, 'x', { proxy: proxy.url() });
        assert(!proxy.tunnelled.includes(ALERT));
        await connector.close({ abortSsl });
        await proxy.drained();
        assert.equal(proxy.tunnelled.includes(ALERT), !abortSsl);
      }));
  }

  const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

  async function listening(server: Server): Promise<Site> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Site(server, 'https');
  }

  /** A session with a connection to a peer that has answered and reads nothing, so that no goodbye reaches it. */
  async function visitDeaf(): Promise<[Site, ClientSession]> {
    const server = createServer({ key, cert }, (socket) => {
      socket.on('error', () => {}).once('data', () => socket.pause().write(ANSWER));
    });
    const site = await listening(server);
    const session = new ClientSession(site.url, { connector: new TCPConnector({ ssl: { ca: cert } }) });
    // More than the buffers of the system hold.
    const response = session.post('', { data: Buffer.alloc(2 ** 25) });
    assert.equal(await response.run((it) => it.text()), 'ok');
    return [site, session];
  }

  it('is not waited for by the next request, which takes another connection', () =>
    run(async () => {
      const [site, session] = await visitDeaf();
      await using _ = site;
      assert.equal(await text(session, ''), 'ok');
      assert.equal(site.connections, 2);
      await session.close();
    }));

  it('is cut short where the peer does not read', () =>
    run(async () => {
      const [site, session] = await visitDeaf();
      await using _ = site;
      await session.close();
      assert.equal(session.closed, true);
    }));

  it('ends with a close that is cancelled', () =>
    run(async () => {
      const [site, session] = await visitDeaf();
      await using _ = site;
      const { connector } = session;
      const closing = createTask(session.close());
      await sleep(0);
      closing.cancel();
      await assert.rejects(closing.toPromise(), CancelledError);
      const winner = await Promise.race([connector?.close(), sleep(1).then(() => 'a second')]);
      assert.equal(winner, undefined);
    }));

  it('waits for no answer', () =>
    run(async () => {
      const ends: string[] = [];
      const server = createServer({ key, cert, allowHalfOpen: true }, (socket) => {
        socket.on('end', () => ends.push('end')).on('error', () => {});
        socket.once('data', () => socket.write(ANSWER));
      });
      await using site = await listening(server);
      const session = new ClientSession(site.url, { connector: new TCPConnector({ ssl: { ca: cert } }) });
      assert.equal(await text(session, ''), 'ok');
      await session.close();
      while (ends.length === 0) await sleep(0.001);
      // The peer could go on for ever.
      assert.equal(site.sockets.size, 1);
    }));
});
