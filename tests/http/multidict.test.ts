import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CIMultiDict, CIMultiDictProxy, MultiDict, MultiDictProxy } from 'asyncio-ts/http';
import '../support/leaks.ts';

/** A dictionary of `a`, `b` and `A`, in which the methods below make their changes. */
const small = (): CIMultiDict =>
  new CIMultiDict([
    ['a', '1'],
    ['b', '2'],
    ['A', '3'],
  ]);

describe('CIMultiDict', () => {
  it('finds names in any case and keeps theirs', () => {
    const headers = new CIMultiDict({ 'X-One': '1' });
    headers.add('x-one', '2');
    assert.equal(headers.get('X-ONE'), '1');
    assert.deepEqual(headers.getall('x-One'), ['1', '2']);
    assert.equal(headers.has('x-one'), true);
    assert.equal(headers.get('none'), null);
    assert.deepEqual(headers.getall('none'), []);
    assert.deepEqual(
      [...headers],
      [
        ['X-One', '1'],
        ['x-one', '2'],
      ],
    );
    assert.deepEqual([...headers.keys()], ['X-One', 'x-one']);
    assert.deepEqual([...headers.values()], ['1', '2']);
    assert.equal(headers.size, 2);
    assert.equal(String(headers), "<CIMultiDict('X-One': '1', 'x-one': '2')>");
  });

  it('sets one value in place of all, where the first was', () => {
    const headers = new CIMultiDict([
      ['a', '1'],
      ['b', '2'],
      ['A', '3'],
    ]);
    headers.set('A', '4');
    assert.deepEqual(
      [...headers],
      [
        ['A', '4'],
        ['b', '2'],
      ],
    );
    headers.set('c', '5');
    assert.equal(headers.delete('B'), true);
    assert.equal(headers.delete('B'), false);
    assert.deepEqual(
      [...headers],
      [
        ['A', '4'],
        ['c', '5'],
      ],
    );
  });

  it('takes names over from others, with all their values', () => {
    const headers = new CIMultiDict({ a: '1', b: '2' });
    headers.update([
      ['A', '3'],
      ['a', '4'],
      ['c', '5'],
    ]);
    assert.deepEqual(
      [...headers],
      [
        ['A', '3'],
        ['b', '2'],
        ['a', '4'],
        ['c', '5'],
      ],
    );
  });

  it('takes names that mean something to JavaScript for what they are', () => {
    const headers = new CIMultiDict(
      JSON.parse('{"__proto__": "1", "constructor": "2"}') as Record<string, string>,
    );
    assert.equal(headers.get('__proto__'), '1');
    assert.equal(headers.get('constructor'), '2');
    assert.equal(headers.get('toString'), null);
  });

  // Recorded from multidict 6.9.
  it('replaces as many values as there are, where they are', () => {
    const headers = small();
    headers.update([
      ['A', '5'],
      ['a', '6'],
      ['z', '7'],
    ]);
    assert.equal(String(headers), "<CIMultiDict('A': '5', 'b': '2', 'a': '6', 'z': '7')>");
    headers.update({ B: 'x', A: ['8'] });
    assert.equal(String(headers), "<CIMultiDict('A': '8', 'B': 'x', 'z': '7')>");
  });

  it('appends what others have, all of it or what is new', () => {
    const headers = small();
    headers.extend({ A: '9' });
    assert.equal(String(headers), "<CIMultiDict('a': '1', 'b': '2', 'A': '3', 'A': '9')>");
    const merged = small();
    merged.merge([
      ['A', '9'],
      ['c', '1'],
      ['C', '2'],
    ]);
    assert.equal(String(merged), "<CIMultiDict('a': '1', 'b': '2', 'A': '3', 'c': '1', 'C': '2')>");
    merged.extend(merged);
    assert.equal(merged.size, 10);
  });

  it('takes values out, and puts them in where there are none', () => {
    const headers = small();
    assert.equal(headers.pop('A'), '1');
    assert.deepEqual(headers.popall('a'), ['3']);
    assert.deepEqual([headers.pop('a'), headers.popall('a')], [null, []]);
    assert.equal(headers.setdefault('q', '1'), '1');
    assert.equal(headers.setdefault('Q', '2'), '1');
    assert.equal(String(headers), "<CIMultiDict('b': '2', 'q': '1')>");
    assert.equal(headers.get('none', 'else'), 'else');
    headers.clear();
    assert.equal(headers.size, 0);
  });

  it('is made of anything that can be headers', () => {
    const expected = "<CIMultiDict('a': '1', 'b': '2')>";
    const pairs: [string, string][] = [
      ['a', '1'],
      ['b', '2'],
    ];
    const forms = [
      pairs,
      new Map(pairs),
      new Headers(pairs),
      new CIMultiDict(pairs),
      { a: 1, b: '2', c: null },
    ];
    for (const form of [...forms, new CIMultiDictProxy(new CIMultiDict(pairs)), new Set(pairs)]) {
      assert.equal(String(new CIMultiDict(form)), expected);
    }
    assert.equal(
      String(new CIMultiDict({ a: ['1', '2'], b: undefined })),
      "<CIMultiDict('a': '1', 'a': '2')>",
    );
    assert.equal(String(new CIMultiDict(null)), '<CIMultiDict()>');
  });

  it('is printed without credentials', () => {
    const headers = new CIMultiDict({ AUTHORIZATION: 'Basic abc=', 'Proxy-Authorization': 'abc', A: 'b' });
    headers.add('Authorization', 'Digest username="x",\n response="abc"');
    const shown = [
      ['AUTHORIZATION', 'Basic ***'],
      ['Proxy-Authorization', '***'],
      ['A', 'b'],
      ['Authorization', 'Digest ***'],
    ];
    assert.equal(
      `${headers}`,
      "<CIMultiDict('AUTHORIZATION': 'Basic ***', 'Proxy-Authorization': '***', 'A': 'b', 'Authorization': 'Digest ***')>",
    );
    assert.equal(JSON.stringify(headers), JSON.stringify(shown));
    assert.equal(JSON.stringify(new CIMultiDictProxy(headers)), JSON.stringify(shown));
    assert.equal(JSON.stringify(new MultiDict<unknown>({ a: 1 })), '[["a",1]]');
    assert.equal(headers.get('authorization'), 'Basic abc=');
  });

  it('has copies that go their own ways', () => {
    const headers = small();
    const copy = new CIMultiDict(headers);
    copy.set('a', '9');
    headers.add('c', '4');
    assert.equal(String(copy), "<CIMultiDict('a': '9', 'b': '2')>");
    assert.equal(String(headers), "<CIMultiDict('a': '1', 'b': '2', 'A': '3', 'c': '4')>");
  });

  it('may change while somebody goes through it', () => {
    const headers = small();
    for (const [name] of headers) headers.delete(name);
    assert.equal(headers.size, 0);
    const seen: string[] = [];
    small().forEach((value, name) => seen.push(name + value));
    assert.deepEqual(seen, ['a1', 'b2', 'A3']);
  });
});

