import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { format, inspect } from 'node:util';
import { BasicAuth, encodeBasicAuth } from 'asyncio-ts/http';
import '../support/leaks.ts';

// Results and texts were recorded from aiohttp 3.14.

describe('encodeBasicAuth', () => {
  it('makes the value of a header, in UTF-8 unless told otherwise', () => {
    assert.equal(encodeBasicAuth('a', 'b'), 'Basic YTpi');
    assert.equal(encodeBasicAuth('a'), 'Basic YTo=');
    assert.equal(encodeBasicAuth('é', 'b'), 'Basic w6k6Yg==');
    assert.equal(encodeBasicAuth('é', 'b', 'latin1'), 'Basic 6Tpi');
  });

  it('refuses what cannot be told apart, or not be encoded', () => {
    assert.throws(() => encodeBasicAuth('a:', 'b'), {
      name: 'RangeError',
      message: 'A ":" is not allowed in login (RFC 7617#section-2)',
    });
    assert.throws(() => encodeBasicAuth('€', 'b', 'latin1'), {
      name: 'RangeError',
      message: "'latin-1' codec can't encode character '€' in position 0: ordinal not in range(256)",
    });
    assert.throws(() => encodeBasicAuth('a', 'b', 'x'), {
      name: 'LookupError',
      message: 'unknown encoding: x',
    });
  });
});

describe('BasicAuth', () => {
  it('encodes itself in Latin-1 unless told otherwise', () => {
    assert.equal(new BasicAuth('é', 'b').encode(), 'Basic 6Tpi');
    assert.equal(new BasicAuth('é', 'b', 'utf-8').encode(), 'Basic w6k6Yg==');
    const { login, password, encoding } = new BasicAuth('a');
    assert.deepEqual([login, password, encoding], ['a', '', 'latin1']);
  });

  it('shows its password to nobody', () => {
    const auth = new BasicAuth('a', 'secret');
    const text = "BasicAuth(login='a', password='***', encoding='latin1')";
    assert.equal(`${auth}`, text);
    assert.equal(inspect({ auth }), `{ auth: ${text} }`);
    assert.equal(format('%o %s', auth, auth), `${text} ${text}`);
    assert.equal(JSON.stringify(auth), '{"login":"a","password":"***","encoding":"latin1"}');
    assert.deepEqual(auth, new BasicAuth('a', 'secret'));
    assert.notDeepEqual(auth, new BasicAuth('a', 'other'));
    assert.equal(auth.encode(), 'Basic YTpzZWNyZXQ=');
  });

  it('refuses names that cannot be sent', () => {
    const refused = (login: string | null, password: string | null, message: string): void => {
      const make = (): unknown => new BasicAuth(login as string, password as string);
      assert.throws(make, { name: 'RangeError', message });
    };
    refused(null, 'b', 'None is not allowed as login value');
    refused('a', null, 'None is not allowed as password value');
    refused('a:b', '', 'A ":" is not allowed in login (RFC 1945#section-11.1)');
  });

  it('reads a header', () => {
    const read = (header: string, encoding?: string): string[] => {
      const auth = BasicAuth.decode(header, encoding);
      return [auth.login, auth.password, auth.encoding];
    };
    assert.deepEqual(read('Basic YTpi'), ['a', 'b', 'latin1']);
    assert.deepEqual(read('bASIC YTpi'), ['a', 'b', 'latin1']);
    assert.deepEqual(read('Basic YTpiOmM='), ['a', 'b:c', 'latin1']);
    assert.deepEqual(read('Basic Og=='), ['', '', 'latin1']);
    assert.deepEqual(read('Basic 6To='), ['é', '', 'latin1']);
    assert.deepEqual(read('Basic w6k6', 'utf-8'), ['é', '', 'utf-8']);
  });

  it('says what is wrong with a header', () => {
    const bad: [header: string, message: string][] = [
      ['Basic', 'Could not parse authorization header.'],
      ['Digest abc', 'Unknown authorization method Digest'],
      ['Basic x', 'Invalid base64 encoding.'],
      ['Basic Y*', 'Invalid base64 encoding.'],
      ['Basic YTpi ', 'Invalid base64 encoding.'],
      ['Basic  YTpi', 'Invalid base64 encoding.'],
      ['Basic YQ==', 'Invalid credentials.'],
    ];
    for (const [header, message] of bad) {
      assert.throws(() => BasicAuth.decode(header), { name: 'RangeError', message }, header);
    }
    assert.throws(() => BasicAuth.decode('Basic 6To=', 'utf-8'), RangeError);
  });

  it('reads the credentials of a URL', () => {
    const read = (url: string): unknown => {
      const auth = BasicAuth.fromUrl(new URL(url));
      return auth && [auth.login, auth.password];
    };
    assert.deepEqual(read('http://u:p%40@h/'), ['u', 'p@']);
    assert.deepEqual(read('http://u@h/'), ['u', '']);
    assert.deepEqual(read('http://:p@h/'), ['', 'p']);
    assert.deepEqual(read('http://%C3%A9:%zz%ff@h/'), ['é', '%zz%ff']);
    assert.equal(read('http://h/'), null);
    assert.equal(BasicAuth.fromUrl(new URL('http://u@h/'), { encoding: 'utf-8' })?.encoding, 'utf-8');
    assert.throws(() => BasicAuth.fromUrl('http://u@h/' as unknown as URL), TypeError);
    assert.throws(() => read('http://u%3Av@h/'), RangeError);
  });
});
