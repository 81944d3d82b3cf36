/**
 * The libraries to compare with. They are no dependencies of the package: exact versions are installed into a
 * cache folder when the benchmark wants them, and their programs are copied there, where a plain
 * `import 'effect'` finds them.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { BUILT, CACHE, pathOf, SOURCES } from './paths.ts';

export const PEERS: Readonly<Record<string, string>> = { effect: '4.1.0', effection: '4.1.1' };

/** Install what is missing into a folder. Returns null, or the reason why they cannot be measured. */
export function installPeers(peers: Readonly<Record<string, string>>, folder: URL): string | null {
  mkdirSync(folder, { recursive: true });
  const isInstalled = (name: string): boolean => {
    const manifest = pathOf(`node_modules/${name}/package.json`, folder);
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === peers[name];
  };
  const names = Object.keys(peers);
  if (names.every(isInstalled)) return null;
  const manifest = { private: true, type: 'module', dependencies: peers };
  writeFileSync(pathOf('package.json', folder), `${JSON.stringify(manifest, null, 2)}\n`);
  process.stderr.write(`installing ${names.join(', ')} into .cache\n`);
  const npm = spawnSync(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=0'],
    {
      cwd: folder,
      encoding: 'utf8',
      shell: process.platform === 'win32',
      timeout: 120_000,
    },
  );
  if (npm.status === 0) return null;
  return `npm install failed: ${(npm.stderr || String(npm.error ?? '')).trim().split('\n')[0]}`;
}

/** Make ready what the benchmark of the core compares with. */
export function preparePeers(): string | null {
  mkdirSync(pathOf('hello/', CACHE), { recursive: true });
  const problem = installPeers(PEERS, CACHE);
  if (problem !== null) return problem;
  copyFileSync(pathOf('workloads/clock.js', BUILT), pathOf('clock.js', CACHE));
  for (const name of Object.keys(PEERS)) {
    for (const folder of ['', 'hello/']) {
      copyFileSync(pathOf(`workloads/${folder}${name}.mjs`, SOURCES), pathOf(`${folder}${name}.mjs`, CACHE));
    }
  }
  return null;
}
