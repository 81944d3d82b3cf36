import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { it } from 'node:test';
import '../support/leaks.ts';
import { root } from '../support/project.ts';

const PROGRAM = `
  import { createRequire } from 'node:module';
  import { run } from 'asyncio-ts';
  import { ClientSession } from 'asyncio-ts/http';
  const { cache } = createRequire(import.meta.url);
  const isLoaded = () => Object.keys(cache).some((file) => /node_modules.ws.lib.receiver/.test(file));
  console.log(isLoaded());
  await run(async () => {
    const session = new ClientSession();
    await session.wsConnect('http://127.0.0.1:1/').catch((error) => console.log(error.name));
    await session.close();
  });
  console.log(isLoaded());
`;

it('the parser of WebSockets is loaded by the first wsConnect', () => {
  const args = ['--input-type=module', '--eval', PROGRAM];
  const printed = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: 60_000 });
  assert.equal(printed, 'false\nClientConnectorError\ntrue\n');
});
