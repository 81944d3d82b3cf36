import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import {
  CancelledError,
  type Coroutine,
  createTask,
  Event,
  getRunningLoop,
  run,
  sleep,
  TimeoutError,
} from 'asyncio-ts';
import {
  ClientConnectorError,
  ClientSession,
  ClientTimeout,
  type RequestOptions,
  RetryMiddleware,
  type RetryOptions,
  ServerDisconnectedError,
} from 'asyncio-ts/http';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { cert, key } from './certificate.ts';
import { serve, serveRaw, serveSecurely, type Site } from './servers.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** What has happened to a session with a `RetryMiddleware`, whose delays take no time. */
interface Trial {
  readonly session: ClientSession;
  /** How often the server was asked. */
  count(): number;
  /** The delays, in seconds. */
  readonly delays: number[];
  readonly site: Site;
}

/** Run `body` with a server that answers with `answer`, and a session that tries again, in virtual time. */
async function withRetries(
  options: RetryOptions,
  answer: Answer,
  body: (trial: Trial) => Promise<void>,
): Promise<void> {
  let count = 0;
  await using site = await serve((request, response) => {
    // Virtual time waits to see whether an open connection has anything to say.
    response.setHeader('Connection', 'close');
    answer(request, response, ++count);
  });
  const delays: number[] = [];
  const onRetry = ({ delay }: { delay: number }): void => void delays.push(delay);
  const main = async (): Promise<void> => {
    const middlewares = [new RetryMiddleware({ jitter: false, onRetry, ...options })];
    await using session = new ClientSession(site.url, { middlewares });
    await body({ session, count: () => count, delays, site });
  };
  await run(main, { loopFactory: () => new VirtualEventLoop() });
}

/** A server that says `status` so many times, and then 200. */
const failing =
  (times: number, status = 503, headers: Record<string, string> = {}): Answer =>
  (_request, response, count) => {
    if (count <= times) response.writeHead(status, headers).end('not now');
    else response.end('at last');
  };

async function ask(session: ClientSession, method = 'GET', options?: RequestOptions): Promise<string> {
  return session.request(method, '', options).run(({ status }) => `${status}`);
}

