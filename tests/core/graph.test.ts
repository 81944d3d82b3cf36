import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  captureCallGraph,
  createTask,
  currentTask,
  formatCallGraph,
  Future,
  FutureCallGraph,
  FrameCallGraphEntry,
  futureAddToAwaitedBy,
  futureDiscardFromAwaitedBy,
  type Gen,
  gather,
  getRunningLoop,
  newEventLoop,
  printCallGraph,
  shield,
  sleep,
  type Task,
  TaskGroup,
  wait,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { errorOf, runVirtually, textOf } from '../support/programs.ts';

describe('the call graph', () => {
  test('knows who awaits whom: await, yield*, gather, wait, shield, groups', async () => {
    await runVirtually(async () => {
      const future = getRunningLoop().createFuture<void>();
      const tasks: Record<string, Task<unknown>> = {
        awaits: createTask(async () => await future, { name: 'awaits' }),
        yields: createTask(
          function* (): Gen<void> {
            yield* future;
          },
          { name: 'yields' },
        ),
        gathers: createTask(async () => await gather(future), { name: 'gathers' }),
        waits: createTask(async () => await wait([future]), { name: 'waits' }),
        shields: createTask(async () => await shield(future), { name: 'shields' }),
        groups: createTask(
          () =>
            new TaskGroup().run(async (tg) => {
              tg.createTask(async () => await future, { name: 'child' });
            }),
          { name: 'groups' },
        ),
      };
      await sleep(1);
      const graph = captureCallGraph(future);
      assert.ok(graph instanceof FutureCallGraph);
      assert.equal(graph.future, future);
      assert.deepEqual(graph.callStack, []);
      const names = graph.awaitedBy.map((node) => (node.future as Task<unknown>).getName());
      assert.deepEqual(names.sort(), ['awaits', 'child', 'gathers', 'shields', 'waits', 'yields']);
      const child = graph.awaitedBy.find((node) => (node.future as Task<unknown>).getName() === 'child');
      assert.deepEqual(
        child?.awaitedBy.map((node) => (node.future as Task<unknown>).getName()),
        ['groups'],
      );
      assert.ok(child?.callStack[0] instanceof FrameCallGraphEntry);
      future.setResult();
      await Promise.all(Object.values(tasks));
    });
  });

  test('prints as CPython prints it', async () => {
    await runVirtually(async () => {
      async function inner(): Promise<void> {
        await sleep(5);
      }
      const child = createTask(inner, { name: 'child' });
      const parent = createTask(async () => await child, { name: 'parent' });
      await sleep(1);
      const lines = formatCallGraph(child).split('\n');
      assert.match(lines[0] ?? '', /^\* Task\(name='child', id=0x[0-9a-f]+\)$/);
      assert.equal(lines[1], '  + Call stack:');
      assert.match(lines[2] ?? '', /^ {2}\| {3}File '.*', line \d+, in async .*inner\(\)$/);
      assert.equal(lines[3], '  + Awaited by:');
      assert.match(lines[4] ?? '', /^ {4}\* Task\(name='parent', id=0x[0-9a-f]+\)$/);
      let printed = '';
      printCallGraph(child, { file: { write: (text) => (printed += text) } });
      assert.equal(printed, `${formatCallGraph(child)}\n`);
      assert.match(formatCallGraph(getRunningLoop().createFuture()), /^\* Future\(id=0x[0-9a-f]+\)$/);
      await parent;
    });
  });

  test('of the current task has its frames; limit and depth cut them', async () => {
    await runVirtually(async function main() {
      const helper = (): FutureCallGraph | null => captureCallGraph();
      const graph = helper();
      assert.equal(graph?.future, currentTask());
      assert.match(graph?.callStack[0]?.frame.file ?? '', /graph\.test/);
      assert.deepEqual(captureCallGraph(null, { limit: 0 })?.callStack, []);
      assert.equal(captureCallGraph(null, { limit: -1 })?.callStack.length, 1);
      assert.equal(captureCallGraph(null, { limit: 1 })?.callStack.length, 1);
      assert.equal(
        captureCallGraph(undefined, { depth: 2 })?.callStack.length,
        (captureCallGraph()?.callStack.length ?? 0) - 1,
      );
    });
  });

  test('is null in a callback, and an error outside of a loop or of what is no future', async () => {
    await runVirtually(async () => {
      getRunningLoop().callSoon(() => {
        assert.equal(captureCallGraph(), null);
        assert.equal(formatCallGraph(), '');
      });
      await sleep(0);
      assert.equal(
        await textOf(() => captureCallGraph(5 as never)),
        'TypeError: 5 object does not appear to be compatible with asyncio.Future',
      );
    });
    assert.equal(
      await textOf(() => captureCallGraph()),
      'RuntimeError: captureCallGraph() is called outside of a running event loop and no *future* to introspect was provided',
    );
    const loop = newEventLoop();
    assert.equal(captureCallGraph(new Future({ loop }))?.awaitedBy.length, 0);
    loop.close();
  });

  test('takes what others note, and forgets it', async () => {
    await runVirtually(async () => {
      const future = getRunningLoop().createFuture<void>();
      const waiter = getRunningLoop().createFuture<void>();
      futureAddToAwaitedBy(future, waiter);
      futureAddToAwaitedBy(future, 5 as never);
      assert.deepEqual(
        captureCallGraph(future)?.awaitedBy.map((node) => node.future),
        [waiter],
      );
      futureDiscardFromAwaitedBy(future, waiter);
      futureDiscardFromAwaitedBy(5 as never, waiter);
      assert.deepEqual(captureCallGraph(future)?.awaitedBy, []);
    });
  });

  test('of a circle ends', async () => {
    const error = await errorOf(() =>
      runVirtually(async () => {
        const a = getRunningLoop().createFuture<void>();
        const b = getRunningLoop().createFuture<void>();
        futureAddToAwaitedBy(a, b);
        futureAddToAwaitedBy(b, a);
        assert.equal(captureCallGraph(a)?.awaitedBy[0]?.awaitedBy.length, 0);
        throw new Error('through');
      }),
    );
    assert.equal(error.message, 'through');
  });
});
