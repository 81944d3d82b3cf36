/** Reads the headers `Cookie` and `Set-Cookie`. Counterpart: `aiohttp/_cookie_helpers.py`. */
import { logger } from '../core/log.ts';
import { CookieError, isAttribute, isFlag, Morsel, unquoteValue } from './cookies.ts';
import { quote } from './helpers.ts';

/**
 * One `key` or `key=value`, and what parts it from the next. More is taken than Python's pattern takes, since servers
 * send it: brackets in names, an opening quote that nothing closes, and dates of other forms.
 */
const PAIR = new RegExp(
  String.raw`[ \t-\r]*(?<key>[\w!#%&'~${'`'}><@,:/$*+\-.^|)(?}{[\]]+)` +
    String.raw`(?:[ \t-\r]*=[ \t-\r]*(?<value>` +
    [
      String.raw`"(?:[^\\"]|\\[^\n])*"`,
      String.raw`"[^";]*`,
      // Wed, 09 Jun 2021 10:18:14 GMT, or +0200
      String.raw`(?:\w{3,6}day|\w{3}),[ \t-\r][\w \t-\r-]{9,11}[ \t-\r][\d:]{8}[ \t-\r](?:GMT|[+-]\d{4})`,
      // Wed Jun  9 10:18:14 2021
      String.raw`\w{3}[ \t-\r]+\w{3}[ \t-\r]+[ \t-\r\d]\d[ \t-\r]+\d{2}:\d{2}:\d{2}[ \t-\r]+\d{4}`,
      String.raw`[\w!#%&'~${'`'}><@,:/$*+\-.^|)(?}{=[\]]*`,
    ].join('|') +
    String.raw`))?[ \t-\r]*(?:[ \t-\r]+|;|$)`,
  'y',
);

const LEGAL_NAME = /^[!#$%&'()*+\-./0-9:<=>?@A-Z[\]^_`a-z{|}~]+$/;

/** What a log line tells of the names that a server made up: so many, and of each so many characters. */
const MAX_NAMES_LOGGED = 5;
const MAX_NAME_LOGGED = 60;

/**
 * The cookies of a `Cookie` header, in order. There are no attributes in it: `path=1` is a cookie. What cannot be read
 * is left out.
 *
 * Source: aiohttp 3.14 `parse_cookie_header`.
 */
export function parseCookieHeader(header: string): [name: string, cookie: Morsel][] {
  const cookies: [string, Morsel][] = [];
  const illegal: string[] = [];
  const add = (name: string, codedValue: string): void => {
    if (!LEGAL_NAME.test(name)) illegal.push(name);
    else {
      const morsel = toMorsel(name, codedValue);
      if (morsel !== null) cookies.push([name, morsel]);
    }
  };
  for (let i = 0; i < header.length; ) {
    PAIR.lastIndex = i;
    const groups = PAIR.exec(header)?.groups;
    if (groups !== undefined) {
      i = PAIR.lastIndex;
      add(groups['key'] ?? '', groups['value'] ?? '');
      continue;
    }
    // Not a pair: whatever stands on both sides of the equals sign, up to the semicolon.
    const semicolon = header.indexOf(';', i);
    const end = semicolon < 0 ? header.length : semicolon;
    const text = header.slice(i, end);
    const equals = text.indexOf('=');
    if (equals >= 0) add(text.slice(0, equals).trim(), text.slice(equals + 1).trim());
    i = end + 1;
  }
  if (illegal.length > 0) logger.debug(`Cannot load cookie. Illegal cookie names: ${listNames(illegal)}`);
  return cookies;
}

/**
 * The cookies of `Set-Cookie` headers, in order, with their attributes. What cannot be read is left out; names that are
 * illegal make one line in the log, however many there are.
 *
 * Source: aiohttp 3.14 `parse_set_cookie_headers`.
 */
export function parseSetCookieHeaders(headers: readonly string[]): [name: string, cookie: Morsel][] {
  const cookies: [string, Morsel][] = [];
  const illegal: string[] = [];
  for (const header of headers) parseSetCookie(header, cookies, illegal);
  if (illegal.length > 0) {
    logger.warning(
      `Can not load cookies: Illegal cookie name${illegal.length > 1 ? 's' : ''} ${listNames(illegal)}`,
    );
  }
  return cookies;
}

function parseSetCookie(header: string, cookies: [string, Morsel][], illegal: string[]): void {
  /** The cookie that attributes belong to; null if that could not be read. */
  let morsel: Morsel | null = null;
  let isAnySeen = false;
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < header.length) {
    const groups = PAIR.exec(header)?.groups;
    if (groups === undefined) return;
    const { key = '', value } = groups;
    if (key.startsWith('$')) {
      // `$Version` and its like in front of all cookies speak of the header as a whole.
      if (isAnySeen && morsel !== null) setAttribute(morsel, key.slice(1), value ?? '');
    } else if (isAttribute(key)) {
      if (!isAnySeen || (value === undefined && !isFlag(key))) return;
      if (morsel !== null) setAttribute(morsel, key, unquoteValue(value ?? ''));
    } else {
      if (value === undefined) return;
      if (LEGAL_NAME.test(key)) {
        morsel = toMorsel(key, value);
        if (morsel === null) continue;
        cookies.push([key, morsel]);
        isAnySeen = true;
      } else {
        illegal.push(key);
        morsel = null;
      }
    }
  }
}

/** Null if the value must not be sent. */
function toMorsel(name: string, codedValue: string): Morsel | null {
  try {
    return new Morsel()._restore(name, unquoteValue(codedValue), codedValue);
  } catch (error) {
    if (error instanceof CookieError) return null;
    throw error;
  }
}

/** An attribute that is none, or that would smuggle in another one, is as good as absent. */
function setAttribute(morsel: Morsel, name: string, value: string): void {
  try {
    morsel.attributes.set(name, isFlag(name) || value);
  } catch (error) {
    if (!(error instanceof CookieError)) throw error;
  }
}

function listNames(names: readonly string[]): string {
  const listed = names.slice(0, MAX_NAMES_LOGGED).map((name) => quote(name.slice(0, MAX_NAME_LOGGED)));
  const more = names.length - listed.length;
  return listed.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
