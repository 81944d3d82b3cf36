import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ReadableStream } from 'node:stream/web';
import { describe, test } from 'node:test';
import {
  type AbstractEventLoop,
  coroutine,
  createTask,
  currentTask,
  DeadlockError,
  type ExceptionContext,
  fromPromise,
  type Gen,
  getRunningLoop,
  newEventLoop,
  openConnection,
  openUnixConnection,
  type Protocol,
  run,
  setEventLoop,
  sleep,
  startServer,
  startUnixServer,
  StreamReader,
  StreamReaderProtocol,
  StreamWriter,
  waitFor,
} from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { errorOf, logOf, runProgram, runVirtually } from '../support/programs.ts';
import { inBothStyles, on, type Steps, thrownBy, turns } from '../support/styles.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

function reset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
}

interface Streams {
  reader: StreamReader;
  writer: StreamWriter;
  transport: MemoryTransport;
  protocol: StreamReaderProtocol;
}

/** Both streams of a connection in memory. */
function connected(high = 64 * 1024): Streams {
  const loop = getRunningLoop();
  const reader = new StreamReader();
  const protocol = new StreamReaderProtocol(reader);
  const transport = new MemoryTransport(protocol);
  transport.high = high;
  protocol.connectionMade(transport);
  return { reader, writer: new StreamWriter(transport, protocol, reader, loop), transport, protocol };
}

describe('StreamWriter', () => {
  inBothStyles('hands everything to its transport', function* () {
    const { writer, transport } = connected();
    assert.equal(
      String(writer),
      '<StreamWriter transport=<MemoryTransport> reader=<StreamReader transport=<MemoryTransport>>>',
    );
    assert.equal(writer.transport, transport);
    writer.write(bytes('a'));
    writer.writelines([bytes('b'), bytes('c')]);
    assert.equal(writer.canWriteEof(), true);
    writer.writeEof();
    assert.equal(writer.getExtraInfo('peername'), null);
    assert.equal(writer.getExtraInfo('peername', 'nobody'), 'nobody');
    assert.equal(writer.isClosing(), false);
    writer.close();
    assert.equal(writer.isClosing(), true);
    yield* on(writer.waitClosed());
    assert.equal(transport.text, 'abc');
    assert.deepEqual(transport.calls, ['writeEof', 'close']);
  });

  inBothStyles('wants a reader, or null', function* () {
    const { transport, protocol } = connected();
    const loop = getRunningLoop();
    assert.throws(() => new StreamWriter(transport, protocol, {} as never, loop), { name: 'AssertionError' });
    const writer = new StreamWriter(transport, protocol, null, loop);
    assert.equal(String(writer), '<StreamWriter transport=<MemoryTransport>>');
    yield* on(writer.drain());
    writer.close();
  });
});

