/**
 * A stand-in for Reddit on this machine: it answers `/r/NAME/top.json?limit=N` in Reddit's format, after a delay that
 * differs from one request to the next. A seed repeats delays and posts.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
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
  dailyprogrammer: ['[Easy] Count the steps of a spiral'],
};

const MIN_DELAY_MS = 20;
const MAX_DELAY_MS = 400;

/** @param seed - of the delays and scores; the same seed gives the same answers in the same order. */
export function startRedditServer(seed: number): Promise<EmbeddedServer> {
  const random = randomFrom(seed);
  return startServer((request, response) => {
    const delay = MIN_DELAY_MS + random() * (MAX_DELAY_MS - MIN_DELAY_MS);
    const timer = setTimeout(() => answer(request, response, random), delay);
    response.on('close', () => clearTimeout(timer));
  });
}

function answer(request: IncomingMessage, response: ServerResponse, random: () => number): void {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://reddit');
  const name = /^\/r\/(\w+)\/top\.json$/.exec(pathname)?.[1] ?? '';
  const subjects = SUBJECTS[name];
  response.setHeader('Content-Type', 'application/json; charset=UTF-8');
  if (subjects === undefined) {
    response.writeHead(404).end(JSON.stringify({ message: 'Not Found', error: 404 }));
    return;
  }
  let score = 4000 * random();
  const children = subjects.slice(0, Number(searchParams.get('limit') ?? 25)).map((title, i) => {
    score *= 0.4 + random() / 2;
    const url = `https://example.com/r/${name}/comments/${i + 1}/`;
    return { kind: 't3', data: { subreddit: name, title, score: Math.ceil(score), url } };
  });
  response.end(JSON.stringify({ kind: 'Listing', data: { after: null, dist: children.length, children } }));
}
