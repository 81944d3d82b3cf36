import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createTask, type Gen, run, sleep, StreamReader, type Task } from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { runVirtually } from '../support/programs.ts';
import { rounds } from '../support/rounds.ts';
import { describeError, outcome, type Read } from '../support/stream-reads.ts';

/** Where the first of `separators` to end does so, as `[start, end]`. */
function findFirst(data: string, separators: readonly string[]): [number, number] | null {
  for (let end = 1; end <= data.length; end++) {
    const found = separators
      .filter((separator) => data.slice(0, end).endsWith(separator))
      .sort((a, b) => a.length - b.length)[0];
    if (found !== undefined) return [end - found.length, end];
  }
  return null;
}

/** The answers to `reads` of a stream of `data` that has come in whole, with its end. */
function reference(data: string, reads: readonly Read[], limit: number): string[] {
  let rest = data;
  const take = (count: number): string => {
    const taken = rest.slice(0, count);
    rest = rest.slice(count);
    return taken;
  };
  const until = (separators: readonly string[]): string => {
    const found = findFirst(rest, separators);
    if (found !== null && found[0] > limit)
      return `LimitOverrunError Separator is found, but chunk is longer than limit ${found[0]}`;
    if (found !== null) return `= ${take(found[1])}`;
    const longest = Math.max(...separators.map(({ length }) => length));
    const consumed = Math.max(0, rest.length + 1 - longest);
    if (consumed > limit)
      return `LimitOverrunError Separator is not found, and chunk exceed the limit ${consumed}`;
    return `IncompleteReadError ${take(rest.length)} null`;
  };
  return reads.map((read) => {
    if (read[0] === 'read') return `= ${take(read[1] < 0 ? rest.length : read[1])}`;
    if (read[0] === 'readexactly') {
      if (read[1] < 0) return 'ValueError';
      return read[1] <= rest.length
        ? `= ${take(read[1])}`
        : `IncompleteReadError ${take(rest.length)} ${read[1]}`;
    }
    if (read[0] === 'readuntil') return until(read[1]);
    const answer = until(['\n']);
    if (answer.startsWith('Incomplete')) return `= ${answer.slice('IncompleteReadError '.length, -5)}`;
    if (!answer.startsWith('Limit')) return answer;
    take(answer.includes('is found') ? rest.indexOf('\n') + 1 : rest.length);
    return 'ValueError';
  });
}

const data = fc
  .array(fc.constantFrom('a', 'b', '\r', '\n', 'ab', 'aab', '\r\n'), { maxLength: 60 })
  .map((parts) => parts.join(''));
const separators = fc.array(fc.constantFrom('\n', '\r\n', 'ab', 'aab', 'b', 'aa\r', 'bb\nb'), {
  minLength: 1,
  maxLength: 3,
});
const exact: fc.Arbitrary<Read> = fc.oneof(
  fc.tuple(fc.constant('readexactly' as const), fc.integer({ min: -1, max: 12 })),
  fc.constant<Read>(['readline']),
  fc.constant<Read>(['next']),
  fc.tuple(fc.constant('readuntil' as const), separators),
);
const anyRead: fc.Arbitrary<Read> = fc.oneof(
  { weight: 4, arbitrary: exact },
  { weight: 1, arbitrary: fc.tuple(fc.constant('read' as const), fc.integer({ min: -1, max: 12 })) },
);
const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });

/** `text` in chunks of the sizes in `sizes`, over and over. */
function chunksOf(text: string, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let i = 0, start = 0; start < text.length; i++) {
    const size = sizes[i % sizes.length] as number;
    chunks.push(Buffer.from(text.slice(start, start + size)));
    start += size;
  }
  return chunks;
}

describe('any chunking of the same bytes', () => {
  test('P41: gives the same answers when all of it is there', async () => {
    await fc.assert(
      fc.asyncProperty(
        data,
        cuts,
        fc.array(anyRead, { maxLength: 12 }),
        fc.integer({ min: 1, max: 40 }),
        async (text, sizes, reads, limit) => {
          const answers: string[] = [];
          await runVirtually(function* (): Gen<void> {
            const reader = new StreamReader(limit);
            for (const chunk of chunksOf(text, sizes)) reader.feedData(chunk);
            reader.feedEof();
            for (const read of reads) answers.push(yield* outcome(reader, read));
          });
          assert.deepEqual(answers, reference(text, reads, limit));
        },
      ),
      { numRuns: rounds(1500) },
    );
  });

  test('P41: gives the same answers while it comes, in both styles', async () => {
    await fc.assert(
      fc.asyncProperty(data, cuts, fc.array(exact, { maxLength: 12 }), async (text, sizes, reads) => {
        const expected = reference(text, reads, 1e6);
        const feed = (reader: StreamReader): Task<void> =>
          createTask(function* (): Gen<void> {
            for (const chunk of chunksOf(text, sizes)) {
              reader.feedData(chunk);
              yield* sleep(sizes.length % 3);
            }
            reader.feedEof();
          });
        for (const style of ['generators', 'async functions']) {
          const answers: string[] = [];
          await runVirtually(async () => {
            const reader = new StreamReader();
            const feeding = feed(reader);
            for (const read of reads) {
              const inGenerator = style === 'generators';
              answers.push(await (inGenerator ? createTask(outcome(reader, read)) : asAsync(reader, read)));
            }
            await feeding;
          });
          assert.deepEqual(answers, expected);
        }
      }),
      { numRuns: rounds(250) },
    );
  });

  test('of one byte each is read in linear time', async () => {
    const main = function* (): Gen<void> {
      const reader = new StreamReader(1e7);
      const size = 300_000;
      const task = createTask(() => reader.readline());
      for (let i = 0; i < size; i++) {
        reader.feedData(Buffer.from('x'));
        if (i % 4 === 0) yield* sleep(0);
      }
      reader.feedData(Buffer.from('\n'));
      assert.equal((yield* task).length, size + 1);
    };
    // To note the place of each await would take seconds.
    await run(main, { loopFactory: () => new VirtualEventLoop({ places: false }) });
  });
});

async function asAsync(reader: StreamReader, read: Read): Promise<string> {
  try {
    if (read[0] === 'readexactly') return `= ${String(await reader.readexactly(read[1]))}`;
    if (read[0] === 'readuntil') return `= ${String(await reader.readuntil(read[1]))}`;
    if (read[0] === 'readline') return `= ${String(await reader.readline())}`;
    const { value } = await reader[Symbol.asyncIterator]().next();
    return `= ${String(value ?? '')}`;
  } catch (error) {
    return describeError(error);
  }
}
