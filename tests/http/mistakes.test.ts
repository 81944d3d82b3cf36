/** Mistakes that types would find: who writes JavaScript, or says `!`, is told what to write, and nothing is sent. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import {
  AsyncResolver,
  ClientError,
  ClientOSError,
  ClientSession,
  ClientTimeout,
  ClientWSTimeout,
  CookieJar,
  DigestAuthMiddleware,
  FormData,
  InvalidURL,
  request,
  RetryMiddleware,
  TCPConnector,
  TraceConfig,
  UnixConnector,
  type RequestOptions,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { type Echo, echo, serve } from './servers.ts';

/** A value of the wrong type. */
const wrong = (value: unknown): any => value;

function refused(options: unknown, message: RegExp): () => Promise<void> {
  return () =>
    run(async () => {
      await using site = await serve(() => assert.fail('a request was sent'));
      await using session = new ClientSession(site.url);
      await assert.rejects(async () => await session.post('', options as RequestOptions), message);
    });
}

describe('arguments of the wrong type', () => {
  it('a URL that is none', () =>
    run(async () => {
      await using session = new ClientSession('http://localhost/');
      for (const url of [undefined, null, 5, { url: 'x' }]) {
        await assert.rejects(
          async () => await session.get(wrong(url)),
          /^TypeError: url must be a string or a URL, got (undefined|null|number|Object)$/,
        );
      }
    }));

  it('options of a session in place of its base URL, and one that is not absolute', () =>
    run(async () => {
      assert.throws(
        () => new ClientSession(wrong({ timeout: 5 })),
        /^TypeError: baseUrl must be a URL, or null where only options are given, got Object$/,
      );
      for (const url of ['localhost:3000', '/api/', '', 'ftp://localhost/']) {
        assert.throws(() => new ClientSession(url), /^RangeError: baseUrl must be an absolute URL, such as /);
      }
    }));

  it(
    'a body in place of the options',
    refused('hello', /^TypeError: options must be an object such as { timeout: 5 }, got string$/),
  );

  it(
    'limits without their class',
    refused({ timeout: { sockRead: 5 } }, /^TypeError: .* timeout: new ClientTimeout\({ … }\)$/),
  );

  it('a limit that is misspelt, or without its name', () => {
    assert.throws(
      () => new ClientTimeout(wrong({ sock_read: 5 })),
      /^TypeError: ClientTimeout\(\) got an unexpected keyword argument 'sock_read'\. Did you mean 'sockRead'\?$/,
    );
    assert.throws(
      () => new ClientTimeout(wrong(5)),
      /^TypeError: limits must be an object such as { total: 5 }, got 5$/,
    );
  });

  it(
    'a middleware without its list',
    refused(
      { middlewares: new RetryMiddleware() },
      /^TypeError: middlewares must be an array, got RetryMiddleware$/,
    ),
  );

  it(
    'what is no middleware',
    refused({ middlewares: [{}] }, /^TypeError: a middleware must be a function, or have a method handle/),
  );

  it('a middleware that forgets to return the response', () =>
    run(async () => {
      await using site = await serve(echo);
      const forgetful = wrong(async () => {});
      await using session = new ClientSession(site.url, { middlewares: [forgetful] });
      await assert.rejects(
        async () => await session.get(''),
        /^TypeError: a middleware gave undefined, no response: does it `return await handler\(request\)`\?$/,
      );
    }));

  it(
    'a controller in place of its signal',
    refused({ signal: new AbortController() }, /: pass controller\.signal$/),
  );

  it(
    'cookies as text',
    refused({ cookies: 'a=b' }, /^TypeError: cookies must be an object such as .*, got string$/),
  );
});

describe('a proxy that is none', () => {
  for (const proxy of [
    'localhost:3128',
    'user:secret@localhost:3128',
    'socks5://user:secret@localhost:1080',
  ]) {
    it(`of ${proxy}`, () =>
      run(async () => {
        await using session = new ClientSession(null, { proxy });
        await assert.rejects(
          async () => await session.get('http://localhost/'),
          (error) => {
            assert(error instanceof InvalidURL && error instanceof ClientError);
            assert.match(error.message, /localhost:\d+ - a proxy is spoken to over http or https/);
            assert.doesNotMatch(error.message, /secret/);
            return true;
          },
        );
      }));
  }
});

