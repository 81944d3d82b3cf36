/** Answers from a table, for tests without a network. No counterpart in aiohttp; in Python `aioresponses` does it. */
import { ClientSession } from '../../http/client.ts';
import type { SessionOptions } from '../../http/client-options.ts';
import type { BaseConnector, BaseConnectorOptions } from '../../http/connector.ts';
import { ClientConnectionError } from '../../http/exceptions.ts';
import { AssertionError } from '../../core/exceptions.ts';
import type { Answer, Handler } from './answerer.ts';
import { MemoryConnector } from './memory-connector.ts';
import type { ServedRequest } from './served-request.ts';

/** Which URLs an answer is for. */
export type UrlPattern = string | URL | RegExp;

/** An answer, and when it is given. */
export interface RecordedAnswer extends Answer {
  /** How often it is given; then the next that fits has its turn. Default without limit. */
  readonly times?: number | undefined;
  /** Whether it is for this request, beyond method and URL. */
  readonly match?: ((request: ServedRequest) => boolean) | undefined;
  /** Makes the answer, in place of what is given here. */
  readonly handler?: Handler | undefined;
}

/** A request that no recorded answer is for. */
export class UnexpectedRequestError extends ClientConnectionError {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'UnexpectedRequestError', configurable: true });
  }

  readonly request: ServedRequest;

  constructor(request: ServedRequest, entries: readonly string[]) {
    const table = entries.length === 0 ? ['There is none at all.'] : ['There are:', ...entries];
    super(`No recorded answer for ${request.method} ${request.url}\n${table.join('\n  ')}`);
    this.request = request;
  }
}

/** One line of the table. */
class Entry {
  readonly answer: RecordedAnswer;
  given = 0;
  readonly #method: string | null;
  readonly #pattern: UrlPattern;

  constructor(method: string | null, pattern: UrlPattern, answer: RecordedAnswer) {
    const { times = Number.POSITIVE_INFINITY } = answer;
    if (!(times >= 1)) throw new RangeError(`times must be at least 1, got ${times}`);
    this.#method = method;
    this.#pattern = pattern;
    this.answer = answer;
  }

  get isUsedUp(): boolean {
    return this.given >= (this.answer.times ?? Number.POSITIVE_INFINITY);
  }

  isFor(request: ServedRequest): boolean {
    if (this.#method !== null && this.#method !== request.method) return false;
    return fits(this.#pattern, request.url) && this.answer.match?.(request) !== false;
  }

  toString(): string {
    const { match, times } = this.answer;
    const what = `${this.#method ?? 'any method'} ${this.#pattern}`;
    const condition = match === undefined ? '' : ', on a condition';
    return times === undefined
      ? `${what}${condition}`
      : `${what}${condition} (given ${this.given} of ${times} times)`;
  }
}

/** Without a query every query fits; with one, its parameters have to be the same, in any order. */
function fits(pattern: UrlPattern, url: URL): boolean {
  if (pattern instanceof RegExp) return url.href.search(pattern) >= 0;
  const wanted = new URL(pattern, url.origin);
  if (wanted.origin !== url.origin || wanted.pathname !== url.pathname) return false;
  return wanted.search === '' || sorted(wanted) === sorted(url);
}

function sorted({ search }: URL): string {
  const parameters = new URLSearchParams(search);
  parameters.sort();
  return String(parameters);
}

/**
 * Answers for the requests of a session, without a network: its connections end at a server within the process, so that
 * pool, parser, redirects, cookies, compression, limits of time and trace signals are the real ones. Where time is virtual,
 * so are its delays.
 *
 * ```ts
 * const answers = new RecordedAnswers()
 *   .get('/users/1', { status: 503, times: 2 })
 *   .get('/users/1', { json: { name: 'Ada' } });
 * await using session = answers.session('https://api.example.com/');
 * ```
 *
 * A URL is a path, which fits every host, a whole URL, or a regular expression for whole URLs. The first that fits and is not
 * used up is given. A request that none is for fails with an UnexpectedRequestError that lists what is there.
 */
export class RecordedAnswers {
  /** The requests that came, oldest first. */
  readonly requests: ServedRequest[] = [];
  #entries: Entry[] = [];

  /** Answer requests of a method, in upper case; null for all methods. */
  on(method: string | null, url: UrlPattern, answer: RecordedAnswer | Handler = {}): this {
    const recorded = typeof answer === 'function' ? { handler: answer } : answer;
    this.#entries.push(new Entry(method, url, recorded));
    return this;
  }

  /** Answer GET. */
  get(url: UrlPattern, answer?: RecordedAnswer | Handler): this {
    return this.on('GET', url, answer);
  }

  /** Answer HEAD. */
  head(url: UrlPattern, answer?: RecordedAnswer | Handler): this {
    return this.on('HEAD', url, answer);
  }

  /** Answer OPTIONS. */
  options(url: UrlPattern, answer?: RecordedAnswer | Handler): this {
    return this.on('OPTIONS', url, answer);
  }

  /** Answer POST. */
  post(url: UrlPattern, answer?: RecordedAnswer | Handler): this {
    return this.on('POST', url, answer);
  }

  /** Answer PUT. */
  put(url: UrlPattern, answer?: RecordedAnswer | Handler): this {
    return this.on('PUT', url, answer);
  }

  /** Answer PATCH. */
  patch(url: UrlPattern, answer?: RecordedAnswer | Handler): this {
    return this.on('PATCH', url, answer);
  }

  /** Answer DELETE. */
  delete(url: UrlPattern, answer?: RecordedAnswer | Handler): this {
    return this.on('DELETE', url, answer);
  }

  /** Forget the answers and the requests. */
  clear(): void {
    this.#entries = [];
    this.requests.length = 0;
  }

  /** Answers that are still to be given: as often as their `times` say, or at least once. */
  get pending(): string[] {
    return this.#entries.filter(({ answer, given }) => given < (answer.times ?? 1)).map(String);
  }

  /** @throws AssertionError if there are answers that nobody has asked for. */
  assertAllUsed(): void {
    const { pending } = this;
    if (pending.length > 0) throw new AssertionError(`never asked for:\n  ${pending.join('\n  ')}`);
  }

  /** A connector for sessions that answers from here. @throws RuntimeError without a running loop. */
  connector(options?: BaseConnectorOptions): BaseConnector {
    return new MemoryConnector((request) => this.#answerOrError(request), this.requests, options);
  }

  /**
   * A session that is answered from here.
   *
   * @param options - of the session, all but `connector`.
   */
  session(baseUrl?: string | URL | null, options: Omit<SessionOptions, 'connector'> = {}): ClientSession {
    return new ClientSession(baseUrl, { ...options, connector: this.connector() });
  }

  /** @internal @throws UnexpectedRequestError */
  _answer(request: ServedRequest): ReturnType<Handler> {
    const entry = this.#entries.find((each) => !each.isUsedUp && each.isFor(request));
    if (entry === undefined) throw new UnexpectedRequestError(request, this.#entries.map(String));
    entry.given++;
    return entry.answer.handler?.(request) ?? entry.answer;
  }

  #answerOrError(request: ServedRequest): ReturnType<Handler> {
    try {
      return this._answer(request);
    } catch (error) {
      if (error instanceof UnexpectedRequestError) return { error };
      throw error;
    }
  }
}
