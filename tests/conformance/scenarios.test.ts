/** The historic mistakes of asyncio and its like, each in CPython and in every style, with equal traces. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as asyncio from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import type { Outcome } from './ast.ts';
import { run } from './compare.ts';
import type { Style } from './interpreter.ts';
import { oracle } from './oracle.ts';
import { scenarios } from './scenarios.ts';
import { lockScenarios } from './scenarios-locks.ts';
import { queueScenarios } from './scenarios-queues.ts';

const STYLES: Style['kind'][] = ['generators', 'async', 'mixed'];

for (const { id, title, program, shows } of [...scenarios, ...lockScenarios, ...queueScenarios]) {
  test(`${id}: ${title}`, async (t) => {
    const { programs } = await oracle();
    const [expected] = programs([program]) as [Outcome];
    for (const line of shows) {
      assert.ok(
        expected.trace.some((traced) => traced.startsWith(line)),
        `CPython shows ${line}:\n${expected.trace.join('\n')}`,
      );
    }
    // With eager tasks an async function is exact up to its first await only.
    for (const kind of program.eager ? STYLES.slice(0, 1) : STYLES) {
      await t.test(kind, async () => {
        assert.deepEqual(await run(program, { kind, noise: false }), expected);
      });
    }
  });
}

/** What the programs cannot say, in Python and twice in TypeScript. */
interface Pair {
  python: string;
  generator: (print: (...values: unknown[]) => void) => asyncio.Gen<void>;
  async: (print: (...values: unknown[]) => void) => Promise<void>;
}

function pair(name: string, { python, generator, async }: Pair): void {
  test(name, async (t) => {
    const { source } = await oracle();
    const expected = source(python);
    for (const [style, body] of Object.entries({ generator, async })) {
      await t.test(style, async () => {
        const lines: string[] = [];
        const print = (...values: unknown[]): void => void lines.push(values.join(' '));
        await asyncio.run(() => body(print), { loopFactory: () => new VirtualEventLoop() });
        assert.deepEqual(lines, expected);
      });
    }
  });
}

class Interrupted extends asyncio.CancelledError {}

pair('H10: a subclass of CancelledError is a cancellation for timeouts and groups', {
  python: `
class Interrupted(CancelledError): pass
async def main():
    try:
        async with timeout(1):
            try: await sleep(9)
            except CancelledError: raise Interrupted()
    except TimeoutError as e: print('timeout', type(e.__cause__).__name__)
    async def child():
        raise Interrupted()
    async with TaskGroup() as tg:
        t = tg.create_task(child())
        await sleep(1)
    print('group', t.cancelled())
`,
  *generator(print) {
    try {
      yield* asyncio.timeout(1).run(function* () {
        try {
          yield* asyncio.sleep(9);
        } catch {
          throw new Interrupted();
        }
      });
    } catch (e) {
      print('timeout', ((e as Error).cause as Error).constructor.name);
    }
    const t = yield* new asyncio.TaskGroup().run(function* (tg) {
      const child = tg.createTask(function* (): asyncio.Gen<void> {
        throw new Interrupted();
      });
      yield* asyncio.sleep(1);
      return child;
    });
    print('group', t.cancelled() ? 'True' : 'False');
  },
  async async(print) {
    try {
      await asyncio.timeout(1).run(async () => {
        try {
          await asyncio.sleep(9);
        } catch {
          throw new Interrupted();
        }
      });
    } catch (e) {
      print('timeout', ((e as Error).cause as Error).constructor.name);
    }
    const group = new asyncio.TaskGroup();
    let t: asyncio.Task<void> | undefined;
    await group.run(async (tg) => {
      t = tg.createTask(async () => {
        throw new Interrupted();
      });
      await asyncio.sleep(1);
    });
    print('group', t?.cancelled() === true ? 'True' : 'False');
  },
});

pair('H18: a wrong argument of gather is refused, and the others end without an error in a callback', {
  python: `
async def main():
    get_running_loop().set_exception_handler(lambda l, c: print('HANDLER', c['message']))
    t = create_task(sleep(1, 'done'))
    try: gather(t, 5)
    except TypeError as e: print(e)
    print(await t)
    await sleep(1)
`,
  *generator(print) {
    asyncio.getRunningLoop().setExceptionHandler((_loop, c) => print('HANDLER', c.message));
    const t = asyncio.createTask(asyncio.sleep(1, 'done'));
    try {
      asyncio.gather(t, 5 as never);
    } catch (e) {
      // Ours goes on with what came.
      print((e as Error).message.replace(', got 5', ''));
    }
    print(yield* t);
    yield* asyncio.sleep(1);
  },
  async async(print) {
    asyncio.getRunningLoop().setExceptionHandler((_loop, c) => print('HANDLER', c.message));
    const t = asyncio.createTask(asyncio.sleep(1, 'done'));
    try {
      asyncio.gather(t, 5 as never);
    } catch (e) {
      // Ours goes on with what came.
      print((e as Error).message.replace(', got 5', ''));
    }
    print(await t);
    await asyncio.sleep(1);
  },
});

pair('H68: a coroutine that a group refuses is closed, so that it is over', {
  python: `
async def main():
    tg = TaskGroup()
    async def never(): print('not reached')
    c = never()
    try: tg.create_task(c)
    except RuntimeError as e: print(e)
    try: await c
    except RuntimeError as e: print(e)
`,
  *generator(print) {
    const tg = new asyncio.TaskGroup();
    const c = asyncio.coroutine(function* never(): asyncio.Gen<void> {
      print('not reached');
    })();
    try {
      tg.createTask(c);
    } catch (e) {
      print((e as Error).message);
    }
    try {
      yield* c;
    } catch (e) {
      print((e as Error).message);
    }
  },
  async async(print) {
    const tg = new asyncio.TaskGroup();
    const c = asyncio.coroutine(async function never() {
      print('not reached');
    })();
    try {
      tg.createTask(c);
    } catch (e) {
      print((e as Error).message);
    }
    try {
      await c;
    } catch (e) {
      print((e as Error).message);
    }
  },
});

