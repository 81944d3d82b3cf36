import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { run, TimeoutError } from 'asyncio-ts';
import {
  ClientError,
  ClientPayloadError,
  ClientResponse,
  ClientResponseError,
  ClientSession,
  ClientTimeout,
  type RequestOptions,
  SocketTimeoutError,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serveRaw } from './servers.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

/** What came of a response: that, its body, and how the connection stood after it. */
interface Outcome {
  readonly response: ClientResponse;
  readonly body: string;
}

/** Fetch what the server sends in these parts, with a turn between two of them, and then closes. */
function fetchParts(parts: readonly (string | Buffer)[], options: RequestOptions = {}): Promise<Outcome> {
  return run(async () => {
    await using site = await serveRaw((socket) => {
      socket.setNoDelay();
      void (async () => {
        for (const part of parts) {
          socket.write(part, 'latin1');
          if (parts.length > 1) await new Promise((resolve) => setTimeout(resolve, 2));
        }
        socket.end();
      })();
    });
    await using session = new ClientSession();
    const response = await session.get(site.url, options);
    return { response, body: (await response.read()).toString('latin1') };
  });
}

const fetchText = (text: string, options: RequestOptions = {}): Promise<Outcome> =>
  fetchParts([text], options);

async function refused(text: string, reason: RegExp | string, options: RequestOptions = {}): Promise<void> {
  await assert.rejects(
    () => fetchText(text, options),
    (error) => {
      assert(error instanceof ClientResponseError, String(error));
      assert.equal(error.status, 400);
      if (typeof reason === 'string') assert.equal(error.reason, reason);
      else assert.match(error.reason, reason);
      return true;
    },
  );
}

async function broken(text: string, message: RegExp): Promise<void> {
  await assert.rejects(
    () => fetchText(text),
    (error) => {
      assert(error instanceof ClientPayloadError, String(error));
      assert.match(error.message, message);
      return true;
    },
  );
}

describe('the head of a response', () => {
  it('has a version, a reason in any language, and headers as they came', async () => {
    const { response } = await fetchParts([
      Buffer.from('HTTP/1.0 299 Schön grün\r\nX-B: 1\r\nx-a:  zwölf \t\r\nX-B: \r\n\r\n'),
    ]);
    assert.deepEqual(response.version, { major: 1, minor: 0 });
    assert.deepEqual([response.status, response.reason], [299, 'Schön grün']);
    assert.deepEqual(
      [...response.headers],
      [
        ['X-B', '1'],
        ['x-a', 'zwölf'],
        ['X-B', ''],
      ],
    );
    assert.equal(response.rawHeaders[1]?.[1].toString().trim(), 'zwölf');
  });

  it('may come byte by byte', async () => {
    const all = `${OK.replace('OK', 'Very well')}X-Long: a b c\r\nContent-Length: 2\r\n\r\nhi`;
    const { response, body } = await fetchParts(all.split(''));
    assert.equal(response.reason, 'Very well');
    assert.equal(response.headers.get('x-long'), 'a b c');
    assert.equal(body, 'hi');
  });

  it('may have no reason, folded headers, and lines without CR', async () => {
    const { response, body } = await fetchText('HTTP/1.1 200\nX-Fold: a\n  b\nContent-Length: 2\n\nhi');
    assert.equal(response.reason, '');
    assert.equal(response.headers.get('x-fold'), 'a  b');
    assert.equal(body, 'hi');
  });

  it('comes after any number of others of 1xx', async () => {
    const { response } = await fetchText(
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
    );
    assert.equal(response.status, 200);
    assert.equal(response.headers.has('link'), false);
  });

  it('CVE-2026-69243: may be a 101 that nobody asked for, which leads nowhere', async () => {
    const { response, body } = await fetchText(
      'HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsmuggled',
    );
    assert.deepEqual([response.status, body], [101, '']);
    await assert.rejects(
      () =>
        fetchText(
          'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsmuggled',
        ),
      ClientError,
    );
  });

  for (const [what, text, reason] of [
    [
      'a status that is none',
      'HTTP/1.1 2x0 OK\r\n\r\n',
      "Bad status line:\n  Invalid status code:\n\n  b'HTTP/1.1 2x0 OK'\n              ^",
    ],
    [
      'another protocol',
      'hello world\r\n\r\n',
      /^Bad status line:\n {2}Expected HTTP\/, RTSP\/ or ICE\/:\n\n {2}b'hello world'\n/,
    ],
    ['a header without a name', `${OK}a b: c\r\n\r\n`, "Invalid header token:\n\n  b'a b: c'\n     ^"],
    ['white space behind a name', `${OK}a : c\r\n\r\n`, /^Invalid header token/],
    ['a NUL', `${OK}a: b\0c\r\n\r\n`, "Invalid HTTP header: b'b\\x00c'"],
    ['a lonely CR', `${OK}a: b\rc\r\n\r\n`, /^Missing expected LF after header value/],
    [
      'CVE-2023-37276: a length with a sign',
      `${OK}Content-Length: +2\r\n\r\nhi`,
      /^Invalid character in Content-Length/,
    ],
    ['a list of lengths', `${OK}Content-Length: 2, 2\r\n\r\nhi`, /^Invalid character in Content-Length/],
    [
      'CVE-2026-1525: two lengths, in different case',
      `${OK}Content-Length: 2\r\ncontent-LENGTH: 2\r\n\r\nhi`,
      /^Duplicate Content-Length/,
    ],
    [
      'CVE-2023-47641: a length and chunks',
      `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^Transfer-Encoding can't be present with Content-Length/,
    ],
    [
      'CVE-2023-47641: chunks and a length',
      `${OK}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n`,
      /^Content-Length can't be present with Transfer-Encoding/,
    ],
    [
      'chunks twice',
      `${OK}Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      "Duplicate 'Transfer-Encoding' header found.",
    ],
  ] as const) {
    it(`is refused with ${what}`, () => refused(text, reason));
  }

  it('with an encoding that does not end in chunks goes up to the end of the connection', async () => {
    const { body } = await fetchText(`${OK}Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nhi\r\n0\r\n\r\n`, {
      autoDecompress: false,
    });
    assert.equal(body, '2\r\nhi\r\n0\r\n\r\n');
  });
});

