/** A request as a server sees it. No counterpart in aiohttp, whose tests have a server of its own. */
import { CIMultiDict } from '../../http/multidict.ts';

/** A request that came in, with all of its body. */
export class ServedRequest {
  readonly method: string;
  /** The whole of it: scheme, host and port are those that the client connected to. */
  readonly url: URL;
  /** As they were sent, in order. */
  readonly headers: CIMultiDict;
  readonly body: Buffer;

  constructor(method: string, url: URL, headers: CIMultiDict, body: Buffer) {
    this.method = method;
    this.url = url;
    this.headers = headers;
    this.body = body;
  }

  /** Path and query. */
  get path(): string {
    return this.url.pathname + this.url.search;
  }

  /** The parameters of the URL. */
  get query(): URLSearchParams {
    return this.url.searchParams;
  }

  /** The body as text, in UTF-8. */
  text(): string {
    return this.body.toString();
  }

  /** The body as JSON. @throws SyntaxError if it is none. */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }

  toString(): string {
    return `<ServedRequest ${this.method} ${this.url}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
