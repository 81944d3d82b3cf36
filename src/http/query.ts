/** Query strings. Counterpart: the part of the package `yarl` that aiohttp uses. */

/** One value of a parameter. */
export type QueryValue = string | number | bigint;

/** What `params` takes: an object (an array is several parameters of one name), pairs, or a text as it is. */
export type Query =
  | string
  | URLSearchParams
  | Iterable<readonly [name: string, value: QueryValue]>
  | Readonly<Record<string, QueryValue | readonly QueryValue[]>>
  | null;

/**
 * A URL with parameters after those that it has.
 *
 * @throws TypeError for a value that is neither text nor number, RangeError for NaN and infinities.
 */
export function addQuery(url: URL, params: Query | undefined): URL {
  if (params === undefined || params === null) return url;
  const added = typeof params === 'string' ? params.replace(/^\?/, '') : encode(params);
  if (added === '') return url;
  const result = new URL(url);
  const before = url.search.slice(1);
  // With a question mark, since the setter takes one away.
  result.search = `?${before === '' ? added : `${before}&${added}`}`;
  return result;
}

function encode(params: Exclude<Query, string | null>): string {
  const query = new URLSearchParams();
  for (const [name, values] of Symbol.iterator in params ? params : Object.entries(params)) {
    for (const value of Array.isArray(values) ? values : [values]) query.append(name, textOf(name, value));
  }
  return query.toString();
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string' || typeof value === 'bigint') return String(value);
  if (typeof value !== 'number') {
    throw new TypeError(
      `Invalid variable type: value should be a string or a number, got ${String(value)} for ${name}`,
    );
  }
  if (!Number.isFinite(value)) throw new RangeError(`${value} is not supported as the value of ${name}`);
  return String(value);
}
