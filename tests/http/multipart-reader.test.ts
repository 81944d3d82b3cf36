import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import {
  AssertionError,
  CancelledError,
  createTask,
  Event,
  LookupError,
  RuntimeError,
  run,
  sleep,
} from 'asyncio-ts';
import {
  BodyPartReader,
  ClientPayloadError,
  ClientSession,
  type LooseHeaders,
  MultipartReader,
  type MultipartReaderOptions,
  MultipartWriter,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { Chunks, Collector, written } from './payloads.ts';
import { serve, serveRaw } from './servers.ts';

const BOUNDARY = '--:';

/** The reader of one part, of which `chunks` come in. */
function partOf(headers: LooseHeaders, ...chunks: (string | Uint8Array)[]): BodyPartReader {
  return new BodyPartReader(BOUNDARY, headers, new Chunks(...chunks));
}

/** A part whose content is `body`, and which is ended. */
function ended(headers: LooseHeaders, body: string | Uint8Array): BodyPartReader {
  return partOf(headers, Buffer.from(body as string), '\r\n--:--');
}

function readerOf(
  body: string | string[] | Chunks,
  options?: MultipartReaderOptions,
  subtype = 'related',
): MultipartReader {
  const content = body instanceof Chunks ? body : new Chunks(...[body].flat());
  return new MultipartReader({ 'Content-Type': `multipart/${subtype};boundary=":"` }, content, options);
}

const lines = (...text: string[]): string => text.join('\r\n');

async function next(reader: MultipartReader): Promise<BodyPartReader> {
  const part = await reader.next();
  assert.ok(part instanceof BodyPartReader);
  return part;
}

describe('BodyPartReader', () => {
  describe('read', () => {
    it('reads up to the boundary, and leaves it', () =>
      run(async () => {
        for (const tail of ['--:', '--:--', '--:\r\n\r\nworld!\r\n--:--']) {
          const content = new Chunks(`Hello\n,\r\nworld!\r\n${tail}`);
          const part = new BodyPartReader(Buffer.from(BOUNDARY), {}, content);
          assert.equal((await part.read()).toString(), 'Hello\n,\r\nworld!');
          assert.equal(part.atEof(), true);
          assert.equal((await part.read()).length, 0);
          assert.equal(content.rest, tail);
        }
      }));

    it('reads what looks like a boundary, wherever the chunks end', () =>
      run(async () => {
        const body = 'a\r\r\n-\r\n--\r\n--x\r\n--:x\r\n-- :\n--:\r\n--:-\r\n--:--x\r';
        const all = `${body}\r\n--: \t\r\n`;
        for (let size = 1; size <= all.length; size++) {
          const chunks = all.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
          assert.equal((await partOf({}, ...chunks).read()).toString(), body, `chunks of ${size}`);
        }
      }));

    it('reads an empty part', () =>
      run(async () => {
        for (const chunks of [['--:\r\n'], ['-', '-', ':', '\r', '\n'], ['--:'], ['--:--\r\n']]) {
          const part = partOf({}, ...chunks);
          assert.equal((await part.read()).length, 0);
          assert.equal(part.atEof(), true);
        }
      }));

    it('reads no more than the Content-Length, whatever is in it', () =>
      run(async () => {
        const body = `\r\n--:\r\n${'.'.repeat(100_500)}`;
        for (const cut of [1, 7, 100_507]) {
          const content = new Chunks(body.slice(0, cut), `${body.slice(cut)}\r`, '\n--:--');
          const part = new BodyPartReader(BOUNDARY, { 'content-length': String(body.length) }, content);
          assert.equal((await part.read()).toString(), body);
          assert.equal(part.atEof(), true);
          assert.equal(content.rest, '--:--');
        }
        // RFC 7578, 4.8: a form has none.
        const inForm = new BodyPartReader(BOUNDARY, { 'Content-Length': '2' }, new Chunks('abc\r\n--:'), {
          subtype: 'form-data',
        });
        assert.equal((await inForm.read()).toString(), 'abc');
        assert.equal((await ended({ 'Content-Length': '0' }, '').read()).length, 0);
      }));

    it('refuses a length that is none, or that is wrong', () =>
      run(async () => {
        for (const value of ['-1', '+5', '1_0', ' 5', '0x5', '５', '', '1.5', '1e3']) {
          assert.throws(
            () => ended({ 'Content-Length': value }, 'a'),
            /^RangeError: invalid Content-Length: /,
          );
        }
        const malformed = new RangeError('Reader did not read all the data or it is malformed');
        await assert.rejects(partOf({ 'Content-Length': '5' }, 'HelloXX--:--').read().toPromise(), malformed);
        await assert.rejects(partOf({ 'Content-Length': '5' }, 'Hel').read().toPromise(), malformed);
        await assert.rejects(partOf({ 'Content-Length': '5' }, 'Hello').read().toPromise(), malformed);
      }));

    it('refuses a body without an end, after giving what there is', () =>
      run(async () => {
        const part = partOf({}, 'Hello, World!\r\n--');
        assert.equal((await part.readChunk()).toString(), 'Hello, World!');
        assert.equal((await part.readChunk()).toString(), '\r\n--');
        await assert.rejects(part.readChunk().toPromise(), new RangeError('Reading after EOF'));
        await assert.rejects(partOf({}, 'Hello').read().toPromise(), new RangeError('Reading after EOF'));
        await assert.rejects(partOf({}).read().toPromise(), new RangeError('Reading after EOF'));
        await assert.rejects(partOf({}).release().toPromise(), new RangeError('Reading after EOF'));
      }));

    it('CVE-2025-69229: takes a body in the smallest chunks without reading it over and over', () =>
      run(async () => {
        const body = Buffer.alloc(20_000, '\r\n--');
        const content = new Chunks(...Array.from(body, (_, i) => body.subarray(i, i + 1)), '\r\n--:');
        const part = new BodyPartReader(BOUNDARY, {}, content);
        assert.ok((await part.read()).equals(body));
        assert.ok(content.reads < 20_010);
      }));

    it('decodes by the headers', () =>
      run(async () => {
        const text = 'Time to Relax!'.repeat(50_000);
        const encoding = 'Content-Encoding';
        const transfer = 'Content-Transfer-Encoding';
        const rows: [LooseHeaders, string | Uint8Array][] = [
          [{ [encoding]: 'gzip' }, gzipSync(text)],
          [{ [encoding]: 'Deflate' }, deflateRawSync(text)],
          [{ [encoding]: 'deflate' }, deflateSync(text)],
          [{ [encoding]: 'identity' }, text],
          [{ [transfer]: 'base64' }, Buffer.from(text).toString('base64')],
          [{ [transfer]: 'quoted-printable' }, text.replaceAll('!', '=21=\r\n')],
          [{ [transfer]: 'binary' }, text],
          [{ [transfer]: '8bit' }, text],
          [{ [transfer]: '7bit' }, text],
          [{ [transfer]: 'base64', [encoding]: 'gzip' }, gzipSync(text).toString('base64')],
        ];
        for (const [headers, body] of rows) {
          assert.equal((await ended(headers, body).read({ decode: true })).toString(), text);
          assert.deepEqual(await ended(headers, body).read(), Buffer.from(body as string));
          assert.equal(
            ended(headers, '')
              .decode(Buffer.from(body as string))
              .toString(),
            text,
          );
        }
        // In a form only the transfer encoding counts.
        const inForm = new BodyPartReader(
          BOUNDARY,
          { [encoding]: 'gzip', [transfer]: 'base64' },
          new Chunks('YQ==\r\n--:'),
          { subtype: 'form-data' },
        );
        assert.equal((await inForm.read({ decode: true })).toString(), 'a');
      }));

    it('refuses what cannot be decoded', () =>
      run(async () => {
        const read = (headers: LooseHeaders, body: string | Uint8Array): Promise<Buffer> =>
          ended(headers, body).read({ decode: true }).toPromise();
        const encoding = 'Content-Encoding';
        const transfer = 'Content-Transfer-Encoding';
        await assert.rejects(
          read({ [encoding]: 'snappy' }, 'a'),
          new RuntimeError('unknown content encoding: snappy'),
        );
        await assert.rejects(
          read({ [transfer]: 'unknown' }, 'a'),
          new RuntimeError('unknown content transfer encoding: unknown'),
        );
        for (const type of ['gzip', 'deflate']) {
          await assert.rejects(read({ [encoding]: type }, 'Time to Relax!'), ClientPayloadError);
          await assert.rejects(
            read({ [encoding]: type }, gzipSync('abc').subarray(0, 12)),
            ClientPayloadError,
          );
          assert.throws(
            () => ended({ [encoding]: type }, '').decode(Buffer.from('Time')),
            ClientPayloadError,
          );
        }
        await assert.rejects(
          read({ [transfer]: 'base64' }, 'VGltZSB0byBSZWxheCE'),
          new RangeError('Incorrect padding'),
        );
        await assert.rejects(
          read({ [transfer]: 'base64' }, 'VGltZ'),
          /cannot be 1 more than a multiple of 4/,
        );
      }));

    it('CVE-2025-69223: stops at the size that a part may have, decoded or not', () =>
      run(async () => {
        const bomb = gzipSync(Buffer.alloc(50_000_000));
        const partWith = (body: Uint8Array, clientMaxSize: number): BodyPartReader =>
          new BodyPartReader(BOUNDARY, { 'Content-Encoding': 'gzip' }, new Chunks(body, '\r\n--:'), {
            clientMaxSize,
          });
        const tooLarge = new RangeError('Maximum size of 100000 bytes exceeded');
        await assert.rejects(partWith(bomb, 100_000).read({ decode: true }).toPromise(), tooLarge);
        await assert.rejects(partWith(Buffer.alloc(100_001), 100_000).read().toPromise(), tooLarge);
        assert.equal((await partWith(Buffer.alloc(100_000), 100_000).read()).length, 100_000);
        assert.throws(() => partWith(bomb, 100_000).decode(bomb), ClientPayloadError);
        let size = 0;
        await assert.rejects(async () => {
          for await (const piece of partWith(bomb, 100_000).decodeIter(bomb)) size += piece.length;
        }, tooLarge);
        assert.ok(size <= 100_000);
      }));
  });

  describe('readChunk', () => {
    it('gives what comes, and says at the last chunk that it is the last', () =>
      run(async () => {
        const part = partOf({}, 'Hello, ', 'World', '!\r\n--:', '\r\n');
        for (const [text, isLast] of [
          ['Hello, ', false],
          ['World', false],
          ['!', true],
          ['', true],
        ] as const) {
          assert.equal((await part.readChunk(8)).toString(), text);
          assert.equal(part.atEof(), isLast);
        }
        const split = partOf({}, 'Hello, World', '!\r\n', '--:', '\r\n');
        assert.equal((await split.readChunk(12)).toString(), 'Hello, World');
        assert.equal((await split.readChunk(8)).toString(), '!');
        assert.equal(split.atEof(), true);
      }));

    it('gives no more than it is asked for', () =>
      run(async () => {
        for (const headers of [{}, { 'Content-Length': '13' }]) {
          for (let size = 1; size <= 14; size++) {
            const part = partOf(headers, 'Hello,', ' world!\r', '\n--:--');
            let text = '';
            while (!part.atEof()) {
              const chunk = await part.readChunk(size);
              assert.ok(chunk.length > 0 && chunk.length <= size);
              text += chunk.toString();
            }
            assert.equal(text, 'Hello, world!');
          }
        }
        for (const size of [0, -1, 1.5, Number.NaN]) {
          await assert.rejects(
            ended({}, 'a').readChunk(size).toPromise(),
            /^RangeError: size must be a positive/,
          );
        }
      }));

    it('cuts base64 and quoted-printable where they can be decoded', () =>
      run(async () => {
        const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7) % 256));
        const base64 = (bytes.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n');
        const quoted = Array.from(bytes, (byte) => `=${byte.toString(16).padStart(2, '0')}`).join('=\r\n');
        for (const [encoding, body] of [
          ['BASE64', base64],
          ['quoted-printable', quoted],
        ] as const) {
          for (const size of [5, 6, 7, 8, 64, 8192]) {
            const pieces = body.match(/[^]{1,10}/g) ?? [];
            const part = partOf({ 'Content-Transfer-Encoding': encoding }, ...pieces, '\r\n--:--');
            const decoded: Buffer[] = [];
            while (!part.atEof()) {
              const chunk = await part.readChunk(size);
              assert.ok(chunk.length > 0 && chunk.length <= size);
              decoded.push(part.decode(chunk));
            }
            assert.ok(Buffer.concat(decoded).equals(bytes), `${encoding} in chunks of ${size}`);
          }
        }
      }));

    it('comes to the end of a run of characters that are no base64', () =>
      run(async () => {
        const body = `A${' '.repeat(64 * 1024)}BBB`;
        const part = ended({ 'Content-Transfer-Encoding': 'base64' }, body);
        let text = '';
        while (!part.atEof()) {
          const chunk = await part.readChunk();
          assert.ok(chunk.length > 0 && chunk.length <= 8192);
          text += chunk.toString();
        }
        assert.equal(text, body);
      }));

    it('loses nothing when it is cancelled', () =>
      run(async () => {
        const more = new Event();
        const body = ['Hello, ', 'wor', 'ld!\r\n-', '-:\r\n'];
        let reads = 0;
        const part = new BodyPartReader(
          BOUNDARY,
          {},
          {
            read: (n) =>
              (function* (): Generator<never, Buffer, unknown> {
                if (reads++ % 2 === 0) yield* more.wait() as unknown as Generator<never>;
                const piece = body.shift() ?? '';
                assert.ok(piece.length <= n);
                return Buffer.from(piece);
              })(),
            atEof: () => body.length === 0,
          },
        );
        let text = '';
        while (!part.atEof()) {
          const task = createTask(part.readChunk());
          await sleep(0);
          await sleep(0);
          task.cancel();
          try {
            text += (await task).toString();
          } catch (error) {
            assert.ok(error instanceof CancelledError);
          }
          more.set();
          await sleep(0);
          text += part.atEof() ? '' : (await part.readChunk(100)).toString();
          more.clear();
        }
        assert.equal(text, 'Hello, world!');
      }));
  });

  describe('readline', () => {
    it('gives the lines, with their ends', () =>
      run(async () => {
        for (const chunks of [['Hello\n,\r\nworld!\r\n--:--'], 'Hello\n,\r\nworld!\r\n--:--'.split('')]) {
          const part = partOf({}, ...chunks);
          for (const line of ['Hello\n', ',\r\n', 'world!', '']) {
            assert.equal((await part.readline()).toString(), line);
          }
          assert.equal(part.atEof(), true);
        }
        const mixed = ended({}, 'one\ntwo\nthree');
        assert.equal((await mixed.readline()).toString(), 'one\n');
        assert.equal((await mixed.readChunk(2)).toString(), 'tw');
        assert.equal((await mixed.readline()).toString(), 'o\n');
        assert.equal((await mixed.read()).toString(), 'three');
      }));
  });

  describe('release', () => {
    it('reads the rest away, and no more', () =>
      run(async () => {
        for (const headers of [{}, { 'Content-Length': '6' }]) {
          const content = new Chunks('Hello,\r\n--:\r\n\r\nworld!\r\n--:--');
          const part = new BodyPartReader(BOUNDARY, headers, content);
          await part.readChunk(2);
          await part.release();
          await part.release();
          assert.equal(part.atEof(), true);
          assert.equal(content.rest, '--:\r\n\r\nworld!\r\n--:--');
        }
      }));
  });

  describe('text, json and form', () => {
    const russian = Buffer.from([0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2]);

    it('decode by the charset, or the one given, or UTF-8', () =>
      run(async () => {
        assert.equal(await ended({}, 'Привет').text(), 'Привет');
        assert.equal(await ended({}, russian).text({ encoding: 'cp1251' }), 'Привет');
        assert.equal(await ended({ 'Content-Type': 'text/plain;charset=cp1251' }, russian).text(), 'Привет');
        assert.equal(await ended({ 'Content-Encoding': 'deflate' }, deflateRawSync('abc')).text(), 'abc');
        assert.equal(await ended({}, '').text(), '');
        await assert.rejects(ended({}, russian).text().toPromise(), RangeError);
        await assert.rejects(ended({}, 'a').text({ encoding: 'klingon' }).toPromise(), LookupError);
        const quoted = Buffer.concat([Buffer.from('{"a": "'), russian, Buffer.from('"}')]);
        const type = { 'Content-Type': 'application/json; charset=cp1251' };
        assert.deepEqual(await ended(type, quoted).json(), { a: 'Привет' });
        assert.deepEqual(await ended({}, quoted).json({ encoding: 'cp1251' }), { a: 'Привет' });
        assert.equal(await ended({}, '').json(), null);
        await assert.rejects(ended({}, '{').json().toPromise(), SyntaxError);
        const formType = { 'Content-Type': 'application/x-www-form-urlencoded; charset=cp1251' };
        assert.deepEqual(await ended(formType, 'a=%CF%F0&a=b+c&boo=&d&=e&&%zz=%').form(), [
          ['a', 'Пр'],
          ['a', 'b c'],
          ['boo', ''],
          ['d', ''],
          ['', 'e'],
          ['%zz', '%'],
        ]);
        assert.deepEqual(await ended({}, 'a=b\r\n').form(), [['a', 'b']]);
        assert.deepEqual(await ended({}, '').form(), []);
        await assert.rejects(
          ended({}, Buffer.from([0xff]))
            .form()
            .toPromise(),
          new RangeError('data cannot be decoded with utf-8 encoding'),
        );
      }));
  });

  it('has the name and file name of its disposition', () => {
    const header = 'form-data; name="field"; filename*=UTF-8\'\'%C3%A9.txt; filename="e.txt"';
    const part = partOf({ 'Content-Disposition': header });
    assert.equal(part.name, 'field');
    assert.equal(part.filename, 'é.txt');
    assert.equal(partOf({}).name, null);
    assert.equal(partOf({}).filename, null);
    assert.equal(part.getCharset('x'), 'x');
  });

  it('is iterated over in one piece', () =>
    run(async () => {
      const pieces: string[] = [];
      for await (const data of ended({}, 'foobarbaz')) pieces.push(data.toString());
      assert.deepEqual(pieces, ['foobarbaz']);
    }));

  it('is decoded as part of another body by its first byte, if no more has come', () =>
    run(async () => {
      for (const bytes of [deflateSync('Time to Relax!'), deflateRawSync('Time to Relax!')]) {
        const pieces = [...bytes].map((byte) => Buffer.of(byte));
        const writer = new MultipartWriter('mixed', ':');
        writer.append(partOf({ 'Content-Encoding': 'deflate' }, ...pieces, '\r\n--:--'));
        assert.match((await written(writer)).toString(), /\r\n\r\nTime to Relax!\r\n--:--/);
      }
    }));

  it('can be a part of another body, decoded and once', () =>
    run(async () => {
      const text = 'A'.repeat(1_000_000);
      const disposition = { 'Content-Disposition': 'form-data; name="n"; filename="f.txt"' };
      const part = ended({ 'Content-Encoding': 'deflate', ...disposition }, deflateRawSync(text));
      const writer = new MultipartWriter('mixed', ':');
      const payload = writer.append(part);
      assert.equal(payload.headers.get('Content-Disposition'), 'attachment; name="n"; filename="f.txt"');
      assert.equal(payload.consumed, false);
      assert.throws(() => payload.decode(), new TypeError('Unable to decode.'));
      await assert.rejects(
        payload.asBytes().toPromise(),
        /Unable to read body part as bytes\. Use write\(\)/,
      );
      const collector = new Collector();
      await writer.write(collector);
      assert.ok(collector.text.includes(`\r\n\r\n${text}\r\n--:--`));
      assert.equal(writer.consumed, true);
      const encoded = ended({ 'Content-Transfer-Encoding': 'base64' }, 'VGltZSB0byBSZWxheCE=');
      const other = new MultipartWriter('mixed', ':');
      other.append(encoded);
      assert.match((await written(other)).toString(), /\r\n\r\nTime to Relax!\r\n--:--/);
    }));
});

