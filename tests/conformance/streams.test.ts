/** The answers of a `StreamReader` beside those of CPython's. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTask, type Gen, ReadTransport, sleep, StreamReader, type Task } from 'asyncio-ts';
import { runVirtually } from '../support/programs.ts';
import { outcome, type Read } from '../support/stream-reads.ts';
import { oracle } from './oracle.ts';
import { Random } from './random.ts';

/** A step of a script that is played here and in CPython. */
type Step = Read | ['feed', string] | ['eof'] | ['exception'] | ['cancel'];

interface Script {
  limit: number;
  steps: Step[];
}

const ALPHABET = ['a', 'b', '\n', '\r\n', 'ab', 'aaa'];
const SEPARATORS = ['\n', '\r\n', 'ab', 'aab', 'b', 'aaaa', 'ba\n'];

function makeScript(random: Random): Script {
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)] as T;
  const steps: Step[] = [];
  let hasEnded = false;
  for (let i = 4 + random.below(16); i > 0; i--) {
    const choice = random.below(20);
    if (choice < 8 && !hasEnded) {
      steps.push(['feed', Array.from({ length: random.below(7) }, () => pick(ALPHABET)).join('')]);
    } else if (choice === 8 && random.chance(0.5)) {
      hasEnded = true;
      steps.push(['eof']);
    } else if (choice === 9 && random.chance(0.2)) {
      hasEnded = true;
      steps.push(['exception']);
    } else if (choice === 10) {
      steps.push(['cancel']);
    } else if (choice < 13) {
      steps.push(['read', random.below(12) - 1]);
    } else if (choice < 15) {
      steps.push(['readexactly', random.below(12) - 1]);
    } else if (choice < 17) {
      steps.push([random.chance(0.5) ? 'readline' : 'next']);
    } else {
      steps.push(['readuntil', Array.from({ length: 1 + random.below(3) }, () => pick(SEPARATORS))]);
    }
  }
  return { limit: 1 + random.below(12), steps };
}

class Source extends ReadTransport {
  readonly trace: string[];

  constructor(trace: string[]) {
    super();
    this.trace = trace;
  }

  override pauseReading(): void {
    this.trace.push('pause');
  }

  override resumeReading(): void {
    this.trace.push('resume');
  }

  override toString(): string {
    return '';
  }
}

interface Pending {
  readonly task: Task<void>;
  readonly read: Read;
}

/**
 * What CPython does otherwise, by mistake: a read to the end that is refused, because another one waits, drops what it has
 * taken; and a search goes on where it was, although another read took from the front of the buffer meanwhile.
 */
function isAvoided(step: Read, pending: Pending | null): boolean {
  if (pending === null || pending.task.done()) return false;
  if (step[0] === 'read' && step[1] < 0) return true;
  const isLine = (read: Read): boolean => read[0] === 'readline' || read[0] === 'next';
  return isLine(pending.read) ? !isLine(step) : pending.read[0] === 'readuntil';
}

/** What a script leaves behind. */
function* play({ limit, steps }: Script): Gen<string[]> {
  const trace: string[] = [];
  const reader = new StreamReader(limit);
  reader.setTransport(new Source(trace));
  let pending: Pending | null = null;
  const settle = function* (): Gen<void> {
    for (let i = 0; i < 4; i++) yield* sleep(0);
  };
  for (const step of [...steps, ['eof'] as const]) {
    if (step[0] === 'feed') reader.feedData(Buffer.from(step[1]));
    else if (step[0] === 'eof') reader.feedEof();
    else if (step[0] === 'exception') reader.setException(new RangeError('broken'));
    else if (step[0] === 'cancel') {
      // What a cancelled read to the end does is a deviation.
      if (pending !== null && !(pending.read[0] === 'read' && pending.read[1] < 0)) pending.task.cancel();
    } else if (!isAvoided(step, pending)) {
      const task = createTask(function* (): Gen<void> {
        let text = 'CancelledError ';
        try {
          text = yield* outcome(reader, step);
        } finally {
          trace.push(`${step[0]} ${text}`);
        }
      });
      if (pending === null || pending.task.done()) pending = { task, read: step };
    }
    yield* settle();
    const size = reader.exception() === null ? (/(\d+) bytes/.exec(String(reader))?.[1] ?? '0') : '';
    trace.push(`${size} ${reader.atEof() && size !== ''}`);
  }
  return trace;
}

