import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Awaitable,
  createTask,
  DeadlockError,
  type Gen,
  getRunningLoop,
  IncompleteReadError,
  LimitOverrunError,
  newEventLoop,
  NotImplementedError,
  ReadTransport,
  setEventLoop,
  sleep,
  StreamReader,
  type Task,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf, logOf, runVirtually, textOf } from '../support/programs.ts';
import { inBothStyles, on, type Steps, thrownBy, turns } from '../support/styles.ts';

const bytes = (text: string): Buffer => Buffer.from(text);
const LINES = 'line1\nline2\nline3\n';

/** A reader that was fed `chunks`. */
function fed(chunks: readonly string[], limit?: number): StreamReader {
  const reader = new StreamReader(limit);
  for (const chunk of chunks) reader.feedData(bytes(chunk));
  return reader;
}

/** What is left in the reader, without an end. */
function* left(reader: StreamReader): Steps<string> {
  reader.feedData(bytes('|'));
  const rest = String(yield* on(reader.read(1e6)));
  assert.equal(rest.at(-1), '|');
  return rest.slice(0, -1);
}

function* text(awaitable: PromiseLike<Buffer>): Steps<string> {
  return (yield* on(awaitable)).toString();
}

/** A transport that notes when it is paused. */
class Source extends ReadTransport {
  readonly calls: string[] = [];

  override pauseReading(): void {
    this.calls.push('pause');
  }

  override resumeReading(): void {
    this.calls.push('resume');
  }

  override toString(): string {
    return '<Source>';
  }
}

describe('StreamReader', () => {
  inBothStyles('needs a limit above zero', function* () {
    assert.throws(() => new StreamReader(0), { name: 'RangeError', message: 'Limit cannot be <= 0' });
    assert.throws(() => new StreamReader(-1), RangeError);
    assert.throws(() => new StreamReader('1' as never), TypeError);
    assert.throws(() => new StreamReader(Number.NaN), TypeError);
    assert.equal(String(new StreamReader(Number.POSITIVE_INFINITY)), '<StreamReader limit=Infinity>');
  });

  test('belongs to the running loop, to the chosen one, or to that of its argument', async () => {
    await assert.rejects(async () => new StreamReader(), { name: 'RuntimeError' });
    const chosen = newEventLoop();
    setEventLoop(chosen);
    new StreamReader();
    setEventLoop(null);
    new StreamReader(10, chosen);
    chosen.close();
    await runVirtually(async () => {
      const reader = new StreamReader();
      getRunningLoop().callSoon(() => reader.feedData(bytes('x')));
      assert.equal(String(await reader.read(1)), 'x');
    });
  });

  inBothStyles('tells what it holds and waits for', function* (style) {
    assert.equal(String(new StreamReader()), '<StreamReader>');
    assert.equal(String(new StreamReader(123)), '<StreamReader limit=123>');
    const reader = fed(['data']);
    assert.equal(String(reader), '<StreamReader 4 bytes>');
    reader.feedEof();
    assert.equal(String(reader), '<StreamReader 4 bytes eof>');
    const failed = new StreamReader();
    failed.setException(new RangeError('no'));
    assert.equal(String(failed), "<StreamReader exception=RangeError('no')>");
    const waiting = new StreamReader(4);
    const source = new Source();
    waiting.setTransport(source);
    assert.equal(String(waiting), '<StreamReader limit=4 transport=<Source>>');
    const task = style.task(() => on(waiting.read(1)));
    yield* turns();
    assert.match(String(waiting), /^<StreamReader limit=4 waiter=<Future pending.*> transport=<Source>>$/);
    waiting.feedData(bytes('123456789'));
    yield* on(task);
    assert.equal(String(waiting), '<StreamReader 8 bytes limit=4 transport=<Source> paused>');
  });

  inBothStyles('takes no data after the end, no strings, and ignores empty chunks', function* () {
    const reader = fed(['', 'ab', '']);
    assert.equal(String(reader), '<StreamReader 2 bytes>');
    assert.throws(() => reader.feedData('text' as never), {
      name: 'TypeError',
      message: "data argument must be a Uint8Array, not 'string'",
    });
    reader.feedData(new Uint8Array([99]));
    assert.equal(yield* text(reader.read(3)), 'abc');
    reader.feedEof();
    assert.throws(() => reader.feedData(bytes('x')), { name: 'AssertionError' });
    reader.feedEof();
  });

  inBothStyles('takes one transport', function* () {
    const reader = new StreamReader();
    reader.setTransport(new Source());
    assert.throws(() => reader.setTransport(new Source()), {
      name: 'AssertionError',
      message: 'Transport already set',
    });
  });

  inBothStyles('is at its end when the end was fed and nothing is left', function* () {
    const reader = fed(['some data\n']);
    assert.equal(reader.atEof(), false);
    yield* on(reader.readline());
    assert.equal(reader.atEof(), false);
    reader.feedData(bytes('some data\n'));
    reader.feedEof();
    assert.equal(reader.atEof(), false);
    yield* on(reader.readline());
    assert.equal(reader.atEof(), true);
  });
});

