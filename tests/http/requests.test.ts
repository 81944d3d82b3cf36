import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { createTask, gather, run, RuntimeError, sleep } from 'asyncio-ts';
import { CIMultiDict, type ClientResponse, ClientResponseError, ClientSession } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { type Echo, echo, serve } from './servers.ts';

/** A test with a session whose relative URLs lead to an `echo` server. */
function withEcho(body: (session: ClientSession, url: string) => Promise<void>): () => Promise<void> {
  return () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url);
      await body(session, site.url);
    });
}

async function ask(session: ClientSession, ...args: Parameters<ClientSession['get']>): Promise<Echo> {
  return (await session.get(...args).run((response) => response.json<Echo>())) as Echo;
}

describe('a request', () => {
  it(
    'is lazy: nothing is sent until it is awaited',
    withEcho(async (session) => {
      const request = session.get('x');
      assert.equal(request.name, 'ClientSession.request');
      await sleep(0);
      assert.equal(session.connector?.closed, false);
      const response = await request;
      assert.equal(response.status, 200);
      await response.read();
      await assert.rejects(async () => await request, RuntimeError);
    }),
  );

  it(
    'gives status, reason, headers, URL and method',
    withEcho(async (session, url) => {
      await using response = await session.get('a/b?c=d#e');
      assert.equal(response.status, 200);
      assert.equal(response.reason, 'OK');
      assert.equal(response.ok, true);
      assert.equal(response.method, 'GET');
      assert.equal(String(response.url), `${url}a/b?c=d`);
      assert.equal(String(response.realUrl), `${url}a/b?c=d#e`);
      assert.equal(response.host, '127.0.0.1');
      assert.equal(response.contentType, 'application/json');
      assert.equal(response.charset, null);
      assert.equal(response.headers.get('CONTENT-type'), 'application/json');
      assert.deepEqual(response.history, []);
      assert.match(String(response), /^<ClientResponse\(http:.*\) \[200 OK\]>\n<CIMultiDictProxy\(/);
    }),
  );

  it(
    'sends the values of headers in UTF-8, as aiohttp does',
    withEcho(async (session) => {
      const { headers } = await ask(session, 'x', { headers: { 'X-Name': 'Zoë €' } });
      assert.equal(Buffer.from(headers['x-name'] ?? '', 'latin1').toString(), 'Zoë €');
    }),
  );

  it(
    'works with yield* as with await',
    withEcho(async (session) => {
      await createTask(function* () {
        const response = yield* session.get('x', { params: { a: 1 } });
        assert.equal(response.status, 200);
        const answer = yield* response.json<Echo>();
        assert.equal(answer?.url, '/x?a=1');
        const url = yield* session.get('y').run(function* (inner) {
          return ((yield* inner.json<Echo>()) as Echo).url;
        });
        assert.equal(url, '/y');
        const method = yield* session.get('y').run((inner) => inner.method);
        assert.equal(method, 'GET');
      });
    }),
  );

  it(
    'can be a task, and one of many',
    withEcho(async (session) => {
      const task = createTask(session.get('task'));
      const [a, b, c] = await gather(task, session.get('b'), () => session.get('c'));
      assert.deepEqual(
        [a, b, c].map((response) => response.url.pathname),
        ['/task', '/b', '/c'],
      );
      for (const response of [a, b, c]) await response.read();
    }),
  );

  it(
    'sends the default headers, those of the session, and its own in place of them',
    withEcho(async (session) => {
      session.headers.set('X-Session', 'session');
      session.headers.set('Accept', 'text/plain');
      const { headers, rawHeaders } = await ask(session, 'x', {
        headers: { 'x-own': 'own', ACCEPT: 'image/*' },
      });
      assert.equal(headers['x-session'], 'session');
      assert.equal(headers['x-own'], 'own');
      assert.equal(headers['accept'], 'image/*');
      assert.match(headers['accept-encoding'] ?? '', /^gzip, deflate, br/);
      assert.match(headers['user-agent'] ?? '', /^asyncio-ts Node\.js\//);
      const names = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
      assert.deepEqual(
        names.toSorted(),
        ['accept', 'accept-encoding', 'connection', 'host', 'user-agent', 'x-own', 'x-session'],
        'nothing else is sent',
      );
    }),
  );

  it(
    'takes headers in every form, several of one name too',
    withEcho(async (session) => {
      const forms = [
        { 'X-A': ['1', '2'], 'X-None': null, 'X-N': 3 },
        [
          ['X-A', '1'],
          ['x-a', '2'],
          ['X-N', '3'],
        ] as [string, string][],
        new CIMultiDict({ 'X-A': ['1', '2'], 'X-N': 3 }),
        new Map([
          ['X-A', '1, 2'],
          ['X-N', '3'],
        ]),
        new Headers({ 'X-A': '1, 2', 'X-N': '3' }),
      ];
      for (const headers of forms) {
        const answer = await ask(session, 'x', { headers });
        assert.equal(answer.headers['x-a'], '1, 2');
        assert.equal(answer.headers['x-n'], '3');
        assert.equal(answer.headers['x-none'], undefined);
      }
    }),
  );

  it(
    'refuses a method or header that could smuggle something in',
    withEcho(async (session) => {
      await assert.rejects(
        async () => await session.request('GET /x', 'x'),
        /Method cannot contain non-token characters/,
      );
      for (const value of ['a\r\nX-Evil: 1', 'a\nb', 'a\0b']) {
        await assert.rejects(async () => await session.get('x', { headers: { 'X-A': value } }), RangeError);
      }
      await assert.rejects(async () => await session.get('x', { headers: { 'X A': '1' } }), RangeError);
    }),
  );

  it(
    'adds params after the query that the URL has',
    withEcho(async (session) => {
      const cases: [string, Parameters<ClientSession['get']>[1], string][] = [
        ['x', { params: { q: 'a b&c', n: 1.5, big: 10n } }, '/x?q=a+b%26c&n=1.5&big=10'],
        ['x?a=1', { params: { a: 2 } }, '/x?a=1&a=2'],
        ['x?a=1', { params: {} }, '/x?a=1'],
        ['x', { params: { a: [1, 'two'] } }, '/x?a=1&a=two'],
        ['x', { params: 'raw=%20yes' }, '/x?raw=%20yes'],
        ['x', { params: new URLSearchParams({ u: 'ü' }) }, '/x?u=%C3%BC'],
        [
          'x',
          {
            params: [
              ['a', 1],
              ['a', 'b'],
            ],
          },
          '/x?a=1&a=b',
        ],
      ];
      for (const [url, options, expected] of cases)
        assert.equal((await ask(session, url, options)).url, expected);
      const wrong = { params: { a: true as unknown as string } };
      await assert.rejects(
        async () => await session.get('x', wrong),
        /value should be a string or a number, got true/,
      );
      await assert.rejects(async () => await session.get('x', { params: { a: Number.NaN } }), RangeError);
    }),
  );

  it(
    'sends bodies as text, bytes, form and JSON',
    withEcho(async (session) => {
      const send = async (
        options: Parameters<ClientSession['post']>[1],
      ): Promise<[string | undefined, string]> => {
        const answer = (await session.post('x', options).run((response) => response.json<Echo>())) as Echo;
        return [answer.headers['content-type'], answer.body];
      };
      assert.deepEqual(await send({ data: 'grüße' }), ['text/plain; charset=utf-8', 'grüße']);
      assert.deepEqual(await send({ data: Buffer.from('abc') }), ['application/octet-stream', 'abc']);
      assert.deepEqual(await send({ data: new URLSearchParams({ a: 'b c' }) }), [
        'application/x-www-form-urlencoded',
        'a=b+c',
      ]);
      assert.deepEqual(await send({ json: { a: [1] } }), ['application/json', '{"a":[1]}']);
      assert.deepEqual(await send({}), ['application/octet-stream', '']);
      await assert.rejects(send({ data: 'x', json: 1 }), /can not be used at the same time/);
    }),
  );

  it(
    'has a method for each of the common verbs',
    withEcho(async (session) => {
      for (const verb of ['get', 'options', 'post', 'put', 'patch', 'delete'] as const) {
        const answer = await session[verb]('x').run((response) => response.json<Echo>());
        assert.equal(answer?.method, verb.toUpperCase());
      }
      const head = await session.head('x');
      assert.equal(head.status, 200);
      assert.equal((await head.read()).length, 0);
    }),
  );

  it(
    'makes a header of credentials in the URL',
    withEcho(async (session, url) => {
      const withUser = url.replace('//', '//user:p%40ss@');
      const answer = await ask(session, withUser);
      assert.equal(answer.headers['authorization'], `Basic ${Buffer.from('user:p@ss').toString('base64')}`);
      const both = { headers: { Authorization: 'Bearer x' } };
      await assert.rejects(
        async () => await session.get(withUser, both),
        /Cannot combine AUTHORIZATION header/,
      );
    }),
  );
});

describe('a session', () => {
  it('needs a running loop', () => {
    assert.throws(() => new ClientSession(), /no running event loop/);
  });

  it('refuses to be used when it is closed', () =>
    run(async () => {
      const session = new ClientSession();
      assert.equal(session.closed, false);
      await session.close();
      await session.close();
      assert.equal(session.closed, true);
      await assert.rejects(async () => await session.get('http://127.0.0.1/'), {
        name: 'RuntimeError',
        message: 'Session is closed',
      });
    }));

  it('refuses to be used in another loop, or outside of any', async () => {
    const session = await run(async () => new ClientSession());
    const requests = [session.get('http://127.0.0.1/'), session.get('http://127.0.0.1/')];
    await assert.rejects(async () => await requests[0], /no running event loop/);
    await assert.rejects(
      run(async () => await requests[1]),
      /have to use same event loop/,
    );
  });

  it('wants a slash at the end of its base URL', () =>
    run(async () => {
      assert.throws(() => new ClientSession('http://127.0.0.1/a'), {
        message: "baseUrl must have a trailing '/'",
      });
      await new ClientSession('http://127.0.0.1/a/').close();
    }));

  it('resolves relative URLs as RFC 3986 says', async () => {
    await run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(`${site.url}a/b/`);
      for (const [given, expected] of [
        ['c', '/a/b/c'],
        ['/c', '/c'],
        ['../c', '/a/c'],
        ['?d', '/a/b/?d'],
        [`${site.url}e`, '/e'],
      ] as const) {
        assert.equal((await ask(session, given)).url, expected);
      }
    });
  });

  it('is closed by run and by await using', () =>
    run(async () => {
      const session = new ClientSession();
      assert.equal(await session.run(async (it) => (it === session ? 'value' : 'other')), 'value');
      assert.equal(session.closed, true);
      const other = new ClientSession();
      await assert.rejects(async () => {
        await other.run(function* () {
          yield* sleep(0);
          throw new RangeError('body');
        });
      }, RangeError);
      assert.equal(other.closed, true);
    }));

  it('throws for bad statuses when told so, and calls a function with every response', async () => {
    await run(async () => {
      await using site = await serve((request, response) => {
        response.statusCode = Number(request.url?.slice(1));
        response.end('body');
      });
      await using session = new ClientSession(site.url, { raiseForStatus: true });
      await assert.rejects(
        async () => await session.get('404'),
        (error) => {
          assert(error instanceof ClientResponseError);
          assert.equal(error.status, 404);
          assert.equal(error.reason, 'Not Found');
          assert.equal(error.message, `404, message='Not Found', url='${site.url}404'`);
          assert.equal(error.requestInfo.method, 'GET');
          return true;
        },
      );
      assert.equal(await session.get('302').run((response) => response.status), 302);
      assert.equal(
        await session.get('404', { raiseForStatus: false }).run((response) => response.status),
        404,
      );
      const seen: number[] = [];
      const look = async ({ status }: ClientResponse): Promise<void> => {
        await sleep(0);
        seen.push(status);
        if (status === 500) throw new RangeError('five hundred');
      };
      await session.get('201', { raiseForStatus: look }).run(() => {});
      await assert.rejects(async () => await session.get('500', { raiseForStatus: look }), RangeError);
      assert.deepEqual(seen, [201, 500]);
    });
  });

  it('gives fifty answers side by side, in the order of the server', async () => {
    await run(async () => {
      const waiting = new Map<number, ServerResponse>();
      await using site = await serve((request, response) => {
        waiting.set(Number(request.url?.slice(1)), response);
        if (waiting.size === 50) answerNext();
      });
      const turns = Array.from({ length: 50 }, (_, i) => (i * 7) % 50);
      const left = [...turns];
      const answerNext = (): void => {
        const number = left.shift();
        if (number !== undefined) waiting.get(number)?.end(String(number));
      };
      await using session = new ClientSession(site.url);
      const order: number[] = [];
      const results = await gather(
        Array.from({ length: 50 }, (_, i) => async () => {
          const number = Number(await session.get(String(i)).run((response) => response.text()));
          order.push(number);
          answerNext();
          return number;
        }),
      );
      assert.deepEqual(
        results,
        Array.from({ length: 50 }, (_, i) => i),
      );
      assert.deepEqual(order, turns);
      assert.equal(site.connections, 50);
    });
  });
});
