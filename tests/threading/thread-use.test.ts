/** Threads as programs use them: classes of their own, threads within threads, mistakes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { queue, stackSize, Thread } from 'asyncio-ts/threading';
import '../support/leaks.ts';
import { Field, Framed, joinsMain, Knowing } from './subclasses.ts';

async function answersOf(thread: Thread, answers: queue.SimpleQueue<unknown>): Promise<unknown[]> {
  thread.start();
  await thread.join();
  const all: unknown[] = [];
  while (!answers.empty()) all.push(answers.getNowait());
  return all;
}

describe('a class of threads', () => {
  it('calls its target by super.run()', async () => {
    const answers = new queue.SimpleQueue<unknown>();
    assert.deepEqual(await answersOf(new Framed(answers), answers), ['before', 'target 7', 'behind']);
  });

  it('is the current thread within', async () => {
    const answers = new queue.SimpleQueue<unknown>();
    assert.deepEqual(await answersOf(new Knowing(answers), answers), [
      [true, 'RuntimeError: cannot join current thread', 'RuntimeError: threads can only be started once'],
    ]);
  });

  it('has run as a method', () => {
    assert.throws(
      () => new Field().start(),
      /^PicklingError: Can't pickle Field\.run: .*Make it a method of the class/,
    );
  });
});

describe('the threads of a thread', () => {
  const program = fileURLToPath(new URL('./nested-program.js', import.meta.url));
  const outputOf = async (...args: string[]): Promise<string[]> => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], { timeout: 60_000 });
    return stdout.trim().split('\n');
  };

  it('come to their end', async () => {
    assert.deepEqual(await outputOf(), ['outer has ended', 'inner has ended', 'main has ended']);
  });

  it('end with it if they are daemons', async () => {
    assert.deepEqual(await outputOf('daemon'), ['outer has ended', 'main has ended']);
  });
});

describe('mistakes', () => {
  it('a thread cannot wait for the main one, which waits for it', async () => {
    const answers = new queue.SimpleQueue<unknown>();
    const [text] = await answersOf(new Thread({ target: joinsMain, args: [answers] }), answers);
    assert.match(
      String(text),
      /^NotImplementedError: join\(\): the main thread of Node ends after all others/,
    );
  });

  it('a function in the place of the options', () => {
    assert.throws(
      () => new Thread(joinsMain as never),
      /^TypeError: Thread takes an object, { target, args }, got/,
    );
    assert.throws(() => new Thread(null as never), TypeError);
  });

  it('a stack in which Node does not start', () => {
    assert.throws(() => stackSize(32_768), new RangeError('size not valid: 32768 bytes'));
    assert.equal(stackSize(), 0);
  });

  it('a stack of the least size will do', async () => {
    stackSize(512 * 1024);
    try {
      const answers = new queue.SimpleQueue<unknown>();
      assert.equal((await answersOf(new Framed(answers), answers)).length, 3);
    } finally {
      stackSize(0);
    }
  });
});

it('waiting for a thread again and again leaves nothing behind', async () => {
  const never = new queue.SimpleQueue<unknown>();
  const thread = new Thread({ target: joinsMain, args: [never] });
  thread.start();
  let listeners = 0;
  type Listening = Record<'_whenEnded' | '_unlisten', (listener: unknown) => void>;
  const ended = (thread as unknown as { _whenEnded: Listening })._whenEnded;
  const [listen, unlisten] = [ended._whenEnded.bind(ended), ended._unlisten.bind(ended)];
  ended._whenEnded = (listener) => {
    listeners++;
    listen(listener);
  };
  ended._unlisten = (listener) => {
    listeners--;
    unlisten(listener);
  };
  for (let i = 0; i < 3; i++) await thread.join(0);
  thread.join().cancel();
  assert.equal(listeners, 0);
  await thread.join();
});
