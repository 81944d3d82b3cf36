/** What becomes of a place and a socket when a request ends before it has a connection; connections that are used again. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { CancelledError, createTask, gather, run, sleep } from 'asyncio-ts';
import {
  type AbstractResolver,
  ClientConnectionError,
  ClientSession,
  ServerDisconnectedError,
  TCPConnector,
  type TCPConnectorOptions,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { BlackHole } from './black-hole.ts';
import { RawServer } from './raw-server.ts';
import { serve, serveRaw, type Site } from './servers.ts';

const text = (session: ClientSession, url: string, options = {}): Promise<string> =>
  session
    .get(url, options)
    .run((response) => response.text())
    .toPromise();

/** A connector with one place, and the sockets that it has made. */
function single(options: TCPConnectorOptions = {}): { connector: TCPConnector; sockets: Socket[] } {
  const sockets: Socket[] = [];
  const connector = new TCPConnector({
    limit: 1,
    ...options,
    socketFactory: () => {
      const socket = new Socket();
      sockets.push(socket);
      return socket;
    },
  });
  return { connector, sockets };
}

/** Cancel the request when `isThere`, and see that its place and its sockets come back. */
async function cancelWhen(
  { connector, sockets }: ReturnType<typeof single>,
  begin: (session: ClientSession) => Promise<unknown>,
  isThere: () => boolean,
  site: Site,
): Promise<void> {
  await using session = new ClientSession(null, { connector });
  const task = createTask(() => begin(session));
  while (!isThere()) await turn();
  // The place is taken: who comes now has to wait.
  const next = createTask(() => text(session, site.url));
  for (let i = 0; i < 5; i++) await turn();
  assert(!next.done());
  task.cancel();
  await assert.rejects(async () => await task, CancelledError);
  assert.equal(await next, 'ok');
  for (const socket of sockets.slice(0, -1)) assert(socket.destroyed);
}

describe('P72: a request that is cancelled gives its place and its socket back', () => {
  it('P72: while the name is looked up', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      let isAsked = false;
      const resolver: AbstractResolver = {
        resolve: () => {
          isAsked = true;
          return new Promise(() => {});
        },
        close: async () => {},
      };
      await cancelWhen(
        single({ resolver }),
        (session) => text(session, 'http://nowhere/'),
        () => isAsked,
        site,
      );
    }));

  it('P72: while the socket connects', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      await using hole = await BlackHole.open();
      const parts = single();
      await cancelWhen(
        parts,
        (session) => text(session, hole.url),
        () => parts.sockets.some(({ connecting }) => connecting),
        site,
      );
    }));

  it('P72: in the handshake of TLS', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      // Takes the first words of TLS, and has none.
      await using mute = await RawServer.open(() => {});
      const parts = single();
      await cancelWhen(
        parts,
        (session) => text(session, mute.url('https')),
        () => mute.received.length > 0,
        site,
      );
      await mute.drained();
    }));

  it('P72: while a proxy makes up its mind', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      await using mute = await RawServer.open(() => {});
      const parts = single();
      await cancelWhen(
        parts,
        (session) => text(session, 'https://example.com/', { proxy: mute.url('http') }),
        () => mute.received.includes('CONNECT example.com:443 HTTP/1.1\r\n'),
        site,
      );
      await mute.drained();
    }));

  it('P72: in the handshake of TLS within a tunnel', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      await using mute = await RawServer.open((socket, data) => {
        if (data.startsWith('CONNECT')) socket.write('HTTP/1.1 200 OK\r\n\r\n');
      });
      const parts = single();
      await cancelWhen(
        parts,
        (session) => text(session, 'https://example.com/', { proxy: mute.url('http') }),
        () => mute.received.includes('\x16\x03\x01'),
        site,
      );
      await mute.drained();
    }));

  it('P72: close ends all of them, each with an error that says so', () =>
    run(async () => {
      await using hole = await BlackHole.open();
      await using mute = await RawServer.open(() => {});
      await using site = await serve(() => {});
      const resolver: AbstractResolver = { resolve: () => new Promise(() => {}), close: async () => {} };
      const { connector, sockets } = single({ limit: 5, resolver });
      const session = new ClientSession(null, { connector });
      const urls = [
        hole.url,
        mute.url('https'),
        'http://nowhere/',
        site.url,
        // The same question, of which there is one.
        'http://nowhere/',
        // In line.
        site.url,
      ];
      const tasks = urls.map((url) => createTask(() => text(session, url)));
      while (site.sockets.size === 0 || mute.received === '') await turn();
      await session.close();
      for (const task of tasks) {
        await assert.rejects(
          async () => await task,
          (error) => {
            assert(error instanceof ClientConnectionError, String(error));
            assert.equal(error.message, 'Connector is closed.');
            return true;
          },
        );
      }
      assert.equal(sockets.length, 3);
      for (const socket of sockets) assert(socket.destroyed);
    }));
});

