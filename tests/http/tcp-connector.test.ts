/** Names, addresses and sockets of `TCPConnector`. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { CancelledError, coroutine, createTask, type Gen, gather, sleep } from 'asyncio-ts';
import {
  type AbstractResolver,
  type AddrInfoType,
  ClientConnectorDNSError,
  ClientConnectorError,
  ClientSession,
  ClientTimeout,
  ConnectionTimeoutError,
  type ResolveResult,
  ServerFingerprintMismatch,
  Fingerprint,
  TCPConnector,
  type TCPConnectorOptions,
} from 'asyncio-ts/http';
import { X509Certificate } from 'node:crypto';
import '../support/leaks.ts';
import { BlackHole } from './black-hole.ts';
import { cert, key } from './certificate.ts';
import { jump, run } from './clock.ts';
import { RawServer } from './raw-server.ts';
import { echo, serve, serveSecurely, type Site } from './servers.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const answering = (host: string, port = 0): Promise<RawServer> =>
  RawServer.open((socket, data) => void (data.includes('\r\n\r\n') && socket.write(OK)), host, port);

/** A resolver that knows what a test tells it, and notes what it is asked. */
class TestResolver implements AbstractResolver {
  readonly asked: string[] = [];
  isClosed = false;
  /** Waited for before each answer. */
  gate: Promise<void> | null = null;
  addresses: readonly string[];

  constructor(addresses: readonly string[] = ['127.0.0.1']) {
    this.addresses = addresses;
  }

