/** Tries requests again that failed for the moment. Not in aiohttp. */
import { inlineBody } from '../core/coroutines.ts';
import type { Gen } from '../core/types.ts';
import { sleep } from '../core/waiting.ts';
import type { ClientHandlerType, ClientMiddleware } from './client-middlewares.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';
import {
  ClientConnectionResetError,
  ClientConnectorCertificateError,
  ClientConnectorError,
  ClientOSError,
  ConnectionTimeoutError,
  ServerConnectionError,
  ServerFingerprintMismatch,
} from './exceptions.ts';
import { type ContextBody } from './helpers.ts';
import { optionNames, ownOptions } from './options.ts';

/** A try that failed, and is followed by another one. */
export interface RetryInfo {
  readonly request: ClientRequest;
  /** Its number, from 1. */
  readonly attempt: number;
  /** Seconds until the next one. */
  readonly delay: number;
  /** Its answer, whose body is not read any more; null if there was none. */
  readonly response: ClientResponse | null;
  /** What went wrong instead. */
  readonly error: Error | null;
}

/** Options of a `RetryMiddleware`. */
export interface RetryOptions {
  /** How often a request is sent in all, at most. Default 3. */
  attempts?: number | undefined;
  /** Statuses that may be others next time. Default 408, 429, 500, 502, 503 and 504. */
  statuses?: Iterable<number> | undefined;
  /**
   * Methods that do no harm when they are carried out twice. Default GET, HEAD, OPTIONS, TRACE, PUT and DELETE. Of the
   * others a request is sent again only if no connection could be made.
   */
  methods?: Iterable<string> | undefined;
  /** Seconds before the second try. Default 0.5. */
  minDelay?: number | undefined;
  /** Seconds that no delay exceeds, but for one that the server asks for. Default 30. */
  maxDelay?: number | undefined;
  /** By how much the delay grows from try to try. Default 2. */
  factor?: number | undefined;
  /** Shorten delays at random, to no less than half, so that clients don't come back all at once. Default true. */
  jitter?: boolean | undefined;
  /** Wait for as long as a `Retry-After` header says, if that is longer. Default true. */
  respectRetryAfter?: boolean | undefined;
  /** Seconds of such a header from which the response is not worth the wait, and is the result. Default 60. */
  maxRetryAfter?: number | undefined;
  /** Called before each delay; an error of it ends the request. */
  onRetry?: ((info: RetryInfo) => unknown) | undefined;
}

const OPTIONS = /* @__PURE__ */ optionNames<RetryOptions>('RetryMiddleware', {
  attempts: true,
  statuses: true,
  methods: true,
  minDelay: true,
  maxDelay: true,
  factor: true,
  jitter: true,
  respectRetryAfter: true,
  maxRetryAfter: true,
  onRetry: true,
});

/**
 * A middleware that sends a request again if its connection fails, or its status says that the server could not answer
 * for the moment, with delays that grow. A body that is gone with the first try is not sent again.
 *
 * When the tries are used up, the last response is the result, or the last error is thrown. The total time-out of a
 * request covers all of its tries and delays.
 *
 * Cancellation: ends a delay at once.
 *
 * ```ts
 * const retry = new RetryMiddleware({ attempts: 5, onRetry: ({ attempt, delay }) => log(attempt, delay) });
 * await using session = new ClientSession(null, { middlewares: [retry] });
 * ```
 */
export class RetryMiddleware implements ClientMiddleware {
  readonly #attempts: number;
  readonly #statuses: ReadonlySet<number>;
  readonly #methods: ReadonlySet<string>;
  readonly #minDelay: number;
  readonly #maxDelay: number;
  readonly #factor: number;
  readonly #jitter: boolean;
  readonly #respectRetryAfter: boolean;
  readonly #maxRetryAfter: number;
  readonly #onRetry: ((info: RetryInfo) => unknown) | null;

