/**
 * The top posts of several subreddits, asked for at once and shown as they come: the order of the blocks is that of the
 * answers, and changes from run to run.
 *
 * Shows an HTTP session whose requests run side by side, and what becomes of errors and of Ctrl-C.
 *
 *   node build/examples/reddit.js            posts of a server that the program brings with it
 *   node build/examples/reddit.js --seed 7   the same delays every time
 *   node build/examples/reddit.js --live     posts of www.reddit.com
 *   node build/examples/reddit.js --url URL  posts of another server that speaks Reddit's format
 *   watch -n 5 node build/examples/reddit.js
 */
import { parseArgs } from 'node:util';
import { gather, KeyboardInterrupt, run, TimeoutError } from 'asyncio-ts';
import { ClientError, ClientSession } from 'asyncio-ts/http';
import { startRedditServer } from './embedded/reddit-server.ts';

// Reddit turns away programs that do not say who they are.
const USER_AGENT = 'asyncio-ts-example/1.0 (top posts of the day)';

/** What is of interest in Reddit's answer. */
interface Listing {
  data: { children: { data: { score: number; title: string; url: string } }[] };
}

/** Something went wrong that the user should hear about, and not as a stack. */
class Failure extends Error {}

async function getListing(session: ClientSession, path: string): Promise<Listing> {
  return await session.get(path).run(async (response) => {
    if (response.status !== 200) {
      throw new Failure(`${response.url} answered ${response.status} ${response.reason}`);
    }
    const text = await response.text();
    const listing = parseJson(text) as Listing | null;
    if (Array.isArray(listing?.data?.children)) return listing;
    throw new Failure(`${response.url} did not answer with a listing, but: ${text.slice(0, 60)}`);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function showTop(session: ClientSession, subreddit: string, count: number): Promise<void> {
  const { data } = await getListing(session, `/r/${subreddit}/top.json?sort=top&t=day&limit=${count}`);
  for (const { data: post } of data.children)
    console.log(`\t${post.score}: ${post.title}\n\t\t(${post.url})`);
  console.log(`DONE: ${subreddit}\n`);
}

async function showAll(baseUrl: string): Promise<void> {
  console.log(today());
  await using session = new ClientSession(`${baseUrl}/`, {
    headers: { 'User-Agent': USER_AGENT },
    timeout: 30,
  });
  await gather(
    () => showTop(session, 'python', 3),
    () => showTop(session, 'programming', 4),
    () => showTop(session, 'asyncio', 2),
    () => showTop(session, 'dailyprogrammer', 1),
  );
}

/** As `Sunday, November 22, 09:05 AM`. */
function today(): string {
  const parts = new Intl.DateTimeFormat('en-US', {
    weekday: 'long',
    month: 'long',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hour12: true,
  }).formatToParts(new Date());
  const part = (type: Intl.DateTimeFormatPartTypes): string =>
    parts.find((one) => one.type === type)?.value ?? '';
  const time = `${part('hour')}:${part('minute')} ${part('dayPeriod')}`;
  return `${part('weekday')}, ${part('month')} ${part('day')}, ${time}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { live: { type: 'boolean' }, url: { type: 'string' }, seed: { type: 'string' } },
  });
  if (values.live) {
    await showAll('https://www.reddit.com');
  } else if (values.url !== undefined) {
    await showAll(values.url);
  } else {
    await using server = await startRedditServer(Number(values.seed ?? Date.now()));
    await showAll(server.url);
  }
}

try {
  await run(main);
} catch (error) {
  if (error instanceof KeyboardInterrupt) {
    process.exitCode = 130;
  } else if (error instanceof Failure || error instanceof ClientError || error instanceof TimeoutError) {
    console.error(`reddit: ${error.message || 'no answer in time'}`);
    process.exitCode = 1;
  } else {
    throw error;
  }
}
