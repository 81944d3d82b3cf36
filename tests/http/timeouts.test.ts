import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  CancelledError,
  createTask,
  getRunningLoop,
  sleep,
  type Task,
  timeout,
  TimeoutError,
  waitFor,
} from 'asyncio-ts';
import {
  ClientError,
  type ClientHandlerType,
  type ClientMiddlewareType,
  type ClientRequest,
  type ClientResponse,
  ClientSession,
  ClientTimeout,
  ConnectionTimeoutError,
  ServerTimeoutError,
  SocketTimeoutError,
  TCPConnector,
} from 'asyncio-ts/http';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { jump, pass, run } from './clock.ts';
import { serve, serveRaw, type Site } from './servers.ts';

/** A server that never answers. */
const silent = (): Promise<Site> => serve(() => {});
/** A server that only begins to answer. */
const halfway = (): Promise<Site> => serve((_request, response) => void response.write('half'));

async function untilConnected(site: Site): Promise<void> {
  while (site.sockets.size === 0) await turn();
}

/** The error that a task ends with. */
async function failureOf(task: Task<unknown>): Promise<Error> {
  try {
    await task;
  } catch (error) {
    return error as Error;
  }
  return assert.fail('it did not fail');
}

describe('ClientTimeout', () => {
  it('has no limits unless given', () => {
    const { total, connect, sockConnect, sockRead, ceilThreshold } = new ClientTimeout();
    assert.deepEqual([total, connect, sockConnect, sockRead, ceilThreshold], [null, null, null, null, 5]);
  });

  it('takes seconds and other units, is frozen, and prints itself', () => {
    const limits = new ClientTimeout({ total: { minutes: 1 }, sockRead: 2 });
    assert.equal(limits.total, 60);
    assert(Object.isFrozen(limits));
    assert.equal(
      String(limits),
      'ClientTimeout(total=60, connect=null, sockRead=2, sockConnect=null, ceilThreshold=5)',
    );
    assert.throws(() => new ClientTimeout({ total: Number.NaN }), RangeError);
  });

  it('is for a session 300 s in total, and 30 s to connect', () =>
    run(async () => {
      await using session = new ClientSession();
      assert.deepEqual([session.timeout.total, session.timeout.sockConnect], [300, 30]);
      await using other = new ClientSession(null, { timeout: 7 });
      assert.deepEqual([other.timeout.total, other.timeout.sockConnect], [7, null]);
      await using none = new ClientSession(null, { timeout: null });
      assert.equal(none.timeout.total, null);
    }));
});

