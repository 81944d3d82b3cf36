/** How requests and answers are written to a cassette: readable, and without secrets. */
import type { Answer } from './answerer.ts';
import type { ServedRequest } from './served-request.ts';

/** A body: JSON as it is, text, or other bytes. Absent if there is none. */
export interface RecordedBody {
  readonly json?: unknown;
  readonly text?: string;
  readonly base64?: string;
}

type RecordedHeaders = readonly (readonly [name: string, value: string])[];

/** A request and its answer, as they are written. */
export interface RecordedExchange {
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: RecordedHeaders;
    readonly body?: RecordedBody;
  };
  readonly response: {
    readonly status: number;
    readonly reason: string;
    readonly headers: RecordedHeaders;
    readonly body?: RecordedBody;
  };
}

/** One of a cassette's. */
export interface Exchange {
  readonly recorded: RecordedExchange;
  /** How often it was given. */
  replays: number;
}

/** What came back. */
export interface Received {
  readonly status: number;
  readonly reason: string;
  readonly headers: RecordedHeaders;
  readonly body: Buffer;
}

const REDACTED = 'REDACTED';
/** Headers that carry credentials as a rule. */
const SECRET_HEADERS = [
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'x-auth-token',
  'x-csrf-token',
  'x-xsrf-token',
  'api-key',
];

/** What of a cassette's options is about how it is written. */
export interface FormatOptions {
  readonly redactHeaders?: readonly string[] | undefined;
  readonly redactParams?: readonly string[] | undefined;
  readonly beforeRecord?: ((exchange: RecordedExchange) => RecordedExchange) | undefined;
}

export class ExchangeFormat {
  readonly #secretHeaders: ReadonlySet<string>;
  readonly #secretParams: readonly string[];
  readonly #beforeRecord: (exchange: RecordedExchange) => RecordedExchange;

  constructor({ redactHeaders = [], redactParams = [], beforeRecord }: FormatOptions) {
    this.#secretHeaders = new Set([...SECRET_HEADERS, ...redactHeaders.map((name) => name.toLowerCase())]);
    this.#secretParams = redactParams;
    this.#beforeRecord = beforeRecord ?? ((exchange) => exchange);
  }

  record(request: ServedRequest, { status, reason, headers, body }: Received): RecordedExchange {
    return this.#beforeRecord({
      request: {
        method: request.method,
        url: this.#urlOf(request.url),
        headers: this.#withoutSecrets([...request.headers]),
        ...bodyOf(request.body, request.headers.get('Content-Type', '')),
      },
      response: {
        status,
        reason,
        headers: this.#withoutSecrets(headers),
        ...bodyOf(body, headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? ''),
      },
    });
  }

  answer({ response: { status, reason, headers, body } }: RecordedExchange): Answer {
    return { status, reason, headers, ...(body !== undefined && { body: bytesOf(body) }) };
  }

  /** Equal by method, URL and body, apart from what is not written and from the boundary of a multipart body. */
  isSame(request: ServedRequest, recorded: RecordedExchange['request']): boolean {
    if (request.method !== recorded.method || this.#urlOf(request.url) !== recorded.url) return false;
    const type = request.headers.get('Content-Type', '');
    const recordedType = recorded.headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
    const came = withoutBoundary(request.body, type);
    return came.equals(
      withoutBoundary(recorded.body ? bytesOf(recorded.body) : Buffer.alloc(0), recordedType),
    );
  }

  #urlOf(url: URL): string {
    const copy = new URL(url);
    for (const name of this.#secretParams)
      if (copy.searchParams.has(name)) copy.searchParams.set(name, REDACTED);
    return copy.href;
  }

  #withoutSecrets(headers: RecordedHeaders): RecordedHeaders {
    return headers.map(([name, value]) => {
      const lower = name.toLowerCase();
      if (this.#secretHeaders.has(lower)) return [name, REDACTED];
      if (lower === 'cookie') return [name, value.replaceAll(/=[^;]*/g, `=${REDACTED}`)];
      // Its attributes are what a jar needs.
      if (lower === 'set-cookie') return [name, value.replace(/=[^;]*/, `=${REDACTED}`)];
      return [name, value];
    });
  }
}

function bodyOf(bytes: Buffer, type: string): { body?: RecordedBody } {
  if (bytes.length === 0) return {};
  const text = bytes.toString();
  // Not text in UTF-8.
  if (!Buffer.from(text).equals(bytes)) return { body: { base64: bytes.toString('base64') } };
  if (/[/+]json\b/i.test(type)) {
    try {
      const json = JSON.parse(text) as unknown;
      // Written out only where the very bytes come back.
      if (JSON.stringify(json) === text) return { body: { json } };
    } catch {
      // It only says so.
    }
  }
  return { body: { text } };
}

function bytesOf({ json, text, base64 }: RecordedBody): Buffer {
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  return Buffer.from(text ?? JSON.stringify(json));
}

function withoutBoundary(body: Buffer, type: string): Buffer {
  const boundary = /^multipart\/.*;\s*boundary="?([^";]+)/i.exec(type)?.[1];
  if (boundary === undefined) return body;
  return Buffer.from(body.toString('latin1').replaceAll(boundary, 'boundary'), 'latin1');
}
