import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import '../support/leaks.ts';
import { eventually, isAlive, leavesNoProcess } from '../support/processes.ts';

/** Runs a program of this folder to its end. */
async function outcomeOf(program: string, ...args: string[]) {
  const file = fileURLToPath(new URL(`./${program}.js`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { lines: stdout.trim().split('\n'), stderr, code };
}

describe('a program with processes', () => {
  leavesNoProcess();

  it('waits for its children at its end; they have its arguments', async () => {
    const { lines, stderr, code } = await outcomeOf('program', 'child');
    assert.deepEqual(
      { lines: lines.sort(), stderr, code },
      { lines: ['child has ended', 'child runs, with child', 'main has ended'], stderr: '', code: 0 },
    );
  });

  it('terminates its daemons', async () => {
    const { lines, stderr, code } = await outcomeOf('program', 'daemon');
    assert.deepEqual(
      [lines.at(-1), lines.includes('child has ended'), stderr, code],
      ['main has ended', false, '', 0],
    );
  });

  it('P70 does not end while it waits for what a daemon may put', async () => {
    assert.deepEqual(await outcomeOf('program', 'answer'), { lines: ['an answer'], stderr: '', code: 0 });
  });

  for (const way of ['print', 'print in a pool']) {
    it(`prints all that its children print, however slowly it is read (${way})`, async () => {
      const { lines, stderr, code } = await outcomeOf('program', way);
      assert.deepEqual([lines.length, lines.at(-1), stderr, code], [20_000, '19999', '', 0]);
    });
  }

  it('the workers of a pool cancel the tasks that calls have left behind, and say so in time', async () => {
    const { lines, stderr, code } = await outcomeOf('program', 'left behind');
    assert.deepEqual({ lines, stderr, code }, { lines: ['begun', 'cancelled'], stderr: '', code: 0 });
  });

  it('P66 that exits in the midst of calls leaves no worker that computes', async () => {
    // Its output is at its end when nobody has it any more.
    const { code } = await outcomeOf('program', 'exit in the midst');
    assert.equal(code, 5);
  });

  it('shows the error of a child as CPython does', async () => {
    const { lines, stderr, code } = await outcomeOf('program', 'fail');
    assert.deepEqual([lines, code], [['1'], 0]);
    assert.match(stderr, /^Process Process-1:\nTypeError: on purpose\n {4}at .*program/);
  });

  it('that forgot isMain is told so, and does not start processes without end', async () => {
    const { lines, stderr, code } = await outcomeOf('unguarded');
    assert.match(
      stderr,
      /RuntimeError: An attempt has been made to start a worker while a worker imports this module/,
    );
    assert.match(stderr, /isMain\(import\.meta\)/);
    assert.equal(lines.at(-1), 'exit code 1');
    assert.equal(code, 0);
  });

  it('that is killed takes its children and theirs with it, also those that ignore SIGTERM', async () => {
    const file = fileURLToPath(new URL('./program.js', import.meta.url));
    const program = spawn(process.execPath, [file, 'stay'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    program.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    await eventually(() => stdout.includes('ready'), 'the children run');
    const pids = stdout.match(/\d+/g)?.map(Number) ?? [];
    assert.equal(pids.length, 2);
    assert.deepEqual(pids.map(isAlive), [true, true]);
    program.kill('SIGKILL');
    await once(program, 'close');
    await eventually(() => !pids.some(isAlive), 'the children have ended');
  });
});
