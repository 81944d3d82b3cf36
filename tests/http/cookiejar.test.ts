import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { NotImplementedError, run } from 'asyncio-ts';
import {
  AbstractCookieJar,
  ClientSession,
  CookieJar,
  type CookieJarOptions,
  DummyCookieJar,
  type Morsel,
  parseCookieHeader,
  SimpleCookie,
} from 'asyncio-ts/http';
import fc from 'fast-check';
import '../support/leaks.ts';
import { attributesOf, type PlainCookie, recorded } from './recorded.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'cookiejar-'));
after(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'cookies.json');

const at = (text: string): URL => new URL(text);
const names = (jar: CookieJar, url: string): string[] => [...jar.filterCookies(at(url)).keys()].sort();
const header = (jar: CookieJar, url: string): string => jar.filterCookies(at(url)).output([], '', ';').trim();

/** A jar with what `url` has set. */
function jarOf(url: string, headers: string[], options: CookieJarOptions = {}): CookieJar {
  const jar = new CookieJar(options);
  jar.updateCookiesFromHeaders(headers, at(url));
  return jar;
}

/** Every cookie with what it is kept under, as plain data. */
function contents(jar: AbstractCookieJar): [string, ...PlainCookie][] {
  const kept = [...jar.cookies].flatMap(([place, cookies]) =>
    [...cookies].map(([name, morsel]): [string, ...PlainCookie] => [
      place,
      name,
      morsel.value,
      morsel.codedValue,
      attributesOf(morsel),
    ]),
  );
  return kept.sort(
    (a, b) => Number(a[0] > b[0]) - Number(a[0] < b[0]) || Number(a[1] > b[1]) - Number(a[1] < b[1]),
  );
}

/** Run `body` at a time of the clock. */
function atTime(time: string, body: () => void): void {
  const { now } = Date;
  Date.now = () => Date.parse(time);
  try {
    body();
  } finally {
    Date.now = now;
  }
}

/** What users put into a jar by hand, for all sorts of hosts. */
const GIVEN =
  'shared=1; top=2; Domain=example.com; sub1=3; Domain=one.example.com; sub2=4; Domain=two.example.com; ' +
  'dotted=5; Domain=.example.com; other=6; Domain=other.example; safe=7; Domain=secure.example; Secure; ' +
  'nopath=8; Domain=paths.example; root=9; Domain=paths.example; Path=/; a=10; Domain=paths.example; Path=/a; ' +
  'ab=11; Domain=paths.example; Path=/a/b; abslash=12; Domain=paths.example; Path=/a/b/';