describe('MultiDict', () => {
  it('tells names apart by their case, and has values of any kind', () => {
    const dict = new MultiDict<number>([
      ['a', 1],
      ['b', 2],
      ['A', 3],
      ['a', 4],
    ]);
    assert.deepEqual([dict.getall('a'), dict.get('A'), dict.get('x')], [[1, 4], 3, null]);
    assert.equal(String(dict), "<MultiDict('a': 1, 'b': 2, 'A': 3, 'a': 4)>");
    dict.update({ a: 5 });
    dict.merge({ a: 6, c: 7 });
    assert.equal(String(dict), "<MultiDict('a': 5, 'b': 2, 'A': 3, 'c': 7)>");
    assert.equal(new MultiDict({ a: 1 }).size, 1);
  });
});

describe('MultiDictProxy', () => {
  it('shows the changes of a dictionary, and makes none', () => {
    const headers = small();
    const view = new CIMultiDictProxy(headers);
    headers.delete('a');
    headers.add('C', '4');
    headers.update({ b: '5' });
    assert.equal(String(view), "<CIMultiDictProxy('b': '5', 'C': '4')>");
    assert.deepEqual([view.get('B'), view.has('c'), view.getall('c'), view.size], ['5', true, ['4'], 2]);
    headers.clear();
    assert.deepEqual([view.size, [...view]], [0, []]);
    for (const name of ['add', 'set', 'delete', 'update', 'extend', 'clear', 'pop']) {
      assert.equal(name in view, false, name);
    }
  });

  it('gives copies that can be changed', () => {
    const headers = small();
    const copy = new CIMultiDictProxy(new CIMultiDictProxy(headers)).copy();
    assert.ok(copy instanceof CIMultiDict);
    copy.clear();
    assert.equal(headers.size, 3);
    const dict = new MultiDictProxy(new MultiDict({ a: 1 })).copy();
    assert.ok(dict instanceof MultiDict);
    assert.equal(String(dict), "<MultiDict('a': 1)>");
  });

  it('is one of dictionaries alone', () => {
    const refused = (make: () => unknown, message: string): void =>
      assert.throws(make, { name: 'TypeError', message });
    refused(
      () => new MultiDictProxy({} as MultiDict),
      'ctor requires MultiDict or MultiDictProxy instance, not Object',
    );
    refused(
      () => new CIMultiDictProxy(new MultiDict() as CIMultiDict),
      'ctor requires CIMultiDict or CIMultiDictProxy instance, not MultiDict',
    );
  });
});
