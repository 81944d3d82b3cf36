import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { ReadableStream } from 'node:stream/web';
import { describe, it } from 'node:test';
import {
  createTask,
  type Gen,
  IncompleteReadError,
  LimitOverrunError,
  run,
  RuntimeError,
  sleep,
} from 'asyncio-ts';
import {
  ClientPayloadError,
  type ClientResponse,
  ClientSession,
  DataQueue,
  EMPTY_PAYLOAD,
  EofStream,
  type HttpChunk,
  type StreamReader,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serveRaw } from './servers.ts';

/** What the test sends to a response whose head is there, piece by piece. */
class Body {
  readonly content: StreamReader;
  readonly response: ClientResponse;
  readonly #socket: Socket;
  readonly #isChunked: boolean;

  constructor(response: ClientResponse, socket: Socket, isChunked: boolean) {
    this.response = response;
    this.content = response.content;
    this.#socket = socket;
    this.#isChunked = isChunked;
  }

  /** Send it, and wait until it is here. */
  async send(...texts: string[]): Promise<void> {
    const before = this.content.totalRawBytes;
    for (const text of texts) this.#socket.write(this.#isChunked ? chunk(text) : text);
    const size = texts.join('').length;
    while (this.content.totalRawBytes < before + size) await sleep(0);
  }

  async sendRaw(text: string): Promise<void> {
    this.#socket.write(text);
    await sleep(0.005);
  }