describe('CookieJar.filterCookies', () => {
  const given = new CookieJar();
  given.updateCookies(new SimpleCookie(GIVEN));

  it('sends cookies to their domain and the domains below it', () => {
    assert.deepEqual(names(given, 'http://example.com/'), ['dotted', 'shared', 'top']);
    assert.deepEqual(names(given, 'http://one.example.com/'), ['dotted', 'shared', 'sub1', 'top']);
    assert.deepEqual(names(given, 'http://three.example.com/'), ['dotted', 'shared', 'top']);
    assert.deepEqual(names(given, 'http://other.example/'), ['other', 'shared']);
    assert.deepEqual(names(given, 'http://anotherexample.com/'), ['shared']);
    assert.deepEqual(names(given, 'http://com/'), ['shared']);
    assert.deepEqual(names(given, 'http://example.com./'), ['shared']);
  });

  it('sends cookies to their path and the paths below it', () => {
    const everywhere = ['nopath', 'root', 'shared'];
    assert.deepEqual(names(given, 'http://paths.example/'), everywhere);
    assert.deepEqual(names(given, 'http://paths.example/ab'), everywhere);
    assert.deepEqual(names(given, 'http://paths.example/a'), ['a', ...everywhere]);
    assert.deepEqual(names(given, 'http://paths.example/a/bc'), ['a', ...everywhere]);
    assert.deepEqual(names(given, 'http://paths.example/a/b'), ['a', 'ab', ...everywhere]);
    assert.deepEqual(names(given, 'http://paths.example/a/b/'), ['a', 'ab', 'abslash', ...everywhere]);
    assert.deepEqual(names(given, 'http://paths.example/a/b/c/'), ['a', 'ab', 'abslash', ...everywhere]);
  });

  it('sends of one name the cookie of the longest path, whichever came first', () => {
    const headers = ['x=one; Path=/one', 'x=root; Path=/', 'x=deep; Path=/one/two'];
    for (const order of [headers, headers.toReversed()]) {
      const jar = jarOf('http://example.com/', order);
      assert.equal(jar.size, 3);
      assert.equal(header(jar, 'http://example.com/'), 'x=root');
      assert.equal(header(jar, 'http://example.com/one'), 'x=one');
      assert.equal(header(jar, 'http://example.com/one/two/three'), 'x=deep');
    }
  });

  it('CVE-2026-111063: sends Secure cookies over TLS alone, those for all hosts included', () => {
    assert.deepEqual(names(given, 'http://secure.example/'), ['shared']);
    assert.deepEqual(names(given, 'ws://secure.example/'), ['shared']);
    assert.deepEqual(names(given, 'https://secure.example/'), ['safe', 'shared']);
    assert.deepEqual(names(given, 'wss://secure.example/'), ['safe', 'shared']);
    const jar = new CookieJar();
    jar.updateCookies(new SimpleCookie('token=1; Secure'));
    assert.deepEqual(names(jar, 'http://example.com/'), []);
    assert.deepEqual(names(jar, 'https://example.com/'), ['token']);
    assert.deepEqual([...jar.filterCookies()], []);
  });

  it('CVE-2026-111063: lets no host without TLS replace a Secure cookie', () => {
    const jar = jarOf('https://example.com/', ['sid=real; Secure']);
    jar.updateCookiesFromHeaders(['sid=forged'], at('http://example.com/'));
    jar.updateCookiesFromHeaders(['sid=; Max-Age=0'], at('http://example.com/'));
    assert.equal(header(jar, 'https://example.com/'), 'sid=real');
    jar.updateCookiesFromHeaders(['sid=new'], at('https://example.com/'));
    assert.equal(header(jar, 'http://example.com/'), 'sid=new');
  });

  it('takes origins that were named for secure', () => {
    const origins = [at('http://secure.example/path'), 'ws://secure.example'];
    for (const treatAsSecureOrigin of ['http://secure.example', at('http://secure.example:80/'), origins]) {
      const jar = new CookieJar({ treatAsSecureOrigin });
      jar.updateCookies(new SimpleCookie(GIVEN));
      assert.deepEqual(names(jar, 'http://secure.example/x'), ['safe', 'shared']);
      assert.deepEqual(names(jar, 'http://secure.example:8080/'), ['shared']);
    }
  });

  it('keeps cookies from hosts that are addresses, unless it is unsafe', () => {
    for (const url of ['http://127.0.0.1/', 'http://[::1]/']) {
      const safe = jarOf(url, ['a=1']);
      safe.updateCookies({ shared: '2' });
      assert.equal(header(safe, url), 'shared=2');
      const unsafe = jarOf(url, ['a=1'], { unsafe: true });
      assert.equal(unsafe.unsafe, true);
      assert.equal(header(unsafe, url), 'a=1');
      assert.equal(header(unsafe, 'http://127.0.0.2/'), '');
    }
    // No host below an address.
    assert.equal(
      header(jarOf('http://10.0.0.1/', ['a=1; Domain=0.0.1'], { unsafe: true }), 'http://10.0.0.1/'),
      '',
    );
  });

  it('knows hosts in Unicode by their name in ASCII', () => {
    const jar = new CookieJar();
    jar.updateCookies(new SimpleCookie('a=1; Domain=xn--9caa.com'), at('http://éé.com/'));
    jar.updateCookies(new SimpleCookie('b=2; Domain=XN--9caa.com'));
    for (const url of ['http://éé.com/', 'http://xn--9caa.com/']) assert.equal(header(jar, url), 'a=1; b=2');
  });

  it('quotes values as it was told to', () => {
    const sent = (text: string, quoteCookie: boolean): string => {
      const jar = new CookieJar({ unsafe: true, quoteCookie });
      assert.equal(jar.quoteCookie, quoteCookie);
      jar.updateCookies(new SimpleCookie(text));
      return header(jar, 'http://127.0.0.1/');
    };
    assert.equal(sent('a=1; ip=2; Domain=127.0.0.1', true), 'a=1; ip=2');
    assert.equal(sent('ip="second"; Domain=127.0.0.1', true), 'ip="second"');
    assert.equal(sent('c=value/one', true), 'c="value/one"');
    assert.equal(sent('c=value/one', false), 'c=value/one');
    assert.equal(sent('c="a b"', false), 'c=a b');
    // What would break the header goes as it came.
    assert.equal(sent('c="a\\012b"', false), 'c="a\\012b"');
  });

  it('sends nothing but name and value', () => {
    const jar = jarOf('https://example.com/', ['a=1; Path=/; Domain=example.com; Secure; HttpOnly']);
    assert.equal(jar.filterCookies(at('https://example.com/')).output(), 'Set-Cookie: a=1');
  });

  it('takes percent signs in paths for what they mean', () => {
    const jar = jarOf('http://example.com/', ['a=1; Path=/x%20y', 'b=2; Path=/x%2Fy']);
    assert.equal(header(jar, 'http://example.com/x y/z'), 'a=1');
    assert.equal(header(jar, 'http://example.com/x/y'), '');
    assert.equal(header(jar, 'http://example.com/x%2fy'), '');
    assert.equal(header(jar, 'http://example.com/x%2Fy'), 'b=2');
  });
});

