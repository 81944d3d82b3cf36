import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type CoroutineLike, gather, getRunningLoop, run, sleep, TimeoutError, timeout } from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import {
  ClientConnectionError,
  ClientOSError,
  ClientPayloadError,
  ClientResponseError,
  ClientSession,
  ServerDisconnectedError,
} from 'asyncio-ts/http';
import { RecordedAnswers, TestServer, UnexpectedRequestError } from 'asyncio-ts/http/testing';
import '../support/leaks.ts';
import { errorOf } from '../support/programs.ts';

const virtually = <T>(main: CoroutineLike<T>): Promise<T> =>
  run(main, { loopFactory: () => new VirtualEventLoop() });

const now = (): number => getRunningLoop().time();

describe('RecordedAnswers', () => {
  it('answers with status, headers and body', () =>
    virtually(async () => {
      const answers = new RecordedAnswers()
        .get('/text', { status: 203, reason: 'Perhaps', headers: { 'X-One': ['a', 'b'] }, body: 'hällo' })
        .get('/bytes', { body: Uint8Array.of(0, 255) })
        .get('/json', { json: { a: [1, null] } })
        .delete('/none', { status: 204 })
        .post('/nothing');
      await using session = answers.session('https://example.com/');
      await session.get('text').run(async (response) => {
        assert.equal(response.status, 203);
        assert.equal(response.reason, 'Perhaps');
        assert.equal(response.url.href, 'https://example.com/text');
        assert.deepEqual(response.headers.getall('x-one'), ['a', 'b']);
        assert.equal(response.contentType, 'text/plain');
        assert.equal(await response.text(), 'hällo');
      });
      assert.deepEqual([...(await session.get('bytes').run((response) => response.read()))], [0, 255]);
      assert.deepEqual(await session.get('json').run((response) => response.json()), { a: [1, null] });
      assert.equal(await session.delete('none').run((response) => response.status), 204);
      assert.equal(await session.post('nothing').run((response) => response.text()), '');
    }));

  it('works from generators', () =>
    virtually(function* () {
      const session = new RecordedAnswers()
        .get('/', function* () {
          yield* sleep(3);
          return { json: 'late' };
        })
        .session('http://example.com/');
      const value = yield* session.get('').run(function* (response) {
        return yield* response.json();
      });
      assert.equal(value, 'late');
      assert.equal(now(), 3);
      yield* session.close();
    }));

  it('fits paths on every host, whole URLs on one, and regular expressions', () =>
    virtually(async () => {
      const answers = new RecordedAnswers()
        .get('/path', { body: 'path' })
        .get('http://a.example/only', { body: 'a' })
        .get('http://b.example/only', { body: 'b' })
        .get(/\/users\/\d+$/, (request) => ({ body: request.path }))
        .on(null, new URL('http://c.example/'), (request) => ({ body: request.method }));
      await using session = answers.session();
      const text = async (url: string, method = 'GET'): Promise<string> =>
        await session.request(method, url).run((response) => response.text());
      assert.equal(await text('http://x.example/path'), 'path');
      assert.equal(await text('https://y.example:444/path'), 'path');
      assert.equal(await text('http://a.example/only'), 'a');
      assert.equal(await text('http://b.example/only'), 'b');
      assert.equal(await text('http://b.example/users/17'), '/users/17');
      assert.equal(await text('http://c.example/', 'PROPFIND'), 'PROPFIND');
    }));

  it('compares parameters in any order where it names some, and takes all where it names none', () =>
    virtually(async () => {
      const answers = new RecordedAnswers()
        .get('/search?a=1&b=2', { body: 'both' })
        .get('/search', { body: 'any' });
      await using session = answers.session('http://example.com/');
      for (const [query, expected] of [
        ['b=2&a=1', 'both'],
        ['a=1', 'any'],
        ['a=1&b=2&c=3', 'any'],
      ]) {
        const text = await session.get(`search?${query}`).run((response) => response.text());
        assert.equal(text, expected);
      }
    }));

  it('gives the first that fits and is not used up', () =>
    virtually(async () => {
      const answers = new RecordedAnswers()
        .get('/', { status: 503, times: 2 })
        .get('/', { status: 200, match: ({ headers }) => headers.get('X-Wanted') === 'yes' })
        .get('/', { status: 404, times: 1 });
      await using session = answers.session('http://example.com/');
      const statusOf = async (wanted: string): Promise<number> =>
        await session.get('', { headers: { 'X-Wanted': wanted } }).run((response) => response.status);
      assert.deepEqual(answers.pending, [
        'GET / (given 0 of 2 times)',
        'GET /, on a condition',
        'GET / (given 0 of 1 times)',
      ]);
      assert.throws(() => answers.assertAllUsed(), {
        name: 'AssertionError',
        message: /^never asked for:\n {2}GET/,
      });
      assert.equal(await statusOf('yes'), 503);
      assert.equal(await statusOf('no'), 503);
      assert.equal(await statusOf('no'), 404);
      assert.equal(await statusOf('yes'), 200);
      assert.equal(await statusOf('yes'), 200);
      assert.deepEqual(answers.pending, []);
      answers.assertAllUsed();
    }));

  it('refuses an answer that could never be given', () => {
    for (const times of [0, -1, Number.NaN])
      assert.throws(() => new RecordedAnswers().get('/', { times }), RangeError);
  });

  it('fails what it does not know, with a list of what it knows', () =>
    virtually(async () => {
      const answers = new RecordedAnswers().get('/a').put('/b', { times: 1 });
      await using session = answers.session('http://example.com/');
      await session.put('b');
      const error = await errorOf(async () => await session.put('b?x=1', { data: 'body' }));
      assert(error instanceof UnexpectedRequestError);
      assert.equal(error.name, 'UnexpectedRequestError');
      assert(error instanceof ClientConnectionError);
      assert.equal(error.request.text(), 'body');
      assert.equal(
        error.message,
        'No recorded answer for PUT http://example.com/b?x=1\nThere are:\n  GET /a\n  PUT /b (given 1 of 1 times)',
      );
      answers.clear();
      const second = await errorOf(async () => await session.get('a'));
      assert.equal(second.message, 'No recorded answer for GET http://example.com/a\nThere is none at all.');
    }));

  it('keeps the requests that came', () =>
    virtually(async () => {
      const answers = new RecordedAnswers().post('/items');
      await using session = answers.session('http://example.com/', { headers: { 'X-Session': '1' } });
      await session.post('items', {
        json: { name: 'ä' },
        params: { page: 2 },
        headers: { 'X-Request': '2' },
      });
      const [request] = answers.requests;
      assert(request !== undefined);
      assert.equal(request.method, 'POST');
      assert.equal(request.url.href, 'http://example.com/items?page=2');
      assert.equal(request.path, '/items?page=2');
      assert.equal(request.query.get('page'), '2');
      assert.equal(request.headers.get('x-session'), '1');
      assert.equal(request.headers.get('x-request'), '2');
      assert.equal(request.headers.get('host'), 'example.com');
      assert.deepEqual(request.json(), { name: 'ä' });
    }));

  it('follows redirects between hosts, with and without secrets', () =>
    virtually(async () => {
      const answers = new RecordedAnswers()
        .get('http://a.example/', { status: 302, headers: { Location: '/next' } })
        .get('http://a.example/next', { status: 307, headers: { Location: 'https://b.example/end' } })
        .get('https://b.example/end', { body: 'end' });
      await using session = answers.session();
      const response = await session.get('http://a.example/', { headers: { Authorization: 'secret' } });
      assert.equal(await response.text(), 'end');
      assert.deepEqual(
        response.history.map(({ status }) => status),
        [302, 307],
      );
      assert.deepEqual(
        answers.requests.map(({ headers }) => headers.get('Authorization')),
        ['secret', 'secret', null],
      );
    }));

  it('decompresses, as from a socket', () =>
    virtually(async () => {
      const body = gzipSync('compressed '.repeat(100));
      const answers = new RecordedAnswers().get('/', { headers: { 'Content-Encoding': 'gzip' }, body });
      await using session = answers.session('http://example.com/');
      assert.equal(await session.get('').run((response) => response.text()), 'compressed '.repeat(100));
    }));

  it('raises for statuses', () =>
    virtually(async () => {
      await using session = new RecordedAnswers()
        .get('/', { status: 418 })
        .session('http://example.com/', { raiseForStatus: true });
      const error = await errorOf(async () => await session.get(''));
      assert(error instanceof ClientResponseError);
      assert.equal(error.status, 418);
    }));

  it('delays by the clock of the loop, side by side', () =>
    virtually(async () => {
      const answers = new RecordedAnswers()
        .get('/slow', { delay: 60, body: 'slow' })
        .get('/fast', { body: 'fast' });
      await using session = answers.session('http://example.com/');
      const ends: [string, number][] = [];
      const get = async (path: string): Promise<void> => {
        ends.push([await session.get(path).run((response) => response.text()), now()]);
      };
      await gather(
        () => get('slow'),
        () => get('fast'),
      );
      assert.deepEqual(ends, [
        ['fast', 0],
        ['slow', 60],
      ]);
    }));

  it('lets limits of time strike, and tells the handler', () =>
    virtually(async () => {
      const ends: string[] = [];
      const answers = new RecordedAnswers().get('/', async () => {
        try {
          await sleep(1000);
        } catch (error) {
          ends.push((error as Error).name);
          throw error;
        }
      });
      await using session = answers.session('http://example.com/');
      await assert.rejects(async () => await session.get('', { timeout: 4 }), TimeoutError);
      assert.equal(now(), 4);
      await assert.rejects(
        async () => await timeout(10).run(async () => await session.get('')),
        TimeoutError,
      );
      assert.equal(now(), 14);
      await sleep(0);
      assert.deepEqual(ends, ['CancelledError', 'CancelledError']);
    }));

  it('sends pieces as they come', () =>
    virtually(async () => {
      async function* pieces() {
        for (const piece of ['one ', 'two ', 'three']) {
          yield piece;
          await sleep(10);
        }
      }
      await using session = new RecordedAnswers().get('/', { body: pieces() }).session('http://example.com/');
      const came: [string, number][] = [];
      await session.get('').run(async (response) => {
        assert.equal(response.headers.get('Transfer-Encoding'), 'chunked');
        for await (const data of response.content.iterAny()) came.push([data.toString(), now()]);
      });
      assert.deepEqual(came, [
        ['one ', 0],
        ['two ', 10],
        ['three', 20],
      ]);
    }));

  it('holds up a body that nobody reads', () =>
    virtually(async () => {
      let pieces = 0;
      async function* endless() {
        for (;;) {
          pieces++;
          yield Buffer.alloc(16 * 1024);
          await sleep(0);
        }
      }
      await using session = new RecordedAnswers()
        .get('/', { body: endless() })
        .session('http://example.com/');
      const response = await session.get('');
      for (let turn = 0; turn < 200; turn++) await sleep(0);
      assert(pieces < 40, `${pieces} pieces were made`);
      response.close();
    }));

  it('disconnects, before an answer and in its midst', () =>
    virtually(async () => {
      const answers = new RecordedAnswers()
        .get('/at-once', { disconnect: true })
        .get('/midst', { headers: { 'Content-Length': '100' }, body: 'half', disconnect: true });
      await using session = answers.session('http://example.com/');
      await assert.rejects(async () => await session.get('at-once'), ServerDisconnectedError);
      const response = await session.get('midst');
      assert.equal(response.status, 200);
      await assert.rejects(async () => await response.read(), ClientPayloadError);
    }));

  it('fails with the given error', () =>
    virtually(async () => {
      const reset = Object.assign(new Error('read ECONNRESET'), {
        code: 'ECONNRESET',
        errno: -104,
        syscall: 'read',
      });
      const answers = new RecordedAnswers()
        .post('/system', { error: reset })
        .post('/own', { error: new ServerDisconnectedError('gone fishing') });
      await using session = answers.session('http://example.com/');
      const error = await errorOf(async () => await session.post('system'));
      assert(error instanceof ClientOSError);
      assert.equal(error.code, 'ECONNRESET');
      await assert.rejects(async () => await session.post('own'), { message: 'gone fishing' });
    }));

  it('tells a handler that fails to the loop, and answers 500', () =>
    virtually(async () => {
      const reported: string[] = [];
      getRunningLoop().setExceptionHandler((_loop, { message, exception }) => {
        reported.push(`${message}: ${String(exception)}`);
      });
      await using session = new RecordedAnswers()
        .get('/', () => {
          throw new Error('a mistake');
        })
        .session('http://example.com/');
      await session.get('').run(async (response) => {
        assert.equal(response.status, 500);
        assert.equal(await response.text(), 'Error: a mistake');
      });
      assert.deepEqual(reported, [
        'Error in the handler of <ServedRequest GET http://example.com/>: Error: a mistake',
      ]);
    }));

  it('keeps connections as a server would', () =>
    virtually(async () => {
      const answers = new RecordedAnswers().get('/', { body: 'x' });
      const connector = answers.connector({ limit: 2 });
      await using session = new ClientSession('http://example.com/', { connector });
      const get = async (): Promise<string> => await session.get('').run((response) => response.text());
      const all = await gather(Array.from({ length: 50 }, () => get));
      assert.equal(all.join(''), 'x'.repeat(50));
      assert.equal(connector.limit, 2);
    }));

  it('serves several sessions, and a TestServer', () =>
    run(async () => {
      const answers = new RecordedAnswers().get('/', { body: 'same', times: 3 });
      await using first = answers.session('http://example.com/');
      await using second = answers.session('http://example.com/');
      await using server = await new TestServer(answers).startServer();
      await using third = server.session();
      for (const session of [first, second, third])
        assert.equal(await session.get('').run((response) => response.text()), 'same');
      answers.assertAllUsed();
    }));

  it('a large body goes both ways', () =>
    virtually(async () => {
      const body = Buffer.alloc(4 * 1024 * 1024, 'abcdefg');
      await using session = new RecordedAnswers()
        .put('/', (request) => ({ body: request.body }))
        .session('http://example.com/');
      const back = await session.put('', { data: body }).run((response) => response.read());
      assert(back.equals(body));
    }));
});
