/** What all connectors share: options, the hook, closing, being forgotten. */
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  CancelledError,
  coroutine,
  createTask,
  type ExceptionContext,
  fromPromise,
  type Gen,
  gather,
  getRunningLoop,
  RuntimeError,
  setLogger,
  sleep,
} from 'asyncio-ts';
import {
  BaseConnector,
  type BaseConnectorOptions,
  ClientConnectionError,
  type ClientRequest,
  ClientSession,
  type Connection,
  TCPConnector,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { cert, key } from './certificate.ts';
import { jump, run } from './clock.ts';
import { type Echo, echo, serve, serveSecurely } from './servers.ts';

const text = (session: ClientSession, url: string, options = {}): Promise<string> =>
  session
    .get(url, options)
    .run((response) => response.text())
    .toPromise();

describe('options of a connector', () => {
  it('have their defaults', () =>
    run(async () => {
      await using connector = new TCPConnector();
      const { limit, limitPerHost, forceClose, closed } = connector;
      assert.deepEqual([limit, limitPerHost, forceClose, closed], [100, 0, false, false]);
      await using other = new TCPConnector({ limit: 5, limitPerHost: 2, forceClose: true });
      assert.deepEqual([other.limit, other.limitPerHost, other.forceClose], [5, 2, true]);
    }));

  it('may not contradict each other', () =>
    run(async () => {
      assert.throws(() => new TCPConnector({ forceClose: true, keepaliveTimeout: 5 }), {
        name: 'RangeError',
        message: 'keepaliveTimeout cannot be set if forceClose is true',
      });
      await using _ = new TCPConnector({ forceClose: true, keepaliveTimeout: null });
    }));

  it('need a running loop', () => {
    assert.throws(() => new TCPConnector(), RuntimeError);
  });
});

describe('a connection that nobody uses', () => {
  it('is closed when its time is over, on the clock of the loop', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url);
      await text(session, 'x');
      await jump(10);
      assert.equal(site.sockets.size, 1);
      await text(session, 'x');
      assert.equal(site.connections, 1);
      // The time begins anew with each use.
      await jump(10);
      await text(session, 'x');
      assert.equal(site.connections, 1);
      await jump(16);
      await site.drained();
      await text(session, 'x');
      assert.equal(site.connections, 2);
    }));

  it('is kept for ever if that is wanted, and leaves no timer', () =>
    run(async () => {
      await using site = await serve(echo);
      const connector = new TCPConnector({ keepaliveTimeout: null });
      await using session = new ClientSession(site.url, { connector });
      await text(session, 'x');
      await jump(1e6);
      await text(session, 'x');
      assert.equal(site.connections, 1);
    }));

  it('is closed on a full second, unless its time is short', () =>
    run(async () => {
      await using site = await serve(echo);
      const closing: number[] = [];
      const loop = getRunningLoop();
      const { callAt } = loop;
      loop.callAt = (when, callback, ...args) => {
        closing.push(when);
        return callAt.call(loop, when, callback as (...args: unknown[]) => unknown, ...args);
      };
      try {
        for (const [keepaliveTimeout, timeoutCeilThreshold, isFull] of [
          [15, undefined, true],
          [5, undefined, false],
          [15, 20, false],
        ] as const) {
          closing.length = 0;
          const connector = new TCPConnector({ keepaliveTimeout, timeoutCeilThreshold });
          await using session = new ClientSession(site.url, { connector, timeout: null });
          await text(session, 'x');
          assert.equal(closing.length, 1);
          assert.equal(Number.isInteger(closing[0]), isFull);
        }
      } finally {
        loop.callAt = callAt;
      }
    }));

  it('is one of those used last: the others grow old', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url);
      await gather([1, 2, 3, 4].map(() => () => text(session, 'x')));
      assert.equal(site.connections, 4);
      for (let i = 0; i < 4; i++) {
        await jump(5);
        await text(session, 'x');
      }
      while (site.sockets.size > 1) await turn();
      assert.equal(site.connections, 4);
    }));
});

/** Connections within the process: what a connector of one's own looks like. */
class LocalConnector extends BaseConnector {
  readonly asked: string[] = [];
  readonly #server;

  constructor(handler: RequestListener, options?: BaseConnectorOptions) {
    super(options);
    this.#server = createServer(handler);
  }

  override async _createConnection(request: ClientRequest): Promise<Duplex> {
    this.asked.push(request.url.href);
    const [ours, theirs] = duplexPair();
    theirs.on('error', () => {});
    this.#server.emit('connection', theirs);
    return ours;
  }
}

