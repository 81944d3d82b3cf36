/** Futures of executors, and waiting for them; beside CPython's in `conformance`. The names of the tests begin with what they prove. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  asCompleted,
  CancelledError,
  FIRST_COMPLETED,
  FIRST_EXCEPTION,
  Future,
  InlineExecutor,
  ProcessPoolExecutor,
  TimeoutError,
  wait,
} from 'asyncio-ts/concurrent';
import '../support/leaks.ts';
import { errorOf, logOf, textOf } from '../support/programs.ts';
import { double, Now, STATES } from './states.ts';

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
  assert.equal((await c.exception())?.message, 'c');
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