describe('CookieJar.updateCookies', () => {
  it('takes cookies in all forms', () => {
    const morsel = new SimpleCookie('a=1; Path=/x').get('a') as Morsel;
    for (const cookies of [
      { a: '1' },
      [['a', 1]] as const,
      new Map([['a', '1']]),
      { a: morsel },
      [['a', morsel]] as const,
    ]) {
      const jar = new CookieJar();
      jar.updateCookies(cookies);
      assert.deepEqual(
        [...jar].map(({ key, value }) => [key, value]),
        [['a', '1']],
      );
    }
    // The jar has its own.
    assert.equal(morsel.OutputString(), 'a=1; Path=/x');
  });

  it('fills in the domain and the path', () => {
    const path = (url: string, text: string): unknown =>
      [...jarOf(url, [text])].map(({ attributes }) => [attributes.get('domain'), attributes.get('path')])[0];
    assert.deepEqual(path('http://example.com', 'a=1'), ['example.com', '/']);
    assert.deepEqual(path('http://example.com/x', 'a=1'), ['example.com', '/']);
    assert.deepEqual(path('http://example.com/x/y', 'a=1'), ['example.com', '/x']);
    assert.deepEqual(path('http://example.com/x/y/', 'a=1; Path=rel'), ['example.com', '/x/y']);
    assert.deepEqual(path('http://www.example.com/x/', 'a=1; Domain=.Example.COM; Path=/q/'), [
      'example.com',
      '/q/',
    ]);
  });

  it('keeps cookies without a domain from subdomains', () => {
    const jar = jarOf('http://example.com/', ['a=1', 'b=2; Domain=example.com']);
    assert.deepEqual([...jar.hostOnlyCookies], ['example.com|a']);
    assert.equal(header(jar, 'http://example.com/'), 'a=1; b=2');
    assert.equal(header(jar, 'http://www.example.com/'), 'b=2');
    // A later one may be for subdomains, too.
    jar.updateCookiesFromHeaders(['a=3; Domain=example.com'], at('http://example.com/'));
    assert.deepEqual([...jar.hostOnlyCookies], []);
    assert.equal(header(jar, 'http://www.example.com/'), 'a=3; b=2');
  });

  it('keeps a cookie from subdomains when one of its name and another path expires', () => {
    const jar = jarOf('http://example.com/', ['a=1; Path=/', 'a=2; Path=/x']);
    jar.updateCookiesFromHeaders(['a=; Path=/x; Max-Age=0'], at('http://example.com/'));
    assert.deepEqual([...jar.hostOnlyCookies], ['example.com|a']);
    assert.equal(header(jar, 'http://www.example.com/'), '');
    assert.equal(header(jar, 'http://example.com/x'), 'a=1');
  });

  it('holds cookies for all hosts to their path', () => {
    const jar = new CookieJar();
    jar.updateCookies(new SimpleCookie('a=1; Path=/x; b=2'));
    assert.equal(header(jar, 'http://example.com/'), 'b=2');
    assert.equal(header(jar, 'http://other.example/x/y'), 'a=1; b=2');
  });

  it('ignores domains that are none of the host, and those that end in a dot', () => {
    const headers = ['a=1; Domain=other.example', 'b=2; Domain=www.example.com', 'c=3; Domain=ample.com'];
    const jar = jarOf('http://example.com/', [...headers, 'd=4; Domain=example.com.']);
    assert.deepEqual([...jar.cookies.keys()], ['example.com|']);
    assert.deepEqual([...jar.hostOnlyCookies], ['example.com|d']);
  });

  it('lets nobody set cookies for a domain that belongs to nobody', () => {
    const hosts = ['example.com', 'shop.co.uk', 'me.github.io', 'web.intranet'];
    for (const host of hosts) {
      const suffix = host.slice(host.indexOf('.') + 1);
      const jar = jarOf(`http://${host}/`, [`a=1; Domain=${suffix}`, `b=2; Domain=${host}`]);
      assert.deepEqual([...jar.cookies.keys()], [`${host}|`]);
      assert.equal(header(jar, `http://x.${host}/`), 'b=2');
    }
    // The suffix itself has its cookies for itself alone.
    const jar = jarOf('http://github.io/', ['a=1; Domain=github.io']);
    assert.equal(header(jar, 'http://github.io/'), 'a=1');
    assert.equal(header(jar, 'http://me.github.io/'), '');
  });

  it('lets cookies expire', () => {
    const headers = ['age=1; Max-Age=60', 'both=2; Max-Age=60; Expires=Wed, 01 Jan 2031 00:00:00 GMT'];
    headers.push(
      'time=3; Expires=Tue, 01 Jan 2030 01:00:00 GMT',
      'session=4',
      'bad=5; Expires=soon; Max-Age=soon',
    );
    let jar = new CookieJar();
    atTime('2030-01-01T00:00:00Z', () => {
      jar = jarOf('http://example.com/', headers);
      assert.equal(header(jar, 'http://example.com/'), 'age=1; bad=5; both=2; session=4; time=3');
    });
    atTime('2030-01-01T00:00:59.999Z', () => assert.equal(names(jar, 'http://example.com/').length, 5));
    atTime('2030-01-01T00:01:00Z', () => {
      assert.equal(jar.size, 5);
      assert.deepEqual(
        [...jar].map(({ key }) => key),
        ['time', 'session', 'bad'],
      );
      assert.equal(jar.size, 3);
    });
    atTime('2030-01-01T01:00:00Z', () =>
      assert.equal(header(jar, 'http://example.com/'), 'bad=5; session=4'),
    );
    atTime('9990-01-01T00:00:00Z', () =>
      assert.equal(header(jar, 'http://example.com/'), 'bad=5; session=4'),
    );
  });

  it('takes the life time of the last cookie of a name', () => {
    const url = 'http://example.com/';
    const jar = new CookieJar();
    const set = (text: string): void => jar.updateCookiesFromHeaders([text], at(url));
    atTime('2030-01-01T00:00:00Z', () => {
      set('a=1; Max-Age=10');
      set('a=2; Max-Age=100');
      set('b=1; Max-Age=10');
      set('b=2');
      set('c=1');
      set('c=2; Max-Age=0');
      set('d=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT');
      set('d=2');
      assert.equal(header(jar, url), 'a=2; b=2; d=2');
    });
    atTime('2030-01-01T00:00:50Z', () => assert.equal(header(jar, url), 'a=2; b=2; d=2'));
    atTime('2030-01-01T00:02:00Z', () => assert.equal(header(jar, url), 'b=2; d=2'));
  });

  it('F29: takes names that mean something to JavaScript for what they are', () => {
    const jar = jarOf('http://example.com/', ['__proto__=1', 'constructor=2', 'toString=3']);
    assert.equal(header(jar, 'http://example.com/'), '__proto__=1; constructor=2; toString=3');
    jar.save(file);
    const other = new CookieJar();
    other.load(file);
    assert.equal(header(other, 'http://example.com/'), '__proto__=1; constructor=2; toString=3');
    assert.equal(({} as Record<string, unknown>)['key'], undefined);
    const hosts = jarOf('http://constructor.example/', ['a=1; Path=/__proto__']);
    assert.equal(header(hosts, 'http://constructor.example/__proto__/x'), 'a=1');
  });
});