describe('StreamWriter.drain', () => {
  test('does not suspend while there is room', async () => {
    await runVirtually(function* (): Gen<void> {
      const { writer } = connected();
      let others = 0;
      const other = createTask(function* (): Gen<void> {
        others++;
      });
      for (let i = 0; i < 100; i++) {
        writer.write(bytes('x'));
        yield* writer.drain();
      }
      assert.equal(others, 0);
      yield* other;
      writer.close();
    });
  });

  inBothStyles(
    'P40: waits above the high mark until there is room, be it for several tasks',
    function* (style) {
      const { writer, transport } = connected(10);
      writer.write(bytes('0123456789'));
      yield* on(writer.drain());
      writer.write(bytes('!'));
      const drained: number[] = [];
      const tasks = [1, 2, 3].map((i) =>
        style.task(function* (): Steps<void> {
          yield* on(writer.drain());
          drained.push(i);
        }),
      );
      yield* turns(3);
      assert.deepEqual(drained, []);
      tasks[1]?.cancel();
      yield* turns(2);
      transport.flush();
      yield* turns(2);
      assert.deepEqual(drained, [1, 3]);
      writer.write(bytes('0123456789!'));
      // Once it was woken it is done, whatever was written since.
      const again = style.task(() => on(writer.drain()));
      yield* turns();
      transport.flush();
      writer.write(bytes('0123456789!'));
      yield* on(again);
      writer.close();
    },
  );

  inBothStyles('throws the error that the reader has', function* () {
    const { reader, writer } = connected();
    reader.setException(reset());
    assert.equal(yield* thrownBy(writer.drain()), 'Error: read ECONNRESET');
    writer.close();
  });

  inBothStyles('throws when the connection is lost, with its error or without one', function* (style) {
    for (const [error, expected] of [
      [reset(), 'Error: read ECONNRESET'],
      [null, 'nothing'],
    ] as const) {
      const { writer, transport } = connected(1);
      writer.write(bytes('123'));
      const task = style.task(() => thrownBy(writer.drain()));
      yield* turns();
      transport.lose(error);
      assert.equal(yield* on(task), expected);
      const after = error === null ? 'Error: Connection lost' : expected;
      assert.equal(yield* thrownBy(writer.drain()), after);
    }
  });

  inBothStyles('P45: says of a closed connection that it was reset', function* () {
    const { writer } = connected();
    writer.close();
    yield* on(writer.waitClosed());
    try {
      yield* on(writer.drain());
      assert.fail();
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET');
    }
  });

  inBothStyles('H31: a circle of writes and drains learns that the connection is gone', function* () {
    const { writer } = connected();
    writer.write(bytes('x'));
    writer.close();
    let error = 'nothing';
    for (let i = 0; i < 5 && error === 'nothing'; i++) {
      writer.write(bytes('x'));
      error = yield* thrownBy(writer.drain());
    }
    assert.equal(error, 'Error: Connection lost');
  });

  inBothStyles(
    'gives one turn while the connection is closing, and can be cancelled there',
    function* (style) {
      const { writer, transport } = connected();
      transport.close();
      const task = style.task(() => on(writer.drain()));
      yield* turns();
      assert.equal(task.done(), false);
      task.cancel();
      yield* turns();
      assert.equal(task.cancelled(), true);
      assert.equal(yield* thrownBy(writer.drain()), 'Error: Connection lost');
    },
  );

  test('is named by the report of a deadlock', async () => {
    const error = await errorOf(() =>
      runVirtually(async () => {
        const { writer } = connected(1);
        writer.write(bytes('12'));
        try {
          await writer.drain();
        } finally {
          writer.close();
        }
      }),
    );
    assert.ok(error instanceof DeadlockError);
    assert.match(error.message, /<StreamReaderProtocol paused>/);
  });
});

describe('StreamReaderProtocol', () => {
  test('belongs to the running loop, to the chosen one, or to that of its argument', async () => {
    assert.throws(() => new StreamReaderProtocol(null), { name: 'RuntimeError' });
    const loop = newEventLoop();
    new StreamReaderProtocol(new StreamReader(1, loop), null, loop);
    setEventLoop(loop);
    new StreamReaderProtocol(new StreamReader());
    setEventLoop(null);
    loop.close();
    await runVirtually(async () => {
      new StreamReaderProtocol(null).connectionLost(null);
    });
  });

  test('is paused and resumed in turn, which debug mode notes', async () => {
    const logged = await logOf(() =>
      runVirtually(
        async () => {
          const { protocol, writer } = connected();
          assert.throws(() => protocol.resumeWriting(), { name: 'AssertionError' });
          protocol.pauseWriting();
          assert.equal(String(protocol), '<StreamReaderProtocol paused>');
          assert.throws(() => protocol.pauseWriting(), { name: 'AssertionError' });
          protocol.resumeWriting();
          writer.close();
        },
        { debug: true },
      ),
    );
    assert.deepEqual(
      logged.filter((line) => line.includes('writing')),
      [
        'debug: <StreamReaderProtocol paused> pauses writing',
        'debug: <StreamReaderProtocol> resumes writing',
      ],
    );
  });

  test('P40: a slow reader bounds what is buffered to twice the limit and a chunk', async () => {
    await runVirtually(async () => {
      const { reader, writer, transport, protocol } = connected();
      const chunk = Buffer.alloc(10_000);
      let most = 0;
      const sending = createTask(async () => {
        for (let sent = 0; sent < 2000; ) {
          for (; sent < 2000 && !transport.isReadingPaused; sent++) protocol.dataReceived(chunk);
          most = Math.max(most, Number(/(\d+) bytes/.exec(String(reader))?.[1] ?? 0));
          await sleep(0.5);
        }
        protocol.eofReceived();
      });
      let received = 0;
      for (;;) {
        const { length } = await reader.read(30_000);
        if (length === 0) break;
        received += length;
        await sleep(1);
      }
      await sending;
      assert.equal(received, 20_000_000);
      assert.ok(most > 2 * 65_536 && most <= 2 * 65_536 + chunk.length, String(most));
      writer.close();
    });
  });
});

