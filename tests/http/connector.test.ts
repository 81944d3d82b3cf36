import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { createTask, gather, run, sleep } from 'asyncio-ts';
import { ClientSession, ServerDisconnectedError, TCPConnector } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serve, serveRaw } from './servers.ts';

const text = (session: ClientSession, path: string): Promise<string> =>
  session
    .get(path)
    .run((response) => response.text())
    .toPromise();

describe('the pool', () => {
  it('uses a connection again', () =>
    run(async () => {
      await using site = await serve((request, response) => response.end(request.url));
      await using session = new ClientSession(site.url);
      for (const path of ['a', 'b', 'c']) assert.equal(await text(session, path), `/${path}`);
      assert.equal(site.connections, 1);
    }));

  it('does not when the body was left unread', () =>
    run(async () => {
      await using site = await serve((_request, response) => void response.write('half'));
      await using session = new ClientSession(site.url);
      for (let i = 0; i < 2; i++) await session.get('x').run(({ status }) => assert.equal(status, 200));
      await site.drained();
      assert.equal(site.connections, 2);
    }));

  it('does not when it is told to close each', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      const connector = new TCPConnector({ forceClose: true });
      await using session = new ClientSession(site.url, { connector });
      for (let i = 0; i < 3; i++) await text(session, 'x');
      await site.drained();
      assert.equal(site.connections, 3);
      assert.throws(() => new TCPConnector({ forceClose: true, keepaliveTimeout: 5 }), RangeError);
    }));

  it('gives up a connection that was idle for too long', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      const connector = new TCPConnector({ keepaliveTimeout: { milliseconds: 20 } });
      await using session = new ClientSession(site.url, { connector });
      await text(session, 'x');
      await site.drained();
      await text(session, 'x');
      assert.equal(site.connections, 2);
    }));

  it('keeps its limits, and serves in order', () =>
    run(async () => {
      let most = 0;
      let open = 0;
      const order: string[] = [];
      await using site = await serve((request, response) => {
        most = Math.max(most, ++open);
        order.push(request.url as string);
        setTimeout(() => {
          open--;
          response.end();
        }, 2);
      });
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 3 }) });
      const paths = Array.from({ length: 12 }, (_, i) => `/${i}`);
      await gather(paths.map((path) => () => text(session, path)));
      assert.equal(most, 3);
      assert.deepEqual(order, paths);
      assert.equal(site.connections, 3);
    }));

  it('keeps its limit per host, without holding up other hosts', () =>
    run(async () => {
      const answers: (() => void)[] = [];
      await using slow = await serve((_request, response) => {
        answers.push(() => response.end('slow'));
      });
      await using fast = await serve((_request, response) => response.end('fast'));
      const connector = new TCPConnector({ limit: 3, limitPerHost: 1 });
      await using session = new ClientSession(null, { connector });
      const first = createTask(() => text(session, slow.url));
      const second = createTask(() => text(session, slow.url));
      await sleep(0);
      assert.equal(await text(session, fast.url), 'fast');
      while (answers.length === 0) await turn();
      assert.equal(slow.connections, 1);
      answers.shift()?.();
      while (answers.length === 0) await turn();
      answers.shift()?.();
      assert.deepEqual(await gather(first, second), ['slow', 'slow']);
    }));
});

describe('a connection that the server has closed meanwhile', () => {
  /** Answers the first request of each connection and closes the connection at the second. */
  const once = (answered: string[]): ReturnType<typeof serveRaw> => {
    const used = new WeakSet<object>();
    return serveRaw((socket, head) => {
      if (used.has(socket)) {
        socket.destroy();
        return;
      }
      used.add(socket);
      answered.push(head.split(' ')[0] as string);
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  };

  it('is replaced, for a request that may be sent twice', () =>
    run(async () => {
      const answered: string[] = [];
      await using site = await once(answered);
      await using session = new ClientSession(site.url);
      for (let i = 0; i < 3; i++) assert.equal(await text(session, 'x'), 'ok');
      assert.deepEqual(answered, ['GET', 'GET', 'GET']);
      assert.equal(site.connections, 3);
    }));

  it('is an error for one that may not', () =>
    run(async () => {
      const answered: string[] = [];
      await using site = await once(answered);
      await using session = new ClientSession(site.url);
      assert.equal(await text(session, 'x'), 'ok');
      await assert.rejects(async () => await session.post('x', { data: 'pay' }), ServerDisconnectedError);
      assert.deepEqual(answered, ['GET']);
    }));

  it('is noticed at once when nobody uses it', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      await using session = new ClientSession(site.url);
      await text(session, 'x');
      const gone = site.drained();
      for (const socket of site.sockets) socket.destroy();
      await gone;
      await sleep(0.01);
      await session.post('x', { data: 'pay' }).run((response) => response.text());
      assert.equal(site.connections, 2);
    }));

  it('does not give its late words to the next request', () =>
    run(async () => {
      await using site = await serveRaw((socket, head) => {
        if (head.startsWith('GET /evil')) {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
          setImmediate(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'));
        } else {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood');
        }
      });
      await using session = new ClientSession(site.url);
      assert.equal(await text(session, 'evil'), 'evil');
      await sleep(0.02);
      assert.equal(await text(session, 'good'), 'good');
      assert.equal(site.connections, 2);
    }));
});
