import assert from 'node:assert/strict';
import { Blob } from 'node:buffer';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { AssertionError, coroutine, createTask, RuntimeError, run, setLogger, sleep } from 'asyncio-ts';
import {
  AsyncIterablePayload,
  BytesIOPayload,
  BytesPayload,
  MultipartWriter,
  Payload,
  StringPayload,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { Collector, written } from './payloads.ts';

const newWriter = (subtype = 'mixed'): MultipartWriter => new MultipartWriter(subtype, ':');

/** What is written, as text of one byte a character. */
async function textOf(writer: MultipartWriter): Promise<string> {
  return (await written(writer)).toString('latin1');
}

/** The parts that `writer` writes, headers and content. */
async function partsOf(writer: MultipartWriter): Promise<[head: string, body: string][]> {
  const parts = (await textOf(writer)).split('\r\n--:').slice(0, -1);
  return parts.map((part) => {
    const end = part.indexOf('\r\n\r\n');
    return [part.slice(part.indexOf('\r\n') + 2, end), part.slice(end + 4)];
  });
}

describe('MultipartWriter', () => {
  it('has a boundary in its type, in quotes if it must be', () => {
    const typeOf = (boundary: string): string => new MultipartWriter('mixed', boundary).contentType;
    assert.equal(typeOf('abc123'), 'multipart/mixed; boundary=abc123');
    assert.equal(typeOf(':'), 'multipart/mixed; boundary=":"');
    assert.equal(typeOf('\\"'), 'multipart/mixed; boundary="\\\\\\""');
    assert.equal(typeOf("!#$%&'*+-.^_`|~"), "multipart/mixed; boundary=!#$%&'*+-.^_`|~");
    assert.equal(new MultipartWriter('related', 'a').contentType, 'multipart/related; boundary=a');
    assert.throws(() => typeOf('тест'), new RangeError('boundary should contain ASCII only chars'));
    for (const bad of ['test\n', 'a\rb', '\0', '\x7f']) {
      assert.throws(() => typeOf(bad), new RangeError('boundary value contains invalid characters'));
    }
    assert.throws(() => new MultipartWriter('mixed\r\nX-Evil: 1'), /Forbidden control character/);
  });

  it('S18: has a random boundary otherwise', () => {
    const boundaries = Array.from({ length: 100 }, () => new MultipartWriter().boundary);
    assert.equal(new Set(boundaries).size, 100);
    for (const boundary of boundaries) assert.match(boundary, /^[0-9a-f]{32}$/);
  });

  it('writes parts as aiohttp does, one in another too', () =>
    run(async () => {
      const writer = newWriter();
      writer.append('foo-bar-baz');
      writer.appendJson({ test: 'passed' });
      writer.appendForm({ test: 'passed' });
      writer.appendForm([
        ['one', 1],
        ['two', 'zwei 2'],
      ]);
      const nested = new MultipartWriter('mixed', '::');
      nested.append('nested content');
      nested.headers.set('X-CUSTOM', 'test');
      writer.append(nested);
      const text = (type: string, length: number, body: string): string =>
        `--:\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${body}\r\n`;
      const parts =
        text('text/plain; charset=utf-8', 11, 'foo-bar-baz') +
        text('application/json', 17, '{"test":"passed"}') +
        text('application/x-www-form-urlencoded', 11, 'test=passed') +
        text('application/x-www-form-urlencoded', 16, 'one=1&two=zwei+2') +
        '--:\r\nContent-Type: multipart/mixed; boundary="::"\r\nX-CUSTOM: test\r\nContent-Length: 93\r\n\r\n' +
        '--::\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\nnested content\r\n' +
        '--::--\r\n\r\n';
      assert.equal(await textOf(writer), `${parts}--:--\r\n`);
      assert.equal(writer.size, parts.length + 7);
      assert.equal(writer.length, 5);
      const open = new Collector();
      await writer.write(open, false);
      assert.equal(open.text, parts);
      assert.equal((await writer.asBytes()).toString(), `${parts}--:--\r\n`);
      assert.equal(writer.decode(), `${parts}--:--\r\n`);
      assert.ok([...writer].every((part) => part instanceof Payload));
    }));

  it('writes no parts', () =>
    run(async () => {
      const writer = newWriter();
      assert.equal(await textOf(writer), '--:--\r\n');
      assert.equal(writer.size, 7);
      assert.equal(writer.length, 0);
    }));

  it('writes what comes in pieces, whose size nobody knows', () =>
    run(async () => {
      const writer = newWriter();
      writer.append(Readable.from(['foo', 'bar']));
      writer.append(new Blob(['baz']));
      assert.equal(writer.size, null);
      assert.equal(
        await textOf(writer),
        '--:\r\nContent-Type: application/octet-stream\r\n\r\nfoobar\r\n' +
          '--:\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\nbaz\r\n--:--\r\n',
      );
    }));

  it('takes headers, which outrank those of the payload', () =>
    run(async () => {
      const writer = newWriter();
      const part = writer.append('foo', { 'content-type': 'text/x', 'X-One': '1' });
      assert.equal(part.headers.get('Content-Type'), 'text/x');
      writer.append(new StringPayload('bar', { headers: { 'X-One': '1' } }), { 'x-one': '2' });
      writer.appendJson(1, { 'Content-Type': 'application/x' });
      assert.deepEqual(await partsOf(writer), [
        ['content-type: text/x\r\nX-One: 1\r\nContent-Length: 3', 'foo'],
        ['Content-Type: text/plain; charset=utf-8\r\nx-one: 2\r\nContent-Length: 3', 'bar'],
        ['Content-Type: application/x\r\nContent-Length: 1', '1'],
      ]);
    }));

  it('refuses what no payload can be made of', () => {
    const writer = newWriter();
    for (const value of [1, 1.1, null, undefined, {}, []]) {
      assert.throws(() => writer.append(value), /^TypeError: Cannot create payload from /);
    }
    for (const value of [1, null, 'text']) {
      assert.throws(() => writer.appendForm(value as never), TypeError);
    }
    assert.throws(() => writer.appendJson(undefined), TypeError);
    assert.equal(writer.length, 0);
  });

  it('CVE-2026-50269: refuses headers of parts that could begin another', () =>
    run(async () => {
      for (const bad of ['\r', '\n', '\0', 'a\r\n\r\nb', '\x7f']) {
        for (const headers of [{ 'X-One': bad }, { [`X-${bad}`]: '1' }]) {
          const writer = newWriter();
          writer.append('foo', headers);
          await assert.rejects(written(writer), /^RangeError: Forbidden control character/);
          await assert.rejects(writer.asBytes().toPromise(), RangeError);
          assert.throws(() => writer.size, RangeError);
          assert.throws(() => writer.decode(), RangeError);
        }
      }
    }));

  it('compresses parts', () =>
    run(async () => {
      const writer = newWriter();
      const text = 'Time to Relax!'.repeat(10_000);
      writer.append('Time to Relax!', { 'Content-Encoding': 'deflate' });
      writer.append(new BytesIOPayload(Buffer.from(text)), { 'Content-Encoding': 'GZIP' });
      writer.append('Time to Relax!', { 'Content-Encoding': 'identity' });
      assert.equal(writer.size, null);
      const [deflated, gzipped, identity] = await partsOf(writer);
      // Without the header of zlib, as aiohttp writes it.
      assert.deepEqual(deflated, [
        'Content-Type: text/plain; charset=utf-8\r\nContent-Encoding: deflate',
        '\x0b\xc9\xccMU(\xc9W\x08J\xcdI\xacP\x04\x00',
      ]);
      assert.equal(gzipped?.[0], 'Content-Type: application/octet-stream\r\nContent-Encoding: GZIP');
      assert.equal(gunzipSync(Buffer.from(gzipped?.[1] ?? '', 'latin1')).toString(), text);
      assert.deepEqual(identity, [
        'Content-Type: text/plain; charset=utf-8\r\nContent-Encoding: identity\r\nContent-Length: 14',
        'Time to Relax!',
      ]);
      assert.deepEqual(await writer.asBytes(), await written(writer));
      assert.throws(() => writer.decode(), /Call asBytes\(\) instead/);
    }));

  it('encodes parts', () =>
    run(async () => {
      const pieces = ['T', 'ime', ' to', ' Relax', '!'];
      const writer = newWriter();
      const te = 'Content-Transfer-Encoding';
      writer.append(new AsyncIterablePayload(Readable.from(pieces)), { [te]: 'base64' });
      writer.append('Привет, мир! = ', { [te]: 'quoted-printable' });
      writer.append('raw', { [te]: 'binary' });
      writer.append('Time to Relax!', { [te]: 'base64', 'Content-Encoding': 'deflate' });
      const parts = await partsOf(writer);
      assert.deepEqual(
        parts.map(([, body]) => body),
        [
          'VGltZSB0byBSZWxheCE=',
          '=D0=9F=D1=80=D0=B8=D0=B2=D0=B5=D1=82, =D0=BC=D0=B8=D1=80! =3D=20',
          'raw',
          'C8nMTVUoyVcISs1JrFAEAA==',
        ],
      );
      assert.match(parts[2]?.[0] ?? '', /Content-Length: 3$/);
    }));

  it('refuses encodings that it does not know', () => {
    const writer = newWriter();
    assert.throws(
      () => writer.append('a', { 'Content-Encoding': 'snappy' }),
      new RuntimeError('unknown content encoding: snappy'),
    );
    assert.throws(
      () => writer.append('a', { 'Content-Transfer-Encoding': 'unknown' }),
      new RuntimeError('unknown content transfer encoding: unknown'),
    );
    assert.equal(writer.length, 0);
  });

  it('gives the parts of a form names, and no lengths and encodings', () =>
    run(async () => {
      const writer = newWriter('form-data');
      writer.append('foo');
      writer.append(new Blob(['bar']), { 'Content-Disposition': 'form-data; name="second"' });
      const third = writer.append('baz');
      assert.deepEqual(
        [...writer].map((part) => part.headers.get('Content-Disposition')),
        ['form-data; name="section-0"', 'form-data; name="second"', 'form-data; name="section-2"'],
      );
      for (const name of ['Content-Encoding', 'Content-Length', 'Content-Transfer-Encoding']) {
        assert.throws(() => writer.append('a', { [name]: '1' }), AssertionError);
      }
      assert.equal(writer.size, (await written(writer)).length);
      third.setContentDisposition('form-data', { name: 'é' });
      assert.match(await textOf(writer), /name\*=utf-8''%C3%A9/);
      third.setContentDisposition('form-data');
      await assert.rejects(written(writer), AssertionError);
      const small = newWriter('form-data');
      small.append('a').setContentDisposition('form-data');
      assert.throws(() => (small as unknown as { _bytes(): unknown })._bytes(), AssertionError);
    }));

  it('can be written again, if its parts can', () =>
    run(async () => {
      const writer = newWriter();
      writer.append('text');
      writer.append(new BytesIOPayload(Buffer.from('bytes')));
      assert.equal(writer.autoclose, true);
      const first = await written(writer);
      assert.deepEqual(await written(writer), first);
      assert.deepEqual(await writer.asBytes(), first);
      assert.equal(writer.consumed, false);
      const part = writer.append(new AsyncIterablePayload(Readable.from(['a'])));
      assert.equal(writer.consumed, false);
      await written(writer);
      assert.equal(part.consumed, true);
      assert.equal(writer.consumed, true);
    }));

  it('is sent in one piece if it is small and at hand', () =>
    run(async () => {
      const bytesOf = (writer: MultipartWriter): Uint8Array | null =>
        (writer as unknown as { _bytes(): Uint8Array | null })._bytes();
      const writer = newWriter();
      writer.append('text');
      const nested = new MultipartWriter('mixed', '::');
      nested.appendJson([1]);
      writer.append(nested);
      assert.deepEqual(bytesOf(writer), await written(writer));
      const encoded = newWriter();
      encoded.append('text', { 'Content-Encoding': 'gzip' });
      assert.equal(bytesOf(encoded), null);
      const large = newWriter();
      large.append(Buffer.alloc(70_000));
      assert.equal(bytesOf(large), null);
      const blob = newWriter();
      blob.append(new Blob(['a']));
      assert.equal(bytesOf(blob), null);
    }));

  it('closes all parts, and logs what fails', () =>
    run(async () => {
      const closed: string[] = [];
      class Part extends BytesPayload {
        readonly #name: string;
        readonly #failure: Error | null;
        constructor(name: string, failure: Error | null = null) {
          super(Buffer.from(name));
          this.#name = name;
          this.#failure = failure;
        }

        override get autoclose(): boolean {
          return this.#name === 'auto';
        }

        override close = coroutine(async (): Promise<void> => {
          closed.push(this.#name);
          if (this.#failure !== null) throw this.#failure;
        });
      }
      const writer = newWriter();
      for (const part of [new Part('a', new Error('no')), new Part('auto'), new Part('b')])
        writer.append(part);
      assert.equal(writer.autoclose, false);
      const messages: string[] = [];
      const add = (message: string): void => void messages.push(message);
      setLogger({ debug: add, info: add, warning: add, error: add });
      try {
        await writer.close();
        await writer.close();
      } finally {
        setLogger(null);
      }
      assert.deepEqual(closed, ['a', 'b']);
      assert.deepEqual(messages, ['Failed to close multipart part 0: Error: no']);
      assert.equal(writer.consumed, true);
    }));

  it('P72: lets go of a compressor when the write is cancelled', () =>
    run(async () => {
      async function* endless(): AsyncGenerator<string> {
        for (;;) {
          await sleep(0);
          yield 'x';
        }
      }
      const writer = newWriter();
      writer.append(endless(), { 'Content-Encoding': 'gzip' });
      const collector = new Collector();
      const task = createTask(writer.write(collector));
      while (collector.chunks.length < 2) await sleep(0);
      await sleep(0.01);
      task.cancel();
      await assert.rejects(task.toPromise(), { name: 'CancelledError' });
    }));
});
