/** The columns of the tables, and how their programs are started. */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import type { Options } from '../options.ts';
import { BUILT, EXECUTORS_CACHE, pathOf, SOURCES } from '../paths.ts';
import { installPeers } from '../peers.ts';

export interface Runtime {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  readonly workloads: readonly string[];
  readonly file: string;
  /** Before the workload and its size. */
  readonly args: readonly string[];
  /** Its workloads are made smaller. */
  readonly isSlow: boolean;
}

interface Program {
  readonly title: string;
  readonly kind: 'ours' | 'peer' | 'python';
  /** What the program calls it. */
  readonly subject: string;
  readonly package?: string;
  readonly workloads: readonly string[];
}

const calls = ['start', 'in_flight', 'one_at_a_time'];
const cloning = [...calls, 'clone'];
const all = [...cloning, 'transfer'];

const PROGRAMS: Readonly<Record<string, Program>> = {
  threads: { title: 'threads', kind: 'ours', subject: 'threads', workloads: all },
  processes: { title: 'processes', kind: 'ours', subject: 'processes', workloads: cloning },
  tasks: { title: 'tasks', kind: 'ours', subject: 'tasks', workloads: calls },
  piscina: { title: 'piscina', kind: 'peer', subject: 'piscina', package: 'piscina', workloads: all },
  tinypool: { title: 'tinypool', kind: 'peer', subject: 'tinypool', package: 'tinypool', workloads: all },
  'workerpool-threads': {
    title: 'workerpool thr.',
    kind: 'peer',
    subject: 'workerpool-threads',
    package: 'workerpool',
    workloads: all,
  },
  'workerpool-processes': {
    title: 'workerpool proc.',
    kind: 'peer',
    subject: 'workerpool-processes',
    package: 'workerpool',
    workloads: cloning,
  },
  'asyncio-threads': {
    title: 'asyncio thr.',
    kind: 'python',
    subject: 'asyncio-threads',
    workloads: ['in_flight', 'one_at_a_time'],
  },
  'asyncio-processes': {
    title: 'asyncio proc.',
    kind: 'python',
    subject: 'asyncio-processes',
    workloads: ['in_flight', 'one_at_a_time'],
  },
  'python-threads': { title: 'CPython thr.', kind: 'python', subject: 'threads', workloads: cloning },
  'python-processes': { title: 'CPython proc.', kind: 'python', subject: 'processes', workloads: cloning },
};

const PEERS = { piscina: '5.3.2', tinypool: '2.2.0', workerpool: '10.0.3' };

export const RUNTIME_NAMES: readonly string[] = Object.keys(PROGRAMS);

/** The wanted runtimes that can run here; `note` is told why another one cannot. */
export function findRuntimes(options: Options, note: (text: string) => void): Runtime[] {
  const version = ask(options.node, ['--version']);
  if (version === null) throw new Error(`cannot run ${options.node}`);
  const wanted = Object.entries(PROGRAMS).filter(([name]) => options.runtime?.includes(name) ?? true);
  const python = ask(options.python, ['-c', 'import sys; print(sys.executable)']);
  if (python === null) note(`without CPython: cannot run ${options.python}`);
  const needsPeers = wanted.some(([, { kind }]) => kind === 'peer');
  const problem = needsPeers ? (options.peers ? preparePeers() : '--no-peers') : null;
  if (problem !== null) note(`without other pools: ${problem}`);
  return wanted.flatMap(([name, program]): Runtime[] => {
    const { title, kind, subject, workloads } = program;
    const known = { name, title, workloads };
    if (kind === 'ours') {
      const args = [pathOf('executors/programs/ours.js', BUILT), subject];
      return [{ ...known, version, file: options.node, args, isSlow: false }];
    }
    if (kind === 'peer') {
      if (problem !== null) return [];
      const args = [pathOf('peers.mjs', EXECUTORS_CACHE), subject];
      const own = (PEERS as Record<string, string>)[program.package ?? ''] ?? '';
      return [{ ...known, version: own, file: options.node, args, isSlow: true }];
    }
    if (python === null) return [];
    const release = ask(python, ['-c', 'import platform; print(platform.python_version())']) ?? '';
    const args = ['-B', pathOf('executors/programs/executors.py', SOURCES), subject];
    return [{ ...known, version: release, file: python, args, isSlow: true }];
  });
}

function preparePeers(): string | null {
  const problem = installPeers(PEERS, EXECUTORS_CACHE);
  if (problem !== null) return problem;
  copyFileSync(pathOf('executors/programs/drive.js', BUILT), pathOf('drive.js', EXECUTORS_CACHE));
  for (const name of ['peers.mjs', 'worker.mjs']) {
    copyFileSync(pathOf(`executors/programs/${name}`, SOURCES), pathOf(name, EXECUTORS_CACHE));
  }
  return null;
}

function ask(file: string, args: string[]): string | null {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}
