/** The columns of the tables, and how their programs are started. */
import { spawnSync } from 'node:child_process';
import { BUILT, pathOf, SOURCES } from '../paths.ts';
import type { Options } from '../options.ts';

/** What a program can do. */
export type Part = 'echo' | 'bulk' | 'spawn';

export interface Runtime {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  readonly parts: readonly Part[];
  readonly file: string;
  /** Before the arguments of the part. */
  readonly args: readonly string[];
  /** Before `args`, to look at memory without garbage. */
  readonly withoutGarbage: readonly string[];
  /** What its echo is called in the program. */
  readonly echo: string;
}

interface Program {
  readonly title: string;
  readonly program: string;
  readonly parts: readonly Part[];
  readonly echo?: string;
  readonly flags?: readonly string[];
}

const all: readonly Part[] = ['echo', 'bulk', 'spawn'];
const python = { program: 'asyncio_io.py' };

const PROGRAMS: Readonly<Record<string, Program>> = {
  generators: { title: 'generators', program: 'ours-generators.js', parts: all },
  'async-functions': { title: 'async fns', program: 'ours-async.js', parts: all },
  protocol: { title: 'protocol', program: 'ours-protocol.js', parts: ['echo'] },
  native: { title: 'native', program: 'native.js', parts: all },
  asyncio: { ...python, title: 'asyncio', parts: all },
  'asyncio-protocol': { ...python, title: 'asyncio prot.', parts: ['echo'], echo: 'protocol' },
  uvloop: { ...python, title: 'uvloop', parts: all, flags: ['--uvloop'] },
  'uvloop-protocol': {
    ...python,
    title: 'uvloop prot.',
    parts: ['echo'],
    echo: 'protocol',
    flags: ['--uvloop'],
  },
};

export const RUNTIME_NAMES: readonly string[] = Object.keys(PROGRAMS);

/** The wanted runtimes that can run here; `note` is told why another one cannot. */
export function findRuntimes(options: Options, note: (text: string) => void): Runtime[] {
  const nodeVersion = ask(options.node, ['--version']);
  if (nodeVersion === null) throw new Error(`cannot run ${options.node}`);
  // The interpreter itself, since `python3` may be a script that looks for it.
  const interpreter = ask(options.python, ['-c', 'import sys; print(sys.executable)']);
  const versions: Record<string, string | null> = {};
  if (interpreter !== null) {
    versions['asyncio'] = ask(interpreter, ['-c', 'import platform; print(platform.python_version())']);
    versions['uvloop'] = ask(interpreter, ['-c', 'import uvloop; print(uvloop.__version__)']);
  }
  const found: Runtime[] = [];
  for (const [name, { title, program, parts, echo = 'echo', flags = [] }] of Object.entries(PROGRAMS)) {
    if (options.runtime !== null && !options.runtime.includes(name)) continue;
    const known = { name, title, parts, echo };
    if (program.endsWith('.js')) {
      const args = [pathOf(`io/programs/${program}`, BUILT)];
      found.push({
        ...known,
        version: nodeVersion,
        file: options.node,
        args,
        withoutGarbage: ['--expose-gc'],
      });
      continue;
    }
    const version = versions[name.replace('-protocol', '')] ?? null;
    if (interpreter === null) note(`without ${title}: cannot run ${options.python}`);
    else if (version === null) note(`without ${title}: ${options.python} does not have it`);
    else {
      const args = ['-B', pathOf(`io/programs/${program}`, SOURCES), ...flags];
      found.push({ ...known, version, file: interpreter, args, withoutGarbage: [] });
    }
  }
  return found;
}

function ask(file: string, args: string[]): string | null {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}
