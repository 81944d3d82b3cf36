/** Faults of networks and hosts, each made for real: by a raw peer, a signal, a limit of the system. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import {
  BufferedProtocol,
  type ExceptionContext,
  IncompleteReadError,
  openConnection,
  run,
  PIPE,
  createSubprocessExec,
  type Server,
  sleep,
  startServer,
  type StreamReader,
  type StreamWriter,
  type Task,
  type Transport,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { cert, key } from '../http/certificate.ts';
import { runProgram } from '../support/programs.ts';
import { root } from '../support/project.ts';
import { on, type Steps, thrownBy } from '../support/styles.ts';
import {
  connectRaw,
  descriptors,
  untilDescriptors,
  drain,
  from,
  ioTest,
  listenRaw,
  net,
  pair,
  RawPeer,
  Recorder,
} from './peers.ts';

const MEGABYTE = 1024 * 1024;
const HOST = '127.0.0.1';
const ssl = { key, cert };
const trust = { ca: cert };
const portOf = (server: Server): number => server.sockets[0]?.getsockname()[1] as number;

/** A length of four bytes, and as many bytes. */
const frame = Buffer.from('\0\0\0\x08payload\n');

function* readFrame(reader: StreamReader): Steps<Buffer> {
  const head = yield* on(reader.readexactly(4));
  return yield* on(reader.readexactly(head.readUInt32BE()));
}