describe('StreamReader.read', () => {
  inBothStyles('of no bytes gives none at once', function* () {
    const reader = fed([LINES]);
    assert.equal(yield* text(reader.read(0)), '');
    assert.equal(yield* left(reader), LINES);
  });

  inBothStyles('waits for something, and gives what there is', function* (style) {
    const reader = new StreamReader();
    const task = style.task(() => text(reader.read(30)));
    yield* turns();
    reader.feedData(bytes(LINES));
    assert.equal(yield* on(task), LINES);
  });

  inBothStyles('gives at most as many bytes as asked for, across lines and chunks', function* () {
    const reader = fed(['line1', 'line2']);
    assert.equal(yield* text(reader.read(5)), 'line1');
    assert.equal(yield* text(reader.read(2)), 'li');
    reader.feedData(bytes('34'));
    assert.equal(yield* text(reader.read(4)), 'ne23');
    assert.equal(yield* text(reader.read(100)), '4');
  });

  inBothStyles('gives nothing at the end', function* (style) {
    const reader = new StreamReader();
    const task = style.task(() => text(reader.read(1024)));
    yield* turns();
    reader.feedEof();
    assert.equal(yield* on(task), '');
    assert.equal(yield* text(reader.read(1)), '');
    assert.equal(yield* text(reader.read()), '');
  });

  inBothStyles('without a number reads to the end', function* (style) {
    const reader = fed(['a']);
    const task = style.task(() => text(reader.read(-1)));
    yield* turns();
    reader.feedData(bytes('chunk1\n'));
    yield* turns();
    reader.feedData(bytes('chunk2'));
    reader.feedData(bytes('!'));
    yield* turns(2);
    assert.equal(task.done(), false);
    reader.feedEof();
    assert.equal(yield* on(task), 'achunk1\nchunk2!');
    assert.equal(yield* text(reader.read()), '');
  });

  inBothStyles('is not bound by the limit', function* () {
    const reader = fed(['chunk'], 3);
    assert.equal(yield* text(reader.read(5)), 'chunk');
    assert.equal(yield* text(fed(['chunk'], 3).readexactly(5)), 'chunk');
  });

  inBothStyles('takes whole numbers', function* () {
    const reader = fed(['chunk']);
    for (const wrong of [1.5, Number.NaN, '1', null]) {
      assert.throws(() => reader.read(wrong as never), TypeError);
      assert.throws(() => reader.readexactly(wrong as never), TypeError);
    }
    assert.equal(yield* text(reader.read(Number.POSITIVE_INFINITY)), 'chunk');
  });

  inBothStyles('gives what lies in one chunk without a copy, and what spans chunks as a copy', function* () {
    const reader = new StreamReader();
    const chunk = bytes('abc\ndef\nrest');
    reader.feedData(chunk);
    const line = yield* on(reader.readline());
    assert.equal(line.buffer, chunk.buffer);
    assert.equal(line.byteOffset, chunk.byteOffset);
    const exact = yield* on(reader.readexactly(4));
    assert.equal(exact.byteOffset, chunk.byteOffset + 4);
    const whole = bytes('whole');
    yield* on(reader.read(100));
    reader.feedData(whole);
    assert.equal(yield* on(reader.read(100)), whole);
    reader.feedData(whole);
    assert.equal(yield* on(reader.readexactly(5)), whole);
    reader.feedData(whole);
    reader.feedData(chunk);
    const across = yield* on(reader.readexactly(6));
    assert.equal(String(across), 'wholea');
    across.fill(0);
    assert.equal(String(whole), 'whole');
  });
});