describe('the total limit', () => {
  it('ends a request that is not answered', () =>
    run(async () => {
      await using site = await silent();
      await using session = new ClientSession(site.url);
      const task = createTask(session.get('x', { timeout: 10 }));
      await untilConnected(site);
      await jump(9);
      assert.equal(task.done(), false);
      await jump(3);
      const error = await failureOf(task);
      assert(error instanceof TimeoutError);
      assert(!(error instanceof ClientError));
      assert.equal(error.message, `Total timeout of 10 s for ${site.url}x`);
      await site.drained();
    }));

  it('is named with where the request was, without credentials', () =>
    run(async () => {
      let isThere = false;
      await using site = await serve((request, response) => {
        if (request.url === '/x') response.writeHead(302, { Location: '/there' }).end();
        else isThere = true;
      });
      await using session = new ClientSession();
      const pass: ClientMiddlewareType = (request, handler) => handler(request);
      for (const middlewares of [[], [pass]]) {
        const url = `${site.url.replace('//', '//ann:secret@')}x`;
        const task = createTask(session.get(url, { timeout: { seconds: 2 }, middlewares }));
        while (!isThere) await turn();
        isThere = false;
        await jump(3);
        const error = await failureOf(task);
        assert.equal(error.constructor, TimeoutError);
        assert.equal(error.message, `Total timeout of 2 s for ${site.url}there`);
        await site.drained();
      }
      // Nothing is begun when the time is over.
      await assert.rejects(async () => await session.get(site.url, { timeout: 1e-9 }), {
        name: 'TimeoutError',
        message: `Total timeout of 1e-9 s for ${site.url}`,
      });
    }));

  it('names what it was in the midst of, unless somebody else says more', () =>
    run(async () => {
      await using site = await serve(() => {});
      await using session = new ClientSession(site.url);
      const mine: ClientMiddlewareType = async () => {
        try {
          return await sleep(100).then(() => assert.fail());
        } catch (error) {
          throw error instanceof CancelledError ? new TimeoutError('mine') : error;
        }
      };
      const task = createTask(session.get('', { timeout: 2, middlewares: [mine] }));
      await sleep(0);
      await jump(3);
      assert.equal((await failureOf(task)).message, 'mine');
    }));

  it('covers the reading of the body', () =>
    run(async () => {
      await using site = await halfway();
      await using session = new ClientSession(site.url, { timeout: 10 });
      const response = await session.get('x');
      const task = createTask(response.read());
      await sleep(0);
      await jump(12);
      const error = await failureOf(task);
      assert(error instanceof TimeoutError);
      assert.equal(error.message, `Total timeout of 10 s for ${site.url}x`);
      await site.drained();
    }));

  it('covers all that wait for the body at once', () =>
    run(async () => {
      let body: ServerResponse | null = null;
      await using site = await serve((_request, response) => {
        body = response;
        response.write('half');
      });
      await using session = new ClientSession(site.url, { timeout: 10 });
      const { content } = await session.get('x');
      const end = createTask(content.waitEof());
      assert.equal(String(await content.readany()), 'half');
      const more = createTask(content.readany());
      await sleep(0);
      (body as unknown as ServerResponse).write('more');
      assert.equal(String(await more), 'more');
      const last = createTask(content.readany());
      await sleep(0);
      await jump(12);
      assert((await failureOf(end)) instanceof TimeoutError);
      assert((await failureOf(last)) instanceof TimeoutError);
    }));

  it('covers redirects, all together', () =>
    run(async () => {
      let hops = 0;
      await using site = await serve((_request, response) => {
        hops++;
        pass(1);
        response.writeHead(302, { Location: '/again' }).end();
      });
      await using session = new ClientSession(site.url);
      const task = createTask(session.get('x', { timeout: 20, maxRedirects: 0 }));
      assert((await failureOf(task)) instanceof TimeoutError);
      assert(hops >= 15 && hops <= 22, `${hops} hops`);
    }));

  it('leaves no timer behind when the answer comes in time', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      await using session = new ClientSession(site.url, { timeout: 1000 });
      assert.equal(await session.get('x').run((response) => response.text()), 'ok');
    }));
});

describe('the limits of the phases', () => {
  it('connect covers the wait for a place in the pool', () =>
    run(async () => {
      await using site = await silent();
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 1 }) });
      const busy = createTask(session.get('busy'));
      await untilConnected(site);
      const task = createTask(session.get('x', { timeout: new ClientTimeout({ connect: 10 }) }));
      await sleep(0);
      await jump(11);
      const error = await failureOf(task);
      assert(error instanceof ConnectionTimeoutError);
      assert.equal(error.message, `Connection timeout to host ${site.url}x`);
      assert.equal(busy.done(), false);
      busy.cancel();
    }));

  it('sockConnect covers connecting alone, with the handshake', () =>
    run(async () => {
      await using site = await serveRaw(() => {});
      await using session = new ClientSession(null, { timeout: new ClientTimeout({ sockConnect: 10 }) });
      const url = site.url.replace('http', 'https');
      const task = createTask(session.get(url));
      await untilConnected(site);
      await jump(11);
      const error = await failureOf(task);
      assert(error instanceof ConnectionTimeoutError);
      assert(error instanceof ServerTimeoutError);
      assert(error instanceof ClientError);
      assert(error instanceof TimeoutError);
      assert.equal(error.message, `Connection timeout to host ${url}`);
      await site.drained();
    }));

  it('sockRead covers the wait for an answer', () =>
    run(async () => {
      let asked = false;
      await using site = await serve(() => {
        asked = true;
      });
      await using session = new ClientSession(site.url, { timeout: new ClientTimeout({ sockRead: 10 }) });
      const task = createTask(session.get('x'));
      while (!asked) await turn();
      await jump(11);
      const error = await failureOf(task);
      assert(error instanceof SocketTimeoutError);
      assert.equal(error.message, 'Timeout on reading data from socket');
      await site.drained();
    }));

  it('sockRead covers each wait within the body, and not all together', () =>
    run(async () => {
      const sockets: Socket[] = [];
      await using site = await serveRaw((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n');
        sockets.push(socket);
      });
      await using session = new ClientSession(site.url, { timeout: new ClientTimeout({ sockRead: 10 }) });
      const { content } = await session.get('x');
      for (let i = 0; i < 5; i++) {
        await jump(6);
        sockets[0]?.write('x');
        assert.equal(String(await content.readany()), 'x');
      }
      const task = createTask(content.readany());
      await sleep(0);
      await jump(11);
      assert((await failureOf(task)) instanceof SocketTimeoutError);
      await site.drained();
    }));

  it('sockRead does not count while the reader holds the sender up', () =>
    run(async () => {
      const size = 8 * 2 ** 20;
      let isSent = false;
      await using site = await serve((_request, response) => {
        response.end(Buffer.alloc(size), () => {
          isSent = true;
        });
      });
      await using session = new ClientSession(site.url, { timeout: new ClientTimeout({ sockRead: 10 }) });
      const response = await session.get('x');
      // Enough has come in to hold the sender up, and nobody has read it.
      await response.content.read(1);
      await sleep(0.03);
      assert.equal(isSent, false);
      await jump(11);
      assert.equal((await response.read()).length, size - 1);
    }));
});

