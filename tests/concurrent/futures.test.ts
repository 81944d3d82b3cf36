/** Futures of executors, and waiting for them, beside CPython's own. The names of the tests begin with what they prove. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  asCompleted,
  CancelledError,
  Executor,
  FIRST_COMPLETED,
  FIRST_EXCEPTION,
  Future,
  InlineExecutor,
  ProcessPoolExecutor,
  Started,
  type StartedIterator,
  TimeoutError,
  wait,
} from 'asyncio-ts/concurrent';
import { oracle } from '../conformance/oracle.ts';
import '../support/leaks.ts';
import { errorOf, logOf, textOf } from '../support/programs.ts';

/** A future in each state, by its name. */
const STATES = {
  pending: () => new Future<number>(),
  running: () => {
    const future = new Future<number>();
    future.setRunningOrNotifyCancel();
    return future;
  },
  cancelled: () => {
    const future = new Future<number>();
    future.cancel();
    return future;
  },
  notified: () => {
    const future = STATES.cancelled();
    future.setRunningOrNotifyCancel();
    return future;
  },
  finished: () => {
    const future = STATES.running();
    future.setResult(5);
    return future;
  },
  failed: () => {
    const future = STATES.running();
    future.setException(new TypeError('bad'));
    void future.exception();
    return future;
  },
};

/** What CPython's futures do, in the same words. */
const PYTHON = `
async def main(): pass
import concurrent.futures._base as base, re, logging
base.LOGGER.disabled = True
def make(state):
    f = base.Future()
    if state in ('running', 'finished', 'failed'): f.set_running_or_notify_cancel()
    if state in ('cancelled', 'notified'): f.cancel()
    if state == 'notified': f.set_running_or_notify_cancel()
    if state == 'finished': f.set_result(5)
    if state == 'failed': f.set_exception(TypeError('bad'))
    return f
def text(value):
    return re.sub('0x[0-9a-f]+', '0x', str(value)).lower()
def attempt(fn):
    try:
        return text(fn())
    except BaseException as error:
        return type(error).__name__.lower() + ': ' + text(error)
for state in ('pending', 'running', 'cancelled', 'notified', 'finished', 'failed'):
    f = make(state)
    print(state, text(f), attempt(f.done), attempt(f.running), attempt(f.cancelled), sep='|')
    for name in ('cancel', 'set_running_or_notify_cancel'):
        f = make(state)
        print(name, attempt(getattr(f, name)), text(f), sep='|')
    f = make(state)
    print('set_result', attempt(lambda: f.set_result(1)), text(f), sep='|')
    f = make(state)
    print('set_exception', attempt(lambda: f.set_exception(ValueError('x'))), text(f), sep='|')
    print('result', attempt(lambda: make(state).result(0)), sep='|')
    print('exception', attempt(lambda: make(state).exception(0)), sep='|')
from itertools import product
for states in product(('finished', 'failed', 'notified', 'running'), repeat=2):
    for when in ('ALL_COMPLETED', 'FIRST_COMPLETED', 'FIRST_EXCEPTION'):
        fs = [make(s) for s in states]
        done, not_done = base.wait(fs, 0, when)
        print(states[0], states[1], when, [f in done for f in fs], [f in not_done for f in fs], sep='|')
print(attempt(lambda: base.wait([], 0)))
print(attempt(lambda: base.wait([make('running')], 0, 'x')))
def as_completed(states):
    fs = [make(s) for s in states]
    out = []
    try:
        for f in base.as_completed(fs + fs, 0): out.append(str(fs.index(f)))
    except TimeoutError as error:
        out.append(str(error))
    return ','.join(sorted(out))
for states in (('finished', 'notified'), ('finished', 'running', 'failed'), ('running',), ()):
    print(as_completed(states))
class Now(base.Executor):
    def __init__(self): self.log = []
    def submit(self, fn, *args):
        f = base.Future()
        self.log.append('submit %s' % (args,))
        self.last = f
        f.set_running_or_notify_cancel()
        try: f.set_result(fn(*args))
        except Exception as error: f.set_exception(error)
        return f
def double(n, m=0):
    if n == 3: raise ValueError('three')
    return 2 * n + m
def mapped(*args, **kwargs):
    ex = Now()
    try:
        it = ex.map(double, *args, **kwargs)
        ex.log.append('begin')
        for value in it: ex.log.append(str(value))
    except Exception as error: ex.log.append(type(error).__name__ + ' ' + str(error))
    return ' '.join(ex.log).replace(',)', ')')
print(mapped([1, 2, 4]))
print(mapped([1, 2, 3, 4]))
print(mapped([1, 2], [10, 20, 30]))
print(mapped([]))
for size in (1, 2, 5): print(mapped([1, 2, 4, 5], buffersize=size))
print(mapped([1, 3, 4, 5], buffersize=1))
print(attempt(lambda: Now().map(double, [1], buffersize=0)))
print(attempt(lambda: Now().map(double, [1], buffersize='2')))
`;

