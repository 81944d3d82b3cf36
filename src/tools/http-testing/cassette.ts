/** Answers that were recorded once and are replayed from a file. No counterpart in aiohttp; in Python VCR.py does it. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RuntimeError } from '../../core/exceptions.ts';
import { ClientSession } from '../../http/client.ts';
import type { SessionOptions } from '../../http/client-options.ts';
import type { BaseConnector, BaseConnectorOptions } from '../../http/connector.ts';
import { DummyCookieJar } from '../../http/cookiejar.ts';
import { ClientConnectionError } from '../../http/exceptions.ts';
import type { Answer } from './answerer.ts';
import { type Exchange, ExchangeFormat, type RecordedExchange } from './exchange-format.ts';
import { MemoryConnector } from './memory-connector.ts';
import { UnexpectedRequestError } from './recorded-answers.ts';
import type { ServedRequest } from './served-request.ts';

export type { RecordedExchange };

/**
 * `once` replays a file that is there, else records one; `replay` never records; `record` begins anew; `update` replays
 * what is there and records the rest.
 */
export type CassetteMode = 'once' | 'replay' | 'record' | 'update';

/** Options of a cassette. */
export interface CassetteOptions {
  /** Default `once`. */
  readonly mode?: CassetteMode | undefined;
  /** Headers whose values are not written, besides those that carry credentials and cookies as a rule. */
  readonly redactHeaders?: readonly string[] | undefined;
  /** Parameters of URLs whose values are not written. Default none. */
  readonly redactParams?: readonly string[] | undefined;
  /** Changes what is to be written, such as secrets in bodies. */
  readonly beforeRecord?: ((exchange: RecordedExchange) => RecordedExchange) | undefined;
  /** Whether a recorded request stands for one that comes. Default by method, URL and body. */
  readonly match?: ((request: ServedRequest, recorded: RecordedExchange['request']) => boolean) | undefined;
  /** Makes the session that asks the real servers. Default a plain one; it should keep no cookies. */
  readonly upstream?: (() => ClientSession) | undefined;
}

/** What the forwarding session must not repeat, since it writes its own. */
const OWN_HEADERS = ['connection', 'content-length', 'expect', 'transfer-encoding'];
/** Headers of answers that are about the bytes on the wire, which were taken apart. */
const WIRE_HEADERS = ['connection', 'content-encoding', 'content-length', 'keep-alive', 'transfer-encoding'];

/**
 * A file of requests and their answers: recorded from the real servers once, then replayed without a network.
 *
 * ```ts
 * await using cassette = await Cassette.open('fixtures/users.json');
 * await using session = cassette.session('https://api.example.com/');
 * ```
 *
 * As with `RecordedAnswers`, all above the connections is real, when recording too. Of requests that are equal the answers
 * are replayed in the order of the recording, the last again and again. Bodies are written decompressed. Values of headers
 * that carry credentials, and of cookies, are replaced by `REDACTED`.
 */
export class Cassette implements AsyncDisposable {
  readonly file: string;
  /** The requests that came, oldest first. */
  readonly requests: ServedRequest[] = [];
  readonly #format: ExchangeFormat;
  readonly #options: CassetteOptions;
  readonly #exchanges: Exchange[];
  readonly #records: boolean;
  #hasNews: boolean;
  #upstream: ClientSession | null = null;

  private constructor(file: string, options: CassetteOptions, written: readonly RecordedExchange[] | null) {
    const { mode = 'once' } = options;
    this.file = file;
    this.#options = options;
    this.#format = new ExchangeFormat(options);
    this.#exchanges = (written ?? []).map((recorded) => ({ recorded, replays: 0 }));
    this.#records = mode === 'record' || mode === 'update' || (mode === 'once' && written === null);
    this.#hasNews = mode === 'record';
  }

