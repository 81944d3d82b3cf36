// Compiles src to dist and, unless only the library is asked for, tests, examples, bench and scripts to build.
import { existsSync, readdirSync, rmSync } from 'node:fs';
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

export async function buildLibrary() {
  await tsc('tsconfig.build.json');
  prune(path.join(root, 'dist'), path.join(root, 'src'));
}

/** The tests import the package by its name, so the library has to be built before. */
export async function buildTests() {
  await tsc('tsconfig.json');
  prune(path.join(root, 'build'), root);
}

if (isMain(import.meta.url)) {
  help('usage: npm run build [-- --library]\n\n  --library  compile src alone');
  const library = { 'build: src → dist': buildLibrary };
  const tests = { 'build: tests, examples, bench, scripts → build': buildTests };
  await setup();
  await stages(process.argv.includes('--library') ? library : { ...library, ...tests });
}
