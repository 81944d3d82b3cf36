import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import {
  ClientSession,
  InvalidUrlRedirectClientError,
  NonHttpUrlRedirectClientError,
  RedirectClientError,
  TooManyRedirects,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { type Echo, echo, serve } from './servers.ts';

/** `/STATUS?to=URL` redirects, anything else echoes. */
function redirecting(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '', 'http://host');
  const status = Number(url.pathname.slice(1));
  if (!(status >= 300)) {
    echo(request, response);
    return;
  }
  const to = url.searchParams.get('to');
  request.resume();
  response.writeHead(status, to === null ? {} : { Location: to }).end('moved');
}

function withSite(body: (session: ClientSession, url: string) => Promise<void>): () => Promise<void> {
  return () =>
    run(async () => {
      await using site = await serve(redirecting);
      await using session = new ClientSession(site.url);
      await body(session, site.url);
    });
}

describe('redirects', () => {
  it(
    'are followed, and remembered',
    withSite(async (session, url) => {
      await session.get('301?to=/302%3Fto=%2Fend%2523part').run(async (response) => {
        assert.equal((await response.json<Echo>())?.url, '/end');
        assert.equal(String(response.url), `${url}end`);
        assert.equal(String(response.realUrl), `${url}end#part`);
        assert.deepEqual(
          response.history.map(({ status, url: { pathname } }) => [status, pathname]),
          [
            [301, '/301'],
            [302, '/302'],
          ],
        );
        assert.deepEqual(response.history[1]?.history, [response.history[0]]);
      });
    }),
  );

  it(
    'keep method and body or not, as browsers do',
    withSite(async (session) => {
      const cases: [status: number, method: string, expected: string][] = [
        [301, 'GET', 'GET'],
        [301, 'POST', 'GET'],
        [302, 'POST', 'GET'],
        [303, 'POST', 'GET'],
        [303, 'PUT', 'GET'],
        [301, 'PUT', 'PUT'],
        [302, 'DELETE', 'DELETE'],
        [307, 'POST', 'POST'],
        [308, 'POST', 'POST'],
      ];
      for (const [status, method, expected] of cases) {
        const data = method === 'POST' || method === 'PUT' ? 'body' : null;
        const answer = await session
          .request(method, `${status}?to=/end`, { data })
          .run((response) => response.json<Echo>());
        assert.equal(answer?.method, expected, `${method} on ${status}`);
        const keeps = expected === method && data !== null;
        assert.equal(answer?.body, keeps ? 'body' : '');
        assert.equal(answer?.headers['content-type'], keeps ? 'text/plain; charset=utf-8' : undefined);
      }
      const head = await session.head('303?to=/end', { allowRedirects: true });
      assert.equal(head.method, 'HEAD');
      head.release();
    }),
  );

  it(
    'are not followed by head, or when switched off, or without a place to go',
    withSite(async (session) => {
      assert.equal(await session.head('301?to=/end').run((response) => response.status), 301);
      const off = { allowRedirects: false };
      assert.equal(await session.get('301?to=/end', off).run((response) => response.text()), 'moved');
      await session.get('301').run(async (response) => {
        assert.equal(response.status, 301);
        assert.equal(await response.text(), 'moved');
        assert.deepEqual(response.history, []);
      });
      assert.equal(await session.get('304?to=/end').run((response) => response.status), 304);
    }),
  );

  it(
    'do not repeat params',
    withSite(async (session) => {
      const answer = await session
        .get('302?to=/end%3Fa=1', { params: { b: 2 } })
        .run((response) => response.json<Echo>());
      assert.equal(answer?.url, '/end?a=1');
    }),
  );

  it(
    'are capped',
    run.bind(null, async () => {
      let asked = 0;
      await using site = await serve((_request, response) => {
        asked++;
        response.writeHead(302, { Location: `/${asked}` }).end();
      });
      await using session = new ClientSession(site.url);
      await assert.rejects(
        async () => await session.get('0'),
        (error) => {
          assert(error instanceof TooManyRedirects);
          assert.equal(error.history.length, 10);
          assert.equal(error.requestInfo.url.pathname, '/0');
          return true;
        },
      );
      assert.equal(asked, 10);
      await assert.rejects(async () => await session.get('0', { maxRedirects: 2 }), TooManyRedirects);
      assert.equal(asked, 12);
    }) as () => Promise<void>,
  );

  it(
    'to what is no web address are errors',
    withSite(async (session) => {
      const go = async (to: string): Promise<unknown> => await session.get('302', { params: { to } });
      await assert.rejects(go('http://['), (error) => {
        assert(error instanceof InvalidUrlRedirectClientError);
        assert(error instanceof RedirectClientError);
        assert.equal(error.url, 'http://[');
        assert.match(error.message, /^http:\/\/\[ - Server attempted redirecting to a location/);
        return true;
      });
      await assert.rejects(go('ftp://host/x'), (error) => {
        assert(error instanceof NonHttpUrlRedirectClientError);
        assert(error instanceof RedirectClientError);
        assert.equal(error.message, 'ftp://host/x');
        return true;
      });
      await assert.rejects(go('javascript:alert(1)'), NonHttpUrlRedirectClientError);
    }),
  );

  it('to another origin drop what is private, in whatever form and case it was given', () =>
    run(async () => {
      await using other = await serve(redirecting);
      await using site = await serve(redirecting);
      const secrets: [string, string][] = [
        ['AUTHORIZATION', 'secret-1'],
        ['authorization', 'secret-2'],
        ['Cookie', 'secret=3'],
        ['Proxy-Authorization', 'secret-4'],
        ['If-None-Match', '"secret-5"'],
        ['Range', 'bytes=5-'],
        ['Host', 'secret-6.example'],
      ];
      const forms = [
        secrets,
        new Map(secrets),
        Object.fromEntries(secrets),
        new Headers(secrets.slice(0, 3)),
      ];
      for (const headers of forms) {
        for (const inSession of [true, false]) {
          await using session = new ClientSession(site.url, inSession ? { headers } : {});
          const options = inSession ? {} : { headers };
          const ask = async (to: string): Promise<string> => {
            const answer = await session
              .get('307', { ...options, params: { to } })
              .run((response) => response.json<Echo>());
            return JSON.stringify(answer?.rawHeaders);
          };
          assert.match(await ask('/end'), /secret-1/);
          assert.doesNotMatch(await ask(`${other.url}end`), /secret|bytes/);
          // What is dropped stays dropped, on the way back too.
          const back = encodeURIComponent(`${site.url}end`);
          assert.doesNotMatch(await ask(`${other.url}307?to=${back}`), /secret/);
        }
      }
    }));

  it('with credentials in their URL use these', () =>
    run(async () => {
      await using site = await serve(redirecting);
      await using session = new ClientSession(site.url, { headers: { Authorization: 'Bearer mine' } });
      const to = site.url.replace('//', '//user:pass@');
      const answer = await session.get('307', { params: { to } }).run((response) => response.json<Echo>());
      const expected = `Basic ${Buffer.from('user:pass').toString('base64')}`;
      assert.equal(answer?.headers['authorization'], expected);
    }));
});
