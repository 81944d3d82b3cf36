import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import './leaks.ts';

const guard = new URL('./leaks.js', import.meta.url).href;

/** Runs a test file with this body and gives what it complained about, or null when it passed. */
function failureOf(body: string): string | null {
  const code = `import { test } from 'node:test'; import '${guard}'; test('leaves something', () => { ${body} });`;
  // The variable says that a runner started the file and wants its report in binary.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return status === 0 ? null : stderr;
}

describe('the leak guard', () => {
  test('lets a file pass that leaves nothing', () => {
    assert.equal(failureOf(''), null);
  });

  test('names a timer', () => {
    assert.match(failureOf('setTimeout(() => {}, 100_000)') ?? '', /1 × active Timeout/);
  });

  test('names a listener on process', () => {
    assert.match(failureOf("process.on('SIGHUP', () => {})") ?? '', /1 × .*'SIGHUP'/);
  });

  test('shows a warning', () => {
    assert.match(failureOf("process.emitWarning('beware')") ?? '', /warning: Warning: beware/);
  });

  test('shows a rejection that comes after the tests', () => {
    const late = "setTimeout(() => Promise.reject(new Error('late')), 1)";
    assert.match(failureOf(late) ?? '', /unhandled rejection: Error: late/);
  });
});
