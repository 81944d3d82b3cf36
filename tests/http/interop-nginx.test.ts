/** The client beside nginx. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type CoroutineLike, gather, run, timeout, TimeoutError } from 'asyncio-ts';
import {
  BasicAuth,
  ClientConnectorCertificateError,
  ClientResponseError,
  ClientSession,
  Fingerprint,
  type RetryInfo,
  RetryMiddleware,
  TCPConnector,
  TraceConfig,
  UnixClientConnectorError,
  UnixConnector,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { type ProgramServer, startNginx } from '../support/program-server.ts';
import { cert } from './certificate.ts';
import { urlOf } from './peers.ts';

const MEGABYTE = 1024 * 1024;
const large = randomBytes(5 * MEGABYTE);
const text = 'a line of the page\n'.repeat(5000);
const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

describe('the client and nginx', () => {
  let nginx: ProgramServer;

  before(async () => {
    nginx = await startNginx(
      2,
      (folder, [plain, secured]) => `
      default_type application/octet-stream;
      types { text/html html; text/plain txt; application/json json; }
      gzip on;
      gzip_types text/plain application/json;
      limit_req_zone all zone=slow:32k rate=60r/m;
      server {
        listen 127.0.0.1:${plain};
        listen 127.0.0.1:${secured} ssl;
        listen unix:${folder}/nginx.sock;
        ssl_certificate ${folder}/cert.pem;
        ssl_certificate_key ${folder}/key.pem;
        root ${folder}/site;
        client_max_body_size 8m;
        location /few { keepalive_requests 3; return 200 "$connection_requests"; }
        location /one { keepalive_timeout 0; return 200 "$connection"; }
        location /moved/ { rewrite ^/moved/(\\d+)/(.*)$ /to-$1/$2; }
        ${[301, 302, 303, 307, 308].map((status) => `location /to-${status}/ { return ${status} /method; }`).join('\n')}
        location /method { return 200 "$request_method $http_x_keep"; }
        location /loop { return 302 /loop; }
        location /asked { return 200 "$request_method $request_uri $server_protocol $host $http_user_agent"; }
        location /private { auth_basic "the private part"; auth_basic_user_file ${folder}/users; }
        location /upload { root ${folder}; dav_methods PUT DELETE; create_full_put_path on; }
        location /limited {
          limit_req zone=slow;
          limit_req_status 503;
          error_page 503 = @later;
          try_files /page.txt =404;
        }
        location @later { add_header Retry-After 1 always; return 503 "later"; }
        location /slow { limit_rate 64k; rewrite ^/slow(.*)$ $1 break; }
        location /count { return 200 "$connection $connection_requests"; }
      }`,
    );
    mkdirSync(nginx.file('site/private'), { recursive: true });
    for (const [name, content] of Object.entries({
      'page.txt': text,
      large,
      'data.json': '{"a":1}',
      empty: '',
    })) {
      writeFileSync(path.join(nginx.folder, 'site', name), content);
    }
    writeFileSync(nginx.file('site/private/page.txt'), 'for members');
    writeFileSync(nginx.file('users'), 'ada:{PLAIN}s3crät\n');
  });
  after(() => nginx[Symbol.asyncDispose]());

  /** A test with a session for the plain server. */
  function test(name: string, body: (session: ClientSession) => Promise<void>): void {
    it(name, () =>
      run(async () => {
        await using session = new ClientSession(urlOf(nginx));
        await body(session);
      }),
    );
  }

  const textAt = async (session: ClientSession, url: string): Promise<string> =>
    await session.get(url).run((response) => response.text());

  describe('files of nginx', () => {
    test('come whole, with their type and length', async (session) => {
      await session.get('large').run(async (response) => {
        assert.equal(response.status, 200);
        assert.equal(response.contentType, 'application/octet-stream');
        assert.equal(response.contentLength, large.length);
        assert.equal(sha(await response.read()), sha(large));
      });
      assert.equal(await textAt(session, 'empty'), '');
      assert.deepEqual(await session.get('data.json').run((response) => response.json()), { a: 1 });
      assert.equal(await session.get('nothing').run((response) => response.status), 404);
    });

    test('are compressed on the way, or as they are if so wanted', async (session) => {
      await session.get('page.txt').run(async (response) => {
        assert.equal(response.headers.get('Content-Encoding'), 'gzip');
        assert.equal(response.headers.get('Transfer-Encoding'), 'chunked');
        assert.equal(await response.text(), text);
      });
      const headers = { 'Accept-Encoding': 'identity' };
      await session.get('page.txt', { headers }).run(async (response) => {
        assert.equal(response.headers.get('Content-Encoding'), null);
        assert.equal(await response.text(), text);
      });
      await session.get('page.txt', { autoDecompress: false }).run(async (response) => {
        assert.deepEqual([...(await response.read()).subarray(0, 2)], [0x1f, 0x8b]);
      });
    });

    test('come in parts', async (session) => {
      const parts = await gather(
        [0, 1, 2, 3, 4].map((index) => async () => {
          const headers = { Range: `bytes=${index * MEGABYTE}-${(index + 1) * MEGABYTE - 1}` };
          return await session.get('large', { headers }).run(async (response) => {
            assert.equal(response.status, 206);
            return await response.read();
          });
        }),
      );
      assert.equal(sha(Buffer.concat(parts)), sha(large));
      const beyond = { headers: { Range: `bytes=${large.length}-` } };
      assert.equal(await session.get('large', beyond).run((response) => response.status), 416);
    });

    test('are not sent again that are known', async (session) => {
      const etag = await session.get('data.json').run(({ headers }) => headers.get('ETag'));
      const headers = { 'If-None-Match': etag ?? '' };
      await session.get('data.json', { headers }).run(async (response) => {
        assert.equal(response.status, 304);
        assert.equal((await response.read()).length, 0);
      });
    });

    test('are looked at by HEAD, which leaves the connection usable', async (session) => {
      for (let round = 0; round < 3; round++) {
        await session.head('large').run(async (response) => {
          assert.equal(response.contentLength, large.length);
          assert.equal((await response.read()).length, 0);
        });
      }
      const [first, second] = await Promise.all([textAt(session, 'count'), undefined]);
      assert.equal(second, undefined);
      assert.match(first, / 4$/);
    });

    test('are read in pieces, lines and by whole reads', async (session) => {
      const hash = createHash('sha256');
      await session.get('large').run(async ({ content }) => {
        for await (const chunk of content.iterChunked(1000)) {
          assert(chunk.length <= 1000);
          hash.update(chunk);
        }
      });
      assert.equal(hash.digest('hex'), sha(large));
      let lines = 0;
      await session.get('page.txt').run(async ({ content }) => {
        for await (const line of content) {
          assert.equal(line.toString(), 'a line of the page\n');
          lines++;
        }
      });
      assert.equal(lines, 5000);
    });

    test('that take too long are given up, with their connection', async (session) => {
      await assert.rejects(
        async () =>
          await timeout(0.1).run(
            async () => await session.get('slow/large').run((response) => response.read()),
          ),
        TimeoutError,
      );
      await assert.rejects(
        async () => await session.get('slow/large', { timeout: 0.1 }).run((response) => response.read()),
        TimeoutError,
      );
      assert.match(await textAt(session, 'count'), / 1$/);
    });
  });

  describe('connections to nginx', () => {
    test('are kept, one for requests one after the other', async (session) => {
      const said: string[] = [];
      for (let i = 0; i < 5; i++) said.push(await textAt(session, 'count'));
      assert.equal(new Set(said.map((line) => line.split(' ')[0])).size, 1);
      assert.deepEqual(
        said.map((line) => Number(line.split(' ')[1])),
        [1, 2, 3, 4, 5],
      );
    });

    test('H74: that it closes after some requests are replaced', async (session) => {
      const said: string[] = [];
      for (let i = 0; i < 10; i++) said.push(await textAt(session, 'few'));
      assert.deepEqual(said.map(Number), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1]);
    });

    test('that it closes after each are never used again', async (session) => {
      const said = new Set<string>();
      for (let i = 0; i < 5; i++) said.add(await textAt(session, 'one'));
      assert.equal(said.size, 5);
      for (let i = 0; i < 3; i++) await session.post('one', { data: 'x' }).run((response) => response.read());
    });

    it('P71: are no more than the limit, while many want one', () =>
      run(async () => {
        const connector = new TCPConnector({ limit: 3 });
        await using session = new ClientSession(urlOf(nginx), { connector });
        const said = await gather(
          Array.from({ length: 60 }, () => async () => await textAt(session, 'count')),
        );
        assert.equal(new Set(said.map((line) => line.split(' ')[0])).size, 3);
        assert.equal(said.length, 60);
      }));

    it('are told of by traces', () =>
      run(async () => {
        const trace = new TraceConfig();
        const events: string[] = [];
        trace.onConnectionCreateEnd.append(() => void events.push('new'));
        trace.onConnectionReuseconn.append(() => void events.push('again'));
        await using session = new ClientSession(urlOf(nginx), { traceConfigs: [trace] });
        for (let i = 0; i < 4; i++) await textAt(session, 'few');
        assert.deepEqual(events, ['new', 'again', 'again', 'new']);
      }));
  });

  describe('redirects of nginx', () => {
    for (const [status, method, expected] of [
      [301, 'POST', 'GET'],
      [302, 'POST', 'GET'],
      [303, 'PUT', 'GET'],
      [301, 'PUT', 'PUT'],
      [307, 'POST', 'POST'],
      [308, 'DELETE', 'DELETE'],
    ] as const) {
      test(`${status} makes ${expected} of ${method}`, async (session) => {
        const options = { headers: { 'X-Keep': 'kept' }, data: 'body' };
        await session.request(method, `moved/${status}/x`, options).run(async (response) => {
          assert.equal(await response.text(), `${expected} kept`);
          assert.deepEqual(
            response.history.map((hop) => hop.status),
            [status],
          );
          assert.equal(response.url.pathname, '/method');
        });
      });
    }

    test('are followed so often and no more', async (session) => {
      await assert.rejects(async () => await session.get('loop'), { name: 'TooManyRedirects' });
      assert.equal(await session.get('loop', { allowRedirects: false }).run(({ status }) => status), 302);
    });
  });

  describe('requests to nginx', () => {
    test('are what they should be', async (session) => {
      const headers = { 'User-Agent': 'test/1' };
      const params = { q: 'ä &+/?', n: [1, 2] };
      const said = await session.get('asked', { headers, params }).run((response) => response.text());
      assert.equal(said, 'GET /asked?q=%C3%A4+%26%2B%2F%3F&n=1&n=2 HTTP/1.1 127.0.0.1 test/1');
    });

    test('authenticate by basic credentials, in each of the ways', async (session) => {
      const auth = new BasicAuth('ada', 's3crät', 'utf-8');
      await session.get('private/page.txt').run((response) => {
        assert.equal(response.status, 401);
        assert.equal(response.headers.get('WWW-Authenticate'), 'Basic realm="the private part"');
      });
      assert.equal(
        await session.get('private/page.txt', { auth }).run((response) => response.text()),
        'for members',
      );
      const wrong = { auth: new BasicAuth('ada', 'x'), raiseForStatus: true };
      await assert.rejects(
        async () => await session.get('private/page.txt', wrong),
        (error) => {
          assert(error instanceof ClientResponseError);
          assert.equal(error.status, 401);
          assert.equal(error.headers?.get('WWW-Authenticate'), 'Basic realm="the private part"');
          return true;
        },
      );
    });

    test('upload bytes, chunks, and after 100 Continue', async (session) => {
      async function* pieces() {
        for (let at = 0; at < large.length; at += 100_000) yield large.subarray(at, at + 100_000);
      }
      for (const [name, options] of Object.entries({
        bytes: { data: large },
        chunked: { data: pieces() },
        continued: { data: large, expect100: true },
        both: { data: pieces(), expect100: true },
      })) {
        await session.put(`upload/${name}`, options).run(async (response) => {
          assert.equal(response.status, 201, name);
          await response.read();
        });
        assert.equal(sha(readFileSync(nginx.file(`upload/${name}`))), sha(large), name);
      }
      assert.equal(await session.delete('upload/bytes').run(({ status }) => status), 204);
      assert.throws(() => statSync(nginx.file('upload/bytes')), { code: 'ENOENT' });
    });

    test('hold a body back that is too large, if they ask first', async (session) => {
      let sent = 0;
      async function* endless() {
        for (let i = 0; i < 1000; i++) {
          sent++;
          yield Buffer.alloc(65_536);
        }
      }
      const headers = { 'Content-Length': String(1000 * 65_536) };
      await session.put('upload/too-large', { data: endless(), headers, expect100: true }).run((response) => {
        assert.equal(response.status, 413);
      });
      assert.equal(sent, 0);
      assert.equal(await textAt(session, 'data.json'), '{"a":1}');
    });

    it('that come too fast are tried again when nginx says', () =>
      run(async () => {
        const retries: RetryInfo[] = [];
        const retry = new RetryMiddleware({ minDelay: 0.01, onRetry: (info) => void retries.push(info) });
        await using session = new ClientSession(urlOf(nginx), { middlewares: [retry] });
        assert.equal(await textAt(session, 'limited'), text);
        assert.equal(await textAt(session, 'limited'), text);
        assert(retries.length >= 1);
        assert.equal(retries[0]?.response?.status, 503);
        assert.equal(retries[0]?.delay, 1);
      }));
  });

  describe('nginx with TLS', () => {
    const secured =
      (body: (session: ClientSession) => Promise<void>): CoroutineLike<void> =>
      async () => {
        await using session = new ClientSession(urlOf(nginx, 1, 'https'));
        await body(session);
      };

    it('is refused without a reason to trust it, and trusted with one', () =>
      run(
        secured(async (session) => {
          await assert.rejects(async () => await session.get('large'), ClientConnectorCertificateError);
          await session.get('large', { ssl: { ca: cert } }).run(async (response) => {
            assert.equal(sha(await response.read()), sha(large));
          });
        }),
      ));

    it('is known by the fingerprint of its certificate', () =>
      run(
        secured(async (session) => {
          const der = Buffer.from(cert.replaceAll(/-----.*-----|\s/g, ''), 'base64');
          const right = new Fingerprint(createHash('sha256').update(der).digest());
          assert.equal(await session.get('data.json', { ssl: right }).run(({ status }) => status), 200);
          const wrong = new Fingerprint(Buffer.alloc(32));
          await assert.rejects(async () => await session.get('data.json', { ssl: wrong }), {
            name: 'ServerFingerprintMismatch',
          });
        }),
      ));

    it('takes an upload', () =>
      run(
        secured(async (session) => {
          const { status } = await session.put('upload/tls', { data: large, ssl: { ca: cert } });
          assert.equal(status, 201);
          assert.equal(sha(readFileSync(nginx.file('upload/tls'))), sha(large));
        }),
      ));
  });

  describe('nginx at a Unix socket', () => {
    it('answers as over TCP', () =>
      run(async () => {
        const connector = new UnixConnector(nginx.file('nginx.sock'));
        await using session = new ClientSession('http://any.example/', { connector });
        assert.match(await textAt(session, 'asked'), /^GET \/asked HTTP\/1\.1 any\.example /);
        await session
          .get('large')
          .run(async (response) => assert.equal(sha(await response.read()), sha(large)));
        assert.match(await textAt(session, 'count'), / 3$/);
      }));

    it('is missed clearly', () =>
      run(async () => {
        const connector = new UnixConnector(nginx.file('no.sock'));
        await using session = new ClientSession('http://any.example/', { connector });
        await assert.rejects(async () => await session.get(''), UnixClientConnectorError);
      }));
  });
});
