/**
 * What a peer sends is read in a time that grows as it does. Each text here is half a megabyte, which would take an
 * algorithm of quadratic time several minutes: such a test does not fail, it ends at the limit of time of the test runner.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { run, setLogger } from 'asyncio-ts';
import {
  type AbstractResolver,
  BodyPartReader,
  ClientConnectorError,
  ClientSession,
  CookieJar,
  contentDispositionFilename,
  CookieError,
  DigestAuthMiddleware,
  getEnvProxyForUrl,
  MultipartReader,
  netrcAuth,
  parseContentDisposition,
  parseCookieHeader,
  parseLinks,
  parseSetCookieHeaders,
  SimpleCookie,
  TCPConnector,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { Chunks } from './payloads.ts';
import { serveRaw } from './servers.ts';

const SIZE = 2 ** 19;

/** `unit` again and again, half a megabyte of it. */
const many = (unit: string): string => unit.repeat(Math.ceil(SIZE / unit.length));

/** A name of so many different characters, as far as there are: to write it in ASCII takes the square of its length. */
const ideographs = (count: number): string =>
  Array.from({ length: count }, (_, i) => String.fromCodePoint(0x4e00 + (i % 20_000))).join('');

/** Run it without a log: it would be as long. */
function quietly<T>(body: () => T): T {
  const nothing = (): void => {};
  setLogger({ debug: nothing, info: nothing, warning: nothing, error: nothing });
  try {
    return body();
  } finally {
    setLogger(null);
  }
}

/** Begins and ends that a text of repeated units may have, so that nothing fits at its end. */
const around = (
  units: readonly string[],
  begin = '',
  ends: readonly string[] = ['', '"', '\x01'],
): string[] => units.flatMap((unit) => ends.map((end) => begin + many(unit) + end));

describe('cookies', () => {
  const UNITS = [
    'a',
    '=',
    'a=',
    'a=b=',
    ' ',
    ';',
    '; ',
    '"',
    'a="',
    'a=";',
    'a="\\"',
    'a= "',
    'a =',
    '[',
    'a=[',
  ];
  const DATES = ['a=Wed', 'a=Wed, ', 'a=Wed Jun', 'a=Wed Jun 9 '];

  it('of a text', () => {
    for (const text of [...around(UNITS), ...DATES.map((date) => `${date}${many(' ')}"`)]) {
      try {
        new SimpleCookie(text);
      } catch (error) {
        // Some are no names.
        assert.ok(error instanceof CookieError);
      }
    }
    assert.equal(new SimpleCookie(`${many('a=')}; b=1`).size, 2);
    assert.throws(() => new SimpleCookie(`${many('a=')}"b"`), {
      name: 'CookieError',
      message: /^Illegal key /,
    });
  });

  it('of headers', () => {
    for (const text of [...around(UNITS), ...DATES.map((date) => `${date}${many(' ')}"`)]) {
      quietly(() => parseSetCookieHeaders([text]));
      quietly(() => parseCookieHeader(text));
    }
    // To look for a character is so quick that it takes more of them.
    assert.equal(parseCookieHeader(`${many(';').repeat(8)}a=1`).length, 1);
  });

  it('in a jar', () => {
    const jar = new CookieJar();
    const url = new URL('http://example.com/');
    const name = ideographs(2 ** 18);
    jar.updateCookies({ everywhere: '1' });
    jar.updateCookies(new SimpleCookie('a=1'), url);
    for (const value of [many('.'), many('a.'), many('1:'), many('%'), name]) {
      for (const attribute of ['domain', 'path', 'expires', 'max-age']) {
        jar.updateCookiesFromHeaders([`b=1; ${attribute}="${value}"`], url);
      }
    }
    // There are only so many different ones, so that it takes several names to make it minutes.
    jar.updateCookiesFromHeaders(Array(50).fill(`b=1; domain="${name}"`) as string[], url);
    for (const host of [many('.'), many('a.')]) {
      assert.equal(jar.filterCookies(new URL(`http://${host}example.com/`)).size, 1);
    }
  });

  it('that are far too many for a jar', () => {
    const jar = new CookieJar({ maxCookiesPerDomain: 5000, maxCookies: 8000 });
    const cookies = (prefix: string): string[] => [
      Array.from({ length: 20_000 }, (_, i) => `${prefix}${i}=1`).join('; '),
    ];
    jar.updateCookiesFromHeaders(cookies('a'), new URL('http://one.example/'));
    assert.equal(jar.size, 5000);
    jar.updateCookiesFromHeaders(cookies('b'), new URL('http://two.example/'));
    assert.equal(jar.size, 8000);
    // Those that came last are the ones that stay.
    const names = [...jar].map(({ key }) => key);
    assert.deepEqual(
      [names[0], names[2999], names[3000], names[7999]],
      ['a17000', 'a19999', 'b15000', 'b19999'],
    );
  });
});

