/** The crawl itself: every resource is a task of one group, which ends when no page has added another. */
import { TaskGroup, timeout } from 'asyncio-ts';
import {
  type ClientResponse,
  ClientSession,
  ClientTimeout,
  RetryMiddleware,
  TCPConnector,
} from 'asyncio-ts/http';
import { answerOf, failureOf, mayHelp } from './answers.ts';
import { decode, readAtMost } from './body.ts';
import { AGENT, Hosts } from './hosts.ts';
import { type Anchor, parsePage } from './html.ts';
import { type Answer, type Findings, fragmentOf, type Link, type Target } from './links.ts';
import type { Options } from './options.ts';

/** What is behind that of a page is not read. */
const MAX_PAGE_BYTES = 10 * 2 ** 20;

/** Statuses of a server that may do better in a moment. */
const BUSY = [408, 429, 502, 503, 504];

/** Elements whose links lead to pages. */
const TO_PAGES = new Set(['a', 'area', 'iframe']);

/** `probe` asks whether it is there, `read` looks for the names in it, too, and `crawl` follows its links. */
type Mode = 'probe' | 'read' | 'crawl';

/** A resource and what to do with it. */
interface Errand {
  readonly target: Target;
  readonly mode: Mode;
  /** How many links it is away from the first page; less if a shorter way is found. */
  depth: number;
  /** What it links to. */
  readonly links: { readonly url: URL; readonly element: string }[];
}

/** Check a site. Cancelled, it leaves in `findings` what was found by then. */
export async function crawl(start: URL, options: Options, findings: Findings): Promise<void> {
  const { concurrency, perHost, timeout: seconds, retries, isCertificateChecked } = options;
  const hosts = new Hosts(options);
  await using session = new ClientSession(null, {
    connector: new TCPConnector({ limit: concurrency, limitPerHost: perHost, ssl: isCertificateChecked }),
    headers: { 'User-Agent': `${AGENT}/1.0` },
    // No limit for the whole: that a request waits for its connection is no fault of the server.
    timeout: new ClientTimeout({ sockConnect: seconds, sockRead: seconds }),
    middlewares: [new RetryMiddleware({ attempts: retries + 1, statuses: BUSY }), hosts],
  });
  await new TaskGroup().run((group) => {
    new Crawl(options, findings, session, hosts, group).start(start);
  });
}

class Crawl {
  readonly #options: Options;
  readonly #findings: Findings;
  readonly #session: ClientSession;
  readonly #hosts: Hosts;
  readonly #group: TaskGroup;
  readonly #errands = new Map<string, Errand>();
  /** Pages whose links are known, so that none is reported twice when redirects lead to it. */
  readonly #read = new Set<string>();
  /** The site: where the first page is in the end. */
  #origin = '';

  constructor(options: Options, findings: Findings, session: ClientSession, hosts: Hosts, group: TaskGroup) {
    this.#options = options;
    this.#findings = findings;
    this.#session = session;
    this.#hosts = hosts;
    this.#group = group;
  }

  start(url: URL): void {
    this.#origin = url.origin;
    this.#findings.start.target = this.#send(url, 'crawl', 0);
  }

