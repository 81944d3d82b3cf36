import assert from 'node:assert/strict';
import type { RequestListener, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { serve } from '../http/servers.ts';
import '../support/leaks.ts';
import { linesOf, Program, runExample } from './program.ts';

const DATE =
  /^(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (January|February|March|April|May|June|July|August|September|October|November|December) \d\d, (0[1-9]|1[0-2]):[0-5]\d [AP]M$/;

/** The blocks of the output, as `name: number of posts`. Fails for any other layout. */
function blocksOf(lines: string[]): string[] {
  const [date = '', ...rest] = lines;
  assert.match(date, DATE);
  const text = `${rest.join('\n')}\n`;
  const block = /(?<posts>(?:\t\d+: [^\n]+\n\t\t\(https?:\/\/[^\n]+\)\n)+)DONE: (?<name>\w+)\n\n/gy;
  const blocks = [...text.matchAll(block)];
  assert.equal(blocks.map(([whole]) => whole).join(''), text);
  return blocks.map(
    ({ groups }) => `${groups?.['name']}: ${(groups?.['posts'] ?? '').match(/\t\(/g)?.length}`,
  );
}

async function failureWith(handler: RequestListener, ...args: string[]): Promise<string> {
  await using site = await serve(handler);
  const { code, stdout, stderr } = await runExample('reddit', ['--url', site.url, ...args]);
  assert.equal(code, 1);
  assert.match(stdout.trimEnd(), DATE);
  assert.doesNotMatch(stderr, / {4}at /, 'no stack');
  return stderr.replaceAll(site.url, 'URL/');
}

/** A server that gives every subreddit one post, or what `others` say of it. */
function listings(others: Record<string, (response: ServerResponse) => void>): RequestListener {
  return (request, response) => {
    const name = /^\/r\/(\w+)\//.exec(request.url ?? '')?.[1] ?? '';
    const post = { data: { score: 1, title: `about\n\x1b[31m${name}`, url: 'https://host/\x07' } };
    if (others[name]) others[name](response);
    else response.end(JSON.stringify({ data: { children: [post] } }));
  };
}

describe('example reddit', () => {
  it('shows posts and links of each subreddit, in the order of the answers', async () => {
    const orders = new Set<string>();
    for (const seed of ['1', '2', '3', '4']) {
      const blocks = blocksOf(await linesOf('reddit', ['--seed', seed]));
      assert.deepEqual(
        new Set(blocks),
        new Set(['asyncio: 2', 'dailyprogrammer: 1', 'programming: 4', 'python: 3']),
      );
      orders.add(blocks.join());
    }
    assert(orders.size > 1, 'the order changes from run to run');
    blocksOf(await linesOf('reddit'));
  });

  it('shows the subreddits that are asked for, as many posts of each', async () => {
    const blocks = blocksOf(await linesOf('reddit', ['r/python=1', 'DailyProgrammer', '--seed', '1']));
    assert.deepEqual(new Set(blocks), new Set(['python: 1', 'DailyProgrammer: 1']));
  });

  it('prints JSON in the order of the arguments', async () => {
    const lines = await linesOf('reddit', ['--json', 'dailyprogrammer', 'python=1', 'asyncio']);
    const wishes = JSON.parse(lines.join('\n')) as { subreddit: string; posts: object[]; error: null }[];
    assert.deepEqual(
      wishes.map(({ subreddit, posts, error }) => [subreddit, posts.length, error]),
      [
        ['dailyprogrammer', 1, null],
        ['python', 1, null],
        ['asyncio', 2, null],
      ],
    );
  });

  it('asks again when the server is busy, and waits when it is told to', async () => {
    let tries = 0;
    const busy = listings({
      busy: (response) => {
        if (tries++ === 0) response.writeHead(429, { 'Retry-After': '0' }).end();
        else response.end('{"data":{"children":[]}}');
      },
    });
    await using site = await serve(busy);
    const { code, stdout } = await runExample('reddit', ['busy', '--url', site.url]);
    assert.equal(code, 0);
    assert.match(stdout, /\nDONE: busy\n/);
    tries = 0;
    const once = await failureWith(busy, 'busy', '--retries', '0');
    assert.match(once, /^reddit: busy: URL\/\S+ answered 429 Too Many Requests\n$/);
    // More than the server of the example answers within a second.
    const many = Array.from({ length: 25 }, () => 'python=1');
    assert.equal(blocksOf(await linesOf('reddit', many)).length, 25);
  });

  it('tells what is wrong with the answer', async () => {
    const forbidden = await failureWith(
      (_request, response) => void response.writeHead(403).end('go away'),
      'python',
    );
    assert.equal(
      forbidden,
      'reddit: python: URL/r/python/top.json?sort=top&t=day&limit=3 answered 403 Forbidden\n',
    );
    const html = await failureWith(
      (_request, response) => void response.end('<html>please log in</html>'),
      'python',
    );
    assert.match(
      html,
      /^reddit: python: URL\/r\/\S+ did not answer with a listing, but: <html>please log in<\/html>\n$/,
    );
    const cut = await failureWith((_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('{', () => response.destroy());
    });
    assert.match(cut, /^reddit: .*: (Response payload is not completed|Server disconnected)/);
  });

  it('leaves the others alone when something is wrong with one, and tells it in the end', async () => {
    await using site = await serve(
      listings({
        gone: (response) => void response.writeHead(404).end(),
        odd: (response) => void response.end('{"data":'),
        slow: () => {},
        cut: (response) =>
          void response.writeHead(200, { 'Content-Length': 9 }).write('{', () => response.destroy()),
      }),
    );
    const args = ['--url', site.url, '--timeout', '1.5', '--retries', '0'];
    const { code, stdout, stderr } = await runExample('reddit', [
      ...args,
      'one',
      'gone',
      'odd',
      'slow',
      'cut',
      'two',
    ]);
    assert.equal(code, 1);
    assert.deepEqual(new Set(blocksOf(stdout.split('\n').slice(0, -1))), new Set(['one: 1', 'two: 1']));
    const told = stderr.replaceAll(site.url, 'URL/').split('\n');
    assert.match(told[0] ?? '', /^reddit: gone: URL\/\S+ answered 404 Not Found$/);
    assert.match(told[1] ?? '', /^reddit: odd: URL\/\S+ did not answer with a listing, but: {"data":$/);
    assert.match(told[2] ?? '', /^reddit: slow: Total timeout of 1\.5 s for URL\/r\/slow\/\S+$/);
    assert.match(told[3] ?? '', /^reddit: cut: Response payload is not completed/);
    assert.deepEqual(told.slice(4), ['']);
  });

  it('keeps what a terminal takes for a command out of the titles', async () => {
    await using site = await serve(listings({}));
    const { stdout } = await runExample('reddit', ['--url', site.url, 'one']);
    assert(stdout.endsWith('\n\t1: about [31mone\n\t\t(https://host/)\nDONE: one\n\n'), stdout);
  });

  it('tells that there is no network, once', async () => {
    const { code, stderr } = await runExample('reddit', ['--url', 'http://127.0.0.1:9', '--retries', '0']);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^reddit: python, programming, asyncio, dailyprogrammer: Cannot connect to host 127\.0\.0\.1:9 ssl:default \[.*ECONNREFUSED.*\]\n$/,
    );
  });

  it('says who it is', async () => {
    let agent: string | undefined;
    await failureWith((request, response) => {
      agent = request.headers['user-agent'];
      response.writeHead(500).end();
    });
    assert.match(agent ?? '', /asyncio-ts-example/);
  });

  it('asks no more at once than it is told to', async () => {
    let open = 0;
    let most = 0;
    await using site = await serve((request, response) => {
      most = Math.max(most, ++open);
      response.on('close', () => open--);
      setTimeout(() => listings({})(request, response), 30);
    });
    await runExample('reddit', ['--url', site.url, '--concurrency', '2', 'a', 'b', 'c', 'd', 'e']);
    assert.equal(most, 2);
  });

  it('ends at Ctrl-C, quietly, whatever it waits for', async () => {
    const phases: Record<string, (response: ServerResponse) => void> = {
      headers: () => {},
      body: (response) => void response.writeHead(200, { 'Content-Length': 9 }).write('{'),
      pause: (response) => void response.writeHead(503, { 'Retry-After': '20' }).end(),
    };
    for (const answer of Object.values(phases)) {
      let wasAsked = () => {};
      const asked = new Promise<void>((resolve) => (wasAsked = resolve));
      await using site = await serve((_request, response) => {
        answer(response);
        setTimeout(wasAsked, 50);
      });
      const program = new Program('reddit', ['--url', site.url]);
      await program.prints(/\n/);
      await asked;
      program.interrupt();
      const { code, stdout, stderr } = await program.ends();
      assert.equal(code, 130);
      assert.equal(stderr, '');
      assert.match(stdout.trimEnd(), DATE);
      await site.drained();
    }
  });

  it('explains itself, and refuses what it does not understand', async () => {
    assert.match((await linesOf('reddit', ['--help'])).join('\n'), /^usage: reddit/);
    const mistakes = [
      ['python=0', "python takes a number from 1 on, not '0'"],
      ['no/such', "'no/such' is not a subreddit, nor SUBREDDIT=COUNT"],
      ['--timeout=', "--timeout takes a number from 0.001 on, not ''"],
      ['--url=host', "'host' is no address of the web"],
      ['--bogus', "Unknown option '--bogus'"],
    ];
    for (const [arg = '', text = ''] of mistakes) {
      const { code, stdout, stderr } = await runExample('reddit', [arg]);
      assert.equal(code, 2, arg);
      assert.equal(stdout, '');
      assert(stderr.startsWith(`reddit: ${text}`), stderr);
    }
  });
});
