import assert from 'node:assert/strict';
import { Blob, File } from 'node:buffer';
import { createReadStream, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { after, describe, it } from 'node:test';
import {
  CancelledError,
  coroutine,
  createTask,
  Event,
  LookupError,
  run,
  setLogger,
  sleep,
  StreamReader,
} from 'asyncio-ts';
import { open } from 'asyncio-ts/files';
import {
  AsyncIterablePayload,
  BufferedReaderPayload,
  BytesIOPayload,
  BytesPayload,
  getPayload,
  IOBasePayload,
  JsonBytesPayload,
  JsonPayload,
  Order,
  Payload,
  type PayloadClass,
  PayloadRegistry,
  payloadType,
  StringIOPayload,
  StringPayload,
  TextIOPayload,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { Collector, written } from './payloads.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'payload-test-'));
after(() => rmSync(folder, { recursive: true }));

/** A new file with this content. */
function file(name: string, content: string | Uint8Array): string {
  const place = path.join(folder, name);
  writeFileSync(place, content);
  return place;
}

/** A payload of somebody who wrote `write` and `decode` alone. */
class Custom extends Payload {
  override decode(): string {
    return `custom ${String(this.value)}`;
  }

  override async write(writer: Collector): Promise<void> {
    await writer.write(Buffer.from(this.decode()));
  }
}

/** What the library logs while `body` runs. */
async function logged(body: () => unknown): Promise<string[]> {
  const messages: string[] = [];
  const add = (message: string): void => void messages.push(message);
  setLogger({ debug: add, info: add, warning: add, error: add });
  try {
    await body();
  } finally {
    setLogger(null);
  }
  return messages;
}

/** What the client uses of a payload. */
interface Inner {
  _bytes(): Uint8Array | null;
  _write(writer: Collector, contentLength: number | null): Generator<never, void>;
}

const inner = (payload: Payload): Inner => payload as unknown as Inner;

async function* generate(...chunks: unknown[]): AsyncGenerator<unknown> {
  for (const chunk of chunks) yield chunk;
}

describe('PayloadRegistry', () => {
  class Animal {
    readonly legs = 4;
  }
  class Dog extends Animal {}
  class First extends Custom {}
  class Last extends Custom {}

  it('asks the first, then those for the class itself, then the others in turn, then the last', () => {
    const registry = new PayloadRegistry();
    registry.register(Last, Animal, { order: Order.tryLast });
    assert.ok(registry.get(new Dog()) instanceof Last);
    registry.register(Custom, Animal);
    assert.ok(registry.get(new Dog()) instanceof Custom);
    registry.register(BytesOf, Dog);
    assert.ok(registry.get(new Dog()) instanceof BytesOf);
    assert.ok(registry.get(new Animal()) instanceof Custom);
    registry.register(First, [Dog, String], { order: Order.tryFirst });
    assert.ok(registry.get(new Dog()) instanceof First);
    assert.ok(registry.get('text') instanceof First);
  });

  class BytesOf extends Custom {}

  it('takes the one that was registered last for the class itself', () => {
    const registry = new PayloadRegistry();
    registry.register(Custom, Dog);
    registry.register(First, Dog);
    assert.ok(registry.get(new Dog()) instanceof First);
  });

  it('gives a payload back, and refuses an order that is none', () => {
    const registry = new PayloadRegistry();
    const payload = new Custom(1);
    assert.equal(registry.get(payload), payload);
    assert.throws(
      () => registry.register(Custom, Dog, { order: 'never' as Order }),
      new RangeError("Unsupported order 'never'"),
    );
  });

  it('has nothing for what it does not know', () => {
    for (const value of [null, undefined, 1, true, 1n, Symbol('a'), {}, [], new Map(), () => {}]) {
      assert.throws(() => getPayload(value), LookupError);
    }
    assert.throws(() => getPayload({ constructor: 'Buffer' }), LookupError);
    assert.throws(
      () => getPayload(JSON.parse('{"constructor": {"name": "Buffer"}, "__proto__": {}}')),
      LookupError,
    );
  });
});

describe('payloadType', () => {
  it('registers a class for its values', () =>
    run(async () => {
      class Invoice {
        readonly number = 1;
      }
      class InvoicePayload extends Custom {}
      assert.equal(payloadType(Invoice)(InvoicePayload), InvoicePayload);
      const payload = getPayload(new Invoice(), { contentType: 'text/x-invoice' });
      assert.ok(payload instanceof InvoicePayload);
      assert.equal(payload.contentType, 'text/x-invoice');
    }));
});

describe('getPayload', () => {
  it('knows what bodies are made of', () =>
    run(async () => {
      const place = file('known.txt', 'known');
      await using handle = await openHandle(place);
      await using binary = await open(place, 'rb');
      await using text = await open(place);
      const stream = createReadStream(place);
      const kinds: [unknown, PayloadClass][] = [
        ['text', StringPayload],
        [Buffer.from('a'), BytesPayload],
        [new Uint8Array(1), BytesPayload],
        [new Uint16Array(1), BytesPayload],
        [new DataView(new ArrayBuffer(1)), BytesPayload],
        [new ArrayBuffer(1), BytesPayload],
        [new SharedArrayBuffer(1), BytesPayload],
        [handle, BufferedReaderPayload],
        [binary, BufferedReaderPayload],
        [text, TextIOPayload],
        [stream, IOBasePayload],
        [Readable.from(['a']), IOBasePayload],
        [new Blob(['a']), IOBasePayload],
        [new File(['a'], 'a.txt'), IOBasePayload],
        [generate('a'), AsyncIterablePayload],
        [new ReadableStream(), AsyncIterablePayload],
        [new StreamReader(), AsyncIterablePayload],
      ];
      for (const [value, kind] of kinds) {
        const payload = getPayload(value);
        assert.equal(payload.constructor, kind, String(value));
        await payload.close();
      }
    }));
});

describe('Payload', () => {
  it('has a content type, its own headers before it', () => {
    const payload = new Custom('v', { headers: { 'X-One': '1', 'content-type': 'text/x' } });
    assert.equal(payload.contentType, 'text/x');
    assert.deepEqual(
      [...payload.headers],
      [
        ['content-type', 'text/x'],
        ['X-One', '1'],
      ],
    );
    assert.equal(new Custom('v').contentType, 'application/octet-stream');
    assert.equal(payload.size, null);
    assert.equal(payload.consumed, false);
    assert.equal(payload.autoclose, false);
    assert.equal(payload.encoding, null);
    assert.equal(payload.filename, null);
  });

  it('guesses the content type by the file name', () => {
    const typeOf = (filename: string): string => new Custom('v', { filename }).contentType;
    // As CPython 3.14's mimetypes has it.
    const types: Record<string, string> = {
      'a.txt': 'text/plain',
      'a.TXT': 'text/plain',
      'a.b.png': 'image/png',
      'a.tar.gz': 'application/x-tar',
      'a.tgz': 'application/x-tar',
      'a.Gz': 'application/gzip',
      'a.gz': 'application/octet-stream',
      'page.html.br': 'text/html',
      'x.svgz': 'image/svg+xml',
      'a..txt': 'text/plain',
      '.txt': 'application/octet-stream',
      '...txt': 'application/octet-stream',
      'folder.txt/a': 'application/octet-stream',
      'c:\\x\\y.js': 'text/javascript',
      'a.webp': 'image/webp',
      'a.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      'a.md': 'text/markdown',
      'a.': 'application/octet-stream',
      a: 'application/octet-stream',
    };
    for (const [filename, type] of Object.entries(types)) assert.equal(typeOf(filename), type, filename);
    assert.equal(new Custom('v', { filename: 'a.txt', contentType: 'text/x' }).contentType, 'text/x');
  });

  it('names a part by its disposition, in ASCII or as it is', () => {
    const payload = new Custom('v');
    const header = (...args: Parameters<Payload['setContentDisposition']>): string | null => {
      payload.setContentDisposition(...args);
      return payload.headers.get('Content-Disposition');
    };
    const raw = { quoteFields: false };
    assert.equal(header('form-data', { name: 'a b' }), 'form-data; name="a\\ b"');
    assert.equal(header('form-data', { name: 'a b' }, raw), 'form-data; name="a b"');
    assert.equal(header('attachment', { filename: 'é .txt' }), 'attachment; filename="%C3%A9%20.txt"');
    assert.equal(header('attachment', { filename: 'é .txt' }, raw), 'attachment; filename="é .txt"');
    assert.equal(
      header('form-data', { name: 'é', filename: 'a"b' }),
      'form-data; name*=utf-8\'\'%C3%A9; filename="a%22b"',
    );
    assert.equal(
      header('form-data', { name: 'é', filename: 'a"b' }, raw),
      'form-data; name="é"; filename="a\\"b"',
    );
    assert.equal(header('inline', { x: '"\\' }), 'inline; x="\\"\\\\"');
    assert.equal(header('inline', { x: 'ж' }, { charset: 'koi8-r' }), "inline; x*=koi8-r''%D6");
    assert.equal(header('inline'), 'inline');
  });

  it('CVE-2026-50269: refuses what could end a header and begin another', async () => {
    const payload = new Custom('v');
    for (const type of ['', 'a b', 'a\n', 'a;']) {
      assert.throws(() => payload.setContentDisposition(type), /^RangeError: bad content disposition type /);
    }
    assert.throws(
      () => payload.setContentDisposition('a', { 'b c': 'x' }),
      new RangeError("bad content disposition parameter 'b c'='x'"),
    );
    for (const bad of ['\r', '\n', '\0', '\x7f', 'a\r\nX-Evil: 1']) {
      // In ASCII it is encoded, as it is refused.
      payload.setContentDisposition('form-data', { name: bad, filename: bad });
      assert.doesNotMatch(payload.headers.get('Content-Disposition') as string, /[^ -~]/);
      assert.throws(
        () => payload.setContentDisposition('form-data', { name: bad }, { quoteFields: false }),
        /Forbidden control character detected in headers/,
      );
      assert.throws(() => new Custom('v', { contentType: `text/${bad}` }), /Forbidden control character/);
    }
  });

  it('GHSA-m8rv-5g2x-5cg5: refuses the type of something like a blob that has line ends in it', () => {
    const like = {
      size: 1,
      type: 'text/plain\r\nX-Evil: 1',
      slice: () => like,
      arrayBuffer: async () => new ArrayBuffer(1),
    };
    assert.throws(() => getPayload(like), /Forbidden control character detected in headers/);
    assert.equal(getPayload({ ...like, type: 'text/x' }).contentType, 'text/x');
  });

  it('writes a class of one’s own, whatever kind of function it has', () =>
    run(async () => {
      class Generating extends Custom {
        override write = coroutine(function* (this: Generating, writer: Collector) {
          yield* writer.write(Buffer.from('generated'));
        }) as unknown as Custom['write'];
      }
      class Limited extends Custom {
        override async writeWithLength(writer: Collector, contentLength: number | null): Promise<void> {
          await sleep(0);
          await writer.write(Buffer.from(this.decode()).subarray(0, contentLength ?? Infinity));
        }
      }
      const bytesOf = async (payload: Payload, length: number | null): Promise<string> => {
        const writer = new Collector();
        await createTask(inner(payload)._write(writer, length));
        return writer.text;
      };
      assert.equal(await bytesOf(new Custom(1), 3), 'custom 1');
      assert.equal(await bytesOf(new Generating(1), 3), 'generated');
      assert.equal(await bytesOf(new Limited(1), 3), 'cus');
      assert.equal(inner(new Custom(1))._bytes(), null);
      assert.deepEqual(
        await new Custom('é', { encoding: 'latin-1' }).asBytes(),
        Buffer.from('custom \xe9', 'latin1'),
      );
      await new Custom(1).close();
    }));
});

describe('BytesPayload', () => {
  it('takes bytes of any kind as they are', () =>
    run(async () => {
      const words = new Uint16Array([0x6161, 0x6262, 0x6363]);
      for (const [value, size] of [
        [words, 6],
        [words.subarray(1, 2), 2],
        [words.buffer, 6],
        [new DataView(words.buffer, 4), 2],
      ] as const) {
        const payload = new BytesPayload(value);
        assert.equal(payload.size, size);
        assert.equal((await written(payload)).length, size);
      }
      assert.equal(new BytesPayload(words.subarray(1)).decode(), 'bbcc');
      const bytes = Buffer.from('abc');
      assert.equal(inner(new BytesPayload(bytes))._bytes(), bytes);
      assert.equal(await new BytesPayload(bytes).asBytes(), bytes);
    }));

  it('has a type that its name does not change', () => {
    assert.equal(new BytesPayload(Buffer.from('')).contentType, 'application/octet-stream');
    assert.equal(
      new BytesPayload(Buffer.from(''), { filename: 'a.txt' }).contentType,
      'application/octet-stream',
    );
    assert.equal(
      new BytesPayload(Buffer.from(''), { contentType: 'application/custom' }).contentType,
      'application/custom',
    );
  });

  it('refuses what is no bytes', () => {
    assert.throws(
      () => new BytesPayload('text' as never),
      new TypeError('value argument must be byte-ish, not string'),
    );
  });

  it('writes no more than it may, as often as it is asked', () =>
    run(async () => {
      const payload = new BytesPayload(Buffer.from('0123456789'));
      for (const [length, text] of [
        [null, '0123456789'],
        [10, '0123456789'],
        [5, '01234'],
        [0, ''],
        [20, '0123456789'],
      ] as const) {
        assert.equal((await written(payload, length)).toString(), text);
      }
      assert.equal(payload.consumed, false);
      await payload.close();
      assert.equal((await written(payload)).toString(), '0123456789');
    }));

  it('is not sent around what a subclass does', () => {
    class Counting extends BytesPayload {
      override write(writer: Collector) {
        return super.write(writer);
      }
    }
    assert.equal(inner(new Counting(Buffer.from('a')))._bytes(), null);
  });

  it('warns in debug mode of more than 1 MiB', async () => {
    const small = Buffer.alloc(2 ** 20);
    const large = Buffer.alloc(2 ** 20 + 1);
    const make = async (): Promise<void> => {
      new BytesPayload(small);
      new BytesPayload(large);
      new BytesIOPayload(large);
    };
    assert.deepEqual(await logged(() => run(make)), []);
    const messages = await logged(() => run(make, { debug: true }));
    assert.deepEqual(
      messages.filter((message) => message.startsWith('ResourceWarning')),
      [
        'ResourceWarning: Sending a large body directly with raw bytes might lock the event loop. ' +
          'You should probably pass a BytesIOPayload object instead',
      ],
    );
  });
});

describe('StringPayload', () => {
  it('is encoded as aiohttp encodes it', () => {
    // The values that aiohttp 3.14 gives.
    const rows: [string, { encoding?: string; contentType?: string }, string, string][] = [
      ['héllo', {}, '68c3a96c6c6f', 'text/plain; charset=utf-8'],
      ['héllo', { encoding: 'latin-1' }, '68e96c6c6f', 'text/plain; charset=latin-1'],
      [
        'héllo',
        { contentType: 'text/html; charset=iso-8859-1' },
        '68e96c6c6f',
        'text/html; charset=iso-8859-1',
      ],
      ['héllo', { encoding: 'utf-16' }, 'fffe6800e9006c006c006f00', 'text/plain; charset=utf-16'],
      ['привет', { encoding: 'koi8-r' }, 'd0d2c9d7c5d4', 'text/plain; charset=koi8-r'],
      ['привет', { encoding: 'cp1251', contentType: 'text/x' }, 'eff0e8e2e5f2', 'text/x'],
      ['日本', { encoding: 'shift_jis' }, '93fa967b', 'text/plain; charset=shift_jis'],
      ['日本', { encoding: 'euc_jp' }, 'c6fccbdc', 'text/plain; charset=euc_jp'],
      ['中文', { encoding: 'gbk' }, 'd6d0cec4', 'text/plain; charset=gbk'],
      ['한글', { encoding: 'euc_kr' }, 'c7d1b1db', 'text/plain; charset=euc_kr'],
      ['中文', { encoding: 'big5' }, 'a4a4a4e5', 'text/plain; charset=big5'],
    ];
    for (const [value, options, hex, contentType] of rows) {
      const payload = new StringPayload(value, options);
      assert.equal(Buffer.from(inner(payload)._bytes() as Uint8Array).toString('hex'), hex);
      assert.equal(payload.contentType, contentType);
      assert.equal(payload.size, hex.length / 2);
      assert.equal(payload.decode(payload.encoding).replace('\ufeff', ''), value);
    }
  });

  it('refuses characters that the encoding does not have, and encodings that nobody knows', () => {
    for (const encoding of ['ascii', 'latin-1', 'koi8-r', 'shift_jis']) {
      assert.throws(() => new StringPayload('a😀', { encoding }), RangeError);
    }
    for (const encoding of ['utf-8', 'utf-16', 'utf-16-le', 'utf-16-be']) {
      assert.throws(() => new StringPayload('a\ud800', { encoding }), RangeError);
    }
    assert.throws(
      () => new StringPayload('a', { encoding: 'klingon' }),
      /LookupError: unknown encoding: klingon/,
    );
    assert.throws(() => new StringPayload('a', { contentType: 'text/x; charset=klingon' }), LookupError);
    assert.throws(() => new StringPayload(1 as never), TypeError);
  });
});

describe('JsonPayload', () => {
  it('is JSON in UTF-8, or as one says', () =>
    run(async () => {
      const payload = new JsonPayload({ a: 'é' });
      assert.equal(payload.contentType, 'application/json');
      assert.equal((await written(payload)).toString(), '{"a":"é"}');
      assert.equal(payload.size, 10);
      const other = new JsonPayload('é', {
        encoding: 'latin-1',
        contentType: 'application/x',
        dumps: (value) => `<${String(value)}>`,
      });
      assert.deepEqual(await written(other), Buffer.from('<\xe9>', 'latin1'));
      assert.equal(other.contentType, 'application/x');
      const bytes = new JsonBytesPayload([1], { dumps: (value) => Buffer.from(JSON.stringify(value)) });
      assert.equal((await written(bytes)).toString(), '[1]');
      assert.equal(bytes.contentType, 'application/json');
    }));

  it('refuses what is no JSON', () => {
    for (const value of [undefined, () => {}, Symbol('a'), 1n]) {
      assert.throws(() => new JsonPayload(value), TypeError);
    }
  });
});

describe('BytesIOPayload and StringIOPayload', () => {
  it('are written in pieces, with turns for others in between, again and again', () =>
    run(async () => {
      const bytes = Buffer.alloc(600_000, 'abc');
      const payload = new BytesIOPayload(bytes);
      assert.equal(payload.size, 600_000);
      let turns = 0;
      const others = createTask(async () => {
        for (;;) {
          await sleep(0);
          turns++;
        }
      });
      const writer = new Collector();
      await payload.write(writer);
      others.cancel();
      assert.deepEqual(
        writer.chunks.map(({ length }) => length),
        [262_144, 262_144, 75_712],
      );
      assert.ok(turns >= 1);
      assert.equal(inner(payload)._bytes(), null);
      assert.ok(writer.bytes.equals(bytes));
      assert.equal((await written(payload, 300_000)).length, 300_000);
      await payload.close();
      assert.equal(payload.consumed, false);
      assert.equal((await payload.asBytes()).length, 600_000);
    }));

  it('are sent in one piece if they are small', () => {
    assert.deepEqual(inner(new BytesIOPayload(Buffer.from('ab')))._bytes(), Buffer.from('ab'));
    const text = new StringIOPayload('é', { encoding: 'latin-1' });
    assert.deepEqual(inner(text)._bytes(), Buffer.from([0xe9]));
    assert.equal(text.contentType, 'text/plain; charset=latin-1');
    assert.equal(text.size, 1);
    assert.equal(text.decode('latin-1'), 'é');
    assert.equal(text.autoclose, true);
    assert.throws(() => new BytesIOPayload('a' as never), /must be byte-ish, not string/);
    assert.throws(() => new StringIOPayload(Buffer.from('a') as never), /must be a string, not Buffer/);
  });
});

describe('BufferedReaderPayload', () => {
  it('sends a handle from its begin, again and again, and closes it', () =>
    run(async () => {
      const place = file('handle.bin', '0123456789');
      const handle = await openHandle(place);
      const payload = new BufferedReaderPayload(handle, { filename: 'sent.csv' });
      assert.equal(payload.size, 10);
      assert.equal(payload.contentType, 'text/csv');
      assert.equal(payload.headers.get('Content-Disposition'), 'attachment; filename="sent.csv"');
      assert.equal((await written(payload)).toString(), '0123456789');
      assert.equal((await written(payload, 4)).toString(), '0123');
      assert.equal((await payload.asBytes()).toString(), '0123456789');
      assert.equal(payload.consumed, false);
      assert.equal(payload.autoclose, false);
      await payload.close();
      await payload.close();
      assert.equal(payload.consumed, true);
      await assert.rejects(handle.stat(), /closed|EBADF/);
    }));

  it('sends a file from where it stands, again and again, and closes it', () =>
    run(async () => {
      const stands = await open(file('stands.txt', '0123456789'), 'rb');
      await stands.read(4);
      const payload = new BufferedReaderPayload(stands);
      assert.equal(payload.size, 6);
      assert.equal(payload.filename, 'stands.txt');
      assert.equal(payload.contentType, 'text/plain');
      assert.equal((await written(payload)).toString(), '456789');
      assert.equal(payload.size, 6);
      assert.equal((await written(payload, 3)).toString(), '456');
      assert.equal((await payload.asBytes()).toString(), '456789');
      assert.equal(payload.consumed, false);
      await payload.close();
      await sleep(0);
      assert.equal(stands.closed, true);
    }));

  it('reads a large file piece by piece', () =>
    run(async () => {
      const bytes = Buffer.alloc(600_000, 'xyz');
      await using handle = await openHandle(file('large.bin', bytes));
      await using binary = await open(file('large.bin', bytes), 'rb');
      for (const payload of [new BufferedReaderPayload(handle), new BufferedReaderPayload(binary)]) {
        const writer = new Collector();
        await payload.write(writer);
        assert.ok(writer.chunks.length >= 3);
        assert.ok(writer.bytes.equals(bytes));
      }
    }));

  it('knows no size of what is no file, and sends it once', () =>
    run(async () => {
      const payload = new BufferedReaderPayload(await openHandle('/dev/null'));
      assert.equal(payload.size, null);
      assert.equal(payload.consumed, false);
      assert.equal((await written(payload)).length, 0);
      assert.equal(payload.consumed, true);
      await payload.close();
    }));

  it('refuses what is no file', () => {
    assert.throws(
      () => new BufferedReaderPayload('a' as never),
      new TypeError('value argument must be a FileHandle or a file of bytes, not string'),
    );
  });
});

describe('TextIOPayload', () => {
  it('reads text in the encoding of the file, and sends it in its own', () =>
    run(async () => {
      const place = file('text.txt', 'é\r\nж'.repeat(100));
      const expected = 'é\nж'.repeat(100);
      for (const [options, encoded, type] of [
        [{}, Buffer.from(expected), 'text/plain; charset=utf-8'],
        [{ encoding: 'utf-16' }, Buffer.from(`\ufeff${expected}`, 'utf16le'), 'text/plain; charset=utf-16'],
        [
          { contentType: 'text/x; charset=utf-16le' },
          Buffer.from(expected, 'utf16le'),
          'text/x; charset=utf-16le',
        ],
      ] as const) {
        await using text = await open(place);
        const payload = new TextIOPayload(text, options);
        assert.equal(payload.contentType, type);
        assert.equal(payload.size, null);
        assert.ok((await written(payload)).equals(encoded));
        assert.ok((await payload.asBytes()).equals(encoded));
        assert.equal(payload.consumed, false);
      }
      await using text = await open(place);
      await assert.rejects(written(new TextIOPayload(text, { encoding: 'latin-1' })), RangeError);
      assert.throws(() => new TextIOPayload(Buffer.from('a') as never), TypeError);
    }));

  it('has one byte order mark, however large the file is', () =>
    run(async () => {
      const content = 'a'.repeat(600_000);
      await using text = await open(file('mark.txt', content));
      const bytes = await written(new TextIOPayload(text, { encoding: 'utf-16' }));
      assert.ok(bytes.equals(Buffer.from(`\ufeff${content}`, 'utf16le')));
    }));
});

describe('IOBasePayload', () => {
  it('sends a blob again and again, with its name and its type', () =>
    run(async () => {
      const payload = getPayload(new File(['0123', '456789'], 'a/ä.png', { type: 'image/x' }));
      assert.equal(payload.size, 10);
      assert.equal(payload.filename, 'ä.png');
      assert.equal(payload.contentType, 'image/x');
      assert.equal(payload.headers.get('Content-Disposition'), 'attachment; filename="%C3%A4.png"');
      for (const length of [null, 3, null]) {
        assert.equal((await written(payload, length)).toString(), '0123456789'.slice(0, length ?? 10));
      }
      await payload.close();
      assert.equal(payload.consumed, false);
      assert.equal((await payload.asBytes()).toString(), '0123456789');
      assert.equal(getPayload(new File([], 'a.png')).contentType, 'image/png');
      assert.equal(getPayload(new Blob(['a'])).contentType, 'application/octet-stream');
      assert.equal(getPayload(new File(['a'], 'a.txt'), { disposition: null }).headers.size, 1);
      assert.equal(getPayload(new File(['a'], '<x>')).filename, null);
    }));

  it('sends a stream of Node once', () =>
    run(async () => {
      const stream = Readable.from(['ab', Buffer.from('cd'), new Uint8Array([101])]);
      const payload = new IOBasePayload(stream);
      assert.equal(payload.size, null);
      assert.equal(payload.consumed, false);
      assert.equal((await written(payload)).toString(), 'abcde');
      assert.equal(payload.consumed, true);
      assert.equal((await written(payload)).toString(), '');
      await payload.close();
      assert.equal(stream.destroyed, true);
      assert.throws(() => payload.decode(), /Call asBytes\(\) instead/);
    }));

  it('knows how much a stream of a file will give', () =>
    run(async () => {
      const place = file('stream.txt', '0123456789');
      const fd = openSync(place, 'r');
      for (const [streamOf, size, text] of [
        [() => createReadStream(place), 10, '0123456789'],
        [() => createReadStream(place, { start: 2 }), 8, '23456789'],
        [() => createReadStream(place, { start: 2, end: 4 }), 3, '234'],
        [() => createReadStream(place, { end: 100 }), 10, '0123456789'],
        [() => createReadStream(place, 'utf8'), null, '0123456789'],
        [() => createReadStream(place, { fd }), null, '0123456789'],
      ] as const) {
        const payload = getPayload(streamOf());
        assert.equal(payload.size, size);
        assert.equal(payload.filename, text.length === 10 && size === null ? payload.filename : 'stream.txt');
        assert.equal((await written(payload)).toString(), text);
        await payload.close();
      }
    }));

  it('reads what a stream gives beyond the limit no more', () =>
    run(async () => {
      const stream = Readable.from(['abc', 'def', 'ghi']);
      const payload = new IOBasePayload(stream);
      assert.equal((await written(payload, 4)).toString(), 'abcd');
      await payload.close();
      assert.equal(stream.destroyed, true);
    }));

  it('passes the error of a stream on, and one of its chunks that is no bytes', () =>
    run(async () => {
      const failing = new Readable({
        read() {
          this.destroy(new Error('disk on fire'));
        },
      });
      await assert.rejects(written(new IOBasePayload(failing)), /disk on fire/);
      await assert.rejects(
        written(new IOBasePayload(Readable.from([{}]))),
        new TypeError('a stream of bytes was expected, got a chunk of Object'),
      );
      assert.throws(
        () => new IOBasePayload({}),
        /must be a Readable, a FileHandle, a Blob or a file, not Object/,
      );
    }));

  it('P72: a stream is closed when the write is cancelled', () =>
    run(async () => {
      const stream = new Readable({ read() {} });
      stream.push('begin');
      const writer = new Collector();
      const task = createTask(new IOBasePayload(stream).write(writer));
      while (writer.outputSize === 0) await sleep(0);
      task.cancel();
      await assert.rejects(task.toPromise(), CancelledError);
      while (!stream.destroyed) await sleep(0);
      assert.equal(writer.text, 'begin');
    }));

  it('a file can be sent again after a write that was cancelled', () =>
    run(async () => {
      const handle: FileHandle = await openHandle(file('again.bin', Buffer.alloc(600_000, 'a')));
      const payload = new BufferedReaderPayload(handle);
      const stuck = new Event();
      const slow = Object.assign(new Collector(), {
        write: coroutine(async () => void (await stuck.wait())),
      });
      const task = createTask(payload.write(slow));
      await sleep(0.01);
      task.cancel();
      await assert.rejects(task.toPromise(), CancelledError);
      assert.equal(payload.consumed, false);
      assert.equal((await written(payload)).length, 600_000);
      await payload.close();
    }));
});

describe('AsyncIterablePayload', () => {
  it('writes bytes and text of generators, web streams and streams of the library', () =>
    run(async () => {
      const reader = new StreamReader();
      reader.feedData(Buffer.from('a\nb\nc'));
      reader.feedEof();
      const web = new ReadableStream({
        start(controller) {
          controller.enqueue('a\nb');
          controller.enqueue(Buffer.from('\nc'));
          controller.close();
        },
      });
      const next = coroutine(function* (): Generator<never, IteratorResult<string>, unknown> {
        yield* sleep(0) as unknown as Generator<never>;
        return pieces.length === 0
          ? { done: true, value: undefined }
          : { done: false, value: pieces.shift() as string };
      });
      const pieces = ['a\n', 'b\nc'];
      const own = { [Symbol.asyncIterator]: () => ({ next }) };
      const values = [generate('a\n', Buffer.from('b'), new Uint16Array([0x630a])), web, reader, own];
      for (const value of values as AsyncIterable<unknown>[]) {
        const payload = new AsyncIterablePayload(value);
        assert.equal(payload.contentType, 'application/octet-stream');
        assert.equal(payload.size, null);
        assert.equal(payload.autoclose, true);
        assert.equal((await written(payload)).toString(), 'a\nb\nc');
      }
    }));

  it('runs an async generator in the task that writes', () =>
    run(async () => {
      async function* slow(): AsyncGenerator<string> {
        await sleep(0);
        yield 'a';
        await sleep(0);
        yield 'b';
      }
      assert.equal((await written(new AsyncIterablePayload(slow()))).toString(), 'ab');
    }));

  it('refuses what is no async iterable, and pieces that are no bytes', () =>
    run(async () => {
      assert.throws(
        () => new AsyncIterablePayload(['a'] as never),
        new TypeError('value argument must support collections.abc.AsyncIterable interface, got Array'),
      );
      await assert.rejects(
        written(new AsyncIterablePayload(generate('a', 1))),
        new TypeError('a stream of bytes was expected, got a chunk of number'),
      );
    }));

  it('writes no more than it may, but iterates to the end', () =>
    run(async () => {
      for (const [length, text] of [
        [2, '01'],
        [4, '0123'],
        [6, '012345'],
        [0, ''],
        [100, '0123456789'],
      ] as const) {
        let isAtEnd = false;
        const payload = new AsyncIterablePayload(
          (async function* () {
            yield '0123';
            yield '456789';
            isAtEnd = true;
          })(),
        );
        assert.equal((await written(payload, length)).toString(), text);
        assert.equal(isAtEnd, true);
        assert.equal(payload.consumed, true);
      }
    }));

  it('can be sent once, or any number of times after it was read', () =>
    run(async () => {
      const once = new AsyncIterablePayload(generate('a', 'b'));
      assert.throws(() => once.decode(), /content not cached. Call asBytes\(\) first/);
      assert.equal((await written(once)).toString(), 'ab');
      assert.equal((await written(once)).toString(), '');
      assert.equal((await once.asBytes()).toString(), '');
      assert.equal(once.consumed, true);

      const read = new AsyncIterablePayload(generate('a', 'b'));
      assert.equal((await read.asBytes()).toString(), 'ab');
      assert.equal(read.consumed, false);
      assert.equal((await written(read)).toString(), 'ab');
      assert.equal((await written(read, 1)).toString(), 'a');
      assert.equal(read.decode(), 'ab');
      assert.equal(Buffer.from(inner(read)._bytes() as Uint8Array).toString(), 'ab');
    }));

  it('is consumed by a write that failed, and closes the iterator', () =>
    run(async () => {
      let isClosed = false;
      const payload = new AsyncIterablePayload(
        (async function* () {
          try {
            yield 'a';
            yield 'b';
          } finally {
            isClosed = true;
          }
        })(),
      );
      const broken = Object.assign(new Collector(), {
        write: coroutine(async () => Promise.reject(new Error('broken pipe'))),
      });
      await assert.rejects(payload.write(broken).toPromise(), /broken pipe/);
      assert.equal(payload.consumed, true);
      for (let i = 0; i < 10 && !isClosed; i++) await sleep(0);
      assert.equal(isClosed, true);
      assert.equal((await written(payload)).length, 0);
    }));

  it('P72: tells the iterator when the write is cancelled', () =>
    run(async () => {
      const events: string[] = [];
      async function* endless(): AsyncGenerator<string> {
        try {
          yield 'a';
          await new Event().wait();
        } catch (error) {
          events.push((error as Error).name);
          throw error;
        } finally {
          events.push('closed');
        }
      }
      let cancelled = 0;
      const web = new ReadableStream({
        start: (controller) => controller.enqueue('a'),
        cancel: () => void cancelled++,
      });
      for (const value of [endless(), web]) {
        const writer = new Collector();
        const task = createTask(new AsyncIterablePayload(value).write(writer));
        while (writer.outputSize === 0) await sleep(0);
        await sleep(0);
        task.cancel();
        await assert.rejects(task.toPromise(), CancelledError);
        for (let i = 0; i < 10; i++) await sleep(0);
      }
      assert.deepEqual(events, ['CancelledError', 'closed']);
      assert.equal(cancelled, 1);
    }));

  it('reports what goes wrong when the iterator is closed', () =>
    run(async () => {
      const value = {
        [Symbol.asyncIterator]: () => ({
          next: () => Promise.reject(new Error('cannot read')),
          return: () => Promise.reject(new Error('cannot close')),
        }),
      };
      const messages = await logged(async () => {
        await assert.rejects(written(new AsyncIterablePayload(value)), /cannot read/);
        for (let i = 0; i < 10; i++) await sleep(0);
      });
      assert.match(messages.join('\n'), /closing the iterator of a body failed[^]*cannot close/);
    }));
});
