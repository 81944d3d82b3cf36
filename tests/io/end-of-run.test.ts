import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import '../support/leaks.ts';

/** Run a program that is to end by itself. */
function ends(body: string): string {
  const program = `import { getRunningLoop, openConnection, run, startServer, sleep } from 'asyncio-ts'; ${body}`;
  const { stdout, stderr, signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
    timeout: 60_000,
    cwd: import.meta.dirname,
  });
  assert.equal(signal, null, `it does not end: ${stdout}`);
  return stdout + stderr;
}

const SERVER = `const server = await startServer((reader) => reader.read(), '127.0.0.1', 0);
  const [host, port] = server.sockets[0].getsockname();`;

describe('the end of run', () => {
  it('closes servers and connections that are left open', () => {
    const output = ends(`await run(async () => {
      ${SERVER}
      globalThis.kept = await openConnection(host, port);
      await sleep(0.02);
    });
    console.log('over');`);
    assert.equal(output, 'over\n');
  });

  it('closes them after an error, too', () => {
    const output = ends(`await run(async () => {
      ${SERVER}
      globalThis.kept = await openConnection(host, port);
      throw new Error('broken');
    }).catch((error) => console.log(error.message));`);
    assert.equal(output, 'broken\n');
  });

  it('does not wait for a peer that does not read', () => {
    const output = ends(`await run(async () => {
      ${SERVER.replace('reader.read()', 'sleep(60)')}
      const [, writer] = await openConnection(host, port);
      writer.write(Buffer.alloc(2 ** 24));
      writer.close();
    });
    console.log('over');`);
    assert.equal(output, 'over\n');
  });

  it('names them in debug mode', () => {
    const output = ends(`await run(async () => {
      ${SERVER}
      globalThis.kept = await openConnection(host, port);
    }, { debug: true });`);
    assert.match(output, /unclosed <Server sockets=/);
    assert.match(output, /unclosed transport <SocketTransport /);
  });
});