describe('StreamWriter.waitClosed', () => {
  inBothStyles('waits until the connection is lost', function* (style) {
    const { writer } = connected();
    const order: string[] = [];
    const task = style.task(function* (): Steps<void> {
      yield* on(writer.waitClosed());
      order.push('closed');
    });
    yield* turns(3);
    order.push('close');
    writer.close();
    yield* on(task);
    assert.deepEqual(order, ['close', 'closed']);
    yield* on(writer.waitClosed());
  });

  inBothStyles(
    'P45: throws the error of the connection to everybody who asks; nobody has to',
    function* (style) {
      const { writer, transport } = connected();
      const tasks = [1, 2].map(() => style.task(() => thrownBy(writer.waitClosed())));
      yield* turns();
      transport.lose(reset());
      for (const task of tasks) assert.equal(yield* on(task), 'Error: read ECONNRESET');
      assert.equal(yield* thrownBy(writer.waitClosed()), 'Error: read ECONNRESET');
      const ignored = connected();
      ignored.transport.lose(reset());
      yield* turns(3);
    },
  );

  inBothStyles('D2: cancelling one wait leaves the others alone', function* (style) {
    const { writer } = connected();
    const [first, second] = [1, 2].map(() => style.task(() => on(writer.waitClosed())));
    yield* turns();
    first?.cancel();
    yield* turns(2);
    assert.equal(first?.cancelled(), true);
    assert.equal(second?.done(), false);
    assert.match(yield* thrownBy(waitFor(writer.waitClosed(), 1)), /^TimeoutError/);
    writer.close();
    yield* on(second as PromiseLike<void>);
    yield* on(writer.waitClosed());
  });

  inBothStyles('P42: bytes that came before the close can still be read', function* () {
    const { reader, writer, protocol } = connected();
    protocol.dataReceived(bytes('left'));
    writer.close();
    yield* on(writer.waitClosed());
    assert.equal(String(yield* on(reader.read())), 'left');
    assert.equal(String(yield* on(reader.read(1))), '');
    assert.equal(reader.atEof(), true);
  });

  inBothStyles('P42: the end may come before, and while, it closes', function* () {
    const { reader, writer, protocol } = connected();
    assert.equal(protocol.eofReceived(), true);
    writer.close();
    yield* on(writer.waitClosed());
    assert.equal(String(yield* on(reader.read())), '');
  });

  inBothStyles('H37: a read ends when the connection does', function* (style) {
    const { reader, writer } = connected();
    const task = style.task(() => on(reader.readline()));
    yield* turns();
    writer.close();
    assert.equal(String(yield* on(task)), '');
  });
});

describe('StreamWriter[Symbol.asyncDispose]', () => {
  inBothStyles('closes, and waits until it is closed', function* () {
    const { writer, transport } = connected();
    yield* on(writer[Symbol.asyncDispose]());
    assert.deepEqual(transport.calls, ['close']);
    assert.equal(yield* thrownBy(writer.drain()), 'Error: Connection lost');
  });

  inBothStyles('does not mind a broken connection, but other errors', function* () {
    const broken = connected();
    broken.transport.lose(reset());
    yield* on(broken.writer[Symbol.asyncDispose]());
    const failed = connected();
    failed.transport.lose(new RangeError('ours'));
    assert.equal(yield* thrownBy(failed.writer[Symbol.asyncDispose]()), 'RangeError: ours');
  });
});

