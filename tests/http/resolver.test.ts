import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import {
  AsyncResolver,
  ClientSession,
  DefaultResolver,
  TCPConnector,
  ThreadedResolver,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { echo, serve } from './servers.ts';

/** A name server that knows addresses of some names. `await using` ends it. */
class NameServer {
  readonly asked: string[] = [];
  readonly #socket = createSocket('udp4');
  readonly #names: Readonly<Record<string, { A?: string; AAAA?: string }>>;

  private constructor(names: Readonly<Record<string, { A?: string; AAAA?: string }>>) {
    this.#names = names;
    this.#socket.on('message', (query, from) => {
      this.#socket.send(this.#answer(query), from.port, from.address);
    });
  }

  static async open(names: Readonly<Record<string, { A?: string; AAAA?: string }>>): Promise<NameServer> {
    const self = new NameServer(names);
    self.#socket.bind(0, '127.0.0.1');
    await once(self.#socket, 'listening');
    return self;
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  // RFC 1035, 4.1: the question comes back, with an answer behind it.
  #answer(query: Buffer): Buffer {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] as number; length > 0; length = query[at] as number) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const type = query.readUInt16BE(at + 1) === 28 ? 'AAAA' : 'A';
    this.asked.push(`${labels.join('.')} ${type}`);
    const known = this.#names[labels.join('.')];
    const head = Buffer.from(query.subarray(0, at + 5));
    // A response; no such name, unless there is one.
    head.writeUInt16BE(known === undefined ? 0x8183 : 0x8180, 2);
    head.writeUInt32BE(0, 8);
    const address = known?.[type];
    head.writeUInt16BE(address === undefined ? 0 : 1, 6);
    if (address === undefined) return head;
    const data = type === 'A' ? Buffer.from(address.split('.').map(Number)) : ipv6(address);
    const record = Buffer.from([0xc0, 12, 0, type === 'A' ? 1 : 28, 0, 1, 0, 0, 0, 60, 0, data.length]);
    return Buffer.concat([head, record, data]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}

/** An address whose groups are all there. */
const ipv6 = (address: string): Buffer =>
  Buffer.from(
    address
      .split(':')
      .map((group) => group.padStart(4, '0'))
      .join(''),
    'hex',
  );

describe('ThreadedResolver', () => {
  it('asks the system, which knows the hosts file', () =>
    run(async () => {
      const found = await new ThreadedResolver().resolve('localhost', 80, 4);
      assert.deepEqual(found, [
        { hostname: 'localhost', host: '127.0.0.1', port: 80, family: 4, proto: 0, flags: 0 },
      ]);
      await new ThreadedResolver().close();
    }));

  it('fails with the system’s error', () =>
    run(async () => {
      await assert.rejects(async () => await new ThreadedResolver().resolve('nowhere.invalid'), {
        syscall: 'getaddrinfo',
      });
    }));

  it('is the default', () => {
    assert.equal(DefaultResolver, ThreadedResolver);
  });
});

describe('AsyncResolver', () => {
  const names = {
    'both.test': { A: '127.0.0.1', AAAA: '0:0:0:0:0:0:0:1' },
    'old.test': { A: '127.0.0.1' },
    'new.test': { AAAA: '0:0:0:0:0:0:0:1' },
  };

  it('asks its name servers for both families, or for one', () =>
    run(async () => {
      await using server = await NameServer.open(names);
      const resolver = new AsyncResolver({ nameservers: [server.address] });
      const find = async (host: string, family?: 0 | 4 | 6): Promise<string> =>
        (await resolver.resolve(host, 80, family)).map((one) => `${one.host} ${one.family}`).join(', ');
      assert.equal(await find('both.test'), '::1 6, 127.0.0.1 4');
      assert.equal(await find('both.test', 4), '127.0.0.1 4');
      assert.equal(await find('both.test', 6), '::1 6');
      assert.equal(await find('old.test'), '127.0.0.1 4');
      assert.equal(await find('new.test'), '::1 6');
      assert(server.asked.includes('both.test AAAA'));
      await resolver.close();
    }));

  it('fails with the name server’s error', () =>
    run(async () => {
      await using server = await NameServer.open(names);
      const resolver = new AsyncResolver({ nameservers: [server.address] });
      await assert.rejects(async () => await resolver.resolve('nobody.test'), { code: 'ENOTFOUND' });
      await assert.rejects(async () => await resolver.resolve('old.test', 0, 6), { code: 'ENODATA' });
      await resolver.close();
    }));

  it('is over when it is closed, again and again', () =>
    run(async () => {
      const resolver = new AsyncResolver();
      await resolver.close();
      await resolver.close();
      await assert.rejects(async () => await resolver.resolve('both.test'), { code: 'ECANCELLED' });
    }));

  it('serves a connector', () =>
    run(async () => {
      await using site = await serve(echo);
      await using server = await NameServer.open(names);
      const resolver = new AsyncResolver({ nameservers: [server.address] });
      await using session = new ClientSession(null, { connector: new TCPConnector({ resolver }) });
      const url = site.url.replace('127.0.0.1', 'old.test');
      assert.equal(await session.get(url).run((response) => response.status), 200);
      await resolver.close();
    }));
});
