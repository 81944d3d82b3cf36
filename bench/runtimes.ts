/** The columns of the table, and the commands that run one cell of each. */
import { spawnSync } from 'node:child_process';
import type { Options } from './options.ts';
import { BUILT, CACHE, pathOf, ROOT, SOURCES } from './paths.ts';
import { PEERS, preparePeers } from './peers.ts';
import type { Workload } from './workloads.ts';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

export interface Runtime {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  /** The size of a workload is divided by this where the runtime is so slow that it would take minutes. */
  divisor(workload: Workload): number;
  /** Undefined where the runtime has no such workload. */
  command(workload: Workload, n: number, fillMs: number): Command | undefined;
}

export const RUNTIME_NAMES = [
  'generators',
  'async-functions',
  'generators-context',
  'native',
  'effect',
  'effection',
  'asyncio',
  'uvloop',
  'trio',
] as const;

type RuntimeName = (typeof RUNTIME_NAMES)[number];

const IMPORT_TIME =
  'const t = performance.now(); await import(process.argv[1]); console.log(performance.now() - t)';

interface NodeProgram {
  readonly title: string;
  readonly workloads: string;
  readonly hello: string | null;
  readonly base: URL;
  /** The main entry, imported by its name from the folder where that name resolves. */
  readonly entry: string | null;
  readonly entryBase: URL;
  /** See `Runtime.divisor`. Checked that the cost per operation stays the same. */
  readonly divisors?: Readonly<Record<string, number>>;
}

const built = { base: new URL('workloads/', BUILT), entryBase: ROOT };
const cached = { base: CACHE, entryBase: CACHE };

const NODE_PROGRAMS: Partial<Record<RuntimeName, NodeProgram>> = {
  generators: {
    ...built,
    title: 'generators',
    workloads: 'ours-generators.js',
    hello: 'hello/ours-generators.js',
    entry: 'asyncio-ts',
  },
  'async-functions': {
    ...built,
    title: 'async fns',
    workloads: 'ours-async.js',
    hello: 'hello/ours-async.js',
    entry: 'asyncio-ts',
  },
  'generators-context': {
    ...built,
    title: 'gen+context',
    workloads: 'ours-generators-context.js',
    hello: null,
    entry: null,
  },
  native: { ...built, title: 'native', workloads: 'native.js', hello: 'hello/native.js', entry: null },
  effect: {
    ...cached,
    title: 'Effect',
    workloads: 'effect.mjs',
    hello: 'hello/effect.mjs',
    entry: 'effect',
    // Standing in line, which is not measured, takes it time that grows with the line.
    divisors: { cancel_waiters: 10 },
  },
  effection: {
    ...cached,
    title: 'Effection',
    workloads: 'effection.mjs',
    hello: 'hello/effection.mjs',
    entry: 'effection',
    divisors: {
      spawn_join: 10,
      spawn_yield_seq: 5,
      timers: 20,
      cancel: 10,
      cancel_sleep: 10,
      cancel_waiters: 10,
      memory: 10,
    },
  },
};

/** The wanted runtimes that can run here; `note` is told why another one cannot. */
export function findRuntimes(options: Options, note: (text: string) => void): Runtime[] {
  const wanted = (name: string) => options.runtime === null || options.runtime.includes(name);
  const nodeVersion = ask(options.node, ['--version']);
  if (nodeVersion === null) throw new Error(`cannot run ${options.node}`);
  const peersMissing = !(wanted('effect') || wanted('effection'))
    ? null
    : options.peers
      ? preparePeers()
      : '--no-peers';
  if (peersMissing !== null) note(`without Effect and Effection: ${peersMissing}`);

  const found: Runtime[] = [];
  for (const name of RUNTIME_NAMES) {
    if (!wanted(name)) continue;
    const program = NODE_PROGRAMS[name];
    if (program !== undefined && !(name in PEERS && peersMissing !== null)) {
      found.push(nodeRuntime(name, program, options.node, PEERS[name] ?? nodeVersion));
    }
    const pythonProgram = PYTHON_PROGRAMS[name];
    if (pythonProgram === undefined) continue;
    const python = pythonRuntime(name, pythonProgram, options.python);
    if (typeof python === 'string') note(python);
    else found.push(python);
  }
  return found;
}

function nodeRuntime(name: string, program: NodeProgram, node: string, version: string): Runtime {
  return {
    name,
    title: program.title,
    version,
    divisor: (workload) => program.divisors?.[workload.name] ?? 1,
    command(workload, n, fillMs) {
      const cwd = pathOf('.', program.entryBase);
      if (workload.measures === 'import') {
        const args = ['--input-type=module', '-e', IMPORT_TIME, program.entry ?? ''];
        return program.entry === null ? undefined : { file: node, args, cwd };
      }
      if (workload.measures === 'start') {
        if (program.hello === null) return undefined;
        return { file: node, args: [pathOf(program.hello, program.base)], cwd };
      }
      const url = new URL(program.workloads, program.base).href;
      const cell = [url, workload.name, String(n), String(workload.opsPerN ?? 1), String(fillMs)];
      return { file: node, args: ['--expose-gc', pathOf('child.js', BUILT), ...cell], cwd };
    },
  };
}

interface PythonProgram {
  readonly workloads: string;
  readonly flags: readonly string[];
  readonly version: string;
}

const PYTHON_PROGRAMS: Partial<Record<RuntimeName, PythonProgram>> = {
  asyncio: {
    workloads: 'asyncio_core.py',
    flags: [],
    version: 'import platform; print(platform.python_version())',
  },
  uvloop: {
    workloads: 'asyncio_core.py',
    flags: ['--uvloop'],
    version: 'import uvloop; print(uvloop.__version__)',
  },
  trio: { workloads: 'trio_core.py', flags: [], version: 'import trio; print(trio.__version__)' },
};

/** CPython's asyncio or another loop in Python, or the reason why it is left out. */
function pythonRuntime(name: RuntimeName, program: PythonProgram, python: string): Runtime | string {
  // The interpreter itself, since `python3` may be a script that looks for it, which would count as start time.
  const file = ask(python, ['-c', 'import sys; print(sys.executable)']);
  if (file === null) return `without ${name}: cannot run ${python}`;
  const version = ask(file, ['-c', program.version]);
  if (version === null) return `without ${name}: ${python} does not have it`;
  const importTime = `import time; t = time.perf_counter(); import ${name}; print((time.perf_counter() - t) * 1000)`;
  return {
    name,
    title: name,
    version,
    divisor: () => 1,
    command(workload, n, fillMs) {
      const cwd = pathOf('.', SOURCES);
      if (workload.measures === 'import') return { file, args: ['-c', importTime], cwd };
      if (workload.measures === 'start') {
        return { file, args: [pathOf(`workloads/hello/${name}_hello.py`, SOURCES)], cwd };
      }
      const cell = [workload.name, String(n), String(workload.opsPerN ?? 1), String(fillMs)];
      return {
        file,
        args: ['-B', pathOf(`workloads/${program.workloads}`, SOURCES), ...cell, ...program.flags],
        cwd,
      };
    },
  };
}

function ask(file: string, args: string[]): string | null {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}