/** What ended a read: the code of the error, or which bytes of how many came. */
function* endOf(reading: () => Steps<unknown>): Steps<string> {
  try {
    yield* reading();
    return 'nothing';
  } catch (error) {
    if (error instanceof IncompleteReadError) return `${error.partial.length} of ${error.expected}`;
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Both ends of a connection: ours, which has connected or accepted, and the raw one. */
function* streams(role: 'client' | 'server'): Steps<{
  reader: StreamReader;
  writer: StreamWriter;
  socket: Socket;
  end(): Steps<void>;
}> {
  if (role === 'client') {
    const peer = yield* from(listenRaw());
    const [reader, writer] = yield* on(openConnection(HOST, peer.port));
    const socket = yield* from(peer.accepted());
    return { reader, writer, socket, end: () => from(peer[Symbol.asyncDispose]()) };
  }
  const accepted = net().createFuture<[StreamReader, StreamWriter]>();
  const server = yield* on(startServer((...both) => accepted.setResult(both), HOST, 0));
  const socket = yield* from(connectRaw(portOf(server)));
  const [reader, writer] = yield* on(accepted);
  return {
    reader,
    writer,
    socket,
    *end() {
      socket.destroy();
      server.close();
      yield* on(server.waitClosed());
    },
  };
}

for (const role of ['client', 'server'] as const) {
  describe(`a frame that is cut, read by a ${role}`, () => {
    ioTest('F1, P42: by a reset after each of its bytes', function* (style) {
      for (let offset = 0; offset < frame.length; offset++) {
        const { reader, writer, socket, end } = yield* streams(role);
        socket.write(Buffer.concat([frame, frame.subarray(0, offset)]));
        assert.equal(String(yield* readFrame(reader)), 'payload\n');
        const reading = style.task(() => endOf(() => readFrame(reader)));
        yield* on(sleep(0.001));
        socket.resetAndDestroy();
        assert.equal(yield* on(reading), 'ECONNRESET', `after ${offset}`);
        assert.equal(yield* endOf(() => on(writer.drain())), 'ECONNRESET');
        writer.close();
        assert.equal(yield* endOf(() => on(writer.waitClosed())), 'ECONNRESET');
        yield* end();
      }
    });

    ioTest('F2, P42: by the end after each of its bytes', function* () {
      for (let offset = 0; offset < frame.length; offset++) {
        const { reader, writer, socket, end } = yield* streams(role);
        socket.end(Buffer.concat([frame, frame.subarray(0, offset)]));
        assert.equal(String(yield* readFrame(reader)), 'payload\n');
        const expected = offset < 4 ? `${offset} of 4` : `${offset - 4} of 8`;
        assert.equal(yield* endOf(() => readFrame(reader)), expected);
        // The other direction is open.
        writer.write(frame);
        writer.close();
        assert.equal(yield* from(drain(socket)), frame.toString('latin1'));
        yield* on(writer.waitClosed());
        yield* end();
      }
    });

    ioTest('F5: into bytes that come one by one', function* (style) {
      const { reader, writer, socket, end } = yield* streams(role);
      socket.setNoDelay(true);
      const reading = style.task(function* () {
        for (let i = 0; i < 3; i++) assert.equal(String(yield* readFrame(reader)), 'payload\n');
        assert.equal(String(yield* on(reader.readuntil('\r\n\r\n'))), 'a\r\n\r\r\n\r\n');
        assert.equal(String(yield* on(reader.read())), 'rest');
      });
      for (const byte of Buffer.concat([frame, frame, frame, Buffer.from('a\r\n\r\r\n\r\nrest')])) {
        yield* from(new Promise((resolve) => socket.write(Uint8Array.of(byte), resolve)));
        yield* on(sleep(0));
      }
      socket.end();
      yield* on(reading);
      writer.close();
      yield* on(writer.waitClosed());
      yield* end();
    });
  });
}

/** Forwards to `port` and back, but of what comes back `limit` bytes only; then it resets or ends. */
function cutter(port: number, limit: number, how: 'reset' | 'end'): Promise<RawPeer> {
  return listenRaw((near) => {
    const far = connect(port, HOST);
    far.on('error', () => {});
    near.pipe(far);
    near.on('close', () => far.destroy());
    let left = limit;
    const cut = (): void => {
      far.destroy();
      if (how === 'reset') near.resetAndDestroy();
      else near.end();
    };
    far.on('data', (data) => {
      near.write(data.subarray(0, left));
      left -= data.length;
      if (left <= 0) cut();
    });
    if (limit === 0) cut();
  });
}

describe('an encrypted connection that is cut', () => {
  for (const how of ['reset', 'end'] as const) {
    ioTest(
      `F1, F2: by the ${how} after some bytes of handshake and data, by an error that comes at once`,
      function* () {
        // What it sends before its frame: more than 500 bytes, of which a signature takes now one more, now one less.
        const server = createTlsServer({ ...ssl, maxVersion: 'TLSv1.2' }, (socket) => {
          socket.on('error', () => {});
          socket.end(frame);
        });
        yield* from(new Promise<void>((resolve) => server.listen(0, HOST, resolve)));
        const { port } = server.address() as { port: number };
        const before = descriptors();
        let read = 0;
        for (let limit = 0; limit < 1400; limit += limit < 8 ? 1 : 41) {
          const peer = yield* from(cutter(port, limit, how));
          const end = yield* endOf(function* () {
            const [reader, writer] = yield* on(openConnection(HOST, peer.port, { ssl: trust }));
            try {
              yield* readFrame(reader);
              read++;
            } finally {
              writer.close();
              yield* thrownBy(writer.waitClosed());
            }
          });
          assert.match(end, /^(nothing|ECONNRESET|EPIPE|\d of \d)$/, `after ${limit}`);
          yield* from(peer[Symbol.asyncDispose]());
        }
        // All of it is there at the last of them.
        assert.ok(read > 0 && read < 30, String(read));
        yield* untilDescriptors(before);
        server.close();
      },
    );
  }

  for (const how of ['reset', 'end'] as const) {
    ioTest(
      `F1, F2: a server whose clients are lost by the ${how} lives on, and tells of nothing`,
      function* () {
        const contexts: ExceptionContext[] = [];
        net().setExceptionHandler((_loop, context) => void contexts.push(context));
        const server = yield* on(
          startServer(
            async (reader, writer) => {
              try {
                writer.write(await reader.readexactly(frame.length));
                await writer.drain();
              } catch (error) {
                assert.ok(
                  error instanceof IncompleteReadError || /ECONNRESET|EPIPE/.test(String(error)),
                  String(error),
                );
              }
              writer.close();
            },
            HOST,
            0,
            { ssl },
          ),
        );
        const before = descriptors();
        for (let limit = 0; limit < 1400; limit += limit < 8 ? 1 : 41) {
          const peer = yield* from(cutter(portOf(server), limit, how));
          const client = tlsConnect({ port: peer.port, host: HOST, ca: cert });
          client.on('error', () => {}).resume();
          client.write(frame);
          yield* from(new Promise((resolve) => client.once('close', resolve)));
          yield* from(peer[Symbol.asyncDispose]());
        }
        const [reader, writer] = yield* on(openConnection(HOST, portOf(server), { ssl: trust }));
        writer.write(frame);
        assert.equal(String(yield* readFrame(reader)), 'payload\n');
        writer.close();
        yield* on(writer.waitClosed());
        server.close();
        yield* on(waitFor(server.waitClosed(), 5));
        assert.deepEqual(contexts, []);
        assert.ok(descriptors() <= before);
      },
    );
  }

  ioTest('H45: by an end without a farewell: what came is there, then the end', function* () {
    const server = createTlsServer(ssl, (socket) => {
      socket.on('error', () => {});
      socket.write('all of it');
    });
    yield* from(new Promise<void>((resolve) => server.listen(0, HOST, resolve)));
    const peer = yield* from(cutter((server.address() as { port: number }).port, Infinity, 'end'));
    const [reader, writer] = yield* on(openConnection(HOST, peer.port, { ssl: trust }));
    assert.equal(String(yield* on(reader.readexactly(9))), 'all of it');
    // The end of TCP, below TLS.
    peer.sockets[0]?.end();
    assert.equal(String(yield* on(reader.read())), '');
    writer.close();
    yield* on(writer.waitClosed());
    yield* from(peer[Symbol.asyncDispose]());
    server.close();
  });

  ioTest('H46: pauseReading holds back what is decrypted already', function* () {
    class Sipper extends Recorder {
      override dataReceived(data: Buffer): void {
        assert.ok(this.transport.isReading());
        super.dataReceived(data);
        this.transport.pauseReading();
      }
    }
    const data = randomBytes(300_000);
    const server = createTlsServer(ssl, (socket) => {
      socket.on('error', () => {});
      socket.end(data);
    });
    yield* from(new Promise<void>((resolve) => server.listen(0, HOST, resolve)));
    const { port } = server.address() as { port: number };
    const [transport, protocol] = yield* on(
      net().createConnection(() => new Sipper(), HOST, port, { ssl: trust }),
    );
    while (!protocol.lost.done()) {
      if (!transport.isReading()) {
        const { length } = protocol.data;
        yield* on(sleep(0.002));
        assert.equal(protocol.data.length, length);
        transport.resumeReading();
      }
      yield* on(sleep(0));
    }
    assert.ok(protocol.data.equals(data));
    assert.deepEqual(protocol.events.slice(-2), ['eof', 'lost']);
    server.close();
  });

  ioTest('H49: all bytes get into the buffers of a BufferedProtocol, of any size', function* () {
    const data = randomBytes(2 * MEGABYTE);
    class Hashed extends BufferedProtocol {
      readonly hash = createHash('sha256');
      readonly lost = net().createFuture<string>();
      size = 1;
      buffer = new Uint8Array(0);
      override getBuffer(): Uint8Array {
        this.size = (this.size * 7 + 1) % 70_001;
        this.buffer = new Uint8Array(this.size + 1);
        return this.buffer;
      }
      override bufferUpdated(count: number): void {
        this.hash.update(this.buffer.subarray(0, count));
      }
      override connectionLost(): void {
        this.lost.setResult(this.hash.digest('hex'));
      }
    }
    const server = createTlsServer(ssl, (socket) => {
      socket.on('error', () => {});
      socket.end(data);
    });
    yield* from(new Promise<void>((resolve) => server.listen(0, HOST, resolve)));
    const { port } = server.address() as { port: number };
    const [, protocol] = yield* on(net().createConnection(() => new Hashed(), HOST, port, { ssl: trust }));
    assert.equal(yield* on(protocol.lost), createHash('sha256').update(data).digest('hex'));
    server.close();
  });
});

describe('whoever waits when a connection is lost', () => {
  const waiters: Record<string, (reader: StreamReader, writer: StreamWriter) => PromiseLike<unknown>> = {
    'read()': (reader) => reader.read(),
    'read(9)': (reader) => reader.read(9),
    'readline()': (reader) => reader.readline(),
    'readuntil()': (reader) => reader.readuntil('\n\n'),
    'readexactly(9)': (reader) => reader.readexactly(9),
    'drain()': (_reader, writer) => {
      writer.write(Buffer.alloc(16 * MEGABYTE));
      return writer.drain();
    },
    'waitClosed()': (_reader, writer) => writer.waitClosed(),
  };
  const losses: Record<string, (writer: StreamWriter, socket: Socket) => void> = {
    reset: (_writer, socket) => socket.resetAndDestroy(),
    abort: (writer) => (writer.transport as Transport).abort(),
    close: (writer, socket) => {
      writer.close();
      socket.resume().end();
    },
    end: (writer, socket) => {
      socket.resume().end();
      setTimeout(() => writer.close(), 5);
    },
  };
  for (const [loss, lose] of Object.entries(losses)) {
    for (const [name, wait] of Object.entries(waiters)) {
      ioTest(`H30, P45: ${name} ends by ${loss}`, function* (style) {
        for (const role of ['client', 'server'] as const) {
          const { reader, writer, socket, end } = yield* streams(role);
          const waiting = style.task(() => endOf(() => on(wait(reader, writer))));
          const closed = style.task(() => endOf(() => on(writer.waitClosed())));
          yield* on(sleep(0.002));
          assert.equal(waiting.done(), false);
          lose(writer, socket);
          const outcome = yield* on(waitFor(waiting, 5));
          if (loss === 'reset') assert.match(outcome, /^(ECONNRESET|EPIPE)$/);
          else if (name === 'readuntil()') assert.equal(outcome, '0 of null');
          else if (name === 'readexactly(9)') assert.equal(outcome, '0 of 9');
          else assert.equal(outcome, 'nothing');
          assert.match(
            yield* on(waitFor(closed, 5)),
            loss === 'reset' ? /^(ECONNRESET|EPIPE)$/ : /^nothing$/,
          );
          // Whoever comes later does not wait either.
          const later = yield* on(
            waitFor(
              style.task(() => endOf(() => on(wait(reader, writer)))),
              5,
            ),
          );
          assert.equal(typeof later, 'string');
          yield* end();
        }
      });
    }
  }

  ioTest('H32: a protocol that does not read hears by its writes that the peer is gone', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    transport.pauseReading();
    socket.destroy();
    yield* on(sleep(0.01));
    assert.deepEqual(protocol.events, ['made']);
    for (let i = 0; i < 500 && !protocol.lost.done(); i++) {
      transport.write(Buffer.from('x'));
      yield* on(sleep(0.001));
    }
    assert.ok(protocol.lost.done());
    assert.match(protocol.events.at(-1) ?? '', /^lost: (EPIPE|ECONNRESET)$/);
    yield* from(peer[Symbol.asyncDispose]());
  });
});

describe('a peer that has vanished', () => {
  // Its process is stopped: the system still takes some bytes for it, and nothing comes back.
  const silent = `
    require('net').createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1', function () {
      console.log(this.address().port);
    });`;

  ioTest('F3: leaves every wait to a timeout, and abort ends the connection', function* (style) {
    const child = yield* on(createSubprocessExec(process.execPath, ['-e', silent], { stdout: PIPE }));
    const port = Number(String(yield* on(child.stdout!.readline())));
    const [reader, writer] = yield* on(openConnection(HOST, port));
    writer.write(Buffer.from('here?\n'));
    assert.equal(String(yield* on(reader.readline())), 'here?\n');
    child.sendSignal('SIGSTOP');
    writer.write(Buffer.from('and now?\n'));
    assert.match(yield* thrownBy(waitFor(reader.readline(), 0.05)), /^TimeoutError/);
    writer.write(Buffer.alloc(32 * MEGABYTE));
    assert.match(yield* thrownBy(waitFor(writer.drain(), 0.05)), /^TimeoutError/);
    writer.close();
    const closed: Task<unknown>[] = [1, 2].map(() => style.task(() => on(writer.waitClosed())));
    assert.match(yield* thrownBy(waitFor(closed[0] as Task<unknown>, 0.05)), /^TimeoutError/);
    (writer.transport as Transport).abort();
    yield* on(closed[1] as Task<unknown>);
    assert.equal(String(yield* on(reader.read())), '');
    // It still accepts, since the system does; the handshake is nobody's.
    const handshake = openConnection(HOST, port, { ssl: trust, sslHandshakeTimeout: 0.05 });
    assert.match(yield* thrownBy(handshake), /taking longer than 0.05 seconds/);
    child.kill();
    assert.equal(yield* on(child.wait()), -9);
  });
});

test('F3: keepAlive has the system ask whether the peer is there', { timeout: 60_000 }, async () => {
  await run(async () => {
    for (const keepAlive of [true, false]) {
      const accepted = net().createFuture<void>();
      const server = await startServer(() => accepted.setResult(), HOST, 0, { keepAlive });
      const [, writer] = await openConnection(HOST, portOf(server));
      await accepted;
      // The connections of the system: addresses, state (1: there), queues, the timer that runs (2: that of keepAlive).
      const port = portOf(server).toString(16).toUpperCase().padStart(4, '0');
      const ours = new RegExp(`\\d: \\w+:${port} \\S+ 01 \\S+ (\\d\\d):`).exec(
        readFileSync('/proc/net/tcp', 'latin1'),
      );
      assert.equal(ours?.[1], keepAlive ? '02' : '00');
      writer.close();
      await writer.waitClosed();
      server.close();
      server.closeClients();
      await server.waitClosed();
    }
  });
});

describe('a slow peer', () => {
  const GIGABYTE = 1024 * MEGABYTE;
  /** Of a program: looks at its memory from time to time. */
  const gauge = `
    const resident = [], held = [];
    function gauge() {
      gc();
      gc(); // The buffers of the first are freed meanwhile.
      const { rss, arrayBuffers } = process.memoryUsage();
      resident.push(rss);
      held.push(arrayBuffers);
    }
    // The middle ones of the beginning and of the end, since what the system has given is taken back late.
    const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
    function grown() {
      const quarter = Math.floor(resident.length / 4);
      const growth = median(resident.slice(-quarter)) - median(resident.slice(0, quarter));
      console.log('MiB', Math.ceil(Math.max(growth, ...held) / 2 ** 20));
    }`;

  async function growth(peer: RawPeer, body: string): Promise<number> {
    const program = `${gauge}
      await asyncio.run(async () => {
        const [reader, writer] = await asyncio.openConnection('${HOST}', ${peer.port});
        ${body}
        writer.close();
        await writer.waitClosed();
      });
      grown();`;
    const { stdout, stderr } = await runProgram(program, { flags: ['--expose-gc'] });
    assert.match(stdout, /^MiB \d+\n$/, stdout + stderr);
    return Number(stdout.slice(4));
  }

  test('P40, F4: reads a gigabyte, and less than 8 MiB of memory are taken', {
    timeout: 60_000,
  }, async () => {
    const chunk = Buffer.alloc(MEGABYTE);
    await using peer = await listenRaw((socket) => {
      let left = GIGABYTE;
      const pump = (): void => {
        for (; left > 0; left -= chunk.length) {
          if (socket.write(chunk)) continue;
          left -= chunk.length;
          socket.once('drain', pump);
          return;
        }
        socket.end();
      };
      pump();
    });
    const grown = await growth(
      peer,
      `let size = 0;
      for (let i = 1; ; i++) {
        const { length } = await reader.read(65536);
        if (length === 0) break;
        size += length;
        if (i % 256 === 0) {
          await asyncio.sleep(0.001);
          if (size > 2 ** 28) gauge();
        }
      }
      if (size !== ${GIGABYTE}) throw new Error(String(size));`,
    );
    assert.ok(grown < 8, `${grown} MiB`);
  });

  test('P40, F4: is written a gigabyte, and less than 8 MiB of memory are taken', {
    timeout: 60_000,
  }, async () => {
    let size = 0;
    await using peer = await listenRaw((socket) => {
      let next = 16 * MEGABYTE;
      socket.on('data', (data) => {
        size += data.length;
        if (size < next) return;
        next += 16 * MEGABYTE;
        socket.pause();
        setTimeout(() => socket.resume(), 2);
      });
      socket.on('end', () => socket.end());
      socket.resume();
    });
    const grown = await growth(
      peer,
      `for (let i = 1; i <= ${GIGABYTE / 65_536}; i++) {
        writer.write(Buffer.alloc(65536));
        await writer.drain();
        if (i % 256 === 0 && i > 4096) gauge();
      }`,
    );
    assert.equal(size, GIGABYTE);
    assert.ok(grown < 8, `${grown} MiB`);
  });
});

/** Run a program of the library under a limit of the shell; what it prints. */
async function runUnder(limit: string, code: string): Promise<string> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const program = `import * as asyncio from 'asyncio-ts';${code}`;
  const command = `ulimit ${limit}; exec "$0" --input-type=module --eval "$1"`;
  const child = spawn('bash', ['-c', command, process.execPath, program], {
    cwd: root,
    env,
    timeout: 60_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await once(child, 'close');
  return output;
}

describe('a system that refuses', () => {
  test('F9: a descriptor, to who connects, listens or opens; later it goes on', async () => {
    const output = await runUnder(
      '-n 64',
      `
      import { closeSync, openSync, readdirSync } from 'node:fs';
      import { open } from 'asyncio-ts/files';
      const text = async (fn) => { try { return await fn(); } catch (error) { return error.code; } };
      await asyncio.run(async () => {
        const hello = (reader, writer) => { writer.write(Buffer.from('hello')); writer.close(); };
        const server = await asyncio.startServer(hello, '127.0.0.1', 0);
        const port = server.sockets[0].getsockname()[1];
        const talk = async () => {
          const [reader, writer] = await asyncio.openConnection('127.0.0.1', port);
          try { return String(await reader.read()); } finally { writer.close(); await writer.waitClosed(); }
        };
        const look = async () => { const file = await open('/dev/null'); await file.close(); return 'opened'; };
        const listen = async () => {
          const other = await asyncio.startServer(hello, '127.0.0.1', 0);
          other.close();
          await other.waitClosed();
          return 'listened';
        };
        const all = async () => console.log(await text(talk), await text(look), await text(listen));
        await all();
        const held = [];
        try { for (;;) held.push(openSync('/dev/null', 'r')); } catch {}
        await all();
        await all();
        for (const fd of held) closeSync(fd);
        await all();
        server.close();
        await server.waitClosed();
      });`,
    );
    assert.equal(
      output,
      'hello opened listened\nEMFILE EMFILE EMFILE\nEMFILE EMFILE EMFILE\nhello opened listened\n',
    );
  });

  test('F11: a process, to who starts one; nothing is left', async () => {
    const { stdout, stderr } = await runProgram(`
      import { spawnSync } from 'node:child_process';
      import { readdirSync } from 'node:fs';
      const { PIPE, STDOUT } = asyncio;
      await asyncio.run(async () => {
        await (await asyncio.createSubprocessExec('true')).wait();
        const { status } = spawnSync('prlimit', ['--nproc=1', '--pid', String(process.pid)], { stdio: 'inherit' });
        if (status !== 0) throw new Error('no prlimit');
        // The limit is none for root.
        if (process.getuid() === 0) process.setuid(65534);
        const count = () => readdirSync('/proc/self/fd').length;
        const before = count();
        const codes = new Set();
        for (let i = 0; i < 50; i++) {
          for (const stderr of [PIPE, STDOUT]) {
            try {
              await asyncio.createSubprocessExec('true', [], { stdin: PIPE, stdout: PIPE, stderr });
              codes.add('started');
            } catch (error) { codes.add(error.code); }
          }
        }
        await asyncio.sleep(0.05);
        console.log([...codes].join(), count() - before <= 1);
      });`);
    assert.equal(stderr + stdout, 'EAGAIN true\n');
  });

  test('F10: a Unix socket where nobody may write, or where there is no folder, or with too long a name', async () => {
    const { stdout, stderr } = await runProgram(`
      import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
      import { tmpdir } from 'node:os';
      import path from 'node:path';
      const folder = mkdtempSync(path.join(tmpdir(), 'asyncio-ts-'));
      chmodSync(folder, 0o555);
      // Root may write everywhere.
      const isRoot = process.getuid() === 0;
      if (isRoot) process.seteuid(65534);
      await asyncio.run(async () => {
        for (const file of [path.join(folder, 'a.sock'), path.join(folder, 'none/a.sock'), '/tmp/' + 'x'.repeat(200)]) {
          try {
            await asyncio.startUnixServer(() => {}, file);
            console.log('listens');
          } catch (error) { console.log(error.code); }
          try {
            await asyncio.openUnixConnection(file);
            console.log('connected');
          } catch (error) { console.log(error.code); }
        }
      });
      if (isRoot) process.seteuid(0);
      rmSync(folder, { recursive: true });`);
    assert.equal(stderr, '');
    assert.match(
      stdout,
      /^EACCES\nENOENT\nEACCES|ENOENT\nENOENT\n(EINVAL|ENAMETOOLONG)\n(EINVAL|ENAMETOOLONG)\n$/,
    );
  });
});

describe('a program that is stopped for a while', () => {
  test('F17: fires each timer once, in order, none in a burst; its connections live on', async () => {
    let client: Socket | null = null;
    const { stdout, stderr } = await runProgram(
      `
      await asyncio.run(async () => {
        const loop = asyncio.getRunningLoop();
        const served = loop.createFuture();
        const server = await asyncio.startServer(async (reader, writer) => {
          writer.write(await reader.readline());
          writer.close();
          await writer.waitClosed();
          served.setResult();
        }, '127.0.0.1', 0);
        const order = [];
        // All are due while it is stopped, made in another order than they are due in.
        const base = loop.time() + 0.05;
        for (let i = 0; i < 500; i++) {
          const place = (i * 7) % 500;
          loop.callAt(base + place * 0.001, () => order.push(place));
        }
        const gaps = [];
        const beat = asyncio.createTask(async () => {
          for (let last = loop.time(); ; ) {
            await asyncio.sleep(0.02);
            const now = loop.time();
            gaps.push(now - last);
            last = now;
          }
        });
        while (gaps.length < 2) await asyncio.sleep(0);
        process.stdout.write(server.sockets[0].getsockname()[1] + '\\n');
        await served;
        // Until the beat has seen how long it was stopped.
        while (order.length < 500 || gaps.every((gap) => gap < 0.5)) await asyncio.sleep(0.02);
        beat.cancel();
        console.log(order.every((place, i) => place === i), Math.min(...gaps) > 0.019);
        server.close();
        await server.waitClosed();
      });`,
      {
        onOutput: (output, child) => {
          if (!/^\d+\n$/.test(output)) return;
          child.kill('SIGSTOP');
          const socket = connect(Number(output), HOST);
          socket.write('still there?\n');
          setTimeout(() => child.kill('SIGCONT'), 800);
          client = socket;
        },
      },
    );
    assert.equal(stderr, '');
    assert.equal(await drain(client as unknown as Socket), 'still there?\n');
    assert.equal(stdout.split('\n')[1], 'true true');
  });
});

describe('SIGTERM under load', () => {
  test('P63: what is being answered is answered in full, what comes later is refused', {
    timeout: 60_000,
  }, async () => {
    const texts: string[] = [];
    const clients: Promise<void>[] = [];
    let port = 0;
    async function client(n: number): Promise<void> {
      const socket = connect(port, HOST);
      socket.on('error', () => {});
      socket.write(`${n}\n`);
      let text = '';
      socket.setEncoding('latin1').on('data', (data: string) => {
        text += data;
        if (text.endsWith('>')) socket.write(`${n}\n`);
      });
      // By a reset, too: when the next request had come already.
      await new Promise((resolve) => socket.once('close', resolve));
      texts.push(text);
    }
    const { stdout, stderr, code } = await runProgram(
      `
      // Who waits for a request may be ended at any time; who answers one may not.
      const idle = new Set();
      let isEnding = false, answers = 0;
      async function serve(reader, writer) {
        const task = asyncio.currentTask();
        try {
          while (!isEnding) {
            idle.add(task);
            const line = await reader.readline();
            idle.delete(task);
            if (line.length === 0) break;
            const text = line.toString().trim();
            writer.write(Buffer.from('<' + text));
            await writer.drain();
            await asyncio.sleep(0.005);
            writer.write(Buffer.from(text + '>'));
            await writer.drain();
            if (++answers === 300) console.log('busy');
          }
        } finally {
          idle.delete(task);
          writer.close();
        }
        await writer.waitClosed();
      }
      await asyncio.run(async () => {
        const server = await asyncio.startServer(serve, '127.0.0.1', 0);
        console.log(server.sockets[0].getsockname()[1]);
        try {
          await asyncio.getRunningLoop().createFuture();
        } finally {
          isEnding = true;
          server.close();
          for (const task of idle) task.cancel();
          await asyncio.waitFor(server.waitClosed(), 5);
          console.log('closed');
        }
      }, { handleSigterm: true });`,
      {
        onOutput: (output, child) => {
          if (port === 0) {
            port = Number(output);
            for (let n = 10; n < 40; n++) clients.push(client(n));
          } else if (output.endsWith('busy\n')) {
            child.kill('SIGTERM');
          }
        },
      },
    );
    await Promise.all(clients);
    assert.deepEqual([stdout.split('\n').slice(1).join(' '), code], ['busy closed ', 143], stderr);
    assert.equal(texts.length, 30);
    for (const text of texts) assert.match(text, /^(<(\d\d)\2>)+$/);
    const [refused] = (await once(connect(port, HOST), 'error')) as [NodeJS.ErrnoException];
    assert.equal(refused.code, 'ECONNREFUSED');
  });
});