describe('the limits of a jar', () => {
  const url = 'http://example.com/';

  it('GHSA-2g87-pp6c-29x5: keeps so many cookies of a domain, and lets go of those unused for longest', () => {
    const jar = new CookieJar();
    for (let i = 0; i < 180; i++) jar.updateCookiesFromHeaders([`n${i}=1; Path=/${i}`], at(url));
    assert.equal(jar.size, 180);
    assert.equal(header(jar, 'http://example.com/0'), 'n0=1');
    jar.updateCookiesFromHeaders(['new=1'], at(url));
    assert.equal(jar.size, 180);
    assert.equal(header(jar, 'http://example.com/0'), 'n0=1; new=1');
    assert.equal(header(jar, 'http://example.com/1'), 'new=1');
    jar.updateCookiesFromHeaders(['new=2'], at(url));
    assert.equal(jar.size, 180);
  });

  it('GHSA-2g87-pp6c-29x5: keeps so many in all', () => {
    const jar = new CookieJar({ maxCookies: 50, maxCookiesPerDomain: 2 });
    jar.updateCookies({ mine: '1' });
    for (let i = 0; i < 100; i++)
      jar.updateCookiesFromHeaders(['a=1', 'b=2', 'c=3'], at(`http://h${i}.example/`));
    assert.equal(jar.size, 51);
    assert.equal(header(jar, 'http://h0.example/'), 'mine=1');
    assert.equal(header(jar, 'http://h99.example/'), 'b=2; c=3; mine=1');
  });

  it('GHSA-2g87-pp6c-29x5: ignores a cookie that is too long', () => {
    const cookie = (length: number): string => `n=${'x'.repeat(length - 1)}`;
    assert.equal(jarOf(url, [cookie(4096)]).size, 1);
    assert.equal(jarOf(url, [cookie(4097)]).size, 0);
    assert.equal(jarOf(url, [cookie(11)], { maxCookieSize: 10 }).size, 0);
    assert.equal(jarOf(url, [cookie(8000)], { maxCookieSize: 0 }).size, 1);
    // Who gives it by hand means it.
    const jar = new CookieJar();
    jar.updateCookies({ n: 'x'.repeat(8000) });
    assert.equal(jar.size, 1);
  });

  it('makes room by what has expired before it lets go of others', () => {
    const jar = new CookieJar({ maxCookiesPerDomain: 2 });
    atTime('2030-01-01T00:00:00Z', () => jar.updateCookiesFromHeaders(['a=1', 'b=2; Max-Age=1'], at(url)));
    atTime('2030-01-01T00:00:02Z', () => jar.updateCookiesFromHeaders(['c=3'], at(url)));
    assert.equal(header(jar, url), 'a=1; c=3');
  });
});