describe('headers', () => {
  const PARAMETERS = [
    ';',
    ' ',
    '; ',
    ';a',
    ';a=',
    ';a="',
    ";a='",
    ';a="\\',
    ';a= "',
    '=',
    '"',
    '\\',
    ';a*',
    "'",
  ];

  it('Link', () => {
    const base = new URL('http://example.com/');
    const name = ideographs(2 ** 18);
    for (const text of around(['<', ',', ', ', '<,', '>', ...PARAMETERS]))
      assert.equal(parseLinks([text], base).size, 0);
    for (const text of around(PARAMETERS, '<a>')) assert.equal(parseLinks([text], base).size, 1);
    for (const text of around(['<a>;', ',<a>', '<a>"', ', '], '<a>')) parseLinks([text], base);
    assert.equal(parseLinks([`<http://${name}/>, <b>`], base).size, 1);
  });

  it('Content-Disposition', () => {
    for (const text of around([...PARAMETERS, ';a*=b', ';a*0=b'], 'attachment')) {
      const [, parameters] = quietly(() => parseContentDisposition(text));
      contentDispositionFilename(parameters);
    }
    for (const value of [many('\\'), many('/'), many('\\"'), many('%41'), many("'")]) {
      quietly(() => parseContentDisposition(`attachment; filename="${value}"`));
      quietly(() => parseContentDisposition(`attachment; filename*=utf-8''${value}`));
    }
    const pieces = Array.from({ length: 50_000 }, (_, i) => `filename*${i}=b`).join(';');
    const [, parameters] = parseContentDisposition(`attachment;${pieces}`);
    assert.equal(contentDispositionFilename(parameters)?.length, 50_000);
  });

  it('Content-Type', () => {
    for (const text of around(PARAMETERS, 'multipart/x')) {
      assert.throws(() => new MultipartReader({ 'Content-Type': text }, new Chunks()), RangeError);
    }
  });

  it('of a response, its challenge and its chunks', () =>
    run(async () => {
      const challenges = [
        ...around(PARAMETERS, 'Digest ', ['']),
        ...around(['a ', 'a,', 'a="b",'], 'Digest ', ['']),
      ];
      let challenge = '';
      await using site = await serveRaw((socket) => {
        socket.write(
          `HTTP/1.1 401 ${many('x')}\r\nWWW-Authenticate: ${challenge}\r\nContent-Type: text/plain${challenge}\r\n`,
        );
        socket.write(`Transfer-Encoding: ${many(' ,')}chunked\r\n\r\n1${many(';a=b')}\r\nx\r\n0\r\n\r\n`);
      });
      const middlewares = [new DigestAuthMiddleware('login', 'password')];
      const limits = { maxFieldSize: 2 * SIZE, maxLineSize: 2 * SIZE };
      await using session = new ClientSession(site.url, { middlewares, ...limits });
      for (challenge of challenges) {
        try {
          assert.equal(await session.get('').run((response) => response.text('utf-8')), 'x');
        } catch (error) {
          // Some ask for a digest, and do not say enough.
          assert.match(String(error), /^ClientError: Malformed Digest auth challenge/);
        }
      }
    }));

  it('Location, to a name of many dots', () =>
    run(async () => {
      const asked: string[] = [];
      const resolver: AbstractResolver = {
        resolve: async (host) => {
          asked.push(host);
          throw Object.assign(new Error('no such host'), { code: 'ENOTFOUND' });
        },
        close: async () => {},
      };
      await using site = await serveRaw((socket) => {
        socket.end(`HTTP/1.1 302 Found\r\nLocation: http://${many('.')}x/\r\nContent-Length: 0\r\n\r\n`);
      });
      const connector = new TCPConnector({ resolver });
      await using session = new ClientSession(site.url, { connector, maxFieldSize: 2 * SIZE });
      await assert.rejects(async () => session.get(''), ClientConnectorError);
      assert.deepEqual(
        asked.map((host) => host.length),
        [SIZE + 1],
      );
    }));
});

