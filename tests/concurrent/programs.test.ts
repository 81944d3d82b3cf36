/** Programs with pools, from their start to their end. The names of the tests begin with what they prove. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { eventually, isAlive } from '../support/processes.ts';
import { type Ended, runProgram } from '../support/programs.ts';
import { root } from '../support/project.ts';
// After those that load the package, whose listener for the end of the process stays.
import '../support/leaks.ts';

// Within the package, so that programs find it by its name.
const folder = path.join(root, 'build/tests/concurrent/programs');
mkdirSync(folder, { recursive: true });

const TARGETS = JSON.stringify(new URL('targets.js', import.meta.url).href);
const PRELUDE = `
import { isMain, run, sleep, toThread } from 'asyncio-ts';
import { ProcessPoolExecutor, ThreadPoolExecutor } from 'asyncio-ts/concurrent';
import * as targets from ${TARGETS};
`;

function fileOf(name: string, code: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, code);
  return file;
}

/** Run a file of Node, with what it prints. */
function runFile(
  file: string,
  { flags = [] as string[], command = process.execPath, onOutput = (_text: string, _pid: number) => {} } = {},
): Promise<Ended> {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
  const child = spawn(command, [...flags, file], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      onOutput(output.stdout, child.pid as number);
    });
  }
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
}

function good({ code, signal, stdout, stderr }: Ended): string {
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  return stdout;
}

test('P70 an idle pool holds no program open, a call does, with and without a loop', async () => {
  const program = `${PRELUDE}
    const pools = [new ThreadPoolExecutor(2), new ProcessPoolExecutor(1)];
    for (const pool of pools) console.log(await pool.submit(targets.add, 1, 2));
    for (const pool of pools) pool.submit(targets.sleepFor, 100).addDoneCallback(() => console.log('late'));
    // Cancelled before there is a worker.
    const cancelled = new ThreadPoolExecutor(1).submit(targets.sleepFor, 60_000);
    cancelled.cancel();
    new ThreadPoolExecutor(1);
    console.log(await run(() => toThread(targets.addLater, 3, 4)));`;
  const lines = good(await runFile(fileOf('idle.mjs', program)))
    .trim()
    .split('\n');
  assert.deepEqual(lines.sort(), ['3', '3', '7', 'late', 'late']);
});

test('H61 a program that ends while calls run: it waits for them, as for the threads of Python', async () => {
  const program = `${PRELUDE}
    await run(async () => {
      // Nobody awaits it.
      const loop = (await import('asyncio-ts')).getRunningLoop();
      loop.runInExecutor(null, targets.sleepFor, 80).addDoneCallback(() => console.log('done'));
    });
    console.log('end');`;
  assert.match(good(await runFile(fileOf('running.mjs', program))), /end\n$/);
});

test('what a worker prints right before the end is not lost', async () => {
  const program = `${PRELUDE}
    const Pool = process.argv[2] === 'threads' ? ThreadPoolExecutor : ProcessPoolExecutor;
    const pool = new Pool(1);
    await Promise.all(Array.from({ length: 200 }, (_, i) => pool.submit(targets.print, 'line ' + i)));
    if (process.argv[3] === 'shutdown') await pool.shutdown();`;
  const file = fileOf('output.mjs', program);
  const expected = Array.from({ length: 200 }, (_, i) => `line ${i}\n`).join('');
  for (const args of [
    ['threads', ''],
    ['threads', 'shutdown'],
    ['processes', ''],
    ['processes', 'shutdown'],
  ]) {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout } = spawnSync(process.execPath, [file, ...args], { env, encoding: 'utf8' });
    assert.equal(stdout, expected, args.join(' '));
  }
});