describe('CookieJar.clear', () => {
  it('forgets all, or what a predicate says', () => {
    const jar = jarOf('http://example.com/', ['a=1', 'b=2', 'c=3; Path=/x']);
    jar.clear(({ key }) => key === 'b');
    assert.equal(header(jar, 'http://example.com/x'), 'a=1; c=3');
    jar.clear();
    assert.equal(jar.size, 0);
    assert.deepEqual([...jar], []);
    assert.equal(jar.cookies.size, 0);
  });

  it('forgets a domain and those below it', () => {
    const jar = new CookieJar();
    jar.updateCookies(new SimpleCookie(GIVEN));
    jar.clearDomain('example.com');
    const left = [...jar].map(({ key }) => key).sort();
    assert.deepEqual(left, ['a', 'ab', 'abslash', 'nopath', 'other', 'root', 'safe', 'shared']);
  });

  it('forgets what has expired, whatever the predicate says', () => {
    const jar = new CookieJar();
    atTime('2030-01-01T00:00:00Z', () =>
      jar.updateCookiesFromHeaders(['a=1; Max-Age=1', 'b=2'], at('http://x.example/')),
    );
    atTime('2030-01-01T00:00:02Z', () => jar.clear(() => false));
    assert.equal(jar.size, 1);
  });
});