describe('P73: an idle connection is looked at before it is used again', () => {
  /** Answers each request of a connection, and does `after` when the answer is out. */
  const answering = (after: (socket: Socket) => void): Promise<Site> =>
    serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood', () => after(socket));
    });

  const second = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';
  const words = {
    'a second answer': (socket: Socket): void => void socket.write(second),
    'a single byte': (socket: Socket): void => void socket.write('H'),
    'a FIN': (socket: Socket): void => void socket.end(),
    'a RST': (socket: Socket): void => void socket.resetAndDestroy(),
  };

  for (const [name, after] of Object.entries(words)) {
    for (const method of ['GET', 'POST']) {
      it(`P73: ${name} discards it before ${method}`, () =>
        run(async () => {
          let isFirst = true;
          await using site = await answering((socket) => {
            if (isFirst) after(socket);
            isFirst = false;
          });
          await using session = new ClientSession(site.url);
          assert.equal(await text(session, 'x'), 'good');
          // The word is on its way to the socket, or there.
          while (isFirst) await turn();
          await sleep(0.01);
          const answer = await session.request(method, 'x').run((response) => response.text());
          assert.equal(answer, 'good');
          assert.equal(site.connections, 2);
        }));
    }
  }

  it('P73: a word that comes in the very turn of the next request is not its answer', () =>
    run(async () => {
      for (let i = 0; i < 20; i++) {
        await using site = await serveRaw((socket, head) => {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood');
          if (head.startsWith('GET /first')) setImmediate(() => socket.write(second));
        });
        await using session = new ClientSession(site.url);
        assert.equal(await text(session, 'first'), 'good');
        for (let n = i % 5; n > 0; n--) await turn();
        assert.equal(await text(session, 'next'), 'good');
      }
    }));
});

describe('P74, H74: a connection that dies when it is used again', () => {
  /** Each connection serves one request, and closes when the second comes. */
  const onceOnly = (methods: string[]): Promise<Site> => {
    const used = new WeakSet<Socket>();
    return serveRaw((socket, head) => {
      if (used.has(socket)) {
        socket.destroy();
        return;
      }
      used.add(socket);
      methods.push(head.slice(0, head.indexOf(' ')));
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  };

  it('P74: the request goes over another one, if it may be sent twice', () =>
    run(async () => {
      const methods: string[] = [];
      await using site = await onceOnly(methods);
      await using session = new ClientSession(site.url);
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']) {
        const answer = await session.request(method, 'x');
        assert.equal(answer.status, 200);
        answer.release();
      }
      assert(methods.includes('PUT'));
    }));

  it('P74: the place of the one that has died is free again', () =>
    run(async () => {
      await using site = await onceOnly([]);
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 1 }) });
      assert.equal(await text(session, 'x'), 'ok');
      await assert.rejects(async () => await session.post('x', { data: 'pay' }), ServerDisconnectedError);
      assert.equal(await text(session, 'x'), 'ok');
    }));

  it('H74: a server that closes around the end of its keep-alive time', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      site.keepAliveTimeout = 5;
      await using session = new ClientSession(site.url);
      for (let i = 0; i < 40; i++) {
        assert.equal(await text(session, 'x'), 'ok');
        await sleep(0.002 + (i % 8) / 1000);
      }
      assert(site.connections > 1);
    }));

  it('H74: connections that were idle in a crowd are each replaced once', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      await using session = new ClientSession(site.url);
      const burst = (): Promise<string[]> =>
        gather(Array.from({ length: 10 }, () => () => text(session, 'x'))).toPromise();
      await burst();
      for (const socket of site.sockets) socket.resetAndDestroy();
      assert.deepEqual(await burst(), Array(10).fill('ok'));
    }));
});