  async resolve(host: string, port = 0, family: 0 | 4 | 6 = 0): Promise<ResolveResult[]> {
    this.asked.push(`${host}:${port}/${family}`);
    await this.gate;
    if (this.addresses.length === 0) {
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' });
    }
    return this.addresses.map((address) => ({
      hostname: host,
      host: address,
      port,
      family: address.includes(':') ? 6 : 4,
      proto: 0,
      flags: 0,
    }));
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

const text = (session: ClientSession, url: string, options = {}): Promise<string> =>
  session
    .get(url, options)
    .run((response) => response.text())
    .toPromise();

/** A session of a resolver's connector, whose connections serve one request each. */
function sessionOf(resolver: AbstractResolver, options: TCPConnectorOptions = {}): ClientSession {
  const connector = new TCPConnector({ forceClose: true, resolver, ...options });
  return new ClientSession(null, { connector });
}

const named = ({ url }: Site, name = 'name.test'): string => url.replace('127.0.0.1', name);

describe('the cache of names', () => {
  it('answers while an answer is young', () =>
    run(async () => {
      await using site = await serve(echo);
      const resolver = new TestResolver();
      await using session = sessionOf(resolver);
      const port = new URL(site.url).port;
      await text(session, named(site));
      await jump(5);
      await text(session, named(site));
      assert.deepEqual(resolver.asked, [`name.test:${port}/0`]);
      await jump(6);
      await text(session, named(site));
      assert.equal(resolver.asked.length, 2);
    }));

  it('keeps an answer as long as it is told to', () =>
    run(async () => {
      await using site = await serve(echo);
      for (const [ttlDnsCache, passed, questions] of [
        [null, 1e6, 1],
        [{ minutes: 1 }, 40, 1],
        [{ minutes: 1 }, 61, 2],
        [0, 0.001, 2],
      ] as const) {
        const resolver = new TestResolver();
        await using session = sessionOf(resolver, { ttlDnsCache });
        await text(session, named(site));
        await jump(passed);
        await text(session, named(site));
        assert.equal(resolver.asked.length, questions);
      }
    }));

  it('can be done without', () =>
    run(async () => {
      await using site = await serve(echo);
      const resolver = new TestResolver();
      const connector = new TCPConnector({ forceClose: true, resolver, useDnsCache: false });
      assert.equal(connector.useDnsCache, false);
      await using session = new ClientSession(null, { connector });
      await gather([1, 2, 3].map(() => () => text(session, named(site))));
      assert.equal(resolver.asked.length, 3);
      assert.equal(connector.cachedHosts.size, 0);
    }));

  it('tells what it knows, and forgets one host or all', () =>
    run(async () => {
      await using site = await serve(echo);
      const port = Number(new URL(site.url).port);
      const resolver = new TestResolver();
      const connector = new TCPConnector({ forceClose: true, resolver });
      assert.equal(connector.useDnsCache, true);
      await using session = new ClientSession(null, { connector });
      await text(session, named(site, 'a.test'));
      await text(session, named(site, 'b.test'));
      assert.deepEqual([...connector.cachedHosts.keys()], [`a.test:${port}`, `b.test:${port}`]);
      assert.deepEqual(connector.cachedHosts.get(`a.test:${port}`), [
        { hostname: 'a.test', host: '127.0.0.1', port, family: 4, proto: 0, flags: 0 },
      ]);
      connector.clearDnsCache('a.test', port);
      assert.deepEqual([...connector.cachedHosts.keys()], [`b.test:${port}`]);
      connector.clearDnsCache('nobody.test', 1);
      connector.clearDnsCache();
      assert.equal(connector.cachedHosts.size, 0);
      const message = 'either both host and port or none of them are allowed';
      assert.throws(() => connector.clearDnsCache('a.test'), { name: 'RangeError', message });
      assert.throws(() => connector.clearDnsCache(null, port), { name: 'RangeError', message });
    }));

  it('is of limited size, and loses what was not used for the longest time', () =>
    run(async () => {
      await using site = await serve(echo);
      const resolver = new TestResolver();
      const connector = new TCPConnector({ forceClose: true, resolver, dnsCacheMaxSize: 2 });
      await using session = new ClientSession(null, { connector });
      for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await text(session, named(site, name));
      assert.deepEqual(
        resolver.asked.map((question) => question[0]),
        ['a', 'b', 'c', 'b'],
      );
      assert.equal(connector.cachedHosts.size, 2);
    }));

  it('begins with another address each time', () =>
    run(async () => {
      await using first = await answering('127.0.0.1');
      await using second = await answering('127.0.0.2', first.port);
      await using third = await answering('127.0.0.3', first.port);
      const resolver = new TestResolver(['127.0.0.1', '127.0.0.2', '127.0.0.3']);
      await using session = sessionOf(resolver);
      for (let i = 0; i < 6; i++) await text(session, `http://name.test:${first.port}/`);
      assert.deepEqual([first.connections, second.connections, third.connections], [2, 2, 2]);
    }));
});

describe('one question for all who ask at once', () => {
  it('is answered for all', () =>
    run(async () => {
      await using site = await serve(echo);
      const resolver = new TestResolver();
      const { promise, resolve } = withResolvers();
      resolver.gate = promise;
      await using session = sessionOf(resolver);
      const tasks = Array.from({ length: 5 }, () => createTask(() => text(session, named(site))));
      while (resolver.asked.length === 0) await turn();
      resolve();
      await gather(tasks);
      assert.equal(resolver.asked.length, 1);
    }));

  it('fails for all, and is asked anew by the next', () =>
    run(async () => {
      await using site = await serve(echo);
      const resolver = new TestResolver([]);
      const { promise, resolve } = withResolvers();
      resolver.gate = promise;
      await using session = sessionOf(resolver);
      const tasks = Array.from({ length: 3 }, () => createTask(() => text(session, named(site))));
      while (resolver.asked.length === 0) await turn();
      resolve();
      for (const task of tasks) {
        await assert.rejects(
          async () => await task,
          (error) => {
            assert(error instanceof ClientConnectorDNSError);
            assert.equal(error.code, 'ENOTFOUND');
            assert.match(
              error.message,
              /^Cannot connect to host name.test:\d+ ssl:default \[getaddrinfo ENOTFOUND/,
            );
            return true;
          },
        );
      }
      resolver.addresses = ['127.0.0.1'];
      await text(session, named(site));
      assert.equal(resolver.asked.length, 2);
    }));

  for (const victim of [0, 1]) {
    it(`goes on when who asked ${victim === 0 ? 'first' : 'later'} is cancelled`, () =>
      run(async () => {
        await using site = await serve(echo);
        const resolver = new TestResolver();
        const { promise, resolve } = withResolvers();
        resolver.gate = promise;
        await using session = sessionOf(resolver);
        const tasks = Array.from({ length: 3 }, () => createTask(() => text(session, named(site))));
        while (resolver.asked.length === 0) await turn();
        tasks[victim]?.cancel();
        await sleep(0);
        resolve();
        for (const [i, task] of tasks.entries()) {
          if (i === victim) await assert.rejects(async () => await task, CancelledError);
          else assert.match(await task, /GET/);
        }
        assert.equal(resolver.asked.length, 1);
      }));
  }

  it('leaves its answer behind when all who asked are cancelled', () =>
    run(async () => {
      await using site = await serve(echo);
      const resolver = new TestResolver();
      const { promise, resolve } = withResolvers();
      resolver.gate = promise;
      await using session = sessionOf(resolver);
      const task = createTask(() => text(session, named(site)));
      while (resolver.asked.length === 0) await turn();
      task.cancel();
      await assert.rejects(async () => await task, CancelledError);
      resolve();
      while ((session.connector as TCPConnector).cachedHosts.size === 0) await turn();
      await text(session, named(site));
      assert.equal(resolver.asked.length, 1);
    }));

  it('whose failure nobody waits for any more is no news', () =>
    run(async () => {
      await using site = await serve(echo);
      const resolver = new TestResolver([]);
      const { promise, resolve } = withResolvers();
      resolver.gate = promise;
      await using session = sessionOf(resolver);
      const task = createTask(() => text(session, named(site)));
      while (resolver.asked.length === 0) await turn();
      task.cancel();
      await assert.rejects(async () => await task, CancelledError);
      resolve();
      for (let i = 0; i < 5; i++) await turn();
    }));
});

describe('a resolver', () => {
  it('is asked for the family that is wanted, and not at all for an address', () =>
    run(async () => {
      await using site = await serve(echo);
      const resolver = new TestResolver(['::1', '127.0.0.1']);
      await using session = sessionOf(resolver, { family: 4 });
      assert.equal((session.connector as TCPConnector).family, 4);
      await text(session, named(site));
      await text(session, site.url);
      assert.deepEqual(resolver.asked, [`name.test:${new URL(site.url).port}/4`]);
      // 127.0.0.1 in another guise is an address, too.
      await text(session, site.url.replace('127.0.0.1', '2130706433'));
      assert.equal(resolver.asked.length, 1);
    }));

  it('that knows no address of the family is an error', () =>
    run(async () => {
      await using session = sessionOf(new TestResolver(['127.0.0.1']), { family: 6 });
      await assert.rejects(async () => await session.get('http://name.test/'), ClientConnectorDNSError);
      await assert.rejects(async () => await session.get('http://127.0.0.1/'), ClientConnectorDNSError);
    }));

  it('may be written as a coroutine', () =>
    run(async () => {
      await using site = await serve(echo);
      const resolver: AbstractResolver = {
        resolve: coroutine(function* resolve(hostname: string, port = 0): Gen<ResolveResult[]> {
          yield* sleep(0);
          return [{ hostname, host: '127.0.0.1', port, family: 4, proto: 0, flags: 0 }];
        }),
        close: coroutine(function* close(): Gen<void> {}),
      };
      await using session = sessionOf(resolver);
      assert.match(await text(session, named(site)), /name\.test/);
    }));

  it('with a mistake in it is no failure of the net', () =>
    run(async () => {
      const mistake = new TypeError('undefined is not a function');
      const resolver: AbstractResolver = { resolve: () => Promise.reject(mistake), close: async () => {} };
      await using session = sessionOf(resolver);
      await assert.rejects(
        async () => await session.get('http://name.test/'),
        (error) => error === mistake,
      );
    }));

  it('that was given is left open, for others', () =>
    run(async () => {
      const resolver = new TestResolver();
      await sessionOf(resolver).close();
      assert(!resolver.isClosed);
    }));

  it('is given hosts as the URL has them: in lower case, with xn--, with one dot at the end', () =>
    run(async () => {
      await using site = await serve(echo);
      const { port } = new URL(site.url);
      const resolver = new TestResolver();
      await using session = sessionOf(resolver);
      for (const host of ['MÜNCHEN.test', 'name.test.']) await text(session, `http://${host}:${port}/`);
      assert.deepEqual(resolver.asked, [`xn--mnchen-3ya.test:${port}/0`, `name.test.:${port}/0`]);
    }));
});

describe('several addresses', () => {
  it('are tried in the order of the resolver, both families in turns', () =>
    run(async () => {
      const tried: string[] = [];
      const resolver = new TestResolver(['::1', '::2', '::3', '127.0.0.8', '127.0.0.9']);
      const order = async (options: TCPConnectorOptions): Promise<string> => {
        tried.length = 0;
        await using session = sessionOf(resolver, {
          ...options,
          useDnsCache: false,
          socketFactory: (info) => {
            tried.push(info[4][0]);
            const socket = new Socket();
            queueMicrotask(() => socket.destroy(Object.assign(new Error('no'), { code: 'ENETUNREACH' })));
            return socket;
          },
        });
        await assert.rejects(async () => await session.get('http://name.test/'), ClientConnectorError);
        return tried.join(' ');
      };
      assert.equal(await order({}), '::1 127.0.0.8 ::2 127.0.0.9 ::3');
      assert.equal(await order({ interleave: 2 }), '::1 ::2 127.0.0.8 ::3 127.0.0.9');
      assert.equal(await order({ happyEyeballsDelay: null }), '::1 ::2 ::3 127.0.0.8 127.0.0.9');
      assert.equal(
        await order({ happyEyeballsDelay: null, interleave: 1 }),
        '::1 127.0.0.8 ::2 127.0.0.9 ::3',
      );
      assert.equal(await order({ family: 6 }), '::1 ::2 ::3');
    }));

  it('one that does not answer is overtaken by the next', () =>
    run(async () => {
      await using hole = await BlackHole.open('127.0.0.2');
      await using site = await answering('127.0.0.3', hole.port);
      const sockets: Socket[] = [];
      await using session = sessionOf(new TestResolver(['127.0.0.2', '127.0.0.3']), {
        happyEyeballsDelay: { milliseconds: 10 },
        socketFactory: () => {
          const socket = new Socket();
          sockets.push(socket);
          return socket;
        },
      });
      assert.equal(await text(session, `http://name.test:${hole.port}/`), 'ok');
      assert.equal(sockets.length, 2);
      assert(sockets[0]?.destroyed);
      assert.equal(site.connections, 1);
    }));

  it('with the delay switched off the next is tried when the time of the first is over', () =>
    run(async () => {
      await using hole = await BlackHole.open('127.0.0.2');
      await using site = await answering('127.0.0.3', hole.port);
      await using session = sessionOf(new TestResolver(['127.0.0.2', '127.0.0.3']), {
        happyEyeballsDelay: null,
      });
      const options = { timeout: new ClientTimeout({ sockConnect: 0.02 }) };
      assert.equal(await text(session, `http://name.test:${hole.port}/`, options), 'ok');
      assert.equal(site.connections, 1);
      await assert.rejects(async () => await session.get(hole.url, options), ConnectionTimeoutError);
    }));

  it('one that refuses makes place for the next at once', () =>
    run(async () => {
      await using site = await answering('127.0.0.3');
      await using session = sessionOf(new TestResolver(['127.0.0.2', '127.0.0.3']), {
        happyEyeballsDelay: 1000,
      });
      assert.equal(await text(session, `http://name.test:${site.port}/`), 'ok');
    }));

  it('that all fail are one error with all reasons', () =>
    run(async () => {
      const site = await answering('127.0.0.1');
      const { port } = site;
      await site[Symbol.asyncDispose]();
      await using session = sessionOf(new TestResolver(['127.0.0.2', '127.0.0.3']));
      await assert.rejects(
        async () => await session.get(`http://name.test:${port}/`),
        (error) => {
          assert(error instanceof ClientConnectorError);
          assert.equal(error.code, 'ECONNREFUSED');
          assert.match(error.message, /Multiple exceptions: .*127\.0\.0\.2.*127\.0\.0\.3/);
          return true;
        },
      );
    }));

  it('one whose TLS fails makes place for the next', () =>
    run(async () => {
      await using good = await serveSecurely(echo, { key, cert });
      const { port } = new URL(good.url);
      await using bad = await RawServer.open((socket) => socket.end('no TLS'), '127.0.0.2', Number(port));
      await using session = sessionOf(new TestResolver(['127.0.0.2', '127.0.0.1']), { ssl: { ca: cert } });
      assert.match(await text(session, `https://localhost:${port}/`, {}), /localhost/);
      assert.equal(bad.connections, 1);
    }));

  it('one with the wrong fingerprint makes place for the next', () =>
    run(async () => {
      await using first = await serveSecurely(echo, { key, cert });
      const port = Number(new URL(first.url).port);
      const ssl = new Fingerprint(Buffer.alloc(32, 1));
      await using session = sessionOf(new TestResolver(['127.0.0.1', '127.0.0.1']), { ssl });
      await assert.rejects(
        async () => await session.get(`https://localhost:${port}/`),
        (error) => {
          assert(error instanceof ServerFingerprintMismatch);
          assert.deepEqual([error.host, error.port], ['127.0.0.1', port]);
          assert.deepEqual(Buffer.from(error.expected), Buffer.alloc(32, 1));
          const sha256 = new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
          assert.equal(Buffer.from(error.got).toString('hex'), sha256);
          return true;
        },
      );
      // The same peer is not asked twice.
      assert.equal(first.connections, 1);
    }));
});

describe('sockets', () => {
  it('come from the factory, which is told where they lead', () =>
    run(async () => {
      await using site = await serve(echo);
      const infos: AddrInfoType[] = [];
      await using session = sessionOf(new TestResolver(), {
        socketFactory: (info) => {
          infos.push(info);
          return new Socket();
        },
      });
      await text(session, named(site));
      assert.deepEqual(infos, [[4, 1, 6, '', ['127.0.0.1', Number(new URL(site.url).port)]]]);
    }));

  it('begin at the address that is wanted', () =>
    run(async () => {
      const from: (string | undefined)[] = [];
      await using site = await serve((request, response) => {
        from.push(request.socket.remoteAddress);
        response.end();
      });
      await using session = sessionOf(new TestResolver(), { localAddr: ['127.0.0.7', 0] });
      await text(session, site.url);
      assert.deepEqual(from, ['127.0.0.7']);
      await using other = sessionOf(new TestResolver(), { localAddr: ['::1', 0] });
      await assert.rejects(async () => await other.get(site.url), {
        name: 'ClientConnectorError',
        code: 'EADDRNOTAVAIL',
      });
    }));

  it('lead to an IPv6 literal', async (t) => {
    const probe = await RawServer.open(() => {}, '::1').catch(() => null);
    if (probe === null) {
      t.diagnostic('no IPv6 here');
      return;
    }
    await probe[Symbol.asyncDispose]();
    await run(async () => {
      await using site = await answering('::1');
      await using session = sessionOf(new TestResolver([]));
      assert.equal(await text(session, site.url('http')), 'ok');
      assert.match(site.received, new RegExp(`\r\nHost: \\[::1\\]:${site.port}\r\n`, 'i'));
    });
  });

  it('send at once and are kept alive', () =>
    run(async () => {
      await using site = await serve(echo);
      const calls: string[] = [];
      class Watched extends Socket {
        override setNoDelay(on?: boolean): this {
          calls.push(`noDelay ${on}`);
          return super.setNoDelay(on);
        }
        override setKeepAlive(on?: boolean, delay?: number): this {
          calls.push(`keepAlive ${on}`);
          return super.setKeepAlive(on, delay);
        }
      }
      await using session = sessionOf(new TestResolver(), { socketFactory: () => new Watched() });
      await text(session, site.url);
      assert.deepEqual(calls.slice(0, 2), ['noDelay true', 'keepAlive true']);
    }));
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
