/**
 * The libraries to compare with. They are no dependencies of the package: exact versions are installed into a
 * cache folder when the benchmark wants them, and their programs are copied there, where a plain
 * `import 'effect'` finds them.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { BUILT, CACHE, pathOf, SOURCES } from './paths.ts';

export const PEERS: Readonly<Record<string, string>> = { effect: '4.1.0', effection: '4.1.1' };

/** Install what is missing. Returns null, or the reason why the peers cannot be measured. */
export function preparePeers(): string | null {
  mkdirSync(pathOf('hello/', CACHE), { recursive: true });
  if (!Object.keys(PEERS).every(isInstalled)) {
    const manifest = { private: true, type: 'module', dependencies: PEERS };
    writeFileSync(pathOf('package.json', CACHE), `${JSON.stringify(manifest, null, 2)}\n`);
    process.stderr.write(`installing ${Object.keys(PEERS).join(', ')} into .cache/bench\n`);
    const npm = spawnSync(
      'npm',
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=0'],
      {
        cwd: CACHE,
        encoding: 'utf8',
        shell: process.platform === 'win32',
        timeout: 120_000,
      },
    );
    if (npm.status !== 0)
      return `npm install failed: ${(npm.stderr || String(npm.error ?? '')).trim().split('\n')[0]}`;
  }
  copyFileSync(pathOf('workloads/clock.js', BUILT), pathOf('clock.js', CACHE));
  for (const name of Object.keys(PEERS)) {
    for (const folder of ['', 'hello/']) {
      copyFileSync(pathOf(`workloads/${folder}${name}.mjs`, SOURCES), pathOf(`${folder}${name}.mjs`, CACHE));
    }
  }
  return null;
}

function isInstalled(name: string): boolean {
  const manifest = pathOf(`node_modules/${name}/package.json`, CACHE);
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === PEERS[name];
}
