import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTask, isMain, run, sleep } from 'asyncio-ts';
import * as multiprocessing from 'asyncio-ts/multiprocessing';
import {
  activeChildren,
  connection,
  currentProcess,
  Event,
  Process,
  Queue,
} from 'asyncio-ts/multiprocessing';
import '../support/leaks.ts';
import { eventually, isAlive, leavesNoProcess } from '../support/processes.ts';
import * as targets from './targets.ts';

describe('Process', () => {
  leavesNoProcess();

  it('goes from state to state, with the texts of CPython', async () => {
    const child = new Process({ target: targets.nothing, daemon: true, name: "it's me" });
    assert.equal(String(child), `<Process name="it's me" parent=${process.pid} initial daemon>`);
    assert.deepEqual([child.pid, child.ident, child.exitcode, child.isAlive()], [null, null, null, false]);
    assert.throws(() => child.sentinel, { name: 'RangeError', message: 'process not started' });
    assert.throws(() => child.join(), { name: 'AssertionError', message: 'can only join a started process' });
    const started = child.start();
    assert.equal(
      String(child),
      `<Process name="it's me" pid=${child.pid} parent=${process.pid} started daemon>`,
    );
    assert.throws(() => child.start(), { name: 'AssertionError', message: 'cannot start a process twice' });
    assert.throws(() => (child.daemon = false), { message: 'process has already started' });
    assert.throws(() => child.close(), {
      name: 'RangeError',
      message:
        'Cannot close a process while it is still running. You should first call join() or terminate().',
    });
    assert.deepEqual(activeChildren(), [child]);
    await started;
    await child.join();
    assert.match(String(child), /^<Process name="it's me" pid=\d+ parent=\d+ stopped exitcode=0 daemon>$/);
    assert.deepEqual([child.exitcode, child.isAlive(), activeChildren()], [0, false, []]);
    await child.join();
    child.close();
    assert.throws(() => child.exitcode, { name: 'RangeError', message: 'process object is closed' });
    assert.equal(String(child), `<Process name="it's me" parent=${process.pid} closed daemon>`);
  });

  it('knows the one that runs', () => {
    const main = currentProcess();
    assert.equal(String(main), "<_MainProcess name='MainProcess' parent=None started>");
    assert.deepEqual([main.pid, main.isAlive(), main.exitcode], [process.pid, true, null]);
    assert.equal(multiprocessing.parentProcess(), null);
    assert.throws(() => main.start(), {
      message: 'can only start a process object created by current process',
    });
    assert.throws(() => main.join(), { message: 'can only join a child process' });
    assert.throws(() => (main.name = 3 as unknown as string), { message: 'name must be a string' });
  });

  it('is told its name, its parent and the arguments of the program; its own children are numbered after it', async () => {
    const queue = new Queue();
    const child = new Process({ target: targets.describeSelf, args: [queue], kwargs: { key: 1 } });
    await child.start();
    const said = await queue.get();
    await child.join();
    assert.match(child.name, /^Process-\d+$/);
    assert.deepEqual(said, {
      text: `<Process name='${child.name}' parent=${process.pid} started>`,
      pid: child.pid,
      parent: ['MainProcess', process.pid, true],
      inner: `${child.name}:1`,
      argv: process.argv.slice(2),
      options: { key: 1 },
    });
  });

  it('P64 tells by the exit code how it ended', async () => {
    const ways: Record<string, number> = {
      nothing: 0,
      throw: 1,
      SystemExit: 3,
      'SystemExit text': 1,
      'SystemExit null': 0,
      exit: 4,
      exitCode: 5,
      abort: -6,
      SIGKILL: -9,
    };
    const children = Object.keys(ways).map((way) => new Process({ target: targets.end, args: [way] }));
    for (const child of children) void child.start();
    const codes: Record<string, number | null> = {};
    for (const [i, child] of children.entries()) {
      await child.join();
      codes[Object.keys(ways)[i] as string] = child.exitcode;
    }
    assert.deepEqual(codes, ways);
    assert.match(String(children.at(-1)), / stopped exitcode=-SIGKILL>$/);
    assert.match(String(children.at(-2)), / stopped exitcode=-SIGABRT>$/);
  });

  it('P64 that ignores SIGTERM ends by SIGKILL', async () => {
    const ready = new Event();
    const child = new Process({ target: targets.stubborn, args: [ready] });
    void child.start();
    await ready.wait();
    child.terminate();
    await child.join(0.1);
    assert.equal(child.isAlive(), true);
    child.kill();
    assert.equal(await child.sentinel, -9);
  });

  it('is interrupted as by Ctrl-C, and terminated', async () => {
    const ready = [new Event(), new Event()] as const;
    const children = ready.map((event) => new Process({ target: targets.waitForever, args: [event] }));
    for (const child of children) void child.start();
    for (const event of ready) await event.wait();
    children[0]?.interrupt();
    children[1]?.terminate();
    for (const child of children) await child.join();
    assert.deepEqual(
      children.map(({ exitcode }) => exitcode),
      [1, -15],
    );
  });

  it('is an awaitable by its sentinel, which no cancelled task takes from another', async () => {
    const ready = new Event();
    const child = new Process({ target: targets.waitForever, args: [ready] });
    void child.start();
    await ready.wait();
    await run(async () => {
      const first = createTask(async () => child.sentinel);
      await sleep(0);
      first.cancel();
      await first.catch(() => {});
      assert.equal(first.cancelled(), true);
      assert.deepEqual(await connection.wait([child.sentinel], 0.01), []);
      child.kill();
      assert.deepEqual(await connection.wait([child.sentinel]), [child.sentinel]);
    });
    assert.equal(child.exitcode, -9);
  });

  it('can be a class of its own with fields, made there without its constructor', async () => {
    const queue = new Queue();
    const counter = new targets.Counter(queue, 41);
    await counter.start();
    assert.deepEqual(await queue.get(), [true, 'counter', 42]);
    await counter.join();
    assert.match(String(counter), /^<Counter name='counter' pid=\d+ parent=\d+ stopped exitcode=0>$/);
  });

  it('refuses what makes no sense', () => {
    assert.throws(() => new Process({ target: 3 as any }), { name: 'TypeError' });
    assert.throws(() => new Process({ group: 1 } as any), { message: 'group argument must be None for now' });
    assert.throws(() => new Process((() => {}) as any), {
      name: 'AssertionError',
      message: /group argument .* \{ target, args \}/,
    });
    assert.throws(() => new Process().terminate(), { name: 'AssertionError' });
  });

  it('says which argument cannot be sent, and is not started', async () => {
    const child = new Process({ target: targets.put, args: [new Queue(), () => 0] });
    assert.throws(() => child.start(), { name: 'PicklingError', message: /argument 2/ });
    assert.match(String(child), / initial>$/);
    assert.deepEqual(activeChildren(), []);
  });

  it('fails to start when there is no such Node', async () => {
    multiprocessing.setExecutable('/nowhere/node');
    try {
      const child = new Process({ target: targets.nothing });
      await assert.rejects(child.start().toPromise(), { code: 'ENOENT' });
      await child.join();
      assert.equal(child.exitcode, 255);
    } finally {
      multiprocessing.setExecutable(process.execPath);
    }
  });

  it('is waited for without being cancelled, in both styles', async () => {
    const ready = new Event();
    const child = new Process({ target: targets.waitForever, args: [ready], daemon: true });
    void child.start();
    await run(function* main() {
      yield* ready.wait();
      yield* child.join(0.01);
    });
    assert.equal(child.isAlive(), true);
    child.kill();
    await child.join();
    const pid = child.pid as number;
    await eventually(() => !isAlive(pid), 'the child is gone');
  });
});