describe('MultipartReader', () => {
  it('needs a type with a boundary', () => {
    const make = (type: string) => (): unknown => new MultipartReader({ 'Content-Type': type }, new Chunks());
    assert.throws(make('text/plain'), AssertionError);
    assert.throws(() => new MultipartReader({}, new Chunks()), AssertionError);
    assert.throws(
      make('multipart/mixed'),
      new RangeError('boundary missed for Content-Type: multipart/mixed'),
    );
    assert.throws(make('multipart/mixed; boundary=""'), RangeError);
    assert.throws(make(`multipart/mixed; boundary=${'a'.repeat(71)}`), / is too long \(70 chars max\)$/);
    make(`multipart/mixed; boundary=${'a'.repeat(70)}`)();
  });

  it('reads parts of parts, and what is between them goes', () =>
    run(async () => {
      const gzipped = gzipSync('aiohttp\n').toString('latin1');
      const body = Buffer.from(
        lines(
          'Not meant for anybody.',
          '--:',
          'Content-Type: application/json',
          '',
          '{"test":"passed"}',
          '--: ',
          'Content-Type: multipart/related; boundary="::"',
          '',
          '--::',
          'Content-Type: text/plain',
          '',
          'plain text',
          '--::',
          'Content-Disposition: attachment; filename="aiohttp"',
          `Content-Length: ${gzipped.length}`,
          'Content-Encoding: gzip',
          '',
          gzipped,
          '--::',
          'Content-Type: multipart/related; boundary=":::"',
          '',
          '--:::',
          '',
          'no epilogue',
          '--:::--',
          '--::--',
          'an epilogue',
          '--:',
          '',
          '',
          '--:--',
          '',
        ),
        'latin1',
      );
      for (const size of [1, 2, 3, 5, 64, 10_000]) {
        const chunks = Array.from({ length: Math.ceil(body.length / size) }, (_, i) =>
          body.subarray(i * size, (i + 1) * size),
        );
        const found: unknown[] = [];
        const collect = async (reader: MultipartReader): Promise<void> => {
          for await (const part of reader) {
            if (part instanceof MultipartReader) await collect(part);
            else found.push((await part.read({ decode: true })).toString());
          }
        };
        const reader = readerOf(new Chunks(...chunks));
        await collect(reader);
        assert.deepEqual(found, ['{"test":"passed"}', 'plain text', 'aiohttp\n', 'no epilogue', '']);
        assert.equal(reader.atEof(), true);
        assert.equal(await reader.next(), null);
      }
    }));

  it('reads the rest of a part away when the next is asked for', () =>
    run(async () => {
      const nested = lines('--::', '', 'deep', '--::', '', 'deeper', '--::--');
      const body = lines(
        '--:',
        '',
        'one',
        '--:',
        'Content-Length: 3',
        '',
        'two',
        '--:',
        'Content-Type: multipart/mixed; boundary="::"',
        '',
        nested,
        '--:',
        '',
        'four',
        '--:--',
        'rest',
      );
      const content = new Chunks(body);
      const reader = readerOf(content);
      const first = await next(reader);
      await first.readChunk(1);
      const second = await next(reader);
      assert.equal(first.atEof(), true);
      assert.equal(second.atEof(), false);
      const third = await reader.next();
      assert.ok(third instanceof MultipartReader);
      const deep = await next(third);
      const fourth = await next(reader);
      assert.equal((await fourth.read()).toString(), 'four');
      assert.equal(await reader.next(), null);
      assert.equal(content.rest, 'rest');
      assert.equal(deep.atEof(), false);
      const released = readerOf(body);
      await released.release();
      assert.equal(released.atEof(), true);
      await released.release();
    }));

  it('is not led beyond a nested body that has no end', () =>
    run(async () => {
      const body = lines(
        '--:',
        'Content-Type: multipart/mixed; boundary="::"',
        '',
        '--::',
        '',
        'deep',
        '--:',
        '',
        'next',
        '--:--',
      );
      const reader = readerOf(body);
      const nested = await reader.next();
      assert.ok(nested instanceof MultipartReader);
      const deep = await next(nested);
      await assert.rejects(deep.read().toPromise(), new RangeError('Reading after EOF'));
      assert.equal((await (await next(reader)).read()).toString(), 'next');
    }));

  it('reads bodies that are nested a thousand times without going deep', () =>
    run(async () => {
      let body = 'core';
      for (let i = 0; i < 1000; i++) {
        body = lines('--:', 'Content-Type: multipart/mixed; boundary=":"', '', body, '--:--');
      }
      const reader = readerOf(body);
      assert.ok((await reader.next()) instanceof MultipartReader);
      await reader.release();
      assert.equal(reader.atEof(), true);
    }));

  it('refuses a body without boundaries', () =>
    run(async () => {
      for (const body of ['', '---:\r\n\r\necho\r\n---:--', 'a\r\nb\r\n', '--:x\r\n']) {
        await assert.rejects(
          readerOf(body).next().toPromise(),
          new RangeError("Could not find starting boundary b'--:'"),
        );
      }
      const wrong = readerOf('--:\r\nContent-Length: 1\r\n\r\na\r\n--x\r\n');
      await next(wrong);
      await assert.rejects(
        wrong.next().toPromise(),
        new RangeError("Invalid boundary b'--x', expected b'--:'"),
      );
      assert.equal(await readerOf('--:--').next(), null);
    }));

  it('CVE-2026-34516: limits the headers of a part', () =>
    run(async () => {
      const withHeaders = (headers: string[], options?: MultipartReaderOptions): MultipartReader =>
        readerOf(lines('--:', ...headers, '', 'a', '--:--'), options);
      const many = (n: number): string[] => Array.from({ length: n }, (_, i) => `X-${i}: ${i}`);
      assert.equal((await next(withHeaders(many(128)))).headers.size, 128);
      await assert.rejects(withHeaders(many(129)).next().toPromise(), /Too many headers received/);
      await next(withHeaders(many(3), { maxHeaders: 3 }));
      await assert.rejects(withHeaders(many(4), { maxHeaders: 3 }).next().toPromise(), /Too many headers/);

      const long = (n: number): string => `X: ${'a'.repeat(n - 'X: \r\n'.length)}`;
      await next(withHeaders([long(8190)]));
      await assert.rejects(
        withHeaders([long(8191)])
          .next()
          .toPromise(),
        /Got more than 8190 bytes when reading: b'X: a/,
      );
      await next(withHeaders([long(20)], { maxFieldSize: 20 }));
      await assert.rejects(
        withHeaders([long(21)], { maxFieldSize: 20 })
          .next()
          .toPromise(),
        /Got more than 20 bytes/,
      );
      // A line that never ends is not waited for.
      const endless = readerOf(['--:\r\n', ...Array.from({ length: 100 }, () => 'a'.repeat(1000))]);
      await assert.rejects(endless.next().toPromise(), /Got more than 8190 bytes/);
      // The limits hold for nested bodies, too.
      const nested = lines(
        '--:',
        'Content-Type: multipart/mixed; boundary="::"',
        '',
        '--::',
        ...many(4),
        '',
        '--::--',
        '--:--',
      );
      const reader = await readerOf(nested, { maxHeaders: 3 }).next();
      await assert.rejects((reader as MultipartReader).next().toPromise(), /Too many headers/);
    }));

  it('refuses headers that are none', () =>
    run(async () => {
      for (const header of [
        'no colon',
        ': a',
        'a b: c',
        ' a: b',
        'a : b',
        'é: b',
        'a: b\0',
        'a: b\rc',
        'a: \x7f',
      ]) {
        await assert.rejects(
          readerOf(lines('--:', header, '', 'a', '--:--'))
            .next()
            .toPromise(),
          /Invalid HTTP header: b/,
          header,
        );
      }
      const twice = lines('--:', 'Content-Length: 1', 'content-length: 2', '', 'a', '--:--');
      await assert.rejects(readerOf(twice).next().toPromise(), /Duplicate 'content-length' header found\./);
      const part = await next(readerOf(lines('--:', 'A:  b \t', 'a: é', '__proto__: x', '', '', '--:--')));
      assert.deepEqual(part.headers.getall('A'), ['b', 'é']);
      assert.equal(part.headers.get('__proto__'), 'x');
    }));

  it('limits the size of parts, and of nested ones', () =>
    run(async () => {
      const nested = lines(
        '--:',
        'Content-Type: multipart/mixed; boundary="::"',
        '',
        '--::',
        '',
        'abcd',
        '--::--',
        '--:',
        '',
        'abcd',
        '--:--',
      );
      const reader = readerOf(nested, { clientMaxSize: 3 });
      const inner = (await reader.next()) as MultipartReader;
      const tooLarge = new RangeError('Maximum size of 3 bytes exceeded');
      await assert.rejects((await next(inner)).read().toPromise(), tooLarge);
      await assert.rejects((await next(reader)).read().toPromise(), tooLarge);
    }));

  it('takes the charset of a form from its field for that', () =>
    run(async () => {
      const field = (name: string, value: string, ...headers: string[]): string[] => [
        '--:',
        ...headers,
        `Content-Disposition: form-data; name="${name}"`,
        '',
        value,
      ];
      const body = lines(
        ...field('_charset_', ' koi8-r'),
        ...field('a', '\xd6'),
        ...field('b', 'foo', 'Content-Type: text/plain;charset=UTF-8'),
        ...field('_charset_', 'latin-1'),
        ...field('c', '\xd6'),
        '--:--',
      );
      const reader = readerOf(new Chunks(Buffer.from(body, 'latin1')), {}, 'form-data');
      const a = await next(reader);
      assert.deepEqual([a.name, a.getCharset('x'), await a.text()], ['a', 'koi8-r', 'ж']);
      const b = await next(reader);
      assert.deepEqual([b.name, b.getCharset('x')], ['b', 'UTF-8']);
      const c = await next(reader);
      assert.deepEqual([c.name, await c.text()], ['c', 'Ö']);
      assert.equal(await reader.next(), null);
      const long = lines(...field('_charset_', 'this-value-is-too-long-to-be-a-charset'), '--:--');
      await assert.rejects(
        readerOf(long, {}, 'form-data').next().toPromise(),
        new RuntimeError('Invalid default charset'),
      );
      assert.equal((await next(readerOf(body))).name, '_charset_');
      const many = lines(
        ...Array.from({ length: 20_000 }, () => field('_charset_', 'utf-8')).flat(),
        '--:--',
      );
      assert.equal(await readerOf(many, {}, 'form-data').next(), null);
    }));

  it('can be asked for the next part again after a cancellation', () =>
    run(async () => {
      const body = lines('--:', 'X-One: 1', 'X-Two: 2', '', 'one', '--:', 'X-One: 2', '', 'two', '--:--', '');
      const gate = new Event();
      let left = body;
      let isFree = false;
      const reader = readerOf(
        Object.assign(new Chunks(), {
          // Every other read waits, and every wait is cancelled.
          read: function* (): Generator<never, Buffer, unknown> {
            if (!isFree) yield* gate.wait() as unknown as Generator<never>;
            isFree = false;
            const piece = left.slice(0, 3);
            left = left.slice(3);
            return Buffer.from(piece);
          },
          atEof: () => left === '',
        }),
      );
      const patiently = async <T>(start: () => Promise<T>): Promise<T> => {
        for (;;) {
          const task = createTask(start);
          for (let i = 0; i < 5; i++) await sleep(0);
          if (!task.done()) task.cancel();
          try {
            return await task;
          } catch (error) {
            assert.ok(error instanceof CancelledError);
          }
          isFree = true;
        }
      };
      const first = await patiently(async () => next(reader));
      assert.deepEqual(
        [...first.headers],
        [
          ['X-One', '1'],
          ['X-Two', '2'],
        ],
      );
      const second = await patiently(async () => next(reader));
      assert.deepEqual([...second.headers], [['X-One', '2']]);
      const bytes: string[] = [];
      while (!second.atEof()) bytes.push((await patiently(async () => second.readChunk())).toString());
      assert.equal(bytes.join(''), 'two');
      assert.equal(await patiently(async () => reader.next()), null);
    }));

  it('fetches parts without looking for a boundary', () =>
    run(async () => {
      const reader = readerOf('X-One: 1\r\n\r\nabc\r\n--:--');
      const part = await reader.fetchNextPart();
      assert.equal(part.headers.get('X-One'), '1');
      assert.equal((await (part as BodyPartReader).read()).toString(), 'abc');
    }));

  it('makes readers of its own class for nested bodies', () =>
    run(async () => {
      class Own extends MultipartReader {}
      const body = lines('--:', 'Content-Type: multipart/mixed; boundary="::"', '', '--::--', '--:--');
      const reader = new Own({ 'Content-Type': 'multipart/mixed; boundary=":"' }, new Chunks(body));
      assert.ok((await reader.next()) instanceof Own);
    }));
});

