import assert from 'node:assert/strict';
import { Blob, File } from 'node:buffer';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { after, describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import { open } from 'asyncio-ts/files';
import {
  BytesPayload,
  CIMultiDict,
  ClientSession,
  type FieldOptions,
  FormData,
  MultiDict,
  MultipartWriter,
  type Payload,
} from 'asyncio-ts/http';
import fc from 'fast-check';
import '../support/leaks.ts';
import { written } from './payloads.ts';
import { serve } from './servers.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'formdata-test-'));
after(() => rmSync(folder, { recursive: true }));

/** What the client sends of a form. */
function payloadOf(form: FormData): Payload {
  return (form as unknown as { _toPayload(): Payload })._toPayload();
}

/** What is sent, and its type, with the boundary named. */
async function sent(form: FormData): Promise<{ type: string; text: string; size: number | null }> {
  const payload = payloadOf(form);
  const boundary = payload instanceof MultipartWriter ? payload.boundary : '#';
  const named = (text: string): string => text.replaceAll(boundary, 'BOUNDARY');
  const text = named((await written(payload)).toString('latin1'));
  return { type: named(payload.contentType), text, size: payload.size };
}

type Field = [name: string, value: unknown, options?: FieldOptions];

function formOf(fields: Field[], ...args: [quoteFields?: boolean, charset?: string | null]): FormData {
  const form = new FormData([], ...args);
  for (const field of fields) form.addField(...field);
  return form;
}

const MULTIPART = 'multipart/form-data; boundary=BOUNDARY';

/** A multipart form of parts, each its headers and its content. */
function multipart(...parts: string[]): string {
  return `${parts.map((part) => `--BOUNDARY\r\nContent-Type: ${part}\r\n`).join('')}--BOUNDARY--\r\n`;
}

describe('FormData', () => {
  it('is sent byte for byte as aiohttp sends it', () =>
    run(async () => {
      // What aiohttp 3.14 gives.
      const text = 'text/plain; charset=utf-8';
      const name = 'Content-Disposition: form-data; name=';
      const rows: [FormData, string, string][] = [
        [
          formOf([
            ['a', '1'],
            ['b', 'x y&z=~*()!\'"é€😀'],
          ]),
          'application/x-www-form-urlencoded',
          'a=1&b=x+y%26z%3D~%2A%28%29%21%27%22%C3%A9%E2%82%AC%F0%9F%98%80',
        ],
        [
          formOf([['a', 'ж']], true, 'windows-1251'),
          'application/x-www-form-urlencoded; charset=windows-1251',
          'a=%E6',
        ],
        [
          formOf([['a', '日本']], true, 'shift_jis'),
          'application/x-www-form-urlencoded; charset=shift_jis',
          'a=%93%FA%96%7B',
        ],
        [formOf([['a', [1, 'two']]]), 'application/x-www-form-urlencoded', 'a=1&a=two'],
        [
          new FormData({ a: '1' }, true, null, { defaultToMultipart: true }),
          MULTIPART,
          multipart(`${text}\r\n${name}"a"\r\n\r\n1`),
        ],
        [
          formOf([
            ['a', 'x', { contentType: 'text/html' }],
            ['b', 'y', { filename: 'b.txt' }],
          ]),
          MULTIPART,
          multipart(`text/html\r\n${name}"a"\r\n\r\nx`, `${text}\r\n${name}"b"; filename="b.txt"\r\n\r\ny`),
        ],
        [
          formOf([['field "1"', 'x', { filename: 'f "1";é\\.txt' }]]),
          MULTIPART,
          multipart(`${text}\r\n${name}"field\\ \\"1\\""; filename="f%20%221%22%3B%C3%A9%5C.txt"\r\n\r\nx`),
        ],
        [
          formOf([['field "1"', 'x', { filename: 'f "1";é\\.txt' }]], false),
          MULTIPART,
          multipart(`${text}\r\n${name}"field \\"1\\""; filename="f \\"1\\";\xc3\xa9\\\\.txt"\r\n\r\nx`),
        ],
        [
          formOf([['naïve', 'x', { filename: 'naïve.txt' }]]),
          MULTIPART,
          multipart(
            `${text}\r\n${name.replace('=', '*=')}utf-8''na%C3%AFve; filename="na%C3%AFve.txt"\r\n\r\nx`,
          ),
        ],
        [
          formOf(
            [
              ['a', 'ж', { contentType: 'text/plain' }],
              ['b', 'ж'],
            ],
            true,
            'koi8-r',
          ),
          MULTIPART,
          multipart(
            `text/plain\r\n${name}"a"\r\n\r\n\xd6`,
            `text/plain; charset=koi8-r\r\n${name}"b"\r\n\r\n\xd6`,
          ),
        ],
        [
          formOf([
            ['a', Buffer.from('bytes')],
            ['b', Buffer.from('x'), { filename: 'pic.png' }],
            ['c', Buffer.from('x'), { contentType: 'image/png' }],
          ]),
          MULTIPART,
          multipart(
            `application/octet-stream\r\n${name}"a"; filename="a"\r\n\r\nbytes`,
            `application/octet-stream\r\n${name}"b"; filename="pic.png"\r\n\r\nx`,
            `image/png\r\n${name}"c"; filename="c"\r\n\r\nx`,
          ),
        ],
        [
          formOf([['a', 'x', { contentTransferEncoding: 'base64' }]]),
          MULTIPART,
          multipart(`${text}\r\n${name}"a"\r\n\r\nx`),
        ],
        [
          formOf([['tab\there', 'x', { filename: 't\tb.txt' }]]),
          MULTIPART,
          multipart(`${text}\r\n${name}"tab\\\there"; filename="t%09b.txt"\r\n\r\nx`),
        ],
      ];
      for (const [form, type, expected] of rows) {
        const { type: actualType, text: actual, size } = await sent(form);
        assert.equal(actualType, type);
        assert.equal(actual, expected);
        assert.equal(form.isMultipart, type === MULTIPART);
        if (!form.isMultipart) assert.equal(size, expected.length);
      }
    }));

  it('takes fields in every shape', () =>
    run(async () => {
      const pairs = [
        ['a', '1'],
        ['b', '2'],
      ] as [string, string][];
      const host = new globalThis.FormData();
      for (const [name, value] of pairs) host.append(name, value);
      const urlencoded = [
        { a: '1', b: 2 },
        pairs,
        new Map(pairs),
        new MultiDict(pairs),
        new CIMultiDict(pairs),
        new URLSearchParams(pairs),
        pairs.values(),
        Object.assign(Object.create(null), { a: '1', b: '2' }),
      ];
      for (const fields of urlencoded) assert.equal((await sent(new FormData(fields))).text, 'a=1&b=2');
      const form = new FormData();
      form.addFields(new Map([['c', '3']]), ...pairs, new URLSearchParams('d=4&d=5'));
      assert.equal((await sent(form)).text, 'a=1&b=2&c=3&d=4&d=5');
      assert.equal((await sent(new FormData())).text, '');
      assert.equal((await sent(new FormData(host))).type, MULTIPART);
      assert.equal((await sent(new FormData({ a: true, b: 10n, c: 1.5 }))).text, 'a=true&b=10&c=1.5');
    }));

  it('takes files in every shape', () =>
    run(async () => {
      const place = path.join(folder, 'räport.csv');
      writeFileSync(place, 'x,y');
      await using handle = await openHandle(place);
      await using binary = await open(place, 'rb');
      await using text = await open(place);
      const filed = 'form-data; name="f"; filename=';
      const rows: [unknown, string, string][] = [
        [new File(['x,y'], 'räport.csv', { type: 'text/x' }), 'text/x', `${filed}"r%C3%A4port.csv"`],
        [new Blob(['x,y'], { type: 'text/x' }), 'text/x', `${filed}"f"`],
        [handle, 'application/octet-stream', `${filed}"f"`],
        [binary, 'text/csv', `${filed}"r%C3%A4port.csv"`],
        [text, 'text/plain; charset=utf-8', `${filed}"r%C3%A4port.csv"`],
        [Readable.from(['x,', 'y']), 'application/octet-stream', `${filed}"f"`],
      ];
      for (const [value, type, disposition] of rows) {
        const form = formOf([['f', value]]);
        assert.equal(form.isMultipart, true);
        assert.equal(
          (await sent(form)).text,
          multipart(`${type}\r\nContent-Disposition: ${disposition}\r\n\r\nx,y`),
        );
      }
      const alone = new FormData(new File(['x'], 'a.png'));
      assert.equal(
        (await sent(alone)).text,
        multipart('image/png\r\nContent-Disposition: form-data; name="a.png"; filename="a.png"\r\n\r\nx'),
      );
      const nameless = new FormData([new Blob(['x'])]);
      assert.match((await sent(nameless)).text, /name="unknown"; filename="unknown"/);
      const several = new FormData({ f: [new File(['x'], 'a.png'), 'text'] });
      assert.equal(
        (await sent(several)).text,
        multipart(
          'image/png\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\nx',
          'text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="f"\r\n\r\ntext',
        ),
      );
      const streamed = formOf([
        [
          'f',
          (async function* () {
            yield 'x';
          })(),
        ],
      ]);
      assert.equal(
        (await sent(streamed)).text,
        multipart('application/octet-stream\r\nContent-Disposition: form-data; name="f"\r\n\r\nx'),
      );
    }));

  it('takes the host’s FormData with its files', () =>
    run(async () => {
      const host = new globalThis.FormData();
      host.append('a', 'é');
      host.append('f', new Blob(['x'], { type: 'text/x' }), 'n"ame.txt');
      host.append('g', new Blob(['y']));
      assert.equal(
        (await sent(new FormData(host))).text,
        multipart(
          'text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xc3\xa9',
          'text/x\r\nContent-Disposition: form-data; name="f"; filename="n%22ame.txt"\r\n\r\nx',
          'application/octet-stream\r\nContent-Disposition: form-data; name="g"; filename="blob"\r\n\r\ny',
        ),
      );
    }));

  it('encodes text files in the charset of their type', () =>
    run(async () => {
      const place = path.join(folder, 'japanese.txt');
      writeFileSync(place, '日本');
      await using text = await open(place);
      const form = formOf([['foo', text, { contentType: 'text/plain; charset=shift-jis' }]]);
      const { text: body } = await sent(form);
      assert.match(body, /Content-Type: text\/plain; charset=shift-jis\r\n/);
      assert.ok(body.includes('\x93\xfa\x96{'));
    }));

  it('sends an array as several fields, and numbers as text', () =>
    run(async () => {
      const form = new FormData({ a: [1, true], b: 'x' }, true, null, { defaultToMultipart: true });
      const part = (name: string, value: string): string =>
        `text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}`;
      assert.equal((await sent(form)).text, multipart(part('a', '1'), part('a', 'true'), part('b', 'x')));
    }));

  it('refuses what is no field', () => {
    for (const fields of [
      'as',
      'asdasf',
      1,
      ['name', 'value'],
      [['a']],
      [['a', 'b', 'c']],
      null,
      Buffer.from('a'),
    ]) {
      assert.throws(
        () => new FormData(fields),
        /^TypeError: Only io\.IOBase, multidict and \(name, file\) pairs allowed, use \.addField\(\) for passing more/,
      );
    }
    const form = new FormData();
    for (const bad of [0, 0.1, {}, [], Buffer.from('foo')] as never[]) {
      assert.throws(
        () => form.addField('foo', 'bar', { contentType: bad }),
        /^TypeError: contentType must be/,
      );
      assert.throws(() => form.addField('foo', 'bar', { filename: bad }), /^TypeError: filename must be/);
      assert.throws(
        () => form.addField('foo', 'bar', { contentTransferEncoding: bad }),
        /^TypeError: contentTransferEncoding must be/,
      );
      assert.throws(() => form.addField(bad, 'bar'), /^TypeError: name must be/);
    }
  });

  it('refuses values that cannot be sent', () => {
    for (const value of [{}, null, undefined, Symbol('a'), () => {}]) {
      const plain = formOf([['a', value]]);
      assert.throws(() => payloadOf(plain), /^TypeError: Can not serialize value type: /);
      const form = formOf([['a', value, { filename: 'a.txt' }]]);
      assert.throws(() => payloadOf(form), /^TypeError: Can not serialize value type: /);
    }
  });

  it('P78: no name, file name or type can begin another header', () => {
    const form = new FormData();
    for (const bad of ['\r', '\n', 'a\ra\n', 'a\na\r', 'a\x00b', 'a\x7f']) {
      assert.throws(() => form.addField(bad, 'bar'), /^RangeError: Forbidden control character detected/);
      assert.throws(() => form.addField('foo', 'bar', { filename: bad }), /^RangeError: Forbidden/);
      assert.throws(() => form.addField('foo', 'bar', { contentType: bad }), /^RangeError: Forbidden/);
      const host = new globalThis.FormData();
      host.append('f', new Blob(['x']), bad);
      assert.throws(() => new FormData(host), /^RangeError: Forbidden/);
    }
  });

  it('P78: whatever the names, a part has two headers, and its value is what was given', () =>
    run(async () => {
      const text = fc.string({ unit: 'grapheme', maxLength: 12 });
      const hostile = fc
        .array(fc.constantFrom('"', '\\', ';', '=', "'", '%', '\t', ' ', '--', 'é', '日', 'a', ':'))
        .map((characters) => characters.join(''));
      const name = fc
        .oneof(text, hostile)
        .filter((value) => !/[^\P{Cc}\t]/u.test(value) && !/\p{Surrogate}/u.test(value));
      await fc.assert(
        fc.asyncProperty(
          name,
          name,
          text.filter((value) => !/\p{Surrogate}/u.test(value)),
          fc.boolean(),
          async (field, filename, value, quotes) => {
            const form = formOf([[field, value, { filename }]], quotes);
            const payload = payloadOf(form) as MultipartWriter;
            const bytes = (await written(payload)).toString('latin1');
            const [head = '', body = ''] = bytes.split('\r\n\r\n');
            const lines = head.split('\r\n');
            assert.equal(lines.length, 3);
            assert.equal(lines[0], `--${payload.boundary}`);
            assert.match(lines[1] as string, /^Content-Type: /);
            assert.match(lines[2] as string, /^Content-Disposition: form-data; name\*?=/);
            if (quotes) assert.doesNotMatch(lines[2] as string, /[^\t\x20-\x7e]/);
            // Nothing in the values ends a quoted string.
            const unquoted = (lines[2] as string).replaceAll(/"(?:\\.|[^"\\])*"/g, '');
            assert.match(
              unquoted,
              /^Content-Disposition: form-data; name(?:=|\*=utf-8''[\w%.~-]*); filename=$/,
            );
            const end = `\r\n--${payload.boundary}--\r\n`;
            assert.equal(Buffer.from(bytes.slice(head.length + 4, -end.length), 'latin1').toString(), value);
            assert.ok(bytes.endsWith(end), body);
          },
        ),
        { numRuns: 300 },
      );
    }));

  it('can be sent again, with what was added since', () =>
    run(async () => {
      const plain = new FormData({ a: '1' });
      assert.equal((await sent(plain)).text, 'a=1');
      plain.addField('b', '2');
      assert.equal((await sent(plain)).text, 'a=1&b=2');

      const form = formOf([['f', new File(['x'], 'f.txt')]]);
      const first = payloadOf(form);
      const once = await written(first);
      assert.deepEqual(await written(payloadOf(form)), once);
      form.addField('g', 'y');
      const again = (await written(payloadOf(form))).toString();
      assert.match(again, /name="f"[^]*name="g"/);
      assert.equal(payloadOf(form).consumed, false);
    }));

  it('has a random boundary of its own', () => {
    const boundaries = Array.from(
      { length: 100 },
      () => (payloadOf(new FormData(new Blob([]))) as MultipartWriter).boundary,
    );
    assert.equal(new Set(boundaries).size, 100);
    for (const boundary of boundaries) assert.match(boundary, /^[0-9a-f]{32}$/);
  });

  it('takes payloads as values, whose headers it keeps', () =>
    run(async () => {
      const form = formOf([
        ['a', new BytesPayload(Buffer.from('x'), { contentType: 'text/x', headers: { 'X-One': '1' } })],
        ['b', 'y'],
      ]);
      assert.equal(
        (await sent(form)).text,
        multipart(
          'text/x\r\nX-One: 1\r\nContent-Disposition: form-data; name="a"\r\n\r\nx',
          'text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="b"\r\n\r\ny',
        ),
      );
    }));
});

