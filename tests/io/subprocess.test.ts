/** Processes. The names of the tests begin with what they prove. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import channels from 'node:diagnostics_channel';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, mock, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import {
  CancelledError,
  type CoroutineLike,
  createSubprocessExec,
  createSubprocessShell,
  createTask,
  DEVNULL,
  gather,
  getRunningLoop,
  PIPE,
  run,
  sleep,
  STDOUT,
  subprocess,
  SubprocessProtocol,
  TaskGroup,
  timeout,
  TimeoutError,
  waitFor,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { childPids, descriptorCount, eventually, isAlive, leavesNoProcess } from '../support/processes.ts';
import { errorOf, logOf, runProgram, runVirtually, textOf } from '../support/programs.ts';
import { rounds } from '../support/rounds.ts';
import { inBothStyles, on } from '../support/styles.ts';

type Process = subprocess.Process;

const BOUND = { timeout: 60_000 };
const IGNORES_TERM = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';
const SIZES = [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 10 * 2 ** 20];

function bytes(size: number): Buffer {
  return Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz0123456789\n');
}

/** What a shell command prints. */
async function outputOf(cmd: string, options: subprocess.ProcessOptions = {}): Promise<string> {
  const process = await createSubprocessShell(cmd, { stdout: PIPE, ...options });
  const [stdout] = await process.communicate();
  return String(stdout);
}

/** The next line that a process prints. */
async function lineOf(process: Process): Promise<string> {
  return String(await process.stdout?.readline()).trim();
}

function realTest(name: string, main: CoroutineLike<unknown>): void {
  test(name, () => run(main).then(() => {}));
}

/** A folder that is gone after the test. */
function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'asyncio-test-'));
  folders.push(folder);
  return folder;
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
leavesNoProcess();

