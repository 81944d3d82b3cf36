import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import '../support/leaks.ts';
import { childPids, eventually } from '../support/processes.ts';
import { linesOf, Program } from './program.ts';

describe('example', () => {
  it('subprocess', async () => {
    const [title, first, second, third, result, ...others] = await linesOf('subprocess');
    assert.deepEqual(
      [title, first, second, third],
      ['seq 2000000 | gzip', '  4.0 MiB on the way', '  8.0 MiB on the way', '  12.0 MiB on the way'],
    );
    assert.match(result ?? '', /^ {2}14\.2 MiB in, [2-5]\.\d MiB out, exit codes 0 and 0$/);
    assert.deepEqual(others, []);
  });

  it('subprocess: Ctrl-C ends the programs', async () => {
    const program = new Program('subprocess', ['100000000000']);
    await program.prints(/on the way/);
    program.interrupt();
    const { code, stderr } = await program.ends();
    assert.equal(code, 130);
    assert.doesNotMatch(stderr, /deadlock|unhandled/);
    // Its output is at its end when all have closed it.
    await eventually(() => childPids().length === 0, 'no process is left');
  });
});
