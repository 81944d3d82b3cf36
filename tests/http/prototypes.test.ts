import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./programs/poisoned.js', import.meta.url));

function runProgram(args: string[], flags: string[] = []): unknown {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, program, ...args], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

describe('S17, F29: prototypes', () => {
  const plain = runProgram([]) as [{ method: string; url: string }, ...unknown[]];

  it('have no say in names of headers, cookies and fields', () => {
    const asked = (path: string, more: object): object => ({
      method: 'POST',
      url: path,
      own: 'own',
      odd: null,
      ...more,
    });
    const cookies = ['__proto__', 'constructor', 'a'];
    const answered = ['yes', cookies, null, null];
    assert.deepEqual(plain, [
      asked('/plain', { body: '' }),
      ...answered,
      asked('/form', { body: '__proto__=x' }),
      ...answered,
      asked('/json', { body: '{"constructor":1}' }),
      ...answered,
      asked('/headers', { odd: 'odd', cookie: 'b=1; constructor=c', body: '' }),
      ...answered,
    ]);
  });

  it('that somebody has spoiled change nothing', () => {
    assert.deepEqual(runProgram(['poison']), plain);
  });

  it('may be frozen', () => {
    assert.deepEqual(runProgram([], ['--frozen-intrinsics']), plain);
    assert.deepEqual(runProgram([], ['--disable-proto=delete']), plain);
  });
});
