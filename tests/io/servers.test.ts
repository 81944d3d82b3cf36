import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer as createNodeServer, type Server as NodeServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import {
  ContextVar,
  type ExceptionContext,
  fromPromise,
  Protocol,
  run,
  Server,
  sleep,
  startServer,
  type Transport,
  wait,
  waitFor,
} from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { runProgram } from '../support/programs.ts';
import { root } from '../support/project.ts';
import { on, type Steps, thrownBy, turns } from '../support/styles.ts';
import { connectRaw, drain, from, ioTest, net, Recorder } from './peers.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'asyncio-ts-'));
after(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
const newPath = (): string => path.join(directory, `${files++}.sock`);

/** A server of recorders. */
function* serve(
  options: object = {},
  make = (): Recorder => new Recorder(),
): Steps<{ server: Server; port: number; protocols: Recorder[] }> {
  const protocols: Recorder[] = [];
  const factory = (): Recorder => {
    const protocol = make();
    protocols.push(protocol);
    return protocol;
  };
  const server = yield* on(net().createServer(factory, '127.0.0.1', 0, options));
  return { server, port: portOf(server), protocols };
}

function portOf(server: Server, index = 0): number {
  return server.sockets[index]?.getsockname()[1] as number;
}

function* settled(count: number, protocols: readonly Recorder[]): Steps<void> {
  for (let i = 0; i < 1000 && protocols.length < count; i++) yield* on(sleep(0.002));
  assert.equal(protocols.length, count);
  for (const protocol of protocols) yield* on(protocol.made);
}

describe('createServer', () => {
  ioTest('serves when it returns; connections stay when it closes', function* () {
    const { server, port, protocols } = yield* serve();
    assert.ok(server instanceof Server);
    assert.equal(server.isServing(), true);
    assert.equal(server.getLoop(), net());
    assert.match(String(server), /^<Server sockets=\[<TransportSocket \['127.0.0.1', \d+\]>\]>$/);
    const socket = yield* from(connectRaw(port));
    yield* settled(1, protocols);
    server.close();
    server.close();
    assert.deepEqual(server.sockets, []);
    assert.equal(server.isServing(), false);
    assert.equal(String(server), '<Server sockets=[]>');
    assert.match(yield* thrownBy(fromPromise(connectRaw(port))), /ECONNREFUSED/);
    socket.end('still here');
    yield* on(protocols[0]?.lost as PromiseLike<unknown>);
    assert.equal(protocols[0]?.text, 'still here');
    yield* on(server.waitClosed());
  });

  ioTest('port 0 on all interfaces: a socket for each family, with a port of its own', function* () {
    const server = yield* on(net().createServer(() => new Recorder(), null, 0));
    const hosts = server.sockets.map((socket) => socket.getsockname()[0]);
    assert.ok(hosts.includes('0.0.0.0'));
    assert.deepEqual(
      server.sockets.map((socket) => socket.fd).filter((fd) => fd !== null),
      [],
    );
    const other = yield* on(net().createServer(() => new Recorder(), '', null, { family: 4 }));
    assert.deepEqual(
      other.sockets.map((socket) => socket.getsockname()[0]),
      ['0.0.0.0'],
    );
    server.close();
    other.close();
    yield* on(server.waitClosed());
  });

  ioTest('several hosts, each once', function* () {
    const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.1'];
    const server = yield* on(net().createServer(() => new Recorder(), hosts, 0));
    assert.deepEqual(
      server.sockets.map((socket) => socket.getsockname()[0]),
      ['127.0.0.1', '127.0.0.2'],
    );
    server.close();
  });

  ioTest('an address in use: an error that names it, and nothing is left listening', function* () {
    const { server, port } = yield* serve();
    const text = yield* thrownBy(net().createServer(() => new Recorder(), ['127.0.0.3', '127.0.0.1'], port));
    assert.match(
      text,
      /^Error: error while attempting to bind on address \['127\.0\.0\.1', \d+\]: .*EADDRINUSE/,
    );
    const failure = net().createTask(net().createServer(() => new Recorder(), '127.0.0.1', port));
    yield* on(wait([failure]));
    const error = failure.exception();
    assert.equal((error as NodeJS.ErrnoException).code, 'EADDRINUSE');
    // The first of them is free again.
    const again = yield* on(net().createServer(() => new Recorder(), '127.0.0.3', port));
    again.close();
    server.close();
  });

  ioTest('an address that is not of this machine', function* () {
    const text = yield* thrownBy(net().createServer(() => new Recorder(), '192.0.2.1', 0));
    assert.match(text, /could not bind on any address out of \[\['192\.0\.2\.1', 0\]\]/);
  });

  ioTest('refuses what does not go together', function* () {
    const factory = (): Recorder => new Recorder();
    const sock = createNodeServer();
    const cases: [Promise<unknown> | PromiseLike<unknown>, string][] = [
      [net().createServer(factory), 'RangeError: Neither host/port nor sock were specified'],
      [
        net().createServer(factory, 'x', 1, { sock }),
        'RangeError: host/port and sock can not be specified at the same time',
      ],
      [
        net().createServer(factory, '127.0.0.1', 0, { backlog: Number.NaN }),
        'TypeError: backlog must be an integer, got NaN',
      ],
      [startServer(() => {}, '127.0.0.1', 0, { limit: 0 }), 'RangeError: Limit cannot be <= 0'],
      [
        net().createServer(factory, 'x', 1, { sslHandshakeTimeout: 1 }),
        'RangeError: sslHandshakeTimeout is only meaningful with ssl',
      ],
      [
        net().createServer(factory, 'x', 1, { sslShutdownTimeout: 1 }),
        'RangeError: sslShutdownTimeout is only meaningful with ssl',
      ],
      [net().createUnixServer(factory), 'RangeError: path was not specified, and no sock specified'],
      [
        net().createUnixServer(factory, '/x', { sock }),
        'RangeError: path and sock can not be specified at the same time',
      ],
    ];
    for (const [awaitable, text] of cases) assert.equal(yield* thrownBy(awaitable), text);
    const ssl = true as unknown as null;
    assert.match(
      yield* thrownBy(net().createServer(factory, 'x', 1, { ssl })),
      /^TypeError: ssl argument must be/,
    );
    const wrong = {} as NodeServer;
    assert.match(
      yield* thrownBy(net().createServer(factory, null, null, { sock: wrong })),
      /^RangeError: A Stream Socket was expected, got /,
    );
    assert.match(yield* thrownBy(net().createServer(factory, '127.0.0.1', 70_000)), /port must be 0-65535/);
  });

  ioTest('a server of Node that is given: listening or not', function* () {
    for (const listens of [true, false]) {
      const sock = createNodeServer();
      if (listens) {
        sock.listen(0, '127.0.0.1');
        yield* from(new Promise((resolve) => sock.once('listening', resolve)));
      }
      const protocols: Recorder[] = [];
      const factory = (): Recorder => {
        const protocol = new Recorder({ keepOpen: true });
        protocols.push(protocol);
        return protocol;
      };
      const server = yield* on(net().createServer(factory, null, null, { sock }));
      const socket = yield* from(connectRaw(portOf(server)));
      socket.end('question');
      yield* settled(1, protocols);
      const [protocol] = protocols as [Recorder];
      yield* on(protocol.ended);
      // A socket that ends itself with its peer could not do this.
      protocol.transport.write(Buffer.from('answer'));
      protocol.transport.close();
      assert.equal(yield* from(drain(socket)), 'answer');
      server.close();
      yield* on(server.waitClosed());
      assert.equal(sock.listening, false);
    }
  });

  ioTest('startServing false: connections wait', function* () {
    const { server, port, protocols } = yield* serve({ startServing: false });
    assert.equal(server.isServing(), false);
    const socket = yield* from(connectRaw(port));
    yield* on(sleep(0.01));
    assert.equal(protocols.length, 0);
    yield* on(server.startServing());
    yield* on(server.startServing());
    assert.equal(server.isServing(), true);
    yield* settled(1, protocols);
    server.close();
    assert.match(
      yield* thrownBy(server.startServing()),
      /^RuntimeError: server <Server sockets=\[\]> is closed/,
    );
    socket.destroy();
    yield* on(server.waitClosed());
  });

  ioTest('startServing false and close: what waits is closed', function* () {
    const { server, port, protocols } = yield* serve({ startServing: false, backlog: 2 });
    const sockets = [];
    for (let i = 0; i < 5; i++) sockets.push(yield* from(connectRaw(port)));
    yield* on(sleep(0.01));
    server.close();
    for (const socket of sockets) assert.equal(yield* from(drain(socket)), '');
    assert.equal(protocols.length, 0);
    for (const socket of sockets) socket.destroy();
    yield* on(server.waitClosed());
  });

  ioTest('protocols are made in the context of the code that serves', function* () {
    const variable = new ContextVar('where', { default: 'nowhere' });
    variable.set('server');
    const seen: string[] = [];
    const { server, port, protocols } = yield* serve({}, () => {
      seen.push(variable.get());
      return new Recorder();
    });
    variable.set('later');
    const socket = yield* from(connectRaw(port));
    yield* settled(1, protocols);
    assert.deepEqual(seen, ['server']);
    socket.destroy();
    server.close();
    yield* on(server.waitClosed());
  });

  ioTest('a factory that throws is reported; the connection is closed, the server lives', function* () {
    const contexts: ExceptionContext[] = [];
    net().setExceptionHandler((_loop, context) => void contexts.push(context));
    let isBroken = true;
    const { server, port, protocols } = yield* serve({}, () => {
      if (isBroken) throw new Error('mistake');
      return new Recorder();
    });
    const refused = yield* from(connectRaw(port));
    assert.equal(yield* from(drain(refused)), '');
    assert.equal(contexts[0]?.message, 'Error on transport creation for incoming connection');
    isBroken = false;
    const socket = yield* from(connectRaw(port));
    yield* settled(1, protocols);
    for (const each of [refused, socket]) each.destroy();
    server.close();
    yield* on(server.waitClosed());
  });

  ioTest('a mistake of the factory is reported also where Node has a code for it', function* () {
    const messages: unknown[] = [];
    net().setExceptionHandler((_loop, { exception }) => void messages.push(exception));
    const { server, port } = yield* serve({}, () => Buffer.from(5 as never) as never);
    const refused = yield* from(connectRaw(port));
    assert.equal(yield* from(drain(refused)), '');
    assert.deepEqual(
      messages.map((error) => (error as NodeJS.ErrnoException).code),
      ['ERR_INVALID_ARG_TYPE'],
    );
    refused.destroy();
    server.close();
    yield* on(server.waitClosed());
  });

  ioTest('cancelled at any turn: nothing listens', function* (style) {
    const count = (): number =>
      process.getActiveResourcesInfo().filter((name) => /^(TCP|Pipe)ServerWrap$/.test(name)).length;
    const before = count();
    const makers = [
      () => net().createServer(() => new Recorder(), ['127.0.0.1', '127.0.0.2'], 0),
      () => net().createServer(() => new Recorder(), null, null, { sock: createNodeServer() }),
      () => net().createUnixServer(() => new Recorder(), newPath()),
    ];
    const outcomes = new Set<string>();
    for (const make of makers) {
      for (let delay = 0; delay < 12; delay++) {
        const task = style.task(() => on(make()));
        yield* turns(delay);
        task.cancel();
        const outcome = yield* thrownBy(task);
        if (outcome === 'nothing') task.result().close();
        outcomes.add(outcome);
      }
    }
    yield* on(sleep(0.01));
    assert.equal(count(), before);
    assert.deepEqual([...outcomes].sort(), ['CancelledError', 'nothing']);
  });

  ioTest('reusePort: several servers at one port, or an error that says why not', function* () {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    if (major < 22 || (major === 22 && minor < 12)) {
      assert.equal(
        yield* thrownBy(net().createServer(() => new Recorder(), '127.0.0.1', 0, { reusePort: true })),
        'RangeError: reusePort not supported by this version of Node',
      );
      return;
    }
    const { server, port } = yield* serve({ reusePort: true });
    const second = yield* on(
      net().createServer(() => new Recorder(), '127.0.0.1', port, { reusePort: true }),
    );
    assert.equal(portOf(second), port);
    server.close();
    second.close();
  });

  ioTest('peers that are gone before they are accepted do no harm', function* () {
    const { server, port, protocols } = yield* serve();
    for (let i = 0; i < 20; i++)
      connect(port, '127.0.0.1', function (this: ReturnType<typeof connect>) {
        this.resetAndDestroy();
      });
    yield* on(sleep(0.1));
    for (const protocol of protocols) yield* on(protocol.lost);
    server.close();
    yield* on(waitFor(server.waitClosed(), 5));
  });
});

describe('Server', () => {
  ioTest(
    'P49, H41: waitClosed waits for close and the last connection, for each of its waiters',
    function* (style) {
      const { server, port, protocols } = yield* serve();
      const done: string[] = [];
      const waiter = (name: string) =>
        style.task(function* () {
          yield* on(server.waitClosed());
          done.push(name);
        }, name);
      const tasks = [waiter('a'), waiter('b'), waiter('c')];
      const socket = yield* from(connectRaw(port));
      yield* settled(1, protocols);
      yield* turns(3);
      assert.deepEqual(done, []);
      tasks[1]?.cancel();
      server.close();
      yield* turns(3);
      assert.deepEqual(done, []);
      socket.destroy();
      for (const task of [0, 2]) yield* on(tasks[task] as PromiseLike<unknown>);
      assert.deepEqual(done, ['a', 'c']);
      yield* on(server.waitClosed());
      assert.equal(tasks[1]?.cancelled(), true);
    },
  );

  ioTest('closeClients writes what waits, abortClients does not', function* () {
    const { server, port, protocols } = yield* serve();
    const sockets = [yield* from(connectRaw(port)), yield* from(connectRaw(port))];
    yield* settled(2, protocols);
    const reading = sockets.map(drain);
    for (const protocol of protocols) protocol.transport.write(Buffer.alloc(1_000_000, 'x'));
    server.closeClients();
    for (const each of reading) assert.equal((yield* from(each)).length, 1_000_000);
    for (const protocol of protocols) yield* on(protocol.lost);
    for (const socket of sockets) socket.destroy();
    const third = yield* from(connectRaw(port));
    yield* settled(3, protocols);
    const [, , last] = protocols as [Recorder, Recorder, Recorder];
    last.transport.write(Buffer.alloc(30_000_000));
    server.abortClients();
    yield* turns(1);
    assert.equal(last.lost.done(), true);
    third.destroy();
    server.close();
    yield* on(server.waitClosed());
  });

  ioTest(
    'serveForever: cancelled, it closes, waits for its connections, and is cancelled',
    function* (style) {
      const { server, port, protocols } = yield* serve({ startServing: false });
      const task = style.task(() => on(server.serveForever()), 'server');
      yield* turns(3);
      assert.equal(server.isServing(), true);
      assert.match(yield* thrownBy(server.serveForever()), /is already being awaited on serveForever\(\)$/);
      const socket = yield* from(connectRaw(port));
      yield* settled(1, protocols);
      task.cancel();
      yield* turns(5);
      assert.equal(task.done(), false);
      assert.equal(server.isServing(), false);
      socket.destroy();
      assert.match(yield* thrownBy(task), /^CancelledError/);
      assert.match(yield* thrownBy(server.serveForever()), /^RuntimeError: server .* is closed$/);
    },
  );

  ioTest(
    'serveForever({ closeClients }): cancelled, it leaves clients that say nothing; their tasks see the end',
    function* (style) {
      const seen: string[] = [];
      const server = yield* on(
        startServer(
          async (reader, writer) => {
            writer.write(Buffer.alloc(1_000_000, 'x'));
            seen.push(`read ${(await reader.read()).length}`);
          },
          '127.0.0.1',
          0,
        ),
      );
      const task = style.task(() => on(server.serveForever({ closeClients: true })), 'server');
      const socket = yield* from(connectRaw(portOf(server)));
      yield* on(sleep(0.02));
      task.cancel();
      assert.equal((yield* from(drain(socket))).length, 1_000_000);
      assert.match(yield* thrownBy(task), /^CancelledError/);
      yield* turns(2);
      assert.deepEqual(seen, ['read 0']);
      socket.destroy();
    },
  );

  ioTest('serveForever: close cancels it', function* (style) {
    const { server } = yield* serve();
    const task = style.task(() => on(server.serveForever()), 'server');
    yield* turns(3);
    server.close();
    assert.match(yield* thrownBy(task), /^CancelledError/);
  });

  ioTest('run(body) and disposal close it', function* (style) {
    const { server } = yield* serve();
    const value = yield* on(
      server.run(
        style.fn(function* (it: Server) {
          assert.equal(it, server);
          yield* turns(1);
          return 'value';
        }),
      ),
    );
    assert.equal(value, 'value');
    assert.equal(server.isServing(), false);
    const { server: other } = yield* serve();
    yield* from(other[Symbol.asyncDispose]());
    assert.equal(other.isServing(), false);
  });
});

describe('createUnixServer', () => {
  ioTest('serves, and removes its file at the end', function* () {
    const file = newPath();
    const protocols: Recorder[] = [];
    const factory = (): Recorder => {
      const protocol = new Recorder();
      protocols.push(protocol);
      return protocol;
    };
    const server = yield* on(net().createUnixServer(factory, file));
    assert.equal(server.sockets[0]?.getsockname(), file);
    assert.equal(statSync(file).isSocket(), true);
    const [transport, client] = yield* on(net().createUnixConnection(() => new Recorder(), file));
    transport.write(Buffer.from('local'));
    yield* settled(1, protocols);
    yield* on((protocols[0] as Recorder).got(5));
    transport.close();
    yield* on(client.lost);
    yield* on((protocols[0] as Recorder).lost);
    server.close();
    yield* on(server.waitClosed());
    assert.equal(existsSync(file), false);
  });

  ioTest('P49: a file that is another’s by now stays; cleanupSocket false leaves its own', function* () {
    const file = newPath();
    const server = yield* on(net().createUnixServer(() => new Recorder(), file));
    const other = `${file}.other`;
    const successor = yield* on(
      net().createUnixServer(() => new Recorder(), other, { cleanupSocket: false }),
    );
    renameSync(other, file);
    const { ino } = statSync(file);
    server.close();
    assert.equal(statSync(file).ino, ino);
    const [transport, client] = yield* on(net().createUnixConnection(() => new Recorder(), file));
    transport.close();
    yield* on(client.lost);
    successor.close();
    assert.equal(statSync(file).ino, ino);
    yield* on(successor.waitClosed());
    // Nobody listens there any more: the next server takes the place.
    const third = yield* on(net().createUnixServer(() => new Recorder(), file));
    third.close();
    assert.equal(existsSync(file), false);
  });

  ioTest('a file that is gone, one that is no socket, a directory that is not there', function* () {
    const file = newPath();
    const server = yield* on(net().createUnixServer(() => new Recorder(), file));
    rmSync(file);
    server.close();
    writeFileSync(file, 'precious');
    const error = yield* thrownBy(net().createUnixServer(() => new Recorder(), file));
    assert.equal(error, `Error: Address '${file}' is already in use`);
    assert.equal(statSync(file).isFile(), true);
    assert.match(
      yield* thrownBy(net().createUnixServer(() => new Recorder(), `${directory}/none/x`)),
      /ENOTDIR|EACCES|ENOENT/,
    );
  });

  ioTest('abstract names', function* () {
    const name = `\0asyncio-ts-${process.pid}-${files++}`;
    const server = yield* on(net().createUnixServer(() => new Recorder(), name));
    const [transport, client] = yield* on(net().createUnixConnection(() => new Recorder(), name));
    transport.close();
    yield* on(client.lost);
    server.closeClients();
    server.close();
    yield* on(server.waitClosed());
  });
});

test('createUnixServer: a folder that is not there', async () => {
  await run(async () => {
    const nowhere = path.join(directory, 'nowhere', 's');
    const error = await Promise.resolve(net().createUnixServer(() => new Recorder(), nowhere)).catch(
      (error) => error,
    );
    assert.equal(error.code, 'ENOENT');
    assert.match(error.message, /^listen ENOENT: no such folder, for the socket '/);
  });
});

describe('what outlives its loop', () => {
  for (const Loop of ['EventLoop', 'VirtualEventLoop']) {
    test(`connections and servers that a run leaves open are closed with the loop (${Loop})`, async () => {
      const program = `
        import { connect } from 'node:net';
        const { EventLoop } = asyncio;
        await asyncio.run(async () => {
          const loop = asyncio.getRunningLoop();
          const server = await loop.createServer(() => new asyncio.Protocol(), '127.0.0.1', 0);
          const port = server.sockets[0].getsockname()[1];
          await loop.createConnection(() => new asyncio.Protocol(), '127.0.0.1', port);
          await asyncio.sleep(0.01);
          console.log('end of main');
        }, { loopFactory: () => new ${Loop}() });
        console.log('end of run');`;
      const { code, stdout, stderr } = await runProgram(program);
      assert.deepEqual(
        { code, stdout, stderr },
        { code: 0, stdout: 'end of main\nend of run\n', stderr: '' },
      );
    });
  }

  test('so is what is still being made', async () => {
    const program = `
      import { connect, createServer } from 'node:net';
      const { EventLoop, Protocol, startServer } = asyncio;
      const silent = createServer().listen(0, '127.0.0.1').unref();
      silent.on('connection', (socket) => socket.on('error', () => {}).unref());
      const makers = {
        connection: (loop) => loop.createConnection(() => new Protocol(), '192.0.2.1', 9),
        handshake: (loop) =>
          loop.createConnection(() => new Protocol(), '127.0.0.1', silent.address().port, { ssl: true }),
        server: (loop) => loop.createServer(() => new Protocol(), ['127.0.0.1', '127.0.0.2'], 0),
        unix: (loop) => loop.createUnixServer(() => new Protocol(), '${newPath()}'),
        datagrams: (loop) => loop.createDatagramEndpoint(() => new asyncio.DatagramProtocol(), ['127.0.0.1', 0]),
      };
      asyncio.setLogger({ debug() {}, info() {}, warning() {}, error() {} });
      for (const [name, make] of Object.entries(makers)) {
        for (let turns = 1; turns < 12; turns++) {
          const loop = new EventLoop();
          await loop.runUntilComplete((function* () {
            loop.createTask(make(loop));
            for (let i = 0; i < turns; i++) yield* asyncio.sleep(0);
            if (turns > 10) yield* asyncio.sleep(0.02);
          })());
          loop.close();
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
        const left = process.getActiveResourcesInfo().filter((each) => /ServerWrap|TCPSocket|TCPConnect|UDP/.test(each));
        console.log(name, left.join());
      }`;
    const { code, stdout } = await runProgram(program);
    const names = ['connection', 'handshake', 'server', 'unix', 'datagrams'];
    assert.deepEqual({ code, stdout }, { code: 0, stdout: names.map((name) => `${name} \n`).join('') });
  });

  test('an echo server in virtual time: time stands still while a connection is busy', {
    timeout: 60_000,
  }, async () => {
    await run(
      async () => {
        const loop = net();
        class Echo extends Protocol {
          #transport: Transport | null = null;
          override connectionMade(transport: Transport): void {
            this.#transport = transport;
          }
          override dataReceived(data: Buffer): void {
            this.#transport?.write(data);
          }
        }
        const server = await loop.createServer(() => new Echo(), '127.0.0.1', 0);
        const before = loop.time();
        const [transport, client] = await loop.createConnection(
          () => new Recorder(),
          '127.0.0.1',
          portOf(server),
        );
        transport.write(Buffer.from('echo'));
        await waitFor(client.got(4), 0.5);
        assert.equal(loop.time(), before);
        transport.close();
        server.close();
        await server.waitClosed();
        await client.lost;
      },
      { loopFactory: () => new VirtualEventLoop() },
    );
  });
});

test('P50, H36, F9: without descriptors the server neither spins nor dies', { timeout: 60_000 }, async () => {
  // Node's accept drops what it has no descriptor for, without a word: what has to hold is that it goes on.
  const program = `
    import * as asyncio from 'asyncio-ts';
    let reports = 0, made = 0;
    const open = new Set();
    class Held extends asyncio.Protocol {
      connectionMade(transport) { made++; open.add(transport); }
      connectionLost() {}
    }
    await asyncio.run(async () => {
      const loop = asyncio.getRunningLoop();
      loop.setExceptionHandler((_, context) => { reports++; console.error(context.message); });
      const server = await loop.createServer(() => new Held(), '127.0.0.1', 0);
      console.log(server.sockets[0].getsockname()[1]);
      await new Promise((resolve) => process.stdin.once('data', resolve));
      const usage = process.cpuUsage();
      await asyncio.sleep(0.5);
      const busy = process.cpuUsage(usage).user / 1e6;
      const first = made;
      for (const transport of open) transport.abort();
      await asyncio.sleep(0.1);
      console.log('free');
      await new Promise((resolve) => process.stdin.once('data', resolve));
      await asyncio.sleep(0.2);
      console.log(JSON.stringify({ first, later: made - first, reports, isIdle: busy < 0.25 }));
      server.abortClients();
      server.close();
      await server.waitClosed();
      process.stdin.destroy();
    }, { loopFactory: () => new asyncio.EventLoop() });`;
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const command = 'ulimit -n 64; exec "$0" --input-type=module --eval "$1"';
  const child = spawn('bash', ['-c', command, process.execPath, program], {
    cwd: root,
    env,
    timeout: 60_000,
  });
  let output = '';
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const printed = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(output);
        if (found !== null) resolve(found[1] ?? '');
      };
      child.stdout.on('data', look);
      child.once('close', () => reject(new Error(`ended: ${output}\n${errors}`)));
      look();
    });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const port = Number(await printed(/^(\d+)\n/));
  const storm = Array.from({ length: 120 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  await new Promise((resolve) => setTimeout(resolve, 200));
  child.stdin.write('go\n');
  await printed(/free()/);
  for (const socket of storm) socket.destroy();
  const later = Array.from({ length: 5 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.stdin.write('go\n');
  const result = JSON.parse(await printed(/(\{.*\})/)) as Record<string, number>;
  for (const socket of later) socket.destroy();
  await new Promise((resolve) => child.once('close', resolve));
  assert.ok((result['first'] as number) > 10, output);
  assert.equal(result['later'], 5);
  assert.equal(result['isIdle'], true);
  assert.ok((result['reports'] as number) <= 1);
});