describe('CookieJar.save', () => {
  it('is that of a session', () =>
    run(async () => {
      await using session = new ClientSession(null, { cookies: { a: '1' } });
      const place = path.join(folder, 'session');
      session.cookieJar.save(place);
      await using other = new ClientSession();
      other.cookieJar.load(place);
      assert.deepEqual([...other.cookieJar].map(String), [...session.cookieJar].map(String));
      await using none = new ClientSession(null, { cookieJar: new DummyCookieJar() });
      assert.throws(() => none.cookieJar.save(place), {
        name: 'NotImplementedError',
        message: 'a DummyCookieJar cannot be saved: a CookieJar can',
      });
      assert.throws(() => none.cookieJar.load(place), NotImplementedError);
    }));

  const url = 'https://www.example.com/a/b';
  const headers = ['h=1', 'd="x y"; Domain=example.com; Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned'];

  it('gives a file that load takes, cookies and their scope unchanged', () => {
    const jar = jarOf(url, headers);
    jar.updateCookies({ all: '3' });
    jar.save(file);
    const other = jarOf('http://else.example/', ['gone=1']);
    other.load(file);
    assert.deepEqual(contents(other), contents(jar));
    other.save(file);
    const third = new CookieJar();
    third.load(file);
    assert.deepEqual(contents(third), contents(jar));
  });

  it('CVE-2026-54279: a cookie for one host is for that host alone when it is loaded', () => {
    jarOf(url, headers).save(file);
    const jar = new CookieJar();
    jar.load(file);
    assert.deepEqual([...jar.hostOnlyCookies], ['www.example.com|h']);
    assert.equal(header(jar, 'https://www.example.com/a/'), 'd="x y"; h=1');
    assert.equal(header(jar, 'https://x.www.example.com/a/'), 'd="x y"');
  });

  it('lets the owner alone read the file, even if it was there before', () => {
    for (const before of [null, 0o644]) {
      rmSync(file, { force: true });
      if (before !== null) {
        writeFileSync(file, '{}');
        chmodSync(file, before);
      }
      jarOf(url, headers).save(file);
      assert.equal(statSync(file).mode & 0o777, 0o600);
    }
  });

  it('keeps the time at which a cookie expires', () => {
    atTime('2030-01-01T00:00:00Z', () => jarOf(url, ['a=1; Max-Age=3600', 'b=2']).save(file));
    const jar = new CookieJar();
    atTime('2030-01-01T00:59:59Z', () => {
      jar.load(file);
      assert.equal(header(jar, url), 'a=1; b=2');
    });
    atTime('2030-01-01T01:00:00Z', () => assert.equal(header(jar, url), 'b=2'));
    atTime('2030-01-02T00:00:00Z', () => {
      const late = new CookieJar();
      late.load(file);
      assert.equal(late.size, 1);
    });
  });

  it('writes what aiohttp writes', () => {
    jarOf(url, headers).save(file);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
      'www.example.com|/a': {
        h: { key: 'h', value: '1', coded_value: '1', path: '/a', domain: 'www.example.com', host_only: true },
      },
      'example.com|': {
        d: {
          key: 'd',
          value: 'x y',
          coded_value: '"x y"',
          path: '/',
          domain: 'example.com',
          secure: true,
          httponly: true,
          samesite: 'Lax',
          partitioned: true,
        },
      },
    });
  });
});

describe('CookieJar.load', () => {
  it('CVE-2026-34993: takes a file for data, and refuses what is none', () => {
    // A pickle that would run `os.system` in Python, and what is no file of cookies in other ways.
    const files = [
      '\x80\x05cos\nsystem\n(S"echo"\ntR.',
      '',
      'null',
      '[1]',
      '"x"',
      '{"a|":{"b":1}}',
      '{"a|":{"b":{"key":1}}}',
    ];
    files.push('{"a|":{"b":{"key":"b","value":"","coded_value":"x\\r\\ny"}}}');
    files.push('{"a|":{"b":{"key":"b","value":"","coded_value":"","path":"/; Domain=x"}}}');
    for (const text of files) {
      writeFileSync(file, text, 'latin1');
      const jar = jarOf('http://example.com/', ['a=1']);
      assert.throws(() => jar.load(file), RangeError, text);
      assert.equal(header(jar, 'http://example.com/'), 'a=1');
    }
    assert.throws(() => new CookieJar().load(path.join(folder, 'none')), { code: 'ENOENT' });
  });

  it('holds its cookies to the rules of all others', () => {
    jarOf('http://127.0.0.1/', ['a=1'], { unsafe: true }).save(file);
    const safe = new CookieJar();
    safe.load(file);
    assert.equal(safe.size, 0);
    const cookie = (domain: string): object => ({
      key: 'a',
      value: '1',
      coded_value: '1',
      domain,
      path: '/',
    });
    writeFileSync(
      file,
      JSON.stringify({ 'example.com|': { a: cookie('other.example') }, 'com|': { a: cookie('com') } }),
    );
    safe.load(file);
    assert.equal(header(safe, 'http://other.example/'), '');
    assert.equal(header(safe, 'http://example.com/'), '');
  });
});