describe('StreamReader.readline', () => {
  inBothStyles('waits for the end of the line', function* (style) {
    const reader = fed(['chunk1 ']);
    const task = style.task(() => text(reader.readline()));
    yield* turns();
    reader.feedData(bytes('chunk2 '));
    reader.feedData(bytes('chunk3 '));
    yield* turns(2);
    reader.feedData(bytes('\n chunk4'));
    assert.equal(yield* on(task), 'chunk1 chunk2 chunk3 \n');
    assert.equal(yield* left(reader), ' chunk4');
  });

  inBothStyles('does not wait for a line that is there, whatever its chunks', function* () {
    const reader = fed([LINES.slice(0, 6), LINES.slice(6)]);
    assert.equal(yield* text(reader.readline()), 'line1\n');
    assert.equal(yield* text(reader.read(7)), 'line2\nl');
    assert.equal(yield* left(reader), 'ine3\n');
  });

  inBothStyles('gives what is left at the end, maybe nothing', function* () {
    const reader = fed(['some data']);
    reader.feedEof();
    assert.equal(yield* text(reader.readline()), 'some data');
    assert.equal(yield* text(reader.readline()), '');
  });

  const tooLong = (found: string, limit: number): string =>
    `RangeError: ${found} of ${limit} bytes: pass { limit } to openConnection() or startServer() for longer lines`;
  const foundText = 'Separator is found, but chunk is longer than limit';
  const notFoundText = 'Separator is not found, and chunk exceed the limit';

  inBothStyles('drops a line that is longer than the limit, and says how to raise it', function* () {
    const reader = fed(['li', 'ne1\nline2\n'], 3);
    assert.equal(yield* thrownBy(reader.readline()), tooLong(foundText, 3));
    assert.equal(yield* left(reader), 'line2\n');
    const endless = fed(['li', 'ne1', 'li'], 3);
    const error = yield* caught(endless.readline());
    assert.equal(String(error), tooLong(notFoundText, 3));
    assert.equal((error.cause as LimitOverrunError).consumed, 7);
    assert.equal(yield* left(endless), '');
  });

  function* caught(awaitable: PromiseLike<unknown>): Steps<Error> {
    try {
      yield* on(awaitable);
    } catch (error) {
      return error as Error;
    }
    throw new Error('nothing was thrown');
  }

  inBothStyles('drops it as well when it comes while it waits', function* (style) {
    for (const [chunks, rest, problem] of [
      [['chunk1', 'chunk2', 'chunk3\n'], '', foundText],
      [['chunk1', 'chunk2\n', 'chunk3\n'], 'chunk3\n', foundText],
      [['chunk1', 'chunk2'], '', notFoundText],
    ] as const) {
      const reader = new StreamReader(7);
      const task = style.task(() => thrownBy(reader.readline()));
      yield* turns();
      for (const chunk of chunks) reader.feedData(bytes(chunk));
      assert.equal(yield* on(task), tooLong(problem, 7));
      assert.equal(yield* left(reader), rest);
    }
  });

  inBothStyles('counts the limit without the newline', function* () {
    const reader = fed(['1234567\n'], 7);
    assert.equal(yield* text(reader.readline()), '1234567\n');
    for (const long of ['12345678\n', '12345678']) {
      reader.feedData(bytes(long));
      assert.match(yield* thrownBy(reader.readline()), /^RangeError/);
      assert.equal(yield* left(reader), '');
    }
  });
});

