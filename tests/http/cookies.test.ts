import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CookieError, Morsel, SimpleCookie } from 'asyncio-ts/http';
import '../support/leaks.ts';

// What the texts are was recorded from CPython 3.14.

describe('SimpleCookie', () => {
  it('quotes values that need it', () => {
    assert.equal(new SimpleCookie({ x: 'plain' }).output(), 'Set-Cookie: x=plain');
    assert.equal(new SimpleCookie({ x: 'a\nb' }).output(), 'Set-Cookie: x="a\\012b"');
    assert.equal(new SimpleCookie({ x: 'a"b;c,é' }).output(), 'Set-Cookie: x="a\\"b\\073c\\054\\351"');
    assert.equal(new SimpleCookie({ x: '' }).output(), 'Set-Cookie: x=""');
    assert.equal(new SimpleCookie({ x: '' }).get('x')?.value, '');
  });

  it('prints cookies sorted by name, and their attributes sorted, too', () => {
    const cookies = new SimpleCookie([
      ['y', 'z'],
      ['x', 7],
    ]);
    const attributes = cookies.get('x')?.attributes;
    attributes?.set('max-age', 5).set('Secure', true).set('partitioned', true).set('comment', 'a b');
    attributes?.set('path', '/').set('httponly', true).set('samesite', 'Lax');
    const text = 'x=7; Comment="a b"; HttpOnly; Max-Age=5; Partitioned; Path=/; SameSite=Lax; Secure';
    assert.equal(cookies.output(), `Set-Cookie: ${text}\r\nSet-Cookie: y=z`);
    assert.equal(cookies.output(['path'], 'Cookie:', ' '), 'Cookie: x=7; Path=/ Cookie: y=z');
    assert.equal(String(cookies), "<SimpleCookie: x='7' y='z'>");
    assert.equal(String(cookies.get('x')), `<Morsel: ${text}>`);
    assert.equal(String(new SimpleCookie()), '<SimpleCookie: >');
  });

  it('reads a text, all or nothing', () => {
    const output = (text: string): string => new SimpleCookie(text).output();
    assert.equal(
      output('a=b; c="d;e\\073"; Path=/x; HttpOnly'),
      'Set-Cookie: a=b\r\nSet-Cookie: c="d;e\\073"; HttpOnly; Path=/x',
    );
    assert.equal(new SimpleCookie('c="d;e\\073"').get('c')?.value, 'd;e;');
    assert.equal(output('$Version=1; a=b; $Path=/'), 'Set-Cookie: a=b; Path=/');
    assert.equal(
      output('a=b; expires=Tue, 01-Jan-2030 12:00:00 GMT; c=d'),
      'Set-Cookie: a=b; expires=Tue, 01-Jan-2030 12:00:00 GMT\r\nSet-Cookie: c=d',
    );
    assert.equal(output('a=b; Path=/; Secure; c="d;e\\073"; HttpOnly; x'), '');
    assert.equal(output('Path=/; a=b'), '');
    assert.equal(output('a=b; Path'), '');
  });

  it('lets a cookie keep its attributes when it gets another value', () => {
    const cookies = new SimpleCookie('a=1; Path=/x');
    cookies.set('a', 2);
    assert.equal(cookies.output(), 'Set-Cookie: a=2; Path=/x');
  });

  it('F29: takes names that mean something to JavaScript for what they are', () => {
    const cookies = new SimpleCookie(JSON.parse('{"__proto__": "1", "constructor": "2"}'));
    assert.deepEqual([...cookies.keys()], ['__proto__', 'constructor']);
    assert.equal(cookies.get('toString'), undefined);
    assert.equal(new SimpleCookie('__proto__=1; constructor=2').get('__proto__')?.value, '1');
  });
});

describe('Morsel', () => {
  it('refuses names that are none', () => {
    const morsel = new Morsel();
    const refused = (key: string, message: string): void => {
      assert.throws(() => morsel.set(key, 'b', 'b'), { name: 'CookieError', message });
    };
    refused('a\x01', "Illegal key 'a\\x01'");
    refused('a b', "Illegal key 'a b'");
    refused('a=b', "Illegal key 'a=b'");
    refused('', "Illegal key ''");
    refused('Path', "Attempt to set a reserved key 'Path'");
    assert.throws(() => morsel.attributes.set('foo', '/'), { message: "Invalid attribute 'foo'" });
    assert.equal(morsel.isReservedKey('MAX-AGE'), true);
    assert.equal(morsel.isReservedKey('age'), false);
  });

  it('P78: refuses what would break out of a header', () => {
    const morsel = new Morsel();
    for (const bad of ['a\r\nX: y', 'a\nb', 'a\0b', 'a\x7f']) {
      assert.throws(() => morsel.set('a', bad, bad), CookieError);
      assert.throws(() => morsel.attributes.set('path', bad), CookieError);
    }
    morsel.set('a', 'x\ny', '"x\\012y"');
    assert.equal(morsel.OutputString(), 'a="x\\012y"');
  });

  it('GHSA-v3r7-h72x-cjcm: refuses an attribute that would smuggle in another one', () => {
    const { attributes } = new Morsel();
    for (const name of ['path', 'domain', 'samesite', 'expires', 'max-age', 'version']) {
      assert.throws(() => attributes.set(name, 'x; Domain=evil.example'), CookieError);
    }
    assert.equal(attributes.size, 0);
    attributes.set('comment', 'x; Domain=evil.example');
    const morsel = new Morsel();
    morsel.set('a', 'b', 'b');
    morsel.attributes.set('comment', 'x; Domain=evil.example');
    assert.equal(morsel.OutputString(), 'a=b; Comment="x\\073 Domain=evil.example"');
  });

  it('finds attributes in any case, and an empty value takes one away', () => {
    const { attributes } = new Morsel();
    attributes.set('PATH', '/a').set('Expires', new Date(0)).set('Secure', 'anything');
    assert.deepEqual(
      [...attributes],
      [
        ['path', '/a'],
        ['expires', 'Thu, 01 Jan 1970 00:00:00 GMT'],
        ['secure', true],
      ],
    );
    assert.equal(attributes.get('Path'), '/a');
    attributes.set('path', '').set('secure', false);
    assert.deepEqual([...attributes.keys()], ['expires']);
    assert.equal(attributes.has('EXPIRES') && attributes.delete('EXPIRES'), true);
    assert.equal(attributes.size, 0);
  });

  it('copies itself with its attributes', () => {
    const morsel = new SimpleCookie('a=1; Path=/x; Secure').get('a') as Morsel;
    const copy = morsel.copy();
    copy.attributes.set('path', '/y');
    copy.set('b', '2', '2');
    assert.equal(morsel.OutputString(), 'a=1; Path=/x; Secure');
    assert.equal(copy.OutputString(), 'b=2; Path=/y; Secure');
  });
});