describe('RetryMiddleware', () => {
  it('tries again after statuses that may be others next time', async () => {
    for (const status of [408, 429, 500, 502, 503, 504]) {
      await withRetries({}, failing(2, status), async ({ session, count, delays }) => {
        assert.equal(await session.get('').run((response) => response.text()), 'at last');
        assert.equal(count(), 3);
        assert.deepEqual(delays, [0.5, 1]);
        assert.equal(getRunningLoop().time(), 1.5);
      });
    }
  });

  it('gives the last response when its tries are used up, to be read as any', () =>
    withRetries({ attempts: 4, factor: 3, maxDelay: 4 }, failing(9), async ({ session, count, delays }) => {
      const [status, text] = await session
        .get('')
        .run(async (response) => [response.status, await response.text()]);
      assert.deepEqual([status, text], [503, 'not now']);
      assert.equal(count(), 4);
      assert.deepEqual(delays, [0.5, 1.5, 4]);
    }));

  it('leaves other statuses alone', async () => {
    for (const status of [200, 301, 400, 401, 404, 501]) {
      await withRetries({}, failing(9, status), async ({ session, count }) => {
        assert.equal(await ask(session), `${status}`);
        assert.equal(count(), 1);
      });
    }
    await withRetries({ statuses: [418] }, failing(1, 418), async ({ session, count }) => {
      assert.equal(await ask(session), '200');
      assert.equal(count(), 2);
    });
  });

  it('sends a method again only if that does no harm, or it is told that it does none', async () => {
    const idempotent = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];
    for (const method of [...idempotent, 'POST', 'PATCH', 'PROPFIND']) {
      await withRetries({}, failing(1), async ({ session, count }) => {
        assert.equal(await ask(session, method), idempotent.includes(method) ? '200' : '503', method);
        assert.equal(count(), idempotent.includes(method) ? 2 : 1);
      });
    }
    await withRetries({ methods: ['post'] }, failing(1), async ({ session, count }) => {
      assert.equal(await ask(session, 'POST', { data: 'x' }), '200');
      assert.equal(await ask(session, 'GET'), '200');
      assert.equal(count(), 3);
    });
  });

  it('sends the same body again, and none that is gone', () => {
    const bodies: string[] = [];
    const answer: Answer = (request, response, count) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        bodies.push(body);
        failing(bodies.length === 1 || bodies.length === 3 ? count : 0)(request, response, count);
      });
    };
    async function* once(): AsyncGenerator<Buffer> {
      yield Buffer.from('on');
      yield Buffer.from('ce');
    }
    return withRetries({}, answer, async ({ session }) => {
      assert.equal(await ask(session, 'PUT', { data: 'all' }), '200');
      assert.deepEqual(bodies, ['all', 'all']);
      assert.equal(await ask(session, 'PUT', { data: once() }), '503');
      assert.deepEqual(bodies, ['all', 'all', 'once']);
    });
  });

  it('tries again when the connection is lost before there is an answer', () =>
    withRetries(
      {},
      (request, response, count) => (count < 3 ? request.socket.destroy() : response.end('at last')),
      async ({ session, count, delays }) => {
        assert.equal(await ask(session), '200');
        assert.equal(count(), 3);
        assert.deepEqual(delays, [0.5, 1]);
      },
    ));

  it('throws the last error when its tries are used up', () =>
    withRetries(
      {},
      (request) => request.socket.destroy(),
      async ({ session, count }) => {
        await assert.rejects(async () => ask(session), ServerDisconnectedError);
        assert.equal(count(), 3);
        // The server may have done what a POST asks for.
        await assert.rejects(async () => ask(session, 'POST', { data: 'x' }), ServerDisconnectedError);
        assert.equal(count(), 4);
      },
    ));

  it('sends any method again if no connection could be made', async () => {
    const site = await serve(() => {});
    await site[Symbol.asyncDispose]();
    const errors: unknown[] = [];
    const main = async (): Promise<void> => {
      const retry = new RetryMiddleware({ onRetry: ({ error }) => void errors.push(error) });
      await using session = new ClientSession(site.url, { middlewares: [retry] });
      await assert.rejects(async () => ask(session, 'POST', { data: 'x' }), ClientConnectorError);
    };
    await run(main, { loopFactory: () => new VirtualEventLoop() });
    assert.equal(errors.length, 2);
    assert.ok(errors.every((error) => error instanceof ClientConnectorError));
  });

  it('does not ask for another certificate', async () => {
    await using site = await serveSecurely((_request, response) => response.end(), { cert, key });
    const errors: unknown[] = [];
    await run(async () => {
      const retry = new RetryMiddleware({ onRetry: ({ error }) => void errors.push(error) });
      await using session = new ClientSession(site.url, { middlewares: [retry] });
      await assert.rejects(async () => ask(session), { name: 'ClientConnectorCertificateError' });
    });
    assert.deepEqual(errors, []);
  });

  it('waits for as long as the server asks, in seconds or until a time', async () => {
    const date = 'Tue, 01 Jan 2030 00:00:00 GMT';
    const headers: [Record<string, string>, number][] = [
      [{ 'Retry-After': '7' }, 7],
      [{ 'Retry-After': '0' }, 0.5],
      [{ 'Retry-After': 'soon' }, 0.5],
      [{ 'Retry-After': '-3' }, 0.5],
      [{ Date: date, 'Retry-After': 'Tue, 01 Jan 2030 00:00:20 GMT' }, 20],
      [{ Date: date, 'Retry-After': 'Tue, 01 Jan 2029 00:00:00 GMT' }, 0.5],
      [{ 'Retry-After': 'Thu, 01 Jan 1970 00:00:00 GMT' }, 0.5],
    ];
    for (const [sent, delay] of headers) {
      await withRetries({}, failing(1, 429, sent), async ({ session, delays }) => {
        assert.equal(await ask(session), '200');
        assert.deepEqual(delays, [delay]);
      });
    }
    await withRetries(
      { respectRetryAfter: false },
      failing(1, 503, { 'Retry-After': '7' }),
      async (trial) => {
        assert.equal(await ask(trial.session), '200');
        assert.deepEqual(trial.delays, [0.5]);
      },
    );
  });

  it('does not wait for longer than is worth it', async () => {
    await withRetries({}, failing(1, 503, { 'Retry-After': '61' }), async ({ session, count }) => {
      assert.equal(await ask(session), '503');
      assert.equal(count(), 1);
    });
    await withRetries({ maxRetryAfter: 3600 }, failing(1, 503, { 'Retry-After': '3600' }), async (trial) => {
      assert.equal(await ask(trial.session, 'GET', { timeout: null }), '200');
      assert.equal(getRunningLoop().time(), 3600);
    });
  });

  it('comes back at random times, from half of the delay on', () =>
    withRetries(
      { jitter: true, attempts: 20, minDelay: 8, factor: 1 },
      failing(19),
      async ({ session, delays }) => {
        assert.equal(await ask(session, 'GET', { timeout: null }), '200');
        assert.ok(delays.every((delay) => delay >= 4 && delay <= 8));
        assert.ok(new Set(delays).size > 10);
      },
    ));

  it('tells of each try that failed, and waits for whoever listens', async () => {
    const log: unknown[] = [];
    const onRetry: RetryOptions['onRetry'] = async ({ request, attempt, delay, response, error }) => {
      await sleep(1);
      log.push([request.method, attempt, delay, response?.status, error]);
    };
    await withRetries({ onRetry }, failing(2), async ({ session }) => {
      assert.equal(await ask(session), '200');
      assert.deepEqual(log, [
        ['GET', 1, 0.5, 503, null],
        ['GET', 2, 1, 503, null],
      ]);
      assert.equal(getRunningLoop().time(), 3.5);
    });
    const refuse = (): never => {
      throw new RangeError('enough');
    };
    await withRetries({ onRetry: refuse }, failing(2), async ({ session, count }) => {
      await assert.rejects(async () => ask(session), new RangeError('enough'));
      assert.equal(count(), 1);
    });
  });

  it('gives the connection back before it waits', async () => {
    let count = 0;
    await using site = await serve((request, response) => failing(1)(request, response, ++count));
    await run(async () => {
      const answers: string[] = [];
      const other = new Event();
      const done = new Event();
      const onRetry = (): Coroutine<true> => {
        other.set();
        return done.wait();
      };
      const middlewares = [new RetryMiddleware({ minDelay: 0, onRetry })];
      await using session = new ClientSession(site.url, { middlewares });
      const first = createTask(() => ask(session).then((answer) => answers.push(`first ${answer}`)));
      await other.wait();
      answers.push(`second ${await ask(session)}`);
      done.set();
      await first;
      assert.deepEqual(answers, ['second 200', 'first 200']);
    });
    // One connection is enough: a request that waits holds none.
    assert.equal(site.connections, 1);
  });

  it('ends its delay at once when it is cancelled', () =>
    withRetries({ minDelay: 100, maxDelay: 100 }, failing(9), async ({ session, count }) => {
      const task = createTask(() => ask(session, 'GET', { timeout: null }));
      await sleep(50);
      task.cancel();
      await assert.rejects(async () => task, CancelledError);
      assert.equal(getRunningLoop().time(), 50);
      assert.equal(count(), 1);
    }));

  it('has no more time than the request', () =>
    withRetries({ minDelay: 100, maxDelay: 100 }, failing(9), async ({ session, count }) => {
      const timeout = new ClientTimeout({ total: 30, ceilThreshold: 1000 });
      await assert.rejects(async () => ask(session, 'GET', { timeout }), TimeoutError);
      assert.equal(getRunningLoop().time(), 30);
      assert.equal(count(), 1);
    }));

  it('uses a new connection after one that broke', async () => {
    const heads: number[] = [];
    let connections = 0;
    const numbers = new WeakMap<object, number>();
    await using site = await serveRaw((socket) => {
      if (!numbers.has(socket)) numbers.set(socket, ++connections);
      const number = numbers.get(socket) as number;
      heads.push(number);
      if (number === 1 && heads.length > 1) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    const done = new Event();
    const main = async (): Promise<void> => {
      const retry = new RetryMiddleware({ onRetry: () => done.set() });
      await using session = new ClientSession(site.url, { middlewares: [retry] });
      assert.equal(await ask(session), '200');
      assert.equal(await ask(session), '200');
    };
    await run(main, { loopFactory: () => new VirtualEventLoop() });
    assert.deepEqual(heads, [1, 1, 2]);
    assert.equal(done.isSet(), true);
  });

  it('refuses options that make no sense', () => {
    const refused = (options: RetryOptions, message: string): void =>
      assert.throws(() => new RetryMiddleware(options), { name: 'RangeError', message });
    refused({ attempts: 0 }, 'attempts must be a number from 1 on, not 0');
    refused({ attempts: 1.5 }, 'attempts must be a whole number, not 1.5');
    refused({ minDelay: -1 }, 'minDelay must be a number from 0 on, not -1');
    refused({ maxDelay: Number.NaN }, 'maxDelay must be a number from 0 on, not NaN');
    refused({ factor: -2 }, 'factor must be a number from 0 on, not -2');
    refused({ maxRetryAfter: -2 }, 'maxRetryAfter must be a number from 0 on, not -2');
  });
});
