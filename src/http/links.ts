/** Reads `Link` headers. In aiohttp a part of `ClientResponse`. */
import { MultiDict, MultiDictProxy } from './multidict.ts';

/** The links of a response by their `rel`, else by their URL as it was sent. Each has its parameters and its `url`. */
export type Links = MultiDictProxy<MultiDictProxy<string | URL>>;

/** The parameters of a link, up to the comma before the next one. */
const PARAMETERS = /(?:[^,"]|"(?:\\.|[^"\\])*"?|,(?!\s*<))*/y;
const PARAMETER = /;\s*([^\s=;]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|([^;]*))/g;

/**
 * How long a target may be: as long as a header, by default. The host takes the square of the time of a long name, and
 * one that nothing closes would go on through all headers that follow.
 */
const MAX_TARGET = 8190;

/**
 * The links of `Link` headers (RFC 8288). What cannot be read is left out.
 *
 * @param base - what relative targets are resolved against.
 *
 * Source: aiohttp 3.14 `ClientResponse.links`.
 */
export function parseLinks(headers: readonly string[], base: URL): Links {
  const links = new MultiDict<MultiDictProxy<string | URL>>();
  for (const [target, parameters] of partsOf(headers.join(', '))) {
    if (target.length > MAX_TARGET || !URL.canParse(target, base.href)) continue;
    const link = new MultiDict<string | URL>();
    for (const [, name = '', quoted, single, plain = ''] of parameters.matchAll(PARAMETER)) {
      link.add(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? single ?? plain.trim());
    }
    const rel = link.get('rel');
    link.add('url', new URL(target, base));
    links.add(typeof rel === 'string' ? rel : target, new MultiDictProxy(link));
  }
  return new MultiDictProxy(links);
}

function* partsOf(text: string): IterableIterator<[target: string, parameters: string]> {
  for (let start = text.indexOf('<'); start >= 0; ) {
    const end = text.indexOf('>', start);
    // Nor do any of the signs behind it begin one.
    if (end < 0) return;
    PARAMETERS.lastIndex = end + 1;
    const [parameters = ''] = PARAMETERS.exec(text) ?? [];
    yield [text.slice(start + 1, end), parameters];
    start = text.indexOf('<', end + 1 + parameters.length);
  }
}