  /** A link of a page that is `depth - 1` links away. */
  #follow(url: URL, element: string, depth: number): Target {
    const skipped = this.#reasonToSkip(url);
    if (skipped !== null) return { url, answer: null, skipped };
    const isOurs = TO_PAGES.has(element) && url.origin === this.#origin;
    const isNamed = this.#options.areFragmentsChecked && element !== 'link' && fragmentOf(url.href) !== null;
    return this.#send(
      url,
      isOurs && depth <= this.#options.depth ? 'crawl' : isNamed ? 'read' : 'probe',
      depth,
    );
  }

  #reasonToSkip(url: URL): string | null {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return url.protocol;
    if (!this.#options.isExternalChecked && url.origin !== this.#origin) return 'another site';
    return this.#options.excluded.some((pattern) => pattern.test(url.href)) ? 'excluded' : null;
  }

  /** Have a resource asked for, unless it was before. */
  #send(given: URL, mode: Mode, depth: number): Target {
    const url = new URL(given);
    url.hash = '';
    const key = `${mode} ${url.href}`;
    let errand = this.#errands.get(key);
    if (errand === undefined) {
      errand = { target: { url, answer: null, skipped: null }, mode, depth, links: [] };
      this.#errands.set(key, errand);
      this.#findings.known++;
      this.#group.createTask(() => this.#run(errand as Errand), { name: url.href });
    } else if (depth < errand.depth) {
      errand.depth = depth;
      for (const { url: next, element } of errand.links) this.#follow(next, element, depth + 1);
    }
    return errand.target;
  }

  async #run(errand: Errand): Promise<void> {
    const { target } = errand;
    const host = this.#hosts.of(target.url);
    await host.places.run(async () => {
      if (!(await host.robots(this.#session)).allows(target.url)) {
        target.skipped = 'robots.txt';
        return;
      }
      try {
        target.answer = (await this.#probe(errand)) ?? (await this.#get(errand));
      } catch (error) {
        target.answer = failureOf(error, target.url, this.#options);
      }
    });
    this.#findings.checked++;
    if (target.answer !== null && target.answer.problem !== null) this.#findings.broken++;
  }

  /** What HEAD says; null if it says too little, and GET may say more. */
  async #probe({ target, mode }: Errand): Promise<Answer | null> {
    if (mode !== 'probe') return null;
    try {
      const answer = await this.#ask('HEAD', target.url, (response) => answerOf(response, this.#options));
      return answer.problem === null ? answer : null;
    } catch (error) {
      if (mayHelp(error)) return null;
      throw error;
    }
  }

  async #get(errand: Errand): Promise<Answer> {
    return await this.#ask('GET', errand.target.url, async (response) => {
      const answer = answerOf(response, this.#options);
      if (errand.target === this.#findings.start.target) this.#origin = response.url.origin;
      const isPage = /^(text\/html|application\/xhtml\+xml)$/.test(response.contentType);
      if (answer.problem !== null || errand.mode === 'probe' || !isPage) return answer;
      const ids = await this.#readPage(errand, response);
      return { ...answer, ids: this.#options.areFragmentsChecked ? ids : null };
    });
  }

  async #ask<T>(method: string, url: URL, body: (response: ClientResponse) => T | Promise<T>): Promise<T> {
    const { maxRedirects, headers } = this.#options;
    // One more than we follow, which is the one that fails.
    const options = { allowRedirects: true, maxRedirects: maxRedirects + 1 };
    const own = url.origin === this.#origin ? { ...options, headers } : options;
    return await this.#session.request(method, url, own).run(body);
  }

  /** Read a page and follow its links; gives the names that fragments may point at. */
  async #readPage(errand: Errand, response: ClientResponse): Promise<ReadonlySet<string>> {
    const { bytes, isCut } = await timeout(this.#options.timeout).run(() =>
      readAtMost(response, MAX_PAGE_BYTES),
    );
    const { anchors, base, ids } = parsePage(decode(response, bytes));
    const { href: url, origin } = response.url;
    if (errand.mode === 'crawl' && origin === this.#origin && !this.#read.has(url)) {
      this.#read.add(url);
      const from = resolve(base ?? '', url) ?? response.url;
      const links = anchors.map((anchor) => this.#linkOf(anchor, from.href, errand));
      const note = isCut ? `only the first ${MAX_PAGE_BYTES / 2 ** 20} MiB were read` : null;
      this.#findings.pages.push({ url, links, note });
    }
    return ids;
  }

  #linkOf({ element, href, text }: Anchor, base: string, errand: Errand): Link {
    const url = resolve(href, base);
    if (url === null) return { url: href, element, text, target: null };
    errand.links.push({ url, element });
    return { url: url.href, element, text, target: this.#follow(url, element, errand.depth + 1) };
  }
}

const resolve = (href: string, base: string): URL | null =>
  URL.canParse(href, base) ? new URL(href, base) : null;