const NAMES = { true: 'true', false: 'false', null: 'none', undefined: 'none' };

/** As CPython would print it. */
function text(value: unknown): string {
  const words = String(value)
    .replace(/0x[0-9a-f]+/, '0x')
    .replace(/Range(Error)/g, 'Value$1')
    .toLowerCase();
  // The text of an error in CPython is its message alone.
  return (NAMES as Record<string, string>)[words] ?? (value instanceof Error ? value.message : words);
}

async function attempt(fn: () => unknown): Promise<string> {
  try {
    return text(await fn());
  } catch (error) {
    const { name, message } = error as Error;
    return `${name.replace('RangeError', 'ValueError').toLowerCase()}: ${text(message)}`;
  }
}

class Now extends Executor {
  readonly log: string[] = [];

  override submit(fn: any, ...args: any[]): Future<any> {
    const future = new Future<any>();
    this.log.push(`submit (${args.join(', ')})`);
    future.setRunningOrNotifyCancel();
    try {
      future.setResult(fn(...args));
    } catch (error) {
      future.setException(error as Error);
    }
    return future;
  }

  override stream(): StartedIterator<any> {
    throw new Error('not used');
  }

  override shutdown(): Started<void> {
    throw new Error('not used');
  }

  override drain(): Started<void> {
    throw new Error('not used');
  }
}

function double(n: number, m = 0): number {
  if (n === 3) throw new RangeError('three');
  return 2 * n + m;
}

async function mapped(inputs: number[][], options?: { buffersize: number }): Promise<string> {
  const executor = new Now();
  try {
    const values = executor.map(double as any, inputs as any, options);
    executor.log.push('begin');
    for await (const value of values) executor.log.push(String(value));
  } catch (error) {
    executor.log.push(`${(error as Error).name.replace('Range', 'Value')} ${(error as Error).message}`);
  }
  return executor.log.join(' ');
}

async function ours(): Promise<string[]> {
  const lines: string[] = [];
  const print = (...words: unknown[]): void => void lines.push(words.join('|'));
  for (const [state, make] of Object.entries(STATES)) {
    const future = make();
    print(state, text(future), text(future.done()), text(future.running()), text(future.cancelled()));
    const acts = {
      cancel: (f: Future<number>) => f.cancel(),
      set_running_or_notify_cancel: (f: Future<number>) => f.setRunningOrNotifyCancel(),
      set_result: (f: Future<number>) => f.setResult(1),
      set_exception: (f: Future<number>) => f.setException(new RangeError('x')),
    };
    for (const [name, act] of Object.entries(acts)) {
      const f = make();
      print(name, await attempt(() => act(f)), text(f));
      void f.exception(0).catch(() => {});
    }
    print('result', await attempt(() => make().result(0)));
    print('exception', await attempt(() => make().exception(0)));
  }
  // Not those that are cancelled and that no executor has seen: CPython's wait never ends for them, ours does.
  const states = ['finished', 'failed', 'notified', 'running'] as const;
  for (const pair of states.flatMap((a) => states.map((b) => [a, b] as const))) {
    for (const when of ['ALL_COMPLETED', 'FIRST_COMPLETED', 'FIRST_EXCEPTION'] as const) {
      const futures = pair.map((state) => STATES[state]());
      const [done, notDone] = await wait(futures, 0, when);
      const inside = (set: Set<Future<number>> | undefined): string =>
        `[${futures.map((future) => (set?.has(future) ? 'True' : 'False')).join(', ')}]`;
      print(...pair, when, inside(done), inside(notDone));
    }
  }
  const empty = await wait([], 0);
  print(
    `doneandnotdonefutures(done=${empty.done.size === 0 && 'set()'}, not_done=${empty.notDone.size === 0 && 'set()'})`,
  );
  print(await attempt(() => wait([STATES.running()], 0, 'x' as never)));
  for (const each of [
    ['finished', 'notified'],
    ['finished', 'running', 'failed'],
    ['running'],
    [],
  ] as const) {
    const futures = each.map((state) => STATES[state]());
    const out: string[] = [];
    try {
      for await (const future of asCompleted([...futures, ...futures], 0))
        out.push(String(futures.findIndex((each) => each === future)));
    } catch (error) {
      out.push((error as Error).message);
    }
    print(out.sort().join(','));
  }
  print(await mapped([[1, 2, 4]]));
  print(await mapped([[1, 2, 3, 4]]));
  print(
    await mapped([
      [1, 2],
      [10, 20, 30],
    ]),
  );
  print(await mapped([[]]));
  for (const buffersize of [1, 2, 5]) print(await mapped([[1, 2, 4, 5]], { buffersize }));
  print(await mapped([[1, 3, 4, 5]], { buffersize: 1 }));
  print(await attempt(() => new Now().map(double as any, [[1]] as any, { buffersize: 0 })));
  print(await attempt(() => new Now().map(double as any, [[1]] as any, { buffersize: '2' as never })));
  return lines;
}