describe('StreamReader.readuntil', () => {
  inBothStyles('needs separators that are not empty', function* () {
    const reader = new StreamReader();
    const empty = 'RangeError: Separator should be at least one-byte string';
    assert.equal(yield* thrownBy(reader.readuntil('')), empty);
    assert.equal(yield* thrownBy(reader.readuntil(new Uint8Array())), empty);
    assert.equal(yield* thrownBy(reader.readuntil(['a', ''])), empty);
    assert.equal(
      yield* thrownBy(reader.readuntil([])),
      'RangeError: Separator should contain at least one element',
    );
    assert.match(yield* thrownBy(reader.readuntil([1] as never)), /^TypeError: a separator must be/);
  });

  inBothStyles('reads up to a separator, of any type, and with it', function* () {
    for (const separator of ['AAA', bytes('AAA'), new Uint8Array([65, 65, 65])]) {
      const reader = fed(['lineAAAxxx']);
      assert.equal(yield* text(reader.readuntil(separator)), 'lineAAA');
      assert.equal(yield* left(reader), 'xxx');
    }
    assert.equal(yield* text(fed(['a\nb']).readuntil()), 'a\n');
    assert.equal(yield* text(fed(['aß→b']).readuntil('→')), 'aß→');
  });

  inBothStyles('finds a separator that spans chunks', function* () {
    for (const [chunks, expected] of [
      [['QWEaa', 'XYaa', 'a'], 'QWEaaXYaaa'],
      [['QWEaa', 'XYa', 'aa'], 'QWEaaXYaaa'],
      [['aaa'], 'aaa'],
      [['Xaaa'], 'Xaaa'],
      [['XXX', 'a', 'a', 'a'], 'XXXaaa'],
    ] as const) {
      const reader = fed(chunks);
      assert.equal(yield* text(reader.readuntil('aaa')), expected);
      assert.equal(yield* left(reader), '');
    }
  });

  inBothStyles('throws what there is if the end comes first, be it within the separator', function* () {
    const reader = fed(['some ', 'dataAA']);
    reader.feedEof();
    try {
      yield* on(reader.readuntil('AAA'));
      assert.fail();
    } catch (error) {
      assert.ok(error instanceof IncompleteReadError);
      assert.equal(String(error.partial), 'some dataAA');
      assert.equal(error.expected, null);
      assert.equal(error.message, '11 bytes read on a total of undefined expected bytes');
    }
    assert.equal(reader.atEof(), true);
  });

  inBothStyles('takes a separator that came with the end', function* (style) {
    const reader = fed(['data']);
    const task = style.task(() => text(reader.readuntil('AA')));
    yield* turns();
    reader.feedData(bytes('AA'));
    reader.feedEof();
    assert.equal(yield* on(task), 'dataAA');
  });

  inBothStyles(
    'P41: leaves what is above the limit in the buffer, and tells how much can be read',
    function* () {
      const reader = fed(['some dataAA'], 3);
      const overrun = function* (consumed: number): Steps<string> {
        try {
          yield* on(reader.readuntil('AAA'));
        } catch (error) {
          assert.ok(error instanceof LimitOverrunError);
          assert.equal(error.consumed, consumed);
          return error.message;
        }
        return '';
      };
      assert.equal(yield* overrun(9), 'Separator is not found, and chunk exceed the limit');
      reader.feedData(bytes('A'));
      assert.equal(yield* overrun(9), 'Separator is found, but chunk is longer than limit');
      assert.equal(yield* text(reader.readexactly(9)), 'some data');
      assert.equal(yield* text(reader.readuntil('AAA')), 'AAA');
    },
  );

  inBothStyles('of several separators takes the one that ends first', function* () {
    const reader = fed(['line 1\nline 2\r']);
    assert.equal(yield* text(reader.readuntil(['\r', '\n'])), 'line 1\n');
    assert.equal(yield* text(reader.readuntil(['\r', '\n'])), 'line 2\r');
    const longer = fed(['ABCDEFG']);
    assert.equal(yield* text(longer.readuntil(['DEF', 'BCDE'])), 'ABCDE');
    assert.equal(yield* left(longer), 'FG');
    const limited = fed(['some dataA'], 3);
    assert.equal(
      yield* thrownBy(limited.readuntil(['A', 'ome dataA'])),
      'LimitOverrunError: Separator is found, but chunk is longer than limit',
    );
    assert.equal(yield* left(limited), 'some dataA');
  });

  inBothStyles('waits when there is less than the longest separator', function* (style) {
    const reader = fed(['data']);
    const task = style.task(() => text(reader.readuntil(['A', 'long sep'])));
    yield* turns();
    reader.feedData(bytes('Z'));
    yield* turns(2);
    reader.feedData(bytes('Aaaa'));
    assert.equal(yield* on(task), 'dataZA');
    assert.equal(yield* left(reader), 'aaa');
  });
});

