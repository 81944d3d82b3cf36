/** A small program for any runtime: both faces of the package, both kinds of coroutine. Ends with an error if wrong. */
import assert from 'node:assert/strict';
import * as asyncio from 'asyncio-ts';
import { ProcessPoolExecutor, ThreadPoolExecutor } from 'asyncio-ts/concurrent';
import * as core from 'asyncio-ts/core';
import { Process } from 'asyncio-ts/multiprocessing';
import { queue, Thread } from 'asyncio-ts/threading';
import * as targets from './targets.ts';

type Face = Pick<typeof core, 'run' | 'sleep' | 'gather' | 'timeout' | 'TaskGroup' | 'TimeoutError'>;

const EXPECTED = ['a', 'b', 'b a', 'timeout', 'c', 'done'];

async function asyncFunctions({ gather, sleep, timeout, TaskGroup, TimeoutError }: Face): Promise<string[]> {
  const seen: string[] = [];
  async function work(name: string, delay: number): Promise<string> {
    await sleep(delay);
    seen.push(name);
    return name;
  }
  const names = await gather(
    () => work('b', 0.25),
    () => work('a', 0.01),
  );
  seen.push(names.join(' '));
  try {
    await timeout(0.01).run(async () => {
      await work('never', 60);
    });
  } catch (error) {
    assert.ok(error instanceof TimeoutError);
    seen.push('timeout');
  }
  await new TaskGroup().run(async (group) => {
    group.createTask(() => work('c', 0.01));
  });
  seen.push('done');
  return seen;
}

function* generators({ gather, sleep, timeout, TaskGroup, TimeoutError }: Face): core.Gen<string[]> {
  const seen: string[] = [];
  function* work(name: string, delay: number): core.Gen<string> {
    yield* sleep(delay);
    seen.push(name);
    return name;
  }
  const names = yield* gather(work('b', 0.25), work('a', 0.01));
  seen.push(names.join(' '));
  try {
    yield* timeout(0.01).run(function* () {
      yield* work('never', 60);
    });
  } catch (error) {
    assert.ok(error instanceof TimeoutError);
    seen.push('timeout');
  }
  yield* new TaskGroup().run(function* (group) {
    group.createTask(work('c', 0.01));
  });
  seen.push('done');
  return seen;
}

for (const [name, face] of Object.entries({ 'asyncio-ts': asyncio, 'asyncio-ts/core': core })) {
  assert.deepEqual(await face.run(() => asyncFunctions(face)), EXPECTED);
  assert.deepEqual(await face.run(generators(face)), EXPECTED);
  console.log(`${name}: ok`);
}

// Threads and processes, with the module of their functions named: not every runtime tells where a function was written.
const module = new URL('./targets.js', import.meta.url);

const answers = new queue.Queue<string>();
const thread = new Thread({ target: { target: targets.answer, module }, args: [answers] });
thread.start();
assert.equal(await answers.get(), 'from a thread');
await thread.join();

const child = new Process({ target: { target: targets.nothing, module } });
await child.start();
await child.join();
assert.equal(child.exitcode, 0);

for (const executor of [new ThreadPoolExecutor(1), new ProcessPoolExecutor(1)]) {
  assert.equal(await executor.submit({ target: targets.add, module }, 1, 2), 3);
  await executor.shutdown();
}
