import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import '../support/leaks.ts';

test('the smoke program of the other runtimes passes on Node', () => {
  const program = fileURLToPath(new URL('./smoke.js', import.meta.url));
  const output = execFileSync(process.execPath, [program], { encoding: 'utf8', timeout: 20_000 });
  assert.equal(output, 'asyncio-ts: ok\nasyncio-ts/core: ok\n');
});