  /**
   * @throws RangeError unless `attempts` is a whole number from 1 on, and all times are numbers from 0 on; TypeError for
   *   unknown options.
   */
  constructor(given: RetryOptions = {}) {
    const options = ownOptions(given, OPTIONS);
    this.#attempts = atLeast(1, 'attempts', options.attempts ?? 3);
    if (!Number.isInteger(this.#attempts))
      throw new RangeError(`attempts must be a whole number, not ${this.#attempts}`);
    this.#statuses = new Set(options.statuses ?? [408, 429, 500, 502, 503, 504]);
    const methods = options.methods ?? ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'];
    this.#methods = new Set([...methods].map((method) => method.toUpperCase()));
    this.#minDelay = atLeast(0, 'minDelay', options.minDelay ?? 0.5);
    this.#maxDelay = atLeast(0, 'maxDelay', options.maxDelay ?? 30);
    this.#factor = atLeast(0, 'factor', options.factor ?? 2);
    this.#jitter = options.jitter ?? true;
    this.#respectRetryAfter = options.respectRetryAfter ?? true;
    this.#maxRetryAfter = atLeast(0, 'maxRetryAfter', options.maxRetryAfter ?? 60);
    this.#onRetry = options.onRetry ?? null;
  }

  /** Send a request until it succeeds, or the tries are used up. */
  *handle(request: ClientRequest, handler: ClientHandlerType): Gen<ClientResponse> {
    for (let attempt = 1; ; attempt++) {
      let response: ClientResponse | null = null;
      let error: Error | null = null;
      try {
        response = yield* handler(request);
        if (!this.#mayRepeat(request, response) || attempt === this.#attempts) return response;
      } catch (thrown) {
        if (!this.#mayRepeatAfter(request, thrown) || attempt === this.#attempts) throw thrown;
        error = thrown;
        request._isFresh = true;
      }
      const delay = this.#delayAfter(attempt, response);
      if (delay === null && response !== null) return response;
      response?.release();
      yield* this.#pause({ request, attempt, delay: delay ?? 0, response, error });
    }
  }

  #mayRepeat({ method, body }: ClientRequest, { status }: ClientResponse): boolean {
    return this.#statuses.has(status) && this.#methods.has(method) && body?.consumed !== true;
  }

  #mayRepeatAfter({ method, body }: ClientRequest, error: unknown): error is Error {
    if (body?.consumed === true) return false;
    // Whoever has the wrong certificate today has it in a second, too.
    if (error instanceof ClientConnectorCertificateError || error instanceof ServerFingerprintMismatch)
      return false;
    if (error instanceof ClientConnectorError || error instanceof ConnectionTimeoutError) return true;
    const isLost =
      error instanceof ClientOSError ||
      error instanceof ServerConnectionError ||
      error instanceof ClientConnectionResetError;
    return isLost && this.#methods.has(method);
  }

  /** Seconds to wait; null: the server asks for more than we want to wait. */
  #delayAfter(attempt: number, response: ClientResponse | null): number | null {
    const full = Math.min(this.#minDelay * this.#factor ** (attempt - 1), this.#maxDelay);
    const delay = this.#jitter ? full * (0.5 + Math.random() / 2) : full;
    const asked = this.#respectRetryAfter && response !== null ? retryAfterOf(response) : 0;
    return asked > this.#maxRetryAfter ? null : Math.max(delay, asked);
  }

  *#pause(info: RetryInfo): Gen<void> {
    if (this.#onRetry !== null) yield* inlineBody(this.#onRetry as ContextBody<RetryInfo, unknown>, info);
    yield* sleep(info.delay);
  }
}

/** Seconds that the server asks for, as a number or as the time when they end. */
function retryAfterOf({ headers }: ClientResponse): number {
  const text = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text);
  const end = Date.parse(text);
  if (Number.isNaN(end)) return 0;
  // By the clock of the server, if it tells.
  const now = Date.parse(headers.get('date') ?? '');
  return Math.max(0, (end - (Number.isNaN(now) ? Date.now() : now)) / 1000);
}

function atLeast(least: number, name: string, value: number): number {
  if (value >= least) return value;
  throw new RangeError(`${name} must be a number from ${least} on, not ${value}`);
}
