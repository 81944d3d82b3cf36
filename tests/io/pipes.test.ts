/** Transports on Node's streams: connectReadPipe and connectWritePipe of a loop. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { afterEach, describe, test } from 'node:test';
import {
  BaseProtocol,
  type BaseTransport,
  CancelledError,
  createTask,
  type EventLoop,
  type Future,
  gather,
  getRunningLoop,
  Protocol,
  type ReadTransport,
  run,
  sleep,
  type WriteTransport,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { leavesNoProcess } from '../support/processes.ts';
import { logOf, textOf } from '../support/programs.ts';
import { inBothStyles, on } from '../support/styles.ts';

const BOUND = { timeout: 60_000 };

const theLoop = (): EventLoop => getRunningLoop();

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
leavesNoProcess();

function temporaryFile(name: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'asyncio-test-'));
  folders.push(folder);
  return path.join(folder, name);
}

/** Notes what it hears. */
class Recorder extends Protocol {
  readonly events: string[] = [];
  readonly lost: Future<void> = theLoop().createFuture<void>();

  override connectionMade(transport: BaseTransport): void {
    this.events.push(`made ${transport.isClosing()}`);
  }
  override dataReceived(data: Buffer): void {
    this.events.push(data.length > 100 ? `${data.length} bytes` : String(data));
  }
  override eofReceived(): void {
    this.events.push('eof');
  }
  override connectionLost(exc: Error | null): void {
    this.events.push(`lost ${exc}`);
    this.lost.setResult();
  }
  override pauseWriting(): void {
    this.events.push('pause');
  }
  override resumeWriting(): void {
    this.events.push('resume');
  }
}

/** A writable that takes nothing until it is told to. */
class Valve extends Writable {
  readonly taken: Buffer[] = [];
  #waiting: (() => void) | null = null;
  #isOpen = false;

  open(): void {
    this.#isOpen = true;
    this.#waiting?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const take = (): void => {
      this.taken.push(chunk);
      done();
    };
    if (this.#isOpen) take();
    else this.#waiting = take;
  }
}

function realTest(name: string, main: () => Promise<void>): void {
  test(name, () => run(main));
}

