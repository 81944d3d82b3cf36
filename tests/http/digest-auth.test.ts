import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { gather, run } from 'asyncio-ts';
import { ClientSession, CookieJar, DigestAuthMiddleware, type RequestOptions } from 'asyncio-ts/http';
import '../support/leaks.ts';
import {
  type DigestOptions,
  type DigestSite,
  expectedResponse,
  readCredentials,
  serveDigest,
} from './digest-server.ts';
import { startHttpbin, urlOf } from './peers.ts';
import { serve } from './servers.ts';

const LOGIN = 'Mufasa';
const PASSWORD = 'Circle of Life';
const CHALLENGE = 'Digest realm="r", nonce="n", qop="auth", opaque="o"';

/** Run `body` with a server that asks for a digest, and a session that has one. */
async function withDigest(
  options: Partial<DigestOptions> & { preemptive?: boolean },
  body: (session: ClientSession, site: DigestSite) => Promise<void>,
): Promise<void> {
  const { login = LOGIN, password = PASSWORD, preemptive } = options;
  await run(async () => {
    await using site = await serveDigest({ challenge: () => CHALLENGE, ...options });
    const middlewares = [new DigestAuthMiddleware(login, password, { preemptive })];
    await using session = new ClientSession(site.url, { middlewares });
    await body(session, site);
  });
}

/** The status and the body of an answer. */
async function ask(session: ClientSession, url: string, options?: RequestOptions): Promise<string> {
  const method = options?.data === undefined ? 'GET' : 'POST';
  return session
    .request(method, url, options)
    .run(async (response) => `${response.status} ${await response.text()}`);
}

/** The credentials that a server has seen, null for a request without. */
const fieldsOf = ({ seen }: DigestSite): (Record<string, string> | null)[] =>
  seen.map((header) => (header === null ? null : readCredentials(header)));

describe('the server of these tests', () => {
  it('computes what RFC 7616 has as example', () => {
    const fields = {
      realm: 'http-auth@example.org',
      nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
      uri: '/dir/index.html',
      qop: 'auth',
      nc: '00000001',
      cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    };
    const responseOf = (algorithm: string): string =>
      expectedResponse({ ...fields, algorithm }, { method: 'GET' }, LOGIN, PASSWORD);
    assert.equal(responseOf('MD5'), '8ca523f5e9506fed4657c9700eebdbec');
    assert.equal(responseOf('SHA-256'), '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1');
  });
});

