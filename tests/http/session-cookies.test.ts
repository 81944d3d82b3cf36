import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import {
  type AbstractResolver,
  ClientSession,
  CookieJar,
  type SessionOptions,
  TCPConnector,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { root } from '../support/project.ts';
import { cert, key } from './certificate.ts';
import { serve, serveSecurely, type Site } from './servers.ts';

/** Every name is this machine. */
const resolver: AbstractResolver = {
  async resolve(hostname, port = 0) {
    return [{ hostname, host: '127.0.0.1', port, family: 4, proto: 0, flags: 0 }];
  },
  async close() {},
};

/** A URL of a site under another name. */
const named = (site: Site, host: string, path = ''): string => site.url.replace('127.0.0.1', host) + path;

/** What a site was asked: host without port, path and cookies. */
type Seen = string[];

const noting =
  (seen: Seen, answer: RequestListener): RequestListener =>
  (request, response) => {
    const host = request.headers.host?.replace(/:\d+$/, '');
    seen.push(`${host}${request.url} ${request.headers.cookie ?? '-'}`);
    answer(request, response);
  };

/** Run `body` with a session for which every name is this machine. */
async function withSession(
  options: SessionOptions,
  body: (session: ClientSession) => Promise<void>,
): Promise<void> {
  await run(async () => {
    await using session = new ClientSession(null, {
      connector: new TCPConnector({ resolver, ssl: { ca: cert } }),
      ...options,
    });
    await body(session);
  });
}

const get = async (session: ClientSession, url: string, cookies?: Record<string, string>): Promise<void> =>
  session.get(url, { cookies }).run(() => {});

describe('the cookies of a session', () => {
  it('come back to their host, on every hop of a redirect', async () => {
    const seen: Seen = [];
    await using site = await serve(
      noting(seen, (request, response) => {
        if (request.url === '/login') {
          response
            .writeHead(302, { Location: '/home', 'Set-Cookie': ['sid=1; Path=/', 'tmp=2; Path=/login'] })
            .end();
        } else {
          response.writeHead(200, { 'Set-Cookie': 'seen=3; Domain=shop.example' }).end();
        }
      }),
    );
    await withSession({}, async (session) => {
      await get(session, named(site, 'shop.example', 'login'));
      await get(session, named(site, 'www.shop.example'));
      await get(session, named(site, 'other.example'));
      await get(session, site.url);
    });
    assert.deepEqual(seen, [
      'shop.example/login -',
      'shop.example/home sid=1',
      'www.shop.example/ seen=3',
      'other.example/ -',
      '127.0.0.1/ -',
    ]);
  });

  it('CVE-2026-47265: those of a request do not follow a redirect to another origin', async () => {
    const seen: Seen = [];
    await using other = await serve(noting(seen, (_request, response) => response.end()));
    await using site = await serve(
      noting(seen, (request, response) => {
        const away = named(other, 'evil.example');
        response.writeHead(302, { Location: request.url === '/' ? '/again' : away }).end();
      }),
    );
    await withSession({ cookies: { all: '0' } }, async (session) => {
      session.cookieJar.updateCookies({ own: '1' }, new URL('http://shop.example/'));
      await get(session, named(site, 'shop.example'), { mine: '2' });
    });
    assert.deepEqual(seen, [
      'shop.example/ all=0; mine=2; own=1',
      'shop.example/again all=0; mine=2; own=1',
      'evil.example/ all=0',
    ]);
  });

  it('CVE-2026-111063: Secure ones go over TLS alone, though the host be the same', async () => {
    const seen: Seen = [];
    const answer = noting(seen, (_request, response) =>
      response.writeHead(200, { 'Set-Cookie': 'sid=1; Secure' }).end(),
    );
    await using secure = await serveSecurely(answer, { cert, key });
    await using plain = await serve(answer);
    const cookieJar = new CookieJar({ unsafe: true });
    await withSession({ cookieJar }, async (session) => {
      for (const site of [secure, plain, secure]) await get(session, site.url);
    });
    assert.deepEqual(seen, ['127.0.0.1/ -', '127.0.0.1/ -', '127.0.0.1/ sid=1']);
  });

  it('GHSA-2g87-pp6c-29x5: a server that sends them without end fills neither memory nor header', async () => {
    let count = 0;
    let longest = 0;
    await using site = await serve((request, response) => {
      longest = Math.max(longest, request.headers.cookie?.split('; ').length ?? 0);
      const cookies = Array.from({ length: 60 }, () => `n${count++}=1`);
      response.writeHead(200, { 'Set-Cookie': cookies }).end();
    });
    await withSession({}, async (session) => {
      for (let i = 0; i < 10; i++) await get(session, named(site, 'shop.example'));
      assert.equal(session.cookieJar.size, 180);
    });
    assert.deepEqual([count, longest], [600, 180]);
  });

  it('may be kept by several sessions together', async () => {
    const seen: Seen = [];
    await using site = await serve(
      noting(seen, (_request, response) => response.writeHead(200, { 'Set-Cookie': 'sid=1' }).end()),
    );
    const cookieJar = new CookieJar();
    for (let i = 0; i < 2; i++) {
      await withSession({ cookieJar }, (session) => get(session, named(site, 'shop.example')));
    }
    assert.deepEqual(seen, ['shop.example/ -', 'shop.example/ sid=1']);
  });

  it('load the table of public suffixes when the first of them needs it', async () => {
    const program = `
      import { createServer } from 'node:http';
      import { once } from 'node:events';
      import { createRequire } from 'node:module';
      import { run } from 'asyncio-ts';
      import { ClientSession } from 'asyncio-ts/http';
      const { cache } = createRequire(import.meta.url);
      const isLoaded = () => Object.keys(cache).some((file) => file.includes('tough-cookie'));
      const server = createServer((request, response) => response.setHeader('Set-Cookie', 'a=1; Max-Age=9').end());
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      await run(() => new ClientSession('http://127.0.0.1:' + server.address().port).run(async (session) => {
        await session.get('').run(() => {});
        const steps = [isLoaded()];
        session.cookieJar.updateCookiesFromHeaders(['a=1; Path=/; Secure'], new URL('https://shop.example/'));
        steps.push(isLoaded());
        session.cookieJar.updateCookiesFromHeaders(['a=1; Domain=shop.example'], new URL('https://shop.example/'));
        console.log(...steps, isLoaded());
      }));
      server.close();`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      encoding: 'utf8',
    });
    assert.equal(stdout, 'false false true\n', stderr);
  });
});