describe('limits from around', () => {
  it('timeout() and waitFor() end a request and close its connection', () =>
    run(async () => {
      await using site = await silent();
      await using session = new ClientSession(site.url);
      const awaited = createTask(waitFor(session.get('x'), 10));
      await untilConnected(site);
      await jump(11);
      assert((await failureOf(awaited)) instanceof TimeoutError);
      await site.drained();
      const inside = createTask(() =>
        timeout(10).run(async () => await session.get('x').run((response) => response.text())),
      );
      await untilConnected(site);
      await jump(11);
      assert((await failureOf(inside)) instanceof TimeoutError);
      await site.drained();
    }));

  it('a signal ends a request, or the reading of its body, with its reason', () =>
    run(async () => {
      await using site = await halfway();
      await using session = new ClientSession(site.url);
      const controller = new AbortController();
      const response = await session.get('x', { signal: controller.signal });
      const reading = createTask(response.read());
      await sleep(0);
      const reason = new Error('the user has left');
      controller.abort(reason);
      const error = await failureOf(reading);
      assert(error instanceof CancelledError);
      assert.equal(error.cause, reason);
      await site.drained();
      const { connections } = site;
      await assert.rejects(async () => await session.get('x', { signal: AbortSignal.abort('enough') }), {
        name: 'CancelledError',
        message: 'enough',
      });
      assert.equal(site.connections, connections, 'nothing was sent');
    }));

  it('a signal that is a limit of time makes it a TimeoutError, wherever the request is', () =>
    run(async () => {
      await using site = await halfway();
      const slow = async (request: ClientRequest, handler: ClientHandlerType): Promise<ClientResponse> => {
        await sleep(60);
        return await handler(request);
      };
      await using session = new ClientSession(site.url);
      const read = (response: ClientResponse): PromiseLike<Buffer> => response.read();
      for (const options of [{}, { middlewares: [slow] }]) {
        await assert.rejects(
          async () => await session.get('x', { ...options, signal: AbortSignal.timeout(50) }).run(read),
          (error) => error instanceof TimeoutError && (error.cause as Error).name === 'TimeoutError',
        );
      }
      const late = AbortSignal.timeout(0);
      await sleep(0.02);
      await assert.rejects(async () => await session.get('x', { signal: late }), TimeoutError);
      await site.drained();
    }));

  it('a signal has no listeners left after the request', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      await using session = new ClientSession(site.url);
      const { signal } = new AbortController();
      let listeners = 0;
      const { addEventListener, removeEventListener } = signal;
      signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
        listeners++;
        addEventListener.apply(signal, args);
      };
      signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
        listeners--;
        removeEventListener.apply(signal, args);
      };
      for (let i = 0; i < 20; i++) await session.get('x', { signal }).run((response) => response.text());
      assert.equal(listeners, 0);
    }));
});

describe('in virtual time', () => {
  it('a request takes none, and time stands still meanwhile', async () => {
    let answer: ServerResponse | undefined;
    await using site = await serve((_request, response) => {
      answer = response;
      setTimeout(() => response.setHeader('Connection', 'close').end('ok'), 20);
    });
    const events: string[] = [];
    await run(
      async () => {
        const loop = getRunningLoop();
        await using session = new ClientSession(site.url);
        const nap = createTask(async () => {
          await sleep(3600);
          events.push(`woke up at ${loop.time()}`);
        });
        const text = await session.get('x').run((response) => response.text());
        events.push(`${text} at ${loop.time()}`);
        await nap;
      },
      () => new VirtualEventLoop(),
    );
    assert.equal(answer?.writableFinished, true);
    assert.deepEqual(events, ['ok at 0', 'woke up at 3600']);
  });
});
