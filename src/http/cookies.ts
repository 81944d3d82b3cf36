/** Cookies by name, as Python's `http.cookies` has them. */

/** One cookie. Source: CPython 3.14 `http.cookies.Morsel`. */
export interface Morsel {
  readonly key: string;
  readonly value: string;
  /** The value as it goes over the wire. */
  readonly codedValue: string;
  /** The attributes in lower case (`domain`, `path`, `expires`, `max-age`, …); those not set are absent. */
  readonly attributes: ReadonlyMap<string, string | true>;
}

/** Cookies by name. Source: CPython 3.14 `http.cookies.SimpleCookie`. */
export type SimpleCookie = ReadonlyMap<string, Morsel>;

/** What is taken as cookies. */
export type LooseCookies =
  | Iterable<readonly [name: string, value: string | Morsel]>
  | Readonly<Record<string, string | Morsel>>;
