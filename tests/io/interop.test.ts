/**
 * Beside programs that know nothing of the library: nc, openssl, curl, nginx, Redis. The requests are written by hand, so
 * that streams alone are what is tested.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  createSubprocessExec,
  createTask,
  type Coroutine,
  type Gen,
  gather,
  IncompleteReadError,
  openConnection,
  openUnixConnection,
  PIPE,
  type Server,
  sleep,
  startServer,
  startUnixServer,
  STDOUT,
  type StreamReader,
  type StreamWriter,
  timeout,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { cert, key } from '../http/certificate.ts';
import { find, newFolder, ProgramServer } from '../support/program-server.ts';
import { rounds } from '../support/rounds.ts';
import { on, type Steps, thrownBy } from '../support/styles.ts';
import { from, ioTest } from './peers.ts';
import { startFileServer, startRedis } from './programs.ts';

const MEGABYTE = 1024 * 1024;
const HOST = '127.0.0.1';
const ssl = { key, cert };
const trust = { ca: cert };
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const reversed = (text: string): string => text.split('').reverse().join('');
const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

const folder = newFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const newPath = (): string => path.join(folder, `${count++}.sock`);

const portOf = (server: Server): number => server.sockets[0]?.getsockname()[1] as number;

/** Run a program to its end: what it prints, complaints included, and its exit code. */
function* execute(
  program: string,
  args: readonly string[],
  input = bytes(''),
): Steps<[output: Buffer, code: number]> {
  const options = { stdin: PIPE, stdout: PIPE, stderr: STDOUT } as const;
  const process = yield* on(createSubprocessExec(find(program), args, options));
  const [output] = yield* on(waitFor(process.communicate(input), 8));
  return [output ?? bytes(''), process.returncode as number];
}

/** Run `body` with a server, which is ended whatever happens. */
function* using(
  start: () => Promise<ProgramServer>,
  body: (server: ProgramServer) => Steps<void>,
): Steps<void> {
  const server = yield* from(start());
  try {
    yield* body(server);
  } finally {
    yield* from(server[Symbol.asyncDispose]());
  }
}

function* close(server: Server): Steps<void> {
  server.close();
  yield* on(server.waitClosed());
}

/** A server's callback that answers each line with its letters in reverse, up to `quit`. */
function* reverse(reader: StreamReader, writer: StreamWriter): Gen<void> {
  for (;;) {
    const line = (yield* reader.readline()).toString().trimEnd();
    if (line === '' || line === 'quit') break;
    writer.write(bytes(`${reversed(line)}\n`));
    yield* writer.drain();
  }
  writer.close();
  yield* writer.waitClosed();
}

test('a program that is missing is named, with the way to get it', () => {
  assert.throws(() => find('no-such-program'), {
    message: /needs no-such-program: 'node scripts\/programs\.mjs'/,
  });
});

describe('a server for nc', () => {
  ioTest('answers line by line', function* () {
    const server = yield* on(startServer(reverse, HOST, 0));
    const lines = bytes('stressed\nlive\nquit\n');
    const [output, code] = yield* execute('nc', [HOST, String(portOf(server))], lines);
    assert.deepEqual([output.toString(), code], ['desserts\nevil\n', 0]);
    yield* close(server);
  });

  ioTest('reads a megabyte to its end, and answers in the other direction', function* () {
    const sums: string[] = [];
    const server = yield* on(
      startServer(
        function* (reader, writer) {
          const data = yield* reader.read();
          sums.push(sha(data));
          writer.write(data.subarray(0, 100_000));
          yield* writer.drain();
          writer.close();
        },
        HOST,
        0,
      ),
    );
    const data = randomBytes(MEGABYTE);
    const [output, code] = yield* execute('nc', ['-N', HOST, String(portOf(server))], data);
    assert.equal(code, 0);
    assert.deepEqual(sums, [sha(data)]);
    assert.ok(output.equals(data.subarray(0, 100_000)));
    yield* close(server);
  });

  ioTest('answers at a Unix socket', function* () {
    const place = newPath();
    const server = yield* on(startUnixServer(reverse, place));
    const [output, code] = yield* execute('nc', ['-U', place], bytes('stressed\nquit\n'));
    assert.deepEqual([output.toString(), code], ['desserts\n', 0]);
    yield* close(server);
  });

  ioTest('twenty at a time, each with its own connection', function* (style) {
    const server = yield* on(startServer(reverse, HOST, 0));
    const port = String(portOf(server));
    const tasks = Array.from({ length: 20 }, (_, i) =>
      style.task(() => execute('nc', [HOST, port], bytes(`${1000 + i}\nquit\n`))),
    );
    const answers = yield* on(gather(tasks));
    assert.deepEqual(
      answers.map(([output]) => output.toString()),
      tasks.map((_, i) => `${reversed(String(1000 + i))}\n`),
    );
    yield* close(server);
  });
});