describe('a StreamWriter that is collected', () => {
  const program = (rest: string): string => `
    import { MemoryTransport } from '${new URL('../support/memory-transport.js', import.meta.url).href}';
    const collect = async () => { for (let i = 0; i < 5; i++) { await new Promise((r) => setTimeout(r, 5)); gc(); } };
    let transport;
    function connect(close) {
      const reader = new asyncio.StreamReader();
      const protocol = new asyncio.StreamReaderProtocol(reader);
      transport = new MemoryTransport(protocol);
      protocol.connectionMade(transport);
      const writer = new asyncio.StreamWriter(transport, protocol, reader, asyncio.getRunningLoop());
      if (close) writer.close();
    }
    ${rest}`;

  test('H33: while open is warned about, and closed', async () => {
    const { stdout, stderr } = await runProgram(
      program(`await asyncio.run(async () => {
        connect(false);
        await asyncio.fromPromise(collect());
        console.log(transport.calls.join());
      });`),
      { flags: ['--expose-gc'] },
    );
    assert.equal(stdout, 'close\n');
    assert.equal(
      stderr,
      'ResourceWarning: unclosed <StreamWriter transport=<MemoryTransport> reader=<StreamReader transport=<MemoryTransport>>>\n',
    );
  });

  test('after its loop was closed is warned about; a closed one is not', async () => {
    const { stdout, stderr } = await runProgram(
      program(`await asyncio.run(async () => { connect(true); await asyncio.fromPromise(collect()); });
      console.log(transport.calls.join());
      await asyncio.run(async () => { connect(false); });
      await collect();
      console.log(transport.calls.join());`),
      { flags: ['--expose-gc'] },
    );
    assert.equal(stdout, 'close\n\n');
    assert.equal(stderr, 'ResourceWarning: loop is closed\n');
  });
});

/** A loop whose connections are in memory, each with the last server that was made. */
class MemoryLoop extends VirtualEventLoop {
  readonly asked: unknown[][] = [];
  readonly transports: MemoryTransport[] = [];
  #accept: (() => Protocol) | null = null;

  #pair<P extends Protocol>(factory: () => P): [MemoryTransport, P] {
    const client = factory();
    const server = this.#accept?.() ?? null;
    const clientTransport = new MemoryTransport(client);
    this.transports.push(clientTransport);
    this.callSoon(() => client.connectionMade(clientTransport));
    if (server !== null) {
      const serverTransport = new MemoryTransport(server);
      this.transports.push(serverTransport);
      join(clientTransport, serverTransport);
      this.callSoon(() => server.connectionMade(serverTransport));
    }
    return [clientTransport, client];
  }

  constructor() {
    super();
    // In place of the methods of the loop that use sockets.
    Object.assign(this, {
      createConnection: this.#client('createConnection'),
      createUnixConnection: this.#client('createUnixConnection'),
      createServer: this.#server('createServer'),
      createUnixServer: this.#server('createUnixServer'),
      startTls: coroutine(async (transport: MemoryTransport, protocol: Protocol, ...rest: unknown[]) => {
        this.asked.push(['startTls', transport, ...rest]);
        return new MemoryTransport(protocol, { sslcontext: 'context' });
      }),
    });
  }

  #client(name: string) {
    return coroutine(async (factory: () => Protocol, ...rest: unknown[]) => {
      this.asked.push([name, ...rest]);
      const pair = this.#pair(factory);
      await sleep(0);
      return pair;
    });
  }

  #server(name: string) {
    return coroutine(async (factory: () => Protocol, ...rest: unknown[]) => {
      this.asked.push([name, ...rest]);
      this.#accept = factory;
      return { close() {} };
    });
  }
}