describe('createSubprocessExec', BOUND, () => {
  inBothStyles('gives what the program prints', function* () {
    const git = yield* on(createSubprocessExec('git', ['--version'], { stdout: PIPE, stderr: PIPE }));
    assert.equal(git.returncode, null);
    assert.match(String(git), /^<Process \d+>$/);
    const [stdout, stderr] = yield* on(git.communicate());
    assert.match(String(stdout), /^git version /);
    assert.equal(String(stderr), '');
    assert.equal(git.returncode, 0);
    assert.equal(git.stdin, null);
  });

  realTest('passes arguments as they are', async () => {
    const args = ['%s|', 'a b', '$HOME', '"', '', 'ü'];
    const printf = await createSubprocessExec('printf', args, { stdout: PIPE });
    assert.equal(String((await printf.communicate())[0]), 'a b|$HOME|"||ü|');
  });

  realTest('pipes through gzip', async () => {
    const gzip = await createSubprocessExec('gzip', ['-c'], { stdin: PIPE, stdout: PIPE });
    const [zipped] = await gzip.communicate(bytes(1_000_000));
    assert.deepEqual(gunzipSync(zipped as Buffer), bytes(1_000_000));
  });

  realTest('takes a working directory and an environment', async () => {
    const folder = temporaryFolder();
    const text = await outputOf('pwd; echo "$WORD"', { cwd: folder, env: { WORD: 'word' } });
    assert.equal(text, `${folder}\nword\n`);
  });

  realTest('gives the streams of Python: a line, the lines, the rest', async () => {
    const cat = await createSubprocessExec('cat', [], { stdin: PIPE, stdout: PIPE });
    cat.stdin?.write(Buffer.from('one\ntwo\n'));
    assert.equal(await lineOf(cat), 'one');
    await cat.stdin?.drain();
    cat.stdin?.writelines([Buffer.from('three\n'), Buffer.from('rest')]);
    cat.stdin?.close();
    await cat.stdin?.waitClosed();
    const lines: string[] = [];
    for await (const line of cat.stdout as NonNullable<typeof cat.stdout>) lines.push(String(line));
    assert.deepEqual(lines, ['two\n', 'three\n', 'rest']);
    assert.equal(await cat.wait(), 0);
  });

  realTest('data that was written before the end can be read after wait', async () => {
    const shell = await createSubprocessShell('echo before; exit 3', { stdout: PIPE });
    assert.equal(await shell.wait(), 3);
    assert.equal(String(await shell.stdout?.read()), 'before\n');
  });

  realTest('a slow reader holds the child back, also after its end', async () => {
    const size = 3_000_000;
    const head = await createSubprocessExec('head', ['-c', String(size), '/dev/zero'], {
      stdout: PIPE,
      limit: 1000,
    });
    const waiting = (): number => Number(/(\d+) bytes/.exec(String(head.stdout))?.[1] ?? 0);
    while (waiting() === 0) await sleep(0.01);
    await sleep(0.2);
    assert.equal(head.returncode, null);
    assert(waiting() < 1_000_000, String(head.stdout));
    let count = 0;
    for (;;) {
      const data = (await head.stdout?.read(10_000)) as Buffer;
      if (data.length === 0) break;
      count += data.length;
    }
    assert.equal(count, size);
  });

  realTest('standard streams can be nothing, a descriptor, or each other', async () => {
    assert.equal(await outputOf('cat; echo end', { stdin: DEVNULL }), 'end\n');
    const file = path.join(temporaryFolder(), 'out');
    const fd = openSync(file, 'w');
    const shell = await createSubprocessShell('echo out; echo err >&2', { stdout: fd, stderr: STDOUT });
    closeSync(fd);
    assert.equal(await shell.wait(), 0);
    assert.equal(shell.stdout, null);
    assert.equal(readFileSync(file, 'utf8'), 'out\nerr\n');
    const quiet = await createSubprocessShell('echo nothing; echo err >&2', {
      stdout: DEVNULL,
      stderr: STDOUT,
    });
    assert.deepEqual(await quiet.communicate(), [null, null]);
  });

  realTest('STDOUT keeps the order of what the child writes', async () => {
    const script = 'i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done';
    const text = await outputOf(script, { stderr: STDOUT });
    const expected = Array.from({ length: 200 }, (_, i) => `out ${i}\nerr ${i}\n`).join('');
    assert.equal(text, expected);
  });

  realTest('refuses what makes no sense, with the texts of Python', async () => {
    const exec = (options: object) => textOf(() => createSubprocessExec('true', [], options));
    assert.equal(await exec({ text: true }), 'RangeError: text must be False');
    assert.equal(await exec({ universalNewlines: true }), 'RangeError: universalNewlines must be False');
    assert.equal(await exec({ shell: true }), 'RangeError: shell must be False');
    assert.equal(await exec({ bufsize: 1 }), 'RangeError: bufsize must be 0');
    assert.equal(await exec({ encoding: 'utf8' }), 'RangeError: encoding must be None');
    assert.equal(await exec({ errors: 'strict' }), 'RangeError: errors must be None');
    assert.equal(await exec({ stdout: STDOUT }), 'RangeError: STDOUT can only be used for stderr');
    assert.equal(
      await textOf(() => createSubprocessShell('true', { shell: false } as object)),
      'RangeError: shell must be True',
    );
    assert.equal(
      await textOf(() => createSubprocessShell(5 as unknown as string)),
      'RangeError: cmd must be a string',
    );
    assert.match(
      await textOf(() => createSubprocessExec('ls', '-l' as unknown as string[])),
      /TypeError: the arguments of a program are an array of strings, got '-l'/,
    );
    assert.match(await exec({ stdout: 'pipe' }), /TypeError: a standard stream of a process is PIPE/);
  });
});