  /** Send the end, and wait until it is here. */
  async end(): Promise<void> {
    if (this.#isChunked) this.#socket.write('0\r\n\r\n');
    else this.#socket.end();
    while (!this.content.isEof() && this.content.exception() === null) await sleep(0);
  }

  async breakOff(): Promise<void> {
    this.#socket.destroy();
    while (this.content.exception() === null) await sleep(0);
  }
}

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

function withBody(
  use: (body: Body) => Promise<void>,
  { isChunked = true, readBufsize = 2 ** 16 } = {},
): () => Promise<void> {
  return () =>
    run(async () => {
      let socket: Socket | undefined;
      await using site = await serveRaw((one) => {
        socket = one;
        one.setNoDelay();
        one.write(`HTTP/1.1 200 OK\r\n${isChunked ? 'Transfer-Encoding: chunked\r\n' : ''}\r\n`);
      });
      await using session = new ClientSession(null, { readBufsize });
      const response = await session.get(site.url);
      await use(new Body(response, socket as Socket, isChunked));
      response.close();
    });
}

const bodyOf = (response: ClientResponse): ReadableStream<Uint8Array> =>
  response.toWeb().body as ReadableStream<Uint8Array>;

const text = (data: Buffer | HttpChunk): string => (Buffer.isBuffer(data) ? data : data[0]).toString();

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

describe('StreamReader.read', () => {
  it(
    'gives at most so many bytes, as soon as there is one, and all up to the end',
    withBody(async (body) => {
      const { content } = body;
      assert.equal((await content.read(0)).length, 0);
      await body.send('abc', 'def');
      assert.equal(text(await content.read(2)), 'ab');
      assert.equal(text(await content.read(3)), 'cde');
      assert.equal(text(await content.read(100)), 'f');
      const waiting = createTask(content.read(2));
      await sleep(0);
      await body.send('ghi');
      assert.equal(text(await waiting), 'gh');
      const rest = createTask(content.read());
      await body.send('jkl');
      await body.end();
      assert.equal(text(await rest), 'ijkl');
      assert.equal((await content.read()).length, 0);
      assert(content.isEof() && content.atEof());
    }),
  );

  it(
    'loses nothing when it is cancelled',
    withBody(async (body) => {
      const { content } = body;
      for (const start of [() => content.read(), () => content.readexactly(100), () => content.readline()]) {
        const task = createTask(start());
        await sleep(0);
        await body.send('ab');
        task.cancel();
        await assert.rejects(task.toPromise(), { name: 'CancelledError' });
      }
      assert.equal(text(await content.readany()), 'ababab');
    }),
  );

  it(
    'is for one at a time',
    withBody(async (body) => {
      const { content } = body;
      const first = createTask(content.read(1));
      await sleep(0);
      for (const [name, read] of [
        ['read', () => content.read(1)],
        ['read', () => content.read()],
        ['readuntil', () => content.readline()],
        ['readexactly', () => content.readexactly(2)],
        ['readchunk', () => content.readchunk()],
      ] as const) {
        await assert.rejects(createTask(read() as never).toPromise(), {
          message: `${name}() called while another coroutine is already waiting for incoming data`,
        });
      }
      assert.throws(() => content.readNowait(), {
        message: 'Called while some coroutine is waiting for incoming data.',
      });
      assert.throws(() => content.readNowait(), RuntimeError);
      await body.send('x');
      assert.equal(text(await first), 'x');
    }),
  );

  it(
    'works in generators, too',
    withBody(async (body) => {
      await body.send('one\ntwo\nthree');
      await body.end();
      const { content } = body;
      const lines = await createTask(function* (): Gen<string[]> {
        const found = [text(yield* content.readline())];
        const iterator = content[Symbol.asyncIterator]();
        for (let next = yield* iterator.next(); next.done !== true; next = yield* iterator.next()) {
          found.push(text(next.value));
        }
        return found;
      });
      assert.deepEqual(lines, ['one\n', 'two\n', 'three']);
    }),
  );
});

describe('StreamReader.readexactly', () => {
  it(
    'gives that many bytes, or the error with those that there were',
    withBody(
      async (body) => {
        const { content } = body;
        const waiting = createTask(content.readexactly(5));
        await body.send('ab');
        await body.send('cdefg');
        assert.equal(text(await waiting), 'abcde');
        assert.equal((await content.readexactly(0)).length, 0);
        // More than would otherwise be let in.
        const large = createTask(content.readexactly(300));
        await body.send('x'.repeat(298));
        assert.equal((await large).length, 300);
        await body.send('end');
        await body.end();
        await assert.rejects(createTask(content.readexactly(4)).toPromise(), (error) => {
          assert(error instanceof IncompleteReadError);
          assert.deepEqual([Buffer.from(error.partial).toString(), error.expected], ['end', 4]);
          return true;
        });
      },
      { readBufsize: 16 },
    ),
  );
});

describe('StreamReader.readline and readuntil', () => {
  it(
    'give what is up to the separator, however it is cut, and the rest at the end',
    withBody(async (body) => {
      const { content } = body;
      await body.send('one\ntw', 'o', '\n', '\nlast');
      assert.deepEqual(
        [text(await content.readline()), text(await content.readline()), text(await content.readline())],
        ['one\n', 'two\n', '\n'],
      );
      const waiting = createTask(content.readuntil('-END-'));
      await body.send('-EN', 'D', '-EN');
      await body.send('D-more');
      assert.equal(text(await waiting), 'last-END-EN'.slice(0, 4) + '-END-');
      assert.equal(text(await content.readuntil(Buffer.from('D-'))), 'END-');
      await body.end();
      assert.equal(text(await content.readline()), 'more');
      assert.equal((await content.readline()).length, 0);
      await assert.rejects(createTask(content.readuntil('')).toPromise(), {
        name: 'RangeError',
        message: 'Separator should be at least one-byte string',
      });
    }),
  );

  it(
    'refuse a line that is too long',
    withBody(
      async (body) => {
        const { content } = body;
        await body.send('0123456789\nshort\n');
        await assert.rejects(createTask(content.readline({ maxLineLength: 8 })).toPromise(), (error) => {
          assert(error instanceof LimitOverrunError);
          assert.equal(
            error.message,
            "400, message: Got more than 8 bytes when reading: b'0123456789\\n...'.",
          );
          return true;
        });
        assert.equal(text(await content.readline()), 'short\n');
        const waiting = createTask(content.readuntil('\n'));
        await body.send('x'.repeat(33));
        await assert.rejects(waiting.toPromise(), LimitOverrunError);
      },
      { readBufsize: 16 },
    ),
  );

  it(
    'for await gives the lines, and a loop that is left loses nothing',
    withBody(async (body) => {
      await body.send('one\ntwo\nthree\nfour');
      await body.end();
      const { content } = body;
      for await (const line of content) if (text(line) === 'two\n') break;
      assert.equal(text(await content.read(3)), 'thr');
      for await (const piece of content.iterChunked(2)) {
        assert.equal(text(piece), 'ee');
        break;
      }
      assert.deepEqual((await all(content)).map(text), ['\n', 'four']);
    }),
  );
});

describe('StreamReader.readchunk', () => {
  it(
    'gives the chunks as the server made them',
    withBody(async (body) => {
      const { content } = body;
      await body.send('one', 'two');
      await body.sendRaw('5\r\nth');
      await body.sendRaw('ree\r\n4\r\nfour\r\n');
      await body.end();
      const chunks = await all(content.iterChunks());
      assert.deepEqual(
        chunks.map(([data, isEnd]) => [data.toString(), isEnd]),
        [
          ['one', true],
          ['two', true],
          ['three', true],
          ['four', true],
        ],
      );
    }),
  );

  it(
    'gives a chunk in parts while it comes, and tells its end when it knows',
    withBody(async (body) => {
      const { content } = body;
      const next = async (): Promise<[string, boolean]> => {
        const [data, isEnd] = await content.readchunk();
        return [data.toString(), isEnd];
      };
      await body.sendRaw('6\r\nabc');
      assert.deepEqual(await next(), ['abc', false]);
      await body.sendRaw('def');
      assert.deepEqual(await next(), ['def', false]);
      await body.sendRaw('\r\n');
      assert.deepEqual(await next(), ['', true]);
      await body.sendRaw('3\r\n');
      await body.sendRaw('ghi');
      await body.sendRaw('\r\n2\r\n');
      await body.sendRaw('jk');
      assert.deepEqual(await next(), ['ghi', true]);
      assert.equal(text(await content.read(1)), 'j');
      await body.sendRaw('\r\n');
      await body.end();
      assert.deepEqual(await next(), ['k', true]);
      assert.deepEqual(await next(), ['', false]);
    }),
  );

  it(
    'of a body without chunks gives it as it comes',
    withBody(
      async (body) => {
        await body.send('one');
        assert.deepEqual(await body.content.readchunk(), [Buffer.from('one'), false]);
        await body.send('two');
        await body.end();
        assert.deepEqual((await all(body.content.iterChunks())).map(text), ['two']);
      },
      { isChunked: false },
    ),
  );
});

describe('StreamReader', () => {
  it(
    'gives what is there without waiting, and takes it back',
    withBody(async (body) => {
      const { content } = body;
      assert.equal(content.readNowait().length, 0);
      await body.send('abcdef');
      assert.equal(text(content.readNowait(2)), 'ab');
      content.unreadData(Buffer.from('AB'));
      content.unreadData(Buffer.alloc(0));
      assert.equal(text(await content.read(3)), 'ABc');
      assert.equal(text(content.readNowait()), 'def');
    }),
  );

  it(
    'frees the memory of no bytes that somebody has',
    withBody(async (body) => {
      const { content } = body;
      const large = 'b'.repeat(60_000);
      await body.send('a'.repeat(40_000));
      const first = content.readNowait(20_000);
      await body.send(large);
      const own = Buffer.alloc(70_000, 'o');
      const rest = content.readNowait();
      content.unreadData(rest);
      content.unreadData(own);
      const whole = await content.readexactly(150_000);
      assert.equal(text(whole), 'o'.repeat(70_000) + 'a'.repeat(20_000) + large);
      assert.equal(text(first), 'a'.repeat(20_000));
      assert.equal(text(rest), 'a'.repeat(20_000) + large);
      assert.equal(text(own), 'o'.repeat(70_000));
    }),
  );

  it(
    'waits for the end',
    withBody(async (body) => {
      const waiting = createTask(body.content.waitEof());
      await body.send('abc');
      assert(!waiting.done());
      await body.end();
      await waiting;
      await body.content.waitEof();
      assert.equal(text(await body.content.read()), 'abc');
      assert.equal(body.content.totalRawBytes, 3);
    }),
  );

  it(
    'gives its error to all that read and wait, and says what it is',
    withBody(async (body) => {
      const { content } = body;
      assert.equal(content.exception(), null);
      const waiting = createTask(content.waitEof());
      const reading = createTask(content.read());
      await body.send('abc');
      await body.breakOff();
      assert(content.exception() instanceof ClientPayloadError);
      assert.match(String(content), /^<StreamReader e=ClientPayloadError: /);
      for (const read of [
        () => waiting.toPromise(),
        () => reading.toPromise(),
        () => createTask(content.readany()).toPromise(),
        () => createTask(content.readline()).toPromise(),
        () => createTask(content.readexactly(1)).toPromise(),
        () => createTask(content.readchunk()).toPromise(),
        () => createTask(content.waitEof()).toPromise(),
      ]) {
        await assert.rejects(read, ClientPayloadError);
      }
      assert.throws(() => content.readNowait(), ClientPayloadError);
    }),
  );

  it('CVE-2025-69229: of very many tiny chunks takes no time for each that grows with them', () =>
    run(async () => {
      const count = 200_000;
      await using site = await serveRaw((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        socket.write(`${'1\r\nx\r\n'.repeat(count)}0\r\n\r\n`);
      });
      await using session = new ClientSession(site.url);
      const start = process.cpuUsage();
      assert.equal((await session.get('').run((response) => response.read())).length, count);
      let chunks = 0;
      await session.get('').run(async (response) => {
        for await (const [data, isEnd] of response.content.iterChunks()) {
          assert.equal(data.length, isEnd ? data.length : 1);
          chunks += data.length;
        }
      });
      let pieces = 0;
      await session.get('').run(async (response) => {
        for await (const piece of response.content.iterChunked(64)) pieces += piece.length;
      });
      assert.deepEqual([chunks, pieces], [count, count]);
      const { user } = process.cpuUsage(start);
      // Quadratic time would be minutes.
      assert(user < 30e6, `${user} µs`);
    }));

  it('as a stream of the web reads when it is read, and ends with an error or the end', () =>
    run(async () => {
      let sent = 0;
      const piece = Buffer.alloc(2 ** 16);
      await using site = await serveRaw((socket, head) => {
        const isBroken = head.startsWith('GET /broken');
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${isBroken ? 100 : 100 * piece.length}\r\n\r\n`);
        if (isBroken) {
          socket.end('half');
          return;
        }
        const more = (): void => {
          for (; sent < 100; ) {
            sent++;
            if (!socket.write(piece)) {
              socket.once('drain', more);
              return;
            }
          }
        };
        more();
      });
      await using session = new ClientSession(site.url);
      const response = await session.get('');
      const reader = bodyOf(response).getReader();
      let size = (await reader.read()).value?.length ?? 0;
      await sleep(0.05);
      assert(response.content.totalRawBytes < 50 * piece.length, 'it is held up');
      for (let next = await reader.read(); !next.done; next = await reader.read()) size += next.value.length;
      assert.equal(size, 100 * piece.length);
      const broken = await session.get('broken');
      const web = bodyOf(broken);
      await assert.rejects(async () => {
        const other = web.getReader();
        for (let next = await other.read(); !next.done; ) next = await other.read();
      }, ClientPayloadError);
      const left = await session.get('');
      await bodyOf(left).cancel();
      assert(left.closed);
    }));
});

describe('EMPTY_PAYLOAD', () => {
  it('is at its end', () =>
    run(async () => {
      assert(EMPTY_PAYLOAD.isEof() && EMPTY_PAYLOAD.atEof());
      assert.equal(EMPTY_PAYLOAD.exception(), null);
      assert.equal((await EMPTY_PAYLOAD.read()).length, 0);
      assert.equal((await EMPTY_PAYLOAD.readline()).length, 0);
      assert.deepEqual(await EMPTY_PAYLOAD.readchunk(), [Buffer.alloc(0), false]);
      assert.equal(EMPTY_PAYLOAD.readNowait().length, 0);
      await EMPTY_PAYLOAD.waitEof();
      assert.deepEqual(await all(EMPTY_PAYLOAD), []);
      await assert.rejects(createTask(EMPTY_PAYLOAD.readexactly(1)).toPromise(), IncompleteReadError);
    }));
});

describe('DataQueue', () => {
  it('gives its messages in order, then its end, to one reader', () =>
    run(async () => {
      const { getRunningLoop } = await import('asyncio-ts');
      const queue = new DataQueue<number>(getRunningLoop());
      const first = createTask(queue.read());
      await sleep(0);
      await assert.rejects(createTask(queue.read()).toPromise(), RuntimeError);
      queue.feedData(1);
      assert.equal(await first, 1);
      for (const message of [2, 3, 4, 5]) queue.feedData(message);
      assert.equal(queue.size, 4);
      assert.equal(await queue.read(), 2);
      queue.feedEof();
      assert(queue.isEof() && !queue.atEof());
      assert.deepEqual(await all(queue), [3, 4, 5]);
      assert(queue.atEof());
      await assert.rejects(createTask(queue.read()).toPromise(), EofStream);
    }));

  it('gives its error behind the last message, and nothing is lost by a cancellation', () =>
    run(async () => {
      const { getRunningLoop } = await import('asyncio-ts');
      const queue = new DataQueue<string>(getRunningLoop());
      const waiting = createTask(queue.read());
      await sleep(0);
      queue.feedData('kept');
      waiting.cancel();
      await assert.rejects(waiting.toPromise(), { name: 'CancelledError' });
      const error = new Error('gone');
      queue.setException(error);
      assert.equal(queue.exception(), error);
      assert.equal(await queue.read(), 'kept');
      await assert.rejects(createTask(queue.read()).toPromise(), error);
    }));
});