describe('parts of a body', () => {
  const headers = { 'Content-Type': 'multipart/mixed; boundary=b' };

  it('that almost end', () =>
    run(async () => {
      for (const unit of ['\r', '\r\n', '\r\n--', '\r\n--b', '\r\n--b-', '\r\n--b  ', '\n']) {
        const body = many(`${unit}.`);
        const reader = new MultipartReader(headers, new Chunks(`--b\r\n\r\n${body}\r\n--b--`));
        const part = await reader.next();
        assert.ok(part instanceof BodyPartReader);
        assert.equal((await part.read()).length, body.length, JSON.stringify(unit));
        assert.equal(await reader.next(), null);
      }
    }));

  it('that are encoded', () =>
    run(async () => {
      for (const encoding of ['base64', 'quoted-printable']) {
        for (const unit of ['=', '= ', ' ', '=\r', 'QUJD', '=4', '\t']) {
          const type = `--b\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
          const part = await new MultipartReader(headers, new Chunks(`${type}${many(unit)}\r\n--b--`)).next();
          assert.ok(part instanceof BodyPartReader);
          // What is no base64 is an error.
          await part.read({ decode: true }).catch((error: unknown) => assert.ok(error instanceof RangeError));
        }
      }
    }));

  it('that are many, and have much before them', () =>
    run(async () => {
      const parts = '--b\r\nA: b\r\n\r\nx\r\n'.repeat(10_000);
      const reader = new MultipartReader(headers, new Chunks(`${many('-\r\n')}${parts}--b--`));
      let count = 0;
      for await (const part of reader) {
        await part.release();
        count++;
      }
      assert.equal(count, 10_000);
    }));
});

describe('the environment', () => {
  it('no_proxy', () => {
    const { env } = process;
    const before = { ...env };
    try {
      env['http_proxy'] = 'http://127.0.0.1:1/';
      for (const unit of [',', '.', '*.', ':', ':1', '1', 'a.', '[', ']', '/', '/,', ' ', '::1,']) {
        env['no_proxy'] = `${many(unit)}x`;
        assert.notEqual(getEnvProxyForUrl(new URL('http://example.com/')), null, unit);
      }
    } finally {
      for (const name of ['http_proxy', 'no_proxy']) {
        if (before[name] === undefined) delete env[name];
        else env[name] = before[name];
      }
    }
  });

  it('netrc', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'linear-time-'));
    const before = process.env['NETRC'];
    try {
      process.env['NETRC'] = path.join(folder, 'netrc');
      for (const unit of [
        '#',
        '# \n',
        '\n',
        ' ',
        '"',
        '\\',
        'machine ',
        'machine a ',
        'macdef x\n\n',
        '\r\n',
      ]) {
        writeFileSync(process.env['NETRC'], many(unit));
        assert.equal(
          quietly(() => netrcAuth('h')),
          null,
        );
      }
    } finally {
      if (before === undefined) delete process.env['NETRC'];
      else process.env['NETRC'] = before;
      rmSync(folder, { recursive: true });
    }
  });
});
