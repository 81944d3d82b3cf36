/** How the checker behaves towards the hosts that it asks. */
import { getRunningLoop, Lock, Semaphore, sleep, TimeoutError } from 'asyncio-ts';
import {
  ClientError,
  type ClientHandlerType,
  type ClientMiddleware,
  type ClientRequest,
  type ClientResponse,
  type ClientSession,
} from 'asyncio-ts/http';
import { readAtMost } from './body.ts';
import type { Options } from './options.ts';
import { Robots } from './robots.ts';

/** The name of the robot, by which robots.txt may call it. */
export const AGENT = 'asyncio-ts-link-checker';

/** As much of a robots.txt as RFC 9309 asks for at least. */
const MAX_ROBOTS_BYTES = 500 * 1024;

/** All hosts. Stands in the session as a middleware, so that no request goes out before its turn, redirects included. */
export class Hosts implements ClientMiddleware {
  readonly #options: Options;
  readonly #hosts = new Map<string, Host>();

  constructor(options: Options) {
    this.#options = options;
  }

  of({ origin }: URL): Host {
    let host = this.#hosts.get(origin);
    if (host === undefined) {
      host = new Host(origin, this.#options);
      this.#hosts.set(origin, host);
    }
    return host;
  }

  async handle(request: ClientRequest, handler: ClientHandlerType): Promise<ClientResponse> {
    await this.of(request.url).turn();
    return await handler(request);
  }
}

/** One origin: so many requests at once, with time in between, and its robots.txt before all others. */
export class Host {
  readonly places: Semaphore;
  readonly #origin: string;
  readonly #options: Options;
  readonly #robotsLock = new Lock();
  #robots: Robots | null = null;
  #lastTurn = Number.NEGATIVE_INFINITY;

  constructor(origin: string, options: Options) {
    this.places = new Semaphore(options.perHost);
    this.#origin = origin;
    this.#options = options;
  }

  /** Its rules, which are asked for once. */
  async robots(session: ClientSession): Promise<Robots> {
    if (!this.#options.areRobotsHeard) return Robots.everything;
    return await this.#robotsLock.run(async () => {
      this.#robots ??= await this.#fetchRobots(session);
      return this.#robots;
    });
  }

  /** Wait until the next request may go out. */
  async turn(): Promise<void> {
    const delay = Math.max(this.#options.delay, this.#robots?.delay ?? 0);
    const now = getRunningLoop().time();
    this.#lastTurn = Math.max(now, this.#lastTurn + delay);
    if (this.#lastTurn > now) await sleep(this.#lastTurn - now);
  }

  // By RFC 9309 a robots.txt that is missing allows everything, and a server that fails nothing. Where none answers, the
  // resource itself is asked for, whose error is worth telling.
  async #fetchRobots(session: ClientSession): Promise<Robots> {
    try {
      return await session.get(`${this.#origin}/robots.txt`).run(async (response) => {
        if (response.status >= 500) return Robots.nothing;
        if (response.status !== 200) return Robots.everything;
        const { bytes } = await readAtMost(response, MAX_ROBOTS_BYTES);
        return Robots.parse(new TextDecoder().decode(bytes), AGENT);
      });
    } catch (error) {
      if (error instanceof ClientError || error instanceof TimeoutError) return Robots.everything;
      throw error;
    }
  }
}
