/** What becomes of calls whose workers end. The names of the tests begin with what they prove. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BrokenExecutor,
  BrokenProcessPool,
  BrokenThreadPool,
  ProcessPoolExecutor,
  ThreadPoolExecutor,
} from 'asyncio-ts/concurrent';
import '../support/leaks.ts';
import { eventually, isAlive } from '../support/processes.ts';
import { errorOf, logOf, runProgram, textOf } from '../support/programs.ts';
import * as targets from './targets.ts';

const THREAD_ENDED = 'A thread of the pool ended in the middle of the call.';
const PROCESS_ENDED =
  'A process in the process pool was terminated abruptly while the future was running or pending.';

/** How threads die: a signal or an abort would end the whole process. */
const THREAD_DEATHS: Record<string, string> = {
  'exit 0': 'its exit code is 0',
  'exit 1': 'its exit code is 1',
  throw: 'it threw Error: outside of any call',
  memory:
    'it threw Error [ERR_WORKER_OUT_OF_MEMORY]: Worker terminated due to reaching memory limit: JS heap out of memory',
};

const PROCESS_DEATHS: Record<string, RegExp> = {
  SIGKILL: /ended by SIGKILL/,
  'exit 0': /exit code is 0/,
  'exit 1': /exit code is 1/,
  abort: /ended by SIG(ABRT|ILL|TRAP)/,
  memory: /ended by SIG(ABRT|ILL|TRAP)/,
};

function workersOf(executor: ThreadPoolExecutor | ProcessPoolExecutor): number {
  return (executor as unknown as { _pool: { size: number } })._pool.size;
}

function small(): ThreadPoolExecutor {
  return new ThreadPoolExecutor({ maxWorkers: 1, resourceLimits: { maxOldGenerationSizeMb: 24 } });
}

for (const [how, reason] of Object.entries(THREAD_DEATHS)) {
  test(`P64 F12 a thread that dies by ${how} fails its call alone, at each moment`, async () => {
    const death = how as targets.Death;
    await using executor = small();
    const problem = `BrokenThreadPool: ${THREAD_ENDED} (${reason})`;

    // At the start of a call, and in the middle of one; others wait behind it.
    const calls = how === 'throw' ? [] : [executor.submit(targets.die, death)];
    calls.push(executor.submit(targets.dieMidway, death));
    const after = executor.submit(targets.add, 1, 2);
    for (const call of calls) assert.equal(await textOf(() => call), problem);
    assert.equal(await after, 3);

    // With its reply, which arrives.
    assert.equal(await executor.submit(targets.dieAfterReply, death), 'replied');
    await eventually(() => workersOf(executor) === 0, 'the thread is gone');
    assert.equal(await executor.submit(targets.add, 3, 4), 7);

    // While it has nothing to do. Of an error that nobody hears of, the log tells.
    const log = await logOf(async () => {
      assert.equal(await executor.submit(targets.dieLater, death, 10), 'idle');
      await eventually(() => workersOf(executor) === 0, 'the thread is gone');
    });
    assert.equal(await executor.submit(targets.add, 5, 6), 11);
    assert.equal(
      log.filter((line) => line.startsWith('error: Exception in an idle worker')).length,
      how.startsWith('exit') ? 0 : 1,
    );
  });
}

/** Prints what becomes of calls whose process dies at each moment. Node and V8 tell of some deaths at length. */
const DEATHS = `
import { ProcessPoolExecutor } from 'asyncio-ts/concurrent';
import * as targets from ${JSON.stringify(new URL('targets.js', import.meta.url).href)};
const textOf = (call) => call.then(String, (error) => error.name + ': ' + error.message);
const deaths = process.argv.slice(1);
const moments = { start: targets.die, middle: targets.dieMidway, reply: targets.dieAfterReply, idle: targets.dieLater };
for (const death of deaths) {
  await Promise.all(Object.entries(moments).map(async ([moment, target]) => {
    const execArgv = ['--max-old-space-size=24'];
    const executor = new ProcessPoolExecutor({ maxWorkers: 1, execArgv });
    const call = executor.submit(target, death, 10);
    const behind = ['start', 'middle'].includes(moment) ? await textOf(executor.submit(targets.add, 1, 2)) : '';
    const text = await textOf(call);
    let later = '';
    while (later === '') {
      try {
        // Of many, one is there when the process dies.
        await textOf(executor.submit(targets.add, 1, 2));
      } catch (error) {
        later = error.name;
      }
    }
    await executor.shutdown();
    console.log(JSON.stringify({ death, moment, text, behind, later }));
  }));
}`;

test('P64 F12 a process that dies ends its pool, at each moment', async () => {
  const flags = Object.keys(PROCESS_DEATHS);
  const { stdout, code, stderr } = await runProgram(DEATHS, { args: flags });
  assert.equal(code, 0, stderr);
  const outcomes = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>);
  assert.equal(outcomes.length, 4 * flags.length);
  for (const { death, moment, text, behind, later } of outcomes) {
    const isOver = moment === 'start' || moment === 'middle';
    for (const each of isOver ? [text, behind] : []) {
      assert.ok(each?.startsWith(`BrokenProcessPool: ${PROCESS_ENDED}`), `${death} ${moment}: ${each}`);
      assert.match(each as string, PROCESS_DEATHS[death as string] as RegExp);
    }
    if (!isOver) assert.equal(text, moment === 'reply' ? 'replied' : 'idle');
    assert.equal(later, 'BrokenProcessPool');
  }
});