describe('a client of nc', () => {
  ioTest('talks in both directions, and ends one after the other', function* () {
    const place = newPath();
    const options = { stdin: PIPE, stdout: PIPE } as const;
    const nc = yield* on(createSubprocessExec(find('nc'), ['-l', '-U', place], options));
    while (statSync(place, { throwIfNoEntry: false }) === undefined) yield* on(sleep(0.01));
    const [reader, writer] = yield* on(openUnixConnection(place));
    writer.write(bytes('from us\n'));
    assert.equal((yield* on(nc.stdout!.readline())).toString(), 'from us\n');
    nc.stdin!.write(bytes('from it\n'));
    assert.equal((yield* on(reader.readline())).toString(), 'from it\n');
    writer.writeEof();
    assert.equal((yield* on(nc.stdout!.read())).toString(), '');
    nc.stdin!.close();
    assert.equal((yield* on(reader.read())).toString(), '');
    assert.equal(yield* on(nc.wait()), 0);
    writer.close();
    yield* on(writer.waitClosed());
  });
});

describe('a server for openssl s_client', () => {
  const authority = ['-CAfile', path.join(folder, 'cert.pem'), '-verify_return_error'];

  ioTest('with each version of TLS that is still in use', function* () {
    const server = yield* on(startServer(reverse, HOST, 0, { ssl }));
    for (const version of ['-tls1_2', '-tls1_3']) {
      const args = ['s_client', '-connect', `${HOST}:${portOf(server)}`, version, '-quiet', ...authority];
      const [output, code] = yield* execute('openssl', args, bytes('stressed\nquit\n'));
      assert.match(output.toString(), /verify return:1[^]*\ndesserts\n/);
      assert.equal(code, 0);
    }
    yield* close(server);
  });

  ioTest('becomes encrypted in the middle, as SMTP does', function* () {
    const server = yield* on(
      startServer(
        function* (reader, writer) {
          writer.write(bytes('220 the test\r\n'));
          assert.match((yield* reader.readline()).toString(), /^EHLO /);
          writer.write(bytes('250-hello\r\n250 STARTTLS\r\n'));
          assert.equal((yield* reader.readline()).toString(), 'STARTTLS\r\n');
          writer.write(bytes('220 go on\r\n'));
          yield* writer.startTls(ssl);
          yield* reverse(reader, writer);
        },
        HOST,
        0,
      ),
    );
    const address = `${HOST}:${portOf(server)}`;
    const args = ['s_client', '-starttls', 'smtp', '-connect', address, '-quiet', ...authority];
    const [output, code] = yield* execute('openssl', args, bytes('stressed\nquit\n'));
    assert.match(output.toString(), /desserts\n/);
    assert.equal(code, 0);
    yield* close(server);
  });

  ioTest('a version that is too old is refused', function* () {
    const server = yield* on(startServer(reverse, HOST, 0, { ssl: { ...ssl, minVersion: 'TLSv1.3' } }));
    const args = ['s_client', '-connect', `${HOST}:${portOf(server)}`, '-tls1_2', '-quiet', ...authority];
    const [output, code] = yield* execute('openssl', args, bytes('stressed\n'));
    assert.match(output.toString(), /protocol version/);
    assert.equal(code, 1);
    yield* close(server);
  });
});