test("states, texts, wait, as_completed and map are CPython's", async () => {
  const python = await oracle();
  let expected: string[] = [];
  let actual: string[] = [];
  // A wrong call of setRunningOrNotifyCancel is logged.
  await logOf(async () => {
    expected = python.source(PYTHON).join('\n').split('\n');
    actual = await ours();
  });
  // What differs by name alone: the types of values, and None for nothing.
  const alike = (line: string): string =>
    line.replaceAll('returned number', 'returned int').replaceAll('rangeerror', 'valueerror');
  const lines = (all: string[]): string[] => all.filter((line) => line !== '').map(alike);
  assert.ok(expected.length > 90);
  assert.deepEqual(lines(actual), lines(expected));
});

test('done callbacks: at once when done, in order, their errors are logged', async () => {
  const heard: string[] = [];
  const future = STATES.running();
  future.addDoneCallback((it) => heard.push(`first ${it === future}`));
  future.addDoneCallback(() => {
    throw new Error('in a callback');
  });
  future.addDoneCallback(() => heard.push('third'));
  const log = await logOf(() => {
    future.setResult(1);
    assert.deepEqual(heard, ['first true', 'third']);
    future.addDoneCallback(() => heard.push('late'));
  });
  assert.deepEqual(heard, ['first true', 'third', 'late']);
  assert.match(
    log.join('\n'),
    /^error: exception calling callback for <Future at 0x\w+ state=finished returned \w+>/,
  );
  const cancelled = new Future<number>();
  cancelled.addDoneCallback(() => heard.push('cancelled'));
  cancelled.cancel();
  cancelled.cancel();
  assert.equal(heard.pop(), 'cancelled');
});

test('a future that is asked again and again keeps nothing of it', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const future = STATES.running();
  const asked: WeakRef<object>[] = [];
  for (let i = 0; i < 20; i++) {
    const waits = [
      future.result(0),
      future.exception(),
      wait([future]),
      wait([future, STATES.finished()], null, FIRST_COMPLETED),
    ];
    for (const each of waits) {
      asked.push(new WeakRef(each));
      each.cancel();
      await each.catch(() => {});
    }
  }
  await delay(5);
  gc();
  assert.ok(asked.filter((ref) => ref.deref() !== undefined).length < 10);
  future.setResult(1);
});

test('wait wakes when it shall, and a time-out is no error', async () => {
  const [a, b, c] = [STATES.running(), STATES.running(), STATES.running()];
  const first = wait([a, b], null, FIRST_COMPLETED);
  const failed = wait([a, b, c], null, FIRST_EXCEPTION);
  assert.equal((await wait([a], 0.01)).notDone.size, 1);
  a.setResult(1);
  assert.deepEqual([...(await first).done], [a]);
  assert.equal(failed.done(), false);
  c.setException(new Error('c'));
  assert.deepEqual([...(await failed).notDone], [b]);
  b.setResult(2);
});