describe('a connector of one’s own', () => {
  it('makes the connections, and has all the rest', () =>
    run(async () => {
      const connector = new LocalConnector(echo, { limit: 1 });
      await using session = new ClientSession('http://anything/', { connector });
      const answers = await gather(
        ['a', 'b', 'c'].map(
          (path) => () =>
            session
              .get(path)
              .run((it) => it.json<Echo>())
              .toPromise(),
        ),
      );
      assert.deepEqual(
        answers.map((answer) => answer?.url),
        ['/a', '/b', '/c'],
      );
      assert.deepEqual(connector.asked, ['http://anything/a']);
    }));

  it('may do so in a generator, and fail', () =>
    run(async () => {
      class Refusing extends TCPConnector {
        isOpen = false;
        override _createConnection(...args: Parameters<TCPConnector['_createConnection']>) {
          const make = (): ReturnType<TCPConnector['_createConnection']> => super._createConnection(...args);
          const isOpen = (): boolean => this.isOpen;
          return coroutine(function* create(): Gen<Duplex> {
            yield* sleep(0);
            if (!isOpen()) throw new RangeError('not today');
            return yield* make();
          })();
        }
      }
      await using site = await serve(echo);
      const connector = new Refusing({ limit: 1 });
      await using session = new ClientSession(site.url, { connector });
      for (let i = 0; i < 3; i++) {
        await assert.rejects(async () => await session.get('x'), {
          name: 'RangeError',
          message: 'not today',
        });
      }
      connector.isOpen = true;
      assert.match(await text(session, 'x'), /GET/);
    }));

  it('whose connection comes after close has it closed', () =>
    run(async () => {
      const [ours, theirs] = duplexPair();
      theirs.resume();
      let isAsked = false;
      let give = (): void => {};
      class Late extends BaseConnector {
        override _createConnection(): Promise<Duplex> {
          isAsked = true;
          return new Promise((resolve) => {
            give = () => resolve(ours);
          });
        }
      }
      const session = new ClientSession(null, { connector: new Late() });
      const task = createTask(() => text(session, 'http://x/'));
      while (!isAsked) await turn();
      await session.close();
      give();
      await assert.rejects(async () => await task, ClientConnectionError);
      assert(ours.destroyed);
    }));
});

describe('a connection in use', () => {
  it('tells of its transport, until it is given back', () =>
    run(async () => {
      await using site = await serve((_request, response) => void response.write('half'));
      await using session = new ClientSession(site.url);
      const response = await session.get('x');
      const connection = response.connection as Connection;
      const { transport } = connection;
      assert(transport !== null);
      assert(!connection.closed);
      assert.equal(transport.isClosing(), false);
      assert.deepEqual(transport.getExtraInfo('peername'), ['127.0.0.1', Number(new URL(site.url).port)]);
      assert.equal(transport.getExtraInfo<Socket>('socket')?.remotePort, Number(new URL(site.url).port));
      assert.equal(transport.getExtraInfo('sslcontext'), null);
      transport.close();
      assert(connection.closed);
      assert.equal(connection.transport, null);
      assert.equal(transport.isClosing(), true);
      connection.close();
      connection.release();
      await site.drained();
      await assert.rejects(async () => await response.read(), ClientConnectionError);
    }));

  it('tells of the certificate', () =>
    run(async () => {
      await using site = await serveSecurely((_request, response) => void response.write('half'), {
        key,
        cert,
      });
      await using session = new ClientSession(site.url, {
        connector: new TCPConnector({ ssl: { ca: cert } }),
      });
      const response = await session.get('x');
      const transport = response.connection?.transport;
      const peer = transport?.getExtraInfo<{ subject: { CN: string } }>('peercert');
      assert.equal(peer?.subject.CN, 'localhost');
      assert.equal(transport?.getExtraInfo<TLSSocket>('ssl_object')?.authorized, true);
      response.close();
    }));
});

describe('close', () => {
  it('ends what is in use, idle and in line, waits for the sockets, and may be called again', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        if (request.url === '/idle') response.end();
        else response.write('half');
      });
      const connector = new TCPConnector({ limit: 2 });
      const session = new ClientSession(site.url, { connector });
      await text(session, 'idle');
      const used = await session.get('used');
      const reading = createTask(() => used.text());
      const other = await session.get('other');
      const waiting = createTask(() => text(session, 'waiting'));
      await sleep(0);
      assert.equal(connector.closed, false);
      await connector.close();
      assert.equal(connector.closed, true);
      for (const task of [reading, waiting]) {
        await assert.rejects(async () => await task, {
          name: 'ClientConnectionError',
          message: 'Connector is closed.',
        });
      }
      assert(other.connection?.closed ?? true);
      await site.drained();
      await connector.close();
      await session.close();
      await assert.rejects(async () => await session.get('x'), {
        name: 'RuntimeError',
        message: 'Session is closed',
      });
    }));

  it('is over when it is cancelled, and everything is closed all the same', () =>
    run(async () => {
      await using site = await serve(echo);
      const session = new ClientSession(site.url);
      await text(session, 'x');
      const closing = createTask(() => session.close());
      await sleep(0);
      closing.cancel();
      await closing.catch((error) => assert(error instanceof CancelledError));
      await site.drained();
      assert(session.closed);
    }));

  it('by await using', () =>
    run(async () => {
      await using site = await serve(echo);
      let kept: TCPConnector;
      {
        await using connector = new TCPConnector();
        kept = connector;
        const session = new ClientSession(site.url, { connector, connectorOwner: false });
        await text(session, 'x');
        await session.close();
        assert.equal(connector.closed, false);
      }
      assert.equal(kept.closed, true);
      await site.drained();
    }));
});

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

