/** Eighteen programs that catch the likely mistakes, and JavaScript's own five. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import * as asyncio from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import { asyncFunctions } from './hard/async.ts';
import { generators } from './hard/generators.ts';
import { primitivesAsync } from './hard/primitives-async.ts';
import { primitivesGenerators } from './hard/primitives-generators.ts';
import { play, translate } from './hard/support.ts';
import { oracle, sourceDirectory } from './oracle.ts';

async function read(name: string): Promise<string> {
  return readFile(new URL(`hard/${name}`, sourceDirectory), 'utf8');
}

/** Lines of 16 that its version without eager tasks has none of: the start of an async function is not exact. */
function withoutEagerParts(lines: string[]): string[] {
  const eager = ['0 eager', '0 E'];
  return lines
    .slice(0, lines.indexOf('0 x inline'))
    .filter((line) => !eager.some((start) => line.startsWith(start)));
}

const STYLES = {
  generators: { ...generators, ...primitivesGenerators },
  'async functions': { ...asyncFunctions, ...primitivesAsync },
};

for (const name of Object.keys(STYLES.generators)) {
  test(`${name}: CPython prints what is recorded`, async () => {
    const { source } = await oracle();
    assert.deepEqual(source(await read(`${name}.py`)), (await read(`${name}.txt`)).trimEnd().split('\n'));
  });

  for (const [style, programs] of Object.entries(STYLES)) {
    test(`${name} as ${style}`, async () => {
      let expected = (await read(`${name}.txt`)).trimEnd().split('\n').map(translate);
      if (name.startsWith('16') && style !== 'generators') expected = withoutEagerParts(expected);
      // CPython gives two parties one number after a third was cancelled.
      if (name.startsWith('18')) expected = expected.map((line) => line.replace('B index 1', 'B index 0'));
      const program = programs[name];
      assert.ok(program !== undefined);
      assert.deepEqual(await play(program), expected);
    });
  }
}

// What CPython has no counterpart of

test('J1: two limits side by side in one task', async () => {
  const loop = new VirtualEventLoop();
  const log: string[] = [];
  const at = async (aw: PromiseLike<unknown>): Promise<void> => {
    try {
      log.push(`${await aw} at ${loop.time()}`);
    } catch (e) {
      log.push(`${(e as Error).name} at ${loop.time()}`);
    }
  };
  await asyncio.run(
    async () => {
      await Promise.allSettled([
        at(asyncio.waitFor(asyncio.sleep(9), 1)),
        at(asyncio.waitFor(asyncio.sleep(2, 'ok'), 5)),
      ]);
    },
    { loopFactory: () => loop },
  );
  assert.deepEqual(log, ['TimeoutError at 1', 'ok at 2']);
});

test('J2: a helper left un-awaited when the cancel comes', () => {
  const { status, stdout, stderr } = runScript(`
    const helper = async () => { await asyncio.sleep(9); };
    await asyncio.run(async () => {
      const t = asyncio.createTask(async () => { const p = helper(); await asyncio.sleep(5); await p; });
      await asyncio.sleep(0.01); t.cancel();
      try { await t; } catch (e) { console.log(e.name); }
    });`);
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'CancelledError\n', stderr: '' });
});

test("J3: a limit in code of foreign events that inherits main's storage leaves main alone", async () => {
  const log: string[] = [];
  await asyncio.run(async () => {
    const over = asyncio.getRunningLoop().createFuture<void>();
    setTimeout(async () => {
      try {
        await asyncio.waitFor(asyncio.sleep(9), 0.01);
      } catch (e) {
        log.push((e as Error).name);
      }
      over.setResult();
    }, 1);
    await over;
    await asyncio.sleep(0);
    log.push(`main lives ${asyncio.currentTask()?.cancelling()}`);
  });
  assert.deepEqual(log, ['TimeoutError', 'main lives 0']);
});

test('J4: a limit around a foreign promise that takes the signal stops the work', async () => {
  let aborted = 0;
  let onRequest = (): void => {};
  const server = createServer((request, response) => {
    if (request.url === '/late') {
      setTimeout(() => response.end('late'), 100);
      return;
    }
    request.socket.on('close', () => aborted++);
    onRequest();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await asyncio.run(async () => {
      const loop = asyncio.getRunningLoop();
      const limited = asyncio.timeout(null);
      // Time is over when the request is under way.
      onRequest = () => loop.callSoonThreadsafe(() => limited.reschedule(loop.time()));
      await assert.rejects(
        async () => limited.run(async (cm) => fetch(`${url}/never`, { signal: cm.signal })),
        asyncio.TimeoutError,
      );
      assert.equal(limited.expired(), true);
      // Without the signal nothing stops it: the late value comes, as from a body that never awaits again.
      const deaf = asyncio.timeout(0.02);
      const response = await deaf.run(async () => fetch(`${url}/late`));
      assert.equal(await asyncio.fromPromise(response.text()), 'late');
      assert.equal(deaf.expired(), true);
      assert.equal(asyncio.currentTask()?.cancelling(), 0);
    });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  assert.equal(aborted, 1);
});

test('J5: nobody can ever set the event: run rejects with the report of the deadlock', () => {
  const { status, stdout } = runScript(`
    try {
      await asyncio.run(async () => { await asyncio.getRunningLoop().createFuture(); });
    } catch (e) { console.log(e.name, /main|Task-1/.test(e.message)); }`);
  assert.deepEqual({ status, stdout }, { status: 0, stdout: 'DeadlockError true\n' });
});

/** Runs code in a process of its own, whose exit code and output matter. */
function runScript(code: string): { status: number | null; stdout: string; stderr: string } {
  const script = `import * as asyncio from ${JSON.stringify(import.meta.resolve('asyncio-ts'))};${code}`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
}
