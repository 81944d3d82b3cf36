import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createTask, gather, run, sleep } from 'asyncio-ts';
import { BinaryFile, open, TextFile, type TextOptions } from 'asyncio-ts/files';
import { leavesNoDescriptor, reallyInBothStyles } from '../support/io.ts';
import { logOf, runProgram, textOf } from '../support/programs.ts';
import { on, type Steps, thrownBy } from '../support/styles.ts';
import '../support/leaks.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'files-test-'));
after(() => rmSync(folder, { recursive: true }));

let count = 0;

/** A path of its own, with `content` if there is any. */
function fresh(content?: string | Uint8Array): string {
  const place = path.join(folder, `file-${count++}`);
  if (content !== undefined) writeFileSync(place, content);
  return place;
}

function* linesOf(place: string, options?: TextOptions): Steps<string[]> {
  const file = yield* on(open(place, 'r', options));
  const lines = yield* on(file.readlines());
  yield* on(file.close());
  return lines;
}

describe('open', () => {
  reallyInBothStyles('gives a file of text, or of bytes with b', function* () {
    const place = fresh('text');
    const text = yield* on(open(place));
    const bytes = yield* on(open(pathToFileURL(place), 'rb'));
    assert(text instanceof TextFile && bytes instanceof BinaryFile);
    assert.equal(yield* on(text.read()), 'text');
    assert.deepEqual(yield* on(bytes.read()), Buffer.from('text'));
    assert.equal(String(text), `<TextFile name='${place}' mode='r'>`);
    assert.deepEqual([text.readable(), text.writable(), text.seekable()], [true, false, true]);
    assert(text.fileno() > 2);
    yield* on(text.close());
    yield* on(bytes.close());
    assert.equal(text.closed, true);
  });

  reallyInBothStyles("refuses wrong modes and options, with Python's texts", function* () {
    const place = fresh('');
    const refused = [
      ['x9', {}, "RangeError: invalid mode: 'x9'"],
      ['rr', {}, "RangeError: invalid mode: 'rr'"],
      ['', {}, 'RangeError: must have exactly one of create/read/write/append mode'],
      ['rw', {}, 'RangeError: must have exactly one of create/read/write/append mode'],
      ['rbt', {}, "RangeError: can't have text and binary mode at once"],
      [5, {}, "TypeError: open() argument 'mode' must be str, not number"],
      ['rb', { encoding: 'utf8' }, "RangeError: binary mode doesn't take an encoding argument"],
      ['rb', { errors: 'strict' }, "RangeError: binary mode doesn't take an errors argument"],
      ['rb', { newline: '' }, "RangeError: binary mode doesn't take a newline argument"],
      ['r', { newline: 'x' }, "RangeError: illegal newline value: 'x'"],
      ['r', { errors: 'guess' }, "LookupError: unknown error handler name 'guess'"],
      [
        'r',
        { encoding: 'klingon' },
        "LookupError: unknown encoding: 'klingon' (known are utf8, latin1 and ascii)",
      ],
    ] as const;
    for (const [mode, options, text] of refused) {
      assert.equal(yield* thrownBy(open(place, mode as string, options as TextOptions)), text);
    }
  });

  reallyInBothStyles("throws Node's errors with their codes", function* () {
    const place = fresh('there');
    assert.match(yield* thrownBy(open(path.join(folder, 'none'))), /ENOENT/);
    assert.match(yield* thrownBy(open(place, 'x')), /EEXIST/);
    assert.match(yield* thrownBy(open(folder)), /EISDIR/);
    assert.match(yield* thrownBy(open(folder, 'w')), /EISDIR/);
  });

  reallyInBothStyles('empties with w, appends with a, updates with +, makes with x', function* () {
    const place = fresh('0123456789');
    const cases = [
      ['r+', 'ab', 'ab23456789'],
      ['a', 'cd', 'ab23456789cd'],
      ['w', 'ef', 'ef'],
      ['w+b', Buffer.from('gh'), 'gh'],
      ['ab', Buffer.from('ij'), 'ghij'],
    ] as const;
    for (const [mode, data, content] of cases) {
      const file = yield* on(open(place, mode as 'r'));
      assert.equal(yield* on(file.write(data as string)), 2);
      yield* on(file.close());
      assert.equal(readFileSync(place, 'utf8'), content, mode);
    }
    const made = fresh();
    const file = yield* on(open(made, 'x'));
    yield* on(file.close());
    assert.equal(readFileSync(made, 'utf8'), '');
  });

  test('run closes the file on every way out, and gives the value of the body', async () => {
    await leavesNoDescriptor(() =>
      run(async () => {
        const place = fresh('some text');
        assert.equal(await open(place).run((file) => file.read(4)), 'some');
        const failing = open(place).run(() => {
          throw new Error('body');
        });
        assert.equal(await textOf(() => failing), 'Error: body');
        const task = createTask(open(place).run(() => sleep(60)));
        await sleep(0.02);
        task.cancel();
        assert.equal(await textOf(() => task), 'CancelledError: ');
        assert.match(await textOf(() => open(place).run(5 as unknown as () => void)), /wants a function/);
      }),
    );
  });

  test('run takes a generator as body', async () => {
    await run(function* main() {
      const place = fresh('a\nb\n');
      const lines = yield* open(place).run(function* (file) {
        const found: string[] = [];
        const iterator = file[Symbol.asyncIterator]();
        for (;;) {
          const { done, value } = yield* iterator.next();
          if (done) return found;
          found.push(value);
        }
      });
      assert.deepEqual(lines, ['a\n', 'b\n']);
    });
  });

  test('leaves no descriptor when it is cancelled at any moment', async () => {
    const place = fresh('text');
    await leavesNoDescriptor(() =>
      run(async () => {
        for (let turns = 0; turns < 30; turns++) {
          const task = createTask(open(place).run((file) => file.read()));
          for (let i = 0; i < turns; i++) await sleep(0);
          task.cancel();
          await task.catch(() => {});
        }
        await sleep(0.05);
      }),
    );
  });

  test('closes with await using', async () => {
    await leavesNoDescriptor(() =>
      run(async () => {
        const place = fresh();
        {
          await using file = await open(place, 'w');
          await file.write('kept');
        }
        assert.equal(readFileSync(place, 'utf8'), 'kept');
      }),
    );
  });
});

