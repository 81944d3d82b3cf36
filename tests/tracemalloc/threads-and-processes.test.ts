/** Each thread and each process traces its own heap, and ends by itself. */
import assert from 'node:assert/strict';
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { getTracedMemory, start, stop } from 'asyncio-ts/tracemalloc';
import { root } from '../support/project.ts';
import '../support/leaks.ts';
import type { Report } from './programs/report.ts';

const program = fileURLToPath(new URL('./programs/report.js', import.meta.url));
const source = path.join(root, 'tests/tracemalloc/programs/report.ts');

afterEach(stop);

function check({ traced: [current, peak], source, size }: Report): void {
  assert.match(source ?? '', /^function retainSmallObjects/);
  assert.ok(size > 5e6, `${size}`);
  assert.ok(current > 5e6 && peak >= current, `${current}, ${peak}`);
}

/** Runs the program in a process of its own; it has to end, and to say nothing but its report. */
async function reportOf(flags: string[], ...args: string[]): Promise<Report> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, program, ...args], {
    env,
    timeout: 60_000,
  });
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Report;
}

test('a worker traces its own heap, and the thread that started it does not see that', async () => {
  start();
  const [before] = getTracedMemory();
  const worker = new Worker(program);
  const messages: Report[] = [];
  worker.on('message', (message: Report) => messages.push(message));
  const [code] = await once(worker, 'exit');
  assert.equal(code, 0);
  const [report] = messages;
  assert.ok(report !== undefined);
  check(report);
  const [current] = getTracedMemory();
  assert.ok(current - before < report.traced[0], `${before} → ${current}`);
});

test('a forked process traces its own heap', async () => {
  const child = fork(program);
  const messages: unknown[] = [];
  child.on('message', (message) => messages.push(message));
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
  check(messages[0] as Report);
});

test('places are those of the compiled file', async () => {
  const report = await reportOf([]);
  check(report);
  assert.equal(report.file, program);
});

test('places are those of the source where Node reads source maps', async () => {
  const report = await reportOf(['--enable-source-maps']);
  check(report);
  assert.equal(report.file, source);
  assert.equal(report.source, 'function retainSmallObjects(count: number): void {');
});

test('a small function has a place of its own where nothing is inlined', async () => {
  const report = await reportOf(['--no-turbo-inlining', '--no-maglev-inlining'], 'one by one');
  assert.match(report.source ?? '', /^function retainOne/);
});

test('a worker that is terminated while it traces leaves nothing behind', async () => {
  const code = `
    import('${import.meta.resolve('asyncio-ts/tracemalloc')}').then(({ start }) => {
      start();
      require('node:worker_threads').parentPort.postMessage('traces');
      for (;;) globalThis.kept = { made: [1] };
    });
  `;
  const worker = new Worker(code, { eval: true });
  await once(worker, 'message');
  assert.equal(await worker.terminate(), 1);
});

test('without the inspector totals are traced, and a snapshot says what is missing', async () => {
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const code = `
    import { getTracedMemory, getTracemallocMemory, start, takeSnapshot } from 'asyncio-ts/tracemalloc';
    start();
    globalThis.kept = new Uint8Array(20e6);
    const error = (() => { try { takeSnapshot(); } catch (error) { return error; } })();
    const { name, message, cause: { code } } = error;
    console.log(JSON.stringify({ current: getTracedMemory()[0], own: getTracemallocMemory(), name, message, code }));
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [permission, '--allow-fs-read=*', '--no-warnings', '--input-type=module', '--eval', code],
    { cwd: root, timeout: 60_000 },
  );
  const { current, ...rest } = JSON.parse(stdout) as { current: number };
  assert.ok(current > 19e6, `${current}`);
  assert.deepEqual(rest, {
    own: 0,
    name: 'NotImplementedError',
    message:
      'takeSnapshot(): no heap sampler here. It is that of node:inspector: on Node, built with the inspector and ' +
      'allowed to use it. getTracedMemory() works without',
    code: 'ERR_ACCESS_DENIED',
  });
});
