import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CIMultiDict } from 'asyncio-ts/http';
import '../support/leaks.ts';

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
});
