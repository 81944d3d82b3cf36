import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { CancelledError, createTask, gather, run, setLogger, sleep } from 'asyncio-ts';
import { BasicAuth, ClientSession, getEnvProxyForUrl, netrcAuth } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { type Echo, echo, serve } from './servers.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'environment-'));
const file = path.join(folder, 'netrc');
const NAMES = ['http', 'https', 'ws', 'wss', 'all', 'no'].flatMap((name) => [
  `${name}_proxy`,
  `${name}_PROXY`.toUpperCase(),
]);
const before = { ...process.env };
let warnings: string[] = [];

/** Begin with none of the variables that matter, but for those in `variables`. */
function setEnvironment(variables: Record<string, string> = {}): void {
  for (const name of [...NAMES, 'NETRC', 'REQUEST_METHOD']) delete process.env[name];
  Object.assign(process.env, { HOME: folder, ...variables });
}

beforeEach(() => {
  setEnvironment();
  warnings = [];
  const ignore = (): void => {};
  setLogger({ debug: ignore, info: ignore, error: ignore, warning: (text) => void warnings.push(text) });
});

after(() => {
  setEnvironment();
  Object.assign(process.env, before);
  setLogger(null);
  rmSync(folder, { recursive: true });
});

/** The login and the password for `host` in a file of this text. */
function credentialsIn(text: string, host = 'h'): [string, string] | null {
  writeFileSync(file, text);
  process.env['NETRC'] = file;
  const auth = netrcAuth(host);
  return auth && [auth.login, auth.password];
}

