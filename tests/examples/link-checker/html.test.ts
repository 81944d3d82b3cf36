import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePage } from '../../../examples/link-checker/html.ts';
import '../../support/leaks.ts';

/** The links of a page, as `element href "text"`. */
const linksOf = (html: string): string[] =>
  parsePage(html).anchors.map(({ element, href, text }) => `${element} ${href} "${text}"`);

describe('parsePage', () => {
  it('finds the links of all elements that have them, in their order', () => {
    const html = `<link rel=stylesheet href=a.css><script src='b.js'></script>
      <a href="c">C</a><IMG SRC=d.png ALT="a d"><area href=e><iframe src=f></iframe>
      <video src=g><source src=h></video><audio src=i></audio>
      <a name=here>no link</a><img alt="none"><form action=j></form>`;
    assert.deepEqual(linksOf(html), [
      'link a.css ""',
      'script b.js ""',
      'a c "C"',
      'img d.png "a d"',
      'area e ""',
      'iframe f ""',
      'video g ""',
      'source h ""',
      'audio i ""',
    ]);
  });

  it('decodes entities, in addresses and in texts', () => {
    const html =
      '<a href="?a=1&amp;b=2&#38;c=&#x26;&copy=3&lt">5 &lt; 6&nbsp;&#0;&#xD800;&#1114112; &bogus;</a>';
    assert.deepEqual(linksOf(html), ['a ?a=1&b=2&c=&&copy=3&lt "5 < 6 \ufffd\ufffd\ufffd &bogus;"']);
  });

  it('takes the text of a link from what is in it, images as well', () => {
    const html = `<a href=x> one\n <b>two</b> <img src=y alt="three"> </a> four <a href=z>five<a href=q>six`;
    assert.deepEqual(linksOf(html), ['a x "one two three"', 'img y "three"', 'a z "five"', 'a q "six"']);
  });

  it('looks into no comment, script, style or text of a form', () => {
    const html = `<!-- <a href=no> --><!doctype html><?x <a href=no> ?>
      <script>if (a<b) document.write('<a href="no">')</script>
      <style>a::after { content: '<a href=no>' }</style><textarea><a href=no></textarea>
      <title><a href=no></TITLE ><a href=yes>`;
    assert.deepEqual(linksOf(html), ['a yes ""']);
  });

  it('makes do with HTML of any quality', () => {
    assert.deepEqual(linksOf('1 < 2 <> </> <3 <a href = "x" href=y =z / >t</a'), ['a x "t"']);
    assert.deepEqual(linksOf('<a href="never closed>t</a>'), ['a "never "t"']);
    assert.deepEqual(linksOf('<a href=x'), ['a x ""']);
    assert.deepEqual(linksOf('<a href="x"title="y">t'), ['a x "t"']);
    assert.deepEqual(linksOf('<a href=x><script>'), ['a x ""']);
    assert.deepEqual(linksOf('<a href=x><!-- '), ['a x ""']);
    assert.deepEqual(linksOf('<a href>t'), ['a  "t"']);
  });

  it('passes over addresses that name a server, not a resource', () => {
    assert.deepEqual(linksOf('<link rel=preconnect href=//a><link rel=DNS-prefetch href=//b>'), []);
  });

  it('collects the names of elements, and the first base', () => {
    const { base, ids } = parsePage(
      '<base target=_top><base href=/b/><base href=/c/><h1 id=x><a name="y&amp;z"><p id>',
    );
    assert.equal(base, '/b/');
    assert.deepEqual([...ids], ['x', 'y&z', '']);
  });

  it('takes time in proportion to the page, whatever is in it', () => {
    const n = 300_000;
    // What is quadratic here does not end within the time of a test.
    for (const piece of [
      '<',
      '<a ',
      '<a href="',
      "<a x='",
      '<!-',
      '<a =',
      '<script>',
      '</',
      '<a\t',
      '&#',
      '<a/',
    ])
      parsePage(piece.repeat(n));
    assert.deepEqual(linksOf(`<a${' '.repeat(n * 5)}href=x>`), ['a x ""']);
    assert.deepEqual(linksOf(`<a x${' '.repeat(n * 5)}href=y>`), ['a y ""']);
  });
});