describe('wait', BOUND, () => {
  for (const [cmd, code] of [['exit 7', 7] as const, ['kill -KILL $$', -9] as const]) {
    inBothStyles(`gives the return code of ${cmd}`, function* () {
      const shell = yield* on(createSubprocessShell(cmd));
      assert.equal(yield* on(shell.wait()), code);
      assert.equal(yield* on(shell.wait()), code);
      assert.equal(shell.returncode, code);
    });
  }

  realTest(
    'P52 D5 H53 F13 ends with the process, though a grandchild holds its pipes; all waiters know',
    async () => {
      const shell = await createSubprocessShell('sleep 30 & echo $!', { stdout: PIPE });
      const grandchild = Number(await lineOf(shell));
      const codes = await waitFor(gather([shell.wait(), shell.wait(), shell.wait()]), 5);
      assert.deepEqual(codes, [0, 0, 0]);
      assert.deepEqual(childPids(), []);
      assert(isAlive(grandchild));
      process.kill(grandchild);
    },
  );

  realTest('P53 communicate waits for what a grandchild writes, or for pipeGrace', async () => {
    assert.equal(await outputOf('(sleep 0.2; echo late) &'), 'late\n');
    const shell = await createSubprocessShell('sleep 30 & echo $!', { stdout: PIPE, pipeGrace: 0.1 });
    const [stdout] = await waitFor(shell.communicate(), 5);
    process.kill(Number(stdout));
  });

  inBothStyles('a cancelled wait ends the wait only', function* () {
    const cat = yield* on(createSubprocessExec('cat', [], { stdin: PIPE }));
    const other = createTask(cat.wait());
    const task = createTask(cat.wait());
    yield* on(sleep(0));
    task.cancel();
    const [result] = yield* on(gather([task], { returnExceptions: true }));
    assert(result instanceof CancelledError);
    assert.equal(cat.returncode, null);
    cat.stdin?.close();
    assert.equal(yield* on(other), 0);
  });

  realTest('H51 many at once each have their own code', async () => {
    const codes = await gather(
      Array.from({ length: 40 }, (_, i) =>
        createSubprocessShell(`exit ${i}`)
          .toPromise()
          .then((p) => p.wait()),
      ),
    );
    assert.deepEqual(
      codes,
      Array.from({ length: 40 }, (_, i) => i),
    );
  });

  test('H50 ends where the program was started with SIGCHLD ignored', async () => {
    const code = `await asyncio.run(async () => {
      const { stdout } = process;
      const shell = await asyncio.createSubprocessShell('trap "" CHLD; exec "$0" --input-type=module --eval "$CODE"'
        .replace('$0', process.execPath), { env: { ...process.env, CODE: \`
        import * as asyncio from '\${import.meta.resolve('asyncio-ts')}';
        await asyncio.run(async () => {
          const p = await asyncio.createSubprocessShell('exit 4');
          console.log('code', await p.wait());
        });\` } });
      process.exitCode = await shell.wait();
    });`;
    const { stdout, stderr, code: status } = await runProgram(code);
    assert.equal(stderr, '');
    assert.equal(stdout, 'code 4\n');
    assert.equal(status, 0);
  });
});