describe('data', () => {
  /** What the server's own parser makes of a request with this body. */
  async function received(request: IncomingMessage): Promise<object> {
    const type = request.headers['content-type'] as string;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const response = new Response(Buffer.concat(chunks), { headers: { 'content-type': type } });
    const form = await response.formData();
    const fields: unknown[] = [];
    for (const [name, value] of form) {
      if (typeof value === 'string') fields.push([name, value]);
      else fields.push([name, value.name, value.type, await value.text()]);
    }
    return { length: request.headers['content-length'] ?? null, fields };
  }

  it('is a form in any shape, which the host’s parser understands', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        void received(request).then((value) => response.end(JSON.stringify(value)));
      });
      await using session = new ClientSession(site.url);
      const post = async (data: unknown): Promise<{ length: string | null; fields: unknown[] }> =>
        session
          .post('/', { data })
          .run(async (response) => (await response.json({ contentType: null })) as never);

      assert.deepEqual(await post({ a: 'é &', b: 2 }), {
        length: '16',
        fields: [
          ['a', 'é &'],
          ['b', '2'],
        ],
      });
      assert.deepEqual((await post(new URLSearchParams('a=1&a=2'))).fields, [
        ['a', '1'],
        ['a', '2'],
      ]);
      assert.deepEqual((await post(new Map([['a', '1']]))).fields, [['a', '1']]);

      const host = new globalThis.FormData();
      host.append('a', 'é');
      host.append('f', new File(['x'.repeat(100_000)], 'f.txt', { type: 'text/x' }));
      const file = ['f', 'f.txt', 'text/x', 'x'.repeat(100_000)];
      assert.deepEqual((await post(host)).fields, [['a', 'é'], file]);

      const form = new FormData({ a: 'é' });
      form.addField('f', new File(['x'.repeat(100_000)], 'f.txt', { type: 'text/x' }));
      const known = await post(form);
      assert.deepEqual(known.fields, [['a', 'é'], file]);
      assert.ok(Number(known.length) > 100_000);

      const streamed = new FormData({ a: 'é' });
      streamed.addField('f', Readable.from(['x', 'y']), { filename: 'f.bin' });
      assert.deepEqual(await post(streamed), {
        length: null,
        fields: [
          ['a', 'é'],
          ['f', 'f.bin', 'application/octet-stream', 'xy'],
        ],
      });
    }));
});