describe('StreamReader.readexactly', () => {
  inBothStyles('of no bytes gives none; of less than none throws', function* () {
    const reader = fed([LINES]);
    assert.equal(yield* text(reader.readexactly(0)), '');
    assert.equal(
      yield* thrownBy(reader.readexactly(-1)),
      'RangeError: readexactly size can not be less than zero',
    );
    assert.equal(yield* left(reader), LINES);
  });

  inBothStyles('waits for all its bytes', function* (style) {
    const reader = new StreamReader();
    const task = style.task(() => text(reader.readexactly(2 * LINES.length)));
    yield* turns();
    reader.feedData(bytes(LINES));
    yield* turns(2);
    reader.feedData(bytes(LINES));
    reader.feedData(bytes(LINES));
    assert.equal(yield* on(task), LINES + LINES);
    assert.equal(yield* left(reader), LINES);
  });

  inBothStyles('throws what there is if the end comes first', function* (style) {
    const reader = new StreamReader();
    const task = style.task(function* (): Steps<IncompleteReadError> {
      try {
        yield* on(reader.readexactly(36));
      } catch (error) {
        return error as IncompleteReadError;
      }
      throw new Error('nothing was thrown');
    });
    yield* turns();
    reader.feedData(bytes(LINES));
    reader.feedEof();
    const error = yield* on(task);
    assert.ok(error instanceof IncompleteReadError);
    assert.equal(String(error.partial), LINES);
    assert.equal(error.expected, 36);
    assert.equal(error.message, '18 bytes read on a total of 36 expected bytes');
    assert.equal(reader.atEof(), true);
  });
});

/** Every operation that can wait, with what it says of itself. */
const operations: [name: string, begin: (reader: StreamReader) => Awaitable<unknown>][] = [
  ['read', (reader) => reader.read(5)],
  ['read', (reader) => reader.read()],
  ['readexactly', (reader) => reader.readexactly(5)],
  ['readuntil', (reader) => reader.readuntil('ab')],
  ['readuntil', (reader) => reader.readline()],
  ['readuntil', (reader) => reader[Symbol.asyncIterator]().next()],
];

describe('StreamReader.setException', () => {
  inBothStyles('ends every read from then on, also with data in the buffer', function* () {
    const reader = fed(['line\n']);
    assert.equal(reader.exception(), null);
    const error = new RangeError('broken');
    reader.setException(error);
    assert.equal(reader.exception(), error);
    for (const [, begin] of operations) {
      assert.equal(yield* thrownBy(begin(reader)), 'RangeError: broken');
    }
    assert.equal(yield* thrownBy(reader.read(0)), 'RangeError: broken');
  });

  inBothStyles('wakes whoever waits', function* (style) {
    for (const [, begin] of operations) {
      const reader = fed(['x']);
      yield* on(reader.read(1));
      const task = style.task(() => thrownBy(begin(reader)));
      yield* turns();
      reader.setException(new RangeError('broken'));
      assert.equal(yield* on(task), 'RangeError: broken');
    }
  });

  inBothStyles('does not mind a reader that is cancelled', function* (style) {
    for (const [, begin] of operations) {
      const reader = new StreamReader();
      const task = style.task(() => on(begin(reader)));
      yield* turns();
      task.cancel();
      reader.setException(new RangeError('at once'));
      yield* turns(2);
      assert.equal(task.cancelled(), true);
      reader.setException(new RangeError('later'));
      assert.equal(String(reader), "<StreamReader exception=RangeError('later')>");
    }
  });

  inBothStyles(
    'H37: a read that found too little before the error does not wait for more',
    function* (style) {
      const reader = new StreamReader();
      const task = style.task(() => thrownBy(reader.readexactly(5)));
      yield* turns();
      reader.feedData(bytes('ab'));
      reader.setException(new RangeError('broken'));
      assert.equal(yield* on(task), 'RangeError: broken');
      const lucky = new StreamReader();
      const other = style.task(() => text(lucky.readexactly(2)));
      yield* turns();
      lucky.feedData(bytes('ab'));
      lucky.setException(new RangeError('broken'));
      assert.equal(yield* on(other), 'ab');
    },
  );
});