describe('the start method', () => {
  it('is spawn', () => {
    const { getAllStartMethods, getContext, getStartMethod, setStartMethod } = multiprocessing;
    assert.deepEqual(getAllStartMethods(), ['spawn']);
    assert.equal(getStartMethod(true), null);
    setStartMethod('spawn');
    assert.equal(getStartMethod(), 'spawn');
    assert.throws(() => setStartMethod('spawn'), {
      name: 'RuntimeError',
      message: 'context has already been set',
    });
    assert.throws(() => setStartMethod('fork', true), {
      name: 'RangeError',
      message: "cannot find context for 'fork'",
    });
    setStartMethod(null, true);
    assert.equal(getContext('spawn').Queue, Queue);
    assert.throws(() => getContext('forkserver'), { message: "cannot find context for 'forkserver'" });
    assert.equal(multiprocessing.cpuCount() > 0, true);
    multiprocessing.freezeSupport();
  });
});

describe('isMain', () => {
  it('is true for the program alone', () => {
    // A runner may have started this file: then it is that program's.
    const { url } = import.meta;
    assert.equal(isMain({ url, main: true }), true);
    assert.equal(isMain({ url, main: false }), false);
    assert.equal(isMain({ url: 'file:///somewhere/else.js' }), false);
    assert.equal(isMain(import.meta), true);
  });
});