describe('communicate', BOUND, () => {
  for (const size of SIZES) {
    realTest(`P53 never deadlocks: ${size} bytes in, out and to stderr at once`, async () => {
      const both = await createSubprocessExec(
        process.execPath,
        ['-e', 'process.stdin.on("data", (d) => { process.stdout.write(d); process.stderr.write(d); })'],
        { stdin: PIPE, stdout: PIPE, stderr: PIPE },
      );
      const [stdout, stderr] = await both.communicate(bytes(size));
      assert(bytes(size).equals(stdout as Buffer));
      assert(bytes(size).equals(stderr as Buffer));
      assert.equal(both.returncode, 0);
    });
  }

  inBothStyles('P53 10 MiB go through cat', function* () {
    const cat = yield* on(createSubprocessExec('cat', [], { stdin: PIPE, stdout: PIPE }));
    const [stdout] = yield* on(cat.communicate(bytes(10 * 2 ** 20)));
    assert(bytes(10 * 2 ** 20).equals(stdout as Buffer));
  });

  inBothStyles('closes stdin also without input', function* () {
    const cat = yield* on(createSubprocessExec('cat', [], { stdin: PIPE, stdout: PIPE }));
    assert.deepEqual(yield* on(cat.communicate()), [Buffer.alloc(0), null]);
  });

  realTest('P57 ignores a pipe that breaks while it feeds', async () => {
    const head = await createSubprocessExec('head', ['-c', '3'], { stdin: PIPE, stdout: PIPE });
    assert.equal(String((await head.communicate(bytes(10 * 2 ** 20)))[0]), 'abc');
    const gone = await createSubprocessExec('true', [], { stdin: PIPE });
    await gone.wait();
    assert.deepEqual(await gone.communicate(bytes(1_000_000)), [null, null]);
  });

  realTest('P57 drain sees the broken pipe, and waitClosed too', async () => {
    const shell = await createSubprocessShell('exec <&-; echo closed; sleep 0.2', {
      stdin: PIPE,
      stdout: PIPE,
    });
    await lineOf(shell);
    const { stdin } = shell;
    const codes: unknown[] = [];
    const code = async (wait: () => PromiseLike<unknown>) =>
      codes.push(((await errorOf(wait)) as NodeJS.ErrnoException).code);
    await code(async () => {
      // As in Python the first one may still know nothing.
      for (let i = 0; i < 3; i++) {
        stdin?.write(bytes(1000));
        await stdin?.drain();
      }
    });
    await code(async () => await stdin?.waitClosed());
    assert.deepEqual(codes, ['ECONNRESET', 'EPIPE']);
    await shell.communicate();
  });

  realTest('D1 H54 a cancelled call keeps what it has read for the next one', async () => {
    const shell = await createSubprocessShell(
      'cat; echo complaint >&2; exec 1>&-; read go < fifo; echo end >&2',
      {
        stdin: PIPE,
        stdout: PIPE,
        stderr: PIPE,
        cwd: fifoFolder(),
      },
    );
    const data = bytes(300_000);
    const first = createTask(shell.communicate(data));
    await sleep(0.3);
    first.cancel();
    assert((await errorOf(() => first)) instanceof CancelledError);
    assert.equal(shell.returncode, null);
    writeFileSync(path.join(folders[0] as string, 'fifo'), 'go\n');
    const [stdout, stderr] = await shell.communicate();
    assert(data.equals(stdout as Buffer), `${stdout?.length} bytes`);
    assert.equal(String(stderr), 'complaint\nend\n');
  });

  realTest('D1 a deadline around it loses nothing', async () => {
    const shell = await createSubprocessShell('for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done', {
      stdout: PIPE,
    });
    let result: [Buffer | null, Buffer | null] | null = null;
    let tries = 0;
    while (result === null) {
      tries++;
      try {
        result = await waitFor(shell.communicate(), 0.07);
      } catch (error) {
        assert(error instanceof TimeoutError);
      }
    }
    assert(tries > 2);
    assert.equal(String(result[0]), '1\n2\n3\n4\n5\n6\n');
  });

  realTest('the caller may go on to use his buffer', async () => {
    const cat = await createSubprocessExec('cat', [], { stdin: PIPE, stdout: PIPE });
    const data = bytes(1_000_000);
    cat.stdin?.write(data);
    data.fill(0);
    assert(bytes(1_000_000).equals((await cat.communicate())[0] as Buffer));
  });
});

/** A folder with a FIFO. */
function fifoFolder(): string {
  const folder = temporaryFolder();
  const { status } = spawnSync('mkfifo', [path.join(folder, 'fifo')]);
  assert.equal(status, 0);
  return folder;
}

describe('signals', BOUND, () => {
  realTest('end it: the return code is minus the signal', async () => {
    for (const [send, code] of [
      [(p: Process) => p.terminate(), -15],
      [(p: Process) => p.kill(), -9],
      [(p: Process) => p.sendSignal('SIGHUP'), -1],
      [(p: Process) => p.sendSignal(2), -2],
    ] as const) {
      const child = await createSubprocessExec('sleep', ['30']);
      send(child);
      assert.equal(await child.wait(), code);
    }
  });

  realTest('P55 H52 go to a live child only: after its end no signal leaves the program', async () => {
    const child = await createSubprocessExec('true');
    await child.wait();
    const kill = mock.method(process, 'kill');
    try {
      for (const send of [() => child.kill(), () => child.terminate(), () => child.sendSignal('SIGINT')]) {
        const error = (await errorOf(send)) as NodeJS.ErrnoException;
        assert.equal(error.code, 'ESRCH');
        assert.match(error.message, /has ended, and gets no SIG/);
      }
      await child[Symbol.asyncDispose]();
      assert.equal(kill.mock.callCount(), 0);
    } finally {
      kill.mock.restore();
    }
  });

  realTest('one that does not exist is refused', async () => {
    const child = await createSubprocessExec('cat', [], { stdin: PIPE });
    assert.match(await textOf(() => child.sendSignal('SIGNOTHING' as 'SIGINT')), /Unknown signal/);
    await child.communicate();
  });
});