describe('a read that waits', () => {
  inBothStyles('is alone: a second one throws its own name', function* (style) {
    for (const [name, begin] of operations) {
      const reader = new StreamReader();
      const task = style.task(() => on(reader.read(1)));
      yield* turns();
      assert.equal(
        yield* thrownBy(begin(reader)),
        `RuntimeError: ${name}() called while another coroutine is already waiting for incoming data`,
      );
      reader.feedData(bytes('z'));
      assert.equal(String(yield* on(task)), 'z');
    }
  });

  inBothStyles('does not take the place of the one that came after it', function* (style) {
    const reader = new StreamReader();
    const first = style.task(() => text(reader.readexactly(1)));
    yield* turns();
    reader.feedData(bytes('a'));
    // Woken, and not yet there: the second one takes its data, and the first waits again.
    assert.equal(yield* text(reader.read(1)), 'a');
    yield* turns(2);
    reader.feedData(bytes('b'));
    assert.equal(yield* on(first), 'b');
  });

  inBothStyles('D1: loses nothing when it is cancelled, whatever it has collected', function* (style) {
    for (const [, begin] of operations.slice(1)) {
      const reader = fed(['a', 'c']);
      const task = style.task(() => on(begin(reader)));
      yield* turns();
      reader.feedData(bytes('d'));
      yield* turns(2);
      reader.feedData(bytes('f'));
      task.cancel();
      yield* turns(2);
      assert.equal(task.cancelled(), true);
      assert.equal(yield* left(reader), 'acdf');
    }
  });

  inBothStyles('D1: a cancelled read to the end puts back more than the limit', function* () {
    const reader = fed(['0123456789'], 4);
    assert.match(yield* thrownBy(waitFor(reader.read(), 1)), /^TimeoutError/);
    reader.feedData(bytes('ab\n'));
    assert.match(yield* thrownBy(waitFor(reader.read(), 1)), /^TimeoutError/);
    reader.feedEof();
    assert.equal(reader.atEof(), false);
    assert.equal(yield* text(reader.read(3)), '012');
    assert.equal(yield* text(reader.read()), '3456789ab\n');
  });

  inBothStyles('D1: an error of the connection leaves it in the buffer as well', function* (style) {
    const reader = fed(['abc']);
    const task = style.task(() => thrownBy(reader.read()));
    yield* turns();
    reader.setException(new RangeError('broken'));
    assert.equal(yield* on(task), 'RangeError: broken');
    assert.equal(String(reader), "<StreamReader 3 bytes exception=RangeError('broken')>");
  });

  inBothStyles('keeps what a refused read to the end would have taken', function* (style) {
    const reader = fed(['abc']);
    const task = style.task(() => text(reader.readexactly(5)));
    yield* turns();
    assert.match(yield* thrownBy(reader.read()), /^RuntimeError/);
    reader.feedData(bytes('de'));
    assert.equal(yield* on(task), 'abcde');
  });

  inBothStyles('looks through what moved up while another one read', function* (style) {
    const reader = fed(['xxxx']);
    const task = style.task(() => text(reader.readuntil('ab')));
    yield* turns();
    assert.equal(yield* text(reader.read(4)), 'xxxx');
    reader.feedData(bytes('ab'));
    assert.equal(yield* on(task), 'ab');
  });

  inBothStyles('finds a newline that was put back before what it had looked through', function* () {
    const reader = fed(['a\nb']);
    assert.match(yield* thrownBy(waitFor(reader.read(), 1)), /^TimeoutError/);
    assert.equal(yield* text(reader.readline()), 'a\n');
    assert.match(yield* thrownBy(waitFor(reader.readline(), 1)), /^TimeoutError/);
    assert.match(yield* thrownBy(waitFor(reader.read(), 1)), /^TimeoutError/);
    reader.feedData(bytes('c\n'));
    assert.equal(yield* text(reader.readline()), 'bc\n');
  });

  inBothStyles('a line may come during many reads with a deadline', function* () {
    const reader = new StreamReader();
    for (const part of ['a', 'b', 'c']) {
      reader.feedData(bytes(part));
      assert.match(yield* thrownBy(waitFor(reader.readline(), 1)), /^TimeoutError/);
    }
    assert.equal(yield* text(reader.read(1)), 'a');
    reader.feedData(bytes('d\ne'));
    assert.equal(yield* text(reader.readline()), 'bcd\n');
  });

  test('is named by the report of a deadlock', async () => {
    const error = await errorOf(() =>
      runVirtually(async () => {
        await new StreamReader().readline();
      }),
    );
    assert.ok(error instanceof DeadlockError);
    assert.match(error.message, /<StreamReader waiter=/);
  });

  test('is a coroutine: once, and warned about if nobody awaits it', async () => {
    const twice = await textOf(() =>
      runVirtually(async () => {
        const reading = fed(['a']).read(1);
        await reading;
        await reading;
      }),
    );
    assert.match(twice, /^RuntimeError: cannot reuse already awaited coroutine/);
    const logged = await logOf(() =>
      runVirtually(async () => {
        fed(['a\n']).readline();
        fed(['a']).readexactly(1).close();
      }),
    );
    assert.deepEqual(logged, [
      "warning: RuntimeWarning: coroutine 'StreamReader.readline' was never awaited",
    ]);
  });
});

