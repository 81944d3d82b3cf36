/** The client beside aiohttp's own server. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createTask, gather, run, sleep } from 'asyncio-ts';
import {
  BodyPartReader,
  ClientPayloadError,
  ClientSession,
  CookieJar,
  FormData,
  MultipartReader,
  MultipartWriter,
  type WSConnectOptions,
  WSMsgType,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import type { ProgramServer } from '../support/program-server.ts';
import { startAiohttp, urlOf } from './peers.ts';

const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** What `/echo` says. */
interface Said {
  method: string;
  path: string;
  query: [string, string][];
  headers: [string, string][];
  cookies: Record<string, string>;
  version: [number, number];
  body: string;
}

/** What `/digest` says. */
interface Digest {
  size: number;
  sha256: string;
  reads: number;
}

interface Part {
  type?: string | null;
  name?: string | null;
  filename?: string | null;
  data?: string;
  parts?: Part[];
}

describe("the client and aiohttp's server", () => {
  let aiohttp: ProgramServer;
  before(async () => {
    aiohttp = await startAiohttp();
  });
  after(() => aiohttp[Symbol.asyncDispose]());

  function test(name: string, body: (session: ClientSession) => Promise<void>): void {
    it(name, { timeout: 60_000 }, () =>
      run(async () => {
        const cookieJar = new CookieJar({ unsafe: true });
        await using session = new ClientSession(urlOf(aiohttp), { cookieJar });
        await body(session);
      }),
    );
  }

  const posted = async <T>(session: ClientSession, path: string, options: object): Promise<T> =>
    (await session.post(path, options).run((response) => response.json<T>())) as T;

  describe('requests', () => {
    test('are parsed to what they were', async (session) => {
      const said = await posted<Said>(session, 'echo/deep path/ü?x=1', {
        params: { q: 'a&b=c d', list: [1, 2] },
        headers: { 'X-Many': ['1', '2'], 'X-Text': 'grüße' },
        cookies: { plain: 'v', quoted: 'a b' },
        data: 'bödy',
      });
      assert.equal(said.method, 'POST');
      assert.deepEqual(said.query, [
        ['x', '1'],
        ['q', 'a&b=c d'],
        ['list', '1'],
        ['list', '2'],
      ]);
      assert.deepEqual(said.version, [1, 1]);
      assert.deepEqual(
        said.headers.filter(([name]) => name === 'X-Many').map(([, value]) => value),
        ['1', '2'],
      );
      assert.deepEqual(said.cookies, { plain: 'v', quoted: 'a b' });
      assert.equal(Buffer.from(said.body, 'latin1').toString(), 'bödy');
    });

    test('of any method', async (session) => {
      for (const method of ['GET', 'PROPFIND', 'REPORT', 'OPTIONS', 'TRACE']) {
        const said = await session.request(method, 'echo').run((response) => response.json<Said>());
        assert.equal(said?.method, method);
      }
    });

    test('are sent in chunks, compressed, and after 100 Continue', async (session) => {
      const data = randomBytes(3 * 1024 * 1024);
      async function* pieces() {
        for (let at = 0; at < data.length; at += 50_000) {
          yield data.subarray(at, at + 50_000);
          if (at % 500_000 === 0) await sleep(0.001);
        }
      }
      for (const [name, options] of Object.entries({
        whole: { data },
        chunked: { data, chunked: true },
        pieces: { data: pieces() },
        gzip: { data, compress: 'gzip' },
        deflate: { data: pieces(), compress: true },
        continued: { data: pieces(), expect100: true },
      })) {
        const { size, sha256 } = await posted<Digest>(session, 'digest', options);
        assert.deepEqual([name, size, sha256], [name, data.length, sha(data)]);
      }
    });

    test('hold their body back when it is not wanted', async (session) => {
      let asked = 0;
      async function* pieces() {
        asked++;
        yield Buffer.from('x');
      }
      await session.post('refuse', { data: pieces(), expect100: true }).run(async (response) => {
        assert.equal(response.status, 417);
        assert.equal(await response.text(), 'no');
      });
      assert.equal(asked, 0);
      assert.equal(await session.get('echo').run(({ status }) => status), 200);
    });

    test('are forms, in either encoding', async (session) => {
      const plain = new FormData({ a: '1', b: 'ü &' });
      assert.deepEqual(await posted(session, 'form', { data: plain }), {
        type: 'application/x-www-form-urlencoded',
        fields: [
          ['a', null, null, '1'],
          ['b', null, null, 'ü &'],
        ],
      });
      const bytes = randomBytes(100_000);
      const form = new FormData();
      form.addField('text', 'grüße');
      form.addField('file', bytes, { filename: 'ä "b".bin', contentType: 'application/x-bin' });
      form.addField('blob', new Blob(['in a blob']), { filename: 'c.txt' });
      const said = await posted<{ type: string; fields: (string | null)[][] }>(session, 'form', {
        data: form,
      });
      assert.equal(said.type, 'multipart/form-data');
      const [text, file, blob] = said.fields;
      assert.deepEqual(text, ['text', null, null, 'grüße']);
      assert.deepEqual(file?.slice(0, 3), ['file', '%C3%A4%20%22b%22.bin', 'application/x-bin']);
      assert(Buffer.from(file?.[3] ?? '', 'latin1').equals(bytes));
      assert.deepEqual([blob?.[0], blob?.[1], blob?.[3]], ['blob', 'c.txt', 'in a blob']);
    });

    test('are multipart, nested and encoded', async (session) => {
      const writer = new MultipartWriter('mixed');
      writer.append('text');
      writer.appendJson({ a: 1 });
      writer.appendForm([['x', 'ä']]);
      writer.append(Buffer.alloc(5000, 'z'), { 'Content-Encoding': 'gzip' });
      writer.append(Buffer.from([0, 255, 13, 10]), { 'Content-Transfer-Encoding': 'base64' });
      const inner = new MultipartWriter('related');
      inner.append('inside');
      writer.append(inner);
      const parts = await posted<Part[]>(session, 'multipart', { data: writer });
      assert.deepEqual(parts.map(({ data }) => data ?? null).slice(0, 5), [
        'text',
        '{"a":1}',
        'x=%C3%A4',
        'z'.repeat(5000),
        '\0\xff\r\n',
      ]);
      assert.deepEqual(
        parts[5]?.parts?.map(({ data }) => data),
        ['inside'],
      );
    });
  });

  describe('responses', () => {
    test('in parts are read, nested and decoded', async (session) => {
      const seen: unknown[] = [];
      async function read(reader: MultipartReader): Promise<void> {
        for await (const part of reader) {
          if (part instanceof BodyPartReader) {
            const data = await part.read({ decode: true });
            seen.push(data.length > 100 ? data.length : data.toString('latin1'));
          } else {
            seen.push('nested');
            await read(part);
          }
        }
      }
      await session.get('parts').run(async (response) => await read(MultipartReader.fromResponse(response)));
      assert.deepEqual(seen, [
        'plain text',
        '{"a": [1, 2]}',
        'x=1&y=%C3%A4',
        10_000,
        '\0\xff\r\n--',
        'nested',
        'inside',
      ]);
    });

    test('in chunks keep their ends', async (session) => {
      for (const query of ['count=50&size=1000', 'count=50&size=1000&compress=1']) {
        const sizes: number[] = [];
        let ends = 0;
        await session.get(`chunked?${query}`).run(async ({ content }) => {
          for await (const [data, isEnd] of content.iterChunks()) {
            sizes.push(data.length);
            if (isEnd) ends++;
          }
        });
        assert.equal(
          sizes.reduce((sum, size) => sum + size, 0),
          50_000,
        );
        if (!query.includes('compress')) assert(ends >= 1);
      }
    });

    test('are compressed as the client accepts it', async (session) => {
      const text = 'to be compressed '.repeat(1000);
      for (const [accepted, encoding] of [
        ['gzip', 'gzip'],
        ['deflate', 'deflate'],
        ['identity', null],
      ] as const) {
        await session
          .get('compressed', { headers: { 'Accept-Encoding': accepted } })
          .run(async (response) => {
            assert.equal(response.headers.get('Content-Encoding'), encoding);
            assert.equal(await response.text(), text);
          });
      }
    });

    test('are large', async (session) => {
      const pattern = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const expected = sha(Buffer.alloc(64 * 1024 * 1024, pattern));
      const hash = createHash('sha256');
      await session.get('large?mib=64').run(async ({ content }) => {
        for await (const data of content.iterAny()) hash.update(data);
      });
      assert.equal(hash.digest('hex'), expected);
    });

    test('that are cut short are an error', async (session) => {
      const response = await session.get('cut');
      assert.equal(response.status, 200);
      await assert.rejects(async () => await response.read(), ClientPayloadError);
    });

    test('set cookies that are sent where they belong', async (session) => {
      await session.get('cookies/set').run((response) => {
        assert.equal(response.cookies.get('plain')?.value, '1');
      });
      const cookies = async (path: string): Promise<unknown> =>
        (await session.get(path).run((response) => response.json<Said>()))?.cookies;
      assert.deepEqual(await cookies('echo'), { plain: '1', quoted: 'a b' });
      assert.deepEqual(await cookies('cookies/below'), { plain: '1', below: '2', quoted: 'a b' });
    });

    test('many at once, some of them given up', async (session) => {
      const outcomes = await gather(
        Array.from({ length: 100 }, (_, index) => async () => {
          if (index % 5 > 0) return await session.get('echo').run(({ status }) => status);
          const task = createTask(async () => await session.get('slow?delay=5'));
          await sleep(0.02);
          task.cancel();
          return 'given up';
        }),
      );
      assert.equal(outcomes.filter((outcome) => outcome === 200).length, 80);
    });
  });

  describe('WebSockets', () => {
    const connected = (name: string, options: WSConnectOptions): void =>
      test(`echo ${name}`, async (session) => {
        await session.wsConnect('ws', options).run(async (socket) => {
          const large = 'ü'.repeat(200_000);
          const bytes = randomBytes(1024 * 1024);
          await socket.sendStr('hello');
          await socket.sendBytes(bytes);
          await socket.sendJson({ a: [1] });
          await socket.sendStr(large);
          assert.equal(await socket.receiveStr(), 'hello');
          assert(bytes.equals(await socket.receiveBytes()));
          assert.deepEqual(await socket.receiveJson(), { a: [1] });
          assert.equal(await socket.receiveStr(), large);
          await socket.ping('are you there');
          for (let i = 0; i < 500; i++) await socket.sendStr(String(i));
          for (let i = 0; i < 500; i++) assert.equal(await socket.receiveStr(), String(i));
          assert.equal(await socket.close(), true);
          assert.equal(socket.closeCode, 1000);
        });
      });
    connected('everything', {});
    connected('everything, compressed', { compress: 15 });
    connected('everything, with a small window', { compress: 9 });
    connected('everything, with heartbeats', { heartbeat: 0.05 });

    test('agree on a protocol', async (session) => {
      await session.wsConnect('ws', { protocols: ['unknown', 'other'] }).run((socket) => {
        assert.equal(socket.protocol, 'other');
      });
    });

    test('are closed by the server, with its reason', async (session) => {
      await session.wsConnect('ws').run(async (socket) => {
        await socket.sendStr('close 4001');
        const message = await socket.receive();
        assert.equal(message.type, WSMsgType.CLOSE);
        assert.equal(message.data, 4001);
        assert.equal(message.extra, 'as you like');
        assert.equal(socket.closeCode, 4001);
        assert.equal((await socket.receive()).type, WSMsgType.CLOSED);
      });
    });

    test('are iterated over', async (session) => {
      await session.wsConnect('ws').run(async (socket) => {
        for (const text of ['a', 'b', 'close 1000']) await socket.sendStr(text);
        const texts: unknown[] = [];
        for await (const { data } of socket) texts.push(data);
        assert.deepEqual(texts, ['a', 'b']);
      });
    });

    test('are refused by what is none', async (session) => {
      await assert.rejects(async () => await session.wsConnect('echo'), {
        name: 'WSServerHandshakeError',
        status: 200,
        reason: 'Invalid response status',
      });
    });
  });
});