describe('a connector that is forgotten', () => {
  for (const isDebug of [false, true]) {
    it(`is closed, warned about and told of${isDebug ? ', with its place of creation' : ''}`, async () => {
      const warnings: string[] = [];
      const ignore = (): void => {};
      setLogger({ debug: ignore, info: ignore, error: ignore, warning: (line) => warnings.push(line) });
      try {
        await run(async () => {
          const contexts: ExceptionContext[] = [];
          const loop = getRunningLoop();
          loop.setExceptionHandler((_loop, context) => contexts.push(context));
          loop.setDebug(isDebug);
          await using site = await serve(echo);
          await (async () => {
            const connector = new TCPConnector();
            const session = new ClientSession(site.url, { connector });
            await text(session, 'x');
            session.detach();
          })();
          assert.equal(site.sockets.size, 1);
          for (let i = 0; i < 50 && site.sockets.size > 0; i++) {
            gc();
            await fromPromise(turn());
          }
          loop.setDebug(false);
          assert.equal(site.sockets.size, 0);
          const [context] = contexts.filter(({ message }) => message === 'Unclosed connector');
          assert(context !== undefined);
          assert.equal(context['connector'], '<TCPConnector>');
          assert.deepEqual(context['connections'], [new URL(site.url).origin]);
          assert.equal('sourceTraceback' in context, isDebug);
          assert(warnings.some((line) => /ResourceWarning: Unclosed connector <TCPConnector>/.test(line)));
        });
      } finally {
        setLogger(null);
      }
    });
  }

  it('with nothing open is no news, and one in use is not forgotten', () =>
    run(async () => {
      const contexts: ExceptionContext[] = [];
      getRunningLoop().setExceptionHandler((_loop, context) => contexts.push(context));
      let answer = (): void => {};
      await using site = await serve((_request, response) => {
        response.setHeader('Connection', 'close').write('half');
        answer = () => response.end('whole');
      });
      void new TCPConnector();
      const response = await (async () => {
        const session = new ClientSession(site.url, { connector: new TCPConnector() });
        const half = await session.get('x');
        session.detach();
        return half;
      })();
      for (let i = 0; i < 10; i++) {
        gc();
        await fromPromise(turn());
      }
      answer();
      assert.equal(await response.text(), 'halfwhole');
      assert.deepEqual(contexts, []);
    }));
});

describe('a response that is forgotten', () => {
  /** Only begins to answer, but for `/whole`. */
  const half: RequestListener = (request, response) => {
    if (request.url === '/whole') response.end('whole');
    else response.writeHead(200, { 'Content-Length': 100 }).write('half');
  };

  for (const isDebug of [false, true]) {
    it(`gives its place back${isDebug ? ', and is told of once' : ''}`, () =>
      run(async () => {
        const messages: unknown[] = [];
        const loop = getRunningLoop();
        loop.setExceptionHandler((_loop, { message }) => messages.push(message));
        loop.setDebug(isDebug);
        await using site = await serve(half);
        await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 1 }) });
        await (async () => {
          assert.equal((await session.get('')).status, 200);
        })();
        const next = createTask(() => text(session, 'whole'));
        for (let i = 0; i < 100 && !next.done(); i++) {
          gc();
          await fromPromise(turn());
        }
        assert(next.done());
        // The connection is of no more use: the place is what the next request has.
        assert.equal(await next, 'whole');
        assert.equal(site.connections, 2);
        for (let i = 0; i < 5; i++) {
          gc();
          await fromPromise(turn());
        }
        loop.setDebug(false);
        assert.deepEqual(messages, isDebug ? ['Unclosed response'] : []);
      }));
  }

  it('keeps its place as long as its body is read', () =>
    run(async () => {
      let answer = (): void => {};
      await using site = await serve((_request, response) => {
        response.writeHead(200, { 'Content-Length': 9 }).write('half');
        answer = () => response.end('whole');
      });
      await using session = new ClientSession(site.url);
      const reading = createTask((await session.get('')).text());
      for (let i = 0; i < 10; i++) {
        gc();
        await fromPromise(turn());
      }
      answer();
      assert.equal(await reading, 'halfwhole');
    }));

  it('has given its place back when its body has come in', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('whole'));
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 1 }) });
      for (let i = 0; i < 3; i++) assert.equal((await session.get('')).status, 200);
      assert.equal(site.connections, 1);
    }));
});
