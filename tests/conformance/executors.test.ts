/** Futures of executors, and waiting for them, beside CPython's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asCompleted, type Future, wait } from 'asyncio-ts/concurrent';
import { double, Now, STATES } from '../concurrent/states.ts';
import { logOf } from '../support/programs.ts';
import { oracle } from './oracle.ts';

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
