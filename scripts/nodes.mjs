// Other versions of Node, Bun and Deno, taken from npm packages that hold their binaries and kept in .cache. They are
// no dependencies, so that nobody has to download them who does not ask for them.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Failure, help, isMain, npm, root } from './support.mjs';

/** The newest release of every line of Node that is supported, the oldest first. */
export const nodeVersions = ['20.20.2', '22.23.3', '24.21.0', '26.10.0'];

export const major = (version) => version.split('.')[0];

const platform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const exe = process.platform === 'win32' ? '.exe' : '';

/** Installs a package into a folder of its own, without scripts, and gives the path of a file in it. */
async function fetchFile(name, version, file) {
  const folder = path.join(root, '.cache/nodes', `${name.replace('@', '').replace('/', '-')}-${version}`);
  const binary = path.join(folder, 'node_modules', name, file);
  if (existsSync(binary)) return binary;
  console.error(`Fetching ${name} ${version} …`);
  const options = [
    '--no-save',
    '--no-package-lock',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const { code, output } = await npm(['install', '--prefix', folder, ...options, `${name}@${version}`], {
    capture: true,
  });
  if (code !== 0) throw new Failure(`${name} ${version} cannot be fetched:\n${output}`);
  if (!existsSync(binary)) throw new Failure(`${name} ${version} has no ${file}`);
  return binary;
}

export const fetchNode = (version) => fetchFile(`node-${platform}`, version, `bin/node${exe}`);
export const fetchBun = () =>
  fetchFile(`@oven/bun-${platform.replace('arm64', 'aarch64')}`, '1.4.5', `bin/bun${exe}`);
export const fetchDeno = () =>
  fetchFile(`@deno/${platform}${process.platform === 'linux' ? '-glibc' : ''}`, '2.9.6', `deno${exe}`);

if (isMain(import.meta.url)) {
  help(`usage: node scripts/nodes.mjs MAJOR | bun | deno

Fetches that Node (${nodeVersions.map(major).join(', ')}), Bun or Deno if need be and prints the path of its binary.`);
  const [name] = process.argv.slice(2);
  const version = nodeVersions.find((candidate) => major(candidate) === name);
  const fetched = name === 'bun' ? fetchBun() : name === 'deno' ? fetchDeno() : version && fetchNode(version);
  if (!fetched) throw new Failure(`not one of ${nodeVersions.map(major).join(', ')}, bun, deno: ${name}`);
  console.log(await fetched);
}
