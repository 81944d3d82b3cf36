import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setLogger } from 'asyncio-ts';
import { type Morsel, parseCookieHeader, parseSetCookieHeaders, SimpleCookie } from 'asyncio-ts/http';
import fc from 'fast-check';
import '../support/leaks.ts';
import { attributesOf, type PlainCookie, recorded } from './recorded.ts';

interface HeaderCase {
  setCookie?: string[];
  cookie?: string;
  cookies: PlainCookie[];
}

const cases = recorded<HeaderCase>('cookie-headers.jsonl');

const plain = ([name, morsel]: [string, Morsel]): PlainCookie => [
  name,
  morsel.value,
  morsel.codedValue,
  attributesOf(morsel),
];

/** What `body` writes to the log, as `level: message`. */
function logOf(body: () => void): string[] {
  const lines: string[] = [];
  const level = (name: string) => (message: string) => void lines.push(`${name}: ${message}`);
  setLogger({
    debug: level('debug'),
    info: level('info'),
    warning: level('warning'),
    error: level('error'),
  });
  try {
    body();
  } finally {
    setLogger(null);
  }
  return lines;
}

describe('parseSetCookieHeaders', () => {
  it('P76: takes what aiohttp takes', () => {
    let count = 0;
    logOf(() => {
      for (const { setCookie, cookies } of cases) {
        if (setCookie === undefined) continue;
        count++;
        assert.deepEqual(parseSetCookieHeaders(setCookie).map(plain), cookies, JSON.stringify(setCookie));
      }
    });
    assert.ok(count > 200);
  });

  it('CVE-2025-69230: writes one line about bad names, however many there are', () => {
    const bad = Array.from({ length: 2000 }, (_, i) => `n${i},=v`).join('; ');
    const lines = logOf(() => assert.deepEqual(parseSetCookieHeaders(Array(50).fill(bad) as string[]), []));
    assert.deepEqual(lines, [
      "warning: Can not load cookies: Illegal cookie names 'n0,', 'n1,', 'n2,', 'n3,', 'n4,' and 99995 more",
    ]);
    const long = logOf(() => parseSetCookieHeaders([`${','.repeat(8000)}=v`]));
    assert.deepEqual(long, [`warning: Can not load cookies: Illegal cookie name '${','.repeat(60)}'`]);
  });

  it('P78: leaves a cookie out that has control characters, and an attribute that smuggles', () => {
    assert.deepEqual(parseSetCookieHeaders(['a="x\x07y"', 'b=1']).map(plain), [['b', '1', '1', {}]]);
    assert.deepEqual(parseSetCookieHeaders(['a="x\r\ny"; Path=/']).map(plain), []);
    assert.deepEqual(
      parseSetCookieHeaders([
        'a=1; Path="/; Domain=evil.example"; Domain="x\\073y"; Comment="c\\012d"; Secure',
      ]).map(plain),
      [['a', '1', '1', { secure: true }]],
    );
  });

  it('Z5: takes any text without an error, and only what can be sent again', () => {
    const text = fc.string({
      unit: fc.constantFrom(...'ab=;," \\\t\r\n\0\x7f$/é[{'.split(''), 'Path', 'Max-Age', '__proto__'),
    });
    logOf(() =>
      fc.assert(
        fc.property(fc.array(text, { maxLength: 4 }), (headers) => {
          for (const [name, morsel] of parseSetCookieHeaders(headers)) {
            assert.match(name, /^[^\s;,="\\\p{Cc}][^\s;,"\\\p{Cc}]*$/u);
            assert.doesNotMatch(morsel.OutputString(), /\p{Cc}/u);
          }
        }),
        { numRuns: 3000 },
      ),
    );
  });
});

describe('parseCookieHeader', () => {
  it('P76: takes what aiohttp takes', () => {
    let count = 0;
    for (const { cookie, cookies } of cases) {
      if (cookie === undefined) continue;
      count++;
      assert.deepEqual(parseCookieHeader(cookie).map(plain), cookies, JSON.stringify(cookie));
    }
    assert.ok(count > 100);
  });

  it('CVE-2025-69230: writes one line about bad names', () => {
    const lines = logOf(() => assert.deepEqual(parseCookieHeader('a,=1; b,=2; c=3').length, 1));
    assert.deepEqual(lines, ["debug: Cannot load cookie. Illegal cookie names: 'a,', 'b,'"]);
  });

  it('Z5: gives back the cookies that a jar would send', () => {
    const name = fc.string({ unit: fc.constantFrom(...'abzAZ09!#$%&*+-.^_`|~'.split('')), minLength: 1 });
    const value = fc.string({ unit: fc.constantFrom(...'ab ;,"\\=é\t\n'.split('')) });
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 5 }),
        (pairs) => {
          const cookies = new SimpleCookie(pairs);
          const header = [...cookies.values()].map((morsel) => morsel.OutputString()).join('; ');
          assert.deepEqual(
            parseCookieHeader(header).map(([key, morsel]) => [key, morsel.value]),
            pairs,
          );
        },
      ),
    );
  });
});
