import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { run } from 'asyncio-ts';
import {
  BasicAuth,
  ClientConnectionError,
  ClientConnectorDNSError,
  ClientConnectorError,
  ClientError,
  type ClientMiddlewareType,
  ClientOSError,
  ClientPayloadError,
  ClientResponseError,
  ClientSession,
  InvalidURL,
  InvalidUrlClientError,
  NonHttpUrlClientError,
  ServerDisconnectedError,
  type RequestOptions,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serve, serveRaw } from './servers.ts';

type Check = (error: Error) => void;

/** What a request fails with when the server does `answer`, and reading its body then. */
function failing(answer: (socket: Socket) => void, check: Check): () => Promise<void> {
  return () =>
    run(async () => {
      await using site = await serveRaw(answer);
      await using session = new ClientSession(site.url);
      await assert.rejects(
        async () => await session.get('x').run((response) => response.read()),
        (error: Error) => {
          assert(error instanceof ClientError, `${error}`);
          check(error);
          return true;
        },
      );
      await site.drained();
    });
}

describe('a connection that cannot be made', () => {
  it('names host, port and the error beneath', () =>
    run(async () => {
      let url: string;
      {
        await using site = await serve(() => {});
        url = site.url;
      }
      const port = Number(new URL(url).port);
      await using session = new ClientSession();
      await assert.rejects(
        async () => await session.get(url),
        (error) => {
          assert(error instanceof ClientConnectorError);
          assert(error instanceof ClientOSError);
          assert(error instanceof ClientConnectionError);
          assert.equal(error.host, '127.0.0.1');
          assert.equal(error.port, port);
          assert.equal(error.ssl, true);
          assert.equal(error.code, 'ECONNREFUSED');
          assert.equal(error.osError, error.cause);
          const beneath = `connect ECONNREFUSED 127.0.0.1:${port}`;
          assert.equal(error.message, `Cannot connect to host 127.0.0.1:${port} ssl:default [${beneath}]`);
          return true;
        },
      );
    }));

  it('tells an unknown name apart', () =>
    run(async () => {
      await using session = new ClientSession();
      await assert.rejects(
        async () => await session.get('http://no-such-host.invalid/'),
        ClientConnectorDNSError,
      );
    }));
});

describe('a URL', () => {
  it('must be one, and of the web', () =>
    run(async () => {
      await using session = new ClientSession();
      for (const url of ['', 'path', '/path', 'http://', 'http://[']) {
        await assert.rejects(
          async () => await session.get(url),
          (error) => {
            assert(error instanceof InvalidUrlClientError);
            assert(error instanceof InvalidURL);
            assert(error instanceof ClientError);
            assert(error instanceof RangeError);
            assert.equal(error.url, url);
            assert.equal(error.message, url);
            return true;
          },
        );
      }
      for (const url of ['ftp://host/', 'file:///etc/passwd', 'localhost:8080/']) {
        await assert.rejects(async () => await session.get(url), NonHttpUrlClientError);
      }
    }));
});

