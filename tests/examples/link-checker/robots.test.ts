import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Robots } from '../../../examples/link-checker/robots.ts';
import '../../support/leaks.ts';

const allows = (robots: string, path: string): boolean =>
  Robots.parse(robots, 'Checker').allows(new URL(path, 'http://host'));

describe('Robots', () => {
  it('forbids by the beginning of the path', () => {
    const robots = 'User-agent: *\nDisallow: /private\n';
    assert(!allows(robots, '/private'));
    assert(!allows(robots, '/private/x?y'));
    assert(!allows(robots, '/privateer'));
    assert(allows(robots, '/'));
    assert(allows(robots, '/x/private'));
  });

  it('lets the longest rule decide, and of equals the one that allows', () => {
    const robots = 'User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /a/b/c\nAllow: /x\nDisallow: /x\n';
    assert(!allows(robots, '/a/'));
    assert(allows(robots, '/a/b'));
    assert(!allows(robots, '/a/b/c'));
    assert(allows(robots, '/x'));
  });

  it('knows asterisks, and the dollar at the end', () => {
    const robots =
      'User-agent: *\nDisallow: /*.pdf$\nDisallow: /a*b*c\nDisallow: /only$\nDisallow: *?print=\n';
    assert(!allows(robots, '/x.pdf'));
    assert(allows(robots, '/x.pdf?y'));
    assert(!allows(robots, '/a1b2c3'));
    assert(allows(robots, '/a1c2b3'));
    assert(!allows(robots, '/only'));
    assert(allows(robots, '/only/'));
    assert(!allows(robots, '/x?print=1'));
    assert(allows('User-agent: *\nDisallow: /ab*b$', '/ab'), 'no character counts twice');
  });

  it('takes the groups with its own name, or else those for everybody', () => {
    const robots = `User-agent: other
User-agent: CHECKER
Disallow: /ours
User-agent: *
Disallow: /
User-agent: checker
Disallow: /too`;
    assert(allows(robots, '/'));
    assert(!allows(robots, '/ours'));
    assert(!allows(robots, '/too'));
    assert(!Robots.parse(robots, 'stranger').allows(new URL('http://host/')));
  });

  it('reads Crawl-delay', () => {
    const delayOf = (text: string): number | null => Robots.parse(text, 'x').delay;
    assert.equal(delayOf('User-agent: *\nCrawl-delay: 2.5'), 2.5);
    assert.equal(delayOf('User-agent: *\nCrawl-delay: soon'), null);
    assert.equal(delayOf('User-agent: *\nCrawl-delay:'), null);
    assert.equal(delayOf('User-agent: *\nCrawl-delay: -1'), null);
    assert.equal(delayOf('Crawl-delay: 9\nUser-agent: y\nCrawl-delay: 8'), null);
  });

  it('passes over everything that is none of its kind', () => {
    const junk =
      '\ufeffUSER-AGENT :  * # all\r\n\r\nSitemap: /x\r\nDisallow: # nothing\rNonsense\nDISALLOW:/p # q\n\0\x01<html>';
    assert(!allows(junk, '/p'));
    assert(allows(junk, '/q'));
    assert(allows('<html><body>Disallow: /</body></html>', '/'));
    assert(allows('Disallow: /', '/'), 'a rule for nobody');
    assert(!allows('User-agent: *\nDisallow: /ä€', '/%C3%A4%E2%82%AC'));
  });

  it('takes time in proportion to the pattern', () => {
    const robots = `User-agent: *\nDisallow: /${'*a'.repeat(10_000)}b\n`;
    assert(allows(robots, `/${'a'.repeat(20_000)}`));
  });
});