describe('the limit', () => {
  inBothStyles('pauses the transport above twice as much, and resumes at as much', function* () {
    const reader = new StreamReader(4);
    const source = new Source();
    reader.setTransport(source);
    reader.feedData(bytes('12345678'));
    assert.deepEqual(source.calls, []);
    reader.feedData(bytes('9'));
    reader.feedData(bytes('0'));
    assert.deepEqual(source.calls, ['pause']);
    yield* on(reader.read(5));
    assert.deepEqual(source.calls, ['pause']);
    yield* on(reader.readexactly(1));
    assert.deepEqual(source.calls, ['pause', 'resume']);
  });

  inBothStyles('P41, H38: a read of more than that resumes the transport', function* (style) {
    const reads: [(reader: StreamReader) => Awaitable<Buffer>, string][] = [
      [(reader) => reader.readexactly(12), '1234567890ab'],
      [(reader) => reader.read(), '1234567890ab'],
      [(reader) => reader.readuntil('ab'), ''],
    ];
    for (const [begin, expected] of reads) {
      const reader = new StreamReader(4);
      const source = new Source();
      reader.setTransport(source);
      reader.feedData(bytes('1234567890'));
      assert.deepEqual(source.calls, ['pause']);
      if (expected === '') {
        assert.match(yield* thrownBy(begin(reader)), /^LimitOverrunError/);
        assert.equal(String(yield* on(reader.readexactly(9))), '123456789');
        assert.deepEqual(source.calls, ['pause', 'resume']);
        continue;
      }
      const task = style.task(() => text(begin(reader)));
      yield* turns();
      assert.deepEqual(source.calls, ['pause', 'resume']);
      reader.feedData(bytes('ab'));
      reader.feedEof();
      assert.equal(yield* on(task), expected);
    }
  });

  inBothStyles('is forgotten with a transport that cannot be paused', function* () {
    const reader = new StreamReader(1);
    let calls = 0;
    class Unpausable extends ReadTransport {
      override pauseReading(): void {
        calls++;
        throw new NotImplementedError();
      }
    }
    reader.setTransport(new Unpausable());
    for (let i = 0; i < 5; i++) reader.feedData(bytes('abc'));
    assert.equal(calls, 1);
    assert.equal((yield* text(reader.read(15))).length, 15);
  });
});

describe('StreamReader[Symbol.asyncIterator]', () => {
  test('gives lines to for await', async () => {
    await runVirtually(async () => {
      const reader = fed(['one\ntw', 'o\nthr']);
      const feeding = createTask(async () => {
        await sleep(1);
        reader.feedData(bytes('ee'));
        reader.feedEof();
      });
      const lines: string[] = [];
      for await (const line of reader) lines.push(line.toString());
      assert.deepEqual(lines, ['one\n', 'two\n', 'three']);
      await feeding;
    });
  });

  inBothStyles('gives lines to next', function* () {
    const reader = fed(['one\n\ntwo']);
    reader.feedEof();
    const lines = reader[Symbol.asyncIterator]();
    assert.equal(lines[Symbol.asyncIterator](), lines);
    assert.deepEqual(yield* on(lines.next()), { done: false, value: bytes('one\n') });
    assert.deepEqual(yield* on(lines.next()), { done: false, value: bytes('\n') });
    assert.deepEqual(yield* on(lines.next()), { done: false, value: bytes('two') });
    assert.deepEqual(yield* on(lines.next()), { done: true, value: undefined });
  });

  test('closes nothing when the loop is left', async () => {
    await runVirtually(async () => {
      const reader = fed(['one\ntwo\nthree\n']);
      for await (const line of reader) {
        assert.equal(String(line), 'one\n');
        break;
      }
      for await (const line of reader) {
        assert.equal(String(line), 'two\n');
        break;
      }
    });
  });
});

describe('the steps of a read', () => {
  test('that goes through does not suspend', async () => {
    await runVirtually(function* (): Gen<void> {
      const reader = fed([LINES]);
      const order: string[] = [];
      const other: Task<void> = createTask(function* (): Gen<void> {
        order.push('other');
      });
      yield* reader.readline();
      yield* reader.readexactly(2);
      yield* reader.readuntil('n');
      yield* reader.read(1);
      yield* reader[Symbol.asyncIterator]().next();
      order.push('reads');
      yield* other;
      assert.deepEqual(order, ['reads', 'other']);
    });
  });
});
