import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { serve, serveRaw, type Site } from '../../http/servers.ts';
import { ProgramServer } from '../../support/program-server.ts';
import '../../support/leaks.ts';
import { type Ending, Program, runExample } from '../program.ts';

/** The site as files. */
const FILES: Record<string, string> = {
  'index.html': `<title>Home</title><link rel=stylesheet href=style.css><script src="/missing.js"></script>
    <img src="logo.png" alt="logo"><a href="about.html">About</a> <a href="sub/">Sub</a> <a href="gone">Gone</a>
    <a href="moved">Moved</a> <a href="loop">Loop</a> <a href="far/0">Far</a> <a href="lost">Lost</a>
    <a href="self">Self</a>
    <a href="astray">Astray</a> <a href="secret/plan.html">Secret</a> <a href="closed">Closed</a>
    <a href="data.bin">Data</a> <a href="feed.xml#top">Feed</a> <a href="HUGE.html">Huge</a>
    <a href="mailto:me@example.com">Mail</a> <a href="javascript:void 0">Script</a> <a href="http://[::1">None</a>`,
  'about.html': `<base href="/sub/"><a href="deep.html">Deep</a> <a href="../about.html#here">Here</a>
    <a href="deep.html#there">There</a> <a href="deep.html#nowhere">Nowhere</a> <a href="deep.html#%C3%BC">U</a>
    <a href="#:~:text=x">Text</a> <a href="deep.html#/route">Route</a> <a href="/moved-about#here">Moved</a>
    <h2 id="here">Here</h2>`,
  'sub/index.html': `<a href="../">Home</a> <a href="deep.html">Deep</a> <a href="?x=1&amp;y=2">Query</a>
    <img src="only-get.png" alt="a picture">`,
  'sub/deep.html': `<p id=there>There <p id="ü">Ü <a href="/gone">Gone \x1b[31mred</a>`,
  'style.css': 'a { color: red }',
  'logo.png': 'no picture',
  'data.bin': '<a href="/not-a-link">',
  'feed.xml': '<rss></rss>',
  'HUGE.html': `<a href="/gone">Gone</a>${'<p>much text'.repeat(2 ** 20)}<a href="/behind">Behind</a>`,
  'slow.html': `<a href="drip.html">Drip</a> <a href="dead">Dead</a> <a href="about.html">About</a>`,
  'drip.html': 'x'.repeat(4000),
  'secret/plan.html': 'a plan',
  'robots.txt': 'User-agent: *\nDisallow: /secret/\n\n\0garbage',
};