describe('options that there are not', () => {
  /** Who says so, what was given, and what was meant. */
  const rows: [
    of: string,
    make: (options: any, session: ClientSession) => unknown,
    given: string,
    meant?: string,
  ][] = [
    ['ClientSession', (it) => new ClientSession(null, it), 'timout', 'timeout'],
    ['ClientSession', (it) => new ClientSession(null, it), 'raise_for_status', 'raiseForStatus'],
    ['ClientSession.request', (it, session) => session.get('', it), 'header', 'headers'],
    ['ClientSession.request', (it, session) => session.head('', it), 'followRedirects', 'allowRedirects'],
    ['ClientSession.request', (it, session) => session.post('', it), 'body'],
    ['ClientSession.request', (it, session) => session.request('GET', '', it), '_upgrad'],
    ['ClientSession.request', (it, session) => session.get('', it), 'connector'],
    ['request', (it) => request('GET', 'http://127.0.0.1:1/', it), 'conector', 'connector'],
    ['request', (it) => request('GET', 'http://127.0.0.1:1/', it), 'headrs', 'headers'],
    ['ClientSession.wsConnect', (it, session) => session.wsConnect('', it), 'hearbeat', 'heartbeat'],
    ['TCPConnector', (it) => new TCPConnector(it), 'limitPerHosts', 'limitPerHost'],
    ['TCPConnector', (it) => new TCPConnector(it), 'verify'],
    ['UnixConnector', (it) => new UnixConnector('/run/x', it), 'ssl'],
    ['BaseConnector.close', (it, session) => session.connector?.close(it), 'abort_ssl', 'abortSsl'],
    ['ClientTimeout', (it) => new ClientTimeout(it), 'Total', 'total'],
    ['ClientWSTimeout', (it) => new ClientWSTimeout(it), 'close', 'wsClose'],
    ['CookieJar', (it) => new CookieJar(it), 'quote_cookies', 'quoteCookie'],
    ['RetryMiddleware', (it) => new RetryMiddleware(it), 'retries'],
    ['DigestAuthMiddleware', (it) => new DigestAuthMiddleware('a', 'b', it), 'preemtive', 'preemptive'],
    ['AsyncResolver', (it) => new AsyncResolver(it), 'nameServers', 'nameservers'],
    ['FormData', (it) => new FormData([], true, null, it), 'charset'],
    ['FormData.addField', (it) => new FormData().addField('a', 'b', it), 'fileName', 'filename'],
  ];
  for (const [of, make, given, meant] of rows) {
    it(`${of} of '${given}'`, () =>
      run(async () => {
        await using session = new ClientSession('http://127.0.0.1:1/');
        // A keyword is one whatever its value, as in Python.
        for (const value of [5, undefined]) {
          await assert.rejects(async () => await make({ [given]: value }, session), {
            name: 'TypeError',
            message:
              `${of}() got an unexpected keyword argument '${given}'` +
              (meant === undefined ? '' : `. Did you mean '${meant}'?`),
          });
        }
      }));
  }

  it('ClientResponse.json', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url);
      await session.get('').run((response) =>
        assert.rejects(async () => await response.json(wrong({ content_type: null })), {
          message:
            "ClientResponse.json() got an unexpected keyword argument 'content_type'. Did you mean 'contentType'?",
        }),
      );
    }));

  it('callbacks in place of what makes their context', () => {
    assert.throws(
      () => new TraceConfig(wrong({ onRequestStart() {} })),
      /^TypeError: traceConfigCtxFactory must be a function, got .*: callbacks are added by config\.onRequestStart\.append/,
    );
  });

  it('are those of the object itself', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url, Object.create({ timout: 5 }) as object);
      await session.get('', Object.create({ header: 5 }) as object).run((response) => response.read());
    }));
});

