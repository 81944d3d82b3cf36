/** Mistakes that types would find: who writes JavaScript, or says `!`, is told what to write, and nothing is sent. */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import {
  ClientError,
  ClientOSError,
  ClientSession,
  ClientTimeout,
  InvalidURL,
  RetryMiddleware,
  type RequestOptions,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { echo, serve } from './servers.ts';

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
      /^TypeError: ClientTimeout has no limit 'sock_read', but total, connect, sockConnect, sockRead, ceilThreshold$/,
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

it('a stream that fails before it is read fails its request, and nothing else', () =>
  run(async () => {
    await using site = await serve(echo);
    await using session = new ClientSession(site.url);
    for (const inForm of [false, true]) {
      const missing = createReadStream('no-such-file.txt');
      await assert.rejects(
        async () => await session.post('', { data: inForm ? { file: missing } : missing }),
        (error) => {
          assert(error instanceof ClientOSError);
          assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOENT');
          return true;
        },
      );
    }
  }));