/** A site of nginx with every kind of link. `/dead` is passed on to a server that never answers. */
function startSite(dead: Site): Promise<ProgramServer> {
  return ProgramServer.start('nginx', 1, (folder, [port]) => {
    for (const [name, text] of Object.entries(FILES)) {
      const file = path.join(folder, 'site', name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const config = `
      daemon off;
      master_process off; # one process, which is the child
      pid nginx.pid;
      error_log stderr;
      events { worker_connections 64; }
      http {
        types { text/html html; text/css css; image/png png; text/xml xml; }
        access_log ${folder}/access.log;
        ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
        server {
          listen 127.0.0.1:${port};
          root ${folder}/site;
          absolute_redirect off;
          location = /moved { return 301 /sub/; }
          location = /moved-about { return 302 /about.html; }
          location = /loop { return 302 /loop-back; }
          location = /loop-back { return 302 /loop; }
          location ~ ^/far/(\\d+)$ { return 302 /far/1$1; }
          location = /lost { return 300 "to many places"; }
          location = /self { return 302 ""; }
          location = /astray { return 302 ftp://host/; }
          location = /closed { return 444; }
          location = /sub/only-get.png { if ($request_method = HEAD) { return 405; } return 200 "a picture"; }
          location = /drip.html { limit_rate 100; }
          location = /dead { proxy_pass ${dead.url}; }
        }
      }`;
    writeFileSync(path.join(folder, 'nginx.conf'), config);
    return ['-p', folder, '-c', path.join(folder, 'nginx.conf'), '-e', 'stderr'];
  });
}

interface Judged {
  url: string;
  element: string;
  text: string;
  outcome: string;
  reason: string;
  status: number | null;
  redirects: { url: string; status: number }[];
}

interface Report {
  ending: string;
  counts: Record<string, number>;
  sections: { page: string | null; note: string | null; links: Judged[] }[];
}

describe('example link-checker', () => {
  let dead: Site;
  let nginx: ProgramServer;
  let url: string;

  before(async () => {
    dead = await serveRaw(() => {});
    nginx = await startSite(dead);
    url = `http://127.0.0.1:${nginx.ports[0]}`;
  });
  after(async () => {
    await nginx?.[Symbol.asyncDispose]();
    await dead?.[Symbol.asyncDispose]();
  });

  const check = (...args: string[]): Promise<Ending> => runExample('link-checker', args);

  async function reportOf(...args: string[]): Promise<Report> {
    const { stdout, stderr } = await check('--json', ...args);
    assert.equal(stderr, '');
    return JSON.parse(stdout.replaceAll(url, '')) as Report;
  }

  /** The outcomes of the links of a page, as `outcome: reason` by address. */
  function outcomesOf({ sections }: Report, page: string): Record<string, string> {
    const links = sections.find((section) => section.page === page)?.links ?? [];
    return Object.fromEntries(links.map(({ url, outcome, reason }) => [url, `${outcome}: ${reason}`]));
  }

  it('tells of every link how it is', async () => {
    const report = await reportOf(`${url}/`);
    assert.equal(report.ending, 'complete');
    assert.deepEqual(
      report.sections.map(({ page }) => page),
      [null, '/', '/HUGE.html', '/about.html', '/sub/', '/sub/?x=1&y=2', '/sub/deep.html'],
    );
    assert.deepEqual(outcomesOf(report, '/'), {
      '/style.css': 'good: 200',
      '/missing.js': 'broken: 404 Not Found',
      '/logo.png': 'good: 200',
      '/about.html': 'good: 200',
      '/sub/': 'good: 200',
      '/gone': 'broken: 404 Not Found',
      '/moved': 'good: redirected',
      '/loop': 'broken: redirects in a circle',
      '/far/0': 'broken: more than 10 redirects',
      '/lost': 'broken: 300 without a usable Location',
      '/self': 'broken: redirects in a circle',
      '/astray': 'broken: redirects to what is no address of the web',
      '/secret/plan.html': 'skipped: robots.txt',
      '/closed': 'broken: the server hung up',
      '/data.bin': 'good: 200',
      '/feed.xml#top': 'good: 200',
      '/HUGE.html': 'good: 200',
      'mailto:me@example.com': 'skipped: mailto:',
      'javascript:void 0': 'skipped: javascript:',
      'http://[::1': 'broken: not a URL',
    });
    assert.deepEqual(outcomesOf(report, '/about.html'), {
      '/sub/deep.html': 'good: 200',
      '/about.html#here': 'good: 200',
      '/sub/deep.html#there': 'good: 200',
      '/sub/deep.html#nowhere': "broken: no element 'nowhere'",
      '/sub/deep.html#%C3%BC': 'good: 200',
      '/sub/#:~:text=x': 'good: 200',
      '/sub/deep.html#/route': 'good: 200',
      '/moved-about#here': 'good: redirected',
    });
    assert.deepEqual(outcomesOf(report, '/sub/'), {
      '/': 'good: 200',
      '/sub/deep.html': 'good: 200',
      '/sub/?x=1&y=2': 'good: 200',
      '/sub/only-get.png': 'good: 200',
    });
    const huge = report.sections.find(({ page }) => page === '/HUGE.html');
    assert.equal(huge?.note, 'only the first 10 MiB were read');
    assert.deepEqual(outcomesOf(report, '/HUGE.html'), { '/gone': 'broken: 404 Not Found' });
    const total = report.sections.flatMap(({ links }) => links).length;
    assert.equal(
      Object.values(report.counts).reduce((sum, count) => sum + count),
      total,
    );
  });

  it('shows the chain of a redirect, and a circle once around', async () => {
    const links = (await reportOf(`${url}/`)).sections.flatMap((section) => section.links);
    const chainOf = (address: string) => links.find((link) => link.url === address)?.redirects;
    assert.deepEqual(chainOf('/moved'), [{ url: '/moved', status: 301 }]);
    assert.deepEqual(chainOf('/loop'), [
      { url: '/loop', status: 302 },
      { url: '/loop-back', status: 302 },
    ]);
    assert.equal(chainOf('/far/0')?.length, 10);
  });

  it('prints the pages that have something to tell, and ends with 1 for broken links', async () => {
    const { code, stdout, stderr } = await check('--no-fragments', `${url}/about.html`);
    assert.equal(code, 1);
    assert.equal(stderr, '');
    const [body = '', summary] = stdout.replaceAll(url, '').split(/(?<=\n)(?=\d+ pages, )/);
    assert(body.includes(`/sub/deep.html\n  404 Not Found  /gone  <a> Gone [31mred\n\n`), body);
    assert(
      body.includes('/about.html\n  redirected  /moved-about#here  <a> Moved\n    302 → /about.html\n\n'),
      body,
    );
    assert.match(summary ?? '', /^\d+ pages, \d+ links: \d+ good, \d+ broken, \d+ skipped; \d+\.\d s\n$/);
    assert(!stdout.includes('\x1b'));
  });

  it('ends with 0 when all is well, and tells more if asked to', async () => {
    const { code, stdout } = await check('--depth', '0', '--no-fragments', '--verbose', `${url}/about.html`);
    assert.equal(code, 0);
    assert.match(stdout, /\n {2}200 +http\S+deep\.html {2}<a> Deep\n/);
    assert.match(stdout, /\n1 page, 9 links: 9 good, 0 broken; /);
  });

  it('goes as deep as it is told', async () => {
    const pagesAt = async (depth: string) =>
      (await reportOf('--depth', depth, `${url}/`)).sections.map(({ page }) => page).slice(1);
    assert.deepEqual(await pagesAt('0'), ['/']);
    assert.deepEqual(await pagesAt('1'), ['/', '/HUGE.html', '/about.html', '/sub/']);
  });

  it('checks other sites when asked to, but reads no links there', async () => {
    const asked: string[] = [];
    await using other = await serve((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.setHeader('Content-Type', 'text/html');
      if (request.url === '/robots.txt') response.writeHead(404).end();
      else response.end('<a href="/more">More</a> <p id=x>');
    });
    const page = `<a href="${other.url}one">1</a> <a href="${other.url}two#x">2</a> <a href="${other.url}two#y">3</a>`;
    writeFileSync(path.join(nginx.folder, 'site/external.html'), page);
    const skipped = await reportOf(`${url}/external.html`);
    assert.equal(outcomesOf(skipped, '/external.html')[`${other.url}one`], 'skipped: another site');
    assert.deepEqual(asked, []);
    const report = await reportOf('--external', `${url}/external.html`);
    assert.deepEqual(outcomesOf(report, '/external.html'), {
      [`${other.url}one`]: 'good: 200',
      [`${other.url}two#x`]: 'good: 200',
      [`${other.url}two#y`]: "broken: no element 'y'",
    });
    assert.equal(asked.length, 3);
    assert.deepEqual(new Set(asked), new Set(['GET /robots.txt', 'GET /two', 'HEAD /one']));
  });

  it('takes what is excluded and what is accepted for what it is', async () => {
    const report = await reportOf('--exclude', '/(far|loop)', '--accept', '404', '--depth', '0', `${url}/`);
    const outcomes = outcomesOf(report, '/');
    assert.equal(outcomes['/loop'], 'skipped: excluded');
    assert.equal(outcomes['/far/0'], 'skipped: excluded');
    assert.equal(outcomes['/gone'], 'good: 404');
    assert.equal(outcomes['/closed'], 'broken: the server hung up');
  });

  it('gives up on what takes too long, and goes on with the rest', async () => {
    const report = await reportOf('--timeout', '1', '--retries', '0', '--depth', '1', `${url}/slow.html`);
    const outcomes = outcomesOf(report, '/slow.html');
    assert.equal(outcomes['/drip.html'], 'broken: no answer within 1 s');
    assert.equal(outcomes['/dead'], 'broken: no answer within 1 s');
    assert.equal(outcomes['/about.html'], 'good: 200');
  });

  it('reports at the deadline what was done by then', async () => {
    const { code, stdout } = await check('--json', '--deadline', '2', `${url}/slow.html`);
    assert.equal(code, 1);
    const report = JSON.parse(stdout.replaceAll(url, '')) as Report;
    assert.equal(report.ending, 'out of time');
    assert.deepEqual(outcomesOf(report, '/slow.html'), {
      '/drip.html': 'unchecked: not checked',
      '/dead': 'unchecked: not checked',
      '/about.html': 'good: 200',
    });
    writeFileSync(path.join(nginx.folder, 'site/wait.html'), '<a href="dead">Dead</a>');
    const alone = await check('--deadline', '1.5', `${url}/wait.html`);
    assert.equal(alone.code, 3, 'nothing is broken, as far as one knows');
    assert.match(
      alone.stdout,
      /1 page, 2 links: 1 good, 0 broken, 1 not checked; \d\.\d s \(out of time\)\n$/,
    );
  });

  it('prints the report so far at Ctrl-C, and ends with 130', async () => {
    let wasAsked = () => {};
    const asked = new Promise<void>((resolve) => (wasAsked = resolve));
    await using slow = await serve((request, response) => {
      if (request.url === '/robots.txt') response.writeHead(404).end();
      else if (request.url === '/')
        response.setHeader('Content-Type', 'text/html').end('<a href=/wait>Wait</a>');
      else wasAsked();
    });
    const program = new Program('link-checker', [slow.url]);
    await asked;
    program.interrupt();
    const { code, stdout, stderr } = await program.ends();
    assert.equal(code, 130);
    assert.equal(stderr, '');
    assert.match(stdout, /^1 page, 2 links: 1 good, 0 broken, 1 not checked; \d+\.\d s \(interrupted\)\n$/);
  });

  it('hears robots.txt, unless told not to, and asks nothing of a server that cannot tell', async () => {
    const ignored = await reportOf('--ignore-robots', '--depth', '0', `${url}/`);
    assert.equal(outcomesOf(ignored, '/')['/secret/plan.html'], 'good: 200');
    const asked: string[] = [];
    await using broken = await serve((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(500).end();
    });
    const { code, stdout } = await check(broken.url);
    assert.equal(code, 3);
    assert.match(
      stdout,
      /^ {2}robots\.txt {2}http\S+ {2}<start>\n\n0 pages, 1 link: 0 good, 0 broken, 1 skipped/,
    );
    assert.deepEqual(new Set(asked), new Set(['/robots.txt']));
  });

  it('asks a host no more than so many things at once', async () => {
    let open = 0;
    let most = 0;
    let count = 0;
    await using site = await serve((request, response) => {
      count++;
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        response.setHeader('Content-Type', request.url === '/' ? 'text/html' : 'text/plain');
        if (request.url === '/robots.txt') response.end('User-agent: *\nCrawl-delay: 0.01');
        else response.end('<img src=1><img src=2><img src=3><img src=4><img src=5>');
      }, 50);
    });
    await check('--per-host', '2', site.url);
    assert.equal(count, 7);
    assert.equal(most, 2);
  });

  it('stays with a site that redirects to its true address', async () => {
    await using front = await serve((request, response) => {
      if (request.url === '/robots.txt') response.writeHead(404).end();
      else response.writeHead(301, { Location: `${url}/sub/deep.html` }).end();
    });
    const report = await reportOf(front.url);
    assert.deepEqual(outcomesOf(report, '/sub/deep.html'), { '/gone': 'broken: 404 Not Found' });
  });

  it('sends its name everywhere, and headers of the user to the site alone', async () => {
    const seen: string[] = [];
    const answer = (name: string, body: string) =>
      serve((request, response) => {
        if (request.url === '/robots.txt') return void response.writeHead(404).end();
        seen.push(`${name} ${request.headers['user-agent']} ${request.headers['x-key'] ?? 'none'}`);
        response.setHeader('Content-Type', 'text/html').end(body);
      });
    await using other = await answer('other', '');
    await using site = await answer('site', `<a href="${other.url}">Other</a>`);
    await check('--external', '--header', 'X-Key: 7', site.url);
    assert.deepEqual(seen, ['site asyncio-ts-link-checker/1.0 7', 'other asyncio-ts-link-checker/1.0 none']);
  });

  it('copes with addresses that no browser would write', async () => {
    await using site = await serve((request, response) => {
      if (request.url === '/robots.txt') return void response.writeHead(404).end();
      const { host } = request.headers;
      const links = [
        'http://[::1]:1/',
        `http://u:p@${host}/x`,
        'http://%zz/',
        `?${'q'.repeat(20_000)}`,
        '/é b\0',
        '//',
        '',
      ];
      const html = links.map((link) => `<a href="${link}">link</a>`).join('');
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.end(request.url === '/' ? html : '');
    });
    const args = ['--json', '--external', '--retries', '0', '--header', 'Authorization: Bearer x', site.url];
    const { stdout, stderr } = await check(...args);
    assert.equal(stderr, '');
    const { sections } = JSON.parse(stdout) as Report;
    const links = sections.find(({ page }) => page === site.url)?.links ?? [];
    assert.deepEqual(
      links.map(({ outcome }) => outcome),
      ['broken', 'broken', 'broken', 'broken', 'good', 'broken', 'good'],
    );
    assert.match(links[1]?.reason ?? '', /^Cannot combine AUTHORIZATION header/);
  });

  it('tells when the first page cannot be had', async () => {
    const refused = await check('http://127.0.0.1:9/');
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /^ {2}cannot connect: ECONNREFUSED {2}http:/);
    const gone = await check(`${url}/gone`);
    assert.equal(gone.code, 1);
    assert.match(
      gone.stdout,
      /^ {2}404 Not Found {2}http\S+\/gone {2}<start>\n\n0 pages, 1 link: 0 good, 1 broken/,
    );
  });

  it('explains itself, and refuses what it does not understand', async () => {
    const help = await check('--help');
    assert.equal(help.code, 0);
    assert.match(help.stdout, /^usage: link-checker/);
    const mistakes = [
      ['ftp://host/', "'ftp://host/' is no address of the web"],
      ['http://a/ http://b/', "one URL at a time; 'http://b/' is too many"],
      ['--timeout soon', "--timeout takes a number from 0.001 on, not 'soon'"],
      ['--per-host 1.5', "--per-host takes a whole number from 1 on, not '1.5'"],
      ['--concurrency 0', "--concurrency takes a number from 1 on, not '0'"],
      ['--exclude (', '--exclude: Invalid regular expression: /(/'],
      ['--header nothing', "--header takes 'NAME: TEXT', not 'nothing'"],
      ['--bogus', "Unknown option '--bogus'"],
    ];
    for (const [args = '', text = ''] of mistakes) {
      const { code, stdout, stderr } = await check(...args.split(' '));
      assert.equal(code, 2, args);
      assert.equal(stdout, '');
      assert(stderr.startsWith(`link-checker: ${text}`), stderr);
      assert.match(stderr, /\n\nusage: link-checker/);
    }
  });

  it('checks a site of its own when it is given none', async () => {
    const { code, stdout } = await check();
    assert.equal(code, 0);
    assert.match(stdout, /404 Not Found .*\n/);
    assert.match(stdout, /redirects in a circle/);
  });
});