describe('reading text', () => {
  reallyInBothStyles('reads all line ends as \\n, or as they are, or one of them alone', function* () {
    const place = fresh('a\nb\r\nc\rd\r\r\n\ne');
    const expected = [
      [null, ['a\n', 'b\n', 'c\n', 'd\n', '\n', '\n', 'e']],
      ['', ['a\n', 'b\r\n', 'c\r', 'd\r', '\r\n', '\n', 'e']],
      ['\n', ['a\n', 'b\r\n', 'c\rd\r\r\n', '\n', 'e']],
      ['\r', ['a\nb\r', '\nc\r', 'd\r', '\r', '\n\ne']],
      ['\r\n', ['a\nb\r\n', 'c\rd\r\r\n', '\ne']],
    ] as const;
    for (const [newline, lines] of expected) {
      assert.deepEqual(yield* linesOf(place, { newline }), lines, JSON.stringify(newline));
    }
    assert.deepEqual(yield* linesOf(fresh('a\r')), ['a\n']);
    assert.deepEqual(yield* linesOf(fresh('')), []);
  });

  reallyInBothStyles('counts characters, of any number of bytes, and \\r\\n as one', function* () {
    const file = yield* on(open(fresh('aä€😀\r\nz')));
    const parts: string[] = [];
    for (let part = yield* on(file.read(1)); part !== ''; part = yield* on(file.read(1))) parts.push(part);
    assert.deepEqual(parts, ['a', 'ä', '€', '😀', '\n', 'z']);
    yield* on(file.seek(0));
    assert.equal(yield* on(file.read(4)), 'aä€😀');
    assert.equal(yield* on(file.tell()), 10);
    assert.equal(yield* on(file.read(0)), '');
    assert.equal(yield* on(file.read()), '\nz');
    assert.equal(yield* on(file.read()), '');
    yield* on(file.close());
  });

  reallyInBothStyles('puts characters and line ends together across the borders of its pieces', function* () {
    const border = 64 * 1024;
    for (const [mark, back] of [
      ['€', 1],
      ['€', 2],
      ['😀', 3],
      ['\r\n', 1],
    ] as const) {
      const text = `${'x'.repeat(border - back)}${mark}end\n`;
      const place = fresh(text);
      const read = text.replace('\r\n', '\n');
      for (const size of [-1, read.length]) {
        assert.equal(yield* on(open(place).run((file) => file.read(size))), read);
      }
      assert.equal((yield* linesOf(place)).join(''), read);
    }
  });

  reallyInBothStyles('gives the lines that a split gives, for random texts', function* () {
    const pieces = ['a', 'ä', '😀', '\r', '\n', '\r\n', 'x'.repeat(700), 'ß'.repeat(900)];
    let seed = 1;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    const patterns = { null: /(?<=\n)/, '': /(?<=\n)|(?<=\r)(?!\n)/, '\n': /(?<=\n)/, '\r': /(?<=\r)/ };
    for (let round = 0; round < 8; round++) {
      const some = pieces.filter(() => random(3) > 0);
      const text = Array.from({ length: 1500 }, () => some[random(some.length)] ?? '\n').join('');
      const place = fresh(text);
      for (const [newline, pattern] of Object.entries(patterns)) {
        const options = { newline: newline === 'null' ? null : newline } as TextOptions;
        const expected = newline === 'null' ? text.replaceAll(/\r\n?/g, '\n') : text;
        const lines = yield* linesOf(place, options);
        assert.deepEqual(
          lines,
          expected.split(pattern).filter((line) => line !== ''),
        );
        const parts = yield* on(
          open(place, 'r', options).run(function* (file) {
            const found: string[] = [];
            for (let part = yield* file.read(777); part !== ''; part = yield* file.read(777))
              found.push(part);
            return found;
          }),
        );
        assert.equal(parts.join(''), expected);
        assert(parts.slice(0, -1).every((part) => Array.from(part).length === 777));
      }
    }
  });

  reallyInBothStyles('reads a line of some megabytes', function* () {
    const line = `${'long '.repeat(1_000_000)}\n`;
    assert.deepEqual(
      (yield* linesOf(fresh(`${line}short`))).map((found) => found.length),
      [line.length, 5],
    );
  });

  reallyInBothStyles('knows latin1 and ascii, and throws or replaces what cannot be decoded', function* () {
    const place = fresh(Buffer.from([0x61, 0xe4, 0x80, 0x0a]));
    const read = (options: TextOptions) => open(place, 'r', options).run((file) => file.read());
    assert.equal(yield* on(read({ encoding: 'latin-1' })), 'aä\x80\n');
    assert.equal(yield* on(read({ errors: 'replace' })), 'a\ufffd\n');
    assert.match(yield* thrownBy(read({})), /^RangeError: 'utf-8' codec can't decode/);
    assert.equal(
      yield* thrownBy(read({ encoding: 'ascii' })),
      "RangeError: 'ascii' codec can't decode byte 0xe4 in position 1: ordinal not in range(128)",
    );
    assert.equal(yield* on(read({ encoding: 'ascii', errors: 'replace' })), 'a\ufffd\ufffd\n');
  });

  test('iterates by lines, a hundred thousand of them, while others run', async () => {
    const place = fresh(Array.from({ length: 100_000 }, (_, i) => `line ${i} with some text\n`).join(''));
    await run(async () => {
      let ticks = 0;
      const ticker = createTask(async () => {
        for (;;) {
          await sleep(0);
          ticks++;
        }
      });
      let lines = 0;
      await open(place).run(async (file) => {
        for await (const line of file) {
          assert.equal(line, `line ${lines} with some text\n`);
          lines++;
        }
      });
      ticker.cancel();
      assert.equal(lines, 100_000);
      assert(ticks > 20, `${ticks} turns of another task`);
    });
  });

  reallyInBothStyles('sees what was added after the end was reached', function* () {
    const place = fresh('one\n');
    const file = yield* on(open(place));
    assert.equal(yield* on(file.readline()), 'one\n');
    assert.equal(yield* on(file.readline()), '');
    writeFileSync(place, 'two\n', { flag: 'a' });
    assert.equal(yield* on(file.readline()), 'two\n');
    yield* on(file.close());
  });
});

describe('read of all', () => {
  for (const size of [0, 1, 65_535, 65_536, 8 * 2 ** 20 - 1, 8 * 2 ** 20, 17 * 2 ** 20]) {
    reallyInBothStyles(`gives ${size} bytes, and then none`, function* () {
      const content = Buffer.alloc(size, '0123456789\n');
      const file = yield* on(open(fresh(content), 'rb'));
      assert((yield* on(file.read())).equals(content));
      assert.equal((yield* on(file.read())).length, 0);
      assert.equal(yield* on(file.tell()), size);
      yield* on(file.close());
    });
  }

  reallyInBothStyles('gives what was written after it was opened, and what it is cut to', function* () {
    const place = fresh('12345');
    const grown = yield* on(open(place));
    const cut = yield* on(open(place));
    writeFileSync(place, 'x'.repeat(200_000));
    assert.equal((yield* on(grown.read())).length, 200_000);
    writeFileSync(place, '123');
    assert.equal(yield* on(cut.read()), '123');
    appendFileSync(place, '45');
    assert.equal(yield* on(cut.read()), '45');
    yield* on(grown.close());
    yield* on(cut.close());
  });

  reallyInBothStyles('what is taken of a file is not written over', function* () {
    const file = yield* on(open(fresh('a'.repeat(70_000) + 'b'.repeat(70_000)), 'rb'));
    const parts: Buffer[] = [];
    for (const size of [1, 69_999, 10, -1]) parts.push(yield* on(file.read(size)));
    assert.equal(Buffer.concat(parts).toString(), 'a'.repeat(70_000) + 'b'.repeat(70_000));
    yield* on(file.close());
  });

  test('knows no size of files that the system makes up', {
    skip: process.platform !== 'linux',
  }, async () => {
    await run(async () => {
      const text = await open('/proc/self/maps').run((file) => file.read());
      assert.ok(text.length > 4096 && text.endsWith('\n'));
      assert.ok(text.includes('[stack]'));
    });
  });
});

describe('writing', () => {
  reallyInBothStyles('gathers, and is there after flush', function* () {
    const place = fresh();
    const file = yield* on(open(place, 'w'));
    yield* on(file.write('one'));
    assert.equal(readFileSync(place, 'utf8'), '');
    yield* on(file.flush());
    assert.equal(readFileSync(place, 'utf8'), 'one');
    yield* on(file.writelines(['two', '\n', 'three']));
    assert.equal(yield* on(file.tell()), 12);
    yield* on(file.close());
    assert.equal(readFileSync(place, 'utf8'), 'onetwo\nthree');
  });

  reallyInBothStyles('writes \\n as the line end that was asked for', function* () {
    const place = fresh();
    for (const [newline, content] of [
      ['\r\n', 'a\r\nb\r\n'],
      ['\r', 'a\rb\r'],
      ['\n', 'a\nb\n'],
      ['', 'a\nb\n'],
    ] as const) {
      yield* on(open(place, 'w', { newline }).run((file) => file.write('a\nb\n')));
      assert.equal(readFileSync(place, 'utf8'), content);
    }
  });

  reallyInBothStyles('refuses what the encoding does not have, and what is of the wrong type', function* () {
    const place = fresh();
    const write = (data: unknown, mode: string, options?: TextOptions) =>
      open(place, mode as 'w', options).run((file) => file.write(data as string));
    assert.equal(
      yield* thrownBy(write('5 €', 'w', { encoding: 'latin1' })),
      "RangeError: 'latin-1' codec can't encode character '\\u20ac' in position 2: ordinal not in range(256)",
    );
    assert.equal(
      yield* thrownBy(write('a\ud800', 'w')),
      "RangeError: 'utf-8' codec can't encode character '\\ud800' in position 1: surrogates not allowed",
    );
    assert.equal(
      yield* thrownBy(write(Buffer.alloc(1), 'w')),
      'TypeError: write() argument must be str, not Buffer',
    );
    assert.equal(
      yield* thrownBy(write('text', 'wb')),
      "TypeError: a bytes-like object is required, not 'string'",
    );
    yield* on(write('5 €', 'w', { encoding: 'latin1', errors: 'replace' }));
    assert.equal(readFileSync(place, 'latin1'), '5 ?');
    assert.equal(yield* thrownBy(write('text', 'r')), 'RangeError: not writable');
    assert.equal(yield* thrownBy(open(place, 'w').run((file) => file.read())), 'RangeError: not readable');
  });

  reallyInBothStyles('writes and reads in turn with +, seeks, tells and truncates', function* () {
    const place = fresh('0123456789');
    const file = yield* on(open(place, 'r+b'));
    assert.equal(String(yield* on(file.read(3))), '012');
    yield* on(file.write(Buffer.from('ab')));
    assert.equal(yield* on(file.tell()), 5);
    assert.equal(String(yield* on(file.read(2))), '56');
    assert.equal(yield* on(file.seek(-2, 2)), 8);
    assert.equal(String(yield* on(file.read())), '89');
    assert.equal(yield* on(file.seek(-3, 1)), 7);
    assert.equal(yield* on(file.truncate()), 7);
    assert.equal(String(yield* on(file.read())), '');
    assert.equal(yield* on(file.truncate(9)), 9);
    yield* on(file.seek(0));
    assert.deepEqual(yield* on(file.read()), Buffer.from('012ab56\0\0'));
    assert.equal(yield* thrownBy(file.seek(-1)), 'RangeError: negative seek position -1');
    assert.equal(
      yield* thrownBy(file.seek(0, 3 as 2)),
      'RangeError: invalid whence (3, should be 0, 1 or 2)',
    );
    yield* on(file.close());
    const text = yield* on(open(place));
    assert.equal(yield* thrownBy(text.seek(1, 1)), "RangeError: can't do nonzero cur-relative seeks");
    assert.equal(yield* thrownBy(text.seek(1, 2)), "RangeError: can't do nonzero end-relative seeks");
    assert.equal(yield* on(text.seek(0, 2)), 9);
    yield* on(text.close());
  });

  reallyInBothStyles('with a+ begins at the end, and writes there from anywhere', function* () {
    const place = fresh('old');
    const file = yield* on(open(place, 'a+'));
    assert.equal(yield* on(file.tell()), 3);
    yield* on(file.seek(0));
    assert.equal(yield* on(file.read(1)), 'o');
    yield* on(file.write('new'));
    assert.equal(yield* on(file.read()), '');
    yield* on(file.seek(0));
    assert.equal(yield* on(file.read()), 'oldnew');
    yield* on(file.close());
  });

  reallyInBothStyles('lets bytes be changed after write', function* () {
    const place = fresh();
    const data = Buffer.from('before');
    const file = yield* on(open(place, 'wb'));
    yield* on(file.write(data));
    data.write('after!');
    yield* on(file.close());
    assert.equal(readFileSync(place, 'utf8'), 'before');
  });

  test('writes some megabytes in pieces, in order, from several tasks', async () => {
    const place = fresh();
    await run(async () => {
      await open(place, 'w').run((file) =>
        gather(
          Array.from({ length: 10 }, (_, i) => async () => {
            for (let n = 0; n < 2000; n++) await file.write(`${i} ${n} ${'x'.repeat(100)}\n`);
          }),
        ),
      );
    });
    const lines = readFileSync(place, 'utf8').split('\n');
    assert.equal(lines.length, 20_001);
    const next = new Map<string, number>();
    for (const line of lines.slice(0, -1)) {
      const [i = '', n = ''] = line.split(' ');
      assert.equal(Number(n), next.get(i) ?? 0);
      next.set(i, Number(n) + 1);
    }
  });

  test('tells of an error of the disk at the latest by close', {
    skip: process.platform !== 'linux',
  }, async () => {
    await run(async () => {
      const file = await open('/dev/full', 'w');
      await file.write('too much');
      assert.match(await textOf(() => file.close()), /ENOSPC/);
      assert.equal(file.closed, true);
    });
  });
});

describe('cancellation and closing', () => {
  const fifo = (): string => {
    const place = fresh();
    execFileSync('mkfifo', [place]);
    return place;
  };
  const noFifo = { skip: process.platform === 'win32' };

  test('a cancelled read takes nothing: what comes later is for the next', noFifo, async () => {
    await leavesNoDescriptor(() =>
      run(async () => {
        const place = fifo();
        const [reader, writer] = await gather(open(place), open(place, 'w'));
        assert.equal(reader.seekable(), false);
        assert.match(await textOf(() => reader.tell()), /ESPIPE/);
        const task = createTask(reader.readline());
        await sleep(0.01);
        task.cancel();
        assert.equal(await textOf(() => task), 'CancelledError: ');
        await writer.write('first\nsecond\n');
        await writer.flush();
        assert.equal(await reader.readline(), 'first\n');
        assert.equal(await reader.readline(), 'second\n');
        await writer.close();
        assert.equal(await reader.readline(), '');
        await reader.close();
      }),
    );
  });

  test('close waits for the operation that runs, and those in line are refused', noFifo, async () => {
    await run(async () => {
      const place = fifo();
      const [reader, writer] = await gather(open(place), open(place, 'w'));
      const first = createTask(reader.readline());
      const second = createTask(reader.readline());
      await sleep(0.01);
      const closing = createTask(reader.close());
      await sleep(0.01);
      assert.equal(closing.done(), false);
      await writer.write('line\n');
      await writer.close();
      assert.equal(await first, 'line\n');
      assert.equal(await textOf(() => second), 'RangeError: I/O operation on closed file.');
      await closing;
    });
  });

  test('a cancelled close closes nevertheless', noFifo, async () => {
    await leavesNoDescriptor(() =>
      run(async () => {
        const place = fifo();
        const [reader, writer] = await gather(open(place), open(place, 'w'));
        const read = createTask(reader.read());
        await sleep(0.01);
        const closing = createTask(reader.close());
        await sleep(0.01);
        closing.cancel();
        assert.equal(await textOf(() => closing), 'CancelledError: ');
        await writer.write('x');
        await writer.close();
        assert.equal(await read, 'x');
        await reader.close();
      }),
    );
  });

  test('an error of a close that was cancelled reaches the exception handler', {
    skip: process.platform !== 'linux',
  }, async () => {
    const lines = await logOf(() =>
      run(async () => {
        const file = await open('/dev/full', 'w');
        await file.write('too much');
        const closing = createTask(file.close());
        await sleep(0);
        closing.cancel();
        await closing.catch(() => {});
        await sleep(0.05);
      }),
    );
    assert.match(lines.join('\n'), /^error: closing <TextFile .*> failed, and nobody waited[^]*ENOSPC/);
  });

  reallyInBothStyles('a closed file refuses everything but close', function* () {
    const file = yield* on(open(fresh('text')));
    yield* on(file.close());
    yield* on(file.close());
    const text = 'RangeError: I/O operation on closed file.';
    for (const refused of [file.read(), file.readline(), file.write('a'), file.tell(), file.flush()]) {
      assert.equal(yield* thrownBy(refused), text);
    }
    assert.throws(() => file.readable(), { name: 'RangeError' });
    assert.equal(String(file), `<TextFile name='${file.name}' mode='r' closed>`);
  });

  for (const style of ['async () =>', 'function* ()']) {
    const wait = style.startsWith('async') ? 'await' : 'yield*';
    test(`a forgotten file is written and closed at the end of run; debug mode names it (${style})`, async () => {
      const place = fresh();
      const code = (options: string): string => `
        import { readFileSync } from 'node:fs';
        const { open } = await import('asyncio-ts/files');
        await asyncio.run(${style} {
          const file = ${wait} open(${JSON.stringify(place)}, 'w');
          ${wait} file.write('hello');
          const child = ${wait} asyncio.createSubprocessExec('sleep', ['60']);
          const other = ${wait} open(${JSON.stringify(place)});
          globalThis.held = other;
        }, ${options});
        console.log(readFileSync(${JSON.stringify(place)}, 'utf8'), held.closed);
        for (let i = 0; i < 10; i++) {
          gc();
          await new Promise((resolve) => setTimeout(resolve, 5));
        }`;
      const flags = ['--expose-gc'];
      const { stdout, stderr, code: exit } = await runProgram(code('{}'), { flags });
      assert.deepEqual({ stdout, stderr, exit }, { stdout: 'hello true\n', stderr: '', exit: 0 });
      const debug = await runProgram(code('{ debug: true }'), { flags });
      assert.match(
        debug.stderr,
        /unclosed <TextFile name='[^']*' mode='w'>\n[^]*unclosed <TextFile name='[^']*' mode='r'>\n/,
      );
      assert.equal(debug.code, 0);
    });
  }

  test('a file that is collected is written and closed, with a warning', async () => {
    const place = fresh();
    const { stdout, stderr, code } = await runProgram(
      `
      import { readFileSync, readdirSync } from 'node:fs';
      const { open } = await import('asyncio-ts/files');
      await asyncio.run(async () => {
        console.log('begin');
        await open(${JSON.stringify(place)}, 'w').run(() => {});
        const before = readdirSync('/proc/self/fd').length;
        await (async () => {
          const file = await open(${JSON.stringify(place)}, 'w');
          await file.write('hello');
        })();
        for (let i = 0; i < 200 && readFileSync(${JSON.stringify(place)}, 'utf8') === ''; i++) {
          gc();
          await asyncio.sleep(0.005);
        }
        console.log(readFileSync(${JSON.stringify(place)}, 'utf8'));
        await asyncio.sleep(0.02);
        console.log(readdirSync('/proc/self/fd').length - before);
      });`,
      { flags: ['--expose-gc'] },
    );
    assert.deepEqual({ stdout, code }, { stdout: 'begin\nhello\n0\n', code: 0 });
    assert.equal(stderr, `ResourceWarning: unclosed <TextFile name='${place}' mode='w'>\n`);
  });

  test(
    'a pipe that nobody closes, and that is being read, does not hold up the end of run',
    noFifo,
    async () => {
      const place = fifo();
      await leavesNoDescriptor(async () => {
        await run(async () => {
          const [reader] = await gather(open(place), open(place, 'w'));
          createTask(reader.readline());
          await sleep(0.01);
        });
      });
    },
  );

  test('an error of the end of run reaches the exception handler', {
    skip: process.platform !== 'linux',
  }, async () => {
    const { stderr, code } = await runProgram(`
      const { open } = await import('asyncio-ts/files');
      await asyncio.run(async () => {
        const file = await open('/dev/full', 'w');
        await file.write('too much');
      });`);
    assert.match(stderr, /^closing <TextFile name='\/dev\/full' mode='w'> failed\n[^]*ENOSPC/);
    assert.equal(code, 0);
  });

  test('the loop does not stand still, and the process ends by itself (P62)', async () => {
    const place = fresh('x'.repeat(5_000_000));
    const { stdout, stderr, code } = await runProgram(`
      const { open } = await import('asyncio-ts/files');
      await asyncio.run(async () => {
        const text = await open(${JSON.stringify(place)}).run((file) => file.read());
        console.log(text.length);
        const left = await open(${JSON.stringify(place)}, 'rb');
        console.log((await left.read(3)).length);
        await left.close();
      });
    `);
    assert.deepEqual({ stdout, stderr, code }, { stdout: '5000000\n3\n', stderr: '', code: 0 });
    assert.equal(statSync(place).size, 5_000_000);
  });
});