describe('a server', () => {
  it(
    'that hangs up without an answer has disconnected',
    failing(
      (socket) => socket.end(),
      (error) => {
        assert(error instanceof ServerDisconnectedError);
        assert.equal(error.message, 'Server disconnected');
      },
    ),
  );

  it(
    'that hangs up within the headers has disconnected',
    failing(
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Le'),
      (error) => assert(error instanceof ServerDisconnectedError),
    ),
  );

  it(
    'that resets the connection is an error of the system',
    failing(
      (socket) => socket.resetAndDestroy(),
      (error) => {
        assert(error instanceof ClientOSError);
        assert.equal(error.code, 'ECONNRESET');
      },
    ),
  );

  it(
    'that does not speak HTTP is a bad response',
    failing(
      (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
      (error) => {
        assert(error instanceof ClientResponseError);
        assert.equal(error.status, 400);
      },
    ),
  );

  it(
    'that sends headers without end is a bad response',
    failing(
      (socket) => socket.write(`HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(2 ** 17)}`),
      (error) => {
        assert(error instanceof ClientResponseError);
        assert.match(error.reason, /^Got more than 8190 bytes when reading: b'x{100}\.\.\.'\.$/);
      },
    ),
  );

  it(
    'that hangs up within a body of known length breaks it',
    failing(
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'),
      (error) => {
        assert(error instanceof ClientPayloadError);
        assert.equal(
          error.message,
          "Response payload is not completed: <ContentLengthError: 400, message='Not enough data to satisfy content " +
            "length header (received 4 of 10 bytes).'>",
        );
      },
    ),
  );

  it(
    'that hangs up within a chunked body breaks it',
    failing(
      (socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'),
      (error) => {
        assert(error instanceof ClientPayloadError);
        assert.match(
          error.message,
          /<TransferEncodingError: 400, message='Not enough data to satisfy transfer length/,
        );
      },
    ),
  );

  it('that resets the connection within a body breaks it', () =>
    run(async () => {
      const sockets: Socket[] = [];
      await using site = await serveRaw((socket) => {
        sockets.push(socket);
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
      });
      await using session = new ClientSession(site.url);
      const { content } = await session.get('x');
      assert.equal(String(await content.read(4)), 'half');
      sockets[0]?.resetAndDestroy();
      await assert.rejects(
        async () => await content.read(),
        (error) => {
          assert(error instanceof ClientPayloadError);
          assert.match(error.message, /received 4 of 10 bytes.*ECONNRESET/);
          return true;
        },
      );
    }));

  it(
    'that sends a malformed chunk breaks the body',
    failing(
      (socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n'),
      (error) => assert(error instanceof ClientPayloadError),
    ),
  );

  it('may leave the length open, and end the body by hanging up', () =>
    run(async () => {
      await using site = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'));
      await using session = new ClientSession(site.url);
      assert.equal(await session.get('x').run((response) => response.text()), 'all of it');
    }));

  it('may say something before its answer', () =>
    run(async () => {
      await using site = await serveRaw((socket) =>
        socket.end(
          'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok',
        ),
      );
      await using session = new ClientSession(site.url);
      await session.get('x').run(async (response) => {
        assert.equal(response.reason, 'Fine');
        assert.equal(await response.text(), 'ok');
      });
    }));
});

describe('what is printed', () => {
  it('of an error or a session has no credentials', () =>
    run(async () => {
      await using site = await serve((_, response) => {
        response.writeHead(500, { 'Set-Cookie': 'id=secret' }).end();
      });
      await using session = new ClientSession(site.url, {
        headers: { Authorization: 'Bearer secret' },
        raiseForStatus: true,
      });
      const ssl = { passphrase: 'secret' };
      for (const url of ['', 'https://127.0.0.1:1/']) {
        const error: unknown = await session.get(url, { ssl, cookies: { id: 'secret' } }).catch((it) => it);
        assert(error instanceof ClientError);
        assert.doesNotMatch(inspect(error, { depth: 10 }) + JSON.stringify(error), /secret/);
        if (!(error instanceof ClientResponseError)) continue;
        // Who looks finds them.
        assert.equal(error.requestInfo.headers.get('authorization'), 'Bearer secret');
        assert.equal(error.headers?.get('set-cookie'), 'id=secret');
        assert.deepEqual(error.history, []);
      }
      assert.equal(inspect(session), '<ClientSession>');
      await session.close();
      assert.equal(`${session}`, '<ClientSession [closed]>');
    }));

  it('of a URL that is refused has no credentials', () =>
    run(async () => {
      await using session = new ClientSession();
      const rows: [url: string, options: RequestOptions, shown: string][] = [
        ['http://ann:secret@/', {}, 'http://***@/'],
        ['http://ann:sec/ret@host:port/x', {}, 'http://***@host:port/x'],
        ['ftp://ann:secret@host/', {}, 'ftp://***@host/'],
        ['ftp://ann@host/@scope/x', {}, 'ftp://***@host/@scope/x'],
        ['ftp://host/@scope/x', {}, 'ftp://host/@scope/x'],
        ['http://[', {}, 'http://['],
        ['http://127.0.0.1:1/', { proxy: 'http://ann:secret@' }, 'http://***@'],
      ];
      for (const [url, options, shown] of rows) {
        const error: unknown = await session.get(url, options).catch((it) => it);
        assert(error instanceof ClientError);
        assert.equal(error.message, shown);
        assert.doesNotMatch(inspect(error, { depth: 10 }) + JSON.stringify(error), /secret|sec.ret/);
        // Who looks finds them.
        if (error instanceof InvalidURL) assert.equal(error.url, options.proxy ?? url);
      }
    }));

  it('of a request has no credentials', () =>
    run(async () => {
      await using site = await serve((_, response) => response.end());
      const auth = new BasicAuth('ann', 'secret');
      let requests = 0;
      const look: ClientMiddlewareType = (request, handler) => {
        requests++;
        assert.equal(inspect(request), `<ClientRequest GET ${site.url}>`);
        assert.equal(JSON.stringify(request), JSON.stringify(`${request}`));
        return handler(request);
      };
      await using session = new ClientSession(null, { auth, proxy: 'http://ann:secret@127.0.0.1:1' });
      assert.equal(JSON.stringify({ session }), '{"session":"<ClientSession>"}');
      const proxy = site.url.replace('//', '//ann:secret@');
      await session.get(site.url, { proxy, middlewares: [look] }).run(({ requestInfo }) => {
        const { headers } = requestInfo;
        assert.equal(headers.get('authorization'), auth.encode());
        const all = inspect(requestInfo, { depth: 10 }) + JSON.stringify(requestInfo) + String(headers);
        assert.doesNotMatch(all, /secret/);
        assert(!all.includes(auth.encode().slice('Basic '.length)));
        assert.equal(all.match(/Basic \*\*\*/g)?.length, 6);
      });
      assert.equal(requests, 1);
    }));
});