describe('connectReadPipe', BOUND, () => {
  inBothStyles('tells of the connection, the data, the end and the loss', function* () {
    const pipe = new PassThrough();
    pipe.write('before ');
    const [transport, protocol] = yield* on(theLoop().connectReadPipe(() => new Recorder(), pipe));
    assert.deepEqual(protocol.events, ['made false']);
    assert.equal(transport.getProtocol(), protocol);
    assert.equal(transport.getExtraInfo('pipe'), pipe);
    assert.equal(String(transport), '<ReadPipeTransport open>');
    pipe.end('after');
    yield* on(protocol.lost);
    const { events } = protocol;
    assert.equal(events.slice(1, -2).join(''), 'before after');
    assert.deepEqual(events.slice(-2), ['eof', 'lost null']);
    assert(transport.isClosing());
    assert(!transport.isReading());
    assert(pipe.destroyed);
    assert.equal(String(transport), '<ReadPipeTransport closed>');
  });

  realTest('pauseReading holds back what Node has read, and the end', async () => {
    const pipe = new PassThrough();
    const [transport, protocol] = await theLoop().connectReadPipe(() => new Recorder(), pipe);
    transport.pauseReading();
    transport.pauseReading();
    assert(!transport.isReading());
    pipe.write('one');
    // As Node does with the pipes of a process that has ended.
    pipe.resume();
    await sleep(0.01);
    pipe.end('two');
    pipe.resume();
    await sleep(0.01);
    assert.deepEqual(protocol.events, ['made false']);
    transport.resumeReading();
    transport.resumeReading();
    await protocol.lost;
    assert.deepEqual(protocol.events, ['made false', 'one', 'two', 'eof', 'lost null']);
  });

  realTest('a protocol that pauses in connectionMade hears nothing', async () => {
    class Paused extends Recorder {
      override connectionMade(transport: BaseTransport): void {
        (transport as ReadTransport).pauseReading();
      }
    }
    const pipe = new PassThrough();
    pipe.end('data');
    const [transport, protocol] = await theLoop().connectReadPipe(() => new Paused(), pipe);
    await sleep(0.01);
    assert.deepEqual(protocol.events, []);
    transport.resumeReading();
    await protocol.lost;
    assert.deepEqual(protocol.events, ['data', 'eof', 'lost null']);
  });

  realTest('close drops what was not delivered, once', async () => {
    const pipe = new PassThrough();
    const [transport, protocol] = await theLoop().connectReadPipe(() => new Recorder(), pipe);
    pipe.write('data');
    transport.close();
    transport.close();
    assert.deepEqual(protocol.events, ['made false']);
    await protocol.lost;
    await sleep(0.01);
    assert.deepEqual(protocol.events, ['made false', 'lost null']);
  });

  realTest('a stream that breaks is reported, and lost with its error', async () => {
    const contexts: string[] = [];
    theLoop().setExceptionHandler((_, { message, exception }) => contexts.push(`${message}: ${exception}`));
    const pipe = new PassThrough();
    const [, protocol] = await theLoop().connectReadPipe(() => new Recorder(), pipe);
    pipe.destroy(new Error('broken'));
    await protocol.lost;
    assert.deepEqual(protocol.events, ['made false', 'lost Error: broken']);
    assert.deepEqual(contexts, ['Fatal read error on pipe transport: Error: broken']);
  });

  realTest('an error of the protocol is reported and closes the pipe', async () => {
    const contexts: unknown[] = [];
    theLoop().setExceptionHandler((_, { exception }) => contexts.push(String(exception)));
    for (const isAsync of [false, true]) {
      class Failing extends Recorder {
        override dataReceived(): void {
          if (isAsync) return Promise.reject(new Error('late')) as unknown as undefined;
          throw new Error('at once');
        }
      }
      const pipe = new PassThrough();
      const [, protocol] = await theLoop().connectReadPipe(() => new Failing(), pipe);
      pipe.write('data');
      await protocol.lost;
      assert(pipe.destroyed);
    }
    assert.deepEqual(contexts, ['Error: at once', 'Error: late']);
  });

  realTest('setProtocol: another one hears the rest', async () => {
    const pipe = new PassThrough();
    const [transport, first] = await theLoop().connectReadPipe(() => new Recorder(), pipe);
    const second = new Recorder();
    transport.setProtocol(second);
    pipe.end('data');
    await second.lost;
    assert.deepEqual([first.events, second.events], [['made false'], ['data', 'eof', 'lost null']]);
  });

  realTest('a loop that is busy elsewhere reads no more than it can hold', async () => {
    const pipe = new PassThrough();
    const [transport, protocol] = await theLoop().connectReadPipe(() => new Recorder(), pipe);
    let written = 0;
    const more = (): void => {
      while (written < 50 && pipe.write(Buffer.alloc(100_000))) written++;
      if (written++ < 50) pipe.once('drain', more);
      else pipe.end();
    };
    more();
    await protocol.lost;
    const sizes = protocol.events
      .filter((event) => event.endsWith('bytes'))
      .map((event) => parseInt(event, 10));
    assert(sizes.reduce((sum, size) => sum + size, 0) >= 5_000_000);
    assert(transport.isClosing());
  });

  realTest('refuses a regular file, a closed stream and what is no stream', async () => {
    const file = temporaryFile('file');
    writeFileSync(file, 'text');
    const stream = createReadStream(file);
    const text = await textOf(() => theLoop().connectReadPipe(() => new Recorder(), stream));
    assert.equal(text, 'RangeError: Pipe transport is for pipes/sockets only.');
    await once(stream.destroy(), 'close');
    assert.equal(
      await textOf(() => theLoop().connectReadPipe(() => new Recorder(), new PassThrough().destroy())),
      'RuntimeError: connectReadPipe(): the stream is closed',
    );
    assert.match(
      await textOf(() => theLoop().connectReadPipe(() => new Recorder(), 5 as unknown as PassThrough)),
      /^TypeError: connectReadPipe\(\) wants a stream of Node, got 5/,
    );
  });

  realTest('reads a FIFO', async () => {
    const file = temporaryFile('fifo');
    assert.equal(spawnSync('mkfifo', [file]).status, 0);
    // Open for both, so that it does not wait for a writer.
    const pipe = new Socket({ fd: openSync(file, 'r+'), writable: false });
    const [transport, protocol] = await theLoop().connectReadPipe(() => new Recorder(), pipe);
    writeFileSync(file, 'through the fifo');
    while (protocol.events.length < 2) await sleep(0.005);
    transport.close();
    await protocol.lost;
    assert.deepEqual(protocol.events, ['made false', 'through the fifo', 'lost null']);
  });

  inBothStyles('a cancelled call closes the stream', function* () {
    const pipe = new PassThrough();
    const task = createTask(theLoop().connectReadPipe(() => new Recorder(), pipe));
    yield* on(sleep(0));
    task.cancel();
    const [result] = yield* on(gather([task], { returnExceptions: true }));
    assert(result instanceof CancelledError);
    yield* on(sleep(0));
    yield* on(sleep(0));
    assert(pipe.destroyed);
  });
});

