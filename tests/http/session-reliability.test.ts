import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { CancelledError, createTask, gather, run, sleep, TimeoutError } from 'asyncio-ts';
import {
  type AbstractResolver,
  ClientConnectionError,
  ClientOSError,
  type ClientResponse,
  ClientSession,
  type RequestOptions,
  type ResolveResult,
  ServerDisconnectedError,
  TCPConnector,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { rounds } from '../support/rounds.ts';
import { echo, serve, serveRaw, type Site } from './servers.ts';

/** A resolver that answers for one name, and never for any other. */
class PartialResolver implements AbstractResolver {
  resolve(host: string, port = 0): Promise<ResolveResult[]> {
    if (host !== 'here.test') return new Promise(() => {});
    return Promise.resolve([{ hostname: host, host: '127.0.0.1', port, family: 4, proto: 0, flags: 0 }]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Where a request can be when it is ended. */
interface Phase {
  readonly name: string;
  readonly serve: () => Promise<Site>;
  readonly url: (site: Site) => string;
  readonly options?: RequestOptions;
  readonly connects: boolean;
  /** The server reads nothing, and so does not see the end. */
  readonly isBlind?: boolean;
}

const portOf = (site: Site): string => new URL(site.url).port;
const silent = (): Promise<Site> => serveRaw(() => {});

const PHASES: Phase[] = [
  {
    name: 'the name is looked up',
    serve: silent,
    url: (site) => `http://nowhere.test:${portOf(site)}/`,
    connects: false,
  },
  {
    name: 'TLS shakes hands',
    serve: silent,
    url: (site) => `https://here.test:${portOf(site)}/`,
    connects: true,
  },
  {
    name: 'the body is sent',
    serve: () => serve((request) => void request.pause()),
    url: (site) => `http://here.test:${portOf(site)}/`,
    options: { data: Buffer.alloc(2 ** 25) },
    connects: true,
    isBlind: true,
  },
  {
    name: 'the answer is waited for',
    serve: () => serve(() => {}),
    url: (site) => `http://here.test:${portOf(site)}/`,
    connects: true,
  },
  {
    name: 'the body comes in',
    serve: () => serve((_request, response) => void response.write('half')),
    url: (site) => `http://here.test:${portOf(site)}/`,
    connects: true,
  },
  {
    name: 'a middleware waits',
    serve: silent,
    url: (site) => `http://here.test:${portOf(site)}/`,
    options: {
      middlewares: [
        async (request, handler) => {
          await sleep(60);
          return await handler(request);
        },
      ],
    },
    connects: false,
  },
];

/** How it can be ended: what starts it, and the error that the caller gets. */
const ENDS = [
  ['cancelled', CancelledError],
  ['out of time', TimeoutError],
  ['aborted', CancelledError],
  ['closed with its session', ClientConnectionError],
] as const;

describe('P72: a request gives back its place and its socket', () => {
  for (const phase of PHASES) {
    for (const [how, expected] of ENDS) {
      // What nothing of the session waits for, the session cannot end.
      if (how === 'closed with its session' && phase.name === 'a middleware waits') continue;
      it(`when it is ${how} while ${phase.name}`, () =>
        run(async () => {
          await using site = await phase.serve();
          await using other = await serve(echo);
          await using connector = new TCPConnector({
            limit: 1,
            resolver: new PartialResolver(),
            ssl: { rejectUnauthorized: false },
          });
          const session = new ClientSession(null, {
            connector,
            connectorOwner: how === 'closed with its session',
          });
          const aborter = new AbortController();
          const options: RequestOptions = { ...phase.options };
          if (how === 'out of time') options.timeout = 0.05;
          if (how === 'aborted') options.signal = aborter.signal;
          const method = phase.options?.data === undefined ? 'GET' : 'POST';
          const read = (response: ClientResponse): PromiseLike<Buffer> => response.read();
          const task = createTask(
            async () => await session.request(method, phase.url(site), options).run(read),
          );
          while (phase.connects && site.sockets.size === 0 && !task.done()) await sleep(0.001);
          await sleep(0.02);
          if (how === 'cancelled') task.cancel();
          if (how === 'aborted') aborter.abort(new Error('enough'));
          if (how === 'closed with its session') await session.close();
          await assert.rejects(
            async () => await task,
            (error) => error instanceof expected,
          );
          if (!phase.isBlind) await site.drained();
          assert.equal(getEventListeners(aborter.signal, 'abort').length, 0);
          if (how !== 'closed with its session') {
            const status = await session
              .get(`http://here.test:${portOf(other)}/`)
              .run((response) => response.status);
            assert.equal(status, 200);
          }
          await session.close();
        }));
    }
  }
});

describe('P82, H75: one signal', () => {
  it('serves ten thousand requests, and has no listeners left', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('x'));
      await using session = new ClientSession(site.url);
      const { signal } = new AbortController();
      let most = 0;
      const worker = async (): Promise<void> => {
        for (let i = 0; i < rounds(200); i++) {
          await session.get('', { signal }).run((response) => response.read());
          most = Math.max(most, getEventListeners(signal, 'abort').length);
        }
      };
      await gather(...Array.from({ length: 50 }, () => worker));
      assert.equal(getEventListeners(signal, 'abort').length, 0);
      assert.equal(most, 1);
    }));
});

describe('P74: a connection that an earlier request has used', () => {
  /** Answers the first request of a connection, and hangs up at the second, once `connections` were made. */
  async function withUsed(
    body: (session: ClientSession, seen: string[], site: Site) => Promise<void>,
    partial = '',
  ): Promise<void> {
    const seen: string[] = [];
    const counts = new WeakMap<object, number>();
    await using site = await serveRaw((socket, head) => {
      seen.push(head.split(' ', 1)[0] as string);
      const count = (counts.get(socket) ?? 0) + 1;
      counts.set(socket, count);
      if (count === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else socket.end(partial);
    });
    await using session = new ClientSession(site.url);
    await session.get('').run((response) => response.read());
    seen.length = 0;
    await body(session, seen, site);
  }

  it('and that dies before it answers is tried once more, on a new one', () =>
    run(() =>
      withUsed(async (session, seen, site) => {
        assert.equal(await session.get('').run((response) => response.text()), 'ok');
        assert.deepEqual(seen, ['GET', 'GET']);
        assert.equal(site.connections, 2);
        assert.equal(await session.put('', { data: 'x' }).run((response) => response.text()), 'ok');
      }),
    ));

  it('is not tried again with a method that may do something twice', () =>
    run(() =>
      withUsed(async (session, seen) => {
        await assert.rejects(async () => await session.post('', { data: 'x' }), ServerDisconnectedError);
        assert.deepEqual(seen, ['POST']);
      }),
    ));

  it('is not tried again once the answer has begun', () =>
    run(() =>
      withUsed(async (session, seen) => {
        await assert.rejects(
          async () => await session.get(''),
          (error) => error instanceof ServerDisconnectedError || error instanceof ClientOSError,
        );
        assert.deepEqual(seen, ['GET']);
      }, 'HTTP/1.1 200 O'),
    ));

  it('is not tried again with a body that is gone', () =>
    run(() =>
      withUsed(async (session, seen) => {
        async function* body(): AsyncGenerator<Uint8Array> {
          yield Buffer.from('x');
        }
        await assert.rejects(
          async () => await session.put('', { data: body() }),
          (error) => error instanceof ServerDisconnectedError || error instanceof ClientOSError,
        );
        // The second is what is left of the body, and no request.
        assert.deepEqual(seen, ['PUT', '1\r\nx\r\n0']);
      }),
    ));
});

describe('many requests', () => {
  it('of which some are cancelled and some reset leave nothing behind', () =>
    run(async () => {
      let count = 0;
      let isCalm = false;
      await using site = await serve((request, response) => {
        count++;
        if (!isCalm && count % 10 === 0) request.socket.resetAndDestroy();
        else setTimeout(() => response.end('x'.repeat(1000)), count % 3);
      });
      const connector = new TCPConnector({ limit: 20 });
      await using session = new ClientSession(site.url, { connector });
      let most = 0;
      const one = async (i: number): Promise<string> => {
        const task = createTask(
          async () => await session.post('', { data: 'x' }).run((response) => response.text()),
        );
        if (i % 10 === 5) {
          for (let turns = i % 7; turns > 0; turns--) await sleep(0);
          task.cancel();
        }
        try {
          return await task;
        } catch (error) {
          return (error as Error).name;
        } finally {
          most = Math.max(most, site.sockets.size);
        }
      };
      const results = await gather(...Array.from({ length: 2000 }, (_, i) => () => one(i)));
      const kinds = new Set(results.map((result) => (result.startsWith('xxx') ? 'text' : result)));
      for (const kind of kinds) {
        assert.ok(
          [
            'text',
            'CancelledError',
            'ClientOSError',
            'ServerDisconnectedError',
            'ClientPayloadError',
          ].includes(kind),
          kind,
        );
      }
      assert.ok(results.filter((result) => result.startsWith('xxx')).length > 1500);
      assert.ok(most <= 40, `${most} sockets`);
      isCalm = true;
      const again = await gather(
        ...Array.from({ length: 20 }, () => () => session.get('').run((response) => response.status)),
      );
      assert.deepEqual(new Set(again), new Set([200]));
    }));
});
