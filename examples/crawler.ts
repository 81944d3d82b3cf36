/**
 * A crawler: everything that can be reached from the first page, four pages at a time, none longer than two seconds.
 *
 * Every page is a task of one `TaskGroup`, whose limit keeps the others in line; the group ends when no page is left,
 * whichever page added which. The pages of the site that are slow, missing or broken become lines of the report. Within
 * a page, promise code works as ever: `Promise.all` waits for two requests, and a timeout around it stops both.
 */
import { run, TaskGroup, TimeoutError, waitFor } from 'asyncio-ts';
import { ClientError, ClientPayloadError, ClientResponseError, ClientSession } from 'asyncio-ts/http';
import { startSite } from './embedded/site-server.ts';

const AT_ONCE = 4;
const PATIENCE = 2;

/** What became of a page. */
interface Visit {
  readonly path: string;
  readonly outcome: string;
  readonly seconds: number;
  readonly links: readonly string[];
}

class Crawler {
  readonly visits: Visit[] = [];
  /** The most pages that were being read at one time. */
  mostAtOnce = 0;
  readonly #session: ClientSession;
  readonly #group: TaskGroup;
  readonly #seen = new Set<string>();
  #atOnce = 0;

  constructor(session: ClientSession, group: TaskGroup) {
    this.#session = session;
    this.#group = group;
  }

  /** Put a page in line, unless it was there before. */
  add(path: string): void {
    if (this.#seen.has(path)) return;
    this.#seen.add(path);
    this.#group.createTask(() => this.#visit(path), { name: path });
  }

  async #visit(path: string): Promise<void> {
    const start = performance.now();
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    let outcome: string;
    let links: string[] = [];
    try {
      const [status, html] = await waitFor(() => this.#read(path), PATIENCE);
      outcome = String(status);
      links = linksOf(html);
      for (const link of links) this.add(link);
    } catch (error) {
      outcome = describe(error);
    }
    this.#atOnce--;
    this.visits.push({ path, outcome, seconds: (performance.now() - start) / 1000, links });
  }

  /** The page, and beside it its headers alone: two requests at once, and one wait. */
  async #read(path: string): Promise<[status: number, html: string]> {
    const [html, status] = await Promise.all([
      this.#session.get(path, { raiseForStatus: true }).run((response) => response.text()),
      this.#session.head(path, { allowRedirects: true }).run((response) => response.status),
    ]);
    return [status, html];
  }
}

function linksOf(html: string): string[] {
  const links = [...html.matchAll(/<a href="([^"]+)"/g)].map((match) => match[1] as string);
  return links.filter((link) => link.startsWith('/'));
}

function describe(error: unknown): string {
  if (error instanceof TimeoutError) return `no answer within ${PATIENCE} s`;
  if (error instanceof ClientResponseError) return `${error.status} ${error.reason}`;
  if (error instanceof ClientPayloadError) return 'broken off in the middle';
  if (error instanceof ClientError) return error.message;
  throw error;
}

function report({ visits, mostAtOnce }: Crawler): void {
  for (const { path, outcome, seconds, links } of visits.toSorted((a, b) => a.path.localeCompare(b.path))) {
    const found = links.length === 0 ? '' : links.length === 1 ? ', 1 link' : `, ${links.length} links`;
    console.log(`${path.padEnd(18)} ${(seconds * 1000).toFixed(0).padStart(4)} ms  ${outcome}${found}`);
  }
  const good = visits.filter(({ outcome }) => outcome === '200').length;
  console.log(`${visits.length} pages, ${good} of them good, at most ${mostAtOnce} at once`);
}

async function main(): Promise<void> {
  await using site = await startSite();
  await using session = new ClientSession(site.url);
  const crawler = await new TaskGroup({ limit: AT_ONCE }).run((group) => {
    const first = new Crawler(session, group);
    first.add('/');
    return first;
  });
  report(crawler);
}

await run(main);
