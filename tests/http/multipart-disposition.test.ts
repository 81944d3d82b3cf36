import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run, setLogger } from 'asyncio-ts';
import {
  BadContentDispositionHeader,
  BadContentDispositionParam,
  ClientSession,
  contentDispositionFilename,
  parseContentDisposition,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { dispositions } from './dispositions.ts';
import { serve } from './servers.ts';

/** The warnings while `body` runs. */
function warnings(body: () => unknown): string[] {
  const messages: string[] = [];
  const add = (message: string): void => void messages.push(message);
  setLogger({ debug: add, info: add, warning: add, error: add });
  try {
    body();
  } finally {
    setLogger(null);
  }
  return messages;
}

describe('parseContentDisposition', () => {
  for (const [header, type, parameters, warned, filename] of dispositions) {
    it(`reads ${header}`, () => {
      let parsed: ReturnType<typeof parseContentDisposition> = [null, {}];
      const messages = warnings(() => {
        parsed = parseContentDisposition(header);
      });
      assert.equal(parsed[0], type);
      assert.deepEqual({ ...parsed[1] }, parameters);
      assert.deepEqual(
        messages.map((message) => /^BadContentDisposition(Header|Param): /.exec(message)?.[1]),
        warned,
      );
      assert.equal(contentDispositionFilename(parsed[1]), filename);
    });
  }

  it('reads nothing of no header', () => {
    for (const header of [null, '']) {
      const [type, parameters] = parseContentDisposition(header);
      assert.equal(type, null);
      assert.deepEqual({ ...parameters }, {});
    }
  });

  it('S17: takes names that mean something to JavaScript for what they are', () => {
    const [, parameters] = parseContentDisposition('attachment; __proto__=x; constructor=y; tostring=z');
    assert.deepEqual(Object.entries(parameters), [
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['tostring', 'z'],
    ]);
    assert.equal(contentDispositionFilename(parameters), null);
    assert.equal(contentDispositionFilename({}, 'toString'), null);
  });

  it('CVE-2025-69230: warns of each text once, and of a hundred at most', () => {
    const messages = warnings(() => {
      for (let i = 0; i < 500; i++) parseContentDisposition(`attachment; bad ${i}`);
      for (let i = 0; i < 500; i++) parseContentDisposition('attachment; bad 0');
    });
    assert.ok(messages.length <= 100);
    assert.equal(new Set(messages).size, messages.length);
  });

  it('has classes of warnings that print their header', () => {
    assert.equal(String(new BadContentDispositionHeader('x')), 'BadContentDispositionHeader: x');
    assert.equal(String(new BadContentDispositionParam('y')), 'BadContentDispositionParam: y');
  });
});

describe('contentDispositionFilename', () => {
  it('prefers the extended name, and joins the parts of one', () => {
    const rows: [Record<string, string>, string | null][] = [
      [{}, null],
      [{ foo: 'bar' }, null],
      [{ filename: 'foo.html' }, 'foo.html'],
      [{ 'filename*': 'файл.html' }, 'файл.html'],
      [{ filename: 'foo-ae.html', 'filename*': 'foo-ä.html' }, 'foo-ä.html'],
      [{ 'filename*0': 'foo.', 'filename*1': 'html' }, 'foo.html'],
      [{ 'filename*1': 'html', 'filename*0': 'foo.' }, 'foo.html'],
      [{ 'filename*0*': "UTF-8''foo-%c3%a4", 'filename*1': '.html' }, 'foo-ä.html'],
      [{ 'filename*0': 'foo', 'filename*01': 'bar' }, 'foo'],
      [{ 'filename*0': 'foo', 'filename*2': 'bar' }, 'foo'],
      [{ 'filename*1': 'foo', 'filename*2': 'bar' }, null],
      [{ 'filename*0*': "UTF-8''f%ff" }, null],
      [{ 'filename*0*': "klingon''%66" }, null],
      [{ 'filename*0': "it's" }, null],
      [{ 'filename*0*': "''a'b" }, "a'b"],
      [{ 'filename*0*': "ISO-8859-15''euro-sign%3d%a4", 'filename*': 'currency-sign=¤' }, 'currency-sign=¤'],
    ];
    for (const [parameters, filename] of rows) assert.equal(contentDispositionFilename(parameters), filename);
    // Part 10 comes after part 9, not after part 1 (as in aiohttp, which sorts them as text).
    const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`name*${i}`, String(i)]));
    assert.equal(contentDispositionFilename(many, 'name'), '01234567891011');
  });
});

describe('ClientResponse.contentDisposition', () => {
  it('is the header, taken apart', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        if (request.url === '/file') {
          response.setHeader('Content-Disposition', "Attachment; filename*=UTF-8''%e2%82%ac.txt; size=3");
        }
        response.end();
      });
      await using session = new ClientSession(site.url);
      await session.get('/file').run((response) => {
        const { type, parameters, filename } = response.contentDisposition ?? assert.fail();
        assert.equal(type, 'attachment');
        assert.equal(filename, '€.txt');
        assert.deepEqual(
          [...parameters],
          [
            ['filename*', '€.txt'],
            ['size', '3'],
          ],
        );
      });
      await session.get('/none').run((response) => assert.equal(response.contentDisposition, null));
    }));
});
