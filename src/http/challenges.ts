/** Reads `WWW-Authenticate` headers. */

/** One way that a server would take credentials. */
export interface Challenge {
  /** In lower case: `basic`, `digest`, `bearer`, … */
  readonly scheme: string;
  /** By names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** A scheme, or a parameter. Only the latter has an equals sign. */
const PART = /([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+)))?/g;

/** The challenges of all headers, in the order of the server (RFC 9110, 11.6.1). */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  const challenges: Challenge[] = [];
  for (const header of headers) {
    let parameters: Map<string, string> | null = null;
    for (const [, name = '', quoted, plain] of header.matchAll(PART)) {
      const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain;
      if (value === undefined) {
        parameters = new Map();
        challenges.push({ scheme: name.toLowerCase(), parameters });
      } else {
        parameters?.set(name.toLowerCase(), value);
      }
    }
  }
  return challenges;
}