describe('DigestAuthMiddleware', () => {
  const ALGORITHMS = [
    'MD5',
    'SHA',
    'SHA256',
    'SHA-256',
    'SHA512',
    'SHA-512',
    'SHA-512-256',
    'md5',
    'sha-256',
  ];
  for (const algorithm of [...ALGORITHMS, ...ALGORITHMS.map((name) => `${name}-sess`)]) {
    it(`proves its password with ${algorithm}`, async () => {
      for (const qop of ['auth', 'auth-int', 'auth,auth-int', null]) {
        const offered = qop === null ? '' : `, qop="${qop}"`;
        const challenge = (): string => `Digest realm="r", nonce="n"${offered}, algorithm=${algorithm}`;
        await withDigest({ challenge }, async (session, site) => {
          assert.equal(await ask(session, 'a/b?c=d'), '200 welcome ');
          assert.equal(await ask(session, 'a/b?c=d', { data: 'body' }), '200 welcome body');
          const [, first, second] = fieldsOf(site);
          // Servers there are that want to see it as they wrote it.
          assert.equal(first?.['algorithm'], algorithm);
          assert.deepEqual(
            [first?.['nc'], second?.['nc']],
            qop === null ? [undefined, undefined] : ['00000001', '00000002'],
          );
          assert.equal(first?.['qop'], qop?.includes('int') ? 'auth-int' : (qop ?? undefined));
          const isBare = qop === null && !algorithm.endsWith('-sess');
          assert.equal(first?.['cnonce']?.length, isBare ? undefined : 16);
          assert.equal(first?.['opaque'], undefined);
        });
      }
    });
  }

  it('writes the header in the order and with the quotes that others write', () =>
    withDigest({}, async (session, site) => {
      await ask(session, 'x');
      assert.match(
        site.seen[1] ?? '',
        /^Digest username="Mufasa", realm="r", nonce="n", uri="\/x", response="[\da-f]{32}", algorithm=MD5, opaque="o", qop=auth, nc=00000001, cnonce="[\da-f]{16}"$/,
      );
    }));

  it('puts a backslash before quotes and backslashes', async () => {
    const challenge = (): string => String.raw`Digest realm="a\"b\\", nonce="n\"", qop=auth, opaque="\\o"`;
    await withDigest({ challenge, login: String.raw`x"\y` }, async (session, site) => {
      assert.equal(await ask(session, ''), '200 welcome ');
      const header = site.seen[1] ?? '';
      for (const part of [
        String.raw`username="x\"\\y"`,
        String.raw`realm="a\"b\\"`,
        String.raw`opaque="\\o"`,
      ]) {
        assert.ok(header.includes(part), part);
      }
    });
  });

  it('signs the target as it is sent', () =>
    withDigest({}, async (session, site) => {
      const targets = ['a%20b/c?d=%5C&e=1+2', 'a b?x=[]', 'é?q="\'', '?', '%zz'];
      for (const target of targets) assert.equal(await ask(session, target), '200 welcome ', target);
      assert.equal(fieldsOf(site)[1]?.['uri'], '/a%20b/c?d=%5C&e=1+2');
    }));

  it('gives up when the password is wrong', () =>
    withDigest({ isTaken: () => false }, async (session, site) => {
      assert.equal(await ask(session, ''), '401 who are you?');
      assert.equal(site.seen.length, 2);
      // A proof that was given without being asked for may have been too old.
      assert.equal(await ask(session, ''), '401 who are you?');
      assert.equal(site.seen.length, 4);
    }));

  it('takes another nonce when that of the server has grown old', async () => {
    let nonce = 0;
    const challenge = (count: number): string =>
      `Digest realm="r", nonce="n${++nonce}", qop=auth, stale=${count === 1 ? 'FALSE' : 'TRUE'}`;
    // Every nonce but the first is good for one request.
    const isTaken = (fields: Record<string, string>): boolean =>
      fields['nonce'] !== 'n1' && fields['nonce'] === `n${nonce}` && fields['nc'] === '00000001';
    await withDigest({ challenge, isTaken }, async (session, site) => {
      assert.equal(await ask(session, ''), '200 welcome ');
      assert.deepEqual(
        fieldsOf(site).map((fields) => fields?.['nonce']),
        [undefined, 'n1', 'n2'],
      );
      assert.equal(await ask(session, ''), '200 welcome ');
      assert.deepEqual(
        fieldsOf(site)
          .slice(3)
          .map((fields) => fields?.['nonce']),
        ['n2', 'n3'],
      );
    });
  });

  it('does not go on for ever with a server that finds every nonce too old', async () => {
    const challenge = (count: number): string => `Digest realm="r", nonce="n${count}", qop=auth, stale=true`;
    await withDigest({ challenge, isTaken: () => false }, async (session, site) => {
      assert.equal(await ask(session, ''), '401 who are you?');
      assert.equal(site.seen.length, 3);
    });
  });

  it('uses the nonce that the server has told for the next request', async () => {
    const headers = (): Record<string, string> => ({ 'Authentication-Info': 'qop=auth, nextnonce="next"' });
    await withDigest({ headers }, async (session, site) => {
      for (let i = 0; i < 3; i++) await ask(session, '');
      assert.deepEqual(
        fieldsOf(site).map((fields) => fields && [fields['nonce'], fields['nc']]),
        [null, ['n', '00000001'], ['next', '00000001'], ['next', '00000002']],
      );
    });
  });

  it('gives the proof without being asked again, unless it is told not to', async () => {
    await withDigest({}, async (session, site) => {
      for (let i = 0; i < 3; i++) assert.equal(await ask(session, `${i}`), '200 welcome ');
      assert.deepEqual(
        fieldsOf(site).map((fields) => fields?.['nc']),
        [undefined, '00000001', '00000002', '00000003'],
      );
    });
    await withDigest({ preemptive: false }, async (session, site) => {
      for (let i = 0; i < 2; i++) assert.equal(await ask(session, `${i}`), '200 welcome ');
      // The count of a nonce goes on when the server gives it again.
      assert.deepEqual(
        fieldsOf(site).map((fields) => fields?.['nc']),
        [undefined, '00000001', undefined, '00000002'],
      );
    });
  });

  it('uses no count twice for requests side by side', () =>
    withDigest({}, async (session, site) => {
      await ask(session, '');
      await gather(...Array.from({ length: 20 }, (_, i) => () => ask(session, `${i}`)));
      const counts = fieldsOf(site)
        .slice(1)
        .map((fields) => Number.parseInt(fields?.['nc'] ?? '', 16));
      assert.deepEqual(
        counts.sort((a, b) => a - b),
        Array.from({ length: 21 }, (_, i) => i + 1),
      );
    }));

  it('sends nothing more where there is nothing to prove', () =>
    run(async () => {
      let count = 0;
      await using site = await serve((_request, response) => {
        count++;
        response.end('open');
      });
      const middlewares = [new DigestAuthMiddleware(LOGIN, PASSWORD)];
      await using session = new ClientSession(site.url, { middlewares });
      assert.equal(await ask(session, ''), '200 open');
      assert.equal(count, 1);
    }));

  for (const challenge of [
    '',
    'DigestWithoutSpace',
    'Basic realm="r"',
    'Digest ',
    'Digest =invalid, format',
    'Bearer',
  ]) {
    it(`makes nothing of the challenge ${JSON.stringify(challenge)}`, () =>
      withDigest({ challenge: () => challenge }, async (session, site) => {
        assert.equal(await ask(session, ''), '401 who are you?');
        assert.deepEqual(site.seen, [null]);
      }));
  }

  const MISSING: [challenge: string, message: string][] = [
    ['Digest nonce="n"', "Malformed Digest auth challenge: Missing 'realm' parameter"],
    ['Digest realm="r"', "Malformed Digest auth challenge: Missing 'nonce' parameter"],
    ['Digest realm="r", nonce=""', "Security issue: Digest auth challenge contains empty 'nonce' value"],
    [
      'Digest realm="r", nonce="n", qop="auth-conf, x"',
      'Digest auth error: Unsupported Quality of Protection (qop) value(s): auth-conf, x',
    ],
    [
      'Digest realm="r", nonce="n", algorithm=MD6-sess',
      'Digest auth error: Unsupported hash algorithm: MD6-SESS. Supported algorithms: MD5, MD5-SESS, SHA, SHA-256, ' +
        'SHA-256-SESS, SHA-512, SHA-512-256, SHA-512-256-SESS, SHA-512-SESS, SHA-SESS, SHA256, SHA256-SESS, SHA512, ' +
        'SHA512-SESS',
    ],
  ];
  for (const [challenge, message] of MISSING) {
    it(`says what is wrong with ${challenge}`, () =>
      withDigest({ challenge: () => challenge }, async (session) => {
        await assert.rejects(async () => ask(session, ''), { name: 'ClientError', message });
      }));
  }

  it('takes an empty realm', () =>
    withDigest({ challenge: () => 'Digest realm="", nonce="n"' }, async (session) => {
      assert.equal(await ask(session, ''), '200 welcome ');
    }));

  it('chooses the first of several challenges that it can meet, in one header or in many', async () => {
    const parts = [
      'Basic realm="b", charset="UTF-8"',
      'Digest realm="r", nonce="n6", algorithm=MD6',
      'Digest realm="r, Digest", nonce="n256", algorithm=SHA-256, qop=auth',
      'Digest realm="r", nonce="n5", algorithm=MD5',
      'Negotiate abcdef==',
    ];
    for (const challenge of [parts, [parts.join(', ')], parts.toReversed().slice(0, 3)]) {
      await withDigest({ challenge: () => challenge }, async (session, site) => {
        assert.equal(await ask(session, ''), '200 welcome ');
        const chosen = challenge.length === 3 ? 'n5' : 'n256';
        assert.equal(fieldsOf(site)[1]?.['nonce'], chosen);
      });
    }
  });

  it('sends a name that is not ASCII as its bytes, or as RFC 8187 has it where the server says UTF-8', async () => {
    const login = "J\u00e4s\u00f8n's";
    await withDigest({ login, password: 'p\u00e4ss' }, async (session, site) => {
      assert.equal(await ask(session, ''), '200 welcome ');
      assert.equal(Buffer.from(fieldsOf(site)[1]?.['username'] ?? '', 'latin1').toString(), login);
    });
    const challenge = (): string => `${CHALLENGE}, charset=UTF-8`;
    await withDigest({ challenge, login, password: 'p\u00e4ss' }, async (session, site) => {
      assert.equal(await ask(session, ''), '200 welcome ');
      assert.match(site.seen[1] ?? '', /^Digest username\*=UTF-8''J%C3%A4s%C3%B8n%27s, realm/);
    });
  });

  it('hides the name from whoever listens, where the server wants that', () =>
    withDigest({ challenge: () => 'Digest realm="r", nonce="n", userhash=true' }, async (session, site) => {
      assert.equal(await ask(session, ''), '200 welcome ');
      const hashed = createHash('md5').update(`${LOGIN}:r`).digest('hex');
      const fields = fieldsOf(site)[1];
      assert.deepEqual([fields?.['username'], fields?.['userhash']], [hashed, 'true']);
    }));

  it('answers only those whose first request it handled, on a redirect or without one', () =>
    run(async () => {
      await using other = await serveDigest({ challenge: () => 'Digest realm="evil", nonce="x"' });
      await using site = await serve((request, response) => {
        if (request.url === '/away') response.writeHead(302, { Location: other.url }).end();
        else response.end('here');
      });
      const middlewares = [new DigestAuthMiddleware(LOGIN, PASSWORD)];
      await using session = new ClientSession(site.url, { middlewares });
      assert.equal(await ask(session, 'away'), '401 who are you?');
      assert.equal(await ask(session, ''), '200 here');
      assert.equal(await ask(session, other.url), '401 who are you?');
      assert.deepEqual(other.seen, [null, null]);
    }));

  it('answers on a redirect of the same origin', () =>
    run(async () => {
      const seen: (string | undefined)[] = [];
      await using site = await serve((request, response) => {
        seen.push(request.headers.authorization?.slice(0, 6));
        if (request.url === '/start') response.writeHead(302, { Location: '/protected' }).end();
        else if (request.headers.authorization) response.end('in');
        else response.writeHead(401, { 'WWW-Authenticate': CHALLENGE }).end();
      });
      const middlewares = [new DigestAuthMiddleware(LOGIN, PASSWORD)];
      await using session = new ClientSession(site.url, { middlewares });
      assert.equal(await ask(session, 'start'), '200 in');
      assert.deepEqual(seen, [undefined, undefined, 'Digest']);
    }));

  it('answers others that the origin names as its own', () =>
    run(async () => {
      await using other = await serveDigest({ challenge: () => 'Digest realm="r", nonce="x"' });
      const challenge = (): string => `Digest realm="r", nonce="n", domain="/ ${other.url}in"`;
      await using site = await serveDigest({ challenge });
      const middlewares = [new DigestAuthMiddleware(LOGIN, PASSWORD)];
      await using session = new ClientSession(site.url, { middlewares });
      assert.equal(await ask(session, ''), '200 welcome ');
      assert.equal(await ask(session, `${other.url}in/x`), '200 welcome ');
      assert.equal(await ask(session, `${other.url}inner`), '401 who are you?');
      assert.deepEqual(
        other.seen.map((header) => header !== null),
        [true, false],
      );
    }));

  const SPACES: [domain: string, inside: string[], outside: string[]][] = [
    ['/a', ['a', 'a/', 'a/b', 'a?x=1'], ['ab', '', 'b']],
    ['/a/', ['a/', 'a/b'], ['a', 'ab']],
    ['/', ['', 'a'], []],
    ['/a /b/ /c', ['a', 'b/x', 'c/d'], ['b', 'cd', 'd']],
    ['http://other.example/', [], ['', 'a']],
    ['\\"', ['', 'a'], []],
    ['', ['', 'a'], []],
  ];
  for (const [domain, inside, outside] of SPACES) {
    it(`gives the proof of the domain ${JSON.stringify(domain)} where it is wanted`, () =>
      withDigest({ challenge: () => `${CHALLENGE}, domain="${domain}"` }, async (session, site) => {
        await ask(session, 'first');
        for (const url of [...inside, ...outside]) {
          site.seen.length = 0;
          assert.equal(await ask(session, url), '200 welcome ');
          assert.equal(site.seen.length, inside.includes(url) ? 1 : 2, url);
        }
      }));
  }

  it('does not send a body again that is gone', () =>
    withDigest({}, async (session, site) => {
      async function* once(): AsyncGenerator<Buffer> {
        yield Buffer.from('once');
      }
      assert.equal(await ask(session, '', { data: once() }), '401 who are you?');
      assert.equal(site.seen.length, 1);
      // Now it is known what has to be proved.
      assert.equal(await ask(session, '', { data: once() }), '200 welcome once');
    }));

  it('leaves out the body that would have to be gathered first, if it may', () =>
    withDigest(
      { challenge: () => 'Digest realm="r", nonce="n", qop="auth-int, auth"' },
      async (session, site) => {
        async function* pieces(): AsyncGenerator<Buffer> {
          yield Buffer.from('one');
          yield Buffer.from('two');
        }
        await ask(session, '');
        assert.equal(await ask(session, '', { data: pieces() }), '200 welcome onetwo');
        assert.deepEqual(
          fieldsOf(site).map((fields) => fields?.['qop']),
          [undefined, 'auth-int', 'auth'],
        );
      },
    ));

  it('refuses names that cannot be sent', () => {
    const refused = (login: string | null, password: string | null, message: string): void => {
      const make = (): unknown => new DigestAuthMiddleware(login as string, password as string);
      assert.throws(make, { name: 'RangeError', message });
    };
    refused(null, 'p', 'None is not allowed as login value');
    refused('u', null, 'None is not allowed as password value');
    refused('u:v', 'p', 'A ":" is not allowed in username (RFC 1945#section-11.1)');
  });

  it('reads a header of a hostile server in a time that grows with its length alone', async () => {
    const header = `Digest ${'0'.repeat(3000)}\\0=a, ${'a="'.repeat(1000)}, realm="r", nonce="n"`;
    await withDigest({ challenge: () => header }, async (session) => {
      assert.match(await ask(session, ''), /^(?:200|401) /);
    });
  });
});

describe('DigestAuthMiddleware and httpbin', () => {
  it('agree on all of its algorithms', async () => {
    await using httpbin = await startHttpbin();
    const url = (qop: string, algorithm: string): string =>
      `${urlOf(httpbin)}digest-auth/${qop}/user/secret/${algorithm}`;
    await run(async () => {
      for (const algorithm of ['MD5', 'SHA-256', 'SHA-512']) {
        for (const qop of ['auth', 'auth-int']) {
          const middlewares = [new DigestAuthMiddleware('user', 'secret')];
          await using session = new ClientSession(null, {
            middlewares,
            cookieJar: new CookieJar({ unsafe: true }),
          });
          const answer = await session.get(url(qop, algorithm)).run((response) => response.json());
          assert.deepEqual(answer, { authenticated: true, user: 'user' }, `${algorithm} ${qop}`);
        }
      }
      const middlewares = [new DigestAuthMiddleware('user', 'wrong')];
      await using session = new ClientSession(null, {
        middlewares,
        cookieJar: new CookieJar({ unsafe: true }),
      });
      assert.equal(await session.get(url('auth', 'MD5')).run(({ status }) => status), 401);
    });
  });
});
