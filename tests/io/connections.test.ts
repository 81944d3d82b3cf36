import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as nodeConnect, createServer as createNodeServer, Socket } from 'node:net';
import { describe, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { createTask, ExceptionGroup, fromPromise, type Protocol, run, sleep, type Task } from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { cert, key } from '../http/certificate.ts';
import { eventually } from '../support/processes.ts';
import { rounds } from '../support/rounds.ts';
import { on, type Steps, thrownBy } from '../support/styles.ts';
import {
  descriptors,
  from,
  ioTest,
  listenRaw,
  net,
  pair,
  Recorder,
  unpair,
  untilDescriptors,
} from './peers.ts';

const factory = (): Recorder => new Recorder();

/** What `awaitable` throws. */
function* errorFrom(awaitable: PromiseLike<unknown>): Steps<NodeJS.ErrnoException> {
  try {
    yield* on(awaitable);
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error('nothing was thrown');
}

/** A port on which nobody listens. */
function* closedPort(): Steps<number> {
  const peer = yield* from(listenRaw());
  const { port } = peer;
  yield* from(peer[Symbol.asyncDispose]());
  return port;
}

/** An address that does not answer: its listener is in a process that is stopped, and has no room for one more. */
async function blackHole(host: string, port = 0): Promise<{ port: number; end: () => Promise<void> }> {
  const code = `require('net').createServer().listen({ host: '${host}', port: ${port}, backlog: 1 }, function () {
    require('fs').writeSync(1, String(this.address().port));
    process.kill(process.pid, 'SIGSTOP');
  });`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const address = { port: Number(await new Promise((resolve) => child.stdout.once('data', resolve))) };
  await eventually(() => /^State:\s+T/m.test(readFileSync(`/proc/${child.pid}/status`, 'latin1')), 'stopped');
  const fillers = Array.from({ length: 4 }, () => nodeConnect(address.port, host).on('error', () => {}));
  await new Promise((resolve) => setTimeout(resolve, 30));
  return {
    port: address.port,
    end: async () => {
      for (const filler of fillers) filler.destroy();
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    },
  };
}

/** A name that stands for these addresses, as long as the test runs. */
function named(addresses: readonly string[]): Disposable & { readonly name: string } {
  const dns = process.getBuiltinModule('node:dns');
  const original = dns.lookup;
  const lookup = (name: string, ...args: unknown[]): void => {
    if (name !== 'name.test') return original(name, ...(args as [() => void]));
    const callback = args.at(-1) as (error: null, found: object[]) => void;
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    setImmediate(() => callback(null, found));
  };
  dns.lookup = lookup as unknown as typeof dns.lookup;
  return {
    name: 'name.test',
    [Symbol.dispose]: () => {
      dns.lookup = original;
    },
  };
}

describe('createConnection', () => {
  ioTest('by name, by address, to this machine', function* () {
    const peer = yield* from(listenRaw());
    for (const host of ['localhost', '127.0.0.1', null, '']) {
      const [transport, protocol] = yield* on(
        net().createConnection(factory, host, host === '' ? String(peer.port) : peer.port, { family: 4 }),
      );
      assert.deepEqual(transport.getExtraInfo('peername'), ['127.0.0.1', peer.port]);
      transport.close();
      yield* on(protocol.lost);
    }
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('refuses what does not go together', function* () {
    const sock = new Socket();
    const cases: [PromiseLike<unknown>, string][] = [
      [net().createConnection(factory), 'RangeError: host and port was not specified and no sock specified'],
      [
        net().createConnection(factory, 'x', 1, { sock }),
        'RangeError: host/port and sock can not be specified at the same time',
      ],
      [
        net().createConnection(factory, 'x', 1, { serverHostname: 'x' }),
        'RangeError: serverHostname is only meaningful with ssl',
      ],
      [
        net().createConnection(factory, null, 1, { ssl: true }),
        'RangeError: You must set serverHostname when using ssl without a host',
      ],
      [
        net().createConnection(factory, 'x', 1, { sslHandshakeTimeout: 1 }),
        'RangeError: sslHandshakeTimeout is only meaningful with ssl',
      ],
      [
        net().createConnection(factory, 'x', 1, { sslShutdownTimeout: 1 }),
        'RangeError: sslShutdownTimeout is only meaningful with ssl',
      ],
      [
        net().createConnection(factory, 'x', 1, { ssl: true, sslHandshakeTimeout: 0 }),
        'RangeError: sslHandshakeTimeout should be a positive number, got 0',
      ],
      [
        net().createUnixConnection(factory, '/x', { ssl: true }),
        'RangeError: you have to pass serverHostname when using ssl',
      ],
      [net().createUnixConnection(factory), 'RangeError: no path and sock were specified'],
      [
        net().createConnection(factory, '127.0.0.1', 1, { family: 6 }),
        'Error: getaddrinfo EAI_ADDRFAMILY 127.0.0.1',
      ],
      // Python's number of the family of IPv4.
      [
        net().createConnection(factory, '127.0.0.1', 1, { family: 2 as 0 }),
        'RangeError: family must be 0, 4 or 6, got 2',
      ],
      [
        net().createUnixConnection(factory, '/x', { sock }),
        'RangeError: path and sock can not be specified at the same time',
      ],
    ];
    for (const [awaitable, text] of cases) assert.equal(yield* thrownBy(awaitable), text);
    for (const wrong of [{}, 5, 'socket'] as unknown[] as Socket[]) {
      const text = yield* thrownBy(net().createConnection(factory, null, null, { sock: wrong }));
      assert.match(text, /^RangeError: A Stream Socket was expected, got /);
    }
    assert.match(
      yield* thrownBy(net().createConnection(factory, '127.0.0.1', 70_000)),
      /port must be 0-65535/,
    );
    assert.match(
      yield* thrownBy(net().createConnection(factory, '127.0.0.1', 'http')),
      /Servname not supported/,
    );
    sock.destroy();
  });

  ioTest('a socket that is connected already', function* () {
    const peer = yield* from(listenRaw());
    const sock = nodeConnect(peer.port, '127.0.0.1');
    yield* from(new Promise((resolve) => sock.once('connect', resolve)));
    const [transport, protocol] = yield* on(net().createConnection(factory, null, null, { sock }));
    assert.equal(transport.getExtraInfo('socket'), sock);
    const accepted = yield* from(peer.accepted());
    accepted.end('x');
    yield* on(protocol.lost);
    assert.equal(protocol.text, 'x');
    // One that is gone: made and lost.
    const [, late] = yield* on(net().createConnection(factory, null, null, { sock }));
    yield* on(late.lost);
    assert.deepEqual(late.events, ['made', 'lost']);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('nobody listens: the system’s error', function* () {
    const port = yield* closedPort();
    const error = yield* errorFrom(net().createConnection(factory, '127.0.0.1', port));
    assert.equal(error.code, 'ECONNREFUSED');
    assert.equal(error.message, `connect ECONNREFUSED 127.0.0.1:${port}`);
    const group = yield* errorFrom(net().createConnection(factory, '127.0.0.1', port, { allErrors: true }));
    assert.ok(group instanceof ExceptionGroup);
    assert.match(group.message, /^create_connection failed/);
    const unix = yield* errorFrom(net().createUnixConnection(factory, '/no/such/socket'));
    assert.equal(unix.code, 'ENOENT');
  });

  ioTest('a name of several addresses: one after the other; all errors together', function* () {
    const peer = yield* from(listenRaw(undefined, '127.0.0.9'));
    using name = named(['127.0.0.7', '127.0.0.8', '127.0.0.9']);
    const [transport, protocol] = yield* on(net().createConnection(factory, name.name, peer.port));
    assert.deepEqual(transport.getExtraInfo('peername'), ['127.0.0.9', peer.port]);
    transport.close();
    yield* on(protocol.lost);
    const { port } = peer;
    yield* from(peer[Symbol.asyncDispose]());
    for (const happyEyeballsDelay of [null, 0.05]) {
      const options = { happyEyeballsDelay };
      const error = yield* errorFrom(net().createConnection(factory, name.name, port, options));
      const texts = ['7', '8', '9'].map((last) => `connect ECONNREFUSED 127.0.0.${last}:${port}`);
      assert.equal(error.message, `Multiple exceptions: ${texts.join(', ')}`);
      assert.equal(error.code, 'ECONNREFUSED');
      const all = { ...options, allErrors: true };
      const group = yield* errorFrom(net().createConnection(factory, name.name, port, all));
      assert.ok(group instanceof ExceptionGroup);
      assert.deepEqual(
        group.exceptions.map((each) => each.message),
        texts,
      );
    }
  });

  ioTest('F8: names without addresses, and unknown ones', function* () {
    using name = named([]);
    assert.equal(
      yield* thrownBy(net().createConnection(factory, name.name, 1)),
      'Error: getaddrinfo() returned empty list',
    );
    using fifty = named(Array.from({ length: 50 }, (_, i) => `127.0.1.${i + 1}`));
    const port = yield* closedPort();
    const error = yield* errorFrom(net().createConnection(factory, fifty.name, port, { allErrors: true }));
    assert.equal((error as unknown as ExceptionGroup).exceptions.length, 50);
  });

  ioTest('F8: a lookup that never answers can be cancelled', function* (style) {
    const dns = process.getBuiltinModule('node:dns');
    const original = dns.lookup;
    dns.lookup = (() => {}) as unknown as typeof dns.lookup;
    try {
      const task = style.task(() => on(net().createConnection(factory, 'hangs.test', 1)));
      yield* on(sleep(0.01));
      task.cancel();
      assert.match(yield* thrownBy(task), /^CancelledError/);
    } finally {
      dns.lookup = original;
    }
  });

  ioTest('localAddr: where this end is; one of another family; one that is taken', function* () {
    const peer = yield* from(listenRaw());
    const [transport, protocol] = yield* on(
      net().createConnection(factory, '127.0.0.1', peer.port, { localAddr: ['127.0.0.5', 0] }),
    );
    assert.equal(transport.getExtraInfo<[string]>('sockname')?.[0], '127.0.0.5');
    assert.match(
      yield* thrownBy(net().createConnection(factory, '127.0.0.1', peer.port, { localAddr: ['::1', 0] })),
      /no matching local address with family=4 found/,
    );
    assert.match(
      yield* thrownBy(
        net().createConnection(factory, '127.0.0.1', peer.port, { localAddr: ['127.0.0.1', peer.port] }),
      ),
      /EADDRINUSE|EADDRNOTAVAIL|EINVAL/,
    );
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });

  ioTest('a factory that throws: the connection is closed', function* () {
    const peer = yield* from(listenRaw());
    const broken = (): Protocol => {
      throw new Error('mistake');
    };
    assert.equal(yield* thrownBy(net().createConnection(broken, '127.0.0.1', peer.port)), 'Error: mistake');
    const socket = yield* from(peer.accepted());
    socket.resume();
    yield* from(new Promise((resolve) => socket.once('end', resolve)));
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('connectAcceptedSocket: the connection of somebody else’s server', function* () {
    const server = createNodeServer();
    yield* from(new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const { port } = server.address() as { port: number };
    const client = nodeConnect(port, '127.0.0.1');
    const [transport, protocol] = yield* on(net().connectAcceptedSocket(factory, yield* from(accepted)));
    client.end('hello');
    client.resume();
    yield* on(protocol.lost);
    assert.equal(protocol.text, 'hello');
    assert.deepEqual(transport.getExtraInfo('sockname'), ['127.0.0.1', port]);
    server.close();
  });
});

describe('whoever has made the socket', () => {
  for (const ssl of [null, { key, cert }]) {
    ioTest(`small writes are sent at once (${ssl === null ? 'plain' : 'TLS'})`, function* () {
      const server = createNodeServer();
      yield* from(new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
      const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
      const { port } = server.address() as { port: number };
      const client = nodeConnect(port, '127.0.0.1');
      if (ssl !== null) tlsConnect({ socket: client, ca: cert }).on('error', () => {});
      const socket = yield* from(accepted);
      const asked: unknown[] = [];
      socket.setNoDelay = (value) => {
        asked.push(value);
        return socket;
      };
      const [transport, protocol] = yield* on(net().connectAcceptedSocket(factory, socket, { ssl }));
      assert.deepEqual(asked, [true]);
      transport.abort();
      yield* on(protocol.lost);
      client.destroy();
      server.close();
    });
  }
});

describe('happy eyeballs', () => {
  ioTest('F8: an address that does not answer is overtaken by the next, and closed', function* () {
    const peer = yield* from(listenRaw(undefined, '127.0.0.21'));
    const hole = yield* from(blackHole('127.0.0.20', peer.port));
    using name = named(['127.0.0.20', '127.0.0.21']);
    const before = performance.now();
    const [transport, protocol] = yield* on(
      net().createConnection(factory, name.name, peer.port, { happyEyeballsDelay: 0.1 }),
    );
    const ms = performance.now() - before;
    assert.ok(ms >= 95, `after ${ms} ms`);
    assert.deepEqual(transport.getExtraInfo('peername'), ['127.0.0.21', peer.port]);
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
    yield* from(hole.end());
  });

  ioTest('the next is tried as soon as the newest has failed', function* () {
    const peer = yield* from(listenRaw(undefined, '127.0.0.23'));
    using name = named(['127.0.0.22', '127.0.0.23']);
    const [transport, protocol] = yield* on(
      net().createConnection(factory, name.name, peer.port, { happyEyeballsDelay: 3600 }),
    );
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });

  ioTest('interleave: addresses of both families in turns', function* () {
    const tried: string[] = [];
    const original = Socket.prototype.connect;
    Socket.prototype.connect = function connect(this: Socket, ...args: unknown[]) {
      const [options] = (Array.isArray(args[0]) ? args[0] : args) as [{ host: string }];
      tried.push(options.host);
      return original.apply(this, args as never);
    };
    try {
      using name = named(['127.0.2.1', '127.0.2.2', '127.0.2.3', '::1', '::ffff:127.0.0.3']);
      const port = yield* closedPort();
      tried.length = 0;
      yield* errorFrom(net().createConnection(factory, name.name, port, { interleave: 2, allErrors: true }));
      assert.deepEqual(tried, ['127.0.2.1', '127.0.2.2', '::1', '127.0.2.3', '::ffff:127.0.0.3']);
      tried.length = 0;
      yield* errorFrom(net().createConnection(factory, name.name, port, { happyEyeballsDelay: 1 }));
      assert.deepEqual(tried, ['127.0.2.1', '::1', '127.0.2.2', '::ffff:127.0.0.3', '127.0.2.3']);
    } finally {
      Socket.prototype.connect = original;
    }
  });

  ioTest('H40, P46: cancelled while several are tried: all are closed', function* (style) {
    const hole = yield* from(blackHole('127.0.0.30'));
    using name = named(['127.0.0.30', '127.0.0.30', '127.0.0.30']);
    const before = descriptors();
    const task = style.task(() =>
      on(net().createConnection(factory, name.name, hole.port, { happyEyeballsDelay: 0.02 })),
    );
    yield* on(sleep(0.05));
    task.cancel();
    yield* on(sleep(0));
    task.cancel();
    assert.match(yield* thrownBy(task), /^CancelledError/);
    yield* untilDescriptors(before);
    yield* from(hole.end());
  });
});

describe('cancelled connections', () => {
  ioTest('P46, H39: in each of the first iterations, nothing is left', function* (style) {
    const peer = yield* from(listenRaw());
    yield* on(sleep(0.01));
    const before = descriptors();
    const peerCount = peer.sockets.length;
    for (let moment = 0; moment < 12; moment++) {
      let protocol: Recorder | null = null;
      const make = (): Recorder => {
        protocol = new Recorder();
        return protocol;
      };
      const task = style.task(function* () {
        return yield* on(net().createConnection(make, '127.0.0.1', peer.port));
      });
      for (let i = 0; i < moment; i++) yield* on(sleep(i % 3 === 2 ? 0.001 : 0));
      if (!task.cancel()) (yield* on(task))[0].abort();
      yield* on(fromPromise(task.catch(() => {}) as Promise<unknown>));
      if (protocol !== null && (protocol as Recorder).made.done()) yield* on((protocol as Recorder).lost);
    }
    yield* untilDescriptors(before, peer);
    assert.ok(peer.sockets.length >= peerCount);
    yield* from(peer[Symbol.asyncDispose]());
  });

  test('P46: ten thousand at random times leave no descriptor', { timeout: 120_000 }, async () => {
    await run(async () => {
      const loop = net();
      let accepted = 0;
      const server = await loop.createServer(
        () => {
          accepted++;
          return new Recorder();
        },
        '127.0.0.1',
        0,
      );
      const port = server.sockets[0]?.getsockname()[1] as number;
      const before = descriptors();
      let seed = 12345;
      const random = (): number => {
        seed = (seed * 1103515245 + 12345) % 2 ** 31;
        return seed / 2 ** 31;
      };
      let cancelled = 0;
      let total = 0;
      while (total < rounds(10_000)) {
        const tasks: Task<unknown>[] = [];
        for (let i = 0; i < 50; i++, total++) {
          const task = createTask(async () => {
            const [transport] = await loop.createConnection(() => new Recorder(), '127.0.0.1', port);
            transport.abort();
          });
          tasks.push(task);
          const moment = random();
          if (moment < 0.4) for (let n = Math.floor(moment * 20); n > 0; n--) await sleep(0);
          else if (moment < 0.8) loop.callLater(random() * 0.004, () => void task.cancel());
          if (moment < 0.4) task.cancel();
        }
        for (const task of tasks) {
          await task.catch(() => {});
          if (task.cancelled()) cancelled++;
        }
      }
      assert.ok(cancelled > total / 4, `${cancelled} of ${total}`);
      assert.ok(accepted > 0);
      while (descriptors() !== before) {
        server.abortClients();
        await sleep(0.01);
      }
      server.close();
      await server.waitClosed();
    });
  });

  ioTest('a connection that is closed at once is one of the two ends’ affair', function* () {
    for (let i = 0; i < 20; i++) {
      const { protocol, transport, socket, peer } = yield* pair();
      if (i % 2 === 0) socket.resetAndDestroy();
      else transport.abort();
      yield* on(protocol.lost);
      yield* from(peer[Symbol.asyncDispose]());
    }
  });

  test('in virtual time', { timeout: 60_000 }, async () => {
    await run(
      async () => {
        const peer = await listenRaw((socket) => socket.end('x'));
        const before = net().time();
        const [, protocol] = await net().createConnection(factory, '127.0.0.1', peer.port);
        await protocol.lost;
        assert.equal(protocol.text, 'x');
        assert.equal(net().time(), before);
        await peer[Symbol.asyncDispose]();
      },
      { loopFactory: () => new VirtualEventLoop() },
    );
  });
});
