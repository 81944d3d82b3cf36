/** Random responses, cut anywhere and with random bytes behind them, against what they must give. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { run } from 'asyncio-ts';
import { ClientError, ClientPayloadError, ClientSession } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serveRaw } from './servers.ts';

/** Numbers from a seed. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 0, …, `n` - 1. */
  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * n);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

interface Made {
  readonly bytes: Buffer;
  readonly body: Buffer;
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** Whether it needs the end of the connection. */
  readonly isOpen: boolean;
}

function makeResponse(random: Random): Made {
  const body = random.bytes(random.pick([0, 1, 10, 1000, 70_000]));
  const isEncoded = random.below(4) === 0;
  const payload = isEncoded ? gzipSync(body) : body;
  const headers: [string, string][] = Array.from({ length: random.below(6) }, (_, i) => [
    random.pick(['X-A', 'x-b', 'Set-Cookie', 'ETag']),
    `${random.pick(['v', 'a b', '"q"', ''])}${i}`,
  ]);
  if (isEncoded) headers.push(['Content-Encoding', 'gzip']);
  const framing = random.pick(['length', 'chunks', 'close']);
  if (framing === 'length') headers.push(['Content-Length', String(payload.length)]);
  if (framing === 'chunks') headers.push(['Transfer-Encoding', 'chunked']);
  const status = random.pick([200, 201, 404, 500]);
  const early = random.below(4) === 0 ? 'HTTP/1.1 103 Hints\r\nX-A: early\r\n\r\n' : '';
  const head =
    `${early}HTTP/1.1 ${status} Some Reason\r\n` +
    `${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  const sent = framing === 'chunks' ? chunk(payload, random) : payload;
  return {
    bytes: Buffer.concat([Buffer.from(head), sent]),
    body,
    status,
    headers,
    isOpen: framing === 'close',
  };
}

function chunk(payload: Buffer, random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < payload.length; ) {
    const size = Math.min(payload.length - i, 1 + random.below(random.pick([3, 1000, 70_000])));
    parts.push(Buffer.from(`${size.toString(16)}\r\n`), payload.subarray(i, i + size), Buffer.from('\r\n'));
    i += size;
    // Enough of one-byte chunks.
    if (parts.length > 3000) {
      const rest = payload.subarray(i);
      if (rest.length > 0)
        parts.push(Buffer.from(`${rest.length.toString(16)}\r\n`), rest, Buffer.from('\r\n'));
      break;
    }
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const places = Array.from({ length: random.below(6) }, () => random.below(bytes.length)).sort(
    (a, b) => a - b,
  );
  return [0, ...places].map((place, i) => bytes.subarray(place, places[i] ?? bytes.length));
}

/** Serve `parts`, one per turn. */
async function send(socket: Socket, parts: readonly Buffer[], isClosed: boolean): Promise<void> {
  for (const part of parts) {
    if (part.length > 0) socket.write(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (isClosed) socket.end();
}

describe('Z2: responses', () => {
  /** Run `count` exchanges, each with what `plan` makes, on connections that are kept. */
  async function explore(
    seed: number,
    count: number,
    one: (
      random: Random,
      serve: (parts: Buffer[], isClosed: boolean) => void,
      session: ClientSession,
      url: string,
    ) => Promise<void>,
  ): Promise<void> {
    await run(async () => {
      let next: [Buffer[], boolean] = [[], true];
      await using site = await serveRaw((socket) => {
        socket.setNoDelay();
        void send(socket, ...next);
      });
      await using session = new ClientSession();
      for (let i = 0; i < count; i++) {
        const random = new Random(seed * 10_000 + i);
        try {
          await one(random, (parts, isClosed) => void (next = [parts, isClosed]), session, site.url);
        } catch (error) {
          throw new Error(`seed ${seed}, case ${i}: ${String(error)}`, { cause: error });
        }
      }
    });
  }

  it('give what they say, cut anywhere', () =>
    explore(1, 300, async (random, serve, session, url) => {
      const made = makeResponse(random);
      serve(cut(made.bytes, random), made.isOpen);
      const response = await session.get(url);
      const body = await response.read();
      assert.equal(response.status, made.status);
      assert.deepEqual([...response.headers], made.headers);
      assert(body.equals(made.body), `${body.length} bytes for ${made.body.length}`);
    }));

  it('with a length or chunks give the same whatever comes behind them, and none of that is taken for an answer', () =>
    explore(2, 200, async (random, serve, session, url) => {
      let made = makeResponse(random);
      while (made.isOpen) made = makeResponse(random);
      const more = random.pick([
        random.bytes(1 + random.below(50)),
        Buffer.from('HTTP/1.1 200 OK\r\nX-Poison: 1\r\n\r\n'),
      ]);
      serve(cut(Buffer.concat([made.bytes, more]), random), random.below(2) === 0);
      const response = await session.get(url);
      const body = await response.read();
      assert(body.equals(made.body));
      assert.deepEqual([...response.headers], made.headers);
    }));

  it('that end too early fail, and never give a part for the whole', () =>
    explore(3, 200, async (random, serve, session, url) => {
      let made = makeResponse(random);
      while (made.isOpen || made.body.length === 0) made = makeResponse(random);
      const short = made.bytes.subarray(0, random.below(made.bytes.length));
      serve(cut(short, random), true);
      await assert.rejects(async () => {
        const response = await session.get(url);
        await response.read();
      }, ClientError);
    }));

  it('of random bytes, and with random bytes in them, give a response or an error of the client', () =>
    explore(4, 300, async (random, serve, session, url) => {
      const made = makeResponse(random);
      const bytes = Buffer.from(made.bytes.subarray(0, 3000));
      for (let i = 0; i <= random.below(4); i++) bytes[random.below(bytes.length)] = random.below(256);
      serve(cut(random.below(5) === 0 ? random.bytes(200) : bytes, random), true);
      try {
        const response = await session.get(url);
        await response.read();
      } catch (error) {
        assert(error instanceof ClientError, String(error));
        if (error instanceof ClientPayloadError) assert.match(error.message, /400, message/);
      }
    }));
});
