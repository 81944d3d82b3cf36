/** What the checker has found out: pages, their links, and the answers to them. */

/** One step of a redirect. */
export interface Hop {
  readonly url: string;
  readonly status: number;
}

/** What became of asking for a resource. */
export interface Answer {
  /** null without a response. */
  readonly status: number | null;
  /** What is wrong with it; null if nothing is. */
  readonly problem: string | null;
  readonly redirects: readonly Hop[];
  /** Where the redirects led. */
  readonly url: string;
  /** What fragments may point at; null if nobody looked, or it is no page. */
  readonly ids: ReadonlySet<string> | null;
}

/** A resource that links lead to. It is asked for once, however many they are. */
export interface Target {
  readonly url: URL;
  /** What is in line, or was when time was over, has none. */
  answer: Answer | null;
  /** Why it is not asked for. */
  skipped: string | null;
}

/** A link of a page. */
export interface Link {
  /** As it was resolved; as it stands in the page if that is no URL. */
  readonly url: string;
  readonly element: string;
  readonly text: string;
  /** null if the page says something that is no URL. */
  readonly target: Target | null;
}

/** A page that was read. */
export interface CheckedPage {
  readonly url: string;
  readonly links: readonly Link[];
  /** Not all of it could be read. */
  readonly note: string | null;
}

/** All that was found; complete when the crawl has ended. */
export class Findings {
  readonly pages: CheckedPage[] = [];
  /** Leads to the first page. */
  readonly start: { url: string; element: 'start'; text: ''; target: Target | null };
  /** Resources that are to be asked for. */
  known = 0;
  /** Those that were. */
  checked = 0;
  /** Those of them that are broken. */
  broken = 0;

  constructor(start: URL) {
    this.start = { url: start.href, element: 'start', text: '', target: null };
  }
}

/** How a link is. */
export type Outcome = 'good' | 'broken' | 'skipped' | 'unchecked';

/** The outcome of a link, with a word to it. */
export function judge({ url, target }: Link): { outcome: Outcome; reason: string } {
  if (target === null) return { outcome: 'broken', reason: 'not a URL' };
  const { answer, skipped } = target;
  if (skipped !== null) return { outcome: 'skipped', reason: skipped };
  if (answer === null) return { outcome: 'unchecked', reason: 'not checked' };
  if (answer.problem !== null) return { outcome: 'broken', reason: answer.problem };
  const fragment = fragmentOf(url);
  if (fragment === null || answer.ids === null || hasElement(answer.ids, fragment)) {
    return { outcome: 'good', reason: answer.redirects.length > 0 ? 'redirected' : String(answer.status) };
  }
  return { outcome: 'broken', reason: `no element '${fragment}'` };
}

/**
 * The part of a URL that names an element; null if there is none. The beginning of the page, text fragments and the
 * routes of programs in the page name no element.
 */
export function fragmentOf(url: string): string | null {
  const at = url.indexOf('#');
  const fragment = at < 0 ? '' : (url.slice(at + 1).split(':~:')[0] as string);
  return fragment === '' || /^([!/].*|top)$/i.test(fragment) ? null : fragment;
}

function hasElement(ids: ReadonlySet<string>, fragment: string): boolean {
  if (ids.has(fragment)) return true;
  try {
    return ids.has(decodeURIComponent(fragment));
  } catch {
    return false;
  }
}
