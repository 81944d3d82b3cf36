import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { gather, run, RuntimeError } from 'asyncio-ts';
import {
  ClientConnectorError,
  ClientSession,
  NamedPipeConnector,
  UnixClientConnectorError,
  UnixConnector,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { cert, key } from './certificate.ts';
import { type Echo, echo } from './servers.ts';

/** A server on a socket in a folder of its own. `await using` ends it. */
class UnixSite {
  connections = 0;
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'asyncio-'));
  readonly #server;

  private constructor(handler: RequestListener, isSecure: boolean) {
    this.#server = isSecure ? createSecureServer({ key, cert }, handler) : createServer(handler);
    this.#server.on('connection', () => {
      this.connections++;
    });
  }

  static async open(handler: RequestListener, isSecure = false): Promise<UnixSite> {
    const self = new UnixSite(handler, isSecure);
    self.#server.listen(self.path);
    await once(self.#server, 'listening');
    return self;
  }

  get path(): string {
    return path.join(this.#folder, 'http.sock');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
    rmSync(this.#folder, { recursive: true });
  }
}

describe('UnixConnector', () => {
  it('leads to its path, whatever the host, and keeps connections', () =>
    run(async () => {
      await using site = await UnixSite.open(echo);
      const connector = new UnixConnector(site.path, { limit: 2 });
      assert.equal(connector.path, site.path);
      await using session = new ClientSession(null, { connector });
      for (const host of ['docker', 'docker', 'localhost:81']) {
        const answer = await session.get(`http://${host}/info?x=1`).run((response) => response.json<Echo>());
        assert.equal(answer?.url, '/info?x=1');
        assert.equal(answer?.headers['host'], host);
      }
      // One for each host: none hears what was meant for another.
      assert.equal(site.connections, 2);
      const urls = Array.from({ length: 10 }, (_, i) => `http://docker/${i}`);
      const statuses = await gather(
        urls.map(
          (url) => () =>
            session
              .get(url)
              .run(({ status }) => status)
              .toPromise(),
        ),
      );
      assert.deepEqual(statuses, Array(10).fill(200));
    }));

  it('passes proxies of the environment over, and refuses others', () =>
    run(async () => {
      await using site = await UnixSite.open(echo);
      const connector = new UnixConnector(site.path);
      await using session = new ClientSession(null, { connector, trustEnv: true });
      const before = process.env['http_proxy'];
      process.env['http_proxy'] = 'http://ann:secret@127.0.0.1:1';
      try {
        const answer = await session.get('http://docker/info').run((response) => response.json<Echo>());
        assert.equal(answer?.url, '/info');
        assert.equal(answer?.headers['proxy-authorization'], undefined);
      } finally {
        if (before === undefined) delete process.env['http_proxy'];
        else process.env['http_proxy'] = before;
      }
      const refusal = {
        name: 'RangeError',
        message: 'a UnixConnector reaches its server by a path: proxy cannot be set',
      };
      const proxy = 'http://127.0.0.1:1';
      await assert.rejects(async () => await session.get('http://docker/', { proxy }), refusal);
      await assert.rejects(async () => await session.wsConnect('http://docker/', { proxy }), refusal);
      await using proxied = new ClientSession(null, { connector, connectorOwner: false, proxy });
      await assert.rejects(async () => await proxied.get('http://docker/'), refusal);
    }));

  it('encrypts for https', () =>
    run(async () => {
      await using site = await UnixSite.open(echo, true);
      await using session = new ClientSession(null, { connector: new UnixConnector(site.path) });
      const answer = session.get('https://localhost/x', { ssl: { ca: cert } });
      assert.equal(await answer.run((response) => response.status), 200);
      await assert.rejects(async () => await session.get('https://localhost/x'), {
        name: 'ClientConnectorCertificateError',
      });
    }));

  it('says which path does not answer', () =>
    run(async () => {
      const missing = path.join(tmpdir(), 'asyncio-ts-nowhere.sock');
      await using session = new ClientSession(null, { connector: new UnixConnector(missing) });
      await assert.rejects(
        async () => await session.get('http://docker/'),
        (error) => {
          assert(error instanceof UnixClientConnectorError);
          assert(error instanceof ClientConnectorError);
          assert.equal(error.path, missing);
          assert.equal(error.code, 'ENOENT');
          assert.equal(
            error.message,
            `Cannot connect to unix socket ${missing} ssl:default [connect ENOENT ${missing}]`,
          );
          return true;
        },
      );
      const long = path.join(tmpdir(), 'x'.repeat(200));
      await using other = new ClientSession(null, { connector: new UnixConnector(long) });
      await assert.rejects(async () => await other.get('http://docker/'), { path: long, code: 'EINVAL' });
    }));

  it('says so when it may not connect', () =>
    run(async () => {
      await using site = await UnixSite.open(echo);
      chmodSync(site.path, 0o000);
      await using session = new ClientSession(null, { connector: new UnixConnector(site.path) });
      // Root may do everything.
      if (process.getuid?.() === 0) {
        assert.equal(await session.get('http://docker/').run(({ status }) => status), 200);
      } else {
        await assert.rejects(async () => await session.get('http://docker/'), { code: 'EACCES' });
      }
    }));
});

describe('NamedPipeConnector', () => {
  it('is there on Windows alone', () =>
    run(async () => {
      const pipe = '\\\\.\\pipe\\asyncio-ts-nowhere';
      if (process.platform === 'win32') {
        await using session = new ClientSession(null, { connector: new NamedPipeConnector(pipe) });
        await assert.rejects(async () => await session.get('http://x/'), ClientConnectorError);
        return;
      }
      assert.throws(
        () => new NamedPipeConnector(pipe),
        (error) => {
          assert(error instanceof RuntimeError);
          assert.equal(error.message, 'Named Pipes only available in proactor loop under windows');
          return true;
        },
      );
    }));
});