const PYTHON_PLAYER = `
import asyncio, json

def describe(error):
    if isinstance(error, asyncio.LimitOverrunError):
        return f'LimitOverrunError {error} {error.consumed}'
    if isinstance(error, asyncio.IncompleteReadError):
        return f'IncompleteReadError {error.partial.decode()} {"null" if error.expected is None else error.expected}'
    if isinstance(error, ValueError):
        return 'ValueError'
    return f'{type(error).__name__} {error}'

async def begin(reader, read):
    if read[0] == 'read':
        return await reader.read(read[1])
    if read[0] == 'readexactly':
        return await reader.readexactly(read[1])
    if read[0] == 'readline':
        return await reader.readline()
    if read[0] == 'readuntil':
        return await reader.readuntil(tuple(separator.encode() for separator in read[1]))
    try:
        return await anext(aiter(reader))
    except StopAsyncIteration:
        return b''

async def outcome(reader, read, trace):
    try:
        trace.append(f'{read[0]} = {(await begin(reader, read)).decode()}')
    except Exception as error:
        trace.append(f'{read[0]} {describe(error)}')
    except asyncio.CancelledError as error:
        trace.append(f'{read[0]} {describe(error)}')

class Source:
    def __init__(self, trace):
        self.trace = trace
    def pause_reading(self):
        self.trace.append('pause')
    def resume_reading(self):
        self.trace.append('resume')

def is_avoided(step, pending):
    if pending is None or pending[0].done():
        return False
    if step[0] == 'read' and step[1] < 0:
        return True
    lines = ('readline', 'next')
    return step[0] not in lines if pending[1][0] in lines else pending[1][0] == 'readuntil'

async def play(script):
    trace = []
    reader = asyncio.StreamReader(script['limit'])
    reader.set_transport(Source(trace))
    pending = None
    for step in script['steps'] + [['eof']]:
        if step[0] == 'feed':
            reader.feed_data(step[1].encode())
        elif step[0] == 'eof':
            reader.feed_eof()
        elif step[0] == 'exception':
            reader.set_exception(ValueError('broken'))
        elif step[0] == 'cancel':
            if pending is not None and not (pending[1][0] == 'read' and pending[1][1] < 0):
                pending[0].cancel()
        elif not is_avoided(step, pending):
            task = asyncio.create_task(outcome(reader, step, trace))
            if pending is None or pending[0].done():
                pending = (task, step)
        for _ in range(4):
            await asyncio.sleep(0)
        failed = reader.exception() is not None
        size = '' if failed else str(len(reader._buffer))
        trace.append(f'{size} {"true" if reader.at_eof() and size != "" else "false"}')
    return trace
`;

test('random scripts of feeding and reading leave the same trace as in CPython', async () => {
  const python = await oracle();
  const random = new Random(4711);
  const scripts = Array.from({ length: 600 }, () => makeScript(random));
  const expected = python
    .source(
      `${PYTHON_PLAYER}
async def main():
    for script in json.loads(${JSON.stringify(JSON.stringify(scripts))}):
        print(json.dumps(await play(script)))
`,
    )
    .map((line) => JSON.parse(line) as string[]);
  for (const [i, script] of scripts.entries()) {
    const actual = await runVirtually(() => play(script));
    assert.deepEqual(actual, expected[i], JSON.stringify(script));
  }
  const all = expected.flat().join('\n');
  for (const word of ['Limit', 'Incomplete', 'ValueError', 'RuntimeError', 'Cancelled', 'pause', 'resume'])
    assert.ok(all.split(word).length > 20, `too few of ${word}`);
});
