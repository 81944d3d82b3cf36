/** From names of hosts to addresses. Counterpart: `aiohttp/resolver.py`. */
import type { Resolver } from 'node:dns/promises';
import { coroutine, fromPromise } from '../core/coroutines.ts';
import { requireLoop } from '../core/events.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { resolve } from '../io/resolve.ts';
import type { AbstractResolver, ResolveResult } from './abc.ts';
import { waitOutside } from './helpers.ts';
import { checkOptions, optionNames } from './options.ts';

type Family = 0 | 4 | 6;

function toResult(hostname: string, host: string, port: number, family: 4 | 6): ResolveResult {
  return { hostname, host, port, family, proto: 0, flags: 0 };
}

/**
 * The system's name resolution, hosts file included: Node's `dns.lookup`, which asks in one of its threads.
 *
 * Source: aiohttp 3.14 `aiohttp.ThreadedResolver`.
 */
export class ThreadedResolver implements AbstractResolver {
  /**
   * @throws Node's error of `getaddrinfo` if there is no such host.
   *
   * Cancellation: ends the wait; the question itself cannot be taken back.
   */
  resolve(host: string, port = 0, family: Family = 0): Coroutine<ResolveResult[]> {
    return lookUp(host, port, family);
  }

  /** Does nothing. */
  close(): Coroutine<void> {
    return nothing();
  }
}

const nothing = coroutine(function* close(): Gen<void> {});

const lookUp = coroutine(function* resolveBySystem(
  host: string,
  port: number,
  family: Family,
): Gen<ResolveResult[]> {
  const loop = requireLoop();
  const found = yield* waitOutside(loop, resolve(loop, host, port, family));
  return found.map((address) => toResult(host, address.host, address.port, address.family));
});

/** Options of `AsyncResolver`. */
export interface AsyncResolverOptions {
  /** Addresses of the name servers to ask, such as `127.0.0.53` or `[::1]:5353`; default those of the system. */
  nameservers?: readonly string[] | undefined;
}

const OPTIONS = /* @__PURE__ */ optionNames<AsyncResolverOptions>('AsyncResolver', { nameservers: true });

/**
 * Asks name servers by itself, without threads and without the hosts file: Node's `dns.promises.Resolver`, in place of
 * aiodns.
 *
 * Source: aiohttp 3.14 `aiohttp.AsyncResolver`.
 */
export class AsyncResolver implements AbstractResolver {
  readonly #nameservers: readonly string[] | undefined;
  #resolver: Resolver | null = null;
  #isClosed = false;

  constructor(options: AsyncResolverOptions = {}) {
    checkOptions(options, OPTIONS);
    this.#nameservers = options.nameservers;
  }

  /**
   * @throws Node's error of the last question (`ENOTFOUND`, `ESERVFAIL`, …) if none has an answer.
   *
   * Cancellation: ends the wait.
   */
  resolve(host: string, port = 0, family: Family = 0): Coroutine<ResolveResult[]> {
    return askServers(this, host, port, family);
  }

  /** End the questions that are open, with the error `ECANCELLED`. Again does nothing. */
  close(): Coroutine<void> {
    this.#resolver?.cancel();
    this.#resolver = null;
    this.#isClosed = true;
    return nothing();
  }

  /** @internal */
  async _ask(host: string, port: number, family: Family): Promise<ResolveResult[]> {
    const resolver = await this.#open();
    const toResults = (ofFamily: 4 | 6) => (found: string[]) =>
      found.map((address) => toResult(host, address, port, ofFamily));
    const questions: Promise<ResolveResult[]>[] = [];
    if (family !== 4) questions.push(resolver.resolve6(host).then(toResults(6)));
    if (family !== 6) questions.push(resolver.resolve4(host).then(toResults(4)));
    const answers = await Promise.allSettled(questions);
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const failure = answers.findLast((answer) => answer.status === 'rejected');
    if (found.length === 0 && failure !== undefined) throw failure.reason;
    return found;
  }

  async #open(): Promise<Resolver> {
    const dns = await import('node:dns/promises');
    if (this.#isClosed) throw Object.assign(new Error('the resolver is closed'), { code: 'ECANCELLED' });
    if (this.#resolver === null) {
      this.#resolver = new dns.Resolver();
      if (this.#nameservers !== undefined) this.#resolver.setServers(this.#nameservers);
    }
    return this.#resolver;
  }
}

const askServers = coroutine(function* resolveByServers(
  resolver: AsyncResolver,
  host: string,
  port: number,
  family: Family,
): Gen<ResolveResult[]> {
  return yield* fromPromise(resolver._ask(host, port, family));
});

/**
 * What a `TCPConnector` without a resolver uses: the system's, since that one knows the hosts file.
 *
 * Source: aiohttp 3.14 `aiohttp.DefaultResolver`.
 */
export const DefaultResolver: typeof ThreadedResolver = ThreadedResolver;
