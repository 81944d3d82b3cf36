/**
 * The top posts of several subreddits, asked for at once and shown as they come: the order of the blocks is that of the
 * answers, and changes from run to run.
 *
 * Shows an HTTP session with its limits and second tries, whose requests run side by side. What goes wrong with one
 * subreddit is told in the end, and leaves the others alone.
 *
 *   node build/examples/reddit.js                     posts of a server that the program brings with it
 *   node build/examples/reddit.js python=10 asyncio   other subreddits, and how many posts of each
 *   node build/examples/reddit.js --live              posts of www.reddit.com
 *   node build/examples/reddit.js --help              what else there is
 *   watch -n 5 node build/examples/reddit.js
 */
import { parseArgs } from 'node:util';
import { TaskGroup, TimeoutError } from 'asyncio-ts';
import {
  ClientError,
  type ClientResponse,
  ClientSession,
  ClientTimeout,
  RetryMiddleware,
  TCPConnector,
} from 'asyncio-ts/http';
import { startRedditServer } from './embedded/reddit-server.ts';
import { countOf, numberOf, runProgram, UsageError } from './support/program.ts';
import { plain, ProgressLine } from './support/terminal.ts';

const USAGE = `usage: reddit [OPTION]… [SUBREDDIT[=COUNT]]…

Shows the top posts of the day, COUNT of each subreddit (default 3). Without
subreddits: python=3 programming=4 asyncio=2 dailyprogrammer=1. The exit code is
1 if there was one that could not be had, 2 for a mistake in the arguments.

  --live             of www.reddit.com; the default is a server of its own
  --url URL          of another server that speaks Reddit's format
  --timeout SECONDS  for each subreddit, second tries included (default 30)
  --retries N        when the server is busy or does not answer (default 2)
  --concurrency N    requests at once (default 10)
  --json             as JSON, in the order of the arguments
  --seed N           repeats delays and scores of the server of its own
  --help             this text`;

// Reddit turns away programs that do not say who they are.
const USER_AGENT = 'asyncio-ts-example/1.0 (top posts of the day)';

/** A subreddit, how many posts of it are wanted, and what became of that. */
interface Wish {
  readonly subreddit: string;
  readonly count: number;
  posts: readonly Post[] | null;
  error: string | null;
}

interface Post {
  readonly score: number;
  readonly title: string;
  readonly url: string;
}

/** An answer that is none, told to the user without a stack. */
class Failure extends Error {}

async function postsOf(response: ClientResponse): Promise<Post[]> {
  if (response.status !== 200) {
    throw new Failure(`${response.url} answered ${response.status} ${plain(response.reason)}`);
  }
  const text = await response.text();
  const children = childrenOf(text);
  if (children !== null) return children.map(({ data: { score, title, url } }) => ({ score, title, url }));
  throw new Failure(`${response.url} did not answer with a listing, but: ${plain(text.slice(0, 60))}`);
}

/** The posts of Reddit's answer; null if it is something else. */
function childrenOf(text: string): { data: Post }[] | null {
  try {
    const { children } = (JSON.parse(text) as { data: { children: { data: Post }[] } }).data;
    return children.every(({ data }) => typeof data.title === 'string') ? children : null;
  } catch {
    return null;
  }
}

async function fulfil(wish: Wish, session: ClientSession): Promise<void> {
  const { subreddit, count } = wish;
  const params = { sort: 'top', t: 'day', limit: count };
  try {
    wish.posts = await session.get(`r/${subreddit}/top.json`, { params }).run(postsOf);
  } catch (error) {
    wish.error = describe(error);
  }
}

function describe(error: unknown): string {
  const isKnown = error instanceof Failure || error instanceof ClientError || error instanceof TimeoutError;
  if (isKnown) return error.message;
  throw error;
}

interface Options {
  readonly timeout: number;
  readonly retries: number;
  readonly concurrency: number;
  readonly isJson: boolean;
}

async function showAll(baseUrl: string, wishes: readonly Wish[], options: Options): Promise<number> {
  const { timeout, retries, concurrency, isJson } = options;
  if (!isJson) console.log(today());
  await using session = new ClientSession(baseUrl, {
    connector: new TCPConnector({ limit: concurrency }),
    headers: { 'User-Agent': USER_AGENT },
    timeout: new ClientTimeout({ total: timeout }),
    middlewares: [new RetryMiddleware({ attempts: retries + 1, minDelay: 0.2 })],
  });
  const progress = new ProgressLine(() => statusOf(wishes));
  await progress.during(() =>
    new TaskGroup().run((group) => {
      for (const wish of wishes) {
        group.createTask(async () => {
          await fulfil(wish, session);
          if (isJson || wish.posts === null) return;
          progress.erase();
          show(wish.subreddit, wish.posts);
        });
      }
    }),
  );
  if (isJson) console.log(JSON.stringify(wishes, null, 2));
  return complain(wishes) ? 1 : 0;
}

function show(subreddit: string, posts: readonly Post[]): void {
  for (const { score, title, url } of posts) console.log(`\t${score}: ${plain(title)}\n\t\t(${plain(url)})`);
  console.log(`DONE: ${subreddit}\n`);
}

/** Tell what went wrong, once for all subreddits that it went wrong with. */
function complain(wishes: readonly Wish[]): boolean {
  const failed = new Map<string, string[]>();
  for (const { subreddit, error } of wishes) {
    if (error !== null) failed.set(error, [...(failed.get(error) ?? []), subreddit]);
  }
  for (const [error, subreddits] of failed) console.error(`reddit: ${subreddits.join(', ')}: ${error}`);
  return failed.size > 0;
}

function statusOf(wishes: readonly Wish[]): string {
  const open = wishes.filter(({ posts, error }) => posts === null && error === null);
  const names = open.map(({ subreddit }) => subreddit).join(', ');
  return `${wishes.length - open.length} of ${wishes.length} subreddits, waiting for ${names}`;
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

function wishOf(text: string): Wish {
  const [, subreddit, count] = /^(?:\/?r\/)?(\w+)(?:=(.*))?$/.exec(text) ?? [];
  if (subreddit === undefined) throw new UsageError(`'${text}' is not a subreddit, nor SUBREDDIT=COUNT`);
  return { subreddit, count: countOf(subreddit, count, 3, 1), posts: null, error: null };
}

function baseUrlOf(text: string): string {
  const url = text.endsWith('/') ? text : `${text}/`;
  if (/^https?:/i.test(url) && URL.canParse(url)) return url;
  throw new UsageError(`'${text}' is no address of the web`);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      concurrency: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      live: { type: 'boolean' },
      retries: { type: 'string' },
      seed: { type: 'string' },
      timeout: { type: 'string' },
      url: { type: 'string' },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const texts =
    positionals.length > 0 ? positionals : ['python=3', 'programming=4', 'asyncio=2', 'dailyprogrammer=1'];
  const wishes = texts.map(wishOf);
  const options = {
    timeout: numberOf('--timeout', values.timeout, 30, 0.001),
    retries: countOf('--retries', values.retries, 2),
    concurrency: countOf('--concurrency', values.concurrency, 10, 1),
    isJson: values.json ?? false,
  };
  const seed = countOf('--seed', values.seed, Date.now());
  if (values.live) return await showAll('https://www.reddit.com/', wishes, options);
  if (values.url !== undefined) return await showAll(baseUrlOf(values.url), wishes, options);
  await using server = await startRedditServer(seed);
  return await showAll(`${server.url}/`, wishes, options);
}

await runProgram('reddit', USAGE, main);