test('P64 F12 a process killed from outside, running and idle', async () => {
  for (const moment of ['running', 'idle']) {
    await using executor = new ProcessPoolExecutor(1);
    const pid = await executor.submit(targets.pid);
    const call = moment === 'running' ? executor.submit(targets.forever) : null;
    process.kill(pid, 'SIGKILL');
    if (call !== null) assert.match(await textOf(() => call), /ended by SIGKILL/);
    await eventually(() => workersOf(executor) === 0, 'the process is gone');
    assert.throws(() => executor.submit(targets.add, 1, 2), BrokenProcessPool);
    assert.equal(isAlive(pid), false);
  }
});

test('P64 H58 what cannot be sent fails its call alone, on the way there and back', async () => {
  for (const executor of [new ThreadPoolExecutor(1), new ProcessPoolExecutor(1)]) {
    await using _ = executor;
    const way = executor instanceof ThreadPoolExecutor ? 'thread' : 'process';
    const good = [executor.submit(targets.add, 1, 1)];
    const badArgs = [
      executor.submit(targets.echo, () => {}),
      executor.submit(targets.echo, { deep: [Symbol('s')] }),
      executor.submit<unknown[], unknown>(targets.echo, 1, new WeakMap()),
    ];
    good.push(executor.submit(targets.add, 2, 2));
    const badResults = ['function', 'nested', 'symbol', 'weak'].map((kind) =>
      executor.submit(targets.badResult, kind),
    );
    good.push(executor.submit(targets.add, 3, 3));
    assert.deepEqual(await Promise.all(good), [2, 4, 6]);
    const texts = await Promise.all(badArgs.map((call) => textOf(() => call)));
    for (const text of texts)
      assert.match(text, new RegExp(`^PicklingError: echo\\(\\): argument [12], .* to another ${way}`));
    assert.match(texts[0] as string, /\(\) => \{\}|<function/);
    assert.match(texts[2] as string, /argument 2/);
    assert.match(texts[0] as string, /Pass plain data/);
    for (const call of badResults) {
      assert.match(
        await textOf(() => call),
        /^PicklingError: the result of badResult\(\) cannot be sent back: .* Return plain data/,
      );
    }
    assert.equal(await executor.submit(targets.add, 4, 4), 8);
  }
});

test('P64 an unhandled rejection outside of a call ends the worker, and what it runs', async () => {
  await using executor = new ThreadPoolExecutor({ maxWorkers: 1, concurrency: 2 });
  const other = executor.submit(targets.sleepFor, 60_000);
  assert.equal(await executor.submit(targets.rejectOutside), 'done');
  assert.match(
    await textOf(() => other),
    /^BrokenThreadPool: .*it threw Error: rejected outside of any call/,
  );
  assert.equal(await executor.submit(targets.add, 1, 2), 3);
});

test('P64 H60 a worker that dies after shutdown(false) strands nothing', async () => {
  const threads = new ThreadPoolExecutor(1);
  const processes = new ProcessPoolExecutor(1);
  const calls = [threads, processes].map((executor) => {
    const dying = executor.submit(targets.dieMidway, 'exit 1');
    const behind = executor.submit(targets.add, 1, 2);
    executor.shutdown(false);
    return [dying, behind];
  });
  assert.ok((await errorOf(() => calls[0]![0])) instanceof BrokenThreadPool);
  assert.equal(await calls[0]![1], 3);
  assert.ok((await errorOf(() => calls[1]![0])) instanceof BrokenProcessPool);
  assert.ok((await errorOf(() => calls[1]![1])) instanceof BrokenProcessPool);
  await threads.shutdown();
  await processes.shutdown();
});

test('an initializer that fails ends the pool, and all calls hear of it', async () => {
  for (const executor of [
    new ThreadPoolExecutor(2, '', targets.failToInitialize),
    new ProcessPoolExecutor(1, null, targets.failToInitialize),
    new ThreadPoolExecutor(1, '', targets.initialize, [() => {}]),
    new ProcessPoolExecutor({ maxWorkers: 1, initializer: targets.initialize, initargs: [() => {}] }),
  ]) {
    await using _ = executor;
    const kind = executor instanceof ThreadPoolExecutor ? 'thread' : 'process';
    const log = await logOf(async () => {
      const calls = [executor.submit(targets.add, 1, 2), executor.submit(targets.add, 1, 2)];
      for (const call of calls) {
        assert.equal(
          (await errorOf(() => call)).message,
          `A ${kind} initializer failed, the ${kind} pool is not usable anymore`,
        );
      }
      assert.throws(() => executor.submit(targets.add, 1, 2), BrokenExecutor);
      await executor.shutdown();
    });
    assert.match(log.join('\n'), /Exception in initializer:/);
    assert.match(log.join('\n'), /no initialization|initargs/);
  }
});

test('an executor that cannot start a worker says why', async () => {
  const calls = [
    new ProcessPoolExecutor({ maxWorkers: 1, execArgv: ['\0'] }),
    new ProcessPoolExecutor({ maxWorkers: 1, execArgv: ['--no-such-option'] }),
    new ProcessPoolExecutor({ maxWorkers: 1, env: { NODE_OPTIONS: '--no-such-option' } }),
  ].map((executor) => ({ executor, call: executor.submit(targets.add, 1, 2) }));
  for (const { executor, call } of calls) {
    const error = await errorOf(() => call);
    assert.ok(error instanceof BrokenExecutor, String(error));
    await executor.shutdown();
  }
});
