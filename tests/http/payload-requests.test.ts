import assert from 'node:assert/strict';
import { Blob, File } from 'node:buffer';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { CancelledError, createTask, run, sleep } from 'asyncio-ts';
import { open } from 'asyncio-ts/files';
import {
  BytesIOPayload,
  ClientConnectionError,
  ClientPayloadError,
  ClientSession,
  FormData,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serve } from './servers.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'payload-requests-test-'));
after(() => rmSync(folder, { recursive: true }));

const place = path.join(folder, 'sent.csv');
const content = 'x,y\n'.repeat(100_000);
writeFileSync(place, content);

interface Answer {
  type: string;
  length: string | null;
  encoding: string | null;
  disposition: string | null;
  size: number;
  begin: string;
}

/** Tells what came in; `/redirect` asks for it once more, `/file` has a body. */
const tell: RequestListener = (request, response) => {
  let body = '';
  request.setEncoding('latin1').on('data', (text: string) => {
    body += text;
  });
  request.on('end', () => {
    if (request.url === '/file') return response.end('a file');
    if (request.url === '/redirect') return response.writeHead(307, { location: '/' }).end();
    const { headers } = request;
    const answer: Answer = {
      type: headers['content-type'] ?? '',
      length: headers['content-length'] ?? null,
      encoding: headers['transfer-encoding'] ?? null,
      disposition: headers['content-disposition'] ?? null,
      size: body.length,
      begin: body.slice(0, 8),
    };
    return response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
  });
};

const post = (session: ClientSession, url: string, data: unknown): Promise<Answer> =>
  session
    .post(url, { data })
    .run(async (response) => (await response.json<Answer>()) as Answer)
    .toPromise();

/** Resolves when the file is closed. */
async function closed(file: unknown): Promise<void> {
  const { fd } = file as { fd?: number };
  while (fd === undefined ? !(file as { closed: boolean }).closed : (file as { fd: number }).fd >= 0)
    await sleep(0);
}

describe('a body', () => {
  it('of a known size is sent with it, and again after a redirect', () =>
    run(async () => {
      await using site = await serve(tell);
      await using session = new ClientSession(site.url);
      const openBinary = async (): Promise<unknown> => {
        const binary = await open(place, 'rb');
        await binary.read(2);
        return binary;
      };
      const form = new FormData({ a: '1' });
      form.addField('f', new File([content], 'f.csv'));
      const octets = 'application/octet-stream';
      const rows: [unknown, type: string | RegExp, size: number, begin: string][] = [
        ['héllo', 'text/plain; charset=utf-8', 6, 'h\xc3\xa9llo'],
        [Buffer.from('bytes'), octets, 5, 'bytes'],
        [new Blob(['blob'], { type: 'text/x' }), 'text/x', 4, 'blob'],
        [new File([content], 'a.png'), 'image/png', content.length, 'x,y\nx,y\n'],
        [() => openHandle(place), octets, content.length, 'x,y\nx,y\n'],
        [openBinary, 'text/csv', content.length - 2, 'y\nx,y\nx,'],
        [new BytesIOPayload(Buffer.from(content)), octets, content.length, 'x,y\nx,y\n'],
        [form, /^multipart\/form-data; boundary=\w{32}$/, content.length + 286, '--'],
      ];
      for (const [data, type, size, begin] of rows) {
        for (const url of ['/', '/redirect']) {
          const value: unknown = typeof data === 'function' ? await (data as () => unknown)() : data;
          const answer = await post(session, url, value);
          // A file is closed when it has been sent, as in aiohttp.
          if (typeof data === 'function') await closed(value);
          if (typeof type === 'string') assert.equal(answer.type, type);
          else assert.match(answer.type, type);
          assert.equal(answer.size, size);
          assert.equal(answer.length, String(size));
          assert.equal(answer.encoding, null);
          assert.equal(answer.disposition, null);
          assert.ok(answer.begin.startsWith(begin));
        }
      }
    }));

  it('that is cancelled by itself ends its request', () =>
    run(async () => {
      await using site = await serve(tell);
      await using session = new ClientSession(site.url);
      async function* generate(): AsyncGenerator<string> {
        yield 'a ';
        const task = createTask(sleep(1));
        task.cancel();
        yield await task.then(() => 'file');
      }
      await assert.rejects(
        post(session, '/', generate()),
        (error) =>
          error instanceof ClientConnectionError &&
          error.cause instanceof CancelledError &&
          /Failed to send bytes/.test(error.message),
      );
      await site.drained();
    }));

  it('is closed as well when a redirect leaves it behind', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        request.resume();
        if (request.method === 'GET') response.end('seen');
        else request.on('end', () => response.writeHead(303, { location: '/' }).end());
      });
      await using session = new ClientSession(site.url);
      const file = await openHandle(place);
      assert.equal(await session.post('', { data: file }).run((response) => response.text()), 'seen');
      await closed(file);
    }));

  it('that comes in pieces is sent in chunks, and once', () =>
    run(async () => {
      await using site = await serve(tell);
      await using session = new ClientSession(site.url);
      async function* generate(): AsyncGenerator<string> {
        yield 'a ';
        await sleep(0);
        yield 'file';
      }
      const kinds: (() => unknown)[] = [
        generate,
        () => new Response('a file').body,
        async () => (await session.get('/file')).content,
      ];
      for (const kind of kinds) {
        const answer = await post(session, '/', await kind());
        assert.equal(answer.begin, 'a file');
        assert.equal(answer.encoding, 'chunked');
        assert.equal(answer.length, null);
        await assert.rejects(post(session, '/redirect', await kind()), ClientPayloadError);
      }
      const stream = await post(session, '/', createReadStream(place));
      assert.equal(stream.length, String(content.length));
      assert.equal(stream.size, content.length);
      await assert.rejects(post(session, '/redirect', createReadStream(place)), ClientPayloadError);
    }));
});