  /**
   * Open a file, or begin one, as the mode says.
   *
   * @throws the system's error if the file is not there and has to be, or is not readable; SyntaxError if it is no
   *   JSON; RuntimeError if it is not a cassette.
   */
  static async open(file: string, options: CassetteOptions = {}): Promise<Cassette> {
    const { mode = 'once' } = options;
    let text: string | null = null;
    try {
      if (mode !== 'record') text = await readFile(file, 'utf8');
    } catch (error) {
      if (mode === 'replay' || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    return new Cassette(file, options, text === null ? null : exchangesOf(text, file));
  }

  /** Whether requests that are not in the file go to the real servers. */
  get records(): boolean {
    return this.#records;
  }

  /** A connector that answers from the file, and records. @throws RuntimeError without a running loop. */
  connector(options?: BaseConnectorOptions): BaseConnector {
    return new MemoryConnector((request) => this.#answer(request), this.requests, options);
  }

  /** A session with such a connector. */
  session(baseUrl?: string | URL | null, options: Omit<SessionOptions, 'connector'> = {}): ClientSession {
    return new ClientSession(baseUrl, { ...options, connector: this.connector() });
  }

  async #answer(request: ServedRequest): Promise<Answer> {
    const found = this.#find(request);
    if (found !== null) return this.#format.answer(found);
    if (!this.#records) {
      const lines = this.#exchanges.map(({ recorded: { request } }) => `${request.method} ${request.url}`);
      return { error: new UnexpectedRequestError(request, lines) };
    }
    try {
      return await this.#record(request);
    } catch (error) {
      if (error instanceof ClientConnectionError) return { error };
      throw error;
    }
  }

  #find(request: ServedRequest): RecordedExchange | null {
    const { match = (came, recorded) => this.#format.isSame(came, recorded) } = this.#options;
    const fitting = this.#exchanges.filter(({ recorded }) => match(request, recorded.request));
    const next = fitting.find(({ replays }) => replays === 0) ?? (this.#records ? undefined : fitting.at(-1));
    if (next === undefined) return null;
    next.replays++;
    return next.recorded;
  }

  async #record(request: ServedRequest): Promise<Answer> {
    this.#upstream ??=
      this.#options.upstream?.() ?? new ClientSession(null, { cookieJar: new DummyCookieJar() });
    const headers = [...request.headers].filter(([name]) => !OWN_HEADERS.includes(name.toLowerCase()));
    const response = await this.#upstream.request(request.method, request.url, {
      headers,
      skipAutoHeaders: ['Accept', 'Accept-Encoding', 'Content-Type', 'User-Agent'],
      data: request.body.length === 0 ? null : request.body,
      allowRedirects: false,
      raiseForStatus: false,
      timeout: null,
    });
    const body = await response.read();
    const { status, reason } = response;
    const kept = [...response.headers].filter(([name]) => !WIRE_HEADERS.includes(name.toLowerCase()));
    const recorded = this.#format.record(request, { status, reason, headers: kept, body });
    // It has been given already.
    this.#exchanges.push({ recorded, replays: 1 });
    this.#hasNews = true;
    return { status, reason, headers: kept, body };
  }

  /** Write the file, if something was recorded. */
  async save(): Promise<void> {
    if (!this.#hasNews) return;
    this.#hasNews = false;
    const exchanges = this.#exchanges.map(({ recorded }) => recorded);
    await mkdir(path.dirname(path.resolve(this.file)), { recursive: true });
    // In two steps, so that there is never half a file.
    const temporary = `${this.file}.${process.pid}.tmp`;
    await writeFile(temporary, `${JSON.stringify({ version: 1, exchanges }, null, 2)}\n`);
    await rename(temporary, this.file);
  }

  /** Write the file, and end the connections to the real servers. */
  async close(): Promise<void> {
    await this.#upstream?.close();
    this.#upstream = null;
    await this.save();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function exchangesOf(text: string, file: string): RecordedExchange[] {
  const content = JSON.parse(text) as { version?: unknown; exchanges?: unknown } | null;
  if (content?.version === 1 && Array.isArray(content.exchanges))
    return content.exchanges as RecordedExchange[];
  throw new RuntimeError(`${file} is not a cassette of this version`);
}
