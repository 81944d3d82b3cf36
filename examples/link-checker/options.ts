/** The command line of the link checker. */
import { parseArgs } from 'node:util';
import { countOf, numberOf, UsageError } from '../support/program.ts';

export const USAGE = `usage: link-checker [OPTION]… [URL]

Reads the pages of a site from URL on and checks every link in them. Prints the
links that are broken, by page. Without URL it checks a small site of its own.

The exit code is 1 if links are broken, 2 for a mistake in the arguments, 3 if
nothing is broken but not everything could be checked.

What is checked
  --external            links to other sites, too
  --exclude REGEXP      no link that matches; may be given several times
  --depth N             pages that are at most N links away; 0 is the first page alone
  --no-fragments        do not look for the #id that a link names
  --ignore-robots       ask for what robots.txt forbids, and as fast as is possible
  --accept STATUS       take this status for a good one; may be given several times

How it asks
  --concurrency N       connections at once (default 20)
  --per-host N          of them to one host (default 4)
  --delay SECONDS       between two requests to a host (default 0; a longer Crawl-delay counts)
  --timeout SECONDS     for an answer, and for the rest of a page (default 10)
  --retries N           when a server is busy or does not answer (default 1)
  --max-redirects N     of one link (default 10)
  --header 'NAME: TEXT' sent to the site itself; may be given several times
  --insecure            do not check certificates

What it prints
  --deadline SECONDS    ends after this time, and reports what was done by then
  --verbose             good links, too
  --json                the report as JSON
  --help                this text

NO_COLOR=1 leaves colours out. Ctrl-C prints the report so far.`;

/** What to do; times are in seconds. */
export interface Options {
  /** null for the demonstration. */
  readonly start: URL | null;
  readonly isExternalChecked: boolean;
  readonly excluded: readonly RegExp[];
  readonly depth: number;
  readonly areFragmentsChecked: boolean;
  readonly areRobotsHeard: boolean;
  readonly accepted: ReadonlySet<number>;
  readonly concurrency: number;
  readonly perHost: number;
  readonly delay: number;
  readonly timeout: number;
  readonly retries: number;
  readonly maxRedirects: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly isCertificateChecked: boolean;
  readonly deadline: number | null;
  readonly isVerbose: boolean;
  readonly isJson: boolean;
}

/** Read the arguments of the program; null if it is asked for help. */
export function parseOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      accept: { type: 'string', multiple: true },
      concurrency: { type: 'string' },
      deadline: { type: 'string' },
      delay: { type: 'string' },
      depth: { type: 'string' },
      exclude: { type: 'string', multiple: true },
      external: { type: 'boolean' },
      header: { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h' },
      'ignore-robots': { type: 'boolean' },
      insecure: { type: 'boolean' },
      json: { type: 'boolean' },
      'max-redirects': { type: 'string' },
      'no-fragments': { type: 'boolean' },
      'per-host': { type: 'string' },
      retries: { type: 'string' },
      timeout: { type: 'string' },
      verbose: { type: 'boolean' },
    },
  });
  if (values.help) return null;
  const [start, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`one URL at a time; '${more[0]}' is too many`);
  return {
    start: start === undefined ? null : urlOf(start),
    isExternalChecked: values.external ?? false,
    excluded: (values.exclude ?? []).map(patternOf),
    depth: values.depth === undefined ? Number.POSITIVE_INFINITY : countOf('--depth', values.depth, 0),
    areFragmentsChecked: !values['no-fragments'],
    areRobotsHeard: !values['ignore-robots'],
    accepted: new Set(values.accept?.map((text) => countOf('--accept', text, 0, 100))),
    concurrency: countOf('--concurrency', values.concurrency, 20, 1),
    perHost: countOf('--per-host', values['per-host'], 4, 1),
    delay: numberOf('--delay', values.delay, 0),
    timeout: numberOf('--timeout', values.timeout, 10, 0.001),
    retries: countOf('--retries', values.retries, 1),
    maxRedirects: countOf('--max-redirects', values['max-redirects'], 10),
    headers: (values.header ?? []).map(headerOf),
    isCertificateChecked: !values.insecure,
    deadline: values.deadline === undefined ? null : numberOf('--deadline', values.deadline, 0, 0.001),
    isVerbose: values.verbose ?? false,
    isJson: values.json ?? false,
  };
}

function urlOf(text: string): URL {
  const full = text.includes('://') ? text : `https://${text}`;
  if (/^https?:/i.test(full) && URL.canParse(full)) return new URL(full);
  throw new UsageError(`'${text}' is no address of the web`);
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`--exclude: ${(error as Error).message}`);
  }
}

function headerOf(text: string): [name: string, value: string] {
  const [, name, value] = /^([^\s:]+):\s*(.*)$/.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw new UsageError(`--header takes 'NAME: TEXT', not '${text}'`);
}