test('F15 the processes of a parent that is killed end, whatever they wait for', async () => {
  const program = `${PRELUDE}
    const pool = new ProcessPoolExecutor(3);
    const pids = await Promise.all([1, 2, 3].map(async () => { await pool.submit(targets.burn, 30); return pool.submit(targets.pid); }));
    pool.submit(targets.sleepForever);
    pool.submit(targets.burn, 300);
    console.log(JSON.stringify([...new Set(pids)]));
    setInterval(() => {}, 1000);`;
  let pids: number[] = [];
  const ended = await runFile(fileOf('killed.mjs', program), {
    onOutput: (text, pid) => {
      pids = JSON.parse(text) as number[];
      process.kill(pid, 'SIGKILL');
    },
  });
  assert.equal(ended.signal, 'SIGKILL');
  assert.ok(pids.length > 0);
  await eventually(() => pids.every((pid) => !isAlive(pid)), 'they have ended');
});

test('targets in the main module: with the isMain guard, with top-level await, and without a guard', async () => {
  const guarded = `${PRELUDE}
    export function double(n) { return 2 * n; }
    export const triple = async (n) => { await sleep(0); return 3 * n; };
    if (isMain(import.meta)) {
      for (const Pool of [ThreadPoolExecutor, ProcessPoolExecutor]) {
        await using_(new Pool(1));
      }
    }
    async function using_(pool) {
      console.log(await pool.submit(double, 2), await pool.submit(triple, 2));
      await pool.shutdown();
    }`;
  assert.equal(good(await runFile(fileOf('guarded.mjs', guarded))), '4 6\n4 6\n');

  const unguarded = `${PRELUDE}
    export function double(n) { return 2 * n; }
    const Pool = process.argv[1].includes('threads') ? ThreadPoolExecutor : ProcessPoolExecutor;
    const pool = new Pool(1);
    console.log(await pool.submit(double, 2).catch((error) => error.name + ': ' + error.message));
    await pool.shutdown();`;
  for (const kind of ['threads', 'processes']) {
    const { stdout, code } = await runFile(fileOf(`unguarded-${kind}.mjs`, unguarded));
    assert.match(
      stdout,
      /^RuntimeError: An attempt has been made to start a worker while .* by if \(isMain\(import\.meta\)\)\n$/,
    );
    assert.equal(code, 0);
  }
});

test('targets in CommonJS modules, and in TypeScript where Node runs it', async () => {
  fileOf(
    'common.cjs',
    `
    exports.add = function add(a, b) { return a + b; };
    exports.later = async (n) => n;
    module.exports.dynamic = new Function('a', 'return a');`,
  );
  const program = `${PRELUDE}
    import common from './common.cjs';
    for (const Pool of [ThreadPoolExecutor, ProcessPoolExecutor]) {
      const pool = new Pool(1);
      console.log(await pool.submit(common.add, 1, 2), await pool.submit(common.later, 3));
      console.log(await pool.submit({ target: common.add, module: new URL('common.cjs', import.meta.url) }, 4, 5));
      console.log(await pool.submit(common.dynamic, 1).catch((error) => error.name));
      await pool.shutdown();
    }`;
  assert.equal(good(await runFile(fileOf('common.mjs', program))), '3 3\n9\nPicklingError\n'.repeat(2));

  const typed = `import { isMain } from 'asyncio-ts';
    import { ProcessPoolExecutor, ThreadPoolExecutor } from 'asyncio-ts/concurrent';
    export function half(n: number): number { return n / 2; }
    export class TypedError extends Error { readonly detail: number = 5; override name: string = 'TypedError'; }
    export function fail(): never { throw new TypedError('typed'); }
    if (isMain(import.meta)) {
      for (const Pool of [ThreadPoolExecutor, ProcessPoolExecutor]) {
        const pool: InstanceType<typeof Pool> = new Pool(1);
        console.log(await pool.submit(half, 4), await pool.submit(fail).catch((e: unknown) => (e as TypedError).detail));
        await pool.shutdown();
      }
    }`;
  const { stdout, stderr } = await runFile(fileOf('typed.mts', typed));
  if ('typescript' in process.features && process.features.typescript)
    assert.equal(stdout, '2 5\n2 5\n', stderr);
  else assert.match(stderr, /ERR_UNKNOWN_FILE_EXTENSION/);
});