describe('the end of a child', BOUND, () => {
  realTest('P54 await using: SIGTERM is enough', async () => {
    let child: Process;
    {
      await using shell = await createSubprocessShell(
        'trap "exit 5" TERM; echo ready; while :; do sleep 0.01; done',
        {
          stdout: PIPE,
        },
      );
      child = shell;
      await lineOf(shell);
    }
    assert.equal(child.returncode, 5);
  });

  realTest('P54 await using: SIGKILL after killGrace', async () => {
    const loop = getRunningLoop();
    let child: Process;
    let start: number;
    {
      await using shell = await createSubprocessShell(IGNORES_TERM, { stdout: PIPE, killGrace: 0.2 });
      child = shell;
      await lineOf(shell);
      start = loop.time();
    }
    assert.equal(child.returncode, -9);
    assert(loop.time() - start >= 0.2);
    await eventually(() => !isAlive(child.pid), 'reaped');
  });

  test('P54 P62 the end of a run, of all children at once', async () => {
    const pids: number[] = [];
    const start = performance.now();
    await run(async () => {
      for (let i = 0; i < 4; i++) {
        const shell = await createSubprocessShell(IGNORES_TERM, {
          stdout: PIPE,
          stdin: PIPE,
          killGrace: 0.3,
        });
        await lineOf(shell);
        pids.push(shell.pid);
      }
    });
    assert(performance.now() - start < 2000);
    assert.deepEqual(pids.filter(isAlive), []);
  });

  test('P62 H55 the end of a run closes the pipes that a grandchild holds', async () => {
    const grandchild = await run(async () => {
      const shell = await createSubprocessShell('sleep 30 & echo $!', { stdout: PIPE });
      return Number(await lineOf(shell));
    });
    await eventually(() => descriptorCount() > 0, 'descriptors are counted after the test');
    process.kill(grandchild);
  });

  test('P62 a run that is cancelled ends its children', async () => {
    const controller = new AbortController();
    let pid = 0;
    const ended = run(
      async () => {
        const shell = await createSubprocessShell('sleep 30');
        pid = shell.pid;
        setTimeout(() => controller.abort(), 20);
        await shell.wait();
      },
      { signal: controller.signal },
    );
    assert((await errorOf(() => ended)) instanceof CancelledError);
    assert(!isAlive(pid));
  });

  realTest('P54 H54 500 cancelled creations leave no child', async () => {
    for (let round = 0; round < rounds(20); round++) {
      const tasks = Array.from({ length: 25 }, () => createTask(createSubprocessExec('sleep', ['30'])));
      // From before the first step to after the child was made.
      for (let turn = 0; turn < round % 4; turn++) await sleep(0);
      for (const task of tasks) task.cancel();
      const results = await gather(tasks, { returnExceptions: true });
      for (const result of results) if (result instanceof subprocess.Process) result.kill();
      assert(results.some((result) => result instanceof CancelledError) || round % 4 === 3);
    }
    await eventually(() => childPids().length === 0, 'no child is left');
  });

  realTest('P54 a cancelled creation with a shared pipe leaves nothing', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const task = createTask(createSubprocessShell('sleep 30', { stdout: PIPE, stderr: STDOUT }));
      for (let turn = 0; turn < turns; turn++) await sleep(0);
      task.cancel();
      const [result] = await gather([task], { returnExceptions: true });
      if (result instanceof subprocess.Process) await result[Symbol.asyncDispose]();
    }
  });

  realTest('P54 cancelled in the moment that its shared pipe is there: both ends are closed', async () => {
    const pipes = (): number => process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length;
    const before = pipes();
    const task = createTask(createSubprocessShell('sleep 30', { stdout: PIPE, stderr: STDOUT }));
    let ends = 0;
    // Before whoever waits for the pair knows of it.
    const onEnd = (): void => {
      if (++ends === 2) process.nextTick(() => task.cancel());
    };
    const onClient = (message: unknown): void => {
      (message as { socket: Socket }).socket.once('connect', onEnd);
    };
    channels.subscribe('net.client.socket', onClient);
    channels.subscribe('net.server.socket', onEnd);
    const [result] = await gather([task], { returnExceptions: true });
    channels.unsubscribe('net.client.socket', onClient);
    channels.unsubscribe('net.server.socket', onEnd);
    assert(result instanceof CancelledError);
    assert.equal(ends, 2);
    await eventually(() => pipes() <= before, 'no pipe is left');
  });

  realTest('P54 a timeout around a child ends it', async () => {
    let pid = 0;
    const main = timeout(0.1).run(async () => {
      await using child = await createSubprocessExec('sleep', ['30']);
      pid = child.pid;
      await child.wait();
    });
    assert((await errorOf(() => main)) instanceof TimeoutError);
    assert(!isAlive(pid));
  });

  realTest('a task group with children ends them all when one fails', async () => {
    const pids: number[] = [];
    const group = new TaskGroup().run((group) => {
      for (let i = 0; i < 3; i++) {
        group.createTask(async () => {
          await using child = await createSubprocessExec('sleep', ['30']);
          pids.push(child.pid);
          await child.wait();
        });
      }
      group.createTask(async () => {
        while (pids.length < 3) await sleep(0.01);
        throw new Error('failed');
      });
    });
    await errorOf(() => group);
    assert.equal(pids.length, 3);
    assert.deepEqual(pids.filter(isAlive), []);
  });

  realTest('killTree: its own children end with it', async () => {
    const grandchildOf = async (child: Process) => Number(await lineOf(child));
    const spawned: number[] = [];
    {
      await using shell = await createSubprocessShell('sleep 30 & echo $!; wait', {
        stdout: PIPE,
        killTree: true,
      });
      spawned.push(await grandchildOf(shell));
    }
    const early = await createSubprocessShell('sleep 30 & echo $!', { stdout: PIPE, killTree: true });
    spawned.push(await grandchildOf(early));
    await early.wait();
    for (const pid of spawned) await eventually(() => !isAlive(pid), `${pid} is gone`);
  });

  realTest('close of the transport kills it; debug mode says so', async () => {
    const loop = getRunningLoop();
    const log = await logOf(async () => {
      loop.setDebug(true);
      const [transport] = await loop.subprocessExec(() => new SubprocessProtocol(), 'sleep', ['30']);
      transport.close();
      transport.close();
      assert(transport.isClosing());
      while (transport.getReturncode() === null) await sleep(0.01);
      assert.equal(transport.getReturncode(), -9);
      loop.setDebug(false);
    });
    assert(
      log.some((line) => line.startsWith('warning: Close running child process: kill <SubprocessTransport')),
    );
  });
});