describe('DummyCookieJar', () => {
  it('keeps nothing', () => {
    const jar = new DummyCookieJar();
    jar.updateCookies();
    (jar as AbstractCookieJar).updateCookies({ a: '1' });
    (jar as AbstractCookieJar).updateCookiesFromHeaders(['a=1'], at('http://example.com/'));
    assert.equal(jar.size, 0);
    assert.deepEqual([...jar], []);
    assert.equal((jar as AbstractCookieJar).filterCookies(at('http://example.com/')).size, 0);
    assert.deepEqual(
      [jar.unsafe, jar.quoteCookie, jar.cookies.size, jar.hostOnlyCookies.size],
      [false, true, 0, 0],
    );
    jar.clear();
    jar.clearDomain();
  });
});

interface JarCase {
  options: { unsafe?: boolean; quote_cookie?: boolean; treat_as_secure_origin?: string };
  steps: { url: string; headers?: string[]; shared?: Record<string, string>; sent?: PlainCookie[] }[];
  kept: [string, ...PlainCookie][];
  hostOnly: string[];
}

describe('a jar that is used for a while', () => {
  it('P76: sends and keeps what that of aiohttp does', () => {
    for (const [index, { options, steps, kept, hostOnly }] of recorded<JarCase>(
      'cookie-jars.jsonl',
    ).entries()) {
      const jar = new CookieJar({
        unsafe: options.unsafe,
        quoteCookie: options.quote_cookie,
        treatAsSecureOrigin: options.treat_as_secure_origin,
      });
      for (const { url, headers, shared, sent } of steps) {
        if (headers !== undefined) jar.updateCookiesFromHeaders(headers, at(url));
        if (shared !== undefined) jar.updateCookies(shared);
        if (sent === undefined) continue;
        const filtered = [...jar.filterCookies(at(url))].map(([name, morsel]) => [
          name,
          morsel.value,
          morsel.codedValue,
          attributesOf(morsel),
        ]);
        assert.deepEqual(new Set(filtered.map(String)), new Set(sent.map(String)), `case ${index}, ${url}`);
      }
      assert.deepEqual(contents(jar), kept, `case ${index}`);
      // aiohttp forgets it when a cookie of the same name but another path expires.
      const forgotten = hostOnly.filter((key) => !jar.hostOnlyCookies.has(key));
      assert.deepEqual(forgotten, [], `case ${index}`);
    }
  });

  it('Z5: takes whatever a server sends, keeps its size, and sends no more than it may', () => {
    const part = fc.constantFrom(
      'Path=/',
      'Path=/a',
      'Domain=example.com',
      'Domain=com',
      'Secure',
      'Max-Age=0',
      'x',
      '"',
      '\0',
      '',
    );
    const cookie = fc
      .tuple(fc.constantFrom('a', 'b', '__proto__'), fc.string(), fc.array(part, { maxLength: 4 }))
      .map(([name, value, parts]) => [`${name}=${value}`, ...parts].join(';'));
    const url = fc.constantFrom(
      'http://example.com/',
      'https://www.example.com/a/b',
      'http://com/',
      'http://10.0.0.1/',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.array(cookie, { maxLength: 4 }), url), { maxLength: 8 }), (steps) => {
        const jar = new CookieJar({ maxCookies: 5, maxCookiesPerDomain: 3 });
        for (const [headers, from] of steps) {
          jar.updateCookiesFromHeaders(headers, at(from));
          const kept = contents(jar);
          assert.equal(jar.size, kept.length);
          assert.ok(jar.size <= 5);
          assert.ok(kept.every(([place]) => place !== 'com|' || jar.hostOnlyCookies.size > 0));
          const sent = jar.filterCookies(at(from));
          assert.ok(sent.size <= 5);
          const text = sent.output([], '', ';').trim();
          assert.doesNotMatch(text, /\p{Cc}/u);
          assert.deepEqual(
            parseCookieHeader(text).map(([name]) => name),
            [...sent.keys()].sort(),
          );
        }
      }),
    );
  });
});