describe('P80: the limits of a head', () => {
  const fits = async (text: string, options: RequestOptions = {}): Promise<void> => {
    assert.equal((await fetchText(text, options)).body, 'ok');
  };
  const end = 'Content-Length: 2\r\n\r\nok';
  const reason = (length: number): string => `HTTP/1.1 200 ${'r'.repeat(length)}\r\n${end}`;
  const field = (length: number): string => `${OK}X-A: ${'v'.repeat(length - 3)}\r\n${end}`;
  const fields = (count: number): string => `${OK}${'X-A: v\r\n'.repeat(count - 1)}${end}`;
  const trailers = (count: number): string =>
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${'X-T: v\r\n'.repeat(count - 1)}\r\n`;
  const hints = (length: number): string =>
    `HTTP/1.1 103 Early\r\nX-A: ${'v'.repeat(length - 3)}\r\n\r\n${OK}${end}`;
  const tooLong = (limit: number, char: string): string =>
    `Got more than ${limit} bytes when reading: b'${char.repeat(100)}...'.`;

  it('are for a reason 8190 bytes, for a name and value 8190 bytes, and 128 headers', async () => {
    for (const text of [reason(8189), reason(8190), field(8189), field(8190), fields(127), fields(128)]) {
      await fits(text);
    }
    await refused(reason(8191), tooLong(8190, 'r'));
    await refused(field(8191), tooLong(8190, 'v'));
    await refused(fields(129), 'Too many headers received');
  });

  it('hold for heads of 1xx', async () => {
    await fits(hints(8190));
    await refused(hints(8191), tooLong(8190, 'v'));
    await refused(
      `HTTP/1.1 103 Early\r\n${'X-A: v\r\n'.repeat(129)}\r\n${fields(1)}`,
      'Too many headers received',
    );
  });

  it('CVE-2026-22815: hold for trailers, which count with the headers', async () => {
    for (const count of [127, 128]) await fits(trailers(count));
    await broken(trailers(129), /Too many headers received/);
    await broken(trailers(100_000), /Too many headers received/);
    await broken(
      `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: ${'v'.repeat(9000)}\r\n\r\n`,
      /Got more than 8190 bytes when reading/,
    );
  });

  it('can be set by a request', async () => {
    for (const [options, make, limit] of [
      [{ maxLineSize: 200 }, reason, 200],
      [{ maxFieldSize: 200 }, field, 200],
      [{ maxHeaders: 10 }, fields, 10],
      [{ maxFieldSize: 20_000 }, field, 20_000],
      [{ maxHeaders: 1000 }, fields, 1000],
    ] as const) {
      await fits(make(limit - 1), options);
      await fits(make(limit), options);
      await refused(make(limit + 1), /^(Got more than|Too many)/, options);
    }
  });

  it('hold for headers that come in many pieces', async () => {
    const parts = [OK, 'X-A: ', ...Array.from({ length: 10 }, () => 'v'.repeat(1000))];
    await assert.rejects(() => fetchParts(parts), ClientResponseError);
  });
});

describe('the body of a response', () => {
  it('is broken where its chunks are', async () => {
    const chunked = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
    await broken(
      `${chunked}zz\r\nhi\r\n`,
      /TransferEncodingError: 400, message="Invalid character in chunk size/,
    );
    await broken(`${chunked}0x2\r\nhi\r\n0\r\n\r\n`, /Invalid character in chunk size/);
    await broken(`${chunked}2\r\nhiXX\r\n0\r\n\r\n`, /Expected LF after chunk data/);
    await broken(`${chunked}ffffffffffffffffff\r\nhi`, /Chunk size overflow/);
    await broken(`${chunked}5\r\nhi`, /Not enough data to satisfy transfer length header/);
    await broken(`${OK}Content-Length: 5\r\n\r\nhi`, /received 2 of 5 bytes/);
  });

  it('may have spaces behind the sizes of its chunks, extensions and trailers', async () => {
    const { body } = await fetchText(
      `${OK}Transfer-Encoding: Chunked\r\n\r\n2 \r\nhi\r\n3;a=b;c="d"\r\n, x\r\n0\r\nX-T: 1\r\n\r\n`,
    );
    assert.equal(body, 'hi, x');
  });

  it('goes up to the end of the connection, unless readUntilEof is false: then there is none', async () => {
    assert.equal((await fetchText(`${OK}\r\nall of this`)).body, 'all of this');
    assert.equal((await fetchText(`${OK}\r\nall of this`, { readUntilEof: false })).body, '');
    const framed = await fetchText(`${OK}Content-Length: 2\r\n\r\nhi`, { readUntilEof: false });
    assert.equal(framed.body, 'hi');
  });

  it('ends where its length says, whatever follows', async () => {
    assert.equal((await fetchText(`${OK}Content-Length: 2\r\n\r\nhi and more`)).body, 'hi');
    assert.equal((await fetchText('HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\nhello')).body, '');
  });
});

describe('P79: a server that is slow', () => {
  /** Fetch from a server that does `act` with each connection, on which a request came. */
  async function fetchSlow(act: (socket: Socket) => void, timeout: ClientTimeout): Promise<void> {
    await run(async () => {
      const timers: NodeJS.Timeout[] = [];
      await using site = await serveRaw((socket) => {
        act(socket);
        const timer = setInterval(() => socket.write('x'), 3);
        timers.push(timer);
        socket.once('close', () => clearInterval(timer));
      });
      await using session = new ClientSession(null, { timeout });
      await session.get(site.url).run((response) => response.read());
    });
  }

  it('with the first byte is cut by sockRead, counted from when the request is sent', () =>
    run(async () => {
      await using site = await serveRaw(() => {});
      await using session = new ClientSession(null, { timeout: new ClientTimeout({ sockRead: 0.03 }) });
      await assert.rejects(async () => {
        await session.get(site.url);
      }, SocketTimeoutError);
      await site.drained();
    }));

  it('within the body is cut by sockRead', () =>
    run(async () => {
      await using site = await serveRaw((socket) => socket.write(`${OK}Content-Length: 10\r\n\r\nhalf`));
      await using session = new ClientSession(null, { timeout: new ClientTimeout({ sockRead: 0.03 }) });
      await assert.rejects(async () => {
        await session.get(site.url).run((response) => response.read());
      }, SocketTimeoutError);
      await site.drained();
    }));

  it('and sends a byte now and then, in the head or the body, is cut by the total', async () => {
    const timeout = new ClientTimeout({ total: 0.06, sockRead: 5 });
    for (const start of [`${OK}X-Slow: `, `${OK}Content-Length: 100000\r\n\r\n`]) {
      await assert.rejects(
        () => fetchSlow((socket) => socket.write(start), timeout),
        (error) => error instanceof TimeoutError && !(error instanceof SocketTimeoutError),
      );
    }
  });
});
