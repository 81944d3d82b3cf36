import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
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

async function failureWith(handler: RequestListener): Promise<string> {
  await using site = await serve(handler);
  const { code, stdout, stderr } = await runExample('reddit', ['--url', site.url.slice(0, -1)]);
  assert.equal(code, 1);
  assert.match(stdout.trimEnd(), DATE);
  assert.doesNotMatch(stderr, / {4}at /, 'no stack');
  return stderr.replaceAll(site.url, 'URL/');
}

describe('example reddit', () => {
  it('shows posts and links of each subreddit, in the order of the answers', async () => {
    const orders = new Set<string>();
    for (const seed of ['1', '2', '3', '4']) {
      const blocks = blocksOf(await linesOf('reddit', ['--seed', seed]));
      assert.deepEqual(blocks.toSorted(), [
        'asyncio: 2',
        'dailyprogrammer: 1',
        'programming: 4',
        'python: 3',
      ]);
      orders.add(blocks.join());
    }
    assert(orders.size > 1, 'the order changes from run to run');
    blocksOf(await linesOf('reddit'));
  });

  it('tells what is wrong with the answer', async () => {
    const forbidden = await failureWith((_request, response) => void response.writeHead(403).end('go away'));
    assert.match(
      forbidden,
      /^reddit: URL\/r\/\w+\/top\.json\?sort=top&t=day&limit=\d answered 403 Forbidden\n$/,
    );
    const html = await failureWith((_request, response) => void response.end('<html>please log in</html>'));
    assert.match(
      html,
      /^reddit: URL\/r\/\S+ did not answer with a listing, but: <html>please log in<\/html>\n$/,
    );
    const cut = await failureWith((_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('{', () => response.destroy());
    });
    assert.match(cut, /^reddit: (Response payload is not completed|Server disconnected)/);
  });

  it('tells that there is no network', async () => {
    const { code, stderr } = await runExample('reddit', ['--url', 'http://127.0.0.1:9']);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^reddit: Cannot connect to host 127\.0\.0\.1:9 ssl:default \[.*ECONNREFUSED.*\]\n$/,
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

  it('ends at Ctrl-C, quietly', async () => {
    await using site = await serve(() => {});
    const program = new Program('reddit', ['--url', site.url.slice(0, -1)]);
    await program.prints(/\n/);
    program.interrupt();
    const { code, stdout, stderr } = await program.ends();
    assert.equal(code, 130);
    assert.equal(stderr, '');
    assert.match(stdout.trimEnd(), DATE);
  });
});