test('a program given by -e, with options of Node that are not for workers', async () => {
  const program = `${PRELUDE}
    const pool = new ProcessPoolExecutor(1);
    console.log(await pool.submit(targets.add, 1, 2));
    await pool.shutdown();`;
  assert.equal(good(await runProgram(program)), '3\n');
  const loader = fileOf('loader.mjs', 'globalThis.wasLoaded = true;');
  const loaded = fileOf('loaded.mjs', 'export const wasLoaded = () => globalThis.wasLoaded;');
  const file = fileOf(
    'options.mjs',
    `${PRELUDE}
    import { wasLoaded } from ${JSON.stringify(loaded)};
    for (const Pool of [ThreadPoolExecutor, ProcessPoolExecutor]) {
      const pool = new Pool(1);
      console.log(await pool.submit(wasLoaded));
      await pool.shutdown();
    }`,
  );
  assert.equal(
    good(await runFile(file, { flags: ['--import', loader, '--inspect-port=0', '--stack-trace-limit=20'] })),
    'true\ntrue\n',
  );
  const tests = fileOf(
    'some.test.mjs',
    `${PRELUDE}
    import { test } from 'node:test';
    for (const Pool of [ThreadPoolExecutor, ProcessPoolExecutor]) {
      test('works', async () => {
        const pool = new Pool(1);
        if (await pool.submit(targets.add, 1, 2) !== 3) throw new Error('wrong');
        await pool.shutdown();
      });
    }`,
  );
  const { stdout, code } = await runFile(tests, { flags: ['--test', '--test-reporter=tap'] });
  assert.equal(code, 0, stdout);
  assert.match(stdout, /# pass 2\n/);
});

test('a target whose module never ends its import, and process.exit in a call', async () => {
  const slow = fileOf(
    'slow.mjs',
    'await new Promise((resolve) => { globalThis.never = setInterval(() => {}, 1000); });\nexport const f = () => 1;',
  );
  const program = `${PRELUDE}
    for (const Pool of [ThreadPoolExecutor, ProcessPoolExecutor]) {
      const pool = new Pool({ maxWorkers: 1, cancelGrace: 0.05 });
      const call = pool.submit({ module: ${JSON.stringify(new URL(`file://${slow}`).href)}, name: 'f' });
      setTimeout(() => call.abort(), 300);
      console.log(await call.catch((error) => error.name), await pool.submit(targets.add, 1, 2));
      await pool.shutdown();
    }`;
  assert.equal(
    good(await runFile(fileOf('slow-import.mjs', program))),
    'CancelledError 3\nCancelledError 3\n',
  );
});

test('SIGINT in a terminal ends the program and its pools, with calls that run', async () => {
  const program = `${PRELUDE}
    const pool = new ProcessPoolExecutor(2);
    const threads = new ThreadPoolExecutor(1);
    await run(async () => {
      const pids = [await pool.submit(targets.pid)];
      threads.submit(targets.sleepForever).exception().catch(() => {});
      const call = pool.submit(targets.sleepForever);
      call.addProgressCallback(() => console.log('pids ' + JSON.stringify(pids)));
      try {
        await call;
      } finally {
        threads.killWorkers();
        console.log('finally');
      }
    });`;
  const file = fileOf('sigint.mjs', program);
  // A terminal of its own, whose Ctrl-C goes to the whole group.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const terminal = spawn('script', ['-qec', `${process.execPath} ${file}`, '/dev/null'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 60_000,
  });
  let output = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (!output.includes('pids') && `${output}${text}`.includes('pids')) terminal.stdin.write('\x03');
    output += text;
  });
  const code = await new Promise((resolve) => terminal.on('close', resolve));
  assert.match(output, /finally/);
  assert.equal(code, 130, output);
  const pids = JSON.parse(/pids (\[.*\])/.exec(output)![1]!) as number[];
  await eventually(() => pids.every((pid) => !isAlive(pid)), 'the processes have ended');
});