describe('connectWritePipe', BOUND, () => {
  inBothStyles('writes what is waiting, ends the stream, and tells of the loss', function* () {
    const pipe = new PassThrough();
    const [transport, protocol] = yield* on(theLoop().connectWritePipe(() => new Recorder(), pipe));
    assert(transport.canWriteEof());
    transport.write(Buffer.from('one '));
    transport.write(Buffer.alloc(0));
    transport.writelines([Buffer.from('two '), Buffer.from('three')]);
    transport.writeEof();
    transport.close();
    assert(transport.isClosing());
    yield* on(protocol.lost);
    assert.deepEqual(protocol.events, ['made false', 'lost null']);
    // One chunk at a time on some versions of Node.
    let text = '';
    for (let chunk = pipe.read(); chunk !== null; chunk = pipe.read()) text += chunk;
    assert.equal(text, 'one two three');
  });

  realTest('flow control: strictly above the high mark, down to the low one', async () => {
    const pipe = new Valve();
    const [transport, protocol] = await theLoop().connectWritePipe(() => new Recorder(), pipe);
    transport.setWriteBufferLimits(10, 5);
    assert.deepEqual(transport.getWriteBufferLimits(), [5, 10]);
    transport.write(Buffer.alloc(10));
    assert.deepEqual(protocol.events, ['made false']);
    transport.write(Buffer.alloc(1));
    assert.deepEqual(protocol.events, ['made false', 'pause']);
    assert.equal(transport.getWriteBufferSize(), 11);
    pipe.open();
    assert.deepEqual(protocol.events, ['made false', 'pause']);
    await sleep(0.01);
    assert.deepEqual(protocol.events, ['made false', 'pause', 'resume']);
    assert.equal(transport.getWriteBufferSize(), 0);
    assert.equal(
      await textOf(() => transport.setWriteBufferLimits(1, 2)),
      'RangeError: high (1) must be >= low (2) must be >= 0',
    );
    transport.close();
    await protocol.lost;
  });

  realTest('abort drops what is waiting', async () => {
    const pipe = new Valve();
    const [transport, protocol] = await theLoop().connectWritePipe(() => new Recorder(), pipe);
    transport.write(Buffer.from('data'));
    transport.abort();
    assert.deepEqual(protocol.events, ['made false']);
    await protocol.lost;
    assert.deepEqual(protocol.events, ['made false', 'lost null']);
    assert.deepEqual(pipe.taken, []);
    assert(pipe.destroyed);
  });

  realTest(
    'a reader that is gone: lost with the error, and later writes warn from the sixth on',
    async () => {
      const server = createServer((socket) => socket.destroy()).listen(0);
      const { port } = server.address() as AddressInfo;
      const pipe = connect(port);
      await once(pipe, 'connect');
      const [transport, protocol] = await theLoop().connectWritePipe(() => new Recorder(), pipe);
      while (!protocol.lost.done()) {
        transport.write(Buffer.alloc(100_000));
        await sleep(0.001);
      }
      assert.match(
        protocol.events.at(-1) ?? '',
        /^lost (null|Error: write (EPIPE|ECONNRESET)|Error: read ECONNRESET)/,
      );
      const log = await logOf(() => {
        for (let i = 0; i < 12; i++) transport.write(Buffer.from('late'));
      });
      assert(log.length >= 7);
      assert.equal(log[0], 'warning: pipe closed by peer or os.write(pipe, data) raised exception.');
      server.close();
    },
  );

  realTest('takes bytes only, and a copy of them', async () => {
    const pipe = new Valve();
    const [transport, protocol] = await theLoop().connectWritePipe(() => new Recorder(), pipe);
    assert.equal(
      await textOf(() => transport.write('text' as unknown as Uint8Array)),
      "TypeError: data argument must be a bytes, bytearray, or memoryview object, not 'string'",
    );
    const data = Buffer.from('data');
    transport.write(data);
    data.fill('x');
    pipe.open();
    transport.close();
    await protocol.lost;
    assert.equal(String(pipe.taken[0]), 'data');
  });

  realTest('refuses a regular file', async () => {
    const stream = createWriteStream(temporaryFile('file'));
    await once(stream, 'open');
    const text = await textOf(() => theLoop().connectWritePipe(() => new BaseProtocol(), stream));
    assert.equal(text, 'RangeError: Pipe transport is only for pipes, sockets and character devices');
    await once(stream.destroy(), 'close');
  });

  realTest('the other end of a pipe hears it all', async () => {
    const pipe = new PassThrough();
    const [, reader] = await theLoop().connectReadPipe(() => new Recorder(), pipe);
    class Writer extends Recorder {
      transport: WriteTransport | null = null;
      override connectionMade(transport: BaseTransport): void {
        this.transport = transport as WriteTransport;
      }
    }
    const [, writer] = await theLoop().connectWritePipe(() => new Writer(), pipe);
    writer.transport?.write(Buffer.from('data'));
    await sleep(0.01);
    writer.transport?.close();
    await reader.lost;
    assert.deepEqual(reader.events, ['made false', 'data', 'eof', 'lost null']);
    await writer.lost;
  });
});
