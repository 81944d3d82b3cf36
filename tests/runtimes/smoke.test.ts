import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import '../support/leaks.ts';

const PROGRAMS = [
  ['smoke', 'asyncio-ts: ok\nasyncio-ts/core: ok\n'],
  ['http', 'asyncio-ts/http: ok\n'],
  ['websocket', 'WebSockets: ok\n'],
] as const;

for (const [name, expected] of PROGRAMS) {
  test(`the program ${name} for the other runtimes passes on Node`, () => {
    const program = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
    assert.equal(execFileSync(process.execPath, [program], { encoding: 'utf8', timeout: 60_000 }), expected);
  });
}
