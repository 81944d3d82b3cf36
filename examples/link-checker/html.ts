/**
 * What a link checker wants to know of a page: its links with their texts, the names that fragments may point at, and the
 * base of relative links. A tokenizer of tags and attributes, in time that grows with the page and no faster; it builds no
 * tree, and makes do with HTML of any quality.
 */

/** A link as it stands in the page. */
export interface Anchor {
  readonly element: string;
  /** With entities decoded, not yet resolved. */
  readonly href: string;
  /** Between `<a>` and `</a>`, or the `alt` of an image. */
  text: string;
}

/** What was found in a page. */
export interface Page {
  /** The first `<base href>`. */
  readonly base: string | null;
  readonly anchors: readonly Anchor[];
  /** Every `id`, and the `name` of every `<a>`. */
  readonly ids: ReadonlySet<string>;
}

/** The attribute of each element that leads to another resource. */
const LINK_ATTRIBUTE = new Map([
  ['a', 'href'],
  ['area', 'href'],
  ['audio', 'src'],
  ['iframe', 'src'],
  ['img', 'src'],
  ['link', 'href'],
  ['script', 'src'],
  ['source', 'src'],
  ['video', 'src'],
]);

/** Of these `<link>`s the address is that of a server, not of a resource. */
const HINTS = /^(preconnect|dns-prefetch)$/i;

/** Elements whose content is text, whatever it looks like. */
const RAW = new Set(['iframe', 'noembed', 'noframes', 'script', 'style', 'textarea', 'title', 'xmp']);

const NAME = /<(\/?)([a-z][^\s/>]*)/iy;
const SPACE = /[\s/]*/y;
const ATTRIBUTE = /([^\s/>=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/y;
const ENTITY = /&(?:#(\d{1,7})|#x([\da-f]{1,6})|(amp|apos|gt|lt|nbsp|quot));/gi;
const NAMED: Record<string, string> = { amp: '&', apos: "'", gt: '>', lt: '<', nbsp: '\u00a0', quot: '"' };

type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'close'; readonly name: string }
  | { readonly kind: 'open'; readonly name: string; readonly attributes: ReadonlyMap<string, string> };

/** Find what is of interest in a page. */
export function parsePage(html: string): Page {
  let base: string | null = null;
  const anchors: Anchor[] = [];
  const ids = new Set<string>();
  // The <a> whose end has not come yet.
  let open: Anchor | null = null;
  for (const token of tokensOf(html)) {
    if (token.kind === 'text') {
      if (open !== null) open.text += decodeEntities(token.text);
      continue;
    }
    const { name } = token;
    if (name === 'a') open = null;
    if (token.kind === 'close') continue;
    const { attributes } = token;
    const id = attributes.get('id');
    if (id !== undefined) ids.add(id);
    if (name === 'a' && attributes.has('name')) ids.add(attributes.get('name') ?? '');
    if (name === 'base') base ??= attributes.get('href') ?? null;
    const alt = attributes.get('alt') ?? '';
    if (open !== null) open.text += alt;
    const href = attributes.get(LINK_ATTRIBUTE.get(name) ?? '');
    if (href === undefined || HINTS.test(attributes.get('rel') ?? '')) continue;
    const anchor = { element: name, href, text: alt };
    anchors.push(anchor);
    if (name === 'a') open = anchor;
  }
  for (const anchor of anchors) anchor.text = anchor.text.replaceAll(/\s+/g, ' ').trim();
  return { base, anchors, ids };
}

function* tokensOf(html: string): Generator<Token> {
  let textStart = 0;
  for (let at = html.indexOf('<'); at >= 0; at = html.indexOf('<', at)) {
    let end = endOfMarkup(html, at);
    NAME.lastIndex = at;
    const tag = end === null ? NAME.exec(html) : null;
    if (tag === null && end === null) {
      at++; // a lone `<` is text
      continue;
    }
    if (at > textStart) yield { kind: 'text', text: html.slice(textStart, at) };
    if (tag !== null) {
      const name = (tag[2] as string).toLowerCase();
      const attributes = new Map<string, string>();
      end = readAttributes(html, NAME.lastIndex, attributes);
      if (tag[1] === '/') yield { kind: 'close', name };
      else yield { kind: 'open', name, attributes };
      if (tag[1] === '' && RAW.has(name)) end = endOfRaw(html, end, name);
    }
    at = textStart = end as number;
  }
  if (textStart < html.length) yield { kind: 'text', text: html.slice(textStart) };
}

/** Where a comment, declaration or processing instruction ends that begins at `at`; null if none does. */
function endOfMarkup(html: string, at: number): number | null {
  const closing = html.startsWith('<!--', at) ? '-->' : /[!?]/.test(html[at + 1] ?? '') ? '>' : null;
  if (closing === null) return null;
  const end = html.indexOf(closing, at + 2);
  return end < 0 ? html.length : end + closing.length;
}

/** Read attributes from `at` on; gives where the tag ends. */
function readAttributes(html: string, at: number, attributes: Map<string, string>): number {
  for (;;) {
    SPACE.lastIndex = at;
    SPACE.exec(html);
    at = SPACE.lastIndex;
    if (at >= html.length) return at;
    if (html[at] === '>') return at + 1;
    ATTRIBUTE.lastIndex = at;
    const match = ATTRIBUTE.exec(html);
    if (match === null) {
      at++; // a stray `=`
      continue;
    }
    at = ATTRIBUTE.lastIndex;
    const [, name = '', double, single, bare] = match;
    const key = name.toLowerCase();
    if (!attributes.has(key)) attributes.set(key, decodeEntities(double ?? single ?? bare ?? ''));
  }
}

function endOfRaw(html: string, at: number, name: string): number {
  const closing = new RegExp(`</${name}(?=[\\s/>])`, 'gi');
  closing.lastIndex = at;
  return closing.exec(html)?.index ?? html.length;
}

/** Entities by number, and the named ones that addresses and texts of links are written with. */
function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replaceAll(ENTITY, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return NAMED[name.toLowerCase()] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
      ? String.fromCodePoint(code)
      : '\ufffd';
  });
}
