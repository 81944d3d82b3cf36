/** What a site's robots.txt allows, by RFC 9309. */

interface Rule {
  readonly isAllowed: boolean;
  /** The pattern between its asterisks. */
  readonly pieces: readonly string[];
  /** Whether it has to match up to the end of the path. */
  readonly isAnchored: boolean;
  /** Of the pattern: the longest one decides. */
  readonly length: number;
}

/** The lines that speak to the same robots. */
interface Group {
  readonly agents: string[];
  readonly rules: Rule[];
  delay: number | null;
}

/** The rules of one origin for one robot. */
export class Robots {
  /** Where there is no robots.txt. */
  static readonly everything = new Robots([], null);
  /** Where the server cannot tell. */
  static readonly nothing = new Robots([ruleOf(false, '/')], null);

  /** Seconds between requests that the site asks for; null if it does not say. */
  readonly delay: number | null;
  readonly #rules: readonly Rule[];

  private constructor(rules: readonly Rule[], delay: number | null) {
    this.#rules = rules;
    this.delay = delay;
  }

  /**
   * Read a robots.txt. Lines that are none of its kind are passed over.
   *
   * @param agent - the name of the robot: the groups that name it count, or else those for `*`.
   */
  static parse(text: string, agent: string): Robots {
    const groups = groupsOf(text);
    const own = groups.filter(({ agents }) => agents.includes(agent.toLowerCase()));
    const chosen = own.length > 0 ? own : groups.filter(({ agents }) => agents.includes('*'));
    const delays = chosen.flatMap(({ delay }) => delay ?? []);
    return new Robots(
      chosen.flatMap(({ rules }) => rules),
      delays.length === 0 ? null : Math.max(...delays),
    );
  }

  /** Whether a resource may be asked for: the longest rule that matches decides, and of equals the one that allows. */
  allows({ pathname, search }: URL): boolean {
    const path = pathname + search;
    let best: Rule | null = null;
    for (const rule of this.#rules) {
      const isBetter =
        best === null || rule.length > best.length || (rule.length === best.length && rule.isAllowed);
      if (isBetter && matches(rule, path)) best = rule;
    }
    return best?.isAllowed ?? true;
  }
}

function groupsOf(text: string): Group[] {
  const groups: Group[] = [];
  let group: Group | null = null;
  let isHead = false;
  for (const line of text.replace(/^\ufeff/, '').split(/\r\n?|\n/)) {
    const [, field = '', value = ''] = /^\s*([\w-]+)\s*:([^#]*)/.exec(line) ?? [];
    switch (field.toLowerCase()) {
      case 'user-agent':
        if (group === null || !isHead) groups.push((group = { agents: [], rules: [], delay: null }));
        group.agents.push(value.trim().toLowerCase());
        isHead = true;
        continue;
      case 'allow':
      case 'disallow': {
        const pattern = value.trim();
        // An empty one forbids, or allows, nothing.
        if (pattern !== '') group?.rules.push(ruleOf(field.toLowerCase() === 'allow', pattern));
        break;
      }
      case 'crawl-delay': {
        const delay = Number(value.trim() || Number.NaN);
        if (group !== null && delay >= 0) group.delay = delay;
        break;
      }
      default:
        continue;
    }
    isHead = false;
  }
  return groups;
}

function ruleOf(isAllowed: boolean, pattern: string): Rule {
  const encoded = pattern.replaceAll(/[^\x21-\x7e]/gu, encodeURIComponent);
  const isAnchored = encoded.endsWith('$');
  const pieces = (isAnchored ? encoded.slice(0, -1) : encoded).split('*');
  return { isAllowed, pieces, isAnchored, length: encoded.length };
}

// Each piece at the first place where it fits: no pattern takes longer than the path has characters for each piece.
function matches({ pieces: [first = '', ...rest], isAnchored }: Rule, path: string): boolean {
  if (!path.startsWith(first)) return false;
  const last = isAnchored ? rest.pop() : undefined;
  if (isAnchored && last === undefined) return path === first;
  let at = first.length;
  for (const piece of rest) {
    const found = path.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return last === undefined || (path.length - last.length >= at && path.endsWith(last));
}
