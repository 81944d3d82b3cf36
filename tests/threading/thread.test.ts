import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { copyContext, NotImplementedError, run, RuntimeError, sleep, timeout, waitFor } from 'asyncio-ts';
import * as threading from 'asyncio-ts/threading';
import { Event, queue, Thread, Timer } from 'asyncio-ts/threading';
import '../support/leaks.ts';
import * as targets from './thread-targets.ts';

/** Runs `target` in a thread, and gives the first answer that it puts. */
async function answerOf(
  target: (answers: queue.SimpleQueue<unknown>, ...args: any[]) => unknown,
  options: threading.ThreadOptions<any[]> = {},
): Promise<unknown> {
  const answers = new queue.SimpleQueue<unknown>();
  const thread = new Thread({ ...options, target, args: [answers, ...(options.args ?? [])] });
  thread.start();
  const answer = await answers.get();
  await thread.join();
  return answer;
}

/** Runs a thread, and gives what its excepthook is told. */
async function errorsOf(thread: Thread): Promise<string[]> {
  const errors: string[] = [];
  threading.setExcepthook(({ excType, excValue, excTraceback, thread: which }) => {
    assert.equal(which, thread);
    assert.ok(excTraceback?.includes(String(excValue?.message)));
    errors.push(`${excType.name}: ${excValue?.message}`);
  });
  try {
    thread.start();
    await thread.join();
  } finally {
    threading.setExcepthook(null);
  }
  return errors;
}

