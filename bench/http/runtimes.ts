/** The clients, and how their programs are started. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { BUILT, HTTP_CACHE, pathOf, ROOT, SOURCES } from '../paths.ts';
import type { Options } from '../options.ts';
import { installPeers } from '../peers.ts';

export interface Runtime {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Before `args`, to look at memory without garbage. */
  readonly withoutGarbage: readonly string[];
}

interface Client {
  readonly title: string;
  /** A program compiled from here, one of the peers', or one in Python. */
  readonly program: string;
}

const CLIENTS: Readonly<Record<string, Client>> = {
  generators: { title: 'generators', program: 'ours-generators.js' },
  'async-functions': { title: 'async fns', program: 'ours-async.js' },
  'undici-dispatch': { title: 'undici dispatch', program: 'undici.js' },
  'undici-request': { title: 'undici request', program: 'undici.js' },
  'undici-agent': { title: 'undici own Agent', program: 'undici.js' },
  fetch: { title: 'fetch', program: 'native.js' },
  'node-http': { title: 'node:http', program: 'native.js' },
  got: { title: 'got', program: 'peers.mjs' },
  axios: { title: 'axios', program: 'peers.mjs' },
  aiohttp: { title: 'aiohttp', program: 'aiohttp_client.py' },
  'aiohttp-uvloop': { title: 'aiohttp, uvloop', program: 'aiohttp_client.py' },
};

/** The newest that run on every Node of this library. */
const PEERS: Readonly<Record<string, string>> = { axios: '1.21.1', got: '14.6.5' };

/** Their folder. */
const PROGRAMS = 'http/programs/';

export const RUNTIME_NAMES: readonly string[] = Object.keys(CLIENTS);

/** The wanted clients that can run here; `note` is told why another one cannot. */
export function findRuntimes(options: Options, note: (text: string) => void): Runtime[] {
  const nodeVersion = ask(options.node, ['--version']);
  if (nodeVersion === null) throw new Error(`cannot run ${options.node}`);
  const wanted = Object.entries(CLIENTS).filter(([name]) => options.runtime?.includes(name) ?? true);
  const problem = wanted.some(([name]) => name in PEERS)
    ? options.peers
      ? preparePeers()
      : '--no-peers'
    : null;
  if (problem !== null) note(`without got and axios: ${problem}`);
  const python = pythonOf(options.python);
  return wanted.flatMap(([name, { title, program }]): Runtime[] => {
    if (program.endsWith('.py')) {
      const version = name === 'aiohttp' ? python?.aiohttp : python?.uvloop;
      if (python === null || !version) {
        note(`without ${title}: ${options.python} does not have it`);
        return [];
      }
      const flags = name === 'aiohttp' ? [] : ['--uvloop'];
      const args = ['-B', pathOf(PROGRAMS + program, SOURCES), ...flags];
      return [{ name, title, version, file: python.file, args, withoutGarbage: [] }];
    }
    const node = { name, title, file: options.node, withoutGarbage: ['--expose-gc'] };
    if (name in PEERS) {
      if (problem !== null) return [];
      return [{ ...node, version: PEERS[name] ?? '', args: [pathOf(PROGRAMS + program, HTTP_CACHE), name] }];
    }
    const version = program === 'undici.js' ? undiciVersion() : nodeVersion;
    return [{ ...node, version, args: [pathOf(PROGRAMS + program, BUILT), name] }];
  });
}

/** What the peers' program imports lies there as in the build. */
function preparePeers(): string | null {
  const problem = installPeers(PEERS, HTTP_CACHE);
  if (problem !== null) return problem;
  mkdirSync(pathOf(PROGRAMS, HTTP_CACHE), { recursive: true });
  copyFileSync(pathOf(`${PROGRAMS}peers.mjs`, SOURCES), pathOf(`${PROGRAMS}peers.mjs`, HTTP_CACHE));
  for (const name of [`${PROGRAMS}drive.js`, 'control.js']) {
    copyFileSync(pathOf(name, BUILT), pathOf(name, HTTP_CACHE));
  }
  return null;
}

function undiciVersion(): string {
  const { dependencies } = JSON.parse(readFileSync(pathOf('package.json', ROOT), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return dependencies['undici'] ?? '';
}

/** The interpreter itself, since `python3` may be a script that looks for it, and what it has. */
function pythonOf(python: string): { file: string; aiohttp: string; uvloop: string } | null {
  const code = `
import sys, aiohttp
try:
    import uvloop
except ImportError:
    uvloop = None
print(sys.executable, aiohttp.__version__, uvloop.__version__ if uvloop else "", sep="\\n")`;
  const [file = '', aiohttp = '', uvloop = ''] = (ask(python, ['-c', code]) ?? '').split('\n');
  return file === '' ? null : { file, aiohttp, uvloop };
}

function ask(file: string, args: string[]): string | null {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}
