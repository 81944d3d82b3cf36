import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe } from 'node:test';
import { createTask, sleep } from 'asyncio-ts';
import { cert, key } from '../http/certificate.ts';
import '../support/leaks.ts';
import { on, type Steps, thrownBy, turns } from '../support/styles.ts';
import { descriptors, drain, from, ioTest, net, pair, Recorder, unpair, untilDescriptors } from './peers.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'asyncio-test-'));
after(() => rmSync(directory, { recursive: true }));

const SIZE = 5_000_000;
const content = Buffer.from(Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
const file = path.join(directory, 'content');
writeFileSync(file, content);

/** All that a raw connection gets. */
function* bytesOf(socket: Socket): Steps<Buffer> {
  return Buffer.from(yield* from(drain(socket)), 'latin1');
}

function* withFile<T>(body: (handle: FileHandle) => Steps<T>): Steps<T> {
  const handle = yield* from(open(file));
  try {
    return yield* body(handle);
  } finally {
    yield* from(handle.close());
  }
}

describe('sendfile', () => {
  ioTest('a whole file, by its path, after what was written before', function* () {
    const { transport, socket, peer } = yield* pair();
    const before = descriptors();
    const arrived = drain(socket);
    transport.write(Buffer.from('head '));
    assert.equal(yield* on(net().sendfile(transport, file)), SIZE);
    transport.write(Buffer.from(' tail'));
    transport.close();
    assert.deepEqual(
      Buffer.from(yield* from(arrived), 'latin1'),
      Buffer.concat([Buffer.from('head '), content, Buffer.from(' tail')]),
    );
    assert.ok(descriptors() <= before);
    yield* unpair({ transport, peer });
  });

  ioTest('a part of a file that is open, which stays open', function* () {
    const { transport, socket, peer } = yield* pair();
    yield* withFile(function* (handle) {
      assert.equal(yield* on(net().sendfile(transport, handle, 1000, 200_000)), 200_000);
      assert.equal(yield* on(net().sendfile(transport, handle, SIZE - 10, 100)), 10);
      assert.equal(yield* on(net().sendfile(transport, handle, SIZE + 10)), 0);
      assert.equal((yield* from(handle.stat())).size, SIZE);
    });
    transport.close();
    const expected = [content.subarray(1000, 201_000), content.subarray(SIZE - 10)];
    assert.deepEqual(yield* bytesOf(socket), Buffer.concat(expected));
    yield* unpair({ transport, peer });
  });

  ioTest('over TLS, which asks for the fallback', function* () {
    const arrived: Recorder[] = [];
    const server = yield* on(
      net().createServer(
        () => {
          arrived.push(new Recorder());
          return arrived[0] as Recorder;
        },
        '127.0.0.1',
        0,
        { ssl: { key, cert } },
      ),
    );
    const [address] = server.sockets.map((socket) => socket.getsockname());
    const [, port] = address as [string, number];
    const [transport, protocol] = yield* on(
      net().createConnection(() => new Recorder(), 'localhost', port, { ssl: { ca: cert } }),
    );
    const refused = yield* thrownBy(net().sendfile(transport, file, 0, null, { fallback: false }));
    assert.match(refused, /^RuntimeError: fallback is disabled and native sendfile is not supported/);
    assert.equal(yield* on(net().sendfile(transport, file)), SIZE);
    transport.close();
    yield* on(protocol.lost);
    const there = arrived[0] as Recorder;
    yield* on(there.lost);
    assert.deepEqual(there.data, content);
    server.close();
    yield* on(server.waitClosed());
  });

  ioTest('a slow reader is waited for: the buffer stays small', function* () {
    const { transport, socket, peer } = yield* pair();
    const sending = createTask(() => net().sendfile(transport, file));
    const sizes: number[] = [];
    for (let i = 0; i < 20; i++) {
      yield* on(sleep(0.002));
      sizes.push(transport.getWriteBufferSize());
    }
    assert.equal(sending.done(), false);
    assert.ok(Math.max(...sizes) <= 256 * 1024, String(sizes));
    const arrived = drain(socket);
    assert.equal(yield* on(sending), SIZE);
    transport.close();
    assert.equal((yield* from(arrived)).length, SIZE);
    yield* unpair({ transport, peer });
  });

  ioTest('nothing is read while it goes on, and all of it afterwards', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    const sending = createTask(() => net().sendfile(transport, file));
    while (transport.isReading()) yield* on(sleep(0.001));
    socket.write('early');
    yield* on(sleep(0.02));
    assert.deepEqual(protocol.events, ['made']);
    assert.equal(transport.isReading(), false);
    const arrived = drain(socket);
    yield* on(sending);
    assert.equal(transport.getProtocol(), protocol);
    yield* on(protocol.got(5));
    assert.equal(protocol.text, 'early');
    transport.close();
    yield* from(arrived);
    yield* unpair({ transport, peer });
  });

  ioTest('a peer that goes away ends it, and the protocol hears of it', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    const before = descriptors();
    const sending = createTask(() => net().sendfile(transport, file));
    yield* on(sleep(0.01));
    socket.resetAndDestroy();
    assert.match(yield* thrownBy(sending), /ECONNRESET|EPIPE|Connection (is )?closed by peer/);
    yield* on(protocol.lost);
    while (descriptors() >= before) yield* on(sleep(0.001));
    yield* unpair({ transport, peer });
  });

  ioTest('nobody else writes meanwhile, nor sends another', function* (style) {
    const { transport, socket, peer } = yield* pair();
    const arrived = drain(socket);
    const text = /^RuntimeError: unable to write; sendfile is in progress$/;
    const sending = style.task(() => on(net().sendfile(transport, file)));
    yield* on(sleep(0));
    assert.throws(() => transport.write(Buffer.from('x')), text);
    assert.throws(() => transport.writelines([Buffer.from('x')]), text);
    assert.match(yield* thrownBy(net().sendfile(transport, file)), text);
    assert.equal(yield* on(sending), SIZE);
    assert.equal(yield* on(net().sendfile(transport, file, 0, 10)), 10);
    transport.write(Buffer.from(' tail'));
    transport.close();
    const expected = Buffer.concat([content, content.subarray(0, 10), Buffer.from(' tail')]);
    assert.deepEqual(Buffer.from(yield* from(arrived), 'latin1'), expected);
    yield* unpair({ transport, peer });
  });

  ioTest('a cancellation ends it, gives the protocol back and closes the file', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    const before = descriptors();
    const sending = createTask(() => net().sendfile(transport, file));
    yield* on(sleep(0.01));
    sending.cancel();
    assert.equal(yield* thrownBy(sending), 'CancelledError');
    assert.equal(transport.getProtocol(), protocol);
    assert.equal(transport.isReading(), true);
    yield* untilDescriptors(before);
    socket.write('still here');
    yield* on(protocol.got(10));
    yield* unpair({ transport, peer });
  });

  ioTest('a cancellation while the file is opened leaves no descriptor', function* (style) {
    const { transport, peer } = yield* pair();
    const before = descriptors();
    for (let delay = 0; delay < 20; delay++) {
      const task = style.task(() => on(net().sendfile(transport, file, SIZE - 1)));
      yield* turns(delay);
      task.cancel();
      yield* thrownBy(task);
    }
    for (let i = 0; i < 500 && descriptors() > before; i++) yield* on(sleep(0.002));
    assert.ok(descriptors() <= before);
    transport.close();
    yield* unpair({ transport, peer });
  });

  ioTest('what it does not take', function* () {
    const { transport, protocol, peer } = yield* pair();
    const refused = function* (...args: Parameters<ReturnType<typeof net>['sendfile']>): Steps<string> {
      return yield* thrownBy(net().sendfile(...args));
    };
    assert.match(
      yield* refused(transport, file, 0, null, { fallback: false }),
      /SendfileNotAvailableError: sendfile syscall is not supported$/,
    );
    assert.equal(
      yield* refused(transport, file, -1),
      'RangeError: offset must be a non-negative integer, got -1',
    );
    assert.equal(
      yield* refused(transport, file, 0, 0),
      'RangeError: count must be a positive integer, got 0',
    );
    assert.match(yield* refused(transport, path.join(directory, 'none')), /ENOENT/);
    assert.equal(transport.getProtocol(), protocol);
    transport.close();
    assert.match(yield* refused(transport, file), /RuntimeError: Transport is closing$/);
    yield* unpair({ transport, peer });
  });
});
