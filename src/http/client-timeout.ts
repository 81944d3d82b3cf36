/** How long a request may take. Counterpart: the timers of `aiohttp/client.py` and `aiohttp/helpers.py`. */
import { requireLoop, toSeconds } from '../core/events.ts';
import { timeout, timeoutAt } from '../core/timeouts.ts';
import type { Delay, Gen } from '../core/types.ts';

function limit(delay: Delay | null | undefined, name: string): number | null {
  return delay === null || delay === undefined ? null : toSeconds(delay, name);
}

/**
 * Limits of time for the parts of a request. Each is in seconds (or a `Delay`), and null, the default, is no limit.
 *
 * @param options.total - the whole operation: redirects and the reading of the body, too.
 * @param options.connect - getting a connection, with the wait for a free place in the pool.
 * @param options.sockConnect - connecting to the server alone, name look-up and TLS included.
 * @param options.sockRead - between two pieces of data from the server.
 * @param options.ceilThreshold - a `total` of so many seconds or more ends on a full second of the loop's clock, so
 *   that the timers of many requests end together. Default 5.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientTimeout`.
 */
export class ClientTimeout {
  readonly total: number | null;
  readonly connect: number | null;
  readonly sockConnect: number | null;
  readonly sockRead: number | null;
  readonly ceilThreshold: number;

  constructor(
    options: {
      total?: Delay | null | undefined;
      connect?: Delay | null | undefined;
      sockConnect?: Delay | null | undefined;
      sockRead?: Delay | null | undefined;
      ceilThreshold?: number | undefined;
    } = {},
  ) {
    this.total = limit(options.total, 'total');
    this.connect = limit(options.connect, 'connect');
    this.sockConnect = limit(options.sockConnect, 'sockConnect');
    this.sockRead = limit(options.sockRead, 'sockRead');
    this.ceilThreshold = options.ceilThreshold ?? 5;
    Object.freeze(this);
  }

  toString(): string {
    const { total, connect, sockConnect, sockRead, ceilThreshold } = this;
    return (
      `ClientTimeout(total=${total}, connect=${connect}, sockRead=${sockRead}, sockConnect=${sockConnect}, ` +
      `ceilThreshold=${ceilThreshold})`
    );
  }
}

/** The limits of a session that is given none. */
export const DEFAULT_TIMEOUT = new ClientTimeout({ total: 300, sockConnect: 30 });

/** What a `timeout` option takes: a `ClientTimeout`, a number of seconds for the total, null for no limits. */
export function toClientTimeout(
  value: ClientTimeout | Delay | null | undefined,
  inherited: ClientTimeout,
): ClientTimeout {
  if (value === undefined) return inherited;
  if (value === null) return new ClientTimeout();
  return value instanceof ClientTimeout ? value : new ClientTimeout({ total: value });
}

/** Run `body` for at most so many seconds; null is no limit. */
export function* within<T>(seconds: number | null, body: () => Gen<T>): Gen<T> {
  if (seconds === null) return yield* body();
  return yield* timeout(seconds).run(function* () {
    return yield* body();
  });
}

/**
 * What ends a request from above: its total limit, and the signal of the caller. One for the request and its body;
 * it interrupts whatever waits under it.
 */
export class RequestTimer {
  readonly #when: number | null;
  readonly #signal: AbortSignal | undefined;

  constructor({ total, ceilThreshold }: ClientTimeout, signal?: AbortSignal) {
    this.#when = total === null || total <= 0 ? null : requireLoop().time() + total;
    if (this.#when !== null && total !== null && total >= ceilThreshold) this.#when = Math.ceil(this.#when);
    this.#signal = signal;
  }

  /** Run `body` under both. */
  *run<T>(body: () => Gen<T>): Gen<T> {
    if (this.#when === null && this.#signal === undefined) return yield* body();
    return yield* timeoutAt(this.#when)._runWith(function* () {
      return yield* body();
    }, this.#signal);
  }
}
