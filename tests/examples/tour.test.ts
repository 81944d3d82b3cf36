import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import '../support/leaks.ts';
import { linesOf, Program, runExample } from './program.ts';

describe('the tour', () => {
  it('runs the programs one after the other, with a heading each', async () => {
    const lines = await linesOf('tour', ['--only', 'create-task', '--only', 'cancel-task']);
    assert.deepEqual(lines.slice(0, 4), [
      '[1/2] create-task  A coroutine as a task',
      'The answer is 42.',
      '',
      '[2/2] cancel-task  Cancelling tasks, and asking how they ended',
    ]);
    assert.match(lines.at(-1) ?? '', /^2 programs, \d+\.\d s, all well$/);
  });

  it('lists what there is, in the order of the tour', async () => {
    const names = (await linesOf('tour', ['--list'])).map((line) => line.split(/ {2,}/)[0]);
    assert.deepEqual(names, [
      'blocking',
      'processes --maxdelay 2',
      'threads --maxdelay 2',
      'tasks --maxdelay 2',
      'three-ways --maxdelay 1',
      'sleep',
      'loop-time',
      'loop-time --virtual',
      'create-task',
      'cancel-task',
      'gather',
      'reddit',
      'lock',
      'event',
      'condition',
      'semaphore',
      'barrier',
      'queue',
      'race',
      'generators',
      'chat',
      'chat-protocol',
      'proxy',
      'subprocess 500000',
      'graceful',
      'http-server',
      'crawler',
      'link-checker',
    ]);
  });

  it('explains itself, and refuses what it does not know', async () => {
    assert.match((await linesOf('tour', ['--help'])).join('\n'), /^usage: tour/);
    const unknown = await runExample('tour', ['--only', 'nothing']);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /^tour: there is no example 'nothing'; there are blocking, processes,/);
    assert.equal((await runExample('tour', ['--nothing'])).code, 2);
  });

  it('ends with 1 when a program fails, after the others', async () => {
    const env = { TMPDIR: '/no/such/folder', TEMP: '/no/such/folder', TMP: '/no/such/folder' };
    const { code, stdout } = await runExample('tour', ['--only', 'blocking', '--only', 'create-task'], env);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /blocking ended with exit code 1\n[^]*The answer is 42\.\n[^]*1 of 2 programs failed: blocking\n$/,
    );
  });

  it('has colours on no pipe, and ends at Ctrl-C with 130', async () => {
    const program = new Program('tour', ['--only', 'sleep', '--only', 'gather']);
    await program.prints(/Sleep now\.\n/);
    program.interrupt();
    const { code, stdout } = await program.ends();
    assert.equal(code, 130);
    assert(!stdout.includes('\x1b['));
    assert.doesNotMatch(stdout, /wake up|Three trips/);
    assert.match(stdout, /tour interrupted\n$/);
  });
});
