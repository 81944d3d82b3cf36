/** The parts of RFC 6265 that tough-cookie knows. It is loaded by the first cookie that needs one of them. */
import { createRequire } from 'node:module';
import { domainToASCII } from 'node:url';
import type * as ToughCookie from 'tough-cookie';

let loaded: typeof ToughCookie | undefined;

// Its table of public suffixes takes 15 ms to load: most programs never meet a cookie that needs it.
function toughCookie(): typeof ToughCookie {
  loaded ??= createRequire(import.meta.url)('tough-cookie') as typeof ToughCookie;
  return loaded;
}

/** How many characters a name in the DNS can have. */
export const MAX_NAME = 253;

/** A domain as it is compared: without its leading dot, in lower case and in ASCII. One that ends in a dot is none. */
export function canonicalDomain(domain: string): string {
  if (domain === '' || domain.endsWith('.')) return '';
  const plain = (domain.startsWith('.') ? domain.slice(1) : domain).toLowerCase();
  // That takes the square of a long name's time, and no host has one.
  return plain.length > MAX_NAME ? plain : domainToASCII(plain) || plain;
}

/** Whether anybody can have a name below this domain, as with `com`, `co.uk` and `github.io`: it is nobody's. */
export function isPublicSuffix(domain: string): boolean {
  const options = { allowSpecialUseDomain: true, ignoreError: true };
  return toughCookie().getPublicSuffix(domain, options) === undefined;
}

/** The time that an `Expires` attribute means (RFC 6265, 5.1.1), in milliseconds since 1970; null if it means none. */
export function parseExpires(text: string): number | null {
  const time = toughCookie().parseDate(text)?.getTime();
  return time === undefined || Number.isNaN(time) ? null : time;
}