describe('a start that fails', BOUND, () => {
  const spawnText = async (program: string, args: string[] = [], options: subprocess.ProcessOptions = {}) => {
    const error = (await errorOf(() =>
      createSubprocessExec(program, args, options),
    )) as NodeJS.ErrnoException;
    return `${error.code}: ${error.message}`;
  };

  realTest('P56 says what to look at', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'file');
    writeFileSync(file, '#!/no/such/shell\n');
    assert.equal(
      await spawnText('no-such-program'),
      'ENOENT: spawn no-such-program ENOENT: no program of that name is on the PATH',
    );
    assert.equal(await spawnText('/no/such'), 'ENOENT: spawn /no/such ENOENT: no such file');
    assert.equal(
      await spawnText('ls', [], { cwd: '/no/such' }),
      "ENOENT: spawn ls ENOENT: the working directory '/no/such' is not there",
    );
    assert.match(await spawnText(file), /^EACCES: spawn .* may not be run by this user$/);
    chmodSync(file, 0o755);
    assert.match(
      await spawnText(file),
      /^ENOENT: spawn .*: the program that its first line \(#!\) names is not there$/,
    );
    assert.match(
      await spawnText('ls', ['x'.repeat(5_000_000)]),
      /^E2BIG: .*arguments of 5000001 bytes .*through stdin/,
    );
    const error = await errorOf(() => createSubprocessExec('no-such-program'));
    assert.match(error.stack ?? '', /is on the PATH/);
  });

  realTest('P56 H56 leaks nothing: 600 times', async () => {
    const before = descriptorCount();
    for (let i = 0; i < rounds(250); i++) {
      await errorOf(() => createSubprocessExec('/no/such', [], { stdin: PIPE, stdout: PIPE, stderr: PIPE }));
      await errorOf(() => createSubprocessExec('/etc', [], { stdin: PIPE, stdout: PIPE, stderr: PIPE }));
    }
    for (let i = 0; i < rounds(50); i++) {
      await errorOf(() => createSubprocessExec('/no/such', [], { stdout: PIPE, stderr: STDOUT }));
      await errorOf(() =>
        createSubprocessExec('ls', ['x'.repeat(5_000_000)], { stdout: PIPE, stderr: STDOUT }),
      );
    }
    assert(descriptorCount() <= before, `${before} → ${descriptorCount()}`);
  });

  test('P56 F9 without a free descriptor, and goes on when there is one', async () => {
    const code = `
      import { readdirSync } from 'node:fs';
      import { openSync, closeSync } from 'node:fs';
      const { PIPE, STDOUT } = asyncio;
      await asyncio.run(async () => {
        await (await asyncio.createSubprocessExec('true')).wait();
        const count = () => readdirSync('/proc/self/fd').length;
        const before = count();
        const texts = new Set();
        for (const spare of [0, 1, 2, 3]) {
          for (const stderr of [PIPE, STDOUT]) {
            const held = [];
            try { for (;;) held.push(openSync('/dev/null', 'r')); } catch {}
            for (const fd of held.splice(0, spare)) closeSync(fd);
            try {
              const child = await asyncio.waitFor(asyncio.createSubprocessExec('true', [], { stdin: PIPE, stdout: PIPE, stderr }), 5);
              await child.communicate();
            } catch (error) { texts.add(error.code + ' ' + /too many files/.test(error.message)); }
            for (const fd of held) closeSync(fd);
          }
        }
        await asyncio.sleep(0.05);
        // One is a reserve of Node's, for the next time.
        console.log([...texts].join(), count() - before <= 1);
        const child = await asyncio.createSubprocessExec('echo', ['on'], { stdout: PIPE });
        console.log(String((await child.communicate())[0]));
      });`;
    const env = { CODE: `import * as asyncio from '${import.meta.resolve('asyncio-ts')}';${code}` };
    const stdout = await run(() =>
      outputOf(`ulimit -n 64; exec '${process.execPath}' --input-type=module --eval "$CODE"`, {
        env: { ...process.env, ...env },
      }),
    );
    assert.equal(stdout, 'EMFILE true true\non\n\n');
  });

  realTest('P56 stdin of a child is not held by its siblings', async () => {
    const cat = await createSubprocessExec('cat', [], { stdin: PIPE, stdout: PIPE });
    const sibling = await createSubprocessExec('sleep', ['30'], { stdin: PIPE, stdout: PIPE });
    cat.stdin?.close();
    assert.equal(await waitFor(cat.wait(), 5), 0);
    sibling.kill();
    await sibling.wait();
  });
});