it('a form of what belongs into JSON', () =>
  run(async () => {
    await using session = new ClientSession('http://127.0.0.1:1/');
    for (const data of [
      { nested: { a: 1 } },
      { nested: [{ a: 1 }] },
      { file: new Blob(['x']), nested: { a: 1 } },
      { missing: null },
      [1, 2],
      5,
    ]) {
      const message = /^TypeError: (Can not serialize value type|Only io\.IOBase)[^]* given as json: …$/;
      await assert.rejects(async () => await session.post('', { data }), message);
    }
  }));

describe('a stream that fails', () => {
  const missing = (): Readable => createReadStream('no-such-file.txt');
  const failed = (stream: Readable): Promise<unknown> =>
    new Promise((resolve) => stream.prependListener('error', resolve));
  const isMissing = (error: unknown): boolean => {
    assert(error instanceof ClientOSError);
    assert.match(error.message, /Can not write request body for http:/);
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOENT');
    return true;
  };

  it('before it is read fails its request, and nothing else', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url);
      for (const inForm of [false, true]) {
        const stream = missing();
        const data = inForm ? { file: stream } : stream;
        await assert.rejects(async () => await session.post('', { data }), isMissing);
      }
    }));

  it('in a form before that is sent fails the request', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url);
      const single = missing();
      const several = [missing(), missing()];
      const added = new FormData();
      added.addField('note', 'before it');
      added.addField('file', single);
      const made = new FormData({ files: several });
      await Promise.all([single, ...several].map(failed));
      await assert.rejects(async () => await session.post('', { data: added }), isMissing);
      await assert.rejects(async () => await session.post('', { data: made }), isMissing);
      const text = await session.post('', { data: 'next' }).run((response) => response.text());
      assert.equal((JSON.parse(text) as Echo).body, 'next');
    }));

  it('before the request has its turn fails the request', () =>
    run(async () => {
      await using site = await serve(echo);
      const slow = new TraceConfig();
      const streams: Readable[] = [];
      slow.onRequestStart.append(() => Promise.all(streams.map((stream) => stream.closed || failed(stream))));
      await using session = new ClientSession(site.url, { traceConfigs: [slow] });
      const of = [
        (stream: Readable) => stream,
        (stream: Readable) => ({ file: stream }),
        (stream: Readable) => [['files', [stream]]],
        (stream: Readable) => new Map([['file', stream]]),
      ];
      for (const dataOf of of) {
        for (const send of [
          (data: unknown) => session.post('', { data }),
          (data: unknown) => request('POST', site.url, { data }),
        ]) {
          const stream = missing();
          streams.splice(0, 1, stream);
          const later = send(dataOf(stream));
          await failed(stream);
          await assert.rejects(async () => await later, isMissing);
        }
      }
    }));

  it('in its midst fails the request once', () =>
    run(async () => {
      let bodies = 0;
      await using site = await serve((message, response) => {
        message.on('error', () => {}).resume();
        message.on('end', () => {
          bodies++;
          response.end();
        });
      });
      await using session = new ClientSession(site.url);
      for (const inForm of [false, true]) {
        const cause = Object.assign(new Error('EIO: disk'), { code: 'EIO', syscall: 'read' });
        let reads = 0;
        const stream = new Readable({
          read(): void {
            if (reads++ === 0) this.push('first');
            else this.destroy(cause);
          },
        });
        const data = inForm ? { file: stream } : stream;
        await assert.rejects(async () => await session.post('', { data }), {
          name: 'ClientOSError',
          cause,
        });
      }
      assert.equal(bodies, 0);
    }));

  it('and would then seem to have ended is not sent as an empty one', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url);
      // As streams are that other packages bring along.
      const stream = Object.assign(new EventEmitter(), {
        pipe(): void {},
        read: () => null,
        destroy(): void {},
        async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {},
      });
      const form = new FormData();
      form.addField('file', stream);
      const error = new Error('gone');
      stream.emit('error', error);
      await assert.rejects(async () => await session.post('', { data: form }), {
        name: 'ClientConnectionError',
        cause: error,
      });
    }));
});