describe('netrcAuth', () => {
  // Recorded from CPython 3.14, but for the two that are marked.
  const FILES: [text: string, credentials: [string, string] | null][] = [
    ['machine h login u password p', ['u', 'p']],
    ['machine h user u account a password "p w\\"x"\n', ['u', 'p w"x']],
    ['default login d password e', ['d', 'e']],
    ['machine x login 1 default login 2 machine h login 3', ['3', '']],
    ['machine x login 1 password 2', null],
    ['machine h account a password p', ['a', 'p']],
    ['machine h login u machine h login v', ['v', '']],
    ['# c\nmachine h login u password p', ['u', 'p']],
    ['#c\nmachine h login u password p', ['u', 'p']],
    ['machine h # c d\n login u # e f\n password p', ['u', 'p']],
    ['machine h\nlogin u #not\n password #p', ['u', '#p']],
    ['machine h login u\n#c x\npassword p', ['u', 'p']],
    ['machine h login u password p#q', ['u', 'p#q']],
    ['machine h login u\\ v password p', ['u v', 'p']],
    ['machine h login "" password p', ['', 'p']],
    ['machine h login é password p', ['é', 'p']],
    ['machine h\r\n\tlogin u\r\n\tpassword p\r\n', ['u', 'p']],
    ['machine h\n\tlogin u\n\tpassword p\nmacdef x\nfoo\n\nmachine i login j', ['u', 'p']],
    ['macdef m\na b\n\nmachine h login u', ['u', '']],
    ['macdef m\n\nmachine h login u', ['u', '']],
    ['', null],
    // CPython takes the second word of such a comment for the next entry.
    ['#c d\nmachine h login u', ['u', '']],
    ['\n# a b\nmachine h login u', ['u', '']],
  ];
  for (const [text, credentials] of FILES) {
    it(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(credentialsIn(text), credentials);
      assert.deepEqual(warnings, []);
    });
  }

  const BROKEN: [text: string, problem: string][] = [
    ['machine', "missing 'machine' name, line 1"],
    ['machine h\nfoo', "bad follower token 'foo', line 2"],
    ['foo', "bad toplevel token 'foo', line 1"],
    ['macdef m\na b\n', 'Macro definition missing null line terminator., line 2'],
  ];
  for (const [text, problem] of BROKEN) {
    it(`warns of ${JSON.stringify(text)}`, () => {
      assert.equal(credentialsIn(text), null);
      assert.deepEqual(warnings, [`Could not parse .netrc file: ${problem} (${file})`]);
    });
  }

  it('reads a file in Latin-1, too', () => {
    writeFileSync(file, Buffer.from('machine h login \xe9', 'latin1'));
    process.env['NETRC'] = file;
    assert.equal(netrcAuth('h')?.login, 'é');
  });

  it('looks in the home directory, and says nothing if there is no such file', () => {
    assert.equal(netrcAuth('h'), null);
    assert.deepEqual(warnings, []);
    writeFileSync(path.join(folder, '.netrc'), 'machine h login home');
    assert.equal(netrcAuth('h')?.login, 'home');
    assert.deepEqual(credentialsIn('machine h login named'), ['named', '']);
    rmSync(path.join(folder, '.netrc'));
    mkdirSync(path.join(folder, '.netrc'));
    delete process.env['NETRC'];
    assert.equal(netrcAuth('h'), null);
    assert.match(warnings.join(), /^Could not read \.netrc file: EISDIR/);
  });

  it('warns of a file that was named and is not there', () => {
    process.env['NETRC'] = path.join(folder, 'none');
    assert.equal(netrcAuth('h'), null);
    assert.match(warnings.join(), /^Could not read \.netrc file: ENOENT/);
  });

  it('is where a session that trusts the environment finds credentials', () =>
    run(async () => {
      await using site = await serve(echo);
      writeFileSync(file, 'machine 127.0.0.1 login u password p');
      process.env['NETRC'] = file;
      const sent: (string | undefined)[] = [];
      for (const trustEnv of [true, false]) {
        await using session = new ClientSession(site.url, { trustEnv });
        const answer = await session.get('').run((response) => response.json<Echo>());
        sent.push(answer?.headers['authorization']);
      }
      assert.deepEqual(sent, ['Basic dTpw', undefined]);
    }));

  /** A session that trusts the environment, whose file is a pipe: it says something when `say` is called. */
  async function withPipe(
    body: (session: ClientSession, say: (text: string) => Promise<void>, asked: string[]) => Promise<void>,
  ): Promise<void> {
    const pipe = path.join(folder, 'pipe');
    rmSync(pipe, { force: true });
    execFileSync('mkfifo', [pipe]);
    process.env['NETRC'] = pipe;
    const asked: string[] = [];
    await run(async () => {
      await using site = await serve((request, response) => {
        asked.push(`${request.url} ${request.headers.authorization}`);
        response.end();
      });
      await using session = new ClientSession(site.url, { trustEnv: true });
      await body(session, (text) => writeFile(pipe, text), asked);
    });
  }

  it('holds nobody else up while it is read, once for all that wait', () =>
    withPipe(async (session, say, asked) => {
      const waiting = ['/1', '/2', '/3'].map((url) => createTask(session.get(url)));
      // Those who have credentials ask for none, and the loop goes on.
      await session.get('/other', { auth: new BasicAuth('a', 'b') });
      await session.get('/header', { headers: { Authorization: 'mine' } });
      assert.deepEqual(
        waiting.map((task) => task.done()),
        [false, false, false],
      );
      await say('machine 127.0.0.1 login u password p');
      for (const task of waiting) await task;
      assert.deepEqual(asked.slice(0, 2), ['/other Basic YTpi', '/header mine']);
      assert.deepEqual(asked.slice(2).sort(), ['/1 Basic dTpw', '/2 Basic dTpw', '/3 Basic dTpw']);
    }));

  it('is read anew by later requests, and after each redirect', () =>
    run(async () => {
      const asked: unknown[] = [];
      await using site = await serve((request, response) => {
        asked.push(request.headers.authorization);
        if (request.url === '/away') writeFileSync(file, 'machine 127.0.0.1 login w');
        response.writeHead(request.url === '/away' ? 302 : 200, { Location: '/' }).end();
      });
      process.env['NETRC'] = file;
      await using session = new ClientSession(site.url, { trustEnv: true });
      for (const login of ['u', 'v']) {
        writeFileSync(file, `machine 127.0.0.1 login ${login}`);
        await session.get('/away');
      }
      assert.deepEqual(
        asked.map((value) => BasicAuth.decode(String(value)).login),
        ['u', 'w', 'v', 'w'],
      );
    }));

  it('is waited for within the limits of a request, which can be cancelled', () =>
    withPipe(async (session, say, asked) => {
      const cancelled = createTask(session.get('/cancelled'));
      const limited = createTask(session.get('/limited', { timeout: 0.01 }));
      const other = createTask(session.get('/other'));
      await sleep(0);
      cancelled.cancel();
      await assert.rejects(cancelled.toPromise(), CancelledError);
      await assert.rejects(limited.toPromise(), {
        name: 'TimeoutError',
        message: /^Total timeout of 0\.01 s for /,
      });
      assert.equal(other.done(), false);
      await say('machine 127.0.0.1 login u password p');
      await other;
      assert.deepEqual(asked, ['/other Basic dTpw']);
    }));

  it('warns a session as well, once for each reading', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url, { trustEnv: true });
      process.env['NETRC'] = path.join(folder, 'none');
      await gather([session.get(''), session.get('')]);
      writeFileSync(file, 'machine h oops');
      process.env['NETRC'] = file;
      await session.get('');
      delete process.env['NETRC'];
      rmSync(path.join(folder, '.netrc'), { recursive: true, force: true });
      await session.get('');
      assert.equal(warnings.length, 2);
      assert.match(warnings[0] as string, /^Could not read \.netrc file: ENOENT/);
      assert.match(
        warnings[1] as string,
        /^Could not parse \.netrc file: bad follower token 'oops', line 1 \(/,
      );
    }));

  it('has the credentials of a proxy of the environment', () =>
    run(async () => {
      await using proxy = await serve((request, response) => {
        response.end(JSON.stringify([request.url, request.headers['proxy-authorization']]));
      });
      writeFileSync(file, 'machine 127.0.0.1 login u password p');
      setEnvironment({ http_proxy: proxy.url, NETRC: file });
      await using session = new ClientSession(null, { trustEnv: true });
      const answer = await session.get('http://host.example/x').run((response) => response.text());
      assert.equal(answer, '["http://host.example/x","Basic dTpw"]');
    }));
});