describe('a child that runs', BOUND, () => {
  test('is pending work: virtual time stands still, and nobody is stuck', async () => {
    const times: number[] = [];
    await runVirtually(async () => {
      const loop = getRunningLoop();
      const child = await createSubprocessExec('sleep', ['1.5']);
      const sleeper = createTask(async () => {
        await sleep(1000);
        times.push(loop.time());
      });
      await child.wait();
      times.push(loop.time());
      await sleeper;
    });
    assert.deepEqual(times, [0, 1000]);
  });

  test('keeps an idle program alive, and the program ends by itself', async () => {
    const { stdout, stderr, code } = await runProgram(`
      await asyncio.run(async () => {
        const child = await asyncio.createSubprocessExec('sleep', ['0.3']);
        console.log(await child.wait());
      });`);
    assert.deepEqual([stdout, stderr, code], ['0\n', '', 0]);
  });

  test('does not keep the program alive when its loop was closed by hand', async () => {
    const { stdout, code } = await runProgram(`
      const loop = new asyncio.EventLoop();
      const child = await loop.runUntilComplete(async () => asyncio.createSubprocessExec('sleep', ['20'], { stdout: asyncio.DEVNULL, stderr: asyncio.DEVNULL }));
      loop.close();
      console.log(child.pid);`);
    process.kill(Number(stdout));
    assert.equal(code, 0);
  });
});

