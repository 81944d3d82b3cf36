import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import { ChainMapProxy, ClientSession, parseLinks } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serve } from './servers.ts';

/** The links of headers by name, URLs as text. */
function linksOf(...headers: string[]): unknown {
  return [...parseLinks(headers, new URL('http://h/d/e'))].map(([name, link]) => [
    name,
    Object.fromEntries([...link].map(([key, value]) => [key, String(value)])),
  ]);
}

describe('parseLinks', () => {
  it('reads links with their parameters', () => {
    assert.deepEqual(linksOf('<http://example.com/2>; rel="next"; title="two", </9>; rel=last'), [
      ['next', { rel: 'next', title: 'two', url: 'http://example.com/2' }],
      ['last', { rel: 'last', url: 'http://h/9' }],
    ]);
    assert.deepEqual(linksOf("<a>; rel='single'; foo = bar ", '<b>;rel=next'), [
      ['single', { rel: 'single', foo: 'bar', url: 'http://h/d/a' }],
      ['next', { rel: 'next', url: 'http://h/d/b' }],
    ]);
  });

  it('names a link by its target if it has no rel', () => {
    assert.deepEqual(linksOf('<http://example.com/>, <x>; title=y'), [
      ['http://example.com/', { url: 'http://example.com/' }],
      ['x', { title: 'y', url: 'http://h/d/x' }],
    ]);
  });

  it('keeps what stands between quotes together', () => {
    assert.deepEqual(linksOf('<a>; title="x, <y>; z=\\"q\\""; rel=r, <b>; rel=s'), [
      ['r', { title: 'x, <y>; z="q"', rel: 'r', url: 'http://h/d/a' }],
      ['s', { rel: 's', url: 'http://h/d/b' }],
    ]);
    assert.deepEqual(linksOf('<a>; title=x, y; rel=r'), [
      ['r', { title: 'x, y', rel: 'r', url: 'http://h/d/a' }],
    ]);
  });

  it('keeps several links of one name', () => {
    const links = parseLinks(['<a>; rel=x, <b>; rel=x'], new URL('http://h/'));
    assert.deepEqual(
      links.getall('x').map((link) => String(link.get('url'))),
      ['http://h/a', 'http://h/b'],
    );
    assert.ok(links.get('x')?.get('url') instanceof URL);
  });

  it('leaves out what is no link', () => {
    for (const header of ['', 'garbage', '<unclosed; rel=x', '<http://[>; rel=x', ';']) {
      assert.deepEqual(linksOf(header), [], header);
    }
    assert.deepEqual(linksOf('junk <a>; rel=x'), [['x', { rel: 'x', url: 'http://h/d/a' }]]);
  });

  it('is what the links of a response are', () =>
    run(async () => {
      await using site = await serve((_request, response) => {
        response.setHeader('Link', ['</2>; rel=next', '</1>; rel=first']);
        response.end();
      });
      await using session = new ClientSession(site.url);
      const links = await session.get('x').run((response) => response.links);
      assert.deepEqual([...links.keys()], ['next', 'first']);
      assert.equal(String(links.get('next')?.get('url')), `${site.url}2`);
    }));
});

describe('ChainMapProxy', () => {
  it('shows several maps as one, of which the first counts', () => {
    const first = new Map([['a', 1]]);
    const second = new Map([
      ['a', 2],
      ['b', 3],
    ]);
    const chain = new ChainMapProxy([first, second]);
    assert.deepEqual([chain.get('a'), chain.get('b'), chain.get('c')], [1, 3, undefined]);
    assert.deepEqual([chain.has('b'), chain.has('c'), chain.size], [true, false, 2]);
    assert.deepEqual([...chain], [...new Map([...second, ...first])]);
    first.set('c', 4);
    assert.deepEqual([...chain.keys()], ['a', 'b', 'c']);
    assert.deepEqual([...chain.values()], [1, 3, 4]);
    const seen: unknown[] = [];
    chain.forEach((value, key, map) => seen.push([key, value, map === chain]));
    assert.deepEqual(seen, [
      ['a', 1, true],
      ['b', 3, true],
      ['c', 4, true],
    ]);
  });

  it('finds a value that is undefined where the first map has it', () => {
    const chain = new ChainMapProxy([new Map([['a', undefined]]), new Map([['a', 1]])]);
    assert.equal(chain.get('a'), undefined);
  });
});
