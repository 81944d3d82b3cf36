// Adds to package-lock.json the packages of other platforms that npm left out: it does so when its registry does not
// offer them to this platform, and `npm ci` refuses such a lockfile. To be run after a dependency was added or updated.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './support.mjs';

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const processors = ['arm', 'arm64', 'ia32', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];
const libraries = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' };

/** The entry of a package that is named after its platform, as `binding-linux-x64-gnu` is. */
function entryOf(name, version, dev) {
  const words = name.split(/[/-]/);
  const os = words.filter((word) => systems.includes(word));
  const cpu = words.filter((word) => processors.includes(word));
  const libc = os.includes('linux') ? words.flatMap((word) => libraries[word] ?? []) : [];
  return {
    version,
    ...(cpu.length > 0 && { cpu }),
    ...(dev && { dev }),
    ...(libc.length > 0 && { libc }),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

const file = path.join(root, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const added = {};
for (const { optionalDependencies = {}, dev } of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const key = `node_modules/${name}`;
    if (!lock.packages[key]) added[key] = entryOf(name, version.replace(/^[=^~]/, ''), dev);
  }
}
const packages = Object.entries({ ...lock.packages, ...added }).toSorted(([a], [b]) =>
  a.localeCompare(b, 'en'),
);
writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`);
console.log(
  Object.keys(added).length === 0 ? 'nothing is missing' : `added:\n${Object.keys(added).join('\n')}`,
);
