import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe } from 'node:test';
import { inspect } from 'node:util';
import {
  BaseTransport,
  BufferedProtocol,
  ContextVar,
  type ExceptionContext,
  NotImplementedError,
  Protocol,
  ReadTransport,
  RuntimeError,
  setLogger,
  sleep,
  Transport,
  WriteTransport,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { on, type Steps, turns } from '../support/styles.ts';
import { drain, from, ioTest, listenRaw, net, pair, Recorder, unpair } from './peers.ts';
import { replaced, watched } from './protocol-grammar.ts';

const MEGABYTE = 1024 * 1024;

/** What the loop's exception handler hears from now on. */
function reports(): ExceptionContext[] {
  const contexts: ExceptionContext[] = [];
  net().setExceptionHandler((_loop, context) => void contexts.push(context));
  return contexts;
}

/** Wait, for real, until `condition` holds. */
function* until(condition: () => boolean): Steps<void> {
  for (let i = 0; i < 2000 && !condition(); i++) yield* on(sleep(0.002));
  assert.ok(condition(), String(condition));
}

describe('the order of events', () => {
  ioTest('connectionMade, the caller, data, the end, connectionLost', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    assert.deepEqual(protocol.events, ['made']);
    assert.equal(protocol.transport, transport);
    socket.end('hello');
    assert.equal(yield* on(protocol.lost), null);
    assert.deepEqual(protocol.events, ['made', 'data', 'eof', 'lost']);
    assert.equal(protocol.text, 'hello');
    assert.equal(transport.isClosing(), true);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('data that is there at once comes after the caller goes on', function* () {
    const peer = yield* from(listenRaw((socket) => socket.end('early')));
    const [, protocol] = yield* on(net().createConnection(() => new Recorder(), '127.0.0.1', peer.port));
    assert.deepEqual(protocol.events, ['made']);
    yield* on(protocol.lost);
    assert.equal(protocol.text, 'early');
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('close with nothing to write: connectionLost in the next iteration', function* () {
    const { protocol, transport, peer } = yield* pair();
    transport.close();
    transport.close();
    assert.deepEqual(protocol.events, ['made']);
    yield* turns(1);
    assert.deepEqual(protocol.events, ['made', 'lost']);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('abort drops what waits: connectionLost(null) in the next iteration', function* () {
    const { protocol, transport, peer } = yield* pair();
    transport.write(Buffer.alloc(20 * MEGABYTE));
    assert.ok(transport.getWriteBufferSize() > 0);
    transport.abort();
    transport.abort();
    assert.equal(transport.getWriteBufferSize(), 0);
    yield* turns(1);
    assert.deepEqual(protocol.events, ['made', 'pause', 'lost']);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('H34: close writes what waits, and no more is read', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    transport.write(Buffer.alloc(4 * MEGABYTE, 'x'));
    transport.close();
    assert.equal(transport.isClosing(), true);
    transport.write(Buffer.from('rest'));
    const text = yield* from(drain(socket));
    assert.equal(text.length, 4 * MEGABYTE + 4);
    assert.ok(text.endsWith('xrest'));
    assert.equal(yield* on(protocol.lost), null);
    assert.ok(!protocol.events.includes('data'));
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('P42: a close with unread data of the peer ends', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    transport.pauseReading();
    socket.write('unread');
    yield* on(sleep(0.01));
    transport.close();
    yield* on(protocol.lost);
    assert.deepEqual(protocol.events, ['made', 'lost']);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('a protocol that closes in connectionMade', function* () {
    const peer = yield* from(listenRaw((socket) => socket.end('nobody reads this')));
    class Shy extends Recorder {
      override connectionMade(transport: Transport): void {
        super.connectionMade(transport);
        transport.close();
      }
    }
    const [transport, protocol] = yield* on(net().createConnection(() => new Shy(), '127.0.0.1', peer.port));
    assert.equal(transport.isClosing(), true);
    yield* on(protocol.lost);
    assert.deepEqual(protocol.events, ['made', 'lost']);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('methods run in the context of the code that has connected', function* () {
    const variable = new ContextVar<string>('where');
    variable.set('creator');
    const seen: unknown[] = [];
    class Looker extends Recorder {
      override connectionMade(transport: Transport): void {
        seen.push(variable.get());
        super.connectionMade(transport);
      }
      override dataReceived(data: Buffer): void {
        seen.push(variable.get());
        super.dataReceived(data);
      }
      override connectionLost(exc: Error | null): void {
        seen.push(variable.get());
        super.connectionLost(exc);
      }
    }
    const peer = yield* from(listenRaw((socket) => socket.end('x')));
    const [, protocol] = yield* on(net().createConnection(() => new Looker(), '127.0.0.1', peer.port));
    variable.set('later');
    yield* on(protocol.lost);
    assert.deepEqual(seen, ['creator', 'creator', 'creator']);
    yield* from(peer[Symbol.asyncDispose]());
  });
});

describe('faults of the network', () => {
  for (let offset = 0; offset <= 6; offset++) {
    ioTest(`F1: a reset after ${offset} bytes of a frame`, function* () {
      const { protocol, socket, peer } = yield* pair();
      if (offset > 0) {
        socket.write('frame!'.slice(0, offset));
        yield* on(protocol.got(offset));
      }
      socket.resetAndDestroy();
      const error = yield* on(protocol.lost);
      assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET');
      assert.equal(protocol.text, 'frame!'.slice(0, offset));
      assert.ok(!protocol.events.includes('eof'));
      yield* from(peer[Symbol.asyncDispose]());
    });
  }

  ioTest('F2: the end in the middle of a frame', function* () {
    const { protocol, socket, peer } = yield* pair();
    socket.end('fra');
    assert.equal(yield* on(protocol.lost), null);
    assert.deepEqual(protocol.events, ['made', 'data', 'eof', 'lost']);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('F4, P40: a peer that does not read pauses the writer, one that reads resumes it', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    const chunk = Buffer.alloc(64 * 1024, 'y');
    let written = 0;
    for (let i = 0; i < 200 && !protocol.events.includes('pause'); i++) {
      transport.write(chunk);
      written += chunk.length;
      yield* on(sleep(0));
    }
    while (written < 16 * MEGABYTE) {
      transport.write(chunk);
      written += chunk.length;
    }
    yield* on(sleep(0.02));
    assert.equal(protocol.events.at(-1), 'pause');
    const reading = drain(socket);
    yield* until(() => protocol.events.at(-1) === 'resume');
    assert.ok(transport.getWriteBufferSize() <= 16 * 1024);
    transport.writeEof();
    assert.equal((yield* from(reading)).length, written);
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });

  ioTest('F5: one byte at a time', function* () {
    const { protocol, socket, peer } = yield* pair();
    socket.setNoDelay(true);
    for (const byte of 'one byte at a time') {
      const size = protocol.data.length + 1;
      socket.write(byte);
      yield* on(protocol.got(size));
    }
    assert.equal(protocol.text, 'one byte at a time');
    socket.end();
    yield* on(protocol.lost);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('F7: writes to a peer that is gone end in one connectionLost', function* () {
    const { protocol, transport, socket, peer } = yield* pair({ keepOpen: true });
    socket.destroy();
    yield* on(protocol.ended);
    for (let i = 0; i < 500 && !protocol.lost.done(); i++) {
      transport.write(Buffer.from('into the void'));
      yield* on(sleep(0.001));
    }
    const error = (yield* on(protocol.lost)) as NodeJS.ErrnoException;
    assert.match(error.code ?? '', /EPIPE|ECONNRESET/);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('P45: a reset ends a close that still writes', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    transport.write(Buffer.alloc(20 * MEGABYTE));
    yield* on(sleep(0.01));
    transport.close();
    yield* turns(2);
    assert.ok(!protocol.lost.done());
    socket.resetAndDestroy();
    const error = (yield* on(protocol.lost)) as NodeJS.ErrnoException;
    assert.match(error.code ?? '', /EPIPE|ECONNRESET/);
    yield* from(peer[Symbol.asyncDispose]());
  });
});

describe('what is received', () => {
  ioTest('P40: stays as it is while more comes, in small and in large pieces', function* () {
    class Keeper extends Recorder {
      readonly pieces: Buffer[] = [];

      override dataReceived(data: Buffer): void {
        this.pieces.push(data);
        super.dataReceived(data);
      }
    }
    const peer = yield* from(listenRaw());
    const [transport, protocol] = yield* on(
      net().createConnection(() => new Keeper(), '127.0.0.1', peer.port),
    );
    const socket = yield* from(peer.accepted());
    const sizes = [1, 1024, 1024, 16 * 1024, 16 * 1024 + 1, 40_000, MEGABYTE, 10, 200_000, 3000];
    const sent = sizes.map((size, index) => Buffer.alloc(size, `<${index}:${size}>`));
    let size = 0;
    for (const part of sent) {
      socket.write(part);
      size += part.length;
      yield* on(protocol.got(size));
    }
    assert.ok(Buffer.concat(protocol.pieces).equals(Buffer.concat(sent)));
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });
});

describe('half-closed connections', () => {
  ioTest('P43: writeEof ends one direction, data comes in the other', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    assert.equal(transport.canWriteEof(), true);
    transport.write(Buffer.from('request'));
    transport.writeEof();
    transport.writeEof();
    assert.equal(yield* from(drain(socket)), 'request');
    socket.write('answer');
    yield* on(protocol.got(6));
    assert.equal(transport.isClosing(), false);
    assert.throws(() => transport.write(Buffer.from('x')), {
      name: 'RuntimeError',
      message: 'Cannot call write() after writeEof()',
    });
    assert.throws(() => transport.writelines([]), {
      name: 'RuntimeError',
      message: 'Cannot call writelines() after writeEof()',
    });
    socket.end();
    assert.equal(yield* on(protocol.lost), null);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('P43: a protocol that keeps the connection open after the end can write', function* () {
    const { protocol, transport, socket, peer } = yield* pair({ keepOpen: true });
    socket.end('question');
    yield* on(protocol.ended);
    transport.write(Buffer.from('answer'));
    transport.writeEof();
    assert.equal(yield* from(drain(socket)), 'answer');
    yield* on(sleep(0.01));
    // Ended both ways, and open all the same until somebody closes it, as in CPython.
    assert.equal(transport.isClosing(), false);
    assert.ok(!protocol.lost.done());
    transport.close();
    yield* turns(1);
    assert.deepEqual(protocol.events, ['made', 'data', 'eof', 'lost']);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('writeEof waits for what is written before it', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    transport.write(Buffer.alloc(3 * MEGABYTE));
    transport.writeEof();
    assert.equal((yield* from(drain(socket))).length, 3 * MEGABYTE);
    transport.close();
    transport.writeEof();
    yield* on(protocol.lost);
    yield* from(peer[Symbol.asyncDispose]());
  });
});

describe('pauseReading', () => {
  ioTest('H46: holds back what has come in already, and the end', function* () {
    class Sipper extends Recorder {
      override dataReceived(data: Buffer): void {
        super.dataReceived(data);
        this.transport.pauseReading();
      }
    }
    const peer = yield* from(listenRaw((socket) => socket.end(Buffer.alloc(300_000, 'z'))));
    const [transport, protocol] = yield* on(
      net().createConnection(() => new Sipper(), '127.0.0.1', peer.port),
    );
    let before = 0;
    for (let i = 0; i < 1000 && !protocol.lost.done(); i++) {
      yield* until(() => protocol.data.length > before || protocol.lost.done());
      before = protocol.data.length;
      yield* on(sleep(0.002));
      assert.equal(protocol.data.length, before, 'data while it is paused');
      if (protocol.lost.done()) break;
      assert.equal(transport.isReading(), false);
      transport.resumeReading();
      if (before === 300_000) yield* until(() => protocol.lost.done());
    }
    assert.equal(protocol.data.length, 300_000);
    assert.deepEqual(protocol.events.slice(-2), ['eof', 'lost']);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('pausing and resuming again does nothing; so does all of it after close', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    transport.pauseReading();
    transport.pauseReading();
    socket.write('held');
    yield* on(sleep(0.01));
    assert.equal(protocol.text, '');
    assert.equal(transport.isReading(), false);
    transport.resumeReading();
    transport.resumeReading();
    assert.equal(transport.isReading(), true);
    yield* on(protocol.got(4));
    transport.close();
    assert.equal(transport.isReading(), false);
    transport.pauseReading();
    transport.resumeReading();
    assert.equal(transport.isReading(), false);
    yield* on(protocol.lost);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('paused in connectionMade: nothing is read', function* () {
    class Paused extends Recorder {
      override connectionMade(transport: Transport): void {
        super.connectionMade(transport);
        transport.pauseReading();
      }
    }
    const peer = yield* from(listenRaw((socket) => socket.write('x')));
    const [transport, protocol] = yield* on(
      net().createConnection(() => new Paused(), '127.0.0.1', peer.port),
    );
    yield* on(sleep(0.02));
    assert.deepEqual(protocol.events, ['made']);
    transport.resumeReading();
    yield* on(protocol.got(1));
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });

  ioTest('P42: what came before a reset is told at resumption, then the loss', function* () {
    class Sipper extends Recorder {
      override dataReceived(data: Buffer): void {
        super.dataReceived(data);
        this.transport.pauseReading();
      }
    }
    const peer = yield* from(listenRaw());
    // A socket of somebody else's, which reads on while it is paused, as those of a server do.
    const sock = connect(peer.port, '127.0.0.1');
    const socket = yield* from(peer.accepted());
    const [transport, protocol] = yield* on(net().createConnection(() => new Sipper(), null, null, { sock }));
    const nodeSocket = transport.getExtraInfo<Socket>('socket');
    socket.write('first');
    yield* on(protocol.got(5));
    // What Node has emitted already when the protocol pauses.
    nodeSocket?.emit('data', Buffer.from('second'));
    socket.resetAndDestroy();
    yield* until(() => nodeSocket?.destroyed === true);
    yield* turns(3);
    assert.deepEqual(protocol.events, ['made', 'data']);
    transport.resumeReading();
    yield* on(protocol.lost);
    assert.equal(protocol.text, 'firstsecond');
    assert.deepEqual(protocol.events, ['made', 'data', 'lost: ECONNRESET']);
    yield* from(peer[Symbol.asyncDispose]());
  });
});

describe('the write buffer', () => {
  ioTest('limits: defaults, one of the two, and what is refused', function* () {
    const { protocol, transport, peer } = yield* pair();
    assert.deepEqual(transport.getWriteBufferLimits(), [16_384, 65_536]);
    transport.setWriteBufferLimits(100);
    assert.deepEqual(transport.getWriteBufferLimits(), [25, 100]);
    transport.setWriteBufferLimits(null, 100);
    assert.deepEqual(transport.getWriteBufferLimits(), [100, 400]);
    transport.setWriteBufferLimits(0);
    assert.deepEqual(transport.getWriteBufferLimits(), [0, 0]);
    transport.setWriteBufferLimits();
    assert.deepEqual(transport.getWriteBufferLimits(), [16_384, 65_536]);
    assert.throws(() => transport.setWriteBufferLimits(1, 2), {
      name: 'RangeError',
      message: 'high (1) must be >= low (2) must be >= 0',
    });
    assert.throws(() => transport.setWriteBufferLimits(-1), RangeError);
    assert.deepEqual(transport.getWriteBufferLimits(), [16_384, 65_536]);
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });

  ioTest('exactly the high mark does not pause, one byte more does, inside of write', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    transport.setWriteBufferLimits(64 * MEGABYTE);
    while (transport.getWriteBufferSize() === 0) transport.write(Buffer.alloc(MEGABYTE));
    const size = transport.getWriteBufferSize();
    transport.setWriteBufferLimits(size + 100, 10);
    transport.write(Buffer.alloc(100));
    assert.deepEqual(protocol.events, ['made']);
    transport.write(Buffer.alloc(1));
    assert.deepEqual(protocol.events, ['made', 'pause']);
    transport.write(Buffer.alloc(1000));
    void drain(socket);
    yield* until(() => protocol.events.length > 2);
    assert.deepEqual(protocol.events, ['made', 'pause', 'resume']);
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });

  ioTest('lower limits pause at once, and the buffer that empties resumes', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    transport.setWriteBufferLimits(64 * MEGABYTE);
    while (transport.getWriteBufferSize() === 0) transport.write(Buffer.alloc(MEGABYTE));
    assert.deepEqual(protocol.events, ['made']);
    transport.setWriteBufferLimits(0);
    assert.deepEqual(protocol.events, ['made', 'pause']);
    void drain(socket);
    yield* until(() => protocol.events.at(-1) === 'resume');
    assert.equal(transport.getWriteBufferSize(), 0);
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });

  ioTest('what the system takes at once is not in the buffer', function* () {
    const { protocol, transport, peer } = yield* pair();
    transport.setWriteBufferLimits(0);
    transport.write(Buffer.alloc(100));
    assert.equal(transport.getWriteBufferSize(), 0);
    assert.deepEqual(protocol.events, ['made']);
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });

  ioTest('writelines writes all in one go, and H35: empty chunks do no harm', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    transport.writelines([Buffer.from('a'), Buffer.alloc(0), new Uint8Array([98]), Buffer.from('c')]);
    transport.writelines([]);
    transport.writelines([Buffer.alloc(0)]);
    transport.write(Buffer.alloc(0));
    transport.close();
    assert.equal(yield* from(drain(socket)), 'abc');
    assert.equal(yield* on(protocol.lost), null);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('what is no bytes is refused, and nothing of it written', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    for (const wrong of ['text', null, 5, [1, 2], new ArrayBuffer(2)] as unknown[] as Buffer[]) {
      assert.throws(() => transport.write(wrong), {
        name: 'TypeError',
        message: /^data argument must be a bytes-like object, not '/,
      });
      assert.throws(() => transport.writelines([Buffer.from('no'), wrong]), TypeError);
    }
    transport.write(Buffer.from('yes'));
    transport.close();
    assert.equal(yield* from(drain(socket)), 'yes');
    yield* on(protocol.lost);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('writes to a lost connection are dropped, and warned about from the fifth on', function* () {
    const { protocol, transport, peer } = yield* pair();
    transport.abort();
    yield* on(protocol.lost);
    const warnings: string[] = [];
    const nothing = (): void => {};
    setLogger({ debug: nothing, info: nothing, error: nothing, warning: (text) => void warnings.push(text) });
    try {
      for (let i = 0; i < 4; i++) transport.write(Buffer.from('x'));
      assert.deepEqual(warnings, []);
      transport.write(Buffer.from('x'));
      transport.writelines([Buffer.from('x')]);
      transport.write(Buffer.alloc(0));
      assert.deepEqual(warnings, ['socket.send() raised exception.', 'socket.send() raised exception.']);
    } finally {
      setLogger(null);
    }
    yield* from(peer[Symbol.asyncDispose]());
  });
});

describe('protocols that throw', () => {
  for (const method of ['dataReceived', 'eofReceived'] as const) {
    ioTest(`${method}: reported, and the connection lost with the error`, function* () {
      const contexts = reports();
      const { protocol, transport, socket, peer } = yield* pair();
      const mistake = new Error('mistake');
      protocol[method] = () => {
        throw mistake;
      };
      socket.end('x');
      assert.equal(yield* on(protocol.lost), mistake);
      assert.equal(contexts.length, 1);
      assert.equal(contexts[0]?.message, `Fatal error: protocol.${method}() call failed.`);
      assert.equal(contexts[0]?.exception, mistake);
      assert.equal(contexts[0]?.['transport'], transport);
      assert.equal(contexts[0]?.['protocol'], protocol);
      yield* from(peer[Symbol.asyncDispose]());
    });
  }

  ioTest('an error of the system is not reported', function* () {
    const contexts = reports();
    const { protocol, socket, peer } = yield* pair();
    const error = Object.assign(new Error('read EIO'), { code: 'EIO', syscall: 'read' });
    protocol.dataReceived = () => {
      throw error;
    };
    socket.write('x');
    assert.equal(yield* on(protocol.lost), error);
    assert.deepEqual(contexts, []);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('connectionMade: reported, and the connection stays', function* () {
    const contexts = reports();
    const peer = yield* from(listenRaw((socket) => socket.write('x')));
    class Broken extends Recorder {
      override connectionMade(transport: Transport): void {
        super.connectionMade(transport);
        throw new Error('mistake');
      }
    }
    const [transport, protocol] = yield* on(
      net().createConnection(() => new Broken(), '127.0.0.1', peer.port),
    );
    yield* on(protocol.got(1));
    assert.equal(contexts.length, 1);
    assert.match(contexts[0]?.message ?? '', /^Exception in callback .*connectionMade/);
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });

  ioTest('P44: connectionLost: reported, and nothing is left', function* () {
    const contexts = reports();
    const { protocol, transport, peer } = yield* pair();
    protocol.connectionLost = () => {
      protocol.lost.setResult(null);
      throw new Error('mistake');
    };
    transport.close();
    yield* on(protocol.lost);
    yield* turns(1);
    assert.equal(contexts.length, 1);
    assert.match(contexts[0]?.message ?? '', /connectionLost/);
    replaced(protocol);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('pauseWriting and resumeWriting: reported, and the connection stays', function* () {
    const contexts = reports();
    const { protocol, transport, socket, peer } = yield* pair();
    protocol.pauseWriting = () => {
      throw new Error('no pause');
    };
    protocol.resumeWriting = () => {
      throw new Error('no resumption');
    };
    transport.write(Buffer.alloc(16 * MEGABYTE));
    const reading = drain(socket);
    yield* until(() => contexts.length === 2);
    assert.deepEqual(
      contexts.map((context) => context.message),
      ['protocol.pauseWriting() failed', 'protocol.resumeWriting() failed'],
    );
    transport.close();
    assert.equal((yield* from(reading)).length, 16 * MEGABYTE);
    yield* on(protocol.lost);
    yield* from(peer[Symbol.asyncDispose]());
  });
});

describe('BufferedProtocol', () => {
  class Buffers extends BufferedProtocol {
    readonly parts: string[] = [];
    readonly lost = net().createFuture<Error | null>();
    readonly buffer: Uint8Array;
    transport!: Transport;
    onUpdate: () => void = () => {};

    constructor(size: number) {
      super();
      this.buffer = new Uint8Array(size);
      watched(this);
    }
    override connectionMade(transport: BaseTransport): void {
      this.transport = transport as Transport;
    }
    override getBuffer(sizehint: number): Uint8Array {
      assert.equal(sizehint, -1);
      return this.buffer;
    }
    override bufferUpdated(size: number): void {
      this.parts.push(Buffer.from(this.buffer.subarray(0, size)).toString());
      this.onUpdate();
    }
    override connectionLost(exc: Error | null): void {
      this.lost.setResult(exc);
    }
  }

  function* buffered(size: number, text: string): Steps<[Transport, Buffers, () => Promise<void>]> {
    const peer = yield* from(listenRaw((socket) => socket.end(text)));
    const [transport, protocol] = yield* on(
      net().createConnection(() => new Buffers(size), '127.0.0.1', peer.port),
    );
    return [transport, protocol, () => peer[Symbol.asyncDispose]()];
  }

  ioTest('gets all bytes in its own buffer, in parts if it is small', function* () {
    const [, protocol, end] = yield* buffered(4, 'twelve bytes');
    assert.equal(yield* on(protocol.lost), null);
    assert.deepEqual(protocol.parts, ['twel', 've b', 'ytes']);
    yield* from(end());
  });

  ioTest('a pause holds the rest of a chunk back', function* () {
    const [transport, protocol, end] = yield* buffered(4, 'twelve bytes');
    protocol.onUpdate = () => transport.pauseReading();
    for (let count = 1; count <= 3; count++) {
      yield* until(() => protocol.parts.length === count);
      yield* on(sleep(0.005));
      assert.equal(protocol.parts.length, count);
      transport.resumeReading();
    }
    yield* on(protocol.lost);
    yield* from(end());
  });

  ioTest('a protocol that takes its place gets the rest', function* () {
    const [transport, protocol, end] = yield* buffered(4, 'twelve bytes');
    const next = new Recorder({ isMade: true });
    protocol.onUpdate = () => transport.setProtocol(next);
    yield* on(next.lost);
    assert.deepEqual(protocol.parts, ['twel']);
    assert.equal(next.text, 've bytes');
    assert.equal(transport.getProtocol(), next);
    replaced(protocol);
    yield* from(end());
  });

  ioTest('an empty buffer, getBuffer and bufferUpdated that throw end the connection', function* () {
    const contexts = reports();
    const [, empty, endEmpty] = yield* buffered(0, 'x');
    const error = yield* on(empty.lost);
    assert.ok(error instanceof RuntimeError);
    assert.equal(error.message, 'getBuffer() returned an empty buffer');
    const [, broken, endBroken] = yield* buffered(4, 'x');
    broken.onUpdate = () => {
      throw new Error('mistake');
    };
    assert.equal((yield* on(broken.lost))?.message, 'mistake');
    assert.deepEqual(
      contexts.map((context) => context.message),
      [
        'Fatal error: protocol.getBuffer() call failed.',
        'Fatal error: protocol.bufferUpdated() call failed.',
      ],
    );
    yield* from(endEmpty());
    yield* from(endBroken());
  });
});

describe('what a transport tells', () => {
  ioTest('setProtocol in between: the next data is the new one’s', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    socket.write('a');
    yield* on(protocol.got(1));
    const next = new Recorder({ isMade: true });
    transport.setProtocol(next);
    assert.equal(transport.getProtocol(), next);
    socket.end('b');
    yield* on(next.lost);
    assert.equal(protocol.text, 'a');
    assert.equal(next.text, 'b');
    replaced(protocol);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('getExtraInfo: names, addresses, defaults', function* () {
    const { protocol, transport, socket, peer } = yield* pair();
    assert.deepEqual(transport.getExtraInfo('peername'), ['127.0.0.1', peer.port]);
    assert.deepEqual(transport.getExtraInfo('sockname'), ['127.0.0.1', socket.remotePort]);
    assert.ok(transport.getExtraInfo('socket'));
    assert.equal(transport.getExtraInfo('sslcontext'), null);
    assert.equal(transport.getExtraInfo('no such thing'), null);
    assert.equal(transport.getExtraInfo('toString', 'default'), 'default');
    transport.close();
    yield* on(protocol.lost);
    assert.deepEqual(transport.getExtraInfo('peername'), ['127.0.0.1', peer.port]);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('toString: the state of both directions', function* () {
    const { protocol, transport, peer } = yield* pair();
    assert.equal(String(transport), '<SocketTransport read=polling write=<idle, bufsize=0>>');
    assert.equal(inspect(transport), String(transport));
    transport.pauseReading();
    while (transport.getWriteBufferSize() === 0) transport.write(Buffer.alloc(MEGABYTE));
    const size = transport.getWriteBufferSize();
    assert.equal(String(transport), `<SocketTransport read=idle write=<polling, bufsize=${size}>>`);
    transport.close();
    assert.equal(String(transport), `<SocketTransport closing read=idle write=<polling, bufsize=${size}>>`);
    transport.abort();
    yield* on(protocol.lost);
    assert.equal(String(transport), '<SocketTransport closed>');
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('it is all the kinds of transport that it should be', function* () {
    const { protocol, transport, peer } = yield* pair();
    for (const kind of [Transport, ReadTransport, WriteTransport, BaseTransport])
      assert.ok(transport instanceof kind);
    class Abstract extends Transport {}
    assert.throws(() => new Abstract().write(Buffer.alloc(1)), NotImplementedError);
    assert.ok(new Protocol().eofReceived() === undefined);
    yield* unpair({ transport, peer });
    yield* on(protocol.lost);
  });
});
