/**
 * A stand-in for Reddit on this machine: it answers `/r/NAME/top.json?limit=N` in Reddit's format, after a delay that
 * differs from one subreddit to the next, compressed for those who can read that. As the real one it has its moods: it is
 * busy once, it redirects to the name as it is written properly, and it turns away who asks for too much.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { randomFrom } from './random.ts';
import { type EmbeddedServer, startServer } from './server.ts';

const SUBJECTS: Record<string, string[]> = {
  python: [
    'a parser for the menu of our canteen',
    'why my generator was never exhausted',
    'a year without pip',
  ],
  programming: [
    'the bug that waited nine years',
    'names we regret',
    'reading old code aloud',
    'a queue is a promise',
  ],
  asyncio: ['what I learnt from one cancelled task', 'a chat server in ninety lines'],
  DailyProgrammer: ['[Easy] Count the steps of a spiral'],
};

const MIN_DELAY_MS = 20;
const MAX_DELAY_MS = 400;

/** Requests that may come within a second. */
const RATE = 20;

/** @param seed - of the delays and scores; the same seed gives the same answers in the same order. */
export function startRedditServer(seed: number): Promise<EmbeddedServer> {
  const reddit = new Reddit(seed);
  return startServer((request, response) => reddit.serve(request, response));
}

class Reddit {
  readonly #seed: number;
  /** Subreddits that are too busy to answer the first time. */
  readonly #busy = new Set(['programming']);
  /** When the last requests came, in milliseconds. */
  readonly #times: number[] = [];

  constructor(seed: number) {
    this.#seed = seed;
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, search, searchParams } = new URL(request.url ?? '', 'http://reddit');
    const asked = /^\/r\/(\w+)\/top\.json$/.exec(pathname)?.[1] ?? '';
    const name = Object.keys(SUBJECTS).find((one) => one.toLowerCase() === asked.toLowerCase());
    if (this.#isTooMuch()) {
      sendError(response, 429, 'Too Many Requests');
    } else if (name === undefined) {
      sendError(response, 404, 'Not Found');
    } else if (name !== asked) {
      response.writeHead(301, { Location: `/r/${name}/top.json${search}` }).end();
    } else if (this.#busy.delete(name)) {
      sendError(response, 503, 'Service Unavailable');
    } else {
      const random = randomFrom(this.#seed + numberOf(name));
      const answer = () =>
        sendListing(request, response, listingOf(name, Number(searchParams.get('limit') ?? 25), random));
      const timer = setTimeout(answer, MIN_DELAY_MS + random() * (MAX_DELAY_MS - MIN_DELAY_MS));
      response.on('close', () => clearTimeout(timer));
    }
  }

  #isTooMuch(): boolean {
    const now = performance.now();
    while ((this.#times[0] ?? now) < now - 1000) this.#times.shift();
    return this.#times.push(now) > RATE;
  }
}

/** A number for each name, so that its posts don't depend on who else asks. */
function numberOf(name: string): number {
  return Buffer.from(name).reduce((sum, byte) => Math.imul(31, sum) + byte, 0);
}

function sendError(response: ServerResponse, status: number, message: string): void {
  response.setHeader('Content-Type', 'application/json; charset=UTF-8');
  if (status === 503) response.setHeader('Retry-After', 0);
  if (status === 429) response.setHeader('Retry-After', 1);
  response.writeHead(status).end(JSON.stringify({ message, error: status }));
}

function listingOf(name: string, limit: number, random: () => number): object {
  let score = 4000 * random();
  const children = (SUBJECTS[name] ?? []).slice(0, limit).map((title, i) => {
    score *= 0.4 + random() / 2;
    const url = `https://example.com/r/${name}/comments/${i + 1}/`;
    return { kind: 't3', data: { subreddit: name, title, score: Math.ceil(score), url } };
  });
  return { kind: 'Listing', data: { after: null, dist: children.length, children } };
}

function sendListing(request: IncomingMessage, response: ServerResponse, listing: object): void {
  const body = JSON.stringify(listing);
  response.setHeader('Content-Type', 'application/json; charset=UTF-8');
  response.setHeader('Vary', 'Accept-Encoding');
  if (/\bgzip\b/.test(String(request.headers['accept-encoding']))) {
    response.setHeader('Content-Encoding', 'gzip').end(gzipSync(body));
  } else {
    response.end(body);
  }
}