/** What one writes, the other reads; what one closes, both lose. */
function join(one: MemoryTransport, other: MemoryTransport): void {
  const loop = getRunningLoop();
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    const lose = from.lose.bind(from);
    from.write = (data) => void loop.callSoon(() => to.getProtocol().dataReceived(Buffer.from(data)));
    from.lose = (error) => {
      if (from.isClosing()) return;
      lose(error);
      loop.callSoon(() => to.lose(null));
    };
  }
}

function inMemory(main: (loop: MemoryLoop, reports: ExceptionContext[]) => Promise<void>): Promise<void> {
  return run(
    async () => {
      const loop = getRunningLoop() as MemoryLoop;
      const reports: ExceptionContext[] = [];
      loop.setExceptionHandler((_loop: AbstractEventLoop, context) => void reports.push(context));
      await main(loop, reports);
    },
    { loopFactory: () => new MemoryLoop() },
  );
}

describe('openConnection, startServer', () => {
  const echo = async (reader: StreamReader, writer: StreamWriter): Promise<void> => {
    for await (const line of reader) {
      writer.write(line);
      await writer.drain();
    }
    await writer[Symbol.asyncDispose]();
  };

  test('connect two pairs of streams, by TCP and by a path', async () => {
    await inMemory(async (loop, reports) => {
      await startServer(echo, 'localhost', 80, { limit: 5, backlog: 3 });
      const [reader, writer] = await openConnection('localhost', 80, { limit: 7, family: 4 });
      writer.write(bytes('hello\n'));
      assert.equal(String(await reader.readline()), 'hello\n');
      assert.match(String(reader), /limit=7/);
      writer.close();
      await writer.waitClosed();
      await startUnixServer(echo, '/path', { backlog: 4 });
      const [reader2, writer2] = await openUnixConnection('/path');
      writer2.write(bytes('hi\n'));
      assert.equal(String(await reader2.readline()), 'hi\n');
      await writer2[Symbol.asyncDispose]();
      await sleep(1);
      assert.deepEqual(loop.asked, [
        ['createServer', 'localhost', 80, { backlog: 3 }],
        ['createConnection', 'localhost', 80, { family: 4 }],
        ['createUnixServer', '/path', { backlog: 4 }],
        ['createUnixConnection', '/path', {}],
      ]);
      assert.deepEqual(reports, []);
    });
  });

  test('are coroutines, which do nothing before they are awaited', async () => {
    await inMemory(async (loop) => {
      openConnection('nowhere', 1).close();
      assert.deepEqual(loop.asked, []);
      await assert.rejects(async () => await startServer(undefined as never), {
        name: 'TypeError',
        message: 'clientConnectedCb must be a function, got undefined',
      });
      await assert.rejects(async () => await openConnection('x', 1, { limit: 0 }), { name: 'RangeError' });
    });
  });

  const failures: [
    string,
    (reader: StreamReader, writer: StreamWriter) => Gen<void> | Promise<void> | void,
  ][] = [
    ['async', async () => Promise.reject(new RangeError('mine'))],
    [
      'generator',
      function* (reader) {
        yield* reader.readline();
        throw new RangeError('mine');
      },
    ],
    [
      'plain',
      () => {
        throw new RangeError('mine');
      },
    ],
  ];
  for (const [kind, callback] of failures) {
    test(`report the error of a callback, and close its connection (${kind})`, async () => {
      await inMemory(async (loop, reports) => {
        await startServer(callback);
        const [reader, writer] = await openConnection();
        writer.write(bytes('go\n'));
        assert.equal(String(await reader.read()), '');
        assert.deepEqual(
          reports.map(({ message, exception, transport }) => [message, String(exception), transport]),
          [['Unhandled exception in clientConnectedCb', 'RangeError: mine', loop.transports[1]]],
        );
        await writer[Symbol.asyncDispose]();
      });
    });
  }

  test('close the connection of a callback that is cancelled, silently', async () => {
    await inMemory(async (_loop, reports) => {
      await startServer(async (reader) => {
        currentTask()?.cancel();
        await reader.readline();
      });
      const [reader, writer] = await openConnection();
      assert.equal(String(await reader.read()), '');
      assert.deepEqual(reports, []);
      await writer[Symbol.asyncDispose]();
    });
  });

  test('leave the connection open when a callback ends, of any kind', async () => {
    await inMemory(async (loop, reports) => {
      const writers: StreamWriter[] = [];
      const keep = (writer: StreamWriter): void => void writers.push(writer);
      const callbacks = [
        (_reader: StreamReader, writer: StreamWriter) => keep(writer),
        async (_reader: StreamReader, writer: StreamWriter) => keep(writer),
        function* (_reader: StreamReader, writer: StreamWriter): Gen<void> {
          keep(writer);
        },
      ];
      for (const callback of callbacks) {
        await startServer(callback);
        const [reader, writer] = await openConnection();
        await sleep(1);
        assert.equal(writers.at(-1)?.isClosing(), false);
        writers.at(-1)?.write(bytes('late\n'));
        assert.equal(String(await reader.readline()), 'late\n');
        await writer[Symbol.asyncDispose]();
      }
      assert.deepEqual(reports, []);
      assert.equal(loop.transports.length, 6);
    });
  });
});