test('asCompleted gives them as they end, and a wait that is cancelled takes none', async () => {
  const futures = [STATES.running(), STATES.running(), STATES.finished()];
  const values = asCompleted(futures);
  assert.equal((await values.next()).value, futures[2]);
  const lost = values.next();
  lost.cancel();
  futures[1]!.setResult(1);
  setTimeout(() => futures[0]!.setResult(0), 5);
  const rest: unknown[] = [];
  for await (const future of values) rest.push(future);
  assert.deepEqual(rest, [futures[1], futures[0]]);
});

/** Keeps its calls until they are told to end. */
class Slow extends Now {
  readonly calls: { args: any[]; future: Future<any> }[] = [];

  override submit(_fn: any, ...args: any[]): Future<any> {
    const future = new Future<any>();
    this.calls.push({ args, future });
    return future;
  }
}

test('map: the order of the inputs, its time-out, leaving early, inputs that fail', async () => {
  const slow = new Slow();
  const values = slow.map(double as any, [[1, 2, 3]] as any);
  const got: unknown[] = [];
  const all = (async () => {
    for await (const value of values) got.push(value);
  })();
  const [one, two, three] = slow.calls.map(({ future }) => future);
  three!.setResult('c');
  one!.setResult('a');
  await delay(1);
  assert.deepEqual(got, ['a']);
  two!.setResult('b');
  await all;
  assert.deepEqual(got, ['a', 'b', 'c']);

  const late = new Slow();
  const error = await errorOf(() => late.map(double as any, [[1, 2]] as any, { timeout: 0.01 }).next());
  assert.ok(error instanceof TimeoutError);
  assert.deepEqual(
    late.calls.map(({ future }) => future.cancelled()),
    [true, true],
  );

  const left = new Slow();
  const some = left.map(double as any, [[1, 2, 3]] as any);
  left.calls[0]!.future.setResult('a');
  for await (const _ of some) break;
  assert.deepEqual(
    left.calls.map(({ future }) => future.cancelled()),
    [false, true, true],
  );
  assert.deepEqual(await some.next(), { done: true, value: undefined });

  // A wait that is cancelled takes no value; those that were not looked at can be had as futures.
  const kept = new Slow();
  const iterator = kept.map(double as any, [[1, 2]] as any);
  const next = iterator.next();
  next.cancel();
  assert.deepEqual(
    [...iterator],
    kept.calls.map(({ future }) => future),
  );
  kept.calls[0]!.future.setResult('a');
  assert.equal((await iterator.next()).value, 'a');
  kept.calls[1]!.future.cancel();
  assert.ok((await errorOf(() => iterator.next())) instanceof CancelledError);

  const broken = new Slow();
  const inputs = (function* () {
    yield 1;
    throw new RangeError('no more inputs');
  })();
  const lazy = broken.map(double as any, [inputs] as any, { buffersize: 1 });
  assert.equal(await textOf(() => lazy.next()), 'RangeError: no more inputs');
  assert.ok(broken.calls[0]!.future.cancelled());
});

test('map of processes: chunksize is checked, as in CPython', async () => {
  await using executor = new ProcessPoolExecutor(1);
  assert.throws(() => executor.map(String, [[1]], { chunksize: 0 }), {
    name: 'RangeError',
    message: 'chunksize must be >= 1.',
  });
  await using inline = new InlineExecutor();
  assert.equal((await inline.map(String, [[1]], { chunksize: 0 }).next()).value, '1');
});

test('an error that nobody asks for is reported once, at the latest at the end', async () => {
  const { runProgram } = await import('../support/programs.ts');
  const { stderr, code } = await runProgram(`
    import { Future } from 'asyncio-ts/concurrent';
    const future = new Future();
    future.setRunningOrNotifyCancel();
    future.setException(new TypeError('forgotten'));
    const known = new Future();
    known.setRunningOrNotifyCancel();
    known.setException(new TypeError('known'));
    await known.exception();`);
  assert.equal(code, 0);
  assert.match(
    stderr,
    /Future at 0x\w+ state=finished raised TypeError: the error was never retrieved\nTypeError: forgotten/,
  );
  assert.ok(!stderr.includes('known'));
});