// What only a garbage collector shows

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

async function collected(references: WeakRef<object>[]): Promise<number> {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  return references.filter((reference) => reference.deref() === undefined).length;
}

test('H20: what waited for a future that lives long is garbage when its wait is over', async () => {
  const tasks: WeakRef<object>[] = [];
  const live: unknown[] = [];
  await asyncio.run(
    async () => {
      const long = asyncio.getRunningLoop().createFuture();
      live.push(long);
      for (let i = 0; i < 500; i++) {
        const task = asyncio.createTask(async () => {
          await asyncio.wait([long], { timeout: 1 });
          await asyncio.waitFor(asyncio.shield(long), 1).catch(() => {});
        });
        tasks.push(new WeakRef(task));
        await task;
      }
      // Some are still held by what ran last, whatever they waited for.
      const count = await asyncio.fromPromise(collected(tasks));
      assert.ok(count > 400, `${count} of 500 collected`);
      long.setResult(null);
    },
    { loopFactory: () => new VirtualEventLoop() },
  );
});

test('H68: what waited at a primitive that lives long is garbage when its wait is over', async () => {
  const lock = new asyncio.Lock();
  const semaphore = new asyncio.Semaphore(0);
  const event = new asyncio.Event();
  const condition = new asyncio.Condition();
  const barrier = new asyncio.Barrier(2);
  const empty = new asyncio.Queue<number>();
  const full = new asyncio.Queue<number>(1);
  const waits: (() => asyncio.Coroutine<unknown>)[] = [
    () => lock.acquire(),
    () => semaphore.acquire(),
    () => event.wait(),
    () => condition.run(async () => condition.wait()),
    () => barrier.wait(),
    () => empty.get(),
    () => full.put(2),
    () => full.join(),
  ];
  const tasks: WeakRef<object>[] = [];
  const texts = (): string[] => [lock, semaphore, event, condition, barrier, empty, full].map(String);
  await asyncio.run(
    async () => {
      await lock.acquire();
      full.putNowait(1);
      const before = texts();
      for (let i = 0; i < 400; i++) {
        const wait = waits[i % waits.length] as () => asyncio.Coroutine<unknown>;
        const task = asyncio.createTask(async () => {
          await asyncio.waitFor(wait(), 1).catch(() => {});
        });
        tasks.push(new WeakRef(task));
        await task;
      }
      assert.deepEqual(texts(), before);
      // Some are still held by what ran last, whatever they waited for.
      const count = await asyncio.fromPromise(collected(tasks));
      assert.ok(count > 320, `${count} of 400 collected`);
    },
    { loopFactory: () => new VirtualEventLoop() },
  );
});

test('H65: a running task that nobody holds is not collected', async () => {
  let ended = 0;
  await asyncio.run(async () => {
    for (let i = 0; i < 20; i++) {
      const future = new WeakRef(asyncio.getRunningLoop().createFuture<null>());
      asyncio.createTask(async () => {
        setTimeout(() => future.deref()?.setResult(null), 20);
        await future.deref();
        ended++;
      });
      asyncio.createTask(function* () {
        yield* asyncio.sleep(0.01);
        ended++;
      });
    }
    await asyncio.sleep(0);
    await asyncio.fromPromise(collected([]));
    await asyncio.sleep(0.1);
  });
  assert.equal(ended, 40);
});

test('H67: TaskGroup.cancel() from an eager child in its first step cancels that child, too', async () => {
  const log: string[] = [];
  const loop = new VirtualEventLoop();
  loop.setTaskFactory(asyncio.eagerTaskFactory);
  await asyncio.run(
    function* () {
      yield* new asyncio.TaskGroup().run(function* (tg) {
        tg.createTask(function* () {
          tg.cancel();
          try {
            yield* asyncio.sleep(10);
          } finally {
            log.push(`child over at ${loop.time()}`);
          }
        });
        yield* asyncio.sleep(10);
      });
      log.push(`group over at ${loop.time()}`);
    },
    { loopFactory: () => loop },
  );
  assert.deepEqual(log, ['child over at 0', 'group over at 0']);
});

for (const style of ['generator', 'async function']) {
  test(`H67: TaskGroup.cancel() lets a cancel from outside through, with its message (${style})`, async () => {
    const body = {
      generator: function* (): asyncio.Gen<void> {
        yield* new asyncio.TaskGroup().run(function* (tg) {
          tg.cancel();
          (asyncio.currentTask() as asyncio.Task<unknown>).cancel('outside');
          yield* asyncio.sleep(5);
        });
      },
      'async function': async (): Promise<void> => {
        await new asyncio.TaskGroup().run(async (tg) => {
          tg.cancel();
          (asyncio.currentTask() as asyncio.Task<unknown>).cancel('outside');
          await asyncio.sleep(5);
        });
      },
    }[style] as () => Promise<void>;
    await asyncio.run(
      async () => {
        const task = asyncio.createTask(body);
        const error = await task.catch((e: unknown) => e);
        assert.ok(error instanceof asyncio.CancelledError);
        assert.equal(task.cancelling(), 1);
        assert.equal(error.message, 'outside');
      },
      { loopFactory: () => new VirtualEventLoop() },
    );
  });
}
