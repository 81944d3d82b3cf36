/** What the checker tells in the end, for people and for programs. */
import { paint, plain } from '../support/terminal.ts';
import { type CheckedPage, type Findings, judge, type Link, type Outcome } from './links.ts';

/** How a run ended. */
export type Ending = 'complete' | 'out of time' | 'interrupted';

/** A page's links with their outcomes; the first group is of no page, and holds the way in. */
interface Section {
  readonly page: string | null;
  readonly note: string | null;
  readonly links: readonly Judged[];
}

interface Judged extends Link {
  readonly outcome: Outcome;
  readonly reason: string;
}

/** All outcomes, page by page, and how many there are of each. */
export class Report {
  readonly ending: Ending;
  readonly seconds: number;
  readonly sections: readonly Section[];
  readonly counts: Record<Outcome, number> = { good: 0, broken: 0, skipped: 0, unchecked: 0 };

  constructor({ start, pages }: Findings, ending: Ending, seconds: number) {
    this.ending = ending;
    this.seconds = seconds;
    const first: CheckedPage = { url: '', links: [start], note: null };
    // In the same order every time, whichever page came first.
    const sorted = pages.toSorted((a, b) => (a.url < b.url ? -1 : 1));
    this.sections = [first, ...sorted].map(({ url, links, note }) => ({
      page: url || null,
      note,
      links: links.map((link) => ({ ...link, ...judge(link) })),
    }));
    for (const { outcome } of this.sections.flatMap(({ links }) => links)) this.counts[outcome]++;
  }

  /** Whether every link has been looked at that there is. */
  get isComplete(): boolean {
    return this.ending === 'complete' && this.sections[0]?.links[0]?.outcome === 'good';
  }

  /** Lines for people: pages with broken links or with redirects, or all of them. */
  toLines(isVerbose: boolean): string[] {
    const lines: string[] = [];
    for (const { page, note, links } of this.sections) {
      const told = links.filter(
        ({ outcome, target }) =>
          isVerbose ||
          outcome === 'broken' ||
          (outcome === 'good' ? redirectsOf(target).length > 0 : page === null),
      );
      if (told.length === 0 && note === null && !(isVerbose && page !== null)) continue;
      if (page !== null) lines.push(paint('bold', page));
      if (note !== null) lines.push(`  ${paint('yellow', note)}`);
      const width = Math.min(40, Math.max(...told.map(({ reason }) => plain(reason).length)));
      for (const link of told) lines.push(...linesOf(link, width));
      lines.push('');
    }
    return [...lines, this.#summary()];
  }

  #summary(): string {
    const { good, broken, skipped, unchecked } = this.counts;
    const pages = this.sections.length - 1;
    const parts = [
      `${counted(pages, 'page')}, ${counted(good + broken + skipped + unchecked, 'link')}: ${good} good`,
    ];
    parts.push(paint(broken > 0 ? 'red' : 'green', `${broken} broken`));
    if (skipped > 0) parts.push(`${skipped} skipped`);
    if (unchecked > 0) parts.push(paint('yellow', `${unchecked} not checked`));
    const end = this.ending === 'complete' ? '' : ` (${this.ending})`;
    return `${parts.join(', ')}; ${this.seconds.toFixed(1)} s${end}`;
  }

  /** The whole of it for programs. */
  toJSON(): object {
    const { ending, seconds, counts } = this;
    const sections = this.sections.map(({ page, note, links }) => ({
      page,
      note,
      links: links.map(({ url, element, text, outcome, reason, target }) => ({
        url,
        element,
        text,
        outcome,
        reason,
        status: target?.answer?.status ?? null,
        redirects: redirectsOf(target),
      })),
    }));
    return { ending, seconds, counts, sections };
  }
}

const COLOUR_OF = { good: 'green', broken: 'red', skipped: 'dim', unchecked: 'yellow' } as const;

function linesOf({ url, element, text, outcome, reason, target }: Judged, width: number): string[] {
  const redirects = redirectsOf(target);
  const colour = outcome === 'good' && redirects.length > 0 ? 'yellow' : COLOUR_OF[outcome];
  const label = paint('dim', `<${element}> ${plain(text).slice(0, 60)}`.trim());
  const lines = [`  ${paint(colour, plain(reason).padEnd(width))}  ${plain(url)}  ${label}`];
  const stations = [...redirects.slice(1).map((hop) => hop.url), target?.answer?.url ?? ''];
  for (const [i, { status }] of redirects.entries()) lines.push(`    ${status} → ${stations[i]}`);
  return lines;
}

const redirectsOf = (target: Link['target']) => target?.answer?.redirects ?? [];

const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