describe('Thread', () => {
  it('has the names and texts of CPython', async () => {
    const thread = new Thread({ target: targets.waits, args: [new Event()], daemon: true });
    assert.match(String(thread), /^<Thread\(Thread-\d+ \(waits\), initial daemon\)>$/);
    assert.equal(thread.ident, null);
    assert.equal(thread.isAlive(), false);
    assert.match(new Thread().name, /^Thread-\d+$/);
    const named = new Thread({ name: 'worker' });
    assert.equal(String(named), '<Thread(worker, initial)>');
    named.name = 'other';
    named.start();
    assert.equal(named.isAlive(), true);
    assert.equal(String(named), `<Thread(other, started ${named.ident})>`);
    await named.join();
    assert.equal(String(named), `<Thread(other, stopped ${named.ident})>`);
    assert.equal(named.isAlive(), false);
    assert.equal(String(threading.mainThread()), '<_MainThread(MainThread, started 0)>');
    assert.equal(threading.currentThread(), threading.mainThread());
    assert.equal(threading.getIdent(), 0);
  });

  it('runs functions of every kind, with their arguments', async () => {
    assert.deepEqual(await answerOf(targets.plain, { args: [1, 'two'], kwargs: { three: 3 } }), [
      1,
      'two',
      { three: 3 },
    ]);
    assert.equal(await answerOf(targets.asynchronous), 'asynchronous has slept');
    assert.equal(await answerOf(targets.generator), 'a generator has slept');
    const given = { target: targets.asynchronous, module: new URL('./thread-targets.js', import.meta.url) };
    assert.equal(await answerOf(given as never), 'asynchronous has slept');
  });

  it('knows itself from within', async () => {
    const seen = (await answerOf(targets.self, { name: 'inner', daemon: true })) as { ident: number };
    assert.ok(seen.ident > 0);
    assert.deepEqual(seen, {
      name: 'inner',
      daemon: true,
      ident: seen.ident,
      main: '<_MainThread(MainThread, started 0)>',
      threads: ['MainThread', 'inner'],
      joined: 'RuntimeError: cannot join current thread',
    });
  });

  it('is counted while it lives', async () => {
    const before = threading.activeCount();
    const thread = new Thread({ name: 'counted' });
    thread.start();
    assert.equal(threading.activeCount(), before + 1);
    assert.ok(threading.enumerate().includes(thread));
    await thread.join();
    assert.equal(threading.activeCount(), before);
  });

  it('refuses what makes no sense', async () => {
    const thread = new Thread();
    assert.throws(() => thread.join(), new RuntimeError('cannot join thread before it is started'));
    thread.start();
    assert.throws(() => thread.start(), new RuntimeError('threads can only be started once'));
    assert.throws(() => {
      thread.daemon = true;
    }, new RuntimeError('cannot set daemon status of active thread'));
    await thread.join();
    assert.throws(() => thread.start(), new RuntimeError('threads can only be started once'));
    assert.throws(
      () => new Thread({ target: 5 as never }),
      /target must be a function that a module exports/,
    );
    assert.throws(() => new Thread({ group: 1 } as never), {
      message: 'group argument must be None for now',
    });
    assert.throws(() => new Thread({ args: 5 as never }), TypeError);
  });

  it('says which argument cannot be sent, and starts nothing', () => {
    const before = threading.activeCount();
    const thread = new Thread({ target: targets.plain, args: [1, () => 2], name: 'bad' } as never);
    assert.throws(
      () => thread.start(),
      /^PicklingError: bad: plain\(\): argument 2, .* cannot be sent to another thread/,
    );
    assert.equal(threading.activeCount(), before);
  });

  it('says what is to be done about a function that no module exports', async () => {
    const [error] = await errorsOf(new Thread({ target: function inner() {} }));
    assert.match(
      error ?? '',
      /^PicklingError: Can't pickle function inner: it is not exported by .*export the function/,
    );
  });

  it('gives errors to the excepthook, and to nobody else', async () => {
    const thread = new Thread({ target: targets.fails });
    assert.deepEqual(await errorsOf(thread), ['OwnError: failed over there']);
    await thread.join();
    assert.deepEqual(await errorsOf(new Thread({ target: targets.failsLater })), [
      'RangeError: too late to catch',
    ]);
  });

  it('ends by SystemExit without a word', async () => {
    assert.deepEqual(await errorsOf(new Thread({ target: targets.exitsTheProcess })), []);
    const told: string[] = [];
    const thread = new Thread({ target: targets.exits });
    threading.setExcepthook((args) => told.push(String(args.excValue)));
    thread.start();
    await thread.join();
    threading.setExcepthook(null);
    assert.deepEqual(told, []);
  });

  it('is waited for with a bound, which is no error', async () => {
    const event = new Event();
    const thread = new Thread({ target: targets.waits, args: [event], daemon: true });
    thread.start();
    await thread.join(0.01);
    assert.equal(thread.isAlive(), true);
    event.set();
    await thread.join();
    assert.equal(thread.isAlive(), false);
  });

  it('goes on when the wait for it is cancelled, in both styles', async () => {
    const event = new Event();
    const thread = new Thread({ target: targets.waits, args: [event], daemon: true });
    thread.start();
    await run(async () => {
      await assert.rejects(async () => waitFor(thread.join(), 0.01), { name: 'TimeoutError' });
    });
    await run(function* () {
      let error: unknown;
      try {
        yield* timeout(0.01).run(() => thread.join());
      } catch (caught) {
        error = caught;
      }
      assert.equal(String(error), 'TimeoutError');
    });
    assert.equal(thread.isAlive(), true);
    event.set();
    await thread.join();
  });

  it('has no context variables but those it is given', async () => {
    assert.equal(await answerOf(targets.variable), 'none');
    const context = copyContext();
    context.run(() => targets.request.set('from main'));
    assert.equal(await answerOf(targets.variable, { context }), 'from main');
  });

  it('can be a class of its own', async () => {
    const answers = new queue.SimpleQueue<unknown>();
    const greeter = new targets.Greeter('the world', answers);
    greeter.start();
    assert.equal(await answers.get(), 'greeter greets the world');
    await greeter.join();
  });

  it('called by hand, runs its target in this thread', () => {
    const seen: unknown[] = [];
    new Thread({ target: (x: number) => seen.push(x), args: [7] }).run();
    assert.deepEqual(seen, [7]);
  });

  it('has a stack of the size that was chosen', async () => {
    assert.equal(threading.stackSize(), 0);
    const usual = (await answerOf(targets.depth)) as number;
    assert.equal(threading.stackSize(32 * 2 ** 20), 0);
    const deeper = (await answerOf(targets.depth)) as number;
    assert.equal(threading.stackSize(0), 32 * 2 ** 20);
    assert.ok(deeper > 3 * usual, `${deeper} against ${usual}`);
    assert.throws(() => threading.stackSize(5), new RangeError('size not valid: 5 bytes'));
    assert.throws(() => threading.stackSize(-1), new RangeError('size must be 0 or a positive value'));
  });

  it('says what the host cannot do', () => {
    for (const name of ['settrace', 'setprofile', 'settraceAllThreads', 'setprofileAllThreads'] as const) {
      assert.throws(() => threading[name](null), NotImplementedError);
    }
    for (const name of ['gettrace', 'getprofile', 'getNativeId'] as const) {
      assert.throws(() => threading[name](), new RegExp(`${name}\\(\\): .+`));
    }
    assert.equal(new Thread().nativeId, null);
  });
});

describe('Timer', () => {
  it('calls once, in its thread', async () => {
    const answers = new queue.SimpleQueue<unknown>();
    const timer = new Timer(0.01, targets.plain, [answers, 'now']);
    timer.start();
    assert.deepEqual(await answers.get(), ['now']);
    await timer.join();
  });

  it('does not call when it was cancelled', async () => {
    const answers = new queue.SimpleQueue<unknown>();
    const timer = new Timer({ hours: 1 }, targets.plain, [answers]);
    timer.start();
    timer.cancel();
    await timer.join();
    assert.equal(answers.empty(), true);
    await run(() => sleep(0));
  });
});

describe('the end of a program', () => {
  const program = fileURLToPath(new URL('./thread-program.js', import.meta.url));
  const outputOf = async (...args: string[]): Promise<string[]> => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], { timeout: 60_000 });
    return stdout.trim().split('\n').sort();
  };

  it('waits for threads', async () => {
    assert.deepEqual(await outputOf(), ['child has ended', 'child runs', 'main has ended']);
  });

  it('ends daemons', async () => {
    assert.deepEqual(await outputOf('daemon', 'joined'), ['child runs', 'main has ended']);
  });
});