describe('MultipartReader.fromResponse', () => {
  const type = { 'Content-Type': 'multipart/mixed; boundary=":"' };

  it('reads a response, and gives its connection back at the end', () =>
    run(async () => {
      const body = lines(
        '--:',
        'Content-Type: text/plain',
        '',
        'one',
        '--:',
        '',
        'x'.repeat(300_000),
        '--:--',
        '',
      );
      await using site = await serve((_, response) => {
        response.writeHead(200, type);
        response.write(body.slice(0, 10));
        setImmediate(() => response.end(body.slice(10)));
      });
      await using session = new ClientSession(site.url);
      for (let i = 0; i < 3; i++) {
        const response = await session.get('/');
        const sizes: number[] = [];
        for await (const part of MultipartReader.fromResponse(response)) {
          sizes.push((await (part as BodyPartReader).read()).length);
        }
        assert.deepEqual(sizes, [3, 300_000]);
        assert.equal(response.closed, true);
      }
      assert.equal(site.connections, 1);
    }));

  it('does not wait for the end of an epilogue that has none', () =>
    run(async () => {
      await using site = await serveRaw((socket) => {
        const head = 'HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=":"\r\n\r\n';
        socket.write(`${head}${lines('--:', '', 'one', '--:--', 'epilogue')}`);
        const more = setInterval(() => socket.write('more'), 1);
        socket.on('close', () => clearInterval(more));
      });
      await using session = new ClientSession(site.url);
      const response = await session.get('/');
      const reader = MultipartReader.fromResponse(response);
      assert.equal((await (await next(reader)).read()).toString(), 'one');
      assert.equal(await reader.next(), null);
      await site.drained();
    }));

  it('fails as the response does', () =>
    run(async () => {
      await using site = await serve((_, response) => {
        response.writeHead(200, { ...type, 'Content-Length': '1000' });
        response.write('--:\r\n\r\nabc', () => response.destroy());
      });
      await using session = new ClientSession(site.url);
      const response = await session.get('/');
      const reader = MultipartReader.fromResponse(response);
      await assert.rejects(async () => {
        const part = await next(reader);
        await part.read();
      }, ClientPayloadError);
    }));
});
