/** A proxy that others wrote. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gather, run } from 'asyncio-ts';
import { BasicAuth, ClientHttpProxyError, ClientSession, TCPConnector } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { cert, key } from './certificate.ts';
import { startTinyproxy, urlOf } from './peers.ts';
import { type Echo, echo, serve, serveSecurely } from './servers.ts';

const body = async (session: ClientSession, url: string, options: object): Promise<Echo> => {
  const answer = await session.post(url, options).run((response) => response.json<Echo>());
  assert(answer !== null);
  return answer;
};

describe('tinyproxy', () => {
  it('takes requests and tunnels', () =>
    run(async () => {
      await using plain = await serve(echo);
      await using secure = await serveSecurely(echo, { key, cert });
      const tinyproxy = await startTinyproxy();
      await using _ = tinyproxy;
      const proxy = urlOf(tinyproxy);
      await using session = new ClientSession(null, {
        connector: new TCPConnector({ ssl: { ca: cert }, limit: 4 }),
      });
      const data = 'x'.repeat(100_000);
      for (const { url } of [plain, secure]) {
        const answers = await gather(
          Array.from({ length: 12 }, (_unused, i) => () => body(session, `${url}${i}?q=1`, { data, proxy })),
        );
        assert.deepEqual(
          answers.map((answer) => [answer.url, answer.body.length]),
          answers.map((_answer, i) => [`/${i}?q=1`, data.length]),
        );
      }
    }));

  it('wants a password, in the URL or apart, for each of them', () =>
    run(async () => {
      await using plain = await serve(echo);
      await using secure = await serveSecurely(echo, { key, cert });
      const tinyproxy = await startTinyproxy({ user: 'user', password: 'secret' });
      await using _ = tinyproxy;
      const proxy = urlOf(tinyproxy);
      await using session = new ClientSession(null, { connector: new TCPConnector({ ssl: { ca: cert } }) });
      const refused = await session.get(plain.url, { proxy });
      assert.equal(refused.status, 407);
      refused.release();
      await assert.rejects(
        async () => await session.get(secure.url, { proxy }),
        (error) => error instanceof ClientHttpProxyError && error.status === 407,
      );
      const inUrl = { proxy: proxy.replace('//', '//user:secret@') };
      const apart = { proxy, proxyAuth: new BasicAuth('user', 'secret') };
      for (const { url } of [plain, secure]) {
        for (const how of [inUrl, apart]) {
          const answer = await body(session, url, { ...how, data: 'hello' });
          assert.equal(answer.body, 'hello');
          assert.doesNotMatch(JSON.stringify(answer), /secret|proxy-authorization/i);
        }
      }
    }));
});