/** The proxy for a URL and the credentials for it. */
function proxyFor(url: string): [string, string | null] | null {
  const found = getEnvProxyForUrl(new URL(url));
  return found && [found.proxy.href, found.proxyAuth?.encode() ?? null];
}

describe('getEnvProxyForUrl', () => {
  it('finds the proxy of the scheme', () => {
    setEnvironment({ http_proxy: 'http://a:1/', HTTPS_PROXY: 'http://b:2', wss_proxy: 'http://c:3' });
    assert.deepEqual(proxyFor('http://x/'), ['http://a:1/', null]);
    assert.deepEqual(proxyFor('https://x/'), ['http://b:2/', null]);
    assert.equal(proxyFor('ws://x/'), null);
    assert.deepEqual(proxyFor('wss://x/'), ['http://c:3/', null]);
    process.env['all_proxy'] = 'd:4';
    assert.deepEqual(proxyFor('ws://x/'), ['http://d:4/', null]);
    assert.deepEqual(proxyFor('http://x/'), ['http://a:1/', null]);
  });

  it('takes names in lower case first, even if they are empty', () => {
    setEnvironment({ http_proxy: 'http://lower', HTTP_PROXY: 'http://upper' });
    assert.deepEqual(proxyFor('http://x/'), ['http://lower/', null]);
    process.env['http_proxy'] = '';
    assert.equal(proxyFor('http://x/'), null);
  });

  it('CVE-2016-1000110: does not take the header Proxy of a CGI request for one', () => {
    setEnvironment({ HTTP_PROXY: 'http://evil', HTTPS_PROXY: 'http://mine', REQUEST_METHOD: 'GET' });
    assert.equal(proxyFor('http://x/'), null);
    assert.deepEqual(proxyFor('https://x/'), ['http://mine/', null]);
    process.env['http_proxy'] = 'http://lower';
    assert.deepEqual(proxyFor('http://x/'), ['http://lower/', null]);
  });

  it('finds credentials in its URL, or in .netrc', () => {
    setEnvironment({ http_proxy: 'http://u:p%40@proxy:1', https_proxy: 'http://known:2' });
    assert.deepEqual(proxyFor('http://x/'), ['http://proxy:1/', 'Basic dTpwQA==']);
    credentialsIn('machine known login n password q');
    assert.deepEqual(proxyFor('https://x/'), ['http://known:2/', 'Basic bjpx']);
  });

  it('warns of a proxy that it cannot use, without its password', () => {
    setEnvironment({ http_proxy: 'socks5://u:secret@h:1', https_proxy: 'http://u:secret@:x' });
    assert.equal(proxyFor('http://x/'), null);
    assert.equal(proxyFor('https://x/'), null);
    assert.deepEqual(warnings, [
      'SOCKS5 proxies socks5://h:1 are not supported, ignoring',
      'A proxy of the environment is no URL, ignoring',
    ]);
  });

  const BYPASSED: [noProxy: string, url: string, isBypassed: boolean][] = [
    ['*', 'http://example.com/', true],
    ['a.example, *', 'http://example.com/', true],
    ['example.com', 'http://example.com/', true],
    ['Example.COM', 'http://www.EXAMPLE.com/', true],
    ['.example.com', 'http://example.com/', true],
    ['*.example.com', 'http://www.example.com/', true],
    ['com', 'http://example.com/', true],
    ['ple.com', 'http://example.com/', false],
    ['example.com.evil', 'http://example.com/', false],
    [' , ,', 'http://example.com/', false],
    ['', 'http://example.com/', false],
    ['example.com:80', 'http://example.com/', true],
    ['example.com:443', 'http://example.com/', false],
    ['example.com:8080', 'http://example.com:8080/', true],
    ['localhost', 'http://localhost./', true],
    ['127.0.0.1', 'http://127.0.0.1:8000/', true],
    ['0.0.1', 'http://127.0.0.1/', true],
    ['[::1]', 'http://[::1]/', true],
    ['::1', 'http://[0:0:0:0:0:0:0:1]/', true],
    ['[::1]:80', 'http://[::1]/', true],
    ['[::1]:81', 'http://[::1]/', false],
    ['::1', 'http://[::2]/', false],
    ['10.0.0.0/8', 'http://10.200.3.4/', true],
    ['10.0.0.0/8', 'http://11.0.0.1/', false],
    ['10.0.0.0/8', 'http://[::ffff:10.1.2.3]/', true],
    ['10.0.0.0/33', 'http://10.0.0.0/', false],
    ['10.0.0.0/x', 'http://10.0.0.0/', false],
    ['fe80::/10', 'http://[fe80::1]/', true],
    ['example.com/8', 'http://example.com/', false],
  ];
  for (const [noProxy, url, isBypassed] of BYPASSED) {
    it(`sends ${url} ${isBypassed ? 'past the proxy' : 'to the proxy'} for no_proxy=${JSON.stringify(noProxy)}`, () => {
      setEnvironment({ http_proxy: 'http://proxy', no_proxy: noProxy });
      assert.equal(proxyFor(url) === null, isBypassed);
    });
  }

  it('CVE-2026-44492: takes an IPv4 address for itself, however it is written', () => {
    const loopback = [
      '127.0.0.1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '[::ffff:127.0.0.1]',
      '0:0:0:0:0:ffff:7f00:1',
    ];
    for (const noProxy of loopback) {
      setEnvironment({ HTTP_PROXY: 'http://proxy', NO_PROXY: noProxy });
      for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]', '[::FFFF:7F00:1]']) {
        assert.equal(proxyFor(`http://${host}/`), null, `${host} with ${noProxy}`);
      }
      assert.notEqual(proxyFor('http://127.0.0.2/'), null);
    }
  });
});
