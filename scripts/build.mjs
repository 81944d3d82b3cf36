// Compiles src to dist and, unless only the library is asked for, tests, examples, bench and scripts to build.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setup } from './setup.mjs';
import { help, isMain, node, root, stages, tool } from './support.mjs';

export const tsc = (project) => node([tool('typescript/bin/tsc'), '-p', project, '--pretty', 'false']);

/** Removes compiled files whose source is gone, so that no deleted module or test lives on. */
function prune(outDir, rootDir) {
  for (const entry of readdirSync(outDir, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name);
    const source = path.relative(outDir, file).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
    if (entry.isFile() && !existsSync(path.join(rootDir, source))) rmSync(file);
  }
}

/**
 * Declarations by tsc, file for file; the code of each entry in as few files as there are layers, since Node takes
 * a millisecond to find and load each module.
 */
export async function buildLibrary() {
  const dist = path.join(root, 'dist');
  rmSync(dist, { recursive: true, force: true });
  await tsc('tsconfig.build.json');
  // The packages may have been installed a moment ago.
  const { rolldown } = await import('rolldown');
  const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const entries = Object.values(exports)
    .filter((entry) => entry.default !== undefined)
    .map((entry) => path.relative('dist', entry.default).replace(/\.js$/, ''));
  // The program of worker threads and processes, and what they call by name: nobody else imports them.
  entries.push('worker', 'threading/runners', 'concurrent/chunks');
  const bundle = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [entry, path.join(root, 'src', `${entry}.ts`)])),
    external: [/^node:/, /^undici/],
    preserveEntrySignatures: 'allow-extension',
    onLog: (level, log, print) => print(level === 'warn' ? 'error' : level, log),
  });
  await bundle.write({
    dir: dist,
    sourcemap: true,
    comments: { annotation: true, legal: false, jsdoc: false },
    chunkFileNames: '[name].js',
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        // Alone, so that a bundler can leave it out of a program without task groups; and with it what only such a
        // small program can do without.
        { name: 'groups', test: /(exception-groups|taskgroups|unsupported)\.ts/, priority: 2 },
        { name: 'core', test: /src[\\/]core[\\/]/, priority: 1 },
        { name: 'node', test: /src[\\/](io[\\/]|host[\\/](node|signals)\.ts)/ },
        // What every program has of executors; the rest is loaded with the first of them.
        {
          name: 'futures',
          test: /(concurrent[\\/](started|futures|errors|unretrieved|timer|loop-futures)|host[\\/]is-main)\.ts/,
          priority: 1,
        },
        { name: 'concurrent', test: /src[\\/]concurrent[\\/](?!index|chunks)/ },
        { name: 'threading', test: /src[\\/]threading[\\/](?!index|runners)/ },
        { name: 'multiprocessing', test: /src[\\/]multiprocessing[\\/](?!index)/ },
      ],
    },
  });
  await bundle.close();
  // The compiler's notes, which the package has no use for.
  rmSync(path.join(dist, '.tsbuildinfo'), { force: true });
}

/** The tests import the package by its name, so the library has to be built before. */
export async function buildTests() {
  await tsc('tsconfig.json');
  prune(path.join(root, 'build'), root);
  // What the package keeps to itself and has tests of its own; at once a second copy of the error classes.
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({
    input: ['exceptions', 'exception-groups'].map((name) => path.join(root, `src/core/${name}.ts`)),
  });
  await bundle.write({ dir: path.join(root, 'build/internals') });
  await bundle.close();
}

if (isMain(import.meta.url)) {
  help('usage: npm run build [-- --library]\n\n  --library  compile src alone');
  const library = { 'build: src → dist': buildLibrary };
  const tests = { 'build: tests, examples, bench, scripts → build': buildTests };
  await setup();
  await stages(process.argv.includes('--library') ? library : { ...library, ...tests });
}