describe('subprocessExec of a loop', BOUND, () => {
  class Recorder extends SubprocessProtocol {
    readonly events: string[] = [];
    readonly ended = getRunningLoop().createFuture<void>();
    override connectionMade(transport: object): void {
      this.events.push(`made ${transport.constructor.name !== ''}`);
    }
    override pipeDataReceived(fd: number, data: Buffer): void {
      this.events.push(`${fd}: ${data}`);
    }
    override pipeConnectionLost(fd: number, exc: Error | null): void {
      this.events.push(`${fd} lost ${exc}`);
    }
    override processExited(): void {
      this.events.push('exited');
    }
    override connectionLost(exc: Error | null): void {
      this.events.push(`lost ${exc}`);
      this.ended.setResult();
    }
  }

  realTest('tells its protocol in order, and by default makes pipes', async () => {
    const loop = getRunningLoop();
    const [transport, protocol] = await loop.subprocessShell(
      () => new Recorder(),
      'cat; echo bad >&2; exit 2',
    );
    assert.deepEqual(protocol.events, ['made true']);
    assert.equal(transport.getProtocol(), protocol);
    assert.equal(transport.getExtraInfo<{ pid: number }>('subprocess')?.pid, transport.getPid());
    assert.match(String(transport), /^<SubprocessTransport pid=\d+ running stdin=<WritePipeTransport/);
    const stdin = transport.getPipeTransport(0) as unknown as { write(data: Buffer): void; close(): void };
    stdin.write(Buffer.from('word'));
    stdin.close();
    await protocol.ended;
    const { events } = protocol;
    assert.equal(events[0], 'made true');
    assert.equal(events.at(-1), 'lost null');
    assert.deepEqual(events.slice(1, -1).sort(), [
      '0 lost null',
      '1 lost null',
      '1: word',
      '2 lost null',
      '2: bad\n',
      'exited',
    ]);
    assert.equal(transport.getReturncode(), 2);
    assert.equal(transport.getPipeTransport(3), null);
  });

  realTest('an error of the protocol is reported', async () => {
    const loop = getRunningLoop();
    const contexts: string[] = [];
    loop.setExceptionHandler((_, context) => contexts.push(String(context.exception)));
    class Failing extends Recorder {
      override pipeDataReceived(): void {
        throw new Error('in the protocol');
      }
    }
    const [, protocol] = await loop.subprocessExec(() => new Failing(), 'echo', ['word']);
    await protocol.ended;
    assert.deepEqual(contexts, ['Error: in the protocol']);
  });
});

test('Ctrl-C reaches a program whose child ignores it: the child is ended', BOUND, async () => {
  let pid = 0;
  const { code } = await runProgram(
    `await asyncio.run(async () => {
      const child = await asyncio.createSubprocessShell('trap "" INT; echo ready; sleep 30', { stdout: asyncio.PIPE, killGrace: 0.2, killTree: true });
      await child.stdout.readline();
      console.log(child.pid);
      await child.wait();
    });`,
    {
      onOutput: (output, child) => {
        if (pid !== 0) return;
        pid = Number(output);
        child.kill('SIGINT');
      },
    },
  );
  assert.equal(code, 130);
  await eventually(() => !isAlive(pid), 'the child is gone');
});