describe('a client of openssl s_server', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    ioTest(version, function* () {
      const flag = `-${version.toLowerCase().replace('v', '').replace('.', '_')}`;
      const start = (): Promise<ProgramServer> =>
        ProgramServer.start('openssl', 1, (_, [port]) =>
          `s_server -accept ${HOST}:${port} -key key.pem -cert cert.pem -rev ${flag}`.split(' '),
        );
      yield* using(start, function* (server) {
        const [reader, writer] = yield* on(openConnection(HOST, server.ports[0], { ssl: trust }));
        assert.equal(writer.getExtraInfo<string[]>('cipher')?.[1], version);
        writer.write(bytes('stressed\n'));
        assert.equal((yield* on(reader.readline())).toString(), 'desserts\n');
        writer.close();
        yield* on(writer.waitClosed());
      });
    });
  }
});

/** A server's callback: HTTP by hand, on connections that stay open. */
function* http(reader: StreamReader, writer: StreamWriter): Gen<void> {
  for (;;) {
    let head: string;
    try {
      head = (yield* reader.readuntil('\r\n\r\n')).toString('latin1');
    } catch (error) {
      assert.ok(error instanceof IncompleteReadError && error.partial.length === 0, String(error));
      break;
    }
    const [method, target] = head.split(' ');
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const body = yield* reader.readexactly(length);
    if (target === '/chunks') {
      writer.write(bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'));
      for (const chunk of ['one ', 'two ', 'three\n']) {
        writer.write(bytes(`${chunk.length.toString(16)}\r\n${chunk}\r\n`));
        yield* writer.drain();
        yield* sleep(0);
      }
      writer.write(bytes('0\r\n\r\n'));
    } else {
      const answer = method === 'POST' ? `${sha(body)}\n` : `${target}\n`;
      writer.write(bytes(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`));
    }
    yield* writer.drain();
  }
  writer.close();
  yield* writer.waitClosed();
}

describe('a server for curl', () => {
  for (const [scheme, options] of [['http', {}] as const, ['https', { ssl }] as const]) {
    /** Run curl against a server of our own; also how many connections it made. */
    function* curl(
      args: (url: string) => string[],
      input?: Buffer,
    ): Steps<[output: string, connections: number]> {
      let connections = 0;
      const counted = (reader: StreamReader, writer: StreamWriter): Gen<void> => {
        connections++;
        return http(reader, writer);
      };
      const server = yield* on(startServer(counted, HOST, 0, options));
      const always = ['-sS', '--noproxy', '*', '--max-time', '8', '--cacert', path.join(folder, 'cert.pem')];
      const url = `${scheme}://${HOST}:${portOf(server)}`;
      const [output, code] = yield* execute('curl', [...always, ...args(url)], input);
      assert.equal(code, 0, output.toString());
      yield* close(server);
      return [output.toString(), connections];
    }

    ioTest(`${scheme}: several requests over one connection`, function* () {
      const answer = yield* curl((url) => [`${url}/one`, `${url}/two`, `${url}/chunks`]);
      assert.deepEqual(answer, ['/one\n/two\none two three\n', 1]);
    });

    ioTest(`${scheme}: an upload of two megabytes`, function* () {
      const data = randomBytes(2 * MEGABYTE);
      const answer = yield* curl((url) => ['--data-binary', '@-', '-H', 'Expect:', `${url}/`], data);
      assert.deepEqual(answer, [`${sha(data)}\n`, 1]);
    });
  }
});

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
}

/** Send a request for `target`. */
function ask(writer: StreamWriter, target: string, headers = ''): void {
  writer.write(bytes(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`));
}

/** Read an answer by its length. */
function* answer(reader: StreamReader): Steps<Answer> {
  const head = (yield* on(reader.readuntil('\r\n\r\n'))).toString('latin1');
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
  return { status: Number(head.split(' ')[1]), head, body: yield* on(reader.readexactly(length)) };
}

describe('a client of nginx', () => {
  let nginx: ProgramServer;
  const large = randomBytes(32 * MEGABYTE);
  before(async () => {
    nginx = await startFileServer();
    writeFileSync(nginx.file('small.txt'), 'small\n');
    writeFileSync(nginx.file('large.bin'), large);
  });
  after(() => nginx?.[Symbol.asyncDispose]());

  const ways: Record<string, () => Coroutine<[StreamReader, StreamWriter]>> = {
    TCP: () => openConnection(HOST, nginx.ports[0]),
    TLS: () => openConnection('localhost', nginx.ports[1], { ssl: trust, family: 4 }),
    'a Unix socket': () => openUnixConnection(nginx.file('nginx.sock')),
  };
  for (const [way, connect] of Object.entries(ways)) {
    ioTest(`${way}: two requests over a connection that nginx then closes`, function* () {
      const [reader, writer] = yield* on(connect());
      ask(writer, '/small.txt');
      const first = yield* answer(reader);
      assert.deepEqual([first.status, first.body.toString()], [200, 'small\n']);
      ask(writer, '/missing', 'Connection: close\r\n');
      assert.equal((yield* answer(reader)).status, 404);
      assert.equal((yield* on(reader.read())).length, 0);
      assert.ok(reader.atEof());
      writer.close();
      yield* on(writer.waitClosed());
    });

    ioTest(`${way}: a hundred requests at once are answered in order`, function* () {
      const [reader, writer] = yield* on(connect());
      for (let i = 0; i < 100; i++) ask(writer, `/echo?text=${i}`);
      yield* on(writer.drain());
      for (let i = 0; i < 100; i++) {
        assert.equal((yield* answer(reader)).body.toString(), `GET ${i}`);
      }
      writer.close();
      yield* on(writer.waitClosed());
    });

    ioTest(`${way}: a large file, whole and in parts`, function* () {
      const [reader, writer] = yield* on(connect());
      ask(writer, '/large.bin');
      const { body } = yield* answer(reader);
      assert.equal(sha(body), sha(large));
      ask(writer, '/large.bin', 'Range: bytes=1000000-1999999\r\nConnection: close\r\n');
      const part = yield* answer(reader);
      assert.equal(part.status, 206);
      assert.ok(part.body.equals(large.subarray(1_000_000, 2_000_000)));
      writer.close();
      yield* on(writer.waitClosed());
    });

    ioTest(`${way}: who does not read makes nginx wait, and loses nothing`, function* () {
      const [reader, writer] = yield* on(connect());
      ask(writer, '/large.bin', 'Connection: close\r\n');
      yield* on(reader.readuntil('\r\n\r\n'));
      // Time enough for all of it; what is in our hands is twice the limit and a chunk at most.
      yield* on(sleep(0.2));
      const held = Number(/(\d+) bytes/.exec(String(reader))?.[1]);
      assert.ok(held > 0 && held <= 3 * 65_536, String(reader));
      const hash = createHash('sha256');
      for (;;) {
        const chunk = yield* on(reader.read(100_000));
        if (chunk.length === 0) break;
        hash.update(chunk);
      }
      assert.equal(hash.digest('hex'), sha(large));
      writer.close();
      yield* on(writer.waitClosed());
    });
  }

  ioTest('a download that takes too long is ended, and its connection is free to close', function* () {
    const [reader, writer] = yield* on(openConnection(HOST, nginx.ports[0]));
    ask(writer, '/slow/large.bin');
    yield* on(reader.readuntil('\r\n\r\n'));
    assert.match(yield* thrownBy(waitFor(reader.readexactly(large.length), 0.1)), /^TimeoutError/);
    // What has come in is still there.
    assert.ok((yield* on(reader.readexactly(1000))).equals(large.subarray(0, 1000)));
    writer.close();
    yield* on(writer.waitClosed());
  });

  ioTest('a certificate that nobody vouches for is refused', function* () {
    const refused = openConnection(HOST, nginx.ports[1], { ssl: true });
    assert.match(yield* thrownBy(refused), /self-signed certificate/);
  });

  ioTest('fifty connections side by side', function* (style) {
    const tasks = Array.from({ length: 50 }, (_, i) =>
      style.task(function* () {
        const [reader, writer] = yield* on(
          openConnection(HOST, nginx.ports[i % 2], i % 2 ? { ssl: trust } : {}),
        );
        ask(writer, `/echo?text=${i}`);
        const { body } = yield* answer(reader);
        writer.close();
        yield* on(writer.waitClosed());
        return body.toString();
      }),
    );
    const answers = yield* on(gather(tasks));
    assert.deepEqual(
      answers,
      tasks.map((_, i) => `GET ${i}`),
    );
  });
});

type Reply = string | number | null | Error | Reply[];

/** A connection to Redis: commands out, replies in, as its protocol has them. */
class Redis {
  readonly reader: StreamReader;
  readonly writer: StreamWriter;

  constructor([reader, writer]: [StreamReader, StreamWriter]) {
    this.reader = reader;
    this.writer = writer;
  }

  send(...words: (string | Buffer)[]): void {
    const parts = words.flatMap((word) => [
      bytes(`$${Buffer.byteLength(word)}\r\n`),
      Buffer.from(word),
      bytes('\r\n'),
    ]);
    this.writer.writelines([bytes(`*${words.length}\r\n`), ...parts]);
  }

  *reply(): Steps<Reply> {
    const line = (yield* on(this.reader.readuntil('\r\n'))).toString().slice(0, -2);
    const rest = line.slice(1);
    switch (line[0]) {
      case '+':
        return rest;
      case '-':
        return new Error(rest);
      case ':':
        return Number(rest);
      case '$': {
        if (rest === '-1') return null;
        const data = yield* on(this.reader.readexactly(Number(rest) + 2));
        return data.toString('latin1', 0, data.length - 2);
      }
      default: {
        if (rest === '-1') return null;
        const replies: Reply[] = [];
        for (let i = 0; i < Number(rest); i++) replies.push(yield* this.reply());
        return replies;
      }
    }
  }

  *call(...words: (string | Buffer)[]): Steps<Reply> {
    this.send(...words);
    yield* on(this.writer.drain());
    return yield* this.reply();
  }

  *close(): Steps<void> {
    this.writer.close();
    yield* on(this.writer.waitClosed());
  }
}

describe('a client of Redis', () => {
  let server: ProgramServer;
  before(async () => {
    server = await startRedis();
  });
  after(() => server?.[Symbol.asyncDispose]());

  const plain = () => openConnection(HOST, server.ports[0]);
  const ways: Record<string, () => Coroutine<[StreamReader, StreamWriter]>> = {
    TCP: plain,
    'a Unix socket': () => openUnixConnection(server.file('redis.sock')),
  };
  for (const [way, connect] of Object.entries(ways)) {
    ioTest(`${way}: a command and its reply, bytes of any kind`, function* () {
      const redis = new Redis(yield* on(connect()));
      assert.equal(yield* redis.call('PING'), 'PONG');
      const value = randomBytes(300_000);
      assert.equal(yield* redis.call('SET', 'key', value), 'OK');
      assert.equal(yield* redis.call('GET', 'key'), value.toString('latin1'));
      assert.equal(yield* redis.call('GET', 'nothing'), null);
      assert.match(String(yield* redis.call('NONSENSE')), /ERR unknown command/);
      yield* redis.close();
    });

    ioTest(`${way}: ten thousand commands in a row, replies in order`, function* (style) {
      const redis = new Redis(yield* on(connect()));
      yield* redis.call('DEL', 'count');
      const writing = style.task(function* () {
        for (let i = 0; i < rounds(10_000); i++) {
          redis.send('INCR', 'count');
          yield* on(redis.writer.drain());
        }
      });
      for (let i = 1; i <= rounds(10_000); i++) assert.equal(yield* redis.reply(), i);
      yield* on(writing);
      yield* redis.close();
    });
  }

  ioTest('messages to who has subscribed', function* (style) {
    const [listener, speaker] = [new Redis(yield* on(plain())), new Redis(yield* on(plain()))];
    assert.deepEqual(yield* listener.call('SUBSCRIBE', 'news'), ['subscribe', 'news', 1]);
    const heard: Reply[] = [];
    const listening = style.task(function* () {
      while (heard.length < 100) heard.push(yield* listener.reply());
    });
    for (let i = 0; i < 100; i++) assert.equal(yield* speaker.call('PUBLISH', 'news', String(i)), 1);
    yield* on(listening);
    assert.deepEqual(
      heard,
      Array.from({ length: 100 }, (_, i) => ['message', 'news', String(i)]),
    );
    yield* listener.close();
    yield* speaker.close();
  });

  ioTest('a wait that a timeout ends takes nothing from the list', function* (style) {
    const [waiting, other] = [new Redis(yield* on(plain())), new Redis(yield* on(plain()))];
    yield* other.call('DEL', 'list');
    const id = String(yield* waiting.call('CLIENT', 'ID'));
    const blocked = timeout(0.05).run(style.fn(() => waiting.call('BLPOP', 'list', '0')));
    assert.match(yield* thrownBy(blocked), /^TimeoutError/);
    // The server learns of it by the end of the connection.
    yield* waiting.close();
    for (let gone = false; !gone; ) {
      const clients = String(yield* other.call('CLIENT', 'LIST', 'ID', id));
      gone = !clients.includes(`id=${id} `);
    }
    assert.equal(yield* other.call('RPUSH', 'list', 'item'), 1);
    assert.deepEqual(yield* other.call('BLPOP', 'list', '1'), ['list', 'item']);
    yield* other.close();
  });

  ioTest('a wait that another connection ends', function* (style) {
    const [waiting, other] = [new Redis(yield* on(plain())), new Redis(yield* on(plain()))];
    const blocked = style.task(() => waiting.call('BLPOP', 'line', '0'));
    yield* on(sleep(0.01));
    yield* other.call('RPUSH', 'line', 'here');
    assert.deepEqual(yield* on(blocked), ['line', 'here']);
    yield* waiting.close();
    yield* other.close();
  });

  ioTest('a connection that Redis ends is an end of the data', function* () {
    const [victim, other] = [new Redis(yield* on(plain())), new Redis(yield* on(plain()))];
    const id = String(yield* victim.call('CLIENT', 'ID'));
    assert.equal(yield* other.call('CLIENT', 'KILL', 'ID', id), 1);
    const ended = createTask(() => victim.reader.readline());
    assert.equal((yield* on(ended)).length, 0);
    yield* victim.close();
    yield* other.close();
  });

  ioTest('a Redis that dies fails who waits for it, and refuses who comes', function* () {
    yield* using(startRedis, function* (mortal) {
      const redis = new Redis(yield* on(openConnection(HOST, mortal.ports[0])));
      assert.equal(yield* redis.call('PING'), 'PONG');
      redis.send('BLPOP', 'list', '0');
      const waiting = createTask(redis.reader.readexactly(1));
      yield* on(sleep(0.02));
      yield* from(mortal.kill());
      assert.match(yield* thrownBy(waiting), /^IncompleteReadError|ECONNRESET/);
      assert.match(yield* thrownBy(openConnection(HOST, mortal.ports[0])), /ECONNREFUSED/);
      redis.writer.close();
      yield* thrownBy(redis.writer.waitClosed());
    });
  });
});
