/** The file of a `CookieJar`: JSON in the form that aiohttp gives it. In aiohttp a part of `CookieJar`. */
import { closeSync, fchmodSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { CookieError, isAttribute, Morsel } from './cookies.ts';
import { quote } from './helpers.ts';

/** What is saved of a cookie. */
export interface SavedCookie {
  readonly domain: string;
  /** Without slashes at its end. */
  readonly path: string;
  readonly name: string;
  readonly morsel: Morsel;
  readonly isHostOnly: boolean;
  /** In milliseconds since 1970; `Infinity` for never. */
  readonly expires: number;
}

type Data = Record<string, string | number | boolean>;

/** Until when it lasts is saved as a time, so what was counted from the day it came is not. */
const RELATIVE = new Set(['max-age', 'expires']);

/** Write cookies to a file that nobody but its owner can read. */
export function writeCookies(filePath: string | URL, cookies: Iterable<SavedCookie>): void {
  const places: Record<string, Record<string, Data>> = Object.create(null);
  for (const { domain, path, name, morsel, isHostOnly, expires } of cookies) {
    const data: Data = { key: morsel.key, value: morsel.value, coded_value: morsel.codedValue };
    for (const [attribute, value] of morsel.attributes) if (!RELATIVE.has(attribute)) data[attribute] = value;
    if (isHostOnly) data['host_only'] = true;
    if (expires !== Number.POSITIVE_INFINITY) data['expires_timestamp'] = expires / 1000;
    const place = `${domain}|${path}`;
    places[place] ??= Object.create(null) as Record<string, Data>;
    places[place][name] = data;
  }
  const file = openSync(filePath, 'w', 0o600);
  try {
    // One that was there already keeps its mode when it is opened.
    fchmodSync(file, 0o600);
    writeFileSync(file, JSON.stringify(places, null, 2));
  } finally {
    closeSync(file);
  }
}

/** @throws RangeError if it is no file of cookies, a system error if it cannot be read. */
export function readCookies(filePath: string | URL): SavedCookie[] {
  const text = readFileSync(filePath, 'utf8');
  try {
    return entriesOf(JSON.parse(text)).flatMap(([place, named]) => {
      const [domain, path] = splitPlace(place);
      return entriesOf(named).map(([name, data]) => readCookie(domain, path, name, data));
    });
  } catch (cause) {
    const isOurs = cause instanceof SyntaxError || cause instanceof TypeError || cause instanceof CookieError;
    if (!isOurs) throw cause;
    throw new RangeError(`${quote(String(filePath))} is not a file of cookies`, { cause });
  }
}

function readCookie(domain: string, path: string, name: string, data: unknown): SavedCookie {
  const fields = new Map(entriesOf(data));
  const [key, value, codedValue] = ['key', 'value', 'coded_value'].map((field) => toText(fields.get(field)));
  const morsel = new Morsel()._restore(key as string, value as string, codedValue as string);
  for (const [field, given] of fields) {
    if (!isAttribute(field) || RELATIVE.has(field)) continue;
    morsel.attributes.set(field, given === true || toText(given));
  }
  const isHostOnly = fields.get('host_only') === true;
  // The jar finds out again that it is for the host alone.
  if (isHostOnly) morsel.attributes.delete('domain');
  const timestamp = fields.get('expires_timestamp') ?? Number.POSITIVE_INFINITY;
  if (typeof timestamp !== 'number') throw new TypeError(`${String(timestamp)} is no time`);
  return { domain, path, name, morsel, isHostOnly, expires: timestamp * 1000 };
}

function splitPlace(place: string): [domain: string, path: string] {
  const bar = place.indexOf('|');
  if (bar < 0) throw new TypeError(`${quote(place)} is no domain and path`);
  return [place.slice(0, bar), place.slice(bar + 1)];
}

function entriesOf(value: unknown): [string, unknown][] {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isRecord) throw new TypeError(`${String(value)} is no object`);
  return Object.entries(value);
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`${String(value)} is no text`);
}
