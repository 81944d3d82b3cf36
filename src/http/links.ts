/** Reads `Link` headers. In aiohttp a part of `ClientResponse`. */
import { MultiDict, MultiDictProxy } from './multidict.ts';

/** The links of a response by their `rel`, else by their URL as it was sent. Each has its parameters and its `url`. */
export type Links = MultiDictProxy<MultiDictProxy<string | URL>>;

/** One link: its target, and its parameters up to the comma before the next one. */
const LINK = /<([^>]*)>((?:[^,"]|"(?:\\.|[^"\\])*"?|,(?!\s*<))*)/g;
const PARAMETER = /;\s*([^\s=;]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|([^;]*))/g;

/**
 * The links of `Link` headers (RFC 8288). What cannot be read is left out.
 *
 * @param base - what relative targets are resolved against.
 *
 * Source: aiohttp 3.14 `ClientResponse.links`.
 */
export function parseLinks(headers: readonly string[], base: URL): Links {
  const links = new MultiDict<MultiDictProxy<string | URL>>();
  for (const [, target = '', parameters = ''] of headers.join(', ').matchAll(LINK)) {
    if (!URL.canParse(target, base.href)) continue;
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