describe('StreamWriter.startTls', () => {
  test('H48: drains, and moves reader, writer and protocol to the new transport', async () => {
    await inMemory(async (loop) => {
      const [reader, writer] = await openConnection();
      const [raw] = loop.transports;
      reader.feedData(Buffer.alloc(200_000));
      assert.deepEqual(raw?.calls, ['pauseReading']);
      await writer.startTls('context' as never, { serverHostname: 'host' });
      assert.deepEqual(loop.asked[1], [
        'startTls',
        raw,
        'context',
        { serverHostname: 'host', serverSide: false },
      ]);
      assert.notEqual(writer.transport, raw);
      assert.equal(writer.getExtraInfo('sslcontext'), 'context');
      reader.feedData(Buffer.alloc(1));
      assert.deepEqual((writer.transport as MemoryTransport).calls, ['pauseReading']);
      assert.equal((writer.transport as MemoryTransport).getProtocol().eofReceived(), false);
      raw?.close();
      writer.close();
    });
  });

  test('is the server of a connection that a server accepted', async () => {
    await inMemory(async (loop) => {
      const done = loop.createFuture<void>();
      await startServer(async (_reader, writer) => {
        await writer.startTls('context' as never);
        writer.close();
        done.setResult();
      });
      const [, writer] = await openConnection();
      await done;
      assert.deepEqual(loop.asked[2]?.slice(2), ['context', { serverSide: true }]);
      await writer[Symbol.asyncDispose]();
      loop.transports[1]?.close();
    });
  });
});

describe('streams of the web', () => {
  test('become a StreamReader, a chunk at a time', async () => {
    await runVirtually(async () => {
      let pulled = 0;
      const source = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            if (pulled++ < 3) controller.enqueue(bytes(`line${pulled}\nx`));
            else controller.close();
          },
        },
        { highWaterMark: 0 },
      );
      const reader = StreamReader.fromWeb(source, { limit: 10 });
      assert.equal(String(await reader.readline()), 'line1\n');
      await sleep(1);
      assert.equal(pulled, 1);
      const lines: string[] = [];
      for await (const line of reader) lines.push(String(line));
      assert.deepEqual(lines, ['xline2\n', 'xline3\n', 'x']);
      assert.equal(reader.atEof(), true);
    });
  });

  test('end a reader with their error, and with what is no byte', async () => {
    await runVirtually(async () => {
      const failed = new ReadableStream<Uint8Array>({
        pull(controller) {
          controller.error(new RangeError('broken'));
        },
      });
      await assert.rejects(async () => await StreamReader.fromWeb(failed).read(), { message: 'broken' });
      const wrong = new ReadableStream<never>({
        start(controller) {
          controller.enqueue(1 as never);
        },
      });
      await assert.rejects(async () => await StreamReader.fromWeb(wrong).read(1), { name: 'TypeError' });
    });
  });

  test('are made of a reader, which is read when they are', async () => {
    await runVirtually(async () => {
      const reader = new StreamReader();
      reader.feedData(bytes('ab'));
      reader.feedData(bytes('cd'));
      const web = reader.toWeb().getReader();
      assert.equal(String(reader), '<StreamReader 4 bytes>');
      assert.equal(String((await fromPromise(web.read())).value), 'ab');
      assert.equal(String(reader), '<StreamReader 2 bytes>');
      assert.equal(String((await fromPromise(web.read())).value), 'cd');
      const last = web.read();
      await sleep(1);
      reader.feedEof();
      assert.equal((await fromPromise(last)).done, true);
    });
  });

  test('give the waiting read back when they are cancelled', async () => {
    await runVirtually(async () => {
      const reader = new StreamReader();
      const web = reader.toWeb().getReader();
      const waiting = web.read();
      await sleep(1);
      await fromPromise(web.cancel());
      assert.equal((await fromPromise(waiting)).done, true);
      await sleep(1);
      reader.feedData(bytes('x'));
      assert.equal(String(await reader.read(1)), 'x');
    });
  });

  test('are made of a writer, and wait while it has no room', async () => {
    await runVirtually(async () => {
      const { writer, transport } = connected(4);
      const web = writer.toWeb().getWriter();
      await fromPromise(web.write(bytes('abcd')));
      let isWritten = false;
      const writing = web.write(bytes('e')).then(() => {
        isWritten = true;
      });
      await sleep(1);
      assert.equal(isWritten, false);
      transport.flush();
      await fromPromise(writing);
      await fromPromise(web.close());
      assert.deepEqual([transport.text, transport.calls], ['abcde', ['writeEof']]);
      writer.close();

      const whole = connected();
      whole.transport.canHalfClose = false;
      await fromPromise(whole.writer.toWeb().getWriter().close());
      assert.deepEqual(whole.transport.calls, ['close']);

      const aborted = connected();
      await fromPromise(aborted.writer.toWeb().abort());
      assert.deepEqual(aborted.transport.calls, ['abort']);
    });
  });
});

describe('streams of Node', () => {
  test('become a StreamReader', async () => {
    await runVirtually(async () => {
      const reader = StreamReader.fromNode(Readable.from(['one\n', bytes('two\n'), '', 'three']));
      const lines: string[] = [];
      for await (const line of reader) lines.push(String(line));
      assert.deepEqual(lines, ['one\n', 'two\n', 'three']);
      const failed = new Readable({
        read() {
          this.destroy(new RangeError('broken'));
        },
      });
      await assert.rejects(async () => await StreamReader.fromNode(failed).read(), { message: 'broken' });
    });
  });

  test('are made of both streams, and a pipeline goes through them', async () => {
    await runVirtually(async () => {
      const source = new StreamReader(16);
      const { writer, transport } = connected(8);
      const feeding = createTask(async () => {
        for (let i = 0; i < 50; i++) {
          source.feedData(bytes(`${i},`));
          await sleep(0.1);
          transport.flush();
        }
        source.feedEof();
        for (let i = 0; i < 10; i++) {
          await sleep(0.1);
          transport.flush();
        }
      });
      await fromPromise(pipeline(source.toNode(), writer.toNode()));
      await feeding;
      assert.equal(transport.text, `${[...Array(50).keys()].join(',')},`);
      assert.deepEqual(transport.calls, ['writeEof']);
      writer.close();
    });
  });

  test('abort the connection when they are destroyed by an error', async () => {
    await runVirtually(async () => {
      const { writer, reader, transport } = connected();
      const node = writer.toNode();
      node.on('error', () => {});
      node.destroy(new Error('enough'));
      const readable = reader.toNode();
      readable.on('error', () => {});
      readable.resume();
      await sleep(1);
      readable.destroy();
      await sleep(1);
      assert.deepEqual(transport.calls, ['abort']);
    });
  });
});
